//! Any input ends in a clear error that names the place, or in a verdict: never in a panic, a hang or a
//! silent pass.

use crate::support::{GOOD, directory, run_in, stategate, stategate_with, write};

#[test]
fn broken_yaml_names_file_line_and_column() {
    let dir = directory(&[("broken.yaml", "kind: Pod\nspec: {containers: [\n"), ("good.yaml", GOOD)]);
    let run = stategate(&["check", dir.path().to_str().unwrap()]);
    run.expect(2, &["broken.yaml:", "2 objects checked"]);
}

#[test]
fn broken_json_names_its_place() {
    let dir = directory(&[("broken.json", "{\"kind\": \"Pod\",\n \"spec\": [}")]);
    stategate(&["check", dir.path().to_str().unwrap()]).expect(2, &["broken.json:2:"]);
}

#[test]
fn duplicate_keys_tabs_and_templates_are_explained() {
    stategate_with(&["check", "-"], "kind: Pod\nkind: Pod\n").expect(2, &["<stdin>:2:1", "kind"]);
    stategate_with(&["check", "-"], "spec:\n\tkind: Pod\n").expect(2, &["<stdin>:2", "tab"]);
    stategate_with(&["check", "-"], "kind: {{ .Values.kind }}\n").expect(2, &["<stdin>:1", "helm template"]);
}

#[test]
fn missing_files_and_empty_directories_are_errors() {
    stategate(&["check", "/no/such/file.yaml"]).expect(2, &["/no/such/file.yaml", "cannot be read"]);
    let dir = directory(&[]);
    stategate(&["check", dir.path().to_str().unwrap()]).expect(2, &["nothing to check"]);
    stategate_with(&["check", "-"], "").expect(2, &["nothing to check"]);
    stategate_with(&["check", "-"], "# only a comment\n").expect(2, &["nothing to check"]);
}

#[test]
fn bytes_that_are_no_text_name_the_byte() {
    let dir = directory(&[]);
    write(dir.path(), "latin.yaml", b"kind: Pod\nname: caf\xe9\n");
    stategate(&["check", dir.path().to_str().unwrap()]).expect(2, &["latin.yaml:2", "UTF-8"]);
}

#[test]
fn bytes_that_are_no_text_are_refused_in_every_file() {
    let bytes: &[u8] = b"# caf\xe9\n";
    let dir = directory(&[("shop/pg.yaml", GOOD)]);
    write(dir.path(), "policies/storage/mine/mine.rego", [POLICY.as_bytes(), bytes].concat());
    write(dir.path(), "bindings.yaml", [b"a: 1\n", bytes].concat());
    write(dir.path(), "known.json", [b"{}\n", bytes].concat());
    write(dir.path(), "config.yaml", [b"profile: production\n", bytes].concat());
    write(dir.path(), "inventory.yaml", [b"kind: StorageClassList\n", bytes].concat());
    for (arguments, place) in [
        (["--policies", "policies"], "mine.rego:14:6: "),
        (["--bindings", "bindings.yaml"], "bindings.yaml:2:6: "),
        (["--known", "known.json"], "known.json:2:6: "),
        (["--config", "config.yaml"], "config.yaml:2:6: "),
        (["--inventory", "inventory.yaml"], "inventory.yaml:2:6: "),
    ] {
        let run = run_in(dir.path(), &[&["check", "shop"], &arguments[..]].concat());
        run.expect(2, &[place, "is not UTF-8", "save the file as UTF-8"]);
    }
    // What stands behind the byte would not be ignored.
    for ignore in [".stategateignore", ".gitignore"] {
        let dir = directory(&[("pg.yaml", GOOD), (".git/HEAD", "")]);
        write(dir.path(), ignore, [b"a.yaml\n", bytes, b"pg.yaml\n"].concat());
        run_in(dir.path(), &["check", "."]).expect(2, &[&format!("{ignore}:2:6"), "not UTF-8"]);
    }
    let dir = directory(&[("shop/pg.yaml", GOOD), (".git/HEAD", "")]);
    write(dir.path(), ".stategateignore", bytes);
    run_in(dir.path(), &["check", "shop"]).expect(2, &[".stategateignore:1:6", "not UTF-8"]);
    run_in(dir.path(), &["check", "shop", "--no-ignore"]).expect(0, &["2 objects checked"]);
    let dir = directory(&[("pg.yaml", GOOD), (".stategateignore", "a.yaml\na{b\n")]);
    run_in(dir.path(), &["check", "."]).expect(2, &[".stategateignore:2", "no pattern of paths"]);
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("a: 1\nb: ".encode_utf16().flat_map(u16::to_le_bytes))
        .chain([0x00, 0xd8, b'\n', 0])
        .collect();
    write(dir.path(), "wide.yaml", wide);
    run_in(dir.path(), &["check", "wide.yaml"]).expect(2, &["wide.yaml:2:4", "this is not UTF-16"]);
}

