//! Which files `check` reads: ignored and excluded files, changes of a branch, known findings, configuration.

use std::process::Command;

use crate::support::{GOOD, NAIVE, Run, directory, git, run_in, write};

/// The summary at the end of a run.
fn summary(run: &Run) -> &str {
    run.stdout.lines().last().unwrap_or_default()
}

pub fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = directory(files);
    git(directory.path(), &["init", "--quiet"]);
    git(directory.path(), &["add", "--all"]);
    git(directory.path(), &["commit", "--quiet", "--message", "first"]);
    directory
}

#[test]
fn ignored_hidden_and_excluded_files_are_left_out() {
    let repository = repository(&[
        (".gitignore", "build/\n"),
        (".stategateignore", "*.gen.yaml\n"),
        ("build/pg.yaml", NAIVE),
        ("a.gen.yaml", NAIVE),
        (".hidden/pg.yaml", NAIVE),
        ("vendor/x/pg.yaml", NAIVE),
        ("shop/good.yaml", GOOD),
        ("notes.txt", "kind: [not read"),
    ]);
    let check = |more: &[&str]| run_in(repository.path(), &[&["check", "."], more].concat());
    assert!(summary(&check(&["--exclude", "vendor/"])).starts_with("2 objects checked: 0 errors"));
    assert!(summary(&check(&[])).starts_with("3 objects checked"), "vendor is one more");
    assert!(summary(&check(&["--no-ignore"])).starts_with("5 objects checked"), "build and *.gen.yaml");
    let below = run_in(&repository.path().join("vendor"), &["check", ".", "--exclude", "/vendor/x"]);
    assert!(below.stdout.contains("0 objects checked"), "patterns are told from the root: {}", below.stdout);
    assert_eq!(below.code, 0, "a filter of the user's own left nothing");
    for named in ["build", "build/pg.yaml"] {
        let named = run_in(repository.path(), &["check", named]);
        assert!(summary(&named).starts_with("1 object checked"), "what is named is read");
    }
    run_in(repository.path(), &["check", ".hidden/../notes.txt"]).expect(2, &["notes.txt:2:1"]);
    check(&["--exclude", "a{b"]).expect(2, &["--exclude", "no pattern of paths"]);
}

#[test]
fn what_is_laid_over_other_objects_is_no_manifest() {
    let patch = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: pg}\nspec: {template: {spec: {containers: [{name: pg}]}}}\n";
    let files = directory(&[
        ("base/pg.yaml", GOOD),
        ("base/kustomization.yaml", "resources: [pg.yaml]\n"),
        ("prod/kustomization.yaml", "resources: [../base]\npatches: [{path: ../patches/a.yaml}]\n"),
        ("patches/a.yaml", patch),
        (
            "unused/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatchesStrategicMerge: [b.yaml]\n",
        ),
        ("unused/b.yaml", patch),
    ]);
    let run = run_in(files.path(), &["check", ".", "--no-render"]);
    assert!(summary(&run).starts_with("2 objects checked"), "only base: {}", run.stdout);
    let run = run_in(files.path(), &["check", "patches/a.yaml", "--no-render"]);
    assert!(summary(&run).starts_with("1 object checked"), "what is named is read: {}", run.stdout);
}

#[test]
fn one_file_under_two_names_is_read_once() {
    let files = directory(&[("shop/pg.yaml", NAIVE)]);
    let run = run_in(files.path(), &["check", "shop", "./shop//pg.yaml", "shop/pg.yaml"]);
    assert!(summary(&run).starts_with("1 object checked"), "{}", run.stdout);
    assert!(run.stdout.contains("--> shop/pg.yaml:"), "{}", run.stdout);
}

