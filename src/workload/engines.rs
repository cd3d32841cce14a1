//! The table of data stores: maps containers to engines. `data_dirs` finds the directories they write to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::command::{CommandLine, Directory};
use super::flags::Style;
use super::image::ImageRef;
use super::labels::glob;
use super::pods::{clean, covers};
use super::view::{Container, Mount};

mod condition;
mod configured;
mod evidence;
mod runs;

use condition::Condition;
use configured::Configuration;

/// The table in `policies/workloads/engines.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engines {
    engines: Vec<EngineRow>,
}

/// One data store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineRow {
    /// For example `postgres`.
    pub name: String,
    /// Patterns for the last segment of the image repository; `*` and `?` are allowed. They match the whole
    /// segment, so that clients such as `postgres-exporter` are not taken for the engine. One with a slash is the
    /// repository's end.
    images: Vec<String>,
    /// Patterns for images of others that hold its server, too: the row matches one of them only if a command starts
    /// one of `servers`, and what is known of the row's own images does not count for it.
    #[serde(default)]
    also_in: Vec<String>,
    /// The row matches only if one of these arguments is given.
    #[serde(default)]
    requires_argument: Vec<String>,
    /// Patterns for the engine's own programs. Needed where a script runs them next to clients.
    #[serde(default)]
    programs: Vec<String>,
    /// Patterns for the commands that run the server in the foreground.
    #[serde(default)]
    servers: Vec<String>,
    /// Arguments with which these commands do one thing and exit, or leave the foreground.
    #[serde(default)]
    one_shot: Vec<String>,
    /// How the engine's programs read their options.
    #[serde(default)]
    pub(super) options: Style,
    /// Patterns. If a command starts with one of these words and no command runs the engine, the container is
    /// a client or another tool from the same image.
    #[serde(default)]
    clients: Vec<String>,
    /// Settings that tell the engine to keep no data.
    #[serde(default)]
    idle: Vec<Condition>,
    /// Settings under which its members do not vote, because each is a store of its own.
    #[serde(default)]
    alone: Vec<Condition>,
    /// Files whose settings count like arguments.
    #[serde(default)]
    configuration: Vec<Configuration>,
    /// Settings with which the engine is a store like any other but keeps everything in memory only.
    #[serde(default)]
    volatile: Vec<Condition>,
    /// Settings with which the engine drops any of its data when its memory is full.
    #[serde(default)]
    evicts: Vec<Condition>,
    /// A prefix that marks the engine's version anywhere in a tag: `pg` in `pg18`.
    pub version_prefix: Option<String>,
    /// Whether the engine needs a majority of its members.
    #[serde(default)]
    pub quorum: bool,
    /// Environment variables that name the data directory; a comma-separated list is allowed.
    #[serde(default)]
    pub(super) environment: Vec<String>,
    /// Whether the variables override arguments.
    #[serde(default)]
    pub(super) environment_wins: bool,
    /// Arguments that name the data directory: `--datadir=/x` or `--datadir /x`, `-D/x` or `-D /x`. One without
    /// a dash is the name of a setting, which overrides the others: `-c data_directory=/x`.
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    /// Arguments that name a directory in which the engine keeps more than there. If that holds the data directory, it
    /// counts instead.
    #[serde(default)]
    pub(super) around: Vec<String>,
    /// Whether each of several such arguments names a directory of its own. Otherwise the last one counts.
    #[serde(default)]
    pub(super) repeatable: bool,
    /// After this word, every word that is neither a flag nor a flag value is a data directory or the URL of
    /// one: `minio server /data`.
    pub(super) positional_after: Option<String>,
    /// Names of flags without a value; any other flag without `=` is followed by its value.
    #[serde(default)]
    pub(super) switches: Vec<String>,
    /// An argument with this suffix is a configuration file, which then determines the directories.
    pub(super) config_file: Option<String>,
    /// With one of these arguments, a configuration file may override the image's default directories.
    #[serde(default)]
    pub(super) config_arguments: Vec<String>,
    /// The same of variables that name the file.
    #[serde(default)]
    pub(super) config_environment: Vec<String>,
    /// A volume mounted at one of these paths may override the image's default directories.
    #[serde(default)]
    pub(super) config_mounts: Vec<String>,
    /// The files that its images write of variables, by the variables.
    #[serde(default)]
    config_variables: BTreeMap<String, String>,
    /// The arguments and variables that name the server, where its default directory is called by that name.
    #[serde(default)]
    name_arguments: Vec<String>,
    #[serde(default)]
    name_environment: Vec<String>,
    /// The name of one that is given none.
    #[serde(default)]
    default_name: String,
    /// Files of its own images, which name the default directories.
    #[serde(default)]
    pub(super) own_files: Vec<String>,
    /// Whether a configuration file that is known and names no directory has the data in another system.
    #[serde(default)]
    pub(super) stores_elsewhere: bool,
    /// Patterns for variables that the server of its images reads, and hardly any client.
    #[serde(default)]
    variables: Vec<String>,
    /// The ports that it listens on.
    #[serde(default)]
    ports: Vec<i64>,
    /// The default directories; the first row that matches the image applies.
    data: Vec<DefaultDirs>,
    /// Directories besides the data directory that must also be persisted.
    #[serde(default)]
    also: Vec<AlsoDirs>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultDirs {
    /// Only for matching repositories, such as `bitnami/*`.
    #[serde(default)]
    repositories: Vec<String>,
    /// Only for images whose last repository segment matches, such as `postgres`.
    #[serde(default)]
    images: Vec<String>,
    /// Only from this major version on.
    from_major: Option<u64>,
    /// Only before this major version. A row with either bound needs an image whose version is known.
    before_major: Option<u64>,
    /// Only if the commands contain one of these words.
    #[serde(default)]
    signs: Vec<String>,
    /// Variables that name the directory in these images only.
    #[serde(default)]
    environment: Vec<String>,
    /// `{major}` is replaced with the image's major version, `{name}` with the name that the server is given.
    dirs: Vec<String>,
    /// The image's working directory, which relative paths start from; empty if it is not known.
    #[serde(default)]
    working_dir: String,
    /// Whether `dirs` are relative to it: with a `workingDir` of the container they are elsewhere.
    #[serde(default)]
    relative: bool,
    /// Paths that the image declares as VOLUME. containerd mounts an empty volume there, which is removed
    /// with the container, unless something is mounted at exactly that path.
    #[serde(default)]
    volumes: Vec<String>,
}

