//! Profiles and bindings: read, checked against the policies, and joined to them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::admission::User;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::engine::{Value, to_value};
use crate::policy::binding::{Binding, BindingAction, BindingSpec, OnFailure};
use crate::policy::parameters::Parameters;
use crate::policy::{Action, Policy, PolicyId, Severity};
use crate::reader;

/// apiVersion of our own documents.
pub const API_VERSION: &str = "stategate.io/v1alpha1";

/// What holds for a whole profile.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Profile {
    pub metadata: Name,
    #[serde(default)]
    pub spec: ProfileSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    pub name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ProfileSpec {
    /// Annotations of a workload may lower its class.
    pub self_classify: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Head<S> {
    api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Name,
    #[serde(default)]
    spec: S,
}

/// Reads a file of bindings.
///
/// # Errors
/// All documents that are no Profile or PolicyBinding, have unknown fields, or name policies or
/// parameters that do not exist.
pub fn read(text: &SourceText, policies: &[&Policy]) -> Result<(Profile, Vec<Binding>), Diagnostics> {
    let (mut profile, mut bindings, mut errors) = (Profile::default(), Vec::new(), Vec::new());
    for document in reader::documents(text)? {
        let place = document.positions.place(&[]);
        match document.value.get("kind").and_then(|kind| kind.as_str()) {
            Some("Profile") => match reader::typed::<Head<ProfileSpec>>(text, &document) {
                Ok(head) => {
                    errors.extend(version(text, place.line, &head.api_version));
                    profile = Profile { metadata: head.metadata, spec: head.spec };
                }
                Err(error) => errors.push(error),
            },
            Some("PolicyBinding") => match reader::typed::<Head<BindingSpec>>(text, &document) {
                Ok(head) => {
                    errors.extend(version(text, place.line, &head.api_version));
                    let binding = Binding { name: head.metadata.name, spec: head.spec };
                    errors.extend(unknown_names(text, place.line, &binding, policies));
                    bindings.push(binding);
                }
                Err(error) => errors.push(error),
            },
            kind => errors.push(text.error(
                place.line,
                0,
                format!("kind {} is neither Profile nor PolicyBinding", kind.unwrap_or("(none)")),
            )),
        }
    }
    if errors.is_empty() { Ok((profile, bindings)) } else { Err(Diagnostics(errors)) }
}

fn version(text: &SourceText, line: usize, version: &str) -> Option<Diagnostic> {
    (version != API_VERSION)
        .then(|| text.error(line, 0, format!("apiVersion is {version:?}; write {API_VERSION}")))
}

fn unknown_names(text: &SourceText, line: usize, binding: &Binding, policies: &[&Policy]) -> Vec<Diagnostic> {
    let spec = &binding.spec;
    let find = |id: &PolicyId| policies.iter().find(|policy| policy.id == *id);
    let ids: BTreeSet<&PolicyId> =
        spec.policies.ids.iter().chain(&spec.policies.exclude).chain(spec.parameters.keys()).collect();
    let mut errors: Vec<Diagnostic> = ids
        .into_iter()
        .filter(|id| find(id).is_none())
        .map(|id| {
            text.error(
                line,
                0,
                format!("binding {} names the policy {id}, which does not exist", binding.name),
            )
        })
        .collect();
    for (id, values) in &spec.parameters {
        let Some(policy) = find(id) else { continue };
        for (name, value) in values {
            let fault = match policy.parameters.get(name) {
                None => Some("does not exist".to_owned()),
                Some(parameter) => parameter.convert(value).err().map(|error| error.to_string()),
            };
            errors.extend(fault.map(|fault| {
                text.error(line, 0, format!("binding {}: parameter {name} of {id} {fault}", binding.name))
            }));
        }
    }
    errors
}

/// The bindings that mean one policy.
#[derive(Debug)]
pub struct Bound {
    own_action: Action,
    own_on_failure: OnFailure,
    /// Distinct parameter values: bindings that tell a policy the same share one evaluation.
    parameter_sets: Vec<Value>,
    /// Binding and parameter set, by position.
    pairs: Vec<(usize, usize)>,
}

/// What the bindings that apply to one request make of a policy.
pub struct Chosen<'a> {
    pub parameters: &'a Value,
    pub action: Action,
    pub on_failure: OnFailure,
    pub mutate: bool,
}

impl Bound {
    pub fn new(policy: &Policy, bindings: &[Binding], text: &SourceText) -> Result<Self, Diagnostic> {
        let (mut distinct, mut pairs): (Vec<Parameters>, _) = (Vec::new(), Vec::new());
        for (position, binding) in bindings.iter().enumerate() {
            if !binding.spec.policies.selects(policy) {
                continue;
            }
            let values = parameters(policy, binding.spec.parameters.get(&policy.id), text)?;
            let set = distinct.iter().position(|known| *known == values).unwrap_or_else(|| {
                distinct.push(values);
                distinct.len() - 1
            });
            pairs.push((position, set));
        }
        let parameter_sets = distinct
            .iter()
            .map(to_value)
            .collect::<Result<_, _>>()
            .map_err(|error| text.error(0, 0, error.to_string()))?;
        let own_on_failure = match policy.severity {
            Severity::Critical => OnFailure::Deny,
            _ => OnFailure::Warn,
        };
        Ok(Self { own_action: policy.action, own_on_failure, parameter_sets, pairs })
    }

    /// One choice for each distinct parameter set that applies; the strictest action wins.
    pub fn select<'a>(
        &'a self,
        bindings: &[Binding],
        applies: &[bool],
        user: &User,
    ) -> impl Iterator<Item = Chosen<'a>> {
        self.parameter_sets.iter().enumerate().filter_map(move |(set, parameters)| {
            self.pairs
                .iter()
                .filter(|(binding, of)| *of == set && applies.get(*binding) == Some(&true))
                .filter_map(|(binding, _)| bindings.get(*binding))
                .filter_map(|binding| self.choose(parameters, &binding.spec, user))
                .reduce(|a, b| Chosen {
                    parameters,
                    action: a.action.max(b.action),
                    on_failure: a.on_failure.max(b.on_failure),
                    mutate: a.mutate || b.mutate,
                })
        })
    }

    fn choose<'a>(&self, parameters: &'a Value, spec: &BindingSpec, user: &User) -> Option<Chosen<'a>> {
        let action = spec.action.map_or(Some(self.own_action), BindingAction::action)?;
        let action = if spec.matches.warns_only(user) { action.min(Action::Warn) } else { action };
        let on_failure = spec.on_failure.unwrap_or(self.own_on_failure);
        Some(Chosen { parameters, action, on_failure, mutate: spec.mutate })
    }

    /// Is the policy bound to anything at all?
    pub fn anywhere(&self, bindings: &[Binding]) -> bool {
        self.specs(bindings).any(|spec| spec.action != Some(BindingAction::Off))
    }

    /// Does any binding apply its patch?
    pub fn mutates(&self, bindings: &[Binding]) -> bool {
        self.specs(bindings).any(|spec| spec.mutate)
    }

    fn specs<'a>(&'a self, bindings: &'a [Binding]) -> impl Iterator<Item = &'a BindingSpec> {
        self.pairs.iter().filter_map(|(binding, _)| bindings.get(*binding)).map(|binding| &binding.spec)
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
