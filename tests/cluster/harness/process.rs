//! Child processes that never outlive the tests.
//!
//! A [`Daemon`] is killed when it is dropped, also by a panic. If the test process itself is killed, nothing
//! is dropped; so each daemon has a guard: a shell that waits on a pipe held only by the test process, and
//! kills the daemon when that pipe closes. Unlike a parent-death signal, which fires when the *thread* that
//! started the child ends, this allows tests on many threads to share a daemon. Both run in process groups of
//! their own, so that an interrupt from the terminal does not end the guard before the daemon.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait_until;

/// How many log lines a failure message includes.
const TAIL: usize = 30;

/// A child process with its log file.
pub struct Daemon {
    name: &'static str,
    child: Child,
    guard: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts the command; stdout and stderr go to the file `log`, which is truncated first.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(name: &'static str, mut command: Command, log: PathBuf) -> Self {
        let output = File::create(&log).expect("the log can be created");
        let errors = output.try_clone().expect("the log can be opened twice");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let guard = Command::new("/bin/sh")
            .args(["-c", "read -r _; kill -9 \"$0\"", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match guard {
            Ok(guard) => Self { name, child, guard, log },
            Err(error) => {
                let mut child = child;
                let _ = end(&mut child);
                panic!("/bin/sh does not start: {error}");
            }
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child can be waited for")?;
        // From here on another process may reuse the id.
        let _ = end(&mut self.guard);
        Some(status)
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = end(&mut self.guard);
        let _ = self.child.wait();
    }

    /// Sends a signal. A stopped process (`Signal::STOP`) is there, and does not answer until `Signal::CONT`.
    ///
    /// # Panics
    /// If it cannot be sent. An ended process keeps its id until [`ended`](Self::ended) or
    /// [`kill`](Self::kill) notices, and ignores signals.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal)
            .unwrap_or_else(|error| panic!("{} gets no {signal:?}: {error}", self.name));
    }

    /// Sends SIGTERM and waits for the process to end.
    ///
    /// # Panics
    /// If it has not ended after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        if self.ended().is_none() {
            self.signal(Signal::TERM);
        }
        let mut status = None;
        wait_until(limit, || {
            status = self.ended();
            status.is_some()
        });
        status.unwrap_or_else(|| {
            panic!("{} does not end on SIGTERM within {limit:?}\n{}", self.name, self.tail())
        })
    }

    /// The process's output so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of the log, under a heading.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines = log.lines().count();
        let last: Vec<&str> = log.lines().skip(lines.saturating_sub(TAIL)).collect();
        format!("--- last lines of {}:\n{}", self.name, last.join("\n"))
    }

    /// Whether the process failed because another one has taken its port.
    pub fn lost_its_port(&self) -> bool {
        self.log().to_lowercase().contains("address already in use")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills the process and waits for it.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    child.kill()?;
    child.wait()
}
