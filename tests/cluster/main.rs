//! stategate behind a real API server, as seen through kubectl.
//!
//! Each test has its own API server and its own stategate, so tests may run in parallel.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on says so by ending"
)]

mod certs;
mod chart;
mod chart_values;
#[path = "../it/collector.rs"]
mod collector;
mod control_plane;
mod controllers;
mod defaults;
mod events;
mod examples;
mod faults;
mod guards;
mod harness;
mod lease;
mod live;
mod measure;
mod mutation;
mod parity;
mod policies;
mod reading;
mod rehearsal;
mod rendering;
mod reports;
mod traces;
mod webhooks;

use harness::{ApiServer, Kubectl, Output, Stategate, register};
use serde_json::Value;

const GOOD: &str = include_str!("../fixtures/manifests/good-postgres.yaml");
const NAIVE: &str = include_str!("../fixtures/manifests/naive-postgres.yaml");
/// Complete except for anti-affinity and spread, which the webhook adds.
const PLAIN: &str = include_str!("../fixtures/manifests/plain-postgres.yaml");

const STATELESS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx:1.27}]}
";

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: tool, namespace: shop}
spec: {containers: [{name: tool, image: busybox, command: [sleep, '1']}]}
";

const PLAIN_CLASS: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: gp2}
provisioner: ebs.csi.aws.com
";

fn claim(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  storageClassName: fast-encrypted\n  \
         accessModes: [ReadWriteOnce]\n  resources: {{requests: {{storage: 1Gi}}}}\n"
    )
}

/// A claim marked as bound; nothing in this cluster binds volumes.
fn bound_claim(admin: &Kubectl, name: &str) {
    admin.apply(&claim(name));
    let patch = r#"{"status":{"phase":"Bound"}}"#;
    admin.ok(&["patch", "pvc", name, "-n", "shop", "--subresource=status", "--type=merge", "-p", patch], "");
}

fn start(dir: &std::path::Path) -> (ApiServer, Stategate) {
    let api = ApiServer::start();
    let gate = Stategate::start(dir, &["--drain-delay", "0"]);
    (api, gate)
}

fn register_and_wait(api: &ApiServer, gate: &Stategate) {
    register(api, gate, &[], |admin| {
        admin
            .run(&["create", "--dry-run=server", "-f", "-"], &NAIVE.replace("name: pg", "name: probe"))
            .denied()
            && admin.run(&["create", "--dry-run=server", "-f", "-"], PLAIN_CLASS).denied()
    });
}

fn stored(admin: &Kubectl, name: &str) -> Value {
    admin.get_json(&["statefulset", name, "-n", "shop"])
}

#[track_caller]
fn refused(output: &Output, needles: &[&str]) {
    assert!(output.denied(), "not refused: {output:?}");
    for needle in needles {
        assert!(output.stderr.contains(needle), "{needle:?} is not in:\n{}", output.stderr);
    }
}

#[track_caller]
fn silent(output: &Output) {
    assert!(output.succeeded() && !output.stderr.contains("Warning"), "{output:?}");
}

