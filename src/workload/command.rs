//! The command lines a container runs: each program with its arguments, including those in a shell script.

use super::environment::{Environment, Operands, assignment, expand_words};
use super::flags;
use super::pods::clean;
use super::script::parse;
use super::view::Container;
use super::wrappers::{Step, step};

const SHELLS: &[&str] =
    &["sh", "bash", "ash", "dash", "hush", "ksh", "ksh93", "mksh", "rbash", "yash", "zsh", "fish"];
/// Builtins of a shell that set variables.
const EXPORTS: &[&str] = &["export", "declare", "typeset", "readonly", "local"];
/// Script commands that neither run a server nor name one of its directories.
const HELPERS: &[&str] = &[
    "[", "[[", "case", "cat", "cd", "chgrp", "chmod", "chown", "cp", "date", "done", "echo", "esac", "exit",
    "export", "false", "fi", "find", "for", "hostname", "id", "install", "ln", "mkdir", "mv", "printf",
    "read", "rm", "sed", "set", "shift", "sleep", "sync", "sysctl", "tee", "test", "touch", "trap", "true",
    "ulimit", "umask", "unset", "wait", "}",
];
/// How many scripts may be inside one another.
const MOST_NESTED: usize = 5;

/// The commands of a container. If the image's own entry point runs, only the arguments passed to it.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// Each command starts with its program, unless that is the image's own; wrappers such as `exec` are
    /// stripped.
    pub commands: Vec<Vec<String>>,
    /// The variables of the container; those that a script sets override them.
    pub environment: Environment,
    /// Whether the commands are fully visible. False if a script decides at run time what to run, or if the
    /// program or script is a file that is not in the manifest.
    pub certain: bool,
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

    /// What its postStart hook runs, beside the container's own command.
    pub fn of_hook(container: &Container) -> Option<Self> {
        let words: Vec<&String> = container.post_start.iter().collect();
        (!words.is_empty()).then(|| Self::read(container, &words))
    }

    fn read(container: &Container, words: &[&String]) -> Self {
        let directory = container.working_dir.clone().map_or(Directory::OfImage, Directory::At);
        let environment = Environment::of(container);
        let line = Self { commands: Vec::new(), environment, certain: true, directory };
        let mut reader = Reader { container, line, nested: 0 };
        let words: Vec<String> = words.iter().map(|word| reader.line.environment.expand(word)).collect();
        reader.run(&words);
        reader.line
    }

    /// The commands other than helpers such as `mkdir`.
    pub fn works(&self) -> impl Iterator<Item = &Vec<String>> {
        self.commands
            .iter()
            .filter(|words| words.first().is_none_or(|word| !HELPERS.contains(&program(word))))
    }

    /// All words of those commands.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        self.works().flatten()
    }

    /// The values that those commands give to options, in their order; `None` for an option without a value.
    pub fn values<'a>(&'a self, options: &'a [String]) -> impl Iterator<Item = Option<&'a str>> {
        self.works().flat_map(move |words| values(words, options)).map(|(_, value)| value)
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
) -> impl Iterator<Item = (&'a String, Option<&'a str>)> {
    words.iter().enumerate().filter_map(move |(at, word)| {
        let next = words.get(at + 1).map(String::as_str);
        options.iter().find_map(|option| Some((option, flags::value(option, word, next)?)))
    })
}

/// The last segment of a path.
pub fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

struct Reader<'a> {
    container: &'a Container,
    line: CommandLine,
    nested: usize,
}

impl Reader<'_> {
    fn run(&mut self, words: &[String]) {
        let mut words = words;
        while let Some(step) = step(words) {
            words = match step {
                Step::Words(rest) => rest,
                Step::Assigned(rest) => self.assign(rest),
                Step::Elsewhere(rest) => {
                    self.line.directory = Directory::Unknown;
                    self.line.certain = false;
                    self.assign(rest)
                }
                Step::Script(text) if self.nested < MOST_NESTED => return self.script(&text, &[]),
                Step::Script(_) => {
                    self.line.certain = false;
                    return;
                }
            };
        }
        let Some(first) = words.first() else { return };
        if SHELLS.contains(&program(first)) {
            if let Some((text, operands)) = script_of(words).filter(|_| self.nested < MOST_NESTED) {
                return self.script(text, operands);
            }
            // The script is in a file, so its content is unknown.
            self.line.certain = false;
        }
        self.line.certain &= !first.contains(['$', '`']) && !is_a_mounted_file(self.container, first);
        self.line.commands.push(words.to_vec());
    }

    fn script(&mut self, text: &str, operands: &[String]) {
        self.nested += 1;
        let script = parse(text);
        let operands = Operands::of(operands);
        self.line.certain &= !script.branches;
        for words in script.commands {
            let words = expand_words(&mut self.line.environment, &words, &operands);
            let exported = words.first().is_some_and(|first| EXPORTS.contains(&first.as_str()));
            let flags = words.iter().skip(1).take_while(|word| exported && word.starts_with('-')).count();
            let from = if exported { 1 + flags } else { 0 };
            let rest = self.assign(words.get(from..).unwrap_or_default());
            if exported {
                continue;
            }
            if rest.first().is_some_and(|first| first == "cd") {
                self.change_to(rest.get(1));
            }
            self.run(rest);
        }
        self.nested -= 1;
    }

    /// Sets the variables that are assigned at the start; the rest is the command.
    fn assign<'w>(&mut self, words: &'w [String]) -> &'w [String] {
        let mut rest = words;
        while let Some((name, value)) = rest.first().and_then(|word| assignment(word)) {
            self.line.environment.set(name, value);
            rest = rest.get(1..).unwrap_or_default();
        }
        rest
    }

    fn change_to(&mut self, to: Option<&String>) {
        let known = to.filter(|to| !to.contains(['$', '`', '*', '~']) && !to.starts_with('-'));
        self.line.directory = match (known, &self.line.directory) {
            (Some(to), _) if to.starts_with('/') => Directory::At(clean(to)),
            (Some(to), Directory::At(from)) => Directory::At(clean(&format!("{from}/{to}"))),
            _ => Directory::Unknown,
        };
    }
}

/// The script after `-c` or `-ec` in a shell's arguments, and the words after it.
fn script_of(words: &[String]) -> Option<(&str, &[String])> {
    let mut at = 1;
    let mut given = false;
    while let Some(word) = words.get(at).filter(|word| word.len() > 1 && word.starts_with(['-', '+'])) {
        at += 1;
        if word == "--" {
            break;
        }
        let long = word.starts_with("--");
        given |= !long && word.starts_with('-') && word.contains('c');
        if ["--rcfile", "--init-file"].contains(&word.as_str()) || !long && word.ends_with(['o', 'O']) {
            at += 1;
        }
    }
    let script = words.get(at).filter(|_| given)?;
    Some((script, words.get(at + 1..).unwrap_or_default()))
}

/// A program run from a mounted volume is not part of the image.
fn is_a_mounted_file(container: &Container, word: &str) -> bool {
    let mut mounts = container.mounts.iter();
    word.starts_with('/') && mounts.any(|mount| super::pods::covers(&mount.mount_path, word))
}
