//! The workload view: what runs where, what data would be lost, what keeps replicas apart.

mod commands;
mod engines;
mod evidence;
mod pods;
mod scheduling;
mod siblings;
mod storage;

use serde_json::{Value, json};
use stategate::admission::GroupKind;
use stategate::source::catalogue::Catalogue;
use stategate::workload::projection::Projections;
use stategate::workload::{SelfClassification, project};

fn projections() -> Projections {
    let sources = Catalogue::embedded().unbound();
    Projections::read(&sources.projections, &sources.engines).unwrap()
}

fn view(object: &Value) -> Value {
    view_as(object, SelfClassification::Believed)
}

fn view_as(object: &Value, said: SelfClassification) -> Value {
    let all = projections();
    let kind = GroupKind::new(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    let projected = project(object, "shop", all.of(&kind).unwrap(), &all.engines, said);
    assert_eq!(projected.problems, [], "{object}");
    serde_json::to_value(projected.workload).unwrap()
}

/// The fields of an object that cannot be read.
fn problems(object: &Value) -> Vec<String> {
    let all = projections();
    let kind = GroupKind::new(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
    let projected =
        project(object, "shop", all.of(&kind).unwrap(), &all.engines, SelfClassification::Believed);
    projected.problems.into_iter().map(|problem| problem.message).collect()
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
    // The last variable with a name wins, as in a container; values outside the manifest are not guessed.
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
        one("/bitnami/postgresql/data", "default", Some("/bitnami/postgresql"))
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
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": {"containers": [plain], "volumes": claim["volumes"]}}}});
    assert_eq!(class(&job), "batch");
    let hook = json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "j", "annotations": {"helm.sh/hook": "post-delete"}},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "kubectl"}]}}}});
    assert_eq!(class(&hook), "hook");
    let task = |name: &str, container: Value| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"template": {"spec": {"containers": [container]}}}})
    };
    assert_eq!(
        class(&task(
            "j",
            json!({"name": "c", "image": "alpine", "args": ["-c", "PG_DUMP x | aws s3 cp - s3://b"]})
        )),
        "backup"
    );
    assert_eq!(class(&task("nightly-backup", json!({"name": "c", "image": "app"}))), "backup");
    assert_eq!(class(&task("j", json!({"name": "c", "image": "app"}))), "none");

    let (believed, added) = (SelfClassification::Believed, SelfClassification::Additional);
    let annotated = |key: &str, value: &str, said: SelfClassification| {
        let mut object = statefulset(json!({"name": "c", "image": "redis:7"}), json!({}));
        object["metadata"]["annotations"] = json!({key: value});
        view_as(&object, said)["class"].as_str().unwrap().to_owned()
    };
    assert_eq!(annotated("stategate.io/data-durability", "cache", believed), "cache");
    assert_eq!(annotated("stategate.io/data-durability", "cache", added), "durable");
    assert_eq!(annotated("stategate.io/stateful", "false", believed), "none");
    assert_eq!(annotated("stategate.io/stateful", "false", added), "durable");
    assert_eq!(
        annotated("stategate.io/stateful", "no", believed),
        "durable",
        "only what is written as agreed counts"
    );
}

#[test]
fn annotations_that_are_not_believed_only_add() {
    let said = |image: &str, annotations: Value, of_pods: bool, said: SelfClassification| {
        let mounts = json!([{"name": "v", "mountPath": "/keep"}]);
        let mut object = statefulset(
            json!({"name": "c", "image": image, "volumeMounts": mounts}),
            json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}),
        );
        let place = if of_pods { &mut object["spec"]["template"] } else { &mut object };
        place["metadata"]["annotations"] = annotations;
        let view = view_as(&object, said);
        let engine = &view["engine"];
        let dirs = engine["data_dirs"].as_array().into_iter().flatten();
        let dirs: Vec<&str> = dirs.map(|dir| dir["dir"].as_str().unwrap()).collect();
        format!("{} {} {}", engine["name"].as_str().unwrap_or("-"), engine["quorum"], dirs.join(","))
    };
    let all = json!({"stategate.io/engine": "redis", "stategate.io/quorum": "false",
        "stategate.io/data-paths": "/keep"});
    let adds = json!({"stategate.io/engine": "etcd", "stategate.io/quorum": "true"});
    for of_pods in [false, true] {
        let said = |image: &str, annotations: &Value, how| said(image, annotations.clone(), of_pods, how);
        use SelfClassification::{Additional, Believed, Ignored};
        for (image, annotations, how, expected) in [
            ("mongo:8", &all, Believed, "redis false /keep"),
            ("mongo:8", &all, Additional, "mongodb true /data/db,/keep"),
            ("mongo:8", &all, Ignored, "mongodb true /data/db"),
            ("postgres:16", &adds, Additional, "postgres true /var/lib/postgresql/data"),
            ("postgres:16", &adds, Ignored, "postgres false /var/lib/postgresql/data"),
            ("app:1", &adds, Additional, "etcd true /var/lib/etcd,/etcd-data,/default.etcd"),
            ("app:1", &adds, Ignored, "- null "),
        ] {
            assert_eq!(said(image, annotations, how), expected, "{image} {annotations} {how:?}");
        }
    }
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
