//! Decisions that are given again are those that a review would make.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::RngExt as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use stategate::admission::{GroupKind, ObjectRef, ReviewMode, wire};
use stategate::evaluators::{DecisionCache, EvaluationPool, InForce};
use stategate::inventory::{Inventory, InventoryWriter};
use stategate::review::{Unobserved, review};
use stategate::telemetry::exposition::Exposition;
use stategate::telemetry::metrics::Metrics;

use crate::support::production;

const NAMESPACE: &str = "shop";

/// A pool with a cache, and what is in force.
struct Gate {
    pool: EvaluationPool,
    in_force: Arc<InForce>,
    metrics: Arc<Metrics>,
    runtime: tokio::runtime::Runtime,
}

impl Gate {
    fn new(cache: usize) -> Self {
        let metrics = Arc::new(Metrics::new("digest", "production", 0));
        let cache = DecisionCache::new(cache);
        let pool = EvaluationPool::start_with(1, 8, Arc::clone(&metrics), None, Some(cache)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let in_force = Arc::new(InForce::new(production(), Inventory::default()));
        Self { pool, in_force, metrics, runtime }
    }

    fn adopt(&mut self, writer: &InventoryWriter) {
        self.in_force = Arc::new(self.in_force.with_inventory(writer.snapshot()));
    }

    /// Both are the same, and it is told whether the decision was known.
    fn ask(&self, body: &[u8], now: jiff::Timestamp) -> bool {
        let before = self.metric("decision_cache_lookups_total{result=\"hit\"}");
        let request = || wire::decode(body).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let asked =
            self.pool.review(&self.in_force, Arc::new(request()), ReviewMode::Validate, now, deadline);
        let given = self.runtime.block_on(asked).unwrap();
        let InForce { set, inventory, .. } = &*self.in_force;
        let made = review(set, inventory, &request(), ReviewMode::Validate, now, &Unobserved);
        assert_eq!(format!("{given:#?}"), format!("{made:#?}"), "{}", String::from_utf8_lossy(body));
        self.metric("decision_cache_lookups_total{result=\"hit\"}") > before
    }

    fn metric(&self, name: &str) -> u64 {
        let text = self.metrics.encode(Exposition::OpenMetrics).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("stategate_{name} ")));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

fn time(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

/// The update of an object, as an API server asks about it; every time with another uid.
fn update(old: &Value, new: &Value, number: u64) -> Vec<u8> {
    let kind = new["kind"].as_str().unwrap();
    let (group, version) = new["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", "v1"));
    let name = &new["metadata"]["name"];
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": number.to_string(), "operation": "UPDATE", "name": name, "namespace": new["metadata"]["namespace"].as_str().unwrap_or_default(),
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": stategate::policy::kinds::plural(kind)},
        "userInfo": {"username": "system:serviceaccount:argocd:argocd-application-controller", "groups": ["a"]},
        "options": {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "argocd"},
        "object": new, "oldObject": old}});
    serde_json::to_vec(&review).unwrap()
}

