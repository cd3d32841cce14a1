//! Splits a text into documents by kubectl's rules instead of YAML's.
//!
//! kubectl splits a file at lines that start with `---`, before parsing anything, and takes the first
//! document of each piece. A file that starts with a brace is a stream of JSON values; if parsing fails
//! within the first two, the rest is YAML.

use std::ops::Range;

use super::Document;
use super::error::YamlError;
use super::events::{self, Head};
use super::json::{self, Stop};

/// Aliases may copy this many bytes, and this many times the length of the text: far more than files need that are
/// written by people, and little memory.
const ALIAS_BYTES: usize = 2 << 20;
const ALIAS_FACTOR: usize = 8;

/// Reads all documents of a text.
pub(super) fn read(text: &str) -> Result<Vec<Document>, YamlError> {
    let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let body = text.get(mark..).unwrap_or_default();
    let mut documents = Vec::new();
    let mut from = mark;
    // kubectl detects JSON only by a brace; other texts are read as JSON only if they are JSON as a whole.
    match body.trim_start().chars().next() {
        Some('{') => match json::read_stream(text, mark, &mut documents)? {
            None => return Ok(documents),
            Some(rest) => from = after_space(text, rest),
        },
        Some('[' | '"') => match json::read_whole(text, mark) {
            Ok(document) => return Ok(document.into_iter().collect()),
            Err(Stop::Wrong(error)) => return Err(error),
            Err(Stop::NotJson) => {}
        },
        _ => {}
    }

    // Of the whole text: many documents are as large as one.
    let mut room = ALIAS_BYTES + ALIAS_FACTOR * text.len();
    let mut head = Head { since: from as u32, breaks: line_breaks(text.get(..from).unwrap_or_default()) };
    for piece in pieces(text, from)? {
        let content = text.get(piece.clone()).unwrap_or_default();
        let found = events::read(text, piece.clone(), head, &mut room)?;
        // Comments before the first separator belong to the document after it.
        if found.is_some() || piece.start > from || content.starts_with("---") {
            head.since = piece.end as u32;
        }
        documents.extend(found.flatten());
        head.breaks += line_breaks(text.get(piece.start..next_line(text, piece.end)).unwrap_or_default());
    }
    Ok(documents)
}

/// White space up to the end of its first line does not belong to the YAML after the JSON.
fn after_space(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let space = rest.len() - rest.trim_start().len();
    from + rest.get(..space).and_then(|space| space.find('\n')).map_or(space, |line| line + 1)
}

/// The ranges between separators. A separator without text before it belongs to the following piece.
fn pieces(text: &str, from: usize) -> Result<Vec<Range<usize>>, YamlError> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (from, from);
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        if let Some(after) = line.strip_prefix("---") {
            let after = after.trim();
            if !after.is_empty() && !after.starts_with('#') {
                let line = line_breaks(text.get(..at).unwrap_or_default()) as usize + 1;
                return Err(YamlError::new(line, 1, "kubectl takes nothing but a comment after ---")
                    .help("begin the document on the next line"));
            }
            if at > start {
                pieces.push(start..at);
                start = at + line.len();
            }
        }
        at += line.len();
    }
    pieces.push(start..at);
    Ok(pieces)
}

/// The start of the next line.
fn next_line(text: &str, from: usize) -> usize {
    text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |line| from + line + 1)
}

/// Counts line breaks as the parser does: a lone carriage return is one.
fn line_breaks(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let lone = |at: usize| bytes.get(at + 1) != Some(&b'\n');
    let is_break = |(at, byte): &(usize, &u8)| **byte == b'\n' || (**byte == b'\r' && lone(*at));
    bytes.iter().enumerate().filter(is_break).count() as u32
}
