//! `serve` over real sockets: TLS, limits, startup errors and the drain. tests/cluster covers its use by a
//! real API server.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::support::{directory, stategate, write};
use crate::wire::recorded;

/// How long a test waits before it reports a hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    pub status: SocketAddr,
    tls: Arc<ClientConfig>,
    log: std::thread::JoinHandle<String>,
}

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

pub fn trust(ca_file: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(ca_file).unwrap() {
        roots.add(cert.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// The flag that says how old a connection may become.
pub const AGE: &str = "--max-connection-age";

impl Server {
    pub fn start(dir: &Path, arguments: &[&str]) -> Self {
        Self::start_in(dir, arguments, &[])
    }

    /// Starts with these environment variables, too.
    pub fn start_in(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stategate"));
        command.envs(environment.iter().copied());
        Self::run(command, dir, arguments)
    }

    /// Starts with this limit on open files, from which the limits on connections follow.
    pub fn start_with_files(dir: &Path, files: usize) -> Self {
        let mut shell = Command::new("sh");
        let binary = env!("CARGO_BIN_EXE_stategate");
        shell.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), binary]);
        Self::run(shell, dir, &[])
    }

    pub fn run(mut command: Command, dir: &Path, arguments: &[&str]) -> Self {
        // The system chooses the port; the log contains it.
        let mut child = command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--status-listen",
                "127.0.0.1:0",
                "--log-format",
                "json",
                "--tls-dir",
            ])
            .arg(dir)
            // Slow machines need long for what happens on one connection.
            .args(if arguments.contains(&AGE) { &[][..] } else { &[AGE, "600"] })
            .args(arguments)
            .env("RUST_LIB_BACKTRACE", "0")
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let serving = lines
            .by_ref()
            .map(|line| line.unwrap())
            .map(|line| serde_json::from_str::<Value>(&line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .find(|line| line["message"] == "serving")
            .expect("it says that it serves");
        let log = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
        let address = |key: &str| serving[key].as_str().unwrap().parse().unwrap();
        Self {
            address: address("listen"),
            status: address("status"),
            tls: trust(&dir.join("ca.crt")),
            child,
            log,
        }
    }

    fn connect(&self) -> Tls {
        self.encrypt(TcpStream::connect(self.address).unwrap(), &[])
    }

    /// A client's side of TLS on this connection, which offers these protocols.
    pub fn encrypt(&self, stream: TcpStream, protocols: &[&[u8]]) -> Tls {
        let mut config = (*self.tls).clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
    }

    pub fn post(&self, path: &str, body: &[u8]) -> (u16, String) {
        let mut stream = self.connect();
        request(&mut stream, path, body);
        response(&mut stream)
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        self.get_as(path, "*/*")
    }

    pub fn get_as(&self, path: &str, accept: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.status).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        response(&mut stream)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    pub fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.log.join().unwrap())
    }
}

pub fn request(stream: &mut impl Write, path: &str, body: &[u8]) {
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    // A server may respond before the end of the body, and close.
    let _ = stream.write_all(body).and_then(|()| stream.flush());
}

