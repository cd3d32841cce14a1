//! The table of data stores (catalogue §2.1): which image is which, and where it writes.

use serde::Deserialize;

use super::image::ImageRef;
use super::labels::glob;
use super::pods::covers;
use super::view::{Container, DataDir, Env};

/// The table `policies/workloads/engines.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engines {
    engines: Vec<EngineRow>,
}

/// One data store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineRow {
    /// `postgres`
    pub name: String,
    /// Last segments of the images' repositories; `*` and `?` allowed. Not substrings: clients of an
    /// engine (`postgres-exporter`) are not the engine.
    images: Vec<String>,
    /// It is this engine only if one of these arguments is given.
    #[serde(default)]
    requires_argument: Vec<String>,
    /// Does it need a majority of its members?
    #[serde(default)]
    pub quorum: bool,
    /// Environment variables that name the data directory (a comma-separated list is allowed).
    #[serde(default)]
    environment: Vec<String>,
    /// Arguments that name it: `--datadir=/x`, `--datadir /x`.
    #[serde(default)]
    arguments: Vec<String>,
    /// Where it writes if nothing else is said; the first row that fits the image counts.
    data: Vec<DefaultDirs>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultDirs {
    /// Only for repositories like these: `bitnami/*`.
    #[serde(default)]
    repositories: Vec<String>,
    /// Only from this major version on. An unknown version counts as older.
    from_major: Option<u64>,
    /// `{major}` stands for the image's major version.
    dirs: Vec<String>,
    /// What the image declares as VOLUME. containerd lays an empty volume over it, which goes with the
    /// container, unless something is mounted at exactly that path.
    #[serde(default)]
    volumes: Vec<String>,
}

impl Engines {
    /// Adds another table; its rows win.
    pub fn extend(&mut self, other: Engines) {
        self.engines.splice(0..0, other.engines);
    }

    /// The row of a container, by its image.
    pub fn of(&self, image: &ImageRef, command: &[String], args: &[String]) -> Option<&EngineRow> {
        let asked = |flag: &String| {
            command.iter().chain(args).any(|word| word.split('=').next() == Some(flag.as_str()))
        };
        self.engines.iter().find(|row| {
            row.images.iter().any(|pattern| glob(pattern, image.basename()))
                && (row.requires_argument.is_empty() || row.requires_argument.iter().any(asked))
        })
    }

    /// The row of a name.
    pub fn named(&self, name: &str) -> Option<&EngineRow> {
        self.engines.iter().find(|row| row.name == name)
    }
}

impl EngineRow {
    /// Where the container writes. Empty if a value that is not in the manifest decides.
    pub fn data_dirs(&self, container: &Container) -> Vec<DataDir> {
        if let Some(dirs) = self.named_by_arguments(container) {
            return dirs;
        }
        if let Some(env) = self.environment.iter().find_map(|name| last_named(&container.env, name)) {
            return match &env.value {
                Some(value) if !value.is_empty() && !value.contains("$(") => dirs("environment", value),
                Some(value) if value.is_empty() => self.defaults(container),
                _ => Vec::new(),
            };
        }
        self.defaults(container)
    }

    fn named_by_arguments(&self, container: &Container) -> Option<Vec<DataDir>> {
        let words = || container.command.iter().chain(&container.args);
        let values = words().zip(words().skip(1).map(Some).chain([None]));
        for (word, next) in values {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (word.as_str(), next.map(String::as_str)),
            };
            if self.arguments.iter().any(|argument| argument == flag) {
                let value = value?;
                // cockroach writes `--store=path=/data`
                let value = value.strip_prefix("path=").unwrap_or(value);
                return Some(if value.starts_with('/') { dirs("argument", value) } else { Vec::new() });
            }
        }
        None
    }

    /// The image's own VOLUME that keeps a mount at `mount_path` from holding `dir`.
    pub fn hiding_volume(&self, container: &Container, mount_path: &str, dir: &str) -> Option<&String> {
        let row = self.row(container.image.as_ref()?)?;
        row.volumes
            .iter()
            .find(|volume| volume.as_str() != mount_path && covers(mount_path, volume) && covers(volume, dir))
    }

    fn row(&self, image: &ImageRef) -> Option<&DefaultDirs> {
        let major = image.version().map(|version| version.major);
        self.data.iter().find(|row| {
            (row.repositories.is_empty() || row.repositories.iter().any(|p| glob(p, &image.repository)))
                && row.from_major.is_none_or(|from| major.is_some_and(|major| major >= from))
        })
    }

    fn defaults(&self, container: &Container) -> Vec<DataDir> {
        let Some(image) = &container.image else { return Vec::new() };
        let row = self.row(image);
        let major = image.version().map(|version| version.major.to_string()).unwrap_or_default();
        row.into_iter()
            .flat_map(|row| &row.dirs)
            .map(|dir| DataDir {
                dir: dir.replace("{major}", &major),
                origin: "default",
                ..DataDir::default()
            })
            .collect()
    }
}

/// Kubernetes lets the last variable of a name win.
fn last_named<'a>(env: &'a [Env], name: &str) -> Option<&'a Env> {
    env.iter().rev().find(|env| env.name == name)
}

/// Directories of a comma-separated list.
pub fn dirs(origin: &'static str, list: &str) -> Vec<DataDir> {
    list.split(',')
        .map(|dir| dir.trim().trim_end_matches('/'))
        .filter(|dir| dir.starts_with('/'))
        .map(|dir| DataDir { dir: dir.to_owned(), origin, ..DataDir::default() })
        .collect()
}
