//! The input document: what a policy sees of a request. [`Input`] both defines its schema and builds it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::ast::Value;
use super::to_value::{ToValueError, to_value};
use crate::admission::{GroupVersionKind, GroupVersionResource, Operation, UserInfo};
use crate::inventory::{NamespaceLabels, Related};
use crate::workload::Workload;

/// The document `input`, without the parameters, which differ between policies. Parts that none of the
/// evaluated policies read are left out.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(transform = input_always_has)]
pub struct Input<'a> {
    /// The AdmissionRequest, in Gatekeeper's format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Review<'a>>,
    /// The typed view of the object as it will be stored; absent on DELETE and for most subresources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<&'a Workload>,
    /// The typed view of the object as it is currently stored; absent on CREATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_workload: Option<&'a Workload>,
    /// Other objects that relate to the request, as far as `custom.inventory` declares them and they are
    /// known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<&'a Related>,
    /// The time of the request (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

/// `input.review`: the request, with the objects in the state that is evaluated. For a request to `scale`
/// these are the parent objects, with the replicas that the request sets.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = review_always_has)]
pub struct Review<'a> {
    /// The API server's identifier for the request; empty outside admission.
    pub uid: &'a str,
    /// Group, version and kind of the object.
    pub kind: &'a GroupVersionKind,
    /// Group, version and plural name of the resource; for a subresource, the parent's.
    pub resource: &'a GroupVersionResource,
    /// `scale`, `status`, …; empty for the object itself.
    pub sub_resource: &'a str,
    /// The name of the object, even if the API server sends none: for a deletecollection the object's own
    /// name, for `generateName` the prefix followed by `*`.
    pub name: String,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// CREATE, UPDATE, DELETE or CONNECT.
    pub operation: Operation,
    /// The user who makes the request.
    pub user_info: &'a UserInfo,
    /// Whether this is a dry run (`--dry-run=server`), which stores nothing.
    pub dry_run: bool,
    /// CreateOptions, UpdateOptions or DeleteOptions as sent; null if none were sent.
    pub options: &'a Json,
    /// The object as it will be stored; null on DELETE.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Json")]
    pub object: Option<Option<&'a Json>>,
    /// The object as it is currently stored; null on CREATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Json")]
    pub old_object: Option<Option<&'a Json>>,
    /// The object's Namespace; absent if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_object: Option<NamespaceObject<'a>>,
}

/// A part is left out only if no policy reads it, so to every policy that reads it the part is always
/// present.
fn input_always_has(schema: &mut Schema) {
    require(schema, &["review", "related", "now"]);
}

fn review_always_has(schema: &mut Schema) {
    require(schema, &["object", "oldObject"]);
}

fn require(schema: &mut Schema, fields: &[&str]) {
    let required = schema.ensure_object().entry("required").or_insert_with(|| Json::Array(Vec::new()));
    if let Json::Array(required) = required {
        required.extend(fields.iter().map(|field| Json::from(*field)));
    }
}

/// `input.review.namespaceObject`: a Namespace whose labels are known.
#[derive(Serialize, JsonSchema)]
pub struct NamespaceObject<'a> {
    /// `Namespace`
    kind: &'static str,
    /// Name and labels.
    metadata: NamespaceMetadata<'a>,
}

#[derive(Serialize, JsonSchema)]
struct NamespaceMetadata<'a> {
    /// Name of the Namespace.
    name: &'a str,
    /// Labels of the Namespace.
    labels: &'a NamespaceLabels,
}

impl<'a> NamespaceObject<'a> {
    /// Creates a Namespace from its name and labels.
    pub fn new(name: &'a str, labels: &'a NamespaceLabels) -> Self {
        Self { kind: "Namespace", metadata: NamespaceMetadata { name, labels } }
    }
}

/// The JSON Schema of the whole document, including parameters, for policy authors and their editors.
pub fn input_schema() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = with_parameters(settings.into_generator());
    schema.insert("title".to_owned(), "The input document of a stategate policy".into());
    schema
}

