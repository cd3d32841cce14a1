//! Reads JSON texts with a JSON parser.
//!
//! YAML is almost a superset of JSON, but has no surrogate pairs (`\ud83d\ude00`), limits the length of keys
//! and rejects control characters. kubectl also tries JSON first.

use super::Document;
use super::error::YamlError;
use super::positions::Mark;
use super::scalar::{self, Scalar};
use super::tree::{Builder, Kind};

/// Why reading JSON stopped early.
pub(super) enum Stop {
    /// The text may still be YAML.
    NotJson,
    /// The text is JSON, but not a valid manifest in any format.
    Wrong(YamlError),
}

impl From<YamlError> for Stop {
    fn from(error: YamlError) -> Self {
        Self::Wrong(error)
    }
}

/// Reads consecutive JSON values, starting at `from`. Returns the position at which YAML takes over, if it
/// does.
///
/// # Errors
///
/// If a value is invalid, or if two or more values are followed by text that is not JSON: kubectl does not
/// try YAML then.
pub(super) fn read_stream(
    text: &str,
    from: usize,
    documents: &mut Vec<Document>,
) -> Result<Option<usize>, YamlError> {
    let mut reader = Reader::new(text, from);
    let mut read = 0;
    loop {
        let before = reader.at;
        reader.skip_space();
        if reader.peek().is_none() {
            return Ok(None);
        }
        let start = reader.spot(reader.at);
        match reader.document() {
            Ok(document) => documents.extend(document),
            Err(Stop::NotJson) if read < 2 => return Ok(Some(before)),
            Err(Stop::NotJson) => {
                return Err(YamlError::new(
                    start.line as usize,
                    start.column as usize,
                    "after several JSON values kubectl reads nothing but JSON",
                )
                .help("leave out the --- lines, or put one between all of them"));
            }
            Err(Stop::Wrong(error)) => return Err(error),
        }
        read += 1;
    }
}

/// Whether a text consists only of JSON values, optionally separated by `---` lines.
pub(super) fn is_json(text: &str) -> bool {
    let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let mut reader = Reader::new(text, mark);
    loop {
        reader.skip_space();
        let rest = text.get(reader.at..).unwrap_or_default();
        let at_line = text.get(..reader.at).is_some_and(|before| before.ends_with('\n'));
        match rest.strip_prefix("---").filter(|_| at_line) {
            Some(rest) if matches!(rest.bytes().next(), None | Some(b'\n' | b'\r')) => reader.at += 3,
            _ if rest.is_empty() => return true,
            _ if !rest.starts_with(['{', '[', '"']) || reader.document().is_err() => return false,
            _ => {}
        }
    }
}

