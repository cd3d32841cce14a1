//! Determines the effect of the bindings on each policy, and on one policy for one request.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::bindings::{self, BindingOrigin, BindingsFile, KnownPolicies};
use super::compiled::CompiledPolicy;
use super::documents::Standing;
use super::profile::Profile;
use super::sources::{ClusterDocument, Sources};
use crate::admission::UserInfo;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText, shorten};
use crate::engine::ParameterValues;
use crate::policy::binding::{Binding, BindingAction, OnFailure};
use crate::policy::exception::{Authority, Exception};
use crate::policy::parameters::Parameters;
use crate::policy::{Action, Policy, PolicyId, Severity};

/// The profile, bindings and exceptions of a policy set.
#[derive(Debug, Default)]
pub struct Bindings {
    pub profile: Profile,
    /// The strictest action of the profile's bindings.
    pub at_most: Option<Action>,
    pub bindings: Vec<Binding>,
    /// How many of them, the first ones, are the profile's.
    pub of_profile: usize,
    pub exceptions: Vec<Exception>,
    /// What is no error, but hardly meant.
    pub warnings: Vec<Diagnostic>,
    /// What became of the documents of a cluster, in the order of the sources.
    pub standings: Vec<Standing>,
    /// Positions in `exceptions` by policy and by the only namespace that they reach, if there is one: each policy is
    /// asked about on every review, and there may be thousands of exceptions, of which others' must cost nothing.
    waiving: HashMap<PolicyId, HashMap<String, Vec<usize>>>,
}

impl Bindings {
    /// Reads them; faults are added to `errors`.
    pub fn read(sources: &Sources, known: &KnownPolicies<'_>, errors: &mut Vec<Diagnostic>) -> Self {
        let shipped = match sources.partial_profile {
            true => BindingOrigin::PartialProfile,
            false => BindingOrigin::Profile,
        };
        let texts = sources.profile.iter().map(|text| (text, shipped));
        let mut all = Self { at_most: sources.at_most, ..Self::default() };
        for (text, origin) in texts.chain(sources.bindings.iter().map(|text| (text, BindingOrigin::User))) {
            match bindings::read(text, origin, known) {
                Ok(read) => drop(all.add(read, &origin_name(text, origin, sources))),
                Err(faults) => errors.extend(faults.0),
            }
            if origin != BindingOrigin::User {
                all.of_profile = all.bindings.len();
            }
        }
        for document in &sources.documents {
            let standing = all.add_document(document, known);
            all.standings.push(standing);
        }
        for (position, exception) in all.exceptions.iter().enumerate() {
            for policy in &exception.spec.policies {
                let reached = exception.only_namespace().to_owned();
                let of_policy = all.waiving.entry(policy.clone()).or_default();
                of_policy.entry(reached).or_default().push(position);
            }
        }
        all
    }

    fn add_document(&mut self, document: &ClusterDocument, known: &KnownPolicies<'_>) -> Standing {
        let origin = BindingOrigin::Cluster(document.exception.unwrap_or(Authority::OwnNamespace));
        match bindings::read(&document.text, origin, known) {
            Ok(read) => match self.add(read, OF_CLUSTER) {
                missing if missing.is_empty() => Standing::InForce,
                missing => Standing::InPart(Diagnostics(missing)),
            },
            Err(faults) => {
                let last_good = document.last_good.as_ref();
                match last_good.and_then(|text| bindings::read(text, origin, known).ok()) {
                    Some(read) => {
                        self.add(read, OF_CLUSTER);
                        Standing::LastGood(faults)
                    }
                    None => Standing::NotInForce(faults),
                }
            }
        }
    }

