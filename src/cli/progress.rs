//! The progress bar of runs that take longer than a second on a terminal.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter runs show no bar.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// A bar on stderr; nothing if stderr is not a terminal.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: Cell<bool>,
}

impl Progress {
    /// Starts the first phase of a run.
    pub fn start(what: &'static str, steps: usize) -> Self {
        let bar = bar(what, steps, ProgressDrawTarget::hidden());
        Self { bar, started: Instant::now(), shown: Cell::new(false) }
    }

    /// Starts the next phase.
    #[must_use]
    pub fn next(self, what: &'static str, steps: usize) -> Self {
        self.bar.finish_and_clear();
        let target =
            if self.shown.get() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bar: bar(what, steps, target), ..self }
    }

    /// Counts one step.
    pub fn step(&self) {
        if !self.shown.get() && self.started.elapsed() >= SHOWN_AFTER {
            self.shown.set(true);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }

    /// Removes the bar.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn bar(what: &'static str, steps: usize, target: ProgressDrawTarget) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), target).with_message(what);
    match ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
