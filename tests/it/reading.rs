//! What is read of files that hold more than manifests, that are partly broken, and of repositories of several clusters.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::inventory::{SET, policy};
use crate::support::{NAIVE, Run, directory, run_in, write};

const CRD: &str =
    "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x.example.org}\n";
const DOCUMENT: &str = "---\n";

/// Runs with this script as helm.
pub fn run_with_helm(directory: &Path, script: &str, arguments: &[&str]) -> Run {
    let bin = tempfile::tempdir().unwrap();
    write(bin.path(), "helm", format!("#!/bin/sh\n{script}\n"));
    let helm = bin.path().join("helm");
    fs::set_permissions(&helm, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let run = Command::new(env!("CARGO_BIN_EXE_stategate"))
        .current_dir(directory)
        .env("PATH", path)
        .args(arguments)
        .output()
        .unwrap();
    Run {
        code: run.status.code().unwrap(),
        stdout: String::from_utf8(run.stdout).unwrap(),
        stderr: String::from_utf8(run.stderr).unwrap(),
    }
}

#[test]
fn of_a_chart_only_what_helm_makes_of_it_is_read() {
    let chart = "apiVersion: v2\nname: c\nversion: 1.0.0\n";
    let files = directory(&[
        ("db/Chart.yaml", chart),
        ("db/values.yaml", ""),
        ("db/small.values.yaml", "a: {{ nonsense\n"),
        ("db/files/cm.yaml", "{{ .Values.x }}"),
        ("db/ci/default.yaml", "b: ["),
        ("db/dashboards/a.json", "{"),
        ("db/charts/sub/Chart.yaml", chart),
        ("db/charts/sub/files/more.yaml", "c: ["),
        ("db/templates/pg.yaml", NAIVE),
        ("db/kustomization.yaml", "resources: [none.yaml]\n"),
    ]);
    let cat = "cat \"$3/templates/pg.yaml\"";
    run_with_helm(files.path(), cat, &["check", "."])
        .expect(1, &["1 object checked", "volume-no-emptydir-data"]);
    // A file that is named is read as it is.
    run_with_helm(files.path(), cat, &["check", "db/ci/default.yaml"]).expect(2, &["db/ci/default.yaml:"]);
    // A chart beside the parts of another one is a chart of its own.
    write(files.path(), "db/other/Chart.yaml", chart);
    write(files.path(), "db/other/templates/pg.yaml", NAIVE);
    run_with_helm(files.path(), cat, &["check", "."]).expect(1, &["2 objects checked"]);
}

#[test]
fn what_helm_renders_is_judged_as_what_helm_installs() {
    let store = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg}
spec:
  selector: {matchLabels: {app: pg}}
  serviceName: pg
  template:
    metadata: {labels: {app: pg}}
    spec:
      containers:
      - {name: pg, image: \"postgres:17.2\", volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";
    let chart =
        [("db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n"), ("db/templates/pg.yaml", store)];
    let check = ["check", "--profile", "production", "."];
    // The label managed-by says that a chart made it, which names no class of a cluster.
    let run = run_with_helm(directory(&chart).path(), "cat \"$3/templates/pg.yaml\"", &check);
    run.expect(1, &["backup-declared"]);
    assert!(!run.stdout.contains("storage-class-required"), "{}", run.stdout);
    run_in(directory(&[("pg.yaml", store)]).path(), &check).expect(1, &["storage-class-required"]);
}

#[test]
fn a_base_that_lacks_its_files_is_told_of_once() {
    let files = directory(&[
        ("base/kustomization.yaml", "resources:\n- a.yaml\n- b.yaml\n- c.yaml\n"),
        ("one/kustomization.yaml", "resources: [../base]\n"),
        ("two/kustomization.yaml", "resources: [../base]\n"),
    ]);
    let run = run_in(files.path(), &["check", "."]);
    run.expect(
        2,
        &["there is no a.yaml here, nor 2 others that this file names", "base/kustomization.yaml:2:3"],
    );
    assert_eq!(run.stdout.matches("there is no").count(), 1, "{run:?}");
}

#[test]
fn an_object_that_a_file_repeats_is_told_once() {
    let twice = format!("{NAIVE}{DOCUMENT}{NAIVE}");
    let files = directory(&[("a.yaml", &twice), ("b/a.yaml", NAIVE)]);
    run_in(files.path(), &["check", "a.yaml"]).expect(1, &["1 object checked"]);
    // Another file is another place to mend.
    run_in(files.path(), &["check", "."]).expect(1, &["2 objects checked"]);
}

#[test]
fn workloads_of_the_first_versions_of_kubernetes_are_told() {
    for version in ["extensions/v1beta1", "apps/v1beta2"] {
        let text = NAIVE.replace("apps/v1", version).replace("kind: StatefulSet", "kind: Deployment");
        let files = directory(&[("a.yaml", &text)]);
        run_in(files.path(), &["check", "."]).expect(
            2,
            &[
                "is not a kind that an API server serves",
                "write apiVersion: apps/v1, kind: Deployment",
                // It is judged as what it has to become.
                "volume-no-emptydir-data",
            ],
        );
    }
}

#[test]
fn an_object_of_flux_makes_no_kustomize_directory() {
    let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: db}\nspec: {path: ./db}\n";
    let files = directory(&[("db/kustomization.yaml", flux), ("db/pg.yaml", NAIVE)]);
    run_in(files.path(), &["check", "."]).expect(1, &["1 object checked", "volume-no-emptydir-data"]);
}

