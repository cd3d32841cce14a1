//! Clients that write all the time: good things, which must be done and made better, and bad ones, which must be refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::client::{Answer, Client, RUNTIME, text};
use super::cluster::Cluster;
use crate::harness::wait_until;

/// Between two requests of one client, beside what an answer takes.
const PAUSE: Duration = Duration::from_millis(60);
/// Nothing has gone wrong for so long: it is over.
const CALM: Duration = Duration::from_secs(6);
/// Requests under way at once at a steady rate.
const WIDTH: usize = 64;
/// How annotations of audit events begin that name a mutating webhook which gave no answer.
const FAILED_OPEN: &str = "failed-open.mutation.webhook.admission.k8s.io/";

/// What a client saw.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Seen {
    /// What was to be.
    Right,
    /// Something bad was done although `failurePolicy: Fail` guards it.
    WronglyAllowed,
    /// Something good was refused with a verdict.
    WronglyRefused,
    /// The same, and the API server's audit log says that the mutating webhook gave no answer: the validating one judged
    /// what nobody had made better.
    RefusedAsItCame,
    /// Refused because stategate did not answer: `failurePolicy: Fail`.
    Unanswered,
    /// Something bad was done because stategate did not answer: `failurePolicy: Ignore`.
    FailedOpen,
    /// Something good was done, and not made better.
    Unmutated,
    /// The API server itself did not answer, or could not.
    NoServer,
}

impl Seen {
    /// All but what was to be, the worst first.
    pub const WRONG: [Self; 7] = [
        Self::WronglyAllowed,
        Self::WronglyRefused,
        Self::RefusedAsItCame,
        Self::Unanswered,
        Self::FailedOpen,
        Self::Unmutated,
        Self::NoServer,
    ];
}

/// What is to become of a request.
#[derive(Clone, Copy)]
enum Wanted {
    Done,
    Mutated,
    /// Refused by a webhook that is never left out.
    Refused,
    /// Refused, if stategate answers.
    RefusedIfAsked,
}

/// One request and its end.
#[derive(Clone, Debug)]
pub struct Event {
    /// When it was answered.
    pub at: Instant,
    /// How long that took.
    pub took: Duration,
    /// What the client wanted.
    pub what: &'static str,
    /// What it saw.
    pub seen: Seen,
    /// What the API server said, if it was not right.
    pub said: String,
    /// What the request is called in the audit log.
    pub audit_id: String,
}

fn judge(wanted: Wanted, answer: &Result<Answer, String>) -> Seen {
    let answer = match answer {
        Ok(answer) => answer,
        Err(_) => return Seen::NoServer,
    };
    let message = answer.message();
    if message.contains("failed calling webhook") {
        return Seen::Unanswered;
    }
    let refused = message.contains("denied the request");
    match wanted {
        // What a request before it left behind or took away.
        _ if !refused && [404, 409].contains(&answer.code) => Seen::Right,
        Wanted::Refused | Wanted::RefusedIfAsked if refused => Seen::Right,
        Wanted::Refused if answer.succeeded() => Seen::WronglyAllowed,
        Wanted::RefusedIfAsked if answer.succeeded() => Seen::FailedOpen,
        Wanted::Mutated
            if answer.succeeded()
                && answer.body["metadata"]["annotations"]["stategate.io/mutated-by"].is_null() =>
        {
            Seen::Unmutated
        }
        Wanted::Done | Wanted::Mutated if answer.succeeded() => Seen::Right,
        Wanted::Done | Wanted::Mutated if refused => Seen::WronglyRefused,
        _ => Seen::NoServer,
    }
}

fn read(manifest: &str) -> Value {
    stategate::yaml::read(manifest).unwrap().remove(0).value
}

/// A StatefulSet that is made better.
pub fn good_set(name: &str) -> Value {
    let known = crate::PLAIN.replace("priorityClassName: database\n", "priorityClassName: databases\n");
    let mut set = read(&known.replace("app: pg", &format!("app: {name}")));
    set["metadata"]["name"] = name.into();
    set
}

/// A StatefulSet that is refused.
pub fn bad_set(name: &str) -> Value {
    let mut set = read(crate::NAIVE);
    set["metadata"]["name"] = name.into();
    set
}

/// The set whose claims are bound, which [`settle`] makes.
pub const SETTLED: &str = "pg";
const SETS: &str = "/apis/apps/v1/namespaces/shop/statefulsets";
const CLAIMS: &str = "/api/v1/namespaces/shop/persistentvolumeclaims";

