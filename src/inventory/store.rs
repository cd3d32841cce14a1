//! Records by kind, namespace and name, and the indexes that the joins use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::NAME_LABEL;
use super::doubts::Versions;
use super::makers::Makers;
use super::nodes::Nodes;
use super::persistent::{Index, Map, insert_item, remove_item};
use super::records::{
    AttributesRecord, AutoscalerRecord, BackupScheduleRecord, BudgetRecord, ClaimMount, ClaimRecord,
    ClassRecord, ConfigMapRecord, LimitRecord, NamespaceRecord, PriorityRecord, QuotaRecord, Record,
    RecordReader, ServiceRecord, SnapshotClassRecord, SnapshotRecord, VolumeRecord, WorkloadRecord,
};
use super::roles::ResourceRole;
use super::selected::Selected;
use super::unseen::Unseen;
use super::version::Version;
use crate::admission::{GroupKind, ObjectRef};
use crate::workload::Workload;

/// Kind and name within one namespace.
pub type Key = (GroupKind, String);
/// Namespace and name.
pub type NamespacedName = (String, String);

/// The whole inventory. A copy shares all records and indexes with its original.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub reader: RecordReader,
    /// The version of everything here but `namespaces` and `cluster`, which have their own.
    pub knowledge: Version,
    /// The version of all records.
    pub anything: Version,
    /// Whether this includes the manifests of one run, in addition to the objects of a cluster.
    pub bundle: bool,
    /// Objects that the same run reviews, and whether they are new or changed.
    pub reviewed: Map<ObjectRef, bool>,
    /// Custom resources of this run.
    pub makers: Makers,
    /// Roles of the manifests in this run, whether complete or not.
    pub bundled: BTreeSet<ResourceRole>,
    /// Kinds whose objects are all known.
    pub complete: BTreeMap<GroupKind, ResourceRole>,
    /// Objects of which the manifests of the run have several versions, none of them nearer than the others, by role
    /// and namespace.
    pub doubtful: Index<(ResourceRole, String), ObjectRef>,
    pub namespaces: Map<String, Arc<Namespace>>,
    /// What this run may hold beside what is known of it.
    pub unseen: Unseen,
    pub cluster: Arc<Cluster>,
    /// Workloads of the run's previous version that the run no longer has.
    pub departed: Map<ObjectRef, Arc<Workload>>,
    /// ConfigMaps of the run's previous version, by namespace and name.
    pub earlier: Map<NamespacedName, Arc<ConfigMapRecord>>,
    /// Objects kept as a whole because they may be the parent of a request to `scale`.
    pub whole: Map<ObjectRef, Arc<Value>>,
    /// The pod templates that the controllers of objects under review kept of earlier revisions.
    pub templates: Map<ObjectRef, Arc<[Value]>>,
}

/// Cluster-scoped objects.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// The version of everything here but `claims_of` and `wanted_by`, which are for cluster-scoped objects.
    pub version: Version,
    pub classes: Map<String, Arc<ClassRecord>>,
    pub attributes: Map<String, Arc<AttributesRecord>>,
    pub snapshot_classes: Map<String, Arc<SnapshotClassRecord>>,
    pub priorities: Map<String, Arc<PriorityRecord>>,
    pub volumes: Map<String, Arc<VolumeRecord>>,
    pub nodes: Nodes,
    /// The schedules of backup tools: each lies in one namespace and may include others.
    pub schedules: Map<ObjectRef, Arc<BackupScheduleRecord>>,
    /// CronJobs with a backup program, by the namespaces that they name hosts of.
    pub jobs_for: Index<String, ObjectRef>,
    /// Volumes by the claim that they name as bound.
    pub bound: Index<NamespacedName, String>,
    /// Volumes by the CSI driver and the name by which it knows them.
    pub handles: Index<(String, String), String>,
    /// Claims by their storage class.
    pub claims_of: Index<String, NamespacedName>,
    /// Claims by the volume that they name, as long as they are not bound: a bound volume names its claim itself.
    pub wanted_by: Index<String, NamespacedName>,
}

/// The objects in one namespace, and the Namespace itself.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// The version of everything here.
    pub version: Version,
    pub namespace: Option<Arc<NamespaceRecord>>,
    pub claims: Map<String, Arc<ClaimRecord>>,
    pub snapshots: Map<String, Arc<SnapshotRecord>>,
    pub workloads: Map<Key, Arc<WorkloadRecord>>,
    /// The versions of workloads that are not known because there are several.
    pub versions: Map<Key, Versions>,
    pub budgets: Map<String, Arc<BudgetRecord>>,
    /// What the budgets select, as far as it was asked for.
    pub selected: Selected,
    pub services: Map<String, Arc<ServiceRecord>>,
    pub autoscalers: Map<Key, Arc<AutoscalerRecord>>,
    pub quotas: Map<String, Arc<QuotaRecord>>,
    pub limits: Map<String, Arc<LimitRecord>>,
    pub config_maps: Map<String, Arc<ConfigMapRecord>>,
    /// The workloads that mount a claim, by the claim's name.
    pub mounted_by: Index<String, Key>,
    /// The workloads whose templates create claims, by the claims' name without the ordinal: `data-pg`.
    pub made_by: Index<String, Key>,
}

