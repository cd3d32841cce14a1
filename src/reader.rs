//! Parses YAML texts in stategate's own formats into types, with the position of every error.

mod collect;

use serde::de::DeserializeOwned;

pub use collect::Collected;

use crate::diagnostic::{Diagnostic, Diagnostics, SourceText, did_you_mean};
use crate::path::Segment;
use crate::yaml::{self, Document};
use collect::{Fault, What, collect};

/// Parses a text that contains one document.
///
/// # Errors
/// If it is not valid YAML, contains no document or several, or does not fit the type.
pub fn read_one<T: DeserializeOwned>(text: &SourceText) -> Result<T, Diagnostics> {
    typed(text, &one(text)?)
}

/// The single document of a text.
///
/// # Errors
/// If it is not valid YAML, or contains no document or several.
pub fn one(text: &SourceText) -> Result<Document, Diagnostics> {
    let mut documents = documents(text)?.into_iter();
    match (documents.next(), documents.next()) {
        (Some(document), None) => Ok(document),
        (None, _) => Err(text.error(1, 0, "the file holds no document").into()),
        (_, Some(second)) => {
            let place = second.positions.place(&[]);
            Err(text.error(place.line, 0, "a second document: this file holds exactly one").into())
        }
    }
}

/// Reads all documents of a text.
///
/// # Errors
/// If it is not valid YAML.
pub fn documents(text: &SourceText) -> Result<Vec<Document>, Diagnostic> {
    yaml::read(&text.text).map_err(|error| {
        let mut diagnostic = text.error(error.line, error.column, error.message);
        diagnostic.help = error.help;
        diagnostic
    })
}

/// Converts a document to a type.
///
/// # Errors
/// All mismatches, each at its key or value.
pub fn typed<T: DeserializeOwned>(text: &SourceText, document: &Document) -> Result<T, Diagnostics> {
    let (read, errors) = typed_in_part(text, document);
    match read.value {
        Some(value) if errors.0.is_empty() => Ok(value),
        _ => Err(errors),
    }
}

/// Like [`typed`], but returns a partial value together with the errors, so that it can also be checked.
pub fn typed_in_part<T: DeserializeOwned>(
    text: &SourceText,
    document: &Document,
) -> (Collected<T>, Diagnostics) {
    let read = collect(&document.value);
    let mut errors: Vec<Diagnostic> =
        read.faults.iter().map(|fault| diagnostic(text, document, fault)).collect();
    errors.sort_by_key(|error| (error.line, error.column));
    (read, Diagnostics(errors))
}

fn diagnostic(text: &SourceText, document: &Document, fault: &Fault) -> Diagnostic {
    let place = match fault.what {
        // The error is in the key, not in its value.
        What::UnknownKey(_) => document.positions.key_place(&fault.path),
        _ => None,
    };
    let place = place.unwrap_or_else(|| document.positions.place(&fault.path));
    let at = match fault.path.as_slice() {
        [] => String::new(),
        path => format!("{}: ", crate::path::dotted(path)),
    };
    let mut error = text.error(place.line, place.column, format!("{at}{}", fault.what));
    error.help = match &fault.what {
        What::UnknownKey(known) => {
            let key = fault.path.last().map(Segment::as_key).unwrap_or_default();
            did_you_mean(&key, known.iter().copied())
                .or_else(|| Some(format!("take it out; there are {}", known.join(", "))))
        }
        What::UnknownWord(word, known) => did_you_mean(&word.to_lowercase(), known.iter().copied()),
        What::MissingKey(key) => Some(format!("add `{key}: …` here")),
        What::Other(_) => None,
    };
    error
}
