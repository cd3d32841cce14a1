//! `input.related`: what of the inventory concerns one request.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::Inventory;
use super::consumers::{self, Consumer, Dependant};
use super::nodes::NodesSummary;
use super::records::{
    AttributesRecord, Brief, BudgetRecord, ClassRecord, LimitRecord, NamespaceRecord, PriorityRecord,
    QuotaRecord, ServiceRecord, VolumeRecord, WorkloadRecord,
};
use super::siblings::{self, RelatedAutoscaler, RelatedBudget, RelatedWorkload};
use super::storage::{self, RelatedClaim, Snapshot};
use crate::admission::{GroupKind, Operation};

use crate::workload::Workload;

/// What is joined: the object as it will be stored or, if it goes, as it is.
pub struct Subject<'a> {
    /// Its kind; of a scale request the parent's.
    pub kind: GroupKind,
    /// What is done to it.
    pub operation: Operation,
    /// Is it the parent of a scale request?
    pub scaled: bool,
    /// Its view.
    pub workload: &'a Workload,
}

/// Other objects that concern a request. A key whose kind is not known is undefined in Rego. It never
/// holds the object under review itself.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Related {
    /// The namespace that the object lives in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Arc<NamespaceRecord>>,
    /// The classes that its claims name, and all default ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_classes: Option<BTreeMap<String, Arc<ClassRecord>>>,
    /// Names of all classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_names: Option<Vec<String>>,
    /// The class that a claim gets if it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_storage_class: Option<String>,
    /// The class of each claim of the view, by the claim's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_classes: Option<BTreeMap<String, Arc<ClassRecord>>>,
    /// The VolumeAttributesClasses that its claims name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_attributes_classes: Option<BTreeMap<String, Arc<AttributesRecord>>>,
    /// The claims that its volumes name and that its templates have made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvcs: Option<Vec<RelatedClaim>>,
    /// The volumes behind these claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pvs: Option<Vec<Arc<VolumeRecord>>>,
    /// The snapshots that its claims are filled from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<BTreeMap<String, Snapshot>>,
    /// Other workloads that mount one of its claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumers: Option<Vec<Consumer>>,
    /// The budgets that select its pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pdbs: Option<Vec<RelatedBudget>>,
    /// The other budgets of its namespace. Members may get labels as they run that one of these asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_pdbs: Option<Vec<Arc<BudgetRecord>>>,
    /// The Services that select its pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Vec<Arc<ServiceRecord>>>,
    /// The Service that it names as its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub governing_service: Option<Arc<ServiceRecord>>,
    /// What sets its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscalers: Option<Vec<RelatedAutoscaler>>,
    /// The workloads that it selects or targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Vec<RelatedWorkload>>,
    /// Quotas of its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Vec<Arc<QuotaRecord>>>,
    /// Limit ranges of its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_ranges: Option<Vec<Arc<LimitRecord>>>,
    /// Nodes, counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodesSummary>,
    /// The priority class that it names, and the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_classes: Option<BTreeMap<String, Arc<PriorityRecord>>>,
    /// Of a scale request: what is scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Brief>,
    /// Of a delete: what it would hurt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependants: Option<Vec<Dependant>>,
}

impl Related {
    /// Joins what is wanted. `wants` says of each key whether it is read and may be seen.
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
            snapshots: wants("snapshots").then(|| storage::snapshots(state, subject)),
            consumers: wants("consumers").then(|| consumers::consumers(state, subject)),
            pdbs: wants("pdbs").then(|| siblings::budgets(state, subject)),
            other_pdbs: wants("other_pdbs").then(|| siblings::other_budgets(state, subject)),
            services: wants("services").then(|| siblings::services(state, subject)),
            governing_service: wants("governing_service")
                .then(|| siblings::governing_service(state, subject))
                .flatten(),
            autoscalers: wants("autoscalers").then(|| siblings::autoscalers(state, subject)),
            workloads: wants("workloads").then(|| siblings::workloads(state, subject)),
            quotas: wants("quotas").then(|| siblings::quotas(state, subject)),
            limit_ranges: wants("limit_ranges").then(|| siblings::limits(state, subject)),
            nodes: wants("nodes").then(|| state.cluster.nodes.summary(subject)),
            priority_classes: wants("priority_classes").then(|| siblings::priorities(state, subject)),
            parent: (subject.scaled && wants("parent")).then(parent),
            dependants: (deleted && wants("dependants")).then(|| consumers::dependants(state, subject)),
        }
    }
}
