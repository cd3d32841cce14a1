//! Data directories in whatever way a container is told of them.

use serde_json::{Value, json};

use super::{deployment, statefulset, view};

/// `directory origin` of each data directory.
fn dirs(container: Value) -> Vec<String> {
    let mut container = container;
    container["name"] = json!("db");
    if container["image"].is_null() {
        container["image"] = json!("postgres:16");
    }
    let view = view(&statefulset(container, json!({"volumes": [{"name": "v", "emptyDir": {}}]})));
    let dir = |dir: &Value| format!("{} {}", dir["dir"].as_str().unwrap(), dir["origin"].as_str().unwrap());
    view["engine"]["data_dirs"].as_array().map(|all| all.iter().map(dir).collect()).unwrap_or_default()
}

const DEFAULT: &str = "/var/lib/postgresql/data default";

#[test]
fn arguments_are_written_in_many_ways() {
    for args in [
        json!(["-D", "/tmp/pg"]),
        json!(["-D/tmp/pg"]),
        json!(["postgres", "-D/tmp/pg"]),
        json!(["--pgdata=/tmp/pg"]),
        json!(["-c", "data_directory=/tmp/pg"]),
        json!(["-cdata_directory=/tmp/pg"]),
        json!(["-c", "Data_Directory = '/tmp/pg'"]),
        json!(["--data_directory=/tmp/pg"]),
        json!(["--data-directory=/tmp/pg"]),
        json!(["-D", "/config", "-c", "data_directory=/tmp/pg"]),
        json!(["-c", "data_directory=/tmp/pg", "-D", "/config"]),
        json!(["-D", "/first", "-D/tmp/pg"]),
        json!(["-c", "data_directory=/first", "--data-directory=/tmp/pg"]),
    ] {
        assert_eq!(dirs(json!({"args": args})), ["/tmp/pg argument"], "{args}");
    }
    for args in [json!(["-c", "log_directory=/tmp/pg"]), json!(["-c", "max_connections=10"]), json!(["-d5"])]
    {
        assert_eq!(dirs(json!({"args": args})), [DEFAULT], "{args}");
    }
}

#[test]
fn every_engine_is_told_in_its_own_way() {
    for (image, args, told) in [
        ("mysql:8.4", json!(["--datadir=/x"]), vec!["/x argument"]),
        ("mariadb:11", json!(["--datadir", "/first", "--datadir", "/x"]), vec!["/x argument"]),
        ("mysql:8", json!(["--innodb_undo_directory=/u"]), vec!["/var/lib/mysql default", "/u argument"]),
        ("mongo:8", json!(["mongod", "--dbpath", "/x"]), vec!["/x argument"]),
        ("redis:7", json!(["redis-server", "--dir", "/x"]), vec!["/x argument"]),
        ("redis:7", json!(["redis-server", "--dir", "./x"]), vec!["/data/x argument"]),
        ("quay.io/coreos/etcd:v3.5.9", json!(["etcd", "--data-dir=/x"]), vec!["/x argument"]),
        ("prom/prometheus:v3.0.0", json!(["--storage.tsdb.path=/x"]), vec!["/x argument"]),
        ("elasticsearch:8.13.0", json!(["elasticsearch", "-Epath.data=/x"]), vec!["/x argument"]),
        ("elasticsearch:8.13.0", json!(["elasticsearch", "-E", "path.data=/x"]), vec!["/x argument"]),
        (
            "apache/kafka:4.0.0",
            json!(["run", "--override", "log.dirs=/x,/y"]),
            vec!["/x argument", "/y argument"],
        ),
        (
            "redpandadata/redpanda:v24.1.1",
            json!(["start", "--set", "redpanda.data_directory=/x"]),
            vec!["/x argument"],
        ),
        (
            "cockroachdb/cockroach:v24.1.0",
            json!(["start", "-s=path=/x", "--store=/y"]),
            vec!["/x argument", "/y argument"],
        ),
        ("nats:2", json!(["--js", "--store-dir=/x"]), vec!["/x argument"]),
        ("hashicorp/consul:1.19", json!(["agent", "-server", "--data-dir=/x"]), vec!["/x argument"]),
        (
            "influxdb:2.7",
            json!(["influxd", "--bolt-path=/x/i.bolt", "--engine-path=/y"]),
            vec!["/x/i.bolt argument", "/y argument"],
        ),
    ] {
        assert_eq!(dirs(json!({"image": image, "args": args})), told, "{image} {args}");
    }
}

