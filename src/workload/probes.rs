//! Probes and lifecycle hooks of containers.

use serde_json::{Map, Value};

use super::json_node::JsonNode;
use super::view::{Lifecycle, Port, Probe};

/// Timings default as in core/v1 `SetDefaults_Probe`, where zero also means unset.
pub fn probe(node: &JsonNode<'_>, ports: &[Port]) -> Option<Probe> {
    let written = node.raw()?;
    let seconds =
        |key: &'static str, default| node.child(key).integer().filter(|n| *n != 0).unwrap_or(default);
    let (period, failure_threshold) = (seconds("periodSeconds", 10), seconds("failureThreshold", 3));
    let handler = ["exec", "httpGet", "tcpSocket", "grpc"]
        .into_iter()
        .find_map(|kind| Some((kind, handler(kind, written.get(kind)?.as_object()?))));
    let kind = handler.as_ref().map_or("", |(kind, _)| *kind);
    let asked = node.child(kind);
    Some(Probe {
        handler: handler
            .into_iter()
            .map(|(kind, handler)| (kind.to_owned(), handler))
            .collect::<Map<_, _>>()
            .into(),
        kind,
        port: number(&asked.child("port"), ports),
        http_path: (kind == "httpGet")
            .then(|| asked.child("path").string().unwrap_or_else(|| "/".to_owned())),
        host: asked.child("host").string().filter(|host| !host.is_empty()),
        command: (kind == "exec").then(|| asked.child("command").words()),
        initial_delay: seconds("initialDelaySeconds", 0),
        period,
        timeout: seconds("timeoutSeconds", 1),
        failure_threshold,
        budget_seconds: failure_threshold.saturating_mul(period),
        success_threshold: seconds("successThreshold", 1),
        path: node.path.clone(),
    })
}

/// Applies the API's defaults, so that equivalent handlers compare equal.
fn handler(kind: &str, written: &Map<String, Value>) -> Value {
    let defaults: &[(&str, &str)] = match kind {
        "httpGet" => &[("path", "/"), ("scheme", "HTTP")],
        "grpc" => &[("service", "")],
        _ => &[],
    };
    let mut handler = written.clone();
    for (key, value) in defaults {
        handler.entry(*key).or_insert_with(|| Value::from(*value));
    }
    Value::Object(handler)
}

/// A port given by number, or by the name of one of the container's ports. Like the kubelet, falls back to
/// parsing a string as a number.
fn number(node: &JsonNode<'_>, ports: &[Port]) -> Option<i64> {
    match node.raw()? {
        Value::String(name) => {
            let named = ports.iter().find(|port| port.name == *name).map(|port| port.port);
            named.or_else(|| name.parse().ok())
        }
        _ => node.integer(),
    }
}

/// The container's preStop hook.
pub fn lifecycle(container: &JsonNode<'_>) -> Option<Lifecycle> {
    let hook = container.child("lifecycle").child("preStop");
    let written = hook.raw()?;
    let pre_stop = ["exec", "httpGet", "sleep", "tcpSocket"]
        .into_iter()
        .find(|kind| written.get(kind).is_some_and(Value::is_object))?;
    Some(Lifecycle { pre_stop, path: hook.path })
}
