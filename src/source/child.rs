//! Runs a program with limits on its time and output.

use std::io::{ErrorKind, Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use wait_timeout::ChildExt as _;

/// How long the pipes of a program that has ended may stay open in its own children.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// What a program may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Wall-clock time.
    pub time: Duration,
    /// Bytes on stdout, and on stderr.
    pub output: u64,
}

/// What a program made.
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its stdout.
    pub stdout: Vec<u8>,
    /// Its stderr.
    pub stderr: Vec<u8>,
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// There is no such program.
    #[error("it is not installed")]
    Missing,
    /// It did not end in time, and was ended.
    #[error("took longer than {} s", .0.as_secs())]
    Slow(Duration),
    /// It printed more than it may.
    #[error("made more than {} MiB of output", .0 >> 20)]
    Loud(u64),
    /// The system refused something.
    #[error("cannot be run: {0}")]
    System(#[from] std::io::Error),
}

/// Runs the program to its end, with `input` on its stdin.
///
/// # Errors
/// If it is missing or exceeds a limit.
pub fn run(command: &mut Command, input: Vec<u8>, limits: Limits) -> Result<Output, ChildError> {
    // What it starts itself must end with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    command.stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| {
            match error.kind() {
                ErrorKind::NotFound => ChildError::Missing,
                _ => ChildError::System(error),
            }
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read to the end says why by its exit status.
        std::thread::spawn(move || stdin.write_all(&input));
    }
    // Both pipes are read while it runs; otherwise it would block on a full pipe.
    let stdout = read(child.stdout.take(), limits.output);
    let stderr = read(child.stderr.take(), limits.output);
    let Some(status) = child.wait_timeout(limits.time)? else {
        end(&mut child);
        return Err(ChildError::Slow(limits.time));
    };
    let bytes = |pipe: &Receiver<std::io::Result<Vec<u8>>>| {
        let read = pipe.recv_timeout(AFTERWARDS).map_err(|_| ChildError::Slow(AFTERWARDS))??;
        if read.len() as u64 > limits.output { Err(ChildError::Loud(limits.output)) } else { Ok(read) }
    };
    Ok(Output { status, stdout: bytes(&stdout)?, stderr: bytes(&stderr)? })
}

/// Reads a pipe in a thread of its own. A pipe that is left open by somebody must not hold up the run.
fn read<P: Read + Send + 'static>(pipe: Option<P>, most: u64) -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.map_or(Ok(0), |pipe| pipe.take(most.saturating_add(1)).read_to_end(&mut bytes));
        // Nobody listens after a timeout.
        let _ = sender.send(read.map(|_| bytes));
    });
    receiver
}

/// Ends a program and what it has started. This fails only for those that have already ended.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limits: Limits, input: &str) -> Result<Output, ChildError> {
        run(Command::new("sh").args(["-c", script]), input.as_bytes().to_vec(), limits)
    }

    const LIMITS: Limits = Limits { time: Duration::from_secs(20), output: 1000 };

    #[test]
    fn a_program_has_its_input_and_its_limits() {
        let output = shell("cat; echo said >&2; exit 3", LIMITS, "asked").unwrap();
        assert_eq!((&*output.stdout, &*output.stderr), (&b"asked"[..], &b"said\n"[..]));
        assert_eq!(output.status.code(), Some(3));
        let error = shell("yes", LIMITS, "").err().unwrap();
        assert!(matches!(error, ChildError::Loud(1000)), "{error}");
        let error = run(&mut Command::new("no-such-program"), Vec::new(), LIMITS).err().unwrap();
        assert!(matches!(error, ChildError::Missing), "{error}");
    }

    #[test]
    fn what_a_slow_program_started_ends_with_it() {
        let slow = Limits { time: Duration::from_millis(300), ..LIMITS };
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("alive");
        let script = format!("(sleep 1.5; touch {}) & wait", file.display());
        let error = shell(&script, slow, "").err().unwrap();
        assert!(matches!(error, ChildError::Slow(_)), "{error}");
        std::thread::sleep(Duration::from_secs(2));
        assert!(!file.exists(), "a child of the program went on");
    }
}