#[test]
fn broken_files_are_one_error_each_and_the_others_are_checked() {
    let files = directory(&[
        ("a.yaml", "kind: StatefulSet\n\tbad: tab\n"),
        ("b.yaml", "kind: [1\n"),
        ("c.json", "{\"kind\": \"a\" \"b\"}"),
        ("d.yaml", NAIVE),
        ("e.yaml", "just: a document\n"),
        ("h.json", "{// settings\n\"a\": [1,"),
    ]);
    write(files.path(), "f.yaml", b"\xff\xfeb\x00r\x00o\x00\xd8");
    write(files.path(), "g.yaml", b"kind: gr\xfcn\n");
    let run = run_in(files.path(), &["check", "."]);
    run.expect(
        2,
        &[
            "a.yaml:1:7",
            "replace the tab by spaces",
            "b.yaml:",
            "c.json:1:14",
            "f.yaml",
            "g.yaml:1:9",
            "d.yaml:26:11",
        ],
    );
    assert!(summary(&run).contains("5 files that cannot be read"), "{}", summary(&run));
    assert!(summary(&run).contains("2 documents skipped: not Kubernetes"), "{}", summary(&run));
}

#[test]
fn results_are_in_the_order_of_the_files() {
    let names: Vec<String> = (0..40).map(|number| format!("{number:02}/pg.yaml")).collect();
    let texts: Vec<String> =
        (0..40).map(|number| NAIVE.replace("name: pg", &format!("name: pg{number}"))).collect();
    let files: Vec<(&str, &str)> =
        names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let files = directory(&files);
    let first = run_in(files.path(), &["check", "."]);
    assert_eq!(first.stdout, run_in(files.path(), &["check", "."]).stdout);
    let report = run_in(files.path(), &["check", ".", "-o", "json"]).stdout;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let read: Vec<&str> = findings.iter().map(|finding| finding["file"].as_str().unwrap()).collect();
    assert!(read.is_sorted() && read.len() > 100, "{read:?}");
}

#[test]
fn a_branch_is_judged_by_what_it_changes() {
    let small = GOOD.replace("storage: 20Gi", "storage: 10Gi");
    assert_ne!(small, GOOD);
    let repository = repository(&[("good.yaml", GOOD), ("naive.yaml", NAIVE), ("broken.yaml", "a: [")]);
    let check = |revision: &str| run_in(repository.path(), &["check", ".", "--changed-since", revision]);
    let none = check("main");
    none.expect(0, &["0 objects checked"]);

    git(repository.path(), &["switch", "--quiet", "--create", "branch"]);
    write(repository.path(), "good.yaml", &small);
    git(repository.path(), &["commit", "--quiet", "--all", "--message", "smaller"]);
    let committed = check("main");
    committed.expect(1, &["good.yaml", "pvc-no-shrink"]);
    assert!(!committed.stdout.contains("naive.yaml"), "{}", committed.stdout);

    write(repository.path(), "new.yaml", NAIVE);
    let untracked = check("main");
    untracked.expect(1, &["--> new.yaml"]);
    check("HEAD").expect(1, &["--> new.yaml", "1 object checked"]);
    check("nowhere").expect(2, &["git knows no commit nowhere", "fetch-depth"]);
    let sly = run_in(repository.path(), &["check", ".", "--changed-since=--output=x"]);
    sly.expect(2, &["git knows no commit --output=x"]);
    assert!(!repository.path().join("x").exists());
}

#[test]
fn a_moved_object_is_the_same_object() {
    let repository = repository(&[("good.yaml", GOOD)]);
    git(repository.path(), &["mv", "good.yaml", "moved.yaml"]);
    write(repository.path(), "moved.yaml", GOOD.replace("storage: 20Gi", "storage: 10Gi"));
    run_in(repository.path(), &["check", ".", "--changed-since", "HEAD"]).expect(1, &["pvc-no-shrink"]);
}

