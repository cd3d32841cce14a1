//! All objects of a resource, page by page.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::connection::{Cluster, JSON, Page};
use super::error::ClusterError;
use super::resources::{Resource, Resources};
use crate::admission::{GroupKind, LAST_APPLIED};
use crate::inventory::{Inventory, Record};
use crate::policyset::documents::VERSION;
use crate::policyset::{DocumentKind, PolicySet, StoredDocument};
use crate::source::guarded;

/// A list that takes longer than the API server remembers is begun again, this often in all.
const ATTEMPTS: usize = 3;
/// A list that has more pages does not end.
const PAGES: usize = 20_000;

/// The format of objects without anything but their metadata.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// The pages of a list, one after the other.
pub struct Pages {
    cluster: Cluster,
    path: String,
    accept: &'static str,
    next: Option<String>,
    attempts: usize,
    pages: usize,
}

impl Pages {
    /// The next page; `None` after the last one. A page that is [`first`](Page::first) although others came before
    /// begins the list anew: the API server has forgotten where it began.
    ///
    /// # Errors
    /// If the API server does not list the objects.
    pub async fn next(&mut self) -> Result<Option<Page>, ClusterError> {
        if self.pages > 0 && self.next.is_none() {
            return Ok(None);
        }
        if self.pages >= PAGES {
            return Err(ClusterError::Unreadable("the list does not end".to_owned()));
        }
        let page = loop {
            match self.cluster.page(&self.path, self.accept, self.next.as_deref()).await {
                Err(ClusterError::Gone) if self.attempts < ATTEMPTS => {
                    (self.next, self.pages) = (None, 0);
                    self.attempts += 1;
                }
                page => break page?,
            }
        };
        self.pages += 1;
        self.next.clone_from(&page.next);
        Ok(Some(page))
    }
}

impl Cluster {
    /// The pages of the objects below a path.
    pub fn pages(&self, path: String) -> Pages {
        self.pages_as(path, JSON)
    }

    /// The pages of only the metadata of the objects below a path; it may have a query.
    pub(super) fn metadata(&self, path: String) -> Pages {
        self.pages_as(path, METADATA)
    }

    fn pages_as(&self, path: String, accept: &'static str) -> Pages {
        Pages { cluster: self.clone(), path, accept, next: None, attempts: 1, pages: 0 }
    }

    /// Passes on all objects of a resource, and returns the version of the list. `begin` is called before the
    /// first object, and again if everything must be listed anew.
    ///
    /// # Errors
    /// If the API server does not list them.
    pub async fn list<S>(
        &self,
        resource: &Resource,
        begin: impl Fn() -> S,
        mut each: impl FnMut(&mut S, Value),
    ) -> Result<(S, String), ClusterError> {
        let (mut listed, mut version) = (begin(), String::new());
        let mut pages = self.pages(resource.path());
        while let Some(page) = pages.next().await? {
            if page.first {
                listed = begin();
            }
            page.items.into_iter().for_each(|item| each(&mut listed, named(item, resource)));
            version = page.version;
        }
        Ok((listed, version))
    }

    /// The objects of a list that is short: its path has a limit, and its answer at most so many bytes.
    ///
    /// # Errors
    /// If the API server does not list them, or the answer is larger.
    pub(super) async fn short_list(&self, path: &str, largest: usize) -> Result<Vec<Value>, ClusterError> {
        #[derive(Deserialize)]
        struct Objects {
            #[serde(default)]
            items: Vec<Value>,
        }
        Ok(self.json::<Objects>(path, JSON, largest).await?.items)
    }

    /// Whether asking for other kinds is in vain after this error, too.
    async fn answers_nothing(&self, error: &ClusterError) -> bool {
        matches!(error, ClusterError::Unauthorized) || self.is_gone(error).await
    }

    /// The Policies, PolicyBindings and PolicyExceptions, and the kinds of them that may not be listed.
    ///
    /// # Errors
    /// If the cluster cannot be asked at all.
    pub async fn documents(
        &self,
        resources: &Resources,
    ) -> Result<(Vec<Arc<StoredDocument>>, BTreeMap<GroupKind, ClusterError>), ClusterError> {
        let (mut documents, mut unknown) = (Vec::new(), BTreeMap::new());
        for kind in DocumentKind::ALL {
            let listed = async {
                let versions = [VERSION.to_owned()];
                let Some(resource) = resources.of(&kind.group_kind(), &versions)? else {
                    return Ok(Vec::new());
                };
                let add =
                    |all: &mut Vec<_>, object: Value| all.push(Arc::new(StoredDocument::new(kind, &object)));
                Ok(self.list(resource, Vec::new, add).await?.0)
            };
            match listed.await {
                Ok(listed) => documents.extend(listed),
                Err(error) if self.answers_nothing(&error).await => return Err(error),
                Err(error) => drop(unknown.insert(kind.group_kind(), error)),
            }
        }
        Ok((documents, unknown))
    }

    /// The objects that a policy set needs to know, as they are now. A kind that may not be listed is not known,
    /// and is returned with the reason.
    ///
    /// # Errors
    /// If the cluster cannot be asked at all.
    pub async fn inventory(
        &self,
        resources: &Resources,
        set: &PolicySet,
    ) -> Result<(Inventory, BTreeMap<GroupKind, ClusterError>), ClusterError> {
        let mut writer = set.inventory_writer();
        let reader = writer.reader().clone();
        let mut unknown = BTreeMap::new();
        for (kind, versions) in set.needed_kinds() {
            let records = async {
                let Some(resource) = resources.of(&kind, &versions)? else { return Ok(Vec::new()) };
                let add = |records: &mut Vec<Record>, object: Value| {
                    records.extend(guarded(|| reader.read(&kind, &object, "")).flatten());
                };
                Ok(self.list(resource, Vec::new, add).await?.0)
            };
            match records.await {
                Ok(records) => writer.relist(&kind, records),
                Err(error) if self.answers_nothing(&error).await => return Err(error),
                Err(error) => drop(unknown.insert(kind, error)),
            }
        }
        Ok((writer.snapshot(), unknown))
    }
}

/// A text in an object's `metadata`; empty if it is missing.
pub fn field<'v>(object: &'v Value, name: &str) -> &'v str {
    object.get("metadata").and_then(|metadata| metadata.get(name)?.as_str()).unwrap_or_default()
}

/// The object with what the list says of all its items, and without what only servers and tools keep in it.
pub fn named(mut object: Value, resource: &Resource) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.entry("apiVersion").or_insert_with(|| resource.api_version().into());
        fields.entry("kind").or_insert_with(|| resource.kind.kind.as_str().into());
    }
    slim(object)
}

/// The object without `managedFields` and kubectl's copy, which may be larger than the rest.
pub fn slim(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    without_copy(object)
}

/// The object without kubectl's copy.
pub fn without_copy(mut object: Value) -> Value {
    let metadata = object.get_mut("metadata");
    let annotations = metadata.and_then(|metadata| metadata.get_mut("annotations")?.as_object_mut());
    if let Some(annotations) = annotations {
        annotations.remove(LAST_APPLIED);
    }
    object
}
