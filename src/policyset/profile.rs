//! What holds for a whole profile.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bindings::Name;
use crate::policy::PolicyId;

/// Settings for a whole profile.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Profile {
    pub metadata: Name,
    #[serde(default)]
    pub spec: ProfileSpec,
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