#[test]
fn known_findings_fail_no_run() {
    let files = directory(&[("stategate.yaml", ""), ("pg.yaml", NAIVE)]);
    let check = |more: &[&str]| run_in(files.path(), &[&["check", "."], more].concat());
    check(&["--known", "known.json"]).expect(2, &["there is no file known.json", "--write-known"]);
    check(&["--known", "known.json", "--write-known"]).expect(0, &["already known"]);
    let written = std::fs::read_to_string(files.path().join("known.json")).unwrap();
    check(&["--known", "known.json"]).expect(0, &["0 errors, 0 warnings"]);

    // Line numbers and the working directory change, but a finding stays the same.
    write(files.path(), "pg.yaml", format!("# moved\n\n{NAIVE}"));
    check(&["--known", "known.json"]).expect(0, &[]);
    std::fs::create_dir(files.path().join("below")).unwrap();
    let below = run_in(&files.path().join("below"), &["check", "..", "--known", "../known.json"]);
    below.expect(0, &["already known"]);

    write(files.path(), "new.yaml", NAIVE.replace("name: pg", "name: other"));
    check(&["--known", "known.json"]).expect(1, &["--> new.yaml"]);
    std::fs::remove_file(files.path().join("new.yaml")).unwrap();
    write(files.path(), "pg.yaml", GOOD);
    check(&["--known", "known.json"]).expect(0, &["--write-known removes them"]);
    check(&["--known", "known.json", "--write-known"]).expect(0, &[]);
    let rewritten = std::fs::read_to_string(files.path().join("known.json")).unwrap();
    assert!(rewritten.len() < written.len());

    write(
        files.path(),
        "known.json",
        "{\"apiVersion\": \"v1\", \"kind\": \"KnownFindings\", \"findings\": []}",
    );
    check(&["--known", "known.json"]).expect(2, &["known.json:1: must be apiVersion stategate.io/v1alpha1"]);
    write(files.path(), "known.json", written.replacen("\"policy\"", "\"polcy\"", 1));
    check(&["--known", "known.json"]).expect(2, &["known.json:8", "there is no such key"]);
}

#[test]
fn the_configuration_is_found_upwards_and_flags_win() {
    let files = directory(&[
        ("stategate.yaml", "# ours\nprofile: baseline\nexclude: [old/]\npaths: [shop]\noutput: text\n"),
        ("shop/pg.yaml", NAIVE),
        ("shop/old/pg.yaml", NAIVE),
        ("below/here/x.txt", ""),
    ]);
    let below = files.path().join("below/here");
    let run = run_in(&below, &["check"]);
    run.expect(0, &["../../shop/pg.yaml", "1 object checked", "(profile baseline)"]);
    let configured = ["check", "--config", "../../stategate.yaml", "-o", "json=out.json"];
    run_in(&below, &configured).expect(0, &["../../shop/pg.yaml"]);
    assert!(below.join("out.json").exists(), "flags are told from the working directory");
    run_in(&below, &["check", "--profile", "production"]).expect(1, &["(profile production)"]);
    run_in(&below, &["check", "--no-config"]).expect(2, &["no PATH given"]);
    run_in(&below, &["check", "--no-config", "../../shop"]).expect(1, &["2 objects checked"]);

    let shown = run_in(&below, &["config", "show", "--fail-on", "warn"]);
    shown.expect(0, &[]);
    for (line, origin) in [
        ("profile: baseline", "# ../../stategate.yaml:2"),
        ("exclude: old/", "# ../../stategate.yaml:3"),
        ("paths: ../../shop", "# ../../stategate.yaml:4"),
        ("failOn: warn", "# command line"),
        ("namespace: null", "# not set"),
        ("known: null", "# not set"),
    ] {
        let found = shown.stdout.lines().find(|found| found.starts_with(line));
        assert!(found.is_some_and(|found| found.ends_with(origin)), "{line} {origin}:\n{}", shown.stdout);
    }
    // The output is a valid configuration.
    let printed = directory(&[("stategate.yaml", &shown.stdout), ("shop/pg.yaml", NAIVE)]);
    // Its paths are told from where it was printed, so they lead elsewhere here.
    let again = run_in(printed.path(), &["config", "show", "--config", "stategate.yaml"]);
    again.expect(0, &["profile: baseline", "failOn: warn"]);
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let wrong = |text: &str| {
        let files = directory(&[("stategate.yaml", text), ("pg.yaml", GOOD)]);
        run_in(files.path(), &["check", "pg.yaml"])
    };
    wrong("profil: baseline\n").expect(2, &["stategate.yaml:1:1", "there is no key profil", "profile?"]);
    wrong("\nfailOn: never\n").expect(2, &["stategate.yaml:2:9", "failOn", "never"]);
    wrong("noIgnore: 7\n").expect(2, &["stategate.yaml:1:11", "must be true or false"]);
    wrong("profile: [a, b]\n").expect(2, &["stategate.yaml:1:10", "takes one value"]);
    wrong("output: pdf\n").expect(2, &["stategate.yaml:1:9", "pdf"]);
    wrong("- profile\n").expect(2, &["stategate.yaml:1", "must be a map"]);
    wrong("exclude: [7, x]\nnoRender: false\n").expect(0, &[]);
}

