//! Which container runs a data store, and where it keeps its data.

use serde_json::{Value, json};

use super::{deployment, statefulset, view};

/// The engine that a container runs, from its image and command line.
fn engine(container: Value) -> String {
    let mut container = container;
    container["name"] = json!("c");
    view(&deployment(container, json!({})))["engine"]["name"].as_str().unwrap_or_default().to_owned()
}

/// `directory origin mount` for each data directory of a container that mounts the claim `v` at these paths.
fn dirs(container: Value, mounts: &[&str]) -> Vec<String> {
    let mut container = container;
    container["name"] = json!("c");
    container["volumeMounts"] =
        mounts.iter().map(|path| json!({"name": "v", "mountPath": path})).collect::<Value>();
    let volumes = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]});
    let view = view(&statefulset(container, volumes));
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let dir = |dir: &Value| [&dir["dir"], &dir["origin"], &dir["mount"]["mount_path"]].map(text).join(" ");
    view["engine"]["data_dirs"].as_array().unwrap().iter().map(dir).collect()
}

fn script(image: &str, text: &str) -> Value {
    json!({"image": image, "command": ["/bin/sh", "-ec"], "args": [text]})
}

#[test]
fn drives_of_minio_are_words_that_are_no_flags_and_no_values_of_flags() {
    let minio = |args: Value| dirs(json!({"image": "minio/minio", "args": args}), &["/export0", "/data"]);
    assert_eq!(
        minio(json!(["server", "https://minio-{0...3}.svc/export{0...1}", "--certs-dir", "/certs"])),
        ["/export0 argument /export0", "/export1 argument -"]
    );
    assert_eq!(minio(json!(["server", "--quiet", "/data"])), ["/data argument /data"]);
    assert_eq!(minio(json!(["server", "--address=:9000", "/data"])), ["/data argument /data"]);
    assert_eq!(minio(json!(["server", "-S", "/certs", "/data"])), ["/data argument /data"]);
    assert_eq!(
        minio(json!(["server", "/disk{09...10}/{a...b}"])),
        [""; 0],
        "a range that cannot be read says nothing"
    );
    assert_eq!(minio(json!(["server", "/d{09...10}"])), ["/d09 argument -", "/d10 argument -"]);
    assert_eq!(minio(json!(["server", "/d{0...900}"])).len(), 256, "of many, the first are looked at");
    assert_eq!(minio(json!(["server", "$(DIRS)"])), [""; 0]);
    let many: Vec<String> = (0..300).map(|n| format!("/d{n}")).collect();
    assert_eq!(minio(json!([["server".to_owned()].as_slice(), &many].concat())).len(), 256);
    // Each pod is in one of the two sets, but the manifest does not say which.
    assert_eq!(
        minio(json!(["server", "http://a{0...3}/export0", "http://b{0...3}/export1"])),
        ["/export0 guess /export0"]
    );
    let volumes = json!([{"name": "MINIO_VOLUMES", "value": "/data /more"}]);
    assert_eq!(
        dirs(json!({"image": "minio/minio", "args": ["server", "/other"], "env": volumes}), &["/data"]),
        ["/data environment /data", "/more environment -"]
    );
    assert_eq!(
        dirs(script("minio/minio", "minio server /data --json"), &["/data"]),
        ["/data argument /data"]
    );
}

