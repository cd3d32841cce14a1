//! Reads manifests as kubectl does, and knows the place of every node.
//!
//! kubectl reads a manifest with `sigs.k8s.io/yaml`: go-yaml v2 gives the scalars their types (by
//! the YAML 1.1 type repository, so `yes` is a boolean and `0644` is 420), then everything is made
//! JSON. A gate that reads otherwise judges another object than the one that gets stored, so this
//! reader follows that path, not YAML 1.2. Where go-yaml silently drops something, such as the
//! first of two equal keys, it refuses instead.
//!
//! ```text
//! text ── stream ── saphyr events ─┐
//!             └──── json ──────────┴─ scalar: types ── tree: anchors, merges, bounds ── Value + Positions
//! ```

pub mod edit;
mod error;
mod events;
mod json;
mod offsets;
mod positions;
mod scalar;
mod stream;
#[cfg(test)]
mod tests;
mod tree;

use std::borrow::Cow;

use serde_json::Value;

pub use error::YamlError;
pub use positions::{Positions, SourceSpan};

/// No text larger than this is read.
const MAX_BYTES: usize = 64 << 20;

/// One document of a text.
#[derive(Clone, Debug)]
pub struct Document {
    /// The content, as kubectl would send it to the API server.
    pub value: Value,
    /// Where every node stands in the text.
    pub positions: Positions,
    /// The template that Helm says it rendered the document from (`# Source: chart/x.yaml`).
    pub source: Option<String>,
}

/// Reads all documents of a text; those that are empty or `null` are left out.
///
/// Offsets in the positions count from the start of `text`, a byte order mark included.
///
/// # Errors
///
/// The first thing in the text that is not YAML, that JSON has no form for (`.inf`, a null key),
/// that is ambiguous (a key given twice), or that is beyond the bounds on size, nesting and alias
/// expansion.
pub fn read(text: &str) -> Result<Vec<Document>, YamlError> {
    if text.len() > MAX_BYTES {
        return Err(too_long(text.len()));
    }
    stream::read(text).map_err(|error| error.advised(text))
}

/// Reads all documents of a file in UTF-8, or in UTF-16 with a byte order mark.
///
/// For UTF-16 the offsets in the positions are those of the text in UTF-8.
///
/// # Errors
///
/// As [`read`], and for bytes that are in neither encoding.
pub fn read_bytes(bytes: &[u8]) -> Result<Vec<Document>, YamlError> {
    if bytes.len() > MAX_BYTES {
        return Err(too_long(bytes.len()));
    }
    read(&text(bytes)?)
}

/// The text of a file in UTF-8, or in UTF-16 with a byte order mark.
///
/// # Errors
///
/// For bytes that are in neither encoding.
pub fn text(bytes: &[u8]) -> Result<Cow<'_, str>, YamlError> {
    match bytes {
        [0xff, 0xfe, wide @ ..] => utf16(wide, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, wide @ ..] => utf16(wide, u16::from_be_bytes).map(Cow::Owned),
        _ => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            let in_line = valid.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            let column = String::from_utf8_lossy(in_line).chars().count() + 1;
            let message = format!("byte {} is not UTF-8", error.valid_up_to());
            YamlError::new(line, column, message).help("save the file as UTF-8")
        }),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, YamlError> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let decoded = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<Result<_, _>>();
    match decoded {
        Ok(text) if odd.is_empty() => Ok(text),
        _ => Err(YamlError::new(1, 1, "the file begins as UTF-16 but is not UTF-16 throughout")
            .help("save the file as UTF-8")),
    }
}

fn too_long(bytes: usize) -> YamlError {
    let message = format!("the text has {bytes} bytes; at most {MAX_BYTES} are read");
    YamlError::new(1, 1, message)
}
