//! A policy sees one consistent state of a request: in the view and in the raw object it finds the same
//! violations, in the object as requested, as patched, and as it was before.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use stategate::admission::{ObjectRef, Request, ReviewMode, wire};
use stategate::decision::{Decision, FailureCause};
use stategate::diagnostic::SourceText;
use stategate::inventory::{Inventory, InventoryWriter};
use stategate::policy::Action;
use stategate::policyset::{CompileOptions, PolicySet, Sources};
use stategate::review::{Unobserved, review};
use stategate::source::catalogue::Catalogue;

use crate::server::{PATIENCE, Server};
use crate::support::write;

const CASES: u32 = 1000;

/// Two policies that look for the same faults: one in the view, one in the raw object.
const TWINS: [(&str, &str); 2] = [
    (
        "on-view",
        r#"
violation contains v if {
	input.workload.replicas < 2
	v := {"msg": sprintf("%d replicas", [input.workload.replicas]), "path": ["spec", "replicas"]}
}

violation contains v if {
	some container in input.workload.containers
	container.image.tag == "bad"
	v := {"msg": "a bad image", "key": container.name}
}

violation contains v if {
	some key in object.keys(input.workload.labels)
	startswith(key, "bad")
	v := {"msg": "a bad label", "key": key}
}
"#,
    ),
    (
        "on-object",
        r#"
replicas := object.get(input.review.object.spec, "replicas", 1)

violation contains v if {
	replicas < 2
	v := {"msg": sprintf("%d replicas", [replicas]), "path": ["spec", "replicas"]}
}

violation contains v if {
	some container in input.review.object.spec.template.spec.containers
	endswith(container.image, ":bad")
	v := {"msg": "a bad image", "key": container.name}
}

violation contains v if {
	some key in object.keys(object.get(input.review.object.metadata, "labels", {}))
	startswith(key, "bad")
	v := {"msg": "a bad label", "key": key}
}
"#,
    ),
];

fn policy(id: &str, custom: &str, rules: &str) -> SourceText {
    let package = id.replace('-', "_");
    let text = format!(
        "# METADATA\n# title: T\n# description: D.\n# custom: {{severity: high, action: deny, fix: F, {custom}\
         match: {{kinds: [StatefulSet.apps], classes: [durable, identity-only, cache, none]}}}}\n\
         package stategate.own.{package}\n{rules}"
    );
    SourceText::new(format!("{id}.rego"), text)
}

/// The twins and these policies, bound with their patches.
fn set(more: Vec<SourceText>) -> PolicySet {
    let catalogue = Catalogue::embedded().unbound();
    let twins = TWINS.iter().map(|(id, rules)| policy(id, "", rules));
    let profile = "{apiVersion: stategate.io/v1alpha1, kind: Profile, metadata: {name: test}, spec: {selfClassify: true}}\n\
                   ---\n\
                   {apiVersion: stategate.io/v1alpha1, kind: PolicyBinding, metadata: {name: test}, spec: {mutate: true}}\n";
    let sources = Sources {
        policies: twins.chain(more).collect(),
        projections: catalogue.projections,
        engines: catalogue.engines,
        profile: Some(SourceText::new("profile", profile)),
        ..Sources::default()
    };
    PolicySet::compile(&sources, CompileOptions::default()).unwrap()
}

fn statefulset() -> impl Strategy<Value = Value> {
    let replicas = prop_oneof![Just(None), (0..4i64).prop_map(Some)];
    let containers = subsequence(vec!["a", "b", "c"], 1..=3)
        .prop_flat_map(|names| {
            let count = names.len();
            (Just(names), proptest::collection::vec(select(vec!["good", "bad"]), count))
        })
        .prop_map(|(names, tags)| -> Vec<Value> {
            let container = |(name, tag)| json!({"name": name, "image": format!("registry.example/x:{tag}")});
            names.into_iter().zip(tags).map(container).collect()
        });
    let labels = subsequence(vec!["good", "bad-1", "bad-2"], 0..=3);
    (replicas, containers, labels, any::<bool>()).prop_map(|(replicas, containers, labels, claims)| {
        let labels: BTreeMap<&str, &str> = labels.into_iter().map(|label| (label, "x")).collect();
        let mut spec = json!({
            "serviceName": "pg",
            "selector": {"matchLabels": {"app": "pg"}},
            "template": {"metadata": {"labels": {"app": "pg"}}, "spec": {"containers": containers}},
        });
        if let Some(replicas) = replicas {
            spec["replicas"] = replicas.into();
        }
        if claims {
            spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {}}]);
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "pg", "namespace": "shop", "labels": labels},
            "spec": spec,
        })
    })
}

