//! Where policies are evaluated: on threads of their own, watched from outside.
//!
//! The engine's timer stops a loop, not a builtin, and no thread can be killed. So a policy that does
//! not come back is found out by a watch: its thread is given up and replaced, the request is judged
//! again without it, and the policy counts as failed, with what its binding says of failures. One that
//! does so twice is quarantined until the policies are loaded anew. Threads that were given up go on
//! computing; if too many do, the process is better started again ([`EvaluationPool::overrun`]).
#![expect(clippy::disallowed_methods, reason = "an edge: the watch keeps time")]

mod pool;
mod quarantine;
mod worker_slot;

use std::sync::Arc;
use std::time::Instant;

pub use pool::{EvaluationPool, JobError, PolicyFault, QueueFull};
pub use quarantine::Quarantine;

use crate::policy::PolicyId;
use crate::policyset::PolicySet;
use crate::review::EvaluationObserver;

/// A policy set, and how its policies have behaved since it was loaded.
pub struct InForce {
    /// What judges.
    pub set: PolicySet,
    /// Which of its policies are in quarantine.
    pub conduct: Arc<Quarantine>,
}

impl InForce {
    /// A set of which nothing bad is known.
    pub fn new(set: PolicySet) -> Self {
        Self { set, conduct: Arc::default() }
    }
}

/// What is computed on an evaluation thread. It may be computed again, without a policy that stuck.
pub type Work<T> = Arc<dyn Fn(&dyn EvaluationObserver) -> T + Send + Sync>;

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotEvaluated {
    /// Too many wait already.
    QueueFull,
    /// The time is up.
    Late,
    /// It broke off: twice because of policies, or not because of a policy.
    Broken(Option<PolicyId>),
}

impl NotEvaluated {
    /// What a person is told of each policy that was not asked.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::QueueFull => "too many reviews are waiting; try again",
            Self::Late => "there was no time left to ask it",
            Self::Broken(_) => "its evaluation broke off",
        }
    }
}

impl EvaluationPool {
    /// Computes on a thread of the pool. If a policy sticks or panics, once again without that policy.
    ///
    /// # Errors
    /// If there is no result in time.
    pub async fn compute<T: Send + 'static>(
        &self,
        conduct: &Arc<Quarantine>,
        deadline: Instant,
        work: Work<T>,
    ) -> Result<T, NotEvaluated> {
        let mut spared: Option<PolicyFault> = None;
        loop {
            let waiting = self
                .submit(conduct, spared.clone(), deadline, Arc::clone(&work))
                .map_err(|_| NotEvaluated::QueueFull)?;
            return match tokio::time::timeout_at(deadline.into(), waiting).await {
                Ok(Ok(Ok(result))) => Ok(result),
                Ok(Ok(Err(JobError::Policy(misconduct)))) if spared.is_none() => {
                    spared = Some(misconduct);
                    continue;
                }
                Ok(Ok(Err(JobError::Policy(misconduct)))) => {
                    Err(NotEvaluated::Broken(Some(misconduct.policy)))
                }
                // Without an answer the thread itself is gone, which no work of ours can bring about.
                Ok(Ok(Err(JobError::Broken)) | Err(_)) => Err(NotEvaluated::Broken(None)),
                Ok(Ok(Err(JobError::Expired))) | Err(_) => Err(NotEvaluated::Late),
            };
        }
    }
}
