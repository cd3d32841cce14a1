//! Fuzzing within a time: each test mutates real inputs until `FUZZ_SECONDS` (10 by default) have passed, and
//! proptest reduces what fails to the smallest case. `FUZZ_SEED` chooses another sequence.
//!
//! - wire: a body → decode → review → answer
//! - projection: an object → its view
//! - manifests: YAML → check → fix → read again
//! - rego: a policy → load
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test"
)]

mod manifests;
mod mutation;
mod projection;
mod rego;
mod wire;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// Cases between two looks at the clock.
const BATCH: u32 = 32;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

/// Runs cases until the time is over, and says how many there were.
fn fuzz<S: Strategy>(name: &str, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let until = Instant::now() + Duration::from_secs(from_environment("FUZZ_SECONDS", 10));
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&from_environment("FUZZ_SEED", 1).to_le_bytes());
    let config =
        Config { cases: BATCH, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut cases = 0;
    while Instant::now() < until {
        // A runner counts its cases: it runs once.
        let mut runner = TestRunner::new_with_rng(config.clone(), rng);
        rng = runner.new_rng();
        if let Err(error) = runner.run(strategy, &test) {
            panic!("{name}, after {cases} cases: {error}");
        }
        cases += BATCH;
    }
    println!("{name}: {cases} cases");
    assert!(cases > BATCH, "{name}: not even two batches in the time");
}

/// The files below a directory of the repository that end in `extension`.
fn files(directory: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.to_string_lossy().ends_with(extension)
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                found.push((path, text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {extension} below the directory");
    found
}

/// What a piece of work gives on a stack like that of the evaluation threads; a panic is a failed case.
fn contained<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, TestCaseError> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(stategate::engine::STACK)
            .spawn_scoped(scope, work)
            .unwrap()
            .join()
            .map_err(|_| TestCaseError::fail("it panicked"))
    })
}
