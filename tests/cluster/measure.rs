//! What following and auditing a large cluster costs: `tests/cluster/measure` runs it on a release build.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{ApiServer, Fault, Proxy, Stategate, http_get, stategate, wait_until};

const CLAIMS: usize = 10_000;
const WORKLOADS: usize = 5_000;
const BUDGETS: usize = 2_000;
const NODES: usize = 500;
const NAMESPACES: usize = 100;
/// Requests in flight while the cluster is filled.
const WIDTH: usize = 48;
const CHANGES: usize = 10_000;
const PER_SECOND: f64 = 1_000.0;
const STARTS: usize = 11;

/// A client that sends what it is told to.
pub async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", kind)
        .body(serde_json::to_vec(body).unwrap())
        .unwrap();
    let answer = client.request_text(request).await;
    assert!(answer.is_ok(), "{method} {path}: {answer:?}");
}

fn namespace(number: usize) -> String {
    format!("load-{}", number % NAMESPACES)
}

fn objects() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for number in 0..CLAIMS {
        let (name, within) = (format!("data-{number}"), namespace(number));
        let spec = json!({
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}},
            "storageClassName": "fast", "volumeName": format!("pv-{number}"),
        });
        all.push((
            format!("/api/v1/namespaces/{within}/persistentvolumeclaims"),
            json!({"metadata": {"name": name, "labels": {"app": format!("db-{}", number % WORKLOADS)}}, "spec": spec}),
        ));
        all.push((
            "/api/v1/persistentvolumes".to_owned(),
            json!({"metadata": {"name": format!("pv-{number}")}, "spec": {
                "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                "claimRef": {"name": name, "namespace": within, "kind": "PersistentVolumeClaim"},
                "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": format!("vol-{number}")},
            }}),
        ));
    }
    for number in 0..WORKLOADS {
        let labels = json!({"app": format!("db-{number}")});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{
            "name": "postgres", "image": "postgres:16.4", "env": [{"name": "PGDATA", "value": "/data/pg"}],
            "ports": [{"containerPort": 5432}], "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
        }]}});
        let claim = json!({"metadata": {"name": "data"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}},
        }});
        all.push((
            format!("/apis/apps/v1/namespaces/{}/statefulsets", namespace(number)),
            json!({"metadata": {"name": format!("db-{number}"), "labels": labels}, "spec": {
                "replicas": 2, "serviceName": format!("db-{number}"), "selector": {"matchLabels": labels},
                "template": template, "volumeClaimTemplates": [claim],
            }}),
        ));
    }
    for number in 0..BUDGETS {
        all.push((
            format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", namespace(number)),
            json!({"metadata": {"name": format!("db-{number}")}, "spec": {
                "maxUnavailable": 1, "selector": {"matchLabels": {"app": format!("db-{number}")}},
            }}),
        ));
    }
    for number in 0..NODES {
        let labels = json!({"topology.kubernetes.io/zone": format!("zone-{}", number % 3)});
        all.push((
            "/api/v1/nodes".to_owned(),
            json!({"metadata": {"name": format!("n{number}"), "labels": labels}}),
        ));
    }
    all
}

