//! Lists directories, without leaving the tree: a link that leads out of it is an error, not a way.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::WalkBuilder;

use super::boundary::{Boundary, is_link};
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

fn led_out(error: Diagnostic) -> Diagnostic {
    if error.help.is_some() { error } else { error.with_help(NAME_IT) }
}

/// What a walk finds.
#[derive(Debug, Default)]
pub struct Walked {
    /// The files that are read.
    pub files: Vec<PathBuf>,
    /// What cannot be listed or lies outside.
    pub errors: Vec<Diagnostic>,
    /// How many files `.stategateignore` leaves out.
    pub ignored: usize,
    /// The files that are read or that `.stategateignore` leaves out, so that only `.gitignore` leaves out others.
    pub offered: Vec<PathBuf>,
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
    let Listed { files, errors, ignoring, .. } = list(directory, boundary, filter, true);
    let has_own = |above: &Path| above.join(IGNORE_FILE).exists();
    if filter.ignored && (ignoring || ancestors.ancestors().any(has_own)) {
        let all = list(directory, boundary, filter, false).files;
        walked.ignored = all.len().saturating_sub(files.len());
        walked.offered = all;
    } else if filter.ignored {
        walked.offered.clone_from(&files);
    }
    walked.errors.extend(errors);
    Walked { files, ..walked }
}

/// What one way through a tree finds.
struct Listed {
    files: Vec<PathBuf>,
    errors: Vec<Diagnostic>,
    /// Is there any `.stategateignore`?
    ignoring: bool,
    /// The directories that are reached without links, as they are without links.
    directories: HashSet<PathBuf>,
    /// Is there any link?
    linked: bool,
}

/// Lists a tree; `own` is whether `.stategateignore` applies. Each directory is read once, however many links lead to
/// it, and by its own name if it has one in the tree.
fn list(directory: &Path, boundary: &Boundary, filter: Filter, own: bool) -> Listed {
    let plain = pass(directory, boundary, filter, own, None);
    if !plain.linked {
        return plain;
    }
    pass(directory, boundary, filter, own, Some(plain.directories))
}

/// Goes through a tree, and follows links if the directories are known that have to be read by their own names.
fn pass(
    directory: &Path,
    boundary: &Boundary,
    filter: Filter,
    own: bool,
    known: Option<HashSet<PathBuf>>,
) -> Listed {
    let mut walk = WalkBuilder::new(directory);
    let follows = known.is_some();
    walk.standard_filters(filter.ignored).hidden(true).ignore(false).follow_links(follows);
    // Files ignored only on this machine are checked in CI, so they are checked here too.
    walk.git_global(false).git_exclude(false);
    if follows {
        // Of several links to a directory, the first counts on every machine.
        walk.sort_by_file_name(std::ffi::OsStr::cmp);
    }
    if filter.ignored && own {
        walk.add_custom_ignore_filename(IGNORE_FILE);
    }
    let notes = Arc::new(Mutex::new(Notes { read: known.unwrap_or_default(), ..Notes::default() }));
    let (noted, inside) = (Arc::clone(&notes), boundary.clone());
    let (top, real_top) = (directory.to_owned(), directory.canonicalize().unwrap_or_default());
    walk.filter_entry(move |entry| {
        let (path, is_directory) = (entry.path(), entry.file_type().is_some_and(|kind| kind.is_dir()));
        let mut notes = noted.lock().unwrap_or_else(PoisonError::into_inner);
        notes.linked |= entry.path_is_symlink();
        let followed = follows && entry.path_is_symlink() && (is_directory || (filter.is_read)(path));
        let out = if followed { inside.entry(path).err().map(led_out) } else { None };
        let bad = || bad_ignore_file(path, &inside).filter(|_| is_directory && filter.ignored);
        if is_directory && out.is_none() {
            if path.join(IGNORE_FILE).exists() {
                notes.ignoring = true;
            }
            let Ok(real) = path.canonicalize() else { return true };
            let plain = path.strip_prefix(&top).is_ok_and(|below| real_top.join(below) == real);
            let is_new = notes.read.insert(real);
            if follows && !plain && !is_new {
                return false;
            }
        }
        let Some(error) = out.or_else(bad) else { return true };
        notes.refused.push(error);
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
            Err(error) => match link_to_nothing(&error) {
                // What has no ending may be a directory of manifests.
                Some(link) if (filter.is_read)(link) || link.extension().is_none() => {
                    errors.extend(boundary.entry(link).err());
                }
                Some(_) => {}
                None => errors.push(diagnostic(directory, format!("cannot be listed: {error}"))),
            },
        }
    }
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    errors.append(&mut notes.refused);
    let directories = std::mem::take(&mut notes.read);
    Listed { files, errors, ignoring: notes.ignoring, directories, linked: notes.linked }
}

