//! stategate beside a real API server that it asks itself: its inventory is what the cluster holds now, and the
//! command line sees what the webhook sees.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{self, ApiServer, Kubectl, Output, Stategate, http_get, wait_until};
use crate::{GOOD, NAIVE, refused, register_and_wait, silent};

/// A change counts in less than a second; a busy machine takes longer.
pub const SOON: Duration = Duration::from_secs(20);

pub const FAST: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast-encrypted}
provisioner: ebs.csi.aws.com
parameters: {encrypted: 'true'}
allowVolumeExpansion: true
reclaimPolicy: Retain
volumeBindingMode: WaitForFirstConsumer
";

/// The definition of a kind that stategate knows and that most clusters add later.
const SNAPSHOTS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: volumesnapshots.snapshot.storage.k8s.io
  annotations: {api-approved.kubernetes.io: 'https://github.com/kubernetes-csi/external-snapshotter/pull/814'}
spec:
  group: snapshot.storage.k8s.io
  names: {kind: VolumeSnapshot, plural: volumesnapshots, singular: volumesnapshot}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

const SNAPSHOT: &str = "
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: before, namespace: shop}
spec: {source: {persistentVolumeClaimName: data-pg-0}}
";

pub fn good() -> &'static str {
    GOOD.split_once("---").unwrap().0
}

/// A gate that follows the cluster as one of the test server's users.
fn follow(api: &ApiServer, dir: &Path, user: &str) -> Stategate {
    let kubeconfig = api.kubeconfig(user);
    Stategate::start(dir, &["--drain-delay", "0", "--kubeconfig", kubeconfig.to_str().unwrap()])
}

/// What the gate says of a kind.
pub fn known(gate: &Stategate, kind: &str) -> String {
    let (_, text) = http_get(gate.status_port(), "/readyz?verbose").unwrap();
    let start = format!("inventory {kind}: ");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_default().to_owned()
}

#[track_caller]
pub fn becomes(gate: &Stategate, kind: &str, needle: &str) {
    assert!(
        wait_until(SOON * 2, || known(gate, kind).contains(needle)),
        "{kind} is {:?}, not {needle:?}\n{}",
        known(gate, kind),
        gate.log()
    );
}

/// The gate's own program on the command line, as one of the users.
fn stategate(api: &ApiServer, user: &str, args: &[&str]) -> Output {
    let kubeconfig = api.kubeconfig(user);
    harness::stategate(api.dir(), &[args, &["--kubeconfig", kubeconfig.to_str().unwrap()]].concat(), "")
}

fn scale(kubectl: &Kubectl, replicas: u32) -> Output {
    kubectl.run(&["scale", "statefulset", "pg", "-n", "shop", &format!("--replicas={replicas}")], "")
}

#[test]
fn the_webhook_knows_the_cluster_as_it_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    let gate = follow(&api, dir.path(), "admin");
    for kind in ["Namespace", "StatefulSet.apps", "StorageClass.storage.k8s.io", "Node"] {
        assert!(known(&gate, kind).starts_with("complete"), "{kind}: {}", known(&gate, kind));
    }
    register_and_wait(&api, &gate);

    a_class_appears(&admin, &dev);
    a_parent_is_never_older_than_the_request(&dev);
    a_new_namespace_has_its_tier_at_once(&admin);
    what_was_applied_a_moment_before_is_not_missed(&admin);

    // A kind that the cluster does not have yet.
    assert!(known(&gate, "VolumeSnapshot.snapshot.storage.k8s.io").contains("no such resource"));
    admin.ok(&["apply", "-f", "-"], SNAPSHOTS);
    becomes(&gate, "VolumeSnapshot.snapshot.storage.k8s.io", "complete, 0 objects");
    admin.ok(&["apply", "-f", "-"], SNAPSHOT);
    becomes(&gate, "VolumeSnapshot.snapshot.storage.k8s.io", "complete, 1 objects");
    admin.ok(&["delete", "crd", "volumesnapshots.snapshot.storage.k8s.io"], "");
    becomes(&gate, "VolumeSnapshot.snapshot.storage.k8s.io", "no such resource");

    let metrics = gate.metrics();
    for line in [
        "stategate_inventory_objects{kind=\"StorageClass.storage.k8s.io\"} 1",
        "stategate_inventory_complete{kind=\"StatefulSet.apps\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

fn a_class_appears(admin: &Kubectl, dev: &Kubectl) {
    let attempt = || dev.run(&["create", "--dry-run=server", "-f", "-"], good());
    let missing = attempt();
    assert!(missing.stderr.contains("storage-class-exists"), "{missing:?}");
    silent(&admin.apply(FAST));
    assert!(wait_until(SOON, || !attempt().stderr.contains("storage-class-exists")), "{:?}", attempt());
}

fn a_parent_is_never_older_than_the_request(dev: &Kubectl) {
    let created = dev.apply(GOOD);
    assert!(created.succeeded(), "{created:?}");
    // Nothing waits in between.
    let refusal = scale(dev, 0);
    println!("{}", refusal.stderr);
    refused(&refusal, &["scale-to-zero-guard", "StatefulSet shop/pg"]);
    for _ in 0..5 {
        dev.ok(
            &[
                "annotate",
                "statefulset",
                "pg",
                "-n",
                "shop",
                "--overwrite",
                "stategate.io/confirm-scale=3->0",
            ],
            "",
        );
        let confirmed = scale(dev, 0);
        assert!(confirmed.succeeded(), "{confirmed:?}");
        dev.ok(&["annotate", "statefulset", "pg", "-n", "shop", "stategate.io/confirm-scale-"], "");
        let back = scale(dev, 3);
        assert!(back.succeeded(), "{back:?}");
        refused(&scale(dev, 0), &["scale-to-zero-guard"]);
    }
}

fn a_new_namespace_has_its_tier_at_once(admin: &Kubectl) {
    for number in 0..5 {
        let name = format!("play-{number}");
        let namespace = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{stategate.io/tier: dev}}}}\n---\n"
        );
        // Refused everywhere but in development.
        let both = namespace + &NAIVE.replace("namespace: shop", &format!("namespace: {name}"));
        let applied = admin.apply(&both);
        assert!(applied.stderr.contains("(tier dev)") || applied.succeeded(), "{applied:?}");
    }
}

