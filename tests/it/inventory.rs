//! The inventory: which objects are joined to a request, and what happens if some are unknown.

use serde_json::Value;

use crate::support::{Run, directory, stategate_with, write};

/// A policy whose body inspects `input.related`.
pub fn policy(kinds: &str, inventory: &str, body: &str) -> String {
    format!(
        "# METADATA\n# title: T\n# description: D.\n# custom:\n#   severity: high\n#   action: deny\n\
         #   match: {{kinds: [{kinds}], operations: [CREATE, UPDATE, DELETE]}}\n\
         #   inventory: {{{inventory}}}\n#   fix: F\n\
         package stategate.own.looks\n\nviolation contains v if {{\n\t{body}\n\tv := {{\"msg\": msg}}\n}}\n"
    )
}

/// A directory with only this policy, and files beside it.
pub struct Case {
    directory: tempfile::TempDir,
}

impl Case {
    pub fn new(policy: &str) -> Self {
        let bindings = "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: others}\nspec: {policies: {exclude: [looks]}, action: 'off', override: true}\n";
        Self { directory: directory(&[("policies/own/looks/looks.rego", policy), ("off.yaml", bindings)]) }
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        write(self.directory.path(), name, text).display().to_string()
    }

    pub fn run(&self, command: &str, rest: &[&str], stdin: &str) -> Run {
        let root = self.directory.path();
        let (policies, bindings) = (root.join("policies"), root.join("off.yaml"));
        let mut arguments =
            vec![command, "--policies", policies.to_str().unwrap(), "--bindings", bindings.to_str().unwrap()];
        arguments.extend(rest);
        stategate_with(&arguments, stdin)
    }

    pub fn check(&self, rest: &[&str], manifest: &str) -> Run {
        self.run("check", &[&["-"], rest].concat(), manifest)
    }
}

