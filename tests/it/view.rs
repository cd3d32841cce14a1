//! The workload view: what runs where, what would be lost, what keeps replicas apart.

use serde_json::{Value, json};
use stategate::policy::selector::KindRef;
use stategate::source::catalogue::Catalogue;
use stategate::workload::project;
use stategate::workload::projection::Projections;

fn projections() -> Projections {
    let sources = Catalogue::embedded().unbound();
    Projections::read(&sources.projections, &sources.engines).unwrap()
}

fn view(object: &Value) -> Value {
    view_as(object, true)
}

fn view_as(object: &Value, self_classify: bool) -> Value {
    let all = projections();
    let (group, _) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap_or(("", ""));
    let kind = KindRef { kind: object["kind"].as_str().unwrap().to_owned(), group: group.to_owned() };
    let projected = project(object, "shop", all.of(&kind).unwrap(), &all.engines, self_classify);
    assert_eq!(projected.problems, [], "{object}");
    serde_json::to_value(projected.workload).unwrap()
}

fn statefulset(container: Value, more: Value) -> Value {
    let mut pod = json!({"containers": [container]});
    pod.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "x"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "x"}},
                 "template": {"metadata": {"labels": {"app": "x", "track": "a"}}, "spec": pod}},
    })
}

fn deployment(container: Value, more: Value) -> Value {
    let mut object = statefulset(container, more);
    object["kind"] = json!("Deployment");
    object
}

#[test]
fn engines_are_known_by_their_images_and_clients_are_not_engines() {
    let engine = |image: &str| {
        let view = view(&deployment(json!({"name": "c", "image": image}), json!({})));
        (
            view["engine"]["name"].as_str().unwrap_or_default().to_owned(),
            view["class"].as_str().unwrap().to_owned(),
        )
    };
    for (image, name) in [
        ("postgres:16", "postgres"),
        ("docker.io/bitnami/postgresql:16.4.0-debian-12-r1", "postgres"),
        (
            "registry.example.com:5000/team/postgres@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "postgres",
        ),
        ("ghcr.io/zalando/spilo-16:3.2-p2", "postgres"),
        ("timescale/timescaledb-ha:pg16", "postgres"),
        ("mariadb:11", "mysql"),
        ("mongo", "mongodb"),
        ("valkey/valkey:8", "redis"),
        ("confluentinc/cp-kafka:7.6.0", "kafka"),
        ("quay.io/coreos/etcd:v3.5.9", "etcd"),
        ("docker.elastic.co/elasticsearch/elasticsearch:8.13.0", "elasticsearch"),
        ("rabbitmq:3-management", "rabbitmq"),
        ("cockroachdb/cockroach:v24.1.0", "cockroach"),
        ("prom/prometheus:v3.0.0", "prometheus"),
    ] {
        assert_eq!(engine(image), (name.to_owned(), "durable".to_owned()), "{image}");
    }
    for image in [
        "prometheuscommunity/postgres-exporter:v0.15.0",
        "bitnami/pgbouncer:1",
        "oliver006/redis_exporter",
        "rediscommander/redis-commander",
        "provectuslabs/kafka-ui",
        "mongo-express",
        "nats:2",
        "nginx",
        "my/postgres-client",
    ] {
        assert_eq!(engine(image), (String::new(), "none".to_owned()), "{image}");
    }
    let jetstream =
        deployment(json!({"name": "c", "image": "nats:2", "args": ["-js", "-sd", "/data"]}), json!({}));
    assert_eq!(view(&jetstream)["engine"]["name"], "nats");
}

