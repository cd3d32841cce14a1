//! A repository that is checked runs nothing, writes nothing, and leads to nothing outside of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{GOOD, NAIVE, Run, git, run_in, write};

const SECRET: &str = "kind: hunter2-is-the-password\n";

/// A repository, with files beside it that it must not reach.
struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(place.repository()).unwrap();
        write(place.0.path(), "outside/pg.yaml", NAIVE);
        write(place.0.path(), "outside/secret.yaml", SECRET);
        write(place.0.path(), "outside/profile", "# a shell profile\n");
        write(&place.repository(), "good.yaml", GOOD);
        files.iter().for_each(|(name, text)| drop(write(&place.repository(), name, text)));
        place.git(&["init", "--quiet"]);
        place.commit();
        place
    }

    fn repository(&self) -> PathBuf {
        self.0.path().join("repository")
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.0.path().join("outside").join(name)
    }

    fn link(&self, name: &str, target: &str) {
        let link = self.repository().join(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }

    fn pipe(&self, name: &str) {
        let path = self.repository().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    fn git(&self, arguments: &[&str]) {
        git(&self.repository(), arguments);
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "x"]);
    }

    /// A program that leaves a mark, and the mark.
    fn program(&self) -> (String, PathBuf) {
        let (program, mark) = (self.outside("program"), self.outside("ran"));
        fs::write(&program, format!("#!/bin/sh\ntouch {}\ncat\n", mark.display())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        (program.display().to_string(), mark)
    }

    fn run(&self, arguments: &[&str]) -> Run {
        run_in(&self.repository(), arguments)
    }

    /// Refused, with these words, and nothing of what lies outside is told.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let run = self.run(arguments);
        run.expect(2, words);
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(!said.contains("hunter2") && !said.contains("error[volume"), "{said}");
    }
}

#[test]
fn a_found_configuration_writes_nothing_and_starts_nothing() {
    for (text, typed) in [
        ("output: [text=../outside/profile]", "--output text=../outside/profile"),
        ("output: [json, text=report.txt]", "--output text=report.txt"),
        ("output: html=link", "--output html=link"),
        ("changedSince: HEAD", "--changed-since HEAD"),
        ("old: .", "--old ."),
        ("old: [good.yaml]", "--old good.yaml"),
        ("namespace: kube-system", "--namespace kube-system"),
        ("namespace: kube-public", "--namespace kube-public"),
    ] {
        let place = Place::new(&[("stategate.yaml", &format!("profile: baseline\n{text}\n"))]);
        place.link("link", "../outside/profile");
        place.refuses(&["check", "good.yaml"], &["stategate.yaml:2:", "may not set this", typed, "--config"]);
        place.refuses(&["fix", "good.yaml"], &["stategate.yaml:2:"]);
        assert_eq!(fs::read_to_string(place.outside("profile")).unwrap(), "# a shell profile\n");
        assert!(!place.repository().join("report.txt").exists());
        place.run(&["check", "good.yaml", "--no-config"]).expect(0, &["(profile production)"]);
    }
    let place = Place::new(&[("stategate.yaml", "output: [json=report.json]\nchangedSince: HEAD\n")]);
    place.run(&["check", ".", "--config", "stategate.yaml"]).expect(0, &["0 objects checked"]);
    assert!(place.repository().join("report.json").exists(), "what --config names is the user's own word");
    let place = Place::new(&[("stategate.yaml", "allowRemote: true\n")]);
    place.refuses(&["check", "good.yaml"], &["stategate.yaml:1:1: there is no key", "type --allow-remote"]);
    let place = Place::new(&[("stategate.yaml", "output: json\n")]);
    place.run(&["check", "good.yaml"]).expect(0, &["\"kind\": \"CheckReport\""]);
}