pub const SET: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: pg}}
  serviceName: pg
  template:
    metadata: {labels: {app: pg, tier: db}}
    spec: {containers: [{name: postgres, image: "postgres:16.4", volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
"#;

const FAST: &str = r#"---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: ebs.csi.aws.com
reclaimPolicy: Delete
"#;

const SLOW: &str = r#"---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: slow, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: csi.example.com
reclaimPolicy: Retain
"#;

const RECLAIM: &str = "some name, class in input.related.claim_classes\n\tmsg := sprintf(\"%s is %s by %s\", [name, class.reclaim_policy, class.name])";

#[test]
fn a_needed_kind_that_is_not_known_makes_the_outcome_unknown_and_refuses_nothing() {
    let case = Case::new(&policy("StatefulSet.apps", "StorageClass.storage.k8s.io: cluster", RECLAIM));
    case.check(&[], SET).expect(
        0,
        &[
            "not evaluated for StatefulSet shop/pg: looks (StorageClass.storage.k8s.io is not known; ",
            "1 unknown",
        ],
    );
    let report: Value = serde_json::from_str(&case.check(&["-o", "json"], SET).stdout).unwrap();
    assert_eq!(report["unknown"][0]["policy"], "looks");
    assert_eq!(report["unknown"][0]["missing"][0], "StorageClass.storage.k8s.io");
    assert_eq!(report["summary"]["unknown"], 1);
    // Storage classes do not matter to an object without claims.
    let without = SET.split("  volumeClaimTemplates").next().unwrap();
    let none = case.check(&[], without).expect(0, &["0 errors"]).stdout.clone();
    assert!(!none.contains("unknown"), "{none}");
}

#[test]
fn the_inventory_of_the_flag_is_joined_and_known() {
    let case = Case::new(&policy("StatefulSet.apps", "StorageClass.storage.k8s.io: cluster", RECLAIM));
    let cluster = case.file("cluster.yaml", &format!("{FAST}{SLOW}"));
    case.check(&["--inventory", &cluster], SET).expect(1, &["data is Delete by fast"]);
    let unnamed = SET.replace("storageClassName: fast, ", "");
    case.check(&["--inventory", &cluster], &unnamed).expect(1, &["data is Retain by slow"]);
    let none = SET.replace("storageClassName: fast", "storageClassName: ''");
    case.check(&["--inventory", &cluster], &none).expect(0, &["0 errors"]);
    // The bundle contains everything the object names: nothing more need be known.
    case.check(&[], &format!("{SET}{FAST}")).expect(1, &["data is Delete by fast"]);
    case.check(&[], &format!("{unnamed}{FAST}")).expect(0, &["1 unknown"]);
}

#[test]
fn a_binding_may_require_the_inventory() {
    let case = Case::new(&policy("StatefulSet.apps", "StorageClass.storage.k8s.io: cluster", RECLAIM));
    let binding = case.file(
        "require.yaml",
        "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: must}\nspec: {policies: {ids: [looks]}, requireInventory: true, override: true}\n",
    );
    case.check(&["--bindings", &binding], SET).expect(
        1,
        &[
            "error[looks]: it could not be evaluated: StorageClass.storage.k8s.io is not known",
            "requireInventory",
        ],
    );
}

#[test]
fn what_is_read_must_be_declared_and_what_is_declared_must_exist() {
    let undeclared = policy("StatefulSet.apps", "", RECLAIM);
    Case::new(&undeclared).check(&[], SET).expect(
        2,
        &["input.related.claim_classes is read", "custom.inventory: {StorageClass.storage.k8s.io: cluster}"],
    );
    let misspelt = policy("StatefulSet.apps", "StorageClas.storage.k8s.io: cluster", RECLAIM);
    Case::new(&misspelt).check(&[], SET).expect(2, &["did you mean StorageClass.storage.k8s.io?"]);
    let mode = policy("StatefulSet.apps", "StorageClass.storage.k8s.io: must", RECLAIM);
    Case::new(&mode).check(&[], SET).expect(2, &["`must` is none of"]);
}

/// What a policy on the given kinds sees under one key of `input.related`; null if undefined.
pub fn seen(kinds: &str, inventory: &str, key: &str, manifest: &str, cluster: &str) -> Value {
    let body = "msg := \"seen\"";
    let text = policy(kinds, inventory, body).replace(
        "{\"msg\": msg}",
        &format!("{{\"msg\": msg, \"details\": {{\"seen\": input.related.{key}}}}}"),
    );
    let case = Case::new(&text);
    let file = case.file("cluster.yaml", cluster);
    let rest: &[&str] = if cluster.is_empty() { &[] } else { &["--inventory", &file] };
    let run = case.check(&[&["-o", "json"], rest].concat(), manifest);
    let report: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
    assert_eq!(report["unknown"].as_array().unwrap().len(), 0, "{report:#}");
    report["findings"].as_array().unwrap().first().map_or(Value::Null, |f| f["details"]["seen"].clone())
}

pub const BUDGET: &str = r#"---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: pg, namespace: shop}
spec: {minAvailable: 51%, selector: {matchExpressions: [{key: tier, operator: In, values: [db]}]}}
"#;

#[test]
fn budgets_services_and_autoscalers_are_joined_by_selector_and_target() {
    let others = r#"---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: elsewhere, namespace: other}
spec: {minAvailable: 1, selector: {}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: another, namespace: shop}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Service
metadata: {name: pg, namespace: shop}
spec: {clusterIP: None, selector: {app: pg}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: by-hand, namespace: shop}
spec: {ports: [{port: 5432}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: pg, namespace: shop}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: pg}
  maxReplicas: 9
  behavior: {scaleDown: {policies: [{type: Pods, value: 2, periodSeconds: 60}]}}
"#;
    let bundle = format!("{SET}{BUDGET}{others}");
    let pdbs = seen("StatefulSet.apps", "PodDisruptionBudget.policy: bundle", "pdbs", &bundle, "");
    assert_eq!(pdbs.as_array().unwrap().len(), 1, "{pdbs}");
    assert_eq!(
        (&pdbs[0]["name"], &pdbs[0]["allowed_disruptions"], &pdbs[0]["min_available"]),
        (&"pg".into(), &1.into(), &"51%".into())
    );
    let services = seen("StatefulSet.apps", "Service: bundle", "services", &bundle, "");
    assert_eq!(services.as_array().unwrap().len(), 1, "{services}");
    let governing = seen("StatefulSet.apps", "Service: bundle", "governing_service", &bundle, "");
    assert_eq!(governing["headless"], true);
    let scalers =
        seen("StatefulSet.apps", "HorizontalPodAutoscaler.autoscaling: bundle", "autoscalers", &bundle, "");
    assert_eq!((&scalers[0]["scale_down_pods"], &scalers[0]["min"]), (&2.into(), &1.into()));
    // If a bundle contains none, the list is empty; for `optional` the key is undefined instead.
    let bundled = |mode: &str| {
        seen("StatefulSet.apps", &format!("PodDisruptionBudget.policy: {mode}"), "pdbs", SET, "")
    };
    assert_eq!(bundled("bundle"), serde_json::json!([]));
    assert_eq!(bundled("optional"), Value::Null);
}

#[test]
fn claims_volumes_and_other_users_of_a_workload_are_joined() {
    let cluster = r#"---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-pg-1, namespace: shop, labels: {a: b}}
spec: {storageClassName: fast, volumeName: pv-1, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
status: {phase: Bound, capacity: {storage: 10Gi}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-pg-01, namespace: shop}
spec: {resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-pg-1, namespace: other}
spec: {resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-1}
spec: {capacity: {storage: 10Gi}, persistentVolumeReclaimPolicy: Delete, csi: {driver: d, volumeHandle: h}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: report, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: report}}
  template:
    metadata: {labels: {app: report}}
    spec:
      containers: [{name: c, image: report, volumeMounts: [{name: v, mountPath: /v, readOnly: true}]}]
      volumes: [{name: v, persistentVolumeClaim: {claimName: data-pg-1}}]
---
apiVersion: v1
kind: Pod
metadata:
  name: pg-1
  namespace: shop
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: pg, uid: u, controller: true}]
spec:
  containers: [{name: c, image: postgres, volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data-pg-1}}]
"#;
    let join =
        |kinds: &str, needs: &str, key: &str, manifest: &str| seen(kinds, needs, key, manifest, cluster);
    let pvcs = join("StatefulSet.apps", "PersistentVolumeClaim: cluster", "pvcs", SET);
    assert_eq!(pvcs.as_array().unwrap().len(), 1, "{pvcs}");
    assert_eq!((&pvcs[0]["template"], &pvcs[0]["ordinal"]), (&"data".into(), &1.into()));
    assert_eq!((&pvcs[0]["phase"], &pvcs[0]["labels"]["a"]), (&"Bound".into(), &"b".into()));
    let mounted = serde_json::json!([{"kind": "Deployment", "name": "report", "read_only": true}]);
    assert_eq!(pvcs[0]["mounted_by"], mounted);
    let pvs = join("StatefulSet.apps", "PersistentVolume: cluster", "pvs", SET);
    assert_eq!((&pvs[0]["name"], &pvs[0]["reclaim_policy"]), (&"pv-1".into(), &"Delete".into()));
    // The set's own pod does not count as another consumer of its claim.
    let consumers = join("StatefulSet.apps", "Deployment.apps: cluster", "consumers", SET);
    assert_eq!(consumers.as_array().unwrap().len(), 1, "{consumers}");
    assert_eq!(
        (&consumers[0]["name"], &consumers[0]["claim"], &consumers[0]["replicas"]),
        (&"report".into(), &"data-pg-1".into(), &2.into())
    );
    // From the claim's side: the workloads that mount it, and the one that creates it.
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data-pg-1, namespace: shop}\nspec: {resources: {requests: {storage: 10Gi}}}\n---\n";
    let users =
        join("PersistentVolumeClaim", "Deployment.apps: bundle", "consumers", &format!("{claim}{SET}"));
    let names: Vec<&str> =
        users.as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["report", "pg-1", "pg"]);
}

