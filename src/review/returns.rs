//! Requests that bring back what ran before. An outage must not last longer because of faults that it had, so these only
//! warn, as on any other update.

use std::collections::BTreeSet;

use serde_json::Value;

use super::effective_request::with;
use super::state::{RequestState, ViewReader};
use crate::admission::{GroupKind, Object, Operation, Request};
use crate::inventory::{Inventory, InventoryWriter, RelatedClaim};
use crate::path::{self, Path, Segment};
use crate::workload::Workload;
use crate::workload::projection::Claims;

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
    /// template was accepted, or ran before there was a gate; with how many replicas, it does not say. Of what else a
    /// new object says, nothing proves that it was there before: claims and replicas count as far as bound claims show
    /// them.
    pub fn of(
        state: &RequestState<'_>,
        claims: impl FnOnce() -> Option<Vec<RelatedClaim>>,
        templates: &[Value],
        views: ViewReader<'_>,
    ) -> Option<Self> {
        let projection = views.projection;
        let replicas_at = |object: Value, count: i64| match &projection.replicas {
            Some(field) => with(&object, &field.path.0, count.into()),
            None => object,
        };
        let kept = projection.template.as_ref().and_then(|path| {
            let place: Path = path.0.iter().cloned().map(Segment::from).collect();
            let template = path::get(state.object.as_deref()?, &place)?;
            let held = templates.iter().filter(|kept| holds(template, kept));
            // The one that says most: nothing but what was added since is missing in it.
            let kept = held.reduce(|most, kept| if holds(kept, most) { kept } else { most })?;
            Some((&path.0, place, kept.clone()))
        });
        let (object, part) = if let Some(old) = state.old_object.as_deref() {
            let replicas = replicas_before(state, claims);
            if replicas.is_none() && kept.is_none() {
                return None;
            }
            let object = kept.map_or_else(|| old.clone(), |(path, _, template)| with(old, path, template));
            (replicas.map_or(object.clone(), |count| replicas_at(object, count)), Path::new())
        } else {
            let (path, place, template) = kept?;
            let object = with(state.object.as_deref()?, path, template);
            let workload = state.workload.as_deref()?;
            let ran = ordinals(&claims().unwrap_or_default(), workload);
            let object = match &projection.claims {
                Some(Claims::Templates(claims)) if ran == 0 => {
                    with(&object, &claims.0, Value::Array(Vec::new()))
                }
                _ => object,
            };
            (replicas_at(object, workload.replicas.unwrap_or(1).min(ran.max(1))), place)
        };
        let workload = views.read(Some(&object)).ok()??;
        Some(Self { object, workload, part })
    }
}

/// Whether the controller of this kind keeps the pod templates of earlier revisions, as ControllerRevisions.
pub fn keeps_revisions(kind: &GroupKind) -> bool {
    kind.group == "apps" && ["StatefulSet", "DaemonSet"].contains(&kind.kind.as_str())
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
    let ran = ordinals(&claims, old);
    Some(wanted.min(ran)).filter(|ran| *ran > before)
}

/// How many pods of a StatefulSet ran, as far as the claims show that were made for them.
fn ordinals(claims: &[RelatedClaim], workload: &Workload) -> i64 {
    let ordinals: BTreeSet<u64> =
        claims.iter().filter(|claim| ran(claim, workload)).filter_map(|claim| claim.ordinal).collect();
    i64::try_from(ordinals.len()).unwrap_or(i64::MAX)
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

/// The creation that is to follow a deletion which leaves pods and claims to a successor, as `--cascade=orphan` does, and
/// the inventory at that time: the pod template that runs is a revision then.
pub fn creation_after(request: &Request, inventory: &Inventory) -> Option<(Request, Inventory)> {
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
    let mut writer = InventoryWriter::from(inventory);
    let kind = request.kind.group_kind();
    if keeps_revisions(&kind) {
        let template = object.pointer("/spec/template").cloned();
        writer.keep_templates(request.reference(kind), template.into_iter().collect());
    }
    let request = Request {
        operation: Operation::Create,
        object: Some(Object::from(object)),
        old_object: None,
        options: Value::Null,
        ..request.clone()
    };
    Some((request, writer.snapshot()))
}
