//! Which requests a policy judges, and which policies a binding means.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Policy, PolicyId, Severity};
use crate::admission::{GroupKind, Operation};
use crate::workload::Class;

/// `custom.match` of a policy: all keys must agree.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Kinds; none: every kind that has a projection.
    #[serde(default)]
    pub kinds: Vec<GroupKind>,
    /// Classes of the workload view.
    #[serde(default = "durable_only")]
    pub classes: Vec<Class>,
    /// Operations.
    #[serde(default = "create_and_update")]
    pub operations: Vec<Operation>,
    /// Subresources; none: the object itself.
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

/// `spec.policies` of a binding: the policies it means. Empty lists leave the choice open.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySelector {
    /// Of one of these categories.
    pub categories: Vec<String>,
    /// Of one of these severities.
    pub severities: Vec<Severity>,
    /// These.
    pub ids: Vec<PolicyId>,
    /// But not these.
    pub exclude: Vec<PolicyId>,
    /// And none of these categories.
    #[serde(rename = "excludeCategories")]
    pub exclude_categories: Vec<String>,
}

impl PolicySelector {
    /// Is the policy meant?
    pub fn selects(&self, policy: &Policy) -> bool {
        let category = |list: &[String]| list.iter().any(|name| **name == *policy.category);
        (self.categories.is_empty() || category(&self.categories))
            && (self.severities.is_empty() || self.severities.contains(&policy.severity))
            && (self.ids.is_empty() || self.ids.contains(&policy.id))
            && !self.exclude.contains(&policy.id)
            && !category(&self.exclude_categories)
    }
}
