//! Text from outside acts on nobody: one hostile text stands in every place, and no output has it raw.

use std::process::Command;

use serde_json::{Value, json};
use stategate::plain::is_harmful;

use crate::server::Server;
use crate::support::{GOOD, NAIVE, Run, directory, run_in, write};

/// Terminal escapes, reordering, invisible characters, line ends, and commands for CI systems.
const HOSTILE: &str = "x\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{2066}\u{61c}\u{200b}\u{200f}\u{feff}\u{2028}\u{85}\u{e0041}\r\n::error::forged\n ::stop-commands::forged\n##[error]forged ##vso[task.x]forged";
/// What of it YAML takes outside of quotes.
const UNQUOTED: &str = "x\u{202e}\u{2066}\u{61c}\u{200b}\u{e0041} ##[error]forged";

/// The text in double quotes, as YAML and Rego read it. Neither takes surrogates.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    let escape = |c: char| match c {
        c if is_harmful(c) && u32::from(c) < 0x10000 => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", escaped.chars().map(escape).collect::<String>())
}

/// Fails if an output holds anything that acts on its reader.
#[track_caller]
fn harmless(what: &str, text: &str) {
    characters(what, text);
    for line in text.lines() {
        let own = ["::error ", "::warning ", "::notice "].iter().any(|command| line.starts_with(command));
        assert!(own || !(line.trim_start().starts_with("::") && line.contains("forged")), "{what}: {line}");
    }
}

#[track_caller]
fn characters(what: &str, text: &str) {
    if let Some(at) = text.find(|c: char| is_harmful(c) && !matches!(c, '\n' | '\t')) {
        let from = text.floor_char_boundary(at.saturating_sub(150));
        panic!("{what}: raw {:?} behind {:?}", text[at..].chars().next().unwrap(), &text[from..at]);
    }
    assert!(!text.contains("##[") && !text.contains("##vso["), "{what}: {text}");
}

/// Of a document that somebody shows: its texts.
fn harmless_texts(what: &str, value: &Value) {
    match value {
        Value::String(text) => characters(what, text),
        Value::Array(items) => items.iter().for_each(|item| harmless_texts(what, item)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            characters(what, key);
            harmless_texts(what, value);
        }),
        _ => {}
    }
}

#[track_caller]
fn check_run(arguments: &[&str], run: &Run) {
    let what = format!("{arguments:?}");
    assert!(!run.stderr.contains("panicked"), "{what}: {}", run.stderr);
    harmless(&what, &run.stdout);
    harmless(&what, &run.stderr);
}

/// An object with the text wherever it takes one.
fn object() -> Value {
    let mut object = stategate::yaml::read(NAIVE).unwrap().remove(0).value;
    let container = &mut object["spec"]["template"]["spec"]["containers"][0];
    container["name"] = HOSTILE.into();
    container["image"] = HOSTILE.into();
    container["command"] = json!([HOSTILE]);
    container["env"] = json!([{"name": format!("{HOSTILE}PASSWORD"), "value": HOSTILE}]);
    let metadata = &mut object["metadata"];
    metadata["name"] = HOSTILE.into();
    metadata["namespace"] = HOSTILE.into();
    metadata["labels"] = json!({HOSTILE: HOSTILE});
    metadata["annotations"] = json!({
        HOSTILE: HOSTILE,
        "stategate.io/skip": format!("probe-readiness-required,{HOSTILE}"),
        "stategate.io/skip-reason": format!("because {HOSTILE}"),
        "stategate.io/engine": HOSTILE,
        "stategate.io/data-durability": HOSTILE,
        "stategate.io/data-paths": HOSTILE,
    });
    object["spec"]["serviceName"] = HOSTILE.into();
    object["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": HOSTILE}, "spec": {"storageClassName": HOSTILE, "resources": {"requests": {"storage": "1Gi"}}}}]);
    object
}

/// Objects that cannot be read, each at a place that is named by the text.
fn unreadable() -> Vec<Value> {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut object = object();
        change(&mut object);
        object
    };
    vec![
        with(&|object| object["metadata"]["labels"] = json!({HOSTILE: 7})),
        with(&|object| object["metadata"]["labels"] = HOSTILE.into()),
        with(&|object| object["spec"]["replicas"] = HOSTILE.into()),
        with(&|object| object["spec"]["template"]["metadata"]["labels"] = json!({HOSTILE: []})),
        with(&|object| {
            object["spec"]["selector"] = json!({"matchExpressions": [{"key": HOSTILE, "operator": HOSTILE}]})
        }),
        with(&|object| {
            object["spec"]["template"]["spec"]["containers"][0]["resources"] =
                json!({"limits": {HOSTILE: HOSTILE, "memory": HOSTILE}});
        }),
        with(&|object| object["kind"] = "statefulset".into()),
        with(&|object| object["apiVersion"] = format!("apps/{HOSTILE}").into()),
    ]
}

