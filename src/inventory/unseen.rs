//! What a run may hold beside what is known of it: documents that cannot be read, and what other directories render.
//! Nothing is found to be missing that may be there.

use std::collections::BTreeSet;

use super::Inventory;
use super::makers::{self, is_custom};
use super::records::Selects;
use super::related::Subject;
use super::roles::ResourceRole;
use super::store::{Namespace, State};
use crate::admission::GroupKind;

/// What is not seen.
#[derive(Clone, Debug, Default)]
pub struct Unseen {
    /// The kinds of documents that could not be read.
    kinds: BTreeSet<GroupKind>,
    /// Whether there are others, of which not even the kind is known.
    any: bool,
    /// All that the run holds, as far as it may be applied together with the rest.
    pub elsewhere: Option<Inventory>,
}

impl Unseen {
    /// Notes the kind of a document that could not be read.
    pub fn insert(&mut self, kind: Option<GroupKind>) {
        match kind {
            Some(kind) => drop(self.kinds.insert(kind)),
            None => self.any = true,
        }
    }
}

/// Whether the counterpart of the subject may be there although it is not seen: what a budget selects, or the budget of
/// a workload.
pub fn counterpart(state: &State, subject: &Subject<'_>) -> bool {
    let view = subject.workload;
    let elsewhere = state.unseen.elsewhere.as_ref().map(|elsewhere| &*elsewhere.state);
    let of_run = |state: &'_ State| state.namespaces.get(&view.namespace).cloned();
    let there = elsewhere.and_then(of_run);
    if let Some(budget) = &view.disruption_budget {
        let makes_pods =
            |kind: &GroupKind| state.reader.role(kind) == Some(ResourceRole::Workload) || is_custom(kind);
        let selects = Selects::of(budget);
        state.unseen.any
            || state.unseen.kinds.iter().any(makes_pods)
            || there.as_ref().is_some_and(|there| has_selected(there, &selects))
            || is_alone(state, &[of_run(state), there])
    } else if let Some(pods) = &view.pods {
        let is_budget = |kind: &GroupKind| state.reader.role(kind) == Some(ResourceRole::Budget);
        let doubted = (ResourceRole::Budget, view.namespace.clone());
        state.unseen.any
            || state.unseen.kinds.iter().any(is_budget)
            || there.is_some_and(|there| {
                there.budgets.values().any(|budget| budget.selects.matches(&pods.labels))
            })
            || elsewhere.is_some_and(|elsewhere| elsewhere.doubtful.contains_key(&doubted))
    } else {
        false
    }
}

/// The kinds whose controllers may make something in the namespace of the subject.
pub fn custom_resources(state: &State, namespace: &str) -> BTreeSet<String> {
    let mut kinds = makers::of(&state.makers, namespace);
    let elsewhere = state.unseen.elsewhere.as_ref();
    kinds.extend(elsewhere.into_iter().flat_map(|other| makers::of(&other.state.makers, namespace)));
    kinds
}

fn has_selected(namespace: &Namespace, selects: &Selects) -> bool {
    let known = namespace.workloads.values().map(|record| &record.brief);
    let versions =
        namespace.versions.values().flat_map(|versions| versions.iter().map(|record| &record.brief));
    known.chain(versions).any(|brief| selects.matches(&brief.pods.labels))
}

/// Whether the run brings no workload for the namespace at all: what it is for is somewhere else.
fn is_alone(state: &State, namespaces: &[Option<std::sync::Arc<Namespace>>]) -> bool {
    let complete = ["StatefulSet", "Deployment"].iter().all(|kind| state.is_complete(kind, "apps"));
    let has_none = |namespace: &std::sync::Arc<Namespace>| {
        namespace.workloads.is_empty() && namespace.versions.is_empty()
    };
    state.bundle && !complete && namespaces.iter().flatten().all(has_none)
}
