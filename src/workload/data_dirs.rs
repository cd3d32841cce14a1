//! The directories a container that runs an engine writes to.

use std::collections::HashSet;

use super::command::{CommandLine, Directory, values};
use super::engines::{AlsoDirs, EngineRow};
use super::flags;
use super::pods::{clean, covers, keeps, meets};
use super::view::{ConfigFile, Container, DataDir, Mount};

/// Longest path that Linux opens, in bytes (`PATH_MAX`).
const PATH_MAX: usize = 4096;
/// Digits of a number in a range of directories; the numbers themselves are limited by [`MOST`].
const MOST_DIGITS: usize = 9;
/// The most directories read from one container.
const MOST: usize = 256;
/// The most that are looked at, the same ones again included.
const MOST_READ: usize = 4096;
/// The length of all of them together, in bytes.
const MOST_BYTES: usize = 65_536;
/// The most ranges in one path.
const MOST_RANGES: usize = 8;

/// What a setting says about the data directory.
enum Said {
    Nothing,
    /// A directory is named, but by something outside the manifest.
    Unknown,
    These(Vec<String>),
}

impl EngineRow {
    /// The directories the container writes to. Empty if something outside the manifest decides: a Secret, a
    /// ConfigMap or a configuration file, and if the engine keeps everything in memory.
    pub fn data_dirs(&self, container: &Container) -> Vec<DataDir> {
        if self.is_volatile(container) {
            return Vec::new();
        }
        let line = self.line(container);
        let directory = match &line.directory {
            Directory::At(directory) => Some(directory.clone()),
            Directory::OfImage => self.working_dir(container),
            Directory::Unknown => None,
        };
        let certain = self.is_certain(&line);
        let reading = Reading { row: self, container, certain, line: &line, directory };
        let mut dirs = reading.main();
        let also = container.image.iter().flat_map(|image| self.also(image));
        let also = also.filter(|row| reading.shows(row)).flat_map(|row| reading.also(row));
        // What is below a data directory is a part of it.
        let own: Vec<DataDir> =
            also.filter(|also| !dirs.iter().any(|dir| covers(&dir.dir, &also.dir))).collect();
        dirs.extend(own);
        let mut seen = HashSet::new();
        dirs.retain(|dir| seen.insert(dir.dir.clone()));
        dirs
    }
}

struct Reading<'a> {
    row: &'a EngineRow,
    container: &'a Container,
    line: &'a CommandLine,
    certain: bool,
    /// The directory that relative paths start from, if it is known.
    directory: Option<String>,
}

