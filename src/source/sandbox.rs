//! Policies from outside the binary are tried in a child process first.
//!
//! A parser that blows up, a stack that overflows and a builtin that never ends cannot be caught within
//! a process. So the child compiles the texts under limits on memory, time and stack, and judges some
//! recorded reviews with them; its verdict is the load error. What the child died of never reaches the
//! process that serves.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wait_timeout::ChildExt as _;

use crate::admission::{ReviewMode, wire};
use crate::decision::FailureCause;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::inventory::Inventory;
use crate::policy::PolicyId;
use crate::policyset::{CompileOptions, PolicySet, Sources};
use crate::review::{Evaluation, EvaluationObserver, review};

/// The hidden subcommand that is the child.
pub const SUBCOMMAND: &str = "try-policies";
/// Processor time. A set that takes longer to load would be no good to serve with.
const TIME: Duration = Duration::from_secs(10);
/// The same by the clock, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// Memory that the child may hold; a thousand policies need a tenth of it.
const MEMORY: u64 = 1 << 30;
/// A verdict that is longer is cut: nobody reads so many errors.
const LONGEST_VERDICT: u64 = 4 << 20;

/// So often a policy that fails is asked.
const ATTEMPTS: usize = 3;
/// What policies are asked in the sandbox: one request of each kind that most of them judge.
const REVIEWS: &[&str] = &[
    include_str!("../../tests/fixtures/reviews/create-statefulset.json"),
    include_str!("../../tests/fixtures/reviews/update-statefulset-label.json"),
    include_str!("../../tests/fixtures/reviews/create-pvc.json"),
    include_str!("../../tests/fixtures/reviews/create-storageclass.json"),
    include_str!("../../tests/fixtures/reviews/delete-pvc.json"),
];

/// What the child writes, one JSON a line.
#[derive(Serialize, Deserialize)]
enum Line {
    /// It is about to do this, in words that complete "while …".
    Doing(String),
    /// This is wrong; nothing, if nothing is.
    Verdict(Diagnostics),
}

/// Has the policies tried by a child process: `program` is this very binary.
///
/// # Errors
/// What is wrong with them, or how the child ended.
pub fn run(program: &Path, sources: &Sources) -> Result<(), Diagnostics> {
    let texts = serde_json::to_vec(sources).map_err(|error| whole(&format!("cannot be tried: {error}")))?;
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .env_clear()
        // regorus parses many times slower with it.
        .env("RUST_LIB_BACKTRACE", "0")
        // The allocator would take a gigabyte at the start, and the limit would count it.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| whole(&format!("cannot be tried in a process of their own: {error}")))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    std::thread::scope(|scope| {
        // Both ends at once, since a pipe holds little. A child that dies early closes them.
        scope.spawn(move || input.map(|mut input| input.write_all(&texts)));
        let heard = scope.spawn(move || output.map(|output| listen(output.take(LONGEST_VERDICT))));
        let ended = wait(&mut child);
        let (doing, verdict) = heard.join().ok().flatten().unwrap_or_default();
        match (verdict, ended) {
            (Some(Diagnostics(errors)), _) if errors.is_empty() => Ok(()),
            (Some(errors), _) => Err(errors),
            (None, Ok(ended)) => Err(died(&doing, ended).into()),
            (None, Err(error)) => Err(whole(&format!("cannot be tried: {error}")).into()),
        }
    })
}

/// What the child said last, and its verdict.
fn listen(output: impl std::io::Read) -> (String, Option<Diagnostics>) {
    let mut doing = String::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Line::Doing(what)) => doing = what,
            Ok(Line::Verdict(errors)) => return (doing, Some(errors)),
            Err(_) => {}
        }
    }
    (doing, None)
}

enum Ended {
    Itself(ExitStatus),
    OutOfPatience,
}

fn wait(child: &mut Child) -> std::io::Result<Ended> {
    if let Some(status) = child.wait_timeout(PATIENCE)? {
        return Ok(Ended::Itself(status));
    }
    child.kill()?;
    child.wait()?;
    Ok(Ended::OutOfPatience)
}

