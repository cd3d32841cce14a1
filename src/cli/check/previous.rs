//! The objects before a change.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::doubts::place_of;
use crate::admission::{GroupKind, ObjectRef};
use crate::source::manifests::{Manifest, Manifests};
use crate::source::render::RenderOptions;
use crate::source::tree::Source;

/// The objects before the change.
#[derive(Default)]
pub struct PreviousObjects {
    objects: HashMap<ObjectRef, Vec<Manifest>>,
    /// Where the old files lay.
    roots: Vec<PathBuf>,
    /// Whether it is all of the previous version, as it was rendered, and not only the files that changed.
    whole: bool,
    /// The directories of what old programs rendered, by the names of the results.
    directories: HashMap<Arc<str>, PathBuf>,
    /// What took the place of old files and directories, by their names.
    successors: HashMap<Arc<str>, Source>,
    render: RenderOptions,
    /// What successors hold, as far as it was asked for.
    held: Mutex<HashMap<PathBuf, Arc<HashSet<ObjectRef>>>>,
}

/// The kinds of what is missed if it is gone: workloads, and what their data is in.
const KINDS: [&str; 4] = ["Deployment", "StatefulSet", "PersistentVolumeClaim", "Namespace"];

/// A workload that is no longer where it was.
pub struct Departed<'m> {
    pub manifest: &'m Manifest,
    /// The file or directory that it left; None if it is nowhere any more.
    pub from: Option<PathBuf>,
}

