//! What becomes of exceptions: what has expired, will expire or matched nothing is reported.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::server::{PATIENCE, Server};
use crate::support::{GOOD, directory, run_in, stategate, write};

fn exception(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: stategate.io/v1alpha1\nkind: PolicyException\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec: {{reason: \"until the migration\", match: {{}}, {spec}}}\n---\n"
    )
}

fn from_now(hours: i64) -> String {
    (Timestamp::now() + SignedDuration::from_hours(hours)).to_string()
}

/// One exception for each outcome, five lines each.
fn exceptions() -> String {
    [
        exception("expired", "policies: [pdb-present], expiresAt: 2026-01-31"),
        exception("expiring", &format!("policies: [pdb-present], expiresAt: {}", from_now(24 * 13))),
        exception("active", &format!("policies: [pdb-present], expiresAt: {}", from_now(24 * 15))),
        exception("shadowed", "policies: [pdb-present]"),
        exception("unmatched", "policies: [pdb-present, backup-declared], match: {names: [other]}")
            .replace("match: {}, ", ""),
        exception("for-deletes", "policies: [delete-guard-pvc]"),
    ]
    .concat()
}

/// A directory with the manifests that are checked, beside its exceptions.
fn project() -> tempfile::TempDir {
    directory(&[("shop/pg.yaml", GOOD), ("exceptions.yaml", &exceptions())])
}

fn check(directory: &tempfile::TempDir, more: &[&str]) -> crate::support::Run {
    run_in(directory.path(), &[&["check", "shop", "--bindings", "exceptions.yaml"], more].concat())
}

const EXPIRED: &str = "exception shop/expired expired at 2026-02-01T00:00:00Z";
const EXPIRING: &str = "exception shop/expiring expires at 2";
const UNMATCHED: &str = "exception shop/unmatched matched nothing in this run";

#[test]
fn what_has_expired_will_expire_or_matched_nothing_is_reported() {
    let project = project();
    let run = check(&project, &[]);
    run.expect(
        0,
        &[
            &format!("note: exceptions.yaml:3: {EXPIRED}"),
            &format!("note: exceptions.yaml:8: {EXPIRING}"),
            &format!("note: exceptions.yaml:23: {UNMATCHED}"),
        ],
    );
    for silent in ["shop/active", "shop/shadowed", "shop/for-deletes", "expired matched", "expiring matched"]
    {
        assert!(!run.stdout.contains(silent), "{silent}: {}", run.stdout);
    }
}

#[test]
fn json_has_all_exceptions() {
    let report: Value = serde_json::from_str(&check(&project(), &["-o", "json"]).stdout).unwrap();
    let told: Vec<(&str, &str, &Value, u64)> = report["exceptions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert_eq!((&one["namespace"], &one["file"]), (&"shop".into(), &"exceptions.yaml".into()));
            assert_eq!(one["reason"], "until the migration");
            let text = |key: &str| one[key].as_str().unwrap();
            (text("name"), text("state"), &one["matched"], one["line"].as_u64().unwrap())
        })
        .collect();
    let (yes, no, unknown) = (Value::Bool(true), Value::Bool(false), Value::Null);
    assert_eq!(
        told,
        [
            ("expired", "expired", &unknown, 3),
            ("expiring", "expiring", &yes, 8),
            ("active", "active", &yes, 13),
            ("shadowed", "active", &yes, 18),
            ("unmatched", "active", &no, 23),
            ("for-deletes", "active", &unknown, 28),
        ]
    );
    assert_eq!(report["exceptions"][0]["expiresAt"], "2026-02-01T00:00:00Z");
    assert_eq!(report["exceptions"][4]["policies"].as_array().unwrap().len(), 2);
}

#[test]
fn every_format_tells_of_them_at_their_lines() {
    let project = project();
    let written = |format: &str| check(&project, &["-o", format]).stdout;
    for format in ["text", "sarif", "junit", "github", "gitlab", "html"] {
        // The page escapes slashes.
        let report = written(format).replace("&#x2f;", "/");
        for notice in [EXPIRED, EXPIRING, UNMATCHED] {
            assert!(report.contains(notice), "{format}: {notice:?} is not in {report}");
        }
    }
    let github = written("github");
    for command in [
        "::warning file=exceptions.yaml,line=3,title=exception-expired::",
        "::warning file=exceptions.yaml,line=8,title=exception-expiring::",
        "::notice file=exceptions.yaml,line=23,title=exception-unmatched::",
    ] {
        assert!(github.contains(command), "{command} is not in {github}");
    }
    let sarif: Value = serde_json::from_str(&written("sarif")).unwrap();
    let notifications = sarif["runs"][0]["invocations"][0]["toolConfigurationNotifications"].clone();
    let expired =
        notifications.as_array().unwrap().iter().find(|one| one.to_string().contains(EXPIRED)).unwrap();
    let place = &expired["locations"][0]["physicalLocation"];
    assert_eq!(expired["level"], "warning");
    assert_eq!(place["artifactLocation"]["uri"], "exceptions.yaml");
    assert_eq!(place["region"]["startLine"], 3);
    let gitlab: Value = serde_json::from_str(&written("gitlab")).unwrap();
    let expired =
        gitlab.as_array().unwrap().iter().find(|one| one["check_name"] == "exception-expired").unwrap();
    assert_eq!((&expired["severity"], &expired["location"]["lines"]["begin"]), (&"minor".into(), &3.into()));
    let junit = quick_junit::Report::deserialize_from_str(&written("junit")).unwrap();
    assert_eq!((junit.failures, junit.errors), (0, 0));
    let of_exceptions =
        junit.test_suites.iter().find(|suite| suite.name.as_str() == "exceptions.yaml").unwrap();
    assert_eq!(of_exceptions.test_cases.len(), 3);
}

