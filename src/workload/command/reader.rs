//! Follows wrappers and scripts to the commands that they run.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::environment::{Operands, Variable, assignment, closed, expand_words};
use super::super::pods::clean;
use super::super::script::{Command, Step, parse};
use super::super::view::Container;
use super::super::wrappers::{self, executed, step};
use super::{CommandLine, Directory, is_a_mounted_file, is_work, program};

pub const SHELLS: &[&str] =
    &["sh", "bash", "ash", "dash", "hush", "ksh", "ksh93", "mksh", "rbash", "yash", "zsh", "fish"];
/// Builtins of a shell that set variables.
const EXPORTS: &[&str] = &["export", "declare", "typeset", "readonly", "local"];
/// How many scripts and functions may be inside one another.
const MOST_NESTED: usize = 5;
/// The most bytes of commands that are followed; functions can multiply what a script holds.
const MOST_BYTES: usize = 1 << 19;
/// What a command counts in bytes beside its words.
const COMMAND_BYTES: usize = 16;
/// The longest directory that Linux changes to, in bytes (`PATH_MAX`).
const PATH_MAX: usize = 4096;

pub(super) struct Reader<'a> {
    container: &'a Container,
    line: CommandLine,
    functions: HashMap<String, Rc<Vec<Step>>>,
    /// Where a command would start now.
    directory: Directory,
    /// The subshells around, each with what it changed.
    subshells: Vec<Subshell>,
    /// What subshells set in which something ran; it is no more what runs after them.
    past: Vec<String>,
    /// The number of commands other than helpers.
    works: usize,
    nested: usize,
    left: usize,
    /// The number of functions that are being called.
    calls: usize,
    /// Whether a condition decides if what is read now runs.
    conditional: bool,
    /// Whether the words of the command that is read now may be others at run time.
    unsure: bool,
}

struct Subshell {
    directory: Directory,
    /// The number of works before it.
    works: usize,
    /// What variables were before, in the order of their changes.
    variables: Vec<(String, Option<Variable>)>,
}

impl<'a> Reader<'a> {
    pub(super) fn read(container: &'a Container, line: CommandLine, words: &[&String]) -> CommandLine {
        let mut reader = Self {
            container,
            directory: line.directory.clone(),
            line,
            past: Vec::new(),
            functions: HashMap::new(),
            subshells: Vec::new(),
            works: 0,
            nested: 0,
            left: MOST_BYTES,
            calls: 0,
            conditional: false,
            unsure: false,
        };
        let words: Vec<String> = words.iter().map(|word| reader.line.environment.expand(word)).collect();
        reader.run(&words);
        reader.line
    }

    fn run(&mut self, words: &[String]) {
        let mut words = words;
        while let Some(step) = step(words) {
            self.line.limited |= words.first().is_some_and(|first| program(first) == "timeout");
            words = match step {
                wrappers::Step::Words(rest) => rest,
                wrappers::Step::Assigned(rest) => self.assign(rest, false),
                wrappers::Step::Elsewhere(rest) => {
                    self.directory = Directory::Unknown;
                    self.line.certain = false;
                    self.assign(rest, false)
                }
                // Words of its input follow these.
                wrappers::Step::Continued(rest) => {
                    self.unsure = true;
                    rest
                }
                wrappers::Step::Script(text) => return self.script(&text, &[]),
            };
        }
        let Some(first) = words.first() else { return };
        match program(first) {
            "find" => return self.found(words),
            shell if SHELLS.contains(&shell) => {
                if let Some((text, operands)) = script_of(words).filter(|_| self.nested < MOST_NESTED) {
                    return self.script(text, operands);
                }
                // The script is in a file, so its content is unknown.
                self.line.certain = false;
            }
            "." | "source" => self.line.certain = false,
            _ => {}
        }
        self.line.certain &= !first.contains(['$', '`']) && !is_a_mounted_file(self.container, first);
        self.line.branches |= self.conditional;
        if self.unsure {
            self.line.unsure.insert(self.line.commands.len());
        }
        if is_work(words) {
            self.works += 1;
            self.line.directory = self.directory.clone();
            for name in std::mem::take(&mut self.past) {
                self.line.environment.doubt(&name);
            }
        }
        self.line.commands.push(words.to_vec());
    }

