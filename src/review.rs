//! The pipeline: one request in, one decision out.
//!
//! ```text
//! select ─▶ set aside? ─▶ view ─▶ patch (mutating) ─▶ violations (validating) ─▶ ratchet ─▶ fold
//! ```
//!
//! Synchronous, pure, total: no clock, no IO, no error. What goes wrong with a policy is an outcome,
//! and its binding says whether that refuses the request.

mod baseline;
mod effective_request;
mod evaluator;
mod exemptions;
mod input_builder;

use serde_json::Value;

use crate::admission::{Object, Operation, Phase, Request};
use crate::decision::patch::{self, PolicyPatch};
use crate::decision::{Decision, Exemption, Failure, Finding, Patched};
use crate::engine::{Document, InputError, Reads, Session};
use crate::inventory::Inventory;
use crate::path::Path;
use crate::policy::Policy;
use crate::policyset::{PolicySet, Selected};
use crate::workload::projection::Projection;
use crate::workload::{Problem, Workload, project};

use baseline::{Baseline, Violation};
use effective_request::EffectiveRequest;
use evaluator::PolicyEvaluator;
pub use evaluator::{EvaluationObserver, Unobserved};
use input_builder::InputBuilder;

/// Label of a Namespace that says how precious it is: `dev`, `staging`, `prod`.
pub const TIER_LABEL: &str = "stategate.io/tier";
/// Annotation of an object: `false` keeps all patches away.
const MUTATE_ANNOTATION: &str = "stategate.io/mutate";

/// Judges one request.
///
/// `now` is the time of the request; the same arguments always give the same decision.
pub fn review(set: &PolicySet, inventory: &Inventory, request: &Request, now: jiff::Timestamp) -> Decision {
    review_supervised(set, inventory, request, now, &Unobserved)
}

/// The same under supervision. The supervisor decides nothing but which policies may be asked.
pub fn review_supervised(
    set: &PolicySet,
    inventory: &Inventory,
    request: &Request,
    now: jiff::Timestamp,
    supervisor: &dyn EvaluationObserver,
) -> Decision {
    decide(PolicyEvaluator { session: &mut set.session(), supervisor }, set, inventory, request, now)
}

/// The same in a session of this policy set that the caller holds: one that records what it is asked.
pub fn review_in(
    session: &mut Session,
    set: &PolicySet,
    inventory: &Inventory,
    request: &Request,
    now: jiff::Timestamp,
) -> Decision {
    decide(PolicyEvaluator { session, supervisor: &Unobserved }, set, inventory, request, now)
}

fn decide(
    questions: PolicyEvaluator<'_>,
    set: &PolicySet,
    inventory: &Inventory,
    request: &Request,
    now: jiff::Timestamp,
) -> Decision {
    if !set.matches(request) {
        return Decision::default();
    }
    let meaning = EffectiveRequest::of(set, inventory, request);
    let selected = set.select(meaning.judged(), inventory);
    let Some(projection) = set.projection(request).filter(|_| !selected.is_empty()) else {
        return Decision::default();
    };
    let decision = match Review::new(questions, set, inventory, &meaning, projection, selected, now) {
        Ok(review) => review.decide(),
        Err(problem) => Decision { findings: vec![Finding::unreadable(problem)], ..Decision::default() },
    };
    Decision { parent: parent(set, request), ..decision }
}

/// Of a request to a subresource: the kind of the object that it belongs to.
fn parent(set: &PolicySet, request: &Request) -> Option<String> {
    let projection = set.projection(request).filter(|_| !request.subresource.is_empty())?;
    Some(projection.kind.clone())
}

/// The decision if nobody could be asked: every policy that would have judged the request counts as
/// failed, and its binding says what follows.
pub fn undecided(set: &PolicySet, inventory: &Inventory, request: &Request, reason: &str) -> Decision {
    let wanted = |selected: &Selected<'_>| match request.phase {
        Phase::Mutating => selected.patching_rule(request.phase).is_some(),
        Phase::Validating | Phase::Both | Phase::Fix => selected.violation_rule().is_some(),
    };
    let failures = set
        .select(request, inventory)
        .iter()
        .filter(|selected| wanted(selected))
        .map(|selected| Failure::new(selected.policy, reason.to_owned(), selected.on_failure))
        .collect();
    Decision { failures, parent: parent(set, request), ..Decision::default() }
}

