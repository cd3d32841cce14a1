//! The backup contract that a workload declares in its annotations.

use super::schedule::{Schedule, duration_seconds};
use super::view::{AnnotationError, Backup, BackupSchedule, Strings};
use crate::path::{Path, Segment};

/// Reads the annotations `stategate.io/backup-*`, `rpo` and `rto`.
pub fn backup(annotations: &Strings) -> Backup {
    let get = |name: &str| annotations.get(&key(name)).map(|text| text.trim());
    let mut errors = Vec::new();
    let mut seconds = |name: &str| {
        duration_seconds(get(name)?)
            .map_err(|error| {
                errors.push(AnnotationError { key: key(name), error: error.to_string(), path: path(name) });
            })
            .ok()
    };
    let retention_seconds = seconds("backup-retention");
    let rpo_seconds = seconds("rpo");
    seconds("rto");
    Backup {
        methods: get("backup-method")
            .unwrap_or_default()
            .split(',')
            .map(|method| method.trim().to_owned())
            .filter(|method| !method.is_empty())
            .collect(),
        schedule: get("backup-schedule").map(|text| schedule(text, path("backup-schedule"))),
        suspended: false,
        retention_seconds,
        rpo_seconds,
        errors,
    }
}

/// Reads the times of backups, written at a path of the object.
pub fn schedule(text: &str, path: Path) -> BackupSchedule {
    let parsed = Schedule::parse(text);
    BackupSchedule {
        text: text.to_owned(),
        max_gap_seconds: parsed.as_ref().ok().and_then(Schedule::max_gap_seconds),
        error: parsed.err().map(|error| error.to_string()),
        path,
    }
}

fn key(name: &str) -> String {
    format!("stategate.io/{name}")
}

fn path(name: &str) -> Path {
    vec![Segment::Key("metadata".into()), Segment::Key("annotations".into()), Segment::Key(key(name).into())]
}
