//! `policy list`, `policy docs`, `policy new`, `explain` and `input`, as policy authors use them.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{GOOD, NAIVE, directory, good_workload, stategate, stategate_with, write};

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of the catalogue that a test may modify.
fn catalogue() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(POLICIES), dir.path());
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn list_shows_what_a_profile_makes_of_each_policy() {
    let run = stategate(&["policy", "list"]);
    run.expect(0, &["POLICY", "SEVERITY", "ACTION", "CATEGORY", "TITLE"]);
    let line = |run: &str, id: &str| -> String {
        let line = run.lines().find(|line| line.starts_with(&format!("{id} "))).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(
        line(&run.stdout, "topology-spread-zone").contains("medium warn, mutates scheduling Replicas are")
    );
    assert!(line(&run.stdout, "pvc-no-shrink").contains("high deny storage Storage never shrinks"));
    let baseline = stategate(&["policy", "list", "--profile", "baseline"]).stdout;
    assert!(line(&baseline, "topology-spread-zone").contains("medium warn scheduling"), "it mutates nothing");
    assert!(line(&baseline, "volume-data-dir-persisted").contains("critical deny"));
}

#[test]
fn list_filters_and_speaks_json() {
    let ids = |filters: &[&str]| -> Vec<String> {
        let run = stategate(&[&["policy", "list", "-o", "json"], filters].concat());
        run.expect(0, &[]);
        let list = parsed(&run.stdout);
        assert_eq!(
            (&list["apiVersion"], &list["kind"]),
            (&json!("stategate.io/v1alpha1"), &json!("PolicyList"))
        );
        let policies = list["policies"].as_array().unwrap();
        policies.iter().map(|policy| policy["id"].as_str().unwrap().to_owned()).collect()
    };
    assert!(ids(&[]).len() >= 12);
    assert_eq!(ids(&["--category", "data_protection", "--id", "delete-guard-pvc"]), ["delete-guard-pvc"]);
    assert_eq!(ids(&["--id", "volume_*", "--severity", "critical"]).len(), 5);
    assert_eq!(ids(&["--id", "pvc-no-shrink", "--id", "backup-declared"]).len(), 2);
    assert!(ids(&["--id", "pvc-no-shrink", "--severity", "low"]).is_empty());

    let run = stategate(&["policy", "list", "-o", "json", "--id", "delete-guard-pvc"]);
    let tiers = parsed(&run.stdout)["policies"][0]["tiers"].clone();
    let action = |tier: Value| -> String {
        let found = tiers.as_array().unwrap().iter().find(|entry| entry["tier"] == tier).unwrap();
        found["action"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        [action(Value::Null), action(json!("prod")), action(json!("staging")), action(json!("dev"))],
        ["deny", "deny", "warn", "off"]
    );

    stategate(&["policy", "list", "--id", "nothing-*"]).expect(0, &["no policy matches"]);
    stategate(&["policy", "list", "--category", "storag"])
        .expect(2, &["there is no category storag", "did you mean storage?"]);
    stategate(&["policy", "list", "--severity", "huge"]).expect(2, &["critical, high, medium, low"]);
    stategate(&["policy", "list", "--profile", "strict"]).expect(2, &["there is no profile"]);
}

#[test]
fn docs_are_checked_and_written() {
    let dir = catalogue();
    let root = text(dir.path()).to_owned();
    stategate(&["policy", "docs", "--check", &root]).expect(0, &[]);

    let rego = dir.path().join("storage/pvc_no_shrink/pvc_no_shrink.rego");
    let changed =
        std::fs::read_to_string(&rego).unwrap().replace("Storage never shrinks", "Claims | never shrink");
    std::fs::write(&rego, changed).unwrap();
    let readme = dir.path().join("storage/pvc_no_shrink/README.md");
    let before = std::fs::read_to_string(&readme).unwrap();
    let run = stategate(&["policy", "docs", "--check", &root]);
    run.expect(1, &["stategate policy docs"]);
    let named: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(named, [text(&dir.path().join("README.md")), text(&readme)], "the index and its own");
    assert_eq!(std::fs::read_to_string(&readme).unwrap(), before, "--check writes nothing");

    stategate(&["policy", "docs", &root]).expect(0, &["2 of "]);
    stategate(&["policy", "docs", "--check", &root]).expect(0, &[]);
    let index = std::fs::read_to_string(dir.path().join("README.md")).unwrap();
    assert!(index.contains("| Claims \\| never shrink |"), "{index}");

    std::fs::remove_file(&readme).unwrap();
    stategate(&["policy", "docs", "--check", &root]).expect(1, &["pvc_no_shrink/README.md"]);
}

#[test]
fn the_index_says_what_each_profile_does_by_its_bindings() {
    let dir = catalogue();
    let root = text(dir.path()).to_owned();
    let index = || std::fs::read_to_string(dir.path().join("README.md")).unwrap();
    let tiers = "production, no tier | production, prod | production, staging | production, dev";
    let head =
        format!("| Policy | Demands | Severity | baseline | {tiers} | regulated | Mutates | Skippable |");
    assert!(index().contains(&head), "{}", index());
    for (policy, cells) in [
        ("delete-guard-pvc", "critical | warn | deny | deny | warn | off | deny | no | no |"),
        (
            "anti-affinity-required",
            "high | warn | deny | deny | warn | warn | deny | production, regulated | yes |",
        ),
    ] {
        let is_row = |line: &str| line.starts_with(&format!("| [{policy}]")) && line.ends_with(cells);
        assert!(index().lines().any(is_row), "{policy} {cells}\n{}", index());
    }

    let profile = dir.path().join("profiles/baseline.yaml");
    let bindings = std::fs::read_to_string(&profile).unwrap().replace("action: warn", "action: audit");
    std::fs::write(&profile, bindings).unwrap();
    stategate(&["policy", "docs", "--check", &root]).expect(1, &["stategate policy docs"]);
    stategate(&["policy", "docs", &root]).expect(0, &[]);
    assert!(index().contains("critical | audit | deny | deny | warn | off | deny |"), "{}", index());
}

#[test]
fn docs_say_what_a_refusal_looks_like() {
    let readme = std::fs::read_to_string(format!("{POLICIES}/lifecycle/image_pinned/README.md")).unwrap();
    for part in [
        "# image-pinned",
        "- Severity: high",
        "| production | deny | deny | warn | warn |",
        "| `require_digest` | boolean | `false` |",
        "image-pinned [high]\n  image postgres:16 of container postgres names only a major version",
        "## Accepted",
        "      require_digest: false\n",
        "https://kubernetes.io/docs/concepts/containers/images/#image-names",
    ] {
        assert!(readme.contains(part), "{part:?} is not in\n{readme}");
    }
    let mutating =
        std::fs::read_to_string(format!("{POLICIES}/scheduling/topology_spread_zone/README.md")).unwrap();
    assert!(
        mutating.contains("## Added at admission") && mutating.contains("path: /spec/template/spec/topology")
    );
}

/// What a README suggests copying must load.
#[test]
fn the_bindings_and_exceptions_of_the_readmes_load() {
    let mut bindings = Vec::new();
    let listed = parsed(&stategate(&["policy", "list", "-o", "json"]).stdout);
    for policy in listed["policies"].as_array().unwrap() {
        let rego = Path::new(env!("CARGO_MANIFEST_DIR")).join(policy["source"].as_str().unwrap());
        let readme = std::fs::read_to_string(rego.with_file_name("README.md")).unwrap();
        let blocks = readme.split("```yaml\n").filter_map(|block| block.split("```").next());
        bindings.extend(blocks.filter(|block| block.contains("kind: Policy")).map(str::to_owned));
    }
    assert!(bindings.len() >= 20, "{} bindings only", bindings.len());
    let dir = directory(&[("ours.yaml", &bindings.join("---\n"))]);
    let bindings = dir.path().join("ours.yaml");
    stategate(&["policy", "list", "--bindings", text(&bindings)]).expect(0, &["deny"]);
}

#[test]
fn docs_keep_what_is_not_theirs() {
    let dir = catalogue();
    let own = write(dir.path(), "README.md", "# Our policies, by hand\n");
    let root = text(dir.path());
    stategate(&["policy", "docs", root]).expect(2, &["README.md: was not written by"]);
    assert_eq!(std::fs::read_to_string(own).unwrap(), "# Our policies, by hand\n");
    stategate(&["policy", "docs", &format!("{root}/nowhere")]).expect(2, &["cannot be read"]);
    // An example that demonstrates nothing must not become documentation.
    let dir = catalogue();
    let example = "storage/pvc_no_shrink/examples/deny_shrink_claim";
    std::fs::copy(dir.path().join(format!("{example}.old.yaml")), dir.path().join(format!("{example}.yaml")))
        .unwrap();
    std::fs::remove_file(dir.path().join("storage/pvc_no_shrink/examples/deny_shrink_template.yaml"))
        .unwrap();
    stategate(&["policy", "docs", text(dir.path())]).expect(2, &["deny_shrink_claim.yaml: has no finding"]);
}

#[test]
fn explain_tells_all_that_is_known() {
    let run = stategate(&["explain", "volume_no_emptydir_data"]);
    run.expect(
        0,
        &[
            "volume-no-emptydir-data\n",
            "WHY",
            "An emptyDir is deleted",
            "HOW TO FIX IT",
            "REFUSED",
            "volume-no-emptydir-data [critical]",
            "ACCEPTED",
            "`scratch_path_globs`\n    type: list of string\n    default: `[",
            "production  deny     deny  deny     warn",
            "READ MORE",
        ],
    );
    let prose = run.stdout.lines().filter(|line| !line.starts_with("    ") && !line.contains("http"));
    for line in prose {
        assert!(line.chars().count() <= 100, "{line}");
    }
    stategate(&["explain", "volume-no-emptydir-date"])
        .expect(2, &["there is no policy", "did you mean volume-no-emptydir-data?"]);
    stategate(&["explain", "zzz"]).expect(2, &["stategate policy list"]);
}

/// Returns its whole input.
const MIRROR: &str = "# METADATA
# title: Mirror
# description: Shows what it sees.
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps]}
#   ratchet: false
#   parameters: {wanted: {type: duration, default: 2h, description: Anything.}}
#   fix: None.
package stategate.mirrors.mirror