pub fn response(stream: &mut impl Read) -> (u16, String) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    // Not every connection is closed cleanly; what counts is the data before.
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..read]);
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {text:?}"));
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn it_answers_needs_nothing_and_keeps_its_authority() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--drain-delay", "0"]);
    for (file, body) in recorded() {
        for (path, webhook) in [
            ("/validate/fail?timeout=7s", "validate"),
            ("/validate/ignore", "validate"),
            ("/mutate", "mutate"),
        ] {
            let (code, answer) = server.post(path, &body);
            assert_eq!(code, 200, "{file}: {answer}");
            // The command line reaches the same verdict.
            let said = crate::support::stategate_with(
                &["review", "--webhook", webhook, "-"],
                std::str::from_utf8(&body).unwrap(),
            );
            let (answer, said): (Value, Value) =
                (serde_json::from_str(&answer).unwrap(), serde_json::from_str(&said.stdout).unwrap());
            assert_eq!(answer, said, "{file} on {path}");
        }
    }
    assert_eq!(server.get("/livez").0, 200);
    let (code, ready) = server.get("/readyz");
    assert!(code == 200 && ready.contains("profile production"), "{ready}");
    let (_, metrics) = server.get("/metrics");
    assert!(
        metrics
            .contains(r#"stategate_reviews_total{webhook="mutate",operation="DELETE",kind="PersistentVolumeClaim",answer="allowed"} 2"#),
        "{metrics}"
    );
    assert!(
        metrics.contains(r#"stategate_violations_total{policy="resources-requests-required",action="deny"}"#),
        "{metrics}"
    );
    let authority = std::fs::read(dir.path().join("ca.crt")).unwrap();
    server.terminate();
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("s3cr3t") && !log.contains("last-applied"), "a body reached the log:\n{log}");

    // A restart keeps authority and certificate; a new name leads to a new certificate under the same
    // authority.
    let certificate = std::fs::read(dir.path().join("tls.crt")).unwrap();
    let again = Server::start(dir.path(), &[]);
    assert_eq!(std::fs::read(dir.path().join("tls.crt")).unwrap(), certificate);
    drop(kill(again));
    let renamed = Server::start(dir.path(), &["--tls-name", "gate.example.com"]);
    assert_eq!(renamed.post("/mutate", &recorded()[0].1).0, 200);
    drop(kill(renamed));
    assert_eq!(std::fs::read(dir.path().join("ca.crt")).unwrap(), authority);
    assert_ne!(std::fs::read(dir.path().join("tls.crt")).unwrap(), certificate);
    for (file, mode) in [("tls.key", 0o600), ("ca.key", 0o600), ("ca.crt", 0o644)] {
        use std::os::unix::fs::PermissionsExt as _;
        let is = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(is, mode, "{file}");
    }
}

pub fn kill(mut server: Server) -> String {
    server.child.kill().unwrap();
    server.end().1
}

#[test]
fn http2_is_offered() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let mut config = (*server.tls).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
    // The preface and an empty SETTINGS frame; the server responds with its own SETTINGS.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!((stream.conn.alpn_protocol(), frame[3]), (Some(&b"h2"[..]), 4));
    kill(server);
}

#[test]
fn bad_bodies_get_the_answer_that_the_api_server_understands() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--max-body", "1"]);
    let whole = recorded().swap_remove(2).1;
    assert_eq!(server.post("/validate/fail", b"").0, 400);
    assert_eq!(server.post("/validate/fail", b"{\"kind\":\"Pod\"}").0, 400);
    assert_eq!(server.post("/no/such/path", &whole).0, 404);
    let mut get = server.connect();
    write!(get, "GET /mutate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(response(&mut get).0, 405);
    let refused = |(code, answer): (u16, String), why: &str| {
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((code, &answer["response"]["allowed"]), (200, &Value::Bool(false)));
        assert_eq!(answer["response"]["uid"], "0dc78004-327d-4e88-92ea-0cd08e4fe2b4");
        let message = answer["response"]["status"]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    };
    refused(server.post("/validate/ignore", &whole[..whole.len() / 2]), "EOF");
    refused(server.post("/mutate", &whole[..whole.len() / 2]), "EOF");
    // Larger than the limit: the uid is at the beginning.
    let mut large = whole.clone();
    large.truncate(whole.len() - 2);
    large.extend(std::iter::repeat_n(b' ', 2 << 20));
    refused(server.post("/validate/fail", &large), "larger than 1 MiB");
    assert_eq!(server.post("/validate/fail", &vec![b' '; 2 << 20]).0, 413);
    // Content-Length exceeds the actual size.
    let mut short = server.connect();
    write!(
        short,
        "POST /mutate?timeout=1s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 999999\r\n\r\n"
    )
    .unwrap();
    short.write_all(&whole).unwrap();
    short.flush().unwrap();
    refused(response(&mut short), "did not arrive in time");
    let log = kill(server);
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn idle_and_slow_clients_do_not_stop_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let mut slow = server.connect();
    write!(slow, "POST /mutate HTTP/1.1\r\nHost:").unwrap();
    slow.flush().unwrap();
    let body = &recorded()[2].1;
    for _ in 0..20 {
        assert_eq!(server.post("/validate/fail", body).0, 200);
    }
    // The client that never completes its head is cut off.
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains(" 200 "));
    drop(silent);
    kill(server);
}

