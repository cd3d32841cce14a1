//! `stategate man`: manual pages.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

use super::Exit;
use crate::plain;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate man ~/.local/share/man/man1
  stategate man /usr/local/share/man/man1 && man stategate-check")]
pub struct Arguments {
    /// The directory to write them to, one for each command; it is made if it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let directory = &arguments.directory;
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(super::Arguments::command(), directory))
        .with_context(|| plain::path(directory))?;
    Ok(Exit::Clean)
}
