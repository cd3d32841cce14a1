//! Objects that act on a workload's pods: disruption budgets, autoscalers, Services.

use serde_json::Value;

use super::int_or_percent::{IntOrPercent, Rounding};
use super::json_node::JsonNode;
use super::labels::Selector;
use super::projection::{Field, Scaler};
use super::view::{Autoscaler, DisruptionBudget, Service, ServicePort, Target};

/// A PodDisruptionBudget. In policy/v1 an empty selector selects every pod of the namespace, a missing one
/// selects none.
pub fn disruption_budget(root: &JsonNode<'_>) -> DisruptionBudget {
    let spec = root.child("spec");
    let selector = spec.child("selector");
    let parsed = selector.raw().map(Selector::from_json);
    if let Some(Err(error)) = &parsed {
        selector.problem(format!("{}: {error}", crate::path::dotted(&selector.path)));
    }
    let share = |key: &'static str| {
        let node = spec.child(key);
        share(&node)?;
        node.raw().cloned()
    };
    DisruptionBudget {
        min_available: share("minAvailable"),
        max_unavailable: share("maxUnavailable"),
        selects_all: parsed.and_then(Result::ok).is_some_and(|selector| selector.is_empty()),
        selector: selector.raw().cloned(),
        unhealthy_pod_eviction_policy: spec.child("unhealthyPodEvictionPolicy").string(),
        path: spec.path,
    }
}

fn share(node: &JsonNode<'_>) -> Option<IntOrPercent> {
    IntOrPercent::parse(node.raw()?)
        .map_err(|error| node.problem(format!("{} {error}", crate::path::dotted(&node.path))))
        .ok()
}

/// A HorizontalPodAutoscaler or an equivalent object.
pub fn autoscaler(root: &JsonNode<'_>, scaler: &Scaler) -> Autoscaler {
    let target = root.at(&scaler.target.0);
    let string = |key: &'static str| target.child(key).string();
    let integer = |field: &Option<Field<i64>>| {
        field.as_ref().and_then(|field| root.at(&field.path.0).integer().or(field.default))
    };
    let idle = scaler.idle.as_ref().and_then(|keys| root.at(&keys.0).integer());
    let min = integer(&scaler.min).map(|min| idle.map_or(min, |idle| idle.min(min)));
    let max = integer(&scaler.max);
    Autoscaler {
        scale_down_pods: max.map(|max| {
            let rules = scaler.behavior.as_ref().map(|keys| root.at(&keys.0).child("scaleDown"));
            let most = (max.saturating_sub(min.unwrap_or(0))).max(0);
            rules.map_or(most, |rules| scale_down(&rules, max).min(most))
        }),
        min,
        max,
        mode: scaler
            .mode
            .as_ref()
            .and_then(|field| root.at(&field.path.0).string().or_else(|| field.default.clone())),
        target: Target {
            kind: string("kind").or_else(|| scaler.target_kind.clone()).unwrap_or_default(),
            name: string("name").unwrap_or_default(),
            api_version: string("apiVersion")
                .or_else(|| scaler.target_api_version.clone())
                .unwrap_or_default(),
            path: target.path.clone(),
        },
        path: root.child("spec").path,
    }
}

/// The most pods that one step of these rules removes, starting from `max`. Without rules, all of them. For a
/// percentage, the remaining pods are rounded down, as in the controller.
fn scale_down(rules: &JsonNode<'_>, max: i64) -> i64 {
    let policies = rules.child("policies").items();
    let removes = policies.iter().map(|policy| {
        let value = policy.child("value").integer().unwrap_or_default().max(0);
        match policy.child("type").string().as_deref() {
            Some("Percent") => IntOrPercent::Percent(value).of(Some(max), Rounding::Up).unwrap_or(max),
            _ => value,
        }
    });
    match rules.child("selectPolicy").string().as_deref() {
        Some("Disabled") => 0,
        Some("Min") => removes.min().unwrap_or(max),
        _ => removes.max().unwrap_or(max),
    }
}

/// A Service, with defaults as in core/v1 `SetDefaults_Service`.
pub fn service(root: &JsonNode<'_>) -> Service {
    let spec = root.child("spec");
    Service {
        kind: spec.child("type").string().unwrap_or_else(|| "ClusterIP".to_owned()),
        headless: spec.child("clusterIP").string().as_deref() == Some("None"),
        publish_not_ready: spec.child("publishNotReadyAddresses").boolean().unwrap_or(false),
        selector: spec.child("selector").string_map(),
        ports: spec.child("ports").items().iter().map(service_port).collect(),
        path: spec.path,
    }
}

fn service_port(node: &JsonNode<'_>) -> ServicePort {
    let port = node.child("port");
    let is_set = |value: &&Value| {
        !matches!(value, Value::String(name) if name.is_empty()) && value.as_i64() != Some(0)
    };
    ServicePort {
        name: node.child("name").string().unwrap_or_default(),
        port: port.integer().unwrap_or_default(),
        target_port: node.child("targetPort").raw().filter(is_set).or(port.raw()).cloned(),
        protocol: node.child("protocol").string().unwrap_or_else(|| "TCP".to_owned()),
        path: node.path.clone(),
    }
}
