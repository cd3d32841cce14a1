//! What an object says of itself: where the profile does not believe it, it never lowers its own judgement.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};
use stategate::admission::{Object, Operation, Request};
use stategate::decision::Decision;
use stategate::policy::Action;
use stategate::policyset::{CompileOptions, PolicySet};
use stategate::source::catalogue::Catalogue;
use stategate::source::manifests::{Manifest, Manifests};
use stategate::workload::declared::SELF_CLASSIFYING;

use crate::support::{NAIVE, directory, run_in, stategate, stategate_with, validate};

static REGULATED: LazyLock<PolicySet> = LazyLock::new(|| {
    let sources = Catalogue::embedded().sources("regulated").unwrap();
    PolicySet::compile(&sources, CompileOptions::default()).unwrap()
});

/// Values of the annotations by which a workload classifies itself.
const CLASSIFYING: &[(&str, &[&str])] = &[
    ("stateful", &["false", "true", "no"]),
    ("data-durability", &["cache", "rebuildable"]),
    ("engine", &["redis", "loki", "prometheus", "vault", "nats", "etcd", "postgres", "minio", "none"]),
    ("data-paths", &["/keep", "/tmp", "/", "/var/lib/postgresql/data,/x"]),
    ("quorum", &["false", "true"]),
];

/// Values of the annotations that declare something to single policies, which then may find nothing.
const DECLARING: &[(&str, &[&str], &[&str])] = &[
    ("mutate", &["false"], &[]),
    ("mutated-by", &["backup-declared"], &[]),
    ("skip-reason", &["the reason for all of it"], &["backup-declared"]),
    ("skip-until", &["2030-01-01"], &[]),
    ("backup-method", &["velero", "none"], &["backup-declared"]),
    ("backup-schedule", &["0 * * * *", "0 25 * * *"], &[]),
    ("backup-retention", &["30d"], &[]),
    ("rpo", &["1h", "1000d"], &["backup-schedule-valid"]),
    ("rto", &["1h"], &[]),
    (
        "replication",
        &["application", "sync:3"],
        // It says that the replicas are one store, which these deny for what is in sight.
        &[
            "volume-local-replication-declared",
            "storageclass-replication-factor",
            "replicas-clustered",
            "replicas-minimum",
            "scale-down-guard",
        ],
    ),
    ("tls", &["native", "mesh"], &["encryption-in-transit-workload"]),
    (
        "encryption-attested",
        &["by the disks of the array"],
        &[
            "encryption-storageclass-at-rest",
            "encryption-claim-class-encrypted",
            "encryption-customer-managed-key",
        ],
    ),
    ("adopt-claims", &["true"], &["statefulset-adopts-existing-claims"]),
    ("maintenance-window", &["daily 00:00-23:59 UTC"], &["maintenance-window-enforced"]),
    ("emergency", &["the disk is full already"], &["maintenance-window-enforced"]),
    ("confirm-until", &["2030-01-01T00:00:00Z"], &[]),
    (
        "confirm-delete",
        &["pg"],
        &[
            "delete-guard-namespace",
            "delete-guard-pv",
            "delete-guard-pvc",
            "delete-guard-workload",
            "pv-reclaim-flip",
            "pv-reclaim-retain",
        ],
    ),
    (
        "confirm-finalizer-removal",
        &["kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"],
        &["finalizer-removal-guard"],
    ),
    ("confirm-scale", &["3->0", "5->0"], &["scale-down-guard", "scale-to-zero-guard"]),
    ("confirm-data-move", &["data-pg/pgdata->data-pg/16"], &["volume-data-dir-moved"]),
    ("confirm-appendonly", &["no->yes"], &["redis-appendonly-switch"]),
    ("confirm-replicaof", &["alone->session.shop"], &["redis-appendonly-switch"]),
    (
        "confirm-version-change",
        &["16.4->15.2"],
        &["image-version-downgrade", "image-major-upgrade-guard", "image-flavour-change"],
    ),
];