const EXAMPLE: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x, namespace: x}\nspec: {}\n";

/// A policy with the text wherever it takes one, that finds it in every object.
fn policy() -> String {
    let text = quoted(HOSTILE);
    format!(
        "# METADATA\n# title: {text}\n# description: {text}\n# related_resources:\n# - ref: {}\n# custom:\n#   severity: high\n\
         #   action: deny\n#   match: {{kinds: [StatefulSet.apps]}}\n#   fix: {text}\n#   why: {text}\n\
         package stategate.storage.hostile\n\n\
         violation contains v if {{\n\tname := input.review.object.metadata.name\n\
         \tv := {{\"msg\": concat(\" \", [name, {text}]), \"path\": [\"metadata\", \"labels\", name], \"fix\": name, \"key\": name, \"details\": {{name: name}}}}\n}}\n",
        quoted(&format!("https://example.com/{HOSTILE}")),
    )
}

fn bindings() -> String {
    let text = quoted(HOSTILE);
    format!(
        "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {{name: {text}}}\nspec: {{policies: {{ids: [pdb-present]}}, action: warn}}\n\
         ---\napiVersion: stategate.io/v1alpha1\nkind: PolicyException\nmetadata: {{name: {text}}}\n\
         spec: {{policies: [volume-no-emptydir-data, secret-no-literal-env], reason: {text}, approvedBy: {text}, match: {{names: ['*']}}}}\n"
    )
}

fn manifests() -> tempfile::TempDir {
    let naive = NAIVE.replacen("metadata:\n", &format!("# {UNQUOTED}\nmetadata: # {UNQUOTED}\n"), 1);
    assert_ne!(naive, NAIVE);
    let dir = directory(&[
        (&format!("shop/{HOSTILE}.json"), &object().to_string()),
        (&format!("shop/{HOSTILE}/naive.yaml"), &naive),
        ("shop/plain.json", &json!({"apiVersion": "v1", "kind": "List", "items": unreadable()}).to_string()),
        (&format!("shop/{HOSTILE}.yaml"), &format!("a: 1\n{}: 1\n{}: 2\n", quoted(HOSTILE), quoted(HOSTILE))),
        (&format!("shop/alias-{HOSTILE}.yaml"), &format!("a: *{UNQUOTED}\n")),
        (
            &format!("chart{HOSTILE}/Chart.yaml"),
            &format!("apiVersion: v2\nname: {}\nversion: {}\n", quoted(HOSTILE), quoted(HOSTILE)),
        ),
        (&format!("chart{HOSTILE}/templates/x.yaml"), "{{ fail .Chart.Name }}\n"),
        (&format!("kustomize{HOSTILE}/kustomization.yaml"), &format!("resources: [{}]\n", quoted(HOSTILE))),
        ("bindings.yaml", &bindings()),
        ("good.yaml", GOOD),
    ]);
    write(dir.path(), &format!("shop/{HOSTILE}-latin.yaml"), b"a: caf\xe9\n");
    dir
}

#[test]
fn no_report_has_it_raw() {
    let dir = manifests();
    write(dir.path(), "policies/storage/hostile/hostile.rego", policy());
    let common = ["--bindings", "bindings.yaml", "--policies", "policies"];
    let chart = format!("chart{HOSTILE}");
    let kustomize = format!("kustomize{HOSTILE}");
    let sources = ["shop", chart.as_str(), kustomize.as_str()];
    let outputs = ["json", "sarif", "junit", "github", "gitlab", "html"]
        .map(|format| format!("-o={format}={format}.report"));
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let arguments = [&["check"], &sources[..], &common[..], &outputs[..], &["-v"]].concat();
    let run = run_in(dir.path(), &arguments);
    assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
    check_run(&arguments, &run);
    for format in ["text", "json", "sarif", "junit", "github", "gitlab", "html"] {
        let said = match format {
            "text" => run.stdout.clone(),
            format => std::fs::read_to_string(dir.path().join(format!("{format}.report"))).unwrap(),
        };
        harmless(format, &said);
        for seen in ["forged", "202e", "hostile", "object-unreadable", "probe-readiness-required"] {
            assert!(said.contains(seen), "{format} does not tell of {seen}:\n{said}\n{}", run.stderr);
        }
        match format {
            // The values are exact: programs compare them.
            "json" => {
                let report: Value = serde_json::from_str(&said).unwrap();
                let names: Vec<&Value> =
                    report["objects"].as_array().unwrap().iter().map(|one| &one["object"]["name"]).collect();
                assert!(names.contains(&&Value::from(HOSTILE)), "{names:?}");
            }
            "sarif" | "gitlab" => harmless_texts(format, &serde_json::from_str(&said).unwrap()),
            _ => {}
        }
    }
}