violation contains v if {
	v := {\"msg\": \"seen\", \"details\": input}
}
";

#[test]
fn input_is_exactly_what_a_policy_sees() {
    let namespace =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {stategate.io/tier: prod}}\n---\n";
    let old = GOOD.replace("storage: 20Gi", "storage: 10Gi");
    let dir = directory(&[
        ("p/mirrors/mirror/mirror.rego", MIRROR),
        ("new.yaml", &format!("{namespace}{GOOD}")),
        ("old.yaml", &old),
    ]);
    let path = |name: &str| text(&dir.path().join(name)).to_owned();
    let (policies, new, old) = (path("p"), path("new.yaml"), path("old.yaml"));
    for before in [&[] as &[&str], &["--old", &old]] {
        // The baseline profile changes nothing, so violations are evaluated on the original object.
        let common = [&["--profile", "baseline", "--policies", &policies], before].concat();
        let report = stategate(&[&["check", "-o", "json", &new], &common[..]].concat());
        let report = parsed(&report.stdout);
        let findings = report["findings"].as_array().unwrap();
        let mut seen = findings.iter().find(|f| f["policy"] == "mirror").unwrap()["details"].clone();
        let printed = stategate(&[&["input", &new, "--policy", "mirror"], &common[..]].concat());
        printed.expect(0, &[]);
        let mut printed = parsed(&printed.stdout);
        assert_eq!(printed["parameters"], json!({"wanted": 7200}));
        assert_eq!(printed["workload"]["tier"], "prod");
        assert_eq!(printed["old_workload"].is_object(), !before.is_empty());
        for document in [&mut seen, &mut printed] {
            document.as_object_mut().unwrap().remove("now").unwrap();
        }
        assert_eq!(printed, seen);
    }
}