/// Sends all requests, some at a time.
pub async fn all(client: &Client, requests: Vec<(&'static str, String, Value)>) {
    let places = Arc::new(Semaphore::new(WIDTH));
    let mut tasks = tokio::task::JoinSet::new();
    for (method, path, body) in requests {
        let (client, place) = (client.clone(), Arc::clone(&places).acquire_owned().await.unwrap());
        tasks.spawn(async move {
            send(&client, method, &path, &body).await;
            drop(place);
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

fn metric(gate: &Stategate, line: &str) -> u64 {
    let text = gate.metrics();
    let value = text.lines().find_map(|have| have.strip_prefix(line)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{line} is not in\n{text}"))
}

/// Its resident memory in MiB.
pub fn resident(gate: &Stategate) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// From the start of the process to the first `/readyz` that says so, with the flags of the chart, beside an API server
/// that is up.
#[test]
#[ignore = "times a release build; run tests/cluster/measure"]
fn the_start_of_a_replica() {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let install = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/install.yaml");
    admin.ok(&["apply", "--server-side", "-f", install], "");
    admin.ok(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], "");
    let kubeconfig = api.kubeconfig("admin");
    let flags =
        ["--own-namespace", "stategate-system", "--tls-secret", "stategate-tls", "--webhooks", "manage"];
    let place =
        ["--tls-name", "localhost", "--drain-delay", "0", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let flags = [&flags[..], &place].concat();
    let mut took: Vec<Duration> = (0..STARTS)
        .map(|_| {
            let dir = tempfile::tempdir().unwrap();
            let begun = Instant::now();
            let mut gate = Stategate::start(dir.path(), &flags);
            let took = begun.elapsed();
            gate.stop();
            took
        })
        .collect();
    took.sort();
    let [median, worst] = [took[STARTS / 2], took[STARTS - 1]].map(|time| time.as_secs_f64());
    println!("{STARTS} starts: ready after {median:.2} s, at most {worst:.2} s");
}

#[test]
#[ignore = "takes minutes; run tests/cluster/measure"]
fn a_large_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = runtime.block_on(client(&api.kubeconfig("admin")));
    let filling = Instant::now();
    let named =
        |number| ("POST", "/api/v1/namespaces".to_owned(), json!({"metadata": {"name": namespace(number)}}));
    runtime.block_on(all(&client, (0..NAMESPACES).map(named).collect()));
    let objects: Vec<_> = objects().into_iter().map(|(path, body)| ("POST", path, body)).collect();
    let number = objects.len();
    runtime.block_on(all(&client, objects));
    println!("{number} objects created in {:.0} s", filling.elapsed().as_secs_f64());

    let kubeconfig = api.kubeconfig("admin");
    let started = Instant::now();
    let gate =
        Stategate::start(dir.path(), &["--drain-delay", "0", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    println!(
        "complete and ready in {:.1} s, {:.0} MiB resident",
        started.elapsed().as_secs_f64(),
        resident(&gate)
    );
    let (_, known) = http_get(gate.status_port(), "/readyz?verbose").unwrap();
    assert!(
        known.contains(&format!("inventory PersistentVolumeClaim: complete, {CLAIMS} objects")),
        "{known}"
    );

    // Changes at a steady rate, and beside them new objects whose arrival is looked for.
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let changing = client.clone();
    let changes = runtime.spawn(async move {
        let (places, begun) = (Arc::new(Semaphore::new(WIDTH)), tokio::time::Instant::now());
        for number in 0..CHANGES {
            tokio::time::sleep_until(begun + Duration::from_secs_f64(number as f64 / PER_SECOND)).await;
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            let (client, counted) = (changing.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let of = number % CLAIMS;
                let path = format!("/api/v1/namespaces/{}/persistentvolumeclaims/data-{of}", namespace(of));
                send(
                    &client,
                    "PATCH",
                    &path,
                    &json!({"metadata": {"labels": {"change": number.to_string()}}}),
                )
                .await;
                counted.fetch_add(1, Ordering::Relaxed);
                drop(place);
            });
        }
        begun.elapsed()
    });
    let mut lags = Vec::new();
    let line = "stategate_inventory_objects{kind=\"PersistentVolumeClaim\"}";
    while !changes.is_finished() {
        let before = metric(&gate, line);
        let body = json!({"metadata": {"name": format!("late-{before}")}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        }});
        runtime.block_on(send(&client, "POST", "/api/v1/namespaces/load-0/persistentvolumeclaims", &body));
        let stored = Instant::now();
        assert!(wait_until(Duration::from_secs(30), || metric(&gate, line) > before));
        lags.push(stored.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    let took = runtime.block_on(changes).unwrap();
    lags.sort();
    let at = |part: f64| lags[((lags.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    println!(
        "{:.0} changes a second; lag of {} new objects: median {:.0} ms, 90 % {:.0} ms, longest {:.0} ms; {:.0} MiB resident",
        sent.load(Ordering::Relaxed) as f64 / took.as_secs_f64(),
        lags.len(),
        at(0.5),
        at(0.9),
        at(1.0),
        resident(&gate)
    );

    // The API server that goes in the middle of it leaves no half of a report that looks like the whole.
    let audit = |kubeconfig: &str| {
        let begun = Instant::now();
        let audit = stategate(dir.path(), &["audit", "-o", "json", "--kubeconfig", kubeconfig], "");
        let report: Value = serde_json::from_str(&audit.stdout).unwrap();
        let (objects, errors) = (report["objects"].as_array().unwrap(), report["errors"].as_array().unwrap());
        println!("audit: {} objects in {:.1} s", objects.len(), begun.elapsed().as_secs_f64());
        (audit.code, objects.len(), errors.len())
    };
    let (code, whole, errors) = audit(kubeconfig.to_str().unwrap());
    assert!(
        code < 2 && whole > CLAIMS + WORKLOADS + BUDGETS && errors == 0,
        "{whole} objects, {errors} errors"
    );
    let proxy = Proxy::start(&kubeconfig);
    proxy.set("persistentvolumeclaims", Fault::Gone(2));
    let (code, part, errors) = audit(proxy.kubeconfig());
    assert!(code == 2 && part < whole - CLAIMS / 2 && errors > 0, "{part} objects, {errors} errors");
}
