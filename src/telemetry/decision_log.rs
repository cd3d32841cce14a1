//! The decision log: one line of JSON for each answered request, in a file or on standard output.
//!
//! A thread of its own writes. Whoever answers a request only puts a line into a bounded queue, and never waits: what
//! does not fit, or cannot be written, is dropped and counted.
#![expect(
    clippy::disallowed_methods,
    reason = "an edge: it writes the log, and measures how long it could not"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tracing::{info, warn};

use crate::plain;

/// Lines that may wait, each of at most 16 KiB.
const WAITING: usize = 1024;
/// Bytes that are written at once.
const BATCH: usize = 256 << 10;
/// How long nothing may have been lost before the log counts as written again.
const QUIET: Duration = Duration::from_secs(1);

/// Where the decision log goes, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionLogConfig {
    /// The file to append to; none: standard output.
    pub file: Option<PathBuf>,
    /// The share of allowed requests without findings that are written, from 0 to 1.
    pub sample: f64,
}

/// How many lines were written and lost.
#[derive(Clone, Default)]
pub struct DecisionLogMetrics {
    entries: Counter,
    dropped: Family<DroppedLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    reason: &'static str,
}

impl DecisionLogMetrics {
    /// Adds them to those that are served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "decision_log_entries",
            "Entries of the decision log that were written",
            self.entries.clone(),
        );
        registry.register(
            "decision_log_dropped",
            "Entries of the decision log that were dropped: queue_full, write_failed",
            self.dropped.clone(),
        );
    }
}

/// The decision log of a process.
#[derive(Debug)]
pub struct DecisionLog {
    queue: SyncSender<Message>,
    losses: Arc<Losses>,
    sample: f64,
    /// Ordinary requests so far.
    ordinary: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Line(String),
    /// Everything before it has been written, or dropped.
    Flush(SyncSender<()>),
}

impl DecisionLog {
    /// Begins to write.
    ///
    /// # Errors
    /// If the file cannot be opened, or there is no thread for it. A device or a pipe is opened by the thread: that may
    /// wait for whoever reads it.
    pub fn start(config: &DecisionLogConfig, metrics: &DecisionLogMetrics) -> io::Result<Self> {
        let mut sink = Sink::new(config.file.clone());
        let special =
            config.file.as_ref().and_then(|file| std::fs::metadata(file).ok()).is_some_and(|found| {
                let kind = found.file_type();
                kind.is_fifo() || kind.is_char_device() || kind.is_block_device() || kind.is_socket()
            });
        if !special {
            sink.open()?;
        }
        let name = config.file.as_ref().map_or_else(|| "standard output".to_owned(), plain::path);
        // At zero, so that the first loss is an increase.
        for reason in ["queue_full", "write_failed"] {
            drop(metrics.dropped.get_or_create(&DroppedLabels { reason }));
        }
        let losses = Arc::new(Losses { name, metrics: metrics.clone(), state: Mutex::default() });
        let (queue, lines) = sync_channel(WAITING);
        let thread = Writer { lines, sink, failing: false, losses: Arc::clone(&losses) };
        std::thread::Builder::new().name("decision-log".to_owned()).spawn(move || thread.run())?;
        Ok(Self { queue, losses, sample: config.sample, ordinary: AtomicU64::new(0) })
    }

    /// Whether an entry is to be written. Of ordinary ones this is the share that was asked for, evenly.
    pub fn wants(&self, ordinary: bool) -> bool {
        if !ordinary || self.sample >= 1.0 {
            return true;
        }
        // Exact for as many requests as any process will see.
        let before = self.ordinary.fetch_add(1, Ordering::Relaxed) as f64;
        ((before + 1.0) * self.sample).floor() > (before * self.sample).floor()
    }

    /// The share of ordinary entries that are written; none if it is all of them.
    pub fn sample(&self) -> Option<f64> {
        (self.sample < 1.0).then_some(self.sample)
    }

