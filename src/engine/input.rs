//! The input document (architecture §7): what a policy sees of a request.

use std::collections::BTreeMap;

use serde_json::json;

use super::rego::Value;
use super::to_value::{ToValueError, to_value};
use crate::admission::{Object, ObjectError, Request};
use crate::inventory::{NamespaceLabels, Related};
use crate::workload::Workload;

/// Why no input document could be built.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The object cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The engine cannot hold it.
    #[error("the request cannot be put to a policy: {0}")]
    Value(#[from] ToValueError),
}

/// The parts that all policies of one request share; only those that one of them reads are there.
#[derive(Clone)]
pub struct Document {
    parts: BTreeMap<Value, Value>,
    related: bool,
}

impl Document {
    /// The shared parts. `reads` says of a path whether something there is read.
    ///
    /// # Errors
    /// If an object that a policy reads cannot be read itself.
    pub fn new(
        request: &Request,
        reads: &dyn Fn(&[&str]) -> bool,
        namespace: Option<&NamespaceLabels>,
        now: jiff::Timestamp,
    ) -> Result<Self, InputError> {
        let mut parts = BTreeMap::new();
        if reads(&["review"]) {
            parts.insert("review".into(), review(request, reads, namespace)?);
        }
        if reads(&["now"]) {
            parts.insert("now".into(), now.to_string().into());
        }
        Ok(Self { parts, related: reads(&["related"]) })
    }

    /// The same request with these views and what is related to them. A view that is not there is undefined in Rego.
    ///
    /// # Errors
    /// If a view cannot be put to the engine.
    pub fn with_views(
        &self,
        workload: Option<&Workload>,
        old: Option<&Workload>,
        related: &Related,
    ) -> Result<Self, InputError> {
        let mut parts = self.parts.clone();
        for (key, view) in [("workload", workload), ("old_workload", old)] {
            if let Some(view) = view {
                parts.insert(key.into(), to_value(view)?);
            }
        }
        if self.related {
            parts.insert("related".into(), to_value(related)?);
        }
        Ok(Self { parts, related: self.related })
    }

    /// The whole document for one policy. `hidden` are keys of `related` that are for others only.
    pub fn for_policy(&self, parameters: &Value, hidden: &[&'static str]) -> Value {
        let mut parts = self.parts.clone();
        if !hidden.is_empty()
            && let Some(Ok(related)) = parts.get_mut(&Value::from("related")).map(Value::as_object_mut)
        {
            hidden.iter().for_each(|key| drop(related.remove(&Value::from(*key))));
        }
        parts.insert("parameters".into(), parameters.clone());
        parts.into()
    }
}

fn review(
    request: &Request,
    reads: &dyn Fn(&[&str]) -> bool,
    namespace: Option<&NamespaceLabels>,
) -> Result<Value, InputError> {
    let envelope = json!({
        "uid": request.uid,
        "kind": request.kind,
        "resource": request.resource,
        "subResource": request.subresource,
        "name": request.name(),
        "namespace": request.namespace,
        "operation": request.operation,
        "userInfo": request.user,
        "dryRun": request.dry_run,
        "options": request.options,
    });
    let mut review = to_value(&envelope)?;
    let mut set = |key: &'static str, value: Value| {
        if let Ok(fields) = review.as_object_mut() {
            fields.insert(key.into(), value);
        }
    };
    let mut object = |key: &'static str, object: Option<&Object>| -> Result<(), InputError> {
        if reads(&["review", key]) {
            set(
                key,
                object.map_or(Ok(Value::Null), |object| Ok::<_, InputError>(to_value(object.value()?)?))?,
            );
        }
        Ok(())
    };
    object("object", request.object.as_ref())?;
    object("oldObject", request.old_object.as_ref())?;
    if reads(&["review", "namespaceObject"])
        && let Some(labels) = namespace
    {
        let namespace =
            json!({"kind": "Namespace", "metadata": {"name": request.namespace, "labels": labels}});
        set("namespaceObject", to_value(&namespace)?);
    }
    Ok(review)
}
