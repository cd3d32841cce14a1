//! The pipeline: one request in, one decision out.
//!
//! ```text
//! select ─▶ exempt ─▶ state as requested ─▶ patch ─▶ state as patched ─▶ violations ─▶ ratchet ─▶ fold
//!                     (object, views, joins)                                (state as it was before)
//! ```
//!
//! Synchronous, pure, total: no clock, no IO, no errors. A failing policy is an outcome, and its binding says
//! whether that refuses the request.

mod baseline;
mod effective_request;
mod evaluator;
mod exemptions;
mod input_builder;
mod notes;
mod returns;
mod state;
mod violation;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::admission::{GroupKind, Object, Operation, Request, ReviewMode};
use crate::decision::patch::{self, PolicyPatch};
use crate::decision::{Decision, Failure, FailureCause, Finding, Patched, Unknown};
use crate::engine::{InputParts, ParameterValues};
use crate::inventory::Inventory;
use crate::path::Path;
use crate::policy::binding::OnFailure;
use crate::policy::{Action, Policy};
use crate::policyset::{PolicySet, Selected};
use crate::workload::projection::Projection;
use crate::workload::{Problem, confirmed_steps};

use baseline::Baseline;
use effective_request::EffectiveRequest;
use evaluator::PolicyEvaluator;
pub use evaluator::{Evaluation, EvaluationObserver, Unobserved};
use exemptions::Waivers;
pub use exemptions::is_made_of;
use input_builder::{InputBuilder, Needs};
use returns::Before;
pub use returns::keeps_revisions;
use state::{RequestState, ViewReader};
use violation::Violation;

/// The Namespace label with its tier: `dev`, `staging`, `prod`.
pub const TIER_LABEL: &str = "stategate.io/tier";
/// The annotation that, if `false`, prevents all patches to an object.
const MUTATE_ANNOTATION: &str = "stategate.io/mutate";

/// Reviews one request.
///
/// `now` is the time of the request; the same arguments always give the same decision. The observer only
/// decides which policies may be evaluated.
pub fn review(
    set: &PolicySet,
    inventory: &Inventory,
    request: &Request,
    mode: ReviewMode,
    now: jiff::Timestamp,
    observer: &dyn EvaluationObserver,
) -> Decision {
    if !set.matches(request) {
        return Decision::default();
    }
    let effective = EffectiveRequest::of(set, inventory, request);
    let selected = set.select(effective.reviewed(), inventory);
    let Some(projection) = set.projection(request).filter(|_| !selected.is_empty()) else {
        return Decision::default();
    };
    // All that follows needs it, and what is parsed as a whole is not parsed again for its metadata.
    let _ = effective.reviewed().subject().map(Object::value);
    let review = Review {
        set,
        request: &effective,
        mode,
        inputs: InputBuilder::new(inventory, &effective, projection, now),
        views: views(set, inventory, &effective, projection),
        waivers: Waivers::of(set, effective.reviewed(), now),
        evaluator: PolicyEvaluator::new(set.evaluator(), observer),
        decision: Decision { parent: parent(set, request), ..Decision::default() },
    };
    let mut decision = review.decide(selected);
    if let Some((again, inventory)) = returns::creation_after(effective.reviewed(), inventory) {
        let again = self::review(set, &inventory, &again, ReviewMode::MutateAndValidate, now, observer);
        decision.notes.extend(notes::refusals_to_come(&again));
    }
    decision
}

/// The decision if no policy could be evaluated: every policy that would have reviewed the request counts as
/// failed, and its binding says what happens.
pub fn undecided(
    set: &PolicySet,
    inventory: &Inventory,
    request: &Request,
    mode: ReviewMode,
    cause: &FailureCause,
) -> Decision {
    let wanted = |selected: &Selected<'_>| match mode.validates() {
        true => selected.violation_rule().is_some(),
        false => selected.patch_rule(mode).is_some(),
    };
    let selected = set.select(request, inventory);
    let failures = selected.iter().filter(|selected| wanted(selected));
    Decision {
        failures: failures.map(|selected| failure(selected, mode, cause.clone())).collect(),
        parent: parent(set, request),
        ..Decision::default()
    }
}

