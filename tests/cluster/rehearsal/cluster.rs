//! A cluster in which stategate is installed by helm and runs in Pods.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, text};
use super::kubelet::{Kubelet, LOGS, Running};
use super::probes::http;
use super::service_proxy::ServiceProxy;
use crate::chart::{KUBERNETES, chart, helm};
use crate::harness::{ControlPlane, Kubectl, Output, wait_until};

/// Where stategate is installed.
pub const OWN: &str = "stategate-system";
/// The values of the chart, for every step but what a scenario changes. The image's tag says which program runs.
const VALUES: &[&str] =
    &["image.repository=stategate", "image.tag=this", "profile=production", "enforcement=deny"];
/// Another version of stategate.
pub const OTHER: &[&str] = &["image.tag=other"];
/// Another version, and whatever else changes the Pods.
pub const OTHERWISE: &[&str] = &["image.tag=other", "replicas=3", "logLevel=debug"];
/// The profile is a value, too.
pub fn profile(name: &str) -> String {
    format!("profile={name}")
}

/// The release's objects that a write may wait for.
pub const CONFIGURATIONS: [&str; 2] = [
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/stategate",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/stategate",
];
/// For what takes some ten seconds on an idle machine.
pub const SOON: Duration = Duration::from_secs(120);

/// The cluster. It has all that a [`ControlPlane`] has.
pub struct Cluster {
    // Dropped in this order.
    kubelet: Option<Kubelet>,
    /// What leads from Services to Pods.
    pub services: ServiceProxy,
    /// `admin`, for scenarios that need more than kubectl tells.
    pub admin: Client,
    /// `admin`, as a person at a terminal.
    pub kubectl: Kubectl,
    plane: ControlPlane,
    pods: tempfile::TempDir,
}

impl Cluster {
    /// Starts a cluster without stategate. Services lag by half a second.
    pub fn start() -> Self {
        let routed = std::env::var_os("REHEARSAL_NETWORK").is_some();
        assert!(
            routed,
            "the rehearsal needs a network namespace of its own: run tests/cluster/rehearsal/run"
        );
        let plane = ControlPlane::start_leaving(Some("stategate"));
        let client = |user: &str| Client::of(&plane.kubeconfig(user));
        let (admin, services) = (client("admin"), client("kubelets"));
        let pods = tempfile::tempdir().expect("a directory can be made");
        // The user of the containers must reach their files.
        fs::set_permissions(pods.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let services = ServiceProxy::start(services, plane.port(), Duration::from_millis(500));
        let kubectl = plane.kubectl("admin");
        let mut cluster = Self { kubelet: None, services, admin, kubectl, plane, pods };
        cluster.start_kubelet();
        cluster
    }

    /// Where the kubelet keeps what containers print.
    pub fn logs(&self) -> PathBuf {
        self.pods.path().join(LOGS)
    }

    /// Starts the kubelet of stategate's Pods.
    pub fn start_kubelet(&mut self) {
        let client = Client::of(&self.plane.kubeconfig("kubelets"));
        self.kubelet = Some(Kubelet::start(client, self.pods.path().to_owned()));
    }

    /// Ends the kubelet and all containers without a word.
    pub fn stop_kubelet(&mut self) {
        self.kubelet = None;
    }

    /// A client of one of the users.
    pub fn client(&self, user: &str) -> Client {
        Client::of(&self.plane.kubeconfig(user))
    }

    /// helm, as the administrator.
    pub fn helm(&self, args: &[&str]) -> Output {
        let kubeconfig = self.plane.kubeconfig("admin");
        helm(self.plane.dir(), Some(&kubeconfig), &[args, &["--namespace", OWN]].concat())
    }

    /// Installs or upgrades the release with these values besides the common ones.
    pub fn upgrade(&self, more: &[&str]) -> Output {
        let chart = chart();
        let mut args = vec!["upgrade", "--install", "stategate", &chart, "--create-namespace"];
        for value in VALUES.iter().chain(more) {
            args.extend(["--set", value]);
        }
        self.helm(&args)
    }

    /// The same as a manifest, for those who have no helm; with these values besides the common ones.
    pub fn manifest(&self, more: &[&str]) -> String {
        let chart = chart();
        let mut args = vec!["template", "stategate", &chart, "--no-hooks"];
        args.extend(KUBERNETES);
        for value in VALUES.iter().chain(more) {
            args.extend(["--set", value]);
        }
        self.helm(&args).stdout
    }

    /// Installs stategate and waits until it judges; how long that took.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn install(&self) -> Duration {
        self.install_with(&[])
    }