#[test]
fn paths_of_a_found_configuration_stay_in_the_repository() {
    let place = Place::new(&[]);
    let absolute = place.outside("secret.yaml").display().to_string();
    place.link("link.yaml", "../outside/secret.yaml");
    place.link("directory", "../outside");
    place.link("config.yaml", ".git/config");
    place.pipe("pipe.yaml");
    for key in ["bindings", "values", "inventory", "known", "paths", "policies"] {
        for path in [
            "../outside/secret.yaml",
            "../outside",
            &absolute,
            "link.yaml",
            "directory",
            "directory/secret.yaml",
            "directory/new.yaml",
            "../new.yaml",
            "none/../../new.yaml",
            ".git/config",
            "config.yaml",
            "pipe.yaml",
            "-",
        ] {
            write(&place.repository(), "stategate.yaml", format!("\n{key}: {path:?}\n"));
            place.refuses(&["check", "."], &["stategate.yaml:2:", key, "command line"]);
        }
    }
    // Within it they are fine, and a flag is the user's own word.
    write(&place.repository(), "own/good.yaml", GOOD);
    write(&place.repository(), "stategate.yaml", "paths: [good.yaml, own]\ninventory: own\n");
    place.run(&["check"]).expect(0, &["4 objects checked"]);
    place.run(&["check", "--inventory", "../outside/pg.yaml"]).expect(0, &[]);
    place.run(&["check", "../outside/pg.yaml"]).expect(1, &["1 object checked"]);
}

#[test]
fn a_configuration_is_a_file_of_the_repository() {
    let place = Place::new(&[]);
    place.link("stategate.yaml", "../outside/secret.yaml");
    place.refuses(&["check", "."], &["stategate.yaml: leads out of", "--no-config"]);
    place.refuses(&["config", "show"], &["stategate.yaml: leads out of"]);
    fs::remove_file(place.repository().join("stategate.yaml")).unwrap();
    place.pipe("stategate.yaml");
    place.refuses(&["check", "."], &["stategate.yaml: is neither a regular file"]);
    place.run(&["check", "good.yaml", "--no-config"]).expect(0, &[]);
}

#[test]
fn git_runs_no_program_of_the_repository() {
    let attack = |files: &[(&str, &str)], settings: &[&str]| {
        let place = Place::new(files);
        let (program, mark) = place.program();
        for setting in settings {
            let (key, value) = setting.split_once('=').unwrap();
            place.git(&["config", key, &value.replace("PROGRAM", &program)]);
        }
        write(&place.repository(), "good.yaml", format!("# changed\n{GOOD}"));
        let run = place.run(&["check", ".", "--changed-since", "HEAD"]);
        run.expect(0, &["2 objects checked"]);
        assert!(!mark.exists(), "{settings:?} ran a program");
    };
    attack(&[], &["core.fsmonitor=PROGRAM"]);
    attack(&[], &["core.pager=PROGRAM", "pager.diff=PROGRAM"]);
    attack(&[], &["diff.external=PROGRAM"]);
    let attributes = [(".gitattributes", "*.yaml filter=x diff=x\n")];
    attack(&attributes, &["diff.x.command=PROGRAM", "diff.x.textconv=PROGRAM"]);
    attack(&attributes, &["filter.x.clean=PROGRAM", "filter.x.smudge=PROGRAM", "filter.x.required=true"]);
    attack(&attributes, &["filter.x.process=PROGRAM", "filter.x.required=true"]);
    let dotted = [(".gitattributes", "*.yaml filter=A.b-c\n")];
    attack(&dotted, &["filter.A.b-c.clean=PROGRAM"]);

    // A filter that a setting on the command line cannot name.
    let place = Place::new(&[(".gitattributes", "*.yaml filter=a=b\n")]);
    let (program, mark) = place.program();
    place.git(&["config", "filter.a=b.clean", &program]);
    write(&place.repository(), "good.yaml", format!("# changed\n{GOOD}"));
    place.refuses(&["check", ".", "--changed-since", "HEAD"], &["filter.a=b", "rename it"]);
    assert!(!mark.exists());
}

#[test]
fn git_runs_no_hook_and_writes_no_index() {
    let place = Place::new(&[]);
    let (program, mark) = place.program();
    let hook = place.repository().join(".git/hooks/post-index-change");
    fs::copy(program, &hook).unwrap();
    // The time of the file differs, its content does not: git would refresh the index.
    write(&place.repository(), "good.yaml", GOOD);
    place.run(&["check", ".", "--changed-since", "HEAD"]).expect(0, &[]);
    assert!(!mark.exists());
}

