//! `--old`: the previous version of the manifests, read in the same way as the present one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pipeline::{concerns, name_of};
use crate::cli::project::Project;
use crate::cli::review_pool::{ReviewPool, blocking};
use crate::cli::sources::SourceArguments;
use crate::diagnostic::Diagnostic;
use crate::source::destinations::Destinations;
use crate::source::manifests::Manifests;
use crate::source::render::{RenderOptions, Renderer};
use crate::source::tree::{Source, tidy};
use crate::source::{broken, guarded};

/// The previous version.
#[derive(Default)]
pub struct Old {
    pub roots: Vec<PathBuf>,
    pub parts: Vec<(Source, Manifests)>,
    /// What of it cannot be read.
    pub errors: Vec<Diagnostic>,
}

impl Old {
    /// Whether there is one, but nothing in it.
    pub fn is_empty(&self) -> bool {
        let objects = self.parts.iter().map(|(_, manifests)| manifests.objects.len()).sum::<usize>();
        !self.roots.is_empty() && self.errors.is_empty() && objects == 0
    }

    /// Reads it; `present` is what follows it, and `render` is how its directories are rendered, if they are.
    /// `deployed`: its own deploy tools say to which namespaces.
    pub fn read(
        paths: &[PathBuf],
        sources: &SourceArguments,
        project: &Project,
        present: &[&Source],
        render: Option<&RenderOptions>,
        deployed: bool,
        pool: &Arc<ReviewPool>,
    ) -> anyhow::Result<Self> {
        let roots: Vec<PathBuf> = paths.iter().map(|path| tidy(&project.shown(path))).collect();
        if roots.is_empty() {
            return Ok(Self::default());
        }
        let tree = sources.previous_tree(&roots, project, render.is_some());
        let mut options = render.cloned().unwrap_or_default();
        options.destinations = match deployed {
            true => Destinations::of_sources(&tree.sources),
            false => Destinations::default(),
        };
        if let Some((old, new)) = one_chart(&roots, &tree.sources, present) {
            options.named_after.insert(old, new);
        }
        let options = Arc::new(options);
        let read = |source: Source| {
            let (options, pool) = (Arc::clone(&options), Arc::clone(pool));
            blocking(move || {
                let read = guarded(|| Manifests::of(&source, &options));
                let mut manifests = read.unwrap_or_else(|| Manifests {
                    errors: vec![broken(&name_of(&source))],
                    ..Manifests::default()
                });
                manifests.spare(|kind| concerns(pool.set(), kind));
                (source, manifests)
            })
        };
        let mut old = Self { roots, errors: tree.errors, parts: pool.each(tree.sources, read, || ())? };
        old.errors
            .extend(old.parts.iter_mut().flat_map(|(_, manifests)| std::mem::take(&mut manifests.errors)));
        Ok(old)
    }
}

/// Two charts that are roots themselves: the release of both is named after the present one, since the names of their
/// directories may be those of two checkouts.
fn one_chart(roots: &[PathBuf], old: &[Source], present: &[&Source]) -> Option<(PathBuf, PathBuf)> {
    let chart = |source: &Source| match source {
        Source::Rendered(rendered) if rendered.renderer == Renderer::Helm => Some(rendered.directory.clone()),
        _ => None,
    };
    let only = |mut all: Vec<PathBuf>| all.pop().filter(|_| all.is_empty());
    let old = only(old.iter().filter_map(chart).collect())?;
    let present = only(present.iter().filter_map(|source| chart(source)).collect())?;
    let is_root = |path: &Path| roots.iter().any(|root| root == path);
    is_root(&old).then_some((old, present))
}
