//! The workload view: what holds state, in one shape for every kind, with the API's defaults applied.
//!
//! It is what policies read as `input.workload`. Names are snake_case; every element carries `path`,
//! the keys and indexes that lead to it in the object, so that a violation can point at it. A value
//! that the object does not have, and that has no default, is left out, so that Rego finds it undefined.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::image::ImageRef;
use crate::path::Path;

/// Labels or annotations.
pub type Strings = BTreeMap<String, String>;

/// Whatever holds state: a workload, a claim, a volume or a storage class.
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

/// A data store, by the table `policies/workloads/engines.yaml` and the annotations that override it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Engine {
    /// `postgres`, `kafka`, …
    pub name: String,
    /// As the image's tag says: `16.4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The leading number of the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<u64>,
    /// The container that runs it; empty if only an annotation names the engine.
    pub container: String,
    /// Does it need a majority of its members?
    pub quorum: bool,
    /// Where it writes. More than one: it is enough that one of them is persisted, since the table
    /// cannot know which the image uses. Empty if something that cannot be seen decides. Of all main
    /// containers that run an engine.
    pub data_dirs: Vec<DataDir>,
    /// The element that names the image.
    pub path: Path,
}

/// A directory that an engine writes its data to.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct DataDir {
    /// Absolute path inside the container.
    pub dir: String,
    /// The container that writes there.
    pub container: String,
    /// Who says so: `annotation`, `argument`, `environment` or `default`.
    pub origin: &'static str,
    /// The mount that holds it: the closest one at or above it. Left out: the container's own layer does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<Mount>,
    /// The image declares this path as VOLUME, so that the mount above it does not hold the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_by: Option<String>,
}

/// The pods' metadata.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Pods {
    /// Labels of the template.
    pub labels: Strings,
    /// Annotations of the template.
    pub annotations: Strings,
    /// The workload's own selector (a LabelSelector as written), if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Value>,
    /// The pod template; empty for a bare Pod.
    pub path: Path,
    /// The pod's spec.
    pub spec_path: Path,
}

/// What a container is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It does the work.
    #[default]
    Main,
    /// It runs before the others and ends.
    Init,
    /// An init container that stays (`restartPolicy: Always`).
    Sidecar,
}

/// A container.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The reference as written.
    pub image_name: String,
    /// The reference taken apart; left out if it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// The engine of the table that the image is; empty: none.
    pub engine: String,
    /// Entry point.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<Env>,
    /// Does it take more of its environment from ConfigMaps or Secrets as a whole?
    pub env_from: bool,
    /// Ports it says it listens on.
    pub ports: Vec<Port>,
    /// What is reserved for it.
    pub requests: Resources,
    /// What it may use at most.
    pub limits: Resources,
    /// Ready to serve?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
    /// Alive?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
    /// Started?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// Mounted volumes.
    pub mounts: Vec<Mount>,
    /// Its SecurityContext as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Value>,
    /// Where it is.
    pub path: Path,
}

/// An environment variable.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Env {
    /// Its name.
    pub name: String,
    /// The literal value; left out if it comes from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `secretKeyRef`, `configMapKeyRef`, `fieldRef`, …; empty for a literal.
    pub from: String,
    /// Where it is.
    pub path: Path,
}

/// A container port.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Port {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub port: i64,
    pub protocol: String,
    pub path: Path,
}

/// Amounts of resources.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Resources {
    /// Millicores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<i64>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<i64>,
}

/// A probe, its timings in seconds.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Probe {
    /// The handler as written: `{"exec": …}`, `{"httpGet": …}`, `{"tcpSocket": …}` or `{"grpc": …}`.
    pub handler: Value,
    /// Seconds before the first try.
    pub initial_delay: i64,
    /// Seconds between tries.
    pub period: i64,
    /// Seconds a try may take.
    pub timeout: i64,
    /// Failures in a row that count.
    pub failure_threshold: i64,
    /// Successes in a row that count.
    pub success_threshold: i64,
    /// Where it is.
    pub path: Path,
}

/// A volume in a container.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Mount {
    /// The container's name.
    pub container: String,
    /// The volume's name.
    pub volume: String,
    /// The volume's source, as in [`Volume::source`]; empty if the pod has no such volume.
    pub source: String,
    /// Where in the container.
    pub mount_path: String,
    /// Which part of the volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub_path: String,
    /// Read only, by the mount or by its volume?
    pub read_only: bool,
    /// Where it is.
    pub path: Path,
}

