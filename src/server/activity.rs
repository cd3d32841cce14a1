//! Tracks what a connection is doing, to tell idle and stalled connections from working ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::sleep_until;

/// How many more requests than it lets the server answer a client may abandon. A client that resets its
/// HTTP/2 streams has no limit on concurrent requests otherwise.
const ABANDONED: u32 = 100;

/// How long a body may take before other connections count more. API servers send a request at once.
pub const PROMPT: Duration = Duration::from_secs(1);

/// The state of one connection, shared by its driver, its stream, its requests and the connection table.
#[derive(Debug)]
pub struct Activity {
    state: Mutex<State>,
    changed: Notify,
    order: watch::Sender<Order>,
}

#[derive(Debug)]
struct State {
    requests: BTreeMap<u64, (Phase, Instant)>,
    /// The number of the next request.
    next: u64,
    /// Has there been any request?
    used: bool,
    /// Do bytes between two requests begin the next one (HTTP/1)? In HTTP/2 they may be a PING.
    bytes_are_heads: bool,
    /// Part of a request's head has arrived, but not all of it.
    head: bool,
    /// When the connection began to be without requests, or to wait for a head.
    since: Instant,
    /// Since when the client has taken none of the bytes that wait for it.
    blocked: Option<Instant>,
    /// Requests that the client abandoned, minus those that were answered.
    abandoned: u32,
}

/// What the connection table wants of a connection. Orders only become stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Nothing.
    Stay,
    /// Finish what is being worked on, take no further requests, and close soon.
    Close,
    /// Close at once.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The body is arriving.
    Receiving,
    /// The server is at work.
    Working,
    /// The answer is being sent.
    Answering,
}

/// Whose turn it is on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The client's: it owes the handshake, its first request, or the rest of a head.
    Owing,
    /// Nobody's: it is unused between two requests.
    Idle,
    /// The client's: it is sending a body or taking an answer.
    Transferring,
    /// The server's.
    Working,
}

/// How long a client may take for its part.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To complete the head of a request, from its first byte, or from the handshake for the first request.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// To take an answer.
    pub answer: Duration,
}

impl State {
    fn standing(&self) -> (Standing, Instant) {
        let oldest = self.requests.values().map(|(_, since)| *since).min();
        match oldest {
            Some(_) if self.requests.values().any(|(phase, _)| *phase == Phase::Working) => {
                (Standing::Working, self.since)
            }
            Some(oldest) => (Standing::Transferring, oldest),
            None if self.head || !self.used => (Standing::Owing, self.since),
            None => (Standing::Idle, self.since),
        }
    }

    fn deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        let answering = self.requests.values().filter(|(phase, _)| *phase == Phase::Answering);
        let taken = answering.map(|(_, since)| *since).chain(self.blocked).min();
        let asked = match self.standing() {
            (Standing::Owing, since) => Some(since + timeouts.head),
            (Standing::Idle, since) => Some(since + timeouts.idle),
            _ => None,
        };
        taken.map(|since| since + timeouts.answer).into_iter().chain(asked).min()
    }
}

