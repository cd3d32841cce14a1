//! Whether a container's commands run an engine, a client or a task, and how much of that can be seen.

use super::super::command::{CommandLine, SHELLS, is_a_mounted_file, program, values};
use super::super::flags;
use super::super::image::ImageRef;
use super::super::labels::glob;
use super::super::pods::keeps;
use super::super::view::Container;
use super::{Condition, EngineRow, matches_any};

/// Programs that only wait. A container that runs nothing else is there for people who look into it by `kubectl exec`,
/// whatever its image holds.
const WAITING: &[&str] =
    &["cat", "nc", "ncat", "pause", "read", "sleep", "socat", "tail", "true", "wait", "watch", "yes"];

impl EngineRow {
    /// The command line that runs the engine: the container's own or, if that is a client's, what runs beside it.
    pub(in crate::workload) fn line(&self, container: &Container) -> CommandLine {
        let line = self.configured(container, CommandLine::of(container));
        if self.runs(container, &line) {
            return line;
        }
        let mut beside = line.beside(container).into_iter();
        beside.find(|beside| self.is_started(container, beside)).unwrap_or(line)
    }

    pub(super) fn runs(&self, container: &Container, line: &CommandLine) -> bool {
        self.is_asked_for(line)
            && !container.image.as_ref().is_some_and(|image| self.runs_a_client(line, image))
            && !self.is_idle(container, line)
            && !self.runs_another(container, line)
            && !self.runs_another_script(container)
    }

    /// Whether it runs only programs that somebody mounts in the image, and nothing else shows the engine.
    fn runs_another(&self, container: &Container, line: &CommandLine) -> bool {
        let mounted = |words: &Vec<String>| {
            let first = words.first().map(String::as_str).unwrap_or_default();
            is_a_mounted_file(container, first) && !self.is_program(words) && !self.is_server(words)
        };
        let probes = [&container.readiness, &container.liveness, &container.startup];
        line.works().next().is_some()
            && line.works().all(mounted)
            && probes.into_iter().all(Option::is_none)
            && !container.ports.iter().any(|port| self.ports.contains(&port.port))
            && !container.env.iter().any(|env| matches_any(&self.variables, &env.name))
            && !container.env_from
            && !container.mounts.iter().any(keeps)
            && self.mounted_dirs(container).next().is_none()
    }

    /// Whether a hook, a probe or a handler starts the engine, beside a container that does not run it.
    pub(super) fn is_started(&self, container: &Container, beside: &CommandLine) -> bool {
        let starts = |words: &Vec<String>| {
            let word = |wanted: &str| words.iter().any(|word| word == wanted);
            let controls = self.is_program(words) && (word("start") || word("restart"));
            !self.is_client(words) && !self.exits(words) && (self.is_server(words) || controls)
        };
        self.is_asked_for(beside) && beside.works().any(starts) && !self.is_idle(container, beside)
    }

    /// Whether the container serves until it is stopped: the image's own entry point or one command runs the
    /// server in the foreground, and nothing beside it can be seen that ends it.
    pub fn serves(&self, container: &Container) -> bool {
        let line = CommandLine::of(container);
        let decided = line.certain && !line.branches && !line.limited;
        let is_image = container.image.as_ref().is_some_and(|image| self.is_image(image));
        let serves = |words: &Vec<String>| {
            let flags = words.first().is_some_and(|first| first.starts_with('-'));
            (flags || self.is_server(words)) && !self.exits(words)
        };
        let unsure = line.unsure_works().next().is_some();
        let entry_point = line.commands.is_empty() && container.command.is_empty();
        is_image && decided && !unsure && (entry_point || line.works().any(serves))
    }

    /// Whether a command of another engine's image starts the server of this one.
    pub(super) fn starts_server(&self, line: &CommandLine) -> bool {
        line.works().any(|words| starts_like(&self.servers, words) && !self.is_client(words))
    }

    /// Whether a command runs the server.
    fn is_server(&self, words: &[String]) -> bool {
        let named =
            |name: &str| name.ends_with("entrypoint.sh") || name == self.name && self.servers.is_empty();
        starts_like(&self.servers, words) || words.first().is_some_and(|first| named(program(first)))
    }

    /// Whether a command of the server does one thing and exits.
    fn exits(&self, words: &[String]) -> bool {
        let asked = |word: &String| {
            let flag = word.split('=').next().unwrap_or(word);
            matches!(flag, "--version" | "--help" | "-V" | "-?")
                || self.one_shot.iter().any(|known| known == flag)
        };
        words.iter().any(asked)
    }

    /// Whether it can be seen that a container runs one of the engine's own programs, or the entry point of the
    /// engine's image, even if it keeps no data.
    pub(in crate::workload) fn is_seen_in(&self, container: &Container) -> bool {
        let line = CommandLine::of(container);
        let entry_point = line.commands.is_empty() && container.command.is_empty();
        let seen = |words: &Vec<String>| {
            let first = words.first().map(String::as_str).unwrap_or_default();
            first.starts_with('-') || self.is_program(words) || self.is_server(words)
        };
        let is_image = container.image.as_ref().is_some_and(|image| self.is_image(image));
        is_image && (entry_point || line.works().any(seen))
    }

    fn is_asked_for(&self, line: &CommandLine) -> bool {
        let asked = |word: &String| {
            let flag = word.split('=').next().unwrap_or(word);
            self.requires_argument.iter().any(|wanted| flags::is(wanted, flag))
        };
        self.requires_argument.is_empty() || line.words().any(asked)
    }

