//! Records of other objects: of the cluster, or of the manifests of one run.
//!
//! One [`InventoryWriter`] holds small typed records and the indexes between them; readers get immutable
//! snapshots, [`Inventory`], which share all unchanged data. [`Related`] joins a snapshot with one request. A
//! join reads cluster-scoped objects and those of one namespace, or follows an index; it never scans all
//! namespaces.

mod budget;
mod cluster_scoped;
mod consumers;
mod doubts;
mod makers;
mod nodes;
mod persistent;
mod records;
mod related;
mod roles;
mod selected;
mod siblings;
mod storage;
mod store;
mod unseen;
mod version;
mod view;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::admission::{GroupKind, ObjectRef};
use crate::workload::{ConfigMap, ConfigMaps};

pub use doubts::Doubts;
pub use makers::made_in;
pub use records::{Record, RecordReader};
pub use related::{Related, Subject};
pub use roles::{InventoryRequirements, InventoryScope, ResourceRole, keys};
pub use storage::RelatedClaim;
use store::State;
pub use version::InventoryVersion;
pub use view::InventoryView;
pub use writer::InventoryWriter;

/// The label of every Namespace that holds its name: the API server sets it.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The labels of a Namespace.
pub type NamespaceLabels = BTreeMap<String, String>;

/// An immutable snapshot of other objects: eventually consistent for a cluster, complete for one bundle of
/// manifests. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    state: Arc<State>,
}

impl Inventory {
    /// The reader that turns objects into records of this inventory.
    pub fn reader(&self) -> &RecordReader {
        &self.state.reader
    }

    /// An object that is kept as a whole because it may be the parent of a request to `scale`.
    pub fn object(&self, object: &ObjectRef) -> Option<&Arc<Value>> {
        self.state.whole.get(object)
    }

    /// The pod templates that the object's controller kept of its earlier revisions, if somebody asked for them.
    pub fn templates(&self, object: &ObjectRef) -> &[Value] {
        self.state.templates.get(object).map_or(&[], AsRef::as_ref)
    }

    /// Whether it includes the manifests of a run.
    pub fn is_bundle(&self) -> bool {
        self.state.bundle
    }

    /// Whether all objects of this kind are known.
    pub fn is_complete(&self, kind: &GroupKind) -> bool {
        self.state.complete.contains_key(kind)
    }

    /// The kinds whose objects are all known.
    pub fn complete(&self) -> impl Iterator<Item = &GroupKind> {
        self.state.complete.keys()
    }

    /// The kinds that a policy needs and that are incomplete, regardless of the request.
    pub fn incomplete(&self, requirements: &InventoryRequirements) -> Vec<GroupKind> {
        let known = |kind, scope| match scope {
            InventoryScope::Optional => true,
            InventoryScope::Bundle => self.state.bundle || self.is_complete(kind),
            InventoryScope::Cluster => self.is_complete(kind),
        };
        let incomplete = requirements.iter().filter(|(kind, scope)| !known(kind, *scope));
        incomplete.map(|(kind, _)| kind.clone()).collect()
    }

    /// Objects that are not known because the manifests of the run have several versions of them.
    pub fn doubtful(&self) -> impl Iterator<Item = &ObjectRef> {
        self.state.doubtful.values().flat_map(|objects| objects.iter())
    }

    /// The labels of a Namespace; None if it is unknown.
    pub fn namespace_labels(&self, name: &str) -> Option<&NamespaceLabels> {
        Some(&self.state.namespaces.get(name)?.namespace.as_ref()?.labels)
    }
}

impl ConfigMaps for State {
    fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        Some(&self.namespaces.get(namespace)?.config_maps.get(name)?.config_map)
    }
}

impl ConfigMaps for Inventory {
    fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        self.state.config_map(namespace, name)
    }

    fn earlier_config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        let earlier = self.state.earlier.get(&(namespace.to_owned(), name.to_owned()));
        earlier.map(|record| &record.config_map).or_else(|| self.config_map(namespace, name))
    }
}
