//! What Kustomize directories are built from: which of their files are no manifests of their own, and
//! whether anything they name lies outside the repository or has to be fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::boundary::Boundary;
use super::tree::{document, resolved};
use crate::path::{self, Segment};
use crate::yaml;

/// The names of the file that makes a directory a Kustomize directory.
pub(super) const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The group of Flux's objects of kind Kustomization.
const FLUX: &str = "kustomize.toolkit.fluxcd.io/";

/// Is it the file that makes its directory a Kustomize directory?
pub fn is_kustomization(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| NAMES.contains(&name))
}

/// What Kustomize does with a file that is named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Manifests, or another Kustomize directory.
    Resource,
    /// The configuration of a generator or the like, which names files itself. It may stand inline.
    Plugin,
    /// Read as it is.
    File,
}

/// A name of a file or directory.
pub(super) struct Reference {
    pub place: path::Path,
    pub text: String,
    pub role: Role,
    /// Whether it is laid over what others hold.
    pub patch: bool,
}

const LISTS: [(&str, Role); 16] = [
    ("resources", Role::Resource),
    ("bases", Role::Resource),
    ("components", Role::Resource),
    ("generators", Role::Plugin),
    ("transformers", Role::Plugin),
    ("validators", Role::Plugin),
    ("crds", Role::File),
    ("configurations", Role::File),
    ("patchesStrategicMerge", Role::File),
    // Of the configurations of plugins.
    ("path", Role::File),
    ("paths", Role::File),
    ("files", Role::File),
    ("envs", Role::File),
    ("env", Role::File),
    ("valuesFile", Role::File),
    ("additionalValuesFiles", Role::File),
];
const PATCHES: [&str; 3] = ["patchesStrategicMerge", "patches", "patchesJson6902"];
const GENERATED: &[&str] = &["files", "envs", "env"];
const ITEMS: [(&str, &[&str]); 7] = [
    ("patches", &["path"]),
    ("patchesJson6902", &["path"]),
    ("replacements", &["path"]),
    ("openapi", &["path"]),
    ("configMapGenerator", GENERATED),
    ("secretGenerator", GENERATED),
    ("helmCharts", &["valuesFile", "additionalValuesFiles"]),
];

/// A value and the way to it.
type Node<'a> = (path::Path, &'a Value);

/// The names in the fields of all releases of Kustomize, and of the configurations of its plugins.
pub(super) fn references(value: &Value) -> Vec<Reference> {
    let (mut all, mut waiting) = (Vec::new(), vec![(Vec::new(), value)]);
    while let Some(node) = waiting.pop() {
        // Kustomize takes a list apart.
        waiting.extend(fields(&node, "items").iter().flat_map(items));
        all.extend(own_references(&node));
    }
    all
}

fn own_references(root: &Node) -> Vec<Reference> {
    let mut all = Vec::new();
    let mut add = |node: &Node, field: &str, role: Role, patch: bool| {
        for (place, text) in fields(node, field).iter().flat_map(items) {
            let Some(text) = text.as_str() else { continue };
            // `key=path`
            let text = if field == "files" { text.rsplit('=').next().unwrap_or(text) } else { text };
            all.push(Reference { place, text: text.to_owned(), role, patch });
        }
    };
    for (field, role) in LISTS {
        add(root, field, role, PATCHES.contains(&field));
    }
    for (field, inner) in ITEMS {
        for item in fields(root, field).iter().flat_map(items) {
            inner.iter().for_each(|name| add(&item, name, Role::File, PATCHES.contains(&field)));
        }
    }
    all
}

/// The fields of this name. Kustomize does not mind the case, as Go reads JSON.
pub(super) fn fields<'a>((place, value): &Node<'a>, name: &str) -> Vec<Node<'a>> {
    let fold = |text: &str| -> String {
        let same = |c: char| match c {
            'ſ' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        };
        text.chars().map(same).collect()
    };
    let wanted = fold(name);
    let fields = value.as_object().into_iter().flatten().filter(|(key, _)| fold(key) == wanted);
    fields.map(|(key, value)| (step(place, key.clone().into()), value)).collect()
}

