//! The resources that an API server has, by kind.

use std::collections::HashMap;

use kube::client::APIGroupDiscoveryList;
use kube::core::discovery::v2::ACCEPT_AGGREGATED_DISCOVERY_V2;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::connection::Cluster;
use super::error::ClusterError;
use crate::admission::{GroupKind, GroupVersionKind};

/// The discovery document of a cluster with many custom resources takes a few MiB.
const LARGEST: usize = 64 << 20;

/// A resource that an API server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its kind.
    pub kind: GroupKind,
    /// The version to ask for.
    pub version: String,
    /// Its plural name in paths.
    pub plural: String,
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
}

impl Resource {
    /// Namespaces, which every cluster has.
    pub fn namespaces() -> Self {
        let kind = GroupKind::written("Namespace");
        Self { kind, version: "v1".to_owned(), plural: "namespaces".to_owned(), namespaced: false }
    }

    /// Leases, which every cluster has.
    pub fn leases() -> Self {
        let kind = GroupKind::written("Lease.coordination.k8s.io");
        Self { kind, version: "v1".to_owned(), plural: "leases".to_owned(), namespaced: true }
    }

    /// Events, which every cluster has.
    pub fn events() -> Self {
        let kind = GroupKind::written("Event.events.k8s.io");
        Self { kind, version: "v1".to_owned(), plural: "events".to_owned(), namespaced: true }
    }

    /// Secrets, which every cluster has.
    pub fn secrets() -> Self {
        let kind = GroupKind::written("Secret");
        Self { kind, version: "v1".to_owned(), plural: "secrets".to_owned(), namespaced: true }
    }

    /// ClusterRoleBindings, which every cluster has.
    pub fn cluster_role_bindings() -> Self {
        let kind = GroupKind::written("ClusterRoleBinding.rbac.authorization.k8s.io");
        Self { kind, version: "v1".to_owned(), plural: "clusterrolebindings".to_owned(), namespaced: false }
    }

    /// EndpointSlices, which every cluster has.
    pub fn endpoint_slices() -> Self {
        let kind = GroupKind::written("EndpointSlice.discovery.k8s.io");
        Self { kind, version: "v1".to_owned(), plural: "endpointslices".to_owned(), namespaced: true }
    }

    /// Webhook configurations, which every cluster has: the validating and the mutating ones.
    pub fn webhook_configurations() -> [Self; 2] {
        ["Validating", "Mutating"].map(|which| {
            let kind = format!("{which}WebhookConfiguration");
            let plural = format!("{}s", kind.to_lowercase());
            let kind = GroupKind::written(&format!("{kind}.admissionregistration.k8s.io"));
            Self { kind, version: "v1".to_owned(), plural, namespaced: false }
        })
    }

    /// `apps/v1`, or `v1`
    pub fn api_version(&self) -> String {
        let GroupKind { kind, group } = self.kind.clone();
        GroupVersionKind { group, version: self.version.clone(), kind }.api_version()
    }

    /// The path of all objects.
    pub fn path(&self) -> String {
        format!("{}/{}", self.root(), self.plural)
    }

    /// The path of the objects in one namespace.
    pub fn path_in(&self, namespace: &str) -> String {
        format!("{}/namespaces/{}/{}", self.root(), segment(namespace), self.plural)
    }

    /// The path of one object.
    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        let all = if namespace.is_empty() { self.path() } else { self.path_in(namespace) };
        format!("{all}/{}", segment(name))
    }

    fn root(&self) -> String {
        let root = if self.kind.group.is_empty() { "/api" } else { "/apis" };
        format!("{root}/{}", self.api_version())
    }
}

/// What an API server has, as of one moment.
#[derive(Debug, Default)]
pub struct Resources {
    /// The versions of each kind, the preferred one first.
    by_kind: HashMap<GroupKind, Vec<Resource>>,
    /// Groups whose own API server did not answer, so that what they have is not known.
    unknown_groups: Vec<String>,
}

impl Resources {
    /// Asks which resources there are (the aggregated discovery API, Kubernetes 1.30 and later).
    ///
    /// # Errors
    /// If the API server does not say.
    pub async fn discover(cluster: &Cluster) -> Result<Self, ClusterError> {
        let mut all = Self::default();
        for path in ["/api", "/apis"] {
            let groups: APIGroupDiscoveryList =
                cluster.json(path, ACCEPT_AGGREGATED_DISCOVERY_V2, LARGEST).await?;
            if groups.items.is_empty() {
                let message = format!("{path} lists no groups: Kubernetes 1.30 or later is needed");
                return Err(ClusterError::Unreadable(message));
            }
            all.add(groups);
        }
        Ok(all)
    }

    fn add(&mut self, groups: APIGroupDiscoveryList) {
        for group in groups.items {
            let name = group.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
            for version in group.versions {
                if version.freshness.as_deref() == Some("Stale") {
                    self.unknown_groups.push(name.clone());
                }
                let of = version.version.unwrap_or_default();
                for resource in version.resources {
                    // Without both verbs there is nothing to list or to follow.
                    if !["list", "watch"].iter().all(|verb| resource.verbs.iter().any(|known| known == verb))
                    {
                        continue;
                    }
                    let kind = resource.response_kind.and_then(|kind| kind.kind).unwrap_or_default();
                    let kind = GroupKind { kind, group: name.clone() };
                    self.by_kind.entry(kind.clone()).or_default().push(Resource {
                        kind,
                        version: of.clone(),
                        plural: resource.resource.unwrap_or_default(),
                        namespaced: resource.scope.as_deref() == Some("Namespaced"),
                    });
                }
            }
        }
    }

    /// The resource of a kind in one of these versions, or in the preferred one if there are none; none if there
    /// is no such resource.
    ///
    /// # Errors
    /// If it is not known whether there is one, or if it has other versions only.
    pub fn of(&self, kind: &GroupKind, versions: &[String]) -> Result<Option<&Resource>, ClusterError> {
        let Some(served) = self.by_kind.get(kind) else {
            return match self.unknown_groups.contains(&kind.group) {
                true => Err(ClusterError::Status {
                    code: 503,
                    message: format!("the API server of the group {} does not answer", kind.group),
                }),
                false => Ok(None),
            };
        };
        let read = |resource: &&Resource| versions.is_empty() || versions.contains(&resource.version);
        served.iter().find(read).map(Some).ok_or_else(|| {
            let served: Vec<&str> = served.iter().map(|resource| resource.version.as_str()).collect();
            let (served, read) = (served.join(", "), versions.join(", "));
            ClusterError::Version(format!("{kind} is served as {served}, and its projection reads {read}"))
        })
    }
}

/// Names come from requests: none may lead to another path.
fn segment(name: &str) -> String {
    // The characters of Kubernetes names, and the colon of RBAC's.
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b':');
    utf8_percent_encode(name, KEPT).to_string()
}
