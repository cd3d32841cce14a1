//! The sources of policies, bindings and the inventory: read on every call, then compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use super::catalogue::Catalogue;
use super::manifests::Manifests;
use super::{files_below, guarded, read_text, sandbox};
use crate::admission::GroupKind;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine::EngineKind;
use crate::inventory::{Inventory, InventoryWriter, Record};
use crate::policy::Action;
use crate::policyset::{self, CompileOptions, PolicySet, Sources};

/// The profile whose bindings the sandbox uses.
const SANDBOX_PROFILE: &str = "production";

/// The policies to load, and their bindings.
#[derive(Clone, Debug)]
pub struct PolicySource {
    /// A directory of policies in addition to the shipped ones.
    pub directory: Option<PathBuf>,
    /// Leaves out the shipped policies.
    pub no_catalogue: bool,
    /// The name of the shipped profile.
    pub profile: String,
    /// Files of PolicyBindings, PolicyExceptions and Policies.
    pub bindings: Vec<PathBuf>,
    /// The strictest action of the profile's bindings; none: what they say.
    pub at_most: Option<Action>,
    /// What evaluates the rules.
    pub engine: EngineKind,
}

impl PolicySource {
    /// All sources, read on every call.
    ///
    /// # Errors
    /// If a file cannot be read, or there is no such profile.
    pub fn read(&self) -> Result<Sources, Diagnostics> {
        let own = self.directory.as_deref().map(Catalogue::directory).transpose()?;
        let shipped = Catalogue::embedded_for_reviews();
        let mut sources = below(shipped, own.as_ref(), self.no_catalogue).sources(&self.profile)?;
        sources.outside = own.is_some();
        sources.at_most = self.at_most;
        sources.engine = self.engine;
        for file in &self.bindings {
            let text = read_text(file)?;
            let policies = policyset::policies(&text)?;
            sources.outside |= !policies.is_empty();
            sources.policies.extend(policies);
            sources.bindings.push(text);
        }
        Ok(sources)
    }

    /// Compiles sources. Policies that are not part of the binary are first tried outside this process. With
    /// `previous`, its compiled policies are reused if their sources have not changed.
    ///
    /// # Errors
    /// All errors that can be found in one pass.
    pub fn compile(&self, sources: &Sources, previous: Option<&PolicySet>) -> Result<PolicySet, Diagnostics> {
        // Bindings count, too: the sandbox evaluates policies with the parameters that bindings set.
        let tried = previous.is_some_and(|set| set.file_digest() == sources.file_digest());
        if sources.outside && !tried {
            sandbox::run(&this_program(), &sources.of_files())?;
        }
        let options = CompileOptions { reuse: previous, ..CompileOptions::default() };
        PolicySet::compile(sources, options)
    }

    /// Whether the sources can change while the process runs.
    pub fn may_change(&self) -> bool {
        self.directory.is_some() || !self.bindings.is_empty()
    }
}

/// Tries a catalogue that extends the shipped one in a child process, including its tests.
///
/// # Errors
/// The errors in the catalogue.
pub fn try_in_sandbox(catalogue: &Catalogue) -> Result<(), Diagnostics> {
    let mut sources = catalogue.sources(SANDBOX_PROFILE)?;
    sources.tests = catalogue.tests();
    sandbox::run(&this_program(), &sources)
}

/// This binary, even if its file has been replaced since it started.
pub(super) fn this_program() -> PathBuf {
    let own = Path::new("/proc/self/exe");
    if own.exists() { own.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| "stategate".into()) }
}

/// The shipped catalogue, overlaid with another one.
pub fn catalogue_below(own: Option<&Catalogue>, no_catalogue: bool) -> Catalogue {
    below(Catalogue::embedded(), own, no_catalogue)
}

fn below(shipped: Catalogue, own: Option<&Catalogue>, no_catalogue: bool) -> Catalogue {
    let shipped = if no_catalogue { shipped.without_policies() } else { shipped };
    match own {
        Some(own) => shipped.overlaid(own),
        None => shipped,
    }
}

