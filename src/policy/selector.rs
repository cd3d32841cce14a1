//! Selects the requests that a policy reviews, and the policies that a binding applies to.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Policy, PolicyId, Severity};
use crate::admission::{GroupKind, Operation};
use crate::workload::Class;

/// `custom.match` of a policy: all keys must match.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Kinds; if empty, every kind that has a projection.
    #[serde(default)]
    pub kinds: Vec<GroupKind>,
    /// Classes of the workload view.
    #[serde(default = "durable_only")]
    pub classes: Vec<Class>,
    /// Operations.
    #[serde(default = "create_and_update")]
    pub operations: Vec<Operation>,
    /// Subresources; if empty, the object itself.
    #[serde(default)]
    pub subresources: Vec<String>,
}

impl Default for Match {
    fn default() -> Self {
        Self {
            kinds: Vec::new(),
            classes: durable_only(),
            operations: create_and_update(),
            subresources: Vec::new(),
        }
    }
}

fn durable_only() -> Vec<Class> {
    vec![Class::Durable]
}

fn create_and_update() -> Vec<Operation> {
    vec![Operation::Create, Operation::Update]
}

/// `spec.policies` of a binding: the policies that it applies to. An empty list does not restrict the
/// selection.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySelector {
    /// Only policies in one of these categories.
    pub categories: Vec<String>,
    /// Only policies with one of these severities.
    pub severities: Vec<Severity>,
    /// Only these policies.
    pub ids: Vec<PolicyId>,
    /// Not these policies.
    pub exclude: Vec<PolicyId>,
    /// No policies in these categories.
    #[serde(rename = "excludeCategories")]
    pub exclude_categories: Vec<String>,
}

impl PolicySelector {
    /// Whether the policy is selected.
    pub fn selects(&self, policy: &Policy) -> bool {
        let category = |list: &[String]| list.iter().any(|name| **name == *policy.category);
        (self.categories.is_empty() || category(&self.categories))
            && (self.severities.is_empty() || self.severities.contains(&policy.severity))
            && (self.ids.is_empty() || self.ids.contains(&policy.id))
            && !self.exclude.contains(&policy.id)
            && !category(&self.exclude_categories)
    }
}
