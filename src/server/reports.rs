//! The audit in the background, by the replica that holds the lease, and the reports that it writes.
//!
//! It gives way to everything else: one review at a time, only while no request waits for a thread, and a pause as long
//! as each review took; one request to the API server at a time, at a bounded rate. What it keeps does not grow with
//! the cluster ([`AuditResults`]).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;
use tracing::{info, warn};

use super::reload::Current;
use crate::admission::{GroupKind, Request, ReviewMode};
use crate::cluster::{
    Audit, AuditStep, Change, ClusterError, Lease, LiveInventory, Pending, ReportKinds, Resources,
};
use crate::decision::Decision;
use crate::evaluators::{EvaluationPool, InForce, NotEvaluated};
use crate::policy::Severity;
use crate::report::html;
use crate::report::policy_report::{AuditResults, Subject};
use crate::source::guarded;
use crate::source::manifests::request;
use crate::telemetry::metrics::Metrics;

/// Between two writes.
const WRITES: Duration = Duration::from_millis(200);
/// Between two reads.
const READS: Duration = Duration::from_millis(50);
/// Between two looks whether the evaluation threads, the inventory or the policies are as they should be.
const LOOK: Duration = Duration::from_millis(50);
/// One review may take so long, policies that stick included.
const REVIEW: Duration = Duration::from_secs(60);
/// The longest pause after an audit that broke off.
const RETRY: Duration = Duration::from_secs(30);

/// The audit in the background.
pub struct Auditor {
    /// The cluster.
    pub live: LiveInventory,
    /// Who may write.
    pub lease: Lease,
    /// The policies and the inventory.
    pub current: Arc<Current>,
    /// Where reviews run.
    pub evaluators: Arc<EvaluationPool>,
    /// What counts.
    pub metrics: Arc<Metrics>,
    /// Between the end of an audit and the next one; none: there is no audit, and no reports stay.
    pub every: Option<Duration>,
    /// How long an audit waits for a complete inventory: without it, findings would vanish from the reports.
    pub patience: Duration,
    /// What to say of it.
    pub status: Mutex<AuditStatus>,
    /// The last complete audit of this process, as a page.
    pub page: Mutex<Option<Bytes>>,
}

/// How the audit stands.
#[derive(Clone, Debug, Default)]
pub struct AuditStatus {
    /// The reports that are written: `openreports.io/v1alpha1`; none if the cluster has no such kind.
    kinds: Option<Option<String>>,
    /// When the last audit was complete.
    completed: Option<Timestamp>,
    /// Why the last audit broke off, or its reports could not be written.
    fault: String,
}

impl fmt::Display for AuditStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kinds {
            None => f.write_str("no audit by this replica yet")?,
            Some(None) => f.write_str("none, the cluster has no kind for them")?,
            Some(Some(kinds)) => f.write_str(kinds)?,
        }
        if let Some(completed) = self.completed {
            write!(f, ", last audit at {completed:.0}")?;
        }
        if !self.fault.is_empty() {
            write!(f, ", {}", self.fault)?;
        }
        Ok(())
    }
}

/// What one audit tells the next.
#[derive(Default)]
struct Memory {
    /// Namespaces whose report is somebody else's; each is named once.
    foreign: BTreeSet<String>,
    /// Kinds that could not be listed.
    unlisted: BTreeSet<GroupKind>,
}

/// Whether the error says nothing about a single kind.
fn is_about_all(error: &ClusterError) -> bool {
    use ClusterError::{Credentials, TimedOut, Unauthorized, Unreachable};
    matches!(error, Credentials(_) | TimedOut(_) | Unauthorized | Unreachable(_))
}

/// Why an audit ended before its end.
enum Broken {
    /// The API server did not do its part.
    Cluster(ClusterError),
    /// Another replica holds the lease, or other policies are in force.
    Superseded,
}

impl From<ClusterError> for Broken {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl Auditor {
    /// Audits whenever this replica holds the lease, until the process ends.
    pub async fn run(self: Arc<Self>) {
        let mut memory = Memory::default();
        loop {
            self.lease.acquired().await;
            let Some(every) = self.every else {
                self.remove().await;
                self.lost().await;
                continue;
            };
            self.current_inventory().await;
            let digest = self.current.in_force().set.digest().to_owned();
            let pause = match self.audit(&mut memory).await {
                Ok(()) => every,
                Err(Broken::Superseded) => Duration::ZERO,
                Err(Broken::Cluster(error)) => {
                    self.fault(&format!("the last audit broke off: {error}"));
                    every.min(RETRY)
                }
            };
            self.rest(pause, &digest).await;
            if !self.lease.is_held() {
                self.metrics.audit.forget();
                *self.status() = AuditStatus::default();
                *self.last_page() = None;
            }
        }
    }

