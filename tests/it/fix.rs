//! `stategate fix`: files are fixed, and nothing else in them changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{GOOD, NAIVE, Run, directory, stategate, stategate_with, write};

/// The patches of the production profile.
const FIXED: &str =
    "anti-affinity-required, min-ready-seconds, termination-grace-period, topology-spread-zone";

fn naive() -> (tempfile::TempDir, String) {
    let directory = directory(&[("shop/pg.yaml", NAIVE)]);
    let file = directory.path().join("shop/pg.yaml").to_str().unwrap().to_owned();
    (directory, file)
}

fn in_directory(directory: &Path, program: &str, arguments: &[&str], stdin: &str) -> Run {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("RUST_LIB_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn json(arguments: &[&str]) -> Value {
    let run = stategate(&[&["check", "-o", "json"], arguments].concat());
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr))
}

#[test]
fn a_good_file_is_left_as_it_is() {
    let directory = directory(&[("good.yaml", GOOD)]);
    let file = directory.path().join("good.yaml");
    let file = file.to_str().unwrap();
    for arguments in [&["fix", file][..], &["fix", file, "--write"]] {
        let run = stategate(arguments);
        run.expect(0, &[]);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
        assert_eq!(fs::read_to_string(file).unwrap(), GOOD);
    }
    assert_eq!(stategate_with(&["fix", "-", "--write"], GOOD).stdout, GOOD);
}

#[test]
fn the_diff_is_one_that_git_and_patch_take() {
    let (directory, file) = naive();
    let binary = env!("CARGO_BIN_EXE_stategate");
    let run = in_directory(directory.path(), binary, &["fix", "shop"], "");
    run.expect(
        1,
        &[
            "--- a/shop/pg.yaml\n+++ b/shop/pg.yaml\n@@ ",
            FIXED,
            "findings left to fix by hand",
            "can be fixed",
        ],
    );
    assert!(!run.stdout.contains('\u{1b}'), "colours in a pipe");
    assert_eq!(fs::read_to_string(&file).unwrap(), NAIVE, "nothing is written without --write");
    in_directory(directory.path(), "git", &["apply", "-"], &run.stdout).expect(0, &[]);
    let applied = fs::read_to_string(&file).unwrap();
    assert_ne!(applied, NAIVE);

    write(directory.path(), "shop/pg.yaml", NAIVE);
    stategate(&["fix", "--write", &file]).expect(0, &["fixed: ", FIXED]);
    assert_eq!(fs::read_to_string(&file).unwrap(), applied, "--write writes what the diff shows");
    if let Ok(patch) = Command::new("patch").arg("--version").output()
        && patch.status.success()
    {
        write(directory.path(), "shop/pg.yaml", NAIVE);
        in_directory(directory.path(), "patch", &["-p1"], &run.stdout).expect(0, &[]);
        assert_eq!(fs::read_to_string(&file).unwrap(), applied);
    }
}

#[test]
fn what_is_fixed_is_what_the_webhook_would_have_stored() {
    let (_directory, file) = naive();
    stategate(&["fix", "--write", &file]).expect(0, &[]);
    let fixed = fs::read_to_string(&file).unwrap();
    assert!(!fixed.contains("stategate.io/mutated-by"), "{fixed}");
    // The webhook has nothing left to add, and a second run changes nothing.
    assert_eq!(json(&[&file])["patches"], Value::Array(Vec::new()));
    let again = stategate(&["fix", "--write", &file]);
    again.expect(0, &[]);
    assert!(!again.stderr.contains("fixed"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), fixed);
}

#[test]
fn at_admission_nothing_of_it_is_patched_that_belongs_in_files() {
    let review = |webhook| {
        let request = serde_json::json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "1", "operation": "CREATE", "name": "gp3",
                "kind": {"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"},
                "resource": {"group": "storage.k8s.io", "version": "v1", "resource": "storageclasses"},
                "object": {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gp3"}, "provisioner": "ebs.csi.aws.com"},
            },
        });
        let directory = directory(&[("review.json", &request.to_string())]);
        let file = directory.path().join("review.json");
        stategate(&["review", "--webhook", webhook, file.to_str().unwrap()]).stdout
    };
    assert!(review("validate").contains("storageclass-allow-expansion"));
    assert!(!review("mutate").contains("patch"), "{}", review("mutate"));
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: gp3}\nprovisioner: ebs.csi.aws.com\n";
    let fixed = stategate_with(&["fix", "-", "--write", "--policy", "storageclass_allow_expansion"], class);
    assert_eq!(fixed.stdout, format!("{class}allowVolumeExpansion: true\n"));
}

