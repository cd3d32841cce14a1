//! YAML → check → fix → read again.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use stategate::admission::ReviewMode;
use stategate::inventory::Inventory;
use stategate::review::{Unobserved, review};
use stategate::source::manifests::Manifests;
use stategate::yaml::edit::edit;

use crate::mutation::{TextChange, text_changes};
use crate::wire::SET;
use crate::{contained, files, fuzz};

static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let all = ["tests/fixtures/suites", "tests/fixtures/manifests", "tests/fixtures/reading"];
    all.iter().flat_map(|directory| files(directory, ".yaml")).map(|(_, text)| text).collect()
});

/// Reviews every object of a file and writes its patches into the text. The changed text holds the patched
/// object, or the change is refused.
fn fix(text: &[u8]) -> Result<(), TestCaseError> {
    let mut manifests = Manifests::default();
    manifests.add("fuzz.yaml".to_owned(), text);
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    for manifest in &manifests.objects {
        let Some(request) = manifest.request(SET.projections(), None, "default") else { continue };
        let decision = review(&SET, &Inventory::default(), &request, ReviewMode::Fix, now, &Unobserved);
        let Some(patched) = &decision.patch else { continue };
        let Ok(changed) = edit(&manifest.file.text, &[manifest.change(&patched.object)]) else { continue };
        let mut again = Manifests::default();
        again.add("fuzz.yaml".to_owned(), changed.as_bytes());
        prop_assert_eq!(again.objects.len(), manifests.objects.len());
        let same = again
            .objects
            .iter()
            .find(|other| other.document == manifest.document && other.prefix == manifest.prefix);
        prop_assert_eq!(same.map(|other| &*other.object), Some(&patched.object));
    }
    Ok(())
}

#[test]
fn manifests() {
    let words = vec![
        "- ",
        ": ",
        "\n",
        "\n---\n",
        "  ",
        "\t",
        "&a ",
        "*a",
        "<<: *a\n",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "{",
        "}",
        "[",
        "]",
        "#",
        "!!binary ",
        "%YAML 1.1\n",
        "\u{feff}",
        "\r",
        "~",
        "0x1F",
        "1e3",
        "yes",
        "kind: List\nitems:\n",
        "stategate.io/skip: a\n",
    ];
    let strategy = (any::<Index>(), text_changes(words));
    fuzz("manifests", &strategy, |(seed, changes): (Index, Vec<TextChange>)| {
        let mut text = seed.get(&SEEDS).clone().into_bytes();
        changes.iter().for_each(|change| change.apply(&mut text));
        contained(|| fix(&text))?
    });
}
