//! Workloads as seen by other objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::backup_jobs::BackupJobRecord;
use super::without_copy;
use crate::admission::{GroupKind, ObjectRef};
use crate::workload::view::{Claim, Mount, Owner, Strings};
use crate::workload::{Class, Workload};

/// An object with pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkloadRecord {
    /// The workload's kind.
    pub kind: GroupKind,
    /// The fields that policies read.
    pub brief: Brief,
    /// Claims that its volumes name.
    pub mounts: Vec<ClaimMount>,
    /// Claim templates that hold data of its engine.
    pub data_templates: Vec<String>,
    /// Claim templates of a StatefulSet.
    pub templates: Vec<String>,
    /// The governing Service; empty if there is none.
    pub service_name: String,
    /// The backup that it makes, if it is a CronJob that makes one, as far as ConfigMaps do not decide.
    pub backup: Option<Arc<BackupJobRecord>>,
    /// Whether it is a CronJob that runs a script of a ConfigMap.
    pub scripted: bool,
}

/// How a workload uses a claim that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimMount {
    pub claim: String,
    /// Whether all its mounts of the claim are read-only.
    pub read_only: bool,
    /// Whether the claim holds all or part of a data directory of its engine.
    pub holds_data: bool,
}

/// A workload as seen by other objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Brief {
    /// Its kind, such as `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What data would be lost with it.
    pub class: Class,
    /// The data store that runs in it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<BriefEngine>,
    /// The number of its pods; absent if it is not set by the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Its labels.
    pub labels: Strings,
    /// Its annotations, without kubectl's copy of the object.
    pub annotations: Strings,
    /// The owner that manages it, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Labels and annotations of its pods.
    pub pods: BriefPods,
}

/// The data store that runs in a workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BriefEngine {
    /// Name of the engine, such as `postgresql`.
    pub name: String,
    /// How its members form a majority, if they do.
    pub quorum: bool,
    /// Whether its members vote in the quorum.
    pub votes: bool,
    /// Its version, as far as the image tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Metadata of a workload's pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct BriefPods {
    /// Labels of the pods.
    pub labels: Strings,
    /// Annotations of the pods.
    pub annotations: Strings,
}

impl WorkloadRecord {
    /// Which object it is of.
    pub fn reference(&self) -> ObjectRef {
        let Brief { namespace, name, .. } = &self.brief;
        ObjectRef { kind: self.kind.clone(), namespace: namespace.clone(), name: name.clone() }
    }

    /// Extracts the fields that other objects need from a view.
    pub fn of(kind: &GroupKind, view: Workload) -> Self {
        let mounts = mounts(&view);
        let of_data = data_volumes(&view);
        let templates = || view.claims.iter().filter(|claim| claim.origin == "template");
        let names = |claim: &Claim| claim.name.clone();
        let data_templates = templates().filter(|claim| of_data.contains(&*claim.name)).map(names).collect();
        Self {
            kind: kind.clone(),
            backup: BackupJobRecord::of(kind, &view).map(Arc::new),
            scripted: BackupJobRecord::is_scripted(kind, &view),
            mounts,
            templates: templates().map(names).collect(),
            data_templates,
            service_name: view.service_name.unwrap_or_default(),
            brief: Brief {
                kind: kind.kind.clone(),
                name: view.name,
                namespace: view.namespace,
                class: view.class,
                engine: view.engine.map(|engine| BriefEngine {
                    name: engine.name,
                    quorum: engine.quorum,
                    votes: engine.votes,
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

/// How a workload uses the claims that its volumes name.
pub fn mounts(view: &Workload) -> Vec<ClaimMount> {
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
    // A volume that no container mounts still uses its claim.
    for (volume, claim) in named() {
        mounted.entry(claim).or_insert(volume.read_only);
    }
    let of_data = data_volumes(view);
    let holds_data =
        |wanted: &String| named().any(|(volume, claim)| claim == wanted && of_data.contains(&*volume.name));
    mounted
        .into_iter()
        .map(|(claim, read_only)| ClaimMount {
            claim: claim.clone(),
            read_only,
            holds_data: holds_data(claim),
        })
        .collect()
}

/// Whether a path is named as the place of copies, which are no part of the data. The same as in `lib/data_dirs.rego`.
fn for_copies(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path).to_ascii_lowercase();
    ["backup", "backups", "dump", "dumps"].iter().any(|name| path.ends_with(name))
}

/// Volumes that hold a data directory of the engine, or, in the case of a claim, a part of one.
fn data_volumes(view: &Workload) -> BTreeSet<&str> {
    let dirs = || view.engine.iter().flat_map(|engine| &engine.data_dirs);
    let whole = dirs().filter_map(|dir| dir.mount.as_ref());
    let claimed = |mount: &Mount| ["persistentVolumeClaim", "volumeClaimTemplate"].contains(&&*mount.source);
    let parts = dirs().filter(|dir| dir.mount.as_ref().is_some_and(claimed)).flat_map(|dir| {
        let container = view.containers.iter().filter(|container| container.name == dir.container);
        let below = format!("{}/", dir.dir);
        container
            .flat_map(|container| &container.mounts)
            .filter(move |mount| mount.mount_path.starts_with(&below) && !for_copies(&mount.mount_path))
    });
    whole.chain(parts).map(|mount| mount.volume.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::for_copies;

    #[test]
    fn copies_below_the_data_are_no_data() {
        for path in ["/dgraph/backups", "/data/db-backup/", "/data/Dumps"] {
            assert!(for_copies(path), "{path}");
        }
        for path in ["/data/wal", "/data/backups/wal", "/data"] {
            assert!(!for_copies(path), "{path}");
        }
    }
}
