//! The data of the page's script. Objects and policies are stored once; findings refer to them by index.

use std::collections::BTreeMap;

use serde::Serialize;

use super::visible;
use crate::path;
use crate::policy::{Action, Severity};
use crate::report::location::{self, Fingerprints};
use crate::report::{Excerpt, Report, ReviewedObject};

/// The findings of a report, with their policies and objects.
#[derive(Serialize)]
pub struct Data {
    policies: Vec<Policy>,
    objects: Vec<Object>,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Policy {
    id: String,
    title: String,
    /// Why a violation matters, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    description: String,
    category: String,
    docs: Vec<String>,
}

#[derive(Serialize)]
struct Object {
    name: String,
    namespace: String,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
}

#[derive(Serialize)]
struct Finding {
    policy: usize,
    object: usize,
    action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<String>,
    severity: Severity,
    message: String,
    fix: String,
    field: String,
    line: usize,
    column: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    before: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    known: bool,
    /// Is it shown at first?
    news: bool,
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    snippet: Option<Snippet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<String>,
}

#[derive(Serialize)]
struct Snippet {
    first: usize,
    before: String,
    node: String,
    after: String,
}

/// The category of findings without a policy, such as an object that cannot be read.
pub const NO_CATEGORY: &str = "reading";

/// The data of a report, worst findings first.
pub fn of(report: &Report) -> Data {
    let all = location::worst_first(report);
    let mut policies: BTreeMap<&str, Policy> = BTreeMap::new();
    for (_, found) in &all {
        let finding = &found.finding;
        policies.entry(finding.policy.as_str()).or_insert_with(|| {
            let policy = report.policies.get(&finding.policy);
            Policy {
                id: visible(finding.policy.as_str()),
                title: visible(&finding.title),
                why: finding.why.as_deref().map(visible),
                description: policy.map(|policy| visible(&policy.description)).unwrap_or_default(),
                category: policy.map_or_else(|| NO_CATEGORY.to_owned(), |policy| visible(&policy.category)),
                docs: policy
                    .map_or_else(|| finding.docs.iter().cloned().collect(), |policy| policy.related.clone())
                    .iter()
                    .map(|link| visible(link))
                    .collect(),
            }
        });
    }
    let policy_at: BTreeMap<&str, usize> =
        policies.keys().enumerate().map(|(index, id)| (*id, index)).collect();
    let object_at: BTreeMap<*const ReviewedObject, usize> = report
        .objects
        .iter()
        .enumerate()
        .map(|(index, object)| (std::ptr::from_ref(object), index))
        .collect();
    let mut fingerprints = Fingerprints::default();
    let findings = all
        .into_iter()
        .map(|(object, found)| {
            let finding = &found.finding;
            Finding {
                policy: policy_at.get(finding.policy.as_str()).copied().unwrap_or_default(),
                object: object_at.get(&std::ptr::from_ref(object)).copied().unwrap_or_default(),
                action: finding.action,
                binding: finding.binding.as_deref().map(visible),
                severity: finding.severity,
                message: visible(&finding.message),
                fix: visible(&finding.fix),
                field: visible(&path::dotted(&finding.path)),
                line: found.place.line.max(1),
                column: found.place.column.max(1),
                before: finding.pre_existing,
                known: found.known,
                news: report.is_news(found),
                fingerprint: fingerprints.of(found),
                snippet: snippet(&found.excerpt),
                details: finding
                    .details
                    .as_ref()
                    .and_then(|details| serde_json::to_string_pretty(details).ok())
                    .map(|details| visible(&details)),
            }
        })
        .collect();
    let objects = report.objects.iter().map(|object| Object {
        name: visible(&object.display_name()),
        namespace: visible(&object.namespace),
        file: visible(&object.file),
        template: object.template.as_deref().map(visible),
    });
    Data { objects: objects.collect(), findings, policies: policies.into_values().collect() }
}

fn snippet(excerpt: &Excerpt) -> Option<Snippet> {
    let part = |range: std::ops::Range<usize>| excerpt.lines.get(range).map(visible);
    if excerpt.lines.is_empty() {
        return None;
    }
    Some(Snippet {
        first: excerpt.first_line,
        before: part(0..excerpt.node.start)?,
        node: part(excerpt.node.clone())?,
        after: part(excerpt.node.end..excerpt.lines.len())?,
    })
}
