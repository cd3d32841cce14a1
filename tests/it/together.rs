//! What several files, directories and versions are to each other: clusters, previous versions, parts that cannot be
//! read or that a program renders.

use crate::reading::run_with_helm;
use crate::support::{Run, directory, git, run_in, write};

/// A database with two replicas.
fn set(name: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {name}, namespace: shop}}
spec:
  serviceName: {name}
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: pg
        image: postgres:16.4
        envFrom: [{{configMapRef: {{name: env}}}}]
        volumeMounts: [{{name: data, mountPath: /store}}]
  volumeClaimTemplates:
  - metadata: {{name: data}}
    spec: {{storageClassName: fast, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 10Gi}}}}}}
"
    )
}

fn map(pgdata: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: env, namespace: shop}}\ndata: {{PGDATA: {pgdata}}}\n"
    )
}

fn budget(app: &str) -> String {
    format!(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {app}, namespace: shop}}\nspec: {{maxUnavailable: 1, selector: {{matchLabels: {{app: {app}}}}}}}\n"
    )
}

const CHART: &str = "apiVersion: v2\nname: c\nversion: 1.0.0\n";
/// What helm prints if it renders nothing.
const AS_IT_IS: &str = "for file in \"$3\"/templates/*; do echo ---; echo \"# Source: c/templates/$(basename \"$file\")\"; cat \"$file\"; done";
const PRODUCTION: [&str; 2] = ["--profile", "production"];

fn says(run: &Run, policy: &str) -> bool {
    run.stdout.contains(&format!("[{policy}]"))
}

#[test]
fn what_leaves_one_cluster_is_gone_there() {
    let (pg, renamed) = (set("pg"), set("pg-new"));
    let check = |new: &[(&str, &str)]| {
        let old = [("old/east/pg.yaml", pg.as_str()), ("old/west/pg.yaml", &pg)];
        let files = directory(&[&old, new].concat());
        run_in(files.path(), &["check", "new", "--old", "old"])
    };
    let gone = "StatefulSet shop/pg is gone and pg-new is new";
    check(&[("new/east/pg.yaml", &pg), ("new/west/pg.yaml", &renamed)])
        .expect(1, &[gone, "new/west/pg.yaml:"]);
    check(&[("new/east/pg.yaml", &pg), ("new/west/db.yaml", &renamed)])
        .expect(1, &[gone, "new/west/db.yaml:"]);
    // It only moved, it is only added, or it is new elsewhere.
    for new in [
        [("new/east/pg.yaml", pg.as_str()), ("new/west/db/pg.yaml", &pg), ("new/west/more.yaml", &renamed)],
        [("new/east/pg.yaml", &pg), ("new/west/pg.yaml", &pg), ("new/west/more.yaml", &renamed)],
        [("new/east/pg.yaml", &pg), ("new/east/more.yaml", &renamed), ("new/west/other.yaml", "")],
    ] {
        let run = check(&new);
        assert!(!says(&run, "statefulset-renamed"), "{new:?}\n{}", run.stdout);
    }
    let files = directory(&[("east/pg.yaml", &pg), ("west/pg.yaml", &pg)]);
    git(files.path(), &["init", "--quiet"]);
    git(files.path(), &["add", "--all"]);
    git(files.path(), &["commit", "--quiet", "--message", "first"]);
    write(files.path(), "west/pg.yaml", &renamed);
    run_in(files.path(), &["check", ".", "--changed-since", "HEAD"]).expect(1, &[gone, "west/pg.yaml:"]);
}

