//! The command line: exit code, stdout, stderr.

use serde_json::Value;

use crate::support::{GOOD, NAIVE, directory, run_in, stategate, stategate_with};
use crate::wire::recorded;

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/manifests");

fn json(arguments: &[&str], stdin: &str) -> (i32, Value) {
    let run = stategate_with(&[&["check", "-o", "json"], arguments].concat(), stdin);
    (
        run.code,
        serde_json::from_str(&run.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr)),
    )
}

fn found(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["findings"].as_array().unwrap().iter().map(|f| (text(&f["policy"]), text(&f["action"]))).collect()
}

#[test]
fn a_good_manifest_is_clean() {
    let run = stategate_with(&["check", "-"], GOOD);
    run.expect(0, &["2 objects checked: 0 errors, 0 warnings"]);
    assert!(!run.stdout.contains("would complete"), "a good one needs no patch:\n{}", run.stdout);
}

#[test]
fn a_finding_reads_like_a_compilers() {
    let run = stategate(&["check", &format!("{MANIFESTS}/naive-postgres.yaml")]);
    run.expect(
        1,
        &[
            "error[volume-no-emptydir-data]: ",
            "naive-postgres.yaml:26:11",
            "26 |           - name: data",
            "StatefulSet shop/pg · spec.template.spec.volumes[0]",
            "  = fix: ",
            "  = why: ",
            "note: at admission, anti-affinity-required, min-ready-seconds, topology-spread-zone would complete StatefulSet shop/pg",
        ],
    );
    assert!(!run.stdout.contains('\u{1b}'), "colours in a pipe");
}

/// As in `stategate check … | head`, in a tree without git.
#[cfg(unix)]
#[test]
fn a_pipe_that_is_closed_ends_the_run_quietly_with_its_exit_code() {
    use std::process::{Command, Stdio};

    use wait_timeout::ChildExt as _;

    let files: Vec<(String, &str)> = (0..30).map(|number| (format!("{number}.yaml"), NAIVE)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let tree = directory(&files);
    for (arguments, code) in [
        (&["check", "."][..], 1),
        (&["check", ".", "-o", "json"], 1),
        (&["check", ".", "-o", "html"], 1),
        (&["fix", "."], 1),
        (&["policy", "list"], 0),
        (&["schema", "input"], 0),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stategate"))
            .args(arguments)
            .current_dir(tree.path())
            .env("RUST_LIB_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ended = child.wait_timeout(crate::server::PATIENCE).unwrap();
        if ended.is_none() {
            child.kill().unwrap();
        }
        let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        let ended = ended.unwrap_or_else(|| panic!("{arguments:?} does not end"));
        assert_eq!(ended.code(), Some(code), "{arguments:?}: {said}");
        assert!(!said.contains("pipe") && !said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn json_names_file_line_and_path() {
    let (code, report) = json(&["-"], NAIVE);
    assert_eq!(code, 1);
    assert_eq!(report["apiVersion"], "stategate.io/v1alpha1");
    assert_eq!(report["kind"], "CheckReport");
    let finding = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["policy"] == "volume-no-emptydir-data")
        .unwrap();
    assert_eq!(finding["path"], "/spec/template/spec/volumes/0");
    assert_eq!(
        (finding["file"].as_str(), finding["line"].as_u64(), finding["column"].as_u64()),
        (Some("<stdin>"), Some(26), Some(11))
    );
    assert_eq!(finding["object"]["name"], "pg");
    assert_eq!(report["summary"]["objects"], 1);
}

#[test]
fn the_tier_of_the_namespace_decides_how_strict_it_is() {
    let namespace = |tier: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{stategate.io/tier: {tier}}}}}\n---\n{NAIVE}"
        )
    };
    let action_in = |tier: &str| {
        let (code, report) = json(&["-"], &namespace(tier));
        (
            code,
            found(&report)
                .into_iter()
                .find(|(policy, _)| policy == "probe-readiness-required")
                .map(|(_, action)| action),
        )
    };
    assert_eq!(action_in("prod"), (1, Some("deny".to_owned())));
    assert_eq!(action_in("staging"), (1, Some("warn".to_owned())), "the critical ones still refuse");
    assert_eq!(action_in("dev"), (0, Some("warn".to_owned())));
    // The prod tier requires hard anti-affinity, which no webhook adds.
    let of = |tier: &str| {
        found(&json(&["-"], &namespace(tier)).1).iter().any(|(policy, _)| policy == "anti-affinity-required")
    };
    assert!(of("prod") && !of("staging"));
    // An object cannot lower its namespace's tier.
    let own = namespace("prod").replace("  name: pg\n", "  name: pg\n  labels: {stategate.io/tier: dev}\n");
    assert_eq!(json(&["-"], &own).0, 1);
}

