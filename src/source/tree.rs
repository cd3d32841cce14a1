//! Which files a run reads: those named by the user, minus ignored ones, sorted by path.
//!
//! The files of a Kustomize directory or a Helm chart are not manifests: patches and templates are not what
//! gets stored. Such a directory is one source, which is rendered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use serde_json::Value;

use super::boundary::Boundary;
use super::kustomization::{Kustomization, is_kustomization, made_of};
use super::render::Renderer;
use super::walk::{Filter, is_ignore_file, walk};
use super::{diagnostic, read_bytes};
use crate::diagnostic::Diagnostic;
use crate::yaml;

const CHART: &str = "Chart.yaml";
/// The directories of a chart that hold no other charts than its own parts.
const CHART_PARTS: [&str; 5] = ["templates", "charts", "crds", "ci", "files"];

/// What to read and what to skip.
#[derive(Debug)]
pub struct Choice {
    /// Globs of paths to leave out, as in a `.gitignore` at the project's root.
    pub exclude: Vec<String>,
    /// Leave out paths matched by `.gitignore` and `.stategateignore`.
    pub ignored: bool,
    /// Render Kustomize directories and charts; otherwise their files are read as they are.
    pub rendered: bool,
    /// The directory that paths are told from.
    pub root: PathBuf,
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
    /// What all of it must lie in.
    pub boundary: Boundary,
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
    /// Number of files that `.stategateignore` left out.
    pub ignored: usize,
    /// Number of charts that --no-render left out.
    pub unrendered: usize,
    /// Number of manifests in charts of type `library`, which are only parts of others.
    pub library: usize,
    /// The directories in which `.gitignore` counts.
    pub walked: Vec<WalkedDirectory>,
}

/// A directory in which `.gitignore` counts.
#[derive(Debug)]
pub struct WalkedDirectory {
    /// As named.
    pub directory: PathBuf,
    /// The files that `.gitignore` does not leave out.
    pub files: Vec<PathBuf>,
}

/// The named paths, each with what everything found below it must lie in.
struct Bounds(Vec<(PathBuf, Boundary)>);