#[test]
fn a_claim_sees_the_free_volumes_that_fit_it() {
    let volume = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec: {{nfs: {{server: a, path: /}}, {spec}}}\n"
        )
    };
    let cluster = [
        volume("fits", "capacity: {storage: 20Gi}, accessModes: [ReadWriteOnce, ReadWriteMany]"),
        volume("small", "capacity: {storage: 10Gi}, accessModes: [ReadWriteMany]"),
        volume("once", "capacity: {storage: 20Gi}, accessModes: [ReadWriteOnce]"),
        volume("classed", "capacity: {storage: 20Gi}, accessModes: [ReadWriteMany], storageClassName: nfs"),
        volume(
            "taken",
            "capacity: {storage: 20Gi}, accessModes: [ReadWriteMany], claimRef: {namespace: b, name: c}",
        ),
    ]
    .concat();
    let claim = |more: &str| {
        let manifest = format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: c, namespace: a}}\nspec: {{accessModes: [ReadWriteMany], resources: {{requests: {{storage: 20Gi}}}}{more}}}\n"
        );
        let found =
            seen("PersistentVolumeClaim", "PersistentVolume: optional", "free_volumes", &manifest, &cluster);
        let names =
            found.as_array().unwrap().iter().map(|volume| volume["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(claim(""), ["fits"]);
    assert_eq!(claim(", storageClassName: nfs"), ["classed"]);
    assert_eq!(claim(", volumeName: fits"), [""; 0]);
}

#[test]
fn nodes_are_counted_for_the_workload_and_quotas_are_numbers() {
    let node = |name: &str, zone: &str, rest: &str| {
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{topology.kubernetes.io/zone: {zone}, disk: ssd}}}}\nspec: {{{rest}}}\n"
        )
    };
    let cluster = [
        node("a", "z1", ""),
        node("b", "z2", ""),
        node("c", "z2", "taints: [{key: dedicated, value: db, effect: NoSchedule}]"),
        node("d", "z3", "unschedulable: true"),
        "---\napiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q, namespace: shop}\nspec: {hard: {requests.storage: 1Ti, requests.cpu: 2500m, pods: '10'}}\nstatus: {used: {requests.storage: 5Gi}}\n".to_owned(),
    ]
    .concat();
    let nodes = |manifest: &str| seen("StatefulSet.apps", "Node: cluster", "nodes", manifest, &cluster);
    let all = nodes(SET);
    assert_eq!((&all["count"], &all["schedulable"], &all["matching"]), (&4.into(), &3.into(), &2.into()));
    assert_eq!(all["zones"], serde_json::json!({"z1": 1, "z2": 2}));
    let spec = |more: &str| SET.replace("spec: {containers:", &format!("spec: {{{more}, containers:"));
    let tolerant = spec("tolerations: [{key: dedicated, operator: Exists}]");
    assert_eq!(nodes(&tolerant)["matching"], 3);
    let zoned = spec("nodeSelector: {topology.kubernetes.io/zone: z2}");
    assert_eq!(nodes(&zoned)["matching"], 1);
    let affine = spec(
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [a]}]}, {matchExpressions: [{key: disk, operator: NotIn, values: [ssd]}]}]}}}",
    );
    assert_eq!(nodes(&affine)["matching"], 1);
    let quotas = seen("StatefulSet.apps", "ResourceQuota: cluster", "quotas", SET, &cluster);
    assert_eq!(
        quotas[0]["hard"],
        serde_json::json!({"requests.storage": 1i64 << 40, "requests.cpu": 2500, "pods": 10})
    );
    assert_eq!(quotas[0]["used"]["requests.storage"], 5i64 << 30);
}

