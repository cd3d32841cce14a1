//! What a workload's policies learn about related objects, so that a shared fault is reported only once.

use serde_json::{Value, json};

use crate::inventory::{BUDGET, Case, SET, ZERO, policy, seen};

const SCALER: &str = r#"---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: pg, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: pg}
  minReplicas: 3
  maxReplicas: 5
"#;

const REPORT: &str = r#"---
apiVersion: apps/v1
kind: Deployment
metadata: {name: report, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: report}}
  template:
    metadata: {labels: {app: report, tier: db}}
    spec:
      containers: [{name: c, image: "mysql:8.4.5", volumeMounts: [{name: v, mountPath: /var/lib/mysql}]}]
      volumes: [{name: v, persistentVolumeClaim: {claimName: data-pg-1}}]
"#;

const BUDGETS: &str = "PodDisruptionBudget.policy: bundle, StatefulSet.apps: bundle, Deployment.apps: bundle";

/// A policy that flags every budget, and says whether the budget is evaluated in the same run.
fn says_who_is_judged() -> String {
    policy(
        "StatefulSet.apps",
        "PodDisruptionBudget.policy: bundle",
        "some budget in input.related.pdbs\n\tmsg := sprintf(\"reviewed: %v\", [budget.reviewed])",
    )
}

fn budgets(manifest: &str, cluster: &str) -> Value {
    seen("StatefulSet.apps", BUDGETS, "pdbs", manifest, cluster)
}

#[test]
fn what_is_checked_together_is_judged_itself_and_the_inventory_is_not() {
    assert_eq!(budgets(&format!("{SET}{BUDGET}"), "")[0]["reviewed"], true);
    assert_eq!(budgets(SET, BUDGET)[0]["reviewed"], false);
    let owned = BUDGET.replace(
        "{name: pg, namespace: shop}",
        "{name: pg, namespace: shop, ownerReferences: [{apiVersion: a/v1, kind: B, name: c, uid: d, controller: true}]}",
    );
    assert_eq!(
        budgets(&format!("{SET}{owned}"), "")[0]["reviewed"],
        true,
        "an owner in a file counts for nothing"
    );
    let scalers = |manifest: &str, cluster: &str| {
        seen(
            "StatefulSet.apps",
            "HorizontalPodAutoscaler.autoscaling: bundle",
            "autoscalers",
            manifest,
            cluster,
        )
    };
    let bundled = scalers(&format!("{SET}{SCALER}"), "");
    assert_eq!((&bundled[0]["reviewed"], &bundled[0]["min"]), (&true.into(), &3.into()));
    // Without scaling rules, one step may remove all pods above the minimum.
    assert_eq!(bundled[0]["scale_down_pods"], 2);
    assert_eq!(scalers(SET, SCALER)[0]["reviewed"], false);
    let own = seen("HorizontalPodAutoscaler.autoscaling", "", "namespace", SCALER, "");
    assert_eq!(own, Value::Null);
}

#[test]
fn of_an_update_only_what_changed_is_at_fault() {
    let text = says_who_is_judged();
    let case = Case::new(&text);
    let scaled = SET.replace("replicas: 3", "replicas: 5");
    let strict = BUDGET.replace("51%", "2");
    let old = case.file("old.yaml", &format!("{SET}{BUDGET}"));
    for (set, budget, judged) in [
        (scaled.as_str(), BUDGET, false),
        (scaled.as_str(), strict.as_str(), true),
        (SET, strict.as_str(), true),
        (SET, BUDGET, true),
    ] {
        case.check(&["--old", &old, "--all"], &format!("{set}{budget}"))
            .expect(0, &[&format!("reviewed: {judged}")]);
    }
}

