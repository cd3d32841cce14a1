//! Which parts of policies and libraries the `test_*` rules reach.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::engine::{Coverage, Definition};
use crate::policyset::Sources;
use crate::source::catalogue::Catalogue;

/// How much of each policy and library its tests reach.
#[derive(Default)]
pub struct Reached(Vec<File>);

/// One text.
pub struct File {
    pub source: String,
    pub package: String,
    /// Of the lines of code.
    pub percent: usize,
    /// Lines that are not reached, in definitions that are.
    lines: Vec<u32>,
    /// Definitions that no test reaches or makes true.
    unreached: Vec<String>,
}

impl Reached {
    /// The coverage of everything but the tests themselves.
    pub fn of(tested: &Catalogue, coverage: &[Coverage], definitions: &[Definition]) -> Self {
        let Sources { policies, libraries, .. } = tested.unbound();
        let by_source: BTreeMap<&str, &Coverage> =
            coverage.iter().map(|file| (file.source.as_str(), file)).collect();
        let files = policies.iter().chain(&libraries).map(|text| {
            let of_file: Vec<&Definition> =
                definitions.iter().filter(|definition| *definition.source == *text.name).collect();
            match by_source.get(&*text.name) {
                Some(coverage) => file(coverage, &of_file),
                // The engine omits a text of which it has evaluated nothing.
                None => {
                    let missed = of_file.iter().map(|definition| definition.first_line).collect();
                    let source = text.name.to_string();
                    file(&Coverage { source, reached: BTreeSet::new(), missed }, &of_file)
                }
            }
        });
        Self(files.collect())
    }

    /// Texts of which less than this share is reached.
    pub fn below(&self, least: u8) -> impl Iterator<Item = &File> {
        self.0.iter().filter(move |file| file.percent < usize::from(least))
    }
}

fn file(coverage: &Coverage, definitions: &[&Definition]) -> File {
    let all = coverage.reached.len() + coverage.missed.len();
    let (mut lines, mut unreached) = (coverage.missed.clone(), Vec::new());
    for definition in definitions {
        let own = definition.first_line..=definition.last_line;
        let any_reached = coverage.reached.range(own.clone()).next().is_some();
        let any_missed = coverage.missed.range(own.clone()).next().is_some();
        // The head has its value last: if its line was not reached, the body never held.
        let head_missed = coverage.missed.contains(&definition.first_line);
        let what = match (any_reached, any_missed) {
            (false, true) => "is not reached by any test",
            (true, true) if head_missed => "has no value in any test",
            _ => continue,
        };
        if !any_reached {
            lines.retain(|line| !own.contains(line));
        }
        let kind = if definition.is_function { "function" } else { "rule" };
        let Definition { source, name, first_line, .. } = definition;
        unreached.push(format!("{source}:{first_line}: {kind} {name} {what}"));
    }
    File {
        source: coverage.source.clone(),
        package: definitions.first().map_or_else(String::new, |definition| definition.package.clone()),
        percent: (coverage.reached.len() * 100).checked_div(all).unwrap_or(100),
        lines: lines.into_iter().collect(),
        unreached,
    }
}

impl File {
    /// What is not reached: lines, then definitions on lines of their own.
    pub fn missed(&self) -> String {
        let lines: Vec<String> = self.lines.iter().map(ToString::to_string).collect();
        let lines =
            if lines.is_empty() { String::new() } else { format!(", not lines {}", lines.join(", ")) };
        self.unreached.iter().fold(lines, |text, one| text + "\n" + one)
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.0 {
            let missed = file.missed().replace('\n', "\n        ");
            writeln!(f, "{:>4} %  {}{missed}", file.percent, file.source)?;
        }
        Ok(())
    }
}