impl Reading<'_> {
    fn main(&self) -> Vec<DataDir> {
        let variables = self.row.variables_of(self.container);
        let of_environment = || self.variables(&variables);
        if self.row.environment_wins
            && let Said::These(dirs) = of_environment()
        {
            return named(dirs, self.of_variables(&variables));
        }
        let positional = self.positional();
        // With several sets of servers and drives, each pod belongs to only one of them.
        let sets = positional.iter().filter(|word| word.contains("://")).count();
        let arguments = self.arguments();
        match self.known(arguments.into_iter().chain(positional.iter().map(|word| Some(word.as_str())))) {
            Said::These(dirs) if sets > 1 => return named(dirs, "guess"),
            Said::These(dirs) => return named(dirs, self.origin("argument")),
            Said::Unknown => return Vec::new(),
            Said::Nothing => {}
        }
        let config = self.row.config_file.as_ref();
        if config.is_some_and(|ending| self.line.words().any(|word| word.ends_with(ending.as_str()))) {
            return Vec::new();
        }
        match of_environment() {
            Said::These(dirs) => named(dirs, self.of_variables(&variables)),
            Said::Unknown if self.may_be_kept() => Vec::new(),
            Said::Nothing if self.row.is_likely_in(self.container) && self.may_be_mounted() => {
                named(self.row.mounted_dirs(self.container).collect(), "guess")
            }
            Said::Nothing | Said::Unknown => {
                named(self.row.defaults(self.container, self.line), self.unsaid("default", &variables))
            }
        }
    }

    /// Whether something that is not seen may put the data where it is kept. Without a volume that lasts, no directory
    /// does.
    fn may_be_kept(&self) -> bool {
        let lasts =
            |mount: &Mount| keeps(mount) && !matches!(mount.source.as_str(), "csi" | "ephemeral" | "image");
        self.row.may_be_elsewhere() || self.container.mounts.iter().any(lasts)
    }

    /// Whether a volume may hold the data of an engine in an image that is not known.
    fn may_be_mounted(&self) -> bool {
        self.container.mounts.iter().any(keeps) || self.row.mounted_dirs(self.container).next().is_some()
    }

    /// Whether the signs of a row are there, if it needs one.
    fn shows(&self, row: &AlsoDirs) -> bool {
        let runs = |sign: &String| {
            let mut texts = self.container.command.iter().chain(&self.container.args);
            texts.any(|text| text.contains(sign.as_str()))
        };
        let told = |sign: &String| self.line.variable(sign).is_some();
        row.signs.is_empty() || row.signs.iter().any(|sign| runs(sign) || told(sign))
    }

    /// The commands that may run the engine.
    fn commands(&self) -> impl Iterator<Item = &Vec<String>> {
        self.line.works().filter(|words| !self.row.is_client(words))
    }

    /// The values of the arguments that count: settings override flags, and the last one overrides those before
    /// it, unless each names a directory of its own or a script decides which of them is reached.
    fn arguments(&self) -> Vec<Option<&str>> {
        let row = self.row;
        let all: Vec<_> = self
            .commands()
            .flat_map(|words| {
                // Of another program, a letter means something else.
                let own = row.is_own(words);
                values(words, &row.arguments, &row.options)
                    .filter(move |(option, _)| own || option.len() != 2)
            })
            .collect();
        let set = all.iter().any(|(option, _)| flags::is_setting(option));
        let mut values: Vec<Option<&str>> = all
            .into_iter()
            .filter(|(option, _)| flags::is_setting(option) == set)
            .map(|(_, value)| value)
            .collect();
        if self.certain && !self.row.repeatable {
            values.drain(..values.len().saturating_sub(1));
        }
        self.around(&values).map_or(values, |around| vec![Some(around)])
    }

    /// The directory around the only one, in which the engine keeps more, unless that has a volume of its own.
    fn around(&self, given: &[Option<&str>]) -> Option<&str> {
        let &[Some(only)] = given else { return None };
        let all = self.commands().flat_map(|words| values(words, &self.row.around, &self.row.options));
        let around = all.filter_map(|(_, value)| value).last()?;
        let apart = |mount: &Mount| covers(&mount.mount_path, only) && !covers(&mount.mount_path, around);
        let is_around = around != "/" && covers(around, only);
        (is_around && !self.container.mounts.iter().any(apart)).then_some(around)
    }

    fn also(&self, row: &AlsoDirs) -> Vec<DataDir> {
        let more = self.line.commands_in(&row.arguments_in);
        let last = |option: &String| {
            let options = std::slice::from_ref(option);
            let all =
                self.commands().chain(&more).flat_map(|words| values(words, options, &self.row.options));
            all.last().map(|(_, value)| value.map(str::to_owned))
        };
        let written = self.mounts_one_of(&row.unless_mounted);
        match self.variables(&row.environment) {
            Said::These(dirs) if !written => named(dirs, self.of_variables(&row.environment)),
            Said::Unknown if !written => Vec::new(),
            _ => {
                let told: Vec<Option<String>> = row.arguments.iter().filter_map(last).collect();
                match self.known(told.iter().map(Option::as_deref)) {
                    Said::These(dirs) => named(dirs, self.origin("argument")),
                    Said::Unknown => Vec::new(),
                    Said::Nothing if written => Vec::new(),
                    Said::Nothing => named(row.dirs.clone(), self.unsaid("also", &row.environment)),
                }
            }
        }
    }

    /// Whether a volume that may bring files is mounted at one of these paths, above or below it.
    fn mounts_one_of(&self, paths: &[String]) -> bool {
        let empty = |mount: &Mount| matches!(mount.source.as_str(), "emptyDir" | "ephemeral");
        let mut mounts = self.container.mounts.iter().filter(|mount| !empty(mount));
        mounts.any(|mount| paths.iter().any(|path| meets(&mount.mount_path, path)))
    }

    /// Of a directory that a script names, which may not reach that line, only that is known.
    fn origin(&self, origin: &'static str) -> &'static str {
        if self.certain { origin } else { "script" }
    }

    /// The origin of a directory that one of the variables names.
    fn of_variables(&self, names: &[String]) -> &'static str {
        let named = names.iter().find(|name| self.line.variable(name).is_some());
        let unsure = named.is_some_and(|name| self.line.environment.is_unsure(name));
        if unsure { "script" } else { "environment" }
    }

    /// The image's default, downgraded to a guess if something outside the manifest may override it.
    fn unsaid(&self, origin: &'static str, variables: &[String]) -> &'static str {
        let by_variables = !variables.is_empty() && self.may_be_kept();
        let unseen = self.container.env_from && by_variables || !self.certain;
        let elsewhere = || self.row.stores_elsewhere || self.has_another_volume();
        match unseen || self.is_configured() && elsewhere() {
            true => "guess",
            // A word that only the shell knows may be an option that names another.
            false if self.line.has_unknown_words() && self.has_another_volume() => "script",
            false => origin,
        }
    }

    /// Whether a volume that lasts is mounted where the image does not write by itself. A file that is not seen may
    /// say that the data is there.
    fn has_another_volume(&self) -> bool {
        let also =
            self.container.image.iter().flat_map(|image| self.row.also(image)).flat_map(|row| &row.dirs);
        let defaults: Vec<String> =
            self.row.defaults(self.container, self.line).into_iter().chain(also.cloned()).collect();
        let mut lasting = self.container.mounts.iter().filter(|mount| keeps(mount));
        lasting.any(|mount| !defaults.iter().any(|dir| covers(&mount.mount_path, dir)))
    }

    /// Whether a configuration file may say where the data is.
    fn is_configured(&self) -> bool {
        let row = self.row;
        let mounts = || self.container.mounts.iter();
        let own = |path: &str| {
            row.own_files.iter().any(|own| own == path)
                && !mounts().any(|mount| covers(&mount.mount_path, path))
        };
        let told = |words: &Vec<String>| {
            words.iter().enumerate().any(|(at, word)| {
                let (flag, value) = word.split_once('=').map_or((word.as_str(), None), |(f, v)| (f, Some(v)));
                let value = value.or_else(|| words.get(at + 1).map(String::as_str));
                row.config_arguments.iter().any(|argument| argument == flag) && !value.is_some_and(own)
            })
        };
        let files = &self.container.files;
        let seen =
            |mount: &Mount, file: &ConfigFile| covers(&mount.mount_path, &file.path) && row.reads(file);
        let unseen = |mount: &&Mount| !files.iter().any(|file| seen(mount, file));
        let mounted = |path: &String| mounts().filter(unseen).any(|mount| meets(&mount.mount_path, path));
        // What such a file leaves out is elsewhere.
        let silent = || row.stores_elsewhere && files.iter().any(|file| row.reads(file));
        row.config_mounts.iter().any(mounted)
            || row.config_environment.iter().any(|name| self.line.variable(name).is_some())
            || silent()
            || self.line.commands.iter().any(told)
    }

    fn variables(&self, names: &[String]) -> Said {
        match names.iter().find_map(|name| self.line.variable(name)) {
            None => Said::Nothing,
            Some(None) => Said::Unknown,
            Some(Some("")) => Said::Nothing,
            Some(Some(value)) if self.row.positional_after.is_some() => {
                self.known(value.split_whitespace().map(Some))
            }
            Some(Some(value)) => self.known(std::iter::once(Some(value))),
        }
    }

    fn is_switch(&self, flag: &str) -> bool {
        self.row.switches.iter().any(|switch| switch == flag.trim_start_matches('-'))
    }

    /// The words that are neither flags nor flag values.
    fn positional(&self) -> Vec<String> {
        let Some(after) = &self.row.positional_after else { return Vec::new() };
        let mut found = Vec::new();
        for command in self.line.works() {
            let mut words = command.iter().skip_while(|word| *word != after).skip(1);
            while let Some(word) = words.next() {
                if !word.starts_with('-') {
                    found.push(word.clone());
                } else if !word.contains('=') && !self.is_switch(word) {
                    words.next();
                }
            }
        }
        found
    }

    /// All directories in all values, as far as the limits go. A variable reference hides only its own directory.
    fn known<'v>(&self, values: impl Iterator<Item = Option<&'v str>>) -> Said {
        let mut given = false;
        let values = values.inspect(|_| given = true);
        let directory = self.directory.as_deref();
        let all: Vec<String> =
            values.flatten().flat_map(|value| paths(value, directory)).take(MOST_READ).collect();
        let (mut seen, mut bytes) = (HashSet::new(), 0);
        let dirs: Vec<String> = all
            .iter()
            .filter(|dir| seen.insert(dir.as_str()))
            .take(MOST)
            .take_while(|dir| {
                bytes += dir.len();
                bytes <= MOST_BYTES
            })
            .cloned()
            .collect();
        match (given, dirs.is_empty()) {
            (false, _) => Said::Nothing,
            (true, true) => Said::Unknown,
            (true, false) => Said::These(dirs),
        }
    }
}

