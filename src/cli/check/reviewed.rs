//! What the report of a check says of one object.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::admission::Request;
use crate::cli::project::Project;
use crate::decision::{Decision, OBJECT_UNREADABLE};
use crate::path::{self, Segment};
use crate::policy::Action;
use crate::policy::binding::OnFailure;
use crate::report::{Excerpt, Found, ReviewedObject};
use crate::source::credentials::{self, Flagged};
use crate::source::manifests::{Manifest, Manifests};
use crate::source::unfilled::placeholder;

/// What a report says of an object.
pub fn reviewed_object(
    project: &Project,
    manifest: &Manifest,
    request: &Request,
    decision: Decision,
    hidden: &[Range<usize>],
) -> ReviewedObject {
    let aside = decision.exemption.map(|reason| format!("not checked like others: {}", reason.as_str()));
    let lowered = (!decision.lowered_by.is_empty())
        .then(|| format!("its annotations lower what it is held to: {}", decision.lowered_by.join(", ")));
    let mut object = ReviewedObject {
        api_version: manifest.api_version().to_owned(),
        kind: manifest.kind().to_owned(),
        name: request.name(),
        namespace: request.namespace.clone(),
        operation: request.operation,
        findings: Vec::new(),
        failures: decision
            .failures
            .into_iter()
            .map(|failure| (failure.policy, failure.cause.to_string(), failure.on_failure == OnFailure::Deny))
            .collect(),
        unknown: decision.unknown,
        waived: decision.waived,
        notes: decision.notes.into_iter().chain(aside).chain(lowered).collect(),
        patched_by: decision.patch.map(|patched| patched.policies).unwrap_or_default(),
        file: Arc::clone(&manifest.file.name),
        remedy: None,
        template: manifest.template.as_deref().map(Arc::from),
    };
    // What people edit, told from the root: the same wherever the run was started.
    let edited = project.relative(Path::new(object.edited())).display().to_string();
    for mut finding in decision.findings {
        if finding.policy.as_str() == OBJECT_UNREADABLE && holds_placeholder(manifest, &finding.path) {
            finding.action = Action::Warn;
            finding.message = format!(
                "{} holds a placeholder that nothing fills in: until then, nobody can check the object",
                path::dotted(&finding.path)
            );
            finding.fix =
                "check what is applied: render the manifests first, or give the placeholder a default".into();
        }
        let place = manifest.place(&finding.path);
        object.findings.push(Found {
            excerpt: Excerpt::of(
                &manifest.file.text,
                &place,
                if finding.sensitive { std::slice::from_ref(&EVERYTHING) } else { hidden },
            ),
            fingerprint: object.fingerprint(&edited, &finding),
            known: false,
            place,
            finding,
        });
    }
    object
}

/// Whether the field is a text that a tool fills in before it is applied.
fn holds_placeholder(manifest: &Manifest, field: &[Segment]) -> bool {
    let text = path::get(&manifest.object, field).and_then(serde_json::Value::as_str);
    manifest.written_for_tools && text.is_some_and(|text| placeholder(text).is_some())
}

/// Hides every excerpt.
const EVERYTHING: Range<usize> = 0..usize::MAX;

/// What of a file excerpts do not show. A file may be one long line, so what hides a line counts for every finding in
/// the file.
pub fn hidden(manifests: &Manifests, reviewed: &[(&Manifest, &Decision)]) -> Vec<Range<usize>> {
    if reviewed.iter().all(|(_, decision)| decision.findings.is_empty()) {
        return Vec::new();
    }
    let mut hidden: Vec<Range<usize>> = manifests.objects.iter().flat_map(credentials::places).collect();
    let mut flagged = Flagged::default();
    for (manifest, decision) in reviewed {
        for finding in decision.findings.iter().filter(|finding| finding.sensitive) {
            flagged.add(manifest, &finding.path);
            let around = finding.path.split_last().map(|(_, parent)| manifest.place(parent));
            hidden.extend(around.map(|around| around.start..around.end));
        }
    }
    // All objects of a source are in one text.
    if let Some((manifest, _)) = reviewed.first() {
        hidden.extend(flagged.ranges(&manifest.file.text));
    }
    hidden
}