#[test]
fn roles_that_keep_nothing_are_no_engines() {
    let runs = |image: &str, args: Value| engine(json!({"image": image, "args": args}));
    for args in [
        json!(["-target=read"]),
        json!(["-target", "distributor"]),
        json!(["--target=querier,query-frontend"]),
        json!(["-config.file=/c", "--target", "query-scheduler"]),
    ] {
        assert_eq!(runs("grafana/loki:3", args.clone()), "", "{args}");
    }
    for args in [json!([]), json!(["-target=write"]), json!(["-target=read,ingester"]), json!(["-target"])] {
        assert_eq!(runs("grafana/loki:3", args.clone()), "loki", "{args}");
    }
    assert_eq!(runs("grafana/tempo", json!(["-target=querier"])), "");
    assert_eq!(runs("grafana/tempo", json!(["-target=ingester"])), "tempo");
    let node = |roles: Value| {
        engine(json!({"image": "opensearch", "env": [{"name": "node.roles", "value": roles}]}))
    };
    assert_eq!((node(json!("")), node(json!("[]"))), ("elasticsearch".to_owned(), String::new()));
    assert_eq!(node(json!("data,ingest")), "elasticsearch");
    let both = json!({"image": "elasticsearch:8", "env": [{"name": "node.roles", "value": ""}],
        "args": ["elasticsearch", "-Enode.roles=ingest"]});
    assert_eq!(engine(both), "", "an empty variable is not passed on");
    let secret = json!([{"name": "node.roles", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]);
    assert_eq!(engine(json!({"image": "elasticsearch", "env": secret})), "elasticsearch");
    assert_eq!(runs("elasticsearch:8", json!(["elasticsearch", "-Enode.roles="])), "");
    assert_eq!(engine(script("elasticsearch:8", "export node=1; exec elasticsearch")), "elasticsearch");
}

#[test]
fn what_is_told_to_keep_nothing_is_no_engine() {
    let runs = |image: &str, command: Value| engine(json!({"image": image, "command": command}));
    for (image, command) in [
        ("redis:7", json!(["redis-server", "--save", "", "--appendonly", "no"])),
        ("redis:7", json!(["redis-server", "--save", ""])),
        ("bitnami/redis:7", json!(["redis-server", "--save", "", "--appendonly", "no"])),
        ("prom/prometheus", json!(["--agent", "--storage.agent.path=/p"])),
        ("hashicorp/consul", json!(["consul", "agent", "-config-dir=/c", "-retry-join=s"])),
        ("elasticsearch:8", json!(["elasticsearch", "-Enode.roles=[ml, ingest]"])),
    ] {
        assert_eq!(runs(image, command.clone()), "", "{image} {command}");
    }
    for (image, command, name) in [
        ("redis:7", json!(["redis-server", "--save", "", "--appendonly", "yes"]), "redis"),
        ("redis:7", json!(["redis-server", "--appendonly", "no"]), "redis"),
        ("redis:7", json!(["redis-server", "/c.conf", "--save", ""]), "redis"),
        ("bitnami/redis:7", json!(["redis-server", "--save", ""]), "redis"),
        ("hashicorp/consul", json!(["consul", "agent", "-server", "-retry-join=s"]), "consul"),
        ("hashicorp/consul", json!(["consul", "agent", "-config-dir=/c"]), "consul"),
    ] {
        assert_eq!(runs(image, command.clone()), name, "{image} {command}");
    }
    let mode = |mode: &str| {
        engine(json!({"image": "mongo:8", "env": [{"name": "MONGODB_REPLICA_SET_MODE", "value": mode}]}))
    };
    assert_eq!((mode("arbiter"), mode("secondary")), (String::new(), "mongodb".to_owned()));
}

#[test]
fn a_store_that_is_told_to_keep_nothing_says_so() {
    let says = |container: Value| {
        let mut container = container;
        container["name"] = json!("c");
        view(&statefulset(container, json!({})))["containers"][0]["keeps_nothing"].clone()
    };
    assert_eq!(
        says(json!({"image": "elasticsearch:8", "args": ["elasticsearch", "-Enode.roles=ingest"]})),
        true
    );
    assert_eq!(says(json!({"image": "redis:7", "args": ["redis-server", "--save", ""]})), true);
    assert_eq!(says(json!({"image": "redis:7", "command": ["sleep", "1d"]})), Value::Null, "a client");
    assert_eq!(says(json!({"image": "redis:7"})), Value::Null);
}

#[test]
fn what_keeps_everything_in_memory_is_an_engine_without_directories() {
    let engine = |container: Value| {
        let mut container = container;
        container["name"] = json!("c");
        container["volumeMounts"] = json!([{"name": "v", "mountPath": "/data"}]);
        let volumes = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]});
        view(&statefulset(container, volumes))["engine"].clone()
    };
    for container in [
        json!({"image": "hashicorp/vault", "args": ["server", "-dev"]}),
        json!({"image": "hashicorp/vault"}),
        json!({"image": "quay.io/openbao/openbao:2.4.0"}),
        script("hashicorp/vault", "/usr/local/bin/docker-entrypoint.sh vault server -dev"),
        json!({"image": "hashicorp/consul:1.19.2"}),
        json!({"image": "consul", "args": ["agent", "-dev", "-client", "0.0.0.0"]}),
        json!({"image": "redis:7", "args": ["--replicaof", "a", "6379", "--save", "", "--appendonly", "no"]}),
        json!({"image": "redis:7", "command": ["redis-server", "--save", "", "--cluster-enabled", "yes"]}),
        json!({"image": "hashicorp/vault", "args": ["server", "-dev-tls"]}),
        json!({"image": "hashicorp/vault", "args": ["server"],
            "env": [{"name": "VAULT_LOCAL_CONFIG", "value": "{\"storage\": {\"inmem\": {}}}"}]}),
        json!({"image": "mongo:8", "args": ["--storageEngine", "inMemory"]}),
        json!({"image": "cockroachdb/cockroach:v25.2.0", "args": ["start", "--store=type=mem,size=1GiB", "--join=a"]}),
    ] {
        let engine = engine(container.clone());
        assert_eq!((&engine["volatile"], &engine["data_dirs"]), (&json!(true), &json!([])), "{container}");
    }
    let local = json!([{"name": "VAULT_LOCAL_CONFIG", "value": "{}"}]);
    for container in [
        json!({"image": "hashicorp/vault", "args": ["server", "-config=/c/v.hcl"]}),
        json!({"image": "hashicorp/vault", "args": ["server", "-dev", "-config=/c/v.hcl"]}),
        json!({"image": "hashicorp/vault", "env": local}),
        json!({"image": "hashicorp/vault", "envFrom": [{"configMapRef": {"name": "vault"}}]}),
        json!({"image": "bitnami/vault"}),
        json!({"image": "hashicorp/consul", "args": ["agent", "-server"]}),
        json!({"image": "redis:7", "args": ["--replicaof", "a", "6379", "--appendonly", "no"]}),
        json!({"image": "redis:7", "args": ["/c.conf", "--replicaof", "a", "6379", "--save", ""]}),
    ] {
        assert_eq!(engine(container.clone())["volatile"], json!(false), "{container}");
    }
}

#[test]
fn volumes_of_images_hide_what_is_mounted_above_them() {
    let hidden = |container: Value, mount: &str| dirs(container, &[mount]);
    let kafka = |image: &str| json!({"image": image, "env": [{"name": "KAFKA_LOG_DIRS", "value": "/var/lib/kafka/data"}]});
    for (container, above, at) in [
        (kafka("apache/kafka:4.1.0"), "/var/lib/kafka", "/var/lib/kafka/data"),
        (json!({"image": "confluentinc/cp-kafka:7.6.1"}), "/var/lib/kafka", "/var/lib/kafka/data"),
        (json!({"image": "cassandra:5"}), "/var/lib", "/var/lib/cassandra"),
        (json!({"image": "hashicorp/consul", "args": ["agent", "-server"]}), "/consul", "/consul/data"),
        (json!({"image": "clickhouse/clickhouse-server:25.3"}), "/var/lib", "/var/lib/clickhouse"),
        (json!({"image": "scylladb/scylla:6"}), "/var/lib", "/var/lib/scylla"),
        (json!({"image": "rabbitmq:4"}), "/var/lib", "/var/lib/rabbitmq"),
        (json!({"image": "postgres:18"}), "/var/lib", "/var/lib/postgresql"),
        (json!({"image": "bitnami/postgresql:17"}), "/bitnami", "/bitnami/postgresql"),
    ] {
        assert!(hidden(container.clone(), above)[0].ends_with(" -"), "{container}");
        assert!(hidden(container.clone(), at)[0].ends_with(at), "{container}");
    }
    assert_eq!(
        hidden(kafka("apache/kafka-native:4.1.0"), "/var/lib/kafka"),
        ["/var/lib/kafka/data environment /var/lib/kafka"]
    );
    let zookeeper = json!({"image": "confluentinc/cp-zookeeper:7.6.1"});
    assert_eq!(
        hidden(zookeeper, "/var/lib/zookeeper"),
        ["/var/lib/zookeeper/data default -", "/var/lib/zookeeper/log also -"]
    );
}

