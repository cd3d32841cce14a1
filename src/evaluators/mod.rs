//! Where policies are evaluated: on threads of their own, watched from outside.
//!
//! The engine's timer stops a loop, not a builtin, and no thread can be killed. So a watchdog finds a policy
//! that does not come back: its thread is abandoned and replaced, the request is reviewed again without the
//! policy, and the policy counts as failed, with what its binding says of failures. One that does so twice is
//! quarantined until the policies are loaded again. Abandoned threads go on computing; if too many do, the
//! process is better started again ([`EvaluationPool::overrun`]).
#![expect(clippy::disallowed_methods, reason = "an edge: the watchdog keeps time")]

mod fault;
mod pool;
mod quarantine;
mod worker_slot;

use std::sync::Arc;
use std::time::Instant;

pub use fault::{FaultKind, JobError, PolicyFault};
pub use pool::{EvaluationPool, QueueFull};
pub use quarantine::Quarantine;

use crate::admission::{Request, ReviewMode};
use crate::decision::{Decision, FailureCause};
use crate::inventory::Inventory;
use crate::policy::PolicyId;
use crate::policyset::PolicySet;
use crate::review::{EvaluationObserver, review, undecided};

/// What is in force: policies and bindings, the inventory that was read for them, and which of the policies
/// are in quarantine. One value, replaced whole, so that no request sees parts of two.
#[derive(Clone)]
pub struct InForce {
    /// What judges.
    pub set: Arc<PolicySet>,
    /// What is known beside the request, read by the projections of the set.
    pub inventory: Inventory,
    /// Which policies of the set are in quarantine.
    pub quarantine: Arc<Quarantine>,
}

impl InForce {
    /// A set of whose policies no fault is known.
    pub fn new(set: PolicySet, inventory: Inventory) -> Self {
        Self { set: Arc::new(set), inventory, quarantine: Arc::default() }
    }

    /// The same policies with another inventory that was read for them.
    #[must_use]
    pub fn with_inventory(&self, inventory: Inventory) -> Self {
        Self { inventory, ..self.clone() }
    }

    /// The decision if the review of a request has no result.
    pub fn undecided(&self, request: &Request, mode: ReviewMode, error: &NotEvaluated) -> Decision {
        undecided(&self.set, &self.inventory, request, mode, &error.cause())
    }
}

/// What is computed on an evaluation thread. It may be computed again, without a policy that stuck.
pub type Work<T> = Arc<dyn Fn(&dyn EvaluationObserver) -> T + Send + Sync>;

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotEvaluated {
    /// Too many jobs wait already.
    QueueFull,
    /// The deadline has passed.
    TimedOut,
    /// It panicked or stuck: twice because of policies, or not because of a policy.
    Broken(Option<PolicyId>),
}

impl NotEvaluated {
    /// What a person reads of each policy that was not evaluated.
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
    /// Reviews a request on a thread of the pool. `request` is held until no thread computes on it any more.
    ///
    /// # Errors
    /// If there is no result in time.
    pub async fn review<R: AsRef<Request> + Send + Sync + 'static>(
        &self,
        in_force: &Arc<InForce>,
        request: Arc<R>,
        mode: ReviewMode,
        now: jiff::Timestamp,
        deadline: Instant,
    ) -> Result<Decision, NotEvaluated> {
        let work = {
            let in_force = Arc::clone(in_force);
            move |observer: &dyn EvaluationObserver| {
                let InForce { set, inventory, .. } = &*in_force;
                review(set, inventory, request.as_ref().as_ref(), mode, now, observer)
            }
        };
        self.compute(&in_force.quarantine, deadline, Arc::new(work)).await
    }

    /// Computes on a thread of the pool. If a policy sticks or panics, once again without that policy.
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
                // Without an answer the thread itself is gone, which no work of ours can bring about.
                Ok(Ok(Err(JobError::Broken)) | Err(_)) => Err(NotEvaluated::Broken(None)),
                Ok(Ok(Err(JobError::Expired))) | Err(_) => Err(NotEvaluated::TimedOut),
            };
        }
    }
}
