//! Policies, checked and compiled, independent of bindings: the cost of loading Rego is paid here, once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::requirements;
use super::sources::Sources;
use crate::admission::{GroupKind, ReviewScope};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::engine::{InputParts, Module, Reads, Rego, RuleId};
use crate::policy::{Patches, Policy, PolicyId, metadata, package_path};
use crate::workload::projection::Projections;

/// A policy, its compiled rules and the input that it reads.
#[derive(Debug)]
pub struct CompiledPolicy {
    pub policy: Policy,
    /// The rule that finds violations.
    pub violation: Option<RuleId>,
    /// The rule that patches.
    pub patch: Option<RuleId>,
    /// What it reads of the input document.
    pub reads: Reads,
    /// The parts that are built for it.
    pub parts: InputParts,
}

/// All policies of a set, indexed by scope.
pub struct CompiledPolicies {
    pub policies: Vec<CompiledPolicy>,
    /// Positions in `policies`.
    pub by_scope: HashMap<ReviewScope, Vec<usize>>,
    pub projections: Arc<Projections>,
    pub rego: Rego,
    /// What is no error, but hardly meant.
    pub warnings: Vec<Diagnostic>,
    /// Digest of the sources that it was compiled from.
    pub digest: String,
}

/// Policies whose METADATA could be read, each with its source.
pub struct Readable<'a> {
    pub policies: Vec<(Policy, &'a SourceText)>,
    /// Whether all of them could be read.
    pub complete: bool,
    /// Kinds that no projection reads.
    warnings: Vec<Diagnostic>,
}

impl<'a> Readable<'a> {
    /// Reads the METADATA of all policies; faults are added to `errors`.
    pub fn read(sources: &'a Sources, projections: &Projections, errors: &mut Vec<Diagnostic>) -> Self {
        let (mut policies, mut warnings) = (Vec::new(), Vec::new());
        for text in all(sources) {
            match metadata::read(text, Some(projections)) {
                Ok(policy) => {
                    warnings.extend(unread(&policy, projections, text));
                    policies.push((policy, text));
                }
                Err(faults) => errors.extend(faults.0),
            }
        }
        errors.extend(sources.module_paths.iter().filter_map(|(text, path)| package_path::check(text, path)));
        errors.extend(duplicates(&policies));
        Self { complete: policies.len() == all(sources).count(), policies, warnings }
    }
}

impl CompiledPolicies {
    /// Checks and compiles; `digest` is that of the policies. `before` is called with each Rego source before it is
    /// parsed.
    ///
    /// # Errors
    /// All errors that can be found in one pass.
    pub fn compile(
        sources: &Sources,
        readable: Readable<'_>,
        projections: Projections,
        digest: &str,
        before: &dyn Fn(&SourceText),
    ) -> Result<Self, Diagnostics> {
        let mut errors = Vec::new();
        let texts: Vec<SourceText> =
            all(sources).chain(&sources.libraries).chain(&sources.tests).cloned().collect();
        let known: Vec<&Policy> = readable.policies.iter().map(|(policy, _)| policy).collect();
        let loaded = match sources.are_checked() {
            true => Rego::load_checked(&texts, sources.compiled),
            false => Rego::load_policies(&texts, &known, before),
        };
        let mut rego = match loaded {
            Ok(rego) => rego,
            Err(faults) => {
                errors.extend(faults.0);
                return Err(Diagnostics(errors));
            }
        };
        let modules: BTreeMap<&str, &Module> =
            rego.modules().iter().map(|module| (module.package.as_str(), module)).collect();
        let mut policies = Vec::new();
        let mut entry_point = None;
        for (policy, text) in readable.policies {
            match compiled(policy, text, &modules, &projections) {
                Ok(policy) => {
                    let rule = policy.violation.as_ref().or(policy.patch.as_ref());
                    entry_point = entry_point.or_else(|| rule.cloned().map(|rule| (rule, text)));
                    policies.push(policy);
                }
                Err(error) => errors.push(error),
            }
        }
        if let Some((rule, text)) = entry_point {
            errors.extend(rego.prepare(&rule, text).err().into_iter().flat_map(|faults| faults.0));
        }
        if !errors.is_empty() {
            return Err(Diagnostics(errors));
        }
        Ok(Self {
            by_scope: index(&policies, &projections),
            policies,
            projections: Arc::new(projections),
            rego,
            warnings: readable.warnings,
            digest: digest.to_owned(),
        })
    }
}

