//! Holds what is in force, and replaces it: built separately, tested, and swapped as a whole.
//!
//! A timer reads the sources again and compares them, policies and bindings by content, the inventory by file
//! metadata: a mounted ConfigMap or Secret swaps a symlink, which file events do not report reliably. Policies,
//! bindings and exceptions of a cluster are read as soon as they change. After an error, the last good version stays
//! in force and the error is reported.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch as channel;
use tracing::{error, info, warn};

use crate::cluster::LiveInventory;
use crate::diagnostic::Diagnostics;
use crate::evaluators::InForce;
use crate::inventory::Inventory;
use crate::policyset::documents::Standings;
use crate::policyset::{PolicySet, Standing};
use crate::source::cluster_policies::{Assembled, ClusterPolicies, Trial};
use crate::source::manifests::Manifests;
use crate::source::policies::{Fingerprint, InventorySource, PolicySource};
use crate::telemetry::metrics::Metrics;

/// What is currently in force.
pub struct Current {
    in_force: ArcSwap<InForce>,
    /// The fault of newer sources; empty if there is none.
    fault: Mutex<String>,
    /// Held while what is in force is replaced, by a reload or by a change of the cluster.
    replacing: Mutex<()>,
    /// Whether the documents of the cluster, as they were found first, are in force as far as they can be.
    has_documents: AtomicBool,
    /// What became of the documents of the cluster.
    standings: channel::Sender<Standings>,
}

impl Current {
    /// Splits what was loaded at startup into what is in force and the version of its sources.
    pub fn new(loaded: Loaded) -> (Self, Version) {
        let current = Self {
            in_force: ArcSwap::from_pointee(loaded.in_force),
            fault: Mutex::default(),
            replacing: Mutex::default(),
            has_documents: AtomicBool::new(false),
            standings: channel::Sender::default(),
        };
        (current, loaded.version)
    }

