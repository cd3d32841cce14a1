//! The flags that choose what judges: shared by all subcommands.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::diagnostic::Diagnostics;
use crate::policyset::{PolicySet, Sources};
use crate::server::Origin;
use crate::source::catalogue::Catalogue;
use crate::source::{read_text, trial};

/// Binds every policy, so that a trial asks every policy.
const TRIED_PROFILE: &str = "production";

#[derive(Args, Clone)]
pub struct PolicyArguments {
    /// The shipped bindings to judge by: production or baseline
    #[arg(long, default_value = "production")]
    pub profile: String,

    /// A directory of policies beside the shipped ones; a file of the same path replaces the shipped one
    #[arg(long, value_name = "DIR")]
    pub policies: Option<PathBuf>,

    /// A file of your own PolicyBindings and PolicyExceptions; may be given several times
    #[arg(long, value_name = "FILE")]
    pub bindings: Vec<PathBuf>,
}

impl PolicyArguments {
    pub fn policy_set(&self) -> anyhow::Result<PolicySet> {
        Ok(self.compile(&self.sources()?)?)
    }

    /// Everything that the flags name, read anew at every call.
    pub fn sources(&self) -> anyhow::Result<Sources> {
        let shipped = Catalogue::embedded();
        let catalogue = match &self.policies {
            Some(directory) => shipped.overlaid(&Catalogue::directory(directory)?),
            None => shipped,
        };
        let mut sources = catalogue.sources(&self.profile).map_err(Diagnostics::from)?;
        for file in &self.bindings {
            sources.bindings.push(read_text(file).map_err(Diagnostics::from)?);
        }
        Ok(sources)
    }

    /// Can what the flags name change while the process runs?
    pub fn may_change(&self) -> bool {
        self.policies.is_some() || !self.bindings.is_empty()
    }
}

impl Origin for PolicyArguments {
    fn read(&self) -> Result<Sources, String> {
        self.sources().map_err(|error| format!("{error:#}"))
    }

    /// What does not come with the binary is tried outside this process first.
    fn compile(&self, sources: &Sources) -> Result<PolicySet, Diagnostics> {
        if self.policies.is_some() {
            trial::of(&this_program(), sources)?;
        }
        PolicySet::compile(sources)
    }
}

/// The shipped catalogue, with a directory laid over it.
pub fn catalogue(directory: Option<&Path>) -> anyhow::Result<Catalogue> {
    match directory {
        Some(directory) => overlaid(&Catalogue::directory(directory)?),
        None => Ok(Catalogue::embedded()),
    }
}

/// The shipped catalogue with another one laid over it: tried, tests and all, so that it can be compiled
/// in this process.
pub fn overlaid(own: &Catalogue) -> anyhow::Result<Catalogue> {
    let catalogue = Catalogue::embedded().overlaid(own);
    let mut sources = catalogue.sources(TRIED_PROFILE).map_err(Diagnostics::from)?;
    sources.tests = catalogue.tests();
    trial::of(&this_program(), &sources)?;
    Ok(catalogue)
}

/// This binary, even if another one has taken its place on the disk since.
fn this_program() -> PathBuf {
    let own = Path::new("/proc/self/exe");
    if own.exists() { own.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| "stategate".into()) }
}
