//! The policies' examples are realistic: an API server stores their objects and allows their changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use stategate::diagnostic::SourceText;
use stategate::source::catalogue::Catalogue;
use stategate::source::manifests::{Manifest, Manifests};

use crate::harness::{ApiServer, Kubectl};

/// Groups of custom resources that are called as if they were the API server's own.
const CUSTOM_GROUPS: [&str; 3] =
    ["autoscaling.k8s.io", "gateway.networking.k8s.io", "snapshot.storage.k8s.io"];

/// Examples that the API server refuses, too. `check` tells before.
pub const REFUSED: [&str; 2] = [
    "backup/backup_schedule_valid/examples/deny_cron_job_hour_30.yaml",
    "storage/pv_reclaim_recycle/examples/deny_class.yaml",
];

/// Examples of changes that the API server refuses too, by path prefix, with a part of its message. The
/// policies report them before anything is applied, and say what to do instead.
const REFUSED_AS_WELL: [(&str, &str); 10] = [
    ("storage/pvc_expansion_supported/examples/deny_class_without_expansion", "must support resize"),
    ("storage/pvc_no_shrink/examples/deny_shrink_claim", "can not be less than"),
    ("storage/pvc_no_shrink/examples/deny_shrink_template", STATEFUL_SET),
    ("storage/pvc_storage_class_immutable/examples/deny_claim_changes_class", "spec is immutable"),
    ("storage/pvc_storage_class_immutable/examples/deny_template_changes_class", STATEFUL_SET),
    // Who gets it done deletes the set and makes it again.
    ("storage/volume_data_dropped/examples/deny_container_gets_a_claim", STATEFUL_SET),
    ("storage/volume_data_dropped/examples/deny_emptydir_becomes_claim", STATEFUL_SET),
    ("storage/volume_data_dropped/examples/pass_confirmed", STATEFUL_SET),
    ("storage/volume_data_dropped/examples/pass_nothing_runs", STATEFUL_SET),
    // All of them: they are the subject of the policy.
    ("storage/statefulset_immutable_fields/examples/deny_", STATEFUL_SET),
];

const STATEFUL_SET: &str = "updates to statefulset spec for fields other than";

/// The documents of an example.
pub fn objects(path: &str, text: &str) -> Vec<Manifest> {
    let mut manifests = Manifests::default();
    manifests.add(path.to_owned(), text.as_bytes());
    assert!(manifests.errors.is_empty() && manifests.foreign == 0, "{path}: {:?}", manifests.errors);
    manifests.objects
}

fn is_custom(manifest: &Manifest) -> bool {
    is_of_a_custom_group(manifest.api_version())
}

/// Whether it is a custom resource, which a bare API server does not know.
pub fn is_of_a_custom_group(api_version: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    CUSTOM_GROUPS.contains(&group) || group.contains('.') && !group.ends_with(".k8s.io")
}

/// One file for each object, since kubectl names the file of a refused object.
pub fn write(directory: &Path, example: &str, number: usize, object: &Value) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join(format!("{}.{number}.json", example.replace('/', "+"))), object.to_string())
        .unwrap();
}

/// kubectl's error messages for refused objects, by example.
fn refused(stderr: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let (file, why) = line.split_once("\": ").filter(|_| line.starts_with("Error"))?;
        let file = file.rsplit('/').next()?;
        let (example, _) = file.rsplit_once(".json").map_or((file, ""), |found| found);
        let (example, _number) = example.rsplit_once('.')?;
        Some((example.replace('+', "/"), why.to_owned()))
    };
    stderr.lines().filter_map(line).collect()
}

fn make_namespaces(admin: &Kubectl, names: impl IntoIterator<Item = String>) {
    let item = |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let items: Vec<Value> = names.into_iter().map(item).collect();
    admin.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string());
}

#[test]
fn the_api_server_accepts_every_object_of_every_example() {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let catalogue = Catalogue::embedded();
    each_can_be_created(&api, &admin, &catalogue);
    each_change_can_be_made(&api, &admin, &catalogue);
}