#[test]
fn one_policy_may_be_chosen() {
    let run = stategate_with(&["fix", "-", "--write", "--policy", "min-ready-seconds"], NAIVE);
    run.expect(0, &["StatefulSet shop/pg: fixed: min-ready-seconds\n"]);
    assert_eq!(run.stdout, format!("{NAIVE}  minReadySeconds: 10\n"));
    assert!(!run.stderr.contains("left to fix by hand"), "{}", run.stderr);
    let unknown = stategate_with(&["fix", "-", "--policy", "min-ready-second"], NAIVE);
    unknown.expect(2, &["there is no policy min-ready-second", "did you mean min-ready-seconds?"]);
}

#[test]
fn what_cannot_be_changed_safely_is_said() {
    let shared = NAIVE.replace("    spec:\n      containers:", "    spec: &pod\n      containers:");
    let text = format!("{shared}---\nx: 1\n");
    stategate_with(&["fix", "-"], &text).expect(1, &["can be fixed"]);
    let used =
        NAIVE.replace("    spec:\n      containers:", "    spec: &pod\n      containers:") + "x-copy: *pod\n";
    let run = stategate_with(&["fix", "-"], &used);
    run.expect(
        1,
        &[
            "StatefulSet shop/pg is unchanged (",
            "what is anchored here is used in line",
            "change by hand: ",
            "spec.template.spec.terminationGracePeriodSeconds: 60",
        ],
    );
    assert_eq!(run.stdout, "");
}

#[test]
fn one_broken_file_does_not_stop_the_others() {
    let directory = directory(&[("a.yaml", NAIVE), ("b.yaml", "kind: [1\n"), ("c/d.yaml", NAIVE)]);
    let all = directory.path().to_str().unwrap();
    let twice = directory.path().join("c/../a.yaml");
    let run = stategate(&["fix", "--write", all, twice.to_str().unwrap()]);
    run.expect(2, &["b.yaml:"]);
    assert_eq!(run.stderr.matches(": fixed: ").count(), 2, "{}", run.stderr);
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{}", run.stderr);
    let texts = ["a.yaml", "c/d.yaml"].map(|file| fs::read_to_string(directory.path().join(file)).unwrap());
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[0], NAIVE);
    let names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "nothing is left behind: {names:?}");
}

#[test]
fn nothing_to_judge_is_an_error() {
    stategate_with(&["fix", "-"], "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
        .expect(2, &["nothing to fix"]);
    stategate(&["fix", "/no/such/file.yaml"]).expect(2, &["cannot be read"]);
}

#[test]
fn templates_are_the_place_for_what_helm_made() {
    let rendered = format!("---\n# Source: shop/templates/pg.yaml\n{NAIVE}");
    stategate_with(&["fix", "-"], &rendered)
        .expect(1, &["--- a/stdin", "note: Helm rendered this from shop/templates/pg.yaml"]);
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let (directory, file) = naive();
    let link = directory.path().join("link.yaml");
    symlink(&file, &link).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    stategate(&["fix", "--write", link.to_str().unwrap()]).expect(0, &["fixed: "]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_ne!(fs::read_to_string(&file).unwrap(), NAIVE);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);

    write(directory.path(), "shop/pg.yaml", NAIVE);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
    let run = stategate(&["fix", "--write", &file]);
    run.expect(2, &["pg.yaml: is read-only"]);
    assert!(!run.stderr.contains("fixed: "), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), NAIVE);
}