/// Reads a text that is a single JSON value.
pub(super) fn read_whole(text: &str, from: usize) -> Result<Option<Document>, Stop> {
    let mut reader = Reader::new(text, from);
    reader.skip_space();
    let document = reader.document()?;
    reader.skip_space();
    if reader.peek().is_some() { Err(Stop::NotJson) } else { Ok(document) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    column: u32,
    /// The position up to which `line` and `column` have been counted.
    counted: usize,
    builder: Builder,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, from: usize) -> Self {
        Self { text, at: from, line: 1, column: 1, counted: from, builder: Builder::default() }
    }

    fn document(&mut self) -> Result<Option<Document>, Stop> {
        self.builder = Builder::default();
        self.value()?;
        let (repeated, lost) = self.builder.take_told();
        let read = std::mem::take(&mut self.builder).finish()?;
        Ok(read.map(|(value, positions)| Document { value, positions, source: None, repeated, lost }))
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek() != Some(byte) {
            return Err(Stop::NotJson);
        }
        self.at += 1;
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The span from `start`, which must not precede an earlier one, to the current byte.
    fn spot(&mut self, start: usize) -> Mark {
        let bytes = self.text.as_bytes();
        for (offset, byte) in bytes.iter().enumerate().take(start).skip(self.counted) {
            let next = bytes.get(offset + 1);
            if *byte == b'\n' || (*byte == b'\r' && next != Some(&b'\n')) {
                self.line += 1;
                self.column = 1;
            } else if byte & 0xc0 != 0x80 {
                self.column += 1;
            }
        }
        self.counted = start;
        Mark { line: self.line, column: self.column, start: start as u32, end: self.at as u32 }
    }

    /// The recursion is bounded because the builder limits the nesting of collections.
    fn value(&mut self) -> Result<(), Stop> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.collection(Kind::Map, b'}', |reader| {
                reader.string()?;
                reader.skip_space();
                reader.take(b':')?;
                reader.skip_space();
                reader.value()
            }),
            Some(b'[') => self.collection(Kind::List, b']', Self::value),
            Some(b'"') => self.string(),
            _ => {
                let scalar = self.bare()?;
                let spot = self.spot(start);
                Ok(self.builder.scalar(scalar, false, 0, spot)?)
            }
        }
    }

    fn collection(
        &mut self,
        kind: Kind,
        end: u8,
        item: fn(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let spot = self.spot(self.at);
        self.builder.open(kind, 0, spot)?;
        self.at += 1;
        self.skip_space();
        if self.peek() != Some(end) {
            loop {
                item(self)?;
                self.skip_space();
                if self.peek() == Some(end) {
                    break;
                }
                self.take(b',')?;
                self.skip_space();
            }
        }
        self.at += 1;
        Ok(self.builder.close(Some(self.at as u32))?)
    }

    fn bare(&mut self) -> Result<Scalar, Stop> {
        let rest = self.rest();
        let end = rest.find(|c: char| !matches!(c, 'a'..='z' | 'E' | '0'..='9' | '+' | '-' | '.'));
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        match (word, scalar::plain(word)) {
            ("null" | "true" | "false", scalar) => Ok(scalar),
            (_, scalar @ (Scalar::Int(_) | Scalar::Uint(_) | Scalar::Float(_))) if is_json_number(word) => {
                Ok(scalar)
            }
            (_, Scalar::Text(_)) if is_json_number(word) => {
                let spot = self.spot(self.at - word.len());
                let message = "the number is too large";
                Err(Stop::Wrong(YamlError::new(spot.line as usize, spot.column as usize, message)))
            }
            _ => Err(Stop::NotJson),
        }
    }

    fn string(&mut self) -> Result<(), Stop> {
        let start = self.at;
        self.take(b'"')?;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let stop = |byte: u8| byte == b'"' || byte == b'\\' || byte < b' ';
            let run = rest.bytes().position(stop).ok_or(Stop::NotJson)?;
            text.push_str(rest.get(..run).unwrap_or_default());
            self.at += run + 1;
            match rest.as_bytes().get(run) {
                Some(b'"') => break,
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(Stop::NotJson),
            }
        }
        let spot = self.spot(start);
        Ok(self.builder.scalar(Scalar::Text(text), false, 0, spot)?)
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let letter = self.peek().ok_or(Stop::NotJson)?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.code_unit()?;
                let after = self.at;
                let low = match unit {
                    0xd800..0xdc00 if self.rest().starts_with("\\u") => {
                        self.at += 2;
                        Some(self.code_unit()?)
                    }
                    _ => None,
                };
                if let Some(low @ 0xdc00..0xe000) = low {
                    let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                } else {
                    self.at = after;
                    // Go replaces a lone surrogate instead of refusing it.
                    char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
            }
            _ => return Err(Stop::NotJson),
        })
    }

    fn code_unit(&mut self) -> Result<u32, Stop> {
        let digits = self.rest().get(..4).ok_or(Stop::NotJson)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Stop::NotJson);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| Stop::NotJson)
    }
}

/// Whether a YAML decimal number is also a valid JSON number.
fn is_json_number(word: &str) -> bool {
    let body = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = body.split_once(['e', 'E']).unwrap_or((body, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && digits(exponent) && (whole == "0" || !whole.starts_with('0'))
}
