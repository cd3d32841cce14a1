//! Joins of claims, their classes, volumes and snapshots.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::cluster_scoped::handle;
use super::consumers::{self, ClaimMounter};
use super::persistent::Map;
use super::records::{AttributesRecord, ClaimRecord, ClassRecord, SnapshotRecord, VolumeRecord, mounts};
use super::related::Subject;
use super::siblings::reviewed;
use super::store::{Namespace, NamespacedName, State};
use crate::admission::{GroupKind, Operation};
use crate::workload::view::Claim;

/// The default class: the newest one, or among equals the first by name (the API server's admission plugin
/// DefaultStorageClass).
pub fn default_class(state: &State) -> Option<&Arc<ClassRecord>> {
    let defaults = state.cluster.classes.values().filter(|class| class.class.is_default);
    defaults.min_by_key(|class| (Reverse(&class.created), &class.name))
}

/// The classes that the subject's claims use, the class of a volume, and all default classes; never the
/// subject itself.
pub fn classes(state: &State, subject: &Subject<'_>) -> BTreeMap<String, Arc<ClassRecord>> {
    let own = subject.workload.storage_class.is_some().then_some(&subject.workload.name);
    let all = &state.cluster.classes;
    let of_volume = subject.workload.persistent_volume.iter().map(|volume| &volume.storage_class);
    let named = of_volume.filter_map(|name| all.get(name)).cloned();
    claim_classes(state, subject)
        .into_values()
        .map(|claim| claim.class)
        .chain(named)
        .chain(all.values().filter(|class| class.class.is_default).cloned())
        .filter(|class| Some(&class.name) != own)
        .map(|class| (class.name.clone(), class))
        .collect()
}

/// The class of a claim.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ClaimClass {
    /// The class.
    #[serde(flatten)]
    pub class: Arc<ClassRecord>,
    /// Whether the same run reviews the class itself and reports its problems there. Always false at admission.
    pub reviewed: bool,
}

/// The class of each claim of the subject.
pub fn claim_classes(state: &State, subject: &Subject<'_>) -> BTreeMap<String, ClaimClass> {
    let class = |claim: &Claim| {
        let (name, none) = wanted_class(state, subject, claim)?;
        let class = match name {
            "" if none => None,
            "" => default_class(state),
            name => state.cluster.classes.get(name),
        };
        let class = Arc::clone(class?);
        let reviewed = reviewed(state, subject, &class_kind(), "", &class.name);
        Some((claim.name.clone(), ClaimClass { class, reviewed }))
    };
    subject.workload.claims.iter().filter_map(class).collect()
}

fn class_kind() -> GroupKind {
    GroupKind { kind: "StorageClass".to_owned(), group: "storage.k8s.io".to_owned() }
}

/// The class that a claim names, and whether it opts out of any class. `None` if the claim is not known.
fn wanted_class<'s>(state: &'s State, subject: &Subject<'s>, claim: &'s Claim) -> Option<(&'s str, bool)> {
    if claim.origin == "reference" {
        let stored = state.namespaces.get(&subject.workload.namespace)?.claims.get(&claim.name)?;
        return Some((&stored.claim.storage_class, wants_none(&stored.claim)));
    }
    Some((&claim.storage_class, wants_none(claim)))
}

/// Whether the claim opts out of any class, including the default, with `storageClassName: ""`.
fn wants_none(claim: &Claim) -> bool {
    claim.class_named && claim.storage_class.is_empty()
}

/// Whether the subject has claims and all of them name a known class or opt out of classes.
pub fn classes_resolve(state: &State, subject: &Subject<'_>) -> bool {
    let claims = &subject.workload.claims;
    let resolves = |claim: &Claim| {
        let wanted = wanted_class(state, subject, claim);
        wanted.is_some_and(|(name, none)| none || state.cluster.classes.contains_key(name))
    };
    !claims.is_empty() && claims.iter().all(resolves)
}

