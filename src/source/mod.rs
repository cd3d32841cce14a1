//! Where policies and manifests come from: the embedded catalogue, directories and files.
#![expect(clippy::disallowed_methods, reason = "this room reads files for everybody else")]

pub mod bundle;
pub mod catalogue;
pub mod credentials;
mod ignore_files;
pub mod manifests;
pub mod policies;
pub mod render;
pub mod sandbox;
pub mod tree;

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, SourceText};
use crate::yaml;

/// The largest file that is read: well above what an API server stores (1.5 MiB).
const FILE_LIMIT: u64 = 64 << 20;

/// Files below a directory, sorted by path; hidden files are skipped.
///
/// # Errors
/// If a directory cannot be listed.
pub fn files_below(directory: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut files = Vec::new();
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
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                waiting.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a file as bytes.
///
/// # Errors
/// If it cannot be read, or is larger than 64 MiB.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(diagnostic(path, format!("the file is larger than {} MiB", FILE_LIMIT >> 20)));
    }
    Ok(bytes)
}

/// Reads a text file.
///
/// # Errors
/// If it cannot be read, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<SourceText, Diagnostic> {
    let name = path.display().to_string();
    let bytes = read_bytes(path)?;
    match yaml::utf8(&bytes) {
        Ok(text) => Ok(SourceText::new(name, text)),
        Err(error) => {
            let diagnostic = SourceText::new(name, "").error(error.line, error.column, error.message);
            Err(Diagnostic { help: error.help, ..diagnostic })
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Diagnostic {
    diagnostic(path, format!("cannot be read: {error}"))
}

fn diagnostic(path: &Path, message: String) -> Diagnostic {
    SourceText::new(path.display().to_string(), "").error(0, 0, message)
}

/// Runs work on one object or file. A panic is a bug of ours, and must cost that object or file, not the run.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok()
}

/// The error for a file on which work panicked.
pub fn broken(name: &str) -> Diagnostic {
    SourceText::new(name, "")
        .error(0, 0, "stategate broke off while it worked on this file, so it was not checked")
        .with_help(
            "this is a bug in stategate: report it with the file, or leave the file out with --exclude",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_one_result() {
        assert_eq!(guarded(|| 7), Some(7));
        assert_eq!(guarded(|| -> u8 { panic!("on purpose") }), None);
    }
}