#[test]
fn a_directory_laid_out_like_a_repository_is_none() {
    let place = Place::new(&[]);
    let (program, mark) = place.program();
    let bare = place.repository().join("bare");
    place.git(&["clone", "--quiet", "--bare", ".", "bare"]);
    for (key, value) in
        [("core.bare", "false"), ("core.worktree", ".."), ("core.fsmonitor", program.as_str())]
    {
        git(&bare, &["--git-dir=.", "config", key, value]);
    }
    // With an index git would ask the monitor.
    git(&bare, &["--git-dir=.", "-c", "core.fsmonitor=", "read-tree", "HEAD"]);
    write(&bare, "pg.yaml", GOOD);
    let run = run_in(&bare, &["check", "pg.yaml", "--changed-since", "HEAD"]);
    run.expect(2, &["--changed-since needs a git repository"]);
    assert!(!mark.exists());

    // A whole repository whose configuration points elsewhere.
    place.git(&["config", "core.worktree", "../../outside"]);
    fs::create_dir(place.outside("repository")).unwrap();
    place.git(&["config", "core.worktree", "../.."]);
    place.refuses(
        &["check", ".", "--changed-since", "HEAD"],
        &["says that its files are in", "core.worktree"],
    );
}

#[test]
fn git_fetches_nothing() {
    let place = Place::new(&[]);
    let (program, mark) = place.program();
    let object = Command::new("git")
        .current_dir(place.repository())
        .args(["rev-parse", "HEAD:good.yaml"])
        .output()
        .unwrap();
    let id = String::from_utf8(object.stdout).unwrap().trim().to_owned();
    let (directory, file) = id.split_at(2);
    let object = place.repository().join(format!(".git/objects/{directory}/{file}"));
    fs::remove_file(object).unwrap();
    for (key, value) in [
        ("remote.evil.url", format!("ext::{program} %S")),
        ("remote.evil.promisor", "true".to_owned()),
        ("protocol.ext.allow", "always".to_owned()),
        ("core.repositoryFormatVersion", "1".to_owned()),
        ("extensions.partialClone", "evil".to_owned()),
    ] {
        place.git(&["config", key, &value]);
    }
    write(&place.repository(), "good.yaml", GOOD.replace("20Gi", "10Gi"));
    let run = place.run(&["check", ".", "--changed-since", "HEAD"]);
    run.expect(2, &["error: git"]);
    assert!(!mark.exists(), "{}", run.stderr);
}

#[test]
fn no_link_is_followed_out_of_the_tree() {
    let place = Place::new(&[("shop/good.yaml", GOOD)]);
    place.link("shop/inside.yaml", "../good.yaml");
    place.run(&["check", "shop"]).expect(0, &["4 objects checked"]);
    place.link("shop/link.yaml", "../../outside/secret.yaml");
    place.link("shop/link", "../../outside");
    place.link("shop/config.yaml", "../.git/config");
    place.link("shop/device.yaml", "/dev/zero");
    place.link("shop/notes.txt", "../../outside/profile");
    for (link, shown) in
        [("link.yaml", "shop/link.yaml"), ("link", "shop/link"), ("config.yaml", "shop/config.yaml")]
    {
        place.refuses(
            &["check", "shop"],
            &[link, shown, "leads out of", "--exclude", "4 files that cannot be read"],
        );
    }
    let excluded =
        ["check", "shop", "--exclude", "link*", "--exclude", "config.yaml", "--exclude", "device.yaml"];
    let run = place.run(&excluded);
    run.expect(0, &["4 objects checked"]);
    // What is named is read.
    place.run(&["check", "../outside/pg.yaml"]).expect(1, &["1 object checked"]);
    place.run(&["check", "shop/link"]).expect(1, &["--> shop/link/pg.yaml"]);
    place.link("pg.yaml", "../outside/pg.yaml");
    place.run(&["check", "pg.yaml"]).expect(1, &["--> pg.yaml"]);
}

#[test]
fn directories_of_flags_are_trees_too() {
    let place = Place::new(&[("old/good.yaml", GOOD)]);
    place.link("old/link.yaml", "../../outside/secret.yaml");
    place.refuses(&["check", "good.yaml", "--old", "old"], &["old/link.yaml", "leads out of"]);
    place.refuses(&["check", "good.yaml", "--inventory", "old"], &["old/link.yaml", "leads out of"]);
    place.refuses(&["check", "good.yaml", "--policies", "old"], &["old/link.yaml", "leads out of"]);
}

