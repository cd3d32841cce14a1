//! All objects of a resource, page by page.

use std::collections::BTreeMap;

use serde_json::Value;

use super::connection::{Cluster, Page};
use super::error::ClusterError;
use super::resources::{Resource, Resources};
use crate::admission::GroupKind;
use crate::inventory::{Inventory, Record};
use crate::policyset::PolicySet;
use crate::source::guarded;

/// A list that takes longer than the API server remembers is begun again, this often in all.
pub const ATTEMPTS: usize = 3;
/// A list that has more pages does not end.
pub const PAGES: usize = 20_000;

/// kubectl's copy of the whole object.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl Cluster {
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
        let mut attempt = 1;
        'again: loop {
            let (mut listed, mut next) = (begin(), None);
            for _ in 0..PAGES {
                let page = match self.page(&resource.path(), next.as_deref()).await {
                    Err(ClusterError::Gone) if attempt < ATTEMPTS => {
                        attempt += 1;
                        continue 'again;
                    }
                    page => page?,
                };
                let Page { items, next: more, version } = page;
                items.into_iter().for_each(|item| each(&mut listed, named(item, resource)));
                if more.is_none() {
                    return Ok((listed, version));
                }
                next = more;
            }
            return Err(ClusterError::Unreadable("the list does not end".to_owned()));
        }
    }

    /// The objects that a policy set needs to know, as they are now. A kind that may not be listed is not known,
    /// and is returned with the reason.
    ///
    /// # Errors
    /// If the cluster cannot be asked at all.
    pub async fn inventory(
        &self,
        set: &PolicySet,
    ) -> Result<(Inventory, BTreeMap<GroupKind, ClusterError>), ClusterError> {
        let resources = Resources::discover(self).await?;
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
                Err(error @ (ClusterError::Unreachable(_) | ClusterError::Unauthorized)) => {
                    return Err(error);
                }
                Err(error) => drop(unknown.insert(kind, error)),
            }
        }
        Ok((writer.snapshot(), unknown))
    }
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
