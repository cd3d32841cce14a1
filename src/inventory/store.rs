//! Records by kind, namespace and name, and the indexes that joins follow.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::kinds::ResourceRole;
use super::nodes::Nodes;
use super::records::{
    AttributesRecord, AutoscalerRecord, BudgetRecord, ClaimMount, ClaimRecord, ClassRecord, LimitRecord,
    NamespaceRecord, PriorityRecord, QuotaRecord, Record, Rules, ServiceRecord, SnapshotClassRecord,
    SnapshotRecord, VolumeRecord, WorkloadRecord,
};
use crate::policy::selector::GroupKind;
use crate::workload::projection::Projections;

/// Kind and name within one namespace.
pub type Key = (GroupKind, String);
/// Namespace and name.
pub type NamespacedName = (String, String);

/// Objects by kind, namespace and name, and whether they are new or changed.
pub type Judged = HashMap<(GroupKind, String, String), bool>;

/// Everything that is known. Two states share what lives in a namespace, and what lives in none.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub projections: Arc<Projections>,
    pub self_classify: bool,
    pub bundle: bool,
    /// Objects that are judged themselves in this run, and whether they are new or changed.
    pub judged: Arc<Judged>,
    /// Sorts of the manifests of this run, known or not.
    pub shipped: BTreeSet<ResourceRole>,
    /// Kinds of which every object is in here.
    pub known: BTreeMap<GroupKind, ResourceRole>,
    pub namespaces: HashMap<String, Arc<Namespace>>,
    pub cluster: Arc<Cluster>,
}

/// What lives in no namespace.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub classes: BTreeMap<String, Arc<ClassRecord>>,
    pub attributes: BTreeMap<String, Arc<AttributesRecord>>,
    pub snapshot_classes: BTreeMap<String, Arc<SnapshotClassRecord>>,
    pub priorities: BTreeMap<String, Arc<PriorityRecord>>,
    pub volumes: BTreeMap<String, Arc<VolumeRecord>>,
    pub nodes: Nodes,
    /// Volumes by the claim that they say they are bound to.
    pub bound: BTreeMap<NamespacedName, BTreeSet<String>>,
    /// Claims by their class.
    pub claims_of: BTreeMap<String, BTreeSet<NamespacedName>>,
}

/// What lives in one namespace, and the Namespace itself.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    pub namespace: Option<Arc<NamespaceRecord>>,
    pub claims: BTreeMap<String, Arc<ClaimRecord>>,
    pub snapshots: BTreeMap<String, Arc<SnapshotRecord>>,
    pub workloads: BTreeMap<Key, Arc<WorkloadRecord>>,
    pub budgets: BTreeMap<String, Arc<BudgetRecord>>,
    pub services: BTreeMap<String, Arc<ServiceRecord>>,
    pub autoscalers: BTreeMap<Key, Arc<AutoscalerRecord>>,
    pub quotas: BTreeMap<String, Arc<QuotaRecord>>,
    pub limits: BTreeMap<String, Arc<LimitRecord>>,
    /// Who mounts a claim, by the claim's name.
    pub mounted_by: BTreeMap<String, BTreeSet<Key>>,
    /// Who makes claims, by all of their name but the ordinal: `data-pg`.
    pub made_by: BTreeMap<String, BTreeSet<Key>>,
}

impl State {
    pub fn rules(&self) -> Rules<'_> {
        Rules { projections: &self.projections, self_classify: self.self_classify }
    }

    /// Are all objects of this kind in here?
    pub fn knows(&self, kind: &str, group: &str) -> bool {
        self.known.keys().any(|known| known.kind == kind && known.group == group)
    }

    pub fn insert(&mut self, record: Record) {
        match record {
            Record::Namespace(record) => {
                let namespace = self.namespace_mut(&record.name.clone());
                namespace.namespace = Some(Arc::new(record));
            }
            Record::Claim(record) => {
                let place = (record.namespace.clone(), record.claim.name.clone());
                self.remove_claim(&place);
                let class = record.claim.storage_class.clone();
                self.cluster_mut().claims_of.entry(class).or_default().insert(place.clone());
                self.namespace_mut(&place.0).claims.insert(place.1, Arc::from(record));
            }
            Record::StorageClass(record) => {
                put(&mut self.cluster_mut().classes, &record.name.clone(), record)
            }
            Record::AttributesClass(record) => {
                put(&mut self.cluster_mut().attributes, &record.name.clone(), record);
            }
            Record::SnapshotClass(record) => {
                put(&mut self.cluster_mut().snapshot_classes, &record.name.clone(), record);
            }
            Record::PriorityClass(record) => {
                put(&mut self.cluster_mut().priorities, &record.name.clone(), record);
            }
            Record::Volume(record) => self.cluster_mut().insert_volume(record),
            Record::Node(record) => self.cluster_mut().nodes.insert(record),
            Record::Workload(record) => {
                self.namespace_mut(&record.brief.namespace.clone()).insert_workload(*record);
            }
            Record::Snapshot(record) => {
                put(&mut self.namespace_mut(&record.namespace).snapshots, &record.name.clone(), record);
            }
            Record::Budget(record) => {
                put(&mut self.namespace_mut(&record.namespace).budgets, &record.name.clone(), record);
            }
            Record::Service(record) => {
                put(&mut self.namespace_mut(&record.namespace).services, &record.name.clone(), record);
            }
            Record::Autoscaler(record) => {
                let key = (record.own_kind.clone(), record.name.clone());
                self.namespace_mut(&record.namespace).autoscalers.insert(key, Arc::new(record));
            }
            Record::Quota(record) => {
                put(&mut self.namespace_mut(&record.namespace).quotas, &record.name.clone(), record);
            }
            Record::LimitRange(record) => {
                put(&mut self.namespace_mut(&record.namespace).limits, &record.name.clone(), record);
            }
        }
    }

    pub fn remove(&mut self, kind: &GroupKind, namespace: &str, name: &str) {
        let Some(sort) = ResourceRole::of(kind, &self.projections) else { return };
        match sort {
            ResourceRole::Namespace => self.namespace_mut(name).namespace = None,
            ResourceRole::Claim => self.remove_claim(&(namespace.to_owned(), name.to_owned())),
            sort if sort.cluster_scoped() => self.cluster_mut().remove(sort, name),
            sort if self.namespaces.contains_key(namespace) => {
                self.namespace_mut(namespace).remove(sort, kind, name);
            }
            _ => {}
        }
    }

    fn remove_claim(&mut self, place: &NamespacedName) {
        let known = self.namespaces.get(&place.0).and_then(|namespace| namespace.claims.get(&place.1));
        let Some(record) = known.cloned() else { return };
        forget(&mut self.cluster_mut().claims_of, &record.claim.storage_class, place);
        self.namespace_mut(&place.0).claims.remove(&place.1);
    }

    fn namespace_mut(&mut self, name: &str) -> &mut Namespace {
        Arc::make_mut(self.namespaces.entry(name.to_owned()).or_default())
    }

    fn cluster_mut(&mut self) -> &mut Cluster {
        Arc::make_mut(&mut self.cluster)
    }
}

