//! Policies, bindings and projections, compiled and indexed: immutable, replaced whole or not at all.

mod bind;
mod needs;
pub mod schema;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::admission::{Operation, Phase, Request};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::engine::{Module, Reads, Rego, Session, Value, on_large_stack};
use crate::inventory::Inventory;
use crate::policy::binding::{Binding, OnFailure};
use crate::policy::exception::Exception;
use crate::policy::selector::GroupKind;
use crate::policy::{Action, Patches, Policy, PolicyId, metadata, package_path};
use crate::workload::projection::{Projection, Projections};

use bind::{BindingOrigin, KnownPolicies, PolicyBindings, Profile};

/// The texts that a policy set is made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sources {
    /// Policies: Rego with METADATA.
    pub policies: Vec<SourceText>,
    /// Rego that policies share, without METADATA of its own.
    pub libraries: Vec<SourceText>,
    /// `test_*` rules; loaded by `stategate test` only.
    pub tests: Vec<SourceText>,
    /// Projections, one kind a file.
    pub projections: Vec<SourceText>,
    /// Tables of engines.
    pub engines: Vec<SourceText>,
    /// The profile: a Profile and PolicyBindings.
    pub profile: Option<SourceText>,
    /// The profile may name policies and categories that are not there: they were left out.
    pub partial_profile: bool,
    /// A user's own PolicyBindings and PolicyExceptions.
    pub bindings: Vec<SourceText>,
    /// All modules of directories, tests too, and where they stand below the root. A module that is not
    /// here, such as one that comes in a resource of the cluster, may have any package.
    pub places: Vec<(SourceText, String)>,
}

impl Sources {
    /// SHA-256 over all texts that judge, in hex.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let texts = [&self.policies, &self.libraries, &self.projections, &self.engines];
        let mut sorted: Vec<&SourceText> =
            texts.into_iter().flatten().chain(&self.profile).chain(&self.bindings).collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        for text in sorted {
            for part in [&text.name, &text.text] {
                hash.update(part.len().to_be_bytes());
                hash.update(part.as_bytes());
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A policy and how the engine asks it.
#[derive(Debug)]
struct CompiledPolicy {
    policy: Policy,
    violation: Option<String>,
    patch: Option<String>,
    reads: Reads,
    bound: PolicyBindings,
}

/// What judges requests.
pub struct PolicySet {
    policies: Vec<CompiledPolicy>,
    by_operation: HashMap<(GroupKind, Operation, String), Vec<usize>>,
    bindings: Vec<Binding>,
    exceptions: Vec<Exception>,
    profile: Profile,
    projections: Arc<Projections>,
    rego: Rego,
    digest: String,
}

/// A policy that is to be asked about one request, with what its bindings make of it.
pub struct Selected<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// What it is told.
    pub parameters: &'a Value,
    /// What happens to a violation.
    pub action: Action,
    /// What happens if it cannot decide.
    pub on_failure: OnFailure,
    /// Is its patch applied?
    pub mutate: bool,
    /// Is the object's own skip annotation honoured?
    pub skippable: bool,
    /// Is it a violation if it cannot judge for want of other objects?
    pub require_inventory: bool,
    loaded: &'a CompiledPolicy,
}

impl<'a> Selected<'a> {
    /// The rule that finds violations, if it has one.
    pub fn violation_rule(&self) -> Option<&str> {
        self.loaded.violation.as_deref()
    }

    /// The rule that sets things right, if it has one.
    pub fn patch_rule(&self) -> Option<&str> {
        self.loaded.patch.as_deref()
    }

    /// The rule whose patches are applied in this phase, if there is one.
    pub fn patching_rule(&self, phase: Phase) -> Option<&str> {
        let applied = match self.policy.patches {
            Patches::Admission => phase != Phase::Validating,
            Patches::Fix => phase == Phase::Fix,
        };
        self.patch_rule().filter(|_| applied && self.mutate)
    }

    /// Whatever it finds is only recorded, and nothing is changed.
    pub fn only_record(&mut self) {
        self.action = Action::Audit;
        self.on_failure = OnFailure::Warn;
        self.mutate = false;
    }

    /// What of the input it reads.
    pub fn reads(&self) -> &'a Reads {
        &self.loaded.reads
    }
}

impl PolicySet {
    /// Reads, checks and compiles everything.
    ///
    /// # Errors
    /// All errors that could be found in one go; then there is no policy set.
    pub fn compile(sources: &Sources) -> Result<Self, Diagnostics> {
        Self::compile_saying(sources, &|_| {})
    }

