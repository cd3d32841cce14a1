//! How changes roll out, and how many pods a rollout may take down at once.

use serde_json::Value;

use super::int_or_percent::{IntOrPercent, Rounding};
use super::json_node::JsonNode;
use super::projection::{Rolling, Updates};
use super::view::Update;

/// The update strategy of a workload with this many replicas.
pub fn update(root: &JsonNode<'_>, updates: &Updates, replicas: Option<i64>) -> Update {
    let node = root.at(&updates.path.0);
    let kind = node.child("type").string().unwrap_or_else(|| updates.default.clone());
    let rolling = node.child("rollingUpdate");
    let defaults = if kind == "RollingUpdate" { updates.rolling.clone() } else { Rolling::default() };
    let (unavailable, surge) = (rolling.child("maxUnavailable"), rolling.child("maxSurge"));
    let max_unavailable = unavailable.raw().cloned().or(defaults.max_unavailable);
    let max_surge = surge.raw().cloned().or(defaults.max_surge);
    let (unavailable_pods, surge_pods) = match kind.as_str() {
        "RollingUpdate" => {
            let surge = pods(&surge, max_surge.as_ref(), replicas, Rounding::Up, 0);
            let down = pods(&unavailable, max_unavailable.as_ref(), replicas, updates.round_unavailable, 1);
            (at_once(down, surge, replicas), surge)
        }
        "Recreate" => (replicas, Some(0)),
        _ => (None, None),
    };
    Update {
        partition: rolling.child("partition").integer().or(defaults.partition),
        max_unavailable,
        max_surge,
        unavailable_pods,
        surge_pods,
        path: node.path,
        kind,
    }
}

/// A share of the replicas; `default` if neither the object nor the API sets one.
fn pods(
    node: &JsonNode<'_>,
    written: Option<&Value>,
    replicas: Option<i64>,
    rounding: Rounding,
    default: i64,
) -> Option<i64> {
    let Some(written) = written else { return Some(default) };
    match IntOrPercent::parse(written) {
        Ok(share) => share.of(replicas, rounding),
        Err(error) => {
            node.problem(format!("{} {error}", crate::path::dotted(&node.path)));
            None
        }
    }
}

/// If both bounds are zero, nothing could roll out, so controllers take down one pod anyway. Capped at the
/// number of replicas.
fn at_once(down: Option<i64>, surge: Option<i64>, replicas: Option<i64>) -> Option<i64> {
    let down = match (down?, surge) {
        (0, Some(0)) => 1,
        (0, None) => return None,
        (down, _) => down,
    };
    Some(replicas.map_or(down, |replicas| down.min(replicas.max(0))))
}