/// Annotations that are no declarations: the waiver, which every policy below critical allows.
const OTHERS: [&str; 5] = ["skip", "confirm-", "ca-published", "ca-switched", "rotate"];

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn texts(below: &str, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(below), &mut found);
    let read = |path: PathBuf| (path.display().to_string(), std::fs::read_to_string(path).unwrap());
    found.into_iter().filter(|path| wanted(&path.display().to_string())).map(read).collect()
}

fn manifests(name: String, text: &str) -> Vec<Manifest> {
    let mut all = Manifests::default();
    all.add(name, text.as_bytes());
    all.objects
}

/// Requests that store the objects of the catalogue's examples and of the fixtures: each alone, and as the
/// update of what it was before.
fn requests() -> Vec<Request> {
    let example = |name: &str| name.contains("/examples/") && name.ends_with(".yaml") && !name.contains(".i");
    let mut all = texts("policies", example);
    all.extend(texts("tests/fixtures/suites", |name| name.ends_with(".yaml")));
    let olds: Vec<(String, String)> =
        all.iter().filter(|(name, _)| name.contains("old.yaml")).cloned().collect();
    let mut requests = Vec::new();
    for (name, text) in all {
        let of_old = |old: &str| {
            old == name.replace(".yaml", ".old.yaml")
                || name.ends_with("/new.yaml") && old == name.replace("new.yaml", "old.yaml")
        };
        let old = olds.iter().find(|(old, _)| of_old(old)).map(|(name, text)| manifests(name.clone(), text));
        for manifest in manifests(name, &text) {
            let before = old.iter().flatten().find(|old| old.reference("shop") == manifest.reference("shop"));
            requests.extend(manifest.request(REGULATED.projections(), before, "shop"));
            requests.extend(manifest.request(REGULATED.projections(), Some(&manifest), "shop"));
        }
    }
    requests
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Object,
    Pods,
}

fn annotated(object: &Option<Object>, key: &str, value: &str, place: Place) -> Option<Object> {
    let mut object = object.as_ref()?.value().ok()?.clone();
    let node = match place {
        Place::Object => &mut object,
        Place::Pods => object.pointer_mut("/spec/template")?,
    };
    node.get("metadata").is_none_or(Value::is_object).then_some(())?;
    if node["metadata"]["annotations"].is_null() {
        node["metadata"]["annotations"] = json!({});
    }
    // What it says already may be what a finding is about.
    let said = &mut node["metadata"]["annotations"][format!("stategate.io/{key}")];
    said.is_null().then_some(())?;
    *said = json!(value);
    Some(object.into())
}

/// Each finding of `without` that `with` does not have, or has with a milder action.
fn lost(with: &Decision, without: &Decision) -> Vec<String> {
    let kept = |policy: &str, action: Action| {
        with.findings.iter().any(|finding| finding.policy.as_str() == policy && finding.action >= action)
    };
    let all = without.findings.iter().map(|finding| (finding.policy.to_string(), finding.action));
    all.filter(|(policy, action)| !kept(policy, *action)).map(|(policy, _)| policy).collect()
}

/// The request with an annotation: on the new object, on the old one, on both.
fn with(request: &Request, key: &str, value: &str, place: Place, turn: usize) -> Option<Request> {
    let mut with = request.clone();
    let both = request.operation == Operation::Update;
    if !both || turn % 3 != 1 {
        with.object = Some(annotated(&request.object, key, value, place)?);
    }
    if both && !turn.is_multiple_of(3) {
        with.old_object = Some(annotated(&request.old_object, key, value, place)?);
    }
    Some(with)
}

