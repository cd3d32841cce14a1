//! A policy that never returns is detected, skipped and quarantined, while the webhook keeps serving.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{PATIENCE, Server};
use crate::support::{LARGE, directory, stategate, write};

/// Not a loop in Rego, which the limit of steps would stop, but one comparison of two values that hold the same
/// list ten thousand million times.
fn sticking_policy() -> String {
    format!(
        r#"# METADATA
# title: Nothing sticks
# description: D.
# custom: {{severity: high, action: deny, match: {{kinds: [PersistentVolumeClaim]}}, fix: F}}
package stategate.own.sticks

{LARGE}
violation contains v if {{
	input.workload.labels.stick == "yes"
	large == also_large
	v := {{"msg": "it came back", "path": []}}
}}
"#
    )
}

fn review(name: &str, labels: &Value) -> Vec<u8> {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "9c3f7d52-5f0e-4a9a-8d5b-1d2a3b4c5d6e",
            "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"},
            "resource": {"group": "", "version": "v1", "resource": "persistentvolumeclaims"},
            "name": name, "namespace": "shop", "operation": "CREATE",
            "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters"]},
            "object": claim, "oldObject": null, "dryRun": false,
        },
    });
    review.to_string().into_bytes()
}

fn message(answer: &str) -> String {
    let answer: Value = serde_json::from_str(answer).expect("an AdmissionReview");
    let status = &answer["response"]["status"]["message"];
    let warnings = &answer["response"]["warnings"];
    format!("{status}{warnings}")
}

#[test]
fn a_policy_that_does_not_come_back_is_spared_then_quarantined_until_the_next_reload() {
    let policies = directory(&[("own/sticks/sticks.rego", &sticking_policy())]);
    let dir = tempfile::tempdir().unwrap();
    let path = policies.path().to_str().unwrap();
    let arguments = ["--policies", path, "--reload-every", "0.05", "--drain-delay", "0", "--threads", "1"];
    let server = Server::start(dir.path(), &arguments);
    let ask = |labels: Value| {
        let (code, answer) = server.post("/validate/fail?timeout=30s", &review("data", &labels));
        assert_eq!(code, 200, "{answer}");
        message(&answer)
    };
    let sticks = || ask(json!({"stick": "yes"}));

    // The other policies have been evaluated: only this one is missing, and its binding lets that pass.
    for _ in 0..2 {
        let said = sticks();
        assert!(said.contains("storage-class-required"), "{said}");
        assert!(said.contains("sticks") && said.contains("did not answer within 2 s"), "{said}");
        let other = ask(json!({}));
        assert!(!other.contains("did not answer"), "{other}");
    }
    // It is not asked any more.
    let said = ask(json!({}));
    assert!(said.contains("in quarantine") && !said.contains("did not answer"), "{said}");
    let ready = server.get("/readyz").1;
    assert!(ready.contains("policy sticks is in quarantine"), "{ready}");
    let metrics = server.get("/metrics").1;
    for line in [
        r#"stategate_evaluation_threads_replaced_total{policy="sticks",reason="stuck"} 2"#,
        r#"stategate_policy_quarantined{policy="sticks"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    // A new version starts without a record.
    write(policies.path(), "own/sticks/sticks.rego", sticking_policy().replace("== \"yes\"", "== \"no\""));
    let deadline = Instant::now() + PATIENCE;
    while server.get("/readyz").1.contains("quarantine") {
        assert!(Instant::now() < deadline, "the quarantine does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = sticks();
    assert!(!said.contains("quarantine") && !said.contains("did not answer"), "{said}");
    server.terminate();
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    assert!(log.contains(r#""policy":"sticks","reason":"stuck""#), "{log}");
}

#[test]
fn check_ends_although_a_policy_does_not() {
    let claim = |name: &str, label: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, labels: {{stick: '{label}'}}}}\nspec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}\n"
        )
    };
    let dir = directory(&[
        ("policies/own/sticks/sticks.rego", &sticking_policy()),
        ("claims.yaml", &[claim("one", "yes"), claim("two", "no")].join("---\n")),
    ]);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let run = stategate(&["check", &path("claims.yaml"), "--policies", &path("policies")]);
    run.expect(
        0,
        &["sticks", "did not answer within 2 s", "2 objects checked: 0 errors, 0 warnings, 1 policy failure"],
    );
}

#[test]
fn a_test_that_does_not_come_back_is_one_failed_test() {
    let test = r#"package stategate.own.sticks_test

import data.stategate.own.sticks as policy

test_sticks if {
	found := policy.violation with input as {"workload": {"labels": {"stick": "yes"}}}
	count(found) == 0
}

test_comes_back if {
	found := policy.violation with input as {"workload": {"labels": {}}}
	count(found) == 0
}
"#;
    let example = |name: &str, label: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, labels: {{stick: '{label}'}}}}\nspec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}\n"
        )
    };
    let policies = directory(&[
        ("own/sticks/sticks.rego", &sticking_policy()),
        ("own/sticks/sticks_test.rego", test),
        ("own/sticks/examples/pass_sticks.yaml", &example("a", "yes")),
        ("own/sticks/examples/pass_comes_back.yaml", &example("b", "no")),
    ]);
    let run = stategate(&["test", "-v", policies.path().to_str().unwrap()]);
    run.expect(1, &["FAIL data.stategate.own.sticks_test.test_sticks", "did not answer within 2 s"]);
    run.expect(1, &["ok   data.stategate.own.sticks_test.test_comes_back", "pass_sticks.yaml", "3 failed"]);
}
