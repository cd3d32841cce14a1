//! Objects of which the manifests of a run have several versions, none of them nearer than the others.
//!
//! Such an object is not known. Of a workload, what its versions agree on is: which claims they use, and how.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::consumers::{made_by, makes, names};
use super::persistent::{insert_item, remove_item};
use super::records::{ClaimMount, Record, Selects, WorkloadRecord, serves, target};
use super::related::Subject;
use super::roles::ResourceRole;
use super::store::{Key, Namespace, State};
use super::{Inventory, storage};
use crate::admission::{GroupKind, ObjectRef, Operation};

/// The versions of one workload.
pub type Versions = Arc<[WorkloadRecord]>;

/// How a workload uses a claim.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimUse<'n> {
    pub record: &'n WorkloadRecord,
    pub mount: ClaimMount,
    /// The number of its pods, if it is known.
    pub replicas: Option<i64>,
}

impl<'n> ClaimUse<'n> {
    /// None if the workload neither names the claim nor creates it.
    pub fn of(record: &'n WorkloadRecord, claim: &str) -> Option<Self> {
        let named = record.mounts.iter().find(|mount| mount.claim == claim).cloned();
        let mount = named.or_else(|| makes(record, claim).then(|| made_by(record, claim)))?;
        Some(Self { replicas: record.brief.replicas, record, mount })
    }

    /// What is known if it may be this one or the other.
    fn or(self, other: &Self) -> Option<Self> {
        let (one, two) = (&self.record.brief, &other.record.brief);
        let name = |record: &WorkloadRecord| record.brief.engine.as_ref().map(|engine| engine.name.clone());
        let runs = |replicas: Option<i64>| replicas.is_none_or(|replicas| replicas > 0);
        let same = self.mount == other.mount
            && one.class == two.class
            && one.owner == two.owner
            && name(self.record) == name(other.record)
            && runs(self.replicas) == runs(other.replicas);
        let replicas = self.replicas.filter(|_| self.replicas == other.replicas);
        same.then_some(Self { replicas, ..self })
    }
}

/// What several versions of a workload say of a claim.
pub enum Agreement<'n> {
    /// None of them uses it.
    Unused,
    /// All use it in the same way.
    Used(ClaimUse<'n>),
    /// Some use it, or each in its own way.
    Contested,
}

/// What these versions of a workload say of a claim.
pub fn agreement<'n>(versions: &'n [WorkloadRecord], claim: &str) -> Agreement<'n> {
    let mut uses = versions.iter().map(|version| ClaimUse::of(version, claim));
    let Some(first) = uses.next() else { return Agreement::Unused };
    let agreed = uses.try_fold(first, |agreed, used| match (agreed, used) {
        (None, None) => Some(None),
        (Some(agreed), Some(used)) => agreed.or(&used).map(Some),
        _ => None,
    });
    match agreed {
        Some(None) => Agreement::Unused,
        Some(Some(used)) => Agreement::Used(used),
        None => Agreement::Contested,
    }
}

/// What a request is about of the objects that are not known. It is the same for all policies.
#[derive(Clone, Debug, Default)]
pub struct Doubts {
    roles: BTreeSet<ResourceRole>,
    /// Kinds of workloads of which one is meant.
    workloads: BTreeSet<GroupKind>,
    /// Those of which one uses the claim under review in one version only, or each in its own way.
    users: BTreeSet<GroupKind>,
}

impl Doubts {
    /// The doubts that concern this request.
    pub fn of(inventory: &Inventory, subject: &Subject<'_>) -> Self {
        let state = &*inventory.state;
        if state.doubtful.is_empty() {
            return Self::default();
        }
        let roles = ResourceRole::all().filter(|role| doubted(state, subject, *role)).collect();
        let Some(namespace) = state.namespaces.get(&subject.workload.namespace) else {
            return Self { roles, ..Self::default() };
        };
        let using = using(namespace, subject);
        let is_claim = subject.workload.claims.iter().any(|claim| claim.origin == "object");
        Self {
            roles,
            users: if is_claim { using.clone() } else { BTreeSet::new() },
            workloads: concerned(namespace, subject, using),
        }
    }

    /// Whether the request may be about an object with this role; about a workload only if it is of this kind, if one
    /// is given. `optional`: the policy can do without. It need not know a workload, but how it uses the claim under
    /// review, since a claim in no known use is judged as one that may hold anything.
    pub fn concern(&self, role: ResourceRole, kind: Option<&GroupKind>, optional: bool) -> bool {
        let of = |kinds: &BTreeSet<GroupKind>| kind.map_or(!kinds.is_empty(), |kind| kinds.contains(kind));
        match (role, optional) {
            (ResourceRole::Workload, true) => of(&self.users),
            (ResourceRole::Workload, false) => of(&self.workloads),
            (_, optional) => !optional && self.roles.contains(&role),
        }
    }
}

fn is_own(subject: &Subject<'_>, kind: &GroupKind, name: &str) -> bool {
    name == subject.workload.name && *kind == subject.kind
}

