//! The report of a run, and its formats.

mod cases;
pub mod decision_entry;
mod exceptions;
mod excerpt;
pub mod github;
pub mod gitlab;
pub mod html;
pub mod json;
pub mod junit;
mod location;
mod markdown;
pub mod page;
pub mod policy_report;
mod remedy;
#[cfg(test)]
mod sample;
pub mod sarif;
pub mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::admission::Operation;
use crate::decision::{Decision, Finding, Unknown, Waived};
use crate::diagnostic::Diagnostic;
use crate::plain;
use crate::policy::{Action, Policy, PolicyId};
use crate::yaml::SourceSpan;

pub use exceptions::ReportedException;
pub use excerpt::Excerpt;
pub use remedy::Remedy;

/// The result of one run of `check`.
#[derive(Debug, Default)]
pub struct Report {
    /// The profile of the run.
    pub profile: String,
    /// The checked objects, in the order of their files.
    pub objects: Vec<ReviewedObject>,
    /// The policies with findings.
    pub policies: BTreeMap<PolicyId, Policy>,
    /// What could not be read.
    pub errors: Vec<Diagnostic>,
    /// What could be read, but is hardly meant so.
    pub warnings: Vec<Diagnostic>,
    /// Objects of kinds that no policy checks.
    pub not_covered: usize,
    /// How many of them there are of each kind.
    pub kinds_not_covered: BTreeMap<String, usize>,
    /// Documents that are not Kubernetes objects.
    pub foreign: usize,
    /// Whether to list findings that the previous version of an object already has.
    pub lists_earlier: bool,
    /// The exceptions of the bindings.
    pub exceptions: Vec<ReportedException>,
    /// Notes about the run.
    pub notes: Vec<String>,
    /// What the repository itself takes out of the run: `3 policies are waived by ./stategate.yaml`.
    pub relaxed: Vec<String>,
    /// The numbers, if the report does not list everything.
    pub totals: Option<Totals>,
}

/// The numbers of an audit whose report does not list everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// When it began.
    pub at: Option<Timestamp>,
    /// The objects by `apiVersion` and kind.
    pub kinds: BTreeMap<(String, String), KindTotal>,
    /// Findings that refuse.
    pub deny: u64,
    /// Findings that warn.
    pub warn: u64,
    /// Findings that are only recorded.
    pub audit: u64,
    /// Policies that could not decide, once for each object.
    pub failures: u64,
    /// Policies that were not evaluated, why, and for how many objects.
    pub unknown: BTreeMap<(PolicyId, String), u64>,
    /// Results that are not listed.
    pub not_listed: u64,
}

/// The objects of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindTotal {
    /// All of them.
    pub objects: u64,
    /// Those that would be refused.
    pub refused: u64,
    /// Of the others, those with findings.
    pub warned: u64,
}

impl Totals {
    /// Counts an object and what was decided about it.
    fn add(&mut self, api_version: &str, kind: &str, decision: &Decision) {
        let of = self.kinds.entry((api_version.to_owned(), kind.to_owned())).or_default();
        of.objects += 1;
        match (decision.allowed(), decision.findings.is_empty()) {
            (false, _) => of.refused += 1,
            (true, false) => of.warned += 1,
            (true, true) => {}
        }
        for finding in &decision.findings {
            *(match finding.action {
                Action::Deny => &mut self.deny,
                Action::Warn => &mut self.warn,
                Action::Audit => &mut self.audit,
            }) += 1;
        }
        self.failures += decision.failures.len() as u64;
    }

    /// The objects that would be refused.
    pub fn refused(&self) -> u64 {
        self.kinds.values().map(|of| of.refused).sum()
    }
}

/// One object and its findings.
#[derive(Debug)]
pub struct ReviewedObject {
    /// `apps/v1`
    pub api_version: String,
    /// `StatefulSet`
    pub kind: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// CREATE, or UPDATE if the old version is known.
    pub operation: Operation,
    /// The file it is in; the places of findings are in it.
    pub file: Arc<str>,
    /// The file to edit, if `file` was rendered from another: a template of a chart.
    pub template: Option<Arc<str>>,
    /// The findings, with their places in the file.
    pub findings: Vec<Found>,
    /// Policies that could not decide: id, error, and whether the failure refuses the object.
    pub failures: Vec<(PolicyId, String, bool)>,
    /// Policies that were not evaluated because other objects that they need are not known.
    pub unknown: Vec<Unknown>,
    /// Policies from which the object is exempt.
    pub waived: Vec<Waived>,
    /// Notes about the object, such as a skip annotation that is ignored.
    pub notes: Vec<String>,
    /// Policies that would complete it at admission.
    pub patched_by: Vec<PolicyId>,
    /// What `stategate fix` would write; set only for formats that show it.
    pub remedy: Option<Remedy>,
}

/// One finding in one file.
#[derive(Debug)]
pub struct Found {
    /// The finding.
    pub finding: Finding,
    /// Its span in the file.
    pub place: SourceSpan,
    /// The lines at that span.
    pub excerpt: Excerpt,
    /// The same for the same finding in the same file, even if the object moves within the file.
    pub fingerprint: String,
    /// The file of known findings lists it: it does not fail a run.
    pub known: bool,
}

impl ReviewedObject {
    /// Identifies a finding of this object among all findings, independent of its lines.
    pub fn fingerprint(&self, file: &str, finding: &Finding) -> String {
        let group = self.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        digest(&[finding.policy.as_str(), file, group, &self.kind, &self.namespace, &self.name, &finding.key])
    }

    /// The file to edit.
    pub fn edited(&self) -> &str {
        self.template.as_deref().unwrap_or(&self.file)
    }