fn request(object: &Value, old: Option<&Value>) -> Request {
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
        "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
        "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
        "namespace": "shop", "name": "pg", "userInfo": {"username": "dev"},
        "object": object, "oldObject": old,
    }});
    wire::decode(body.to_string().as_bytes()).unwrap()
}

fn judge(set: &PolicySet, request: &Request, mode: ReviewMode) -> Decision {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    review(set, &Inventory::default(), request, mode, now, &Unobserved)
}

/// The keys of a policy's findings, and whether each is pre-existing.
fn found(decision: &Decision, policy: &str) -> BTreeMap<String, bool> {
    let findings = decision.findings.iter().filter(|finding| finding.policy.as_str() == policy);
    findings.map(|finding| (finding.key.clone(), finding.pre_existing)).collect()
}

/// Generates patch operations in Rego, and whether the patched object can be read.
fn patch() -> impl Strategy<Value = (String, bool)> {
    let readable = |rule: &str| (rule.to_owned(), true);
    prop_oneof![
        (0..4).prop_map(move |n| readable(&format!(
            r#"{{"op": "add", "path": ["spec", "replicas"], "value": {n}}}"#
        ))),
        Just(readable(r#"{"op": "remove", "path": ["spec", "replicas"]}"#)),
        select(vec!["good", "bad"]).prop_map(move |tag| readable(&format!(
            r#"{{"op": "add", "path": ["spec", "template", "spec", "containers", 0, "image"], "value": "registry.example/y:{tag}"}}"#
        ))),
        Just(readable(r#"{"op": "add", "path": ["metadata", "labels", "bad-3"], "value": "x"}"#)),
        Just(readable(
            r#"{"op": "add", "path": ["metadata", "annotations", "stategate.io/data-durability"], "value": "cache"}"#
        )),
        Just((r#"{"op": "add", "path": ["spec", "replicas"], "value": "three"}"#.to_owned(), false)),
        Just((r#"{"op": "add", "path": ["spec", "template"], "value": [1]}"#.to_owned(), false)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    #[test]
    fn pre_existing_is_what_the_old_object_alone_has(old in statefulset(), new in statefulset()) {
        let set = set(Vec::new());
        let update = judge(&set, &request(&new, Some(&old)), ReviewMode::Validate);
        let before = judge(&set, &request(&old, None), ReviewMode::Validate);
        let after = judge(&set, &request(&new, None), ReviewMode::Validate);
        prop_assert!(update.failures.is_empty(), "{:?}", update.failures);
        for (policy, _) in TWINS {
            let known = found(&before, policy);
            let expected: BTreeMap<String, bool> = found(&after, policy)
                .into_keys()
                .map(|key| (key.clone(), known.contains_key(&key)))
                .collect();
            prop_assert_eq!(found(&update, policy), expected, "{}", policy);
        }
        prop_assert_eq!(found(&update, "on-view"), found(&update, "on-object"));
    }

    #[test]
    fn after_a_patch_all_policies_see_the_patched_object(
        object in statefulset(),
        old in proptest::option::of(statefulset()),
        (operation, readable) in patch(),
    ) {
        let rule = format!("\npatch contains p if {{\n\tp := {operation}\n}}\n");
        let classes = policy("cached", "", "\nviolation contains v if {\n\tinput.workload.class == \"cache\"\n\tv := {\"msg\": \"m\"}\n}\n");
        let set = set(vec![policy("patches", "", &rule), classes]);
        let request = request(&object, old.as_ref());
        let decision = judge(&set, &request, ReviewMode::MutateAndValidate);
        prop_assert_eq!(found(&decision, "on-view"), found(&decision, "on-object"));
        let stored = match &decision.patch {
            Some(patched) => &patched.object,
            None => &object,
        };
        let alone = Request { object: Some(stored.clone().into()), ..request.clone() };
        let alone = judge(&set, &alone, ReviewMode::Validate);
        for policy in ["on-view", "on-object", "cached"] {
            prop_assert_eq!(found(&decision, policy), found(&alone, policy), "{}", policy);
        }
        // On an UPDATE, a patch applies only where the old object had its value.
        if !readable && old.is_none() {
            prop_assert!(decision.patch.is_none());
            let causes: Vec<_> = decision.failures.iter().map(|failure| (failure.policy.as_str(), failure.cause.kind())).collect();
            prop_assert_eq!(causes, [("patches", "patch_unreadable")]);
            let mutating = judge(&set, &request, ReviewMode::Mutate);
            prop_assert!(mutating.patch.is_none() && mutating.failures.len() == 1);
        } else {
            prop_assert!(decision.failures.is_empty(), "{:?}", decision.failures);
        }
    }
}

fn object(replicas: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "pg", "namespace": "shop"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "pg"}},
            "template": {"metadata": {"labels": {"app": "pg"}},
                "spec": {"containers": [{"name": "a", "image": "registry.example/x:good"}]}}},
    })
}

#[test]
fn the_ratchet_does_not_take_the_new_object_for_the_old_one() {
    let set = set(Vec::new());
    let decision = judge(&set, &request(&object(1.into()), Some(&object(3.into()))), ReviewMode::Validate);
    for (policy, _) in TWINS {
        assert_eq!(
            found(&decision, policy),
            BTreeMap::from([("/spec/replicas".to_owned(), false)]),
            "{policy}"
        );
    }
    assert!(!decision.allowed());
}

#[test]
fn a_rule_for_creation_does_not_excuse_a_change() {
    let rules = "\nviolation contains v if {\n\tinput.review.operation == \"CREATE\"\n\tinput.workload.replicas < 5\n\t\
                 v := {\"msg\": \"few\", \"path\": [\"spec\", \"replicas\"]}\n}\n\
                 \nviolation contains v if {\n\tinput.workload.replicas < input.old_workload.replicas\n\t\
                 v := {\"msg\": \"must not shrink\", \"path\": [\"spec\", \"replicas\"]}\n}\n\
                 \nviolation contains v if {\n\tinput.review.object.spec.replicas < input.review.oldObject.spec.replicas\n\t\
                 v := {\"msg\": \"raw\", \"key\": \"raw\"}\n}\n";
    let set = set(vec![policy("shrinks", "", rules)]);
    let decision = judge(&set, &request(&object(3.into()), Some(&object(4.into()))), ReviewMode::Validate);
    let expected = BTreeMap::from([("/spec/replicas".to_owned(), false), ("raw".to_owned(), false)]);
    assert_eq!(found(&decision, "shrinks"), expected);
    assert!(!decision.allowed());
}

/// A revision that the controller kept shows what ran before: that part of an object, and nothing else of it.
#[test]
fn a_pod_template_that_ran_before_only_warns() {
    let at = policy(
        "at",
        "",
        "violation contains v if {\n\tsome i, c in input.review.object.spec.template.spec.containers\n\
         \tendswith(c.image, \":bad\")\n\
         \tv := {\"msg\": \"bad\", \"path\": [\"spec\", \"template\", \"spec\", \"containers\", i, \"image\"]}\n}\n\
         violation contains v if {\n\tinput.review.object.spec.serviceName == \"bad\"\n\
         \tv := {\"msg\": \"bad\", \"path\": [\"spec\", \"serviceName\"]}\n}\n",
    );
    let set = set(vec![at]);
    let template = |image: &str, more: Value| {
        let mut containers = vec![json!({"name": "a", "image": format!("registry.example/x:{image}")})];
        containers.extend(more.as_array().into_iter().flatten().cloned());
        json!({"metadata": {"labels": {"app": "pg"}}, "spec": {"containers": containers}})
    };
    let object = |template: &Value, service: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "pg", "namespace": "shop"},
            "spec": {"replicas": 3, "serviceName": service, "selector": {"matchLabels": {"app": "pg"}},
                "template": template,
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]},
        })
    };
    let refused = |kept: &[Value], object: &Value, old: Option<&Value>| -> Vec<String> {
        let mut writer = InventoryWriter::default();
        let kind = serde_json::from_value(json!("StatefulSet.apps")).unwrap();
        let reference = ObjectRef { kind, namespace: "shop".into(), name: "pg".into() };
        writer.keep_templates(reference, kept.to_vec());
        let now = jiff::Timestamp::UNIX_EPOCH;
        let request = request(object, old);
        let decision = review(&set, &writer.snapshot(), &request, ReviewMode::Validate, now, &Unobserved);
        assert!(!decision.findings.is_empty());
        let denied = decision.findings.iter().filter(|finding| finding.action == Action::Deny);
        denied.map(|finding| format!("{} {}", finding.policy, finding.key)).collect()
    };
    let good = object(&template("good", json!([])), "pg");
    let bad = template("bad", json!([]));
    let mut kept = bad.clone();
    kept["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"});
    kept["metadata"]["creationTimestamp"] = Value::Null;
    kept["spec"]["securityContext"] = json!({});
    let kept = [template("good", json!([])), kept];
    let all = ["at /spec/template/spec/containers/a/image", "on-object a", "on-view a"];

    assert_eq!(refused(&[], &object(&bad, "pg"), Some(&good)), all, "nothing is kept");
    assert_eq!(refused(&kept, &object(&bad, "pg"), Some(&good)), [""; 0]);
    // What is added to it did not run, and half of it is not it.
    let added = template("bad", json!([{"name": "b", "image": "registry.example/x:bad"}]));
    let of_b = ["at /spec/template/spec/containers/b/image", "on-object b", "on-view b"];
    assert_eq!(refused(&kept, &object(&added, "pg"), Some(&good)), of_b);
    let other = template("bad", json!([{"name": "b", "image": "registry.example/x:good"}]));
    assert_eq!(refused(&[other], &object(&bad, "pg"), Some(&good)), all);
    assert_eq!(refused(&kept, &object(&bad, "bad"), Some(&good)), ["at /spec/serviceName"]);

    // Created again: what is found in the pod template, by its place.
    let created = |kept: &[Value], service: &str| refused(kept, &object(&bad, service), None);
    assert_eq!(created(&[], "pg"), all);
    assert_eq!(created(&kept, "pg"), all[1..], "two policies do not say where");
    assert_eq!(created(&kept, "bad"), ["at /spec/serviceName", "on-object a", "on-view a"]);
}

