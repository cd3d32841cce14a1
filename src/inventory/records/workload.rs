//! Workloads, as other objects see them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::without_copy;
use crate::policy::selector::KindRef;
use crate::workload::view::{Owner, Strings};
use crate::workload::{Class, Workload};

/// What has pods.
#[derive(Clone, Debug, Default)]
pub struct WorkloadRecord {
    /// Its kind.
    pub kind: KindRef,
    /// What policies read of it.
    pub brief: Brief,
    /// Claims of its own that its pods mount: by name, and whether only for reading.
    pub mounts: Vec<(String, bool)>,
    /// Claim templates of a StatefulSet.
    pub templates: Vec<String>,
    /// The governing Service; empty: none.
    pub service_name: String,
}

/// A workload, as other objects see it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Brief {
    pub kind: String,
    pub name: String,
    pub namespace: String,
    pub class: Class,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<BriefEngine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    pub labels: Strings,
    pub annotations: Strings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    pub pods: BriefPods,
}

/// The data store that runs in a workload.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct BriefEngine {
    pub name: String,
    pub quorum: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Metadata of a workload's pods.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct BriefPods {
    pub labels: Strings,
    pub annotations: Strings,
}

impl WorkloadRecord {
    /// What of a view other objects ask for.
    pub fn of(kind: &KindRef, view: Workload) -> Self {
        let mounts = mounts(&view);
        let templates = view.claims.iter().filter(|claim| claim.origin == "template");
        Self {
            kind: kind.clone(),
            mounts,
            templates: templates.map(|claim| claim.name.clone()).collect(),
            service_name: view.service_name.unwrap_or_default(),
            brief: Brief {
                kind: kind.kind.clone(),
                name: view.name,
                namespace: view.namespace,
                class: view.class,
                engine: view.engine.map(|engine| BriefEngine {
                    name: engine.name,
                    quorum: engine.quorum,
                    version: engine.version,
                }),
                replicas: view.replicas,
                labels: view.labels,
                annotations: without_copy(view.annotations),
                owner: view.owner,
                pods: view
                    .pods
                    .map(|pods| BriefPods { labels: pods.labels, annotations: pods.annotations })
                    .unwrap_or_default(),
            },
        }
    }
}

/// The claims that a workload's volumes name, and whether no container may write to them.
pub fn mounts(view: &Workload) -> Vec<(String, bool)> {
    let named = || {
        let volumes = view.volumes.iter().filter(|volume| volume.source == "persistentVolumeClaim");
        volumes.filter_map(|volume| Some((volume, volume.claim.as_ref()?)))
    };
    let by_volume: BTreeMap<&str, &String> =
        named().map(|(volume, claim)| (volume.name.as_str(), claim)).collect();
    let mut mounted: BTreeMap<&String, bool> = BTreeMap::new();
    for mount in view.containers.iter().flat_map(|container| &container.mounts) {
        if let Some(claim) = by_volume.get(mount.volume.as_str()) {
            let read_only = mounted.entry(claim).or_insert(true);
            *read_only &= mount.read_only;
        }
    }
    // A volume that no container mounts keeps its claim in use all the same.
    for (volume, claim) in named() {
        mounted.entry(claim).or_insert(volume.read_only);
    }
    mounted.into_iter().map(|(claim, read_only)| (claim.clone(), read_only)).collect()
}
