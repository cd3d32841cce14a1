//! Policies that failed to decide, and why.

use super::patch::Conflict;
use crate::engine::{EvaluationError, InputError};
use crate::path;
use crate::policy::binding::OnFailure;
use crate::policy::{Policy, PolicyId};
use crate::workload::Problem;

/// A policy that failed to decide.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The policy.
    pub policy: PolicyId,
    /// The cause.
    pub cause: FailureCause,
    /// What the failure leads to.
    pub on_failure: OnFailure,
}

impl Failure {
    /// A policy's failure, from its cause.
    pub fn new(policy: &Policy, cause: impl Into<FailureCause>, on_failure: OnFailure) -> Self {
        Self { policy: policy.id.clone(), cause: cause.into(), on_failure }
    }
}

/// Why a policy failed to decide.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FailureCause {
    /// The evaluation of its Rego failed.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// No input document could be built for it.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It was not evaluated: the observer excluded it, or there was no time or capacity for it.
    #[error("{message}")]
    NotEvaluated {
        /// The kind of reason, as a metrics label: `stuck`, `quarantined`, `queue_full`, …
        kind: &'static str,
        /// The text shown to the user.
        message: String,
    },
    /// Its patch conflicts with another one, or cannot be applied.
    #[error(transparent)]
    PatchConflict(#[from] Conflict),
    /// It compares with the stored object, which cannot be read.
    #[error("it cannot compare the change with the stored object: {}", .0.message)]
    UnreadableOld(Problem),
    /// The patched object could not be read, so the patch was dropped.
    #[error("its patch makes the object unreadable, so no patch was applied: {}{}", .0.message, at(.0))]
    UnreadablePatch(Problem),
}

fn at(problem: &Problem) -> String {
    if problem.path.is_empty() { String::new() } else { format!(" (at {})", path::dotted(&problem.path)) }
}

impl FailureCause {
    /// Whether the object is to blame: the evaluation exceeded a limit, or the stored object cannot be read.
    pub fn is_of_the_object(&self) -> bool {
        match self {
            Self::Evaluation(error) => error.exceeds_limit(),
            Self::UnreadableOld(_) => true,
            _ => false,
        }
    }

    /// The kind of cause, as a metrics label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Evaluation(error) => error.kind(),
            Self::Input(_) => "input",
            Self::NotEvaluated { kind, .. } => kind,
            Self::UnreadableOld(_) => "old_unreadable",
            Self::PatchConflict(_) => "patch_conflict",
            Self::UnreadablePatch(_) => "patch_unreadable",
        }
    }
}
