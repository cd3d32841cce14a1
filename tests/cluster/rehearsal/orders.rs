//! The objects of a chart arrive in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::client::{Answer, Client, RUNTIME, text};
use super::cluster::Cluster;
use super::crashes::prepared;
use super::table::Row;

/// Orders under way at once.
const WIDTH: usize = 4;
/// What refers to the others.
const SET: usize = 0;
/// What the set should have, its budget and its backup, and the policies that say so.
const COMPANIONS: [(usize, &str); 2] = [(2, "pdb-present"), (4, "backup-declared")];
/// stategate looks for what its watch has not brought yet, but not for ever: of the sets that come milliseconds later, one
/// of this many may be warned in vain.
const MANY: usize = 100;

/// The objects of a small chart, each with the path that it is made at below a namespace.
fn chart() -> Vec<(&'static str, Value)> {
    let good = stategate::yaml::read(crate::GOOD).unwrap();
    let [mut set, budget] = <[_; 2]>::try_from(good).expect("a set and its budget").map(|one| one.value);
    let container = &mut set["spec"]["template"]["spec"]["containers"][0];
    container["volumeMounts"].as_array_mut().unwrap().push(json!({"name": "dumps", "mountPath": "/dumps"}));
    set["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "dumps", "persistentVolumeClaim": {"claimName": "pg-dumps"}}]);
    set["spec"]["replicas"] = 3.into();
    let mut claim = stategate::yaml::read(&crate::claim("pg-dumps")).unwrap().remove(0).value;
    claim["spec"]["accessModes"] = json!(["ReadWriteMany"]);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pg"},
        "spec": {"clusterIP": "None", "selector": {"app": "pg"}, "ports": [{"port": 5432}]}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pg"}, "stringData": {"password": "a"}});
    // It is the backup, and Helm makes it last.
    set["metadata"].as_object_mut().unwrap().remove("annotations");
    let dump = json!({"name": "dump", "image": "postgres:16.4",
        "command": ["sh", "-c", "set -o pipefail; pg_dump -h pg -U postgres app | gzip > /dumps/app.gz"],
        "volumeMounts": [{"name": "dumps", "mountPath": "/dumps"}]});
    let volume = json!({"name": "dumps", "persistentVolumeClaim": {"claimName": "pg-dumps"}});
    let pod = json!({"restartPolicy": "Never", "containers": [dump], "volumes": [volume]});
    let job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "pg-dump"}, "spec":
        {"schedule": "0 3 * * *", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": {"template": {"spec": pod}}}}});
    let objects = vec![
        ("apis/apps/v1 statefulsets", set),
        ("api/v1 services", service),
        ("apis/policy/v1 poddisruptionbudgets", budget),
        ("api/v1 secrets", secret),
        ("apis/batch/v1 cronjobs", job),
        ("api/v1 persistentvolumeclaims", claim),
    ];
    let anywhere = |(path, mut object): (_, Value)| {
        object["metadata"].as_object_mut().unwrap().remove("namespace");
        (path, object)
    };
    objects.into_iter().map(anywhere).collect()
}

/// All orders of this many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for place in 0..count {
        all = all
            .iter()
            .flat_map(|order: &Vec<usize>| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, place);
                    longer
                })
            })
            .collect();
    }
    all
}

/// What came of one order.
struct Came {
    order: Vec<usize>,
    answers: Vec<Result<Answer, String>>,
    took: Duration,
}

/// Makes the objects in this order, in a namespace of their own.
async fn arrive(admin: &Client, chart: &[(&str, Value)], namespace: String, order: Vec<usize>) -> Came {
    let begun = Instant::now();
    let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    // Without it, nothing else can be made either.
    let _ = admin.send("POST", "/api/v1/namespaces", &made).await;
    let mut answers = Vec::new();
    for place in &order {
        let (path, object) = &chart[*place];
        let (group, plural) = path.split_once(' ').unwrap();
        answers.push(admin.send("POST", &format!("/{group}/namespaces/{namespace}/{plural}"), object).await);
    }
    Came { order, answers, took: begun.elapsed() }
}

