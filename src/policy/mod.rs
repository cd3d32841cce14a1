//! What a policy is, where it applies and what it may be told.

pub mod binding;
pub mod exception;
pub mod metadata;
pub mod package_path;
pub mod parameters;
mod schema;
pub mod selector;
pub mod skip;

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
    /// From a name in kebab-case.
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

/// What happens to a request that violates a policy (its enforcement action). Ordered by strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is only recorded.
    Audit,
    /// The user is told.
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
    /// By the mutating webhook, and in source files.
    #[default]
    Admission,
    /// Only in source files, by `stategate fix`: what the API server fills in cannot be told from what
    /// somebody wrote, so at admission nobody may change it.
    Fix,
}

/// How bad a violation is. Ordered from harmless to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A habit worth having.
    Low,
    /// It will cost somebody a night.
    Medium,
    /// It will cost availability.
    High,
    /// It loses data.
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

/// A policy: what its METADATA says. What it finds is said by its Rego, which only the engine knows.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub id: PolicyId,
    /// The folder above it: `storage`, `encryption`, …
    pub category: Arc<str>,
    /// `stategate.storage.storage_class_required`
    pub package: String,
    /// The text it was read from.
    pub source: Arc<str>,
    /// What it demands, in one line.
    pub title: Arc<str>,
    /// Why it matters, in two or three sentences.
    pub description: Arc<str>,
    /// Why a violation matters, in one sentence: what reports print as `why:`.
    pub why: Option<Arc<str>>,
    /// Where to read more.
    pub related: Vec<String>,
    /// How bad a violation is.
    pub severity: Severity,
    /// What happens by default.
    pub action: Action,
    /// What happens by default at admission, if that is milder: siblings may still arrive.
    pub at_admission: Option<Action>,
    /// Which other objects it needs.
    pub inventory: InventoryRequirements,
    /// Which requests it judges.
    pub matches: Match,
    /// What it may be told.
    pub parameters: BTreeMap<String, Parameter>,
    /// How a violation is set right.
    pub fix: Arc<str>,
    /// Judges objects that are being deleted already, and deletes of owned objects.
    pub terminating: bool,
    /// What it finds may be a credential: reports say where it is, and never show the text.
    pub sensitive: bool,
    /// A violation that the old object has too only warns.
    pub ratchet: bool,
    /// Where its patches are applied.
    pub patches: Patches,
}
