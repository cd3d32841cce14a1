//! The violations that policies report.

use serde::Deserialize;
use serde_json::Value;

use crate::admission::ReviewMode;
use crate::decision::{Finding, shown};
use crate::path;
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
}

impl Violation {
    /// Identifies the violation across versions of the object: list items are identified by name, since their
    /// position changes.
    pub fn key(&self, object: &Value) -> String {
        self.key.clone().unwrap_or_else(|| path::stable(object, &self.path.0))
    }

    /// Converts the violation to a finding.
    pub fn finding(self, selected: &Selected<'_>, mode: ReviewMode, object: &Value) -> Finding {
        let policy = selected.policy;
        Finding {
            policy: policy.id.clone(),
            title: policy.title.clone(),
            severity: policy.severity,
            action: selected.action(mode),
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