pub const ZERO: &str = include_str!("../fixtures/reviews/scale-statefulset-5-to-0.json");

#[test]
fn a_scale_request_is_judged_as_an_update_of_its_parent() {
    let body = "input.workload.replicas < input.old_workload.replicas\n\tinput.workload.annotations[\"stategate.io/confirm\"] != \"yes\"\n\tmsg := sprintf(\"%s %s from %d to %d of %s\", [input.workload.kind, input.workload.name, input.old_workload.replicas, input.workload.replicas, input.review.kind.kind])";
    let text = policy("StatefulSet.apps", "", body)
        .replace("[CREATE, UPDATE, DELETE]}", "[UPDATE], subresources: [scale]}");
    let case = Case::new(&text);
    let review = case.file("review.json", ZERO);
    let parent =
        SET.replace("namespace: shop", "namespace: default, annotations: {stategate.io/confirm: 'no'}");
    let cluster = case.file("cluster.yaml", &parent);
    case.run("review", &[&review, "--inventory", &cluster], "")
        .expect(1, &["StatefulSet pg from 5 to 0 of StatefulSet"]);
    // The parent's annotations count, both for the confirmation and for the skip.
    let confirmed = case.file("confirmed.yaml", &parent.replace("'no'", "'yes'"));
    case.run("review", &[&review, "--inventory", &confirmed], "").expect(0, &["\"allowed\": true"]);
    let skipped = parent
        .replace("'no'", "'no', stategate.io/skip: looks, stategate.io/skip-reason: 'we know what we do'");
    let skipped = case.file("skipped.yaml", &skipped);
    case.run("review", &[&review, "--inventory", &skipped], "").expect(0, &["\"waived\": \"looks\""]);
    // Without the parent the outcome is unknown, and nothing is refused.
    case.run("review", &[&review], "").expect(0, &["\"unknown\": \"looks\""]);
    case.run("input", &[&review, "--inventory", &cluster, "--policy", "looks"], "")
        .expect(0, &["\"replicas\": 0", "\"subResource\": \"scale\""]);
}

