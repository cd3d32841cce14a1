//! The objects of a directory that a program renders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::kustomization::{collected, is_kustomization, made_of};
use super::manifests::Manifests;
use super::render::{RenderOptions, Renderer};
use super::tree::{Rendered, is_manifest};
use crate::diagnostic::Diagnostic;
use crate::yaml::RepeatedKeys;

impl Manifests {
    /// Renders a directory. If it cannot be rendered and only collects others, those are rendered one by one, so that
    /// one of them hides nothing but itself.
    pub(super) fn rendered(root: &Rendered, options: &RenderOptions) -> Self {
        let (mut all, mut of_root) = (Self::default(), Vec::new());
        let of_whole = options.destinations.of(&root.directory);
        let (mut waiting, mut seen) = (vec![root.clone()], BTreeSet::from([root.directory.clone()]));
        while let Some(rendered) = waiting.pop() {
            let errors = match rendered.render(options) {
                Ok(bytes) => {
                    let namespace = options.destinations.of(&rendered.directory).or(of_whole);
                    all.append(Self::of_output(&rendered, &bytes, namespace));
                    continue;
                }
                Err(errors) => errors,
            };
            let collected = match rendered.renderer {
                Renderer::Kustomize => collected(&rendered.directory, &rendered.boundary),
                Renderer::Helm => None,
            };
            let Some(collected) = collected else {
                all.errors.extend(errors);
                all.lost.insert(rendered.directory.clone(), unrendered(&rendered));
                continue;
            };
            // What is wrong with its parts, they tell themselves, except for charts.
            let own = rendered.template(None).display().to_string();
            let is_own = |error: &&Diagnostic| collected.with_charts || *error.source == own;
            all.errors.extend(errors.iter().filter(is_own).cloned());
            if rendered == *root {
                of_root = errors;
            }
            collected.files.into_iter().for_each(|file| all.append(Self::read(&[file])));
            for directory in collected.directories {
                if seen.insert(directory.clone()) {
                    let files = made_of(&directory, &BTreeMap::new(), &root.boundary).files;
                    waiting.push(Rendered { directory, files, ..root.clone() });
                }
            }
        }
        if all.errors.is_empty() {
            all.errors = of_root;
        }
        all
    }

    /// The objects that a program wrote. `namespace`: where a deploy tool puts those that name none.
    fn of_output(rendered: &Rendered, bytes: &[u8], namespace: Option<&str>) -> Self {
        let mut all = Self::default();
        let repeated_keys = match rendered.renderer {
            Renderer::Helm => RepeatedKeys::LastCounts,
            Renderer::Kustomize => RepeatedKeys::Ambiguous,
        };
        all.add_text(rendered.name(), bytes, true, repeated_keys);
        // People edit the file that it was rendered from.
        let text = String::from_utf8_lossy(bytes);
        for error in all.errors.iter_mut().chain(&mut all.warnings).filter(|error| error.line > 0) {
            let template = rendered.template(helm_source(&text, error.line));
            let (name, line) = (&error.source, error.line);
            error.message = format!("{} (line {line} of {name})", error.message);
            error.source = template.display().to_string().into();
            (error.line, error.column) = (0, 0);
        }
        for manifest in &mut all.objects {
            if rendered.renderer == Renderer::Helm {
                installed(Arc::make_mut(&mut manifest.object));
            }
            let template = rendered.template(manifest.template.as_deref());
            manifest.template = Some(template.display().to_string());
            manifest.deployed_to = namespace.map(Into::into);
        }
        all
    }
}

/// Gives an object the label that `helm install` gives to all but hooks, and `helm template` leaves out
/// (`setMetadataVisitor` in Helm's `pkg/action/validate.go`).
fn installed(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if metadata.get("annotations").is_some_and(|annotations| annotations.get("helm.sh/hook").is_some()) {
        return;
    }
    let labels = metadata.entry("labels").or_insert(Value::Null);
    if labels.is_null() {
        *labels = Value::Object(Map::new());
    }
    if let Some(labels) = labels.as_object_mut() {
        labels.insert("app.kubernetes.io/managed-by".to_owned(), "Helm".into());
    }
}

/// The manifests that a directory would have been rendered from.
fn unrendered(rendered: &Rendered) -> BTreeSet<PathBuf> {
    let mut files = rendered.files.clone();
    if rendered.renderer == Renderer::Kustomize {
        let patches = made_of(&rendered.directory, &BTreeMap::new(), &rendered.boundary).patches;
        files.retain(|file| is_manifest(file) && !is_kustomization(file) && !patches.contains(file));
    }
    files
}

/// The template of which helm says that it made this line of a text.
fn helm_source(text: &str, line: usize) -> Option<&str> {
    let before: Vec<&str> = text.lines().take(line).collect();
    let document = before.iter().rev().take_while(|line| !line.starts_with("---"));
    document.filter_map(|line| line.strip_prefix("# Source: ")).last().map(str::trim)
}