impl State {
    /// Whether all objects of this kind are known.
    pub fn is_complete(&self, kind: &str, group: &str) -> bool {
        self.complete.keys().any(|known| known.kind == kind && known.group == group)
    }

    /// Whether this record is here already. The API server tells of every change of an object, and most change nothing
    /// that a record keeps.
    fn holds(&self, record: &Record) -> bool {
        let (cluster, own) = (&*self.cluster, |namespace: &String| self.namespaces.get(namespace));
        match record {
            Record::Namespace(record) => is(own(&record.name).and_then(|own| own.namespace.as_ref()), record),
            // The manifests of a run are put together.
            Record::ConfigMap(_) => false,
            Record::Claim(record) => own(&record.namespace)
                .and_then(|own| own.claims.get(&record.claim.name))
                .is_some_and(|known| **known == **record),
            Record::StorageClass(record) => is(cluster.classes.get(&record.name), record),
            Record::AttributesClass(record) => is(cluster.attributes.get(&record.name), record),
            Record::SnapshotClass(record) => is(cluster.snapshot_classes.get(&record.name), record),
            Record::PriorityClass(record) => is(cluster.priorities.get(&record.name), record),
            Record::Volume(record) => is(cluster.volumes.get(&record.name), record),
            Record::Node(record) => cluster.nodes.holds(record),
            Record::Workload(record) => own(&record.brief.namespace)
                .and_then(|own| own.workloads.get(&(record.kind.clone(), record.brief.name.clone())))
                .is_some_and(|known| **known == **record),
            Record::Snapshot(record) => {
                is(own(&record.namespace).and_then(|own| own.snapshots.get(&record.name)), record)
            }
            Record::Budget(record) => {
                is(own(&record.namespace).and_then(|own| own.budgets.get(&record.name)), record)
            }
            Record::Service(record) => {
                is(own(&record.namespace).and_then(|own| own.services.get(&record.name)), record)
            }
            Record::Autoscaler(record) => {
                let key = (record.own_kind.clone(), record.name.clone());
                is(own(&record.namespace).and_then(|own| own.autoscalers.get(&key)), record)
            }
            Record::Quota(record) => {
                is(own(&record.namespace).and_then(|own| own.quotas.get(&record.name)), record)
            }
            Record::LimitRange(record) => {
                is(own(&record.namespace).and_then(|own| own.limits.get(&record.name)), record)
            }
            Record::BackupSchedule(record) => is(cluster.schedules.get(&record.reference()), record),
        }
    }