#[test]
fn a_vault_whose_file_decides_is_only_guessed_at() {
    let args = json!(["server", "-config=/c/v.hcl"]);
    let of = |mounts: &[&str]| dirs(json!({"image": "hashicorp/vault", "args": args}), mounts);
    assert_eq!(of(&["/vault/data"]), ["/vault/data guess /vault/data"]);
    assert!(of(&[]).is_empty());
}

#[test]
fn an_image_of_another_engine_may_hold_the_server() {
    for (image, command, expected) in [
        (
            "confluentinc/cp-kafka:7.5.0",
            json!(["bin/zookeeper-server-start.sh", "z.properties"]),
            "zookeeper",
        ),
        (
            "shop/kafka",
            json!(["sh", "-c", "chown -R k /d; exec zookeeper-server-start.sh /z.cfg"]),
            "zookeeper",
        ),
        ("strimzi/kafka", json!(["/opt/kafka/zookeeper_run.sh"]), "zookeeper"),
        ("apache/kafka", json!(["zookeeper-shell.sh", "z:2181", "ls", "/"]), ""),
        ("apache/kafka", json!(["kafka-server-start.sh", "s.properties"]), "kafka"),
        ("clickhouse/clickhouse-keeper:24.8", json!([]), "clickhouse-keeper"),
        (
            "clickhouse/clickhouse-server:24.8",
            json!(["clickhouse-keeper", "-C", "/k.xml"]),
            "clickhouse-keeper",
        ),
        ("clickhouse/clickhouse-server:24.8", json!(["clickhouse", "keeper"]), "clickhouse-keeper"),
        ("clickhouse/clickhouse-server:24.8", json!(["clickhouse-keeper-client", "-q", "ls /"]), ""),
        ("clickhouse/clickhouse-server:24.8", json!([]), "clickhouse"),
        ("sorintlab/stolon:v0.17.0-pg14", json!(["gosu", "stolon", "stolon-keeper"]), "postgres"),
        ("sorintlab/stolon:v0.17.0-pg14", json!(["stolon-sentinel", "--cluster-name", "c"]), ""),
        ("sorintlab/stolon:v0.17.0-pg14", json!(["sh", "-c", "exec gosu stolon stolon-proxy"]), ""),
    ] {
        assert_eq!(engine(json!({"image": image, "command": command})), expected, "{image} {command}");
    }
    let container = json!({"name": "c", "image": "clickhouse/clickhouse-server:24.8",
        "command": ["clickhouse-keeper", "--config-file=/k.xml"]});
    let engine = view(&statefulset(container, json!({})))["engine"].clone();
    assert_eq!(
        (&engine["version"], &engine["quorum"]),
        (&Value::Null, &json!(true)),
        "its tag is the server's"
    );
}

#[test]
fn a_variable_may_hold_the_option_that_makes_it_keep_data() {
    for (text, expected) in [
        ("exec consul agent ${ROLE} -retry-join=s", "consul"),
        ("exec consul agent -node ${NAME} -retry-join=s", ""),
        ("exec consul agent -node=${NAME} -retry-join=s", ""),
        ("exec consul agent \"$@\" -retry-join=s", ""),
    ] {
        assert_eq!(engine(script("hashicorp/consul:1.19", text)), expected, "{text}");
    }
}

#[test]
fn clients_out_of_an_engines_image_are_no_engines() {
    for (image, command) in [
        ("apache/kafka:4.0.0", json!(["/opt/kafka/bin/connect-distributed.sh", "/c.properties"])),
        ("confluentinc/cp-kafka", json!(["bash", "-c", "kafka-topics --create && sleep 1"])),
        ("quay.io/strimzi/kafka", json!(["/opt/kafka/kafka_connect_run.sh"])),
        ("cp-server", json!(["schema-registry-start", "/c.properties"])),
        ("postgres:16", json!(["psql", "-h", "pg"])),
        (
            "postgres:16",
            json!(["/bin/sh", "-c", "until pg_isready -h pg; do sleep 1; done; psql -h pg -f /x.sql"]),
        ),
        (
            "postgres:16",
            json!(["bash", "-exc", "set -o pipefail; pg_dump shop | gzip >/dumps/$(date +%F).gz"]),
        ),
        ("postgres:16", json!(["bash", "-euo", "pipefail", "-c", "pg_dump 'shop;postgres' >/dumps/x 2>&1"])),
        ("postgres:16", json!(["sleep", "infinity"])),
        ("hashicorp/vault", json!(["vault", "agent", "-config=/c"])),
        ("mongo:7", json!(["mongos", "--configdb", "rs/c"])),
        ("solr:9", json!(["/opt/solr/prometheus-exporter/bin/solr-exporter", "-z", "zk:2181"])),
        ("clickhouse/clickhouse-server:23", json!(["clickhouse-copier", "--config", "/c.xml"])),
        ("minio/minio", json!(["minio", "gateway", "s3", "https://s3.example"])),
        ("minio/minio", json!(["gateway", "gcs"])),
    ] {
        assert_eq!(engine(json!({"image": image, "command": command})), "", "{command}");
    }
    let zookeeper = json!({"image": "shop/kafka:2.5.1", "args": ["/etc/kafka/zookeeper.properties"]});
    assert_eq!(engine(zookeeper), "zookeeper", "the image's entry point starts ZooKeeper");
    for (image, command) in [
        ("apache/kafka:4.0.0", json!(["bash", "-c", "kafka-storage.sh format; exec /etc/kafka/docker/run"])),
        ("postgres:16", json!(["sh", "-c", "psql -h old -c checkpoint; exec postgres -D /d"])),
        ("postgres:16", json!(["sh", "-c", "psql --version; exec docker-entrypoint.sh \"$@\""])),
        ("postgres:16", json!(["sh", "-c", "sleep 5 && my-own-start"])),
        ("postgres:16", json!(["docker-entrypoint.sh", "postgres"])),
        ("postgres:16", json!(["/scripts/start.sh"])),
        ("hashicorp/vault", json!(["vault", "server"])),
    ] {
        assert_ne!(engine(json!({"image": image, "command": command})), "", "{command}");
    }
}