impl Activity {
    pub fn new() -> Arc<Self> {
        let state = State {
            requests: BTreeMap::new(),
            next: 0,
            used: false,
            bytes_are_heads: false,
            head: false,
            since: Instant::now(),
            blocked: None,
            abandoned: 0,
        };
        let order = watch::Sender::new(Order::Stay);
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new(), order })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock, and every state is valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the end of the handshake: the time for the first request begins.
    pub fn established(&self, http2: bool) {
        let mut state = self.state();
        state.bytes_are_heads = !http2;
        state.since = Instant::now();
    }

    /// Has there been a request?
    pub fn used(&self) -> bool {
        self.state().used
    }

    /// Whose turn it is, and since when.
    pub fn standing(&self) -> (Standing, Instant) {
        self.state().standing()
    }

    /// When the client's time for its part ends; None while the server is at work, and while a body arrives,
    /// which has its own deadline.
    pub fn deadline(&self, timeouts: Timeouts) -> Option<Instant> {
        self.state().deadline(timeouts)
    }

    /// Is it merely unused between two requests, so that it may be closed gracefully?
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.standing().0 == Standing::Idle && state.blocked.is_none()
    }

    /// Has the client abandoned so many requests that it must be stopped?
    pub fn floods(&self) -> bool {
        self.state().abandoned > ABANDONED
    }

    /// Waits for a change since the last call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Orders the connection to do this; it obeys soon.
    pub fn give(&self, order: Order) {
        self.order.send_modify(|now| *now = (*now).max(order));
        self.changed.notify_one();
    }

    /// The order in force.
    pub fn order(&self) -> Order {
        *self.order.borrow()
    }

    /// Waits for this order or a stricter one.
    pub async fn ordered(&self, order: Order) {
        // The sender lives as long as this value.
        let _ = self.order.subscribe().wait_for(|now| *now >= order).await;
    }

    /// Marks the beginning of a request; it ends when the value is dropped.
    pub fn request(self: &Arc<Self>) -> InFlight {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let began = Instant::now();
        state.requests.insert(number, (Phase::Receiving, began));
        state.used = true;
        state.head = false;
        drop(state);
        self.changed.notify_one();
        InFlight { activity: Arc::clone(self), number, began }
    }

    /// Bytes have arrived from the client.
    pub fn received(&self) {
        let mut state = self.state();
        if state.bytes_are_heads && state.used && !state.head && state.requests.is_empty() {
            state.head = true;
            state.since = Instant::now();
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Bytes for the client could be sent, or could not because it takes none.
    pub fn sent(&self, blocked: bool) {
        let mut state = self.state();
        if blocked == state.blocked.is_some() {
            return;
        }
        state.blocked = blocked.then(Instant::now);
        drop(state);
        self.changed.notify_one();
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct InFlight {
    activity: Arc<Activity>,
    number: u64,
    began: Instant,
}

impl InFlight {
    fn enter(&self, phase: Phase) {
        let mut state = self.activity.state();
        state.requests.insert(self.number, (phase, Instant::now()));
        if phase == Phase::Answering {
            state.abandoned = state.abandoned.saturating_sub(1);
        }
        drop(state);
        self.activity.changed.notify_one();
    }

    /// The body is complete: the rest is up to the server.
    pub fn working(&self) {
        self.enter(Phase::Working);
    }

    /// The answer is ready for the client to take.
    pub fn answering(&self) {
        self.enter(Phase::Answering);
    }

    /// Waits until the connection is to close and the body has had its time. A request that crosses GOAWAY has
    /// just begun, and is still answered.
    pub async fn evicted(&self) {
        self.activity.ordered(Order::Close).await;
        sleep_until((self.began + PROMPT).into()).await;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        let phase = state.requests.remove(&self.number).map(|(phase, _)| phase);
        if phase.is_some_and(|phase| phase != Phase::Answering) {
            state.abandoned = state.abandoned.saturating_add(1);
        }
        if state.requests.is_empty() {
            state.since = Instant::now();
        }
        drop(state);
        self.activity.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        head: Duration::from_secs(5),
        idle: Duration::from_secs(100),
        answer: Duration::from_secs(10),
    };

    /// The client's time for its part.
    fn patience(activity: &Activity) -> Option<Duration> {
        let (_, since) = activity.standing();
        activity.deadline(TIMEOUTS).map(|deadline| deadline - since)
    }

    fn http1() -> Arc<Activity> {
        let activity = Activity::new();
        activity.established(false);
        activity
    }

    #[test]
    fn the_first_request_and_every_head_are_urgent_and_idling_is_not() {
        let activity = http1();
        assert_eq!(patience(&activity), Some(TIMEOUTS.head));
        let first = activity.request();
        let second = activity.request();
        drop(first);
        assert_eq!(patience(&activity), None, "one is still in flight");
        drop(second);
        assert_eq!(patience(&activity), Some(TIMEOUTS.idle));
        assert!(activity.is_idle());
        activity.received();
        assert_eq!(patience(&activity), Some(TIMEOUTS.head), "a head has begun");
        assert!(!activity.is_idle());
    }

    #[test]
    fn a_ping_begins_no_request() {
        let activity = Activity::new();
        activity.established(true);
        drop(activity.request());
        activity.received();
        assert_eq!(patience(&activity), Some(TIMEOUTS.idle));
    }

    #[test]
    fn an_answer_must_be_taken_and_work_takes_its_time() {
        let activity = http1();
        let request = activity.request();
        assert_eq!(activity.standing().0, Standing::Transferring);
        request.working();
        assert_eq!((activity.standing().0, patience(&activity)), (Standing::Working, None));
        request.answering();
        assert_eq!(activity.standing().0, Standing::Transferring);
        assert_eq!(patience(&activity), Some(TIMEOUTS.answer));
        drop(request);
        assert!(activity.is_idle());
        activity.sent(true);
        let blocked = activity.deadline(TIMEOUTS);
        activity.sent(true);
        assert_eq!(activity.deadline(TIMEOUTS), blocked, "the time runs from the first byte not taken");
        assert!(patience(&activity).unwrap() < TIMEOUTS.idle && !activity.is_idle());
        activity.sent(false);
        assert_eq!(patience(&activity), Some(TIMEOUTS.idle));
    }

    #[test]
    fn who_abandons_many_requests_and_takes_few_answers_floods() {
        let activity = http1();
        for _ in 0..10 * ABANDONED {
            drop(activity.request());
            activity.request().answering();
        }
        assert!(!activity.floods(), "it takes as many answers as it gives up");
        for _ in 0..=ABANDONED {
            assert!(!activity.floods());
            drop(activity.request());
        }
        assert!(activity.floods());
    }

    #[test]
    fn orders_only_become_stricter() {
        let activity = http1();
        activity.give(Order::Cut);
        activity.give(Order::Close);
        assert_eq!(activity.order(), Order::Cut);
    }
}
