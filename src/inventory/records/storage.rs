//! Classes, claims, volumes and snapshots.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Head;
use crate::workload::view::{self, Owner, Strings};
use crate::workload::{Node, storage};

/// A StorageClass.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ClassRecord {
    pub name: String,
    #[serde(flatten)]
    pub class: view::StorageClass,
    pub allowed_topologies: Vec<Topology>,
    pub annotations: Strings,
    pub labels: Strings,
    /// Of several default classes the newest wins.
    #[serde(skip)]
    pub created: String,
}

/// One requirement of `allowedTopologies`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Topology {
    pub key: String,
    pub values: Vec<String>,
}

/// A VolumeAttributesClass.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct AttributesRecord {
    pub name: String,
    pub driver: String,
    pub parameters: Strings,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ClaimRecord {
    #[serde(skip)]
    pub namespace: String,
    #[serde(flatten)]
    pub claim: view::Claim,
    pub labels: Strings,
    pub annotations: Strings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// `storageClassName: ""`: it wants no class.
    #[serde(skip)]
    pub no_class: bool,
}

/// A PersistentVolume.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct VolumeRecord {
    pub name: String,
    #[serde(flatten)]
    pub volume: view::PersistentVolume,
    pub labels: Strings,
    pub annotations: Strings,
}

/// A VolumeSnapshot.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct SnapshotRecord {
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    pub namespace: String,
    /// Left out: nobody has said yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// A VolumeSnapshotClass.
#[derive(Clone, Debug, Default)]
pub struct SnapshotClassRecord {
    pub name: String,
    pub driver: String,
}

impl ClassRecord {
    pub fn read(node: &Node<'_>, head: Head) -> Self {
        Self {
            class: storage::storage_class(node),
            allowed_topologies: topologies(node),
            created: node.child("metadata").child("creationTimestamp").string().unwrap_or_default(),
            name: head.name,
            labels: head.labels,
            annotations: head.annotations,
        }
    }
}

impl AttributesRecord {
    pub fn read(node: &Node<'_>, head: Head) -> Self {
        Self {
            name: head.name,
            driver: node.child("driverName").string().unwrap_or_default(),
            parameters: node.child("parameters").string_map(),
        }
    }
}

impl ClaimRecord {
    pub fn read(node: &Node<'_>, head: Head) -> Self {
        Self {
            no_class: node.child("spec").child("storageClassName").raw() == Some(&Value::from("")),
            claim: storage::claim(node, "object", head.name),
            namespace: head.namespace,
            labels: head.labels,
            annotations: head.annotations,
            owner: head.owner,
        }
    }
}

impl VolumeRecord {
    pub fn read(node: &Node<'_>, head: Head) -> Self {
        Self {
            name: head.name,
            volume: storage::persistent_volume(node),
            labels: head.labels,
            annotations: head.annotations,
        }
    }
}

impl SnapshotRecord {
    pub fn read(node: &Node<'_>, head: Head) -> Self {
        let status = node.child("status");
        Self {
            name: head.name,
            namespace: head.namespace,
            ready: status.child("readyToUse").boolean(),
            restore_size: status.child("restoreSize").bytes(),
            error: status.child("error").child("message").string(),
            class: node.child("spec").child("volumeSnapshotClassName").string(),
        }
    }
}

impl SnapshotClassRecord {
    pub fn read(node: &Node<'_>, head: Head) -> Self {
        Self { name: head.name, driver: node.child("driver").string().unwrap_or_default() }
    }
}

fn topologies(node: &Node<'_>) -> Vec<Topology> {
    let terms = node.child("allowedTopologies").items();
    let expressions = terms.iter().flat_map(|term| term.child("matchLabelExpressions").items());
    expressions
        .map(|expression| Topology {
            key: expression.child("key").string().unwrap_or_default(),
            values: expression.child("values").strings(),
        })
        .collect()
}