#[test]
fn the_data_directory_is_what_the_container_uses() {
    let dirs = |container: Value| {
        let view = view(&statefulset(
            container,
            json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}),
        ));
        let dirs: Vec<(String, String, Option<String>)> = view["engine"]["data_dirs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dir| {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                (text(&dir["dir"]).unwrap(), text(&dir["origin"]).unwrap(), text(&dir["mount"]["mount_path"]))
            })
            .collect();
        dirs
    };
    let one = |dir: &str, origin: &str, mount: Option<&str>| {
        vec![(dir.to_owned(), origin.to_owned(), mount.map(str::to_owned))]
    };
    let at = |path: &str| json!([{"name": "v", "mountPath": path}]);
    let pg = |image: &str, mount: &str, env: Value| json!({"name": "c", "image": image, "volumeMounts": at(mount), "env": env});

    let data = "/var/lib/postgresql/data";
    assert_eq!(dirs(pg("postgres:16", data, json!([]))), one(data, "default", Some(data)));
    assert_eq!(
        dirs(pg("postgres:16", "/var/lib/postgresql/data/", json!([]))),
        one(data, "default", Some(data))
    );
    assert_eq!(dirs(pg("postgres:16", "/var/lib/postgresql/data2", json!([]))), one(data, "default", None));
    assert_eq!(
        dirs(pg("postgres:16", "/var/lib/postgresql", json!([]))),
        one(data, "default", None),
        "hidden by the image's VOLUME"
    );
    assert_eq!(
        dirs(pg("postgres:18.1", data, json!([]))),
        one("/var/lib/postgresql/18/docker", "default", None)
    );
    assert_eq!(
        dirs(pg("postgres:18.1", "/var/lib/postgresql", json!([]))),
        one("/var/lib/postgresql/18/docker", "default", Some("/var/lib/postgresql"))
    );
    let own = "/var/lib/postgresql/data/pgdata";
    assert_eq!(
        dirs(pg("postgres:16", data, json!([{"name": "PGDATA", "value": own}]))),
        one(own, "environment", Some(data))
    );
    assert_eq!(
        dirs(pg("postgres:16", data, json!([{"name": "PGDATA", "value": "/pg"}]))),
        one("/pg", "environment", None)
    );
    // The last one of a name wins, as in a container; what is not in the manifest is not guessed.
    let twice = json!([{"name": "PGDATA", "value": "/pg"}, {"name": "PGDATA", "value": own}]);
    assert_eq!(dirs(pg("postgres:16", data, twice)), one(own, "environment", Some(data)));
    assert_eq!(
        dirs(pg(
            "postgres:16",
            data,
            json!([{"name": "PGDATA", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
        )),
        vec![]
    );
    assert_eq!(dirs(pg("postgres:16", data, json!([{"name": "PGDATA", "value": "$(BASE)/pg"}]))), vec![]);
    assert_eq!(
        dirs(pg("bitnami/postgresql:16", "/bitnami/postgresql", json!([]))),
        one("/bitnami/postgresql", "default", Some("/bitnami/postgresql"))
    );
    for args in [json!(["--datadir=/db"]), json!(["--datadir", "/db"])] {
        let mysql = json!({"name": "c", "image": "mysql:8", "args": args, "volumeMounts": at("/db")});
        assert_eq!(dirs(mysql), one("/db", "argument", Some("/db")));
    }
    let cockroach = json!({"name": "c", "image": "cockroachdb/cockroach:v24.1.0", "command": ["cockroach", "start", "--store=path=/crdb"], "volumeMounts": at("/crdb")});
    assert_eq!(dirs(cockroach), one("/crdb", "argument", Some("/crdb")));
}

#[test]
fn the_closest_mount_holds_the_data() {
    let object = statefulset(
        json!({"name": "c", "image": "postgres:16", "volumeMounts": [
            {"name": "scratch", "mountPath": "/"}, {"name": "data", "mountPath": "/var/lib/postgresql/data"}, {"name": "deep", "mountPath": "/var/lib/postgresql/data/pg_wal"}]}),
        json!({"volumes": [{"name": "scratch", "emptyDir": {}}, {"name": "data"}, {"name": "deep", "nfs": {"server": "s", "path": "/"}}]}),
    );
    let mount = view(&object)["engine"]["data_dirs"][0]["mount"].clone();
    assert_eq!(
        (mount["volume"].as_str(), mount["source"].as_str()),
        (Some("data"), Some("emptyDir")),
        "a volume without a source is an emptyDir"
    );
}

#[test]
fn a_claim_template_wins_over_a_volume_of_its_name() {
    let mut object = statefulset(
        json!({"name": "c", "image": "postgres:16", "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}]}),
        json!({"volumes": [{"name": "data", "emptyDir": {}}]}),
    );
    object["spec"]["volumeClaimTemplates"] =
        json!([{"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}]);
    let view = view(&object);
    assert_eq!(view["engine"]["data_dirs"][0]["mount"]["source"], "volumeClaimTemplate");
    assert_eq!(view["volumes"].as_array().unwrap().len(), 1);
    assert_eq!(view["claims"][0]["size"], 1 << 30);
}

#[test]
fn the_class_follows_the_shape_and_annotations_lower_it_only_where_they_may() {
    let class = |object: &Value| view(object)["class"].as_str().unwrap().to_owned();
    let plain = json!({"name": "c", "image": "app"});
    let mounted = |read_only: bool| json!({"name": "c", "image": "app", "volumeMounts": [{"name": "v", "mountPath": "/d", "readOnly": read_only}]});
    let claim = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]});
    assert_eq!(class(&statefulset(plain.clone(), json!({}))), "identity-only");
    assert_eq!(class(&statefulset(mounted(false), claim.clone())), "durable");
    assert_eq!(class(&statefulset(mounted(true), claim.clone())), "identity-only");
    assert_eq!(class(&deployment(plain.clone(), json!({}))), "none");
    assert_eq!(class(&deployment(mounted(false), claim.clone())), "durable");
    assert_eq!(class(&deployment(mounted(true), claim.clone())), "none");
    let sidecar =
        json!({"initContainers": [{"name": "s", "image": "postgres:16", "restartPolicy": "Always"}]});
    assert_eq!(
        class(&deployment(plain.clone(), sidecar)),
        "none",
        "an init container or sidecar is not what a pod is for"
    );
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": [plain], "volumes": claim["volumes"]}}}});
    assert_eq!(class(&job), "batch");

    let annotated = |key: &str, value: &str, may: bool| {
        let mut object = statefulset(json!({"name": "c", "image": "redis:7"}), json!({}));
        object["metadata"]["annotations"] = json!({key: value});
        view_as(&object, may)["class"].as_str().unwrap().to_owned()
    };
    assert_eq!(annotated("stategate.io/data-durability", "cache", true), "cache");
    assert_eq!(annotated("stategate.io/data-durability", "cache", false), "durable");
    assert_eq!(annotated("stategate.io/stateful", "false", true), "none");
    assert_eq!(annotated("stategate.io/stateful", "false", false), "durable");
    assert_eq!(
        annotated("stategate.io/stateful", "no", true),
        "durable",
        "only what is written as agreed counts"
    );
}

#[test]
fn a_term_that_does_not_select_its_own_pods_keeps_nothing_apart() {
    let matches = |term: Value| {
        let mut term = term;
        term["topologyKey"] = json!("kubernetes.io/hostname");
        let affinity = json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}});
        view(&statefulset(json!({"name": "c", "image": "postgres"}), affinity))["scheduling"]["anti_affinity"]
            [0]["matches_self"]
            == true
    };
    let own = json!({"matchLabels": {"app": "x"}});
    assert!(matches(json!({"labelSelector": own})));
    assert!(matches(json!({"labelSelector": {}})), "an empty selector selects all pods");
    assert!(!matches(json!({})), "no selector selects none");
    assert!(!matches(json!({"labelSelector": {"matchLabels": {"app": "y"}}})));
    assert!(matches(
        json!({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "y"]}]}})
    ));
    assert!(!matches(
        json!({"labelSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}})
    ));
    assert!(matches(
        json!({"labelSelector": {"matchExpressions": [{"key": "other", "operator": "DoesNotExist"}]}})
    ));
    assert!(!matches(json!({"labelSelector": own, "namespaces": ["elsewhere"]})));
    assert!(matches(json!({"labelSelector": own, "namespaces": ["elsewhere", "shop"]})));
    assert!(matches(json!({"labelSelector": own, "namespaceSelector": {}})));
    assert!(matches(json!({"labelSelector": own, "matchLabelKeys": ["track"]})));
    assert!(!matches(json!({"labelSelector": own, "mismatchLabelKeys": ["track"]})));
}

#[test]
fn a_claim_needs_no_class_only_if_it_is_bound_by_hand() {
    let claim = |spec: Value| {
        let view = view(
            &json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": spec}),
        );
        (
            view["claims"][0]["storage_class"].as_str().unwrap().to_owned(),
            view["claims"][0]["static_binding"] == true,
        )
    };
    assert_eq!(claim(json!({"storageClassName": "fast"})), ("fast".to_owned(), false));
    assert_eq!(claim(json!({})), (String::new(), false));
    assert_eq!(
        claim(json!({"volumeName": "pv"})),
        (String::new(), false),
        "the default class is filled in all the same"
    );
    assert_eq!(claim(json!({"storageClassName": ""})), (String::new(), false), "it would wait for ever");
    assert_eq!(claim(json!({"storageClassName": "", "volumeName": "pv"})), (String::new(), true));
    assert_eq!(
        claim(json!({"storageClassName": "", "selector": {"matchLabels": {"a": "b"}}})),
        (String::new(), true)
    );
}

#[test]
fn the_backup_contract_is_read_with_its_faults() {
    let backup = |annotations: Value| {
        let mut object = statefulset(json!({"name": "c", "image": "postgres"}), json!({}));
        object["metadata"]["annotations"] = annotations;
        view(&object)["backup"].clone()
    };
    let good = backup(
        json!({"stategate.io/backup-method": "velero, operator", "stategate.io/backup-schedule": "0 */6 * * *", "stategate.io/rpo": "12h"}),
    );
    assert_eq!(good["methods"], json!(["velero", "operator"]));
    assert_eq!(
        (good["schedule"]["max_gap_seconds"].as_i64(), good["rpo_seconds"].as_i64()),
        (Some(6 * 3600), Some(12 * 3600))
    );
    let bad = backup(json!({"stategate.io/backup-schedule": "0 25 * * *", "stategate.io/rpo": "soon"}));
    assert!(bad["schedule"]["error"].as_str().unwrap().contains("25"));
    assert_eq!(bad["errors"][0]["key"], "stategate.io/rpo");
}

/// The scheduling part of a StatefulSet with this in its pod spec.
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
fn probes_are_told_apart_and_their_ports_by_number() {
    let probe = |probe: Value| {
        let container = json!({"name": "c", "image": "postgres", "readinessProbe": probe,
            "ports": [{"name": "pg", "containerPort": 5432}, {"containerPort": 9}]});
        view(&statefulset(container, json!({})))["containers"][0]["readiness"].clone()
    };
    let exec =
        probe(json!({"exec": {"command": ["pg_isready", "-q"]}, "periodSeconds": 7, "failureThreshold": 4}));
    assert_eq!((&exec["kind"], &exec["command"]), (&json!("exec"), &json!(["pg_isready", "-q"])));
    assert_eq!(exec["budget_seconds"], 28);
    assert_eq!((exec.get("port"), exec.get("host"), exec.get("http_path")), (None, None, None));
    let http = probe(json!({"httpGet": {"port": 8080}}));
    assert_eq!(
        (&http["kind"], &http["port"], &http["http_path"]),
        (&json!("httpGet"), &json!(8080), &json!("/"))
    );
    assert_eq!(http["budget_seconds"], 30, "the API's defaults");
    assert_eq!(http.get("command"), None);
    let elsewhere = probe(json!({"httpGet": {"port": "pg", "path": "/ok", "host": "10.0.0.1"}}));
    assert_eq!((&elsewhere["port"], &elsewhere["http_path"]), (&json!(5432), &json!("/ok")));
    assert_eq!(elsewhere["host"], "10.0.0.1");
    let port = |port: Value| probe(json!({"tcpSocket": {"port": port}})).get("port").cloned();
    assert_eq!(
        (port(json!("pg")), port(json!("no")), port(json!("81"))),
        (Some(json!(5432)), None, Some(json!(81)))
    );
    assert_eq!(probe(json!({"grpc": {"port": 3}}))["kind"], "grpc");
    assert_eq!(probe(json!({}))["kind"], "");
    assert_eq!(probe(json!({"periodSeconds": i64::MAX, "exec": {}}))["budget_seconds"], i64::MAX);
}

#[test]
fn what_happens_before_a_stop_is_told() {
    let hooks = |lifecycle: Value| {
        let container = json!({"name": "c", "image": "postgres", "lifecycle": lifecycle});
        view(&statefulset(container, json!({})))["containers"][0].get("lifecycle").cloned()
    };
    let path = json!(["spec", "template", "spec", "containers", 0, "lifecycle", "preStop"]);
    for kind in ["exec", "httpGet", "sleep", "tcpSocket"] {
        assert_eq!(hooks(json!({"preStop": {kind: {}}})), Some(json!({"pre_stop": kind, "path": path})));
    }
    for nothing in [json!({}), json!({"preStop": {}}), json!({"postStart": {"exec": {}}}), json!(null)] {
        assert_eq!(hooks(nothing.clone()), None, "{nothing}");
    }
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

    // How many nodes there are is not in the object.
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
            r#"spec.strategy.rollingUpdate.maxUnavailable must be a whole number or a percentage such as 25%, not "some""#
        ]
    );
}

