//! Records by kind, namespace and name, and the indexes that joins follow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::kinds::Sort;
use super::records::{ClaimRecord, ClassRecord, NamespaceRecord, Record, Rules, WorkloadRecord};
use crate::policy::selector::KindRef;
use crate::workload::projection::Projections;

/// Kind and name within one namespace.
pub type Key = (KindRef, String);

/// Everything that is known. What lives in a namespace is shared by namespace between two states.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub projections: Arc<Projections>,
    pub self_classify: bool,
    pub bundle: bool,
    /// Kinds of which every object is in here.
    pub known: BTreeMap<KindRef, Sort>,
    pub namespaces: HashMap<String, Arc<Namespace>>,
    pub classes: BTreeMap<String, Arc<ClassRecord>>,
    /// Objects kept whole, by kind, namespace and name.
    pub parents: HashMap<(KindRef, String, String), Arc<Value>>,
}

/// What lives in one namespace, and the Namespace itself.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    pub namespace: Option<Arc<NamespaceRecord>>,
    pub claims: BTreeMap<String, Arc<ClaimRecord>>,
    pub workloads: BTreeMap<Key, Arc<WorkloadRecord>>,
    /// Who mounts a claim, by the claim's name.
    pub mounted_by: BTreeMap<String, BTreeSet<Key>>,
    /// Who makes claims, by all of their name but the ordinal: `data-pg`.
    pub made_by: BTreeMap<String, BTreeSet<Key>>,
}

impl State {
    pub fn rules(&self) -> Rules<'_> {
        Rules { projections: &self.projections, self_classify: self.self_classify }
    }

    pub fn insert(&mut self, record: Record) {
        match record {
            Record::Namespace(record) => {
                let namespace = self.namespace_mut(record.name.clone());
                namespace.namespace = Some(Arc::new(record));
            }
            Record::StorageClass(record) => {
                self.classes.insert(record.name.clone(), Arc::new(record));
            }
            Record::Claim(record) => {
                let namespace = self.namespace_mut(record.namespace.clone());
                namespace.claims.insert(record.claim.name.clone(), Arc::new(record));
            }
            Record::Workload(record) => {
                self.namespace_mut(record.brief.namespace.clone()).insert_workload(record);
            }
        }
    }

    pub fn remove(&mut self, kind: &KindRef, namespace: &str, name: &str) {
        self.parents.remove(&(kind.clone(), namespace.to_owned(), name.to_owned()));
        match Sort::of(kind, &self.projections) {
            Some(Sort::StorageClass) => drop(self.classes.remove(name)),
            Some(Sort::Namespace) => self.namespace_mut(name.to_owned()).namespace = None,
            Some(sort) if self.namespaces.contains_key(namespace) => {
                let namespace = self.namespace_mut(namespace.to_owned());
                match sort {
                    Sort::Claim => drop(namespace.claims.remove(name)),
                    Sort::Workload => namespace.remove_workload(&(kind.clone(), name.to_owned())),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    pub fn keep(&mut self, kind: &KindRef, object: Arc<Value>, default_namespace: &str) {
        if self.projections.of(kind).is_none_or(|projection| projection.replicas.is_none()) {
            return;
        }
        let text = |key: &str| object.get("metadata").and_then(|metadata| metadata.get(key)?.as_str());
        let namespace = text("namespace").filter(|text| !text.is_empty()).unwrap_or(default_namespace);
        let key = (kind.clone(), namespace.to_owned(), text("name").unwrap_or_default().to_owned());
        self.parents.insert(key, object);
    }

    fn namespace_mut(&mut self, name: String) -> &mut Namespace {
        Arc::make_mut(self.namespaces.entry(name).or_default())
    }
}

impl Namespace {
    fn insert_workload(&mut self, record: WorkloadRecord) {
        let key = (record.kind.clone(), record.brief.name.clone());
        self.remove_workload(&key);
        for (claim, _) in &record.mounts {
            self.mounted_by.entry(claim.clone()).or_default().insert(key.clone());
        }
        for template in &record.templates {
            self.made_by.entry(format!("{template}-{}", key.1)).or_default().insert(key.clone());
        }
        self.workloads.insert(key, Arc::new(record));
    }

    fn remove_workload(&mut self, key: &Key) {
        let Some(record) = self.workloads.remove(key) else { return };
        for (claim, _) in &record.mounts {
            forget(&mut self.mounted_by, claim, key);
        }
        for template in &record.templates {
            forget(&mut self.made_by, &format!("{template}-{}", key.1), key);
        }
    }
}

/// Takes one entry out of an index, and the place of the last one with it.
fn forget(index: &mut BTreeMap<String, BTreeSet<Key>>, at: &str, key: &Key) {
    if let Some(keys) = index.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}
