//! Policies, PolicyBindings and PolicyExceptions as objects of a cluster.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::bindings::{self, API_VERSION, BindingOrigin, KnownPolicies};
use super::{PolicySet, sources};
use crate::admission::{GroupKind, ObjectRef};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::policy::exception::Authority;
use crate::policy::skip::instant;

/// The API group of stategate's own resources.
pub const GROUP: &str = "stategate.io";

/// The version in which stategate reads its own resources.
pub const VERSION: &str = "v1alpha1";

/// `spec` of a Policy: a policy of your own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// The Rego module, with its METADATA block: all that stategate knows of the policy. Its package is
    /// `stategate.<category>.<name>`, where the name is that of the Policy with `_` for `-`.
    #[schemars(length(max = REGO))]
    pub rego: String,
}

/// The longest module. The API server takes objects of at most about 1.5 MiB, with all their managed fields.
const REGO: usize = 256 << 10;

/// The kind of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DocumentKind {
    /// A policy of the user's own.
    Policy,
    /// Where policies apply.
    PolicyBinding,
    /// What is exempt from policies.
    PolicyException,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Policy, Self::PolicyBinding, Self::PolicyException];

    /// `PolicyBinding`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "Policy",
            Self::PolicyBinding => "PolicyBinding",
            Self::PolicyException => "PolicyException",
        }
    }

    /// `PolicyBinding.stategate.io`
    pub fn group_kind(self) -> GroupKind {
        GroupKind { kind: self.as_str().to_owned(), group: GROUP.to_owned() }
    }

    /// The kind with this name and group, if it is one.
    pub fn of(kind: &GroupKind) -> Option<Self> {
        Self::ALL.into_iter().find(|one| kind.group == GROUP && kind.kind == one.as_str())
    }
}

/// A document that a cluster stores.
#[derive(Clone, Debug)]
pub struct StoredDocument {
    /// Its kind.
    pub kind: DocumentKind,
    /// Its namespace; empty unless it is a PolicyException.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.uid`: another object of the same name has another one.
    pub uid: String,
    /// `metadata.generation`, which counts the versions of its `spec`.
    pub generation: i64,
    /// What it says: the Rego of a Policy, else the document as JSON.
    pub text: SourceText,
    /// `status`, as it is stored.
    pub status: Value,
}

impl fmt::Display for StoredDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text.name)
    }
}

impl StoredDocument {
    /// Reads an object of a cluster. What it lacks is missing in its text, too.
    pub fn new(kind: DocumentKind, object: &Value) -> Self {
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let field = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (namespace, name) = (field("namespace"), field("name"));
        let shown = match namespace.as_str() {
            "" => format!("{} {name}", kind.as_str()),
            namespace => format!("{} {namespace}/{name}", kind.as_str()),
        };
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let text = match kind {
            DocumentKind::Policy => spec.get("rego").and_then(Value::as_str).unwrap_or_default().to_owned(),
            DocumentKind::PolicyBinding | DocumentKind::PolicyException => {
                let mut metadata = json!({"name": name});
                if !namespace.is_empty() {
                    metadata = json!({"name": name, "namespace": namespace});
                }
                let document = json!({
                    "apiVersion": API_VERSION, "kind": kind.as_str(), "metadata": metadata, "spec": spec,
                });
                document.to_string()
            }
        };
        let generation = metadata.get("generation").and_then(Value::as_i64).unwrap_or_default();
        let status = object.get("status").cloned().unwrap_or_default();
        let text = SourceText::new(shown, text);
        let uid = field("uid");
        Self { kind, namespace, name, uid, generation, text, status }
    }

    /// The object.
    pub fn reference(&self) -> ObjectRef {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        ObjectRef { kind: self.kind.group_kind(), namespace, name }
    }

    /// What it may waive, if it is a PolicyException.
    pub fn authority(&self, own_namespace: &str) -> Option<Authority> {
        (self.kind == DocumentKind::PolicyException).then(|| match self.namespace == own_namespace {
            true => Authority::OwnNamespace,
            false => Authority::OtherNamespace,
        })
    }