#[test]
fn baseline_refuses_only_what_certainly_loses_data() {
    let (code, report) = json(&["--profile", "baseline", "-"], NAIVE);
    assert_eq!(code, 0, "{report}");
    assert!(found(&report).iter().all(|(_, action)| action == "warn"));
    assert!(report["patches"].as_array().unwrap().is_empty(), "baseline changes nothing");
    let unmounted = NAIVE.replace("          volumeMounts:\n            - name: data\n              mountPath: /var/lib/postgresql/data\n", "");
    let (code, report) = json(&["--profile", "baseline", "-"], &unmounted);
    assert_eq!(
        (code, found(&report).contains(&("volume-data-dir-persisted".to_owned(), "deny".to_owned()))),
        (1, true),
        "{report}"
    );
}

#[test]
fn fail_on_moves_the_bar() {
    let baseline =
        |bar: &str| stategate_with(&["check", "--profile", "baseline", "--fail-on", bar, "-"], NAIVE).code;
    assert_eq!((baseline("deny"), baseline("warn"), baseline("audit")), (0, 1, 1));
    assert_eq!(stategate_with(&["check", "--fail-on", "audit", "-"], GOOD).code, 0);
}

#[test]
fn with_the_old_version_a_change_is_judged() {
    let smaller = GOOD.replace("storage: 20Gi", "storage: 10Gi");
    let dir = directory(&[("old/pg.yaml", GOOD), ("new/pg.yaml", &smaller)]);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    stategate(&["check", &path("new"), "--old", &path("old")])
        .expect(1, &["error[pvc-no-shrink]", "20Gi", "10Gi", "new/pg.yaml:"]);
    stategate(&["check", &path("old"), "--old", &path("new")])
        .expect(1, &["error[statefulset-immutable-fields]", "edit pvc"]);
    stategate(&["check", &path("new")]).expect(0, &[]);
    let claim = |size: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: d}}\nspec: {{storageClassName: fast, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: {size}}}}}}}\n"
        )
    };
    let dir = directory(&[("old.yaml", &claim("5Gi")), ("new.yaml", &claim("1Gi"))]);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    stategate(&["check", &path("new.yaml"), "--old", &path("old.yaml")]).expect(1, &["error[pvc-no-shrink]"]);
}

#[test]
fn what_the_old_version_had_already_only_warns() {
    let labelled = NAIVE.replacen("  name: pg\n", "  name: pg\n  labels: {team: data}\n", 1);
    assert_ne!(labelled, NAIVE);
    let dir = directory(&[("old.yaml", NAIVE), ("new.yaml", &labelled)]);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let change = [&path("new.yaml"), "--old", &path("old.yaml")].map(str::to_owned);
    let check = |more: &[&str]| {
        let all = ["check"].into_iter().chain(change.iter().map(String::as_str)).chain(more.iter().copied());
        stategate(&all.collect::<Vec<_>>())
    };
    check(&["--all"]).expect(0, &["warning[volume-no-emptydir-data]: already present before this change"]);
    for format in ["text", "github"] {
        let run = check(&["-o", format]);
        run.expect(0, &["earlier findings, --all shows them"]);
        assert!(!run.stdout.contains("volume-no-emptydir-data"), "{run:?}");
    }
    check(&["--fail-on", "warn"]).expect(0, &[]);
    check(&["--fail-on", "warn", "--all"]).expect(1, &[]);
    // A new violation beside it is refused.
    let worse = NAIVE.replace(
        "      volumes:",
        "        - {name: second, image: 'redis:7', ports: [{containerPort: 6379}]}\n      volumes:",
    );
    let dir = directory(&[("old.yaml", NAIVE), ("new.yaml", &worse)]);
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    stategate(&["check", &path("new.yaml"), "--old", &path("old.yaml")])
        .expect(1, &["error[probe-readiness-required]", "second", "earlier finding"]);
}

