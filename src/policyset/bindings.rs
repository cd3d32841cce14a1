//! Reads profiles, bindings and exceptions, and checks them against the policies that they name.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::exceptions::{exception_faults, not_permitted};
use super::profile::{Profile, ProfileSpec};
use super::written::{items, remove_server_fields};
use crate::admission::GroupKind;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText, did_you_mean};
use crate::path::{self, Path, Segment};
use crate::policy::binding::{Binding, BindingSpec, namespace_fault};
use crate::policy::exception::{Authority, Exception, ExceptionSpec};
use crate::policy::{Policy, PolicyId, kinds};
use crate::reader;
use crate::workload::projection::Projections;
use crate::yaml::Document;

/// apiVersion of stategate's own documents.
pub const API_VERSION: &str = "stategate.io/v1alpha1";

/// `metadata` of our own documents.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Name {
    /// The name that reports show.
    pub name: String,
    /// The only namespace that a PolicyException applies to; without it every namespace.
    #[serde(default)]
    pub namespace: String,
    /// Labels, for people and tools.
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, String>,
    /// Annotations, for people and tools.
    #[serde(default, rename = "annotations")]
    _annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Head<S> {
    /// The version of the document's shape.
    #[schemars(extend("const" = API_VERSION))]
    pub(super) api_version: String,
    /// What the document is.
    #[serde(rename = "kind")]
    _kind: String,
    /// Its name.
    pub(super) metadata: Name,
    /// Its content.
    pub(super) spec: S,
}

/// The contents of a file of bindings.
#[derive(Debug, Default)]
pub struct BindingsFile {
    pub profile: Option<Profile>,
    pub bindings: Vec<Binding>,
    pub exceptions: Vec<Exception>,
    /// Kinds that no projection reads.
    pub warnings: Vec<Diagnostic>,
    /// What does not count of a document of a cluster, while the rest of it does.
    pub not_counting: Vec<Diagnostic>,
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
    /// A PolicyBinding or PolicyException that a cluster stores, the latter with what it may waive. The policies
    /// that it names may come later.
    Cluster(Authority),
}

/// The policies that bindings may name.
pub struct KnownPolicies<'a> {
    pub policies: Vec<&'a Policy>,
    /// False if some could not be read: then an unknown name may be one of them.
    pub complete: bool,
    /// Which kinds there are.
    pub projections: &'a Projections,
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
    let mut reader = FileReader { text, origin, known, read: BindingsFile::default(), errors: Vec::new() };
    match origin {
        // What people see of an object is its fields; it has no lines.
        BindingOrigin::Cluster(_) => {
            if text.text.len() > LARGEST {
                let message = format!("it is larger than {} KiB", LARGEST >> 10);
                return Err(text.error(0, 0, message).into());
            }
            let value =
                serde_json::from_str(&text.text).map_err(|error| text.error(0, 0, error.to_string()))?;
            reader.document(Document::without_positions(value));
        }
        _ => reader::documents(text)?.into_iter().flat_map(items).for_each(|one| reader.document(one)),
    }
    if reader.errors.is_empty() { Ok(reader.read) } else { Err(Diagnostics(reader.errors)) }
}

/// The largest PolicyBinding or PolicyException of a cluster, in bytes.
const LARGEST: usize = 256 << 10;
/// Unknown names that are reported of one list: nobody reads more, and each is compared with all names there are.
const MOST_UNKNOWN: usize = 10;

/// What was read of a file so far.
struct FileReader<'a> {
    text: &'a SourceText,
    origin: BindingOrigin,
    known: &'a KnownPolicies<'a>,
    read: BindingsFile,
    errors: Vec<Diagnostic>,
}

