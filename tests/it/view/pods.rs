//! Probes, settings and images of containers.

use serde_json::{Value, json};

use super::{statefulset, view};

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
fn what_the_pod_as_a_whole_is_given_is_told() {
    let pods =
        |spec: Value| view(&statefulset(json!({"name": "c", "image": "postgres"}), spec))["pods"].clone();
    let whole = pods(json!({"restartPolicy": "OnFailure",
        "resources": {"requests": {"cpu": "1500m"}, "limits": {"memory": "4Gi"}}}));
    assert_eq!(whole["restart_policy"], "OnFailure");
    assert_eq!(
        (&whole["requests"], &whole["limits"]),
        (&json!({"cpu": 1500}), &json!({"memory": 4_294_967_296_i64}))
    );
    let silent = pods(json!({}));
    assert_eq!(silent["restart_policy"], "Always", "the API's default");
    assert_eq!((&silent["requests"], &silent["limits"]), (&json!({}), &json!({})));
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
fn the_engines_release_and_flavour_are_told() {
    let engine = |image: &str| {
        let engine = view(&statefulset(json!({"name": "c", "image": image}), json!({})))["engine"].clone();
        (engine.get("release").cloned(), engine["flavour"].clone())
    };
    assert_eq!(engine("postgres:16.4-alpine3.20"), (Some(json!([16, 4])), json!("alpine")));
    assert_eq!(engine("timescale/timescaledb:2.17.0-pg16"), (Some(json!([16])), json!("")));
    assert_eq!(engine("postgres"), (None, json!("")));
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
    // Whether the name counts depends on the engine.
    for (image, read) in
        [("redpandadata/redpanda:v24.1.1", true), ("scylladb/scylla:6.1.0", true), ("kafka", false)]
    {
        let found = settings(json!({"image": image, "args": ["--memory", "2G"]}));
        let names: Vec<&Value> = found.as_array().unwrap().iter().map(|setting| &setting["name"]).collect();
        assert_eq!(names, vec!["--memory"; usize::from(read)], "{image}");
    }
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