    /// As [`install`](Self::install), with these values besides the common ones.
    ///
    /// # Panics
    /// If it does not judge.
    #[track_caller]
    pub fn install_with(&self, more: &[&str]) -> Duration {
        let begun = Instant::now();
        let installed = self.upgrade(more);
        assert!(installed.succeeded(), "{installed:?}");
        assert!(wait_until(SOON, || self.is_whole()), "{}", self.state());
        begun.elapsed()
    }

    /// The containers that run.
    pub fn running(&self) -> Vec<Running> {
        self.kubelet.as_ref().map(Kubelet::running).unwrap_or_default()
    }

    /// As many replicas as the Deployment wants are ready and of its current revision, nothing else runs, and the API
    /// server asks them.
    pub fn is_whole(&self) -> bool {
        let Some(deployment) = self.deployment() else { return false };
        let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        let wanted = number("/spec/replicas");
        let running = self.running();
        wanted > 0
            && number("/status/observedGeneration") == number("/metadata/generation")
            && ["/status/updatedReplicas", "/status/availableReplicas", "/status/replicas"]
                .iter()
                .all(|pointer| number(pointer) == wanted)
            && running.len() as u64 == wanted
            && running.iter().all(|one| one.ready && !one.ending)
            && self.judges()
    }

    /// Whether a bad object is refused, and a good one made better.
    pub fn judges(&self) -> bool {
        let (good, bad) = (super::load::good_set("asked"), super::load::bad_set("asked"));
        let path = "/apis/apps/v1/namespaces/shop/statefulsets?dryRun=All";
        let refused =
            self.admin.call("POST", path, &bad).is_ok_and(|answer| answer.message().contains("denied"));
        refused
            && self.admin.call("POST", path, &good).is_ok_and(|answer| {
                answer.succeeded()
                    && answer.body["metadata"]["annotations"]["stategate.io/mutated-by"].is_string()
            })
    }

    /// stategate's Deployment.
    pub fn deployment(&self) -> Option<Value> {
        self.admin.get(&format!("/apis/apps/v1/namespaces/{OWN}/deployments/stategate"))
    }

