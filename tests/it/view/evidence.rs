//! Engines that are known by evidence, and what ConfigMaps say of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stategate::admission::GroupKind;
use stategate::inventory::InventoryWriter;
use stategate::workload::{SelfClassification, project_with};

use super::{deployment, projections, statefulset, view};

/// The engine of a Deployment with this container.
fn engine(container: Value) -> String {
    named(container, &[], &[])
}

/// The same, where volumes are mounted at these paths.
fn named(container: Value, mounts: &[&str], ports: &[u16]) -> String {
    let mut container = container;
    if container["name"].is_null() {
        container["name"] = json!("c");
    }
    container["ports"] = ports.iter().map(|port| json!({"containerPort": port})).collect();
    container["volumeMounts"] = mounts.iter().map(|path| json!({"name": "v", "mountPath": path})).collect();
    let volumes = json!({"volumes": [{"name": "v", "emptyDir": {}}]});
    view(&deployment(container, volumes))["engine"]["name"].as_str().unwrap_or_default().to_owned()
}

fn own(name: &str, variables: &[&str]) -> Value {
    let env: Value = variables.iter().map(|name| json!({"name": name, "value": "x"})).collect();
    json!({"name": name, "image": "registry.example.com/team/thing:1", "env": env})
}

#[test]
fn two_signs_make_an_engine_of_an_image_that_is_not_known() {
    for (container, mounts, ports, expected) in [
        (own("thing", &[]), &["/var/lib/postgresql/data"][..], &[5432][..], "postgres"),
        (own("postgres", &[]), &["/var/lib/postgresql/data/pgdata"], &[], "postgres"),
        (own("thing", &["POSTGRES_DB"]), &["/var/lib/postgresql"], &[], "postgres"),
        (own("thing", &["PATRONI_SCOPE", "PATRONI_ETCD3_HOSTS"]), &[], &[5432], "postgres"),
        (own("thing", &["MYSQL_ROOT_PASSWORD", "MYSQL_ROOT_HOST"]), &[], &[3306], "mysql"),
        (own("mariadb-0", &["MYSQL_ROOT_PASSWORD"]), &[], &[], "mysql"),
        (own("db", &["MONGO_INITDB_DATABASE"]), &[], &[27017], "mongodb"),
        // It may be a cache.
        (json!({"image": "team/redis-cache:6"}), &["/redis-data"], &[6379], ""),
        (own("kafka", &["KAFKA_NODE_ID", "KAFKA_ADVERTISED_LISTENERS"]), &[], &[], "kafka"),
        // Whatever the image is called, this starts it.
        (json!({"image": "team/base:1", "command": ["mongod", "--dbpath", "/srv"]}), &[], &[], "mongodb"),
        (
            json!({"image": "team/base:1", "command": ["/usr/bin/etcd", "--data-dir=/srv"]}),
            &["/srv"],
            &[],
            "etcd",
        ),
        (json!({"image": "team/base:1", "command": ["postgres", "-D", "/srv"]}), &[], &[], "postgres"),
        (json!({"image": "team/base:1", "command": ["mongod"]}), &[], &[], ""),
        // One sign is none.
        (own("thing", &[]), &["/var/lib/postgresql/data"], &[], ""),
        (own("thing", &["POSTGRES_DB"]), &[], &[], ""),
        (own("thing", &[]), &[], &[5432], ""),
        // A port and a name may be a proxy's.
        (own("postgres", &[]), &[], &[5432], ""),
        (own("redis", &[]), &[], &[6379], ""),
        (own("thing", &[]), &["/data"], &[6379], ""),
    ] {
        assert_eq!(named(container.clone(), mounts, ports), expected, "{container} {mounts:?} {ports:?}");
    }
}