/// The objects of a chart in all 720 orders: what is missing so far may lead to a warning, never to a refusal.
pub fn orders_of_a_chart(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    // Of 720 sets nothing need run.
    cluster.stop_controllers();
    let chart: &'static [(&str, Value)] = chart().leak();
    let (admin, begun) = (cluster.admin.clone(), Instant::now());
    let came: Vec<Came> = RUNTIME.block_on(async {
        let places = std::sync::Arc::new(Semaphore::new(WIDTH));
        let tasks: Vec<_> = orders(chart.len())
            .into_iter()
            .enumerate()
            .map(|(number, order)| {
                let (admin, places) = (admin.clone(), std::sync::Arc::clone(&places));
                tokio::spawn(async move {
                    let _place = places.acquire().await.expect("it is never closed");
                    arrive(&admin, chart, format!("order-{number}"), order).await
                })
            })
            .collect();
        let mut came = Vec::new();
        for task in tasks {
            came.push(task.await.expect("an order comes to its end"));
        }
        came
    });
    rows.push(judged(chart, &came, begun.elapsed()));
    rows
}

/// What warnings begin with: `299 - "policy: …"`.
fn policies(warnings: &[String]) -> BTreeSet<String> {
    let named = |warning: &String| Some(warning.split_once('"')?.1.split_once(':')?.0.to_owned());
    warnings.iter().filter_map(named).collect()
}

fn judged(chart: &[(&str, Value)], came: &[Came], took: Duration) -> Row {
    let kind = |place: usize| text(&chart[place].1, "/kind");
    let (mut wrong, mut warned) = (BTreeSet::new(), BTreeMap::<(&str, String), usize>::new());
    let (mut missing, mut unsaid, mut invented) = (0, 0, 0);
    for one in came {
        for (place, answer) in one.order.iter().zip(&one.answers) {
            let (said, answer) = match answer {
                Ok(answer) if answer.succeeded() => (policies(&answer.warnings), answer),
                Ok(answer) => {
                    wrong.insert(format!(
                        "{}: {}",
                        kind(*place),
                        answer.message().chars().take(300).collect::<String>()
                    ));
                    continue;
                }
                Err(error) => {
                    wrong.insert(format!("{}: {error}", kind(*place)));
                    continue;
                }
            };
            for policy in &said {
                *warned.entry((kind(*place), policy.clone())).or_default() += 1;
            }
            let at = |wanted| one.order.iter().position(|place| *place == wanted);
            for (companion, policy) in COMPANIONS.iter().filter(|_| *place == SET) {
                let without = at(SET) < at(*companion);
                let until = format!("{policy} only warns at admission");
                let warned = said.contains(*policy) && answer.warnings.iter().any(|one| one.contains(&until));
                missing += usize::from(without);
                unsaid += usize::from(without && !warned);
                invented += usize::from(!without && said.contains(*policy));
            }
        }
    }
    let mut wrong: Vec<String> = wrong.into_iter().take(5).collect();
    if unsaid > 0 {
        wrong.push(format!(
            "{unsaid} of {missing} times, a set without its budget or backup came without a warning that says until when"
        ));
    }
    if invented * MANY > COMPANIONS.len() * came.len() - missing {
        wrong.push(format!("{invented} times, a set was warned of what was there"));
    }
    let longest = came.iter().map(|one| one.took).max().unwrap_or_default();
    let warned: Vec<String> =
        warned.iter().map(|((kind, policy), count)| format!("{count} {kind} {policy}")).collect();
    Row::found(
        &format!("the objects of a chart in all {} orders", came.len()),
        format!(
            "{} objects; warnings: {}, {invented} of them of what had come just before (longest order {:.1} s)",
            came.iter().map(|one| one.answers.len()).sum::<usize>(),
            warned.join(", "),
            longest.as_secs_f64()
        ),
        Some(took),
        wrong,
    )
}
