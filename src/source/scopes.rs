//! Which of several versions of an object counts: a repository may hold the objects of several clusters, each in a
//! directory of its own.
//!
//! The nearest version counts: that of the same file, of the same directory, of a directory below it, and so on upwards.
//! If that leaves several, the object is not known. What an alternative holds in Namespaces is seen from itself alone.
//! All scopes share one inventory, and each adds what is different in it, so that they cost in proportion to the
//! versions.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::alternatives;
use super::bundle::{Bundle, ScannedObject, scanned};
use super::manifests::Manifests;
use crate::admission::ObjectRef;
use crate::inventory::Inventory;

/// The objects of all files of a run, as each file and directory sees them.
pub struct Scopes {
    /// What is seen from anywhere else.
    outside: Inventory,
    near: HashMap<PathBuf, Inventory>,
    /// The files and lines of objects that have several versions.
    places: HashMap<ObjectRef, Vec<(PathBuf, usize)>>,
}

/// The versions of one object, each with its file.
type Versions = Vec<(PathBuf, ScannedObject)>;

impl Scopes {
    /// The objects, each with its file, added to those known of a cluster.
    pub fn new(cluster: &Inventory, default_namespace: &str, objects: Versions) -> Self {
        let apart = Apart::of(objects.iter().map(|(path, object)| (path.as_path(), object)));
        Self::among(cluster, default_namespace, objects, &apart)
    }

    /// The same for objects among others, with which they tell the alternatives.
    pub fn among(cluster: &Inventory, default_namespace: &str, objects: Versions, apart: &Apart) -> Self {
        let apart = Hidden::of(apart, &objects);
        let mut order: Vec<ObjectRef> = Vec::new();
        let mut all: HashMap<ObjectRef, Versions> = HashMap::new();
        for (path, object) in objects {
            let versions = all.entry(object.reference().clone()).or_default();
            if versions.is_empty() {
                order.push(object.reference().clone());
            }
            versions.push((path, object));
        }
        let mut outside = Bundle::over(cluster, default_namespace);
        let mut disputed: Vec<(ObjectRef, Versions)> = Vec::new();
        for reference in order {
            let Some(versions) = all.remove(&reference) else { continue };
            match agreed(versions.iter().map(|(_, object)| object)) {
                Some(object) => outside.add(object),
                None => {
                    outside.doubt(&reference, versions.iter().map(|(_, object)| object));
                    disputed.push((reference, versions));
                }
            }
        }
        let mut scopes = Self { outside: outside.inventory(), near: HashMap::new(), places: HashMap::new() };
        scopes.draw(&disputed, &apart, default_namespace);
        let files = |(reference, versions): (ObjectRef, Versions)| {
            let mut files: Vec<(PathBuf, usize)> =
                versions.into_iter().map(|(path, object)| (path, object.line())).collect();
            files.sort();
            files.dedup();
            (reference, files)
        };
        scopes.places = disputed.into_iter().map(files).collect();
        scopes
    }

    /// The objects of files that are all reviewed.
    pub fn of_manifests(cluster: &Inventory, default_namespace: &str, manifests: &Manifests) -> Self {
        let objects = scanned(manifests, &Manifests::default(), cluster.reader(), default_namespace);
        let files = manifests.objects.iter().map(|manifest| PathBuf::from(&*manifest.file.name));
        Self::new(cluster, default_namespace, files.zip(objects).collect())
    }

    /// Makes a scope for each file and directory that holds a version of a disputed object, or is an alternative.
    fn draw(&mut self, disputed: &[(ObjectRef, Versions)], apart: &Hidden, default_namespace: &str) {
        // A directory comes before what is in it.
        let mut below: BTreeMap<&Path, BTreeMap<usize, Versioned<'_>>> = BTreeMap::new();
        for path in apart.members.keys() {
            below.entry(path).or_default();
        }
        let mut without: HashMap<usize, Inventory> = HashMap::new();
        for (index, (_, versions)) in disputed.iter().enumerate() {
            for (path, object) in versions {
                for scope in path.ancestors() {
                    let seen = below.entry(scope).or_default().entry(index).or_default();
                    seen.push((path, object));
                }
            }
        }
        for (scope, objects) in below {
            let mut bundle = match apart.members.get(scope) {
                Some((group, own)) => {
                    let without = without.entry(*group).or_insert_with(|| {
                        let mut bundle = Bundle::continued(self.of(scope), default_namespace);
                        apart.held.get(*group).into_iter().flatten().for_each(|object| bundle.remove(object));
                        bundle.inventory()
                    });
                    let mut bundle = Bundle::continued(without, default_namespace);
                    own.iter().for_each(|object| bundle.add(object.clone()));
                    bundle
                }
                None => Bundle::continued(self.of(scope), default_namespace),
            };
            for (index, versions) in objects {
                match (nearest(scope, &versions), disputed.get(index)) {
                    (Some(object), _) => bundle.replace(object),
                    (None, Some((reference, _))) => {
                        bundle.doubt(reference, versions.iter().map(|(_, object)| *object));
                    }
                    (None, None) => {}
                }
            }
            self.near.insert(scope.to_owned(), bundle.inventory());
        }
    }

