//! The flags that choose what judges: shared by all subcommands.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::policyset::PolicySet;
use crate::source::catalogue::Catalogue;

#[derive(Args, Clone)]
pub struct PolicyArguments {
    /// The shipped bindings to judge by: production or baseline
    #[arg(long, default_value = "production")]
    pub profile: String,

    /// A directory of policies beside the shipped ones; a file of the same path replaces the shipped one
    #[arg(long, value_name = "DIR")]
    pub policies: Option<PathBuf>,
}

impl PolicyArguments {
    /// The shipped catalogue, with the user's directory laid over it.
    pub fn catalogue(&self) -> anyhow::Result<Catalogue> {
        catalogue(self.policies.as_deref())
    }

    pub fn policy_set(&self) -> anyhow::Result<PolicySet> {
        Ok(PolicySet::compile(
            &self.catalogue()?.sources(&self.profile).map_err(crate::diagnostic::Diagnostics::from)?,
        )?)
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
