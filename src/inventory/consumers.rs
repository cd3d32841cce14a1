//! Finds the workloads that use a claim and the objects that a deletion would affect.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::doubts::{self, Agreement, ClaimUse};
use super::records::{ClaimMount, WorkloadRecord, mounts};
use super::related::Subject;
use super::siblings::reviewed;
use super::storage::{ordinal, templates};
use super::store::{Key, Namespace, State};
use crate::admission::{GroupKind, ObjectRef};
use crate::workload::view::Owner;
use crate::workload::{Class, Workload};

/// A workload that mounts a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ClaimMounter {
    /// Its kind, such as `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether none of its containers writes to the claim.
    pub read_only: bool,
}

/// Another workload that mounts a claim of the subject.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Consumer {
    /// Name of the claim.
    pub claim: String,
    /// Its kind, such as `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What data would be lost with it.
    pub class: Class,
    /// Name of the data store that runs in the workload, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Whether no container of it writes to the claim.
    pub read_only: bool,
    /// Whether the claim holds all or part of a data directory of that data store.
    pub holds_data: bool,
    /// The number of its pods, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// The owner that manages it, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Whether the same run reviews this workload itself and reports its problems there. Always false at
    /// admission.
    pub reviewed: bool,
}

/// An object that a deletion would affect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Dependant {
    /// Its kind, such as `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What data would be lost with it.
    pub class: Class,
}

/// Other workloads that mount one claim.
pub fn users(namespace: &Namespace, subject: &Subject<'_>, claim: &str) -> Vec<ClaimMounter> {
    let user = |ClaimUse { record, mount, .. }: ClaimUse<'_>| ClaimMounter {
        kind: record.brief.kind.clone(),
        name: record.brief.name.clone(),
        read_only: mount.read_only,
    };
    of_claim(namespace, subject, claim).map(user).collect()
}

/// Other workloads that mount a claim that the subject is, mounts or creates.
pub fn consumers(state: &State, subject: &Subject<'_>) -> Vec<Consumer> {
    let Some(namespace) = state.namespaces.get(&subject.workload.namespace) else { return Vec::new() };
    let consumer = |ClaimUse { record, mount, replicas }: ClaimUse<'_>| Consumer {
        claim: mount.claim,
        kind: record.brief.kind.clone(),
        name: record.brief.name.clone(),
        class: record.brief.class,
        engine: record.brief.engine.as_ref().map(|engine| engine.name.clone()),
        read_only: mount.read_only,
        holds_data: mount.holds_data,
        replicas,
        reviewed: record.brief.owner.is_none()
            && reviewed(state, subject, &record.kind, &record.brief.namespace, &record.brief.name),
        owner: record.brief.owner.clone(),
    };
    let claims = names(namespace, subject);
    let of = |claim: &String| {
        let mut uses: Vec<_> = of_claim(namespace, subject, claim).collect();
        if uses.len() > MOST_CONSUMERS {
            // What is left out says nothing that those in front do not say.
            let stays = |kind: &str| matches!(kind, "StatefulSet" | "Deployment" | "DaemonSet");
            uses.sort_by_key(|used| {
                let idle = used.mount.read_only || used.replicas == Some(0);
                (!stays(&used.record.brief.kind), idle, !used.mount.holds_data)
            });
            uses.truncate(MOST_CONSUMERS);
        }
        uses.into_iter().map(consumer).collect::<Vec<_>>()
    };
    claims.iter().flat_map(of).collect()
}

/// How many workloads that mount one claim a request sees.
const MOST_CONSUMERS: usize = 50;

/// Names of the claims that the subject is, mounts or creates, as far as other workloads may mount them.
pub fn names(namespace: &Namespace, subject: &Subject<'_>) -> BTreeSet<String> {
    let own = subject.workload.claims.iter().filter(|claim| claim.origin == "object");
    let own = own.map(|claim| claim.name.clone());
    let mounted = mounts(subject.workload).into_iter().map(|mount| mount.claim);
    let made = templates(subject).flat_map(|template| {
        let prefix = format!("{template}-{}-", subject.workload.name);
        let names = namespace.mounted_by.range(prefix.clone()..).map(|(name, _)| name);
        let names = names.take_while({
            let prefix = prefix.clone();
            move |name| name.starts_with(&prefix)
        });
        names.filter(move |name| name.strip_prefix(&prefix).and_then(ordinal).is_some()).cloned()
    });
    own.chain(mounted).chain(made).collect()
}

/// The workloads that mount a claim by name or create it from their templates, and how, as far as it is known. Excludes
/// the subject and what it owns.
fn of_claim<'n>(
    namespace: &'n Namespace,
    subject: &'n Subject<'_>,
    claim: &str,
) -> impl Iterator<Item = ClaimUse<'n>> + use<'n> {
    let keys = namespace.users(claim);
    let claim = claim.to_owned();
    let uses = keys.into_iter().filter_map(move |key| match namespace.workloads.get(key) {
        Some(record) => ClaimUse::of(record, &claim),
        None => match doubts::agreement(namespace.versions.get(key)?, &claim) {
            Agreement::Used(used) => Some(used),
            Agreement::Unused | Agreement::Contested => None,
        },
    });
    uses.filter(|used| !is_or_belongs_to(namespace, used.record, subject))
}

