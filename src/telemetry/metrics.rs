//! Metrics for Prometheus.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::audit_metrics::AuditMetrics;
use super::decision_cache_metrics::DecisionCacheMetrics;
use super::decision_log::DecisionLogMetrics;
use super::exposition::{self, Exposition};
pub use super::labels::{Answer, Closed};
use super::labels::{
    ClosedLabels, ExceptionLabels, FailureLabels, InterruptionLabels, KindLabels, PolicyLabels,
    PolicySetLabels, PortLabels, ResultLabels, ReviewLabels, ThreadLabels, TraceLabels, ViolationLabels,
    WaiverLabels, WebhookLabels, WrittenLabels,
};
use super::process_metrics::ProcessMetrics;
use super::recent::Recent;
use super::shadow_metrics::ShadowMetrics;
use super::trace_metrics::TraceMetrics;
use crate::decision::Decision;

/// All metrics.
pub struct Metrics {
    registry: Registry,
    reviews: Family<ReviewLabels, Counter>,
    durations: Family<
        WebhookLabels,
        HistogramWithExemplars<TraceLabels>,
        fn() -> HistogramWithExemplars<TraceLabels>,
    >,
    violations: Family<ViolationLabels, Counter>,
    evaluations: Family<PolicyLabels, Histogram>,
    waivers: Family<WaiverLabels, Counter>,
    events: Family<ResultLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    unknown: Family<PolicyLabels, Counter>,
    policy_set: Family<PolicySetLabels, Gauge>,
    reloads: Family<ResultLabels, Counter>,
    reloaded: Gauge,
    last_reload: Gauge,
    /// Reviews that are waiting for a thread.
    pub queue_depth: Gauge,
    /// Abandoned evaluation threads that are still computing.
    pub threads_lost: Gauge,
    threads_replaced: Family<ThreadLabels, Counter>,
    quarantined: Family<PolicyLabels, Gauge>,
    exceptions: Family<ExceptionLabels, Gauge>,
    connections: Family<PortLabels, Gauge>,
    connections_closed: Family<ClosedLabels, Counter>,
    inventory_objects: Family<KindLabels, Gauge>,
    inventory_complete: Family<KindLabels, Gauge>,
    inventory_age: Family<KindLabels, Gauge>,
    inventory_interruptions: Family<InterruptionLabels, Counter>,
    /// Whether this replica does what only one may do.
    pub lease_held: Gauge,
    /// Whether the webhook configurations are as the policy set needs them, if this replica looks after them.
    webhooks_in_sync: Family<[(&'static str, String); 1], Gauge>,
    webhooks_written: Family<WrittenLabels, Counter>,
    companion_reads: Family<ResultLabels, Counter>,
    /// When the certificate in force ends, in seconds since the Unix epoch.
    pub certificate_expiry: Gauge,
    /// Those of the audit in the background.
    pub audit: AuditMetrics,
    /// Those of the decision log.
    pub decision_log: DecisionLogMetrics,
    /// Those of traces.
    pub traces: TraceMetrics,
    /// Those of the comparison with the interpreter.
    pub shadow: ShadowMetrics,
    /// The decisions that are given again.
    pub decision_cache: DecisionCacheMetrics,
    /// The numbers of the last hour, for people.
    pub recent: Recent,
}

impl Metrics {
    /// Metrics for this policy set, which was loaded at a time in seconds since 1970. All others are at zero.
    pub fn new(digest: &str, profile: &str, loaded: i64) -> Self {
        // 100 µs to 13 s
        let traced: fn() -> _ = || HistogramWithExemplars::new(exponential_buckets(0.0001, 2.0, 18));
        // 500 µs to 0.5 s: one for each policy.
        let coarse: fn() -> Histogram = || Histogram::new([0.0005, 0.002, 0.01, 0.05, 0.5]);
        let metrics = Self {
            registry: Registry::default(),
            reviews: Family::default(),
            durations: Family::new_with_constructor(traced),
            violations: Family::default(),
            evaluations: Family::new_with_constructor(coarse),
            waivers: Family::default(),
            events: Family::default(),
            failures: Family::default(),
            unknown: Family::default(),
            policy_set: Family::default(),
            reloads: Family::default(),
            reloaded: Gauge::default(),
            last_reload: Gauge::default(),
            queue_depth: Gauge::default(),
            threads_lost: Gauge::default(),
            threads_replaced: Family::default(),
            quarantined: Family::default(),
            exceptions: Family::default(),
            connections: Family::default(),
            connections_closed: Family::default(),
            inventory_objects: Family::default(),
            inventory_complete: Family::default(),
            inventory_age: Family::default(),
            inventory_interruptions: Family::default(),
            lease_held: Gauge::default(),
            webhooks_in_sync: Family::default(),
            webhooks_written: Family::default(),
            companion_reads: Family::default(),
            certificate_expiry: Gauge::default(),
            audit: AuditMetrics::default(),
            decision_log: DecisionLogMetrics::default(),
            traces: TraceMetrics::default(),
            shadow: ShadowMetrics::default(),
            decision_cache: DecisionCacheMetrics::default(),
            recent: Recent::default(),
        };
        let mut all = Registry::default();
        all.register_collector(Box::new(ProcessMetrics));
        let registry = all.sub_registry_with_prefix("stategate");
        registry.register("reviews", "Reviews answered", metrics.reviews.clone());
        registry.register(
            "review_duration_seconds",
            "Time from the request to its answer",
            metrics.durations.clone(),
        );
        registry.register("violations", "Violations found in reviews", metrics.violations.clone());
        registry.register(
            "policy_evaluation_duration_seconds",
            "Time that one evaluation of a policy took, in reviews and in the audit",
            metrics.evaluations.clone(),
        );
        registry.register(
            "policy_waivers",
            "Policies that were not evaluated in a review because of an exception or the object's own annotation",
            metrics.waivers.clone(),
        );
        registry.register("policy_failures", "Policies that could not decide", metrics.failures.clone());
        registry.register(
            "policy_unknown",
            "Policies that were not evaluated because other objects are not known",
            metrics.unknown.clone(),
        );
        registry.register(
            "inventory_objects",
            "Objects of the cluster that are known, by kind",
            metrics.inventory_objects.clone(),
        );
        registry.register(
            "inventory_complete",
            "1 if all objects of the kind are known, 0 if policies that need them are unknown",
            metrics.inventory_complete.clone(),
        );
        registry.register(
            "inventory_age_seconds",
            "Seconds since the API server last said something about the kind",
            metrics.inventory_age.clone(),
        );
        registry.register(
            "inventory_interruptions",
            "Failed attempts to list or watch the kind",
            metrics.inventory_interruptions.clone(),
        );
        registry.register(
            "lease_held",
            "1 if this replica holds the lease, and does what only one may do",
            metrics.lease_held.clone(),
        );
        registry.register(
            "webhook_configurations_in_sync",
            "1 if the webhook configurations are as the policy set needs them; absent where another replica looks after them",
            metrics.webhooks_in_sync.clone(),
        );
        registry.register(
            "webhook_configuration_writes",
            "Webhook configurations that this replica has created, replaced or deleted; many, if another one changes them back",
            metrics.webhooks_written.clone(),
        );
        registry.register(
            "companion_reads",
            "Creations with findings for which objects that came just before were looked for, by what came of it",
            metrics.companion_reads.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate in force ends, or the first one of its chain",
            metrics.certificate_expiry.clone(),
        );
        registry.register(
            "evaluation_queue_depth",
            "Reviews that wait for a thread",
            metrics.queue_depth.clone(),
        );
        registry.register(
            "evaluation_threads_lost",
            "Evaluation threads that were abandoned and still run",
            metrics.threads_lost.clone(),
        );
        registry.register(
            "evaluation_threads_replaced",
            "Evaluation threads that were replaced because a policy did not return or panicked",
            metrics.threads_replaced.clone(),
        );
        registry.register(
            "policy_quarantined",
            "Policies that are not evaluated until the next reload: 1",
            metrics.quarantined.clone(),
        );
        registry.register(
            "exceptions",
            "PolicyExceptions in force: active, expiring within 14 days, or expired",
            metrics.exceptions.clone(),
        );
        registry.register(
            "events",
            "Kubernetes Events about refusals: created, updated, failed; aggregated into one, or dropped",
            metrics.events.clone(),
        );
        registry.register("connections", "Open connections", metrics.connections.clone());
        registry.register(
            "connections_closed",
            "Connections closed by the server: evicted, refused, stalled",
            metrics.connections_closed.clone(),
        );
        registry.register("policy_set_info", "The policy set in force: 1", metrics.policy_set.clone());
        registry.register("policy_set_reloads", "Attempts to reload the policy set", metrics.reloads.clone());
        registry.register(
            "policy_set_last_reload_successful",
            "1 if the last attempt to load the policy set was successful",
            metrics.reloaded.clone(),
        );
        registry.register(
            "policy_set_last_reload_success_timestamp_seconds",
            "When the policy set in force was loaded",
            metrics.last_reload.clone(),
        );
        metrics.audit.register(registry);
        metrics.decision_log.register(registry);
        metrics.traces.register(registry);
        metrics.shadow.register(registry);
        metrics.decision_cache.register(registry);
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The build that runs", Info::new(version));
        for result in ["swapped", "failed"] {
            drop(metrics.reloads.get_or_create(&ResultLabels { result }));
        }
        let metrics = Self { registry: all, ..metrics };
        metrics.in_force(digest, profile, loaded);
        metrics
    }

    /// Records that another policy set is in force since a time in seconds since 1970.
    pub fn reloaded(&self, digest: &str, profile: &str, loaded: i64) {
        self.reloads.get_or_create(&ResultLabels { result: "swapped" }).inc();
        self.in_force(digest, profile, loaded);
    }

    /// Records that the sources are those of the policy set in force.
    pub fn reload_unneeded(&self) {
        self.reloaded.set(1);
    }

    /// When the policy set in force was loaded, in seconds since 1970.
    pub fn policy_set_loaded(&self) -> i64 {
        self.last_reload.get()
    }

    /// Records that newer policies could not be loaded.
    pub fn reload_failed(&self) {
        self.reloads.get_or_create(&ResultLabels { result: "failed" }).inc();
        self.reloaded.set(0);
    }

    fn in_force(&self, digest: &str, profile: &str, loaded: i64) {
        self.reloaded.set(1);
        self.last_reload.set(loaded);
        self.policy_set.clear();
        self.quarantined.clear();
        let labels = PolicySetLabels { digest: digest.to_owned(), profile: profile.to_owned() };
        self.policy_set.get_or_create(&labels).set(1);
    }

    /// Records whether the webhook configurations of this name are as they should be; none if another replica knows.
    pub fn webhooks_in_sync(&self, name: &str, in_sync: Option<bool>) {
        self.webhooks_in_sync.clear();
        if let Some(in_sync) = in_sync {
            self.webhooks_in_sync.get_or_create(&[("name", name.to_owned())]).set(in_sync.into());
        }
    }

    /// Counts a webhook configuration of this name that was created, replaced or deleted.
    pub fn webhooks_written(&self, name: &str, change: &'static str) {
        self.webhooks_written.get_or_create(&WrittenLabels { name: name.to_owned(), change }).inc();
    }

    /// Counts a creation with findings for which companions were looked for.
    pub fn companions_read(&self, result: &'static str) {
        self.companion_reads.get_or_create(&ResultLabels { result }).inc();
    }

    /// Counts an evaluation thread that a policy cost; the policy is empty if none was being evaluated.
    pub fn thread_replaced(&self, policy: &str, reason: &'static str) {
        self.threads_replaced.get_or_create(&ThreadLabels { policy: policy.to_owned(), reason }).inc();
    }

    /// Records that a policy is in quarantine.
    pub fn quarantined(&self, policy: &str) {
        self.quarantined.get_or_create(&PolicyLabels { policy: policy.to_owned() }).set(1);
    }

    /// Records how many exceptions are in this state.
    pub fn exceptions(&self, state: &'static str, count: i64) {
        self.exceptions.get_or_create(&ExceptionLabels { state }).set(count);
    }

    /// Records how many connections a port has.
    pub fn connections(&self, port: &'static str, open: usize) {
        let open = i64::try_from(open).unwrap_or(i64::MAX);
        self.connections.get_or_create(&PortLabels { port }).set(open);
    }

    /// Counts a connection that the server closed.
    pub fn connection_closed(&self, port: &'static str, reason: Closed) {
        self.connections_closed.get_or_create(&ClosedLabels { port, reason }).inc();
    }

    /// Counts one review. The kind is one that policies review, or `other`; empty if it is not known.
    pub fn review(
        &self,
        webhook: &'static str,
        operation: &'static str,
        kind: &str,
        answer: Answer,
        took: Duration,
        trace: Option<String>,
    ) {
        let labels = ReviewLabels { webhook, operation, kind: kind.to_owned(), answer };
        self.reviews.get_or_create(&labels).inc();
        let trace = trace.map(|trace_id| TraceLabels { trace_id });
        let durations = self.durations.get_or_create(&WebhookLabels { webhook });
        durations.observe(took.as_secs_f64(), trace, None);
        self.recent.answered(answer);
    }

    /// Counts what became of a Kubernetes Event.
    pub fn event(&self, result: &'static str) {
        self.events.get_or_create(&ResultLabels { result }).inc();
    }

    /// Records how long one evaluation of a policy took.
    pub fn evaluated(&self, policy: &str, took: Duration) {
        let labels = PolicyLabels { policy: policy.to_owned() };
        self.evaluations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts the findings, failures and waivers of a decision about an object of a namespace.
    pub fn decision(&self, namespace: &str, decision: &Decision) {
        self.recent.decided(namespace, decision);
        for waived in &decision.waived {
            let by = if waived.exception.is_some() { "exception" } else { "annotation" };
            let labels = WaiverLabels { policy: waived.policy.to_string(), by };
            self.waivers.get_or_create(&labels).inc();
        }
        for finding in &decision.findings {
            let labels =
                ViolationLabels { policy: finding.policy.to_string(), action: finding.action.as_str() };
            self.violations.get_or_create(&labels).inc();
        }
        for failure in &decision.failures {
            let labels = FailureLabels { policy: failure.policy.to_string(), reason: failure.cause.kind() };
            self.failures.get_or_create(&labels).inc();
        }
        for unknown in &decision.unknown {
            self.unknown.get_or_create(&PolicyLabels { policy: unknown.policy.to_string() }).inc();
        }
    }

    /// What is known of a kind of the cluster.
    pub fn inventory(&self, kind: &str, objects: usize, complete: bool, age: Option<u64>) {
        let labels = KindLabels { kind: kind.to_owned() };
        self.inventory_objects.get_or_create(&labels).set(i64::try_from(objects).unwrap_or(i64::MAX));
        self.inventory_complete.get_or_create(&labels).set(complete.into());
        if let Some(age) = age {
            self.inventory_age.get_or_create(&labels).set(i64::try_from(age).unwrap_or(i64::MAX));
        }
    }

    /// Forgets what was known of the kinds of the cluster.
    pub fn clear_inventory(&self) {
        self.inventory_objects.clear();
        self.inventory_complete.clear();
        self.inventory_age.clear();
    }

    /// Counts an attempt to list or watch a kind that failed.
    pub fn inventory_interrupted(&self, kind: &str, reason: &'static str) {
        let labels = InterruptionLabels { kind: kind.to_owned(), reason };
        self.inventory_interruptions.get_or_create(&labels).inc();
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// If a value cannot be formatted.
    pub fn encode(&self, format: Exposition) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(match format {
            Exposition::OpenMetrics => text,
            Exposition::Prometheus => exposition::prometheus(&text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Failure, Finding, Unknown, Waived};
    use crate::engine::EvaluationError;
    use crate::policy::binding::OnFailure;
    use crate::policy::{Action, PolicyId};

    #[test]
    fn what_is_counted_is_written_under_its_documented_name() {
        let metrics = Metrics::new("abc", "production", 7);
        let trace = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
        for answer in [
            Answer::Allowed,
            Answer::Denied,
            Answer::Unreadable,
            Answer::Shed,
            Answer::TimedOut,
            Answer::Broken,
        ] {
            metrics.review(
                "validate/fail",
                "CREATE",
                "StatefulSet.apps",
                answer,
                Duration::from_millis(2),
                trace.clone(),
            );
        }
        let finding = Finding::sample("one", Action::Warn);
        let stopped = EvaluationError::StepsExceeded;
        let failure =
            Failure { policy: PolicyId::new("two"), cause: stopped.into(), on_failure: OnFailure::Deny };
        metrics.evaluated("one", Duration::from_millis(3));
        let waived = |exception: Option<&str>| Waived {
            policy: PolicyId::new("one"),
            exception: exception.map(str::to_owned),
            reason: String::new(),
        };
        metrics.decision(
            "shop",
            &Decision {
                waived: vec![waived(Some("legacy")), waived(None), waived(None)],
                findings: vec![finding],
                failures: vec![failure],
                unknown: vec![Unknown {
                    policy: PolicyId::new("three"),
                    missing: vec!["Node".to_owned()],
                    unfilled: false,
                }],
                ..Decision::default()
            },
        );
        metrics.exceptions("expired", 2);
        let text = metrics.encode(Exposition::OpenMetrics).unwrap();
        for line in [
            r#"stategate_exceptions{state="expired"} 2"#,
            r#"stategate_reviews_total{webhook="validate/fail",operation="CREATE",kind="StatefulSet.apps",answer="timed_out"} 1"#,
            r#"stategate_reviews_total{webhook="validate/fail",operation="CREATE",kind="StatefulSet.apps",answer="shed"} 1"#,
            r#"stategate_review_duration_seconds_count{webhook="validate/fail"} 6"#,
            r#"stategate_review_duration_seconds_bucket{le="0.0001",webhook="validate/fail"} 0"#,
            r#"stategate_violations_total{policy="one",action="warn"} 1"#,
            r#"stategate_policy_failures_total{policy="two",reason="steps"} 1"#,
            r#"stategate_policy_unknown_total{policy="three"} 1"#,
            r#"stategate_policy_evaluation_duration_seconds_bucket{le="0.01",policy="one"} 1"#,
            r#"stategate_policy_waivers_total{policy="one",by="annotation"} 2"#,
            r#"stategate_policy_waivers_total{policy="one",by="exception"} 1"#,
            r#"stategate_policy_set_reloads_total{result="failed"} 0"#,
            "stategate_policy_set_last_reload_successful 1",
            "stategate_policy_set_last_reload_success_timestamp_seconds 7",
            "stategate_evaluation_queue_depth 0",
            "stategate_evaluation_threads_lost 0",
            r#"stategate_policy_set_info{digest="abc",profile="production"} 1"#,
            concat!(r#"stategate_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
            "# EOF",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in:\n{text}");
        }
        let number = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is not in:\n{text}")).parse().unwrap()
        };
        assert!(number("process_resident_memory_bytes") > 1e6 && number("process_open_fds") > 2.0);
        assert!(number("process_cpu_seconds_total") >= 0.0 && number("process_max_fds") > 2.0);
        assert!(number("process_start_time_seconds") > 1.7e9 && number("process_threads") >= 1.0);
        metrics.reload_failed();
        assert!(metrics.encode(Exposition::Prometheus).unwrap().contains("reload_successful 0\n"));
        metrics.reload_unneeded();
        assert!(metrics.encode(Exposition::Prometheus).unwrap().contains("reload_successful 1\n"));
    }
}