/// An additional directory of an engine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlsoDirs {
    /// Conditions on the image, as in [`DefaultDirs`].
    #[serde(default)]
    repositories: Vec<String>,
    #[serde(default)]
    images: Vec<String>,
    before_major: Option<u64>,
    /// Only if the commands contain one of these words, or one of these variables is set.
    #[serde(default)]
    pub(super) signs: Vec<String>,
    /// Environment variables that name the directory.
    #[serde(default)]
    pub(super) environment: Vec<String>,
    /// Arguments that name the directory.
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    /// Environment variables that hold such arguments.
    #[serde(default)]
    pub(super) arguments_in: Vec<String>,
    /// The default; empty means that there is no such directory unless it is named.
    #[serde(default)]
    pub(super) dirs: Vec<String>,
    /// Files that the image writes of its variables unless they are mounted: then neither the variables nor the default
    /// count.
    #[serde(default)]
    pub(super) unless_mounted: Vec<String>,
}

impl Engines {
    /// Appends another table; existing rows take precedence.
    pub fn extend(&mut self, other: Engines) {
        self.engines.extend(other.engines);
    }

    /// The row for a container, chosen by its image and its commands.
    pub fn of(&self, container: &Container) -> Option<&EngineRow> {
        let image = container.image.as_ref()?;
        let holds = |row: &&EngineRow| row.is_image(image) || row.is_also_in(image);
        let mut rows = self.engines.iter().filter(holds).peekable();
        rows.peek()?;
        let line = CommandLine::of(container);
        let beside = line.beside(container);
        rows.filter(|row| row.is_image(image) || row.starts_server(&line)).find(|row| {
            let line = row.configured(container, line.clone());
            row.runs(container, &line) || beside.iter().any(|beside| row.is_started(container, beside))
        })
    }

