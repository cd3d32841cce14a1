//! Records of objects: the few fields that joins and policies read.

mod cluster;
mod siblings;
mod storage;
mod workload;

use std::cell::RefCell;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::kinds::ResourceRole;
use crate::policy::selector::GroupKind;
use crate::workload::projection::Projections;
use crate::workload::view::{Owner, Strings};
use crate::workload::{JsonNode, project};

pub use cluster::{LimitRecord, NodeRecord, PriorityRecord, QuotaRecord, Taint};
pub use siblings::{AutoscalerRecord, BudgetRecord, Selects, ServiceRecord, serves, target};
pub use storage::{
    AttributesRecord, ClaimRecord, ClassRecord, SnapshotClassRecord, SnapshotRecord, VolumeRecord,
};
pub use workload::{Brief, ClaimMount, WorkloadRecord, mounts};

/// kubectl's copy of the whole object, which is large and not needed.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Settings for reading objects.
pub struct Rules<'a> {
    pub projections: &'a Projections,
    pub self_classify: bool,
}

/// The record of one object.
#[derive(Clone, Debug)]
pub enum Record {
    Namespace(NamespaceRecord),
    StorageClass(ClassRecord),
    AttributesClass(AttributesRecord),
    Claim(Box<ClaimRecord>),
    Volume(VolumeRecord),
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
}

/// A Namespace.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct NamespaceRecord {
    pub name: String,
    pub labels: Strings,
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
    /// Reads the record of an object; `None` if no join uses its kind or it has no name. Unreadable fields
    /// are left out: an API server has accepted stored objects, and manifests are reviewed on their own.
    pub fn read(kind: &GroupKind, object: &Value, default_namespace: &str, rules: Rules<'_>) -> Option<Self> {
        let sort = ResourceRole::of(kind, rules.projections)?;
        let problems = RefCell::new(Vec::new());
        let node = &JsonNode::root(object, &problems);
        let head = Head::read(node, sort, default_namespace);
        if head.name.is_empty() {
            return None;
        }
        let namespace = head.namespace.clone();
        let view = || {
            let (projection, engines) = (rules.projections.of(kind)?, &rules.projections.engines);
            Some(project(object, &namespace, projection, engines, rules.self_classify).workload)
        };
        Some(match sort {
            ResourceRole::Namespace => Self::Namespace(NamespaceRecord {
                name: head.name,
                labels: head.labels,
                annotations: head.annotations,
            }),
            ResourceRole::StorageClass => Self::StorageClass(ClassRecord::read(node, head)),
            ResourceRole::AttributesClass => Self::AttributesClass(AttributesRecord::read(node, head)),
            ResourceRole::Claim => Self::Claim(Box::new(ClaimRecord::read(node, head))),
            ResourceRole::Volume => Self::Volume(VolumeRecord::read(node, head)),
            ResourceRole::Snapshot => Self::Snapshot(SnapshotRecord::read(node, head)),
            ResourceRole::SnapshotClass => Self::SnapshotClass(SnapshotClassRecord::read(node, head)),
            ResourceRole::Workload => Self::Workload(Box::new(WorkloadRecord::of(kind, view()?))),
            ResourceRole::Budget => Self::Budget(BudgetRecord::of(view()?, head)?),
            ResourceRole::Service => Self::Service(ServiceRecord::of(view()?, head)?),
            ResourceRole::Autoscaler => Self::Autoscaler(AutoscalerRecord::of(kind, view()?, head)?),
            ResourceRole::Quota => Self::Quota(QuotaRecord::read(node, head)),
            ResourceRole::LimitRange => Self::LimitRange(LimitRecord::read(node, head)),
            ResourceRole::Node => Self::Node(NodeRecord::read(node, head)),
            ResourceRole::PriorityClass => Self::PriorityClass(PriorityRecord::read(node, head)),
        })
    }

    /// A Namespace of which only the labels are known.
    pub fn namespace(name: String, labels: Strings) -> Self {
        Self::Namespace(NamespaceRecord { name, labels, annotations: Strings::new() })
    }
}

impl Head {
    fn read(node: &JsonNode<'_>, sort: ResourceRole, default_namespace: &str) -> Self {
        let metadata = node.child("metadata");
        let namespace = metadata.child("namespace").string().filter(|namespace| !namespace.is_empty());
        Self {
            name: metadata.child("name").string().unwrap_or_default(),
            namespace: match sort.cluster_scoped() {
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
