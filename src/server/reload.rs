//! The policy set in force, and how another takes its place: built aside, tried, swapped whole.
//!
//! Sources are read again on a timer and compared by content: a mounted ConfigMap or Secret swaps a
//! symlink, which no file event tells reliably. On an error the last good set stays in force and says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tracing::{error, info};

use crate::diagnostic::Diagnostics;
use crate::evaluators::InForce;
use crate::policyset::{PolicySet, Sources};
use crate::telemetry::metrics::Metrics;

/// Where the policy set comes from. Asked on a thread of its own: it may block.
pub trait Origin: Send + Sync {
    /// Reads the sources again.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn read(&self) -> Result<Sources, String>;

    /// Compiles sources that are new.
    ///
    /// # Errors
    /// What is wrong with them.
    fn compile(&self, sources: &Sources) -> Result<PolicySet, Diagnostics>;
}

/// The policy set that judges now.
pub struct Current {
    in_force: ArcSwap<InForce>,
    /// What is wrong with newer sources; empty if nothing is.
    fault: Mutex<String>,
}

impl Current {
    /// A set that was compiled already.
    pub fn new(set: PolicySet) -> Self {
        Self { in_force: ArcSwap::from_pointee(InForce::new(set)), fault: Mutex::new(String::new()) }
    }

    /// The set in force. A request keeps the one that it began with.
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Why newer sources are not in force; empty if they are.
    pub fn fault(&self) -> String {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn accept(&self, set: PolicySet, metrics: &Metrics) {
        info!(
            policy_set = set.digest(),
            profile = set.profile(),
            policies = set.policies().count(),
            "reloaded"
        );
        metrics.reloaded(set.digest(), set.profile());
        self.in_force.store(Arc::new(InForce::new(set)));
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The sources are what they were: a fault of reading them is over, one of their content is not.
    fn still(&self, seen: &str) {
        if self.in_force.load().set.digest() == seen {
            self.fault.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn refuse(&self, reason: String, metrics: &Metrics) {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        // Said once for each fault, not at every look.
        if *fault != reason {
            error!(reason, "the policies cannot be reloaded; the last good set stays in force");
            metrics.reload_failed();
            *fault = reason;
        }
    }
}

/// Looks for new sources for ever.
pub async fn watch(current: Arc<Current>, metrics: Arc<Metrics>, origin: Arc<dyn Origin>, every: Duration) {
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    timer.tick().await;
    // The digest of what was last looked at, good or bad, so that neither is compiled twice.
    let mut seen = current.in_force().set.digest().to_owned();
    loop {
        timer.tick().await;
        let (origin, known) = (Arc::clone(&origin), seen.clone());
        let looked = tokio::task::spawn_blocking(move || look(origin.as_ref(), &known)).await;
        match looked {
            Ok(Look::Same) => current.still(&seen),
            Ok(Look::Unreadable(reason)) => current.refuse(reason, &metrics),
            Ok(Look::New(digest, Ok(set))) => {
                seen = digest;
                current.accept(*set, &metrics);
            }
            Ok(Look::New(digest, Err(reason))) => {
                seen = digest;
                current.refuse(reason, &metrics);
            }
            Err(panic) => current.refuse(format!("loading them broke off: {panic}"), &metrics),
        }
    }
}

enum Look {
    Same,
    Unreadable(String),
    New(String, Result<Box<PolicySet>, String>),
}

fn look(origin: &dyn Origin, known: &str) -> Look {
    let sources = match origin.read() {
        Ok(sources) => sources,
        Err(reason) => return Look::Unreadable(reason),
    };
    let digest = sources.digest();
    if digest == known {
        return Look::Same;
    }
    let compiled = origin.compile(&sources).map_err(|errors| errors.to_string());
    Look::New(digest, compiled.map(Box::new))
}
