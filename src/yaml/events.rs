//! YAML texts, by the events of saphyr's parser.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::Document;
use super::error::YamlError;
use super::positions::Spot;
use super::scalar::{self, Scalar};
use super::tree::{Builder, Kind, too_deep};

/// Reads all documents of a YAML text.
pub(super) fn read(text: &str) -> Result<Vec<Document>, YamlError> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let offsets = Offsets::new(text, text.len() - body.len());
    let mut documents = Vec::new();
    let mut builder = Builder::default();
    let mut head = 0;
    for event in Parser::new_from_str(body) {
        let (event, span) = event.map_err(|error| explain(&error, &offsets, &builder))?;
        let mut spot = offsets.spot(span);
        undisputed(&event, spot, &offsets, &builder)?;
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                if plain && value.is_empty() {
                    spot = offsets.nothing(span)?;
                }
                let scalar = typed(&value, plain, tag.as_deref(), spot)?;
                let mergeable = plain || tag.is_some_and(|tag| full(&tag).ends_with(":merge"));
                builder.scalar(scalar, mergeable, anchor, spot)?;
            }
            Event::SequenceStart(anchor, _) => builder.open(Kind::List, anchor, spot)?,
            Event::MappingStart(anchor, _) => builder.open(Kind::Map, anchor, spot)?,
            Event::SequenceEnd | Event::MappingEnd => builder.close(offsets.bracket_end(spot))?,
            Event::Alias(anchor) => builder.alias(anchor, offsets.slice(spot), spot)?,
            Event::DocumentEnd => {
                let source = builder.root().and_then(|root| offsets.helm_source(head, root));
                head = spot.start;
                if let Some((value, positions)) = std::mem::take(&mut builder).finish()? {
                    documents.push(Document { value, positions, source });
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
    }
    Ok(documents)
}

/// Refuses what the parser, by YAML 1.2, takes otherwise than go-yaml, by YAML 1.1 as libyaml
/// has it. All of it is rare, but a gate must not judge another value than kubectl sends.
fn undisputed(
    event: &Event<'_>,
    spot: Spot,
    offsets: &Offsets<'_>,
    builder: &Builder,
) -> Result<(), YamlError> {
    let (anchored, tagged) = match event {
        Event::Scalar(_, _, anchor, tag) => (*anchor != 0, tag.is_some()),
        Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor != 0, tag.is_some()),
        Event::Alias(_) => (true, false),
        _ => return Ok(()),
    };
    let refuse = |message: &str| Err(YamlError::new(spot.line as usize, spot.column as usize, message));
    let in_brackets = || builder.open_since().any(|spot| offsets.is_flow(spot));
    if offsets.tab_indented(spot) && !in_brackets() {
        return Err(YamlError::new(spot.line as usize, 1, "a tab is used for indentation"));
    }
    if (anchored || tagged)
        && let Err(message) = offsets.content(spot)
    {
        return refuse(message);
    }
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) if text.starts_with('?') && in_brackets() => {
            refuse("kubectl takes this question mark for the begin of a key")
        }
        _ => Ok(()),
    }
}

pub(super) fn typed(text: &str, plain: bool, tag: Option<&Tag>, spot: Spot) -> Result<Scalar, YamlError> {
    match tag {
        None if plain => Ok(scalar::plain(text)),
        None => Ok(Scalar::Text(text.to_owned())),
        Some(tag) => scalar::tagged(&full(tag), text)
            .map_err(|message| YamlError::new(spot.line as usize, spot.column as usize, message)),
    }
}

/// The tag in one piece; a verbatim one (`!<...>`) comes without a handle.
fn full(tag: &Tag) -> String {
    format!("{}{}", tag.handle, tag.suffix)
}

/// Says what the parser means in words for somebody who has not written it.
fn explain(error: &ScanError, offsets: &Offsets<'_>, builder: &Builder) -> YamlError {
    let (mark, info) = (error.marker(), error.info());
    let (line, column) = (mark.line(), mark.col() + 1);
    if info == "recursion limit exceeded" {
        return too_deep(line, column);
    }
    if info.contains("unknown anchor") {
        let name = offsets.text.get(offsets.byte(mark.index())..).unwrap_or_default();
        let end = name.find([' ', '\t', '\r', '\n', ',', ']', '}']).unwrap_or(name.len());
        let name = name.get(..end).unwrap_or_default();
        let message = format!("the alias {name} has no anchor before it in this document");
        return YamlError::new(line, column, message);
    }
    let error = YamlError::new(line, column, info);
    match (builder.open_since().find(|spot| offsets.is_flow(*spot)), advice(info)) {
        (Some(spot), _) => error.help(format!(
            "the bracket opened in line {}, column {} may not be closed",
            spot.line, spot.column
        )),
        (None, Some(help)) => error.help(help),
        (None, None) => error,
    }
}

