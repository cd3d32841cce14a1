//! A manifest in CI gives the same view as the stored object at admission: the API server's own defaults are
//! the oracle.

use std::path::Path;

use serde_json::Value;
use stategate::policyset::{CompileOptions, PolicySet};
use stategate::source::catalogue::Catalogue;
use stategate::source::manifests::Manifests;
use stategate::workload::{SelfClassification, project};

use crate::harness::ApiServer;

/// Groups of custom resources, which a bare API server does not know.
const CUSTOM_GROUPS: [&str; 2] = ["autoscaling.k8s.io", "keda.sh"];

#[test]
fn manifests_and_stored_objects_give_the_same_view() {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let set =
        PolicySet::compile(&Catalogue::embedded().sources("production").unwrap(), CompileOptions::default())
            .unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifests/all-kinds.yaml");
    let manifests = Manifests::read(std::slice::from_ref(&file));
    assert!(manifests.errors.is_empty(), "{:?}", manifests.errors);
    let mut kinds = std::collections::BTreeSet::new();
    for manifest in &manifests.objects {
        let request = manifest
            .request(set.projections(), None, "default")
            .unwrap_or_else(|| panic!("{} has no projection", manifest.kind()));
        let projection = set.projection(&request).unwrap();
        let text = serde_json::to_string(&*manifest.object).unwrap();
        let stored = admin.ok(&["create", "-f", "-", "-o", "json"], &text).stdout;
        let stored: Value = serde_json::from_str(&stored).unwrap();
        let view = |object: &Value| {
            let projected = project(
                object,
                &request.namespace,
                projection,
                &set.projections().engines,
                SelfClassification::Believed,
            );
            assert!(projected.problems.is_empty(), "{}: {:?}", manifest.kind(), projected.problems);
            without_status(serde_json::to_value(projected.workload).unwrap())
        };
        let difference = json_patch::diff(&view(&stored), &view(&manifest.object));
        assert!(difference.is_empty(), "{} {}: {difference:#?}", manifest.kind(), manifest.metadata("name"));
        kinds.insert(manifest.kind().to_owned());
    }
    let projected: std::collections::BTreeSet<String> = set
        .projections()
        .iter()
        .filter(|(kind, _)| !CUSTOM_GROUPS.contains(&kind.group.as_str()))
        .map(|(kind, _)| kind.kind.clone())
        .collect();
    assert_eq!(kinds, projected, "a kind with a projection is not in all-kinds.yaml, or the other way round");
}

/// Removes the status and what the cluster itself fills in, which are not defaults.
fn without_status(mut view: Value) -> Value {
    for claim in view["claims"].as_array_mut().into_iter().flatten() {
        if let Some(claim) = claim.as_object_mut() {
            claim.remove("phase");
        }
    }
    if let Some(annotations) = view["annotations"].as_object_mut() {
        annotations.remove("deprecated.daemonset.template.generation");
    }
    // The cluster adds labels with a Job's uid and name, and with a Namespace's name.
    for place in ["/labels", "/pods/labels"] {
        if let Some(labels) = view.pointer_mut(place).and_then(Value::as_object_mut) {
            labels.retain(|key, _| !by_the_cluster(key));
        }
    }
    // The admission plugin DefaultTolerationSeconds adds these two to every pod.
    if let Some(tolerations) = view["scheduling"]["tolerations"].as_array_mut() {
        let by_plugin = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
        tolerations.retain(|toleration| !by_plugin.contains(&toleration["key"].as_str().unwrap_or_default()));
    }
    if let Some(volume) = view["persistent_volume"].as_object_mut() {
        volume.remove("phase");
    }
    view
}

fn by_the_cluster(label: &str) -> bool {
    ["controller-uid", "job-name", "kubernetes.io/metadata.name"].iter().any(|end| label.ends_with(end))
}
