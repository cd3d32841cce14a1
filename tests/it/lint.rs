//! Load-time checks of policies: adversarial ones are refused with their place and a remedy, sound ones
//! load, and the process survives both. Cases are files in `tests/fixtures/load`; its README.md has the rules.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use stategate::diagnostic::{Diagnostic, SourceText};
use stategate::policyset::{CompileOptions, PolicySet, Sources};
use stategate::source::catalogue::Catalogue;

use crate::support::{GOOD, Run, directory, run_in, stategate_with, write};

/// A policy with this body, at line 8 of its file, and these rules behind it.
fn policy(body: &str, more: &str) -> String {
    format!(
        "# METADATA\n# title: T\n# description: D.\n# custom: {{severity: high, action: deny, fix: F}}\npackage stategate.own.mine\n\nviolation contains v if {{\n{body}\n\tv := {{\"msg\": \"m\"}}\n}}\n\n{more}\n"
    )
}

fn load(text: &str) -> Run {
    check_with(directory(&[("own/mine/mine.rego", text)]).path())
}

fn check_with(policies: &Path) -> Run {
    stategate_with(&["check", "--policies", policies.to_str().unwrap(), "-"], GOOD)
}

/// One policy, or several modules that are loaded together.
struct Case {
    /// Name of the file or directory, below the root of the cases.
    name: String,
    modules: Vec<SourceText>,
}

impl Case {
    /// All cases below a directory: `GROUP/CASE.rego` and `GROUP/CASE/*.rego`.
    fn all(root: &Path) -> Vec<Self> {
        let mut cases = Vec::new();
        for group in entries(root).into_iter().filter(|path| path.is_dir()) {
            for path in entries(&group) {
                let files = if path.is_dir() { entries(&path) } else { vec![path.clone()] };
                let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
                let text =
                    |file: &PathBuf| SourceText::new(name(file), std::fs::read_to_string(file).unwrap());
                cases.push(Self { name: name(&path), modules: files.iter().map(text).collect() });
            }
        }
        cases
    }

    fn load(&self, base: &Sources) -> Vec<Diagnostic> {
        let mut sources = base.clone();
        for module in &self.modules {
            let texts = match package(module) {
                _ if module.name.ends_with("_test.rego") => &mut sources.tests,
                ["stategate", "lib", _] => &mut sources.libraries,
                _ => &mut sources.policies,
            };
            texts.push(module.clone());
        }
        PolicySet::compile(&sources, CompileOptions::default())
            .err()
            .map(|errors| errors.0)
            .unwrap_or_default()
    }

    /// Where its annotations and the reported errors differ, one `FILE:LINE: …` each.
    fn differences(&self, base: &Sources) -> Vec<String> {
        let mut reported = self.load(base);
        let mut differences = Vec::new();
        for error in &reported {
            if error.help.is_none() {
                differences.push(format!("{error}\n  has no remedy"));
            }
        }
        for module in &self.modules {
            for annotation in Annotation::all(module, &mut differences) {
                match reported.iter().position(|error| annotation.matches(error, module)) {
                    Some(index) => drop(reported.remove(index)),
                    None => differences.push(annotation.unmatched(&reported, module)),
                }
            }
        }
        differences.extend(reported.iter().map(|error| format!("{error}\n  is not annotated")));
        differences
    }

