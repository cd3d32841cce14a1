//! Somebody removes what stategate lives on. It should be right again without a person.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::text;
use super::cluster::{CONFIGURATIONS, Cluster, OWN, SOON};
use super::crashes::{CLIENTS, prepared, whole};
use super::load::{Load, Seen};
use super::table::{Allowed, Row, row};
use crate::harness::wait_until;

/// How soon it must be right again by itself.
const REPAIR: Duration = Duration::from_secs(90);

/// What is there of an object, without what every write changes.
fn content(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| ["name", "namespace", "labels"].contains(&key.as_str()));
    }
    if object["kind"] == "CustomResourceDefinition" {
        object["status"].take();
    }
    // What is in a certificate is another one each time; that there is one counts.
    if let Some(data) = object["data"].as_object_mut() {
        data.values_mut().for_each(|value| *value = Value::Null);
    }
    if object["kind"] == "Lease" {
        object["spec"].take();
    }
    object
}

/// Who brings back what was deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RepairedBy {
    Stategate,
    /// Stategate has no right to make it.
    Person,
}

/// The objects are deleted; whether they come back, and what clients see of it.
fn deleted(
    cluster: &Cluster,
    load: &Load,
    what: &str,
    paths: &[&str],
    seen: &'static [Seen],
    by: RepairedBy,
) -> Row {
    println!("- {what} deleted");
    let read = |path: &&str| cluster.admin.get(path).map(|object| content(&object));
    let before: Vec<Option<Value>> = paths.iter().map(read).collect();
    if before.iter().any(Option::is_none) {
        return Row::found(&format!("{what} deleted"), "there is none".to_owned(), None, Vec::new());
    }
    let id = |object: &Value| text(object, "/metadata/uid").to_owned();
    let ids: Vec<Option<String>> =
        paths.iter().map(|path| cluster.admin.get(path).map(|object| id(&object))).collect();
    let (mark, begun) = (load.mark(), Instant::now());
    paths.iter().for_each(|path| cluster.delete(path));
    // Another object with the same content: the old one may still be on its way out.
    let again = |(path, old): (&&str, &Option<String>)| cluster.admin.get(path).map(|now| id(&now)) != *old;
    let same = || paths.iter().map(read).collect::<Vec<_>>() == before && paths.iter().zip(&ids).all(again);
    let repaired = by == RepairedBy::Stategate && wait_until(REPAIR, || same() && cluster.judges());
    let took = begun.elapsed();
    let mut wrong = Vec::new();
    if !repaired {
        if by == RepairedBy::Stategate {
            wrong.push(
                if same() {
                    "back, but stategate is not asked"
                } else {
                    "not repaired: a person must run helm upgrade"
                }
                .to_owned(),
            );
        }
        let output = cluster.upgrade(&[]);
        if !output.succeeded() {
            wrong.push(format!("and helm cannot: {}", output.stderr.trim()));
        }
        // New Pods take up what has changed.
        cluster.kubectl.run(&["rollout", "restart", "deployment/stategate", "-n", OWN], "");
        std::thread::sleep(Duration::from_secs(1));
        wrong.extend(whole(cluster));
        if by == RepairedBy::Person && !same() {
            wrong.push("helm upgrade does not bring it back".to_owned());
        }
    }
    load.calms(mark, SOON);
    let again = match (repaired, by) {
        (true, _) => format!(": right again after {:.1} s", took.as_secs_f64()),
        (false, RepairedBy::Person) => ": back with helm upgrade".to_owned(),
        (false, RepairedBy::Stategate) => String::new(),
    };
    let said = format!("{what} deleted{again}");
    row(&said, &load.since(mark), begun, Allowed { seen, within: REPAIR + SOON }, wrong)
}

/// Rights are revoked for some time, and given back.
fn without_rights(cluster: &Cluster, load: &Load) -> Row {
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/stategate";
    let binding = cluster.admin.get(path).expect("there is a binding");
    println!("- rights revoked");
    let (mark, begun) = (load.mark(), Instant::now());
    cluster.delete(path);
    std::thread::sleep(Duration::from_secs(30));
    // While they are missing, replicas are restarted by somebody who wants to help.
    cluster.kubectl.ok(&["rollout", "restart", "deployment/stategate", "-n", OWN], "");
    std::thread::sleep(Duration::from_secs(40));
    let without = cluster.judges();
    let mut again = content(&binding);
    again["roleRef"] = binding["roleRef"].clone();
    let made = cluster.admin.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &again);
    let back = Instant::now();
    let mut wrong: Vec<String> = made.err().into_iter().collect();
    wrong.extend(whole(cluster));
    let took = back.elapsed();
    load.calms(mark, SOON);
    if !without {
        wrong.push("without rights, policies that need none do not judge".to_owned());
    }
    let said = format!(
        "rights revoked for 70 s, replicas restarted meanwhile; whole {:.1} s after they were given back",
        took.as_secs_f64()
    );
    // Policies that need the cluster say that they do not know.
    let allowed = Allowed { seen: &[Seen::FailedOpen], within: Duration::from_secs(70) + SOON };
    row(&said, &load.since(mark), begun, allowed, wrong)
}