    /// What there is of stategate, for messages.
    pub fn state(&self) -> String {
        let pods = self.kubectl.run(&["get", "pods,events", "-n", OWN, "-o", "wide"], "").stdout;
        let tails = self.running().into_iter().map(|one| {
            let log = fs::read_to_string(&one.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(6).collect();
            format!("{one:?}\n{}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        });
        let named = ["get", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "-o", "name"];
        let status = self.deployment().unwrap_or_default()["status"].take();
        let (bad, path) =
            (super::load::bad_set("asked"), "/apis/apps/v1/namespaces/shop/statefulsets?dryRun=All");
        let asked =
            self.admin.call("POST", path, &bad).map(|answer| format!("{} {}", answer.code, answer.message()));
        let log = self.plane.log();
        let faults: Vec<&str> =
            log.lines().rev().filter(|line| line.starts_with(['E', 'W', 'F'])).take(20).collect();
        println!("the API server's faults, the last one first:\n{}", faults.join("\n"));
        format!(
            "{pods}\n{}\nconfigurations: {}\nDeployment: {status}\nbad set: {asked:?}",
            tails.collect::<Vec<_>>().join("\n"),
            self.kubectl.run(&named, "").stdout
        )
    }

    /// The reviews that each replica has done since it started, by the name of its Pod.
    pub fn reviews(&self) -> Vec<(String, u64)> {
        self.metric("stategate_reviews_total", "")
    }

    /// The sum of a metric of each replica over the series that have this label, by the name of its Pod.
    pub fn metric(&self, name: &str, label: &str) -> Vec<(String, u64)> {
        let of = |line: &&str| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
            rest.is_some_and(|rest| rest.contains(label))
        };
        let count = |one: Running| {
            let address: SocketAddr = format!("{}:8080", one.ip).parse().ok()?;
            let (_, metrics) = http(address, "/metrics", Duration::from_secs(5))?;
            let values = metrics.lines().filter(of);
            let values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            Some((one.pod, values.sum::<f64>() as u64))
        };
        self.running().into_iter().filter_map(count).collect()
    }

    /// What running replicas have written to their decision logs, which go to where the others go.
    pub fn decisions(&self) -> Vec<Value> {
        let logs = self.running().into_iter().map(|one| fs::read(&one.log).unwrap_or_default());
        let logs: Vec<String> = logs.map(|log| String::from_utf8_lossy(&log).into_owned()).collect();
        let lines = logs.iter().flat_map(|log| log.lines());
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|line: &Value| line["webhook"].is_string() && line["findings"].is_array())
            .collect()
    }

    /// Deletes an object and waits until it is gone.
    pub fn delete(&self, path: &str) {
        let answer = self.admin.call("DELETE", path, &json!({}));
        assert!(
            answer.as_ref().is_ok_and(|answer| answer.succeeded() || answer.code == 404),
            "{path}: {answer:?}"
        );
        let gone = || self.admin.call("GET", path, &Value::Null).is_ok_and(|answer| answer.code == 404);
        // Something may make it again faster than anyone can look.
        wait_until(Duration::from_millis(500), gone);
    }

    /// What there is of stategate: of every kind that the API server serves, the objects with its name or label, those in
    /// its namespace, its definitions and what is made by them. Each as `Kind namespace/name`.
    pub fn leftovers(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for (group, resources) in self.resources() {
            for (kind, path) in resources {
                for object in self.admin.list(&path).unwrap_or_default() {
                    if is_ours(&object, &group) {
                        let (namespace, name) =
                            (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
                        found.insert(format!("{kind} {namespace}/{name}"));
                    }
                }
            }
        }
        found.into_iter().collect()
    }

    /// Each group that the API server serves, with its kinds and the paths of their lists.
    fn resources(&self) -> Vec<(String, Vec<(String, String)>)> {
        let groups = self.admin.get("/apis").unwrap_or_default();
        let groups = groups["groups"].as_array().into_iter().flatten().map(|group| {
            let version = text(group, "/preferredVersion/groupVersion");
            (text(group, "/name").to_owned(), format!("/apis/{version}"))
        });
        let core = (String::new(), "/api/v1".to_owned());
        let of = |(group, base): (String, String)| {
            let list = self.admin.get(&base).unwrap_or_default();
            let lists = |one: &&Value| {
                one["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|verb| verb == "list"))
            };
            let resources = list["resources"].as_array().into_iter().flatten().filter(lists);
            let named =
                |one: &Value| (text(one, "/kind").to_owned(), format!("{base}/{}", text(one, "/name")));
            (group, resources.map(named).collect())
        };
        std::iter::once(core).chain(groups).map(of).collect()
    }
}

/// Whether an object is stategate's, or is there because of it.
fn is_ours(object: &Value, group: &str) -> bool {
    let (name, namespace) = (text(object, "/metadata/name"), text(object, "/metadata/namespace"));
    // Every namespace has these.
    let of_each = ["kube-root-ca.crt", "default"].contains(&name);
    name.starts_with("stategate")
        || name.ends_with(".stategate.io")
        || name.contains("stategate.v")
        || text(object, "/metadata/labels/app.kubernetes.io~1name") == "stategate"
        || group == "stategate.io"
        || (namespace == OWN && !of_each)
        || text(object, "/involvedObject/namespace") == OWN
}

impl Deref for Cluster {
    type Target = ControlPlane;

    fn deref(&self) -> &ControlPlane {
        &self.plane
    }
}

impl DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut ControlPlane {
        &mut self.plane
    }
}