    pub fn insert(&mut self, mut record: Record) {
        if let Record::Namespace(record) = &mut record {
            // As the API server does, whatever the manifest says.
            record.labels.insert(NAME_LABEL.to_owned(), record.name.clone());
        }
        if self.holds(&record) {
            return;
        }
        match record {
            Record::Namespace(record) => {
                let namespace = self.namespace_mut(&record.name.clone());
                namespace.namespace = Some(Arc::new(record));
            }
            Record::Claim(record) => {
                let place = (record.namespace.clone(), record.claim.name.clone());
                self.remove_claim(&place);
                let class = record.claim.storage_class.clone();
                let cluster = self.with_claims_mut();
                insert_item(&mut cluster.claims_of, class, place.clone());
                if let Some(volume) = wanted(&record) {
                    insert_item(&mut cluster.wanted_by, volume.clone(), place.clone());
                }
                self.namespace_mut(&place.0).claims.insert_mut(place.1, Arc::from(record));
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
            Record::Volume(record) => self.cluster_mut().insert_volume(*record),
            Record::Node(record) => self.cluster_mut().nodes.insert(record),
            Record::Workload(record) => {
                let object = record.reference();
                self.forget_job(&object);
                for namespace in record.backup.iter().flat_map(|job| job.namespaces()) {
                    insert_item(&mut self.cluster_mut().jobs_for, namespace, object.clone());
                }
                self.namespace_mut(&object.namespace).insert_workload(*record);
            }
            Record::Snapshot(mut record) => {
                let bundle = self.bundle;
                let snapshots = &mut self.namespace_mut(&record.namespace).snapshots;
                if let Some(stored) = snapshots.get(&record.name).filter(|_| bundle) {
                    record.take_status(stored);
                }
                put(snapshots, &record.name.clone(), record);
            }
            Record::Budget(record) => {
                put(&mut self.namespace_mut(&record.namespace).budgets, &record.name.clone(), record);
            }
            Record::Service(record) => {
                put(&mut self.namespace_mut(&record.namespace).services, &record.name.clone(), record);
            }
            Record::Autoscaler(record) => {
                let key = (record.own_kind.clone(), record.name.clone());
                self.namespace_mut(&record.namespace).autoscalers.insert_mut(key, Arc::new(record));
            }
            Record::Quota(record) => {
                put(&mut self.namespace_mut(&record.namespace).quotas, &record.name.clone(), record);
            }
            Record::ConfigMap(record) => {
                let bundle = self.bundle;
                self.namespace_mut(&record.namespace.clone()).insert_config_map(record, bundle);
            }
            Record::BackupSchedule(record) => {
                self.cluster_mut().schedules.insert_mut(record.reference(), Arc::new(record));
            }
            Record::LimitRange(record) => {
                put(&mut self.namespace_mut(&record.namespace).limits, &record.name.clone(), record);
            }
        }
    }

    pub fn remove(&mut self, object: &ObjectRef) {
        let ObjectRef { kind, namespace, name } = object;
        if self.whole.remove_mut(object) {
            self.knowledge = Version::default();
        }
        match self.reader.role(kind) {
            None => {}
            Some(ResourceRole::Namespace) => self.namespace_mut(name).namespace = None,
            Some(ResourceRole::Claim) => self.remove_claim(&(namespace.clone(), name.clone())),
            Some(ResourceRole::BackupSchedule) => drop(self.cluster_mut().schedules.remove_mut(object)),
            Some(role) if role.cluster_scoped() => self.cluster_mut().remove(role, name),
            Some(role) if self.namespaces.contains_key(namespace) => {
                self.forget_job(object);
                self.namespace_mut(namespace).remove(role, kind, name);
            }
            Some(_) => {}
        }
    }

    /// All objects of one kind.
    pub fn objects_of(&self, kind: &GroupKind) -> Vec<ObjectRef> {
        let Some(role) = self.reader.role(kind) else { return Vec::new() };
        let object = |namespace: &str, name: &String| ObjectRef {
            kind: kind.clone(),
            namespace: namespace.to_owned(),
            name: name.clone(),
        };
        if role == ResourceRole::Namespace {
            let known = self.namespaces.iter().filter(|(_, namespace)| namespace.namespace.is_some());
            return known.map(|(name, _)| object("", name)).collect();
        }
        if role == ResourceRole::BackupSchedule {
            return self.cluster.schedules.keys().filter(|object| object.kind == *kind).cloned().collect();
        }
        if role.cluster_scoped() {
            return self.cluster.names(role).into_iter().map(|name| object("", name)).collect();
        }
        let names = |(namespace, inside): (&String, &Arc<Namespace>)| -> Vec<ObjectRef> {
            inside.names(role, kind).into_iter().map(|name| object(namespace, name)).collect()
        };
        self.namespaces.iter().flat_map(names).collect()
    }

    /// Forgets which namespaces a CronJob names hosts of.
    fn forget_job(&mut self, object: &ObjectRef) {
        let known = self.namespaces.get(&object.namespace);
        let known = known.and_then(|own| own.workloads.get(&(object.kind.clone(), object.name.clone())));
        let Some(job) = known.and_then(|known| known.backup.clone()) else { return };
        for namespace in job.namespaces() {
            remove_item(&mut self.cluster_mut().jobs_for, &namespace, object);
        }
    }

    fn remove_claim(&mut self, place: &NamespacedName) {
        let known = self.namespaces.get(&place.0).and_then(|namespace| namespace.claims.get(&place.1));
        let Some(record) = known.cloned() else { return };
        let cluster = self.with_claims_mut();
        remove_item(&mut cluster.claims_of, &record.claim.storage_class, place);
        if let Some(volume) = wanted(&record) {
            remove_item(&mut cluster.wanted_by, volume, place);
        }
        self.namespace_mut(&place.0).claims.remove_mut(&place.1);
    }

    /// A Namespace to be changed.
    pub fn namespace_mut(&mut self, name: &str) -> &mut Namespace {
        if !self.namespaces.contains_key(name) {
            self.namespaces.insert_mut(name.to_owned(), Arc::default());
        }
        let namespace = match self.namespaces.get_mut(name) {
            Some(namespace) => Arc::make_mut(namespace),
            None => unreachable!("it was put in above"),
        };
        namespace.version = Version::default();
        namespace.selected = Selected::default();
        self.anything = Version::default();
        namespace
    }

    fn cluster_mut(&mut self) -> &mut Cluster {
        self.anything = Version::default();
        let cluster = Arc::make_mut(&mut self.cluster);
        cluster.version = Version::default();
        cluster
    }

    /// For its indexes of claims, which are no part of its version.
    fn with_claims_mut(&mut self) -> &mut Cluster {
        self.anything = Version::default();
        Arc::make_mut(&mut self.cluster)
    }
}

/// The volume that a claim names and is not bound to yet.
fn wanted(record: &ClaimRecord) -> Option<&String> {
    let is_bound = record.claim.phase.as_deref() == Some("Bound");
    record.claim.volume_name.as_ref().filter(|_| !is_bound)
}

fn is<T: PartialEq>(known: Option<&Arc<T>>, record: &T) -> bool {
    known.is_some_and(|known| **known == *record)
}

impl Namespace {
    /// Of two manifests of one name, which may be of two clusters, only that is known in which they agree.
    fn insert_config_map(&mut self, mut record: ConfigMapRecord, bundled: bool) {
        record.bundled = bundled;
        if let Some(other) = self.config_maps.get(&record.name).filter(|other| bundled && other.bundled) {
            record.config_map = record.config_map.or(&other.config_map);
        }
        put(&mut self.config_maps, &record.name.clone(), record);
    }

