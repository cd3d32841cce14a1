//! The kinds that the joins use, and what a policy declares that it needs of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::admission::GroupKind;
use crate::workload::projection::Projections;

/// The role of a kind in the joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceRole {
    /// A Namespace.
    Namespace,
    /// A StorageClass.
    StorageClass,
    /// A VolumeAttributesClass.
    AttributesClass,
    /// A PersistentVolumeClaim.
    Claim,
    /// A PersistentVolume.
    Volume,
    /// A VolumeSnapshot.
    Snapshot,
    /// A VolumeSnapshotClass.
    SnapshotClass,
    /// Any kind with a pod template or pods.
    Workload,
    /// A PodDisruptionBudget.
    Budget,
    /// A Service.
    Service,
    /// Any kind that autoscales workloads.
    Autoscaler,
    /// A ResourceQuota.
    Quota,
    /// A LimitRange.
    LimitRange,
    /// A Node.
    Node,
    /// A PriorityClass.
    PriorityClass,
    /// A ConfigMap, which views are read with. No policy declares it.
    ConfigMap,
    /// What tells a backup tool when to copy what: a Schedule of Velero or K8up, a Policy of Kasten, a ReplicationSource.
    BackupSchedule,
}

/// Kinds without pods, by name and group.
const KINDS: &[(&str, &str, ResourceRole)] = &[
    ("Namespace", "", ResourceRole::Namespace),
    ("StorageClass", "storage.k8s.io", ResourceRole::StorageClass),
    ("VolumeAttributesClass", "storage.k8s.io", ResourceRole::AttributesClass),
    ("PersistentVolumeClaim", "", ResourceRole::Claim),
    ("PersistentVolume", "", ResourceRole::Volume),
    ("VolumeSnapshot", "snapshot.storage.k8s.io", ResourceRole::Snapshot),
    ("VolumeSnapshotClass", "snapshot.storage.k8s.io", ResourceRole::SnapshotClass),
    ("PodDisruptionBudget", "policy", ResourceRole::Budget),
    ("Service", "", ResourceRole::Service),
    ("HorizontalPodAutoscaler", "autoscaling", ResourceRole::Autoscaler),
    ("VerticalPodAutoscaler", "autoscaling.k8s.io", ResourceRole::Autoscaler),
    ("ScaledObject", "keda.sh", ResourceRole::Autoscaler),
    ("ResourceQuota", "", ResourceRole::Quota),
    ("LimitRange", "", ResourceRole::LimitRange),
    ("Node", "", ResourceRole::Node),
    ("PriorityClass", "scheduling.k8s.io", ResourceRole::PriorityClass),
    ("Schedule", "velero.io", ResourceRole::BackupSchedule),
    ("Schedule", "k8up.io", ResourceRole::BackupSchedule),
    ("ReplicationSource", "volsync.backube", ResourceRole::BackupSchedule),
    ("Policy", "config.kio.kasten.io", ResourceRole::BackupSchedule),
];

/// Keys of `input.related`. A policy that reads one must declare a kind that has one of its roles.
const KEYS: &[(&str, &[ResourceRole])] = &[
    ("storage_classes", &[ResourceRole::StorageClass]),
    ("storage_class_names", &[ResourceRole::StorageClass]),
    ("default_storage_class", &[ResourceRole::StorageClass]),
    ("claim_classes", &[ResourceRole::StorageClass]),
    ("volume_attributes_classes", &[ResourceRole::AttributesClass]),
    ("pvcs", &[ResourceRole::Claim]),
    ("pvs", &[ResourceRole::Volume]),
    ("free_volumes", &[ResourceRole::Volume]),
    ("snapshots", &[ResourceRole::Snapshot]),
    ("claim_snapshots", &[ResourceRole::Snapshot]),
    ("consumers", &[ResourceRole::Workload]),
    ("workloads", &[ResourceRole::Workload]),
    ("departed", &[ResourceRole::Workload]),
    ("custom_resources", &[ResourceRole::Workload]),
    ("counterpart_unseen", &[ResourceRole::Workload, ResourceRole::Budget]),
    ("dependants", &[ResourceRole::Workload, ResourceRole::Claim]),
    ("pdbs", &[ResourceRole::Budget]),
    ("other_pdbs", &[ResourceRole::Budget]),
    ("services", &[ResourceRole::Service]),
    ("governing_service", &[ResourceRole::Service]),
    ("autoscalers", &[ResourceRole::Autoscaler]),
    ("quotas", &[ResourceRole::Quota]),
    ("limit_ranges", &[ResourceRole::LimitRange]),
    ("nodes", &[ResourceRole::Node]),
    ("priority_classes", &[ResourceRole::PriorityClass]),
    ("backup_schedules", &[ResourceRole::BackupSchedule]),
    ("backup_jobs", &[ResourceRole::Workload]),
];

