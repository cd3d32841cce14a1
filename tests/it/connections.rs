//! Clients that hold connections, send slowly, read nothing or flood: others are served all the same, and no
//! request in flight is lost. Peers are told apart by their loopback addresses.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{
    AGE, Http2, PATIENCE, Server, Tls, finish_handshake, kept_alive, kill, request, response, wait_for_end,
};
use crate::wire::recorded;

/// With this limit on open files, there is room for 48 connections to the webhook and for 24 to the status port.
const FILES: usize = 160;
const WEBHOOK: usize = 48;
const STATUS: usize = 24;
/// The chart's readiness probe: one late answer, on a busy machine, changes nothing; so many in a row do.
const TIMEOUT: Duration = Duration::from_secs(2);
const FAILURE_THRESHOLD: usize = 2;
/// A peer that is not the API server.
const FLOOD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn start() -> (tempfile::TempDir, Server) {
    // The test holds thousands of connections.
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with_files(dir.path(), FILES);
    (dir, server)
}

/// Connects from this address.
fn connect_from(from: IpAddr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn body() -> Vec<u8> {
    recorded().swap_remove(2).1
}

/// The value of a line of the metrics.
fn metric(server: &Server, series: &str) -> u64 {
    let (_, text) = server.get("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

fn closed(server: &Server, port: &str, reason: &str) -> u64 {
    metric(server, &format!("stategate_connections_closed_total{{port=\"{port}\",reason=\"{reason}\"}}"))
}

/// A request for a review that has sent its head and half its body, and whose head has arrived.
fn half_sent(server: &Server, from: IpAddr) -> Tls {
    let (mut stream, body) = (server.encrypt(connect_from(from, server.address), &[]), body());
    let length = body.len();
    let head = format!("Host: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n");
    write!(stream, "POST /validate/fail?timeout=30s HTTP/1.1\r\n{head}").unwrap();
    stream.flush().unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body[..length / 2]).and_then(|()| stream.flush()).unwrap();
    stream
}

/// Asks while connections are opened, held, and never read.
fn probe_during_flood(from: IpAddr, pause: Duration) {
    let (_dir, server) = start();
    let starts = ["", "GET /livez HTTP/1.1\r\nHost: x", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"];
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut held = std::collections::VecDeque::new();
            let mut opened = 0;
            while !done.load(Ordering::Relaxed) || opened < 2000 {
                let mut stream = connect_from(from, server.status);
                let _ = stream.write_all(starts[opened % starts.len()].as_bytes());
                held.push_back(stream);
                opened += 1;
                if held.len() > 2000 {
                    held.pop_front();
                }
                std::thread::sleep(pause);
            }
            opened
        });
        let (mut slowest, mut late, mut row) = (Duration::ZERO, 0, 0);
        for round in 0..300 {
            let began = Instant::now();
            let path = if round % 2 == 0 { "/livez" } else { "/readyz" };
            assert_eq!(server.get(path).0, 200, "probe {round}");
            slowest = slowest.max(began.elapsed());
            late = if began.elapsed() < TIMEOUT { 0 } else { late + 1 };
            row = row.max(late);
            std::thread::sleep(Duration::from_millis(2));
        }
        done.store(true, Ordering::Relaxed);
        println!("{} connections opened, the slowest probe took {slowest:?}", flood.join().unwrap());
        assert!(
            row < FAILURE_THRESHOLD,
            "the Pod would have become unready: {row} late probes in a row, up to {slowest:?}"
        );
    });
    assert!(closed(&server, "status", "evicted") > 1000);
    kill(server);
}

#[test]
fn probes_get_through_while_another_peer_floods_the_status_port() {
    probe_during_flood(FLOOD, Duration::ZERO);
}

#[test]
fn probes_get_through_while_their_own_address_holds_thousands() {
    probe_during_flood(Ipv4Addr::LOCALHOST.into(), Duration::from_millis(2));
}

#[test]
fn a_status_connection_answers_once() {
    let (_dir, server) = start();
    let mut stream = TcpStream::connect(server.status).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
    assert!(text.contains("connection: close\r\n"), "{text}");
    kill(server);
}

