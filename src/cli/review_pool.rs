//! Reviews on evaluation threads, for runs on the command line: on all cores, and watched like those of
//! the webhook, so that a policy that sticks is one failure and not the end of the run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::admission::{Request, ReviewMode};
use crate::decision::Decision;
use crate::evaluators::{EvaluationPool, InForce, NotEvaluated, Work};
use crate::inventory::Inventory;
use crate::policyset::PolicySet;
use crate::telemetry::metrics::Metrics;

/// One review may take so long, policies that stick included.
const LONGEST: Duration = Duration::from_secs(60);
/// All tests of a directory.
const WHOLE_RUN: Duration = Duration::from_secs(3600);
/// Reviews that wait for each thread.
const WAITING: usize = 4;

/// Where manifests are read and reviewed: on all cores, a few at a time.
pub struct ReviewPool {
    in_force: InForce,
    now: jiff::Timestamp,
    evaluators: EvaluationPool,
    reviews: Semaphore,
    threads: usize,
}

impl ReviewPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// If they cannot be started.
    pub fn open(set: PolicySet, now: jiff::Timestamp) -> anyhow::Result<Arc<Self>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let metrics = Arc::new(Metrics::new(set.digest(), set.profile(), 0));
        let evaluators = EvaluationPool::start(threads, threads * WAITING, metrics);
        let evaluators = evaluators.context("cannot start the evaluation threads")?;
        let reviews = Semaphore::new(threads * WAITING);
        let in_force = InForce::new(set, Inventory::default());
        Ok(Arc::new(Self { in_force, now, evaluators, reviews, threads }))
    }

    /// What judges.
    pub fn set(&self) -> &PolicySet {
        &self.in_force.set
    }

    /// The time of all reviews.
    pub fn now(&self) -> jiff::Timestamp {
        self.now
    }

    /// Works on all items; the results are in the order of the items. `done` is called after each.
    ///
    /// # Errors
    /// The first of the work; if work breaks off; or if policies took too many threads down.
    pub fn each<I, T, F>(
        self: &Arc<Self>,
        items: Vec<I>,
        work: impl Fn(I) -> F,
        done: impl Fn(),
    ) -> anyhow::Result<Vec<T>>
    where
        T: Send + 'static,
        F: Future<Output = anyhow::Result<T>> + Send + 'static,
    {
        self.block_on(async {
            let mut results: Vec<Option<T>> = Vec::new();
            results.resize_with(items.len(), || None);
            let mut working = JoinSet::new();
            let mut waiting = items.into_iter().enumerate();
            loop {
                while working.len() < self.threads * 2
                    && let Some((index, item)) = waiting.next()
                {
                    let work = work(item);
                    working.spawn(async move { (index, work.await) });
                }
                let Some(worked) = working.join_next().await else { break };
                let (index, result) = worked.context("the work on a file broke off")?;
                if let Some(place) = results.get_mut(index) {
                    *place = Some(result?);
                }
                done();
            }
            anyhow::Ok(results.into_iter().flatten().collect())
        })
    }

    /// Runs work that reviews, on threads of its own.
    ///
    /// # Errors
    /// Those of the work; or if policies took too many threads down.
    pub fn block_on<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads)
            .enable_all()
            .build()
            .context("cannot start the threads that read")?;
        runtime.block_on(async {
            tokio::select! {
                done = work => done,
                () = self.evaluators.overrun() => anyhow::bail!("too many evaluation threads are stuck in policies"),
            }
        })
    }

    /// How many reviews are worth beginning at once.
    pub fn width(&self) -> usize {
        self.threads * WAITING
    }

    /// Reviews requests with the inventory of their bundle; the decisions are in their order.
    ///
    /// # Errors
    /// If a review breaks off.
    pub async fn review(
        self: &Arc<Self>,
        inventory: &Inventory,
        requests: &[Arc<Request>],
        mode: ReviewMode,
    ) -> anyhow::Result<Vec<Decision>> {
        let in_force = Arc::new(self.in_force.with_inventory(inventory.clone()));
        let reviews: Vec<_> = requests
            .iter()
            .map(|request| {
                let (pool, in_force, request) =
                    (Arc::clone(self), Arc::clone(&in_force), Arc::clone(request));
                tokio::spawn(async move {
                    // It is never closed; if it were, the queue would still be bounded.
                    let _place = pool.reviews.acquire().await;
                    pool.review_one(&in_force, request, mode).await
                })
            })
            .collect();
        let mut decisions = Vec::with_capacity(reviews.len());
        for decision in reviews {
            decisions.push(decision.await.context("a review broke off")?);
        }
        Ok(decisions)
    }

    async fn review_one(&self, in_force: &Arc<InForce>, request: Arc<Request>, mode: ReviewMode) -> Decision {
        let deadline = Instant::now() + LONGEST;
        let reviewed = self.evaluators.review(in_force, Arc::clone(&request), mode, self.now, deadline).await;
        reviewed.unwrap_or_else(|error| in_force.undecided(&request, mode, &error))
    }
}

/// Reads, or does anything else that takes its time, beside the work on other items.
///
/// # Errors
/// If it breaks off.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work on a file broke off")
}

/// Computes on one watched thread. What sticks is left out when it is computed again.
///
/// # Errors
/// If two things stick, or it breaks off.
pub fn watched<T: Send + 'static>(work: Work<T>) -> anyhow::Result<T> {
    let evaluators = EvaluationPool::start(1, 1, Arc::new(Metrics::new("", "", 0)));
    let evaluators = evaluators.context("cannot start the evaluation thread")?;
    let deadline = Instant::now() + WHOLE_RUN;
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::io::Result::Ok(runtime.block_on(evaluators.compute(&Arc::default(), deadline, work)))
    };
    // `--watch` runs within a runtime of its own, whose thread must not wait for another.
    let computed = std::thread::scope(|scope| scope.spawn(wait).join());
    match computed
        .unwrap_or(Ok(Err(NotEvaluated::Broken(None))))
        .context("cannot wait for the evaluation thread")?
    {
        Ok(result) => Ok(result),
        Err(NotEvaluated::Broken(Some(what))) => {
            anyhow::bail!("{what} does not come back, and is not the only one")
        }
        Err(undone) => anyhow::bail!("{}", undone.reason()),
    }
}
