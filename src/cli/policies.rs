//! The flags that choose what judges: shared by all subcommands.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::diagnostic::Diagnostics;
use crate::policyset::{PolicySet, Sources};
use crate::source::catalogue::Catalogue;
use crate::source::read_text;

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
    /// The shipped catalogue, with the user's directory laid over it.
    pub fn catalogue(&self) -> anyhow::Result<Catalogue> {
        catalogue(self.policies.as_deref())
    }

    pub fn policy_set(&self) -> anyhow::Result<PolicySet> {
        Ok(PolicySet::compile(&self.sources()?)?)
    }

    /// Everything that the flags name, read anew at every call.
    pub fn sources(&self) -> anyhow::Result<Sources> {
        let mut sources = self.catalogue()?.sources(&self.profile).map_err(Diagnostics::from)?;
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

/// The shipped catalogue, with a directory laid over it.
pub fn catalogue(directory: Option<&Path>) -> anyhow::Result<Catalogue> {
    let shipped = Catalogue::embedded();
    Ok(match directory {
        Some(directory) => shipped.overlaid(&Catalogue::directory(directory)?),
        None => shipped,
    })
}