#[test]
fn sigterm_cuts_off_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--drain-delay", "2"]);
    let body = recorded().swap_remove(2).1;
    // Requests that are half sent when the signal arrives.
    let mut halves: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = server.connect();
            write!(
                stream,
                "POST /validate/fail HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )
            .unwrap();
            stream.write_all(&body[..1000]).unwrap();
            stream.flush().unwrap();
            stream
        })
        .collect();
    server.terminate();
    let deadline = std::time::Instant::now() + PATIENCE;
    while server.get("/readyz").0 != 503 {
        assert!(std::time::Instant::now() < deadline, "it does not say that it drains");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Still accepted: a Service's endpoints lag behind.
    assert_eq!(server.post("/validate/fail", &body).0, 200);
    for stream in &mut halves {
        stream.write_all(&body[1000..]).unwrap();
        stream.flush().unwrap();
        assert_eq!(response(stream).0, 200);
    }
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn what_hinders_the_start_is_said_with_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let tls_dir = dir.path().to_str().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // The system chooses a free port, so no other process can take it first.
    let free = "127.0.0.1:0".to_owned();
    stategate(&["serve", "--tls-dir", tls_dir, "--listen", &taken, "--status-listen", &free])
        .expect(2, &[&taken, "--listen", "in use"]);
    stategate(&["serve", "--tls-dir", tls_dir, "--listen", &free, "--status-listen", &taken])
        .expect(2, &[&taken, "--status-listen"]);
    stategate(&["serve", "--tls-dir", "/proc/nowhere", "--listen", &free, "--status-listen", &free])
        .expect(2, &["/proc/nowhere"]);
    stategate(&["serve", "--tls-dir", tls_dir, "--policies", "/no/such/dir"]).expect(2, &["/no/such/dir"]);
    stategate(&["serve", "--tls-dir", tls_dir, "--profile", "nope"]).expect(2, &["nope", "baseline"]);
    stategate(&["serve", "--listen", "here"]).expect(2, &["here"]);

    let files = directory(&[
        ("empty.pem", ""),
        ("garbage.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"),
    ]);
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let serve = |cert: &str, key: &str| {
        stategate(&[
            "serve",
            "--listen",
            &free,
            "--status-listen",
            &free,
            "--tls-cert",
            cert,
            "--tls-key",
            key,
        ])
    };
    let own = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    // Generated by the first run above.
    assert!(dir.path().join("tls.crt").exists());
    serve(&path("none.pem"), &own("tls.key")).expect(2, &["none.pem"]);
    serve(&path("empty.pem"), &own("tls.key")).expect(2, &["empty.pem", "no certificate"]);
    serve(&path("garbage.pem"), &own("tls.key")).expect(2, &["garbage.pem"]);
    serve(&own("tls.crt"), &path("empty.pem")).expect(2, &["empty.pem", "private key"]);
    serve(&own("tls.crt"), &own("ca.key")).expect(2, &["tls.crt", "ca.key", "cannot be used together"]);
    stategate(&["serve", "--tls-cert", &own("tls.crt")]).expect(2, &["--tls-key"]);
    // A broken file of its own is not silently replaced.
    write(dir.path(), "tls.crt", "broken");
    stategate(&["serve", "--tls-dir", tls_dir, "--listen", &free, "--status-listen", &free])
        .expect(2, &["tls.crt"]);
    assert_eq!(std::fs::read_to_string(dir.path().join("tls.crt")).unwrap(), "broken");
}

fn own_policy(message: &str) -> String {
    format!(
        "# METADATA\n# title: T\n# description: D.\n# custom: {{severity: critical, action: deny, fix: F}}\npackage stategate.own.always\n\nviolation contains v if {{\n\tinput.workload.kind\n\tv := {{\"msg\": \"{message}\", \"path\": []}}\n}}\n"
    )
}

