//! YAML texts of our own formats to types, with the place of every error.

use serde::de::DeserializeOwned;

use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::path::{Path, Segment};
use crate::yaml::{self, Document};

/// Reads a text that holds one document.
///
/// # Errors
/// If it is no YAML, holds none or more than one document, or does not fit the type.
pub fn read_one<T: DeserializeOwned>(text: &SourceText) -> Result<T, Diagnostics> {
    let documents = documents(text)?;
    match documents.as_slice() {
        [document] => Ok(typed(text, document)?),
        [] => Err(text.error(1, 0, "the file holds no document").into()),
        [_, second, ..] => {
            let place = second.positions.place(&[]);
            Err(text.error(place.line, 0, "a second document: this file holds exactly one").into())
        }
    }
}

/// Reads all documents of a text.
///
/// # Errors
/// If it is no YAML.
pub fn documents(text: &SourceText) -> Result<Vec<Document>, Diagnostic> {
    yaml::read(&text.text).map_err(|error| {
        let mut diagnostic = text.error(error.line, error.column, error.message);
        diagnostic.help = error.help;
        diagnostic
    })
}

/// A document as a type.
///
/// # Errors
/// If it does not fit; the error points at the field.
pub fn typed<T: DeserializeOwned>(text: &SourceText, document: &Document) -> Result<T, Diagnostic> {
    serde_path_to_error::deserialize(&document.value).map_err(|error| {
        let path = path_of(error.path());
        let message = error.inner().to_string();
        // For an unknown field the path ends with its key: that is the place, not its value.
        let key = message.starts_with("unknown field").then(|| document.positions.key_place(&path)).flatten();
        let place = key.unwrap_or_else(|| document.positions.place(&path));
        let at = if path.is_empty() { String::new() } else { format!("{}: ", crate::path::dotted(&path)) };
        text.error(place.line, place.column, format!("{at}{message}"))
    })
}

fn path_of(path: &serde_path_to_error::Path) -> Path {
    path.iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(Segment::Index(*index)),
            serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone().into())),
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
        })
        .collect()
}
