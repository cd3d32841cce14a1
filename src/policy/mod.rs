//! What a policy is, where it applies and which parameters it takes.

pub mod binding;
pub mod exception;
pub mod kinds;
pub mod metadata;
pub mod package_path;
pub mod parameters;
mod schema;
pub mod selector;
pub mod skip;
pub mod target;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::InventoryRequirements;
use parameters::Parameter;
use selector::Match;

/// The name of a policy: the last segment of its package in kebab-case, `storage-class-required`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PolicyId(Arc<str>);

impl PolicyId {
    /// Creates an id from a name in kebab-case.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for PolicyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The action for a request that violates a policy, ordered by strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The violation is only recorded.
    Audit,
    /// The user is warned.
    Warn,
    /// The request is refused.
    Deny,
}

impl Action {
    /// `deny`, `warn`, `audit`
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Audit => "audit",
            Action::Warn => "warn",
            Action::Deny => "deny",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a policy's patches are applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Patches {
    /// At admission, by the mutating webhook, and in source files.
    #[default]
    Admission,
    /// Only in source files, by `stategate fix`: at admission, values that the API server filled in cannot be
    /// distinguished from values that the user wrote, so they must not be changed.
    Fix,
}

/// The severity of a violation, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A good practice is not followed.
    Low,
    /// It will cause an incident for the on-call team.
    Medium,
    /// It will cause a loss of availability.
    High,
    /// It will cause a loss of data.
    Critical,
}

impl Severity {
    /// `critical`, `high`, `medium`, `low`
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A policy, as described by its METADATA. What it flags is defined by its Rego, which only the engine reads.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub id: PolicyId,
    /// The directory that contains it: `storage`, `encryption`, …
    pub category: Arc<str>,
    /// `stategate.storage.storage_class_required`
    pub package: String,
    /// The name of the source that it was read from.
    pub source: Arc<str>,
    /// What it requires, in one line.
    pub title: Arc<str>,
    /// Why it matters, in two or three sentences.
    pub description: Arc<str>,
    /// Why a violation matters, in one sentence; reports print it as `why:`.
    pub why: Option<Arc<str>>,
    /// Links to further documentation.
    pub related: Vec<String>,
    /// The severity of a violation.
    pub severity: Severity,
    /// The default action.
    pub action: Action,
    /// The default action at admission, if it is milder: related objects may still arrive.
    pub at_admission: Option<Action>,
    /// The other objects that it needs.
    pub inventory: InventoryRequirements,
    /// The requests that it reviews.
    pub matches: Match,
    /// Its parameters.
    pub parameters: BTreeMap<String, Parameter>,
    /// How to fix a violation.
    pub fix: Arc<str>,
    /// Whether it also reviews objects that are already being deleted, and objects whose owner is reviewed.
    pub terminating: bool,
    /// Whether an audit evaluates it on what exists: not if it is about the act of creating.
    pub audited: bool,
    /// Whether its findings may contain credentials: reports then show the location, never the text.
    pub sensitive: bool,
    /// Whether a violation that the old object already has only warns.
    pub ratchet: bool,
    /// Where its patches are applied.
    pub patches: Patches,
}