    /// The same; `before` hears of each text of Rego before it is parsed.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn compile_saying(
        sources: &Sources,
        before: &(dyn Fn(&SourceText) + Sync),
    ) -> Result<Self, Diagnostics> {
        on_large_stack(|| Self::build(sources, before)).unwrap_or_else(|error| {
            let message = format!("cannot be loaded: no thread for it: {error}");
            Err(SourceText::new("policies", "").error(0, 0, message).into())
        })
    }

    fn build(sources: &Sources, before: &dyn Fn(&SourceText)) -> Result<Self, Diagnostics> {
        let mut errors = Vec::new();
        let mut keep =
            |result: Result<(), Diagnostics>| errors.extend(result.err().into_iter().flat_map(|e| e.0));

        let mut policies = Vec::new();
        for text in &sources.policies {
            keep(metadata::read(text).map(|policy| policies.push((policy, text))));
        }
        keep(none(sources.places.iter().filter_map(|(text, path)| package_path::check(text, path))));
        keep(duplicates(&policies));
        let mut projections = Projections::default();
        keep(Projections::read(&sources.projections, &sources.engines).map(|read| projections = read));
        let (mut profile, mut bindings, mut exceptions) = (Profile::default(), Vec::new(), Vec::new());
        let known = KnownPolicies {
            policies: policies.iter().map(|(policy, _)| policy).collect(),
            complete: policies.len() == sources.policies.len(),
        };
        let of_profile =
            if sources.partial_profile { BindingOrigin::PartialProfile } else { BindingOrigin::Profile };
        let shipped = sources.profile.iter().map(|text| (text, of_profile));
        for (text, origin) in shipped.chain(sources.bindings.iter().map(|text| (text, BindingOrigin::User))) {
            keep(bind::read(text, origin, &known).map(|read| {
                bindings.extend(read.bindings);
                exceptions.extend(read.exceptions);
                profile = read.profile.unwrap_or(std::mem::take(&mut profile));
            }));
        }
        let texts: Vec<SourceText> =
            sources.policies.iter().chain(&sources.libraries).chain(&sources.tests).cloned().collect();
        let mut rego = None;
        keep(Rego::load_policies(&texts, &known.policies, before).map(|loaded| rego = Some(loaded)));
        let Some(mut rego) = rego else { return Err(Diagnostics(errors)) };

        let modules: BTreeMap<String, Module> =
            rego.modules().into_iter().map(|module| (module.package.clone(), module)).collect();
        let mut loaded = Vec::new();
        for (policy, text) in policies {
            match load(policy, text, &modules, &bindings, &profile, &projections) {
                Ok(policy) => loaded.push((policy, text)),
                Err(error) => errors.push(error),
            }
        }
        let entry_point = loaded.iter().find_map(|(policy, text)| {
            let rule = policy.violation.as_ref().or(policy.patch.as_ref())?;
            Some((rule, *text))
        });
        if let Some((rule, text)) = entry_point {
            errors.extend(rego.prepare(rule, text).err().into_iter().flat_map(|errors| errors.0));
        }
        if !errors.is_empty() {
            return Err(Diagnostics(errors));
        }
        let policies: Vec<CompiledPolicy> = loaded.into_iter().map(|(policy, _)| policy).collect();
        Ok(Self {
            by_operation: index(&policies, &projections),
            policies,
            bindings,
            exceptions,
            profile,
            projections: Arc::new(projections),
            rego,
            digest: sources.digest(),
        })
    }