#[test]
fn an_alias_bomb_is_an_error_at_the_alias_that_is_too_much() {
    let bomb = format!("a: &a {}\nb:\n{}", "x".repeat(80_000), "- *a\n".repeat(20_000));
    let dir = directory(&[("bomb.yaml", &bomb), ("good.yaml", GOOD)]);
    write(dir.path(), "policies/storage/mine/mine.rego", POLICY.replace("# custom:\n", "# a: &a [x, x, x, x, x, x, x, x, x, x]\n# b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n# c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n# d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n# e: [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n# custom:\n"));
    for arguments in [
        vec!["check", "bomb.yaml"],
        vec!["check", "good.yaml", "--bindings", "bomb.yaml"],
        vec!["check", "good.yaml", "--inventory", "bomb.yaml"],
        vec!["check", "good.yaml", "--known", "bomb.yaml"],
        vec!["check", "good.yaml", "--config", "bomb.yaml"],
        vec!["fix", "bomb.yaml"],
    ] {
        let run = run_in(dir.path(), &arguments);
        run.expect(2, &["bomb.yaml:47:3", "with the alias *a, aliases expand", "write the value out"]);
    }
    run_in(dir.path(), &["check", "good.yaml", "--policies", "policies"])
        .expect(2, &["mine.rego:8:11: with the alias *d, aliases expand"]);
}

#[test]
fn unknown_kinds_and_foreign_files_are_counted_not_judged() {
    let manifests = format!(
        "{GOOD}---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w}}\n---\nname: not kubernetes\n"
    );
    stategate_with(&["check", "-"], &manifests).expect(
        0,
        &["2 objects checked", "1 of kinds that no policy checks", "1 document skipped: not Kubernetes"],
    );
    stategate_with(&["check", "-"], "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}")
        .expect(2, &["nothing to check"]);
    stategate_with(&["check", "-"], &GOOD.replace("StatefulSet", "Statefulset"))
        .expect(2, &["kind: StatefulSet"]);
    // No API server serves this version: it must not silently pass as checked.
    let beta = GOOD.replace("apps/v1", "apps/v1beta1");
    stategate_with(&["check", "-"], &beta).expect(2, &["apps/v1beta1 StatefulSet", "apiVersion: apps/v1"]);
}

#[test]
fn an_absurd_quantity_is_refused_at_once() {
    for quantity in ["1e1000000000", "9e99", "twenty gigs", "''", "1e", "{}"] {
        let manifest = GOOD.replace("storage: 20Gi", &format!("storage: {quantity}"));
        stategate_with(&["check", "-"], &manifest).expect(
            1,
            &["error[object-unreadable]", "spec.volumeClaimTemplates[0].spec.resources.requests.storage"],
        );
    }
}

