//! Request bodies: read within limits on size, time and the memory shared by all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

/// How much is read of a body whose Content-Length is too large. The API server writes the uid near the
/// beginning, which allows the answer to be a denial that no failurePolicy lets through.
const BEGINNING: usize = 64 << 10;
/// How long a client may continue to send after the last byte that counts: it reads the answer only
/// afterwards, and may lose it if the connection closes earlier.
const LINGER: Duration = Duration::from_secs(2);

/// The first bytes of every body are paid from a separate budget. A usual review fits, so that a few slow
/// clients with large bodies cannot block all others.
const SMALL: usize = 64 << 10;

/// The memory that a review may take for each byte of the body: its objects, their views and the input document.
const EXPANSION: usize = 20;

/// Memory budget for bodies: a limit for each body, and one for all of them.
pub struct MemoryBudget {
    largest: usize,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    reviews: Arc<Semaphore>,
}

impl MemoryBudget {
    /// No body may exceed `largest`. The first 64 KiB are reserved for `usual` bodies at once; everything
    /// beyond shares `more` bytes. What reviews make of bodies shares what the largest body may need.
    pub fn new(largest: usize, usual: usize, more: usize) -> Self {
        let purse = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self {
            largest,
            small: purse(SMALL.saturating_mul(usual)),
            large: purse(more.max(largest)),
            reviews: purse(largest.saturating_mul(EXPANSION)),
        }
    }
}

/// A body's share of the budget, returned on drop.
#[derive(Debug, Default)]
pub struct Reservation {
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
    review: Option<OwnedSemaphorePermit>,
}

impl Reservation {
    /// Reserves memory for the review of a body of this size; false if the budget is exhausted.
    pub fn review(&mut self, budget: &MemoryBudget, body: usize) -> bool {
        pay(&budget.reviews, &mut self.review, body.saturating_mul(EXPANSION))
    }

    /// Reserves memory for a body that grows; false if the budget is exhausted.
    fn grow(&mut self, budget: &MemoryBudget, from: usize, to: usize) -> bool {
        let small = to.min(SMALL) - from.min(SMALL);
        pay(&budget.small, &mut self.small, small) && pay(&budget.large, &mut self.large, to - from - small)
    }
}

