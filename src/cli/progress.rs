//! How far a run is, for people who wait at a terminal for longer than a second.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Who waits less sees no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on stderr; nothing where stderr is no terminal.
pub struct Progress {
    bar: ProgressBar,
    started: Instant,
    shown: Cell<bool>,
}

impl Progress {
    /// Begins the first phase of a run.
    pub fn start(what: &'static str, steps: usize) -> Self {
        let bar = bar(what, steps, ProgressDrawTarget::hidden());
        Self { bar, started: Instant::now(), shown: Cell::new(false) }
    }

    /// The next phase.
    #[must_use]
    pub fn next(self, what: &'static str, steps: usize) -> Self {
        self.bar.finish_and_clear();
        let target =
            if self.shown.get() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bar: bar(what, steps, target), ..self }
    }

    /// One step is done.
    pub fn step(&self) {
        if !self.shown.get() && self.started.elapsed() >= PATIENCE {
            self.shown.set(true);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }

    /// Takes the bar away.
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
