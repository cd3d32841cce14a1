//! Files of ConfigMaps that configure an engine: their settings are read as if they were arguments.

use std::collections::BTreeMap;

use quick_xml::events::Event;
use serde::Deserialize;
use serde_json::Value;

use super::super::command::CommandLine;
use super::super::pods::covers;
use super::super::view::{ConfigFile, Container};
use super::{EngineRow, matches_any};

/// How many pairs of files and words are compared. No person writes that many, and with more it is not known which
/// files the engine reads.
const MOST_PAIRS: usize = 1 << 18;
/// The deepest value of a file that is read.
const DEEPEST: usize = 8;

/// Files of one kind that an engine reads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Configuration {
    /// Patterns for their paths.
    files: Vec<String>,
    /// Whether the engine reads only those that its command names.
    #[serde(default)]
    named: bool,
    format: Format,
    /// Only before this major version.
    before_major: Option<u64>,
    /// Of a file with sections, those that count.
    #[serde(default)]
    sections: Vec<String>,
    /// The settings that are read, each with the argument that says the same: one that begins with a dash is followed
    /// by the value, to any other it is joined by `=`. `storage.path` is `path` inside `storage`.
    settings: BTreeMap<String, String>,
    /// The setting that chooses among the places that others name.
    #[serde(default)]
    choice: Option<Choice>,
}

/// A setting that says where an engine writes: with one of these values to its directories, else to what only
/// `argument` stands for, whatever else is named.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    setting: String,
    directories: Vec<String>,
    argument: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// A name and a value on each line, with `=`, `:` or blanks between them, and sections in brackets.
    Lines,
    Yaml,
    /// Names and values in braces, as in HCL and in NATS's files. What is written before a brace in quotes is its
    /// `type`.
    Blocks,
    /// Values in elements; those inside others have names with dots.
    Xml,
}

impl EngineRow {
    /// The command line with the settings of the files that are known, before its own, which override them.
    pub(super) fn configured(&self, container: &Container, mut line: CommandLine) -> CommandLine {
        let written: Vec<ConfigFile> = self.written(container).collect();
        let major = container.image.as_ref().and_then(|image| self.major(image));
        let is_read = |known: &&Configuration| {
            known.before_major.is_none_or(|end| major.is_some_and(|major| major < end))
        };
        let is_known = container.files.len() + written.len() > 0;
        for configuration in self.configuration.iter().filter(|_| is_known).filter(is_read) {
            let files = container.files.iter().chain(&written);
            let all: Vec<&ConfigFile> =
                files.filter(|file| matches_any(&configuration.files, &file.path)).collect();
            if all.len().saturating_mul(line.words().count()) > MOST_PAIRS {
                continue;
            }
            let names = |word: &str, file: &ConfigFile| {
                let path = word.split_once('=').map_or(word, |(_, path)| path);
                path.len() > 1 && path.starts_with('/') && covers(path.trim_end_matches('/'), &file.path)
            };
            let is_named = |file: &ConfigFile| line.words().any(|word| names(word, file));
            let named: Vec<&ConfigFile> = all.iter().copied().filter(|file| is_named(file)).collect();
            let read = if named.is_empty() && !configuration.named { &all } else { &named };
            let settings: Option<Vec<Vec<String>>> =
                read.iter().map(|file| configuration.arguments(&file.text)).collect();
            // What one of them leaves open, another file may say.
            let Some(settings) = settings.filter(|_| !read.is_empty()) else { continue };
            for words in &mut line.commands {
                words.retain(|word| !named.iter().any(|file| names(word, file)));
            }
            self.insert(&mut line, settings.concat());
        }
        line
    }

    /// The files that the image writes of its variables before it starts the engine.
    fn written(&self, container: &Container) -> impl Iterator<Item = ConfigFile> {
        self.config_variables.iter().filter_map(|(name, path)| {
            let variable = container.env.iter().find(|variable| variable.name == *name)?;
            Some(ConfigFile { path: path.clone(), text: variable.value.as_deref()?.into() })
        })
    }

    /// Whether the settings of a file are known.
    pub(in crate::workload) fn reads(&self, file: &ConfigFile) -> bool {
        let mut all = self.configuration.iter();
        all.any(|known| matches_any(&known.files, &file.path) && known.arguments(&file.text).is_some())
    }

    fn insert(&self, line: &mut CommandLine, settings: Vec<String>) {
        if line.commands.is_empty() {
            let flags = ["--".to_owned()].into_iter().chain(settings);
            return line.commands.push(flags.collect());
        }
        // One of which nothing is left only named the file.
        let own = |words: &&mut Vec<String>| words.is_empty() || !self.is_client(words) && self.is_own(words);
        let own = line.commands.iter_mut().find(own);
        if let Some(words) = own {
            let at = usize::from(words.first().is_some_and(|first| !first.starts_with('-')));
            words.splice(at..at, settings);
        }
    }
}

impl Configuration {
    /// What a file says, as arguments; none if other files may say it, too, or it cannot be read.
    fn arguments(&self, text: &str) -> Option<Vec<String>> {
        let choice = self.choice.as_ref().map(|choice| choice.setting.as_str());
        let mut settings = Settings { wanted: &self.settings, choice, arguments: Vec::new(), chosen: None };
        match self.format {
            Format::Lines => self.lines(text, &mut settings)?,
            Format::Yaml => {
                for document in crate::yaml::read(text).ok()? {
                    settings.values("", &document.value, 0);
                }
            }
            Format::Blocks => blocks(text, &mut settings)?,
            Format::Xml => xml(text, &mut settings)?,
        }
        let Settings { mut arguments, chosen, .. } = settings;
        if let (Some(choice), Some(chosen)) = (&self.choice, chosen) {
            let elsewhere = format!("{}=", choice.argument);
            arguments.retain(|argument| !argument.starts_with(&elsewhere));
            if !choice.directories.contains(&chosen) {
                arguments.push(elsewhere + &chosen);
            }
        }
        Some(arguments)
    }