#[test]
fn input_of_anything_and_for_one_policy() {
    let now = "2026-01-01T00:00:00Z";
    let run = stategate_with(&["input", "-", "--now", now], good_workload());
    let everything = parsed(&run.expect(0, &[]).stdout);
    assert_eq!((&everything["now"], &everything["parameters"]), (&json!(now), &json!({})));
    assert_eq!(everything["review"]["operation"], "CREATE");
    assert_eq!(everything["review"]["object"]["kind"], "StatefulSet");
    assert!(everything.get("old_workload").is_none(), "undefined, not null");
    assert_eq!(run.stdout, stategate_with(&["input", "-", "--now", now], good_workload()).stdout);

    let run = stategate_with(&["input", "-", "--policy", "storage_class_allowed"], good_workload());
    let one = parsed(&run.expect(0, &[]).stdout);
    assert_eq!(one["parameters"]["default_tier"], "prod");
    assert!(one["review"].get("object").is_none() && one.get("now").is_none(), "it does not read them");

    let delete = format!("{POLICIES}/data_protection/delete_guard_pvc/examples/deny_bound.yaml");
    let deleted = parsed(&stategate(&["input", &delete, "--policy", "delete-guard-pvc"]).stdout);
    assert_eq!(deleted["old_workload"]["name"], "data-pg-0");
    assert_eq!(deleted["review"]["userInfo"]["username"], "alice@shop.example");
}

