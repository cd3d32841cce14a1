//! What networks and API servers do wrong, and what stategate makes of it: it knows less, says so, and recovers; it
//! never takes a part for the whole.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{
    ApiServer, Fault, Injection, Output, Proxy, Stategate, command, eventually, register, stategate,
    wait_until,
};
use crate::live::{FAST, SOON, becomes, known};
use crate::measure::{all, client, resident};
use crate::{GOOD, NAIVE, refused, silent};

const CLASS: &str = "StorageClass.storage.k8s.io";
const CLASSES: &str = "storageclasses";
const CLAIM: &str = "PersistentVolumeClaim";
const CLAIMS: &str = "persistentvolumeclaims";
const BUDGET: &str = "PodDisruptionBudget.policy";
const BUDGETS: &str = "poddisruptionbudgets";
/// Three pages.
const NUMBER: usize = 250;

fn follow(dir: &Path, kubeconfig: &str) -> Stategate {
    Stategate::start(dir, &["--drain-delay", "0", "--kubeconfig", kubeconfig])
}

/// A proxy, and a gate behind it. Each gate pauses longer from fault to fault.
fn between(api: &ApiServer, dir: &Path) -> (Proxy, Stategate) {
    let proxy = Proxy::start(&api.kubeconfig("admin"));
    let gate = follow(dir, proxy.kubeconfig());
    (proxy, gate)
}

fn class(name: &str) -> String {
    FAST.replace("fast-encrypted", name)
}

/// How often the gate has been interrupted for this reason.
fn interruptions(gate: &Stategate, kind: &str, reason: &str) -> u64 {
    let metrics = gate.metrics();
    let line = metrics.lines().find(|line| {
        line.starts_with("stategate_inventory_interruptions_total")
            && line.contains(&format!("kind=\"{kind}\""))
            && line.contains(&format!("reason=\"{reason}\""))
    });
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

/// Creates objects in the namespace `shop`.
fn fill(api: &ApiServer, version: &str, plural: &str, number: usize, spec: &Value) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let path = format!("{version}/namespaces/shop/{plural}");
    let object = |number: usize| json!({"metadata": {"name": format!("data-{number}")}, "spec": spec});
    let requests = (0..number).map(|number| ("POST", path.clone(), object(number))).collect();
    runtime.block_on(async { all(&client(&api.kubeconfig("admin")).await, requests).await });
}

