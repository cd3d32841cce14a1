//! The state of one evaluation thread, as the watchdog sees it.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::NotEvaluated;
use super::fault::{FaultKind, JobError, PolicyFault};
use super::quarantine::Quarantine;
use super::shadow::Asked;
use crate::decision::FailureCause;
use crate::policy::PolicyId;
use crate::review::{Evaluation, EvaluationObserver};
use crate::telemetry::metrics::Metrics;

/// A policy whose evaluation takes longer is stuck: the engine's own timer should have stopped it long
/// before.
pub const STUCK: Duration = Duration::from_secs(2);
/// A job that takes longer without evaluating a policy is also stuck. This should never happen.
const JOB_LIMIT: Duration = Duration::from_secs(60);

/// Reports that there will be no result; does nothing if there already is one.
pub type Cancel = Box<dyn FnOnce(JobError) + Send>;

/// The slot of one thread. The thread records its work here; the watchdog may take it away.
#[derive(Default)]
pub struct WorkerSlot(Mutex<State>);

#[derive(Default)]
struct State {
    running: Option<Running>,
    abandoned: bool,
}

struct Running {
    began: Instant,
    evaluating: Option<(PolicyId, Instant)>,
    quarantine: Arc<Quarantine>,
    cancel: Cancel,
}

/// A job whose thread was abandoned or panicked.
pub struct LostJob {
    /// The policy that was being evaluated, if any.
    pub policy: Option<PolicyId>,
    /// The quarantine that counts the fault.
    pub quarantine: Arc<Quarantine>,
    /// Reports the loss to the caller that waits for the result.
    pub cancel: Cancel,
}

impl WorkerSlot {
    /// Records that a job begins.
    pub fn begin(&self, quarantine: Arc<Quarantine>, cancel: Cancel) {
        let began = Instant::now();
        self.state().running = Some(Running { began, evaluating: None, quarantine, cancel });
    }

    /// Records that the job has ended, and returns it unless the watchdog took it away.
    pub fn end(&self) -> Option<LostJob> {
        self.state().running.take().map(Running::lost)
    }

    /// Whether the watchdog has abandoned this thread. It must then take no further job.
    pub fn is_abandoned(&self) -> bool {
        self.state().abandoned
    }

    /// Abandons the thread if it is stuck, and returns its job.
    pub fn abandon_if_stuck(&self, now: Instant) -> Option<LostJob> {
        let mut state = self.state();
        let running = state.running.take_if(|running| running.is_stuck(now))?;
        state.abandoned = true;
        Some(running.lost())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records which policy is evaluated, and returns the one before it, with its beginning.
    fn evaluating(&self, policy: Option<PolicyId>) -> Option<(PolicyId, Instant)> {
        let next = policy.map(|policy| (policy, Instant::now()));
        std::mem::replace(&mut self.state().running.as_mut()?.evaluating, next)
    }
}

impl Running {
    fn is_stuck(&self, now: Instant) -> bool {
        match &self.evaluating {
            Some((_, since)) => now.saturating_duration_since(*since) > STUCK,
            None => now.saturating_duration_since(self.began) > JOB_LIMIT,
        }
    }

    fn lost(self) -> LostJob {
        let policy = self.evaluating.map(|(policy, _)| policy);
        LostJob { policy, quarantine: self.quarantine, cancel: self.cancel }
    }
}

/// Observes one job: records in the slot which policy is evaluated, and excludes policies that must not be.
pub struct SlotObserver<'a> {
    pub slot: &'a WorkerSlot,
    pub quarantine: &'a Quarantine,
    /// The policy that cost the job its previous thread.
    pub excluded: Option<&'a PolicyFault>,
    /// After this nobody waits for the result.
    pub deadline: Instant,
    /// What counts how long policies take.
    pub metrics: &'a Metrics,
    /// What compiled rules answered, if this job is in the sample.
    pub sample: Option<RefCell<Vec<Asked>>>,
}

impl EvaluationObserver for SlotObserver<'_> {
    fn before(&self, policy: &PolicyId) -> Result<(), FailureCause> {
        if let Some(fault) = self.excluded.filter(|fault| fault.policy == *policy) {
            let message = match fault.kind {
                FaultKind::Stuck => {
                    format!("it did not answer within {} s and cannot be stopped", STUCK.as_secs())
                }
                FaultKind::Panicked => "its evaluation broke off".to_owned(),
            };
            return Err(FailureCause::NotEvaluated { kind: fault.kind.as_str(), message });
        }
        if self.quarantine.contains(policy) {
            let message =
                "it is in quarantine until policies are reloaded: it did not return from its evaluation"
                    .to_owned();
            return Err(FailureCause::NotEvaluated { kind: "quarantined", message });
        }
        if Instant::now() >= self.deadline {
            return Err(NotEvaluated::TimedOut.cause());
        }
        self.slot.evaluating(Some(policy.clone()));
        Ok(())
    }

    fn distrusts(&self, policy: &PolicyId) -> bool {
        self.quarantine.distrusts(policy)
    }

    fn after(&self, evaluation: &Evaluation<'_>) {
        let Some((policy, began)) = self.slot.evaluating(None) else { return };
        self.metrics.evaluated(policy.as_str(), began.elapsed());
        if let Some(sample) = &self.sample
            && !self.quarantine.distrusts(&policy)
            && let Some(question) = evaluation.question()
        {
            sample.borrow_mut().push(Asked { policy, question });
        }
    }
}