    /// `StatefulSet shop/pg`
    pub fn display_name(&self) -> String {
        match self.namespace.as_str() {
            "" => plain::line(&format!("{} {}", self.kind, self.name)).into_owned(),
            namespace => plain::line(&format!("{} {namespace}/{}", self.kind, self.name)).into_owned(),
        }
    }
}

/// Identifies these parts, in 32 hexadecimal digits.
fn digest(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
        digest.update([0]);
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Checked objects.
    pub objects: usize,
    /// Findings that refuse, without known ones.
    pub deny: usize,
    /// Findings that warn, without known ones.
    pub warn: usize,
    /// Findings that are only recorded, without known ones.
    pub audit: usize,
    /// Policies that could not decide, once for each object.
    pub failures: usize,
    /// Policies that were not evaluated because of unknown objects, once for each object.
    pub unknown: usize,
    /// Files that could not be read.
    pub errors: usize,
    /// Objects of kinds that no policy checks.
    pub not_covered: usize,
    /// Documents that are not Kubernetes objects.
    pub foreign: usize,
    /// Known findings.
    pub known: usize,
    /// Findings that the previous version of their object already has, unless they are listed.
    pub earlier: usize,
}

impl Report {
    /// All findings that people are to look at, with their objects.
    pub fn news(&self) -> impl Iterator<Item = (&ReviewedObject, &Found)> {
        self.objects
            .iter()
            .flat_map(|object| object.findings.iter().map(move |found| (object, found)))
            .filter(|(_, found)| self.is_news(found))
    }

    /// Is the finding neither known nor one that the previous version of the object already has?
    pub fn is_news(&self, found: &Found) -> bool {
        !found.known && !self.is_earlier(found)
    }

    fn is_earlier(&self, found: &Found) -> bool {
        found.finding.pre_existing && !found.known && !self.lists_earlier
    }

    /// Adds the report of another part of the same run.
    pub fn append(&mut self, part: Self) {
        // Only an audit that lists everything consists of parts.
        let Self {
            profile: _,
            objects,
            policies,
            errors,
            warnings,
            not_covered,
            kinds_not_covered,
            foreign,
            lists_earlier: _,
            exceptions,
            notes,
            relaxed,
            totals: _,
        } = part;
        self.objects.extend(objects);
        self.policies.extend(policies);
        self.errors.extend(errors);
        self.warnings.extend(warnings);
        self.not_covered += not_covered;
        for (kind, objects) in kinds_not_covered {
            *self.kinds_not_covered.entry(kind).or_default() += objects;
        }
        self.foreign += foreign;
        self.exceptions.extend(exceptions);
        self.notes.extend(notes);
        self.relaxed.extend(relaxed);
    }

    /// The numbers of the report.
    pub fn summary(&self) -> Summary {
        let count = |action| self.news().filter(|(_, found)| found.finding.action == action).count();
        let all = || self.objects.iter().flat_map(|object| &object.findings);
        let listed = Summary {
            objects: self.objects.len(),
            deny: count(Action::Deny),
            warn: count(Action::Warn),
            audit: count(Action::Audit),
            failures: self.objects.iter().map(|object| object.failures.len()).sum(),
            unknown: self.objects.iter().map(|object| object.unknown.len()).sum(),
            errors: self.errors.len(),
            not_covered: self.not_covered,
            foreign: self.foreign,
            known: all().filter(|found| found.known).count(),
            earlier: all().filter(|found| self.is_earlier(found)).count(),
        };
        let Some(totals) = &self.totals else { return listed };
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Summary {
            objects: number(totals.kinds.values().map(|of| of.objects).sum()),
            deny: number(totals.deny),
            warn: number(totals.warn),
            audit: number(totals.audit),
            failures: number(totals.failures),
            unknown: number(totals.unknown.values().sum()),
            ..listed
        }
    }

    /// `Cluster.postgresql.cnpg.io (3), ConfigMap (2) and 4 more kinds`: what nobody judges, kinds that only this cluster
    /// knows first, since those of Kubernetes itself hold no data.
    pub fn kinds_passed_over(&self) -> String {
        const SHOWN: usize = 6;
        let is_own = |kind: &str| {
            kind.split_once('.').is_none_or(|(_, group)| !group.contains('.') || group.ends_with(".k8s.io"))
        };
        let mut kinds: Vec<(&str, usize)> =
            self.kinds_not_covered.iter().map(|(kind, objects)| (kind.as_str(), *objects)).collect();
        kinds.sort_by_key(|(kind, objects)| (is_own(kind), std::cmp::Reverse(*objects)));
        let named = |(kind, objects): &(&str, usize)| format!("{} ({objects})", plain::line(kind));
        let (shown, rest) = kinds.split_at(kinds.len().min(SHOWN));
        let shown = shown.iter().map(named).collect::<Vec<_>>().join(", ");
        match rest.len() {
            0 => shown,
            1 => format!("{shown} and 1 more kind"),
            more => format!("{shown} and {more} more kinds"),
        }
    }

    /// Was everything read, and could every policy decide?
    pub fn is_complete(&self) -> bool {
        self.errors.is_empty() && self.objects.iter().all(|object| object.failures.is_empty())
    }

    /// Is there a new finding with this action or a stricter one?
    pub fn has(&self, action: Action) -> bool {
        self.news().any(|(_, found)| found.finding.action >= action)
    }

    /// Did any policy fail in a way that refuses the object?
    pub fn failed(&self) -> bool {
        self.objects.iter().flat_map(|object| &object.failures).any(|(_, _, refuses)| *refuses)
    }
}
