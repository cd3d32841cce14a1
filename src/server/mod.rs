//! The webhook: axum over rustls, bounded in everything, drained on SIGTERM.
//!
//! axum-server carries the connections: it hands the TLS configuration over to be replaced at run
//! time, bounds the handshake and ends connections gracefully, which axum's own `serve` cannot.
#![expect(clippy::disallowed_methods, reason = "an edge: it reads the clock, and certificates from files")]

mod connections;
mod evaluators;
mod health;
mod reload;
mod routes;
mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tokio::sync::Semaphore;
use tracing::info;

use crate::inventory::Inventory;
use crate::policyset::PolicySet;
use crate::telemetry::metrics::Metrics;

pub use reload::ReadSources;
pub use tls::{Tls, TlsError};

use connections::Bounded;
use evaluators::Evaluators;
use reload::Current;
use routes::App;

/// A client that does not finish its TLS handshake by then is cut off.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A client that does not send its request's head by then is cut off.
const HEADERS: Duration = Duration::from_secs(10);
/// A connection that says nothing for so long is closed. API servers ping theirs every 30 seconds.
const IDLE: Duration = Duration::from_secs(75);
/// Bytes of bodies that are in memory at once.
const BODIES: usize = 128 << 20;
/// Requests in flight have so long once the drain has begun.
const DRAIN: Duration = Duration::from_secs(25);
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 256;

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
    /// Connections at once; more are closed.
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
    /// Signals cannot be waited for.
    #[error("cannot wait for SIGTERM: {0}")]
    Signals(io::Error),
    /// A listener broke while it was serving.
    #[error("the server stopped: {0}")]
    Serve(io::Error),
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

/// Serves until SIGTERM or SIGINT, then drains.
///
/// Both ports are open before `on_ready` is called. With `sources` the policy set is reloaded when they
/// change; without, it stays.
///
/// # Errors
/// If an address is taken, the certificate cannot be read, or a listener breaks.
pub async fn run(
    config: Config,
    set: Arc<PolicySet>,
    inventory: Arc<Inventory>,
    sources: Option<ReadSources>,
    on_ready: impl FnOnce(&Started),
) -> Result<(), ServeError> {
    let certificate = config.tls.load()?;
    let webhook = listener(config.listen, "--listen")?;
    let status = listener(config.status_listen, "--status-listen")?;
    let metrics = Arc::new(Metrics::new(set.digest(), set.profile()));
    let evaluators =
        Evaluators::start(config.threads, config.queue, Arc::clone(&metrics)).map_err(ServeError::Threads)?;
    let draining = Arc::new(AtomicBool::new(false));
    let current = Arc::new(Current::new(set));
    let app = Arc::new(App {
        current: Arc::clone(&current),
        inventory,
        evaluators,
        metrics: Arc::clone(&metrics),
        draining: Arc::clone(&draining),
        max_body: config.max_body,
        room: Semaphore::new(routes::permits(BODIES.max(config.max_body)) as usize),
    });
    let mut stop = Stop::new().map_err(ServeError::Signals)?;

    let started = Started {
        listen: address(&webhook, config.listen),
        status_listen: address(&status, config.status_listen),
        ca_file: certificate.ca_file,
    };
    let handle = Handle::new();
    let tls = RustlsConfig::from_config(certificate.config);
    tokio::spawn(tls::watch(config.tls.clone(), tls.clone(), config.reload_every));
    let acceptor = RustlsAcceptor::new(tls)
        .handshake_timeout(HANDSHAKE)
        .acceptor(Bounded::new(config.max_connections, IDLE));
    let mut server =
        axum_server::from_tcp(webhook).map_err(ServeError::Serve)?.acceptor(acceptor).handle(handle.clone());
    bound(server.http_builder());
    let webhook = tokio::spawn(server.serve(routes::webhook(Arc::clone(&app)).into_make_service()));

    let status_handle = Handle::new();
    let mut server = axum_server::from_tcp(status)
        .map_err(ServeError::Serve)?
        .acceptor(Bounded::new(config.max_connections, HEADERS))
        .handle(status_handle.clone())
        .http1_only();
    bound(server.http_builder());
    let status = tokio::spawn(server.serve(health::router(app).into_make_service()));

    if let Some(read) = sources {
        tokio::spawn(reload::watch(current, metrics, Arc::new(read), config.reload_every));
    }
    on_ready(&started);
    let mut webhook = std::pin::pin!(webhook);
    tokio::select! {
        () = stop.asked() => {}
        ended = &mut webhook => return Err(ServeError::Serve(broken(ended))),
    }
    info!("draining");
    draining.store(true, std::sync::atomic::Ordering::Relaxed);
    tokio::time::sleep(config.drain_delay).await;
    handle.graceful_shutdown(Some(DRAIN));
    let result = webhook.await;
    status_handle.shutdown();
    // Whatever became of the status port: the webhook's requests were answered, and that is what counts.
    let _ = status.await;
    match result {
        Ok(Ok(())) => Ok(()),
        ended => Err(ServeError::Serve(broken(ended))),
    }
}

fn bound(builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>) {
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
}

fn listener(address: SocketAddr, flag: &'static str) -> Result<TcpListener, ServeError> {
    let open = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    open().map_err(|source| ServeError::Listen { address, flag, source })
}

fn address(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

fn broken(ended: Result<io::Result<()>, tokio::task::JoinError>) -> io::Error {
    match ended {
        Ok(Ok(())) => io::Error::other("it ended without being asked to"),
        Ok(Err(error)) => error,
        Err(error) => io::Error::other(error),
    }
}

/// SIGTERM from the kubelet, SIGINT from a terminal.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
