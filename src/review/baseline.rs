//! What policies answer, and what they would have answered before.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::evaluator::PolicyEvaluator;
use super::input_builder::InputBuilder;
use crate::admission::{Operation, Phase, Request};
use crate::decision::{Finding, plain};
use crate::engine::Document;
use crate::path;
use crate::policyset::Selected;
use crate::workload::Workload;

/// What was wrong with the old object already, asked only if the new one has a fault.
pub struct Baseline<'a> {
    pub workload: Option<&'a Workload>,
    pub request: &'a Request,
    pub joined: &'a InputBuilder<'a>,
    pub document: Option<Document>,
}

impl Baseline<'_> {
    /// Keys of the policy's violations in the old object, judged as if it were new and nothing was before
    /// it. If it cannot be judged, nothing is known to be pre-existing.
    pub fn violations(
        &mut self,
        shared: &Document,
        questions: &mut PolicyEvaluator<'_>,
        selected: &Selected<'_>,
    ) -> BTreeSet<String> {
        let (Operation::Update, Some(old)) = (self.request.operation, self.workload) else {
            return BTreeSet::new();
        };
        // The policy did not judge what the object was before, so nothing of it was accepted.
        if !selected.policy.matches.classes.contains(&old.class) {
            return BTreeSet::new();
        }
        let object = self.request.old_object.as_ref().and_then(|old| old.value().ok());
        if self.document.is_none() {
            self.document = self.joined.document(shared, Some(old), None).ok();
        }
        let (Some(document), Some(object)) = (&self.document, object) else { return BTreeSet::new() };
        let input = self.joined.input(document, selected, Some(old));
        let rule = selected.violation_rule().unwrap_or_default();
        let known: Vec<Violation> = questions.ask(&selected.policy.id, rule, input).unwrap_or_default();
        known.iter().map(|violation| violation.key(object)).collect()
    }
}

/// One element of a policy's `violation`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    msg: String,
    #[serde(default)]
    path: path::Written,
    key: Option<String>,
    details: Option<Value>,
    fix: Option<String>,
}

impl Violation {
    /// Its identity over time: list items are known by name, since their position changes.
    pub fn key(&self, object: &Value) -> String {
        self.key.clone().unwrap_or_else(|| path::stable(object, &self.path.0))
    }

    pub fn finding(self, selected: &Selected<'_>, phase: Phase, object: &Value) -> Finding {
        let policy = selected.policy;
        Finding {
            policy: policy.id.clone(),
            title: policy.title.clone(),
            severity: policy.severity,
            action: selected.at_most(phase),
            pre_existing: false,
            key: self.key(object),
            message: plain(&self.msg),
            path: self.path.0,
            fix: self.fix.map_or_else(|| policy.fix.to_string(), |fix| plain(&fix)),
            why: policy.why.clone(),
            docs: policy.related.first().cloned(),
            details: self.details,
            sensitive: policy.sensitive,
        }
    }
}
