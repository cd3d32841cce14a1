//! Who is not judged, or not like others: objects on their way out, what owners answer for, waivers.

use crate::admission::{GroupVersionKind, ObjectError, Operation, Request};
use crate::decision::{Decision, Exemption, Waived};
use crate::policy::selector::GroupKind;
use crate::policy::skip;
use crate::policyset::{PolicySet, Selected};

/// Takes out the policies that an exception or the object's own skip annotation waives, and says so.
pub fn waive(
    set: &PolicySet,
    request: &Request,
    now: jiff::Timestamp,
    selected: &mut Vec<Selected<'_>>,
    decision: &mut Decision,
) {
    if selected.is_empty() {
        return;
    }
    let metadata = request.subject().and_then(|object| object.metadata().ok());
    let skip = match metadata.map(|metadata| skip::skip(&metadata.annotations, now)) {
        Some(Ok(skip)) => skip,
        Some(Err(error)) => {
            decision.notes.push(error.to_string());
            None
        }
        None => None,
    };
    let waived = |selected: &Selected<'_>| {
        let policy = &selected.policy.id;
        let by_exception = set.exception(policy, request, now).map(|exception| Waived {
            policy: policy.clone(),
            exception: Some(exception.name.clone()),
            reason: exception.spec.reason.clone(),
        });
        let by_skip = || {
            let skip = skip.as_ref().filter(|skip| skip.policies.contains(policy))?;
            Some((
                selected.skippable,
                Waived { policy: policy.clone(), exception: None, reason: skip.reason.clone() },
            ))
        };
        match (by_exception, by_skip) {
            (Some(waived), _) => Some((true, waived)),
            (None, by_skip) => by_skip(),
        }
    };
    selected.retain(|selected| match waived(selected) {
        None => true,
        Some((true, waived)) => {
            if !decision.waived.contains(&waived) {
                decision.waived.push(waived);
            }
            false
        }
        Some((false, waived)) => {
            let note = format!(
                "{} is ignored for {}: it may not be skipped by annotation",
                skip::SKIP,
                waived.policy
            );
            if !decision.notes.contains(&note) {
                decision.notes.push(note);
            }
            true
        }
    });
    if let Some(skip) = skip {
        let unknown = skip.policies.iter().filter(|id| !set.policies().any(|policy| policy.id == **id));
        decision.notes.extend(unknown.map(|id| format!("{} names {id}, which is no policy", skip::SKIP)));
    }
}

/// Objects on their way out are left alone, and so are pods whose workload was judged. What an operator
/// owns is only recorded: it would undo any change, and its own resource is what a person can change.
/// A delete is judged all the same: whoever deletes a database's claim does not ask its owner.
pub fn set_aside(set: &PolicySet, request: &Request) -> Result<Option<Exemption>, ObjectError> {
    let Some(subject) = request.subject() else { return Ok(None) };
    let metadata = subject.metadata()?;
    if metadata.deletion_timestamp.is_some() {
        return Ok(Some(Exemption::Terminating));
    }
    let Some(owner) = metadata.controller().filter(|_| request.operation != Operation::Delete) else {
        return Ok(None);
    };
    let owner = GroupVersionKind::new(&owner.api_version, &owner.kind);
    let judged = set.projections().of(&GroupKind { kind: owner.kind, group: owner.group.clone() }).is_some();
    let custom = owner.group.contains('.') && !owner.group.ends_with(".k8s.io");
    Ok(match (judged, custom) {
        (true, _) => Some(Exemption::Owned),
        (false, true) => Some(Exemption::Operated),
        (false, false) => None,
    })
}
