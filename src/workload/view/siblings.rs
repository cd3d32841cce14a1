//! Objects that act on a workload's pods, in the view.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Strings;
use crate::path::Path;

/// A PodDisruptionBudget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct DisruptionBudget {
    /// A number or a percentage, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<Value>,
    /// A number or a percentage, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Value>,
    /// A LabelSelector, as written; if left out, the budget selects no pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Value>,
    /// Whether the budget selects every pod of the namespace.
    pub selects_all: bool,
    /// `IfHealthyBudget` or `AlwaysAllow`; `IfHealthyBudget` applies if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_pod_eviction_policy: Option<String>,
    /// Path of the spec in the object.
    pub path: Path,
}

/// An object that automatically changes the number or size of pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Autoscaler {
    /// The scale target.
    pub target: Target,
    /// The minimum number of pods; left out if the autoscaler does not change the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The maximum number of pods; left out if the autoscaler does not change the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// The most pods that one scale-down step may remove; left out if the autoscaler does not change the
    /// number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_pods: Option<i64>,
    /// The update mode of a VerticalPodAutoscaler: `Off`, `Initial`, `Recreate`, `InPlaceOrRecreate` or
    /// `Auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Path of the spec in the object.
    pub path: Path,
}

/// The target of an autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Target {
    /// Its kind, such as `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its group and version, such as `apps/v1`.
    pub api_version: String,
    /// Path in the object.
    pub path: Path,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Service {
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the Service has no cluster IP, so that its DNS names resolve to the pods.
    pub headless: bool,
    /// Whether DNS also publishes pods that are not ready.
    pub publish_not_ready: bool,
    /// Labels of the selected pods; empty if the endpoints are managed separately.
    pub selector: Strings,
    /// The ports.
    pub ports: Vec<ServicePort>,
    /// Path of the spec in the object.
    pub path: Path,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ServicePort {
    /// The port's name; left out if it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The port's number.
    pub port: i64,
    /// The port on the pods, by number or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<Value>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Path of the port in the object.
    pub path: Path,
}
