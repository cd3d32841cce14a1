//! The possible contents of the input document, so that a read of a field that never exists is found at load.
//!
//! The shape follows from the Rust types: it is built from their JSON Schema, which follows the same serde
//! attributes as the data sent to Rego. A field added to a type is known here automatically.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::input::Input;
use crate::admission::Operation;
use crate::policy::Policy;
use crate::policy::parameters::{Parameter, ParameterType};

/// What can be read from a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Anything: user-defined or unknown content.
    Open,
    /// Text, a number or a boolean.
    Scalar,
    /// A list or set with elements of this shape.
    List(Arc<Shape>),
    /// Any keys, with values of this shape.
    Map(Arc<Shape>),
    /// Exactly these fields.
    Object(BTreeMap<String, Field>),
    /// One of these shapes.
    OneOf(Vec<Arc<Shape>>),
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    shape: Arc<Shape>,
    /// Whether it is present in every request.
    always: bool,
}

/// Why a field never exists.
pub enum MissingField<'s> {
    /// The object has only these fields.
    Unknown(&'s BTreeMap<String, Field>),
    /// A list has items, not fields.
    List,
    /// A scalar has no parts.
    Scalar,
}

impl Shape {
    /// The shape of a field.
    ///
    /// # Errors
    /// If the field never exists.
    pub fn field(&self, name: &str) -> Result<Arc<Shape>, MissingField<'_>> {
        match self {
            Self::Open => Ok(Arc::new(Self::Open)),
            Self::Scalar => Err(MissingField::Scalar),
            Self::List(_) => Err(MissingField::List),
            Self::Map(value) => Ok(Arc::clone(value)),
            Self::Object(fields) => match fields.get(name) {
                Some(field) => Ok(Arc::clone(&field.shape)),
                None => Err(MissingField::Unknown(fields)),
            },
            Self::OneOf(shapes) => {
                let mut never = None;
                let found = shapes.iter().filter_map(|shape| match shape.field(name) {
                    Ok(shape) => Some(shape),
                    Err(reason) => {
                        // A list of known fields is more helpful than the statement that there are none.
                        if !matches!(never, Some(MissingField::Unknown(_))) {
                            never = Some(reason);
                        }
                        None
                    }
                });
                let found: Vec<Arc<Shape>> = found.collect();
                match never {
                    Some(never) if found.is_empty() => Err(never),
                    _ => Ok(Self::one_of(found.into_iter())),
                }
            }
        }
    }

    /// Whether this field is present in every request.
    pub fn always_has(&self, name: &str) -> bool {
        match self {
            Self::Object(fields) => fields.get(name).is_some_and(|field| field.always),
            Self::OneOf(shapes) => shapes.iter().all(|shape| shape.always_has(name)),
            Self::Open | Self::Scalar | Self::List(_) | Self::Map(_) => false,
        }
    }

    /// The shape of an item, or of the value of some key.
    pub fn item(&self) -> Arc<Shape> {
        match self {
            Self::List(item) | Self::Map(item) => Arc::clone(item),
            Self::OneOf(shapes) => Self::one_of(shapes.iter().map(|shape| shape.item())),
            Self::Open | Self::Scalar | Self::Object(_) => Arc::new(Self::Open),
        }
    }

    /// The union of several shapes; open if one of them is open, or if there are none.
    pub fn one_of(shapes: impl Iterator<Item = Arc<Shape>>) -> Arc<Shape> {
        let mut distinct: Vec<Arc<Shape>> = Vec::new();
        for shape in shapes {
            match shape.as_ref() {
                Self::Open => return shape,
                _ if distinct.iter().any(|known| Arc::ptr_eq(known, &shape) || *known == shape) => {}
                _ => distinct.push(shape),
            }
        }
        match (distinct.len(), distinct.pop()) {
            (1, Some(only)) => only,
            (_, None) => Arc::new(Self::Open),
            (_, Some(last)) => {
                distinct.push(last);
                Arc::new(Self::OneOf(distinct))
            }
        }
    }

    /// An object that a policy itself writes: all its fields are present.
    pub fn made_of(fields: Vec<(String, Arc<Shape>)>) -> Shape {
        Self::Object(fields.into_iter().map(|(name, shape)| always(&name, shape)).collect())
    }

    fn of<T: JsonSchema>() -> Arc<Shape> {
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.inline_subschemas = true;
        });
        Self::from_schema(settings.into_generator().into_root_schema_for::<T>().as_value())
    }

    fn from_schema(schema: &Value) -> Arc<Shape> {
        let choices = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
        if let Some(choices) = choices {
            let choices = choices.iter().filter(|choice| choice.get("type") != Some(&Value::from("null")));
            return Self::one_of(choices.map(Self::from_schema));
        }
        // The type of an optional field is a list of its type and null.
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null"),
            kind => kind,
        };
        let below = |key: &str| schema.get(key).map_or_else(|| Arc::new(Self::Open), Self::from_schema);
        let shape = match (kind.and_then(Value::as_str), schema.get("properties").and_then(Value::as_object))
        {
            (Some("object"), Some(fields)) => {
                let required = schema.get("required").and_then(Value::as_array);
                let field = |(name, field): (&String, &Value)| {
                    let always = required.is_some_and(|required| required.iter().any(|key| key == name));
                    (name.clone(), Field { shape: Self::from_schema(field), always })
                };
                Self::Object(fields.iter().map(field).collect())
            }
            (Some("object"), None) => Self::Map(below("additionalProperties")),
            (Some("array"), _) => Self::List(below("items")),
            (Some(_), _) => Self::Scalar,
            (None, _) if schema.get("const").is_some() || schema.get("enum").is_some() => Self::Scalar,
            (None, _) => Self::Open,
        };
        Arc::new(shape)
    }

    fn of_parameter(parameter: &Parameter) -> Shape {
        let element = parameter.of.map_or(Self::Open, Self::of_kind);
        match parameter.kind {
            ParameterType::List => Self::List(Arc::new(element)),
            ParameterType::Map => Self::Map(Arc::new(element)),
            kind => Self::of_kind(kind),
        }
    }

    fn of_kind(kind: ParameterType) -> Shape {
        match kind {
            ParameterType::List => Self::List(Arc::new(Self::Open)),
            ParameterType::Map => Self::Map(Arc::new(Self::Open)),
            _ => Self::Scalar,
        }
    }
}

