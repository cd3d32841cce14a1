//! Charts and Kustomize directories, rendered by the real helm and the real kubectl.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rendering");

fn check(path: &str, arguments: &[&str]) -> (i32, String) {
    check_in(Path::new(FIXTURES), path, arguments)
}

fn check_in(directory: &Path, path: &str, arguments: &[&str]) -> (i32, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_stategate"))
        .current_dir(directory)
        .env("PATH", path)
        .arg("check")
        .args(arguments)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    (run.status.code().unwrap_or(-1), said)
}

/// A PATH with the tools and their dependencies. KUBEBUILDER_ASSETS does not contain helm.
fn path() -> String {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/target/cluster-tools");
    assert!(Path::new(built).join("helm").exists(), "helm is missing: run tests/cluster/tools/install");
    format!("{}:{built}:{}", harness::tools().display(), std::env::var("PATH").unwrap_or_default())
}

/// Object, template and file of each finding of a policy.
fn found(report: &str, policy: &str) -> Vec<(String, String, String)> {
    let report: Value = serde_json::from_str(report).unwrap_or_else(|error| panic!("{error}: {report}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_policy = |finding: &&Value| finding["policy"] == policy;
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(of_policy)
        .map(|finding| {
            let object = &finding["object"];
            let name = format!("{}/{}", text(&object["namespace"]), text(&object["name"]));
            (name, text(&finding["template"]), text(&finding["file"]))
        })
        .collect()
}

fn row(name: &str, template: &str, file: &str) -> (String, String, String) {
    (name.to_owned(), template.to_owned(), file.to_owned())
}

#[test]
fn a_tree_is_rendered_where_it_has_to_be() {
    let (code, report) = check(&path(), &[".", "-o", "json", "--namespace", "shop"]);
    assert_eq!(code, 1, "{report}");
    let mut lost = found(&report, "volume-no-emptydir-data");
    lost.sort();
    // The base is rendered as part of the overlay; patches and values are not manifests.
    assert_eq!(
        lost,
        [
            row("prod/store", "overlays/prod/kustomization.yaml", "<kubectl kustomize overlays/prod>"),
            row("shop/chart-store", "chart/templates/store.yaml", "<helm template chart>"),
        ]
    );
    let unkept = found(&report, "volume-data-dir-persisted");
    let wanted = row("shop/redis", "chart/charts/cache/templates/redis.yaml", "<helm template chart>");
    assert!(unkept.contains(&wanted), "{unkept:?}");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["summary"]["objects"], 3, "{report}");
    assert_eq!(report["summary"]["errors"], 0, "{report}");
}

#[test]
fn values_and_places_are_those_of_the_chart() {
    let (code, text) = check(&path(), &["chart"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("--> <helm template chart>:"), "{text}");
    assert!(text.contains("= from: rendered from chart/templates/store.yaml"), "{text}");
    let (_, text) = check(&path(), &["chart", "--values", "kept.values.yaml"]);
    assert!(!text.contains("emptyDir"), "{text}");
}

#[test]
fn what_cannot_be_rendered_is_told() {
    let empty = tempfile::tempdir().unwrap();
    let (code, said) = check(&empty.path().display().to_string(), &["."]);
    assert_eq!(code, 2, "{said}");
    for part in [
        "this is a Helm chart, and helm is not there to render it",
        "helm template DIR | stategate check -",
        "neither kubectl nor kustomize is there to render it",
        "--> overlays/prod",
        "--no-render",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let (code, said) = check(&empty.path().display().to_string(), &[".", "--no-render"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("--> base/store.yaml") && !said.contains("chart"), "{said}");

    let broken = empty.path().join("broken");
    std::fs::create_dir_all(broken.join("templates")).unwrap();
    std::fs::write(broken.join("Chart.yaml"), "apiVersion: v2\nname: b\nversion: 1.0.0\n").unwrap();
    std::fs::write(broken.join("templates/x.yaml"), "a: {{ .Values.b.c }}\n").unwrap();
    let (code, said) = check(&path(), &[&broken.display().to_string(), "base"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("helm cannot render it") && said.contains("<kubectl kustomize base>"), "{said}");
}

#[test]
fn a_part_that_cannot_be_rendered_hides_nothing_but_itself() {
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = files.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let volume = |name: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec: {{persistentVolumeReclaimPolicy: Recycle, \
             capacity: {{storage: 1Gi}}, accessModes: [ReadWriteOnce], nfs: {{server: n, path: /d}}}}\n"
        )
    };
    let recycled = volume("recycled");
    write("kustomization.yaml", "resources: [apps, far, near.yaml]\n");
    write("near.yaml", &volume("near"));
    write("apps/kustomization.yaml", "namePrefix: my-\nresources: [volume.yaml]\n");
    write("apps/volume.yaml", &recycled);
    write(
        "far/kustomization.yaml",
        "resources: ['https://example.invalid/x.yaml', lost.yaml]\nnamePrefix: a-\n",
    );
    write("far/lost.yaml", &recycled);
    let run = |name: &str| {
        let directory = files.path().join(name).display().to_string();
        check(&path(), &["--no-config", "--profile", "baseline", &directory])
    };
    let (code, said) = run("");
    assert_eq!(code, 2, "{said}");
    for part in [
        "my-recycled",
        "near",
        "would be fetched",
        "not checked, because it cannot be rendered",
        "far (1 file)",
    ] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(!said.contains("a-recycled") && said.matches("would be fetched").count() == 1, "{said}");
    // What changes its parts would be judged without the change.
    write("kustomization.yaml", "resources: [apps, far, near.yaml]\nnamePrefix: b-\n");
    let (code, said) = run("");
    assert_eq!((code, said.contains("my-recycled")), (2, false), "{said}");
    assert!(said.contains("(3 files)"), "{said}");
}

#[test]
fn what_lies_beside_charts_that_kustomize_would_fetch_is_judged() {
    let files = tempfile::tempdir().unwrap();
    let volume = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: recycled}\nspec: {persistentVolumeReclaimPolicy: Recycle, \
        capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], nfs: {server: n, path: /d}}\n";
    let kustomization = "resources: [volume.yaml]\nhelmCharts:\n- {name: redis, releaseName: redis, version: 1.0.0, valuesFile: values.yaml}\n";
    std::fs::write(files.path().join("kustomization.yaml"), kustomization).unwrap();
    std::fs::write(files.path().join("volume.yaml"), volume).unwrap();
    std::fs::write(files.path().join("values.yaml"), "a: [\n").unwrap();
    let (code, said) = check_in(files.path(), &path(), &["--no-config", "--profile", "baseline", "."]);
    assert_eq!(code, 2, "the chart is missing: {said}");
    assert!(said.contains("--enable-helm") && said.contains("[pv-reclaim-recycle]"), "{said}");
    assert!(!said.contains("--> values.yaml"), "{said}");
}

#[test]
fn a_chart_gets_the_charts_that_it_names_by_their_place() {
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = files.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let chart = |name: &str, needs: &[&str]| {
        let list = needs.iter().map(|needed| {
            format!("- {{name: {needed}, version: 1.x.x, repository: 'file://../{needed}'}}\n")
        });
        write(
            &format!("{name}/Chart.yaml"),
            &format!(
                "apiVersion: v2\nname: {name}\nversion: 1.0.0\ndependencies:\n{}",
                list.collect::<String>()
            ),
        );
    };
    chart("shop", &["db"]);
    chart("db", &["common"]);
    chart("common", &[]);
    write("common/templates/_names.tpl", "{{ define \"volume\" }}of-{{ .Values.global.shop }}{{ end }}\n");
    write("shop/values.yaml", "global: {shop: it}\n");
    write(
        "db/templates/volume.yaml",
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: '{{ include \"volume\" . }}'}\nspec: {persistentVolumeReclaimPolicy: \
         Recycle, capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], nfs: {server: n, path: /d}}\n",
    );
    let (code, said) = check_in(
        files.path(),
        &path(),
        &["--no-config", "--profile", "baseline", "--exclude", "db", "--exclude", "common", "."],
    );
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("PersistentVolume of-it"), "{said}");
    assert!(!files.path().join("shop/charts").exists(), "what is checked stays as it is");
    // What is packed there is what helm takes.
    write("shop/charts/db-1.0.0.tgz", "no archive");
    let (code, said) = check_in(files.path(), &path(), &["--no-config", "shop"]);
    assert_eq!(code, 2, "{said}");
    std::fs::remove_dir_all(files.path().join("shop/charts")).unwrap();
    // One that depends on itself does not end.
    chart("common", &["common"]);
    let (code, said) = check_in(files.path(), &path(), &["--no-config", "shop"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("its charts are nested more than 8 levels deep"), "{said}");
}