    fn lines(&self, text: &str, settings: &mut Settings<'_>) -> Option<()> {
        let mut counts = true;
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if let Some(section) = line.strip_prefix('[') {
                let section = section.trim_end_matches(']').trim();
                counts = self.sections.is_empty() || self.sections.iter().any(|known| known == section);
                continue;
            }
            let end = line.find(|c: char| c.is_whitespace() || matches!(c, '=' | ':')).unwrap_or(line.len());
            let (name, rest) = line.split_at(end);
            if name.trim_start_matches('!').starts_with("include") {
                return None;
            }
            let value = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '=' | ':'));
            if counts {
                settings.add(name, value.split(" #").next().unwrap_or_default());
            }
        }
        Some(())
    }
}

/// The settings that were found.
struct Settings<'a> {
    wanted: &'a BTreeMap<String, String>,
    choice: Option<&'a str>,
    arguments: Vec<String>,
    /// The last value of the choice.
    chosen: Option<String>,
}

impl Settings<'_> {
    fn add(&mut self, name: &str, value: &str) {
        let value = value.trim().trim_matches(['"', '\'']);
        if self.choice == Some(name) {
            self.chosen = Some(value.to_owned());
        }
        let Some(argument) = self.wanted.get(name) else { return };
        match argument.starts_with('-') {
            true => self.arguments.extend([argument.clone(), value.to_owned()]),
            false => self.arguments.push(format!("{argument}={value}")),
        }
    }

    fn values(&mut self, name: &str, value: &Value, depth: usize) {
        match value {
            Value::Object(map) if depth < DEEPEST => map.iter().for_each(|(key, value)| {
                // As what stands in quotes before a block is its type, so is the only key above one.
                if value.is_object() && map.len() == 1 {
                    self.add(&join(name, "type"), key);
                }
                self.values(&join(name, key), value, depth + 1);
            }),
            Value::Array(items) => {
                let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                self.add(name, &texts.join(","));
                if depth < DEEPEST {
                    let groups = items.iter().filter(|item| item.is_object());
                    groups.for_each(|item| self.values(name, item, depth + 1));
                }
            }
            Value::String(text) => self.add(name, text),
            Value::Bool(_) | Value::Number(_) => self.add(name, &value.to_string()),
            Value::Object(_) | Value::Null => {}
        }
    }
}

fn join(outer: &str, inner: &str) -> String {
    if outer.is_empty() || inner.is_empty() { format!("{outer}{inner}") } else { format!("{outer}.{inner}") }
}

/// Reads blocks in braces; none if a brace is missing or they are nested too deeply.
fn blocks(text: &str, settings: &mut Settings<'_>) -> Option<()> {
    let mut open: Vec<String> = Vec::new();
    let mut pending: Vec<&str> = Vec::new();
    let name = |open: &[String], inner: &str| join(open.last().map_or("", String::as_str), inner);
    for token in tokens(text) {
        match token {
            "{" => {
                let own = name(&open, pending.first().map_or("", |first| first.trim_matches('"')));
                if let Some(label) = pending.get(1) {
                    settings.add(&join(&own, "type"), label);
                }
                settings.add(&own, "");
                open.push(own);
                pending.clear();
                if open.len() > DEEPEST {
                    return None;
                }
            }
            "\n" | "," | ";" | "}" => {
                if let [key, value, ..] = pending.as_slice() {
                    settings.add(&name(&open, key.trim_matches('"')), value);
                }
                pending.clear();
                if token == "}" {
                    open.pop()?;
                }
            }
            word if word.starts_with("include") => return None,
            word => pending.push(word),
        }
    }
    open.is_empty().then_some(())
}

/// Reads elements; none if they are not well-formed or nested too deeply. An attribute may take the place of a value.
fn xml(text: &str, settings: &mut Settings<'_>) -> Option<()> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open: Vec<String> = Vec::new();
    let inner = |open: &[String], name: &[u8]| {
        join(open.last().map_or("", String::as_str), &String::from_utf8_lossy(name))
    };
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                let name = inner(&open, element.name().as_ref());
                if element.attributes().next().is_some() {
                    settings.add(&name, "");
                }
                open.push(name);
                if open.len() > DEEPEST {
                    return None;
                }
            }
            Event::Empty(element) => settings.add(&inner(&open, element.name().as_ref()), ""),
            Event::Text(value) => {
                let value = value.decode().ok()?;
                if let Some(name) = open.last().filter(|_| !value.trim().is_empty()) {
                    settings.add(name, &value);
                }
            }
            Event::End(_) => drop(open.pop()?),
            Event::Eof => return open.is_empty().then_some(()),
            _ => {}
        }
    }
}

/// Words, quoted texts, braces and ends of lines; commas; not `=`, `:` and comments.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let skipped = |c: char| c != '\n' && c.is_whitespace() || matches!(c, '=' | ':');
            rest = rest.trim_start_matches(skipped);
            if !(rest.starts_with('#') || rest.starts_with("//")) {
                break;
            }
            rest = rest.find('\n').and_then(|at| rest.get(at..)).unwrap_or_default();
        }
        let first = rest.chars().next()?;
        let length = match first {
            '\n' | ',' | ';' | '{' | '}' => 1,
            '"' => rest.char_indices().skip(1).find(|(_, c)| *c == '"').map_or(rest.len(), |(at, _)| at + 1),
            _ => rest
                .find(|c: char| c.is_whitespace() || matches!(c, '=' | ':' | ',' | ';' | '{' | '}' | '"'))
                .unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        Some(token)
    })
}
