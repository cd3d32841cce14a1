//! The command lines a container runs: each program with its arguments, including those in a shell script.

use super::script::{Script, parse};
use super::view::Container;

/// Programs that run the rest of their command line. An entry point that gets only flags runs the image's own
/// program.
const WRAPPERS: &[&str] = &[
    "exec",
    "nohup",
    "time",
    "tini",
    "dumb-init",
    "command",
    "if",
    "elif",
    "then",
    "else",
    "while",
    "until",
    "do",
    "!",
    "{",
];
/// Programs that run the rest of their command line as the user named first.
const USER_WRAPPERS: &[&str] = &["gosu", "su-exec"];
const SHELLS: &[&str] = &["sh", "bash", "ash", "dash"];
/// Script commands that neither run a server nor name one of its directories.
const HELPERS: &[&str] = &[
    "[", "[[", "case", "cat", "cd", "chgrp", "chmod", "chown", "cp", "date", "done", "echo", "esac", "exit",
    "export", "false", "fi", "find", "for", "hostname", "id", "install", "ln", "mkdir", "mv", "printf",
    "read", "rm", "sed", "set", "shift", "sleep", "sync", "sysctl", "tee", "test", "touch", "trap", "true",
    "ulimit", "umask", "unset", "wait", "}",
];

/// The commands of a container. If the image's own entry point runs, only the arguments passed to it.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// Each command starts with its program, unless that is the image's own; wrappers such as `exec` are
    /// stripped.
    pub commands: Vec<Vec<String>>,
    /// Variables set by a script; they override those of the container.
    pub variables: Vec<(String, String)>,
    /// Whether the commands are fully visible. False if a script decides at run time what to run, or if the
    /// program or script is a file that is not in the manifest.
    pub certain: bool,
}

impl CommandLine {
    pub fn of(container: &Container) -> Self {
        let words: Vec<String> = container.command.iter().chain(&container.args).cloned().collect();
        let words = unwrapped(&words);
        let shell = words.first().is_some_and(|first| SHELLS.contains(&program(first)));
        if !shell {
            let own = words.first().is_none_or(|first| !is_a_mounted_file(container, first));
            return Self { commands: vec![words.to_vec()], variables: Vec::new(), certain: own };
        }
        match script_of(words) {
            Some(text) => Self::of_script(container, parse(text)),
            // The script is in a file, so its content is unknown.
            None => Self { commands: vec![words.to_vec()], variables: Vec::new(), certain: false },
        }
    }

    fn of_script(container: &Container, script: Script) -> Self {
        let mut line = Self { certain: !script.branches, ..Self::default() };
        for words in script.commands {
            let exported = words.first().is_some_and(|first| first == "export");
            let words = if exported { words.get(1..).unwrap_or_default() } else { words.as_slice() };
            let set = words.iter().take_while(|word| assignment(word).is_some()).count();
            let (assignments, words) = words.split_at(set);
            line.variables.extend(assignments.iter().filter_map(|word| assignment(word)));
            let words = unwrapped(words);
            if let Some(first) = words.first().filter(|_| !exported) {
                let known = !first.contains(['$', '`']) && !SHELLS.contains(&program(first));
                line.certain &= known && !is_a_mounted_file(container, first);
                line.commands.push(words.to_vec());
            }
        }
        line
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

    /// The values of flags, written `--flag=x` or `--flag x`; `None` for a flag without a value.
    pub fn values<'a>(&'a self, flags: &'a [String]) -> impl Iterator<Item = Option<&'a str>> {
        let of_command = move |words: &'a Vec<String>| {
            let next = words.iter().skip(1).map(|word| Some(word.as_str())).chain([None]);
            words.iter().zip(next).filter_map(move |(word, next)| {
                let (flag, value) = match word.split_once('=') {
                    Some((flag, value)) => (flag, Some(value)),
                    None => (word.as_str(), next),
                };
                flags.iter().any(|wanted| wanted == flag).then_some(value)
            })
        };
        self.works().flat_map(of_command)
    }

    /// The last value that a script assigns to a variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The last segment of a path.
pub fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Splits `NAME=value`.
fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

/// The words without leading wrappers.
fn unwrapped(mut words: &[String]) -> &[String] {
    while let [first, rest @ ..] = words {
        let first = program(first);
        if WRAPPERS.contains(&first) {
            let flags = rest.iter().take_while(|word| word.starts_with('-')).count();
            words = rest.get(flags..).unwrap_or_default();
        } else if USER_WRAPPERS.contains(&first) {
            words = rest.get(1..).unwrap_or_default();
        } else if first.ends_with("entrypoint.sh") && rest.first().is_some_and(|word| !word.starts_with('-'))
        {
            words = rest;
        } else {
            break;
        }
    }
    words
}

/// The script after `-c` or `-ec` in a shell's arguments.
fn script_of(words: &[String]) -> Option<&str> {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'))?;
        if letters.ends_with('o') {
            words.next();
        } else if letters.contains('c') {
            return words.next().map(String::as_str);
        }
    }
    None
}

/// A program run from a mounted volume is not part of the image.
fn is_a_mounted_file(container: &Container, word: &str) -> bool {
    let mut mounts = container.mounts.iter();
    word.starts_with('/') && mounts.any(|mount| super::pods::covers(&mount.mount_path, word))
}
