//! The gate never prolongs an outage: what brings back what ran before is not refused for faults that it had, and what
//! will be refused later is said before the step that cannot be taken back.

use std::sync::LazyLock;

use serde_json::{Value, json};
use stategate::admission::{ReviewMode, wire};
use stategate::decision::Decision;
use stategate::inventory::Inventory;
use stategate::policy::Action;
use stategate::policyset::PolicySet;
use stategate::review::{Unobserved, review};

use crate::support::production;

static SET: LazyLock<PolicySet> = LazyLock::new(production);

/// A database whose replicas may share a node, and without probes, as found in clusters that are older than their gate.
fn store(replicas: i64, generation: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "ledger", "namespace": "bank", "generation": generation, "uid": "0c2f"},
        "spec": {
            "serviceName": "ledger", "replicas": replicas, "selector": {"matchLabels": {"app": "ledger"}},
            "template": {
                "metadata": {"labels": {"app": "ledger"}},
                "spec": {"containers": [{
                    "name": "etcd", "image": "quay.io/coreos/etcd:v3.5.17",
                    "env": [{"name": "ETCD_DATA_DIR", "value": "/data"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }]},
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                "resources": {"requests": {"storage": "10Gi"}},
            }}],
        },
    })
}

fn claim(ordinal: i64, labels: Value, phase: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": format!("data-ledger-{ordinal}"), "namespace": "bank", "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": format!("pv-{ordinal}"),
            "resources": {"requests": {"storage": "10Gi"}}},
        "status": {"phase": phase},
    })
}

fn claims(count: i64) -> Vec<Value> {
    (0..count).map(|ordinal| claim(ordinal, json!({"app": "ledger"}), "Bound")).collect()
}

/// A cluster with these claims and no others.
fn cluster(claims: &[Value]) -> Inventory {
    let mut writer = SET.inventory_writer();
    let kind = stategate::admission::GroupKind::new("v1", "PersistentVolumeClaim");
    let records: Vec<_> =
        claims.iter().map(|claim| writer.reader().read(&kind, claim, "bank").unwrap()).collect();
    writer.relist(&kind, records);
    writer.snapshot()
}

fn judge(inventory: &Inventory, operation: &str, object: Value, old: Value, options: Value) -> Decision {
    let resource = json!({"group": "apps", "version": "v1", "resource": "statefulsets"});
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"}, "resource": resource,
        "name": "ledger", "namespace": "bank", "operation": operation,
        "userInfo": {"username": "maria", "groups": ["system:authenticated"]},
        "object": object, "oldObject": old, "options": options,
    }});
    let request = wire::decode(body.to_string().as_bytes()).unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    review(&SET, inventory, &request, ReviewMode::Validate, now, &Unobserved)
}

fn refused_by(decision: &Decision) -> Vec<&str> {
    let denied = decision.findings.iter().filter(|finding| finding.action == Action::Deny);
    denied.map(|finding| finding.policy.as_str()).collect()
}

fn scaled(inventory: &Inventory, from: i64, to: i64, generation: i64) -> Decision {
    judge(inventory, "UPDATE", store(to, generation + 1), store(from, generation), Value::Null)
}

const KEEP_APART: &str = "anti-affinity-required";

#[test]
fn what_was_scaled_to_zero_comes_back_with_the_faults_that_it_had() {
    let decision = scaled(&cluster(&claims(3)), 0, 3, 4);
    assert_eq!(refused_by(&decision), Vec::<&str>::new());
    let told = decision.findings.iter().find(|finding| finding.policy.as_str() == KEEP_APART).unwrap();
    assert!(told.pre_existing && told.action == Action::Warn, "{told:?}");
}

#[test]
fn new_faults_are_refused_all_the_same() {
    let mut object = store(3, 5);
    object["spec"]["template"]["spec"]["volumes"] = json!([{"name": "scratch", "emptyDir": {}}]);
    object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "scratch", "mountPath": "/data"}]);
    let decision = judge(&cluster(&claims(3)), "UPDATE", object, store(0, 4), Value::Null);
    assert!(refused_by(&decision).contains(&"volume-no-emptydir-data"), "{:?}", refused_by(&decision));
    assert!(!refused_by(&decision).contains(&KEEP_APART));
}

#[test]
fn what_never_ran_does_not_come_back() {
    // The API server counts changes of the spec: this one was created without replicas.
    assert!(refused_by(&scaled(&Inventory::default(), 0, 3, 1)).contains(&KEEP_APART));
    assert!(refused_by(&scaled(&cluster(&[]), 0, 3, 4)).contains(&KEEP_APART), "no claim of it exists");
    assert!(refused_by(&scaled(&cluster(&claims(1)), 0, 3, 4)).contains(&KEEP_APART), "a single one ran");
    assert!(refused_by(&scaled(&Inventory::default(), 0, 3, 4)).contains(&KEEP_APART), "nobody knows");
    // Claims of another application, or none that was ever bound, tell nothing.
    for (app, phase) in [("other", "Bound"), ("ledger", "Pending")] {
        let claims: Vec<Value> = (0..3).map(|ordinal| claim(ordinal, json!({"app": app}), phase)).collect();
        assert!(refused_by(&scaled(&cluster(&claims), 0, 3, 4)).contains(&KEEP_APART));
    }
}

#[test]
fn members_whose_claims_are_there_come_back() {
    assert!(!refused_by(&scaled(&cluster(&claims(3)), 1, 3, 4)).contains(&KEEP_APART));
    assert!(refused_by(&scaled(&Inventory::default(), 1, 3, 4)).contains(&KEEP_APART));
}

#[test]
fn a_creation_over_claims_is_judged_as_any_other() {
    let decision = judge(&cluster(&claims(3)), "CREATE", store(3, 1), Value::Null, Value::Null);
    assert!(refused_by(&decision).contains(&KEEP_APART), "claims say nothing of the template");
}

#[test]
fn what_a_creation_will_be_refused_for_is_said_at_the_deletion() {
    let deleted = |inventory: &Inventory, policy: &str| {
        let options =
            json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "propagationPolicy": policy});
        let decision = judge(inventory, "DELETE", Value::Null, store(3, 4), options);
        assert!(decision.allowed(), "{decision:?}");
        decision.notes
    };
    let told = |notes: &[String]| {
        notes
            .iter()
            .any(|note| note.starts_with("creating it again will be refused: ") && note.contains("fix: "))
    };
    assert!(told(&deleted(&Inventory::default(), "Orphan")), "its claims are not known");
    assert!(!told(&deleted(&Inventory::default(), "Background")));
}

#[test]
fn a_status_says_nothing_of_what_ran() {
    let probe = json!({"exec": {"command": ["etcdctl", "endpoint", "health"]}, "timeoutSeconds": 5});
    let mut failing = store(3, 5);
    failing["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = probe;
    // The name that the controller gives to the template of `store`: a hash of 32 bits, for which others can be found.
    failing["status"] = json!({"currentRevision": "ledger-84bf48cc8c", "updateRevision": "ledger-5d8c7f9b4", "collisionCount": 0});
    let decision = judge(&Inventory::default(), "UPDATE", store(3, 6), failing, Value::Null);
    assert!(refused_by(&decision).contains(&"probe-readiness-required"));
}
