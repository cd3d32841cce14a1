//! Storage in the view: volumes, claims and storage classes.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::{ConfigFile, Strings};
use crate::path::Path;

/// A volume of the pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Volume {
    /// The volume's name.
    pub name: String,
    /// `volumeClaimTemplate`, `persistentVolumeClaim`, `ephemeral`, `emptyDir`, `hostPath`, …
    pub source: String,
    /// The claim that the volume uses, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The directory of a `hostPath`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_path: Option<String>,
    /// The required type of a `hostPath`: `Directory`, `File`, `Socket`, …; left out if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_path_type: Option<String>,
    /// `Memory` for a tmpfs `emptyDir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// Size limit of an `emptyDir` in bytes; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<i64>,
    /// The CSI driver of an inline volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The server of an `nfs` volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nfs_server: Option<String>,
    /// Files that come from ConfigMaps that are known, by their paths inside the volume.
    #[serde(skip)]
    pub files: Vec<ConfigFile>,
    /// Whether the volume is read-only for every container.
    pub read_only: bool,
    /// Path of the volume in the object.
    pub path: Path,
}

/// A claim for storage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Claim {
    /// The claim's name; for a template, the template's name.
    pub name: String,
    /// `object` (a PVC under review), `template`, `ephemeral` or `reference`.
    pub origin: &'static str,
    /// The storage class named by the claim; empty if it names none.
    pub storage_class: String,
    /// Whether the claim sets a class, even an empty one. If not, the cluster's default class applies.
    pub class_named: bool,
    /// The VolumeAttributesClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_attributes_class: Option<String>,
    /// The source that the volume is populated from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_source: Option<DataSource>,
    /// Labels of the claim; empty for a reference.
    pub labels: Strings,
    /// Annotations of the claim; empty for a reference.
    pub annotations: Strings,
    /// Whether the claim is bound manually to an existing volume, so that it needs no class.
    pub static_binding: bool,
    /// Requested size in bytes; left out if the claim requests none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// The requested size as written, such as `20Gi`.
    pub size_text: String,
    /// For example `ReadWriteOnce`.
    pub access_modes: Vec<String>,
    /// `Filesystem` or `Block`.
    pub volume_mode: String,
    /// `Pending`, `Bound` or `Lost`; only for a PVC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The volume that the claim is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_name: Option<String>,
    /// Actual capacity in bytes, from the claim's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i64>,
    /// Path of the claim in the object; empty for a PVC itself.
    pub path: Path,
    /// Path of the claim's spec.
    pub spec_path: Path,
}

/// The source that a claim is populated from: a snapshot, another claim, …
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct DataSource {
    /// `VolumeSnapshot`, `PersistentVolumeClaim`, …
    pub kind: String,
    /// The source's name.
    pub name: String,
    /// The source's API group; empty for the core group.
    pub api_group: String,
    /// The source's namespace; if left out, it is the claim's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Path of the source in the object.
    pub path: Path,
}

/// A StorageClass, with the API's defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct StorageClass {
    /// The driver that provisions volumes.
    pub provisioner: String,
    /// Parameters of the driver.
    pub parameters: Strings,
    /// `Delete` or `Retain`.
    pub reclaim_policy: String,
    /// `Immediate` or `WaitForFirstConsumer`.
    pub volume_binding_mode: String,
    /// Whether claims of the class can grow.
    pub allow_volume_expansion: bool,
    /// Mount options of its volumes.
    pub mount_options: Vec<String>,
    /// Whether the class is the default.
    pub is_default: bool,
    /// Where volumes may be created.
    pub allowed_topologies: Vec<Topology>,
}

/// Where volumes of a class may be provisioned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Topology {
    /// For example `topology.kubernetes.io/zone`.
    pub key: String,
    /// The allowed values.
    pub values: Vec<String>,
    /// Path of the term in the object.
    pub path: Path,
}

/// A PersistentVolume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct PersistentVolume {
    /// `Retain`, `Delete` or `Recycle`.
    pub reclaim_policy: String,
    /// The storage class; empty if there is none.
    pub storage_class: String,
    /// Capacity in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i64>,
    /// `Available`, `Bound`, `Released` or `Failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `namespace/name` of the claim that the volume is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The namespace of that claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_namespace: Option<String>,
    /// The name of that claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_name: Option<String>,
    /// The zones from which the volume is reachable, from its node affinity or labels; empty if unknown.
    pub zones: BTreeSet<String>,
    /// The volume attributes set for its CSI driver.
    pub volume_attributes: Strings,
    /// Whether the volume is read-only for every container.
    pub read_only: bool,
    /// For example `ReadWriteOnce`.
    pub access_modes: Vec<String>,
    /// For example `csi`, `hostPath`, `nfs` or `local`.
    pub source: String,
    /// The CSI driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The name by which the CSI driver knows the volume (`volumeHandle`), or what else tells its disk from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}
