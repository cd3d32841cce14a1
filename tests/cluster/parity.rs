//! Front ends agree on a live cluster: what the webhook tells kubectl is what `review`, `check --context`, `check
//! --inventory` of an export and `audit` find, by policy, place and message.
//!
//! The cases come from the catalogue: the objects of its examples, each with the other objects of its example around
//! it, in a namespace of its own. Objects that belong to no namespace get a name of their own. In most namespaces
//! every policy denies, so that a refusal tells the places; in the others the profile decides.

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use kube::Client;
use serde_json::{Value, json};
use stategate::policyset::{CompileOptions, PolicySet};
use stategate::source::catalogue::Catalogue;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use cases::{Case, Key, applied, cases, text};

use crate::examples::write;
use crate::harness::{ApiServer, Stategate, stategate, wait_until};
use crate::live::FAST;
use crate::{GOOD, NAIVE, PLAIN, bound_claim, measure, register_and_wait};

/// `review` is asked about one case in so many, since it loads the catalogue for each: under the profile production,
/// and hardly under another.
const REVIEWED: usize = 4;
const HARDLY: usize = 60;
/// Requests in flight.
const WIDTH: usize = 4;
/// How long the API server may take to notice a webhook configuration.
const NOTICE: Duration = Duration::from_secs(30);

const BINDINGS: &str = "
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: strict}
spec: {match: {namespaces: ['strict-*'], clusterScoped: true}, override: true, action: deny, mutate: true}
";

/// What exceptions waive in one of ten namespaces.
const WAIVED: &str = "[backup-declared, pdb-present, replicas-minimum, storageclass-reclaim-retain]";

/// Tiers of the namespaces that are not strict.
const TIERS: [&str; 4] = ["", "prod", "staging", "dev"];

/// Changes that the API server refuses before it asks a webhook, by example.
const REFUSED_BEFORE: [&str; 6] = [
    "storage/pvc_expansion_supported/",
    "storage/pvc_no_shrink/",
    "storage/pvc_storage_class_immutable/",
    "storage/statefulset_immutable_fields/",
    "lifecycle/pod_management_policy/",
    "storage/volume_data_dropped/",
];

/// The front end that the others are compared with.
const REFERENCE: &str = "check --context";

/// A difference that is meant: findings of these policies that only one side has.
struct Meant {
    policies: &'static [&'static str],
    front_ends: &'static [&'static str],
    only: &'static str,
    reason: &'static str,
}

const MEANT: &[Meant] = &[
    Meant {
        policies: &[
            "change-one-thing",
            "file-owner-unchanged",
            "image-flavour-change",
            "image-major-upgrade-guard",
            "image-maker-change",
            "image-version-downgrade",
            "init-variables-unchanged",
            "maintenance-window-enforced",
            "pv-reclaim-retain",
            "pvc-retention-flip",
            "redis-appendonly-switch",
            "scale-down-guard",
            "scale-to-zero-guard",
            "settings-fixed-at-first-start",
            "volume-data-dir-moved",
            "volume-data-dropped",
            "volume-data-lost-in-rollout",
        ],
        front_ends: &["audit"],
        only: REFERENCE,
        reason: "they judge a change, and what is stored does not tell what it was before",
    },
    Meant {
        policies: &["pv-reclaim-retain", "pvc-retention-policy", "replicas-odd", "update-strategy-safe"],
        front_ends: &["audit"],
        only: "audit",
        reason: "a step on the way to a sound state is none, one that is confirmed neither, or another policy or text tells \
                 of the change",
    },
    Meant {
        policies: &["finalizer-removal-guard"],
        front_ends: &["webhook"],
        only: "webhook",
        reason: "a PUT without the finalizers that the API server added removes them, and a manifest leaves them alone",
    },
    Meant {
        policies: &["finalizer-removal-guard"],
        front_ends: &["review"],
        only: "review",
        reason: "it answers the recorded PUT",
    },
    Meant {
        policies: &["update-strategy-safe"],
        front_ends: &["webhook", "review", "audit"],
        only: REFERENCE,
        reason: "the API server drops maxUnavailable of a StatefulSet while its feature gate is off",
    },
];