fn what_was_applied_a_moment_before_is_not_missed(admin: &Kubectl) {
    let (set, budget) = GOOD.split_once("---").unwrap();
    for number in 0..10 {
        let (name, class) = (format!("shop-{number}"), format!("class-{number}"));
        admin.ok(&["create", "namespace", &name], "");
        let of = |text: &str| text.replace("namespace: shop", &format!("namespace: {name}"));
        let set = of(set).replace("fast-encrypted", &class);
        let quota = format!(
            "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: storage, namespace: {name}}}\n\
             spec: {{hard: {{requests.storage: 500Gi}}}}\n"
        );
        let parts = [FAST.replace("fast-encrypted", &class), quota, of(budget), set.clone()];
        let applied = admin.apply(&parts.join("\n---\n"));
        assert!(applied.succeeded() && applied.stderr.is_empty(), "{number}: {applied:?}");
        let alone = set.replace("  name: pg\n", "  name: alone\n").replace("app: pg", "app: alone");
        let applied = admin.apply(&alone);
        assert!(
            applied.succeeded() && applied.stderr.contains("pdb-present only warns at admission"),
            "{applied:?}"
        );
    }
}

#[test]
fn what_may_not_be_read_is_said_and_the_rest_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    admin.ok(&["create", "clusterrole", "watcher", "--verb=list,watch", "--resource=statefulsets.apps"], "");
    admin.ok(&["create", "clusterrolebinding", "watcher", "--clusterrole=watcher", "--user=reader"], "");
    let gate = follow(&api, dir.path(), "reader");
    // It is ready: no waiting would change anything.
    becomes(&gate, "StatefulSet.apps", "complete, 0 objects");
    let nodes = known(&gate, "StorageClass.storage.k8s.io");
    println!("{nodes}");
    assert!(nodes.starts_with("unknown: ") && nodes.contains("storageclasses"), "{nodes}");
    assert!(gate.metrics().contains("stategate_inventory_complete{kind=\"StorageClass.storage.k8s.io\"} 0"));
    let log = gate.log();
    assert!(log.contains("auth can-i --list"), "{log}");
    register_and_wait(&api, &gate);

    let created = dev.apply(GOOD);
    assert!(created.succeeded() && !created.stderr.contains("storage-class-exists"), "{created:?}");
    // The parent may be listed, but not read alone.
    let scaled = scale(&dev, 0);
    println!("{}", scaled.stderr);
    assert!(scaled.succeeded(), "{scaled:?}");
    assert!(
        scaled.stderr.contains("Warning: not judged by scale-down-guard, scale-to-zero-guard"),
        "{scaled:?}"
    );

    // A right that is granted later counts without a restart.
    admin.ok(
        &[
            "create",
            "clusterrole",
            "classes",
            "--verb=list,watch",
            "--resource=storageclasses.storage.k8s.io",
        ],
        "",
    );
    admin.ok(&["create", "clusterrolebinding", "classes", "--clusterrole=classes", "--user=reader"], "");
    becomes(&gate, "StorageClass.storage.k8s.io", "complete");
}

