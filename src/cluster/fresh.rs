//! What one request needs to know as it is at this moment, read from the API server.

use std::time::{Duration, Instant};

use tracing::warn;

use super::connection::Cluster;
use super::error::ClusterError;
use super::live::LiveInventory;
use super::resources::Resource;
use crate::admission::{ObjectRef, Request};
use crate::inventory::{Inventory, InventoryWriter};
use crate::policyset::PolicySet;
use crate::source::guarded;

/// The longest that a review waits for the API server.
const LONGEST: Duration = Duration::from_secs(2);
/// The subresource whose requests carry a number of replicas and nothing else.
const SCALE: &str = "scale";

impl LiveInventory {
    /// The inventory with what must not lag behind this request: the parent of a request to `scale`, whose
    /// annotations may confirm it, and the Namespace of an object, if it is so new that it is not known yet. What
    /// cannot be read in time stays as it was.
    pub async fn refreshed(
        &self,
        set: &PolicySet,
        inventory: &Inventory,
        request: &Request,
        deadline: Instant,
    ) -> Option<Inventory> {
        let scaled = (request.subresource == SCALE).then(|| parent(set, request)).flatten();
        let namespace = Some(&request.namespace)
            .filter(|name| !name.is_empty() && inventory.namespace_labels(name).is_none())
            .map(|name| namespace(name));
        if scaled.is_none() && namespace.is_none() {
            return None;
        }
        let left = deadline.saturating_duration_since(Instant::now()) / 2;
        let read = async |wanted: Option<(Resource, ObjectRef)>| {
            let (resource, object) = wanted?;
            let path = resource.object_path(&object.namespace, &object.name);
            let read = self.cluster().object(&path, left.min(LONGEST)).await;
            let read = read.map_err(|error| {
                warn!(kind = %object.kind, namespace = object.namespace, name = object.name, %error, "not read");
            });
            Some((object, read.ok().flatten()?))
        };
        let (scaled, namespace) = tokio::join!(read(scaled), read(namespace));
        let mut writer = InventoryWriter::from(inventory);
        for (reference, object) in scaled.into_iter().chain(namespace) {
            let record =
                guarded(|| writer.reader().read(&reference.kind, &object, &reference.namespace)).flatten();
            record.into_iter().for_each(|record| writer.replace(record));
            writer.keep_object(reference, object.into());
        }
        Some(writer.snapshot())
    }
}

impl Cluster {
    async fn object(&self, path: &str, limit: Duration) -> Result<Option<serde_json::Value>, ClusterError> {
        let timed_out = |_| ClusterError::TimedOut(limit.as_secs());
        tokio::time::timeout(limit, self.get(path)).await.map_err(timed_out)?
    }
}

fn parent(set: &PolicySet, request: &Request) -> Option<(Resource, ObjectRef)> {
    // The version becomes part of a path: only one that is known may.
    let projection = set
        .projection(request)
        .filter(|projection| projection.versions.contains(&request.resource.version))?;
    let kind = projection.group_kind();
    let resource = Resource {
        kind: kind.clone(),
        version: request.resource.version.clone(),
        plural: projection.plural.clone(),
        namespaced: projection.namespaced,
    };
    Some((resource, request.reference(kind)))
}

fn namespace(name: &str) -> (Resource, ObjectRef) {
    let resource = Resource::namespaces();
    let kind = resource.kind.clone();
    (resource, ObjectRef { kind, namespace: String::new(), name: name.to_owned() })
}
