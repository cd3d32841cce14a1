//! Which files a run reads: those named by the user, minus ignored ones, sorted by path.
//!
//! The files of a Kustomize directory or a Helm chart are not manifests: patches and templates are not what
//! gets stored. Such a directory is one source, which is rendered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use ignore::WalkBuilder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use serde_json::Value;

use super::render::Renderer;
use super::{diagnostic, ignore_files, read_bytes};
use crate::diagnostic::Diagnostic;
use crate::yaml;

/// Paths matched by this file, in `.gitignore` syntax, are not read.
pub const IGNORE_FILE: &str = ".stategateignore";
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
const CHART: &str = "Chart.yaml";
/// The parts of a chart's directory that belong to the chart, besides its values.
const CHART_PARTS: [&str; 4] = ["templates", "charts", "crds", "ci"];

/// What to read and what to skip.
#[derive(Debug)]
pub struct Choice {
    /// Globs of paths to leave out, as in a `.gitignore` at the project's root.
    pub exclude: Vec<String>,
    /// Leave out paths matched by `.gitignore` and `.stategateignore`.
    pub ignored: bool,
    /// Render Kustomize directories and charts; otherwise their files are read as they are.
    pub rendered: bool,
}

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
    /// A directory that a program renders to manifests.
    Rendered(Rendered),
}

/// A directory that a program renders to manifests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rendered {
    /// The directory.
    pub directory: PathBuf,
    /// The program that renders it.
    pub renderer: Renderer,
    /// All files it is built from that lie in the tree.
    pub files: BTreeSet<PathBuf>,
}

/// The inputs of a run.
#[derive(Debug, Default)]
pub struct Tree {
    /// The sources in a stable order, without duplicates.
    pub sources: Vec<Source>,
    /// Errors from listing files and directories.
    pub errors: Vec<Diagnostic>,
    /// Number of files that --exclude left out.
    pub excluded: usize,
}

impl Tree {
    /// Finds all sources below the named paths; `relative` returns a path relative to the project's root.
    pub fn walk(paths: &[PathBuf], choice: &Choice, relative: impl Fn(&Path) -> PathBuf) -> Self {
        let mut tree = Self::default();
        let exclude = match patterns(&choice.exclude) {
            Ok(exclude) => exclude,
            Err(error) => {
                tree.errors.push(error);
                return tree;
            }
        };
        let mut files = BTreeSet::new();
        let mut stdin = false;
        for path in paths {
            if path.as_os_str() == "-" {
                stdin = true;
            } else if path.is_dir() {
                tree.directory(path, choice, &mut files);
            } else {
                files.insert(tidy(path));
            }
        }
        each_once(&mut files);
        let all = files.len();
        files.retain(|file| {
            !exclude.matched_path_or_any_parents(below_root(&relative(file)), false).is_ignore()
        });
        tree.excluded = all - files.len();
        let named: BTreeSet<PathBuf> =
            paths.iter().map(|path| tidy(path)).filter(|path| files.contains(path)).collect();
        // Chart templates are not YAML, so they are never read as they are.
        let mut rendered = take_charts(&mut files);
        if choice.rendered {
            rendered.extend(take_kustomizations(&mut files));
            rendered.sort();
        } else {
            rendered.clear();
        }
        // A file named by the user is read as it is, even if it is also part of a rendered directory.
        files.extend(named.iter().cloned());
        tree.sources = files
            .into_iter()
            .filter(|file| is_manifest(file) || named.contains(file))
            .filter(|file| !is_part_of_rendering(file))
            .map(Source::File)
            .chain(rendered.into_iter().map(Source::Rendered))
            .chain(stdin.then_some(Source::Stdin))
            .collect();
        tree
    }

    fn directory(&mut self, directory: &Path, choice: &Choice, files: &mut BTreeSet<PathBuf>) {
        let mut walk = WalkBuilder::new(directory);
        walk.standard_filters(choice.ignored).hidden(true).ignore(false).follow_links(true);
        // Files ignored only on this machine are checked in CI, so they are checked here too.
        walk.git_global(false).git_exclude(false);
        if choice.ignored {
            walk.add_custom_ignore_filename(IGNORE_FILE);
            self.errors.extend(ignore_files::faults_above(directory));
        }
        for entry in walk.build() {
            match entry {
                Ok(entry)
                    if entry.file_type().is_some_and(|kind| kind.is_file()) && is_read(entry.path()) =>
                {
                    files.insert(tidy(entry.path()));
                }
                Ok(entry) if choice.ignored && entry.path().is_dir() => {
                    self.errors.extend(ignore_files::faults(entry.path()));
                }
                Ok(_) => {}
                // A link to a parent directory: everything below it is already in the tree.
                Err(error) if is_loop(&error) => {}
                Err(error) => self.errors.push(diagnostic(directory, format!("cannot be listed: {error}"))),
            }
        }
    }
}

