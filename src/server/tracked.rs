//! Streams and answers that report to their connection's [`Activity`].

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::{Activity, InFlight};

/// A stream that reports which bytes move.
#[derive(Debug)]
pub struct TrackedStream<S> {
    pub stream: S,
    pub activity: Arc<Activity>,
}

impl<S> TrackedStream<S> {
    fn sent<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.activity.sent(polled.is_pending());
        polled
    }
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
            self.activity.received();
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
        let polled = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.sent(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.sent(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.sent(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.sent(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The body of an answer, which is in flight until the client has accepted all of it.
///
/// The last byte follows alone: hyper hands a piece to HTTP/2 as soon as the client's window has room for one
/// byte of it, so only then does the end of the body say that the window was open for the rest.
#[derive(Debug)]
pub struct TrackedBody {
    body: Body,
    last: Option<Bytes>,
    in_flight: Option<Arc<InFlight>>,
}

impl TrackedBody {
    pub fn new(body: Body, in_flight: Arc<InFlight>) -> Self {
        in_flight.answering();
        // Nobody asks for the end of an empty body.
        let in_flight = (!body.is_end_stream()).then_some(in_flight);
        Self { body, last: None, in_flight }
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(last) = self.last.take() {
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(match frame.into_data() {
                Ok(mut data) if data.len() > 1 => {
                    self.last = Some(data.split_off(data.len() - 1));
                    Frame::data(data)
                }
                Ok(data) => Frame::data(data),
                Err(frame) => frame,
            })),
            ended => {
                self.in_flight = None;
                ended
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.in_flight.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, last) = (self.body.size_hint(), self.last.as_ref().map_or(0, Bytes::len));
        let mut hint = SizeHint::new();
        let last = u64::try_from(last).unwrap_or(0);
        hint.set_lower(inner.lower().saturating_add(last));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(last));
        }
        hint
    }
}
