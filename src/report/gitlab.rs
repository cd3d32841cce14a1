//! The report for GitLab Code Quality: what a merge request shows as better or worse.

use serde::Serialize;

use super::exceptions::{Notice, Topic, notices};
use super::location::{self, Fingerprints, ReportLocation};
use super::{Found, Report, ReviewedObject};
use crate::diagnostic::Diagnostic;
use crate::plain;
use crate::policy::{Action, Severity};

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: Level,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
    end: usize,
}

/// The severities of GitLab. Only what refuses is a blocker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Info,
    Minor,
    Major,
    Critical,
    Blocker,
}

/// The report as one JSON array.
///
/// # Errors
/// Only if serde_json fails to write, which cannot happen for these types.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    let mut fingerprints = Fingerprints::default();
    let mut issues: Vec<Issue> = report.errors.iter().map(error).collect();
    issues.extend(report.warnings.iter().map(warning));
    for object in &report.objects {
        for (policy, error, refuses) in &object.failures {
            issues.push(Issue {
                description: format!("{}: the policy could not decide: {error}", object.display_name()),
                check_name: policy.to_string(),
                fingerprint: super::digest(&[
                    "failure",
                    policy.as_str(),
                    &object.file,
                    &object.display_name(),
                ]),
                severity: if *refuses { Level::Blocker } else { Level::Major },
                location: location(&ReportLocation::of_object(object)),
            });
        }
    }
    issues.extend(notices(report).iter().map(notice));
    issues.extend(report.relaxed.iter().map(|part| relaxed(part)));
    let findings = location::worst_first(report).into_iter().filter(|(_, found)| !found.known);
    issues.extend(findings.map(|(object, found)| issue(object, found, fingerprints.of(found))));
    plain::json_of_texts(&issues)
}

fn issue(object: &ReviewedObject, found: &Found, fingerprint: String) -> Issue {
    let finding = &found.finding;
    let rendered = location::rendered(object, found).map(|text| format!(" ({text})")).unwrap_or_default();
    let fix = finding.fix.trim_end_matches('.');
    let binding = finding.binding.as_ref().map(|binding| format!(". Binding: {binding}")).unwrap_or_default();
    Issue {
        description: format!(
            "{}: {}{rendered}. Fix: {fix}{binding}",
            object.display_name(),
            finding.display_message(),
        ),
        check_name: finding.policy.to_string(),
        fingerprint,
        severity: level(finding.action, finding.severity),
        location: location(&ReportLocation::of(object, found)),
    }
}

fn notice(notice: &Notice<'_>) -> Issue {
    let exception = notice.exception;
    let (path, line) = (file(&exception.source), exception.line.max(1));
    Issue {
        description: notice.text.clone(),
        check_name: notice.topic.id().to_owned(),
        // Two exceptions may have one name.
        fingerprint: super::digest(&[notice.topic.id(), &path, &exception.display_name(), &line.to_string()]),
        severity: match notice.topic {
            Topic::Expired | Topic::Expiring => Level::Minor,
            Topic::Unmatched => Level::Info,
        },
        location: Location { path, lines: Lines { begin: line, end: line } },
    }
}

/// What the repository itself takes out. A merge request that takes out more shows it as a new issue.
fn relaxed(part: &str) -> Issue {
    // The file that does it comes last; a library chart names none.
    let by = part.rsplit(' ').next().filter(|word| word.contains('.')).unwrap_or("stategate.yaml");
    Issue {
        description: plain::line(&format!("The repository narrows its own check: {part}")).into_owned(),
        check_name: "relaxed".to_owned(),
        fingerprint: super::digest(&["relaxed", part]),
        severity: Level::Info,
        location: Location { path: file(by), lines: Lines { begin: 1, end: 1 } },
    }
}

fn error(error: &Diagnostic) -> Issue {
    let help = error.help.as_ref().map(|help| format!(". Help: {help}")).unwrap_or_default();
    let (path, line) = (file(&error.source), error.line.max(1));
    Issue {
        description: plain::line(&format!("{}{help}", error.message)).into_owned(),
        check_name: "unreadable".to_owned(),
        fingerprint: super::digest(&["unreadable", &path, &line.to_string(), &error.message]),
        severity: Level::Blocker,
        location: Location { path, lines: Lines { begin: line, end: line } },
    }
}

/// What is hardly meant so. There may be two of a kind in one line.
fn warning(warning: &Diagnostic) -> Issue {
    let issue = error(warning);
    let place = format!("{}:{}", warning.line, warning.column);
    Issue {
        fingerprint: super::digest(&["hardly-meant-so", &issue.location.path, &place, &warning.message]),
        check_name: "hardly-meant-so".to_owned(),
        severity: Level::Minor,
        ..issue
    }
}

fn location(spot: &ReportLocation<'_>) -> Location {
    Location { path: file(spot.file), lines: Lines { begin: spot.line(), end: spot.end_line() } }
}

fn file(file: &str) -> String {
    plain::line(&location::path(file).unwrap_or_else(|| file.to_owned())).into_owned()
}

/// `deny` keeps its severity, `warn` is one level lower, `audit` is informational.
fn level(action: Action, severity: Severity) -> Level {
    match (action, severity) {
        (Action::Audit, _) | (Action::Warn, Severity::Low) => Level::Info,
        (Action::Warn, Severity::Medium) | (Action::Deny, Severity::Low) => Level::Minor,
        (Action::Warn, Severity::High) | (Action::Deny, Severity::Medium) => Level::Major,
        (Action::Warn, Severity::Critical) | (Action::Deny, Severity::High) => Level::Critical,
        (Action::Deny, Severity::Critical) => Level::Blocker,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_repository_takes_out_is_an_issue_at_its_file() {
        let mut report = crate::report::sample::report();
        report.relaxed = vec![
            "3 policies are waived by ./stategate.yaml".to_owned(),
            "2 files are excluded by .stategateignore".to_owned(),
            "1 file is left out as part of a library chart".to_owned(),
        ];
        let issues: serde_json::Value = serde_json::from_str(&render(&report).unwrap()).unwrap();
        let all: Vec<_> =
            issues.as_array().unwrap().iter().filter(|issue| issue["check_name"] == "relaxed").collect();
        let paths: Vec<_> = all.iter().map(|issue| issue["location"]["path"].as_str().unwrap()).collect();
        assert_eq!(paths, ["stategate.yaml", ".stategateignore", "stategate.yaml"]);
        assert!(all.iter().all(|issue| issue["severity"] == "info"), "{all:?}");
        assert!(all[0]["description"].as_str().unwrap().contains("3 policies are waived"), "{all:?}");
    }

    #[test]
    fn severities_rise_with_both() {
        let severities = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        for pair in severities.windows(2) {
            assert!(level(Action::Deny, pair[0]) < level(Action::Deny, pair[1]));
            assert!(level(Action::Warn, pair[0]) < level(Action::Warn, pair[1]));
        }
        for severity in severities {
            assert!(level(Action::Warn, severity) < level(Action::Deny, severity));
            assert_eq!(level(Action::Audit, severity), Level::Info);
        }
    }
}