#[test]
fn input_says_why_there_is_none() {
    let refused = |arguments: &[&str], stdin: &str, needles: &[&str]| {
        stategate_with(&[&["input", "-"], arguments].concat(), stdin).expect(2, needles);
    };
    refused(
        &["--policy", "delete-guard-pvc"],
        good_workload(),
        &["delete-guard-pvc does not review CREATE of StatefulSet shop/pg"],
    );
    refused(&["--policy", "delete-guard-pcv"], good_workload(), &["did you mean delete-guard-pvc?"]);
    refused(&[], "a: b\n", &["contains no object"]);
    refused(&[], "a: [\n", &["<stdin>:"]);
    let two = format!("{}---\n{}", good_workload(), NAIVE.replace("name: pg\n", "name: other\n"));
    refused(&[], &two, &["--object", "StatefulSet/pg, StatefulSet/other"]);
    refused(&["--object", "StatefulSet/neither"], &two, &["there is no StatefulSet/neither; there are: "]);
    let run = stategate_with(&["input", "-", "--object", "StatefulSet/other"], &two);
    assert_eq!(parsed(&run.expect(0, &[]).stdout)["workload"]["name"], "other");
    // The input is printed, with a note that the policy would not be evaluated on it.
    let cache = good_workload()
        .replace("  annotations:\n", "  annotations:\n    stategate.io/data-durability: cache\n");
    assert_ne!(cache, good_workload());
    let run = stategate_with(&["input", "-", "--policy", "backup-declared"], &cache);
    run.expect(
        0,
        &["backup-declared is not evaluated: its class is \"cache\", and `match` wants [\"durable\"]"],
    );
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "pg-0", "namespace": "shop", "ownerReferences":
            [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "pg", "uid": "u", "controller": true}]},
        "spec": {"containers": [{"name": "postgres", "image": "postgres:16.4"}]},
    });
    let owned = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"}, "operation": "CREATE",
        "namespace": "shop", "name": "pg-0", "object": pod,
        "userInfo": {"username": "system:serviceaccount:kube-system:statefulset-controller"}}});
    let run = stategate_with(&["input", "-", "--policy", "volume-data-dir-persisted"], &owned.to_string());
    run.expect(
        0,
        &["note: the object is not checked like others: the workload that owns it is checked instead, so volume-data-dir-persisted is not evaluated"],
    );
    let skipped = good_workload().replace(
        "  annotations:\n",
        "  annotations:\n    stategate.io/skip: pdb-present\n    stategate.io/skip-reason: the budget is elsewhere\n",
    );
    let run = stategate_with(&["input", "-", "--policy", "pdb-present"], &skipped);
    run.expect(
        0,
        &["note: the object is exempt from pdb-present by its own annotation: the budget is elsewhere"],
    );
    stategate_with(&["input", "-", "--policy", "storage-tier-cost"], good_workload())
        .expect(2, &["no binding of profile production applies storage-tier-cost to CREATE"]);
    stategate(&["input", "/nowhere.yaml"]).expect(2, &["cannot be read"]);
}

