//! Joins of claims, their classes, volumes and snapshots.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::consumers::{self, ClaimMounter};
use super::persistent::Map;
use super::records::{AttributesRecord, ClaimRecord, ClassRecord, SnapshotRecord, VolumeRecord, mounts};
use super::related::Subject;
use super::store::{Namespace, NamespacedName, State};
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
        .chain(named)
        .chain(all.values().filter(|class| class.class.is_default).cloned())
        .filter(|class| Some(&class.name) != own)
        .map(|class| (class.name.clone(), class))
        .collect()
}

/// The class of each claim of the subject.
pub fn claim_classes(state: &State, subject: &Subject<'_>) -> BTreeMap<String, Arc<ClassRecord>> {
    let class = |claim: &Claim| {
        let (name, none) = wanted_class(state, subject, claim)?;
        let class = match name {
            "" if none => None,
            "" => default_class(state),
            name => state.cluster.classes.get(name),
        };
        Some((claim.name.clone(), Arc::clone(class?)))
    };
    subject.workload.claims.iter().filter_map(class).collect()
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

/// A claim that the subject's pods use.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct RelatedClaim {
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
}

/// The claims that the subject's volumes name and those created from its templates; for a volume, the claim
/// that it is bound to.
pub fn claims(state: &State, subject: &Subject<'_>) -> Vec<RelatedClaim> {
    if let Some(volume) = &subject.workload.persistent_volume {
        let bound = volume.claim_namespace.as_ref().zip(volume.claim_name.as_ref());
        let claim = bound.and_then(|(namespace, name)| {
            let namespace = state.namespaces.get(namespace)?;
            Some((namespace, namespace.claims.get(name)?))
        });
        return claim
            .map(|(namespace, claim)| related(namespace, subject, claim, None))
            .into_iter()
            .collect();
    }
    let Some(namespace) = state.namespaces.get(&subject.workload.namespace) else { return Vec::new() };
    let named = mounts(subject.workload)
        .into_iter()
        .filter_map(|mount| Some(related(namespace, subject, namespace.claims.get(&mount.claim)?, None)));
    let made = templates(subject).flat_map(|template| {
        let prefix = format!("{template}-{}-", subject.workload.name);
        let made = with_prefix(&namespace.claims, prefix);
        made.map(move |(ordinal, claim)| related(namespace, subject, claim, Some((template, ordinal))))
    });
    // A StatefulSet may also mount by name what its template creates; the template gives more information.
    let by_name = named.chain(made).map(|claim| (claim.claim.claim.name.clone(), claim));
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
    }
}

/// The volumes bound to these claims or to the claim under review.
pub fn volumes(state: &State, subject: &Subject<'_>) -> Vec<Arc<VolumeRecord>> {
    let cluster = &state.cluster;
    let own = subject.workload.claims.iter().filter(|claim| claim.origin == "object");
    let own = own.map(|claim| (claim.volume_name.clone(), claim.name.clone()));
    let others = claims(state, subject);
    let others = others.iter().map(|claim| {
        let claim = &claim.claim.claim;
        (claim.volume_name.clone(), claim.name.clone())
    });
    if subject.workload.persistent_volume.is_some() {
        return Vec::new();
    }
    let mut found: BTreeMap<&str, &Arc<VolumeRecord>> = BTreeMap::new();
    for (volume, claim) in own.chain(others) {
        let place = (subject.workload.namespace.clone(), claim);
        let by_claim = cluster.bound.get(&place).into_iter().flatten();
        let named = by_claim.chain(volume.as_ref()).filter_map(|name| cluster.volumes.get(name));
        found.extend(named.map(|volume| (volume.name.as_str(), volume)));
    }
    found.into_values().cloned().collect()
}