    /// Runs what `find` runs for each file that it finds.
    fn found(&mut self, words: &[String]) {
        if self.nested >= MOST_NESTED {
            return self.give_up();
        }
        self.nested += 1;
        let outer = std::mem::replace(&mut self.conditional, true);
        for command in executed(words) {
            self.unsure |= command.iter().any(|word| word.contains("{}"));
            self.run(command);
        }
        self.conditional = outer;
        self.nested -= 1;
        self.line.commands.push(words.first().cloned().into_iter().collect());
    }

    fn script(&mut self, text: &str, operands: &[String]) {
        if self.nested >= MOST_NESTED {
            return self.give_up();
        }
        self.nested += 1;
        let script = parse(text);
        self.line.certain &= !script.unread;
        self.line.limited |= script.background;
        self.functions.extend(script.functions);
        self.steps(&script.steps, &mut Operands::of(operands, self.unsure));
        self.nested -= 1;
    }

    fn steps(&mut self, steps: &[Step], operands: &mut Operands) {
        let (outer, subshells) = (self.conditional, self.subshells.len());
        for step in steps {
            if self.calls > 0 && self.left == 0 {
                self.give_up();
                break;
            }
            match step {
                Step::Enter => {
                    self.enter();
                    self.left -= if self.calls > 0 { COMMAND_BYTES.min(self.left) } else { 0 };
                }
                Step::Leave => self.leave(),
                Step::Run(command) => {
                    self.conditional = outer || command.conditional;
                    self.command(command, operands);
                }
            }
        }
        self.conditional = outer;
        while self.subshells.len() > subshells {
            self.leave();
        }
    }

    fn enter(&mut self) {
        let (directory, works) = (self.directory.clone(), self.works);
        self.subshells.push(Subshell { directory, works, variables: Vec::new() });
    }

    fn leave(&mut self) {
        let Some(subshell) = self.subshells.pop() else { return };
        self.directory = subshell.directory;
        if self.works > subshell.works {
            // What ran had these values, and it is that which is judged.
            let names = subshell.variables.into_iter().map(|(name, before)| {
                if before.is_some() {
                    self.line.environment.doubt(&name);
                }
                name
            });
            return self.past.extend(names);
        }
        for (name, variable) in subshell.variables.into_iter().rev() {
            self.line.environment.put(&name, variable);
        }
    }

    fn command(&mut self, command: &Command, operands: &mut Operands) {
        // A script itself is no longer than the longest argument.
        let size = command.words.iter().fold(COMMAND_BYTES, |size, word| size + word.len() + 1);
        match self.left.checked_sub(if self.calls > 0 { size } else { 0 }) {
            Some(left) => self.left = left,
            None => {
                self.left = 0;
                return self.give_up();
            }
        }
        command.words.iter().flat_map(|word| substituted(word)).for_each(|text| self.aside(text));
        let words = expand_words(&mut self.line.environment, &command.words, operands);
        let unsure = self.line.environment.take_unsure();
        if let Some(name) = &command.array {
            self.line.certain &= !unsure && !self.conditional;
            return self.line.environment.set_array(name, words);
        }
        let exported = words.first().is_some_and(|first| EXPORTS.contains(&first.as_str()));
        let flags = words.iter().skip(1).take_while(|word| exported && word.starts_with('-')).count();
        let rest = self.assign(words.get(if exported { 1 + flags } else { 0 }..).unwrap_or_default(), unsure);
        let Some(first) = rest.first().filter(|_| !exported) else { return };
        if let Some(body) = self.functions.get(first).cloned() {
            return self.call(&body, rest, unsure);
        }
        self.builtin(rest, operands, unsure);
        let outer = std::mem::replace(&mut self.unsure, unsure);
        self.run(rest);
        self.unsure = outer;
    }

    fn call(&mut self, body: &[Step], words: &[String], unsure: bool) {
        if self.nested >= MOST_NESTED {
            return self.give_up();
        }
        self.nested += 1;
        self.calls += 1;
        self.steps(body, &mut Operands::of(words, unsure));
        self.calls -= 1;
        self.nested -= 1;
    }

    /// Leaves a command unread, which may be anything.
    fn give_up(&mut self) {
        let anything = ["$".to_owned()];
        self.line.certain = false;
        if self.line.commands.last().is_none_or(|last| *last != anything) {
            self.line.commands.push(anything.to_vec());
        }
    }

