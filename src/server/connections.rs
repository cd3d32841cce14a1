//! A bound on connections: one too many is closed at once, and so is one that says nothing for long.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

/// Accepts so many connections at once.
#[derive(Clone, Debug)]
pub struct Bounded {
    free: Arc<Semaphore>,
    idle: Duration,
}

impl Bounded {
    /// At most `connections` at once, each closed if nothing comes for `idle`.
    pub fn new(connections: usize, idle: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(connections)), idle }
    }
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
    type Service = Held<S>;
    type Future = Ready<io::Result<(Self::Stream, Held<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accepted = Arc::clone(&self.free)
            .try_acquire_owned()
            .map_err(|_| io::Error::other("too many connections"))
            .and_then(|permit| {
                stream.set_nodelay(true)?;
                let mut stream = TimeoutStream::new(stream);
                stream.set_read_timeout(Some(self.idle));
                Ok((Box::pin(stream), Held { service, _permit: Arc::new(permit) }))
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
