//! Reads profiles, bindings and exceptions, and checks them against the policies that they name.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::diagnostic::{Diagnostic, Diagnostics, SourceText, did_you_mean};
use crate::path::{Path, Segment};
use crate::policy::binding::{Binding, BindingSpec};
use crate::policy::exception::{Exception, ExceptionSpec};
use crate::policy::skip::REASON_LENGTH;
use crate::policy::{Policy, PolicyId};
use crate::reader;
use crate::yaml::Document;

/// apiVersion of stategate's own documents.
pub const API_VERSION: &str = "stategate.io/v1alpha1";

/// Settings for a whole profile.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Profile {
    pub metadata: Name,
    #[serde(default)]
    pub spec: ProfileSpec,
}

/// `metadata` of our own documents.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// The name that reports show.
    pub name: String,
    /// The only namespace that a PolicyException applies to; without it every namespace.
    #[serde(default)]
    pub namespace: String,
}

/// `spec` of a Profile.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ProfileSpec {
    /// Whether the annotations by which a workload classifies itself (`stateful`, `data-durability`, `engine`,
    /// `data-paths`, `quorum`) are believed. If not, they only add findings.
    pub self_classify: bool,
    /// Policies that the profile's bindings exclude, whatever they select; a user's binding includes them
    /// only if it names them.
    pub without: Vec<PolicyId>,
    /// Users that run the built-in controllers, beside the service accounts that
    /// kube-controller-manager gives them (`*` and `?` allowed). Without
    /// `--use-service-account-credentials`, all of them are `system:kube-controller-manager`.
    pub controller_users: Vec<String>,
    /// Operators whose objects are only recorded, because a person changes their custom resources instead.
    pub operators: Vec<Operator>,
}

/// An operator that a profile trusts to make objects.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// API groups of its custom resources, which own the objects.
    pub groups: Vec<String>,
    /// The users that it runs as, usually one service account (`*` and `?` allowed).
    pub users: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Head<S> {
    /// The version of the document's shape.
    #[schemars(extend("const" = API_VERSION))]
    api_version: String,
    /// What the document is.
    #[serde(rename = "kind")]
    _kind: String,
    /// Its name.
    metadata: Name,
    /// Its content.
    spec: S,
}

/// The contents of a file of bindings.
#[derive(Debug, Default)]
pub struct BindingsFile {
    pub profile: Option<Profile>,
    pub bindings: Vec<Binding>,
    pub exceptions: Vec<Exception>,
}

/// The origin of a file of bindings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BindingOrigin {
    /// A profile.
    Profile,
    /// A profile, without some of the policies that it was written for.
    PartialProfile,
    /// A user's own bindings.
    User,
}

/// The policies that bindings may name.
pub struct KnownPolicies<'a> {
    pub policies: Vec<&'a Policy>,
    /// False if some could not be read: then an unknown name may be one of them.
    pub complete: bool,
}

/// Reads a file of bindings: a shipped profile or a user's own.
///
/// # Errors
/// All documents that are not stategate's, have unknown fields, or name unknown policies or parameters.
pub fn read(
    text: &SourceText,
    origin: BindingOrigin,
    known: &KnownPolicies<'_>,
) -> Result<BindingsFile, Diagnostics> {
    let shipped = origin != BindingOrigin::User;
    let (mut read, mut errors) = (BindingsFile::default(), Vec::new());
    for document in reader::documents(text)? {
        let line = document.positions.place(&[]).line;
        match document.value.get("kind").and_then(|kind| kind.as_str()) {
            Some("Profile") if shipped => match reader::typed::<Head<ProfileSpec>>(text, &document) {
                Ok(head) => {
                    errors.extend(version(text, line, &head.api_version));
                    if origin != BindingOrigin::PartialProfile {
                        let ids = &head.spec.without;
                        errors.extend(unknown_ids(text, &document, &["spec", "without"], ids, known));
                    }
                    read.profile = Some(Profile { metadata: head.metadata, spec: head.spec });
                }
                Err(faults) => errors.extend(faults.0),
            },
            Some("PolicyBinding") => match reader::typed::<Head<BindingSpec>>(text, &document) {
                Ok(head) => {
                    errors.extend(version(text, line, &head.api_version));
                    let binding = Binding { name: head.metadata.name, shipped, spec: head.spec };
                    if origin != BindingOrigin::PartialProfile {
                        errors.extend(unknown_policies(text, &document, &binding, known));
                    }
                    errors.extend(unknown_parameters(text, &document, &binding, known));
                    read.bindings.push(binding);
                }
                Err(faults) => errors.extend(faults.0),
            },
            Some("PolicyException") => match reader::typed::<Head<ExceptionSpec>>(text, &document) {
                Ok(head) => {
                    errors.extend(version(text, line, &head.api_version));
                    let Name { name, namespace } = head.metadata;
                    let exception = Exception { name, namespace, spec: head.spec };
                    errors.extend(exception_faults(text, &document, &exception, known));
                    read.exceptions.push(exception);
                }
                Err(faults) => errors.extend(faults.0),
            },
            kind => errors.push(
                text.error(line, 0, format!("kind {} is none of ours", kind.unwrap_or("(none)")))
                    .with_help("write PolicyBinding or PolicyException"),
            ),
        }
    }
    if errors.is_empty() { Ok(read) } else { Err(Diagnostics(errors)) }
}

