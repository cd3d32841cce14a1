//! Files as people may see them: `fix` prints parts of them, and logs of CI systems keep what it prints.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::diff;
use super::plan::ReviewedManifest;
use crate::diagnostic::SourceText;
use crate::plain;
use crate::source::credentials::{self, Flagged};
use crate::source::manifests::Manifests;

/// A file, and where in it a credential may stand.
pub struct FileText {
    pub file: SourceText,
    hidden: Vec<Range<usize>>,
}

/// The files of the objects, each once, in order.
pub fn files(manifests: &Manifests, judged: &[ReviewedManifest]) -> Vec<FileText> {
    let mut hidden: BTreeMap<&str, Vec<Range<usize>>> = BTreeMap::new();
    for manifest in &manifests.objects {
        hidden.entry(&manifest.file.name).or_default().extend(credentials::places(manifest));
    }
    let mut flagged: BTreeMap<&str, Flagged> = BTreeMap::new();
    for ReviewedManifest { manifest, decision, .. } in judged {
        let flagged = flagged.entry(&manifest.file.name).or_default();
        let sensitive = decision.findings.iter().filter(|finding| finding.sensitive);
        sensitive.for_each(|finding| flagged.add(manifest, &finding.path));
    }
    let mut seen = HashSet::new();
    let files = manifests.objects.iter().map(|manifest| &manifest.file);
    let files = files.filter(|file| seen.insert(Arc::clone(&file.name)));
    let text = |file: &SourceText| {
        let mut ranges = hidden.remove(&*file.name).unwrap_or_default();
        ranges.extend(flagged.remove(&*file.name).into_iter().flat_map(|flagged| flagged.ranges(&file.text)));
        FileText { file: file.clone(), hidden: ranges }
    };
    files.map(text).collect()
}

/// The diff of a file, and whether it is exact: no credential is masked and nothing is spelled out.
pub fn diff(name: &str, before: &FileText, after: &FileText) -> (String, bool) {
    let masked = |text: &FileText| credentials::masked(&text.file.text, &text.hidden);
    let exact = diff::unified(name, &before.file.text, &after.file.text);
    let shown = diff::unified(name, &masked(before), &masked(after));
    match shown == exact && plain::is_harmless(&exact) {
        true => (exact, true),
        false => (plain::block(&shown).into_owned(), false),
    }
}
