//! The result of evaluating a rule: a value that is decoded strictly, or an error that says what kind of
//! fault occurred.

use serde::de::{Deserialize as _, DeserializeOwned};

use super::ast::Value;
use super::from_value::FromValue;
use super::limits;
use super::rule_id::RuleId;
use crate::diagnostic::without_value;

/// Why the evaluation of a rule failed. Never treated as "no violation".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// It took more steps than a rule may.
    #[error("it was stopped after {} steps", limits::STEPS)]
    StepsExceeded,
    /// Its builtins would have made more than a rule may.
    #[error("it was stopped when its builtins exceeded {} MiB", limits::BYTES >> 20)]
    BytesExceeded,
    /// What it found is larger than anybody can use.
    #[error("its answer is larger than {} MiB", limits::ANSWER >> 20)]
    AnswerTooLarge,
    /// A builtin failed, or an operand had the wrong type; includes the position in the Rego.
    #[error("{0}")]
    Builtin(String),
    /// A complete rule or a function has several values; includes the position in the Rego.
    #[error("{0}")]
    Conflict(String),
    /// The rule is not a partial set.
    #[error("{0} is no set: write `contains`")]
    NotASet(RuleId),
    /// An element does not have the form of a violation or a patch operation.
    #[error("{rule} holds an element that cannot be read: {reason}")]
    Undecodable {
        /// The rule.
        rule: RuleId,
        /// What is wrong with the element.
        reason: String,
    },
}

impl EvaluationError {
    /// Whether a limit ended it. The same policy is fine on other objects, so it is this object that exceeds.
    pub fn exceeds_limit(&self) -> bool {
        matches!(self, Self::StepsExceeded | Self::BytesExceeded | Self::AnswerTooLarge)
    }

    /// The kind of fault, as a metrics label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StepsExceeded => "steps",
            Self::BytesExceeded => "bytes",
            Self::AnswerTooLarge => "answer_size",
            Self::Builtin(_) => "builtin",
            Self::Conflict(_) => "conflict",
            Self::NotASet(_) => "not_a_set",
            Self::Undecodable { .. } => "undecodable",
        }
    }
}

/// The value of a rule for one input.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) rule: RuleId,
    pub(super) value: Value,
}

impl Answer {
    /// The elements of a partial set.
    ///
    /// # Errors
    /// If it is not a set, or an element is not a `T`.
    pub fn elements<T: DeserializeOwned>(&self) -> Result<Vec<T>, EvaluationError> {
        match &self.value {
            Value::Set(set) if set.is_empty() => return Ok(Vec::new()),
            Value::Set(_) => {}
            _ => return Err(EvaluationError::NotASet(self.rule.clone())),
        }
        Vec::deserialize(FromValue(&self.value)).map_err(|error| EvaluationError::Undecodable {
            rule: self.rule.clone(),
            reason: without_value(&error),
        })
    }

    /// Whether the value is `true`, as a test requires.
    pub fn is_true(&self) -> bool {
        self.value == Value::Bool(true)
    }

    /// Whether the rule has no value.
    pub fn is_undefined(&self) -> bool {
        self.value == Value::Undefined
    }

    /// The value as JSON; None if it is undefined.
    ///
    /// # Errors
    /// If JSON cannot represent it.
    pub fn to_json(&self) -> Result<Option<serde_json::Value>, serde_json::Error> {
        if self.is_undefined() { Ok(None) } else { serde_json::to_value(&self.value).map(Some) }
    }
}