#[test]
fn an_interruption_is_seen_and_survived() {
    let dir = tempfile::tempdir().unwrap();
    let mut api = ApiServer::start();
    api.kubectl("admin").ok(&["apply", "-f", "-"], FAST);
    let gate = follow(&api, dir.path(), "admin");
    let class = "StorageClass.storage.k8s.io";
    assert!(known(&gate, class).starts_with("complete, 1 objects"), "{}", known(&gate, class));

    // A restart within the time of grace loses nothing and ends nothing.
    api.restart_server();
    let second = FAST.replace("fast-encrypted", "second");
    api.kubectl("admin").ok(&["apply", "-f", "-"], &second);
    becomes(&gate, class, "complete, 2 objects");
    api.restart_etcd();
    api.kubectl("admin").ok(&["delete", "storageclass", "second"], "");
    becomes(&gate, class, "complete, 1 objects");

    // An API server that hangs is noticed although no connection breaks.
    api.server().signal(Signal::STOP);
    becomes(&gate, class, "unknown: no contact with the API server");
    assert!(gate.metrics().contains(&format!("stategate_inventory_complete{{kind=\"{class}\"}} 0")));
    let (status, _) = http_get(gate.status_port(), "/readyz").unwrap();
    assert_eq!(status, 200, "stategate is ready, and knows less");
    api.server().signal(Signal::CONT);
    becomes(&gate, class, "complete, 1 objects");
    api.kubectl("admin").ok(&["apply", "-f", "-"], &second);
    becomes(&gate, class, "complete, 2 objects");
    let log = gate.log();
    assert!(log.contains("inventory is no longer complete"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn the_command_line_sees_what_the_cluster_holds() {
    let api = ApiServer::start();
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    admin.ok(&["apply", "-f", "-"], FAST);
    admin.ok(&["apply", "-f", "-"], GOOD);
    admin.ok(&["apply", "-f", "-"], &NAIVE.replace("name: pg", "name: legacy"));

    let audit = stategate(&api, "admin", &["audit", "-o", "json"]);
    assert_eq!(audit.code, 1, "{audit:?}");
    let report: serde_json::Value = serde_json::from_str(&audit.stdout).unwrap();
    let text = audit.stdout.as_str();
    assert!(
        text.contains("volume-no-emptydir-data") && text.contains("shop/StatefulSet.apps/legacy"),
        "{text}"
    );
    println!("{}", stategate(&api, "admin", &["audit"]).stdout);
    assert!(report["objects"].as_array().is_some_and(|all| all.len() >= 3), "{report}");

    // The export is what `check` needs to see the same, without a cluster.
    let export = stategate(&api, "admin", &["inventory"]);
    assert_eq!(export.code, 0, "{export:?}");
    let (manifest, inventory) = (api.dir().join("pg.yaml"), api.dir().join("cluster.yaml"));
    std::fs::write(&manifest, good().replace("fast-encrypted", "no-such-class")).unwrap();
    std::fs::write(&inventory, &export.stdout).unwrap();
    let manifest = manifest.to_str().unwrap();
    let live = stategate(&api, "admin", &["check", manifest]);
    assert!(live.stdout.contains("storage-class-exists"), "{live:?}");
    let offline =
        harness::stategate(api.dir(), &["check", manifest, "--inventory", inventory.to_str().unwrap()], "")
            .stdout;
    assert!(offline.contains("storage-class-exists"), "{offline}");

    // Applying a manifest over what is stored is an update, and its confirmation is where it was written.
    let smaller = api.dir().join("smaller.yaml");
    std::fs::write(&smaller, good().replace("replicas: 3", "replicas: 0")).unwrap();
    let smaller = smaller.to_str().unwrap();
    let refused = stategate(&api, "admin", &["check", smaller]);
    assert!(refused.code == 1 && refused.stdout.contains("scale-to-zero-guard"), "{refused:?}");
    dev.ok(&["annotate", "statefulset", "pg", "-n", "shop", "stategate.io/confirm-scale=3->0"], "");
    let audit = stategate(&api, "admin", &["audit"]);
    assert!(!audit.stdout.contains("confirm-not-at-create"), "{audit:?}");
    let confirmed = stategate(&api, "admin", &["check", smaller]);
    assert!(!confirmed.stdout.contains("scale-to-zero-guard"), "{confirmed:?}");

    // What another profile would change, before it is switched on.
    let same = stategate(&api, "admin", &["diff", "--against-profile", "production"]);
    assert!(same.code == 2 && same.stderr.contains("nothing to compare with"), "{same:?}");
    let stricter =
        stategate(&api, "admin", &["diff", "--profile", "baseline", "--against-profile", "production"]);
    println!("{}", stricter.stdout);
    assert_eq!(stricter.code, 1, "{stricter:?}");
    assert!(stricter.stdout.contains("becomes denied"), "{stricter:?}");
    let milder = stategate(&api, "admin", &["diff", "--against-profile", "baseline", "-o", "json"]);
    assert_eq!(milder.code, 0, "{milder:?}");
    let milder: serde_json::Value = serde_json::from_str(&milder.stdout).unwrap();
    let probe =
        |one: &serde_json::Value| one["policy"] == "probe-readiness-required" && one["before"] == "deny";
    assert!(milder.as_array().unwrap().iter().any(probe), "{milder}");

    // Whoever may not read the cluster learns which command shows why.
    let nobody = stategate(&api, "reader", &["audit"]);
    assert_eq!(nobody.code, 2, "{nobody:?}");
    assert!(
        nobody.stdout.contains("cannot be checked") && nobody.stdout.contains("can-i --list"),
        "{nobody:?}"
    );
    let nowhere = stategate(&api, "admin", &["audit", "--context", "none"]);
    assert!(nowhere.code == 2 && nowhere.stderr.contains("get-contexts"), "{nowhere:?}");
}
