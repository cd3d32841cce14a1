//! Puts together what was read: what of the others each source sees when it is reviewed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::departed;
use super::doubts::place_of;
use super::earlier::EarlierMaps;
use super::pipeline::{Pipeline, ScannedSource};
use super::previous::Departed;
use super::unfilled::shown;
use crate::admission::{GroupVersionKind, ObjectRef};
use crate::inventory::Inventory;
use crate::plain;
use crate::report::Report;
use crate::source::bundle::{Bundle, ScannedObject};
use crate::source::manifests::Manifests;
use crate::source::render::Renderer;
use crate::source::scopes::{Apart, Scopes};
use crate::source::tree::{Rendered, Source, tidy};
use crate::source::unfilled::placeholder as placeholder_in;
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
        let unread: Vec<Unread> = scanned.iter_mut().flat_map(unread).collect();
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
        let departed = self.departed(&objects, &followed, &scanned);
        let (mut gone, mut moved): (Vec<Departed<'_>>, Vec<_>) =
            departed.into_iter().partition(|one| one.from.is_none());
        report.notes.extend(departed::told(&gone, &self.namespace));
        let is_workload = |one: &Departed<'_>| matches!(one.manifest.kind(), "StatefulSet" | "Deployment");
        gone.retain(is_workload);
        moved.retain(is_workload);
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
        let unrendered: Vec<_> =
            scanned.iter_mut().flat_map(|scanned| std::mem::take(&mut scanned.unrendered)).collect();
        let elsewhere = !objects.rendered.is_empty() || !unrendered.is_empty();
        let elsewhere = elsewhere.then(|| {
            let all = objects.all().map(|(place, object)| (place.to_owned(), object.clone()));
            let all = all.chain(unrendered).collect();
            Scopes::among(&self.cluster, &self.namespace, all, &apart)
        });
        let reader = self.cluster.reader();
        let charts: HashSet<PathBuf> = scanned.iter().filter_map(|scanned| chart(&scanned.source)).collect();
        // A collection of charts is no cluster: what one ranks higher is nothing to the others.
        let of_cluster = |(place, object): &(&Path, &ScannedObject)| {
            let kind = &object.reference().kind;
            reader.role(kind).is_some_and(|role| role.cluster_scoped())
                && !(kind.kind == "PriorityClass" && charts.contains(*place))
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
            let (place, home) = (place_of(&source), home_of(&source));
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
            let is_rendered = matches!(source, Source::Rendered(_));
            let near = unread.iter().filter(|one| match is_rendered {
                // Of what other directories render, nothing belongs to it.
                true => one.place == place || !one.is_rendered && holds(&one.home, &home),
                false => is_near(one, &home) && !apart.are_alternatives(&one.place, &place),
            });
            near.for_each(|one| own.miss(one.kind.as_ref().map(GroupVersionKind::group_kind)));
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

    /// What of the previous version is no longer where it was.
    fn departed(
        &self,
        objects: &Objects,
        followed: &HashSet<(Arc<str>, ObjectRef)>,
        scanned: &[ScannedSource],
    ) -> Vec<Departed<'_>> {
        let mut places: BTreeMap<ObjectRef, Vec<PathBuf>> = BTreeMap::new();
        if !self.before.is_empty() {
            for (place, object) in objects.all() {
                places.entry(object.reference().clone()).or_default().push(place.to_owned());
            }
        }
        let sources: BTreeSet<PathBuf> = scanned.iter().map(|scanned| place_of(&scanned.source)).collect();
        self.before.departed(followed, &places, &sources)
    }
}

/// A document that cannot be read.
struct Unread {
    place: PathBuf,
    home: PathBuf,
    is_rendered: bool,
    /// Its kind, if that is known.
    kind: Option<GroupVersionKind>,
}

fn unread(scanned: &mut ScannedSource) -> Vec<Unread> {
    let (place, home) = (place_of(&scanned.source), home_of(&scanned.source));
    let kinds = std::mem::take(&mut scanned.unread).into_iter();
    let is_rendered = matches!(scanned.source, Source::Rendered(_));
    kinds.map(|kind| Unread { place: place.clone(), home: home.clone(), is_rendered, kind }).collect()
}

/// The directory of a Helm chart.
fn chart(source: &Source) -> Option<PathBuf> {
    match source {
        Source::Rendered(Rendered { directory, renderer: Renderer::Helm, .. }) => Some(directory.clone()),
        _ => None,
    }
}

/// The directory of a source.
fn home_of(source: &Source) -> PathBuf {
    match source {
        Source::File(path) => path.parent().unwrap_or(Path::new("")).to_owned(),
        _ => place_of(source),
    }
}

/// Whether what cannot be read may be what files of a directory miss: it is in one beside it or above it, or somewhere
/// below it. What is beside them and rendered has its own things.
fn is_near(unread: &Unread, home: &Path) -> bool {
    let beside = || unread.home.parent().is_some_and(|around| home.starts_with(around));
    holds(&unread.home, home) || !unread.is_rendered && beside()
}

/// Whether one of two directories is in the other.
fn holds(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Tells what of the sources that are reviewed cannot be read, and the like.
fn tell(scanned: &mut [ScannedSource], report: &mut Report) {
    let (mut placeholder, mut lost) = (None, BTreeMap::new());
    // Among manifests, what can be none is passed over; where there are none, it is what somebody took for one.
    let nothing_else = scanned.iter().all(|scanned| scanned.objects.is_empty());
    for scanned in scanned.iter_mut().filter(|scanned| scanned.reviewed) {
        if nothing_else {
            report.errors.append(&mut scanned.passed_over);
        }
        report.errors.append(&mut scanned.errors);
        report.warnings.append(&mut scanned.warnings);
        report.foreign += scanned.foreign;
        placeholder = placeholder.take().or_else(|| scanned.placeholder.take());
        lost.append(&mut scanned.lost);
    }
    report.notes.extend(told_of_lost(&lost));
    report.notes.extend(placeholder.map(|text| {
        let placeholder = placeholder_in(&text).unwrap_or(&text);
        format!(
            "placeholders count as their defaults, such as {}; what fills them in may say otherwise",
            shown(placeholder)
        )
    }));
}

/// What directories that cannot be rendered hide.
fn told_of_lost(lost: &BTreeMap<PathBuf, BTreeSet<PathBuf>>) -> Option<String> {
    const SHOWN: usize = 4;
    let names: Vec<String> =
        lost.keys().take(SHOWN).map(|directory| plain::path(tidy(directory)).to_string()).collect();
    let more = match lost.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let files = lost.values().flatten().collect::<BTreeSet<_>>().len();
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    let names = names.join(", ");
    (!lost.is_empty()).then(|| format!("not checked, because it cannot be rendered: {names}{more} ({files})"))
}