fn fill_with_claims(api: &ApiServer) {
    let spec = json!({
        "storageClassName": "fast-encrypted", "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    });
    fill(api, "/api/v1", CLAIMS, NUMBER, &spec);
}

/// The claims in a report of `audit -o json`; each once.
fn audited(output: &Output) -> BTreeSet<String> {
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let objects = report["objects"].as_array().unwrap();
    let claims = objects.iter().map(|one| &one["object"]).filter(|object| object["kind"] == CLAIM);
    let names: Vec<String> = claims.map(|object| object["name"].as_str().unwrap().to_owned()).collect();
    let unique: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(names.len(), unique.len(), "an object was checked twice");
    unique
}

/// The errors of a report, each with its file.
fn errors(output: &Output) -> Vec<String> {
    let report: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    report["errors"].as_array().unwrap().iter().map(Value::to_string).collect()
}

#[test]
fn a_watch_that_breaks_is_seen_and_survived() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    silent(&admin.apply(FAST));

    // Whatever comes in between, the kind is whole again soon, with what was missed.
    let ended =
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}}\n";
    let cases = [
        ("garbage", Injection::Bytes("\u{1}\u{2} garbage\n"), "unreadable"),
        ("an unknown event", Injection::Bytes("{\"type\":\"SHOUTED\",\"object\":{}}\n"), "unreadable"),
        ("the end of the API server's memory", Injection::Bytes(ended), "gone"),
        ("a broken connection", Injection::Cut, "unreachable"),
    ];
    for (number, (what, injection, reason)) in cases.iter().enumerate() {
        let (proxy, gate) = between(&api, dir.path());
        becomes(&gate, CLASS, &format!("complete, {} objects", number + 1));
        proxy.inject(CLASSES, injection);
        eventually(what, SOON, || interruptions(&gate, CLASS, reason) == 1);
        silent(&admin.apply(&class(&format!("class-{number}"))));
        becomes(&gate, CLASS, &format!("complete, {} objects", number + 2));
    }
    let (proxy, gate) = between(&api, dir.path());
    becomes(&gate, CLASS, &format!("complete, {} objects", cases.len() + 1));

    // Half a deletion is none.
    proxy.inject(
        CLASSES,
        &Injection::Bytes("{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"fast-enc"),
    );
    proxy.inject(CLASSES, &Injection::Cut);
    silent(&admin.apply(&class("after")));
    becomes(&gate, CLASS, &format!("complete, {} objects", cases.len() + 2));

    // A line that does not end takes no more memory than the longest that may be.
    let before = resident(&gate);
    proxy.set(CLASSES, Fault::Endless);
    proxy.inject(CLASSES, &Injection::Cut);
    let mut most = before;
    eventually("three lines that do not end", SOON * 2, || {
        most = most.max(resident(&gate));
        interruptions(&gate, CLASS, "unreadable") >= 3
    });
    println!("{before:.0} MiB, and {most:.0} MiB at most with lines that do not end");
    assert!(most < before + 150.0, "{before:.0} MiB have become {most:.0} MiB");
    assert!(!known(&gate, CLASS).starts_with("complete, "), "{}", known(&gate, CLASS));
    proxy.heal();
    becomes(&gate, CLASS, &format!("complete, {} objects", cases.len() + 2));
    // While nothing is heard, nothing is called complete.
    proxy.set(CLASSES, Fault::Refused(500));
    proxy.inject(CLASSES, &Injection::Bytes("garbage\n"));
    becomes(&gate, CLASS, "complete until now, ");
    silent(&admin.apply(&class("unseen")));
    becomes(&gate, CLASS, "unknown, ");
    assert!(gate.metrics().contains(&format!("stategate_inventory_complete{{kind=\"{CLASS}\"}} 0")));
    assert!(known(&gate, "Namespace").starts_with("complete, "), "other kinds do not suffer");
    proxy.heal();
    becomes(&gate, CLASS, &format!("complete, {} objects", cases.len() + 3));

    assert!(!gate.log().contains("panicked"), "{}", gate.log());
}

#[test]
fn a_list_that_expires_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    silent(&api.kubectl("admin").apply(FAST));
    fill_with_claims(&api);
    let proxy = Proxy::start(&api.kubeconfig("admin"));
    let through = ["--kubeconfig", proxy.kubeconfig()];
    let run = |args: &[&str]| stategate(api.dir(), &[args, &through].concat(), "");
    let first_pages = || {
        let pages = proxy.asked(&format!("{CLAIMS}?limit="));
        pages.iter().filter(|path| !path.contains("continue=")).count()
    };
    let all: BTreeSet<String> = (0..NUMBER).map(|number| format!("data-{number}")).collect();

    // `audit` lists the claims twice: as what is known, and as what is checked.
    for (expired, lists) in [(0, 2), (1, 3), (2, 4)] {
        proxy.set(CLAIMS, Fault::Expired(expired));
        let before = first_pages();
        let audit = run(&["audit", "-o", "json"]);
        assert_eq!((audit.code, first_pages() - before), (0, lists), "{audit:?}");
        assert_eq!(audited(&audit), all);
        assert!(errors(&audit).is_empty());
    }

    proxy.set(CLAIMS, Fault::Expired(1));
    let before = first_pages();
    let export = run(&["inventory"]);
    assert_eq!((export.code, first_pages() - before), (0, 2), "{}", export.stderr);
    let documents = stategate::yaml::read(&export.stdout).unwrap();
    let list = documents.iter().find(|list| list.value["kind"] == "PersistentVolumeClaimList").unwrap();
    let items = list.value["items"].as_array().unwrap();
    let names: BTreeSet<String> =
        items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!((items.len(), names), (NUMBER, all.clone()));

    // A cluster that cannot stream lists.
    proxy.set(CLAIMS, Fault::Expired(1));
    let before = first_pages();
    let gate = follow(dir.path(), proxy.kubeconfig());
    becomes(&gate, CLAIM, &format!("complete, {NUMBER} objects"));
    assert_eq!(first_pages() - before, 2);

    // A list that never ends in time is an error, not a shorter list.
    proxy.set(CLAIMS, Fault::Expired(usize::MAX));
    let audit = run(&["audit", "-o", "json"]);
    assert_eq!(audit.code, 2, "{audit:?}");
    let errors = errors(&audit);
    assert!(
        errors.iter().any(|error| error.contains(CLAIM) && error.contains("cannot be checked")),
        "{errors:?}"
    );
    let export = run(&["inventory"]);
    assert_eq!(export.code, 2, "{}", export.stderr);
    assert!(export.stderr.contains("PersistentVolumeClaim is left out"), "{}", export.stderr);
    assert!(!export.stdout.contains("PersistentVolumeClaimList"));
}

