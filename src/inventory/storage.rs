//! Joins of claims, their classes and their volumes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Inventory;
use super::records::ClassRecord;
use super::related::Subject;
use super::store::State;
use crate::workload::view::Claim;

/// The class that a claim gets if it names none: of several the newest, then the first by name
/// (the API server's admission plugin DefaultStorageClass).
pub fn default_class(state: &State) -> Option<&Arc<ClassRecord>> {
    let defaults = state.classes.values().filter(|class| class.class.is_default);
    defaults.min_by_key(|class| (Reverse(&class.created), &class.name))
}

/// The classes that claims of the subject name or get, and every default one; never the subject itself.
pub fn classes(state: &State, subject: &Subject<'_>) -> BTreeMap<String, Arc<ClassRecord>> {
    let own = subject.workload.storage_class.is_some().then_some(&subject.workload.name);
    let of_volume = subject.workload.persistent_volume.iter().map(|volume| &volume.storage_class);
    let named = of_volume.filter_map(|name| state.classes.get(name)).cloned();
    claim_classes(state, subject)
        .into_values()
        .chain(named)
        .chain(state.classes.values().filter(|class| class.class.is_default).cloned())
        .filter(|class| Some(&class.name) != own)
        .map(|class| (class.name.clone(), class))
        .collect()
}

/// The class of each claim of the subject.
pub fn claim_classes(state: &State, subject: &Subject<'_>) -> BTreeMap<String, Arc<ClassRecord>> {
    let class = |claim: &Claim| Some((claim.name.clone(), Arc::clone(claim_class(state, subject, claim)?)));
    subject.workload.claims.iter().filter_map(class).collect()
}

fn claim_class<'a>(state: &'a State, subject: &Subject<'_>, claim: &Claim) -> Option<&'a Arc<ClassRecord>> {
    if claim.origin == "reference" {
        let namespace = state.namespaces.get(&subject.workload.namespace)?;
        let stored = namespace.claims.get(&claim.name)?;
        return class(state, &stored.claim.storage_class, stored.no_class);
    }
    class(state, &claim.storage_class, names_none(subject, claim))
}

fn class<'a>(state: &'a State, name: &str, none: bool) -> Option<&'a Arc<ClassRecord>> {
    match name {
        "" if none => None,
        "" => default_class(state),
        name => state.classes.get(name),
    }
}

/// `storageClassName: ""`: the claim wants no class, not even the default one.
fn names_none(subject: &Subject<'_>, claim: &Claim) -> bool {
    let spec = crate::path::get(subject.object, &claim.spec_path);
    spec.and_then(|spec| spec.get("storageClassName")?.as_str()) == Some("")
}

impl Subject<'_> {
    /// Does the inventory hold every class that the subject names, and does it name one for each claim?
    pub fn classes_resolve(&self, inventory: &Inventory) -> bool {
        let state = &*inventory.state;
        let claims = &self.workload.claims;
        !claims.is_empty()
            && claims.iter().all(|claim| {
                let stored = || state.namespaces.get(&self.workload.namespace)?.claims.get(&claim.name);
                let (name, none) = match claim.origin {
                    "reference" => match stored() {
                        Some(stored) => (stored.claim.storage_class.as_str(), stored.no_class),
                        None => return false,
                    },
                    _ => (claim.storage_class.as_str(), names_none(self, claim)),
                };
                none || state.classes.contains_key(name)
            })
    }
}
