//! What the input document can hold, so that a read of what is never there is found at load.
//!
//! The shape of the view is that of its Rust types: their JSON Schema, which follows the same serde
//! attributes as what is sent to Rego. So a field that is added to a type is known here at once.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::admission::{GroupVersionKind, GroupVersionResource, User};
use crate::inventory::{self, Related};
use crate::policy::Policy;
use crate::policy::parameters::{Kind, Parameter};
use crate::workload::Workload;

/// What can be read of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Anything: what users write, or what is not known.
    Open,
    /// Text, a number or a boolean.
    Scalar,
    /// A list or a set of such.
    List(Arc<Shape>),
    /// Any keys, with such values.
    Map(Arc<Shape>),
    /// These fields, and no others.
    Object(BTreeMap<String, Arc<Shape>>),
    /// One of these.
    OneOf(Vec<Arc<Shape>>),
}

/// Why a field is never there.
pub enum Never<'s> {
    /// The fields are these.
    Unknown(&'s BTreeMap<String, Arc<Shape>>),
    /// A list has items, not fields.
    List,
    /// It has no parts.
    Scalar,
}

impl Shape {
    /// What a field holds.
    ///
    /// # Errors
    /// If it is never there.
    pub fn field(&self, name: &str) -> Result<Arc<Shape>, Never<'_>> {
        match self {
            Self::Open => Ok(Arc::new(Self::Open)),
            Self::Scalar => Err(Never::Scalar),
            Self::List(_) => Err(Never::List),
            Self::Map(value) => Ok(Arc::clone(value)),
            Self::Object(fields) => fields.get(name).cloned().ok_or(Never::Unknown(fields)),
            Self::OneOf(shapes) => {
                let mut never = None;
                let found = shapes.iter().filter_map(|shape| match shape.field(name) {
                    Ok(shape) => Some(shape),
                    Err(reason) => {
                        // A list of fields says more than that there are none.
                        if !matches!(never, Some(Never::Unknown(_))) {
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

    /// What an item or the value of some key is.
    pub fn item(&self) -> Arc<Shape> {
        match self {
            Self::List(item) | Self::Map(item) => Arc::clone(item),
            Self::OneOf(shapes) => Self::one_of(shapes.iter().map(|shape| shape.item())),
            Self::Open | Self::Scalar | Self::Object(_) => Arc::new(Self::Open),
        }
    }

    /// One of several; open if one of them is, or if there is none.
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
        // The type of an optional field is a list: the type, and null.
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null"),
            kind => kind,
        };
        let below = |key: &str| schema.get(key).map_or_else(|| Arc::new(Self::Open), Self::from_schema);
        let shape = match (kind.and_then(Value::as_str), schema.get("properties").and_then(Value::as_object))
        {
            (Some("object"), Some(fields)) => Self::Object(
                fields.iter().map(|(name, field)| (name.clone(), Self::from_schema(field))).collect(),
            ),
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
            Kind::List => Self::List(Arc::new(element)),
            Kind::Map => Self::Map(Arc::new(element)),
            kind => Self::of_kind(kind),
        }
    }

    fn of_kind(kind: Kind) -> Shape {
        match kind {
            Kind::List => Self::List(Arc::new(Self::Open)),
            Kind::Map => Self::Map(Arc::new(Self::Open)),
            _ => Self::Scalar,
        }
    }
}

/// `input.review`, as `review` in `input.rs` builds it; a test holds them together.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is read")]
struct Review {
    uid: String,
    kind: GroupVersionKind,
    resource: GroupVersionResource,
    sub_resource: String,
    name: String,
    namespace: String,
    operation: String,
    user_info: User,
    dry_run: bool,
    options: Value,
    object: Value,
    old_object: Value,
    namespace_object: Value,
}

static SHARED: LazyLock<BTreeMap<String, Arc<Shape>>> = LazyLock::new(|| {
    let view = Shape::of::<Workload>();
    let mut related: BTreeMap<String, Arc<Shape>> =
        inventory::keys().map(|(key, _)| (key.to_owned(), Arc::new(Shape::Open))).collect();
    if let Shape::Object(fields) = Shape::of::<Related>().as_ref() {
        related.extend(fields.clone());
    }
    let parts = [
        ("workload", Arc::clone(&view)),
        ("old_workload", view),
        ("review", Shape::of::<Review>()),
        ("related", Arc::new(Shape::Object(related))),
        ("now", Arc::new(Shape::Scalar)),
    ];
    parts.into_iter().map(|(key, shape)| (key.to_owned(), shape)).collect()
});

/// The shape of `input` for a policy; without one, as in a library, its parameters may be any.
pub fn input(policy: Option<&Policy>) -> Shape {
    let parameters = policy.map_or(Shape::Open, |policy| {
        let declared = policy.parameters.iter();
        Shape::Object(declared.map(|(name, p)| (name.clone(), Arc::new(Shape::of_parameter(p)))).collect())
    });
    let mut parts = SHARED.clone();
    parts.insert("parameters".to_owned(), Arc::new(parameters));
    Shape::Object(parts)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::admission::{Phase, wire};
    use crate::engine::{Document, Reads};

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
        assert!(matches!(container.field("nmae"), Err(Never::Unknown(_))));
        // Renamed by serde, optional, an enum, open, a map, a path.
        assert_eq!(*shape(&["workload", "update", "type"]), Shape::Scalar);
        assert_eq!(*shape(&["old_workload", "engine", "quorum"]), Shape::Scalar);
        assert_eq!(*shape(&["workload", "class"]), Shape::Scalar);
        assert_eq!(*shape(&["workload", "update", "max_unavailable"]), Shape::Open);
        assert_eq!(*shape(&["workload", "labels", "any/thing"]), Shape::Scalar);
        assert_eq!(*shape(&["workload", "backup", "schedule", "path"]).item(), Shape::Scalar);
        assert!(matches!(shape(&["workload", "containers"]).field("name"), Err(Never::List)));
        assert!(matches!(shape(&["workload", "name"]).field("name"), Err(Never::Scalar)));
    }

    #[test]
    fn review_has_the_keys_that_are_built() {
        let body = include_bytes!("../../tests/fixtures/reviews/create-statefulset.json");
        let request = wire::decode(body, Phase::Validating).unwrap();
        let labels = BTreeMap::new();
        let now = jiff::Timestamp::UNIX_EPOCH;
        let document = Document::new(&request, &Reads::everything(), Some(&labels), now).unwrap();
        let document = document.with_views(None, None, &Related::default()).unwrap();
        let json = document.for_policy(&crate::engine::Value::new_object(), &[]).to_json_str().unwrap();
        let built: Value = serde_json::from_str(&json).unwrap();
        let parts: BTreeSet<String> = built["review"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys(&shape(&["review"])), parts);
        for part in ["kind", "resource"] {
            let built: BTreeSet<String> =
                built["review"][part].as_object().unwrap().keys().cloned().collect();
            assert_eq!(keys(&shape(&["review", part])), built, "{part}");
        }
        assert_eq!(*shape(&["review", "userInfo", "groups"]).item(), Shape::Scalar);
        assert_eq!(*shape(&["review", "object", "spec", "any"]), Shape::Open);
    }

    #[test]
    fn of_several_shapes_one_must_fit() {
        let object = |name: &str| {
            Arc::new(Shape::Object(BTreeMap::from([(name.to_owned(), Arc::new(Shape::Scalar))])))
        };
        let either = Shape::one_of([object("a"), object("b"), object("a")].into_iter());
        assert!(either.field("a").is_ok() && either.field("b").is_ok() && either.field("c").is_err());
        let open = Shape::one_of([object("a"), Arc::new(Shape::Open)].into_iter());
        assert!(open.field("c").is_ok());
        assert_eq!(*Shape::one_of(std::iter::empty()), Shape::Open);
    }
}