#[test]
fn a_delete_knows_what_it_would_hurt() {
    let text = policy(
        "PersistentVolumeClaim",
        "StatefulSet.apps: cluster",
        "some d in input.related.dependants\n\tmsg := sprintf(\"%s %s/%s would be hurt (%s)\", [d.kind, d.namespace, d.name, d.class])",
    );
    let case = Case::new(&text);
    let review = include_str!("../fixtures/reviews/delete-pvc.json");
    let file = case.file("review.json", review);
    let name = serde_json::from_str::<Value>(review).unwrap()["request"]["name"].as_str().unwrap().to_owned();
    let set = SET.replace("namespace: shop", "namespace: default");
    let user = set.replace("  volumeClaimTemplates", "#").split('#').next().unwrap().replace(
        "spec: {containers:",
        &format!(
            "spec: {{volumes: [{{name: data, persistentVolumeClaim: {{claimName: {name}}}}}], containers:"
        ),
    );
    let cluster = case.file("cluster.yaml", &user);
    case.run("review", &[&file, "--inventory", &cluster], "")
        .expect(1, &["StatefulSet default/pg would be hurt (durable)"]);
}

#[test]
fn a_list_of_the_api_server_is_complete_even_if_it_is_empty() {
    let empty = r#"{"apiVersion": "v1", "kind": "ResourceQuotaList", "items": []}"#;
    let seen_quotas =
        |cluster: &str| seen("StatefulSet.apps", "ResourceQuota: cluster", "quotas", SET, cluster);
    assert_eq!(seen_quotas(empty), serde_json::json!([]));
    let one = r#"{"apiVersion": "v1", "kind": "ResourceQuotaList", "items": [{"metadata": {"name": "q", "namespace": "shop"}, "spec": {"hard": {"pods": "3"}}}]}"#;
    assert_eq!(seen_quotas(one)[0]["hard"]["pods"], 3);
}

#[test]
fn what_the_old_object_had_is_judged_by_what_was_related_to_it() {
    // The old pods had a budget; with the new labels it is lost. That is a new violation, however the new
    // object is joined.
    let text = policy(
        "StatefulSet.apps",
        "PodDisruptionBudget.policy: bundle",
        "count(input.related.pdbs) == 0\n\tmsg := \"no budget\"",
    );
    let case = Case::new(&text);
    let old = case.file("old.yaml", SET);
    let lost = format!("{}{BUDGET}", SET.replace("tier: db", "tier: cache"));
    case.check(&["--old", &old], &lost).expect(1, &["error[looks]: no budget"]);
    let never = SET.replace("tier: db", "tier: none");
    let old = case.file("old.yaml", &never);
    case.check(&["--old", &old, "--all"], &lost)
        .expect(0, &["already present before this change: no budget"]);
}

