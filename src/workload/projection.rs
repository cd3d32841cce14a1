//! The paths at which each kind holds its fields, read from `policies/workloads/<kind>.yaml`.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};

use super::engines::Engines;
use super::int_or_percent::Rounding;
use crate::admission::GroupKind;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::reader::read_one;

/// Keys that lead to a value, written with dots; the empty string is the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(pub Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(text.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect()))
    }
}

/// The path of a value, and its default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field<T> {
    /// Path of the value.
    pub path: Keys,
    /// The API's default.
    pub default: Option<T>,
}

/// The rollout settings of a kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Updates {
    /// Path of the update strategy.
    pub path: Keys,
    /// The API's default strategy type.
    pub default: String,
    /// The API's defaults for `rollingUpdate`, which apply if the type is `RollingUpdate`.
    #[serde(default)]
    pub rolling: Rolling,
    /// How the kind's controller rounds a percentage in `maxUnavailable`.
    pub round_unavailable: Rounding,
}

/// The defaults of `rollingUpdate`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Rolling {
    pub partition: Option<i64>,
    pub max_unavailable: Option<serde_json::Value>,
    pub max_surge: Option<serde_json::Value>,
}

/// The fields of an autoscaler.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaler {
    /// Path of `kind`, `name` and `apiVersion` of the scale target.
    pub target: Keys,
    /// The kind if the target does not name one.
    pub target_kind: Option<String>,
    /// The API version if the target does not name one.
    pub target_api_version: Option<String>,
    /// The minimum number of pods.
    pub min: Option<Field<i64>>,
    /// The number of pods while idle.
    pub idle: Option<Keys>,
    /// The maximum number of pods.
    pub max: Option<Field<i64>>,
    /// `behavior` of a HorizontalPodAutoscaler.
    pub behavior: Option<Keys>,
    /// The update mode, which says whether running pods may be changed.
    pub mode: Option<Field<String>>,
}

/// How to determine the class of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassRule {
    /// Always durable: claims, volumes, storage classes.
    Storage,
    /// Always durable: budgets, autoscalers and Services. Whether they concern data depends on the workloads
    /// they select or scale, which a policy must check.
    Sibling,
    /// Durable if it has claim templates, writes to a claim or host path, or runs an engine; otherwise
    /// identity-only.
    Identity,
    /// Durable if it writes to a claim or runs an engine; otherwise none. If its pods run to completion,
    /// treated as `Batch`.
    Workload,
    /// Like `Workload`, but also durable if it writes to a node directory that does not belong to the node
    /// itself.
    Moving,
    /// Batch if it uses a claim; otherwise none. If its pods serve a data store and nothing ends them,
    /// durable.
    Batch,
}

/// Where a kind holds its claims.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Claims {
    /// The object itself is a claim.
    Object,
    /// Path of a list of claim templates.
    Templates(Keys),
}

/// The projection of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// For example `StatefulSet`.
    pub kind: String,
    /// For example `apps`; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// Whether the API server gives an object without labels those of its pod template.
    #[serde(default)]
    pub labels_of_template: bool,
    /// Served versions that have this shape.
    pub versions: Vec<String>,
    /// For example `statefulsets`.
    pub plural: String,
    /// Whether the kind is namespaced.
    pub namespaced: bool,
    /// How to determine the class.
    pub class: ClassRule,
    /// The number of replicas.
    pub replicas: Option<Field<i64>>,
    /// Path of the pod template; the empty path for a Pod.
    pub template: Option<Keys>,
    /// Path of a limit on the time that the pods of the object run, beside the pod template's own.
    pub deadline: Option<Keys>,
    /// Path of the times at which the object starts its pods, in the form of cron.
    pub schedule: Option<Keys>,
    /// Path of a switch that keeps the object from starting any.
    pub suspended: Option<Keys>,
    /// Path of the workload's own label selector.
    pub selector: Option<Keys>,
    /// The claims.
    pub claims: Option<Claims>,
    /// The rollout settings.
    pub update: Option<Updates>,
    /// Path of `persistentVolumeClaimRetentionPolicy`.
    pub retention: Option<Keys>,
    /// The field `podManagementPolicy`.
    pub pod_management: Option<Field<String>>,
    /// The field `minReadySeconds`.
    pub min_ready_seconds: Option<Field<i64>>,
    /// Path of `serviceName`.
    pub service_name: Option<Keys>,
    /// The field `revisionHistoryLimit`.
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
    /// The autoscaler fields, if the object is an autoscaler.
    pub autoscaler: Option<Scaler>,
    /// The object is a Service.
    #[serde(default)]
    pub service: bool,
}

/// All projections and the engine table.
#[derive(Clone, Debug, Default)]
pub struct Projections {
    by_kind: HashMap<GroupKind, Projection>,
    kind_by_resource: HashMap<(String, String), GroupKind>,
    /// The engine table.
    pub engines: Engines,
    /// Whether all files could be read: otherwise an unknown kind may be one of theirs.
    pub complete: bool,
}

impl Projection {
    /// The kind of the objects that it reads.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { kind: self.kind.clone(), group: self.group.clone() }
    }
}

impl Projections {
    /// Reads the files in `policies/workloads/`.
    ///
    /// # Errors
    /// All errors in all files.
    pub fn read(projections: &[SourceText], engines: &[SourceText]) -> Result<Self, Diagnostics> {
        let (all, errors) = Self::read_in_part(projections, engines);
        if errors.is_empty() { Ok(all) } else { Err(Diagnostics(errors)) }
    }

    /// Like [`Projections::read`], but returns what could be read together with the errors, so that policies
    /// can also be checked.
    pub fn read_in_part(projections: &[SourceText], engines: &[SourceText]) -> (Self, Vec<Diagnostic>) {
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
        all.complete = errors.is_empty();
        (all, errors)
    }

    fn add(&mut self, projection: Projection, text: &SourceText) -> Result<(), Diagnostic> {
        let kind = projection.group_kind();
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

    /// The kind of a resource, given its group and plural name.
    pub fn kind_of(&self, group: &str, plural: &str) -> Option<&GroupKind> {
        self.kind_by_resource.get(&(group.to_owned(), plural.to_owned()))
    }

    /// All projections, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupKind, &Projection)> {
        self.by_kind.iter()
    }
}