#[test]
fn of_a_key_that_a_chart_gives_twice_the_last_one_counts() {
    let twice = NAIVE.replacen("  replicas:", "  replicas: 0\n  replicas:", 1);
    let files = directory(&[
        ("db/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("db/templates/pg.yaml", &twice),
    ]);
    run_with_helm(files.path(), "cat \"$3/templates/pg.yaml\"", &["check", "."])
        .expect(1, &["1 object checked", "is given twice and the last one counts"]);
    run_in(files.path(), &["check", "db/templates/pg.yaml"])
        .expect(2, &["the key \"replicas\" is given twice"]);
}

#[test]
fn a_link_to_nothing_is_told() {
    let files = directory(&[("pg.yaml", NAIVE)]);
    for link in ["x.yaml", "base", "notes.txt"] {
        std::os::unix::fs::symlink("gone", files.path().join(link)).unwrap();
    }
    let run = run_in(files.path(), &["check", "."]);
    run.expect(2, &["x.yaml", "base", "is a link to nothing", "1 object checked"]);
    assert!(!run.stdout.contains("notes"), "{run:?}");
}

#[test]
fn what_cannot_be_rendered_may_hold_what_others_miss() {
    let schedule = "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: daily, namespace: velero}\n\
        spec: {schedule: 0 3 * * *, template: {includedNamespaces: [shop]}}\n";
    let named =
        format!("namespace: shop\nresources: [{}]\n", "https://example.invalid/x.yaml, schedule.yaml");
    let claimed = "  volumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {accessModes: [ReadWriteOnce], \
        resources: {requests: {storage: 1Gi}}}\n";
    let pg = NAIVE.replace("      volumes:\n        - name: data\n          emptyDir: {}\n", claimed);
    let files = directory(&[("pg.yaml", &pg)]);
    run_in(files.path(), &["check", "."]).expect(1, &["backup-declared"]);
    let files =
        directory(&[("pg.yaml", &pg), ("k/kustomization.yaml", &named), ("k/schedule.yaml", schedule)]);
    let run = run_in(files.path(), &["check", "."]);
    run.expect(2, &["not checked, because it cannot be rendered: k (1 file)"]);
    assert!(!run.stdout.contains("backup-declared"), "{run:?}");
}

#[test]
fn charts_are_rendered_for_the_newest_kubernetes_or_the_one_that_is_asked_for() {
    let files = directory(&[
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
        ("templates/pg.yaml", NAIVE),
    ]);
    let says =
        "echo 'level=WARN msg=noise' >&2; echo \"Error: asked for: $*\" >&2; echo 'W0101 noise' >&2; exit 1";
    let run = run_with_helm(files.path(), says, &["check", "."]);
    run.expect(2, &["helm cannot render it: asked for: template", "--kube-version=1.36.0"]);
    assert!(!run.stdout.contains("noise"), "{run:?}");
    run_with_helm(files.path(), says, &["check", ".", "--kube-version", "v1.31.2"])
        .expect(2, &["--kube-version=v1.31.2", "--api-versions=policy/v1/PodDisruptionBudget"]);
    let run = run_with_helm(files.path(), says, &["check", ".", "--kube-version", "1.20"]);
    assert!(!run.stdout.contains("--api-versions"), "{run:?}");
    run_with_helm(files.path(), says, &["check", ".", "--kube-version", "1.31 x"])
        .expect(2, &["write it as 1.34"]);
}

#[test]
fn a_document_that_cannot_be_read_costs_only_itself() {
    let check = |text: &str| {
        let files = directory(&[("all.yaml", text)]);
        run_in(files.path(), &["check", "."])
    };
    let broken = format!("{CRD}spec: [\n");
    let run = check(&[&broken, DOCUMENT, NAIVE].concat());
    run.expect(
        1,
        &[
            "warning:",
            "no policy judges CustomResourceDefinition.apiextensions.k8s.io",
            "volume-no-emptydir-data",
        ],
    );
    // Of what policies judge, nothing may be passed over.
    for kind in ["StatefulSet", "ConfigMap\nkind: StatefulSet", "statefulset", "List", "Namespace"] {
        let other = broken.replace("CustomResourceDefinition", kind).replace("apiextensions.k8s.io", "apps");
        let run = check(&[&other, DOCUMENT, NAIVE].concat());
        run.expect(2, &["1 object checked", "1 file that cannot be read"]);
    }
    let twice = NAIVE.replace("  replicas: 3\n", "  replicas: 3\n  replicas: 3\n");
    check(&twice)
        .expect(1, &["warning: the key", "given twice with the same value", "volume-no-emptydir-data"]);
    check(&format!("{NAIVE}---\n{CRD}spec: {{a: 1, a: 1}}\n"))
        .expect(1, &["warning: the key \"a\" is given twice with the same value"]);
    check(&format!("{NAIVE}---\n{CRD}spec:\n  text: 'one\n  two'\n"))
        .expect(1, &["1 object checked", "1 of kinds"]);
}

const CLASS: &str = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\nprovisioner: ebs.csi.aws.com\nparameters: {encrypted: \"true\"}\nallowVolumeExpansion: true\nvolumeBindingMode: WaitForFirstConsumer\n";
const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\nspec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}\n";

#[test]
fn the_nearest_of_several_versions_counts() {
    let (keeps, erases) =
        (format!("{CLASS}reclaimPolicy: Retain\n"), format!("{CLASS}reclaimPolicy: Delete\n"));
    let told = "the disk of claim data: Delete";
    let own = policy(
        "PersistentVolumeClaim",
        "StorageClass.storage.k8s.io: cluster",
        "msg := sprintf(\"the disk of claim data: %v\", [input.related.claim_classes.data.reclaim_policy])",
    );
    let check = |files: &[(&str, &str)]| {
        let files = directory(&[files, &[("policies/own/looks/looks.rego", &own)]].concat());
        run_in(files.path(), &["check", ".", "--policies", "policies", "--no-catalogue"])
    };
    let (keeps, erases) = (keeps.as_str(), erases.as_str());
    for other in ["west", "aaa"] {
        let other = format!("{other}/class.yaml");
        // In the same directory, above it, and beside it.
        for own in ["east/class.yaml", "class.yaml", "east/storage/class.yaml"] {
            let claim = "east/claim.yaml";
            let run = check(&[(own, erases), (&other, keeps), (claim, CLAIM)]);
            assert!(run.stdout.contains(told), "{own} {other}: {run:?}");
            let run = check(&[(own, keeps), (&other, erases), (claim, CLAIM)]);
            assert!(!run.stdout.contains(told), "{own} {other}: {run:?}");
        }
    }
    // The same file comes first.
    let both = [erases, DOCUMENT, CLAIM].concat();
    let run = check(&[("east/a.yaml", &both), ("east/class.yaml", keeps)]);
    assert!(run.stdout.contains(told), "{run:?}");
    // None is nearer.
    let run = check(&[("claim.yaml", CLAIM), ("east/class.yaml", erases), ("west/class.yaml", keeps)]);
    run.expect(
        0,
        &[
            "StorageClass fast differs between",
            "east/class.yaml and ",
            "west/class.yaml",
            "StorageClass.storage.k8s.io is not known",
        ],
    );
    assert!(!run.stdout.contains(told), "{run:?}");
    // Both say the same.
    let run = check(&[("claim.yaml", CLAIM), ("east/class.yaml", erases), ("west/class.yaml", erases)]);
    assert!(run.stdout.contains(told) && !run.stdout.contains("differs between"), "{run:?}");
}

#[test]
fn a_selector_in_one_alternative_says_nothing_about_the_others() {
    let own = policy(
        "StatefulSet.apps",
        "PodDisruptionBudget.policy: bundle",
        "msg := sprintf(\"budgets: %v\", [concat(\" \", sort([budget.name | some budget in input.related.pdbs]))])",
    );
    let budget = |name: &str| {
        format!(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{minAvailable: 2, selector: {{matchLabels: {{app: pg}}}}}}\n"
        )
    };
    let check = |files: &[(&str, &str)]| {
        let files = directory(&[files, &[("policies/own/looks/looks.rego", &own)]].concat());
        run_in(files.path(), &["check", ".", "--policies", "policies", "--no-catalogue", "-o", "github"])
    };
    let (east, west, all) = (budget("east"), budget("west"), budget("all"));
    let newer = SET.replace("postgres:16.4", "postgres:16.5");
    for west_set in [SET, &newer] {
        let run = check(&[
            ("clusters/east/db/pg.yaml", SET),
            ("clusters/east/budgets/pg.yaml", &east),
            ("clusters/west/db/pg.yaml", west_set),
            ("clusters/west/budgets/pg.yaml", &west),
            ("clusters/all.yaml", &all),
        ]);
        assert!(run.stdout.contains("file=clusters/east/db/pg.yaml"), "{run:?}");
        assert_eq!(run.stdout.matches("budgets: all east").count(), 1, "{run:?}");
        assert_eq!(run.stdout.matches("budgets: all west").count(), 1, "{run:?}");
    }
    // A directory beside it that holds no copy is no alternative.
    let run = check(&[("east/pg.yaml", SET), ("budgets/east.yaml", &east), ("budgets/west.yaml", &west)]);
    assert!(run.stdout.contains("budgets: east west"), "{run:?}");
}