#[test]
fn a_config_map_that_changes_is_judged_with_what_reads_it() {
    let (pg, before, after) = (set("pg"), map("/store/a"), map("/store/b"));
    let files = directory(&[
        ("east/pg.yaml", pg.as_str()),
        ("east/env.yaml", &before),
        ("west/pg.yaml", &pg),
        ("west/env.yaml", &after),
        ("west/other.yaml", &set("db").replace("name: env", "name: other")),
    ]);
    git(files.path(), &["init", "--quiet"]);
    git(files.path(), &["add", "--all"]);
    git(files.path(), &["commit", "--quiet", "--message", "first"]);
    let check = || run_in(files.path(), &["check", ".", "--changed-since", "HEAD"]);
    check().expect(0, &["0 objects checked"]);
    write(files.path(), "east/env.yaml", &after);
    let run = check();
    run.expect(1, &["error[volume-data-dir-moved]", "--> east/pg.yaml"]);
    assert_eq!(run.stdout.matches("error[").count(), 1, "{}", run.stdout);
    // The same text, and another key.
    write(files.path(), "east/env.yaml", format!("# touched\n{before}"));
    check().expect(0, &["0 objects checked"]);
    write(files.path(), "east/env.yaml", before.replace("PGDATA", "MORE: x, PGDATA"));
    check().expect(0, &["0 errors, 0 warnings"]);
}

#[test]
fn the_previous_version_is_rendered_as_the_present_one() {
    let (pg, smaller) = (set("pg"), set("pg").replace("10Gi", "5Gi"));
    let template = |text: &str| text.replace("image: postgres", "image: {{ x }}postgres");
    let files = directory(&[
        ("old/a/Chart.yaml", CHART),
        ("old/a/files/raw.yaml", "{{ .Values.x }}"),
        ("old/a/ci/values.yaml", "a: ["),
        ("old/a/templates/pg.yaml", &template(&pg)),
        ("new/a/Chart.yaml", CHART),
        ("new/a/ci/values.yaml", "a: ["),
        ("new/a/templates/pg.yaml", &template(&smaller)),
    ]);
    let helm = "sed -e 's/{{ x }}//' -e \"s/name: pg,/name: $2-pg,/\" \"$3/templates/pg.yaml\"";
    let check = |arguments: &[&str]| run_with_helm(files.path(), helm, &[&["check"], arguments].concat());
    check(&["new", "--old", "old"]).expect(1, &["error[pvc-no-shrink]", "10Gi", "5Gi"]);
    // Of two checkouts of one chart, the release has one name.
    let run = check(&["new/a", "--old", "old/a"]);
    run.expect(1, &["error[pvc-no-shrink]"]);
    std::fs::rename(files.path().join("old/a"), files.path().join("old/before")).unwrap();
    let run = check(&["new/a", "--old", "old/before"]);
    run.expect(1, &["error[pvc-no-shrink]"]);
    assert!(!says(&run, "statefulset-renamed"), "{}", run.stdout);
}

#[test]
fn nothing_is_missed_that_may_be_in_what_cannot_be_read() {
    let pg = set("pg");
    let check = |files: &[(&str, &str)]| {
        let files = directory(files);
        run_in(files.path(), &[&["check", "."], &PRODUCTION[..]].concat())
    };
    let web = set("web");
    let told = |run: &Run| (says(run, "pdb-present"), says(run, "pdb-selector-matches"));
    let seen = check(&[("pg.yaml", &pg), ("db.yaml", &budget("db"))]);
    assert_eq!(told(&seen), (true, true), "{}", seen.stdout);
    // The workload, the budget, and what may be anything.
    let broken = |text: &str| text.replacen("spec:", "spec: [", 1);
    let lost = check(&[("pg.yaml", &pg), ("db.yaml", &budget("db")), ("x.yaml", &broken(&web))]);
    assert_eq!(told(&lost), (true, false), "{}", lost.stdout);
    let lost = check(&[("pg.yaml", &pg), ("db.yaml", &budget("db")), ("x.yaml", &broken(&budget("pg")))]);
    assert_eq!(told(&lost), (false, true), "{}", lost.stdout);
    let lost = check(&[("pg.yaml", &pg), ("db.yaml", &budget("db")), ("x.yaml", "kind: [")]);
    assert_eq!(told(&lost), (false, false), "{}", lost.stdout);
    let lost = check(&[
        ("pg.yaml", &pg),
        ("db.yaml", &budget("db")),
        ("c/Chart.yaml", CHART),
        ("c/values.yaml", "a: ["),
    ]);
    assert_eq!(told(&lost), (false, false), "{}", lost.stdout);
    // What can hold no object holds none that is missed.
    let seen = check(&[("pg.yaml", &pg), ("db.yaml", &budget("db")), ("x.yaml", "a: [")]);
    assert_eq!((told(&seen), seen.code), ((true, true), 1), "{}", seen.stdout);
    // What is far away is not what is missed.
    let files = [("apps/pg/pg.yaml", pg.as_str()), ("docs/old/x/y.yaml", "kind: [")];
    assert_eq!(told(&check(&files)), (true, false));
    let files = [("apps/pg/pg.yaml", pg.as_str()), ("apps/guards/pdb.yaml", "kind: [")];
    assert_eq!(told(&check(&files)), (false, false));
    // What is in the other cluster is not missed here.
    let files = [("east/pg.yaml", pg.as_str()), ("west/pg.yaml", &pg), ("west/x.yaml", "kind: [")];
    let run = check(&files);
    assert_eq!(run.stdout.matches("[pdb-present]").count(), 1, "{}", run.stdout);
    // Without any workload, the budget is for one that is somewhere else.
    assert_eq!(told(&check(&[("db.yaml", &budget("db"))])), (false, false));
}

