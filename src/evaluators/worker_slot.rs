//! What one evaluation thread is at, as the watch sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::pool::{FaultKind, JobError, PolicyFault};
use super::quarantine::Quarantine;
use crate::policy::PolicyId;
use crate::review::EvaluationObserver;

/// A policy that is asked for longer is stuck: the engine's own timer would have ended it long before.
pub const STUCK: Duration = Duration::from_secs(2);
/// A job that is at it for longer without asking a policy is stuck, too. None should ever be.
const ENDLESS: Duration = Duration::from_secs(60);

/// Tells whoever waits that there will be no result; does nothing if it came after all.
pub type Cancel = Box<dyn FnOnce(JobError) + Send>;

/// One thread's desk. The thread puts there what it is at; the watch may take it away.
#[derive(Default)]
pub struct WorkerSlot(Mutex<State>);

#[derive(Default)]
struct State {
    running: Option<Running>,
    given_up: bool,
}

struct Running {
    began: Instant,
    asking: Option<(PolicyId, Instant)>,
    conduct: Arc<Quarantine>,
    cancel: Cancel,
}

/// A thread that was given up, or broke off, and what it was at.
pub struct LostJob {
    /// The policy that was asked, if one was.
    pub policy: Option<PolicyId>,
    /// Where it is counted against it.
    pub conduct: Arc<Quarantine>,
    /// Who waits.
    pub cancel: Cancel,
}

impl WorkerSlot {
    /// A job begins.
    pub fn begin(&self, conduct: Arc<Quarantine>, cancel: Cancel) {
        let now = Instant::now();
        self.state().running = Some(Running { began: now, asking: None, conduct, cancel });
    }

    /// The job has ended; what it was at, unless the watch took it away.
    pub fn end(&self) -> Option<LostJob> {
        self.state().running.take().map(Running::casualty)
    }

    /// Has the watch given this thread up? Then it must take no further job.
    pub fn given_up(&self) -> bool {
        self.state().given_up
    }

    /// Gives the thread up if it is stuck.
    pub fn give_up_if_stuck(&self, now: Instant) -> Option<LostJob> {
        let mut state = self.state();
        let running = state.running.take_if(|running| running.stuck(now))?;
        state.given_up = true;
        Some(running.casualty())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asking(&self, policy: Option<PolicyId>) {
        if let Some(running) = &mut self.state().running {
            running.asking = policy.map(|policy| (policy, Instant::now()));
        }
    }
}

impl Running {
    fn stuck(&self, now: Instant) -> bool {
        match &self.asking {
            Some((_, since)) => now.saturating_duration_since(*since) > STUCK,
            None => now.saturating_duration_since(self.began) > ENDLESS,
        }
    }

    fn casualty(self) -> LostJob {
        LostJob { policy: self.asking.map(|(policy, _)| policy), conduct: self.conduct, cancel: self.cancel }
    }
}

/// Watches over one job: notes what is asked, and keeps away what must not be.
pub struct SlotObserver<'a> {
    pub desk: &'a WorkerSlot,
    pub conduct: &'a Quarantine,
    pub spared: Option<&'a PolicyFault>,
}

impl EvaluationObserver for SlotObserver<'_> {
    fn asks(&self, policy: &PolicyId) -> Result<(), String> {
        if let Some(spared) = self.spared.filter(|spared| spared.policy == *policy) {
            return Err(match spared.why {
                FaultKind::Stuck => {
                    format!("it did not answer within {} s and cannot be stopped", STUCK.as_secs())
                }
                FaultKind::Panicked => "its evaluation broke off".to_owned(),
            });
        }
        if self.conduct.quarantined(policy) {
            return Err(
                "it is in quarantine until policies are reloaded: it took evaluation threads down".to_owned()
            );
        }
        self.desk.asking(Some(policy.clone()));
        Ok(())
    }

    fn answered(&self) {
        self.desk.asking(None);
    }
}
