//! The command lines a container runs: each program with its arguments, including those in a shell script.

use std::collections::HashSet;

use super::environment::Environment;
use super::flags::{self, Style};
use super::pods::covers;
use super::script;
use super::view::Container;

mod reader;

use reader::Reader;
pub(super) use reader::SHELLS;

/// Script commands that neither run a server nor name one of its directories.
pub(super) const HELPERS: &[&str] = &[
    ":", "[", "[[", "apk", "apt", "apt-get", "awk", "base64", "basename", "break", "cat", "cd", "chgrp",
    "chmod", "chown", "continue", "cp", "curl", "cut", "date", "dirname", "dnf", "echo", "envsubst", "exit",
    "export", "false", "find", "for", "grep", "head", "hostname", "id", "install", "kill", "killall", "ln",
    "ls", "microdnf", "mkdir", "mktemp", "mv", "pkill", "printf", "pwd", "read", "return", "rm", "sed",
    "select", "seq", "set", "shift", "shopt", "sleep", "sort", "stat", "sync", "sysctl", "tail", "tee",
    "test", "touch", "tr", "trap", "true", "ulimit", "umask", "unset", "wait", "wc", "wget", "whoami", "yum",
];

/// The commands of a container. If the image's own entry point runs, only the arguments passed to it.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// Each command starts with its program, unless that is the image's own; wrappers such as `exec` are
    /// stripped.
    pub commands: Vec<Vec<String>>,
    /// The variables of the container; those that a script sets override them.
    pub environment: Environment,
    /// Whether the commands are fully visible. False if values from elsewhere decide what to run, or if the
    /// program or script is a file that is not in the manifest.
    pub certain: bool,
    /// Whether a condition or a loop decides which of the commands run.
    pub branches: bool,
    /// Whether something beside the commands may end them: a time limit, or a script that goes on beside them.
    pub limited: bool,
    /// The commands whose words may be others at run time.
    unsure: HashSet<usize>,
    /// The commands that run beside these: for signals (`trap`), and for their output (`$(…)`).
    aside: Vec<Vec<String>>,
    /// The directory that relative paths start from.
    pub directory: Directory,
}

/// A working directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Directory {
    /// That of the image.
    #[default]
    OfImage,
    /// This one.
    At(String),
    /// A command changes to one that cannot be told.
    Unknown,
}

impl CommandLine {
    /// What the container runs.
    pub fn of(container: &Container) -> Self {
        let words: Vec<&String> = container.command.iter().chain(&container.args).collect();
        Self::read(container, &words)
    }

    /// What a script of the container runs.
    pub fn of_script(container: &Container, text: &str) -> Self {
        let words = ["sh", "-c", text].map(str::to_owned);
        Self::read(container, &words.iter().collect::<Vec<_>>())
    }

    /// What runs beside the container's own command: hooks, probes and handlers of signals.
    pub fn beside(&self, container: &Container) -> Vec<Self> {
        let probes = [&container.readiness, &container.liveness, &container.startup];
        let asked = probes.into_iter().flatten().filter_map(|probe| probe.command.as_ref());
        let hooks = [&container.post_start, &container.pre_stop].into_iter().chain(asked);
        let mut lines: Vec<Self> = hooks
            .filter(|words| !words.is_empty())
            .map(|words| Self::read(container, &words.iter().collect::<Vec<_>>()))
            .collect();
        if !self.aside.is_empty() {
            lines.push(Self {
                commands: self.aside.clone(),
                environment: self.environment.clone(),
                directory: self.directory.clone(),
                ..Self::default()
            });
        }
        lines
    }

    fn read(container: &Container, words: &[&String]) -> Self {
        let directory = container.working_dir.clone().map_or(Directory::OfImage, Directory::At);
        let environment = Environment::of(container);
        let line = Self { environment, certain: true, directory, ..Self::default() };
        Reader::read(container, line, words)
    }

    /// All commands, with those that run beside them.
    pub fn all_commands(&self) -> impl Iterator<Item = &Vec<String>> {
        self.commands.iter().chain(&self.aside)
    }

    /// The commands other than helpers such as `mkdir`.
    pub fn works(&self) -> impl Iterator<Item = &Vec<String>> {
        self.commands.iter().filter(|words| is_work(words))
    }

    /// Those of them whose words may be others at run time.
    pub fn unsure_works(&self) -> impl Iterator<Item = &Vec<String>> {
        let unsure = self.unsure.iter().filter_map(|at| self.commands.get(*at));
        unsure.filter(|words| is_work(words))
    }

    /// All words of those commands.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        self.works().flatten()
    }

    /// Whether some of those words are variables of unknown value that may hold any option: `agent ${MODE}`, but not
    /// `-node ${NODE}`.
    pub fn has_unknown_words(&self) -> bool {
        let is_option = |word: &String| word.starts_with('-') && !word.contains('=');
        // Operands are known: where none are left, there are none.
        let may_be_any = |word: &String| word.starts_with('$') && word != "$@" && word != "$*";
        self.works().any(|words| {
            let mut pairs = words.windows(2);
            pairs.any(|pair| matches!(pair, [before, word] if may_be_any(word) && !is_option(before)))
        })
    }

    /// The values that those commands give to options, in their order; `None` for an option without a value.
    pub fn values<'a>(
        &'a self,
        options: &'a [String],
        style: &'a Style,
    ) -> impl Iterator<Item = Option<&'a str>> {
        self.works().flat_map(move |words| values(words, options, style)).map(|(_, value)| value)
    }

    /// The commands in the values of these variables.
    pub fn commands_in(&self, variables: &[String]) -> Vec<Vec<String>> {
        let texts = variables.iter().filter_map(|name| self.variable(name)?);
        texts.flat_map(|text| script::parse(text).words()).collect()
    }

    /// The value of a variable; `Some(None)` if it is set to an unknown value.
    pub fn variable(&self, name: &str) -> Option<Option<&str>> {
        self.environment.get(name)
    }
}

/// The values that a command gives to options, in its order, each with its option.
pub fn values<'a>(
    words: &'a [String],
    options: &'a [String],
    style: &'a Style,
) -> impl Iterator<Item = (&'a String, Option<&'a str>)> {
    words.iter().enumerate().filter_map(move |(at, word)| {
        let next = words.get(at + 1).map(String::as_str);
        options.iter().find_map(|option| Some((option, flags::value(style, option, word, next)?)))
    })
}

fn is_work(words: &[String]) -> bool {
    words.first().is_none_or(|word| !HELPERS.contains(&program(word)))
}

/// The last segment of a path.
pub fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// A program run from a mounted volume is not part of the image. What ends in `.conf` is none: the entry point of an image
/// hands it to the server.
pub fn is_a_mounted_file(container: &Container, word: &str) -> bool {
    let mut mounts = container.mounts.iter();
    word.starts_with('/') && !word.ends_with(".conf") && mounts.any(|mount| covers(&mount.mount_path, word))
}