#[test]
fn a_directory_called_like_a_flag_is_a_directory() {
    let files = tempfile::tempdir().unwrap();
    let chart = files.path().join("--post-renderer=./a/evil");
    std::fs::create_dir_all(chart.join("templates")).unwrap();
    std::fs::create_dir_all(files.path().join("a")).unwrap();
    std::fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: evil\nversion: 1.0.0\n").unwrap();
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    std::fs::write(chart.join("templates/x.yaml"), object).unwrap();
    let evil = files.path().join("a/evil");
    std::fs::write(&evil, "#!/bin/sh\ntouch \"$(dirname \"$0\")/ran\"\ncat\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&evil, mode).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_stategate"))
        .current_dir(files.path())
        .env("PATH", path())
        .args(["check", "."])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(!files.path().join("a/ran").exists(), "{said}");
    assert!(!said.contains("cannot be read"), "{said}");
}

/// Counts the connections to a port of this machine, and answers each with `body`.
fn listener(body: &'static str) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::io::{Read as _, Write as _};
    use std::sync::atomic::{AtomicUsize, Ordering};
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", socket.local_addr().unwrap());
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    (address, count)
}

#[test]
fn programs_fetch_nothing_unless_allowed() {
    use std::sync::atomic::Ordering;
    let (address, count) = listener("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fetched}\n");
    let (schema, fetched) = listener("{}");
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = files.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    write("k/kustomization.yaml", format!("Resources: ['{address}/x.yaml']\n"));
    write("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n".to_owned());
    write("c/templates/x.yaml", object.to_owned());
    write("c/values.schema.json", format!("{{\"$ref\": \"{schema}/x.json\"}}"));
    let at = |name: &str| files.path().join(name).display().to_string();
    let (code, said) = check(&path(), &[&at("k")]);
    assert_eq!((code, count.load(Ordering::SeqCst)), (2, 0), "{said}");
    assert!(said.contains("kustomization.yaml:1:13") && said.contains("--allow-remote"), "{said}");
    let (_, said) = check(&path(), &[&at("c")]);
    assert_eq!(fetched.load(Ordering::SeqCst), 0, "{said}");
    assert!(!said.contains("cannot be read"), "{said}");
    // The same with the user's permission, which shows that the listener would have been asked.
    let (_, said) = check(&path(), &[&at("k"), &at("c"), "--allow-remote"]);
    assert!(count.load(Ordering::SeqCst) > 0 && fetched.load(Ordering::SeqCst) > 0, "{said}");
    assert!(!said.contains("cannot be read"), "{said}");
}

