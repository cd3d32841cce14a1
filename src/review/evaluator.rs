//! Evaluates the policies of one request, under the eyes of an observer.

use serde::de::DeserializeOwned;

use crate::decision::FailureCause;
use crate::engine::{Answer, EvaluationError, Evaluator, InputDocument, ParameterValues, RuleId};
use crate::policy::PolicyId;

/// Watches over evaluations from outside, since a policy that does not come back cannot say so itself. It
/// decides nothing but which policies may be evaluated.
pub trait EvaluationObserver {
    /// The policy is about to be evaluated.
    ///
    /// # Errors
    /// Why it must not be: then it counts as failed.
    fn before(&self, policy: &PolicyId) -> Result<(), FailureCause>;

    /// The policy was evaluated.
    fn after(&self, evaluation: &Evaluation<'_>);
}

/// One evaluation of a rule, and what came of it.
#[derive(Clone, Copy)]
pub struct Evaluation<'a> {
    /// The rule.
    pub rule: &'a RuleId,
    /// The input document, without the parameters.
    pub document: &'a InputDocument,
    /// The parameters.
    pub parameters: &'a ParameterValues,
    /// The value of the rule, before it is read as violations or patches.
    pub answer: &'a Result<Answer, EvaluationError>,
}

/// Nobody watches.
pub struct Unobserved;

impl EvaluationObserver for Unobserved {
    fn before(&self, _: &PolicyId) -> Result<(), FailureCause> {
        Ok(())
    }

    fn after(&self, _: &Evaluation<'_>) {}
}

/// Evaluates the rules of policies.
pub struct PolicyEvaluator<'a> {
    pub evaluator: Evaluator,
    pub observer: &'a dyn EvaluationObserver,
}

impl PolicyEvaluator<'_> {
    /// Evaluates one rule and reads its elements strictly: what cannot be read is a failure, never "nothing
    /// found".
    pub fn evaluate<T: DeserializeOwned>(
        &mut self,
        policy: &PolicyId,
        rule: &RuleId,
        document: &InputDocument,
        parameters: &ParameterValues,
    ) -> Result<Vec<T>, FailureCause> {
        self.observer.before(policy)?;
        let answer = self.evaluator.evaluate(rule, document, parameters);
        self.observer.after(&Evaluation { rule, document, parameters, answer: &answer });
        Ok(answer?.elements()?)
    }
}