#[test]
fn a_patched_object_is_joined_anew() {
    let text = policy("StatefulSet.apps", "StorageClass.storage.k8s.io: cluster", RECLAIM)
        + "\npatch contains p if {\n\tsome claim in input.workload.claims\n\tclaim.storage_class == \"\"\n\tp := {\"op\": \"add\", \"path\": array.concat(claim.spec_path, [\"storageClassName\"]), \"value\": \"fast\"}\n}\n";
    let case = Case::new(&text);
    let cluster = case.file("cluster.yaml", &format!("{FAST}{SLOW}"));
    let mutate = case.file("mutate.yaml", "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: must}\nspec: {policies: {ids: [looks]}, mutate: true}\n");
    let unnamed = SET.replace("storageClassName: fast, ", "");
    case.check(&["--inventory", &cluster, "--bindings", &mutate], &unnamed)
        .expect(1, &["data is Delete by fast"]);
}

#[test]
fn siblings_only_warn_at_admission_and_count_in_full_in_check() {
    let text = policy(
        "StatefulSet.apps",
        "PodDisruptionBudget.policy: bundle",
        "count(input.related.pdbs) == 0\n\tmsg := \"no budget\"",
    )
    .replace("#   fix: F\n", "#   fix: F\n#   atAdmission: warn\n");
    let case = Case::new(&text);
    case.check(&[], SET).expect(1, &["error[looks]: no budget"]);
    let review = case.file("review.json", include_str!("../fixtures/reviews/create-statefulset.json"));
    // The inventory contains no list of budgets, so at admission they are unknown.
    case.run("review", &[&review], "").expect(0, &["\"unknown\": \"looks\""]);
    let cluster = case.file("cluster.yaml", BUDGET);
    case.run("review", &[&review, "--inventory", &cluster], "").expect(0, &["looks: no budget"]);
    let require = case.file(
        "require.yaml",
        "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: must}\nspec: {policies: {ids: [looks]}, requireInventory: true, override: true}\n",
    );
    case.run("review", &[&review, "--bindings", &require], "")
        .expect(0, &["looks: it could not be evaluated: PodDisruptionBudget.policy is not known"]);
}

#[test]
fn examples_are_bundles_and_say_what_is_unknown() {
    let body = "some name, class in input.related.claim_classes\n\tclass.reclaim_policy == \"Delete\"\n\tmsg := sprintf(\"%s is deleted with its claim\", [name])";
    let text = policy("StatefulSet.apps", "StorageClass.storage.k8s.io: cluster", body);
    let test = "package stategate.own.looks_test\n\nimport data.stategate.own.looks\n\ntest_it if {\n\tcount(looks.violation) == 1 with input as {\"related\": {\"claim_classes\": {\"data\": {\"reclaim_policy\": \"Delete\"}}}}\n}\n";
    let slow = SET.replace("storageClassName: fast", "storageClassName: slow");
    let both = format!("{FAST}{SLOW}");
    let files = |unknown: &str| {
        directory(&[
            ("own/looks/looks.rego", text.as_str()),
            ("own/looks/looks_test.rego", test),
            ("own/looks/examples/deny_fast.yaml", &format!("{SET}{both}")),
            ("own/looks/examples/pass_slow.yaml", &format!("{slow}{both}")),
            ("own/looks/examples/unknown_alone.yaml", unknown),
        ])
    };
    let run =
        |directory: &tempfile::TempDir| stategate_with(&["test", directory.path().to_str().unwrap()], "");
    run(&files(SET)).expect(0, &["3 examples: 0 failed"]);
    run(&files(&format!("{SET}{both}"))).expect(1, &["the policy did not lack any object"]);
    let forgotten = files(SET);
    write(forgotten.path(), "own/looks/examples/pass_slow.yaml", &slow);
    run(&forgotten)
        .expect(1, &["the outcome is unknown: StorageClass.storage.k8s.io is not known; add an object"]);
}
