//! The control plane of the harness does what a cluster does: the tests of stategate among controllers rely on
//! it. stategate has no part in this.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{ControlPlane, Daemon, Kubectl, Signal, built, eventually};
use crate::{GOOD, STATELESS};

/// For what takes a few seconds on an idle machine.
pub const SOON: Duration = Duration::from_secs(60);

/// A job that completes, and is then cleaned up.
const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: shop}
spec:
  ttlSecondsAfterFinished: 1
  template:
    spec:
      restartPolicy: Never
      containers: [{name: once, image: busybox, command: [sleep, '1']}]
";

/// `good-postgres.yaml` in a namespace, with claims of a class.
pub fn store(namespace: &str, class: &str) -> String {
    GOOD.replace("namespace: shop", &format!("namespace: {namespace}"))
        .replace("storageClassName: fast-encrypted", &format!("storageClassName: {class}"))
        // Each pod of a rollout waits for it.
        .replace("minReadySeconds: 10", "minReadySeconds: 1")
}

/// A number of a workload's spec or status; absent is zero.
fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// Whether the controller of a workload has nothing left to do: all pods are new and available.
pub fn is_settled(workload: &Value) -> bool {
    let of = |pointer: &str| number(workload, pointer);
    if of("/status/observedGeneration") < of("/metadata/generation") {
        return false;
    }
    let (wanted, fields) = match workload["kind"].as_str() {
        Some("DaemonSet") => (
            of("/status/desiredNumberScheduled"),
            ["/status/updatedNumberScheduled", "/status/numberAvailable", "/status/currentNumberScheduled"],
        ),
        _ => (
            of("/spec/replicas"),
            ["/status/updatedReplicas", "/status/availableReplicas", "/status/replicas"],
        ),
    };
    wanted > 0 && fields.into_iter().all(|field| of(field) == wanted)
}

#[track_caller]
pub fn settles(admin: &Kubectl, namespace: &str) {
    eventually("StatefulSet pg is settled", SOON, || {
        is_settled(&admin.get_json(&["statefulset", "pg", "-n", namespace]))
    });
}

/// The objects of a kind in a namespace, by name.
pub fn items(kubectl: &Kubectl, kind: &str, namespace: &str) -> Vec<Value> {
    kubectl.get_json(&[kind, "-n", namespace])["items"].as_array().unwrap().clone()
}

fn names(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect()
}

/// The volumes of a namespace's claims.
pub fn volumes(admin: &Kubectl, namespace: &str) -> Vec<Value> {
    let mut volumes = items(admin, "persistentvolumes", "default");
    volumes.retain(|volume| volume["spec"]["claimRef"]["namespace"] == namespace);
    volumes
}

#[test]
fn workloads_live_as_in_a_cluster() {
    let mut plane = ControlPlane::start();
    let admin = plane.kubectl("admin");
    for manifest in [&store("shop", "fast-encrypted"), STATELESS, JOB] {
        admin.ok(&["apply", "-f", "-"], manifest);
    }
    a_set_becomes_ready(&admin);
    a_set_rolls(&admin);
    a_drain_waits_for_the_budget(&admin);
    owned_objects_go_with_their_owner(&admin);
    claims_go_with_a_scale(&admin);
    a_namespace_ends(&admin);
    restarts_are_survived(&mut plane);
    a_service_account_may_do_what_its_role_says(&plane);
}

fn a_set_becomes_ready(admin: &Kubectl) {
    settles(admin, "shop");
    let pods = items(admin, "pods", "shop");
    let pods: Vec<&Value> = pods
        .iter()
        .filter(|pod| pod["metadata"]["labels"]["app"] == "pg" && pod["status"]["phase"] == "Running")
        .collect();
    let mut nodes: Vec<&str> = pods.iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    assert_eq!((pods.len(), nodes.len()), (3, 3), "anti-affinity keeps three pods apart");
    let claims = items(admin, "pvc", "shop");
    assert_eq!(names(&claims), ["data-pg-0", "data-pg-1", "data-pg-2"]);
    assert!(claims.iter().all(|claim| claim["status"]["phase"] == "Bound"), "{claims:?}");
    eventually("the budget counts", SOON, || allowed(admin) == 1);
}

