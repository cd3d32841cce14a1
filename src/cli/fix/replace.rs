//! Puts a text in the place of a file: all of it or nothing.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The file must still hold this text.
///
/// # Errors
/// If somebody has changed it since it was read, or it is in another encoding than the text.
pub fn must_be(path: &Path, text: &str) -> anyhow::Result<()> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    anyhow::ensure!(
        !matches!(bytes.as_slice(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..]),
        "{}: it is in UTF-16: save it as UTF-8 first",
        path.display()
    );
    anyhow::ensure!(
        bytes == text.as_bytes(),
        "{}: somebody has changed it since it was read, so it is left alone: run it again",
        path.display()
    );
    Ok(())
}

/// Writes the new text beside the file, then puts it in its place: whoever reads it sees the old text or
/// the new one. A link stays a link, and the file keeps its permissions.
///
/// # Errors
/// If the file may not be written, or does not hold the old text any more.
pub fn replace(path: &Path, before: &str, after: &str) -> anyhow::Result<()> {
    let real = fs::canonicalize(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let about = fs::metadata(&real).with_context(|| format!("{} cannot be read", path.display()))?;
    anyhow::ensure!(!about.permissions().readonly(), "{}: it is read-only", path.display());
    let beside = beside(&real);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.write_all(after.as_bytes())?;
        file.set_permissions(about.permissions())?;
        keep_owner(&file, &about)?;
        file.sync_all()
    })();
    let done = written
        .with_context(|| format!("{} cannot be written", path.display()))
        .and_then(|()| must_be(&real, before))
        .and_then(|()| {
            fs::rename(&beside, &real).with_context(|| format!("{} cannot be replaced", path.display()))
        });
    if done.is_err() {
        // If it was never made, there is nothing to remove.
        let _ = fs::remove_file(&beside);
        return done;
    }
    // The name is safe on the disk only when the directory is; not every system can do that.
    if let Some(directory) = real.parent() {
        let _ = fs::File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.stategate-{}", std::process::id()))
}

/// A file of somebody else stays theirs, or is not replaced.
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
        assert!(error.to_string().contains("somebody has changed it"), "{error:#}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "a: 2\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
        replace(&file, "a: 2\n", "a: 3\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "a: 3\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
