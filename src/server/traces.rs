//! OpenTelemetry traces: a span for each request of the webhook, as a child of the span that its caller names.
//!
//! Nothing waits for a collector: spans go into a bounded queue, from which a thread of the SDK sends them. Of the object
//! a span has the kind and the namespace, never a name, a value or a user.

mod export;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::{
    EnvResourceDetector, ResourceDetector as _, SdkProvidedResourceDetector, TelemetryResourceDetector,
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::{info, warn};

use super::tls::TlsError;
use crate::policy::Action;
use crate::policyset::PolicySet;
use crate::report::decision_entry::{DecisionEntry, NAME, text};
use crate::telemetry::trace_metrics::TraceMetrics;

/// Policies that a span names.
const POLICIES: usize = 32;

/// Bytes of a header with the context of a caller: what W3C has everybody take. The spans in the queue keep it.
const CONTEXT: usize = 512;

/// Where traces go. The SDK reads the sampler, the resource, headers and the pace of the batches from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// The URL that takes traces, by OTLP over HTTP: `http://collector.example.com:4318/v1/traces`.
    pub url: String,
    /// A file of the authorities (PEM) that it is trusted by; absent: those of the system.
    pub authorities: Option<PathBuf>,
    /// How long one batch may take.
    pub timeout: Duration,
    /// Spans that may wait.
    pub queue: usize,
}

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
enum TracesError {
    // It may have a key in it.
    #[error("the URL of the collector is none such as http://collector.example.com:4318")]
    Url,
    #[error(transparent)]
    Authorities(#[from] TlsError),
    #[error(
        "the system has no authorities; name a file of the collector's in OTEL_EXPORTER_OTLP_CERTIFICATE"
    )]
    System,
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// What makes spans and sends them.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    /// Spans in the queue.
    waiting: Arc<AtomicUsize>,
}

impl Traces {
    /// Begins to send. If that is impossible the log says so, and there are no traces: they are no reason not to serve.
    pub fn start(collector: &Collector, host: &str, metrics: &TraceMetrics) -> Option<Arc<Self>> {
        match Self::new(collector, host, metrics) {
            Ok(traces) => Some(Arc::new(traces)),
            Err(error) => {
                warn!(%error, "there are no traces");
                None
            }
        }
    }

    fn new(collector: &Collector, host: &str, metrics: &TraceMetrics) -> Result<Self, TracesError> {
        let url: Uri = collector.url.parse().map_err(|_| TracesError::Url)?;
        let waiting = Arc::default();
        let processor = export::processor(collector, &url, metrics, &waiting)?;
        let provider =
            SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource(host)).build();
        metrics.begin();
        let version = env!("CARGO_PKG_VERSION");
        let scope = InstrumentationScope::builder("stategate").with_version(version).build();
        let tracer = provider.tracer_with_scope(scope);
        // Not the whole URL, which may have a key in it.
        info!(collector = url.host(), port = url.port_u16(), "traces are sent");
        Ok(Self { provider, tracer, waiting })
    }

    /// Sends what is in the queue, but takes no longer than this.
    pub fn end(&self, patience: Duration) {
        let sent = self.provider.shutdown_with_timeout(patience).is_ok();
        let spans = self.waiting.load(Ordering::Relaxed);
        if !sent || spans > 0 {
            warn!(spans, "the collector did not take the last traces in time");
        }
    }
}