#[test]
fn a_copy_of_what_stays_in_place_is_new_and_what_moves_is_not() {
    let old = ("old/east/pg.yaml", NAIVE);
    let run = |new: &[(&str, &str)]| {
        let dir = directory(&[new, &[old]].concat());
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        stategate(&["check", &path("new"), "--old", &path("old")])
    };
    let other = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
    for new in [
        &[("new/west/pg.yaml", NAIVE)][..],
        &[("new/east/pg.yaml", other), ("new/west/other.yaml", NAIVE)],
        &[("new/east/pg.yaml", NAIVE)],
    ] {
        let files: Vec<&str> = new.iter().map(|(name, _)| *name).collect();
        assert_eq!(run(new).code, 0, "{files:?}");
    }
    run(&[("new/east/pg.yaml", NAIVE), ("new/west/pg.yaml", NAIVE)])
        .expect(1, &["error[volume-no-emptydir-data]", "new/west/pg.yaml:", "earlier finding"]);
}

/// A PostgreSQL whose data directory a ConfigMap names, and the ConfigMap.
fn told_by_a_config_map(pgdata: &str) -> (String, String) {
    let set = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg, namespace: shop}
spec:
  serviceName: pg
  replicas: 1
  selector: {matchLabels: {app: pg}}
  template:
    metadata: {labels: {app: pg}}
    spec:
      containers:
      - name: pg
        image: postgres:16.4
        envFrom: [{configMapRef: {name: env}}]
        volumeMounts: [{name: data, mountPath: /store}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
";
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: env, namespace: shop}}\ndata: {{PGDATA: {pgdata}}}\n"
    );
    (set.to_owned(), map)
}

#[test]
fn the_previous_version_is_read_with_its_own_config_maps() {
    let check = |old: &[(&str, &str)], new: &[(&str, &str)]| {
        let named = |root: &str, files: &[(&str, &str)]| -> Vec<(String, String)> {
            files.iter().map(|(name, text)| (format!("{root}/{name}"), (*text).to_owned())).collect()
        };
        let all = [named("old", old), named("new", new)].concat();
        let all: Vec<(&str, &str)> = all.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let files = directory(&all);
        run_in(files.path(), &["check", "new", "--old", "old"]).stdout
    };
    let (set, before) = told_by_a_config_map("/store/a");
    let (_, after) = told_by_a_config_map("/store/b");
    let moved = "error[volume-data-dir-moved]";
    let one = |map: &str| {
        check(&[("pg.yaml", &set), ("env.yaml", &before)], &[("pg.yaml", &set), ("env.yaml", map)])
    };
    assert!(one(&after).contains(moved), "{}", one(&after));
    assert!(!one(&before).contains(moved), "{}", one(&before));
    // Of two clusters, each has its own.
    let two = |east: &str, west: &str| {
        check(
            &[
                ("east/pg.yaml", &set),
                ("east/env.yaml", &before),
                ("west/pg.yaml", &set),
                ("west/env.yaml", &after),
            ],
            &[
                ("east/pg.yaml", &set),
                ("east/env.yaml", east),
                ("west/pg.yaml", &set),
                ("west/env.yaml", west),
            ],
        )
    };
    let same = two(&before, &after);
    assert!(!same.contains(moved), "{same}");
    let swapped = two(&after, &before);
    assert_eq!(swapped.matches(moved).count(), 2, "{swapped}");
    // What is gone is read with what went with it: only that tells that the claim holds the data.
    let on_claim = set
        .replace("StatefulSet", "Deployment")
        .replace("  serviceName: pg\n", "")
        .split("  volumeClaimTemplates")
        .next()
        .map(|set| {
            format!("{set}      volumes: [{{name: data, persistentVolumeClaim: {{claimName: pg}}}}]\n")
        })
        .unwrap();
    let renamed = on_claim.replace("name: pg,", "name: db,").replace("claimName: pg", "claimName: db");
    let gone = |maps: &[(&str, &str)]| {
        check(&[&[("pg.yaml", on_claim.as_str())], maps].concat(), &[("db.yaml", &renamed)])
    };
    let told = "Deployment shop/pg is gone and Deployment db is new: it starts empty, and the data stays in claim pg";
    let (with, without) = (gone(&[("env.yaml", &before)]), gone(&[]));
    assert!(with.contains(told), "{with}");
    assert!(!without.contains(told), "{without}");
}

