//! `stategate policy docs`: the READMEs of policies and their index.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::pages::{Library, folder};
use super::reference;
use crate::cli::{Exit, print, say};
use crate::plain;
use crate::policy::Policy;
use crate::report::page::{Block, markdown};
use crate::source::policies::{catalogue_below, try_in_sandbox};
use crate::source::{catalogue::Catalogue, read_text};

#[derive(Args)]
#[command(after_help = "Examples:
  stategate policy docs policies
  stategate policy docs --check policies

Exit codes: 0 written or up to date, 1 files differ (--check), 2 something could not be read, evaluated or written.")]
pub struct Arguments {
    /// The directory of policies, as for `stategate test`
    #[arg(default_value = "policies")]
    dir: PathBuf,

    /// Load the policies of DIR without the shipped ones
    #[arg(long)]
    no_catalogue: bool,

    /// Write nothing; list the files that differ
    #[arg(long)]
    check: bool,
}

/// The first line of every generated file: a README without it was written by hand.
const MARK: &str =
    "<!-- Written by `stategate policy docs` from METADATA and examples: change those. -->\n\n";

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let own = Catalogue::directory(&arguments.dir)?;
    let catalogue = catalogue_below(Some(&own), arguments.no_catalogue);
    try_in_sandbox(&catalogue)?;
    let library = Library::new(catalogue)?;
    let sources: Vec<_> = own.unbound().policies.into_iter().map(|text| text.name).collect();
    let policies: Vec<&Policy> =
        library.policies().filter(|policy| sources.contains(&policy.source)).collect();

    let file = |below: &str| arguments.dir.join(below).join("README.md");
    let mut pages = vec![(file(""), text(&library.index(&policies)))];
    for policy in policies {
        pages.push((file(&folder(policy)), text(&library.page(policy)?)));
    }
    let libraries = own.unbound().libraries;
    if !libraries.is_empty() {
        pages.push((arguments.dir.join("INPUT.md"), text(&reference::input_page())));
        pages.push((file("lib"), text(&reference::library_page(&libraries)?)));
    }
    let count = pages.len();
    let mut differing = Vec::new();
    for (path, text) in pages {
        if current(&path)?.as_deref() != Some(&text) {
            differing.push((path, text));
        }
    }
    if arguments.check {
        for (path, _) in &differing {
            print(&format!("{}\n", plain::path(path)))?;
        }
        if differing.is_empty() {
            return Ok(Exit::Clean);
        }
        say(&format!(
            "these files are stale; write them with: stategate policy docs {}\n",
            plain::path(&arguments.dir)
        ));
        return Ok(Exit::Findings);
    }
    for (path, text) in &differing {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", plain::path(path)))?;
    }
    say(&format!("{} of {count} files written\n", differing.len()));
    Ok(Exit::Clean)
}

fn text(page: &[Block]) -> String {
    format!("{MARK}{}", markdown(page))
}

/// The current text. A README that was written by hand is never replaced.
fn current(path: &Path) -> anyhow::Result<Option<String>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = read_text(path).map_err(crate::diagnostic::Diagnostics::from)?;
    anyhow::ensure!(
        text.text.starts_with(MARK.trim_end()),
        "{}: was not written by `stategate policy docs`; move or rename it",
        plain::path(path)
    );
    Ok(Some(text.text.to_string()))
}
