//! The worst results of an audit as a report for people. It is bounded; the numbers count everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{AuditResults, Listed, Outcome, Subject};
use crate::admission::Operation;
use crate::decision::{Finding, Waived};
use crate::diagnostic::SourceText;
use crate::path;
use crate::policy::{Action, Severity};
use crate::policyset::PolicySet;
use crate::report::{Excerpt, Found, Report, ReviewedObject, Totals};
use crate::yaml::SourceSpan;

/// Results that the report lists.
const RESULTS: usize = 2000;
/// Bytes of their texts.
const BYTES: usize = 2 << 20;

impl AuditResults {
    /// The worst results, of an audit that began at this time.
    pub fn worst(&self, set: &PolicySet, began: Timestamp) -> Report {
        let mut all: Vec<&Listed> = self.namespaces.values().flat_map(|of| &of.listed).collect();
        all.sort_unstable();
        let mut report = Report { profile: set.profile().to_owned(), ..Report::default() };
        let mut objects: BTreeMap<&Arc<Subject>, ReviewedObject> = BTreeMap::new();
        let (mut bytes, mut listed) = (0, 0);
        for result in all.into_iter().take(RESULTS) {
            bytes += result.bytes();
            if bytes > BYTES {
                break;
            }
            listed += 1;
            match &result.subject {
                Some(subject) => {
                    let object = objects.entry(subject).or_insert_with(|| empty(subject));
                    result.add_to(object, set);
                    if let Some(policy) = set.policy(result.policy.as_str()) {
                        report.policies.entry(policy.id.clone()).or_insert_with(|| policy.clone());
                    }
                }
                None => {
                    report.errors.push(SourceText::new("cluster", "").error(0, 0, result.message.clone()))
                }
            }
        }
        report.objects = objects.into_values().collect();
        let mut totals = Totals { at: Some(began), ..self.numbers.clone() };
        let mut results = 0;
        for of in self.namespaces.values() {
            results += of.counts.results();
            for ((policy, reason), objects) in &of.unknown {
                results -= *objects;
                *totals.unknown.entry((policy.clone(), reason.clone())).or_default() += *objects;
            }
        }
        totals.not_listed = results.saturating_sub(listed);
        report.totals = Some(totals);
        report
    }
}

impl Listed {
    fn add_to(&self, object: &mut ReviewedObject, set: &PolicySet) {
        let property = |name: &str| self.properties.get(name).cloned().unwrap_or_default();
        match self.outcome {
            Outcome::Fail | Outcome::Warn => {
                let policy = set.policy(self.policy.as_str());
                let path = property("path");
                let finding = Finding {
                    policy: self.policy.clone(),
                    title: policy.map_or_else(|| self.policy.as_str().into(), |policy| policy.title.clone()),
                    severity: self.severity.0.unwrap_or(Severity::Low),
                    action: match (self.outcome, property("action").as_str()) {
                        (Outcome::Fail, _) => Action::Deny,
                        (_, "audit") => Action::Audit,
                        _ => Action::Warn,
                    },
                    binding: Some(property("binding")).filter(|name| !name.is_empty()).map(Into::into),
                    pre_existing: false,
                    message: self.message.clone(),
                    key: format!("{path} {}", self.message),
                    path: path::from_pointer(&path),
                    fix: property("fix"),
                    why: policy.and_then(|policy| policy.why.clone()),
                    docs: Some(property("docs")).filter(|docs| !docs.is_empty()),
                    details: None,
                    sensitive: false,
                };
                object.findings.push(Found {
                    fingerprint: object.fingerprint("", &finding),
                    finding,
                    place: SourceSpan::default(),
                    excerpt: Excerpt::default(),
                    known: false,
                });
            }
            Outcome::Error => {
                let refuses = property(super::ON_FAILURE) == "deny";
                object.failures.push((self.policy.clone(), self.message.clone(), refuses));
            }
            Outcome::Skip => object.waived.push(Waived {
                policy: self.policy.clone(),
                exception: self.properties.get("exception").cloned(),
                reason: self.message.clone(),
            }),
        }
    }
}

fn empty(subject: &Subject) -> ReviewedObject {
    ReviewedObject {
        api_version: subject.api_version.clone(),
        kind: subject.kind.clone(),
        namespace: subject.namespace.clone(),
        name: subject.name.clone(),
        operation: Operation::Create,
        // It is not in a file, and has no lines.
        file: "".into(),
        template: None,
        findings: Vec::new(),
        failures: Vec::new(),
        unknown: Vec::new(),
        waived: Vec::new(),
        notes: Vec::new(),
        patched_by: Vec::new(),
        remedy: None,
    }
}
