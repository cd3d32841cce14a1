//! The data store of a workload, in the view.

use schemars::JsonSchema;
use serde::Serialize;

use super::pods::Mount;
use crate::path::Path;

/// A data store, by the table `policies/workloads/engines.yaml` and the annotations that override it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Engine {
    /// `postgres`, `kafka`, …
    pub name: String,
    /// As the image's tag says: `16.4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The leading number of the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<u64>,
    /// All numbers of the version: `[16, 4]`; left out if the tag tells none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<Vec<u64>>,
    /// What the image is made of, as its tag says, without numbers: `alpine`, `management-alpine`; empty
    /// if it says nothing.
    pub flavour: String,
    /// The container that runs it; empty if only an annotation names the engine.
    pub container: String,
    /// Does it need a majority of its members?
    pub quorum: bool,
    /// Do its members vote in that majority? Brokers, data nodes and arbiters do not, where the
    /// environment of the container says that they are such.
    pub votes: bool,
    /// Where it writes. Of several with the origin `default` or `guess` it is enough that one is persisted,
    /// since the table cannot know which the image uses; of the others it uses each. Empty if something
    /// that cannot be seen decides. Of all containers that run an engine, except init containers.
    pub data_dirs: Vec<DataDir>,
    /// The element that names the image.
    pub path: Path,
}

/// A directory that an engine writes its data to.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct DataDir {
    /// Absolute path inside the container.
    pub dir: String,
    /// The container that writes there.
    pub container: String,
    /// Who says so: `annotation`, `argument`, `environment`; `default`: the table's data directories of the
    /// image; `also`: its directories beside that; `guess`: a script or the table says so, but what cannot
    /// be seen (`envFrom`, a script's way) may say otherwise; such a one is told only if it is mounted.
    pub origin: &'static str,
    /// The mount that holds it: the closest one at or above it. Left out: the container's own layer does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<Mount>,
    /// The image declares this path as VOLUME, so that the mount above it does not hold the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_by: Option<String>,
}