#[test]
fn an_old_connection_ends_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (server, body) = (Server::start(dir.path(), &[AGE, "0.2"]), body());
    let began = Instant::now();
    let mut http1 = server.encrypt(TcpStream::connect(server.address).unwrap(), &[]);
    loop {
        let answer = kept_alive(&mut http1, &body);
        assert!(answer.contains(r#""allowed""#), "{answer}");
        if answer.contains("connection: close\r\n") {
            break;
        }
    }
    wait_for_end(&mut http1, "an old connection");
    assert!(began.elapsed() >= Duration::from_millis(100), "it is not old at once");
    let mut http2 = Http2::over(server.encrypt(TcpStream::connect(server.address).unwrap(), &[b"h2"]));
    for stream in (1..).step_by(2) {
        http2.ask(stream, &body);
        let (answer, goaway) = http2.answer(stream);
        assert!(answer.contains(r#""allowed""#), "{answer}");
        if goaway {
            break;
        }
    }
    wait_for_end(&mut http2.0, "an old connection");
    kill(server);
}

#[test]
fn a_flood_of_one_peer_costs_another_nothing() {
    let (_dir, server) = start();
    let body = body();
    let mut h1 = server.encrypt(TcpStream::connect(server.address).unwrap(), &[]);
    let mut h2 = Http2::over(server.encrypt(TcpStream::connect(server.address).unwrap(), &[b"h2"]));
    assert!(kept_alive(&mut h1, &body).contains(r#""allowed""#));
    h2.ask(1, &body);
    assert!(!h2.answer(1).1);
    // Silent, in the midst of the handshake, and after it.
    let flood: Vec<Tls> = (0..10 * WEBHOOK)
        .map(|number| {
            let mut stream = server.encrypt(connect_from(FLOOD, server.address), &[]);
            match number % 12 {
                0 => drop(stream.conn.complete_io(&mut stream.sock)),
                1 => drop(stream.conn.write_tls(&mut stream.sock)),
                _ => {}
            }
            stream
        })
        .collect();
    for stream in (3..20).step_by(2) {
        assert!(kept_alive(&mut h1, &body).contains(r#""allowed""#));
        h2.ask(stream, &body);
        let (answer, goaway) = h2.answer(stream);
        assert!(answer.contains(r#""allowed""#) && !goaway, "{goaway} {answer}");
        assert_eq!(server.post("/validate/fail", &body).0, 200, "others connect, too");
    }
    assert!(closed(&server, "webhook", "evicted") >= 8 * u64::try_from(WEBHOOK).unwrap());
    assert!(metric(&server, "stategate_connections{port=\"webhook\"}") <= 48 + 13);
    drop(flood);
    let log = kill(server);
    let said = log.lines().filter(|line| line.contains("all connections are in use")).count();
    assert!((1..20).contains(&said), "a flood does not flood the log: {said} lines");
}

#[test]
fn what_is_in_flight_is_answered_while_its_own_peer_floods() {
    let (_dir, server) = start();
    let body = body();
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut halves: Vec<Tls> = (0..8).map(|_| half_sent(&server, local)).collect();
    let mut idle: Vec<Http2> = (0..8)
        .map(|_| {
            let mut client =
                Http2::over(server.encrypt(TcpStream::connect(server.address).unwrap(), &[b"h2"]));
            client.ask(1, &body);
            assert!(!client.answer(1).1);
            client
        })
        .collect();
    let flood: Vec<TcpStream> =
        (0..WEBHOOK + 8).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    // Accepting them takes its time; until then, nobody is evicted.
    let (began, wanted) = (Instant::now(), u64::try_from(halves.len() + idle.len() + 8).unwrap());
    while closed(&server, "webhook", "evicted") < wanted && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // These have not heard that they are evicted: their requests cross the first GOAWAY.
    let mut told = 0;
    for client in &mut idle {
        client.ask(3, &body);
        let (answer, goaway) = client.answer(3);
        assert!(answer.contains(r#""allowed""#), "{answer}");
        told += usize::from(goaway);
    }
    assert_eq!(told, idle.len(), "the flood took the places of all that were idle");
    // And then they are closed, so that the client opens another connection.
    for client in &mut idle {
        wait_for_end(&mut client.0, "an evicted connection");
    }
    for stream in &mut halves {
        stream.write_all(&body[body.len() / 2..]).and_then(|()| stream.flush()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    drop(flood);
    kill(server);
}

#[test]
fn slow_bodies_make_room_and_are_told_to_try_again() {
    let (_dir, server) = start();
    let mut slow: Vec<Tls> = (0..WEBHOOK).map(|_| half_sent(&server, FLOOD)).collect();
    let body = body();
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(server.post("/validate/fail", &body).0, 200);
        // A slow one has ten seconds.
        assert!(began.elapsed() < Duration::from_secs(9), "it waited for a slow one");
    }
    assert!(closed(&server, "webhook", "evicted") >= 1);
    // The oldest was told.
    let (code, answer) = response(&mut slow[0]);
    assert!(code == 429 && answer.contains("try again"), "{code} {answer}");
    kill(server);
}

#[test]
fn a_client_that_takes_no_answers_is_cut() {
    let (_dir, server) = start();
    // Answers wait in the server once the socket's buffers are full.
    let mut h1 = server.encrypt(TcpStream::connect(server.address).unwrap(), &[]);
    h1.sock.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let body = body();
    let head = format!("POST /validate/fail HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let many = [head.as_bytes(), &body].concat().repeat(8);
    let began = Instant::now();
    while h1.write_all(&many).is_ok() && began.elapsed() < PATIENCE {}
    // In HTTP/2 the answer waits for a window, which this client never opens: SETTINGS says 0, or 1 byte.
    let mut unread: Vec<Http2> = [0, 1]
        .into_iter()
        .map(|window| {
            let mut client =
                Http2::over(server.encrypt(TcpStream::connect(server.address).unwrap(), &[b"h2"]));
            client.send(4, 0, 0, &[0, 4, 0, 0, 0, window]);
            client.ask(1, &body);
            client
        })
        .collect();
    std::thread::sleep(Duration::from_secs(12));
    h1.sock.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    wait_for_end(&mut h1.sock, "a connection whose answers nobody reads");
    for client in &mut unread {
        client.0.sock.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        wait_for_end(&mut client.0, "an HTTP/2 connection with a closed window");
    }
    assert!(closed(&server, "webhook", "stalled") >= 3);
    kill(server);
}

#[test]
fn floods_of_http2_frames_end_their_connection_and_no_other() {
    let (_dir, server) = start();
    let body = body();
    let flood = |what: &str, frames: &mut dyn FnMut(&mut Http2, u32) -> std::io::Result<()>| {
        let mut client = Http2::over(server.encrypt(TcpStream::connect(server.address).unwrap(), &[b"h2"]));
        client.0.sock.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        let began = Instant::now();
        let mut sent = 0;
        while frames(&mut client, sent).is_ok() {
            sent += 1;
            assert!(began.elapsed() < PATIENCE, "{what}: {sent} are not enough");
        }
        println!("{what}: ended after {sent}");
        assert_eq!(server.post("/validate/fail", &body).0, 200, "after {what}");
    };
    let head = Http2::head("/validate/fail");
    let cancel = 8_u32.to_be_bytes();
    flood("rapid resets", &mut |client, number| {
        client.try_send(1, 5, 2 * number + 1, &head)?;
        client.try_send(3, 0, 2 * number + 1, &cancel)
    });
    flood("resets of whole reviews", &mut |client, number| {
        client.try_send(1, 4, 2 * number + 1, &head)?;
        client.try_send(0, 1, 2 * number + 1, &body)?;
        std::thread::sleep(Duration::from_millis(2));
        client.try_send(3, 0, 2 * number + 1, &cancel)
    });
    flood("CONTINUATION without an end", &mut |client, number| {
        let filler = [&b"\0\x04fill\x7f\x81\x07"[..], &[b'x'; 262]].concat();
        client.try_send(if number == 0 { 1 } else { 9 }, 0, 1, &filler)
    });
    flood("unread PINGs", &mut |client, _| client.try_send(6, 0, 0, &[0; 8]));
    kill(server);
}

#[test]
fn a_lack_of_file_descriptors_ends_idle_connections_and_not_the_service() {
    let (_dir, server) = start();
    let body = body();
    let held: Vec<TcpStream> = (0..WEBHOOK - 4).map(|_| connect_from(FLOOD, server.address)).collect();
    assert_eq!(server.post("/validate/fail", &body).0, 200);
    // Fewer than are open already, as if something else had used them up.
    let limit = Command::new("prlimit")
        .args(["--pid", &server.child.id().to_string(), "--nofile=50:50"])
        .status()
        .unwrap();
    assert!(limit.success());
    let began = Instant::now();
    assert_eq!(server.get("/livez").0, 200, "the webhook's connections make room for a probe");
    assert_eq!(server.post("/validate/fail", &body).0, 200);
    println!("served again after {:?}", began.elapsed());
    drop(held);
    let log = kill(server);
    let said = log.lines().filter(|line| line.contains("cannot accept a connection")).count();
    assert!((1..5).contains(&said), "{said} lines:\n{log}");
}

#[test]
fn too_few_open_files_are_an_error_and_the_limits_follow_from_more() {
    let dir = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_stategate");
    let serve = "ulimit -n 100 && exec \"$0\" serve --listen 127.0.0.1:0 --status-listen 127.0.0.1:0 --tls-dir \"$1\"";
    let output = Command::new("sh").args(["-c", serve, binary]).arg(dir.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("ulimit -n") && said.contains("128"), "{said}");
    let (_dir, server) = start();
    let held: Vec<TcpStream> = (0..2 * STATUS).map(|_| TcpStream::connect(server.status).unwrap()).collect();
    assert_eq!(server.get("/livez").0, 200);
    assert!(closed(&server, "status", "evicted") >= u64::try_from(STATUS).unwrap());
    drop(held);
    let log = kill(server);
    assert!(!log.contains("cannot accept"), "{log}");
}

#[test]
fn long_uids_are_refused_and_other_long_names_are_cut() {
    let (_dir, server) = start();
    let mut review: Value = serde_json::from_slice(&body()).unwrap();
    for length in [129, 7 << 20] {
        review["request"]["uid"] = "u".repeat(length).into();
        for path in ["/validate/fail", "/validate/ignore", "/mutate"] {
            let (code, answer) = server.post(path, review.to_string().as_bytes());
            assert!(code == 400 && answer.contains("request.uid") && answer.len() < 500, "{code} {answer}");
            // The same in a body that cannot be read.
            let text = review.to_string();
            let (code, answer) = server.post(path, &text.as_bytes()[..text.len() - 1]);
            assert!(code == 400 && answer.len() < 2000, "{code} {answer}");
        }
    }
    let uid = "\u{1b}[2J\u{202e}".repeat(16);
    review["request"]["uid"] = uid.clone().into();
    for field in ["name", "namespace", "subResource"] {
        let mut long = review.clone();
        long["request"][field] = "n".repeat(3 << 20).into();
        let (code, answer) = server.post("/validate/fail", long.to_string().as_bytes());
        assert!(code == 200 && answer.len() < 200 << 10, "{field}: {} bytes", answer.len());
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["response"]["uid"], uid.as_str(), "the uid is repeated as it came");
    }
    review["request"]["userInfo"]["username"] = "n".repeat(7 << 20).into();
    assert_eq!(server.post("/validate/fail", review.to_string().as_bytes()).0, 200);
    review["request"]["userInfo"]["username"] = "me".into();
    review["kind"] = "k".repeat(7 << 20).into();
    let (code, answer) = server.post("/validate/fail", review.to_string().as_bytes());
    assert!(code == 200 && answer.contains(r#""allowed":false"#) && answer.len() < 8000, "{}", answer.len());
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.len() < 64 << 10, "{} bytes of metrics", metrics.len());
    let log = kill(server);
    assert!(log.lines().all(|line| line.len() < 16 << 10), "a log line is too long");
    assert!(log.contains("… (7340032 bytes)") && !log.contains(['\u{1b}', '\u{202e}']));
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_mixed_flood_loses_no_answer() {
    let (_dir, server) = start();
    let body = body();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let floods = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)].map(|from| {
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                let mut held = std::collections::VecDeque::new();
                while !done.load(Ordering::Relaxed) {
                    held.push_back(connect_from(from.into(), server.address));
                    if held.len() > 2 * WEBHOOK {
                        held.pop_front();
                    }
                }
            })
        });
        let clients = [0, 1, 2].map(|kind| {
            let (server, body) = (&server, &body);
            scope.spawn(move || {
                let connect =
                    |protocols| server.encrypt(TcpStream::connect(server.address).unwrap(), protocols);
                let (mut h1, mut h2) = (connect(&[]), Http2::over(connect(&[b"h2"])));
                for round in 0..60 {
                    match kind {
                        0 => assert!(kept_alive(&mut h1, body).contains(r#""allowed""#)),
                        1 => {
                            h2.ask(2 * round + 1, body);
                            assert!(h2.answer(2 * round + 1).0.contains(r#""allowed""#));
                        }
                        _ => {
                            let mut stream = connect(&[]);
                            finish_handshake(&mut stream);
                            request(&mut stream, "/mutate", body);
                            assert_eq!(response(&mut stream).0, 200, "round {round}");
                        }
                    }
                    std::thread::sleep(Duration::from_millis(5));
                    if kind == 0 {
                        assert_eq!(server.get("/readyz").0, 200);
                    }
                }
            })
        });
        let lost = clients.map(std::thread::ScopedJoinHandle::join).iter().filter(|end| end.is_err()).count();
        done.store(true, Ordering::Relaxed);
        for flood in floods {
            flood.join().unwrap();
        }
        assert_eq!(lost, 0, "clients that lost an answer");
    });
    assert!(closed(&server, "webhook", "evicted") > 100);
    kill(server);
}
