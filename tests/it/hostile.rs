//! Objects that somebody wrote to break the gate: none panics, none passes where its plain form is refused.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use stategate::admission::wire;
use stategate::decision::Finding;
use stategate::policy::Action;
use stategate::policyset::PolicySet;
use stategate::workload::{SelfClassification, project};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::server::Server;
use crate::support::{directory, production, stategate, stategate_with, validate, write};

static SET: LazyLock<PolicySet> = LazyLock::new(production);

/// Keys that projections look for, so that generated objects are read and not passed over.
const KEYS: [&str; 46] = [
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "ownerReferences",
    "controller",
    "spec",
    "replicas",
    "template",
    "selector",
    "matchLabels",
    "matchExpressions",
    "containers",
    "initContainers",
    "image",
    "command",
    "args",
    "env",
    "value",
    "valueFrom",
    "volumeMounts",
    "mountPath",
    "subPath",
    "readOnly",
    "volumes",
    "emptyDir",
    "persistentVolumeClaim",
    "claimName",
    "hostPath",
    "path",
    "volumeClaimTemplates",
    "resources",
    "requests",
    "limits",
    "memory",
    "cpu",
    "storage",
    "affinity",
    "podAntiAffinity",
    "tolerations",
    "updateStrategy",
    "rollingUpdate",
    "maxUnavailable",
    "schedule",
    "jobTemplate",
];

/// Texts that parsers choke on.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "",
            "postgres",
            "postgres:16.4",
            "minio/minio:latest",
            "redis@sha256:0",
            "a/b/c:d@e",
            "server",
            "sh",
            "-c",
            "/data",
            "/d{0...3}",
            "/d{00...03}/{1...2}",
            "https://h{1...4}/e{1...8}",
            "$(PGDATA)",
            "/var/lib/$X/{",
            "-D/tmp",
            "if [ -d /x ]; then X=${X:-/tmp}; fi; f() { (exec postgres -D \"$1\"); }; f /tmp/$X",
            "set -- \"$@\" postgres; case $1 in *) shift; exec \"$@\";; esac",
            "a=(x); trap \"${a[@]}\" EXIT; cat <<E\nE\n[[ a && b ]]",
            "find / -exec xargs postgres {} \\;",
            "--data-dir=/x,/y",
            "path=/data,attrs=ssd",
            "1e1000000000",
            "9223372036854775807Gi",
            "-1",
            "0.5",
            "110%",
            "50%",
            "* * * * *",
            "0 25 * * *",
            "@every 1000000h",
            "@hourly",
            "CRON_TZ=X * * * * *",
            "\u{202e}",
            "true",
            "false",
            "cache",
            "ReadWriteOnce",
        ])
        .prop_map(str::to_owned),
        (0usize..70_000).prop_map(|zeros| format!("/d{{{}1...3}}", "0".repeat(zeros))),
        "[-/{}.,$()a-z0-9 =:@\"'|&;<>\\[\\]\n]{0,40}",
        any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((select(KEYS.to_vec()), inner), 0..8)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// A pod of an engine whose command line and environment are hostile.
