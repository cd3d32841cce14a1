//! A bound on connections: one too many is closed at once, those that are there go on.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

/// Accepts so many connections at once.
#[derive(Clone, Debug)]
pub struct Bounded {
    free: Arc<Semaphore>,
}

impl Bounded {
    /// At most `connections` at once.
    pub fn new(connections: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(connections)) }
    }
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = TcpStream;
    type Service = Held<S>;
    type Future = Ready<io::Result<(TcpStream, Held<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accepted = Arc::clone(&self.free)
            .try_acquire_owned()
            .map_err(|_| io::Error::other("too many connections"))
            .and_then(|permit| {
                stream.set_nodelay(true)?;
                Ok((stream, Held { service, _permit: Arc::new(permit) }))
            });
        ready(accepted)
    }
}

/// A connection's service; its place is free again when the connection ends.
#[derive(Clone, Debug)]
pub struct Held<S> {
    service: S,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl<R, S: Service<R>> Service<R> for Held<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.service.call(request)
    }
}
