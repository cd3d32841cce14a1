//! How many workloads and pods each budget of a namespace selects.
//!
//! Every workload that a budget selects wants to know it, and to find out means to look at all workloads. So it is found
//! out once for each version of a namespace, and only of the budgets that are asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::records::{BudgetRecord, Selects, WorkloadRecord};
use super::store::Namespace;
use crate::admission::GroupKind;

/// What is found out already, by the name of the budget.
#[derive(Clone, Debug, Default)]
pub struct Selected(Arc<Mutex<HashMap<String, Selection>>>);

/// What a budget selects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub workloads: usize,
    /// The pods of those whose number is known.
    pub pods: i64,
    /// How many of the workloads have an unknown number of pods.
    pub unknown: usize,
}

impl Selection {
    fn count(self, replicas: Option<i64>) -> Self {
        Self {
            workloads: self.workloads + 1,
            pods: self.pods.saturating_add(replicas.unwrap_or(0)),
            unknown: self.unknown + usize::from(replicas.is_none()),
        }
    }

    /// Without a workload that it selects.
    fn without(self, replicas: Option<i64>) -> Self {
        Self {
            workloads: self.workloads.saturating_sub(1),
            pods: self.pods.saturating_sub(replicas.unwrap_or(0)),
            unknown: self.unknown.saturating_sub(usize::from(replicas.is_none())),
        }
    }
}

/// What a budget selects beside this workload.
pub fn others(namespace: &Namespace, budget: &BudgetRecord, own: Option<&WorkloadRecord>) -> Selection {
    let mut known = namespace.selected.0.lock().unwrap_or_else(PoisonError::into_inner);
    let all = *known.entry(budget.name.clone()).or_insert_with(|| {
        let all = selected(namespace, &budget.selects);
        all.fold(Selection::default(), |sum, record| sum.count(record.brief.replicas))
    });
    match own.filter(|own| selects(namespace, &budget.selects, own)) {
        Some(own) => all.without(own.brief.replicas),
        None => all,
    }
}

/// The workloads whose pods a selector selects, without those owned by another selected workload.
pub fn selected<'n>(namespace: &'n Namespace, by: &Selects) -> impl Iterator<Item = &'n Arc<WorkloadRecord>> {
    namespace.workloads.values().filter(|record| selects(namespace, by, record))
}

fn selects(namespace: &Namespace, by: &Selects, record: &WorkloadRecord) -> bool {
    let owner = record.brief.owner.as_ref();
    let owner = owner.map(|owner| (GroupKind::new(&owner.api_version, &owner.kind), owner.name.clone()));
    let owner = owner.and_then(|owner| namespace.workloads.get(&owner));
    by.matches(&record.brief.pods.labels) && !owner.is_some_and(|owner| by.matches(&owner.brief.pods.labels))
}
