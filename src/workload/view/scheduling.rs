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
    /// `topologySpreadConstraints`.
    pub spread: Vec<Spread>,
    /// `nodeSelector`.
    pub node_selector: Strings,
    /// Terms of required node affinity; at least one of them must hold.
    pub node_affinity: Vec<NodeTerm>,
    /// The only nodes that the pods may run on, from `nodeName`, `nodeSelector` or required node affinity.
    /// Left out if the pods are not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostnames: Option<BTreeSet<String>>,
    /// Tolerations, as written.
    pub tolerations: Vec<Value>,
    /// Name of the priority class; empty if there is none.
    pub priority_class: String,
    /// The node that the pods are pinned to by `nodeName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,
}

/// One term of `podAntiAffinity`.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct AntiAffinity {
    /// Whether the term is required rather than preferred.
    pub required: bool,
    /// Weight of a preferred term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// For example `kubernetes.io/hostname`.
    pub topology_key: String,
    /// Whether the term selects the workload's own pods. If not, it does not keep them apart.
    pub matches_self: bool,
    /// Path of the term in the object.
    pub path: Path,
}

/// One term of required node affinity: all its expressions must hold. A term without expressions matches no
/// node.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct NodeTerm {
    /// Expressions on labels, then on fields (`metadata.name`).
    pub expressions: Vec<NodeExpression>,
    /// Path of the term in the object.
    pub path: Path,
}

/// A condition on a node.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct NodeExpression {
    /// Key of a label, or `metadata.name`.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt` or `Lt`.
    pub operator: String,
    /// The values to compare with.
    pub values: Vec<String>,
}

/// A topology spread constraint.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Spread {
    /// For example `topology.kubernetes.io/zone`.
    pub topology_key: String,
    /// The largest allowed difference in pod count between two domains.
    pub max_skew: i64,
    /// `DoNotSchedule` or `ScheduleAnyway`.
    pub when_unsatisfiable: String,
    /// The minimum number of domains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_domains: Option<i64>,
    /// Whether the constraint selects the workload's own pods.
    pub matches_self: bool,
    /// Path of the constraint in the object.
    pub path: Path,
}
