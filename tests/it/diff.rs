//! `stategate diff`: what becomes stricter or milder, over manifests and over recorded requests.

use serde_json::Value;

use crate::support::{NAIVE, Run, directory, good_workload, run_in};

const NOTHING_APPLIES: &str = "
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: milder}
spec: {override: true, action: off}
";

fn reviews() -> String {
    format!("{}/tests/fixtures/reviews", env!("CARGO_MANIFEST_DIR"))
}

fn diff(files: &[(&str, &str)], arguments: &[&str]) -> Run {
    run_in(directory(files).path(), &[&["diff"], arguments].concat())
}

fn differences(run: &Run) -> Vec<Value> {
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"))
}

#[test]
fn manifests_show_what_a_profile_would_change() {
    let files = [("naive.yaml", NAIVE)];
    let stricter = diff(&files, &["naive.yaml", "--profile", "baseline", "--against-profile", "production"]);
    stricter.expect(
        1,
        &["becomes denied (", "volume-no-emptydir-data", "was warned", "profiles baseline and production"],
    );
    // The other way round nothing becomes stricter.
    let milder = diff(&files, &["naive.yaml", "--against-profile", "baseline"]);
    milder.expect(0, &["becomes warned (", "was denied"]);
    diff(&files, &["naive.yaml"]).expect(2, &["nothing to compare with"]);
    diff(&[], &[".", "--against-profile", "baseline"]).expect(2, &[]);
}

#[test]
fn recorded_requests_show_what_becomes_of_deletes_and_scales() {
    let reviews = reviews();
    // What is scaled must be known.
    let parent = good_workload().replace("namespace: shop", "namespace: default");
    let arguments = [
        "--requests",
        &reviews,
        "--inventory",
        "parent.yaml",
        "--against-bindings",
        "milder.yaml",
        "-o",
        "json",
    ];
    let run = diff(&[("milder.yaml", NOTHING_APPLIES), ("parent.yaml", &parent)], &arguments);
    assert_eq!(run.code, 0, "{run:?}");
    let all = differences(&run);
    let operations: Vec<&str> = all.iter().filter_map(|one| one["operation"].as_str()).collect();
    assert_eq!(operations.len(), all.len(), "{all:?}");
    for operation in ["UPDATE scale", "UPDATE", "CREATE"] {
        assert!(operations.contains(&operation), "{operation} is not among {operations:?}");
    }
    assert!(all.iter().all(|one| one["after"].is_null() && !one["before"].is_null()), "{all:?}");
    // The other way round is what a team looks at before it switches something on.
    let arguments = ["--requests", &reviews, "--bindings", "milder.yaml", "--against-bindings", "none.yaml"];
    let none = "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: none}\nspec: {}\n";
    let run = diff(&[("milder.yaml", NOTHING_APPLIES), ("none.yaml", none)], &arguments);
    run.expect(1, &["becomes denied (", "CREATE StatefulSet", "(new)"]);

    // Several in one file, and one that is none.
    let one = std::fs::read_to_string(format!("{reviews}/create-statefulset.json")).unwrap();
    let lines = format!("{one}\n{one}");
    let arguments = ["--requests", "two.jsonl", "--against-profile", "baseline", "-o", "json"];
    let run = diff(&[("two.jsonl", &lines)], &arguments);
    assert!(run.code == 0 && !differences(&run).is_empty(), "{run:?}");
    for bad in ["{}", "[", "{\"kind\": \"AdmissionReview\"}"] {
        let run = diff(&[("two.jsonl", &format!("{one}\n{bad}"))], &arguments);
        assert!(run.code == 2 && run.stderr.contains("two.jsonl"), "{bad}: {run:?}");
    }
    diff(&[], &["--requests", ".", "--against-profile", "baseline"]).expect(2, &["has no recorded requests"]);
    diff(&[], &["--requests", "gone.json", "--against-profile", "baseline"]).expect(2, &["gone.json"]);
    let run =
        diff(&[("a.yaml", NAIVE)], &["a.yaml", "--requests", &reviews, "--against-profile", "baseline"]);
    run.expect(2, &["cannot be used with"]);
}
