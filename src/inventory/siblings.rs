//! Joins between workloads and the objects that act on their pods: budgets, Services, autoscalers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::budget::allowed;
use super::records::{
    AutoscalerRecord, BackupJobRecord, BackupScheduleRecord, Brief, BudgetRecord, LimitRecord,
    PriorityRecord, QuotaRecord, Selects, ServiceRecord, WorkloadRecord, serves, target,
};
use super::related::Subject;
use super::selected::{self, Selection, selected};
use super::store::{Namespace, State};
use crate::admission::{GroupKind, ObjectRef};
use crate::workload::view::{Claim, Strings};

/// A PodDisruptionBudget that selects the subject's pods.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RelatedBudget {
    #[serde(flatten)]
    pub budget: Arc<BudgetRecord>,
    /// Number of the subject's pods that it allows to be evicted if all are healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_disruptions: Option<i64>,
    /// Number of workloads that it selects, including the subject; left out if not all workloads are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workloads: Option<usize>,
    /// Number of pods of these workloads; left out if not all of their replica counts are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<i64>,
    /// Whether the same run reviews the budget itself and reports its problems there. Always false at
    /// admission.
    pub reviewed: bool,
}

/// An autoscaler that targets the subject.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RelatedAutoscaler {
    #[serde(flatten)]
    pub autoscaler: Arc<AutoscalerRecord>,
    /// Whether the same run reviews the autoscaler itself and reports its problems there. Always false at
    /// admission.
    pub reviewed: bool,
}

/// A workload that the subject selects or targets.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RelatedWorkload {
    #[serde(flatten)]
    pub workload: Brief,
    /// For a PodDisruptionBudget: number of the workload's pods that it allows to be evicted if all are
    /// healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_disruptions: Option<i64>,
}

/// The kinds of workloads that budgets usually select.
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
    let own = namespace.workloads.get(&(subject.kind.clone(), subject.workload.name.clone()));
    let related = |budget: &Arc<BudgetRecord>| {
        let others = complete.then(|| selected::others(namespace, budget, own.map(|own| &**own)));
        let pods = |others: Selection| {
            let replicas = subject.workload.replicas.filter(|_| others.unknown == 0)?;
            Some(others.pods.saturating_add(replicas))
        };
        RelatedBudget {
            allowed_disruptions: subject
                .workload
                .replicas
                .and_then(|replicas| allowed(&budget.budget, replicas)),
            workloads: others.map(|others| others.workloads + 1),
            pods: others.and_then(pods),
            reviewed: budget.owner.is_none()
                && reviewed(state, subject, &budget_kind(), &budget.namespace, &budget.name),
            budget: Arc::clone(budget),
        }
    };
    selecting.take(MOST_BUDGETS).map(related).collect()
}

/// How many budgets that select its pods a request sees. Two are one too many.
const MOST_BUDGETS: usize = 20;

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

/// The subject's governing Service.
pub fn governing_service(state: &State, subject: &Subject<'_>) -> Option<Arc<ServiceRecord>> {
    own(state, subject)?.services.get(subject.workload.service_name.as_ref()?).cloned()
}

/// The autoscalers that target the subject.
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

/// Whether the same run reviews this object, and problems between it and the subject are reported there. An
/// unchanged object is responsible for them only if the subject is also unchanged.
pub fn reviewed(state: &State, subject: &Subject<'_>, kind: &GroupKind, namespace: &str, name: &str) -> bool {
    let changed = |kind: &GroupKind, namespace: &str, name: &str| {
        let object = ObjectRef { kind: kind.clone(), namespace: namespace.to_owned(), name: name.to_owned() };
        state.reviewed.get(&object).copied()
    };
    let view = subject.workload;
    // A scaled subject is not a manifest but is already in the cluster.
    let own = changed(&subject.kind, &view.namespace, &view.name).filter(|_| !subject.scaled);
    own.zip(changed(kind, namespace, name)).is_some_and(|(own, other)| other || !own)
}