fn died(doing: &str, ended: Ended) -> Diagnostic {
    let how = match ended {
        Ended::OutOfPatience => format!("took longer than {} s", PATIENCE.as_secs()),
        Ended::Itself(status) if out_of_time(status) => format!("took longer than {} s", TIME.as_secs()),
        Ended::Itself(status) => format!(
            "ended the process that tried it ({status}): its stack overflowed or it took more than {} MiB",
            MEMORY >> 20
        ),
    };
    whole(&format!("{doing} {how}")).with_help(
        "look there for a deeply nested literal, a chain of many rules that use each other, or a call that multiplies its input",
    )
}

#[cfg(unix)]
fn out_of_time(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    // SIGXCPU first, SIGKILL if it goes on.
    matches!(status.signal(), Some(9 | 24))
}

#[cfg(not(unix))]
fn out_of_time(_: ExitStatus) -> bool {
    false
}

fn whole(message: &str) -> Diagnostic {
    SourceText::new("--policies", "").error(0, 0, message)
}

/// The child: reads the texts from its standard input, and writes its verdict to its standard output.
///
/// # Errors
/// If the texts cannot be read, or the verdict cannot be written.
pub fn child() -> std::io::Result<()> {
    // Without the limits nothing would be lost but their protection; the parent's patience holds anyway.
    #[cfg(unix)]
    {
        let _ = rlimit::setrlimit(rlimit::Resource::DATA, MEMORY, MEMORY);
        let _ = rlimit::setrlimit(rlimit::Resource::CPU, TIME.as_secs(), TIME.as_secs());
        let _ = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0);
    }
    let mut texts = Vec::new();
    std::io::stdin().read_to_end(&mut texts)?;
    let sources: Sources = serde_json::from_slice(&texts)?;
    let say = |line: &Line| -> std::io::Result<()> {
        let mut output = std::io::stdout().lock();
        serde_json::to_writer(&mut output, line)?;
        output.write_all(b"\n")?;
        output.flush()
    };
    let verdict = attempt(&sources, &|doing| drop(say(&Line::Doing(doing))));
    say(&Line::Verdict(verdict.err().unwrap_or_else(|| Diagnostics(Vec::new()))))
}

/// Compiles, then asks every policy.
fn attempt(sources: &Sources, doing: &(dyn Fn(String) + Sync)) -> Result<(), Diagnostics> {
    let before = |text: &SourceText| doing(format!("loading {}", text.name));
    let options = CompileOptions { before_parsing: Some(&before), ..CompileOptions::default() };
    let set = PolicySet::compile(sources, options)?;
    for text in REVIEWS {
        let Ok(request) = wire::decode(text.as_bytes()) else { continue };
        let announcer = Announcer { doing, kind: &request.kind.kind };
        // The engine's timer counts time that a busy machine gave to others: one good answer is enough.
        let ask = || {
            let now = jiff::Timestamp::UNIX_EPOCH;
            review(&set, &Inventory::default(), &request, ReviewMode::Fix, now, &announcer).failures
        };
        let mut failures = ask();
        for _ in 1..ATTEMPTS {
            if failures.is_empty() {
                break;
            }
            failures = ask();
        }
        let errors: Vec<Diagnostic> = failures
            .into_iter()
            .map(|failure| {
                let message = format!(
                    "policy {} fails on a recorded {} of a {}: {}",
                    failure.policy,
                    request.operation.as_str(),
                    request.kind.kind,
                    failure.cause
                );
                let source =
                    set.policy(failure.policy.as_str()).map_or("--policies", |policy| &policy.source);
                SourceText::new(source, "").error(0, 0, message)
            })
            .collect();
        if !errors.is_empty() {
            return Err(Diagnostics(errors));
        }
    }
    Ok(())
}

/// Says which policy is asked, before it is.
struct Announcer<'a> {
    doing: &'a (dyn Fn(String) + Sync),
    kind: &'a str,
}

impl EvaluationObserver for Announcer<'_> {
    fn before(&self, policy: &PolicyId) -> Result<(), FailureCause> {
        (self.doing)(format!("evaluating policy {policy} on a {}", self.kind));
        Ok(())
    }

    fn after(&self, _: &Evaluation<'_>) {}
}
