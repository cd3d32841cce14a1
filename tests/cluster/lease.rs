//! Of several gates beside one cluster, one holds the lease; when it ends, another one does.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{ApiServer, Stategate, wait_until};

/// How long a machine with other work may take for what follows from a look every few seconds.
const SOON: Duration = Duration::from_secs(60);
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