    /// The first row that has a container's image.
    pub(super) fn by_image(&self, container: &Container) -> Option<&EngineRow> {
        let image = container.image.as_ref()?;
        self.engines.iter().find(|row| row.is_image(image))
    }

    /// Whether a container's image is one of an engine that is told to keep no data.
    pub(super) fn keeps_nothing(&self, container: &Container) -> bool {
        self.by_image(container)
            .is_some_and(|row| row.is_idle(container, &row.configured(container, CommandLine::of(container))))
    }

    /// The row that likely describes a container whose image is in no row.
    pub(super) fn likely(&self, container: &Container) -> Option<&EngineRow> {
        let image = container.image.as_ref()?;
        if self.engines.iter().any(|row| row.is_image(image)) {
            return None;
        }
        let line = CommandLine::of(container);
        let mut rows = self.engines.iter();
        rows.find(|row| {
            row.is_evident_in(container, image, &line)
                && row.runs(container, &row.configured(container, line.clone()))
        })
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &EngineRow> {
        self.engines.iter()
    }

    /// The row with a name.
    pub fn named(&self, name: &str) -> Option<&EngineRow> {
        self.engines.iter().find(|row| row.name == name)
    }
}

impl EngineRow {
    /// Patterns for the last segment of the image repository, with `*` and `?`: its own, and those that hold it, too.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.images.iter().chain(&self.also_in).map(String::as_str)
    }

    /// The ports that the engine listens on.
    pub fn ports(&self) -> &[i64] {
        &self.ports
    }

