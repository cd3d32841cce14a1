//! A real API server for the tests: etcd and kube-apiserver as child processes on loopback, kubectl as the
//! client, and the `stategate` binary as the webhook that the server calls. [`ControlPlane`] adds the
//! controllers, the scheduler and nodes.
//!
//! Everything a test starts ends when the value that holds it is dropped, and also when the test process is
//! killed; see [`process`]. Nothing outside the target directory is read or written.

#![allow(dead_code, unused_imports, reason = "each scenario uses the part of the harness it needs")]
#![allow(clippy::expect_used, clippy::panic, reason = "a harness that cannot go on fails the test")]
#![expect(clippy::disallowed_methods, reason = "files, environment and time are what it deals with")]

mod api_server;
mod control_plane;
mod gate;
mod kubectl;
mod process;
mod proxy;
mod users;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use api_server::ApiServer;
pub use control_plane::ControlPlane;
pub use gate::{Stategate, command, register, stategate};
pub use kubectl::{Kubectl, Output};
pub use process::Daemon;
pub use proxy::{Fault, Injection, Proxy};
pub use rustix::process::Signal;
pub use users::{USERS, User};

/// How often a start is retried if another process has taken one of its ports.
const STARTS: usize = 4;

/// The directory of the tools that `tests/cluster/tools/install` provides.
///
/// # Panics
/// If one is missing.
pub fn tools() -> PathBuf {
    let dir = match std::env::var_os("KUBEBUILDER_ASSETS") {
        Some(assets) if !assets.is_empty() => PathBuf::from(assets),
        _ => PathBuf::from(BUILT),
    };
    for tool in ["etcd", "kube-apiserver", "kubectl"] {
        let path = dir.join(tool);
        assert!(path.exists(), "{} is missing: run tests/cluster/tools/install", path.display());
    }
    dir
}

/// Where `tests/cluster/tools/install` puts what it builds.
const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/cluster-tools");

/// A program or directory that is always built, since `KUBEBUILDER_ASSETS` has none like it.
///
/// # Panics
/// If it is missing.
pub fn built(name: &str) -> PathBuf {
    let path = Path::new(BUILT).join(name);
    assert!(path.exists(), "{} is missing: run tests/cluster/tools/install", path.display());
    path
}

/// Currently free loopback ports. All are held until the last is found, so they differ.
///
/// Another process may take one before it is bound, so starts are retried.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port")
    });
    held.map(|listener| listener.local_addr().expect("a bound port has an address").port())
}

/// Whether anything accepts connections on this loopback port.
fn accepts(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// A plain HTTP GET on loopback: status code and body.
///
/// # Errors
/// If the server cannot be reached, or its response is not HTTP.
pub fn http_get(port: u16, path: &str) -> io::Result<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // HTTP/1.0, because its responses are never chunked.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    match status {
        Some(status) => Ok((status, body.to_owned())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {head}"))),
    }
}

/// Waits until the condition is true.
///
/// # Panics
/// If it is not within `limit`.
#[track_caller]
pub fn eventually(what: &str, limit: Duration, answer: impl FnMut() -> bool) {
    assert!(wait_until(limit, answer), "not within {limit:?}: {what}");
}

/// Polls until the condition is true; false once `limit` has passed.
pub fn wait_until(limit: Duration, mut answer: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    // Start with short pauses for quick results, and lengthen them to leave the CPU to others.
    let mut pause = Duration::from_millis(2);
    while !answer() {
        if start.elapsed() > limit {
            return false;
        }
        sleep(pause);
        pause = Duration::from_millis(100).min(pause * 3 / 2);
    }
    true
}