#[test]
fn an_object_nested_too_deeply_is_refused_and_a_stored_one_is_not_compared() {
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({"a": inner}));
    let set = set(Vec::new());
    let with = |levels: usize, owner: bool| {
        let mut object = object(3.into());
        object["spec"]["extra"] = deep(levels);
        if owner {
            object["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "o", "controller": true}]);
        }
        object.to_string()
    };
    let review = |operation: &str, object: &str, old: &str| {
        let body = format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"u",
            "kind":{{"group":"apps","version":"v1","kind":"StatefulSet"}},
            "resource":{{"group":"apps","version":"v1","resource":"statefulsets"}},"operation":"{operation}",
            "namespace":"shop","name":"pg","userInfo":{{"username":"dev"}},"object":{object},"oldObject":{old}}}}}"#
        );
        judge(&set, &wire::decode(body.as_bytes()).unwrap(), ReviewMode::Validate)
    };
    for owner in [false, true] {
        let refused = review("CREATE", &with(140, owner), "null");
        assert!(!refused.allowed() && refused.findings[0].policy.as_str() == "object-unreadable");
    }
    let updated = review("UPDATE", &with(1, false), &with(140, false));
    assert!(updated.allowed() && updated.notes[0].contains("no change is compared"), "{:?}", updated.notes);
}

