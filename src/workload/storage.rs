//! Claims, volumes and classes.

use super::node::Node;
use super::view::{Claim, PersistentVolume, StorageClass, Volume};

const LEGACY_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// A claim as it is written: a PVC, or a template of one.
pub fn claim(node: &Node<'_>, origin: &'static str, name: String) -> Claim {
    let spec = node.child("spec");
    let status = node.child("status");
    let class = spec.child("storageClassName");
    let legacy = node.child("metadata").child("annotations").child(LEGACY_CLASS).string();
    let size = spec.child("resources").child("requests").child("storage");
    let volume_name = spec.child("volumeName").string().filter(|name| !name.is_empty());
    let by_hand = volume_name.is_some() || spec.child("selector").exists();
    // Only an explicit "" opts out of the default class (api reference, PersistentVolumeClaimSpec).
    let opted_out = class.raw().and_then(|value| value.as_str()) == Some("");
    Claim {
        name,
        origin,
        storage_class: class.string().filter(|name| !name.is_empty()).or(legacy).unwrap_or_default(),
        static_binding: opted_out && by_hand,
        size: size.bytes(),
        size_text: size.scalar_text(),
        access_modes: spec.child("accessModes").strings(),
        volume_mode: spec.child("volumeMode").string().unwrap_or_else(|| "Filesystem".to_owned()),
        phase: status.child("phase").string(),
        volume_name,
        capacity: status.child("capacity").child("storage").bytes(),
        path: node.path.clone(),
        spec_path: spec.path,
    }
}

/// The claim templates of a StatefulSet.
pub fn templates(node: &Node<'_>) -> Vec<Claim> {
    node.items()
        .iter()
        .map(|node| {
            claim(node, "template", node.child("metadata").child("name").string().unwrap_or_default())
        })
        .collect()
}

/// The volumes that claim templates make; they win over the pod's volumes of the same name.
pub fn template_volumes(templates: &[Claim]) -> impl Iterator<Item = Volume> {
    templates.iter().map(|claim| Volume {
        name: claim.name.clone(),
        source: "volumeClaimTemplate".to_owned(),
        claim: Some(claim.name.clone()),
        path: claim.path.clone(),
        ..Volume::default()
    })
}

/// The claims that a pod's volumes use or make.
pub fn pod_claims(spec: &Node<'_>) -> Vec<Claim> {
    spec.child("volumes")
        .items()
        .iter()
        .filter_map(|node| {
            let volume = node.child("name").string().unwrap_or_default();
            let reference = node.child("persistentVolumeClaim");
            if let Some(name) = reference.child("claimName").string() {
                let path = reference.path.clone();
                return Some(Claim {
                    name,
                    origin: "reference",
                    spec_path: path.clone(),
                    path,
                    ..Claim::default()
                });
            }
            let template = node.child("ephemeral").child("volumeClaimTemplate");
            template.exists().then(|| claim(&template, "ephemeral", volume))
        })
        .collect()
}

/// A StorageClass; defaults as in storage/v1 `SetDefaults_StorageClass`.
pub fn storage_class(node: &Node<'_>) -> StorageClass {
    let annotations = node.child("metadata").child("annotations").string_map();
    StorageClass {
        provisioner: node.child("provisioner").string().unwrap_or_default(),
        parameters: node.child("parameters").string_map(),
        reclaim_policy: node.child("reclaimPolicy").string().unwrap_or_else(|| "Delete".to_owned()),
        volume_binding_mode: node
            .child("volumeBindingMode")
            .string()
            .unwrap_or_else(|| "Immediate".to_owned()),
        allow_volume_expansion: node.child("allowVolumeExpansion").boolean().unwrap_or(false),
        mount_options: node.child("mountOptions").strings(),
        is_default: DEFAULT_CLASS
            .iter()
            .any(|key| annotations.get(*key).is_some_and(|value| value == "true")),
    }
}

/// A PersistentVolume; a statically made one is retained unless it says otherwise.
pub fn persistent_volume(node: &Node<'_>) -> PersistentVolume {
    let spec = node.child("spec");
    let claim = spec.child("claimRef");
    let name = |key: &'static str| claim.child(key).string().unwrap_or_default();
    let common = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    ];
    let source = spec
        .raw()
        .and_then(|value| value.as_object())
        .and_then(|map| map.iter().find(|(key, value)| !common.contains(&key.as_str()) && !value.is_null()))
        .map(|(key, _)| key.clone())
        .unwrap_or_default();
    PersistentVolume {
        reclaim_policy: spec
            .child("persistentVolumeReclaimPolicy")
            .string()
            .unwrap_or_else(|| "Retain".to_owned()),
        storage_class: spec.child("storageClassName").string().unwrap_or_default(),
        capacity: spec.child("capacity").child("storage").bytes(),
        phase: node.child("status").child("phase").string(),
        claim: claim.exists().then(|| format!("{}/{}", name("namespace"), name("name"))),
        driver: spec.child("csi").child("driver").string(),
        source,
    }
}
