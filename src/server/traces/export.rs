//! How spans get to the collector, and what is said of those that do not.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::http::Uri;
use axum::http::uri::Scheme;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::Context;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tracing::{info, warn};

use super::{Collector, TracesError};
use crate::plain;
use crate::server::tls;
use crate::telemetry::trace_metrics::TraceMetrics;

/// Bytes of an answer of the collector.
const ANSWER: usize = 64 << 10;
/// How long nothing may have been lost before the log says that traces are sent again.
const QUIET: Duration = Duration::from_secs(60);

/// What takes ended spans, and sends them in batches.
pub fn processor(
    collector: &Collector,
    url: &Uri,
    metrics: &TraceMetrics,
    waiting: &Arc<AtomicUsize>,
) -> Result<Bounded, TracesError> {
    let losses = Arc::new(Losses { metrics: metrics.clone(), state: Mutex::default() });
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(trust(collector, url)?)
        .https_or_http()
        .enable_http1()
        .build();
    let http = Sender {
        client: Client::builder(TokioExecutor::new()).build(connector),
        runtime: Handle::current(),
        timeout: collector.timeout,
        losses: Arc::clone(&losses),
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(http)
        .with_endpoint(&collector.url)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(collector.timeout)
        .build()?;
    let exporter = Counted { exporter, waiting: Arc::clone(waiting), losses: Arc::clone(&losses) };
    let batches = BatchConfigBuilder::default().with_max_queue_size(collector.queue).build();
    let batches = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    Ok(Bounded { batches, waiting: Arc::clone(waiting), most: collector.queue, losses })
}

/// Whose certificates the collector may have.
fn trust(collector: &Collector, url: &Uri) -> Result<ClientConfig, TracesError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let roots = match &collector.authorities {
        Some(file) => tls::authorities(file)?,
        None if url.scheme() == Some(&Scheme::HTTPS) => system()?,
        // There is no TLS.
        None => RootCertStore::empty(),
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The authorities of the system.
fn system() -> Result<RootCertStore, TracesError> {
    let mut roots = RootCertStore::empty();
    // Of some systems, a few cannot be read.
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 { Err(TracesError::System) } else { Ok(roots) }
}

/// Sends requests on the threads of the server; the SDK's own thread has no runtime.
#[derive(Debug)]
struct Sender {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
    losses: Arc<Losses>,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        let patience = self.timeout;
        // The timer is one of the runtime's, too.
        let limited = async move { tokio::time::timeout(patience, exchange).await };
        let result: Result<_, HttpError> = match self.runtime.spawn(limited).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(format!("no answer within {} s", self.timeout.as_secs_f64()).into()),
            Err(ended) => Err(ended.into()),
        };
        // The SDK would only say that there was an error.
        result.inspect_err(|error| self.losses.because(words(&**error)))
    }
}

/// An error with its causes.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    plain::line(&words).into_owned()
}

/// A queue that is never longer than it may be, and says what it had no room for. The SDK's would drop the same, in
/// silence.
#[derive(Debug)]
pub struct Bounded {
    batches: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    most: usize,
    losses: Arc<Losses>,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let room = |waiting: usize| (waiting < self.most).then_some(waiting + 1);
        match self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => self.batches.on_end(span),
            Err(_) => self.losses.lost(1, "queue_full", "more of them end than the collector takes"),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts what is sent and what is not.
#[derive(Debug)]
struct Counted {
    exporter: opentelemetry_otlp::SpanExporter,
    waiting: Arc<AtomicUsize>,
    losses: Arc<Losses>,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        let result = self.exporter.export(batch).await;
        match &result {
            Ok(()) => self.losses.sent(spans),
            Err(error) => self.losses.lost(spans, "export_failed", &error.to_string()),
        }
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Counts losses, and says when they begin and when they are over.
#[derive(Debug)]
struct Losses {
    metrics: TraceMetrics,
    state: Mutex<Losing>,
}

#[derive(Debug, Default)]
struct Losing {
    /// When something was last lost; none since it was last said that traces are sent.
    last: Option<Instant>,
    dropped: usize,
    /// Why the last request failed.
    why: Option<String>,
}

impl Losses {
    fn because(&self, why: String) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).why = Some(why);
    }

    fn lost(&self, spans: usize, reason: &'static str, error: &str) {
        self.metrics.dropped(spans, reason);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.dropped += spans;
        let why = state.why.take();
        let first = state.last.replace(Instant::now()).is_none();
        drop(state);
        if first {
            let error = why.as_deref().unwrap_or(error);
            warn!(error, "traces are dropped, and counted, until the collector takes them");
        }
    }

    fn sent(&self, spans: usize) {
        self.metrics.exported(spans);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // What failed before this was tried again.
        state.why = None;
        if state.last.is_none_or(|last| last.elapsed() < QUIET) {
            return;
        }
        let dropped = std::mem::take(&mut *state).dropped;
        drop(state);
        info!(dropped, "traces are sent again");
    }
}
