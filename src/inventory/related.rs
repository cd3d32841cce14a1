//! `input.related`: the part of the inventory that relates to one request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::Inventory;
use super::consumers::{self, Consumer, Dependant};
use super::nodes::NodesSummary;
use super::records::{
    AttributesRecord, BackupJobRecord, BackupScheduleRecord, Brief, BudgetRecord, ClassRecord, LimitRecord,
    NamespaceRecord, PriorityRecord, QuotaRecord, ServiceRecord, VolumeRecord, WorkloadRecord,
};
use super::siblings::{self, RelatedAutoscaler, RelatedBudget, RelatedWorkload};
use super::storage::{self, ClaimClass, ClaimSnapshot, RelatedClaim, Snapshot};
use super::unseen;
use crate::admission::{GroupKind, Operation};

use crate::workload::Workload;

/// The object that is joined with the inventory: as it will be stored or, on DELETE, as it is stored.
pub struct Subject<'a> {
    /// Its kind; for a scale request, the parent's.
    pub kind: GroupKind,
    /// The operation on it.
    pub operation: Operation,
    /// Whether it is the parent of a scale request.
    pub scaled: bool,
    /// Its view.
    pub workload: &'a Workload,
}

/// Other objects that relate to the request. A key whose kind is unknown is undefined in Rego. The object
/// under review itself is never included.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Related {
    /// The object's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Arc<NamespaceRecord>>,
    /// The storage classes of its claims or its volume, and all default ones, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_classes: Option<BTreeMap<String, Arc<ClassRecord>>>,
    /// The names of all storage classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_names: Option<Vec<String>>,
    /// The name of the storage class that a claim gets if it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_storage_class: Option<String>,
    /// The storage class of each claim in the view, by the claim's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_classes: Option<BTreeMap<String, ClaimClass>>,
    /// The VolumeAttributesClasses that its claims name, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_attributes_classes: Option<BTreeMap<String, Arc<AttributesRecord>>>,
    /// The claims that its volumes name and those created from its claim templates; for a PersistentVolume,
    /// the claim that it is bound to. On DELETE also those that it owns and, for a Namespace, all those in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvcs: Option<Vec<RelatedClaim>>,
    /// The volumes bound to these claims or, for a PersistentVolumeClaim, to the claim itself; for a
    /// PersistentVolume, the others that are the same volume to its CSI driver; for a StorageClass, those of the class
    /// (of very many, a thousand).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvs: Option<Vec<Arc<VolumeRecord>>>,
    /// For a PersistentVolumeClaim that names no volume: the volumes that no claim has, of its class (without one, if it
    /// names none), with its access modes and large enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_volumes: Option<Vec<Arc<VolumeRecord>>>,
    /// The VolumeSnapshots that its claims are populated from, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<BTreeMap<String, Snapshot>>,
    /// For each of `pvcs`, or for a PersistentVolumeClaim itself, the newest VolumeSnapshot that is ready to use, by
    /// the claim's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_snapshots: Option<BTreeMap<String, ClaimSnapshot>>,
    /// Other workloads that mount one of its claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumers: Option<Vec<Consumer>>,
    /// StatefulSets and Deployments, in the same namespace or of the same name, that the previous version of the
    /// manifests had and this one does not have (`check --old`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub departed: Option<Vec<Arc<Workload>>>,
    /// The PodDisruptionBudgets that select its pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdbs: Option<Vec<RelatedBudget>>,
    /// The other PodDisruptionBudgets in its namespace. They may select labels that the pods get only at
    /// runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_pdbs: Option<Vec<Arc<BudgetRecord>>>,
    /// The Services that select its pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<Arc<ServiceRecord>>>,
    /// Its governing Service (`serviceName`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub governing_service: Option<Arc<ServiceRecord>>,
    /// The autoscalers that target it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscalers: Option<Vec<RelatedAutoscaler>>,
    /// The workloads that it selects or targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Vec<RelatedWorkload>>,
    /// The kinds (`Kind.group`) of the run's custom resources whose controllers may make pods in its namespace: those
    /// pods are in no manifest. Always empty at admission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_resources: Option<BTreeSet<String>>,
    /// For a PodDisruptionBudget: whether workloads that it selects may be in this run although `workloads` has none, and
    /// for a workload, whether a PodDisruptionBudget may be although `pdbs` has none. They may be in a document that
    /// cannot be read, or in a directory that is rendered by itself; or the run has no workload at all in the budget's
    /// namespace. Left out if that is not so, and at admission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterpart_unseen: Option<bool>,
    /// The ResourceQuotas in its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Vec<Arc<QuotaRecord>>>,
    /// The LimitRanges in its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_ranges: Option<Vec<Arc<LimitRecord>>>,
    /// The cluster's nodes: how many there are, where, and how many fit the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodesSummary>,
    /// The PriorityClass that it names, those that apply by default, and the others (of very many, a hundred), by
    /// name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_classes: Option<BTreeMap<String, Arc<PriorityRecord>>>,
    /// The schedules of backup tools that include its namespace, and its labels if they select by label, or that copy
    /// one of its claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_schedules: Option<Vec<Arc<BackupScheduleRecord>>>,
    /// The CronJobs in its namespace that run a backup program, and those in others that name a host of it with its
    /// namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_jobs: Option<Vec<Arc<BackupJobRecord>>>,
    /// For a scale request: the object being scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Brief>,
    /// For a DELETE: the objects that the deletion would affect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependants: Option<Vec<Dependant>>,
}

