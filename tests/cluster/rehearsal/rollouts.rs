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
/// In this time, each of two replicas must have about half of the requests, and some of each webhook.
///
/// An API server speaks HTTP/1.1 to webhooks and takes the connection that it used last: at this rate mostly one for each
/// of the three webhooks that the requests lead to (3, 5 and 3 of 11 reviews); more of them share more evenly. Each lasts 5
/// to 10 seconds, so that the number of connections decides, not the rate. A balancer that gives three at a time out in
/// turn, as this one does, comes to 50 ± 2.7 % (standard deviation of 20,000 simulated runs) and never left 35 to 65 %.
/// One that throws dice, as kube-proxy does by iptables, comes to 50 ± 7.5 %, and leaves it in one run of 23; it would need
/// 360 s for one in 3,000.
///
/// Connections that never end may come to 55 % and 45 %, too: one webhook at one replica, two at the other. So each
/// webhook must reach both: it opens at least 12 connections, which come to one replica once in 2,000 throws of dice.
const SHARED: Duration = Duration::from_secs(120);
const WEBHOOKS: [&str; 3] = ["validate/fail", "validate/ignore", "mutate"];
/// What must be counted for each second of it: half of the requests that are sent.
const COUNTED: f64 = 0.5;

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
    rows.push(share(cluster, rate));
    let _ = load.stop();
    rows
}

/// The reviews for each webhook so far, by the name of the replica.
fn by_webhook(cluster: &Cluster) -> Vec<BTreeMap<String, u64>> {
    let of = |webhook: &str| {
        let label = format!("webhook=\"{webhook}\"");
        cluster.metric("stategate_reviews_total", &label).into_iter().collect()
    };
    WEBHOOKS.map(of).into()
}

/// How requests are shared out between the replicas that there are.
fn share(cluster: &Cluster, rate: f64) -> Row {
    let before = by_webhook(cluster);
    std::thread::sleep(SHARED);
    let after = by_webhook(cluster);
    // A replica that was not there before counts nothing: its share would be of another time.
    let since = |webhook: usize, pod: &String| -> Option<u64> {
        after[webhook].get(pod)?.checked_sub(*before[webhook].get(pod)?)
    };
    let pods: Vec<&String> = after[0].keys().collect();
    let each: Vec<u64> =
        pods.iter().map(|pod| (0..WEBHOOKS.len()).filter_map(|webhook| since(webhook, pod)).sum()).collect();
    let all: u64 = each.iter().sum();
    let parts: Vec<f64> = each.iter().map(|count| *count as f64 * 100.0 / all.max(1) as f64).collect();
    let mut wrong = Vec::new();
    if parts.len() != 2 || parts.iter().any(|part| !(35.0..=65.0).contains(part)) {
        wrong.push("not two of 35 to 65 %".to_owned());
    }
    for (webhook, name) in WEBHOOKS.iter().enumerate() {
        if pods.iter().any(|pod| since(webhook, pod).unwrap_or_default() == 0) {
            wrong.push(format!("{name} is asked of one replica only"));
        }
    }
    if (all as f64) < rate * SHARED.as_secs_f64() * COUNTED {
        wrong.push("too few to say anything".to_owned());
    }
    let parts: Vec<String> = parts.iter().map(|part| format!("{part:.0} %")).collect();
    Row::found(
        &format!("share of each replica in {} s", SHARED.as_secs()),
        format!("{all} reviews: {}", parts.join(", ")),
        None,
        wrong,
    )
}
