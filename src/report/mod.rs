//! What a run found, and how it is shown.

pub mod json;
pub mod junit;
pub mod page;
pub mod text;

use std::ops::Range;

use serde::Serialize;

use crate::admission::Operation;
use crate::decision::{Finding, Unknown, Waived};
use crate::diagnostic::{Diagnostic, SourceText};
use crate::policy::{Action, PolicyId};
use crate::yaml::Place;

/// Everything that one run of `check` has to say.
#[derive(Debug, Default)]
pub struct Report {
    /// The profile that judged.
    pub profile: String,
    /// Judged objects, in the order of their files.
    pub objects: Vec<Judged>,
    /// What could not be read.
    pub errors: Vec<Diagnostic>,
    /// Objects of kinds that no policy judges.
    pub not_covered: usize,
    /// Documents that are no Kubernetes object.
    pub foreign: usize,
    /// What the reader should know of the run as a whole.
    pub notes: Vec<String>,
}

/// One object and what was found.
#[derive(Debug)]
pub struct Judged {
    /// `apps/v1`
    pub api_version: String,
    /// `StatefulSet`
    pub kind: String,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// CREATE, or UPDATE where an old version is known.
    pub operation: Operation,
    /// The file it is in.
    pub file: SourceText,
    /// Where in the file something stands that may be a credential: no report shows it.
    pub hidden: Vec<Range<usize>>,
    /// What was found, and where in the file.
    pub findings: Vec<(Finding, Place)>,
    /// Policies that could not decide: which, why, and whether that refuses the object.
    pub failures: Vec<(PolicyId, String, bool)>,
    /// Policies that could not be asked because other objects that they need are not known.
    pub unknown: Vec<Unknown>,
    /// Policies that were waived.
    pub waived: Vec<Waived>,
    /// What its user should know: a skip annotation that does not count.
    pub notes: Vec<String>,
    /// Policies that would add something at admission.
    pub patched_by: Vec<PolicyId>,
}

impl Judged {
    /// `StatefulSet shop/pg`
    pub fn display_name(&self) -> String {
        match self.namespace.as_str() {
            "" => format!("{} {}", self.kind, self.name),
            namespace => format!("{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// Numbers of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct Summary {
    pub objects: usize,
    pub deny: usize,
    pub warn: usize,
    pub audit: usize,
    pub failures: usize,
    pub unknown: usize,
    pub errors: usize,
    pub not_covered: usize,
    pub foreign: usize,
}

impl Report {
    /// How much of what.
    pub fn summary(&self) -> Summary {
        let findings = || self.objects.iter().flat_map(|object| &object.findings);
        let count = |action| findings().filter(|(finding, _)| finding.action == action).count();
        Summary {
            objects: self.objects.len(),
            deny: count(Action::Deny),
            warn: count(Action::Warn),
            audit: count(Action::Audit),
            failures: self.objects.iter().map(|object| object.failures.len()).sum(),
            unknown: self.objects.iter().map(|object| object.unknown.len()).sum(),
            errors: self.errors.len(),
            not_covered: self.not_covered,
            foreign: self.foreign,
        }
    }

    /// Is there a finding of this action or a stricter one?
    pub fn has(&self, action: Action) -> bool {
        self.objects.iter().flat_map(|object| &object.findings).any(|(finding, _)| finding.action >= action)
    }

    /// Did a policy fail whose failure refuses the object?
    pub fn failed(&self) -> bool {
        self.objects.iter().flat_map(|object| &object.failures).any(|(_, _, refuses)| *refuses)
    }
}
