//! Threads that evaluate policies, a bounded queue in front of them, and a watchdog.
//!
//! These are not tokio's threads: an evaluation computes and never waits, and the threads that accept
//! connections must not be blocked by it. There are few of them, since more threads than cores would only
//! compete, and their stacks are large, since a policy may recurse and a stack overflow ends the process.

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tracing::error;

use super::decision_cache::Place;
use super::fault::{FaultKind, JobError, PolicyFault};
use super::quarantine::Quarantine;
use super::shadow::Shadow;
use super::worker_slot::{Cancel, LostJob, STUCK, SlotObserver, WorkerSlot};
use super::{DecisionCache, InForce, Work};
use crate::admission::{Request, ReviewMode};
use crate::decision::Decision;
use crate::engine::STACK;
use crate::policy::PolicyId;
use crate::policyset::PolicySet;
use crate::telemetry::EVALUATION_THREADS;
use crate::telemetry::metrics::Metrics;

/// Interval between the watchdog's checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum number of abandoned threads that may still compute; each occupies a core and holds memory.
const MAX_ABANDONED: usize = 8;

/// Evaluation threads with a bounded queue in front of them. They end when this value is dropped and the
/// queue is empty.
pub struct EvaluationPool {
    jobs: SyncSender<Job>,
    shared: Arc<Shared>,
}

struct Job {
    /// After this, the result is discarded.
    deadline: Instant,
    quarantine: Arc<Quarantine>,
    excluded: Option<PolicyFault>,
    work: Box<dyn FnOnce(&SlotObserver<'_>) + Send>,
    cancel: Cancel,
}

struct Shared {
    jobs: Mutex<Receiver<Job>>,
    slots: Mutex<Vec<Arc<WorkerSlot>>>,
    /// Threads started so far, for their names.
    started: AtomicUsize,
    /// Abandoned threads that have not ended.
    abandoned: AtomicUsize,
    overrun: Notify,
    metrics: Arc<Metrics>,
    /// Compares a sample of answers with the interpreter's, if that is on.
    shadow: Option<Shadow>,
    /// Keeps decisions, if that is on.
    decisions: Option<DecisionCache>,
}

/// The job was rejected: too many are already waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

impl EvaluationPool {
    /// Starts `threads` threads (at least one), with a queue of `queue` waiting jobs.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(threads: usize, queue: usize, metrics: Arc<Metrics>) -> io::Result<Self> {
        Self::start_with(threads, queue, metrics, None, None)
    }

    /// The same, with a sample of the answers compared, and with decisions kept.
    ///
    /// # Errors
    /// As [`EvaluationPool::start`].
    pub fn start_with(
        threads: usize,
        queue: usize,
        metrics: Arc<Metrics>,
        shadow: Option<Shadow>,
        decisions: Option<DecisionCache>,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(queue);
        let shared = Arc::new(Shared {
            jobs: Mutex::new(receiver),
            slots: Mutex::default(),
            started: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
            overrun: Notify::new(),
            metrics,
            shadow,
            decisions,
        });
        for _ in 0..threads.max(1) {
            spawn_worker(&shared)?;
        }
        let watched = Arc::downgrade(&shared);
        thread::Builder::new().name("evaluation-watchdog".to_owned()).spawn(move || watch(&watched))?;
        Ok(Self { jobs: sender, shared })
    }

    /// Returns once so many threads are lost that the process should be restarted.
    pub async fn overrun(&self) {
        self.shared.overrun.notified().await;
    }

    /// Whether any job waits for a thread. What is not urgent is better not queued then.
    pub fn is_busy(&self) -> bool {
        self.shared.metrics.queue_depth.get() > 0
    }

    /// The place for the decision of a request, if it is to be kept.
    pub(super) fn place(&self, request: &Request, in_force: &InForce, mode: ReviewMode) -> Option<Place> {
        self.shared.decisions.as_ref()?.place(in_force, request, mode)
    }

    /// The decision that is kept there.
    pub(super) fn known(&self, set: &Arc<PolicySet>, place: &Place) -> Option<Arc<Decision>> {
        let known = self.shared.decisions.as_ref()?.find(set, place);
        self.shared.metrics.decision_cache.looked_up(known.is_some());
        known
    }