fn each_can_be_created(api: &ApiServer, admin: &Kubectl, catalogue: &Catalogue) {
    let files = api.dir().join("examples");
    let (mut known, mut custom) = (BTreeMap::<&str, usize>::new(), BTreeMap::<&str, usize>::new());
    let (mut reviews, mut examples) = (0, 0);
    let mut namespaces = BTreeSet::new();
    let all: Vec<(&str, Vec<Manifest>)> =
        catalogue.examples().map(|(path, text)| (path, objects(path, &text.text))).collect();
    for (path, manifests) in &all {
        examples += 1;
        for (number, manifest) in manifests.iter().enumerate() {
            if manifest.kind() == "AdmissionReview" {
                reviews += 1;
            } else if is_custom(manifest) {
                *custom.entry(manifest.kind()).or_default() += 1;
            } else {
                *known.entry(manifest.kind()).or_default() += 1;
                namespaces.insert(manifest.metadata("namespace").to_owned());
                write(&files, path, number, &manifest.object);
            }
        }
    }
    namespaces.remove("");
    make_namespaces(admin, namespaces);

    let started = Instant::now();
    let directory = files.to_str().unwrap();
    let output = admin.run(&["create", "--dry-run=server", "--validate=strict", "-f", directory], "");
    // Existence of the name is checked last, so an existing namespace has passed all other checks.
    let (there, refused): (BTreeMap<_, _>, BTreeMap<_, _>) =
        refused(&output.stderr).into_iter().partition(|(_, why)| why.ends_with("already exists"));
    let (expected, refused): (BTreeMap<_, _>, BTreeMap<_, _>) =
        refused.into_iter().partition(|(example, _)| REFUSED.contains(&example.as_str()));
    assert!(refused.is_empty() && expected.len() == REFUSED.len(), "{refused:#?}");
    let accepted = output.stdout.lines().filter(|line| line.ends_with("created (server dry run)")).count();
    println!(
        "{examples} examples, {accepted} objects accepted in {:?}: {known:?}; {} Namespaces were there; \
         not known to the API server: {custom:?}; AdmissionReviews: {reviews}",
        started.elapsed(),
        there.len()
    );
    assert_eq!(accepted + there.len() + expected.len(), known.values().sum::<usize>(), "{}", output.stderr);
    assert!(examples > 100 && known["StatefulSet"] > 100, "the catalogue has lost its examples");
}

/// Stores the old state in a separate namespace, then requests the change.
fn each_change_can_be_made(api: &ApiServer, admin: &Kubectl, catalogue: &Catalogue) {
    let [before, bound, after] = ["before", "bound", "after"].map(|name| api.dir().join(name));
    let texts: BTreeMap<&str, &SourceText> = catalogue.examples().collect();
    let (mut namespaces, mut changes) = (Vec::new(), 0);
    for (path, text) in &texts {
        let Some(stem) = path.strip_suffix(".old.yaml") else { continue };
        let namespace = format!("change-{}", namespaces.len());
        let path = format!("{stem}.yaml");
        let (old, new) = (objects(&path, &text.text), objects(&path, &texts[path.as_str()].text));
        let put = |directory: &Path, number: usize, manifest: &Manifest| {
            let mut object = (*manifest.object).clone();
            if !manifest.metadata("namespace").is_empty() {
                object["metadata"]["namespace"] = namespace.clone().into();
            }
            write(directory, &path, number, &object);
        };
        for (number, manifest) in new.iter().enumerate().filter(|(_, object)| !is_custom(object)) {
            let state = old.iter().find(|old| old.reference("") == manifest.reference(""));
            // Objects without an old version existed before, unchanged.
            put(&before, number, state.unwrap_or(manifest));
            let Some(state) = state else { continue };
            if state.object["status"].is_object() && state.kind() == "PersistentVolumeClaim" {
                put(&bound, number, state);
            }
            put(&after, number, manifest);
            changes += 1;
        }
        namespaces.push(namespace);
    }
    make_namespaces(admin, namespaces);

    let started = Instant::now();
    let made = refused(&admin.run(&["create", "-f", before.to_str().unwrap()], "").stderr);
    let there = |why: &String| why.ends_with("already exists");
    assert!(made.values().all(there), "{made:#?}");
    // The status is ignored on creation.
    admin.ok(&["replace", "--subresource=status", "-f", bound.to_str().unwrap()], "");
    let output =
        admin.run(&["replace", "--dry-run=server", "--validate=strict", "-f", after.to_str().unwrap()], "");
    let refused = refused(&output.stderr);
    let accepted = output.stdout.lines().filter(|line| line.ends_with("replaced (server dry run)")).count();
    println!("{changes} changes, {accepted} accepted in {:?}", started.elapsed());
    for (example, why) in &refused {
        let known = REFUSED_AS_WELL.iter().find(|(start, _)| example.starts_with(start));
        assert!(known.is_some_and(|(_, said)| why.contains(said)), "{example}: {why}");
    }
    for path in texts.keys().filter_map(|path| path.strip_suffix(".old.yaml")) {
        let known = REFUSED_AS_WELL.iter().any(|(start, _)| path.starts_with(start));
        assert!(!known || refused.contains_key(&format!("{path}.yaml")), "{path} is not refused");
    }
    assert_eq!(accepted + refused.len(), changes, "{}", output.stderr);
}
