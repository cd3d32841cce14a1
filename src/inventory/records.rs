//! What is kept of an object: the few fields that joins and policies read.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::kinds::Sort;
use crate::policy::selector::KindRef;
use crate::workload::projection::Projections;
use crate::workload::view::{self, Owner, Strings};
use crate::workload::{Class, Node, Workload, project, storage};

/// kubectl's copy of the whole object: large, and nobody's business.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How objects are read.
pub struct Rules<'a> {
    pub projections: &'a Projections,
    pub self_classify: bool,
}

/// One object.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each is named like its kind")]
pub enum Record {
    Namespace(NamespaceRecord),
    StorageClass(ClassRecord),
    Claim(ClaimRecord),
    Workload(WorkloadRecord),
}

/// A Namespace.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NamespaceRecord {
    pub name: String,
    pub labels: Strings,
    pub annotations: Strings,
}

/// A StorageClass.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClassRecord {
    pub name: String,
    #[serde(flatten)]
    pub class: view::StorageClass,
    pub allowed_topologies: Vec<Topology>,
    pub annotations: Strings,
    pub labels: Strings,
    /// Of several default classes the newest wins.
    #[serde(skip)]
    pub created: String,
}

/// One requirement of `allowedTopologies`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Topology {
    pub key: String,
    pub values: Vec<String>,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClaimRecord {
    #[serde(skip)]
    pub namespace: String,
    #[serde(flatten)]
    pub claim: view::Claim,
    pub labels: Strings,
    pub annotations: Strings,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// `storageClassName: ""`: it wants no class.
    #[serde(skip)]
    pub no_class: bool,
}

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
#[derive(Clone, Debug, Default, Serialize)]
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
#[derive(Clone, Debug, Default, Serialize)]
pub struct BriefEngine {
    pub name: String,
    pub quorum: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Metadata of a workload's pods.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BriefPods {
    pub labels: Strings,
    pub annotations: Strings,
}

/// What every object says of itself.
struct Head {
    name: String,
    namespace: String,
    labels: Strings,
    annotations: Strings,
}

impl Record {
    /// Of an object; none if no join knows its kind, or it has no name. A field that cannot be read is
    /// left out: what is stored was accepted by an API server, and a manifest is judged by itself.
    pub fn read(kind: &KindRef, object: &Value, default_namespace: &str, rules: Rules<'_>) -> Option<Self> {
        let sort = Sort::of(kind, rules.projections)?;
        let problems = RefCell::new(Vec::new());
        let node = Node::root(object, &problems);
        let head = Head::read(&node, sort, default_namespace);
        if head.name.is_empty() {
            return None;
        }
        let view = || {
            let projection = rules.projections.of(kind)?;
            let engines = &rules.projections.engines;
            Some(project(object, &head.namespace, projection, engines, rules.self_classify).workload)
        };
        Some(match sort {
            Sort::Namespace => Self::Namespace(NamespaceRecord {
                name: head.name,
                labels: head.labels,
                annotations: head.annotations,
            }),
            Sort::StorageClass => Self::StorageClass(ClassRecord {
                class: storage::storage_class(&node),
                allowed_topologies: topologies(&node),
                created: node.child("metadata").child("creationTimestamp").string().unwrap_or_default(),
                name: head.name,
                labels: head.labels,
                annotations: head.annotations,
            }),
            Sort::Claim => {
                let owner = view().and_then(|view| view.owner);
                Self::Claim(ClaimRecord {
                    no_class: node.child("spec").child("storageClassName").raw() == Some(&Value::from("")),
                    claim: storage::claim(&node, "object", head.name),
                    namespace: head.namespace,
                    labels: head.labels,
                    annotations: head.annotations,
                    owner,
                })
            }
            Sort::Workload => Self::Workload(WorkloadRecord::of(kind, view()?)),
            _ => return None,
        })
    }

    /// A Namespace of which only the labels are known.
    pub fn namespace(name: String, labels: Strings) -> Self {
        Self::Namespace(NamespaceRecord { name, labels, annotations: Strings::new() })
    }
}

impl Head {
    fn read(node: &Node<'_>, sort: Sort, default_namespace: &str) -> Self {
        let metadata = node.child("metadata");
        let namespace = metadata.child("namespace").string().filter(|namespace| !namespace.is_empty());
        Self {
            name: metadata.child("name").string().unwrap_or_default(),
            namespace: match sort.cluster_scoped() {
                true => String::new(),
                false => namespace.unwrap_or_else(|| default_namespace.to_owned()),
            },
            labels: metadata.child("labels").string_map(),
            annotations: without_copy(metadata.child("annotations").string_map()),
        }
    }
}

fn without_copy(mut annotations: Strings) -> Strings {
    annotations.remove(LAST_APPLIED);
    annotations
}

fn topologies(node: &Node<'_>) -> Vec<Topology> {
    let terms = node.child("allowedTopologies").items();
    let expressions = terms.iter().flat_map(|term| term.child("matchLabelExpressions").items());
    expressions
        .map(|expression| Topology {
            key: expression.child("key").string().unwrap_or_default(),
            values: expression.child("values").strings(),
        })
        .collect()
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
