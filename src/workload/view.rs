//! The workload view: what holds state, in one shape for every kind, with the API's defaults applied.
//!
//! It is what policies read as `input.workload`. Names are snake_case; every element carries `path`,
//! the keys and indexes that lead to it in the object, so that a violation can point at it. A value
//! that the object does not have, and that has no default, is left out, so that Rego finds it undefined.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

mod backup;
mod engine;
mod pods;
mod scheduling;
mod siblings;
mod storage;

pub use backup::{AnnotationError, Backup, BackupSchedule};
pub use engine::{DataDir, Engine};
pub use pods::{Container, Env, Lifecycle, MemorySetting, Mount, Pods, Port, Probe, Resources, Role};
pub use scheduling::{AntiAffinity, NodeExpression, NodeTerm, Scheduling, Spread};
pub use siblings::{Autoscaler, DisruptionBudget, Service, ServicePort, Target};
pub use storage::{Claim, DataSource, PersistentVolume, StorageClass, Topology, Volume};

use crate::path::Path;

/// Labels or annotations.
pub type Strings = BTreeMap<String, String>;

/// Whatever holds state, a workload, a claim, a volume or a storage class, or stands beside it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Workload {
    /// `StatefulSet`, `PersistentVolumeClaim`, …
    pub kind: String,
    /// `apps/v1`
    pub api_version: String,
    /// `metadata.name`; for a `generateName` the prefix and `*`.
    pub name: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// `metadata.labels`
    pub labels: Strings,
    /// `metadata.annotations`
    pub annotations: Strings,
    /// The owner that manages the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// What would be lost with it.
    pub class: Class,
    /// The data store that runs in it, if its image (or annotation) tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// `dev`, `staging`, `prod`: the label `stategate.io/tier` of the Namespace; left out if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Wished-for replicas; left out for kinds that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// The pod template's metadata; left out for kinds without pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<Pods>,
    /// Init containers first, then the others, as in the pod.
    pub containers: Vec<Container>,
    /// The pod's volumes and, in a StatefulSet, one for each claim template.
    pub volumes: Vec<Volume>,
    /// Claims that the object is, makes or uses.
    pub claims: Vec<Claim>,
    /// Where its pods may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// How changes roll out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// What becomes of a StatefulSet's claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// `OrderedReady` or `Parallel`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_management: Option<String>,
    /// Seconds a pod must be ready before it counts as available.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ready_seconds: Option<i64>,
    /// Seconds between SIGTERM and SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_seconds: Option<i64>,
    /// The governing Service of a StatefulSet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// `default` if the pod names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// How many old revisions are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history: Option<i64>,
    /// A StorageClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<StorageClass>,
    /// A PersistentVolume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume: Option<PersistentVolume>,
    /// A PodDisruptionBudget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disruption_budget: Option<DisruptionBudget>,
    /// A HorizontalPodAutoscaler, VerticalPodAutoscaler or ScaledObject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaler: Option<Autoscaler>,
    /// A Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// What the annotations say of backup.
    pub backup: Backup,
}

/// What would be lost with an object (catalogue §2).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    serde::Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Data that nothing else can bring back.
    Durable,
    /// Data that can be built again, and says so.
    Cache,
    /// Stable names, no data.
    IdentityOnly,
    /// A Job or CronJob that uses a claim.
    Batch,
    /// Nothing: policies for stateful workloads leave it alone.
    #[default]
    None,
}

/// The managing owner.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Owner {
    pub kind: String,
    pub api_version: String,
    pub name: String,
}

/// How changes roll out.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Update {
    /// `RollingUpdate`, `OnDelete`, `Recreate`
    #[serde(rename = "type")]
    pub kind: String,
    /// StatefulSet: ordinals below it are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i64>,
    /// As written: a number or a percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Value>,
    /// As written: a number or a percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<Value>,
    /// So many pods may be down at once in a rollout, rounded as the controller does. Left out: nobody
    /// can tell, because pods are replaced by hand or a percentage is of an unknown number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable_pods: Option<i64>,
    /// So many pods more than wished for may run in a rollout; left out as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surge_pods: Option<i64>,
    /// Where it is.
    pub path: Path,
}

/// `persistentVolumeClaimRetentionPolicy`: `Retain` or `Delete`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Retention {
    pub when_deleted: String,
    pub when_scaled: String,
    pub path: Path,
}
