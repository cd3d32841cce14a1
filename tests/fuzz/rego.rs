//! A policy → load. What the checks let through is safe to compile.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use stategate::diagnostic::SourceText;
use stategate::engine::Rego;

use crate::mutation::{TextChange, text_changes};
use crate::{contained, files, fuzz};

/// No text takes longer, however it is written. Loading a policy takes a few milliseconds.
const LONGEST: Duration = Duration::from_secs(30);

static SEEDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let all = ["policies/storage", "policies/lib", "tests/fixtures/load"];
    let texts = all.iter().flat_map(|directory| files(directory, ".rego"));
    texts.map(|(_, text)| text).filter(|text| text.len() < 20_000).collect()
});

#[test]
fn policies() {
    let words = vec![
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "[[[[",
        "{{{{",
        "((((",
        " := ",
        " = ",
        " some x in ",
        " every x in ",
        " not ",
        " with input as ",
        " if ",
        " else := ",
        "contains ",
        "import ",
        "default ",
        "package x\n",
        "\n",
        "#",
        "\"",
        "`",
        " | ",
        " & ",
        " * ",
        ".",
        ",",
        "data.",
        "input.",
        "input.workload",
        "sprintf(\"%s\", [1])",
        "1e999",
        "-",
        "_",
        "walk(input, [p, v])",
        "violation",
        "# METADATA\n# title: x\n",
    ];
    let strategy = (any::<Index>(), text_changes(words));
    fuzz("rego", &strategy, |(seed, changes): (Index, Vec<TextChange>)| {
        let mut text = seed.get(&SEEDS).clone().into_bytes();
        changes.iter().for_each(|change| change.apply(&mut text));
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        let began = Instant::now();
        contained(|| drop(Rego::load(&[SourceText::new("fuzz.rego", text)])))?;
        prop_assert!(began.elapsed() < LONGEST, "it took {:?}", began.elapsed());
        Ok(())
    });
}
