//! The pipeline: one request in, one decision out.
//!
//! ```text
//! select ─▶ set aside? ─▶ view ─▶ patch (mutating) ─▶ violations (validating) ─▶ ratchet ─▶ fold
//! ```
//!
//! Synchronous, pure, total: no clock, no IO, no error. What goes wrong with a policy is an outcome,
//! and its binding says whether that refuses the request.

mod aside;

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::admission::{Object, Operation, Phase, Request};
use crate::decision::patch::{self, PolicyPatch};
use crate::decision::{Decision, Failure, Finding, Patched, SetAside, plain};
use crate::engine::{Document, InputError, Reads, Session};
use crate::inventory::Inventory;
use crate::path::{self, Path};
use crate::policy::Action;
use crate::policyset::{PolicySet, Selected};
use crate::workload::projection::Projection;
use crate::workload::{Problem, Workload, project};

/// Label of a Namespace that says how precious it is: `dev`, `staging`, `prod`.
pub const TIER_LABEL: &str = "stategate.io/tier";
/// Annotation of an object: `false` keeps all patches away.
const MUTATE_ANNOTATION: &str = "stategate.io/mutate";

/// Judges one request.
///
/// `now` is the time of the request; the same arguments always give the same decision.
pub fn review(set: &PolicySet, inventory: &Inventory, request: &Request, now: jiff::Timestamp) -> Decision {
    review_in(&mut set.session(), set, inventory, request, now)
}

/// The same in a session of this policy set that the caller holds: one that records what it is asked.
pub fn review_in(
    session: &mut Session,
    set: &PolicySet,
    inventory: &Inventory,
    request: &Request,
    now: jiff::Timestamp,
) -> Decision {
    let selected = set.select(request, inventory);
    let Some(projection) = set.projection(request).filter(|_| !selected.is_empty()) else {
        return Decision::default();
    };
    match Review::new(session, set, inventory, request, projection, selected, now) {
        Ok(review) => review.decide(),
        Err(problem) => Decision { findings: vec![Finding::unreadable(problem)], ..Decision::default() },
    }
}

/// The decision if nobody could be asked: every policy that would have judged the request counts as
/// failed, and its binding says what follows.
pub fn undecided(set: &PolicySet, inventory: &Inventory, request: &Request, reason: &str) -> Decision {
    let wanted = |selected: &Selected<'_>| match request.phase {
        Phase::Mutating => selected.mutate && selected.patch_rule().is_some(),
        Phase::Validating | Phase::Both => selected.violation_rule().is_some(),
    };
    let failures = set
        .select(request, inventory)
        .iter()
        .filter(|selected| wanted(selected))
        .map(|selected| Failure::new(selected.policy, reason.to_owned(), selected.on_failure))
        .collect();
    Decision { failures, ..Decision::default() }
}

/// The input document of a request, for a policy that reads this much and is told these parameters:
/// what is asked first, before any patch. For people who write policies; `review` builds its own.
///
/// # Errors
/// If the object cannot be read, or no projection knows its kind.
pub fn input(
    set: &PolicySet,
    inventory: &Inventory,
    request: &Request,
    reads: &Reads,
    parameters: &crate::engine::Value,
    now: jiff::Timestamp,
) -> Result<crate::engine::Value, Problem> {
    let projection = set
        .projection(request)
        .ok_or_else(|| unreadable(format!("no policy judges {}", request.kind.kind)))?;
    let namespace = inventory.namespace_labels(&request.namespace);
    let tier = namespace.and_then(|labels| labels.get(TIER_LABEL));
    let view = |object: &Option<Object>| -> Result<Option<Workload>, Problem> {
        let object = object.as_ref().filter(|_| request.subresource.is_empty());
        object.map(|object| view(set, request, projection, tier, object)).transpose()
    };
    let (workload, old) = (view(&request.object)?, view(&request.old_object));
    let old = if workload.is_some() { old.ok().flatten() } else { old? };
    let shared = Document::new(request, reads, namespace, now).map_err(unreadable)?;
    let document = shared.with_views(workload.as_ref(), old.as_ref()).map_err(unreadable)?;
    Ok(document.with_parameters(parameters))
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
    document: Document,
    session: &'a mut Session,
    decision: Decision,
}

