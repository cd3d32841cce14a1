//! Where a tree of files ends. What a repository links to or names must not lead out of it, and only regular
//! files are opened in it: a pipe or a device would stall the run.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::tree::resolved;
use super::{diagnostic, unreadable};
use crate::diagnostic::Diagnostic;

/// What to do about a link to nothing: it may lead to what is not checked out.
const MEND_IT: &str = "check out what it leads to, remove it, or leave it out with --exclude";

/// The directory of git's own files.
const GIT: &str = ".git";

/// The directory that files must lie in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boundary {
    /// Without links.
    root: PathBuf,
}

impl Boundary {
    /// The repository around a directory. Outside of git that is `project` if the directory lies in it, or
    /// else the directory itself.
    ///
    /// # Errors
    /// If the directory does not exist.
    pub fn around(directory: &Path, project: Option<&Path>) -> Result<Self, Diagnostic> {
        let real =
            |path: &Path| path.canonicalize().map_err(|error| unreadable(&shown_directory(path), &error));
        let own = real(&shown_directory(directory))?;
        if let Some(repository) = repository(&own) {
            return Ok(Self { root: repository.to_owned() });
        }
        let project = project.map(real).transpose()?.filter(|project| own.starts_with(project));
        Ok(Self { root: project.unwrap_or(own) })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a path without links lies inside. git's own files do not: they hold credentials, and programs
    /// that git runs.
    pub fn contains(&self, real: &Path) -> bool {
        real.strip_prefix(&self.root).is_ok_and(|below| !names_git(below))
    }

    /// The path without links of a regular file or directory inside.
    ///
    /// # Errors
    /// If it does not exist, lies outside, or is something else.
    pub fn entry(&self, path: &Path) -> Result<PathBuf, Diagnostic> {
        let real = path.canonicalize().map_err(|error| match error.kind() {
            ErrorKind::NotFound if is_link(path) => {
                diagnostic(path, "is a link to nothing".to_owned()).with_help(MEND_IT)
            }
            _ => unreadable(path, &error),
        })?;
        if !self.contains(&real) {
            let end = self.root.display();
            return Err(diagnostic(path, format!("leads out of {end}: it is {}", real.display())));
        }
        let kind = std::fs::metadata(&real).map_err(|error| unreadable(path, &error))?.file_type();
        if kind.is_file() || kind.is_dir() {
            Ok(real)
        } else {
            Err(diagnostic(path, "is neither a regular file nor a directory".to_owned()))
        }
    }

    /// Like [`entry`](Self::entry), but only for files.
    ///
    /// # Errors
    /// The same, and if it is a directory.
    pub fn file(&self, path: &Path) -> Result<PathBuf, Diagnostic> {
        let real = self.entry(path)?;
        if real.is_file() { Ok(real) } else { Err(diagnostic(path, "is a directory".to_owned())) }
    }
}

pub(super) fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|about| about.is_symlink())
}

/// The file that a write to a path named by the user changes. A repository may hold a link of the name that a
/// report usually has: the write must not go through it to a file elsewhere.
///
/// # Errors
/// If a link leads out of the repository around the path; outside of git, out of the current directory or,
/// for a path elsewhere, out of the directory of the file.
pub fn written(path: &Path) -> Result<PathBuf, Diagnostic> {
    let fail = |error: std::io::Error| diagnostic(path, error.to_string());
    let current = std::env::current_dir().map_err(fail)?;
    let named = resolved(&current.join(path));
    // `/dev/stdout`, and what the shell makes of `>(program)`.
    if ["/dev", "/proc"].iter().any(|special| named.starts_with(special)) {
        return Ok(path.to_owned());
    }
    let (Some(parent), Some(name)) = (named.parent(), named.file_name()) else { return Ok(path.to_owned()) };
    let tree = match repository(parent) {
        Some(repository) => repository,
        None if named.starts_with(&current) => &current,
        None => parent,
    };
    let root = tree.canonicalize().map_err(fail)?;
    let below = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let beside = current.join(below).canonicalize().map_err(fail)?.join(name);
    let real = if is_link(&beside) {
        let nothing = |_| diagnostic(path, "is a link to nothing".to_owned()).with_help("remove the link");
        beside.canonicalize().map_err(nothing)?
    } else {
        beside
    };
    let inside = Boundary { root: root.clone() }.contains(&real);
    // A user may name git's directory; a link may not.
    let about = std::fs::metadata(&real);
    if repository(parent).is_some() && about.is_ok_and(|about| !about.is_file() && !about.is_dir()) {
        return Err(diagnostic(path, "is not a regular file, so a write might never end".to_owned())
            .with_help("remove it from the repository; a pipe elsewhere can be written to"));
    }
    if inside || (names_git(&named) && real.starts_with(&root)) {
        return Ok(real);
    }
    let message = format!("leads out of {} through a link: it is {}", root.display(), real.display());
    Err(diagnostic(path, message).with_help("nothing was written; name the file itself, not the link"))
}

