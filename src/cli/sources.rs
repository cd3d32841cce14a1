//! The flags that say what is read: shared by all subcommands that take a tree of manifests.

use std::path::PathBuf;

use clap::Args;

use super::config::ConfigArguments;
use super::project::{CONFIG_FILE, Project};
use crate::source::tree::{Choice, Tree};

#[derive(Args)]
pub struct SourceArguments {
    /// Files, directories, or - for standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    config: ConfigArguments,

    /// Leave out files whose paths match, as patterns in a .gitignore do; may be given several times
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Read also what .gitignore and .stategateignore name
    #[arg(long)]
    no_ignore: bool,
}

impl SourceArguments {
    /// Where the run takes place.
    pub fn project(&self) -> anyhow::Result<Project> {
        Ok(Project::find(self.config.file()?.as_deref())?)
    }

    /// What is to be read.
    pub fn tree(&self, project: &Project, rendered: bool) -> anyhow::Result<Tree> {
        if self.paths.is_empty() {
            anyhow::bail!(
                "there is no PATH\n  help: write . for this directory, or set paths in {CONFIG_FILE}"
            );
        }
        let choice = Choice { exclude: self.exclude.clone(), ignored: !self.no_ignore, rendered };
        Ok(Tree::walk(&self.paths, &choice, |path| project.relative(path)))
    }
}
