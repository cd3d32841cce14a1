//! The webhook: axum over rustls, with limits on all resources, drained on SIGTERM.
//!
//! ```text
//!  connections ─▶ routes ─▶ body ─▶ decode ─▶ evaluators ─▶ answer
//!  (limit, handshake,       (size,            (queue, deadline,
//!   head, idle, eviction)     memory, deadline)  panics)
//! ```
#![expect(clippy::disallowed_methods, reason = "an edge: it reads the clock, and certificates from files")]

mod activity;
mod body;
mod connection_table;
mod connections;
mod decisions;
mod documents;
mod drain;
mod exceptions;
mod health;
mod open_files;
mod reload;
mod reports;
mod routes;
mod status;
mod tls;
mod traces;
mod tracked;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use crate::cluster::{Candidate, Events, Lease, write_conditions};
use crate::evaluators::{DecisionCache, EvaluationPool, Shadow};
use crate::plain;
use crate::telemetry::decision_log::{DecisionLog, DecisionLogConfig};
use crate::telemetry::metrics::Metrics;

pub use documents::{kind as document_kind, review_now as review_document};
pub use reload::{Loaded, Sources, log_warnings};
pub use tls::{
    CertificateFacts, Kept, Lifetimes, Rotation, SecretError, SecretObject, SharedTls, Tls, TlsError,
    accepted, certificates_of, make as make_secret, trusted,
};
pub use traces::Collector;
pub use webhooks::{Authorities, WebhookMode, Webhooks};

use activity::Timeouts;
use body::MemoryBudget;
use connection_table::ConnectionTable;
use connections::{Endpoint, Tables};
use drain::{Shutdown, ShutdownSignals, ShutdownStage};
use reload::Current;
use reports::Auditor;
use routes::App;
use tls::Serving;
use traces::Traces;
use webhooks::Keeper;

/// Timeouts of a webhook's client. The idle timeout is longer than an API server's (90 seconds), so that
/// normally the API server closes idle connections.
const TIMEOUTS: Timeouts = Timeouts {
    head: Duration::from_secs(5),
    idle: Duration::from_secs(120),
    answer: Duration::from_secs(10),
};
/// Timeouts of a probe's or a scraper's; connections are closed after the first answer.
const STATUS_TIMEOUTS: Timeouts =
    Timeouts { head: Duration::from_secs(5), idle: Duration::from_secs(5), answer: Duration::from_secs(5) };
/// Number of connections that wait to be accepted; the kernel may allow fewer. Who finds the queue full tries again
/// after a second, which a probe may not have.
const BACKLOG: u32 = 4096;
/// Timeout for requests in flight once no new ones are accepted.
const DRAIN: Duration = Duration::from_secs(25);
/// Number of bodies whose beginning, which is all of a usual review, fits in memory at once.
const USUAL_BODIES: usize = 1024;
/// Number of bodies of the maximum size that fit in memory beyond that.
const LARGE_BODIES: usize = 8;

/// How long the end of the process waits for the decision log, and for the collector of traces.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Policies, bindings and exceptions that are reviewed at once; the others wait.
const DOCUMENTS: usize = 8;