    /// A policy by its id.
    pub fn policy(&self, id: &str) -> Option<&Policy> {
        self.policies().find(|policy| policy.id.as_str() == id)
    }

    /// Do any policies match this request, as far as its envelope tells?
    pub fn matches(&self, request: &Request) -> bool {
        !self.indexed(request).is_empty()
    }

    /// The policies that judge this request, and what their bindings make of them.
    /// The class of the workload is not asked yet: that needs the object.
    pub fn select<'a>(&'a self, request: &Request, inventory: &Inventory) -> Vec<Selected<'a>> {
        let labels = inventory.namespace_labels(&request.namespace);
        let binding_applies: Vec<bool> =
            self.bindings.iter().map(|binding| binding.spec.matches.selects(request, labels)).collect();
        let mut selected = Vec::new();
        for loaded in self.indexed(request).iter().filter_map(|index| self.policies.get(*index)) {
            for chosen in loaded.bound.select(&self.bindings, &binding_applies, &request.user) {
                selected.push(Selected {
                    policy: &loaded.policy,
                    parameters: chosen.parameters,
                    action: chosen.action,
                    on_failure: chosen.on_failure,
                    mutate: chosen.mutate,
                    skippable: chosen.skippable,
                    require_inventory: chosen.require_inventory,
                    loaded,
                });
            }
        }
        selected
    }

    fn indexed(&self, request: &Request) -> &[usize] {
        // For a subresource the request's kind is the subresource's own (Scale); policies name the parent's.
        let kind = self.projections.kind_of(&request.resource.group, &request.resource.resource);
        let key = kind.map(|kind| (kind.clone(), request.operation, request.subresource.clone()));
        key.and_then(|key| self.by_operation.get(&key)).map_or(&[], Vec::as_slice)
    }

    /// The exception that waives a policy for a request, if there is one.
    pub fn exception(
        &self,
        policy: &PolicyId,
        request: &Request,
        now: jiff::Timestamp,
    ) -> Option<&Exception> {
        self.exceptions.iter().find(|exception| exception.waives(policy, request, now))
    }

    /// The projection of a request's kind.
    pub fn projection(&self, request: &Request) -> Option<&Projection> {
        let kind = self.projections.kind_of(&request.resource.group, &request.resource.resource)?;
        self.projections.of(kind)
    }

    /// All projections and the table of engines.
    pub fn projections(&self) -> &Projections {
        &self.projections
    }

    /// An inventory that reads workloads as this policy set does, with nothing in it.
    pub fn inventory(&self) -> Inventory {
        Inventory::new(Arc::clone(&self.projections), self.self_classify())
    }

    /// May annotations lower the class of a workload?
    pub fn self_classify(&self) -> bool {
        self.profile.spec.self_classify
    }

    /// The same, with more time for each rule than a webhook has: [`Rego::allow`].
    #[must_use]
    pub fn allowing(mut self, limit: std::time::Duration) -> Self {
        self.rego.allow(limit);
        self
    }

    /// A place to evaluate rules in.
    pub fn session(&self) -> Session {
        self.rego.session()
    }

    /// SHA-256 over all texts, in hex: the same texts, the same verdicts.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The name of the profile; empty if there is none.
    pub fn profile(&self) -> &str {
        &self.profile.metadata.name
    }

    /// All policies, by category and id.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter().map(|loaded| &loaded.policy)
    }

    /// What the webhooks must be asked: kinds, operations and subresources that a bound policy judges.
    pub fn coverage(&self) -> BTreeSet<(GroupKind, Operation, String)> {
        self.coverage_of(|loaded| loaded.violation.is_some())
    }

    /// The same for the mutating webhook: what a policy may patch.
    pub fn mutation_coverage(&self) -> BTreeSet<(GroupKind, Operation, String)> {
        self.coverage_of(|loaded| {
            let patches = loaded.patch.is_some() && loaded.policy.patches == Patches::Admission;
            patches && loaded.bound.mutates(&self.bindings)
        })
    }

    fn coverage_of(
        &self,
        wanted: impl Fn(&CompiledPolicy) -> bool,
    ) -> BTreeSet<(GroupKind, Operation, String)> {
        self.by_operation
            .iter()
            .filter(|(_, indexes)| {
                let mut loaded = indexes.iter().filter_map(|index| self.policies.get(*index));
                loaded.any(|loaded| loaded.bound.anywhere(&self.bindings) && wanted(loaded))
            })
            .map(|(key, _)| key.clone())
            .collect()
    }
}

