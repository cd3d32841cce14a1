//! What stands beside workloads and acts on their pods, in the view.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Strings;
use crate::path::Path;

/// A PodDisruptionBudget.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct DisruptionBudget {
    /// As written: a number or a percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<Value>,
    /// As written: a number or a percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Value>,
    /// A LabelSelector as written; left out: it selects no pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Value>,
    /// Does it select every pod of the namespace?
    pub selects_all: bool,
    /// `IfHealthyBudget` or `AlwaysAllow`; left out means the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_pod_eviction_policy: Option<String>,
    /// Where its spec is.
    pub path: Path,
}

/// Whatever changes the number or the size of pods by itself.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Autoscaler {
    /// What it scales.
    pub target: Target,
    /// The fewest pods; left out if it does not change their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The most pods; left out if it does not change their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// So many pods may one step down remove at most. Left out if it does not change their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_pods: Option<i64>,
    /// A VerticalPodAutoscaler's `Off`, `Initial`, `Recreate`, `InPlaceOrRecreate` or `Auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Where its spec is.
    pub path: Path,
}

/// What an autoscaler scales.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Target {
    pub kind: String,
    pub name: String,
    pub api_version: String,
    pub path: Path,
}

/// A Service.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Service {
    /// `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`
    #[serde(rename = "type")]
    pub kind: String,
    /// Without an address of its own: names lead to the pods themselves.
    pub headless: bool,
    /// Do names lead to pods that are not ready, too?
    pub publish_not_ready: bool,
    /// Labels of the pods that it leads to; empty: somebody else says where it leads.
    pub selector: Strings,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Where its spec is.
    pub path: Path,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ServicePort {
    /// Left out: it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its number.
    pub port: i64,
    /// The pods' port, by number or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<Value>,
    /// `TCP`, `UDP` or `SCTP`
    pub protocol: String,
    /// Where it is.
    pub path: Path,
}
