//! The rehearsal of a production cluster: stategate installed by helm, running in Pods behind a Service, under load, and
//! things that break. `tests/cluster/rehearsal/run` runs it.

mod changes;
mod client;
mod cluster;
mod container;
mod crashes;
mod damage;
mod deletion;
mod disk;
mod figures;
mod kubelet;
mod load;
mod orders;
mod outages;
mod probes;
mod removal;
mod restore;
mod rollouts;
mod service_proxy;
mod snapshot;
mod table;
mod tenants;
mod volumes;
mod workloads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use cluster::Cluster;
use table::{Row, Verdict, table};

/// A scenario: its name on the command line, and what it does to a cluster of its own in which stategate is not
/// installed yet.
type Scenario = (&'static str, fn(&mut Cluster) -> Vec<Row>);

const SCENARIOS: &[Scenario] = &[
    ("crash", crashes::crash),
    ("upgrade", rollouts::upgrades),
    ("roll", rollouts::restarts),
    ("damage", damage::damage),
    ("restart", outages::restarts),
    ("network", outages::lost_packets),
    ("drain", outages::drain),
    ("nothing", outages::scaled_to_nothing),
    ("cold", outages::cold_start),
    ("snapshot", snapshot::from_snapshot),
    ("disk", disk::full_disk),
    ("workloads", workloads::switched_on),
    ("uninstall", removal::uninstall),
    ("deletion", deletion::deletions),
    ("tenants", tenants::tenants),
    ("gitops", tenants::gitops),
    ("orders", orders::orders_of_a_chart),
    ("changes", changes::changes),
    ("restore", restore::restored),
];
/// The short rehearsal.
const QUICK: Scenario = ("quick", crashes::quick);

#[test]
#[ignore = "needs a network namespace of its own and takes long; run tests/cluster/rehearsal/run"]
fn the_cluster_goes_on() {
    let wanted = std::env::var("REHEARSAL").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    let all: Vec<&Scenario> = SCENARIOS.iter().chain([&QUICK]).collect();
    let known = |name: &str| name == "all" || all.iter().any(|(known, _)| *known == name);
    let unknown: Vec<&str> = wanted.iter().copied().filter(|name| !known(name)).collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    assert!(
        unknown.is_empty(),
        "no scenario is called {}: there are {}",
        unknown.join(", "),
        names.join(", ")
    );
    let chosen: Vec<&Scenario> = match wanted.as_slice() {
        [] | ["all"] => SCENARIOS.iter().collect(),
        names => all.into_iter().filter(|(name, _)| names.contains(name)).collect(),
    };
    let mut rows = Vec::new();
    for (name, scenario) in chosen {
        let begun = Instant::now();
        println!("== {name}");
        let run = catch_unwind(AssertUnwindSafe(|| scenario(&mut Cluster::start())));
        rows.extend(run.unwrap_or_else(|_| {
            vec![Row::found(
                name,
                "the scenario came to no end".to_owned(),
                None,
                vec!["see above".to_owned()],
            )]
        }));
        println!("-- {name}: {} s", begun.elapsed().as_secs());
        if let Some(file) = std::env::var_os("REHEARSAL_TABLE") {
            std::fs::write(file, table(&rows)).unwrap();
        }
    }
    println!("\n{}", table(&rows));
    let wrong = rows.iter().filter(|row| row.verdict != Verdict::Fine).count();
    assert_eq!(wrong, 0, "things went wrong that must not");
}