/// Updates like a mounted ConfigMap: a new directory, and a symlink swapped to it.
fn swap(root: &Path, version: usize, text: &str) {
    let data = root.join(format!("..version-{version}/always"));
    write(&data, "always.rego", text);
    let link = root.join("..next");
    std::os::unix::fs::symlink(format!("..version-{version}"), &link).unwrap();
    std::fs::rename(&link, root.join("own")).unwrap();
}

fn wait_for(server: &Server, body: &[u8], needle: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !server.post("/validate/fail", body).1.contains(needle) {
        assert!(std::time::Instant::now() < deadline, "never heard {needle:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn policies_are_reloaded_whole_or_not_at_all() {
    let (dir, policies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    swap(policies.path(), 0, &own_policy("version 0 says no"));
    let path = policies.path().to_str().unwrap();
    let arguments = ["--policies", path, "--no-catalogue", "--reload-every", "0.05", "--drain-delay", "0"];
    let server = Server::start(dir.path(), &arguments);
    let body = recorded().swap_remove(2).1;
    wait_for(&server, &body, "version 0 says no");
    swap(policies.path(), 1, &own_policy("version 1 says no"));
    wait_for(&server, &body, "version 1 says no");
    // A broken policy is named, and changes nothing.
    swap(policies.path(), 2, "package stategate.own.always\n\nviolation contains");
    let deadline = std::time::Instant::now() + PATIENCE;
    let fault = loop {
        let (code, ready) = server.get("/readyz");
        assert_eq!(code, 200, "the last good set is in force");
        if ready.contains("not in force") {
            break ready;
        }
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(fault.contains("always.rego:"), "{fault}");
    assert!(server.post("/validate/fail", &body).1.contains("version 1 says no"));
    assert!(server.get("/metrics").1.contains("stategate_policy_set_reloads_total{result=\"failed\"} 1"));

    // A hundred reloads under load disturb no request.
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut answers = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        let (code, answer) = server.post("/validate/fail?timeout=10s", &body);
                        assert!(code == 200 && answer.contains(" says no"), "{code}: {answer}");
                        answers += 1;
                    }
                    answers
                })
            })
            .collect();
        for version in 3..103 {
            swap(policies.path(), version, &own_policy(&format!("version {version} says no")));
            wait_for(&server, &body, &format!("version {version} says no"));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let answers: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        println!("{answers} requests during 100 reloads, all answered");
        assert!(answers > 100);
    });
    let (_, ready) = server.get("/readyz");
    assert!(!ready.contains("not in force"), "{ready}");
    server.terminate();
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_replaced_certificate_is_taken_up_without_a_restart() {
    let (dir, other, files) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Two certificates under two authorities, generated by two servers.
    for dir in [&dir, &other] {
        kill(Server::start(dir.path(), &[]));
    }
    let copy = |from: &Path, name: &str| std::fs::copy(from.join(name), files.path().join(name)).unwrap();
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        copy(dir.path(), name);
    }
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("tls.crt"), path("tls.key"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_stategate"))
        .args(["serve", "--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0", "--log-format", "json"])
        .args(["--tls-cert", &cert, "--tls-key", &key, "--reload-every", "0.05"])
        .env("RUST_LIB_BACKTRACE", "0")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut line = |needle: &str| {
        let found = lines.by_ref().map(Result::unwrap).find(|line| line.contains(needle));
        serde_json::from_str::<Value>(&found.unwrap_or_else(|| panic!("no {needle:?} in the log"))).unwrap()
    };
    let address: SocketAddr = line("serving")["listen"].as_str().unwrap().parse().unwrap();
    let trusted = |ca: &Path| {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(trust(&ca.join("ca.crt")), name).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        client.complete_io(&mut stream).is_ok()
    };
    assert!(trusted(dir.path()) && !trusted(other.path()));
    // A partial replacement does not fit together: it is logged, and the old one stays.
    copy(other.path(), "tls.crt");
    line("the one in force stays");
    assert!(trusted(dir.path()));
    copy(other.path(), "tls.key");
    line("another certificate is in force");
    assert!(trusted(other.path()) && !trusted(dir.path()));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Waits until the server closes the connection, which it must.
pub fn wait_for_end(stream: &mut impl Read, what: &str) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(1..) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("{what} is kept for ever"),
            Ok(0) | Err(_) => return,
        }
    }
}

