//! What the cluster offers and allows: nodes, quotas, limits, priorities.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Head;
use crate::workload::JsonNode;
use crate::workload::view::Strings;

/// A Node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeRecord {
    pub name: String,
    pub labels: Strings,
    /// Whether the node is closed to new pods.
    pub cordoned: bool,
    /// The taints that keep pods away.
    pub taints: Vec<Taint>,
}

/// A taint with the effect NoSchedule or NoExecute.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    pub key: String,
    pub value: String,
    pub effect: String,
}

/// A ResourceQuota. CPU is in millicores; all other amounts are in bytes or counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct QuotaRecord {
    /// Its name.
    pub name: String,
    /// The limits, by resource.
    pub hard: BTreeMap<String, i64>,
    /// What is used, by resource.
    pub used: BTreeMap<String, i64>,
    /// Its namespace.
    #[serde(skip)]
    pub namespace: String,
}

/// The defaults that a LimitRange sets for containers without requests or limits of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct LimitRecord {
    /// Its name.
    pub name: String,
    /// Requests of a container that sets none.
    pub default_requests: Amounts,
    /// Limits of a container that sets none.
    pub default_limits: Amounts,
    /// Its namespace.
    #[serde(skip)]
    pub namespace: String,
}

/// Resource amounts: `cpu` in millicores, `memory` in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Amounts {
    /// CPU in millicores; absent if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<i64>,
    /// Memory in bytes; absent if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
}

/// A PriorityClass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct PriorityRecord {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// The priority; higher is more important.
    pub value: i64,
    /// Whether pods without a class get this one.
    pub global_default: bool,
    /// `PreemptLowerPriority` or `Never`.
    pub preemption_policy: String,
}

impl NodeRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        let spec = node.child("spec");
        let taint = |node: &JsonNode<'_>| {
            let string = |key: &'static str| node.child(key).string().unwrap_or_default();
            Taint { key: string("key"), value: string("value"), effect: string("effect") }
        };
        let mut taints: Vec<Taint> = spec.child("taints").items().iter().map(taint).collect();
        taints.retain(|taint| taint.effect != "PreferNoSchedule");
        taints.sort();
        Self {
            name: head.name,
            labels: head.labels,
            cordoned: spec.child("unschedulable").boolean() == Some(true),
            taints,
        }
    }

    /// The zone, from the node's labels.
    pub fn zone(&self) -> Option<&String> {
        let keys = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];
        keys.iter().find_map(|key| self.labels.get(*key))
    }
}

impl QuotaRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        Self {
            name: head.name,
            namespace: head.namespace,
            hard: amounts(&node.child("spec").child("hard")),
            used: amounts(&node.child("status").child("used")),
        }
    }
}

fn amounts(node: &JsonNode<'_>) -> BTreeMap<String, i64> {
    let keys = node.raw().and_then(|value| value.as_object()).into_iter().flat_map(|map| map.keys());
    let amount = |key: &String| {
        let value = node.child(key.clone());
        let amount = if key == "cpu" || key.ends_with(".cpu") { value.millis() } else { value.bytes() };
        Some((key.clone(), amount?))
    };
    keys.filter_map(amount).collect()
}

impl LimitRecord {
    /// Defaults as in core/v1 `SetDefaults_LimitRangeItem`: the default limit falls back to the maximum, and
    /// the default request to the limit or else the minimum.
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        let (mut requests, mut limits) = (Amounts::default(), Amounts::default());
        let all = node.child("spec").child("limits").items();
        for limit in all.iter().filter(|limit| limit.child("type").string().as_deref() == Some("Container")) {
            let (cpu, memory) = (
                |key: &'static str| limit.child(key).child("cpu").millis(),
                |key: &'static str| limit.child(key).child("memory").bytes(),
            );
            let own = Amounts {
                cpu: cpu("default").or_else(|| cpu("max")),
                memory: memory("default").or_else(|| memory("max")),
            };
            let requested = Amounts {
                cpu: cpu("defaultRequest").or(own.cpu).or_else(|| cpu("min")),
                memory: memory("defaultRequest").or(own.memory).or_else(|| memory("min")),
            };
            // The first item that sets a value wins, as in the admission plugin.
            limits.cpu = limits.cpu.or(own.cpu);
            limits.memory = limits.memory.or(own.memory);
            requests.cpu = requests.cpu.or(requested.cpu);
            requests.memory = requests.memory.or(requested.memory);
        }
        Self {
            name: head.name,
            namespace: head.namespace,
            default_requests: requests,
            default_limits: limits,
        }
    }
}

impl PriorityRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        Self {
            name: head.name,
            value: node.child("value").integer().unwrap_or_default(),
            global_default: node.child("globalDefault").boolean().unwrap_or(false),
            preemption_policy: node
                .child("preemptionPolicy")
                .string()
                .unwrap_or_else(|| "PreemptLowerPriority".to_owned()),
        }
    }
}