#[test]
fn at_admission_nothing_else_is_judged() {
    let text = says_who_is_judged()
        .replace("[CREATE, UPDATE, DELETE]}", "[UPDATE], subresources: [scale]}\n#   ratchet: false");
    let case = Case::new(&text);
    let review = case.file("review.json", ZERO);
    let cluster = format!("{SET}{BUDGET}").replace("namespace: shop", "namespace: default");
    let cluster = case.file("cluster.yaml", &cluster);
    let said = case.run("review", &[&review, "--inventory", &cluster], "");
    // The headline names the scaled object.
    said.expect(1, &["reviewed: false", "StatefulSet default/pg (scale): 1 problem"]);
}

#[test]
fn a_budget_counts_the_pods_of_all_that_it_selects() {
    let alone = budgets(&format!("{SET}{BUDGET}"), "");
    assert_eq!((&alone[0]["workloads"], &alone[0]["pods"]), (&1.into(), &3.into()));
    let both = budgets(&format!("{SET}{BUDGET}{REPORT}"), "");
    assert_eq!((&both[0]["workloads"], &both[0]["pods"]), (&2.into(), &5.into()));
    // The pods of a Deployment are its own, not another workload.
    let pod = r#"---
apiVersion: v1
kind: Pod
metadata:
  name: report-1
  namespace: shop
  labels: {tier: db}
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: report, uid: u, controller: true}]
spec: {containers: [{name: c, image: report}]}
"#;
    let pods = budgets(&format!("{SET}{BUDGET}{REPORT}"), pod);
    assert_eq!((&pods[0]["workloads"], &pods[0]["pods"]), (&2.into(), &5.into()));
    let from_the_budget = seen(
        "PodDisruptionBudget.policy",
        "StatefulSet.apps: bundle",
        "workloads",
        &format!("{SET}{BUDGET}{REPORT}"),
        pod,
    );
    assert_eq!(from_the_budget.as_array().unwrap().len(), 2, "{from_the_budget}");
    // At admission, all workloads must be known before they are counted.
    let text = policy(
        "StatefulSet.apps",
        "PodDisruptionBudget.policy: cluster",
        "some budget in input.related.pdbs\n\tmsg := sprintf(\"workloads: %v\", [object.get(budget, \"workloads\", \"?\")])",
    )
    .replace("[CREATE, UPDATE, DELETE]}", "[UPDATE], subresources: [scale]}\n#   ratchet: false");
    let case = Case::new(&text);
    let review = case.file("review.json", ZERO);
    let local = |text: &str| text.replace("namespace: shop", "namespace: default");
    let one = case.file("one.yaml", &local(&format!("{SET}{BUDGET}")));
    case.run("review", &[&review, "--inventory", &one], "").expect(1, &["workloads: ?"]);
    let both = case.file("both.yaml", &local(&format!("{SET}{BUDGET}{REPORT}")));
    case.run("review", &[&review, "--inventory", &both], "").expect(1, &["workloads: 2"]);
}

#[test]
fn consumers_tell_their_engine_and_whether_the_claim_holds_its_data() {
    let consumers = |kinds: &str, manifest: &str, cluster: &str| {
        seen(kinds, "Deployment.apps: bundle, StatefulSet.apps: bundle", "consumers", manifest, cluster)
    };
    let of_set = consumers("StatefulSet.apps", SET, REPORT);
    assert_eq!((&of_set[0]["engine"], &of_set[0]["holds_data"]), (&"mysql".into(), &true.into()));
    assert_eq!(of_set[0]["reviewed"], false);
    let of_report = consumers("Deployment.apps", &format!("{SET}{REPORT}"), "");
    assert_eq!(
        (&of_report[0]["engine"], &of_report[0]["holds_data"], &of_report[0]["reviewed"]),
        (&"postgres".into(), &true.into(), &true.into())
    );
    let beside = REPORT.replace("mountPath: /var/lib/mysql", "mountPath: /dumps");
    let beside = consumers("StatefulSet.apps", SET, &beside);
    assert_eq!((&beside[0]["engine"], &beside[0]["holds_data"]), (&"mysql".into(), &false.into()));
    let part = REPORT.replace(
        "volumeMounts: [{name: v, mountPath: /var/lib/mysql}]",
        "volumeMounts: [{name: w, mountPath: /var/lib/mysql}, {name: v, mountPath: /var/lib/mysql/binlog}]",
    );
    let part = part.replace("volumes: [", "volumes: [{name: w, persistentVolumeClaim: {claimName: other}}, ");
    assert_eq!(consumers("StatefulSet.apps", SET, &part)[0]["holds_data"], true);
    let plain = REPORT.replace("mysql:8.4.5", "report:1");
    assert_eq!(consumers("StatefulSet.apps", SET, &plain)[0]["engine"], Value::Null);
}

