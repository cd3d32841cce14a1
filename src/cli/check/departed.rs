//! What only the previous version has: a tool that prunes deletes it.

use std::collections::BTreeSet;

use super::previous::Departed;
use crate::plain;
use crate::source::manifests::Manifest;

/// The most objects that a note names.
const MOST: usize = 5;

/// A kind, which objects of it a note is about, and what becomes of their data.
type Concern = (&'static str, fn(&Manifest) -> bool, &'static str);

/// Notes on data that a tool takes along if it deletes what the manifests no longer have.
pub fn told(departed: &[Departed<'_>], namespace: &str) -> Vec<String> {
    let kinds: [Concern; 4] = [
        ("StatefulSet", deletes_claims, "with its claims (whenDeleted: Delete)"),
        ("StatefulSet", keeps_claims, "and leaves its claims"),
        ("PersistentVolumeClaim", |_| true, "with its disk, unless the reclaim policy is Retain"),
        ("Namespace", |_| true, "with all claims in it"),
    ];
    let note = |(kind, concerns, consequence): Concern| {
        let gone = departed.iter().map(|gone| gone.manifest);
        let gone = gone.filter(|gone| gone.kind() == kind && concerns(gone) && !stays(gone));
        let names: BTreeSet<String> = gone.map(|gone| name(gone, namespace)).collect();
        let shown: Vec<&str> = names.iter().take(MOST).map(String::as_str).collect();
        let more = match names.len().checked_sub(MOST) {
            Some(more) if more > 0 => format!(" and {more} more"),
            _ => String::new(),
        };
        (!names.is_empty()).then(|| {
            let (shown, each) = (shown.join(", "), if names.len() == 1 { "it" } else { "each" });
            format!(
                "only the previous version has {shown}{more}: a tool that prunes deletes {each} {consequence}"
            )
        })
    };
    kinds.into_iter().filter_map(note).collect()
}

fn name(gone: &Manifest, namespace: &str) -> String {
    let reference = gone.reference(namespace);
    let (kind, name) = (gone.kind(), &reference.name);
    let place = &reference.namespace;
    let text = if place.is_empty() || kind == "Namespace" {
        format!("{kind} {name}")
    } else {
        format!("{kind} {place}/{name}")
    };
    plain::line(&text).into_owned()
}

fn has_templates(gone: &Manifest) -> bool {
    let templates = gone.object.pointer("/spec/volumeClaimTemplates").and_then(|list| list.as_array());
    templates.is_some_and(|templates| !templates.is_empty())
}

fn deletes_claims(gone: &Manifest) -> bool {
    let said = gone.object.pointer("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted");
    has_templates(gone) && said.and_then(|said| said.as_str()) == Some("Delete")
}

fn keeps_claims(gone: &Manifest) -> bool {
    has_templates(gone) && !deletes_claims(gone)
}

/// Whether Argo CD, Flux or Helm is told to leave it.
fn stays(gone: &Manifest) -> bool {
    let annotations = gone.object.pointer("/metadata/annotations").and_then(|all| all.as_object());
    let says = |key: &str| annotations.and_then(|all| all.get(key)?.as_str()).unwrap_or_default();
    says("argocd.argoproj.io/sync-options").split(',').any(|option| option.trim() == "Prune=false")
        || says("kustomize.toolkit.fluxcd.io/prune") == "disabled"
        || says("helm.sh/resource-policy") == "keep"
}
