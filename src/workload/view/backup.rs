//! The backup contract, in the view.

use schemars::JsonSchema;
use serde::Serialize;

use crate::path::Path;

/// The backup contract: annotations `stategate.io/backup-*`, `rpo`, `rto`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Backup {
    /// `velero`, `k10`, `operator`, …; empty: not declared.
    pub methods: Vec<String>,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<BackupSchedule>,
    /// Seconds a backup is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_seconds: Option<i64>,
    /// Seconds of work that may be lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpo_seconds: Option<i64>,
    /// What of `rpo`, `rto` and `backup-retention` cannot be read, and why.
    pub errors: Vec<AnnotationError>,
}

/// `stategate.io/backup-schedule`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct BackupSchedule {
    /// As written.
    pub text: String,
    /// Why it cannot be read; left out if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The longest time between two runs; left out if it never runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gap_seconds: Option<i64>,
    /// Where it is.
    pub path: Path,
}

/// An annotation that cannot be read.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct AnnotationError {
    /// The annotation.
    pub key: String,
    /// Why.
    pub error: String,
    /// Where it is.
    pub path: Path,
}
