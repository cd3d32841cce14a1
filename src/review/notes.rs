//! What a decision says besides its findings.

use std::collections::BTreeSet;

use super::effective_request::EffectiveRequest;
use crate::admission::Operation;
use crate::decision::{Decision, Unknown};
use crate::policy::Action;
use crate::policyset::PolicySet;

/// Tells of guards that could not look at what they guard; the other policies look at what is unchanged by it.
pub fn unknown_guards(
    set: &PolicySet,
    request: &EffectiveRequest<'_>,
    unknown: &[Unknown],
) -> Option<String> {
    let guards =
        |unknown: &&Unknown| set.policy(unknown.policy.as_str()).is_some_and(|policy| !policy.ratchet);
    let unknown: Vec<&Unknown> = unknown.iter().filter(guards).collect();
    let scaled = request.unknown_parent().filter(|_| request.scales_down());
    let why = match scaled {
        Some(kind) => format!("the {} could not be read", kind.kind),
        None if request.reviewed().operation == Operation::Delete => {
            let missing = unknown.iter().flat_map(|unknown| &unknown.missing);
            let kinds: BTreeSet<&str> = missing.map(String::as_str).collect();
            format!("what the cluster has of {} is not known", listed(kinds))
        }
        None => return None,
    };
    let ids = listed(unknown.iter().map(|unknown| unknown.policy.as_str()));
    (!ids.is_empty()).then(|| format!("not judged by {ids}: {why}"))
}

fn listed<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().collect::<Vec<_>>().join(", ")
}

/// What a creation would be refused for that is to follow a deletion.
pub fn refusals_to_come(creation: &Decision) -> impl Iterator<Item = String> {
    let denied = creation.findings.iter().filter(|finding| finding.action == Action::Deny);
    denied.map(|finding| {
        let (policy, message, fix) = (&finding.policy, &finding.message, &finding.fix);
        format!("creating it again will be refused: {policy}: {message}; fix: {fix}")
    })
}
