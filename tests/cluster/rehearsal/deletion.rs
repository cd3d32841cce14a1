//! What is deleted ends, whatever the profile: nothing hangs in `Terminating` because of stategate.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::text;
use super::cluster::{Cluster, SOON};
use super::table::Row;
use crate::harness::wait_until;

/// Nothing is in deletion for longer.
const LIMIT: Duration = Duration::from_secs(60);
/// A finalizer that nobody removes but the test.
const HELD: &str = "example.com/held";

/// Deletes a namespace as a person does, confirms if that is asked for, and waits for its end; what went wrong.
pub fn namespace_ends(cluster: &Cluster, name: &str) -> Vec<String> {
    let delete = || cluster.kubectl.run(&["delete", "namespace", name, "--wait=false"], "");
    let mut output = delete();
    if output.denied() && output.stderr.contains("confirm-delete") {
        println!("  to be confirmed: {}", output.stderr.lines().next().unwrap_or_default());
        let confirmation = format!("stategate.io/confirm-delete={name}");
        cluster.kubectl.run(&["annotate", "namespace", name, "--overwrite", &confirmation], "");
        output = delete();
    }
    if !output.succeeded() {
        return vec![output.stderr];
    }
    let path = format!("/api/v1/namespaces/{name}");
    let gone = || cluster.admin.call("GET", &path, &Value::Null).is_ok_and(|answer| answer.code == 404);
    if wait_until(LIMIT, gone) {
        return Vec::new();
    }
    let conditions = cluster.admin.get(&path).map(|namespace| namespace["status"].to_string());
    vec![format!("still Terminating: {}", conditions.unwrap_or_default())]
}

/// Objects of which each breaks a policy, and each has a finalizer; made before stategate is there.
fn held(namespace: &str) -> Vec<(String, Value)> {
    let web = |kind: &str, spec: Value| json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "held"}, "spec": spec});
    let pod = json!({"containers": [{"name": "db", "image": "postgres:latest", "volumeMounts": [{"name": "data", "mountPath": "/var/lib/postgresql/data"}]}],
        "volumes": [{"name": "data", "emptyDir": {}}]});
    let template = json!({"metadata": {"labels": {"app": "held"}}, "spec": pod});
    let selector = json!({"matchLabels": {"app": "held"}});
    let path = |group: &str, plural: &str| format!("/{group}/namespaces/{namespace}/{plural}");
    vec![
        (
            path("apis/apps/v1", "statefulsets"),
            web(
                "StatefulSet",
                json!({"replicas": 2, "serviceName": "held", "selector": selector, "template": template}),
            ),
        ),
        (
            path("apis/apps/v1", "deployments"),
            web("Deployment", json!({"replicas": 2, "selector": selector, "template": template})),
        ),
        (
            path("api/v1", "persistentvolumeclaims"),
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "held"},
            "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}}),
        ),
        (
            path("api/v1", "pods"),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "held"}, "spec": pod}),
        ),
        (
            path("apis/policy/v1", "poddisruptionbudgets"),
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "held"},
            "spec": {"minAvailable": "100%", "selector": selector}}),
        ),
        (
            path("apis/autoscaling/v2", "horizontalpodautoscalers"),
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "held"},
            "spec": {"maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "held"}}}),
        ),
        (
            path("apis/batch/v1", "cronjobs"),
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "held"},
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": pod["containers"], "volumes": pod["volumes"]}}}}}}),
        ),
        (
            "/apis/storage.k8s.io/v1/storageclasses".to_owned(),
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": format!("held-{namespace}")}, "provisioner": "csi.example.org"}),
        ),
    ]
}

/// In each profile, a namespace with a database on bound claims ends, and finalizers can be removed from whatever the
/// profile finds bad.
pub fn deletions(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = Vec::new();
    for profile in ["baseline", "production", "regulated"] {
        rows.extend(in_profile(cluster, profile));
    }
    rows
}