/// The items of a list, or the one value.
fn items<'a>((place, value): &Node<'a>) -> Vec<Node<'a>> {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (step(place, index.into()), item)).collect()
        }
        one => vec![(place.clone(), one)],
    }
}

pub(super) fn step(place: &[Segment], next: Segment) -> path::Path {
    place.iter().cloned().chain([next]).collect()
}

/// Would a release of Kustomize fetch it? Kustomize takes some of these for addresses even if a file of the
/// name exists.
pub(super) fn is_remote(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let host = text.strip_prefix("www.").unwrap_or(&text);
    let schemes = ["git::", "gh:", "http:", "https:", "ssh:", "file:"];
    text.contains("://")
        || schemes.iter().any(|scheme| text.starts_with(scheme))
        || host.strip_prefix("github.com").is_some_and(|rest| rest.starts_with(['/', ':']))
        || text.split('/').next().is_some_and(|first| first.contains('@'))
}

/// Would Kustomize fetch it where the name may also be the thing itself, written inline?
pub(super) fn is_remote_or_inline(text: &str, inline: bool) -> bool {
    if !inline {
        // An address has no line breaks; a patch that cannot be read may have them.
        return is_remote(text) && !text.trim_end().contains('\n');
    }
    // What is not complete inline is taken for a name again: `https://example.com/?: x`.
    let first = text.split_whitespace().next().unwrap_or_default();
    !first.starts_with('{') && is_remote(first)
}

/// The documents of a text that holds maps, as a patch or the configuration of a plugin that stands inline.
pub(super) fn inline(text: &str) -> Option<Vec<yaml::Document>> {
    let documents = yaml::read(text).ok()?;
    documents.iter().any(|one| one.value.is_object()).then_some(documents)
}

/// The paths named by one kustomization.
#[derive(Debug, Default)]
pub struct Kustomization {
    /// It is only a part of others.
    pub component: bool,
    /// Files, including the kustomization itself.
    pub files: BTreeSet<PathBuf>,
    /// Other Kustomize directories.
    pub directories: BTreeSet<PathBuf>,
    /// Those of the files that are only laid over others.
    pub patches: BTreeSet<PathBuf>,
    /// Those of the files that it builds from.
    resources: BTreeSet<PathBuf>,
    /// It changes nothing of what it names.
    collects: bool,
    /// It builds from charts, too.
    inflates: bool,
}

impl Kustomization {
    /// Reads a kustomization. What lies outside is left out here, and an error when it is rendered. None if it is an
    /// object of Flux, which is called the same.
    pub fn read(file: &Path, boundary: &Boundary) -> Option<Self> {
        let value = if boundary.file(file).is_ok() { document(file) } else { Value::Null };
        let says = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        if says("apiVersion").starts_with(FLUX) {
            return None;
        }
        let component = says("kind") == "Component";
        let keys = || value.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
        let inflates = keys().any(|key| CHARTS.contains(&key));
        let adds = |key: &str| UNCHANGED.contains(&key) || CHARTS.contains(&key);
        let collects = !component && value.is_object() && keys().all(adds);
        let mut own = Self { component, collects, inflates, ..Self::default() };
        own.files.insert(file.to_owned());
        let directory = file.parent().unwrap_or(Path::new(""));
        let mut whole = BTreeSet::new();
        for Reference { text, role, patch, .. } in references(&value) {
            if text.is_empty() || is_remote(&text) {
                continue;
            }
            let path = resolved(&directory.join(text));
            // An empty path is the current directory.
            let named = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
            match boundary.entry(named) {
                Ok(real) if real.is_file() => {
                    let kind = if patch { &mut own.patches } else { &mut whole };
                    kind.insert(path.clone());
                    if role == Role::Resource {
                        own.resources.insert(path.clone());
                    }
                    own.files.insert(path);
                }
                Ok(_) if role != Role::File && path != directory => drop(own.directories.insert(path)),
                _ => {}
            }
        }
        own.patches.retain(|file| !whole.contains(file));
        Some(own)
    }