    /// What builtins of a shell change for the commands that follow.
    fn builtin(&mut self, words: &[String], operands: &mut Operands, unsure: bool) {
        let unsure = unsure || self.conditional;
        let rest = words.get(1..).unwrap_or_default();
        match words.first().map(String::as_str) {
            Some("cd") => self.change_to(rest.first()),
            Some("set") => {
                let flag = |word: &&String| word.starts_with(['-', '+']) && *word != "--";
                let at = rest.iter().take_while(flag).count();
                match rest.get(at).map(String::as_str) {
                    Some("--") => operands.replace(rest.get(at + 1..).unwrap_or_default(), unsure),
                    // Not `set -o pipefail`.
                    Some(_) if at == 0 => operands.replace(rest, unsure),
                    _ => {}
                }
            }
            Some("shift") => {
                let number = rest.first().map_or(Ok(1), |number| number.parse());
                operands.shift(number.unwrap_or(1), unsure || rest.first().is_some_and(|n| n.contains('$')));
            }
            Some("for" | "select") => {
                // Of several words, the first is one that it may be.
                let value = rest.get(2).cloned();
                self.put(rest.first(), Some(Variable { value, unsure: rest.len() > 3 }));
            }
            Some("read") => {
                for name in rest.iter().filter(|word| !word.starts_with('-')) {
                    self.put(Some(name), Some(Variable::default()));
                }
            }
            Some("unset") if !self.conditional => rest.iter().for_each(|name| self.put(Some(name), None)),
            Some("trap") => self.handle(rest),
            _ => {}
        }
    }

    /// Reads what a signal starts.
    fn handle(&mut self, words: &[String]) {
        if let Some(text) = words.first().filter(|text| words.len() > 1 && !text.starts_with('-')) {
            self.aside(text);
        }
    }

    /// Reads a script that runs beside the one that is read; what it sets does not count there.
    fn aside(&mut self, text: &str) {
        let directory = self.line.directory.clone();
        let before = (self.line.certain, self.line.branches, self.line.limited);
        let commands = std::mem::take(&mut self.line.commands);
        let unsure = std::mem::take(&mut self.line.unsure);
        self.enter();
        self.script(text, &[]);
        self.leave();
        let beside = std::mem::replace(&mut self.line.commands, commands);
        self.line.aside.extend(beside);
        self.line.unsure = unsure;
        self.line.directory = directory;
        (self.line.certain, self.line.branches, self.line.limited) = before;
    }

    /// Sets the variables that are assigned at the start; the rest is the command.
    fn assign<'w>(&mut self, words: &'w [String], unsure: bool) -> &'w [String] {
        let mut rest = words;
        while let Some((name, value)) = rest.first().and_then(|word| assignment(word)) {
            let environment = &self.line.environment;
            let same = environment.get(name) == Some(Some(value)) && !environment.is_unsure(name);
            let unsure = unsure || self.conditional && !same;
            let variable = Variable { value: Some(value.to_owned()), unsure };
            self.put(Some(name), Some(variable));
            rest = rest.get(1..).unwrap_or_default();
        }
        rest
    }

    fn put(&mut self, name: Option<impl AsRef<str>>, variable: Option<Variable>) {
        let Some(name) = name else { return };
        let before = self.line.environment.put(name.as_ref(), variable);
        if let Some(subshell) = self.subshells.last_mut() {
            subshell.variables.push((name.as_ref().to_owned(), before));
        }
    }

    fn change_to(&mut self, to: Option<&String>) {
        let known = to.filter(|to| !to.contains(['$', '`', '*', '~']) && !to.starts_with('-'));
        let to = match (known, &self.directory) {
            (Some(to), _) if to.starts_with('/') => Some(clean(to)),
            (Some(to), Directory::At(from)) => Some(clean(&format!("{from}/{to}"))),
            _ => None,
        };
        let to = to.filter(|to| to.len() <= PATH_MAX && !self.conditional);
        self.directory = to.map_or(Directory::Unknown, Directory::At);
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

/// The scripts in a word whose output the shell puts there: `$(…)` and `` `…` ``.
fn substituted(word: &str) -> Vec<&str> {
    let mut found: Vec<&str> = word.split('`').skip(1).step_by(2).collect();
    let mut rest = word;
    while let Some((_, after)) = rest.split_once("$(") {
        let Some((inside, tail)) = closed(after, b'(', b')') else { break };
        found.push(inside);
        rest = tail;
    }
    found
}
