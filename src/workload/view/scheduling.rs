//! Where pods may run, in the view.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Strings;
use crate::path::Path;

/// Where pods may run.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Scheduling {
    /// Terms of `podAntiAffinity`, required ones first.
    pub anti_affinity: Vec<AntiAffinity>,
    /// `topologySpreadConstraints`
    pub spread: Vec<Spread>,
    /// `nodeSelector`
    pub node_selector: Strings,
    /// Terms of required node affinity: one of them must hold.
    pub node_affinity: Vec<NodeTerm>,
    /// The only nodes that its pods may run on, by `nodeName`, `nodeSelector` or required node affinity.
    /// Left out: it is not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostnames: Option<BTreeSet<String>>,
    /// As written.
    pub tolerations: Vec<Value>,
    /// Empty: none.
    pub priority_class: String,
    /// Set: pinned to this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
}

/// One term of `podAntiAffinity`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct AntiAffinity {
    /// Required, or only preferred?
    pub required: bool,
    /// Weight of a preferred term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// `kubernetes.io/hostname`, …
    pub topology_key: String,
    /// Does it select the workload's own pods? If not, it does not keep them apart.
    pub matches_self: bool,
    /// Where it is.
    pub path: Path,
}

/// One term of required node affinity: all its expressions must hold. A term without any holds nowhere.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct NodeTerm {
    /// On labels, then on fields (`metadata.name`).
    pub expressions: Vec<NodeExpression>,
    /// Where it is.
    pub path: Path,
}

/// A condition on a node.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct NodeExpression {
    pub key: String,
    pub operator: String,
    pub values: Vec<String>,
}

/// A topology spread constraint.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Spread {
    /// `topology.kubernetes.io/zone`, …
    pub topology_key: String,
    /// At most this much more in one place than in another.
    pub max_skew: i64,
    /// `DoNotSchedule` or `ScheduleAnyway`
    pub when_unsatisfiable: String,
    /// At least so many places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_domains: Option<i64>,
    /// Does it select the workload's own pods?
    pub matches_self: bool,
    /// Where it is.
    pub path: Path,
}