/// Files that describe the objects of a cluster.
#[derive(Clone, Debug, Default)]
pub struct InventorySource {
    /// Files and directories of manifests. They must contain all objects of the cluster for each kind that
    /// they contain.
    pub paths: Vec<PathBuf>,
    /// The namespace for objects that name none.
    pub default_namespace: String,
    /// What came from standard input or a pipe, which can be read only once.
    read_once: OnceLock<Arc<Manifests>>,
}

/// Modification times and sizes of files: detects changes to large files without reading them. Symlinks are
/// resolved, so that a swapped link counts as a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, (PathBuf, u64, Option<SystemTime>)>);

impl InventorySource {
    /// Of these files and directories, or `-` for standard input.
    pub fn new(paths: Vec<PathBuf>, default_namespace: &str) -> Self {
        Self { paths, default_namespace: default_namespace.to_owned(), read_once: OnceLock::new() }
    }

    /// Reads the files, projecting workloads as this policy set does.
    ///
    /// # Errors
    /// All files and documents that cannot be read.
    pub fn read(&self, set: &PolicySet) -> Result<Inventory, Diagnostics> {
        Ok(self.inventory(&*self.manifests()?, set))
    }

    /// Reads the files.
    ///
    /// # Errors
    /// All files and documents that cannot be read.
    pub fn manifests(&self) -> Result<Arc<Manifests>, Diagnostics> {
        if let Some(manifests) = self.read_once.get() {
            return Ok(Arc::clone(manifests));
        }
        let manifests = Manifests::read(&self.paths);
        if !manifests.errors.is_empty() {
            return Err(Diagnostics(manifests.errors));
        }
        let manifests = Arc::new(manifests);
        if !self.can_be_read_again() {
            // Only this thread reads, so nothing is there yet.
            let _ = self.read_once.set(Arc::clone(&manifests));
        }
        Ok(manifests)
    }

    /// The inventory from manifests that were read, for this policy set.
    pub fn inventory(&self, manifests: &Manifests, set: &PolicySet) -> Inventory {
        cluster_of(manifests, set.inventory_writer(), &self.default_namespace)
    }

    /// Whether the files can change while the process runs.
    pub fn may_change(&self) -> bool {
        !self.paths.is_empty() && self.can_be_read_again()
    }

    fn can_be_read_again(&self) -> bool {
        self.paths.iter().all(|path| path.is_file() || path.is_dir())
    }

    /// The fingerprint of the files in their current state.
    ///
    /// # Errors
    /// If a file or directory cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, Diagnostic> {
        let mut fingerprint = Fingerprint::default();
        if self.read_once.get().is_some() || !self.may_change() {
            return Ok(fingerprint);
        }
        for path in &self.paths {
            let files = if path.is_dir() { files_below(path)? } else { vec![path.clone()] };
            for file in files {
                let real = file.canonicalize().map_err(|error| super::unreadable(&file, &error))?;
                let metadata = std::fs::metadata(&real).map_err(|error| super::unreadable(&file, &error))?;
                fingerprint.0.insert(file, (real, metadata.len(), metadata.modified().ok()));
            }
        }
        Ok(fingerprint)
    }
}

/// The inventory of a cluster from these manifests, which contain all of its objects for each kind that they
/// contain. An object that cannot be read is left out, and its kind is then not complete.
pub fn cluster_of(manifests: &Manifests, mut writer: InventoryWriter, default_namespace: &str) -> Inventory {
    let mut records: BTreeMap<GroupKind, Vec<Record>> =
        manifests.listed.iter().map(|kind| (kind.clone(), Vec::new())).collect();
    let mut incomplete = BTreeSet::new();
    for manifest in &manifests.objects {
        let kind = GroupKind::new(manifest.api_version(), manifest.kind());
        match guarded(|| writer.reader().read(&kind, &manifest.object, default_namespace)) {
            Some(record) => records.entry(kind).or_default().extend(record),
            None => drop(incomplete.insert(kind)),
        }
    }
    for (kind, records) in records {
        if incomplete.contains(&kind) {
            records.into_iter().for_each(|record| writer.replace(record));
        } else {
            writer.relist(&kind, records);
        }
    }
    for manifest in &manifests.objects {
        writer.keep_object(manifest.reference(default_namespace), Arc::clone(&manifest.object));
    }
    writer.snapshot()
}