/// A volume of the pods.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// `volumeClaimTemplate`, `persistentVolumeClaim`, `ephemeral`, `emptyDir`, `hostPath`, …
    pub source: String,
    /// The claim it uses, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The directory of a `hostPath`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_path: Option<String>,
    /// `Memory` for a tmpfs `emptyDir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// Read only for everybody?
    pub read_only: bool,
    /// Where it is.
    pub path: Path,
}

/// A claim to storage.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Claim {
    /// Its name; for a template the template's.
    pub name: String,
    /// `object` (a PVC under review), `template`, `ephemeral`, `reference` or `cr`.
    pub origin: &'static str,
    /// The class asked for; empty: none.
    pub storage_class: String,
    /// Bound by hand to a volume that exists, so it needs no class.
    pub static_binding: bool,
    /// Bytes; left out if it asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// The size as people write it: `20Gi`.
    pub size_text: String,
    /// `ReadWriteOnce`, …
    pub access_modes: Vec<String>,
    /// `Filesystem` or `Block`
    pub volume_mode: String,
    /// `Pending`, `Bound`, `Lost`; only of a PVC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The volume it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_name: Option<String>,
    /// Bytes it has, as its status says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i64>,
    /// Where it is; empty for a PVC itself.
    pub path: Path,
    /// Where its spec is.
    pub spec_path: Path,
}

/// Where pods may run.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Scheduling {
    /// Terms of `podAntiAffinity`, required ones first.
    pub anti_affinity: Vec<AntiAffinity>,
    /// `topologySpreadConstraints`
    pub spread: Vec<Spread>,
    /// `nodeSelector`
    pub node_selector: Strings,
    /// As written.
    pub tolerations: Vec<Value>,
    /// Empty: none.
    pub priority_class: String,
    /// Set: pinned to this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
}

/// One term of `podAntiAffinity`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct AntiAffinity {
    /// Required, or only preferred?
    pub required: bool,
    /// Weight of a preferred term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// `kubernetes.io/hostname`, …
    pub topology_key: String,
    /// Does it select the workload's own pods? If not, it does not keep them apart.
    pub matches_self: bool,
    /// Where it is.
    pub path: Path,
}

/// A topology spread constraint.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Spread {
    /// `topology.kubernetes.io/zone`, …
    pub topology_key: String,
    /// At most this much more in one place than in another.
    pub max_skew: i64,
    /// `DoNotSchedule` or `ScheduleAnyway`
    pub when_unsatisfiable: String,
    /// At least so many places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_domains: Option<i64>,
    /// Does it select the workload's own pods?
    pub matches_self: bool,
    /// Where it is.
    pub path: Path,
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

/// A StorageClass, with the API's defaults.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct StorageClass {
    pub provisioner: String,
    pub parameters: Strings,
    pub reclaim_policy: String,
    pub volume_binding_mode: String,
    pub allow_volume_expansion: bool,
    pub mount_options: Vec<String>,
    pub is_default: bool,
}

/// A PersistentVolume.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct PersistentVolume {
    /// `Retain` or `Delete`
    pub reclaim_policy: String,
    /// Its class; empty: none.
    pub storage_class: String,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i64>,
    /// `Available`, `Bound`, `Released`, `Failed`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `namespace/name` of the claim it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// `csi`, `hostPath`, `nfs`, `local`, …
    pub source: String,
    /// The CSI driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// The backup contract: annotations `stategate.io/backup-*`, `rpo`, `rto`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Backup {
    /// `velero`, `k10`, `operator`, …; empty: not declared.
    pub methods: Vec<String>,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<BackupSchedule>,
    /// Seconds a backup is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_seconds: Option<i64>,
    /// Seconds of work that may be lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpo_seconds: Option<i64>,
    /// What of `rpo`, `rto` and `backup-retention` cannot be read, and why.
    pub errors: Vec<AnnotationError>,
}

/// `stategate.io/backup-schedule`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct BackupSchedule {
    /// As written.
    pub text: String,
    /// Why it cannot be read; left out if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The longest time between two runs; left out if it never runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gap_seconds: Option<i64>,
    /// Where it is.
    pub path: Path,
}

/// An annotation that cannot be read.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct AnnotationError {
    /// The annotation.
    pub key: String,
    /// Why.
    pub error: String,
    /// Where it is.
    pub path: Path,
}
