//! `stategate policy …`: what policies there are, what they mean, and how a new one begins.

mod docs;
mod list;
mod new;
pub mod pages;
pub mod standing;

use clap::Subcommand;

use super::Exit;

#[derive(Subcommand)]
pub enum Command {
    /// Show the policies in a table
    List(list::Arguments),
    /// Write the README of each policy and their index
    Docs(docs::Arguments),
    /// Begin a policy: the rule, its test and its examples
    New(new::Arguments),
}

pub fn run(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(arguments) => list::run(arguments),
        Command::Docs(arguments) => docs::run(arguments),
        Command::New(arguments) => new::run(arguments),
    }
}
