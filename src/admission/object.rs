//! An object in a request, parsed on first use.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::bounded;
use crate::diagnostic::without_value;

/// The annotation in which `kubectl apply` keeps a copy of the whole object.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An API object, kept as the received bytes and parsed on first use.
///
/// Most requests match no policy, and their objects are never parsed (about 0.01 ms for 10 KB against 0.1
/// ms).
#[derive(Clone, Debug)]
pub struct Object {
    raw: Option<Box<RawValue>>,
    parsed: OnceLock<Result<Value, ObjectError>>,
    metadata: OnceLock<Result<Metadata, ObjectError>>,
}

/// Why an object cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the object cannot be read: {0}")]
pub struct ObjectError(String);

impl Object {
    /// The value of the object.
    ///
    /// # Errors
    /// If the bytes are not JSON that can be represented, above all if it nests deeper than 127 levels or has
    /// more values than an object of its length.
    pub fn value(&self) -> Result<&Value, ObjectError> {
        let parsed = self.parsed.get_or_init(|| match &self.raw {
            Some(raw) => bounded::from_str(raw.get()).map_err(|error| ObjectError(without_value(&error))),
            None => Err(ObjectError("it has no content".to_owned())),
        });
        parsed.as_ref().map_err(Clone::clone)
    }

    /// The text that was received; None for an object that was made of a value.
    pub fn text(&self) -> Option<&str> {
        self.raw.as_deref().map(RawValue::get)
    }

    /// The value of an object with lists that are too long, of which it has the first items: what is stored was
    /// accepted once, and a change is compared with what can be read of it.
    ///
    /// # Errors
    /// If it is unreadable for another reason than the length of its lists.
    pub fn beginning_of_lists(&self) -> Result<Value, ObjectError> {
        match (&self.raw, self.parsed.get()) {
            (Some(raw), _) => {
                bounded::beginning_of_lists(raw.get()).map_err(|error| ObjectError(without_value(&error)))
            }
            (None, Some(parsed)) => parsed.clone(),
            (None, None) => Err(ObjectError("it has no content".to_owned())),
        }
    }

    /// The part of `metadata` that the pipeline itself uses.
    ///
    /// # Errors
    /// If the object is not a JSON object, or a field of `metadata` has the wrong type.
    pub fn metadata(&self) -> Result<&Metadata, ObjectError> {
        self.metadata
            .get_or_init(|| {
                #[derive(Deserialize)]
                struct Envelope {
                    #[serde(default, deserialize_with = "null_is_default")]
                    metadata: Metadata,
                }
                let envelope: Result<Envelope, _> = match (&self.raw, self.parsed.get()) {
                    (_, Some(Ok(value))) => serde_path_to_error::deserialize(value),
                    (Some(raw), _) => serde_path_to_error::deserialize(metadata_of(raw)?),
                    (None, _) => return Ok(Metadata::default()),
                };
                envelope.map(|envelope| envelope.metadata).map_err(|error| ObjectError(without_value(&error)))
            })
            .as_ref()
            .map_err(Clone::clone)
    }
}

/// The metadata alone, in an otherwise empty object: the log names every request, and most objects are never
/// parsed.
fn metadata_of(object: &RawValue) -> Result<Value, ObjectError> {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow, default)]
        metadata: Option<&'a RawValue>,
    }
    let unreadable = |error: serde_json::Error| ObjectError(without_value(&error));
    let part: Part<'_> = serde_json::from_str(object.get()).map_err(unreadable)?;
    let metadata = part.metadata.map(|raw| bounded::from_str(raw.get())).transpose().map_err(unreadable)?;
    Ok(json!({ "metadata": metadata }))
}

impl From<Box<RawValue>> for Object {
    fn from(raw: Box<RawValue>) -> Self {
        Self { raw: Some(raw), parsed: OnceLock::new(), metadata: OnceLock::new() }
    }
}

impl From<Value> for Object {
    fn from(value: Value) -> Self {
        Self { raw: None, parsed: OnceLock::from(Ok(value)), metadata: OnceLock::new() }
    }
}

/// The part of ObjectMeta that the pipeline itself uses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, expecting = "a map")]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Metadata {
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    #[serde(deserialize_with = "null_is_default")]
    pub generate_name: String,
    #[serde(deserialize_with = "null_is_default")]
    pub namespace: String,
    #[serde(deserialize_with = "null_is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
    pub deletion_timestamp: Option<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub owner_references: Vec<OwnerReference>,
}

impl Metadata {
    /// The owner that manages this object, if there is one.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

/// An owner of an object (meta/v1 OwnerReference).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct OwnerReference {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    #[serde(deserialize_with = "null_is_default")]
    pub uid: String,
    #[serde(deserialize_with = "null_is_default")]
    pub controller: bool,
}

/// A map of strings. The API server stores a null among them, which templates leave behind, as an empty string.
fn null_is_empty<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let map = Option::<BTreeMap<String, Option<String>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, text)| (key, text.unwrap_or_default())).collect())
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Object;

    #[test]
    fn a_null_among_labels_and_annotations_is_an_empty_string() {
        let object =
            Object::from(json!({"metadata": {"annotations": {"a": null, "b": "c"}, "labels": null}}));
        let metadata = object.metadata().unwrap();
        assert_eq!(metadata.annotations["a"], "");
        assert_eq!(metadata.annotations["b"], "c");
        assert!(metadata.labels.is_empty());
    }
}