/// Makes what the clients take for granted: a set with bound claims.
pub fn settle(cluster: &Cluster) {
    cluster.kubectl.ok(&["apply", "-f", "-"], crate::GOOD);
    let bound = || {
        let claims = cluster.admin.list(CLAIMS).unwrap_or_default();
        claims.iter().filter(|claim| claim["status"]["phase"] == "Bound").count() >= 3
    };
    assert!(
        wait_until(Duration::from_secs(180), bound),
        "{}",
        cluster.kubectl.run(&["get", "all,pvc", "-n", "shop"], "").stdout
    );
}

/// Running clients and what they have seen so far.
pub struct Load {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    audit_log: PathBuf,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    sent: AtomicUsize,
    events: Mutex<Vec<Event>>,
}

impl Shared {
    async fn ask(
        &self,
        who: &Client,
        what: &'static str,
        wanted: Wanted,
        method: &str,
        path: &str,
        body: &Value,
    ) {
        let begun = Instant::now();
        let answer = who.send(method, path, body).await;
        let seen = judge(wanted, &answer);
        let said = match (&answer, seen) {
            (_, Seen::Right) => String::new(),
            (Ok(answer), _) => format!("{} {}", answer.code, answer.message()),
            (Err(error), _) => error.clone(),
        };
        let audit_id = answer.map(|answer| answer.audit_id).unwrap_or_default();
        let event = Event { at: Instant::now(), took: begun.elapsed(), what, seen, said, audit_id };
        self.events.lock().unwrap().push(event);
        self.sent.fetch_add(1, Ordering::Relaxed);
    }
}

/// The users that write.
struct Users {
    admin: Client,
    dev: Client,
}

