//! A credential that a policy finds appears in no output.

use std::path::Path;

use crate::server::Server;
use crate::support::{NAIVE, directory, run_in, stategate, stategate_with, write};

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
             \tv := {{\"msg\": \"found\", \"fix\": sprintf(\"F %d\", [i]), \"path\": [\"spec\", \"template\", \"spec\", \"containers\", 0, \"args\", i]}}\n}}\n"
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

/// The exit code of `check`, and what it says in all formats at once.
fn said(dir: &Path, arguments: &[&str]) -> (i32, String) {
    const FORMATS: [&str; 6] = ["json", "sarif", "junit", "github", "gitlab", "html"];
    let outputs = FORMATS.map(|format| format!("-o={format}=report.{format}"));
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let run = run_in(dir, &[&["check"], arguments, &outputs].concat());
    let mut all = format!("{}{}", run.stdout, run.stderr);
    for format in FORMATS {
        let file = dir.join(format!("report.{format}"));
        all.push_str(&std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("no {format}: {all}")));
        std::fs::remove_file(file).unwrap();
    }
    assert!(!all.contains("panicked"), "{all}");
    (run.code, all)
}

/// What of the object is wrongly typed, and holds the secret.
const WRONGLY_TYPED: &[(&str, &str)] = &[
    ("replicas: 1", "replicas: correct-horse"),
    ("replicas: 1", "replicas: [correct-horse]"),
    ("value: correct-horse}]\n          r", "value: [correct-horse]}]\n          r"),
    ("value: correct-horse}]\n          r", "value: {a: correct-horse}}]\n          r"),
    ("env: [{name: REDIS_PASSWORD, value: correct-horse}]", "env: correct-horse"),
    ("env: [{name: REDIS_PASSWORD, value: correct-horse}]", "env: {REDIS_PASSWORD: correct-horse}"),
    ("{name: REDIS_PASSWORD, value: correct-horse}", "REDIS_PASSWORD=correct-horse"),
    ("command: [redis-server]", "command: redis-server --requirepass correct-horse"),
    (
        "metadata: {name: redis, namespace: shop}",
        "metadata: {name: redis, namespace: shop, labels: correct-horse}",
    ),
    (
        "metadata: {name: redis, namespace: shop}",
        "metadata: {name: redis, namespace: shop, annotations: {token: [correct-horse]}}",
    ),
    ("metadata: {name: redis, namespace: shop}", "metadata: correct-horse"),
    (
        "      containers:\n",
        "      topologySpreadConstraints: [{maxSkew: 1, topologyKey: h, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchExpressions: [{key: a, operator: correct-horse}]}}]\n      containers:\n",
    ),
    ("requests: {storage: 1Gi}", "requests: {storage: correct-horse}"),
    ("requests: {storage: 1Gi}", "requests: {storage: 12correct-horse}"),
    ("requests: {storage: 1Gi}", "requests: {storage: {a: correct-horse}}"),
    (
        "serviceName: redis",
        "serviceName: redis\n  updateStrategy: {rollingUpdate: {maxUnavailable: correct-horse}}",
    ),
    ("serviceName: redis", "serviceName: redis\n  updateStrategy: correct-horse"),
    ("template:\n", "template: correct-horse\n  ignored:\n"),
];

#[test]
fn a_wrongly_typed_credential_is_not_shown() {
    let tls = tempfile::tempdir().unwrap();
    let server = Server::start(tls.path(), &[]);
    for (from, to) in WRONGLY_TYPED {
        let manifest = SET.replacen(from, to, 1);
        assert_ne!(manifest, SET, "{from}");
        let one_line = stategate::yaml::read(&manifest).unwrap().remove(0).value.to_string();
        // Beside another object, whose findings show lines of the file.
        let list = format!("{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{one_line},{one_line}]}}");
        let review = review(&manifest);
        let dir = directory(&[("redis.yaml", &manifest), ("list.json", &list), ("review.json", &review)]);
        for arguments in [
            &["fix", "redis.yaml"][..],
            &["review", "review.json"],
            &["review", "review.json", "--webhook", "mutate"],
        ] {
            let run = run_in(dir.path(), arguments);
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(!said.contains("panicked") && !said.contains(SECRET), "{to}: {arguments:?}:\n{said}");
        }
        for file in ["redis.yaml", "list.json"] {
            let (code, said) = said(dir.path(), &[file]);
            assert!(code == 1 && said.contains("error[object-unreadable]"), "{to}: {said}");
            assert!(!said.contains(SECRET), "{to}: {said}");
        }
        for path in ["/validate/fail", "/validate/ignore", "/mutate"] {
            let (_, answer) = server.post(path, review.as_bytes());
            assert!(answer.contains("object-unreadable") && !answer.contains(SECRET), "{to}: {answer}");
        }
    }
    server.terminate();
    let (_, log) = server.end();
    assert!(log.contains("object-unreadable") && !log.contains(SECRET), "{log}");
}

/// No policy flags these, but other findings stand in the same lines.
#[test]
fn an_excerpt_shows_no_line_with_a_credential() {
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: correct-horse}}";
    let dir = directory(&[
        ("secret.yaml", &format!("{{apiVersion: v1, kind: List, items: [{secret}, {}]}}", stategate::yaml::read(&SET.replace(SECRET, "x")).unwrap().remove(0).value)),
        ("applied.yaml", &SET.replace(SECRET, "x").replacen("namespace: shop}", "namespace: shop, annotations: {kubectl.kubernetes.io/last-applied-configuration: '{\"a\":\"correct-horse\"}'}}", 1)),
        ("custom.yaml", &SET.replace(SECRET, "x").replacen("replicas: 1", "replicas: 1\n  x: {apiToken: correct-horse}", 1)),
    ]);
    for file in ["secret.yaml", "applied.yaml", "custom.yaml"] {
        let (code, said) = said(dir.path(), &[file]);
        assert!(code == 1 && !said.contains(SECRET), "{file}: {said}");
    }
}

