//! What an audit in the background finds is in reports of the cluster: of both groups, written only on change, and
//! none that stategate has not made is touched.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{ApiServer, Kubectl, Stategate, built, http_get, stategate, wait_until};
use crate::{NAIVE, PLAIN_CLASS, refused, register_and_wait};

/// How long a machine with other work may take for a lease and an audit.
const SOON: Duration = Duration::from_secs(90);
const OPEN: [&str; 2] = ["openreports.io_reports", "openreports.io_clusterreports"];
const WORKING_GROUP: [&str; 2] = ["wgpolicyk8s.io_policyreports", "wgpolicyk8s.io_clusterpolicyreports"];
const REPORTS: &str = "reports.openreports.io";
const POLICY_REPORTS: &str = "policyreports.wgpolicyk8s.io";

fn install(admin: &Kubectl, definitions: [&str; 2]) {
    for name in definitions {
        let file = built("crds").join(format!("{name}.yaml"));
        admin.ok(&["create", "-f", file.to_str().unwrap()], "");
    }
    admin.ok(&["wait", "crd", "--all", "--for=condition=Established", "--timeout=50s"], "");
}

fn start(api: &ApiServer, dir: &Path, kubeconfig: &Path, extra: &[&str]) -> Stategate {
    let kubeconfig = kubeconfig.to_str().unwrap();
    let args = ["--drain-delay", "0", "--own-namespace", "shop", "--kubeconfig", kubeconfig];
    let gate = Stategate::start(dir, &[&args[..], extra].concat());
    assert!(api.dir().exists());
    gate
}

fn auditing(api: &ApiServer, dir: &Path) -> Stategate {
    start(api, dir, &api.kubeconfig("admin"), &["--policy-reports", "--audit-every", "1"])
}

/// The report of a namespace, or the one of the cluster.
fn report(admin: &Kubectl, kind: &str, namespace: &str) -> Option<Value> {
    let place: &[&str] = if namespace.is_empty() { &[] } else { &["-n", namespace] };
    let got = admin.run(&[&["get", kind, "stategate", "-o", "json"], place].concat(), "");
    got.succeeded().then(|| serde_json::from_str(&got.stdout).unwrap())
}

fn names(report: &Value, policy: &str, result: &str, object: &str) -> bool {
    let results = report["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    results.iter().any(|one| {
        one["policy"] == policy && one["result"] == result && one["resources"][0]["name"] == object
    })
}

#[track_caller]
fn becomes(gate: &Stategate, what: &str, is: impl FnMut() -> bool) {
    assert!(wait_until(SOON, is), "{what}\n{}\n{}", status(gate), gate.log());
}

fn status(gate: &Stategate) -> String {
    let (code, text) = http_get(gate.status_port(), "/readyz?verbose").unwrap();
    assert_eq!(code, 200, "{text}");
    text.lines().find_map(|line| line.strip_prefix("policy reports: ")).unwrap_or_default().to_owned()
}

