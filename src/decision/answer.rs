//! Converts a decision to the webhook's response.

use std::collections::BTreeMap;

use super::{Decision, Finding, message};
use crate::admission::wire::{Cause, Details, Response, Status};
use crate::admission::{Request, ReviewMode};
use crate::diagnostic::shorten;
use crate::path;
use crate::plain;
use crate::policy::Action;
use crate::policy::binding::OnFailure;

/// The longest name of an object, and the longest texts of a refusal, in bytes: they quote what the requester
/// chose.
const NAME: usize = 253;
const CAUSE: usize = 2 << 10;
const MESSAGE: usize = 32 << 10;

/// The response for the API server.
///
/// The mutating webhook refuses only unreadable objects; it patches, and the validating webhook reviews the
/// result. A validating response never carries a patch: the API server would reject the response.
pub fn respond(request: &Request, mode: ReviewMode, decision: &Decision) -> Response {
    let mutating = mode == ReviewMode::Mutate;
    let failed = |failure: &super::Failure| failure.on_failure == OnFailure::Deny;
    let allowed = decision.allowed()
        || mutating && decision.findings.iter().all(|finding| finding.action != Action::Deny);
    let patch = decision.patch.as_ref().filter(|_| mutating && allowed);
    let status = (!allowed).then(|| Status {
        code: 403,
        reason: "Forbidden",
        message: shorten(message::refusal(request, decision), MESSAGE),
        details: Some(Details {
            name: shorten(plain::line(&request.name()).into_owned(), NAME),
            group: shorten(plain::line(&request.kind.group).into_owned(), NAME),
            kind: shorten(plain::line(&request.kind.kind).into_owned(), NAME),
            causes: decision
                .findings
                .iter()
                .filter(|finding| finding.action == Action::Deny)
                .take(message::SHOWN)
                .map(cause)
                .collect(),
        }),
    });
    Response {
        allowed,
        status,
        warnings: message::warnings(decision, mode),
        patch: patch.map(|patch| patch.operations.clone()),
        audit_annotations: audit_annotations(decision, decision.failures.iter().any(failed)),
    }
}

fn cause(finding: &Finding) -> Cause {
    // A cause has no field for it.
    let binding = finding.binding.as_ref().map(|binding| format!(" (binding: {})", plain::line(binding)));
    Cause {
        reason: finding.policy.to_string(),
        message: shorten(finding.message.clone(), CAUSE) + &binding.unwrap_or_default(),
        field: shorten(path::dotted(&finding.path), CAUSE),
    }
}

/// Policies by outcome, for the API server's audit log.
fn audit_annotations(decision: &Decision, failed: bool) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    for action in [Action::Deny, Action::Warn, Action::Audit] {
        let mut ids: Vec<&str> = decision
            .findings
            .iter()
            .filter(|finding| finding.action == action)
            .map(|finding| finding.policy.as_str())
            .collect();
        ids.dedup();
        if !ids.is_empty() {
            annotations.insert(action.to_string(), ids.join(","));
        }
    }
    let mut bindings: Vec<String> = decision
        .findings
        .iter()
        .filter_map(|finding| Some(format!("{}={}", finding.policy, plain::line(finding.binding.as_ref()?))))
        .collect();
    bindings.sort_unstable();
    bindings.dedup();
    if !bindings.is_empty() {
        annotations.insert("binding".to_owned(), bindings.join(","));
    }
    if let Some(patched) = &decision.patch {
        let ids: Vec<&str> = patched.policies.iter().map(crate::policy::PolicyId::as_str).collect();
        annotations.insert("patched".to_owned(), ids.join(","));
    }
    if !decision.waived.is_empty() {
        let ids: Vec<&str> = decision.waived.iter().map(|waived| waived.policy.as_str()).collect();
        annotations.insert("waived".to_owned(), ids.join(","));
    }
    if !decision.lowered_by.is_empty() {
        annotations.insert("lowered-by".to_owned(), decision.lowered_by.join(","));
    }
    if !decision.unknown.is_empty() {
        let ids: Vec<&str> = decision.unknown.iter().map(|unknown| unknown.policy.as_str()).collect();
        annotations.insert("unknown".to_owned(), ids.join(","));
    }
    if failed {
        let ids: Vec<&str> = decision.failures.iter().map(|failure| failure.policy.as_str()).collect();
        annotations.insert("failed".to_owned(), ids.join(","));
    }
    annotations
}