/// A PostgreSQL that mounts the claim by its name.
const ON_CLAIM: &str = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pg, namespace: shop}
spec:
  serviceName: pg
  replicas: 1
  selector: {matchLabels: {app: pg}}
  template:
    metadata: {labels: {app: pg}}
    spec:
      containers: [{name: pg, image: 'postgres:16.4', volumeMounts: [{name: v, mountPath: /var/lib/postgresql/data}]}]
      volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
";
/// A Job that writes to the same claim.
const FILLER: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: fill, namespace: shop}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: fill, image: 'alpine:3.22', command: [sh, -c, fill], volumeMounts: [{name: v, mountPath: /data}]}]
      volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
";

#[test]
fn what_all_versions_of_a_workload_say_of_a_claim_is_known() {
    let writer = "claim data is written by StatefulSet pg already";
    let unknown = "backup-live-files, pvc-single-consumer (StatefulSet.apps is not known";
    let check = |other: &str, files: &[(&str, &str)]| {
        let files = directory(&[files, &[("east/pg.yaml", ON_CLAIM), ("west/pg.yaml", other)]].concat());
        run_in(files.path(), &["check", "."]).stdout
    };
    // They differ in what does not matter.
    for (from, to) in
        [("16.4", "16.5"), ("replicas: 1", "replicas: 3"), ("app: pg", "app: pg, cluster: west")]
    {
        let stdout = check(&ON_CLAIM.replace(from, to), &[("job.yaml", FILLER)]);
        assert!(stdout.contains(writer) && !stdout.contains(unknown), "{to}: {stdout}");
    }
    // In one cluster it writes the claim as a data store that runs; in the other it does not.
    for (from, to) in [
        ("claimName: data", "claimName: other"),
        ("replicas: 1", "replicas: 0"),
        ("mountPath: /var/lib/postgresql/data", "mountPath: /var/lib/postgresql/data, readOnly: true"),
        ("postgres:16.4", "nginx:1.28"),
    ] {
        let stdout = check(&ON_CLAIM.replace(from, to), &[("job.yaml", FILLER)]);
        assert!(!stdout.contains(writer) && stdout.contains(unknown), "{to}: {stdout}");
        assert!(stdout.contains("StatefulSet pg differs between"), "{to}: {stdout}");
    }
    // What is in doubt for another reason says nothing about this claim.
    let elsewhere = ON_CLAIM.replace("claimName: data", "claimName: site");
    let files = directory(&[
        ("east/pg.yaml", elsewhere.as_str()),
        ("west/pg.yaml", &elsewhere.replace("16.4", "16.5")),
        ("job.yaml", FILLER),
    ]);
    let stdout = run_in(files.path(), &["check", "."]).stdout;
    assert!(!stdout.contains("pvc-single-consumer"), "{stdout}");
    // Claims that both make from their templates.
    let filler = FILLER.replace("claimName: data", "claimName: data-pg-0");
    let files = directory(&[
        ("east/pg.yaml", SET),
        ("west/pg.yaml", &SET.replace("16.4", "16.5")),
        ("job.yaml", &filler),
    ]);
    let stdout = run_in(files.path(), &["check", "."]).stdout;
    assert!(stdout.contains("claim data-pg-0 is written by StatefulSet pg already"), "{stdout}");
}

