//! Policies, PolicyBindings and PolicyExceptions as the cluster stores them: in files, in exports, and as objects of
//! an AdmissionReview.

use serde_json::{Value, json};

use crate::support::{NAIVE, Run, directory, good_workload, run_in};

const OWNER: &str = include_str!("../fixtures/documents/owner-label.yaml");

fn exception(metadata: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: stategate.io/v1alpha1\nkind: PolicyException\nmetadata: {{{metadata}}}\n\
         spec: {{reason: until the migration, {spec}}}\n"
    )
}

fn check(files: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut all = vec![("good.yaml", good_workload()), ("naive.yaml", NAIVE)];
    all.extend(files);
    run_in(directory(&all).path(), &[&["check"], arguments].concat())
}

#[test]
fn a_policy_in_a_file_of_bindings_is_loaded_and_its_errors_are_at_their_lines() {
    let used = check(&[("own.yaml", OWNER)], &["--bindings", "own.yaml", "good.yaml"]);
    used.expect(1, &["error[owner-label]: nobody owns it"]);
    // The line in the file, not in the Rego.
    let line = OWNER.lines().position(|line| line.contains("not input")).unwrap() + 1;
    let faulty = OWNER.replace("not input.", "not imput.");
    check(&[("own.yaml", &faulty)], &["--bindings", "own.yaml", "good.yaml"])
        .expect(2, &[&format!("own.yaml:{line}:"), "imput"]);
    let misnamed = OWNER.replace("name: owner-label", "name: owner");
    check(&[("own.yaml", &misnamed)], &["--bindings", "own.yaml", "good.yaml"])
        .expect(2, &["but its package says owner-label", "name it owner-label"]);
    let taken = OWNER.replace("owner-label", "pdb-present").replace("owner_label", "pdb_present");
    check(&[("own.yaml", &taken)], &["--bindings", "own.yaml", "good.yaml"])
        .expect(2, &["the policy pdb-present is already defined"]);
    let unknown = OWNER.replace("  rego: |", "  lang: rego\n  rego: |");
    check(&[("own.yaml", &unknown)], &["--bindings", "own.yaml", "good.yaml"])
        .expect(2, &["own.yaml:6:3", "lang"]);
}

#[test]
fn files_may_be_what_kubectl_prints() {
    let stored = "metadata: {name: legacy, namespace: shop, uid: 1-2, resourceVersion: '3', generation: 1, \
                  creationTimestamp: '2026-01-01T00:00:00Z', managedFields: [{manager: kubectl}], labels: {a: b}}";
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: stategate.io/v1alpha1\n  kind: PolicyException\n  {stored}\n  \
         spec: {{policies: [volume-no-emptydir-data], match: {{}}, reason: until the migration}}\n  status: {{conditions: []}}\n"
    );
    let run = check(&[("list.yaml", &list)], &["--bindings", "list.yaml", "naive.yaml", "-o", "json"]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let waived: Vec<&str> =
        report["waived"].as_array().unwrap().iter().filter_map(|one| one["policy"].as_str()).collect();
    assert_eq!(waived, ["volume-no-emptydir-data"], "{report:#}");
    check(&[("list.yaml", &list.replace("reason:", "raeson:"))], &["--bindings", "list.yaml", "naive.yaml"])
        .expect(2, &["raeson", "did you mean reason?"]);
}

/// The findings of a policy in a report on the naive manifest.
fn finds(files: &[(&str, &str)], arguments: &[&str], policy: &str) -> bool {
    let run = check(files, &[arguments, &["naive.yaml", "-o", "json"]].concat());
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
    report["findings"].as_array().unwrap().iter().any(|finding| finding["policy"] == policy)
}