impl ResourceRole {
    /// The role of a kind; None if no join uses it.
    pub fn of(kind: &GroupKind, projections: &Projections) -> Option<Self> {
        let fixed = KINDS.iter().find(|(name, group, _)| *name == kind.kind && *group == kind.group);
        fixed
            .map(|(_, _, role)| *role)
            .or_else(|| (kind.kind == "ConfigMap" && kind.group.is_empty()).then_some(Self::ConfigMap))
            .or_else(|| projections.of(kind)?.template.is_some().then_some(Self::Workload))
    }

    /// All roles that a policy can declare.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(_, _, role)| *role).chain([Self::Workload])
    }

    /// The kinds without pods, as named in METADATA.
    pub fn kinds() -> impl Iterator<Item = GroupKind> {
        KINDS
            .iter()
            .map(|(kind, group, _)| GroupKind { kind: (*kind).to_owned(), group: (*group).to_owned() })
    }

    /// Whether objects with this role are cluster-scoped.
    pub fn cluster_scoped(self) -> bool {
        match self {
            Self::Namespace
            | Self::StorageClass
            | Self::AttributesClass
            | Self::Volume
            | Self::SnapshotClass
            | Self::Node
            | Self::PriorityClass => true,
            Self::Claim
            | Self::Snapshot
            | Self::Workload
            | Self::Budget
            | Self::Service
            | Self::Autoscaler
            | Self::Quota
            | Self::LimitRange
            | Self::ConfigMap
            | Self::BackupSchedule => false,
        }
    }

    /// Whether people create such objects together with a workload. The others belong to the cluster, and there may be
    /// thousands of them.
    pub fn may_come_along(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node | Self::Volume)
    }
}

/// Keys of `input.related` and the roles that fill them.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static [ResourceRole])> {
    KEYS.iter().copied()
}

/// To what extent a policy needs a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InventoryScope {
    /// The policy cannot be evaluated unless all objects of the kind are known.
    Cluster,
    /// The objects shipped with the workload suffice: if a bundle contains none, there are none.
    Bundle,
    /// The policy can also be evaluated without the kind.
    Optional,
}

/// `custom.inventory` of a policy: the kinds that it needs besides the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryRequirements(BTreeMap<GroupKind, InventoryScope>);

impl<'de> Deserialize<'de> for InventoryRequirements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, InventoryScope>::deserialize(deserializer)?;
        let kind = |(kind, mode): (String, InventoryScope)| {
            let text = de::value::StrDeserializer::<D::Error>::new(&kind);
            Ok((GroupKind::deserialize(text)?, mode))
        };
        Ok(Self(written.into_iter().map(kind).collect::<Result<_, D::Error>>()?))
    }
}

impl InventoryRequirements {
    /// Each kind, and to what extent it is needed.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupKind, InventoryScope)> {
        self.0.iter().map(|(kind, mode)| (kind, *mode))
    }

    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for InventoryScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Bundle => "bundle",
            Self::Optional => "optional",
        })
    }
}