impl PreviousObjects {
    /// All of the previous version, which was read below `roots`, and the sources that follow it.
    pub fn whole<'a>(
        parts: Vec<(Source, Manifests)>,
        roots: &[PathBuf],
        sources: impl IntoIterator<Item = &'a Source>,
        namespace: &str,
        render: RenderOptions,
    ) -> Self {
        let mut before = Self { roots: roots.to_vec(), whole: true, render, ..Self::default() };
        let mut objects = Vec::new();
        for (source, manifests) in parts {
            if let (Source::Rendered(rendered), Some(first)) = (&source, manifests.objects.first()) {
                before.directories.insert(Arc::clone(&first.file.name), rendered.directory.clone());
            }
            objects.extend(manifests.objects);
        }
        before.fill(objects, sources, namespace);
        before
    }

    /// The objects of changed files, and the sources that follow them.
    pub fn of_files<'a>(
        objects: Vec<Manifest>,
        sources: impl IntoIterator<Item = &'a Source>,
        namespace: &str,
    ) -> Self {
        let mut before = Self::default();
        before.fill(objects, sources, namespace);
        before
    }

    fn fill<'a>(
        &mut self,
        objects: Vec<Manifest>,
        sources: impl IntoIterator<Item = &'a Source>,
        namespace: &str,
    ) {
        let files: BTreeSet<Arc<str>> = objects.iter().map(|object| Arc::clone(&object.file.name)).collect();
        self.successors = self.successors(files, sources);
        for object in objects {
            self.objects.entry(object.reference(namespace)).or_default().push(object);
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Workloads, and what holds their data, that are no longer where they were. `followed` are objects of the old
    /// files that are the previous versions of present ones; `places` is where the present objects are.
    pub fn departed<'m>(
        &'m self,
        followed: &HashSet<(Arc<str>, ObjectRef)>,
        places: &BTreeMap<ObjectRef, Vec<PathBuf>>,
        sources: &BTreeSet<PathBuf>,
    ) -> Vec<Departed<'m>> {
        let mut departed = Vec::new();
        let wanted = |reference: &ObjectRef| KINDS.contains(&&*reference.kind.kind);
        for (reference, versions) in self.objects.iter().filter(|(reference, _)| wanted(reference)) {
            let Some(present) = places.get(reference) else {
                departed.extend(versions.iter().map(|manifest| Departed { manifest, from: None }));
                continue;
            };
            for manifest in versions {
                let key = (Arc::clone(&manifest.file.name), reference.clone());
                let from = || self.remains_of(manifest, sources);
                if !followed.contains(&key)
                    && let Some(from) = from()
                    && !present.iter().any(|place| place.starts_with(&from))
                {
                    departed.push(Departed { manifest, from: Some(from) });
                }
            }
        }
        departed
    }

    /// The file or the nearest directory in which an old object would be now.
    fn remains_of(&self, old: &Manifest, sources: &BTreeSet<PathBuf>) -> Option<PathBuf> {
        if let Some(successor) = self.successors.get(&old.file.name) {
            return Some(place_of(successor));
        }
        let below = self.below(self.place(&old.file.name)).parent()?.to_owned();
        below.ancestors().filter(|part| !part.as_os_str().is_empty()).find_map(|part| {
            let within = sources.iter().flat_map(|source| source.ancestors().skip(1));
            within
                .filter(|directory| directory.ends_with(part))
                .min_by_key(|path| path.components().count())
                .map(Path::to_owned)
        })
    }

    /// The ConfigMaps, with all their versions.
    pub fn config_maps(&self) -> impl Iterator<Item = (&ObjectRef, &[Manifest])> {
        let is_map = |reference: &ObjectRef| reference.kind == GroupKind::new("v1", "ConfigMap");
        let maps = self.objects.iter().filter(move |(reference, _)| is_map(reference));
        maps.map(|(reference, versions)| (reference, versions.as_slice()))
    }

    /// The same object before; of several that of the same file. One that is still in its own file is not what a copy
    /// elsewhere was before: that may be another environment's, and is new.
    pub fn of(&self, manifest: &Manifest, source: &Source, namespace: &str) -> Option<&Manifest> {
        if matches!(source, Source::Rendered(_)) && !self.whole {
            return None;
        }
        let reference = manifest.reference(namespace);
        let all = self.objects.get(&reference)?;
        let place = place_of(source);
        let here = |old: &&Manifest| match self.successors.get(&old.file.name) {
            Some(successor) => place_of(successor) == place,
            None => self.place(&old.file.name) == place,
        };
        let remains = |old: &Manifest| {
            let successor = self.successors.get(&old.file.name);
            successor.is_some_and(|source| self.held(source, namespace).contains(&reference))
        };
        // Of two clusters, the same place below another directory: `old/east/pg.yaml`, `new/east/pg.yaml`.
        let nearness = |old: &&Manifest| same_end(self.place(&old.file.name), &place);
        let moved = || all.iter().filter(|old| !remains(old)).max_by_key(nearness);
        all.iter().find(here).or_else(moved)
    }

    /// The objects in a source of the change.
    fn held(&self, source: &Source, namespace: &str) -> Arc<HashSet<ObjectRef>> {
        // The map changes only once a source has been read, so a panic leaves it whole.
        let mut known = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = known.entry(place_of(source)).or_insert_with(|| {
            let now = Manifests::of(source, &self.render);
            Arc::new(now.objects.iter().map(|manifest| manifest.reference(namespace)).collect())
        });
        Arc::clone(held)
    }

    /// Where the old file of this name lay, or what was rendered to it.
    fn place<'p>(&'p self, name: &'p Arc<str>) -> &'p Path {
        self.directories.get(name).map_or(Path::new(&**name), PathBuf::as_path)
    }

    /// The path below the root.
    fn below<'p>(&self, place: &'p Path) -> &'p Path {
        let below = self.roots.iter().find_map(|root| place.strip_prefix(root).ok());
        below.filter(|below| below.file_name().is_some()).unwrap_or(place)
    }

    /// For each old file or directory the one whose path ends as its own does below its root; the shortest if there are
    /// several. If the old files were where the new ones are, one that this run does not read stays its own successor.
    fn successors<'a>(
        &self,
        old: BTreeSet<Arc<str>>,
        sources: impl IntoIterator<Item = &'a Source>,
    ) -> HashMap<Arc<str>, Source> {
        let mut present: HashMap<(bool, Option<&OsStr>), Vec<&Source>> = HashMap::new();
        for source in sources {
            match source {
                Source::File(path) => present.entry((false, path.file_name())).or_default().push(source),
                Source::Rendered(rendered) => {
                    let name = rendered.directory.file_name();
                    present.entry((true, name)).or_default().push(source);
                }
                Source::Stdin => {}
            }
        }
        let mut successors = HashMap::new();
        for name in old {
            let place = self.place(&name);
            let below = self.below(place);
            let key = (self.directories.contains_key(&name), below.file_name());
            let named = present.get(&key).into_iter().flatten().copied();
            let successor = named
                .map(|source| (place_of(source), source))
                .filter(|(path, _)| path.ends_with(below))
                .min_by_key(|(path, _)| (path.components().count(), path.clone()));
            let unread = || {
                let is_there = !self.whole && place.symlink_metadata().is_ok_and(|file| file.is_file());
                is_there.then(|| Source::File(place.to_owned()))
            };
            if let Some(successor) = successor.map(|(_, source)| source.clone()).or_else(unread) {
                successors.insert(name, successor);
            }
        }
        successors
    }
}

/// How many parts two paths have in common at their end.
fn same_end(one: &Path, other: &Path) -> usize {
    let (one, other) = (one.components().rev(), other.components().rev());
    one.zip(other).take_while(|(one, other)| one == other).count()
}