#[test]
fn nothing_is_called_unmatched_by_a_run_that_did_not_see_everything() {
    let project = project();
    let unseen = |more: &[&str], code: i32| {
        let run = check(&project, more);
        run.expect(code, &[EXPIRED, EXPIRING]);
        assert!(!run.stdout.contains("matched nothing"), "{more:?}: {}", run.stdout);
    };
    write(project.path(), "shop/other.yaml", GOOD.replace("name: pg", "name: pg2"));
    unseen(&["--exclude", "other.yaml"], 0);
    unseen(&["--no-render"], 0);
    write(project.path(), "shop/other.yaml", "kind: Pod\nkind: Job\n");
    unseen(&[], 2);
    write(project.path(), "shop/other.yaml", "");
    check(&project, &[]).expect(0, &[UNMATCHED]);
    for arguments in
        [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "--message", "first"]]
    {
        let mut git = std::process::Command::new("git");
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        assert!(git.args(identity).args(arguments).current_dir(project.path()).status().unwrap().success());
    }
    write(project.path(), "shop/pg.yaml", GOOD.replace("replicas: 3", "replicas: 5"));
    unseen(&["--changed-since", "HEAD"], 0);
}

#[test]
fn a_server_counts_exceptions_and_tells_of_those_that_end() {
    let dir = directory(&[]);
    let first = exceptions();
    let file = write(dir.path(), "exceptions.yaml", &first);
    let arguments = ["--bindings", file.to_str().unwrap(), "--reload-every", "0.05", "--drain-delay", "0"];
    let server = Server::start(dir.path(), &arguments);
    let counts = |expired: u32, expiring: u32, active: u32| {
        let (_, metrics) = server.get("/metrics");
        let has = |state: &str, count: u32| {
            let line = format!("stategate_exceptions{{state=\"{state}\"}} {count}");
            metrics.lines().any(|have| have == line)
        };
        has("expired", expired) && has("expiring", expiring) && has("active", active)
    };
    let wait = |expired, expiring, active| {
        let deadline = Instant::now() + PATIENCE;
        while !counts(expired, expiring, active) {
            assert!(Instant::now() < deadline, "{}", server.get("/metrics").1);
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait(1, 1, 4);
    let later = exception("later", "policies: [pdb-present], expiresAt: 2001-01-01");
    std::fs::write(&file, first + &later).unwrap();
    wait(2, 1, 4);
    std::fs::write(&file, exception("alone", "policies: [pdb-present]")).unwrap();
    wait(0, 0, 1);
    server.terminate();
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    let told: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line.get("exception").is_some())
        .collect();
    assert_eq!(told.len(), 1, "what was told at the start is not told again: {log}");
    assert_eq!(told[0]["exception"], "shop/later");
    assert_eq!(told[0]["message"], "an exception has expired and waives nothing");
    assert_eq!(told[0]["place"], format!("{}:33", file.display()));
}

#[test]
fn a_file_that_replaces_a_shipped_library_or_profile_is_named() {
    let library = include_str!("../../policies/lib/globs.rego");
    let profile = include_str!("../../policies/profiles/baseline.yaml");
    let policy = include_str!("../../policies/storage/pvc_no_shrink/pvc_no_shrink.rego");
    let own = directory(&[
        ("lib/globs.rego", &format!("{library}\n# ours\n")),
        ("lib/claims.rego", include_str!("../../policies/lib/claims.rego")),
        ("lib/ours.rego", "package stategate.lib.ours\n\nx := 1\n"),
        ("profiles/baseline.yaml", &format!("{profile}\n# ours\n")),
        (
            "profiles/ours.yaml",
            &profile.replace(
                "kind: Profile\nmetadata: {name: baseline}",
                "kind: Profile\nmetadata: {name: ours}",
            ),
        ),
        ("storage/pvc_no_shrink/pvc_no_shrink.rego", policy),
    ]);
    let path = own.path().display().to_string();
    let pg = write(own.path(), "pg.yaml", GOOD).display().to_string();
    let named = [
        format!(
            "warning: {path}/lib/globs.rego: this file replaces the shipped library data.stategate.lib.globs"
        ),
        format!("warning: {path}/profiles/baseline.yaml: this file replaces the shipped profile baseline"),
    ];
    for arguments in [&["check", &pg][..], &["fix", &pg], &["policy", "list"], &["explain", "pvc-no-shrink"]]
    {
        let run = stategate(&[arguments, &["--policies", &path]].concat());
        assert_eq!(run.stderr.lines().filter(|line| line.contains("replaces the shipped")).count(), 2);
        for line in &named {
            assert!(run.stderr.contains(line), "{arguments:?}: {}", run.stderr);
        }
    }
    write(own.path(), "profiles/ours.yaml", profile);
    stategate(&["check", &pg, "--policies", &path, "--profile", "ours"])
        .expect(2, &["profiles/ours.yaml:", "the profile in ours.yaml is named \"baseline\"", "write ours"]);
    std::fs::rename(own.path().join("profiles/ours.yaml"), own.path().join("profiles/ours.yml")).unwrap();
    stategate(&["check", &pg, "--policies", &path]).expect(2, &["profiles/ours.yml", "ends with .yaml"]);
}
