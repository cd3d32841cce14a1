//! A namespace is restored from a backup in the order and form in which Velero does it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, text};
use super::cluster::{Cluster, SOON};
use super::crashes::prepared;
use super::table::Row;
use crate::harness::wait_until;

/// Velero's order of what there is here: what others need comes first, Pods before their controllers.
const ORDER: [(&str, &str); 9] = [
    ("api/v1", "persistentvolumes"),
    ("api/v1", "persistentvolumeclaims"),
    ("api/v1", "secrets"),
    ("api/v1", "configmaps"),
    ("api/v1", "serviceaccounts"),
    ("api/v1", "pods"),
    ("apis/apps/v1", "replicasets"),
    ("apis/apps/v1", "statefulsets"),
    ("apis/policy/v1", "poddisruptionbudgets"),
];
/// What is backed up.
const STORES: &str = "stores";

fn path(group: &str, plural: &str) -> String {
    if plural == "persistentvolumes" {
        format!("/{group}/{plural}")
    } else {
        format!("/{group}/namespaces/{STORES}/{plural}")
    }
}

/// An object as Velero sends it: nothing that the API server gave it, and no owners.
fn stripped(object: &Value, kind: &str, group: &str) -> Value {
    let mut object = object.clone();
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    metadata.retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
    if let Some(notes) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        notes.retain(|key, _| {
            !key.starts_with("pv.kubernetes.io/b") && !key.starts_with("volume.kubernetes.io/selected-node")
        });
    }
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    labels["velero.io/restore-name"] = "rehearsal".into();
    labels["velero.io/backup-name"] = "rehearsal".into();
    object["status"].take();
    object.as_object_mut().expect("an object").remove("status");
    object["kind"] = kind.into();
    object["apiVersion"] = group.trim_start_matches("apis/").trim_start_matches("api/").into();
    if kind == "PersistentVolume" {
        let claim = object["spec"]["claimRef"].clone();
        object["spec"]["claimRef"] =
            json!({"kind": claim["kind"], "namespace": claim["namespace"], "name": claim["name"]});
    }
    if kind == "Pod" {
        let spec = object["spec"].as_object_mut().expect("a spec");
        spec.remove("nodeName");
        // The token that every Pod gets is another one.
        let own = |volume: &Value| text(volume, "/name").starts_with("kube-api-access");
        if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
            volumes.retain(|volume| !own(volume));
        }
        for container in spec["containers"].as_array_mut().into_iter().flatten() {
            if let Some(mounts) = container["volumeMounts"].as_array_mut() {
                mounts.retain(|mount| !own(mount));
            }
        }
    }
    object
}

/// A backup of a namespace with databases, its loss, and its restore.
pub fn restored(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let admin = cluster.admin.clone();
    cluster.kubectl.ok(&["create", "namespace", STORES], "");
    let store = crate::GOOD
        .replace("namespace: shop", &format!("namespace: {STORES}"))
        .replace("minReadySeconds: 10", "minReadySeconds: 1");
    cluster.kubectl.ok(&["apply", "-f", "-"], &store);
    let sets = path("apis/apps/v1", "statefulsets");
    let ready = || admin.get(&format!("{sets}/pg")).unwrap_or_default()["status"]["availableReplicas"] == 3;
    let mut wrong = Vec::new();
    if !wait_until(SOON, ready) {
        wrong.push("the database is not ready before the backup".to_owned());
    }
    let kinds = [
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Secret",
        "ConfigMap",
        "ServiceAccount",
        "Pod",
        "ReplicaSet",
        "StatefulSet",
        "PodDisruptionBudget",
    ];
    let mut backup = Vec::new();
    for ((group, plural), kind) in ORDER.into_iter().zip(kinds) {
        for object in admin.list(&path(group, plural)).unwrap_or_default() {
            let of_stores = kind != "PersistentVolume" || object["spec"]["claimRef"]["namespace"] == STORES;
            let made_anew = ["default", "kube-root-ca.crt"].contains(&text(&object, "/metadata/name"));
            if of_stores && !made_anew {
                backup.push((path(group, plural), stripped(&object, kind, group)));
            }
        }
    }
    wrong.extend(lost(cluster));
    rows.push(Row::found(
        "a namespace is backed up and lost",
        format!("{} objects", backup.len()),
        None,
        wrong,
    ));
    cluster.kubectl.ok(&["create", "namespace", "velero"], "");
    cluster.kubectl.ok(&["create", "serviceaccount", "velero", "-n", "velero"], "");
    let grant = [
        "create",
        "clusterrolebinding",
        "velero",
        "--clusterrole=cluster-admin",
        "--serviceaccount=velero:velero",
    ];
    cluster.kubectl.ok(&grant, "");
    let velero = Client::of(&cluster.account("velero", "velero"));
    rows.push(restore(cluster, "velero's ServiceAccount", &velero, &backup));
    let wrong = lost(cluster);
    rows.push(Row::found("it is lost again", "gone".to_owned(), None, wrong));
    rows.push(restore(cluster, "an administrator", &admin, &backup));
    rows
}

/// The namespace and its volumes go; what went wrong.
fn lost(cluster: &Cluster) -> Vec<String> {
    let wrong = super::deletion::namespace_ends(cluster, STORES);
    for volume in cluster.admin.list("/api/v1/persistentvolumes").unwrap_or_default() {
        if volume["spec"]["claimRef"]["namespace"] == STORES {
            let name = text(&volume, "/metadata/name");
            let volume = format!("/api/v1/persistentvolumes/{name}");
            let confirmed = json!({"stategate.io/confirm-delete": name,
                "stategate.io/confirm-finalizer-removal": "kubernetes.io/pv-protection"});
            let _ = cluster.admin.call("MERGE", &volume, &json!({"metadata": {"annotations": confirmed}}));
            let _ = cluster.admin.call("MERGE", &volume, &json!({"metadata": {"finalizers": []}}));
            cluster.delete(&volume);
        }
    }
    wrong
}

fn restore(cluster: &Cluster, who: &str, client: &Client, backup: &[(String, Value)]) -> Row {
    let begun = Instant::now();
    cluster.kubectl.ok(&["create", "namespace", STORES], "");
    let account = format!("/api/v1/namespaces/{STORES}/serviceaccounts/default");
    wait_until(SOON, || cluster.admin.get(&account).is_some());
    let mut wrong = Vec::new();
    for (path, object) in backup {
        let what = format!("{} {}", text(object, "/kind"), text(object, "/metadata/name"));
        match client.call("POST", path, object) {
            Ok(answer) if answer.succeeded() || answer.code == 409 => {}
            Ok(answer) => {
                wrong.push(format!("{what}: {}", answer.message().chars().take(500).collect::<String>()))
            }
            Err(error) => wrong.push(format!("{what}: {error}")),
        }
    }
    let sets = path("apis/apps/v1", "statefulsets");
    let ready =
        || cluster.admin.get(&format!("{sets}/pg")).unwrap_or_default()["status"]["availableReplicas"] == 3;
    if !wait_until(Duration::from_secs(90), ready) {
        wrong.push("the database does not become ready again".to_owned());
    }
    let bound = cluster.admin.list(&path("api/v1", "persistentvolumeclaims")).unwrap_or_default();
    let bound = bound.iter().filter(|claim| claim["status"]["phase"] == "Bound").count();
    Row::found(
        &format!("restore by {who}"),
        format!("{} objects, {bound} claims bound", backup.len()),
        Some(begun.elapsed()),
        wrong,
    )
}
