//! Versions of what the inventory holds: whether anything that a decision may depend on has changed.

use std::sync::Arc;

use super::Inventory;

/// The version of one part. Two are equal only if nothing has changed in between, whichever writers and snapshots they
/// come from: each is an address that stays taken for as long as anyone remembers the version.
#[derive(Clone, Debug, Default)]
pub struct Version(Arc<()>);

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The version of everything that joins can find for an object in one namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct InventoryVersion {
    /// Which kinds are known, and what is only known of manifests.
    knowledge: Version,
    /// What has no namespace, or works across namespaces; for an object without a namespace, all that is known.
    cluster: Version,
    /// What is in the namespace; none if nothing is known to be.
    namespace: Option<Version>,
}

impl Inventory {
    /// The version of what joins can find for an object in this namespace, unless it names something in another one, or
    /// for one without a namespace, for which they look into every namespace.
    pub fn version(&self, namespace: Option<&str>) -> InventoryVersion {
        let state = &self.state;
        let cluster = if namespace.is_some() { &state.cluster.version } else { &state.anything };
        let namespace = namespace.and_then(|name| state.namespaces.get(name));
        InventoryVersion {
            knowledge: state.knowledge.clone(),
            cluster: cluster.clone(),
            namespace: namespace.map(|namespace| namespace.version.clone()),
        }
    }
}
