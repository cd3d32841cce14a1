//! Examples are real: what the examples of the policies show is what an API server stores.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::json;
use stategate::source::catalogue::Catalogue;
use stategate::source::manifests::{Manifest, Manifests};

use crate::harness::ApiServer;

/// Groups of custom resources, of which the API server alone knows nothing.
const CUSTOM_GROUPS: [&str; 3] = ["autoscaling.k8s.io", "keda.sh", "snapshot.storage.k8s.io"];

/// Examples of what the API server refuses itself, with a piece of what it says: there the policy is
/// for people who have not asked it yet.
const REFUSED: [(&str, &str); 0] = [];

#[test]
fn the_api_server_accepts_every_object_of_every_example() {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let catalogue = Catalogue::embedded();
    let files = api.dir().join("examples");
    fs::create_dir(&files).unwrap();

    let (mut known, mut custom) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
    let (mut reviews, mut examples) = (0, 0);
    let mut namespaces = BTreeSet::new();
    for (path, text) in catalogue.examples() {
        let mut manifests = Manifests::default();
        manifests.add(path.to_owned(), text.text.as_bytes());
        assert!(manifests.errors.is_empty() && manifests.foreign == 0, "{path}: {:?}", manifests.errors);
        examples += 1;
        for (number, manifest) in manifests.objects.iter().enumerate() {
            if manifest.kind() == "AdmissionReview" {
                reviews += 1;
            } else if CUSTOM_GROUPS.contains(&group(manifest)) {
                *custom.entry(manifest.kind().to_owned()).or_default() += 1;
            } else {
                *known.entry(manifest.kind().to_owned()).or_default() += 1;
                namespaces.insert(manifest.metadata("namespace").to_owned());
                // kubectl names the file of an object that is refused.
                let name = format!("{}.{number}.json", path.replace('/', "+"));
                fs::write(files.join(name), manifest.object.to_string()).unwrap();
            }
        }
    }
    namespaces.remove("");
    let items: Vec<_> = namespaces
        .iter()
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        .collect();
    admin.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string());

    let all = ["create", "--dry-run=server", "--validate=strict", "-f", files.to_str().unwrap()];
    let output = admin.run(&all, "");
    println!("{}\n{}", output.stderr, output.stdout.lines().count());
    println!("{examples} examples, known {known:?}, custom {custom:?}, reviews {reviews}");
    panic!()
}

fn group(manifest: &Manifest) -> &str {
    manifest.api_version().split_once('/').map_or("", |(group, _)| group)
}
