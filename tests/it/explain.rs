//! `stategate explain --namespace`: what holds there is what `check` does there, and each part of it has a name.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Run, directory, run_in, stategate};

const TEAM: &str = "\
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: patient}
spec:
  policies: {ids: [probe-readiness-required, scheduling-priority-class]}
  match: {namespaces: [shop], warnOnlyUsers: ['ci-*']}
  override: true
  action: warn
  onFailure: deny
---
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: strict-for-gold}
spec:
  policies: {ids: [probe-readiness-required]}
  match: {namespaces: [shop], objectSelector: {matchLabels: {tier: gold}}}
  override: true
  skippable: false
---
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: parameters}
spec:
  policies: {ids: [storage-class-required]}
  override: true
  parameters: {storage-class-required: {allow_cluster_default: true}}
---
apiVersion: stategate.io/v1alpha1
kind: PolicyException
metadata: {name: legacy, namespace: shop}
spec:
  policies: [probe-readiness-required]
  match: {kinds: [StatefulSet.apps], names: [pg]}
  reason: until the migration, OPS-113
  expiresAt: 2999-01-31
---
apiVersion: stategate.io/v1alpha1
kind: PolicyException
metadata: {name: elsewhere, namespace: other}
spec: {policies: [probe-readiness-required], match: {}, reason: another namespace}
---
apiVersion: stategate.io/v1alpha1
kind: PolicyException
metadata: {name: over}
spec: {policies: [probe-readiness-required], match: {}, reason: it has ended, expiresAt: 2020-01-31}
";

const NAMESPACES: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: dev-shop, labels: {stategate.io/tier: dev}}
---
apiVersion: stategate.io/v1alpha1
kind: PolicyBinding
metadata: {name: of-the-cluster}
spec: {policies: {ids: [backup-declared]}, match: {namespaces: [shop]}, override: true, action: audit}
";

fn files() -> tempfile::TempDir {
    directory(&[("team.yaml", TEAM), ("cluster.yaml", NAMESPACES)])
}

fn explain(dir: &Path, policy: &str, namespace: &str, more: &[&str]) -> Run {
    run_in(dir, &[&["explain", policy, "--namespace", namespace], more].concat())
}

fn json(dir: &Path, policy: &str, namespace: &str, more: &[&str]) -> Value {
    let run = explain(dir, policy, namespace, &[more, &["-o", "json"]].concat());
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"))
}

#[test]
fn it_says_what_holds_and_who_says_so() {
    let dir = files();
    let run = explain(dir.path(), "probe-readiness-required", "shop", &["--bindings", "team.yaml"]);
    let told = run.expect(0, &[]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "probe-readiness-required in namespace shop",
        "Profile: production",
        "Labels of the namespace: not known, so bindings match as if there were none; add --inventory FILE or --context",
        "action warn team.yaml/patient",
        "if the policy fails deny team.yaml/patient",
        "skip annotation counts yes default below critical",
        "Objects with the labels tier=gold:",
        "action deny METADATA, bound by team.yaml/strict-for-gold",
        "skip annotation counts no team.yaml/strict-for-gold",
        "does not production/production (",
        "policies/profiles/production.yaml:",
        "another one overrides the profile's",
        "namespaceSelector: only stategate.io/tier=staging, and the labels are not known",
        "applies team.yaml/patient (team.yaml:3)",
        "warn; override; onFailure: deny; only warns users ci-*",
        "shop/legacy, until 2999-02-01T00:00:00Z (team.yaml:30)",
        "StatefulSet.apps named pg: until the migration, OPS-113",
        "over, expired 2020-02-01T00:00:00Z: it waives nothing",
    ] {
        assert!(told.contains(part), "{part:?} is not in:\n{}", run.stdout);
    }
    assert!(!run.stdout.contains("elsewhere"), "{}", run.stdout);
    // One screen.
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines.len() < 60, "{} lines:\n{}", lines.len(), run.stdout);
}

