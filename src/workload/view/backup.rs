//! The backup contract, in the view.

use schemars::JsonSchema;
use serde::Serialize;

use crate::path::Path;

/// The backup contract: the annotations `stategate.io/backup-*`, `rpo` and `rto`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Backup {
    /// For example `velero`, `k10` or `operator`; empty if not declared.
    pub methods: Vec<String>,
    /// The declared backup schedule; of a CronJob, whatever it runs, its own schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<BackupSchedule>,
    /// Of a CronJob, whether it is suspended; left out if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// How long a backup is kept, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_seconds: Option<i64>,
    /// The recovery point objective: how much recent work may be lost, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpo_seconds: Option<i64>,
    /// The annotations `rpo`, `rto` and `backup-retention` that cannot be read, with the reason.
    pub errors: Vec<AnnotationError>,
}

/// The annotation `stategate.io/backup-schedule`, or the schedule of a CronJob.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct BackupSchedule {
    /// The schedule as written.
    pub text: String,
    /// Why the schedule cannot be read; left out if it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The longest time between two runs, in seconds; left out if the schedule never runs or cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gap_seconds: Option<i64>,
    /// Path of the schedule in the object.
    pub path: Path,
}

/// An annotation that cannot be read.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct AnnotationError {
    /// The annotation's key.
    pub key: String,
    /// Why it cannot be read.
    pub error: String,
    /// Path of the annotation in the object.
    pub path: Path,
}