    /// Whether all that a container runs is a script of a ConfigMap that is known, which runs clients at most.
    fn runs_another_script(&self, container: &Container) -> bool {
        let words: Vec<&String> = container.command.iter().chain(&container.args).collect();
        let [shell, path] = words.as_slice() else { return false };
        let file = container.files.iter().find(|file| file.path == **path);
        let Some(file) = file.filter(|_| SHELLS.contains(&program(shell))) else { return false };
        let line = CommandLine::of_script(container, &file.text);
        line.certain && line.works().all(|words| self.is_client(words))
    }

    fn runs_a_client(&self, line: &CommandLine, image: &ImageRef) -> bool {
        let works: Vec<&Vec<String>> = line.works().collect();
        if works.is_empty() {
            let waits =
                |words: &Vec<String>| words.first().is_some_and(|first| WAITING.contains(&program(first)));
            return line.commands.iter().any(|words| waits(words) || self.is_client(words));
        }
        let (clients, others): (Vec<_>, Vec<_>) = works.into_iter().partition(|words| self.is_client(words));
        let runs_engine = |words: &&Vec<String>| {
            let Some(first) = words.first().filter(|first| !first.starts_with('-')) else { return true };
            let name = program(first);
            self.is_program(words) || name.ends_with(".sh") || name.contains('$') || name == image.basename()
        };
        !clients.is_empty() && !others.iter().any(runs_engine)
    }

    pub(in crate::workload) fn is_client(&self, words: &[String]) -> bool {
        starts_like(&self.clients, words)
    }

    /// Whether a command visibly runs the engine, so that its options of one letter are the engine's.
    pub(in crate::workload) fn is_own(&self, words: &[String]) -> bool {
        let first = words.first().map(String::as_str).unwrap_or_default();
        first.starts_with('-') || first.ends_with(".sh") || self.is_program(words) || self.is_server(words)
    }

    fn is_program(&self, words: &[String]) -> bool {
        words
            .first()
            .is_some_and(|first| program(first) == self.name || matches_any(&self.programs, program(first)))
    }

    /// Whether it is told to keep no data.
    pub(super) fn is_idle(&self, container: &Container, line: &CommandLine) -> bool {
        self.idle.iter().any(|idle| idle.holds(container, line, &self.options))
    }

    /// Whether its settings say that the container is a store of its own.
    pub(in crate::workload) fn is_alone(&self, container: &Container) -> bool {
        let line = self.line(container);
        self.alone.iter().any(|alone| alone.holds(container, &line, &self.options))
    }

    /// Whether the engine is told to keep everything in memory only.
    pub(in crate::workload) fn is_volatile(&self, container: &Container) -> bool {
        self.is_certainly_told(container, &self.volatile)
    }

    /// Whether the engine is told to drop any of its data when its memory is full.
    pub(in crate::workload) fn evicts(&self, container: &Container) -> bool {
        self.is_certainly_told(container, &self.evicts)
    }

    fn is_certainly_told(&self, container: &Container, any: &[Condition]) -> bool {
        if any.is_empty() {
            return false;
        }
        let line = self.line(container);
        line.certain && any.iter().any(|condition| condition.holds(container, &line, &self.options))
    }

    /// Whether it is clear what runs: a single program that may be the engine, and the same one whatever
    /// conditions decide.
    pub(in crate::workload) fn is_certain(&self, line: &CommandLine) -> bool {
        let works = || line.works().filter(|words| !self.is_client(words));
        let programs = works().filter(|words| self.is_program(words)).count();
        line.certain
            && (works().count() - programs + programs.min(1) <= 1 || self.comes_last(line))
            && line.unsure_works().all(|words| self.is_client(words))
            && (!line.branches || self.agrees(line))
    }

    /// Whether the engine's own program runs after everything else and is told its directory, and nothing before it
    /// may be the engine, too: what comes before changes nothing about what it is told.
    fn comes_last(&self, line: &CommandLine) -> bool {
        let may_be_it = |words: &Vec<String>| {
            let first = words.first().map(String::as_str).unwrap_or_default();
            self.is_own(words) || first.contains('$')
        };
        let works: Vec<&Vec<String>> = line.works().collect();
        works.split_last().is_some_and(|(last, before)| {
            let told = || values(last, &self.arguments, &self.options).next().is_some();
            !line.branches && self.is_program(last) && told() && !before.iter().any(|words| may_be_it(words))
        })
    }

    /// Whether all commands that run the engine name the same directories.
    fn agrees(&self, line: &CommandLine) -> bool {
        let told = |words: &Vec<String>| -> Vec<String> {
            if self.positional_after.is_some() {
                return words.clone();
            }
            let values = values(words, &self.arguments, &self.options);
            values.map(|(option, value)| format!("{option} {}", value.unwrap_or_default())).collect()
        };
        let works = line.works().filter(|words| !self.is_client(words));
        let mut told = works.filter(|words| self.is_server(words) || !told(words).is_empty()).map(told);
        let first = told.next();
        told.all(|other| first.as_ref() == Some(&other))
    }
}

/// Whether a command starts with the words of one of the patterns; the first word is a program.
pub(super) fn starts_like<'p>(patterns: impl IntoIterator<Item = &'p String>, words: &[String]) -> bool {
    patterns.into_iter().any(|pattern| {
        let mut rest = words.iter().enumerate();
        pattern.split(' ').all(|wanted| {
            rest.next().is_some_and(|(at, word)| glob(wanted, if at == 0 { program(word) } else { word }))
        })
    })
}