#[test]
fn what_it_says_is_what_check_does() {
    let dir = files();
    let manifest = |namespace: &str| {
        let manifest = crate::support::NAIVE.replace("namespace: shop", &format!("namespace: {namespace}"));
        crate::support::write(dir.path(), "pg.yaml", manifest);
    };
    let told = ["--bindings", "team.yaml", "--inventory", "cluster.yaml"];
    let (mut compared, mut different) = (0, 0);
    for namespace in ["shop", "dev-shop", "kube-system"] {
        manifest(namespace);
        let run =
            run_in(dir.path(), &[&["check", "pg.yaml", "-o", "json", "--no-config"], &told[..]].concat());
        let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
        for finding in report["findings"].as_array().unwrap() {
            let policy = finding["policy"].as_str().unwrap();
            if compared > 6 && compared % 3 != 0 {
                compared += 1;
                continue;
            }
            let explained = json(dir.path(), policy, namespace, &told);
            let kind = finding["object"]["kind"].as_str().unwrap();
            let of = explained["ofKinds"].as_array().unwrap().iter().find(|of| {
                of["kinds"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|one| one.as_str().unwrap().split('.').next() == Some(kind))
            });
            let outcome = &of.unwrap_or_else(|| panic!("{explained}"))["outcomes"][0];
            assert_eq!(outcome["action"]["value"], finding["action"], "{namespace} {policy}: {explained}");
            let by = outcome["action"]["setBy"].as_str().unwrap();
            assert!(by.ends_with(finding["binding"].as_str().unwrap()), "{policy}: {by} {finding}");
            different += usize::from(!by.ends_with("production/production"));
            compared += 1;
        }
    }
    assert!(compared > 10 && different >= 3, "{compared} {different}");
}

#[test]
fn labels_parameters_caps_and_the_cluster_count() {
    let dir = files();
    let known = ["--inventory", "cluster.yaml"];
    let dev = json(dir.path(), "scale-to-zero-guard", "dev-shop", &known);
    assert_eq!(dev["namespaceLabels"]["stategate.io/tier"], "dev");
    let off = dev["ofKinds"][0]["off"].as_str();
    assert_eq!(off, Some("no binding that selects it applies"), "{dev}");
    let unknown = json(dir.path(), "backup-declared", "dev-shop", &[]);
    assert_eq!(unknown["namespaceLabels"], Value::Null);
    assert_eq!(unknown["ofKinds"][0]["outcomes"][0]["action"]["value"], "deny");

    let cluster = json(dir.path(), "backup-declared", "shop", &known);
    let action = &cluster["ofKinds"][0]["outcomes"][0]["action"];
    assert_eq!(*action, json!({"value": "audit", "setBy": "policybinding/of-the-cluster"}));
    let bindings = cluster["ofKinds"][0]["bindings"].as_array().unwrap();
    assert_eq!(bindings.last().unwrap()["place"], "PolicyBinding of-the-cluster");

    let set = json(dir.path(), "storage-class-required", "shop", &["--bindings", "team.yaml"]);
    let parameter = &set["ofKinds"][0]["outcomes"][0]["parameters"]["allow_cluster_default"];
    assert_eq!(*parameter, json!({"value": true, "setBy": "team.yaml/parameters"}));
    let default = json(dir.path(), "storage-class-required", "shop", &[]);
    let parameter = &default["ofKinds"][0]["outcomes"][0]["parameters"]["allow_cluster_default"];
    assert_eq!(*parameter, json!({"value": false, "setBy": "default"}));

    let capped = json(dir.path(), "topology-spread-zone", "shop", &["--enforcement", "audit"]);
    let outcome = &capped["ofKinds"][0]["outcomes"][0];
    assert_eq!(
        outcome["action"],
        json!({"value": "audit", "setBy": "--enforcement audit, instead of warn of production/production"})
    );
    assert_eq!(outcome["mutate"], json!({"value": false, "setBy": "--enforcement audit"}));
    assert_eq!(outcome["onFailure"]["setBy"], "--enforcement audit");

    let left_out = json(dir.path(), "prestop-hook", "shop", &[]);
    let off = left_out["ofKinds"][0]["off"].as_str().unwrap();
    assert!(off.contains("the profile production leaves it out"), "{off}");
    let outside = explain(dir.path(), "encryption-storageclass-at-rest", "shop", &[]);
    assert!(!outside.stdout.contains("if the labels of the namespace fit"), "{}", outside.stdout);
    outside.expect(
        0,
        &["STORAGECLASS.STORAGE.K8S.IO, IN NO NAMESPACE", "METADATA, bound by production/production"],
    );
}

#[test]
fn flags_that_would_do_nothing_are_refused() {
    let policy = ["explain", "backup-declared"];
    let refused = |more: &[&str], said: &str| {
        stategate(&[&policy, more].concat()).expect(2, &[said]);
    };
    refused(
        &["--profile", "baseline"],
        "--profile changes what holds in a namespace\n  help: add --namespace NAME",
    );
    refused(&["--bindings", "none.yaml"], "--bindings changes");
    refused(&["-o", "json"], "--namespace <NAME>");
    refused(&["--enforcement", "warn"], "--enforcement changes");
    refused(&["--namespace", "Shop"], "--namespace: `Shop` is no name of a namespace");
    refused(&["--namespace", "shop", "--profile", "none"], "there is no profile");
    stategate(&["explain", "backup-declare", "--namespace", "shop"])
        .expect(2, &["there is no policy backup-declare", "did you mean backup-declared?"]);
}
