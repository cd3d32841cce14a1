//! The flags that choose what to read, shared by all subcommands that take a tree of manifests.

use std::path::{Path, PathBuf};

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

    /// Exclude files whose paths match this .gitignore pattern (a rendered directory only as a whole); may
    /// be given several times
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,

    /// Also read what .gitignore and .stategateignore exclude
    #[arg(long)]
    no_ignore: bool,
}

impl SourceArguments {
    /// Whether PATHs are given.
    pub fn has_paths(&self) -> bool {
        !self.paths.is_empty()
    }

    /// Where the run takes place.
    pub fn project(&self) -> anyhow::Result<Project> {
        Ok(Project::find(self.config.file()?.as_deref())?)
    }

    /// The configuration of the repository, unless --config names another one.
    pub fn found_config(&self) -> anyhow::Result<Option<PathBuf>> {
        self.config.found()
    }

    /// Whether there are patterns of --exclude that the others do not have.
    pub fn has_more_excludes(&self, others: &Self) -> bool {
        self.exclude.len() > others.exclude.len()
    }

    /// How many paths there are, unless the others have some, too, or one of them is the whole project.
    pub fn chosen_paths(&self, others: &Self) -> anyhow::Result<Option<usize>> {
        let project = self.project()?;
        let whole = |path: &PathBuf| project.root().starts_with(project.absolute(path));
        let limited = others.paths.is_empty() && !self.paths.is_empty() && !self.paths.iter().any(whole);
        Ok(limited.then_some(self.paths.len()))
    }

    /// What to read.
    pub fn tree(&self, project: &Project, rendered: bool) -> anyhow::Result<Tree> {
        let mut paths = self.paths.clone();
        if paths.is_empty() {
            // A configuration without paths applies to everything below it.
            let config = self.config.file()?.ok_or_else(|| {
                anyhow::anyhow!("no PATH given\n  help: write . for this directory, or add a {CONFIG_FILE}")
            })?;
            paths.push(
                config
                    .parent()
                    .filter(|path| !path.as_os_str().is_empty())
                    .unwrap_or(Path::new("."))
                    .to_owned(),
            );
        }
        let choice = self.choice(project, rendered);
        // CI systems identify files by their relative paths.
        let paths: Vec<PathBuf> = paths.iter().map(|path| project.shown(path)).collect();
        Ok(Tree::walk(&paths, &choice, |path| project.relative(path)))
    }

    /// What to read of a previous version below these roots. Patterns are those of the present version, so they match
    /// paths below the roots.
    pub fn previous_tree(&self, roots: &[PathBuf], project: &Project, rendered: bool) -> Tree {
        let below = |path: &Path| {
            let below = roots.iter().find_map(|root| path.strip_prefix(root).ok());
            below.filter(|below| below.file_name().is_some()).unwrap_or(path).to_owned()
        };
        Tree::walk(roots, &self.choice(project, rendered), below)
    }

    fn choice(&self, project: &Project, rendered: bool) -> Choice {
        Choice {
            exclude: self.exclude.clone(),
            ignored: !self.no_ignore,
            rendered,
            root: project.root().to_owned(),
        }
    }
}
