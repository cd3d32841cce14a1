//! The data store of a workload, in the view.

use schemars::JsonSchema;
use serde::Serialize;

use super::pods::Mount;
use crate::path::Path;

/// A data store, identified by the table `policies/workloads/engines.yaml` or by the workload's own annotations.
/// Where the profile says `selfClassify: false`, the annotations only add to what the table says.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Engine {
    /// For example `postgres` or `kafka`.
    pub name: String,
    /// The version in the image's tag, such as `16.4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The major version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<u64>,
    /// All numbers of the version, such as `[16, 4]`; left out if the tag does not contain one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Vec<u64>>,
    /// The variant of the image according to its tag, without numbers, such as `alpine` or
    /// `management-alpine`; empty if the tag names none.
    pub flavour: String,
    /// The container that runs the engine; empty if only an annotation names it.
    pub container: String,
    /// Whether the engine needs a majority of its members.
    pub quorum: bool,
    /// Whether the members vote in that majority. False for brokers, data nodes and arbiters whose role is
    /// set in the container's environment.
    pub votes: bool,
    /// The directories the engine writes to, in all containers that run an engine except init containers. Of
    /// several directories with the origin `default`, `guess` or `script`, one persisted directory is enough, because
    /// the table cannot tell which one the image uses; of the other origins, the engine uses every directory.
    /// Empty if settings outside the manifest decide.
    pub data_dirs: Vec<DataDir>,
    /// Whether its own settings tell it to keep everything in memory, as Vault's development mode does.
    pub volatile: bool,
    /// Whether its own settings tell it to drop any of its data when its memory is full, as a cache does.
    pub evicts: bool,
    /// Path of the element that identifies the engine: a container's `image` or the annotation.
    pub path: Path,
}

/// A directory that an engine writes its data to.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct DataDir {
    /// Absolute path inside the container.
    pub dir: String,
    /// The container that writes to it.
    pub container: String,
    /// Where the directory comes from: `annotation`; `argument`; `environment`; `default`: the table's data
    /// directories for the image; `also`: the table's additional directories; `guess`: the table names it, but
    /// something that cannot be seen (`envFrom`, the path a script takes) may override it; `script`: the
    /// container's commands name it, but they may not reach that line, or use another value. Guesses are
    /// listed only if something is mounted there.
    pub origin: &'static str,
    /// The mount that holds the directory: the closest one at or above it. Left out if no mount holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<Mount>,
    /// The path of a VOLUME declared by the image that keeps the mount above it from holding the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_by: Option<String>,
}