#[test]
fn shells_and_kubectl_find_it() {
    let files = directory(&[]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        run_in(files.path(), &["completions", shell]).expect(0, &["changed-since"]);
    }
    let pages = files.path().join("share/man/man1");
    run_in(files.path(), &["man", "share/man/man1"]).expect(0, &[]);
    let page = std::fs::read_to_string(pages.join("stategate-policy-list.1")).unwrap();
    assert!(page.contains("\\-\\-category"), "{page}");
    assert!(!pages.join(format!("stategate-{}.1", stategate::source::sandbox::SUBCOMMAND)).exists());
    run_in(files.path(), &["man", "share/man/man1/stategate.1"]).expect(2, &["share/man/man1/stategate.1"]);
    let plugin = files.path().join("kubectl-stategate");
    std::fs::hard_link(env!("CARGO_BIN_EXE_stategate"), &plugin)
        .or_else(|_| std::fs::copy(env!("CARGO_BIN_EXE_stategate"), &plugin).map(|_| ()))
        .unwrap();
    let help = Command::new(&plugin).args(["check", "--help"]).output().unwrap();
    assert!(String::from_utf8_lossy(&help.stdout).contains("Usage: kubectl stategate check"), "{help:?}");
}

#[test]
fn sarif_tells_what_fix_would_write() {
    let files = directory(&[("stategate.yaml", ""), ("pg.yaml", NAIVE), ("other.yaml", GOOD)]);
    let run = run_in(files.path(), &["check", "pg.yaml", "-o", "sarif"]);
    let sarif: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let result = results.iter().find(|result| result["ruleId"] == "termination-grace-period").unwrap();
    let change = &result["fixes"][0]["artifactChanges"][0];
    assert_eq!(change["artifactLocation"]["uri"], "pg.yaml");
    let replacement = &change["replacements"][0];
    let region = &replacement["deletedRegion"];
    let place = |key: &str| usize::try_from(region[key].as_u64().unwrap()).unwrap();
    assert_eq!((place("startColumn"), place("endColumn")), (1, 1), "whole lines");
    let mut lines: Vec<&str> = NAIVE.split_inclusive('\n').collect();
    let text = replacement["insertedContent"]["text"].as_str().unwrap();
    lines.splice(place("startLine") - 1..place("endLine") - 1, [text]);
    run_in(files.path(), &["fix", "pg.yaml", "--write"]).expect(0, &[]);
    assert_eq!(lines.concat(), std::fs::read_to_string(files.path().join("pg.yaml")).unwrap());
    let unfixed = results.iter().find(|result| result["ruleId"] == "volume-no-emptydir-data").unwrap();
    assert_eq!(unfixed["fixes"], serde_json::Value::Null);
}