#[test]
fn a_claim_is_judged_unless_it_is_unclear_what_it_holds() {
    let claim = CLAIM.replace("storageClassName: fast, ", "");
    let told = "claim data names no storage class";
    let unknown = "deploy-tool-deletes-claim, storage-class-required (StatefulSet.apps is not known";
    let check = |one: &str, other: &str| {
        let files =
            directory(&[("east/pg.yaml", one), ("west/pg.yaml", other), ("claim.yaml", claim.as_str())]);
        run_in(files.path(), &["check", "."]).stdout
    };
    let web = ON_CLAIM.replace("postgres:16.4", "nginx:1.27");
    let stdout = check(ON_CLAIM, &ON_CLAIM.replace("16.4", "16.5"));
    assert!(stdout.contains(told) && !stdout.contains(unknown), "a database in both: {stdout}");
    let stdout = check(&web, &web.replace("1.27", "1.28"));
    assert!(!stdout.contains(told) && !stdout.contains(unknown), "in neither: {stdout}");
    let stdout = check(ON_CLAIM, &web);
    assert!(!stdout.contains(told) && stdout.contains(unknown), "in one: {stdout}");
    let site = web.replace("claimName: data", "claimName: site");
    let stdout = check(&site, &site.replace("1.27", "1.28"));
    assert!(!stdout.contains(told) && !stdout.contains(unknown), "nothing mounts it: {stdout}");
}