/// Whether the request may be about an object in doubt with this role, which is not that of workloads.
fn doubted(state: &State, subject: &Subject<'_>, role: ResourceRole) -> bool {
    let workload = subject.workload;
    let namespace = if role.cluster_scoped() { "" } else { workload.namespace.as_str() };
    let Some(objects) = state.doubtful.get(&(role, namespace.to_owned())) else { return false };
    let named = |name: &str| match role {
        ResourceRole::Workload => false,
        ResourceRole::Namespace => name == workload.namespace,
        ResourceRole::StorageClass => storage::may_use_class(state, subject, name),
        ResourceRole::AttributesClass => storage::attributes_named(subject).any(|named| named == name),
        ResourceRole::Snapshot => storage::snapshots_named(subject).any(|(_, named)| named == name),
        ResourceRole::PriorityClass => workload
            .scheduling
            .as_ref()
            .is_some_and(|wish| wish.priority_class.is_empty() || wish.priority_class == name),
        _ => true,
    };
    objects.iter().any(|object| named(&object.name) && !is_own(subject, &object.kind, &object.name))
}

/// The kinds of workloads whose versions differ in how they use a claim of the subject.
fn using(namespace: &Namespace, subject: &Subject<'_>) -> BTreeSet<GroupKind> {
    let mut kinds = BTreeSet::new();
    for claim in names(namespace, subject) {
        for key @ (kind, name) in namespace.users(&claim) {
            let Some(versions) = namespace.versions.get(key) else { continue };
            if !kinds.contains(kind)
                && !is_own(subject, kind, name)
                && matches!(agreement(versions, &claim), Agreement::Contested)
            {
                kinds.insert(kind.clone());
            }
        }
    }
    kinds
}

/// These kinds, and those of workloads in doubt that may matter to the request for another reason.
fn concerned(
    namespace: &Namespace,
    subject: &Subject<'_>,
    mut kinds: BTreeSet<GroupKind>,
) -> BTreeSet<GroupKind> {
    let concerns = concerning(namespace, subject);
    for (key @ (kind, name), versions) in &namespace.versions {
        // Of a version without a record nothing is known.
        if !kinds.contains(kind)
            && !is_own(subject, kind, name)
            && (versions.is_empty() || versions.iter().any(|version| concerns(key, version)))
        {
            kinds.insert(kind.clone());
        }
    }
    kinds
}

/// Whether a version of a workload concerns the request: what is deleted, a budget, Service or autoscaler that acts on
/// it, or pods with which it shares a budget. A backup concerns all.
fn concerning(namespace: &Namespace, subject: &Subject<'_>) -> impl Fn(&Key, &WorkloadRecord) -> bool {
    let view = subject.workload;
    let deleted = subject.operation == Operation::Delete;
    let own = view.disruption_budget.as_ref().map(|budget| Cow::Owned(Selects::of(budget)));
    let pods = view.pods.as_ref().map(|pods| &pods.labels);
    let shared = pods.into_iter().flat_map(|labels| {
        let budgets = namespace.budgets.values().map(|budget| &budget.selects);
        budgets.filter(|selects| selects.matches(labels)).map(Cow::Borrowed)
    });
    let selecting: Vec<Cow<'_, Selects>> = own.into_iter().chain(shared).collect();
    let scaled = view.autoscaler.as_ref().map(target);
    move |key, version| {
        let labels = &version.brief.pods.labels;
        deleted
            || version.backup.is_some()
            || selecting.iter().any(|selects| selects.matches(labels))
            || view.service.as_ref().is_some_and(|service| serves(service, labels))
            || scaled.as_ref() == Some(key)
    }
}

impl State {
    /// Takes an object for one that is not known, because there are several versions of it. Each has a record unless no
    /// join knows its kind.
    pub fn doubt(&mut self, object: &ObjectRef, versions: Vec<Record>) {
        self.remove(object);
        self.reviewed.remove_mut(object);
        self.settle(object);
        let Some(key) = self.doubt_key(object) else { return };
        let role = key.0;
        insert_item(&mut self.doubtful, key, object.clone());
        if role == ResourceRole::Workload {
            let workload = |record| match record {
                Record::Workload(record) => Some(*record),
                _ => None,
            };
            let versions: Versions = versions.into_iter().filter_map(workload).collect();
            let key = (object.kind.clone(), object.name.clone());
            self.namespace_mut(&object.namespace).insert_versions(key, versions);
        }
    }

    /// The object is known again.
    pub fn settle(&mut self, object: &ObjectRef) {
        if self.doubtful.is_empty() {
            return;
        }
        let Some(key) = self.doubt_key(object) else { return };
        remove_item(&mut self.doubtful, &key, object);
        if key.0 == ResourceRole::Workload {
            let key = (object.kind.clone(), object.name.clone());
            self.namespace_mut(&object.namespace).remove_versions(&key);
        }
    }

    fn doubt_key(&self, object: &ObjectRef) -> Option<(ResourceRole, String)> {
        let role = self.reader.role(&object.kind)?;
        Some((role, if role.cluster_scoped() { String::new() } else { object.namespace.clone() }))
    }
}

impl Namespace {
    fn insert_versions(&mut self, key: Key, versions: Versions) {
        versions.iter().for_each(|version| self.index(&key, version));
        self.versions.insert_mut(key, versions);
    }

    fn remove_versions(&mut self, key: &Key) {
        let Some(versions) = self.versions.get(key).cloned() else { return };
        self.versions.remove_mut(key);
        versions.iter().for_each(|version| self.unindex(key, version));
    }
}
