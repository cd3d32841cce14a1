//! The violations that policies report.

use serde::Deserialize;
use serde_json::Value;

use crate::admission::ReviewMode;
use crate::decision::{Finding, shown};
use crate::path;
use crate::policy::Action;
use crate::policyset::Selected;

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
    /// The objects that may still arrive and make it right, as a phrase.
    may_arrive: Option<String>,
}

impl Violation {
    /// Identifies the violation across versions of the object: list items are identified by name, since their
    /// position changes.
    pub fn key(&self, object: &Value) -> String {
        self.key.clone().unwrap_or_else(|| path::stable(object, &self.path.0))
    }

    /// The action on it in this mode: what is missing because the object comes first refuses nothing.
    fn action(&self, selected: &Selected<'_>, mode: ReviewMode) -> Action {
        let may_arrive = self.may_arrive.is_some() && mode == ReviewMode::Validate;
        selected.action(mode).min(if may_arrive { Action::Warn } else { Action::Deny })
    }

    /// What becomes of it if what is missing does not arrive, if that is more than a warning.
    pub fn to_come(&self, selected: &Selected<'_>, mode: ReviewMode) -> Option<String> {
        let missing = shown(self.may_arrive.as_deref()?);
        let (id, later) = (&selected.policy.id, selected.enforcement.action);
        (self.action(selected, mode) < later).then(|| {
            format!("{id} only warns at admission, since {missing} may still arrive; `stategate audit` reports {later}")
        })
    }

    /// Converts the violation to a finding.
    pub fn finding(self, selected: &Selected<'_>, mode: ReviewMode, object: &Value) -> Finding {
        let policy = selected.policy;
        Finding {
            policy: policy.id.clone(),
            title: policy.title.clone(),
            severity: policy.severity,
            action: self.action(selected, mode),
            binding: Some(selected.enforcement.binding.clone()),
            pre_existing: false,
            key: self.key(object),
            message: shown(&self.msg),
            path: self.path.0,
            fix: self.fix.map_or_else(|| policy.fix.to_string(), |fix| shown(&fix)),
            why: policy.why.clone(),
            docs: policy.related.first().cloned(),
            // A value that may be a credential is nobody's detail.
            details: self.details.filter(|_| !policy.sensitive),
            sensitive: policy.sensitive,
        }
    }
}
