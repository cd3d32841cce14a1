//! The ratchet: a violation that the old object already has only warns.

use std::collections::BTreeSet;

use super::evaluator::PolicyEvaluator;
use super::input_builder::{InputBuilder, Needs};
use super::state::RequestState;
use super::violation::Violation;
use crate::engine::InputDocument;
use crate::policyset::Selected;

/// The state before an update. Its document is built only when a violation is found.
pub struct Baseline<'a> {
    pub state: Option<RequestState<'a>>,
    pub inputs: &'a InputBuilder<'a>,
    /// The needs of all policies that may be evaluated on it, so that they share one document.
    pub needs: &'a [Needs<'a>],
    pub document: Option<InputDocument>,
}

impl Baseline<'_> {
    /// The keys of the policy's violations in the old object alone. Empty if it cannot be evaluated on the
    /// old object: then no violation counts as pre-existing.
    pub fn violations(
        &mut self,
        selected: &Selected<'_>,
        evaluator: &mut PolicyEvaluator<'_>,
    ) -> BTreeSet<String> {
        let (Some(state), Some(rule)) = (&self.state, selected.violation_rule()) else {
            return BTreeSet::new();
        };
        // The policy did not apply to the old object, so none of its violations were accepted before.
        let judges = state.class().is_none_or(|class| selected.policy.matches.classes.contains(&class));
        if !judges || !self.inputs.missing(state, &selected.policy.inventory).is_empty() {
            return BTreeSet::new();
        }
        if self.document.is_none() {
            self.document = self.inputs.document(state, self.needs).ok();
        }
        let Some(document) = &self.document else { return BTreeSet::new() };
        let document = self.inputs.for_policy(document, state, selected.needs());
        let found: Vec<Violation> = evaluator.evaluate(selected, rule, &document).unwrap_or_default();
        found.iter().map(|violation| violation.key(state.subject_object())).collect()
    }
}
