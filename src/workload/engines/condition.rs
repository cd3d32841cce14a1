//! Conditions on what a container is told, under which its engine keeps nothing, not for long, or by itself.

use serde::Deserialize;

use super::super::command::{CommandLine, values};
use super::super::flags::Style;
use super::super::image::ImageRef;
use super::super::labels::glob;
use super::super::pods::meets;
use super::super::view::Container;
use super::matches_any;

/// What a container is told. All of it must hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    /// Only for matching repositories.
    #[serde(default)]
    repositories: Vec<String>,
    /// At least one of these words or flags (with or without a value) is given; empty means any.
    #[serde(default)]
    words: Vec<String>,
    /// None of these words or flags is given; a leading `*` matches by suffix.
    #[serde(default)]
    without: Vec<String>,
    /// The image runs what it runs by itself: neither a command nor arguments are given.
    #[serde(default)]
    by_default: bool,
    /// None of these variables is set, nor may something unseen set them.
    #[serde(default)]
    without_environment: Vec<String>,
    /// No volume is mounted at one of these paths, above or below it.
    #[serde(default)]
    without_mounts: Vec<String>,
    /// The container declares these ports and no others; empty means any.
    #[serde(default)]
    ports: Vec<i64>,
    /// At least one of these arguments and variables is given, and all their values are in `values`.
    #[serde(default)]
    arguments: Vec<String>,
    /// Variables that hold further words and arguments.
    #[serde(default)]
    arguments_in: Vec<String>,
    #[serde(default)]
    environment: Vec<String>,
    /// Those of the variables that the image passes over if they are empty.
    #[serde(default)]
    unless_empty: Vec<String>,
    #[serde(default)]
    values: Vec<String>,
    /// None of their values is one of these.
    #[serde(default)]
    other_values: Vec<String>,
    /// A further condition that must also hold.
    and: Option<Box<Condition>>,
}

impl Condition {
    /// Whether variables have a part in it.
    pub(super) fn reads_variables(&self) -> bool {
        !self.environment.is_empty() || !self.arguments_in.is_empty()
    }

    pub(super) fn holds(&self, container: &Container, line: &CommandLine, style: &Style) -> bool {
        let more = line.commands_in(&self.arguments_in);
        let given = |wanted: &String| {
            line.words().chain(more.iter().flatten()).any(|word| {
                let flag = word.split(['=', ' ']).next().unwrap_or(word);
                glob(wanted, flag)
                    || style.is_word(wanted, flag)
                    || wanted == word
                    || wanted.contains('=') && glob(wanted, word)
            })
        };
        let of_these = |image: &ImageRef| matches_any(&self.repositories, &image.repository);
        let set = |name: &String| container.env_from || line.variable(name).is_some();
        let mounted = |path: &String| container.mounts.iter().any(|mount| meets(&mount.mount_path, path));
        (self.repositories.is_empty() || container.image.as_ref().is_some_and(of_these))
            && (self.words.is_empty() || self.words.iter().any(given))
            && (self.without.is_empty() || !self.without.iter().any(given) && !line.has_unknown_words())
            && (!self.by_default || container.command.is_empty() && container.args.is_empty())
            && !self.without_environment.iter().any(set)
            && !self.without_mounts.iter().any(mounted)
            && (self.ports.is_empty() || declares(container, &self.ports))
            && (self.arguments.is_empty() && self.environment.is_empty()
                || self.values_fit(line, &more, style))
            && self.and.as_ref().is_none_or(|and| and.holds(container, line, style))
    }

    fn values_fit(&self, line: &CommandLine, more: &[Vec<String>], style: &Style) -> bool {
        let of_arguments = line.values(&self.arguments, style).flatten();
        let of_texts = more.iter().flat_map(|words| values(words, &self.arguments, style));
        let of_texts = of_texts.filter_map(|(_, value)| value);
        let counts =
            |name: &String, value: &str| !(value.trim().is_empty() && self.unless_empty.contains(name));
        let of_variables = self.environment.iter().filter_map(|name| {
            let value = line.variable(name)??;
            counts(name, value).then_some(value)
        });
        let mut given = of_arguments.chain(of_texts).chain(of_variables).peekable();
        let fits = |one: &str| {
            let plain = one.trim_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"' | '\''));
            (self.values.is_empty() || self.values.iter().any(|value| value == plain))
                && !self.other_values.iter().any(|value| value == plain)
        };
        given.peek().is_some() && given.all(|list| list.split(',').all(fits))
    }
}

/// Whether a container declares these ports and no others.
fn declares(container: &Container, ports: &[i64]) -> bool {
    !container.ports.is_empty() && container.ports.iter().all(|port| ports.contains(&port.port))
}
