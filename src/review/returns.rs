//! Requests that bring back what ran before. An outage must not last longer because of faults that it had, so these only
//! warn, as on any other update.

use std::collections::BTreeSet;

use serde_json::Value;

use super::effective_request::with;
use super::state::{RequestState, ViewReader};
use crate::admission::{Object, Operation, Request};
use crate::inventory::RelatedClaim;
use crate::workload::Workload;

/// How many of the requested replicas ran before, if an update adds replicas and some did. A workload without any has
/// fewer faults than it had: nothing is wrong with where its pods run, or with how many there are.
///
/// `claims` gives those of the workload, if all of them are known: each ordinal that has a bound one ran at some time.
/// Nothing else shows it. Whoever may make claims can make such ones, and gains that faults which the number of
/// replicas alone brings, and no others, warn.
pub fn replicas_before(
    state: &RequestState<'_>,
    claims: impl FnOnce() -> Option<Vec<RelatedClaim>>,
) -> Option<i64> {
    let (old, new) = (state.old_workload.as_deref()?, state.workload.as_deref()?);
    let (before, wanted) = (old.replicas?, new.replicas?);
    // The API server counts changes of the spec: a workload that was created without replicas never had any.
    let generation = state.old_object.as_deref()?.pointer("/metadata/generation").and_then(Value::as_i64);
    if state.operation != Operation::Update || before >= wanted || generation == Some(1) {
        return None;
    }
    let made = old.claims.iter().any(|claim| claim.origin == "template");
    let kept = old.retention.as_ref().is_none_or(|retention| retention.when_scaled == "Retain");
    let claims = (made && kept).then(claims).flatten()?;
    let ordinals: BTreeSet<u64> =
        claims.iter().filter(|claim| ran(claim, old)).filter_map(|claim| claim.ordinal).collect();
    let ran = i64::try_from(ordinals.len()).unwrap_or(i64::MAX);
    Some(wanted.min(ran)).filter(|ran| *ran > before)
}

/// The old object with as many replicas as it had before, and its view.
pub fn with_replicas(object: &Value, replicas: i64, views: ViewReader<'_>) -> Option<(Value, Workload)> {
    let path = &views.projection.replicas.as_ref()?.path.0;
    let object = with(object, path, replicas.into());
    let workload = views.read(Some(&object)).ok()??;
    Some((object, workload))
}

/// Whether the controller of a StatefulSet has made this claim, and it was bound: its labels are those of the selector.
fn ran(claim: &RelatedClaim, workload: &Workload) -> bool {
    let selector = workload.pods.as_ref().and_then(|pods| pods.selector.as_ref());
    let selected = selector.and_then(|selector| selector.get("matchLabels")).and_then(Value::as_object);
    let labels = &claim.claim.claim.labels;
    let has = |(key, value): (&String, &Value)| labels.get(key).map(String::as_str) == value.as_str();
    let is_own = selected.is_some_and(|selected| !selected.is_empty() && selected.iter().all(has));
    is_own && claim.claim.claim.phase.as_deref() == Some("Bound")
}

/// The creation that is to follow a deletion which leaves pods and claims to a successor, as `--cascade=orphan` does.
pub fn creation_after(request: &Request) -> Option<Request> {
    let orphaned = request.options.get("propagationPolicy").and_then(Value::as_str) == Some("Orphan")
        || request.options.get("orphanDependents") == Some(&Value::Bool(true));
    if request.operation != Operation::Delete || !request.subresource.is_empty() || !orphaned {
        return None;
    }
    let mut object = request.old_object.as_ref()?.value().ok()?.clone();
    object.as_object_mut()?.remove("status");
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    for made_by_the_server in
        ["creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "uid"]
    {
        metadata.remove(made_by_the_server);
    }
    Some(Request {
        operation: Operation::Create,
        object: Some(Object::from(object)),
        old_object: None,
        options: Value::Null,
        ..request.clone()
    })
}
