//! Holds what is in force, and replaces it: built separately, tested, and swapped as a whole.
//!
//! A timer reads the sources again and compares them, policies and bindings by content, the inventory by file
//! metadata: a mounted ConfigMap or Secret swaps a symlink, which file events do not report reliably. After
//! an error, the last good version stays in force and the error is reported.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::{error, info, warn};

use crate::cluster::LiveInventory;
use crate::diagnostic::Diagnostics;
use crate::evaluators::InForce;
use crate::inventory::Inventory;
use crate::policyset::{self, PolicySet};
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
}

impl Current {
    /// Splits what was loaded at startup into what is in force and the version of its sources.
    pub fn new(loaded: Loaded) -> (Self, Version) {
        let current = Self {
            in_force: ArcSwap::from_pointee(loaded.in_force),
            fault: Mutex::default(),
            replacing: Mutex::default(),
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
            metrics.reloaded(digest, set.profile());
        }
        self.in_force.store(Arc::new(in_force));
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The sources are unchanged: this clears a fault in reading them, but not one in their content.
    fn unchanged(&self, content_is_good: bool) {
        if content_is_good {
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
    /// The inventory, if it is a cluster's.
    pub live: Option<LiveInventory>,
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
        self.policies.may_change() || self.inventory.may_change()
    }

    /// Loads everything for the first time.
    ///
    /// # Errors
    /// All errors found.
    pub fn load(&self) -> Result<Loaded, Diagnostics> {
        let (sources, version) = self.read()?;
        let manifests = self.inventory.manifests()?;
        let set = self.policies.compile(&sources, None)?;
        let inventory = self.inventory_of(&manifests, &set);
        Ok(Loaded { in_force: InForce::new(set, inventory), version })
    }

    fn read(&self) -> Result<(policyset::Sources, Version), Diagnostics> {
        // Taken before the files are read, so that a change during the read is noticed the next time.
        let inventory = self.inventory.fingerprint()?;
        let sources = self.policies.read()?;
        let version = Version { digest: sources.digest(), inventory };
        Ok((sources, version))
    }

    fn inventory_of(&self, manifests: &Manifests, set: &PolicySet) -> Inventory {
        match &self.live {
            Some(live) => live.adopt(set),
            None => self.inventory.inventory(manifests, set),
        }
    }

    fn check(&self, known: &Version, in_force: &InForce) -> Check {
        let (sources, version) = match self.read() {
            Err(errors) => return Check::Unreadable(errors.to_string()),
            Ok((_, version)) if version == *known => return Check::Unchanged,
            Ok(read) => read,
        };
        let manifests = match self.inventory.manifests() {
            Err(errors) => return Check::Unreadable(errors.to_string()),
            Ok(manifests) => manifests,
        };
        // The inventory is read with the projections of its own set, so both are always replaced together. The
        // same set keeps its quarantine.
        if version.digest == in_force.set.digest() {
            let inventory = self.inventory_of(&manifests, &in_force.set);
            return Check::Changed(version, Ok(Box::new(in_force.with_inventory(inventory))));
        }
        let loaded = self.policies.compile(&sources, Some(&in_force.set)).map(|set| {
            let inventory = self.inventory_of(&manifests, &set);
            Box::new(InForce::new(set, inventory))
        });
        Check::Changed(version, loaded.map_err(|errors| errors.to_string()))
    }
}

/// What was loaded, and the version of its sources.
pub struct Loaded {
    /// What is in force.
    pub in_force: InForce,
    version: Version,
}

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
    let sources = Arc::new(sources);
    loop {
        timer.tick().await;
        let (known, in_force) = (seen.clone(), current.in_force());
        let reading = Arc::clone(&sources);
        let checked = tokio::task::spawn_blocking(move || reading.check(&known, &in_force)).await;
        match checked {
            Ok(Check::Unchanged) => current.unchanged(content_is_good),
            Ok(Check::Unreadable(reason)) => current.refuse(reason, &metrics),
            Ok(Check::Changed(version, loaded)) => {
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
            Err(panic) => current.refuse(format!("loading them broke off: {panic}"), &metrics),
        }
    }
}

enum Check {
    Unchanged,
    Unreadable(String),
    Changed(Version, Result<Box<InForce>, String>),
}
