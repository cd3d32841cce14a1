//! Measures the cost of one request, part by part. `cargo bench --bench review`
//!
//! Compare figures only within one run, not between machines.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by ending")]

use std::sync::LazyLock;

use stategate::admission::{GroupKind, Request, ReviewMode, wire};
use stategate::decision::answer::respond;
use stategate::engine::EngineKind;
use stategate::inventory::{Inventory, InventoryWriter};
use stategate::policyset::{CompileOptions, PolicySet, Sources};
use stategate::review::{Unobserved, review};
use stategate::source::catalogue::Catalogue;
use stategate::workload::{SelfClassification, project};

/// The same allocator as in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

const CREATE_STATEFULSET: &[u8] = include_bytes!("../tests/fixtures/reviews/create-statefulset.json");
const UPDATE_STATEFULSET: &[u8] = include_bytes!("../tests/fixtures/reviews/update-statefulset-label.json");
const CREATE_CRONJOB: &[u8] = include_bytes!("../tests/fixtures/reviews/create-cronjob.json");

static POLICIES: LazyLock<PolicySet> = LazyLock::new(compile);
/// The same rules, evaluated by the interpreter.
static INTERPRETED: LazyLock<PolicySet> = LazyLock::new(|| compile_for(EngineKind::Interpreter));

fn compile() -> PolicySet {
    compile_for(EngineKind::Compiled)
}

fn compile_for(engine: EngineKind) -> PolicySet {
    let sources = Catalogue::embedded().sources("production").unwrap();
    PolicySet::compile(&Sources { engine, ..sources }, CompileOptions::default()).unwrap()
}

fn request(body: &[u8]) -> Request {
    wire::decode(body).unwrap()
}

fn judge(bencher: divan::Bencher<'_, '_>, body: &[u8], mode: ReviewMode) {
    judge_request(bencher, mode, || request(body));
}

fn judge_request(bencher: divan::Bencher<'_, '_>, mode: ReviewMode, request: impl Fn() -> Request + Sync) {
    judge_by(&POLICIES, bencher, mode, request);
}

fn judge_by(
    policies: &PolicySet,
    bencher: divan::Bencher<'_, '_>,
    mode: ReviewMode,
    request: impl Fn() -> Request + Sync,
) {
    let inventory = Inventory::default();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    bencher
        .with_inputs(request)
        .bench_refs(|request| review(policies, &inventory, request, mode, now, &Unobserved));
}

#[divan::bench]
fn decode(bencher: divan::Bencher<'_, '_>) {
    bencher.bench(|| request(CREATE_STATEFULSET));
}

#[divan::bench]
fn parse_object(bencher: divan::Bencher<'_, '_>) {
    bencher
        .with_inputs(|| request(CREATE_STATEFULSET))
        .bench_refs(|request| request.object.as_ref().unwrap().value().unwrap().is_object());
}

#[divan::bench]
fn view(bencher: divan::Bencher<'_, '_>) {
    let request = request(CREATE_STATEFULSET);
    let object = request.object.as_ref().unwrap().value().unwrap();
    let projection = POLICIES.projection(&request).unwrap();
    bencher.bench(|| {
        project(object, "default", projection, &POLICIES.projections().engines, SelfClassification::Believed)
    });
}

#[divan::bench]
fn review_create_statefulset(bencher: divan::Bencher<'_, '_>) {
    judge(bencher, CREATE_STATEFULSET, ReviewMode::Validate);
}

#[divan::bench]
fn review_create_statefulset_interpreted(bencher: divan::Bencher<'_, '_>) {
    judge_by(&INTERPRETED, bencher, ReviewMode::Validate, || request(CREATE_STATEFULSET));
}

#[divan::bench]
fn review_create_statefulset_mutating(bencher: divan::Bencher<'_, '_>) {
    judge(bencher, CREATE_STATEFULSET, ReviewMode::Mutate);
}

#[divan::bench]
fn review_update_statefulset(bencher: divan::Bencher<'_, '_>) {
    judge(bencher, UPDATE_STATEFULSET, ReviewMode::Validate);
}

/// Policies match CronJobs, but do not apply to one that keeps no data, which only its object shows.
#[divan::bench]
fn review_of_a_class_that_no_policy_judges(bencher: divan::Bencher<'_, '_>) {
    judge(bencher, CREATE_CRONJOB, ReviewMode::Validate);
}

/// No policy matches the kind, so its object is never parsed.
#[divan::bench]
fn review_that_no_policy_matches(bencher: divan::Bencher<'_, '_>) {
    judge_request(bencher, ReviewMode::Validate, || {
        let mut request = request(CREATE_CRONJOB);
        request.resource.resource = "leases".to_owned();
        request
    });
}

#[divan::bench]
fn encode(bencher: divan::Bencher<'_, '_>) {
    let request = request(CREATE_STATEFULSET);
    let (mode, now) = (ReviewMode::Validate, "2026-01-01T00:00:00Z".parse().unwrap());
    let decision = review(&POLICIES, &Inventory::default(), &request, mode, now, &Unobserved);
    bencher.bench(|| wire::encode(&request.uid, &respond(&request, mode, &decision)).unwrap());
}

#[divan::bench(sample_count = 20)]
fn load_the_catalogue(bencher: divan::Bencher<'_, '_>) {
    bencher.bench(compile);
}

/// One claim of a namespace changes while a snapshot of before is in use: what is copied must not grow with the
/// inventory.
#[divan::bench(args = [100, 1_000, 10_000])]
fn inventory_change_among_claims(bencher: divan::Bencher<'_, '_>, claims: usize) {
    let kind = GroupKind { kind: "PersistentVolumeClaim".to_owned(), group: String::new() };
    let claim = |number: usize, class: &str| {
        serde_json::json!({
            "metadata": {"namespace": "shop", "name": format!("data-{number}")},
            "spec": {"storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}},
        })
    };
    let mut writer = InventoryWriter::default();
    for number in 0..claims {
        let record = writer.reader().read(&kind, &claim(number, "fast"), "").unwrap();
        writer.replace(record);
    }
    let record = writer.reader().read(&kind, &claim(claims / 2, "slow"), "").unwrap();
    bencher.with_inputs(|| (writer.snapshot(), record.clone())).bench_local_values(|(before, record)| {
        let mut writer = InventoryWriter::from(&before);
        writer.replace(record);
        (before, writer.snapshot())
    });
}
