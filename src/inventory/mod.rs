//! What is known of other objects: of the cluster, or of the manifests given in one run.

use std::collections::BTreeMap;

/// A snapshot of other objects. Eventually consistent in a cluster; complete within one bundle.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    namespaces: BTreeMap<String, NamespaceLabels>,
}

/// The labels of a Namespace.
pub type NamespaceLabels = BTreeMap<String, String>;

impl Inventory {
    /// Adds a Namespace; the last one of a name wins.
    pub fn add_namespace(&mut self, name: impl Into<String>, labels: NamespaceLabels) {
        self.namespaces.insert(name.into(), labels);
    }

    /// The labels of a Namespace; none if it is not known.
    pub fn namespace_labels(&self, name: &str) -> Option<&NamespaceLabels> {
        self.namespaces.get(name)
    }
}
