//! What is wrong with a PolicyException, and what it may not waive.

use super::bindings::{KnownPolicies, below, fault};
use crate::diagnostic::{Diagnostic, SourceText};
use crate::path::Segment;
use crate::policy::PolicyId;
use crate::policy::binding::namespace_fault;
use crate::policy::exception::{Authority, Exception, LONGEST_LIST, LONGEST_REASON};
use crate::policy::skip::REASON_LENGTH;
use crate::yaml::Document;

/// Policies that an exception names and may not waive.
pub(super) fn not_permitted(
    text: &SourceText,
    document: &Document,
    exception: &Exception,
    known: &KnownPolicies<'_>,
) -> Vec<Diagnostic> {
    let named = exception.spec.policies.iter().enumerate();
    let error = |(index, id): (usize, &PolicyId)| {
        let policy = known.policies.iter().find(|policy| policy.id == *id)?;
        if exception.may_waive(policy) {
            return None;
        }
        let at = below(&["spec", "policies"], [index.into()]);
        let message = format!("{id} is critical, so no exception in this namespace may waive it");
        let help = "ask those who run stategate for an exception in its own namespace";
        Some(fault(text, document, &at, message).with_help(help))
    };
    named.filter_map(error).collect()
}

/// What is wrong with it, whichever policies there are.
pub(super) fn exception_faults(
    text: &SourceText,
    document: &Document,
    exception: &Exception,
) -> Vec<Diagnostic> {
    let spec = &exception.spec;
    let mut errors = Vec::new();
    for (index, pattern) in spec.matches.namespaces.iter().enumerate() {
        let at = below(&["spec", "match", "namespaces"], [index.into()]);
        errors.extend(namespace_fault(pattern, &['*']).map(|message| fault(text, document, &at, message)));
    }
    let lists = [
        (below(&["spec"], ["policies".into()]), spec.policies.len()),
        (below(&["spec", "match"], ["kinds".into()]), spec.matches.kinds.len()),
        (below(&["spec", "match"], ["names".into()]), spec.matches.names.len()),
        (below(&["spec", "match"], ["namespaces".into()]), spec.matches.namespaces.len()),
    ];
    for (at, length) in lists.into_iter().filter(|(_, length)| *length > LONGEST_LIST) {
        let message = format!("it has {length} items, and at most {LONGEST_LIST} count");
        errors.push(fault(text, document, &at, message).with_help("write several exceptions"));
    }
    if spec.reason.chars().count() > LONGEST_REASON {
        let at = below(&["spec"], ["reason".into()]);
        let message = format!("the reason is longer than {LONGEST_REASON} characters");
        errors.push(fault(text, document, &at, message));
    }
    let everywhere = match exception.authority {
        Authority::File => exception.namespace.is_empty(),
        Authority::OwnNamespace => true,
        Authority::OtherNamespace => false,
    };
    if !everywhere && !spec.matches.namespaces.is_empty() {
        let at = below(&["spec", "match"], ["namespaces".into()]);
        let message = format!("it counts in the namespace {} only", exception.namespace);
        errors.push(fault(text, document, &at, message).with_help("take it out"));
    }
    if let Some(message) =
        namespace_fault(&exception.namespace, &[]).filter(|_| !exception.namespace.is_empty())
    {
        let at = below(&["metadata"], ["namespace".into()]);
        errors.push(fault(text, document, &at, message));
    }
    if spec.policies.is_empty() {
        let at = [Segment::from("spec"), Segment::from("policies")];
        errors.push(fault(text, document, &at, format!("exception {} waives no policy", exception.name)));
    }
    if spec.reason.trim().chars().count() < REASON_LENGTH {
        let at = [Segment::from("spec"), Segment::from("reason")];
        let message =
            format!("exception {} gives no reason of {REASON_LENGTH} characters or more", exception.name);
        errors.push(fault(text, document, &at, message));
    }
    errors
}