#[test]
fn a_patch_sets_right_what_a_policy_on_the_raw_object_finds() {
    let rule = "\npatch contains p if {\n\tp := {\"op\": \"add\", \"path\": [\"spec\", \"replicas\"], \"value\": 3}\n}\n";
    let set = set(vec![policy("patches", "", rule)]);
    let decision = judge(&set, &request(&object(1.into()), None), ReviewMode::MutateAndValidate);
    assert!(decision.findings.is_empty() && decision.patch.is_some(), "{:?}", decision.findings);
}

#[test]
fn a_patch_that_makes_the_object_unreadable_fails_and_is_dropped() {
    let rule = "\npatch contains p if {\n\tp := {\"op\": \"add\", \"path\": [\"spec\", \"replicas\"], \"value\": \"three\"}\n}\n";
    let set = set(vec![policy("patches", "", rule)]);
    let decision = judge(&set, &request(&object(1.into()), None), ReviewMode::MutateAndValidate);
    let [failure] = decision.failures.as_slice() else { panic!("{:?}", decision.failures) };
    assert!(matches!(failure.cause, FailureCause::UnreadablePatch(_)));
    assert!(failure.cause.to_string().contains("spec.replicas"), "{}", failure.cause);
    assert!(decision.patch.is_none());
    assert_eq!(found(&decision, "on-view").len(), 1, "the object is judged as it came");
}