    /// How it stands, in words.
    pub fn describe(&self) -> String {
        self.status().to_string()
    }

    /// The last complete audit, as a page; none if there was none, or another replica audits.
    pub fn page(&self) -> Option<Bytes> {
        self.last_page().clone()
    }

    fn last_page(&self) -> std::sync::MutexGuard<'_, Option<Bytes>> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> std::sync::MutexGuard<'_, AuditStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wrong, once.
    fn fault(&self, fault: &str) {
        let mut status = self.status();
        if status.fault != fault {
            if !fault.is_empty() {
                warn!(fault, "policy reports");
            }
            fault.clone_into(&mut status.fault);
        }
    }

    async fn current_inventory(&self) {
        let began = Instant::now();
        while !self.live.is_current() && began.elapsed() < self.patience {
            sleep(LOOK).await;
        }
    }

    async fn lost(&self) {
        while self.lease.is_held() {
            sleep(LOOK * 20).await;
        }
    }

    /// Waits, but not if other policies come into force.
    async fn rest(&self, pause: Duration, digest: &str) {
        let began = Instant::now();
        while began.elapsed() < pause
            && self.lease.is_held()
            && self.current.in_force().set.digest() == digest
        {
            sleep((LOOK * 20).min(pause.saturating_sub(began.elapsed()))).await;
        }
    }

    /// Reviews everything, and writes the reports.
    async fn audit(&self, memory: &mut Memory) -> Result<(), Broken> {
        let (began, now) = (Instant::now(), Timestamp::now());
        let cluster = self.live.cluster();
        let resources = Arc::new(Resources::discover(cluster).await?);
        let kinds = ReportKinds::served(&resources);
        self.tell(kinds.first().map(ReportKinds::api_version));
        let in_force = self.current.in_force();
        let (digest, reviewed) = (in_force.set.digest().to_owned(), in_force.set.reviewed_kinds());
        let mut audit = Audit::new(cluster.clone(), resources, reviewed, None);
        let (mut results, mut objects) = (AuditResults::default(), 0);
        let (mut fault, mut unlisted) = (String::new(), BTreeSet::new());
        while let Some(step) = audit.next().await {
            // Each page is reviewed with the inventory of its time.
            let in_force = self.current.in_force();
            if !self.lease.is_held() || in_force.set.digest() != digest {
                return Err(Broken::Superseded);
            }
            match step {
                AuditStep::Objects(_, page) => {
                    for object in page {
                        objects += usize::from(self.review(&in_force, &object, now, &mut results).await?);
                    }
                }
                AuditStep::Unlisted(kind, error) => {
                    // What is only missing now must not vanish from the reports, and one kind that is broken must
                    // not keep all others out of them.
                    let again = memory.unlisted.contains(&kind) && !is_about_all(&error);
                    memory.unlisted.insert(kind.clone());
                    if !error.is_permanent() && !again {
                        return Err(error.into());
                    }
                    let message = format!("{kind} cannot be listed: {error}");
                    results.fail(&message);
                    fault = message;
                    unlisted.insert(kind);
                }
            }
            sleep(READS).await;
        }
        let took = began.elapsed();
        self.metrics.audit.completed(objects, Timestamp::now().as_second(), took.as_secs_f64());
        for (policy, outcome, total) in results.totals() {
            let severity = total.severity.map_or("", Severity::as_str);
            self.metrics.audit.result(policy.as_str(), severity, outcome.as_str(), total.results);
        }
        memory.unlisted = unlisted;
        // It takes longer than other clients of this thread should wait.
        match tokio::task::block_in_place(|| html::render(&results.worst(&in_force.set, now))) {
            Ok(page) => *self.last_page() = Some(page.into()),
            Err(error) => warn!(%error, "the page of the audit"),
        }
        if let Some(unwritten) = self.store(&kinds, &results, now, &mut memory.foreign).await? {
            fault = unwritten;
        }
        info!(objects, milliseconds = took.as_millis(), "audit complete");
        self.status().completed = Some(now);
        self.fault(&fault);
        Ok(())
    }

    /// Remembers and, if that is news, logs what is written.
    fn tell(&self, kinds: Option<String>) {
        let mut status = self.status();
        if status.kinds.as_ref() != Some(&kinds) {
            match &kinds {
                Some(kinds) => info!(kinds, "policy reports"),
                None => warn!(
                    "policy reports: neither openreports.io nor wgpolicyk8s.io is installed in the cluster"
                ),
            }
            status.kinds = Some(kinds);
        }
    }

