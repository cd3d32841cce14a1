//! Connections: accepted up to a limit, cut when they stall, closed gracefully in a drain or when others need
//! their place.
//!
//! Built on hyper-util and tokio-rustls instead of axum-server, which distinguishes HTTP/1 from HTTP/2 by the
//! first bytes and allows no timeout for that: a client that completes the handshake and then stays silent
//! would occupy its slot forever. Here ALPN has already selected the protocol, so hyper reads a request at
//! once and [`Activity`] tracks the time. hyper's own `header_read_timeout` is not used: it also runs between
//! two requests, and a server that closes idle connections before its clients do makes them lose requests (Go
//! keeps them for 90 seconds).
//!
//! An evicted HTTP/2 connection loses no request: GOAWAY first names no last stream, requests that were under
//! way are answered, and once the client has acknowledged, a second GOAWAY tells it what to send again
//! elsewhere. HTTP/1 has no such thing: what was received before the close is answered, and a request that
//! crosses the close is the client's to repeat.
//!
//! A connection that is old enough ends in the way that loses nothing: in HTTP/1 with the next answer, which says
//! so, in HTTP/2 by GOAWAY.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::activity::{Activity, Order, Standing, Timeouts};
use super::connection_table::{ConnectionTable, Place};
use super::drain::{Observer, ShutdownStage};
use super::status::Client;
use super::tracked::{TrackedBody, TrackedStream};
use crate::cluster::spread;

/// Concurrent requests on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// HTTP/2 streams that a client may reset before hyper has looked at them, and that hyper may reset because the
/// client broke the protocol; one more ends the connection. [`Activity::floods`] counts later resets.
const RESETS: (usize, usize) = (20, 64);
/// Bytes of bodies that a client may send ahead on one HTTP/2 stream, and on all streams of a connection.
const WINDOWS: (u32, u32) = (256 << 10, 1 << 20);
/// Bytes of answers that HTTP/2 keeps for one stream.
const SEND_BUFFER: usize = 64 << 10;
/// Maximum size of a request's headers, in bytes. It also bounds HTTP/2's CONTINUATION frames.
const HEADERS: u32 = 16 << 10;
/// Read and write buffer of an HTTP/1 connection, which the head of a request must fit.
const BUFFER: usize = 32 << 10;
/// Interval between PINGs, and timeout after which a silent peer is considered gone.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// Timeout for a client's TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long an evicted client may take to acknowledge GOAWAY or take an answer.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, usually for lack of file descriptors, until some are freed.
const BREATH: Duration = Duration::from_millis(50);
/// Interval between two log lines about failed accepts.
const QUIET: Duration = Duration::from_secs(10);

/// The connection tables of the webhook and of the status port.
pub type Tables = [Arc<ConnectionTable>; 2];

/// What a listener serves, and its limits.
#[derive(Clone)]
pub struct Endpoint {
    /// None: plain HTTP/1.1. A connection keeps the certificate in force at its handshake.
    pub tls: Option<Arc<ArcSwap<ServerConfig>>>,
    pub router: Router,
    /// How old a connection may become: it ends at a random time between half of this and this. Clients stay on a
    /// connection for as long as they can, so without a limit all requests of an API server go to one replica. None: a
    /// connection carries one request.
    pub age: Option<Duration>,
    pub table: Arc<ConnectionTable>,
    /// The tables of all ports, which make room when file descriptors run out.
    pub tables: Tables,
    pub timeouts: Timeouts,
}

/// Accepts a listener's connections until [`ShutdownStage::Closing`], and serves each to its end.
pub async fn serve(listener: TcpListener, endpoint: Endpoint, mut stage: Observer) {
    let endpoint = Arc::new(endpoint);
    let mut said = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stage.reached(ShutdownStage::Closing) => return,
            accepted = listener.accept() => accepted,
        };
        if endpoint.table.is_behind() {
            // Evicted connections close their sockets first.
            yield_now().await;
        }
        let Some((stream, address)) = accept(accepted, &endpoint.tables, &mut said).await else { continue };
        // If there is no room, the client is told at once by a closed connection: the API server then applies
        // the failurePolicy instead of waiting for its timeout.
        let Some(place) = endpoint.table.admit(address.ip()) else { continue };
        let (endpoint, stage) = (Arc::clone(&endpoint), stage.clone());
        tokio::spawn(async move {
            let mut aborted = stage.clone();
            tokio::select! {
                () = connection(stream, &endpoint, &place, stage) => {}
                () = aborted.reached(ShutdownStage::Aborted) => {}
            }
        });
    }
}

/// Makes room if the system lacks it. A client that has already gone is no reason to wait.
async fn accept(
    accepted: io::Result<(TcpStream, SocketAddr)>,
    tables: &[Arc<ConnectionTable>],
    said: &mut Option<Instant>,
) -> Option<(TcpStream, SocketAddr)> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    let error = match accepted {
        Ok(accepted) => return Some(accepted),
        Err(error) => error,
    };
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        if said.is_none_or(|last| last.elapsed() >= QUIET) {
            warn!(%error, "cannot accept a connection");
            *said = Some(Instant::now());
        }
        ConnectionTable::relieve(tables);
        sleep(BREATH).await;
    }
    None
}

