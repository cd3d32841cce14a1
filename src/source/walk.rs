//! Lists directories, without leaving the tree: a link that leads out of it is an error, not a way.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::WalkBuilder;

use super::boundary::Boundary;
use super::{diagnostic, ignore_files, unreadable};
use crate::diagnostic::Diagnostic;

/// Paths matched by this file, in `.gitignore` syntax, are not read.
pub const IGNORE_FILE: &str = ".stategateignore";
const GIT_IGNORE_FILE: &str = ".gitignore";
/// The largest ignore file: the whole of it is kept in memory.
const IGNORE_LIMIT: u64 = 1 << 20;

/// How to get past a link.
const NAME_IT: &str = "a link is not followed out of the repository: name the file or directory itself if it is to be \
    read, or leave the link out with --exclude";

/// What a walk finds.
#[derive(Debug, Default)]
pub struct Walked {
    /// The files that are read.
    pub files: Vec<PathBuf>,
    /// What cannot be listed or lies outside.
    pub errors: Vec<Diagnostic>,
    /// How many files `.stategateignore` leaves out.
    pub ignored: usize,
}

/// Which files a walk finds.
#[derive(Clone, Copy)]
pub struct Filter {
    /// Leave out what `.gitignore` and `.stategateignore` match.
    pub ignored: bool,
    /// Is a file of this name read?
    pub is_read: fn(&Path) -> bool,
}

/// Lists the files below a directory. Hidden ones are left out.
pub fn walk(directory: &Path, boundary: &Boundary, filter: Filter) -> Walked {
    let mut walked = Walked::default();
    let ancestors = directory.canonicalize().unwrap_or_default();
    if filter.ignored {
        // The walker reads these files before it asks about the directory.
        walked.errors.extend(ancestors.ancestors().filter_map(|above| bad_ignore_file(above, boundary)));
        if !walked.errors.is_empty() {
            return walked;
        }
        walked.errors.extend(ignore_files::faults_above(directory));
    }
    let (files, errors, ignoring) = list(directory, boundary, filter, true);
    let has_own = |above: &Path| above.join(IGNORE_FILE).exists();
    if filter.ignored && (ignoring || ancestors.ancestors().any(has_own)) {
        let (all, _, _) = list(directory, boundary, filter, false);
        walked.ignored = all.len().saturating_sub(files.len());
    }
    walked.errors.extend(errors);
    Walked { files, ..walked }
}

/// The files, the errors, and whether there is any `.stategateignore`; `own` is whether it applies.
fn list(
    directory: &Path,
    boundary: &Boundary,
    filter: Filter,
    own: bool,
) -> (Vec<PathBuf>, Vec<Diagnostic>, bool) {
    let mut walk = WalkBuilder::new(directory);
    walk.standard_filters(filter.ignored).hidden(true).ignore(false).follow_links(true);
    // Files ignored only on this machine are checked in CI, so they are checked here too.
    walk.git_global(false).git_exclude(false);
    if filter.ignored && own {
        walk.add_custom_ignore_filename(IGNORE_FILE);
    }
    let (refused, ignoring) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let (noted, seen, inside) = (Arc::clone(&refused), Arc::clone(&ignoring), boundary.clone());
    walk.filter_entry(move |entry| {
        let (path, is_directory) = (entry.path(), entry.file_type().is_some_and(|kind| kind.is_dir()));
        let followed = entry.path_is_symlink() && (is_directory || (filter.is_read)(path));
        let out =
            if followed { inside.entry(path).err().map(|error| error.with_help(NAME_IT)) } else { None };
        let bad = || bad_ignore_file(path, &inside).filter(|_| is_directory && filter.ignored);
        if is_directory && out.is_none() && path.join(IGNORE_FILE).exists() {
            seen.store(true, Ordering::Relaxed);
        }
        let Some(error) = out.or_else(bad) else { return true };
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(error);
        false
    });
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for entry in walk.build() {
        match entry {
            Ok(entry) if entry.path().is_dir() => {
                if filter.ignored && own {
                    errors.extend(ignore_files::faults(entry.path()));
                }
            }
            Ok(entry) => {
                let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
                if is_file && (filter.is_read)(entry.path()) {
                    files.push(entry.into_path());
                }
            }
            // A link to a parent directory: everything below it is already in the tree.
            Err(error) if is_loop(&error) => {}
            Err(error) => errors.push(diagnostic(directory, format!("cannot be listed: {error}"))),
        }
    }
    errors.append(&mut refused.lock().unwrap_or_else(PoisonError::into_inner));
    (files, errors, ignoring.load(Ordering::Relaxed))
}