fn duplicates(policies: &[(Policy, &SourceText)]) -> Result<(), Diagnostics> {
    let mut seen: HashMap<&PolicyId, &Policy> = HashMap::new();
    none(policies.iter().filter_map(|(policy, text)| {
        let first = seen.insert(&policy.id, policy)?;
        let message = format!("the policy {} is already defined in {}", policy.id, first.source);
        Some(
            text.error(1, 0, message)
                .with_help("ids are unique across all categories: rename the folder and the package"),
        )
    }))
}

fn none(errors: impl Iterator<Item = Diagnostic>) -> Result<(), Diagnostics> {
    let errors: Vec<Diagnostic> = errors.collect();
    if errors.is_empty() { Ok(()) } else { Err(Diagnostics(errors)) }
}

fn load(
    policy: Policy,
    text: &SourceText,
    modules: &BTreeMap<String, Module>,
    bindings: &[Binding],
    profile: &Profile,
    projections: &Projections,
) -> Result<CompiledPolicy, Diagnostic> {
    let module = modules
        .get(&policy.package)
        .ok_or_else(|| text.error(1, 0, format!("the package {} was not loaded", policy.package)))?;
    let rule = |name: &str| {
        module.rules.iter().any(|rule| rule == name).then(|| format!("data.{}.{name}", policy.package))
    };
    let (violation, patch) = (rule("violation"), rule("patch"));
    if violation.is_none() && patch.is_none() {
        return Err(text
            .error(
                1,
                0,
                format!(
                    "the policy {} defines neither `violation` nor `patch`, so it can never fire",
                    policy.id
                ),
            )
            .with_help("write `violation contains v if { …; v := {\"msg\": …, \"path\": …} }`"));
    }
    if patch.is_none() && policy.patches == Patches::Fix {
        let message = format!("the policy {} says `patches: fix` and has no `patch` rule", policy.id);
        return Err(text.error(1, 0, message).with_help("write `patch contains p if { … }`, or take it out"));
    }
    needs::check(&policy, &module.reads, projections, text)?;
    let bound = PolicyBindings::new(&policy, bindings, profile, text)?;
    Ok(CompiledPolicy { violation, patch, reads: module.reads.clone(), bound, policy })
}

fn index(
    policies: &[CompiledPolicy],
    projections: &Projections,
) -> HashMap<(GroupKind, Operation, String), Vec<usize>> {
    let mut index: HashMap<_, Vec<usize>> = HashMap::new();
    for (position, loaded) in policies.iter().enumerate() {
        let matches = &loaded.policy.matches;
        let subresources: &[String] =
            if matches.subresources.is_empty() { &[String::new()] } else { &matches.subresources };
        for (kind, projection) in projections.iter() {
            if !matches.kinds.is_empty() && !matches.kinds.contains(kind) {
                continue;
            }
            for operation in &matches.operations {
                for subresource in subresources {
                    // Only what has replicas is scaled.
                    if subresource == "scale" && projection.replicas.is_none() {
                        continue;
                    }
                    index.entry((kind.clone(), *operation, subresource.clone())).or_default().push(position);
                }
            }
        }
    }
    index
}