/// The shape of every part except the parameters.
static INPUT: LazyLock<Arc<Shape>> = LazyLock::new(Shape::of::<Input<'_>>);

fn always(name: &str, shape: Arc<Shape>) -> (String, Field) {
    (name.to_owned(), Field { shape, always: true })
}

/// The shape of `input` for a policy; without a policy, as in a library, the parameters are open.
pub fn input(policy: Option<&Policy>) -> Shape {
    let parameters = policy.map_or(Shape::Open, |policy| {
        let declared = policy.parameters.iter();
        // Each has a default, so it is always present.
        Shape::Object(declared.map(|(name, p)| always(name, Arc::new(Shape::of_parameter(p)))).collect())
    });
    // A DELETE has only an old object, and a subresource has no view.
    let has_view = policy.is_some_and(|policy| {
        let stored = |operation: &Operation| matches!(operation, Operation::Create | Operation::Update);
        policy.matches.operations.iter().all(stored) && policy.matches.subresources.is_empty()
    });
    let Shape::Object(mut parts) = Shape::clone(&INPUT) else { return Shape::Open };
    if let Some(view) = parts.get_mut("workload") {
        view.always = has_view;
    }
    parts.extend([always("parameters", Arc::new(parameters))]);
    Shape::Object(parts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sometimes(name: &str, shape: Arc<Shape>) -> (String, Field) {
        (name.to_owned(), Field { shape, always: false })
    }

    fn shape(path: &[&str]) -> Arc<Shape> {
        path.iter().fold(Arc::new(input(None)), |shape, key| match shape.field(key) {
            Ok(shape) => shape,
            Err(_) => panic!("{path:?}: there is no {key}"),
        })
    }

    fn keys(shape: &Shape) -> BTreeSet<String> {
        match shape {
            Shape::Object(fields) => fields.keys().cloned().collect(),
            other => panic!("{other:?} has no fields"),
        }
    }

    #[test]
    fn the_view_has_the_shape_of_its_types() {
        let container = shape(&["workload", "containers"]).item();
        assert!(keys(&container).is_superset(&["name", "role", "readiness"].map(String::from).into()));
        assert!(matches!(container.field("nmae"), Err(MissingField::Unknown(_))));
        // Renamed by serde, optional, an enum, open, a map, a path.
        assert_eq!(*shape(&["workload", "update", "type"]), Shape::Scalar);
        assert_eq!(*shape(&["old_workload", "engine", "quorum"]), Shape::Scalar);
        assert_eq!(*shape(&["workload", "class"]), Shape::Scalar);
        assert_eq!(*shape(&["workload", "update", "max_unavailable"]), Shape::Open);
        assert_eq!(*shape(&["workload", "labels", "any/thing"]), Shape::Scalar);
        assert_eq!(*shape(&["workload", "backup", "schedule", "path"]).item(), Shape::Scalar);
        assert!(matches!(shape(&["workload", "containers"]).field("name"), Err(MissingField::List)));
        assert!(matches!(shape(&["workload", "name"]).field("name"), Err(MissingField::Scalar)));
    }

    #[test]
    fn what_is_always_there_is_known() {
        assert!(shape(&["workload"]).always_has("name") && !shape(&["workload"]).always_has("engine"));
        assert!(shape(&["workload", "containers"]).item().always_has("mounts"));
        assert!(!shape(&["workload", "labels"]).always_has("app"));
        assert!(shape(&["review"]).always_has("uid") && !shape(&[]).always_has("old_workload"));
        assert!(
            shape(&["review"]).always_has("oldObject") && !shape(&["review"]).always_has("namespaceObject")
        );
        assert!(["review", "related", "now", "parameters"].iter().all(|part| shape(&[]).always_has(part)));
        assert!(!shape(&["related"]).always_has("pdbs"));
        assert_eq!(*shape(&["review", "userInfo", "groups"]).item(), Shape::Scalar);
        assert_eq!(*shape(&["review", "object", "spec", "any"]), Shape::Open);
    }

    #[test]
    fn of_several_shapes_one_must_fit() {
        let object =
            |name: &str| Arc::new(Shape::Object(BTreeMap::from([sometimes(name, Arc::new(Shape::Scalar))])));
        let either = Shape::one_of([object("a"), object("b"), object("a")].into_iter());
        assert!(either.field("a").is_ok() && either.field("b").is_ok() && either.field("c").is_err());
        let open = Shape::one_of([object("a"), Arc::new(Shape::Open)].into_iter());
        assert!(open.field("c").is_ok());
        assert_eq!(*Shape::one_of(std::iter::empty()), Shape::Open);
    }
}
