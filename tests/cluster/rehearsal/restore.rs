//! A namespace is restored from a backup in the order and form in which Velero does it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, text};
use super::cluster::{Cluster, SOON};
use super::crashes::prepared_with;
use super::load::bad_set;
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
/// Velero, as the API server knows it.
const VELERO: &str = "system:serviceaccount:velero:velero";
/// What is in the backup from a time before stategate: a set and a claim that it refuses.
const OLD: &str = "old";

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
    let mut rows = vec![prepared_with(cluster, &["decisionLog.enabled=true"])];
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
    let sound = backup.clone();
    for (kind, group, plural, object) in old() {
        backup.push((path(group, plural), stripped(&object, kind, group)));
    }
    let before = Recorded::by(cluster);
    rows.push(restore(cluster, "velero's ServiceAccount", &velero, &backup));
    let refused = refused_policies(cluster);
    rows.push(recorded(cluster, &backup, &before, &refused));
    rows.push(forged(cluster, &refused));
    let wrong = lost(cluster);
    rows.push(Row::found("it is lost again", "gone".to_owned(), None, wrong));
    rows.push(restore(cluster, "an administrator", &admin, &sound));
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

/// Objects that are refused to everybody else: kind, group, plural and content.
fn old() -> [(&'static str, &'static str, &'static str, Value); 2] {
    let mut set = bad_set(OLD);
    set["metadata"]["namespace"] = STORES.into();
    // Without a unit it is ten bytes.
    let mut claim = stategate::yaml::read(&crate::claim(OLD)).unwrap().remove(0).value;
    claim["metadata"]["namespace"] = STORES.into();
    claim["spec"]["resources"]["requests"]["storage"] = json!("10");
    [
        ("StatefulSet", "apis/apps/v1", "statefulsets", set),
        ("PersistentVolumeClaim", "api/v1", "persistentvolumeclaims", claim),
    ]
}

/// The policies that refuse these objects to somebody without any sign of Velero, by kind.
fn refused_policies(cluster: &Cluster) -> Vec<(&'static str, BTreeSet<String>)> {
    let refused = |(kind, group, plural, mut object): (&'static str, &str, &str, Value)| {
        object["metadata"]["namespace"] = "shop".into();
        let name = format!("plain-{OLD}");
        object["metadata"]["name"] = name.as_str().into();
        let path = format!("/{group}/namespaces/shop/{plural}?dryRun=All");
        let _ = cluster.client("dev").call("POST", &path, &object);
        (kind, denied(cluster, (kind, &name)))
    };
    old().into_iter().map(refused).collect()
}

/// The policies of the findings with this action, and the entries, in what the decision log has of the creation of an
/// object of this kind and name.
fn logged(cluster: &Cluster, (kind, name): (&str, &str), action: &str) -> (BTreeSet<String>, Vec<Value>) {
    let mut entries = Vec::new();
    // Lines are written a moment later.
    wait_until(Duration::from_secs(10), || {
        entries = cluster.decisions();
        entries
            .retain(|entry| entry["name"] == name && entry["kind"] == kind && entry["operation"] == "CREATE");
        entries.iter().any(|entry| text(entry, "/webhook").starts_with("validate"))
    });
    let findings = entries.iter().flat_map(|entry| entry["findings"].as_array().into_iter().flatten());
    let of = findings.filter(|finding| finding["action"] == action);
    (of.map(|finding| text(finding, "/policy").to_owned()).collect(), entries.clone())
}

fn denied(cluster: &Cluster, what: (&str, &str)) -> BTreeSet<String> {
    logged(cluster, what, "deny").0
}

/// What replicas have counted so far.
struct Recorded {
    warned: u64,
}

impl Recorded {
    fn by(cluster: &Cluster) -> Self {
        let warned = cluster.metric("stategate_violations_total", "action=\"warn\"");
        Self { warned: warned.into_iter().map(|(_, count)| count).sum() }
    }
}

/// Each object that Velero restores and that stategate is asked about is in the decision log, as Velero's; what is refused
/// to others is there with each policy that refuses it, as a warning, and is counted.
fn recorded(
    cluster: &Cluster,
    backup: &[(String, Value)],
    before: &Recorded,
    refused: &[(&'static str, BTreeSet<String>)],
) -> Row {
    let (mut wrong, mut entries) = (Vec::new(), 0);
    let asked = |object: &Value| ["StatefulSet", "PersistentVolumeClaim"].contains(&text(object, "/kind"));
    for (_, object) in backup.iter().filter(|(_, object)| asked(object)) {
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        let (warned, mut all) = logged(cluster, (kind, name), "warn");
        all.retain(|entry| entry["user"]["name"] == VELERO);
        entries += all.len();
        let validated = |entry: &&Value| text(entry, "/webhook").starts_with("validate");
        if !all.iter().any(|entry| validated(&entry)) || all.iter().any(|entry| entry["allowed"] != true) {
            wrong.push(format!("{kind} {name} is not in the log as allowed to Velero"));
        }
        if name != OLD {
            continue;
        }
        let policies = refused.iter().find(|(of, _)| *of == kind).map(|(_, policies)| policies.clone());
        let policies = policies.unwrap_or_default();
        if policies.is_empty() || !policies.is_subset(&warned) {
            wrong.push(format!("{kind} {name}: refused to others by {policies:?}, recorded are {warned:?}"));
        }
    }
    let policies: usize = refused.iter().map(|(_, policies)| policies.len()).sum();
    let counted = Recorded::by(cluster).warned.saturating_sub(before.warned);
    if counted < policies as u64 {
        wrong.push(format!("{counted} warnings are counted"));
    }
    Row::found(
        "what velero restores is recorded",
        format!(
            "{entries} entries of the decision log; {policies} refusals of others are warnings, {counted} counted"
        ),
        None,
        wrong,
    )
}

/// An ordinary user makes what is refused look as if Velero restored it: refused by the same policies.
fn forged(cluster: &Cluster, refused: &[(&'static str, BTreeSet<String>)]) -> Row {
    let owner = json!([{"apiVersion": "velero.io/v1", "kind": "Restore", "name": "rehearsal", "uid": "0f3f", "controller": true}]);
    let notes = json!({"velero.io/restore-name": "rehearsal", "velero.io/backup-name": "rehearsal",
        "velero.io/change-storage-class": "yes", "stategate.io/restored-by": "velero"});
    let forgeries = [
        (
            "labels",
            json!({"labels": {"velero.io/restore-name": "rehearsal", "velero.io/backup-name": "rehearsal",
            "app.kubernetes.io/managed-by": "velero"}}),
        ),
        ("annotations", json!({"annotations": notes})),
        ("owner", json!({"ownerReferences": owner})),
        (
            "fields",
            json!({"managedFields": [{"manager": "velero", "operation": "Update", "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1", "fieldsV1": {}}]}),
        ),
    ];
    for namespace in ["shop", "velero2"] {
        cluster.kubectl.run(&["create", "namespace", namespace], "");
        cluster.kubectl.ok(&["create", "serviceaccount", "velero", "-n", namespace], "");
        let (role, account) = (format!("velero-{namespace}"), format!("--serviceaccount={namespace}:velero"));
        let binding = [
            "create",
            "rolebinding",
            &role,
            "-n",
            "shop",
            "--clusterrole=system:aggregate-to-edit",
            &account,
        ];
        cluster.kubectl.ok(&binding, "");
    }
    let account = |namespace: &str| Client::of(&cluster.account("velero", namespace));
    let who = [
        ("dev", cluster.client("dev")),
        ("shop's velero", account("shop")),
        ("velero2's velero", account("velero2")),
    ];
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (user, client) in &who {
        for (sign, metadata) in &forgeries {
            for (kind, group, plural, mut object) in old() {
                let name = format!("forged-{tried}");
                object["metadata"]["namespace"] = "shop".into();
                object["metadata"]["name"] = name.as_str().into();
                for (key, value) in metadata.as_object().into_iter().flatten() {
                    object["metadata"][key] = value.clone();
                }
                let path = format!("/{group}/namespaces/shop/{plural}?dryRun=All&fieldManager=velero");
                let answer = client.call("POST", &path, &object);
                let denied = denied(cluster, (kind, &name));
                let same = refused.iter().any(|(of, policies)| *of == kind && policies.is_subset(&denied));
                if !answer.as_ref().is_ok_and(|answer| answer.message().contains("denied the request"))
                    || !same
                {
                    wrong.push(format!("{kind} of {user} with {sign}: {answer:?}, denied by {denied:?}"));
                }
                tried += 1;
            }
        }
    }
    Row::found("forged as velero's by others", format!("{tried} ways, each refused"), None, wrong)
}
