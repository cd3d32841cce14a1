//! The formats of a report.

use clap::ValueEnum;

use crate::report::{Report, github, gitlab, html, json, junit, sarif, text};

/// The formats of `-o`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs; its shape is versioned: `stategate schema check-report`.
    Json,
    /// SARIF 2.1.0, for code scanning and editors.
    Sarif,
    /// JUnit XML, for Jenkins and other tools that show tests.
    Junit,
    /// Workflow commands: annotations in GitHub Actions.
    Github,
    /// GitLab Code Quality.
    Gitlab,
    /// One page for a browser.
    Html,
}

impl Format {
    /// Does the format show what `stategate fix` would write?
    pub fn shows_remedies(self) -> bool {
        self == Self::Sarif
    }

    /// The whole report, ending with a line break.
    pub fn render(self, report: &Report, colours: bool) -> anyhow::Result<String> {
        Ok(match self {
            Self::Text => text::render(report, colours),
            Self::Json => json::render(report)? + "\n",
            Self::Sarif => sarif::render(report)? + "\n",
            Self::Junit => junit::of_check(report)?,
            Self::Github => github::render(report),
            Self::Gitlab => gitlab::render(report)? + "\n",
            Self::Html => html::render(report)?,
        })
    }
}
