//! Who is connected to a port, and whose connection is closed when it is full.
//!
//! A newcomer to a full port takes the place of a connection that waits for its client. Places are shared
//! fairly: only the newcomer's own peer, or one with more connections, loses one, so that a peer that opens
//! thousands competes with itself. There is no limit per peer while there is room: an API server behind a
//! proxy may be all there is.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use super::activity::{Activity, Order, PROMPT, Standing};
use crate::telemetry::metrics::{Closed, Metrics};

/// Interval between two log lines about a full port.
const QUIET: Duration = Duration::from_secs(10);

/// The connections to one port.
pub struct ConnectionTable {
    port: &'static str,
    limit: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, Entry>,
    /// The number of open connections of each peer.
    peers: HashMap<IpAddr, usize>,
    /// Evicted connections that have not ended yet, the oldest first.
    closing: VecDeque<(u64, Arc<Activity>)>,
    report: Report,
}

struct Entry {
    peer: IpAddr,
    activity: Arc<Activity>,
}

/// What happened since the last log line.
#[derive(Default)]
struct Report {
    last: Option<Instant>,
    evicted: u64,
    refused: u64,
}

/// A connection's place in the table, returned on drop.
pub struct Place {
    table: Arc<ConnectionTable>,
    number: u64,
    /// Of the client.
    pub address: IpAddr,
    pub activity: Arc<Activity>,
}

/// Connections beyond the limit that may still be ending.
pub fn overhang(limit: usize) -> usize {
    limit / 4 + 1
}

/// The peer that an address belongs to. Whoever has one IPv6 address usually has the whole /64.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !0 << 64)),
    }
}

impl ConnectionTable {
    pub fn new(port: &'static str, limit: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { port, limit: limit.max(1), metrics, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from this address; None if no connection can make room for it.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let peer = peer(address);
        let mut state = self.state();
        if state.open.len() >= self.limit && !self.evict(&mut state, Some(peer)) {
            self.count(&mut state, Closed::Refused);
            return None;
        }
        let activity = Activity::new();
        let number = state.next;
        state.next += 1;
        state.open.insert(number, Entry { peer, activity: Arc::clone(&activity) });
        *state.peers.entry(peer).or_default() += 1;
        self.metrics.connections(self.port, state.open.len() + state.closing.len());
        drop(state);
        Some(Place { table: Arc::clone(self), number, address, activity })
    }

    /// Closes a connection of the fullest table, if any can be, because the process has run out of file
    /// descriptors.
    pub fn relieve(tables: &[Arc<Self>]) {
        if let Some(fullest) = tables.iter().max_by_key(|table| table.state().open.len()) {
            fullest.evict(&mut fullest.state(), None);
        }
    }

    /// Do connections end more slowly than new ones come?
    pub fn is_behind(&self) -> bool {
        self.state().closing.len() > overhang(self.limit)
    }

    fn evict(&self, state: &mut State, newcomer: Option<IpAddr>) -> bool {
        let Some(number) = state.victim(newcomer, Instant::now()) else { return false };
        let Some(activity) = state.leave(number) else { return false };
        activity.give(Order::Close);
        state.closing.push_back((number, activity));
        if state.closing.len() > overhang(self.limit)
            && let Some(activity) = state.late()
        {
            activity.give(Order::Cut);
        }
        self.count(state, Closed::Evicted);
        true
    }

    /// Counts what was done to a client, and logs it now and then.
    fn count(&self, state: &mut State, what: Closed) {
        self.metrics.connection_closed(self.port, what);
        let report = &mut state.report;
        match what {
            Closed::Refused => report.refused += 1,
            _ => report.evicted += 1,
        }
        if report.last.is_none_or(|last| last.elapsed() >= QUIET) {
            let Report { evicted, refused, .. } = std::mem::take(report);
            report.last = Some(Instant::now());
            warn!(port = self.port, limit = self.limit, evicted, refused, "all connections are in use");
        }
    }
}

impl State {
    /// The connection that makes room for one of the newcomer's: one without a request rather than one that is
    /// still sending or taking it, of the peer that has the most, one that owes something rather than one that
    /// is idle, and the oldest of these. The server's own work is never lost.
    fn victim(&self, newcomer: Option<IpAddr>, now: Instant) -> Option<u64> {
        let held = |peer: IpAddr| self.peers.get(&peer).copied().unwrap_or(0);
        let with_it = newcomer.map_or(0, held) + 1;
        let candidates = self.open.iter().filter_map(|(number, entry)| {
            let own = newcomer == Some(entry.peer);
            let count = if own { with_it } else { held(entry.peer) };
            let (standing, since) = entry.activity.standing();
            let age = now.saturating_duration_since(since);
            let without_request = match standing {
                Standing::Working => return None,
                Standing::Transferring if own && age < PROMPT => return None,
                Standing::Transferring => false,
                Standing::Owing | Standing::Idle => true,
            };
            let overdue = standing == Standing::Owing && age >= PROMPT;
            (count >= with_it).then_some(((without_request, count, overdue, age), *number))
        });
        candidates.max().map(|(_, number)| number)
    }

