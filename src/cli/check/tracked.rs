//! Files that git tracks and `.gitignore` leaves out all the same: they are part of the repository, and nobody sees
//! that they are not checked.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::changed::paths;
use super::git::Git;
use crate::source::boundary::repository;
use crate::source::tree::{Tree, WalkedDirectory, is_manifest};

/// How many such manifests there are. Where git cannot tell, none are known.
pub fn hidden(tree: &Tree) -> usize {
    let all: BTreeSet<PathBuf> = tree.walked.iter().filter_map(left_out).flatten().collect();
    all.len()
}

fn left_out(walked: &WalkedDirectory) -> Option<Vec<PathBuf>> {
    let real = walked.directory.canonicalize().ok()?;
    repository(&real)?;
    let git = Git::around(&real).ok()?;
    // git reads its index only.
    let listed = git.run(&["ls-files", "--cached", "-z"]).ok()?;
    let top = git.top().canonicalize().ok()?;
    let below = |file: &Path| file.strip_prefix(&walked.directory).map(|below| real.join(below)).ok();
    let read: HashSet<PathBuf> = walked.files.iter().filter_map(|file| below(file)).collect();
    let is_hidden = |file: &Path| {
        file.strip_prefix(&real).map_or(true, |below| {
            below.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'))
        })
    };
    let mut all: Vec<PathBuf> = paths(&listed).into_iter().map(|path| top.join(path)).collect();
    all.retain(|file| is_manifest(file) && !is_hidden(file) && !read.contains(file));
    all.retain(|file| file.symlink_metadata().is_ok_and(|about| about.is_file()));
    if !all.is_empty() {
        // A link may lead to them.
        let linked: HashSet<PathBuf> =
            walked.files.iter().filter_map(|file| file.canonicalize().ok()).collect();
        all.retain(|file| !file.canonicalize().is_ok_and(|real| linked.contains(&real)));
    }
    Some(all)
}