    /// Patterns for variables of its server, with `*` and `?`.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(String::as_str)
    }

    /// Whether variables may tell it to keep nothing, or to keep it in another system.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        self.stores_elsewhere
            || !self.config_environment.is_empty()
            || self.idle.iter().chain(&self.volatile).any(Condition::reads_variables)
    }

    /// Whether the image is one of the engine's.
    pub fn is_image(&self, image: &ImageRef) -> bool {
        let path = |pattern: &String| {
            let rest = image.repository.strip_suffix(pattern.as_str());
            pattern.contains('/') && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        matches_any(&self.images, image.basename()) || self.images.iter().any(path)
    }

    /// Whether the image is another engine's that holds the server of this one.
    fn is_also_in(&self, image: &ImageRef) -> bool {
        matches_any(&self.also_in, image.basename())
    }

    /// Whether a container was only likely to run the engine.
    pub(super) fn is_likely_in(&self, container: &Container) -> bool {
        let held = |image: &ImageRef| self.is_image(image) || self.is_also_in(image);
        container.engine == self.name && !container.image.as_ref().is_some_and(held)
    }

    /// The engine's directories, of whichever image, at which the container mounts a volume.
    pub(super) fn mounted_dirs(&self, container: &Container) -> impl Iterator<Item = String> {
        let depth = |path: &str| path.matches('/').count();
        // `/data` is a name for anything.
        let dirs = self
            .data
            .iter()
            .flat_map(|row| &row.dirs)
            .filter(move |dir| depth(dir) > 1 && !dir.contains('{'));
        dirs.flat_map(move |dir| {
            let mounts = container.mounts.iter().filter(|mount| !mount.read_only);
            mounts.filter_map(move |Mount { mount_path, .. }| {
                let above = depth(mount_path) > 2 && covers(mount_path, dir);
                let held = if above { Some(dir) } else { Some(mount_path).filter(|path| covers(dir, path)) };
                held.cloned()
            })
        })
    }

    /// The working directory of an image, if it is known.
    pub(super) fn working_dir(&self, container: &Container) -> Option<String> {
        self.row(container).map(|row| row.working_dir.clone()).filter(|dir| !dir.is_empty())
    }

    /// The VOLUME declared by the image that keeps a mount at `mount_path` from holding `dir`.
    pub fn hiding_volume(&self, container: &Container, mount_path: &str, dir: &str) -> Option<&String> {
        let mut volumes = self.volumes(container).iter();
        volumes
            .find(|volume| volume.as_str() != mount_path && covers(mount_path, volume) && covers(volume, dir))
    }

    /// Whether the engine can write to a directory at which nothing is mounted: with a root file system that is
    /// read-only, only below a VOLUME of the image.
    pub(super) fn is_writable(&self, container: &Container, dir: &str) -> bool {
        let flag = container.security.as_ref().and_then(|security| security.get("readOnlyRootFilesystem"));
        flag.and_then(Value::as_bool) != Some(true)
            || self.volumes(container).iter().any(|volume| covers(volume, dir))
    }

    /// The VOLUMEs of a container's image.
    fn volumes(&self, container: &Container) -> &[String] {
        self.row(container).map(|row| row.volumes.as_slice()).unwrap_or_default()
    }

    fn row(&self, container: &Container) -> Option<&DefaultDirs> {
        let image = container.image.as_ref()?;
        let major = self.major(image);
        let is = |word: &str, sign: &str| {
            word.strip_prefix(sign).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        let says = |sign: &String| container.command.iter().chain(&container.args).any(|word| is(word, sign));
        self.data.iter().find(|row| {
            fits(&row.repositories, &row.images, image)
                && row.from_major.is_none_or(|from| major.is_some_and(|major| major >= from))
                && row.before_major.is_none_or(|before| major.is_some_and(|major| major < before))
                && (row.signs.is_empty() || row.signs.iter().any(says))
        })
    }

    /// The additional directories of an image.
    pub(super) fn also(&self, image: &ImageRef) -> impl Iterator<Item = &AlsoDirs> {
        let major = self.major(image);
        self.also.iter().filter(move |row| {
            fits(&row.repositories, &row.images, image)
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

    /// The variables that name the directory in this container.
    pub(super) fn variables_of(&self, container: &Container) -> Vec<String> {
        let of_image = self.row(container).map(|row| row.environment.as_slice()).unwrap_or_default();
        self.environment.iter().chain(of_image).cloned().collect()
    }

    /// The name that the server is given; none if it is not known.
    fn server_name(&self, line: &CommandLine) -> Option<String> {
        let given = line.values(&self.name_arguments, &self.options).last();
        let set = || self.name_environment.iter().find_map(|name| line.variable(name));
        match given.or_else(set) {
            None if line.has_unknown_words() => None,
            None => Some(self.default_name.clone()),
            Some(name) => name.filter(|name| !name.contains('$')).map(str::to_owned),
        }
    }

    /// The image's default directories.
    pub(super) fn defaults(&self, container: &Container, line: &CommandLine) -> Vec<String> {
        let major = container.image.as_ref().and_then(|image| self.major(image));
        let major = major.map(|major| major.to_string()).unwrap_or_default();
        let Some(row) = self.row(container) else { return Vec::new() };
        // One whose name is not known is somewhere in the directory around it.
        let named = |dir: &String| match dir.rsplit_once("/{name}") {
            None => Some(dir.clone()),
            Some((around, rest)) => match self.server_name(line) {
                Some(name) => Some(format!("{around}/{name}{rest}")),
                None => Some(around.to_owned()).filter(|around| !around.is_empty()),
            },
        };
        let moved = |dir: String| match &line.directory {
            Directory::At(now) if row.relative => {
                let below = dir.strip_prefix(&row.working_dir).unwrap_or(&dir).trim_start_matches('/');
                Some(clean(&format!("{now}/{below}")))
            }
            Directory::Unknown if row.relative => None,
            _ => Some(dir.replace("{major}", &major)),
        };
        let mut seen = BTreeSet::new();
        let dirs = row.dirs.iter().filter_map(named).filter_map(moved);
        dirs.filter(|dir| seen.insert(dir.clone())).collect()
    }
}

fn matches_any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, text))
}

fn fits(repositories: &[String], images: &[String], image: &ImageRef) -> bool {
    (repositories.is_empty() || matches_any(repositories, &image.repository))
        && (images.is_empty() || matches_any(images, image.basename()))
}
