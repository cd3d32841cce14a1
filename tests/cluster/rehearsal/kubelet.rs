//! The kubelet of stategate's own Pods: it runs them as processes, wherever the scheduler has put them. kwok plays the
//! kubelets of all other Pods.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::client::{Client, text};
use super::container::{self, Sandbox};
use super::probes::Health;
use super::volumes::Volumes;
use crate::harness::{Daemon, wait_until};

/// The Pods that it runs.
const PODS: &str = "/api/v1/pods?labelSelector=app.kubernetes.io/name%3Dstategate";
/// Between two looks at its Pods.
const LOOK: Duration = Duration::from_millis(200);
/// Between two looks at a Pod's volumes. A real kubelet takes up to a minute and more.
const VOLUMES: Duration = Duration::from_secs(5);
/// Before a container is started for the third time; then twice as long each time. The second start comes at once.
const BACKOFF: Duration = Duration::from_secs(10);
/// Its directory of what containers print: `/var/log/pods`.
pub const LOGS: &str = "logs";
/// Numbers the addresses of Pods of this test process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A container that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// The name of its Pod.
    pub pod: String,
    /// The address of its Pod.
    pub ip: String,
    /// Its node.
    pub node: String,
    /// Its process.
    pub id: u32,
    /// How often it was started again.
    pub restarts: u64,
    /// Whether it takes requests.
    pub ready: bool,
    /// Whether it was told to end.
    pub ending: bool,
    /// Its output.
    pub log: PathBuf,
}

/// The kubelet. Its containers end with it, and it says nothing of that: a power failure.
pub struct Kubelet {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    client: Client,
    dir: PathBuf,
    over: AtomicBool,
    pods: Mutex<BTreeMap<String, Value>>,
    running: Mutex<BTreeMap<String, Running>>,
}

