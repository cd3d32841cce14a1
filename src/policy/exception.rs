//! Exceptions: time-limited waivers with a reason for named policies and objects, kept apart from the
//! objects.

use schemars::JsonSchema;
use serde::Deserialize;

use super::PolicyId;
use super::skip::REASON_LENGTH;
use crate::admission::Request;
use crate::workload::labels::glob;

/// A PolicyException.
#[derive(Clone, Debug)]
pub struct Exception {
    /// `metadata.name`
    pub name: String,
    /// `metadata.namespace`: the exception applies only to objects there. Empty: everywhere.
    pub namespace: String,
    /// `spec`
    pub spec: ExceptionSpec,
}

/// `spec` of a PolicyException.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExceptionSpec {
    /// The policies it waives.
    #[schemars(length(min = 1))]
    pub policies: Vec<PolicyId>,
    /// The objects it applies to.
    #[serde(rename = "match")]
    pub matches: ExceptionMatch,
    /// Why.
    #[schemars(length(min = REASON_LENGTH))]
    pub reason: String,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When it expires; from then on every front end ignores it.
    pub expires_at: Option<jiff::Timestamp>,
}

/// `spec.match` of an exception: all keys must agree; an empty list leaves the choice open.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExceptionMatch {
    /// Kinds, such as `StatefulSet`.
    pub kinds: Vec<String>,
    /// Names (`*` and `?` allowed).
    pub names: Vec<String>,
}

impl Exception {
    /// Has it expired?
    pub fn expired(&self, now: jiff::Timestamp) -> bool {
        self.spec.expires_at.is_some_and(|end| end <= now)
    }

    /// Does it waive this policy for this request?
    pub fn waives(&self, policy: &PolicyId, request: &Request, now: jiff::Timestamp) -> bool {
        let matches = &self.spec.matches;
        !self.expired(now)
            && self.spec.policies.contains(policy)
            && (self.namespace.is_empty() || self.namespace == request.namespace)
            && (matches.kinds.is_empty() || matches.kinds.contains(&request.kind.kind))
            && (matches.names.is_empty() || matches.names.iter().any(|name| glob(name, &request.name())))
    }
}