#[test]
fn an_exception_waives_no_more_than_its_namespace_may() {
    let critical = "volume-no-emptydir-data";
    let spec = |policies: &str, more: &str| format!("policies: [{policies}], match: {{{more}}}");
    for (metadata, more, waives_critical, waives_other) in [
        // Of the namespace itself.
        ("name: e, namespace: shop", "", false, true),
        // Of another one.
        ("name: e, namespace: other", "", false, false),
        // Of stategate's own, for all objects or for those of some namespaces.
        ("name: e, namespace: stategate-system", "", true, true),
        ("name: e, namespace: stategate-system", "namespaces: [sh*]", true, true),
        ("name: e, namespace: stategate-system", "namespaces: [other]", false, false),
    ] {
        for (policy, waives) in [(critical, waives_critical), ("probe-readiness-required", waives_other)] {
            let cluster = exception(metadata, &spec(policy, more));
            let files = [("cluster.yaml", cluster.as_str())];
            let found = finds(&files, &["--inventory", "cluster.yaml"], policy);
            assert_eq!(found, !waives, "{cluster}");
        }
    }
    // Whoever runs stategate names its namespace.
    let cluster = exception("name: e, namespace: gates", &spec(critical, ""));
    let files = [("cluster.yaml", cluster.as_str())];
    assert!(finds(&files, &["--inventory", "cluster.yaml"], critical));
    assert!(!finds(&files, &["--inventory", "cluster.yaml", "--own-namespace", "gates"], critical));
    // What does not count is said.
    let cluster = exception("name: e, namespace: shop", &spec(&format!("{critical}, gone"), ""));
    let run = check(&[("cluster.yaml", &cluster)], &["--inventory", "cluster.yaml", "naive.yaml"]);
    for said in ["PolicyException shop/e is in force only in part", "is critical", "there is no policy gone"]
    {
        assert!(run.stderr.contains(said), "{said:?} is not in {}", run.stderr);
    }
    // Objects that lie in no namespace, a Namespace included.
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: slow}\nprovisioner: ebs.csi.aws.com\n";
    let waiver = |namespace: &str| {
        exception(
            &format!("name: e, namespace: {namespace}"),
            "policies: [encryption-storageclass-at-rest], match: {}",
        )
    };
    for (namespace, found) in [("shop", true), ("stategate-system", false)] {
        let cluster = waiver(namespace);
        let files = [("cluster.yaml", cluster.as_str()), ("class.yaml", class)];
        let run = check(&files, &["--inventory", "cluster.yaml", "class.yaml"]);
        assert_eq!(run.stdout.contains("[encryption-storageclass-at-rest]"), found, "{run:?}");
    }
    // A repository that brings its own inventory brings no exceptions with it.
    let cluster = exception("name: e, namespace: stategate-system", &spec(critical, ""));
    let config = "inventory: [cluster.yaml]\n";
    assert!(finds(&[("cluster.yaml", &cluster), ("stategate.yaml", config)], &[], critical));
}

#[test]
fn a_faulty_document_of_a_cluster_takes_nothing_with_it() {
    let binding = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    let waives = "{policies: {ids: [volume-no-emptydir-data]}, override: true, action: off}";
    let endless = OWNER.replace("not input.review", "some i; [].x[i] ==");
    let cluster = [
        binding("faulty", "{policies: {ids: [volume-no-emptydir-data]}, parameters: {pdb-present: {x: 1}}}"),
        binding(
            "partial",
            "{policies: {ids: [volume-no-emptydir-data, gone]}, override: true, action: warn}",
        ),
        binding("sound", waives),
        format!("---\n{endless}"),
    ];
    let cluster = cluster.concat();
    let run = check(&[("cluster.yaml", &cluster)], &["--inventory", "cluster.yaml", "naive.yaml"]);
    for said in [
        "PolicyBinding faulty is not in force\nspec.parameters.pdb-present.x: pdb-present has no parameter x",
        "PolicyBinding partial is in force only in part\nspec.policies.ids[1]: there is no policy gone",
        "Policy owner-label is not in force\nspec.rego:",
    ] {
        assert!(run.stderr.contains(said), "{said:?} is not in {}", run.stderr);
    }
    assert!(run.stdout.contains("warning[volume-no-emptydir-data]"), "{}", run.stdout);
}

