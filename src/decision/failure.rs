//! Policies that could not decide, and why.

use super::patch::Conflict;
use crate::engine::{EvaluationError, InputError};
use crate::path;
use crate::policy::binding::OnFailure;
use crate::policy::{Policy, PolicyId};
use crate::workload::Problem;

/// A policy that could not decide.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which policy.
    pub policy: PolicyId,
    /// Why.
    pub cause: FailureCause,
    /// What follows.
    pub on_failure: OnFailure,
}

impl Failure {
    /// A policy that could not decide.
    pub fn new(policy: &Policy, cause: impl Into<FailureCause>, on_failure: OnFailure) -> Self {
        Self { policy: policy.id.clone(), cause: cause.into(), on_failure }
    }
}

/// Why a policy could not decide.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FailureCause {
    /// Its Rego gave no answer that counts.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// No input document could be built for it.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It was not evaluated: whoever watches over the evaluation kept it away, or had no time or place for it.
    #[error("{message}")]
    NotEvaluated {
        /// The kind of reason, as metrics label it: `stuck`, `quarantined`, `queue_full`, …
        kind: &'static str,
        /// What a person reads.
        message: String,
    },
    /// Its patch contradicts another one, or cannot be applied.
    #[error(transparent)]
    PatchConflict(#[from] Conflict),
    /// The object could not be read once it was patched, so the patch was dropped.
    #[error("its patch makes the object unreadable, so no patch was applied: {}{}", .0.message, at(.0))]
    UnreadablePatch(Problem),
}

fn at(problem: &Problem) -> String {
    if problem.path.is_empty() { String::new() } else { format!(" (at {})", path::dotted(&problem.path)) }
}

impl FailureCause {
    /// The kind of cause, as metrics label it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Evaluation(error) => error.kind(),
            Self::Input(_) => "input",
            Self::NotEvaluated { kind, .. } => kind,
            Self::PatchConflict(_) => "patch_conflict",
            Self::UnreadablePatch(_) => "patch_unreadable",
        }
    }
}
