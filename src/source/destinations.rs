//! The namespaces that Argo CD and Flux deploy the files of a directory to.
//!
//! Most objects of such repositories name no namespace. An Application or a Kustomization beside them does: without it
//! their backups, their quotas and what is bound to their namespace would not be found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::manifests::Manifests;
use super::read_bytes;
use super::tree::{Source, is_manifest, resolved};
use crate::policy::binding::namespace_fault;

/// Argo CD's Applications, and Flux' Kustomizations.
const GROUPS: [&str; 2] = ["argoproj.io/", "kustomize.toolkit.fluxcd.io/"];

/// Where directories are deployed to, by the directory.
#[derive(Clone, Debug, Default)]
pub struct Destinations(BTreeMap<PathBuf, Destination>);

/// Where one directory is deployed to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Destination {
    /// None if several are named: the same files may be deployed more than once.
    namespace: Option<String>,
    /// What lies in directories below it is deployed, too.
    recursive: bool,
}

impl Destinations {
    /// What the files of a tree say. A path is one from the root of a repository, which is taken to be the outermost
    /// directory above the object's own file in which there is such a path.
    pub fn of_sources<'a>(sources: impl IntoIterator<Item = &'a Source> + Clone) -> Self {
        let directories: BTreeSet<&Path> = sources
            .clone()
            .into_iter()
            .filter_map(directory)
            .flat_map(|directory| directory.ancestors())
            .collect();
        let files: BTreeSet<&PathBuf> = sources.into_iter().flat_map(files).collect();
        let mut all = Self::default();
        for file in files.into_iter().filter(|file| is_manifest(file) && names_a_group(file)) {
            for manifest in Manifests::read(std::slice::from_ref(file)).objects {
                for (path, destination) in named(manifest.api_version(), manifest.kind(), &manifest.object) {
                    let roots: Vec<&Path> = file.ancestors().skip(1).collect();
                    let below = roots.into_iter().rev().map(|root| resolved(&root.join(&path)));
                    let at = below.into_iter().find(|directory| directories.contains(directory.as_path()));
                    at.into_iter().for_each(|directory| all.add(directory, destination.clone()));
                }
            }
        }
        all
    }

    fn add(&mut self, directory: PathBuf, destination: Destination) {
        let known = self.0.entry(directory).or_insert_with(|| destination.clone());
        if known.namespace != destination.namespace {
            known.namespace = None;
        }
        known.recursive |= destination.recursive;
    }

    /// The namespace of what a directory holds and that names none.
    pub fn of(&self, directory: &Path) -> Option<&str> {
        let nearest = directory.ancestors().find_map(|above| {
            self.0.get(above).filter(|destination| destination.recursive || above == directory)
        });
        nearest?.namespace.as_deref()
    }

    /// Gives it to the objects of files.
    pub fn apply(&self, manifests: &mut Manifests) {
        if self.0.is_empty() {
            return;
        }
        for manifest in manifests.objects.iter_mut().filter(|manifest| manifest.deployed_to.is_none()) {
            let directory = Path::new(&*manifest.file.name).parent();
            manifest.deployed_to = directory.and_then(|directory| self.of(directory)).map(Into::into);
        }
    }
}

fn directory(source: &Source) -> Option<&Path> {
    match source {
        Source::Stdin => None,
        Source::File(file) => file.parent(),
        Source::Rendered(rendered) => Some(&rendered.directory),
    }
}

fn files(source: &Source) -> Vec<&PathBuf> {
    match source {
        Source::Stdin => Vec::new(),
        Source::File(file) => vec![file],
        Source::Rendered(rendered) => rendered.files.iter().collect(),
    }
}

/// A pipe can be read only once.
fn names_a_group(file: &Path) -> bool {
    let bytes = if file.is_file() { read_bytes(file).unwrap_or_default() } else { Vec::new() };
    std::str::from_utf8(&bytes).is_ok_and(|text| GROUPS.iter().any(|group| text.contains(group)))
}