#[test]
fn a_field_of_the_wrong_type_is_refused_with_its_place() {
    for (from, to, field) in [
        ("replicas: 3", "replicas: three", "spec.replicas must be a whole number, not text"),
        ("replicas: 3", "replicas: [3]", "spec.replicas must be a whole number, not a list"),
        ("matchLabels: {app: pg}}", "matchExpressions: [{key: a, operator: Is}]}", "labelSelector"),
        (
            "labels: {app: pg}",
            "labels: {app: 7}",
            "spec.template.metadata.labels.app must be text, not a number",
        ),
        (
            "ports: [{containerPort: 5432}]",
            "ports: 5432",
            "spec.template.spec.containers[0].ports must be a list",
        ),
        ("  name: pg\n", "  name: [pg]\n", "metadata.name: invalid type: sequence"),
    ] {
        let manifest = GOOD.replacen(from, to, 1);
        assert_ne!(manifest, GOOD, "{from}");
        stategate_with(&["check", "-"], &manifest).expect(1, &["error[object-unreadable]", field]);
    }
}

#[test]
fn deep_nesting_is_a_verdict_or_an_error() {
    let nested = |levels: usize| {
        let deep = "{a: ".repeat(levels) + "1" + &"}".repeat(levels);
        GOOD.replace("  annotations:\n", &format!("  managedFields: [{deep}]\n  annotations:\n"))
    };
    stategate_with(&["check", "-"], &nested(90)).expect(0, &["2 objects checked"]);
    stategate_with(&["check", "-"], &nested(101)).expect(2, &["<stdin>:6", "nest"]);
    stategate_with(&["check", "-"], &("[".repeat(100_000))).expect(2, &["<stdin>:1", "nest"]);
}

#[test]
fn an_object_of_ten_megabytes_is_judged() {
    let filler = "x".repeat(11_200);
    let annotations: String = (0..900).map(|n| format!("    filler-{n}: {filler}\n")).collect();
    let manifest = GOOD.replace("  annotations:\n", &format!("  annotations:\n{annotations}"));
    assert!(manifest.len() > 10_000_000);
    stategate_with(&["check", "-"], &manifest).expect(0, &["2 objects checked: 0 errors"]);
}

#[test]
fn bad_flags_are_refused_by_name() {
    stategate(&["check"]).expect(2, &["PATH"]);
    stategate(&["check", "--output", "xml", "."]).expect(2, &["xml", "json"]);
    stategate(&["check", "--profile", "prod", "."]).expect(2, &["no profile \"prod\"", "production"]);
    stategate(&["frobnicate"]).expect(2, &["frobnicate"]);
    stategate(&["webhook-config"]).expect(2, &["--url"]);
    stategate(&["webhook-config", "--service", "justaname"]).expect(2, &["namespace/name"]);
}

#[test]
fn certificates_that_are_none_are_refused() {
    let dir = directory(&[
        ("ca.crt", "hello"),
        ("key.pem", "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"),
    ]);
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let url = "https://127.0.0.1:1";
    stategate(&["webhook-config", "--url", url, "--ca-file", &file("ca.crt")])
        .expect(2, &["ca.crt", "no certificate"]);
    stategate(&["webhook-config", "--url", url, "--ca-file", &file("key.pem")]).expect(2, &["private key"]);
    stategate(&["webhook-config", "--url", url, "--ca-file", &file("none")])
        .expect(2, &["none", "cannot be read"]);
}

const POLICY: &str = r#"# METADATA
# title: A title
# description: Why.
# custom:
#   severity: high
#   action: deny
#   fix: Do this.
package stategate.storage.mine

violation contains v if {
	input.workload.replicas == 0
	v := {"msg": "none", "path": ["spec", "replicas"]}
}
"#;

