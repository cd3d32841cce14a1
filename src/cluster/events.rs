//! Kubernetes Events about refused requests, for whoever looks at a namespace: what they are, when they are written,
//! and the task that writes them.
//!
//! A refusal is queued, and nothing waits for it; what does not fit is dropped and counted. Whoever tries the same
//! again and again makes one Event, whose series counts, and all Events together come at a bounded rate.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::connection::{Cluster, Write};
use super::error::ClusterError;
use super::resources::Resource;
use crate::admission::{Operation, Request};
use crate::decision::{Decision, shown};
use crate::policy::binding::OnFailure;
use crate::policy::{Action, PolicyId};
use crate::telemetry::metrics::Metrics;

/// Refusals that wait to be written.
const QUEUE: usize = 256;
/// Policies of one request that get an Event.
const POLICIES: usize = 10;
/// Series that are remembered.
const SERIES: usize = 1000;
/// Writes at once, and then one in each interval.
const BURST: u32 = 25;
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks at series that have grown.
const SWEEP: Duration = Duration::from_secs(10);
/// A series ends when nothing was added for so long, as it does for Kubernetes' own components.
const END: Duration = Duration::from_secs(360);
/// The longest note that the API takes, in bytes.
const NOTE: usize = 1024;
/// The longest name of an object, less what makes it unique.
const NAME: usize = 200;

/// The name of the controller in Events.
const CONTROLLER: &str = "stategate";
/// Where Events about objects of the cluster lie.
const CLUSTER_SCOPED: &str = "default";

/// Takes refusals. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<Refusal>,
    metrics: Arc<Metrics>,
}

/// A policy that refused a request.
#[derive(Clone, Debug)]
struct Refusal {
    about: Arc<Regarding>,
    policy: PolicyId,
    reason: &'static str,
    note: String,
}

/// The object of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Regarding {
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    uid: String,
}

impl Regarding {
    fn of(request: &Request, decision: &Decision) -> Self {
        let (api_version, kind) = match &decision.parent {
            // Of a subresource, it is the object that it belongs to.
            Some(parent) => {
                let resource = &request.resource;
                let version = match resource.group.as_str() {
                    "" => resource.version.clone(),
                    group => format!("{group}/{}", resource.version),
                };
                (version, parent.clone())
            }
            None => (request.kind.api_version(), request.kind.kind.clone()),
        };
        let uid = |object: &crate::admission::Object| {
            let object = object.value().ok()?;
            Some(object.get("metadata")?.get("uid")?.as_str()?.to_owned())
        };
        let namespace = if kind == "Namespace" { String::new() } else { request.namespace.clone() };
        let uid = request.old_object.as_ref().filter(|_| decision.parent.is_none()).and_then(uid);
        Self { api_version, kind, namespace, name: request.name(), uid: uid.unwrap_or_default() }
    }
}

/// The refusals in a decision, one for each policy. They repeat nothing of the object but its name.
fn refusals(request: &Request, decision: &Decision) -> Vec<Refusal> {
    let about = Arc::new(Regarding::of(request, decision));
    let operation = match request.operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Connect => "connect",
    };
    let mut all: Vec<Refusal> = Vec::new();
    let mut add = |policy: &PolicyId, reason, note: String| {
        if all.len() < POLICIES && !all.iter().any(|known| known.policy == *policy) {
            let mut note = shown(&note);
            note.truncate(note.floor_char_boundary(NOTE));
            all.push(Refusal { about: Arc::clone(&about), policy: policy.clone(), reason, note });
        }
    };
    for finding in decision.findings.iter().filter(|finding| finding.action == Action::Deny) {
        let (policy, severity) = (&finding.policy, finding.severity.as_str());
        add(
            policy,
            "PolicyViolation",
            format!("{operation} refused by {policy} [{severity}]: {}", finding.title),
        );
    }
    for failure in decision.failures.iter().filter(|failure| failure.on_failure == OnFailure::Deny) {
        let policy = &failure.policy;
        add(policy, "PolicyFailed", format!("{operation} refused: {policy} could not decide"));
    }
    all
}

impl Events {
    /// Writes Events from now on, in a task of the current runtime. `instance` names this process.
    pub fn start(cluster: Cluster, instance: &str, metrics: Arc<Metrics>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let writer = Writer {
            cluster,
            metrics: Arc::clone(&metrics),
            book: Book::new(instance, Instant::now()),
            told: String::new(),
        };
        tokio::spawn(writer.run(waiting));
        Self { queue, metrics }
    }