/// The input document of a request, for policies that read this much and have these parameters: as requested,
/// before any patch. For policy authors; `review` builds its own.
///
/// # Errors
/// If the object cannot be read, or no projection has its kind.
pub fn input(
    set: &PolicySet,
    inventory: &Inventory,
    request: &Request,
    policies: &[&Policy],
    read: InputParts,
    parameters: &ParameterValues,
    now: jiff::Timestamp,
) -> Result<Value, Problem> {
    let projection = set
        .projection(request)
        .ok_or_else(|| unreadable(format!("no policy judges {}", request.kind.kind)))?;
    let effective = EffectiveRequest::of(set, inventory, request);
    let inputs = InputBuilder::new(inventory, &effective, projection, now);
    let state = RequestState::requested(&effective, views(set, inventory, &effective, projection))?;
    let needs: Vec<Needs<'_>> = policies.iter().map(|policy| (&policy.inventory, read)).collect();
    let document = inputs.document(&state, &needs).map_err(unreadable)?;
    document.to_json(parameters).map_err(unreadable)
}

fn views<'a>(
    set: &'a PolicySet,
    inventory: &'a Inventory,
    request: &'a EffectiveRequest<'_>,
    projection: &'a Projection,
) -> ViewReader<'a> {
    let namespace = request.reviewed().namespace.as_str();
    let tier = inventory.namespace_labels(namespace).and_then(|labels| labels.get(TIER_LABEL));
    let said = set.self_classification();
    ViewReader {
        set,
        config_maps: inventory,
        projection,
        namespace,
        tier,
        said,
        has_views: request.has_views(),
    }
}

/// For a request to a subresource: the kind of its parent object.
fn parent(set: &PolicySet, request: &Request) -> Option<String> {
    let projection = set.projection(request).filter(|_| !request.subresource.is_empty())?;
    Some(projection.kind.clone())
}

/// The state of one request in the pipeline.
struct Review<'a> {
    set: &'a PolicySet,
    request: &'a EffectiveRequest<'a>,
    mode: ReviewMode,
    inputs: InputBuilder<'a>,
    views: ViewReader<'a>,
    waivers: Waivers<'a>,
    evaluator: PolicyEvaluator<'a>,
    decision: Decision,
}

