//! Which paths of a kind hold what: read from `policies/workloads/<kind>.yaml`.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};

use super::engines::Engines;
use super::int_or_percent::Rounding;
use crate::admission::GroupKind;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::reader::read_one;

/// Keys that lead to a value, written with dots; the empty text is the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(pub Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(text.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect()))
    }
}

/// A value and what it is if nobody says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field<T> {
    /// Where it is.
    pub path: Keys,
    /// The API's default.
    pub default: Option<T>,
}

/// How changes of a kind roll out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Updates {
    /// Where it is.
    pub path: Keys,
    /// The API's default type.
    pub default: String,
    /// The API's defaults of `rollingUpdate`, where the type is `RollingUpdate`.
    #[serde(default)]
    pub rolling: Rolling,
    /// How the kind's controller rounds a percentage of `maxUnavailable`.
    pub round_unavailable: Rounding,
}

/// `rollingUpdate`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Rolling {
    pub partition: Option<i64>,
    pub max_unavailable: Option<serde_json::Value>,
    pub max_surge: Option<serde_json::Value>,
}

/// Where an autoscaler says what it does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaler {
    /// `kind`, `name` and `apiVersion` of what it scales.
    pub target: Keys,
    /// The kind, if the target names none.
    pub target_kind: Option<String>,
    /// The version, if the target names none.
    pub target_api_version: Option<String>,
    /// The fewest pods.
    pub min: Option<Field<i64>>,
    /// The number of pods while there is nothing to do.
    pub idle: Option<Keys>,
    /// The most pods.
    pub max: Option<Field<i64>>,
    /// `behavior` of a HorizontalPodAutoscaler.
    pub behavior: Option<Keys>,
    /// What it may do to running pods.
    pub mode: Option<Field<String>>,
}

/// How a kind's class is found (catalogue §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassRule {
    /// Durable in any case: claims, volumes, classes.
    Storage,
    /// Durable in any case: budgets, autoscalers and Services. Whether they concern data depends on the
    /// workloads beside them, which a policy must look at.
    Sibling,
    /// Durable if it has claims, writable volumes or an engine, else it only has stable names.
    Identity,
    /// Durable if it writes to a claim or runs an engine, else nothing. If its pods end: as `Batch`.
    Workload,
    /// As `Workload`, and durable, too, if it writes to a directory of the node that is not the node's own.
    Moving,
    /// Batch if it uses a claim, else nothing.
    Batch,
}

/// Claims of a kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Claims {
    /// The object is a claim.
    Object,
    /// A list of claim templates.
    Templates(Keys),
}

/// One kind's projection.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// `StatefulSet`
    pub kind: String,
    /// `apps`; empty for core.
    #[serde(default)]
    pub group: String,
    /// Served versions that have this shape.
    pub versions: Vec<String>,
    /// `statefulsets`
    pub plural: String,
    /// Does it live in a namespace?
    pub namespaced: bool,
    /// How its class is found.
    pub class: ClassRule,
    /// Number of replicas.
    pub replicas: Option<Field<i64>>,
    /// The pod template; the empty path for a Pod.
    pub template: Option<Keys>,
    /// The workload's own label selector.
    pub selector: Option<Keys>,
    /// Claims.
    pub claims: Option<Claims>,
    /// How changes roll out.
    pub update: Option<Updates>,
    /// `persistentVolumeClaimRetentionPolicy`
    pub retention: Option<Keys>,
    /// `podManagementPolicy`
    pub pod_management: Option<Field<String>>,
    /// `minReadySeconds`
    pub min_ready_seconds: Option<Field<i64>>,
    /// `serviceName`
    pub service_name: Option<Keys>,
    /// `revisionHistoryLimit`
    pub revision_history: Option<Field<i64>>,
    /// The object is a StorageClass.
    #[serde(default)]
    pub storage_class: bool,
    /// The object is a PersistentVolume.
    #[serde(default)]
    pub persistent_volume: bool,
    /// The object is a PodDisruptionBudget.
    #[serde(default)]
    pub disruption_budget: bool,
    /// The object is an autoscaler.
    pub autoscaler: Option<Scaler>,
    /// The object is a Service.
    #[serde(default)]
    pub service: bool,
}

/// All projections and the table of engines.
#[derive(Clone, Debug, Default)]
pub struct Projections {
    by_kind: HashMap<GroupKind, Projection>,
    kind_by_resource: HashMap<(String, String), GroupKind>,
    /// The table of engines.
    pub engines: Engines,
}

impl Projections {
    /// Reads the files of `policies/workloads/`.
    ///
    /// # Errors
    /// All errors of all files.
    pub fn read(projections: &[SourceText], engines: &[SourceText]) -> Result<Self, Diagnostics> {
        let mut errors = Vec::new();
        let mut all = Self::default();
        for text in projections {
            match read_one::<Projection>(text) {
                Ok(projection) => errors.extend(all.add(projection, text).err()),
                Err(more) => errors.extend(more.0),
            }
        }
        for text in engines {
            match read_one::<Engines>(text) {
                Ok(table) => all.engines.extend(table),
                Err(more) => errors.extend(more.0),
            }
        }
        if errors.is_empty() { Ok(all) } else { Err(Diagnostics(errors)) }
    }

    fn add(&mut self, projection: Projection, text: &SourceText) -> Result<(), Diagnostic> {
        let kind = GroupKind { kind: projection.kind.clone(), group: projection.group.clone() };
        let resource = (projection.group.clone(), projection.plural.clone());
        if self.by_kind.insert(kind.clone(), projection).is_some() {
            return Err(text.error(1, 0, format!("{} has two projections", kind.kind)));
        }
        self.kind_by_resource.insert(resource, kind);
        Ok(())
    }

    /// The projection of a kind.
    pub fn of(&self, kind: &GroupKind) -> Option<&Projection> {
        self.by_kind.get(kind)
    }

    /// The kind of a resource by group and plural name.
    pub fn kind_of(&self, group: &str, plural: &str) -> Option<&GroupKind> {
        self.kind_by_resource.get(&(group.to_owned(), plural.to_owned()))
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupKind, &Projection)> {
        self.by_kind.iter()
    }
}