fn a_set_rolls(admin: &Kubectl) {
    let before = items(admin, "pvc", "shop");
    admin.ok(&["set", "image", "statefulset/pg", "postgres=postgres:16.5", "-n", "shop"], "");
    settles(admin, "shop");
    let image = |pod: &Value| pod["spec"]["containers"][0]["image"] == "postgres:16.5";
    assert_eq!(items(admin, "pods", "shop").iter().filter(|pod| image(pod)).count(), 3);
    let uids =
        |claims: &[Value]| claims.iter().map(|claim| claim["metadata"]["uid"].clone()).collect::<Vec<_>>();
    assert_eq!(uids(&items(admin, "pvc", "shop")), uids(&before), "the new pods have the old claims");
}

/// How many pods of the budget `pg` may be evicted now.
fn allowed(admin: &Kubectl) -> i64 {
    number(&admin.get_json(&["pdb", "pg", "-n", "shop"]), "/status/disruptionsAllowed")
}

fn a_drain_waits_for_the_budget(admin: &Kubectl) {
    let ready = |status: &str| {
        let patch = format!(r#"{{"status":{{"conditions":[{{"type":"Ready","status":"{status}"}}]}}}}"#);
        let args =
            ["patch", "pod", "pg-0", "-n", "shop", "--subresource=status", "--type=strategic", "-p", &patch];
        admin.ok(&args, "");
    };
    let pod = || admin.get_json(&["pod", "pg-1", "-n", "shop"]);
    let before = pod();
    let node = before["spec"]["nodeName"].as_str().unwrap().to_owned();
    let drain = |limit: &str| {
        admin
            .run(&["drain", &node, "--delete-emptydir-data", "--pod-selector=app=pg", "--timeout", limit], "")
    };
    ready("False");
    eventually("a pod that is not ready uses up the budget", SOON, || allowed(admin) == 0);
    let refused = drain("3s");
    assert!(!refused.succeeded() && refused.stderr.contains("disruption budget"), "{refused:?}");
    assert_eq!(pod()["metadata"]["uid"], before["metadata"]["uid"]);

    ready("True");
    eventually("the budget allows an eviction", SOON, || allowed(admin) == 1);
    let drained = drain("50s");
    assert!(drained.succeeded(), "{drained:?}");
    settles(admin, "shop");
    let moved = pod();
    assert_ne!(moved["metadata"]["uid"], before["metadata"]["uid"]);
    assert_ne!(moved["spec"]["nodeName"], before["spec"]["nodeName"]);
    admin.ok(&["uncordon", &node], "");
}

fn owned_objects_go_with_their_owner(admin: &Kubectl) {
    let web = |kind: &str| {
        let mut owned = items(admin, kind, "shop");
        owned.retain(|object| object["metadata"]["labels"]["app"] == "web");
        owned.len()
    };
    eventually("the Deployment has pods", SOON, || (web("replicasets"), web("pods")) == (1, 2));
    admin.ok(&["delete", "deployment", "web", "-n", "shop"], "");
    eventually("they are collected", SOON, || (web("replicasets"), web("pods")) == (0, 0));
    eventually("a finished Job is cleaned up", SOON, || items(admin, "jobs", "shop").is_empty());
}

fn claims_go_with_a_scale(admin: &Kubectl) {
    admin.ok(&["create", "namespace", "scaled"], "");
    let retention = "  replicas: 3\n  persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}\n";
    admin.ok(&["apply", "-f", "-"], &store("scaled", "scratch").replace("  replicas: 3\n", retention));
    settles(admin, "scaled");
    assert_eq!(volumes(admin, "scaled").len(), 3);
    admin.ok(&["scale", "statefulset", "pg", "-n", "scaled", "--replicas=1"], "");
    eventually("the claims of the pods that went are deleted", SOON, || {
        names(&items(admin, "pvc", "scaled")) == ["data-pg-0"]
    });
    eventually("and so are their volumes", SOON, || volumes(admin, "scaled").len() == 1);
}

fn a_namespace_ends(admin: &Kubectl) {
    let gone = admin.run(&["delete", "namespace", "scaled", "--timeout=50s"], "");
    assert!(gone.succeeded(), "{gone:?}");
    assert!(admin.run(&["get", "namespace", "scaled"], "").stderr.contains("NotFound"));
    eventually("its volumes are deleted", SOON, || volumes(admin, "scaled").is_empty());
}

fn restarts_are_survived(plane: &mut ControlPlane) {
    let admin = plane.kubectl("admin");
    // "Ready" may be an old status after a restart, so the pods themselves count.
    let running = || {
        let running =
            |pod: &&Value| pod["status"]["phase"] == "Running" && pod["metadata"]["labels"]["app"] == "pg";
        items(&admin, "pods", "shop").iter().filter(running).count()
    };
    let before = admin.get_json(&["statefulset", "pg", "-n", "shop"])["metadata"]["uid"].clone();
    let goes_on = |replicas: usize| {
        assert_eq!(admin.get_json(&["statefulset", "pg", "-n", "shop"])["metadata"]["uid"], before);
        let count = format!("--replicas={replicas}");
        admin.ok(&["scale", "statefulset", "pg", "-n", "shop", &count], "");
        eventually("the controllers go on", SOON, || running() == replicas);
    };
    plane.restart_etcd();
    goes_on(4);
    plane.restart_server();
    goes_on(2);
    // A server that hangs is there again once it goes on.
    plane.server().signal(Signal::STOP);
    let hangs = admin.run(&["get", "--raw", "/readyz", "--request-timeout=1s"], "");
    plane.server().signal(Signal::CONT);
    assert!(!hangs.succeeded(), "{hangs:?}");
    eventually("it answers", SOON, || admin.run(&["get", "--raw", "/readyz"], "").succeeded());
}

fn a_service_account_may_do_what_its_role_says(plane: &ControlPlane) {
    let admin = plane.kubectl("admin");
    let definitions = built("crds");
    admin.ok(&["create", "-f", definitions.to_str().unwrap()], "");
    let kinds = [
        "policyreports.wgpolicyk8s.io",
        "clusterpolicyreports.wgpolicyk8s.io",
        "reports.openreports.io",
        "clusterreports.openreports.io",
    ];
    for kind in kinds {
        admin.ok(&["wait", "--for=condition=Established", "crd", kind, "--timeout=30s"], "");
    }
    let rules = "[{apiGroups: [wgpolicyk8s.io], resources: [policyreports], verbs: [get, create]}, \
                 {apiGroups: [openreports.io], resources: [reports], verbs: [get, create]}]";
    let reporter = plane.kubectl_with(plane.service_account("shop", "reporter", rules));
    let who = reporter.ok(&["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"], "");
    assert_eq!(who.stdout, "system:serviceaccount:shop:reporter");
    for (version, kind) in
        [("wgpolicyk8s.io/v1alpha2", "PolicyReport"), ("openreports.io/v1alpha1", "Report")]
    {
        let report = format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: r, namespace: shop}}, \
             results: [{{policy: p, source: s, result: fail}}]}}"
        );
        reporter.ok(&["create", "-f", "-"], &report);
        let stored = reporter.get_json(&[kind, "r", "-n", "shop"]);
        assert_eq!(stored["results"][0]["policy"], "p", "{stored}");
    }
    let refused = reporter.run(&["delete", "policyreport", "r", "-n", "shop"], "");
    assert!(!refused.succeeded() && refused.stderr.contains("cannot delete resource"), "{refused:?}");
    let refused = reporter.run(&["get", "secrets", "-n", "shop"], "");
    assert!(!refused.succeeded() && refused.stderr.contains("cannot list resource"), "{refused:?}");
}

/// Names the directory in which the test below, as its own child, starts a daemon.
const HELD: &str = "HELD_DAEMON_DIR";

#[test]
fn a_killed_test_run_leaves_no_process() {
    if let Some(dir) = std::env::var_os(HELD) {
        let dir = PathBuf::from(dir);
        let mut command = Command::new("sleep");
        command.arg("600");
        let daemon = Daemon::start("sleep", command, dir.join("log"));
        fs::write(dir.join("id"), daemon.id().to_string()).unwrap();
        std::thread::sleep(SOON);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "control_plane::a_killed_test_run_leaves_no_process"])
        .env(HELD, dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let id = || fs::read_to_string(dir.path().join("id")).unwrap_or_default();
    eventually("the daemon is started", SOON, || !id().is_empty());
    // A zombie that nobody has reaped yet has ended as well.
    let runs = || {
        fs::read_to_string(format!("/proc/{}/stat", id()))
            .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z")))
    };
    assert!(runs());
    run.kill().unwrap();
    run.wait().unwrap();
    eventually("it ends with the run", SOON, || !runs());
}
