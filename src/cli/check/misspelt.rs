//! Misspelt fields: told once each, at their line, and named by the findings that come from them.

use std::sync::Arc;

use super::pipeline::Pipeline;
use crate::admission::{Object, Request, ReviewMode};
use crate::decision::{Decision, Finding, OBJECT_UNREADABLE};
use crate::inventory::Inventory;
use crate::path;
use crate::plain;
use crate::policy::PolicyId;
use crate::report::Report;
use crate::source::fields::{Misspelt, corrected, misspelt};
use crate::source::manifests::Manifest;

/// Adds a warning for each misspelt field to the report. A finding that is gone once the names are right has the right
/// names as its fix: whatever else it says is about an object that nobody means.
pub async fn told(
    pipeline: &Pipeline,
    inventory: &Inventory,
    manifests: &[&Manifest],
    requests: &[Arc<Request>],
    mut decisions: Vec<Decision>,
    mode: ReviewMode,
    report: &mut Report,
) -> anyhow::Result<Vec<Decision>> {
    let (mut wrong, mut right) = (Vec::new(), Vec::new());
    for (at, (manifest, request)) in manifests.iter().zip(requests).enumerate() {
        let fields = misspelt(&manifest.object);
        if fields.is_empty() {
            continue;
        }
        tell(manifest, &fields, report);
        let object = request.object.as_ref().map(|_| Object::from(corrected(&manifest.written(), &fields)));
        right.push(Arc::new(Request { object, ..Request::clone(request) }));
        wrong.push((at, fields));
    }
    if right.is_empty() {
        return Ok(decisions);
    }
    let corrected = pipeline.pool.review(inventory, &right, mode).await?;
    for ((at, fields), corrected) in wrong.into_iter().zip(corrected) {
        let undecided = |policy: &PolicyId| {
            corrected.failures.iter().any(|failure| failure.policy == *policy)
                || corrected.unknown.iter().any(|unknown| unknown.policy == *policy)
        };
        let unreadable = |finding: &Finding| finding.policy.as_str() == OBJECT_UNREADABLE;
        if corrected.findings.iter().any(unreadable) {
            continue;
        }
        let stays = |finding: &Finding| {
            let mut left = corrected.findings.iter();
            undecided(&finding.policy)
                || left.any(|other| other.policy == finding.policy && other.key == finding.key)
        };
        let (Some(decision), Some(manifest)) = (decisions.get_mut(at), manifests.get(at)) else { continue };
        for finding in decision.findings.iter_mut().filter(|finding| !stays(finding)) {
            finding.fix = fix(manifest, &fields);
        }
    }
    Ok(decisions)
}

/// The most misspelt fields of one object that are told one by one.
const TOLD: usize = 20;

/// Tells the misspelt fields of an object that only says something about others, such as a Namespace.
pub fn told_of_context(manifest: &Manifest, report: &mut Report) {
    tell(manifest, &misspelt(&manifest.object), report);
}

fn tell(manifest: &Manifest, fields: &[Misspelt], report: &mut Report) {
    let told = fields.iter().take(TOLD).enumerate().map(|(at, field)| {
        let place = manifest.place(&field.path);
        let more = match fields.len().saturating_sub(TOLD) {
            more if more > 0 && at + 1 == TOLD => format!("; so it is with {more} more of this object"),
            _ => String::new(),
        };
        let message = format!(
            "{} is no field: kubectl refuses it, or the API server drops it{more}",
            path::dotted(&field.path)
        );
        let help = format!("did you mean {}?", field.right);
        manifest.file.error(place.line, place.column, message).with_help(help)
    });
    report.warnings.extend(told);
}

fn fix(manifest: &Manifest, fields: &[Misspelt]) -> String {
    let named = |field: &Misspelt| {
        let line = manifest.place(&field.path).line;
        format!("{} (line {line}) to {}", plain::line(&field.wrong), field.right)
    };
    let names = if fields.len() == 1 { "the wrong name" } else { "wrong names" };
    let fields = fields.get(..TOLD).unwrap_or(fields);
    format!(
        "Correct {}: this finding comes from {names}",
        fields.iter().map(named).collect::<Vec<_>>().join(", ")
    )
}
