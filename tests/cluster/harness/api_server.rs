//! kube-apiserver with its etcd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::kubectl::Kubectl;
use super::process::Daemon;
use super::{STARTS, accepts, free_ports, tools, wait_until};

/// Startup limit. An idle machine takes four seconds.
const START: Duration = Duration::from_secs(120);

/// A user of the test server.
pub struct User {
    /// The user's id in tests: the argument of [`ApiServer::kubectl`].
    pub id: &'static str,
    /// The user name on the API server.
    pub name: &'static str,
    /// The groups; the API server adds `system:authenticated`.
    pub groups: &'static [&'static str],
}

const ACCOUNTS: &[&str] = &["system:serviceaccounts", "system:serviceaccounts:kube-system"];

/// The users of a test server. Their rights are in `users.yaml`.
pub const USERS: &[User] = &[
    User { id: "admin", name: "admin", groups: &["system:masters"] },
    User { id: "dev", name: "dev", groups: &[] },
    User {
        id: "controller",
        name: "system:serviceaccount:kube-system:statefulset-controller",
        groups: ACCOUNTS,
    },
    User { id: "gc", name: "system:serviceaccount:kube-system:generic-garbage-collector", groups: ACCOUNTS },
    User { id: "reader", name: "reader", groups: &[] },
    User { id: "node", name: "system:node:n1", groups: &["system:nodes"] },
];

/// A running API server. It ends when this value is dropped, or at the latest with the test process.
pub struct ApiServer {
    // Dropped in this order: the directory goes last.
    server: Daemon,
    etcd: Daemon,
    port: u16,
    kubectl: PathBuf,
    dir: TempDir,
}

impl ApiServer {
    /// Starts a server with the namespaces `default`, `kube-system` and `shop` and with [`USERS`], and waits
    /// until it serves them.
    ///
    /// # Panics
    /// If a tool is missing or the server does not become ready.
    pub fn start() -> Self {
        let tools = tools();
        remove_leftovers();
        let mut clashes = 0;
        loop {
            let mut api = Self::spawn(&tools);
            match api.wait_until_ready() {
                Ok(()) => {
                    api.prepare();
                    return api;
                }
                Err(_) if api.lost_a_port() && clashes + 1 < STARTS => clashes += 1,
                Err(why) => panic!("{why}\n{}\n{}", api.etcd.tail(), api.server.tail()),
            }
        }
    }

    fn spawn(tools: &Path) -> Self {
        let dir = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a directory for the API server can be made");
        let [client_port, peer_port, port] = free_ports();
        let path = dir.path();
        write_credentials(path, port);

        let client_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let mut command = Command::new(tools.join("etcd"));
        command
            .env_clear()
            .arg("--data-dir")
            .arg(path.join("etcd"))
            // The data need not survive the test.
            .arg("--unsafe-no-fsync")
            .args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url])
            .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
            .arg(format!("--initial-cluster=default={peer_url}"));
        let etcd = Daemon::start("etcd", command, path.join("etcd.log"));

        let mut command = Command::new(tools.join("kube-apiserver"));
        command
            .env_clear()
            .current_dir(path)
            .arg(format!("--etcd-servers={client_url}"))
            .arg(format!("--secure-port={port}"))
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
                // The plugin requires the service account `default` for each Pod, and no controller creates
                // it.
                "--disable-admission-plugins=ServiceAccount",
                // There is only one server, and no Service leads to it.
                "--endpoint-reconciler-type=none",
            ]);
        let server = Daemon::start("kube-apiserver", command, path.join("kube-apiserver.log"));
        Self { server, etcd, port, kubectl: tools.join("kubectl"), dir }
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
            listens = listens || accepts(self.port);
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
        Kubectl {
            program: self.kubectl.clone(),
            home: self.dir.path().to_owned(),
            config: self.kubeconfig(user),
        }
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

/// Writes the server's certificate and keys, and the users' tokens and kubeconfig files.
fn write_credentials(dir: &Path, port: u16) {
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
    };
    // Much faster than the RSA keys that the server would generate itself.
    let accounts = rcgen::KeyPair::generate().expect("a key can be made");
    write("accounts.key", &accounts.serialize_pem());
    write("accounts.pub", &accounts.public_key_pem());
    let own =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate can be made");
    write("server.crt", &own.cert.pem());
    write("server.key", &own.signing_key.serialize_pem());

    // The directory's name makes each server's tokens unique.
    let secret = dir.file_name().unwrap_or_default().to_string_lossy();
    let token = |user: &User| format!("{}-{secret}", user.id);
    let line = |user: &User| {
        let line = format!("{},{},{}", token(user), user.name, user.id);
        // An empty column would be a group with an empty name.
        if user.groups.is_empty() { line } else { format!("{line},\"{}\"", user.groups.join(",")) }
    };
    let lines: Vec<String> = USERS.iter().map(line).collect();
    write("tokens.csv", &lines.join("\n"));

    for user in USERS {
        // A kubeconfig may be JSON.
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority": dir.join("server.crt"),
            }}],
            "users": [{"name": user.id, "user": {"token": token(user)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user.id}}],
            "current-context": "test",
        });
        write(&format!("{}.kubeconfig", user.id), &config.to_string());
    }
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