/// Policy, place and message of a finding, and what it does.
type Finding = (String, String, String, String);
type Found = BTreeSet<Finding>;

/// What an admission webhook says: refusals with their places, and lines without.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    refused: bool,
    causes: Found,
    warnings: Vec<String>,
    /// The policies of which only the audit log hears, where it is known what is sent there.
    recorded: Vec<String>,
}

/// Sends a request; the answer, and its warnings.
async fn ask(client: &Client, method: &str, path: &str, body: &Value) -> (u16, Value, Vec<String>) {
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(serde_json::to_vec(body).unwrap().into())
        .unwrap();
    let answer = client.send(request).await.unwrap();
    let said = |value: &hyper::header::HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let text = text.strip_prefix("299 - \"").and_then(|text| text.strip_suffix('"')).map(str::to_owned);
        text.unwrap().replace("\\\"", "\"").replace("\\\\", "\\")
    };
    let warnings = answer.headers().get_all("warning").iter().map(said).collect();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap(), warnings)
}

/// Asks about all cases, some at a time.
fn ask_all(
    runtime: &Runtime,
    client: &Client,
    cases: &[Case],
    query: &str,
) -> Vec<(u16, Value, Vec<String>)> {
    let places = Arc::new(Semaphore::new(WIDTH));
    let asked: Vec<_> = cases
        .iter()
        .map(|case| {
            let (client, places) = (client.clone(), Arc::clone(&places));
            let (path, body) = (format!("{}{query}", case.path()), case.sent());
            let method = if case.old.is_some() { "PUT" } else { "POST" };
            runtime.spawn(async move {
                let _place = places.acquire_owned().await.unwrap();
                ask(&client, method, &path, &body).await
            })
        })
        .collect();
    runtime.block_on(async {
        let mut answers = Vec::new();
        for one in asked {
            answers.push(one.await.unwrap());
        }
        answers
    })
}

fn answer((status, body, warnings): (u16, Value, Vec<String>)) -> Answer {
    let causes = body.pointer("/details/causes").and_then(Value::as_array);
    let cause = |cause: &Value| {
        let field = |name: &str| cause[name].as_str().unwrap_or_default().to_owned();
        (field("reason"), field("field"), field("message"), "deny".to_owned())
    };
    let refused = status == 403 && text(&body, "/message").contains("denied the request");
    assert!(refused || status < 300, "{status} {body}");
    Answer {
        refused,
        causes: causes.into_iter().flatten().map(cause).collect(),
        warnings,
        recorded: Vec::new(),
    }
}

/// The answer of `stategate review`.
fn reviewed(dir: &Path, review: &Value, told: &[&str]) -> Answer {
    let out = stategate(dir, &[&["review", "-"], told].concat(), &review.to_string());
    let said: Value = serde_json::from_str(&out.stdout).unwrap_or_else(|_| panic!("{out:?}"));
    let response = &said["response"];
    let status = if response["allowed"] == true { 200 } else { 403 };
    let warnings = response["warnings"].as_array().into_iter().flatten();
    let warnings = warnings.map(|warning| warning.as_str().unwrap().to_owned()).collect();
    let mut body = response["status"].clone();
    if status == 403 {
        body["message"] = format!("denied the request: {}", text(&body, "/message")).into();
    }
    let recorded = text(response, "/auditAnnotations/audit").split(',').map(str::to_owned);
    Answer {
        recorded: recorded.filter(|policy| !policy.is_empty()).collect(),
        ..answer((status, body, warnings))
    }
}

/// What a run of `check` or `audit` reports, by object. A webhook only counts those findings that were there before.
fn report(dir: &Path, args: &[&str]) -> BTreeMap<Key, Found> {
    found(&run(dir, args), is_new)
}

