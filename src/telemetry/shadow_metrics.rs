//! Metrics of the comparison of compiled rules with the interpreter.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::PolicyLabels;
use crate::engine::Comparison;

/// What was compared, and what became of it.
#[derive(Clone, Debug, Default)]
pub struct ShadowMetrics {
    comparisons: Family<[(&'static str, &'static str); 1], Counter>,
    differences: Family<PolicyLabels, Counter>,
    dropped: Counter,
}

impl ShadowMetrics {
    /// Adds them to those that are served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "shadow_comparisons",
            "Answers of compiled rules that were compared with the interpreter's: same, different, undecided",
            self.comparisons.clone(),
        );
        registry.register(
            "shadow_differences",
            "Answers of compiled rules that were not the interpreter's",
            self.differences.clone(),
        );
        registry.register(
            "shadow_dropped",
            "Reviews of the sample that were not compared because too much waited",
            self.dropped.clone(),
        );
    }

    /// Begins to count, at zero.
    pub fn begin(&self) {
        for result in [Comparison::Same, Comparison::Different, Comparison::Undecided] {
            drop(self.of(result));
        }
    }

    /// Counts a comparison of an answer of a policy.
    pub fn compared(&self, policy: &str, result: Comparison) {
        self.of(result).inc();
        if result == Comparison::Different {
            self.differences.get_or_create(&PolicyLabels { policy: policy.to_owned() }).inc();
        }
    }

    /// Counts a review that was not compared.
    pub fn dropped(&self) {
        self.dropped.inc();
    }

    fn of(&self, result: Comparison) -> impl std::ops::Deref<Target = Counter> {
        let result = match result {
            Comparison::Same => "same",
            Comparison::Different => "different",
            Comparison::Undecided => "undecided",
        };
        self.comparisons.get_or_create(&[("result", result)])
    }
}
