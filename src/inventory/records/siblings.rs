//! What stands beside workloads: budgets, Services, autoscalers.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Head;
use crate::admission::GroupVersionKind;
use crate::policy::selector::KindRef;
use crate::workload::Node;
use crate::workload::labels::Selector;
use crate::workload::view::{Owner, Strings};

/// A PodDisruptionBudget.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct BudgetRecord {
    pub name: String,
    pub namespace: String,
    /// As written: a number or a percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<Value>,
    /// As written: a number or a percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Value>,
    pub selects_all: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_pod_eviction_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// None selects nothing.
    #[serde(skip)]
    pub selector: Option<Selector>,
}

/// A Service.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ServiceRecord {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub headless: bool,
    pub publish_not_ready: bool,
    pub ports: Vec<ServicePort>,
    #[serde(skip)]
    pub namespace: String,
    /// Empty: it selects nothing.
    #[serde(skip)]
    pub selector: Strings,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ServicePort {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub port: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<Value>,
    pub protocol: String,
}

/// What sets the size of a workload or of its pods.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct AutoscalerRecord {
    pub kind: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// The most pods that one step down removes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_pods: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(skip)]
    pub namespace: String,
    #[serde(skip)]
    pub own_kind: KindRef,
    #[serde(skip)]
    pub target: (KindRef, String),
}

impl BudgetRecord {
    pub fn read(node: &Node<'_>, head: Head) -> Self {
        let spec = node.child("spec");
        let selector = spec.child("selector").raw().and_then(|written| Selector::from_json(written).ok());
        Self {
            name: head.name,
            namespace: head.namespace,
            min_available: spec.child("minAvailable").raw().cloned(),
            max_unavailable: spec.child("maxUnavailable").raw().cloned(),
            selects_all: selector.as_ref().is_some_and(Selector::is_empty),
            unhealthy_pod_eviction_policy: spec.child("unhealthyPodEvictionPolicy").string(),
            owner: head.owner,
            selector,
        }
    }

    /// Does it select pods with these labels?
    pub fn selects(&self, labels: &Strings) -> bool {
        self.selector.as_ref().is_some_and(|selector| selector.matches(labels))
    }
}

impl ServiceRecord {
    pub fn read(node: &Node<'_>, head: Head) -> Self {
        let spec = node.child("spec");
        let port = |node: &Node<'_>| ServicePort {
            name: node.child("name").string().unwrap_or_default(),
            port: node.child("port").integer().unwrap_or_default(),
            target_port: node.child("targetPort").raw().or(node.child("port").raw()).cloned(),
            protocol: node.child("protocol").string().unwrap_or_else(|| "TCP".to_owned()),
        };
        Self {
            name: head.name,
            namespace: head.namespace,
            kind: spec.child("type").string().unwrap_or_else(|| "ClusterIP".to_owned()),
            headless: spec.child("clusterIP").string().as_deref() == Some("None"),
            publish_not_ready: spec.child("publishNotReadyAddresses").boolean().unwrap_or(false),
            ports: spec.child("ports").items().iter().map(port).collect(),
            selector: spec.child("selector").string_map(),
        }
    }

    /// Does it select pods with these labels?
    pub fn selects(&self, labels: &Strings) -> bool {
        !self.selector.is_empty() && self.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl AutoscalerRecord {
    pub fn read(kind: &KindRef, node: &Node<'_>, head: Head) -> Self {
        let spec = node.child("spec");
        let (min, max, rules, mode) = match kind.kind.as_str() {
            "ScaledObject" => {
                let idle = spec.child("idleReplicaCount").integer();
                let min = idle.or(spec.child("minReplicaCount").integer()).unwrap_or(0);
                let max = spec.child("maxReplicaCount").integer().unwrap_or(100);
                let advanced = spec.child("advanced").child("horizontalPodAutoscalerConfig");
                (Some(min), Some(max), Some(advanced.child("behavior")), None)
            }
            "VerticalPodAutoscaler" => {
                let mode = spec.child("updatePolicy").child("updateMode").string();
                (None, None, None, Some(mode.unwrap_or_else(|| "Auto".to_owned())))
            }
            _ => {
                let min = spec.child("minReplicas").integer().unwrap_or(1);
                (Some(min), spec.child("maxReplicas").integer(), Some(spec.child("behavior")), None)
            }
        };
        let target = match kind.kind.as_str() {
            "VerticalPodAutoscaler" => spec.child("targetRef"),
            _ => spec.child("scaleTargetRef"),
        };
        Self {
            scale_down_pods: rules.zip(max).map(|(rules, max)| scale_down(&rules.child("scaleDown"), max)),
            target: target_of(&target, kind),
            kind: kind.kind.clone(),
            own_kind: kind.clone(),
            name: head.name,
            namespace: head.namespace,
            min,
            max,
            mode,
        }
    }
}

/// The workload that an autoscaler names. KEDA's default is a Deployment.
pub fn target_of(node: &Node<'_>, scaler: &KindRef) -> (KindRef, String) {
    let string = |key: &'static str| node.child(key).string().filter(|text| !text.is_empty());
    let default = if scaler.kind == "ScaledObject" { ("Deployment", "apps/v1") } else { ("", "") };
    let kind = string("kind").unwrap_or_else(|| default.0.to_owned());
    let version = string("apiVersion").unwrap_or_else(|| default.1.to_owned());
    let GroupVersionKind { group, kind, .. } = GroupVersionKind::new(&version, &kind);
    (KindRef { kind, group }, string("name").unwrap_or_default())
}

/// The most pods of `max` that one step of these rules removes; without rules all of them. Of a
/// percentage whole pods stay, rounded down, as the controller does.
fn scale_down(rules: &Node<'_>, max: i64) -> i64 {
    let policies = rules.child("policies").items();
    let removes = policies.iter().map(|policy| {
        let value = policy.child("value").integer().unwrap_or_default().max(0);
        match policy.child("type").string().as_deref() {
            Some("Percent") => (max.saturating_mul(value)).saturating_add(99) / 100,
            _ => value,
        }
    });
    let least_or_most = match rules.child("selectPolicy").string().as_deref() {
        Some("Disabled") => Some(0),
        Some("Min") => removes.min(),
        _ => removes.max(),
    };
    least_or_most.unwrap_or(max)
}