#[test]
fn what_other_directories_render_is_looked_at_before_something_is_missed() {
    let pg = set("pg");
    let check = |files: &[(&str, &str)]| {
        let files = directory(files);
        run_with_helm(files.path(), AS_IT_IS, &[&["check", "."], &PRODUCTION[..]].concat())
    };
    let told = |run: &Run| (says(run, "pdb-present"), says(run, "pdb-selector-matches"));
    let run = check(&[
        ("db/Chart.yaml", CHART),
        ("db/templates/pg.yaml", &pg),
        ("guards/Chart.yaml", CHART),
        ("guards/templates/pdb.yaml", &budget("pg")),
    ]);
    assert_eq!(told(&run), (false, false), "{}", run.stdout);
    // Another cluster's is none.
    let run = check(&[
        ("east/Chart.yaml", CHART),
        ("east/templates/pg.yaml", &pg),
        ("west/Chart.yaml", CHART),
        ("west/templates/pg.yaml", &pg),
        ("west/templates/pdb.yaml", &budget("pg")),
    ]);
    assert_eq!(run.stdout.matches("[pdb-present]").count(), 1, "{}", run.stdout);
    // Its pods may be made of a resource that another directory brings.
    let release =
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: r, namespace: shop}\n";
    let run = check(&[
        ("db/Chart.yaml", CHART),
        ("db/templates/r.yaml", release),
        ("pdb.yaml", &budget("redis")),
        ("pg.yaml", &pg),
    ]);
    assert!(!says(&run, "pdb-selector-matches"), "{}", run.stdout);
    // What a chart renders is all that it has, whatever is wrong with another one.
    let run = check(&[
        ("db/Chart.yaml", CHART),
        ("db/templates/pg.yaml", &pg),
        ("web/Chart.yaml", CHART),
        ("web/templates/web.yaml", "{{ fail \"a value is missing\" }}"),
    ]);
    assert_eq!(told(&run), (true, false), "{}", run.stdout);
}

#[test]
fn charts_of_a_collection_do_not_rank_each_others_pods() {
    let high = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 1000\n";
    let check = |place: &str| {
        let files = directory(&[
            ("db/Chart.yaml", CHART),
            ("db/templates/pg.yaml", &set("pg")),
            ("operator/Chart.yaml", CHART),
            (place, high),
        ]);
        run_with_helm(files.path(), AS_IT_IS, &[&["check", "."], &PRODUCTION[..]].concat())
    };
    assert!(!says(&check("operator/templates/high.yaml"), "scheduling-priority-class"));
    assert!(says(&check("db/templates/high.yaml"), "scheduling-priority-class"));
    assert!(says(&check("high.yaml"), "scheduling-priority-class"));
}

#[test]
fn what_is_cluster_scoped_is_seen_from_every_directory() {
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\nprovisioner: ebs.csi.aws.com\nreclaimPolicy: Delete\nvolumeBindingMode: WaitForFirstConsumer\nallowVolumeExpansion: false\n";
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\nspec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}\n";
    let files = directory(&[
        ("classes/Chart.yaml", CHART),
        ("classes/templates/class.yaml", class),
        ("db/Chart.yaml", CHART),
        ("db/templates/claim.yaml", &format!("{claim}---\n{}", set("pg"))),
    ]);
    let check = |old: &str| {
        let old = directory(&[("c.yaml", &claim.replace("10Gi", old))]);
        run_with_helm(files.path(), AS_IT_IS, &["check", ".", "--old", old.path().to_str().unwrap()])
    };
    check("5Gi").expect(1, &["error[pvc-expansion-supported]"]);
}