    /// A field of the `spec` of a PolicyBinding or PolicyException.
    fn spec(&self, field: &str) -> Option<Value> {
        let mut document: Value = serde_json::from_str(&self.text.text).ok()?;
        document.get_mut("spec")?.get_mut(field).map(Value::take)
    }

    /// The action that it says, if it is a PolicyBinding that says one: YAML 1.1 takes a bare `off` for false.
    pub fn action(&self) -> Option<String> {
        match self.spec("action")? {
            Value::Bool(false) => Some("off".to_owned()),
            Value::String(action) => Some(action),
            _ => None,
        }
    }

    /// When it ends, if it is a PolicyException that does.
    pub fn expires_at(&self) -> Option<jiff::Timestamp> {
        instant(self.spec("expiresAt")?.as_str()?)
    }

    /// What is wrong with it, for people who have it before them: each fault with its field, or the line of its Rego.
    pub fn said(&self, faults: &[Diagnostic]) -> String {
        let said = faults.iter().map(|fault| match self.kind {
            DocumentKind::Policy => {
                // The parser repeats the place, with a name that means nothing here.
                let place = format!(" ({}:", self.text.name);
                let message = match fault.message.split_once(&place) {
                    Some((before, rest)) => {
                        format!("{before}{}", rest.split_once(')').map_or("", |(_, after)| after))
                    }
                    None => fault.message.clone(),
                };
                Diagnostic { source: "spec.rego".into(), message, ..fault.clone() }.to_string()
            }
            DocumentKind::PolicyBinding | DocumentKind::PolicyException => {
                let said = fault.to_string();
                said.strip_prefix(&format!("{}: ", fault.source)).map(str::to_owned).unwrap_or(said)
            }
        });
        said.collect::<Vec<_>>().join("\n")
    }

    /// The values that it gives to the parameters of policies, if it is a PolicyBinding that gives any.
    pub fn parameters(&self) -> Option<Map<String, Value>> {
        match self.spec("parameters")? {
            Value::Object(all) if !all.is_empty() => Some(all),
            _ => None,
        }
    }

    /// The document, in one version of its text, as one of the sources of a policy set.
    pub fn source(
        &self,
        own_namespace: &str,
        text: SourceText,
        last_good: Option<SourceText>,
    ) -> sources::ClusterDocument {
        let last_good = last_good.filter(|good| good.text != text.text);
        sources::ClusterDocument { text, last_good, exception: self.authority(own_namespace) }
    }
}

/// The state of the documents of a cluster.
pub type Standings = Arc<Vec<(Arc<StoredDocument>, Standing)>>;

/// What became of a document that a cluster stores.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It is in force as written.
    InForce,
    /// It is in force except for these parts: they name policies that there are not, or that it may not waive.
    InPart(Diagnostics),
    /// It cannot be loaded, so that the version before it stays in force.
    LastGood(Diagnostics),
    /// It cannot be loaded, and nothing of it is in force.
    NotInForce(Diagnostics),
    /// It is being tried. The version before it, if there is one, is in force meanwhile.
    Pending,
}

/// The faults of a PolicyBinding or PolicyException, if it came into a cluster where this set is in force: those for
/// which it cannot be read, and those that leave parts of it without effect.
pub fn faults(document: &StoredDocument, own_namespace: &str, set: &PolicySet) -> Faults {
    let known =
        KnownPolicies { policies: set.policies().collect(), complete: true, projections: set.projections() };
    let authority = document.authority(own_namespace).unwrap_or(Authority::OwnNamespace);
    match bindings::read(&document.text, BindingOrigin::Cluster(authority), &known) {
        Ok(read) => Faults { unreadable: Vec::new(), without_effect: read.not_counting },
        Err(Diagnostics(unreadable)) => Faults { unreadable, without_effect: Vec::new() },
    }
}

/// What is wrong with a document.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// It cannot be read for these.
    pub unreadable: Vec<Diagnostic>,
    /// These parts of it have no effect.
    pub without_effect: Vec<Diagnostic>,
}
