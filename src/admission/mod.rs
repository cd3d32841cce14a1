//! The request under review, whether it comes from the API server, a manifest, a live object or a test.

mod bounded;
mod kind;
mod object;
pub mod wire;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use kind::{GroupKind, GroupVersionKind, GroupVersionResource, ObjectRef, ReviewMode, ReviewScope};
pub use object::{LAST_APPLIED, Metadata, Object, ObjectError, OwnerReference};

/// One change under review.
///
/// Built from an AdmissionReview ([`wire`]), a manifest, a live object or a policy's example; the rest of the
/// pipeline is the same for all of them.
#[derive(Clone, Debug)]
pub struct Request {
    /// The API server's identifier for this request, echoed in the response. Empty outside admission.
    pub uid: String,
    /// The kind of the object; for a subresource, the kind of the subresource, such as `Scale`.
    pub kind: GroupVersionKind,
    /// The requested resource; for a subresource, the parent's.
    pub resource: GroupVersionResource,
    /// `scale`, `status`, `eviction`, … or empty.
    pub subresource: String,
    /// The name as the API server sent it: empty for `generateName` and for deletecollection.
    /// [`Request::name`] is the name to display.
    pub request_name: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// The operation.
    pub operation: Operation,
    /// The user who makes the request.
    pub user: UserInfo,
    /// The object as it will be stored; None on DELETE.
    pub object: Option<Object>,
    /// The object as it is currently stored; None on CREATE.
    pub old_object: Option<Object>,
    /// Nothing will be stored (`--dry-run=server`); reviewed like any other request.
    pub dry_run: bool,
    /// CreateOptions, UpdateOptions or DeleteOptions, as sent.
    pub options: Value,
}

impl Request {
    /// The object that the request is about: the new one, or on DELETE the old one.
    pub fn subject(&self) -> Option<&Object> {
        self.object.as_ref().or(self.old_object.as_ref())
    }

    /// The object of this kind that the request names.
    pub fn reference(&self, kind: GroupKind) -> ObjectRef {
        ObjectRef { kind, namespace: self.namespace.clone(), name: self.request_name.clone() }
    }

    /// The object's name, including for a deletecollection (which sends none) and `generateName` (the prefix,
    /// followed by `*`).
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

    /// The same with the kind of the subresource's parent: `StatefulSet shop/pg (scale)`.
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

/// The operation on the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the words are the API's own")]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    /// All operations, in the API's order.
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

/// The user who makes the request (authentication.k8s.io/v1 UserInfo).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserInfo {
    /// Name of the user or service account.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Unique id of the user.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Groups of the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Further attributes from the authenticator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}
