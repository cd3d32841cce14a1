//! What an audit reviews: the stored objects of the kinds that policies review, a page at a time.
//!
//! Left out is what a controller makes of an object that is reviewed itself, and what is being deleted. Of each object
//! that has passed, a number is kept, and nothing else.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use serde_json::Value;

use super::connection::Cluster;
use super::error::ClusterError;
use super::list::{Pages, field, named};
use super::resources::{Resource, Resources};
use crate::admission::GroupKind;
use crate::review::is_made_of;

/// An audit in progress.
pub struct Audit {
    cluster: Cluster,
    resources: Arc<Resources>,
    /// Only what lies in it is audited.
    namespace: Option<String>,
    /// Kinds that are still to be listed, with the versions that can be read.
    kinds: VecDeque<(GroupKind, Vec<String>)>,
    current: Option<(Resource, Pages)>,
    known: Known,
    /// The API server is gone, with this error.
    gone: Option<ClusterError>,
}

/// What comes next.
pub enum AuditStep {
    /// Objects to review, all of one resource.
    Objects(Resource, Vec<Value>),
    /// The objects of this kind cannot be listed, or not to their end.
    Unlisted(GroupKind, ClusterError),
}

impl Audit {
    /// An audit of these kinds and versions, of the whole cluster or of one namespace of it.
    pub fn new(
        cluster: Cluster,
        resources: Arc<Resources>,
        kinds: BTreeMap<GroupKind, Vec<String>>,
        namespace: Option<String>,
    ) -> Self {
        let kinds = owners_first(kinds);
        Self { cluster, resources, namespace, kinds, current: None, known: Known::default(), gone: None }
    }

    /// How many kinds have not been listed to their end.
    pub fn kinds_left(&self) -> usize {
        self.kinds.len() + usize::from(self.current.is_some())
    }

    /// How many objects were left out because a controller makes them of others that are reviewed.
    pub fn made(&self) -> usize {
        self.known.made
    }

    /// How many objects were left out because they are being deleted.
    pub fn terminating(&self) -> usize {
        self.known.terminating
    }

    /// The next page; none after the last one.
    pub async fn next(&mut self) -> Option<AuditStep> {
        loop {
            if let Some((resource, pages)) = &mut self.current {
                match pages.next().await {
                    // If the list begins anew, what was seen is not reviewed again.
                    Ok(Some(page)) => {
                        let items = page.items.into_iter().map(|item| named(item, resource));
                        let taken = items.filter(|object| self.known.takes(&resource.kind, object)).collect();
                        return Some(AuditStep::Objects(resource.clone(), taken));
                    }
                    Ok(None) => self.current = None,
                    Err(error) => {
                        let kind = resource.kind.clone();
                        self.current = None;
                        if self.cluster.is_gone(&error).await {
                            self.gone = Some(error.clone());
                        }
                        return Some(AuditStep::Unlisted(kind, error));
                    }
                }
            }
            let (kind, versions) = self.kinds.pop_front()?;
            if let Some(error) = &self.gone {
                return Some(AuditStep::Unlisted(kind, error.clone()));
            }
            match self.resources.of(&kind, &versions) {
                Ok(Some(resource)) => {
                    let path = match &self.namespace {
                        Some(_) if !resource.namespaced => continue,
                        Some(namespace) => resource.path_in(namespace),
                        None => resource.path(),
                    };
                    self.current = Some((resource.clone(), self.cluster.pages(path)));
                }
                Ok(None) => {}
                Err(error) => return Some(AuditStep::Unlisted(kind, error)),
            }
        }
    }
}

/// The kinds in an order in which what is made of an object comes after it, and is known as such.
fn owners_first(kinds: BTreeMap<GroupKind, Vec<String>>) -> VecDeque<(GroupKind, Vec<String>)> {
    let all: Vec<GroupKind> = kinds.keys().cloned().collect();
    let mut ordered: Vec<(GroupKind, Vec<String>)> = kinds.into_iter().collect();
    ordered.sort_by_key(|(kind, _)| depth(kind, &all));
    ordered.into()
}