#[test]
fn a_change_is_never_passed_over() {
    let repository = repository(&[
        ("base/kustomization.yaml", "resources: [pg.yaml]\n"),
        ("base/pg.yaml", GOOD),
        ("prod/kustomization.yaml", "resources: [../base]\n"),
        ("real/a.yaml", GOOD),
        ("dev/pg.yaml", GOOD),
    ]);
    let since = |paths: &[&str]| {
        let arguments = [&["check"], paths, &["--changed-since", "HEAD", "--no-render"]].concat();
        run_in(repository.path(), &arguments)
    };
    since(&["typo"]).expect(2, &["cannot be read: No such file", "--> typo"]);
    since(&["."]).expect(0, &[]);
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        std::os::unix::fs::symlink("real", repository.path().join("live")).unwrap();
        write(repository.path(), "real/a.yaml", NAIVE);
        since(&["live"]).expect(1, &["--> live/a.yaml"]);
        since(&["."]).expect(1, &["1 object checked"]);
        write(repository.path(), "real/a.yaml", GOOD);
        std::fs::remove_file(repository.path().join("live")).unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"b\xff.yaml");
        std::fs::write(repository.path().join(odd), NAIVE).unwrap();
        since(&["."]).expect(1, &["1 object checked"]);
        std::fs::remove_file(repository.path().join(odd)).unwrap();
    }
    let elsewhere = directory(&[("pg.yaml", NAIVE)]);
    since(&[elsewhere.path().to_str().unwrap()]).expect(1, &["1 object checked"]);

    // An object of the same name in another environment is a different object.
    write(repository.path(), "dev/pg.yaml", format!("# touched\n{GOOD}"));
    write(repository.path(), "prod2/pg.yaml", NAIVE);
    since(&["."]).expect(1, &["--> prod2/pg.yaml", "error["]);

    // A base outside the named paths.
    write(repository.path(), "base/pg.yaml", NAIVE);
    let rendered = run_in(repository.path(), &["check", "prod", "--changed-since", "HEAD"]);
    assert!(!rendered.stdout.contains("0 objects checked: 0 errors, 0 warnings ("), "{}", rendered.stdout);
    assert_ne!(rendered.code, 0, "judged, or told that nothing is there to render it");
}

#[test]
fn only_what_is_rendered_hides_files() {
    let files = directory(&[
        (
            "apps/kustomization.yaml",
            "resources: [good.yaml]\nnamespace: prod\nlabels: [{pairs: {tier: prod}}]\n",
        ),
        ("apps/good.yaml", GOOD),
        ("apps/prod/pg.yaml", NAIVE),
        ("chart/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\ntype: library\n"),
        ("chart/templates/x.yaml", "kind: {{ not yaml"),
        ("chart/k8s/pg.yaml", &NAIVE.replace("name: pg", "name: pg2")),
        ("loop/a/kustomization.yaml", "resources: [../b]\n"),
        ("loop/b/kustomization.yaml", "resources: [../a]\n"),
    ]);
    let run = run_in(files.path(), &["check", "apps", "chart"]);
    for shown in ["--> apps/prod/pg.yaml", "--> chart/k8s/pg.yaml"] {
        assert!(run.stdout.contains(shown), "{shown}: {}", run.stdout);
    }
    assert!(!run.stdout.contains("templates/x.yaml"), "{}", run.stdout);
    run_in(files.path(), &["check", "loop"]).expect(2, &["loop/a"]);
    run_in(files.path(), &["check", "chart", "chart/templates/x.yaml"])
        .expect(2, &["--> chart/templates/x.yaml"]);
}

