//! Replaces the content of a file atomically.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::plain;
use anyhow::Context as _;

use crate::diagnostic::Diagnostics;
use crate::source::boundary::written;

/// Checks that a file still contains this text.
///
/// # Errors
/// If the file was changed since it was read, or is in another encoding.
pub fn must_be(path: &Path, text: &str) -> anyhow::Result<()> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", plain::path(path)))?;
    anyhow::ensure!(
        !matches!(bytes.as_slice(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]),
        "{}: is in UTF-16: save it as UTF-8 first",
        plain::path(path)
    );
    anyhow::ensure!(
        bytes == text.as_bytes(),
        "{}: was changed since it was read, so it was not written: run the command again",
        plain::path(path)
    );
    Ok(())
}

/// Writes the new text beside the file, then renames it over the file: a reader sees the old text or the
/// new one. A link stays a link, and the file keeps its permissions.
///
/// # Errors
/// If the file cannot be written, was changed since it was read, or lies behind a link that leads out of the
/// repository.
pub fn replace(path: &Path, before: &str, after: &str) -> anyhow::Result<()> {
    let real = written(path).map_err(Diagnostics::from)?;
    let about = fs::metadata(&real).with_context(|| format!("cannot read {}", plain::path(path)))?;
    anyhow::ensure!(!about.permissions().readonly(), "{}: is read-only", plain::path(path));
    let beside = beside(&real);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.write_all(after.as_bytes())?;
        file.set_permissions(about.permissions())?;
        keep_owner(&file, &about)?;
        file.sync_all()
    })();
    let done = written
        .with_context(|| format!("cannot write {}", plain::path(path)))
        .and_then(|()| must_be(&real, before))
        .and_then(|()| {
            fs::rename(&beside, &real).with_context(|| format!("cannot replace {}", plain::path(path)))
        });
    if done.is_err() {
        // The file may not exist.
        let _ = fs::remove_file(&beside);
        return done;
    }
    // The rename is durable only once the directory is synced, which not every system supports.
    if let Some(directory) = real.parent() {
        let _ = fs::File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.stategate-{}", std::process::id()))
}

/// Keeps the owner of the file, or fails.
#[cfg(unix)]
fn keep_owner(file: &fs::File, about: &fs::Metadata) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (about.uid(), about.gid()) {
        return Ok(());
    }
    fchown(file, Some(about.uid()), Some(about.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &fs::File, _: &fs::Metadata) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_in_between_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pg.yaml");
        fs::write(&file, "a: 2\n").unwrap();
        let error = replace(&file, "a: 1\n", "a: 3\n").unwrap_err();
        assert!(error.to_string().contains("was changed since it was read"), "{error:#}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "a: 2\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
        replace(&file, "a: 2\n", "a: 3\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "a: 3\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