/// How many owners may stand above an object of this kind.
fn depth(kind: &GroupKind, all: &[GroupKind]) -> usize {
    let owners = all.iter().filter(|owner| is_made_of(owner, kind));
    owners.map(|owner| 1 + depth(owner, all)).max().unwrap_or(0)
}

/// The objects that have passed, each as a number that nobody outside can foresee: a cluster has many.
#[derive(Default)]
struct Known {
    random: RandomState,
    seen: HashSet<u64>,
    /// Those that are reviewed, or made of such.
    owners: HashSet<u64>,
    made: usize,
    terminating: usize,
}

impl Known {
    /// Whether the object is to be reviewed: not if it is left to the review of its owner, or about to be gone. Its
    /// uid tells the owner: the API server sets it, and the garbage collector deletes what names an owner that does
    /// not exist.
    fn takes(&mut self, kind: &GroupKind, object: &Value) -> bool {
        let (namespace, uid) = (field(object, "namespace"), field(object, "uid"));
        if !self.seen.insert(self.random.hash_one(uid)) {
            return false;
        }
        let metadata = object.get("metadata");
        if metadata.is_some_and(|all| all.get("deletionTimestamp").is_some_and(|time| !time.is_null())) {
            self.terminating += 1;
            return false;
        }
        let owners = metadata.and_then(|all| all.get("ownerReferences")?.as_array());
        let controller =
            owners.into_iter().flatten().find(|owner| owner.get("controller") == Some(&true.into()));
        let made = controller.is_some_and(|owner| {
            let of = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default();
            let named = GroupKind::new(of("apiVersion"), of("kind"));
            is_made_of(&named, kind)
                && self.owners.contains(&self.number(&named, namespace, of("name"), of("uid")))
        });
        self.made += usize::from(made);
        // What is being deleted is not reviewed, so that what it leaves behind must be.
        self.owners.insert(self.number(kind, namespace, field(object, "name"), uid));
        !made
    }

    fn number(&self, kind: &GroupKind, namespace: &str, name: &str, uid: &str) -> u64 {
        self.random.hash_one((kind, namespace, name, uid))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_made_of_a_reviewed_object_or_being_deleted_is_left_out() {
        let mut known = Known::default();
        let kind = GroupKind::written;
        let object = |name: &str, uid: &str, owner: Value| json!({"metadata": {"name": name, "namespace": "shop", "uid": uid, "ownerReferences": [owner]}});
        let set = |name: &str, uid: &str| json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": uid, "controller": true});
        let stored = json!({"metadata": {"name": "pg", "namespace": "shop", "uid": "1"}});
        assert!(known.takes(&kind("StatefulSet.apps"), &stored));
        // A list that begins anew.
        assert!(!known.takes(&kind("StatefulSet.apps"), &stored));
        assert!(!known.takes(&kind("Pod"), &object("pg-0", "2", set("pg", "1"))));
        assert_eq!((known.made, known.terminating), (1, 0));
        // An owner that does not exist, or is another one's; one that makes no such objects.
        assert!(known.takes(&kind("Pod"), &object("pg-1", "3", set("pg", "9"))));
        assert!(known.takes(&kind("Pod"), &object("pg-2", "4", set("other", "1"))));
        assert!(known.takes(&kind("StorageClass.storage.k8s.io"), &object("x", "5", set("pg", "1"))));

        let gone =
            json!({"metadata": {"name": "old", "namespace": "shop", "uid": "6", "deletionTimestamp": "now"}});
        assert!(!known.takes(&kind("StatefulSet.apps"), &gone));
        assert!(
            known.takes(&kind("Pod"), &object("old-0", "7", set("old", "6"))),
            "its review is nobody else's"
        );
        assert_eq!((known.made, known.terminating), (1, 1));
    }

    #[test]
    fn owners_come_before_what_is_made_of_them() {
        let kinds = ["Pod", "PersistentVolumeClaim", "Job.batch", "CronJob.batch"].map(GroupKind::written);
        let ordered = owners_first(kinds.into_iter().map(|kind| (kind, Vec::new())).collect());
        let names: Vec<String> = ordered.iter().map(|(kind, _)| kind.to_string()).collect();
        assert_eq!(names, ["CronJob.batch", "Job.batch", "Pod", "PersistentVolumeClaim"]);
    }
}
