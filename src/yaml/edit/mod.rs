//! Changes values in a text and preserves everything else: comments, order, indentation, quotes.
//!
//! ```text
//! text ── layout (position of every node) ─┐
//! wanted values ── differences ────────────┴─ splices ── new text ── parse again, compare with the request
//! ```
//!
//! The last step guarantees the result: a text that does not parse to exactly the requested values, or whose
//! other documents parse differently than before, is never returned.

mod cursor;
mod json;
mod layout;
#[cfg(test)]
mod properties;
mod splice;
mod style;
#[cfg(test)]
mod tests;
mod write;

use serde_json::Value;
use thiserror::Error;

pub(super) use write::Style;

use crate::path::{self, Path};

/// A value to set.
#[derive(Clone, Debug)]
pub struct Change {
    /// Index of the document in the text, as returned by [`super::read`].
    pub document: usize,
    /// Path in the document.
    pub path: Path,
    /// The new value.
    pub value: Value,
}

/// Why a text cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct Refusal {
    /// 1-based line of the obstacle.
    pub line: usize,
    /// The obstacle, as one sentence without a full stop.
    pub reason: String,
}

/// Applies the changes; returns the text unchanged if they are already present.
///
/// # Errors
/// If the text cannot be changed without side effects (an anchor that is used elsewhere, an alias, a merged
/// key), or if the changed text would not parse to the requested values.
pub fn edit(text: &str, changes: &[Change]) -> Result<String, Refusal> {
    let unread = |error: super::YamlError| Refusal { line: error.line, reason: error.message };
    let before: Vec<Value> =
        super::read(text).map_err(unread)?.into_iter().map(|document| document.value).collect();
    let mut wanted = before.clone();
    for change in changes {
        let place = wanted.get_mut(change.document).and_then(|root| path::get_mut(root, &change.path));
        match place {
            Some(place) => *place = change.value.clone(),
            None => {
                let reason = format!("there is no {}", path::dotted(&change.path));
                return Err(Refusal { line: 1, reason });
            }
        }
    }
    if wanted == before {
        return Ok(text.to_owned());
    }
    let layouts = layout::layouts(text).map_err(unread)?;
    if layouts.len() != before.len() {
        return Err(Refusal { line: 1, reason: "its documents cannot be told apart".to_owned() });
    }
    let mut splices = Vec::new();
    for ((layout, before), wanted) in layouts.iter().zip(&before).zip(&wanted) {
        if before != wanted {
            splices.extend(splice::splices(text, layout, before, wanted)?);
        }
    }
    let line = splices.first().map_or(1, |splice| cursor::line_number(text, splice.at.start));
    let unproved = |reason: &str| Refusal { line, reason: format!("the changed text would {reason}") };
    let edited = splice::apply(text, splices).ok_or_else(|| unproved("overlap itself"))?;
    let after =
        super::read(&edited).map_err(|error| unproved(&format!("not be readable: {}", error.message)))?;
    let same = after.len() == wanted.len()
        && after.iter().zip(&wanted).all(|(after, wanted)| after.value == *wanted);
    if same { Ok(edited) } else { Err(unproved("say something else than was asked for")) }
}