#[test]
fn what_acts_on_pods_is_not_judged_if_one_version_of_them_is_another() {
    let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: all, namespace: shop}\nspec: {minAvailable: 2, selector: {matchLabels: {app: APP}}}\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: all, namespace: shop}\nspec: {selector: {app: APP}, ports: [{port: 5432}]}\n";
    let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: all, namespace: shop}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: APP}, minReplicas: 2, maxReplicas: 3}\n";
    for (kind, acting) in [
        ("PodDisruptionBudget.policy", budget),
        ("Service", service),
        ("HorizontalPodAutoscaler.autoscaling", scaler),
    ] {
        let own = policy(
            kind,
            "StatefulSet.apps: bundle",
            "msg := sprintf(\"selects %d\", [count(input.related.workloads)])",
        );
        for (app, known) in [("pg", false), ("web", true)] {
            let files = directory(&[
                ("east/pg.yaml", SET),
                ("west/pg.yaml", &SET.replace("16.4", "16.5")),
                ("acting.yaml", &acting.replace("APP", app)),
                ("policies/own/looks/looks.rego", &own),
            ]);
            let run = run_in(files.path(), &["check", ".", "--policies", "policies", "--no-catalogue"]);
            assert_eq!(run.stdout.contains("selects 0"), known, "{app}: {run:?}");
            assert_eq!(run.stdout.contains("looks (StatefulSet.apps is not known"), !known, "{app}: {run:?}");
        }
    }
}