    /// The kustomization of a directory, which may lie outside the tree.
    fn in_directory(directory: &Path, boundary: &Boundary) -> Option<Self> {
        let file = NAMES.iter().map(|name| directory.join(name)).find(|file| file.is_file())?;
        Self::read(&file, boundary)
    }
}

/// What a Kustomize directory is built from.
#[derive(Default)]
pub struct MadeOf {
    /// All files, inside and outside the tree.
    pub files: BTreeSet<PathBuf>,
    /// Those that are only laid over others.
    pub patches: BTreeSet<PathBuf>,
    /// All Kustomize directories.
    pub directories: BTreeSet<PathBuf>,
}

/// All files of a Kustomize directory and of those it is built from; `all` are those of the tree.
pub fn made_of(directory: &Path, all: &BTreeMap<PathBuf, Kustomization>, boundary: &Boundary) -> MadeOf {
    let (mut made_of, mut waiting) = (MadeOf::default(), vec![directory.to_owned()]);
    while let Some(directory) = waiting.pop() {
        if !made_of.directories.insert(directory.clone()) {
            continue;
        }
        let elsewhere = if all.contains_key(&directory) {
            None
        } else {
            Kustomization::in_directory(&directory, boundary)
        };
        if let Some(kustomization) = all.get(&directory).or(elsewhere.as_ref()) {
            made_of.files.extend(kustomization.files.iter().cloned());
            made_of.patches.extend(kustomization.patches.iter().cloned());
            waiting.extend(kustomization.directories.iter().cloned());
        }
    }
    made_of
}

/// The parts of a Kustomize directory that only collects them: none is changed, so each is judged the same by itself.
pub struct Collected {
    pub files: BTreeSet<PathBuf>,
    pub directories: BTreeSet<PathBuf>,
    /// Charts are a part, too.
    pub with_charts: bool,
}

/// None if the directory does more than to collect.
pub fn collected(directory: &Path, boundary: &Boundary) -> Option<Collected> {
    let own = Kustomization::in_directory(directory, boundary).filter(|own| own.collects)?;
    Some(Collected { files: own.resources, directories: own.directories, with_charts: own.inflates })
}

/// What a kustomization may say that changes nothing of what it names.
pub(super) const UNCHANGED: [&str; 5] = ["apiVersion", "kind", "metadata", "resources", "bases"];

/// What adds to that, and changes nothing of it either.
const CHARTS: [&str; 3] = ["helmCharts", "helmGlobals", "helmChartInflationGenerator"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        for remote in [
            "https://example.com/x.yaml",
            "HTTPS://example.com/x.yaml",
            "http:example.com",
            "github.com/org/repo",
            "www.GitHub.com/org/repo//base?ref=v1",
            "github.com:org/repo",
            "git@example.com:org/repo.git",
            "org-1@example.com/org/repo",
            "git::example.com/org/repo",
            "ssh://git@example.com/org/repo",
            "file:///etc",
            "oci://example.com/chart",
            "gh:org/repo",
            "https://example.com/x.yaml\n",
        ] {
            assert!(is_remote(remote), "{remote}");
        }
        for local in ["../base", "pg.yaml", "github.command/x", "a/b@c.yaml", "./git@x", "https/x.yaml"] {
            assert!(!is_remote(local), "{local}");
        }
    }

    #[test]
    fn all_fields_are_read_whatever_their_case() {
        let text = "Resources: [a]\nreſources: [b]\nopenAPI: {path: c}\nconfigMapGenerator: [{files: [k=d], env: e}]\n\
            patches: [{path: f}, {patch: x}]\ncomponents: [g]\nreplacements: [{path: h}]\n";
        let document = yaml::read(text).unwrap().remove(0);
        let mut names: Vec<String> = references(&document.value).into_iter().map(|one| one.text).collect();
        names.sort();
        assert_eq!(names, ["a", "b", "c", "d", "e", "f", "g", "h"]);
    }
}
