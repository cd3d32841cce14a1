//! Objects that somebody wrote to break the gate: none panics, none passes where its plain form is refused.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use stategate::admission::wire;
use stategate::policyset::PolicySet;
use stategate::workload::{SelfClassification, project};
use std::sync::LazyLock;

use crate::support::{production, validate};

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
        "[-/{}.,$()a-z0-9 =:@\"'|&;<>]{0,40}",
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
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

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
    for (kind, version) in
        [("StatefulSet", "apps/v1"), ("Deployment", "apps/v1"), ("ReplicaSet", "apps/v1"), ("Pod", "v1")]
    {
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
    // A pair that no built-in controller makes.
    let set = lossy("StatefulSet", "apps/v1", Some(("Deployment", "apps/v1")));
    assert_eq!(reviewed("system:kube-controller-manager", &set, None).exemption, None);

    let made = lossy("StatefulSet", "apps/v1", Some(("Cluster", "postgresql.cnpg.io/v1")));
    let recorded = reviewed("system:serviceaccount:cnpg-system:cnpg-manager", &made, None);
    assert_eq!(recorded.exemption, Some(Exemption::OperatorOwned));
    assert!(recorded.allowed() && !recorded.findings.is_empty());
    assert_eq!(reviewed("system:serviceaccount:shop:cnpg-manager", &made, None).exemption, None);
}