impl Cluster {
    fn insert_volume(&mut self, record: VolumeRecord) {
        self.remove(ResourceRole::Volume, &record.name);
        if let Some(place) = claim_of(&record) {
            self.bound.entry(place).or_default().insert(record.name.clone());
        }
        self.volumes.insert(record.name.clone(), Arc::new(record));
    }

    fn remove(&mut self, sort: ResourceRole, name: &str) {
        match sort {
            ResourceRole::StorageClass => drop(self.classes.remove(name)),
            ResourceRole::AttributesClass => drop(self.attributes.remove(name)),
            ResourceRole::SnapshotClass => drop(self.snapshot_classes.remove(name)),
            ResourceRole::PriorityClass => drop(self.priorities.remove(name)),
            ResourceRole::Node => self.nodes.remove(name),
            ResourceRole::Volume => {
                let place = self.volumes.remove(name).and_then(|record| claim_of(&record));
                if let Some(place) = place {
                    forget(&mut self.bound, &place, &name.to_owned());
                }
            }
            _ => {}
        }
    }
}

/// The claim that a volume is bound to, or kept for.
fn claim_of(record: &VolumeRecord) -> Option<NamespacedName> {
    Some((record.volume.claim_namespace.clone()?, record.volume.claim_name.clone()?))
}

impl Namespace {
    fn insert_workload(&mut self, record: WorkloadRecord) {
        let key = (record.kind.clone(), record.brief.name.clone());
        self.remove_workload(&key);
        for ClaimMount { claim, .. } in &record.mounts {
            self.mounted_by.entry(claim.clone()).or_default().insert(key.clone());
        }
        for template in &record.templates {
            self.made_by.entry(format!("{template}-{}", key.1)).or_default().insert(key.clone());
        }
        self.workloads.insert(key, Arc::new(record));
    }

    fn remove_workload(&mut self, key: &Key) {
        let Some(record) = self.workloads.remove(key) else { return };
        for ClaimMount { claim, .. } in &record.mounts {
            forget(&mut self.mounted_by, claim, key);
        }
        for template in &record.templates {
            forget(&mut self.made_by, &format!("{template}-{}", key.1), key);
        }
    }

    fn remove(&mut self, sort: ResourceRole, kind: &GroupKind, name: &str) {
        let key = || (kind.clone(), name.to_owned());
        match sort {
            ResourceRole::Workload => self.remove_workload(&key()),
            ResourceRole::Autoscaler => drop(self.autoscalers.remove(&key())),
            ResourceRole::Snapshot => drop(self.snapshots.remove(name)),
            ResourceRole::Budget => drop(self.budgets.remove(name)),
            ResourceRole::Service => drop(self.services.remove(name)),
            ResourceRole::Quota => drop(self.quotas.remove(name)),
            ResourceRole::LimitRange => drop(self.limits.remove(name)),
            _ => {}
        }
    }
}

fn put<T>(records: &mut BTreeMap<String, Arc<T>>, name: &str, record: T) {
    records.insert(name.to_owned(), Arc::new(record));
}

/// Takes one entry out of an index, and the place of the last one with it.
fn forget<P: Ord, K: Ord>(index: &mut BTreeMap<P, BTreeSet<K>>, at: &P, key: &K) {
    if let Some(keys) = index.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(at);
        }
    }
}