/// What of an object cannot be read.
fn problems(object: &Value) -> Vec<String> {
    let all = projections();
    let (group, _) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap_or(("", ""));
    let kind = KindRef { kind: object["kind"].as_str().unwrap().to_owned(), group: group.to_owned() };
    let projected = project(object, "shop", all.of(&kind).unwrap(), &all.engines, true);
    projected.problems.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn volumes_tell_what_is_behind_them() {
    let volumes = json!({"volumes": [
        {"name": "a", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}},
        {"name": "b", "emptyDir": {"sizeLimit": 0}},
        {"name": "c", "csi": {"driver": "secrets-store.csi.k8s.io"}},
        {"name": "d", "nfs": {"server": "10.0.0.1", "path": "/x"}},
    ]});
    let view = view(&statefulset(json!({"name": "c", "image": "web"}), volumes));
    let of = |index: usize, key: &str| view["volumes"][index].get(key).cloned();
    assert_eq!((of(0, "size_limit"), of(0, "medium")), (Some(json!(1 << 30)), Some(json!("Memory"))));
    assert_eq!((of(1, "size_limit"), of(1, "driver"), of(1, "nfs_server")), (None, None, None));
    assert_eq!(of(2, "driver"), Some(json!("secrets-store.csi.k8s.io")));
    assert_eq!(of(3, "nfs_server"), Some(json!("10.0.0.1")));
    let bad = json!({"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1e1000000000"}}]});
    let said = problems(&statefulset(json!({"name": "c", "image": "web"}), bad));
    assert!(said[0].starts_with("spec.template.spec.volumes[0].emptyDir.sizeLimit: "), "{said:?}");
}

