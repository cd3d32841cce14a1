//! New versions, new values and new Pods, while clients write.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cluster::{Cluster, OTHER, OTHERWISE, SOON};
use super::crashes::{CLIENTS, prepared, whole};
use super::load::Load;
use super::table::{NOTHING, Row, row, under_load};
use crate::harness::wait_until;

/// Rolling restarts in a row.
const RESTARTS: usize = 10;
/// Requests a second while they happen, unless the environment says another number: what a debug build on two cores
/// can do beside the control plane.
const RATE: f64 = 40.0;

fn rate() -> f64 {
    std::env::var("REHEARSAL_RATE").ok().and_then(|rate| rate.parse().ok()).unwrap_or(RATE)
}

/// helm brings another version, and the one before again.
pub fn upgrades(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::start(cluster, CLIENTS);
    let steps: [(&str, &[&str]); 3] = [
        ("helm upgrade to another version", OTHER),
        ("helm upgrade, more replicas and other values", OTHERWISE),
        ("helm upgrade back", &[]),
    ];
    for (fault, values) in steps {
        rows.push(under_load(&load, fault, NOTHING, || {
            let output = cluster.upgrade(values);
            let mut wrong = if output.succeeded() { Vec::new() } else { vec![format!("{output:?}")] };
            std::thread::sleep(Duration::from_secs(1));
            wrong.extend(whole(cluster));
            wrong
        }));
    }
    rows.push(under_load(&load, "helm rollback", NOTHING, || {
        let output = cluster.helm(&["rollback", "stategate"]);
        let mut wrong = if output.succeeded() { Vec::new() } else { vec![format!("{output:?}")] };
        std::thread::sleep(Duration::from_secs(1));
        wrong.extend(whole(cluster));
        wrong
    }));
    rows
}

/// Ten rolling restarts at a steady rate.
pub fn restarts(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::steady(cluster, rate());
    std::thread::sleep(Duration::from_secs(5));
    let (mark, begun) = (load.mark(), Instant::now());
    let mut wrong = Vec::new();
    for number in 1..=RESTARTS {
        cluster.kubectl.ok(&["rollout", "restart", "deployment/stategate", "-n", super::cluster::OWN], "");
        std::thread::sleep(Duration::from_secs(1));
        if !wait_until(SOON, || cluster.is_whole()) {
            println!("{}", cluster.state());
            wrong.push(format!("restart {number}: not all replicas are ready and asked"));
        }
        println!("  restart {number} after {} s", begun.elapsed().as_secs());
    }
    let took = begun.elapsed();
    let seen = load.since(mark);
    let rate = seen.events.len() as f64 / took.as_secs_f64();
    rows.push(row(
        &format!("{RESTARTS} rolling restarts, {rate:.0} requests a second"),
        &seen,
        begun,
        NOTHING,
        wrong,
    ));
    rows.push(share(cluster));
    let _ = load.stop();
    rows
}

/// How requests are shared out between the replicas that there are, a minute after the last one came.
fn share(cluster: &Cluster) -> Row {
    let before: BTreeMap<String, u64> = cluster.reviews().into_iter().collect();
    std::thread::sleep(Duration::from_secs(30));
    let each: Vec<u64> = cluster
        .reviews()
        .into_iter()
        .map(|(pod, count)| count - before.get(&pod).copied().unwrap_or_default())
        .collect();
    let all: u64 = each.iter().sum();
    let parts: Vec<String> =
        each.iter().map(|count| format!("{:.0} %", *count as f64 * 100.0 / all.max(1) as f64)).collect();
    Row::found(
        "share of each replica in 30 s",
        format!("{all} reviews: {}", parts.join(", ")),
        None,
        Vec::new(),
    )
}
