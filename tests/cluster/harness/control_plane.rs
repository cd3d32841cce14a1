//! An API server with the controllers, the scheduler, and nodes that only pretend to run pods.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::api_server::ApiServer;
use super::kubectl::Kubectl;
use super::process::Daemon;
use super::{built, wait_until};

/// Startup limit. An idle machine takes ten seconds.
const START: Duration = Duration::from_secs(120);

/// Flags of its API server: the audit log, for [`ControlPlane::audit`].
const FLAGS: &[&str] = &[
    concat!("--audit-policy-file=", env!("CARGO_MANIFEST_DIR"), "/tests/cluster/harness/audit.yaml"),
    "--audit-log-path=audit.log",
];

/// A whole control plane, with five nodes in three zones and the classes in `control_plane.yaml`. It has all
/// that an [`ApiServer`] has.
pub struct ControlPlane {
    // Dropped in this order: what asks the API server ends before it.
    daemons: [Daemon; 4],
    api: ApiServer,
    left: Option<&'static str>,
}

impl ControlPlane {
    /// Starts it and waits until pods can be made and scheduled.
    ///
    /// # Panics
    /// If a tool is missing or it does not become ready.
    pub fn start() -> Self {
        Self::start_leaving(None)
    }

    /// As [`start`](Self::start); kwok leaves Pods with this `app.kubernetes.io/name` to another kubelet.
    ///
    /// # Panics
    /// If a tool is missing or it does not become ready.
    pub fn start_leaving(left: Option<&'static str>) -> Self {
        let api = ApiServer::start_with(FLAGS);
        let admin = api.kubectl("admin");
        admin.ok(&["create", "--validate=false", "-f", "-"], include_str!("control_plane.yaml"));
        let daemons = daemons(api.dir(), left);
        let mut plane = Self { daemons, api, left };
        plane.wait_until_ready();
        plane
    }

    /// Ends everything at once (SIGKILL), as a power failure does, and starts it again with what etcd holds.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn restart_all(&mut self) {
        self.again(false);
    }

    /// As [`restart_all`](Self::restart_all), with what etcd held when it was [saved](ApiServer::save_etcd).
    ///
    /// # Panics
    /// If it does not become ready, or nothing was saved.
    pub fn restore_all(&mut self) {
        self.again(true);
    }

    fn again(&mut self, saved: bool) {
        self.daemons.iter_mut().for_each(Daemon::kill);
        self.api.restart_both(saved);
        self.daemons = daemons(self.api.dir(), self.left);
        self.wait_until_ready();
    }

    /// Stops the controllers (SIGSTOP) for good: what is made from now on stays as it is.
    pub fn stop_controllers(&self) {
        self.daemons[0].signal(Signal::STOP);
    }

    fn wait_until_ready(&mut self) {
        let admin = self.api.kubectl("admin");
        let mut ended = false;
        let ready = wait_until(START, || {
            ended = self.daemons.iter_mut().any(|daemon| daemon.ended().is_some());
            ended || is_ready(&admin)
        });
        if ended || !ready {
            let tails: Vec<String> = self.daemons.iter().map(Daemon::tail).collect();
            panic!("the control plane does not become ready\n{}", tails.join("\n"));
        }
    }

    /// The file of [`audit`](Self::audit): an event is a line.
    pub fn audit_log(&self) -> PathBuf {
        self.dir().join("audit.log")
    }

    /// The writes so far, each as an audit event (`audit.k8s.io/v1`) without the object: who asked, what was
    /// answered, and as annotations what webhooks were called and could not be called. Reads, leases and events
    /// are left out.
    pub fn audit(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.audit_log()).expect("the audit log can be read");
        // The last line may be half written.
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Deref for ControlPlane {
    type Target = ApiServer;

    fn deref(&self) -> &ApiServer {
        &self.api
    }
}

impl DerefMut for ControlPlane {
    fn deref_mut(&mut self) -> &mut ApiServer {
        &mut self.api
    }
}