#[test]
fn a_workload_beside_tells_whether_its_members_vote() {
    let etcd = SET.replace("postgres:16.4", "apache/kafka:3.9.0");
    let votes = |set: &str| {
        let seen = seen(
            "PodDisruptionBudget.policy",
            "StatefulSet.apps: bundle",
            "workloads",
            &format!("{set}{BUDGET}"),
            "",
        );
        seen[0]["engine"].clone()
    };
    assert_eq!((&votes(&etcd)["quorum"], &votes(&etcd)["votes"]), (&true.into(), &true.into()));
    let broker =
        etcd.replace("volumeMounts:", "env: [{name: KAFKA_PROCESS_ROLES, value: broker}], volumeMounts:");
    assert_eq!((&votes(&broker)["quorum"], &votes(&broker)["votes"]), (&true.into(), &false.into()));
    assert_eq!(votes(SET)["votes"], false);
}

#[test]
fn who_can_do_without_a_kind_sees_what_the_manifests_hold_of_it() {
    let optional = |manifest: &str, cluster: &str| {
        seen("StatefulSet.apps", "PodDisruptionBudget.policy: optional", "pdbs", manifest, cluster)
    };
    assert_eq!(optional(&format!("{SET}{BUDGET}"), "")[0]["name"], "pg");
    assert_eq!(optional(SET, ""), Value::Null, "of none nobody says that there is none");
    assert_eq!(optional(SET, BUDGET)[0]["name"], "pg");
    // A policy that needs all objects of a kind does not make do with those in the manifests.
    let needed = policy("StatefulSet.apps", "PodDisruptionBudget.policy: cluster", "msg := \"seen\"");
    Case::new(&needed).check(&[], &format!("{SET}{BUDGET}")).expect(0, &["1 unknown"]);
}

#[test]
fn the_start_says_what_the_inventory_knows_and_what_it_lacks() {
    let text = policy(
        "StatefulSet.apps",
        "StorageClass.storage.k8s.io: cluster, Node: cluster, Service: bundle, PriorityClass.scheduling.k8s.io: optional",
        "msg := \"seen\"",
    );
    let case = Case::new(&text);
    let empty = json!({"apiVersion": "v1", "kind": "NodeList", "items": []}).to_string();
    let cluster = case.file("cluster.json", &empty);
    let said = case.check(&["-v", "--inventory", &cluster], SET);
    said.expect(
        0,
        &[
            "inventory: all objects are known: Node\n",
            "inventory: needed but not known: ",
            "StorageClass.storage.k8s.io (",
            ", looks, ",
        ],
    );
    let of_looks = |kind: &str| {
        let line = said.stderr.lines().find(|line| line.contains("needed")).unwrap_or_default();
        line.contains(&format!("{kind} ("))
    };
    // A bundle contains what ships with a workload, and optional kinds are not needed.
    assert!(!of_looks("Service") && !of_looks("PriorityClass.scheduling.k8s.io") && !of_looks("Node"));
    let quiet = case.check(&["--inventory", &cluster], SET);
    assert!(!quiet.stderr.contains("inventory:"), "{}", quiet.stderr);
    let none = case.check(&["-v"], SET);
    assert!(!none.stderr.contains("inventory:"), "{}", none.stderr);
}

#[test]
fn own_policies_leave_the_table_of_data_stores_alone() {
    let text = policy("StatefulSet.apps", "", "msg := sprintf(\"engine %s\", [input.workload.engine.name])");
    Case::new(&text).check(&[], SET).expect(1, &["engine postgres"]);
}
