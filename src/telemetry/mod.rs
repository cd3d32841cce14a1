//! Logs and metrics. None of them contains request bodies or values of objects.

pub mod audit_metrics;
pub mod decision_cache_metrics;
pub mod decision_log;
pub mod exposition;
mod labels;
mod line;
pub mod metrics;
mod process_metrics;
pub mod recent;
pub mod shadow_metrics;
pub mod trace_metrics;

use std::borrow::Cow;

use tracing::{error, warn};
use tracing_subscriber::EnvFilter;

use crate::plain;

/// Name prefix of the threads that evaluate policies; a number follows.
pub const EVALUATION_THREADS: &str = "evaluate-";

/// The client of the API server logs each failure of a connection; what it means for stategate is logged where it is
/// known.
const DEFAULT_FILTER: &str = "info,kube_client=off";

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Sends logs, including panics, to stderr. `filter` is as in `RUST_LOG`; the default is `info`, which also
/// replaces an invalid filter, with a warning.
pub fn init_logging(format: LogFormat, filter: Option<&str>, colours: bool) {
    let asked = filter.map(EnvFilter::try_new).transpose();
    let wrong = asked.as_ref().err().map(ToString::to_string);
    let filter = asked.ok().flatten().unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || LogWriter { format, colours });
    // A second call, as from several tests in one process, has no effect.
    let first = match format {
        LogFormat::Text => {
            builder.with_target(false).with_ansi(colours).fmt_fields(line::text_fields()).try_init()
        }
        LogFormat::Json => builder.event_format(line::JsonLines).try_init(),
    };
    if first.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    if let Some(error) = wrong {
        warn!(error, "the log filter is not understood, info is used");
    }
}

/// Writes the lines of the log to stderr. Names in them come from requests.
struct LogWriter {
    format: LogFormat,
    colours: bool,
}

impl LogWriter {
    fn shown<'t>(&self, lines: &'t str) -> Cow<'t, str> {
        match (self.format, self.colours) {
            (LogFormat::Json, _) => plain::escaped_json(lines),
            (LogFormat::Text, false) => plain::block(lines),
            // The colours are controls, too; of texts, the subscriber writes the debug form.
            (LogFormat::Text, true) => lines.into(),
        }
    }
}

impl std::io::Write for LogWriter {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<usize> {
        // Whoever heard of an error would tell it where nothing can be written, and panic: a full disk must end nothing.
        let _ = std::io::stderr().write_all(self.shown(&String::from_utf8_lossy(lines)).as_bytes());
        Ok(lines.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let _ = std::io::stderr().flush();
        Ok(())
    }
}

/// Logs a panic. The message is omitted on evaluation threads, since it may quote the object under review.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let place = panic.location().map(ToString::to_string);
    let says = panic.payload_as_str().filter(|_| !thread.starts_with(EVALUATION_THREADS));
    error!(thread, place, says, "panicked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_harmless() {
        let shown = |format, line| LogWriter { format, colours: false }.shown(line).into_owned();
        assert_eq!(
            shown(LogFormat::Json, "{\"name\":\"a\u{202e}\u{9b}\"}\n"),
            "{\"name\":\"a\\u202e\\u009b\"}\n"
        );
        assert_eq!(
            shown(LogFormat::Text, "name=a\u{202e}\n::error::b\n"),
            "name=a\\u{202e}\n\\u{3a}:error::b\n"
        );
    }
}