    /// Reviews one object once nothing else waits; whether any policy reviews it.
    async fn review(
        &self,
        in_force: &Arc<InForce>,
        object: &Value,
        now: Timestamp,
        results: &mut AuditResults,
    ) -> Result<bool, Broken> {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let asked = guarded(|| request(object, in_force.set.projections(), "")).flatten();
        let Some(request) = asked.filter(|request| in_force.set.matches(request)) else { return Ok(false) };
        let subject = Subject {
            api_version: text("apiVersion"),
            kind: text("kind"),
            namespace: request.namespace.clone(),
            name: request.name(),
            uid: crate::cluster::field(object, "uid").to_owned(),
        };
        let began = Instant::now();
        let decision = self.decide(in_force, Arc::new(request), now).await?;
        results.add(&in_force.set, subject, &decision);
        sleep(began.elapsed()).await;
        Ok(true)
    }

    async fn decide(
        &self,
        in_force: &Arc<InForce>,
        request: Arc<Request>,
        now: Timestamp,
    ) -> Result<Decision, Broken> {
        loop {
            if !self.lease.is_held() {
                return Err(Broken::Superseded);
            }
            if self.evaluators.is_busy() {
                sleep(LOOK).await;
                continue;
            }
            let deadline = Instant::now() + REVIEW;
            let mode = ReviewMode::Audit;
            match self.evaluators.review(in_force, Arc::clone(&request), mode, now, deadline).await {
                Ok(decision) => return Ok(decision),
                Err(NotEvaluated::QueueFull) => sleep(LOOK).await,
                Err(error) => return Ok(in_force.undecided(&request, mode, &error)),
            }
        }
    }

    /// Writes what has changed and deletes what is no longer needed; returns the first fault.
    async fn store(
        &self,
        kinds: &[ReportKinds],
        results: &AuditResults,
        now: Timestamp,
        foreign: &mut BTreeSet<String>,
    ) -> Result<Option<String>, Broken> {
        let (cluster, mut fault) = (self.live.cluster(), None);
        let mut failed = |what: &str, error: &ClusterError| {
            self.metrics.audit.wrote("failed");
            fault.get_or_insert_with(|| format!("{what}: {error}"));
        };
        for (position, kinds) in kinds.iter().enumerate() {
            // Another group was written before this one was installed.
            let written: BTreeSet<&str> =
                if position == 0 { results.namespaces().collect() } else { BTreeSet::new() };
            match kinds.own(cluster).await {
                Ok(own) => {
                    for report in own.iter().filter(|report| !written.contains(&*report.namespace)) {
                        self.before_a_write().await?;
                        match report.delete(cluster).await {
                            Ok(()) => self.metrics.audit.wrote("deleted"),
                            Err(error) => failed("a report cannot be deleted", &error),
                        }
                    }
                }
                Err(error) => failed("reports cannot be listed", &error),
            }
            for namespace in written {
                sleep(READS).await;
                match kinds.compare(cluster, results, namespace, now).await {
                    Ok(Pending::Unchanged) => {}
                    Ok(Pending::Foreign) => {
                        self.metrics.audit.wrote("foreign");
                        if foreign.insert(namespace.to_owned()) {
                            warn!(
                                namespace,
                                "a report with the name stategate is not stategate's; it is left alone"
                            );
                        }
                    }
                    Ok(Pending::Change(change)) => {
                        self.before_a_write().await?;
                        match change.store(cluster).await {
                            Ok(()) => self.metrics.audit.wrote(done(&change)),
                            Err(error) => failed("a report cannot be written", &error),
                        }
                    }
                    Err(error) => failed("a report cannot be read", &error),
                }
            }
        }
        Ok(fault)
    }

    /// Keeps the rate, and ends everything once another replica may write.
    async fn before_a_write(&self) -> Result<(), Broken> {
        sleep(WRITES).await;
        if self.lease.is_held() { Ok(()) } else { Err(Broken::Superseded) }
    }

    /// Removes the reports of the time when there were any. Without the rights, there is nothing to remove, most
    /// likely.
    async fn remove(&self) {
        loop {
            match self.remove_all().await {
                Err(Broken::Cluster(error)) if !error.is_permanent() => sleep(RETRY).await,
                _ => return,
            }
            if !self.lease.is_held() {
                return;
            }
        }
    }

    async fn remove_all(&self) -> Result<(), Broken> {
        let cluster = self.live.cluster();
        for kinds in ReportKinds::served(&Resources::discover(cluster).await?) {
            for report in kinds.own(cluster).await? {
                self.before_a_write().await?;
                report.delete(cluster).await?;
                self.metrics.audit.wrote("deleted");
                info!(namespace = report.namespace, "policy report removed: there is no --policy-reports");
            }
        }
        Ok(())
    }
}

fn done(change: &Change) -> &'static str {
    if change.replaces { "replaced" } else { "created" }
}