impl Load {
    /// Starts this many clients; each does one thing after the other.
    pub fn start(cluster: &Cluster, clients: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let client = |number| {
            let users = Users { admin: cluster.client("admin"), dev: cluster.client("dev") };
            let shared = Arc::clone(&shared);
            RUNTIME.spawn(async move {
                for round in 0.. {
                    for step in 0..STEPS {
                        if shared.over.load(Ordering::Relaxed) {
                            return;
                        }
                        do_step(&shared, &users, number, round, step).await;
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            })
        };
        let tasks = (0..clients).map(client).collect();
        Self { shared, tasks, audit_log: cluster.audit_log() }
    }

    /// Sends requests at a steady rate, whether or not the ones before are answered; nothing of them is stored.
    pub fn steady(cluster: &Cluster, per_second: f64) -> Self {
        let shared = Arc::new(Shared::default());
        let users = Arc::new(Users { admin: cluster.client("admin"), dev: cluster.client("dev") });
        let own = Arc::clone(&shared);
        let task = RUNTIME.spawn(async move {
            let places = Arc::new(tokio::sync::Semaphore::new(WIDTH));
            let begun = tokio::time::Instant::now();
            for number in 0_u32.. {
                if own.over.load(Ordering::Relaxed) {
                    break;
                }
                tokio::time::sleep_until(begun + Duration::from_secs_f64(f64::from(number) / per_second))
                    .await;
                let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
                let (own, users) = (Arc::clone(&own), Arc::clone(&users));
                tokio::spawn(async move {
                    do_dry_step(&own, &users, number).await;
                    drop(place);
                });
            }
            // All are answered before the load is over.
            let _ = places.acquire_many(WIDTH as u32).await;
        });
        Self { shared, tasks: vec![task], audit_log: cluster.audit_log() }
    }

    /// How many requests were answered so far: a mark for [`since`](Self::since).
    pub fn mark(&self) -> usize {
        self.shared.events.lock().unwrap().len()
    }

    /// What was seen since a mark.
    pub fn since(&self, mark: usize) -> Summary {
        let mut summary = self.so_far(mark);
        let mut refused: Vec<&mut Event> =
            summary.events.iter_mut().filter(|event| event.seen == Seen::WronglyRefused).collect();
        if !refused.is_empty() {
            let log = fs::read_to_string(&self.audit_log).unwrap_or_default();
            let unanswered: BTreeSet<String> = log.lines().filter_map(unmutated).collect();
            refused.retain(|event| unanswered.contains(&event.audit_id));
            refused.into_iter().for_each(|event| event.seen = Seen::RefusedAsItCame);
        }
        summary
    }

    fn so_far(&self, mark: usize) -> Summary {
        Summary { events: self.shared.events.lock().unwrap()[mark..].to_vec() }
    }

    /// Waits until nothing has gone wrong for some seconds; whether that came within the limit.
    pub fn calms(&self, mark: usize, limit: Duration) -> bool {
        let begun = Instant::now();
        wait_until(limit, || {
            let since = self.so_far(mark);
            let last = since.wrong().map(|event| event.at).max().unwrap_or(begun);
            let later = since.events.iter().filter(|event| event.at > last).count();
            last.elapsed() > CALM && begun.elapsed() > CALM && later > STEPS
        })
    }

    /// Ends the clients, each after its request.
    pub fn stop(mut self) -> Summary {
        self.shared.over.store(true, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            let _ = RUNTIME.block_on(task);
        }
        self.since(0)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

/// The request of an audit event, if stategate's mutating webhook failed open for it.
fn unmutated(line: &str) -> Option<String> {
    // Most have no such annotation, and are not worth the reading.
    let event: Value = line.contains(FAILED_OPEN).then(|| serde_json::from_str(line).ok())??;
    let ours = |(key, value): (&String, &Value)| {
        key.starts_with(FAILED_OPEN) && value.as_str().is_some_and(|name| name.ends_with(".stategate.io"))
    };
    event["annotations"].as_object()?.iter().any(ours).then(|| text(&event, "/auditID").to_owned())
}

/// What the clients saw in some time.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// All requests.
    pub events: Vec<Event>,
}

impl Summary {
    /// Those that went wrong.
    pub fn wrong(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.seen != Seen::Right)
    }

    /// How many ended like this.
    pub fn count(&self, seen: Seen) -> usize {
        self.events.iter().filter(|event| event.seen == seen).count()
    }

    /// How long after this moment something went wrong for the last time.
    pub fn recovery(&self, fault: Instant) -> Duration {
        let last = self.wrong().map(|event| event.at.saturating_duration_since(fault)).max();
        last.unwrap_or_default()
    }

    /// The longest answer, and the median.
    pub fn latency(&self) -> (Duration, Duration) {
        let mut all: Vec<Duration> = self.events.iter().map(|event| event.took).collect();
        all.sort_unstable();
        (all.last().copied().unwrap_or_default(), all.get(all.len() / 2).copied().unwrap_or_default())
    }

    /// In words: how many requests, what went wrong and with which of them.
    pub fn words(&self) -> String {
        let mut text = format!("{} requests", self.events.len());
        let mut kinds: BTreeMap<(Seen, &str), usize> = BTreeMap::new();
        for event in self.wrong() {
            *kinds.entry((event.seen, event.what)).or_default() += 1;
        }
        for seen in Seen::WRONG {
            let of: Vec<String> = kinds
                .iter()
                .filter(|((kind, _), _)| *kind == seen)
                .map(|((_, what), count)| format!("{count} {what}"))
                .collect();
            if !of.is_empty() {
                let _ = write!(text, "; {}: {}", said(seen), of.join(", "));
            }
        }
        if self.wrong().next().is_none() {
            text += ", all right";
        }
        let (longest, median) = self.latency();
        let _ = write!(text, " (median {} ms, longest {:.1} s)", median.as_millis(), longest.as_secs_f64());
        text
    }

    /// One message of each kind of wrong answer.
    pub fn samples(&self) -> Vec<String> {
        let mut samples: BTreeMap<(Seen, &str), String> = BTreeMap::new();
        for event in self.wrong() {
            samples.entry((event.seen, event.what)).or_insert_with(|| event.said.chars().take(400).collect());
        }
        samples.into_iter().map(|((seen, what), said)| format!("{seen:?} {what}: {said}")).collect()
    }
}

fn said(seen: Seen) -> &'static str {
    match seen {
        Seen::Right => "right",
        Seen::WronglyAllowed => "WRONGLY ALLOWED",
        Seen::WronglyRefused => "WRONGLY REFUSED",
        Seen::RefusedAsItCame => "refused as it came, since the mutating webhook did not answer",
        Seen::Unanswered => "refused for want of an answer",
        Seen::FailedOpen => "failed open",
        Seen::Unmutated => "not made better",
        Seen::NoServer => "no API server",
    }
}

/// How many steps a round of a client has.
const STEPS: usize = 14;

async fn do_step(load: &Shared, users: &Users, client: usize, round: usize, step: usize) {
    let dev = &users.dev;
    let name = format!("load-{client}");
    let set = format!("{SETS}/{name}");
    let pods = "/api/v1/namespaces/shop/pods";
    let webs = "/apis/apps/v1/namespaces/shop/deployments";
    let maps = "/api/v1/namespaces/shop/configmaps";
    let now = json!({"metadata": {"labels": {"round": round.to_string()}}});
    let named = |mut object: Value| {
        object["metadata"]["name"] = name.clone().into();
        object
    };
    match step {
        0 => load.ask(dev, "set created", Wanted::Mutated, "POST", SETS, &good_set(&name)).await,
        1 => load.ask(dev, "set changed", Wanted::Mutated, "MERGE", &set, &now).await,
        2 => {
            load.ask(
                dev,
                "set scaled",
                Wanted::Done,
                "MERGE",
                &format!("{set}/scale"),
                &json!({"spec": {"replicas": 5}}),
            )
            .await
        }
        3 => load.ask(dev, "set deleted", Wanted::Done, "DELETE", &set, &Value::Null).await,
        4 => load.ask(dev, "pod created", Wanted::Done, "POST", pods, &named(read(crate::POD))).await,
        5 => {
            load.ask(dev, "pod deleted", Wanted::Done, "DELETE", &format!("{pods}/{name}"), &Value::Null)
                .await
        }
        6 => {
            load.ask(dev, "deployment created", Wanted::Done, "POST", webs, &named(read(crate::STATELESS)))
                .await
        }
        7 => {
            load.ask(
                dev,
                "deployment deleted",
                Wanted::Done,
                "DELETE",
                &format!("{webs}/{name}"),
                &Value::Null,
            )
            .await
        }
        8 => {
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
            load.ask(dev, "configmap created", Wanted::Done, "POST", maps, &map).await;
            load.ask(
                dev,
                "configmap deleted",
                Wanted::Done,
                "DELETE",
                &format!("{maps}/{name}"),
                &Value::Null,
            )
            .await;
        }
        other => do_dry_step(load, users, other as u32).await,
    }
}

/// Things of which nothing is stored.
async fn do_dry_step(load: &Shared, users: &Users, number: u32) {
    let dev = &users.dev;
    let sets = format!("{SETS}?dryRun=All");
    let claims = format!("{CLAIMS}?dryRun=All");
    match number % 10 {
        9 => load.ask(dev, "bad set", Wanted::Refused, "POST", &sets, &bad_set("bad")).await,
        0 => {
            let path = format!("{CLAIMS}/data-{SETTLED}-0?dryRun=All");
            load.ask(dev, "deletion of a bound claim", Wanted::Refused, "DELETE", &path, &Value::Null).await;
        }
        1 => {
            let path = "/apis/storage.k8s.io/v1/storageclasses?dryRun=All";
            load.ask(&users.admin, "bad class", Wanted::Refused, "POST", path, &read(crate::PLAIN_CLASS))
                .await;
        }
        2 => {
            // Without a unit it is ten bytes.
            let mut tiny = read(&crate::claim("tiny"));
            tiny["spec"]["resources"]["requests"]["storage"] = json!("10");
            load.ask(dev, "bad claim", Wanted::RefusedIfAsked, "POST", &claims, &tiny).await;
        }
        3 => {
            let path = format!("{SETS}/{SETTLED}/scale?dryRun=All");
            let none = json!({"spec": {"replicas": 0}});
            load.ask(dev, "scale to zero", Wanted::RefusedIfAsked, "MERGE", &path, &none).await;
        }
        4 => load.ask(dev, "good claim", Wanted::Done, "POST", &claims, &read(&crate::claim("good"))).await,
        5 | 6 => load.ask(dev, "good set", Wanted::Mutated, "POST", &sets, &good_set("good")).await,
        7 => {
            let path = "/apis/apps/v1/namespaces/shop/deployments?dryRun=All";
            load.ask(dev, "deployment", Wanted::Done, "POST", path, &read(crate::STATELESS)).await;
        }
        _ => {
            let path = "/api/v1/namespaces/shop/pods?dryRun=All";
            load.ask(dev, "pod", Wanted::Done, "POST", path, &read(crate::POD)).await;
        }
    }
}