/// Whether the nodes take pods and the namespaces have what pods need.
fn is_ready(admin: &Kubectl) -> bool {
    let account = |namespace: &str| {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        admin.run(&["get", "--raw", &path], "").succeeded()
    };
    let takes_pods = |node: &Value| {
        let conditions = node["status"]["conditions"].as_array();
        let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        conditions.is_some_and(|conditions| conditions.iter().any(ready)) && node["spec"]["taints"].is_null()
    };
    account("default")
        && account("shop")
        && admin.get_json(&["nodes"])["items"]
            .as_array()
            .is_some_and(|nodes| !nodes.is_empty() && nodes.iter().all(takes_pods))
}

/// A program of the control plane, isolated from the person who runs the tests.
fn program(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(built(name));
    command.env_clear().env("HOME", dir).current_dir(dir);
    command
}

fn manager(dir: &Path) -> Daemon {
    let mut command = program("kube-controller-manager", dir);
    command
        .args([
            "--kubeconfig=manager.kubeconfig",
            "--secure-port=0",
            "--leader-elect=false",
            // As in most clusters: each controller is a user of its own.
            "--use-service-account-credentials",
            "--service-account-private-key-file=accounts.key",
            "--root-ca-file=server.crt",
            // Claims bind within seconds even if an event is missed.
            "--pvclaimbinder-sync-period=5s",
        ])
        // It makes this directory, by default below /usr.
        .arg(format!("--flex-volume-plugin-dir={}", dir.join("flex").display()));
    Daemon::start("kube-controller-manager", command, dir.join("manager.log"))
}

fn scheduler(dir: &Path) -> Daemon {
    let mut command = program("kube-scheduler", dir);
    command.args(["--kubeconfig=scheduler.kubeconfig", "--secure-port=0", "--leader-elect=false"]);
    Daemon::start("kube-scheduler", command, dir.join("scheduler.log"))
}

fn daemons(dir: &Path, left: Option<&str>) -> [Daemon; 4] {
    [manager(dir), scheduler(dir), kubelets(dir, left), provisioner(dir)]
}

/// kwok in place of the kubelets: pods become ready at once, those of Jobs complete, and the deleted ones go. Pods with
/// the name `left` are somebody else's.
fn kubelets(dir: &Path, left: Option<&str>) -> Daemon {
    let mut command = program("kwok", dir);
    let stages = fs::read_dir(built("kwok-stages")).expect("the stages of kwok can be listed");
    for stage in stages.flatten() {
        let mut text = fs::read_to_string(stage.path()).expect("a stage can be read");
        if let Some(name) = left.filter(|_| text.contains("kind: Pod")) {
            let label = "'app.kubernetes.io/name'";
            let others = format!(
                "    matchExpressions:\n    - cel:\n        expression: \"!has(self.metadata.labels) || \
                 !({label} in self.metadata.labels) || self.metadata.labels[{label}] != '{name}'\"\n"
            );
            text = text.replacen("    matchExpressions:\n", &others, 1);
        }
        let file = dir.join(stage.file_name());
        fs::write(&file, text).expect("a stage can be written");
        command.arg("--config").arg(file);
    }
    command.args([
        "--kubeconfig=kubelets.kubeconfig",
        "--manage-all-nodes",
        // 0 would mean a heartbeat in ten minutes, and nodes without one for a minute are not ready.
        "--node-lease-duration-seconds=40",
        "--cidr=10.1.0.0/16",
    ]);
    Daemon::start("kwok", command, dir.join("kubelets.log"))
}

/// kwok in place of the provisioner of volumes. It is a process of its own, since it is another user.
fn provisioner(dir: &Path) -> Daemon {
    let mut command = program("kwok", dir);
    command.args([
        concat!("--config=", env!("CARGO_MANIFEST_DIR"), "/tests/cluster/harness/provisioner.yaml"),
        "--kubeconfig=provisioner.kubeconfig",
        "--manage-all-nodes",
    ]);
    Daemon::start("provisioner", command, dir.join("provisioner.log"))
}