/// The report in colours, where only the renderer's own escapes are left.
#[test]
fn no_colour_hides_an_escape() {
    let dir = manifests();
    let mut report = stategate::report::Report { profile: HOSTILE.to_owned(), ..Default::default() };
    let mut read = stategate::source::manifests::Manifests::read(&[dir.path().join("shop")]);
    report.errors.append(&mut read.errors);
    report.notes.push(HOSTILE.to_owned());
    assert!(report.errors.len() >= 3);
    let text = stategate::report::text::render(&report, true);
    let mut bare = String::new();
    for (number, part) in text.split("\u{1b}[").enumerate() {
        match part
            .split_once('m')
            .filter(|(codes, _)| codes.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'))
        {
            Some((_, rest)) if number > 0 => bare.push_str(rest),
            _ if number > 0 => panic!("an escape of somebody else: {part:?}"),
            _ => bare.push_str(part),
        }
    }
    harmless("text in colours", &bare);
    assert!(bare.contains("\\u{202e}") && bare.contains("\\u{1b}[31m"), "{bare}");
}

#[test]
fn no_command_has_it_raw() {
    let dir = manifests();
    let name = format!("shop/{HOSTILE}.json");
    let missing = format!("{HOSTILE}/none.yaml");
    let bindings = ["--bindings", "bindings.yaml"];
    for arguments in [
        vec!["check", &missing],
        vec!["check", &name, "--profile", HOSTILE],
        vec!["check", &name, "-o", HOSTILE],
        vec!["check", &name, "-o", "json=a\u{202e}/b", "-o", "json=a\u{202e}/b"],
        vec!["check", &name, "--known", HOSTILE],
        vec!["check", &name, "--values", HOSTILE],
        vec!["check", &name, "--exclude", "a{b\u{202e}"],
        vec!["check", &name, "--inventory", HOSTILE],
        vec!["check", &name, "--bindings", HOSTILE],
        vec!["check", &name, "--policies", HOSTILE],
        vec!["check", &name, "--namespace", HOSTILE, "--old", HOSTILE],
        vec!["check", &name, "--config", HOSTILE],
        vec!["check", &name, "--fail-on", HOSTILE],
        vec!["check", "shop", "--inventory", "shop"],
        vec!["check", "good.yaml", "--changed-since", HOSTILE],
        vec!["fix", "shop"],
        vec!["fix", &name, "--policy", HOSTILE],
        vec!["fix", &missing],
        vec!["input", &name],
        vec!["input", &name, "--policy", "probe-readiness-required"],
        vec!["input", &name, "--policy", HOSTILE],
        vec!["input", "shop/plain.json"],
        vec!["explain", HOSTILE],
        vec!["review", &name],
        vec!["review", &missing],
        vec!["policy", "list", "--profile", HOSTILE],
        vec!["policy", "list", "--category", HOSTILE],
        vec!["policy", "new", HOSTILE],
        vec!["policy", "new", "storage/new", "--dir", HOSTILE],
        vec!["policy", "docs", HOSTILE],
        vec!["test", HOSTILE],
        vec!["schema", HOSTILE],
        vec!["completions", HOSTILE],
        vec!["man", HOSTILE, HOSTILE],
        vec!["webhook-config", "--service", HOSTILE],
        vec!["webhook-config", "--url", HOSTILE],
        vec!["webhook-config", "--url", "https://x", "--ca-file", HOSTILE],
        vec!["certs", "show", "--cert", HOSTILE],
        vec!["certs", "init", "--dir", HOSTILE],
        vec!["certs", "init", "--dir", "tls", "--name", HOSTILE],
        vec!["certs", "rotate", "--secret", HOSTILE, "--wait", HOSTILE],
        vec!["serve", "--tls-dir", "tls", "--client-ca", HOSTILE, "--listen", "127.0.0.1:0"],
        vec!["config", "show", "--profile", HOSTILE],
        vec!["config", "show", "--config", HOSTILE],
        vec![
            "serve",
            "--tls-cert",
            HOSTILE,
            "--tls-key",
            HOSTILE,
            "--listen",
            "127.0.0.1:0",
            "--status-listen",
            "127.0.0.1:0",
        ],
        vec!["serve", "--listen", HOSTILE],
        vec![HOSTILE],
        [&["check", &name, "--write-known", "--known", "known.json"], &bindings[..]].concat(),
        [&["check", &name, "--known", "known.json"], &bindings[..]].concat(),
    ] {
        let run = run_in(dir.path(), &arguments);
        check_run(&arguments, &run);
        assert!(!format!("{}{}", run.stdout, run.stderr).is_empty(), "{arguments:?} says nothing");
    }
    let known = run_in(
        dir.path(),
        &[&["check", &name, "--write-known", "--known", "known.json"], &bindings[..]].concat(),
    );
    let known =
        std::fs::read_to_string(dir.path().join("known.json")).unwrap_or_else(|_| panic!("{}", known.stderr));
    harmless("known.json", &known);
}

#[test]
fn no_policy_command_has_it_raw() {
    let dir = directory(&[
        ("own/storage/hostile/hostile.rego", &policy()),
        (
            "own/storage/hostile/hostile_test.rego",
            &format!("package stategate.storage.hostile_test\n\ntest_it := {}\n", quoted(HOSTILE)),
        ),
        (&format!("own/storage/hostile/examples/pass_{HOSTILE}.yaml"), EXAMPLE),
        (&format!("broken/storage/{HOSTILE}/x.rego"), "package x\n"),
        (
            "keys/storage/hostile/hostile.rego",
            &policy().replace("#   severity", &format!("#   {}: 1\n#   severity", quoted(HOSTILE))),
        ),
        (
            "words/storage/hostile/hostile.rego",
            &policy().replace("severity: high", &format!("severity: {}", quoted(HOSTILE))),
        ),
        ("kinds/storage/hostile/hostile.rego", &policy().replace("StatefulSet.apps", &quoted(HOSTILE))),
        (
            "rego/storage/hostile/hostile.rego",
            &policy().replace(
                "input.review.object.metadata.name",
                &format!("input.review.object[{}] + {}", quoted(HOSTILE), quoted(HOSTILE)),
            ),
        ),
        (
            "field/storage/hostile/hostile.rego",
            &policy().replace(
                "input.review.object.metadata.name",
                &format!("input.workload[{}]", quoted(HOSTILE)),
            ),
        ),
        ("binding.yaml", &bindings().replace("action: warn", &format!("action: {}", quoted(HOSTILE)))),
        ("binding-key.yaml", &bindings().replace("action: warn", &format!("{}: 1", quoted(HOSTILE)))),
        ("binding-id.yaml", &bindings().replace("pdb-present", &quoted(HOSTILE))),
        ("good.yaml", GOOD),
    ]);
    for arguments in [
        vec!["policy", "list", "--policies", "own"],
        vec!["policy", "list", "--policies", "own", "-o", "json"],
        vec!["explain", "hostile", "--policies", "own"],
        vec!["policy", "docs", "--check", "own"],
        vec!["policy", "docs", "own"],
        vec!["test", "own", "--coverage", "-v"],
        vec!["test", "own", "-o", "junit"],
        vec!["test", "broken"],
        vec!["check", "--policies", "keys", "good.yaml"],
        vec!["check", "--policies", "words", "good.yaml"],
        vec!["check", "--policies", "kinds", "good.yaml"],
        vec!["check", "--policies", "rego", "good.yaml"],
        vec!["check", "--policies", "field", "good.yaml"],
        vec!["check", "--bindings", "binding.yaml", "good.yaml"],
        vec!["check", "--bindings", "binding-key.yaml", "good.yaml"],
        vec!["check", "--bindings", "binding-id.yaml", "good.yaml"],
        vec!["webhook-config", "--url", "https://x", "--policies", "own"],
    ] {
        let run = run_in(dir.path(), &arguments);
        check_run(&arguments, &run);
        assert!(!format!("{}{}", run.stdout, run.stderr).is_empty(), "{arguments:?} says nothing");
    }
    for page in ["own/README.md", "own/storage/hostile/README.md"] {
        if let Ok(text) = std::fs::read_to_string(dir.path().join(page)) {
            harmless(page, &text);
        }
    }
}

#[test]
fn no_configuration_is_quoted_raw() {
    for config in [
        format!("{}: 1\n", quoted(HOSTILE)),
        format!("profile: {}\n", quoted(HOSTILE)),
        format!("output: {}\n", quoted(HOSTILE)),
        format!("failOn: {}\n", quoted(HOSTILE)),
        format!("paths: [{}]\n", quoted(HOSTILE)),
        format!("namespace: {}\n", quoted(HOSTILE)),
        format!("changedSince: {}\n", quoted(HOSTILE)),
        format!("a: 1 # {UNQUOTED}\nb: [\n"),
    ] {
        let dir = directory(&[("stategate.yaml", &config), ("good.yaml", GOOD)]);
        for arguments in [&["check"][..], &["check", "good.yaml"], &["config", "show"]] {
            check_run(arguments, &run_in(dir.path(), arguments));
        }
    }
}

#[test]
fn git_says_nothing_raw() {
    let dir = directory(&[(&format!("{HOSTILE}.yaml"), NAIVE)]);
    let git = |arguments: &[&str]| {
        let run = Command::new("git")
            .current_dir(dir.path())
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    };
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "first"]);
    write(dir.path(), &format!("{HOSTILE}.yaml"), NAIVE.replace("replicas: 1", "replicas: 2"));
    for revision in ["HEAD", HOSTILE, "--output=x\u{202e}", ":/\u{1b}[31m"] {
        let arguments = ["check", ".", "--changed-since", revision];
        check_run(&arguments, &run_in(dir.path(), &arguments));
    }
}