    /// Adds what was read, and returns what does not count of it.
    fn add(&mut self, read: BindingsFile, from: &str) -> Vec<Diagnostic> {
        let named = |binding: Binding| {
            let id = shorten(format!("{from}/{}", binding.id), LONGEST_ID);
            Binding { id: id.into(), ..binding }
        };
        self.bindings.extend(read.bindings.into_iter().map(named));
        self.exceptions.extend(read.exceptions);
        self.warnings.extend(read.warnings);
        self.profile = read.profile.unwrap_or(std::mem::take(&mut self.profile));
        read.not_counting
    }

    /// The positions of the exceptions that name a policy and may reach a namespace.
    pub fn exceptions_naming(&self, policy: &PolicyId, namespace: &str) -> impl Iterator<Item = usize> {
        let of_policy = self.waiving.get(policy);
        let reaching = move |namespace: &str| of_policy.and_then(|all| all.get(namespace));
        let there = reaching(namespace).filter(|_| !namespace.is_empty());
        reaching("").into_iter().chain(there).flatten().copied()
    }

    /// The bindings of each of these policies, in the same order.
    ///
    /// # Errors
    /// If a parameter has a value that the policy does not accept.
    pub fn of_policies(&self, policies: &[CompiledPolicy]) -> Result<Vec<PolicyBindings>, Diagnostics> {
        let bind = |compiled: &CompiledPolicy| PolicyBindings::new(&compiled.policy, self);
        policies.iter().map(bind).collect()
    }
}

/// Where the ids of bindings come from that a cluster stores: `kubectl get` takes the whole id.
const OF_CLUSTER: &str = "policybinding";
/// The longest id of a binding, in bytes: it is in every finding.
const LONGEST_ID: usize = 300;

/// The first part of the ids of a file's bindings: the name of the profile, or of the file, with its directory if
/// the name alone could be another one's.
fn origin_name(text: &SourceText, origin: BindingOrigin, sources: &Sources) -> String {
    let name = |text: &SourceText| text.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let profile = |text: &SourceText| name(text).trim_end_matches(".yaml").to_owned();
    let own = name(text);
    if origin != BindingOrigin::User {
        return profile(text);
    }
    let same = sources.bindings.iter().filter(|other| name(other) == own).count();
    let taken = own == OF_CLUSTER || sources.profile.as_ref().is_some_and(|text| profile(text) == own);
    match same > 1 || taken {
        true if *own == *text.name => format!("./{own}"),
        true => text.name.to_string(),
        false => own,
    }
}

/// The bindings that select one policy.
#[derive(Debug)]
pub struct PolicyBindings {
    /// What holds unless a binding says otherwise.
    own: Defaults,
    /// The strictest action of the profile's bindings.
    at_most: Option<Action>,
    /// Distinct parameter values: bindings with the same values share one evaluation.
    parameter_sets: Vec<ParameterValues>,
    /// The same values, which can be compared.
    values: Vec<Parameters>,
    /// Pairs of binding and parameter set, as indexes.
    pairs: Vec<(usize, usize)>,
}

/// What holds for a policy unless a binding says otherwise.
#[derive(Clone, Copy, Debug)]
struct Defaults {
    action: Action,
    on_failure: OnFailure,
    skippable: bool,
}

/// The effect on a policy of the bindings that apply to one request.
#[derive(Clone, Debug)]
pub struct Enforcement {
    /// The action on a violation.
    pub action: Action,
    /// The binding that decided the action: the first of those with the strictest one.
    pub binding: Arc<str>,
    /// What happens if the policy fails to decide.
    pub on_failure: OnFailure,
    /// Whether its patch applies.
    pub mutate: bool,
    /// Whether the object's own skip annotation counts.
    pub skippable: bool,
    /// Whether it is a violation if the policy cannot be evaluated because other objects are unknown.
    pub require_inventory: bool,
}

impl Enforcement {
    /// Restricts the policy to recording its findings: nothing is refused or patched.
    pub fn downgrade_to_audit(&mut self) {
        self.action = Action::Audit;
        self.on_failure = OnFailure::Warn;
        self.mutate = false;
    }

