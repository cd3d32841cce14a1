//! Threads that evaluate policies, with a bounded queue in front of them.
//!
//! They are not tokio's: an evaluation computes and never waits, and the thread that accepts
//! connections must not compute. They are few, since more than the processors have cores would only
//! share them, and their stacks are large, since a policy may recurse and a stack that overflows
//! ends the process. The number of threads is fixed: one that never comes back from an evaluation is
//! lost, and its request is answered by the deadline that the asking side keeps.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;

use crate::telemetry::EVALUATION_THREADS;
use crate::telemetry::metrics::Metrics;

/// Address space, not memory: only what is touched counts.
const STACK: usize = 64 << 20;

/// A fixed number of threads and a bounded queue in front of them. The threads end when this value
/// is dropped and the queue is empty.
pub struct Evaluators {
    jobs: SyncSender<Job>,
    depth: Gauge,
}

struct Job {
    /// Nobody waits for the result after this.
    deadline: Instant,
    work: Box<dyn FnOnce(Turn) -> Ended + Send>,
}

/// Whether a job may run.
enum Turn {
    InTime,
    TooLate,
}

enum Ended {
    Done,
    Panicked,
}

/// Why a job was not taken: too many wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

/// Why a job that was taken has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It panicked; the thread lives on.
    Panicked,
    /// Its deadline passed in the queue, and it was never begun.
    Expired,
}

impl Evaluators {
    /// Starts `threads` threads (at least one); `queue` jobs may wait for them.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(threads: usize, queue: usize, metrics: &Metrics) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads.max(1) {
            let receiver = Arc::clone(&receiver);
            let (depth, panics) = (metrics.queue_depth.clone(), metrics.panics.clone());
            thread::Builder::new()
                .name(format!("{EVALUATION_THREADS}{number}"))
                .stack_size(STACK)
                .spawn(move || work(&receiver, &depth, &panics))?;
        }
        Ok(Self { jobs: sender, depth: metrics.queue_depth.clone() })
    }

    /// Queues a job. The receiver always gets an answer, unless the job never comes back.
    ///
    /// # Errors
    /// If too many jobs wait already.
    pub fn submit<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Lost>>, QueueFull> {
        let (sender, receiver) = oneshot::channel();
        let work = Box::new(move |turn| {
            let result = match turn {
                // Nothing of a job is looked at after its panic, so nothing half-done can be seen.
                Turn::InTime => catch_unwind(AssertUnwindSafe(job)).map_err(|_| Lost::Panicked),
                Turn::TooLate => Err(Lost::Expired),
            };
            let ended = if matches!(result, Err(Lost::Panicked)) { Ended::Panicked } else { Ended::Done };
            // Whoever asked may have given up.
            let _ = sender.send(result);
            ended
        });
        // Counted first: the job may be taken before this thread goes on.
        self.depth.inc();
        self.jobs.try_send(Job { deadline, work }).map_err(|_| {
            self.depth.dec();
            QueueFull
        })?;
        Ok(receiver)
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, depth: &Gauge, panics: &Counter) {
    loop {
        // The lock is held while waiting for a job, not while doing it.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { deadline, work }) = next else { return };
        depth.dec();
        let turn = if Instant::now() < deadline { Turn::InTime } else { Turn::TooLate };
        if matches!(work(turn), Ended::Panicked) {
            panics.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn metrics() -> Metrics {
        Metrics::new("digest", "production")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_job_runs_on_a_named_thread_with_a_large_stack() {
        #[expect(clippy::cast_possible_truncation, reason = "any small number will do")]
        fn deep(levels: usize) -> u64 {
            let frame = std::hint::black_box([levels as u8; 4096]);
            if levels == 0 { 0 } else { u64::from(frame[levels % 4096] == 255) + deep(levels - 1) }
        }
        let pool = Evaluators::start(2, 4, &metrics()).unwrap();
        let name = pool.submit(soon(), || thread::current().name().map(str::to_owned)).unwrap();
        assert!(name.blocking_recv().unwrap().unwrap().unwrap().starts_with("evaluate-"));
        // 8,000 frames of more than 4 KiB: 32 MiB at least.
        pool.submit(soon(), || deep(8_000)).unwrap().blocking_recv().unwrap().unwrap();
    }

    #[test]
    fn a_panic_is_an_answer_and_the_thread_lives_on() {
        let metrics = metrics();
        let pool = Evaluators::start(1, 4, &metrics).unwrap();
        let lost = pool.submit(soon(), || panic!("on purpose")).unwrap().blocking_recv().unwrap();
        assert_eq!(lost.map(|(): ()| ()), Err(Lost::Panicked));
        assert_eq!(pool.submit(soon(), || 7).unwrap().blocking_recv().unwrap(), Ok(7));
        assert_eq!(metrics.panics.get(), 1);
    }

    #[test]
    fn the_queue_is_bounded_and_what_waited_too_long_is_not_begun() {
        let metrics = metrics();
        let pool = Evaluators::start(1, 1, &metrics).unwrap();
        let (go, gate) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let first = pool.submit(soon(), move || (begun.send(()).unwrap(), gate.recv().unwrap())).unwrap();
        has_begun.recv().unwrap();
        let late = pool.submit(Instant::now(), || unreachable!("it is too late")).unwrap();
        assert_eq!(metrics.queue_depth.get(), 1);
        assert_eq!(pool.submit(soon(), || ()).map(|_| ()), Err(QueueFull));
        go.send(()).unwrap();
        first.blocking_recv().unwrap().unwrap();
        assert_eq!(late.blocking_recv().unwrap(), Err::<(), _>(Lost::Expired));
        assert_eq!(metrics.queue_depth.get(), 0);
    }
}
