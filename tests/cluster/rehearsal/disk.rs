//! The disk that the decision log is on is full for a while.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cluster::{Cluster, SOON};
use super::crashes::{CLIENTS, prepared_with};
use super::load::Load;
use super::table::{NOTHING, Row, under_load};
use crate::harness::wait_until;

/// How long it is full.
const FULL: Duration = Duration::from_secs(30);
const LOST: &str = "stategate_decision_log_dropped_total";
const WRITTEN: &str = "stategate_decision_log_entries_total";

/// A file system of its own for a directory, small enough to be filled.
struct Disk {
    dir: PathBuf,
}

impl Disk {
    fn mounted(dir: &Path) -> Self {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "disk"]).arg(dir).status();
        assert!(mounted.is_ok_and(|status| status.success()), "{} cannot be mounted", dir.display());
        Self { dir: dir.to_owned() }
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let mut file = File::create(self.dir.join("filler")).expect("a file can be made");
        for size in [64 << 10, 4 << 10, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.dir.join("filler")).expect("the file can be removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Containers may still have files open in it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.dir).status();
    }
}

/// The disk is full while clients write, and has room again: requests go on, each entry is written or counted as lost,
/// and the log goes on by itself.
pub fn full_disk(cluster: &mut Cluster) -> Vec<Row> {
    cluster.stop_kubelet();
    let disk = Disk::mounted(&cluster.logs());
    cluster.start_kubelet();
    let mut rows = vec![prepared_with(cluster, &["decisionLog.enabled=true"])];
    let load = Load::start(cluster, CLIENTS);
    let mut lost = 0;
    let row = under_load(&load, "the disk of the decision log is full for 30 s", NOTHING, || {
        let (started, before) = (identities(cluster), counts(cluster));
        disk.fill();
        std::thread::sleep(FULL);
        let full = counts(cluster);
        disk.empty();
        lost = full.lost - before.lost;
        let mut wrong = Vec::new();
        if lost == 0 {
            wrong.push("nothing was lost".to_owned());
        }
        if started != identities(cluster) {
            wrong.push("replicas have started again".to_owned());
        }
        let again = wait_until(SOON, || {
            let before = counts(cluster);
            std::thread::sleep(Duration::from_secs(3));
            let now = counts(cluster);
            now.lost == before.lost && now.written > before.written && now.lines > before.lines
        });
        if !again {
            wrong.push(format!("it is not written again: {:?}", counts(cluster)));
        }
        wrong
    });
    rows.push(row);
    drop(load.stop());
    // What is in the queue is written, and nobody asks any more.
    let balanced = wait_until(SOON, || counts(cluster).balance());
    let counts = counts(cluster);
    rows.push(Row::found(
        "each decision is in the log, or counted as lost",
        format!(
            "{} answers, {} entries, {} lost, {lost} of them while the disk was full",
            counts.answered, counts.written, counts.lost
        ),
        None,
        if balanced { Vec::new() } else { vec![format!("{counts:?}")] },
    ));
    rows
}

fn identities(cluster: &Cluster) -> BTreeMap<String, (u32, u64)> {
    cluster.running().into_iter().map(|one| (one.pod, (one.id, one.restarts))).collect()
}

/// Sums over all replicas since they started.
#[derive(Debug)]
struct Counts {
    answered: u64,
    written: u64,
    lost: u64,
    /// Whole entries in the logs.
    lines: u64,
}

fn counts(cluster: &Cluster) -> Counts {
    let sum = |name: &str| cluster.metric(name, "").into_iter().map(|(_, count)| count).sum();
    Counts {
        answered: sum("stategate_reviews_total"),
        written: sum(WRITTEN),
        lost: sum(LOST),
        lines: cluster.decisions().len() as u64,
    }
}

impl Counts {
    fn balance(&self) -> bool {
        self.answered == self.written + self.lost && self.lines == self.written
    }
}
