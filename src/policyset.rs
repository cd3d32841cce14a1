//! Policies, bindings and projections, compiled and indexed: immutable, and replaced only as a whole.
//!
//! Compiled policies and bindings are separate: after a change to a binding or exception, the new set reuses
//! the compiled policies of the previous one.

mod bindings;
mod compiled;
pub mod crds;
pub mod documents;
mod effect;
mod enforcement;
mod exceptions;
mod match_conditions;
mod profile;
mod requirements;
pub mod schema;
mod sources;
pub mod webhooks;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::admission::{GroupKind, Operation, Request, ReviewMode, ReviewScope};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::engine::{
    EngineKind, Evaluator, InputParts, ParameterValues, Reads, RuleId, Unsupported, on_large_stack,
};
use crate::inventory::{Inventory, InventoryWriter};
use crate::policy::exception::{Authority, Exception, ExceptionState};
use crate::policy::parameters::Parameters;
use crate::policy::target::Target;
use crate::policy::{Action, Patches, Policy, PolicyId};
use crate::workload::labels::glob;
use crate::workload::projection::{Projection, Projections};
use crate::workload::{Class, SelfClassification};

pub use bindings::API_VERSION;
use bindings::KnownPolicies;
use compiled::{CompiledPolicies, CompiledPolicy, Readable};
pub use documents::{DocumentKind, Standing, StoredDocument};
pub use effect::{Effect, Link, Place};
pub use enforcement::Enforcement;
use enforcement::{Bindings, PolicyBindings};
pub use sources::{ClusterDocument, Sources};
pub use written::{misnamed, policies};

/// The policies and bindings that review requests.
pub struct PolicySet {
    compiled: Arc<CompiledPolicies>,
    bindings: Bindings,
    /// Indexed like the compiled policies.
    of_policies: Vec<PolicyBindings>,
    digest: String,
    evaluation_digest: String,
    file_digest: String,
    record_digest: String,
    /// Those of the sources.
    warnings: Vec<Diagnostic>,
    engine: EngineKind,
}

/// How to compile a policy set.
#[derive(Clone, Copy, Default)]
pub struct CompileOptions<'a> {
    /// A set whose compiled policies are reused if their sources are the same; then no Rego is compiled.
    pub reuse: Option<&'a PolicySet>,
    /// Called with each Rego source before it is parsed.
    pub before_parsing: Option<&'a (dyn Fn(&SourceText) + Sync)>,
}

/// A policy that reviews one request, with the effect of its bindings.
pub struct Selected<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The values of its parameters.
    pub parameters: &'a ParameterValues,
    /// The effect of its bindings.
    pub enforcement: Enforcement,
    compiled: &'a CompiledPolicy,
}

impl<'a> Selected<'a> {
    /// The rule that finds violations, if there is one.
    pub fn violation_rule(&self) -> Option<&'a RuleId> {
        self.compiled.violation.as_ref()
    }

    /// The rule whose patches apply in this mode, if there is one.
    pub fn patch_rule(&self, mode: ReviewMode) -> Option<&'a RuleId> {
        let applies = match self.policy.patches {
            Patches::Admission => mode.mutates(),
            Patches::Fix => mode == ReviewMode::Fix,
        };
        self.compiled.patch.as_ref().filter(|_| applies && self.enforcement.mutate)
    }

    /// The action on a violation in this mode; it may be milder at admission, where related objects may still
    /// arrive.
    pub fn action(&self, mode: ReviewMode) -> Action {
        let milder = self.policy.at_admission.filter(|_| mode == ReviewMode::Validate);
        self.enforcement.action.min(milder.unwrap_or(Action::Deny))
    }

    /// What it reads of the input document.
    pub fn reads(&self) -> &'a Reads {
        &self.compiled.reads
    }

    /// The parts of the input document that are built for it.
    pub fn parts(&self) -> InputParts {
        self.compiled.parts
    }
}

