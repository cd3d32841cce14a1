//! Connections: accepted up to a limit, cut when they stall, closed gracefully in a drain.
//!
//! Built on hyper-util and tokio-rustls instead of axum-server, which distinguishes HTTP/1 from HTTP/2 by the
//! first bytes and allows no timeout for that: a client that completes the handshake and then stays silent
//! would occupy its slot forever. Here ALPN has already selected the protocol, so hyper reads a request at
//! once and [`Activity`] tracks the time. hyper's own `header_read_timeout` is not used: it also runs between
//! two requests, and a server that closes idle connections before its clients do makes them lose requests (Go
//! keeps them for 90 seconds).

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::http::{HeaderValue, Request, Version, header};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::activity::{Activity, IdleTimeouts, TrackedStream};
use super::drain::{Observer, ShutdownStage};

/// Concurrent requests on one HTTP/2 connection.
const STREAMS: u32 = 256;
/// Maximum size of a request's headers, in bytes.
const HEADERS: u32 = 16 << 10;
/// Interval between PINGs, and timeout after which a silent peer is considered gone.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// Pause after a failed accept, usually for lack of file descriptors, until some are freed.
const BREATH: Duration = Duration::from_millis(50);

/// What a listener serves, and its limits.
#[derive(Clone)]
pub struct Endpoint {
    /// None: plain HTTP/1.1. A connection keeps the certificate in force at its handshake.
    pub tls: Option<Arc<ArcSwap<ServerConfig>>>,
    pub router: Router,
    /// Concurrent connections; further ones wait in the system's backlog.
    pub connections: usize,
    pub handshake: Duration,
    pub timeouts: IdleTimeouts,
}

/// Accepts a listener's connections until [`ShutdownStage::Closing`], and serves each to its end.
pub async fn serve(listener: TcpListener, endpoint: Endpoint, mut stage: Observer) {
    let places = Arc::new(Semaphore::new(endpoint.connections.max(1)));
    let endpoint = Arc::new(endpoint);
    loop {
        let (stream, place) = tokio::select! {
            biased;
            () = stage.reached(ShutdownStage::Closing) => return,
            accepted = accept(&listener, &places) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    sleep(BREATH).await;
                    continue;
                }
            },
        };
        let (endpoint, stage) = (Arc::clone(&endpoint), stage.clone());
        tokio::spawn(async move {
            let mut aborted = stage.clone();
            tokio::select! {
                () = connection(stream, &endpoint, stage) => {}
                () = aborted.reached(ShutdownStage::Aborted) => {}
            }
            drop(place);
        });
    }
}

/// Acquires a slot before accepting, so that excess connections keep their order in the backlog.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(stream: TcpStream, endpoint: &Endpoint, stage: Observer) {
    // On failure the connection is merely slower.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &endpoint.tls else {
        return drive(stream, false, endpoint, stage).await;
    };
    match timeout(endpoint.handshake, TlsAcceptor::from(tls.load_full()).accept(stream)).await {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            drive(stream, http2, endpoint, stage).await;
        }
        Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
        Err(_) => debug!("a TLS handshake took too long"),
    }
}

/// Serves one connection to its end.
async fn drive<S>(stream: S, http2: bool, endpoint: &Endpoint, mut stage: Observer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Activity::new(!http2);
    let router = TowerToHyperService::new(endpoint.router.clone());
    let service = {
        let (activity, stage) = (Arc::clone(&activity), stage.clone());
        service_fn(move |request: Request<Incoming>| {
            let (in_flight, stage, old) =
                (activity.request(), stage.clone(), request.version() < Version::HTTP_2);
            let answer = router.call(request);
            async move {
                let mut answer = answer.await?;
                if old && stage.draining() {
                    // Tells the client to open a new connection before this one is closed.
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                drop(in_flight);
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let builder = builder(http2);
    let stream = TokioIo::new(TrackedStream { stream, activity: Arc::clone(&activity) });
    let mut connection = std::pin::pin!(builder.serve_connection(stream, service));
    let mut stopping = false;
    // When the shutdown of the connection began.
    let mut ending: Option<Instant> = None;
    loop {
        // A connection without any request so far may have one under way: it is given time, so that no
        // request is cut; hyper would close such a connection at once.
        if stopping && ending.is_none() && activity.used() {
            ending = Some(Instant::now());
            connection.as_mut().graceful_shutdown();
        }
        let deadline = match (activity.deadline(endpoint.timeouts), ending) {
            (Some(deadline), Some(since)) => Some(deadline.min(since + endpoint.timeouts.head)),
            (deadline, _) => deadline,
        };
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(error, "a connection broke");
                }
                return;
            }
            () = stage.reached(ShutdownStage::Closing), if !stopping => stopping = true,
            () = activity.changed() => {}
            () = until(deadline), if deadline.is_some() => {
                if ending.is_some() || !activity.is_idle() {
                    debug!("a connection stalled");
                    return;
                }
                ending = Some(Instant::now());
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn builder(http2: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    if http2 { builder.http2_only() } else { builder.http1_only() }
}
