//! What the rehearsal found, for people.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::load::{Load, Seen, Summary};

/// How bad something is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// What is not as it should be: the rehearsal fails.
    Wrong(String),
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What happened.
    pub fault: String,
    /// What was seen of it.
    pub seen: String,
    /// How long until everything was right again.
    pub recovery: Option<Duration>,
    /// Whether that is as it should be.
    pub verdict: Verdict,
}

impl Row {
    /// A line about something other than load: what was found, and what of it is wrong.
    pub fn found(fault: &str, seen: String, recovery: Option<Duration>, wrong: Vec<String>) -> Self {
        let verdict = if wrong.is_empty() { Verdict::Fine } else { Verdict::Wrong(wrong.join("; ")) };
        let row = Self { fault: fault.to_owned(), seen, recovery, verdict };
        println!("{}", row.line());
        row
    }

    fn line(&self) -> String {
        let recovery = self.recovery.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64()));
        let verdict = match &self.verdict {
            Verdict::Fine => "ok".to_owned(),
            Verdict::Wrong(what) => format!("**wrong**: {what}"),
        };
        // What others said may have any form; a row is a line.
        let plain = |text: &str| text.replace('|', "/").split_whitespace().collect::<Vec<_>>().join(" ");
        format!("| {} | {} | {recovery} | {} |", plain(&self.fault), plain(&self.seen), plain(&verdict))
    }
}

/// What clients may see of a fault, and for how long.
#[derive(Clone, Copy)]
pub struct Allowed {
    /// What may be seen besides what is right.
    pub seen: &'static [Seen],
    /// How soon it must be over.
    pub within: Duration,
}

/// Nothing may be seen.
pub const NOTHING: Allowed = Allowed { seen: &[], within: Duration::ZERO };
/// stategate does not answer for a while: nothing bad is done where a webhook waits, and nothing good is refused with a
/// verdict.
pub const NO_ANSWER: &[Seen] = &[Seen::Unanswered, Seen::FailedOpen, Seen::Unmutated];
/// It answers late, or one time and not the other: what the mutating webhook was not in time for, the validating one
/// may judge as it came, if the audit log says that it was not in time.
pub const LATE: &[Seen] = &[Seen::Unanswered, Seen::FailedOpen, Seen::Unmutated, Seen::RefusedAsItCame];

/// Does something while clients write, waits until they see nothing wrong any more, and tells what they saw.
pub fn under_load(load: &Load, fault: &str, allowed: Allowed, happens: impl FnOnce() -> Vec<String>) -> Row {
    println!("- {fault}");
    let (mark, begun) = (load.mark(), Instant::now());
    let mut wrong = happens();
    if !load.calms(mark, allowed.within.max(Duration::from_secs(30)) * 4) {
        wrong.push("clients see wrong answers to the end".to_owned());
    }
    row(fault, &load.since(mark), begun, allowed, wrong)
}

/// The line about what clients saw since a moment.
pub fn row(fault: &str, seen: &Summary, begun: Instant, allowed: Allowed, mut wrong: Vec<String>) -> Row {
    let recovery = seen.recovery(begun);
    for kind in Seen::WRONG {
        let count = seen.count(kind);
        if count > 0 && !allowed.seen.contains(&kind) {
            wrong.push(format!("{count} × {kind:?}"));
        }
    }
    if recovery > allowed.within {
        wrong.push(format!("not over within {} s", allowed.within.as_secs()));
    }
    for sample in seen.samples() {
        println!("    {sample}");
    }
    Row::found(fault, seen.words(), Some(recovery), wrong)
}

/// The whole table, in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text =
        String::from("| What happens | What was seen | Seconds until it was over | |\n|---|---|---|---|\n");
    for row in rows {
        let _ = writeln!(text, "{}", row.line());
    }
    text
}
