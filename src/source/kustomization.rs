//! What Kustomize directories are built from: which of their files are no manifests of their own, and
//! whether anything they name lies outside the repository or has to be fetched.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::boundary::Boundary;
use super::tree::{document, resolved};
use super::{diagnostic, read_bytes};
use crate::diagnostic::{Diagnostic, SourceText};
use crate::path::{self, Segment};
use crate::yaml;

/// The names of the file that makes a directory a Kustomize directory.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The group of Flux's objects of kind Kustomization.
const FLUX: &str = "kustomize.toolkit.fluxcd.io/";

/// Is it the file that makes its directory a Kustomize directory?
pub fn is_kustomization(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| NAMES.contains(&name))
}

/// What Kustomize does with a file that is named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Manifests, or another Kustomize directory.
    Resource,
    /// The configuration of a generator or the like, which names files itself. It may stand inline.
    Plugin,
    /// Read as it is.
    File,
}

/// A name of a file or directory.
struct Reference {
    place: path::Path,
    text: String,
    role: Role,
    /// Whether it is laid over what others hold.
    patch: bool,
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
fn references(value: &Value) -> Vec<Reference> {
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
fn fields<'a>((place, value): &Node<'a>, name: &str) -> Vec<Node<'a>> {
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

fn step(place: &[Segment], next: Segment) -> path::Path {
    place.iter().cloned().chain([next]).collect()
}

/// Would a release of Kustomize fetch it? Kustomize takes some of these for addresses even if a file of the
/// name exists.
fn is_remote(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let host = text.strip_prefix("www.").unwrap_or(&text);
    let schemes = ["git::", "gh:", "http:", "https:", "ssh:", "file:"];
    text.contains("://")
        || schemes.iter().any(|scheme| text.starts_with(scheme))
        || host.strip_prefix("github.com").is_some_and(|rest| rest.starts_with(['/', ':']))
        || text.split('/').next().is_some_and(|first| first.contains('@'))
}

/// Would Kustomize fetch it where the name may also be the thing itself, written inline?
fn is_remote_or_inline(text: &str, inline: bool) -> bool {
    if !inline {
        // An address has no line breaks; a patch that cannot be read may have them.
        return is_remote(text) && !text.trim_end().contains('\n');
    }
    // What is not complete inline is taken for a name again: `https://example.com/?: x`.
    let first = text.split_whitespace().next().unwrap_or_default();
    !first.starts_with('{') && is_remote(first)
}

/// The documents of a text that holds maps, as a patch or the configuration of a plugin that stands inline.
fn inline(text: &str) -> Option<Vec<yaml::Document>> {
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
    /// It changes nothing of what it names.
    collects: bool,
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
        let changes = |all: &Map<String, Value>| all.keys().any(|key| !UNCHANGED.contains(&key.as_str()));
        let collects = !component && value.as_object().is_some_and(|all| !changes(all));
        let mut own = Self { component, collects, ..Self::default() };
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

/// What a Kustomize directory is built from if it only collects that: none of it is changed, so each part is judged the
/// same by itself.
pub fn collected(directory: &Path, boundary: &Boundary) -> Option<MadeOf> {
    let own = Kustomization::in_directory(directory, boundary).filter(|own| own.collects)?;
    let files = own.files.into_iter().filter(|file| !is_kustomization(file)).collect();
    Some(MadeOf { files, directories: own.directories, patches: own.patches })
}

/// What keeps a Kustomize directory from being rendered: names of what lies outside the repository, is no
/// regular file, or, unless `remote`, has to be fetched.
pub fn faults(directory: &Path, boundary: &Boundary, remote: bool) -> Vec<Diagnostic> {
    let mut inspection = Inspection {
        boundary,
        remote,
        seen: HashSet::new(),
        waiting: vec![Step { path: directory.to_owned(), plugins_of: None }],
        faults: Vec::new(),
        absent: Vec::new(),
        remote_names: Vec::new(),
    };
    while let Some(step) = inspection.waiting.pop() {
        inspection.directory(step);
    }
    inspection.faults
}

/// A Kustomize directory, as shown and without links.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    shown: PathBuf,
    real: PathBuf,
}

/// A file or directory that Kustomize reads.
struct Step {
    /// As shown.
    path: PathBuf,
    /// Its objects are configurations of plugins, which name files relative to this directory.
    plugins_of: Option<Place>,
}

/// A way through the directories as Kustomize goes it.
struct Inspection<'a> {
    boundary: &'a Boundary,
    remote: bool,
    /// Without links, each with the directory that configurations of plugins in it belong to.
    seen: HashSet<(PathBuf, Option<PathBuf>)>,
    waiting: Vec<Step>,
    faults: Vec<Diagnostic>,
    /// What the document being read names and the tree does not have, and what would have to be fetched.
    absent: Vec<Diagnostic>,
    remote_names: Vec<Diagnostic>,
}

