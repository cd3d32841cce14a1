//! The table of data stores (catalogue §2.1): which container runs which. Where it writes: `data_dirs`.

use serde::Deserialize;

use super::command::{CommandLine, program};
use super::data_dirs::last_named;
use super::image::ImageRef;
use super::labels::glob;
use super::pods::covers;
use super::view::Container;

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
    /// The engine's own programs; patterns. Needed where a script runs them beside clients.
    #[serde(default)]
    programs: Vec<String>,
    /// It is a client of the engine, or something else out of the same image, if a command begins with one
    /// of these words, and none runs the engine. Patterns.
    #[serde(default)]
    clients: Vec<String>,
    /// What it is told if it is to keep nothing.
    #[serde(default)]
    idle: Vec<Idle>,
    /// `pg18` in a tag is the engine's version, wherever it stands.
    pub version_prefix: Option<String>,
    /// Does it need a majority of its members?
    #[serde(default)]
    pub quorum: bool,
    /// Environment variables that name the data directory (a comma-separated list is allowed).
    #[serde(default)]
    pub(super) environment: Vec<String>,
    /// Do they win over arguments?
    #[serde(default)]
    pub(super) environment_wins: bool,
    /// Arguments that name it: `--datadir=/x`, `--datadir /x`.
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    /// After this word every word that is neither a flag nor a flag's value is a data directory, or the
    /// URL of one: `minio server /data`.
    pub(super) positional_after: Option<String>,
    /// Flags without a value, by name; all others that have no `=` are followed by theirs.
    #[serde(default)]
    pub(super) switches: Vec<String>,
    /// An argument with this ending is a configuration file, and that decides.
    pub(super) config_file: Option<String>,
    /// With one of these arguments a configuration file may name other directories than the image's.
    #[serde(default)]
    pub(super) config_arguments: Vec<String>,
    /// What is mounted here may name other directories than the image's.
    #[serde(default)]
    pub(super) config_mounts: Vec<String>,
    /// Where it writes if nothing else is said; the first row that fits the image counts.
    data: Vec<DefaultDirs>,
    /// Directories beside the data directory that must be kept as well.
    #[serde(default)]
    also: Vec<AlsoDirs>,
}

/// A role that keeps nothing. Everything that is said here must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Idle {
    /// Only for repositories like these.
    #[serde(default)]
    repositories: Vec<String>,
    /// One of these words, or flags with a value, is given; or no words are named.
    #[serde(default)]
    words: Vec<String>,
    /// None of these words or flags is given; one that begins with `*` stands for words that end so.
    #[serde(default)]
    without: Vec<String>,
    /// At least one of these arguments and variables is given, and all values are among `values`.
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    environment: Vec<String>,
    #[serde(default)]
    values: Vec<String>,
    /// And this, too.
    and: Option<Box<Idle>>,
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

/// A second directory of an engine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlsoDirs {
    /// As for the data directory.
    #[serde(default)]
    repositories: Vec<String>,
    #[serde(default)]
    images: Vec<String>,
    /// Environment variables that name it.
    #[serde(default)]
    pub(super) environment: Vec<String>,
    /// Arguments that name it.
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    /// Environment variables that hold such arguments.
    #[serde(default)]
    pub(super) arguments_in: Vec<String>,
    /// Where it is if nobody names it; empty: then there is none.
    #[serde(default)]
    pub(super) dirs: Vec<String>,
}

impl Engines {
    /// Adds another table; the rows that are there already win.
    pub fn extend(&mut self, other: Engines) {
        self.engines.extend(other.engines);
    }

    /// The row of a container, by its image and what it runs of it.
    pub fn of(&self, container: &Container) -> Option<&EngineRow> {
        let image = container.image.as_ref()?;
        let mut rows =
            self.engines.iter().filter(|row| matches_any(&row.images, image.basename())).peekable();
        rows.peek()?;
        let line = CommandLine::of(container);
        rows.find(|row| {
            row.is_asked_for(&line) && !row.is_client(&line, image) && !row.is_idle(container, &line)
        })
    }

    /// The row of a name.
    pub fn named(&self, name: &str) -> Option<&EngineRow> {
        self.engines.iter().find(|row| row.name == name)
    }
}

impl EngineRow {
    fn is_asked_for(&self, line: &CommandLine) -> bool {
        let asked = |word: &String| {
            word.split('=')
                .next()
                .is_some_and(|flag| self.requires_argument.iter().any(|wanted| wanted == flag))
        };
        self.requires_argument.is_empty() || line.words().any(asked)
    }