#[test]
fn an_audit_that_is_interrupted_calls_nothing_clean() {
    let api = ApiServer::start();
    silent(&api.kubectl("admin").apply(FAST));
    silent(&api.kubectl("admin").apply(GOOD));
    let spec = json!({"maxUnavailable": 1, "selector": {"matchLabels": {"app": "pg"}}});
    fill(&api, "/apis/policy/v1", BUDGETS, NUMBER, &spec);
    let kubeconfig = api.kubeconfig("admin");

    // The API server goes while budgets are read the first time, to be known: there is nothing to report.
    let proxy = Proxy::start(&kubeconfig);
    proxy.set(BUDGETS, Fault::Gone(1));
    let audit = stategate(api.dir(), &["audit", "--kubeconfig", proxy.kubeconfig()], "");
    assert!(audit.code == 2 && audit.stdout.is_empty() && audit.stderr.contains("/readyz"), "{audit:?}");

    // It goes while they are checked, at once or without a word: what comes after them is not checked either.
    for fault in [Fault::Gone(2), Fault::Silent(2)] {
        let proxy = Proxy::start(&kubeconfig);
        proxy.set(BUDGETS, fault);
        let begun = Instant::now();
        let audit = stategate(api.dir(), &["audit", "-o", "json", "--kubeconfig", proxy.kubeconfig()], "");
        println!("{fault:?}: ended after {:?}", begun.elapsed());
        assert_eq!(audit.code, 2, "{audit:?}");
        let errors = errors(&audit);
        for kind in [BUDGET, "StatefulSet.apps", CLASS, "Pod", CLAIM] {
            let of = |error: &&String| {
                error.contains(&format!("\"{kind}\"")) && error.contains("cannot be checked")
            };
            assert_eq!(errors.iter().filter(of).count(), 1, "{kind}: {errors:?}");
        }
        assert!(!errors.iter().any(|error| error.contains("CronJob")), "it was checked: {errors:?}");
        // Each kind would take half a minute if it were asked for.
        assert!(proxy.asked("?limit=").last().unwrap().contains("continue="), "it goes on asking");
    }

    // `check` asks for objects one by one, and knows when to stop.
    let proxy = Proxy::start(&kubeconfig);
    proxy.set("pg-1", Fault::Gone(0));
    let file = api.dir().join("many.yaml");
    let many: Vec<String> =
        (0..6).map(|number| NAIVE.replace("name: pg\n", &format!("name: pg-{number}\n"))).collect();
    std::fs::write(&file, many.join("---\n")).unwrap();
    let many = ["check", file.to_str().unwrap(), "-o", "json", "--kubeconfig", proxy.kubeconfig()];
    let check = stategate(api.dir(), &many, "");
    let told = errors(&check).iter().filter(|error| error.contains("cannot tell whether it exists")).count();
    assert_eq!((check.code, told), (2, 5), "{check:?}");
    let asked = proxy.asked("/statefulsets/pg-");
    assert!(!asked.iter().any(|path| path.ends_with("pg-2")), "{asked:?}");

    // A person who interrupts an audit gets no report that looks like one.
    for signal in [Signal::INT, Signal::TERM] {
        let proxy = Proxy::start(&kubeconfig);
        proxy.set(BUDGETS, Fault::Silent(2));
        let report = api.dir().join("report.json");
        let to = format!("json={}", report.display());
        let mut audit = command(api.dir())
            .args(["audit", "-o", "text", "-o", &to, "--kubeconfig", proxy.kubeconfig()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        eventually("the second list", SOON, || proxy.asked(BUDGETS).len() == 5);
        kill_process(Pid::from_child(&audit), signal).unwrap();
        assert!(wait_until(Duration::from_secs(5), || audit.try_wait().unwrap().is_some()), "it goes on");
        let output = audit.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{output:?}");
        assert!(output.stdout.is_empty() && !report.exists(), "{output:?}");
    }
}

/// The definition of a kind of KEDA that a projection reads in the version v1alpha1, with these versions served.
fn definition(served: &[&str]) -> String {
    let version = |name: &&str| {
        json!({"name": name, "served": served.contains(name), "storage": *name == "v1", "schema": {
            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }})
    };
    let versions: Vec<Value> = ["v1", "v1alpha1"].iter().map(version).collect();
    let names = json!({"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "scaledobjects.keda.sh"},
        "spec": {"group": "keda.sh", "names": names, "scope": "Namespaced", "versions": versions},
    })
    .to_string()
}

#[test]
fn a_kind_is_read_in_a_version_that_a_projection_reads() {
    const SCALED: &str = "ScaledObject.keda.sh";
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let (proxy, gate) = between(&api, dir.path());
    let run =
        |args: &[&str]| stategate(api.dir(), &[args, &["--kubeconfig", proxy.kubeconfig()]].concat(), "");
    becomes(&gate, SCALED, "no such resource");

    // Two versions, of which the API server prefers the other one.
    admin.ok(&["apply", "-f", "-"], &definition(&["v1", "v1alpha1"]));
    let scaled = "{apiVersion: keda.sh/v1, kind: ScaledObject, metadata: {name: pg, namespace: shop}, spec: \
                  {minReplicaCount: 1, scaleTargetRef: {kind: StatefulSet, name: pg}}}";
    eventually("the new kind", SOON, || admin.apply(scaled).succeeded());
    admin.ok(&["apply", "-f", "-"], FAST);
    admin.ok(&["apply", "-f", "-"], GOOD);
    becomes(&gate, SCALED, "complete, 1 objects");
    let (audit, export) = (run(&["audit", "-o", "json"]), run(&["inventory"]));
    assert!(audit.code < 2 && export.code == 0, "{audit:?}\n{}", export.stderr);
    assert!(export.stdout.contains("apiVersion: keda.sh/v1alpha1\n"), "{}", export.stdout);
    let asked = proxy.asked("/scaledobjects");
    assert!(asked.iter().all(|path| path.starts_with("/apis/keda.sh/v1alpha1/")), "{asked:?}");

    // A version that no projection reads: what is known of the kind is not what there is.
    admin.ok(&["apply", "-f", "-"], &definition(&["v1"]));
    const WHY: &str = "ScaledObject.keda.sh is served as v1, and its projection reads v1alpha1";
    becomes(&gate, SCALED, &format!("unknown: {WHY}"));
    let (audit, export) = (run(&["audit", "-o", "json"]), run(&["inventory"]));
    assert!(audit.stdout.contains(WHY), "{audit:?}");
    assert!(
        export.code == 2 && export.stderr.contains(WHY) && export.stderr.contains("--policies"),
        "{}",
        export.stderr
    );
    assert!(!export.stdout.contains("ScaledObject"), "{}", export.stdout);
    let path = api.dir().join("pg.yaml");
    std::fs::write(&path, GOOD).unwrap();
    let check = run(&["check", path.to_str().unwrap()]);
    assert!(check.stdout.contains(WHY), "{check:?}");

    // It is served again.
    admin.ok(&["apply", "-f", "-"], &definition(&["v1", "v1alpha1"]));
    becomes(&gate, SCALED, "complete, 1 objects");
}

/// As large as an API server stores objects: etcd takes requests of 1.5 MiB.
const LARGE: usize = 1_400_000;

#[test]
fn the_largest_objects_are_known_and_judged() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    admin.ok(&["apply", "-f", "-"], FAST);
    let mut large = stategate::yaml::read(NAIVE).unwrap().remove(0).value;
    let container = &mut large["spec"]["template"]["spec"]["containers"][0];
    let env = container["env"].as_array().cloned().unwrap_or_default();
    let long = |number: usize| json!({"name": format!("LONG_{number}"), "value": "x".repeat(10_000)});
    container["env"] = env.into_iter().chain((0..LARGE / 10_000).map(long)).collect();
    large["metadata"]["annotations"] = json!({"note": "x".repeat(200_000 - LARGE / 10)});
    let (text, file) = (large.to_string(), api.dir().join("large.json"));
    std::fs::write(&file, &text).unwrap();
    assert!(text.len() > LARGE, "{}", text.len());

    let gate = follow(dir.path(), api.kubeconfig("admin").to_str().unwrap());
    let create = ["create", "-f", file.to_str().unwrap()];
    register(&api, &gate, &[], |admin| {
        admin
            .run(&["create", "--dry-run=server", "-f", "-"], &NAIVE.replace("name: pg", "name: probe"))
            .denied()
    });
    refused(&admin.run(&create, ""), &["volume-no-emptydir-data"]);
    admin.ok(&["delete", "validatingwebhookconfiguration,mutatingwebhookconfiguration", "stategate"], "");
    eventually("a write that nobody reviews", SOON, || admin.run(&create, "").succeeded());
    becomes(&gate, "StatefulSet.apps", "complete, 1 objects, last");

    // An update has it twice.
    admin.ok(&["apply", "-f", "-"], &gate.webhook_config(&[]));
    let label = ["label", "statefulset", "pg", "-n", "shop", "--overwrite", "team=data"];
    eventually("a warning", SOON, || admin.ok(&label, "").stderr.contains("earlier finding"));

    let through = ["--kubeconfig", &api.kubeconfig("admin").display().to_string()].map(str::to_owned);
    let run =
        |args: &[&str]| stategate(api.dir(), &[args, &through.each_ref().map(String::as_str)].concat(), "");
    let audit = run(&["audit", "-o", "json"]);
    assert!(audit.code == 1 && audit.stdout.contains("volume-no-emptydir-data"), "{audit:?}");
    assert!(errors(&audit).is_empty(), "{:?}", errors(&audit));
    // To apply it once more changes nothing.
    let check = run(&["check", file.to_str().unwrap(), "-o", "json"]);
    assert!(check.code == 0 && check.stdout.contains("\"preExisting\": true"), "{}", check.stderr);
    let export = run(&["inventory"]);
    assert_eq!(export.code, 0, "{}", export.stderr);
    let inventory = api.dir().join("export.yaml");
    std::fs::write(&inventory, &export.stdout).unwrap();
    let offline = ["check", file.to_str().unwrap(), "-o", "json", "--inventory", inventory.to_str().unwrap()];
    let offline = stategate(api.dir(), &offline, "");
    assert!(offline.code == 1 && offline.stdout.contains("volume-no-emptydir-data"), "{}", offline.stderr);
    assert!(!gate.log().contains("cannot be read"), "{}", gate.log());
}
