//! ConfigMaps of the previous version: its workloads read them, and not those of now.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::previous::PreviousObjects;
use crate::admission::ObjectRef;
use crate::inventory::Inventory;
use crate::source::bundle::{Bundle, ScannedObject};
use crate::source::manifests::Manifest;
use crate::source::scopes::Scopes;

/// The ConfigMaps of the previous version, as each of its files sees them.
pub struct EarlierMaps {
    scopes: Scopes,
    /// Those of which there is one version, and those of which there are several.
    single: Vec<ObjectRef>,
    several: Vec<ObjectRef>,
}

impl EarlierMaps {
    /// The ConfigMaps of these objects, added to what is known of a cluster. Those in `unchanged` files were before what
    /// they are: they count where another version of one changed.
    pub fn new(
        before: &PreviousObjects,
        cluster: &Inventory,
        namespace: &str,
        unchanged: Vec<(PathBuf, ScannedObject)>,
    ) -> Self {
        let scan = |manifest: &Manifest| {
            (place(manifest).to_owned(), ScannedObject::context(manifest, cluster.reader(), namespace))
        };
        let changed: HashSet<&ObjectRef> = before.config_maps().map(|(reference, _)| reference).collect();
        let other = unchanged.into_iter().filter(|(_, map)| changed.contains(map.reference()));
        let objects: Vec<(PathBuf, ScannedObject)> =
            before.config_maps().flat_map(|(_, versions)| versions).map(scan).chain(other).collect();
        let scopes = Scopes::new(cluster, namespace, objects);
        let all = before.config_maps().map(|(reference, _)| reference.clone());
        let (single, several) = all.partition(|reference| scopes.places(reference).is_empty());
        Self { scopes, single, several }
    }

    /// What this object of the previous version sees.
    pub fn of(&self, manifest: &Manifest) -> &Inventory {
        self.scopes.of(place(manifest))
    }

    /// Adds those that all see alike.
    pub fn add_to(&self, bundle: &mut Bundle) {
        let anywhere = self.scopes.of(Path::new(""));
        self.single.iter().for_each(|map| bundle.add_earlier_in(map, &[anywhere]));
    }

    /// What is known where these objects of the previous version are compared.
    pub fn known<'m>(
        &self,
        inventory: Inventory,
        namespace: &str,
        old: impl Iterator<Item = &'m Manifest>,
    ) -> Inventory {
        if self.several.is_empty() {
            return inventory;
        }
        let places: BTreeSet<&Path> = old.map(place).collect();
        let seen: Vec<&Inventory> = places.into_iter().map(|place| self.scopes.of(place)).collect();
        let mut bundle = Bundle::continued(&inventory, namespace);
        self.several.iter().for_each(|map| bundle.add_earlier_in(map, &seen));
        bundle.inventory()
    }
}

fn place(manifest: &Manifest) -> &Path {
    Path::new(&*manifest.file.name)
}
