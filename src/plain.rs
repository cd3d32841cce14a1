//! Text from outside, made harmless: names, paths, keys, messages and values come from people whom the reader of
//! an output need not trust.
//!
//! What is spelled out (as in Rust: `\u{202e}`, `\n`):
//!
//! - controls, which act on a terminal; line breaks too where one line is meant;
//! - characters that change the order of what is shown, that end lines for some readers only, or that nobody sees;
//! - the begin of a workflow command, which CI systems read from a log: `::name …::` at the start of a line,
//!   `##[name]` and `##vso[name]` anywhere.
//!
//! Everything that is shown passes through here: the formats of a report and the answers of the webhook, field by
//! field; messages on stderr, documentation and logs as a whole.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter, Serializer};

/// The text on one line.
pub fn line(text: &str) -> Cow<'_, str> {
    if is_plain_line(text) { Cow::Borrowed(text) } else { spelled(text, Breaks::Spelled) }
}

/// Whether a text has nothing that could be spelled out on one line, as nearly every text.
pub fn is_plain_line(text: &str) -> bool {
    first_other(text, 0, |byte| matches!(byte, b' '..=b'~') & (byte != b'#')).is_none()
}

/// The first byte from a position on that is not plain. It is looked for in pieces that take the processor a few steps
/// each.
fn first_other(text: &str, from: usize, is_plain: impl Fn(u8) -> bool) -> Option<usize> {
    const PIECE: usize = 32;
    let bytes = text.as_bytes().get(from..)?;
    let is_all_plain = |piece: &[u8]| piece.iter().fold(true, |plain, byte| plain & is_plain(*byte));
    let before = PIECE * bytes.chunks(PIECE).position(|piece| !is_all_plain(piece))?;
    let within = bytes.iter().skip(before).position(|byte| !is_plain(*byte))?;
    Some(from + before + within)
}

/// The text with its line breaks (of `\r\n` only the second character) and tabs.
pub fn block(text: &str) -> Cow<'_, str> {
    spelled(text, Breaks::Kept)
}

/// A path on one line.
pub fn path(path: impl AsRef<Path>) -> String {
    line(&path.as_ref().to_string_lossy()).into_owned()
}

/// Is the text shown as it is, line breaks and tabs included?
pub fn is_harmless(text: &str) -> bool {
    let text = text.replace("\r\n", "\n");
    block(&text) == text
}

/// Does the character act on its reader, or hide from people?
///
/// Beside controls these are the format characters and the other default-ignorable ones, except for the two
/// variation selectors that say how an emoji is drawn.
pub fn is_harmful(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    Kept,
    Spelled,
}

/// Whether a byte is a character that is never spelled out.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b':') & (byte != b'#')
}

fn spelled(text: &str, breaks: Breaks) -> Cow<'_, str> {
    let kept = breaks == Breaks::Kept;
    let mut out = String::new();
    // What has been written so far, and where the next look begins.
    let (mut done, mut from, mut at_start) = (0, 0, kept);
    let left = |from: usize| text.get(from..).unwrap_or_default();
    while let Some(at) = first_other(text, from, is_plain) {
        at_start = at_start && left(from).bytes().take(at - from).all(|byte| byte == b' ');
        let rest = left(at);
        let Some(c) = rest.chars().next() else { break };
        from = at + c.len_utf8();
        let harmless = match c {
            '\n' | '\t' => kept,
            '\r' if kept && rest.starts_with("\r\n") => {
                out.push_str(text.get(done..at).unwrap_or_default());
                done = at + 1;
                continue;
            }
            ':' => !(at_start && is_command(rest)),
            '#' => !is_marked_command(rest),
            c => !is_harmful(c),
        };
        if !harmless {
            out.push_str(text.get(done..at).unwrap_or_default());
            match c {
                ':' | '#' => out.extend(c.escape_unicode()),
                c => out.extend(c.escape_default()),
            }
            done = from;
        }
        at_start = kept && (c == '\n' || (at_start && c.is_whitespace()));
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(left(done));
    Cow::Owned(out)
}

/// `::error file=a::text`, up to the end of the line.
fn is_command(rest: &str) -> bool {
    let line = rest.split('\n').next().unwrap_or_default();
    line.strip_prefix("::").is_some_and(|command| command.contains("::"))
}

/// `##[error]text` or `##vso[task.setvariable …]text`
fn is_marked_command(rest: &str) -> bool {
    let word = rest.strip_prefix("##").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()));
    word.is_some_and(|after| after.starts_with('['))
}

/// A value as JSON, exactly, for programs: what is harmful is written as an escape.
///
/// # Errors
/// Only if the value cannot be JSON.
pub fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    written(value, Texts::Exact)
}

/// A value as JSON whose texts are shown to people by whoever reads it: what is harmful is spelled out.
///
/// # Errors
/// Only if the value cannot be JSON.
pub fn json_of_texts(value: &impl Serialize) -> Result<String, serde_json::Error> {
    written(value, Texts::Spelled)
}

fn written(value: &impl Serialize, texts: Texts) -> Result<String, serde_json::Error> {
    let mut out = Vec::new();
    let formatter = HarmlessJson { layout: PrettyFormatter::new(), texts };
    value.serialize(&mut Serializer::with_formatter(&mut out, formatter))?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// JSON text, such as a line of a log, with what is harmful as escapes.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    in_json(json, Texts::Exact)
}

