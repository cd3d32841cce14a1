//! Maps the parser's character counts to positions in the text, and reads the text there.

use saphyr_parser::{Marker, Span};

use super::error::YamlError;
use super::positions::Mark;

/// Converts saphyr's character counts to byte offsets.
pub(super) struct Offsets<'t> {
    /// The text up to the end of the parser's input.
    pub text: &'t str,
    /// The number of bytes before the parser's input.
    pub base: usize,
    /// The number of line breaks before the parser's input.
    breaks: u32,
    /// The byte offset of every [`STRIDE`]th character; empty if all characters are single bytes.
    strides: Vec<usize>,
    /// The line starts, if they must be found in the text itself.
    lines: Vec<usize>,
}

const STRIDE: usize = 64;

impl<'t> Offsets<'t> {
    pub fn new(text: &'t str, base: usize, breaks: u32) -> Self {
        let body = text.get(base..).unwrap_or_default();
        let strides = if body.is_ascii() {
            Vec::new()
        } else {
            body.char_indices().step_by(STRIDE).map(|(byte, _)| base + byte).collect()
        };
        Self { text, base, breaks, strides, lines: Vec::new() }
    }

    /// Finds the lines in the text itself, because the parser's input has been modified.
    pub fn count_lines(&mut self) {
        if self.lines.is_empty() {
            let bytes = self.text.as_bytes();
            let ends = |at: &usize| match bytes.get(*at) {
                Some(b'\n') => true,
                Some(b'\r') => bytes.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            self.lines = vec![self.base];
            self.lines.extend((self.base..bytes.len()).filter(ends).map(|at| at + 1));
        }
    }

    pub fn byte(&self, character: usize) -> usize {
        let Some(&stride) = self.strides.get(character / STRIDE) else {
            // All ASCII, or the end of a text whose length is a multiple of the stride.
            return if self.strides.is_empty() {
                (self.base + character).min(self.text.len())
            } else {
                self.text.len()
            };
        };
        let rest = self.text.get(stride..).unwrap_or_default();
        let within = rest.char_indices().nth(character % STRIDE);
        within.map_or(self.text.len(), |(byte, _)| stride + byte)
    }

    pub fn spot(&self, span: Span) -> Mark {
        let Span { start, end } = span;
        let mut spot = self.point(start);
        let slice = self.text.get(spot.start as usize..self.byte(end.index())).unwrap_or_default();
        spot.end = spot.start + slice.trim_end().len() as u32;
        spot
    }

    pub fn point(&self, mark: Marker) -> Mark {
        let byte = self.byte(mark.index()) as u32;
        let (mut line, mut column) = (mark.line() as u32 + self.breaks, mark.col() as u32 + 1);
        if !self.lines.is_empty() {
            let before = self.lines.partition_point(|start| *start <= byte as usize);
            let start = self.lines.get(before.saturating_sub(1)).copied().unwrap_or(self.base);
            let part = self.text.get(start..byte as usize).unwrap_or_default();
            (line, column) = (before as u32 + self.breaks, part.chars().count() as u32 + 1);
        }
        Mark { line, column, start: byte, end: byte }
    }

    /// The position of a value that is not written. The parser reports the indicator before it, or else the
    /// next token.
    ///
    /// Fails for `{a:,b}`: go-yaml, following YAML 1.1, reads the colon as part of the text there.
    pub fn nothing(&self, span: Span) -> Result<Mark, YamlError> {
        let spot = self.spot(span);
        let byte = |at: usize| self.text.as_bytes().get(at).copied().unwrap_or(b' ');
        let at = spot.start as usize;
        // The parser points at the colon or at what follows it.
        let colon = if byte(at) == b':' { at } else { at.saturating_sub(1) };
        let against = byte(colon) == b':' && matches!(byte(colon + 1), b',' | b']' | b'}');
        let before = byte(colon.saturating_sub(1));
        if against && !before.is_ascii_whitespace() && !b"\"',[{".contains(&before) {
            let message = "kubectl takes this colon for a part of the text";
            return Err(YamlError::new(spot.line as usize, spot.column as usize, message)
                .help("put a space after the colon"));
        }
        Ok(self.point(if matches!(self.slice(spot), ":" | "-") { span.end } else { span.start }))
    }

    pub fn slice(&self, spot: Mark) -> &'t str {
        self.text.get(spot.start as usize..spot.end as usize).unwrap_or_default()
    }

    pub fn bracket_end(&self, spot: Mark) -> Option<u32> {
        matches!(self.slice(spot), "]" | "}").then_some(spot.end)
    }

    /// The start of a node's content, after its anchor and tag.
    ///
    /// Fails if go-yaml would end either of them elsewhere.
    pub fn content(&self, spot: Mark) -> Result<usize, &'static str> {
        let byte = |at: usize| self.text.as_bytes().get(at).copied();
        let mut at = spot.start as usize;
        // At most one anchor and one tag; the rest is content.
        for _ in 0..2 {
            match byte(at) {
                Some(b'&' | b'*') => {
                    at += 1;
                    while byte(at).is_some_and(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it)) {
                        at += 1;
                    }
                    if byte(at).is_some_and(|it| !it.is_ascii_whitespace() && !b",]}".contains(&it)) {
                        return Err("kubectl takes only letters, digits, _ and - for the name of an anchor");
                    }
                }
                Some(b'!') => {
                    let verbatim = byte(at + 1) == Some(b'<');
                    while let Some(it) = byte(at).filter(|it| !it.is_ascii_whitespace()) {
                        if !verbatim && b",[]".contains(&it) {
                            return Err("kubectl takes this punctuation for a part of the tag");
                        }
                        at += 1;
                    }
                }
                _ => break,
            }
            while byte(at).is_some_and(|it| it.is_ascii_whitespace()) {
                at += 1;
            }
        }
        Ok(at)
    }

    /// Whether the collection at this position is in flow style (brackets).
    pub fn is_flow(&self, spot: Mark) -> bool {
        let first = self.content(spot).ok().and_then(|at| self.text.as_bytes().get(at));
        matches!(first, Some(b'[' | b'{'))
    }

    /// Line and column of a byte, for error messages.
    pub fn line_and_column(&self, byte: usize) -> (usize, usize) {
        let before = self.text.get(self.base..byte).unwrap_or_default();
        let line_start = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let crlf = before.matches("\r\n").count();
        let lines = before.matches(['\n', '\r']).count() - crlf;
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (self.breaks as usize + lines + 1, column)
    }

    /// Helm's comment between the end of the previous document and the root of this one.
    pub fn helm_source(&self, head: u32, root: Mark) -> Option<String> {
        let head = self.text.get(head as usize..root.start as usize)?;
        let source = head.lines().rev().find_map(|line| line.strip_prefix("# Source: "))?;
        Some(source.trim().to_owned())
    }
}