/// Configuration of the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the webhook.
    pub listen: SocketAddr,
    /// Names this process on the status page.
    pub host: String,
    /// Address of the status page, `/livez`, `/readyz` and `/metrics`, without TLS.
    pub status_listen: SocketAddr,
    /// The certificate.
    pub tls: Tls,
    /// The authorities (PEM) whose clients are served at the port of the webhook; absent: any client is.
    pub client_ca: Option<PathBuf>,
    /// Maximum body size in bytes. An UPDATE carries two objects, and an API server stores none larger than
    /// 1.5 MiB.
    pub max_body: usize,
    /// Concurrent connections, or as many as the limit on open files allows. Further ones take the places of
    /// those that wait for their clients.
    pub max_connections: usize,
    /// Maximum age of a connection to the webhook.
    pub connection_age: Duration,
    /// Reviews that may wait for a thread; further ones are answered with 429, so that the failurePolicy
    /// decides.
    pub queue: usize,
    /// Threads that evaluate policies.
    pub threads: usize,
    /// The share of reviews, from 0 to 1, whose compiled rules are compared with the interpreter.
    pub shadow_sample: f64,
    /// Bytes that may be taken by decisions which are kept for when the same requests come again; 0: none are.
    pub decision_cache: usize,
    /// Interval for reading the sources of the policy set and the certificate again.
    pub reload_every: Duration,
    /// How long readiness waits for the first complete inventory of the cluster.
    pub inventory_timeout: Duration,
    /// The lease to hold, of several replicas beside a live cluster.
    pub candidate: Option<Candidate>,
    /// What is done with the webhook configurations, if anything.
    pub webhooks: Option<Webhooks>,
    /// Time from the end of an audit of the cluster to the next one; none: no audit and no reports.
    pub audit_every: Option<Duration>,
    /// Where decisions are written; none: nowhere.
    pub decision_log: Option<DecisionLogConfig>,
    /// Where traces are sent; none: nowhere.
    pub traces: Option<Collector>,
    /// Write a Kubernetes Event about each refusal.
    pub events: bool,
    /// How long new requests are still accepted after SIGTERM, until the Service stops sending them.
    pub drain_delay: Duration,
}

/// Why the webhook cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Cannot listen on an address.
    #[error("cannot listen on {address}: {source}; choose another address with {flag}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// There is no certificate to serve with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The evaluation threads cannot be started.
    #[error("cannot start the evaluation threads: {0}")]
    Threads(io::Error),
    /// The limit on open files cannot be read or raised.
    #[error("cannot read the limit on open files: {0}")]
    Files(io::Error),
    /// The limit on open files leaves no room for connections.
    #[error(
        "only {files} open files are allowed, and at least {needed} are needed: raise the limit (`ulimit -n`, \
         LimitNOFILE= of systemd, or that of the container runtime)"
    )]
    FewFiles {
        /// The limit.
        files: usize,
        /// The smallest that will do.
        needed: usize,
    },
    /// The decision log cannot be opened.
    #[error("cannot write the decision log to {file}: {source}; choose another file with --decision-log")]
    DecisionLog {
        /// The file.
        file: String,
        /// The system's error.
        source: io::Error,
    },
    /// Policies got stuck so often that the process should be restarted.
    #[error("too many evaluation threads are stuck in policies; the log names them")]
    Overrun,
    /// Cannot wait for signals.
    #[error("cannot wait for SIGTERM: {0}")]
    Signals(io::Error),
}