fn is_new(finding: &Value) -> bool {
    finding["preExisting"] != true
}

fn run(dir: &Path, args: &[&str]) -> Value {
    let run = stategate(dir, &[args, &["-o", "json"]].concat(), "");
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
    for nothing in ["errors", "failures", "unknown"] {
        assert_eq!(report[nothing], json!([]), "{args:?}: {nothing}");
    }
    report
}

fn found(report: &Value, counts: impl Fn(&Value) -> bool) -> BTreeMap<Key, Found> {
    let mut found = BTreeMap::<Key, Found>::new();
    for finding in report["findings"].as_array().unwrap().iter().filter(|one| counts(one)) {
        let field = |pointer: &str| text(finding, pointer).to_owned();
        let key = (field("/object/kind"), field("/object/namespace"), field("/object/name"));
        let binding = match finding["binding"].as_str() {
            Some(binding) => format!(" (binding: {binding})"),
            None => String::new(),
        };
        found.entry(key).or_default().insert((
            field("/policy"),
            dotted(&field("/path")),
            field("/message") + &binding,
            field("/action"),
        ));
    }
    found
}

/// An RFC 6901 pointer in the dotted form.
fn dotted(pointer: &str) -> String {
    stategate::path::dotted(&stategate::path::from_pointer(pointer))
}

/// Writes the objects, one file each.
fn write_all(directory: &Path, objects: impl Iterator<Item = (String, Value)>) -> String {
    objects.enumerate().for_each(|(number, (name, object))| write(directory, &name, number, &object));
    directory.display().to_string()
}

/// What differs in one case.
struct Difference {
    case: String,
    front_end: &'static str,
    only: &'static str,
    finding: Finding,
}

impl Difference {
    fn between(case: &Case, front_end: &'static str, there: &Found, reference: &Found) -> Vec<Self> {
        let only = |only: &'static str| {
            move |finding: &Finding| Self {
                case: case.name.clone(),
                front_end,
                only,
                finding: finding.clone(),
            }
        };
        let more = there.difference(reference).map(only(front_end));
        more.chain(reference.difference(there).map(only(REFERENCE))).collect()
    }

    fn is_meant(&self, meant: &Meant) -> bool {
        meant.policies.contains(&self.finding.0.as_str())
            && meant.front_ends.contains(&self.front_end)
            && meant.only == self.only
    }
}

/// What a webhook said as findings. A warning has no place: it is that of the finding that says the same. The API
/// server has warnings of its own.
fn told(set: &PolicySet, answer: &Answer, reference: &Found) -> Found {
    let mut all = answer.causes.clone();
    let one_line = |message: &str| message.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut tell = |policy: &str, said: &str, end: &str, action: &str| {
        let same = |finding: &&Finding| {
            let (id, _, message, _) = finding;
            id == policy
                && one_line(message).starts_with(said)
                && message.ends_with(end)
                && !all.contains(*finding)
        };
        let same = reference.iter().find(same).cloned();
        let (policy, path, message, _) =
            same.unwrap_or_else(|| (policy.to_owned(), "?".to_owned(), said.to_owned(), String::new()));
        all.insert((policy, path, message, action.to_owned()));
    };
    for warning in &answer.warnings {
        let (policy, said) = warning.split_once(": ").unwrap_or((warning, ""));
        // Findings that were there before are only counted, and what is about a finding is none.
        let is_note = warning.contains("earlier finding") || warning.contains("only warns at admission");
        if set.policy(policy).is_none() && (!warning.contains("stategate") || is_note) {
            continue;
        }
        let (said, binding) = said.rsplit_once("; binding: ").unwrap_or((said, "none"));
        let end = format!(" (binding: {binding})");
        tell(policy, said.split("; fix:").next().unwrap_or_default().trim_end_matches('…'), &end, "warn");
    }
    for policy in &answer.recorded {
        let of_policy = |(id, _, _, action): &&Finding| id == policy && action == "audit";
        reference
            .iter()
            .filter(of_policy)
            .for_each(|(_, _, message, _)| tell(policy, &one_line(message), "", "audit"));
    }
    all
}