impl PolicySet {
    /// Reads, checks and compiles all sources.
    ///
    /// # Errors
    /// All errors that can be found in one pass; then there is no policy set.
    pub fn compile(sources: &Sources, options: CompileOptions<'_>) -> Result<Self, Diagnostics> {
        on_large_stack(|| Self::build(sources, options)).unwrap_or_else(|error| {
            let message = format!("cannot be loaded: no thread for it: {error}");
            Err(SourceText::new("policies", "").error(0, 0, message).into())
        })
    }

    fn build(sources: &Sources, options: CompileOptions<'_>) -> Result<Self, Diagnostics> {
        let (mut errors, digests) = (Vec::new(), sources.digests());
        let (compiled, bindings) = match options.reuse.filter(|set| set.compiled.digest == digests.policies) {
            Some(set) => {
                let known = KnownPolicies {
                    policies: set.policies().collect(),
                    complete: true,
                    projections: set.projections(),
                };
                (Some(Arc::clone(&set.compiled)), Bindings::read(sources, &known, &mut errors))
            }
            None => {
                let (projections, faults) = Projections::read_in_part(&sources.projections, &sources.engines);
                errors.extend(faults);
                let readable = Readable::read(sources, &projections, &mut errors);
                let policies = readable.policies.iter().map(|(policy, _)| policy).collect();
                let known =
                    KnownPolicies { policies, complete: readable.complete, projections: &projections };
                let bindings = Bindings::read(sources, &known, &mut errors);
                let before = |text: &SourceText| options.before_parsing.iter().for_each(|hear| hear(text));
                let compiled =
                    CompiledPolicies::compile(sources, readable, projections, &digests.policies, &before);
                (compiled.map_err(|faults| errors.extend(faults.0)).ok().map(Arc::new), bindings)
            }
        };
        let Some(compiled) = compiled.filter(|_| errors.is_empty()) else {
            return Err(Diagnostics(errors));
        };
        if sources.engine == EngineKind::Interpreter {
            let failed = |error| SourceText::new("policies", "").error(0, 0, format!("{error}"));
            compiled.rego.make_interpreter().map_err(failed)?;
        }
        let of_policies = bindings.of_policies(&compiled.policies)?;
        let warnings = sources.warnings.clone();
        let believed = bindings.profile.spec.self_classify;
        Ok(Self {
            compiled,
            bindings,
            of_policies,
            record_digest: format!("{} {believed}", digests.projections),
            digest: digests.all,
            evaluation_digest: digests.evaluation,
            file_digest: digests.files,
            warnings,
            engine: sources.engine,
        })
    }

    /// The policy with this id.
    pub fn policy(&self, id: &str) -> Option<&Policy> {
        self.policies().find(|policy| policy.id.as_str() == id)
    }

    /// The scope of a request, as policies are indexed; None if no projection has its kind. For a
    /// subresource, the request names the subresource's own kind (Scale); policies name the parent's.
    pub fn scope(&self, request: &Request) -> Option<ReviewScope> {
        let resource = &request.resource;
        let kind = self.compiled.projections.kind_of(&resource.group, &resource.resource)?.clone();
        Some(ReviewScope { kind, operation: request.operation, subresource: request.subresource.clone() })
    }

    /// Whether any policy may match this request, according to its envelope.
    pub fn matches(&self, request: &Request) -> bool {
        !self.indexed(request).is_empty()
    }