    /// Puts a line, without its end, into the queue; drops it if the queue is full.
    pub fn write(&self, line: String) {
        match self.queue.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.losses.lost(1, "queue_full", "it is not written fast enough"),
            Err(TrySendError::Disconnected(_)) => self.losses.lost(1, "write_failed", "its thread has ended"),
        }
    }

    /// Waits until what is in the queue has been written, but no longer than this.
    pub fn flush(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let (done, written) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
            if Instant::now() >= until {
                return;
            }
            message = back;
            std::thread::sleep(Duration::from_millis(10));
        }
        // Whoever waits any longer would end later, and nothing else.
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// What was lost lately.
#[derive(Debug)]
struct Losses {
    name: String,
    metrics: DecisionLogMetrics,
    state: Mutex<Losing>,
}

impl std::fmt::Debug for DecisionLogMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecisionLogMetrics")
    }
}

#[derive(Debug, Default)]
struct Losing {
    /// When something was last lost; none since the log was last said to be written.
    last: Option<Instant>,
    dropped: u64,
}

impl Losses {
    /// Counts lines that are lost, and says so if none were before.
    fn lost(&self, lines: u64, reason: &'static str, why: &str) {
        self.metrics.dropped.get_or_create(&DroppedLabels { reason }).inc_by(lines);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.dropped += lines;
        let first = state.last.replace(Instant::now()).is_none();
        drop(state);
        if first {
            warn!(
                file = self.name,
                error = why,
                "entries of the decision log are dropped, and counted, until it can be written"
            );
        }
    }

    /// Says that the log is written again, if nothing has been lost for a while.
    fn written(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_none_or(|last| last.elapsed() < QUIET) {
            return;
        }
        let dropped = std::mem::take(&mut *state).dropped;
        drop(state);
        info!(file = self.name, dropped, "the decision log is written again");
    }
}

/// What lines are written to.
struct Sink {
    /// None: standard output.
    path: Option<PathBuf>,
    file: Option<File>,
    /// The last line could be written in part only.
    broken_line: bool,
}

impl Sink {
    fn new(path: Option<PathBuf>) -> Self {
        Self { path, file: None, broken_line: false }
    }

    /// Opens the file, unless it is open and still the one of that name.
    fn open(&mut self) -> io::Result<&mut File> {
        if let (Some(path), Some(file)) = (&self.path, &self.file)
            && !is_same(path, file)
        {
            self.file = None;
            self.broken_line = false;
        }
        let file = match (self.file.take(), &self.path) {
            (Some(file), _) => file,
            (None, None) => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            (None, Some(path)) => OpenOptions::new().append(true).create(true).mode(0o640).open(path)?,
        };
        Ok(self.file.insert(file))
    }

    /// Writes lines. An error comes with the number of bytes before it.
    fn write(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        self.open().map_err(|error| (0, error))?;
        if std::mem::take(&mut self.broken_line)
            && let Some(file) = &mut self.file
            && let Err(error) = file.write_all(b"\n")
        {
            let failed = self.failed(lines, 0, error);
            self.broken_line = true;
            return Err(failed);
        }
        let mut done = 0;
        while let Some(rest) = lines.get(done..).filter(|rest| !rest.is_empty()) {
            let Some(file) = &mut self.file else { break };
            match file.write(rest) {
                Ok(0) => return Err(self.failed(lines, done, io::ErrorKind::WriteZero.into())),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(lines, done, error)),
            }
        }
        Ok(())
    }

    fn failed(&mut self, lines: &[u8], done: usize, error: io::Error) -> (usize, io::Error) {
        let last = done.checked_sub(1).and_then(|last| lines.get(last));
        self.broken_line = last.is_some_and(|last| *last != b'\n');
        // A pipe whose reader is gone may have another one when it is opened again.
        if self.path.is_some() {
            self.file = None;
        }
        (done, error)
    }
}