/// What is harmful can only stand in strings.
fn in_json(json: &str, texts: Texts) -> Cow<'_, str> {
    let is_plain = |byte: u8| (matches!(byte, b' '..=b'~') | (byte == b'\n')) & (byte != b'#');
    let (mut out, mut done, mut from) = (String::new(), 0, 0);
    while let Some(at) = first_other(json, from, is_plain) {
        let rest = json.get(at..).unwrap_or_default();
        let Some(c) = rest.chars().next() else { break };
        from = at + c.len_utf8();
        let harmful = match c {
            '#' => is_marked_command(rest),
            c => is_harmful(c),
        };
        if !harmful {
            continue;
        }
        out.push_str(json.get(done..at).unwrap_or_default());
        done = from;
        match texts {
            Texts::Spelled => out.push_str(&format!("\\{}", c.escape_unicode())),
            Texts::Exact => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
        }
    }
    if done == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(json.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Texts {
    Exact,
    Spelled,
}

struct HarmlessJson<'a> {
    layout: PrettyFormatter<'a>,
    texts: Texts,
}

/// Passes the layout on.
macro_rules! as_pretty {
    ($($method:ident($($first:ident)?);)*) => {$(
        fn $method<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $first: bool)?) -> io::Result<()> {
            self.layout.$method(writer $(, $first)?)
        }
    )*};
}

impl Formatter for HarmlessJson<'_> {
    as_pretty! {
        begin_array(); end_array(); begin_array_value(first); end_array_value();
        begin_object(); end_object(); begin_object_key(first); begin_object_value(); end_object_value();
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        writer.write_all(in_json(text, self.texts).as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match (self.texts, &escape) {
            (Texts::Spelled, CharEscape::AsciiControl(byte)) => write!(writer, "\\\\u{{{byte:x}}}"),
            (Texts::Spelled, CharEscape::Backspace) => writer.write_all(b"\\\\u{8}"),
            (Texts::Spelled, CharEscape::FormFeed) => writer.write_all(b"\\\\u{c}"),
            (Texts::Spelled, CharEscape::CarriageReturn) => writer.write_all(b"\\\\r"),
            _ => self.layout.write_char_escape(writer, escape),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_acts() {
        assert_eq!(line("grün: x 🐘 עברית ❤\u{fe0f} ::1"), "grün: x 🐘 עברית ❤\u{fe0f} ::1");
        assert_eq!(line("a\n::error::b\u{1b}[31m\r\t"), "a\\n::error::b\\u{1b}[31m\\r\\t");
        for hidden in [
            '\0',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{fffe}',
            '\u{e0041}',
            '\u{e0100}',
        ] {
            let text = format!("a{hidden}b");
            let spelled = format!("a{}b", hidden.escape_unicode());
            assert_eq!((line(&text), block(&text)), (spelled.as_str().into(), spelled.as_str().into()));
        }
    }

    #[test]
    fn several_lines_hold_no_command() {
        assert_eq!(block("a\r\n\tb"), "a\n\tb");
        assert_eq!(block("a\rb"), "a\\rb");
        assert_eq!(block("::error::x\n  ::stop-commands::y"), "\\u{3a}:error::x\n  \\u{3a}:stop-commands::y");
        assert_eq!(block("  ::1 localhost\nstd::io::Error"), "  ::1 localhost\nstd::io::Error");
        assert_eq!(line("x ##[error]y ###vso[a]"), "x \\u{23}#[error]y #\\u{23}#vso[a]");
        assert_eq!(line("## a [b] ##"), "## a [b] ##");
        assert!(is_harmless("a\r\n\tb") && !is_harmless("a\u{202e}") && !is_harmless("##[group]"));
    }

    #[test]
    fn json_says_the_same() {
        let text = "a\u{202e}\u{e0041}\u{9b}\u{7f}\u{1b}\u{8}\u{c}\n\t\r\"\\ ##[error] ###vso[x] é";
        let value = serde_json::json!({text: [text]});
        let json = json(&value).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
        assert!(is_harmless(&json), "{json}");
        let shown: serde_json::Value = serde_json::from_str(&json_of_texts(&value).unwrap()).unwrap();
        let (key, texts) = shown.as_object().unwrap().iter().next().unwrap();
        assert_eq!((texts[0].as_str(), is_harmless(key)), (Some(key.as_str()), true));
        assert!(
            key.starts_with(
                "a\\u{202e}\\u{e0041}\\u{9b}\\u{7f}\\u{1b}\\u{8}\\u{c}\n\t\\r\"\\ \\u{23}#[error]"
            )
        );
        assert_eq!(
            escaped_json("{\"a\":\"\u{e0041}\u{85}##[x]\"}\n"),
            "{\"a\":\"\\udb40\\udc41\\u0085\\u0023#[x]\"}\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_spelled_out_is_harmless(text in "(.|\n|\r|\t|::|##|vso\\[|\\[|error|\u{202e}|\u{1b}){0,20}") {
            let (one, several) = (line(&text).into_owned(), block(&text).into_owned());
            prop_assert!(!one.chars().any(is_harmful), "{one:?}");
            prop_assert!(is_harmless(&several), "{several:?}");
            for texts in [json(&text).unwrap(), json_of_texts(&text).unwrap()] {
                prop_assert!(is_harmless(&texts), "{texts:?}");
            }
            prop_assert_eq!(serde_json::from_str::<String>(&json(&text).unwrap()).unwrap(), text);
        }
    }
}
