//! `stategate schema`: the JSON Schema of a document that stategate writes.

use clap::{Args, ValueEnum};

use super::{Exit, print};
use crate::report::json;

#[derive(Args)]
#[command(after_help = "Example:
  stategate schema check-report > check-report.schema.json")]
pub struct Arguments {
    /// The document
    #[arg(value_enum, value_name = "DOCUMENT")]
    document: Document,
}

#[derive(Clone, Copy, ValueEnum)]
enum Document {
    /// What `stategate check -o json` writes
    CheckReport,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let schema = match arguments.document {
        Document::CheckReport => json::schema(),
    };
    print(&(serde_json::to_string_pretty(&schema)? + "\n"))?;
    Ok(Exit::Clean)
}
