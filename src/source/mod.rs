//! Where policies and manifests come from: the embedded catalogue, directories and files.
#![expect(clippy::disallowed_methods, reason = "this room reads files for everybody else")]

mod alternatives;
pub mod boundary;
pub mod bundle;
pub mod catalogue;
pub mod child;
pub mod cluster_policies;
pub mod credentials;
mod dependencies;
pub mod destinations;
pub mod fields;
mod file_kind;
mod ignore_files;
mod inspection;
mod kustomization;
pub mod manifests;
pub mod placeholders;
pub mod policies;
pub mod render;
mod rendered;
pub mod sandbox;
pub mod scopes;
pub mod tree;
pub mod unfilled;
mod unread;
mod walk;
mod ytt;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use crate::diagnostic::{Diagnostic, SourceText};
use crate::yaml;

pub use walk::{files_below, ready_for_git};

/// The largest file that is read: well above what an API server stores (1.5 MiB).
const FILE_LIMIT: u64 = 64 << 20;

/// How long a named pipe may have nobody who writes to it.
const PIPE_LIMIT: Duration = Duration::from_secs(10);

/// Reads a file as bytes.
///
/// # Errors
/// If it cannot be read, or is larger than 64 MiB.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    let mut bytes = Vec::new();
    let read = open(path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(diagnostic(path, format!("the file is larger than {} MiB", FILE_LIMIT >> 20)));
    }
    Ok(bytes)
}

/// Opens a file that the user named. It may be a pipe, as the shell makes of `<(program)`; one that nobody
/// writes to would block for ever.
fn open(path: &Path) -> std::io::Result<File> {
    if !is_pipe(&std::fs::metadata(path)?) {
        return File::open(path);
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let pipe = path.to_owned();
    // After a timeout nobody listens, and the thread waits until the process ends.
    std::thread::spawn(move || sender.send(File::open(pipe)));
    receiver.recv_timeout(PIPE_LIMIT).unwrap_or_else(|_| {
        let message = format!("it is a pipe that nobody has written to for {} s", PIPE_LIMIT.as_secs());
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, message))
    })
}

#[cfg(unix)]
fn is_pipe(about: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&about.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &std::fs::Metadata) -> bool {
    false
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