/// Is it a file of patterns that the walker reads?
pub fn is_ignore_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == GIT_IGNORE_FILE || name == IGNORE_FILE)
}

/// What is wrong with an ignore file of a directory: the walker would open a pipe and wait.
fn bad_ignore_file(directory: &Path, boundary: &Boundary) -> Option<Diagnostic> {
    [GIT_IGNORE_FILE, IGNORE_FILE].into_iter().find_map(|name| {
        let file = directory.join(name);
        // The walker passes over a link to nothing.
        let about = std::fs::metadata(&file).ok()?;
        let inside = directory.canonicalize().is_ok_and(|real| boundary.contains(&real));
        let checked = if inside { boundary.entry(&file).map(drop) } else { Ok(()) };
        let fault = match checked {
            Err(error) => error,
            Ok(()) if !about.is_file() && !about.is_dir() => {
                diagnostic(&file, "is not a regular file".to_owned())
            }
            Ok(()) if about.is_file() && about.len() > IGNORE_LIMIT => {
                diagnostic(&file, format!("is larger than {} MiB", IGNORE_LIMIT >> 20))
            }
            Ok(()) => return None,
        };
        Some(fault.with_help("it is not read; remove it, or read the whole tree with --no-ignore"))
    })
}

fn is_loop(error: &ignore::Error) -> bool {
    match error {
        ignore::Error::Loop { .. } => true,
        ignore::Error::WithPath { err, .. } | ignore::Error::WithDepth { err, .. } => is_loop(err),
        _ => false,
    }
}

/// Files below a directory, sorted by path; hidden files are skipped.
///
/// # Errors
/// If a directory cannot be listed, or a link leads out of the repository around the directory.
pub fn files_below(directory: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut files = Vec::new();
    let boundary = Boundary::around(directory, None)?;
    visit(directory, &boundary, false, |file| files.push(file))?;
    files.sort();
    Ok(files)
}

/// Checks everything below a directory that another program reads, hidden or not.
///
/// # Errors
/// If anything is neither a regular file nor a directory, or a link leads out.
pub fn all_inside(directory: &Path, boundary: &Boundary) -> Result<(), Diagnostic> {
    visit(directory, boundary, true, |_| {})
}

fn visit(
    directory: &Path,
    boundary: &Boundary,
    everything: bool,
    mut found: impl FnMut(PathBuf),
) -> Result<(), Diagnostic> {
    let mut waiting = vec![directory.to_owned()];
    // A mounted ConfigMap consists of symlinks, some of them to directories. Each real directory is read
    // once, so a link to a parent does not loop.
    let mut seen = HashSet::new();
    while let Some(directory) = waiting.pop() {
        let real = directory.canonicalize().map_err(|error| unreadable(&directory, &error))?;
        if !seen.insert(real) {
            continue;
        }
        for entry in std::fs::read_dir(&directory).map_err(|error| unreadable(&directory, &error))? {
            let entry = entry.map_err(|error| unreadable(&directory, &error))?;
            let (path, kind) = (entry.path(), entry.file_type());
            let kind = kind.map_err(|error| unreadable(&path, &error))?;
            if !everything && entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let plain = kind.is_file() || kind.is_dir();
            // A pipe, a device or a link to nothing is passed over, unless another program would open it.
            if !plain && (everything || path.is_file() || path.is_dir()) {
                boundary.entry(&path).map_err(|error| error.with_help(NAME_IT))?;
            }
            if path.is_dir() {
                waiting.push(path);
            } else if path.is_file() {
                found(path);
            }
        }
    }
    Ok(())
}