fn version(text: &SourceText, line: usize, version: &str) -> Option<Diagnostic> {
    (version != API_VERSION)
        .then(|| text.error(line, 0, format!("apiVersion is {version:?}; write {API_VERSION}")))
}

/// The path of what lies below fixed keys.
fn below<const N: usize>(keys: &[&'static str], rest: [Segment; N]) -> Path {
    keys.iter().map(|key| Segment::from(*key)).chain(rest).collect()
}

/// An error at a path in a document.
fn fault(text: &SourceText, document: &Document, path: &[Segment], message: String) -> Diagnostic {
    let place = document.positions.place(path);
    text.error(place.line, place.column, message)
}

fn unknown_policy(
    text: &SourceText,
    document: &Document,
    path: &[Segment],
    id: &PolicyId,
    known: &KnownPolicies<'_>,
) -> Option<Diagnostic> {
    if !known.complete || known.policies.iter().any(|policy| policy.id == *id) {
        return None;
    }
    let mut error = fault(text, document, path, format!("there is no policy {id}"));
    error.help = did_you_mean(id.as_str(), known.policies.iter().map(|policy| policy.id.as_str()));
    Some(error)
}

/// Checks a list of ids at these keys.
fn unknown_ids(
    text: &SourceText,
    document: &Document,
    keys: &[&'static str],
    ids: &[PolicyId],
    known: &KnownPolicies<'_>,
) -> Vec<Diagnostic> {
    let unknown =
        |(index, id): (usize, _)| unknown_policy(text, document, &below(keys, [index.into()]), id, known);
    ids.iter().enumerate().filter_map(unknown).collect()
}

fn unknown_policies(
    text: &SourceText,
    document: &Document,
    binding: &Binding,
    known: &KnownPolicies<'_>,
) -> Vec<Diagnostic> {
    let spec = &binding.spec;
    let mut errors = Vec::new();
    for (key, ids) in [("ids", &spec.policies.ids), ("exclude", &spec.policies.exclude)] {
        errors.extend(unknown_ids(text, document, &["spec", "policies", key], ids, known));
    }
    for (key, categories) in
        [("categories", &spec.policies.categories), ("excludeCategories", &spec.policies.exclude_categories)]
    {
        for (index, name) in categories.iter().enumerate() {
            let mut categories = known.policies.iter().map(|policy| &*policy.category);
            if known.complete && !categories.any(|category| category == name) {
                let at = below(&["spec", "policies", key], [index.into()]);
                let mut error = fault(text, document, &at, format!("there is no category {name}"));
                error.help = did_you_mean(name, known.policies.iter().map(|policy| &*policy.category));
                errors.push(error);
            }
        }
    }
    for id in spec.parameters.keys() {
        let at = below(&["spec", "parameters"], [id.to_string().into()]);
        errors.extend(unknown_policy(text, document, &at, id, known));
    }
    errors
}

/// Checks only policies that exist.
fn unknown_parameters(
    text: &SourceText,
    document: &Document,
    binding: &Binding,
    known: &KnownPolicies<'_>,
) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for (id, values) in &binding.spec.parameters {
        let Some(policy) = known.policies.iter().find(|policy| policy.id == *id) else { continue };
        for (name, value) in values {
            let at = below(&["spec", "parameters"], [id.to_string().into(), name.clone().into()]);
            match policy.parameters.get(name) {
                None => {
                    let mut error = fault(text, document, &at, format!("{id} has no parameter {name}"));
                    error.help = did_you_mean(name, policy.parameters.keys().map(String::as_str));
                    errors.push(error);
                }
                Some(parameter) => errors.extend(
                    parameter
                        .convert(value)
                        .err()
                        .map(|error| fault(text, document, &at, format!("parameter {name} of {id} {error}"))),
                ),
            }
        }
    }
    errors
}

fn exception_faults(
    text: &SourceText,
    document: &Document,
    exception: &Exception,
    known: &KnownPolicies<'_>,
) -> Vec<Diagnostic> {
    let spec = &exception.spec;
    let mut errors = unknown_ids(text, document, &["spec", "policies"], &spec.policies, known);
    if spec.policies.is_empty() {
        let at = [Segment::from("spec"), Segment::from("policies")];
        errors.push(fault(text, document, &at, format!("exception {} waives no policy", exception.name)));
    }
    if spec.reason.trim().chars().count() < REASON_LENGTH {
        let at = [Segment::from("spec"), Segment::from("reason")];
        let message =
            format!("exception {} gives no reason of {REASON_LENGTH} characters or more", exception.name);
        errors.push(fault(text, document, &at, message));
    }
    errors
}