    /// An evicted connection that has had its time: one that never asked, or the oldest. Work is finished;
    /// there is never much of it, since the queue in front of it is bounded.
    fn late(&self) -> Option<&Arc<Activity>> {
        let slow =
            self.closing.iter().map(|(_, activity)| activity).filter(|activity| {
                activity.order() < Order::Cut && activity.standing().0 != Standing::Working
            });
        slow.min_by_key(|activity| activity.used())
    }

    /// Takes an open connection out.
    fn leave(&mut self, number: u64) -> Option<Arc<Activity>> {
        let Entry { peer, activity } = self.open.remove(&number)?;
        if let Some(count) = self.peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
        Some(activity)
    }
}

impl Place {
    /// Counts that the connection was closed because its client did not do its part.
    pub fn stalled(&self) {
        self.table.metrics.connection_closed(self.table.port, Closed::Stalled);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.table.state();
        if state.leave(self.number).is_none() {
            state.closing.retain(|(number, _)| *number != self.number);
        }
        self.table.metrics.connections(self.table.port, state.open.len() + state.closing.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::exposition::Exposition;

    const API_SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const FLOOD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn table(limit: usize) -> Arc<ConnectionTable> {
        ConnectionTable::new("webhook", limit, Arc::new(Metrics::new("digest", "production", 0)))
    }

    fn is_open(place: &Place) -> bool {
        place.activity.order() == Order::Stay
    }

    #[test]
    fn a_flood_competes_with_itself() {
        let table = table(8);
        let oldest = table.admit(API_SERVER).unwrap();
        drop(oldest.activity.request());
        let mut flood: Vec<Place> = (0..7).map(|_| table.admit(FLOOD).unwrap()).collect();
        for round in 0..100 {
            flood.push(table.admit(FLOOD).unwrap());
            assert!(is_open(&oldest), "it was idle for longest, but holds its share: {round}");
            assert_eq!(flood.iter().filter(|place| is_open(place)).count(), 7);
        }
        assert!(is_open(flood.last().unwrap()) && !is_open(&flood[0]), "the oldest go first");
        let second = table.admit(API_SERVER).unwrap();
        assert!(is_open(&oldest) && is_open(&second), "the flood makes room for others");
        // Two peers with the same share: each keeps it.
        let more: Vec<Place> = (0..20).map(|_| table.admit(API_SERVER).unwrap()).collect();
        assert_eq!(flood.iter().filter(|place| is_open(place)).count(), 4);
        assert_eq!(more.iter().filter(|place| is_open(place)).count(), 4, "its own oldest went first");
    }

    #[test]
    fn work_is_never_evicted_and_a_body_only_while_nobody_is_idle() {
        let table = table(4);
        let places: Vec<Place> = (0..4).map(|_| table.admit(FLOOD).unwrap()).collect();
        let requests: Vec<_> = places.iter().map(|place| place.activity.request()).collect();
        for request in &requests[..3] {
            request.working();
        }
        assert!(table.admit(FLOOD).is_none(), "its own bodies have just begun");
        let other = table.admit(API_SERVER).unwrap();
        assert!(!is_open(&places[3]) && is_open(&places[0]), "a body of the larger peer makes room");
        let another = table.admit(API_SERVER).unwrap();
        assert!(!is_open(&other) && is_open(&another), "an idle connection of its own");
        let request = another.activity.request();
        request.working();
        assert!(table.admit(API_SERVER).is_none() && table.admit(FLOOD).is_none(), "all are at work");
        assert!(places[..3].iter().all(is_open));
    }

    #[test]
    fn evicted_connections_that_do_not_end_are_cut_and_places_come_back() {
        let table = table(8);
        let mut places = vec![table.admit(FLOOD).unwrap()];
        drop(places[0].activity.request());
        places.extend((1..12).map(|_| table.admit(FLOOD).unwrap()));
        let order = |number: usize| places[number].activity.order();
        let orders: Vec<Order> = (0..5).map(order).collect();
        let expected = [Order::Close, Order::Cut, Order::Close, Order::Close, Order::Stay];
        assert_eq!(orders, expected, "one that has asked may have asked again, and is given time");
        ConnectionTable::relieve(&[Arc::clone(&table), self::table(8)]);
        assert_eq!((order(4), order(2)), (Order::Close, Order::Cut));
        assert!(table.is_behind());
        drop(places);
        let state = table.state();
        assert!(state.open.is_empty() && state.peers.is_empty() && state.closing.is_empty());
        drop(state);
        let text = table.metrics.encode(Exposition::OpenMetrics).unwrap();
        for line in [
            r#"stategate_connections{port="webhook"} 0"#,
            r#"stategate_connections_closed_total{port="webhook",reason="evicted"} 5"#,
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_ipv6() {
        let peer = |text: &str| peer(text.parse().unwrap()).to_string();
        assert_eq!(peer("10.1.2.3"), "10.1.2.3");
        assert_eq!(peer("::ffff:10.1.2.3"), "10.1.2.3");
        assert_eq!(peer("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
