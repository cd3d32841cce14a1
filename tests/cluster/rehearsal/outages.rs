//! What stategate depends on goes away: the API server, its store, the network, the node.

use std::time::{Duration, Instant};

use serde_json::json;

use super::cluster::{Cluster, SOON};
use super::crashes::{CLIENTS, prepared, whole};
use super::load::{Load, Seen};
use super::table::{Allowed, LATE, NO_ANSWER, NOTHING, Row, row, under_load};
use crate::harness::wait_until;

/// The API server is gone for a while; what comes before and after is right, except that connections to webhooks may
/// be new.
const NO_SERVER: Allowed = Allowed { seen: &[Seen::NoServer], within: Duration::from_secs(60) };

/// What is killed and started again, and how.
type Restart = (&'static str, fn(&mut Cluster));

/// etcd and the API server are killed and started again.
pub fn restarts(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::start(cluster, CLIENTS);
    let restarts: [Restart; 2] = [
        ("kill -9 of etcd, and its start", |cluster| cluster.restart_etcd()),
        ("kill -9 of the API server, and its start", |cluster| cluster.restart_server()),
    ];
    for (fault, restart) in restarts {
        let before: Vec<u64> = cluster.running().iter().map(|one| one.restarts).collect();
        rows.push(under_load(&load, fault, NO_SERVER, || {
            restart(cluster);
            let mut wrong = whole(cluster);
            let after: Vec<u64> = cluster.running().iter().map(|one| one.restarts).collect();
            if before != after {
                wrong.push(format!("replicas started again: {before:?}, {after:?}"));
            }
            wrong
        }));
    }
    rows
}

/// Packets between the API server and stategate are lost, for a short and a long time.
pub fn lost_packets(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::start(cluster, CLIENTS);
    for seconds in [3, 30] {
        // Go notices a dead HTTP/2 connection after 30 seconds of silence and 15 without an answer to a ping.
        let allowed = Allowed { seen: LATE, within: Duration::from_secs(seconds + 50) };
        rows.push(under_load(&load, &format!("packets to stategate lost for {seconds} s"), allowed, || {
            cluster.services.swallow(true);
            std::thread::sleep(Duration::from_secs(seconds));
            cluster.services.swallow(false);
            Vec::new()
        }));
    }
    rows
}

/// The nodes of stategate's replicas are drained, one after the other, and come back.
pub fn drain(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::start(cluster, CLIENTS);
    for round in 1..=2 {
        let node = cluster.running()[0].node.clone();
        rows.push(under_load(&load, &format!("drain of a node of stategate ({round})"), NOTHING, || {
            let args =
                ["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=55s"];
            let drained = cluster.kubectl.run(&args, "");
            let mut wrong = whole(cluster);
            if !drained.succeeded() {
                wrong.push(drained.stderr);
            }
            if cluster.running().iter().any(|one| one.node == node) {
                wrong.push(format!("a replica is on {node} again"));
            }
            cluster.kubectl.ok(&["uncordon", &node], "");
            wrong
        }));
    }
    rows
}

/// Whether the database that clients take for granted is there and ready.
pub fn settled(cluster: &Cluster) -> bool {
    let set = cluster.admin.get("/apis/apps/v1/namespaces/shop/statefulsets/pg").unwrap_or_default();
    set["status"]["readyReplicas"] == 3
        && set["status"]["observedGeneration"] == set["metadata"]["generation"]
}

/// The whole cluster loses its power, with all Pods deleted and stategate's webhooks registered; everything must come
/// back, databases included.
pub fn cold_start(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    if !wait_until(SOON, || settled(cluster)) {
        return vec![Row::found(
            "a cluster with a database",
            String::new(),
            None,
            vec!["it is not ready".to_owned()],
        )];
    }
    for (how, deleted) in [("power failure", false), ("power failure, all Pods deleted", true)] {
        cluster.stop_kubelet();
        if deleted {
            // Nobody runs that could say that they are gone.
            let args = ["delete", "pods", "--all", "-A", "--force", "--grace-period=0"];
            cluster.kubectl.ok(&args, "");
        }
        cluster.restart_all();
        let begun = Instant::now();
        cluster.start_kubelet();
        let back = wait_until(SOON * 2, || cluster.is_whole());
        let judged = begun.elapsed();
        let databases = wait_until(SOON, || settled(cluster));
        let mut wrong = Vec::new();
        if !back {
            println!("{}", cluster.state());
            wrong.push("stategate does not come back".to_owned());
        }
        if !databases {
            wrong.push("the database does not come back".to_owned());
        }
        let said = format!(
            "stategate judges after {:.1} s, the database is ready after {:.1} s",
            judged.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        );
        rows.push(Row::found(&format!("cold start after a {how}"), said, Some(begun.elapsed()), wrong));
    }
    let load = Load::start(cluster, 1);
    rows.push(under_load(&load, "nothing, after the cold starts", NOTHING, Vec::new));
    rows
}

/// Somebody scales stategate to nothing, as happens by mistake, and back.
pub fn scaled_to_nothing(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::start(cluster, CLIENTS);
    let scale = |replicas: u64| {
        let path = format!("/apis/apps/v1/namespaces/{}/deployments/stategate/scale", super::cluster::OWN);
        cluster.admin.call("MERGE", &path, &json!({"spec": {"replicas": replicas}}))
    };
    let (mark, begun) = (load.mark(), Instant::now());
    let mut wrong: Vec<String> = scale(0).err().into_iter().collect();
    wait_until(SOON, || cluster.running().is_empty());
    std::thread::sleep(Duration::from_secs(10));
    wrong.extend(scale(2).err());
    wrong.extend(whole(cluster));
    load.calms(mark, SOON);
    let seen = load.since(mark);
    let allowed = Allowed { seen: NO_ANSWER, within: Duration::from_secs(90) };
    rows.push(row("scaled to no replica for 10 s, and back", &seen, begun, allowed, wrong));
    rows
}
