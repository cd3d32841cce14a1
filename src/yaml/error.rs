//! The reader's error type and its advice.

use thiserror::Error;

/// Why and where a text could not be parsed, and how to fix it.
///
/// `line` and `column` are 1-based and count characters, as editors do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, column {column}: {message}")]
pub struct YamlError {
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    /// How to fix it, if known.
    pub help: Option<String>,
}

/// The advice for a text that is none yet.
const TEMPLATE: &str =
    "this looks like a template; check what is made of it: helm template DIR | stategate check -";

impl YamlError {
    /// Does the text seem to be a template, so that all that can be said of it was said?
    pub fn is_of_a_template(&self) -> bool {
        self.help.as_deref() == Some(TEMPLATE)
    }

    pub(super) fn new(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { message: message.into(), line, column, help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds advice based on the lines around the error.
    ///
    /// Mistakes often surface far from where they were made: a tab breaks its own line or the one before it,
    /// and a template action can shift the indentation of the whole block after it.
    pub(super) fn advised(mut self, text: &str, part: &str) -> Self {
        let first = self.line.saturating_sub(2);
        let near: Vec<&str> = text.lines().skip(first).take(3).collect();
        let is_action = |line: &&str| line.trim_start().starts_with("{{");
        if near.iter().any(|line| line.contains("{{")) || part.lines().any(|line| is_action(&line)) {
            self.help = Some(TEMPLATE.to_owned());
        } else if self.help.is_none() && near.iter().copied().any(tab_indented) {
            if !self.message.starts_with("a tab") {
                self.message.push_str(" (a tab is used for indentation)");
            }
            self.help = Some("YAML indents with spaces only; replace the tab by spaces".to_owned());
        }
        self
    }
}

fn tab_indented(line: &str) -> bool {
    let body = line.trim_start_matches([' ', '\t']);
    let indent = line.strip_suffix(body).unwrap_or(line);
    indent.contains('\t') && !body.is_empty()
}
