//! The objects before a change.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::admission::{GroupKind, ObjectRef};
use crate::source::manifests::{Manifest, Manifests};
use crate::source::tree::Source;

/// The objects before the change.
#[derive(Default)]
pub struct PreviousObjects {
    objects: HashMap<ObjectRef, Vec<Manifest>>,
    /// Holds what programs make of directories, too.
    rendered: bool,
    /// The files that took the place of old ones, by the names of these.
    successors: HashMap<Arc<str>, PathBuf>,
    /// What successors hold, as far as it was asked for.
    held: Mutex<HashMap<PathBuf, Arc<HashSet<ObjectRef>>>>,
}

impl PreviousObjects {
    /// The objects, which were read below `roots`, and the sources that follow them.
    pub fn new<'a>(
        objects: Vec<Manifest>,
        roots: &[PathBuf],
        sources: impl IntoIterator<Item = &'a Source>,
        namespace: &str,
        rendered: bool,
    ) -> Self {
        let mut before = Self { rendered, ..Self::default() };
        let files = objects.iter().map(|object| &object.file.name);
        before.successors = successors(files, roots, sources, !rendered);
        for object in objects {
            before.objects.entry(object.reference(namespace)).or_default().push(object);
        }
        before
    }

    /// The objects that none of these is.
    pub fn without(&self, kept: &HashSet<&ObjectRef>) -> impl Iterator<Item = &Manifest> {
        self.objects.iter().filter(|(reference, _)| !kept.contains(reference)).flat_map(|(_, all)| all)
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
        if matches!(source, Source::Rendered(_)) && !self.rendered {
            return None;
        }
        let reference = manifest.reference(namespace);
        let all = self.objects.get(&reference)?;
        let file = Path::new(&*manifest.file.name);
        let here = |old: &&Manifest| {
            let successor = self.successors.get(&old.file.name);
            successor.map_or(Path::new(&*old.file.name), PathBuf::as_path) == file
        };
        let remains = |old: &Manifest| {
            let successor = self.successors.get(&old.file.name);
            successor.is_some_and(|path| self.held(path, namespace).contains(&reference))
        };
        // Of two clusters, the same place below another directory: `old/east/pg.yaml`, `new/east/pg.yaml`.
        let nearness = |old: &&Manifest| same_end(&old.file.name, &manifest.file.name);
        let moved = || all.iter().filter(|old| !remains(old)).max_by_key(nearness);
        all.iter().find(here).or_else(moved)
    }

    /// The objects in a file of the change.
    fn held(&self, path: &Path, namespace: &str) -> Arc<HashSet<ObjectRef>> {
        // The map changes only once a file has been read, so a panic leaves it whole.
        let mut known = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = known.entry(path.to_owned()).or_insert_with(|| {
            let now = Manifests::read(&[path.to_owned()]);
            Arc::new(now.objects.iter().map(|manifest| manifest.reference(namespace)).collect())
        });
        Arc::clone(held)
    }
}

/// For each old file the one whose path ends as its own does below its root; the shortest if there are several. If the
/// old files were where the new ones are, one that this run does not read stays its own successor.
fn successors<'a, 'b>(
    old: impl Iterator<Item = &'b Arc<str>>,
    roots: &[PathBuf],
    sources: impl IntoIterator<Item = &'a Source>,
    in_place: bool,
) -> HashMap<Arc<str>, PathBuf> {
    let mut files: HashMap<&std::ffi::OsStr, Vec<&Path>> = HashMap::new();
    for source in sources {
        if let Source::File(path) = source
            && let Some(name) = path.file_name()
        {
            files.entry(name).or_default().push(path);
        }
    }
    let mut successors = HashMap::new();
    for name in old {
        let path = Path::new(&**name);
        if successors.contains_key(name) {
            continue;
        }
        let below = roots.iter().find_map(|root| path.strip_prefix(root).ok());
        let below = below.filter(|below| below.file_name().is_some()).unwrap_or(path);
        let named = below.file_name().and_then(|name| files.get(name)).into_iter().flatten();
        let successor = named
            .copied()
            .filter(|file| file.ends_with(below))
            .min_by_key(|file| (file.components().count(), *file));
        let unread =
            || Some(path).filter(|path| in_place && path.symlink_metadata().is_ok_and(|file| file.is_file()));
        if let Some(successor) = successor.or_else(unread) {
            successors.insert(Arc::clone(name), successor.to_path_buf());
        }
    }
    successors
}

/// How many parts two paths have in common at their end.
fn same_end(one: &str, other: &str) -> usize {
    let (one, other) = (Path::new(one).components().rev(), Path::new(other).components().rev());
    one.zip(other).take_while(|(one, other)| one == other).count()
}
