//! stategate among the controllers of a cluster: nothing that they do to sound workloads is refused, and their
//! writes are known as theirs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::control_plane::{SOON, is_settled, items};
use crate::examples::is_of_a_custom_group;
use crate::harness::{ControlPlane, Kubectl, Stategate, eventually};
use crate::{STATELESS, register_and_wait};

const SOUND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/suites/well-made");
/// A ConfigMap tells that one keeps nothing, which admission does not know; a CronJob of the same file saves the other, which
/// is known a moment later.
const LEFT_OUT: [&str; 2] = ["redis-that-keeps-nothing.yaml", "vault-raft.yaml"];
/// For all workloads together. Sets that start one pod after the other wait ten seconds for each.
const ALL: Duration = Duration::from_secs(240);
const WORKLOADS: &str = "statefulsets,deployments,daemonsets";
const KUBE_SYSTEM: &str = "system:serviceaccount:kube-system:";

/// A CronJob that is due every minute.
const EVERY_MINUTE: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick, namespace: shop}
spec:
  schedule: '* * * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: tick, image: busybox, command: [sleep, '1']}]
";

/// The files of sound workloads.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(SOUND)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .filter(|path| !LEFT_OUT.iter().any(|name| path.ends_with(name)))
        .collect();
    files.sort();
    let mut names = BTreeSet::new();
    files.retain(|path| {
        let objects = objects(path);
        is_built_in(&objects) && is_new(&objects, &mut names)
    });
    assert!(files.len() > 20, "{files:?}");
    files
}

fn objects(path: &Path) -> Vec<Value> {
    let documents = stategate::yaml::read(&fs::read_to_string(path).unwrap()).unwrap();
    documents.into_iter().map(|document| document.value).collect()
}

/// Whether a bare API server knows all kinds of a file.
fn is_built_in(objects: &[Value]) -> bool {
    !objects.iter().any(|one| is_of_a_custom_group(one["apiVersion"].as_str().unwrap_or_default()))
}

/// Whether no workload of a file is called like one of another file.
fn is_new(objects: &[Value], names: &mut BTreeSet<String>) -> bool {
    let own: BTreeSet<String> = objects
        .iter()
        .filter(|one| one["spec"]["template"].is_object())
        .map(|one| format!("{} {} {}", one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]))
        .collect();
    let new = own.is_disjoint(names);
    names.extend(own);
    new
}

/// The text of a file, with workloads that wait no longer for each pod than the webhook has others wait.
fn hurried(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    ["15", "30", "60"].into_iter().fold(text, |text, seconds| {
        text.replace(&format!("minReadySeconds: {seconds}\n"), "minReadySeconds: 10\n")
    })
}

/// All texts at this key, anywhere in the value.
fn texts_at<'a>(value: &'a Value, key: &str, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()));
            fields.values().for_each(|value| texts_at(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| texts_at(value, key, found)),
        _ => {}
    }
}

/// Makes what the workloads in these files take for granted: namespaces, classes, service accounts, and nodes that fit.
pub fn prepare(admin: &Kubectl, files: &[PathBuf]) {
    let objects: Vec<Value> = files.iter().flat_map(|file| objects(file)).collect();
    let (mut namespaces, mut classes, mut priorities) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for object in &objects {
        texts_at(object, "namespace", &mut namespaces);
        texts_at(object, "storageClassName", &mut classes);
        texts_at(object, "priorityClassName", &mut priorities);
    }
    for own in objects.iter().filter(|object| object["kind"] == "StorageClass") {
        classes.remove(own["metadata"]["name"].as_str().unwrap());
    }
    let mut made = Vec::new();
    for name in namespaces.into_iter().filter(|name| *name != "shop") {
        made.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
    for name in classes.into_iter().filter(|name| *name != "fast-encrypted") {
        made.push(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
            "provisioner": "csi.example.org", "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Retain"}));
    }
    for name in priorities.into_iter().filter(|name| !name.starts_with("system-") && *name != "databases") {
        made.push(json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1}));
    }
    for object in &objects {
        let mut accounts = BTreeSet::new();
        texts_at(object, "serviceAccountName", &mut accounts);
        for name in accounts {
            let metadata = json!({"name": name, "namespace": object["metadata"]["namespace"]});
            made.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}));
        }
    }
    admin.ok(&["apply", "-f", "-"], &json!({"apiVersion": "v1", "kind": "List", "items": made}).to_string());
    // What node selectors, affinities and the topologies of classes ask for.
    let labels = [
        "node.example.com/pool=coordination",
        "karpenter.sh/capacity-type=on-demand",
        "topology.ebs.csi.aws.com/zone=eu-west-1a",
    ];
    admin.ok(&[&["label", "nodes", "--all"], &labels[..]].concat(), "");
}