/// Everything that stategate lives on is removed, one after the other.
pub fn damage(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::start(cluster, CLIENTS);
    rows.push(without_rights(cluster, &load));
    let lease = format!("/apis/coordination.k8s.io/v1/namespaces/{OWN}/leases/stategate");
    rows.push(deleted(cluster, &load, "the Lease", &[&lease], &[], RepairedBy::Stategate));
    rows.push(deleted(
        cluster,
        &load,
        "the mutating configuration",
        &CONFIGURATIONS[1..],
        // What nobody makes better is refused where policies would deny it.
        &[Seen::Unmutated, Seen::WronglyRefused],
        RepairedBy::Stategate,
    ));
    let open = &[Seen::WronglyAllowed, Seen::FailedOpen, Seen::Unmutated];
    rows.push(deleted(
        cluster,
        &load,
        "both webhook configurations",
        &CONFIGURATIONS,
        open,
        RepairedBy::Stategate,
    ));
    rows.push(emptied(cluster, &load));
    let definitions = ["policies", "policybindings", "policyexceptions"].map(|plural| {
        format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.stategate.io")
    });
    rows.push(deleted(cluster, &load, "a definition", &[&definitions[1]], &[], RepairedBy::Person));
    let secret = certificate(cluster);
    rows.push(deleted(
        cluster,
        &load,
        "the Secret of the certificate",
        &[&secret],
        &[],
        RepairedBy::Stategate,
    ));
    rows.push(deleted_with_restart(cluster, &load, &secret));
    rows
}

/// The Secret of the certificate, whatever the release calls it.
fn certificate(cluster: &Cluster) -> String {
    let secrets = cluster.admin.list(&format!("/api/v1/namespaces/{OWN}/secrets")).unwrap_or_default();
    let of_tls = secrets.iter().find(|secret| secret["data"].get("tls.crt").is_some());
    let name = of_tls.map(|secret| text(secret, "/metadata/name")).unwrap_or("stategate-tls");
    format!("/api/v1/namespaces/{OWN}/secrets/{name}")
}

/// The Secret is deleted and all replicas start anew: the worst moment.
fn deleted_with_restart(cluster: &Cluster, load: &Load, secret: &str) -> Row {
    println!("- the Secret deleted, replicas restarted");
    let (mark, begun) = (load.mark(), Instant::now());
    cluster.delete(secret);
    cluster.kubectl.ok(&["rollout", "restart", "deployment/stategate", "-n", OWN], "");
    std::thread::sleep(Duration::from_secs(1));
    let mut wrong = Vec::new();
    if !wait_until(REPAIR, || cluster.is_whole()) {
        wrong.push("not repaired: a person must run helm upgrade".to_owned());
        let output = cluster.upgrade(&[]);
        if !output.succeeded() {
            wrong.push(format!("and helm cannot: {}", output.stderr.trim()));
        }
        wrong.extend(whole(cluster));
    }
    load.calms(mark, SOON);
    let allowed = Allowed { seen: super::table::NO_ANSWER, within: REPAIR + SOON };
    row("the Secret of the certificate deleted, replicas restarted", &load.since(mark), begun, allowed, wrong)
}

/// Somebody edits a configuration: `failurePolicy: Ignore` and no authorities.
fn emptied(cluster: &Cluster, load: &Load) -> Row {
    println!("- a webhook configuration edited");
    let before = cluster.admin.get(CONFIGURATIONS[0]).map(|object| content(&object)).unwrap_or_default();
    let (mark, begun) = (load.mark(), Instant::now());
    let patch = json!([
        {"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"},
        {"op": "remove", "path": "/webhooks/0/rules/0"},
    ]);
    let mut wrong: Vec<String> =
        cluster.admin.call("PATCH", CONFIGURATIONS[0], &patch).err().into_iter().collect();
    let same = || cluster.admin.get(CONFIGURATIONS[0]).is_some_and(|now| content(&now) == before);
    let repaired = wait_until(REPAIR, same);
    let took = begun.elapsed();
    if !repaired {
        wrong.push("not repaired: a person must run helm upgrade".to_owned());
        // helm takes what a person changed for wanted as long as the chart says the same: it must be made anew.
        cluster.delete(CONFIGURATIONS[0]);
        let output = cluster.upgrade(&[]);
        if !output.succeeded() {
            wrong.push(format!("and helm cannot: {}", output.stderr.trim()));
        }
        wrong.extend(whole(cluster));
    }
    load.calms(mark, SOON);
    let said = format!(
        "a webhook configuration edited{}",
        if repaired { format!(": right again after {:.1} s", took.as_secs_f64()) } else { String::new() }
    );
    let open = &[Seen::WronglyAllowed, Seen::FailedOpen, Seen::Unmutated];
    row(&said, &load.since(mark), begun, Allowed { seen: open, within: REPAIR + SOON }, wrong)
}