fn with_parameters(generator: SchemaGenerator) -> Schema {
    let mut schema = generator.into_root_schema_for::<Input<'_>>();
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        let parameters = json!({
            "type": "object",
            "description": "The values of the parameters that METADATA declares, as the bindings set them.",
        });
        properties.insert("parameters".to_owned(), parameters);
    }
    require(&mut schema, &["parameters"]);
    schema
}

/// Why no input document could be built: the engine cannot represent a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request cannot be put into an input document: {0}")]
pub struct InputError(#[from] ToValueError);

/// An input document in the engine's representation. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct InputDocument {
    parts: Arc<BTreeMap<Value, Value>>,
}

/// The key of the parameters.
pub(super) const PARAMETERS: &str = "parameters";

/// The values of a policy's parameters in the engine's representation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ParameterValues(Value);

impl InputDocument {
    /// Builds the document for one state of a request.
    ///
    /// # Errors
    /// If the engine cannot represent it.
    pub fn new(input: &Input<'_>) -> Result<Self, InputError> {
        Self::of(to_value(input)?)
    }

    /// Splits a recorded document into the document and its parameters.
    ///
    /// # Errors
    /// If the engine cannot represent it.
    pub fn from_json(document: &Json) -> Result<(Self, ParameterValues), InputError> {
        let mut document = Self::of(to_value(document)?)?;
        let parameters = Arc::make_mut(&mut document.parts).remove(&Value::from(PARAMETERS));
        Ok((document, ParameterValues(parameters.unwrap_or(Value::Undefined))))
    }

    fn of(value: Value) -> Result<Self, InputError> {
        match value.as_object() {
            Ok(parts) => {
                let parts = parts.iter().map(|(key, part)| (key.clone(), part.clone())).collect();
                Ok(Self { parts: Arc::new(parts) })
            }
            Err(_) => Err(InputError(ToValueError::new("it is not an object"))),
        }
    }

    /// The document without these keys of `related`, which only other policies may see.
    pub fn without_related(&self, keys: &[&'static str]) -> Cow<'_, Self> {
        if keys.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut document = self.clone();
        let related = Arc::make_mut(&mut document.parts).get_mut(&Value::from("related"));
        if let Some(Ok(related)) = related.map(Value::as_object_mut) {
            keys.iter().for_each(|key| drop(related.remove(&Value::from(*key))));
        }
        Cow::Owned(document)
    }

    /// Whether it is a clone of this one.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.parts, &other.parts)
    }

    /// The value of a key of the document for one policy.
    pub(super) fn part<'v>(&'v self, key: &Value, parameters: &'v ParameterValues) -> &'v Value {
        match key {
            Value::String(name) if &**name == PARAMETERS && parameters.0 != Value::Undefined => &parameters.0,
            _ => self.parts.get(key).unwrap_or(&Value::Undefined),
        }
    }

    /// The values of the document for one policy.
    pub(super) fn values<'v>(&'v self, parameters: &'v ParameterValues) -> impl Iterator<Item = &'v Value> {
        self.parts.values().chain([&parameters.0])
    }

    /// The whole document for one policy.
    pub(super) fn with(&self, parameters: &ParameterValues) -> Value {
        let mut parts = BTreeMap::clone(&self.parts);
        if parameters.0 != Value::Undefined {
            parts.insert(PARAMETERS.into(), parameters.0.clone());
        }
        parts.into()
    }

    /// The whole document for one policy as JSON, for display and recording.
    ///
    /// # Errors
    /// If it contains a value that JSON cannot represent, such as a number that is too large.
    pub fn to_json(&self, parameters: &ParameterValues) -> Result<Json, serde_json::Error> {
        serde_json::to_value(self.with(parameters))
    }
}

impl ParameterValues {
    /// Converts the values that a binding sets, or the defaults.
    ///
    /// # Errors
    /// If the engine cannot represent them.
    pub fn new(values: &impl Serialize) -> Result<Self, InputError> {
        Ok(Self(to_value(values)?))
    }

    /// No parameters: `input.parameters` is undefined.
    pub fn undefined() -> Self {
        Self(Value::Undefined)
    }
}
