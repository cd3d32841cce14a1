//! Evaluates the policies of one request and reports each evaluation to an observer.

use serde::de::DeserializeOwned;

use crate::decision::FailureCause;
use crate::engine::{
    Answer, EngineKind, EvaluationError, Evaluator, InputDocument, InputPart, ParameterValues, Question,
    RuleId,
};
use crate::policy::PolicyId;
use crate::policyset::Selected;

/// Observes evaluations from outside, since a policy that does not return cannot report this itself. It only
/// decides which policies may be evaluated, and by which engine.
pub trait EvaluationObserver {
    /// Called before the policy is evaluated.
    ///
    /// # Errors
    /// Why it must not be evaluated: then it counts as failed.
    fn before(&self, policy: &PolicyId) -> Result<(), FailureCause>;

    /// Whether only the interpreter may evaluate the policy.
    fn distrusts(&self, _: &PolicyId) -> bool {
        false
    }

    /// Called after the policy was evaluated.
    fn after(&self, evaluation: &Evaluation<'_>);
}

/// One evaluation of a rule, and its result.
#[derive(Clone, Copy)]
pub struct Evaluation<'a> {
    /// What evaluated it.
    pub evaluator: &'a Evaluator,
    /// The rule.
    pub rule: &'a RuleId,
    /// The input document, without the parameters.
    pub document: &'a InputDocument,
    /// The parameters.
    pub parameters: &'a ParameterValues,
    /// The value of the rule, before it is decoded as violations or patches.
    pub answer: &'a Result<Answer, EvaluationError>,
}

impl Evaluation<'_> {
    /// The question with its answer, if the rule is compiled.
    pub fn question(&self) -> Option<Question> {
        self.evaluator.question(self.rule, self.document, self.parameters, self.answer)
    }
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
    evaluator: Evaluator,
    observer: &'a dyn EvaluationObserver,
    /// Whether the observer held a policy back, or the interpreter evaluated one that reads what passes.
    passing: bool,
}

impl<'a> PolicyEvaluator<'a> {
    pub fn new(evaluator: Evaluator, observer: &'a dyn EvaluationObserver) -> Self {
        Self { evaluator, observer, passing: false }
    }

    /// Whether another evaluation of the same input may have other answers: at another time, or because the observer
    /// decides otherwise.
    pub fn is_passing(&self) -> bool {
        self.passing || self.evaluator.is_passing()
    }

    /// Evaluates one rule and decodes its elements strictly: an element that cannot be decoded is a failure,
    /// never "no violation".
    pub fn evaluate<T: DeserializeOwned>(
        &mut self,
        selected: &Selected<'_>,
        rule: &RuleId,
        document: &InputDocument,
    ) -> Result<Vec<T>, FailureCause> {
        let (policy, parameters, (_, read)) = (&selected.policy.id, selected.parameters, selected.needs());
        self.observer.before(policy).inspect_err(|_| self.passing = true)?;
        let engine = match self.observer.distrusts(policy) {
            true => EngineKind::Interpreter,
            false => EngineKind::Compiled,
        };
        let may_pass = read.contains(InputPart::Now) || read.contains(InputPart::Uid);
        self.passing |= may_pass && self.evaluator.interprets(engine, rule);
        let answer = self.evaluator.evaluate_by(engine, rule, document, parameters);
        // Before the observer looks away: whatever an answer costs, its policy is to blame.
        let elements = answer.as_ref().map_err(Clone::clone).and_then(Answer::elements);
        let evaluator = &self.evaluator;
        self.observer.after(&Evaluation { evaluator, rule, document, parameters, answer: &answer });
        Ok(elements?)
    }
}