async fn connection(stream: TcpStream, endpoint: &Endpoint, place: &Place, stage: Observer) {
    // On failure the connection is merely slower.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &endpoint.tls else {
        return drive(stream, false, endpoint, place, stage).await;
    };
    let handshake = timeout(HANDSHAKE, TlsAcceptor::from(tls.load_full()).accept(stream));
    let shaken = tokio::select! {
        biased;
        shaken = handshake => shaken,
        () = place.activity.ordered(Order::Close) => return,
    };
    match shaken {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            drive(stream, http2, endpoint, place, stage).await;
        }
        Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
        Err(_) => {
            place.stalled();
            debug!("a TLS handshake took too long");
        }
    }
}

/// When and why a connection began to end.
#[derive(Clone, Copy)]
enum Ending {
    /// It was unused for long or is old, or the server is being shut down: requests in flight are completed.
    Unused(Instant),
    /// Another client needs its place: only the server's own work is completed.
    Evicted(Instant),
}

impl Ending {
    /// Does the connection begin to end now, or for a stricter reason than before?
    fn begins(before: Option<Self>, activity: &Activity, over: bool) -> Option<Self> {
        match before {
            None | Some(Ending::Unused(_)) if activity.order() >= Order::Close => {
                Some(Ending::Evicted(Instant::now()))
            }
            // In a drain, and when it is old, a connection without any request so far may have one under way: it is given time, so
            // that no request is cut; hyper would close such a connection at once.
            None if over && activity.used() => Some(Ending::Unused(Instant::now())),
            _ => None,
        }
    }

    /// When it is over.
    fn deadline(self, activity: &Activity, timeouts: Timeouts) -> Option<Instant> {
        let standing = activity.standing().0;
        match self {
            Ending::Unused(since) => {
                matches!(standing, Standing::Owing | Standing::Idle).then_some(since + timeouts.head)
            }
            Ending::Evicted(since) => (standing != Standing::Working).then_some(since + GRACE),
        }
    }
}

/// The routes, with every request and its answer reported to the connection's activity.
fn tracked(
    router: Router,
    activity: Arc<Activity>,
    client: Client,
    stage: Observer,
    old: Instant,
) -> impl Service<Request<Incoming>, Response = Response<TrackedBody>, Error = Infallible, Future: Send + 'static>
{
    let router = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        let in_flight = Arc::new(activity.request());
        // The handler says when the body is complete.
        request.extensions_mut().insert(Arc::clone(&in_flight));
        request.extensions_mut().insert(client);
        let (stage, http1) = (stage.clone(), request.version() < Version::HTTP_2);
        let answer = router.call(request);
        async move {
            let mut answer = answer.await?;
            if http1 && (stage.draining() || Instant::now() >= old) {
                // Tells the client to open a new connection before this one is closed.
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| TrackedBody::new(body, in_flight)))
        }
    })
}

/// Serves one connection to its end.
async fn drive<S>(stream: S, http2: bool, endpoint: &Endpoint, place: &Place, mut stage: Observer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = &place.activity;
    activity.established(http2);
    let old = Instant::now() + endpoint.age.map_or(Duration::ZERO, spread);
    let service =
        tracked(endpoint.router.clone(), Arc::clone(activity), Client(place.address), stage.clone(), old);
    let builder = builder(http2, endpoint.age.is_some());
    let stream = TokioIo::new(TrackedStream { stream, activity: Arc::clone(activity) });
    let mut connection = std::pin::pin!(builder.serve_connection(stream, service));
    let mut stopping = false;
    let mut ending: Option<Ending> = None;
    loop {
        let over = stopping || (http2 && Instant::now() >= old);
        if let Some(began) = Ending::begins(ending, activity, over) {
            ending = Some(began);
            connection.as_mut().graceful_shutdown();
        }
        let ended = ending.and_then(|ending| ending.deadline(activity, endpoint.timeouts));
        let deadline = activity.deadline(endpoint.timeouts).into_iter().chain(ended).min();
        tokio::select! {
            biased;
            // First, so that what has arrived is read before anything is closed.
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(error, "a connection broke");
                }
                return;
            }
            () = activity.changed() => {
                if activity.order() == Order::Cut || activity.floods() {
                    debug!("a connection is cut");
                    return;
                }
            }
            () = stage.reached(ShutdownStage::Closing), if !stopping => stopping = true,
            () = sleep_until(old.into()), if http2 && ending.is_none() && activity.used() => {}
            () = until(deadline), if deadline.is_some() => {
                if ending.is_some() || !activity.is_idle() {
                    if !matches!(ending, Some(Ending::Evicted(_))) {
                        place.stalled();
                    }
                    debug!("a connection stalled");
                    return;
                }
                ending = Some(Ending::Unused(Instant::now()));
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

fn builder(http2: bool, keep_alive: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .keep_alive(keep_alive)
        .max_buf_size(BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESETS.0)
        .max_local_error_reset_streams(RESETS.1)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(HEADERS)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    if http2 { builder.http2_only() } else { builder.http1_only() }
}
