//! An object → its view: no panic, and neither time nor memory out of proportion to the object.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use stategate::workload::{SelfClassification, project};

use crate::mutation::{TreeChange, tree_changes};
use crate::wire::SET;
use crate::{contained, files, fuzz};

/// The objects of the recorded reviews, and those of the manifests and the examples of policies.
static SEEDS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let reviews = files("tests/fixtures/reviews", ".json");
    let reviews = reviews.iter().filter_map(|(_, text)| serde_json::from_str::<Value>(text).ok());
    let mut objects: Vec<Value> = reviews.map(|review| review["request"]["object"].clone()).collect();
    for (_, text) in
        [files("tests/fixtures/manifests", ".yaml"), files("policies/storage", ".yaml")].into_iter().flatten()
    {
        let documents = stategate::yaml::read(&text).unwrap_or_default();
        objects.extend(documents.into_iter().map(|document| document.value));
    }
    objects.retain(Value::is_object);
    assert!(objects.len() > 50, "{} objects", objects.len());
    objects
});

/// For an unoptimized build on a busy machine; an object of a megabyte takes a tenth of it.
const LONGEST: Duration = Duration::from_secs(5);
/// Parts of the view are written with their paths: of every item, the path of the whole list.
const BYTES_FOR_EACH: usize = 200;
const BYTES: usize = 1 << 20;

/// Projects the object as each kind that has its name, or else as every kind.
fn project_as_all_kinds(object: &Value) -> usize {
    let named = |kind: &str| object["kind"] == kind;
    let all = || SET.projections().iter();
    let some = all().any(|(kind, _)| named(&kind.kind));
    let mut bytes = 0;
    for (_, projection) in all().filter(|(kind, _)| !some || named(&kind.kind)) {
        for said in
            [SelfClassification::Believed, SelfClassification::Additional, SelfClassification::Ignored]
        {
            let view = project(object, "shop", projection, &SET.projections().engines, said);
            bytes = bytes.max(serde_json::to_string(&view.workload).unwrap().len());
        }
    }
    bytes
}

#[test]
fn objects() {
    let strategy = (any::<Index>(), tree_changes());
    fuzz("projection", &strategy, |(seed, changes): (Index, Vec<TreeChange>)| {
        let mut object = seed.get(&SEEDS).clone();
        changes.iter().for_each(|change| change.apply(&mut object));
        let length = object.to_string().len();
        let before = Instant::now();
        let bytes = contained(|| project_as_all_kinds(&object))?;
        prop_assert!(before.elapsed() < LONGEST, "{:?} for {length} bytes", before.elapsed());
        prop_assert!(bytes <= BYTES + BYTES_FOR_EACH * length, "a view of {bytes} bytes of {length}");
        Ok(())
    });
}