/// The input document of a request, for policies that read this much and are told these parameters:
/// what is asked first, before any patch. For people who write policies; `review` builds its own.
///
/// # Errors
/// If the object cannot be read, or no projection knows its kind.
pub fn input(
    set: &PolicySet,
    inventory: &Inventory,
    request: &Request,
    policies: &[&Policy],
    reads: &Reads,
    parameters: &crate::engine::Value,
    now: jiff::Timestamp,
) -> Result<crate::engine::Value, Problem> {
    let projection = set
        .projection(request)
        .ok_or_else(|| unreadable(format!("no policy judges {}", request.kind.kind)))?;
    let namespace = inventory.namespace_labels(&request.namespace);
    let tier = namespace.and_then(|labels| labels.get(TIER_LABEL));
    let (asked, meaning) = (request, EffectiveRequest::of(set, inventory, request));
    let request = meaning.judged();
    let view = |object: &Option<Object>| -> Result<Option<Workload>, Problem> {
        let object = object.as_ref().filter(|_| meaning.has_views());
        object.map(|object| view(set, request, projection, tier, object)).transpose()
    };
    let (workload, old) = (view(&request.object)?, view(&request.old_object));
    let old = if workload.is_some() { old.ok().flatten() } else { old? };
    let shared = Document::new(asked, &|path| reads.reads(path), namespace, now).map_err(unreadable)?;
    let mut joined = InputBuilder::new(inventory, request, projection);
    joined.join(policies.iter().map(|policy| (&policy.inventory, reads)));
    let document = joined.document(&shared, workload.as_ref(), old.as_ref()).map_err(unreadable)?;
    Ok(document.for_policy(parameters, &[]))
}

/// The view of an object of the request; an error if a field that it needs cannot be read.
fn view(
    set: &PolicySet,
    request: &Request,
    projection: &Projection,
    tier: Option<&String>,
    object: &Object,
) -> Result<Workload, Problem> {
    let value = object.value().map_err(unreadable)?;
    let engines = &set.projections().engines;
    let projected = project(value, &request.namespace, projection, engines, set.self_classify());
    match projected.problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(Workload { tier: tier.cloned(), ..projected.workload }),
    }
}

/// One request on its way through the pipeline.
struct Review<'a> {
    set: &'a PolicySet,
    request: &'a Request,
    projection: &'a Projection,
    selected: Vec<Selected<'a>>,
    tier: Option<&'a String>,
    workload: Option<Workload>,
    old_workload: Option<Workload>,
    joined: InputBuilder<'a>,
    document: Document,
    questions: PolicyEvaluator<'a>,
    decision: Decision,
}

impl<'a> Review<'a> {
    fn new(
        questions: PolicyEvaluator<'a>,
        set: &'a PolicySet,
        inventory: &'a Inventory,
        meaning: &'a EffectiveRequest<'a>,
        projection: &'a Projection,
        mut selected: Vec<Selected<'a>>,
        now: jiff::Timestamp,
    ) -> Result<Self, Problem> {
        let mut decision = Decision::default();
        let request = meaning.judged();
        if let Some(subject) = request.subject() {
            subject.value().map_err(unreadable)?;
        }
        let namespace = inventory.namespace_labels(&request.namespace);
        let tier = namespace.and_then(|labels| labels.get(TIER_LABEL));
        decision.set_aside = exemptions::set_aside(set, request).map_err(unreadable)?;
        match decision.set_aside {
            Some(Exemption::Operated) => selected.iter_mut().for_each(Selected::only_record),
            Some(Exemption::Owned | Exemption::Terminating) => {
                selected.retain(|selected| selected.policy.terminating)
            }
            None => {}
        }
        let view = |object: &Option<Object>| -> Result<Option<Workload>, Problem> {
            let Some(object) = object.as_ref().filter(|_| !selected.is_empty() && meaning.has_views()) else {
                return Ok(None);
            };
            self::view(set, request, projection, tier, object).map(Some)
        };
        let workload = view(&request.object)?;
        // What is stored was accepted once; if it cannot be read it is only no help in judging the new one.
        let old_workload = if workload.is_some() {
            view(&request.old_object).ok().flatten()
        } else {
            view(&request.old_object)?
        };
        let class = workload.as_ref().or(old_workload.as_ref()).map(|workload| workload.class);
        selected
            .retain(|selected| class.is_none_or(|class| selected.policy.matches.classes.contains(&class)));

        exemptions::waive(set, request, now, &mut selected, &mut decision);

        let mut joined = InputBuilder::new(inventory, request, projection);
        let subject = workload.as_ref().or(old_workload.as_ref());
        match meaning.unknown_parent() {
            Some(kind) => joined.give_up(&mut selected, request.phase, kind, &mut decision),
            None => joined.sort_out(&mut selected, request.phase, subject, &mut decision),
        }
        let document =
            Document::new(meaning.asked, &|path| joined.reads(path), namespace, now).map_err(unreadable)?;
        Ok(Self {
            set,
            request,
            projection,
            selected,
            tier,
            workload,
            old_workload,
            joined,
            document,
            questions,
            decision,
        })
    }

    fn decide(mut self) -> Decision {
        if self.selected.is_empty() {
            self.decision.settle();
            return self.decision;
        }
        self.decision.evaluated = self.selected.len();
        if self.request.phase != Phase::Validating {
            self.patch();
        }
        if self.request.phase != Phase::Mutating {
            self.violations();
        }
        self.decision
    }

