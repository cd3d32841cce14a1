//! The flags that choose what judges: shared by all subcommands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::diagnostic::Diagnostics;
use crate::policyset::{PolicySet, Sources};
use crate::server::Origin;
use crate::source::catalogue::Catalogue;
use crate::source::{read_text, sandbox};

/// Binds every policy, so that the sandbox evaluates every policy.
const TRIED_PROFILE: &str = "production";

/// What a rule may take by the clock where nobody waits at a webhook: CI runs on busy machines. Less
/// than what the watch over the evaluation threads takes for stuck.
pub const RULE_TIME: Duration = Duration::from_millis(1500);

#[derive(Args, Clone)]
pub struct PolicyArguments {
    /// The shipped bindings to judge by: production, baseline or regulated
    #[arg(long, default_value = "production")]
    pub profile: String,

    #[command(flatten)]
    pub catalogue: CatalogueArguments,

    /// A file of your own PolicyBindings and PolicyExceptions; may be given several times
    #[arg(long, value_name = "FILE")]
    pub bindings: Vec<PathBuf>,
}

#[derive(Args, Clone)]
pub struct CatalogueArguments {
    /// A directory of policies beside the shipped ones; a file of the same path replaces the shipped one
    #[arg(long, value_name = "DIR")]
    pub policies: Option<PathBuf>,

    /// Leave the shipped policies out: only those of --policies judge. Profiles, projections and the
    /// libraries stategate.lib.* stay
    #[arg(long, requires = "policies")]
    pub no_catalogue: bool,
}

impl CatalogueArguments {
    /// The shipped catalogue, with the user's directory laid over it.
    pub fn catalogue(&self) -> Result<Catalogue, Diagnostics> {
        let own = self.policies.as_deref().map(Catalogue::directory).transpose()?;
        Ok(catalogue_below(own.as_ref(), self.no_catalogue))
    }

    /// The same, tried, so that all of it can be compiled in this process.
    pub fn tried(&self) -> Result<Catalogue, Diagnostics> {
        let catalogue = self.catalogue()?;
        if self.policies.is_some() {
            tried(&catalogue)?;
        }
        Ok(catalogue)
    }
}

impl PolicyArguments {
    pub fn policy_set(&self) -> anyhow::Result<PolicySet> {
        Ok(self.compile(&self.sources()?)?)
    }

    /// Everything that the flags name, read anew at every call.
    pub fn sources(&self) -> anyhow::Result<Sources> {
        let mut sources = self.catalogue.catalogue()?.sources(&self.profile).map_err(Diagnostics::from)?;
        for file in &self.bindings {
            sources.bindings.push(read_text(file).map_err(Diagnostics::from)?);
        }
        Ok(sources)
    }

    /// Can what the flags name change while the process runs?
    pub fn may_change(&self) -> bool {
        self.catalogue.policies.is_some() || !self.bindings.is_empty()
    }
}

impl Origin for PolicyArguments {
    fn read(&self) -> Result<Sources, String> {
        self.sources().map_err(|error| format!("{error:#}"))
    }

    /// What does not come with the binary is tried outside this process first.
    fn compile(&self, sources: &Sources) -> Result<PolicySet, Diagnostics> {
        if self.catalogue.policies.is_some() {
            sandbox::of(&this_program(), sources)?;
        }
        PolicySet::compile(sources)
    }
}

/// Compiles for a run on the command line.
pub fn compile(sources: &Sources) -> Result<PolicySet, Diagnostics> {
    Ok(PolicySet::compile(sources)?.allowing(RULE_TIME))
}

/// Tries a catalogue that holds more than the shipped one in a process of its own, tests and all.
///
/// # Errors
/// What is wrong with it.
pub fn tried(catalogue: &Catalogue) -> Result<(), Diagnostics> {
    let mut sources = catalogue.sources(TRIED_PROFILE)?;
    sources.tests = catalogue.tests();
    sandbox::of(&this_program(), &sources)
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
