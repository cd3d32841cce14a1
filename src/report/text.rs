//! The report for people: each finding reads like a compiler error.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::exceptions::notices;
use super::{Excerpt, Found, Report, ReviewedObject};
use crate::decision::Unknown;
use crate::diagnostic::Diagnostic;
use crate::path;
use crate::plain;
use crate::policy::Action;

/// A finding to show, and what it is about.
type News<'r> = (&'r ReviewedObject, &'r Found);

/// Renders the report, with or without colours.
pub fn render(report: &Report, colours: bool) -> String {
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    let mut block = |text: String| {
        out.push_str(text.trim_end());
        out.push_str("\n\n");
    };
    for (error, others) in alike(&report.errors, |error| (&error.message, &error.help, error.line)) {
        let others: Vec<String> =
            others.iter().map(|error| plain::line(&error.source).into_owned()).collect();
        let others: Vec<String> = (!others.is_empty()).then(|| some(&others)).into_iter().collect();
        block(renderer.render(&[also(diagnostic(error, Level::ERROR), &others)]));
    }
    for warning in &report.warnings {
        block(renderer.render(&[diagnostic(warning, Level::WARNING)]));
    }
    let news: Vec<News<'_>> = report.news().collect();
    // What one fix mends is told once.
    let mended = alike(&news, |(_, Found { finding, .. })| {
        (&finding.policy, finding.action, &finding.binding, &finding.fix)
    });
    for (first, others) in mended {
        block(renderer.render(&[also(finding(first), &places(first, &others))]));
    }
    for object in &report.objects {
        for (policy, error, refuses) in &object.failures {
            let level = if *refuses { Level::ERROR } else { Level::WARNING };
            let title = format!("the policy could not decide: {}", plain::line(error));
            let origin = Origin::path(plain::line(&object.file));
            block(renderer.render(&[level.primary_title(title).id(policy.to_string()).element(origin)]));
        }
    }
    let mut notes: Vec<String> = completed(report)
        .into_iter()
        .map(|(policies, objects)| format!("at admission, {policies} would complete {}", some(&objects)))
        .collect();
    for object in &report.objects {
        for waived in &object.waived {
            let by = waived
                .exception
                .as_deref()
                .map_or("its annotation".to_owned(), |name| format!("exception {name}"));
            notes.push(format!(
                "{} is exempt from {} by {by}: {}",
                object.display_name(),
                waived.policy,
                waived.reason
            ));
        }
        notes.extend(object.notes.iter().map(|note| format!("{}: {note}", object.display_name())));
    }
    notes.extend(unjudged(report).into_iter().map(|Unjudged { reason, remedy, policies, objects }| {
        let (policies, objects) = (policies.join(", "), some(&objects));
        format!("not evaluated for {objects}: {policies} ({reason}; {remedy})")
    }));
    notes.extend(
        notices(report)
            .iter()
            .map(|notice| format!("{}: {}", plain::line(&notice.place()), plain::line(&notice.text))),
    );
    notes.extend(report.notes.iter().cloned());
    for note in &notes {
        out.push_str(&format!("note: {}\n", plain::line(note)));
    }
    if !notes.is_empty() {
        out.push('\n');
    }
    out.push_str(&summary(report));
    out
}

/// The other places of a finding, those of one object together, with what is said of them if it is not the same.
fn places((object, found): &News<'_>, others: &[&News<'_>]) -> Vec<String> {
    /// The object's own kind and name make no difference.
    fn said(object: &ReviewedObject, found: &Found) -> String {
        let message = found.finding.display_message().replace(&*object.kind, "\0");
        if object.name.is_empty() { message } else { message.replace(&*object.name, "\0") }
    }
    let place =
        |(object, found): &News<'_>| format!("{}:{}", plain::line(&object.file), found.place.line.max(1));
    let same = |(other, _): &News<'_>| (&other.kind, &other.name) == (&object.kind, &object.name);
    let told = said(object, found);
    let is_known = |(other, found): &News<'_>| said(other, found) == told;
    let by_object = alike(others, |one| {
        let message = (!is_known(one)).then(|| one.1.finding.display_message());
        (one.0.display_name(), message)
    });
    let lines = by_object.into_iter().map(|(first, rest)| {
        let mut places: Vec<String> = std::iter::once(first).chain(rest).map(|one| place(one)).collect();
        places.dedup();
        let places = some(&places);
        let what = match same(first) {
            true => places,
            false => format!("{} ({places})", first.0.display_name()),
        };
        let message = first.1.finding.display_message();
        // What it leads to has been told.
        let brief = match (message.split_once(": "), told.split_once(": ")) {
            (Some((brief, then)), Some((_, told))) if then == told => brief,
            _ => &message,
        };
        match is_known(first) {
            true => what,
            false => format!("{what}: {}", plain::line(brief)),
        }
    });
    lines.collect()
}

