//! Tracks what a connection is doing, to distinguish stalled connections from working ones.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// The state of one connection, shared by its driver, its stream and its requests.
#[derive(Debug)]
pub struct Activity {
    state: Mutex<State>,
    changed: Notify,
    /// Do bytes between two requests begin the next one (HTTP/1)? In HTTP/2 they may be a PING.
    bytes_are_heads: bool,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// Has there been any request?
    used: bool,
    /// Part of a request's head has arrived, but not all of it.
    head: bool,
    /// When the current state began.
    since: Instant,
}

/// How long a connection may go without a request.
#[derive(Clone, Copy, Debug)]
pub struct IdleTimeouts {
    /// To complete the head of a request, from its first byte, or from the handshake for the first request.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
}

impl Activity {
    pub fn new(bytes_are_heads: bool) -> Arc<Self> {
        let state = State { in_flight: 0, used: false, head: false, since: Instant::now() };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new(), bytes_are_heads })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock, and every state is valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has there been a request?
    pub fn used(&self) -> bool {
        self.state().used
    }

    /// When the timeout expires; None while a request is in flight, which has its own deadline.
    pub fn deadline(&self, patience: IdleTimeouts) -> Option<Instant> {
        let state = self.state();
        let long = if state.head || !state.used { patience.head } else { patience.idle };
        (state.in_flight == 0).then(|| state.since + long)
    }

    /// Is it merely unused between two requests, so that it may be closed gracefully?
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.in_flight == 0 && state.used && !state.head
    }

    /// Waits for a change since the last call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Marks the beginning of a request; it ends when the value is dropped.
    pub fn request(self: &Arc<Self>) -> InFlight {
        let mut state = self.state();
        state.in_flight += 1;
        state.used = true;
        state.head = false;
        drop(state);
        self.changed.notify_one();
        InFlight(Arc::clone(self))
    }

    fn bytes(&self) {
        if !self.bytes_are_heads {
            return;
        }
        let mut state = self.state();
        if state.in_flight == 0 && state.used && !state.head {
            state.head = true;
            state.since = Instant::now();
            drop(state);
            self.changed.notify_one();
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight -= 1;
        state.since = Instant::now();
        drop(state);
        self.0.changed.notify_one();
    }
}

/// A stream that reports incoming bytes to its connection's activity.
#[derive(Debug)]
pub struct TrackedStream<S> {
    pub stream: S,
    pub activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for TrackedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TrackedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE_TIMEOUTS: IdleTimeouts =
        IdleTimeouts { head: Duration::from_secs(5), idle: Duration::from_secs(100) };

    fn patience(activity: &Activity) -> Option<Duration> {
        let since = activity.state().since;
        activity.deadline(IDLE_TIMEOUTS).map(|deadline| deadline - since)
    }

    #[test]
    fn the_first_request_and_every_head_are_urgent_and_idling_is_not() {
        let activity = Activity::new(true);
        assert_eq!(patience(&activity), Some(IDLE_TIMEOUTS.head));
        let first = activity.request();
        let second = activity.request();
        drop(first);
        assert_eq!(patience(&activity), None, "one is still in flight");
        drop(second);
        assert_eq!(patience(&activity), Some(IDLE_TIMEOUTS.idle));
        assert!(activity.is_idle());
        activity.bytes();
        assert_eq!(patience(&activity), Some(IDLE_TIMEOUTS.head), "a head has begun");
        assert!(!activity.is_idle());
    }

    #[test]
    fn a_ping_begins_no_request() {
        let activity = Activity::new(false);
        drop(activity.request());
        activity.bytes();
        assert_eq!(patience(&activity), Some(IDLE_TIMEOUTS.idle));
    }
}