/// The objects of the policies' examples, with what they were before.
pub(crate) fn examples() -> Vec<(Value, Value)> {
    let mut texts = BTreeMap::new();
    for folder in ["lifecycle", "storage", "scheduling", "availability", "security", "backup"] {
        for policy in std::fs::read_dir(Path::new("policies").join(folder)).into_iter().flatten() {
            let examples = policy.unwrap().path().join("examples");
            for file in std::fs::read_dir(examples).into_iter().flatten() {
                let path = file.unwrap().path();
                texts.insert(path.clone(), std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let objects = |text: &str| -> Vec<Value> {
        let documents = stategate::yaml::read(text).unwrap_or_default();
        documents.into_iter().map(|document| document.value).filter(|value| !value.is_null()).collect()
    };
    let mut pairs = Vec::new();
    for (path, text) in &texts {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.matches('.').count() != 1 {
            continue;
        }
        let old = texts.get(&path.with_extension("old.yaml")).map(|text| objects(text)).unwrap_or_default();
        for mut new in objects(text) {
            let judged =
                ["StatefulSet", "Deployment", "PersistentVolumeClaim", "Service", "CronJob", "StorageClass"];
            if !judged.contains(&new["kind"].as_str().unwrap_or_default())
                || !new["metadata"]["name"].is_string()
            {
                continue;
            }
            if new["kind"] != "StorageClass" {
                new["metadata"]["namespace"] = NAMESPACE.into();
            }
            let same = |old: &&Value| {
                old["kind"] == new["kind"] && old["metadata"]["name"] == new["metadata"]["name"]
            };
            let mut old = old.iter().find(same).unwrap_or(&new).clone();
            old["metadata"]["namespace"] = new["metadata"]["namespace"].clone();
            pairs.push((old, new));
        }
    }
    pairs
}

/// Something that the inventory learns.
fn events() -> Vec<Value> {
    let named = |api: &str, kind: &str, namespace: &str, body: Value| {
        let mut object = body;
        object["apiVersion"] = api.into();
        object["kind"] = kind.into();
        object["metadata"]["name"] = "fast".into();
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = namespace.into();
        }
        object
    };
    let mut all = Vec::new();
    for namespace in [NAMESPACE, "blog"] {
        for size in ["1Gi", "2Gi"] {
            let spec =
                json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": size}}}});
            all.push(named("v1", "PersistentVolumeClaim", namespace, spec));
        }
        for least in [1, 2] {
            let spec = json!({"spec": {"minAvailable": least, "selector": {"matchLabels": {"app": "pg"}}}});
            all.push(named("policy/v1", "PodDisruptionBudget", namespace, spec));
        }
    }
    for expands in [true, false] {
        all.push(named(
            "storage.k8s.io/v1",
            "StorageClass",
            "",
            json!({"provisioner": "p", "allowVolumeExpansion": expands}),
        ));
    }
    all
}

#[test]
fn a_known_decision_is_the_one_that_a_review_makes() {
    let mut gate = Gate::new(8 << 20);
    let pairs = examples();
    assert!(pairs.len() > 300, "{}", pairs.len());
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let mut random = |below: usize| runner.rng().random_range(0..below);
    let events = events();
    let mut writer = gate.in_force.set.inventory_writer();
    for kind in gate.in_force.set.needed_kinds().keys() {
        writer.mark_complete(kind);
    }
    gate.adopt(&writer);
    let mut now = time("2026-01-01T00:00:00Z");
    let (mut hits, mut asked) = (0, 0);
    for round in 0..40_u64 {
        // A few objects again and again, and others in each round.
        let some: Vec<&(Value, Value)> = (0..24).map(|_| &pairs[random(pairs.len())]).collect();
        for _ in 0..3 {
            for (old, new) in &some {
                asked += 1;
                hits += u64::from(gate.ask(&update(old, new, asked), now));
            }
            now += Duration::from_secs(random(3600) as u64);
            let event = &events[random(events.len())];
            let kind = GroupKind::new(event["apiVersion"].as_str().unwrap(), event["kind"].as_str().unwrap());
            if round % 2 == 0 {
                let record = writer.reader().read(&kind, event, "").unwrap();
                writer.replace(record);
            } else if random(2) == 0 {
                let text = |key: &str| event["metadata"][key].as_str().unwrap_or_default().to_owned();
                writer.remove(&ObjectRef { kind, namespace: text("namespace"), name: text("name") });
            }
            gate.adopt(&writer);
        }
    }
    assert!(hits * 10 > asked && hits * 10 < asked * 9, "{hits} of {asked} were known");
}

#[test]
fn what_is_applied_again_is_known_but_for_what_the_time_decides() {
    let gate = Gate::new(64 << 20);
    let now = time("2026-01-01T00:00:00Z");
    let mut anew = Vec::new();
    for (number, (_, object)) in (0..).zip(examples()) {
        let body = update(&object, &object, number);
        gate.ask(&body, now);
        if !gate.ask(&body, now) {
            anew.push(format!("{} {}", object["kind"], object["metadata"]["name"]));
        }
    }
    assert!(anew.len() < 20, "{anew:#?}");
}

fn statefulset() -> Value {
    let documents = stategate::yaml::read(crate::support::good_workload()).unwrap();
    let mut object = documents
        .into_iter()
        .map(|document| document.value)
        .find(|value| value["kind"] == "StatefulSet")
        .unwrap();
    object["metadata"]["namespace"] = NAMESPACE.into();
    object
}

#[test]
fn what_passes_is_decided_anew() {
    let gate = Gate::new(8 << 20);
    let now = time("2026-01-01T00:00:00Z");
    let same = statefulset();
    assert!(
        !gate.ask(&update(&same, &same, 1), now) && gate.ask(&update(&same, &same, 2), now),
        "a re-apply"
    );
    // It is confirmed until a time.
    let mut fewer = same.clone();
    fewer["spec"]["replicas"] = 1.into();
    fewer["metadata"]["annotations"]["stategate.io/confirm-scale"] = "3->1".into();
    fewer["metadata"]["annotations"]["stategate.io/confirm-until"] = "2026-01-01T01:00:00Z".into();
    for (number, time_of_day) in [(3, "00:10"), (4, "00:20"), (5, "01:10")] {
        assert!(!gate.ask(&update(&same, &fewer, number), time(&format!("2026-01-01T{time_of_day}:00Z"))));
    }
    // It is skipped until a time.
    let mut skips = same.clone();
    skips["metadata"]["annotations"]["stategate.io/skip"] = "pdb-present".into();
    skips["metadata"]["annotations"]["stategate.io/skip-reason"] = "for as long as the test runs".into();
    skips["metadata"]["annotations"]["stategate.io/skip-until"] = "2026-02-01".into();
    assert!(!gate.ask(&update(&skips, &skips, 6), now) && !gate.ask(&update(&skips, &skips, 7), now));
}

#[test]
fn what_is_patched_or_read_for_one_request_is_not_kept() {
    let gate = Gate::new(8 << 20);
    let now = time("2026-01-01T00:00:00Z");
    let (same, mut bare) = (statefulset(), statefulset());
    bare["spec"].as_object_mut().unwrap().remove("minReadySeconds");
    let kept = |in_force: &Arc<InForce>, old: &Value, new: &Value, mode: ReviewMode| {
        let ask = |number: u64| {
            let request = Arc::new(wire::decode(&update(old, new, number)).unwrap());
            let deadline = Instant::now() + Duration::from_secs(60);
            gate.runtime.block_on(gate.pool.review(in_force, request, mode, now, deadline)).unwrap()
        };
        let hits = || gate.metric("decision_cache_lookups_total{result=\"hit\"}");
        let (first, before) = (ask(1), hits());
        assert_eq!(format!("{first:?}"), format!("{:?}", ask(2)));
        (hits() > before, first.patch.is_some())
    };
    assert_eq!(kept(&gate.in_force, &same, &bare, ReviewMode::Mutate), (false, true));
    assert_eq!(kept(&gate.in_force, &same, &same, ReviewMode::Mutate), (true, false));
    assert_eq!(kept(&gate.in_force, &same, &same, ReviewMode::Validate), (true, false));
    let own = Arc::new(gate.in_force.for_one_request(Inventory::default()));
    assert_eq!(kept(&own, &same, &same, ReviewMode::Validate), (false, false));
}

#[test]
fn every_part_of_a_request_counts() {
    let gate = Gate::new(8 << 20);
    let (now, object) = (time("2026-01-01T00:00:00Z"), statefulset());
    let first: Value = serde_json::from_slice(&update(&object, &object, 1)).unwrap();
    let ask = |review: &Value| gate.ask(&serde_json::to_vec(review).unwrap(), now);
    assert!(!ask(&first) && ask(&first));
    for (part, value) in [
        ("/request/name", json!("other")),
        ("/request/namespace", json!("other")),
        ("/request/kind/version", json!("v1beta1")),
        ("/request/userInfo/username", json!("other")),
        ("/request/userInfo/groups", json!(["a", "system:masters"])),
        ("/request/userInfo/groups", json!(["as", "ystem:masters"])),
        ("/request/userInfo/extra", json!({"a": ["b"]})),
        ("/request/userInfo/extra", json!({"a": ["b", "c"]})),
        ("/request/dryRun", json!(true)),
        ("/request/options/fieldManager", json!("kubectl")),
        ("/request/object/metadata/generation", json!(7)),
        ("/request/oldObject/metadata/generation", json!(7)),
    ] {
        let mut other = first.clone();
        let (parent, key) = part.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap()[key] = value;
        assert!(!ask(&other), "{part}");
        assert!(ask(&other), "{part}: it is known now");
    }
    let mut created = first.clone();
    created["request"]["operation"] = "CREATE".into();
    created["request"]["oldObject"] = Value::Null;
    assert!(!ask(&created) && !ask(&created));
}

#[test]
fn what_is_kept_is_bounded_and_goes_with_its_set() {
    const LIMIT: usize = 256 << 10;
    let mut gate = Gate::new(LIMIT);
    let (now, object) = (time("2026-01-01T00:00:00Z"), statefulset());
    let named = |number: u64| {
        let mut object = object.clone();
        object["metadata"]["name"] = format!("pg-{number}").into();
        update(&object, &object, number)
    };
    let taken = |gate: &Gate| gate.metric("decision_cache_size_bytes");
    for number in 0..600 {
        gate.ask(&named(number), now);
        assert!(taken(&gate) <= LIMIT as u64);
    }
    assert!(taken(&gate) > LIMIT as u64 / 2, "{}", taken(&gate));
    assert!(gate.ask(&named(599), now) && !gate.ask(&named(0), now), "the oldest went first");
    gate.in_force = Arc::new(InForce::new(production(), Inventory::default()));
    assert!(!gate.ask(&named(599), now));
    assert!(taken(&gate) < 10_000, "{}", taken(&gate));
}