#[test]
fn other_forms_of_files_are_fixed_in_their_form() {
    let crlf = NAIVE.replace('\n', "\r\n");
    let fixed = stategate_with(&["fix", "-", "--write"], &crlf).stdout;
    assert!(
        fixed.contains("minReadySeconds: 10\r\n") && !fixed.replace("\r\n", "").contains('\n'),
        "{fixed:?}"
    );

    let utf16: Vec<u8> =
        std::iter::once(0xfeff).chain(NAIVE.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let directory = directory(&[]);
    let file = write(directory.path(), "wide.yaml", &utf16);
    stategate(&["fix", "--write", file.to_str().unwrap()]).expect(2, &["is in UTF-16"]);
    assert_eq!(fs::read(&file).unwrap(), utf16);

    let list = serde_json::json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClassList",
        "items": [{"metadata": {"name": "a"}, "provisioner": "ebs.csi.aws.com"}, {"metadata": {"name": "b"}, "provisioner": "pd.csi.storage.gke.io"}],
    });
    let text = serde_json::to_string_pretty(&list).unwrap();
    let fixed = stategate_with(&["fix", "-", "--write"], &text).stdout;
    let mut wanted = list;
    for item in wanted["items"].as_array_mut().unwrap() {
        item["allowVolumeExpansion"] = true.into();
    }
    assert_eq!(serde_json::from_str::<Value>(&fixed).unwrap(), wanted);
}

const OWN: &str = "# METADATA
# title: Pods of one member start at once
# description: Shows where patches are applied.
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps]}
#   patches: WHERE
#   fix: None.
package stategate.mine.own

violation contains v if {
	input.workload.min_ready_seconds != 42
	v := {\"msg\": \"not 42\"}
}

patch contains p if {
	p := {\"op\": \"add\", \"path\": [\"spec\", \"minReadySeconds\"], \"value\": 42}
}
";

#[test]
fn a_policy_says_where_its_patches_belong() {
    let own = |text: &str| directory(&[("mine/own/own.rego", text), ("good.yaml", GOOD)]);
    let run = |directory: &tempfile::TempDir, command: &[&str]| {
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let flags = ["--policies", &path(""), "--no-catalogue", &path("good.yaml")];
        stategate(&[command, &flags].concat())
    };
    let in_files = own(&OWN.replace("WHERE", "fix"));
    run(&in_files, &["check"]).expect(0, &["not 42"]);
    run(&in_files, &["fix"]).expect(1, &["+  minReadySeconds: 42", "can be fixed: own"]);
    let at_admission = own(&OWN.replace("WHERE", "admission"));
    run(&at_admission, &["check"]).expect(0, &["own would complete"]);
    run(&at_admission, &["fix"]).expect(1, &["+  minReadySeconds: 42"]);
    let elsewhere = own(&OWN.replace("WHERE", "sometimes"));
    run(&elsewhere, &["check"]).expect(2, &["own.rego:8:", "sometimes"]);
    let (nothing, _) = OWN.split_once("patch contains").unwrap();
    let nothing = own(&nothing.replace("WHERE", "fix"));
    run(&nothing, &["check"]).expect(2, &["says `patches: fix` and has no `patch` rule"]);
}

/// The comments of a file whose strings contain no number sign.
fn comments(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.split_once('#').filter(|(head, _)| head.is_empty() || head.ends_with(' ')))
        .map(|(_, comment)| comment)
        .collect()
}

fn yaml_files_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

/// Covers every example of the policies that patch, one that is refused or warned about of each other policy, and every
/// fixture, each as a separate bundle.
#[test]
fn every_example_and_fixture_is_fixed_for_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for below in ["policies", "tests/fixtures/suites", "tests/fixtures/manifests"] {
        yaml_files_below(&root.join(below), &mut files);
    }
    let wanted = |path: &PathBuf| {
        let (name, text) = (path.file_name().unwrap().to_str().unwrap(), path.to_str().unwrap());
        let example = text.contains("/examples/") && (name.starts_with("deny_") || name.starts_with("warn_"));
        (example || text.contains("/fixtures/")) && !name.ends_with(".old.yaml")
    };
    files.retain(wanted);
    files.sort();
    let mut folders = BTreeSet::new();
    files.retain(|path| {
        let folder = path.parent().and_then(Path::parent).unwrap();
        let rego = folder.join(folder.file_name().unwrap()).with_extension("rego");
        let patches = fs::read_to_string(rego).map_or(true, |text| text.contains("\npatch"));
        patches || folders.insert(folder.to_owned())
    });
    assert!(files.len() > 150, "the examples were not found");
    let (mut fixed_by, mut faults) = (BTreeSet::new(), String::new());
    let next = std::sync::atomic::AtomicUsize::new(0);
    let results = std::sync::Mutex::new((&mut fixed_by, &mut faults));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let (policies, fault) = fixed_for_good(file);
                    let mut results = results.lock().unwrap();
                    results.0.extend(policies);
                    if !fault.is_empty() {
                        *results.1 += &format!("{}: {fault}\n", file.display());
                    }
                }
            });
        }
    });
    assert!(faults.is_empty(), "\n{faults}");
    assert!(fixed_by.len() >= 12, "{fixed_by:?}");
}

