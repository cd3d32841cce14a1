//! Pods in the view: containers, what they mount and how they are probed.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Strings;
use crate::path::Path;
use crate::workload::image::ImageRef;

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
    /// `Always`, `OnFailure` or `Never`
    pub restart_policy: String,
    /// What is reserved for the pod as a whole (Kubernetes 1.34, KEP-2837).
    pub requests: Resources,
    /// What the pod as a whole may use at most.
    pub limits: Resources,
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
    /// What its data store or its JVM is told to take.
    pub memory_settings: Vec<MemorySetting>,
    /// Ready to serve?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,
    /// Alive?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,
    /// Started?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// What is done before it is stopped; left out: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
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
    /// `exec`, `httpGet`, `tcpSocket` or `grpc`; empty: it asks nothing.
    pub kind: &'static str,
    /// The port that it asks, by number; left out if no port of the container has the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// The path of an `httpGet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_path: Option<String>,
    /// The host that it asks instead of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What an `exec` runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
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
    /// Seconds of failing tries in a row until it counts: `failure_threshold` times `period`.
    pub budget_seconds: i64,
    /// Where it is.
    pub path: Path,
}

/// Memory that a program is told to take.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct MemorySetting {
    /// `-Xmx`, `-XX:MaxRAMPercentage`, `shared_buffers`, `innodb_buffer_pool_size`, `maxmemory`,
    /// `wiredTigerCacheSizeGB`, `--memory` or `max_server_memory_usage`
    pub name: &'static str,
    /// Bytes; of a percentage the part of the memory limit. Left out: it cannot be read, refers to a
    /// variable, or is a percentage and there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// The value as written.
    pub text: String,
    /// The argument, or the value of the variable, that has it.
    pub path: Path,
}

/// A container's hooks.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Lifecycle {
    /// `exec`, `httpGet`, `sleep` or `tcpSocket`
    pub pre_stop: &'static str,
    /// Where the hook is.
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
