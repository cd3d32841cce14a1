//! The guards against dangerous changes, from kubectl's side: what is refused, that the command in the
//! refusal works, and what the gate knows only from the inventory.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::control_plane::{SOON, items, settles, store, volumes};
use crate::harness::{ApiServer, ControlPlane, Kubectl, Output, Stategate, eventually};
use crate::live::known;
use crate::{GOOD, bound_claim, refused, register_and_wait, silent};

const BLOCKING: &str = "
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: pg, namespace: shop}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: pg}}}
";

/// Runs the command in a refusal's `fix:` line, up to the comma, as that user.
#[track_caller]
fn take_the_advice(kubectl: &Kubectl, refusal: &Output) -> String {
    let (_, advice) = refusal.stderr.split_once("kubectl annotate").expect("a command that confirms");
    let command = advice.lines().next().unwrap().split(", then").next().unwrap().replace('\'', "");
    let arguments: Vec<&str> = std::iter::once("annotate").chain(command.split_whitespace()).collect();
    kubectl.ok(&arguments, "");
    command
}

/// The kinds that the guards need. The list of a single kind states that there are none; a `kubectl get` of
/// several kinds omits those without objects.
const KINDS: [&str; 4] = [
    "/api/v1/namespaces",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/deployments",
    "/apis/policy/v1/poddisruptionbudgets",
];

/// Writes the cluster's current objects to the inventory, which the gate reads at startup.
fn tell(admin: &Kubectl, inventory: &Path, kinds: &[&str]) {
    for kind in kinds {
        let file = format!("{}.json", kind.replace('/', "-"));
        fs::write(inventory.join(file), admin.ok(&["get", "--raw", kind], "").stdout).unwrap();
    }
}

fn replicas(admin: &Kubectl, namespace: &str) -> Value {
    admin.get_json(&["statefulset", "pg", "-n", namespace])["spec"]["replicas"].clone()
}

#[test]
fn changes_that_lose_data_are_refused_until_they_are_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = dir.path().join("inventory");
    fs::create_dir(&inventory).unwrap();
    let api = ApiServer::start();
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    admin.ok(&["create", "namespace", "play"], "");
    admin.ok(&["label", "namespace", "play", "stategate.io/tier=dev"], "");
    admin.ok(&["label", "namespace", "shop", "stategate.io/tier=prod"], "");
    tell(&admin, &inventory, &KINDS[..1]);
    let mut gate =
        Stategate::start(dir.path(), &["--drain-delay", "0", "--inventory", inventory.to_str().unwrap()]);
    register_and_wait(&api, &gate);
    // Without the budget in the same file.
    let (good, _) = GOOD.split_once("---").unwrap();
    silent(&admin.apply(good));
    silent(&admin.apply(&good.replace("namespace: shop", "namespace: play")));

    an_image_goes_back(&dev);
    a_retention_is_flipped(&admin, &dev);
    claims_shrink_and_change_their_class(&admin, &dev, &gate);
    without_its_parent_a_scale_is_let_through(&admin, &dev, &gate);
    silent(&dev.run(&["create", "--dry-run=server", "-f", "-"], BLOCKING));

    tell(&admin, &inventory, &KINDS);
    gate.restart();
    a_budget_blocks(&dev);
    a_scale_to_zero_is_refused(&admin, &dev, &mut gate, &inventory);
}

fn an_image_goes_back(dev: &Kubectl) {
    let set_image = |image: &str| {
        dev.run(&["set", "image", "statefulset/pg", &format!("postgres={image}"), "-n", "shop"], "")
    };
    let refusal = set_image("postgres:15.6");
    println!("{}", refusal.stderr);
    refused(
        &refusal,
        &[
            "fail.validate.stategate.io",
            "StatefulSet shop/pg: ",
            "image-version-downgrade [critical]",
            "postgres goes 16.4->15.6: the older version may not read what the newer one has written",
            "at:  spec.template.spec.containers[0].image",
            "stategate.io/confirm-version-change='16.4->15.6'",
        ],
    );
    // A patch rollback is not a downgrade, and the confirmation of one step does not cover another.
    silent(&set_image("postgres:16.3"));
    silent(&set_image("postgres:16.4"));
    take_the_advice(dev, &refusal);
    refused(&set_image("postgres:14.11"), &["image-version-downgrade", "the confirmation says 16.4->15.6"]);
    let confirmed = set_image("postgres:15.6");
    assert!(confirmed.succeeded(), "{confirmed:?}");
}