/// Writes a projection of a custom kind that reads its replicas from `spec.<field>`, and a policy that
/// reports them together with the version.
fn version(root: &std::path::Path, version: usize, field: &str) {
    let name = field.to_uppercase();
    let projection = format!(
        "kind: Store\ngroup: example.com\nversions: [v1]\nplural: stores\nnamespaced: true\nclass: workload\n\
         replicas: {{path: spec.{field}, default: 0}}\ntemplate: spec.template\n"
    );
    let policy = format!(
        "# METADATA\n# title: T\n# description: D.\n# custom:\n#   severity: high\n#   action: deny\n\
         #   match: {{kinds: [PodDisruptionBudget.policy]}}\n\
         #   inventory: {{Store.example.com: cluster}}\n#   fix: F\n\
         package stategate.own.tells\n\nviolation contains v if {{\n\tsome store in input.related.workloads\n\t\
         v := {{\"msg\": sprintf(\"set {name} reads %d of version {version}\", [store.replicas])}}\n}}\n"
    );
    let data = root.join(format!("..version-{version}"));
    write(&data, "own/tells/tells.rego", &policy);
    write(&data, "workloads/store.yaml", &projection);
    let link = root.join("..next");
    std::os::unix::fs::symlink(format!("..version-{version}"), &link).unwrap();
    std::fs::rename(&link, root.join("policies")).unwrap();
}