/// Whether a file is still the one of its name: whoever rotates logs gives that name to another one.
fn is_same(path: &Path, file: &File) -> bool {
    match (std::fs::metadata(path), file.metadata()) {
        (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
        _ => false,
    }
}

struct Writer {
    lines: Receiver<Message>,
    sink: Sink,
    /// The last batch could not be written.
    failing: bool,
    losses: Arc<Losses>,
}

impl Writer {
    /// Writes until nobody is left who could send a line.
    fn run(mut self) {
        loop {
            match self.lines.recv_timeout(QUIET) {
                Ok(message) => self.batch(message),
                // A queue that was full and is empty now has been written.
                Err(RecvTimeoutError::Timeout) if self.failing => {}
                Err(RecvTimeoutError::Timeout) => self.losses.written(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Writes a line together with those behind it.
    fn batch(&mut self, first: Message) {
        let (mut batch, mut flushed) = (Vec::new(), None);
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Line(line) => {
                    batch.extend_from_slice(line.as_bytes());
                    batch.push(b'\n');
                }
                Message::Flush(done) => {
                    flushed = Some(done);
                    break;
                }
            }
            next = if batch.len() < BATCH { self.lines.try_recv().ok() } else { None };
        }
        self.write(&batch);
        if let Some(done) = flushed {
            // Whoever waited may have gone.
            let _ = done.try_send(());
        }
    }

    fn write(&mut self, batch: &[u8]) {
        let count = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        if batch.is_empty() {
            return;
        }
        let result = self.sink.write(batch);
        self.failing = result.is_err();
        match result {
            Ok(()) => {
                self.losses.metrics.entries.inc_by(count(batch));
                self.losses.written();
            }
            Err((done, error)) => {
                let written = count(batch.get(..done).unwrap_or_default());
                self.losses.metrics.entries.inc_by(written);
                self.losses.lost(count(batch) - written, "write_failed", &error.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(file: &Path, sample: f64) -> DecisionLog {
        let config = DecisionLogConfig { file: Some(file.to_owned()), sample };
        DecisionLog::start(&config, &DecisionLogMetrics::default()).unwrap()
    }

    #[test]
    fn the_sample_is_even_and_everything_else_is_written() {
        let dir = tempfile::tempdir().unwrap();
        for (sample, expected) in [(0.0, 0), (0.25, 250), (0.1, 100), (1.0, 1000)] {
            let log = log(&dir.path().join("log"), sample);
            let written = (0..1000).filter(|_| log.wants(true)).count();
            assert!(written.abs_diff(expected) <= 1, "{sample}: {written}");
            assert!((0..1000).all(|_| log.wants(false)));
            assert_eq!(log.sample().is_some(), sample < 1.0);
        }
    }

    #[test]
    fn a_file_that_is_rotated_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (file, old) = (dir.path().join("log"), dir.path().join("log.1"));
        let log = log(&file, 1.0);
        let write = |line: &str| {
            log.write(line.to_owned());
            log.flush(Duration::from_secs(10));
        };
        write("one");
        std::fs::rename(&file, &old).unwrap();
        write("two");
        std::fs::remove_file(&file).unwrap();
        write("three");
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "three\n");
        // As logrotate's copytruncate does.
        File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
        write("four");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "four\n");
    }

    #[test]
    fn a_line_that_was_cut_short_does_not_spoil_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        let mut sink = Sink::new(Some(file.clone()));
        sink.write(b"one\n").unwrap();
        let (done, _) = sink.failed(b"two\n", 2, io::ErrorKind::StorageFull.into());
        assert_eq!(done, 2);
        sink.open().unwrap().write_all(b"tw").unwrap();
        sink.broken_line = true;
        sink.write(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\ntw\nthree\n");
    }

    #[test]
    fn a_directory_and_a_missing_one_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let start = |file: PathBuf| {
            let config = DecisionLogConfig { file: Some(file), sample: 1.0 };
            DecisionLog::start(&config, &DecisionLogMetrics::default()).map(|_| ())
        };
        assert!(start(dir.path().to_owned()).is_err());
        assert!(start(dir.path().join("none/log")).is_err());
        start(dir.path().join("log")).unwrap();
    }
}