impl FileReader<'_> {
    fn document(&mut self, mut document: Document) {
        remove_server_fields(&mut document.value);
        let document = &document;
        match document.value.get("kind").and_then(|kind| kind.as_str()) {
            Some("Profile") if self.is_shipped() => self.profile(document),
            Some("PolicyBinding") => self.binding(document),
            Some("PolicyException") => self.exception(document),
            // Loaded before the bindings, which may name it.
            Some("Policy") if self.origin == BindingOrigin::User => {}
            kind => {
                let line = document.positions.place(&[]).line;
                let message = format!("stategate has no kind {}", kind.unwrap_or("(none)"));
                self.errors.push(
                    self.text
                        .error(line, 0, message)
                        .with_help("write PolicyBinding, PolicyException or Policy"),
                );
            }
        }
    }

    fn is_shipped(&self) -> bool {
        matches!(self.origin, BindingOrigin::Profile | BindingOrigin::PartialProfile)
    }

    /// Names of policies and categories that there are not.
    fn unknown(&mut self, unknown: Vec<Diagnostic>) {
        match self.origin {
            BindingOrigin::Profile | BindingOrigin::User => self.errors.extend(unknown),
            BindingOrigin::PartialProfile => {}
            BindingOrigin::Cluster(_) => self.read.not_counting.extend(unknown),
        }
    }

    /// A document of one kind; None if it cannot be read.
    fn head<S: DeserializeOwned>(&mut self, document: &Document) -> Option<(Name, S)> {
        match reader::typed::<Head<S>>(self.text, document) {
            Ok(head) => {
                let line = document.positions.place(&[]).line;
                self.errors.extend(version(self.text, line, &head.api_version));
                Some((head.metadata, head.spec))
            }
            Err(faults) => {
                self.errors.extend(faults.0);
                None
            }
        }
    }

    fn profile(&mut self, document: &Document) {
        let Some((metadata, spec)) = self.head::<ProfileSpec>(document) else { return };
        let (text, known) = (self.text, self.known);
        self.errors.extend(not_namespaced(text, document, &metadata, ""));
        self.errors.extend(another_profile(text, document, &metadata.name));
        self.unknown(unknown_ids(text, document, &["spec", "without"], &spec.without, known));
        self.read.profile = Some(Profile { metadata, spec });
    }

    fn binding(&mut self, document: &Document) {
        let Some((metadata, spec)) = self.head::<BindingSpec>(document) else { return };
        let (text, known) = (self.text, self.known);
        let elsewhere = "; write match: {namespaces: [NAME]} for where it applies";
        self.errors.extend(not_namespaced(text, document, &metadata, elsewhere));
        let binding = Binding {
            id: metadata.name.into(),
            source: Arc::clone(&self.text.name),
            line: line_of_name(document),
            shipped: self.is_shipped(),
            spec,
        };
        self.unknown(unknown_policies(text, document, &binding, known));
        self.errors.extend(unknown_parameters(text, document, &binding, known));
        self.errors.extend(empty_match(text, document, &binding));
        self.errors.extend(impossible_namespaces(text, document, &binding));
        self.kinds(document, binding.spec.matches.kinds.as_deref().unwrap_or_default());
        self.read.bindings.push(binding);
    }

    fn exception(&mut self, document: &Document) {
        let Some((Name { name, namespace, .. }, spec)) = self.head::<ExceptionSpec>(document) else { return };
        let line = line_of_name(document);
        let authority = match self.origin {
            BindingOrigin::Cluster(authority) => authority,
            _ => Authority::File,
        };
        let source = Arc::clone(&self.text.name);
        let exception = Exception { name, namespace, authority, spec, source, line };
        let (text, known) = (self.text, self.known);
        self.unknown(unknown_ids(text, document, &["spec", "policies"], &exception.spec.policies, known));
        self.read.not_counting.extend(not_permitted(text, document, &exception, known));
        self.errors.extend(exception_faults(text, document, &exception));
        self.kinds(document, &exception.spec.matches.kinds);
        self.read.exceptions.push(exception);
    }

    /// Checks `spec.match.kinds`. A custom resource that no projection reads is only warned of.
    fn kinds(&mut self, document: &Document, written: &[GroupKind]) {
        let projections = self.known.projections;
        for (index, kind) in written.iter().enumerate() {
            let at = below(&["spec", "match", "kinds"], [index.into()]);
            match kinds::check(kind, projections) {
                Err(kinds::UnknownKind { message, help }) => {
                    self.errors.push(fault(self.text, document, &at, message).with_help(help));
                }
                Ok(()) if projections.of(kind).is_none() => {
                    let message = format!("no projection reads {kind}, so no policy is evaluated on it");
                    self.read.warnings.push(fault(self.text, document, &at, message));
                }
                Ok(()) => {}
            }
        }
    }
}

