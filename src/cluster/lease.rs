//! Which one of several replicas does what only one may do: it holds a Lease.
//!
//! Every replica tries to hold `stategate` in its own namespace (coordination.k8s.io/v1, as kubelets and controllers
//! do). The holder renews it. Another one takes it once it has seen no renewal for the time that the Lease states, on
//! its own clock: the clocks of two nodes need not agree, so the times in the Lease are for people. Each write names
//! the version that it replaces, so that of two who take it one succeeds.
//!
//! Only a replica that is ready tries: one that is stuck at its start, as in a rollout that does not get on, would keep
//! the others from what it does not do itself. Nothing that readiness waits for needs the Lease.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{info, warn};

use super::connection::{Cluster, Write};
use super::error::ClusterError;
use super::follow::spread;
use super::resources::Resource;
use crate::telemetry::metrics::Metrics;

/// Without a renewal for so long, others take it, in seconds.
const DURATION: u64 = 15;
/// The longest time that a Lease of others may state, in seconds.
const LONGEST: u64 = 300;
/// Between two renewals.
const RENEWAL: Duration = Duration::from_secs(5);
/// The holder stops holding it this long after its last renewal began: well before others may take it.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Between two looks at a Lease that another one holds, and between two attempts to renew it.
const LOOK: Duration = Duration::from_secs(2);
/// How long one look and one write may take.
const ATTEMPT: Duration = Duration::from_secs(3);
/// How long a holder may be unready before it gives the Lease back.
const UNREADY: Duration = Duration::from_secs(5);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where the Lease is, and who wants to hold it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The namespace of the Lease: stategate's own.
    pub namespace: String,
    /// Names this process among all that ever run.
    pub identity: String,
}

impl Candidate {
    /// A process in this Pod, or on this host. Others of the same name have another identity.
    pub fn new(namespace: String, host: &str) -> Self {
        let unique = RandomState::new().build_hasher().finish();
        Self { namespace, identity: format!("{host}_{unique:016x}") }
    }
}

/// Tells whether this process holds the Lease. Cheap to clone.
#[derive(Clone)]
pub struct Lease {
    /// Until when it is held, unless it is renewed.
    held: watch::Receiver<Option<Instant>>,
    stop: Arc<watch::Sender<bool>>,
}

impl Lease {
    /// The name of the object.
    pub const NAME: &str = "stategate";

    /// Tries to hold the Lease while this process is `ready`, in a task of the current runtime.
    pub fn start(
        cluster: Cluster,
        candidate: Candidate,
        metrics: Arc<Metrics>,
        ready: watch::Receiver<bool>,
    ) -> Self {
        let (sender, held) = watch::channel(None);
        let (stop, stopped) = watch::channel(false);
        metrics.lease_held.set(0);
        let task = Task {
            resource: Resource::leases(),
            cluster,
            candidate,
            metrics,
            held: sender,
            seen: None,
            told: String::new(),
            failures: 0,
            unready: None,
        };
        tokio::spawn(task.run(stopped, ready));
        Self { held, stop: Arc::new(stop) }
    }

    /// Whether this process holds it at this moment. Ask again before each act that only the holder may do.
    pub fn is_held(&self) -> bool {
        self.held.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until this process holds it; forever once it has been released.
    pub async fn acquired(&self) {
        if self
            .held
            .clone()
            .wait_for(|until| until.is_some_and(|until| Instant::now() < until))
            .await
            .is_err()
        {
            std::future::pending().await
        }
    }

    /// Stops holding it, and gives it back so that another one can hold it at once.
    pub async fn release(&self) {
        self.stop.send_replace(true);
        let mut held = self.held.clone();
        // The task ends after that, and its end of the channel with it.
        while held.changed().await.is_ok() {}
    }
}

struct Task {
    cluster: Cluster,
    resource: Resource,
    candidate: Candidate,
    metrics: Arc<Metrics>,
    held: watch::Sender<Option<Instant>>,
    /// What the Lease said when it was last different, and when that was seen.
    seen: Option<(Value, Instant)>,
    /// The last error, which is logged once.
    told: String,
    /// Failed attempts in a row.
    failures: u32,
    /// Since when this process is not ready, as far as that has been seen.
    unready: Option<Instant>,
}

/// What is to be done with a Lease.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// This process holds it.
    Own,
    /// Nobody holds it, or no more.
    Free,
    /// Another one holds it.
    Others,
}