#[test]
fn an_error_in_what_was_rendered_names_the_template() {
    let files = directory(&[
        ("db/Chart.yaml", CHART),
        ("db/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, labels: {a: .inf}}\n"),
        ("db/templates/pg.yaml", &set("pg")),
    ]);
    let check = |format: &str| run_with_helm(files.path(), AS_IT_IS, &["check", ".", "-o", format]);
    check("text").expect(2, &["db/templates/a.yaml", "line 5 of <helm template db>"]);
    check("github").expect(2, &["::error file=db/templates/a.yaml"]);
}

#[test]
fn a_byte_a_separator_or_an_item_that_cannot_be_read_costs_no_other_document() {
    let pg = set("pg");
    let text = |first: &[u8]| [first, b"---\n", pg.as_bytes()].concat();
    for (first, told) in [
        (&b"a: caf\xe9\n"[..], "all.yaml:1:7: a byte is not UTF-8"),
        (b"--- !tag\na: 1\n", "kubectl takes nothing but a comment after ---"),
        (b"--- {a: 1}\n", "kubectl takes nothing but a comment after ---"),
        (
            b"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, a: 1, a: 2}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n",
            "the key \"a\" is given twice",
        ),
    ] {
        let files = directory(&[]);
        write(files.path(), "all.yaml", text(first));
        let run = run_in(files.path(), &["check", "."]);
        let told = told.split_once(": ").map_or(told, |(_, message)| message);
        run.expect(2, &[told, "1 object checked", "1 file that cannot be read"]);
    }
}

#[test]
fn two_versions_in_one_file_are_told_with_their_lines() {
    let namespace = |tier: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{stategate.io/tier: {tier}}}}}\n"
        )
    };
    let both = format!("{}---\n{}---\n{}", namespace("dev"), namespace("prod"), set("pg"));
    let files = directory(&[("all.yaml", &both)]);
    run_in(files.path(), &["check", "."])
        .expect(1, &["Namespace shop differs between all.yaml:1 and all.yaml:5"]);
    // Objects of one name are told apart.
    let files = directory(&[("a.yaml", &set("pg")), ("b.yaml", &set("pg"))]);
    let run = run_in(files.path(), &[&["check", "."], &PRODUCTION[..]].concat());
    assert!(
        run.stdout.contains("StatefulSet shop/pg (a.yaml), StatefulSet shop/pg (b.yaml)"),
        "{}",
        run.stdout
    );
}

#[test]
fn misspelt_fields_of_a_namespace_and_the_rest_of_many_are_told() {
    let namespace =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, lables: {stategate.io/tier: dev}}\n";
    let files = directory(&[("ns.yaml", namespace), ("pg.yaml", &set("pg"))]);
    run_in(files.path(), &["check", "."]).expect(1, &["metadata.lables is no field", "did you mean labels?"]);
    let containers: String =
        (0..30).map(|at| format!("      - {{name: c{at}, image: 'a:1', porst: []}}\n")).collect();
    let many = set("pg").replace("      containers:\n", &format!("      containers:\n{containers}"));
    let files = directory(&[("pg.yaml", &many)]);
    run_in(files.path(), &["check", "."])
        .expect(1, &["porst is no field", "so it is with 10 more of this object"]);
}

