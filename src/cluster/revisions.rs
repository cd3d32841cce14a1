//! What ran before a rollout: the revisions that the controllers of StatefulSets and DaemonSets keep. Read only when a
//! request is refused, since they can turn a refusal into a warning and nothing else.

use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tracing::warn;

use super::connection::JSON;
use super::error::ClusterError;
use super::live::LiveInventory;
use crate::admission::{GroupKind, Object, ObjectRef, Operation, Request};
use crate::inventory::{Inventory, InventoryWriter};

/// The longest that a review waits for the API server.
const LONGEST: Duration = Duration::from_secs(2);

/// Whether the controller of this kind keeps revisions.
pub fn keeps_revisions(kind: &GroupKind) -> bool {
    kind.group == "apps" && ["StatefulSet", "DaemonSet"].contains(&kind.kind.as_str())
}

impl LiveInventory {
    /// The inventory with the pod templates of the object's earlier revisions. None if there are none, if they cannot
    /// be read in time, or if the request cannot bring any back.
    pub async fn with_revisions(
        &self,
        inventory: &Inventory,
        request: &Request,
        deadline: Instant,
    ) -> Option<Inventory> {
        let kind = request.kind.group_kind();
        let value = |object: &Option<Object>| object.as_ref()?.value().ok().cloned();
        let (object, old) = (value(&request.object)?, value(&request.old_object));
        if !keeps_revisions(&kind) || !request.subresource.is_empty() || request.request_name.is_empty() {
            return None;
        }
        let template = |object: &Value| object.pointer("/spec/template").cloned();
        if old.as_ref().is_some_and(|old| template(old) == template(&object)) {
            return None;
        }
        let left = (deadline.saturating_duration_since(Instant::now()) / 2).min(LONGEST);
        let path = path(&request.namespace, old.as_ref().unwrap_or(&object))?;
        let page = tokio::time::timeout(left, self.cluster().page(&path, JSON, None)).await;
        let page = page.unwrap_or(Err(ClusterError::TimedOut(left.as_secs())));
        let page = page.map_err(|error| {
            warn!(%kind, namespace = request.namespace, name = request.request_name, %error, "revisions not read");
        });
        let uid = old.as_ref().and_then(|old| old.pointer("/metadata/uid")?.as_str());
        let is_own = |revision: &Value| match request.operation {
            Operation::Update => uid.is_some_and(|uid| controller(revision) == Some(uid)),
            // The deletion before left them to a successor.
            _ => controller(revision).is_none() && is_named(revision, &request.request_name),
        };
        let templates: Vec<Value> =
            page.ok()?.items.iter().filter(|revision| is_own(revision)).filter_map(kept_template).collect();
        if templates.is_empty() {
            return None;
        }
        let mut writer = InventoryWriter::from(inventory);
        let (namespace, name) = (request.namespace.clone(), request.request_name.clone());
        writer.keep_templates(ObjectRef { kind, namespace, name }, templates);
        Some(writer.snapshot())
    }
}

/// Where the revisions of an object are listed. They have the labels of its selector.
fn path(namespace: &str, object: &Value) -> Option<String> {
    let labels = object.pointer("/spec/selector/matchLabels")?.as_object()?;
    let pairs = labels.iter().map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    let selector = pairs.collect::<Option<Vec<String>>>()?.join(",");
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let namespace = encoded(namespace);
    Some(format!(
        "/apis/apps/v1/namespaces/{namespace}/controllerrevisions?labelSelector={}",
        encoded(&selector)
    ))
}

/// The uid of the controller that owns a revision.
fn controller(revision: &Value) -> Option<&str> {
    let owners = revision.pointer("/metadata/ownerReferences")?.as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}

/// Whether a revision has the name that the controller of this object gives: the object's and a hash.
fn is_named(revision: &Value, object: &str) -> bool {
    let name = revision.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let hash = name.strip_prefix(object).and_then(|rest| rest.strip_prefix('-'));
    hash.is_some_and(|hash| !hash.is_empty() && hash.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// The pod template of a revision, which is a patch that replaces the one of its object.
fn kept_template(revision: &Value) -> Option<Value> {
    let mut template = revision.pointer("/data/spec/template")?.clone();
    template.as_object_mut()?.remove("$patch");
    Some(template)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_name_with_a_hash_is_of_the_object() {
        let named = |name: &str| is_named(&json!({"metadata": {"name": name}}), "pg");
        assert!(named("pg-7d9f5c8b6f"));
        for other in ["pg", "pg-", "pg-a-7d9f5c8b6f", "pgs-7d9f5c8b6f", ""] {
            assert!(!named(other), "{other}");
        }
    }

    #[test]
    fn a_selector_is_encoded() {
        let object = json!({"spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "pg&x"}}}});
        let path = path("play", &object).unwrap();
        assert!(path.ends_with("?labelSelector=app%2Ekubernetes%2Eio%2Fname%3Dpg%26x"), "{path}");
    }
}
