//! What one request needs to know as it is at this moment, read from the API server.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::connection::Cluster;
use super::error::ClusterError;
use super::list::named;
use super::live::LiveInventory;
use super::resources::Resource;
use crate::admission::{GroupKind, ObjectRef, Operation, Request};
use crate::decision::{Decision, Finding};
use crate::inventory::{Inventory, InventoryWriter, Record, RecordReader};
use crate::policy::Action;
use crate::policyset::PolicySet;
use crate::source::guarded;

/// The longest that a review waits for the API server.
const LONGEST: Duration = Duration::from_secs(2);
/// The longest that it waits for companions, which are mostly known already.
const COMPANIONS_LONGEST: Duration = Duration::from_millis(500);
/// How many of each kind are read, and the most bytes of them: a chart has few, and a namespace may be full.
const COMPANIONS_MOST: usize = 50;
const COMPANIONS_LARGEST: usize = 512 << 10;
/// How many reviews read companions at a time. Those beyond go without: many creations at once must not become many
/// times as many lists.
static READING_COMPANIONS: Semaphore = Semaphore::const_new(4);
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

    /// The inventory with what can make this decision milder and is only read if there is a reason to. None if there is
    /// nothing of it.
    pub async fn looked_up(
        &self,
        set: &PolicySet,
        inventory: &Inventory,
        request: &Request,
        decision: &Decision,
        deadline: Instant,
    ) -> Option<Inventory> {
        let companions = self.with_companions(set, inventory, request, &decision.findings, deadline).await;
        if decision.allowed() {
            return companions;
        }
        let known = companions.as_ref().unwrap_or(inventory);
        self.with_revisions(known, request, deadline).await.or(companions)
    }

    /// The inventory with the objects that the policies of these findings look for, if the request creates an object:
    /// whoever applies a budget and, a moment later, the workload that it is for must not hear that there is none
    /// because the watch has not brought it yet. It adds what is new, and leaves out nothing. None if nothing is.
    async fn with_companions(
        &self,
        set: &PolicySet,
        inventory: &Inventory,
        request: &Request,
        findings: &[Finding],
        deadline: Instant,
    ) -> Option<Inventory> {
        if request.operation != Operation::Create || !request.subresource.is_empty() {
            return None;
        }
        let told = findings.iter().filter(|finding| finding.action >= Action::Warn);
        let mut kinds = set.companion_kinds(told.map(|finding| &finding.policy));
        kinds.retain(|kind| inventory.is_complete(kind));
        if kinds.is_empty() {
            return None;
        }
        let left = deadline.saturating_duration_since(Instant::now()) / 2;
        let limit = left.min(COMPANIONS_LONGEST);
        let read = tokio::time::timeout(limit, self.companions(set, inventory, request, kinds)).await;
        let (found, result) = read.unwrap_or((None, "failed"));
        self.companions_read(result);
        found
    }

    /// The inventory with what there is of these kinds, if it has more, and what came of reading it.
    async fn companions(
        &self,
        set: &PolicySet,
        inventory: &Inventory,
        request: &Request,
        kinds: BTreeSet<&GroupKind>,
    ) -> (Option<Inventory>, &'static str) {
        let Ok(_one) = READING_COMPANIONS.try_acquire() else { return (None, "skipped") };
        let Ok(resources) = self.resources().await else { return (None, "failed") };
        let versions = set.needed_kinds();
        let mut lists = JoinSet::new();
        for kind in kinds {
            let versions = versions.get(kind).map_or(&[][..], Vec::as_slice);
            let Ok(Some(resource)) = resources.of(kind, versions) else { continue };
            let (cluster, reader) = (self.cluster().clone(), inventory.reader().clone());
            lists.spawn(cluster.companions(resource.clone(), request.namespace.clone(), reader));
        }
        let listed = lists.join_all().await;
        let failed = listed.iter().any(Option::is_none);
        let mut writer = InventoryWriter::from(inventory);
        listed.into_iter().flatten().flatten().for_each(|record| writer.replace(record));
        let (found, of) =
            (writer.snapshot(), Some(request.namespace.as_str()).filter(|name| !name.is_empty()));
        let found = (found.version(of) != inventory.version(of)).then_some(found);
        let result = match (failed, &found) {
            (true, _) => "failed",
            (false, Some(_)) => "changed",
            (false, None) => "unchanged",
        };
        (found, result)
    }
}

impl Cluster {
    /// Some objects of a resource; of those in this namespace, if they lie in one. None if they cannot be listed.
    async fn companions(
        self,
        resource: Resource,
        namespace: String,
        reader: RecordReader,
    ) -> Option<Vec<Record>> {
        let path = if resource.namespaced { resource.path_in(&namespace) } else { resource.path() };
        let path = format!("{path}?limit={COMPANIONS_MOST}");
        let list = self.short_list(&path, COMPANIONS_LARGEST).await;
        let list = list.inspect_err(|error| debug!(kind = %resource.kind, namespace, %error, "not read"));
        let read = |item| guarded(|| reader.read(&resource.kind, &named(item, &resource), "")).flatten();
        Some(list.ok()?.into_iter().filter_map(read).collect())
    }

    async fn object(&self, path: &str, limit: Duration) -> Result<Option<Value>, ClusterError> {
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
