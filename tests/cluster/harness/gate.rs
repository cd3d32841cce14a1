//! The `stategate` binary as the webhook of a test server.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;

use super::kubectl::{Kubectl, Output};
use super::process::Daemon;
use super::{ApiServer, STARTS, free_ports, http_get, wait_until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_stategate");
/// Startup limit: the machine may be busy with a build.
const START: Duration = Duration::from_secs(60);
/// Shutdown limit, including the drain of all requests.
const STOP: Duration = Duration::from_secs(60);
/// How long the API server may take to notice a webhook configuration; usually a second or less.
const NOTICE: Duration = Duration::from_secs(30);
/// How long to wait for another process to release a port.
const PASSING: Duration = Duration::from_secs(1);

/// A running `stategate serve`.
pub struct Stategate {
    daemon: Daemon,
    dir: PathBuf,
    args: Vec<String>,
    port: u16,
    status_port: u16,
}

impl Stategate {
    /// Starts `stategate serve` with these extra arguments and waits until it is ready. Its certificates
    /// (`--tls-dir`, unless `--tls-secret` is given) and its log are in `dir`, which is created if missing. `{port}` in
    /// an argument is the port of the webhook.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn start(dir: &Path, extra_args: &[&str]) -> Self {
        fs::create_dir_all(dir).expect("the directory of stategate can be made");
        let args: Vec<String> = extra_args.iter().map(|&arg| arg.to_owned()).collect();
        let mut clashes = 0;
        loop {
            let [port, status_port] = free_ports();
            let daemon = serve(dir, port, status_port, &args);
            let mut gate = Self { daemon, dir: dir.to_owned(), args: args.clone(), port, status_port };
            match gate.wait_until_ready() {
                Ok(()) => return gate,
                Err(_) if gate.daemon.lost_its_port() && clashes + 1 < STARTS => clashes += 1,
                Err(why) => panic!("stategate {why}\n{}", gate.daemon.tail()),
            }
        }
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop) with the same arguments,
    /// certificates and ports, so that a registered webhook finds it. The log is truncated.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn restart(&mut self) {
        for attempt in 1.. {
            self.daemon.kill();
            self.daemon = serve(&self.dir, self.port, self.status_port, &self.args);
            match self.wait_until_ready() {
                Ok(()) => return,
                // A short-lived connection may use the port as its local end.
                Err(_) if self.daemon.lost_its_port() && attempt < STARTS => sleep(PASSING),
                Err(why) => panic!("stategate {why}\n{}", self.daemon.tail()),
            }
        }
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let mut end = None;
        let ready = wait_until(START, || {
            // The response comes first: if the process still runs afterwards, it was the one that responded,
            // since it would have ended without its port.
            let ready = matches!(http_get(self.status_port, "/readyz"), Ok((200, _)));
            end = self.daemon.ended();
            ready || end.is_some()
        });
        match end {
            Some(status) => Err(format!("ended ({status})")),
            None if ready => Ok(()),
            None => Err(format!("is not ready after {START:?}")),
        }
    }

    /// The base URL for the API server's calls.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The CA certificate that signed the server certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// The plain-HTTP port of `/livez`, `/readyz` and `/metrics`, for [`http_get`].
    pub fn status_port(&self) -> u16 {
        self.status_port
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.daemon.id()
    }

    /// Sends it a signal; see [`Daemon::signal`].
    ///
    /// # Panics
    /// If it cannot be sent.
    pub fn signal(&self, signal: Signal) {
        self.daemon.signal(signal);
    }

    /// Kills it (SIGKILL); the API server then reaches nothing.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Sends SIGTERM and returns the exit status.
    ///
    /// # Panics
    /// If it does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        self.daemon.terminate(STOP)
    }

    /// The metrics in Prometheus text format.
    ///
    /// # Panics
    /// If they cannot be read.
    pub fn metrics(&self) -> String {
        match http_get(self.status_port, "/metrics") {
            Ok((200, metrics)) => metrics,
            other => panic!("/metrics: {other:?}\n{}", self.daemon.tail()),
        }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// The output of `stategate webhook-config` for this server.
    ///
    /// # Panics
    /// If it fails.
    pub fn webhook_config(&self, extra_args: &[&str]) -> String {
        let output = command(&self.dir)
            .args(["webhook-config", "--url", &self.url(), "--ca-file"])
            .arg(self.ca_file())
            .args(extra_args)
            .output()
            .expect("stategate starts");
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "stategate webhook-config ended with {}\n{}",
            output.status,
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

/// Registers the webhooks printed by `stategate webhook-config`, and waits until the API server calls them:
/// until `works`, called with kubectl as `admin`, sees the refusal of a request that must be refused (use
/// `--dry-run=server`, so that premature requests leave nothing behind).
///
/// # Panics
/// If the configuration is refused, or the API server does not call the webhook.
pub fn register(
    api: &ApiServer,
    gate: &Stategate,
    extra_args: &[&str],
    mut works: impl FnMut(&Kubectl) -> bool,
) {
    let admin = api.kubectl("admin");
    admin.ok(&["apply", "-f", "-"], &gate.webhook_config(extra_args));
    assert!(
        wait_until(NOTICE, || works(&admin)),
        "the API server does not call the webhook\n{}",
        gate.daemon.tail()
    );
}

fn serve(dir: &Path, port: u16, status_port: u16, args: &[String]) -> Daemon {
    let mut command = command(dir);
    command
        .arg("serve")
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--status-listen", &format!("127.0.0.1:{status_port}")])
        .args(args.iter().map(|arg| arg.replace("{port}", &port.to_string())));
    // Its certificate is somewhere else.
    if !args.iter().any(|arg| arg == "--tls-secret") {
        command.arg("--tls-dir").arg(dir);
    }
    Daemon::start("stategate", command, dir.join("stategate.log"))
}

/// Runs `stategate` in this directory, and returns its result.
///
/// # Panics
/// If it cannot be started, or does not print text.
pub fn stategate(dir: &Path, args: &[&str], stdin: &str) -> Output {
    let pipe = Stdio::piped;
    let mut child =
        command(dir).args(args).stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().expect("it starts");
    // It reads all of it before it writes anything, or nothing at all.
    let _ = child.stdin.take().expect("stdin is a pipe").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("a child can be waited for");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints text");
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// `stategate`, isolated from the clusters and settings of the person running the tests.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("HOME", dir).env_remove("KUBECONFIG").env_remove("RUST_LOG").current_dir(dir);
    command
}
