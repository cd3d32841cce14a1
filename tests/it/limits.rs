//! What one object or one policy may cost: memory in proportion to the request, work that does not depend on the
//! machine, and no milder verdict for an object that exceeds it.

use serde_json::{Value, json};
use stategate::admission::{Request, wire};

use crate::server::Server;
use crate::support::{directory, production, stategate, validate, write};

/// The postgres of the other hostile cases: three replicas that keep their data in an emptyDir.
fn fault() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "pg", "namespace": "shop"},
        "spec": {
            "replicas": 3, "serviceName": "pg", "selector": {"matchLabels": {"app": "pg"}},
            "template": {
                "metadata": {"labels": {"app": "pg"}},
                "spec": {
                    "containers": [{
                        "name": "db", "image": "postgres:16.4",
                        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}],
                    }],
                    "volumes": [{"name": "data", "emptyDir": {}}],
                },
            },
        },
    })
}

fn body(object: &Value) -> Vec<u8> {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
            "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
            "name": "pg", "namespace": "shop", "operation": "CREATE",
            "userInfo": {"username": "dev"}, "object": object,
        },
    });
    review.to_string().into_bytes()
}

fn request(object: &Value) -> Request {
    wire::decode(&body(object)).unwrap()
}

/// A way to make an object longer than any real one.
type Padding = (&'static str, fn(&mut Value));

fn container(object: &mut Value) -> &mut Value {
    &mut object["spec"]["template"]["spec"]["containers"][0]
}

const PADDINGS: &[Padding] = &[
    ("empty containers", |o| o["spec"]["template"]["spec"]["containers"] = json!(vec![json!({}); 350_000])),
    ("many containers", |o| {
        let one = container(o).clone();
        o["spec"]["template"]["spec"]["containers"] = json!(vec![one; 300]);
    }),
    ("many init containers", |o| {
        let one = container(o).clone();
        o["spec"]["template"]["spec"]["initContainers"] = json!(vec![one; 300]);
    }),
    ("arguments", |o| container(o)["args"] = json!(vec!["--flag-of-some-length"; 20_000])),
    ("environment", |o| {
        container(o)["env"] = json!(vec![json!({"name": "SOME_NAME", "value": "some value"}); 20_000]);
    }),
    ("mounts", |o| {
        let mount = |i| json!({"name": "data", "mountPath": format!("/var/lib/data/{i}")});
        container(o)["volumeMounts"] = (0..20_000).map(mount).collect();
    }),
    ("volumes", |o| {
        o["spec"]["template"]["spec"]["volumes"] =
            (0..20_000).map(|i| json!({"name": format!("volume-{i}"), "emptyDir": {}})).collect();
    }),
    ("claim templates", |o| {
        o["spec"]["volumeClaimTemplates"] = (0..20_000)
            .map(
                |i| json!({"metadata": {"name": format!("claim-{i}")}, "spec": {"storageClassName": "fast"}}),
            )
            .collect();
    }),
    ("labels", |o| {
        let label = |i| (format!("label-{i}"), json!("value"));
        o["metadata"]["labels"] = Value::Object((0..40_000).map(label).collect());
    }),
    ("all lists together", |o| {
        let mut one = container(o).clone();
        one["args"] = json!(vec!["--flag-of-some-length"; 900]);
        one["env"] = json!(vec![json!({"name": "SOME_NAME", "value": "some value"}); 900]);
        o["spec"]["template"]["spec"]["containers"] = json!(vec![one; 12]);
    }),
];

#[test]
fn padding_buys_no_milder_verdict() {
    let set = production();
    assert!(!validate(&set, &request(&fault())).allowed());
    for (name, pad) in PADDINGS {
        let mut object = fault();
        pad(&mut object);
        let decision = validate(&set, &request(&object));
        assert!(!decision.allowed(), "{name}: {decision:?}");
        assert!(decision.findings.iter().all(|f| f.policy.as_str() == "object-unreadable"), "{name}");
    }
    // Long, but nothing that is counted is out of proportion: the verdict is the plain one.
    let mut object = fault();
    container(&mut object)["command"] =
        json!(["sh", "-c", format!("{} exec postgres", "cd /srv && ".repeat(2_000))]);
    object["metadata"]["annotations"] = json!({"note": "x".repeat(500_000)});
    let decision = validate(&set, &request(&object));
    let ids: Vec<&str> = decision.findings.iter().map(|f| f.policy.as_str()).collect();
    assert!(!decision.allowed() && ids.contains(&"volume-no-emptydir-data"), "{ids:?}");
    assert!(decision.failures.is_empty(), "{:?}", decision.failures);
}

/// The most memory that a process has used, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn peak(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[cfg(target_os = "linux")]
#[test]
fn memory_stays_in_proportion_to_the_request() {
    for (name, pad) in PADDINGS {
        let dir = tempfile::tempdir().unwrap();
        // What is needed counts, not what the allocator keeps for the next request.
        let server = Server::start_in(
            dir.path(),
            &["--drain-delay", "0", "--threads", "1"],
            &[("MIMALLOC_PURGE_DELAY", "0"), ("MIMALLOC_ARENA_EAGER_COMMIT", "0")],
        );
        // What is set up once.
        server.post("/validate/fail?timeout=30s", &body(&fault()));
        let before = peak(&server);
        let mut object = fault();
        pad(&mut object);
        let body = body(&object);
        for _ in 0..3 {
            let (code, answer) = server.post("/validate/fail?timeout=30s", &body);
            assert!(code == 200 && answer.contains(r#""allowed":false"#), "{name}: {code} {answer:.300}");
        }
        let (took, may) = (peak(&server) - before, 20 * body.len() + (8 << 20));
        assert!(took <= may, "{name}: {} bytes took {took}, which is more than {may}", body.len());
        server.terminate();
        assert_eq!(server.end().0, Some(0));
    }
}

/// A policy with this body, and the action that it denies with.
fn policy(rules: &str) -> String {
    format!(
        r#"# METADATA
# title: T
# description: D.
# custom: {{severity: medium, action: deny, match: {{kinds: [StatefulSet.apps]}}, fix: F}}
package stategate.own.costly

{rules}
"#
    )
}

/// More than a million steps, but only for objects with the label.
const LOOPS: &str = r#"list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

violation contains {"msg": "found", "path": []} if {
	input.workload.labels.costly == "yes"
	some a in list
	some b in list
	some c in list
	some d in list
	concat("", [a, b, c, d]) == "never"
}"#;

const GROWS: &str = r#"ten(x) := concat("", [x, x, x, x, x, x, x, x, x, x])

violation contains {"msg": "found", "path": []} if {
	input.workload.labels.costly == "yes"
	all := concat("", [input.review.object.metadata.annotations.note | some _ in split(ten("a,a,a,a,a,"), ",")])
	all == "never"
}"#;

const ANSWERS: &str = r#"list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

square := [list | some _ in list]

cube := [square | some _ in list]

violation contains v if {
	input.workload.labels.costly == "yes"
	v := {"msg": "found", "path": [], "details": {"all": cube}}
}"#;

#[test]
fn an_object_that_takes_a_policy_over_a_limit_is_refused_where_the_policy_denies() {
    for (rules, reason, kind) in [
        (LOOPS, "it was stopped after 1000000 steps", "steps"),
        (GROWS, "it was stopped when its builtins exceeded 16 MiB", "bytes"),
        (ANSWERS, "its answer is larger than 1 MiB", "answer_size"),
    ] {
        let policies = directory(&[("own/costly/costly.rego", &policy(rules))]);
        let dir = tempfile::tempdir().unwrap();
        let bindings = write(
            dir.path(),
            "bindings.yaml",
            "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: costly}\nspec: {policies: {ids: [costly]}}\n",
        );
        let server = Server::start(
            dir.path(),
            &[
                "--drain-delay",
                "0",
                "--no-catalogue",
                "--policies",
                policies.path().to_str().unwrap(),
                "--bindings",
                bindings.to_str().unwrap(),
            ],
        );
        let ask = |costly: &str| {
            let mut object = fault();
            object["metadata"]["labels"] = json!({"costly": costly});
            object["metadata"]["annotations"] = json!({"note": "x".repeat(400_000)});
            server.post("/validate/ignore?timeout=30s", &body(&object))
        };
        let (code, answer) = ask("no");
        assert!(code == 200 && answer.contains(r#""allowed":true"#), "{kind}: {code} {answer}");
        // Its severity is medium, so that another failure would only warn.
        let (code, answer) = ask("yes");
        assert!(code == 200 && answer.contains(r#""allowed":false"#), "{kind}: {code} {answer}");
        assert!(answer.contains(reason), "{kind}: {answer}");
        let metric = format!(r#"stategate_policy_failures_total{{policy="costly",reason="{kind}"}} 1"#);
        let (_, metrics) = server.get("/metrics");
        assert!(metrics.contains(&metric), "{metric} is not in\n{metrics}");
        server.terminate();
        assert_eq!(server.end().0, Some(0));
    }
}

/// What a script may be full of.
const FILLINGS: &[&str] = &[
    "echo a b c d e f; ",
    "a ",
    "a\n",
    "curl http://user@host/path\n",
    "X=1 Y=2 ",
    "--x ",
    "--a=b ",
    "psql --password $PW\n",
    "password=$X ",
    "psql -h localhost -c x\n",
    "://",
    "/",
    "nc ",
    "-h ",
    "'",
    "\"",
    "--host x ",
    "=",
    ";",
    "$(",
    "postgres -c a=b; ",
    ",",
    "é",
    "-",
    "\\",
];
/// Those of them that a probe may be full of: no host is looked for there.
const QUIET: &[&str] =
    &["echo a b c d e f; ", "a ", "a\n", "X=1 Y=2 ", "--a=b ", "'", "=", ";", "postgres -c a=b; "];

/// A script of the longest argument that Linux runs, wherever a container may have one.
#[test]
fn the_longest_script_is_judged_by_every_policy() {
    let longest = |filling: &str, length: usize| -> String {
        let mut script = filling.repeat(length / filling.len());
        script.push_str(&"x".repeat(length - script.len()));
        script
    };
    let run = |script: &str| json!({"exec": {"command": ["sh", "-c", script]}});
    let mut objects = Vec::new();
    let mut add = |name: String, fields: Value| {
        let mut object = fault();
        for (key, value) in fields.as_object().unwrap() {
            container(&mut object)[key] = value.clone();
        }
        object["metadata"]["name"] = json!(name);
        objects.push(object.to_string());
    };
    for (number, filling) in FILLINGS.iter().enumerate() {
        let (alone, beside) = (longest(filling, 131_071), longest(filling, 131_060));
        add(format!("args-{number}"), json!({"args": [alone]}));
        add(format!("command-{number}"), json!({"command": ["sh", "-c", beside]}));
        add(
            format!("hooks-{number}"),
            json!({"lifecycle": {"postStart": run(&beside), "preStop": run(&beside)}}),
        );
        add(format!("env-{number}"), json!({"env": [{"name": "SCRIPT", "value": alone}]}));
    }
    for (number, filling) in QUIET.iter().enumerate() {
        let probe = run(&longest(filling, 131_060));
        let probes = json!({"livenessProbe": probe, "readinessProbe": probe, "startupProbe": probe});
        add(format!("probes-{number}"), probes);
    }
    let dir = directory(&[("all.yaml", &objects.join("\n---\n"))]);
    for profile in ["production", "regulated"] {
        let run = stategate(&["check", dir.path().to_str().unwrap(), "--profile", profile, "-o", "json"]);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(report["errors"], json!([]), "{profile}");
        assert_eq!(report["summary"]["objects"], json!(objects.len()), "{profile}");
        let limits = report["failures"].as_array().unwrap().iter().filter(|failure| {
            // How long it takes depends on the machine.
            !failure["error"].as_str().unwrap().contains("did not answer")
        });
        let exceeded: Vec<String> = limits
            .map(|failure| {
                format!("{} {} {}", failure["object"]["name"], failure["policy"], failure["error"])
            })
            .collect();
        assert!(exceeded.is_empty(), "{profile}:\n{}", exceeded.join("\n"));
    }
}

/// An update of a stored object that nobody checked.
fn update(old: &Value, new: &Value) -> Request {
    let mut review: Value = serde_json::from_slice(&body(new)).unwrap();
    review["request"]["operation"] = json!("UPDATE");
    review["request"]["oldObject"] = old.clone();
    wire::decode(review.to_string().as_bytes()).unwrap()
}

/// Ways to make a stored object longer than what is read, each with the text that tells it.
const UNREAD: &[Padding] = &[
    ("env has 6000 items", |o| {
        container(o)["env"] = json!(vec![json!({"name": "SOME_NAME", "value": "some value"}); 6_000]);
    }),
    ("args has 10000 items", |o| container(o)["args"] = json!(vec!["--flag-of-some-length"; 20_000])),
    ("must be a whole number", |o| o["spec"]["minReadySeconds"] = json!("soon")),
];

#[test]
fn a_change_is_compared_with_what_can_be_read_of_the_stored_object() {
    let set = production();
    let old = fault();
    let mut gone = old.clone();
    gone["spec"]["replicas"] = json!(0);
    let denied = |old: &Value, new: &Value| -> Vec<String> {
        let decision = validate(&set, &update(old, new));
        assert!(decision.failures.is_empty(), "{:?}", decision.failures);
        let denied = decision.findings.iter().filter(|f| f.action == stategate::policy::Action::Deny);
        denied.map(|finding| finding.policy.to_string()).collect()
    };
    // The fault is already there, so that a change of something else passes.
    assert_eq!(denied(&old, &old), [""; 0]);
    let guards = denied(&old, &gone);
    assert!(guards.contains(&"scale-to-zero-guard".to_owned()), "{guards:?}");
    for (told, pad) in UNREAD {
        let mut stored = old.clone();
        pad(&mut stored);
        assert_eq!(denied(&stored, &old), [""; 0], "{told}: the update that makes it readable passes");
        assert_eq!(denied(&stored, &gone), guards, "{told}");
        let notes = validate(&set, &update(&stored, &old)).notes;
        let note = notes.iter().find(|note| note.contains("only as far as it can be read"));
        assert!(note.is_some_and(|note| note.contains(told)), "{told}: {notes:?}");
        // What cannot be read is never stored again.
        assert!(!validate(&set, &update(&stored, &stored)).allowed(), "{told}");
    }
}

#[test]
fn what_compares_with_an_unreadable_object_fails_and_denies_where_the_policy_does() {
    let set = production();
    let mut stored = fault();
    stored["spec"]["template"]["spec"]["containers"] = json!(vec![json!({}); 9_000]);
    stored["metadata"]["annotations"] = json!({"note": (0..9_000).map(|_| "{}").collect::<String>()});
    stored["spec"]["template"]["spec"]["volumes"] = json!(vec![json!({"a": {}}); 9_000]);
    let decision = validate(&set, &update(&stored, &fault()));
    let failed: Vec<(&str, &str)> =
        decision.failures.iter().map(|failure| (failure.policy.as_str(), failure.cause.kind())).collect();
    assert!(!decision.allowed(), "{failed:?}");
    assert!(failed.contains(&("scale-to-zero-guard", "old_unreadable")), "{failed:?}");
    assert!(failed.iter().all(|(_, kind)| *kind == "old_unreadable"), "{failed:?}");
    let failure = decision.failures.iter().find(|f| f.policy.as_str() == "scale-to-zero-guard").unwrap();
    assert_eq!(failure.on_failure, stategate::policy::binding::OnFailure::Deny);
    assert!(failure.cause.to_string().contains("stored object"), "{}", failure.cause);
}
