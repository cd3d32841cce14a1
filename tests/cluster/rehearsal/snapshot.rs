//! The whole cluster starts from a snapshot of etcd.

use std::time::Instant;

use serde_json::Value;

use super::client::text;
use super::cluster::{Cluster, OTHERWISE, OWN, SOON};
use super::crashes::{CLIENTS, prepared, whole};
use super::load::Load;
use super::outages::settled;
use super::table::{NOTHING, Row, under_load};
use crate::harness::{self, wait_until};

/// A namespace that the snapshot does not know.
const LATER: &str = "later";
const SETS: &str = "/apis/apps/v1/namespaces/shop/statefulsets";

/// A snapshot is taken, the cluster changes, and all of it is lost: it starts from the snapshot, first with its nodes as
/// they were, then with new ones.
pub fn from_snapshot(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let mut wrong = Vec::new();
    if !wait_until(SOON, || settled(cluster)) {
        wrong.push("the database is not ready".to_owned());
    }
    let begun = Instant::now();
    cluster.save_etcd();
    wrong.extend(whole(cluster));
    let kept = certificate(cluster);
    rows.push(Row::found(
        "a snapshot of etcd is taken",
        "two replicas, a database that is ready".to_owned(),
        Some(begun.elapsed()),
        wrong,
    ));
    let begun = Instant::now();
    let wrong = changed(cluster, &kept);
    rows.push(Row::found(
        "afterwards: helm upgrade, another certificate, a database deleted, another one made",
        "done".to_owned(),
        Some(begun.elapsed()),
        wrong,
    ));
    for (nodes, new) in [("the nodes as they were", false), ("new nodes", true)] {
        rows.push(restored(cluster, &kept, nodes, new));
    }
    let load = Load::start(cluster, CLIENTS);
    rows.push(under_load(&load, "nothing, after the snapshots", NOTHING, Vec::new));
    rows
}

fn certificate(cluster: &Cluster) -> String {
    let secret = cluster.admin.get(&format!("/api/v1/namespaces/{OWN}/secrets/stategate-tls"));
    text(&secret.unwrap_or_default(), "/data/tls.crt").to_owned()
}

/// Another set, made of the good one.
fn set(name: &str, namespace: &str) -> String {
    crate::GOOD
        .replace("namespace: shop", &format!("namespace: {namespace}"))
        .replace("pg", name)
        .replace("minReadySeconds: 10", "minReadySeconds: 1")
}

/// What happens after the snapshot; what went wrong.
fn changed(cluster: &Cluster, kept: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut done = |output: harness::Output| {
        if !output.succeeded() {
            wrong.push(output.stderr);
        }
    };
    done(cluster.kubectl.run(&["create", "namespace", LATER], ""));
    done(cluster.kubectl.apply(&set("other", LATER)));
    done(cluster.kubectl.run(&["delete", "statefulset", "pg", "-n", "shop"], ""));
    done(cluster.upgrade(OTHERWISE));
    let kubeconfig = cluster.kubeconfig("admin").display().to_string();
    let rotate = ["certs", "rotate", "--secret", "stategate-tls", "--own-namespace", OWN];
    let quick = ["--leaf", "--wait", "2m", "--kubeconfig", &kubeconfig];
    done(harness::stategate(cluster.dir(), &[&rotate[..], &quick].concat(), ""));
    std::thread::sleep(std::time::Duration::from_secs(1));
    wrong.extend(whole(cluster));
    if cluster.running().len() != 3 || certificate(cluster) == kept || settled(cluster) {
        wrong.push("the cluster has not changed".to_owned());
    }
    wrong
}

fn restored(cluster: &mut Cluster, kept: &str, nodes: &str, new: bool) -> Row {
    cluster.stop_kubelet();
    cluster.restore_all();
    let begun = Instant::now();
    if new {
        // Nobody runs what the snapshot says, or could say that it is gone.
        cluster.kubectl.ok(&["delete", "pods", "--all", "-A", "--force", "--grace-period=0"], "");
    }
    cluster.start_kubelet();
    let mut wrong = Vec::new();
    let gone =
        |path: &str| cluster.admin.call("GET", path, &Value::Null).is_ok_and(|answer| answer.code == 404);
    if !gone(&format!("/api/v1/namespaces/{LATER}")) {
        wrong.push("this is not what the snapshot holds".to_owned());
    }
    // What is asked and answered goes through the Service, and the certificates of then.
    if !wait_until(SOON * 2, || cluster.is_whole()) {
        println!("{}", cluster.state());
        wrong.push("stategate does not come back".to_owned());
    }
    let judged = begun.elapsed();
    if !wait_until(SOON, || settled(cluster)) {
        wrong.push("the database does not come back".to_owned());
    }
    let back = begun.elapsed();
    if cluster.running().len() != 2 || certificate(cluster) != kept {
        wrong.push("stategate is not as it was".to_owned());
    }
    // Addresses of Services, nodes, volumes: something new needs all of them.
    let name = if new { "newest" } else { "new" };
    let service = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec: {{selector: {{app: {name}}}, ports: [{{port: 5432}}]}}\n"
    );
    let made = cluster.kubectl.apply(&(set(name, "shop") + &service));
    let ready = || {
        let set = cluster.admin.get(&format!("{SETS}/{name}")).unwrap_or_default();
        let slices = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices";
        let slices = cluster.admin.list(&format!("{slices}?labelSelector=kubernetes.io/service-name={name}"));
        let leads = |slice: &Value| slice["endpoints"].as_array().map_or(0, Vec::len);
        set["status"]["availableReplicas"] == 3
            && slices.unwrap_or_default().iter().map(leads).sum::<usize>() == 3
    };
    if !made.succeeded() || !wait_until(SOON, ready) {
        wrong.push(format!("no other database can be made: {}", made.stderr));
    }
    Row::found(
        &format!("cold start from the snapshot, {nodes}"),
        format!(
            "stategate judges after {:.1} s, the database is ready after {:.1} s, a new one and its Service after {:.1} s",
            judged.as_secs_f64(),
            back.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        ),
        Some(back),
        wrong,
    )
}