fn in_profile(cluster: &Cluster, profile: &str) -> Vec<Row> {
    let kubectl = &cluster.kubectl;
    // As before stategate came.
    cluster.helm(&["uninstall", "stategate"]);
    wait_until(SOON, || cluster.running().is_empty());
    std::thread::sleep(Duration::from_secs(2));
    let (stores, bad) = (format!("{profile}-stores"), format!("{profile}-bad"));
    let mut wrong = Vec::new();
    for namespace in [&stores, &bad] {
        kubectl.ok(&["create", "namespace", namespace], "");
    }
    wait_until(SOON, || {
        cluster.admin.get(&format!("/api/v1/namespaces/{bad}/serviceaccounts/default")).is_some()
    });
    for (name, class) in [("kept", "fast-encrypted"), ("passing", "scratch")] {
        let store = crate::GOOD
            .replace("namespace: shop", &format!("namespace: {stores}"))
            .replace("pg", name)
            .replace("storageClassName: fast-encrypted", &format!("storageClassName: {class}"))
            .replace("minReadySeconds: 10", "minReadySeconds: 1");
        kubectl.ok(&["apply", "-f", "-"], &store);
    }
    let claims = format!("/api/v1/namespaces/{stores}/persistentvolumeclaims");
    let bound = || {
        let claims = cluster.admin.list(&claims).unwrap_or_default();
        claims.iter().filter(|claim| claim["status"]["phase"] == "Bound").count() == 6
    };
    if !wait_until(SOON, bound) {
        wrong.push("the claims are not bound".to_owned());
    }
    let mut made = Vec::new();
    for (path, mut object) in held(&bad) {
        object["metadata"]["finalizers"] = json!([HELD]);
        match cluster.admin.call("POST", &path, &object) {
            Ok(answer) if answer.succeeded() => {
                made.push(format!("{path}/{}", text(&object, "/metadata/name")))
            }
            other => wrong.push(format!("{path}: {other:?}")),
        }
    }
    let installed = cluster.upgrade(&[&super::cluster::profile(profile)]);
    if !installed.succeeded() {
        wrong.push(installed.stderr);
    }
    // What is refused differs between profiles; each says something of this.
    let judges = || {
        let answer = cluster.admin.call("DELETE", &format!("{claims}/data-kept-0?dryRun=All"), &Value::Null);
        answer.is_ok_and(|answer| {
            let said = format!("{} {:?}", answer.message(), answer.warnings);
            said.contains("delete-guard-pvc")
        })
    };
    std::thread::sleep(Duration::from_secs(2));
    let rolled = || {
        kubectl
            .run(
                &["rollout", "status", "deployment/stategate", "-n", super::cluster::OWN, "--timeout=50s"],
                "",
            )
            .succeeded()
    };
    if !wait_until(SOON, || rolled() && judges()) {
        println!("{}", cluster.state());
        wrong.push(format!("{profile} does not judge"));
    }
    let mut rows = vec![Row::found(
        &format!("{profile}: a cluster with a database, and bad objects with finalizers"),
        format!("{} of them", made.len()),
        None,
        wrong,
    )];

    let begun = Instant::now();
    let wrong = namespace_ends(cluster, &stores);
    rows.push(Row::found(
        &format!("{profile}: a Namespace with six bound claims is deleted"),
        "gone".to_owned(),
        Some(begun.elapsed()),
        wrong,
    ));

    let begun = Instant::now();
    let mut wrong = Vec::new();
    for path in &made {
        // First one that stays, then one that is being deleted.
        for (what, finalizers) in [("of two", json!([HELD])), ("of one that is being deleted", json!([]))] {
            if what == "of two" {
                let two = json!({"metadata": {"finalizers": [HELD, "example.com/other"]}});
                if let Some(why) = refusal(cluster, path, &two) {
                    wrong.push(format!("adding one to {path}: {why}"));
                }
            } else {
                let _ = cluster.admin.call("DELETE", path, &json!({}));
            }
            let patch = json!({"metadata": {"finalizers": finalizers}});
            if let Some(why) = refusal(cluster, path, &patch) {
                // Whoever guards finalizers says so; nothing else may be in their way.
                if !why.contains("finalizer") {
                    wrong.push(format!("{what}, {path}: {why}"));
                }
            }
        }
    }
    let said = format!("{} objects, each before and during its deletion", made.len());
    rows.push(Row::found(
        &format!("{profile}: finalizers are removed from bad objects"),
        said,
        Some(begun.elapsed()),
        wrong,
    ));
    let begun = Instant::now();
    let wrong = namespace_ends(cluster, &bad);
    rows.push(Row::found(
        &format!("{profile}: the Namespace with the bad objects is deleted"),
        "gone".to_owned(),
        Some(begun.elapsed()),
        wrong,
    ));
    rows
}

fn refusal(cluster: &Cluster, path: &str, patch: &Value) -> Option<String> {
    match cluster.admin.call("MERGE", path, patch) {
        Ok(answer) if answer.succeeded() || answer.code == 404 => None,
        Ok(answer) => Some(answer.message().chars().take(400).collect()),
        Err(error) => Some(error),
    }
}