/// All policies; those of files come first, so that an id is taken by these.
fn all(sources: &Sources) -> impl Iterator<Item = &SourceText> {
    sources.policies.iter().chain(&sources.cluster_policies)
}

/// Warns of kinds that the policy names and no projection reads: it is never evaluated on them.
fn unread(policy: &Policy, projections: &Projections, text: &SourceText) -> Vec<Diagnostic> {
    let unread = policy.matches.kinds.iter().filter(|kind| projections.of(kind).is_none());
    let warning = |kind: &GroupKind| {
        let name = kind.to_string();
        let line = text.text.lines().position(|line| line.contains(&name)).map_or(1, |line| line + 1);
        text.error(line, 0, format!("no projection reads {name}, so {} is never evaluated on it", policy.id))
            .with_help("add workloads/<kind>.yaml beside the policies, or correct its group")
    };
    unread.map(warning).collect()
}

fn duplicates(policies: &[(Policy, &SourceText)]) -> Vec<Diagnostic> {
    let mut seen: HashMap<&PolicyId, &Policy> = HashMap::new();
    let again = policies.iter().filter_map(|(policy, text)| {
        let first = seen.insert(&policy.id, policy)?;
        let message = format!("the policy {} is already defined in {}", policy.id, first.source);
        Some(
            text.error(1, 0, message)
                .with_help("ids are unique across all categories: rename the folder and the package"),
        )
    });
    again.collect()
}

fn compiled(
    policy: Policy,
    text: &SourceText,
    modules: &BTreeMap<&str, &Module>,
    projections: &Projections,
) -> Result<CompiledPolicy, Diagnostic> {
    let module = modules
        .get(policy.package.as_str())
        .ok_or_else(|| text.error(1, 0, format!("the package {} was not loaded", policy.package)))?;
    let (violation, patch) = (module.rule("violation"), module.rule("patch"));
    if violation.is_none() && patch.is_none() {
        let message =
            format!("the policy {} defines neither `violation` nor `patch`, so it can never fire", policy.id);
        return Err(text
            .error(1, 0, message)
            .with_help("write `violation contains v if { …; v := {\"msg\": …, \"path\": …} }`"));
    }
    if patch.is_none() && policy.patches == Patches::Fix {
        let message = format!("the policy {} says `patches: fix` and has no `patch` rule", policy.id);
        return Err(text.error(1, 0, message).with_help("write `patch contains p if { … }`, or take it out"));
    }
    requirements::check(&policy, &module.reads, projections, text)?;
    Ok(CompiledPolicy {
        violation,
        patch,
        parts: InputParts::of(&module.reads),
        reads: module.reads.clone(),
        policy,
    })
}

fn index(policies: &[CompiledPolicy], projections: &Projections) -> HashMap<ReviewScope, Vec<usize>> {
    let mut index: HashMap<_, Vec<usize>> = HashMap::new();
    for (position, compiled) in policies.iter().enumerate() {
        let matches = &compiled.policy.matches;
        let subresources: &[String] =
            if matches.subresources.is_empty() { &[String::new()] } else { &matches.subresources };
        for (kind, projection) in projections.iter() {
            if !matches.kinds.is_empty() && !matches.kinds.contains(kind) {
                continue;
            }
            for operation in &matches.operations {
                for subresource in subresources {
                    // Only kinds with replicas can be scaled.
                    if subresource == "scale" && projection.replicas.is_none() {
                        continue;
                    }
                    let (kind, subresource) = (kind.clone(), subresource.clone());
                    let scope = ReviewScope { kind, operation: *operation, subresource };
                    index.entry(scope).or_default().push(position);
                }
            }
        }
    }
    index
}