/// The paths that an object deploys, and where to.
fn named(api_version: &str, kind: &str, object: &Value) -> Vec<(PathBuf, Destination)> {
    let group = api_version.split_once('/').map(|(group, _)| group);
    let (sources, namespace, flux): (Vec<&Value>, _, _) = match (group, kind) {
        (Some("argoproj.io"), "Application") => {
            let several = object.pointer("/spec/sources").and_then(Value::as_array);
            let sources = several.into_iter().flatten().chain(object.pointer("/spec/source"));
            (sources.collect(), object.pointer("/spec/destination/namespace"), false)
        }
        (Some("kustomize.toolkit.fluxcd.io"), "Kustomization") => {
            (object.get("spec").into_iter().collect(), object.pointer("/spec/targetNamespace"), true)
        }
        _ => return Vec::new(),
    };
    let is_name = |name: &&str| namespace_fault(name, &[]).is_none();
    let Some(namespace) = namespace.and_then(Value::as_str).filter(is_name) else { return Vec::new() };
    let deployed = |source: &Value| {
        let path = Path::new(source.get("path")?.as_str()?.trim_start_matches('/'));
        let is_inside = path.components().all(|part| part != Component::ParentDir);
        let has_name = path.components().any(|part| matches!(part, Component::Normal(_)));
        let recursive = flux || source.pointer("/directory/recurse") == Some(&Value::Bool(true));
        let destination = Destination { namespace: Some(namespace.to_owned()), recursive };
        (is_inside && has_name).then(|| (path.to_owned(), destination))
    };
    sources.into_iter().filter_map(deployed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::boundary::Boundary;
    use crate::source::render::Renderer;
    use crate::source::tree::Rendered;

    fn application(path: &str, more: &str, namespace: &str) -> String {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: a}}\nspec:\n  source: {{path: {path}{more}}}\n  destination: {{namespace: {namespace}}}\n"
        )
    }

    fn destinations(root: &Path, files: &[(&str, String)], directories: &[&str]) -> Destinations {
        let mut sources = Vec::new();
        for (name, text) in files {
            let file = root.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, text).unwrap();
            sources.push(Source::File(file));
        }
        let boundary = Boundary::around(root, None).unwrap();
        sources.extend(directories.iter().map(|directory| {
            Source::Rendered(Rendered {
                directory: root.join(directory),
                renderer: Renderer::Helm,
                files: BTreeSet::new(),
                boundary: boundary.clone(),
            })
        }));
        Destinations::of_sources(&sources)
    }

    #[test]
    fn a_directory_is_deployed_to_the_namespace_that_is_named_for_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: f}\nspec: {path: ./flux, targetNamespace: flow}\n";
        let files = [
            ("argocd/apps/shop.yaml", application("apps/shop", "", "shop")),
            ("argocd/apps/blog.yaml", application("/apps/blog/", ", directory: {recurse: true}", "blog")),
            ("argocd/one.yaml", application("twice", "", "one")),
            ("argocd/two.yaml", application("twice", "", "two")),
            ("argocd/bad.yaml", application("bad", "", "\"no name\"")),
            ("argocd/up.yaml", application("../bad", "", "up")),
            ("argocd/set.yaml", application("'{{path}}'", "", "up")),
            ("argocd/flux.yaml", flux.to_owned()),
            ("apps/blog/deep/pg.yaml", String::new()),
        ];
        let directories = ["apps/shop", "apps/shop/deep", "twice", "bad", "flux/deep", "other"];
        let all = destinations(root, &files, &directories);
        for (directory, expected) in [
            ("apps/shop", Some("shop")),
            ("apps/shop/deep", None),
            ("apps/blog", Some("blog")),
            ("apps/blog/deep", Some("blog")),
            ("flux/deep", Some("flow")),
            ("twice", None),
            ("bad", None),
            ("other", None),
        ] {
            assert_eq!(all.of(&root.join(directory)), expected, "{directory}");
        }
    }

    #[test]
    fn a_path_begins_at_the_outermost_directory_that_has_it() {
        let root = tempfile::tempdir().unwrap();
        let files = [("gitops/argo/a.yaml", application("argo/shop", "", "shop"))];
        let all = destinations(root.path(), &files, &["argo/shop", "gitops/argo/shop"]);
        assert_eq!(all.of(&root.path().join("argo/shop")), Some("shop"));
        assert_eq!(all.of(&root.path().join("gitops/argo/shop")), None);
    }
}