impl Bounds {
    /// Of a file or directory below a named path.
    fn of(&self, path: &Path) -> Option<&Boundary> {
        let is_below_here = path.components().all(|part| matches!(part, Component::Normal(_)));
        let holds = |(named, _): &&(PathBuf, Boundary)| {
            path.starts_with(named) || (named == Path::new(".") && is_below_here)
        };
        self.0.iter().find(holds).map(|(_, boundary)| boundary)
    }
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
        let stdin = paths.iter().any(|path| path.as_os_str() == "-");
        let bounds = tree.list(paths, choice, &mut files);
        each_once(&mut files);
        let all = files.len();
        let is_excluded = |path: &Path| {
            let below = below_root(&relative(path));
            exclude.matched_path_or_any_parents(below, path.is_dir()).is_ignore()
        };
        files.retain(|file| !is_excluded(file));
        let links = tree.errors.len();
        // A fault of an ignore file costs the whole directory, which no pattern for the file may hide.
        tree.errors.retain(|error| {
            let path = Path::new(&*error.source);
            is_ignore_file(path) || !is_excluded(path)
        });
        tree.excluded = all - files.len() + links - tree.errors.len();
        let named: BTreeSet<PathBuf> =
            paths.iter().map(|path| tidy(path)).filter(|path| files.contains(path)).collect();
        // Chart templates are not YAML, so they are never read as they are.
        let (mut rendered, library) = take_charts(&mut files, &bounds);
        tree.library = library;
        let kustomizations = kustomizations(&files, &bounds);
        if choice.rendered {
            rendered.extend(take_kustomizations(&mut files, &kustomizations, &bounds));
            rendered.sort();
        } else {
            tree.unrendered = rendered.len();
            rendered.clear();
        }
        // What is laid over other objects is none itself, whether or not anything renders it here.
        for patch in kustomizations.values().flat_map(|one| &one.patches) {
            files.remove(patch);
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

    /// Adds the named files and those below the named directories.
    fn list(&mut self, paths: &[PathBuf], choice: &Choice, files: &mut BTreeSet<PathBuf>) -> Bounds {
        let mut bounds = Bounds(Vec::new());
        for path in paths.iter().filter(|path| path.as_os_str() != "-") {
            let is_directory = path.is_dir();
            let directory = if is_directory { path } else { parent(path) };
            // A directory that is not there is reported when the file is read.
            let boundary = Boundary::around(directory, Some(&choice.root)).ok();
            bounds.0.extend(boundary.clone().map(|boundary| (tidy(directory), boundary)));
            let Some(boundary) = boundary.filter(|_| is_directory) else {
                files.insert(tidy(path));
                continue;
            };
            let walked = walk(path, &boundary, Filter { ignored: choice.ignored, is_read });
            files.extend(walked.files.iter().map(|file| tidy(file)));
            self.errors.extend(walked.errors);
            self.ignored += walked.ignored;
            // Nothing was listed if an ignore file is broken.
            if choice.ignored && !walked.offered.is_empty() {
                self.walked.push(WalkedDirectory { directory: path.clone(), files: walked.offered });
            }
        }
        bounds
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

/// Named by the user, but only an input to rendering.
fn is_part_of_rendering(path: &Path) -> bool {
    is_kustomization(path) || path.file_name().is_some_and(|name| name == CHART)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Removes the files that belong to charts, and returns the charts, and how many manifests libraries have.
fn take_charts(files: &mut BTreeSet<PathBuf>, bounds: &Bounds) -> (Vec<Rendered>, usize) {
    let (mut rendered, mut library) = (Vec::new(), 0);
    let charts: Vec<PathBuf> = files
        .iter()
        .filter(|file| file.file_name().is_some_and(|name| name == CHART))
        .map(|file| parent(file).to_owned())
        .collect();
    for directory in charts.clone() {
        // Nothing below a chart is a manifest, but what helm makes of it: other values, what templates read, dashboards.
        // Charts below it are parts of it, too, unless they lie where helm looks for none. A library renders nothing, so
        // it hides its own parts only.
        let library_chart = is_library(&directory);
        let others: Vec<&PathBuf> = charts.iter().filter(|other| is_other_chart(other, &directory)).collect();
        let is_part = |file: &&PathBuf| {
            let Ok(below) = file.strip_prefix(&directory) else { return false };
            (!library_chart || is_chart_part(below)) && !others.iter().any(|other| file.starts_with(other))
        };
        let own: BTreeSet<PathBuf> = files.iter().filter(is_part).cloned().collect();
        if own.contains(&directory.join(CHART)) {
            files.retain(|file| !own.contains(file));
            if library_chart {
                let is_top = |file: &&PathBuf| file.parent() == Some(&*directory);
                library += own.len() - own.iter().filter(is_top).count();
            } else if let Some(boundary) = bounds.of(&directory) {
                let boundary = boundary.clone();
                rendered.push(Rendered { directory, renderer: Renderer::Helm, files: own, boundary });
            }
        }
    }
    (rendered, library)
}

/// Does this path within a chart belong to it by its name?
fn is_chart_part(path: &Path) -> bool {
    let first = path.components().next().and_then(|part| part.as_os_str().to_str()).unwrap_or_default();
    let top = path.components().count() == 1;
    CHART_PARTS.contains(&first) || (top && (first == CHART || first.starts_with("values")))
}

/// Is this a chart below another one that is no part of it?
fn is_other_chart(chart: &Path, above: &Path) -> bool {
    let Ok(below) = chart.strip_prefix(above) else { return false };
    let first = below.components().next().and_then(|part| part.as_os_str().to_str());
    first.is_some_and(|first| !CHART_PARTS.contains(&first))
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

/// The Kustomize directories.
fn kustomizations(files: &BTreeSet<PathBuf>, bounds: &Bounds) -> BTreeMap<PathBuf, Kustomization> {
    let all = files.iter().filter(|file| is_kustomization(file));
    let read = |file: &PathBuf| {
        Some((parent(file).to_owned(), Kustomization::read(file, bounds.of(parent(file))?)?))
    };
    all.filter_map(read).collect()
}

/// Removes the files that belong to Kustomize directories, and returns those directories.
fn take_kustomizations(
    files: &mut BTreeSet<PathBuf>,
    kustomizations: &BTreeMap<PathBuf, Kustomization>,
    bounds: &Bounds,
) -> Vec<Rendered> {
    let mut rendered = Vec::new();
    // A component that nobody uses renders nothing.
    let used_by = |any: bool| -> BTreeSet<&PathBuf> {
        let users = kustomizations.values().filter(|one| any || !one.component);
        users.flat_map(|one| &one.directories).collect()
    };
    let (used, used_whole) = (used_by(true), used_by(false));
    let is_root = |directory: &&PathBuf| !used.contains(directory);
    let is_half_root = |directory: &&PathBuf| !used_whole.contains(directory);
    let whole = || kustomizations.iter().filter(|(_, one)| !one.component).map(|(directory, _)| directory);
    let mut reached = BTreeSet::new();
    // Directories not reachable from any root form a cycle: the renderer reports it.
    for directory in whole().filter(is_root).chain(whole().filter(is_half_root)).chain(whole()) {
        let Some(boundary) = bounds.of(directory).filter(|_| !reached.contains(directory)) else {
            continue;
        };
        let made_of = made_of(directory, kustomizations, boundary);
        reached.extend(made_of.directories);
        rendered.push(Rendered {
            directory: directory.clone(),
            renderer: Renderer::Kustomize,
            files: made_of.files,
            boundary: boundary.clone(),
        });
    }
    for rendered in &rendered {
        files.retain(|file| !rendered.files.contains(file));
    }
    rendered
}

/// A chart of type `library` renders no manifests.
fn is_library(chart: &Path) -> bool {
    let chart = document(&chart.join(CHART));
    chart.get("type").and_then(Value::as_str) == Some("library")
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
pub(super) fn document(file: &Path) -> Value {
    let bytes = read_bytes(file).unwrap_or_default();
    let documents = yaml::read_bytes(&bytes).unwrap_or_default();
    documents.into_iter().next().map_or(Value::Null, |document| document.value)
}