#[test]
fn a_sidecar_that_stays_runs_an_engine_and_an_init_container_does_not() {
    let with = |restart: Value| {
        let init = json!({"name": "db", "image": "postgres:16", "restartPolicy": restart,
            "volumeMounts": [{"name": "v", "mountPath": "/var/lib/postgresql/data"}]});
        let more = json!({"initContainers": [init], "volumes": [{"name": "v", "emptyDir": {}}]});
        view(&deployment(json!({"name": "app", "image": "app"}), more))
    };
    let sidecar = with(json!("Always"));
    assert_eq!((&sidecar["engine"]["container"], &sidecar["class"]), (&json!("db"), &json!("durable")));
    assert_eq!(sidecar["engine"]["data_dirs"][0]["mount"]["source"], "emptyDir");
    assert_eq!(sidecar["engine"]["path"], json!(["spec", "template", "spec", "initContainers", 0, "image"]));
    let init = with(Value::Null);
    assert_eq!((init.get("engine"), &init["class"]), (None, &json!("none")));
    let both = json!({"initContainers": [{"name": "cache", "image": "redis:7", "restartPolicy": "Always"}]});
    let both = view(&deployment(json!({"name": "db", "image": "mysql:8"}), both));
    assert_eq!(both["engine"]["name"], "mysql", "the main container is what the pod is for");
    assert_eq!(both["engine"]["data_dirs"].as_array().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_seen_leaves_the_default_a_guess_where_it_is_mounted() {
    let data = "/var/lib/postgresql/data";
    let from = json!([{"secretRef": {"name": "s"}}]);
    let postgres = json!({"image": "postgres:16", "envFrom": from});
    assert_eq!(dirs(postgres.clone(), &[data]), [format!("{data} guess {data}")]);
    assert_eq!(dirs(postgres.clone(), &["/"]), [""; 0], "the image's VOLUME hides it");
    assert_eq!(dirs(postgres, &["/elsewhere"]), [""; 0]);
    let named = json!({"image": "postgres:16", "envFrom": from, "env": [{"name": "PGDATA", "value": "/x"}]});
    assert_eq!(dirs(named, &[data]), ["/x environment -"]);
    let redis = json!({"image": "redis:7", "envFrom": from});
    assert_eq!(dirs(redis, &[]), ["/data default -"], "no variable moves it");
    let lost = json!({"image": "postgres:16", "envFrom": from});
    assert_eq!(
        dirs(lost, &[]),
        [format!("{data} default -")],
        "there is no volume that a variable could name"
    );
    let influx = json!({"image": "influxdb:3.0-core", "envFrom": from});
    assert_eq!(dirs(influx, &[]), [""; 0], "a variable may name an object store");
}

#[test]
fn a_store_that_drops_any_data_is_a_cache_without_a_volume() {
    let of = |container: Value, mount: &str| {
        let mut container = container;
        container["name"] = json!("c");
        container["volumeMounts"] = json!([{"name": mount, "mountPath": "/data"}]);
        let volumes = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "e", "emptyDir": {}}]});
        let view = view(&deployment(container, volumes));
        (view["engine"]["evicts"].as_bool().unwrap(), view["class"].as_str().unwrap().to_owned())
    };
    let set = |image: &str, name: &str, value: &str| json!({"image": image, "env": [{"name": name, "value": value}]});
    let told = "--maxmemory 1gb --maxmemory-policy allkeys-lru";
    for container in [
        json!({"image": "redis:7", "args": ["--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"]}),
        script("redis:7", "exec redis-server --maxmemory 1gb --maxmemory-policy allkeys-random"),
        set("docker.io/bitnamilegacy/redis:7.4.1", "REDIS_EXTRA_FLAGS", told),
        set("valkey/valkey:8", "VALKEY_EXTRA_FLAGS", told),
        set("redis/redis-stack-server:7.4.0-v1", "REDIS_ARGS", told),
    ] {
        assert_eq!(of(container.clone(), "e"), (true, "cache".to_owned()), "{container}");
        assert_eq!(of(container.clone(), "v"), (true, "durable".to_owned()), "{container}");
    }
    for container in [
        json!({"image": "redis:7", "args": ["--maxmemory-policy", "allkeys-lru"]}),
        json!({"image": "redis:7", "args": ["--maxmemory", "1gb", "--maxmemory-policy", "volatile-lru"]}),
        json!({"image": "redis:7", "args": ["--maxmemory", "1gb"]}),
        script("redis:7", "exec redis-server $FLAGS --maxmemory 1gb --maxmemory-policy $POLICY"),
        set("redis:7", "REDIS_ARGS", told),
        set("redis:7", "REDIS_EXTRA_FLAGS", told),
    ] {
        assert_eq!(of(container.clone(), "e"), (false, "durable".to_owned()), "{container}");
    }
}