#[test]
fn pipes_stall_nothing() {
    for name in [".gitignore", ".stategateignore", "shop/.gitignore", "shop/.stategateignore"] {
        let place = Place::new(&[("shop/good.yaml", GOOD)]);
        let _ = fs::remove_file(place.repository().join(name));
        place.pipe(name);
        place.refuses(&["check", "shop"], &[name, "is neither a regular file", "--no-ignore"]);
        // Leaving out the ignore file must not leave out what lies beside it.
        place.refuses(&["check", "shop", "--exclude", name], &["is neither a regular file"]);
        place.run(&["check", "shop", "--no-ignore"]).expect(0, &["2 objects checked"]);
    }
    let place = Place::new(&[]);
    place.link("shop/.gitignore", "../../outside/secret.yaml");
    place.refuses(&["check", "."], &["shop/.gitignore", "leads out of"]);
    place.pipe("pipe");
    place.refuses(
        &["check", "good.yaml", "--bindings", "pipe"],
        &["pipe: cannot be read", "nobody has written"],
    );
}

#[test]
fn what_the_shell_hands_over_is_read() {
    let place = Place::new(&[]);
    let program = env!("CARGO_BIN_EXE_stategate");
    let script = format!(
        "{program} check good.yaml <(sleep 1; cat ../outside/pg.yaml) -o json=>(cat >report.json; :)"
    );
    let run = Command::new("bash").current_dir(place.repository()).args(["-c", &script]).output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(String::from_utf8_lossy(&run.stdout).contains("3 objects checked"), "{run:?}");
}

#[test]
fn nothing_is_written_through_a_link() {
    let place = Place::new(&[]);
    place.link("out.sarif", "../outside/profile");
    place.link("new.sarif", "../outside/new");
    place.link("reports", "../outside");
    place.link("known.json", "../outside/profile");
    place.link("hook.json", ".git/hooks/pre-commit");
    for output in ["out.sarif", "new.sarif", "reports/profile", "reports/new", "hook.json"] {
        let output = format!("json={output}");
        place.refuses(&["check", "good.yaml", "-o", &output], &["cannot write ", "link"]);
    }
    place.refuses(&["check", "good.yaml", "--known", "known.json", "--write-known"], &["leads out of"]);
    assert_eq!(fs::read_to_string(place.outside("profile")).unwrap(), "# a shell profile\n");
    assert!(!place.outside("new").exists() && !place.repository().join(".git/hooks/pre-commit").exists());

    // Known findings replace known findings only.
    write(&place.repository(), "stategate.yaml", "known: good.yaml\n");
    place.refuses(&["check", "good.yaml", "--write-known"], &["good.yaml", "was not overwritten"]);
    assert_eq!(fs::read_to_string(place.repository().join("good.yaml")).unwrap(), GOOD);

    // A link within the repository is a way like any other.
    place.link("in.json", "report.json");
    write(&place.repository(), "report.json", "");
    place.run(&["check", "good.yaml", "--no-config", "-o", "json=in.json"]).expect(0, &[]);
    assert!(fs::read_to_string(place.repository().join("report.json")).unwrap().starts_with('{'));
}

#[test]
fn fix_changes_no_file_elsewhere() {
    let place = Place::new(&[]);
    place.link("link.yaml", "../outside/pg.yaml");
    place.link("directory", "../outside");
    for path in [".", "link.yaml", "directory/pg.yaml", "directory"] {
        let run = place.run(&["fix", path, "--write"]);
        run.expect(2, &["leads out of"]);
        assert_eq!(fs::read_to_string(place.outside("pg.yaml")).unwrap(), NAIVE, "{path}");
    }
    place.run(&["fix", "../outside/pg.yaml", "--write"]).expect(0, &["fixed: "]);
    assert_ne!(fs::read_to_string(place.outside("pg.yaml")).unwrap(), NAIVE);
}

