//! What a policy is asked, and under whose eyes.

use serde::Deserialize;

use crate::engine::{Session, Value};
use crate::policy::PolicyId;

/// Who watches over a review from outside, since a policy that does not come back cannot say so itself.
pub trait EvaluationObserver {
    /// The policy is about to be asked.
    ///
    /// # Errors
    /// Why it must not be: then it counts as failed.
    fn asks(&self, policy: &PolicyId) -> Result<(), String>;

    /// The policy has answered.
    fn answered(&self);
}

/// Nobody watches.
pub struct Unobserved;

impl EvaluationObserver for Unobserved {
    fn asks(&self, _: &PolicyId) -> Result<(), String> {
        Ok(())
    }

    fn answered(&self) {}
}

/// A session, and who watches over it.
pub struct PolicyEvaluator<'a> {
    pub session: &'a mut Session,
    pub supervisor: &'a dyn EvaluationObserver,
}

impl PolicyEvaluator<'_> {
    /// Asks one rule and reads its answer strictly: what cannot be read is a failure, never "nothing found".
    pub fn ask<T: for<'de> Deserialize<'de>>(
        &mut self,
        policy: &PolicyId,
        rule: &str,
        input: Value,
    ) -> Result<Vec<T>, String> {
        self.supervisor.asks(policy)?;
        let answer = self.session.evaluate(rule, input);
        self.supervisor.answered();
        let answer = answer?;
        match &answer {
            Value::Set(set) if set.is_empty() => return Ok(Vec::new()),
            Value::Set(_) => {}
            _ => return Err(format!("{rule} is no set: write `contains`")),
        }
        let json = serde_json::to_value(&answer)
            .map_err(|error| format!("{rule} holds a value that is no JSON: {error}"))?;
        serde_json::from_value(json)
            .map_err(|error| format!("{rule} holds an element that cannot be read: {error}"))
    }
}