#[test]
fn before_the_first_commit_everything_is_new() {
    let files = directory(&[("pg.yaml", NAIVE)]);
    git(files.path(), &["init", "--quiet"]);
    run_in(files.path(), &["check", ".", "--changed-since", "HEAD"]).expect(1, &["1 object checked"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_once() {
    let files = directory(&[("good.yaml", GOOD), ("pg.yaml", NAIVE)]);
    let script = format!("cat pg.yaml | {} check good.yaml /dev/stdin", env!("CARGO_BIN_EXE_stategate"));
    let run = Command::new("sh").current_dir(files.path()).args(["-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("--> /dev/stdin:26:11"), "{said}");
}

#[test]
fn two_findings_alike_are_known_and_a_half_read_tree_is_not_recorded() {
    let twice = format!("{NAIVE}---\n{NAIVE}");
    let files = directory(&[("stategate.yaml", "known: known.json\n"), ("pg.yaml", &twice)]);
    run_in(files.path(), &["check", "--write-known"]).expect(0, &[]);
    run_in(files.path(), &["check"]).expect(0, &["0 errors, 0 warnings"]);
    let before = std::fs::read_to_string(files.path().join("known.json")).unwrap();
    write(files.path(), "broken.yaml", "kind: [");
    std::fs::remove_file(files.path().join("pg.yaml")).unwrap();
    run_in(files.path(), &["check", "--write-known"]).expect(2, &["known.json is unchanged"]);
    assert_eq!(std::fs::read_to_string(files.path().join("known.json")).unwrap(), before);
    run_in(files.path(), &["check", "--no-config", ".", "--write-known"]).expect(2, &["add --known FILE"]);
}

#[test]
fn a_configuration_goes_with_any_command_line() {
    let files = directory(&[
        ("stategate.yaml", "profile: baseline\nexclude: [./skip.yaml]\n"),
        ("old/pg.yaml", NAIVE),
        ("pg.yaml", NAIVE),
        ("skip.yaml", NAIVE),
        ("-x.yaml", NAIVE),
    ]);
    run_in(files.path(), &["check", "--", "pg.yaml"]).expect(0, &["(profile baseline)", "1 object checked"]);
    run_in(files.path(), &["check", "--", "-x.yaml"]).expect(0, &["(profile baseline)", "1 object checked"]);
    // Without a PATH, everything below the configuration file is checked.
    let all = run_in(&files.path().join("old"), &["check"]);
    all.expect(0, &["3 objects checked"]);
    // Settings that conflict with a flag give way.
    write(files.path(), "stategate.yaml", "old: [old]\n");
    let since = ["check", ".", "--config", "stategate.yaml", "--changed-since", "HEAD"];
    run_in(files.path(), &since).expect(2, &["--changed-since needs a git repository"]);
}

#[test]
fn names_do_not_act_on_terminals_and_logs() {
    let hostile = NAIVE.replacen("name: pg", "name: \"pg\\n::error::x\\e[31m\"", 1);
    let files = directory(&[("pg.yaml", &hostile)]);
    for format in ["text", "github"] {
        let run = run_in(files.path(), &["check", "pg.yaml", "-o", format]);
        assert!(!run.stdout.contains('\u{1b}'), "{}", run.stdout);
        let commands = run.stdout.lines().filter(|line| line.starts_with("::") && !line.contains("file="));
        assert_eq!(commands.count(), 0, "{}", run.stdout);
    }
}

#[test]
fn outputs_do_not_stand_in_each_others_way() {
    let files = directory(&[("pg.yaml", NAIVE)]);
    let check = |outputs: &[&str]| run_in(files.path(), &[&["check", "pg.yaml"], outputs].concat());
    check(&["-o", "json=a", "-o", "sarif=./a"]).expect(2, &["two -o write to a"]);
    assert!(check(&["-o", "json=-"]).stdout.starts_with('{'));
    let broken = check(&["-o", "json=no/such/directory/x", "-o", "sarif=out.sarif"]);
    broken.expect(2, &["cannot write", "error[volume-no-emptydir-data]"]);
    assert!(files.path().join("out.sarif").exists());
}