#[test]
fn a_dangerous_statefulset_is_refused_and_a_good_one_made_better() {
    let dir = tempfile::tempdir().unwrap();
    let (api, gate) = start(dir.path());
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    // A workload from before stategate was installed.
    admin.apply(&NAIVE.replace("name: pg", "name: legacy"));
    register_and_wait(&api, &gate);

    // A refusal says what is wrong, where, how to fix it and why; nothing is stored.
    let refusal = dev.run(&["apply", "-f", "-"], NAIVE);
    println!("{}", refusal.stderr);
    refused(
        &refusal,
        &[
            "(Forbidden)",
            "admission webhook \"fail.validate.stategate.io\" denied the request: StatefulSet shop/pg: ",
            "volume-no-emptydir-data [critical]",
            "  at:  spec.template.spec.volumes[0]",
            "  fix: ",
            "volumeClaimTemplates",
            "  why: ",
        ],
    );
    assert!(admin.run(&["get", "statefulset", "pg", "-n", "shop"], "").stderr.contains("not found"));
    refused(&dev.run(&["create", "--dry-run=server", "-f", "-"], NAIVE), &["volume-no-emptydir-data"]);
    refused(
        &admin.run(&["create", "-f", "-"], PLAIN_CLASS),
        &["encryption-storageclass-at-rest", "storageclass-wait-for-first-consumer"],
    );
    let classless = claim("classless").replace("  storageClassName: fast-encrypted\n", "");
    let warned = dev.run(&["create", "--dry-run=server", "-f", "-"], &classless);
    assert!(warned.succeeded() && warned.stderr.contains("storage-class-required"), "{warned:?}");

    // A good object passes silently and unchanged.
    silent(&dev.run(&["create", "--dry-run=server", "-f", "-"], GOOD));
    assert!(admin.run(&["get", "statefulset", "pg", "-n", "shop"], "").stderr.contains("not found"));
    silent(&dev.run(&["apply", "-f", "-"], STATELESS));
    silent(&dev.run(&["apply", "-f", "-"], POD));

    // An object without anti-affinity and spread gets them, once.
    silent(&dev.run(&["apply", "-f", "-"], PLAIN));
    let first = stored(&admin, "pg");
    let pod = &first["spec"]["template"]["spec"];
    let preferred = &pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"];
    println!("anti-affinity as stored: {preferred}\nspread as stored: {}", pod["topologySpreadConstraints"]);
    assert_eq!(preferred[0]["podAffinityTerm"]["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(preferred[0]["podAffinityTerm"]["labelSelector"]["matchLabels"]["app"], "pg");
    assert_eq!(pod["topologySpreadConstraints"][0]["topologyKey"], "topology.kubernetes.io/zone");
    assert_eq!(
        first["metadata"]["annotations"]["stategate.io/mutated-by"],
        "anti-affinity-required,min-ready-seconds,topology-spread-zone"
    );
    silent(&dev.run(&["apply", "-f", "-"], PLAIN));
    assert_eq!(
        stored(&admin, "pg")["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"],
        "not a byte changed"
    );
    // A manifest that replaces the object drops them; they are restored, so no pod restarts.
    silent(&dev.run(&["replace", "-f", "-"], PLAIN));
    let replaced = stored(&admin, "pg");
    assert_eq!(replaced["spec"], first["spec"]);
    assert_eq!(replaced["metadata"]["generation"], first["metadata"]["generation"]);
    assert_eq!(
        replaced["metadata"]["annotations"]["stategate.io/mutated-by"],
        first["metadata"]["annotations"]["stategate.io/mutated-by"]
    );

    // Nothing is added where the user has chosen a value or opted out; opting out leads to a warning.
    let chosen = GOOD
        .replace("whenUnsatisfiable: ScheduleAnyway", "whenUnsatisfiable: DoNotSchedule")
        .replace("name: pg\n", "name: chosen\n");
    silent(&dev.run(&["apply", "-f", "-"], &chosen));
    let annotations = stored(&admin, "chosen")["metadata"]["annotations"].clone();
    assert!(annotations["stategate.io/mutated-by"].is_null());
    let without_spread: String = {
        let (head, rest) = GOOD.split_once("      topologySpreadConstraints:").unwrap();
        let (_, tail) = rest.split_once("      terminationGracePeriodSeconds").unwrap();
        format!("{head}      terminationGracePeriodSeconds{tail}")
    };
    let declined = without_spread
        .replace("  annotations:\n", "  annotations:\n    stategate.io/mutate: \"false\"\n")
        .replace("name: pg\n", "name: declined\n");
    let warned = dev.run(&["apply", "-f", "-"], &declined);
    println!("{}", warned.stderr);
    assert!(warned.succeeded() && warned.stderr.contains("Warning: topology-spread-zone: "), "{warned:?}");
    assert!(stored(&admin, "declined")["spec"]["template"]["spec"]["topologySpreadConstraints"].is_null());

    // Existing violations do not block other changes; new ones are refused.
    let label = admin.run(&["label", "statefulset", "legacy", "-n", "shop", "team=data"], "");
    assert!(label.succeeded() && label.stderr.contains("earlier finding"), "{label:?}");
    assert!(
        stored(&admin, "legacy")["spec"]["template"]["spec"]["affinity"].is_null(),
        "nothing new is added to what runs"
    );
    // This gate knows no cluster, so it cannot see what is scaled, and says so.
    let scaled = dev.run(&["scale", "statefulset", "legacy", "-n", "shop", "--replicas=2"], "");
    assert!(scaled.succeeded() && scaled.stderr.contains("not judged by scale-down-guard"), "{scaled:?}");
    let worse = r#"[{"op":"remove","path":"/spec/template/spec/containers/0/readinessProbe"}]"#;
    refused(
        &dev.run(&["patch", "statefulset", "pg", "-n", "shop", "--type=json", "-p", worse], ""),
        &["probe-readiness-required"],
    );

    let metrics = gate.metrics();
    for name in ["stategate_reviews_total", "stategate_violations_total", "stategate_review_duration_seconds"]
    {
        assert!(metrics.contains(name), "{metrics}");
    }
    let log = gate.log();
    assert!(
        log.contains("shop") && !log.contains("POSTGRES_PASSWORD") && !log.contains("volumeMounts"),
        "bodies reached the log"
    );
}

#[test]
fn a_claim_with_data_is_deleted_only_on_purpose() {
    let dir = tempfile::tempdir().unwrap();
    let (api, gate) = start(dir.path());
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    register_and_wait(&api, &gate);
    for name in ["data-pg-0", "data-pg-1", "data-pg-2"] {
        bound_claim(&admin, name);
    }
    let exists = |name: &str| {
        let claim = admin
            .run(&["get", "pvc", name, "-n", "shop", "-o", "jsonpath={.metadata.deletionTimestamp}"], "");
        claim.succeeded() && claim.stdout.is_empty()
    };
    // As an ordinary user and as an admin, by name and as a collection.
    let refusal = dev.run(&["delete", "pvc", "data-pg-0", "-n", "shop", "--wait=false"], "");
    println!("{}", refusal.stderr);
    refused(
        &refusal,
        &[
            "fail.validate.stategate.io",
            "delete-guard-pvc [critical]",
            "kubectl annotate",
            "stategate.io/confirm-delete='data-pg-0'",
        ],
    );
    refused(
        &admin.run(&["delete", "pvc", "data-pg-0", "-n", "shop", "--wait=false"], ""),
        &["delete-guard-pvc"],
    );
    let collection = "/api/v1/namespaces/shop/persistentvolumeclaims";
    let all = admin.run(&["delete", "--raw", collection], "");
    assert!(!all.succeeded() && all.stderr.contains("delete-guard-pvc"), "{all:?}");
    assert!(
        exists("data-pg-0") && exists("data-pg-1") && exists("data-pg-2"),
        "deletecollection went through"
    );
    let server_dry_run = dev.run(&["delete", "pvc", "data-pg-0", "-n", "shop", "--dry-run=server"], "");
    refused(&server_dry_run, &["delete-guard-pvc"]);

    // The command from the refusal works as printed, and only for the claim it names.
    dev.ok(&["annotate", "pvc", "data-pg-0", "-n", "shop", "stategate.io/confirm-delete=data-pg-0"], "");
    dev.ok(&["annotate", "pvc", "data-pg-1", "-n", "shop", "stategate.io/confirm-delete=data-pg-0"], "");
    silent(&dev.run(&["delete", "pvc", "data-pg-0", "-n", "shop", "--wait=false"], ""));
    assert!(!exists("data-pg-0"));
    refused(
        &dev.run(&["delete", "pvc", "data-pg-1", "-n", "shop", "--wait=false"], ""),
        &["delete-guard-pvc"],
    );

    // Deleting an unbound claim loses nothing, and controllers can do their work.
    admin.apply(&claim("empty"));
    silent(&dev.run(&["delete", "pvc", "empty", "-n", "shop", "--wait=false"], ""));
    silent(&api.kubectl("gc").run(&["delete", "pvc", "data-pg-2", "-n", "shop", "--wait=false"], ""));
}

#[test]
fn without_stategate_the_cluster_goes_on_and_only_the_short_list_waits() {
    let dir = tempfile::tempdir().unwrap();
    let (api, mut gate) = start(dir.path());
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    register_and_wait(&api, &gate);
    admin.apply(PLAIN);
    bound_claim(&admin, "data-pg-0");
    bound_claim(&admin, "data-pg-1");
    gate.kill();

    // Operations outside the short list of guarded ones.
    for manifest in [
        STATELESS,
        POD,
        &claim("later"),
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: shop}}",
    ] {
        silent(&dev.run(&["apply", "-f", "-"], manifest));
    }
    silent(&dev.run(&["scale", "deployment", "web", "-n", "shop", "--replicas=3"], ""));
    silent(&dev.run(&["scale", "statefulset", "pg", "-n", "shop", "--replicas=2"], ""));
    silent(&dev.run(&["delete", "pod", "tool", "-n", "shop", "--wait=false"], ""));
    silent(&dev.run(&["delete", "deployment", "web", "-n", "shop", "--wait=false"], ""));

    // Operations on the short list are refused, and the message names the webhook that did not respond.
    let names_the_webhook = |output: &Output| {
        assert!(
            !output.succeeded()
                && output.stderr.contains("failed calling webhook \"fail.validate.stategate.io\""),
            "{output:?}"
        );
    };
    let refusal = dev.run(&["create", "-f", "-"], &PLAIN.replace("name: pg\n", "name: pg2\n"));
    println!("{}", refusal.stderr);
    names_the_webhook(&refusal);
    names_the_webhook(&dev.run(&["label", "statefulset", "pg", "-n", "shop", "a=b"], ""));
    names_the_webhook(&admin.run(&["create", "-f", "-"], PLAIN_CLASS));
    names_the_webhook(&dev.run(&["delete", "pvc", "data-pg-0", "-n", "shop", "--wait=false"], ""));

    // Requests by controllers, the garbage collector and nodes are never sent to the webhook.
    silent(
        &api.kubectl("controller").run(&["label", "statefulset", "pg", "-n", "shop", "by=controller"], ""),
    );
    silent(&api.kubectl("gc").run(&["delete", "pvc", "data-pg-1", "-n", "shop", "--wait=false"], ""));
    silent(&api.kubectl("node").run(&["label", "statefulset", "pg", "-n", "shop", "by-node=yes"], ""));
    // Nor are those in kube-system.
    silent(&admin.run(&["create", "-f", "-"], &PLAIN.replace("namespace: shop", "namespace: kube-system")));

    // The break-glass command at the top of the configuration restores service.
    let config = gate.webhook_config(&[]);
    let command =
        config.lines().find_map(|line| line.strip_prefix("#   kubectl ")).expect("a break-glass command");
    admin.ok(&command.split(' ').collect::<Vec<_>>(), "");
    let brought_back = harness::wait_until(std::time::Duration::from_secs(30), || {
        dev.run(&["label", "statefulset", "pg", "-n", "shop", "--overwrite", "a=b"], "").succeeded()
    });
    assert!(brought_back, "the break-glass command did not help");

    // Once stategate is back and registered again, it reviews as before.
    gate.restart();
    register_and_wait(&api, &gate);
    refused(
        &dev.run(&["apply", "-f", "-"], &NAIVE.replace("name: pg", "name: pg3")),
        &["volume-no-emptydir-data"],
    );
    assert!(gate.stop().success(), "SIGTERM ends it cleanly");
}