    fn is_sound(&self) -> bool {
        self.modules.iter().all(|module| !module.text.contains("# error:"))
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn package(module: &SourceText) -> [&str; 3] {
    let line = module.text.lines().find_map(|line| line.strip_prefix("package "));
    let steps: Vec<&str> = line.unwrap_or_default().split('.').collect();
    steps.try_into().unwrap_or_else(|_| panic!("{}: the package has not three steps", module.name))
}

/// An error that must be reported.
struct Annotation {
    /// 1-based: the next line that is not an annotation.
    line: usize,
    error: String,
    help: Option<String>,
    at: Option<String>,
}

impl Annotation {
    fn all(module: &SourceText, faults: &mut Vec<String>) -> Vec<Self> {
        let (mut all, mut open) = (Vec::new(), Vec::<Self>::new());
        for (index, line) in module.text.lines().enumerate() {
            let rest = |key: &str| Some(line.trim().strip_prefix(key)?.trim().to_owned());
            let mut fault = |what| faults.push(format!("{}:{}: {what}", module.name, index + 1));
            if let Some(error) = rest("# error:") {
                if error.is_empty() {
                    fault("the annotation is empty");
                }
                open.push(Self { line: 0, error, help: None, at: None });
            } else if let Some(help) = rest("# help:") {
                open.last_mut()
                    .map_or_else(|| fault("`# help:` follows no `# error:`"), |own| own.help = Some(help));
            } else if let Some(at) = rest("# at:") {
                open.last_mut()
                    .map_or_else(|| fault("`# at:` follows no `# error:`"), |own| own.at = Some(at));
            } else {
                all.extend(open.drain(..).map(|own| Self { line: index + 1, ..own }));
            }
        }
        if !open.is_empty() {
            faults.push(format!("{}: no line follows the last annotation", module.name));
        }
        all
    }

    fn matches(&self, error: &Diagnostic, module: &SourceText) -> bool {
        let place = || {
            let line = module.text.lines().nth(error.line - 1).unwrap_or_default();
            line.chars().skip(error.column.saturating_sub(1)).collect::<String>()
        };
        error.source == module.name
            && error.line == self.line
            && error.message.contains(&self.error)
            && self
                .help
                .as_ref()
                .is_none_or(|help| error.help.as_ref().is_some_and(|text| text.contains(help)))
            && self.at.as_ref().is_none_or(|at| error.column > 0 && place().starts_with(at))
    }

    fn unmatched(&self, reported: &[Diagnostic], module: &SourceText) -> String {
        let mut text = format!("{}:{}: expected error: {}", module.name, self.line, self.error);
        for (key, value) in [("help", &self.help), ("at", &self.at)] {
            if let Some(value) = value {
                let _ = write!(text, "\n  {key}: {value}");
            }
        }
        let here = reported.iter().filter(|error| error.source == module.name && error.line == self.line);
        for error in here {
            let _ = write!(text, "\n  reported instead: {error}");
        }
        text
    }
}

/// Differences of all cases below a directory; one if there is no case.
fn differences(root: &Path) -> Vec<String> {
    let base = Catalogue::embedded().without_policies().sources("production").unwrap();
    let cases = Case::all(root);
    if cases.iter().all(|case| case.modules.is_empty()) {
        return vec![format!("{}: no case was found", root.display())];
    }
    cases.iter().flat_map(|case| case.differences(&base)).collect()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/load")
}

#[test]
fn every_case_reports_exactly_what_is_annotated() {
    let differences = differences(&fixtures());
    assert!(differences.is_empty(), "in tests/fixtures/load:\n{}", differences.join("\n"));
}

#[test]
fn sound_cases_load_together_and_find_nothing() {
    let policies = tempfile::tempdir().unwrap();
    let sound: Vec<Case> = Case::all(&fixtures()).into_iter().filter(Case::is_sound).collect();
    assert!(sound.len() > 5, "{:?}", sound.iter().map(|case| &case.name).collect::<Vec<_>>());
    for module in sound.iter().flat_map(|case| &case.modules) {
        let [_, category, name] = package(module);
        let path = match name.strip_suffix("_test") {
            _ if category == "lib" => format!("lib/{name}.rego"),
            Some(subject) => format!("{category}/{subject}/{name}.rego"),
            None => format!("{category}/{name}/{name}.rego"),
        };
        assert!(!policies.path().join(&path).exists(), "{}: another case has its package", module.name);
        write(policies.path(), &path, module.text.as_bytes());
    }
    check_with(policies.path()).expect(0, &["2 objects checked"]);
}

#[test]
fn the_comparison_finds_what_does_not_agree() {
    let sound = policy("\tinput.workload.name == \"none\"", "");
    let faulty = policy("\t# error: no function lonly\n\t# at: lonly(1)\n\tlonly(1)", "");
    let found = |text: &str| differences(directory(&[("group/case.rego", text)]).path()).join("\n");
    assert_eq!([found(&sound), found(&faulty)], ["", ""]);
    for (text, from, to, needle) in [
        (
            &faulty,
            "# error: no function lonly",
            "# lonely",
            "group/case.rego:10:2: there is no function lonly",
        ),
        (&faulty, "# error: no function lonly", "# lonely", "is not annotated"),
        (
            &faulty,
            "# error: no function lonly",
            "# lonely",
            "group/case.rego:9: `# at:` follows no `# error:`",
        ),
        (&faulty, "# error: no", "# error: a", "group/case.rego:10: expected error: a function lonly"),
        (
            &faulty,
            "# error: no",
            "# error: a",
            "reported instead: group/case.rego:10:2: there is no function",
        ),
        (
            &faulty,
            "# at: lonly",
            "# at: onl",
            "group/case.rego:10: expected error: no function lonly\n  at: onl",
        ),
        (&faulty, "# at: lonly(1)", "# help: a way out", "help: a way out"),
        (&faulty, "\tlonly(1)", "\t\n\tlonly(1)", "group/case.rego:10: expected error: no function lonly"),
        (&faulty, "\tlonly(1)", "\ttrue", "group/case.rego:10: expected error: no function lonly"),
        (&faulty, "no function lonly", "", "group/case.rego:8: the annotation is empty"),
        (&format!("{sound}# error: none"), "", "", "group/case.rego: no line follows the last annotation"),
    ] {
        let found = found(&text.replace(from, to));
        assert!(found.contains(needle), "{needle:?} is not in:\n{found}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(differences(empty.path())[0].ends_with("no case was found"));
    std::fs::create_dir(empty.path().join("group")).unwrap();
    assert!(differences(empty.path())[0].ends_with("no case was found"));
}

#[test]
fn the_command_line_names_all_faults_in_one_go() {
    let text = policy("\tnumbers.range(1, 2)\n\tunits.parse(\"1\")\n\tlonly(1)", "");
    load(&text).expect(2, &["mine.rego:8:", "mine.rego:9:", "mine.rego:10:", "help: "]);
}

#[test]
fn generated_texts_of_any_size_are_refused() {
    let chain = |of: &dyn Fn(usize) -> String| (0..3000).map(of).collect::<String>();
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "chain of functions",
            policy("\tf0(1)", &(chain(&|n| format!("f{n}(x) := f{}(x)\n\n", n + 1)) + "f3000(x) := x\n")),
            &["mine.rego:", "a chain of 300", "500 are the limit"],
        ),
        (
            "chain of rules",
            policy("\tr0", &(chain(&|n| format!("r{n} := r{}\n\n", n + 1)) + "r3000 := 1\n")),
            &["mine.rego:", "a chain of 300", "500 are the limit"],
        ),
        (
            "never closed",
            policy(&format!("\tx := {}", "[".repeat(100_000)), ""),
            &["mine.rego:8:", "more than 12 deep"],
        ),
        (
            "many of moderate depth",
            policy(&format!("\tx := {}1{}\n\tx\n", "[".repeat(9), "]".repeat(9)).repeat(5000), ""),
            &["mine.rego:", "would take the parser seconds"],
        ),
        (
            "operators",
            policy(&format!("\tx := 1{}\n\tx", " +\n1".repeat(5000)), ""),
            &["mine.rego:", "more than 250 operators"],
        ),
        (
            "size",
            policy("\ttrue", &"# filler filler filler\n".repeat(20_000)),
            &["mine.rego:1", "256 are the limit"],
        ),
    ];
    for (name, text, needles) in cases {
        let run = load(&text);
        assert_eq!(run.code, 2, "{name}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains("help: "), "{name} names no remedy: {}", run.stderr);
        run.expect(2, needles);
    }
}

/// Keys on the way to every leaf of a document, as a reference.
fn leaves(value: &serde_json::Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                leaves(value, &format!("{path}[{key:?}]"), found);
            }
        }
        serde_json::Value::Array(items) => {
            items.iter().for_each(|item| leaves(item, &format!("{path}[_]"), found))
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

#[test]
fn whatever_a_request_holds_may_be_read() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = [
        "reviews/create-statefulset.json",
        "reviews/create-pvc.json",
        "reviews/create-storageclass.json",
        "reviews/create-cronjob.json",
        "reviews/delete-pvc.json",
        "manifests/plain-postgres.yaml",
        "manifests/naive-postgres.yaml",
    ];
    let mut found = std::collections::BTreeSet::new();
    for file in files {
        let run = crate::support::stategate(&["input", root.join(file).to_str().unwrap()]);
        assert_eq!(run.code, 0, "{file}: {}", run.stderr);
        leaves(&serde_json::from_str(&run.stdout).unwrap(), "input", &mut found);
    }
    assert!(found.len() > 100, "{found:?}");
    let body: String = found.iter().map(|path| format!("\t{path} == \"none\"\n")).collect();
    load(&policy(&body, "")).expect(0, &["2 objects checked"]);
}

/// The checks are left out for what is part of the binary: this is where they are made.
#[test]
fn the_embedded_catalogue_passes_all_checks() {
    for profile in Catalogue::embedded().profiles() {
        let sources = Catalogue::embedded().sources(&profile).unwrap();
        assert_eq!(sources.checked.len(), sources.policies.len() + sources.libraries.len());
        let unchecked = PolicySet::compile(&sources, CompileOptions::default()).unwrap();
        let sources = Sources { checked: Vec::new(), ..sources };
        let checked = PolicySet::compile(&sources, CompileOptions::default()).unwrap();
        assert_eq!(checked.digest(), unchecked.digest());
        for policy in checked.policies() {
            // Nothing of it waits for the interpreter, which is not made yet.
            assert_eq!(
                (checked.unsupported(policy), unchecked.unsupported(policy)),
                (None, None),
                "{}",
                policy.id
            );
        }
    }
}

/// What comes from elsewhere is checked, and all the rest with it.
#[test]
fn a_policy_beside_the_catalogue_is_checked() {
    let rego = policy("\tv := http.send({})", "").replace('\n', "\n    ");
    let head = "apiVersion: stategate.io/v1alpha1\nkind: Policy\nmetadata: {name: mine}\nspec:\n  rego: |\n";
    let dir = directory(&[("own.yaml", &format!("{head}    {rego}\n")), ("db.yaml", GOOD)]);
    run_in(dir.path(), &["check", "--bindings", "own.yaml", "db.yaml"]).expect(2, &["http.send"]);
}