#[test]
fn an_image_that_is_called_like_an_engine_and_listens_beside_a_claim_is_one() {
    for (image, port, expected) in [
        ("sourcegraph/redis-store:4.2.1", 6379, "redis"),
        ("sourcegraph/redis-store:4.2.1", 80, ""),
        ("sourcegraph/postgres-12-alpine:4.2.1", 5432, "postgres"),
        ("team/postgresql-16:1", 5432, "postgres"),
        ("team/redis-session-app:1", 6379, ""),
    ] {
        let container = json!({"name": "c", "image": image, "ports": [{"containerPort": port}],
            "volumeMounts": [{"name": "v", "mountPath": "/data"}]});
        let claim = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]});
        let view = view(&deployment(container, claim));
        assert_eq!(view["engine"]["name"].as_str().unwrap_or_default(), expected, "{image} {port}");
    }
}

#[test]
fn clients_and_tools_are_no_engines_whatever_they_are_told() {
    for (container, mounts, ports) in [
        (own("api", &["POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"]), &[][..], &[8080][..]),
        (own("postgres-app", &["POSTGRES_DB"]), &[], &[8080]),
        (own("pool", &["POSTGRES_DB", "POSTGRES_HOST"]), &[], &[5432]),
        (own("pool", &["MYSQL_ROOT_PASSWORD", "DB_HOST"]), &[], &[3306]),
        (own("postgres", &["POSTGRES_DB", "PGHOST"]), &[], &[]),
        (own("postgres-backup", &["POSTGRES_DB"]), &["/var/lib/postgresql/data"], &[]),
        (own("mysql-exporter", &["MYSQL_ROOT_PASSWORD"]), &["/var/lib/mysql"], &[3306]),
        (own("pgbouncer", &["POSTGRES_PASSWORD"]), &[], &[5432]),
    ] {
        assert_eq!(named(container.clone(), mounts, ports), "", "{container}");
    }
}

#[test]
fn who_only_waits_runs_no_engine_whatever_the_image() {
    for image in ["confluentinc/cp-kafka:7.8.0", "cockroachdb/cockroach:v24.3.0", "solr:9", "postgres:17"] {
        for command in [
            json!(["sleep", "infinity"]),
            json!(["tail", "-f", "/dev/null"]),
            json!(["cat"]),
            json!(["sh", "-c", "exec tail -f /dev/null"]),
            json!(["/bin/sh", "-c", "sleep 3600"]),
            json!(["bash", "-ec", "trap : TERM; while true; do sleep 30; done"]),
            json!(["tini", "--", "sleep", "1d"]),
            json!(["sh", "-c", "apk add curl && curl -fsS http://x/ready; sleep infinity"]),
        ] {
            assert_eq!(engine(json!({"image": image, "command": command})), "", "{image} {command}");
        }
        let waits_first =
            json!({"image": image, "command": ["sh", "-c", "sleep 5; exec /entrypoint.sh $SERVER"]});
        assert_ne!(engine(waits_first.clone()), "", "{waits_first}");
    }
}