    /// Queues what a refused request has to say; a dry run says nothing.
    pub fn refused(&self, request: &Request, decision: &Decision) {
        if request.dry_run {
            return;
        }
        for refusal in refusals(request, decision) {
            if self.queue.try_send(refusal).is_err() {
                self.metrics.event("dropped");
            }
        }
    }
}

/// What has been written, and what may be.
struct Book {
    instance: String,
    /// Makes names unique among all processes.
    salt: u64,
    written: u64,
    series: HashMap<(Arc<Regarding>, PolicyId), Series>,
    tokens: u32,
    filled: Instant,
}

struct Series {
    namespace: String,
    name: String,
    count: u64,
    stored: u64,
    last: Timestamp,
    touched: Instant,
}

/// What is to be done with a refusal.
#[derive(Debug, PartialEq)]
enum Step {
    /// It is to be stored as an Event: its namespace and the object.
    Create(String, Value),
    /// It is part of a series, which is stored later.
    Counted,
    /// There is no room for it.
    Dropped,
}

impl Book {
    fn new(instance: &str, now: Instant) -> Self {
        let mut instance = shown(instance);
        instance.truncate(instance.floor_char_boundary(128));
        let salt = RandomState::new().build_hasher().finish();
        Self { instance, salt, written: 0, series: HashMap::new(), tokens: BURST, filled: now }
    }

    /// Takes the right to one write.
    fn take(&mut self, now: Instant) -> bool {
        let intervals = now.saturating_duration_since(self.filled).as_secs() / INTERVAL.as_secs();
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        self.filled += INTERVAL.saturating_mul(intervals);
        self.tokens = self.tokens.saturating_add(intervals).min(BURST);
        let free = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        free
    }

    fn note(&mut self, refusal: &Refusal, now: Instant, at: Timestamp) -> Step {
        let key = (Arc::clone(&refusal.about), refusal.policy.clone());
        if let Some(series) = self.series.get_mut(&key).filter(|series| now - series.touched < END) {
            series.count += 1;
            (series.last, series.touched) = (at, now);
            return Step::Counted;
        }
        self.series.remove(&key);
        if self.series.len() >= SERIES || !self.take(now) {
            return Step::Dropped;
        }
        let about = &refusal.about;
        let namespace = match about.namespace.as_str() {
            "" => CLUSTER_SCOPED.to_owned(),
            namespace => namespace.to_owned(),
        };
        self.written += 1;
        let name = format!("{}.{:016x}", base(&about.name), self.salt.wrapping_add(self.written));
        let event = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "eventTime": format!("{at:.6}"),
            "reportingController": CONTROLLER,
            "reportingInstance": self.instance,
            "type": "Warning",
            "reason": refusal.reason,
            "action": "Refused",
            "note": refusal.note,
            "regarding": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
        });
        let series =
            Series { namespace: namespace.clone(), name, count: 1, stored: 1, last: at, touched: now };
        self.series.insert(key, series);
        Step::Create(namespace, event)
    }

    /// Forgets the series of a refusal, since it could not be stored.
    fn forget(&mut self, refusal: &Refusal) {
        self.series.remove(&(Arc::clone(&refusal.about), refusal.policy.clone()));
    }

    /// The series that have grown and may be stored now: namespace, name, and the fields that change. Those that have
    /// ended are forgotten.
    fn grown(&mut self, now: Instant) -> Vec<(String, String, Value)> {
        self.series.retain(|_, series| now - series.touched < END || series.count > series.stored);
        let mut keys: Vec<_> =
            self.series.iter().filter(|(_, series)| series.count > series.stored).collect();
        // The one that has waited for the longest comes first.
        keys.sort_by_key(|(_, series)| series.touched);
        let keys: Vec<_> = keys.into_iter().map(|(key, _)| key.clone()).collect();
        let mut grown = Vec::new();
        for key in keys {
            if !self.take(now) {
                break;
            }
            let Some(series) = self.series.get_mut(&key) else { continue };
            series.stored = series.count;
            let last = format!("{:.6}", series.last);
            let fields = json!({"series": {"count": series.count, "lastObservedTime": last}});
            grown.push((series.namespace.clone(), series.name.clone(), fields));
        }
        grown
    }
}

/// A name as the name of another object may begin.
fn base(name: &str) -> String {
    let fits = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    let name: String = name.chars().filter(fits).take(NAME).collect();
    match name.trim_matches('-') {
        "" => CONTROLLER.to_owned(),
        name => name.to_owned(),
    }
}