fn pay(purse: &Arc<Semaphore>, paid: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> bool {
    let Ok(bytes) = u32::try_from(bytes) else { return false };
    match (Arc::clone(purse).try_acquire_many_owned(bytes), paid) {
        (Ok(more), Some(paid)) => paid.merge(more),
        (Ok(first), paid) => *paid = Some(first),
        (Err(_), _) => return false,
    }
    true
}

/// A body and its share of the budget, to be kept as long as the data read from it.
#[derive(Debug)]
pub struct RequestBody {
    pub bytes: Vec<u8>,
    pub share: Reservation,
}

/// Why a body could not be read completely.
#[derive(Debug)]
pub struct BodyError {
    pub why: BodyErrorKind,
    pub message: String,
    /// The bytes that did arrive.
    pub beginning: Vec<u8>,
}

impl BodyError {
    /// The connection is closed to make room for others.
    pub fn evicted() -> Self {
        Self {
            why: BodyErrorKind::NoRoom,
            message: "the body arrives too slowly while others wait; try again".to_owned(),
            beginning: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyErrorKind {
    TooLarge,
    TooSlow,
    Broken,
    /// Other requests have exhausted the memory for bodies, or need the connection's place.
    NoRoom,
}

impl BodyErrorKind {
    /// For a client whose uid is unknown.
    pub fn status(self) -> StatusCode {
        match self {
            BodyErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyErrorKind::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyErrorKind::Broken => StatusCode::BAD_REQUEST,
            BodyErrorKind::NoRoom => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// Reads a body; `said` is its Content-Length, if it has one.
pub async fn read(
    mut body: Body,
    said: Option<usize>,
    budget: &MemoryBudget,
    deadline: Instant,
) -> Result<RequestBody, BodyError> {
    let largest = budget.largest;
    let too_large = said.is_some_and(|said| said > largest);
    let room = if too_large { BEGINNING.min(largest) } else { largest };
    let mut bytes = Vec::new();
    let mut share = Reservation::default();
    let unread = |why, message, beginning| Err(BodyError { why, message, beginning });
    loop {
        let frame = match timeout_at(deadline.into(), body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(RequestBody { bytes, share }),
            Ok(Some(Err(error))) => {
                let message = format!("the body was cut off after {} bytes: {error}", bytes.len());
                return unread(BodyErrorKind::Broken, message, bytes);
            }
            Err(_) => {
                let message = format!("the body did not arrive in time: {} bytes", bytes.len());
                return unread(BodyErrorKind::TooSlow, message, bytes);
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        let taken = data.get(..room - bytes.len()).unwrap_or(&data);
        if !share.grow(budget, bytes.len(), bytes.len() + taken.len()) {
            linger(body, largest.saturating_mul(4), deadline).await;
            return unread(
                BodyErrorKind::NoRoom,
                "too many reviews are being read; try again".to_owned(),
                Vec::new(),
            );
        }
        bytes.extend_from_slice(taken);
        if taken.len() < data.len() || (too_large && bytes.len() == room) {
            linger(body, largest.saturating_mul(4), deadline).await;
            let message = format!("the body is larger than {}; --max-body sets the limit", size(largest));
            return unread(BodyErrorKind::TooLarge, message, bytes);
        }
    }
}

fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{bytes} bytes") }
}

/// Drains and discards what a client still sends, within limits.
async fn linger(mut body: Body, bytes: usize, deadline: Instant) {
    let deadline = deadline.min(Instant::now() + LINGER);
    let mut left = bytes;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline.into(), body.frame()).await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, |data| data.len())) else { return };
        left = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_one(
        budget: &MemoryBudget,
        text: &str,
        said: Option<usize>,
    ) -> Result<RequestBody, BodyError> {
        read(Body::from(text.to_owned()), said, budget, Instant::now() + Duration::from_secs(60)).await
    }

    #[tokio::test]
    async fn the_bound_is_inclusive_and_the_beginning_of_what_exceeds_it_is_kept() {
        let budget = MemoryBudget::new(4, 1, 0);
        assert_eq!(read_one(&budget, "four", None).await.unwrap().bytes, b"four");
        assert_eq!(read_one(&budget, "", Some(0)).await.unwrap().bytes, b"");
        for said in [None, Some(5)] {
            let unread = read_one(&budget, "fives", said).await.unwrap_err();
            assert_eq!((unread.why, unread.beginning.as_slice()), (BodyErrorKind::TooLarge, &b"five"[..]));
            assert!(unread.message.contains("4 bytes"), "{}", unread.message);
        }
        let unread =
            read_one(&MemoryBudget::new(1 << 20, 1, 1 << 20), &"x".repeat(1 << 19), Some(2 << 20)).await;
        assert_eq!(unread.unwrap_err().beginning.len(), BEGINNING, "what it says counts, not what it sends");
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded_and_give_back_their_share() {
        let budget = MemoryBudget::new(4 * SMALL, 4, 6 * SMALL);
        let large = "x".repeat(4 * SMALL);
        let held =
            [read_one(&budget, &large, None).await.unwrap(), read_one(&budget, &large, None).await.unwrap()];
        assert_eq!(read_one(&budget, &large, None).await.unwrap_err().why, BodyErrorKind::NoRoom);
        let usual = read_one(&budget, &large[..SMALL], None).await.unwrap();
        assert_eq!(usual.bytes.len(), SMALL, "a usual one still finds room");
        drop(held);
        assert!(read_one(&budget, &large, None).await.is_ok());
        drop(usual);
        assert_eq!(
            (budget.small.available_permits(), budget.large.available_permits()),
            (4 * SMALL, 6 * SMALL)
        );
    }
}