#[test]
fn bad_policies_are_refused_with_file_and_line() {
    let cases: &[(&str, String, &[&str])] = &[
        ("rego", POLICY.replace("v := {", "v := {{"), &["mine.rego:1"]),
        (
            "unknown key",
            POLICY.replace("severity: high", "severity: high\n#   sevrity: low"),
            &["mine.rego:6", "sevrity"],
        ),
        (
            "wrong severity",
            POLICY.replace("severity: high", "severity: dreadful"),
            &["mine.rego:5", "dreadful", "critical"],
        ),
        ("missing key", POLICY.replace("#   fix: Do this.\n", ""), &["mine.rego:", "fix"]),
        ("yaml", POLICY.replace("severity: high", "severity: [high"), &["mine.rego:"]),
        ("no block", POLICY.replace("# METADATA\n", ""), &["mine.rego:7", "METADATA"]),
        ("torn block", POLICY.replace("# custom:", "\n# custom:"), &["mine.rego:4", "METADATA"]),
        (
            "package",
            POLICY.replace("package stategate.storage.mine", "package storage.mine"),
            &["mine.rego:8", "stategate.<category>.<policy>"],
        ),
        (
            "no rule",
            POLICY.replace("violation contains", "violations contains"),
            &["mine.rego", "neither `violation` nor `patch`"],
        ),
        (
            "kind",
            POLICY.replace("fix:", "match: {kinds: [statefulsets]}\n#   fix:"),
            &["mine.rego:7", "Kind.group"],
        ),
        (
            "default",
            POLICY.replace(
                "fix:",
                "parameters: {count: {type: integer, default: many, description: d}}\n#   fix:",
            ),
            &["mine.rego", "parameter count must be a whole number"],
        ),
        (
            "duplicate",
            POLICY.replace("storage.mine", "health.storage_class_required"),
            &["storage-class-required", "already defined"],
        ),
    ];
    for (name, text, needles) in cases {
        let dir = directory(&[("storage/mine/mine.rego", text)]);
        let run = stategate_with(&["check", "--policies", dir.path().to_str().unwrap(), "-"], GOOD);
        assert_eq!(run.code, 2, "{name}: {}{}", run.stdout, run.stderr);
        run.expect(2, needles);
    }
    let good = directory(&[("storage/mine/mine.rego", POLICY)]);
    stategate_with(&["check", "--policies", good.path().to_str().unwrap(), "-"], GOOD).expect(0, &[]);
    let zero = GOOD.replace("replicas: 3", "replicas: 0");
    stategate_with(&["check", "--policies", good.path().to_str().unwrap(), "-"], &zero)
        .expect(1, &["error[mine]: none"]);
    let empty = directory(&[]);
    stategate_with(&["check", "--policies", empty.path().to_str().unwrap(), "-"], GOOD)
        .expect(2, &["holds no policy"]);
    stategate_with(&["check", "--policies", "/no/such/dir", "-"], GOOD).expect(2, &["/no/such/dir"]);
}

#[test]
fn all_faults_of_all_files_are_named_in_one_go() {
    let metadata = POLICY
        .replace("severity: high", "severity: hgh\n#   sevrity: low")
        .replace("#   fix: Do this.\n", "#   match: {kinds: [statefulsets], clases: [durable]}\n#   parameters: {count: {type: integer, default: many, description: d}, size: {typ: quantity}}\n")
        .replace("package stategate.storage.mine", "package storage.mine");
    let dir = directory(&[
        ("storage/mine/mine.rego", &metadata),
        ("storage/torn/torn.rego", "package stategate.storage.torn\n\nviolation contains v if v := {{"),
        ("workloads/widget.yaml", "kind: Widget\ngrup: example.com\n"),
        (
            "health/silent/silent.rego",
            &POLICY
                .replace("storage.mine", "health.silent")
                .replace("replicas == 0", "replicas == units.parse(\"0\")"),
        ),
        (
            "storage/other/other.rego",
            &POLICY.replace("storage.mine", "storage.other").replace("title: A title", "title: [A]"),
        ),
    ]);
    let run = stategate_with(&["check", "--policies", dir.path().to_str().unwrap(), "-"], GOOD);
    run.expect(
        2,
        &[
            "mine.rego:5:15: custom.severity: `hgh` is none of low, medium, high, critical\n  help: did you mean high?",
            "mine.rego:6:5: custom.sevrity: there is no such key\n  help: did you mean severity?",
            "mine.rego:5:5: custom: the key `fix` is missing",
            "mine.rego:8:21: custom.match.kinds[0]: `statefulsets` is no kind",
            "mine.rego:8:36: custom.match.clases: there is no such key\n  help: did you mean classes?",
            "mine.rego:9:50: default of parameter count must be a whole number",
            "mine.rego:9:80: custom.parameters.size.typ: there is no such key\n  help: did you mean type?",
            "custom.parameters.size: the key `type` is missing",
            "custom.parameters.size: the key `default` is missing",
            "mine.rego:10:1: package `storage.mine` is not stategate.<category>.<policy>",
            "torn.rego:1:1: the policy has no `# METADATA` block",
            "torn.rego:3:",
            "other.rego:2:10: title: must be text, not a list",
            "silent.rego:11:29: units.parse is not allowed",
            "widget.yaml:2:1: grup: there is no such key",
        ],
    );
}

