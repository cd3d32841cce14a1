//! The output formats of `stategate check` on real manifests, validated against their schemas.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{NAIVE, directory, stategate, stategate_with, write};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// Every format of `check -o`, as the command itself lists them.
fn formats() -> Vec<String> {
    let refused = stategate(&["check", "-o", "none-such", "-"]).stderr;
    let (_, list) = refused.split_once("write one of ").unwrap();
    list.lines().next().unwrap().split(", ").map(str::to_owned).collect()
}

/// Runs `check` with output in a format to a file, and returns the file's content.
fn written(format: &str, arguments: &[&str], stdin: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    let output = format!("{format}={}", file.display());
    let run = stategate_with(&[&["check"], arguments, &["-o", &output]].concat(), stdin);
    assert!(matches!(run.code, 0..=2) && !run.stderr.contains("panicked"), "{}", run.stderr);
    std::fs::read_to_string(file).unwrap()
}

fn json(format: &str, arguments: &[&str], stdin: &str) -> Value {
    serde_json::from_str(&written(format, arguments, stdin)).unwrap()
}

/// The arguments of `check` for every suite of fixtures, and for inputs that cannot be read.
fn runs() -> Vec<Vec<String>> {
    let path = |path: &Path| path.display().to_string();
    let mut runs: Vec<Vec<String>> = ["naive", "well-made"]
        .iter()
        .map(|suite| vec![path(&Path::new(FIXTURES).join("suites").join(suite))])
        .collect();
    let mut transitions: Vec<PathBuf> = std::fs::read_dir(Path::new(FIXTURES).join("suites/transitions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    transitions.sort();
    assert!(transitions.len() > 10, "the fixtures were not found");
    runs.extend(transitions.iter().map(|folder| {
        vec![path(&folder.join("new.yaml")), "--old".to_owned(), path(&folder.join("old.yaml"))]
    }));
    runs.push(vec![path(&Path::new(FIXTURES).join("manifests"))]);
    runs.push(vec![path(&Path::new(FIXTURES).join("reviews"))]);
    runs
}

/// The schema with unnamed fields forbidden.
fn strict(mut schema: Value) -> Value {
    fn close(schema: &mut Value) {
        match schema {
            Value::Object(fields) => {
                if fields.contains_key("properties") {
                    fields.entry("additionalProperties").or_insert(false.into());
                }
                fields.values_mut().for_each(close);
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    close(&mut schema);
    schema
}

#[test]
fn every_report_agrees_with_its_schema() {
    let own = jsonschema::validator_for(&strict(crate::schema::printed("check-report"))).unwrap();
    let sarif = std::fs::read_to_string(Path::new(FIXTURES).join("formats/sarif-schema-2.1.0.json")).unwrap();
    // The official schema does not escape a bracket here, which only lenient regular expressions accept.
    let sarif = serde_json::from_str(&sarif.replace("{2}]?$", "{2}\\\\]?$")).unwrap();
    let sarif = jsonschema::options().should_validate_formats(true).build(&sarif).unwrap();
    // The requirements of GitLab's parser, plus the fields in its documentation.
    let gitlab = jsonschema::validator_for(&serde_json::json!({
        "type": "array",
        "items": {
            "required": ["description", "check_name", "fingerprint", "severity", "location"],
            "properties": {
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {
                    "required": ["path", "lines"],
                    "properties": {
                        "path": {"type": "string", "not": {"pattern": "^\\./"}},
                        "lines": {"properties": {"begin": {"type": "integer", "minimum": 1}}, "required": ["begin"]},
                    },
                },
            },
        },
    }))
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut findings = 0;
    for arguments in runs() {
        let mut all: Vec<String> = vec!["check".to_owned()];
        all.extend(arguments.iter().cloned());
        for format in ["json", "sarif", "gitlab"] {
            all.extend(["-o".to_owned(), format!("{format}={}", folder.path().join(format).display())]);
        }
        stategate(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let read = |format: &str| -> Value {
            serde_json::from_str(&std::fs::read_to_string(folder.path().join(format)).unwrap()).unwrap()
        };
        for (format, validator) in [("json", &own), ("sarif", &sarif), ("gitlab", &gitlab)] {
            let errors: Vec<String> = validator
                .iter_errors(&read(format))
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{arguments:?} {format}: {errors:#?}");
        }
        let (report, log, issues) = (read("json"), read("sarif"), read("gitlab"));
        let count = report["findings"].as_array().unwrap().len();
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), count, "{arguments:?}");
        assert!(issues.as_array().unwrap().len() >= count);
        let prints: BTreeSet<String> =
            issues.as_array().unwrap().iter().map(|issue| issue["fingerprint"].to_string()).collect();
        assert_eq!(
            prints.len(),
            issues.as_array().unwrap().len(),
            "GitLab drops the second of two equal ones"
        );
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
        findings += count;
    }
    assert!(findings > 100, "only {findings} findings were written");
}

#[test]
fn fingerprints_survive_moved_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "pg.yaml", NAIVE);
    let path = file.display().to_string();
    let prints = |format: &str, at: &str| -> Vec<(String, String)> {
        let report = json(format, &[&path], "");
        let all = report.pointer(at).unwrap().as_array().unwrap().clone();
        let print = |one: &Value| {
            let print = one.pointer("/partialFingerprints/stategate~1v1").or_else(|| one.get("fingerprint"));
            let line = one
                .pointer("/locations/0/physicalLocation/region/startLine")
                .or_else(|| one.pointer("/location/lines/begin"));
            (print.unwrap().to_string(), line.unwrap().to_string())
        };
        all.iter().map(print).collect()
    };
    let formats = [("sarif", "/runs/0/results"), ("gitlab", "")];
    let before = formats.map(|(format, at)| prints(format, at));
    write(folder.path(), "pg.yaml", format!("# moved\n\n\n{NAIVE}"));
    let after = formats.map(|(format, at)| prints(format, at));
    for (before, after) in before.iter().zip(&after) {
        assert!(before.len() > 3);
        let of = |all: &[(String, String)]| all.iter().map(|(print, _)| print.clone()).collect::<Vec<_>>();
        assert_eq!(of(before), of(after));
        assert_ne!(before, after, "the lines did not move");
    }
}

#[test]
fn what_helm_rendered_points_at_its_template() {
    let rendered = format!("---\n# Source: shop/templates/pg.yaml\n{NAIVE}");
    let sarif = json("sarif", &["-"], &rendered);
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "shop/templates/pg.yaml");
    let gitlab = json("gitlab", &["-"], &rendered);
    assert_eq!(gitlab[0]["location"]["path"], "shop/templates/pg.yaml");
    assert!(gitlab[0]["description"].as_str().unwrap().contains("of <stdin>"), "{}", gitlab[0]);
    let github = written("github", &["-"], &rendered);
    assert!(github.starts_with("::error file=shop/templates/pg.yaml,line=1,endLine=1,title="), "{github}");
}

#[test]
fn what_cannot_be_read_is_in_every_format() {
    let folder = directory(&[("bad.yaml", "kind: Pod\nkind: Job\n"), ("pg.yaml", NAIVE)]);
    let path = folder.path().display().to_string();
    let needle = "kind";
    let guide = std::fs::read_to_string("deploy/README.md").unwrap();
    let formats = formats();
    assert!(formats.len() >= 7, "{formats:?}");
    for format in &formats {
        let report = written(format, &[&path], "");
        assert!(report.contains("bad.yaml") && report.contains(needle), "{format}: {report}");
        assert!(guide.contains(&format!("\n| `{format}` |")), "deploy/README.md has no row for {format}");
    }
    let sarif = json("sarif", &[&path], "");
    let invocation = &sarif["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let region = &invocation["toolExecutionNotifications"][0]["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"], 2);
    assert_eq!(json("gitlab", &[&path], "")[0]["severity"], "blocker");
    assert!(written("github", &[&path], "").starts_with("::error file="));
}

#[test]
fn junit_fails_what_would_be_refused() {
    let folder = directory(&[("pg.yaml", NAIVE), ("good.yaml", crate::support::GOOD)]);
    let report = written("junit", &[&folder.path().display().to_string()], "");
    let junit = quick_junit::Report::deserialize_from_str(&report).unwrap();
    let cases: Vec<_> = junit.test_suites.iter().flat_map(|suite| &suite.test_cases).collect();
    let files: BTreeSet<&str> = cases.iter().map(|case| case.extra["file"].as_str()).collect();
    let objects = json("json", &[&folder.path().display().to_string()], "")["summary"]["objects"].clone();
    assert_eq!(objects, cases.len());
    assert_eq!((junit.tests, junit.failures, junit.errors, files.len()), (cases.len(), 1, 0, 2), "{report}");
    assert!(report.contains("would be refused: ") && report.contains("  fix: "), "{report}");
}

#[test]
fn annotations_are_one_line_each_the_worst_first() {
    let report = written("github", &[&format!("{FIXTURES}/suites/naive")], "");
    let commands: Vec<&str> = report.lines().filter(|line| line.starts_with("::")).collect();
    assert!(commands.len() > 100);
    assert!(
        commands[0].starts_with("::error file=") && commands[0].contains("[critical]"),
        "{}",
        commands[0]
    );
    assert!(commands.last().unwrap().starts_with("::warning "));
    assert!(report.contains("errors are shown as annotations"), "{report}");
}

#[test]
fn several_formats_at_once_and_an_unknown_one_is_an_error() {
    let folder = directory(&[("pg.yaml", NAIVE)]);
    let file = |name: &str| folder.path().join(name).display().to_string();
    let outputs = ["sarif", "html", "junit", "gitlab", "github"].map(|name| format!("{name}={}", file(name)));
    let manifest = file("pg.yaml");
    let mut arguments = vec!["check", manifest.as_str(), "-o", "json"];
    for output in &outputs {
        arguments.extend(["-o", output]);
    }
    let run = stategate(&arguments);
    run.expect(1, &["\"kind\": \"CheckReport\""]);
    assert!(std::fs::read_to_string(file("html")).unwrap().starts_with("<!doctype html>"));
    assert!(std::fs::read_to_string(file("junit")).unwrap().starts_with("<?xml"));
    stategate(&["check", &manifest, "-o", "pdf"])
        .expect(2, &["\"pdf\" is not a format", "text, json, sarif, junit, github, gitlab, html"]);
}
