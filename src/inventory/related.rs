//! `input.related`: what of the inventory concerns one request.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::records::{ClassRecord, NamespaceRecord};
use super::{Inventory, storage};
use crate::admission::Operation;
use crate::policy::selector::KindRef;
use crate::workload::Workload;

/// What is joined: the object as it will be stored or, if it goes, as it is.
pub struct Subject<'a> {
    /// Its kind; of a scale request the parent's.
    pub kind: KindRef,
    /// What is done to it.
    pub operation: Operation,
    /// Its view.
    pub workload: &'a Workload,
    /// The object itself.
    pub object: &'a Value,
}

/// Other objects that concern a request. A key whose kind is not known is undefined in Rego.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Related {
    /// The namespace that the object lives in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Arc<NamespaceRecord>>,
    /// The classes that its claims name, and all default ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_classes: Option<BTreeMap<String, Arc<ClassRecord>>>,
    /// Names of all classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_names: Option<Vec<String>>,
    /// The class that a claim gets if it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_storage_class: Option<String>,
    /// The class of each claim of the view, by the claim's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_classes: Option<BTreeMap<String, Arc<ClassRecord>>>,
}

impl Related {
    /// Joins what is wanted. `wants` says of each key whether it is read and may be seen.
    pub fn of(inventory: &Inventory, subject: &Subject<'_>, wants: impl Fn(&str) -> bool) -> Self {
        let state = &*inventory.state;
        let namespace = state.namespaces.get(&subject.workload.namespace);
        let mut related = Self {
            namespace: namespace.and_then(|namespace| namespace.namespace.clone()),
            ..Self::default()
        };
        related.namespace.take_if(|_| !wants("namespace"));
        if wants("storage_classes") {
            related.storage_classes = Some(storage::classes(state, subject));
        }
        if wants("storage_class_names") {
            related.storage_class_names = Some(state.classes.keys().cloned().collect());
        }
        if wants("default_storage_class") {
            related.default_storage_class = storage::default_class(state).map(|class| class.name.clone());
        }
        if wants("claim_classes") {
            related.claim_classes = Some(storage::claim_classes(state, subject));
        }
        related
    }
}
