//! Records of storage classes, claims, volumes and snapshots.

use schemars::JsonSchema;
use serde::Serialize;

use super::Head;
use crate::admission::GroupKind;
use crate::workload::view::{self, Owner, Strings};
use crate::workload::{JsonNode, claim, persistent_volume, storage_class};

/// A StorageClass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ClassRecord {
    /// Its name.
    pub name: String,
    #[serde(flatten)]
    pub class: view::StorageClass,
    /// Its annotations, without kubectl's copy of the object.
    pub annotations: Strings,
    /// Its labels.
    pub labels: Strings,
    /// Creation time: of several default classes, the newest wins.
    #[serde(skip)]
    pub created: String,
}

/// A VolumeAttributesClass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct AttributesRecord {
    /// Its name.
    pub name: String,
    /// The CSI driver.
    pub driver: String,
    /// Parameters of the driver.
    pub parameters: Strings,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ClaimRecord {
    #[serde(skip)]
    pub namespace: String,
    #[serde(flatten)]
    pub claim: view::Claim,
    /// The owner that manages it, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Kinds and names of all owners: whichever goes last takes the claim with it.
    #[serde(skip)]
    pub owners: Vec<(GroupKind, String)>,
}

/// A PersistentVolume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct VolumeRecord {
    /// Its name.
    pub name: String,
    #[serde(flatten)]
    pub volume: view::PersistentVolume,
    /// Its labels.
    pub labels: Strings,
    /// Its annotations, without kubectl's copy of the object.
    pub annotations: Strings,
}

/// A VolumeSnapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct SnapshotRecord {
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    pub namespace: String,
    /// Whether the snapshot is ready; left out if not yet reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Restore size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_size: Option<i64>,
    /// Why it is not ready, if the driver says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its VolumeSnapshotClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The claim that it is a copy of.
    #[serde(skip)]
    pub source_claim: Option<String>,
    /// When it was taken, RFC 3339.
    #[serde(skip)]
    pub taken: Option<String>,
}

/// A VolumeSnapshotClass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotClassRecord {
    pub name: String,
    pub driver: String,
    pub deletion_policy: Option<String>,
}

impl ClassRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        Self {
            class: storage_class(node),
            created: node.child("metadata").child("creationTimestamp").string().unwrap_or_default(),
            name: head.name,
            labels: head.labels,
            annotations: head.annotations,
        }
    }
}

impl AttributesRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        Self {
            name: head.name,
            driver: node.child("driverName").string().unwrap_or_default(),
            parameters: node.child("parameters").string_map(),
        }
    }
}

impl ClaimRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        let claim = view::Claim { annotations: head.annotations, ..claim(node, "object", head.name) };
        let owners = node.child("metadata").child("ownerReferences").items();
        let string = |owner: &JsonNode<'_>, key: &'static str| owner.child(key).string().unwrap_or_default();
        let owner = |of: &JsonNode<'_>| {
            (GroupKind::new(&string(of, "apiVersion"), &string(of, "kind")), string(of, "name"))
        };
        let owners = owners.iter().map(owner).collect();
        Self { claim, namespace: head.namespace, owner: head.owner, owners }
    }
}

impl VolumeRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        Self {
            name: head.name,
            volume: persistent_volume(node),
            labels: head.labels,
            annotations: head.annotations,
        }
    }
}

impl SnapshotRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        let status = node.child("status");
        Self {
            name: head.name,
            namespace: head.namespace,
            ready: status.child("readyToUse").boolean(),
            restore_size: status.child("restoreSize").bytes(),
            error: status.child("error").child("message").string(),
            class: node.child("spec").child("volumeSnapshotClassName").string(),
            source_claim: node.child("spec").child("source").child("persistentVolumeClaimName").string(),
            taken: status.child("creationTime").string(),
        }
    }

    /// A manifest has no status: that of the stored snapshot stays.
    pub fn take_status(&mut self, stored: &Self) {
        if self.ready.is_none() && self.error.is_none() {
            let Self { ready, restore_size, error, taken, .. } = stored.clone();
            *self = Self { ready, restore_size, error, taken, ..std::mem::take(self) };
        }
    }
}

impl SnapshotClassRecord {
    pub fn read(node: &JsonNode<'_>, head: Head) -> Self {
        Self {
            name: head.name,
            driver: node.child("driver").string().unwrap_or_default(),
            deletion_policy: node.child("deletionPolicy").string(),
        }
    }
}
