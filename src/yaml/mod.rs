//! Reads manifests as kubectl does, and records the position of every node.
//!
//! kubectl reads manifests with `sigs.k8s.io/yaml`: go-yaml v2 types the scalars (by the YAML 1.1 type
//! repository, so `yes` is a boolean and `0644` is 420), then everything is converted to JSON. A gate that
//! parses differently would evaluate a different object from the one that is stored, so this reader follows
//! go-yaml instead of YAML 1.2. Where go-yaml silently drops something, such as the first of two equal keys,
//! this reader refuses the text.
//!
//! ```text
//! text ── stream ── saphyr events ─┐
//!             └──── json ──────────┴─ scalar: types ── tree: anchors, merges, bounds ── Value + Positions
//! ```

pub mod edit;
mod error;
mod events;
mod folded;
mod json;
mod offsets;
mod positions;
mod scalar;
mod stream;
#[cfg(test)]
mod tests;
mod tree;
mod values;

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

pub use error::YamlError;
pub use positions::{Positions, SourceSpan};

/// The maximum size of a text, in bytes.
const MAX_BYTES: usize = 64 << 20;

/// One document of a text.
#[derive(Clone, Debug)]
pub struct Document {
    /// The content, as kubectl would send it to the API server.
    pub value: Value,
    /// The position of every node in the text.
    pub positions: Positions,
    /// The template from which Helm rendered the document, taken from its comment (`# Source: chart/x.yaml`).
    pub source: Option<String>,
    /// Keys that are given twice with one value, which counts once.
    pub repeated: Vec<YamlError>,
    /// Items of a list of objects that cannot be read: `NO_CHARACTER` is in their place.
    lost: Vec<(YamlError, Range<usize>)>,
}

/// What can be read of a text.
#[derive(Debug, Default)]
pub struct Readable {
    /// The documents that can be read.
    pub documents: Vec<Document>,
    /// Why the others cannot.
    pub faults: Vec<Fault>,
}

/// What a key means that a mapping has twice with different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatedKeys {
    /// Nothing: kubectl refuses it.
    #[default]
    Ambiguous,
    /// What it says the last time, as Helm has it of what it rendered.
    LastCounts,
}

/// A document that cannot be read.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Why and where.
    pub error: YamlError,
    /// The part of the text that cannot be read because of it.
    pub part: Range<usize>,
}

impl Document {
    /// A document that is in no text, so that nothing in it has a position.
    pub fn without_positions(value: Value) -> Self {
        Self { value, positions: Positions::default(), source: None, repeated: Vec::new(), lost: Vec::new() }
    }
}

/// Reads all documents of a text; empty and `null` documents are left out.
///
/// Offsets in the positions count from the start of `text`, including a byte order mark.
///
/// # Errors
///
/// The first place in the text that is not YAML, that JSON cannot represent (`.inf`, a null key), that is
/// ambiguous (a duplicate key), or that exceeds the limits on size, nesting and alias expansion.
pub fn read(text: &str) -> Result<Vec<Document>, YamlError> {
    let Readable { documents, faults } = read_each(text);
    let repeated = documents.iter().flat_map(|document| &document.repeated).cloned();
    let faults = faults.into_iter().map(|fault| fault.error).chain(repeated);
    match faults.min_by_key(|error| (error.line, error.column)) {
        Some(error) => Err(error),
        None => Ok(documents),
    }
}

/// Reads all documents of a text that can be read: one that cannot costs only itself. A key may be given twice with one
/// value; empty and `null` documents are left out.
pub fn read_each(text: &str) -> Readable {
    read_each_with(text, RepeatedKeys::Ambiguous)
}

fn read_each_with(text: &str, repeated_keys: RepeatedKeys) -> Readable {
    if text.len() > MAX_BYTES {
        let fault = Fault { error: too_long(text.len()), part: 0..text.len() };
        return Readable { documents: Vec::new(), faults: vec![fault] };
    }
    let stream::Stream { documents, faults } = stream::read(text, repeated_keys);
    let faults = faults.into_iter().map(|(error, part)| {
        let error = error.advised(text, text.get(part.clone()).unwrap_or_default());
        Fault { error, part }
    });
    Readable { documents, faults: faults.collect() }
}