impl Task {
    async fn run(mut self, mut stopped: watch::Receiver<bool>, mut ready: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                // A write that is under way is not waited for: the next look tells what became of it.
                _ = stopped.wait_for(|stopped| *stopped) => break,
                () = self.turn(&mut ready) => {}
            }
        }
        self.let_go().await;
    }

    /// One attempt of a process that is ready, or has been a moment ago. Any other one waits until it is.
    async fn turn(&mut self, ready: &mut watch::Receiver<bool>) {
        if *ready.borrow_and_update() {
            self.unready = None;
            return self.step().await;
        }
        let since = *self.unready.get_or_insert_with(Instant::now);
        if self.held.borrow().is_some() && since.elapsed() < UNREADY {
            return self.step().await;
        }
        self.let_go().await;
        if ready.wait_for(|ready| *ready).await.is_err() {
            // Nobody will say that it is.
            std::future::pending::<()>().await;
        }
    }

    /// Stops holding it, and gives it back.
    async fn let_go(&mut self) {
        let held = self.held.send_replace(None).is_some();
        self.metrics.lease_held.set(0);
        if held {
            let released = tokio::time::timeout(ATTEMPT, self.give_back()).await;
            info!(lease = self.name(), released = matches!(released, Ok(Ok(()))), "lease released");
        }
    }

    /// One attempt, and the pause after it.
    async fn step(&mut self) {
        let began = Instant::now();
        // A renewal must not outlast what it renews.
        let limit = match *self.held.borrow() {
            Some(until) => until.saturating_duration_since(began).min(ATTEMPT),
            None => ATTEMPT,
        };
        let attempted = tokio::time::timeout(limit, self.attempt()).await;
        match attempted.unwrap_or(Err(ClusterError::TimedOut(ATTEMPT.as_secs()))) {
            Ok(held) => {
                self.told.clear();
                self.failures = 0;
                self.hold(held.then(|| began + GIVE_UP));
            }
            // Another one was faster; what it wrote tells the rest.
            Err(ClusterError::Conflict(_)) => self.failures = self.failures.max(1),
            Err(error) => self.failed(&error),
        }
        let left = self.held.borrow().map(|until| until.saturating_duration_since(Instant::now()));
        let pause = match left {
            Some(left) if self.failures > 0 => LOOK.min(left),
            Some(_) => RENEWAL,
            None => LOOK.saturating_mul(1 << self.failures.min(4)).min(LONGEST_PAUSE),
        };
        tokio::time::sleep(if left.is_some() { pause } else { spread(pause) }).await;
        if self.held.borrow().is_some_and(|until| Instant::now() >= until) {
            self.hold(None);
        }
    }

    fn failed(&mut self, error: &ClusterError) {
        self.failures = self.failures.saturating_add(1);
        let text = error.to_string();
        if text != self.told {
            let help = self.cluster.help(error);
            warn!(lease = self.name(), %error, help, "lease cannot be held");
            self.told = text;
        }
    }

    fn hold(&self, until: Option<Instant>) {
        let before = self.held.send_replace(until);
        self.metrics.lease_held.set(until.is_some().into());
        match (before.is_some(), until.is_some()) {
            (false, true) => info!(lease = self.name(), identity = self.candidate.identity, "lease acquired"),
            (true, false) => warn!(lease = self.name(), identity = self.candidate.identity, "lease lost"),
            _ => {}
        }
    }

    /// Looks at the Lease, and renews or takes it; whether it is held now.
    async fn attempt(&mut self) -> Result<bool, ClusterError> {
        let now = Instant::now();
        let Some(mut lease) = self.cluster.get(&self.path()).await? else {
            let mut lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {
                    "name": Lease::NAME,
                    "namespace": self.candidate.namespace,
                    "labels": {"app.kubernetes.io/name": "stategate", "app.kubernetes.io/managed-by": "stategate"},
                },
            });
            state(&mut lease, &self.candidate.identity, false, Timestamp::now());
            let all = self.resource.path_in(&self.candidate.namespace);
            self.cluster.write(&all, Write::Create(&lease)).await?;
            return Ok(true);
        };
        let spec = lease.get("spec").cloned().unwrap_or_default();
        let since = match &self.seen {
            Some((before, since)) if *before == spec => *since,
            _ => now,
        };
        let standing = standing(&spec, &self.candidate.identity, now.saturating_duration_since(since));
        self.seen = Some((spec, since));
        if standing == Standing::Others {
            return Ok(false);
        }
        state(&mut lease, &self.candidate.identity, standing == Standing::Own, Timestamp::now());
        self.cluster.write(&self.path(), Write::Replace(&lease)).await?;
        Ok(true)
    }

    /// Names no holder.
    async fn give_back(&self) -> Result<(), ClusterError> {
        let Some(mut lease) = self.cluster.get(&self.path()).await? else { return Ok(()) };
        let spec = lease.get_mut("spec").and_then(Value::as_object_mut);
        let own = |holder: &Value| holder.as_str() == Some(&*self.candidate.identity);
        let Some(spec) = spec.filter(|spec| spec.get("holderIdentity").is_some_and(own)) else {
            return Ok(());
        };
        spec.insert("holderIdentity".to_owned(), "".into());
        self.cluster.write(&self.path(), Write::Replace(&lease)).await.map(drop)
    }

    fn path(&self) -> String {
        self.resource.object_path(&self.candidate.namespace, Lease::NAME)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.candidate.namespace, Lease::NAME)
    }
}

