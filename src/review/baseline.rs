//! The ratchet: what was wrong with the old object already only warns.

use std::collections::BTreeSet;

use super::evaluator::PolicyEvaluator;
use super::input_builder::{InputBuilder, Needs};
use super::state::RequestState;
use super::violation::Violation;
use crate::engine::InputDocument;
use crate::policyset::Selected;

/// The state before an update. Nothing of it is built until a new fault is found.
pub struct Baseline<'a> {
    pub state: Option<RequestState<'a>>,
    pub inputs: &'a InputBuilder<'a>,
    /// Of all policies that may be evaluated on it, so that they share one document.
    pub needs: &'a [Needs<'a>],
    pub document: Option<InputDocument>,
}

impl Baseline<'_> {
    /// Keys of the policy's violations in the old object, judged alone. If it cannot be judged, nothing is
    /// known to be pre-existing.
    pub fn violations(
        &mut self,
        selected: &Selected<'_>,
        evaluator: &mut PolicyEvaluator<'_>,
    ) -> BTreeSet<String> {
        let (Some(state), Some(rule)) = (&self.state, selected.violation_rule()) else {
            return BTreeSet::new();
        };
        // The policy did not judge what the object was before, so nothing of it was accepted.
        let judges = state.class().is_none_or(|class| selected.policy.matches.classes.contains(&class));
        if !judges || !self.inputs.missing(state, &selected.policy.inventory).is_empty() {
            return BTreeSet::new();
        }
        if self.document.is_none() {
            self.document = self.inputs.document(state, self.needs).ok();
        }
        let Some(document) = &self.document else { return BTreeSet::new() };
        let document = self.inputs.for_policy(document, state, selected.needs());
        let found: Vec<Violation> =
            evaluator.evaluate(&selected.policy.id, rule, &document, selected.parameters).unwrap_or_default();
        found.iter().map(|violation| violation.key(state.subject_object())).collect()
    }
}
