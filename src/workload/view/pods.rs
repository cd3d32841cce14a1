//! Pods in the view: containers, their mounts and their probes.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Strings;
use crate::path::Path;
use crate::workload::image::ImageRef;

/// Pod-level fields.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Pods {
    /// Labels of the pod template.
    pub labels: Strings,
    /// Annotations of the pod template.
    pub annotations: Strings,
    /// The workload's own selector (a LabelSelector, as written), if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Value>,
    /// `Always`, `OnFailure` or `Never`.
    pub restart_policy: String,
    /// Seconds after which the pods are ended whatever they do (`activeDeadlineSeconds`, of the Job as well).
    #[serde(skip)]
    pub deadline: Option<i64>,
    /// Resource requests of the pod as a whole (Kubernetes 1.34, KEP-2837).
    pub requests: Resources,
    /// Resource limits of the pod as a whole.
    pub limits: Resources,
    /// Path of the pod template; empty for a bare Pod.
    pub path: Path,
    /// Path of the pod spec.
    pub spec_path: Path,
}

/// The role of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A regular container.
    #[default]
    Main,
    /// Runs to completion before the regular containers start.
    Init,
    /// An init container that keeps running (`restartPolicy: Always`).
    Sidecar,
}

/// A container.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Container {
    /// The container's name.
    pub name: String,
    /// The container's role.
    pub role: Role,
    /// The image reference as written.
    pub image_name: String,
    /// The image reference split into its parts; left out if it is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// The engine in the table that matches the container; empty if none does.
    pub engine: String,
    /// Whether its image is that of a data store which is told to keep nothing here: in another system, on other
    /// members, or nowhere. Left out if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keeps_nothing: bool,
    /// The entry point (`command`).
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment variables; first those that `envFrom` takes from ConfigMaps that are known. Of several of one
    /// name, the last, which is the one that the container gets.
    pub env: Vec<Env>,
    /// The others of these names, which have no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overridden_env: Vec<Env>,
    /// Whether `envFrom` adds variables that are not known: of Secrets, and of other ConfigMaps.
    pub env_from: bool,
    /// Declared ports.
    pub ports: Vec<Port>,
    /// Resource requests.
    pub requests: Resources,
    /// Resource limits.
    pub limits: Resources,
    /// Memory settings of the data store or JVM.
    pub memory_settings: Vec<MemorySetting>,
    /// The readiness probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
    /// The liveness probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
    /// The startup probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// The preStop hook; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Mounted volumes.
    pub mounts: Vec<Mount>,
    /// The SecurityContext, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Value>,
    /// The files of ConfigMaps that are known, as the container sees them. Long ones are left out, or have lost their
    /// comments. Always empty at admission.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ConfigFile>,
    /// The working directory; None if the image decides.
    #[serde(skip)]
    pub working_dir: Option<String>,
    /// The command that the postStart hook runs.
    #[serde(skip)]
    pub post_start: Vec<String>,
    /// The command that the preStop hook runs.
    #[serde(skip)]
    pub pre_stop: Vec<String>,
    /// Path of the container in the object.
    pub path: Path,
}

/// A file that comes from a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ConfigFile {
    /// Its path.
    pub path: String,
    /// What it says.
    pub text: Arc<str>,
}

/// An environment variable.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Env {
    /// The variable's name.
    pub name: String,
    /// The literal value, or that of a ConfigMap that is known; left out if the value comes from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The source of the value: `secretKeyRef`, `configMapKeyRef`, `fieldRef`, …, `configMapRef` for a variable of
    /// `envFrom`; empty for a literal.
    pub from: String,
    /// The ConfigMap that the value was read from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub config_map: String,
    /// Path of the variable, or of the item of `envFrom`, in the object.
    pub path: Path,
}

/// A container port.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Port {
    /// Name of the port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Number of the port.
    pub port: i64,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Path in the object.
    pub path: Path,
}

/// Resource amounts.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Resources {
    /// CPU in millicores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<i64>,
    /// Memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Ephemeral storage in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<i64>,
}

/// A probe. All timings are in seconds.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Probe {
    /// The handler with the API's defaults: `{"exec": …}`, `{"httpGet": …}`, `{"tcpSocket": …}` or
    /// `{"grpc": …}`.
    pub handler: Value,
    /// `exec`, `httpGet`, `tcpSocket` or `grpc`; empty if the probe has no handler.
    pub kind: &'static str,
    /// The probed port, by number; left out if no port of the container has that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// The path of an `httpGet` probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_path: Option<String>,
    /// The host to probe instead of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The command of an `exec` probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Seconds before the first attempt.
    pub initial_delay: i64,
    /// Seconds between attempts.
    pub period: i64,
    /// Timeout of an attempt, in seconds.
    pub timeout: i64,
    /// Consecutive failures before the probe counts as failed.
    pub failure_threshold: i64,
    /// Consecutive successes before the probe counts as successful.
    pub success_threshold: i64,
    /// Seconds of consecutive failures until the probe counts as failed: `failure_threshold` times `period`.
    pub budget_seconds: i64,
    /// Path of the probe in the object.
    pub path: Path,
}

/// A memory setting of a program.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct MemorySetting {
    /// `-Xmx`, `-XX:MaxRAMPercentage`, `shared_buffers`, `innodb_buffer_pool_size`, `maxmemory`,
    /// `wiredTigerCacheSizeGB`, `--memory` or `max_server_memory_usage`.
    pub name: &'static str,
    /// The amount in bytes; a percentage is converted using the memory limit. Left out if the value cannot be
    /// read, refers to a variable, or is a percentage without a memory limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// The value as written.
    pub text: String,
    /// Path of the argument, or of the variable's value, that sets it.
    pub path: Path,
}

/// A container's lifecycle hooks.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Lifecycle {
    /// The preStop handler: `exec`, `httpGet`, `sleep` or `tcpSocket`.
    pub pre_stop: &'static str,
    /// Path of the hook in the object.
    pub path: Path,
}

/// A volume mounted in a container.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Mount {
    /// The container's name.
    pub container: String,
    /// The volume's name.
    pub volume: String,
    /// The source of the volume, as in `volumes`; empty if the pod has no such volume.
    pub source: String,
    /// The mount path in the container.
    pub mount_path: String,
    /// The part of the volume that is mounted (`subPath` or `subPathExpr`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sub_path: String,
    /// Whether the mount or its volume is read-only.
    pub read_only: bool,
    /// Path of the mount in the object.
    pub path: Path,
}
