//! Names of kinds and objects, and the scopes and modes of a review.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Operation;

/// A kind without its version, as METADATA and bindings write it: `StatefulSet.apps`,
/// `PersistentVolumeClaim` (`schema.GroupKind` in apimachinery).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKind {
    /// `StatefulSet`
    pub kind: String,
    /// `apps`; empty for the core group.
    pub group: String,
}

impl GroupKind {
    /// From an object's `apiVersion` and `kind`.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self { kind: kind.to_owned(), group: group.to_owned() }
    }

    /// From a text that is meant to be `Kind.group`. [`Display`](fmt::Display) gives the same text again,
    /// whatever it is.
    pub fn written(text: &str) -> Self {
        let (kind, group) = text.split_once('.').filter(|(_, group)| !group.is_empty()).unwrap_or((text, ""));
        Self { kind: kind.to_owned(), group: group.to_owned() }
    }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => f.write_str(&self.kind),
            group => write!(f, "{}.{group}", self.kind),
        }
    }
}

/// Takes any text: whoever reads it knows which kinds there are, and what a wrong one was meant to be.
impl<'de> Deserialize<'de> for GroupKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::written(&String::deserialize(deserializer)?))
    }
}

/// One object of a cluster or of a bundle of manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: GroupKind,
    /// Its namespace; empty for cluster-scoped objects.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The key that policies are indexed by, and what a webhook rule covers: an operation on a kind or on one of
/// its subresources.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReviewScope {
    /// The kind; for a subresource, the parent's.
    pub kind: GroupKind,
    /// The operation.
    pub operation: Operation,
    /// `scale`, `status`, …; empty for the object itself.
    pub subresource: String,
}

/// What a review does: which patches apply, and whether violations are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewMode {
    /// The mutating webhook: patches only. It refuses only objects that cannot be read; the validating
    /// webhook reviews what will be stored, after every other webhook has changed it.
    Mutate,
    /// The validating webhook: no patches, only violations in the object as it is.
    Validate,
    /// What is stored already: no patches, only violations in the object as it is. Objects that belong together
    /// have all arrived.
    Audit,
    /// Outside the API server: patches apply, then the patched object is reviewed.
    MutateAndValidate,
    /// The same for a source file that `stategate fix` rewrites: patches that belong only in files also
    /// apply, and no annotation names the policies that patched.
    Fix,
}

impl ReviewMode {
    /// Whether patches are looked for.
    pub fn mutates(self) -> bool {
        !matches!(self, Self::Validate | Self::Audit)
    }

    /// Whether violations are looked for.
    pub fn validates(self) -> bool {
        self != Self::Mutate
    }
}

/// Group, version and kind of an object; the core group is the empty string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct GroupVersionKind {
    /// The API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The kind, such as `StatefulSet`.
    pub kind: String,
}

impl GroupVersionKind {
    /// From an object's `apiVersion` and `kind`.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The same without the version.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { kind: self.kind.clone(), group: self.group.clone() }
    }
}

/// Group, version and plural name of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupVersionResource {
    /// The API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The plural name, such as `statefulsets`.
    pub resource: String,
}
