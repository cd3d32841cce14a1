//! Claims, volumes and storage classes.

use std::collections::BTreeSet;

use super::json_node::JsonNode;
use super::pods::clean;
use super::scheduling::node_terms;
use super::view::{Claim, DataSource, PersistentVolume, StorageClass, Strings, Topology, Volume};

const LEGACY_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const DEFAULT_CLASS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// A claim as written: a PVC or a template for one.
pub fn claim(node: &JsonNode<'_>, origin: &'static str, name: String) -> Claim {
    let spec = node.child("spec");
    let status = node.child("status");
    let class = spec.child("storageClassName");
    let metadata = node.child("metadata");
    let annotations = metadata.child("annotations").string_map();
    let legacy = annotations.get(LEGACY_CLASS).cloned();
    let size = spec.child("resources").child("requests").child("storage");
    let volume_name = spec.child("volumeName").string().filter(|name| !name.is_empty());
    let by_hand = volume_name.is_some() || spec.child("selector").exists();
    // Only an explicit "" opts out of the default class (API reference, PersistentVolumeClaimSpec). The annotation
    // comes before the field (GetPersistentVolumeClaimClass in k8s.io/component-helpers).
    let own = class.string();
    let written = legacy.clone().or(own);
    let opted_out = written.as_deref() == Some("");
    Claim {
        name,
        origin,
        class_named: class.exists() || legacy.is_some(),
        storage_class: written.unwrap_or_default(),
        volume_attributes_class: text(&spec, "volumeAttributesClassName"),
        data_source: data_source(&spec),
        labels: metadata.child("labels").string_map(),
        annotations,
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

fn text(node: &JsonNode<'_>, key: &'static str) -> Option<String> {
    node.child(key).string().filter(|text| !text.is_empty())
}

/// The API server copies each of the two fields to the other, so either one is enough.
fn data_source(spec: &JsonNode<'_>) -> Option<DataSource> {
    let source =
        ["dataSourceRef", "dataSource"].map(|key| spec.child(key)).into_iter().find(JsonNode::exists)?;
    let string = |key: &'static str| source.child(key).string().unwrap_or_default();
    Some(DataSource {
        kind: string("kind"),
        name: string("name"),
        api_group: string("apiGroup"),
        namespace: text(&source, "namespace"),
        path: source.path,
    })
}

/// The claim templates of a StatefulSet.
pub fn templates(node: &JsonNode<'_>) -> Vec<Claim> {
    node.items()
        .iter()
        .map(|node| {
            claim(node, "template", node.child("metadata").child("name").string().unwrap_or_default())
        })
        .collect()
}

/// The volumes that claim templates create; they override pod volumes with the same name.
pub fn template_volumes(templates: &[Claim]) -> impl Iterator<Item = Volume> {
    templates.iter().map(|claim| Volume {
        name: claim.name.clone(),
        source: "volumeClaimTemplate".to_owned(),
        claim: Some(claim.name.clone()),
        path: claim.path.clone(),
        ..Volume::default()
    })
}

/// The claims that a pod's volumes use or create.
pub fn pod_claims(spec: &JsonNode<'_>) -> Vec<Claim> {
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

/// A StorageClass, with defaults as in storage/v1 `SetDefaults_StorageClass`.
pub fn storage_class(node: &JsonNode<'_>) -> StorageClass {
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
        allowed_topologies: topologies(&node.child("allowedTopologies")),
        is_default: DEFAULT_CLASS
            .iter()
            .any(|key| annotations.get(*key).is_some_and(|value| value == "true")),
    }
}

fn topologies(terms: &JsonNode<'_>) -> Vec<Topology> {
    let topology = |node: JsonNode<'_>| Topology {
        key: node.child("key").string().unwrap_or_default(),
        values: node.child("values").strings(),
        path: node.path,
    };
    terms
        .items()
        .into_iter()
        .flat_map(|term| term.child("matchLabelExpressions").items())
        .map(topology)
        .collect()
}

/// A PersistentVolume. The reclaim policy defaults to Retain, as for statically provisioned volumes.
pub fn persistent_volume(node: &JsonNode<'_>) -> PersistentVolume {
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
    let body = spec.child(source.clone());
    let legacy = node.child("metadata").child("annotations").string_map().remove(LEGACY_CLASS);
    PersistentVolume {
        reclaim_policy: spec
            .child("persistentVolumeReclaimPolicy")
            .string()
            .unwrap_or_else(|| "Retain".to_owned()),
        storage_class: legacy.or_else(|| spec.child("storageClassName").string()).unwrap_or_default(),
        capacity: spec.child("capacity").child("storage").bytes(),
        phase: node.child("status").child("phase").string(),
        claim: claim.exists().then(|| format!("{}/{}", name("namespace"), name("name"))),
        claim_namespace: text(&claim, "namespace"),
        claim_name: text(&claim, "name"),
        zones: zones(&spec, &node.child("metadata").child("labels").string_map()),
        volume_attributes: spec.child("csi").child("volumeAttributes").string_map(),
        read_only: body.child("readOnly").boolean().unwrap_or(false),
        access_modes: spec.child("accessModes").strings(),
        driver: spec.child("csi").child("driver").string(),
        handle: handle(&spec, &source, &body),
        source,
    }
}

/// What tells a disk from others of its driver or source. In-tree disks that a CSI driver takes over have its names.
fn handle(spec: &JsonNode<'_>, source: &str, body: &JsonNode<'_>) -> Option<String> {
    let partition = || body.child("partition").integer().filter(|number| *number != 0);
    let part = |disk: String| match partition() {
        Some(number) => format!("{disk}:{number}"),
        None => disk,
    };
    match source {
        "csi" => text(body, "volumeHandle"),
        // Also written with its zone: `aws://eu-west-1a/vol-1`.
        "awsElasticBlockStore" => {
            text(body, "volumeID").map(|id| part(id.rsplit('/').next().unwrap_or_default().to_owned()))
        }
        "azureDisk" => text(body, "diskURI"),
        "cinder" => text(body, "volumeID"),
        "gcePersistentDisk" => text(body, "pdName").map(part),
        "hostPath" | "local" => Some(format!("{} on {}", clean(&text(body, "path")?), only_node(spec)?)),
        "iscsi" => {
            let portal = text(body, "targetPortal")?;
            let portal = portal.strip_suffix(":3260").unwrap_or(&portal);
            let lun = body.child("lun").integer().unwrap_or_default();
            Some(format!("{} of {portal}, LUN {lun}", text(body, "iqn")?))
        }
        _ => None,
    }
}

/// The node that a volume is on, if it can be on no other.
fn only_node(spec: &JsonNode<'_>) -> Option<String> {
    let terms = node_terms(&spec.child("nodeAffinity").child("required"));
    let [term] = terms.as_slice() else { return None };
    let mut named = term
        .expressions
        .iter()
        .filter(|expression| expression.key == "kubernetes.io/hostname" && expression.operator == "In");
    match named.next()?.values.as_slice() {
        [node] => Some(node.clone()),
        _ => None,
    }
}

/// Zones from node affinity, or else from the labels of older volumes, where two underscores separate several
/// zones. CSI drivers use keys of their own, such as `topology.ebs.csi.aws.com/zone`.
fn zones(spec: &JsonNode<'_>, labels: &Strings) -> BTreeSet<String> {
    let is_zone = |key: &str| key.ends_with("/zone");
    let terms = node_terms(&spec.child("nodeAffinity").child("required"));
    let expressions = terms.into_iter().flat_map(|term| term.expressions);
    let named = expressions.filter(|expression| expression.operator == "In" && is_zone(&expression.key));
    let zones: BTreeSet<String> = named.flat_map(|expression| expression.values).collect();
    if !zones.is_empty() {
        return zones;
    }
    let labelled = labels.iter().filter(|(key, _)| is_zone(key));
    labelled.flat_map(|(_, value)| value.split("__")).map(str::to_owned).collect()
}
