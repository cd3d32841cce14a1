//! Storage in the view: volumes, claims and classes.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::Strings;
use crate::path::Path;

/// A volume of the pods.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// `volumeClaimTemplate`, `persistentVolumeClaim`, `ephemeral`, `emptyDir`, `hostPath`, …
    pub source: String,
    /// The claim it uses, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The directory of a `hostPath`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_path: Option<String>,
    /// What a `hostPath` must be: `Directory`, `File`, `Socket`, …; left out: nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_path_type: Option<String>,
    /// `Memory` for a tmpfs `emptyDir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// Bytes that an `emptyDir` may hold; left out: no limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<i64>,
    /// The CSI driver of an inline volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// The server of an `nfs` volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nfs_server: Option<String>,
    /// Read only for everybody?
    pub read_only: bool,
    /// Where it is.
    pub path: Path,
}

/// A claim to storage.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Claim {
    /// Its name; for a template the template's.
    pub name: String,
    /// `object` (a PVC under review), `template`, `ephemeral`, `reference` or `cr`.
    pub origin: &'static str,
    /// The class asked for; empty: none.
    pub storage_class: String,
    /// Does it name a class, if only the empty one? If not, the cluster's default class counts.
    pub class_named: bool,
    /// Its VolumeAttributesClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_attributes_class: Option<String>,
    /// What it is filled from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_source: Option<DataSource>,
    /// Its own labels; none for a reference.
    pub labels: Strings,
    /// Its own annotations; none for a reference.
    pub annotations: Strings,
    /// Bound by hand to a volume that exists, so it needs no class.
    pub static_binding: bool,
    /// Bytes; left out if it asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// The size as people write it: `20Gi`.
    pub size_text: String,
    /// `ReadWriteOnce`, …
    pub access_modes: Vec<String>,
    /// `Filesystem` or `Block`
    pub volume_mode: String,
    /// `Pending`, `Bound`, `Lost`; only of a PVC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The volume it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_name: Option<String>,
    /// Bytes it has, as its status says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i64>,
    /// Where it is; empty for a PVC itself.
    pub path: Path,
    /// Where its spec is.
    pub spec_path: Path,
}

/// What a claim is filled from: a snapshot, another claim, …
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct DataSource {
    /// `VolumeSnapshot`, `PersistentVolumeClaim`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Empty for the core group.
    pub api_group: String,
    /// Left out: the claim's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Where it is.
    pub path: Path,
}

/// A StorageClass, with the API's defaults.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct StorageClass {
    pub provisioner: String,
    pub parameters: Strings,
    pub reclaim_policy: String,
    pub volume_binding_mode: String,
    pub allow_volume_expansion: bool,
    pub mount_options: Vec<String>,
    pub is_default: bool,
    pub allowed_topologies: Vec<Topology>,
}

/// Where volumes of a class may be made.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Topology {
    /// `topology.kubernetes.io/zone`, …
    pub key: String,
    /// The places.
    pub values: Vec<String>,
    /// Where it is.
    pub path: Path,
}

/// A PersistentVolume.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct PersistentVolume {
    /// `Retain` or `Delete`
    pub reclaim_policy: String,
    /// Its class; empty: none.
    pub storage_class: String,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i64>,
    /// `Available`, `Bound`, `Released`, `Failed`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// `namespace/name` of the claim it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The namespace of that claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_namespace: Option<String>,
    /// The name of that claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_name: Option<String>,
    /// The zones that it can be reached from, by its node affinity or its labels; empty: not told.
    pub zones: BTreeSet<String>,
    /// What its CSI driver says of it.
    pub volume_attributes: Strings,
    /// Read only for everybody?
    pub read_only: bool,
    /// `csi`, `hostPath`, `nfs`, `local`, …
    pub source: String,
    /// The CSI driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}
