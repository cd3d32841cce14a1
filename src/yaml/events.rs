//! Reads YAML texts from the events of saphyr's parser.

use std::borrow::Cow;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::error::YamlError;
use super::folded;
use super::offsets::Offsets;
use super::positions::Mark;
use super::scalar::{self, Scalar};
use super::tree::{Builder, Kind, too_deep};
use super::{Document, RepeatedKeys};

/// The context before a piece.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// End of the previous document: Helm's comment is between the two.
    pub since: u32,
    /// Number of line breaks before the piece.
    pub breaks: u32,
    pub repeated_keys: RepeatedKeys,
}

/// The number of white-space corrections before the parser's error is final.
const MAX_CHANGES: usize = 200;

/// Reads the single document of a piece; `Some(None)` if it is null. `room` is what its aliases may copy, in bytes;
/// what they did copy is taken off.
pub(super) fn read(
    text: &str,
    piece: Range<usize>,
    head: Head,
    room: &mut usize,
) -> Result<Option<Option<Document>>, YamlError> {
    let text = text.get(..piece.end).unwrap_or_default();
    let content = text.get(piece.start..).unwrap_or_default();
    let mark = content.len() - content.strip_prefix('\u{feff}').unwrap_or(content).len();
    let mut reader = Reader {
        offsets: Offsets::new(text, piece.start + mark, head.breaks),
        builder: Builder::new(*room, head.repeated_keys),
        repeated_keys: head.repeated_keys,
        seen: piece.start + mark,
        marks: 0,
        room: *room,
        folds: 0,
        guesses: true,
        guessed: false,
    };
    reader.characters()?;
    let mut body: Cow<'_, str> = text.get(piece.start + mark..).unwrap_or_default().into();
    let mut changes = 0;
    let mut folded_to: Option<(usize, YamlError)> = None;
    loop {
        match reader.document(&body, head.since) {
            Ok(document) => {
                *room = reader.room;
                return Ok(document);
            }
            // What was taken for a quoted text may be none.
            Err(Stop::Wrong(_)) if reader.guessed => {
                (reader.guesses, reader.guessed) = (false, false);
                body = text.get(piece.start + mark..).unwrap_or_default().into();
                (changes, folded_to) = (0, None);
                reader.restart(*room, 0);
            }
            // What seems to be the end of a quote may be the begin of the next one.
            Err(Stop::Wrong(error)) => {
                return Err(match folded_to {
                    Some((line, unclosed)) if line == error.line => unclosed,
                    _ => error,
                });
            }
            // The parser rejects some white space that kubectl reads.
            Err(Stop::Space { within, instead, error }) => {
                changes += 1;
                if changes > MAX_CHANGES || within.is_empty() {
                    return Err(error);
                }
                if instead.contains(folded::MARKS) {
                    let (line, _) = reader.offsets.line_and_column(reader.offsets.base + within.end);
                    folded_to = Some((line, error));
                }
                let end = within.end;
                body.to_mut().replace_range(within, &instead);
                // Each correction has the text read again, so those that are likely to follow are made at once.
                if reader.guesses && instead.contains(folded::MARKS) {
                    reader.guessed |= folded::mark_likely(body.to_mut(), end);
                }
                reader.offsets.count_lines();
                reader.restart(*room, changes);
            }
        }
    }
}

/// Why reading a document stopped early.
enum Stop {
    Wrong(YamlError),
    /// The parser rejects the white space at this range of its input; `instead` is as long.
    Space {
        within: Range<usize>,
        instead: String,
        error: YamlError,
    },
}

impl From<YamlError> for Stop {
    fn from(error: YamlError) -> Self {
        Self::Wrong(error)
    }
}

struct Reader<'t> {
    offsets: Offsets<'t>,
    builder: Builder,
    /// How far the text outside scalars and brackets has been checked.
    seen: usize,
    /// Number of byte order marks in quotes so far.
    marks: usize,
    /// The bytes that aliases may copy after this document.
    room: usize,
    /// How often white space of the input was changed.
    folds: usize,
    /// Whether it may be changed where the parser has not been yet, and whether it was.
    guesses: bool,
    guessed: bool,
    repeated_keys: RepeatedKeys,
}

