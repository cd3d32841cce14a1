//! `stategate schema`: what stategate reads agrees with its schemas, and what it refuses does not.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use stategate::diagnostic::SourceText;
use stategate::policy::metadata;
use stategate::yaml;

use crate::support::{directory, run_in, stategate, write};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const DOCUMENTS: [&str; 5] = ["binding", "input", "config", "policy", "check-report"];

/// The schema of a document.
pub fn printed(document: &str) -> Value {
    let run = stategate(&["schema", document]);
    run.expect(0, &[]);
    serde_json::from_str(&run.stdout).unwrap()
}

fn validator(document: &str) -> jsonschema::Validator {
    let schema = printed(document);
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// Holds every document of a text to a schema; returns how many there are.
#[track_caller]
fn agree(validator: &jsonschema::Validator, name: &str, text: &str) -> usize {
    let documents = yaml::read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    for document in &documents {
        let errors: Vec<String> = validator
            .iter_errors(&document.value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{text}");
    }
    documents.len()
}

/// Holds bindings that stategate has accepted to their schema.
#[track_caller]
pub fn bindings_agree(text: &str) {
    agree(&validator("binding"), "bindings", text);
}

fn below(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![Path::new(ROOT).join(folder)]);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_committed_schemas_are_current() {
    for document in DOCUMENTS {
        let file = format!("policies/schemas/{document}.schema.json");
        let committed = std::fs::read_to_string(Path::new(ROOT).join(&file)).unwrap_or_default();
        let warning = match document {
            "check-report" => {
                "The shape of `-o json` has changed. If a field went away, changed its type or its meaning, \
                 programs that read it break: raise API_VERSION in src/report/json.rs. If it is a new field, \
                 the version stays. Then:\n  "
            }
            _ => "",
        };
        assert!(
            committed == stategate(&["schema", document]).stdout,
            "{file} is stale. {warning}cargo run -- schema {document} > {file}"
        );
    }
}

#[test]
fn every_field_is_described() {
    fn undescribed(schema: &Map<String, Value>, at: &str, missing: &mut Vec<String>) {
        for (key, value) in schema {
            let Some(fields) = value.as_object() else { continue };
            if key == "properties" {
                for (name, field) in fields {
                    match field.get("description").and_then(Value::as_str) {
                        // Links of rustdoc mean nothing to a reader of the schema.
                        Some(text) if !text.contains("`]") && !text.contains("::") => {}
                        other => missing.push(format!("{at}.{name}: {other:?}")),
                    }
                }
            }
            undescribed(fields, &format!("{at}.{key}"), missing);
        }
    }
    for document in DOCUMENTS {
        let schema = printed(document);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{document}");
        let mut missing = Vec::new();
        undescribed(schema.as_object().unwrap(), "", &mut missing);
        assert!(missing.is_empty(), "{document}: {missing:#?}");
    }
}

#[test]
fn profiles_agree_and_name_their_schema() {
    let validator = validator("binding");
    let profiles = below("policies/profiles", "yaml");
    assert!(profiles.len() >= 3);
    for profile in profiles {
        let text = std::fs::read_to_string(&profile).unwrap();
        agree(&validator, &profile.display().to_string(), &text);
        let first = text.lines().next().unwrap();
        let schema = first.strip_prefix("# yaml-language-server: $schema=").unwrap();
        let schema = profile.parent().unwrap().join(schema).canonicalize().unwrap();
        assert_eq!(
            schema,
            Path::new(ROOT).canonicalize().unwrap().join("policies/schemas/binding.schema.json")
        );
    }
}

#[test]
fn the_bindings_of_readmes_agree() {
    let validator = validator("binding");
    let mut documents = 0;
    for readme in below("policies", "md").into_iter().chain([Path::new(ROOT).join("README.md")]) {
        let text = std::fs::read_to_string(&readme).unwrap();
        let blocks = text.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
        for block in blocks.filter(|block| block.contains("kind: Policy")) {
            documents += agree(&validator, &readme.display().to_string(), block);
        }
    }
    assert!(documents > 100, "{documents} documents only");
}

#[test]
fn the_metadata_of_policies_agrees() {
    let validator = validator("policy");
    let policies = below("policies", "rego").into_iter().filter(|path| {
        let name = path.display().to_string();
        !name.ends_with("_test.rego") && !name.contains("/lib/")
    });
    let mut count = 0;
    for policy in policies {
        let name = policy.display().to_string();
        let text = SourceText::new(name.as_str(), std::fs::read_to_string(&policy).unwrap().as_str());
        count += agree(&validator, &name, &metadata::yaml(&text).unwrap());
    }
    assert!(count > 80, "{count} policies only");
}

#[track_caller]
fn differs(validator: &jsonschema::Validator, text: &str) {
    let documents = yaml::read(text).unwrap();
    assert!(documents.iter().any(|document| !validator.is_valid(&document.value)), "{text}");
}

#[test]
fn wrong_bindings_do_not_agree() {
    let validator = validator("binding");
    let document = |kind: &str, spec: &str| {
        format!("apiVersion: stategate.io/v1alpha1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n")
    };
    let exception = "{policies: [pdb-present], match: {}, reason: \"until the migration\"";
    let good = [
        document("PolicyBinding", "{}"),
        document("PolicyBinding", "{action: off}"),
        document("PolicyBinding", "{action: 'off', match: {objectSelector: {matchLabels: }}}"),
        document("PolicyException", &format!("{exception}, expiresAt: 2027-01-31T00:00:00Z}}")),
        document("PolicyException", &format!("{exception}, expiresAt: 2027-01-31}}")),
        document("PolicyBinding", "{match: {namespaces: [shop, 'team-*'], clusterScoped: true}}"),
        document("PolicyBinding", "{match: {excludedNamespaces: ['team-?'], kinds: [StatefulSet.apps]}}"),
        document("Profile", "{}"),
    ];
    for text in &good {
        assert_eq!(agree(&validator, "good", text), 1);
    }
    for text in [
        document("PolicyBindings", "{}"),
        document("PolicyBinding", "{}").replace("v1alpha1", "v1"),
        document("PolicyBinding", "{}").replace("{name: a}", "{}"),
        document("PolicyBinding", "{}").replace("{name: a}", "{name: a, labels: [x]}"),
        document("PolicyBinding", "{actions: deny}"),
        document("PolicyBinding", "{action: block}"),
        document("PolicyBinding", "{action: true}"),
        document("PolicyBinding", "{policies: [pdb-present]}"),
        document("PolicyBinding", "{policies: {severities: [severe]}}"),
        document("PolicyBinding", "{match: {namespaces: []}}"),
        document("PolicyBinding", "{match: {namespaces: }}"),
        document("PolicyBinding", "{match: {namespaces: [Shop]}}"),
        document("PolicyBinding", "{match: {namespaces: ['team-?']}}"),
        document("PolicyBinding", "{match: {excludedNamespaces: [team_a]}}"),
        document("PolicyBinding", "{match: {clusterScoped: 'yes'}}"),
        document("PolicyBinding", "{match: {kinds: []}}"),
        document("PolicyBinding", "{match: {kinds: [statefulset]}}"),
        document(
            "PolicyBinding",
            "{match: {objectSelector: {matchExpressions: [{key: a, operator: Equals}]}}}",
        ),
        document("PolicyBinding", "{mutate: 'yes'}"),
        document("PolicyBinding", "{onFailure: ignore}"),
        document("PolicyBinding", "{parameters: {pdb-present: [1]}}"),
        document("PolicyException", "{policies: [], match: {}, reason: \"until the migration\"}"),
        document("PolicyException", "{policies: [pdb-present], match: {}, reason: short}"),
        document("PolicyException", "{policies: [pdb-present], reason: \"until the migration\"}"),
        document("PolicyException", &format!("{exception}, expiresAt: tomorrow}}")),
        document("Profile", "{without: pdb-present}"),
    ] {
        differs(&validator, &text);
    }
}

#[test]
fn wrong_metadata_does_not_agree() {
    let validator = validator("policy");
    let good = "title: T\ndescription: D.\nrelated_resources: [{ref: https://example.com}]\ncustom:\n  severity: high\n  \
                action: deny\n  fix: F\n  why: W\n  atAdmission: warn\n  terminating: true\n  audited: false\n  sensitive: true\n  \
                ratchet: false\n  patches: fix\n  match: {kinds: [StatefulSet.apps], classes: [durable], operations: \
                [UPDATE], subresources: [scale]}\n  inventory: {StorageClass.storage.k8s.io: cluster}\n  parameters:\n    \
                n: {type: list, of: string, default: [], description: D}\n";
    assert_eq!(agree(&validator, "good", good), 1);
    for (from, to) in [
        ("title: T\n", ""),
        ("  fix: F\n", ""),
        ("title: T", "title: [T]"),
        ("ref:", "url:"),
        ("severity: high", "severity: bad"),
        ("action: deny", "action: off"),
        ("atAdmission", "at_admission"),
        ("ratchet: false", "ratchet: maybe"),
        ("patches: fix", "patches: never"),
        ("StatefulSet.apps", "statefulsets.apps"),
        ("[durable]", "[lasting]"),
        ("UPDATE", "update"),
        ("subresources: [scale]", "verbs: [scale]"),
        ("k8s.io: cluster", "k8s.io: needed"),
        ("inventory: {StorageClass", "inventory: {storageclasses"),
        ("type: list", "type: array"),
        (", description: D}", "}"),
    ] {
        let wrong = good.replacen(from, to, 1);
        assert_ne!(wrong, good, "{from}");
        differs(&validator, &wrong);
    }
}

/// A value of the right type for each key.
fn full_config() -> Map<String, Value> {
    let schema = printed("config");
    let value = |(key, property): (&String, &Value)| {
        let types: Vec<&str> =
            property["type"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let value = match (types.first(), property["enum"].get(0)) {
            (_, Some(choice)) => choice.clone(),
            (Some(&"boolean"), _) => true.into(),
            (Some(&"array"), _) => match key.as_str() {
                "output" => json!(["text", "sarif=out.sarif"]),
                _ => json!(["a", "b"]),
            },
            _ => match property.get("default") {
                Some(default) => default.clone(),
                None if key == "kubeVersion" => "1.34".into(),
                None => "a".into(),
            },
        };
        (key.clone(), value)
    };
    schema["properties"].as_object().unwrap().iter().map(value).collect()
}

#[test]
fn a_configuration_with_every_key_agrees_and_is_read() {
    let validator = validator("config");
    let mut config = full_config();
    assert!(config.len() > 12, "{config:?}");
    assert!(validator.is_valid(&Value::Object(config.clone())));
    assert!(validator.is_valid(&Value::Null), "a file of comments only");
    let file = directory(&[]);
    // It excludes old.
    config.remove("changedSince");
    write(file.path(), "stategate.yaml", Value::Object(config.clone()).to_string());
    let shown = run_in(file.path(), &["config", "show", "--config", "stategate.yaml"]);
    shown.expect(0, &[]);
    for key in config.keys() {
        let line = shown.stdout.lines().find(|line| line.starts_with(&format!("{key}: "))).unwrap();
        assert!(line.contains("stategate.yaml:"), "{line}");
    }
    let unset: Map<String, Value> = config.keys().map(|key| (key.clone(), Value::Null)).collect();
    assert!(validator.is_valid(&Value::Object(unset)));
}

#[test]
fn a_wrong_configuration_neither_agrees_nor_is_read() {
    let validator = validator("config");
    for text in [
        "fail-on: warn\n",
        "failOn: never\n",
        "noRender: 'yes'\n",
        "profile: [production, baseline]\n",
        "exclude: {a: b}\n",
        "exclude: [[a]]\n",
        "writeKnown: true\n",
        "[production]\n",
    ] {
        differs(&validator, text);
        let folder = directory(&[("stategate.yaml", text)]);
        run_in(folder.path(), &["config", "show"]).expect(2, &["stategate.yaml:1:"]);
    }
}
