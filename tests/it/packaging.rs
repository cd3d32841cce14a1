//! What channels get of stategate says what stategate is. `tests/packaging/run` has their own tools try it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::stategate;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(text: &str) -> Value {
    stategate::yaml::read(text).unwrap().remove(0).value
}

fn schema(document: &str) -> Value {
    serde_json::from_str(&stategate(&["schema", document]).expect(0, &[]).stdout).unwrap()
}

#[test]
fn artifact_hub_shows_the_definitions_that_the_chart_has() {
    let chart = yaml(&read("deploy/chart/stategate/Chart.yaml"));
    let annotation = |name: &str| chart["annotations"][format!("artifacthub.io/{name}")].as_str().unwrap();
    // Those that Artifact Hub knows.
    let categories = ["database", "integration-delivery", "monitoring-logging", "security", "storage"];
    assert!(categories.contains(&annotation("category")));

    let crds = stategate(&["crds"]).expect(0, &[]).stdout.clone();
    let defined: BTreeSet<(String, String, String)> = stategate::yaml::read(&crds)
        .unwrap()
        .iter()
        .map(|document| {
            let text = |pointer: &str| document.value.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            (text("/spec/names/kind"), text("/spec/versions/0/name"), text("/metadata/name"))
        })
        .collect();
    let listed = yaml(annotation("crds"));
    let shown: BTreeSet<(String, String, String)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert!(one["displayName"].is_string() && one["description"].is_string(), "{one}");
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            (text("kind"), text("version"), text("name"))
        })
        .collect();
    assert_eq!(shown, defined);

    let valid = jsonschema::validator_for(&schema("binding")).unwrap();
    let examples = yaml(annotation("crdsExamples"));
    for example in examples.as_array().unwrap() {
        let faults: Vec<String> = valid.iter_errors(example).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{example}: {faults:?}");
    }
    assert_eq!(examples.as_array().unwrap().len(), 2);

    let images = yaml(annotation("images"));
    assert_eq!(images[0]["image"], format!("ghcr.io/YOUR-ORG/stategate:{VERSION}"));
    for link in yaml(annotation("links")).as_array().unwrap() {
        assert!(link["name"].is_string() && link["url"].as_str().unwrap().starts_with("https://"), "{link}");
    }
}

#[test]
fn schemastore_gets_entries_of_schemas_that_exist() {
    let catalogue: Value = serde_json::from_str(&read("deploy/packaging/schemastore/catalog.json")).unwrap();
    let official: Value = serde_json::from_str(&read("tests/fixtures/formats/schema-catalog.json")).unwrap();
    let valid = jsonschema::validator_for(&official).unwrap();
    let faults: Vec<String> = valid.iter_errors(&catalogue).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    let mut without = catalogue.clone();
    without["schemas"][0].as_object_mut().unwrap().remove("url");
    assert!(!valid.is_valid(&without), "the schema accepts anything");

    let entries = catalogue["schemas"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    for (entry, document) in entries.iter().zip(["config", "binding"]) {
        let url = entry["url"].as_str().unwrap();
        let path = url.strip_prefix("https://raw.githubusercontent.com/YOUR-ORG/stategate/main/").unwrap();
        let stored: Value = serde_json::from_str(&read(path)).unwrap();
        assert_eq!(stored, schema(document), "{path}");
    }
    // The name that `check` looks for.
    assert_eq!(entries[0]["fileMatch"], serde_json::json!(["stategate.yaml"]));
}

/// The checks themselves run in the interpreter that Argo CD embeds: `tests/packaging/health_test.go`.
#[test]
fn argo_cd_is_tried_with_every_condition() {
    let source = read("src/cluster/conditions.rs").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut written = BTreeSet::new();
    for status in ["True", "False", "Unknown"] {
        for after in source.split(&format!("\"{status}\", \"")).skip(1) {
            written.insert((status.to_owned(), after.split('"').next().unwrap().to_owned()));
        }
    }
    assert!(written.len() >= 7, "{written:?}");
    let samples = yaml(&read("tests/packaging/health.yaml"));
    let conditions = samples.as_array().unwrap().iter().filter_map(|sample| {
        let conditions = sample["object"]["status"]["conditions"].as_array()?;
        let ready = conditions.iter().find(|one| one["type"] == "Ready")?;
        Some((ready["status"].as_str()?.to_owned(), ready["reason"].as_str()?.to_owned()))
    });
    assert_eq!(conditions.collect::<BTreeSet<_>>(), written);
}

/// A command that `!` negates never ends a script, and without a named shell neither does one before a pipe.
#[test]
fn what_a_workflow_runs_can_fail() {
    let mut scripts = 0;
    for name in ["release", "test"] {
        let workflow = yaml(&read(&format!(".github/workflows/{name}.yml")));
        for step in
            workflow["jobs"].as_object().unwrap().values().flat_map(|job| job["steps"].as_array().unwrap())
        {
            let Some(script) = step["run"].as_str() else { continue };
            scripts += 1;
            assert!(!script.lines().any(|line| line.trim_start().starts_with("! ")), "{name}: {script}");
            let shell = step.get("shell").or_else(|| workflow.pointer("/defaults/run/shell"));
            let pipes = script.replace("||", "").contains('|');
            assert!(!pipes || shell.is_some_and(|shell| shell == "bash"), "{name}: {script}");
        }
    }
    assert!(scripts > 10, "{scripts}");
}

#[test]
fn a_release_runs_pinned_actions_and_scripts_that_exist() {
    let release = read(".github/workflows/release.yml");
    let workflow = yaml(&release);
    let mut pinned = 0;
    for job in workflow["jobs"].as_object().unwrap().values() {
        assert!(job["permissions"].is_object() || workflow["permissions"]["contents"] == "read");
        for step in job["steps"].as_array().unwrap() {
            if let Some(action) = step["uses"].as_str() {
                let commit = action.split('@').nth(1).unwrap();
                assert!(
                    commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
                    "{action}"
                );
                pinned += 1;
            }
        }
    }
    assert!(pinned > 5, "{pinned}");
    for script in release.split("deploy/packaging/").skip(1) {
        let name: String =
            script.chars().take_while(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).collect();
        let name = name.trim_end_matches('.');
        assert!(Path::new(ROOT).join("deploy/packaging").join(name).exists(), "{name}");
    }
    // krew and Homebrew have what the workflow packs.
    let (krew, formula) =
        (read("deploy/packaging/krew/stategate.yaml"), read("deploy/packaging/homebrew/stategate.rb"));
    for platform in ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"] {
        for channel in [&krew, &formula] {
            let archive = format!("/stategate_@VERSION@_{platform}.tar.gz");
            assert_eq!(channel.matches(&archive).count(), 1, "{platform}");
            assert_eq!(channel.matches(&format!("@SHA256_{platform}@")).count(), 1, "{platform}");
        }
    }
    let hooks = yaml(&read(".pre-commit-hooks.yaml"));
    let image = hooks.as_array().unwrap().iter().find(|hook| hook["language"] == "docker_image").unwrap();
    let entry = image["entry"].as_str().unwrap();
    assert!(entry.starts_with(&format!("ghcr.io/YOUR-ORG/stategate:{VERSION} ")), "{entry}");
}
