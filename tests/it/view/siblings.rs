//! Objects that act on a workload's pods.

use serde_json::{Value, json};

use super::{problems, view};

fn sibling(api_version: &str, kind: &str, spec: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec})
}

#[test]
fn a_disruption_budget_tells_whom_it_keeps() {
    let budget = |spec: Value| {
        let view = view(&sibling("policy/v1", "PodDisruptionBudget", spec));
        assert_eq!(view["class"], "durable");
        view["disruption_budget"].clone()
    };
    let some = budget(
        json!({"maxUnavailable": "30%", "selector": {"matchLabels": {"app": "x"}}, "unhealthyPodEvictionPolicy": "AlwaysAllow"}),
    );
    assert_eq!(
        some,
        json!({"max_unavailable": "30%", "selector": {"matchLabels": {"app": "x"}}, "selects_all": false,
               "unhealthy_pod_eviction_policy": "AlwaysAllow", "path": ["spec"]})
    );
    let all = budget(json!({"minAvailable": 2, "selector": {}}));
    assert_eq!((&all["min_available"], &all["selects_all"]), (&json!(2), &json!(true)));
    let none = budget(json!({"minAvailable": 2}));
    assert_eq!((&none["selects_all"], none.get("selector")), (&json!(false), None));
    let bad = sibling(
        "policy/v1",
        "PodDisruptionBudget",
        json!({"minAvailable": "two", "selector": {"matchLabel": {}}}),
    );
    let said = problems(&bad);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|text| text.starts_with("spec.minAvailable must be a whole number")), "{said:?}");
    assert!(said.iter().any(|text| text.starts_with("spec.selector: ")), "{said:?}");
}

#[test]
fn an_autoscaler_tells_how_far_and_how_fast_it_goes_down() {
    let hpa = |version: &str, more: Value| {
        let mut spec = json!({"scaleTargetRef": {"kind": "StatefulSet", "name": "x", "apiVersion": "apps/v1"}, "maxReplicas": 9});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        view(&sibling(version, "HorizontalPodAutoscaler", spec))["autoscaler"].clone()
    };
    let target = json!({"kind": "StatefulSet", "name": "x", "api_version": "apps/v1", "path": ["spec", "scaleTargetRef"]});
    let plain = json!({"target": target, "min": 1, "max": 9, "scale_down_pods": 8, "path": ["spec"]});
    assert_eq!(hpa("autoscaling/v2", json!({})), plain);
    assert_eq!(hpa("autoscaling/v1", json!({"targetCPUUtilizationPercentage": 50})), plain);
    let down = |rules: Value| {
        hpa("autoscaling/v2", json!({"behavior": {"scaleDown": rules}}))["scale_down_pods"].clone()
    };
    let (one, half) = (json!({"type": "Pods", "value": 1}), json!({"type": "Percent", "value": 50}));
    assert_eq!(down(json!({"policies": [one]})), 1);
    assert_eq!(down(json!({"policies": [half]})), 5, "of 9 are left 4.5, so 4");
    assert_eq!(down(json!({"policies": [one, half]})), 5);
    assert_eq!(down(json!({"policies": [one, half], "selectPolicy": "Min"})), 1);
    assert_eq!(down(json!({"policies": [half], "selectPolicy": "Disabled"})), 0);
    assert_eq!(down(json!({"stabilizationWindowSeconds": 60})), 8);
    assert_eq!(
        hpa("autoscaling/v2", json!({"minReplicas": 7}))["scale_down_pods"],
        2,
        "never below the least"
    );

    let vpa = |spec: Value| {
        view(&sibling("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", spec))["autoscaler"].clone()
    };
    let of = json!({"kind": "StatefulSet", "name": "x", "apiVersion": "apps/v1"});
    let auto = vpa(json!({"targetRef": of}));
    assert_eq!((&auto["mode"], &auto["target"]["name"]), (&json!("Auto"), &json!("x")));
    assert_eq!((auto.get("min"), auto.get("scale_down_pods")), (None, None));
    assert_eq!(vpa(json!({"targetRef": of, "updatePolicy": {"updateMode": "Off"}}))["mode"], "Off");

    let keda = |spec: Value| view(&sibling("keda.sh/v1alpha1", "ScaledObject", spec))["autoscaler"].clone();
    let least = keda(json!({"scaleTargetRef": {"name": "x"}}));
    assert_eq!(
        (&least["target"]["kind"], &least["target"]["api_version"]),
        (&json!("Deployment"), &json!("apps/v1"))
    );
    assert_eq!(
        (&least["min"], &least["max"], &least["scale_down_pods"]),
        (&json!(0), &json!(100), &json!(100))
    );
    let idle =
        keda(json!({"scaleTargetRef": of, "minReplicaCount": 3, "idleReplicaCount": 0, "maxReplicaCount": 5,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"policies": [one]}}}}}));
    assert_eq!((&idle["min"], &idle["max"], &idle["scale_down_pods"]), (&json!(0), &json!(5), &json!(1)));
    assert_eq!(idle["target"]["kind"], "StatefulSet");
}

#[test]
fn a_service_tells_whom_it_leads_to() {
    let service = |spec: Value| view(&sibling("v1", "Service", spec))["service"].clone();
    let least = service(
        json!({"ports": [{"port": 5432}, {"name": "m", "port": 9, "targetPort": "metrics", "protocol": "UDP"}], "selector": {"app": "x"}}),
    );
    assert_eq!(
        least,
        json!({"type": "ClusterIP", "headless": false, "publish_not_ready": false, "selector": {"app": "x"}, "path": ["spec"], "ports": [
            {"port": 5432, "target_port": 5432, "protocol": "TCP", "path": ["spec", "ports", 0]},
            {"name": "m", "port": 9, "target_port": "metrics", "protocol": "UDP", "path": ["spec", "ports", 1]},
        ]})
    );
    let headless = service(json!({"clusterIP": "None", "publishNotReadyAddresses": true}));
    assert_eq!((&headless["headless"], &headless["publish_not_ready"]), (&json!(true), &json!(true)));
    assert_eq!((&headless["selector"], &headless["ports"]), (&json!({}), &json!([])));
}
