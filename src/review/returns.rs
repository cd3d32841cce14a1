//! Requests that bring back what ran before. An outage must not last longer because of faults that it had, so these only
//! warn, as on any other update.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::effective_request::with;
use super::state::{RequestState, ViewReader};
use crate::admission::{Object, Operation, Request};
use crate::inventory::RelatedClaim;
use crate::policy::{Policy, Severity};
use crate::workload::Workload;

/// How many of the requested replicas ran before, if an update adds replicas and some did. A workload without any has
/// fewer faults than it had: nothing is wrong with where its pods run, or with how many there are.
///
/// `claims` gives those of the workload, if all of them are known: each ordinal that has one ran at some time.
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
    let ran = (made && kept).then(claims).flatten().map(|claims| {
        let ordinals: BTreeSet<u64> = claims.iter().filter_map(|claim| claim.ordinal).collect();
        i64::try_from(ordinals.len()).unwrap_or(i64::MAX)
    });
    match ran {
        Some(ran) => Some(wanted.min(ran)).filter(|ran| *ran > before),
        None => Some(wanted).filter(|_| before == 0),
    }
}

/// The old object with as many replicas as it had before, and its view.
pub fn with_replicas(object: &Value, replicas: i64, views: ViewReader<'_>) -> Option<(Value, Workload)> {
    let path = &views.projection.replicas.as_ref()?.path.0;
    let object = with(object, path, replicas.into());
    let workload = views.read(Some(&object)).ok()??;
    Some((object, workload))
}

/// Whether a StatefulSet that is created finds bound claims that one of its name and selector has made: it was deleted
/// and comes back.
pub fn is_recreated(state: &RequestState<'_>, claims: impl FnOnce() -> Vec<RelatedClaim>) -> bool {
    let made = |workload: &&Workload| workload.claims.iter().any(|claim| claim.origin == "template");
    let created = state.workload.as_deref().filter(|_| state.operation == Operation::Create);
    let Some(workload) = created.filter(made) else { return false };
    let selector = workload.pods.as_ref().and_then(|pods| pods.selector.as_ref());
    let selected = selector.and_then(|selector| selector.get("matchLabels")).and_then(Value::as_object);
    // The controller puts the labels of the selector on the claims that it makes.
    let is_own = |claim: &RelatedClaim| {
        let labels = &claim.claim.claim.labels;
        selected.is_some_and(|selected| {
            let has = |(key, value): (&String, &Value)| labels.get(key).map(String::as_str) == value.as_str();
            !selected.is_empty() && selected.iter().all(has)
        })
    };
    let bound = |claim: &RelatedClaim| claim.claim.claim.phase.as_deref() == Some("Bound");
    claims().iter().any(|claim| claim.ordinal.is_some() && bound(claim) && is_own(claim))
}

/// Whether an update sets the pod template of a StatefulSet back to the one that ran before a rollout that has not
/// succeeded: until then, its controller names that revision as the current one.
pub fn is_rolled_back(state: &RequestState<'_>) -> bool {
    let (Some(old), Some(new)) = (state.old_object.as_deref(), state.object.as_deref()) else { return false };
    let is_set = state.workload.as_deref().is_some_and(|workload| workload.kind == "StatefulSet");
    let text = |pointer: &str| old.pointer(pointer).and_then(Value::as_str);
    let (Some(name), Some(current), Some(template)) =
        (text("/metadata/name"), text("/status/currentRevision"), new.pointer("/spec/template"))
    else {
        return false;
    };
    let collisions = old.pointer("/status/collisionCount").and_then(Value::as_i64).unwrap_or(0);
    is_set
        && state.operation == Operation::Update
        && Some(current) != text("/status/updateRevision")
        && old.pointer("/spec/template") != Some(template)
        && current.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'))
            == Some(&*revision(template, collisions))
}

/// How the StatefulSet controller names the revision of a pod template: the 32-bit FNV-1 hash of the patch that a
/// ControllerRevision holds, in letters that make no words (`pkg/controller/history` of Kubernetes).
fn revision(template: &Value, collisions: i64) -> String {
    let mut template = template.clone();
    if let Value::Object(fields) = &mut template {
        fields.insert("$patch".to_owned(), "replace".into());
    }
    // Go writes maps by key, as serde_json does, and nothing that would end a script in a page.
    let patch = json!({"spec": {"template": template}}).to_string();
    let patch = ESCAPED.iter().fold(patch, |text, (character, code)| text.replace(*character, code));
    let hash = format!("{patch}{collisions}")
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte));
    let letter = |digit: u8| LETTERS.get(usize::from(digit) % LETTERS.len()).copied().map(char::from);
    hash.to_string().bytes().filter_map(letter).collect()
}

const ESCAPED: [(char, &str); 5] =
    [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")];
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Whether a policy only warns of what is rolled back or created again. A store that would start on something else
/// than its claims, or beside another writer, is none that comes back.
pub fn only_warns(policy: &Policy) -> bool {
    policy.ratchet && !(policy.severity == Severity::Critical && *policy.category == *"storage")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_named_as_their_controller_names_them() {
        let template = json!({"metadata": {"labels": {"app": "pg"}}, "spec": {"containers": [
            {"name": "pg", "image": "postgres:16.4", "command": ["sh", "-c", "a && b > c < d"]}]}});
        assert_eq!(revision(&template, 0), "7559ffbc4b");
        assert_eq!(revision(&template, 3), "7559ffbc49");
    }
}