#[test]
fn scripts_are_read_for_what_they_say_and_not_for_what_they_hide() {
    let pg = |text: &str, mounts: &[&str]| dirs(script("postgres:16", text), mounts);
    let data = "/var/lib/postgresql/data";
    assert_eq!(pg("exec postgres -D /pgdata", &[]), ["/pgdata argument -"]);
    assert_eq!(
        pg(
            "mkdir -p '/pg data'; chown postgres /x && exec gosu postgres postgres \\\n  -D \"/pg data\"",
            &[]
        ),
        ["/pg data argument -"]
    );
    assert_eq!(pg("PGDATA=/own exec docker-entrypoint.sh postgres", &[]), ["/own environment -"]);
    assert_eq!(
        pg("export PGDATA=/own\nexec docker-entrypoint.sh postgres # -D /no", &[]),
        ["/own environment -"]
    );
    assert_eq!(pg("exec postgres -D \"$DIR/x\"", &[data]), [""; 0]);
    assert_eq!(pg("exec postgres", &[]), [format!("{data} default -")]);
    assert_eq!(pg("echo postgres -D /no; exec postgres", &[]), [format!("{data} default -")]);
    assert_eq!(
        pg(&format!("{} exec postgres -D /pgdata", "true;".repeat(2000)), &[]),
        ["/pgdata argument -"]
    );
    // The path these scripts take is unknown: a mounted directory may be the one, an unmounted one is no
    // fault.
    for text in [
        "exec \"$@\"",
        "prepare; exec serve",
        ". /scripts/lib.sh; exec postgres",
        "cat <<END >/etc/x\nhello\nEND\nexec postgres",
        "if test -d /x; then exec postgres; fi; exec other",
    ] {
        assert_eq!(pg(text, &[]), [""; 0], "{text}");
    }
    assert_eq!(pg("start() { postgres; }; start", &[]), [format!("{data} default -")]);
    assert_eq!(pg("if true; then exec postgres -D /pgdata; fi", &["/pgdata"]), ["/pgdata argument /pgdata"]);
    let other = "if test -d /x; then exec postgres -D /pgdata; fi; exec other";
    assert_eq!(pg(other, &["/pgdata"]), ["/pgdata script /pgdata"]);
    assert_eq!(pg(other, &[]), ["/pgdata script -"]);
    assert_eq!(pg("prepare; exec serve", &[data]), [format!("{data} guess {data}")]);
    let file = |command: Value| dirs(json!({"image": "postgres:16", "command": command}), &["/scripts"]);
    assert_eq!(file(json!(["bash", "/scripts/start.sh"])), [""; 0]);
    assert_eq!(file(json!(["/scripts/start.sh"])), [""; 0], "a file of a volume is not the image's");
    assert_eq!(file(json!(["/usr/bin/postgres"])), [format!("{data} default -")]);
}

/// The same with a Secret `s` at one more path.
fn configured(container: Value, mounts: &[&str], config: &str) -> Vec<String> {
    let mut container = container;
    container["name"] = json!("c");
    container["volumeMounts"] = mounts
        .iter()
        .map(|path| json!({"name": "v", "mountPath": path}))
        .chain([json!({"name": "s", "mountPath": config})])
        .collect::<Value>();
    let volumes = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "s", "secret": {"secretName": "s"}}]});
    let view = view(&statefulset(container, volumes));
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let dir = |dir: &Value| [&dir["dir"], &dir["origin"], &dir["mount"]["mount_path"]].map(text).join(" ");
    view["engine"]["data_dirs"].as_array().unwrap().iter().map(dir).collect()
}

#[test]
fn a_file_that_is_not_known_may_name_another_system() {
    for (container, config) in [
        (json!({"image": "grafana/loki:3", "args": ["-config.file=/c/loki.yaml"]}), "/c"),
        (json!({"image": "grafana/tempo:2", "args": ["-config.file", "/c/tempo.yaml"]}), "/c"),
        (json!({"image": "hashicorp/vault", "args": ["server", "-config=/c"]}), "/c"),
    ] {
        assert_eq!(configured(container.clone(), &["/srv/x"], config), [""; 0], "{container}");
        assert_eq!(configured(container.clone(), &[], config), [""; 0], "{container}");
    }
    // Its image's own file is known.
    let loki = json!({"image": "grafana/loki:3", "args": ["-config.file=/etc/loki/local-config.yaml"]});
    let all = ["/loki default -", "/var/loki default -"];
    assert_eq!(configured(loki.clone(), &["/srv/x"], "/etc/tls"), all);
    assert_eq!(configured(loki, &["/srv/x"], "/etc/loki"), [""; 0]);
}

#[test]
fn a_file_that_is_not_known_may_move_the_data_to_another_volume() {
    for (container, config, default) in [
        (json!({"image": "mongo:8", "args": ["--config", "/c/m.conf"]}), "/c", "/data/db"),
        (json!({"image": "cassandra:5"}), "/etc/cassandra/cassandra.yaml", "/var/lib/cassandra/data"),
        (
            json!({"image": "clickhouse/clickhouse-server:25.8"}),
            "/etc/clickhouse-server/config.d",
            "/var/lib/clickhouse",
        ),
        (
            json!({"image": "quay.io/coreos/etcd:v3.6.4", "env": [{"name": "ETCD_CONFIG_FILE", "value": "/c/e"}]}),
            "/c",
            "/var/lib/etcd/default.etcd",
        ),
    ] {
        assert_eq!(configured(container.clone(), &["/srv/x"], config), [""; 0], "{container}");
        // With no volume but that of the image, the data is there.
        let alone = configured(container.clone(), &[], config);
        assert!(alone.contains(&format!("{default} default -")), "{container}: {alone:?}");
        let held = configured(container.clone(), &[default], config);
        assert!(held.contains(&format!("{default} default {default}")), "{container}: {held:?}");
    }
}

#[test]
fn words_that_only_the_shell_knows_may_move_the_data_to_another_volume() {
    let redis =
        |script: &str, mount: &str| dirs(json!({"image": "redis:8", "args": ["sh", "-c", script]}), &[mount]);
    assert_eq!(redis("exec redis-server $ARGS", "/srv"), ["/data script -"]);
    assert_eq!(redis("exec redis-server $(cat /c/args)", "/data/redis"), ["/data script -"]);
    assert_eq!(redis("exec redis-server $ARGS", "/data"), ["/data default /data"]);
    assert_eq!(
        redis("A=\"\n--dir /srv\n--appendonly yes\"\nredis-server $A", "/srv"),
        ["/srv argument /srv"]
    );
}

#[test]
fn a_relative_directory_moves_with_the_working_directory() {
    let of = |container: Value, mount: &str| dirs(container, &[mount]);
    let redis = json!({"image": "redis:8", "workingDir": "/srv"});
    assert_eq!(of(redis, "/srv"), ["/srv default /srv"]);
    let qdrant = json!({"image": "qdrant/qdrant:v1.12.4", "workingDir": "/srv"});
    assert_eq!(of(qdrant, "/srv/storage"), ["/srv/storage default /srv/storage"]);
    let mongo = json!({"image": "mongo:8", "workingDir": "/srv"});
    assert_eq!(of(mongo, "/data/db"), ["/data/db default /data/db"]);
}