#[test]
fn a_diff_masks_credentials_and_says_so() {
    let manifest =
        NAIVE.replace("          emptyDir: {}\n", "          emptyDir: {}\n      password: correct-horse\n");
    assert_ne!(manifest, NAIVE);
    let dir = directory(&[("pg.yaml", &manifest)]);
    let diff = run_in(dir.path(), &["fix", "pg.yaml"]);
    diff.expect(1, &["password: ***", "this diff cannot be applied", "--write"]);
    assert!(!diff.stdout.contains(SECRET), "{}", diff.stdout);
    run_in(dir.path(), &["fix", "pg.yaml", "--write"]).expect(0, &["fixed"]);
    let written = std::fs::read_to_string(dir.path().join("pg.yaml")).unwrap();
    assert!(written.contains("password: correct-horse") && written != manifest, "{written}");
    // Without one, the diff is exact.
    let plain =
        directory(&[("pg.yaml", &manifest.replace("password: correct-horse", "priorityClassName: high"))]);
    let diff = run_in(plain.path(), &["fix", "pg.yaml"]);
    assert!(diff.code == 1 && !diff.stderr.contains("cannot be applied"), "{}", diff.stderr);
}

/// A failing builtin quotes its operand.
#[test]
fn a_policy_that_fails_quotes_nothing() {
    let policy = |body: &str| {
        format!(
            "# METADATA\n# title: T\n# description: D.\n# custom:\n#   severity: high\n#   action: deny\n\
             #   match: {{kinds: [StatefulSet.apps]}}\n#   fix: F\npackage stategate.own.fails\n\n\
             violation contains v if {{\n\tlive\n\tvalue := input.review.object.spec.template.spec.containers[0].env[0].value\n{body}\n}}\n\n\
             live if input.workload.name == \"redis\"\n"
        )
    };
    for body in [
        "\tx := to_number(value)\n\tx == 1\n\tv := {\"msg\": \"x\", \"path\": [\"spec\"]}",
        "\tx := sum(value)\n\tx == 1\n\tv := {\"msg\": \"x\", \"path\": [\"spec\"]}",
        "\tx := concat(\",\", value)\n\tx == 1\n\tv := {\"msg\": \"x\", \"path\": [\"spec\"]}",
        "\tv := {\"msg\": [value], \"path\": [\"spec\"]}",
        "\tv := {\"msg\": \"x\", \"path\": value}",
        "\tv := {\"msg\": \"x\", \"path\": [\"spec\"], \"fix\": {value: 1}}",
    ] {
        let dir = directory(&[("own/fails/fails.rego", &policy(body)), ("redis.yaml", SET)]);
        let (_, said) = said(dir.path(), &["--no-catalogue", "--policies", ".", "redis.yaml"]);
        assert!(said.contains("the policy could not decide") && !said.contains(SECRET), "{body}:\n{said}");
    }
}

#[test]
fn an_error_in_yaml_quotes_no_value() {
    for text in [
        "password: !!int correct-horse\n",
        "password: !!binary correct-horse!\n",
        "password: !!bool correct-horse\n",
        "a: &a {password: correct-horse}\n*a : 1\n",
    ] {
        let run = stategate_with(&["check", "-"], text);
        run.expect(2, &["<stdin>:"]);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(SECRET), "{text}: {}", run.stdout);
    }
}