impl Reader<'_> {
    /// Begins again, after so many changes of white space.
    fn restart(&mut self, room: usize, changes: usize) {
        self.builder = Builder::new(room, self.repeated_keys);
        self.seen = self.offsets.base;
        self.marks = 0;
        self.folds = changes;
    }

    fn document(&mut self, body: &str, head: u32) -> Result<Option<Option<Document>>, Stop> {
        let mut document = None;
        for event in Parser::new_from_str(body) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => return Err(self.stop(&error, body)),
            };
            let mut spot = self.offsets.spot(span);
            self.undisputed(&event, span, spot)?;
            match event {
                Event::Scalar(value, style, anchor, tag) => {
                    let plain = style == ScalarStyle::Plain && tag.is_none();
                    if plain && value.is_empty() {
                        spot = self.offsets.nothing(span)?;
                    }
                    let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
                    if self.guessed && !quoted && self.folded(span, body) {
                        let (line, column) = (spot.line as usize, spot.column as usize);
                        return Err(YamlError::new(line, column, "this is no text in quotes").into());
                    }
                    let value = match self.folded(span, body) {
                        true if self.builder.awaits_key() => {
                            let (line, column) = (spot.line as usize, spot.column as usize);
                            return Err(YamlError::new(line, column, "a key has more than one line").into());
                        }
                        true => folded::unmarked(&value).into(),
                        false => value,
                    };
                    let scalar = typed(&value, plain, tag.as_deref(), spot)?;
                    let mergeable = plain || tag.is_some_and(|tag| full(&tag).ends_with(":merge"));
                    self.builder.scalar(scalar, mergeable, anchor, spot)?;
                }
                Event::SequenceStart(anchor, _) => self.builder.open(Kind::List, anchor, spot)?,
                Event::MappingStart(anchor, _) => self.builder.open(Kind::Map, anchor, spot)?,
                Event::SequenceEnd | Event::MappingEnd => {
                    let end = self.offsets.bracket_end(spot);
                    self.seen = end.map_or(self.seen, |end| end as usize);
                    self.builder.close(end)?;
                }
                Event::Alias(anchor) => {
                    self.builder.alias(anchor, self.offsets.slice(spot), spot)?;
                }
                Event::DocumentStart(_) if document.is_some() => {
                    let message = "kubectl reads nothing from here up to the next line with ---";
                    let (line, column) = (spot.line as usize, spot.column as usize);
                    let error = YamlError::new(line, column, message);
                    return Err(error.help("begin every document after the first with ---").into());
                }
                Event::DocumentEnd => {
                    let source = self.builder.root().and_then(|root| self.offsets.helm_source(head, root));
                    self.room = self.builder.room();
                    let (repeated, lost) = self.builder.take_told();
                    let read = std::mem::take(&mut self.builder).finish()?;
                    document = Some(read.map(|(value, positions)| Document {
                        value,
                        positions,
                        source,
                        repeated,
                        lost,
                    }));
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
            }
        }
        self.gap(self.offsets.text.len())?;
        let body = self.offsets.text.get(self.offsets.base..).unwrap_or_default();
        if body.matches('\u{feff}').count() > self.marks {
            let at = self.offsets.base + body.find('\u{feff}').unwrap_or_default();
            let (line, column) = self.offsets.line_and_column(at);
            let message = "a byte order mark stands within a document";
            return Err(YamlError::new(line, column, message).help("leave out the character U+FEFF").into());
        }
        Ok(document)
    }

    /// Refuses characters that kubectl refuses, and line ends that exist in YAML 1.1 but not in 1.2: readers
    /// disagree on them.
    fn characters(&self) -> Result<(), YamlError> {
        let body = self.offsets.text.get(self.offsets.base..).unwrap_or_default();
        let odd = body.char_indices().find(|(_, char)| match char {
            '\t' | '\n' | '\r' | ' '..='~' => false,
            '\u{a0}'..='\u{fffd}' => matches!(char, '\u{2028}' | '\u{2029}'),
            _ => *char < '\u{10000}',
        });
        let Some((at, char)) = odd else { return Ok(()) };
        let (line, column) = self.offsets.line_and_column(self.offsets.base + at);
        let code = format!("U+{:04X}", u32::from(char));
        let error = match char {
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                format!("the character {code} ends a line for kubectl, but not for others")
            }
            _ => format!("the control character {code} is not allowed"),
        };
        Err(YamlError::new(line, column, error).help("write it as an escape, in double quotes"))
    }

    /// Refuses constructs that the parser (YAML 1.2) reads differently from go-yaml (YAML 1.1, as in
    /// libyaml). They are all rare, but a gate must not evaluate a different value from the one kubectl
    /// sends.
    fn undisputed(&mut self, event: &Event<'_>, span: Span, spot: Mark) -> Result<(), YamlError> {
        let (anchored, tagged) = match event {
            Event::Scalar(_, _, anchor, tag) => (*anchor != 0, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor != 0, tag.is_some())
            }
            Event::Alias(_) => (true, false),
            _ => return Ok(()),
        };
        let refuse = |message: &str| Err(YamlError::new(spot.line as usize, spot.column as usize, message));
        let in_brackets = self.in_brackets();
        if !in_brackets {
            self.outside(event, span, spot)?;
        }
        if (anchored || tagged)
            && let Err(message) = self.offsets.content(spot)
        {
            return refuse(message);
        }
        let Event::Scalar(text, style, ..) = event else { return Ok(()) };
        let written = self.offsets.slice(spot);
        match style {
            ScalarStyle::Plain if in_brackets && text.starts_with('?') => {
                refuse("kubectl takes this question mark for the begin of a key")
            }
            ScalarStyle::Plain if in_brackets && text.starts_with(':') => {
                refuse("kubectl takes this colon for the end of a key")
            }
            ScalarStyle::Plain if in_brackets && text.starts_with(['|', '>']) => {
                refuse("a block text cannot stand in brackets")
            }
            ScalarStyle::DoubleQuoted if has_slash_escape(written) => {
                refuse("kubectl does not know the escape \\/ outside of JSON")
            }
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                self.marks += written.matches('\u{feff}').count();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Does the parser's input have marks for line ends in this scalar?
    fn folded(&self, span: Span, body: &str) -> bool {
        if self.folds == 0 {
            return false;
        }
        let byte = |index| self.offsets.byte(index) - self.offsets.base;
        let written = body.get(byte(span.start.index())..byte(span.end.index())).unwrap_or_default();
        written.contains(folded::MARKS)
    }

    fn in_brackets(&self) -> bool {
        self.builder.open_since().any(|spot| self.offsets.is_flow(spot))
    }

    /// Checks for tabs before an event outside brackets.
    fn outside(&mut self, event: &Event<'_>, span: Span, spot: Mark) -> Result<(), YamlError> {
        let block = matches!(event, Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..));
        let collection = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        if !block {
            self.gap(spot.start as usize)?;
        }
        if block {
            self.seen = self.offsets.byte(span.end.index());
        } else if collection {
            self.seen = self.seen.max(spot.start as usize);
        } else {
            self.seen = self.seen.max(spot.end as usize);
        }
        Ok(())
    }

    /// Refuses a tab used as indentation, even before a comment or on an empty line.
    fn gap(&self, to: usize) -> Result<(), YamlError> {
        let Some(gap) = self.offsets.text.get(self.seen..to).filter(|gap| gap.contains('\t')) else {
            return Ok(());
        };
        let before = self.offsets.text.get(self.offsets.base..self.seen).unwrap_or_default();
        let mut fresh = before.is_empty() || before.ends_with(['\n', '\r']);
        let mut at = self.seen;
        for line in gap.split_inclusive(['\n', '\r']) {
            let code = line.split('#').next().unwrap_or_default();
            let indent = code.len() - code.trim_start_matches([' ', '\t']).len();
            let indicator = code.rfind(['-', '?']).filter(|_| !code.starts_with("---"));
            let after = indicator.and_then(|indicator| code.get(indicator + 1..)).unwrap_or_default();
            let indented = fresh && code.get(..indent).is_some_and(|indent| indent.contains('\t'));
            if indented || (after.trim().is_empty() && after.contains('\t')) {
                let (line, _) = self.offsets.line_and_column(at);
                return Err(YamlError::new(line, 1, "a tab is used for indentation"));
            }
            fresh = true;
            at += line.len();
        }
        Ok(())
    }

    fn stop(&self, error: &ScanError, body: &str) -> Stop {
        let explained = explain(error, &self.offsets, &self.builder);
        let info = error.info();
        let tabs = info == "tab cannot be used as indentation"
            || info == "':' must be followed by a valid YAML whitespace"
            || (info.starts_with("tabs disallowed") && self.in_brackets());
        let at = self.offsets.byte(error.marker().index()) - self.offsets.base;
        if info == "invalid indentation in quoted scalar" {
            return match folded::marked(body, at) {
                Some((within, instead)) => Stop::Space { within, instead, error: explained },
                None => Stop::Wrong(explained),
            };
        }
        let within = if tabs {
            let to = at + usize::from(body.as_bytes().get(at) == Some(&b'\t'));
            let from = body.get(..to).map_or(to, |before| before.trim_end_matches([' ', '\t']).len());
            Some(from..to).filter(|run| body.get(run.clone()).is_some_and(|run| run.contains('\t')))
        } else if info.starts_with("invalid indentation") && self.in_brackets() {
            line_end_between_tokens(body, at)
        } else {
            None
        };
        match within {
            Some(within) => Stop::Space { instead: " ".repeat(within.len()), within, error: explained },
            None => Stop::Wrong(explained),
        }
    }
}

