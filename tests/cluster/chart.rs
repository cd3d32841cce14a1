//! The chart, by the real helm: every documented combination of values is rendered and accepted by an API server, and
//! one is installed, upgraded and uninstalled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use stategate::yaml;

use crate::harness::{ApiServer, Daemon, Kubectl, Output, built, command, free_ports, http_get, wait_until};

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub const NAMESPACE: &str = "stategate-system";
const SOON: Duration = Duration::from_secs(90);
/// helm as it is built for these tests takes the cluster for Kubernetes 1.20 unless told otherwise.
pub const KUBERNETES: [&str; 2] = ["--kube-version", "1.36.0"];
/// Groups whose definitions are not at hand: their objects are rendered, and not sent.
const FOREIGN: [&str; 2] = ["cert-manager.io/", "monitoring.coreos.com/"];

pub fn chart() -> String {
    format!("{ROOT}/deploy/chart/stategate")
}

/// The documented combinations of values.
fn combinations() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("{ROOT}/deploy/chart/ci")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    files
}

/// helm, without the configuration of whoever runs the tests.
pub fn helm(home: &Path, kubeconfig: Option<&Path>, args: &[&str]) -> Output {
    let mut command = Command::new(built("helm"));
    command.args(args).env_clear().env("HOME", home).current_dir(home).stdin(Stdio::null());
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

#[track_caller]
pub fn done(output: Output) -> String {
    assert!(output.succeeded(), "{output:?}");
    output.stdout
}

pub fn rendered(home: &Path, values: &Path, more: &[&str]) -> Output {
    let (chart, values) = (chart(), values.to_str().unwrap());
    let args = ["template", "stategate", &chart, "--namespace", NAMESPACE, "--values", values];
    helm(home, None, &[&args[..], &KUBERNETES, more].concat())
}

pub fn documents(text: &str) -> Vec<Value> {
    let all = yaml::read(text).unwrap().into_iter().map(|document| document.value);
    all.filter(|value| !value.is_null()).collect()
}

pub fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// Sends what the API server has definitions of, and returns how many objects these are.
#[track_caller]
fn accepted(admin: &Kubectl, objects: &[Value], what: &str) -> usize {
    let known = objects.iter().filter(|object| {
        !FOREIGN.iter().any(|group| object["apiVersion"].as_str().unwrap().starts_with(group))
    });
    let known: Vec<Value> = known.cloned().collect();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": known}).to_string();
    let output = admin.run(&["apply", "--dry-run=server", "--validate=strict", "-f", "-"], &list);
    assert!(output.succeeded() && !output.stderr.contains("Warning"), "{what}: {output:?}");
    known.len()
}

#[test]
fn every_documented_combination_is_sound() {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    admin.ok(&["create", "namespace", NAMESPACE], "");
    let mut foreign = 0;
    for values in combinations() {
        let what = values.display().to_string();
        let lint = ["lint", "--strict", &chart(), "--values", &what].map(str::to_owned);
        let lint: Vec<&str> = lint.iter().map(String::as_str).chain(KUBERNETES).collect();
        done(helm(api.dir(), None, &lint));
        let objects = documents(&done(rendered(api.dir(), &values, &[])));
        assert!(objects.len() > 8, "{what}");
        let names: BTreeSet<String> =
            objects.iter().map(|one| format!("{} {}", one["kind"], one["metadata"]["name"])).collect();
        // Argo CD and kustomize render as `helm template` does, and take each object once.
        assert!(names.len() == objects.len(), "{what}: an object twice: {names:?}");
        // Pods must be allowed where only harmless ones are, unless they are to be in the network of a node.
        let in_node =
            named(&objects, "Deployment", "stategate")["spec"]["template"]["spec"]["hostNetwork"] == true;
        let level = format!(
            "pod-security.kubernetes.io/enforce={}",
            if in_node { "privileged" } else { "restricted" }
        );
        admin.ok(&["label", "namespace", NAMESPACE, "--overwrite", &level], "");
        foreign += objects.len() - accepted(&admin, &objects, &what);

        // A Pod as the Deployment makes it.
        let template = &named(&objects, "Deployment", "stategate")["spec"]["template"];
        let mut pod = template.clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = "probe".into();
        pod["metadata"]["namespace"] = NAMESPACE.into();
        accepted(&admin, &[pod], &what);

        for object in &objects {
            let text = object.to_string();
            let rules = object["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
            let grants = rules.iter().any(|rule| rule.to_string().contains('*'));
            assert!(!grants, "{what}: {text}");
            for webhook in object["webhooks"].as_array().map(Vec::as_slice).unwrap_or_default() {
                assert!(
                    !webhook["rules"].to_string().contains('*'),
                    "{what}: a webhook that catches everything"
                );
                let exempt = webhook["namespaceSelector"].to_string();
                let documents = ["policies.validate.stategate.io", "exceptions.validate.stategate.io"];
                let own = documents.iter().any(|name| webhook["name"] == *name);
                assert!(
                    own || (exempt.contains(NAMESPACE) && exempt.contains("kube-system")),
                    "{what}: {exempt}"
                );
            }
        }
    }
    assert_eq!(foreign, 8, "Issuers, Certificates, ServiceMonitor, PrometheusRules");
}

#[test]
fn nothing_waits_before_the_last_step() {
    let home = tempfile::tempdir().unwrap();
    let values = |name: &str| PathBuf::from(format!("{ROOT}/deploy/chart/ci/{name}.yaml"));
    for (name, steps, waits) in [
        ("default", &["enforcement=audit", "enforcement=warn"][..], false),
        ("production", &["enforcement=audit", "enforcement=warn"], false),
        ("production", &["enforcement=deny"], true),
        ("regulated-fail-open", &["enforcement=deny"], false),
    ] {
        for step in steps {
            let set = format!("{step},webhooks.mode=report");
            let objects = documents(&done(rendered(home.path(), &values(name), &["--set", &set])));
            let validating = named(&objects, "ValidatingWebhookConfiguration", "stategate");
            let fail = validating.to_string().contains("\"failurePolicy\":\"Fail\"");
            assert_eq!(fail, waits, "{name}, {step}");
            let mutates = objects.iter().any(|one| one["kind"] == "MutatingWebhookConfiguration");
            assert_eq!(mutates, *step == "enforcement=deny", "{name}, {step}");
            let args = named(&objects, "Deployment", "stategate")["spec"]["template"]["spec"]["containers"]
                [0]["args"]
                .clone();
            assert!(args.to_string().contains(&format!("--{step}")), "{args}");
        }
    }
    // What contradicts itself, or is spelled wrongly, is an error that names it.
    for (set, says) in [
        ("image.repository=", "image.repository: name the image"),
        ("tls.source=secret", "tls.caBundle: give the certificate authority"),
        ("tls.source=secret,tls.caBundle=x", "tls.secretName: name the Secret"),
        ("webhooks.mode=sometimes", "webhooks/mode"),
        ("webhooks.annotations.helm\\.sh/hook=test", "helm.sh/hook"),
        ("tls.source=magic", "tls/source"),
        ("enforcment=deny", "enforcment"),
        ("profile=strict", "profile"),
        ("replicas=0", "replicas"),
    ] {
        let output = rendered(home.path(), &values("default"), &["--set", set]);
        assert!(!output.succeeded() && output.stderr.contains(says), "{set}: {output:?}");
    }
}

#[test]
fn the_manifest_without_helm_is_that_of_the_chart() {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let read = |name: &str| std::fs::read_to_string(format!("{ROOT}/deploy/{name}")).unwrap();
    let values = PathBuf::from(format!("{ROOT}/deploy/install.values.yaml"));
    let made = format!("{}{}", read("install.head.yaml"), done(rendered(api.dir(), &values, &[])));
    let install = read("install.yaml");
    assert!(made == install, "deploy/install.yaml is not what the chart makes: run deploy/render");
    assert!(!install.contains("PRIVATE KEY") && !install.contains("tls.key: "), "a key that everybody has");
    assert!(admin.apply(&read("install.head.yaml")).succeeded());
    let objects = documents(&install);
    assert_eq!(
        objects.len(),
        accepted(&admin, &objects, "install.yaml"),
        "needs what a cluster may not have"
    );
    // The kustomization has the same objects, in an order of its own.
    let built = admin.ok(&["kustomize", &format!("{ROOT}/deploy")], "");
    let sorted = |mut all: Vec<Value>| {
        all.sort_by_key(Value::to_string);
        all
    };
    assert_eq!(sorted(documents(&built.stdout)), sorted(objects));
}

/// `serve` with the arguments of the Deployment, what a Pod has replaced by what is here.
fn serve(admin: &Kubectl, kubeconfig: &Path, dir: &Path, ports: [u16; 2]) -> Daemon {
    let _ = std::fs::remove_dir_all(dir.join("bindings"));
    let bindings = admin.get_json(&["configmap", "stategate-bindings", "-n", NAMESPACE]);
    mount(&bindings["data"], &dir.join("bindings"));
    let deployment = admin.get_json(&["deployment", "stategate", "-n", NAMESPACE]);
    let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    let here = |arg: &Value| match arg.as_str().unwrap() {
        "--in-cluster" => format!("--kubeconfig={}", kubeconfig.display()),
        arg => arg.replace("/etc/stategate", dir.to_str().unwrap()),
    };
    let [port, status_port] = ports;
    let mut serve = command(dir);
    serve
        .args(args.iter().map(here))
        .arg(format!("--own-namespace={NAMESPACE}"))
        .arg(format!("--listen=127.0.0.1:{port}"))
        .arg(format!("--status-listen=127.0.0.1:{status_port}"));
    Daemon::start("stategate", serve, dir.join("stategate.log"))
}

/// Writes the data of a ConfigMap as the kubelet mounts it: the files are links into a directory that is
/// itself one.
fn mount(data: &Value, dir: &Path) {
    std::fs::create_dir_all(dir.join("..version")).unwrap();
    for (name, value) in data.as_object().unwrap() {
        std::fs::write(dir.join("..version").join(name), value.as_str().unwrap()).unwrap();
        std::os::unix::fs::symlink(Path::new("..data").join(name), dir.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("..version", dir.join("..data")).unwrap();
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn it_is_installed_serves_under_its_own_role_is_upgraded_and_leaves_nothing() {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let kubeconfig = api.kubeconfig("admin");
    let run = |args: &[&str]| {
        let output = helm(api.dir(), Some(&kubeconfig), &[args, &["--namespace", NAMESPACE]].concat());
        assert!(output.succeeded(), "{args:?}: {output:?}");
        output
    };
    let (chart, ci) = (chart(), format!("{ROOT}/deploy/chart/ci"));
    let first = format!("{ci}/default.yaml");
    let install = ["install", "stategate", &chart, "--create-namespace", "--values", &first];
    run(&[&install[..], &["--set", "policyReports.enabled=true,policyReports.everySeconds=1"]].concat());
    let secret = || admin.get_json(&["secret", "stategate-tls", "-n", NAMESPACE]);
    let configuration = |which: &str| {
        let kind = format!("{which}webhookconfiguration");
        let found = admin.run(&["get", &kind, "stategate", "-o", "json"], "");
        found.succeeded().then(|| serde_json::from_str::<Value>(&found.stdout).unwrap())
    };
    // The controllers that fill this in do not run here.
    let endpoint = serde_json::json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "stategate-1", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": "stategate"}},
        "endpoints": [{"addresses": ["10.9.8.7"], "conditions": {"ready": true}}], "ports": [{"port": 8443}],
    });
    admin.ok(&["create", "-f", "-"], &endpoint.to_string());

    // What the Pods would run becomes ready, with the rights that the chart gives and no others.
    let dir = tempfile::tempdir().unwrap();
    let account = api.account("stategate", NAMESPACE);
    let ports = free_ports();
    let [port, status_port] = ports;
    let mut daemon = serve(&admin, &account, dir.path(), ports);
    let status = || http_get(status_port, "/readyz?verbose").unwrap_or_default();
    let says = |what: &str| status().0 == 200 && status().1.contains(what);
    let works = || says("lease: held") && says("webhook configurations: as the policy set needs them");
    assert!(wait_until(SOON, works), "{:?}\n{}", status(), daemon.log());
    let (_, said) = status();
    assert!(said.contains("profile baseline") && !said.contains("unknown"), "{said}");
    let made = secret();
    let validating = configuration("validating").unwrap();
    let webhook = &validating["webhooks"][0];
    assert_eq!(webhook["clientConfig"]["caBundle"], made["data"]["ca.crt"]);
    assert_eq!(webhook["failurePolicy"], "Ignore");
    assert_eq!(configuration("mutating"), None, "below deny nothing is patched");
    // The certificate is for the Service, and signed by the authority that the API server is told.
    std::fs::write(dir.path().join("ca.crt"), decoded(made["data"]["ca.crt"].as_str().unwrap())).unwrap();
    let ask = |authority: &str, name: &str| {
        let (server, authority) =
            (format!("--server=https://127.0.0.1:{port}"), format!("--certificate-authority={authority}"));
        let args = ["get", "--raw", "/nothing", &server, &authority, &format!("--tls-server-name={name}")];
        admin.run(&args, "").stderr
    };
    let authority = dir.path().join("ca.crt").display().to_string();
    assert!(!ask(&authority, "stategate.stategate-system.svc").contains("x509"));
    assert!(ask(&authority, "stategate.elsewhere.svc").contains("x509"));
    assert!(!daemon.log().contains("forbidden") && !daemon.log().contains("cannot be"), "{}", daemon.log());

    // The last step: the certificate stays, and only now a write may wait.
    let last = format!("{ci}/production.yaml");
    run(&["upgrade", "stategate", &chart, "--values", &last]);
    daemon.terminate(SOON);
    let mut daemon = serve(&admin, &account, dir.path(), ports);
    let changed = || says("profile production") && works() && configuration("mutating").is_some();
    assert!(wait_until(SOON, changed), "{:?}\n{}", status(), daemon.log());
    assert_eq!(secret()["data"], made["data"], "an upgrade made another certificate");
    let validating = configuration("validating").unwrap();
    let webhook = &validating["webhooks"][0];
    assert_eq!(webhook["clientConfig"]["caBundle"], made["data"]["ca.crt"]);
    assert_eq!(webhook["failurePolicy"], "Ignore", "nobody has asked yet");
    let review = include_str!("../fixtures/reviews/create-pvc.json");
    let (server, name) =
        (format!("--server=https://127.0.0.1:{port}"), "--tls-server-name=stategate.stategate-system.svc");
    let args = ["create", "--raw", "/validate/ignore", "-f", "-", &server, name];
    admin.ok(&[&args[..], &[&format!("--certificate-authority={authority}")]].concat(), review);
    let first = || configuration("validating").unwrap()["webhooks"][0].clone();
    assert!(wait_until(SOON, || first()["failurePolicy"] == "Fail"), "{:?}\n{}", status(), daemon.log());
    let webhook = first();
    assert_eq!(webhook["timeoutSeconds"], 10);
    assert!(webhook["namespaceSelector"].to_string().contains("openshift-monitoring"));
    let rights = admin.run(&["get", "clusterrole", "stategate-reports"], "");
    assert!(rights.stderr.contains("not found"), "rights that nothing needs: {rights:?}");

    // The API server reaches nobody here, and the webhooks still go first: nothing can be in the way of the rest. The
    // server that has made them goes on, and does not make them again.
    let objects = documents(&run(&["get", "manifest", "stategate"]).stdout);
    let exception = "{apiVersion: stategate.io/v1alpha1, kind: PolicyException, metadata: {name: kept, namespace: shop}, \
                     spec: {policies: [backup-declared], match: {names: [pg]}, reason: until the migration}}";
    admin.ok(&["create", "-f", "-"], exception);
    let said = run(&["uninstall", "stategate", "--debug"]).stderr;
    let starts = |name: &str, kind: &str| {
        let line = format!("Starting delete for \"{name}\" {kind}");
        said.find(&line).unwrap_or_else(|| panic!("{line} is not in {said}"))
    };
    let right = starts("stategate-webhooks", "ClusterRoleBinding");
    for kind in ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        let webhooks = starts("stategate", kind);
        let rest = starts("stategate", "Service").min(starts("stategate", "Deployment"));
        assert!(right < webhooks && webhooks < rest, "{said}");
    }
    std::thread::sleep(Duration::from_secs(8));
    for which in ["validating", "mutating"] {
        assert_eq!(configuration(which), None, "{}", daemon.log());
    }
    daemon.terminate(SOON);
    for object in &objects {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        let kind = format!("{}.{}", object["kind"].as_str().unwrap(), group(object));
        let place = if text("namespace").is_empty() { "default" } else { text("namespace") };
        let found = admin.run(&["get", kind.trim_end_matches('.'), text("name"), "-n", place], "");
        let kept = object["kind"] == "CustomResourceDefinition";
        assert_eq!(found.succeeded(), kept, "{kind} {}: {found:?}", text("name"));
        assert!(kept || found.stderr.contains("not found"), "{found:?}");
    }
    // What replicas have made is gone as well.
    for (kind, name) in [("lease", "stategate"), ("secret", "stategate-tls")] {
        let made = admin.run(&["get", kind, name, "-n", NAMESPACE], "");
        assert!(made.stderr.contains("not found"), "{made:?}");
    }
    admin.get_json(&["policyexception", "kept", "-n", "shop"]);

    // It can come back, and takes over the definitions that it has left.
    run(&install);
    admin.get_json(&["policyexception", "kept", "-n", "shop"]);
    let account = api.account("stategate", NAMESPACE);
    let daemon = serve(&admin, &account, dir.path(), ports);
    assert!(wait_until(SOON, works), "{:?}\n{}", status(), daemon.log());
}

/// With `webhooks.mode: report` the configurations come with the release, and so before whoever answers.
#[test]
fn what_nobody_can_answer_yet_refuses_nothing_when_the_release_has_the_webhooks() {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let kubeconfig = api.kubeconfig("admin");
    let (chart, values) = (chart(), format!("{ROOT}/deploy/chart/ci/production.yaml"));
    let run = |step: &[&str], set: &str| {
        let more = ["--namespace", NAMESPACE, "--values", &values, "--set", set];
        done(helm(api.dir(), Some(&kubeconfig), &[step, &["stategate", &chart], &more].concat()))
    };
    let webhooks = |which: &str| -> Vec<Value> {
        let all = admin.get_json(&[&format!("{which}webhookconfiguration"), "stategate"]);
        assert_eq!(all["metadata"]["annotations"]["admissions.enforcer/disabled"], "true", "{all}");
        all["webhooks"].as_array().unwrap().clone()
    };
    let fail = |webhooks: &[Value]| webhooks.iter().any(|one| one["failurePolicy"] == "Fail");
    let deny = "webhooks.mode=report,enforcement=deny";

    run(&["install", "--create-namespace"], deny);
    let first = webhooks("validating");
    assert!(!fail(&first) && first.len() > 3, "{first:?}");
    assert!(!webhooks("mutating").is_empty());
    // Nobody is trusted yet.
    run(&["upgrade"], deny);
    assert!(!fail(&webhooks("validating")));

    // As cert-manager's injector or the replica that holds the lease does.
    let bundle = encoded(&std::fs::read(api.dir().join("webhooks-ca.crt")).unwrap());
    let patch: Vec<Value> = (0..first.len())
        .map(|number| serde_json::json!({"op": "add", "path": format!("/webhooks/{number}/clientConfig/caBundle"), "value": bundle}))
        .collect();
    let patch = Value::from(patch).to_string();
    let patched =
        admin.run(&["patch", "validatingwebhookconfiguration", "stategate", "--type=json", "-p", &patch], "");
    assert!(patched.succeeded(), "{patched:?}");
    run(&["upgrade"], "webhooks.mode=report,enforcement=warn");
    run(&["upgrade"], deny);
    let last = webhooks("validating");
    assert!(fail(&last), "{last:?}");
    for webhook in last.iter().chain(&webhooks("mutating")) {
        assert_eq!(webhook["clientConfig"]["caBundle"], bundle, "{webhook}");
    }
}

/// `v1.apps`, as kubectl takes it after a kind.
fn group(object: &Value) -> String {
    match object["apiVersion"].as_str().unwrap().split_once('/') {
        Some((group, version)) => format!("{version}.{group}"),
        None => String::new(),
    }
}