/// A violation that others may still make right when they arrive.
const MAY_ARRIVE: (&str, [&str; 2]) =
    ("backup-declared", ["does not say how its data is backed up", "has no backup: "]);

/// What is milder where objects come one after the other.
fn admitted(set: &PolicySet, reference: &Found) -> Found {
    let milder = |(policy, path, message, action): &Finding| {
        let milder =
            set.policy(policy).and_then(|policy| policy.at_admission).map(|action| action.to_string());
        let may_arrive = policy == MAY_ARRIVE.0 && MAY_ARRIVE.1.iter().any(|part| message.contains(part));
        let milder = milder.or_else(|| may_arrive.then(|| "warn".to_owned()));
        let rank = |action: &str| ["audit", "warn", "deny"].iter().position(|one| *one == action);
        let action = milder.into_iter().chain([action.clone()]).min_by_key(|action| rank(action)).unwrap();
        (policy.clone(), path.clone(), message.clone(), action)
    };
    reference.iter().map(milder).collect()
}

#[test]
fn all_front_ends_find_the_same_in_the_same_cluster() {
    let reviewed = compare("production", REVIEWED);
    assert!(reviewed >= 80, "{reviewed} cases in all front ends");
}

#[test]
fn all_front_ends_find_the_same_under_the_strictest_profile() {
    compare("regulated", HARDLY);
}