    /// What is in force. A request keeps what it started with.
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Why newer sources are not in force; empty if they are.
    pub fn fault(&self) -> String {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the documents of the cluster, as they were found first, are in force as far as they can be.
    pub fn has_documents(&self) -> bool {
        self.has_documents.load(Ordering::Relaxed)
    }

    /// The documents of the cluster that are still being tested.
    pub fn pending(&self) -> Vec<String> {
        let standings = self.standings.borrow();
        let pending = standings.iter().filter(|(_, standing)| matches!(standing, Standing::Pending));
        pending.map(|(document, _)| document.to_string()).collect()
    }

    /// The state of the documents of the cluster.
    pub fn standings(&self) -> channel::Receiver<Standings> {
        self.standings.subscribe()
    }

    /// Replaces the inventory, if it was read as the policy set in force reads objects. Otherwise another set is
    /// about to come into force, which brings its own.
    pub fn inventory_changed(&self, record_digest: &str, inventory: Inventory) {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let in_force = self.in_force.load();
        if in_force.set.record_digest() == record_digest {
            self.in_force.store(Arc::new(in_force.with_inventory(inventory)));
        }
    }

    fn accept(&self, in_force: InForce, metrics: &Metrics) {
        let _replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let set = &in_force.set;
        let digest = set.digest();
        if digest == self.in_force.load().set.digest() {
            info!(policy_set = digest, "inventory reloaded");
        } else {
            info!(
                policy_set = digest,
                profile = set.profile(),
                policies = set.policies().count(),
                "reloaded"
            );
            log_warnings(set);
            metrics.reloaded(digest, set.profile(), jiff::Timestamp::now().as_second());
            in_force.quarantine.policies().iter().for_each(|policy| metrics.quarantined(policy.as_str()));
        }
        metrics.reload_unneeded();
        self.in_force.store(Arc::new(in_force));
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Notes the state of the documents of the cluster. If the newest sources did not come into force, nothing is
    /// known about their documents.
    fn settle(&self, documents: &ClusterPolicies, assembled: &Assembled, listed: bool) {
        let in_force = self.in_force();
        if in_force.set.digest() == assembled.sources.digest() {
            self.standings.send_replace(Arc::new(documents.settle(assembled, &in_force.set)));
        }
        if listed && assembled.untried.is_empty() {
            self.has_documents.store(true, Ordering::Relaxed);
        }
    }

    /// The sources are unchanged: this clears a fault in reading them, but not one in their content.
    fn unchanged(&self, content_is_good: bool, metrics: &Metrics) {
        if content_is_good {
            metrics.reload_unneeded();
            self.fault.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn refuse(&self, reason: String, metrics: &Metrics) {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        // Reported once for each fault, not each time the sources are read.
        if *fault != reason {
            error!(
                reason,
                "policies, bindings or inventory cannot be reloaded; the last good ones stay in force"
            );
            metrics.reload_failed();
            *fault = reason;
        }
    }
}

/// Logs what is no error in the sources, but hardly meant.
pub fn log_warnings(set: &PolicySet) {
    for warning in set.warnings() {
        warn!(warning = warning.to_string(), "loaded");
    }
}

/// The sources of what is in force.
#[derive(Clone)]
pub struct Sources {
    /// Policies and bindings.
    pub policies: PolicySource,
    /// The inventory, if it comes from files.
    pub inventory: InventorySource,
    /// The inventory and further policies and bindings, if they are a cluster's.
    pub live: Option<LiveInventory>,
    /// What is known of the documents of the cluster.
    pub documents: Arc<ClusterPolicies>,
}

/// Identifies one state of the sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    digest: String,
    inventory: Fingerprint,
}

impl Sources {
    /// Whether they can change while the process runs.
    pub fn may_change(&self) -> bool {
        self.policies.may_change() || self.inventory.may_change() || self.live.is_some()
    }

    /// Loads everything for the first time; documents of a cluster come later.
    ///
    /// # Errors
    /// All errors found.
    pub fn load(&self) -> Result<Loaded, Diagnostics> {
        let Read { assembled, version, .. } = self.read()?;
        let manifests = self.inventory.manifests()?;
        let set = self.policies.compile(&assembled.sources.of_files(), None)?;
        let inventory = self.inventory_of(&manifests, &set);
        Ok(Loaded { in_force: InForce::new(set, inventory), version })
    }

    fn read(&self) -> Result<Read, Diagnostics> {
        // Taken before the files are read, so that a change during the read is noticed the next time.
        let inventory = self.inventory.fingerprint()?;
        let sources = self.policies.read()?;
        let (listed, documents) = match &self.live {
            Some(live) => (live.has_documents(), live.documents().1),
            None => (true, Vec::new()),
        };
        let assembled = self.documents.assemble(sources, &documents);
        let version = Version { digest: assembled.sources.digest(), inventory };
        Ok(Read { assembled, version, listed })
    }

    fn inventory_of(&self, manifests: &Manifests, set: &PolicySet) -> Inventory {
        match &self.live {
            Some(live) => live.adopt(set),
            None => self.inventory.inventory(manifests, set),
        }
    }

    fn check(&self, known: &Version, in_force: &InForce) -> Check {
        let Read { mut assembled, version, listed } = match self.read() {
            Err(errors) => return Check::Unreadable(errors.to_string()),
            Ok(read) => read,
        };
        if version == *known {
            return Check::Read { assembled: Box::new(assembled), listed, changed: None };
        }
        let manifests = match self.inventory.manifests() {
            Err(errors) => return Check::Unreadable(errors.to_string()),
            Ok(manifests) => manifests,
        };
        // The inventory is read with the projections of its own set, so both are always replaced together. The
        // same set keeps its quarantine.
        let loaded = if version.digest == in_force.set.digest() {
            let inventory = self.inventory_of(&manifests, &in_force.set);
            Ok(Box::new(in_force.with_inventory(inventory)))
        } else {
            let compiled = self.documents.compile(&self.policies, &mut assembled, Some(&in_force.set));
            compiled.map(|set| {
                let inventory = self.inventory_of(&manifests, &set);
                let mut next = InForce::new(set, inventory);
                // Who changes an exception must not set free what is stuck.
                if next.set.evaluation_digest() == in_force.set.evaluation_digest() {
                    next.quarantine = Arc::clone(&in_force.quarantine);
                }
                Box::new(next)
            })
        };
        let loaded = loaded.map_err(|errors| errors.to_string());
        Check::Read { assembled: Box::new(assembled), listed, changed: Some((version, loaded)) }
    }
}

/// What was loaded, and the version of its sources.
pub struct Loaded {
    /// What is in force.
    pub in_force: InForce,
    version: Version,
}

/// The sources as they are now.
struct Read {
    assembled: Assembled,
    version: Version,
    /// Whether all documents of the cluster are among them.
    listed: bool,
}

/// Between two looks at documents that change all the time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(300));

/// Checks for new sources forever.
pub async fn watch(
    current: Arc<Current>,
    metrics: Arc<Metrics>,
    sources: Sources,
    mut seen: Version,
    every: Duration,
) {
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    timer.tick().await;
    // `seen` is the last version examined, good or bad, so that neither is loaded twice.
    let mut content_is_good = true;
    let mut trials = None;
    let sources = Arc::new(sources);
    loop {
        match &sources.live {
            Some(live) => tokio::select! {
                _ = timer.tick() => {}
                () = live.documents_changed() => {}
            },
            None => drop(timer.tick().await),
        }
        let started = Instant::now();
        let (known, in_force) = (seen.clone(), current.in_force());
        let reading = Arc::clone(&sources);
        let checked = tokio::task::spawn_blocking(move || reading.check(&known, &in_force)).await;
        match checked {
            Ok(Check::Unreadable(reason)) => current.refuse(reason, &metrics),
            Ok(Check::Read { assembled, listed, changed }) => {
                match changed {
                    None => current.unchanged(content_is_good, &metrics),
                    Some((version, loaded)) => {
                        seen = version;
                        content_is_good = loaded.is_ok();
                        match loaded {
                            Ok(in_force) => {
                                current.accept(*in_force, &metrics);
                                // Changes since the set adopted it were not its own yet.
                                sources.live.iter().for_each(LiveInventory::republish);
                            }
                            Err(reason) => current.refuse(reason, &metrics),
                        }
                    }
                }
                current.settle(&sources.documents, &assembled, listed);
                try_out(&sources, assembled.untried, &mut trials);
            }
            Err(panic) => current.refuse(format!("loading them broke off: {panic}"), &metrics),
        }
        tokio::time::sleep(started.elapsed().clamp(PAUSES.0, PAUSES.1)).await;
    }
}

/// Tries Policies of the cluster beside everything else: one that does not end must not keep an exception waiting.
fn try_out(sources: &Arc<Sources>, untried: Vec<Trial>, running: &mut Option<tokio::task::JoinHandle<()>>) {
    let busy = running.as_ref().is_some_and(|running| !running.is_finished());
    if untried.is_empty() || busy {
        return;
    }
    let sources = Arc::clone(sources);
    *running = Some(tokio::task::spawn_blocking(move || {
        let heard = || sources.live.iter().for_each(LiveInventory::look_again);
        sources.documents.try_all(&untried, heard);
    }));
}

enum Check {
    Unreadable(String),
    Read {
        assembled: Box<Assembled>,
        listed: bool,
        /// What to replace, if anything has changed.
        changed: Option<(Version, Result<Box<InForce>, String>)>,
    },
}
