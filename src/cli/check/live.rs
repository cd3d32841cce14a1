//! The cluster that manifests are to be applied to: its objects as the inventory, and as what is updated.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context as _;
use serde_json::Value;
use tokio::runtime::{Handle, Runtime};

use super::super::cluster::{self, ClusterArguments};
use super::super::policies::Documents;
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
}

impl Connection {
    /// Connects.
    pub fn open(access: &Access) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start talking to the cluster")?;
        let (cluster, resources) = runtime.block_on(cluster::discover(access))?;
        Ok(Self { runtime, cluster, resources: Arc::new(resources) })
    }

    /// The policies and bindings of the cluster.
    pub fn documents(&self, arguments: &ClusterArguments) -> anyhow::Result<Documents> {
        self.runtime.block_on(arguments.documents(&self.cluster, &self.resources))
    }

    /// What the policies need to know, as it is now, and the kinds that are not known, with the reason.
    pub fn inventory(&self, set: &PolicySet) -> anyhow::Result<(Inventory, Vec<String>)> {
        let listed = self.runtime.block_on(self.cluster.inventory(&self.resources, set));
        let (inventory, unknown) = listed.map_err(|error| cluster::explained(&self.cluster, &error))?;
        let note = |(kind, error)| format!("{kind} is not known: {error}");
        Ok((inventory, unknown.into_iter().map(note).collect()))
    }

    /// The version of Kubernetes, if the API server says it.
    pub fn kubernetes_version(&self) -> Option<String> {
        let version = self.runtime.block_on(self.cluster.get("/version")).ok()??;
        let version = version.get("gitVersion")?.as_str()?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
        (version.starts_with('v') && version.bytes().all(is_plain)).then(|| version.to_owned())
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
