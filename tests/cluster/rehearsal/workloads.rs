//! A cluster that is full of workloads already, most of them imperfect: stategate comes, and disturbs nothing that runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::text;
use super::cluster::{Cluster, SOON};
use super::table::Row;
use crate::control_plane::is_settled;
use crate::controllers::{prepare, went_wrong};
use crate::harness::{Kubectl, wait_until};

const NAIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/suites/naive");
const KINDS: &str = "statefulsets,deployments,daemonsets";
/// Sets start one pod after the other.
const SETTLING: Duration = Duration::from_secs(240);

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(NAIVE).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "yaml")).collect();
    files.sort();
    files
}

fn name(object: &Value) -> String {
    format!(
        "{} {}/{}",
        text(object, "/kind"),
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name")
    )
}

/// The workloads whose controllers have nothing left to do.
fn settled(kubectl: &Kubectl) -> BTreeSet<String> {
    let all = kubectl.get_json(&[KINDS, "-A", "-l", "app.kubernetes.io/name!=stategate"]);
    all["items"].as_array().unwrap().iter().filter(|workload| is_settled(workload)).map(name).collect()
}

/// Fills the cluster with what beginners write, and returns what of it runs.
pub fn filled(cluster: &Cluster) -> BTreeSet<String> {
    let kubectl = &cluster.kubectl;
    prepare(kubectl, &files());
    for file in files() {
        let applied = kubectl.apply(&fs::read_to_string(&file).unwrap());
        if !applied.succeeded() {
            println!("  {}: {}", file.display(), applied.stderr.trim());
        }
    }
    let mut last = BTreeSet::new();
    let mut since = Instant::now();
    wait_until(SETTLING, || {
        let now = settled(kubectl);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        last.len() > 5 && since.elapsed() > Duration::from_secs(25)
    });
    last
}

/// The profile `production` is switched on in a full cluster, and everything goes on.
pub fn switched_on(cluster: &mut Cluster) -> Vec<Row> {
    let running = filled(cluster);
    let kubectl = cluster.kubectl.clone();
    let before = kubectl.get_json(&[KINDS, "-A"]);
    let mut rows = vec![Row::found(
        "workloads of beginners",
        format!("{} run: {}", running.len(), running.iter().cloned().collect::<Vec<_>>().join(", ")),
        None,
        Vec::new(),
    )];
    let took = cluster.install();
    rows.push(Row::found(
        "helm install with profile production",
        "judges".to_owned(),
        Some(took),
        Vec::new(),
    ));
    let changed = changes(&before, &kubectl.get_json(&[KINDS, "-A"]));
    rows.push(Row::found(
        "it changes nothing that runs",
        format!("{} workloads compared", running.len()),
        None,
        changed,
    ));
    let mark = cluster.audit().len();
    for (what, act) in ACTIONS {
        let begun = Instant::now();
        let mut wrong = act(cluster);
        let still = wait_until(SETTLING, || settled(&kubectl).is_superset(&running) || *what == LAST);
        if !still {
            let missing: Vec<String> = running.difference(&settled(&kubectl)).cloned().collect();
            wrong.push(format!("not settled: {}", missing.join(", ")));
        }
        rows.push(Row::found(
            &format!("workloads of beginners: {what}"),
            "done".to_owned(),
            Some(begun.elapsed()),
            wrong,
        ));
    }
    // What the cluster's own parts did was never refused, and never waited for stategate in vain.
    let events = cluster.audit().split_off(mark);
    let own: Vec<&Value> =
        events.iter().filter(|event| text(event, "/user/username").starts_with("system:")).collect();
    let wrong: Vec<String> = own
        .iter()
        .filter(|event| went_wrong(event))
        .map(|event| {
            format!(
                "{} {} {}: {}",
                text(event, "/user/username"),
                text(event, "/verb"),
                text(event, "/requestURI"),
                text(event, "/responseStatus/message")
            )
        })
        .collect();
    rows.push(Row::found(
        "writes of controllers, nodes and provisioners",
        format!("{} writes", own.len()),
        None,
        wrong,
    ));
    rows
}

/// After it, some of the workloads are gone.
const LAST: &str = "a Namespace is deleted";

