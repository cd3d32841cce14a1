//! Where pods may run, and how changes roll out.

use serde_json::{Value, json};

use super::{deployment, problems, statefulset, view};

/// The scheduling part of a StatefulSet with these fields in its pod spec.
fn scheduled(more: Value) -> Value {
    view(&statefulset(json!({"name": "c", "image": "postgres"}), more))["scheduling"].clone()
}

fn required(terms: Value) -> Value {
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}})
}

#[test]
fn required_node_affinity_is_told_term_by_term() {
    let view = scheduled(json!({"affinity": required(json!([
        {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}, {"key": "gpu", "operator": "Exists"}],
         "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n9"]}]},
    ]))}));
    let path = json!([
        "spec",
        "template",
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
        0
    ]);
    let expected = json!([{"path": path, "expressions": [
        {"key": "disk", "operator": "In", "values": ["ssd"]},
        {"key": "gpu", "operator": "Exists", "values": []},
        {"key": "metadata.name", "operator": "NotIn", "values": ["n9"]},
    ]}]);
    assert_eq!(view["node_affinity"], expected);
    assert_eq!(scheduled(json!({}))["node_affinity"], json!([]));
}

#[test]
fn a_workload_is_pinned_if_every_way_to_a_node_names_it() {
    let pinned = |more: Value| scheduled(more).get("hostnames").cloned();
    let host = |names: Value| json!({"key": "kubernetes.io/hostname", "operator": "In", "values": names});
    let on = |terms: Value| pinned(json!({"affinity": required(terms)}));
    assert_eq!(pinned(json!({})), None);
    assert_eq!(pinned(json!({"nodeName": ""})), None);
    assert_eq!(pinned(json!({"nodeName": "n1"})), Some(json!(["n1"])));
    assert_eq!(pinned(json!({"nodeSelector": {"kubernetes.io/hostname": "n1"}})), Some(json!(["n1"])));
    assert_eq!(pinned(json!({"nodeSelector": {"disk": "ssd"}})), None);
    assert_eq!(on(json!([{"matchExpressions": [host(json!(["n2", "n1"]))]}])), Some(json!(["n1", "n2"])));
    let by_name = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n3"]}]});
    assert_eq!(
        on(json!([by_name.clone(), {"matchExpressions": [host(json!(["n1"]))]}])),
        Some(json!(["n1", "n3"]))
    );
    let open = json!({"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]});
    assert_eq!(on(json!([by_name.clone(), open])), None, "the other term leaves every node open");
    assert_eq!(on(json!([by_name, {}])), Some(json!(["n3"])), "an empty term fits no node");
    let not = json!({"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["n1"]}]});
    assert_eq!(on(json!([not])), None);
    let both = json!({"nodeSelector": {"kubernetes.io/hostname": "n1"}, "affinity": required(json!([{"matchExpressions": [host(json!(["n1", "n2"]))]}]))});
    assert_eq!(pinned(both), Some(json!(["n1"])));
}

#[test]
fn a_rollout_takes_down_as_many_pods_as_the_controller_would() {
    let pods = |kind: &str, replicas: i64, strategy: Value| {
        let mut object = statefulset(json!({"name": "c", "image": "postgres"}), json!({}));
        object["kind"] = json!(kind);
        object["spec"]["replicas"] = json!(replicas);
        object["spec"][if kind == "Deployment" { "strategy" } else { "updateStrategy" }] = strategy;
        let update = view(&object)["update"].clone();
        (update["unavailable_pods"].as_i64(), update["surge_pods"].as_i64())
    };
    let rolling = |fields: Value| json!({"type": "RollingUpdate", "rollingUpdate": fields});
    let down = |percent: &str| rolling(json!({"maxUnavailable": percent}));

    assert_eq!(pods("Deployment", 3, json!({})), (Some(0), Some(1)), "25% of 3: down 0.75, more 0.75");
    assert_eq!(pods("Deployment", 10, json!({})), (Some(2), Some(3)));
    let neither = rolling(json!({"maxUnavailable": "10%", "maxSurge": 0}));
    assert_eq!(pods("Deployment", 3, neither), (Some(1), Some(0)), "or nothing would ever roll");
    assert_eq!(pods("Deployment", 2, rolling(json!({"maxUnavailable": 5}))), (Some(2), Some(1)));
    assert_eq!(pods("Deployment", 3, json!({"type": "Recreate"})), (Some(3), Some(0)));
    assert_eq!(pods("Deployment", 0, json!({})), (Some(0), Some(0)));

    assert_eq!(pods("StatefulSet", 5, json!({})), (Some(1), Some(0)));
    assert_eq!(pods("StatefulSet", 5, down("50%")), (Some(2), Some(0)));
    assert_eq!(pods("StatefulSet", 5, down("1%")), (Some(1), Some(0)));
    assert_eq!(pods("StatefulSet", 5, rolling(json!({"maxUnavailable": 3}))), (Some(3), Some(0)));
    assert_eq!(pods("StatefulSet", 5, json!({"type": "OnDelete"})), (None, None));

    // The object does not say how many nodes there are.
    assert_eq!(pods("DaemonSet", 0, json!({})), (Some(1), Some(0)));
    assert_eq!(pods("DaemonSet", 0, down("10%")), (None, Some(0)));
    assert_eq!(
        pods("DaemonSet", 0, rolling(json!({"maxUnavailable": 0, "maxSurge": 1}))),
        (Some(0), Some(1))
    );
    assert_eq!(pods("DaemonSet", 0, rolling(json!({"maxUnavailable": 0, "maxSurge": "10%"}))), (None, None));
}

#[test]
fn a_share_that_is_none_is_named() {
    let mut object = deployment(json!({"name": "c", "image": "web"}), json!({}));
    object["spec"]["strategy"] = json!({"rollingUpdate": {"maxUnavailable": "some"}});
    assert_eq!(
        problems(&object),
        [
            r#"spec.strategy.rollingUpdate.maxUnavailable must be a whole number or a percentage such as 25%, not text"#
        ]
    );
}