#[test]
fn claims_tell_where_their_class_and_data_come_from() {
    let claim = |metadata: Value, spec: Value| {
        let mut metadata = metadata;
        metadata["name"] = json!("c");
        let object =
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec});
        view(&object)["claims"][0].clone()
    };
    let named = |spec: Value| claim(json!({}), spec)["class_named"] == true;
    assert!(!named(json!({})));
    assert!(!named(json!({"storageClassName": null})));
    assert!(named(json!({"storageClassName": ""})));
    assert!(named(json!({"storageClassName": "fast"})));
    let legacy =
        json!({"annotations": {"volume.beta.kubernetes.io/storage-class": "old"}, "labels": {"a": "b"}});
    let view = claim(legacy.clone(), json!({"volumeAttributesClassName": "gold"}));
    assert_eq!((&view["class_named"], &view["storage_class"]), (&json!(true), &json!("old")));
    assert_eq!((&view["annotations"], &view["labels"]), (&legacy["annotations"], &legacy["labels"]));
    assert_eq!(view["volume_attributes_class"], "gold");
    assert_eq!(
        (view.get("data_source"), claim(json!({}), json!({})).get("volume_attributes_class")),
        (None, None)
    );
    let snapshot = json!({"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"});
    assert_eq!(
        claim(json!({}), json!({"dataSource": snapshot}))["data_source"],
        json!({"api_group": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s", "path": ["spec", "dataSource"]})
    );
    let elsewhere = json!({"kind": "PersistentVolumeClaim", "name": "p", "namespace": "other"});
    assert_eq!(
        claim(json!({}), json!({"dataSource": snapshot, "dataSourceRef": elsewhere}))["data_source"],
        json!({"api_group": "", "kind": "PersistentVolumeClaim", "name": "p", "namespace": "other", "path": ["spec", "dataSourceRef"]})
    );
}

#[test]
fn classes_and_volumes_tell_their_places() {
    let class = view(&json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "c"}, "provisioner": "p",
        "allowedTopologies": [
            {"matchLabelExpressions": [{"key": "topology.kubernetes.io/zone", "values": ["a", "b"]}]},
            {"matchLabelExpressions": [{"key": "rack", "values": ["r1"]}]},
        ],
    }));
    assert_eq!(
        class["storage_class"]["allowed_topologies"],
        json!([
            {"key": "topology.kubernetes.io/zone", "values": ["a", "b"], "path": ["allowedTopologies", 0, "matchLabelExpressions", 0]},
            {"key": "rack", "values": ["r1"], "path": ["allowedTopologies", 1, "matchLabelExpressions", 0]},
        ])
    );
    let volume = |labels: Value, spec: Value| {
        let metadata = json!({"name": "v", "labels": labels});
        let object =
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec});
        view(&object)["persistent_volume"].clone()
    };
    let ebs = volume(
        json!({}),
        json!({
            "csi": {"driver": "ebs.csi.aws.com", "readOnly": true, "volumeAttributes": {"encrypted": "true"}},
            "claimRef": {"namespace": "shop", "name": "data-pg-0"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "topology.ebs.csi.aws.com/zone", "operator": "In", "values": ["b"]}]},
                {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b", "a"]}, {"key": "rack", "operator": "In", "values": ["r"]}]},
            ]}},
        }),
    );
    assert_eq!(ebs["zones"], json!(["a", "b"]));
    assert_eq!((&ebs["claim_namespace"], &ebs["claim_name"]), (&json!("shop"), &json!("data-pg-0")));
    assert_eq!((&ebs["claim"], &ebs["read_only"]), (&json!("shop/data-pg-0"), &json!(true)));
    assert_eq!(ebs["volume_attributes"], json!({"encrypted": "true"}));
    let old = volume(json!({"topology.kubernetes.io/zone": "x__y"}), json!({"nfs": {"server": "s"}}));
    assert_eq!((&old["zones"], &old["read_only"]), (&json!(["x", "y"]), &json!(false)));
    assert_eq!((old.get("claim"), old.get("claim_name")), (None, None));
}

