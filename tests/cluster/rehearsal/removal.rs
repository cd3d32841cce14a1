//! stategate goes: whatever the order, nothing is left behind, and nothing waits for what is gone.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::text;
use super::cluster::{Cluster, SOON};
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

/// What is left of stategate, and what hangs.
fn left(cluster: &Cluster, but: &[&str]) -> Vec<String> {
    let leftovers = || {
        let mut all = cluster.leftovers();
        all.retain(|one| !but.iter().any(|but| one.starts_with(but)));
        all
    };
    wait_until(LEAVING, || leftovers().is_empty() && cluster.running().is_empty());
    let mut left = leftovers();
    left.extend(cluster.running().into_iter().map(|one| format!("{} runs", one.pod)));
    if left.is_empty() { left } else { vec![format!("left behind: {}", left.join(", "))] }
}

/// `helm uninstall` under load: nothing good is refused, and nothing is left.
pub fn helm_uninstall(cluster: &Cluster, load: &Load) -> Row {
    let (mark, begun) = (load.mark(), Instant::now());
    let output = cluster.helm(&["uninstall", "stategate"]);
    let mut wrong = if output.succeeded() { Vec::new() } else { vec![format!("{output:?}")] };
    wrong.extend(left(cluster, &[]));
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

/// Deletes the objects of the manifest one after the other, each to its end.
fn in_order(cluster: &Cluster, seed: u64) -> Row {
    let manifest = cluster.manifest();
    let documents = stategate::yaml::read(&manifest).unwrap().into_iter().map(|document| document.value);
    let mut objects: Vec<Value> = documents
        .filter(|object| !object.is_null() && object["kind"] != "CustomResourceDefinition")
        .collect();
    cluster.kubectl.run(&["create", "namespace", super::cluster::OWN], "");
    let applied = cluster.kubectl.run(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest);
    assert!(applied.succeeded(), "{applied:?}");
    assert!(wait_until(SOON, || cluster.is_whole()), "{}", cluster.state());
    // xorshift: the same orders in each run.
    let mut state = seed * 2 + 0x9E37_79B9_7F4A_7C15;
    for last in (1..objects.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        objects.swap(last, (state % (last as u64 + 1)) as usize);
    }
    let begun = Instant::now();
    let mut wrong = Vec::new();
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
    // Replicas make them: they are in no manifest, and go with the namespace.
    wrong.extend(left(cluster, &["Lease", "Secret"]));
    let first: Vec<&str> = objects.iter().take(4).map(|object| text(object, "/kind")).collect();
    Row::found(
        &format!("kubectl delete, order {seed}"),
        format!("{} objects, first {}", objects.len(), first.join(", ")),
        Some(took),
        wrong,
    )
}
