//! What single values of the chart do, and what the guide (`deploy/README.md`) has one type.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::chart::{KUBERNETES, NAMESPACE, ROOT, chart, documents, done, helm, named, rendered};
use crate::harness::{ApiServer, Output, built, stategate};

const GUIDE: &str = include_str!("../../deploy/README.md");

fn ci(name: &str) -> PathBuf {
    PathBuf::from(format!("{ROOT}/deploy/chart/ci/{name}.yaml"))
}

/// What the chart makes of `ci/default.yaml` and these arguments.
fn made(more: &[&str]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    documents(&done(rendered(home.path(), &ci("default"), more)))
}

fn pod(objects: &[Value]) -> &Value {
    &named(objects, "Deployment", "stategate")["spec"]["template"]
}

/// The fenced blocks of the guide in this language.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = GUIDE.split("\n```").map(|part| format!("```{part}"));
    blocks.filter_map(|part| Some(part.strip_prefix(&fence)?.to_owned())).collect()
}

/// The commands of the guide's blocks that begin with this, without comments, each in one line.
fn commands(beginning: &str) -> Vec<String> {
    let joined: Vec<String> = blocks("sh").iter().map(|block| block.replace("\\\n", " ")).collect();
    let lines = joined.iter().flat_map(|block| block.lines());
    let lines = lines.filter(|line| line.starts_with(beginning));
    lines.map(|line| line.split("  #").next().unwrap_or_default().trim().to_owned()).collect()
}

/// A value that quotes nothing would be read as something else by YAML.
#[test]
fn what_is_given_as_text_stays_text() {
    let home = tempfile::tempdir().unwrap();
    let filters = "info,stategate=debug";
    let values = [
        ("logLevel", filters),
        ("priorityClassName", "0x1F"),
        ("tls.source", "secret"),
        ("tls.caBundle", "ca: {"),
        ("tls.secretName", "1e3"),
        ("webhooks.exemptNamespaces[0]", "0123"),
        ("webhooks.annotations.note", "yes: [no"),
        ("traces.endpoint", "http://[::1]:4318/{a:"),
    ];
    let (chart, texts) = (chart(), values.map(|(key, value)| format!("{key}={}", value.replace(',', "\\,"))));
    let mut args = vec!["template", "1e3", &chart, "--namespace", "0755", "--set", "image.repository=a/b"];
    args.extend(KUBERNETES);
    args.extend(texts.iter().flat_map(|text| ["--set-string", text]));
    let objects = documents(&done(helm(home.path(), None, &args)));
    for object in objects.iter().filter(|object| object["metadata"]["namespace"] != Value::Null) {
        assert_eq!(object["metadata"]["namespace"], "0755", "{object}");
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/instance"], "1e3", "{object}");
    }
    let spec = &pod(&objects)["spec"];
    let container = &spec["containers"][0];
    assert_eq!(container["env"][0], serde_json::json!({"name": "RUST_LOG", "value": filters}));
    assert_eq!(spec["priorityClassName"], "0x1F");
    assert_eq!(spec["volumes"][1]["secret"]["secretName"], "1e3");
    let args = container["args"].as_array().unwrap();
    for arg in [
        "--exempt-namespace=0123",
        "--webhook-annotation=note=yes: [no",
        "--otlp-endpoint=http://[::1]:4318/{a:",
    ] {
        assert!(args.contains(&arg.into()), "{arg}: {args:?}");
    }
    assert_eq!(named(&objects, "ConfigMap", "stategate-bindings")["data"]["ca.crt"], "ca: {");
}

#[test]
fn a_change_of_the_bindings_and_nothing_else_is_a_change_of_the_pods() {
    let sum = |more: &[&str]| pod(&made(more))["metadata"]["annotations"]["checksum/bindings"].clone();
    let home = tempfile::tempdir().unwrap();
    let production: Value = documents(&std::fs::read_to_string(ci("production")).unwrap()).remove(0);
    let bindings = home.path().join("bindings.json");
    std::fs::write(&bindings, serde_json::json!({"bindings": production["bindings"]}).to_string()).unwrap();
    let first = sum(&[]);
    assert_eq!(first.as_str().unwrap().len(), 64);
    assert_ne!(sum(&["--values", bindings.to_str().unwrap()]), first);
    assert_eq!(sum(&["--set", "replicas=3,prometheusRule.enabled=true"]), first);
}

