//! The request under review: what the API server, a manifest, a live object or a test asks about.

mod object;
pub mod wire;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use object::{Metadata, Object, ObjectError, OwnerReference};

/// One change under review.
///
/// Built from an AdmissionReview ([`wire`]), a manifest, a live object or an example of a policy;
/// everything after it is the same for all of them.
#[derive(Clone, Debug)]
pub struct Request {
    /// The API server's name for this question, echoed in the answer. Empty outside of admission.
    pub uid: String,
    /// The kind of the object (for a subresource, the kind of the subresource: `Scale`).
    pub kind: GroupVersionKind,
    /// The resource asked for; for a subresource, the parent's.
    pub resource: GroupVersionResource,
    /// `scale`, `status`, `eviction`, … or empty.
    pub subresource: String,
    /// Name as the API server sent it: empty for `generateName` and for deletecollection.
    /// [`Request::name`] is what people call the object.
    pub request_name: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// What is being done.
    pub operation: Operation,
    /// Who does it.
    pub user: UserInfo,
    /// The object as it will be stored; none on DELETE.
    pub object: Option<Object>,
    /// The object as it is stored; none on CREATE.
    pub old_object: Option<Object>,
    /// Nothing will be stored (`--dry-run=server`); judged like any other request.
    pub dry_run: bool,
    /// CreateOptions, UpdateOptions or DeleteOptions, as sent.
    pub options: Value,
    /// Which question is asked.
    pub phase: Phase,
}

impl Request {
    /// The object that the request is about: the new one, or on DELETE the old one.
    pub fn subject(&self) -> Option<&Object> {
        self.object.as_ref().or(self.old_object.as_ref())
    }

    /// The object's name, also for a deletecollection (which sends none) and `generateName`.
    pub fn name(&self) -> String {
        if !self.request_name.is_empty() {
            return self.request_name.clone();
        }
        let Some(metadata) = self.subject().and_then(|object| object.metadata().ok()) else {
            return String::new();
        };
        match (metadata.name.as_str(), metadata.generate_name.as_str()) {
            ("", "") => String::new(),
            ("", prefix) => format!("{prefix}*"),
            (name, _) => name.to_owned(),
        }
    }

    /// `StatefulSet shop/pg`, as messages name it.
    pub fn display_name(&self) -> String {
        self.display_name_as(&self.kind.kind)
    }

    /// The same with the kind of the object whose subresource this is: `StatefulSet shop/pg (scale)`.
    pub fn display_name_of_parent(&self, kind: &str) -> String {
        format!("{} ({})", self.display_name_as(kind), self.subresource)
    }

    fn display_name_as(&self, kind: &str) -> String {
        let name = self.name();
        if self.namespace.is_empty() {
            format!("{kind} {name}")
        } else {
            format!("{kind} {}/{name}", self.namespace)
        }
    }
}

/// Which of the API server's two admission phases asks, or both at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The mutating webhook: what should be added? It refuses nothing; what will be stored is
    /// judged in the validating phase, after every other webhook has had its say.
    Mutating,
    /// The validating webhook: may the object be stored as it is?
    Validating,
    /// Outside of the API server: the patches are applied, then the patched object is judged.
    Both,
    /// The same for a source file that is to be set right: patches that belong only there are applied, too,
    /// and the object gets no note of who patched it.
    Fix,
}

/// What is being done to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the words are the API's own")]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    /// All of them, in the API's order.
    pub const ALL: [Operation; 4] =
        [Operation::Create, Operation::Update, Operation::Delete, Operation::Connect];

    /// `CREATE`, `UPDATE`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Group, version and kind of an object; the core group is the empty string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct GroupVersionKind {
    #[serde(default)]
    pub group: String,
    pub version: String,
    pub kind: String,
}

impl GroupVersionKind {
    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// From an object's `apiVersion` and `kind`.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }
}

/// Group, version and plural name of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct GroupVersionResource {
    #[serde(default)]
    pub group: String,
    pub version: String,
    pub resource: String,
}

/// Who asks (authentication.k8s.io/v1 UserInfo).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct UserInfo {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}
