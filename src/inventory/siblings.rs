//! Joins of workloads and what stands beside them: budgets, Services, autoscalers.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::budget::allowed;
use super::records::{
    AutoscalerRecord, Brief, BudgetRecord, LimitRecord, PriorityRecord, QuotaRecord, ServiceRecord, target_of,
};
use super::related::Subject;
use super::store::{Namespace, State};
use crate::workload::Node;
use crate::workload::labels::Selector;
use crate::workload::view::Strings;

/// A PodDisruptionBudget that selects the subject's pods.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RelatedBudget {
    #[serde(flatten)]
    pub budget: Arc<BudgetRecord>,
    /// How many of the subject's pods it lets go if all are healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_disruptions: Option<i64>,
}

/// A workload that the subject selects or targets.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RelatedWorkload {
    #[serde(flatten)]
    pub workload: Brief,
    /// Of a PodDisruptionBudget: how many of its pods it lets go if all are healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_disruptions: Option<i64>,
}

fn own<'s>(state: &'s State, subject: &Subject<'_>) -> Option<&'s Arc<Namespace>> {
    state.namespaces.get(&subject.workload.namespace)
}

fn labels<'s>(subject: &Subject<'s>) -> Option<&'s Strings> {
    subject.workload.pods.as_ref().map(|pods| &pods.labels)
}

/// The budgets that select the subject's pods.
pub fn budgets(state: &State, subject: &Subject<'_>) -> Vec<RelatedBudget> {
    let Some((namespace, labels)) = own(state, subject).zip(labels(subject)) else { return Vec::new() };
    let selecting = namespace.budgets.values().filter(|budget| budget.selects(labels));
    let related = |budget: &Arc<BudgetRecord>| RelatedBudget {
        allowed_disruptions: subject.workload.replicas.and_then(|replicas| allowed(budget, replicas)),
        budget: Arc::clone(budget),
    };
    selecting.map(related).collect()
}

/// The Services that select the subject's pods.
pub fn services(state: &State, subject: &Subject<'_>) -> Vec<Arc<ServiceRecord>> {
    let Some((namespace, labels)) = own(state, subject).zip(labels(subject)) else { return Vec::new() };
    namespace.services.values().filter(|service| service.selects(labels)).cloned().collect()
}

/// The Service that the subject names as its own.
pub fn governing_service(state: &State, subject: &Subject<'_>) -> Option<Arc<ServiceRecord>> {
    own(state, subject)?.services.get(subject.workload.service_name.as_ref()?).cloned()
}

/// What sets the subject's size.
pub fn autoscalers(state: &State, subject: &Subject<'_>) -> Vec<Arc<AutoscalerRecord>> {
    let all = own(state, subject).into_iter().flat_map(|namespace| namespace.autoscalers.values());
    let targets = |scaler: &&Arc<AutoscalerRecord>| {
        scaler.target.0 == subject.kind && scaler.target.1 == subject.workload.name
    };
    all.filter(targets).cloned().collect()
}

/// The workloads that a budget or Service selects, or an autoscaler targets.
pub fn workloads(state: &State, subject: &Subject<'_>) -> Vec<RelatedWorkload> {
    let Some(namespace) = own(state, subject) else { return Vec::new() };
    let problems = std::cell::RefCell::new(Vec::new());
    let root = Node::root(subject.object, &problems);
    let spec = root.child("spec");
    let related =
        |brief: &Brief, allowed_disruptions| RelatedWorkload { workload: brief.clone(), allowed_disruptions };
    let all = namespace.workloads.values().map(|record| &record.brief);
    match subject.kind.kind.as_str() {
        "PodDisruptionBudget" => {
            let budget = BudgetRecord {
                min_available: spec.child("minAvailable").raw().cloned(),
                max_unavailable: spec.child("maxUnavailable").raw().cloned(),
                selector: spec.child("selector").raw().and_then(|raw| Selector::from_json(raw).ok()),
                ..BudgetRecord::default()
            };
            all.filter(|brief| budget.selects(&brief.pods.labels))
                .map(|brief| related(brief, brief.replicas.and_then(|replicas| allowed(&budget, replicas))))
                .collect()
        }
        "Service" => {
            let selector = spec.child("selector").string_map();
            let service = ServiceRecord { selector, ..ServiceRecord::default() };
            all.filter(|brief| service.selects(&brief.pods.labels))
                .map(|brief| related(brief, None))
                .collect()
        }
        scaler => {
            let at = if scaler == "VerticalPodAutoscaler" { "targetRef" } else { "scaleTargetRef" };
            let target = target_of(&spec.child(at), &subject.kind);
            let target = namespace.workloads.get(&target);
            target.map(|record| related(&record.brief, None)).into_iter().collect()
        }
    }
}

/// Quotas of the subject's namespace.
pub fn quotas(state: &State, subject: &Subject<'_>) -> Vec<Arc<QuotaRecord>> {
    own(state, subject).into_iter().flat_map(|namespace| namespace.quotas.values().cloned()).collect()
}

/// Limit ranges of the subject's namespace.
pub fn limits(state: &State, subject: &Subject<'_>) -> Vec<Arc<LimitRecord>> {
    own(state, subject).into_iter().flat_map(|namespace| namespace.limits.values().cloned()).collect()
}

/// The priority class that the subject names, and those that others get without naming one.
pub fn priorities(state: &State, subject: &Subject<'_>) -> BTreeMap<String, Arc<PriorityRecord>> {
    let named = subject.workload.scheduling.as_ref().map(|scheduling| scheduling.priority_class.as_str());
    let all = state.cluster.priorities.iter();
    all.filter(|(name, class)| class.global_default || Some(name.as_str()) == named)
        .map(|(name, class)| (name.clone(), Arc::clone(class)))
        .collect()
}
