//! `stategate test --record` and `--objects`: the questions for a second engine (tests/opa).

use serde_json::Value;

use crate::support::{GOOD, directory, stategate, write};

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");

/// The records of one file and rule.
fn lines(record: &str, file: &str, rule: &str) -> Vec<Value> {
    let lines = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["file"].as_str().unwrap().ends_with(file))
        .filter(|line| line["rule"] == format!("data.stategate.{rule}"))
        .collect()
}

#[test]
fn a_recorded_question_is_the_document_that_input_prints() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    stategate(&["test", POLICIES, "--record", path.to_str().unwrap()]).expect(0, &[": 0 failed"]);
    let record = std::fs::read_to_string(path).unwrap();

    let example = format!("{POLICIES}/storage/pvc_no_shrink/examples/deny_shrink_claim");
    let (new, old) = (format!("{example}.yaml"), format!("{example}.old.yaml"));
    let now = ["--now", "2026-01-01T00:00:00Z"];
    let printed =
        stategate(&[&["input", &new, "--old", &old, "--policy", "pvc-no-shrink"], &now[..]].concat());
    let asked = lines(&record, "deny_shrink_claim.yaml", "storage.pvc_no_shrink.violation");
    assert_eq!(asked.len(), 1, "asked once: the policy has no patch");
    assert_eq!(asked[0]["input"], serde_json::from_str::<Value>(&printed.stdout).unwrap());
    assert_eq!(asked[0]["answer"].as_array().unwrap().len(), 1);

    let of_tests = lines(&record, "globs_test.rego", "lib.globs_test.test_one_of_several_is_enough");
    assert_eq!((of_tests.len(), &of_tests[0]["answer"]), (1, &Value::Bool(true)));
}

#[test]
fn a_policy_that_patches_is_asked_before_and_after() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    stategate(&["test", POLICIES, "--record", path.to_str().unwrap()]).expect(0, &[": 0 failed"]);
    let record = std::fs::read_to_string(path).unwrap();
    let rule = |name: &str| {
        lines(&record, "patch_adds_preference.in.yaml", &format!("scheduling.anti_affinity_required.{name}"))
    };
    let (patches, violations) = (rule("patch"), rule("violation"));
    let answers = |lines: &[Value]| -> Vec<usize> {
        let mut counts: Vec<usize> =
            lines.iter().map(|line| line["answer"].as_array().unwrap().len()).collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(answers(&patches), [1]);
    assert_eq!(answers(&violations), [0, 1], "one as it was written, none once it is patched");
}

#[test]
fn objects_are_asked_of_every_policy_and_none_may_fail() {
    let dir = directory(&[("objects/good.yaml", GOOD), ("none/readme.yaml", "a: 1\n")]);
    let path = |below: &str| dir.path().join(below).to_str().unwrap().to_owned();
    let (record, objects) = (path("record"), path("objects"));
    stategate(&["test", POLICIES, "--objects", &objects, "--record", &record])
        .expect(0, &[" objects: 0 failed"]);
    let record = std::fs::read_to_string(record).unwrap();
    assert!(!lines(&record, "good.yaml", "backup.backup_declared.violation").is_empty());
    assert!(!lines(&record, "good.yaml", "scheduling.topology_spread_zone.patch").is_empty());

    stategate(&["test", POLICIES, "--objects", &path("none")])
        .expect(2, &["holds no object that a policy could judge"]);

    let policy = "# METADATA\n# title: T\n# description: D.\n# custom: {severity: low, action: warn, fix: F}\npackage stategate.storage.mine\n\nviolation contains v if {\n\tinput.workload.namespace == \"shop\"\n\tinput.workload.replicas > to_number(input.workload.name)\n\tv := {\"msg\": \"m\"}\n}\n";
    write(dir.path(), "own/storage/mine/mine.rego", policy);
    stategate(&["test", &path("own"), "--objects", &objects])
        .expect(1, &["FAIL StatefulSet", "good.yaml, production)", "mine could not decide"]);
}

#[test]
fn thinned_documents_lack_one_field_that_the_policy_reads() {
    let policy = "# METADATA\n# title: T\n# description: D.\n# custom: {severity: low, action: warn, fix: F}\npackage stategate.storage.mine\n\nviolation contains v if {\n\tsome container in input.workload.containers\n\tnot container.name == \"x\"\n\tv := {\"msg\": \"m\"}\n}\n";
    let dir = directory(&[("storage/mine/mine.rego", policy), ("storage/mine/examples/warn_pg.yaml", GOOD)]);
    let path = |below: &str| dir.path().join(below).to_str().unwrap().to_owned();
    stategate(&["test", &path(""), "--thin"]).expect(2, &["--record"]);
    stategate(&["test", &path(""), "--record", &path("record"), "--thin"]).expect(1, &["no test_* rule"]);
    let record = std::fs::read_to_string(path("record")).unwrap();
    let lines = lines(&record, "warn_pg.yaml", "storage.mine.violation");
    let without = |field: &str| lines.iter().find(|line| line["without"] == field);
    let whole = lines.iter().find(|line| line["without"].is_null()).unwrap();
    assert!(whole["input"]["workload"]["containers"][0]["name"].is_string());
    let nameless = without("workload.containers[0].name").unwrap();
    assert!(nameless["input"]["workload"]["containers"][0]["name"].is_null());
    assert_eq!(nameless["input"]["workload"]["kind"], whole["input"]["workload"]["kind"]);
    let empty = without("workload.containers").unwrap();
    assert_eq!((&whole["answer"][0]["msg"], &empty["answer"]), (&"m".into(), &serde_json::json!([])));
    assert!(without("workload.replicas").is_none(), "the policy does not read it");
}
