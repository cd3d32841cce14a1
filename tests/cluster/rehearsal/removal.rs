//! stategate goes: whatever the order, nothing is left behind but what is to stay, and nothing waits for what is gone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::text;
use super::cluster::{Cluster, OWN, SOON};
use super::crashes::{CLIENTS, prepared};
use super::load::{Load, Seen};
use super::table::{Allowed, Row, row};
use crate::harness::wait_until;

/// How many orders are tried.
const ORDERS: u64 = 50;
/// Pods take their time to end.
const LEAVING: Duration = Duration::from_secs(60);
/// What clients see once nobody is to be asked any more; before, nothing good is refused.
const GONE: Allowed = Allowed {
    seen: &[Seen::WronglyAllowed, Seen::FailedOpen, Seen::Unmutated],
    within: Duration::from_secs(3600),
};

/// What is left of stategate, but for what is to stay, and what hangs.
fn left(cluster: &Cluster, stays: &[&str]) -> Vec<String> {
    let is_left = |one: &String| !stays.iter().any(|stays| one.starts_with(stays));
    let mut left = Vec::new();
    // The end of Pods is cheaper to see.
    wait_until(LEAVING, || cluster.running().is_empty());
    let begun = Instant::now();
    while begun.elapsed() < LEAVING {
        left = cluster.leftovers();
        left.retain(is_left);
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    left.extend(cluster.running().into_iter().map(|one| format!("{} runs", one.pod)));
    if left.is_empty() { left } else { vec![format!("left behind: {}", left.join(", "))] }
}

/// Helm keeps the definitions, since all policies go with them, what is made by them, and the Namespace, which it made
/// but does not own. What it says about what happened is the API server's, and goes after an hour.
const KEPT_BY_HELM: [&str; 4] = [DEFINITION, SERVED, NAMESPACE, "Event stategate-system/"];
/// How [`Cluster::leftovers`] names things.
const DEFINITION: &str = "CustomResourceDefinition /";
const NAMESPACE: &str = "Namespace /stategate-system";
/// The API server makes it for the definitions.
const SERVED: &str = "APIService /v1alpha1.stategate.io";
const DEFINITIONS: [&str; 3] = ["policies", "policybindings", "policyexceptions"];

/// Which of what is to stay is gone.
fn missing(cluster: &Cluster, stays: &[String]) -> Vec<String> {
    let there = cluster.leftovers();
    let missing: Vec<&str> = stays.iter().filter(|one| !there.contains(one)).map(String::as_str).collect();
    if missing.is_empty() { Vec::new() } else { vec![format!("gone: {}", missing.join(", "))] }
}

fn definitions() -> Vec<String> {
    let definitions = DEFINITIONS.iter().map(|plural| format!("{DEFINITION}{plural}.stategate.io"));
    definitions.chain([SERVED.to_owned()]).collect()
}

/// `helm uninstall` under load: nothing good is refused, and nothing is left but what helm keeps.
pub fn helm_uninstall(cluster: &Cluster, load: &Load) -> Row {
    let (mark, begun) = (load.mark(), Instant::now());
    let output = cluster.helm(&["uninstall", "stategate"]);
    let mut wrong = if output.succeeded() { Vec::new() } else { vec![format!("{output:?}")] };
    wrong.extend(left(cluster, &KEPT_BY_HELM));
    wrong.extend(missing(cluster, &[definitions(), vec![NAMESPACE.to_owned()]].concat()));
    std::thread::sleep(Duration::from_secs(3));
    row("helm uninstall (afterwards bad things are done)", &load.since(mark), begun, GONE, wrong)
}

/// Uninstalls by helm, and by kubectl in random orders.
pub fn uninstall(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::start(cluster, CLIENTS);
    rows.push(helm_uninstall(cluster, &load));
    drop(load.stop());
    for order in 0..ORDERS {
        rows.push(in_order(cluster, order));
    }
    rows
}

/// What people have made with the definitions: gone with them, there without.
const MADE: &str = "
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: patient}
spec: {policies: {ids: [backup-declared]}, match: {namespaces: [other]}, override: true, action: audit}
---
apiVersion: stategate.io/v1alpha1
kind: PolicyException
metadata: {name: patient, namespace: shop}
spec: {policies: [backup-declared], match: {names: [other]}, reason: until the migration}
";

/// Deletes the objects of the manifest and the Namespace one after the other, each to its end; in every other order the
/// definitions, too.
fn in_order(cluster: &Cluster, seed: u64) -> Row {
    let all = seed % 2 == 1;
    // How long replicas drain is another matter.
    let manifest = cluster.manifest(&["drainDelaySeconds=1"]);
    let documents = stategate::yaml::read(&manifest).unwrap().into_iter().map(|document| document.value);
    let mut objects: Vec<Value> = documents
        .filter(|object| !object.is_null() && (all || object["kind"] != "CustomResourceDefinition"))
        .collect();
    objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OWN}}));
    cluster.kubectl.run(&["create", "namespace", OWN], "");
    let applied = cluster.kubectl.run(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest);
    assert!(applied.succeeded(), "{applied:?}");
    assert!(wait_until(SOON, || cluster.is_whole()), "{}", cluster.state());
    let made = cluster.kubectl.apply(MADE);
    let mut wrong = if made.succeeded() { Vec::new() } else { vec![made.stderr] };
    // xorshift: the same orders in each run.
    let mut state = seed * 2 + 0x9E37_79B9_7F4A_7C15;
    for last in (1..objects.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        objects.swap(last, (state % (last as u64 + 1)) as usize);
    }
    let begun = Instant::now();
    for object in &objects {
        let output = cluster
            .kubectl
            .run(&["delete", "-f", "-", "--ignore-not-found", "--timeout=50s"], &object.to_string());
        if !output.succeeded() {
            wrong.push(format!(
                "{} {}: {}",
                text(object, "/kind"),
                text(object, "/metadata/name"),
                output.stderr.trim()
            ));
        }
    }
    let took = begun.elapsed();
    if all {
        wrong.extend(left(cluster, &[]));
    } else {
        let made = ["PolicyBinding /patient", "PolicyException shop/patient"].map(str::to_owned);
        let stays = [definitions(), made.to_vec()].concat();
        wrong.extend(left(cluster, &stays.iter().map(String::as_str).collect::<Vec<_>>()));
        wrong.extend(missing(cluster, &stays));
    }
    let first: Vec<&str> = objects.iter().take(4).map(|object| text(object, "/kind")).collect();
    let what = if all { ", definitions among them" } else { "" };
    Row::found(
        &format!("kubectl delete, order {seed}"),
        format!("{} objects{what}, first {}", objects.len(), first.join(", ")),
        Some(took),
        wrong,
    )
}
