//! No false alarms: well-made workloads get no findings, naive ones exactly those an expert would report.
//!
//! A line of an expectation is `policy-id severity/action Kind/name /path`. A line that begins with
//! `superfluous` is found but should not be; one with `missing` should be found but is not. The test fails
//! when either stops being true, and asks for the line to be updated.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use stategate::admission::wire;
use stategate::policy::Action;

use crate::support::{production, stategate, validate};

const SUITES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/suites");

/// One run of `stategate check`, and its expected findings.
struct Case {
    name: String,
    arguments: Vec<String>,
    expectation: PathBuf,
}

#[test]
fn well_made_workloads_hear_nothing() {
    let cases = of_files("well-made");
    for case in &cases {
        let Ok(text) = std::fs::read_to_string(&case.expectation) else { continue };
        assert!(
            text.lines().all(|line| line.starts_with("superfluous ") || line.starts_with('#')),
            "{}: a well-made workload has no findings that are right",
            case.name
        );
    }
    judge(&cases);
}

#[test]
fn naive_workloads_hear_exactly_what_an_expert_says() {
    let cases = of_files("naive");
    all_have_an_expectation(&cases);
    judge(&cases);
}

#[test]
fn updates_are_judged_by_what_they_change() {
    let cases: Vec<Case> = entries("transitions")
        .into_iter()
        .map(|directory| Case {
            name: file_name(&directory),
            arguments: vec![
                text(&directory.join("new.yaml")),
                "--old".into(),
                text(&directory.join("old.yaml")),
            ],
            expectation: directory.join("expected"),
        })
        .collect();
    all_have_an_expectation(&cases);
    judge(&cases);
}

/// As `kubectl rollout restart` and `kubectl label` change it.
#[test]
fn what_runs_is_rolled_out_again_and_labelled_whatever_is_wrong_with_it() {
    let set = production();
    let (mut judged, mut refused) = (0, Vec::new());
    for path in entries("naive").into_iter().chain(entries("well-made")) {
        let Ok(documents) = std::fs::read_to_string(&path).map(|text| stategate::yaml::read(&text)) else {
            continue;
        };
        for old in documents.into_iter().flatten().map(|document| document.value) {
            if !["StatefulSet", "Deployment", "DaemonSet"].contains(&old["kind"].as_str().unwrap_or_default())
            {
                continue;
            }
            let mut restarted = old.clone();
            let template = &mut restarted["spec"]["template"]["metadata"];
            template["annotations"]["kubectl.kubernetes.io/restartedAt"] = "2026-01-01T00:00:00Z".into();
            let mut labelled = old.clone();
            labelled["metadata"]["labels"]["team"] = "data".into();
            for new in [restarted, labelled] {
                let kind = old["kind"].as_str().unwrap();
                let request = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
                    "uid": "u", "operation": "UPDATE", "name": old["metadata"]["name"], "namespace": "shop",
                    "kind": {"group": "apps", "version": "v1", "kind": kind},
                    "resource": {"group": "apps", "version": "v1", "resource": format!("{}s", kind.to_lowercase())},
                    "userInfo": {"username": "dev"}, "object": new, "oldObject": old}});
                let request = wire::decode(&serde_json::to_vec(&request).unwrap()).unwrap();
                let decision = validate(&set, &request);
                judged += decision.evaluated;
                let denied = decision.findings.iter().filter(|finding| finding.action == Action::Deny);
                refused.extend(
                    denied.map(|finding| format!("{}: {}: {}", text(&path), finding.policy, finding.message)),
                );
            }
        }
    }
    assert!(judged > 8_000, "{judged}");
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn the_baseline_refuses_no_well_made_workload() {
    let mut refused = refused_by_the_baseline(&[&format!("{SUITES}/well-made")]);
    for case in of_files("well-made") {
        refused.retain(|line| !Expected::read(&case.expectation).superfluous.contains(line));
    }
    assert_eq!(refused, BTreeSet::new());
}

#[test]
fn the_baseline_refuses_only_what_loses_data_now() {
    let naive = refused_by_the_baseline(&[&format!("{SUITES}/naive")]);
    assert_eq!(policies_of(&naive), ["volume-data-dir-persisted"], "{naive:#?}");
    let flip = format!("{SUITES}/transitions/retention-flip");
    let update = [format!("{flip}/new.yaml"), "--old".to_owned(), format!("{flip}/old.yaml")];
    let flipped = refused_by_the_baseline(&update.each_ref().map(String::as_str));
    assert_eq!(policies_of(&flipped), ["pvc-retention-flip"], "{flipped:#?}");
}

