//! Objects that are not known because several files hold versions of them: named, with their files.

use std::path::PathBuf;

use serde_json::Value;

use super::pipeline::ReviewedSource;
use crate::admission::{GroupKind, ObjectRef};
use crate::plain;
use crate::source::manifests::{Manifest, Manifests, STDIN};
use crate::source::scopes::Scopes;
use crate::source::tree::Source;

/// Where the manifests of a source lie.
pub fn place_of(source: &Source) -> PathBuf {
    match source {
        Source::Stdin => PathBuf::from(STDIN),
        Source::File(path) => path.clone(),
        Source::Rendered(rendered) => rendered.directory.clone(),
    }
}

/// A note for each of these objects that an object of the source may be about.
pub fn told(
    doubtful: &[ObjectRef],
    scopes: &Scopes,
    manifests: &Manifests,
    reviewed: &mut ReviewedSource,
) -> Vec<String> {
    let mut notes = Vec::new();
    for object in doubtful {
        let is_namespace = object.kind == GroupKind::new("v1", "Namespace");
        let kind = object.kind.to_string();
        let unjudged = || {
            let mut unknown = reviewed.report.objects.iter().flat_map(|object| &object.unknown);
            unknown.any(|unknown| unknown.missing.contains(&kind))
        };
        let names = |manifest: &Manifest| says(&manifest.object, &object.name);
        let concerns = match is_namespace {
            true => reviewed.unknown_namespaces.contains(&object.name),
            false => unjudged() || manifests.objects.iter().any(names),
        };
        if concerns {
            let files = files(scopes.places(object));
            notes.push(format!(
                "{} {} differs between {files}, and none of them is nearer than the others: what it says is not known",
                object.kind.kind, object.name
            ));
        }
        if is_namespace && concerns {
            // The note above says it better than one that asks for another Namespace.
            reviewed.unknown_namespaces.retain(|name| *name != object.name);
        }
    }
    notes
}

/// Is this text a value anywhere in the object?
fn says(value: &Value, text: &str) -> bool {
    let (mut waiting, mut found) = (vec![value], false);
    while let Some(value) = waiting.pop()
        && !found
    {
        match value {
            Value::String(said) => found = said == text,
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => waiting.extend(fields.values()),
            _ => {}
        }
    }
    found
}

fn files(places: &[PathBuf]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<_> = places.iter().take(SHOWN).map(|path| plain::path(path).to_string()).collect();
    match places.len().saturating_sub(SHOWN) {
        0 => shown.join(" and "),
        more => format!("{} and {more} more files", shown.join(", ")),
    }
}
