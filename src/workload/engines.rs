//! The table of data stores (catalogue §2.1): which image is which, and where it writes.

use serde::Deserialize;

use super::image::ImageRef;
use super::labels::glob;
use super::pods::{clean, covers};
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
    /// It is a client of the engine, or something else out of the same image, if its first word is one
    /// of these.
    #[serde(default)]
    clients: Vec<String>,
    /// `pg18` in a tag is the engine's version, wherever it stands.
    pub version_prefix: Option<String>,
    /// Does it need a majority of its members?
    #[serde(default)]
    pub quorum: bool,
    /// Environment variables that name the data directory (a comma-separated list is allowed).
    #[serde(default)]
    environment: Vec<String>,
    /// Arguments that name it: `--datadir=/x`, `--datadir /x`.
    #[serde(default)]
    arguments: Vec<String>,
    /// An argument that is an absolute path is a data directory: `minio server /data`.
    #[serde(default)]
    positional: bool,
    /// An argument with this ending is a configuration file, and that decides.
    config_file: Option<String>,
    /// Where it writes if nothing else is said; the first row that fits the image counts.
    data: Vec<DefaultDirs>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultDirs {
    /// Only for repositories like these: `bitnami/*`.
    #[serde(default)]
    repositories: Vec<String>,
    /// Only for images whose repository ends so: `postgres`.
    #[serde(default)]
    images: Vec<String>,
    /// Only from this major version on.
    from_major: Option<u64>,
    /// Only before this major version. A row with either is for images whose version is known.
    before_major: Option<u64>,
    /// `{major}` stands for the image's major version.
    dirs: Vec<String>,
    /// What the image declares as VOLUME. containerd lays an empty volume over it, which goes with the
    /// container, unless something is mounted at exactly that path.
    #[serde(default)]
    volumes: Vec<String>,
}

impl Engines {
    /// Adds another table; the rows that are there already win.
    pub fn extend(&mut self, other: Engines) {
        self.engines.extend(other.engines);
    }

    /// The row of a container, by its image.
    pub fn of(&self, image: &ImageRef, command: &[String], args: &[String]) -> Option<&EngineRow> {
        let asked = |flag: &String| {
            command.iter().chain(args).any(|word| word.split('=').next() == Some(flag.as_str()))
        };
        let first =
            command.first().or(args.first()).map_or("", |word| word.rsplit('/').next().unwrap_or(word));
        self.engines.iter().find(|row| {
            row.images.iter().any(|pattern| glob(pattern, image.basename()))
                && !row.clients.iter().any(|client| client == first)
                && (row.requires_argument.is_empty() || row.requires_argument.iter().any(asked))
        })
    }

    /// The row of a name.
    pub fn named(&self, name: &str) -> Option<&EngineRow> {
        self.engines.iter().find(|row| row.name == name)
    }
}

impl EngineRow {
    /// Where the container writes. Empty if something decides that is not in the manifest: a Secret, a
    /// ConfigMap, a configuration file.
    pub fn data_dirs(&self, container: &Container) -> Vec<DataDir> {
        if let Some(dirs) = self.named_by_arguments(container) {
            return dirs;
        }
        let words = || container.command.iter().chain(&container.args);
        if self.config_file.as_ref().is_some_and(|ending| words().any(|word| word.ends_with(ending.as_str())))
        {
            return Vec::new();
        }
        match self.environment.iter().find_map(|name| last_named(&container.env, name)) {
            Some(Env { value: Some(value), .. }) if value.is_empty() => self.defaults(container),
            Some(Env { value: Some(value), .. }) if is_plain(value) => dirs("environment", value),
            Some(_) => Vec::new(),
            None if container.env_from && !self.environment.is_empty() => Vec::new(),
            None => self.defaults(container),
        }
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
                return Some(if is_plain(value) { dirs("argument", value) } else { Vec::new() });
            }
            if self.positional && word.starts_with('/') && !is_program(container, word) {
                return Some(if is_plain(word) { dirs("argument", word) } else { Vec::new() });
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
        let major = self.major(image);
        let any =
            |patterns: &[String], text: &str| patterns.is_empty() || patterns.iter().any(|p| glob(p, text));
        self.data.iter().find(|row| {
            any(&row.repositories, &image.repository)
                && any(&row.images, image.basename())
                && row.from_major.is_none_or(|from| major.is_some_and(|major| major >= from))
                && row.before_major.is_none_or(|before| major.is_some_and(|major| major < before))
        })
    }

    /// The major version of the engine in an image.
    pub fn major(&self, image: &ImageRef) -> Option<u64> {
        let prefixed = self.version_prefix.as_ref().and_then(|prefix| {
            let (_, rest) = image.tag.split_once(prefix.as_str())?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        prefixed.or_else(|| image.version().map(|version| version.major))
    }

    fn defaults(&self, container: &Container) -> Vec<DataDir> {
        let Some(image) = &container.image else { return Vec::new() };
        let major = self.major(image).map(|major| major.to_string()).unwrap_or_default();
        let dir = |dir: &String| DataDir {
            dir: dir.replace("{major}", &major),
            origin: "default",
            ..DataDir::default()
        };
        self.row(image).into_iter().flat_map(|row| &row.dirs).map(dir).collect()
    }
}

/// A path that says where it leads: absolute, without references to other variables or patterns.
fn is_plain(text: &str) -> bool {
    text.starts_with('/') && !text.contains(['$', '{', '*'])
}

/// The program itself is no directory.
fn is_program(container: &Container, word: &str) -> bool {
    container.command.first().or(container.args.first()).is_some_and(|first| first == word)
}

/// Kubernetes lets the last variable of a name win.
fn last_named<'a>(env: &'a [Env], name: &str) -> Option<&'a Env> {
    env.iter().rev().find(|env| env.name == name)
}

/// The absolute directories of a comma-separated list.
pub fn dirs(origin: &'static str, list: &str) -> Vec<DataDir> {
    list.split(',')
        .map(|dir| clean(dir.trim()))
        .filter(|dir| dir.len() > 1 && dir.starts_with('/'))
        .map(|dir| DataDir { dir, origin, ..DataDir::default() })
        .collect()
}
