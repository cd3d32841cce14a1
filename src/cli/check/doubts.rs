//! Objects that are not known because several files hold versions of them: named, with their files.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::Value;

use super::pipeline::ReviewedSource;
use crate::admission::{GroupKind, ObjectRef};
use crate::plain;
use crate::source::manifests::{Manifests, STDIN};
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
    if doubtful.is_empty() {
        return notes;
    }
    let unknown = reviewed.report.objects.iter().flat_map(|object| &object.unknown);
    let unjudged: HashSet<String> = unknown.flat_map(|unknown| &unknown.missing).cloned().collect();
    let said: HashSet<&str> = manifests.objects.iter().flat_map(|manifest| texts(&manifest.object)).collect();
    for object in doubtful {
        let is_namespace = object.kind == GroupKind::new("v1", "Namespace");
        let concerns = match is_namespace {
            true => reviewed.unknown_namespaces.contains(&object.name),
            false => unjudged.contains(&object.kind.to_string()) || said.contains(object.name.as_str()),
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

/// All values of the object that are texts.
fn texts(value: &Value) -> Vec<&str> {
    let (mut waiting, mut found) = (vec![value], Vec::new());
    while let Some(value) = waiting.pop() {
        match value {
            Value::String(said) => found.push(said.as_str()),
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => waiting.extend(fields.values()),
            _ => {}
        }
    }
    found
}

fn files(places: &[(PathBuf, usize)]) -> String {
    const SHOWN: usize = 4;
    // Two in one file are told apart by their lines.
    let again = |path: &PathBuf| places.iter().filter(|(other, _)| other == path).count() > 1;
    let place = |(path, line): &(PathBuf, usize)| match line {
        line if *line > 0 && again(path) => format!("{}:{line}", plain::path(path)),
        _ => plain::path(path).to_string(),
    };
    let shown: Vec<_> = places.iter().take(SHOWN).map(place).collect();
    match places.len().saturating_sub(SHOWN) {
        0 => shown.join(" and "),
        1 => format!("{} and another place", shown.join(", ")),
        more => format!("{} and {more} other places", shown.join(", ")),
    }
}