    fn insert_workload(&mut self, record: WorkloadRecord) {
        let key = (record.kind.clone(), record.brief.name.clone());
        self.remove_workload(&key);
        self.index(&key, &record);
        self.workloads.insert_mut(key, Arc::new(record));
    }

    /// Notes which claims a workload uses.
    pub fn index(&mut self, key: &Key, record: &WorkloadRecord) {
        for ClaimMount { claim, .. } in &record.mounts {
            insert_item(&mut self.mounted_by, claim.clone(), key.clone());
        }
        for template in &record.templates {
            insert_item(&mut self.made_by, format!("{template}-{}", key.1), key.clone());
        }
    }

    fn remove_workload(&mut self, key: &Key) {
        let Some(record) = self.workloads.get(key).cloned() else { return };
        self.workloads.remove_mut(key);
        self.unindex(key, &record);
    }

    /// Forgets which claims a workload uses.
    pub fn unindex(&mut self, key: &Key, record: &WorkloadRecord) {
        for ClaimMount { claim, .. } in &record.mounts {
            remove_item(&mut self.mounted_by, claim, key);
        }
        for template in &record.templates {
            remove_item(&mut self.made_by, &format!("{template}-{}", key.1), key);
        }
    }

    fn remove(&mut self, role: ResourceRole, kind: &GroupKind, name: &str) {
        let key = || (kind.clone(), name.to_owned());
        match role {
            ResourceRole::Workload => self.remove_workload(&key()),
            ResourceRole::Autoscaler => drop(self.autoscalers.remove_mut(&key())),
            ResourceRole::Snapshot => drop(self.snapshots.remove_mut(name)),
            ResourceRole::Budget => drop(self.budgets.remove_mut(name)),
            ResourceRole::Service => drop(self.services.remove_mut(name)),
            ResourceRole::Quota => drop(self.quotas.remove_mut(name)),
            ResourceRole::LimitRange => drop(self.limits.remove_mut(name)),
            ResourceRole::ConfigMap => drop(self.config_maps.remove_mut(name)),
            _ => {}
        }
    }

    fn names(&self, role: ResourceRole, kind: &GroupKind) -> Vec<&String> {
        match role {
            ResourceRole::Workload => of_kind(kind, self.workloads.keys()),
            ResourceRole::Autoscaler => of_kind(kind, self.autoscalers.keys()),
            ResourceRole::Claim => self.claims.keys().collect(),
            ResourceRole::Snapshot => self.snapshots.keys().collect(),
            ResourceRole::Budget => self.budgets.keys().collect(),
            ResourceRole::Service => self.services.keys().collect(),
            ResourceRole::Quota => self.quotas.keys().collect(),
            ResourceRole::LimitRange => self.limits.keys().collect(),
            ResourceRole::ConfigMap => self.config_maps.keys().collect(),
            _ => Vec::new(),
        }
    }
}

fn of_kind<'k>(kind: &GroupKind, keys: impl Iterator<Item = &'k Key>) -> Vec<&'k String> {
    keys.filter(|(of, _)| of == kind).map(|(_, name)| name).collect()
}

fn put<T>(records: &mut Map<String, Arc<T>>, name: &str, record: T) {
    records.insert_mut(name.to_owned(), Arc::new(record));
}
