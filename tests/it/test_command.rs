//! `stategate test` as authors and CI systems use it, and `--no-catalogue`.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{GOOD, NAIVE, directory, stategate, stategate_with, write};

const RULE: &str = "# METADATA
# title: T
# description: D.
# custom: {severity: low, action: warn, fix: F}
package stategate.storage.mine

violation contains v if {
	input.workload.replicas == 0
	v := {\"msg\": \"m\"}
}
";
const TEST: &str = "package stategate.storage.mine_test

import data.stategate.storage.mine

test_zero if count(mine.violation) == 1 with input as {\"workload\": {\"replicas\": 0}}
";

/// A custom policy that passes.
fn mine(more: &[(&str, &str)]) -> tempfile::TempDir {
    let zero = GOOD.replace("replicas: 3", "replicas: 0");
    let files = [
        ("storage/mine/mine.rego", RULE),
        ("storage/mine/mine_test.rego", TEST),
        ("storage/mine/examples/pass_good.yaml", GOOD),
        ("storage/mine/examples/warn_zero.yaml", &zero),
    ];
    directory(&[&files, more].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn junit_has_a_suite_for_each_policy_and_says_where_a_test_failed() {
    let failing = format!(
        "{TEST}\ntest_wrong if {{\n\tsome v in mine.violation with input as {{\"workload\": {{\"replicas\": 1}}}}\n\tv.msg == \"m\"\n}}\n\ntest_text := \"a\\u0007<\"\n"
    );
    let dir = mine(&[("storage/mine/mine_test.rego", &failing)]);
    let (path, file) = (text(dir.path()), dir.path().join("out.xml"));
    let run = stategate(&["test", path, "-o", &format!("junit={}", text(&file))]);
    run.expect(1, &["FAIL", "1 policy, 3 tests, 2 examples: 2 failed", "loaded ", " policies in "]);
    let xml = std::fs::read_to_string(&file).unwrap();
    let undefined = format!(
        "{path}/storage/mine/mine_test.rego:7: one of its conditions does not hold; line 9 was not reached"
    );
    for part in [
        "<testcase name=\"test_zero\" classname=\"mine\" time=\"",
        "<testcase name=\"warn_zero.yaml\" classname=\"mine\" time=\"",
        &format!("<failure message=\"{undefined}\">{undefined}</failure>"),
        "mine_test.rego:12: is &quot;a\\u0007&lt;&quot;, not true",
    ] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    let [suite] = report.test_suites.as_slice() else { panic!("{xml}") };
    assert_eq!((suite.name.as_str(), suite.tests, suite.failures, suite.errors), ("mine", 5, 2, 0));

    // To stdout instead of the text, and several formats at once.
    let run = stategate(&["test", path, "-o", "junit"]);
    assert!(run.expect(1, &[]).stdout.starts_with("<?xml") && !run.stdout.contains("FAIL"));
    let plain = dir.path().join("out.txt");
    stategate(&["test", path, "-o", "junit", "-o", &format!("text={}", text(&plain))]).expect(1, &["<?xml"]);
    assert!(std::fs::read_to_string(&plain).unwrap().contains("FAIL"));
    stategate(&["test", path, "-o", "junit", "-o", "text"]).expect(2, &["two -o write to stdout"]);
    stategate(&["test", path, "-o", "tap"]).expect(2, &["write one of text, junit"]);
    stategate(&["test", path, "-o", "junit=/nowhere/out.xml"]).expect(2, &["cannot write /nowhere/out.xml"]);
}

#[test]
fn junit_of_policies_that_do_not_load_is_an_error_in_ci() {
    let dir = mine(&[("storage/mine/mine.rego", "package stategate.storage.mine\n\nviolation contains\n")]);
    let file = dir.path().join("out.xml");
    let run = stategate(&["test", text(dir.path()), "-o", &format!("junit={}", text(&file))]);
    run.expect(2, &["error: ", "mine.rego"]);
    let xml = std::fs::read_to_string(&file).unwrap();
    assert!(
        xml.contains("errors=\"1\"") && xml.contains("<error message=\"") && xml.contains("mine.rego:"),
        "{xml}"
    );
}

#[test]
fn coverage_names_rules_and_functions_that_no_test_reaches() {
    let more = "\ndoubt contains d if {\n\tsome d in input.workload.claims\n\td.size > 3\n}\n\nlarge(claim) if {\n\tclaim.size > 7\n}\n";
    let dir = mine(&[
        ("storage/mine/mine.rego", &format!("{RULE}{more}")),
        ("storage/other/other.rego", &RULE.replace("mine", "other")),
    ]);
    let path = text(dir.path());
    let run = stategate(&["test", path, "--coverage"]);
    run.expect(
        1,
        &[
            // The rule was evaluated: querying one rule of a package evaluates all of them.
            "mine.rego, not lines 12, 14",
            "storage/mine/mine.rego:12: rule doubt has no value in any test",
            "storage/mine/mine.rego:17: function large is not reached by any test",
            // Nothing imports it, so that the engine itself does not name it.
            "   0 %  ",
            "storage/other/other.rego:7: rule violation is not reached by any test",
        ],
    );
    assert!(!run.stdout.contains("17,") && !run.stdout.contains("18"), "the name stands for the lines");
    stategate(&["test", path, "--min-coverage", "90"]).expect(
        1,
        &["mine.rego:17: function large is not reached by any test", "reach 0 % of its lines, not 90 %"],
    );
}

/// A long-running process and its output.
struct Staying {
    child: Child,
    log: tempfile::NamedTempFile,
}

impl Staying {
    fn start(arguments: &[&str]) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let to: &dyn Fn() -> File = &|| File::options().append(true).open(log.path()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_stategate"))
            .args(arguments)
            .env("RUST_LIB_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(to())
            .stderr(to())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// Waits for the given run, and returns its output.
    #[track_caller]
    fn run(&mut self, number: usize) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.said();
            let runs: Vec<&str> = said.split_inclusive("press Ctrl-C to stop\n").collect();
            if runs.iter().filter(|run| run.ends_with("press Ctrl-C to stop\n")).count() >= number {
                return runs[number - 1].to_owned();
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {said}");
            assert!(Instant::now() < until, "no run {number}: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn interrupt(&mut self) -> i32 {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not end: {}", self.said());
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn watch_runs_again_when_a_file_is_replaced_and_outlives_a_broken_policy() {
    let dir = mine(&[]);
    let path = text(dir.path()).to_owned();
    let report = dir.path().join("out.xml");
    let mut watching = Staying::start(&["test", &path, "--watch", "-o", &format!("junit={}", text(&report))]);
    let first = watching.run(1);
    assert!(first.contains(" policies in ") && first.contains(": 0 failed"), "{first}");

    // Like an editor: writes the new text to another file and renames it.
    let rule = dir.path().join("storage/mine/mine.rego");
    let replace = |text: &str| {
        let beside = write(dir.path(), ".mine.rego.swp", text);
        std::fs::rename(beside, &rule).unwrap();
    };
    replace(&RULE.replace("== 0", "== 7"));
    let second = watching.run(2);
    assert!(second.contains(" changed: storage/mine/mine.rego\n"), "{second}");
    assert!(
        second.contains("FAIL data.stategate.storage.mine_test.test_zero") && second.contains("2 failed"),
        "{second}"
    );
    assert!(
        std::fs::read_to_string(&report).unwrap().contains("failures=\"2\""),
        "the file is of the last run"
    );

    replace("package stategate.storage.mine\n\nviolation contains\n");
    let third = watching.run(3);
    assert!(third.contains("error: ") && third.contains("mine.rego:"), "{third}");

    replace(RULE);
    assert!(watching.run(4).contains(": 0 failed"));

    // Only an example changes, so policies are not reloaded. Other files are ignored.
    write(dir.path(), "storage/mine/notes.txt", "nothing");
    write(dir.path(), "storage/mine/examples/warn_zero.yaml", GOOD);
    let fifth = watching.run(5);
    assert!(fifth.contains("changed: storage/mine/examples/warn_zero.yaml\n"), "{fifth}");
    assert!(fifth.contains("1 failed") && !fifth.contains("loaded"), "{fifth}");
    assert_eq!(watching.interrupt(), 1, "the exit code of the last run");
}

#[test]
fn watch_goes_on_when_the_directory_is_away_for_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let (policies, aside) = (dir.path().join("p"), dir.path().join("aside"));
    let filled = mine(&[]);
    std::fs::rename(filled.path(), &policies).unwrap();
    let mut watching = Staying::start(&["test", text(&policies), "--watch"]);
    watching.run(1);
    std::fs::rename(&policies, &aside).unwrap();
    let away = watching.run(2);
    assert!(away.contains("error: ") && away.contains("cannot be read"), "{away}");
    std::fs::rename(&aside, &policies).unwrap();
    assert!(watching.run(3).contains(": 0 failed"));
    assert_eq!(watching.interrupt(), 0);
    stategate(&["test", "--watch"]).expect(2, &["<DIR>"]);
    stategate(&["test", text(&policies), "--watch", "-o", "junit"]).expect(2, &["give it a file"]);
}

#[test]
fn without_the_catalogue_only_own_policies_judge() {
    // It imports a shipped library, and its id is that of a shipped policy.
    let rule = "# METADATA
# title: T
# description: D.
# custom: {severity: low, action: warn, fix: F}
package stategate.ours.pvc_no_shrink

import data.stategate.lib.globs

violation contains v if {
	globs.matches_any([\"p*\"], input.workload.name)
	v := {\"msg\": \"ours\"}
}
";
    let dir = directory(&[("ours/pvc_no_shrink/pvc_no_shrink.rego", rule)]);
    let path = text(dir.path());
    let own = ["--policies", path, "--no-catalogue"];
    let with = |arguments: &[&str]| stategate_with(&[arguments, &own].concat(), GOOD);
    stategate(&["policy", "list", "--policies", path]).expect(2, &["already defined in"]);
    for profile in ["production", "baseline", "regulated"] {
        let list = with(&["policy", "list", "--profile", profile, "-o", "json"]);
        let list: serde_json::Value = serde_json::from_str(&list.expect(0, &[]).stdout).unwrap();
        let ids: Vec<&serde_json::Value> =
            list["policies"].as_array().unwrap().iter().map(|policy| &policy["id"]).collect();
        assert_eq!(ids, ["pvc-no-shrink"]);
    }
    let run = with(&["check", "-", "--fail-on", "warn", "-v"]);
    run.expect(1, &["warning[pvc-no-shrink]: ours", "loaded 1 policy in "]);
    stategate_with(&["check", "-"], NAIVE).expect(1, &["volume-no-emptydir-data"]);
    // The table of data stores stays: without it this Deployment would not be covered.
    stategate_with(&[&["check", "-"], &own[..]].concat(), NAIVE).expect(0, &["0 errors, 1 warning"]);
    with(&["explain", "pvc-no-shrink"]).expect(0, &["Checks:"]);
    with(&["explain", "backup-declared"]).expect(2, &["there is no policy"]);
    with(&["input", "-", "--object", "StatefulSet/pg"]).expect(0, &["\"workload\""]);
    let review = format!("{}/tests/fixtures/reviews/create-statefulset.json", env!("CARGO_MANIFEST_DIR"));
    with(&["review", &review]).expect(0, &["\"allowed\": true"]);
    stategate(&["policy", "docs", path]).expect(2, &["already defined in"]);
    stategate(&["policy", "docs", path, "--no-catalogue"]).expect(0, &["2 of 2 files written"]);
    stategate(&["test", path, "--no-catalogue"]).expect(1, &["loaded 1 policy in ", "no test_* rule"]);

    // Custom bindings and profiles must not name policies that do not exist.
    let binding = |kind: &str| {
        format!(
            "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {{name: {kind}}}\nspec: {{policies: {{ids: [backup-declared]}}}}\n"
        )
    };
    let file = write(dir.path(), "ours.yaml", binding("b"));
    with(&["check", "-", "--bindings", text(&file)]).expect(2, &["there is no policy backup-declared"]);
    let profile =
        "apiVersion: stategate.io/v1alpha1\nkind: Profile\nmetadata: {name: baseline}\nspec: {}\n---\n";
    write(dir.path(), "profiles/baseline.yaml", format!("{profile}{}", binding("b")));
    with(&["check", "-", "--profile", "baseline"]).expect(2, &["there is no policy backup-declared"]);
    with(&["check", "-"]).expect(0, &["ours"]);

    stategate_with(&["check", "-", "--no-catalogue"], NAIVE).expect(2, &["--policies <DIR>"]);
    let empty = directory(&[("notes.txt", "")]);
    stategate_with(&["check", "-", "--policies", text(empty.path()), "--no-catalogue"], NAIVE)
        .expect(2, &["the directory holds no policy", "<category>/<policy>/<policy>.rego"]);
}
