//! Metrics of the decisions that are given again.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// How often a decision was known, and what all of them take.
#[derive(Clone, Debug, Default)]
pub struct DecisionCacheMetrics {
    lookups: Family<[(&'static str, &'static str); 1], Counter>,
    size: Gauge,
}

impl DecisionCacheMetrics {
    /// Adds them to those that are served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "decision_cache_lookups",
            "Updates that were looked for in the decision cache: hit, miss",
            self.lookups.clone(),
        );
        registry.register_with_unit(
            "decision_cache_size",
            "What the decision cache takes",
            Unit::Bytes,
            self.size.clone(),
        );
    }

    /// Counts a request whose decision was looked for.
    pub fn looked_up(&self, found: bool) {
        self.lookups.get_or_create(&[("result", if found { "hit" } else { "miss" })]).inc();
    }

    /// The cache takes as many bytes now.
    pub fn filled(&self, bytes: usize) {
        self.size.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}
