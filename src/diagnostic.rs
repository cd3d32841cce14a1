//! Errors in texts written by people: what is wrong, where, and what to write instead.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plain;

/// A text and the name that messages refer to it by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceText {
    /// The path as given, or a name in angle brackets: `<stdin>`.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

impl SourceText {
    /// Creates a named text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    /// An error at a position in this text (1-based; 0 if unknown).
    pub fn error(&self, line: usize, column: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic { source: Arc::clone(&self.name), line, column, message: message.into(), help: None }
    }
}

/// One error in one text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Name of the text.
    pub source: Arc<str>,
    /// 1-based line; 0 for the whole text.
    pub line: usize,
    /// 1-based column in characters; 0 for the whole line.
    pub column: usize,
    /// What is wrong, on one line.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Adds help to the error.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// For people: what is harmful is spelled out.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", plain::line(&self.source))?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        write!(f, ": {}", plain::line(&self.message))?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {}", plain::line(help))?;
        }
        Ok(())
    }
}

/// What serde says of a value that does not fit, without the value: it is part of an object, and may be a credential.
///
/// `invalid type: string "…", expected a map` becomes `invalid type: string, expected a map`.
pub fn without_value(error: &impl fmt::Display) -> String {
    let said = error.to_string();
    for quoting in ["invalid type: ", "invalid value: ", "unknown variant "] {
        // The value may contain any of these words: the first and the last count.
        if let Some((before, found)) = said.split_once(quoting)
            && let Some((found, expected)) = found.rsplit_once(", expected ")
        {
            let kind = found.split(['`', '"']).next().unwrap_or_default();
            return format!("{}, expected {expected}", format!("{before}{quoting}{kind}").trim_end());
        }
    }
    said
}

/// Help that suggests the known word closest to a misspelled one; `None` if no word is close.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(wrong, word), word))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| format!("did you mean {word}?"))
}

/// A text of at most about this many bytes. What is cut off is marked with the length of the whole: a message may
/// quote what a client chose.
pub fn shorten(mut text: String, bytes: usize) -> String {
    let length = text.len();
    if length > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push_str(&format!("… ({length} bytes)"));
    }
    text
}

/// All errors found in one pass.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, Deserialize)]
    enum Operator {
        In,
    }

    #[test]
    fn an_error_quotes_no_value() {
        fn said<T: DeserializeOwned + fmt::Debug>(json: &str) -> String {
            without_value(&serde_json::from_str::<T>(json).unwrap_err())
        }
        let place = " at line 1 column";
        for (message, expected) in [
            (said::<Vec<u8>>("\"hunter2, expected `x`\""), "invalid type: string, expected a sequence"),
            (said::<Vec<u8>>("[4711]"), "invalid value: integer, expected u8"),
            (said::<Vec<u8>>("[\"\\\"hunter2\"]"), "invalid type: string, expected u8"),
            (said::<String>("true"), "invalid type: boolean, expected a string"),
            (said::<Operator>("\"hunter2, expected one\""), "unknown variant, expected `In`"),
            (said::<String>("{}"), "invalid type: map, expected a string"),
        ] {
            assert!(message.starts_with(&format!("{expected}{place}")), "{message}");
        }
        assert_eq!(said::<String>("\"a"), "EOF while parsing a string at line 1 column 2");
    }

    #[test]
    fn an_error_is_harmless() {
        let error = SourceText::new("a\n::error::b\u{202e}.yaml", "").error(1, 2, "x\n::error::y\u{1b}");
        assert_eq!(
            error.with_help("z\u{200b}").to_string(),
            "a\\n::error::b\\u{202e}.yaml:1:2: x\\n::error::y\\u{1b}\n  help: z\\u{200b}"
        );
    }
}
