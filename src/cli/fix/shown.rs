//! Files as people may see them: `fix` prints parts of them, and logs of CI systems keep what it prints.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::diff;
use super::plan::ReviewedManifest;
use crate::diagnostic::SourceText;
use crate::plain;
use crate::source::credentials;
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
    for ReviewedManifest { manifest, decision, .. } in judged {
        let flagged = decision.findings.iter().filter(|finding| finding.sensitive);
        let flagged = flagged.flat_map(|finding| credentials::flagged(manifest, &finding.path));
        hidden.entry(&manifest.file.name).or_default().extend(flagged);
    }
    let mut seen = HashSet::new();
    let files = manifests.objects.iter().map(|manifest| &manifest.file);
    let files = files.filter(|file| seen.insert(Arc::clone(&file.name)));
    files
        .map(|file| FileText { file: file.clone(), hidden: hidden.remove(&*file.name).unwrap_or_default() })
        .collect()
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