#[test]
fn nothing_is_fetched_to_render() {
    for (text, line) in [
        ("resources: [https://example.invalid/x.yaml]", 1),
        ("resources:\n- good.yaml\n- github.com/org/repo//base?ref=v1", 3),
        ("Resources: [git@example.invalid:org/repo]", 1),
        ("bases: ['git::example.invalid/org/repo']", 1),
        ("components: ['ssh://git@example.invalid/org/repo']", 1),
        ("resources: [example.invalid/org/repo?ref=main]", 1),
        ("resources: ['file:///etc']", 1),
        ("openapi: {path: 'http://example.invalid/x'}", 1),
        ("configMapGenerator:\n- name: x\n  files: ['a=https://example.invalid/x']", 3),
        ("secretGenerator:\n- name: x\n  envs: ['https://example.invalid/x?a=b']", 3),
        ("patches:\n- path: https://example.invalid/x", 2),
        ("replacements: [{path: 'https://example.invalid/x'}]", 1),
        ("crds: ['https://example.invalid/x']", 1),
        ("transformers:\n- |\n  kind: PatchTransformer\n  path: https://example.invalid/x", 3),
        ("generators: ['{kind: ConfigMapGenerator, files: [\"https://example.invalid/x\"]}']", 1),
        ("transformers: [plugin.yaml]", 1),
        ("resources: [../base]", 1),
    ] {
        let place = Place::new(&[
            ("shop/kustomization.yaml", text),
            ("shop/good.yaml", GOOD),
            ("shop/plugin.yaml", "kind: PatchTransformer\npath: https://example.invalid/x\n"),
            ("base/Kustomization", "resources: [https://example.invalid/x]\n"),
        ]);
        let run = place.run(&["check", "shop"]);
        run.expect(2, &["--allow-remote"]);
        let told =
            run.stdout.contains("would be fetched") || run.stdout.contains("there is no example.invalid");
        assert!(told, "{text}:\n{}", run.stdout);
        let nested = text.contains("plugin.yaml") || text.contains("../base");
        let here = run.stdout.contains(&format!("shop/kustomization.yaml:{line}:"));
        assert!(here || nested, "{}", run.stdout);
        assert!(!run.stdout.contains("cannot render it"), "nothing was run: {}", run.stdout);
    }
    let place = Place::new(&[
        ("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("c/templates/good.yaml", GOOD),
    ]);
    let values = ["check", "c", "--values", "https://example.invalid/values.yaml"];
    place.refuses(&values, &["--values", "would be fetched", "--allow-remote"]);
}

#[test]
fn nothing_outside_is_rendered() {
    for (file, target) in [
        ("shop/kustomization.yaml", "../../outside/secret.yaml"),
        ("shop/Kustomization", "/dev/zero"),
        ("shop/x.yaml", "../../outside/secret.yaml"),
    ] {
        let place = Place::new(&[]);
        if file.ends_with("x.yaml") {
            write(&place.repository(), "shop/kustomization.yaml", "resources: [x.yaml]\n");
        }
        place.link(file, target);
        place.refuses(&["check", "shop"], &["leads out of"]);
    }
    let place = Place::new(&[
        ("a/kustomization.yaml", "resources: [../../outside/base]\n"),
        ("b/kustomization.yaml", "resources: [link]\n"),
        ("c/kustomization.yaml", "resources: [pipe]\n"),
        ("d/kustomization.yaml", "resources: [../e]\n"),
        ("e/kustomization.yaml", "resources: [../../outside/base]\n"),
    ]);
    write(place.0.path(), "outside/base/kustomization.yaml", "resources: [pg.yaml]\n");
    write(place.0.path(), "outside/base/pg.yaml", NAIVE);
    place.pipe("c/pipe");
    place.link("b/link", "../../outside/base");
    for (directory, told) in [
        ("a/kustomization.yaml", "a/kustomization.yaml:1:13"),
        ("b/kustomization.yaml", "b/kustomization.yaml:1:13"),
        ("c", "pipe is neither a regular file nor a directory"),
        ("d", "e/kustomization.yaml:1:13"),
    ] {
        place.refuses(&["check", directory], &[told]);
    }
    // Helm follows links, and reads every file of a chart.
    for (link, target) in [("c/leak", "../../outside/secret.yaml"), ("c/.hidden/leak", "../../../outside")] {
        let chart =
            [("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"), ("c/templates/x.yaml", GOOD)];
        let place = Place::new(&chart);
        place.link(link, target);
        place.refuses(&["check", "c"], &[link, "leads out of", "--no-render"]);
        fs::remove_file(place.repository().join(link)).unwrap();
        place.pipe(link);
        place.refuses(&["check", "c"], &[link, "is neither a regular file"]);
    }
}

#[test]
fn without_git_the_tree_is_that_of_the_run() {
    let outer = tempfile::tempdir().unwrap();
    let files = [("tree/prod/kustomization.yaml", "resources: [../base]\n"), ("base/pg.yaml", NAIVE)];
    files.iter().for_each(|(name, text)| drop(write(outer.path(), name, text)));
    write(outer.path(), "tree/base/kustomization.yaml", "resources: [../../base/pg.yaml]\n");
    let run = run_in(&outer.path().join("tree"), &["check", "."]);
    run.expect(2, &["base/kustomization.yaml:1:13", "leads out of"]);
    symlink("../base/pg.yaml", outer.path().join("tree/link.yaml")).unwrap();
    run_in(&outer.path().join("tree"), &["fix", "link.yaml", "--write"]).expect(2, &["through a link"]);
}

#[test]
fn what_a_repository_leaves_out_is_in_the_summary() {
    let off = "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: x}\n\
        spec: {policies: {ids: [volume-no-emptydir-data, pdb-present]}, override: true, action: off, match: {excludedNamespaces: [other]}}\n\
        ---\napiVersion: stategate.io/v1alpha1\nkind: PolicyException\nmetadata: {name: later}\n\
        spec: {policies: [backup-declared], match: {}, reason: until the migration}\n";
    let loose = "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: p}\n\
        spec: {policies: {ids: [termination-grace-period]}, override: true, parameters: {termination-grace-period: {min_seconds_other: 1}}}\n";
    let chart = "apiVersion: v2\nname: c\nversion: 1.0.0\n";
    for (config, parts) in [
        ("bindings: own/b.yaml", vec!["; 3 policies are waived by ./stategate.yaml"]),
        ("profile: baseline", vec!["are made milder by ./stategate.yaml"]),
        ("exclude: ['*']", vec!["0 objects checked", "; 5 files are excluded by ./stategate.yaml"]),
        ("exclude: ['good.*']", vec!["; 1 file is excluded by ./stategate.yaml"]),
        (
            "paths: [c, good.yaml]\nnoRender: true",
            vec!["; what is read is limited to 2 paths by ./stategate.yaml"],
        ),
        ("paths: .\nnamespace: shop", vec!["; the namespace is set to shop by ./stategate.yaml"]),
        ("bindings: own/p.yaml", vec!["; the parameters of 1 policy are changed by ./stategate.yaml"]),
        ("noRender: true", vec!["; 1 chart is left out by ./stategate.yaml"]),
    ] {
        let files =
            [("stategate.yaml", config), ("own/b.yaml", off), ("own/p.yaml", loose), ("c/Chart.yaml", chart)];
        let place = Place::new(&files);
        let all: &[&str] = if config.contains("paths") { &["check"] } else { &["check", "."] };
        let run = place.run(all);
        let summary = run.stdout.lines().last().unwrap_or_default();
        for part in parts {
            assert!(summary.contains(part), "{config}: {part}: {}\n{}", run.stdout, run.stderr);
        }
        let plain = place.run(&["check", ".", "--no-config", "--no-render"]);
        assert!(
            !plain.stdout.contains("stategate.yaml; ") && !plain.stdout.contains(" by ./"),
            "{}",
            plain.stdout
        );
        let named = place.run(&["check", ".", "--config", "stategate.yaml", "--no-render"]);
        assert!(!named.stdout.contains(" by ./"), "a file that the user names is no news: {}", named.stdout);
    }
    let place = Place::new(&[("stategate.yaml", "bindings: b.yaml\n"), ("b.yaml", off)]);
    let json = place.run(&["check", "good.yaml", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["relaxed"], serde_json::json!(["3 policies are waived by ./stategate.yaml"]));
    for format in ["github", "sarif", "html"] {
        let run = place.run(&["check", "good.yaml", "-o", format]);
        run.expect(0, &["3 policies are waived by"]);
    }
    let place =
        Place::new(&[(".stategateignore", "*\n!good.yaml\n"), ("pg.yaml", NAIVE), ("x/pg.yaml", NAIVE)]);
    place.run(&["check", "."]).expect(0, &["; 2 files are excluded by .stategateignore\n"]);
    let run = place.run(&["check", ".", "--no-ignore"]);
    assert!(!run.stdout.contains("excluded by"), "{}", run.stdout);
}

#[test]
fn policies_that_replace_shipped_ones_are_in_the_summary() {
    let path = "storage/volume_no_emptydir_data/volume_no_emptydir_data.rego";
    let shipped =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(path)).unwrap();
    let own = format!("own/{path}");
    let place = Place::new(&[("stategate.yaml", "policies: own\n"), (&own, &format!("{shipped}\n"))]);
    place.run(&["check", "good.yaml"]).expect(0, &["; 1 shipped file is replaced by ./stategate.yaml"]);
    write(&place.repository(), &own, shipped);
    let same = place.run(&["check", "good.yaml"]);
    assert!(!same.stdout.contains("replaced"), "{}", same.stdout);
}

#[test]
fn no_name_hides_from_the_look_before_rendering() {
    let url = "https://example.invalid/x";
    let plugin =
        |text: &str| format!("apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {{name: x}}\n{text}");
    let fetches = plugin(&format!("files: [a={url}]\n"));
    let list = format!(
        "kind: List\nitems:\n- kind: List\n  items:\n  - kind: ConfigMapGenerator\n    envs: [{url}]\n"
    );
    let second = "generators:\n- |\n  kind: ConfigMapGenerator\n  ---\n  kind: ConfigMapGenerator\n  files: [a=https://example.invalid/x]\n";
    for (kustomization, files) in [
        (
            "generators: [.g]",
            vec![(".g/kustomization.yaml", "resources: [plug.yaml]"), (".g/plug.yaml", &*fetches)],
        ),
        (
            "transformers: [.g]",
            vec![
                (".g/kustomization.yaml", "bases: [../.h]"),
                (".h/Kustomization", "resources: [p.yaml]"),
                (".h/p.yaml", &*fetches),
            ],
        ),
        ("validators: [p.yaml]", vec![("p.yaml", &*list)]),
        (second, vec![]),
        ("patchesStrategicMerge: ['https://example.invalid/?: x']", vec![]),
        ("generators: ['example.invalid/org/repo?ref=main']", vec![]),
    ] {
        let place = Place::new(&[("app/kustomization.yaml", kustomization)]);
        for (name, text) in files {
            write(&place.repository(), &format!("app/{name}"), text);
        }
        let run = place.run(&["check", "app"]);
        run.expect(2, &["--allow-remote"]);
        assert!(!run.stdout.contains("cannot render it"), "nothing was run: {}", run.stdout);
    }
    // What changes a configuration decides what it reads.
    let place = Place::new(&[
        ("app/kustomization.yaml", "generators: [.g]"),
        ("app/.g/kustomization.yaml", "resources: [p.yaml]\nnamePrefix: x-\n"),
        ("app/.g/p.yaml", &plugin("literals: [a=b]\n")),
    ]);
    place.refuses(&["check", "app"], &["app/.g/kustomization.yaml:2:1", "changes the configurations"]);
    // Kustomize itself reads names with line breaks.
    let outside = "resources: [\"../.a\\nb\"]\n";
    let place = Place::new(&[
        ("app/kustomization.yaml", outside),
        (
            ".a\nb/kustomization.yaml",
            &format!("resources: [good.yaml]\nconfigMapGenerator: [{{name: x, files: ['{url}']}}]"),
        ),
        (".a\nb/good.yaml", GOOD),
    ]);
    place.refuses(&["check", "app"], &["would be fetched"]);
    let place = Place::new(&[("app/kustomization.yaml", "resources: [\".x\\ny\"]\n")]);
    place.link("app/.x\ny", "../../outside");
    write(place.0.path(), "outside/kustomization.yaml", "resources: [pg.yaml]\n");
    place.refuses(&["check", "app"], &["app/kustomization.yaml:1:13", "leads out of"]);
}

#[test]
fn links_within_the_tree_end() {
    let place = Place::new(&[]);
    for number in 0..24 {
        for name in ["a", "b"] {
            place.link(&format!("d{number:02}/{name}"), &format!("../d{:02}", number + 1));
        }
    }
    write(&place.repository(), "d24/pg.yaml", NAIVE);
    place.link("aa", "d24");
    place.run(&["check", "."]).expect(1, &["3 objects checked", "--> d24/pg.yaml"]);
    place.run(&["check", "d00"]).expect(1, &["1 object checked", "--> d00/a/a/"]);
    // A link cannot hide what has a name of its own.
    write(&place.repository(), ".stategateignore", "aa/*\n");
    place.run(&["check", "."]).expect(1, &["3 objects checked"]);
}

#[test]
fn no_pipe_of_the_repository_is_written_or_asked() {
    let place = Place::new(&[]);
    place.pipe("k.json");
    place.refuses(
        &["check", "good.yaml", "-o", "json=k.json"],
        &["cannot write", "k.json: is not a regular file"],
    );
    for name in [".gitattributes", "other/.gitattributes", "other/.gitignore", ".gitmodules"] {
        let place = Place::new(&[("shop/good.yaml", GOOD), ("other/good.yaml", GOOD)]);
        place.pipe(name);
        place.refuses(&["check", "shop", "--changed-since", "HEAD"], &[name, "git would wait for it"]);
    }
    // A pipe of the user's own.
    let pipe = place.outside("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = Command::new("cat").arg(&pipe).stdout(std::process::Stdio::piped()).spawn().unwrap();
    place.run(&["check", "good.yaml", "-o", &format!("json={}", pipe.display())]).expect(0, &[]);
    let read = reader.wait_with_output().unwrap();
    assert!(read.stdout.starts_with(b"{"), "{read:?}");
}

/// Runs with a helm that is older than 3.16.
fn run_with_old_helm(place: &Place, arguments: &[&str]) -> Run {
    let helm = write(
        place.0.path(),
        "bin/helm",
        "#!/bin/sh\ncase \"$*\" in\n*--skip-schema-validation*) echo 'Error: unknown flag: --skip-schema-validation' >&2; exit 1 ;;\nesac\ncat \"$2/templates/good.yaml\" 2>/dev/null || cat \"$3/templates/good.yaml\"\n",
    );
    fs::set_permissions(&helm, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", helm.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = Command::new(env!("CARGO_BIN_EXE_stategate"))
        .current_dir(place.repository())
        .env("PATH", path)
        .args(arguments)
        .output()
        .unwrap();
    Run {
        code: run.status.code().unwrap(),
        stdout: String::from_utf8(run.stdout).unwrap(),
        stderr: String::from_utf8(run.stderr).unwrap(),
    }
}

#[test]
fn charts_that_read_nothing_elsewhere_are_rendered() {
    let chart = "apiVersion: v2\nname: c\nversion: 1.0.0\n";
    let place = Place::new(&[("Chart.yaml", chart), ("templates/good.yaml", GOOD)]);
    fs::remove_file(place.repository().join("good.yaml")).unwrap();
    let check = || run_with_old_helm(&place, &["check", "."]);
    check().expect(0, &["2 objects checked"]);
    // git's own files, and what else helm does not read.
    place.link(".git/leak", "../../outside/secret.yaml");
    check().expect(2, &["leads out of", "--> ./.git/leak", ".helmignore"]);
    place.link("run/leak", "../../outside/secret.yaml");
    write(&place.repository(), ".helmignore", "# Patterns\n.git/\nrun/\n*.bak\n");
    check().expect(0, &["2 objects checked"]);
    write(&place.repository(), ".helmignore", ".git/\nrun/\n!x\n");
    check().expect(2, &["leads out of"]);
    write(&place.repository(), ".helmignore", ".git/\nrun\n");
    for name in ["values.schema.json", "charts/x/values.schema.json", "charts/x-1.0.0.tgz"] {
        let file = write(&place.repository(), name, "{}");
        check().expect(2, &["older than 3.16", "--> ."]);
        fs::remove_file(file).unwrap();
    }
    check().expect(0, &[]);
}

#[test]
fn files_of_a_library_chart_are_counted() {
    let place = Place::new(&[
        ("lib/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\ntype: library\n"),
        ("lib/values.yaml", "a: 1\n"),
        ("lib/templates/pg.yaml", NAIVE),
    ]);
    place.run(&["check", "."]).expect(0, &["; 1 file is left out as part of a library chart\n"]);
}

#[test]
fn tracked_files_that_git_ignores_are_in_the_summary() {
    let place = Place::new(&[
        ("pg.yaml", NAIVE),
        ("build/pg.yaml", NAIVE),
        (".hidden/pg.yaml", NAIVE),
        ("x.txt", ""),
    ]);
    write(&place.repository(), ".gitignore", "pg*\nbuild/\nout/\nx.txt\n");
    write(&place.repository(), "out/pg.yaml", NAIVE);
    place
        .run(&["check", "."])
        .expect(0, &["2 objects checked", "; 2 tracked files are excluded by .gitignore\n"]);
    place.run(&["check", "build/..", "."]).expect(0, &["; 2 tracked files are excluded"]);
    place.run(&["check", "."]).expect(0, &["; 2 tracked files are excluded"]);
    // One file, told once.
    write(&place.repository(), ".gitignore", "build/\n");
    write(&place.repository(), ".stategateignore", "/pg.yaml\n");
    fs::remove_file(place.repository().join("out/pg.yaml")).unwrap();
    place.run(&["check", "."]).expect(
        0,
        &["; 1 tracked file is excluded by .gitignore", "; 1 file is excluded by .stategateignore"],
    );
    place.link("live", "build");
    place.run(&["check", "."]).expect(1, &["--> live/pg.yaml"]);
    let all = place.run(&["check", ".", "--no-ignore"]);
    assert!(!all.stdout.contains("tracked"), "{}", all.stdout);
}
