//! Where policies, bindings and the inventory come from: read anew at each call, compiled, and put together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::catalogue::Catalogue;
use super::manifests::Manifests;
use super::{files_below, read_text, sandbox};
use crate::admission::GroupKind;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{Inventory, InventoryWriter, Record};
use crate::policyset::{CompileOptions, PolicySet, Sources};

/// Binds every policy, so that the sandbox evaluates every policy.
const SANDBOX_PROFILE: &str = "production";

/// What policies to load, and how they are bound.
#[derive(Clone, Debug)]
pub struct PolicySource {
    /// A directory of policies beside the shipped ones.
    pub directory: Option<PathBuf>,
    /// Only the policies of the directory judge.
    pub no_catalogue: bool,
    /// The shipped bindings.
    pub profile: String,
    /// Files of PolicyBindings and PolicyExceptions.
    pub bindings: Vec<PathBuf>,
    /// How long a rule may take by the clock; none: what a webhook has.
    pub rule_limit: Option<Duration>,
}

impl PolicySource {
    /// All texts, read anew at every call.
    ///
    /// # Errors
    /// If a file cannot be read, or there is no such profile.
    pub fn read(&self) -> Result<Sources, Diagnostics> {
        let own = self.directory.as_deref().map(Catalogue::directory).transpose()?;
        let mut sources = catalogue_below(own.as_ref(), self.no_catalogue).sources(&self.profile)?;
        for file in &self.bindings {
            sources.bindings.push(read_text(file)?);
        }
        Ok(sources)
    }

    /// Compiles texts. Policies that do not come with the binary are tried outside this process first. With
    /// `previous`, policies whose texts have not changed are taken over as they are.
    ///
    /// # Errors
    /// All errors that can be found in one go.
    pub fn compile(&self, sources: &Sources, previous: Option<&PolicySet>) -> Result<PolicySet, Diagnostics> {
        if self.directory.is_some() && !previous.is_some_and(|set| set.is_compiled_from(sources)) {
            sandbox::run(&this_program(), sources)?;
        }
        let options = CompileOptions { rule_limit: self.rule_limit, reuse: previous, before_parsing: None };
        PolicySet::compile(sources, options)
    }

    /// Can the texts change while the process runs?
    pub fn may_change(&self) -> bool {
        self.directory.is_some() || !self.bindings.is_empty()
    }
}

/// Tries a catalogue that holds more than the shipped one in a process of its own, tests and all.
///
/// # Errors
/// What is wrong with it.
pub fn try_in_sandbox(catalogue: &Catalogue) -> Result<(), Diagnostics> {
    let mut sources = catalogue.sources(SANDBOX_PROFILE)?;
    sources.tests = catalogue.tests();
    sandbox::run(&this_program(), &sources)
}

/// This binary, even if another one has taken its place on the disk since.
fn this_program() -> PathBuf {
    let own = Path::new("/proc/self/exe");
    if own.exists() { own.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| "stategate".into()) }
}

/// The shipped catalogue, with another laid over it.
pub fn catalogue_below(own: Option<&Catalogue>, no_catalogue: bool) -> Catalogue {
    let shipped = Catalogue::embedded();
    let shipped = if no_catalogue { shipped.without_policies() } else { shipped };
    match own {
        Some(own) => shipped.overlaid(own),
        None => shipped,
    }
}

/// Files that tell what is in a cluster.
#[derive(Clone, Debug, Default)]
pub struct InventorySource {
    /// Files and directories of manifests: of every kind in there, all objects of the cluster.
    pub paths: Vec<PathBuf>,
    /// The namespace of objects that name none.
    pub default_namespace: String,
}

/// When files were last changed, and how large they are. Tells changes of large files without reading them; a
/// link that was swapped leads to another file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, (PathBuf, u64, Option<SystemTime>)>);

impl InventorySource {
    /// What the files hold, read as this policy set reads workloads.
    ///
    /// # Errors
    /// All files and documents that cannot be read.
    pub fn read(&self, set: &PolicySet) -> Result<Inventory, Diagnostics> {
        let manifests = Manifests::read(&self.paths);
        if !manifests.errors.is_empty() {
            return Err(Diagnostics(manifests.errors));
        }
        Ok(cluster_of(&manifests, set.inventory_writer(), &self.default_namespace))
    }

    /// Of the files as they are now.
    ///
    /// # Errors
    /// If a file or directory cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, Diagnostic> {
        let mut fingerprint = Fingerprint::default();
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

/// The inventory of a cluster that these manifests are lists of: of their kinds there are no other objects.
pub fn cluster_of(manifests: &Manifests, mut writer: InventoryWriter, default_namespace: &str) -> Inventory {
    let mut records: BTreeMap<GroupKind, Vec<Record>> =
        manifests.listed.iter().map(|kind| (kind.clone(), Vec::new())).collect();
    for manifest in &manifests.objects {
        let kind = GroupKind::new(manifest.api_version(), manifest.kind());
        let record = writer.reader().read(&kind, &manifest.object, default_namespace);
        records.entry(kind).or_default().extend(record);
    }
    records.into_iter().for_each(|(kind, records)| writer.relist(&kind, records));
    for manifest in &manifests.objects {
        writer.keep_whole(manifest.reference(default_namespace), Arc::clone(&manifest.object));
    }
    writer.snapshot()
}