/// One response on a connection that stays open.
pub fn kept_alive(stream: &mut (impl Read + Write), body: &[u8]) -> String {
    write!(stream, "POST /validate/fail HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len())
        .unwrap();
    stream.write_all(body).unwrap();
    stream.flush().unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).expect("an answer");
        assert!(read > 0, "closed in place of an answer: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if rest.len() >= length.parse().unwrap() {
            return text;
        }
    }
}

fn connect_h2(server: &Server) -> Tls {
    server.encrypt(TcpStream::connect(server.address).unwrap(), &[b"h2"])
}

pub fn finish_handshake(stream: &mut StreamOwned<ClientConnection, TcpStream>) {
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
}

/// A minimal HTTP/2 client: sends whole frames, reads the response on one stream.
pub struct Http2(pub Tls);

impl Http2 {
    fn new(server: &Server) -> Self {
        Self::over(connect_h2(server))
    }

    pub fn over(mut stream: Tls) -> Self {
        // The preface and an empty SETTINGS frame.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        Self(stream)
    }

    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.try_send(kind, flags, stream, payload).unwrap();
    }

    /// Fails once the server has closed the connection.
    pub fn try_send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).and_then(|()| self.0.flush())
    }

    /// The head of a request, without indexing or compression.
    pub fn head(path: &str) -> Vec<u8> {
        let mut headers = Vec::new();
        for (name, value) in [(":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", path)]
        {
            headers.push(0);
            for text in [name, value] {
                headers.push(u8::try_from(text.len()).unwrap());
                headers.extend_from_slice(text.as_bytes());
            }
        }
        headers
    }

    fn post(&mut self, stream: u32, path: &str) {
        self.send(1, 4, stream, &Self::head(path));
    }

    pub fn ask(&mut self, stream: u32, body: &[u8]) {
        self.post(stream, "/validate/fail");
        self.send(0, 1, stream, body);
    }

    /// The response body on this stream, and whether GOAWAY arrived before its end.
    pub fn answer(&mut self, stream: u32) -> (String, bool) {
        let (mut body, mut goaway) = (Vec::new(), false);
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).expect("an answer before the end of the connection");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).unwrap();
            let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if head[3] == 0 && length > 0 {
                // Opens the connection's window again; the server may have closed it already.
                let _ = self.try_send(8, 0, 0, &length.to_be_bytes());
            }
            match head[3] {
                0 if of == stream => body.extend_from_slice(&payload),
                3 if of == stream => panic!("the stream was reset: {payload:?}"),
                6 if head[4] == 0 => self.send(6, 1, 0, &payload),
                7 => goaway = true,
                _ => {}
            }
            if of == stream && head[4] & 1 == 1 && head[3] <= 1 {
                return (String::from_utf8(body).unwrap(), goaway);
            }
        }
    }
}

