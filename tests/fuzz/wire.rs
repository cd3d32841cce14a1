//! A body → decode → review → answer.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use stategate::admission::{ReviewMode, wire};
use stategate::decision::answer::respond;
use stategate::inventory::Inventory;
use stategate::policyset::{CompileOptions, PolicySet};
use stategate::review::{Unobserved, review};
use stategate::source::catalogue::Catalogue;

use crate::mutation::{TextChange, TreeChange, text_changes, tree_changes};
use crate::{contained, files, fuzz};

pub static SET: LazyLock<PolicySet> = LazyLock::new(|| {
    let sources = Catalogue::embedded().sources("regulated").unwrap();
    stategate::engine::on_large_stack(|| PolicySet::compile(&sources, CompileOptions::default()).unwrap())
        .unwrap()
});

static SEEDS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let texts = files("tests/fixtures/reviews", ".json");
    texts.iter().filter_map(|(_, text)| serde_json::from_str(text).ok()).collect()
});

/// Answers a body as the webhook does.
fn answer(body: &[u8]) -> Vec<u8> {
    let response = |uid: &str, response| wire::encode(uid, &response).unwrap();
    let request = match wire::decode(body) {
        Ok(request) => request,
        Err(bad) => return response(bad.uid.as_deref().unwrap_or("unknown"), wire::refusal(&bad)),
    };
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut last = Vec::new();
    for mode in [ReviewMode::Mutate, ReviewMode::Validate] {
        let decision = review(&SET, &Inventory::default(), &request, mode, now, &Unobserved);
        last = response(&request.uid, respond(&request, mode, &decision));
    }
    last
}

fn check(body: &[u8]) -> Result<(), TestCaseError> {
    let answer: Value = serde_json::from_slice(&contained(|| answer(body))?).unwrap();
    let allowed = &answer["response"]["allowed"];
    prop_assert!(allowed.is_boolean(), "{answer}");
    if wire::decode(body).is_err() {
        prop_assert_eq!(allowed, &Value::Bool(false), "an unreadable body was allowed");
    }
    Ok(())
}

#[test]
fn bodies_as_trees() {
    let strategy = (any::<Index>(), tree_changes());
    fuzz("wire, trees", &strategy, |(seed, changes): (Index, Vec<TreeChange>)| {
        let mut review = seed.get(&SEEDS).clone();
        changes.iter().for_each(|change| change.apply(&mut review));
        check(review.to_string().as_bytes())
    });
}

#[test]
fn bodies_as_bytes() {
    let words =
        vec!["{", "}", "[", "]", ",", ":", "\"", "\\u0000", "\\ud800", "null", "1e999", "\"uid\":\"x\","];
    let strategy = (any::<Index>(), text_changes(words));
    fuzz("wire, bytes", &strategy, |(seed, changes): (Index, Vec<TextChange>)| {
        let mut body = seed.get(&SEEDS).to_string().into_bytes();
        changes.iter().for_each(|change| change.apply(&mut body));
        check(&body)
    });
}
