//! What keeps a Kustomize directory from being rendered: a look at everything that Kustomize would read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::boundary::Boundary;
use super::kustomization::{
    NAMES, Reference, Role, UNCHANGED, fields, inline, is_remote, is_remote_or_inline, references, step,
};
use super::tree::resolved;
use super::{diagnostic, read_bytes};
use crate::diagnostic::{Diagnostic, SourceText};
use crate::path;
use crate::yaml;

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