fn metric(gate: &Stategate, name: &str) -> f64 {
    let metrics = gate.metrics();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Waits for the ends of two audits, in whole seconds: the second one has begun since.
#[track_caller]
fn another_audit(gate: &Stategate) {
    for _ in 0..2 {
        let last = metric(gate, COMPLETED);
        becomes(gate, "no further audit", || metric(gate, COMPLETED) > last);
    }
}

const COMPLETED: &str = "stategate_audit_last_complete_timestamp_seconds";

#[test]
fn reports_follow_what_runs_and_are_written_only_on_change() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    admin.ok(&["create", "-f", "-"], NAIVE);
    admin.ok(&["create", "-f", "-"], PLAIN_CLASS);

    // Without any kind of report, the numbers are there.
    let gate = auditing(&api, dir.path());
    becomes(&gate, "it does not audit", || metric(&gate, COMPLETED) > 0.0);
    assert!(status(&gate).starts_with("none, the cluster has no kind"), "{}", status(&gate));
    let fails =
        "stategate_audit_results{policy=\"volume-no-emptydir-data\",severity=\"critical\",result=\"fail\"}";
    assert_eq!(metric(&gate, fails), 1.0, "{}", gate.metrics());

    install(&admin, WORKING_GROUP);
    becomes(&gate, "no report", || report(&admin, POLICY_REPORTS, "shop").is_some());
    let first = report(&admin, POLICY_REPORTS, "shop").unwrap();
    println!("{first:#}");
    assert!(names(&first, "volume-no-emptydir-data", "fail", "pg"), "{first:#}");
    // The replica has it as a page, too.
    let page = |path: &str| http_get(gate.status_port(), path).unwrap();
    let (code, audit) = page("/audit");
    assert!(
        code == 200 && audit.contains(" would be refused") && audit.contains("volume-no-emptydir-data"),
        "{audit}"
    );
    assert!(audit.contains("This is what was stored at 20"), "{audit}");
    let (code, overview) = page("/");
    assert!(
        code == 200 && overview.contains("href=\"audit\"") && overview.contains("held by this replica"),
        "{overview}"
    );
    let uid = &admin.get_json(&["statefulset", "pg", "-n", "shop"])["metadata"]["uid"];
    assert_eq!(&first["results"][0]["resources"][0]["uid"], uid);
    let kind = "clusterpolicyreports.wgpolicyk8s.io";
    becomes(&gate, "no cluster report", || report(&admin, kind, "").is_some());
    let cluster = report(&admin, kind, "").unwrap();
    assert!(names(&cluster, "encryption-storageclass-at-rest", "fail", "gp2"), "{cluster:#}");
    assert!(report(&admin, POLICY_REPORTS, "default").is_none(), "there is nothing to report");

    // What does not change is not written.
    another_audit(&gate);
    let same = report(&admin, POLICY_REPORTS, "shop").unwrap();
    assert_eq!(same["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert!(!gate.metrics().contains("result=\"replaced\""), "{}", gate.metrics());

    // A second workload is added to the report.
    admin.ok(&["create", "-f", "-"], &NAIVE.replace("name: pg", "name: other"));
    let both = || {
        report(&admin, POLICY_REPORTS, "shop")
            .filter(|all| names(all, "volume-no-emptydir-data", "fail", "other"))
    };
    becomes(&gate, "it is not in the report", || both().is_some());
    let both = both().unwrap();
    assert!(names(&both, "volume-no-emptydir-data", "fail", "pg"));
    assert_eq!(both["metadata"]["uid"], first["metadata"]["uid"], "it was replaced, not made again");
    let fails = |report: &Value| report["summary"]["fail"].as_u64().unwrap();
    assert_eq!(fails(&both), 2 * fails(&first));

    // The newer group takes the place of the older one.
    install(&admin, OPEN);
    becomes(&gate, "no report of the other group", || {
        report(&admin, REPORTS, "shop").is_some() && report(&admin, POLICY_REPORTS, "shop").is_none()
    });
    let moved = report(&admin, REPORTS, "shop").unwrap();
    assert_eq!(moved["summary"], both["summary"]);
    assert!(status(&gate).starts_with("openreports.io/v1alpha1, last audit at "), "{}", status(&gate));
    another_audit(&gate);
    let same = report(&admin, REPORTS, "shop").unwrap();
    assert_eq!(same["metadata"]["resourceVersion"], moved["metadata"]["resourceVersion"]);

    // What no longer runs is no longer reported; the cluster's own report stays.
    admin.ok(&["delete", "statefulset", "other", "-n", "shop"], "");
    becomes(&gate, "it is still in the report", || {
        report(&admin, REPORTS, "shop").is_some_and(|all| fails(&all) == fails(&first))
    });
    admin.ok(&["delete", "statefulset", "pg", "-n", "shop"], "");
    becomes(&gate, "an empty report stays", || report(&admin, REPORTS, "shop").is_none());
    assert!(report(&admin, "clusterreports.openreports.io", "").is_some());
    assert!(!gate.log().contains("cannot be"), "{}", gate.log());
}