const GOOD: &str = include_str!("../fixtures/manifests/good-postgres.yaml");
const NAIVE: &str = include_str!("../fixtures/manifests/naive-postgres.yaml");

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = directory.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    directory
}

/// Names and patches that only look as if they led elsewhere.
#[test]
fn what_is_fine_is_rendered() {
    let patch = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: pg, namespace: shop, annotations: {doc: 'https://wiki/x'}}";
    let json = r#"{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"pg","namespace":"shop","annotations":{"doc":"https://wiki/x"}}}"#;
    let generator = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: x}\nfiles: [x.txt]\n";
    let kustomization = format!(
        "resources: [\"a\\nb.yaml\"]\npatchesStrategicMerge:\n- '{json}'\n- |\n  {}\ngenerators: [.g]\n",
        patch.replace('\n', "\n  ")
    );
    let files = directory(&[
        ("app/kustomization.yaml", &kustomization),
        ("app/a\nb.yaml", GOOD),
        // Its file lies beside the kustomization that names the generator.
        ("app/x.txt", "x"),
        ("app/.g/kustomization.yaml", "resources: [g.yaml]\n"),
        ("app/.g/g.yaml", generator),
    ]);
    let (code, said) = check_in(files.path(), &path(), &["app"]);
    assert!(code == 0 && said.contains("2 objects checked"), "{said}");
}

/// A component that nobody uses is not rendered, and takes no file from the tree.
#[test]
fn files_are_taken_only_by_what_is_rendered() {
    let component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n";
    let files = directory(&[
        ("z/kustomization.yaml", &format!("{component}resources: [../prod/pg.yaml, ../base]\n")),
        ("prod/pg.yaml", NAIVE),
        ("base/kustomization.yaml", "resources: [pg.yaml]\n"),
        ("base/pg.yaml", NAIVE),
    ]);
    let (code, said) = check_in(files.path(), &path(), &["."]);
    assert_eq!(code, 1, "{said}");
    for part in ["--> prod/pg.yaml", "<kubectl kustomize base>", "2 objects checked"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}

/// What makes backups is often kept apart from what it copies.
#[test]
fn backups_in_another_directory_count() {
    let schedule = "apiVersion: velero.io/v1\nkind: Schedule\nmetadata: {name: daily, namespace: velero}\n\
        spec: {schedule: '0 2 * * *', template: {includedNamespaces: ['*'], defaultVolumesToFsBackup: true}}\n";
    let store = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: pg, namespace: shop}\nspec:\n  \
        serviceName: pg\n  selector: {matchLabels: {app: pg}}\n  template:\n    metadata: {labels: {app: pg}}\n    \
        spec: {containers: [{name: pg, image: 'postgres:16.4', volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data}]}]}\n  \
        volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]\n";
    let files = directory(&[
        ("app/kustomization.yaml", "resources: [pg.yaml]\n"),
        ("app/pg.yaml", store),
        ("velero/kustomization.yaml", "resources: [daily.yaml]\n"),
        ("velero/daily.yaml", schedule),
    ]);
    let (_, alone) = check_in(files.path(), &path(), &["app"]);
    assert!(alone.contains("backup-declared"), "{alone}");
    let (_, together) = check_in(files.path(), &path(), &["."]);
    assert!(!together.contains("backup-declared"), "{together}");
}