    /// The stricter of both in every respect.
    fn stricter(self, other: Self) -> Self {
        Self {
            binding: if other.action > self.action { other.binding } else { self.binding },
            action: self.action.max(other.action),
            on_failure: self.on_failure.max(other.on_failure),
            mutate: self.mutate || other.mutate,
            skippable: self.skippable && other.skippable,
            require_inventory: self.require_inventory || other.require_inventory,
        }
    }
}

impl PolicyBindings {
    fn new(policy: &Policy, all: &Bindings) -> Result<Self, Diagnostics> {
        let text = SourceText::new(&*policy.source, "");
        let left_out = all.profile.spec.without.contains(&policy.id);
        let selects = |binding: &Binding| {
            let chosen = &binding.spec.policies;
            chosen.selects(policy) && !(left_out && (binding.shipped || !chosen.ids.contains(&policy.id)))
        };
        let (mut distinct, mut pairs): (Vec<Parameters>, _) = (Vec::new(), Vec::new());
        for (position, binding) in all.bindings.iter().enumerate().filter(|(_, binding)| selects(binding)) {
            let values = parameters(policy, binding.spec.parameters.get(&policy.id), &text)?;
            let set = distinct.iter().position(|known| *known == values).unwrap_or_else(|| {
                distinct.push(values);
                distinct.len() - 1
            });
            pairs.push((position, set));
        }
        let parameter_sets = distinct
            .iter()
            .map(ParameterValues::new)
            .collect::<Result<_, _>>()
            .map_err(|error| text.error(0, 0, error.to_string()))?;
        let own = Defaults {
            action: policy.action,
            on_failure: match policy.severity {
                Severity::Critical => OnFailure::Deny,
                _ => OnFailure::Warn,
            },
            skippable: policy.severity < Severity::Critical,
        };
        Ok(Self { own, at_most: all.at_most, parameter_sets, values: distinct, pairs })
    }

    /// One enforcement for each distinct parameter set that applies; the strictest of its bindings counts.
    pub fn select(
        &self,
        bindings: &[Binding],
        applies: &[bool],
        user: &UserInfo,
    ) -> Vec<(&ParameterValues, Enforcement)> {
        self.of_sets(&self.parameter_sets, bindings, applies, user)
    }

    /// The same with values that can be shown.
    pub fn outcomes(
        &self,
        bindings: &[Binding],
        applies: &[bool],
        user: &UserInfo,
    ) -> Vec<(&Parameters, Enforcement)> {
        self.of_sets(&self.values, bindings, applies, user)
    }