/// The text of a file, and what can be read of it. In UTF-8, a byte that is none costs only its own document, and stands
/// in the text as the character U+FFFF, which no document can hold.
///
/// # Errors
///
/// If it is not a text at all, or JSON in another encoding.
pub fn read_file(bytes: &[u8], repeated_keys: RepeatedKeys) -> Result<(Cow<'_, str>, Readable), YamlError> {
    let error = match text(bytes) {
        Ok(text) => {
            let readable = read_each_with(&text, repeated_keys);
            return Ok((text, readable));
        }
        Err(error) => error,
    };
    let is_wide = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    if is_wide || bytes.trim_ascii_start().starts_with(b"{") || bytes.trim_ascii_start().starts_with(b"[") {
        return Err(error);
    }
    let text: String = bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().to_owned() + if chunk.invalid().is_empty() { "" } else { NO_CHARACTER })
        .collect();
    let mut readable = read_each_with(&text, repeated_keys);
    for fault in &mut readable.faults {
        let line = text.lines().nth(fault.error.line.saturating_sub(1)).unwrap_or_default();
        if line
            .chars()
            .nth(fault.error.column.saturating_sub(1))
            .is_some_and(|char| NO_CHARACTER.contains(char))
        {
            fault.error = YamlError { line: fault.error.line, column: fault.error.column, ..not_utf8() };
        }
    }
    Ok((text.into(), readable))
}

/// Stands for bytes that are no character, and for items that cannot be read.
pub const NO_CHARACTER: &str = "\u{ffff}";

fn not_utf8() -> YamlError {
    YamlError::new(0, 0, "a byte is not UTF-8").help("save the file as UTF-8")
}

/// The value as a document in the style of kubectl. [`read`] and kubectl read the same value: texts that YAML 1.1
/// takes for something else, such as `on`, are in quotes.
pub fn write(value: &Value) -> String {
    let style = edit::Style::KUBECTL;
    style.block(value, 0).into_iter().flat_map(|line| [line, style.line_break.to_owned()]).collect()
}

/// Reads all documents of a file in UTF-8, or in UTF-16 with a byte order mark.
///
/// For UTF-16, the offsets in the positions refer to the text in UTF-8.
///
/// # Errors
///
/// As for [`read`], and for bytes in neither encoding.
pub fn read_bytes(bytes: &[u8]) -> Result<Vec<Document>, YamlError> {
    if bytes.len() > MAX_BYTES {
        return Err(too_long(bytes.len()));
    }
    read(&text(bytes)?)
}

/// Decodes a file in UTF-8, or in UTF-16 with a byte order mark.
///
/// # Errors
///
/// For bytes in neither encoding.
pub fn text(bytes: &[u8]) -> Result<Cow<'_, str>, YamlError> {
    match bytes {
        [0xff, 0xfe, wide @ ..] => utf16(wide, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, wide @ ..] => utf16(wide, u16::from_be_bytes).map(Cow::Owned),
        _ => utf8(bytes).map(Cow::Borrowed),
    }
}

/// Decodes a text in UTF-8.
///
/// # Errors
/// At the first byte that is not UTF-8.
pub fn utf8(bytes: &[u8]) -> Result<&str, YamlError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let in_line = valid.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let column = String::from_utf8_lossy(in_line).chars().count() + 1;
        let message = format!("byte {} is not UTF-8", error.valid_up_to());
        YamlError::new(line, column, message).help("save the file as UTF-8")
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, YamlError> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let whole = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .map(|decoded| decoded.map(|char| text.push(char)))
        .all(|decoded| decoded.is_ok());
    if whole && odd.is_empty() {
        return Ok(text);
    }
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let message = "the file begins as UTF-16, but this is not UTF-16";
    Err(YamlError::new(line, column, message).help("save the file as UTF-8"))
}

fn too_long(bytes: usize) -> YamlError {
    let message = format!("the text has {bytes} bytes; at most {MAX_BYTES} are read");
    YamlError::new(1, 1, message)
}
