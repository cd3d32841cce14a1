//! Where policies apply, with which parameters, and what a violation leads to.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use super::selector::PolicySelector;
use super::target::Target;
use super::{Action, PolicyId};
use crate::admission::{GroupKind, UserInfo};
use crate::workload::labels::{self, Selector};

/// A PolicyBinding.
#[derive(Clone, Debug)]
pub struct Binding {
    /// How findings name it: `production/guards` of a profile, `team.yaml/guards` of a file, `policybinding/guards` of
    /// a cluster.
    pub id: Arc<str>,
    /// The file that it is in, or the resource.
    pub source: Arc<str>,
    /// The line of its name in that file; 0 for a resource.
    pub line: usize,
    /// Does it come from the profile, rather than from a user?
    pub shipped: bool,
    /// `spec`
    pub spec: BindingSpec,
}

impl Binding {
    /// Where it is: its file and line, or the resource.
    pub fn place(&self) -> String {
        place(&self.source, self.line)
    }
}

/// A line of a file; of a resource, which has no lines, its name.
pub(super) fn place(source: &str, line: usize) -> String {
    match line {
        0 => source.to_owned(),
        line => format!("{source}:{line}"),
    }
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
    /// this way. If `match` limits the namespaces, objects that lie in none keep the profile's bindings unless
    /// it says `clusterScoped: true`.
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

/// `spec.match` of a binding: all keys must agree. A Namespace counts as lying in itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct BindingMatch {
    /// Kinds (`Kind.group`, or `Kind` for the core group); all by default. A request to a subresource has its
    /// parent's kind.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "Vec<GroupKind>", length(min = 1))]
    pub kinds: Option<Vec<GroupKind>>,
    /// Names of namespaces (`*` allowed). Cluster-scoped objects match only with `clusterScoped: true`.
    #[serde(deserialize_with = "given")]
    #[schemars(with = "Vec<String>", length(min = 1), inner(regex(pattern = NAMESPACES)))]
    pub namespaces: Option<Vec<String>>,
    /// Namespaces by label; `kubernetes.io/metadata.name` is always known. Cluster-scoped objects match, unless
    /// the binding overrides or says `clusterScoped: false`.
    pub namespace_selector: Selector,
    /// Objects by label.
    pub object_selector: Selector,
    /// Names of namespaces it does not apply to (`*` and `?` allowed). Cluster-scoped objects match, unless the
    /// binding overrides or says `clusterScoped: false`.
    #[schemars(inner(regex(pattern = EXCLUDED_NAMESPACES)))]
    pub excluded_namespaces: Vec<String>,
    /// Does it apply to objects that lie in no namespace, such as StorageClasses and PersistentVolumes? By
    /// default it does, except with `namespaces`, and except with `override` together with `namespaceSelector`
    /// or `excludedNamespaces`: what loosens the rules of some namespaces must not loosen those of the cluster.
    pub cluster_scoped: Option<bool>,
    /// Names of users it does not apply to (`*` and `?` allowed).
    pub excluded_users: Vec<String>,
    /// Names of users who get a warning instead of a denial (`*` and `?` allowed).
    pub warn_only_users: Vec<String>,
}

/// A key without a value is an error: a binding must not match more because a template left a list empty.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What a pattern in `namespaces` looks like: a DNS label with `*`.
pub(super) const NAMESPACES: &str = r"^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$";
/// The same for `excludedNamespaces`, with `?`.
const EXCLUDED_NAMESPACES: &str = r"^[a-z0-9*?]([-a-z0-9*?]{0,61}[a-z0-9*?])?$";

impl BindingMatch {
    /// The lists of namespaces: the key, its patterns, and the wildcards that they may have.
    pub fn namespace_lists(&self) -> [(&'static str, &[String], &'static [char]); 2] {
        [
            ("namespaces", self.namespaces.as_deref().unwrap_or_default(), &['*']),
            ("excludedNamespaces", &self.excluded_namespaces, &['*', '?']),
        ]
    }

    /// Does it say anything of namespaces?
    fn limits_namespaces(&self) -> bool {
        self.namespaces.is_some()
            || !self.namespace_selector.is_empty()
            || !self.excluded_namespaces.is_empty()
    }

