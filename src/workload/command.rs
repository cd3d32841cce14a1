//! What a container runs: its program with its words, also where a shell runs a script of them.

use super::script::{Script, parse};
use super::view::Container;

/// Programs that run the words after them. An entry point that gets flags only runs the image's own program.
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
/// Programs that run the words after them as the user that is named first.
const USER_WRAPPERS: &[&str] = &["gosu", "su-exec"];
const SHELLS: &[&str] = &["sh", "bash", "ash", "dash"];
/// Commands of a script that run no server, and name no directory of one.
const HELPERS: &[&str] = &[
    "[", "[[", "case", "cat", "cd", "chgrp", "chmod", "chown", "cp", "date", "done", "echo", "esac", "exit",
    "export", "false", "fi", "find", "for", "hostname", "id", "install", "ln", "mkdir", "mv", "printf",
    "read", "rm", "sed", "set", "shift", "sleep", "sync", "sysctl", "tee", "test", "touch", "trap", "true",
    "ulimit", "umask", "unset", "wait", "}",
];

/// The commands of a container. Of an image's own entry point only the words that are added to it.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// Each with its program first, unless that is the image's own; wrappers such as `exec` are left out.
    pub commands: Vec<Vec<String>>,
    /// Variables that a script sets; they win over those of the container.
    pub variables: Vec<(String, String)>,
    /// Does it all stand here? Not if a script decides by itself what it runs, or is a file.
    pub certain: bool,
}

impl CommandLine {
    /// Reads the command and the arguments of a container.
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
            // A script in a file: nobody knows what it does.
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

    /// The commands that do the work.
    pub fn works(&self) -> impl Iterator<Item = &Vec<String>> {
        self.commands
            .iter()
            .filter(|words| words.first().is_none_or(|word| !HELPERS.contains(&program(word))))
    }

    /// All words of the commands that do the work.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        self.works().flatten()
    }

    /// The values of flags: `--flag=x`, `--flag x`; `None` for one that has none.
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

    /// What a script sets a variable to at last.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The last part of a path.
pub fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// `NAME=value`
fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

/// The words without those that only lead to them.
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

/// What is after `-c` or `-ec`, of a shell's words.
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

/// A file of a volume that is run is not the image's.
fn is_a_mounted_file(container: &Container, word: &str) -> bool {
    let mut mounts = container.mounts.iter();
    word.starts_with('/') && mounts.any(|mount| super::pods::covers(&mount.mount_path, word))
}
