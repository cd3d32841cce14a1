//! Joins of workloads and what stands beside them: budgets, Services, autoscalers.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::budget::allowed;
use super::records::{
    AutoscalerRecord, Brief, BudgetRecord, LimitRecord, PriorityRecord, QuotaRecord, Selects, ServiceRecord,
    WorkloadRecord, serves, target,
};
use super::related::Subject;
use super::store::{Namespace, State};
use crate::admission::{GroupKind, ObjectRef};
use crate::workload::view::Strings;

/// A PodDisruptionBudget that selects the subject's pods.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RelatedBudget {
    #[serde(flatten)]
    pub budget: Arc<BudgetRecord>,
    /// How many of the subject's pods it lets go if all are healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_disruptions: Option<i64>,
    /// How many workloads it selects, the subject among them; left out if not all of them are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workloads: Option<usize>,
    /// The pods of all of these; left out if not all of their numbers are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<i64>,
    /// Is the budget judged itself in the same run, so that its faults are told there? Never at admission.
    #[serde(rename = "judged")]
    pub reviewed: bool,
}

/// What sets the subject's size.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RelatedAutoscaler {
    #[serde(flatten)]
    pub autoscaler: Arc<AutoscalerRecord>,
    /// Is the autoscaler judged itself in the same run, so that its faults are told there? Never at
    /// admission.
    #[serde(rename = "judged")]
    pub reviewed: bool,
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

/// The kinds of workloads that budgets are written for.
const SELECTED: [(&str, &str); 2] = [("StatefulSet", "apps"), ("Deployment", "apps")];

fn own<'s>(state: &'s State, subject: &Subject<'_>) -> Option<&'s Arc<Namespace>> {
    state.namespaces.get(&subject.workload.namespace)
}

fn labels<'s>(subject: &Subject<'s>) -> Option<&'s Strings> {
    subject.workload.pods.as_ref().map(|pods| &pods.labels)
}

/// The budgets that select the subject's pods.
pub fn budgets(state: &State, subject: &Subject<'_>) -> Vec<RelatedBudget> {
    let Some((namespace, labels)) = own(state, subject).zip(labels(subject)) else { return Vec::new() };
    let selecting = namespace.budgets.values().filter(|budget| budget.selects.matches(labels));
    let complete = state.bundle || SELECTED.iter().all(|(kind, group)| state.is_complete(kind, group));
    let related = |budget: &Arc<BudgetRecord>| {
        let others = || selected(namespace, &budget.selects).filter(|other| !other.is(subject));
        let pods = || {
            let of_others: Option<i64> = others().map(|other| other.brief.replicas).sum();
            Some(of_others?.saturating_add(subject.workload.replicas?))
        };
        RelatedBudget {
            allowed_disruptions: subject
                .workload
                .replicas
                .and_then(|replicas| allowed(&budget.budget, replicas)),
            workloads: complete.then(|| others().count() + 1),
            pods: complete.then(pods).flatten(),
            reviewed: budget.owner.is_none()
                && reviewed(state, subject, &budget_kind(), &budget.namespace, &budget.name),
            budget: Arc::clone(budget),
        }
    };
    selecting.map(related).collect()
}

/// The budgets of the namespace that do not select the subject's pods.
pub fn other_budgets(state: &State, subject: &Subject<'_>) -> Vec<Arc<BudgetRecord>> {
    let Some((namespace, labels)) = own(state, subject).zip(labels(subject)) else { return Vec::new() };
    namespace.budgets.values().filter(|budget| !budget.selects.matches(labels)).cloned().collect()
}

/// The Services that select the subject's pods.
pub fn services(state: &State, subject: &Subject<'_>) -> Vec<Arc<ServiceRecord>> {
    let Some((namespace, labels)) = own(state, subject).zip(labels(subject)) else { return Vec::new() };
    namespace.services.values().filter(|service| serves(&service.service, labels)).cloned().collect()
}

/// The Service that the subject names as its own.
pub fn governing_service(state: &State, subject: &Subject<'_>) -> Option<Arc<ServiceRecord>> {
    own(state, subject)?.services.get(subject.workload.service_name.as_ref()?).cloned()
}

/// What sets the subject's size.
pub fn autoscalers(state: &State, subject: &Subject<'_>) -> Vec<RelatedAutoscaler> {
    let all = own(state, subject).into_iter().flat_map(|namespace| namespace.autoscalers.values());
    let own = (subject.kind.clone(), subject.workload.name.clone());
    let related = |scaler: &Arc<AutoscalerRecord>| RelatedAutoscaler {
        reviewed: !scaler.owned
            && reviewed(state, subject, &scaler.own_kind, &scaler.namespace, &scaler.name),
        autoscaler: Arc::clone(scaler),
    };
    all.filter(|scaler| target(&scaler.autoscaler) == own).map(related).collect()
}

/// Is this object judged itself in the same run, and is what there is to say of it and the subject
/// together its own fault? An object that stays as it was is only at fault if the subject stays, too.
pub fn reviewed(state: &State, subject: &Subject<'_>, kind: &GroupKind, namespace: &str, name: &str) -> bool {
    let changed = |kind: &GroupKind, namespace: &str, name: &str| {
        let object = ObjectRef { kind: kind.clone(), namespace: namespace.to_owned(), name: name.to_owned() };
        state.reviewed.get(&object).copied()
    };
    let view = subject.workload;
    // What is scaled is no manifest, but in the cluster already.
    let own = changed(&subject.kind, &view.namespace, &view.name).filter(|_| !subject.scaled);
    own.zip(changed(kind, namespace, name)).is_some_and(|(own, other)| other || !own)
}

fn budget_kind() -> GroupKind {
    GroupKind { kind: "PodDisruptionBudget".to_owned(), group: "policy".to_owned() }
}

/// The workloads whose pods a selector selects. What belongs to another of them is that one's pods.
fn selected<'n>(
    namespace: &'n Namespace,
    selects: &Selects,
) -> impl Iterator<Item = &'n Arc<WorkloadRecord>> {
    namespace.workloads.values().filter(|record| {
        let owner = record.brief.owner.as_ref();
        let owner = owner.map(|owner| (GroupKind::new(&owner.api_version, &owner.kind), owner.name.clone()));
        let owner = owner.and_then(|owner| namespace.workloads.get(&owner));
        selects.matches(&record.brief.pods.labels)
            && !owner.is_some_and(|owner| selects.matches(&owner.brief.pods.labels))
    })
}

/// The workloads that a budget or Service selects, or an autoscaler targets.
pub fn workloads(state: &State, subject: &Subject<'_>) -> Vec<RelatedWorkload> {
    let Some(namespace) = own(state, subject) else { return Vec::new() };
    let related =
        |brief: &Brief, allowed_disruptions| RelatedWorkload { workload: brief.clone(), allowed_disruptions };
    let all = namespace.workloads.values().map(|record| &record.brief);
    let view = subject.workload;
    if let Some(budget) = &view.disruption_budget {
        let left = |brief: &Brief| brief.replicas.and_then(|replicas| allowed(budget, replicas));
        let selects = Selects::of(budget);
        let selected = selected(namespace, &selects).map(|record| &record.brief);
        selected.map(|brief| related(brief, left(brief))).collect()
    } else if let Some(service) = &view.service {
        all.filter(|brief| serves(service, &brief.pods.labels)).map(|brief| related(brief, None)).collect()
    } else if let Some(scaler) = &view.autoscaler {
        let target = namespace.workloads.get(&target(scaler));
        target.map(|record| related(&record.brief, None)).into_iter().collect()
    } else {
        Vec::new()
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
