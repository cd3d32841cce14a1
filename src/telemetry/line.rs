//! Log lines of bounded length, whatever is logged: a client chooses names and uids, and container runtimes
//! split lines at 16 KiB. What is cut off is marked with the whole length.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer, debug_fn};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::registry::LookupSpan;

/// Bytes of one field.
const FIELD: usize = 2 << 10;
/// Bytes of all fields of a line.
const LINE: usize = 12 << 10;
/// Bytes of a field, even when the line is full.
const LEAST: usize = 64;

/// A text that keeps what fits and counts the rest. What would act on its reader is spelled out.
struct Bounded {
    text: String,
    room: usize,
    full: bool,
    /// Of the whole text, as it was.
    length: usize,
}

impl Bounded {
    fn new(room: usize) -> Self {
        Self { text: String::new(), room, full: false, length: 0 }
    }

    fn finish(mut self) -> String {
        if self.full {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "… ({} bytes)", self.length);
        }
        self.text
    }

    fn push(&mut self, c: char) {
        let before = self.text.len();
        if acts(c) {
            self.text.extend(c.escape_default())
        } else {
            self.text.push(c)
        }
        // JSON puts a backslash before these.
        let escapes = usize::from(matches!(c, '"' | '\\' | '\n' | '\t')) + usize::from(acts(c));
        match self.room.checked_sub(self.text.len() - before + escapes) {
            Some(room) => self.room = room,
            None => {
                self.text.truncate(before);
                self.full = true;
            }
        }
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.length += text.len();
        for c in text.chars() {
            if self.full {
                break;
            }
            self.push(c);
        }
        Ok(())
    }
}

/// Does a character act on a terminal, or change the order in which a line is read?
fn acts(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One JSON object per line.
pub struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", event.metadata().level())?;
        let mut fields = JsonFields { writer, room: LINE, result: Ok(()) };
        event.record(&mut fields);
        let JsonFields { mut writer, result, .. } = fields;
        result?;
        writeln!(writer, ",\"target\":{}}}", json(event.metadata().target())?)
    }
}

fn json(value: impl serde::Serialize) -> Result<String, fmt::Error> {
    serde_json::to_string(&value).map_err(|_| fmt::Error)
}

struct JsonFields<'a> {
    writer: Writer<'a>,
    room: usize,
    result: fmt::Result,
}

impl JsonFields<'_> {
    fn record(&mut self, field: &Field, value: impl serde::Serialize) {
        let written = json(field.name()).and_then(|name| {
            let value = json(value)?;
            self.room = self.room.saturating_sub(value.len());
            write!(self.writer, ",{name}:{value}")
        });
        self.result = self.result.and(written);
    }

    fn text(&mut self, field: &Field, write: impl FnOnce(&mut Bounded) -> fmt::Result) {
        let mut text = Bounded::new(self.room.clamp(LEAST, FIELD));
        self.result = self.result.and(write(&mut text));
        self.record(field, text.finish());
    }
}

impl Visit for JsonFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, |text| text.write_str(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, |text| write!(text, "{value:?}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.record(field, value);
    }
}

/// The fields of a line for people: `message field=value`, with control characters spelled out.
pub fn text_fields() -> impl for<'a> FormatFields<'a> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let mut text = Bounded::new(FIELD);
        write!(text, "{value:?}")?;
        let text = text.finish().replace('\n', " ");
        match field.name() {
            "message" => writer.write_str(&text),
            name if writer.has_ansi_escapes() => {
                write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{text}")
            }
            name => write!(writer, "{name}={text}"),
        }
    })
    .delimited(" ")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing::{Level, subscriber::with_default, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// What the event looks like as JSON and as text.
    fn logged(event: impl Fn()) -> (String, String) {
        let (json, text) = (Log::default(), Log::default());
        let (to_json, to_text) = (json.clone(), text.clone());
        let builder = || tracing_subscriber::fmt().with_max_level(Level::DEBUG);
        let writer = move || to_json.clone();
        with_default(builder().event_format(JsonLines).with_writer(writer).finish(), &event);
        let writer = move || to_text.clone();
        let builder = builder().with_target(false).with_ansi(false).fmt_fields(text_fields());
        with_default(builder.with_writer(writer).finish(), &event);
        (json.text(), text.text())
    }

    #[test]
    fn a_line_has_the_fields_in_their_types() {
        let (json, text) = logged(|| {
            warn!(uid = "abc", allowed = true, n = 3, m = -3, ms = 1.5, none = None::<&str>, "review \"it\"");
        });
        let line: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&line["uid"], &line["allowed"], &line["n"], &line["m"], &line["ms"]),
            (&"abc".into(), &true.into(), &3.into(), &(-3).into(), &1.5.into())
        );
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"review \"it\"".into()));
        assert_eq!((line.get("none"), &line["target"]), (None, &module_path!().into()));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{json}");
        let end = r#"WARN review "it" uid="abc" allowed=true n=3 m=-3 ms=1.5"#;
        assert!(text.trim_end().ends_with(end), "{text}");
    }

    #[test]
    fn a_line_is_bounded_whatever_is_logged() {
        let seven = "x\u{e4}\"\u{1b}".repeat(7 << 18);
        let (json, text) = logged(|| {
            warn!(uid = seven, name = seven, user = %seven, a = ?seven, b = seven, c = seven, d = seven, e = seven, "{seven}");
        });
        assert!(json.len() < 16 << 10 && text.len() < 24 << 10, "{} {}", json.len(), text.len());
        let line: Value = serde_json::from_str(&json).unwrap();
        for field in ["uid", "name", "user", "a", "b", "c", "d", "e", "message"] {
            let value = line[field].as_str().unwrap();
            assert!(value.contains('x') && value.ends_with(" bytes)"), "{field}: {value}");
        }
        assert!(line["uid"].as_str().unwrap().ends_with(&format!("… ({} bytes)", seven.len())));
        assert_eq!((json.lines().count(), text.lines().count()), (1, 1));
    }

    #[test]
    fn nothing_in_a_line_acts_on_who_reads_it() {
        let evil = "a\u{1b}[2J\r\u{202e}b\nINFO forged";
        let (json, text) = logged(|| warn!(name = evil, user = %evil, "{evil}"));
        let line: Value = serde_json::from_str(&json).unwrap();
        for field in ["name", "user", "message"] {
            assert_eq!(line[field], "a\\u{1b}[2J\\r\\u{202e}b\nINFO forged", "{field}");
        }
        assert_eq!(json.lines().count(), 1);
        assert!(!text.contains(['\u{1b}', '\r', '\u{202e}']) && text.lines().count() == 1, "{text:?}");
    }
}