#[test]
fn only_the_holder_writes_only_its_own_and_removes_them_when_turned_off() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    install(&admin, OPEN);
    admin.ok(&["create", "namespace", "theirs"], "");
    for namespace in ["shop", "theirs"] {
        let faulty = NAIVE.replace("namespace: shop", &format!("namespace: {namespace}"));
        admin.ok(&["create", "-f", "-"], &faulty);
    }
    let foreign = "{apiVersion: openreports.io/v1alpha1, kind: Report, metadata: {name: stategate, namespace: theirs}, results: []}";
    admin.ok(&["create", "-f", "-"], foreign);
    // The label alone makes no report stategate's.
    let labelled = foreign
        .replace("name: stategate,", "name: theirs, labels: {app.kubernetes.io/managed-by: stategate},");
    admin.ok(&["create", "-f", "-"], &labelled);
    let theirs = || admin.get_json(&[REPORTS, "-n", "theirs"])["items"].clone();
    let before = theirs();

    let mut first = auditing(&api, dirs[0].path());
    becomes(&first, "no report", || report(&admin, REPORTS, "shop").is_some());
    let second = auditing(&api, dirs[1].path());
    another_audit(&first);
    assert_eq!(theirs(), before);
    let said = first.log().matches("is not stategate's").count();
    assert_eq!(said, 1, "{}", first.log());
    assert!(metric(&first, "stategate_policy_report_writes_total{result=\"foreign\"}") >= 2.0);
    assert_eq!(metric(&second, COMPLETED), 0.0, "one of two audits");
    assert_eq!(status(&second), "no audit by this replica yet");
    let (code, says) = http_get(second.status_port(), "/audit").unwrap();
    assert!(code == 404 && says.contains("The replica that holds the lease audits"), "{says}");
    drop(second);

    // Whoever loses the lease stops at once, and goes on once it is free.
    let hold = |holder: &str| {
        let spec = format!("{{\"spec\":{{\"holderIdentity\":\"{holder}\",\"leaseDurationSeconds\":300}}}}");
        admin.ok(&["patch", "lease", "stategate", "-n", "shop", "--type=merge", "-p", &spec], "");
    };
    hold("somebody");
    becomes(&first, "it does not see that it is not the holder", || {
        metric(&first, "stategate_lease_held") == 0.0 && metric(&first, COMPLETED) == 0.0
    });
    let version = || report(&admin, REPORTS, "shop").unwrap()["metadata"]["resourceVersion"].clone();
    let before_the_change = version();
    admin.ok(&["create", "-f", "-"], &NAIVE.replace("name: pg", "name: other"));
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(version(), before_the_change, "{}", first.log());
    hold("");
    becomes(&first, "it does not go on", || version() != before_the_change);

    assert!(first.stop().success());
    assert!(report(&admin, REPORTS, "shop").is_some(), "a restart is no reason to remove reports");
    let off = start(&api, dirs[1].path(), &api.kubeconfig("admin"), &[]);
    becomes(&off, "the reports stay", || report(&admin, REPORTS, "shop").is_none());
    assert_eq!(theirs(), before);
    assert_eq!(metric(&off, "stategate_lease_held"), 1.0);
}

#[test]
fn a_report_stays_small_and_the_webhook_answers_whatever_there_is_to_report() {
    const MANY: usize = 150;
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    install(&admin, OPEN);
    let all: Vec<String> =
        (0..MANY).map(|number| NAIVE.replace("name: pg", &format!("name: pg-{number}"))).collect();
    admin.ok(&["create", "--validate=false", "-f", "-"], &all.join("---\n"));
    // It audits all the time.
    let kubeconfig = api.kubeconfig("admin");
    let gate = start(
        &api,
        dir.path(),
        &kubeconfig,
        &["--policy-reports", "--audit-every", "0.01", "--threads", "1"],
    );
    becomes(&gate, "no report", || report(&admin, REPORTS, "shop").is_some());
    let stored = report(&admin, REPORTS, "shop").unwrap();
    let results = stored["results"].as_array().unwrap();
    let (last, listed) = results.split_last().unwrap();
    let summary = &stored["summary"];
    let counts = ["fail", "warn", "error", "skip"].map(|count| summary[count].as_u64().unwrap());
    println!("{summary} {last:#} {} bytes", stored.to_string().len());
    assert_eq!(listed.len(), 500);
    assert_eq!(last["properties"]["leftOut"], (counts.iter().sum::<u64>() - 500).to_string());
    assert!(stored.to_string().len() < 512 << 10);
    assert_eq!(listed[0]["severity"], "critical");
    // The command that it names shows all.
    let says = last["message"].as_str().unwrap();
    assert!(says.contains("`stategate audit -n shop` shows all"), "{says}");

    register_and_wait(&api, &gate);
    let dev = api.kubectl("dev");
    let writes = metric(&gate, "stategate_policy_report_writes_total{result=\"created\"}");
    for _ in 0..10 {
        refused(&dev.run(&["create", "--dry-run=server", "-f", "-"], NAIVE), &["volume-no-emptydir-data"]);
    }
    another_audit(&gate);
    assert_eq!(metric(&gate, "stategate_policy_report_writes_total{result=\"created\"}"), writes);
    assert!(!gate.metrics().contains("result=\"replaced\""), "{}", gate.metrics());
    assert!(!gate.metrics().contains("answer=\"shed\"") && !gate.metrics().contains("answer=\"timed_out\""));
}

