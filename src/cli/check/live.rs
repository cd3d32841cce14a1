//! The cluster that manifests are to be applied to: its objects as the inventory, and as what is updated.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context as _;
use serde_json::Value;
use tokio::runtime::{Handle, Runtime};

use super::super::cluster;
use crate::admission::{Object, ObjectRef, Operation, Request};
use crate::cluster::{Access, Cluster, ClusterError, Resources, applied, without_copy};
use crate::diagnostic::Diagnostic;
use crate::inventory::Inventory;
use crate::policyset::PolicySet;
use crate::source::manifests::Manifest;
use crate::workload::projection::Projections;

/// A connection for one run. It ends with this value.
pub struct Connection {
    runtime: Runtime,
    cluster: Cluster,
    resources: Arc<Resources>,
    /// What the policies need to know, as it was at the start.
    pub inventory: Inventory,
    /// The kinds that are not known, and why.
    pub notes: Vec<String>,
}

impl Connection {
    /// Connects, and lists what the policies need to know.
    pub fn open(access: &Access, set: &PolicySet) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start talking to the cluster")?;
        let (cluster, resources, inventory, notes) = runtime.block_on(async {
            let cluster = cluster::open(access).await?;
            let explained = |error| cluster::explained(&cluster, &error);
            let resources = Resources::discover(&cluster).await.map_err(explained)?;
            let (inventory, unknown) = cluster.inventory(&resources, set).await.map_err(explained)?;
            let note = |(kind, error)| format!("{kind} is not known: {error}");
            let notes = unknown.into_iter().map(note).collect();
            anyhow::Ok((cluster, Arc::new(resources), inventory, notes))
        })?;
        Ok(Self { runtime, cluster, resources, inventory, notes })
    }

    /// The namespace of the context.
    pub fn namespace(&self) -> &str {
        self.cluster.namespace()
    }

    /// The objects that are updated, read one by one as the manifests name them.
    pub fn objects(&self) -> LiveObjects {
        LiveObjects {
            handle: self.runtime.handle().clone(),
            cluster: self.cluster.clone(),
            resources: Arc::clone(&self.resources),
            known: Mutex::default(),
            gone: OnceLock::new(),
        }
    }
}

/// The stored versions of the objects in the manifests.
pub struct LiveObjects {
    handle: Handle,
    cluster: Cluster,
    resources: Arc<Resources>,
    known: Mutex<HashMap<ObjectRef, Value>>,
    /// Why nothing else is asked for.
    gone: OnceLock<ClusterError>,
}

impl LiveObjects {
    /// Reads the stored version of an object, on a thread that may wait. Returns why it is not known whether
    /// there is one.
    pub fn read(
        &self,
        manifest: &Manifest,
        projections: &Projections,
        namespace: &str,
    ) -> Option<Diagnostic> {
        let reference = manifest.reference(namespace);
        let projection = projections.of(&reference.kind)?;
        let read = || {
            if let Some(error) = self.gone.get() {
                return Err(error.clone());
            }
            let Some(resource) = self.resources.of(&reference.kind, &projection.versions)? else {
                return Ok(None);
            };
            let namespace = if resource.namespaced { reference.namespace.as_str() } else { "" };
            let path = resource.object_path(namespace, &reference.name);
            self.handle.block_on(async {
                let read = self.cluster.get(&path).await;
                if let Err(error) = &read
                    && self.cluster.is_gone(error).await
                {
                    // Another thread may have found it out, too.
                    let _ = self.gone.set(error.clone());
                }
                read
            })
        };
        // Without a name the API server makes one up.
        if reference.name.is_empty() {
            return None;
        }
        match read() {
            Ok(object) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.extend(object.map(|object| (reference, object)));
                None
            }
            Err(error) => {
                let message = format!("cannot tell whether it exists in the cluster: {error}");
                let place = manifest.place(&[]);
                let help = self.cluster.help(&error);
                Some(manifest.file.error(place.line, 0, message).with_help(help))
            }
        }
    }

    /// Turns the request to create an object that exists into the update that applying it is.
    pub fn update(&self, request: &mut Request, reference: &ObjectRef) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(stored) = known.get(reference) else { return };
        let Some(Ok(manifest)) = request.object.as_ref().map(Object::value) else { return };
        let merged = applied(stored, manifest);
        request.operation = Operation::Update;
        request.object = Some(Object::from(merged));
        request.old_object = Some(Object::from(without_copy(stored.clone())));
    }
}