#[test]
fn what_only_the_previous_version_has_is_told() {
    let (set, map) = told_by_a_config_map("/store/a");
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: files, namespace: shop}\n\
                 spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n";
    let kept = claim.replace("name: files,", "name: kept, annotations: {helm.sh/resource-policy: keep},");
    let deleting = set.replace("name: pg,", "name: gone,").replace(
        "spec:\n  serviceName",
        "spec:\n  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}\n  serviceName",
    );
    let told = |gone: &str| {
        let stays = format!("{}---\n{map}", set.replace("name: pg,", "name: other,"));
        let files = directory(&[
            ("old/a.yaml", stays.as_str()),
            ("old/b.yaml", gone),
            ("new/a.yaml", stays.as_str()),
        ]);
        run_in(files.path(), &["check", "new", "--old", "old"]).stdout
    };
    for (gone, note) in [
        (set.as_str(), "has StatefulSet shop/pg: a tool that prunes deletes it and leaves its claims"),
        (
            deleting.as_str(),
            "has StatefulSet shop/gone: a tool that prunes deletes it with its claims (whenDeleted",
        ),
        (claim, "has PersistentVolumeClaim shop/files: a tool that prunes deletes it with its disk, unless"),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
            "has Namespace shop: a tool that prunes",
        ),
    ] {
        assert!(told(gone).contains(note), "{}", told(gone));
    }
    assert!(!told(&kept).contains("only the previous version has"), "{}", told(&kept));
}

#[test]
fn lists_directories_and_json_are_read() {
    let items = format!("apiVersion: v1\nkind: List\nitems:\n- {}", NAIVE.trim_end().replace('\n', "\n  "));
    let (code, report) = json(&["-"], &items);
    assert_eq!(code, 1);
    let finding = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["policy"] == "volume-no-emptydir-data")
        .unwrap();
    assert_eq!(finding["line"], 29, "the place counts from the top of the file");
    let dir = directory(&[
        ("a/x.yml", NAIVE),
        ("b.json", r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}"#),
        ("README.md", "# no manifest"),
        (".hidden/y.yaml", "["),
    ]);
    let (_, report) = json(&[dir.path().to_str().unwrap()], "");
    assert_eq!(
        (
            report["summary"]["objects"].as_u64(),
            report["summary"]["notCovered"].as_u64(),
            report["summary"]["errors"].as_u64()
        ),
        (Some(1), Some(1), Some(0))
    );
}

#[test]
fn review_answers_every_recorded_request_as_the_webhook_does() {
    for (file, body) in recorded() {
        let body = String::from_utf8(body).unwrap();
        for webhook in ["validate", "mutate"] {
            let run = stategate_with(&["review", "--webhook", webhook, "-"], &body);
            let answer: Value = serde_json::from_str(&run.stdout)
                .unwrap_or_else(|error| panic!("{file}: {error}: {}", run.stderr));
            let response = &answer["response"];
            let request: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(response["uid"], request["request"]["uid"], "{file}");
            assert_eq!(run.code, if response["allowed"] == true { 0 } else { 1 }, "{file}");
            if webhook == "mutate" {
                assert_eq!(response["allowed"], true, "{file}: the mutating webhook refuses nothing");
            } else {
                assert!(response["patch"].is_null(), "{file}: a validating answer with a patch is an error");
            }
            for warning in response["warnings"].as_array().into_iter().flatten() {
                let warning = warning.as_str().unwrap();
                assert!(!warning.contains('\n') && warning.chars().count() <= 256, "{file}: {warning}");
            }
        }
    }
}