struct Writer {
    cluster: Cluster,
    metrics: Arc<Metrics>,
    book: Book,
    /// The last error, which is logged once.
    told: String,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Refusal>) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                refusal = waiting.recv() => match refusal {
                    Some(refusal) => self.one(&refusal).await,
                    None => return,
                },
                _ = sweep.tick() => self.grown().await,
            }
        }
    }

    async fn one(&mut self, refusal: &Refusal) {
        match self.book.note(refusal, Instant::now(), Timestamp::now()) {
            Step::Counted => self.metrics.event("aggregated"),
            Step::Dropped => self.metrics.event("dropped"),
            Step::Create(namespace, event) => {
                let written =
                    self.cluster.write(&Resource::events().path_in(&namespace), Write::Create(&event)).await;
                if written.is_err() {
                    self.book.forget(refusal);
                }
                self.wrote("created", written);
            }
        }
    }

    async fn grown(&mut self) {
        for (namespace, name, fields) in self.book.grown(Instant::now()) {
            let path = Resource::events().object_path(&namespace, &name);
            match self.cluster.write(&path, Write::Merge(&fields)).await {
                // Events live for an hour only.
                Err(ClusterError::NotFound(_)) => {}
                written => self.wrote("updated", written),
            }
        }
    }

    fn wrote(&mut self, done: &'static str, written: Result<Value, ClusterError>) {
        match written {
            Ok(_) => {
                self.metrics.event(done);
                if !std::mem::take(&mut self.told).is_empty() {
                    info!("events are written again");
                }
            }
            Err(error) => {
                self.metrics.event("failed");
                if error.to_string() != self.told {
                    let help = self.cluster.help(&error);
                    warn!(%error, help, "an event cannot be written");
                    self.told = error.to_string();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str) -> Refusal {
        let about = Regarding {
            api_version: "apps/v1".to_owned(),
            kind: "StatefulSet".to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: String::new(),
        };
        Refusal {
            about: Arc::new(about),
            policy: PolicyId::new("one"),
            reason: "PolicyViolation",
            note: "create refused".to_owned(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn who_tries_again_and_again_makes_one_event() {
        let began = Instant::now();
        let mut book = Book::new("gate-7", began);
        let Step::Create(namespace, event) = book.note(&refusal("pg"), began, at(0)) else { panic!() };
        assert_eq!((namespace.as_str(), &event["regarding"]["name"]), ("shop", &json!("pg")));
        assert_eq!(event["eventTime"], "2027-01-15T08:00:00.000000Z");
        for second in 1..=500 {
            let now = began + Duration::from_secs(second) / 100;
            assert_eq!(book.note(&refusal("pg"), now, at(7)), Step::Counted);
        }
        let now = began + SWEEP;
        let grown = book.grown(now);
        let fields = json!({"series": {"count": 501, "lastObservedTime": "2027-01-15T08:00:07.000000Z"}});
        assert_eq!(
            grown,
            [("shop".to_owned(), event["metadata"]["name"].as_str().unwrap().to_owned(), fields)]
        );
        assert_eq!(book.grown(now + SWEEP), [], "what has not grown is written again");
        // After a while, it is news.
        let now = now + END;
        assert!(matches!(book.note(&refusal("pg"), now, at(400)), Step::Create(..)));
        book.grown(now + END);
        assert!(book.series.is_empty());
    }

    #[test]
    fn all_events_together_are_bounded() {
        let began = Instant::now();
        let mut book = Book::new("gate-7", began);
        let mut created = |now: Instant, from: usize| {
            let all =
                (from..from + 10_000).map(|number| book.note(&refusal(&format!("pg-{number}")), now, at(0)));
            all.filter(|step| *step != Step::Dropped).count()
        };
        assert_eq!(created(began, 0), 25);
        assert_eq!(created(began + Duration::from_millis(2500), 10_000), 2);
        assert_eq!(created(began + Duration::from_secs(3), 20_000), 1);
        assert_eq!(created(began + Duration::from_secs(300), 30_000), 25);
        assert!(book.series.len() <= SERIES);
    }

    #[test]
    fn any_name_makes_a_name() {
        for (name, is) in [("pg", "pg"), ("pg-*", "pg"), ("", "stategate"), ("-../A_b", "b"), ("x.y", "xy")] {
            assert_eq!(base(name), is, "{name}");
        }
        assert_eq!(base(&"x".repeat(253)).len(), NAME);
    }
}