impl Inspection<'_> {
    fn directory(&mut self, step: Step) {
        let Step { path: shown, plugins_of } = step;
        let real = match self.boundary.entry(&shown) {
            Ok(real) => real,
            Err(error) => return self.faults.push(error),
        };
        let here = Place { shown, real };
        for name in NAMES {
            let file = here.shown.join(name);
            if file.symlink_metadata().is_ok() && self.is_new(here.real.join(name), plugins_of.as_ref()) {
                self.kustomization(&file, &here, plugins_of.as_ref());
            }
        }
    }

    fn is_new(&mut self, real: PathBuf, plugins_of: Option<&Place>) -> bool {
        self.seen.insert((real, plugins_of.map(|place| place.real.clone())))
    }

    fn kustomization(&mut self, file: &Path, here: &Place, plugins_of: Option<&Place>) {
        let Some((text, documents)) = self.read(file) else { return };
        for document in &documents {
            if plugins_of.is_some() && !self.remote {
                self.faults.extend(changed_plugins(&text, document));
            }
            self.references(&text, document, here, plugins_of);
        }
    }

    /// The configurations of plugins in a file.
    fn plugins(&mut self, file: &Path, of: &Place) {
        let Some((text, documents)) = self.read(file) else { return };
        for document in &documents {
            self.references(&text, document, of, None);
        }
    }

    fn read(&mut self, file: &Path) -> Option<(SourceText, Vec<yaml::Document>)> {
        let read = self.boundary.file(file).and_then(|_| read_bytes(file));
        let text = read.and_then(|bytes| {
            let name = file.display().to_string();
            yaml::text(&bytes)
                .map(|text| SourceText::new(name, text.into_owned()))
                .map_err(|error| diagnostic(file, error.message))
        });
        let documents = text.and_then(|text| match yaml::read(&text.text) {
            Ok(documents) => Ok((text, documents)),
            Err(error) => Err(text.error(error.line, error.column, error.message)),
        });
        documents.map_err(|error| self.faults.push(error)).ok()
    }

    fn references(
        &mut self,
        text: &SourceText,
        document: &yaml::Document,
        here: &Place,
        plugins_of: Option<&Place>,
    ) {
        for reference in references(&document.value) {
            let place = document.positions.place(&reference.place);
            let error = |message: String| text.error(place.line, place.column, message);
            self.reference(&reference, here, plugins_of, &error);
        }
        // A tree that another program puts together first would be told name by name.
        let absent = together(self.absent.drain(..), "nor", "that this file names");
        let remote = together(self.remote_names.drain(..), "and so would", "of this file");
        self.faults.extend(absent.into_iter().chain(remote));
    }

    fn reference(
        &mut self,
        reference: &Reference,
        here: &Place,
        plugins_of: Option<&Place>,
        error: &dyn Fn(String) -> Diagnostic,
    ) {
        let (name, role) = (reference.text.as_str(), reference.role);
        if name.is_empty() {
            return;
        }
        // A patch or the configuration of a plugin may stand inline.
        let inline = if role == Role::Resource { None } else { inline(name) };
        if role == Role::Plugin {
            for inner in inline.iter().flatten().flat_map(|one| references(&one.value)) {
                self.reference(&inner, here, None, error);
            }
        }
        let is_remote = match role {
            Role::Resource => is_remote(name),
            _ => is_remote_or_inline(name, inline.is_some()),
        };
        if is_remote {
            let fault = || error(format!("{} would be fetched", name.trim())).with_help(FETCH_IT);
            return self.remote_names.extend((!self.remote).then(fault));
        }
        // Kustomize resolves names from the directory without links.
        let path = resolved(&here.real.join(name));
        if path.symlink_metadata().is_err() {
            // What earlier releases took for an address looks like a path. Kustomize reports missing files.
            let is_named = role == Role::Resource || (role == Role::Plugin && inline.is_none());
            let help = if may_be_address(name) { FETCH_IT } else { ADD_IT };
            let fault = || error(format!("there is no {name} here")).with_help(help);
            return self.absent.extend((is_named && !self.remote).then(fault));
        }
        match self.boundary.entry(&path) {
            Err(fault) => {
                let help = "only files of the repository are rendered: run stategate in a directory that holds all of them";
                self.faults.push(error(format!("{name} {}", fault.message)).with_help(help));
            }
            Ok(target) => {
                let lexical = resolved(&here.shown.join(name));
                let named = if lexical.as_os_str().is_empty() { PathBuf::from(".") } else { lexical };
                let same = named.canonicalize().is_ok_and(|real| real == target);
                let named = if same { named } else { target.clone() };
                let plugins_of = if role == Role::Plugin { Some(here) } else { plugins_of };
                if role == Role::File {
                    return;
                }
                if target.is_dir() {
                    self.waiting.push(Step { path: named, plugins_of: plugins_of.cloned() });
                } else if let Some(of) = plugins_of
                    && self.is_new(target, Some(of))
                {
                    self.plugins(&named, of);
                }
            }
        }
    }
}

