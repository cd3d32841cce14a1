//! The workload view: one shape for every kind that holds state, with the API's defaults applied.
//!
//! Policies read it as `input.workload`. Names are in snake_case. Elements carry `path`, the keys and indexes
//! that lead to them in the object, so that a violation can point at it. A value that the object does not set
//! and that has no default is left out, so that it is undefined in Rego.

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
pub use pods::{
    ConfigFile, Container, Env, Lifecycle, MemorySetting, Mount, Pods, Port, Probe, Resources, Role,
};
pub use scheduling::{AntiAffinity, NodeExpression, NodeTerm, Scheduling, Spread};
pub use siblings::{Autoscaler, DisruptionBudget, Service, ServicePort, Target};
pub use storage::{Claim, DataSource, PersistentVolume, StorageClass, Topology, Volume};

use crate::path::Path;

/// Labels or annotations.
pub type Strings = BTreeMap<String, String>;

/// An object that holds state (a workload, claim, volume or storage class) or acts on one that does.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Workload {
    /// `StatefulSet`, `PersistentVolumeClaim`, …
    pub kind: String,
    /// For example `apps/v1`.
    pub api_version: String,
    /// `metadata.name`; for a `generateName`, the prefix followed by `*`.
    pub name: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// `metadata.labels`.
    pub labels: Strings,
    /// `metadata.annotations`.
    pub annotations: Strings,
    /// When each annotation `stategate.io/confirm-…` was set, RFC 3339 in UTC, as `metadata.managedFields` tells;
    /// empty for what does not tell, such as a file.
    pub confirmed_at: Strings,
    /// The owner that controls the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// What data would be lost with the object.
    pub class: Class,
    /// The data store that runs in the workload, if its image or an annotation identifies one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// `dev`, `staging` or `prod`, from the Namespace label `stategate.io/tier`; left out if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Desired number of replicas; left out for kinds without replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Pod-level fields of the pod template; left out for kinds without pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<Pods>,
    /// Init containers first, then the others, in the pod's order.
    pub containers: Vec<Container>,
    /// The pod's volumes and, for a StatefulSet, one for each claim template.
    pub volumes: Vec<Volume>,
    /// Claims that the object is, creates or uses.
    pub claims: Vec<Claim>,
    /// Where the pods may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// How changes roll out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// What happens to a StatefulSet's claims when it is deleted or scaled down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// `OrderedReady` or `Parallel`.
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
    /// The pods' service account; `default` if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Number of old revisions to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision_history: Option<i64>,
    /// Set if the object is a StorageClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<StorageClass>,
    /// Set if the object is a PersistentVolume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume: Option<PersistentVolume>,
    /// Set if the object is a PodDisruptionBudget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disruption_budget: Option<DisruptionBudget>,
    /// Set if the object is a HorizontalPodAutoscaler, VerticalPodAutoscaler or ScaledObject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaler: Option<Autoscaler>,
    /// Set if the object is a Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The backup contract declared in the annotations.
    pub backup: Backup,
}

/// What data would be lost with an object.
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
    /// Data that cannot be recreated from elsewhere.
    Durable,
    /// Data that the object declares to be rebuildable.
    Cache,
    /// Stable names but no data.
    IdentityOnly,
    /// A workload that runs to completion, such as a Job or CronJob, and uses a claim.
    Batch,
    /// A Job without data that a deploy tool runs by itself, which may do anything to the data of others.
    Hook,
    /// A Job or CronJob without a claim that makes backups, as its name, an image or a command says.
    Backup,
    /// No data; policies for stateful workloads skip it.
    #[default]
    None,
}

/// The controlling owner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Owner {
    /// Its kind, such as `StatefulSet`.
    pub kind: String,
    /// Its group and version, such as `apps/v1`.
    pub api_version: String,
    /// Its name.
    pub name: String,
}

/// How changes roll out.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Update {
    /// `RollingUpdate`, `OnDelete` or `Recreate`.
    #[serde(rename = "type")]
    pub kind: String,
    /// StatefulSet: pods with a lower ordinal are not updated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i64>,
    /// A number or a percentage, as written or by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Value>,
    /// A number or a percentage, as written or by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<Value>,
    /// Number of pods that a rollout may take down at once, rounded as the controller does. Left out if
    /// unknown: pods are replaced manually, or it is a percentage of an unknown number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable_pods: Option<i64>,
    /// Number of extra pods that may run during a rollout; left out if unknown, as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surge_pods: Option<i64>,
    /// Path of the update strategy in the object.
    pub path: Path,
}

/// `persistentVolumeClaimRetentionPolicy`: `Retain` or `Delete`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Retention {
    /// What happens to the claims of a StatefulSet that is deleted: `Retain` or `Delete`.
    pub when_deleted: String,
    /// What happens to the claims of pods that are scaled away: `Retain` or `Delete`.
    pub when_scaled: String,
    /// Path in the object.
    pub path: Path,
}
