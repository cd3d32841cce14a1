//! Changes values in a text and leaves everything else as it is: comments, order, indents, quotes.
//!
//! ```text
//! text ── layout (where every node lies) ─┐
//! what shall be there ── what differs ────┴─ splices ── new text ── read again: is it what was asked for?
//! ```
//!
//! The last step is the proof: a text that does not read as exactly what was asked for, or whose other
//! documents read otherwise than before, is never given out.

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

use crate::path::{self, Path};

/// What shall be where.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which document of the text, counted as [`super::read`] gives them.
    pub document: usize,
    /// Where in the document.
    pub path: Path,
    /// What shall be there.
    pub value: Value,
}

/// Why a text is not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct Refusal {
    /// 1-based line of what is in the way.
    pub line: usize,
    /// What is in the way, as one sentence without a full stop.
    pub reason: String,
}

/// The text with these changes; the same text if all is there already.
///
/// # Errors
/// If the text cannot be changed without changing something else: an anchor that is used elsewhere, an
/// alias, a merged key; or if the changed text would not read as what was asked for.
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