#[test]
fn values_with_which_a_policy_fails_and_texts_that_are_too_large_do_not_count() {
    let share = OWNER
        .replace("owner-label", "share")
        .replace("owner_label", "share")
        .replace("action: deny", "action: deny\n    #   parameters:\n    #     count: {type: integer, default: 1, description: Shares.}")
        .replace("not input.review.object.metadata.labels.owner", "10 / input.parameters.count > 1");
    let binding = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    let long = "x".repeat(300 << 10);
    let cluster = [
        format!("---\n{share}"),
        binding("zero", "{policies: {ids: [share]}, parameters: {share: {count: 0}}}"),
        binding("two", "{policies: {ids: [share]}, parameters: {share: {count: 2}}, action: warn}"),
        binding("long", &format!("{{policies: {{ids: [{long}]}}}}")),
        // What an exception may not waive, it does not hide either.
        exception(
            "name: powerless, namespace: zzz",
            "policies: [volume-no-emptydir-data], match: {names: [nothing]}",
        ),
    ]
    .concat();
    let bindings = "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: quiet}\n\
                    spec: {policies: {ids: [volume-no-emptydir-data]}, override: true, action: off}\n";
    let files = [
        ("cluster.yaml", cluster.as_str()),
        ("own.yaml", bindings),
        ("stategate.yaml", "bindings: [own.yaml]\n"),
    ];
    let run = check(&files, &["--inventory", "cluster.yaml", "good.yaml"]);
    for said in [
        "PolicyBinding zero is not in force",
        "divide by zero",
        "PolicyBinding long is not in force\nit is larger",
    ] {
        assert!(run.stderr.contains(said), "{said:?} is not in {}", run.stderr);
    }
    assert!(run.stdout.contains("[share]"), "{}", run.stdout);
    assert!(run.stdout.contains("1 policy is waived by ./stategate.yaml"), "{}", run.stdout);
}

#[test]
fn review_answers_for_documents_as_the_webhook_does() {
    let request = |kind: &str, plural: &str, operation: &str, object: Value, old: Value| {
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "operation": operation, "userInfo": {"username": "ann"},
                "kind": {"group": "stategate.io", "version": "v1alpha1", "kind": kind},
                "resource": {"group": "stategate.io", "version": "v1alpha1", "resource": plural},
                "name": "legacy", "namespace": "shop", "object": object, "oldObject": old,
            },
        })
        .to_string()
    };
    let waiver = |policy: &str, labels: Value| {
        json!({
            "apiVersion": "stategate.io/v1alpha1", "kind": "PolicyException",
            "metadata": {"name": "legacy", "namespace": "shop", "labels": labels},
            "spec": {"policies": [policy], "match": {}, "reason": "until the migration"},
        })
    };
    let none = || json!({});
    let exception = |operation: &str, object: Value, old: Value| {
        request("PolicyException", "policyexceptions", operation, object, old)
    };
    for (review, code, says) in [
        (exception("CREATE", waiver("pdb-present", none()), Value::Null), 0, ""),
        (exception("CREATE", waiver("volume-no-emptydir-data", none()), Value::Null), 1, "is critical"),
        (exception("CREATE", waiver("gone", none()), Value::Null), 1, "there is no policy gone"),
        // A faulty one that is there already may lose a finalizer, and may not become another faulty one.
        (exception("UPDATE", waiver("gone", json!({"a": "b"})), waiver("gone", none())), 0, ""),
        (exception("UPDATE", waiver("gone", none()), waiver("pdb-present", none())), 1, "no policy gone"),
        (exception("DELETE", Value::Null, waiver("gone", none())), 0, ""),
        (exception("CREATE", json!({"spec": 7}), Value::Null), 1, "cannot come into force"),
        (exception("CREATE", json!([]), Value::Null), 1, "cannot come into force"),
        (
            request("Policy", "policies", "CREATE", json!({"spec": {"rego": "package x"}}), Value::Null),
            1,
            "spec.rego",
        ),
        (request("Policy", "policies", "CREATE", json!({}), Value::Null), 1, "spec.rego"),
    ] {
        let run = run_in(directory(&[("review.json", &review)]).path(), &["review", "review.json"]);
        assert!(run.code == code && run.stdout.contains(says), "{review}\n{run:?}");
    }
}

#[test]
fn definitions_are_structural_and_survive_yaml() {
    let run = run_in(directory(&[]).path(), &["crds"]);
    assert_eq!(run.code, 0, "{run:?}");
    let kinds: Vec<&str> =
        run.stdout.lines().filter_map(|line| line.trim().strip_prefix("listKind: ")).collect();
    assert_eq!(kinds, ["PolicyList", "PolicyBindingList", "PolicyExceptionList"]);
    // Unquoted, it would be false for kubectl.
    assert!(run.stdout.contains("- \"off\"\n") || run.stdout.contains("- 'off'\n"), "{}", run.stdout);
    assert!(!run.stdout.contains("$ref") && !run.stdout.contains("additionalProperties: false"));
}