#[test]
fn two_versions_of_many_workloads_cost_no_more_than_as_many_others() {
    const MANY: usize = 150;
    let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: pg, namespace: shop}\nspec: {maxUnavailable: 1, selector: {matchLabels: {app: pg}}}\n";
    let named = |text: &str, number: usize| {
        text.replace("name: pg,", &format!("name: pg{number},"))
            .replace("app: pg", &format!("app: pg{number}"))
            .replace("claimName: data", &format!("claimName: data{number}"))
    };
    let newer = ON_CLAIM.replace("16.4", "16.5");
    let file = |second: usize| {
        let of = |number| [named(ON_CLAIM, number), named(&newer, number + second), named(budget, number)];
        (0..MANY).flat_map(of).collect::<Vec<_>>().join(DOCUMENT)
    };
    let files = directory(&[("twice.yaml", &file(0)), ("others.yaml", &file(MANY))]);
    let cost = |name: &str| {
        let began = Instant::now();
        let run = run_in(files.path(), &["check", name]);
        assert!(run.stdout.contains(&format!("{} objects checked", 3 * MANY)), "{run:?}");
        began.elapsed()
    };
    // It took fifty times as long. Other programs may run, too.
    let costs: Vec<_> = (0..3).map(|_| (cost("twice.yaml"), cost("others.yaml"))).collect();
    assert!(costs.iter().any(|(twice, others)| *twice < *others * 4), "{costs:?}");
}

/// What a chart may make: a workload, a budget of its pods and three other objects, of which a release has one each.
fn rendering(kind: &str, name: &str, port: u16, setting: &str) -> String {
    let set = ON_CLAIM
        .replace("kind: StatefulSet", &format!("kind: {kind}"))
        .replace("{name: pg,", &format!("{{name: {name},"))
        .replace("  serviceName: pg\n", if kind == "Deployment" { "" } else { "  serviceName: pg\n" });
    let budget = format!(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{maxUnavailable: 1, selector: {{matchLabels: {{app: pg}}}}}}\n"
    );
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: pg, namespace: shop}}\nspec: {{clusterIP: None, selector: {{app: pg}}, ports: [{{port: {port}}}]}}\n"
    );
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: env, namespace: shop}}\ndata: {{SETTING: {setting}}}\n"
    );
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: pg, namespace: shop}\n".to_owned();
    [set, budget, service, map, account].join(DOCUMENT)
}

#[test]
fn files_that_would_overwrite_most_of_each_other_are_alternatives() {
    let check = |port: u16, setting: &str| {
        // With the values of one, the chart makes a Deployment; with those of the other, a StatefulSet of another name.
        let (default, highly_available) =
            (rendering("Deployment", "pg", 5432, "a"), rendering("StatefulSet", "pg-primary", port, setting));
        // One file for each template, too, as with `helm template --output-dir`.
        let together = directory(&[("charts/default.yaml", &default), ("charts/ha.yaml", &highly_available)]);
        let mut apart: Vec<(String, &str)> = Vec::new();
        for (directory, text) in [("default", &default), ("ha", &highly_available)] {
            let documents = text.split(DOCUMENT).enumerate();
            apart.extend(documents.map(|(number, text)| (format!("{directory}/{number}.yaml"), text)));
        }
        let apart: Vec<(&str, &str)> = apart.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        [together, directory(&apart)].map(|files| {
            let stdout = run_in(files.path(), &["check", "."]).stdout;
            (
                stdout.contains("is written by Deployment pg already"),
                stdout.contains("pg, pg-primary: evicting them fails"),
            )
        })
    };
    assert_eq!(check(5433, "b"), [(false, false); 2]);
    assert_eq!(check(5432, "a"), [(true, true); 2], "they can be applied together");
    assert_eq!(check(5432, "b"), [(true, true); 2], "one setting is an oversight");
}