fn names(objects: &[Value]) -> Vec<String> {
    objects
        .iter()
        .map(|object| {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            format!("{} {}/{}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
        })
        .collect()
}

/// Waits until the controllers of all workloads have done their work.
#[track_caller]
fn all_settle(admin: &Kubectl, gate: &Stategate) {
    let mut waiting = Vec::new();
    let settled = crate::harness::wait_until(ALL, || {
        let workloads = admin.get_json(&[WORKLOADS, "-A"])["items"].as_array().unwrap().clone();
        waiting = workloads.into_iter().filter(|workload| !is_settled(workload)).collect();
        waiting.is_empty()
    });
    if !settled {
        let events = admin.run(&["get", "events", "-A", "--field-selector=type=Warning"], "").stdout;
        panic!("not settled: {:#?}\n{events}\n{}", names(&waiting), gate.log());
    }
}

/// Asks each workload of these namespaces to make its pods anew.
fn restart(admin: &Kubectl, namespaces: impl Fn(&str) -> bool) {
    for workload in admin.get_json(&[WORKLOADS, "-A"])["items"].as_array().unwrap() {
        let text = |pointer: &str| workload.pointer(pointer).and_then(Value::as_str).unwrap();
        let kind = text("/kind").to_lowercase();
        let namespace = text("/metadata/namespace");
        if namespaces(namespace) {
            admin.ok(&["rollout", "restart", &kind, text("/metadata/name"), "-n", namespace], "");
        }
    }
}

/// How many Jobs whose names begin like this have completed. Their pods may be gone: a drain removes them.
fn completed(admin: &Kubectl, namespace: &str, prefix: &str) -> usize {
    let done = |job: &&Value| {
        job["status"]["succeeded"] == 1
            && job["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(prefix))
    };
    items(admin, "jobs", namespace).iter().filter(done).count()
}

/// Whether a webhook refused a write, or was not there to judge it.
pub fn went_wrong(event: &Value) -> bool {
    let message = event["responseStatus"]["message"].as_str().unwrap_or_default();
    let unreviewed = |key: &String| key.starts_with("failed-open");
    message.contains("admission webhook")
        || event["annotations"].as_object().is_some_and(|notes| notes.keys().any(unreviewed))
}

#[track_caller]
fn nothing_went_wrong(events: &[Value]) {
    let wrong: Vec<&Value> = events.iter().filter(|event| went_wrong(event)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether a user is a part of the cluster, whose writes the webhook configuration keeps away.
fn is_of_the_cluster(user: &str) -> bool {
    user.starts_with(KUBE_SYSTEM) || user.starts_with("system:node:") || user.starts_with("system:kube-")
}

/// stategate's log, a line for each review.
fn reviews(gate: &Stategate) -> Vec<Value> {
    let lines = gate.log();
    let reviews = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    reviews.filter(|line| line["message"] == "review").collect()
}

#[test]
fn controllers_work_undisturbed_on_sound_workloads() {
    let dir = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start();
    let admin = plane.kubectl("admin");
    prepare(&admin, &files());
    let gate = Stategate::start(dir.path(), &["--drain-delay", "0", "--profile", "production"]);
    register_and_wait(&plane, &gate);
    let (probes, probed) = (plane.audit(), reviews(&gate).len());
    assert!(probes.iter().any(went_wrong), "the audit log shows the refusals that were waited for");

    for file in files() {
        admin.ok(&["apply", "-f", "-"], &hurried(&file));
    }
    admin.ok(&["apply", "-f", "-"], &format!("{STATELESS}---{EVERY_MINUTE}"));
    all_settle(&admin, &gate);
    restart(&admin, |_| true);
    all_settle(&admin, &gate);
    pods_are_evicted(&admin);
    all_settle(&admin, &gate);
    eventually("a Job completes", SOON, || completed(&admin, "orders", "orders-migrate") == 1);
    eventually("a CronJob makes Jobs", ALL, || completed(&admin, "shop", "tick") >= 1);
    owned_objects_and_namespaces_go(&admin);

    nothing_went_wrong(&plane.audit()[probes.len()..]);
    who_was_at_work(&plane);
    let asked: Vec<Value> = reviews(&gate).split_off(probed);
    let users: BTreeSet<&str> = asked.iter().filter_map(|review| review["user"].as_str()).collect();
    println!("stategate was asked {} times, about writes of {users:?}", asked.len());
    assert!(users.contains("admin"), "{users:?}");
    assert!(!users.iter().any(|user| is_of_the_cluster(user)), "writes of the cluster were sent: {users:?}");

    stategate_knows_them_by_itself(&plane, &gate, dir.path());
}

/// A drain of a node moves what it can while budgets allow it.
fn pods_are_evicted(admin: &Kubectl) {
    let args = ["drain", "n2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=55s"];
    let drained = admin.run(&args, "");
    println!("{}", drained.stderr);
    assert!(drained.stdout.contains("evict"), "{drained:?}");
    admin.ok(&["uncordon", "n2"], "");
}

fn owned_objects_and_namespaces_go(admin: &Kubectl) {
    admin.ok(&["delete", "deployment", "web", "-n", "shop"], "");
    eventually("its pods are collected", SOON, || {
        !items(admin, "pods", "shop").iter().any(|pod| pod["metadata"]["labels"]["app"] == "web")
    });
    // With a set, its budget, and a claim that is bound.
    admin.ok(&["delete", "namespace", "sessions", "--timeout=55s"], "");
    assert!(admin.run(&["get", "namespace", "sessions"], "").stderr.contains("NotFound"));
}

/// The controllers whose writes the tests are about have all written.
fn who_was_at_work(plane: &ControlPlane) {
    let events = plane.audit();
    let users: BTreeSet<&str> =
        events.iter().filter_map(|event| event["user"]["username"].as_str()).collect();
    println!("writes were made by {users:?}");
    for controller in [
        "cronjob-controller",
        "daemon-set-controller",
        "deployment-controller",
        "disruption-controller",
        "generic-garbage-collector",
        "job-controller",
        "namespace-controller",
        "persistent-volume-binder",
        "replicaset-controller",
        "statefulset-controller",
    ] {
        assert!(users.contains(format!("{KUBE_SYSTEM}{controller}").as_str()), "{controller} wrote nothing");
    }
    for user in ["system:kube-scheduler", "system:node:kwok", "system:serviceaccount:storage:provisioner"] {
        assert!(users.contains(user), "{user} wrote nothing");
    }
}

/// The webhook configuration keeps the controllers' writes away. A registration by hand may not: then stategate
/// itself takes what a controller makes for a part of the workload that it has reviewed.
fn stategate_knows_them_by_itself(plane: &ControlPlane, gate: &Stategate, dir: &Path) {
    let admin = plane.kubectl("admin");
    let mut configurations =
        stategate::yaml::read(&gate.webhook_config(&["--profile", "production"])).unwrap();
    for configuration in &mut configurations {
        let webhooks = configuration.value["webhooks"].as_array_mut().unwrap();
        let without = webhooks
            .iter_mut()
            .filter_map(|webhook| webhook.as_object_mut().unwrap().remove("matchConditions"));
        assert!(without.count() > 0, "no conditions to leave out: {}", configuration.value);
        let file = dir.join("webhook.json");
        fs::write(&file, configuration.value.to_string()).unwrap();
        admin.ok(&["replace", "-f", file.to_str().unwrap()], "");
    }
    let of_the_cluster = |review: &&Value| review["user"].as_str().is_some_and(is_of_the_cluster);
    eventually("writes of the cluster are sent", SOON, || {
        admin.ok(&["rollout", "restart", "deployment", "page-cache", "-n", "shop"], "");
        std::thread::sleep(Duration::from_secs(1));
        reviews(gate).iter().any(|review| of_the_cluster(&review))
    });
    let before = plane.audit().len();
    restart(&admin, |namespace| ["logging", "shop"].contains(&namespace));
    admin.ok(&["create", "job", "again", "--from=cronjob/tick", "-n", "shop"], "");
    all_settle(&admin, gate);
    eventually("a Job completes", SOON, || completed(&admin, "shop", "again") == 1);
    nothing_went_wrong(&plane.audit()[before..]);

    let reviews = reviews(gate);
    let mut makers = BTreeSet::new();
    for review in reviews.iter().filter(of_the_cluster) {
        assert_eq!(review["allowed"], true, "{review}");
        if review["operation"] == "CREATE" && review["resource"] == "pods" && review["subresource"] == "" {
            assert_eq!(review["exemption"], "the workload that owns it is checked instead", "{review}");
            makers.insert(review["user"].as_str().unwrap().strip_prefix(KUBE_SYSTEM).unwrap());
        }
    }
    let wanted =
        ["daemon-set-controller", "job-controller", "replicaset-controller", "statefulset-controller"];
    assert!(wanted.iter().all(|maker| makers.contains(maker)), "pods were made by {makers:?}");
}