#[test]
fn images_have_directories_of_their_own() {
    for (image, args, dir) in [
        ("bitnami/etcd:3.6.4", json!([]), "/bitnami/etcd/data"),
        ("bitnamilegacy/valkey:8.0", json!([]), "/bitnami/valkey/data"),
        ("bitnami/influxdb:1.8.10", json!([]), "/bitnami/influxdb/data"),
        ("influxdb:1.8", json!([]), "/var/lib/influxdb"),
        ("influxdb:2.7", json!([]), "/var/lib/influxdb2"),
        ("gvenzl/oracle-xe:11", json!([]), "/u01/app/oracle/oradata"),
        ("gvenzl/oracle-xe:21.3.0", json!([]), "/opt/oracle/oradata"),
        ("mongo:8", json!(["--configsvr", "--replSet", "c"]), "/data/configdb"),
        ("nats:2.12", json!(["-js"]), "/tmp/nats/jetstream"),
        ("timescale/timescaledb:2.17.2-pg16", json!([]), "/var/lib/postgresql/data"),
        ("vespaengine/vespa:8", json!(["configserver,services"]), "/opt/vespa/var"),
    ] {
        let found = dirs(json!({"image": image, "args": args}), &["/srv"]);
        assert_eq!(found.first(), Some(&format!("{dir} default -")), "{image}");
    }
    for (image, args) in
        [("ghcr.io/cloudnative-pg/postgresql:17", json!([])), ("vespaengine/vespa:8", json!(["services"]))]
    {
        assert_eq!(dirs(json!({"image": image, "args": args}), &["/srv"]), [""; 0], "{image}");
    }
    // Only Bitnami's images read the variable.
    let redis = |image: &str| {
        let moved = json!({"image": image, "env": [{"name": "REDIS_DATA_DIR", "value": "/srv"}]});
        dirs(moved, &["/srv"])
    };
    assert_eq!(redis("bitnami/redis:7.4.1"), ["/srv environment /srv"]);
    assert_eq!(redis("redis:7.4.1"), ["/data default -"]);
    let bitnami = json!({"image": "bitnami/redis:7.4.1"});
    assert_eq!(configured(bitnami, &["/srv"], "/opt/bitnami/redis/mounted-etc"), [""; 0]);
    // etcd calls its directory by its name.
    let etcd = |args: Value, env: Value| {
        dirs(json!({"image": "quay.io/coreos/etcd:v3.6.4", "args": args, "env": env}), &[])
    };
    let named =
        |name: &str| vec![format!("/var/lib/etcd/{name}.etcd default -"), format!("/{name}.etcd default -")];
    assert_eq!(etcd(json!(["etcd", "--name", "one"]), json!([])), named("one"));
    assert_eq!(etcd(json!([]), json!([{"name": "ETCD_NAME", "value": "two"}])), named("two"));
    assert_eq!(etcd(json!(["etcd"]), json!([])), named("default"));
    assert_eq!(etcd(json!(["etcd", "--name=$(POD)"]), json!([])), ["/var/lib/etcd default -"]);
    let moved =
        json!({"image": "quay.io/coreos/etcd:v3.6.4", "args": ["etcd", "--name", "m"], "workingDir": "/srv"});
    assert_eq!(dirs(moved, &["/srv"]), ["/srv/m.etcd default /srv"]);
    // ZooKeeper's image writes its file, and with it the second directory, only if there is none.
    let zookeeper = json!({"image": "zookeeper:3.9"});
    assert_eq!(dirs(zookeeper.clone(), &["/data"]), ["/data default /data", "/datalog also -"]);
    assert_eq!(configured(zookeeper, &["/data"], "/conf/zoo.cfg"), ["/data default /data"]);
    // What one setting leaves out stays where it was.
    let influx = json!({"image": "influxdb:1.8", "env": [{"name": "INFLUXDB_DATA_DIR", "value": "/srv"}]});
    let rest = ["/srv environment /srv", "/var/lib/influxdb/meta also -", "/var/lib/influxdb/wal also -"];
    assert_eq!(dirs(influx, &["/srv"]), rest);
    assert_eq!(
        dirs(json!({"image": "influxdb:1.8"}), &["/var/lib/influxdb"]),
        ["/var/lib/influxdb default /var/lib/influxdb"]
    );
}

#[test]
fn what_cannot_be_written_is_no_data_directory() {
    let of = |image: &str, mount: &str| {
        dirs(json!({"image": image, "securityContext": {"readOnlyRootFilesystem": true}}), &[mount])
    };
    assert_eq!(of("qdrant/qdrant:v1.12.4", "/srv"), [""; 0]);
    assert_eq!(of("qdrant/qdrant:v1.12.4", "/qdrant/storage"), ["/qdrant/storage default /qdrant/storage"]);
    // A VOLUME can be written to.
    assert_eq!(of("mysql:8.4", "/srv"), ["/var/lib/mysql default -"]);
}

