//! The objects before a change.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::admission::ObjectRef;
use crate::source::manifests::Manifest;
use crate::source::tree::Source;

/// The objects before the change.
#[derive(Default)]
pub struct PreviousObjects {
    objects: HashMap<ObjectRef, Vec<Manifest>>,
    /// Holds what programs make of directories, too.
    rendered: bool,
}

impl PreviousObjects {
    pub fn new(objects: Vec<Manifest>, namespace: &str, rendered: bool) -> Self {
        let mut before = Self { rendered, ..Self::default() };
        for object in objects {
            before.objects.entry(object.reference(namespace)).or_default().push(object);
        }
        before
    }

    /// The objects that none of these is.
    pub fn without(&self, kept: &HashSet<&ObjectRef>) -> impl Iterator<Item = &Manifest> {
        self.objects.iter().filter(|(reference, _)| !kept.contains(reference)).flat_map(|(_, all)| all)
    }

    /// The same object before; of several that of the same file.
    pub fn of(&self, manifest: &Manifest, source: &Source, namespace: &str) -> Option<&Manifest> {
        if matches!(source, Source::Rendered(_)) && !self.rendered {
            return None;
        }
        let all = self.objects.get(&manifest.reference(namespace))?;
        let same = all.iter().find(|old| old.file.name == manifest.file.name);
        // Of a branch, what still lies in another file is another environment's, or the like.
        let moved = |old: &&Manifest| self.rendered || !Path::new(old.file.name.as_ref()).exists();
        // Of two clusters, the same place below another directory: `old/east/pg.yaml`, `new/east/pg.yaml`.
        let nearness = |old: &&Manifest| same_end(&old.file.name, &manifest.file.name);
        same.or_else(|| all.iter().filter(moved).max_by_key(nearness))
    }
}

/// How many parts two paths have in common at their end.
fn same_end(one: &str, other: &str) -> usize {
    let (one, other) = (Path::new(one).components().rev(), Path::new(other).components().rev());
    one.zip(other).take_while(|(one, other)| one == other).count()
}
