//! What a decision says besides its findings.

use std::collections::BTreeSet;

use super::effective_request::EffectiveRequest;
use crate::admission::{Operation, ReviewMode};
use crate::decision::{Decision, Unknown};
use crate::inventory::InventoryScope;
use crate::policy::{Action, Policy};
use crate::policyset::{PolicySet, Selected};

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

/// Tells of what only warns because the objects that are missing may still arrive, and what it is if they do not.
pub fn companions_to_come(
    selected: &[Selected<'_>],
    mode: ReviewMode,
    decision: &Decision,
) -> Option<String> {
    let takes_companions =
        |policy: &Policy| policy.inventory.iter().any(|(_, scope)| scope == InventoryScope::Bundle);
    let told = |selected: &&Selected<'_>| {
        let mut findings = decision.findings.iter().filter(|finding| !finding.pre_existing);
        selected.action(mode) < selected.enforcement.action
            && takes_companions(selected.policy)
            && findings.any(|finding| finding.policy == selected.policy.id && finding.action == Action::Warn)
    };
    let ids = listed(selected.iter().filter(told).map(|selected| selected.policy.id.as_str()));
    (!ids.is_empty()).then(|| {
        format!("{ids} only warns at admission, since what is missing may still arrive; the next audit reports deny")
    })
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