fn pod() -> impl Strategy<Value = Value> {
    let image = select(vec![
        "postgres:16",
        "minio/minio",
        "redis:7",
        "mongo:7",
        "kafka",
        "etcd:3.5",
        "clickhouse",
        "cockroachdb/cockroach",
        "vault",
        "elasticsearch:8.1.0",
        "rabbitmq:3",
        "zookeeper",
        "cassandra",
        "nats",
        "loki",
        "influxdb",
    ]);
    let texts = || proptest::collection::vec(text(), 0..6);
    let env = proptest::collection::vec(
        (select(vec!["MINIO_VOLUMES", "PGDATA", "REDIS_ARGS", "KAFKA_LOG_DIRS", "JAVA_OPTS", "X"]), text()),
        0..4,
    );
    (image, texts(), texts(), env, value()).prop_map(|(image, command, args, env, more)| {
        let env: Vec<Value> = env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({
            "containers": [{"name": "c", "image": image, "command": command, "args": args, "env": env, "volumeMounts": more}],
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_object_panics_a_projection(spec in value(), pod in pod(), metadata in value()) {
        for (kind, projection) in SET.projections().iter() {
            let mut template = json!({"spec": pod.clone()});
            if let Some(fields) = spec.as_object() {
                template["metadata"] = Value::Object(fields.clone());
            }
            let mut whole = spec.as_object().cloned().unwrap_or_else(Map::new);
            whole.insert("template".to_owned(), template);
            let object = json!({"kind": kind.kind, "metadata": metadata.clone(), "spec": whole});
            project(&object, "shop", projection, &SET.projections().engines, SelfClassification::Believed);
            project(&spec, "shop", projection, &SET.projections().engines, SelfClassification::Additional);
        }
    }
}

#[test]
fn a_range_of_directories_with_a_number_of_any_length_is_read_or_left_alone() {
    let review = |volumes: &str| {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "minio", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "m"}}, "template": {"metadata": {"labels": {"app": "m"}},
                "spec": {"containers": [{"name": "m", "image": "minio/minio", "args": ["server"],
                    "env": [{"name": "MINIO_VOLUMES", "value": volumes}]}]}}},
        });
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"}, "operation": "CREATE",
            "namespace": "shop", "name": "minio", "userInfo": {"username": "dev"}, "object": object}});
        validate(&SET, &wire::decode(body.to_string().as_bytes()).unwrap())
    };
    let plain = review("/d{0...3}");
    let denied = |decision: &stategate::decision::Decision| !decision.allowed();
    assert!(denied(&plain) && plain.failures.is_empty());
    for volumes in
        [format!("/d{{{}...3}}", "0".repeat(65_536)), format!("/{}{{0...200}}{{0...200}}", "x".repeat(4_000))]
    {
        assert!(review(&volumes).failures.is_empty());
    }
}

/// An emptyDir under a database, in an object of any kind that has pods.
fn lossy(kind: &str, version: &str, owner: Option<(&str, &str)>) -> Value {
    let pod = json!({
        "metadata": {"labels": {"app": "pg"}},
        "spec": {
            "containers": [{"name": "postgres", "image": "postgres:16.4",
                "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}]}],
            "volumes": [{"name": "data", "emptyDir": {}}],
        },
    });
    let mut object = match kind {
        "Pod" => json!({"spec": pod["spec"].clone()}),
        _ => json!({"spec": {"replicas": 1, "selector": {"matchLabels": {"app": "pg"}}, "template": pod}}),
    };
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    object["metadata"] = json!({"name": "pg", "namespace": "shop", "labels": {"app": "pg"}});
    if let Some((kind, version)) = owner {
        object["metadata"]["ownerReferences"] =
            json!([{"apiVersion": version, "kind": kind, "name": "o", "uid": "u", "controller": true}]);
    }
    object
}

fn reviewed(user: &str, object: &Value, old: Option<&Value>) -> stategate::decision::Decision {
    let (kind, version) = (object["kind"].as_str().unwrap(), object["apiVersion"].as_str().unwrap());
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())},
        "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
        "namespace": "shop", "name": "pg", "userInfo": {"username": user}, "object": object, "oldObject": old}});
    validate(&SET, &wire::decode(body.to_string().as_bytes()).unwrap())
}

#[test]
fn an_owner_that_the_object_itself_names_exempts_nothing() {
    let owners = [
        ("Deployment", "apps/v1"),
        ("ReplicaSet", "apps/v1"),
        ("StatefulSet", "apps/v1"),
        ("Service", "v1"),
        ("Namespace", "v1"),
        ("PodDisruptionBudget", "policy/v1"),
        ("Cluster", "postgresql.cnpg.io/v1"),
        ("Certificate", "cert-manager.io/v1"),
        ("Foo", "example.com/v1"),
    ];
    for (kind, version) in [
        ("StatefulSet", "apps/v1"),
        ("Deployment", "apps/v1"),
        ("ReplicaSet", "apps/v1"),
        ("ReplicationController", "v1"),
        ("Pod", "v1"),
    ] {
        let plain = reviewed("alice", &lossy(kind, version, None), None);
        let policies = |decision: &stategate::decision::Decision| -> Vec<String> {
            decision.findings.iter().map(|finding| format!("{} {}", finding.policy, finding.action)).collect()
        };
        assert!(!plain.allowed(), "{kind}");
        for owner in owners {
            let forged = reviewed("alice", &lossy(kind, version, Some(owner)), None);
            assert_eq!(forged.exemption, None, "{kind} of {owner:?}");
            assert!(!forged.allowed(), "{kind} of {owner:?}");
            assert_eq!(
                policies(&forged).iter().any(|found| found.starts_with("volume-no-emptydir-data deny")),
                policies(&plain).iter().any(|found| found.starts_with("volume-no-emptydir-data deny")),
            );
        }
    }
}

