//! CI integrations: the GitHub Action and the pre-commit hooks.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{GOOD, NAIVE, directory, run_in};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The single YAML document in a file of the repository.
fn document(path: &str) -> Value {
    let text = std::fs::read(Path::new(ROOT).join(path)).unwrap();
    stategate::yaml::read_bytes(&text).unwrap().remove(0).value
}

/// The action's check step, run as a runner does; returns exit code and output.
fn action(directory: &Path, inputs: &[(&str, &str)]) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_stategate")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let run = Command::new(Path::new(ROOT).join(".github/actions/check/run"))
        .current_dir(directory)
        .env("PATH", path)
        .env("GITHUB_OUTPUT", directory.join("outputs"))
        .env_remove("GITHUB_BASE_REF")
        .envs(inputs.iter().copied())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    (run.status.code().unwrap_or(-1), said)
}

#[test]
fn the_action_annotates_the_lines_at_fault() {
    let files = directory(&[("a b/pg.yaml", NAIVE), ("good.yaml", GOOD)]);
    let (code, said) = action(files.path(), &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("::error file=a b/pg.yaml,line=26"), "{said}");
    let outputs = std::fs::read_to_string(files.path().join("outputs")).unwrap();
    assert_eq!(outputs, "exit-code=1\n");

    let (code, said) = action(files.path(), &[("STATEGATE_PATHS", "good.yaml\n")]);
    assert_eq!(code, 0, "{said}");
    let inputs = [
        ("STATEGATE_PATHS", "a b/pg.yaml\ngood.yaml"),
        ("STATEGATE_PROFILE", "baseline"),
        ("STATEGATE_FAIL_ON", "warn"),
        ("STATEGATE_SARIF", "out.sarif"),
        ("STATEGATE_HTML", "out.html"),
        ("STATEGATE_ARGUMENTS", "--exclude=good.yaml\n--output=json=out.json"),
    ];
    let (code, said) = action(files.path(), &inputs);
    assert_eq!(code, 1, "{said}");
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(files.path().join("out.json")).unwrap()).unwrap();
    assert_eq!((&json["profile"], &json["summary"]["objects"]), (&"baseline".into(), &1.into()));
    assert!(files.path().join("out.sarif").exists() && files.path().join("out.html").exists());

    let (code, said) = action(files.path(), &[("GITHUB_BASE_REF", "main")]);
    assert_eq!(code, 2, "a pull request is judged by what it changes: {said}");
    assert!(said.contains("--changed-since needs a git repository"), "{said}");
    let everything = [("GITHUB_BASE_REF", "main"), ("STATEGATE_CHANGED_SINCE", "none")];
    assert_eq!(action(files.path(), &everything).0, 1);
}

#[test]
fn the_action_can_ignore_what_a_fork_says() {
    let files =
        directory(&[("stategate.yaml", "exclude: ['*']\n"), (".stategateignore", "*\n"), ("pg.yaml", NAIVE)]);
    for (said, code) in [("untrusted", 1), ("true", 2), ("maybe", 2)] {
        let (ended, text) = action(files.path(), &[("STATEGATE_NO_CONFIG", said)]);
        assert_eq!(ended, code, "{said}: {text}");
    }
    std::fs::remove_file(files.path().join(".stategateignore")).unwrap();
    for (said, code) in [("", 0), ("false", 0), ("true", 1)] {
        let (ended, text) = action(files.path(), &[("STATEGATE_NO_CONFIG", said)]);
        assert_eq!(ended, code, "{said}: {text}");
    }
}

#[test]
fn every_input_of_the_action_reaches_its_script() {
    let action = document(".github/actions/check/action.yml");
    let script = std::fs::read_to_string(Path::new(ROOT).join(".github/actions/check/run")).unwrap();
    let step = action["runs"]["steps"].as_array().unwrap().last().unwrap();
    for (input, _) in action["inputs"].as_object().unwrap() {
        let name = format!("STATEGATE_{}", input.to_uppercase().replace('-', "_"));
        assert_eq!(step["env"][&name], format!("${{{{ inputs.{input} }}}}"), "{input}");
        assert!(script.contains(&format!("${{{name}:-}}")), "{name}");
    }
}

#[test]
fn the_hooks_are_commands() {
    let files = directory(&[("pg.yaml", NAIVE)]);
    let git = |arguments: &[&str]| {
        let run = Command::new("git").current_dir(files.path()).args(arguments).output();
        assert!(run.expect("git is needed: apt-get install git").status.success(), "git {arguments:?}");
    };
    git(&["init", "--quiet"]);
    git(&[
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.com",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "first",
    ]);
    git(&["add", "--all"]);
    let hooks = document(".pre-commit-hooks.yaml");
    for hook in hooks.as_array().unwrap() {
        let words = hook["entry"].as_str().unwrap().split(' ').skip(1);
        let arguments = hook["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
        let arguments: Vec<&str> = words.chain(arguments).collect();
        run_in(files.path(), &arguments).expect(1, &["--> pg.yaml", "1 object checked"]);
        assert_eq!(hook["pass_filenames"], false);
    }
}
