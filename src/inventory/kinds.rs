//! Which kinds the joins know, and what a policy says it needs of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::policy::selector::KindRef;
use crate::workload::projection::Projections;

/// What a kind is to the joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sort {
    /// Labels and annotations of the namespace.
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
    /// Whatever has pods.
    Workload,
    /// A PodDisruptionBudget.
    Budget,
    /// A Service.
    Service,
    /// What sets the size of workloads.
    Autoscaler,
    /// A ResourceQuota.
    Quota,
    /// A LimitRange.
    LimitRange,
    /// A Node.
    Node,
    /// A PriorityClass.
    PriorityClass,
}

/// Kinds without pods, by name and group.
const KINDS: &[(&str, &str, Sort)] = &[
    ("Namespace", "", Sort::Namespace),
    ("StorageClass", "storage.k8s.io", Sort::StorageClass),
    ("VolumeAttributesClass", "storage.k8s.io", Sort::AttributesClass),
    ("PersistentVolumeClaim", "", Sort::Claim),
    ("PersistentVolume", "", Sort::Volume),
    ("VolumeSnapshot", "snapshot.storage.k8s.io", Sort::Snapshot),
    ("VolumeSnapshotClass", "snapshot.storage.k8s.io", Sort::SnapshotClass),
    ("PodDisruptionBudget", "policy", Sort::Budget),
    ("Service", "", Sort::Service),
    ("HorizontalPodAutoscaler", "autoscaling", Sort::Autoscaler),
    ("VerticalPodAutoscaler", "autoscaling.k8s.io", Sort::Autoscaler),
    ("ScaledObject", "keda.sh", Sort::Autoscaler),
    ("ResourceQuota", "", Sort::Quota),
    ("LimitRange", "", Sort::LimitRange),
    ("Node", "", Sort::Node),
    ("PriorityClass", "scheduling.k8s.io", Sort::PriorityClass),
];

/// Keys of `input.related` that a policy must declare a kind for: one of these sorts.
const KEYS: &[(&str, &[Sort])] = &[
    ("storage_classes", &[Sort::StorageClass]),
    ("storage_class_names", &[Sort::StorageClass]),
    ("default_storage_class", &[Sort::StorageClass]),
    ("claim_classes", &[Sort::StorageClass]),
    ("volume_attributes_classes", &[Sort::AttributesClass]),
    ("pvcs", &[Sort::Claim]),
    ("pvs", &[Sort::Volume]),
    ("snapshots", &[Sort::Snapshot]),
    ("consumers", &[Sort::Workload]),
    ("workloads", &[Sort::Workload]),
    ("dependants", &[Sort::Workload, Sort::Claim]),
    ("pdbs", &[Sort::Budget]),
    ("other_pdbs", &[Sort::Budget]),
    ("services", &[Sort::Service]),
    ("governing_service", &[Sort::Service]),
    ("autoscalers", &[Sort::Autoscaler]),
    ("quotas", &[Sort::Quota]),
    ("limit_ranges", &[Sort::LimitRange]),
    ("nodes", &[Sort::Node]),
    ("priority_classes", &[Sort::PriorityClass]),
];

impl Sort {
    /// What a kind is; none if no join knows it.
    pub fn of(kind: &KindRef, projections: &Projections) -> Option<Self> {
        let fixed = KINDS.iter().find(|(name, group, _)| *name == kind.kind && *group == kind.group);
        fixed
            .map(|(_, _, sort)| *sort)
            .or_else(|| projections.of(kind)?.template.is_some().then_some(Self::Workload))
    }

    /// The kinds without pods, as METADATA names them.
    pub fn kinds() -> impl Iterator<Item = KindRef> {
        KINDS.iter().map(|(kind, group, _)| KindRef { kind: (*kind).to_owned(), group: (*group).to_owned() })
    }

    /// Do objects of this sort live outside of namespaces?
    pub fn cluster_scoped(self) -> bool {
        matches!(
            self,
            Self::Namespace
                | Self::StorageClass
                | Self::AttributesClass
                | Self::Volume
                | Self::SnapshotClass
                | Self::Node
                | Self::PriorityClass
        )
    }
}

/// Keys of `input.related` and the sorts that fill them.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static [Sort])> {
    KEYS.iter().copied()
}

/// How much a policy needs a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It cannot judge unless all objects of the kind are known.
    Cluster,
    /// What is shipped with the workload counts: absent from a bundle means that there is none.
    Bundle,
    /// It judges without, too.
    Optional,
}

/// `custom.inventory` of a policy: the kinds that it needs beside the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs(BTreeMap<KindRef, Mode>);

impl<'de> Deserialize<'de> for Needs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, Mode>::deserialize(deserializer)?;
        let kind = |(kind, mode): (String, Mode)| {
            let text = de::value::StrDeserializer::<D::Error>::new(&kind);
            Ok((KindRef::deserialize(text)?, mode))
        };
        Ok(Self(written.into_iter().map(kind).collect::<Result<_, D::Error>>()?))
    }
}

impl Needs {
    /// Each kind and how much it is needed.
    pub fn iter(&self) -> impl Iterator<Item = (&KindRef, Mode)> {
        self.0.iter().map(|(kind, mode)| (kind, *mode))
    }

    /// Is nothing needed?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster => "cluster",
            Self::Bundle => "bundle",
            Self::Optional => "optional",
        })
    }
}