    /// Keeps a decision.
    pub(super) fn keep(&self, set: &Arc<PolicySet>, place: Place, decision: &Decision) {
        if let Some(decisions) = &self.shared.decisions {
            self.shared.metrics.decision_cache.filled(decisions.keep(set, place, decision));
        }
    }

    /// Queues a job. The receiver always gets a result, or the reason why there is none.
    ///
    /// # Errors
    /// If too many jobs are already waiting.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        quarantine: &Arc<Quarantine>,
        excluded: Option<PolicyFault>,
        deadline: Instant,
        work: Work<T>,
    ) -> Result<oneshot::Receiver<Result<T, JobError>>, QueueFull> {
        let (sender, receiver) = oneshot::channel();
        // Either the thread or the watchdog sends, whichever is first.
        let sender = Arc::new(Mutex::new(Some(sender)));
        let answer = {
            let sender = Arc::clone(&sender);
            move |result| {
                let sender = sender.lock().unwrap_or_else(PoisonError::into_inner).take();
                // The receiver may have given up.
                let _ = sender.map(|sender| sender.send(result));
            }
        };
        let cancel = {
            let answer = answer.clone();
            Box::new(move |lost| answer(Err(lost)))
        };
        let wanted = move || {
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
            sender.as_ref().is_some_and(|sender| !sender.is_closed())
        };
        let work = Box::new(move |observer: &SlotObserver<'_>| {
            // A client that resets its streams must not keep the threads busy.
            if wanted() {
                answer(Ok(work(observer)));
            }
        });
        // Counted first: the job may be taken before this thread continues.
        self.shared.metrics.queue_depth.inc();
        let job = Job { deadline, quarantine: Arc::clone(quarantine), excluded, work, cancel };
        self.jobs.try_send(job).map_err(|_| {
            self.shared.metrics.queue_depth.dec();
            QueueFull
        })?;
        Ok(receiver)
    }
}

/// Starts one more thread.
fn spawn_worker(shared: &Arc<Shared>) -> io::Result<()> {
    let slot = Arc::new(WorkerSlot::default());
    let number = shared.started.fetch_add(1, Ordering::Relaxed);
    let thread = {
        let (shared, slot) = (Arc::clone(shared), Arc::clone(&slot));
        move || work(&shared, &slot)
    };
    thread::Builder::new().name(format!("{EVALUATION_THREADS}{number}")).stack_size(STACK).spawn(thread)?;
    shared.slots.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
    Ok(())
}

fn work(shared: &Arc<Shared>, slot: &Arc<WorkerSlot>) {
    loop {
        // The lock is held while waiting for a job, not while running it.
        let next = shared.jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { deadline, quarantine, excluded, work, cancel }) = next else { return };
        shared.metrics.queue_depth.dec();
        if Instant::now() >= deadline {
            cancel(JobError::Expired);
            continue;
        }
        slot.begin(Arc::clone(&quarantine), cancel);
        // Nothing of a job is used after its panic, so no half-finished state is visible.
        let observer = SlotObserver {
            slot,
            quarantine: &quarantine,
            excluded: excluded.as_ref(),
            deadline,
            metrics: &shared.metrics,
            sample: shared.shadow.as_ref().filter(|shadow| shadow.wants()).map(|_| RefCell::default()),
        };
        let job = || work(&observer);
        let panicked = catch_unwind(AssertUnwindSafe(job)).is_err();
        let unfinished = slot.end();
        if slot.is_abandoned() {
            let left = shared.abandoned.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
            shared.metrics.threads_lost.set(i64::try_from(left).unwrap_or(i64::MAX));
            return;
        }
        if let (true, Some(lost)) = (panicked, unfinished) {
            // The state that a panic leaves on this thread is unknown, so another one replaces it.
            return replace(shared, slot, lost, FaultKind::Panicked);
        }
        // The caller has its answer.
        if let (Some(shadow), Some(sample)) = (&shared.shadow, observer.sample) {
            shadow.compare(quarantine, sample.into_inner());
        }
    }
}