fn patterns(globs: &[String]) -> Result<Gitignore, Diagnostic> {
    let wrong = |glob: &str, error: ignore::Error| {
        diagnostic(Path::new("--exclude"), format!("{glob:?} is no pattern of paths: {error}"))
    };
    let mut builder = GitignoreBuilder::new("");
    for glob in globs {
        builder
            .add_line(None, glob.strip_prefix("./").unwrap_or(glob))
            .map_err(|error| wrong(glob, error))?;
    }
    builder.build().map_err(|error| wrong(&globs.join(" "), error))
}

/// Patterns match relative paths only.
fn below_root(path: &Path) -> PathBuf {
    path.components().filter(|part| !matches!(part, Component::RootDir | Component::Prefix(_))).collect()
}

fn is_loop(error: &ignore::Error) -> bool {
    match error {
        ignore::Error::Loop { .. } => true,
        ignore::Error::WithPath { err, .. } | ignore::Error::WithDepth { err, .. } => is_loop(err),
        _ => false,
    }
}

/// Normalizes `./a//b` to `a/b`, so that each file has one name.
pub fn tidy(path: &Path) -> PathBuf {
    let tidy: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy }
}

/// Does the file have a manifest's extension?
pub fn is_manifest(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn is_read(path: &Path) -> bool {
    is_manifest(path) || is_kustomization(path)
}

fn is_kustomization(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| KUSTOMIZATIONS.contains(&name))
}

