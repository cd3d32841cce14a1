//! What is known of other objects: of the cluster, or of the manifests given in one run.
//!
//! [`Inventory`] holds small typed records and the indexes between them; [`Related`] joins them to one
//! request. No join looks at more than the objects of one namespace, however large the cluster.

mod budget;
mod consumers;
mod kinds;
mod nodes;
mod records;
mod related;
mod siblings;
mod storage;
mod store;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use crate::policy::selector::GroupKind;
use crate::workload::projection::Projections;

pub use kinds::{InventoryRequirements, InventoryScope, ResourceRole, keys};
use records::Record;
pub use related::{Related, Subject};
use store::State;
pub use view::InventoryView;

/// The labels of a Namespace.
pub type NamespaceLabels = BTreeMap<String, String>;

/// What an inventory keeps of one object.
#[derive(Clone, Debug)]
pub struct Fact(Record);

/// A snapshot of other objects. Eventually consistent in a cluster; complete within one bundle.
///
/// A clone is cheap: it shares everything, and what changes later is copied by namespace.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    state: Arc<State>,
    /// Objects kept whole, by kind, namespace and name.
    parents: Arc<HashMap<(GroupKind, String, String), Arc<Value>>>,
}

impl Inventory {
    /// Nothing known yet. Workloads are read by these projections; `self_classify` lets their
    /// annotations lower their class.
    pub fn new(projections: Arc<Projections>, self_classify: bool) -> Self {
        let state = State { projections, self_classify, ..State::default() };
        Self { state: Arc::new(state), ..Self::default() }
    }

    /// The manifests of one run: what they do not hold of the kinds that are shipped with a workload is
    /// not there.
    #[must_use]
    pub fn bundle(mut self) -> Self {
        Arc::make_mut(&mut self.state).bundle = true;
        self
    }

    /// Adds an object, or replaces it. A kind that no join knows is left out.
    pub fn insert(&mut self, kind: &GroupKind, object: &Value, default_namespace: &str) {
        if let Some(fact) = self.read(kind, object, default_namespace) {
            self.add(fact);
        }
    }

    /// What would be kept of an object; none of a kind that no join knows.
    pub fn read(&self, kind: &GroupKind, object: &Value, default_namespace: &str) -> Option<Fact> {
        Record::read(kind, object, default_namespace, self.state.rules()).map(Fact)
    }

    /// Adds what is kept of an object, or replaces it.
    pub fn add(&mut self, fact: Fact) {
        Arc::make_mut(&mut self.state).insert(fact.0);
    }

    /// Objects of this kind come with the run.
    pub fn ships(&mut self, kind: &GroupKind) {
        let state = Arc::make_mut(&mut self.state);
        state.shipped.extend(ResourceRole::of(kind, &state.projections));
    }

    /// The object is judged itself in this run; `changed`: it is new, or not as it was before.
    pub fn judges(&mut self, kind: &GroupKind, namespace: &str, name: &str, changed: bool) {
        let place = (kind.clone(), namespace.to_owned(), name.to_owned());
        let state = Arc::make_mut(&mut self.state);
        Arc::make_mut(&mut state.judged).insert(place, changed);
        self.ships(kind);
    }

    /// Takes an object out.
    pub fn remove(&mut self, kind: &GroupKind, namespace: &str, name: &str) {
        Arc::make_mut(&mut self.state).remove(kind, namespace, name);
        let place = (kind.clone(), namespace.to_owned(), name.to_owned());
        if self.parents.contains_key(&place) {
            Arc::make_mut(&mut self.parents).remove(&place);
        }
    }

    /// Keeps an object that has replicas whole, so that it can be the parent of a request to its scale
    /// subresource. To a clone that is a cheap addition: nothing else is copied for it.
    pub fn keep(&mut self, kind: &GroupKind, object: Arc<Value>, default_namespace: &str) {
        if self.state.projections.of(kind).is_none_or(|projection| projection.replicas.is_none()) {
            return;
        }
        let text = |key: &str| object.get("metadata").and_then(|metadata| metadata.get(key)?.as_str());
        let namespace = text("namespace").filter(|text| !text.is_empty()).unwrap_or(default_namespace);
        let place = (kind.clone(), namespace.to_owned(), text("name").unwrap_or_default().to_owned());
        Arc::make_mut(&mut self.parents).insert(place, object);
    }

    /// An object that was kept whole.
    pub fn parent(&self, kind: &GroupKind, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.parents.get(&(kind.clone(), namespace.to_owned(), name.to_owned()))
    }

    /// All objects of this kind are in here.
    pub fn know(&mut self, kind: &GroupKind) {
        let state = Arc::make_mut(&mut self.state);
        if let Some(sort) = ResourceRole::of(kind, &state.projections) {
            state.known.insert(kind.clone(), sort);
        }
    }

    /// Are all objects of this kind in here?
    pub fn knows(&self, kind: &GroupKind) -> bool {
        self.state.known.contains_key(kind)
    }

    /// The kinds that a policy needs and that are not known, whatever the request.
    pub fn lacks(&self, needs: &InventoryRequirements) -> Vec<GroupKind> {
        let known = |kind, mode| match mode {
            InventoryScope::Optional => true,
            InventoryScope::Bundle => self.state.bundle || self.knows(kind),
            InventoryScope::Cluster => self.knows(kind),
        };
        needs.iter().filter(|(kind, mode)| !known(kind, *mode)).map(|(kind, _)| kind.clone()).collect()
    }

    /// The kinds of which all objects are in here.
    pub fn known(&self) -> impl Iterator<Item = &GroupKind> {
        self.state.known.keys()
    }

    /// Adds a Namespace; the last one of a name wins.
    pub fn add_namespace(&mut self, name: impl Into<String>, labels: NamespaceLabels) {
        Arc::make_mut(&mut self.state).insert(Record::namespace(name.into(), labels));
    }

    /// The labels of a Namespace; none if it is not known.
    pub fn namespace_labels(&self, name: &str) -> Option<&NamespaceLabels> {
        Some(&self.state.namespaces.get(name)?.namespace.as_ref()?.labels)
    }
}