/// What `run` has started.
#[derive(Clone, Debug)]
pub struct Started {
    /// The address of the webhook.
    pub listen: SocketAddr,
    /// The address of health and metrics.
    pub status_listen: SocketAddr,
    /// The certificate authority that clients must trust, if stategate created it.
    pub ca_file: Option<PathBuf>,
}

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends it at once.
///
/// Both ports are open before `on_ready` is called. Policies, bindings and inventory are reloaded when their
/// sources change.
///
/// # Errors
/// If an address is in use, the certificate cannot be read, or a thread cannot be started.
pub async fn run(
    config: Config,
    sources: Sources,
    loaded: Loaded,
    on_ready: impl FnOnce(&Started),
) -> Result<(), ServeError> {
    let metrics = Arc::new({
        let set = &loaded.in_force.set;
        Metrics::new(set.digest(), set.profile(), jiff::Timestamp::now().as_second())
    });
    let serving = Arc::new(Serving::new(config.client_ca, Arc::clone(&metrics))?);
    if !matches!(config.tls, Tls::Secret(_)) {
        serving.begin(&config.tls)?;
    }
    let decision_log = config.decision_log.map(|log| decision_log(&log, &metrics)).transpose()?;
    let traces = config.traces.and_then(|collector| Traces::start(&collector, &config.host, &metrics.traces));
    let limits = open_files::connection_limits(config.max_connections)?;
    let webhook = listener(config.listen, "--listen")?;
    let status = listener(config.status_listen, "--status-listen")?;
    let shadow = (config.shadow_sample > 0.0)
        .then(|| Shadow::start(config.shadow_sample, Arc::clone(&metrics)))
        .transpose()
        .map_err(ServeError::Threads)?;
    let decisions = (config.decision_cache > 0).then(|| DecisionCache::new(config.decision_cache));
    let metrics_of_pool = Arc::clone(&metrics);
    let evaluators =
        EvaluationPool::start_with(config.threads, config.queue, metrics_of_pool, shadow, decisions);
    let evaluators = Arc::new(evaluators.map_err(ServeError::Threads)?);
    let mut signals = ShutdownSignals::new().map_err(ServeError::Signals)?;
    // Each port has its own, since the status port outlives the webhook.
    let (shutdown, status_shutdown) = (Shutdown::new(), Shutdown::new());
    let budget =
        MemoryBudget::new(config.max_body, USUAL_BODIES, config.max_body.saturating_mul(LARGE_BODIES));
    let (current, version) = Current::new(loaded);
    let current = Arc::new(current);
    if let Some(live) = &sources.live {
        let current = Arc::clone(&current);
        live.publish(Arc::clone(&metrics), move |digest, inventory| {
            current.inventory_changed(digest, inventory);
        });
    }
    let (ready, readiness) = watch::channel(false);
    let auditor = sources.live.clone().zip(config.candidate).map(|(live, candidate)| {
        let lease = Lease::start(live.cluster().clone(), candidate, Arc::clone(&metrics), readiness);
        Arc::new(Auditor {
            live,
            lease,
            current: Arc::clone(&current),
            evaluators: Arc::clone(&evaluators),
            metrics: Arc::clone(&metrics),
            every: config.audit_every,
            patience: config.inventory_timeout,
            status: Mutex::default(),
            page: Mutex::default(),
        })
    });
    if let Some(auditor) = &auditor {
        tokio::spawn(Arc::clone(auditor).run());
        let (cluster, lease) = (auditor.live.cluster().clone(), auditor.lease.clone());
        tokio::spawn(write_conditions(cluster, lease, current.standings()));
    }
    let ca_file = config.tls.ca_file();
    match (config.tls, &auditor) {
        (Tls::Secret(shared), Some(auditor)) => {
            let (cluster, lease) = (auditor.live.cluster().clone(), auditor.lease.clone());
            tokio::spawn(tls::keep(shared, cluster, lease, Arc::clone(&serving), config.reload_every));
        }
        (Tls::Secret(_), None) => return Err(TlsError::NoCluster.into()),
        (tls, _) => {
            tokio::spawn(tls::watch(tls, Arc::clone(&serving), config.reload_every));
        }
    }
    let keeper = config.webhooks.zip(auditor.as_ref()).map(|(webhooks, auditor)| {
        let (cluster, lease) = (auditor.live.cluster().clone(), auditor.lease.clone());
        Arc::new(Keeper::new(webhooks, cluster, lease))
    });
    let watched = sources.live.as_ref().filter(|_| config.events);
    let events =
        watched.map(|live| Events::start(live.cluster().clone(), &config.host, Arc::clone(&metrics)));
    let app = Arc::new(App {
        events,
        webhooks: keeper.clone(),
        current: Arc::clone(&current),
        evaluators,
        metrics: Arc::clone(&metrics),
        budget,
        stage: shutdown.watch(),
        live: sources.live.clone(),
        policies: sources.policies.clone(),
        cluster_policies: Arc::clone(&sources.documents),
        documents: Arc::new(Semaphore::new(DOCUMENTS)),
        auditor: auditor.clone(),
        serving: Arc::clone(&serving),
        decision_log: decision_log.clone(),
        traces: traces.clone(),
        settled_by: Instant::now() + config.inventory_timeout,
        host: config.host,
    });
    tokio::spawn(health::follow_readiness(Arc::clone(&app), ready));
    if let Some(keeper) = keeper.clone() {
        tokio::spawn(Arc::clone(&keeper).follow_namespace());
        tokio::spawn(keeper.run(Arc::clone(&app), config.reload_every));
    }
    let started = Started {
        listen: webhook.local_addr().unwrap_or(config.listen),
        status_listen: status.local_addr().unwrap_or(config.status_listen),
        ca_file,
    };
    let tls = Arc::clone(&serving.config);
    let tables = [("webhook", limits.webhook), ("status", limits.status)]
        .map(|(port, limit)| ConnectionTable::new(port, limit, Arc::clone(&metrics)));
    let served =
        webhook_endpoint(tls, routes::webhook(Arc::clone(&app)), tables.clone(), config.connection_age);
    let webhook = tokio::spawn(connections::serve(webhook, served, shutdown.connection()));
    let served = status_endpoint(health::router(Arc::clone(&app)), tables);
    let status = tokio::spawn(connections::serve(status, served, status_shutdown.connection()));
    let mut told = exceptions::Told::default();
    told.look(&current.in_force().set, jiff::Timestamp::now(), &metrics);
    tokio::spawn(exceptions::watch(Arc::clone(&current), Arc::clone(&metrics), told, config.reload_every));
    if sources.may_change() {
        tokio::spawn(reload::watch(current, metrics, sources, version, config.reload_every));
    }
    on_ready(&started);

    let overrun = tokio::select! {
        signal = signals.next() => {
            info!(signal, "draining");
            false
        }
        () = app.evaluators.overrun() => true,
    };
    // Another replica need not wait until this one has drained.
    let released = async {
        if let Some(auditor) = &auditor {
            auditor.lease.release().await;
        }
    };
    // The Pod may end because its Namespace does.
    let left = async {
        if let Some(keeper) = &keeper {
            // Who may not know any more cannot do anything about it.
            let _ = keeper.leave_if_ending().await;
        }
    };
    tokio::join!(left, released, drain(&shutdown, &mut signals, config.drain_delay));
    for shutdown in [&shutdown, &status_shutdown] {
        shutdown.enter(ShutdownStage::Aborted);
    }
    // Both end at once now. Had one of them panicked, there would still be nothing left to do.
    let _ = (webhook.await, status.await);
    let logged = decision_log.map(|log| tokio::task::spawn_blocking(move || log.flush(LAST_WORDS)));
    let traced = traces.map(|traces| tokio::task::spawn_blocking(move || traces.end(LAST_WORDS)));
    for last in [logged, traced].into_iter().flatten() {
        // A panic there would leave nothing else undone.
        let _ = last.await;
    }
    if overrun { Err(ServeError::Overrun) } else { Ok(()) }
}