#[test]
fn a_mounted_program_is_the_engine_only_if_something_else_shows_that() {
    let of = |more: Value| {
        let mut container = json!({"name": "c", "image": "quay.io/airshipit/mariadb:11.4.8",
            "command": ["/tmp/start.py"], "volumeMounts": [{"name": "s", "mountPath": "/tmp/start.py"}]});
        for (key, value) in more.as_object().unwrap() {
            container[key] = value.clone();
        }
        let volumes =
            json!({"volumes": [{"name": "s", "configMap": {"name": "s"}}, {"name": "v", "emptyDir": {}}]});
        view(&deployment(container, volumes))["engine"]["name"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(of(json!({})), "");
    for more in [
        json!({"ports": [{"containerPort": 3306}]}),
        json!({"env": [{"name": "MYSQL_DATABASE", "value": "x"}]}),
        json!({"readinessProbe": {"exec": {"command": ["/tmp/ready.py"]}}}),
        json!({"command": ["mysqld"]}),
        json!({"volumeMounts": [{"name": "s", "mountPath": "/tmp/start.py"},
            {"name": "v", "mountPath": "/var/lib/mysql"}]}),
    ] {
        assert_eq!(of(more.clone()), "mysql", "{more}");
    }
}

#[test]
fn directories_beside_the_data_directory_are_told_by_the_image() {
    let zookeeper =
        |image: &str, env: Value, mounts: &[&str]| dirs(json!({"image": image, "env": env}), mounts);
    let none = json!([]);
    assert_eq!(
        zookeeper("zookeeper:3.9", none.clone(), &["/data"]),
        ["/data default /data", "/datalog also -"]
    );
    assert_eq!(
        zookeeper("docker.io/library/zookeeper:3.9", none.clone(), &[]),
        ["/data default -", "/datalog also -"]
    );
    assert_eq!(zookeeper("bitnami/zookeeper:3.9", none.clone(), &[]), ["/bitnami/zookeeper/data default -"]);
    assert_eq!(
        zookeeper("confluentinc/cp-zookeeper:7.6.0", none.clone(), &[]),
        ["/var/lib/zookeeper/data default -", "/var/lib/zookeeper/log also -"]
    );
    let own = json!([{"name": "ZOO_DATA_LOG_DIR", "value": "/data/log"}]);
    assert_eq!(
        zookeeper("zookeeper:3.9", own, &["/data"]),
        ["/data default /data"],
        "what is below it is a part of it"
    );
    // A custom zoo.cfg may set anything.
    assert_eq!(zookeeper("zookeeper:3.9", none, &["/conf", "/data"]), ["/data guess /data"]);
    // An image that is built on the official one.
    let command = ["sh", "-c", "/docker-entrypoint.sh zkServer.sh start-foreground"];
    let own =
        json!({"image": "team/own-zookeeper:1", "command": command, "ports": [{"containerPort": 2181}]});
    assert_eq!(dirs(own, &["/data"]), ["/datalog also -"]);
    let own = json!([{"name": "ZOO_MY_ID", "value": "1"}]);
    assert_eq!(zookeeper("team/zookeeper", own, &["/data"]), ["/data default /data", "/datalog also -"]);

    let pg = |env: Value| dirs(json!({"image": "postgres:16", "env": env}), &[]);
    let data = "/var/lib/postgresql/data default -".to_owned();
    assert_eq!(
        pg(json!([{"name": "POSTGRES_INITDB_WALDIR", "value": "/wal"}])),
        [data.clone(), "/wal environment -".to_owned()]
    );
    assert_eq!(
        pg(json!([{"name": "POSTGRES_INITDB_ARGS", "value": "--data-checksums --waldir '/the wal'"}])),
        [data.clone(), "/the wal argument -".to_owned()]
    );
    assert_eq!(pg(json!([{"name": "POSTGRES_INITDB_ARGS", "value": "--waldir=$WAL"}])), [data]);

    let etcd = |command: Value| dirs(json!({"image": "quay.io/coreos/etcd:v3.5.9", "command": command}), &[]);
    assert_eq!(etcd(json!(["etcd", "--data-dir=/d", "--wal-dir", "/w"])), ["/d argument -", "/w argument -"]);
    let kafka = json!([{"name": "KAFKA_LOG_DIRS", "value": "/a,/b"}, {"name": "KAFKA_METADATA_LOG_DIR", "value": "/m"}]);
    assert_eq!(
        dirs(json!({"image": "apache/kafka:4.0.0", "env": kafka}), &["/a"]),
        ["/a environment /a", "/b environment -", "/m environment -"]
    );
    assert_eq!(
        dirs(json!({"image": "mysql:8", "args": ["--innodb-log-group-home-dir=/redo"]}), &["/var/lib/mysql"]),
        ["/var/lib/mysql default /var/lib/mysql", "/redo argument -"]
    );
    let stores = json!(["cockroach", "start", "--store=path=/s1,attrs=ssd", "--store", "attrs=hdd,path=/s2"]);
    assert_eq!(
        dirs(json!({"image": "cockroachdb/cockroach:v24.1.0", "command": stores}), &[]),
        ["/s1 argument -", "/s2 argument -"]
    );
}

#[test]
fn a_pod_that_ends_is_a_job_without_the_job() {
    let class = |kind: &str, restart: Value, volumes: Value| {
        let spec = json!({"restartPolicy": restart, "volumes": volumes,
            "containers": [{"name": "c", "image": "postgres:16", "volumeMounts": [{"name": "v", "mountPath": "/d"}]}]});
        view(&json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "p"}, "spec": spec}))["class"]
            .clone()
    };
    let claim = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]);
    assert_eq!(class("Pod", json!("Never"), claim.clone()), "durable", "with whatever policy");
    assert_eq!(class("Pod", json!("OnFailure"), claim.clone()), "durable", "a data store does not exit");
    assert_eq!(class("Pod", json!("Never"), json!([{"name": "v", "emptyDir": {}}])), "durable");
    assert_eq!(class("Pod", json!("Always"), claim.clone()), "durable");
    assert_eq!(class("Pod", Value::Null, claim), "durable");
    let copy = json!({"name": "c", "image": "postgres:16", "command": ["pg_dump"]});
    let spec = json!({"restartPolicy": "OnFailure", "containers": [copy]});
    let copy = view(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}));
    assert_eq!(copy["class"], "none", "a client does");
}

/// The classes of a Pod, a Job and a CronJob with these fields of a pod.
fn classes(pod: Value) -> [String; 3] {
    let mut pod = pod;
    pod["restartPolicy"] = json!("Never");
    let of = |version: &str, kind: &str, spec: Value| {
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "p"}, "spec": spec});
        view(&object)["class"].as_str().unwrap().to_owned()
    };
    let job = json!({"template": {"spec": pod}});
    let cron = json!({"schedule": "@daily", "jobTemplate": {"spec": job}});
    [of("v1", "Pod", pod), of("batch/v1", "Job", job), of("batch/v1", "CronJob", cron)]
}