    fn namespace_mismatch(&self, name: &str, labels: &BTreeMap<String, String>) -> Option<Mismatch> {
        if self.namespaces.as_ref().is_some_and(|patterns| !glob_any(patterns, name)) {
            Some(Mismatch::Namespaces)
        } else if glob_any(&self.excluded_namespaces, name) {
            Some(Mismatch::ExcludedNamespaces)
        } else {
            (!self.namespace_selector.matches(labels)).then_some(Mismatch::NamespaceSelector)
        }
    }

    /// Does this user get a warning instead of a denial?
    pub fn warns_only(&self, user: &UserInfo) -> bool {
        glob_any(&self.warn_only_users, &user.username)
    }
}

/// The key of `spec.match` that keeps a binding from objects of a kind in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are the keys")]
pub enum Mismatch {
    Kinds,
    Namespaces,
    ExcludedNamespaces,
    NamespaceSelector,
    ClusterScoped,
}

impl BindingSpec {
    /// Does the binding apply to this object? `labels` are those of the namespace that it lies in. An object
    /// whose labels cannot be read matches every objectSelector.
    pub fn selects(&self, target: &Target<'_>, labels: &BTreeMap<String, String>) -> bool {
        let matches = &self.matches;
        let object_selected = || {
            let metadata = target.request.subject().and_then(|object| object.metadata().ok());
            metadata.is_none_or(|metadata| matches.object_selector.matches(&metadata.labels))
        };
        self.mismatch(target.kind, &target.namespace, labels).is_none()
            && !glob_any(&matches.excluded_users, &target.request.user.username)
            && (matches.object_selector.is_empty() || object_selected())
    }

    /// Why the binding applies to no object of this kind in a namespace with these labels; an empty namespace: to
    /// none that lies in no namespace.
    pub fn mismatch(
        &self,
        kind: &GroupKind,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Option<Mismatch> {
        let matches = &self.matches;
        if matches.kinds.as_ref().is_some_and(|kinds| !kinds.contains(kind)) {
            return Some(Mismatch::Kinds);
        }
        match namespace {
            "" => (!self.selects_cluster_scoped()).then_some(Mismatch::ClusterScoped),
            namespace => matches.namespace_mismatch(namespace, labels),
        }
    }

    fn selects_cluster_scoped(&self) -> bool {
        let matches = &self.matches;
        matches.cluster_scoped.unwrap_or_else(|| {
            matches.namespaces.is_none() && !(self.overrides && matches.limits_namespaces())
        })
    }
}

pub(super) fn glob_any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| labels::glob(pattern, text))
}

/// Why this is no name of a namespace with these wildcards, if it is none: it would never match.
pub fn namespace_fault(pattern: &str, wildcards: &[char]) -> Option<String> {
    let (edge, inner) = (
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || wildcards.contains(&c),
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || wildcards.contains(&c),
    );
    if pattern.len() <= 63
        && pattern.starts_with(edge)
        && pattern.ends_with(edge)
        && pattern.chars().all(inner)
    {
        return None;
    }
    let wildcards: String = wildcards.iter().map(|c| format!(", or `{c}`")).collect();
    Some(format!(
        "`{pattern}` is no name of a namespace: those have up to 63 lower-case letters, digits and inner `-`{wildcards}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_namespaces_are_dns_labels() {
        let long = "a".repeat(63);
        for name in ["shop", "team-a", "0", long.as_str()] {
            assert_eq!(namespace_fault(name, &[]), None, "{name}");
        }
        for pattern in ["*", "shop-*", "*-dev", "a*b"] {
            assert_eq!(namespace_fault(pattern, &['*']), None, "{pattern}");
            assert!(namespace_fault(pattern, &[]).is_some(), "{pattern}");
        }
        assert_eq!(namespace_fault("team-?", &['*', '?']), None);
        let longer = "a".repeat(64);
        for name in
            ["", "Shop", "shop_a", "-shop", "shop-", "shop.a", "team-?", "é", " shop", longer.as_str()]
        {
            assert!(namespace_fault(name, &['*']).is_some(), "{name}");
        }
    }
}
