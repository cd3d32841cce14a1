//! Why a job on an evaluation thread is lost.

use crate::policy::PolicyId;

/// Why an accepted job has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobError {
    /// A policy blocked the thread or panicked.
    Policy(PolicyFault),
    /// The job panicked or got stuck while no policy was being evaluated.
    Broken,
    /// Its deadline passed in the queue, so it was not started.
    Expired,
}

/// A fault of a policy that cost an evaluation thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// The policy.
    pub policy: PolicyId,
    /// The kind of fault.
    pub kind: FaultKind,
}

/// How a thread was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The evaluation does not return.
    Stuck,
    /// The evaluation panicked.
    Panicked,
}

impl FaultKind {
    /// `stuck` or `panicked`, as a metrics label.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Stuck => "stuck",
            FaultKind::Panicked => "panicked",
        }
    }
}
