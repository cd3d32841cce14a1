//! Requests that bring back what ran before. An outage must not last longer because of faults that it had, so these only
//! warn, as on any other update.

use std::collections::BTreeSet;

use serde_json::Value;

use super::effective_request::with;
use super::state::{RequestState, ViewReader};
use crate::admission::{Object, Operation, Request};
use crate::inventory::RelatedClaim;
use crate::path::{Path, Segment};
use crate::workload::Workload;
use crate::workload::projection::{Claims, Field};

/// The annotation by which `kubectl rollout restart` changes a pod template and nothing that it says.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// What ran before, as far as a request brings it back.
pub struct Before {
    pub object: Value,
    pub workload: Workload,
    /// The part of the object that ran: what is found elsewhere did not.
    pub part: Path,
}

impl Before {
    /// What an update brings back that is no part of the old object, or a creation after a deletion that left the
    /// pods: replicas that were scaled away, and a pod template that the controller kept as a revision.
    ///
    /// A revision is written by nobody but the controller: the roles `edit` and `admin` may only read it. So its
    /// template was accepted, or ran before there was a gate. Of what else a new object says, nothing proves that it
    /// was there before, and a template proves nothing of claims that it may not have had.
    pub fn of(
        state: &RequestState<'_>,
        claims: impl FnOnce() -> Option<Vec<RelatedClaim>>,
        templates: &[Value],
        views: ViewReader<'_>,
    ) -> Option<Self> {
        let projection = views.projection;
        let kept = projection.template.as_ref().and_then(|path| {
            let place: Path = path.0.iter().cloned().map(Segment::from).collect();
            let template = crate::path::get(state.object.as_deref()?, &place)?;
            let kept = templates.iter().find(|kept| holds(template, kept))?;
            Some((&path.0, place, kept.clone()))
        });
        let (object, part) = if let Some(old) = state.old_object.as_deref() {
            let replicas = replicas_before(state, claims).zip(projection.replicas.as_ref());
            if replicas.is_none() && kept.is_none() {
                return None;
            }
            let object = kept.map_or_else(|| old.clone(), |(path, _, template)| with(old, path, template));
            let counted = |(count, field): (i64, &Field<i64>)| with(&object, &field.path.0, count.into());
            (replicas.map(counted).unwrap_or(object), Path::new())
        } else {
            let (path, place, template) = kept?;
            let object = with(state.object.as_deref()?, path, template);
            let object = match &projection.claims {
                Some(Claims::Templates(claims)) => with(&object, &claims.0, Value::Array(Vec::new())),
                _ => object,
            };
            (object, place)
        };
        let workload = views.read(Some(&object)).ok()??;
        Some(Self { object, workload, part })
    }
}

/// Whether a pod template says all that a kept one does. Policies may have added to it since, and what they added was
/// not there before.
fn holds(template: &Value, kept: &Value) -> bool {
    match (template, kept) {
        (_, Value::Null) => true,
        // An empty object or list may be left out.
        (Value::Object(_) | Value::Null, Value::Object(kept)) => kept
            .iter()
            .all(|(key, kept)| key == RESTARTED_AT || holds(template.get(key).unwrap_or(&Value::Null), kept)),
        (Value::Array(template), Value::Array(kept)) => {
            template.len() >= kept.len()
                && template.iter().zip(kept).all(|(template, kept)| holds(template, kept))
        }
        (Value::Null, Value::Array(kept)) => kept.is_empty(),
        _ => template == kept,
    }
}

/// How many of the requested replicas ran before, if an update adds replicas and some did. A workload without any has
/// fewer faults than it had: nothing is wrong with where its pods run, or with how many there are.
///
/// `claims` gives those of the workload, if all of them are known: each ordinal that has a bound one ran at some time.
/// Nothing else shows it. Whoever may make claims can make such ones, and gains that faults which the number of
/// replicas alone brings, and no others, warn.
fn replicas_before(
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