    /// Asks every policy that may set things right, and applies what they say together.
    fn patch(&mut self) {
        let (Some(object), Some(workload)) = (&self.request.object, &self.workload) else { return };
        let Ok(object) = object.value() else { return };
        if workload.annotations.get(MUTATE_ANNOTATION).is_some_and(|value| value == "false")
            || self.request.operation == Operation::Delete
            // What is stored by a request to a subresource is not the object that a patch is for.
            || !self.request.subresource.is_empty()
        {
            return;
        }
        let patching: Vec<&Selected<'_>> = self
            .selected
            .iter()
            .filter(|selected| selected.patching_rule(self.request.phase).is_some())
            .collect();
        if patching.is_empty() {
            return;
        }
        let subject = self.workload.as_ref();
        let document = match self.joined.document(&self.document, subject, self.old_workload.as_ref()) {
            Ok(document) => document,
            Err(error) => return fail_all(&mut self.decision, &patching, &error),
        };
        let mut patches: Vec<PolicyPatch> = Vec::new();
        for selected in patching {
            let rule = selected.patch_rule().unwrap_or_default();
            let input = self.joined.input(&document, selected, subject);
            match self.questions.ask(&selected.policy.id, rule, input) {
                Ok(operations) => {
                    patches.push(PolicyPatch { policy: selected.policy.id.clone(), operations })
                }
                Err(error) => {
                    self.decision.failures.push(Failure::new(selected.policy, error, selected.on_failure))
                }
            }
        }
        if self.request.operation == Operation::Update {
            let old =
                self.request.old_object.as_ref().and_then(|old| old.value().ok()).unwrap_or(&Value::Null);
            patches.iter_mut().for_each(|patch| patch.keep_what_was_there(old));
        }
        match patch::combine(object, &patches, self.request.phase != Phase::Fix) {
            Ok(Some(patched)) => self.accept(patched),
            Ok(None) => {}
            Err(conflict) => {
                let of = |selected: &&Selected<'_>| conflict.policies.contains(&selected.policy.id);
                for selected in self.selected.iter().filter(of) {
                    self.decision.failures.push(Failure::new(
                        selected.policy,
                        conflict.to_string(),
                        selected.on_failure,
                    ));
                }
            }
        }
    }

    /// From here on the patched object is the object.
    fn accept(&mut self, patched: Patched) {
        let engines = &self.set.projections().engines;
        let projected = project(
            &patched.object,
            &self.request.namespace,
            self.projection,
            engines,
            self.set.self_classify(),
        );
        let tier = self.tier.cloned();
        self.workload = Some(Workload { tier, ..projected.workload });
        self.decision.patch = Some(patched);
    }

    /// Asks every policy what is wrong.
    fn violations(&mut self) {
        let judging: Vec<&Selected<'_>> =
            self.selected.iter().filter(|selected| selected.violation_rule().is_some()).collect();
        let (mut findings, mut failures) = (Vec::new(), Vec::new());
        {
            let object = match &self.decision.patch {
                Some(patched) => &patched.object,
                None => value(self.request).unwrap_or(&Value::Null),
            };
            let (joined, old) = (&self.joined, self.old_workload.as_ref());
            let subject = self.workload.as_ref().or(old);
            let document = match joined.document(&self.document, self.workload.as_ref(), old) {
                Ok(document) => document,
                Err(error) => return fail_all(&mut self.decision, &judging, &error),
            };
            let mut before = Baseline { workload: old, request: self.request, joined, document: None };
            for selected in judging {
                let rule = selected.violation_rule().unwrap_or_default();
                let input = joined.input(&document, selected, subject);
                let violations: Vec<Violation> = match self.questions.ask(&selected.policy.id, rule, input) {
                    Ok(violations) => violations,
                    Err(error) => {
                        failures.push(Failure::new(selected.policy, error, selected.on_failure));
                        continue;
                    }
                };
                let first = findings.len();
                findings
                    .extend(violations.into_iter().map(|v| v.finding(selected, self.request.phase, object)));
                if selected.policy.ratchet && findings.len() > first {
                    let known = before.violations(&self.document, &mut self.questions, selected);
                    findings.iter_mut().skip(first).for_each(|finding| finding.ratchet(&known));
                }
            }
        }
        self.decision.findings.extend(findings);
        self.decision.failures.extend(failures);
        self.decision.settle();
    }
}

/// The object that the request is about, if it can be read.
fn value(request: &Request) -> Option<&Value> {
    request.subject().and_then(|object| object.value().ok())
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    Problem { message: error.to_string(), path: Path::new() }
}

fn fail_all(decision: &mut Decision, selected: &[&Selected<'_>], error: &InputError) {
    let failures =
        selected.iter().map(|selected| Failure::new(selected.policy, error.to_string(), selected.on_failure));
    decision.failures.extend(failures);
}