#[test]
fn a_reload_never_mixes_two_sets() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    let (dir, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    version(root.path(), 0, "a");
    let store = "{apiVersion: example.com/v1, kind: Store, metadata: {name: pg, namespace: shop}, \
                 spec: {a: 1, b: 2, template: {metadata: {labels: {app: pg}}, spec: {containers: [{name: c, image: x}]}}}}";
    write(root.path(), "cluster.yaml", store);
    let (policies, cluster) = (root.path().join("policies"), root.path().join("cluster.yaml"));
    let server = Server::start(
        dir.path(),
        &[
            "--policies",
            policies.to_str().unwrap(),
            "--no-catalogue",
            "--inventory",
            cluster.to_str().unwrap(),
            "--reload-every",
            "0.05",
        ],
    );
    let budget = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": "policy", "version": "v1", "kind": "PodDisruptionBudget"},
        "resource": {"group": "policy", "version": "v1", "resource": "poddisruptionbudgets"},
        "operation": "CREATE", "namespace": "shop", "name": "pg", "userInfo": {"username": "dev"},
        "object": {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "pg", "namespace": "shop"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "pg"}}}},
    }});
    let body = budget.to_string().into_bytes();
    let (done, reloads) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut answers = [0, 0];
                    while !done.load(Ordering::Relaxed) {
                        let (code, answer) = server.post("/validate/fail?timeout=10s", &body);
                        let (a, b) =
                            (answer.contains("set A reads 1 of"), answer.contains("set B reads 2 of"));
                        assert!(code == 200 && a != b, "{code}: {answer}");
                        answers[usize::from(b)] += 1;
                    }
                    answers
                })
            })
            .collect();
        for number in 1..=20 {
            version(root.path(), number, if number % 2 == 0 { "a" } else { "b" });
            let deadline = std::time::Instant::now() + PATIENCE;
            while !server.post("/validate/fail", &body).1.contains(&format!("of version {number}")) {
                assert!(std::time::Instant::now() < deadline, "version {number} never came");
            }
            reloads.fetch_add(1, Ordering::Relaxed);
        }
        done.store(true, Ordering::Relaxed);
        for client in clients {
            let [a, b] = client.join().unwrap();
            println!("{a} answers of set A and {b} of set B, none mixed");
            assert!(a > 0 && b > 0);
        }
    });
    assert_eq!(reloads.load(Ordering::Relaxed), 20);

    // The inventory is also reloaded.
    write(root.path(), "cluster.yaml", store.replace("a: 1", "a: 7"));
    let deadline = std::time::Instant::now() + PATIENCE;
    while !server.post("/validate/fail", &body).1.contains("set A reads 7") {
        assert!(std::time::Instant::now() < deadline, "the changed inventory is not read");
    }
    // An inventory that cannot be read changes nothing.
    write(root.path(), "cluster.yaml", "a: [");
    let deadline = std::time::Instant::now() + PATIENCE;
    while !server.get("/readyz").1.contains("not in force") {
        assert!(std::time::Instant::now() < deadline, "a broken inventory is not reported");
    }
    assert!(server.post("/validate/fail", &body).1.contains("set A reads 7"));
    server.terminate();
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_changed_binding_is_tried_in_the_sandbox() {
    let (dir, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let policy = "# METADATA\n# title: T\n# description: D.\n# custom:\n#   severity: critical\n#   action: deny\n\
                  #   parameters: {divisor: {type: integer, default: 1, description: D.}}\n#   fix: F\n\
                  package stategate.own.div\n\nviolation contains v if {\n\t10 / input.parameters.divisor > 100\n\t\
                  v := {\"msg\": \"m\"}\n}\n";
    write(root.path(), "policies/own/div/div.rego", policy);
    let binding = |divisor: u8| {
        let text = format!(
            "{{apiVersion: stategate.io/v1alpha1, kind: PolicyBinding, metadata: {{name: b}}, \
             spec: {{policies: {{ids: [div]}}, override: true, parameters: {{div: {{divisor: {divisor}}}}}}}}}"
        );
        write(root.path(), "bindings.yaml", &text)
    };
    let (policies, bindings) = (root.path().join("policies"), binding(1));
    let arguments = ["--policies", policies.to_str().unwrap(), "--no-catalogue", "--reload-every", "0.05"];
    let server =
        Server::start(dir.path(), &[&arguments[..], &["--bindings", bindings.to_str().unwrap()]].concat());
    binding(0);
    let deadline = std::time::Instant::now() + PATIENCE;
    while !server.get("/readyz").1.contains("divide by zero") {
        assert!(std::time::Instant::now() < deadline, "the binding is not tried");
    }
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
        "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"}, "operation": "CREATE",
        "namespace": "shop", "name": "pg", "userInfo": {"username": "dev"}, "object": object(3.into())}});
    let (_, answer) = server.post("/validate/fail", body.to_string().as_bytes());
    assert!(answer.contains(r#""allowed":true"#), "{answer}");
    server.terminate();
    assert_eq!(server.end().0, Some(0));
}
