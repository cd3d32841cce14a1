//! Patches at admission match the policies' examples, are applied once, and name their policies.

use serde_json::Value;
use stategate::path;
use stategate::policy::Patches;
use stategate::policyset::{CompileOptions, PolicySet};
use stategate::source::catalogue::Catalogue;

use crate::harness::{ApiServer, Kubectl, Stategate};
use crate::register_and_wait;

/// The shipped profile lets this user restore anything: other violations in an example lead only to warnings.
const RESTORER: &str = "system:serviceaccount:velero:velero";
const SUPERUSERS: &str = "--as-group=system:masters";
const MUTATED_BY: &str = "stategate.io/mutated-by";

#[test]
fn every_example_of_a_patch_is_stored_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let gate = Stategate::start(dir.path(), &["--drain-delay", "0"]);
    let admin = api.kubectl("admin");
    register_and_wait(&api, &gate);

    let catalogue = Catalogue::embedded();
    let set =
        PolicySet::compile(&catalogue.sources("production").unwrap(), CompileOptions::default()).unwrap();
    let mut done = Vec::new();
    for (path, text) in catalogue.examples() {
        let Some(stem) = path.strip_suffix(".in.yaml") else { continue };
        let policy = policy_id(path);
        // Its patches apply to files only; the tests of `fix` check that they stay out of the cluster.
        if set.policy(&policy).is_some_and(|policy| policy.patches == Patches::Fix) {
            continue;
        }
        let (_, out) = catalogue
            .examples()
            .find(|(other, _)| other.strip_suffix(".out.yaml") == Some(stem))
            .unwrap_or_else(|| panic!("{path} has no .out.yaml"));
        let namespace = format!("patch-{}", done.len());
        admin.ok(&["create", "namespace", &namespace], "");
        let [given, mut wanted] = [&text.text, &out.text].map(|text| {
            let mut object = stategate::yaml::read(text).unwrap().remove(0).value;
            object["metadata"]["namespace"] = namespace.clone().into();
            object
        });
        // Other policies patch it as well, and add their names.
        let signed = wanted["metadata"]["annotations"].as_object_mut().unwrap().remove(MUTATED_BY).unwrap();
        assert_eq!(signed, policy, "{path}");
        let restore = |verb: &str| {
            admin.ok(&[verb, "-f", "-", "--as", RESTORER, SUPERUSERS], &given.to_string());
            stored(&admin, &given)
        };

        let first = restore("apply");
        holds(&first, &wanted, path, &mut Vec::new());
        assert_ne!(given, wanted, "{path} shows no change");
        let names = first["metadata"]["annotations"][MUTATED_BY].as_str().unwrap_or_default();
        assert!(names.split(',').any(|name| name == policy), "{path}: mutated by {names:?}");

        let again = restore("apply");
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        assert_eq!(version(&again), version(&first), "{path}: applied again, it is not left alone");
        // A manifest that replaces the object drops what was added: it is restored, and no pod restarts.
        let replaced = restore("replace");
        assert_eq!(replaced["spec"], first["spec"], "{path}");
        assert_eq!(replaced["metadata"]["generation"], first["metadata"]["generation"], "{path}");
        assert_eq!(replaced["metadata"]["annotations"][MUTATED_BY], names, "{path}");
        // An ordinary change by another client keeps it, too.
        let kind = given["kind"].as_str().unwrap();
        let name = given["metadata"]["name"].as_str().unwrap();
        admin.ok(&["annotate", kind, name, "-n", &namespace, "note=x", "--as", RESTORER, SUPERUSERS], "");
        assert_eq!(stored(&admin, &given)["spec"], first["spec"], "{path}");
        done.push(policy);
    }
    println!("patched as in their examples: {}", done.join(", "));
    assert!(done.len() >= 3, "{done:?}");
}

fn stored(admin: &Kubectl, object: &Value) -> Value {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap();
    admin.get_json(&[text("/kind"), text("/metadata/name"), "-n", text("/metadata/namespace")])
}

/// `scheduling/topology_spread_zone/examples/…` is an example of `topology-spread-zone`.
fn policy_id(path: &str) -> String {
    path.split('/').nth(1).unwrap().replace('_', "-")
}

/// Asserts that everything wanted is present; the API server and other policies may have added more.
#[track_caller]
fn holds(stored: &Value, wanted: &Value, example: &str, at: &mut path::Path) {
    match (stored, wanted) {
        (Value::Object(stored), Value::Object(wanted)) => {
            for (key, wanted) in wanted {
                at.push(path::Segment::from(key.clone()));
                holds(stored.get(key).unwrap_or(&Value::Null), wanted, example, at);
                at.pop();
            }
        }
        (Value::Array(stored), Value::Array(wanted)) if stored.len() == wanted.len() => {
            for (index, (stored, wanted)) in stored.iter().zip(wanted).enumerate() {
                at.push(path::Segment::from(index));
                holds(stored, wanted, example, at);
                at.pop();
            }
        }
        _ => assert_eq!(stored, wanted, "{example}: {}", path::dotted(at)),
    }
}