#[test]
fn verdicts_on_the_recorded_requests() {
    let verdict = |file: &str| {
        let run =
            stategate(&["review", &format!("{}/tests/fixtures/reviews/{file}", env!("CARGO_MANIFEST_DIR"))]);
        let answer: Value = serde_json::from_str(&run.stdout).unwrap();
        let deny = answer["response"]["auditAnnotations"]["deny"].as_str().unwrap_or_default().to_owned();
        (answer["response"]["allowed"] == true, deny)
    };
    assert_eq!(
        verdict("create-cronjob.json"),
        (true, String::new()),
        "a job without a claim is nobody's business"
    );
    assert_eq!(verdict("create-pvc.json"), (true, String::new()));
    assert_eq!(
        verdict("create-storageclass.json"),
        (false, "storageclass-wait-for-first-consumer".to_owned())
    );
    let (allowed, deny) = verdict("create-statefulset.json");
    assert!(
        !allowed && deny.contains("resources-requests-required") && deny.contains("probe-readiness-required"),
        "{deny}"
    );
    assert_eq!(
        verdict("update-statefulset-label.json"),
        (true, String::new()),
        "what was there before only warns"
    );
    assert_eq!(verdict("scale-statefulset-3-to-5.json"), (true, String::new()));
    assert_eq!(verdict("delete-pvc.json"), (true, String::new()), "a pending claim holds nothing");
    assert_eq!(verdict("deletecollection-pvc.json"), (true, String::new()));
}

#[test]
fn the_catalogue_passes_its_own_tests() {
    stategate(&["test"]).expect(0, &[" policies, ", ": 0 failed"]);
}

#[test]
fn a_failing_test_and_a_policy_without_tests_are_findings() {
    let policy = "# METADATA\n# title: T\n# description: D.\n# custom: {severity: low, action: warn, fix: F}\npackage stategate.storage.mine\n\nviolation contains v if {\n\tinput.workload.replicas == 0\n\tv := {\"msg\": \"m\"}\n}\n";
    let dir = directory(&[("storage/mine/mine.rego", policy)]);
    let path = dir.path().to_str().unwrap().to_owned();
    stategate(&["test", &path]).expect(1, &["FAIL mine", "no test_* rule"]);
    let test = "package stategate.storage.mine_test\n\nimport data.stategate.storage.mine\n\ntest_wrong if count(mine.violation) == 7 with input as {}\ntest_right if count(mine.violation) == 1 with input as {\"workload\": {\"replicas\": 0}}\n";
    crate::support::write(dir.path(), "storage/mine/mine_test.rego", test);
    crate::support::write(dir.path(), "storage/mine/examples/pass_good.yaml", GOOD);
    crate::support::write(
        dir.path(),
        "storage/mine/examples/warn_zero.yaml",
        GOOD.replace("replicas: 3", "replicas: 0"),
    );
    crate::support::write(
        dir.path(),
        "storage/mine/examples/deny_zero.yaml",
        GOOD.replace("replicas: 3", "replicas: 0"),
    );
    let run = stategate(&["test", &path]);
    run.expect(
        1,
        &["FAIL data.stategate.storage.mine_test.test_wrong", "does not hold", "deny_zero.yaml", "2 failed"],
    );
    assert!(!run.stdout.contains("test_right") && !run.stdout.contains("warn_zero"));
}

