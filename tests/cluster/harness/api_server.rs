//! kube-apiserver with its etcd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use super::kubectl::Kubectl;
use super::process::Daemon;
use super::users::{USERS, write_credentials, write_kubeconfig};
use super::{STARTS, accepts, free_ports, tools, wait_until};

/// Startup limit. An idle machine takes four seconds.
const START: Duration = Duration::from_secs(120);

/// How long to wait for another process to release a port.
const PASSING: Duration = Duration::from_secs(1);

/// What a server needs if no controllers run.
const ALONE: &[&str] = &[
    // The plugin requires the service account `default` for each Pod, and no controller creates it.
    "--disable-admission-plugins=ServiceAccount",
];

/// The same for one that is traced.
const TRACED: &[&str] = &[
    "--disable-admission-plugins=ServiceAccount",
    concat!("--tracing-config-file=", env!("CARGO_MANIFEST_DIR"), "/tests/cluster/harness/tracing.yaml"),
];

/// A running API server. It ends when this value is dropped, or at the latest with the test process.
pub struct ApiServer {
    // Dropped in this order: the directory goes last.
    server: Daemon,
    etcd: Daemon,
    ports: Ports,
    flags: &'static [&'static str],
    dir: TempDir,
}

/// The ports that a server keeps when it is started again.
struct Ports {
    etcd: u16,
    peers: u16,
    server: u16,
}

impl ApiServer {
    /// Starts a server with the namespaces `default`, `kube-system` and `shop` and with [`USERS`], and waits
    /// until it serves them.
    ///
    /// # Panics
    /// If a tool is missing or the server does not become ready.
    pub fn start() -> Self {
        Self::start_with(ALONE)
    }

    /// As [`start`](Self::start); it records a trace of each request.
    pub fn start_traced() -> Self {
        Self::start_with(TRACED)
    }

    /// As [`start`](Self::start), with these flags for kube-apiserver.
    pub(super) fn start_with(flags: &'static [&'static str]) -> Self {
        remove_leftovers();
        let mut clashes = 0;
        loop {
            let mut api = Self::spawn(flags);
            match api.wait_until_ready() {
                Ok(()) => {
                    api.prepare();
                    return api;
                }
                Err(_) if api.lost_a_port() && clashes + 1 < STARTS => clashes += 1,
                Err(why) => api.give_up(&why),
            }
        }
    }

    fn spawn(flags: &'static [&'static str]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a directory for the API server can be made");
        let [etcd, peers, server] = free_ports();
        let ports = Ports { etcd, peers, server };
        write_credentials(dir.path(), ports.server);
        let etcd = start_etcd(dir.path(), &ports);
        let server = start_server(dir.path(), &ports, flags);
        Self { server, etcd, ports, flags, dir }
    }

    /// Kills etcd (SIGKILL), starts it again with its data and port, and waits until the API server serves.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn restart_etcd(&mut self) {
        self.restart(|api| {
            api.etcd.kill();
            api.etcd = start_etcd(api.dir.path(), &api.ports);
        });
    }

    /// Kills the API server (SIGKILL) and starts it again with its port and what etcd holds.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn restart_server(&mut self) {
        self.restart(|api| {
            api.server.kill();
            api.server = start_server(api.dir.path(), &api.ports, api.flags);
        });
    }

    /// Ends etcd (SIGTERM), keeps a copy of what it holds, starts it again, and waits until the API server serves.
    ///
    /// # Panics
    /// If it does not become ready, or there is no copy.
    pub fn save_etcd(&mut self) {
        self.restart(|api| {
            api.etcd.terminate(START);
            let dir = api.dir.path();
            copy_dir(&dir.join("etcd"), &dir.join("etcd.saved"));
            api.etcd = start_etcd(dir, &api.ports);
        });
    }

    /// Kills both (SIGKILL), and starts them again with their ports, and their data or the copy of
    /// [`save_etcd`](Self::save_etcd).
    ///
    /// # Panics
    /// If they do not become ready, or there is no copy.
    pub(super) fn restart_both(&mut self, saved: bool) {
        self.restart(|api| {
            api.server.kill();
            api.etcd.kill();
            let dir = api.dir.path();
            if saved {
                copy_dir(&dir.join("etcd.saved"), &dir.join("etcd"));
            }
            api.etcd = start_etcd(dir, &api.ports);
            api.server = start_server(api.dir.path(), &api.ports, api.flags);
        });
    }

    /// The port of the API server on loopback.
    pub fn port(&self) -> u16 {
        self.ports.server
    }

    fn restart(&mut self, again: impl Fn(&mut Self)) {
        for attempt in 1.. {
            again(self);
            match self.wait_until_ready() {
                Ok(()) => return,
                // A short-lived connection may use the port as its local end.
                Err(_) if self.lost_a_port() && attempt < STARTS => sleep(PASSING),
                Err(why) => self.give_up(&why),
            }
        }
    }

    /// The API server's process, to send it signals.
    pub fn server(&self) -> &Daemon {
        &self.server
    }

    /// The process of its etcd.
    pub fn etcd(&self) -> &Daemon {
        &self.etcd
    }

    fn give_up(&self, why: &str) -> ! {
        panic!("{why}\n{}\n{}", self.etcd.tail(), self.server.tail())
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let admin = self.kubectl("admin");
        let there = |path: &str| admin.run(&["get", "--raw", path], "").succeeded();
        let mut listens = false;
        let mut ended = None;
        let ready = wait_until(START, || {
            // A plain connection is cheaper than kubectl, and the server needs the CPU now. Since the server
            // has its own token file and certificate, another test run's server on the same port does not
            // count as ready.
            listens = listens || accepts(self.ports.server);
            // Namespaces are created after /readyz succeeds, roles before.
            let ready = listens
                && there("/readyz")
                && there("/api/v1/namespaces/default")
                && there("/apis/rbac.authorization.k8s.io/v1/clusterroles/edit");
            ended = [&mut self.etcd, &mut self.server].into_iter().find_map(Daemon::ended);
            ready || ended.is_some()
        });
        match ended {
            Some(status) => Err(format!("the API server or its etcd ended ({status})")),
            None if ready => Ok(()),
            None => Err(format!("the API server is not ready after {START:?}")),
        }
    }

    fn lost_a_port(&self) -> bool {
        self.etcd.lost_its_port() || self.server.lost_its_port()
    }

    /// Creates the namespaces and grants the users their rights.
    fn prepare(&self) {
        // Without validation kubectl need not fetch and parse the whole API schema.
        let args = ["create", "--validate=false", "-f", "-"];
        self.kubectl("admin").ok(&args, include_str!("users.yaml"));
    }

    /// kubectl as one of [`USERS`].
    ///
    /// # Panics
    /// If there is no such user.
    pub fn kubectl(&self, user: &str) -> Kubectl {
        assert!(USERS.iter().any(|known| known.id == user), "the test server has no user {user}");
        self.kubectl_with(self.kubeconfig(user))
    }

    /// kubectl with a kubeconfig file of this server.
    pub fn kubectl_with(&self, config: PathBuf) -> Kubectl {
        Kubectl { program: tools().join("kubectl"), home: self.dir.path().to_owned(), config }
    }

    /// Makes a service account that may do, in all namespaces, what these rules of a ClusterRole say (a YAML
    /// list on one line), and returns its kubeconfig file. The namespace must exist.
    ///
    /// # Panics
    /// If the API server refuses it.
    pub fn service_account(&self, namespace: &str, name: &str, rules: &str) -> PathBuf {
        let admin = self.kubectl("admin");
        let role = format!("{namespace}-{name}");
        let objects = format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}, namespace: {namespace}}}}}\n---\n\
             {{apiVersion: {RBAC}, kind: ClusterRole, metadata: {{name: {role}}}, rules: {rules}}}\n---\n\
             {{apiVersion: {RBAC}, kind: ClusterRoleBinding, metadata: {{name: {role}}}, \
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}, \
             subjects: [{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}]}}\n"
        );
        admin.ok(&["create", "-f", "-"], &objects);
        self.account(name, namespace)
    }

    /// The kubeconfig file of a service account that there is.
    ///
    /// # Panics
    /// If there is none.
    pub fn account(&self, name: &str, namespace: &str) -> PathBuf {
        let admin = self.kubectl("admin");
        let token = admin.ok(&["create", "token", name, "-n", namespace, "--duration=24h"], "").stdout;
        write_kubeconfig(self.dir.path(), self.ports.server, &format!("{namespace}-{name}"), token.trim())
    }

    /// The kubeconfig file of one of [`USERS`], for clients other than kubectl.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.dir.path().join(format!("{user}.kubeconfig"))
    }

    /// The server's directory, for test files; it is removed with the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The API server's log so far.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// Replaces a directory by a copy of another one.
