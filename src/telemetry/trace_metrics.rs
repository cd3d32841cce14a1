//! Metrics of the traces that `serve` sends.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DroppedLabels {
    reason: &'static str,
}

/// How many spans reached the collector, and how many did not.
#[derive(Clone, Debug, Default)]
pub struct TraceMetrics {
    exported: Counter,
    dropped: Family<DroppedLabels, Counter>,
}

impl TraceMetrics {
    /// Adds them to those that are served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "trace_spans_exported",
            "Spans that the collector of traces took",
            self.exported.clone(),
        );
        registry.register(
            "trace_spans_dropped",
            "Spans that the collector of traces did not get: queue_full, export_failed",
            self.dropped.clone(),
        );
    }

    /// Begins to count, at zero, so that the first loss is an increase.
    pub fn begin(&self) {
        for reason in ["queue_full", "export_failed"] {
            self.dropped(0, reason);
        }
    }

    /// Counts spans that the collector took.
    pub fn exported(&self, spans: usize) {
        self.exported.inc_by(spans as u64);
    }

    /// Counts spans that it did not get.
    pub fn dropped(&self, spans: usize, reason: &'static str) {
        self.dropped.get_or_create(&DroppedLabels { reason }).inc_by(spans as u64);
    }
}