/// The nearest directory, upward, that is a git repository.
pub fn repository(directory: &Path) -> Option<&Path> {
    directory.ancestors().find(|directory| directory.join(GIT).symlink_metadata().is_ok())
}

fn names_git(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().eq_ignore_ascii_case(GIT))
}

/// An empty path is the current directory.
fn shown_directory(path: &Path) -> PathBuf {
    match path.components().next() {
        Some(_) => path.to_owned(),
        None => Component::CurDir.as_os_str().into(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_repository_ends_at_its_root_and_at_its_git_directory() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("repository");
        std::fs::create_dir_all(root.join(".git/hooks")).unwrap();
        std::fs::create_dir_all(root.join("shop")).unwrap();
        for file in ["secret.yaml", "repository/a.yaml", "repository/.git/config"] {
            std::fs::write(outer.path().join(file), "a: 1\n").unwrap();
        }
        symlink("../a.yaml", root.join("shop/in.yaml")).unwrap();
        symlink("../../secret.yaml", root.join("shop/out.yaml")).unwrap();
        symlink("../.git/config", root.join("shop/git.yaml")).unwrap();
        symlink("/dev/null", root.join("shop/null.yaml")).unwrap();
        let boundary = Boundary::around(&root.join("shop"), None).unwrap();
        assert_eq!(boundary.root(), root.canonicalize().unwrap());
        boundary.file(&root.join("shop/in.yaml")).unwrap();
        for (file, told) in [
            ("shop/out.yaml", "leads out of"),
            ("shop/git.yaml", "leads out of"),
            ("shop/null.yaml", "leads out of"),
            ("shop/gone.yaml", "cannot be read"),
            ("shop", "is a directory"),
        ] {
            let error = boundary.file(&root.join(file)).unwrap_err();
            assert!(error.message.contains(told), "{file}: {error}");
        }
    }

    #[test]
    fn without_git_the_project_is_the_end() {
        let project = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(project.path().join("a/b")).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let end = |directory: &Path| Boundary::around(directory, Some(project.path())).unwrap().root;
        assert_eq!(end(&project.path().join("a/b")), project.path().canonicalize().unwrap());
        assert_eq!(end(elsewhere.path()), elsewhere.path().canonicalize().unwrap());
    }

    #[test]
    fn no_link_takes_a_write_elsewhere() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("repository");
        std::fs::create_dir_all(root.join(".git")).unwrap();
        std::fs::create_dir_all(root.join("real")).unwrap();
        std::fs::write(outer.path().join("profile"), "").unwrap();
        for (link, target) in [
            ("out", "../profile"),
            ("dangling", "../new"),
            ("directory", ".."),
            ("hook", ".git/hook"),
            ("in", "real"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        for (path, allowed) in [
            ("new", true),
            ("real/new", true),
            ("in/new", true),
            (".git/new", true),
            ("out", false),
            ("dangling", false),
            ("directory/new", false),
            ("directory/profile", false),
            ("hook", false),
        ] {
            assert_eq!(written(&root.join(path)).is_ok(), allowed, "{path}");
        }
        assert_eq!(written(Path::new("/dev/stdout")).unwrap(), Path::new("/dev/stdout"));
    }
}
