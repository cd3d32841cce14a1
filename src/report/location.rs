//! The locations that CI formats report: in the file that people edit.

use std::collections::HashMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Found, Report, ReviewedObject};
use crate::plain;

/// Characters that stay unencoded in the path of a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A range of lines in the file that people edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReportLocation<'a> {
    /// The file; for a rendered object, its template.
    pub file: &'a str,
    /// The lines; None for a template, whose lines differ from the rendered output.
    pub lines: Option<Lines>,
}

/// 1-based; columns in characters. The end column is one past the last character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

impl<'a> ReportLocation<'a> {
    /// The location of a finding.
    pub fn of(object: &'a ReviewedObject, found: &Found) -> Self {
        let Some(template) = &object.template else {
            let (line, column) = (found.place.line.max(1), found.place.column.max(1));
            let (end_line, end_column) = found.excerpt.end.max((line, column));
            return Self { file: &object.file, lines: Some(Lines { line, column, end_line, end_column }) };
        };
        Self { file: template, lines: None }
    }

    /// The location of an object, as far as it is known.
    pub fn of_object(object: &'a ReviewedObject) -> Self {
        Self { file: object.edited(), lines: None }
    }

    /// The first line; 1 if none is known.
    pub fn line(&self) -> usize {
        self.lines.map_or(1, |lines| lines.line)
    }

    /// The last line.
    pub fn end_line(&self) -> usize {
        self.lines.map_or(1, |lines| lines.end_line)
    }

    /// The path with forward slashes and without `./`; None for standard input.
    pub fn path(&self) -> Option<String> {
        path(self.file)
    }
}

/// A repository-relative path as CI systems compare it; None for input that is not a file.
pub(super) fn path(file: &str) -> Option<String> {
    if file.starts_with('<') {
        return None;
    }
    let mut path = file;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    Some(path.to_owned())
}

/// Percent-encodes a path for a URI.
pub(super) fn encoded(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// Where a finding is in the rendered text, if its file was rendered from a template.
pub(super) fn rendered(object: &ReviewedObject, found: &Found) -> Option<String> {
    object.template.as_ref()?;
    Some(format!("rendered: line {} of {}", found.place.line.max(1), plain::line(&object.file)))
}

/// Makes the fingerprints of a report unique: systems that identify findings by fingerprint drop duplicates.
#[derive(Default)]
pub(super) struct Fingerprints<'a>(HashMap<&'a str, usize>);

impl<'a> Fingerprints<'a> {
    /// The fingerprint, numbered if it has occurred before.
    pub fn of(&mut self, found: &'a Found) -> String {
        let seen = self.0.entry(&found.fingerprint).or_default();
        *seen += 1;
        match *seen {
            1 => found.fingerprint.clone(),
            number => format!("{}:{number}", found.fingerprint),
        }
    }
}

/// All findings with their objects, sorted by action, then severity; otherwise in report order.
pub(super) fn worst_first(report: &Report) -> Vec<(&ReviewedObject, &Found)> {
    let mut all: Vec<_> = report
        .objects
        .iter()
        .flat_map(|object| object.findings.iter().map(move |found| (object, found)))
        .collect();
    all.sort_by_key(|(_, found)| std::cmp::Reverse((found.finding.action, found.finding.severity)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_repository() {
        let path = |file| path(file);
        assert_eq!(path("./shop/pg.yaml").unwrap(), "shop/pg.yaml");
        assert_eq!(path(".//./pg.yaml").unwrap(), "pg.yaml");
        assert_eq!(path("../pg.yaml").unwrap(), "../pg.yaml");
        assert_eq!(path(".shop/pg.yaml").unwrap(), ".shop/pg.yaml");
        assert_eq!(path("<stdin>"), None);
        assert_eq!(encoded("a b/ü%#?.yaml"), "a%20b/%C3%BC%25%23%3F.yaml");
    }
}