#[test]
fn the_engines_release_and_flavour_are_told() {
    let engine = |image: &str| {
        let engine = view(&statefulset(json!({"name": "c", "image": image}), json!({})))["engine"].clone();
        (engine.get("release").cloned(), engine["flavour"].clone())
    };
    assert_eq!(engine("postgres:16.4-alpine3.20"), (Some(json!([16, 4])), json!("alpine")));
    assert_eq!(engine("timescale/timescaledb:2.17.0-pg16"), (Some(json!([16])), json!("")));
    assert_eq!(engine("postgres"), (None, json!("")));
}

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

#[test]
fn memory_settings_are_found_in_environment_command_and_arguments() {
    let settings = |more: Value| {
        let mut container = json!({"name": "c", "image": "kafka"});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        view(&statefulset(container, json!({})))["containers"][0]["memory_settings"].clone()
    };
    let path = |rest: &[Value]| {
        let mut path = vec![json!("spec"), json!("template"), json!("spec"), json!("containers"), json!(0)];
        path.extend_from_slice(rest);
        json!(path)
    };
    assert_eq!(
        settings(
            json!({"env": [{"name": "A", "value": "1"}, {"name": "KAFKA_HEAP_OPTS", "value": "-Xms1g -Xmx2g"}]})
        ),
        json!([{"name": "-Xmx", "bytes": 2_i64 << 30, "text": "2g", "path": path(&[json!("env"), json!(1), json!("value")])}])
    );
    assert_eq!(
        settings(json!({"command": ["redis-server", "--maxmemory", "2gb"]})),
        json!([{"name": "maxmemory", "bytes": 2_i64 << 30, "text": "2gb", "path": path(&[json!("command"), json!(1)])}])
    );
    let percent = json!({"args": ["-XX:MaxRAMPercentage=75.0"], "resources": {"limits": {"memory": "4Gi"}}});
    let expected = json!({"name": "-XX:MaxRAMPercentage", "bytes": 3_i64 << 30, "text": "75.0", "path": path(&[json!("args"), json!(0)])});
    assert_eq!(settings(percent), json!([expected]));
    let no_limit = settings(json!({"args": ["-XX:MaxRAMPercentage=75.0"]}));
    assert_eq!((no_limit[0].get("bytes"), &no_limit[0]["text"]), (None, &json!("75.0")));
    let heap = settings(
        json!({"env": [{"name": "MAX_HEAP_SIZE", "value": "4G"}, {"name": "S", "valueFrom": {"secretKeyRef": {}}}]}),
    );
    assert_eq!((&heap[0]["name"], &heap[0]["bytes"]), (&json!("-Xmx"), &json!(4_i64 << 30)));
    assert_eq!(settings(json!({})), json!([]));
}
