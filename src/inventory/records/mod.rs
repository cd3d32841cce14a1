//! Records of objects: the few fields that joins and policies read.

mod backup_jobs;
mod backups;
mod cluster;
mod siblings;
mod storage;
mod workload;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::roles::ResourceRole;
use crate::admission::{GroupKind, LAST_APPLIED};
use crate::path::Path;
use crate::workload::projection::Projections;
use crate::workload::view::{Owner, Strings};
use crate::workload::{
    ConfigMap, ConfigMaps, JsonNode, NoConfigMaps, ObjectReading, SelfClassification, Workload, project,
    project_with,
};

pub use backup_jobs::BackupJobRecord;
pub use backups::BackupScheduleRecord;
pub use cluster::{LimitRecord, NodeRecord, PriorityRecord, QuotaRecord, Taint};
pub use siblings::{AutoscalerRecord, BudgetRecord, Selects, ServiceRecord, serves, target};
pub use storage::{
    AttributesRecord, ClaimRecord, ClassRecord, SnapshotClassRecord, SnapshotRecord, VolumeRecord,
};
pub use workload::{Brief, ClaimMount, WorkloadRecord, mounts};

/// Reads objects into records, as one policy set reads workloads.
#[derive(Clone, Debug, Default)]
pub struct RecordReader {
    projections: Arc<Projections>,
    self_classification: SelfClassification,
}

impl RecordReader {
    /// Workloads are read by these projections, and their annotations count this far.
    pub fn new(projections: Arc<Projections>, self_classification: SelfClassification) -> Self {
        Self { projections, self_classification }
    }

    /// What a kind is to the joins; none if no join knows it.
    pub fn role(&self, kind: &GroupKind) -> Option<ResourceRole> {
        ResourceRole::of(kind, &self.projections)
    }

    /// Do objects of this kind have replicas, so that they can be scaled?
    pub fn is_scalable(&self, kind: &GroupKind) -> bool {
        self.projections.of(kind).is_some_and(|projection| projection.replicas.is_some())
    }

    /// The view of an object; none if its kind has no projection.
    pub fn view(&self, kind: &GroupKind, object: &Value, namespace: &str) -> Option<Workload> {
        self.view_with(&NoConfigMaps, kind, object, namespace)
    }

    /// The same with what these ConfigMaps say.
    pub fn view_with(
        &self,
        maps: &dyn ConfigMaps,
        kind: &GroupKind,
        object: &Value,
        namespace: &str,
    ) -> Option<Workload> {
        let (projection, engines) = (self.projections.of(kind)?, &self.projections.engines);
        Some(project_with(maps, object, namespace, projection, engines, self.self_classification).workload)
    }

    /// The paths of the fields of an object that cannot be read.
    pub fn unreadable(&self, kind: &GroupKind, object: &Value, namespace: &str) -> Vec<Path> {
        let Some(projection) = self.projections.of(kind) else { return Vec::new() };
        let engines = &self.projections.engines;
        let read = project(object, namespace, projection, engines, self.self_classification);
        read.problems.into_iter().map(|problem| problem.path).collect()
    }