#[test]
fn a_task_that_is_nothing_but_a_data_store_is_one() {
    for container in [
        json!({"image": "postgres:16"}),
        json!({"image": "postgres:16", "args": ["-c", "max_connections=10"]}),
        json!({"image": "postgres:16", "command": ["sh", "-c", "mkdir -p /x && exec postgres -D /x"]}),
        json!({"image": "mysql:8", "args": ["mysqld", "--skip-log-bin"]}),
        json!({"image": "redis:7", "command": ["redis-server"]}),
        json!({"image": "mongo:7", "args": ["--replSet", "rs"]}),
        json!({"image": "minio/minio", "args": ["server", "/data"]}),
    ] {
        let mut container = container;
        container["name"] = json!("db");
        let volume = json!([{"name": "v", "emptyDir": {}}]);
        assert_eq!(
            classes(json!({"containers": [container], "volumes": volume})),
            ["durable"; 3],
            "{container}"
        );
        let sidecar = json!({"name": "log", "image": "log", "restartPolicy": "Always"});
        let both = json!({"containers": [container], "initContainers": [sidecar]});
        assert_eq!(classes(both), ["durable"; 3], "{container} with a sidecar");
    }
}

#[test]
fn a_task_that_uses_a_data_store_stays_one() {
    for command in [json!(["pg_dump", "-h", "pg"]), json!(["sh", "-c", "pg_dump shop | gzip >/dumps/x"])] {
        let container = json!({"name": "db", "image": "postgres:16", "command": command});
        assert_eq!(classes(json!({"containers": [container]})), ["none", "backup", "backup"], "{container}");
    }
    for container in [
        json!({"image": "postgres:16", "command": ["sh", "-c", "postgres & sleep 5; psql -f /x.sql"]}),
        json!({"image": "postgres:16", "command": ["sh", "-c", "pg_ctl start; psql -f /x.sql; pg_ctl stop"]}),
        json!({"image": "postgres:16", "command": ["sh", "-c", "if [ -d /x ]; then exec postgres; fi"]}),
        json!({"image": "postgres:16", "command": ["timeout", "60", "postgres"]}),
        json!({"image": "postgres:16", "command": ["postgres", "--version"]}),
        json!({"image": "postgres:16", "command": ["initdb", "-D", "/x"]}),
        json!({"image": "postgres:16", "command": ["/restore.sh"]}),
        json!({"image": "mysql:8", "args": ["--initialize-insecure"]}),
        json!({"image": "redis:7", "command": ["redis-server", "--daemonize", "yes"]}),
        json!({"image": "mongo:7", "command": ["mongod", "--shutdown"]}),
        json!({"image": "mongo:7", "command": ["bash", "-c",
            "mongod --fork --logpath /l --dbpath /d && mongorestore && mongod --shutdown --dbpath /d"]}),
        json!({"image": "apache/kafka:3.8.0", "command": ["bash", "-c",
            "/opt/kafka/bin/kafka-server-start.sh -daemon /c; /opt/kafka/bin/kafka-topics.sh --list"]}),
        json!({"image": "elasticsearch:8.14.0", "command": ["bash", "-c",
            "bin/elasticsearch -d -p pid; curl x; kill $(cat pid)"]}),
        json!({"image": "team/my-postgres:16"}),
    ] {
        let mut container = container;
        container["name"] = json!("db");
        assert_eq!(classes(json!({"containers": [container]})), ["none"; 3], "{container}");
    }
    // A test and its data store, in whichever way they stand side by side.
    let (test, db) =
        (json!({"name": "test", "image": "test"}), json!({"name": "db", "image": "postgres:16"}));
    assert_eq!(classes(json!({"containers": [test, db]})), ["none"; 3]);
    let mut sidecar = db.clone();
    sidecar["restartPolicy"] = json!("Always");
    assert_eq!(classes(json!({"containers": [test], "initContainers": [sidecar]})), ["none"; 3]);
    assert_eq!(classes(json!({"containers": [test], "initContainers": [db]})), ["none"; 3]);
    // On a claim, it is kept for longer than the test.
    let mut kept = db.clone();
    kept["volumeMounts"] = json!([{"name": "v", "mountPath": "/var/lib/postgresql/data"}]);
    let claim = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]);
    assert_eq!(classes(json!({"containers": [test, kept], "volumes": claim})), ["durable", "batch", "batch"]);
    // What ends within a day is a task.
    let limited = |seconds: i64| classes(json!({"containers": [db], "activeDeadlineSeconds": seconds}));
    assert_eq!(
        (limited(600), limited(900_000)),
        (["none"; 3].map(str::to_owned), ["durable"; 3].map(str::to_owned))
    );
    let job = json!({"activeDeadlineSeconds": 600, "template": {"spec": {"containers": [db]}}});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "p"}, "spec": job});
    assert_eq!(view(&job)["class"], "none");
}

#[test]
fn a_deployment_keeps_data_on_the_node_unless_the_directory_is_the_nodes_own() {
    let class = |kind: &str, host: Value, read_only: bool| {
        let container = json!({"name": "c", "image": "app",
            "volumeMounts": [{"name": "v", "mountPath": "/d", "readOnly": read_only}]});
        let mut object = deployment(container, json!({"volumes": [{"name": "v", "hostPath": host}]}));
        object["kind"] = json!(kind);
        view(&object)["class"].clone()
    };
    for host in [
        json!({"path": "/srv/app"}),
        json!({"path": "/srv/app/", "type": ""}),
        json!({"path": "/srv/app.d", "type": "DirectoryOrCreate"}),
        json!({"path": "/var/lib/app", "type": "Directory"}),
    ] {
        assert_eq!(class("Deployment", host.clone(), false), "durable", "{host}");
        assert_eq!(class("Deployment", host.clone(), true), "none", "{host}");
        assert_eq!(class("DaemonSet", host.clone(), false), "none", "{host}");
    }
    for host in [
        json!({"path": "/"}),
        json!({"path": "/srv/app.sock"}),
        json!({"path": "/srv/app", "type": "FileOrCreate"}),
        json!({"path": "/srv/app", "type": "Socket"}),
        json!({"path": "/var/log/app", "type": "DirectoryOrCreate"}),
        json!({"path": "/etc/localtime"}),
        json!({"path": "/srv/../dev/sda"}),
    ] {
        assert_eq!(class("Deployment", host.clone(), false), "none", "{host}");
    }
}