#[test]
fn no_label_hides_the_objects_of_files_from_each_other() {
    const LABELS: [&str; 6] = [
        "helm.sh/chart: shop-1.0",
        "app.kubernetes.io/managed-by: Helm",
        "heritage: Helm",
        "heritage: Tiller",
        "app.kubernetes.io/instance: shop",
        "stategate.io/other: 'true'",
    ];
    let set = ON_CLAIM
        .replace("postgres:16.4", "quay.io/coreos/etcd:v3.6.5")
        .replace("/var/lib/postgresql/data", "/var/lib/etcd")
        .replace("replicas: 1", "replicas: 3");
    let [_, _, service, map, account] = <[String; 5]>::try_from(
        rendering("Pod", "pg", 2379, "a").split(DOCUMENT).map(str::to_owned).collect::<Vec<_>>(),
    )
    .unwrap();
    let budget = "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: pg, namespace: shop}\nspec: {maxUnavailable: 3, selector: {matchLabels: {app: pg}}}\n".to_owned();
    let web = FILLER.replace("claimName: data", "claimName: web");
    let labelled = |text: &str, label: &str| {
        text.replace(", namespace: shop}\n", &format!(", namespace: shop, labels: {{{label}}}}}\n"))
    };
    let shared = [service, map, account];
    for label in LABELS {
        // What both files hold is the same, or differs in a label.
        for second in [label, "helm.sh/chart: shop-1.1"] {
            let file = |own: &[&String], label: &str| {
                let all = own.iter().copied().chain(&shared).map(|text| labelled(text, label));
                all.map(|text| format!("# Source: shop/templates/all.yaml\n{text}"))
                    .collect::<Vec<_>>()
                    .join(DOCUMENT)
            };
            let files =
                directory(&[("a.yaml", &file(&[&set], label)), ("b.yaml", &file(&[&web, &budget], second))]);
            let stdout = run_in(files.path(), &["check", "."]).stdout;
            let told = |id: &str| stdout.contains(&format!("[{id}]"));
            assert!(told("pdb-quorum-safe"), "{label}: {stdout}");
            assert!(!told("pdb-present") && !told("pdb-selector-matches"), "{label}: {stdout}");
        }
    }
}

#[test]
fn placeholders_count_as_their_defaults_and_others_are_no_fault() {
    let claim = |storage: &str| CLAIM.replace("10Gi", &format!("\"{storage}\""));
    let check = |text: &str| {
        let files = directory(&[("claim.yaml", text)]);
        run_in(files.path(), &["check", "claim.yaml"])
    };
    check(&claim("${SIZE:=5Gi}")).expect(0, &["placeholders count as their defaults, such as ${SIZE:=5Gi}"]);
    check(&claim("large")).expect(1, &["error[object-unreadable]"]);
    for placeholder in
        ["${SIZE}", "$SIZE", "$(SIZE)Gi", "{{ size }}", "<size>", "__SIZE__", "@@size@@", "REPLACE_ME"]
    {
        let shown = placeholder.trim_end_matches("Gi");
        let told =
            format!("spec.resources.requests.storage holds the placeholder {shown}, which nothing fills in");
        let run = check(&claim(placeholder));
        run.expect(0, &[&told, "claim.yaml:4:"]);
        assert!(!run.stdout.contains("object-unreadable"), "{run:?}");
    }
    // Nothing can stand for a map.
    let run = check(&CLAIM.replace("{requests: {storage: 10Gi}}", "$RESOURCES"));
    run.expect(0, &["warning[object-unreadable]", "spec.resources holds a placeholder"]);
}

/// A PostgreSQL whose data is wiped, with placeholders wherever people put them.
const TEMPLATE: &str = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: $NAME, namespace: <namespace>}
spec:
  serviceName: $NAME
  replicas: $REPLICAS
  selector: {matchLabels: {app: $NAME}}
  template:
    metadata: {labels: {app: $NAME}}
    spec:
      priorityClassName: <class>
      containers:
      - name: postgres
        image: $REGISTRY/postgres:$TAG
        resources:
          requests: {cpu: $CPU, memory: __MEMORY__}
          limits: {memory: __MEMORY__}
        volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data}]
      volumes: [{name: data, emptyDir: {sizeLimit: '{{ size }}'}}]