const SOFT: &str = "
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: soft}
spec: {policies: {ids: [anti-affinity-required]}, override: true, mutate: true}
";

/// The policies that fix a file, and what is wrong with the result.
fn fixed_for_good(file: &Path) -> (Vec<String>, String) {
    let before = fs::read_to_string(file).unwrap();
    // An AdmissionReview is not a manifest.
    if before.contains("kind: AdmissionReview") {
        return (Vec::new(), String::new());
    }
    let directory = directory(&[("x.yaml", &before)]);
    let copy = directory.path().join("x.yaml");
    let copy = copy.to_str().unwrap();
    // The regulated profile binds every policy; but it requires hard anti-affinity, which no patch adds.
    let soft = write(directory.path(), "soft.yml", SOFT);
    let regulated = ["--profile", "regulated", "--bindings", soft.to_str().unwrap()];
    let run = stategate(&[&["fix", "--write", copy][..], &regulated].concat());
    let after = fs::read_to_string(copy).unwrap();
    let policies: Vec<String> = run
        .stderr
        .lines()
        .filter_map(|line| line.split_once(": fixed: "))
        .flat_map(|(_, policies)| policies.split(", ").map(str::to_owned))
        .collect();
    if run.stderr.contains("nothing to fix") {
        return (policies, String::new());
    }
    let mut fault = String::new();
    if run.code != 0 {
        fault += &format!("exit code {}: {}", run.code, run.stderr);
    }
    if policies.is_empty() && after != before {
        fault += "changed by nobody";
    }
    let (old, new) = (comments(&before), comments(&after));
    let mut rest = new.iter();
    if !old.iter().all(|comment| rest.any(|other| other == comment)) {
        fault += &format!("comments are lost: {old:?} {new:?}");
    }
    // The fixtures cover these patches often enough.
    let usual = ["anti-affinity-required", "min-ready-seconds", "topology-spread-zone"];
    let shown = file.to_str().unwrap().contains("/fixtures/");
    if shown || policies.iter().any(|policy| !usual.contains(&policy.as_str())) {
        let report = json(&[&["--fail-on", "audit", copy][..], &regulated].concat());
        for finding in report["findings"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let object = &finding["object"];
            let names = [text(&object["namespace"]), text(&object["name"])].join("/");
            let object = format!("{} {}: fixed: ", text(&object["kind"]), names.trim_start_matches('/'));
            let policy = text(&finding["policy"]);
            let fixers =
                run.stderr.lines().find_map(|line| line.split_once(&object)).map_or("", |(_, ids)| ids);
            if fixers.split(", ").any(|fixer| fixer == policy) {
                fault += &format!("{object}{policy}, which still finds: {}", finding["message"]);
            }
        }
        if file.to_str().unwrap().contains("/fixtures/") {
            let again = stategate(&[&["fix", copy][..], &regulated].concat());
            if again.code != 0 || !again.stdout.is_empty() {
                fault += &format!("a second run changes it: {}", again.stdout);
            }
        }
        if report["patches"].as_array().is_none_or(|patches| !patches.is_empty()) {
            fault += &format!("the webhook would add to it: {}", report["patches"]);
        }
    }
    (policies, fault)
}
