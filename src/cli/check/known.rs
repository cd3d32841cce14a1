//! Known findings: the baseline of a repository that was not checked before. They do not fail a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::cli::count;
use crate::diagnostic::Diagnostics;
use crate::path;
use crate::plain;
use crate::reader;
use crate::report::Report;
use crate::source::boundary::written;
use crate::source::read_text;

const API_VERSION: &str = "stategate.io/v1alpha1";
const KIND: &str = "KnownFindings";

/// A file of known findings.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KnownFindings {
    api_version: String,
    kind: String,
    findings: Vec<KnownFinding>,
}

/// One known finding. The fingerprint identifies it; the other fields are for people who read the file.
#[derive(Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct KnownFinding {
    file: String,
    object: String,
    policy: String,
    path: String,
    fingerprint: String,
}

impl KnownFindings {
    /// Reads a file.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        if !file.exists() {
            anyhow::bail!(
                "there is no file {} of known findings\n  help: --write-known writes it from the current findings",
                plain::path(file)
            );
        }
        let text = read_text(file).map_err(Diagnostics::from)?;
        let known: Self = reader::read_one(&text)?;
        if (known.api_version.as_str(), known.kind.as_str()) != (API_VERSION, KIND) {
            let error = text.error(1, 0, format!("must be apiVersion {API_VERSION}, kind {KIND}"));
            return Err(Diagnostics::from(error).into());
        }
        Ok(known)
    }

    /// All findings of a run.
    pub fn of(report: &Report) -> Self {
        let mut all: Vec<KnownFinding> = report
            .objects
            .iter()
            .flat_map(|object| object.findings.iter().map(move |found| (object, found)))
            .map(|(object, found)| KnownFinding {
                file: object.edited().to_owned(),
                object: object.display_name(),
                policy: found.finding.policy.to_string(),
                path: path::dotted(&found.finding.path),
                fingerprint: found.fingerprint.clone(),
            })
            .collect();
        all.sort();
        Self { api_version: API_VERSION.to_owned(), kind: KIND.to_owned(), findings: all }
    }

    /// Writes the file, its findings sorted by file, so that a diff of it reads well. Replaces known findings
    /// only: a configuration may name any file of its repository.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let target = written(file).map_err(Diagnostics::from)?;
        if std::fs::metadata(&target).is_ok_and(|about| about.len() > 0) {
            Self::read(&target).map_err(|error| {
                anyhow::anyhow!(
                    "{} holds something else than known findings, and was not overwritten: {error:#}\n  help: name another file, or remove this one",
                    plain::path(file)
                )
            })?;
        }
        let text = plain::json(self)? + "\n";
        std::fs::write(target, text).with_context(|| format!("{} cannot be written", plain::path(file)))
    }

    /// Marks known findings, and notes how many of them are gone from the files that were read.
    pub fn mark(&self, report: &mut Report, file: &Path) {
        // A file may contain a fingerprint twice: then two such findings are known, and a third is new.
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        for known in &self.findings {
            *left.entry(&known.fingerprint).or_default() += 1;
        }
        let mut read: BTreeSet<&str> = BTreeSet::new();
        for object in &mut report.objects {
            read.insert(object.template.as_ref().unwrap_or(&object.file));
            for found in &mut object.findings {
                if let Some(left) = left.get_mut(found.fingerprint.as_str()).filter(|left| **left > 0) {
                    *left -= 1;
                    found.known = true;
                }
            }
        }
        let is_gone = |known: &&KnownFinding| {
            read.contains(known.file.as_str()) && left.get(known.fingerprint.as_str()) > Some(&0)
        };
        let gone = self.findings.iter().filter(is_gone).count();
        if gone > 0 {
            report.notes.push(format!(
                "{} of {} {} gone: --write-known removes them",
                count(gone, "known finding", "known findings"),
                plain::path(file),
                if gone == 1 { "is" } else { "are" },
            ));
        }
    }
}
