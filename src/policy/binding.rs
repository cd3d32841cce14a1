//! Where policies apply, with which parameters, and what a violation leads to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::selector::PolicySelector;
use super::{Action, PolicyId};
use crate::admission::{Request, UserInfo};
use crate::workload::labels::{self, Selector};

/// A PolicyBinding.
#[derive(Clone, Debug)]
pub struct Binding {
    /// `metadata.name`
    pub name: String,
    /// Does it come from the profile, rather than from a user?
    pub shipped: bool,
    /// `spec`
    pub spec: BindingSpec,
}

/// `spec` of a PolicyBinding.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct BindingSpec {
    /// The policies it applies to; all by default.
    pub policies: PolicySelector,
    /// The requests it applies to; all by default.
    #[serde(rename = "match")]
    pub matches: BindingMatch,
    /// The action on a violation; each policy's own by default.
    pub action: Option<BindingAction>,
    /// Replaces the profile's bindings for the selected policies and requests. Users loosen a shipped profile
    /// this way.
    #[serde(rename = "override")]
    pub overrides: bool,
    /// Is an object's own skip annotation honoured? By default only for policies below critical.
    pub skippable: Option<bool>,
    /// Are the patches of these policies applied?
    pub mutate: bool,
    /// What happens if a policy fails to decide: by default `deny` for critical policies, else `warn`.
    pub on_failure: Option<OnFailure>,
    /// Is it a violation if a policy cannot be evaluated because other objects it needs are unknown?
    pub require_inventory: bool,
    /// Values by policy and parameter; missing ones take the policy's default.
    pub parameters: BTreeMap<PolicyId, BTreeMap<String, serde_json::Value>>,
}

/// `spec.action`: an action, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingAction {
    /// The request is refused.
    Deny,
    /// The user is warned.
    Warn,
    /// The violation is only recorded.
    Audit,
    /// The policies are not evaluated.
    Off,
}

impl<'de> Deserialize<'de> for BindingAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an action is deny, warn, audit or off")]
        enum Written {
            Action(Action),
            Off(Off),
            /// YAML 1.1, which Kubernetes uses, reads a bare `off` as false.
            False(bool),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Off {
            Off,
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Action(Action::Deny) => BindingAction::Deny,
            Written::Action(Action::Warn) => BindingAction::Warn,
            Written::Action(Action::Audit) => BindingAction::Audit,
            Written::Off(Off::Off) | Written::False(false) => BindingAction::Off,
            Written::False(true) => return Err(de::Error::custom("an action is deny, warn, audit or off")),
        })
    }
}

impl BindingAction {
    /// The action; None for `off`.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The user is warned.
    Warn,
    /// The request is refused.
    Deny,
}

/// `spec.match` of a binding: all keys must agree.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct BindingMatch {
    /// Namespaces by label. Cluster-scoped objects always match.
    pub namespace_selector: Selector,
    /// Objects by label.
    pub object_selector: Selector,
    /// Names of namespaces it does not apply to (`*` and `?` allowed).
    pub excluded_namespaces: Vec<String>,
    /// Names of users it does not apply to (`*` and `?` allowed).
    pub excluded_users: Vec<String>,
    /// Names of users who get a warning instead of a denial (`*` and `?` allowed).
    pub warn_only_users: Vec<String>,
}

impl BindingMatch {
    /// Does the binding apply to this request? `labels` are those of its namespace; if unknown, the namespace
    /// is treated as unlabelled. An object whose labels cannot be read matches every objectSelector.
    pub fn selects(&self, request: &Request, labels: Option<&BTreeMap<String, String>>) -> bool {
        let glob_any = |patterns: &[String], text: &str| patterns.iter().any(|p| labels::glob(p, text));
        let unlabelled = BTreeMap::new();
        let (namespace, user) = (request.namespace.as_str(), &request.user);
        let object_selected = || {
            let metadata = request.subject().and_then(|object| object.metadata().ok());
            metadata.is_none_or(|metadata| self.object_selector.matches(&metadata.labels))
        };
        (namespace.is_empty()
            || (self.namespace_selector.matches(labels.unwrap_or(&unlabelled))
                && !glob_any(&self.excluded_namespaces, namespace)))
            && !glob_any(&self.excluded_users, &user.username)
            && (self.object_selector.is_empty() || object_selected())
    }

    /// Does this user get a warning instead of a denial?
    pub fn warns_only(&self, user: &UserInfo) -> bool {
        self.warn_only_users.iter().any(|pattern| labels::glob(pattern, &user.username))
    }
}