#[test]
fn only_the_short_list_may_stop_a_write() {
    let run = stategate(&["webhook-config", "--service", "gate/stategate:8443"]);
    run.expect(
        0,
        &[
            "# Break glass",
            "kubectl delete validatingwebhookconfigurations,mutatingwebhookconfigurations -l app.kubernetes.io/component=webhooks,app.kubernetes.io/name=stategate",
        ],
    );
    let mut failing = Vec::new();
    for document in stategate::yaml::read(&run.stdout).unwrap() {
        for webhook in document.value["webhooks"].as_array().unwrap() {
            assert_eq!(webhook["sideEffects"], "None");
            // stategate's own resources are reviewed wherever they are, and by whoever they are written.
            if webhook["rules"][0]["apiGroups"][0] == "stategate.io" {
                assert_eq!(webhook["failurePolicy"], "Ignore");
                continue;
            }
            let conditions = webhook["matchConditions"].as_array().unwrap();
            assert!(conditions.iter().all(|one| one["name"].as_str().unwrap().len() <= 63), "{conditions:?}");
            // Together the webhooks that are sent a request delay it by two seconds.
            let timeout = match webhook["name"].as_str().unwrap() {
                "fail.validate.stategate.io" => 5,
                "mutated.validate.stategate.io" | "once.mutate.stategate.io" => 1,
                _ => 2,
            };
            assert_eq!(webhook["timeoutSeconds"], timeout, "{}", webhook["name"]);
            assert!(
                webhook["namespaceSelector"].to_string().contains("\"gate\""),
                "its own namespace is left alone"
            );
            if webhook["failurePolicy"] != "Fail" {
                continue;
            }
            for rule in webhook["rules"].as_array().unwrap() {
                for resource in rule["resources"].as_array().unwrap() {
                    for operation in rule["operations"].as_array().unwrap() {
                        failing.push(format!(
                            "{} {}",
                            operation.as_str().unwrap(),
                            resource.as_str().unwrap()
                        ));
                    }
                }
            }
        }
        if document.value["kind"] == "MutatingWebhookConfiguration" {
            // What must not wait is not asked about again because another webhook has changed the object.
            for (webhook, (resource, reinvocation)) in document.value["webhooks"]
                .as_array()
                .unwrap()
                .iter()
                .zip([("statefulsets", "IfNeeded"), ("deployments", "Never")])
            {
                assert_eq!(webhook["failurePolicy"], "Ignore");
                assert_eq!(webhook["reinvocationPolicy"], reinvocation);
                assert_eq!(webhook["rules"][0]["resources"][0], resource);
            }
        }
    }
    failing.sort();
    assert_eq!(
        failing,
        [
            "CREATE statefulsets",
            "CREATE storageclasses",
            "DELETE namespaces",
            "DELETE persistentvolumeclaims",
            "DELETE persistentvolumes",
            "UPDATE statefulsets"
        ],
        "of the short list exactly what a policy judges"
    );
}

#[test]
fn without_a_refusal_no_write_waits() {
    for flags in [&["--enforcement", "warn"][..], &["--enforcement", "audit"], &["--fail-open"]] {
        let run = stategate(&[&["webhook-config", "--service", "gate/stategate"], flags].concat());
        run.expect(0, &["CREATE", "statefulsets"]);
        assert!(!run.stdout.contains("failurePolicy: Fail"), "{flags:?}");
        assert_eq!(run.stdout.contains("kind: MutatingWebhookConfiguration"), flags.len() == 1, "{flags:?}");
    }
}

#[test]
fn baseline_needs_no_mutating_webhook() {
    let run = stategate(&["webhook-config", "--url", "https://127.0.0.1:8443", "--profile", "baseline"]);
    run.expect(0, &["ValidatingWebhookConfiguration"]);
    assert!(!run.stdout.contains("MutatingWebhookConfiguration\n"));
}

#[test]
fn coverage_names_the_lines_that_no_test_reaches() {
    let policy = "# METADATA\n# title: T\n# description: D.\n# custom: {severity: low, action: warn, fix: F}\npackage stategate.storage.mine\n\nviolation contains v if {\n\tinput.workload.replicas == 0\n\tv := {\"msg\": \"m\"}\n}\n\nviolation contains v if {\n\tinput.workload.replicas == 1\n\tv := {\"msg\": \"n\"}\n}\n";
    let test = "package stategate.storage.mine_test\n\nimport data.stategate.storage.mine\n\ntest_zero if count(mine.violation) == 1 with input as {\"workload\": {\"replicas\": 0}}\n";
    let dir = directory(&[
        ("storage/mine/mine.rego", policy),
        ("storage/mine/mine_test.rego", test),
        ("storage/mine/examples/pass_good.yaml", GOOD),
        ("storage/mine/examples/warn_zero.yaml", &GOOD.replace("replicas: 3", "replicas: 0")),
    ]);
    let path = dir.path().to_str().unwrap();
    stategate(&["test", path]).expect(0, &[": 0 failed"]);
    stategate(&["test", path, "--coverage"]).expect(0, &["mine.rego, not lines 12, 14"]);
    stategate(&["test", path, "--min-coverage", "100"])
        .expect(1, &["FAIL", "mine.rego", "not 100 %", "not lines 12, 14"]);
}
