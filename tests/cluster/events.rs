//! `serve --events`: refusals are Events of the cluster, written with the rights that `rbac --events` prints, one for
//! an object and a policy, and none of them repeats the object.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{ApiServer, Kubectl, Stategate, stategate, wait_until};
use crate::{NAIVE, PLAIN_CLASS, refused, register_and_wait};

/// A series is written within ten seconds.
const SOON: Duration = Duration::from_secs(60);
const POLICY: &str = "volume-no-emptydir-data";

/// The Events of stategate in a namespace that are about an object of this name.
fn events(admin: &Kubectl, namespace: &str, name: &str) -> Vec<Value> {
    let all = admin.get_json(&["events.events.k8s.io", "-n", namespace])["items"].clone();
    let own =
        |event: &Value| event["reportingController"] == "stategate" && event["regarding"]["name"] == name;
    all.as_array().unwrap().iter().filter(|event| own(event)).cloned().collect()
}

fn of<'e>(events: &'e [Value], policy: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["note"].as_str().unwrap().contains(policy)).collect()
}

fn metric(gate: &Stategate, result: &str) -> u64 {
    let name = format!("stategate_events_total{{result=\"{result}\"}} ");
    let metrics = gate.metrics();
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

fn start(api: &ApiServer, dir: &std::path::Path, rights: &[&str], flags: &[&str]) -> Stategate {
    let admin = api.kubectl("admin");
    admin.ok(&["create", "namespace", "stategate-system"], "");
    let account = api.service_account("stategate-system", "stategate", "[]");
    let bound = ["rbac", "--service-account", "stategate-system/stategate"];
    let printed = stategate(dir, &[&bound[..], rights].concat(), "");
    assert!(printed.succeeded() && !printed.stdout.contains('*'), "{printed:?}");
    admin.ok(&["create", "-f", "-"], &printed.stdout);
    let args = ["--kubeconfig", account.to_str().unwrap(), "--drain-delay", "0"];
    let gate = Stategate::start(dir, &[&args[..], flags].concat());
    register_and_wait(api, &gate);
    gate
}

#[test]
fn a_refusal_is_one_event_in_the_namespace_of_its_object() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let dev = api.kubectl("dev");
    let gate = start(&api, dir.path(), &["--events"], &["--events"]);
    // The dry runs that waited for the webhook have said nothing.
    assert_eq!(metric(&gate, "created"), 0, "{}", gate.metrics());

    let secret =
        NAIVE.replace("image: ", "env: [{name: POSTGRES_PASSWORD, value: s3cr3t}]\n          image: ");
    assert_ne!(secret, NAIVE);
    refused(&dev.run(&["create", "-f", "-"], &secret), &[POLICY]);
    assert!(wait_until(SOON, || of(&events(&admin, "shop", "pg"), POLICY).len() == 1), "{}", gate.log());
    let first = of(&events(&admin, "shop", "pg"), POLICY)[0].clone();
    println!("{first:#}");
    assert_eq!(first["reason"], "PolicyViolation");
    assert_eq!((&first["type"], &first["action"]), (&"Warning".into(), &"Refused".into()));
    assert_eq!(first["regarding"]["kind"], "StatefulSet");
    assert_eq!(first["regarding"]["apiVersion"], "apps/v1");
    assert!(
        first["note"].as_str().unwrap().starts_with("create refused by volume-no-emptydir-data [critical]: ")
    );
    assert!(!first.to_string().contains("s3cr3t") && !first.to_string().contains("/var/lib"), "{first}");

    // A controller in a loop.
    for _ in 0..30 {
        refused(&dev.run(&["create", "-f", "-"], &secret), &[POLICY]);
    }
    let series = || of(&events(&admin, "shop", "pg"), POLICY)[0]["series"]["count"].clone();
    assert!(wait_until(SOON, || series() == 31), "{} {}\n{}", series(), gate.metrics(), gate.log());
    assert_eq!(of(&events(&admin, "shop", "pg"), POLICY).len(), 1);
    let policies = events(&admin, "shop", "pg").len() as u64;
    assert_eq!(metric(&gate, "created"), policies);
    assert_eq!(metric(&gate, "aggregated"), 30 * policies);
    assert!(metric(&gate, "updated") <= 10 * policies, "{}", gate.metrics());
    // kubectl shows it to whoever looks at the namespace.
    let shown = admin.ok(&["events", "-n", "shop"], "").stdout;
    assert!(shown.contains("PolicyViolation") && shown.contains("StatefulSet/pg"), "{shown}");

    // What lies in no namespace.
    refused(&admin.run(&["create", "-f", "-"], PLAIN_CLASS), &[]);
    assert!(wait_until(SOON, || !events(&admin, "default", "gp2").is_empty()), "{}", gate.log());
    assert_eq!(events(&admin, "default", "gp2")[0]["regarding"]["kind"], "StorageClass");
    assert_eq!((metric(&gate, "failed"), metric(&gate, "dropped")), (0, 0), "{}", gate.log());
    let log = gate.log();
    assert!(!log.contains("forbidden") && !log.contains("cannot be written"), "{log}");
}

#[test]
fn without_the_right_and_without_the_flag_reviews_go_on() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let api = ApiServer::start();
    let (admin, dev) = (api.kubectl("admin"), api.kubectl("dev"));
    let gate = start(&api, dirs[0].path(), &[], &["--events"]);
    for _ in 0..3 {
        refused(&dev.run(&["create", "-f", "-"], NAIVE), &[POLICY]);
    }
    assert!(wait_until(SOON, || metric(&gate, "failed") >= 3), "{}", gate.metrics());
    assert_eq!(gate.log().matches("an event cannot be written").count(), 1, "{}", gate.log());
    assert!(gate.log().contains("events.events.k8s.io is forbidden"), "{}", gate.log());
    drop(gate);

    let account = api.account("stategate", "stategate-system");
    let quiet = Stategate::start(dirs[1].path(), &["--kubeconfig", account.to_str().unwrap()]);
    register_and_wait(&api, &quiet);
    refused(&dev.run(&["create", "-f", "-"], NAIVE), &[POLICY]);
    assert!(!quiet.metrics().contains("stategate_events_total{"), "{}", quiet.metrics());
    assert!(events(&admin, "shop", "pg").is_empty());
}
