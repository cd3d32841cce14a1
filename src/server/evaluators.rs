//! Threads that evaluate policies: not tokio's, since an evaluation computes and never waits, and
//! with large stacks, since a policy may recurse.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::telemetry::metrics::Metrics;

/// Address space, not memory: only what is touched counts.
const STACK: usize = 64 << 20;

/// A fixed number of threads and a bounded queue in front of them.
pub struct Evaluators {
    queue: SyncSender<Job>,
    metrics: Arc<Metrics>,
}

struct Job {
    /// Nobody waits for the answer after this.
    deadline: Instant,
    work: Box<dyn FnOnce() + Send>,
}

/// The queue is full: the request is shed, so that the failurePolicy decides.
#[derive(Debug)]
pub struct QueueFull;

impl Evaluators {
    /// Starts the threads; they end when this value and all jobs are gone.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(threads: usize, queue: usize, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads.max(1) {
            let (receiver, metrics) = (Arc::clone(&receiver), Arc::clone(&metrics));
            thread::Builder::new()
                .name(format!("evaluate-{number}"))
                .stack_size(STACK)
                .spawn(move || work(&receiver, &metrics))?;
        }
        Ok(Self { queue: sender, metrics })
    }

    /// Queues a job. The answer never comes if the job panics or its deadline passes in the queue.
    ///
    /// # Errors
    /// If too many jobs wait already.
    pub fn submit<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, QueueFull> {
        let (answer, receiver) = oneshot::channel();
        let work = Box::new(move || {
            // Whoever asked may have given up.
            let _ = answer.send(job());
        });
        self.metrics.queue_depth.inc();
        self.queue.try_send(Job { deadline, work }).map_err(|error| {
            self.metrics.queue_depth.dec();
            match error {
                TrySendError::Full(_) | TrySendError::Disconnected(_) => QueueFull,
            }
        })?;
        Ok(receiver)
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, metrics: &Metrics) {
    loop {
        // The lock is held while waiting for a job, not while doing it; a poisoned lock is still a queue.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        metrics.queue_depth.dec();
        if Instant::now() < job.deadline && catch_unwind(AssertUnwindSafe(job.work)).is_err() {
            metrics.panics.inc();
        }
    }
}