/// What one has made, another neither can use nor may replace.
#[test]
fn sources_of_certificates_share_no_secret() {
    let mounted = |objects: &[Value]| pod(objects)["spec"]["volumes"][1]["secret"]["secretName"].clone();
    let own = made(&[]);
    let args = pod(&own)["spec"]["containers"][0]["args"].to_string();
    assert!(args.contains("\"--tls-secret=stategate-tls\"") && mounted(&own) == Value::Null, "{args}");
    let foreign = made(&["--set", "tls.source=certManager"]);
    let secret = &named(&foreign, "Certificate", "stategate")["spec"]["secretName"];
    assert_eq!((secret, secret), (&mounted(&foreign), &"stategate-tls-cert-manager".into()));
    let rights = foreign.iter().find(|one| one["rules"].to_string().contains("stategate-tls"));
    assert_eq!(rights, None, "a right to a Secret of another source");
}

#[test]
fn a_certificate_lives_as_long_as_the_server_takes_and_its_alert_fits() {
    let home = tempfile::tempdir().unwrap();
    for wrong in ["0d", "20m", "29m", "1799s", "3651d", "4000d", "87601h", "99999999999d", "90", "1y"] {
        let output =
            rendered(home.path(), &ci("default"), &["--set-string", &format!("tls.lifetime={wrong}")]);
        let named = ["tls.lifetime", "tls/lifetime"].iter().any(|name| output.stderr.contains(name));
        assert!(!output.succeeded() && named, "{wrong}: {output:?}");
    }
    let alert = |lifetime: &str| {
        let set = format!("prometheusRule.enabled=true,tls.lifetime={lifetime}");
        let objects = made(&["--set", &set]);
        let rules = named(&objects, "PrometheusRule", "stategate")["spec"]["groups"][0]["rules"].clone();
        let rules = rules.as_array().unwrap().clone();
        let rule = rules.iter().find(|rule| rule["alert"] == "StategateCertificateExpiring").unwrap();
        let number = |text: &str| text.parse::<u64>().unwrap();
        let margin = number(rule["expr"].as_str().unwrap().rsplit(' ').next().unwrap());
        (margin, number(rule["for"].as_str().unwrap().strip_suffix('s').unwrap()))
    };
    for (lifetime, seconds) in [
        ("30m", 1_800),
        ("1800s", 1_800),
        ("12h", 43_200),
        ("21d", 1_814_400),
        ("90d", 7_776_000),
        ("3650d", 315_360_000),
    ] {
        let (margin, waits) = alert(lifetime);
        // It is renewed when a third is left, and somebody has time to do what the alert says.
        assert!(margin <= seconds / 6 && waits <= margin / 4, "{lifetime}: {margin}, {waits}");
        assert!(margin >= (seconds / 6).min(7 * 86_400) && waits > 60, "{lifetime}: {margin}, {waits}");
    }
    // As tests/alerts/run has them.
    assert_eq!((alert("30m"), alert("90d")), ((300, 75), (604_800, 900)));

    // The limits are those of the server; the last check fails only if the first has passed.
    let api = ApiServer::start();
    let kubeconfig = api.kubeconfig("admin");
    let serve = |lifetime: &str| {
        let args = [
            "serve",
            "--kubeconfig",
            kubeconfig.to_str().unwrap(),
            "--tls-secret",
            "x",
            "--tls-name",
            "a.b.svc",
        ];
        let more = ["--reload-every", "301", "--tls-lifetime", lifetime];
        stategate(home.path(), &[&args[..], &more].concat(), "").stderr
    };
    for (lifetime, says) in [
        ("29m", "--tls-overlap may be at most a third"),
        ("1799s", "--tls-overlap may be at most a third"),
        ("30m", "--tls-overlap must be at least twice --reload-every"),
        ("3650d", "--tls-overlap must be at least twice --reload-every"),
        ("3651d", "from 1s to 3650d"),
    ] {
        let said = serve(lifetime);
        assert!(said.contains(says), "{lifetime}: {said}");
    }
}