pub(super) fn version(text: &SourceText, line: usize, version: &str) -> Option<Diagnostic> {
    (version != API_VERSION)
        .then(|| text.error(line, 0, format!("apiVersion is {version:?}; write {API_VERSION}")))
}

/// A namespace that would be ignored.
fn not_namespaced(
    text: &SourceText,
    document: &Document,
    metadata: &Name,
    elsewhere: &str,
) -> Option<Diagnostic> {
    let at = below(&["metadata"], ["namespace".into()]);
    (!metadata.namespace.is_empty()).then(|| {
        fault(text, document, &at, "metadata.namespace has no effect here".to_owned())
            .with_help(format!("take it out{elsewhere}"))
    })
}

/// A profile in a file of another name: reports would name a profile that was not asked for.
fn another_profile(text: &SourceText, document: &Document, name: &str) -> Option<Diagnostic> {
    let file = text.name.rsplit(['/', '\\']).next()?.strip_suffix(".yaml")?;
    let at = below(&["metadata"], ["name".into()]);
    (file != name).then(|| {
        fault(text, document, &at, format!("the profile in {file}.yaml is named {name:?}"))
            .with_help(format!("write {file}: a profile has the name of its file"))
    })
}

/// Names of namespaces that no namespace can have.
fn impossible_namespaces(text: &SourceText, document: &Document, binding: &Binding) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for (key, patterns, wildcards) in binding.spec.matches.namespace_lists() {
        for (index, pattern) in patterns.iter().enumerate() {
            let at = below(&["spec", "match", key], [index.into()]);
            let message = namespace_fault(pattern, wildcards);
            errors.extend(message.map(|message| fault(text, document, &at, message)));
        }
    }
    errors
}

/// Empty lists that would match nothing.
fn empty_match(text: &SourceText, document: &Document, binding: &Binding) -> Vec<Diagnostic> {
    let matches = &binding.spec.matches;
    let lists = [
        ("namespaces", matches.namespaces.as_ref().map(Vec::len)),
        ("kinds", matches.kinds.as_ref().map(Vec::len)),
    ];
    let empty = lists.into_iter().filter(|(_, length)| *length == Some(0));
    let error = |(key, _): (&str, _)| {
        let at = below(&["spec", "match"], [key.to_owned().into()]);
        let message = format!("spec.match.{key} is empty, so the binding would match nothing");
        fault(text, document, &at, message).with_help("name at least one, or take the key out")
    };
    empty.map(error).collect()
}

fn line_of_name(document: &Document) -> usize {
    document.positions.place(&below(&["metadata"], ["name".into()])).line
}

/// The path of what lies below fixed keys.
pub(super) fn below<const N: usize>(keys: &[&'static str], rest: [Segment; N]) -> Path {
    keys.iter().map(|key| Segment::from(*key)).chain(rest).collect()
}

/// An error at a path in a document.
pub(super) fn fault(text: &SourceText, document: &Document, path: &[Segment], message: String) -> Diagnostic {
    let place = document.positions.place(path);
    match place.line {
        0 => text.error(0, 0, format!("{}: {message}", path::dotted(path))),
        line => text.error(line, place.column, message),
    }
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
    ids.iter().enumerate().filter_map(unknown).take(MOST_UNKNOWN).collect()
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
