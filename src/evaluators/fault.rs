//! How a job on an evaluation thread is lost.

use crate::policy::PolicyId;

/// Why a job that was taken has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobError {
    /// Because of a policy.
    Policy(PolicyFault),
    /// It broke off while no policy was asked.
    Broken,
    /// Its deadline passed in the queue, and it was never begun.
    Expired,
}

/// What a policy did to a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// Which policy.
    pub policy: PolicyId,
    /// What it did.
    pub kind: FaultKind,
}

/// How a thread was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// It does not come back.
    Stuck,
    /// It broke off.
    Panicked,
}

impl FaultKind {
    /// `stuck` or `panicked`, as metrics label it.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Stuck => "stuck",
            FaultKind::Panicked => "panicked",
        }
    }
}