#[test]
fn an_update_that_adds_an_owner_or_a_deletion_is_judged_in_full() {
    let mut good = lossy("StatefulSet", "apps/v1", None);
    good["spec"]["template"]["spec"]["volumes"] = json!([]);
    good["spec"]["volumeClaimTemplates"] =
        json!([{"metadata": {"name": "data"}, "spec": {"storageClassName": "fast"}}]);
    let controller = "system:serviceaccount:kube-system:deployment-controller";
    for user in ["alice", "system:kube-controller-manager", controller] {
        let adds = lossy("StatefulSet", "apps/v1", Some(("Deployment", "apps/v1")));
        assert!(!reviewed(user, &adds, Some(&good)).allowed(), "{user}");
        let mut flips = lossy("StatefulSet", "apps/v1", None);
        flips["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert!(!reviewed(user, &flips, Some(&good)).allowed(), "{user}");
        assert!(!reviewed(user, &flips, None).allowed(), "{user}");
    }
    let mut going = lossy("StatefulSet", "apps/v1", None);
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    let leaves = reviewed("alice", &going, Some(&going));
    assert_eq!(leaves.exemption, Some(stategate::decision::Exemption::Terminating));
}

#[test]
fn what_a_controller_or_a_named_operator_makes_is_exempt() {
    use stategate::decision::Exemption;

    let pod = lossy("Pod", "v1", Some(("ReplicaSet", "apps/v1")));
    for user in ["system:serviceaccount:kube-system:replicaset-controller", "system:kube-controller-manager"]
    {
        assert_eq!(reviewed(user, &pod, None).exemption, Some(Exemption::Owned), "{user}");
        assert_eq!(reviewed(user, &pod, Some(&pod)).exemption, Some(Exemption::Owned), "{user}");
    }
    for user in [
        "system:serviceaccount:kube-system:statefulset-controller",
        "system:serviceaccount:shop:replicaset-controller",
        "replicaset-controller",
        "",
    ] {
        assert_eq!(reviewed(user, &pod, None).exemption, None, "{user}");
    }
    let pod = lossy("Pod", "v1", Some(("ReplicationController", "v1")));
    let controller = "system:serviceaccount:kube-system:replication-controller";
    assert_eq!(reviewed(controller, &pod, None).exemption, Some(Exemption::Owned));
    // A pair that no built-in controller makes.
    let set = lossy("StatefulSet", "apps/v1", Some(("Deployment", "apps/v1")));
    assert_eq!(reviewed("system:kube-controller-manager", &set, None).exemption, None);

    let made = lossy("StatefulSet", "apps/v1", Some(("Cluster", "postgresql.cnpg.io/v1")));
    let recorded = reviewed("system:serviceaccount:cnpg-system:cnpg-manager", &made, None);
    assert_eq!(recorded.exemption, Some(Exemption::OperatorOwned));
    assert!(recorded.allowed() && !recorded.findings.is_empty());
    assert_eq!(reviewed("system:serviceaccount:shop:cnpg-manager", &made, None).exemption, None);
}

/// The files of a directory below `tests/hostile`, by name.
fn hostile(directory: &str) -> BTreeMap<String, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(directory);
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    files.map(read).collect()
}

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/reviews/create-statefulset.json");

/// What the first line of a hostile policy expects.
fn expected(policy: &str) -> &str {
    policy
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# expect: "))
        .expect("the first line: # expect: …")
}

/// What the interpreter says of it, where that is something else: it quotes values in its errors.
fn expected_interpreted(policy: &str) -> &str {
    let second = policy.lines().nth(1).and_then(|line| line.strip_prefix("# expect of the interpreter: "));
    second.unwrap_or_else(|| expected(policy))
}