";

#[test]
fn what_is_found_whatever_a_placeholder_is_counts_and_all_else_is_not_known() {
    let files = directory(&[("pg.yaml", TEMPLATE)]);
    let run = run_in(files.path(), &["check", "pg.yaml"]);
    run.expect(
        1,
        &[
            "error[volume-no-emptydir-data]",
            "error[probe-readiness-required]",
            "pg.yaml:6:13",
            "spec.replicas holds the placeholder $REPLICAS, which nothing fills in: what depends on it is not judged, and \
             so for 6 other values in this file",
            "not known; fill in the manifests before the check",
        ],
    );
    for unknown in
        ["object-unreadable", "resources-requests", "image-", "replicas-minimum", "memory-guaranteed"]
    {
        assert!(!run.stdout.contains(&format!("[{unknown}")), "{unknown}: {run:?}");
    }
    assert_eq!(run.stdout.matches("which nothing fills in").count(), 1, "{run:?}");
}

#[test]
fn a_placeholder_silences_nothing_at_admission() {
    let claim = CLAIM.replace("10Gi", "$SIZE");
    let object = stategate::yaml::read(&claim).unwrap().remove(0).value;
    let review = serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "name": "data", "namespace": "shop", "userInfo": {"username": "dev"},
            "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"},
            "resource": {"group": "", "version": "v1", "resource": "persistentvolumeclaims"},
            "object": object,
        },
    });
    let files = directory(&[("review.json", &review.to_string())]);
    let run = run_in(files.path(), &["review", "review.json"]);
    assert!(run.stdout.contains("\"allowed\":false") || run.stdout.contains("\"allowed\": false"), "{run:?}");
    assert!(run.stdout.contains("object-unreadable"), "{run:?}");
}

#[test]
fn a_misspelt_field_is_told_once_and_by_what_comes_from_it() {
    let files = directory(&[(
        "pg.yaml",
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: pg, namespace: shop}\nspec:\n  serviceName: pg\n  selector: {matchLabels: {app: pg}}\n  template:\n    metadata: {labels: {app: pg}}\n    spec:\n      containers:\n      - name: postgres\n        image: postgres:17.2\n        volumemounts: [{name: data, mountPath: /var/lib/postgresql/data}]\n  volumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}\n",
    )]);
    let run = run_in(files.path(), &["check", "pg.yaml"]);
    run.expect(
        1,
        &[
            "warning: spec.template.spec.containers[0].volumemounts is no field",
            "did you mean volumeMounts?",
            "Correct volumemounts (line 13) to volumeMounts: this finding comes from the wrong name",
        ],
    );
    let readiness =
        run.stdout.split("error[").find(|part| part.starts_with("probe-readiness-required")).unwrap();
    assert!(!readiness.split("\n\n").next().unwrap().contains("volumemounts (line"), "{readiness}");
    for format in ["github", "json", "sarif", "gitlab", "junit", "html"] {
        let run = run_in(files.path(), &["check", "pg.yaml", "-o", format]);
        assert!(run.stdout.contains("did you mean volumeMounts?"), "{format}: {run:?}");
    }
}

#[test]
fn a_tree_that_nobody_judges_is_told_by_name() {
    let cluster = "apiVersion: databases.example.org/v1\nkind: Cluster\nmetadata: {name: NAME}\nspec: {instances: 1}\n---\n";
    let files = directory(&[
        ("a.yaml", &cluster.replace("NAME", "one")),
        ("b.yaml", &cluster.replace("NAME", "two")),
        ("c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"),
    ]);
    let told = "3 objects of kinds that no policy judges: Cluster.databases.example.org (2), ConfigMap (1)";
    run_in(files.path(), &["check", "."]).expect(2, &["nothing to check", told, "--allow-empty"]);
    let run = run_in(files.path(), &["check", ".", "--allow-empty"]);
    run.expect(0, &["note: nothing was checked", told]);
    let broken = directory(&[("a.yaml", "a: [")]);
    run_in(broken.path(), &["check", ".", "--allow-empty"]).expect(2, &["cannot be read"]);
}
