//! Front ends agree: `check`, `review` and the webhook over HTTPS find the same in the same change.
//!
//! The cases come from the catalogue: for each policy, the first example that violates it and consists of one
//! object. Each case has its own namespace, so that one run of `check` covers all of them without making any
//! a sibling of another. All front ends get the same inventory, so nothing is unknown. Every policy denies,
//! so that the webhook's response contains the place of each finding. Findings on objects that arrive after
//! their workload only warn at admission; they are compared by their messages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use serde_json::{Value, json};
use stategate::source::catalogue::Catalogue;

use crate::server::Server;
use crate::support::{stategate, stategate_with, write};

/// Every how many cases `review` runs too: it loads the catalogue for each.
const REVIEWED: usize = 3;

const BINDINGS: &str = "
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: strict}
spec: {override: true, action: deny, mutate: true}
";

/// Kinds with an empty list in the inventory, which states that the cluster has none of them.
const KINDS: [(&str, &str); 17] = [
    ("v1", "PersistentVolumeClaim"),
    ("v1", "PersistentVolume"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ResourceQuota"),
    ("v1", "LimitRange"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("policy/v1", "PodDisruptionBudget"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("storage.k8s.io/v1", "VolumeAttributesClass"),
    ("snapshot.storage.k8s.io/v1", "VolumeSnapshot"),
    ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler"),
];

struct Case {
    example: String,
    namespace: String,
    object: Value,
    old: Option<Value>,
}

/// Policy, place and message of a finding, with the binding that decided; the place is empty if only a warning reports
/// it.
type Found = BTreeSet<(String, String, String)>;

/// For each policy the first violation that consists of one object, separated by namespace or name.
fn cases() -> Vec<Case> {
    let catalogue = Catalogue::embedded();
    let texts: BTreeMap<&str, &str> = catalogue.examples().map(|(path, text)| (path, &*text.text)).collect();
    let one = |text: &str| match stategate::yaml::read(text).unwrap().as_mut_slice() {
        [document] => Some(std::mem::take(&mut document.value)),
        _ => None,
    };
    let mut policies = BTreeSet::new();
    let mut cases = Vec::new();
    for (path, text) in &texts {
        let (folder, file) = path.split_once("/examples/").unwrap();
        let violates = file.starts_with("deny_") || file.starts_with("warn_");
        let own = |stem: &&str| !stem.ends_with(".old") && !stem.ends_with(".inventory");
        let Some(stem) = path.strip_suffix(".yaml").filter(|stem| violates && own(stem)) else {
            continue;
        };
        // Here all cases share one cluster, that of `inventory`.
        if texts.contains_key(format!("{stem}.inventory.yaml").as_str()) {
            continue;
        }
        let Some(mut object) = one(text).filter(|object| object["kind"] != "AdmissionReview") else {
            continue;
        };
        if policies.contains(folder) {
            continue;
        }
        let number = cases.len();
        let namespace = match object["metadata"]["namespace"].as_str() {
            Some(_) => format!("case-{number}"),
            None => String::new(),
        };
        let mut old = texts.get(format!("{stem}.old.yaml").as_str()).and_then(|text| one(text));
        // What had another name or kind is no earlier state of this object; only `check` sees both.
        let is_other = |old: &Value| {
            old["metadata"]["name"] != object["metadata"]["name"] || old["kind"] != object["kind"]
        };
        if old.as_ref().is_some_and(is_other) {
            continue;
        }
        policies.insert(folder);
        for object in std::iter::once(&mut object).chain(&mut old) {
            match namespace.is_empty() {
                true => object["metadata"]["name"] = format!("of-case-{number}").into(),
                false => object["metadata"]["namespace"] = namespace.clone().into(),
            }
        }
        cases.push(Case { example: (*path).to_owned(), namespace, object, old });
    }
    cases
}

/// Writes the cluster inventory for all front ends.
fn inventory(directory: &Path, cases: &[Case]) {
    let list = |(version, kind): (&str, &str), items: Vec<Value>| {
        let list = json!({"apiVersion": version, "kind": format!("{kind}List"), "items": items});
        write(directory, &format!("{kind}.json"), list.to_string());
    };
    KINDS.into_iter().for_each(|kind| list(kind, Vec::new()));
    let named = |case: &Case| json!({"metadata": {"name": case.namespace}});
    list(("v1", "Namespace"), cases.iter().filter(|case| !case.namespace.is_empty()).map(named).collect());
    let node = |zone: &&str| {
        let labels = json!({"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": zone});
        json!({"metadata": {"name": format!("node-{zone}"), "labels": labels}})
    };
    list(("v1", "Node"), ["a", "b", "c"].iter().map(node).collect());
    let class = json!({"metadata": {"name": "fast-encrypted"}, "provisioner": "ebs.csi.aws.com",
        "parameters": {"encrypted": "true"}, "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Retain"});
    list(("storage.k8s.io/v1", "StorageClass"), vec![class]);
}

/// The AdmissionReview that an API server would send.
fn review(case: &Case, plural: &str, object: &Value) -> Value {
    let (group, version) = match object["apiVersion"].as_str().unwrap().split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", "v1"),
    };
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "5d9f0ad0-0000-4000-8000-000000000000",
        "kind": {"group": group, "version": version, "kind": object["kind"]},
        "resource": {"group": group, "version": version, "resource": plural},
        "name": object["metadata"]["name"], "namespace": case.namespace,
        "operation": if case.old.is_some() { "UPDATE" } else { "CREATE" },
        "userInfo": {"username": "dev"}, "object": object, "oldObject": case.old}})
}