/// Whose a Lease is that has said the same for so long.
fn standing(spec: &Value, identity: &str, unchanged: Duration) -> Standing {
    let holder = spec.get("holderIdentity").and_then(Value::as_str).unwrap_or_default();
    let seconds = spec.get("leaseDurationSeconds").and_then(Value::as_u64).unwrap_or(DURATION);
    match holder {
        holder if holder == identity => Standing::Own,
        "" => Standing::Free,
        _ if unchanged >= Duration::from_secs(seconds.clamp(1, LONGEST)) => Standing::Free,
        _ => Standing::Others,
    }
}

/// Makes the Lease say who holds it from now on. What it says beside that stays.
fn state(lease: &mut Value, identity: &str, renewal: bool, now: Timestamp) {
    let Some(object) = lease.as_object_mut() else { return };
    let spec = object.entry("spec").or_insert_with(|| json!({}));
    let Some(spec) = spec.as_object_mut() else { return };
    // A MicroTime has six digits.
    let now = Value::from(format!("{now:.6}"));
    if !renewal {
        // The first holder is no transition.
        let transitions = spec.get("leaseTransitions").and_then(Value::as_u64);
        let transitions = if spec.is_empty() { 0 } else { transitions.unwrap_or(0).saturating_add(1) };
        spec.insert("leaseTransitions".to_owned(), transitions.into());
        spec.insert("acquireTime".to_owned(), now.clone());
    }
    spec.insert("holderIdentity".to_owned(), identity.into());
    spec.insert("leaseDurationSeconds".to_owned(), DURATION.into());
    spec.insert("renewTime".to_owned(), now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_holder_keeps_it_until_its_time_has_passed_here() {
        let spec = json!({"holderIdentity": "other", "leaseDurationSeconds": 15, "renewTime": "1970-01-01T00:00:00.000000Z"});
        let after = |seconds| standing(&spec, "me", Duration::from_secs(seconds));
        assert_eq!((after(0), after(14), after(15)), (Standing::Others, Standing::Others, Standing::Free));
        assert_eq!(standing(&spec, "other", Duration::ZERO), Standing::Own);
        let released = json!({"holderIdentity": "", "leaseDurationSeconds": 15});
        assert_eq!(standing(&released, "me", Duration::ZERO), Standing::Free);
        // Nobody waits for an hour because a Lease says so.
        let long = json!({"holderIdentity": "other", "leaseDurationSeconds": 3600});
        assert_eq!(standing(&long, "me", Duration::from_secs(LONGEST)), Standing::Free);
    }

    #[test]
    fn a_lease_says_who_holds_it_since_when() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let mut lease = json!({"metadata": {"labels": {"team": "data"}}});
        state(&mut lease, "one", false, now);
        assert_eq!(
            lease,
            json!({"metadata": {"labels": {"team": "data"}}, "spec": {
                "holderIdentity": "one", "leaseDurationSeconds": 15, "leaseTransitions": 0,
                "acquireTime": "2026-01-02T03:04:05.000000Z", "renewTime": "2026-01-02T03:04:05.000000Z",
            }})
        );
        let later: Timestamp = "2026-01-02T03:04:10.5Z".parse().unwrap();
        state(&mut lease, "one", true, later);
        assert_eq!(lease["spec"]["acquireTime"], "2026-01-02T03:04:05.000000Z");
        assert_eq!(lease["spec"]["renewTime"], "2026-01-02T03:04:10.500000Z");
        state(&mut lease, "two", false, later);
        assert_eq!(
            (&lease["spec"]["holderIdentity"], &lease["spec"]["leaseTransitions"]),
            (&json!("two"), &json!(1))
        );
    }
}