/// Watches the threads for as long as there are any.
fn watch(shared: &Weak<Shared>) {
    loop {
        thread::sleep(CHECK_INTERVAL);
        let Some(shared) = shared.upgrade() else { return };
        let now = Instant::now();
        let slots = shared.slots.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for slot in slots {
            let Some(lost) = slot.abandon_if_stuck(now) else { continue };
            let abandoned = shared.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
            shared.metrics.threads_lost.set(i64::try_from(abandoned).unwrap_or(i64::MAX));
            replace(&shared, &slot, lost, FaultKind::Stuck);
            if abandoned > MAX_ABANDONED {
                error!(abandoned, "too many evaluation threads are stuck; the process must be started again");
                shared.overrun.notify_one();
            }
        }
    }
}

/// Replaces a lost thread; logs and counts what it was working on.
fn replace(shared: &Arc<Shared>, slot: &Arc<WorkerSlot>, lost: LostJob, kind: FaultKind) {
    let LostJob { policy, quarantine, cancel } = lost;
    shared.metrics.thread_replaced(policy.as_ref().map_or("", PolicyId::as_str), kind.as_str());
    let quarantined = policy.as_ref().is_some_and(|policy| quarantine.count(policy));
    error!(
        policy = policy.as_ref().map(PolicyId::as_str),
        reason = kind.as_str(),
        limit_seconds = STUCK.as_secs(),
        quarantined,
        "an evaluation thread is lost and replaced"
    );
    if let (true, Some(policy)) = (quarantined, &policy) {
        shared.metrics.quarantined(policy.as_str());
    }
    shared.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| !Arc::ptr_eq(known, slot));
    if let Err(error) = spawn_worker(shared) {
        error!(%error, "a lost evaluation thread cannot be replaced");
    }
    // Last, so that the caller finds a free thread when it retries.
    cancel(policy.map_or(JobError::Broken, |policy| JobError::Policy(PolicyFault { policy, kind })));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::review::EvaluationObserver;
    use crate::telemetry::exposition::Exposition;

    fn metrics() -> Arc<Metrics> {
        Arc::new(Metrics::new("digest", "production", 0))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn run<T: Send + 'static>(
        pool: &EvaluationPool,
        work: impl Fn(&dyn EvaluationObserver) -> T + Send + Sync + 'static,
    ) -> Result<T, JobError> {
        pool.submit(&Arc::default(), None, soon(), Arc::new(work)).unwrap().blocking_recv().unwrap()
    }

    #[test]
    fn a_job_runs_on_a_named_thread_with_a_large_stack() {
        #[expect(clippy::cast_possible_truncation, reason = "any small number will do")]
        fn deep(levels: usize) -> u64 {
            let frame = std::hint::black_box([levels as u8; 4096]);
            if levels == 0 { 0 } else { u64::from(frame[levels % 4096] == 255) + deep(levels - 1) }
        }
        let pool = EvaluationPool::start(2, 4, metrics()).unwrap();
        let name = run(&pool, |_| thread::current().name().map(str::to_owned)).unwrap().unwrap();
        assert!(name.starts_with("evaluate-"), "{name}");
        // 8,000 frames of more than 4 KiB: 32 MiB at least.
        run(&pool, |_| deep(8_000)).unwrap();
    }

    #[test]
    fn nobody_works_for_a_client_that_has_gone() {
        let pool = EvaluationPool::start(1, 4, metrics()).unwrap();
        let (hold, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let submit = |work: Work<()>| pool.submit(&Arc::default(), None, soon(), work).unwrap();
        let first = submit(Arc::new(move |_| held.lock().unwrap().recv().unwrap()));
        let (said, heard) = mpsc::channel();
        let gone = said.clone();
        drop(submit(Arc::new(move |_| gone.send("gone").unwrap())));
        let last = submit(Arc::new(move |_| said.send("waits").unwrap()));
        hold.send(()).unwrap();
        assert!(first.blocking_recv().unwrap().is_ok() && last.blocking_recv().unwrap().is_ok());
        drop(pool);
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["waits"]);
    }

    #[test]
    fn a_panic_is_an_answer_that_names_the_policy_and_another_thread_goes_on() {
        let metrics = metrics();
        let pool = EvaluationPool::start(1, 4, Arc::clone(&metrics)).unwrap();
        assert_eq!(run::<()>(&pool, |_| panic!("on purpose")), Err(JobError::Broken));
        let guilty = PolicyId::new("guilty");
        let fault = PolicyFault { policy: guilty.clone(), kind: FaultKind::Panicked };
        let asked = guilty.clone();
        let lost = run::<()>(&pool, move |observer| {
            observer.before(&asked).unwrap();
            panic!("on purpose");
        });
        assert_eq!(lost, Err(JobError::Policy(fault)));
        assert_eq!(run(&pool, |_| 7), Ok(7));
        let text = metrics.encode(Exposition::OpenMetrics).unwrap();
        let line = r#"stategate_evaluation_threads_replaced_total{policy="guilty",reason="panicked"} 1"#;
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_stuck_policy_is_spared_then_quarantined_and_its_threads_are_replaced() {
        let metrics = metrics();
        let pool = EvaluationPool::start(1, 4, Arc::clone(&metrics)).unwrap();
        let quarantine = Arc::new(Quarantine::default());
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let stuck = PolicyId::new("stuck");
        let work: Work<Result<(), String>> = {
            let stuck = stuck.clone();
            Arc::new(move |observer| {
                observer.before(&stuck).map_err(|cause| cause.to_string())?;
                let _ = gate.lock().unwrap().recv();

                Ok(())
            })
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let compute = || runtime.block_on(pool.compute(&quarantine, soon(), Arc::clone(&work))).unwrap();
        assert!(compute().unwrap_err().contains("did not answer within 2 s"));
        assert!(quarantine.policies().is_empty());
        assert!(compute().unwrap_err().contains("did not answer within 2 s"));
        assert_eq!(quarantine.policies(), [stuck]);
        assert!(compute().unwrap_err().contains("in quarantine"));
        let text = metrics.encode(Exposition::OpenMetrics).unwrap();
        for line in [
            r#"stategate_evaluation_threads_replaced_total{policy="stuck",reason="stuck"} 2"#,
            "stategate_evaluation_threads_lost 2",
            r#"stategate_policy_quarantined{policy="stuck"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        // Threads that return after all end, and do not take the places of their replacements.
        drop(release);
        while !metrics
            .encode(Exposition::OpenMetrics)
            .unwrap()
            .contains("stategate_evaluation_threads_lost 0")
        {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(run(&pool, |_| 7), Ok(7));
    }

    #[test]
    fn too_many_lost_threads_are_a_reason_to_end() {
        let pool = EvaluationPool::start(MAX_ABANDONED + 1, MAX_ABANDONED + 1, metrics()).unwrap();
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let quarantine = Arc::default();
        let waiting: Vec<_> = (0..=MAX_ABANDONED)
            .map(|number| {
                let (gate, policy) = (Arc::clone(&gate), PolicyId::new(format!("stuck-{number}")));
                let work: Work<()> = Arc::new(move |observer| {
                    observer.before(&policy).unwrap();
                    let _ = gate.lock().map(|gate| gate.recv());
                });
                pool.submit(&quarantine, None, soon(), work).unwrap()
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ended = async { tokio::time::timeout(Duration::from_secs(60), pool.overrun()).await };
        runtime.block_on(ended).expect("it says that it is overrun");
        for lost in waiting {
            assert!(matches!(lost.blocking_recv().unwrap(), Err(JobError::Policy(_))));
        }
        drop(release);
    }

    #[test]
    fn the_queue_is_bounded_and_what_waited_too_long_is_not_begun() {
        let metrics = metrics();
        let pool = EvaluationPool::start(1, 1, Arc::clone(&metrics)).unwrap();
        let (go, gate) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let ends = Mutex::new((begun, gate));
        let quarantine = Arc::default();
        let first: Work<()> = Arc::new(move |_| {
            let (begun, gate) = &*ends.lock().unwrap();
            begun.send(()).unwrap();
            gate.recv().unwrap();
        });
        let first = pool.submit(&quarantine, None, soon(), first).unwrap();
        has_begun.recv().unwrap();
        let late: Work<()> = Arc::new(|_| unreachable!("it is too late"));
        let late = pool.submit(&quarantine, None, Instant::now(), late).unwrap();
        assert_eq!(metrics.queue_depth.get(), 1);
        assert!(pool.is_busy());
        let third: Work<()> = Arc::new(|_| ());
        assert!(pool.submit(&quarantine, None, soon(), third).is_err());
        go.send(()).unwrap();
        first.blocking_recv().unwrap().unwrap();
        assert_eq!(late.blocking_recv().unwrap(), Err(JobError::Expired));
        assert_eq!(metrics.queue_depth.get(), 0);
        assert!(!pool.is_busy());
    }
}