fn copy_dir(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-R").args([from, to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "{} cannot be copied", from.display());
}

fn start_etcd(dir: &Path, ports: &Ports) -> Daemon {
    let client_url = format!("http://127.0.0.1:{}", ports.etcd);
    let peer_url = format!("http://127.0.0.1:{}", ports.peers);
    let mut command = Command::new(tools().join("etcd"));
    command
        .env_clear()
        .arg("--data-dir")
        .arg(dir.join("etcd"))
        // The data need not survive the machine.
        .arg("--unsafe-no-fsync")
        .args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url])
        .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
        .arg(format!("--initial-cluster=default={peer_url}"));
    Daemon::start("etcd", command, dir.join("etcd.log"))
}

fn start_server(dir: &Path, ports: &Ports, flags: &[&str]) -> Daemon {
    let mut command = Command::new(tools().join("kube-apiserver"));
    command
        .env_clear()
        .current_dir(dir)
        .arg(format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd))
        .arg(format!("--secure-port={}", ports.server))
        .args([
            "--bind-address=127.0.0.1",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=accounts.pub",
            "--service-account-signing-key-file=accounts.key",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
            // There is only one server, and no Service leads to it.
            "--endpoint-reconciler-type=none",
            "--admission-control-config-file=admission.json",
        ])
        .args(flags);
    Daemon::start("kube-apiserver", command, dir.join("kube-apiserver.log"))
}

/// Server directories are named with this prefix and the id of the test process.
const PREFIX: &str = "cluster-";

/// Removes what killed test runs left behind: etcd takes more than a hundred megabytes for each.
fn remove_leftovers() {
    // Other systems have no equally easy way to see whether a process is alive.
    if !Path::new("/proc/self").exists() {
        return;
    }
    let entries = fs::read_dir(env!("CARGO_TARGET_TMPDIR")).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if owner.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