#[test]
fn a_package_that_does_not_fit_its_folder_is_refused() {
    let library = "package stategate.lib.other\n\nx := 1\n";
    let dir = directory(&[
        ("health/mine/mine.rego", POLICY),
        ("health/mine/mine_test.rego", "package stategate.storage.mine_test\n\ntest_it if true\n"),
        ("storage/mine/loose.rego", &POLICY.replace("storage.mine", "storage.loose")),
        ("lib/helpers.rego", library),
    ]);
    stategate_with(&["check", "--policies", dir.path().to_str().unwrap(), "-"], GOOD).expect(
        2,
        &[
            "mine.rego:8:9: the package stategate.storage.mine does not fit the file health/mine/mine.rego",
            "write `package stategate.health.mine`",
            "mine_test.rego:1:9:",
            "write `package stategate.health.mine`, or move",
            "loose.rego:8:1: a policy does not belong at storage/mine/loose.rego",
            "move the file to storage/mine/mine.rego",
            "helpers.rego:1:9:",
            "write `package stategate.lib.helpers`",
        ],
    );
}

#[test]
fn a_policy_that_fails_is_never_a_pass() {
    let fails = [
        ("builtin", POLICY.replace("input.workload.replicas == 0", "to_number(input.workload.name) == 0")),
        ("shape", POLICY.replace(r#"{"msg": "none", "path": ["spec", "replicas"]}"#, r#"{"message": "none"}"#).replace("== 0", "== 3")),
        ("endless", POLICY.replace("input.workload.replicas == 0", "xs := [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]\n\tcount([1 | some a in xs; some b in xs; some c in xs; some d in xs; some e in xs; some f in xs; a + b + c + d + e + f == 0]) > 0")),
    ];
    for (name, text) in fails {
        // Fails in this namespace only: a policy that fails on every StatefulSet does not even load.
        let text = text
            .replace("severity: high", "severity: critical")
            .replace("if {\n", "if {\n\tinput.workload.namespace == \"shop\"\n");
        let dir = directory(&[("storage/mine/mine.rego", &text)]);
        let run = stategate_with(&["check", "--policies", dir.path().to_str().unwrap(), "-"], GOOD);
        assert_eq!(run.code, 2, "{name}: {}{}", run.stdout, run.stderr);
        run.expect(2, &["mine", "could not decide"]);
    }
}

#[test]
fn review_of_a_bad_body_is_never_allowed() {
    for body in ["", "{", "[]", "null", "{\"kind\": \"AdmissionReview\"}"] {
        stategate_with(&["review", "-"], body).expect(2, &[]);
    }
    let body = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u1"}}"#;
    let run = stategate_with(&["review", "-"], body);
    run.expect(2, &["\"allowed\": false", "\"uid\": \"u1\""]);
}