type Act = fn(&Cluster) -> Vec<String>;
const ACTIONS: &[(&str, Act)] = &[
    ("all are rolled out again", |cluster| {
        each(cluster, |kubectl, kind, name, namespace| {
            kubectl.run(&["rollout", "restart", kind, name, "-n", namespace], "")
        })
    }),
    ("all are labelled", |cluster| {
        each(cluster, |kubectl, kind, name, namespace| {
            kubectl.run(&["label", kind, name, "-n", namespace, "team=data", "--overwrite"], "")
        })
    }),
    ("one more replica, and back", scaled),
    ("their pods are deleted", |cluster| {
        failed(&cluster.kubectl.run(&["delete", "pods", "--all", "-n", "shop"], ""))
    }),
    ("a node is drained", |cluster| {
        let args =
            ["drain", "n2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=40s"];
        let drained = cluster.kubectl.run(&args, "");
        cluster.kubectl.ok(&["uncordon", "n2"], "");
        // Budgets of beginners block drains; that is no matter of stategate's.
        if drained.stderr.contains("admission webhook") { vec![drained.stderr] } else { Vec::new() }
    }),
    ("a Job and a CronJob run", |cluster| {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "shop"}, "spec": {
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "once", "image": "busybox"}]}},
        }});
        let mut wrong = failed(&cluster.kubectl.apply(&job.to_string()));
        let done = || cluster.kubectl.get_json(&["job", "once", "-n", "shop"])["status"]["succeeded"] == 1;
        if wrong.is_empty() && !wait_until(SOON, done) {
            wrong.push("the Job does not complete".to_owned());
        }
        wrong
    }),
    ("a Deployment is deleted, and collected", |cluster| {
        let web = crate::STATELESS.replace("name: web", "name: passing");
        let mut wrong = failed(&cluster.kubectl.apply(&web));
        wrong.extend(failed(&cluster.kubectl.run(&["delete", "deployment", "passing", "-n", "shop"], "")));
        let pods = || {
            cluster.kubectl.get_json(&["pods,replicasets", "-n", "shop", "-l", "app=passing"])["items"]
                .as_array()
                .map_or(0, Vec::len)
        };
        if !wait_until(SOON, || pods() == 0) {
            wrong.push("pods are left".to_owned());
        }
        wrong
    }),
    (LAST, |cluster| {
        let namespaces = cluster.kubectl.get_json(&[KINDS, "-A", "-l", "app.kubernetes.io/name!=stategate"]);
        let items = namespaces["items"].as_array().unwrap();
        let name = items
            .iter()
            .map(|one| text(one, "/metadata/namespace"))
            .find(|name| *name != "shop")
            .unwrap_or("shop");
        super::deletion::namespace_ends(cluster, name)
    }),
];

/// What must be refused even of workloads that run: each names what would be lost.
const REASONS: [&str; 2] = ["workload-rwo-rollout-deadlock", "scale-down-guard"];

/// Each workload gets a replica more, and is scaled back; who was refused without one of the [`REASONS`].
fn scaled(cluster: &Cluster) -> Vec<String> {
    let more = std::cell::RefCell::new(BTreeSet::new());
    let scale = |kubectl: &Kubectl, kind: &str, name: &str, namespace: &str, by: i64| {
        let args = [kind, name, "-n", namespace];
        let replicas = kubectl.get_json(&args)["spec"]["replicas"].as_i64().unwrap_or(1) + by;
        kubectl.run(&[&["scale"], &args[..], &[&format!("--replicas={replicas}")]].concat(), "")
    };
    let mut wrong = each(cluster, |kubectl, kind, name, namespace| {
        if kind == "daemonset" {
            return kubectl.run(&["get", kind, name, "-n", namespace], "");
        }
        let output = scale(kubectl, kind, name, namespace, 1);
        if output.succeeded() {
            more.borrow_mut().insert(format!("{kind} {namespace}/{name}"));
        }
        output
    });
    std::thread::sleep(Duration::from_secs(5));
    wrong.extend(each(cluster, |kubectl, kind, name, namespace| {
        if !more.borrow().contains(&format!("{kind} {namespace}/{name}")) {
            return kubectl.run(&["get", kind, name, "-n", namespace], "");
        }
        scale(kubectl, kind, name, namespace, -1)
    }));
    let (told, wrong): (Vec<String>, Vec<String>) =
        wrong.into_iter().partition(|why| REASONS.iter().any(|reason| why.contains(reason)));
    told.iter().for_each(|why| println!("  refused for a reason: {why:.200}"));
    wrong
}

/// Does this to each workload; who was refused.
fn each(
    cluster: &Cluster,
    act: impl Fn(&Kubectl, &str, &str, &str) -> crate::harness::Output,
) -> Vec<String> {
    let all = cluster.kubectl.get_json(&[KINDS, "-A", "-l", "app.kubernetes.io/name!=stategate"]);
    let items = all["items"].as_array().unwrap();
    let done = items.iter().flat_map(|one| {
        let kind = text(one, "/kind").to_lowercase();
        let output =
            act(&cluster.kubectl, &kind, text(one, "/metadata/name"), text(one, "/metadata/namespace"));
        failed(&output).into_iter().map(|why| format!("{}: {why}", name(one))).collect::<Vec<_>>()
    });
    done.collect()
}

fn failed(output: &crate::harness::Output) -> Vec<String> {
    if output.succeeded() {
        return Vec::new();
    }
    let lines: Vec<&str> = output.stderr.lines().filter(|line| !line.starts_with("Warning")).collect();
    vec![lines.join(" ").chars().take(600).collect()]
}

/// Workloads whose specification is another one than before.
fn changes(before: &Value, after: &Value) -> Vec<String> {
    let old = before["items"].as_array().unwrap();
    let new = after["items"].as_array().unwrap();
    let same =
        |one: &&Value| new.iter().any(|other| name(other) == name(one) && other["spec"] == one["spec"]);
    old.iter().filter(|one| !same(one)).map(|one| format!("{} was changed", name(one))).collect()
}
