//! Splits a text into documents by kubectl's rules instead of YAML's.
//!
//! kubectl splits a file at lines that start with `---`, before parsing anything, and takes the first
//! document of each piece. A file that starts with a brace is a stream of JSON values; if parsing fails
//! within the first two, the rest is YAML.

use std::ops::Range;

use super::error::YamlError;
use super::events::{self, Head};
use super::json::{self, Stop};
use super::{Document, RepeatedKeys};

/// Aliases may copy this many bytes, and this many times the length of the text: far more than files need that are
/// written by people, and little memory.
const ALIAS_BYTES: usize = 2 << 20;
const ALIAS_FACTOR: usize = 8;

/// What a text of more faults has left is not read: it is no manifest, and each fault may cost as much as the text.
const MAX_FAULTS: usize = 20;

/// What can be read of a text.
#[derive(Default)]
pub(super) struct Stream {
    pub documents: Vec<Document>,
    /// Each with the part of the text that it costs.
    pub faults: Vec<(YamlError, Range<usize>)>,
}

/// Reads all documents of a text. A document that cannot be read costs only itself.
pub(super) fn read(text: &str, repeated_keys: RepeatedKeys) -> Stream {
    let mut stream = Stream::default();
    if let Err(error) = read_into(text, repeated_keys, &mut stream) {
        stream.faults.push((error, 0..text.len()));
    }
    let lost = stream.documents.iter_mut().flat_map(|document| std::mem::take(&mut document.lost));
    stream.faults.extend(lost);
    stream.faults.sort_by_key(|(error, _)| (error.line, error.column));
    stream
}

fn read_into(text: &str, repeated_keys: RepeatedKeys, stream: &mut Stream) -> Result<(), YamlError> {
    let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let body = text.get(mark..).unwrap_or_default();
    let Stream { documents, faults } = stream;
    let mut from = mark;
    // kubectl detects JSON only by a brace; other texts are read as JSON only if they are JSON as a whole.
    match body.trim_start().chars().next() {
        Some('{') => match json::read_stream(text, mark, documents)? {
            None => return Ok(()),
            Some(rest) => from = after_space(text, rest),
        },
        Some('[' | '"') => match json::read_whole(text, mark) {
            Ok(document) => {
                documents.extend(document);
                return Ok(());
            }
            Err(Stop::Wrong(error)) => return Err(error),
            Err(Stop::NotJson) => {}
        },
        _ => {}
    }

    // Of the whole text: many documents are as large as one.
    let mut room = ALIAS_BYTES + ALIAS_FACTOR * text.len();
    let breaks = line_breaks(text.get(..from).unwrap_or_default());
    let mut head = Head { since: from as u32, breaks, repeated_keys };
    let mut counted = from;
    for piece in pieces(text, from, faults) {
        head.breaks += line_breaks(text.get(counted..piece.start).unwrap_or_default());
        counted = piece.start;
        let content = text.get(piece.clone()).unwrap_or_default();
        let found = events::read(text, piece.clone(), head, &mut room).unwrap_or_else(|error| {
            faults.push((error, piece.clone()));
            Some(None)
        });
        if faults.len() >= MAX_FAULTS {
            break;
        }
        // Comments before the first separator belong to the document after it.
        if found.is_some() || piece.start > from || content.starts_with("---") {
            head.since = piece.end as u32;
        }
        documents.extend(found.flatten());
    }
    Ok(())
}

/// White space up to the end of its first line does not belong to the YAML after the JSON.
fn after_space(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let space = rest.len() - rest.trim_start().len();
    from + rest.get(..space).and_then(|space| space.find('\n')).map_or(space, |line| line + 1)
}

/// The ranges between separators. A separator without text before it belongs to the following piece. What follows a bad
/// one, up to the next, is a fault: kubectl reads nothing from there on, but whoever puts it right has all of it applied.
fn pieces(text: &str, from: usize, faults: &mut Vec<(YamlError, Range<usize>)>) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (from, from);
    let mut bad: Option<(YamlError, usize)> = None;
    for line in text.get(from..).unwrap_or_default().split_inclusive('\n') {
        if let Some(after) = line.strip_prefix("---") {
            let after = after.trim();
            let is_bad = !after.is_empty() && !after.starts_with('#');
            match bad.take() {
                Some((error, since)) => {
                    faults.push((error, since..at));
                    start = at + line.len();
                }
                None if at > start => {
                    pieces.push(start..at);
                    start = at + line.len();
                }
                None => {}
            }
            if faults.len() >= MAX_FAULTS {
                return pieces;
            }
            if is_bad {
                let line_number = line_breaks(text.get(..at).unwrap_or_default()) as usize + 1;
                let error = YamlError::new(line_number, 1, "kubectl takes nothing but a comment after ---")
                    .help("begin the document on the next line");
                bad = Some((error, at));
            }
        }
        at += line.len();
    }
    match bad {
        Some((error, since)) => faults.push((error, since..at)),
        None => pieces.push(start..at),
    }
    pieces
}

/// Counts line breaks as the parser does: a lone carriage return is one.
fn line_breaks(text: &str) -> u32 {
    let bytes = text.as_bytes();
    let lone = |at: usize| bytes.get(at + 1) != Some(&b'\n');
    let is_break = |(at, byte): &(usize, &u8)| **byte == b'\n' || (**byte == b'\r' && lone(*at));
    bytes.iter().enumerate().filter(is_break).count() as u32
}
