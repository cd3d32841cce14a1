//! Exempts objects that are being deleted, objects whose owner is reviewed instead, and objects that an
//! exception or their own annotation exempts from single policies.

use crate::admission::{GroupKind, ObjectError, Operation, Request};
use crate::decision::{Decision, Exemption, Waived};
use crate::policy::Policy;
use crate::policy::skip::{self, Skip};
use crate::policy::target::Target;
use crate::policyset::{PolicySet, Selected};

/// The waivers for one object: exceptions, and its own skip annotation.
pub struct Waivers<'a> {
    set: &'a PolicySet,
    /// What exceptions match; None if no projection has the kind.
    target: Option<Target<'a>>,
    now: jiff::Timestamp,
    skip: Option<Skip>,
    /// Why the skip annotation does not count.
    bad_skip: Option<String>,
    /// Whether the object says when its waiver ends.
    ends: bool,
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
        let ends = metadata.is_some_and(|metadata| metadata.annotations.contains_key(skip::SKIP_UNTIL));
        Self { set, target: set.target(request), now, skip, bad_skip, ends }
    }

    /// Whether an annotation of the object has a say that ends at some time.
    pub fn is_passing(&self) -> bool {
        self.ends
    }

    /// Removes the policies that are waived, and records the waivers.
    pub fn waive(&self, selected: &mut Vec<&Selected<'_>>, decision: &mut Decision) {
        let mut notes: Vec<String> = self.bad_skip.iter().cloned().collect();
        selected.retain(|selected| match self.waiver(selected.policy) {
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
    fn waiver(&self, policy: &Policy) -> Option<Waived> {
        let first = |target| self.set.exceptions_for(policy, target, self.now).next();
        if let Some((_, exception)) = self.target.as_ref().and_then(first) {
            return Some(Waived {
                policy: policy.id.clone(),
                exception: Some(exception.name.clone()),
                reason: exception.spec.reason.clone(),
            });
        }
        let skip = self.skip.as_ref().filter(|skip| skip.policies.contains(&policy.id))?;
        Some(Waived { policy: policy.id.clone(), exception: None, reason: skip.reason.clone() })
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

/// Pairs of an owner and an object that a built-in controller makes, and the name of its service account in
/// `kube-system` (kube-controller-manager, `--use-service-account-credentials`).
const CONTROLLERS: [(&str, &str, &str); 9] = [
    ("Deployment.apps", "ReplicaSet.apps", "deployment-controller"),
    ("ReplicaSet.apps", "Pod", "replicaset-controller"),
    ("ReplicationController", "Pod", "replication-controller"),
    ("StatefulSet.apps", "Pod", "statefulset-controller"),
    ("StatefulSet.apps", "PersistentVolumeClaim", "statefulset-controller"),
    ("DaemonSet.apps", "Pod", "daemon-set-controller"),
    ("CronJob.batch", "Job.batch", "cronjob-controller"),
    ("Job.batch", "Pod", "job-controller"),
    ("Pod", "PersistentVolumeClaim", "ephemeral-volume-controller"),
];

/// Whether a built-in controller makes objects of this kind from owners of that kind.
pub fn is_made_of(owner: &GroupKind, object: &GroupKind) -> bool {
    let (owner, object) = (owner.to_string(), object.to_string());
    CONTROLLERS.iter().any(|(of, made, _)| owner == *of && object == *made)
}

/// Whether an object is exempt as a whole.
///
/// - One that is being deleted already is left alone. Only the stored object tells: the API server drops the
///   time of deletion from an object that is created, and keeps that of the stored object on an update.
/// - One that a controller makes is left out, since the policies review its owner. Its owner reference alone
///   is the object's own word: the pair must be one that a built-in controller makes, and the requester must be
///   that controller. An update that adds or changes the owner is reviewed in full.
/// - One that an operator makes is only recorded: the operator would undo any change, and its custom resource
///   is what a person can change. The profile must name the operator.
///
/// A delete of an owned object is reviewed in any case.
pub fn exemption(set: &PolicySet, request: &Request) -> Result<Option<Exemption>, ObjectError> {
    let Some(subject) = request.subject() else { return Ok(None) };
    let metadata = subject.metadata()?;
    // What is stored was accepted once; if its metadata cannot be read, it exempts nothing.
    let stored = request.old_object.as_ref().and_then(|old| old.metadata().ok());
    if stored.is_some_and(|stored| stored.deletion_timestamp.is_some()) {
        return Ok(Some(Exemption::Terminating));
    }
    let Some(owner) = metadata.controller().filter(|_| request.operation != Operation::Delete) else {
        return Ok(None);
    };
    if request.operation == Operation::Update && stored.and_then(|stored| stored.controller()) != Some(owner)
    {
        return Ok(None);
    }
    let (owner, user) = (GroupKind::new(&owner.api_version, &owner.kind), &request.user.username);
    if set.is_operator(&owner.group, user) {
        return Ok(Some(Exemption::OperatorOwned));
    }
    let reviewed = set.projections().of(&owner).is_some();
    let (owner, object) = (owner.to_string(), request.kind.group_kind().to_string());
    let by_controller = |(of, made, account): &(&str, &str, &str)| {
        owner == *of
            && object == *made
            && (set.is_controller_user(user)
                || user.strip_prefix("system:serviceaccount:kube-system:") == Some(account))
    };
    Ok((reviewed && CONTROLLERS.iter().any(by_controller)).then_some(Exemption::Owned))
}