#[test]
fn null_is_an_empty_word_of_a_command_and_a_word_may_stand_for_a_number() {
    let empty = set("pg")
        .replace("        image:", "        command: [sh, -c, null]\n        args: [null]\n        image:");
    let files = directory(&[("pg.yaml", &empty)]);
    let run = run_in(files.path(), &["check", "."]);
    assert!(!says(&run, "object-unreadable"), "{}", run.stdout);
    let modes = set("pg").replace("[ReadWriteOnce]", "[null]");
    let files = directory(&[("pg.yaml", &modes)]);
    run_in(files.path(), &["check", "."]).expect(1, &["error[object-unreadable]"]);
    let words = set("pg").replace("10Gi", "replace_size").replace("replicas: 2", "replicas: replace_me");
    let files = directory(&[("pg.yaml", &words)]);
    let run = run_in(files.path(), &["check", "."]);
    assert!(!run.stdout.contains("error[object-unreadable]"), "{}", run.stdout);
    run.expect(run.code, &["warning: ", "which nothing fills in"]);
    let wrong = set("pg").replace("[{name: data, mountPath", "[{name: data, readOnly: maybe, mountPath");
    let files = directory(&[("pg.yaml", &wrong)]);
    run_in(files.path(), &["check", "."]).expect(1, &["error[object-unreadable]"]);
}

#[test]
fn workloads_that_share_a_claim_lack_one_backup() {
    let share = |name: &str, claim: &str| {
        format!(
            "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: shop}}
spec:
  strategy: {{type: Recreate}}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - {{name: c, image: \"shop/{name}:1.2.3\", volumeMounts: [{{name: v, mountPath: /srv/documents}}]}}
      volumes: [{{name: v, persistentVolumeClaim: {{claimName: {claim}}}}}]
"
        )
    };
    let (web, worker) = (share("web", "documents"), share("worker", "documents"));
    let lacking = |files: &[(&str, &str)]| {
        let run = run_in(directory(files).path(), &[["check", "."].as_slice(), &PRODUCTION].concat());
        let told =
            run.stdout.split("\n\n").filter(|block| block.contains("does not say how its data is backed up"));
        told.map(str::to_owned).collect::<Vec<String>>()
    };
    let told = lacking(&[("a/web.yaml", &web), ("a/worker.yaml", &worker)]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("external on claim documents, for all that mount it"), "{told:?}");
    assert!(told[0].ends_with("= also: Deployment shop/worker (a/worker.yaml:3)"), "{told:?}");
}

#[test]
fn what_one_fix_mends_is_told_once_with_what_differs() {
    let renamed =
        |name: &str, container: &str| set(name).replace("- name: pg", &format!("- name: {container}"));
    let files = [("a.yaml", set("one")), ("b.yaml", set("two")), ("c.yaml", renamed("three", "store"))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let run = run_in(directory(&files).path(), &[["check", "."].as_slice(), &PRODUCTION].concat());
    let told: Vec<&str> =
        run.stdout.split("\n\n").filter(|block| block.contains("[probe-readiness-required]")).collect();
    let [block] = told.as_slice() else { panic!("{}", run.stdout) };
    let (_, also) = block.split_once("= also: ").unwrap();
    let also: Vec<&str> = also.lines().map(str::trim).collect();
    assert_eq!(also.len(), 2, "{also:?}");
    assert!(also[0].starts_with("StatefulSet shop/two (b.yaml:") && also[0].ends_with(')'), "{also:?}");
    assert!(also[1].contains("(c.yaml:") && also[1].contains("): container store has no"), "{also:?}");
}

#[test]
fn what_is_wrong_in_copies_of_an_object_is_told_once() {
    let (east, west) = (set("pg"), set("pg").replace("replicas: 2", "replicas: 3"));
    let files =
        [("east/pg.yaml", east.as_str()), ("west/pg.yaml", &west), ("west/other.yaml", &set("other"))];
    let directory = directory(&files);
    let run = run_in(directory.path(), &[["check", "."].as_slice(), &PRODUCTION].concat());
    let told = run.stdout.matches("error[probe-readiness-required]").count();
    assert_eq!(told, 1, "{}", run.stdout);
    assert!(run.stdout.contains("StatefulSet shop/other (west/other.yaml:"), "{}", run.stdout);
    assert!(run.stdout.contains("\n           west/pg.yaml:"), "{}", run.stdout);
    // Programs get all of them.
    let run = run_in(directory.path(), &[["check", ".", "-o", "json"].as_slice(), &PRODUCTION].concat());
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let of_policy = |finding: &&serde_json::Value| finding["policy"] == "probe-readiness-required";
    assert_eq!(report["findings"].as_array().unwrap().iter().filter(of_policy).count(), 3);
}