/// Whether a claim or the volume may be of this class, which is not known: it may be the default one.
pub fn may_use_class(state: &State, subject: &Subject<'_>, class: &str) -> bool {
    let workload = subject.workload;
    let of_volume = workload.persistent_volume.as_ref().is_some_and(|volume| volume.storage_class == class);
    let of_claim = |claim: &Claim| match wanted_class(state, subject, claim) {
        Some((name, none)) => name == class || name.is_empty() && !none,
        // The claim is not known, either.
        None => true,
    };
    of_volume || workload.claims.iter().any(of_claim)
}

/// The VolumeAttributesClasses that the subject's claims name.
pub fn attributes_named<'s>(subject: &'s Subject<'s>) -> impl Iterator<Item = &'s str> {
    let named = subject.workload.claims.iter().filter_map(|claim| claim.volume_attributes_class.as_deref());
    named.filter(|name| !name.is_empty())
}

/// Those of the named classes that exist.
pub fn attributes(state: &State, subject: &Subject<'_>) -> BTreeMap<String, Arc<AttributesRecord>> {
    let all = &state.cluster.attributes;
    attributes_named(subject).filter_map(|name| Some((name.to_owned(), Arc::clone(all.get(name)?)))).collect()
}

/// The VolumeSnapshots that the subject's claims are populated from.
pub fn snapshots_named<'s>(subject: &'s Subject<'s>) -> impl Iterator<Item = NamespacedName> {
    let sources = subject.workload.claims.iter().filter_map(|claim| claim.data_source.as_ref());
    sources.filter(|source| source.kind == "VolumeSnapshot").map(|source| {
        let namespace = source.namespace.as_ref().unwrap_or(&subject.workload.namespace);
        (namespace.clone(), source.name.clone())
    })
}

/// A VolumeSnapshot, with the driver of its class.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Snapshot {
    #[serde(flatten)]
    snapshot: Arc<SnapshotRecord>,
    /// The CSI driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
}

/// Those of the named snapshots that exist, by name.
pub fn snapshots(state: &State, subject: &Subject<'_>) -> BTreeMap<String, Snapshot> {
    let find = |(namespace, name): NamespacedName| {
        let snapshot = state.namespaces.get(&namespace)?.snapshots.get(&name)?;
        let class = snapshot.class.as_ref().and_then(|class| state.cluster.snapshot_classes.get(class));
        let driver = class.map(|class| class.driver.clone());
        Some((name, Snapshot { snapshot: Arc::clone(snapshot), driver }))
    };
    snapshots_named(subject).filter_map(find).collect()
}

/// A copy of a claim's data that a new claim can be made from.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct ClaimSnapshot {
    /// Name of the VolumeSnapshot.
    pub name: String,
    /// When it was taken (RFC 3339, UTC); left out if the driver does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<String>,
    /// What becomes of the copy when the VolumeSnapshot is deleted, as its class says: `Delete` or `Retain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<String>,
}

/// The newest usable snapshot of each claim, by the claim's name: of the claim under review or, for another subject,
/// of those in `pvcs`.
pub fn claim_snapshots(state: &State, subject: &Subject<'_>) -> BTreeMap<String, ClaimSnapshot> {
    let Some(namespace) = home(subject).and_then(|name| state.namespaces.get(name)) else {
        return BTreeMap::new();
    };
    let own = subject.workload.claims.iter().filter(|claim| claim.origin == "object");
    let own = own.map(|claim| claim.name.clone());
    let wanted: BTreeSet<String> =
        own.chain(claims(state, subject).into_iter().map(|claim| claim.claim.claim.name.clone())).collect();
    let mut newest: BTreeMap<String, &Arc<SnapshotRecord>> = BTreeMap::new();
    for snapshot in namespace.snapshots.values() {
        let usable = snapshot.ready == Some(true) && snapshot.error.is_none();
        let Some(claim) = snapshot.source_claim.as_ref().filter(|claim| usable && wanted.contains(*claim))
        else {
            continue;
        };
        // In UTC, these times sort as text.
        if newest.get(claim).is_none_or(|known| known.taken < snapshot.taken) {
            newest.insert(claim.clone(), snapshot);
        }
    }
    let copy = |snapshot: &Arc<SnapshotRecord>| {
        let class = snapshot.class.as_ref().and_then(|class| state.cluster.snapshot_classes.get(class));
        ClaimSnapshot {
            name: snapshot.name.clone(),
            taken: snapshot.taken.clone(),
            deletion_policy: class.and_then(|class| class.deletion_policy.clone()),
        }
    };
    newest.into_iter().map(|(claim, snapshot)| (claim, copy(snapshot))).collect()
}