fn a_retention_is_flipped(admin: &Kubectl, dev: &Kubectl) {
    let patch = |kubectl: &Kubectl, namespace: &str, policy: &str| {
        let patch = format!(r#"{{"spec":{{"persistentVolumeClaimRetentionPolicy":{policy}}}}}"#);
        kubectl.run(&["patch", "statefulset", "pg", "-n", namespace, "--type=merge", "-p", &patch], "")
    };
    refused(
        &patch(dev, "shop", r#"{"whenDeleted":"Delete","whenScaled":"Delete"}"#),
        &[
            "pvc-retention-flip [high]",
            "whenDeleted: Delete lets go of the claims of pg, kept so far, when it is deleted",
            "whenScaled: Delete lets go of the claims of pg, kept so far, when it is scaled down",
            "at:  spec.persistentVolumeClaimRetentionPolicy.whenScaled",
        ],
    );
    silent(&patch(dev, "shop", r#"{"whenDeleted":"Retain"}"#));
    // The Namespace is labelled as development: only the inventory knows that.
    silent(&patch(admin, "play", r#"{"whenScaled":"Delete"}"#));
    silent(&patch(admin, "play", r#"{"whenScaled":"Retain"}"#));
}

/// The API server rejects what it never allows before it calls a webhook: nothing is left to guard at
/// admission, and stategate's findings on such changes matter to `check` only.
fn claims_shrink_and_change_their_class(admin: &Kubectl, dev: &Kubectl, gate: &Stategate) {
    let patch = |change: &str| {
        dev.run(&["patch", "pvc", "data-pg-0", "-n", "shop", "--type=merge", "-p", change], "")
    };
    let asked = || gate.log().matches("\"name\":\"data-pg-0\"").count();
    let smaller = r#"{"spec":{"resources":{"requests":{"storage":"512Mi"}}}}"#;
    bound_claim(admin, "data-pg-0");
    // It does not compare sizes if the claim's status states no capacity.
    refused(&patch(smaller), &["pvc-no-shrink [high]", "claim data-pg-0 shrinks from 1Gi to 512Mi"]);

    let has = r#"{"status":{"capacity":{"storage":"1Gi"}}}"#;
    admin.ok(
        &["patch", "pvc", "data-pg-0", "-n", "shop", "--subresource=status", "--type=merge", "-p", has],
        "",
    );
    let before = asked();
    for (change, why) in [
        (smaller, "field can not be less than status.capacity"),
        (r#"{"spec":{"storageClassName":"other"}}"#, "spec is immutable after creation"),
    ] {
        let output = patch(change);
        assert!(!output.succeeded() && !output.denied() && output.stderr.contains(why), "{output:?}");
    }
    assert_eq!(asked(), before, "stategate was asked");
}

fn without_its_parent_a_scale_is_let_through(admin: &Kubectl, dev: &Kubectl, gate: &Stategate) {
    let unknown = "stategate_policy_unknown_total{policy=\"scale-to-zero-guard\"} ";
    assert!(!gate.metrics().contains(unknown));
    let scaled = dev.run(&["scale", "statefulset", "pg", "-n", "shop", "--replicas=0"], "");
    assert!(scaled.succeeded(), "{scaled:?}");
    let told = "Warning: not judged by";
    assert!(scaled.stderr.contains(told) && scaled.stderr.contains("scale-to-zero-guard"), "{scaled:?}");
    assert_eq!(replicas(admin, "shop"), 0);
    assert!(gate.metrics().contains(unknown), "{}", gate.metrics());
    let log = gate.log();
    let line =
        log.lines().find(|line| line.contains("\"subresource\":\"scale\"")).expect("a line of the log");
    let line: Value = serde_json::from_str(line).unwrap();
    println!("{line}");
    let missing = line["unknown"].as_str().unwrap();
    assert!(missing.contains("scale-to-zero-guard") && missing.contains("scale-down-guard"), "{line}");
    assert_eq!((&line["allowed"], &line["deny"]), (&true.into(), &"".into()), "{line}");
    // An edit of the object itself carries everything the guard needs.
    silent(&dev.run(&["scale", "statefulset", "pg", "-n", "shop", "--replicas=3"], ""));
    let edit = r#"{"spec":{"replicas":0}}"#;
    refused(
        &dev.run(&["patch", "statefulset", "pg", "-n", "shop", "--type=merge", "-p", edit], ""),
        &["scale-to-zero-guard [critical]", "scaling StatefulSet pg from 3 to 0 stops it for everybody"],
    );
    assert_eq!(replicas(admin, "shop"), 3);
}

fn a_budget_blocks(dev: &Kubectl) {
    refused(
        &dev.run(&["create", "--dry-run=server", "-f", "-"], BLOCKING),
        &[
            "ignore.validate.stategate.io",
            "pdb-not-blocking [high]",
            "PodDisruptionBudget pg (maxUnavailable 0) lets none of the 3 pods of pg be evicted",
            "at:  spec.maxUnavailable",
        ],
    );
    silent(&dev.apply(&BLOCKING.replace("maxUnavailable: 0", "maxUnavailable: 1")));
    let stateless = BLOCKING.replace("app: pg", "app: web").replace("name: pg", "name: web");
    silent(&dev.run(&["create", "--dry-run=server", "-f", "-"], &stateless));
}

fn a_scale_to_zero_is_refused(admin: &Kubectl, dev: &Kubectl, gate: &mut Stategate, inventory: &Path) {
    let scale = |kubectl: &Kubectl, namespace: &str, to: &str| {
        kubectl.run(&["scale", "statefulset", "pg", "-n", namespace, &format!("--replicas={to}")], "")
    };
    let refusal = scale(dev, "shop", "0");
    println!("{}", refusal.stderr);
    refused(
        &refusal,
        &[
            "ignore.validate.stategate.io",
            "StatefulSet shop/pg (scale): 1 problem",
            "scale-to-zero-guard [critical]",
            "scaling StatefulSet pg from 3 to 0 stops it for everybody: nobody has confirmed it",
            "at:  spec.replicas",
            "stategate.io/confirm-scale='3->0'",
        ],
    );
    refused(&scale(dev, "shop", "1"), &["scale-down-guard [high]", "2 members go at once"]);
    silent(&scale(dev, "shop", "4"));
    silent(&scale(dev, "shop", "3"));
    assert_eq!(replicas(admin, "shop"), 3);
    // In a Namespace labelled as development, no confirmation is needed.
    silent(&scale(admin, "play", "0"));

    take_the_advice(dev, &refusal);
    // A file does not follow the cluster: until it is rewritten, the gate does not see the confirmation.
    refused(&scale(dev, "shop", "0"), &["nobody has confirmed it"]);
    tell(admin, inventory, &KINDS);
    gate.restart();
    silent(&scale(dev, "shop", "0"));
    assert_eq!(replicas(admin, "shop"), 0);
}

/// With controllers: a person is asked before volumes go, and nobody after that.
#[test]
fn what_takes_volumes_along_goes_once_it_is_confirmed() {
    let dir = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start();
    let admin = plane.kubectl("admin");
    // Made before stategate came, which would not let claims be deleted with their StatefulSet.
    let taken = "  replicas: 3\n  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}\n";
    for (namespace, replicas) in [("orders", "  replicas: 3\n"), ("bank", taken)] {
        admin.ok(&["create", "namespace", namespace], "");
        admin.ok(&["apply", "-f", "-"], &store(namespace, "scratch").replace("  replicas: 3\n", replicas));
        settles(&admin, namespace);
    }
    a_rollout_fails(&admin);
    let kubeconfig = plane.kubeconfig("admin");
    let gate =
        Stategate::start(dir.path(), &["--drain-delay", "0", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    for kind in ["PersistentVolumeClaim", "PersistentVolume"] {
        eventually(kind, SOON, || known(&gate, kind).starts_with("complete"));
    }
    register_and_wait(&plane, &gate);
    it_is_undone(&admin);

    let volume = volumes(&admin, "orders")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    for (object, patch, by) in [
        ("pvc/data-pg-0", r#"{"metadata":{"finalizers":null}}"#, "finalizer-removal-guard"),
        (&*format!("pv/{volume}"), r#"{"metadata":{"finalizers":null}}"#, "finalizer-removal-guard"),
    ] {
        let args = ["patch", object, "-n", "orders", "--type=merge", "-p", patch];
        refused(&admin.run(&args, ""), &[by]);
    }
    refused(&admin.run(&["delete", "pv", &volume, "--wait=false"], ""), &["delete-guard-pv"]);
    let reclaim = |policy: &str| {
        let patch = format!(r#"{{"spec":{{"persistentVolumeReclaimPolicy":"{policy}"}}}}"#);
        admin.run(&["patch", "pv", &volume, "-p", &patch], "")
    };
    assert!(reclaim("Retain").succeeded());
    refused(&reclaim("Delete"), &["pv-reclaim-flip", "changes from Retain to Delete"]);

    let delete = |what: &[&str]| admin.run(&[&["delete"], what, &["--timeout=60s"]].concat(), "");
    let refusal = delete(&["namespace", "orders"]);
    println!("{}", refusal.stderr);
    refused(&refusal, &["delete-guard-namespace", "its 3 bound claims", "data-pg-0", "the disk is erased"]);
    take_the_advice(&admin, &refusal);
    let gone = delete(&["namespace", "orders"]);
    assert!(gone.succeeded(), "{gone:?}");
    assert!(admin.run(&["get", "namespace", "orders"], "").stderr.contains("NotFound"));
    eventually("all its volumes but the retained one are deleted", SOON, || {
        volumes(&admin, "orders").len() == 1
    });

    let refusal = delete(&["statefulset", "pg", "-n", "bank"]);
    refused(&refusal, &["delete-guard-workload", "3 bound claims (whenDeleted: Delete)"]);
    take_the_advice(&admin, &refusal);
    let gone = delete(&["statefulset", "pg", "-n", "bank"]);
    assert!(gone.succeeded(), "{gone:?}");
    eventually("its claims are collected", SOON, || items(&admin, "pvc", "bank").is_empty());
    eventually("and their volumes", SOON, || volumes(&admin, "bank").is_empty());
}

/// Names a change of a StatefulSet's pods.
fn change(admin: &Kubectl, operations: &str) -> Output {
    admin.run(&["patch", "statefulset", "pg", "-n", "play", "--type=json", "-p", operations], "")
}

/// A database without readiness probe gets one, and a node selector that no node has.
fn a_rollout_fails(admin: &Kubectl) {
    let probe = "/spec/template/spec/containers/0/readinessProbe";
    let without_probe = format!(r#"[{{"op":"remove","path":"{probe}"}}]"#);
    for (namespace, image) in [("play", "postgres:16.4"), ("ledger", "team/ledger:3.1.4")] {
        admin.ok(&["create", "namespace", namespace], "");
        admin.ok(&["apply", "-f", "-"], &store(namespace, "fast-encrypted").replace("postgres:16.4", image));
        let patch = ["patch", "statefulset", "pg", "-n", namespace, "--type=json", "-p", &without_probe];
        admin.ok(&patch, "");
    }
    settles(admin, "play");
    let failing = change(
        admin,
        &format!(
            r#"[{{"op":"add","path":"{probe}","value":{{"exec":{{"command":["pg_isready"]}}}}}},
                {{"op":"add","path":"/spec/template/spec/nodeSelector","value":{{"nowhere":"true"}}}}]"#
        ),
    );
    assert!(failing.succeeded(), "{failing:?}");
    eventually("the rollout has begun", SOON, || {
        let status = &admin.get_json(&["statefulset", "pg", "-n", "play"])["status"];
        status["currentRevision"] != status["updateRevision"]
    });
}

/// What the controller keeps of a rollout shows what ran before, and nobody but the controller writes it.
fn it_is_undone(admin: &Kubectl) {
    for role in ["edit", "admin"] {
        let may_write =
            admin.get_json(&["clusterrole", role])["rules"].as_array().unwrap().clone().iter().any(|rule| {
                let says = |key: &str, what: &str| {
                    rule[key].as_array().is_some_and(|all| all.contains(&what.into()))
                };
                says("resources", "controllerrevisions")
                    && ["create", "update", "patch", "*"].iter().any(|verb| says("verbs", verb))
            });
        assert!(!may_write, "{role} may write revisions: they prove nothing");
    }
    // Not what it was before: another image, without the probe.
    let other = change(
        admin,
        r#"[{"op":"remove","path":"/spec/template/spec/containers/0/readinessProbe"},
            {"op":"replace","path":"/spec/template/spec/containers/0/image","value":"postgres:16.5"}]"#,
    );
    refused(&other, &["probe-readiness-required"]);
    let undone = admin.run(&["rollout", "undo", "statefulset", "pg", "-n", "play"], "");
    assert!(undone.succeeded() && undone.stderr.contains("earlier finding"), "{undone:?}");

    orphaned_and_made_again(admin, "play");
    // Not known by its image: it keeps data because it has claims.
    orphaned_and_made_again(admin, "ledger");
}

fn orphaned_and_made_again(admin: &Kubectl, namespace: &str) {
    let mut again = admin.get_json(&["statefulset", "pg", "-n", namespace]);
    again.as_object_mut().unwrap().remove("status");
    again["metadata"] = serde_json::json!({
        "name": "pg", "namespace": namespace, "annotations": {"stategate.io/backup-method": "volumesnapshot"},
    });
    let deleted = admin.run(&["delete", "statefulset", "pg", "-n", namespace, "--cascade=orphan"], "");
    assert!(deleted.succeeded(), "{deleted:?}");
    let create = |object: &Value| admin.run(&["create", "-f", "-"], &object.to_string());
    let with = |place: &str, value: Value| {
        let mut other = again.clone();
        *other.pointer_mut(place).unwrap() = value;
        other
    };
    // Neither another pod template nor what is no part of it ran before.
    let other = with("/spec/template/spec/containers/0/image", "other/store:16.5".into());
    refused(&create(&other), &["probe-readiness-required"]);
    let refusal = create(&with("/spec/volumeClaimTemplates/0/spec/storageClassName", "scratch".into()));
    refused(&refusal, &["storage-class-allowed"]);
    assert!(!refusal.stderr.contains("probe-readiness-required"), "{refusal:?}");
    let made = create(&again);
    assert!(made.succeeded() && made.stderr.contains("earlier finding"), "{made:?}");
}
