//! `stategate explain`: what a policy demands, why, and how to fix a violation.

use clap::Args;

use super::policies::CatalogueArguments;
use super::policy::pages::Library;
use super::{Exit, print};
use crate::diagnostic::did_you_mean;
use crate::report::page::terminal;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate explain volume-no-emptydir-data

Exit codes: 0 printed, 2 there is no such policy.")]
pub struct Arguments {
    /// The id of the policy
    id: String,

    #[command(flatten)]
    catalogue: CatalogueArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let library = Library::new(arguments.catalogue.tried()?)?;
    let id = arguments.id.replace('_', "-");
    let Some(policy) = library.policies().find(|policy| policy.id.as_str() == id) else {
        let help = did_you_mean(&id, library.policies().map(|policy| policy.id.as_str()))
            .unwrap_or_else(|| "`stategate policy list` shows all policies".to_owned());
        anyhow::bail!("there is no policy {}\n  help: {help}", arguments.id);
    };
    print(&terminal(&library.page(policy)?))?;
    Ok(Exit::Clean)
}