/// The first of those that are alike, each with the others, in order.
fn alike<'a, T, K: Eq + Hash>(all: &'a [T], what: impl Fn(&'a T) -> K) -> Vec<(&'a T, Vec<&'a T>)> {
    let mut told: Vec<(&'a T, Vec<&'a T>)> = Vec::new();
    let mut positions: HashMap<K, usize> = HashMap::new();
    for one in all {
        match positions.entry(what(one)) {
            Entry::Occupied(first) => {
                told.get_mut(*first.get()).into_iter().for_each(|(_, others)| others.push(one))
            }
            Entry::Vacant(free) => {
                free.insert(told.len());
                told.push((one, Vec::new()));
            }
        }
    }
    told
}

/// Adds where else it is, a line each.
fn also<'a>(group: Group<'a>, lines: &[String]) -> Group<'a> {
    match lines {
        [] => group,
        lines => group.element(Level::NOTE.with_name("also").message(lines.join("\n"))),
    }
}

/// The objects that policies would patch: one entry for each set of policies.
pub(super) fn completed(report: &Report) -> Vec<(String, Vec<String>)> {
    let name = told_apart(report);
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for object in report.objects.iter().filter(|object| !object.patched_by.is_empty()) {
        let policies: Vec<&str> = object.patched_by.iter().map(|policy| policy.as_str()).collect();
        let policies = policies.join(", ");
        match all.iter_mut().find(|(known, _)| *known == policies) {
            Some((_, objects)) => objects.push(name(object)),
            None => all.push((policies, vec![name(object)])),
        }
    }
    all
}

/// The name of each object, with its file if there are others of the name.
fn told_apart(report: &Report) -> impl Fn(&ReviewedObject) -> String {
    let (mut seen, mut twice) = (HashSet::new(), HashSet::new());
    for name in report.objects.iter().map(ReviewedObject::display_name) {
        if !seen.insert(name.clone()) {
            twice.insert(name);
        }
    }
    move |object| match object.display_name() {
        name if twice.contains(&name) => format!("{name} ({})", object.file),
        name => name,
    }
}

/// The first few of many names: a long list hides what comes after it.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 4;
    match names.split_at_checked(SHOWN) {
        Some((first, rest)) if rest.len() > 1 => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    }
}

/// The policies that were not evaluated for one reason: one line, not one for each object and policy.
pub(super) struct Unjudged {
    pub reason: String,
    pub remedy: &'static str,
    pub policies: Vec<String>,
    pub objects: Vec<String>,
}

/// One entry for each reason.
pub(super) fn unjudged(report: &Report) -> Vec<Unjudged> {
    let name = told_apart(report);
    let mut by_policy: Vec<(&Unknown, Vec<String>)> = Vec::new();
    for object in &report.objects {
        for unknown in &object.unknown {
            match by_policy.iter_mut().find(|(known, _)| *known == unknown) {
                Some((_, objects)) => objects.push(name(object)),
                None => by_policy.push((unknown, vec![name(object)])),
            }
        }
    }
    let mut all: Vec<Unjudged> = Vec::new();
    for (unknown, objects) in by_policy {
        let (reason, remedy) = (unknown.reason(), unknown.remedy());
        let policy = unknown.policy.to_string();
        match all.iter_mut().find(|one| one.reason == reason && one.objects == objects) {
            Some(one) => one.policies.push(policy),
            None => all.push(Unjudged { reason, remedy, policies: vec![policy], objects }),
        }
    }
    all
}

fn finding<'a>(&(object, found): &News<'a>) -> Group<'a> {
    let Found { finding, place, excerpt, .. } = found;
    let level = match finding.action {
        Action::Deny => Level::ERROR,
        Action::Warn => Level::WARNING,
        Action::Audit => Level::NOTE.with_name("audit"),
    };
    let label = match path::dotted(&finding.path) {
        field if field.is_empty() => object.display_name(),
        field => format!("{} · {}", object.display_name(), plain::line(&field)),
    };
    let title =
        level.primary_title(plain::line(&finding.display_message()).into_owned()).id(finding.policy.as_str());
    let group = if excerpt.lines.is_empty() {
        let origin =
            Origin::path(plain::line(&object.file)).line(place.line.max(1)).char_column(place.column.max(1));
        title.element(origin).element(
            Level::NOTE.message(format!("{label}; the text is not shown: it may contain a credential")),
        )
    } else {
        let (lines, node) = shown(excerpt);
        let snippet = Snippet::source(lines)
            .line_start(excerpt.first_line)
            .path(plain::line(&object.file))
            .annotation(AnnotationKind::Primary.span(node).label(label));
        title.element(snippet)
    };
    let group = group.element(Level::HELP.with_name("fix").message(plain::block(&finding.fix)));
    let group = match &object.template {
        Some(template) => group.element(
            Level::NOTE.with_name("from").message(format!("rendered from {}", plain::line(template))),
        ),
        None => group,
    };
    let (label, reason) = finding.reason();
    let group = group.element(Level::NOTE.with_name(label).message(plain::block(&reason).into_owned()));
    match &finding.binding {
        Some(binding) => group.element(Level::NOTE.with_name("binding").message(plain::line(binding))),
        None => group,
    }
}

