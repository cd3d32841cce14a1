//! `--changed-since`: what a branch changes, according to git. The old objects turn each change into an
//! update, so that shrinks, downgrades and scale-downs are found in the pull request that makes them.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::pipeline::PreviousObjects;
use crate::cli::project::Project;
use crate::plain;
use crate::source::manifests::Manifests;
use crate::source::tree::{Source, is_manifest};

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
        let top = git(Path::new("."), &["rev-parse", "--show-toplevel"])
            .context("--changed-since needs a git repository")?;
        let top = PathBuf::from(text(top)?.trim_end());
        if revision == "HEAD" && git(&top, &["rev-parse", "--verify", "--quiet", "HEAD"]).is_err() {
            // Without a commit everything is new.
            return Ok(Self { files: BTreeSet::from([top.clone()]), top, old: Manifests::default() });
        }
        let wanted = format!("{revision}^{{commit}}");
        let revision_id = git(&top, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])
            .map_err(|_| {
                anyhow::anyhow!(
                    "git knows no commit {}\n  help: a shallow clone has only the newest commits: fetch more (actions/checkout: fetch-depth: 0)",
                    plain::line(revision)
                )
            })?;
        let revision_id = text(revision_id)?;
        let base = git(&top, &["merge-base", revision_id.trim_end(), "HEAD"]).map_err(|_| {
            anyhow::anyhow!(
                "{} and HEAD have no commit in common\n  help: a shallow clone does not contain it: fetch more (actions/checkout: fetch-depth: 0)",
                plain::line(revision)
            )
        })?;
        let base = text(base)?.trim_end().to_owned();
        let tracked = git(&top, &["diff", "--name-only", "--no-renames", "-z", &base, "--"])?;
        let untracked = git(&top, &["ls-files", "--others", "--exclude-standard", "-z"])?;
        let before: Vec<PathBuf> = paths(&tracked);
        let old = old_objects(&top, &base, &before, project)?;
        let files = before.into_iter().chain(paths(&untracked)).map(|path| top.join(path)).collect();
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
    pub fn before(self, namespace: &str) -> PreviousObjects {
        PreviousObjects::new(self.old.objects, namespace, false)
    }
}

fn old_objects(top: &Path, base: &str, files: &[PathBuf], project: &Project) -> anyhow::Result<Manifests> {
    let mut manifests = Manifests::default();
    // git reads one name a line, so a name with a line break cannot be asked for.
    let is_asked = |file: &&PathBuf| is_manifest(file) && !file.display().to_string().contains('\n');
    let files: Vec<&PathBuf> = files.iter().filter(is_asked).collect();
    if files.is_empty() {
        return Ok(manifests);
    }
    let mut child = Command::new("git")
        .arg("-C")
        .arg(top)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot run git")?;
    let mut asked = Vec::new();
    for file in &files {
        asked.extend_from_slice(base.as_bytes());
        asked.push(b':');
        asked.extend_from_slice(file.as_os_str().as_encoded_bytes());
        asked.push(b'\n');
    }
    let mut stdin = child.stdin.take().context("git does not read its input")?;
    // git answers while it still reads: writing in the same thread could block both.
    let asking = std::thread::spawn(move || stdin.write_all(&asked));
    let output = child.wait_with_output().context("cannot read from git")?.stdout;
    asking.join().map_err(|_| anyhow::anyhow!("cannot write to git"))?.context("cannot write to git")?;
    let mut rest = output.as_slice();
    for file in files {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { break };
        let (head, after) = rest.split_at(end);
        let after = after.get(1..).unwrap_or_default();
        // `<object> blob <size>`, or `<name> missing` of a file that is new.
        let size =
            String::from_utf8_lossy(head).rsplit_once(" blob ").and_then(|(_, size)| size.parse().ok());
        let Some(size) = size else {
            rest = after;
            continue;
        };
        let content: &[u8] = after.get(..size).context("git ended in the middle of a file")?;
        manifests.add(project.shown(&top.join(file)).display().to_string(), content);
        rest = after.get(size + 1..).unwrap_or_default();
    }
    // An old file that cannot be read is not the fault of this change: its objects count as new.
    manifests.errors.clear();
    Ok(manifests)
}

fn git(directory: &Path, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("git").arg("-C").arg(directory).args(arguments).stdin(Stdio::null()).output();
    let output = output.context("cannot run git")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("git {}: {}", arguments.first().unwrap_or(&""), said.trim());
    }
    Ok(output.stdout)
}

fn text(bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).context("git prints a path that is not UTF-8")
}

fn paths(listed: &[u8]) -> Vec<PathBuf> {
    let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(path).collect()
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}