impl<'a> Review<'a> {
    fn new(
        session: &'a mut Session,
        set: &'a PolicySet,
        inventory: &'a Inventory,
        request: &'a Request,
        projection: &'a Projection,
        mut selected: Vec<Selected<'a>>,
        now: jiff::Timestamp,
    ) -> Result<Self, Problem> {
        let mut decision = Decision::default();
        if let Some(subject) = request.subject() {
            subject.value().map_err(unreadable)?;
        }
        let namespace = inventory.namespace_labels(&request.namespace);
        let tier = namespace.and_then(|labels| labels.get(TIER_LABEL));
        decision.set_aside = aside::set_aside(set, request).map_err(unreadable)?;
        match decision.set_aside {
            Some(SetAside::Operated) => selected.iter_mut().for_each(Selected::only_record),
            Some(SetAside::Owned | SetAside::Terminating) => {
                selected.retain(|selected| selected.policy.terminating)
            }
            None => {}
        }
        let subresource = !request.subresource.is_empty();
        let view = |object: &Option<Object>| -> Result<Option<Workload>, Problem> {
            let Some(object) = object.as_ref().filter(|_| !selected.is_empty() && !subresource) else {
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

        aside::waive(set, request, now, &mut selected, &mut decision);

        let mut reads = Reads::default();
        selected.iter().for_each(|selected| reads.extend(selected.reads()));
        let document = Document::new(request, &reads, namespace, now).map_err(unreadable)?;
        Ok(Self {
            set,
            request,
            projection,
            selected,
            tier,
            workload,
            old_workload,
            document,
            session,
            decision,
        })
    }

    fn decide(mut self) -> Decision {
        if self.selected.is_empty() {
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
        {
            return;
        }
        let patching: Vec<&Selected<'_>> = self
            .selected
            .iter()
            .filter(|selected| selected.mutate && selected.patch_rule().is_some())
            .collect();
        if patching.is_empty() {
            return;
        }
        let document = match self.document.with_views(self.workload.as_ref(), self.old_workload.as_ref()) {
            Ok(document) => document,
            Err(error) => return fail_all(&mut self.decision, &patching, &error),
        };
        let mut patches: Vec<PolicyPatch> = Vec::new();
        for selected in patching {
            let rule = selected.patch_rule().unwrap_or_default();
            match ask(self.session, rule, document.with_parameters(selected.parameters)) {
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
        match patch::combine(object, &patches) {
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
        let document = match self.document.with_views(self.workload.as_ref(), self.old_workload.as_ref()) {
            Ok(document) => document,
            Err(error) => return fail_all(&mut self.decision, &judging, &error),
        };
        let (mut findings, mut failures) = (Vec::new(), Vec::new());
        {
            let object = match &self.decision.patch {
                Some(patched) => &patched.object,
                None => self.request.subject().and_then(|object| object.value().ok()).unwrap_or(&Value::Null),
            };
            let mut before =
                Before { workload: self.old_workload.as_ref(), request: self.request, document: None };
            for selected in judging {
                let rule = selected.violation_rule().unwrap_or_default();
                let input = document.with_parameters(selected.parameters);
                let violations: Vec<Violation> = match ask(self.session, rule, input) {
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
                    let known = before.violations(&self.document, self.session, selected);
                    findings.iter_mut().skip(first).for_each(|finding| finding.ratchet(&known));
                }
            }
        }
        self.decision.findings.extend(findings);
        self.decision.failures.extend(failures);
        self.decision.settle();
    }
}

/// What was wrong with the old object already, asked only if the new one has a fault.
struct Before<'a> {
    workload: Option<&'a Workload>,
    request: &'a Request,
    document: Option<Document>,
}

impl Before<'_> {
    /// Keys of the policy's violations in the old object, judged as if it were new and nothing was before
    /// it. If it cannot be judged, nothing is known to be pre-existing.
    fn violations(
        &mut self,
        shared: &Document,
        session: &mut Session,
        selected: &Selected<'_>,
    ) -> BTreeSet<String> {
        let (Operation::Update, Some(old)) = (self.request.operation, self.workload) else {
            return BTreeSet::new();
        };
        // The policy did not judge what the object was before, so nothing of it was accepted.
        if !selected.policy.matches.classes.contains(&old.class) {
            return BTreeSet::new();
        }
        if self.document.is_none() {
            self.document = shared.with_views(Some(old), None).ok();
        }
        let object = self.request.old_object.as_ref().and_then(|old| old.value().ok());
        let (Some(document), Some(object)) = (&self.document, object) else { return BTreeSet::new() };
        let input = document.with_parameters(selected.parameters);
        let known: Vec<Violation> =
            ask(session, selected.violation_rule().unwrap_or_default(), input).unwrap_or_default();
        known.iter().map(|violation| violation.key(object)).collect()
    }
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    Problem { message: error.to_string(), path: Path::new() }
}

fn fail_all(decision: &mut Decision, selected: &[&Selected<'_>], error: &InputError) {
    let failures =
        selected.iter().map(|selected| Failure::new(selected.policy, error.to_string(), selected.on_failure));
    decision.failures.extend(failures);
}

/// Asks one rule and reads its answer strictly: what cannot be read is a failure, never "nothing found".
fn ask<T: for<'de> Deserialize<'de>>(
    session: &mut Session,
    rule: &str,
    input: crate::engine::Value,
) -> Result<Vec<T>, String> {
    use crate::engine::Value as Rego;
    let answer = session.evaluate(rule, input)?;
    match &answer {
        Rego::Set(set) if set.is_empty() => return Ok(Vec::new()),
        Rego::Set(_) => {}
        _ => return Err(format!("{rule} is no set: write `contains`")),
    }
    let json = serde_json::to_value(&answer)
        .map_err(|error| format!("{rule} holds a value that is no JSON: {error}"))?;
    serde_json::from_value(json)
        .map_err(|error| format!("{rule} holds an element that cannot be read: {error}"))
}

/// One element of a policy's `violation`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Violation {
    msg: String,
    #[serde(default)]
    path: path::Written,
    key: Option<String>,
    details: Option<Value>,
    fix: Option<String>,
}

impl Violation {
    /// Its identity over time: list items are known by name, since their position changes.
    fn key(&self, object: &Value) -> String {
        self.key.clone().unwrap_or_else(|| path::stable(object, &self.path.0))
    }

    fn finding(self, selected: &Selected<'_>, phase: Phase, object: &Value) -> Finding {
        let policy = selected.policy;
        let milder = policy.at_admission.filter(|_| phase == Phase::Validating).unwrap_or(Action::Deny);
        Finding {
            policy: policy.id.clone(),
            title: policy.title.clone(),
            severity: policy.severity,
            action: selected.action.min(milder),
            pre_existing: false,
            key: self.key(object),
            message: plain(&self.msg),
            path: self.path.0,
            fix: self.fix.map_or_else(|| policy.fix.to_string(), |fix| plain(&fix)),
            docs: policy.related.first().cloned(),
            details: self.details,
        }
    }
}
