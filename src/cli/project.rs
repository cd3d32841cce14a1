//! The directory that paths are relative to: that of the configuration, or else the root of the repository.

use std::path::{Path, PathBuf};

use crate::source::tree::resolved;

/// The configuration of a repository.
pub const CONFIG_FILE: &str = "stategate.yaml";

/// The directories of a run.
#[derive(Clone, Debug)]
pub struct Project {
    current: PathBuf,
    root: PathBuf,
}

impl Project {
    /// Around the current directory; `config` is the file of its configuration.
    ///
    /// # Errors
    /// If there is no current directory.
    pub fn find(config: Option<&Path>) -> std::io::Result<Self> {
        let current = std::env::current_dir()?;
        let root =
            match config.and_then(|config| resolved(&current.join(config)).parent().map(Path::to_owned)) {
                Some(root) => root,
                None => {
                    let repository = current.ancestors().find(|directory| directory.join(".git").exists());
                    repository.unwrap_or(&current).to_owned()
                }
            };
        Ok(Self { current, root })
    }

    /// The nearest configuration at or above the current directory, within its repository, as a path relative
    /// to the current directory.
    ///
    /// # Errors
    /// If there is no current directory.
    pub fn config() -> std::io::Result<Option<PathBuf>> {
        let current = std::env::current_dir()?;
        for (level, directory) in current.ancestors().enumerate() {
            if directory.join(CONFIG_FILE).symlink_metadata().is_ok() {
                return Ok(Some(std::iter::repeat_n("..", level).chain([CONFIG_FILE]).collect()));
            }
            if directory.join(".git").exists() {
                break;
            }
        }
        Ok(None)
    }

    /// The directory that paths are told from.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path relative to the root; a path outside stays as it is.
    pub fn relative(&self, path: &Path) -> PathBuf {
        let whole = self.absolute(path);
        whole.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// The absolute path.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        resolved(&self.current.join(path))
    }

    /// A path as people write it from the current directory.
    pub fn shown(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.current) {
            Ok(below) if below.as_os_str().is_empty() => PathBuf::from("."),
            Ok(below) => below.to_owned(),
            Err(_) => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_the_root() {
        let project = Project { current: "/repo/deploy".into(), root: "/repo".into() };
        for (said, told) in [
            ("pg.yaml", "deploy/pg.yaml"),
            ("./a/../pg.yaml", "deploy/pg.yaml"),
            ("../base/pg.yaml", "base/pg.yaml"),
            ("/repo/x.yaml", "x.yaml"),
            ("/elsewhere/x.yaml", "/elsewhere/x.yaml"),
        ] {
            assert_eq!(project.relative(Path::new(said)), Path::new(told), "{said}");
        }
        for (path, shown) in [
            ("/repo/deploy/a.yaml", "a.yaml"),
            ("/repo/deploy", "."),
            ("/repo/b.yaml", "/repo/b.yaml"),
            ("c.yaml", "c.yaml"),
        ] {
            assert_eq!(project.shown(Path::new(path)), Path::new(shown), "{path}");
        }
    }
}