    fn is_client(&self, line: &CommandLine, image: &ImageRef) -> bool {
        let works: Vec<&Vec<String>> = line.works().collect();
        if works.is_empty() {
            // Nothing but `sleep infinity`, say.
            return line.commands.iter().any(|words| self.client(words));
        }
        let (clients, others): (Vec<_>, Vec<_>) = works.into_iter().partition(|words| self.client(words));
        let runs_engine = |words: &&Vec<String>| {
            let Some(first) = words.first().filter(|first| !first.starts_with('-')) else { return true };
            let name = program(first);
            self.is_program(words) || name.ends_with(".sh") || name.contains('$') || name == image.basename()
        };
        !clients.is_empty() && !others.iter().any(runs_engine)
    }

    fn client(&self, words: &[String]) -> bool {
        self.clients.iter().any(|client| {
            let mut rest = words.iter().enumerate();
            client.split(' ').all(|wanted| {
                rest.next().is_some_and(|(at, word)| glob(wanted, if at == 0 { program(word) } else { word }))
            })
        })
    }

    fn is_program(&self, words: &[String]) -> bool {
        words
            .first()
            .is_some_and(|first| program(first) == self.name || matches_any(&self.programs, program(first)))
    }

    fn is_idle(&self, container: &Container, line: &CommandLine) -> bool {
        self.idle.iter().any(|idle| idle.holds(container, line))
    }

    /// Is it plain what runs? One program that may be the engine, and nothing that decides by itself.
    pub(super) fn is_certain(&self, line: &CommandLine) -> bool {
        let works = || line.works().filter(|words| !self.client(words));
        let programs = works().filter(|words| self.is_program(words)).count();
        line.certain && works().count() - programs + programs.min(1) <= 1
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
        self.data.iter().find(|row| {
            fits(&row.repositories, &row.images, image)
                && row.from_major.is_none_or(|from| major.is_some_and(|major| major >= from))
                && row.before_major.is_none_or(|before| major.is_some_and(|major| major < before))
        })
    }

    /// The second directories of an image.
    pub(super) fn also(&self, image: &ImageRef) -> impl Iterator<Item = &AlsoDirs> {
        self.also.iter().filter(move |row| fits(&row.repositories, &row.images, image))
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

    /// The directories of an image of which nobody says otherwise.
    pub(super) fn defaults(&self, image: &ImageRef) -> Vec<String> {
        let major = self.major(image).map(|major| major.to_string()).unwrap_or_default();
        let dirs = self.row(image).into_iter().flat_map(|row| &row.dirs);
        dirs.map(|dir| dir.replace("{major}", &major)).collect()
    }
}

impl Idle {
    fn holds(&self, container: &Container, line: &CommandLine) -> bool {
        let given = |wanted: &String| {
            line.words().any(|word| glob(wanted, word.split('=').next().unwrap_or(word)) || wanted == word)
        };
        let of_these = |image: &ImageRef| matches_any(&self.repositories, &image.repository);
        (self.repositories.is_empty() || container.image.as_ref().is_some_and(of_these))
            && (self.words.is_empty() || self.words.iter().any(given))
            && !self.without.iter().any(given)
            && (self.arguments.is_empty() && self.environment.is_empty() || self.values_fit(container, line))
            && self.and.as_ref().is_none_or(|and| and.holds(container, line))
    }

    fn values_fit(&self, container: &Container, line: &CommandLine) -> bool {
        let of_arguments = line.values(&self.arguments).flatten();
        let variable = |name: &String| match line.variable(name) {
            Some(value) => Some(value.to_owned()),
            None => last_named(&container.env, name)?.value.clone(),
        };
        let of_variables = self.environment.iter().filter_map(variable);
        let mut given = of_arguments.map(str::to_owned).chain(of_variables).peekable();
        let fits = |one: &str| {
            let plain = one.trim_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"' | '\''));
            self.values.iter().any(|value| value == plain)
        };
        given.peek().is_some() && given.all(|list| list.split(',').all(fits))
    }
}

fn matches_any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| glob(pattern, text))
}

fn fits(repositories: &[String], images: &[String], image: &ImageRef) -> bool {
    (repositories.is_empty() || matches_any(repositories, &image.repository))
        && (images.is_empty() || matches_any(images, image.basename()))
}