#[test]
fn who_never_asks_is_cut_and_who_asks_now_and_then_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let body = &recorded()[2].1;
    let mut regular = server.connect();
    assert!(kept_alive(&mut regular, body).contains(r#""allowed""#));
    let (mut silent, mut silent_h2) = (server.connect(), connect_h2(&server));
    finish_handshake(&mut silent);
    finish_handshake(&mut silent_h2);
    let mut status = TcpStream::connect(server.status).unwrap();
    status.set_read_timeout(Some(PATIENCE)).unwrap();
    wait_for_end(&mut silent, "a connection without a request");
    wait_for_end(&mut silent_h2, "an HTTP/2 connection without a preface");
    wait_for_end(&mut status, "a status connection without a request");
    // It has been idle for longer than the others, but has made a request before.
    assert!(kept_alive(&mut regular, body).contains(r#""allowed""#));
    kill(server);
}

#[test]
fn large_bodies_neither_fill_the_memory_nor_keep_others_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--max-body", "1"]);
    let body = &recorded()[2].1;
    let half = |server: &Server| {
        let mut stream = server.connect();
        write!(stream, "POST /mutate?timeout=30s HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 1 << 20)
            .unwrap();
        stream.write_all(&vec![b' '; (1 << 20) - 1]).and_then(|()| stream.flush()).unwrap();
        stream
    };
    // Eight of the maximum size fit; none of these returns its share before its deadline.
    let held: Vec<_> = (0..8).map(|_| half(&server)).collect();
    let padded = [&body[..], &vec![b' '; (1 << 20) - body.len()]].concat();
    let deadline = std::time::Instant::now() + PATIENCE;
    while server.post("/validate/fail", &padded).0 != 429 {
        assert!(std::time::Instant::now() < deadline, "there is room for ever more");
    }
    assert_eq!(server.post("/validate/fail", body).0, 200);
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains(r#"operation="",kind="",answer="shed"}"#), "{metrics}");
    drop(held);
    // A client that sends far too much gets a reason, not just a broken connection.
    let far_too_much = [&body[..body.len() - 2], &vec![b' '; 3 << 20]].concat();
    for _ in 0..10 {
        let (code, answer) = server.post("/validate/fail", &far_too_much);
        assert!(code == 200 && answer.contains("larger than 1 MiB"), "{code} {answer}");
    }
    kill(server);
}

#[test]
fn what_cannot_be_read_is_not_repeated_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let mut review: Value = serde_json::from_slice(&recorded()[2].1).unwrap();
    review["request"]["userInfo"]["extra"] = serde_json::json!({"token": "s3cr3t"});
    let (code, answer) = server.post("/validate/fail", review.to_string().as_bytes());
    assert!(code == 200 && answer.contains(r#""allowed":false"#), "{code} {answer}");
    let log = kill(server);
    assert!(log.contains("unreadable review") && !log.contains("s3cr3t"), "{log}");
}

#[test]
fn a_drain_ends_connections_only_between_their_requests() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--drain-delay", "0"]);
    let body = recorded().swap_remove(2).1;
    let (first, rest) = body.split_at(1000);
    // One connection with a request in flight over HTTP/2, one over HTTP/1, and two without any request so
    // far.
    let mut h2 = Http2::new(&server);
    h2.post(1, "/validate/fail");
    h2.send(0, 0, 1, first);
    let mut h1 = server.connect();
    write!(h1, "POST /validate/fail HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
    h1.write_all(first).and_then(|()| h1.flush()).unwrap();
    let (mut fresh, mut fresh_h2) = (server.connect(), Http2::new(&server));
    finish_handshake(&mut fresh);
    // Another response on each side shows that what was sent has arrived.
    h2.post(3, "/validate/fail");
    h2.send(0, 1, 3, &body);
    assert!(h2.answer(3).0.contains(r#""allowed""#));
    assert_eq!(server.post("/validate/fail", &body).0, 200);
    server.terminate();
    let deadline = std::time::Instant::now() + PATIENCE;
    while TcpStream::connect(server.address).is_ok() {
        assert!(std::time::Instant::now() < deadline, "it still takes connections");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.get("/readyz").0, 503);
    request(&mut fresh, "/validate/fail", &body);
    assert_eq!(response(&mut fresh).0, 200);
    fresh_h2.post(1, "/validate/fail");
    fresh_h2.send(0, 1, 1, &body);
    assert!(fresh_h2.answer(1).0.contains(r#""allowed""#));
    h2.send(0, 1, 1, rest);
    let (answer, goaway) = h2.answer(1);
    assert!(answer.contains(r#""allowed""#) && goaway, "{goaway} {answer}");
    h1.write_all(rest).and_then(|()| h1.flush()).unwrap();
    let (code, _) = response(&mut h1);
    assert_eq!(code, 200);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), &["--drain-delay", "100000"]);
    server.terminate();
    let deadline = std::time::Instant::now() + PATIENCE;
    while server.get("/readyz").0 != 503 {
        assert!(std::time::Instant::now() < deadline, "it does not say that it drains");
    }
    server.terminate();
    let deadline = std::time::Instant::now() + PATIENCE;
    while server.child.try_wait().unwrap().is_none() {
        if std::time::Instant::now() > deadline {
            kill(server);
            panic!("the second signal is not heard");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.end().0, Some(0));
}