fn named(dirs: Vec<String>, origin: &'static str) -> Vec<DataDir> {
    dirs.into_iter().map(|dir| DataDir { dir, origin, ..DataDir::default() }).collect()
}

/// The absolute directories in a comma-separated list.
pub fn dirs(origin: &'static str, list: &str) -> Vec<DataDir> {
    named(list.split(',').filter_map(|dir| plain(dir.trim(), None)).take(MOST).collect(), origin)
}

/// The directories in one value: a list, a URL, a range, or a `cockroach` store (`path=/data,attrs=ssd`).
/// Skips directories that cannot be read from the text, such as variable references. Relative ones start from
/// `directory`, if it is known.
fn paths<'v>(value: &'v str, directory: Option<&'v str>) -> impl Iterator<Item = String> + 'v {
    let items = value.split(',').map(str::trim);
    items
        .map(|item| item.strip_prefix("path=").unwrap_or(item))
        .filter_map(path_of)
        .flat_map(expand)
        .filter_map(move |path| plain(&path, directory))
}

/// `https://host{0...3}/export` means the directory `/export` on each host.
fn path_of(word: &str) -> Option<&str> {
    let remote = ["http://", "https://"].iter().find_map(|scheme| word.strip_prefix(scheme));
    match remote {
        Some(rest) => rest.find('/').and_then(|at| rest.get(at..)),
        None => Some(word),
    }
}