    /// The record of an object; none if no join knows its kind, or it has no name. A field that cannot be read is
    /// left out: what is stored was accepted by an API server, and a manifest is judged by itself.
    pub fn read(&self, kind: &GroupKind, object: &Value, default_namespace: &str) -> Option<Record> {
        let role = self.role(kind)?;
        let reading = ObjectReading::default();
        let node = &JsonNode::root(object, &reading);
        let head = Head::read(node, role, default_namespace);
        if head.name.is_empty() {
            return None;
        }
        let namespace = head.namespace.clone();
        let view = || self.view(kind, object, &namespace);
        Some(match role {
            ResourceRole::Namespace => Record::Namespace(NamespaceRecord {
                name: head.name,
                labels: head.labels,
                annotations: head.annotations,
            }),
            ResourceRole::StorageClass => Record::StorageClass(ClassRecord::read(node, head)),
            ResourceRole::AttributesClass => Record::AttributesClass(AttributesRecord::read(node, head)),
            ResourceRole::Claim => Record::Claim(Box::new(ClaimRecord::read(node, head))),
            ResourceRole::Volume => Record::Volume(Box::new(VolumeRecord::read(node, head))),
            ResourceRole::Snapshot => Record::Snapshot(SnapshotRecord::read(node, head)),
            ResourceRole::SnapshotClass => Record::SnapshotClass(SnapshotClassRecord::read(node, head)),
            ResourceRole::Workload => Record::Workload(Box::new(WorkloadRecord::of(kind, view()?))),
            ResourceRole::Budget => Record::Budget(BudgetRecord::of(view()?, head)?),
            ResourceRole::Service => Record::Service(ServiceRecord::of(view()?, head)?),
            ResourceRole::Autoscaler => Record::Autoscaler(AutoscalerRecord::of(kind, view()?, head)?),
            ResourceRole::Quota => Record::Quota(QuotaRecord::read(node, head)),
            ResourceRole::LimitRange => Record::LimitRange(LimitRecord::read(node, head)),
            ResourceRole::Node => Record::Node(NodeRecord::read(node, head)),
            ResourceRole::ConfigMap => Record::ConfigMap(ConfigMapRecord {
                name: head.name,
                namespace: head.namespace,
                config_map: ConfigMap::read(node),
                bundled: false,
            }),
            ResourceRole::PriorityClass => Record::PriorityClass(PriorityRecord::read(node, head)),
            ResourceRole::BackupSchedule => {
                Record::BackupSchedule(BackupScheduleRecord::read(kind, node, head))
            }
        })
    }
}

/// What an inventory keeps of one object.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub enum Record {
    Namespace(NamespaceRecord),
    StorageClass(ClassRecord),
    AttributesClass(AttributesRecord),
    Claim(Box<ClaimRecord>),
    Volume(Box<VolumeRecord>),
    Snapshot(SnapshotRecord),
    SnapshotClass(SnapshotClassRecord),
    Workload(Box<WorkloadRecord>),
    Budget(BudgetRecord),
    Service(ServiceRecord),
    Autoscaler(AutoscalerRecord),
    Quota(QuotaRecord),
    LimitRange(LimitRecord),
    Node(NodeRecord),
    PriorityClass(PriorityRecord),
    ConfigMap(ConfigMapRecord),
    BackupSchedule(BackupScheduleRecord),
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigMapRecord {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What it holds.
    pub config_map: ConfigMap,
    /// Whether it is a manifest of the run.
    pub bundled: bool,
}

/// A Namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct NamespaceRecord {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Strings,
    /// Its annotations, without kubectl's copy of the object.
    pub annotations: Strings,
}

/// Metadata common to all objects.
pub struct Head {
    pub name: String,
    pub namespace: String,
    pub labels: Strings,
    pub annotations: Strings,
    pub owner: Option<Owner>,
}

impl Record {
    /// A Namespace of which only the labels are known.
    pub fn namespace(name: String, labels: Strings) -> Self {
        Self::Namespace(NamespaceRecord { name, labels, annotations: Strings::new() })
    }
}

impl Head {
    fn read(node: &JsonNode<'_>, role: ResourceRole, default_namespace: &str) -> Self {
        let metadata = node.child("metadata");
        let namespace = metadata.child("namespace").string().filter(|namespace| !namespace.is_empty());
        Self {
            name: metadata.child("name").string().unwrap_or_default(),
            namespace: match role.cluster_scoped() {
                true => String::new(),
                false => namespace.unwrap_or_else(|| default_namespace.to_owned()),
            },
            labels: metadata.child("labels").string_map(),
            annotations: without_copy(metadata.child("annotations").string_map()),
            owner: owner(&metadata),
        }
    }
}

/// The owner that controls an object.
fn owner(metadata: &JsonNode<'_>) -> Option<Owner> {
    let owners = metadata.child("ownerReferences").items();
    let owner = owners.iter().find(|owner| owner.child("controller").boolean() == Some(true))?;
    let string = |key: &'static str| owner.child(key).string().unwrap_or_default();
    Some(Owner { kind: string("kind"), api_version: string("apiVersion"), name: string("name") })
}

fn without_copy(mut annotations: Strings) -> Strings {
    annotations.remove(LAST_APPLIED);
    annotations
}
