//! The objects of a directory that a program renders.

use std::collections::{BTreeMap, BTreeSet};

use super::kustomization::{collected, made_of};
use super::manifests::Manifests;
use super::render::{RenderOptions, Renderer};
use super::tree::Rendered;

impl Manifests {
    /// Renders a directory. If it cannot be rendered and only collects others, those are rendered one by one, so that
    /// one of them hides nothing but itself.
    pub(super) fn rendered(root: &Rendered, options: &RenderOptions) -> Self {
        let (mut all, mut of_root) = (Self::default(), Vec::new());
        let (mut waiting, mut seen) = (vec![root.clone()], BTreeSet::from([root.directory.clone()]));
        while let Some(rendered) = waiting.pop() {
            let errors = match rendered.render(options) {
                Ok(bytes) => {
                    all.append(Self::of_output(&rendered, &bytes));
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
                all.lost.insert(rendered.directory, rendered.files);
                continue;
            };
            // What is wrong with its parts, they tell themselves.
            let own = rendered.template(None).display().to_string();
            all.errors.extend(errors.iter().filter(|error| *error.source == own).cloned());
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

    /// The objects that a program wrote.
    fn of_output(rendered: &Rendered, bytes: &[u8]) -> Self {
        let mut all = Self::default();
        all.add(rendered.name(), bytes);
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
            let template = rendered.template(manifest.template.as_deref());
            manifest.template = Some(template.display().to_string());
        }
        all
    }
}

/// The template of which helm says that it made this line of a text.
fn helm_source(text: &str, line: usize) -> Option<&str> {
    let before: Vec<&str> = text.lines().take(line).collect();
    let document = before.iter().rev().take_while(|line| !line.starts_with("---"));
    document.filter_map(|line| line.strip_prefix("# Source: ")).last().map(str::trim)
}
