//! Evaluates the policies of one request and reports each evaluation to an observer.

use serde::de::DeserializeOwned;

use crate::decision::FailureCause;
use crate::engine::{Answer, EvaluationError, Evaluator, InputDocument, ParameterValues, RuleId};
use crate::policy::PolicyId;

/// Observes evaluations from outside, since a policy that does not return cannot report this itself. It only
/// decides which policies may be evaluated.
pub trait EvaluationObserver {
    /// Called before the policy is evaluated.
    ///
    /// # Errors
    /// Why it must not be evaluated: then it counts as failed.
    fn before(&self, policy: &PolicyId) -> Result<(), FailureCause>;

    /// Called after the policy was evaluated.
    fn after(&self, evaluation: &Evaluation<'_>);
}

/// One evaluation of a rule, and its result.
#[derive(Clone, Copy)]
pub struct Evaluation<'a> {
    /// The rule.
    pub rule: &'a RuleId,
    /// The input document, without the parameters.
    pub document: &'a InputDocument,
    /// The parameters.
    pub parameters: &'a ParameterValues,
    /// The value of the rule, before it is decoded as violations or patches.
    pub answer: &'a Result<Answer, EvaluationError>,
}

/// An observer that does nothing.
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
    /// Evaluates one rule and decodes its elements strictly: an element that cannot be decoded is a failure,
    /// never "no violation".
    pub fn evaluate<T: DeserializeOwned>(
        &mut self,
        policy: &PolicyId,
        rule: &RuleId,
        document: &InputDocument,
        parameters: &ParameterValues,
    ) -> Result<Vec<T>, FailureCause> {
        self.observer.before(policy)?;
        let answer = self.evaluator.evaluate(rule, document, parameters);
        // Before the observer looks away: whatever an answer costs, its policy is to blame.
        let elements = answer.as_ref().map_err(Clone::clone).and_then(Answer::elements);
        self.observer.after(&Evaluation { rule, document, parameters, answer: &answer });
        Ok(elements?)
    }
}
