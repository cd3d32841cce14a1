//! Reviews on evaluation threads, for runs on the command line: on all cores, and watched like those of
//! the webhook, so that a policy that sticks is one failure and not the end of the run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::Semaphore;

use crate::admission::Request;
use crate::decision::Decision;
use crate::evaluators::{Evaluators, InForce, Undone, Work};
use crate::inventory::Inventory;
use crate::review::{Supervisor, review_supervised, undecided};
use crate::telemetry::metrics::Metrics;

/// One review may take so long, policies that stick included.
const LONGEST: Duration = Duration::from_secs(60);
/// All tests of a directory.
const WHOLE_RUN: Duration = Duration::from_secs(3600);
/// Reviews that wait for each thread.
const WAITING: usize = 4;

/// Judges all requests; the decisions are in the order of the requests.
///
/// # Errors
/// If no thread can be started, or policies took too many of them down.
pub fn judge_all(
    in_force: &Arc<InForce>,
    inventory: &Arc<Inventory>,
    requests: &[Arc<Request>],
    now: jiff::Timestamp,
) -> anyhow::Result<Vec<Decision>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(requests.len().max(1));
    let metrics = Arc::new(Metrics::new(in_force.set.digest(), in_force.set.profile()));
    let evaluators = Evaluators::start(threads, threads * WAITING, metrics);
    let evaluators = Arc::new(evaluators.context("cannot start the evaluation threads")?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot wait for the evaluation threads")?;
    runtime.block_on(async {
        let places = Arc::new(Semaphore::new(threads * WAITING));
        let judged: Vec<_> = requests
            .iter()
            .map(|request| {
                let (evaluators, places) = (Arc::clone(&evaluators), Arc::clone(&places));
                let (in_force, inventory) = (Arc::clone(in_force), Arc::clone(inventory));
                let request = Arc::clone(request);
                tokio::spawn(async move {
                    // It is never closed; if it were, the queue would still be bounded.
                    let _place = places.acquire().await;
                    judge(&evaluators, in_force, inventory, request, now).await
                })
            })
            .collect();
        let all = async {
            let mut decisions = Vec::with_capacity(judged.len());
            for decision in judged {
                decisions.push(decision.await.context("a review broke off")?);
            }
            anyhow::Ok(decisions)
        };
        tokio::select! {
            decisions = all => decisions,
            () = evaluators.overrun() => anyhow::bail!("too many evaluation threads are stuck in policies"),
        }
    })
}

/// Computes on one watched thread. What sticks is left out when it is computed again.
///
/// # Errors
/// If two things stick, or it breaks off.
pub fn watched<T: Send + 'static>(work: Work<T>) -> anyhow::Result<T> {
    let evaluators = Evaluators::start(1, 1, Arc::new(Metrics::new("", "")));
    let evaluators = evaluators.context("cannot start the evaluation thread")?;
    let deadline = Instant::now() + WHOLE_RUN;
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::io::Result::Ok(runtime.block_on(evaluators.compute(&Arc::default(), deadline, work)))
    };
    // `--watch` runs within a runtime of its own, whose thread must not wait for another.
    let computed = std::thread::scope(|scope| scope.spawn(wait).join());
    match computed
        .unwrap_or(Ok(Err(Undone::Broken(None))))
        .context("cannot wait for the evaluation thread")?
    {
        Ok(result) => Ok(result),
        Err(Undone::Broken(Some(what))) => {
            anyhow::bail!("{what} does not come back, and is not the only one")
        }
        Err(undone) => anyhow::bail!("{}", undone.reason()),
    }
}

async fn judge(
    evaluators: &Evaluators,
    in_force: Arc<InForce>,
    inventory: Arc<Inventory>,
    request: Arc<Request>,
    now: jiff::Timestamp,
) -> Decision {
    let work = {
        let (in_force, inventory, request) =
            (Arc::clone(&in_force), Arc::clone(&inventory), Arc::clone(&request));
        move |supervisor: &dyn Supervisor| {
            review_supervised(&in_force.set, &inventory, &request, now, supervisor)
        }
    };
    let deadline = Instant::now() + LONGEST;
    match evaluators.compute(&in_force.conduct, deadline, Arc::new(work)).await {
        Ok(decision) => decision,
        Err(undone) => undecided(&in_force.set, &inventory, &request, undone.reason()),
    }
}