#[test]
fn a_new_policy_loads_fails_its_tests_and_is_soon_filled_in() {
    for (action, kebab) in
        [("deny", "storage/claim-not-too-small"), ("warn", "our_rules/claim_not_too_small")]
    {
        let dir = tempfile::tempdir().unwrap();
        let root = text(dir.path());
        let new = stategate(&["policy", "new", kebab, "--dir", root, "--action", action]);
        new.expect(0, &["stategate test", "stategate input", "stategate policy docs"]);
        let files: Vec<&Path> = new.stdout.lines().map(Path::new).collect();
        assert_eq!(files.len(), 4);
        assert!(text(files[3]).ends_with(&format!("claim_not_too_small/examples/{action}_bad.yaml")));

        stategate_with(&["check", "--policies", root, "-"], GOOD).expect(0, &["2 objects checked"]);
        let run = stategate(&["test", root]);
        run.expect(
            1,
            &[
                "test_bad_is_found",
                "_bad.yaml",
                "METADATA still says TODO",
                "the README would show it",
                "4 failed",
            ],
        );

        let rule = std::fs::read_to_string(files[0]).unwrap().replace("== -1", "< 3").replace("TODO ", "");
        std::fs::write(files[0], rule).unwrap();
        for example in &files[2..] {
            let filled = std::fs::read_to_string(example).unwrap().replace("# TODO: ", "# ");
            std::fs::write(example, filled).unwrap();
        }
        stategate(&["test", root]).expect(0, &["2 tests, 2 examples: 0 failed"]);
        stategate(&["policy", "docs", root]).expect(0, &["2 of 2 files written"]);
        stategate(&["explain", "claim-not-too-small", "--policies", root])
            .expect(0, &["claim-not-too-small"]);

        stategate(&["policy", "new", kebab, "--dir", root]).expect(2, &["already exists"]);
        stategate(&["policy", "new", "other/claim_not_too_small", "--dir", root])
            .expect(2, &["ids are unique"]);
    }
}

#[test]
fn a_bad_name_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    for (name, why) in [
        ("claim", "has no category"),
        ("storage/ClaimSize", "write claimsize"),
        ("Storage/claim", "write storage"),
        ("storage/claim size", "write claim-size"),
        ("storage/9-lives", "write lives"),
        ("storage/a--b", "write a-b"),
        ("storage/..", "is not a valid name"),
        ("/etc", "is not a valid name"),
        ("storage/a/b", "write a-b"),
        ("lib/claim", "is not a category"),
        ("storage/claim-test", "ends like a test"),
        ("storage/import", "keyword of Rego"),
        ("storage/pvc-no-shrink", "the policy pvc-no-shrink already exists"),
    ] {
        stategate(&["policy", "new", name, "--dir", text(dir.path())]).expect(2, &[why]);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn every_shipped_policy_gives_its_reason_in_one_line() {
    for policy in crate::support::production().policies() {
        let why = policy.why.as_deref().unwrap_or_default();
        assert!((10..=130).contains(&why.len()) && !why.ends_with('.'), "{}: {why:?}", policy.id);
    }
}