#[test]
fn the_printed_rights_suffice() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    install(&admin, OPEN);
    admin.ok(&["create", "namespace", "stategate-system"], "");
    admin.ok(&["create", "-f", "-"], NAIVE);
    let account = api.service_account("stategate-system", "stategate", "[]");
    let account_of = "stategate-system/stategate";
    let printed = stategate(dir.path(), &["rbac", "--policy-reports", "--service-account", account_of], "");
    assert!(printed.succeeded() && !printed.stdout.contains('*'), "{printed:?}");
    admin.ok(&["create", "-f", "-"], &printed.stdout);
    admin.ok(&["create", "-f", "-"], &stategate(dir.path(), &["crds"], "").stdout);
    admin.ok(&["wait", "crd", "--all", "--for=condition=Established", "--timeout=50s"], "");
    let exception = "{apiVersion: stategate.io/v1alpha1, kind: PolicyException, metadata: {name: one, namespace: shop}, \
                     spec: {policies: [backup-declared], match: {names: [pg]}, reason: until the migration}}";
    admin.ok(&["create", "-f", "-"], exception);
    let account = account.to_str().unwrap();
    // Its own namespace is the usual one.
    let args = ["--kubeconfig", account, "--policy-reports", "--audit-every", "1", "--drain-delay", "0"];
    let gate = Stategate::start(dir.path(), &args);
    becomes(&gate, "no report", || report(&admin, REPORTS, "shop").is_some());
    another_audit(&gate);
    admin.ok(&["delete", "statefulset", "pg", "-n", "shop"], "");
    becomes(&gate, "the report stays", || report(&admin, REPORTS, "shop").is_none());
    let (_, ready) = http_get(gate.status_port(), "/readyz?verbose").unwrap();
    println!("{ready}");
    assert!(
        !ready.contains("unknown") && !ready.contains("cannot be") && ready.contains("lease: held"),
        "{ready}"
    );
    let log = gate.log();
    assert!(!log.contains("forbidden") && !log.contains("cannot be"), "{log}");
    let holder = admin.get_json(&["lease", "stategate", "-n", "stategate-system"]);
    assert_ne!(holder["spec"]["holderIdentity"], "");
    let condition =
        || admin.get_json(&["policyexceptions", "one", "-n", "shop"])["status"]["conditions"][0].clone();
    becomes(&gate, "no condition", || condition()["reason"] == "InForce");
}

#[test]
fn a_missing_right_is_said_and_costs_nothing_else() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    install(&admin, OPEN);
    admin.ok(&["create", "-f", "-"], NAIVE);
    let reads = "[{apiGroups: [apps], resources: [statefulsets], verbs: [list, watch]}, \
                 {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}]";
    let account = api.service_account("shop", "gate", reads);
    let mut gate = start(&api, dirs[0].path(), &account, &["--policy-reports", "--audit-every", "1"]);
    becomes(&gate, "it does not audit", || metric(&gate, COMPLETED) > 0.0);
    becomes(&gate, "it does not say what it may not do", || {
        status(&gate).contains("reports.openreports.io is forbidden")
    });
    println!("{}", status(&gate));
    another_audit(&gate);
    assert_eq!(gate.log().matches("reports.openreports.io is forbidden").count(), 1, "{}", gate.log());
    assert!(metric(&gate, "stategate_policy_report_writes_total{result=\"failed\"}") > 0.0);
    let fails =
        "stategate_audit_results{policy=\"volume-no-emptydir-data\",severity=\"critical\",result=\"fail\"}";
    assert_eq!(metric(&gate, fails), 1.0, "{}", gate.metrics());
    assert!(report(&admin, REPORTS, "shop").is_none());

    // A right that is granted later counts; kinds that may not be listed are in the report of the cluster.
    let rights = ["clusterrole", "writer", "--verb=get,list,create,update,delete"];
    let both = "--resource=reports.openreports.io,clusterreports.openreports.io";
    admin.ok(&[&["create"], &rights[..], &[both]].concat(), "");
    let bind =
        ["create", "clusterrolebinding", "writer", "--clusterrole=writer", "--serviceaccount=shop:gate"];
    admin.ok(&bind, "");
    becomes(&gate, "no report", || report(&admin, REPORTS, "shop").is_some());
    becomes(&gate, "no report of the cluster", || {
        report(&admin, "clusterreports.openreports.io", "").is_some()
    });
    let cluster = report(&admin, "clusterreports.openreports.io", "").unwrap();
    let says = |one: &Value| {
        one["message"].as_str().unwrap().contains("StorageClass.storage.k8s.io cannot be listed")
    };
    assert!(cluster["results"].as_array().unwrap().iter().any(says), "{cluster:#}");
    becomes(&gate, "the fault stays", || !status(&gate).contains("openreports.io is forbidden"));
    assert!(status(&gate).contains("cannot be listed"), "{}", status(&gate));
    assert!(gate.stop().success());

    // Without the flag and without the rights, there is nothing to say.
    admin.ok(&["delete", "clusterrolebinding", "writer"], "");
    let off = start(&api, dirs[1].path(), &account, &[]);
    becomes(&off, "it does not hold the lease", || metric(&off, "stategate_lease_held") == 1.0);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!off.log().contains("openreports"), "{}", off.log());
    assert!(report(&admin, REPORTS, "shop").is_some());
}
