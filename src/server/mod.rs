//! The webhook: axum over rustls, bounded in everything, drained on SIGTERM.
//!
//! ```text
//!  connections ─▶ routes ─▶ body ─▶ decode ─▶ evaluators ─▶ answer
//!  (place, handshake,       (size,            (queue, deadline,
//!   head, idle: cut)         memory, deadline)  panics)
//! ```
#![expect(clippy::disallowed_methods, reason = "an edge: it reads the clock, and certificates from files")]

mod activity;
mod body;
mod connections;
mod drain;
mod health;
mod reload;
mod routes;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use crate::evaluators::EvaluationPool;
use crate::telemetry::metrics::Metrics;

pub use reload::{Loaded, Sources};
pub use tls::{Tls, TlsError};

use activity::IdleTimeouts;
use body::MemoryBudget;
use connections::Endpoint;
use drain::{Shutdown, ShutdownSignals, ShutdownStage};
use reload::Current;
use routes::App;

/// A client that does not finish its TLS handshake by then is cut off.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// So is one that does not send the head of its request by then, or that stays away for longer than
/// an API server (90 seconds), which otherwise is the one to end idle connections.
const IDLE_TIMEOUTS: IdleTimeouts =
    IdleTimeouts { head: Duration::from_secs(5), idle: Duration::from_secs(120) };
/// Requests in flight have so long once no new ones are taken.
const DRAIN: Duration = Duration::from_secs(25);
/// Connections at once to the status port: probes, and a Prometheus or two.
const STATUS_CONNECTIONS: usize = 64;
/// Memory for bodies: for the beginnings of so many reviews, which is all of a usual one, …
const USUAL_BODIES: usize = 1024;
/// … and beside them for so many of the largest size.
const LARGE_BODIES: usize = 8;

/// How to serve.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the webhook.
    pub listen: SocketAddr,
    /// Address of `/livez`, `/readyz` and `/metrics`, without TLS.
    pub status_listen: SocketAddr,
    /// The certificate.
    pub tls: Tls,
    /// Largest body, in bytes. An UPDATE carries two objects, and an API server stores none over 1.5 MiB.
    pub max_body: usize,
    /// Connections at once; more wait in the backlog of the system.
    pub max_connections: usize,
    /// Reviews that wait for a thread; more are answered 429, so that the failurePolicy decides.
    pub queue: usize,
    /// Threads that evaluate policies.
    pub threads: usize,
    /// How often the sources of the policy set, and the certificate, are read again.
    pub reload_every: Duration,
    /// How long new requests are still taken after SIGTERM: a Service notices later.
    pub drain_delay: Duration,
}

/// Why the webhook cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with {flag}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// There is no certificate to serve with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The evaluation threads cannot be started.
    #[error("cannot start the evaluation threads: {0}")]
    Threads(io::Error),
    /// Policies stuck so often that the process is better started again.
    #[error("too many evaluation threads are stuck in policies; the log names them")]
    Overrun,
    /// Signals cannot be waited for.
    #[error("cannot wait for SIGTERM: {0}")]
    Signals(io::Error),
}

/// What was started.
#[derive(Clone, Debug)]
pub struct Started {
    /// Where the webhook listens.
    pub listen: SocketAddr,
    /// Where health and metrics are.
    pub status_listen: SocketAddr,
    /// The certificate authority that clients must trust, if stategate made it itself.
    pub ca_file: Option<PathBuf>,
}

/// Serves until SIGTERM or SIGINT, then drains. A second signal ends it at once.
///
/// Both ports are open before `on_ready` is called. What is in force is reloaded when its sources change.
///
/// # Errors
/// If an address is taken, the certificate cannot be read, or a thread cannot be started.
pub async fn run(
    config: Config,
    sources: Sources,
    loaded: Loaded,
    on_ready: impl FnOnce(&Started),
) -> Result<(), ServeError> {
    let certificate = config.tls.load()?;
    let webhook = listener(config.listen, "--listen").await?;
    let status = listener(config.status_listen, "--status-listen").await?;
    let metrics = Arc::new({
        let set = &loaded.in_force.set;
        Metrics::new(set.digest(), set.profile())
    });
    let evaluators = EvaluationPool::start(config.threads, config.queue, Arc::clone(&metrics))
        .map_err(ServeError::Threads)?;
    let mut signals = ShutdownSignals::new().map_err(ServeError::Signals)?;
    // Each port has its own, since the status port outlives the webhook.
    let (shutdown, status_shutdown) = (Shutdown::new(), Shutdown::new());
    let budget =
        MemoryBudget::new(config.max_body, USUAL_BODIES, config.max_body.saturating_mul(LARGE_BODIES));
    let (current, version) = Current::new(loaded);
    let current = Arc::new(current);
    let app = Arc::new(App {
        current: Arc::clone(&current),
        evaluators,
        metrics: Arc::clone(&metrics),
        budget,
        stage: shutdown.watch(),
    });
    let started = Started {
        listen: webhook.local_addr().unwrap_or(config.listen),
        status_listen: status.local_addr().unwrap_or(config.status_listen),
        ca_file: certificate.ca_file,
    };
    let tls = Arc::new(ArcSwap::new(certificate.config));
    tokio::spawn(tls::watch(config.tls.clone(), Arc::clone(&tls), config.reload_every));
    let served = endpoint(Some(tls), routes::webhook(Arc::clone(&app)), config.max_connections);
    let webhook = tokio::spawn(connections::serve(webhook, served, shutdown.connection()));
    let served = endpoint(None, health::router(Arc::clone(&app)), STATUS_CONNECTIONS);
    let status = tokio::spawn(connections::serve(status, served, status_shutdown.connection()));
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
    drain(&shutdown, &mut signals, config.drain_delay).await;
    for shutdown in [&shutdown, &status_shutdown] {
        shutdown.enter(ShutdownStage::Aborted);
    }
    // Both end at once now. Had one of them panicked, there would still be nothing left to do.
    let _ = (webhook.await, status.await);
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

fn endpoint(tls: Option<Arc<ArcSwap<ServerConfig>>>, router: Router, connections: usize) -> Endpoint {
    Endpoint { tls, router, connections, handshake: HANDSHAKE, timeouts: IDLE_TIMEOUTS }
}

async fn listener(address: SocketAddr, flag: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, flag, source })
}
