//! `stategate policy …`: list, document and create policies.

mod docs;
mod list;
mod new;
pub mod pages;
mod reference;
pub mod standing;

use clap::Subcommand;

use super::Exit;

#[derive(Subcommand)]
pub enum Command {
    /// List the policies in a table
    List(list::Arguments),
    /// Write the README of each policy and the index
    Docs(docs::Arguments),
    /// Create a policy: its rule, test and examples
    New(new::Arguments),
}

pub fn run(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(arguments) => list::run(arguments),
        Command::Docs(arguments) => docs::run(arguments),
        Command::New(arguments) => new::run(arguments),
    }
}