/// What the spans are of. The environment may say it better.
fn resource(host: &str) -> Resource {
    let service = Key::from_static_str("service.name");
    let own = Resource::builder_empty()
        .with_attributes([
            KeyValue::new(service.clone(), "stategate"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", host.to_owned()),
        ])
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    // This is what reads OTEL_SERVICE_NAME; without it, it makes a name up.
    let named = SdkProvidedResourceDetector.detect().get(&service);
    let named = named.filter(|name| !name.as_str().starts_with("unknown_service"));
    match named {
        Some(name) => own.with_attribute(KeyValue::new(service, name)).build(),
        None => own.build(),
    }
}

/// Where the context of a caller is.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.to_str().ok()?;
        (value.len() <= CONTEXT).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The span of a request, if it is to be recorded. It ends when this is dropped.
pub struct RequestSpan(Option<Recording>);

struct Recording {
    traces: Arc<Traces>,
    context: Context,
    /// One moment by two clocks.
    began: (Instant, SystemTime),
    answered: AtomicBool,
}

impl RequestSpan {
    /// Begins, in the trace that the headers of the request name (`traceparent`) or else in a new one. Whether it is
    /// recorded is said by those headers, or else by the sampler.
    pub fn begin(traces: Option<&Arc<Traces>>, webhook: &'static str, headers: &HeaderMap) -> Self {
        let Some(traces) = traces else { return Self(None) };
        let began = (Instant::now(), SystemTime::now());
        // A context of its own: that of this thread belongs to no request.
        let caller = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        let span = traces
            .tracer
            .span_builder(format!("POST /{webhook}"))
            .with_kind(SpanKind::Server)
            .with_start_time(began.1)
            .with_attributes([
                KeyValue::new("http.request.method", "POST"),
                KeyValue::new("http.route", format!("/{webhook}")),
                KeyValue::new("url.scheme", "https"),
            ])
            .start_with_context(&traces.tracer, &caller);
        Self(span.is_recording().then(|| Recording {
            traces: Arc::clone(traces),
            context: Context::new().with_span(span),
            began,
            answered: AtomicBool::new(false),
        }))
    }

    /// The trace, in hexadecimal digits.
    pub fn trace_id(&self) -> Option<String> {
        self.0.as_ref().map(|recording| recording.context.span().span_context().trace_id().to_string())
    }

    /// Adds a part of the work on the request as a span of its own.
    pub fn step(&self, name: &'static str, from: Instant, to: Instant) {
        let Some(recording) = &self.0 else { return };
        let (instant, time) = recording.began;
        let time = |at: Instant| time + at.saturating_duration_since(instant);
        let tracer = &recording.traces.tracer;
        tracer
            .span_builder(name)
            .with_start_time(time(from))
            .start_with_context(tracer, &recording.context)
            .end_with_timestamp(time(to));
    }

    /// Says what became of the request.
    pub fn decided(&self, entry: &DecisionEntry<'_>) {
        let Some(recording) = &self.0 else { return };
        let span = recording.context.span();
        span.set_attributes(attributes(entry));
        if matches!(entry.answer, "timed_out" | "broken") {
            span.set_status(Status::error(entry.reason.unwrap_or(entry.answer).to_owned()));
        }
    }

    /// Says which status the answer has.
    pub fn answered(&self, status: StatusCode) {
        let Some(recording) = &self.0 else { return };
        recording.answered.store(true, Ordering::Relaxed);
        let code = i64::from(status.as_u16());
        recording.context.span().set_attribute(KeyValue::new("http.response.status_code", code));
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let span = self.context.span();
        if !self.answered.load(Ordering::Relaxed) {
            span.set_status(Status::error("the client did not wait for the answer"));
        }
        span.end();
    }
}

/// What a span says of a request and its decision: whatever is of the client's own making has a bounded length.
fn attributes(entry: &DecisionEntry<'_>) -> Vec<KeyValue> {
    let decision = entry.decision;
    let mut all = vec![
        KeyValue::new("stategate.answer", entry.answer),
        KeyValue::new("stategate.findings", count(decision.findings.len())),
        KeyValue::new("stategate.evaluated", count(decision.evaluated)),
    ];
    let mut add = |key: &'static str, value: Value| all.push(KeyValue::new(key, value));
    if !entry.uid.is_empty() {
        add("stategate.uid", text(entry.uid, NAME).into());
    }
    if let Some(request) = entry.request {
        add("stategate.operation", request.operation.as_str().into());
        add("stategate.kind", text(&request.kind.group_kind().to_string(), NAME).into());
        add("stategate.dry_run", request.dry_run.into());
        for (key, value) in
            [("stategate.subresource", &request.subresource), ("stategate.namespace", &request.namespace)]
        {
            if !value.is_empty() {
                add(key, text(value, NAME).into());
            }
        }
    }
    if let Some(allowed) = entry.allowed {
        add("stategate.allowed", allowed.into());
    }
    if let Some(digest) = entry.set.map(PolicySet::digest) {
        add("stategate.policy_set", digest.to_owned().into());
    }
    let denied = decision.findings.iter().filter(|finding| finding.action == Action::Deny);
    let failed = decision.failures.iter().map(|failure| failure.policy.as_str());
    for (key, policies) in [
        ("stategate.denied_by", names(denied.map(|finding| finding.policy.as_str()))),
        ("stategate.failed", names(failed)),
    ] {
        if !policies.is_empty() {
            add(key, Value::Array(Array::String(policies)));
        }
    }
    if let Some(exemption) = decision.exemption {
        add("stategate.exemption", exemption.as_str().into());
    }
    all
}

/// Each of these policies once.
fn names<'a>(policies: impl Iterator<Item = &'a str>) -> Vec<StringValue> {
    let mut names: Vec<&str> = policies.collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(POLICIES);
    names.into_iter().map(|name| name.to_owned().into()).collect()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