fn review(object: &Value, operation: &str) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "5d9f0ad0-0000-4000-8000-000000000000",
        "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
        "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
        "name": HOSTILE, "namespace": HOSTILE, "operation": operation, "subResource": "",
        "userInfo": {"username": HOSTILE, "groups": [HOSTILE]}, "dryRun": false, "object": object, "options": {HOSTILE: HOSTILE}}})
}

/// The bodies of requests with the text in every part.
fn bodies() -> Vec<String> {
    let mut bodies: Vec<String> = std::iter::once(object())
        .chain(unreadable())
        .map(|object| review(&object, "CREATE").to_string())
        .collect();
    let whole = review(&object(), "CREATE");
    for pointer in [
        "/apiVersion",
        "/kind",
        "/request",
        "/request/operation",
        "/request/userInfo",
        "/request/uid",
        "/request/dryRun",
        "/request/kind",
    ] {
        let mut review = whole.clone();
        *review.pointer_mut(pointer).unwrap() = HOSTILE.into();
        bodies.push(review.to_string());
    }
    bodies.push(HOSTILE.to_owned());
    bodies
}

#[test]
fn no_answer_has_it_raw() {
    let dir = manifests();
    write(dir.path(), "policies/storage/hostile/hostile.rego", policy());
    for (number, body) in bodies().into_iter().enumerate() {
        let file = format!("{number}{HOSTILE}.review");
        write(dir.path(), &file, &body);
        // What refuses a body is the same in both.
        let webhooks: &[&str] = if number % 4 == 0 { &["validate", "mutate"] } else { &["validate"] };
        for webhook in webhooks {
            let arguments = [
                "review",
                &file,
                "--policies",
                "policies",
                "--bindings",
                "bindings.yaml",
                "--webhook",
                webhook,
            ];
            let run = run_in(dir.path(), &arguments);
            check_run(&arguments, &run);
            let Ok(answer) = serde_json::from_str::<Value>(&run.stdout) else {
                assert!(!run.stderr.is_empty());
                continue;
            };
            let response = &answer["response"];
            for part in ["status", "warnings", "auditAnnotations"] {
                harmless_texts(&format!("{part} of {number}"), &response[part]);
            }
            for warning in response["warnings"].as_array().into_iter().flatten() {
                assert!(!warning.as_str().unwrap().contains(['\n', '\r']), "{warning}");
            }
        }
    }
}

#[test]
fn no_log_has_it_raw() {
    let tls = tempfile::tempdir().unwrap();
    let dir = directory(&[("bindings.yaml", &bindings())]);
    let bindings_file = dir.path().join("bindings.yaml");
    let server = Server::start(
        tls.path(),
        &["--bindings", &bindings_file.display().to_string(), "--reload-every", "0.05"],
    );
    for body in bodies() {
        let (_, answer) = server.post("/validate/fail", body.as_bytes());
        harmless("an answer", &answer);
    }
    write(
        dir.path(),
        "bindings.yaml",
        bindings().replace("action: warn", &format!("action: {}", quoted(HOSTILE))),
    );
    let mut ready = String::new();
    for _ in 0..200 {
        ready = server.get("/readyz").1;
        if ready.contains("not in force") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(ready.contains("not in force"), "{ready}");
    harmless("/readyz", &ready);
    harmless("/metrics", &server.get("/metrics").1);
    server.terminate();
    let (_, log) = server.end();
    assert!(log.contains("forged"), "{log}");
    harmless("the log", &log);
}
