//! Tries policies from outside the binary in a child process first.
//!
//! A runaway parser, a stack overflow or a builtin that never returns cannot be caught within a process. The
//! child therefore compiles the sources under limits on memory and time, and evaluates them on some recorded
//! reviews; its verdict is the load error. Whatever kills the child never reaches the serving process.

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

/// The hidden subcommand that runs the child.
pub const SUBCOMMAND: &str = "try-policies";
/// CPU time limit. A set that takes longer to load is not fit to serve.
const TIME: Duration = Duration::from_secs(10);
/// Wall-clock limit, however busy the machine is.
const MAX_WALL_TIME: Duration = Duration::from_secs(60);
/// Memory limit for the child; a thousand policies need a tenth of it.
const MEMORY: u64 = 1 << 30;
/// Longer verdicts are cut off: nobody reads that many errors.
const LONGEST_VERDICT: u64 = 4 << 20;

/// Recorded reviews of all operations, of the kinds that most policies check.
const REVIEWS: &[&str] = &[
    include_str!("../../tests/fixtures/reviews/create-statefulset.json"),
    include_str!("../../tests/fixtures/reviews/create-cronjob.json"),
    include_str!("../../tests/fixtures/reviews/create-pvc.json"),
    include_str!("../../tests/fixtures/reviews/create-storageclass.json"),
    include_str!("../../tests/fixtures/reviews/update-statefulset-label.json"),
    include_str!("../../tests/fixtures/reviews/update-statefulset-image-downgrade.json"),
    include_str!("../../tests/fixtures/reviews/dryrun-update-statefulset.json"),
    include_str!("../../tests/fixtures/reviews/update-pvc-finalizers-removed.json"),
    include_str!("../../tests/fixtures/reviews/scale-statefulset-5-to-0.json"),
    include_str!("../../tests/fixtures/reviews/delete-pvc.json"),
    include_str!("../../tests/fixtures/reviews/delete-statefulset-orphan.json"),
    include_str!("../../tests/fixtures/reviews/deletecollection-pvc.json"),
];

/// A line of the child's output, as JSON.
#[derive(Serialize, Deserialize)]
enum Line {
    /// What the child is about to do, in words that complete "while …".
    Doing(String),
    /// The errors found; empty if there are none.
    Verdict(Diagnostics),
}

/// Tries the policies in a child process; `program` is this very binary.
///
/// # Errors
/// The errors in the policies, or how the child ended.
pub fn run(program: &Path, sources: &Sources) -> Result<(), Diagnostics> {
    let texts = serde_json::to_vec(sources).map_err(|error| whole(&format!("cannot be tried: {error}")))?;
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .env_clear()
        // Backtraces make regorus parse many times slower.
        .env("RUST_LIB_BACKTRACE", "0")
        // Otherwise the allocator reserves a gigabyte at startup, which counts towards the limit.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| whole(&format!("cannot be tried in a process of their own: {error}")))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    std::thread::scope(|scope| {
        // Writes and reads concurrently, since a pipe holds little. A child that dies early closes both ends.
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

/// The child's last reported activity, and its verdict.
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
    Exited(ExitStatus),
    TimedOut,
}

fn wait(child: &mut Child) -> std::io::Result<Ended> {
    if let Some(status) = child.wait_timeout(MAX_WALL_TIME)? {
        return Ok(Ended::Exited(status));
    }
    child.kill()?;
    child.wait()?;
    Ok(Ended::TimedOut)
}

fn died(doing: &str, ended: Ended) -> Diagnostic {
    let how = match ended {
        Ended::TimedOut => format!("took longer than {} s", MAX_WALL_TIME.as_secs()),
        Ended::Exited(status) if out_of_time(status) => format!("took longer than {} s", TIME.as_secs()),
        Ended::Exited(status) => format!(
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
    // SIGXCPU first; SIGKILL if the process continues.
    matches!(status.signal(), Some(9 | 24))
}

#[cfg(not(unix))]
fn out_of_time(_: ExitStatus) -> bool {
    false
}

fn whole(message: &str) -> Diagnostic {
    SourceText::new("--policies", "").error(0, 0, message)
}

/// The child: reads the sources from stdin and writes its verdict to stdout.
///
/// # Errors
/// If the sources cannot be read, or the verdict cannot be written.
pub fn child() -> std::io::Result<()> {
    // A limit that cannot be set only weakens the protection; the parent's timeout still applies.
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

/// Compiles the sources, then evaluates every policy.
fn attempt(sources: &Sources, doing: &(dyn Fn(String) + Sync)) -> Result<(), Diagnostics> {
    let before = |text: &SourceText| doing(format!("loading {}", text.name));
    let options = CompileOptions { before_parsing: Some(&before), ..CompileOptions::default() };
    let set = PolicySet::compile(sources, options)?;
    // The time at which they will serve. A policy can still tell a trial from service; what it does there is
    // bounded all the same.
    #[expect(clippy::disallowed_methods, reason = "an edge: the time goes into the review as data")]
    let now = jiff::Timestamp::now();
    for text in REVIEWS {
        let Ok(request) = wire::decode(text.as_bytes()) else { continue };
        let announcer = Announcer { doing, kind: &request.kind.kind };
        let decision = review(&set, &Inventory::default(), &request, ReviewMode::Fix, now, &announcer);
        let errors: Vec<Diagnostic> = decision
            .failures
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

/// Reports each policy before it is evaluated.
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