    fn of_sets<'a, T>(
        &self,
        sets: &'a [T],
        bindings: &[Binding],
        applies: &[bool],
        user: &UserInfo,
    ) -> Vec<(&'a T, Enforcement)> {
        let applying = || {
            let pairs = self.pairs.iter().filter(|(binding, _)| applies.get(*binding) == Some(&true));
            pairs.filter_map(|(binding, set)| Some((bindings.get(*binding)?, *set)))
        };
        let overridden = applying().any(|(binding, _)| binding.spec.overrides);
        let of_set = |(set, parameters)| {
            let enforcement = applying()
                .filter(|(binding, of)| *of == set && !(overridden && binding.shipped))
                .filter_map(|(binding, _)| self.enforcement(binding, user))
                .reduce(Enforcement::stricter)?;
            Some((parameters, enforcement))
        };
        sets.iter().enumerate().filter_map(of_set).collect()
    }

    /// The bindings that select the policy, each with the values that it gives to the parameters.
    pub fn pairs<'a>(
        &'a self,
        bindings: &'a [Binding],
    ) -> impl Iterator<Item = (&'a Binding, &'a Parameters)> {
        let pair = |(binding, set): &(usize, usize)| Some((bindings.get(*binding)?, self.values.get(*set)?));
        self.pairs.iter().filter_map(pair)
    }

    /// What a binding says alone; none if it is off.
    pub fn enforcement(&self, binding: &Binding, user: &UserInfo) -> Option<Enforcement> {
        let (own, spec, milder) = (self.own, &binding.spec, self.is_milder(binding));
        let action = self.action(binding)?;
        let on_failure = spec.on_failure.unwrap_or(own.on_failure);
        let (action, on_failure) = match spec.matches.warns_only(user) || milder {
            true => (action.min(Action::Warn), OnFailure::Warn),
            false => (action, on_failure),
        };
        let skippable = spec.skippable.unwrap_or(own.skippable);
        let require_inventory = spec.require_inventory;
        let mutate = spec.mutate && !milder;
        let binding = Arc::clone(&binding.id);
        Some(Enforcement { action, binding, on_failure, mutate, skippable, require_inventory })
    }

    /// The action of a binding; none if it is off.
    fn action(&self, binding: &Binding) -> Option<Action> {
        let action = binding.spec.action.map_or(Some(self.own.action), BindingAction::action)?;
        let most = self.at_most.filter(|_| binding.shipped);
        Some(action.min(most.unwrap_or(action)))
    }

    /// Whether it is of the profile, and may not refuse.
    fn is_milder(&self, binding: &Binding) -> bool {
        binding.shipped && self.at_most.is_some_and(|most| most < Action::Deny)
    }

    /// The mildest action on a violation, for any request. Of bindings that apply together the strictest
    /// counts, but one that overrides counts alone where it matches.
    pub fn mildest(&self, bindings: &[Binding]) -> Option<Action> {
        let action = |binding: &Binding| self.action(binding);
        let of = |overrides: bool| self.bindings(bindings).filter(move |one| one.spec.overrides == overrides);
        let shared = of(false).map(action).max().flatten();
        of(true).map(action).fold(shared, Option::min)
    }

    /// The values of the bindings that share a request, and those of the bindings that override them.
    pub fn parameters(&self, bindings: &[Binding]) -> (Vec<&Parameters>, Vec<&Parameters>) {
        let of = |overrides: bool| {
            let pairs = self.pairs.iter().filter(move |(binding, _)| {
                bindings.get(*binding).is_some_and(|binding| {
                    binding.spec.overrides == overrides && binding.spec.action != Some(BindingAction::Off)
                })
            });
            pairs.filter_map(|(_, set)| self.values.get(*set)).collect()
        };
        (of(false), of(true))
    }

    /// Whether any binding enables the policy.
    pub fn is_enabled(&self, bindings: &[Binding]) -> bool {
        self.bindings(bindings).any(|binding| binding.spec.action != Some(BindingAction::Off))
    }

    /// Whether any binding refuses what it finds, or what it fails to judge.
    pub fn denies(&self, bindings: &[Binding]) -> bool {
        self.bindings(bindings).filter(|binding| !self.is_milder(binding)).any(|binding| {
            let on_failure = binding.spec.on_failure.unwrap_or(self.own.on_failure);
            self.action(binding).is_some_and(|action| action == Action::Deny || on_failure == OnFailure::Deny)
        })
    }

    /// Whether any binding applies its patch.
    pub fn mutates(&self, bindings: &[Binding]) -> bool {
        self.bindings(bindings).any(|binding| binding.spec.mutate && !self.is_milder(binding))
    }

    fn bindings<'a>(&'a self, all: &'a [Binding]) -> impl Iterator<Item = &'a Binding> {
        self.pairs.iter().filter_map(|(binding, _)| all.get(*binding))
    }
}

fn parameters(
    policy: &Policy,
    values: Option<&BTreeMap<String, serde_json::Value>>,
    text: &SourceText,
) -> Result<Parameters, Diagnostic> {
    policy
        .parameters
        .iter()
        .map(|(name, parameter)| {
            let value = values.and_then(|values| values.get(name)).unwrap_or(&parameter.default);
            let value = parameter
                .convert(value)
                .map_err(|error| text.error(0, 0, format!("parameter {name} {error}")))?;
            Ok((name.clone(), value))
        })
        .collect()
}