fn policies_of(lines: &BTreeSet<String>) -> Vec<&str> {
    let policies: BTreeSet<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    policies.into_iter().collect()
}

/// The denials. All files of a directory are one run here: additional objects do not turn a denial into less.
#[track_caller]
fn refused_by_the_baseline(arguments: &[&str]) -> BTreeSet<String> {
    let report = report(&[&["--profile", "baseline"], arguments].concat());
    let refused = list(&report, "findings").iter().filter(|finding| finding["action"] == "deny");
    refused.map(line_of).collect()
}

/// The manifests of a suite; each is a separate bundle.
fn of_files(suite: &str) -> Vec<Case> {
    let is_case = |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|e| e == "yaml");
    let files = entries(suite).into_iter().filter(is_case);
    files
        .map(|path| Case {
            name: file_name(&path),
            arguments: vec![text(&path)],
            expectation: path.with_extension("expected"),
        })
        .collect()
}

#[track_caller]
fn entries(suite: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(format!("{SUITES}/{suite}")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 9, "the suite {suite} has lost its files: {paths:?}");
    paths
}

#[track_caller]
fn all_have_an_expectation(cases: &[Case]) {
    for case in cases {
        assert!(case.expectation.is_file(), "{}: {} is missing", case.name, case.expectation.display());
    }
}

/// Runs all cases in parallel, and fails with all differences.
#[track_caller]
fn judge(cases: &[Case]) {
    let (next, differences) = (AtomicUsize::new(0), Mutex::new(String::new()));
    let workers = std::thread::available_parallelism().map_or(2, |number| number.get());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let difference = difference(case);
                    differences.lock().unwrap().push_str(&difference);
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    assert!(differences.is_empty(), "\n{differences}");
}

/// Findings that are not expected (+), and expected findings that are missing (-).
fn difference(case: &Case) -> String {
    let arguments: Vec<&str> = case.arguments.iter().map(String::as_str).collect();
    let report = report(&arguments);
    let expected = Expected::read(&case.expectation);
    let wanted: BTreeSet<String> = expected.right.union(&expected.superfluous).cloned().collect();
    let mut found = BTreeSet::new();
    let mut said = String::new();
    for finding in list(&report, "findings") {
        let line = line_of(finding);
        if expected.missing.contains(&line) {
            said.push_str(&format!("  found at last, so take the word `missing` away: {line}\n"));
        } else if !wanted.contains(&line) {
            said.push_str(&format!("  + {line}\n      {}\n", string(&finding["message"])));
        }
        found.insert(line);
    }
    for line in wanted.difference(&found) {
        let why =
            if expected.superfluous.contains(line) { "  no longer found, so take it away: " } else { "  - " };
        said.push_str(&format!("{why}{line}\n"));
    }
    if said.is_empty() { said } else { format!("{}:\n{said}", case.name) }
}

#[derive(Default)]
struct Expected {
    right: BTreeSet<String>,
    superfluous: BTreeSet<String>,
    missing: BTreeSet<String>,
}

impl Expected {
    /// A missing file means that nothing is expected.
    fn read(path: &Path) -> Self {
        let mut expected = Self::default();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (set, words) = match words.split_first() {
                Some((&"superfluous", rest)) => (&mut expected.superfluous, rest),
                Some((&"missing", rest)) => (&mut expected.missing, rest),
                _ => (&mut expected.right, words.as_slice()),
            };
            assert!((3..=4).contains(&words.len()), "{}: {line}", path.display());
            set.insert(words.join(" "));
        }
        expected
    }
}

/// A finding on the object as a whole has no path.
fn line_of(finding: &Value) -> String {
    let object = &finding["object"];
    let line = format!(
        "{} {}/{} {}/{} {}",
        string(&finding["policy"]),
        string(&finding["severity"]),
        string(&finding["action"]),
        string(&object["kind"]),
        string(&object["name"]),
        string(&finding["path"]),
    );
    line.trim_end().to_owned()
}

#[track_caller]
fn report(arguments: &[&str]) -> Value {
    let run = stategate(&[&["check", "-o", "json"], arguments].concat());
    let report: Value = serde_json::from_str(&run.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}{}", run.stdout, run.stderr));
    assert!(
        list(&report, "errors").is_empty() && list(&report, "failures").is_empty(),
        "{arguments:?}: not all could be judged: {} {}",
        report["errors"],
        report["failures"]
    );
    report
}

fn list<'a>(report: &'a Value, key: &str) -> &'a [Value] {
    report[key].as_array().unwrap()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn file_name(path: &Path) -> String {
    text(Path::new(path.file_name().unwrap()))
}
