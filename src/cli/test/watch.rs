//! `stategate test --watch`: looks for changes by content, as `serve` does.
//!
//! Editors rename new files over old ones, and mounted directories swap links: file system events report
//! either in many ways, and not at all on network file systems. Reading a few hundred small files a few
//! times a second costs little and misses nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::run::TestCache;
use super::{Arguments, Format, once};
use crate::cli::output::Output;
use crate::cli::{Exit, complain, say};
use crate::diagnostic::Diagnostics;
use crate::plain;
use crate::source::catalogue::Catalogue;

/// The interval between two checks.
const EVERY: Duration = Duration::from_millis(300);
/// Several files may be saved at once: two checks this far apart must agree.
const SETTLED: Duration = Duration::from_millis(60);

pub fn run(arguments: &Arguments, dir: &Path, outputs: &[Output<Format>]) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        outputs.iter().all(|output| output.file.is_some() || output.format == Format::Text),
        "--watch writes a report after every run: give it a file, as in -o junit=FILE"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot wait for Ctrl-C")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
        let mut kept = TestCache::default();
        let started = Instant::now();
        let mut seen = Catalogue::directory(dir);
        let mut reading = started.elapsed();
        loop {
            let exit = once(arguments, outputs, seen.clone().map(Some), reading, &mut kept).unwrap_or_else(
                |error| {
                    complain(&error);
                    Exit::Broken
                },
            );
            say(&format!("watching {}; press Ctrl-C to stop\n", plain::path(dir)));
            let Some((new, time)) = changed(dir, &seen, &mut interrupt).await else { return Ok(exit) };
            say(&separator(&seen, &new));
            (seen, reading) = (new, time);
        }
    })
}

type Seen = Result<Catalogue, Diagnostics>;

/// Waits for a change; `None` if Ctrl-C comes first.
async fn changed(dir: &Path, seen: &Seen, interrupt: &mut Signal) -> Option<(Seen, Duration)> {
    let mut pause = EVERY;
    let mut last: Option<Seen> = None;
    loop {
        tokio::select! {
            biased;
            _ = interrupt.recv() => return None,
            () = tokio::time::sleep(pause) => {}
        }
        let started = Instant::now();
        let now = Catalogue::directory(dir);
        if differences(seen, &now).is_empty() {
            (pause, last) = (EVERY, None);
        } else if last.as_ref().is_some_and(|last| differences(last, &now).is_empty()) {
            return Some((now, started.elapsed()));
        } else {
            (pause, last) = (SETTLED, Some(now));
        }
    }
}

/// What differs.
fn differences(a: &Seen, b: &Seen) -> Vec<String> {
    match (a, b) {
        (Ok(a), Ok(b)) => a.differences(b),
        (Err(Diagnostics(a)), Err(Diagnostics(b))) if a == b => Vec::new(),
        _ => vec!["what can be read".to_owned()],
    }
}

fn separator(before: &Seen, now: &Seen) -> String {
    let what = differences(before, now);
    let more = if what.len() > SHOWN { format!(" and {} more", what.len() - SHOWN) } else { String::new() };
    let what: Vec<String> = what.into_iter().take(SHOWN).collect();
    format!("\n──── {:.0} changed: {}{more}\n", jiff::Timestamp::now(), what.join(", "))
}

/// How many changed files a separator names.
const SHOWN: usize = 5;