    /// The policies that review this request, with the effect of their bindings. The class of the workload is
    /// not considered yet, since it requires the object.
    pub fn select<'a>(&'a self, request: &Request, inventory: &Inventory) -> Vec<Selected<'a>> {
        let positions = self.indexed(request);
        let Some(target) = self.target(request).filter(|_| !positions.is_empty()) else { return Vec::new() };
        let labels = target.namespace_labels(inventory);
        let all = &self.bindings.bindings;
        let applies: Vec<bool> = all.iter().map(|binding| binding.spec.selects(&target, &labels)).collect();
        let mut selected = Vec::new();
        for position in positions {
            let (Some(compiled), Some(bindings)) =
                (self.compiled.policies.get(*position), self.of_policies.get(*position))
            else {
                continue;
            };
            for (parameters, enforcement) in bindings.select(all, &applies, &request.user) {
                selected.push(Selected { policy: &compiled.policy, parameters, enforcement, compiled });
            }
        }
        selected
    }

    fn indexed(&self, request: &Request) -> &[usize] {
        let scope = self.scope(request);
        scope.and_then(|scope| self.compiled.by_scope.get(&scope)).map_or(&[], Vec::as_slice)
    }

    /// Whether a policy reviews requests of this kind, operation and subresource; bindings are not considered.
    pub fn reviews(&self, policy: &PolicyId, request: &Request) -> bool {
        let compiled =
            self.indexed(request).iter().filter_map(|position| self.compiled.policies.get(*position));
        compiled.into_iter().any(|compiled| compiled.policy.id == *policy)
    }

    /// The object of a request, as bindings and exceptions match it; None if no projection has its kind.
    pub fn target<'a>(&'a self, request: &'a Request) -> Option<Target<'a>> {
        let resource = &request.resource;
        let kind = self.compiled.projections.kind_of(&resource.group, &resource.resource)?;
        Some(Target::new(request, kind))
    }

    /// The exceptions that exempt an object from a policy.
    pub fn exceptions_for(
        &self,
        policy: &Policy,
        target: &Target<'_>,
        now: jiff::Timestamp,
    ) -> impl Iterator<Item = (usize, &Exception)> {
        let naming = self.bindings.exceptions_naming(&policy.id, &target.namespace);
        let all = naming.filter_map(|position| Some((position, self.bindings.exceptions.get(position)?)));
        all.filter(move |(_, exception)| exception.waives(policy, target, now))
    }

    /// What became of the documents of a cluster, in the order of the sources.
    pub fn standings(&self) -> &[Standing] {
        &self.bindings.standings
    }

    /// All exceptions, in the order of their files.
    pub fn exceptions(&self) -> &[Exception] {
        &self.bindings.exceptions
    }

    /// What is no error in the sources, but hardly meant.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.warnings.iter().chain(&self.compiled.warnings).chain(&self.bindings.warnings)
    }

    /// The projection of a request's kind.
    pub fn projection(&self, request: &Request) -> Option<&Projection> {
        let projections = &self.compiled.projections;
        projections.of(projections.kind_of(&request.resource.group, &request.resource.resource)?)
    }

    /// All projections and the table of engines.
    pub fn projections(&self) -> &Projections {
        &self.compiled.projections
    }

    /// A writer for an empty inventory that reads workloads as this policy set does.
    pub fn inventory_writer(&self) -> InventoryWriter {
        InventoryWriter::new(Arc::clone(&self.compiled.projections), self.self_classification())
    }

    /// Identifies the way in which this set reads other objects: sets with the same digest can share an inventory.
    pub fn record_digest(&self) -> &str {
        &self.record_digest
    }

    /// How far the annotations count by which a workload classifies itself.
    pub fn self_classification(&self) -> SelfClassification {
        match self.bindings.profile.spec.self_classify {
            true => SelfClassification::Believed,
            false => SelfClassification::Additional,
        }
    }

    /// Whether the profile names this user as one that runs built-in controllers.
    pub fn is_controller_user(&self, username: &str) -> bool {
        self.bindings.profile.spec.controller_users.iter().any(|pattern| glob(pattern, username))
    }

    /// Whether the profile names this user as the operator of custom resources of this group.
    pub fn is_operator(&self, group: &str, username: &str) -> bool {
        self.bindings.profile.spec.operators.iter().any(|operator| {
            operator.groups.iter().any(|known| known == group)
                && operator.users.iter().any(|pattern| glob(pattern, username))
        })
    }

    /// An evaluator for its rules.
    pub fn evaluator(&self) -> Evaluator {
        self.compiled.rego.evaluator(self.engine)
    }

    /// Why the interpreter evaluates a policy although rules are compiled; None if it does not.
    pub fn unsupported(&self, policy: &Policy) -> Option<&Unsupported> {
        let compiled = self.compiled.policies.iter().find(|compiled| compiled.policy.id == policy.id)?;
        let rules = compiled.violation.iter().chain(&compiled.patch);
        rules.filter_map(|rule| self.compiled.rego.unsupported(rule)).next()
    }

    /// What evaluates the rules.
    pub fn engine(&self) -> EngineKind {
        self.engine
    }

    /// SHA-256 over all sources, in hex: the same sources give the same verdicts.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Identifies what decides which rules are evaluated on what; exceptions of a cluster are no part of it.
    pub fn evaluation_digest(&self) -> &str {
        &self.evaluation_digest
    }

    /// Identifies what comes from files rather than from a cluster.
    pub fn file_digest(&self) -> &str {
        &self.file_digest
    }

    /// The name of the profile; empty if there is none.
    pub fn profile(&self) -> &str {
        &self.bindings.profile.metadata.name
    }

    /// The strictest action of the profile's bindings, if they are limited.
    pub fn at_most(&self) -> Option<Action> {
        self.bindings.at_most
    }

    /// How many bindings there are beside those of the profile, and in all.
    pub fn binding_counts(&self) -> (usize, usize) {
        let all = self.bindings.bindings.len();
        (all.saturating_sub(self.bindings.of_profile), all)
    }

    /// All policies, by category and id.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.compiled.policies.iter().map(|compiled| &compiled.policy)
    }

    /// The mildest that bindings and exceptions make of a violation of a policy, for any request; `None` if
    /// they let it pass somewhere.
    pub fn mildest(&self, policy: &PolicyId, now: jiff::Timestamp) -> Option<Action> {
        // What a cluster stores waives the same whatever a file says.
        let waives = |one: &Exception| {
            one.authority == Authority::File
                && one.state(now) != ExceptionState::Expired
                && one.spec.policies.contains(policy)
        };
        if self.bindings.exceptions.iter().any(waives) {
            return None;
        }
        let all = self.compiled.policies.iter().zip(&self.of_policies);
        let (_, bindings) = all.into_iter().find(|(compiled, _)| compiled.policy.id == *policy)?;
        bindings.mildest(&self.bindings.bindings)
    }

    /// The values of a policy's parameters, for any request: those of the bindings that apply together, and those
    /// of the bindings that override them.
    pub fn parameters(&self, policy: &PolicyId) -> (Vec<&Parameters>, Vec<&Parameters>) {
        let all = self.compiled.policies.iter().zip(&self.of_policies);
        let found = all.into_iter().find(|(compiled, _)| compiled.policy.id == *policy);
        found.map(|(_, bindings)| bindings.parameters(&self.bindings.bindings)).unwrap_or_default()
    }

    /// The policies that any binding enables.
    fn bound(&self) -> impl Iterator<Item = (&CompiledPolicy, &PolicyBindings)> {
        let all = self.compiled.policies.iter().zip(&self.of_policies);
        all.filter(|(_, bindings)| bindings.is_enabled(&self.bindings.bindings))
    }

    /// The scopes that the validating webhook must send: those that bound policies with a violation rule
    /// review.
    pub fn coverage(&self) -> BTreeSet<ReviewScope> {
        self.coverage_of(|compiled, _| compiled.violation.is_some())
    }

    /// The kinds whose objects bound policies review as a whole, each with the versions that they read.
    pub fn reviewed_kinds(&self) -> BTreeMap<GroupKind, Vec<String>> {
        let whole = self
            .coverage()
            .into_iter()
            .filter(|scope| scope.subresource.is_empty() && scope.operation == Operation::Create);
        let versions =
            |kind: &GroupKind| self.projections().of(kind).map(|projection| projection.versions.clone());
        whole.map(|scope| (scope.kind.clone(), versions(&scope.kind).unwrap_or_default())).collect()
    }

    /// The same for the mutating webhook: the scopes that policies may patch.
    pub fn mutation_coverage(&self) -> BTreeSet<ReviewScope> {
        self.coverage_of(|compiled, bindings| {
            let patches = compiled.patch.is_some() && compiled.policy.patches == Patches::Admission;
            patches && bindings.mutates(&self.bindings.bindings)
        })
    }

    /// Of the scopes of the validating webhook, those in which a binding refuses what a policy finds, or what it fails to
    /// judge.
    pub fn denial_coverage(&self) -> BTreeSet<ReviewScope> {
        self.coverage_of(|compiled, bindings| {
            compiled.violation.is_some() && bindings.denies(&self.bindings.bindings)
        })
    }

    /// Whether a bound policy reviews objects of this kind that hold no data.
    fn reviews_stateless(&self, kind: &GroupKind) -> bool {
        self.bound().any(|(compiled, _)| {
            let matches = &compiled.policy.matches;
            matches.classes.contains(&Class::None)
                && (matches.kinds.is_empty() || matches.kinds.contains(kind))
        })
    }

    fn coverage_of(
        &self,
        wanted: impl Fn(&CompiledPolicy, &PolicyBindings) -> bool,
    ) -> BTreeSet<ReviewScope> {
        let wanted: Vec<&Policy> = self
            .bound()
            .filter(|(compiled, bindings)| wanted(compiled, bindings))
            .map(|(compiled, _)| &compiled.policy)
            .collect();
        let reviews = |positions: &Vec<usize>| {
            let mut policies = positions.iter().filter_map(|position| self.compiled.policies.get(*position));
            policies.any(|compiled| wanted.iter().any(|policy| policy.id == compiled.policy.id))
        };
        let covered = self.compiled.by_scope.iter().filter(|(_, positions)| reviews(positions));
        covered.map(|(scope, _)| scope.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn sources(reason: &str) -> Sources {
        let text = |name: &str, text: &str| SourceText::new(name, text);
        let policy = include_str!("../policies/storage/pvc_no_shrink/pvc_no_shrink.rego");
        let exception = format!(
            "apiVersion: {API_VERSION}\nkind: PolicyException\nmetadata: {{name: one}}\n\
             spec: {{policies: [pvc-no-shrink], match: {{}}, reason: {reason}}}\n"
        );
        Sources {
            policies: vec![text("policies/storage/pvc_no_shrink/pvc_no_shrink.rego", policy)],
            projections: vec![
                text(
                    "policies/workloads/statefulset.yaml",
                    include_str!("../policies/workloads/statefulset.yaml"),
                ),
                text(
                    "policies/workloads/persistentvolumeclaim.yaml",
                    include_str!("../policies/workloads/persistentvolumeclaim.yaml"),
                ),
            ],
            bindings: vec![text("exceptions.yaml", &exception)],
            ..Sources::default()
        }
    }

    #[test]
    fn a_changed_exception_compiles_no_rego() {
        let parsed = AtomicUsize::new(0);
        let count = |_: &SourceText| {
            parsed.fetch_add(1, Ordering::Relaxed);
        };
        let options = CompileOptions { before_parsing: Some(&count), ..CompileOptions::default() };
        let first = PolicySet::compile(&sources("until the migration"), options).unwrap();
        assert_eq!(parsed.swap(0, Ordering::Relaxed), 1);
        let options = CompileOptions { reuse: Some(&first), ..options };
        let second = PolicySet::compile(&sources("until next spring"), options).unwrap();
        assert_eq!(parsed.swap(0, Ordering::Relaxed), 0);
        assert!(Arc::ptr_eq(&first.compiled, &second.compiled));
        assert_ne!(first.digest(), second.digest());

        let mut changed = sources("until next spring");
        changed.policies =
            vec![SourceText::new(&*changed.policies[0].name, format!("{}\n", changed.policies[0].text))];
        let third = PolicySet::compile(&changed, options).unwrap();
        assert_eq!(parsed.load(Ordering::Relaxed), 1);
        assert!(!Arc::ptr_eq(&first.compiled, &third.compiled));
    }

    #[test]
    fn what_is_wrong_with_bindings_is_found_without_compiling_too() {
        let first = PolicySet::compile(&sources("until the migration"), CompileOptions::default()).unwrap();
        let options = CompileOptions { reuse: Some(&first), ..CompileOptions::default() };
        let mut wrong = sources("until next spring");
        wrong.bindings[0] =
            SourceText::new("b.yaml", wrong.bindings[0].text.replace("no-shrink", "no-shrimp"));
        let Err(errors) = PolicySet::compile(&wrong, options) else { panic!("it names no policy") };
        assert!(errors.to_string().contains("there is no policy pvc-no-shrimp"), "{errors}");
    }
}