/// Expands `/export{0...1}` to `/export0` and `/export1`; of many, the first.
///
/// A longer path than Linux opens is none, and must not be multiplied.
fn expand(path: &str) -> Vec<String> {
    if path.len() > PATH_MAX || path.matches('{').count() > MOST_RANGES {
        return Vec::new();
    }
    let mut done = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop().filter(|_| done.len() < MOST) {
        match range(&path) {
            None => done.push(path),
            Some(many) => waiting.extend(many.into_iter().rev()),
        }
    }
    done
}

/// Expands the first range in a path.
fn range(path: &str) -> Option<Vec<String>> {
    let (before, rest) = path.split_once('{')?;
    let (range, after) = rest.split_once('}')?;
    let (first, last) = range.split_once("...")?;
    // Formatting panics at widths over 65,535.
    if first.len().max(last.len()) > MOST_DIGITS {
        return None;
    }
    let (from, to): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
    // `{01...16}` pads every number to two digits.
    let width = if first.starts_with('0') { first.len() } else { 0 };
    let of_number = |number: usize| format!("{before}{number:0width$}{after}");
    (from <= to).then(|| (from..=to).take(MOST).map(of_number).collect())
}

/// A path without variable references or patterns, made absolute. In a list, `attrs=ssd` is an attribute.
fn plain(text: &str, directory: Option<&str>) -> Option<String> {
    let dir = match directory.filter(|_| !text.starts_with('/') && !text.is_empty()) {
        Some(directory) if !text.starts_with('~') && !text.contains([':', '=']) => {
            clean(&format!("{directory}/{text}"))
        }
        _ => clean(text),
    };
    (dir.starts_with('/') && dir.len() > 1 && !text.contains(['$', '{', '*', '`'])).then_some(dir)
}
