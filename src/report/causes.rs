//! One cause, one finding: what several objects report for the very same reason is told at one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Found, Report, ReviewedObject};
use crate::policy::{Action, PolicyId};

/// Findings with the same one are about the same thing.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    policy: PolicyId,
    /// Names in other directories, or rendered from others, are other objects.
    place: PathBuf,
    namespace: String,
    cause: String,
    pre_existing: bool,
}

/// One finding, by the positions of its object and of itself.
type Position = (usize, usize);

impl Report {
    /// Keeps, of findings with one cause, one of the strictest, which names the other objects.
    pub fn join_causes(&mut self) {
        let mut causes: BTreeMap<Cause, Vec<(Position, Action)>> = BTreeMap::new();
        for (number, object) in self.objects.iter().enumerate() {
            for (at, found) in object.findings.iter().enumerate() {
                if let Some(cause) = cause(object, found) {
                    causes.entry(cause).or_default().push(((number, at), found.finding.action));
                }
            }
        }
        let mut told: BTreeMap<Position, String> = BTreeMap::new();
        let mut joined: BTreeSet<Position> = BTreeSet::new();
        for findings in causes.into_values().filter(|findings| findings.len() > 1) {
            // The first one, if several are as strict.
            let strictest = findings.iter().rev().max_by_key(|(_, action)| *action);
            let Some(kept) = strictest.map(|(position, _)| *position) else { continue };
            let others: Vec<Position> = findings
                .into_iter()
                .map(|(position, _)| position)
                .filter(|position| *position != kept)
                .collect();
            let objects = others.iter().filter_map(|(number, _)| self.objects.get(*number));
            told.insert(kept, named(objects.map(ReviewedObject::display_name).collect()));
            joined.extend(others);
        }
        for (number, object) in self.objects.iter_mut().enumerate() {
            let mut at = 0;
            object.findings.retain_mut(|found| {
                let position = (number, at);
                at += 1;
                if let Some(others) = told.get(&position) {
                    found.finding.message.push_str(&format!("; the same goes for {others}"));
                }
                !joined.contains(&position)
            });
        }
    }
}

fn cause(object: &ReviewedObject, found: &Found) -> Option<Cause> {
    let file = Path::new(&*object.file);
    let place = match object.template {
        Some(_) => file,
        None => file.parent().unwrap_or(file),
    };
    Some(Cause {
        policy: found.finding.policy.clone(),
        place: place.to_owned(),
        namespace: object.namespace.clone(),
        cause: found.finding.cause.clone()?,
        pre_existing: found.finding.pre_existing,
    })
}

/// `Deployment shop/a, Deployment shop/b and 2 more`
fn named(mut objects: Vec<String>) -> String {
    const SHOWN: usize = 3;
    let more = objects.len().saturating_sub(SHOWN);
    objects.truncate(SHOWN);
    match more {
        0 => objects.join(" and "),
        more => format!("{} and {more} more", objects.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// A report of one finding for each of these: name, file, cause, action.
    fn report(findings: &[(&str, &str, Option<&str>, Action)]) -> Report {
        let mut report = Report::default();
        for (name, file, cause, action) in findings {
            let sample = sample::report();
            let mut object = sample.objects.into_iter().find(|object| !object.findings.is_empty()).unwrap();
            object.name = (*name).to_owned();
            object.file = (*file).into();
            object.template = None;
            object.findings.truncate(1);
            for found in &mut object.findings {
                found.finding.message = "has no backup".to_owned();
                found.finding.cause = cause.map(str::to_owned);
                found.finding.action = *action;
                found.finding.pre_existing = false;
            }
            report.objects.push(object);
        }
        report
    }

    fn told(report: &Report) -> Vec<(&str, &str)> {
        let all =
            report.objects.iter().flat_map(|object| object.findings.iter().map(move |found| (object, found)));
        all.map(|(object, found)| (object.name.as_str(), found.finding.message.as_str())).collect()
    }

    #[test]
    fn what_has_one_cause_is_told_once_at_the_strictest() {
        let all = [
            ("web", "a/web.yaml", Some("data"), Action::Warn),
            ("worker", "a/worker.yaml", Some("data"), Action::Deny),
            ("beat", "a/beat.yaml", Some("data"), Action::Deny),
        ];
        let mut report = report(&all);
        report.join_causes();
        let message = "has no backup; the same goes for StatefulSet shop/web and StatefulSet shop/beat";
        assert_eq!(told(&report), [("worker", message)]);
        assert_eq!(report.objects.len(), 3, "all of them were checked");
    }

    #[test]
    fn what_differs_in_its_cause_or_place_is_told_each_time() {
        let all = [
            ("a", "a/a.yaml", Some("data"), Action::Deny),
            ("b", "b/a.yaml", Some("data"), Action::Deny),
            ("c", "a/c.yaml", Some("other"), Action::Deny),
            ("d", "a/d.yaml", None, Action::Deny),
            ("e", "a/e.yaml", None, Action::Deny),
        ];
        let mut report = report(&all);
        report.join_causes();
        let names: Vec<&str> = told(&report).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
        assert!(told(&report).iter().all(|(_, message)| *message == "has no backup"));
    }
}