impl Review<'_> {
    fn decide(mut self, selected: Vec<Selected<'_>>) -> Decision {
        if let Err(problem) = self.run(selected) {
            self.decision = Decision {
                findings: vec![Finding::unreadable(problem)],
                parent: self.decision.parent,
                ..Decision::default()
            };
        }
        self.decision.notes.extend(notes::unknown_guards(self.set, self.request, &self.decision.unknown));
        self.decision.lasting &= self.is_lasting();
        self.decision.sort_and_deduplicate();
        self.decision
    }

    /// Whether nothing that passes had a part in the decision, as far as policies and waivers go.
    fn is_lasting(&self) -> bool {
        self.decision.failures.is_empty()
            // It has the whole object.
            && self.decision.patch.is_none()
            // Exceptions end.
            && self.decision.waived.iter().all(|waived| waived.exception.is_none())
            && !self.evaluator.is_passing()
            && !self.waivers.is_passing()
    }

    /// # Errors
    /// If the object cannot be read.
    fn run(&mut self, mut selected: Vec<Selected<'_>>) -> Result<(), Problem> {
        let request = self.request.reviewed();
        // An exempt object must be readable, too.
        request.subject().map(Object::value).transpose().map_err(unreadable)?;
        let exemption = exemptions::exemption(self.set, request).map_err(unreadable)?;
        self.decision.exemption = exemption;
        exemptions::exempt(exemption, &mut selected);
        if selected.is_empty() {
            return Ok(());
        }
        let requested = RequestState::requested(self.request, self.views)?;
        if let Some(Problem { message, .. }) = &requested.unreadable_old {
            self.decision.notes.push(format!("no change is compared with the stored object: {message}"));
        }
        if let Some(Problem { message, .. }) = &requested.unread_part {
            let note = format!(
                "changes are compared with the stored object only as far as it can be read: {message}"
            );
            self.decision.notes.push(note);
        }
        // What works across namespaces, and requests that stand for others, are rare and never repeated.
        self.decision.lasting = request.operation == Operation::Update
            && request.subresource.is_empty()
            && !requested.names_elsewhere();
        let patched = if self.mode.mutates() { self.patch(&requested, &selected) } else { None };
        let state = patched.as_ref().and_then(|patched| self.accept(patched, &requested, &selected));
        self.decision.lowered_by = requested.lowered_by(self.views);
        let annotations = requested.subject().map(|workload| &workload.annotations);
        let confirmed = annotations.into_iter().flat_map(confirmed_steps);
        self.decision.confirmations = confirmed.map(|(name, step)| (name.clone(), step.clone())).collect();
        if self.mode.validates() {
            let state = state.as_ref().unwrap_or(&requested);
            self.validate(state, self.views, &selected);
            if let Some(observed) = state.observed(self.views) {
                let evaluated = self.decision.evaluated;
                self.validate(&observed, self.views.observing(), &selected);
                self.decision.evaluated = evaluated.max(self.decision.evaluated);
            }
        }
        let accepted = state.is_some();
        self.decision.patch = patched.filter(|_| accepted);
        Ok(())
    }

    /// The policies to evaluate on this state: their class matches, they are not waived, and what they need
    /// of the inventory is known. Records why others are left out for a waiver or unknown inventory.
    fn applicable<'s, 'p>(
        &mut self,
        state: &RequestState<'_>,
        selected: &'s [Selected<'p>],
        patching: bool,
    ) -> Vec<&'s Selected<'p>> {
        let fits = |selected: &&Selected<'_>| {
            if self.mode == ReviewMode::Audit && !selected.policy.audited {
                return false;
            }
            state.is_judged_by(&selected.policy.matches)
        };
        let mut applicable: Vec<&Selected<'_>> = selected.iter().filter(fits).collect();
        if applicable.is_empty() {
            return applicable;
        }
        self.waivers.waive(&mut applicable, &mut self.decision);
        applicable.retain(|selected| {
            // A policy without an applicable patch is not evaluated for patches.
            if patching && selected.patch_rule(self.mode).is_none() {
                return true;
            }
            let missing = self.inputs.missing(state, &selected.policy.inventory);
            // Reported only once: with the policy's violations, if it has any to look for.
            let said_later = patching && self.mode.validates() && selected.violation_rule().is_some();
            if !missing.is_empty() && !said_later {
                unknown(selected, self.mode, &missing, &mut self.decision);
            }
            missing.is_empty()
        });
        applicable
    }

    /// The combined changes of all patching policies.
    fn patch(&mut self, state: &RequestState<'_>, selected: &[Selected<'_>]) -> Option<Patched> {
        let applicable = self.applicable(state, selected, true);
        self.decision.evaluated = applicable.len();
        let (object, workload) = (state.object.as_deref()?, state.workload.as_deref()?);
        if workload.annotations.get(MUTATE_ANNOTATION).is_some_and(|value| value == "false")
            || state.operation == Operation::Delete
            // A request to a subresource does not store the object that a patch is for.
            || !self.request.reviewed().subresource.is_empty()
        {
            return None;
        }
        let mut patches = self.patches(state, &applicable);
        if state.operation == Operation::Update {
            let old = state.old_object.as_deref().unwrap_or(&Value::Null);
            patches.iter_mut().for_each(|patch| patch.keep_what_was_there(old));
        }
        match patch::combine(object, &patches, self.mode != ReviewMode::Fix) {
            Ok(patched) => patched,
            Err(conflict) => {
                let policies = conflict.policies.clone();
                self.fail(selected, |policy| policies.contains(&policy.id), conflict);
                None
            }
        }
    }

    fn patches(&mut self, state: &RequestState<'_>, applicable: &[&Selected<'_>]) -> Vec<PolicyPatch> {
        let patching: Vec<_> = applicable
            .iter()
            .filter_map(|selected| Some((*selected, selected.patch_rule(self.mode)?)))
            .collect();
        if patching.is_empty() {
            return Vec::new();
        }
        let needs: Vec<Needs<'_>> = patching.iter().map(|(selected, _)| selected.needs()).collect();
        let document = self.inputs.document(state, &needs);
        let mut patches = Vec::new();
        for (selected, rule) in patching {
            let policy = &selected.policy.id;
            let operations = document.as_ref().map_err(|error| error.clone().into()).and_then(|document| {
                let document = self.inputs.for_policy(document, state, selected.needs());
                self.evaluator.evaluate(selected, rule, &document)
            });
            match operations {
                Ok(operations) => patches.push(PolicyPatch { policy: policy.clone(), operations }),
                Err(cause) => self.decision.failures.push(failure(selected, self.mode, cause)),
            }
        }
        patches
    }

    /// The state after patching, which replaces the requested one. If the patched object cannot be read, this
    /// is a failure of the policies that patched it, and the object is reviewed as requested.
    fn accept<'s>(
        &mut self,
        patched: &'s Patched,
        requested: &'s RequestState<'_>,
        selected: &[Selected<'_>],
    ) -> Option<RequestState<'s>> {
        match requested.patched(patched, self.views) {
            Ok(state) => Some(state),
            Err(problem) => {
                let cause = FailureCause::UnreadablePatch(problem);
                self.fail(selected, |policy| patched.policies.contains(&policy.id), cause);
                None
            }
        }
    }

    fn fail(
        &mut self,
        selected: &[Selected<'_>],
        of: impl Fn(&Policy) -> bool,
        cause: impl Into<FailureCause>,
    ) {
        let cause = cause.into();
        let failed = selected.iter().filter(|selected| of(selected.policy));
        self.decision.failures.extend(failed.map(|selected| failure(selected, self.mode, cause.clone())));
    }

    /// Finds the violations in this state, and which of them already existed before.
    fn validate(&mut self, state: &RequestState<'_>, views: ViewReader<'_>, selected: &[Selected<'_>]) {
        let applicable = self.applicable(state, selected, false);
        self.decision.evaluated = applicable.len();
        let applicable: Vec<_> = applicable
            .into_iter()
            .filter_map(|selected| Some((selected, selected.violation_rule()?)))
            .collect();
        if applicable.is_empty() {
            return;
        }
        let needs: Vec<Needs<'_>> = applicable.iter().map(|(selected, _)| selected.needs()).collect();
        let document = self.inputs.document(state, &needs);
        let before = Before::of(state, || self.inputs.all_claims(state), self.inputs.templates(), views);
        let baseline = |state| Baseline { state, inputs: &self.inputs, needs: &needs, document: None };
        let mut returned = baseline(before.as_ref().map(|before| state.returned(before)));
        let mut baseline = baseline(state.baseline());
        for (selected, rule) in applicable {
            if let Some(problem) = state.unreadable_old.as_ref().filter(|_| selected.reads_old()) {
                let cause = FailureCause::UnreadableOld(problem.clone());
                self.decision.fail(failure(selected, self.mode, cause));
                continue;
            }
            let found = document.as_ref().map_err(|error| error.clone().into()).and_then(|document| {
                let document = self.inputs.for_policy(document, state, selected.needs());
                self.evaluator.evaluate::<Violation>(selected, rule, &document)
            });
            let found = match found {
                Ok(found) => found,
                Err(cause) => {
                    self.decision.fail(failure(selected, self.mode, cause));
                    continue;
                }
            };
            let [known, ran] = match selected.policy.ratchet && !found.is_empty() {
                true => [&mut baseline, &mut returned]
                    .map(|before| before.violations(selected, &mut self.evaluator)),
                false => [BTreeSet::new(), BTreeSet::new()],
            };
            self.decision.findings.extend(found.into_iter().map(|violation| {
                let to_come = violation.to_come(selected, self.mode);
                let mut finding = violation.finding(selected, self.mode, state.subject_object());
                finding.ratchet(&known);
                if before.as_ref().is_some_and(|before| finding.path.starts_with(&before.part)) {
                    finding.ratchet(&ran);
                }
                self.decision.notes.extend(to_come.filter(|_| !finding.pre_existing));
                finding
            }));
        }
    }
}

/// Records that a policy cannot be evaluated because objects of these kinds are unknown. This refuses nothing
/// unless a binding requires the inventory.
fn unknown(selected: &Selected<'_>, mode: ReviewMode, missing: &[GroupKind], decision: &mut Decision) {
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let unknown = Unknown { policy: selected.policy.id.clone(), missing, unfilled: false };
    if selected.enforcement.require_inventory && mode.validates() {
        let binding = selected.enforcement.binding.clone();
        let finding = Finding::inventory_required(selected.policy, selected.action(mode), binding, &unknown);
        decision.findings.push(finding);
    } else if !decision.unknown.contains(&unknown) {
        decision.unknown.push(unknown);
    }
}

/// A limit is exceeded on account of the object, since the policy kept it on others, and so is a stored object
/// that cannot be read. An object must not choose a milder verdict, so then the action counts as well as
/// `onFailure`.
fn failure(selected: &Selected<'_>, mode: ReviewMode, cause: impl Into<FailureCause>) -> Failure {
    let cause = cause.into();
    let on_failure = match selected.action(mode) {
        Action::Deny if cause.is_of_the_object() => OnFailure::Deny,
        _ => selected.enforcement.on_failure,
    };
    Failure::new(selected.policy, cause, on_failure)
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    Problem { message: error.to_string(), path: Path::new() }
}