impl Kubelet {
    /// Starts it, with its files below this directory.
    pub fn start(client: Client, dir: PathBuf) -> Self {
        fs::create_dir_all(dir.join(LOGS)).expect("a directory can be made");
        let shared = Arc::new(Shared {
            client,
            dir,
            over: AtomicBool::new(false),
            pods: Mutex::default(),
            running: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        Self { shared, thread: Some(thread::spawn(move || own.run())) }
    }

    /// The containers that run, the eldest Pod first.
    pub fn running(&self) -> Vec<Running> {
        let mut all: Vec<Running> = self.shared.running.lock().unwrap().values().cloned().collect();
        all.sort_by_key(|running| running.id);
        all
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn run(self: Arc<Self>) {
        let mut workers: BTreeMap<String, JoinHandle<()>> = BTreeMap::new();
        while !self.over() {
            // Without an answer, what was known goes on.
            if let Some(pods) = self.client.list(PODS) {
                let mut known = BTreeMap::new();
                for pod in pods.into_iter().filter(|pod| !text(pod, "/spec/nodeName").is_empty()) {
                    let id = text(&pod, "/metadata/uid").to_owned();
                    let ended = ["Succeeded", "Failed"].contains(&text(&pod, "/status/phase"));
                    if !workers.contains_key(&id) && !ended {
                        let (own, first) = (Arc::clone(&self), pod.clone());
                        workers.insert(id.clone(), thread::spawn(move || Worker::new(own, first).run()));
                    }
                    known.insert(id, pod);
                }
                *self.pods.lock().unwrap() = known;
            }
            sleep(LOOK);
        }
        for (_, worker) in workers {
            let _ = worker.join();
        }
    }
}

/// What one Pod is to do next.
enum Next {
    GoOn,
    /// Nothing of it may be left: it is gone from the API server, or so is the kubelet.
    Vanish,
    Terminate,
}

/// The life of one Pod.
struct Worker {
    shared: Arc<Shared>,
    pod: Value,
    id: String,
    dir: PathBuf,
    reported: Value,
}

impl Worker {
    fn new(shared: Arc<Shared>, pod: Value) -> Self {
        let id = text(&pod, "/metadata/uid").to_owned();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = shared.dir.join(format!("{number}-{}", text(&pod, "/metadata/name")));
        // Nobody else than its user must be able to look into them; that user is not ours.
        fs::create_dir_all(&dir).expect("a directory can be made");
        Self { shared, pod, id, dir, reported: Value::Null }
    }

    /// The file for what a container prints.
    fn log(&self, restarts: u64) -> PathBuf {
        let pod = self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.shared.dir.join(LOGS).join(format!("{pod}-{restarts}.log"))
    }

    fn next(&self) -> Next {
        if self.shared.over() {
            return Next::Vanish;
        }
        // A Pod that has only just been seen may not be in the list yet.
        match self.shared.pods.lock().unwrap().get(&self.id) {
            None => Next::Vanish,
            Some(pod) if pod["metadata"]["deletionTimestamp"].is_string() => Next::Terminate,
            Some(_) => Next::GoOn,
        }
    }

    fn run(mut self) {
        // The list that names this Pod is known a moment later.
        wait_until(LOOK * 5, || {
            self.shared.pods.lock().unwrap().contains_key(&self.id) || self.shared.over()
        });
        let mut volumes = Volumes::of(&self.pod, self.dir.join("volumes"));
        let mut told = String::new();
        while let Err(why) = volumes.refresh(&self.shared.client) {
            if told != why {
                println!("  kubelet: {} waits: {why}", text(&self.pod, "/metadata/name"));
                told = why;
            }
            sleep(LOOK * 5);
            match self.next() {
                Next::GoOn => {}
                Next::Terminate => return self.remove(),
                Next::Vanish => return,
            }
        }
        let number = self.dir.file_name().and_then(|name| name.to_str()?.split('-').next()?.parse().ok());
        let sandbox = Sandbox::start(&self.dir, number.expect("its number is in its name"));
        let before = self.pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
        let first = before.map_or(0, |count| count + 1);
        let mut pause = BACKOFF;
        for restarts in first.. {
            if restarts > first + 1 {
                let waiting = wait_until(pause, || !matches!(self.next(), Next::GoOn));
                pause *= 2;
                if waiting {
                    break;
                }
            }
            let files = (self.dir.as_path(), self.log(restarts));
            let mut daemon = container::start(&self.pod, &sandbox, &volumes, files, restarts);
            let goes_on = self.attend(&mut daemon, &sandbox, &mut volumes, restarts);
            self.shared.running.lock().unwrap().remove(&self.id);
            if !goes_on {
                break;
            }
            self.report(&sandbox.ip, &Health::default(), restarts);
        }
        if matches!(self.next(), Next::Terminate) {
            self.remove();
        }
    }

    /// Looks after a container until it has ended; whether the Pod is to have another one.
    fn attend(
        &mut self,
        daemon: &mut Daemon,
        sandbox: &Sandbox,
        volumes: &mut Volumes,
        restarts: u64,
    ) -> bool {
        let container = self.pod["spec"]["containers"][0].clone();
        let health = Health::probe(&container, &sandbox.ip);
        let mut running = Running {
            pod: text(&self.pod, "/metadata/name").to_owned(),
            ip: sandbox.ip.clone(),
            node: text(&self.pod, "/spec/nodeName").to_owned(),
            id: daemon.id(),
            restarts,
            ready: false,
            ending: false,
            log: self.log(restarts),
        };
        let mut looked = Instant::now();
        let goes_on = loop {
            running.ready = health.ready();
            self.shared.running.lock().unwrap().insert(self.id.clone(), running.clone());
            match self.next() {
                Next::GoOn => {}
                Next::Vanish => break false,
                Next::Terminate => {
                    running.ending = true;
                    self.shared.running.lock().unwrap().insert(self.id.clone(), running.clone());
                    self.terminate(daemon, None);
                    break false;
                }
            }
            if let Some(status) = daemon.ended() {
                println!("  kubelet: {} ended ({status})", running.pod);
                break true;
            }
            if health.dead() {
                println!("  kubelet: {} does not answer its probe, and is started again", running.pod);
                let own =
                    &self.pod["spec"]["containers"][0]["livenessProbe"]["terminationGracePeriodSeconds"];
                self.terminate(daemon, own.as_u64());
                break true;
            }
            self.report(&sandbox.ip, &health, restarts);
            if looked.elapsed() > VOLUMES {
                // What a running container has mounted stays as it was if its source has gone.
                let _ = volumes.refresh(&self.shared.client);
                looked = Instant::now();
            }
            sleep(LOOK / 2);
        };
        health.end();
        daemon.kill();
        goes_on
    }

    /// SIGTERM, and SIGKILL after the time that a probe or the Pod has for its end.
    fn terminate(&self, daemon: &mut Daemon, probe: Option<u64>) {
        if daemon.ended().is_some() {
            return;
        }
        let pods = self.shared.pods.lock().unwrap();
        let pod = pods.get(&self.id).unwrap_or(&self.pod);
        let given = pod["metadata"]["deletionGracePeriodSeconds"].as_u64();
        let grace = probe.or(given).or(pod["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30);
        drop(pods);
        daemon.signal(Signal::TERM);
        let ended = wait_until(Duration::from_secs(grace), || daemon.ended().is_some() || self.shared.over());
        if !ended {
            println!("  kubelet: {} is killed after {grace} s", text(&self.pod, "/metadata/name"));
        }
        daemon.kill();
    }

    /// Tells the API server that nothing of the Pod is left.
    fn remove(&self) {
        let path = self.path("");
        let body = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": self.id}});
        let gone = || {
            let answer = self.shared.client.call("DELETE", &path, &body);
            answer.is_ok_and(|answer| answer.succeeded() || [404, 409].contains(&answer.code))
        };
        while !gone() && !self.shared.over() {
            sleep(LOOK);
        }
    }

    fn path(&self, subresource: &str) -> String {
        let (namespace, name) = (text(&self.pod, "/metadata/namespace"), text(&self.pod, "/metadata/name"));
        format!("/api/v1/namespaces/{namespace}/pods/{name}{subresource}")
    }

    /// Writes the status of the Pod, if it is another one than was written last.
    fn report(&mut self, ip: &str, health: &Health, restarts: u64) {
        let (started, ready) = (health.started(), health.ready());
        let says = json!([ip, started, ready, restarts]);
        if self.reported == says {
            return;
        }
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let condition = |kind: &str, holds: bool| json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastTransitionTime": now});
        let container = &self.pod["spec"]["containers"][0];
        let status = json!({"metadata": {"uid": self.id}, "status": {
            "phase": "Running", "podIP": ip, "podIPs": [{"$patch": "replace"}, {"ip": ip}], "hostIP": "10.2.0.1", "startTime": now,
            "conditions": [
                condition("Initialized", true), condition("ContainersReady", ready), condition("Ready", ready),
            ],
            "containerStatuses": [{
                "name": container["name"], "image": container["image"], "imageID": "", "ready": ready,
                "started": started, "restartCount": restarts, "state": {"running": {"startedAt": now}},
            }],
        }});
        let answer = self.shared.client.call("STRATEGIC", &self.path("/status"), &status);
        match answer {
            Ok(answer) if answer.succeeded() => self.reported = says,
            // It is tried again, and who is gone is no matter.
            Ok(answer) if answer.code != 404 && answer.code != 409 => {
                println!(
                    "  kubelet: the status of {} is refused: {}",
                    text(&self.pod, "/metadata/name"),
                    answer.message()
                );
            }
            _ => {}
        }
    }
}