fn budget_kind() -> GroupKind {
    GroupKind { kind: "PodDisruptionBudget".to_owned(), group: "policy".to_owned() }
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

/// The quotas in the subject's namespace.
pub fn quotas(state: &State, subject: &Subject<'_>) -> Vec<Arc<QuotaRecord>> {
    own(state, subject).into_iter().flat_map(|namespace| namespace.quotas.values().cloned()).collect()
}

/// The limit ranges in the subject's namespace.
pub fn limits(state: &State, subject: &Subject<'_>) -> Vec<Arc<LimitRecord>> {
    own(state, subject).into_iter().flat_map(|namespace| namespace.limits.values().cloned()).collect()
}

/// The most that are shown besides those that apply.
const MOST_PRIORITIES: usize = 100;

/// The priority class that the subject names, those that apply by default, and of the others the first by name.
pub fn priorities(state: &State, subject: &Subject<'_>) -> BTreeMap<String, Arc<PriorityRecord>> {
    let named = subject.workload.scheduling.as_ref().map(|scheduling| scheduling.priority_class.as_str());
    let applies = |(name, class): &(&String, &Arc<PriorityRecord>)| {
        class.global_default || Some(name.as_str()) == named
    };
    let all = || state.cluster.priorities.iter();
    all()
        .take(MOST_PRIORITIES)
        .chain(all().filter(applies))
        .map(|(name, class)| (name.clone(), Arc::clone(class)))
        .collect()
}

/// A namespace may have very many jobs.
const MOST_JOBS: usize = 100;
/// Pods of a StatefulSet whose claims a job may name.
const MOST_PODS: i64 = 16;

/// What is known, and what other directories of the run hold: what makes backups is often kept apart.
fn with_elsewhere(state: &State) -> impl Iterator<Item = &State> {
    let elsewhere = state.unseen.elsewhere.iter().map(|elsewhere| &*elsewhere.state);
    std::iter::once(state).chain(elsewhere)
}

/// The schedules of backup tools that include the subject.
pub fn backup_schedules(state: &State, subject: &Subject<'_>) -> Vec<Arc<BackupScheduleRecord>> {
    let labels: Vec<&Strings> = labels(subject).into_iter().chain([&subject.workload.labels]).collect();
    let includes = |schedule: &BackupScheduleRecord| {
        schedule.includes(&subject.workload.namespace, &labels) && schedule.copies_claim_of(subject.workload)
    };
    let all = with_elsewhere(state).flat_map(|state| state.cluster.schedules.iter());
    let found: BTreeMap<_, _> = all.filter(|(_, schedule)| includes(schedule)).collect();
    found.into_values().cloned().collect()
}

/// The names by which a job may reach the subject: its own, and those of its Services and claims.
fn names_around(state: &State, subject: &Subject<'_>) -> BTreeSet<String> {
    let workload = subject.workload;
    let namespaces = with_elsewhere(state).filter_map(|state| own(state, subject));
    let services = namespaces.flat_map(|namespace| namespace.services.keys().cloned());
    let pods = 0..workload.replicas.unwrap_or(1).clamp(1, MOST_PODS);
    let of_pods = |claim: &Claim| -> Vec<String> {
        let name = |pod| format!("{}-{}-{pod}", claim.name, workload.name);
        let is_template = claim.origin == "template";
        pods.clone().filter(|_| is_template).map(name).chain([claim.name.clone()]).collect()
    };
    let claims = workload.claims.iter().flat_map(of_pods);
    let own = [workload.name.clone(), format!("{}-0", workload.name)];
    let names = own.into_iter().chain(workload.service_name.clone()).chain(services).chain(claims);
    names.map(|name| name.to_ascii_lowercase()).collect()
}

/// The CronJobs in the subject's namespace that run a backup program, and those elsewhere that name a host of it with
/// its namespace.
pub fn backup_jobs(state: &State, subject: &Subject<'_>) -> Vec<Arc<BackupJobRecord>> {
    let names = names_around(state, subject);
    let mut found = BTreeMap::new();
    for state in with_elsewhere(state) {
        let jobs = jobs_inside(state, subject, &names).chain(jobs_outside(state, subject, &names));
        for job in jobs {
            found.entry((job.namespace.clone(), job.name.clone())).or_insert_with(|| Arc::new(job));
        }
    }
    found.into_values().collect()
}

/// Those in its namespace.
fn jobs_inside<'s>(
    state: &'s State,
    subject: &Subject<'_>,
    names: &'s BTreeSet<String>,
) -> impl Iterator<Item = BackupJobRecord> + 's {
    let workloads = own(state, subject).into_iter().flat_map(|namespace| namespace.workloads.values());
    let jobs = workloads.filter_map(move |workload| job(state, workload)).take(MOST_JOBS);
    jobs.map(move |job| job.reaching(names))
}

/// Those in other namespaces.
fn jobs_outside<'s>(
    state: &'s State,
    subject: &'s Subject<'_>,
    names: &'s BTreeSet<String>,
) -> impl Iterator<Item = BackupJobRecord> + 's {
    let namespace = &subject.workload.namespace;
    let jobs = state.cluster.jobs_for.get(namespace).into_iter().flat_map(|jobs| jobs.iter());
    let elsewhere = jobs.filter(move |object| object.namespace != *namespace).filter_map(move |object| {
        let own = state.namespaces.get(&object.namespace)?;
        own.workloads
            .get(&(object.kind.clone(), object.name.clone()))?
            .backup
            .as_ref()?
            .reaching_into(namespace, names)
    });
    elsewhere.take(MOST_JOBS)
}

/// What a CronJob backs up, with what the scripts of its ConfigMaps say.
fn job(state: &State, workload: &WorkloadRecord) -> Option<Arc<BackupJobRecord>> {
    let whole = workload.scripted.then(|| state.whole.get(&workload.reference())).flatten();
    let Some(object) = whole else { return workload.backup.clone() };
    let view = state.reader.view_with(state, &workload.kind, object, &workload.brief.namespace)?;
    BackupJobRecord::of(&workload.kind, &view).map(Arc::new)
}