impl Related {
    /// Joins the requested keys. `wants` returns whether a key is read and may be seen.
    pub fn of(inventory: &Inventory, subject: &Subject<'_>, wants: impl Fn(&str) -> bool) -> Self {
        let state = &*inventory.state;
        let namespace = state.namespaces.get(&subject.workload.namespace);
        let deleted = subject.operation == Operation::Delete;
        let parent = || WorkloadRecord::of(&subject.kind, subject.workload.clone()).brief;
        Self {
            namespace: namespace
                .and_then(|namespace| namespace.namespace.clone())
                .filter(|_| wants("namespace")),
            storage_classes: wants("storage_classes").then(|| storage::classes(state, subject)),
            storage_class_names: wants("storage_class_names")
                .then(|| state.cluster.classes.keys().cloned().collect()),
            default_storage_class: storage::default_class(state)
                .filter(|_| wants("default_storage_class"))
                .map(|class| class.name.clone()),
            claim_classes: wants("claim_classes").then(|| storage::claim_classes(state, subject)),
            volume_attributes_classes: wants("volume_attributes_classes")
                .then(|| storage::attributes(state, subject)),
            pvcs: wants("pvcs").then(|| storage::claims(state, subject)),
            pvs: wants("pvs").then(|| storage::volumes(state, subject)),
            free_volumes: wants("free_volumes").then(|| storage::free_volumes(state, subject)),
            snapshots: wants("snapshots").then(|| storage::snapshots(state, subject)),
            claim_snapshots: wants("claim_snapshots").then(|| storage::claim_snapshots(state, subject)),
            consumers: wants("consumers").then(|| consumers::consumers(state, subject)),
            departed: wants("departed").then(|| consumers::departed(state, subject)),
            pdbs: wants("pdbs").then(|| siblings::budgets(state, subject)),
            other_pdbs: wants("other_pdbs").then(|| siblings::other_budgets(state, subject)),
            services: wants("services").then(|| siblings::services(state, subject)),
            governing_service: wants("governing_service")
                .then(|| siblings::governing_service(state, subject))
                .flatten(),
            autoscalers: wants("autoscalers").then(|| siblings::autoscalers(state, subject)),
            workloads: wants("workloads").then(|| siblings::workloads(state, subject)),
            custom_resources: wants("custom_resources")
                .then(|| unseen::custom_resources(state, &subject.workload.namespace)),
            counterpart_unseen: (wants("counterpart_unseen") && unseen::counterpart(state, subject))
                .then_some(true),
            quotas: wants("quotas").then(|| siblings::quotas(state, subject)),
            limit_ranges: wants("limit_ranges").then(|| siblings::limits(state, subject)),
            nodes: wants("nodes").then(|| state.cluster.nodes.summary(subject)),
            priority_classes: wants("priority_classes").then(|| siblings::priorities(state, subject)),
            backup_schedules: wants("backup_schedules").then(|| siblings::backup_schedules(state, subject)),
            backup_jobs: wants("backup_jobs").then(|| siblings::backup_jobs(state, subject)),
            parent: (subject.scaled && wants("parent")).then(parent),
            dependants: (deleted && wants("dependants")).then(|| consumers::dependants(state, subject)),
        }
    }
}
