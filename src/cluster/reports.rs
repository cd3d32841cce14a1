//! The reports of an audit, as objects of the cluster. Only those that stategate has made are ever changed.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::connection::{Cluster, Write};
use super::error::ClusterError;
use super::list::field;
use super::resources::{Resource, Resources};
use crate::admission::GroupKind;
use crate::report::policy_report::{AuditResults, MANAGED_BY, NAME, is_own, replacement};

/// The kinds of reports that stategate can write, the first one that is served is written: group, version, kind in a
/// namespace, kind in none.
const KINDS: [(&str, &str, &str, &str); 2] = [
    ("openreports.io", "v1alpha1", "Report", "ClusterReport"),
    ("wgpolicyk8s.io", "v1alpha2", "PolicyReport", "ClusterPolicyReport"),
];

/// The report kinds of one group.
pub struct ReportKinds {
    namespaced: Resource,
    cluster: Option<Resource>,
}

/// What is to be done with the report of a namespace.
pub enum Pending {
    /// Nothing: it says the same, or there is no kind for it.
    Unchanged,
    /// Nothing: somebody else has made it.
    Foreign,
    /// It is to be stored.
    Change(Change),
}

/// A report that is to be stored.
pub struct Change {
    path: String,
    report: Value,
    /// Whether there is one already.
    pub replaces: bool,
}

/// A report that stategate has made.
pub struct OwnReport {
    /// Its namespace; empty if it lies in none.
    pub namespace: String,
    uid: String,
    version: String,
    resource: Resource,
}

impl ReportKinds {
    /// All kinds of reports that stategate can write.
    pub fn all() -> impl Iterator<Item = GroupKind> {
        let both = |(group, _, namespaced, cluster): &(&str, &str, &str, &str)| {
            [*namespaced, *cluster]
                .map(|kind| GroupKind { kind: kind.to_owned(), group: (*group).to_owned() })
        };
        KINDS.iter().flat_map(both)
    }

    /// The groups whose reports the API server has. The first is the one to write.
    pub fn served(resources: &Resources) -> Vec<Self> {
        let all = KINDS.iter().filter_map(|(group, version, namespaced, cluster)| {
            let find = |kind: &str| {
                let kind = GroupKind { kind: kind.to_owned(), group: (*group).to_owned() };
                resources.of(&kind, &[(*version).to_owned()]).ok().flatten().cloned()
            };
            Some(Self { namespaced: find(namespaced)?, cluster: find(cluster) })
        });
        all.collect()
    }

    /// `openreports.io/v1alpha1`
    pub fn api_version(&self) -> String {
        self.namespaced.api_version()
    }

    /// The resource of the report of a namespace.
    fn of(&self, namespace: &str) -> Option<&Resource> {
        if namespace.is_empty() { self.cluster.as_ref() } else { Some(&self.namespaced) }
    }

    /// The reports that stategate has made.
    ///
    /// # Errors
    /// If the API server does not list them.
    pub async fn own(&self, cluster: &Cluster) -> Result<Vec<OwnReport>, ClusterError> {
        let mut all = Vec::new();
        for resource in [Some(&self.namespaced), self.cluster.as_ref()].into_iter().flatten() {
            let selector = format!("{MANAGED_BY}={NAME}").replace('/', "%2F").replace('=', "%3D");
            let mut pages = cluster.metadata(format!("{}?labelSelector={selector}", resource.path()));
            while let Some(page) = pages.next().await? {
                all.extend(page.items.iter().filter(|item| is_own(item)).map(|item| OwnReport {
                    namespace: field(item, "namespace").to_owned(),
                    uid: field(item, "uid").to_owned(),
                    version: field(item, "resourceVersion").to_owned(),
                    resource: resource.clone(),
                }));
            }
        }
        Ok(all)
    }

    /// Compares the report of a namespace with what is stored.
    ///
    /// # Errors
    /// If the API server does not say what is stored.
    pub async fn compare(
        &self,
        cluster: &Cluster,
        results: &AuditResults,
        namespace: &str,
        now: Timestamp,
    ) -> Result<Pending, ClusterError> {
        let Some(resource) = self.of(namespace) else { return Ok(Pending::Unchanged) };
        let report = results.report(namespace, &resource.api_version(), &resource.kind.kind, now);
        let path = resource.object_path(namespace, NAME);
        Ok(match cluster.get(&path).await? {
            None => {
                let all = if namespace.is_empty() { resource.path() } else { resource.path_in(namespace) };
                Pending::Change(Change { path: all, report, replaces: false })
            }
            Some(stored) if !is_own(&stored) => Pending::Foreign,
            Some(stored) => match replacement(report, &stored) {
                None => Pending::Unchanged,
                Some(report) => Pending::Change(Change { path, report, replaces: true }),
            },
        })
    }
}

impl Change {
    /// Stores the report, unless another one has changed it since it was compared.
    ///
    /// # Errors
    /// If the API server does not store it.
    pub async fn store(&self, cluster: &Cluster) -> Result<(), ClusterError> {
        let write = if self.replaces { Write::Replace(&self.report) } else { Write::Create(&self.report) };
        cluster.write(&self.path, write).await.map(drop)
    }
}

impl OwnReport {
    /// Deletes it, unless it is no longer the same.
    ///
    /// # Errors
    /// If the API server does not delete it.
    pub async fn delete(&self, cluster: &Cluster) -> Result<(), ClusterError> {
        let path = self.resource.object_path(&self.namespace, NAME);
        let options: Value = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": self.uid, "resourceVersion": self.version},
        });
        match cluster.write(&path, Write::Delete(&options)).await {
            Ok(_) | Err(ClusterError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
