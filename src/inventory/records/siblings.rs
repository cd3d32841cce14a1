//! Records of objects that act on a workload's pods: budgets, Services, autoscalers.

use schemars::JsonSchema;
use serde::Serialize;

use super::Head;
use crate::admission::GroupKind;
use crate::admission::GroupVersionKind;
use crate::workload::Workload;
use crate::workload::labels::Selector;
use crate::workload::view::{self, Owner, Strings};

/// A PodDisruptionBudget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BudgetRecord {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    #[serde(flatten)]
    pub budget: view::DisruptionBudget,
    /// The owner that manages it, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    #[serde(skip)]
    pub selects: Selects,
}

/// The pods that a budget selects. `None` if the selector is missing or cannot be read, which selects
/// nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selects(Option<Selector>);

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ServiceRecord {
    /// Its name.
    pub name: String,
    #[serde(flatten)]
    pub service: view::Service,
    /// Its namespace.
    #[serde(skip)]
    pub namespace: String,
}

/// An object that scales a workload or resizes its pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct AutoscalerRecord {
    /// Its kind, such as `HorizontalPodAutoscaler`.
    pub kind: String,
    /// Its name.
    pub name: String,
    #[serde(flatten)]
    pub autoscaler: view::Autoscaler,
    #[serde(skip)]
    pub namespace: String,
    #[serde(skip)]
    pub own_kind: GroupKind,
    /// Whether a controller manages the autoscaler.
    #[serde(skip)]
    pub owned: bool,
}

impl Selects {
    /// Reads the selector from the view of a budget.
    pub fn of(budget: &view::DisruptionBudget) -> Self {
        Self(budget.selector.as_ref().and_then(|written| Selector::from_json(written).ok()))
    }

    /// Whether it selects pods with these labels.
    pub fn matches(&self, labels: &Strings) -> bool {
        self.0.as_ref().is_some_and(|selector| selector.matches(labels))
    }
}

impl BudgetRecord {
    pub fn of(view: Workload, head: Head) -> Option<Self> {
        let budget = view.disruption_budget?;
        Some(Self {
            name: head.name,
            namespace: head.namespace,
            selects: Selects::of(&budget),
            budget,
            owner: head.owner,
        })
    }
}

impl ServiceRecord {
    pub fn of(view: Workload, head: Head) -> Option<Self> {
        Some(Self { name: head.name, namespace: head.namespace, service: view.service? })
    }
}

/// Whether a Service selects pods with these labels. A Service without a selector selects none.
pub fn serves(service: &view::Service, labels: &Strings) -> bool {
    let selector = &service.selector;
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

impl AutoscalerRecord {
    pub fn of(kind: &GroupKind, view: Workload, head: Head) -> Option<Self> {
        Some(Self {
            kind: kind.kind.clone(),
            own_kind: kind.clone(),
            owned: head.owner.is_some(),
            name: head.name,
            namespace: head.namespace,
            autoscaler: view.autoscaler?,
        })
    }
}

/// The workload that an autoscaler targets.
pub fn target(scaler: &view::Autoscaler) -> (GroupKind, String) {
    let GroupVersionKind { group, kind, .. } =
        GroupVersionKind::new(&scaler.target.api_version, &scaler.target.kind);
    (GroupKind { kind, group }, scaler.target.name.clone())
}
