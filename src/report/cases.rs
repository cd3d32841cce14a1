//! The report as test cases: one for each object, which fails if the object would be refused.

use std::time::Duration;

use super::exceptions::{Notice, notices};
use super::junit::{Case, Verdict};
use super::{Found, Report, ReviewedObject};
use crate::diagnostic::Diagnostic;
use crate::path;
use crate::plain;
use crate::policy::Action;

/// One suite per file, one case per object, and one per notice of an exception, which passes; one more if the
/// repository takes something out. The class is the kind: Jenkins treats everything before the last
/// dot of a class as its package, which would split a file name.
pub fn of(report: &Report) -> Vec<Case> {
    let notices = notices(report);
    let exceptions = notices.iter().map(exception);
    let objects = report.objects.iter().map(object);
    let all = report.errors.iter().map(unreadable).chain(objects).chain(exceptions);
    let all = all.chain(warnings(report));
    all.chain(relaxed(report)).collect()
}

/// What the repository itself takes out, as one case that passes: viewers show its output, and no properties.
fn relaxed(report: &Report) -> Option<Case> {
    let parts: Vec<String> = report.relaxed.iter().map(|part| format!("{}\n", plain::line(part))).collect();
    let name = "what the repository takes out of the check";
    let class = Some("stategate.relaxed".to_owned());
    let case = Case { suite: name.to_owned(), class, name: name.to_owned(), ..Case::default() };
    (!parts.is_empty()).then(|| Case { output: parts.concat(), ..case })
}

/// What is hardly meant so, as one case that passes.
fn warnings(report: &Report) -> Option<Case> {
    let output: String = report.warnings.iter().map(|warning| format!("{warning}\n")).collect();
    let name = "what is hardly meant so";
    let class = Some("stategate.warnings".to_owned());
    let case = Case { suite: name.to_owned(), class, name: name.to_owned(), ..Case::default() };
    (!output.is_empty()).then_some(Case { output, ..case })
}

fn object(object: &ReviewedObject) -> Case {
    let (refusing, others): (Vec<&Found>, Vec<&Found>) = object
        .findings
        .iter()
        .filter(|found| !found.known)
        .partition(|found| found.finding.action == Action::Deny);
    let (broken, undecided): (Vec<_>, Vec<_>) = object.failures.iter().partition(|(_, _, refuses)| *refuses);
    let told = |found: &&Found| finding(object, found);
    let mut output: String = others.iter().map(told).collect();
    for (policy, error, _) in undecided {
        output.push_str(&format!("{policy}: the policy could not decide: {}\n", plain::line(error)));
    }
    for unknown in &object.unknown {
        output.push_str(&format!("{}: not evaluated: {}\n", unknown.policy, unknown.reason()));
    }
    for waived in &object.waived {
        output.push_str(&format!("{}: exempt: {}\n", waived.policy, plain::line(&waived.reason)));
    }
    for note in &object.notes {
        output.push_str(&format!("{}\n", plain::line(note)));
    }
    let verdict = if !broken.is_empty() {
        let mut text = String::new();
        for (policy, error, _) in &broken {
            text.push_str(&format!(
                "{policy}: the policy could not decide, which refuses the object: {}\n",
                plain::line(error)
            ));
        }
        Verdict::Broken(text + &refusing.iter().map(told).collect::<String>())
    } else if !refusing.is_empty() {
        let mut policies: Vec<&str> = refusing.iter().map(|found| found.finding.policy.as_str()).collect();
        policies.dedup();
        let head = format!("would be refused: {}\n\n", policies.join(", "));
        Verdict::Failed(head + &refusing.iter().map(told).collect::<String>())
    } else {
        Verdict::Passed
    };
    let name = match object.namespace.as_str() {
        "" => object.name.clone(),
        namespace => format!("{namespace}/{}", object.name),
    };
    Case {
        suite: object.file.to_string(),
        class: Some(format!("stategate.{}", object.kind)),
        name: format!("{name} ({})", object.file),
        file: Some(object.edited().to_owned()),
        time: Duration::ZERO,
        output,
        verdict,
    }
}

fn finding(object: &ReviewedObject, found: &Found) -> String {
    let Found { finding, place, .. } = found;
    let field = match path::dotted(&finding.path) {
        field if field.is_empty() => object.display_name(),
        field => field,
    };
    let mut text = format!(
        "{} {} [{}]: {}\n  at:  {}:{}:{} {field}\n",
        finding.action,
        finding.policy,
        finding.severity,
        finding.display_message(),
        plain::line(&object.file),
        place.line,
        place.column
    );
    if let Some(template) = &object.template {
        text.push_str(&format!("  from: {}\n", plain::line(template)));
    }
    text.push_str(&format!("  fix: {}\n", finding.fix));
    let (label, reason) = finding.reason();
    text.push_str(&format!("  {label}: {reason}\n"));
    if let Some(binding) = &finding.binding {
        text.push_str(&format!("  binding: {}\n", plain::line(binding)));
    }
    text.push('\n');
    text
}

fn exception(notice: &Notice<'_>) -> Case {
    let exception = notice.exception;
    Case {
        suite: exception.source.to_string(),
        class: Some(format!("stategate.{}", notice.topic.id())),
        name: format!("{} ({})", exception.display_name(), exception.place()),
        file: Some(exception.source.to_string()),
        output: format!("{}\n", notice.text),
        ..Case::default()
    }
}

fn unreadable(error: &Diagnostic) -> Case {
    Case {
        suite: error.source.to_string(),
        class: Some("stategate.reads".to_owned()),
        name: format!("{} can be read", error.source),
        file: Some(error.source.to_string()),
        verdict: Verdict::Broken(format!("{error}")),
        ..Case::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_the_repository_takes_out_is_a_case_that_passes() {
        let mut report = sample::report();
        report.relaxed.clear();
        let before = of(&report).len();
        report.relaxed = vec!["3 policies are waived by ./stategate.yaml".to_owned(), "a\u{1b}b".to_owned()];
        let cases = of(&report);
        assert_eq!(cases.len(), before + 1);
        let case = cases.last().unwrap();
        assert_eq!(case.verdict, Verdict::Passed);
        assert_eq!(case.output, "3 policies are waived by ./stategate.yaml\na\\u{1b}b\n");
    }

    #[test]
    fn what_would_be_refused_fails_and_what_is_only_warned_of_passes() {
        let mut report = sample::report();
        let verdicts = |report: &Report| of(report).into_iter().map(|case| case.verdict).collect::<Vec<_>>();
        let all = verdicts(&report);
        assert!(
            matches!(&all[0], Verdict::Broken(text) if text.starts_with("shop/bad.yaml:2:3: ")),
            "{all:?}"
        );
        assert!(matches!(&all[1], Verdict::Broken(text) if text.starts_with("f: the policy could not")));
        assert_eq!(all[2], Verdict::Passed);
        report.objects[0].failures.clear();
        let Verdict::Failed(text) = &verdicts(&report)[1] else { panic!("it passes") };
        assert!(text.starts_with("would be refused: volume-no-emptydir-data\n\n"), "{text}");
        assert!(
            text.contains("  at:  shop/my pg.yaml:5:3 spec.a\n") && text.contains("  fix: write"),
            "{text}"
        );
        let case = &of(&report)[1];
        assert!(case.output.contains("warn volume-no-emptydir-data [low]"), "{}", case.output);
        for found in &mut report.objects[0].findings {
            found.known = true;
        }
        assert_eq!(verdicts(&report)[1], Verdict::Passed);
    }
}