/// Compares all front ends under this profile, `review` in one case of so many; in how many it was.
fn compare(profile: &str, one_in: usize) -> usize {
    let begun = Instant::now();
    let step = |what: &str| println!("{:6.1} s  {what}", begun.elapsed().as_secs_f64());
    let catalogue = Catalogue::embedded();
    let set = PolicySet::compile(&catalogue.sources(profile).unwrap(), CompileOptions::default()).unwrap();
    let cases = cases(&set, &catalogue);
    let api = ApiServer::start();
    let (admin, dir) = (api.kubectl("admin"), api.dir().join("parity"));
    step("API server");

    // The cluster before anything is asked: what is around the cases, and what they change.
    let namespaces = cases.iter().filter(|case| case.gvk.kind != "Namespace").map(|case| {
        let of = |object: &&Value| text(object, "/kind") == "Namespace";
        let mut labels =
            case.around.iter().find(of).map_or(json!({}), |one| one["metadata"]["labels"].clone());
        if case.namespace.starts_with("mild") && !TIERS[case.number / 4 % TIERS.len()].is_empty() {
            labels["stategate.io/tier"] = TIERS[case.number / 4 % TIERS.len()].into();
        }
        let metadata = json!({"name": case.namespace, "labels": labels});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": namespaces.collect::<Vec<_>>()});
    admin.ok(&["create", "--validate=false", "-f", "-"], &list.to_string());
    let around = cases.iter().flat_map(|case| {
        let others = case.around.iter().filter(|object| text(object, "/kind") != "Namespace");
        others.cloned().chain(case.old.as_ref().map(applied)).map(|object| (case.name.clone(), object))
    });
    let bound = |object: &Value| object["kind"] == "PersistentVolumeClaim" && object["status"].is_object();
    let around: Vec<(String, Value)> = around.collect();
    let with_status = around.iter().filter(|(_, object)| bound(object)).cloned();
    let statuses = write_all(&dir.join("status"), with_status);
    let world = write_all(&dir.join("world"), around.iter().cloned());
    admin.ok(&["create", "--validate=false", "-f", &world], "");
    admin.ok(&["replace", "--validate=false", "--subresource=status", "-f", &statuses], "");
    step("objects around the cases");

    let bindings = dir.join("bindings.yaml");
    let exception = |case: &Case| {
        format!(
            "---\napiVersion: stategate.io/v1alpha1\nkind: PolicyException\nmetadata: {{name: e{}, namespace: {}}}\n\
             spec: {{policies: {WAIVED}, match: {{}}, reason: it is a test of all front ends}}\n",
            case.number, case.namespace
        )
    };
    let exceptions: String = cases.iter().filter(|case| case.number % 10 == 5).map(exception).collect();
    fs::write(&bindings, format!("{BINDINGS}{exceptions}")).unwrap();
    let bindings = ["--profile", profile, "--bindings", bindings.to_str().unwrap()];
    let kubeconfig = api.kubeconfig("admin").display().to_string();
    let live = ["--kubeconfig", kubeconfig.as_str()];
    let gate = Stategate::start(&dir.join("gate"), &[&["--drain-delay", "0"], &live[..], &bindings].concat());
    let config = gate.webhook_config(&bindings);
    let (validating, mutating) = config.split_once("---\n").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = runtime.block_on(measure::client(&api.kubeconfig("admin")));
    let asked = |query: &str| ask_all(&runtime, &client, &cases, query);

    // What the mutating webhook makes of the requests, which is what the validating one is asked about.
    admin.ok(&["create", "-f", "-"], mutating);
    let dry = |object: &str| admin.run(&["create", "--dry-run=server", "-o", "yaml", "-f", "-"], object);
    assert!(wait_until(NOTICE, || dry(PLAIN).stdout.contains("mutated-by")), "{}", gate.log());
    let completed = asked("?dryRun=All");
    step("mutating webhook");
    admin.ok(&["create", "-f", "-"], validating);
    assert!(wait_until(NOTICE, || dry(NAIVE).denied()), "{}", gate.log());
    let answers = asked("?dryRun=All");
    step("validating webhook");

    let export = dir.join("export.yaml");
    let exported = stategate(&dir, &[&["inventory"], &live[..]].concat(), "");
    assert_eq!(exported.code, 0, "{exported:?}");
    fs::write(&export, &exported.stdout).unwrap();
    let known = ["--inventory", export.to_str().unwrap()];
    let new = write_all(&dir.join("new"), cases.iter().map(|case| (case.name.clone(), case.object.clone())));
    let old = cases.iter().filter_map(|case| Some((case.name.clone(), case.old.clone()?)));
    let old = write_all(&dir.join("old"), old);
    let with_context = run(&dir, &[&["check", &new], &live[..], &bindings].concat());
    let by_context = found(&with_context, is_new);
    let all_by_context = found(&with_context, |_| true);
    step("check --context");
    let by_export = report(&dir, &[&["check", &new, "--old", &old], &known[..], &bindings].concat());
    step("check --inventory");

    // The API server refuses some changes itself, before it asks anybody.
    let is_compared = |case: &&Case| completed[case.number].0 < 300;
    let compared: Vec<&Case> = cases.iter().filter(is_compared).collect();
    for case in cases.iter().filter(|case| !is_compared(case)) {
        let known = REFUSED_BEFORE.iter().any(|start| case.name.starts_with(start));
        assert!(known && case.old.is_some(), "{}: {:?}", case.name, completed[case.number]);
    }
    let stored = |case: &Case| -> Value {
        let path = case.path();
        match case.old {
            Some(_) => runtime.block_on(ask(&client, "GET", &path, &Value::Null)).1,
            None => Value::Null,
        }
    };
    let reviews: Vec<Value> = compared
        .iter()
        .step_by(one_in)
        .map(|case| case.review(&completed[case.number].1, &stored(case)))
        .collect();
    let args = [&known[..], &bindings].concat();
    let half = reviews.len().div_ceil(2);
    let by_review: Vec<Answer> = thread::scope(|scope| {
        let parts = reviews.chunks(half).map(|part| {
            let (dir, args) = (&dir, &args);
            scope.spawn(move || part.iter().map(|review| reviewed(dir, review, args)).collect::<Vec<_>>())
        });
        let parts: Vec<_> = parts.collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    step("review");

    // Stored as the mutating webhook leaves them, and then audited.
    admin.ok(&["delete", "validatingwebhookconfiguration", "stategate"], "");
    assert!(wait_until(NOTICE, || !dry(NAIVE).denied()), "{}", gate.log());
    let stored = asked("");
    for case in &compared {
        assert!(stored[case.number].0 < 300, "{}: {:?}", case.name, stored[case.number]);
    }
    step("stored");
    let by_audit = report(&dir, &[&["audit"], &live[..], &bindings].concat());
    step("audit");

    let (mut differences, mut findings) = (Vec::new(), 0);
    let reviewed = by_review.len();
    let mut by_review = by_review.into_iter();
    for (position, case) in compared.iter().enumerate() {
        let none = Found::new();
        let of = |all: &'_ BTreeMap<Key, Found>| all.get(&case.key()).unwrap_or(&none).clone();
        let reference = of(&by_context);
        findings += reference.len();
        let webhook = answer(answers[case.number].clone());
        let mut add = |front_end, there: &Found, reference: &Found| {
            differences.extend(Difference::between(case, front_end, there, reference));
        };
        let admitted = admitted(&set, &reference);
        let said = admitted.iter().filter(|(_, _, _, action)| action != "audit").cloned().collect();
        add("webhook", &told(&set, &webhook, &said), &said);
        if position % one_in == 0 {
            let review = by_review.next().unwrap();
            add("review", &told(&set, &review, &admitted), &admitted);
            assert_eq!(webhook.refused, review.refused, "{}", case.name);
        }
        add("check --inventory", &of(&by_export), &reference);
        let is_audited = |(policy, ..): &&Finding| set.policy(policy).is_none_or(|policy| policy.audited);
        // What was there before only warns of a change.
        let as_stored = |(policy, path, message, action): &Finding| {
            let action = if case.old.is_some() { String::new() } else { action.clone() };
            (policy.clone(), path.clone(), message.clone(), action)
        };
        let audited = of(&by_audit).iter().map(as_stored).collect();
        add("audit", &audited, &of(&all_by_context).iter().filter(is_audited).map(as_stored).collect());
    }
    let (meant, differences): (Vec<_>, Vec<_>) =
        differences.into_iter().partition(|one: &Difference| MEANT.iter().any(|meant| one.is_meant(meant)));
    let changes = compared.iter().filter(|case| case.old.is_some()).count();
    println!(
        "{profile}: {} cases, {changes} of them changes, {reviewed} in all front ends; {findings} findings; {} differences are meant",
        compared.len(),
        meant.len()
    );
    let table: String = differences
        .iter()
        .map(|Difference { case, front_end, only, finding: (policy, path, message, action) }| {
            format!("{case}\n    {front_end}: only {only}: {policy} {action} at {path}: {message}\n")
        })
        .collect();
    assert!(differences.is_empty(), "{} differences:\n{table}", differences.len());
    assert!(
        compared.len() >= 80 && findings > compared.len(),
        "{} cases, {findings} findings",
        compared.len()
    );
    // A difference that is gone needs no reason any more.
    for Meant { policies, front_ends, only, reason } in MEANT {
        let there = |policy: &str, front_end: &str| {
            meant.iter().any(|one| one.finding.0 == policy && one.front_end == front_end && one.only == *only)
        };
        let seen = |front_end: &&&str| **front_end != "review";
        let gone = |policy: &&&str| {
            is_bound(&set, policy)
                && !front_ends.iter().filter(seen).all(|front_end| there(policy, front_end))
        };
        assert_eq!(policies.iter().find(gone), None, "no longer differs because {reason}");
    }
    reviewed
}

/// Whether the profile has the policy at all.
fn is_bound(set: &PolicySet, id: &str) -> bool {
    set.policy(id).is_some_and(|policy| set.mildest(&policy.id, jiff::Timestamp::now()).is_some())
}

/// Nothing is applied with these requests, so that only the webhook and `review` know them. What they do to a
/// workload, an update of its manifest does as well.
#[test]
fn requests_to_scale_and_to_delete_are_answered_alike() {
    let api = ApiServer::start();
    let (admin, dir) = (api.kubectl("admin"), api.dir().join("parity"));
    fs::create_dir_all(&dir).unwrap();
    admin.ok(&["apply", "-f", "-"], FAST);
    admin.ok(&["apply", "-f", "-"], GOOD);
    bound_claim(&admin, "data-pg-0");
    let kubeconfig = api.kubeconfig("admin").display().to_string();
    let live = ["--kubeconfig", kubeconfig.as_str()];
    let gate = Stategate::start(&dir, &[&["--drain-delay", "0"], &live[..]].concat());
    register_and_wait(&api, &gate);
    let export = dir.join("export.yaml");
    fs::write(&export, stategate(&dir, &[&["inventory"], &live[..]].concat(), "").stdout).unwrap();
    let known = ["--inventory", export.to_str().unwrap()];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = runtime.block_on(measure::client(&api.kubeconfig("admin")));
    let send = |method: &str, path: &str, body: &Value| runtime.block_on(ask(&client, method, path, body));
    let request = |kind: Value, resource: Value, fields: Value| {
        let mut request = json!({
            "uid": "5d9f0ad0-0000-4000-8000-000000000000", "kind": kind, "resource": resource,
            "namespace": "shop", "userInfo": {"username": "admin"},
        });
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    };
    let mut refusals = 0;
    let mut alike = |what: &str, webhook: Answer, review: &Value| {
        let review = Answer { recorded: Vec::new(), ..reviewed(&dir, review, &known) };
        assert_eq!(webhook, review, "{what}");
        refusals += usize::from(webhook.refused);
        webhook
    };

    let set = "/apis/apps/v1/namespaces/shop/statefulsets/pg/scale";
    let resource = json!({"group": "apps", "version": "v1", "resource": "statefulsets"});
    let kind = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
    let (_, stored, _) = send("GET", set, &Value::Null);
    let manifest = GOOD.split_once("---").unwrap().0;
    for replicas in [0, 1, 2, 4] {
        let mut wanted = stored.clone();
        wanted["spec"]["replicas"] = replicas.into();
        let review = request(
            kind.clone(),
            resource.clone(),
            json!({
                "name": "pg", "operation": "UPDATE", "subResource": "scale", "object": wanted, "oldObject": stored,
            }),
        );
        let webhook = answer(send("PUT", &format!("{set}?dryRun=All"), &wanted));
        let webhook = alike(&format!("3 to {replicas}"), webhook, &review);
        let file = dir.join("pg.yaml");
        fs::write(&file, manifest.replace("replicas: 3", &format!("replicas: {replicas}"))).unwrap();
        let check = report(&dir, &[&["check", file.to_str().unwrap()], &live[..]].concat());
        let found: Found = check.into_values().flatten().collect();
        assert!(webhook.causes.is_subset(&found), "3 to {replicas}: {webhook:?}, and by check {found:?}");
    }

    let claim = "/api/v1/namespaces/shop/persistentvolumeclaims/data-pg-0";
    let (_, stored, _) = send("GET", claim, &Value::Null);
    let review = request(
        json!({"group": "", "version": "v1", "kind": "PersistentVolumeClaim"}),
        json!({"group": "", "version": "v1", "resource": "persistentvolumeclaims"}),
        json!({"name": "data-pg-0", "operation": "DELETE", "oldObject": stored}),
    );
    let webhook = answer(send("DELETE", &format!("{claim}?dryRun=All"), &json!({})));
    alike("deletion", webhook, &review);
    assert!(refusals >= 3, "{refusals} refusals");
}
