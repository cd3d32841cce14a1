//! Of several gates beside one cluster, one holds the lease; when it ends, another one does.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{ApiServer, Fault, Injection, Proxy, Stategate, wait_until};

/// How long a machine with other work may take for what follows from a look every few seconds.
const SOON: Duration = Duration::from_secs(60);
/// How long nothing may happen.
const QUIET: Duration = Duration::from_secs(8);
const HELD: &str = "stategate_lease_held 1";

fn gate(api: &ApiServer, dir: &Path, user: &str, namespace: &str) -> Stategate {
    let kubeconfig = api.kubeconfig(user);
    let kubeconfig = kubeconfig.to_str().unwrap();
    Stategate::start(dir, &["--drain-delay", "0", "--kubeconfig", kubeconfig, "--own-namespace", namespace])
}

fn holds(gate: &Stategate) -> bool {
    gate.metrics().lines().any(|line| line == HELD)
}

#[track_caller]
fn comes_to_hold(gate: &Stategate) {
    assert!(wait_until(SOON, || holds(gate)), "it never holds the lease\n{}", gate.log());
}

#[test]
fn one_of_two_holds_the_lease_and_the_other_takes_over() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let lease = || admin.get_json(&["lease", "stategate", "-n", "shop"])["spec"].clone();

    let mut first = gate(&api, dirs[0].path(), "admin", "shop");
    comes_to_hold(&first);
    let mut second = gate(&api, dirs[1].path(), "admin", "shop");
    let before = lease();
    println!("{before}");
    // It is renewed, and the other one has looked more than once by then.
    assert!(wait_until(SOON, || lease()["renewTime"] != before["renewTime"]), "{}", first.log());
    assert!(holds(&first) && !holds(&second), "{}\n{}", first.log(), second.log());
    let after = lease();
    for field in ["holderIdentity", "acquireTime", "leaseTransitions"] {
        assert_eq!(after[field], before[field], "{field}");
    }

    // Whoever is killed gives nothing back: its time has to pass.
    first.kill();
    let killed = Instant::now();
    comes_to_hold(&second);
    let duration = Duration::from_secs(before["leaseDurationSeconds"].as_u64().unwrap());
    // The last renewal was at most one interval before the end.
    assert!(killed.elapsed() > duration / 2, "taken after {:?} of {duration:?}", killed.elapsed());
    let taken = lease();
    assert_ne!(taken["holderIdentity"], before["holderIdentity"]);
    assert_eq!(taken["leaseTransitions"], 1);

    // Whoever ends in order gives it back.
    first.restart();
    assert!(!holds(&first), "{}", first.log());
    let renewed = lease()["renewTime"].clone();
    assert!(second.stop().success());
    assert!(
        wait_until(duration, || holds(&first)),
        "it waits for a lease that was given back\n{}",
        first.log()
    );
    let last = lease();
    println!("{last}");
    assert_eq!(last["leaseTransitions"], 2);
    assert_ne!(last["renewTime"], renewed);
    assert!(second.log().contains("lease released"), "{}", second.log());
}

/// In a rollout that does not get on, the new replica must not keep the old ones from what the holder does.
#[test]
fn one_that_does_not_become_ready_leaves_it_to_others() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let lease = || admin.run(&["get", "lease", "stategate", "-n", "shop", "-o", "json"], "");
    admin.ok(&["create", "secret", "generic", "tls", "-n", "shop", "--from-literal=password=x"], "");
    let (mut second, stuck) = thread::scope(|scope| {
        let kubeconfig = api.kubeconfig("admin");
        let kubeconfig = kubeconfig.to_str().unwrap().to_owned();
        let dir = dirs[0].path();
        let starting = scope.spawn(move || {
            let fixed = ["--drain-delay", "0", "--kubeconfig", &kubeconfig, "--own-namespace", "shop"];
            Stategate::start(dir, &[&fixed[..], &["--tls-secret", "tls", "--reload-every", "0.2"]].concat())
        });
        let log = || fs::read_to_string(dir.join("stategate.log")).unwrap_or_default();
        assert!(wait_until(SOON, || log().contains("has not made this Secret")), "{}", log());
        thread::sleep(QUIET);
        assert!(!lease().succeeded(), "{}\n{}", lease().stdout, log());
        let second = gate(&api, dirs[1].path(), "admin", "shop");
        comes_to_hold(&second);
        admin.ok(&["delete", "secret", "tls", "-n", "shop"], "");
        (second, starting.join().unwrap())
    });
    // Now it is ready, and takes its turn.
    assert!(holds(&second) && !holds(&stuck), "{}\n{}", second.log(), stuck.log());
    assert!(second.stop().success());
    comes_to_hold(&stuck);
}

#[test]
fn a_holder_that_is_no_longer_ready_gives_it_back() {
    const CLASSES: &str = "storageclasses";
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let proxy = Proxy::start(&api.kubeconfig("admin"));
    let fixed = ["--drain-delay", "0", "--kubeconfig", proxy.kubeconfig(), "--own-namespace", "shop"];
    let gate = Stategate::start(dir.path(), &[&fixed[..], &["--inventory-timeout", "600"]].concat());
    comes_to_hold(&gate);
    // A kind counts as known for a while after its watch broke.
    proxy.set(CLASSES, Fault::Refused(500));
    proxy.inject(CLASSES, &Injection::Cut);
    assert!(wait_until(SOON, || !holds(&gate)), "{}", gate.log());
    assert!(gate.log().contains("lease released"), "{}", gate.log());
    proxy.heal();
    comes_to_hold(&gate);
}

#[test]
fn without_rights_or_a_namespace_nobody_holds_it_and_the_log_says_why_once() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let gate = gate(&api, dir.path(), "reader", "shop");
    assert!(wait_until(SOON, || gate.log().contains("lease cannot be held")), "{}", gate.log());
    assert!(gate.metrics().contains("stategate_lease_held 0"));
    let rights = "[{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}]";
    // A right that is granted later counts without a restart.
    let role = format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: lease, namespace: shop}}, rules: {rights}}}"
    );
    let admin = api.kubectl("admin");
    admin.ok(&["create", "-f", "-"], &role);
    admin.ok(&["create", "rolebinding", "lease", "-n", "shop", "--role=lease", "--user=reader"], "");
    comes_to_hold(&gate);
    assert_eq!(gate.log().matches("lease cannot be held").count(), 1, "{}", gate.log());

    let other = tempfile::tempdir().unwrap();
    let nowhere = self::gate(&api, other.path(), "admin", "no-such-namespace");
    assert!(
        wait_until(SOON, || nowhere.log().contains("no-such-namespace\\\" not found")),
        "{}",
        nowhere.log()
    );
}