/// The line end before this position in brackets, if a space would mean the same there. That is certain only
/// next to a comma, colon or bracket, and not after a comment.
fn line_end_between_tokens(body: &str, at: usize) -> Option<Range<usize>> {
    let before = body.get(..at)?.trim_end_matches([' ', '\t']);
    let line = before.strip_suffix('\n')?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let last = line.rsplit(['\n', '\r']).next().unwrap_or_default();
    let sure = line.trim_end().ends_with([',', ':', '[', '{'])
        || body.get(at..).is_some_and(|after| after.starts_with([',', ']', '}']));
    (sure && !last.trim().is_empty() && !last.contains('#')).then_some(line.len()..before.len())
}

fn has_slash_escape(written: &str) -> bool {
    let mut escaped = false;
    written.bytes().any(|byte| {
        let found = escaped && byte == b'/';
        escaped = !escaped && byte == b'\\';
        found
    })
}

pub(super) fn typed(text: &str, plain: bool, tag: Option<&Tag>, spot: Mark) -> Result<Scalar, YamlError> {
    match tag {
        None if plain => Ok(scalar::plain(text)),
        None => Ok(Scalar::Text(text.to_owned())),
        Some(tag) => scalar::tagged(&full(tag), text)
            .map_err(|message| YamlError::new(spot.line as usize, spot.column as usize, message)),
    }
}

/// The tag as one string; a verbatim tag (`!<...>`) has no handle.
fn full(tag: &Tag) -> String {
    format!("{}{}", tag.handle, tag.suffix)
}

/// Rewords the parser's message for people who do not know the parser.
fn explain(error: &ScanError, offsets: &Offsets<'_>, builder: &Builder) -> YamlError {
    let (mark, info) = (error.marker(), error.info());
    let place = offsets.point(*mark);
    let (line, column) = (place.line as usize, place.column as usize);
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
    let message = match info.strip_suffix(" (block indentation)").unwrap_or(info) {
        "tabs disallowed within this context" => "a tab is used for indentation",
        _ => info,
    };
    let error = YamlError::new(line, column, message);
    match (builder.open_since().find(|spot| offsets.is_flow(*spot)), advice(info)) {
        (Some(spot), _) => error.help(format!(
            "the bracket opened in line {}, column {} may not be closed",
            spot.line, spot.column
        )),
        (None, Some(help)) => error.help(help),
        (None, None) => error,
    }
}

/// The usual cause of a parser message.
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