/// Faults of one kind as one: the first, and how many others there are.
fn together(
    mut faults: impl ExactSizeIterator<Item = Diagnostic>,
    link: &str,
    of: &str,
) -> Option<Diagnostic> {
    let mut first = faults.next()?;
    match faults.len() {
        0 => {}
        1 => first.message.push_str(&format!(", {link} another one {of}")),
        more => first.message.push_str(&format!(", {link} {more} others {of}")),
    }
    Some(first)
}

/// What a kustomization may say that changes nothing of what it names.
const UNCHANGED: [&str; 5] = ["apiVersion", "kind", "metadata", "resources", "bases"];

/// A kustomization that makes or changes configurations of plugins: what they name in the end is not written
/// anywhere.
fn changed_plugins(text: &SourceText, document: &yaml::Document) -> Option<Diagnostic> {
    let root = (Vec::new(), &document.value);
    let known: Vec<path::Path> =
        UNCHANGED.iter().flat_map(|name| fields(&root, name)).map(|(place, _)| place).collect();
    let all = document.value.as_object()?.keys().map(|key| step(&[], key.clone().into()));
    let other = all.into_iter().find(|place| !known.contains(place))?;
    let place = document.positions.key_place(&other).unwrap_or_default();
    let message = "this changes the configurations of generators or transformers";
    Some(text.error(place.line, place.column, message).with_help(
        "what they read cannot be told: write the configurations out, or allow all with --allow-remote",
    ))
}

/// How to render what has to be fetched.
const FETCH_IT: &str = "stategate fetches nothing by default: copy it into the repository, allow it with --allow-remote, \
    or read the files as they are with --no-render";

/// What to do about a file that is not there.
const ADD_IT: &str = "add the file, or take the name out; what makes it before Kustomize runs has to run before stategate, too";

/// May a release of Kustomize have taken this for an address: `example.com/x`?
fn may_be_address(name: &str) -> bool {
    let host = name.trim().split_once('/').map(|(host, _)| host);
    host.is_some_and(|host| !host.starts_with('.') && host.contains('.'))
}

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
