//! Applies the patches to the texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::admission::Request;
use crate::decision::{Decision, Patched};
use crate::diagnostic::Diagnostic;
use crate::path;
use crate::policy::PolicyId;
use crate::source::manifests::Manifest;
use crate::yaml::edit::{Change, Refusal, edit};

/// An object, its request and the decision.
pub struct ReviewedManifest {
    pub manifest: Manifest,
    pub request: Arc<Request>,
    pub decision: Decision,
}

/// An object whose text is patched.
pub struct Fixed {
    pub file: Arc<str>,
    pub object: String,
    pub policies: Vec<PolicyId>,
    /// The template that Helm rendered it from.
    pub template: Option<String>,
}

/// The patched texts.
#[derive(Default)]
pub struct Planned {
    /// By file name.
    pub texts: BTreeMap<Arc<str>, String>,
    pub fixed: Vec<Fixed>,
    /// Patches that cannot be made in their text.
    pub refusals: Vec<Diagnostic>,
}

/// Applies all patches to the texts.
pub fn plan(judged: &[ReviewedManifest]) -> Planned {
    let mut planned = Planned::default();
    let patched: Vec<(&ReviewedManifest, &Patched)> =
        judged.iter().filter_map(|judged| Some((judged, judged.decision.patch.as_ref()?))).collect();
    // Objects of one file follow each other.
    for group in patched.chunk_by(|(a, _), (b, _)| a.manifest.file.name == b.manifest.file.name) {
        let Some((first, _)) = group.first() else { continue };
        let file = &first.manifest.file;
        let changes: Vec<Change> =
            group.iter().map(|(judged, patched)| judged.manifest.change(&patched.object)).collect();
        let all = edit(&file.text, &changes);
        let mut text = file.text.to_string();
        for ((judged, patched), change) in group.iter().zip(changes) {
            // If they cannot be made together, each is made on its own.
            let made = match &all {
                Ok(after) => Ok(after.clone()),
                Err(_) => edit(&text, &[change]),
            };
            match made {
                Ok(after) => {
                    text = after;
                    planned.fixed.push(Fixed {
                        file: Arc::clone(&file.name),
                        object: judged.request.display_name(),
                        policies: patched.policies.clone(),
                        template: judged.manifest.template.clone(),
                    });
                }
                Err(refusal) => planned.refusals.push(refused(judged, patched, refusal)),
            }
        }
        planned.texts.insert(Arc::clone(&file.name), text);
    }
    planned
}

fn refused(judged: &ReviewedManifest, patched: &Patched, refusal: Refusal) -> Diagnostic {
    let policies: Vec<&str> = patched.policies.iter().map(PolicyId::as_str).collect();
    let message = format!(
        "{} is unchanged ({}): {}",
        judged.request.display_name(),
        policies.join(", "),
        refusal.reason
    );
    let by_hand: Vec<String> = patched.operations.iter().map(by_hand).collect();
    judged
        .manifest
        .file
        .error(refusal.line, 0, message)
        .with_help(format!("change by hand: {}", by_hand.join("; ")))
}

fn by_hand(operation: &json_patch::PatchOperation) -> String {
    use json_patch::PatchOperation::{Add, Remove, Replace};
    let place = |pointer: &dyn std::fmt::Display| path::dotted(&path::from_pointer(&pointer.to_string()));
    let set = |pointer: &dyn std::fmt::Display, value: &Value| format!("{}: {value}", place(pointer));
    match operation {
        Add(add) => set(&add.path, &add.value),
        Replace(replace) => set(&replace.path, &replace.value),
        Remove(remove) => format!("remove {}", place(&remove.path)),
        other => other.to_string(),
    }
}
