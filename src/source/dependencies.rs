//! The charts that a chart names by their place, `repository: file://../common`. Helm wants them in `charts/`, where
//! `helm dependency build` puts them; a repository is only read, so a copy of the chart gets them.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::boundary::Boundary;
use super::diagnostic;
use super::render::left_out;
use super::tree::{document, resolved, tidy};
use super::walk::all_inside;
use crate::diagnostic::Diagnostic;

/// Charts within one another.
const DEEPEST: usize = 8;
/// Bytes of all files of a copy, and what each counts for at least: many small ones cost as much as a large one.
const LARGEST: u64 = 64 << 20;
const SMALLEST: u64 = 4 << 10;
/// Where a chart lists what it depends on: since Helm 3, and before.
const LISTS: [&str; 2] = ["Chart.yaml", "requirements.yaml"];

/// A copy of a chart with the charts that it names by their place; None if it has them all.
///
/// # Errors
/// If one of them lies outside, holds something else than files, or if they are too large to be copied.
pub fn completed(directory: &Path, boundary: &Boundary) -> Result<Option<TempDir>, Diagnostic> {
    if missing(directory, boundary)?.is_empty() {
        return Ok(None);
    }
    let copy = tempfile::tempdir()
        .map_err(|error| diagnostic(directory, format!("there is no room for a copy of it: {error}")))?;
    let mut left = LARGEST;
    complete(directory, copy.path(), boundary, &mut left, DEEPEST)?;
    Ok(Some(copy))
}

/// Copies a chart and what it lacks.
fn complete(
    directory: &Path,
    to: &Path,
    boundary: &Boundary,
    left: &mut u64,
    depth: usize,
) -> Result<(), Diagnostic> {
    for file in all_inside(directory, boundary, &left_out(directory))? {
        let target = to.join(file.strip_prefix(directory).unwrap_or(&file));
        let unreadable = |error| diagnostic(&file, format!("cannot be copied: {error}"));
        let size = std::fs::metadata(&file).map_err(unreadable)?.len();
        *left = left.checked_sub(size.max(SMALLEST)).ok_or_else(|| {
            diagnostic(
                directory,
                format!(
                    "with its charts, it is larger than {} MiB, or has more than {} files",
                    LARGEST >> 20,
                    LARGEST / SMALLEST
                ),
            )
        })?;
        target.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(unreadable)?;
        std::fs::copy(&file, &target).map_err(unreadable)?;
    }
    for (name, from) in missing(directory, boundary)? {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(diagnostic(
                directory,
                format!("its charts are nested more than {DEEPEST} levels deep"),
            ));
        };
        complete(&from, &to.join("charts").join(name), boundary, left, depth)?;
    }
    Ok(())
}

/// The names and directories of the charts that are named by their place, and that are not in `charts/`.
fn missing(directory: &Path, boundary: &Boundary) -> Result<Vec<(String, PathBuf)>, Diagnostic> {
    let lists = LISTS.map(|name| directory.join(name)).into_iter().filter(|file| boundary.file(file).is_ok());
    let mut missing = Vec::new();
    for list in lists {
        let list = document(&list);
        for chart in list.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let said = |key: &str| chart.get(key).and_then(Value::as_str).unwrap_or_default();
            let (name, Some(place)) = (said("name"), said("repository").strip_prefix("file://")) else {
                continue;
            };
            // A name is a directory's here.
            let is_name =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
            if !is_name || is_there(directory, name) {
                continue;
            }
            let from = tidy(&resolved(&directory.join(place)));
            if from.join("Chart.yaml").is_file() {
                boundary.entry(&from)?;
                missing.push((name.to_owned(), from));
            }
        }
    }
    Ok(missing)
}

/// Whether `charts/` has a chart of this name, as a directory or packed.
fn is_there(directory: &Path, name: &str) -> bool {
    let entries = std::fs::read_dir(directory.join("charts")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).any(|entry| {
        // `db-operator-1.0.tgz` is another chart than `db`.
        let version = entry.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        let is_version = |text: &str| text.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
        entry == name || version.is_some_and(|version| is_version(version) && version.ends_with(".tgz"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_chart_is_known_by_its_name_and_version() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("charts")).unwrap();
        for (name, packed, expected) in [
            ("db", "db-operator-1.0.tgz", false),
            ("db", "db-1.0.0.tgz", true),
            ("web", "web-v2.tgz", true),
            ("cache", "cache-1.0.0.tar", false),
        ] {
            std::fs::write(root.path().join("charts").join(packed), "").unwrap();
            assert_eq!(is_there(root.path(), name), expected, "{packed}");
        }
    }

    #[test]
    fn charts_that_multiply_are_not_copied_without_end() {
        let root = tempfile::tempdir().unwrap();
        for level in 0..8 {
            let chart = root.path().join(format!("l{level}"));
            std::fs::create_dir(&chart).unwrap();
            let next = level + 1;
            let dependency =
                |name: usize| format!("- {{name: c{name}, repository: \"file://../l{next}\"}}\n");
            let text =
                format!("name: l{level}\ndependencies:\n{}", (0..8).map(dependency).collect::<String>());
            std::fs::write(chart.join("Chart.yaml"), text).unwrap();
        }
        let boundary = Boundary::around(root.path(), None).unwrap();
        let error = completed(&root.path().join("l0"), &boundary).unwrap_err();
        assert!(error.message.contains("or has more than 16384 files"), "{error}");
    }
}