impl Namespace {
    /// The workloads of which a version mounts a claim by name or creates it from its templates.
    pub fn users(&self, claim: &str) -> BTreeSet<&Key> {
        let by_name = self.mounted_by.get(claim).into_iter().flatten();
        let made = claim.rsplit_once('-').filter(|(_, number)| ordinal(number).is_some());
        let makers = made.and_then(|(base, _)| self.made_by.get(base)).into_iter().flatten();
        by_name.chain(makers).collect()
    }
}

/// Whether a workload creates this claim from one of its templates.
pub fn makes(record: &WorkloadRecord, claim: &str) -> bool {
    let made = claim.rsplit_once('-').filter(|(_, number)| ordinal(number).is_some());
    let made = made.and_then(|(base, _)| base.strip_suffix(record.brief.name.as_str())?.strip_suffix('-'));
    made.is_some_and(|made| record.templates.iter().any(|template| template == made))
}

/// How the workload whose template creates a claim uses it.
pub fn made_by(record: &WorkloadRecord, claim: &str) -> ClaimMount {
    let makes = |template: &String| {
        let rest = claim.strip_prefix(template.as_str()).and_then(|rest| rest.strip_prefix('-'));
        rest.and_then(|rest| rest.strip_prefix(record.brief.name.as_str())).is_some()
    };
    ClaimMount {
        claim: claim.to_owned(),
        read_only: false,
        holds_data: record.data_templates.iter().any(makes),
    }
}

/// Whether the record is the subject or is owned by it, directly or indirectly, such as a pod of a ReplicaSet
/// of a Deployment.
pub fn is_or_belongs_to(namespace: &Namespace, record: &WorkloadRecord, subject: &Subject<'_>) -> bool {
    let is_subject = |key: &Key| key.0 == subject.kind && key.1 == subject.workload.name;
    let mut key = (record.kind.clone(), record.brief.name.clone());
    let mut owner = record.brief.owner.as_ref();
    // Ownership chains are short; the limit ensures termination if they form a cycle.
    for _ in 0..5 {
        if is_subject(&key) {
            return true;
        }
        let Some(above) = owner else { return false };
        key = (GroupKind::new(&above.api_version, &above.kind), above.name.clone());
        owner = namespace.workloads.get(&key).and_then(|record| record.brief.owner.as_ref());
    }
    false
}

/// How many departed workloads a request sees.
const MOST_DEPARTED: usize = 20;

/// Workloads in the subject's namespace or of its name that only the run's previous version has.
pub fn departed(state: &State, subject: &Subject<'_>) -> Vec<Arc<Workload>> {
    let own = subject.workload;
    let near = |(reference, _): &(&ObjectRef, &Arc<Workload>)| {
        reference.namespace == own.namespace || reference.name == own.name
    };
    state.departed.iter().filter(near).map(|(_, departed)| Arc::clone(departed)).take(MOST_DEPARTED).collect()
}

/// The objects that deleting the subject would affect.
pub fn dependants(state: &State, subject: &Subject<'_>) -> Vec<Dependant> {
    let workload = subject.workload;
    let of_workload = |record: &WorkloadRecord| Dependant {
        kind: record.brief.kind.clone(),
        name: record.brief.name.clone(),
        namespace: record.brief.namespace.clone(),
        class: record.brief.class,
    };
    let of_claim_record = |namespace: &str, name: &str| Dependant {
        kind: "PersistentVolumeClaim".to_owned(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        class: Class::Durable,
    };
    let kind = (subject.kind.kind.as_str(), subject.kind.group.as_str());
    let own = state.namespaces.get(&workload.namespace);
    match kind {
        ("PersistentVolumeClaim", "") => {
            let users = own.into_iter().flat_map(|own| of_claim(own, subject, &workload.name));
            users.map(|used| of_workload(used.record)).collect()
        }
        ("StorageClass", "storage.k8s.io") => {
            let claims = state.cluster.claims_of.get(&workload.name).into_iter().flatten();
            claims.map(|(namespace, name)| of_claim_record(namespace, name)).collect()
        }
        ("PersistentVolume", "") => {
            let volume = workload.persistent_volume.as_ref();
            let bound =
                volume.and_then(|volume| volume.claim_namespace.as_deref().zip(volume.claim_name.as_deref()));
            let bound = bound.filter(|(namespace, name)| {
                state.namespaces.get(*namespace).is_some_and(|known| known.claims.contains_key(*name))
            });
            bound.map(|(namespace, name)| of_claim_record(namespace, name)).into_iter().collect()
        }
        ("Namespace", "") => {
            let Some(inside) = state.namespaces.get(&workload.name) else { return Vec::new() };
            let workloads = inside.workloads.values().filter(|record| {
                let owned = record.brief.owner.as_ref().is_some_and(|owner| {
                    inside.workloads.keys().any(|(kind, name)| kind.kind == owner.kind && *name == owner.name)
                });
                record.brief.class == Class::Durable && !owned
            });
            let claims = inside.claims.keys().map(|name| of_claim_record(&workload.name, name));
            workloads.map(|record| of_workload(record)).chain(claims).collect()
        }
        ("Service", "") => {
            let all = own.into_iter().flat_map(|own| own.workloads.values());
            let governed = all.filter(|record| record.service_name == workload.name);
            governed.map(|record| of_workload(record)).collect()
        }
        _ => Vec::new(),
    }
}