#[test]
fn a_hostile_policy_does_not_load_and_its_error_says_why() {
    let policies = hostile("policies");
    assert!(policies.len() >= 45, "the policies were not found");
    for (name, text) in &policies {
        let place = format!("hostile/{name}/{name}.rego");
        let own = directory(&[(place.as_str(), text.as_str())]);
        let path = own.path().to_str().unwrap();
        for (engine, expected) in [("compiled", expected(text)), ("interpreter", expected_interpreted(text))]
        {
            let arguments = ["--engine", engine, "--no-catalogue", "--policies", path];
            let run = stategate(&[&["review"], &arguments[..], &[RECORDED]].concat());
            run.expect(2, &[&format!("{name}.rego"), expected]);
        }
    }
}

/// Policies that do nothing in the trial, but reach their limit in service: each is one failed policy that
/// refuses, and the server goes on.
#[test]
fn a_policy_that_waits_until_it_serves_is_stopped_and_blamed() {
    let waiting: BTreeMap<String, String> = hostile("policies")
        .into_iter()
        .filter(|(_, text)| ["steps", "MiB"].iter().any(|unit| expected_interpreted(text).ends_with(unit)))
        .filter(|(_, text)| text.contains("violation contains"))
        .filter_map(|(name, text)| {
            let (rules, violation) = text.split_once("violation contains")?;
            let (head, body) = violation.split_once(" if {\n\t")?;
            let live = "input.workload.labels.live == \"yes\"";
            Some((name, format!("{rules}violation contains{head} if {{\n\t{live}\n\t{body}")))
        })
        .collect();
    assert!(waiting.len() >= 25, "{:?}", waiting.keys());
    let files: Vec<(String, &str)> =
        waiting.iter().map(|(name, text)| (format!("hostile/{name}/{name}.rego"), text.as_str())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let own = directory(&files);
    let dir = tempfile::tempdir().unwrap();
    let binding = json!({
        "apiVersion": "stategate.io/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": "all"},
        "spec": {"policies": {"ids": waiting.keys().map(|name| name.replace('_', "-")).collect::<Vec<_>>()}},
    });
    let binding = write(dir.path(), "bindings.yaml", binding.to_string());
    let path = own.path().to_str().unwrap();
    let arguments =
        ["--drain-delay", "0", "--no-catalogue", "--policies", path, "--bindings", binding.to_str().unwrap()];
    let server = Server::start(dir.path(), &arguments);
    let mut review: Value = serde_json::from_str(&std::fs::read_to_string(RECORDED).unwrap()).unwrap();
    let quiet = review.to_string();
    review["request"]["object"]["metadata"]["labels"]["live"] = json!("yes");
    let live = review.to_string();
    let (code, answer) = server.post("/validate/fail?timeout=30s", quiet.as_bytes());
    assert!(code == 200 && answer.contains(r#""allowed":true"#), "{code} {answer}");
    #[cfg(target_os = "linux")]
    let before = crate::limits::peak(&server);
    for _ in 0..2 {
        let (code, answer) = server.post("/validate/fail?timeout=30s", live.as_bytes());
        assert!(code == 200 && answer.contains(r#""allowed":false"#), "{code} {answer}");
        let (code, answer) = server.post("/validate/fail?timeout=30s", quiet.as_bytes());
        assert!(code == 200 && answer.contains(r#""allowed":true"#), "{code} {answer}");
    }
    #[cfg(target_os = "linux")]
    {
        let took = (crate::limits::peak(&server) - before) >> 20;
        assert!(took < 200, "{took} MiB");
    }
    let (_, metrics) = server.get("/metrics");
    let policies = hostile("policies");
    for name in waiting.keys() {
        let id = name.replace('_', "-");
        let of_limit = |kind: &str| {
            metrics
                .contains(&format!(r#"stategate_policy_failures_total{{policy="{id}",reason="{kind}"}} 2"#))
        };
        // Whoever quotes no values does not reach a limit, but the error itself.
        let reaches = ["steps", "MiB"].iter().any(|unit| expected(&policies[name]).ends_with(unit));
        let reasons = if reaches { &["steps", "bytes", "answer_size"][..] } else { &["conflict", "builtin"] };
        assert!(reasons.iter().any(|reason| of_limit(reason)), "{id}:\n{metrics}");
    }
    assert!(!metrics.contains("stategate_policy_quarantined{"), "{metrics}");
    server.terminate();
    assert_eq!(server.end().0, Some(0));
}

/// One case of `tests/hostile/gate.yaml`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The file below `bases/` that is changed.
    base: String,
    /// A JSON patch of the base.
    #[serde(default)]
    change: json_patch::Patch,
    /// What the profile `regulated` must say.
    verdict: Verdict,
    /// The policies that must be among those that refuse.
    #[serde(default)]
    by: Vec<String>,
    /// Why it is allowed.
    #[serde(default)]
    why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Denied,
    Allowed,
    /// The body cannot be read, and the client gets an error.
    Refused,
}

#[test]
fn no_trick_changes_the_verdict() {
    let bases = hostile("bases");
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/gate.yaml")).unwrap();
    let document = stategate::yaml::read(&text).unwrap().remove(0).value;
    let cases: Vec<Case> = serde_json::from_value(document).unwrap();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let sources = stategate::source::catalogue::Catalogue::embedded().sources("regulated").unwrap();
    let set = PolicySet::compile(&sources, stategate::policyset::CompileOptions::default()).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let mut review: Value = serde_json::from_str(&bases[&case.base]).unwrap();
        json_patch::patch(&mut review, &case.change).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let (found, by) = match wire::decode(review.to_string().as_bytes()) {
            Err(_) => (Verdict::Refused, Vec::new()),
            Ok(request) => {
                let decision = validate(&set, &request);
                // A backup may still arrive, whoever asks.
                let denies = |finding: &&Finding| {
                    finding.action == Action::Deny || finding.policy.as_str() == "backup-declared"
                };
                let denied = decision.findings.iter().filter(denies);
                let by: Vec<&str> = denied.map(|finding| finding.policy.as_str()).collect();
                let verdict = if decision.allowed() { Verdict::Allowed } else { Verdict::Denied };
                (verdict, by.into_iter().map(str::to_owned).collect())
            }
        };
        if found != case.verdict || case.by.iter().any(|policy| !by.contains(policy)) {
            wrong
                .push(format!("{}: {found:?} by {by:?}, not {:?} by {:?}", case.name, case.verdict, case.by));
        }
        assert!(
            case.verdict != Verdict::Allowed || !case.why.is_empty(),
            "{}: why is it allowed?",
            case.name
        );
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn no_malformed_body_is_allowed() {
    let bodies = hostile("bodies");
    assert!(bodies.len() >= 15, "{} bodies", bodies.len());
    for (name, body) in &bodies {
        let run = stategate_with(&["review", "--profile", "regulated", "-"], body);
        assert!(run.code != 0, "{name} is allowed: {}", run.stdout);
        assert!(!run.stdout.contains(r#""allowed": true"#), "{name}: {}", run.stdout);
    }
}

/// The object with the first item of each list of objects under these names a second time, and changed if `other`.
fn written_twice(value: &mut Value, names: &[&str], other: bool) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let first = value.as_array().and_then(|items| items.first()).filter(|item| item.is_object());
                if let Some(mut again) =
                    first.cloned().filter(|_| names.is_empty() || names.contains(&name.as_str()))
                {
                    if other {
                        change_texts(&mut again);
                    }
                    value.as_array_mut().unwrap().push(again);
                }
                written_twice(value, names, other);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| written_twice(item, names, other)),
        _ => {}
    }
}

/// Changes each text but names, by which others refer to it.
fn change_texts(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if !key.ends_with("ame") {
                    change_texts(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(change_texts),
        Value::String(text) => text.push('0'),
        _ => {}
    }
}

#[test]
fn what_is_written_twice_fails_no_policy() {
    let mut failed = BTreeMap::new();
    let mut ask = |now: &Value, old: Option<&Value>| {
        for failure in reviewed("ada", now, old).failures {
            failed.entry(format!("{:?}", failure.cause)).or_insert_with(|| now.to_string());
        }
    };
    const NAMES: [&[&str]; 6] =
        [&[], &["env"], &["volumes"], &["containers"], &["volumeMounts"], &["volumeClaimTemplates"]];
    for (number, (old, new)) in crate::decision_cache::examples().into_iter().enumerate() {
        // Two of them for each example: neighbours show the same fault.
        for names in NAMES.into_iter().skip(number % 3).step_by(3) {
            for other in [false, true] {
                let [mut then, mut now] = [old.clone(), new.clone()];
                written_twice(&mut now, names, other);
                ask(&now, None);
                ask(&now, Some(&old));
                written_twice(&mut then, names, !other);
                ask(&now, Some(&then));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