#[test]
fn no_annotation_lowers_what_regulated_finds() {
    let classifying =
        CLASSIFYING.iter().flat_map(|(key, values)| values.iter().map(|value| (*key, *value, &[][..])));
    let declaring = DECLARING
        .iter()
        .flat_map(|(key, values, answers)| values.iter().map(|value| (*key, *value, *answers)));
    let all: Vec<(&str, &str, &[&str])> = classifying.chain(declaring).collect();
    let (mut turn, mut judged, mut wrong) = (0, 0, BTreeSet::new());
    for request in requests() {
        let without = validate(&REGULATED, &request);
        // A few for each object; together they are all of them, in all places.
        for _ in 0..2 {
            turn += 1;
            let (key, value, answers) = all[(turn * 7) % all.len()];
            let place = if turn.is_multiple_of(2) { Place::Object } else { Place::Pods };
            let Some(with) = with(&request, key, value, place, turn / 2) else { continue };
            judged += 1;
            let mut lost = lost(&validate(&REGULATED, &with), &without);
            lost.retain(|policy| !answers.contains(&policy.as_str()));
            if !lost.is_empty() {
                wrong.insert(format!(
                    "{key}: {value} on {place:?} of {} loses {lost:?}",
                    request.display_name()
                ));
            }
        }
    }
    assert!(judged > 1000, "only {judged}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_naive_workload_is_found_out_whatever_it_says() {
    let text = NAIVE.replace("mountPath: /var/lib/postgresql/data", "mountPath: /data");
    for text in [
        NAIVE,
        &text,
        &NAIVE.replace("postgres:16.4", "team/unknown:1").replace("emptyDir: {}", "hostPath: {path: /srv/x}"),
    ] {
        let manifest = manifests("naive.yaml".to_owned(), text).remove(0);
        for old in [None, Some(&manifest)] {
            let request = manifest.request(REGULATED.projections(), old, "shop").unwrap();
            let without = validate(&REGULATED, &request);
            assert!(!without.findings.is_empty());
            for (key, values) in CLASSIFYING {
                for (value, turn) in values.iter().flat_map(|value| (0..3).map(move |turn| (value, turn))) {
                    for place in [Place::Object, Place::Pods] {
                        let with = validate(&REGULATED, &with(&request, key, value, place, turn).unwrap());
                        assert_eq!(
                            lost(&with, &without),
                            [""; 0],
                            "{key}: {value} on {place:?}, turn {turn}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_annotation_that_is_read_is_tried() {
    let known: BTreeSet<&str> = CLASSIFYING
        .iter()
        .map(|(key, _)| *key)
        .chain(DECLARING.iter().map(|(key, ..)| *key))
        .chain(OTHERS)
        .collect();
    let code = |name: &str| name.ends_with(".rs") || name.ends_with(".rego") && !name.ends_with("_test.rego");
    let comment = |line: &&str| !line.trim_start().starts_with("//") && !line.trim_start().starts_with('#');
    for (name, text) in texts("src", code).into_iter().chain(texts("policies", code)) {
        let text = text.split("#[cfg(test)]").next().unwrap();
        for part in text.lines().filter(comment).flat_map(|line| line.split("\"stategate.io/").skip(1)) {
            let key = part.split('"').next().unwrap();
            let is_key =
                !key.contains([' ', '/', ':', '{']) && key != "tier" && !key.starts_with('v') && key != "x";
            assert!(
                !is_key || key.is_empty() || known.contains(key),
                "{name}: {key} is in no table of this test"
            );
        }
    }
    let classifying: Vec<String> = CLASSIFYING.iter().map(|(key, _)| format!("stategate.io/{key}")).collect();
    assert_eq!(classifying, SELF_CLASSIFYING);
}

#[test]
fn a_known_downgrade_stays_one_under_another_name() {
    // Of data that goes with the pods, no version has anything to read.
    let kept = NAIVE.replace("emptyDir: {}", "persistentVolumeClaim: {claimName: data}");
    assert_ne!(kept, NAIVE);
    let old = manifests("old.yaml".to_owned(), &kept).remove(0);
    let new = kept.replace("postgres:16.4", "postgres:15.2").replace(
        "  namespace: shop\n",
        "  namespace: shop\n  annotations: {stategate.io/engine: redis, stategate.io/data-paths: /keep}\n",
    );
    let new = manifests("new.yaml".to_owned(), &new).remove(0);
    let decision = validate(&REGULATED, &new.request(REGULATED.projections(), Some(&old), "shop").unwrap());
    let denied = |id: &str| {
        decision
            .findings
            .iter()
            .any(|finding| finding.policy.as_str() == id && finding.action == Action::Deny)
    };
    assert!(denied("image-version-downgrade"), "{:#?}", decision.findings);
}

#[test]
fn what_a_profile_lets_annotations_lower_is_told() {
    let cache = NAIVE.replace(
        "  namespace: shop\n",
        "  namespace: shop\n  annotations: {stategate.io/data-durability: cache, stategate.io/data-paths: /keep}\n",
    );
    let told =
        "its annotations lower what it is held to: stategate.io/data-durability, stategate.io/data-paths";
    let run = stategate_with(&["check", "-"], &cache);
    assert!(format!("{}{}", run.stdout, run.stderr).contains(told), "{}", run.stdout);
    let run = stategate_with(&["check", "--profile", "regulated", "-"], &cache);
    assert!(!run.stdout.contains("lower what it is held to"), "{}", run.stdout);
    let same = NAIVE.replace(
        "  namespace: shop\n",
        "  namespace: shop\n  annotations: {stategate.io/engine: postgres, stategate.io/stateful: 'true'}\n",
    );
    let run = stategate_with(&["check", "-"], &same);
    assert!(!run.stdout.contains("lower what it is held to"), "{}", run.stdout);
}

#[test]
fn a_file_cannot_say_that_an_object_is_owned_or_going() {
    let owned =
        "  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: rs, uid: u, controller: true}]\n";
    let going = "  deletionTimestamp: '2026-01-01T00:00:00Z'\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: pg\n  namespace: shop\nspec:\n  containers:\n  - {name: db, image: 'postgres:16.4', volumeMounts: [{name: v, mountPath: /var/lib/postgresql/data}]}\n  volumes: [{name: v, emptyDir: {}}]\n";
    let said =
        |text: &str, more: &str| text.replace("  namespace: shop\n", &format!("  namespace: shop\n{more}"));
    let findings = |new: &str, old: &str| {
        let files = directory(&[("new.yaml", new), ("old.yaml", old)]);
        let path = |name: &str| files.path().join(name).display().to_string();
        let run = stategate(&["check", "-o", "json", &path("new.yaml"), "--old", &path("old.yaml")]);
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        findings
            .iter()
            .map(|finding| format!("{} {} {}", finding["policy"], finding["action"], finding["message"]))
            .collect::<BTreeSet<String>>()
    };
    for text in [pod, NAIVE] {
        let changed = text.replace("16.4", "15.2").replace("emptyDir: {}", "emptyDir: {medium: Memory}");
        let (created, updated) = (findings(text, ""), findings(&changed, text));
        assert!(!created.is_empty() && !updated.is_empty());
        for more in [owned, going] {
            assert_eq!(findings(&said(text, more), ""), created, "{more}");
            assert_eq!(findings(&said(&changed, more), &said(text, more)), updated, "{more}");
            assert_eq!(findings(&changed, &said(text, more)), updated, "{more}");
        }
    }
    // `fix` leaves both where they are.
    let files = directory(&[("pg.yaml", &said(NAIVE, &format!("{owned}{going}")))]);
    run_in(files.path(), &["fix", "pg.yaml", "--write"]);
    let fixed = std::fs::read_to_string(files.path().join("pg.yaml")).unwrap();
    assert!(fixed.contains(owned) && fixed.contains(going), "{fixed}");
    assert_ne!(fixed, said(NAIVE, &format!("{owned}{going}")));
}
