//! Puts together what was read: what of the others each source sees when it is reviewed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::departed;
use super::doubts::place_of;
use super::earlier::EarlierMaps;
use super::pipeline::{Pipeline, ScannedSource};
use super::previous::Departed;
use crate::admission::{GroupVersionKind, ObjectRef};
use crate::inventory::Inventory;
use crate::plain;
use crate::report::Report;
use crate::source::bundle::{Bundle, ScannedObject};
use crate::source::manifests::{Manifest, Manifests};
use crate::source::scopes::{Apart, Scopes};
use crate::source::tree::Source;
use crate::workload::FirstOf;

/// One source of the second pass.
pub struct Task {
    pub source: Source,
    pub kept: Option<Arc<Manifests>>,
    pub inventory: Inventory,
    pub scopes: Arc<Scopes>,
    pub earlier: Arc<EarlierMaps>,
    /// The ConfigMaps that changed, if it is reviewed for them alone: what of it reads them is otherwise unchanged.
    pub for_maps: Option<Arc<HashSet<ObjectRef>>>,
}

/// The objects of all sources, each with its place.
struct Objects {
    files: Vec<(PathBuf, ScannedObject)>,
    /// Of each directory that was rendered.
    rendered: Vec<(PathBuf, Vec<ScannedObject>)>,
}

impl Objects {
    fn all(&self) -> impl Iterator<Item = (&Path, &ScannedObject)> {
        let rendered = self.rendered.iter().flat_map(|(place, all)| all.iter().map(move |one| (place, one)));
        let files = self.files.iter().map(|(place, object)| (place, object));
        files.chain(rendered).map(|(place, object)| (place.as_path(), object))
    }
}

impl Pipeline {
    /// Files are one bundle, in which the nearest version of an object counts. What is rendered is a bundle of its own,
    /// with the files around it: overlays of one base hold the same objects. What is cluster-scoped all see, and before
    /// something is missed, it is looked for in what other directories render.
    pub(super) fn tasks(&self, mut scanned: Vec<ScannedSource>, report: &mut Report) -> Vec<Task> {
        scanned.sort_by_key(|scanned| matches!(scanned.source, Source::Rendered(_)));
        tell(&mut scanned, report);
        let changed = Arc::new(self.changed_maps(&scanned));
        let unread: Vec<(PathBuf, Option<GroupVersionKind>)> =
            scanned.iter_mut().flat_map(ScannedSource::take_unread).collect();
        let followed: HashSet<_> =
            scanned.iter_mut().flat_map(|scanned| std::mem::take(&mut scanned.followed)).collect();
        let mut objects = Objects { files: Vec::new(), rendered: Vec::new() };
        let mut unchanged = Vec::new();
        for scanned in &mut scanned {
            let place = place_of(&scanned.source);
            let own = std::mem::take(&mut scanned.objects);
            if !scanned.reviewed {
                let maps = own.iter().filter(|object| object.is_config_map());
                unchanged.extend(maps.map(|map| (place.clone(), map.clone())));
            }
            match scanned.source {
                Source::Rendered(_) => objects.rendered.push((place, own)),
                _ => objects.files.extend(own.into_iter().map(|object| (place.clone(), object))),
            }
        }
        let lost = self.departed(&objects, &followed, &scanned, &departed::KINDS);
        let lost: Vec<&Manifest> =
            lost.iter().filter(|one| one.from.is_none()).map(|one| one.manifest).collect();
        report.notes.extend(departed::told(&lost, &self.namespace));
        let departed = self.departed(&objects, &followed, &scanned, &["StatefulSet", "Deployment"]);
        let (gone, moved): (Vec<Departed<'_>>, Vec<_>) =
            departed.into_iter().partition(|one| one.from.is_none());
        let earlier = Arc::new(EarlierMaps::new(&self.before, &self.cluster, &self.namespace, unchanged));
        let mut before = Bundle::over(&self.cluster, &self.namespace);
        earlier.add_to(&mut before);
        // Of a change, what stays as it is is known only of the present version.
        let maps = objects
            .files
            .iter()
            .filter(|(_, object)| !(gone.is_empty() && moved.is_empty()) && object.is_config_map());
        let present = Scopes::new(&self.cluster, &self.namespace, maps.cloned().collect());
        let add_departed = |bundle: &mut Bundle, departed: &Departed<'_>| {
            let present = present.of(Path::new(&*departed.manifest.file.name));
            bundle.add_departed(departed.manifest, &FirstOf(earlier.of(departed.manifest), present));
        };
        gone.iter().for_each(|departed| add_departed(&mut before, departed));

        let apart = Apart::of(objects.all());
        let elsewhere = (!objects.rendered.is_empty()).then(|| {
            let all = objects.all().map(|(place, object)| (place.to_owned(), object.clone())).collect();
            Scopes::among(&self.cluster, &self.namespace, all, &apart)
        });
        let reader = self.cluster.reader();
        let of_cluster = |(_, object): &(&Path, &ScannedObject)| {
            reader.role(&object.reference().kind).is_some_and(|role| role.cluster_scoped())
        };
        let Objects { mut files, rendered } = objects;
        files.extend(rendered.iter().flat_map(|(place, all)| {
            let all = all.iter().map(|object| (place.as_path(), object)).filter(of_cluster);
            all.map(|(place, object)| (place.to_owned(), object.clone()))
        }));
        let scopes = Arc::new(Scopes::among(&before.inventory(), &self.namespace, files, &apart));
        let mut rendered = rendered.into_iter();
        let mut tasks = Vec::new();
        for ScannedSource { source, reviewed, kept, reads, .. } in scanned {
            let place = place_of(&source);
            let mut own = match source {
                Source::Rendered(_) => Bundle::over(scopes.of(&place), &self.namespace),
                _ => Bundle::continued(scopes.of(&place), &self.namespace),
            };
            if let Source::Rendered(_) = source {
                let all = rendered.next().map(|(_, all)| all).unwrap_or_default();
                let maps = all.iter().filter(|object| object.is_config_map());
                maps.for_each(|map| own.remove(map.reference()));
                all.into_iter().for_each(|object| own.add(object));
            }
            let for_maps = (!reviewed).then(|| Arc::clone(&changed));
            if !reviewed && reads.is_disjoint(&changed) {
                continue;
            }
            elsewhere.iter().for_each(|scopes| own.look_in(scopes.of(&place)));
            let unread = unread
                .iter()
                .filter(|(other, _)| is_near(other, &place) && !apart.are_alternatives(other, &place));
            unread.for_each(|(_, kind)| own.miss(kind.as_ref().map(GroupVersionKind::group_kind)));
            let from_here =
                moved.iter().filter(|one| one.from.as_ref().is_some_and(|from| place.starts_with(from)));
            from_here.for_each(|departed| add_departed(&mut own, departed));
            let (scopes, earlier) = (Arc::clone(&scopes), Arc::clone(&earlier));
            tasks.push(Task { source, kept, inventory: own.inventory(), scopes, earlier, for_maps });
        }
        tasks
    }