fn plural(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap().to_lowercase();
    if kind.ends_with("class") { format!("{kind}es") } else { format!("{kind}s") }
}

/// The object as patched by the mutating webhook's response.
fn patched(mut object: Value, answer: &Value) -> Value {
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    if let Some(patch) = answer["response"]["patch"].as_str() {
        let patch = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    }
    object
}

fn check(arguments: &[&str]) -> BTreeMap<(String, String), Found> {
    let run = stategate(&[&["check", "-o", "json"], arguments].concat());
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
    for nothing in ["errors", "failures", "unknown", "waived"] {
        assert_eq!(report[nothing], json!([]), "{nothing}");
    }
    let mut found = BTreeMap::<(String, String), Found>::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // A webhook counts those that were there before.
    for finding in report["findings"].as_array().unwrap().iter().filter(|one| one["preExisting"] != true) {
        let object = &finding["object"];
        found.entry((text(&object["namespace"]), text(&object["name"]))).or_default().insert((
            text(&finding["policy"]),
            dotted(finding["path"].as_str().unwrap()),
            format!("{} (binding: {})", text(&finding["message"]), text(&finding["binding"])),
        ));
    }
    found
}

/// Converts an RFC 6901 pointer to the dotted form.
fn dotted(pointer: &str) -> String {
    stategate::path::dotted(&stategate::path::from_pointer(pointer))
}

/// Compares the webhook's response with what `check` found; anything left on either side is a difference.
fn differences(mut found: Found, answer: &Value) -> Vec<String> {
    let response = &answer["response"];
    let mut only_there = Vec::new();
    for cause in response["status"]["details"]["causes"].as_array().into_iter().flatten() {
        let text = |key: &str| cause[key].as_str().unwrap_or_default().to_owned();
        let told = (text("reason"), text("field"), text("message"));
        if !found.remove(&told) {
            only_there.push(format!("only the webhook: {told:?}"));
        }
    }
    let warnings = response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // What is about a finding is none.
    let is_note =
        |warning: &&str| warning.contains("earlier finding") || warning.contains("only warns at admission");
    for warning in warnings.filter(|warning| !is_note(warning)) {
        let (policy, said) = warning.split_once(": ").unwrap_or((warning, ""));
        let (said, binding) = said.rsplit_once("; binding: ").unwrap_or((said, "none"));
        let said = said.split("; fix: ").next().unwrap_or_default().trim_end_matches('…');
        let one_line = |message: &str| message.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = format!(" (binding: {binding})");
        let told = found.iter().find(|(id, _, message)| {
            id == policy && one_line(message).starts_with(said) && message.ends_with(&end)
        });
        match told.cloned() {
            Some(told) => assert!(found.remove(&told)),
            None => only_there.push(format!("only the webhook: {warning}")),
        }
    }
    only_there.into_iter().chain(found.iter().map(|told| format!("only check: {told:?}"))).collect()
}

#[test]
fn check_review_and_the_webhook_find_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let cases = cases();
    inventory(&dir.path().join("inventory"), &cases);
    write(dir.path(), "bindings.yaml", BINDINGS);
    let (known, bindings) = (path("inventory"), path("bindings.yaml"));
    let told = ["--inventory", &known, "--bindings", &bindings];
    for (number, case) in cases.iter().enumerate() {
        write(dir.path(), &format!("new/{number}.json"), case.object.to_string());
        if let Some(old) = &case.old {
            write(dir.path(), &format!("old/{number}.json"), old.to_string());
        }
    }
    let mut found = check(&[&[path("new").as_str(), "--old", &path("old")], &told[..]].concat());

    let server = Server::start(dir.path(), &told);
    let ask = |door: &str, review: &Value| -> Value {
        let (status, body) = server.post(door, review.to_string().as_bytes());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let (mut different, mut findings, mut reviewed) = (Vec::new(), 0, 0);
    for (number, case) in cases.iter().enumerate() {
        let plural = plural(&case.object);
        let completed =
            patched(case.object.clone(), &ask("/mutate?timeout=10s", &review(case, &plural, &case.object)));
        let asked = review(case, &plural, &completed);
        let answer = ask("/validate/fail?timeout=10s", &asked);
        if number % REVIEWED == 0 {
            let run = stategate_with(&[&["review", "-"], &told[..]].concat(), &asked.to_string());
            let said: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
            assert_eq!(said, answer, "{}", case.example);
            reviewed += 1;
        }
        let name = case.object["metadata"]["name"].as_str().unwrap().to_owned();
        let of_case = found.remove(&(case.namespace.clone(), name)).unwrap_or_default();
        findings += of_case.len();
        different.extend(
            differences(of_case, &answer).into_iter().map(|what| format!("{}: {what}", case.example)),
        );
    }
    server.terminate();
    server.end();
    println!("{} cases, {findings} findings; {reviewed} cases reviewed", cases.len());
    assert!(different.is_empty(), "{different:#?}");
    assert!(found.is_empty(), "findings of no case: {found:#?}");
    assert!(cases.len() >= 25 && findings > cases.len(), "{} cases, {findings} findings", cases.len());
}