/// Named by the user, but only an input to rendering.
fn is_part_of_rendering(path: &Path) -> bool {
    is_kustomization(path) || path.file_name().is_some_and(|name| name == CHART)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Removes the files that belong to charts, and returns the charts.
fn take_charts(files: &mut BTreeSet<PathBuf>) -> Vec<Rendered> {
    let mut rendered = Vec::new();
    let charts: Vec<PathBuf> = files
        .iter()
        .filter(|file| file.file_name().is_some_and(|name| name == CHART))
        .map(|file| parent(file).to_owned())
        .collect();
    for directory in charts {
        // Charts below a chart are parts of it; their files were removed with it.
        let is_part = |file: &&PathBuf| file.strip_prefix(&directory).is_ok_and(is_chart_part);
        let own: BTreeSet<PathBuf> = files.iter().filter(is_part).cloned().collect();
        if own.contains(&directory.join(CHART)) {
            files.retain(|file| !own.contains(file));
            if !is_library(&directory) {
                rendered.push(Rendered { directory, renderer: Renderer::Helm, files: own });
            }
        }
    }
    rendered
}

/// Is this path within a chart a part of the chart? Other files may lie beside the parts.
fn is_chart_part(path: &Path) -> bool {
    let first = path.components().next().and_then(|part| part.as_os_str().to_str()).unwrap_or_default();
    let top = path.components().count() == 1;
    CHART_PARTS.contains(&first) || (top && (first == CHART || first.starts_with("values")))
}

/// Drops duplicate names of one file, through symlinks or absolute paths; the first name counts.
fn each_once(files: &mut BTreeSet<PathBuf>) {
    let mut seen = BTreeSet::new();
    files.retain(|file| match file.canonicalize() {
        // A pipe has no other name, and a missing file is reported when it is read.
        Ok(real) if real.is_file() => seen.insert(real),
        _ => true,
    });
}

/// Removes the files that belong to Kustomize directories, and returns those directories.
fn take_kustomizations(files: &mut BTreeSet<PathBuf>) -> Vec<Rendered> {
    let mut rendered = Vec::new();
    let kustomizations: BTreeMap<PathBuf, Kustomization> = files
        .iter()
        .filter(|file| is_kustomization(file))
        .map(|file| (parent(file).to_owned(), Kustomization::read(file)))
        .collect();
    let used: BTreeSet<&PathBuf> = kustomizations.values().flat_map(|one| &one.directories).collect();
    let is_root = |directory: &&PathBuf| !used.contains(directory);
    // Directories not reachable from any root form a cycle: the renderer reports it.
    let (roots, rest): (Vec<&PathBuf>, Vec<&PathBuf>) = kustomizations.keys().partition(is_root);
    let mut reached = BTreeSet::new();
    for directory in roots.into_iter().chain(rest) {
        if reached.contains(directory) {
            continue;
        }
        let made_of = made_of(directory, &kustomizations);
        reached.extend(made_of.directories);
        if kustomizations.get(directory).is_some_and(|one| !one.component) {
            rendered.push(Rendered {
                directory: directory.clone(),
                renderer: Renderer::Kustomize,
                files: made_of.files,
            });
        }
    }
    for kustomization in kustomizations.values() {
        files.retain(|file| !kustomization.files.contains(file));
    }
    rendered
}

/// A chart of type `library` renders no manifests.
fn is_library(chart: &Path) -> bool {
    let chart = document(&chart.join(CHART));
    chart.get("type").and_then(Value::as_str) == Some("library")
}

/// The paths named by one kustomization.
#[derive(Debug, Default)]
struct Kustomization {
    component: bool,
    /// Files, including the kustomization itself.
    files: BTreeSet<PathBuf>,
    /// Other Kustomize directories.
    directories: BTreeSet<PathBuf>,
}

impl Kustomization {
    /// Reads the fields that name files and directories, for all releases of Kustomize.
    fn read(file: &Path) -> Self {
        let value = document(file);
        let mut own = Self {
            component: value.get("kind").and_then(Value::as_str) == Some("Component"),
            ..Self::default()
        };
        own.files.insert(file.to_owned());
        let directory = parent(file);
        for field in ["resources", "bases", "components"] {
            texts(value.get(field)).for_each(|text| own.names(directory, text, true));
        }
        let lists =
            ["crds", "configurations", "generators", "transformers", "validators", "patchesStrategicMerge"];
        for field in lists {
            texts(value.get(field)).for_each(|text| own.names(directory, text, false));
        }
        for field in ["patches", "patchesJson6902", "replacements"] {
            for item in items(value.get(field)) {
                texts(item.get("path")).for_each(|text| own.names(directory, text, false));
            }
        }
        for item in
            ["configMapGenerator", "secretGenerator"].iter().flat_map(|field| items(value.get(*field)))
        {
            for text in ["files", "envs", "env"].iter().flat_map(|field| texts(item.get(*field))) {
                // `key=path`
                own.names(directory, text.rsplit('=').next().unwrap_or(text), false);
            }
        }
        for item in items(value.get("helmCharts")) {
            let values = texts(item.get("valuesFile")).chain(texts(item.get("additionalValuesFiles")));
            values.for_each(|text| own.names(directory, text, false));
        }
        texts(value.get("openapi").and_then(|openapi| openapi.get("path")))
            .for_each(|text| own.names(directory, text, false));
        own
    }

    fn names(&mut self, directory: &Path, text: &str, directories: bool) {
        if text.is_empty() || text.contains('\n') || text.contains("://") {
            return;
        }
        let path = resolved(&directory.join(text));
        // An empty path is the current directory.
        if path.as_os_str().is_empty() || path.is_dir() {
            if directories && path != directory {
                self.directories.insert(path);
            }
        } else if path.is_file() {
            self.files.insert(path);
        }
    }

    /// The kustomization of a directory, which may lie outside the tree.
    fn in_directory(directory: &Path) -> Option<Self> {
        let file = KUSTOMIZATIONS.iter().map(|name| directory.join(name)).find(|file| file.is_file())?;
        Some(Self::read(&file))
    }
}

fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// A string, or the strings of a list.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_str).into_iter().chain(items(value).filter_map(Value::as_str))
}

/// What a Kustomize directory is built from.
#[derive(Default)]
struct MadeOf {
    files: BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
}

/// All files of a Kustomize directory and of those it is built from, inside and outside the tree.
fn made_of(directory: &Path, all: &BTreeMap<PathBuf, Kustomization>) -> MadeOf {
    let (mut made_of, mut waiting) = (MadeOf::default(), vec![directory.to_owned()]);
    while let Some(directory) = waiting.pop() {
        if !made_of.directories.insert(directory.clone()) {
            continue;
        }
        let elsewhere =
            if all.contains_key(&directory) { None } else { Kustomization::in_directory(&directory) };
        if let Some(kustomization) = all.get(&directory).or(elsewhere.as_ref()) {
            made_of.files.extend(kustomization.files.iter().cloned());
            waiting.extend(kustomization.directories.iter().cloned());
        }
    }
    made_of
}

/// Normalizes `a/./b/../c` to `a/c` lexically, as Kustomize does.
pub fn resolved(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => {
                    out.pop();
                }
                // The root has no parent.
                Some(Component::RootDir) => {}
                _ => out.push(part),
            },
            part => out.push(part),
        }
    }
    out
}

/// The first document of a file. Errors are left to the program that renders it.
fn document(file: &Path) -> Value {
    let bytes = read_bytes(file).unwrap_or_default();
    let documents = yaml::read_bytes(&bytes).unwrap_or_default();
    documents.into_iter().next().map_or(Value::Null, |document| document.value)
}
