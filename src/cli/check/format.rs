//! The formats of a report.

use clap::ValueEnum;

use crate::report::{Report, json, text};

/// What `-o` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs; its shape is versioned.
    Json,
}

impl Format {
    /// The whole report, with its last line ended.
    pub fn render(self, report: &Report, colours: bool) -> anyhow::Result<String> {
        Ok(match self {
            Self::Text => text::render(report, colours),
            Self::Json => json::render(report)? + "\n",
        })
    }
}