/// The namespace of the subject's claims: for a Namespace, itself; for a volume, that of the claim it is bound to.
fn home<'s>(subject: &'s Subject<'_>) -> Option<&'s String> {
    match &subject.workload.persistent_volume {
        Some(volume) => volume.claim_namespace.as_ref(),
        None if is_namespace(subject) => Some(&subject.workload.name),
        None => Some(&subject.workload.namespace),
    }
}

fn is_namespace(subject: &Subject<'_>) -> bool {
    subject.kind.kind == "Namespace" && subject.kind.group.is_empty()
}

/// A claim that the subject's pods use.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RelatedClaim {
    /// The claim.
    #[serde(flatten)]
    pub claim: Arc<ClaimRecord>,
    /// The claim template that created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The ordinal of the pod that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u64>,
    /// Other workloads that mount it.
    pub mounted_by: Vec<ClaimMounter>,
    /// Whether an owner reference of the claim leads to the subject, so that it is deleted with it.
    pub owned: bool,
}

/// The most claims that are told of those that name one volume: only one of them can get it.
const RIVALS: usize = 2;

/// The claims that the subject's volumes name and those created from its templates; for a volume, the claim that it is
/// reserved for or, if it is for none, the first that name it. On DELETE also those that the subject owns and, for a
/// Namespace, all those in it.
pub fn claims(state: &State, subject: &Subject<'_>) -> Vec<RelatedClaim> {
    if let Some(volume) = &subject.workload.persistent_volume {
        let bound = volume.claim_namespace.as_ref().zip(volume.claim_name.as_ref());
        let Some((namespace, name)) = bound else {
            let rivals = state.cluster.wanted_by.get(&subject.workload.name).into_iter().flatten();
            let known = |(namespace, name): &NamespacedName| {
                let namespace = state.namespaces.get(namespace)?;
                Some(related(namespace, subject, namespace.claims.get(name)?, None))
            };
            return rivals.filter_map(known).take(RIVALS).collect();
        };
        let claim = state
            .namespaces
            .get(namespace)
            .and_then(|namespace| Some(related(namespace, subject, namespace.claims.get(name)?, None)));
        return claim.into_iter().collect();
    }
    let Some(namespace) = home(subject).and_then(|name| state.namespaces.get(name)) else {
        return Vec::new();
    };
    let deleted = subject.operation == Operation::Delete;
    if is_namespace(subject) {
        let all = namespace.claims.values().filter(|_| deleted);
        return all.map(|claim| related(namespace, subject, claim, None)).collect();
    }
    let all = deleted.then(|| namespace.claims.values()).into_iter().flatten();
    let owned =
        all.filter(|claim| owns(subject, claim)).map(|claim| related(namespace, subject, claim, None));
    let named = mounts(subject.workload)
        .into_iter()
        .filter_map(|mount| Some(related(namespace, subject, namespace.claims.get(&mount.claim)?, None)));
    let made = templates(subject).flat_map(|template| {
        let prefix = format!("{template}-{}-", subject.workload.name);
        let made = with_prefix(&namespace.claims, prefix);
        made.map(move |(ordinal, claim)| related(namespace, subject, claim, Some((template, ordinal))))
    });
    // A StatefulSet may also mount by name what its template creates; the template gives more information.
    let by_name = owned.chain(named).chain(made).map(|claim| (claim.claim.claim.name.clone(), claim));
    by_name.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Names of the subject's claim templates.
pub fn templates<'s>(subject: &'s Subject<'_>) -> impl Iterator<Item = &'s str> {
    let claims = subject.workload.claims.iter().filter(|claim| claim.origin == "template");
    claims.map(|claim| claim.name.as_str())
}

/// Entries whose name is the prefix followed by an ordinal, with that ordinal.
pub fn with_prefix<T>(map: &Map<String, T>, prefix: String) -> impl Iterator<Item = (u64, &T)> {
    map.range(prefix.clone()..)
        .take_while({
            let prefix = prefix.clone();
            move |(name, _)| name.starts_with(&prefix)
        })
        .filter_map(move |(name, entry)| Some((ordinal(name.strip_prefix(&prefix)?)?, entry)))
}

/// An ordinal as the StatefulSet controller writes it: digits without leading zeros.
pub fn ordinal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    (canonical && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn related(
    namespace: &Namespace,
    subject: &Subject<'_>,
    claim: &Arc<ClaimRecord>,
    made: Option<(&str, u64)>,
) -> RelatedClaim {
    RelatedClaim {
        mounted_by: consumers::users(namespace, subject, &claim.claim.name),
        claim: Arc::clone(claim),
        template: made.map(|(template, _)| template.to_owned()),
        ordinal: made.map(|(_, ordinal)| ordinal),
        owned: owns(subject, claim),
    }
}

fn owns(subject: &Subject<'_>, claim: &ClaimRecord) -> bool {
    claim.owners.iter().any(|(kind, name)| *kind == subject.kind && *name == subject.workload.name)
}

/// The most volumes that a class is told of.
const MOST_VOLUMES: usize = 1_000;
/// The most volumes that a claim is told of that it may be bound to.
const MOST_FREE: usize = 20;

/// The volumes that the claim under review may be bound to: some of them, first those of its very size.
pub fn free_volumes(state: &State, subject: &Subject<'_>) -> Vec<Arc<VolumeRecord>> {
    let own = |claim: &&Claim| claim.origin == "object" && claim.volume_name.is_none();
    let Some(claim) = subject.workload.claims.iter().find(own) else { return Vec::new() };
    let fits = |record: &&Arc<VolumeRecord>| {
        let volume = &record.volume;
        volume.claim_name.is_none()
            && volume.storage_class == claim.storage_class
            && claim.access_modes.iter().all(|mode| volume.access_modes.contains(mode))
            && volume.capacity >= claim.size
    };
    let fitting: Vec<_> = state.cluster.volumes.values().filter(fits).collect();
    let (same, larger): (Vec<_>, Vec<_>) =
        fitting.into_iter().partition(|record| record.volume.capacity == claim.size);
    same.into_iter().chain(larger).take(MOST_FREE).cloned().collect()
}

/// The volumes bound to these claims or to the claim under review; of a volume, the others that are the same to its
/// driver.
pub fn volumes(state: &State, subject: &Subject<'_>) -> Vec<Arc<VolumeRecord>> {
    let cluster = &state.cluster;
    if let Some(volume) = &subject.workload.persistent_volume {
        let same = handle(volume).and_then(|handle| cluster.handles.get(&handle));
        let others = same.into_iter().flatten().filter(|name| **name != subject.workload.name);
        return others.filter_map(|name| cluster.volumes.get(name)).cloned().collect();
    }
    if subject.workload.storage_class.is_some() {
        let of_class = |volume: &&Arc<VolumeRecord>| volume.volume.storage_class == subject.workload.name;
        return cluster.volumes.values().filter(of_class).take(MOST_VOLUMES).cloned().collect();
    }
    let own = subject.workload.claims.iter().filter(|claim| claim.origin == "object");
    let own = own.map(|claim| (claim.volume_name.clone(), claim.name.clone()));
    let others = claims(state, subject);
    let others = others.iter().map(|claim| {
        let claim = &claim.claim.claim;
        (claim.volume_name.clone(), claim.name.clone())
    });
    let mut found: BTreeMap<&str, &Arc<VolumeRecord>> = BTreeMap::new();
    let Some(namespace) = home(subject) else { return Vec::new() };
    for (volume, claim) in own.chain(others) {
        let place = (namespace.clone(), claim);
        let by_claim = cluster.bound.get(&place).into_iter().flatten();
        let named = by_claim.chain(volume.as_ref()).filter_map(|name| cluster.volumes.get(name));
        found.extend(named.map(|volume| (volume.name.as_str(), volume)));
    }
    found.into_values().cloned().collect()
}
