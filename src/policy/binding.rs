//! Where policies apply, with which parameters, and what happens to a violation.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::selector::PolicySelector;
use super::{Action, PolicyId};
use crate::admission::User;
use crate::workload::labels::{self, Selector};

/// A PolicyBinding.
#[derive(Clone, Debug)]
pub struct Binding {
    /// `metadata.name`
    pub name: String,
    /// `spec`
    pub spec: BindingSpec,
}

/// `spec` of a PolicyBinding (architecture §7).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct BindingSpec {
    /// The policies it means; without it all of them.
    pub policies: PolicySelector,
    /// The requests it means; without it all of them.
    #[serde(rename = "match")]
    pub matches: BindingMatch,
    /// What happens to a violation; without it what each policy says.
    pub action: Option<BindingAction>,
    /// Are the patches of these policies applied?
    pub mutate: bool,
    /// What happens if a policy fails to decide; without it `deny` for critical ones, else `warn`.
    pub on_failure: Option<OnFailure>,
    /// Values by policy and parameter; without one the policy's own default.
    pub parameters: BTreeMap<PolicyId, BTreeMap<String, serde_json::Value>>,
}

/// `spec.action`: an action, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BindingAction {
    /// The request is refused.
    Deny,
    /// The user is told.
    Warn,
    /// It is only recorded.
    Audit,
    /// The policies are not asked.
    Off,
}

impl BindingAction {
    /// The action; none for `off`.
    pub fn action(self) -> Option<Action> {
        match self {
            BindingAction::Deny => Some(Action::Deny),
            BindingAction::Warn => Some(Action::Warn),
            BindingAction::Audit => Some(Action::Audit),
            BindingAction::Off => None,
        }
    }
}

/// What happens if a policy fails to decide. Ordered by strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The user is told.
    Warn,
    /// The request is refused.
    Deny,
}

/// `spec.match` of a binding: all keys must agree.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct BindingMatch {
    /// Namespaces by label. Cluster-scoped objects always match.
    pub namespace_selector: Selector,
    /// Namespaces it leaves alone, by name (`*` and `?` allowed).
    pub excluded_namespaces: Vec<String>,
    /// Users it leaves alone, by name (`*` and `?` allowed).
    pub excluded_users: Vec<String>,
    /// Users who are warned where others are refused, by name (`*` and `?` allowed).
    pub warn_only_users: Vec<String>,
}

impl BindingMatch {
    /// Is a request of this user on an object of this namespace meant? `namespace` is empty for
    /// cluster-scoped objects; unknown labels select what an unlabelled namespace selects.
    pub fn selects(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>, user: &User) -> bool {
        let glob_any = |patterns: &[String], text: &str| patterns.iter().any(|p| labels::glob(p, text));
        let unlabelled = BTreeMap::new();
        (namespace.is_empty()
            || (self.namespace_selector.matches(labels.unwrap_or(&unlabelled))
                && !glob_any(&self.excluded_namespaces, namespace)))
            && !glob_any(&self.excluded_users, &user.username)
    }

    /// Is this user warned where others are refused?
    pub fn warns_only(&self, user: &User) -> bool {
        self.warn_only_users.iter().any(|pattern| labels::glob(pattern, &user.username))
    }
}
