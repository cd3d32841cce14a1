//! `--changed-since`: what a branch changes, according to git. The old objects turn each change into an
//! update, so that shrinks, downgrades and scale-downs are found in the pull request that makes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::git::{Git, text};
use super::previous::PreviousObjects;
use crate::cli::project::Project;
use crate::diagnostic::Diagnostics;
use crate::plain;
use crate::source::destinations::Destinations;
use crate::source::manifests::Manifests;
use crate::source::ready_for_git;
use crate::source::tree::{Source, is_manifest};

/// Changed files, with what they were. Of a submodule only its commit counts: a look at its files would be git's, with the
/// configuration of the submodule.
const DIFF: [&str; 8] = [
    "diff",
    "--raw",
    "--no-abbrev",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--ignore-submodules=dirty",
    "-z",
];

/// What differs between a revision and the current files.
pub struct Changed {
    /// The repository.
    top: PathBuf,
    /// Absolute paths of changed, new and deleted files.
    files: BTreeSet<PathBuf>,
    /// The changed and deleted manifests before the change.
    old: Manifests,
}

impl Changed {
    /// What changed since the branch left `revision`.
    pub fn since(revision: &str, project: &Project) -> anyhow::Result<Self> {
        let git = Git::here()?;
        let top = git.top().to_owned();
        ready_for_git(&project.shown(&top)).map_err(Diagnostics::from)?;
        if revision == "HEAD" && git.run(&["rev-parse", "--verify", "--quiet", "HEAD"]).is_err() {
            // Without a commit everything is new.
            return Ok(Self { files: BTreeSet::from([top.clone()]), top, old: Manifests::default() });
        }
        let wanted = format!("{revision}^{{commit}}");
        let revision_id = git
            .run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])
            .map_err(|_| {
                anyhow::anyhow!(
                    "git knows no commit {}\n  help: a shallow clone has only the newest commits: fetch more (actions/checkout: fetch-depth: 0)",
                    plain::line(revision)
                )
            })?;
        let revision_id = text(revision_id)?;
        let base = git.run(&["merge-base", revision_id.trim_end(), "HEAD"]).map_err(|_| {
            anyhow::anyhow!(
                "{} and HEAD have no commit in common\n  help: a shallow clone does not contain it: fetch more (actions/checkout: fetch-depth: 0)",
                plain::line(revision)
            )
        })?;
        let base = text(base)?.trim_end().to_owned();
        let tracked = git.run(&[&DIFF[..], &[&base, "--"]].concat())?;
        let untracked = git.run(&["ls-files", "--others", "--exclude-standard", "-z"])?;
        let before = ChangedFile::all(&tracked);
        let old = old_objects(&git, &before, project)?;
        let before = before.into_iter().map(|file| file.path);
        let files = before.chain(paths(&untracked)).map(|path| top.join(path)).collect();
        Ok(Self { top, files, old })
    }

    /// Does a source differ, or a `values` file of its charts?
    pub fn touches(&self, source: &Source, values: &[PathBuf], project: &Project) -> bool {
        let changed = |file: &Path| self.is_changed(file, project);
        match source {
            Source::Stdin => true,
            Source::File(file) => changed(file),
            Source::Rendered(rendered) => {
                let directory = project.absolute(&rendered.directory);
                rendered.files.iter().chain(values).any(|file| changed(file))
                    || self.files.iter().any(|file| file.starts_with(&directory))
            }
        }
    }

    /// Does a file differ? A file that git does not know counts as changed: one outside the repository, or
    /// one that does not exist, which reading it reports.
    fn is_changed(&self, file: &Path, project: &Project) -> bool {
        let whole = project.absolute(file);
        let Ok(real) = whole.canonicalize() else { return true };
        // Of a submodule git names the directory.
        let listed = |path: &Path| path.ancestors().any(|path| self.files.contains(path));
        !real.is_file() || !real.starts_with(&self.top) || listed(&whole) || listed(&real)
    }

    /// The old objects, of changed files only: the old files were not rendered.
    pub fn before<'a>(
        mut self,
        sources: impl IntoIterator<Item = &'a Source>,
        namespace: &str,
        destinations: &Destinations,
    ) -> PreviousObjects {
        destinations.apply(&mut self.old);
        PreviousObjects::of_files(self.old.objects, sources, namespace)
    }
}

/// A file that git knows, and that differs.
struct ChangedFile {
    path: PathBuf,
    /// The id of its old content, if it had any.
    old: Option<String>,
}

impl ChangedFile {
    /// Reads `:100644 100644 <old id> <new id> M`, followed by the path.
    fn all(listed: &[u8]) -> Vec<Self> {
        let mut parts = listed.split(|byte| *byte == 0);
        let mut all = Vec::new();
        while let (Some(head), Some(name)) = (parts.next(), parts.next()) {
            let head = String::from_utf8_lossy(head);
            let mut words = head.split(' ');
            // Neither a link nor a submodule has manifests as its content.
            let is_file = words.next().is_some_and(|mode| mode.starts_with(":100"));
            let old = words.nth(1).filter(|_| is_file).map(str::to_owned);
            all.push(Self { path: path(name), old });
        }
        all
    }
}

fn old_objects(git: &Git, files: &[ChangedFile], project: &Project) -> anyhow::Result<Manifests> {
    let mut manifests = Manifests::default();
    let manifest = |file: &ChangedFile| Some((file.path.clone(), file.old.clone()?));
    let files: Vec<(PathBuf, String)> =
        files.iter().filter(|file| is_manifest(&file.path)).filter_map(manifest).collect();
    if files.is_empty() {
        return Ok(manifests);
    }
    let asked: String = files.iter().map(|(_, id)| format!("{id}\n")).collect();
    let output = git.ask(&["cat-file", "--batch"], asked.into_bytes())?;
    let mut rest = output.as_slice();
    for (file, _) in files {
        let end = rest.iter().position(|byte| *byte == b'\n').context("git ended before the last file")?;
        let (head, after) = rest.split_at(end);
        let after = after.get(1..).unwrap_or_default();
        // `<id> blob <size>`, or `<id> missing` where a clone is partial.
        let size = String::from_utf8_lossy(head)
            .rsplit_once(" blob ")
            .and_then(|(_, size)| size.parse::<usize>().ok())
            .with_context(|| {
                format!(
                    "git does not have {} as it was before the change\n  help: the clone is partial; fetch the whole history: git fetch --refetch --no-filter",
                    file.display()
                )
            })?;
        let content: &[u8] = after.get(..size).context("git ended in the middle of a file")?;
        manifests.add(project.shown(&git.top().join(file)).display().to_string(), content);
        rest = after.get(size + 1..).unwrap_or_default();
    }
    // An old file that cannot be read is not the fault of this change: its objects count as new.
    manifests.errors.clear();
    Ok(manifests)
}

pub fn paths(listed: &[u8]) -> Vec<PathBuf> {
    let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(path).collect()
}

#[cfg(unix)]
pub fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
pub fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