/// The lines of an excerpt, and the range of the node in them.
fn shown(excerpt: &Excerpt) -> (String, Range<usize>) {
    let part = |range: Range<usize>| plain::block(excerpt.lines.get(range).unwrap_or_default());
    let Range { start, end } = excerpt.node;
    let mut lines = part(0..start).into_owned();
    let from = lines.len();
    lines.push_str(&part(start..end));
    let to = lines.len();
    lines.push_str(&part(end..excerpt.lines.len()));
    (lines, from..to)
}

fn diagnostic<'a>(error: &'a Diagnostic, level: Level<'a>) -> Group<'a> {
    let mut origin = Origin::path(plain::line(&error.source));
    if error.line > 0 {
        origin = origin.line(error.line);
        if error.column > 0 {
            origin = origin.char_column(error.column);
        }
    }
    let group = level.primary_title(plain::line(&error.message)).element(origin);
    match &error.help {
        Some(help) => group.element(Level::HELP.message(plain::line(help))),
        None => group,
    }
}

/// Formats `1 object`, `2 objects`.
pub(super) fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// The counts of a report in one line.
pub(super) fn summary(report: &Report) -> String {
    let summary = report.summary();
    let mut parts = vec![counted(summary.deny, "error"), counted(summary.warn, "warning")];
    if summary.audit > 0 {
        parts.push(format!("{} audit", summary.audit));
    }
    if summary.failures > 0 {
        parts.push(counted(summary.failures, "policy failure"));
    }
    if summary.unknown > 0 {
        parts.push(format!("{} unknown", summary.unknown));
    }
    if summary.errors > 0 {
        let files: BTreeSet<&str> = report.errors.iter().map(|error| &*error.source).collect();
        parts.push(format!("{} that cannot be read", counted(files.len(), "file")));
    }
    let mut line = format!(
        "{}: {} (profile {})",
        counted(summary.objects, "object") + " checked",
        parts.join(", "),
        plain::line(&report.profile)
    );
    if summary.not_covered > 0 {
        line.push_str(&format!("; {} of kinds that no policy checks", summary.not_covered));
        if summary.objects == 0 && !report.kinds_not_covered.is_empty() {
            line.push_str(&format!(": {}", report.kinds_passed_over()));
        }
    }
    if summary.earlier > 0 {
        line.push_str(&format!("; {}, --all shows them", counted(summary.earlier, "earlier finding")));
    }
    if summary.known > 0 {
        line.push_str(&format!("; {} already known", summary.known));
    }
    if summary.foreign > 0 {
        line.push_str(&format!("; {} skipped: not Kubernetes", counted(summary.foreign, "document")));
    }
    for part in &report.relaxed {
        line.push_str(&format!("; {}", plain::line(part)));
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_finding_without_lines_says_where_it_is() {
        let text = render(&sample::report(), false);
        let (_, from) = text.split_once("audit[volume-no-emptydir-data]").unwrap();
        let block: Vec<&str> = from.lines().skip(1).take(3).map(str::trim).collect();
        assert_eq!(block[0], "--> shop/my pg.yaml:1:3", "{text}");
        assert!(from.contains("= note: StatefulSet shop/pg; the text is not shown"), "{text}");
    }

    #[test]
    fn long_lists_of_names_are_cut_and_notes_are_grouped() {
        let names: Vec<String> = (1..=6).map(|name| name.to_string()).collect();
        assert_eq!(some(&names), "1, 2, 3, 4 and 2 more");
        assert_eq!(some(&names[..5]), "1, 2, 3, 4, 5");
        assert_eq!(some(&names[..2]), "1, 2");
        let mut report = sample::report();
        let policies = report.objects[0].patched_by.clone();
        report.objects[1].patched_by = policies;
        assert_eq!(completed(&report).len(), 1);
        assert_eq!(completed(&report)[0].1.len(), 2);
    }
}
