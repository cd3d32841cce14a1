//! A proxy between stategate and an API server that does to the answers what networks and API servers do.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::ACCEPT;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// What happens to requests for a resource.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// They get this status.
    Refused(u16),
    /// They get a line that does not end.
    Endless,
    /// Lists are not streamed.
    Paged,
    /// So many pages after the first get the status 410.
    Expired(usize),
    /// The second page of this list, counted from one, is the end: from then on nothing is answered, and connections
    /// are closed. Of a single object, the request for it is.
    Gone(usize),
    /// As [`Gone`](Self::Gone), but connections stay open.
    Silent(usize),
}

/// What happens to a running watch.
#[derive(Clone, Debug)]
pub enum Injection {
    /// These bytes come between the events.
    Bytes(&'static str),
    /// The connection breaks.
    Cut,
}

/// The proxy. It ends when this value is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    kubeconfig: PathBuf,
    _runtime: Runtime,
}

struct Shared {
    client: Client,
    faults: Mutex<BTreeMap<String, Fault>>,
    watches: Mutex<Vec<(String, mpsc::UnboundedSender<Injection>)>>,
    asked: Mutex<Vec<String>>,
}

type Answer = BoxBody<Bytes, io::Error>;

impl Proxy {
    /// Starts a proxy of the API server that this kubeconfig names, with its user for everybody.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(upstream: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be started");
        let (client, listener) = runtime.block_on(async {
            let client = crate::measure::client(upstream).await;
            (client, TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port"))
        });
        let port = listener.local_addr().expect("a bound port has an address").port();
        let shared = Arc::new(Shared {
            client,
            faults: Mutex::default(),
            watches: Mutex::default(),
            asked: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                let answer = service_fn(move |request| answer(Arc::clone(&shared), request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), answer));
            }
        });
        let kubeconfig = upstream.with_file_name(format!("proxy-{port}.kubeconfig"));
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy"}}],
            "current-context": "proxy",
        });
        std::fs::write(&kubeconfig, config.to_string()).expect("a kubeconfig can be written");
        Self { shared, kubeconfig, _runtime: runtime }
    }

    /// The kubeconfig of clients that are to go through the proxy.
    ///
    /// # Panics
    /// If the path is not text.
    pub fn kubeconfig(&self) -> &str {
        self.kubeconfig.to_str().expect("a path of ours is text")
    }

    /// From now on, requests for this resource (its plural), or for objects of this name, get this.
    pub fn set(&self, plural: &str, fault: Fault) {
        self.shared.faults.lock().expect("nobody panics with it").insert(plural.to_owned(), fault);
    }

    /// From now on, all requests are answered as the API server answers them.
    pub fn heal(&self) {
        self.shared.faults.lock().expect("nobody panics with it").clear();
    }

    /// Does this to the running watches of a resource.
    ///
    /// # Panics
    /// If there is none.
    pub fn inject(&self, plural: &str, injection: &Injection) {
        let mut watches = self.shared.watches.lock().expect("nobody panics with it");
        watches.retain(|(_, watch)| !watch.is_closed());
        let of = watches.iter().filter(|(of, _)| of == plural);
        let sent = of.filter(|(_, watch)| watch.send(injection.clone()).is_ok()).count();
        assert!(sent > 0, "no watch of {plural}");
    }

    /// The requests so far whose path contains this.
    pub fn asked(&self, part: &str) -> Vec<String> {
        let asked = self.shared.asked.lock().expect("nobody panics with it");
        asked.iter().filter(|path| path.contains(part)).cloned().collect()
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Answer>, io::Error> {
    let target = request.uri().to_string();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let plural = path.rsplit('/').next().unwrap_or_default().to_owned();
    shared.asked.lock().expect("nobody panics with it").push(target.clone());
    let later = query.contains("continue=") || query.is_empty();
    match shared.fault(&plural, later) {
        Some(Fault::Refused(code)) => return Ok(status(code)),
        Some(Fault::Endless) => return Ok(Response::new(Endless.boxed())),
        Some(Fault::Paged) if query.contains("sendInitialEvents") => return Ok(status(422)),
        Some(Fault::Expired(left)) if later && left > 0 => {
            shared.faults.lock().expect("nobody panics with it").insert(plural, Fault::Expired(left - 1));
            return Ok(status(410));
        }
        Some(Fault::Expired(left)) if left > 0 && query.contains("sendInitialEvents") => {
            return Ok(status(422));
        }
        Some(Fault::Gone(_)) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Fault::Silent(_)) => std::future::pending().await,
        _ => {}
    }
    let mut onward = Request::get(&target);
    if let Some(accept) = request.headers().get(ACCEPT) {
        onward = onward.header(ACCEPT, accept);
    }
    let onward = onward.body(kube::client::Body::empty()).expect("what arrived is a request");
    let answer = shared.client.send(onward).await.map_err(io::Error::other)?;
    let (mut head, upstream) = answer.into_parts();
    // How the body is sent on is the matter of this connection.
    head.headers.remove("transfer-encoding");
    let (sender, injected) = mpsc::unbounded_channel();
    if query.contains("watch=true") {
        shared.watches.lock().expect("nobody panics with it").push((plural, sender));
    }
    Ok(Response::from_parts(head, Relay { upstream: Mutex::new(upstream), injected }.boxed()))
}

impl Shared {
    /// What happens to a request. Some faults begin with the first request for a later page, and are then everybody's.
    fn fault(&self, plural: &str, later: bool) -> Option<Fault> {
        let mut faults = self.faults.lock().expect("nobody panics with it");
        if let Some(fault) = faults.get("").copied() {
            return Some(fault);
        }
        let fault = *faults.get(plural)?;
        match fault {
            Fault::Gone(0) | Fault::Silent(0) if later => {
                faults.insert(String::new(), fault);
                Some(fault)
            }
            Fault::Gone(_) | Fault::Silent(_) if later => None,
            Fault::Gone(lists) => {
                faults.insert(plural.to_owned(), Fault::Gone(lists.saturating_sub(1)));
                None
            }
            Fault::Silent(lists) => {
                faults.insert(plural.to_owned(), Fault::Silent(lists.saturating_sub(1)));
                None
            }
            fault => Some(fault),
        }
    }
}

fn status(code: u16) -> Response<Answer> {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "as told"});
    let body = Full::new(Bytes::from(body.to_string())).map_err(|never: Infallible| match never {});
    Response::builder().status(code).body(body.boxed()).expect("the status is one of HTTP's")
}

/// The body of an answer, and what comes in between.
struct Relay {
    upstream: Mutex<kube::client::Body>,
    injected: mpsc::UnboundedReceiver<Injection>,
}

impl Body for Relay {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.injected.poll_recv(context) {
            Poll::Ready(Some(Injection::Bytes(text))) => {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))));
            }
            Poll::Ready(Some(Injection::Cut)) => {
                return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        let upstream = self.upstream.get_mut().expect("nobody panics with it");
        Pin::new(upstream).poll_frame(context).map_err(io::Error::other)
    }
}

/// A line that does not end.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 64 << 10])))))
    }
}