    /// ConfigMaps that are new or other than before, or gone: what reads them may be other than before, too.
    fn changed_maps(&self, scanned: &[ScannedSource]) -> HashSet<ObjectRef> {
        if scanned.iter().all(|scanned| scanned.reviewed) {
            return HashSet::new();
        }
        let objects = || scanned.iter().flat_map(|scanned| &scanned.objects);
        let present: HashSet<&ObjectRef> = objects().map(ScannedObject::reference).collect();
        let gone = self.before.config_maps().map(|(map, _)| map).filter(|map| !present.contains(map));
        let changed = objects().filter(|object| object.is_config_map() && object.is_changed());
        changed.map(ScannedObject::reference).chain(gone).cloned().collect()
    }

    /// Objects of these kinds of the previous version that are no longer where they were.
    fn departed(
        &self,
        objects: &Objects,
        followed: &HashSet<(Arc<str>, ObjectRef)>,
        scanned: &[ScannedSource],
        kinds: &[&str],
    ) -> Vec<Departed<'_>> {
        let mut places: BTreeMap<ObjectRef, Vec<PathBuf>> = BTreeMap::new();
        if !self.before.is_empty() {
            for (place, object) in objects.all() {
                places.entry(object.reference().clone()).or_default().push(place.to_owned());
            }
        }
        let sources: BTreeSet<PathBuf> = scanned.iter().map(|scanned| place_of(&scanned.source)).collect();
        self.before.departed(followed, &places, &sources, kinds)
    }
}

/// Whether what cannot be read at one place may be what is missed at another: it is in a directory beside it or above it,
/// or somewhere below it.
fn is_near(unread: &Path, place: &Path) -> bool {
    let directory = |path: &Path| match path.is_file() {
        true => path.parent().unwrap_or(Path::new("")).to_owned(),
        false => path.to_owned(),
    };
    let own = directory(unread);
    place.starts_with(own.parent().unwrap_or(&own)) || own.starts_with(directory(place))
}

/// Tells what of the sources that are reviewed cannot be read, and the like.
fn tell(scanned: &mut [ScannedSource], report: &mut Report) {
    let mut placeholder = None;
    for scanned in scanned.iter_mut().filter(|scanned| scanned.reviewed) {
        report.errors.append(&mut scanned.errors);
        report.warnings.append(&mut scanned.warnings);
        report.foreign += scanned.foreign;
        placeholder = placeholder.take().or_else(|| scanned.placeholder.take());
    }
    report.notes.extend(placeholder.map(|placeholder| {
        format!(
            "placeholders count as their defaults, such as {}; what fills them in may say otherwise",
            plain::line(&placeholder)
        )
    }));
}