/// Still takes requests for `delay`, then waits for those in flight; a signal ends both at once.
async fn drain(shutdown: &Shutdown, signals: &mut ShutdownSignals, delay: Duration) {
    shutdown.enter(ShutdownStage::Draining);
    let in_time = tokio::select! {
        in_time = async {
            sleep(delay).await;
            shutdown.enter(ShutdownStage::Closing);
            timeout_at(Instant::now() + DRAIN, shutdown.ended()).await.is_ok()
        } => in_time,
        signal = signals.next() => {
            warn!(signal, "ends without waiting for requests in flight");
            false
        }
    };
    if in_time {
        info!("drained");
    }
}

fn decision_log(config: &DecisionLogConfig, metrics: &Metrics) -> Result<Arc<DecisionLog>, ServeError> {
    let file = config.file.as_ref().map_or_else(|| "standard output".to_owned(), plain::path);
    let log = DecisionLog::start(config, &metrics.decision_log);
    log.map(Arc::new).map_err(|source| ServeError::DecisionLog { file, source })
}

fn webhook_endpoint(
    tls: Arc<ArcSwap<ServerConfig>>,
    router: Router,
    tables: Tables,
    age: Duration,
) -> Endpoint {
    let [table, _] = &tables;
    let table = Arc::clone(table);
    Endpoint { tls: Some(tls), router, age: Some(age), table, tables, timeouts: TIMEOUTS }
}

/// A probe asks once; a connection that is kept is one that others lack.
fn status_endpoint(router: Router, tables: Tables) -> Endpoint {
    let [_, table] = &tables;
    let table = Arc::clone(table);
    Endpoint { tls: None, router, age: None, table, tables, timeouts: STATUS_TIMEOUTS }
}

fn listener(address: SocketAddr, flag: &'static str) -> Result<TcpListener, ServeError> {
    let listen = || {
        let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
        // Its last process' connections may still be ending.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| ServeError::Listen { address, flag, source })
}