/// What is noted on the way.
#[derive(Default)]
struct Notes {
    refused: Vec<Diagnostic>,
    ignoring: bool,
    /// Directories without links.
    read: HashSet<PathBuf>,
    linked: bool,
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

/// The link to nothing that could not be followed.
fn link_to_nothing(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithDepth { err, .. } => link_to_nothing(err),
        ignore::Error::WithPath { path, .. } => {
            Some(path.as_path()).filter(|path| is_link(path) && !path.exists())
        }
        _ => None,
    }
}

/// Files below a directory, sorted by path; hidden files are skipped.
///
/// # Errors
/// If a directory cannot be listed, or a link leads out of the repository around the directory.
pub fn files_below(directory: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut files = Vec::new();
    let boundary = Boundary::around(directory, None)?;
    visit(directory, &boundary, None, |file| files.push(file))?;
    files.sort();
    Ok(files)
}

/// Whether a program passes over a name; the second argument is whether it is a directory.
type LeftOut<'a> = &'a dyn Fn(&str, bool) -> bool;

/// Everything below a directory that another program reads, hidden or not, but for what it passes over.
///
/// # Errors
/// If anything is neither a regular file nor a directory, or a link leads out.
pub fn all_inside(
    directory: &Path,
    boundary: &Boundary,
    left_out: LeftOut<'_>,
) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut files = Vec::new();
    visit(directory, boundary, Some(left_out), |file| files.push(file))?;
    Ok(files)
}

/// Files that git opens in every directory: it would wait for a pipe.
const READ_BY_GIT: [&str; 3] = [".gitattributes", GIT_IGNORE_FILE, ".gitmodules"];

/// Checks the files of a repository that git opens to tell what has changed.
///
/// # Errors
/// If one of them is no regular file.
pub fn ready_for_git(top: &Path) -> Result<(), Diagnostic> {
    let mut waiting = vec![top.to_owned()];
    while let Some(directory) = waiting.pop() {
        // git tells what it cannot list.
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if READ_BY_GIT.iter().any(|read| name == *read) {
                let about = std::fs::metadata(&path);
                if about.is_ok_and(|about| !about.is_file() && !about.is_dir()) {
                    let message = "is neither a regular file nor a directory".to_owned();
                    return Err(diagnostic(&path, message).with_help("git would wait for it: remove it"));
                }
            } else if name != ".git" && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(path);
            }
        }
    }
    Ok(())
}

fn visit(
    directory: &Path,
    boundary: &Boundary,
    left_out: Option<LeftOut<'_>>,
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
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if left_out.map_or_else(|| name.starts_with('.'), |left_out| left_out(&name, path.is_dir())) {
                continue;
            }
            let plain = kind.is_file() || kind.is_dir();
            // A pipe, a device or a link to nothing is passed over, unless another program would open it.
            if !plain && (left_out.is_some() || path.is_file() || path.is_dir()) {
                boundary.entry(&path).map_err(led_out)?;
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