    /// What is seen from a file or directory.
    pub fn of(&self, path: &Path) -> &Inventory {
        path.ancestors().find_map(|scope| self.near.get(scope)).unwrap_or(&self.outside)
    }

    /// The files that hold versions of this object, if it has several, and their lines there (0 for what was rendered).
    pub fn places(&self, object: &ObjectRef) -> &[(PathBuf, usize)] {
        self.places.get(object).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Which files and directories are alternatives of each other.
#[derive(Default)]
pub struct Apart {
    /// Each alternative, with the number of its group.
    groups: HashMap<PathBuf, usize>,
    count: usize,
}

impl Apart {
    /// What these objects tell, each with its file or with the directory that it was rendered from.
    pub fn of<'a>(objects: impl Iterator<Item = (&'a Path, &'a ScannedObject)>) -> Self {
        let alternatives = alternatives::of(objects.map(|(path, object)| object.held(path)));
        let count = alternatives.len();
        let members = alternatives.into_iter().enumerate();
        let groups = members.flat_map(|(group, paths)| paths.into_iter().map(move |path| (path, group)));
        Self { groups: groups.collect(), count }
    }

    /// Whether one of these files or directories is applied without the other.
    pub fn are_alternatives(&self, one: &Path, other: &Path) -> bool {
        let groups = |path: &Path| -> Vec<(PathBuf, usize)> {
            let of = |above: &Path| Some((above.to_owned(), *self.groups.get(above)?));
            path.ancestors().filter_map(of).collect()
        };
        let others = groups(other);
        groups(one)
            .iter()
            .any(|(member, group)| others.iter().any(|(path, of)| of == group && path != member))
    }
}

/// What alternatives hold in Namespaces, which the others do not see.
#[derive(Default)]
struct Hidden {
    /// Each alternative, with its group and what it holds.
    members: HashMap<PathBuf, (usize, Vec<ScannedObject>)>,
    /// What each group holds.
    held: Vec<Vec<ObjectRef>>,
}

impl Hidden {
    fn of(apart: &Apart, objects: &Versions) -> Self {
        let members = apart.groups.iter().map(|(path, group)| (path.clone(), (*group, Vec::new())));
        let mut hidden = Self { members: members.collect(), held: vec![Vec::new(); apart.count] };
        for (path, object) in objects.iter().filter(|(_, object)| !object.reference().namespace.is_empty()) {
            for scope in path.ancestors() {
                let Some((group, own)) = hidden.members.get_mut(scope) else { continue };
                own.push(object.clone());
                hidden
                    .held
                    .get_mut(*group)
                    .into_iter()
                    .for_each(|held| held.push(object.reference().clone()));
            }
        }
        hidden
    }
}

type Versioned<'a> = Vec<(&'a PathBuf, &'a ScannedObject)>;

/// The version that counts in this file or directory, of those in it or below it.
fn nearest(scope: &Path, versions: &Versioned<'_>) -> Option<ScannedObject> {
    let own =
        |(path, _): &&(&PathBuf, &ScannedObject)| path.as_path() == scope || path.parent() == Some(scope);
    let direct = || versions.iter().filter(own).map(|(_, object)| *object);
    match direct().next() {
        Some(_) => agreed(direct()),
        None => agreed(versions.iter().map(|(_, object)| *object)),
    }
}

/// The object, if all versions of it are the same.
fn agreed<'a>(mut versions: impl Iterator<Item = &'a ScannedObject>) -> Option<ScannedObject> {
    let first = versions.next()?;
    versions.try_fold(first.clone(), |object, version| {
        object.is_same(version).then(|| object.or_changed(version))
    })
}
