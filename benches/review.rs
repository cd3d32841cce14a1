//! Measures the cost of one request, part by part. `cargo bench --bench review`
//!
//! Compare figures only within one run, not between machines.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by ending")]

use std::sync::LazyLock;

use stategate::admission::{Phase, Request, wire};
use stategate::decision::answer::respond;
use stategate::inventory::Inventory;
use stategate::policyset::PolicySet;
use stategate::review::review;
use stategate::source::catalogue::Catalogue;
use stategate::workload::project;

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

fn compile() -> PolicySet {
    PolicySet::compile(&Catalogue::embedded().sources("production").unwrap()).unwrap()
}

fn request(body: &[u8], phase: Phase) -> Request {
    wire::decode(body, phase).unwrap()
}

fn judge(bencher: divan::Bencher<'_, '_>, body: &[u8], phase: Phase) {
    judge_request(bencher, || request(body, phase));
}

fn judge_request(bencher: divan::Bencher<'_, '_>, request: impl Fn() -> Request + Sync) {
    let inventory = Inventory::default();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    bencher.with_inputs(request).bench_refs(|request| review(&POLICIES, &inventory, request, now));
}

#[divan::bench]
fn decode(bencher: divan::Bencher<'_, '_>) {
    bencher.bench(|| request(CREATE_STATEFULSET, Phase::Validating));
}

#[divan::bench]
fn parse_object(bencher: divan::Bencher<'_, '_>) {
    bencher
        .with_inputs(|| request(CREATE_STATEFULSET, Phase::Validating))
        .bench_refs(|request| request.object.as_ref().unwrap().value().unwrap().is_object());
}

#[divan::bench]
fn view(bencher: divan::Bencher<'_, '_>) {
    let request = request(CREATE_STATEFULSET, Phase::Validating);
    let object = request.object.as_ref().unwrap().value().unwrap();
    let projection = POLICIES.projection(&request).unwrap();
    bencher.bench(|| project(object, "default", projection, &POLICIES.projections().engines, true));
}

#[divan::bench]
fn review_create_statefulset(bencher: divan::Bencher<'_, '_>) {
    judge(bencher, CREATE_STATEFULSET, Phase::Validating);
}

#[divan::bench]
fn review_create_statefulset_mutating(bencher: divan::Bencher<'_, '_>) {
    judge(bencher, CREATE_STATEFULSET, Phase::Mutating);
}

#[divan::bench]
fn review_update_statefulset(bencher: divan::Bencher<'_, '_>) {
    judge(bencher, UPDATE_STATEFULSET, Phase::Validating);
}

/// Policies match CronJobs, but do not apply to one that keeps no data, which only its object shows.
#[divan::bench]
fn review_of_a_class_that_no_policy_judges(bencher: divan::Bencher<'_, '_>) {
    judge(bencher, CREATE_CRONJOB, Phase::Validating);
}

/// No policy matches the kind, so its object is never parsed.
#[divan::bench]
fn review_that_no_policy_matches(bencher: divan::Bencher<'_, '_>) {
    judge_request(bencher, || {
        let mut request = request(CREATE_CRONJOB, Phase::Validating);
        request.resource.resource = "leases".to_owned();
        request
    });
}

#[divan::bench]
fn encode(bencher: divan::Bencher<'_, '_>) {
    let request = request(CREATE_STATEFULSET, Phase::Validating);
    let decision =
        review(&POLICIES, &Inventory::default(), &request, "2026-01-01T00:00:00Z".parse().unwrap());
    bencher.bench(|| wire::encode(&request.uid, &respond(&request, &decision)).unwrap());
}

#[divan::bench(sample_count = 20)]
fn load_the_catalogue(bencher: divan::Bencher<'_, '_>) {
    bencher.bench(compile);
}