/// What usually lies behind a message of the parser.
fn advice(info: &str) -> Option<&'static str> {
    Some(match info {
        _ if info.contains("unexpected end of stream") => "the quote that opens here is not closed",
        _ if info.contains("quoted scalar") && info.contains("indentation") => {
            "close the quote, or indent every further line of the text deeper than its key"
        }
        _ if info.starts_with("invalid indentation") => "indent every line of a value deeper than its key",
        _ if info.starts_with("mapping values") => {
            "check the indent of this line, and quote a value that has a colon and a space in it"
        }
        _ if info.starts_with("unexpected character") => "quote a value that begins with @, ` or %",
        _ if info.starts_with("':' must be followed") => "put a space after the colon",
        _ => return None,
    })
}

/// From saphyr's character counts to byte offsets.
pub(super) struct Offsets<'t> {
    text: &'t str,
    /// The bytes before what the parser sees: a byte order mark.
    base: usize,
    /// The byte offset of every [`STRIDE`]th character; empty if characters are bytes.
    strides: Vec<usize>,
}

const STRIDE: usize = 64;

impl<'t> Offsets<'t> {
    pub(super) fn new(text: &'t str, base: usize) -> Self {
        let body = text.get(base..).unwrap_or_default();
        let strides = if body.is_ascii() {
            Vec::new()
        } else {
            body.char_indices().step_by(STRIDE).map(|(byte, _)| base + byte).collect()
        };
        Self { text, base, strides }
    }

    pub(super) fn byte(&self, character: usize) -> usize {
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

    pub(super) fn spot(&self, span: Span) -> Spot {
        let Span { start, end } = span;
        let mut spot = self.point(start);
        let slice = self.text.get(spot.start as usize..self.byte(end.index())).unwrap_or_default();
        spot.end = spot.start + slice.trim_end().len() as u32;
        spot
    }

    fn point(&self, mark: Marker) -> Spot {
        let byte = self.byte(mark.index()) as u32;
        let (line, column) = (mark.line() as u32, mark.col() as u32 + 1);
        Spot { line, column, start: byte, end: byte }
    }

    /// Where a value that is not written would stand. The parser gives the indicator before it,
    /// or else whatever comes next.
    ///
    /// Fails for `{a:,b}`: go-yaml takes the colon for part of the text there, as YAML 1.1 does.
    fn nothing(&self, span: Span) -> Result<Spot, YamlError> {
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

    fn slice(&self, spot: Spot) -> &'t str {
        self.text.get(spot.start as usize..spot.end as usize).unwrap_or_default()
    }

    fn bracket_end(&self, spot: Spot) -> Option<u32> {
        matches!(self.slice(spot), "]" | "}").then_some(spot.end)
    }

    /// Where the content of a node begins, after its anchor and its tag.
    ///
    /// Fails if go-yaml would find another end of either.
    fn content(&self, spot: Spot) -> Result<usize, &'static str> {
        let byte = |at: usize| self.text.as_bytes().get(at).copied();
        let mut at = spot.start as usize;
        // Never more than an anchor and a tag; what follows is content.
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

    /// Whether a collection that begins here is one in brackets.
    fn is_flow(&self, spot: Spot) -> bool {
        let first = self.content(spot).ok().and_then(|at| self.text.as_bytes().get(at));
        matches!(first, Some(b'[' | b'{'))
    }

    /// Whether this spot is the first of its line, but for an indent with a tab in it.
    fn tab_indented(&self, spot: Spot) -> bool {
        let before = self.text.as_bytes().get(self.base..spot.start as usize).unwrap_or_default();
        let indent = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let (rest, indent) = before.split_at(before.len() - indent);
        indent.contains(&b'\t') && matches!(rest.last(), None | Some(b'\n' | b'\r'))
    }

    /// Helm's comment between the end of the document before and the root of this one.
    fn helm_source(&self, head: u32, root: Spot) -> Option<String> {
        let head = self.text.get(head as usize..root.start as usize)?;
        let source = head.lines().rev().find_map(|line| line.strip_prefix("# Source: "))?;
        Some(source.trim().to_owned())
    }
}
