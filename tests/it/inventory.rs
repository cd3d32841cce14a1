//! Other objects: what is joined to a request, what happens if it is not known, and who can tell.

use serde_json::Value;

use crate::support::{Run, directory, stategate_with, write};

/// A policy that says for every object what it sees of `input.related`.
fn policy(kinds: &str, inventory: &str, body: &str) -> String {
    format!(
        "# METADATA\n# title: T\n# description: D.\n# custom:\n#   severity: high\n#   action: deny\n\
         #   match: {{kinds: [{kinds}], operations: [CREATE, UPDATE, DELETE]}}\n\
         #   inventory: {{{inventory}}}\n#   fix: F\n\
         package stategate.own.looks\n\nviolation contains v if {{\n\t{body}\n\tv := {{\"msg\": msg}}\n}}\n"
    )
}

/// A directory with this policy alone, and files beside it.
struct Case {
    directory: tempfile::TempDir,
}

impl Case {
    fn new(policy: &str) -> Self {
        let bindings = "apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: others}\nspec: {policies: {exclude: [looks]}, action: 'off', override: true}\n";
        Self { directory: directory(&[("policies/own/looks/looks.rego", policy), ("off.yaml", bindings)]) }
    }

    fn file(&self, name: &str, text: &str) -> String {
        write(self.directory.path(), name, text).display().to_string()
    }

    fn run(&self, command: &str, rest: &[&str], stdin: &str) -> Run {
        let root = self.directory.path();
        let (policies, bindings) = (root.join("policies"), root.join("off.yaml"));
        let mut arguments =
            vec![command, "--policies", policies.to_str().unwrap(), "--bindings", bindings.to_str().unwrap()];
        arguments.extend(rest);
        stategate_with(&arguments, stdin)
    }

    fn check(&self, rest: &[&str], manifest: &str) -> Run {
        self.run("check", &[&["-"], rest].concat(), manifest)
    }
}

const SET: &str = r#"
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
        &["looks could not judge StatefulSet shop/pg: StorageClass.storage.k8s.io is not known", "1 unknown"],
    );
    let report: Value = serde_json::from_str(&case.check(&["-o", "json"], SET).stdout).unwrap();
    assert_eq!(report["unknown"][0]["policy"], "looks");
    assert_eq!(report["unknown"][0]["missing"][0], "StorageClass.storage.k8s.io");
    assert_eq!(report["summary"]["unknown"], 1);
    // An object without claims has nothing to do with classes.
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
    // All that the object names is in the bundle itself: more need not be known.
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
            "error[looks]: it could not be judged: StorageClass.storage.k8s.io is not known",
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
    Case::new(&mode).check(&[], SET).expect(2, &["unknown variant `must`"]);
}
