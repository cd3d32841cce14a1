//! The probes of a container, as a kubelet runs them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::text;

/// How long a container that is over may still be probed.
const LOOK: Duration = Duration::from_millis(50);

/// What the probes of one container have found.
#[derive(Default)]
pub struct Health {
    started: AtomicBool,
    ready: AtomicBool,
    dead: AtomicBool,
    over: AtomicBool,
}

impl Health {
    /// Starts the probes of a container at this address. They end with [`end`](Self::end).
    pub fn probe(container: &Value, ip: &str) -> Arc<Self> {
        let health = Arc::new(Self::default());
        let of = |kind: &str| Probe::read(container, kind, ip);
        let starts = of("startupProbe");
        let readiness = of("readinessProbe");
        health.started.store(starts.is_none(), Ordering::Relaxed);
        let always = readiness.is_none();
        if let Some(probe) = starts {
            health.watch(probe, |health, fine| {
                health.started.fetch_or(fine, Ordering::Relaxed);
                health.dead.fetch_or(!fine, Ordering::Relaxed);
                !fine
            });
        }
        if let Some(probe) = readiness {
            health.watch(probe, |health, fine| {
                if health.started() {
                    health.ready.store(fine, Ordering::Relaxed);
                }
                true
            });
        }
        if let Some(probe) = of("livenessProbe") {
            health.watch(probe, |health, fine| {
                health.dead.fetch_or(!fine && health.started(), Ordering::Relaxed);
                true
            });
        }
        health.ready.fetch_or(always, Ordering::Relaxed);
        health
    }

    /// Runs a probe again and again; tells of successes, and of as many failures in a row as count, until told to stop.
    fn watch(self: &Arc<Self>, probe: Probe, tell: fn(&Self, bool) -> bool) {
        let health = Arc::clone(self);
        thread::spawn(move || {
            let mut failures = 0;
            loop {
                let begun = Instant::now();
                let fine = probe.ask();
                failures = if fine { 0 } else { failures + 1 };
                if health.over.load(Ordering::Relaxed) {
                    return;
                }
                if (fine || failures >= probe.failures) && !tell(&health, fine) {
                    return;
                }
                while begun.elapsed() < probe.period {
                    thread::sleep(LOOK);
                    if health.over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        });
    }

    /// Whether the startup probe has succeeded.
    pub fn started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// Whether the container takes requests.
    pub fn ready(&self) -> bool {
        self.started() && self.ready.load(Ordering::Relaxed)
    }

    /// Whether the container is to be started again.
    pub fn dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Ends the probes.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

struct Probe {
    address: SocketAddr,
    path: String,
    period: Duration,
    timeout: Duration,
    failures: u64,
}

impl Probe {
    fn read(container: &Value, kind: &str, ip: &str) -> Option<Self> {
        let probe = container.get(kind)?;
        let http = probe.get("httpGet").expect("stategate's probes ask by HTTP");
        let named = |port: &&Value| port["name"] == http["port"];
        let port = http["port"]
            .as_u64()
            .or_else(|| container["ports"].as_array()?.iter().find(named)?["containerPort"].as_u64());
        let number = |key: &str, otherwise| probe[key].as_u64().unwrap_or(otherwise);
        Some(Self {
            address: format!("{ip}:{}", port.expect("the port of a probe")).parse().expect("an address"),
            path: text(http, "/path").to_owned(),
            period: Duration::from_secs(number("periodSeconds", 10)),
            timeout: Duration::from_secs(number("timeoutSeconds", 1)),
            failures: number("failureThreshold", 3),
        })
    }

    fn ask(&self) -> bool {
        http(self.address, &self.path, self.timeout).is_some_and(|(code, _)| (200..400).contains(&code))
    }
}

/// An HTTP GET that takes no longer than this.
pub fn http(address: SocketAddr, path: &str, limit: Duration) -> Option<(u16, String)> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect_timeout(&address, limit).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    let mut part = [0; 8192];
    loop {
        let left = limit.checked_sub(begun.elapsed()).filter(|left| !left.is_zero())?;
        stream.set_read_timeout(Some(left)).ok()?;
        match stream.read(&mut part).ok()? {
            0 => break,
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
