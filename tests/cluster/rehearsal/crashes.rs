//! Replicas that crash and hang.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::cluster::{Cluster, SOON};
use super::kubelet::Running;
use super::load::{Load, settle};
use super::table::{Allowed, LATE, NOTHING, Row, under_load};
use super::{figures, removal};
use crate::harness::wait_until;

/// Clients of a mixed load.
pub const CLIENTS: usize = 3;

/// Sends a signal to a container.
pub fn signal(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    let _ = kill_process(id, signal);
}

/// Installs stategate and makes what the clients of a load need.
pub fn prepared(cluster: &Cluster) -> Row {
    prepared_with(cluster, &[])
}

/// As [`prepared`], with these values of the chart.
pub fn prepared_with(cluster: &Cluster, values: &[&str]) -> Row {
    let took = cluster.install_with(values);
    settle(cluster);
    Row::found("helm install", "two replicas ready, both webhooks called".to_owned(), Some(took), Vec::new())
}

/// Waits for all replicas; what is wrong if they do not come.
pub fn whole(cluster: &Cluster) -> Vec<String> {
    whole_within(cluster, SOON)
}

fn whole_within(cluster: &Cluster, limit: Duration) -> Vec<String> {
    if wait_until(limit, || cluster.is_whole()) {
        return Vec::new();
    }
    println!("{}", cluster.state());
    vec!["not all replicas are ready and asked".to_owned()]
}

/// The replica that the API server asks: its connections stay where they are.
pub fn busiest(cluster: &Cluster) -> Running {
    let before: BTreeMap<String, u64> = cluster.reviews().into_iter().collect();
    std::thread::sleep(Duration::from_secs(2));
    let since = |(pod, count): &(String, u64)| count - before.get(pod).copied().unwrap_or_default();
    let busiest = cluster.reviews().into_iter().max_by_key(since).map(|(pod, _)| pod);
    let mut running = cluster.running();
    let place = running.iter().position(|one| Some(&one.pod) == busiest.as_ref()).unwrap_or_default();
    running.swap_remove(place)
}

fn one_is_killed(cluster: &Cluster, load: &Load) -> Row {
    // It may die between the two calls of one request.
    let allowed = Allowed { seen: LATE, within: Duration::from_secs(15) };
    let one = busiest(cluster);
    under_load(load, "kill -9 of the replica that is asked", allowed, || {
        signal(one.id, Signal::KILL);
        std::thread::sleep(Duration::from_secs(2));
        whole(cluster)
    })
}

/// The short rehearsal: it is installed, a replica is killed under load, and it is uninstalled.
pub fn quick(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::start(cluster, CLIENTS);
    rows.push(under_load(&load, "nothing", NOTHING, Vec::new));
    rows.push(one_is_killed(cluster, &load));
    rows.push(removal::helm_uninstall(cluster, &load));
    rows
}

/// Replicas are killed, and stopped.
pub fn crash(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster), figures::at_rest(cluster)];
    let load = Load::start(cluster, CLIENTS);
    rows.push(under_load(&load, "nothing", NOTHING, Vec::new));
    rows.push(figures::under_load(cluster));
    rows.push(one_is_killed(cluster, &load));
    let allowed = Allowed { seen: LATE, within: Duration::from_secs(30) };
    rows.push(under_load(&load, "kill -9 of both replicas", allowed, || {
        cluster.running().iter().for_each(|one| signal(one.id, Signal::KILL));
        std::thread::sleep(Duration::from_secs(2));
        whole(cluster)
    }));
    let allowed = Allowed { seen: LATE, within: Duration::from_secs(20) };
    let one = busiest(cluster);
    rows.push(under_load(
        &load,
        "SIGSTOP of the replica that is asked, until its liveness probe ends it",
        allowed,
        || {
            signal(one.id, Signal::STOP);
            // Until it is known that it hangs.
            std::thread::sleep(Duration::from_secs(30));
            let mut wrong = Vec::new();
            if !wait_until(SOON * 2, || cluster.is_whole()) {
                wrong.push(format!("not whole: {}", cluster.state()));
            }
            wrong
        },
    ));
    let allowed = Allowed { seen: LATE, within: Duration::from_secs(150) };
    rows.push(under_load(&load, "SIGSTOP of both replicas", allowed, || {
        cluster.running().iter().for_each(|one| signal(one.id, Signal::STOP));
        std::thread::sleep(Duration::from_secs(30));
        whole_within(cluster, SOON * 2)
    }));
    rows
}