#[test]
fn a_helper_beside_a_server_runs_no_engine() {
    let pod = |main: Value, beside: Value| {
        let mut object = statefulset(main, json!({}));
        object["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().push(beside);
        let view = view(&object);
        let engines = view["containers"].as_array().unwrap().iter().map(|container| &container["engine"]);
        engines.map(|engine| engine.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let redis = |command: Value| json!({"name": "a", "image": "redis:7.4", "command": command});
    let script = json!({"name": "b", "image": "redis:7.4", "command": ["sh", "/scripts/fix.sh"]});
    assert_eq!(pod(redis(json!(["redis-server", "/etc/r.conf"])), script.clone()), ["redis", ""]);
    assert_eq!(pod(json!({"name": "a", "image": "redis:7.4"}), script.clone()), ["redis", ""]);
    assert_eq!(pod(redis(json!(["sh", "/scripts/start.sh"])), script.clone()), ["redis", "redis"]);
    let sentinel = |command: Value| json!({"name": "b", "image": "redis:7.4", "command": command});
    for command in
        [json!(["redis-sentinel", "/etc/s.conf"]), json!(["redis-server", "/etc/s.conf", "--sentinel"])]
    {
        assert_eq!(pod(redis(json!(["redis-server"])), sentinel(command)), ["redis", ""]);
    }
    // It is seen to run even if it keeps nothing.
    let nothing = redis(json!(["redis-server", "--save", "", "--appendonly", "no"]));
    assert_eq!(pod(nothing, script), ["", ""]);
}

/// The view of a StatefulSet beside these ConfigMaps.
fn view_with(object: &Value, maps: &[(&str, Value)]) -> Value {
    let projections = std::sync::Arc::new(projections());
    let mut writer =
        InventoryWriter::new(std::sync::Arc::clone(&projections), SelfClassification::Believed).bundle();
    for (name, data) in maps {
        let object = json!({"metadata": {"name": name}, "data": data});
        let record = writer.reader().read(&GroupKind::new("v1", "ConfigMap"), &object, "shop").unwrap();
        writer.replace(record);
    }
    let kind = GroupKind::new("apps/v1", "StatefulSet");
    let (projection, engines) = (projections.of(&kind).unwrap(), &projections.engines);
    let said = SelfClassification::Believed;
    let projected = project_with(&writer.snapshot(), object, "shop", projection, engines, said);
    assert_eq!(projected.problems, [], "{object}");
    serde_json::to_value(projected.workload).unwrap()
}

/// `directory origin` for each data directory, and whether the members vote.
fn of_files(container: Value, maps: &[(&str, Value)]) -> (String, Vec<String>, bool) {
    let mut container = container;
    container["name"] = json!("c");
    let volumes = json!({"volumes": [{"name": "config", "configMap": {"name": "config"}}]});
    let view = view_with(&statefulset(container, volumes), maps);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dirs = view["engine"]["data_dirs"].as_array().cloned().unwrap_or_default();
    let dirs = dirs.iter().map(|dir| format!("{} {}", text(&dir["dir"]), text(&dir["origin"])));
    (text(&view["engine"]["name"]), dirs.collect(), view["engine"]["votes"] == true)
}

#[test]
fn variables_of_config_maps_are_read() {
    let from = |maps: &[(&str, Value)], more: Value| {
        let mut container = json!({"image": "postgres:16.6", "envFrom": [{"configMapRef": {"name": "env"}}]});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        of_files(container, maps).1
    };
    let map = |data: Value| [("env", data)];
    assert_eq!(from(&map(json!({"PGDATA": "/srv/pg"})), json!({})), ["/srv/pg environment"]);
    assert_eq!(
        from(&map(json!({"PG_DATA": "/srv/pg"})), json!({})),
        ["/var/lib/postgresql/data default"],
        "it does not name the directory"
    );
    assert_eq!(
        from(&[], json!({})),
        ["/var/lib/postgresql/data default"],
        "there is no volume that it could name"
    );
    let literal = json!({"env": [{"name": "PGDATA", "value": "/own"}]});
    assert_eq!(from(&map(json!({"PGDATA": "/srv/pg"})), literal), ["/own environment"]);
    let key =
        json!({"env": [{"name": "PGDATA", "valueFrom": {"configMapKeyRef": {"name": "env", "key": "dir"}}}]});
    assert_eq!(from(&map(json!({"dir": "/srv/pg"})), key.clone()), ["/srv/pg environment"]);
    assert_eq!(
        from(&[("env", json!({"dir": "x".repeat(2000)}))], key),
        ["/var/lib/postgresql/data default"],
        "it is not kept, and there is no volume that it could name"
    );
    let prefix = json!({"envFrom": [{"prefix": "PG", "configMapRef": {"name": "env"}}]});
    assert_eq!(from(&map(json!({"DATA": "/srv/pg"})), prefix), ["/srv/pg environment"]);
    let secret = json!({"envFrom": [{"configMapRef": {"name": "env"}}, {"secretRef": {"name": "more"}}]});
    assert_eq!(
        from(&map(json!({"A": "x"})), secret),
        ["/var/lib/postgresql/data default"],
        "no volume is there that the Secret could name"
    );
    // Two manifests of one name, as in the directories of two clusters.
    let two = [("env", json!({"PGDATA": "/one"})), ("env", json!({"PGDATA": "/other"}))];
    assert_eq!(from(&two, json!({})), ["/var/lib/postgresql/data default"], "there is no volume for either");
    let same = [("env", json!({"PGDATA": "/one", "A": "1"})), ("env", json!({"PGDATA": "/one", "A": "2"}))];
    assert_eq!(from(&same, json!({})), ["/one environment"]);
}

#[test]
fn files_of_config_maps_are_read() {
    let read = |image: &str, command: Value, path: &str, name: &str, text: &str| {
        let mounts = json!([{"name": "config", "mountPath": path}]);
        let container = json!({"image": image, "command": command, "volumeMounts": mounts});
        of_files(container, &[("config", json!({name: text}))])
    };
    let dir = |name: &str, dir: &str, votes: bool| (name.to_owned(), vec![dir.to_owned()], votes);
    let nothing = (String::new(), Vec::new(), false);

    let redis =
        |text: &str| read("redis:7.4", json!(["redis-server", "/etc/r/r.conf"]), "/etc/r", "r.conf", text);
    assert_eq!(redis("save \"\"\nappendonly no\n"), nothing);
    assert_eq!(redis("# save \"\"\ndir /srv/r\nappendonly yes\n"), dir("redis", "/srv/r argument", false));
    assert_eq!(redis("save 900 1\nappendonly no\n"), dir("redis", "/data default", false));
    // Its entry point hands the file to the server.
    let mounts = json!([{"name": "config", "mountPath": "/etc/r"}]);
    let by_entry_point = json!({"image": "redis:7.4", "args": ["/etc/r/r.conf"], "volumeMounts": mounts});
    let text = "dir /srv/r\nappendonly yes\n";
    assert_eq!(
        of_files(by_entry_point, &[("config", json!({"r.conf": text}))]),
        dir("redis", "/srv/r argument", false)
    );
    assert_eq!(
        redis("include /etc/other.conf\ndir /srv\n").1,
        [""; 0],
        "another file may say something else"
    );

    let vault = |text: &str| {
        let command =
            json!(["sh", "-c", "cp /vault/config/v.hcl /tmp/v.hcl; vault server -config=/tmp/v.hcl"]);
        read("hashicorp/vault:1.18", command, "/vault/config", "v.hcl", text)
    };
    assert_eq!(
        vault("storage \"file\" {\n  path = \"/vault/data\"\n}"),
        dir("vault", "/vault/data argument", false)
    );
    assert_eq!(
        vault(
            "listener \"tcp\" { address = \"[::]:8200\" }\nstorage \"raft\" {\n path = \"/vault/data\" # here\n retry_join { leader_api_addr = \"https://a:8200\" }\n}"
        ),
        dir("vault", "/vault/data argument", true)
    );
    assert_eq!(vault("storage \"consul\" { address = \"consul:8500\" }"), nothing);
    assert_eq!(vault("storage \"raft\" {"), vault(""), "what cannot be read says nothing");

    let local = |text: &str| {
        let env = json!([{"name": "VAULT_LOCAL_CONFIG", "value": text}]);
        of_files(json!({"image": "hashicorp/vault:1.18", "args": ["server"], "env": env}), &[])
    };
    let raft = "{\"storage\": {\"raft\": {\"path\": \"/srv/v\"}}, \"listener\": {\"tcp\": {\"address\": \"[::]:8200\"}}}";
    assert_eq!(local(raft), dir("vault", "/srv/v argument", true));
    assert_eq!(local("{\"storage\": [{\"consul\": {\"address\": \"c:8500\"}}]}"), nothing);

    let clickhouse = |text: &str| {
        read(
            "clickhouse/clickhouse-server:25.8",
            json!([]),
            "/etc/clickhouse-server/config.d",
            "data.xml",
            text,
        )
    };
    assert_eq!(
        clickhouse("<clickhouse>\n  <!-- a disk of its own -->\n  <path>/srv/ch/</path>\n</clickhouse>\n"),
        dir("clickhouse", "/srv/ch argument", false)
    );
    let default = dir("clickhouse", "/var/lib/clickhouse default", false);
    assert_eq!(clickhouse("<clickhouse><logger><path>/no</path></logger></clickhouse>"), default);
    assert_eq!(clickhouse("<clickhouse><path>/srv"), default, "what cannot be read says nothing");
    assert_eq!(
        clickhouse("<clickhouse><path from_env=\"P\"/></clickhouse>"),
        ("clickhouse".to_owned(), Vec::new(), false)
    );

    let mongo = |text: &str| {
        read("mongo:8", json!(["mongod", "--config", "/etc/m/mongod.conf"]), "/etc/m", "mongod.conf", text)
    };
    assert_eq!(
        mongo("storage:\n  dbPath: /srv/m\nnet: {port: 27017}\n"),
        dir("mongodb", "/srv/m argument", true)
    );

    let mysql = read(
        "mysql:8.4",
        json!([]),
        "/etc/mysql/conf.d",
        "a.cnf",
        "[client]\ndatadir=/no\n[mysqld]\ndatadir = /srv/my\n",
    );
    assert_eq!(mysql, dir("mysql", "/srv/my argument", false));

    let postgres = json!(["postgres", "-c", "config_file=/etc/pg/postgresql.conf"]);
    let postgres =
        read("postgres:16", postgres, "/etc/pg", "postgresql.conf", "data_directory = '/srv/pg' # here\n");
    assert_eq!(postgres, dir("postgres", "/srv/pg argument", false));

    let influx = "[meta]\n  dir = \"/srv/meta\"\n[data]\n  dir = \"/srv/data\"\n  wal-dir = \"/srv/wal\"\n";
    let dirs = ["/srv/data argument", "/srv/meta argument", "/srv/wal argument"];
    assert_eq!(read("influxdb:1.8", json!(["influxd"]), "/etc/influxdb", "influxdb.conf", influx).1, dirs);

    let later = read("influxdb:2.7", json!(["influxd"]), "/etc/influxdb", "influxdb.conf", influx).1;
    assert_eq!(later, ["/var/lib/influxdb2 default"], "2.x does not read that file");

    let override_of_bitnami = read(
        "bitnami/redis:7.4.1",
        json!([]),
        "/opt/bitnami/redis/mounted-etc",
        "overrides.conf",
        "dir /srv/r\n",
    );
    assert_eq!(override_of_bitnami, dir("redis", "/srv/r argument", false));

    let zookeeper = |text: &str| read("zookeeper:3.9", json!([]), "/conf", "zoo.cfg", text).1;
    assert_eq!(zookeeper("dataDir=/data\n"), ["/data argument"]);
    assert_eq!(zookeeper("dataDir=/data\ndataLogDir=/log\n"), ["/data argument", "/log argument"]);

    let kafka = |text: &str| {
        read(
            "quay.io/strimzi/kafka:0.45.0-kafka-3.9.0",
            json!(["/bin/sh", "/tmp/run.sh"]),
            "/tmp",
            "run.sh",
            text,
        )
        .0
    };
    assert_eq!(
        kafka("sed -i s/x/y/ /opt/kafka/x\nsleep 360000\n"),
        "",
        "a script that is known shows a client"
    );
    assert_eq!(kafka("exec /opt/kafka/bin/kafka-server-start.sh x.properties\n"), "kafka");
    assert_eq!(kafka("exec \"$@\"\n"), "kafka");

    let nats = |text: &str| {
        read("nats:2.10", json!(["nats-server", "--config", "/etc/n/nats.conf"]), "/etc/n", "nats.conf", text)
    };
    assert_eq!(
        nats("jetstream {\n  store_dir: \"/srv/js\", max_mem: 1G\n}\n"),
        dir("nats", "/srv/js argument", true)
    );
    assert_eq!(nats("port: 4222\n"), nothing);

    let elastic = |text: &str| {
        let path = "/usr/share/elasticsearch/config";
        read("elasticsearch:8.16.1", json!([]), path, "elasticsearch.yml", text)
    };
    assert_eq!(
        elastic("discovery.type: single-node\n"),
        dir("elasticsearch", "/usr/share/elasticsearch/data default", false)
    );
    assert_eq!(elastic("node:\n  roles: [ingest]\n"), nothing);
    assert_eq!(elastic("path:\n  data: /srv/es\n"), dir("elasticsearch", "/srv/es argument", true));

    let loki = |text: &str| {
        let command = json!(["/usr/bin/loki", "-config.file=/etc/l/loki.yaml"]);
        read("grafana/loki:3.1.0", command, "/etc/l", "loki.yaml", text)
    };
    let chunks = "storage_config:\n  filesystem: {directory: /srv/chunks}\n";
    assert_eq!(loki("common: {path_prefix: /srv/loki}\n"), dir("loki", "/srv/loki argument", false));
    assert_eq!(
        loki(&format!("common: {{path_prefix: /p}}\n{chunks}")),
        dir("loki", "/srv/chunks argument", false)
    );
    // The write-ahead log and the index are beside the chunks.
    let around =
        "common: {path_prefix: /srv/loki, storage: {filesystem: {chunks_directory: /srv/loki/chunks}}}\n";
    assert_eq!(loki(around), dir("loki", "/srv/loki argument", false));
    // What is in a bucket is in no directory.
    let bucket = "common: {path_prefix: /srv/loki, storage: {s3: {bucketnames: b}}}\n";
    assert_eq!(loki(&format!("{bucket}{chunks}")), ("loki".to_owned(), Vec::new(), false));
    // The schema says which of the two it is, whatever else is there.
    let with_schema = |store: &str| {
        let periods =
            format!("{{from: 2023-01-01, object_store: gcs}}, {{from: 2024-01-01, object_store: {store}}}");
        loki(&format!("{bucket}{chunks}schema_config: {{configs: [{periods}]}}\n"))
    };
    assert_eq!(with_schema("filesystem"), dir("loki", "/srv/chunks argument", false));
    assert_eq!(with_schema("swift"), ("loki".to_owned(), Vec::new(), false));
    assert_eq!(loki("auth_enabled: false\n"), ("loki".to_owned(), Vec::new(), false));
    let tempo = |text: &str| {
        read("grafana/tempo:2.6.1", json!(["/tempo", "-config.file=/c/t.yaml"]), "/c", "t.yaml", text)
    };
    let local = "storage: {trace: {local: {path: /srv/t}";
    assert_eq!(tempo(&format!("{local}}}}}\n")), dir("tempo", "/srv/t argument", false));
    assert_eq!(tempo(&format!("{local}, s3: {{bucket: b}}}}}}\n")), ("tempo".to_owned(), Vec::new(), false));
    let chosen = |backend: &str| tempo(&format!("{local}, backend: {backend}, s3: {{bucket: b}}}}}}\n"));
    assert_eq!(chosen("local"), dir("tempo", "/srv/t argument", false));
    assert_eq!(chosen("s3"), ("tempo".to_owned(), Vec::new(), false));

    let part = json!([{"name": "config", "mountPath": "/etc/r/r.conf", "subPath": "r.conf"}]);
    let container =
        json!({"image": "redis:7.4", "args": ["redis-server", "/etc/r/r.conf"], "volumeMounts": part});
    let map = [("config", json!({"r.conf": "save \"\"\nappendonly no\n"}))];
    assert_eq!(of_files(container, &map), nothing);
}

#[test]
fn a_config_map_of_any_size_costs_little() {
    let long: String = (0..200_000).map(|n| format!("# {n}\n")).collect();
    let text = format!("{long}save \"\"\nappendonly no\n");
    let many: BTreeMap<String, String> = (0..20_000).map(|n| (format!("V{n}"), "x".repeat(40))).collect();
    let mut container = json!({"image": "redis:7.4", "args": ["redis-server", "/etc/r/r.conf"]});
    container["volumeMounts"] = json!([{"name": "config", "mountPath": "/etc/r"}]);
    let maps = [("config", json!({"r.conf": text})), ("many", json!(many))];
    assert_eq!(of_files(container.clone(), &maps).0, "", "comments do not count");
    container["envFrom"] = (0..50).map(|_| json!({"configMapRef": {"name": "many"}})).collect();
    container["name"] = json!("c");
    let volumes = json!({"volumes": [{"name": "config", "configMap": {"name": "config"}}]});
    let view = view_with(&statefulset(container, volumes), &maps);
    assert!(view.to_string().len() < 4 << 20, "{}", view.to_string().len());
    assert_eq!(view["containers"][0]["env_from"], true, "not all are known");
}

/// The table against the list of images, whose facts are from their Dockerfiles.
#[test]
fn the_table_knows_published_images() {
    let text = include_str!("../../fixtures/engines/images.yaml");
    let list = stategate::yaml::read(text).unwrap().remove(0).value;
    let rows = stategate::yaml::read(include_str!("../../../policies/workloads/engines.yaml"))
        .unwrap()
        .remove(0)
        .value;
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    for image in list["images"].as_array().unwrap() {
        let name = image["image"].as_str().unwrap();
        assert!(image["source"].as_str().unwrap().starts_with("https://"), "{name}");
        let of = |mount: &str| {
            let container = json!({"name": "c", "image": name, "args": image["args"],
                "volumeMounts": [{"name": "v", "mountPath": mount}]});
            let claim = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]});
            view(&statefulset(container, claim))["engine"].clone()
        };
        let volumes = texts(&image["volumes"]);
        for dir in texts(&image["data"]) {
            let engine = of(&dir);
            assert_eq!(engine["name"], image["engine"], "{name}");
            let held = |engine: &Value| {
                let mut dirs = engine["data_dirs"].as_array().unwrap().iter();
                dirs.any(|dir| !dir["mount"].is_null())
            };
            assert!(held(&engine), "{name}: a mount at {dir} holds its data: {engine}");
            // A VOLUME can be written, even if the rest of the image cannot.
            if volumes.iter().any(|volume| format!("{dir}/").starts_with(&format!("{volume}/"))) {
                let container = json!({"name": "c", "image": name, "args": image["args"],
                    "securityContext": {"readOnlyRootFilesystem": true}});
                let engine = view(&statefulset(container, json!({})))["engine"].clone();
                let mut dirs = engine["data_dirs"].as_array().unwrap().iter();
                assert!(
                    dirs.any(|found| found["dir"].as_str().is_some_and(|found| found.starts_with(&dir))),
                    "{name} writes to {dir}: {engine}"
                );
            }
            // A mount above a VOLUME holds nothing; the table need not know each of them.
            for (at, _) in dir.match_indices('/').skip(1) {
                let above = of(&dir[..at]);
                for hidden in
                    above["data_dirs"].as_array().unwrap().iter().filter_map(|dir| dir["hidden_by"].as_str())
                {
                    assert!(volumes.iter().any(|volume| volume == hidden), "{name} has no VOLUME {hidden}");
                }
            }
        }
        let row =
            rows["engines"].as_array().unwrap().iter().find(|row| row["name"] == image["engine"]).unwrap();
        for port in image["ports"].as_array().unwrap() {
            assert!(row["ports"].as_array().is_some_and(|ports| ports.contains(port)), "{name}: port {port}");
        }
    }
    let named: Vec<&str> =
        list["images"].as_array().unwrap().iter().filter_map(|image| image["engine"].as_str()).collect();
    let missing = ["minio", "etcd", "redpanda", "elasticsearch", "nats", "influxdb", "loki", "tempo"];
    for row in rows["engines"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        assert!(named.contains(&name) || missing.contains(&name), "no published image of {name} is listed");
    }
}
