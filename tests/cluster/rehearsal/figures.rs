//! What a replica costs.

use std::fs;
use std::time::{Duration, Instant};

use super::cluster::Cluster;
use super::table::Row;

/// How long the processor time is measured.
const TIME: Duration = Duration::from_secs(20);

fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

/// Processor time so far, in hundredths of a second.
fn ticks(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    rest.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn measured(cluster: &Cluster, when: &str) -> Row {
    let running = cluster.running();
    let (before, begun) = (running.iter().map(|one| ticks(one.id)).collect::<Vec<_>>(), Instant::now());
    let asked = cluster.reviews();
    std::thread::sleep(TIME);
    let reviewed: u64 = cluster.reviews().iter().map(|(_, count)| count).sum::<u64>()
        - asked.iter().map(|(_, count)| count).sum::<u64>();
    let each = running.iter().zip(before).map(|(one, before)| {
        let part = (ticks(one.id) - before) as f64 / begun.elapsed().as_secs_f64();
        format!("{} MiB, {part:.1} % of a core", resident(one.id))
    });
    let said = each.collect::<Vec<_>>().join("; ");
    let rate = reviewed as f64 / begun.elapsed().as_secs_f64();
    Row::found(when, format!("each replica: {said}; {rate:.0} reviews a second"), None, Vec::new())
}

/// Memory and processor time without load.
pub fn at_rest(cluster: &Cluster) -> Row {
    measured(cluster, "figures at rest")
}

/// Memory and processor time under the load of the clients.
pub fn under_load(cluster: &Cluster) -> Row {
    measured(cluster, "figures under load")
}
