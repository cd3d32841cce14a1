//! The formats of a report.

use clap::ValueEnum;

use crate::report::{Report, github, gitlab, html, json, junit, sarif, text};

/// What `-o` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs; its shape is versioned: `stategate schema check-report`.
    Json,
    /// SARIF 2.1.0, for code scanning and editors.
    Sarif,
    /// JUnit's XML, for Jenkins and others that show tests.
    Junit,
    /// Workflow commands: annotations in GitHub Actions.
    Github,
    /// GitLab's Code Quality.
    Gitlab,
    /// One page to look at in a browser.
    Html,
}

impl Format {
    /// The whole report, with its last line ended.
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