#[test]
fn a_collector_is_found_by_every_dns() {
    let objects = made(&["--set", "traces.endpoint=http://otel-collector.observability:4318"]);
    let egress = named(&objects, "NetworkPolicy", "stategate")["spec"]["egress"].to_string();
    for port in [53, 5353] {
        for protocol in ["UDP", "TCP"] {
            let open = format!("{{\"port\":{port},\"protocol\":\"{protocol}\"}}");
            assert!(egress.contains(&open), "{open} is not in {egress}");
        }
    }
    assert!(!named(&made(&[]), "NetworkPolicy", "stategate").to_string().contains("53,"));
}

/// Each `--set`, `--set-json` and `--values` of the guide, its blocks of values, and what it has inline.
#[test]
fn the_guide_shows_values_that_the_chart_takes() {
    let home = tempfile::tempdir().unwrap();
    let values = |text: &str| {
        let file = home.path().join("values.yaml");
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let check = |given: &[String], what: &str| {
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let output = rendered(home.path(), &ci("default"), &given);
        assert!(output.succeeded(), "{what}: {output:?}");
    };
    let mut set = 0;
    for command in commands("helm ") {
        let words: Vec<&str> = command.split_whitespace().collect();
        let mut given = Vec::new();
        for pair in words.windows(2).filter(|pair| pair[0].starts_with("--set") || pair[0] == "--values") {
            let production = std::fs::read_to_string(ci("production")).unwrap();
            let value = if pair[0] == "--values" { values(&production) } else { pair[1].to_owned() };
            given.extend([pair[0].to_owned(), value]);
            set += 1;
        }
        // The certificate's source has requirements of its own, which `sources_of_certificates` is about.
        check(&given, &command);
    }
    assert!(set > 8, "{set} values are set in the guide");

    let defaults = std::fs::read_to_string(format!("{}/values.yaml", chart())).unwrap();
    let defaults = documents(&defaults).remove(0);
    let known = |key: &str| defaults.get(key.split('.').next().unwrap_or_default()).is_some();
    let shown = blocks("yaml").into_iter().filter(|block| known(block.split(':').next().unwrap_or_default()));
    let shown: Vec<String> = shown.collect();
    assert!(!shown.is_empty(), "the guide has no block of values");
    for block in shown {
        check(&["--values".to_owned(), values(&block)], &block);
    }
    let spans = GUIDE.split('`').skip(1).step_by(2);
    let inline = spans.filter(|span| !span.contains(char::is_whitespace)).filter_map(|span| {
        let (key, value) = span.split_once('=')?;
        known(key).then(|| format!("{key}={value}"))
    });
    let inline: Vec<String> = inline.collect();
    assert!(inline.len() > 1, "{inline:?}");
    for text in inline {
        check(&["--set".to_owned(), text.clone()], &text);
    }
}

/// Runs a script of the guide beside `deploy/`, with the kubectl of these tests and a log of its calls.
fn bash(api: &ApiServer, script: &str) -> (Output, String) {
    let (home, log) = (api.dir().join("home"), api.dir().join("kubectl.log"));
    let bin = home.join("bin");
    if !bin.exists() {
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(format!("{ROOT}/deploy"), home.join("deploy")).unwrap();
    }
    // What has to do with other programs is not tried, and nothing is waited for that only controllers do.
    let kubectl = format!(
        "#!/bin/bash\ncase \" $* \" in *' port-forward '*) set -- help port-forward ;; *' rollout status '*) set -- \"$@\" --timeout=1s ;; esac\n\
         [[ \" $* \" != *' delete '* ]] || set -- \"$@\" --wait=false\n\
         echo \"\\$ kubectl $*\" >>{log}\n\
         exec {} \"$@\" 2>>{log}\n",
        built("kubectl").display(),
        log = log.display(),
    );
    let program = |name: &str, text: &str| {
        std::fs::write(bin.join(name), text).unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    program("kubectl", &kubectl);
    for name in ["helm", "stategate"] {
        program(name, "#!/bin/bash\n");
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(&home)
        .env("HOME", &home)
        .env("PATH", path)
        .env("KUBECONFIG", api.kubeconfig("admin"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output = Output {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    (output, std::fs::read_to_string(log).unwrap_or_default())
}

#[test]
fn kubectl_knows_every_command_of_the_guide() {
    let api = ApiServer::start();
    let asks = |block: &str| block.lines().any(|line| line.starts_with("kubectl "));
    let scripts: Vec<String> = blocks("sh").into_iter().filter(|block| asks(block)).collect();
    assert!(scripts.len() > 15, "{}", scripts.len());
    let functions = blocks("sh").into_iter().find(|block| block.contains("each() {")).unwrap();
    for script in &scripts {
        let (_, log) = bash(&api, &format!("{functions}\n{script}"));
        for fault in [
            "unknown",
            "Usage:",
            "for usage",
            "must be",
            "must specify",
            "cannot be used",
            "invalid argument",
            "parse",
        ] {
            assert!(!log.contains(fault), "{fault}: {script}\n{log}");
        }
    }
}

#[test]
fn without_helm_what_was_written_stays_and_can_be_saved() {
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let install = format!("{ROOT}/deploy/install.yaml");
    admin.ok(&["apply", "--server-side", "-f", &install], "");
    let binding = "{apiVersion: stategate.io/v1alpha1, kind: PolicyBinding, metadata: {name: kept}, \
                   spec: {policies: {ids: [backup-declared]}, override: true, action: warn}}";
    let exception = |namespace: &str| {
        format!(
            "{{apiVersion: stategate.io/v1alpha1, kind: PolicyException, metadata: {{name: kept, namespace: {namespace}}}, \
             spec: {{policies: [backup-declared], match: {{names: [pg]}}, reason: until the migration}}}}"
        )
    };
    let written = [binding.to_owned(), exception("shop"), exception(NAMESPACE)].join("\n---\n");
    admin.ok(&["create", "-f", "-"], &written);
    let has_written = || {
        admin.get_json(&["policybinding", "kept"]);
        for namespace in ["shop", NAMESPACE] {
            let exception = admin.get_json(&["policyexception", "kept", "-n", namespace]);
            assert_eq!(exception["spec"]["reason"], "until the migration");
        }
    };

    let delete = commands("kubectl delete -f deploy/install.yaml");
    let [delete] = delete.as_slice() else { panic!("{delete:?}") };
    let (deleted, log) = bash(&api, delete);
    assert!(deleted.succeeded(), "{deleted:?}\n{log}");
    has_written();
    for object in documents(&std::fs::read_to_string(&install).unwrap()) {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or("default");
        let kind = object["kind"].as_str().unwrap();
        let found = admin.run(&["get", kind, text("name"), "-n", text("namespace")], "");
        let kept = ["CustomResourceDefinition", "Namespace"].contains(&kind);
        assert_eq!(found.succeeded(), kept, "{kind} {}: {found:?}", text("name"));
    }

    // What the guide has saved comes back after the definitions were away.
    let get = commands("kubectl get policies.stategate.io,");
    let [get] = get.as_slice() else { panic!("{get:?}") };
    let (saved, log) = bash(&api, get.split(" > ").next().unwrap());
    assert!(saved.succeeded(), "{saved:?}\n{log}");
    let definitions = commands("kubectl delete crd ");
    let [definitions] = definitions.as_slice() else { panic!("{definitions:?}") };
    assert!(bash(&api, definitions).0.succeeded());
    let gone = || admin.run(&["get", "crd", "-o", "name"], "").stdout.is_empty();
    assert!(crate::harness::wait_until(std::time::Duration::from_secs(60), gone));
    admin.ok(&["apply", "--server-side", "-f", &install], "");
    admin.ok(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], "");
    admin.ok(&["apply", "-f", "-"], &saved.stdout);
    has_written();
}
