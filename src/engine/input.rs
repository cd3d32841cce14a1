//! The input document: what a policy sees of a request. [`Input`] is both its schema and what builds it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::ast::Value;
use super::to_value::{ToValueError, to_value};
use crate::admission::{GroupVersionKind, GroupVersionResource, Operation, UserInfo};
use crate::inventory::{NamespaceLabels, Related};
use crate::workload::Workload;

/// The document `input`, without the parameters, which differ from policy to policy. A part that no policy
/// of the request reads is left out.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(transform = input_always_has)]
pub struct Input<'a> {
    /// The AdmissionRequest, in the shape that Gatekeeper gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Review<'a>>,
    /// The prepared view of the object as it will be stored; absent on DELETE and for most subresources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<&'a Workload>,
    /// The prepared view of the object as it is stored; absent on CREATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_workload: Option<&'a Workload>,
    /// Other objects that concern the request, as far as `custom.inventory` declares them and they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<&'a Related>,
    /// The time of the request (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
}

/// `input.review`: one request, with the objects of the state that is judged. For a request to `scale` they
/// are those of the parent, with the replicas that the request sets.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = review_always_has)]
pub struct Review<'a> {
    /// The API server's name for the request; empty outside of admission.
    pub uid: &'a str,
    /// Group, version and kind of the object.
    pub kind: &'a GroupVersionKind,
    /// Group, version and plural name of the resource; for a subresource the parent's.
    pub resource: &'a GroupVersionResource,
    /// `scale`, `status`, …; empty for the object itself.
    pub sub_resource: &'a str,
    /// The name of the object, also where the API server sends none (deletecollection, generateName).
    pub name: String,
    /// The namespace; empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// CREATE, UPDATE, DELETE or CONNECT.
    pub operation: Operation,
    /// Who makes the request.
    pub user_info: &'a UserInfo,
    /// Is nothing stored (`--dry-run=server`)?
    pub dry_run: bool,
    /// CreateOptions, UpdateOptions or DeleteOptions as sent; null if none were.
    pub options: &'a Json,
    /// The object as it will be stored; null on DELETE.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Json")]
    pub object: Option<Option<&'a Json>>,
    /// The object as it is stored; null on CREATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Json")]
    pub old_object: Option<Option<&'a Json>>,
    /// The Namespace of the object, as far as it is known; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_object: Option<NamespaceObject<'a>>,
}

/// A part is left out of a document only because no policy reads it: to each of them it is always there.
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

/// `input.review.namespaceObject`: a Namespace of which stategate knows the labels.
#[derive(Serialize, JsonSchema)]
pub struct NamespaceObject<'a> {
    /// `Namespace`
    kind: &'static str,
    metadata: NamespaceMetadata<'a>,
}

#[derive(Serialize, JsonSchema)]
struct NamespaceMetadata<'a> {
    name: &'a str,
    labels: &'a NamespaceLabels,
}

impl<'a> NamespaceObject<'a> {
    /// Of a name and its labels.
    pub fn new(name: &'a str, labels: &'a NamespaceLabels) -> Self {
        Self { kind: "Namespace", metadata: NamespaceMetadata { name, labels } }
    }
}

/// The JSON Schema of the whole document, parameters included, for people who write policies and for their
/// editors.
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

/// Why no input document could be built: the engine cannot hold it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request cannot be put into an input document: {0}")]
pub struct InputError(#[from] ToValueError);

/// An input document in the engine's own form. A clone is cheap.
#[derive(Clone, Debug, Default)]
pub struct InputDocument {
    parts: BTreeMap<Value, Value>,
}

/// The values of a policy's parameters in the engine's own form. A clone is cheap.
#[derive(Clone, Debug)]
pub struct ParameterValues(Value);

impl InputDocument {
    /// Of one state of a request.
    ///
    /// # Errors
    /// If the engine cannot hold it.
    pub fn new(input: &Input<'_>) -> Result<Self, InputError> {
        Self::of(to_value(input)?)
    }

    /// Of a recorded document, and the parameters in it.
    ///
    /// # Errors
    /// If the engine cannot hold it.
    pub fn from_json(document: &Json) -> Result<(Self, ParameterValues), InputError> {
        let mut document = Self::of(to_value(document)?)?;
        let parameters = document.parts.remove(&Value::from("parameters"));
        Ok((document, ParameterValues(parameters.unwrap_or(Value::Undefined))))
    }

    fn of(value: Value) -> Result<Self, InputError> {
        match value.as_object() {
            Ok(parts) => {
                Ok(Self { parts: parts.iter().map(|(key, part)| (key.clone(), part.clone())).collect() })
            }
            Err(_) => Err(InputError(ToValueError::new("it is not an object"))),
        }
    }

    /// The same without these keys of `related`, which only other policies may see.
    pub fn hiding(&self, keys: &[&'static str]) -> Cow<'_, Self> {
        if keys.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut document = self.clone();
        if let Some(Ok(related)) = document.parts.get_mut(&Value::from("related")).map(Value::as_object_mut) {
            keys.iter().for_each(|key| drop(related.remove(&Value::from(*key))));
        }
        Cow::Owned(document)
    }

    /// The whole document of one policy.
    pub(super) fn with(&self, parameters: &ParameterValues) -> Value {
        let mut parts = self.parts.clone();
        if parameters.0 != Value::Undefined {
            parts.insert("parameters".into(), parameters.0.clone());
        }
        parts.into()
    }

    /// The whole document of one policy, for people and for records.
    ///
    /// # Errors
    /// If it holds a value that JSON cannot, such as a number beyond all bounds.
    pub fn to_json(&self, parameters: &ParameterValues) -> Result<Json, serde_json::Error> {
        serde_json::to_value(self.with(parameters))
    }
}

impl ParameterValues {
    /// Of values that a binding sets, or of defaults.
    ///
    /// # Errors
    /// If the engine cannot hold them.
    pub fn new(values: &impl Serialize) -> Result<Self, InputError> {
        Ok(Self(to_value(values)?))
    }

    /// No parameters at all: `input.parameters` is undefined.
    pub fn undefined() -> Self {
        Self(Value::Undefined)
    }
}
