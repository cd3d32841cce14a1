//! Metrics of the audit in the background of `serve`.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    policy: String,
    severity: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    result: &'static str,
}

/// What the last complete audit found, and what became of its reports.
#[derive(Default)]
pub struct AuditMetrics {
    results: Family<ResultLabels, Gauge>,
    objects: Gauge,
    completed: Gauge,
    duration: Gauge<f64, AtomicU64>,
    writes: Family<WriteLabels, Counter>,
}

impl AuditMetrics {
    /// Adds them to those that are served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "audit_results",
            "Results of the last complete audit: fail, error, warn, skip",
            self.results.clone(),
        );
        registry.register(
            "audit_objects",
            "Objects that the last complete audit reviewed",
            self.objects.clone(),
        );
        registry.register(
            "audit_last_complete_timestamp_seconds",
            "When the last complete audit ended; 0 if there was none, or another replica audits",
            self.completed.clone(),
        );
        registry.register(
            "audit_duration_seconds",
            "How long the last complete audit took",
            self.duration.clone(),
        );
        registry.register(
            "policy_report_writes",
            "Reports of the audit that were created, replaced, deleted, failed to be written, or are foreign",
            self.writes.clone(),
        );
    }

    /// Records a complete audit: its number of objects, its end in seconds since 1970, and how long it took.
    pub fn completed(&self, objects: usize, end: i64, seconds: f64) {
        self.results.clear();
        self.objects.set(i64::try_from(objects).unwrap_or(i64::MAX));
        self.completed.set(end);
        self.duration.set(seconds);
    }

    /// Records how often a policy had a result in it.
    pub fn result(&self, policy: &str, severity: &'static str, result: &'static str, number: u64) {
        let labels = ResultLabels { policy: policy.to_owned(), severity, result };
        self.results.get_or_create(&labels).set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Forgets the last audit: another replica audits now.
    pub fn forget(&self) {
        self.completed(0, 0, 0.0);
    }

    /// Counts what became of one report.
    pub fn wrote(&self, result: &'static str) {
        self.writes.get_or_create(&WriteLabels { result }).inc();
    }
}
