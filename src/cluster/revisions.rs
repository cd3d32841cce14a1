//! What ran before a rollout: the revisions that the controllers of StatefulSets and DaemonSets keep. Read only when a
//! request is refused, since they can turn a refusal into a warning and nothing else.

use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::Semaphore;
use tracing::debug;

use super::error::ClusterError;
use super::live::LiveInventory;
use crate::admission::{GroupKind, Object, Operation, Request};
use crate::inventory::{Inventory, InventoryWriter};
use crate::review::keeps_revisions;

/// The longest that a review waits for the API server.
const LONGEST: Duration = Duration::from_secs(2);
/// How many are read of those that one selector selects. A controller keeps ten.
const MOST: usize = 50;
/// The most bytes of them. Whoever may make objects can make a list of any size.
const LARGEST: usize = 4 << 20;
/// Only one list is in memory at a time.
static READING: Semaphore = Semaphore::const_new(1);

impl LiveInventory {
    /// The inventory with the pod templates of the object's earlier revisions. None if there are none, if they cannot
    /// be read in time, or if the request cannot bring any back.
    pub(super) async fn with_revisions(
        &self,
        inventory: &Inventory,
        request: &Request,
        deadline: Instant,
    ) -> Option<Inventory> {
        let kind = request.kind.group_kind();
        if !keeps_revisions(&kind) || !request.subresource.is_empty() || request.request_name.is_empty() {
            return None;
        }
        fn value(object: &Option<Object>) -> Option<&Value> {
            object.as_ref()?.value().ok()
        }
        let (object, old) = (value(&request.object)?, value(&request.old_object));
        if old.is_some_and(|old| old.pointer("/spec/template") == object.pointer("/spec/template")) {
            return None;
        }
        let path = path(&request.namespace, old.unwrap_or(object))?;
        let left = (deadline.saturating_duration_since(Instant::now()) / 2).min(LONGEST);
        let list = async {
            // It is never closed.
            let _one = READING.acquire().await.ok();
            self.cluster().short_list(&path, LARGEST).await
        };
        let list =
            tokio::time::timeout(left, list).await.unwrap_or(Err(ClusterError::TimedOut(LONGEST.as_secs())));
        let list = list.map_err(|error| {
            debug!(%kind, namespace = request.namespace, name = request.request_name, %error, "revisions not read");
        });
        let uid = old.and_then(|old| old.pointer("/metadata/uid")?.as_str());
        let is_own = |revision: &Value| match request.operation {
            Operation::Update => uid.is_some_and(|uid| controller(revision) == Some(uid)),
            // The deletion before left them to a successor.
            _ => controller(revision).is_none() && is_of(revision, &kind, &request.request_name),
        };
        let own = list.ok()?.into_iter().filter(is_own);
        let templates: Vec<Value> = own.filter_map(kept_template).collect();
        if templates.is_empty() {
            return None;
        }
        let mut writer = InventoryWriter::from(inventory);
        writer.keep_templates(request.reference(kind), templates);
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
        "/apis/apps/v1/namespaces/{namespace}/controllerrevisions?limit={MOST}&labelSelector={}",
        encoded(&selector)
    ))
}

/// The uid of the controller that owns a revision.
fn controller(revision: &Value) -> Option<&str> {
    let owners = revision.pointer("/metadata/ownerReferences")?.as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}

/// Whether the controller of this object made a revision: it has the object's name and a hash, which the label of the
/// kind says again. The label of another kind would be one of the pod template's, so such a revision proves nothing.
fn is_of(revision: &Value, kind: &GroupKind, object: &str) -> bool {
    const LABELS: [(&str, &str); 2] =
        [("StatefulSet", "controller.kubernetes.io/hash"), ("DaemonSet", "controller-revision-hash")];
    let Some(metadata) = revision.get("metadata") else { return false };
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    let Some(hash) = name.strip_prefix(object).and_then(|rest| rest.strip_prefix('-')) else { return false };
    let is_hash = !hash.is_empty() && hash.chars().all(|c| c.is_ascii_alphanumeric());
    let label = |label: &str| metadata.get("labels")?.get(label)?.as_str();
    is_hash && LABELS.iter().all(|(of, key)| label(key) == (*of == kind.kind).then_some(hash))
}

/// The pod template of a revision, which is a patch that replaces the one of its object.
fn kept_template(mut revision: Value) -> Option<Value> {
    let mut template = revision.pointer_mut("/data/spec/template")?.take();
    template.as_object_mut()?.remove("$patch");
    Some(template)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_revision_of_the_kind_with_a_name_and_a_hash_is_of_the_object() {
        let kind = GroupKind { kind: "StatefulSet".to_owned(), group: "apps".to_owned() };
        let is_own = |name: &str, labels: Value| {
            is_of(&json!({"metadata": {"name": name, "labels": labels}}), &kind, "pg")
        };
        let hash = json!({"app": "pg", "controller.kubernetes.io/hash": "7d9f"});
        assert!(is_own("pg-7d9f", hash.clone()));
        for other in ["pg", "pg-", "pg-a-7d9f", "pgs-7d9f", "pg-7d90", ""] {
            assert!(!is_own(other, hash.clone()), "{other}");
        }
        let daemon = json!({"controller-revision-hash": "7d9f"});
        assert!(!is_own("pg-7d9f", daemon));
        // A DaemonSet's, whose pod template has the label.
        let both = json!({"controller-revision-hash": "7d9f", "controller.kubernetes.io/hash": "7d9f"});
        assert!(!is_own("pg-7d9f", both));
    }

    #[test]
    fn a_selector_is_encoded() {
        let object = json!({"spec": {"selector": {"matchLabels": {"app.kubernetes.io/name": "pg&x"}}}});
        let path = path("play", &object).unwrap();
        assert!(path.ends_with("&labelSelector=app%2Ekubernetes%2Eio%2Fname%3Dpg%26x"), "{path}");
    }
}
