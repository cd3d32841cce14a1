//! A credential that a policy finds appears in no output.

use crate::support::{directory, stategate, write};

const SECRET: &str = "correct-horse";

/// The secret twice where policies look for it, and once where they do not; each beside other faults.
const SET: &str = r#"apiVersion: apps/v1
kind: StatefulSet
metadata: {name: redis, namespace: shop}
spec:
  serviceName: redis
  replicas: 1
  selector: {matchLabels: {app: redis}}
  template:
    metadata: {labels: {app: redis}}
    spec:
      containers:
        - name: redis
          image: redis:7.2.4
          command: [redis-server]
          args:
            - --requirepass
            - correct-horse
          env: [{name: REDIS_PASSWORD, value: correct-horse}]
          readinessProbe: {exec: {command: [redis-cli, -a, correct-horse, ping]}}
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], storageClassName: standard, resources: {requests: {storage: 1Gi}}}
"#;

fn review(object: &str) -> String {
    let object = stategate::yaml::read(object).unwrap().remove(0).value;
    serde_json::json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "5d9f0ad0-0000-4000-8000-000000000000",
        "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
        "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
        "name": "redis", "namespace": "shop", "operation": "CREATE",
        "userInfo": {"username": "dev"}, "object": object}})
    .to_string()
}

#[test]
fn no_output_shows_a_credential() {
    let one_line = stategate::yaml::read(SET).unwrap().remove(0).value.to_string();
    let dir = directory(&[("redis.yaml", SET), ("redis.json", &one_line), ("review.json", &review(SET))]);
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (yaml, json, body) = (path("redis.yaml"), path("redis.json"), path("review.json"));
    for arguments in [
        vec!["check", yaml.as_str()],
        vec!["check", "-o", "json", &yaml],
        vec!["check", json.as_str()],
        vec!["check", "-o", "json", &json],
        vec!["review", &body],
    ] {
        let run = stategate(&arguments);
        run.expect(1, &["secret-no-literal-env", "secret-no-literal-args"]);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(!said.contains(SECRET), "{arguments:?}:\n{said}");
    }
    let text = stategate(&["check", &yaml]);
    text.expect(1, &["redis.yaml:16:15", "args[0]; the text is not shown: it may contain a credential"]);
    // What stands elsewhere is shown as ever.
    text.expect(1, &["metadata: {name: redis, namespace: shop}"]);
    stategate(&["check", "-o", "json", &yaml]).expect(1, &["\"sensitive\": true"]);
}

#[test]
fn a_policy_says_itself_that_it_finds_credentials() {
    let policy = |more: &str| {
        format!(
            "# METADATA\n# title: T\n# description: D.\n# custom:\n#   severity: high\n#   action: deny\n{more}\
             #   match: {{kinds: [StatefulSet.apps]}}\n#   fix: F\npackage stategate.own.looks\n\n\
             violation contains v if {{\n\tsome i, _ in input.workload.containers[0].args\n\
             \tv := {{\"msg\": \"found\", \"path\": [\"spec\", \"template\", \"spec\", \"containers\", 0, \"args\", i]}}\n}}\n"
        )
    };
    let dir = directory(&[
        ("own/looks/looks.rego", &policy("")),
        ("own/looks/looks_test.rego", "package stategate.own.looks_test\n\ntest_it if false\n"),
        ("own/looks/examples/pass_it.yaml", SET),
        ("redis.yaml", SET),
    ]);
    let (policies, yaml) =
        (dir.path().display().to_string(), dir.path().join("redis.yaml").display().to_string());
    let check = || stategate(&["check", "--no-catalogue", "--policies", &policies, &yaml]);
    assert!(check().expect(1, &["error[looks]: found"]).stdout.contains(SECRET));
    write(dir.path(), "own/looks/looks.rego", policy("#   sensitive: true\n"));
    assert!(!check().expect(1, &["error[looks]: found"]).stdout.contains(SECRET));
    // A failing example is reported in both formats, too.
    for format in ["text", "junit"] {
        let run = stategate(&["test", &policies, "-o", format]);
        run.expect(1, &["found"]);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(SECRET));
    }
}
