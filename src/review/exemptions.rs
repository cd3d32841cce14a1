//! Exempts objects that are being deleted, objects whose owner is reviewed instead, and objects that an
//! exception or their own annotation exempts from single policies.

use crate::admission::{GroupVersionKind, ObjectError, Operation, Request};
use crate::decision::{Decision, Exemption, Waived};
use crate::policy::PolicyId;
use crate::policy::skip::{self, Skip};
use crate::policyset::{PolicySet, Selected};

/// The waivers for one object: exceptions, and its own skip annotation.
pub struct Waivers<'a> {
    set: &'a PolicySet,
    request: &'a Request,
    now: jiff::Timestamp,
    skip: Option<Skip>,
    /// Why the skip annotation does not count.
    bad_skip: Option<String>,
}

impl<'a> Waivers<'a> {
    /// The waivers for a request.
    pub fn of(set: &'a PolicySet, request: &'a Request, now: jiff::Timestamp) -> Self {
        let metadata = request.subject().and_then(|object| object.metadata().ok());
        let (skip, bad_skip) = match metadata.map(|metadata| skip::skip(&metadata.annotations, now)) {
            Some(Ok(skip)) => (skip, None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        Self { set, request, now, skip, bad_skip }
    }

    /// Removes the policies that are waived, and records the waivers.
    pub fn waive(&self, selected: &mut Vec<&Selected<'_>>, decision: &mut Decision) {
        let mut notes: Vec<String> = self.bad_skip.iter().cloned().collect();
        selected.retain(|selected| match self.waiver(&selected.policy.id) {
            None => true,
            Some(waived) if waived.exception.is_some() || selected.enforcement.skippable => {
                if !decision.waived.contains(&waived) {
                    decision.waived.push(waived);
                }
                false
            }
            Some(waived) => {
                notes.push(format!(
                    "{} is ignored for {}: it may not be skipped by annotation",
                    skip::SKIP,
                    waived.policy
                ));
                true
            }
        });
        let skipped = self.skip.iter().flat_map(|skip| &skip.policies);
        let unknown = skipped.filter(|id| self.set.policy(id.as_str()).is_none());
        notes.extend(unknown.map(|id| format!("{} names {id}, which is no policy", skip::SKIP)));
        for note in notes {
            if !decision.notes.contains(&note) {
                decision.notes.push(note);
            }
        }
    }

    /// The waiver of a policy. Whether the object's own annotation counts depends on the bindings.
    fn waiver(&self, policy: &PolicyId) -> Option<Waived> {
        if let Some(exception) = self.set.exception(policy, self.request, self.now) {
            return Some(Waived {
                policy: policy.clone(),
                exception: Some(exception.name.clone()),
                reason: exception.spec.reason.clone(),
            });
        }
        let skip = self.skip.as_ref().filter(|skip| skip.policies.contains(policy))?;
        Some(Waived { policy: policy.clone(), exception: None, reason: skip.reason.clone() })
    }
}

/// Keeps only the policies that review an exempt object anyway; for an operator's object, restricts them to
/// recording.
pub fn exempt(exemption: Option<Exemption>, selected: &mut Vec<Selected<'_>>) {
    match exemption {
        Some(Exemption::OperatorOwned) => {
            selected.iter_mut().for_each(|selected| selected.enforcement.downgrade_to_audit());
        }
        Some(Exemption::Owned | Exemption::Terminating) => {
            selected.retain(|selected| selected.policy.terminating);
        }
        None => {}
    }
}

/// Whether the object is exempt. Objects that are being deleted are exempt, and so are those whose owner is
/// reviewed, such as a workload's pods. For an object that an operator owns, findings are only recorded: the
/// operator would undo any change, and users change the operator's own resource instead. Ownership does not
/// exempt a DELETE: deleting a database's claim bypasses the claim's owner.
pub fn exemption(set: &PolicySet, request: &Request) -> Result<Option<Exemption>, ObjectError> {
    let Some(subject) = request.subject() else { return Ok(None) };
    let metadata = subject.metadata()?;
    if metadata.deletion_timestamp.is_some() {
        return Ok(Some(Exemption::Terminating));
    }
    let Some(owner) = metadata.controller().filter(|_| request.operation != Operation::Delete) else {
        return Ok(None);
    };
    let owner = GroupVersionKind::new(&owner.api_version, &owner.kind);
    let judged = set.projections().of(&owner.group_kind()).is_some();
    let custom = owner.group.contains('.') && !owner.group.ends_with(".k8s.io");
    Ok(match (judged, custom) {
        (true, _) => Some(Exemption::Owned),
        (false, true) => Some(Exemption::OperatorOwned),
        (false, false) => None,
    })
}
