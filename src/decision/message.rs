//! The text that users read when a request is refused or gets a warning.

use super::{Decision, Failure, FailureCause, Finding};
use crate::admission::{Request, ReviewMode};
use crate::path;
use crate::plain;
use crate::policy::Action;
use crate::policy::binding::OnFailure;

/// The API server shows up to 256 characters of one warning in full, and 4,096 of all warnings. It silently
/// drops a warning that contains a line break.
const WARNING_LIMIT: usize = 256;
const WARNINGS_LIMIT: usize = 4096;

/// More findings than this are not readable in a terminal.
pub const SHOWN: usize = 20;

/// Why the request is refused: what is wrong, where, how to fix it and where to read more.
///
/// kubectl prints it after `admission webhook "…" denied the request: `, line breaks included, and whatever else is
/// in it.
pub fn refusal(request: &Request, decision: &Decision) -> String {
    let denied: Vec<&Finding> =
        decision.findings.iter().filter(|finding| finding.action == Action::Deny).collect();
    let failed: Vec<&Failure> =
        decision.failures.iter().filter(|failure| failure.on_failure == OnFailure::Deny).collect();
    let count = denied.len() + failed.len();
    let problems = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
    let name = match &decision.parent {
        Some(kind) => request.display_name_of_parent(kind),
        None => request.display_name(),
    };
    let mut text = format!("{}: {problems}\n", plain::line(&name));
    for finding in denied.iter().take(SHOWN) {
        let binding =
            finding.binding.as_ref().map(|binding| format!(" (binding: {binding})")).unwrap_or_default();
        text.push_str(&format!(
            "\n{} [{}]{}\n  {}\n",
            finding.policy,
            finding.severity,
            plain::line(&binding),
            finding.message
        ));
        if !finding.path.is_empty() {
            text.push_str(&format!("  at:  {}\n", path::dotted(&finding.path)));
        }
        text.push_str(&format!("  fix: {}\n", finding.fix));
        let (label, reason) = finding.reason();
        text.push_str(&format!("  {label}: {reason}\n"));
    }
    if denied.len() > SHOWN {
        text.push_str(&format!(
            "\n… and {} more: run `stategate check` on the manifest\n",
            denied.len() - SHOWN
        ));
    }
    for failure in failed.iter().take(SHOWN) {
        let fix = match &failure.cause {
            FailureCause::UnreadableOld(_) => "ask those who run stategate for an exception for this policy",
            cause if cause.is_of_the_object() => {
                "shorten the object: its lists, or a script that could be in a ConfigMap"
            }
            _ => "try again; if it stays, tell those who run stategate",
        };
        text.push_str(&format!(
            "\n{}\n  the policy could not decide: {}\n  fix: {fix}\n",
            failure.policy,
            plain::line(&failure.cause.to_string())
        ));
    }
    plain::block(&text).into_owned()
}

/// One line for each finding, failure and note that does not refuse the request but that the user should see.
///
/// The mutating webhook refuses nothing because of a failure, so it warns of those that would refuse, too.
pub fn warnings(decision: &Decision, mode: ReviewMode) -> Vec<String> {
    let told = decision.findings.iter().filter(|finding| finding.action == Action::Warn);
    let (earlier, told): (Vec<&Finding>, Vec<&Finding>) = told.partition(|finding| finding.pre_existing);
    let news = told.len();
    let findings = told.into_iter().map(|finding| {
        let binding = finding.binding.as_ref().map(|binding| format!("; binding: {binding}"));
        let text = format!("{}: {}; fix: {}", finding.policy, finding.message, finding.fix);
        one_line(&text, &binding.unwrap_or_default())
    });
    let failures: Vec<&Failure> = decision
        .failures
        .iter()
        .filter(|failure| failure.on_failure == OnFailure::Warn || !mode.validates())
        .collect();
    let total = news + failures.len() + decision.notes.len() + usize::from(!earlier.is_empty());
    let failures = failures
        .into_iter()
        .map(|failure| format!("{}: the policy could not decide: {}", failure.policy, failure.cause));
    let others = failures.chain(decision.notes.iter().cloned()).map(|text| one_line(&text, ""));
    // Whoever changes something else has read them before.
    let before = match earlier.len() {
        0 => None,
        1 => Some("1 earlier finding, which this change leaves as it is".to_owned()),
        count => Some(format!("{count} earlier findings, which this change leaves as they are")),
    };
    let before = before.map(|before| format!("{before}: `stategate check` on the manifest shows them"));
    fit(findings.chain(others).chain(before), total)
}

/// Cuts so many warnings to what the API server shows, and reports how many are omitted.
fn fit(warnings: impl Iterator<Item = String>, total: usize) -> Vec<String> {
    let mut left = WARNINGS_LIMIT - WARNING_LIMIT;
    let mut shown = Vec::new();
    for warning in warnings {
        let Some(rest) = left.checked_sub(warning.len()) else { break };
        left = rest;
        shown.push(warning);
    }
    if shown.len() < total {
        shown.push(format!("{} more warnings: run `stategate check` on the manifest", total - shown.len()));
    }
    shown
}

/// One line that fits. What is too long is cut before its end.
fn one_line(text: &str, end: &str) -> String {
    let line = |text: &str| {
        if is_line(text) {
            return plain::line(text).into_owned();
        }
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        plain::line(&words).into_owned()
    };
    let (text, end) = (line(text), line(end));
    let end = cut(&end, WARNING_LIMIT / 2);
    let room = WARNING_LIMIT - end.chars().count();
    cut(&text, room) + &end
}

/// Whether a text has nothing between its words but single spaces, as nearly all have.
fn is_line(text: &str) -> bool {
    let mut before = b' ';
    let fits = |byte| {
        let twice = byte == b' ' && before == b' ';
        before = byte;
        matches!(byte, b' '..=b'~') && !twice
    };
    text.bytes().all(fits) && before != b' '
}

fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit || text.chars().count() <= limit {
        return text.to_owned();
    }
    let end = match text.is_ascii() {
        true => Some(limit - 1),
        false => text.char_indices().nth(limit - 1).map(|(at, _)| at),
    };
    format!("{}…", end.and_then(|end| text.get(..end)).unwrap_or_default())
}
