//! Evaluates policies on dedicated threads that a watchdog observes.
//!
//! The engine's timer stops a loop but not a builtin, and a thread cannot be killed. So a watchdog detects a
//! policy that does not return: it abandons and replaces the thread, the request is reviewed again without
//! the policy, and the policy counts as failed, so that its binding's onFailure decides. A policy that does
//! so twice is quarantined until the policies are reloaded. Abandoned threads keep computing; if there are
//! too many of them, the process should be restarted ([`EvaluationPool::overrun`]).
//!
//! A sample of what compiled rules answer is asked of the interpreter, too ([`Shadow`]).
#![expect(clippy::disallowed_methods, reason = "an edge: the watchdog keeps time")]

mod decision_cache;
mod fault;
mod pool;
mod quarantine;
mod shadow;
mod worker_slot;

use std::sync::Arc;
use std::time::Instant;

pub use decision_cache::DecisionCache;
pub use fault::{FaultKind, JobError, PolicyFault};
pub use pool::{EvaluationPool, QueueFull};
pub use quarantine::Quarantine;
pub use shadow::Shadow;

use crate::admission::{Request, ReviewMode};
use crate::decision::{Decision, FailureCause};
use crate::inventory::Inventory;
use crate::policy::PolicyId;
use crate::policyset::PolicySet;
use crate::review::{EvaluationObserver, review, undecided};

/// What is in force: policies and bindings, the inventory that was read for them, and the quarantined
/// policies. It is replaced as one value, so that a request never sees parts of two versions.
#[derive(Clone)]
pub struct InForce {
    /// The policies and bindings.
    pub set: Arc<PolicySet>,
    /// Other objects, read with the projections of the set.
    pub inventory: Inventory,
    /// The quarantined policies of the set.
    pub quarantine: Arc<Quarantine>,
    /// Whether the inventory has what was read for one request.
    for_one_request: bool,
}

impl InForce {
    /// A new policy set, with no known faults.
    pub fn new(set: PolicySet, inventory: Inventory) -> Self {
        Self { set: Arc::new(set), inventory, quarantine: Arc::default(), for_one_request: false }
    }

    /// The same policies with another inventory, which must have been read for them.
    #[must_use]
    pub fn with_inventory(&self, inventory: Inventory) -> Self {
        Self { inventory, ..self.clone() }
    }

    /// The same policies with an inventory that has what was read for one request.
    #[must_use]
    pub fn for_one_request(&self, inventory: Inventory) -> Self {
        Self { for_one_request: true, ..self.with_inventory(inventory) }
    }

    /// The decision for a request whose review has no result.
    pub fn undecided(&self, request: &Request, mode: ReviewMode, error: &NotEvaluated) -> Decision {
        undecided(&self.set, &self.inventory, request, mode, &error.cause())
    }
}

/// A request that waits for its review.
pub trait PendingRequest: Send + Sync + 'static {
    /// The request.
    fn request(&self) -> &Request;

    /// An evaluation thread takes it.
    fn taken(&self) {}
}

impl PendingRequest for Request {
    fn request(&self) -> &Request {
        self
    }
}

/// A computation on an evaluation thread. It may be repeated without a faulty policy.
pub type Work<T> = Arc<dyn Fn(&dyn EvaluationObserver) -> T + Send + Sync>;

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotEvaluated {
    /// Too many jobs are already waiting.
    QueueFull,
    /// The deadline has passed.
    TimedOut,
    /// It panicked or got stuck: twice because of policies (the last of which is named), or once without a
    /// policy being evaluated.
    Broken(Option<PolicyId>),
}

impl NotEvaluated {
    /// The text shown to the user for each policy that was not evaluated.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::QueueFull => "too many reviews are waiting; try again",
            Self::TimedOut => "there was no time left to evaluate it",
            Self::Broken(_) => "its evaluation broke off",
        }
    }

    fn cause(&self) -> FailureCause {
        let kind = match self {
            Self::QueueFull => "queue_full",
            Self::TimedOut => "deadline",
            Self::Broken(_) => "broken",
        };
        FailureCause::NotEvaluated { kind, message: self.reason().to_owned() }
    }
}

impl EvaluationPool {
    /// Reviews a request on a thread of the pool, unless the same request has been reviewed before and would get the
    /// same decision. `request` is kept until no thread uses it.
    ///
    /// # Errors
    /// If there is no result in time.
    pub async fn review<R: PendingRequest>(
        &self,
        in_force: &Arc<InForce>,
        request: Arc<R>,
        mode: ReviewMode,
        now: jiff::Timestamp,
        deadline: Instant,
    ) -> Result<Decision, NotEvaluated> {
        let place = self.place(request.request(), in_force, mode);
        if let Some(known) = place.as_ref().and_then(|place| self.known(&in_force.set, place)) {
            return Ok(Decision::clone(&known));
        }
        let work = {
            let in_force = Arc::clone(in_force);
            move |observer: &dyn EvaluationObserver| {
                request.taken();
                let InForce { set, inventory, .. } = &*in_force;
                review(set, inventory, request.request(), mode, now, observer)
            }
        };
        let decision = self.compute(&in_force.quarantine, deadline, Arc::new(work)).await?;
        if let Some(place) = place.filter(|_| decision.lasting) {
            self.keep(&in_force.set, place, &decision);
        }
        Ok(decision)
    }

    /// Runs `work` on a thread of the pool. If a policy gets stuck or panics, runs it once more without that
    /// policy.
    ///
    /// # Errors
    /// If there is no result in time.
    pub async fn compute<T: Send + 'static>(
        &self,
        quarantine: &Arc<Quarantine>,
        deadline: Instant,
        work: Work<T>,
    ) -> Result<T, NotEvaluated> {
        let mut excluded: Option<PolicyFault> = None;
        loop {
            let waiting = self
                .submit(quarantine, excluded.clone(), deadline, Arc::clone(&work))
                .map_err(|QueueFull| NotEvaluated::QueueFull)?;
            return match tokio::time::timeout_at(deadline.into(), waiting).await {
                Ok(Ok(Ok(result))) => Ok(result),
                Ok(Ok(Err(JobError::Policy(fault)))) if excluded.is_none() => {
                    excluded = Some(fault);
                    continue;
                }
                Ok(Ok(Err(JobError::Policy(fault)))) => Err(NotEvaluated::Broken(Some(fault.policy))),
                // A dropped sender means that the thread itself is gone, which work of this crate cannot
                // cause.
                Ok(Ok(Err(JobError::Broken)) | Err(_)) => Err(NotEvaluated::Broken(None)),
                Ok(Ok(Err(JobError::Expired))) | Err(_) => Err(NotEvaluated::TimedOut),
            };
        }
    }
}