#[test]
fn variables_are_expanded_as_kubernetes_and_a_shell_do() {
    let b = json!({"name": "B", "value": "/tmp"});
    let s = json!({"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
    let pgdata = |value: &str| json!({"name": "PGDATA", "value": value});
    for (env, expected) in [
        (json!([b, pgdata("$(B)/pg")]), vec!["/tmp/pg environment"]),
        (json!([pgdata("/var/lib/postgresql/data/pg"), pgdata("/tmp/pg")]), vec!["/tmp/pg environment"]),
        // Not known here; without a volume, it is no matter which one it is.
        (json!([pgdata("$(B)/pg"), b]), vec![DEFAULT]),
        (json!([b, pgdata("$$(B)/pg")]), vec![DEFAULT]),
        (json!([s, pgdata("$(S)/pg")]), vec![DEFAULT]),
        (json!([pgdata("$(NOT)/pg")]), vec![DEFAULT]),
        (json!([pgdata("")]), vec![DEFAULT]),
    ] {
        assert_eq!(dirs(json!({"env": env})), expected, "{env}");
    }
    let env = json!([b, s]);
    for (command, expected) in [
        (json!(["postgres", "-D", "$(B)/pg"]), vec!["/tmp/pg argument"]),
        (json!(["postgres", "-D$(S)/pg"]), vec![]),
        (json!(["sh", "-c", "exec postgres -D $(B)/pg"]), vec!["/tmp/pg argument"]),
        (json!(["sh", "-c", "exec postgres -D $B/pg"]), vec!["/tmp/pg argument"]),
        (json!(["sh", "-c", "X=${B}/pg; exec postgres -D \"$X\""]), vec!["/tmp/pg argument"]),
        (json!(["sh", "-c", "exec postgres -D $S/pg"]), vec![]),
        (json!(["sh", "-c", "exec postgres -D ${B:-/x}/pg"]), vec!["/tmp/pg argument"]),
        (json!(["sh", "-c", "exec postgres -D ${NOT:-$B/pg}"]), vec!["/tmp/pg script"]),
        (json!(["sh", "-c", "NOT=; exec postgres -D ${NOT:-${B}/pg}"]), vec!["/tmp/pg argument"]),
        (json!(["sh", "-c", "exec postgres -D ${S:-/x}"]), vec![]),
        (json!(["sh", "-c", "exec \"$@\"", "--", "postgres", "-D", "/tmp/pg"]), vec!["/tmp/pg argument"]),
        (json!(["sh", "-c", "exec postgres -D \"$1\"", "sh", "/tmp/pg"]), vec!["/tmp/pg argument"]),
    ] {
        assert_eq!(dirs(json!({"command": command, "env": env})), expected, "{command}");
    }
}

#[test]
fn relative_directories_start_where_the_container_does() {
    let env = json!([{"name": "PGDATA", "value": "tmp/pg"}]);
    assert_eq!(dirs(json!({"env": env})), ["/tmp/pg environment"], "the image starts at the root");
    assert_eq!(dirs(json!({"env": env, "workingDir": "/home"})), ["/home/tmp/pg environment"]);
    let bitnami = json!({"env": env, "image": "bitnami/postgresql:16"});
    assert_eq!(dirs(bitnami), ["/bitnami/postgresql/data default"], "nobody knows where, but on no volume");
    for (script, expected) in [
        ("cd /srv && exec postgres -D pg", vec!["/srv/pg argument"]),
        ("cd /srv; cd data/..; exec postgres -D ./pg", vec!["/srv/pg argument"]),
        ("cd $X && exec postgres -D pg", vec![]),
        ("cd - && exec postgres -D pg", vec![]),
        ("cd sub && exec postgres -D pg", vec![]),
        ("exec env -C /srv postgres -D pg", vec![]),
        ("exec postgres -D ~/pg", vec![]),
    ] {
        assert_eq!(dirs(json!({"command": ["sh", "-c", script]})), expected, "{script}");
    }
}

#[test]
fn programs_that_run_others_hide_nothing() {
    for command in [
        json!(["env", "PGDATA=/tmp/pg", "docker-entrypoint.sh", "postgres"]),
        json!(["/usr/bin/env", "-i", "-u", "HOME", "PGDATA=/tmp/pg", "postgres"]),
        json!(["env", "-S", "PGDATA=/tmp/pg postgres"]),
        json!(["sudo", "-u", "postgres", "PGDATA=/tmp/pg", "postgres"]),
        json!(["sh", "-c", "PGDATA=/tmp/pg; postgres"]),
        json!(["sh", "-c", "declare -x PGDATA=/tmp/pg; postgres"]),
        json!(["sh", "-c", "export A=1 PGDATA='/tmp/pg'\nexec docker-entrypoint.sh postgres"]),
        json!(["bash", "-c", "exec bash -c 'PGDATA=/tmp/pg exec postgres'"]),
        json!(["sh", "-c", "eval \"PGDATA=/tmp/pg postgres\""]),
    ] {
        assert_eq!(dirs(json!({"command": command})), ["/tmp/pg environment"], "{command}");
    }
    for command in [
        json!(["tini", "-g", "--", "postgres", "-D", "/tmp/pg"]),
        json!(["tini", "-p", "SIGTERM", "--", "sh", "-c", "exec postgres -D /tmp/pg"]),
        json!(["dumb-init", "-r", "15:2", "sh", "-c", "postgres -D /tmp/pg"]),
        json!(["/bin/busybox", "sh", "-c", "exec postgres -D /tmp/pg"]),
        json!(["ash", "-c", "exec postgres -D /tmp/pg"]),
        json!(["dash", "-e", "-c", "exec postgres -D /tmp/pg"]),
        json!(["bash", "--login", "-euo", "pipefail", "-c", "exec postgres -D /tmp/pg"]),
        json!(["bash", "-lc", "exec postgres -D /tmp/pg"]),
        json!(["zsh", "-c", "--", "exec postgres -D /tmp/pg"]),
        json!(["sh", "-c", "nohup su-exec postgres postgres -D /tmp/pg"]),
        json!(["gosu", "postgres", "sh", "-c", "exec postgres -D /tmp/pg"]),
        json!(["setpriv", "--reuid", "999", "--regid=999", "sh", "-c", "exec postgres -D /tmp/pg"]),
        json!(["su", "postgres", "-c", "postgres -D /tmp/pg"]),
        json!(["su", "-", "postgres", "-s", "/bin/sh", "-c", "exec postgres -D /tmp/pg"]),
        json!(["su", "-c", "exec postgres -D /tmp/pg", "postgres"]),
        json!(["runuser", "-u", "postgres", "--", "postgres", "-D", "/tmp/pg"]),
        json!(["runuser", "postgres", "-c", "postgres -D /tmp/pg"]),
        json!(["timeout", "-k", "5", "1h", "sh", "-c", "exec postgres -D /tmp/pg"]),
        json!(["nice", "-n", "5", "ionice", "-c2", "sh", "-c", "postgres -D /tmp/pg"]),
    ] {
        assert_eq!(dirs(json!({"command": command})), ["/tmp/pg argument"], "{command}");
    }
    let spaced = json!({"command": ["sh", "-c", "exec postgres -D '/tmp/my data'"]});
    assert_eq!(dirs(spaced), ["/tmp/my data argument"]);
    // Scripts inside scripts end somewhere.
    let deep = (0..40).fold("postgres -D /tmp/pg".to_owned(), |text, _| format!("eval {text}"));
    assert_eq!(dirs(json!({"command": ["sh", "-c", deep]})), [""; 0]);
    // What is not followed may be anything, also the data store.
    let mount = json!([{"name": "v", "mountPath": "/var/lib/postgresql/data"}]);
    let deep = json!({"command": ["sh", "-c", format!("sleep 1; {deep}")], "volumeMounts": mount});
    assert_eq!(dirs(deep), ["/var/lib/postgresql/data guess"]);
    let padding = format!("p() {{ {} }}; {}", ":;".repeat(500), "p;".repeat(500));
    assert_eq!(scripted(&format!("sleep 1; {padding} exec postgres -D /tmp/pg")), ["/tmp/pg script"]);
}

/// The directories that a script of a postgres container names.
fn scripted(text: &str) -> Vec<String> {
    dirs(json!({"command": ["sh", "-c", text]}))
}

#[test]
fn a_directory_is_seen_wherever_a_script_names_it() {
    for text in [
        "if [ -d /x ]; then exec postgres -D /tmp/pg; fi",
        "if [[ -d /x && ( -n a || -n b ) ]]; then\n exec postgres -D /tmp/pg\nfi",
        "case $1 in a|b) echo no;; *) exec postgres -D /tmp/pg;; esac",
        "while true; do postgres -D /tmp/pg; done",
        "for d in /tmp/pg; do postgres -D $d; done",
        "( exec postgres -D /tmp/pg )",
        "(cd /tmp && exec postgres -D pg); echo over",
        "cd /tmp; (cd /; ls); exec postgres -D pg",
        "{ postgres -D /tmp/pg; } 2>&1 | tee log",
        "! postgres -D /tmp/pg",
        "exec postgres -D /tmp/pg > >(tee -a log)",
        "exec postgres -D $'/tmp/pg'",
        "start() { exec postgres -D /tmp/pg; }; start",
        "start()\n(\n postgres -D \"$1\"\n)\nstart /tmp/pg",
        "function start { inner -D \"$1\"; }; inner() { postgres \"$@\"; }; start /tmp/pg",
        "set -- postgres -D /tmp/pg; exec \"$@\"",
        "set -eu; set -- x postgres \"$@\" -D /tmp/pg; shift; exec \"$@\"",
        "let x=1; mkfifo p; curl x; exec postgres -D /tmp/pg",
        "set -- a b c /tmp/pg; shift 2; shift; exec postgres -D $1",
        "args=(postgres); args+=(-D '/tmp/pg'); exec \"${args[@]}\"",
        "find /x -maxdepth 0 -exec true \\; -exec postgres -D /tmp/pg \\;",
        "trap 'kill $!; echo bye' EXIT TERM; exec postgres -D /tmp/pg",
        "until pg_isready -h ${PEER:-old}; do sleep 1; done; exec postgres -D /tmp/pg",
        "if [ ! -s /tmp/pg/PG_VERSION ]; then initdb /tmp/pg; fi; exec postgres -D /tmp/pg",
    ] {
        assert_eq!(scripted(text), ["/tmp/pg argument"], "{text}");
    }
    for text in ["(export PGDATA=/tmp/pg; exec postgres)", "f() { local PGDATA=/tmp/pg; postgres; }; f"] {
        assert_eq!(scripted(text), ["/tmp/pg environment"], "{text}");
    }
}

#[test]
fn a_script_may_shift_as_often_as_it_likes() {
    let many = format!("set -- {}; {} exec postgres -D $1", "/tmp/pg ".repeat(8_000), "shift;".repeat(7_000));
    assert_eq!(scripted(&many), ["/tmp/pg argument"]);
}

#[test]
fn what_a_script_may_not_use_is_no_certainty() {
    for text in [
        "if [ -d /x ]; then export PGDATA=/tmp/pg; fi; exec postgres",
        "[ -d /x ] || PGDATA=/tmp/pg; export PGDATA; exec postgres",
        "[ -d /x ] && { PGDATA=/tmp/pg; }; export PGDATA; exec postgres",
        "if [ -d /x ]; then exec postgres -D /tmp/pg; fi; exec serve",
        "if [ -d /x ]; then exec postgres -D /tmp/pg; fi; exec postgres",
        "if [ -d /x ]; then set -- -D /tmp/pg; fi; exec postgres \"$@\"",
        "exec postgres -D ${DIR:-/tmp/pg}",
        "(PGDATA=/tmp/pg; psql); exec postgres",
        ". /lib.sh; exec postgres -D /tmp/pg",
        "echo /x | xargs postgres -D /tmp/pg",
        "trap 'postgres -D /tmp/pg' EXIT; sleep infinity",
        "sleep 1; echo $(exec postgres -D /tmp/pg)",
        "sleep 1; X=\"`postgres -D /tmp/pg`\"",
    ] {
        assert_eq!(scripted(text), ["/tmp/pg script"], "{text}");
    }
    let two = "if [ -d /x ]; then postgres -D /a; else postgres -D /b; fi";
    assert_eq!(scripted(two), ["/a script", "/b script"]);
    assert_eq!(scripted("for d in /a /b; do postgres -D $d; done"), ["/a script"]);
    for text in [
        "read d; exec postgres -D $d",
        "if [ -d /x ]; then cd /tmp; fi; exec postgres -D pg",
        "start() { postgres -D /tmp/pg; }; prepare; exec serve",
        "cat <<END | sh\nexec postgres -D /tmp/pg\nEND\nexec serve",
    ] {
        assert_eq!(scripted(text), [""; 0], "{text}");
    }
}

#[test]
fn options_are_read_as_the_engine_reads_them() {
    for (image, args) in [
        ("postgres:16", json!(["-iD", "/tmp/x"])),
        ("postgres:16", json!(["postgres", "-eFD/tmp/x"])),
        ("postgres:16", json!(["-icdata_directory=/tmp/x"])),
        ("mysql:8", json!(["--loose-datadir=/tmp/x"])),
        ("mysql:8", json!(["--loose_datadi", "/tmp/x"])),
        ("mysql:8", json!(["--data=/tmp/x"])),
        ("mysql:8", json!(["mysqld", "-h", "/tmp/x"])),
        ("mariadb:11", json!(["-ah/tmp/x"])),
        ("mongo:7", json!(["-dbpath", "/tmp/x"])),
        ("redis:7", json!(["redis-server", "--DIR", "/tmp/x"])),
        ("redis:7", json!(["redis-server", "--dir /tmp/x"])),
    ] {
        assert_eq!(dirs(json!({"image": image, "args": args})), ["/tmp/x argument"], "{image} {args}");
    }
    let waits = json!({"image": "mysql:8", "command": ["sh", "-c", "wait-for -h db; exec mysqld"]});
    assert_eq!(dirs(waits), [""; 0], "a letter means something else to another program");
}

#[test]
fn words_that_multiply_are_read_in_a_breath() {
    let many = |word: &str, n: usize| vec![word; n].join(" ");
    let operands: Vec<String> = (0..4_000).map(|n| format!("operand{n}")).collect();
    let script = |text: String| json!(["sh", "-c", text]);
    let passed = json!([vec!["sh".to_owned(), "-c".to_owned(), many("\"$@\"", 16_000)], operands].concat());
    for command in [
        script(format!("A='{}'; {}", many("x", 20_000), many("$A", 20_000))),
        script(many("eval", 25_000)),
        script(many("exec", 25_000)),
        script(many("su", 40_000)),
        script(format!("env {} x", many("-i", 40_000))),
        passed,
        script(format!("f() {{ {}; }}; {}", many("g;", 12_000), many("f;", 12_000))),
        script(format!("f() {{ {}; }}; g() {{ f; f; }}; {}", many(": x;", 4_000), many("g;", 20_000))),
        script(format!("f() {{ {}{} }}; {}", many("(", 9_000), many(")", 9_000), many("f;", 15_000))),
        script(many("(", 60_000)),
        script(format!("{}{}{}", many("(", 12_000), many(": ;", 12_000), many(")", 12_000))),
        script(format!("{}{}", many("{", 20_000), many("fi;", 20_000))),
        script(many("if case in", 11_000)),
        script(many("find -exec", 11_000)),
        script(many("xargs", 20_000)),
        script(many("<<E", 20_000)),
        script(format!("set -- x; {}", many("set -- \"$@\" \"$@\";", 6_000))),
        script(format!("a=(x); {}", many("a+=(\"${a[@]}\");", 6_000))),
        script(many("trap 'X=1' EXIT;", 7_000)),
        script(format!("X=1; {}", many("(X=$X$X; y);", 9_000))),
    ] {
        let start = std::time::Instant::now();
        dirs(json!({"command": command}));
        assert!(start.elapsed().as_secs() < 30, "{:.80}", command[2].as_str().unwrap_or_default());
    }
}

#[test]
fn a_hook_may_start_the_data_store() {
    let mount = json!([{"name": "v", "mountPath": "/var/lib/postgresql/data"}]);
    let hooked = |command: Value, hook: Value| {
        dirs(json!({"command": command, "volumeMounts": mount,
            "lifecycle": {"postStart": {"exec": {"command": hook}}}}))
    };
    let sleep = json!(["sleep", "infinity"]);
    assert_eq!(hooked(sleep.clone(), json!(["sh", "-c", "docker-entrypoint.sh postgres &"])), [DEFAULT]);
    assert_eq!(hooked(sleep.clone(), json!(["pg_ctl", "-D/tmp/pg", "start"])), ["/tmp/pg argument"]);
    assert_eq!(hooked(json!(["psql"]), json!(["docker-entrypoint.sh", "postgres"])), [DEFAULT]);
    assert_eq!(hooked(sleep.clone(), json!(["psql", "-c", "select 1"])), [""; 0]);
    assert_eq!(hooked(sleep, json!(["/scripts/wait"])), [""; 0]);
    let beside = |more: Value| {
        let mut container = json!({"command": ["sleep", "infinity"], "volumeMounts": mount});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        dirs(container)
    };
    let exec = |command: Value| json!({"exec": {"command": command}});
    for more in [
        json!({"lifecycle": {"preStop": exec(json!(["postgres", "-D", "/tmp/pg"]))}}),
        json!({"livenessProbe": exec(json!(["sh", "-c", "pg_isready || pg_ctl -D /tmp/pg start"]))}),
        json!({"readinessProbe": exec(json!(["sh", "-c", "postgres -D /tmp/pg &"]))}),
        json!({"startupProbe": exec(json!(["postgres", "-D", "/tmp/pg"]))}),
    ] {
        assert!(beside(more.clone())[0].starts_with("/tmp/pg "), "{more}");
    }
    for more in [
        json!({"lifecycle": {"preStop": exec(json!(["pg_ctl", "-D", "/tmp/pg", "stop"]))}}),
        json!({"livenessProbe": exec(json!(["pg_isready"]))}),
        json!({"readinessProbe": exec(json!(["postgres", "--version"]))}),
    ] {
        assert_eq!(beside(more.clone()), [""; 0], "{more}");
    }
    // A hook beside a data store takes nothing away.
    assert_eq!(hooked(Value::Null, json!(["/bin/sh", "/scripts/hook.sh"])), [DEFAULT]);
    assert_eq!(hooked(Value::Null, json!(["psql", "-c", "create extension x"])), [DEFAULT]);
}

#[test]
fn an_own_build_is_known_by_its_name_and_its_mount_together() {
    let of = |image: &str, mount: &str, read_only: bool| {
        let container = json!({"name": "c", "image": image,
            "volumeMounts": [{"name": "v", "mountPath": mount, "readOnly": read_only}]});
        view(&deployment(container, json!({"volumes": [{"name": "v", "emptyDir": {}}]})))
    };
    let data = "/var/lib/postgresql/data";
    for (image, mount, dir) in [
        ("registry.example.com/team/my-postgres:16", data, data),
        ("ghcr.io/x/postgres-ha:16", "/var/lib/postgresql", data),
        ("ghcr.io/x/postgres16.custom", data, data),
        ("registry.redhat.io/rhel9/postgresql-16", "/var/lib/pgsql/data", "/var/lib/pgsql/data"),
        ("quay.io/sclorg/mysql-80-c9s", "/var/lib/mysql/data", "/var/lib/mysql/data"),
        ("team/mongo-with-plugins:2", "/data/db", "/data/db"),
    ] {
        let view = of(image, mount, false);
        let held = &view["engine"]["data_dirs"][0];
        assert_eq!((&held["dir"], &held["origin"]), (&json!(dir), &json!("guess")), "{image}");
        assert_eq!(view["class"], "durable", "{image}");
        // The tag is the build's own.
        assert_eq!(view["engine"].get("version"), None, "{image}");
    }
    for (image, mount, read_only) in [
        ("team/my-postgres:16", "/config", false),
        ("team/my-postgres:16", data, true),
        ("team/my-postgres:16", "/var/lib", false),
        ("team/postgres-backup:1", data, false),
        ("team/redis-session-app:1", "/data", false),
        ("team/shop:1", data, false),
    ] {
        assert_eq!(of(image, mount, read_only).get("engine"), None, "{image} {mount}");
    }
    let beside = json!([{"name": "v", "mountPath": data}]);
    let pod = json!({"volumes": [{"name": "v", "emptyDir": {}}], "initContainers": [
        {"name": "s", "image": "team/postgres-sync:1", "restartPolicy": "Always", "volumeMounts": beside}]});
    let pod = view(&deployment(json!({"name": "db", "image": "postgres:16", "volumeMounts": beside}), pod));
    assert_eq!(pod["engine"]["data_dirs"].as_array().unwrap().len(), 1, "only beside nothing better known");
}
