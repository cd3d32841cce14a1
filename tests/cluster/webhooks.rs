//! The webhook configurations that `serve` looks after, and what the API server asks about and waits for because of them.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{ApiServer, ControlPlane, Kubectl, Output, Stategate, http_get, stategate, wait_until};

/// How long a busy machine may take for what follows from a look every second.
const SOON: Duration = Duration::from_secs(60);
/// How long nothing may happen.
const QUIET: Duration = Duration::from_secs(8);
const NAMESPACE: &str = "gates";
const CONFIGURATIONS: [&str; 2] = ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"];
/// As deploy/README.md has it.
const BREAK_GLASS: [&str; 4] = [
    "delete",
    "clusterrolebindings,validatingwebhookconfigurations,mutatingwebhookconfigurations",
    "-l",
    "app.kubernetes.io/name=stategate,app.kubernetes.io/component=webhooks",
];

struct Cluster {
    api: ApiServer,
    admin: Kubectl,
    gate: Stategate,
    /// The rights of the gate.
    rights: String,
    _dir: tempfile::TempDir,
}

/// What the status says while it is not known that the API server reaches stategate.
const UNPROVEN: &str = "with Ignore in the place of Fail until the API server has sent a review";

/// A gate that looks after the configurations with exactly the rights that `rbac` prints.
fn cluster(mode: &str, flags: &[&str]) -> Cluster {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let (gate, rights) = gate(&api, dir.path(), mode, flags);
    Cluster { admin: api.kubectl("admin"), api, gate, rights, _dir: dir }
}

/// The gate, and the rights that it has.
fn gate(api: &ApiServer, dir: &Path, mode: &str, flags: &[&str]) -> (Stategate, String) {
    let admin = api.kubectl("admin");
    admin.ok(&["create", "namespace", NAMESPACE], "");
    admin.ok(&["create", "serviceaccount", "gate", "-n", NAMESPACE], "");
    let printed = |args: &[&str]| {
        let output = stategate(dir, args, "");
        assert!(output.succeeded(), "{output:?}");
        output.stdout
    };
    admin.ok(&["create", "-f", "-"], &printed(&["crds"]));
    let account = format!("{NAMESPACE}/gate");
    let rights = printed(&["rbac", "--webhooks", mode, "--service-account", &account]);
    admin.ok(&["apply", "-f", "-"], &rights);
    let kubeconfig = api.account("gate", NAMESPACE).display().to_string();
    let usual = [
        "--kubeconfig",
        &kubeconfig,
        "--own-namespace",
        NAMESPACE,
        "--reload-every",
        "1",
        "--drain-delay",
        "0",
        "--webhooks",
        mode,
        "--webhook-url",
        "https://127.0.0.1:{port}",
        "--log-format",
        "json",
    ];
    (Stategate::start(&dir.join("gate"), &[&usual[..], flags].concat()), rights)
}

impl Cluster {
    fn found(&self, kind: &str) -> Option<Value> {
        let output = self.admin.run(&["get", kind, "stategate", "-o", "json"], "");
        output.succeeded().then(|| serde_json::from_str(&output.stdout).unwrap())
    }

    fn validating(&self) -> Value {
        self.found(CONFIGURATIONS[0]).unwrap_or_default()
    }

    fn status(&self) -> String {
        let (_, text) = http_get(self.gate.status_port(), "/readyz?verbose").unwrap();
        let line = text.lines().find(|line| line.starts_with("webhook configurations: "));
        line.unwrap_or_else(|| panic!("no line about them in {text}")).to_owned()
    }

    fn in_sync(&self) -> Option<bool> {
        let metric = "stategate_webhook_configurations_in_sync{name=\"stategate\"} ";
        let metrics = self.gate.metrics();
        metrics.lines().find_map(|line| line.strip_prefix(metric)).map(|value| value == "1")
    }

    #[track_caller]
    fn comes(&self, what: &str, answer: impl FnMut() -> bool) {
        assert!(wait_until(SOON, answer), "{what}: {}\n{}", self.status(), self.gate.log());
    }

    #[track_caller]
    fn are_made(&self) {
        self.comes("they are made", || {
            let made = self.found(CONFIGURATIONS[0]).is_some() && self.in_sync() == Some(true);
            let unproven = made && self.status().ends_with(UNPROVEN);
            if unproven {
                self.send_review();
            }
            made && !unproven
        });
    }

    /// Lets the API server ask.
    fn send_review(&self) {
        let set = workload("StatefulSet", "pg", "postgres:17", &[json!({"emptyDir": {}})]);
        self.admin.run(&["create", "--dry-run=server", "--validate=false", "-f", "-"], &set.to_string());
    }

    fn patch(&self, patch: &Value) {
        let patch = patch.to_string();
        self.admin.ok(&["patch", CONFIGURATIONS[0], "stategate", "--type=json", "-p", &patch], "");
    }

    /// How often the API server has sent a request to a webhook of stategate.
    fn asked(&self) -> u64 {
        let counts = |line: &str| {
            line.starts_with("apiserver_admission_webhook_request_total{") && line.contains(".stategate.io")
        };
        let metrics = self.admin.ok(&["get", "--raw", "/metrics"], "").stdout;
        let values = metrics.lines().filter(|line| counts(line));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }
}

fn webhook<'v>(configuration: &'v Value, name: &str) -> &'v Value {
    let all = configuration["webhooks"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|webhook| webhook["name"] == name).unwrap_or(&Value::Null)
}

fn asks_about(configuration: &Value, resource: &str) -> bool {
    configuration["webhooks"].to_string().contains(&format!("\"{resource}\""))
}

/// A workload with a pod of one container of this image, with these volumes mounted below `/data`.
fn workload(kind: &str, name: &str, image: &str, volumes: &[Value]) -> Value {
    let volumes = volumes.iter().enumerate().map(|(number, source)| {
        let mut volume = source.clone();
        volume["name"] = format!("v{number}").into();
        volume
    });
    let volumes: Vec<Value> = volumes.collect();
    let mounts = (0..volumes.len())
        .map(|number| json!({"name": format!("v{number}"), "mountPath": format!("/data/{number}")}));
    let container = json!({"name": "main", "image": image, "volumeMounts": mounts.collect::<Vec<_>>()});
    let pod =
        |restart: &str| json!({"containers": [container], "volumes": volumes, "restartPolicy": restart});
    let labels = json!({"app": name});
    let template = |restart: &str| json!({"metadata": {"labels": labels}, "spec": pod(restart)});
    let (api_version, spec) = match kind {
        "Pod" => ("v1", pod("Always")),
        "Job" => ("batch/v1", json!({"template": template("Never")})),
        "CronJob" => (
            "batch/v1",
            json!({"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template("Never")}}}),
        ),
        _ => ("apps/v1", json!({"selector": {"matchLabels": labels}, "template": template("Always")})),
    };
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

fn create(kubectl: &Kubectl, object: &Value) -> Output {
    kubectl.run(&["create", "--validate=false", "-f", "-"], &object.to_string())
}

#[test]
fn they_follow_the_policy_set_and_are_repaired_until_a_person_takes_the_right_away() {
    let cluster = cluster("manage", &[]);
    let admin = &cluster.admin;
    cluster.are_made();
    assert!(cluster.found(CONFIGURATIONS[1]).is_some());
    assert!(cluster.status().ends_with("as the policy set needs them"), "{}", cluster.status());
    let made = cluster.validating();
    let fail = webhook(&made, "fail.validate.stategate.io");
    assert_eq!((&fail["failurePolicy"], &fail["timeoutSeconds"]), (&"Fail".into(), &5.into()));
    let ignore = webhook(&made, "ignore.validate.stategate.io");
    assert_eq!((&ignore["failurePolicy"], &ignore["timeoutSeconds"]), (&"Ignore".into(), &2.into()));
    assert_eq!(made["metadata"]["ownerReferences"][0]["name"], "stategate-webhooks", "{made}");
    // It works, and nothing is written while nothing changes.
    let naive = workload("StatefulSet", "pg", "postgres:17", &[json!({"emptyDir": {}})]);
    cluster.comes("a naive StatefulSet is refused", || create(admin, &naive).denied());
    std::thread::sleep(QUIET);
    assert_eq!(cluster.validating()["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);

    // Whatever is changed comes back; what others add beside it stays.
    let changes = [
        json!([{"op": "remove", "path": "/webhooks/0"}]),
        json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]),
        json!([{"op": "replace", "path": "/webhooks/1/timeoutSeconds", "value": 30}]),
        json!([{"op": "add", "path": "/webhooks/0/objectSelector/matchLabels", "value": {"checked": "yes"}}]),
        json!([{"op": "add", "path": "/webhooks/1/matchConditions/-", "value": {"name": "never", "expression": "false"}}]),
        json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]),
        json!([{"op": "replace", "path": "/webhooks/0/rules", "value": []}]),
    ];
    admin.ok(&["annotate", CONFIGURATIONS[0], "stategate", "example.com/owner=platform"], "");
    admin.ok(&["label", CONFIGURATIONS[0], "stategate", "team=platform", "app.kubernetes.io/name-"], "");
    cluster.comes("the label comes back", || {
        cluster.validating()["metadata"]["labels"]["app.kubernetes.io/name"] == "stategate"
    });
    for change in changes {
        cluster.patch(&change);
        cluster.comes(&change.to_string(), || cluster.validating()["webhooks"] == made["webhooks"]);
    }
    let metadata = &cluster.validating()["metadata"];
    assert_eq!(metadata["annotations"]["example.com/owner"], "platform");
    let replaced = "stategate_webhook_configuration_writes_total{name=\"stategate\",change=\"replaced\"} ";
    let replaced =
        cluster.gate.metrics().lines().find_map(|line| line.strip_prefix(replaced)?.parse::<u64>().ok());
    assert!(
        replaced.is_some_and(|count| count >= 8),
        "a fight would not be seen: {}",
        cluster.gate.metrics()
    );
    // AKS' admissions enforcer would change them back each time.
    let left_alone =
        || cluster.validating()["metadata"]["annotations"]["admissions.enforcer/disabled"] == "true";
    assert!(left_alone());
    admin.ok(&["annotate", CONFIGURATIONS[0], "stategate", "admissions.enforcer/disabled-"], "");
    cluster.comes("the annotation comes back", left_alone);
    assert_eq!(metadata["labels"]["team"], "platform");
    for kind in CONFIGURATIONS {
        admin.ok(&["delete", kind, "stategate"], "");
        cluster.comes("it is made again", || cluster.found(kind).is_some());
    }

    // A Policy about another kind is asked about once it is in force, and no longer afterwards.
    let policy = include_str!("../fixtures/documents/owner-label.yaml").split("---").next().unwrap().replace(
        "kinds: [StatefulSet.apps], operations: [CREATE, UPDATE]",
        "kinds: [Service], operations: [CREATE]",
    );
    assert!(!asks_about(&cluster.validating(), "services"));
    assert!(admin.apply(&policy).succeeded());
    let binding = "{apiVersion: stategate.io/v1alpha1, kind: PolicyBinding, metadata: {name: owners}, spec: {policies: {ids: [owner-label]}}}";
    assert!(admin.apply(binding).succeeded());
    cluster.comes("services are asked about", || asks_about(&cluster.validating(), "services"));
    let service = "{apiVersion: v1, kind: Service, metadata: {name: pg, namespace: shop}, spec: {ports: [{port: 5432}]}}";
    cluster.comes("a Service is refused", || {
        admin.run(&["create", "--dry-run=server", "-f", "-"], service).denied()
    });
    admin.ok(&["delete", "policy,policybinding", "--all"], "");
    cluster.comes("services are no longer asked about", || !asks_about(&cluster.validating(), "services"));

    // Who takes the right away is not overruled, and told so; who gives it back has them back.
    admin.ok(&BREAK_GLASS, "");
    std::thread::sleep(QUIET);
    assert!(CONFIGURATIONS.iter().all(|kind| cluster.found(kind).is_none()), "{}", cluster.gate.log());
    cluster
        .comes("it is told", || cluster.status().contains("forbidden") && cluster.in_sync() == Some(false));
    let (_, page) = http_get(cluster.gate.status_port(), "/").unwrap();
    assert!(page.contains("The webhook configurations are not as the policies need them"), "{page}");
    assert!(create(admin, &naive).succeeded());
    admin.ok(&["apply", "-f", "-"], &cluster.rights);
    cluster.are_made();
}

/// Pods may be ready although a firewall keeps the API server from them.
#[test]
fn no_write_waits_until_the_api_server_has_reached_it() {
    let mut cluster = cluster("manage", &[]);
    let waits = |cluster: &Cluster| cluster.validating()["webhooks"].to_string().contains("\"Fail\"");
    cluster.comes("they are made", || cluster.status().ends_with(UNPROVEN));
    std::thread::sleep(QUIET);
    assert!(cluster.in_sync() == Some(true) && !waits(&cluster), "{}", cluster.validating());
    cluster.send_review();
    cluster.comes("writes wait", || {
        waits(&cluster) && cluster.status().ends_with("as the policy set needs them")
    });
    // What has been reached once is not given up for a restart.
    cluster.gate.kill();
    cluster.gate.restart();
    cluster.comes("it looks again", || cluster.in_sync() == Some(true));
    assert!(
        waits(&cluster) && cluster.status().ends_with("as the policy set needs them"),
        "{}",
        cluster.status()
    );
}

/// A restart must not take for a missing policy what it may not read.
#[test]
fn what_is_not_known_is_not_dropped() {
    let mut cluster = cluster("manage", &["--profile", "baseline", "--enforcement", "warn"]);
    let admin = cluster.api.kubectl("admin");
    cluster.are_made();
    let strict = "{apiVersion: stategate.io/v1alpha1, kind: PolicyBinding, metadata: {name: strict}, \
                  spec: {policies: {ids: [volume-no-emptydir-data]}, action: deny}}";
    assert!(admin.apply(strict).succeeded());
    let waits = |cluster: &Cluster| !webhook(&cluster.validating(), "fail.validate.stategate.io").is_null();
    cluster.comes("StatefulSets wait for it", || waits(&cluster));
    admin.ok(&["delete", "clusterrole", "stategate"], "");
    cluster.gate.kill();
    cluster.gate.restart();
    cluster.comes("it is told", || {
        cluster.status().contains("there are is not known") && cluster.in_sync() == Some(false)
    });
    std::thread::sleep(QUIET);
    assert!(waits(&cluster), "{}", cluster.gate.log());
    admin.ok(&["apply", "-f", "-"], &cluster.rights);
    cluster.comes("it is known again", || cluster.in_sync() == Some(true));
    assert!(waits(&cluster));
}

/// Their owner lies in no namespace, so that the garbage collector leaves them.
#[test]
fn they_go_with_the_namespace_and_refuse_nothing_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start();
    let admin = plane.kubectl("admin");
    let (mut gate, _) = gate(&plane, dir.path(), "manage", &[]);
    let some = || CONFIGURATIONS.iter().any(|kind| admin.run(&["get", kind, "stategate"], "").succeeded());
    let set = workload("StatefulSet", "pg", "postgres:17", &[json!({"emptyDir": {}})]);
    let trial = ["create", "--dry-run=server", "--validate=false", "-f", "-"];
    let refused = || admin.run(&trial, &set.to_string()).denied();
    assert!(wait_until(SOON, refused), "{}", gate.log());
    admin.ok(&["delete", "namespace", NAMESPACE, "--wait=false"], "");
    assert!(wait_until(SOON, || !some()), "{}", gate.log());
    assert_eq!(gate.log().matches("webhook configuration removed").count(), 2, "{}", gate.log());
    let gone = || !admin.run(&["get", "namespace", NAMESPACE], "").succeeded();
    assert!(
        wait_until(SOON, gone),
        "{}",
        admin.ok(&["get", "namespace", NAMESPACE, "-o", "yaml"], "").stdout
    );
    gate.kill();
    assert!(!some());
    let output = create(&admin, &set);
    assert!(output.succeeded(), "{output:?}");
}

#[test]
fn a_pod_that_ends_with_its_namespace_leaves_no_webhooks() {
    let mut cluster = cluster("manage", &[]);
    cluster.are_made();
    cluster.admin.ok(&["delete", "namespace", NAMESPACE, "--wait=false"], "");
    // Sooner than the next look at the Namespace.
    cluster.gate.stop();
    assert!(CONFIGURATIONS.iter().all(|kind| cluster.found(kind).is_none()), "{}", cluster.gate.log());
}

#[test]
fn a_hundred_bindings_make_no_further_calls() {
    let cluster = cluster("manage", &["--profile", "baseline"]);
    let admin = &cluster.admin;
    cluster.are_made();
    let calls = |name: &str| {
        let set = workload("StatefulSet", name, "postgres:17.2", &[json!({"emptyDir": {}})]);
        // What the first request waits for is not counted.
        let mut before = cluster.asked();
        cluster.comes("it is asked", || {
            before = cluster.asked();
            admin.run(&["create", "--dry-run=server", "--validate=false", "-f", "-"], &set.to_string());
            cluster.asked() > before
        });
        cluster.asked() - before
    };
    let with_few = calls("one");
    let entries = cluster.validating()["webhooks"].as_array().unwrap().len();
    let bindings: Vec<Value> = (0..100)
        .map(|number| {
            json!({"apiVersion": "stategate.io/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": format!("b{number}")},
                "spec": {"policies": {"ids": ["backup-declared"]}, "match": {"namespaces": [format!("n{number}")]}, "action": "warn"}})
        })
        .collect();
    assert!(
        admin.apply(&json!({"apiVersion": "v1", "kind": "List", "items": bindings}).to_string()).succeeded()
    );
    cluster.comes("they are in force", || {
        let all = admin.get_json(&["policybindings"]);
        all["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["status"]["conditions"][0]["status"] == "True")
            .count()
            == 100
    });
    cluster.comes("nothing is left to do", || cluster.in_sync() == Some(true));
    assert_eq!(calls("two"), with_few);
    assert!(with_few <= 3, "{with_few} calls for one write");
    assert_eq!(cluster.validating()["webhooks"].as_array().unwrap().len(), entries);
}

#[test]
fn for_gitops_they_are_compared_and_never_touched() {
    let cluster = cluster(
        "report",
        &["--webhook-annotation", "example.com/inject=yes", "--exempt-namespace", "legacy"],
    );
    let admin = &cluster.admin;
    cluster.comes("their absence is told", || {
        cluster.status().contains("does not exist") && cluster.in_sync() == Some(false)
    });
    let printed =
        cluster.gate.webhook_config(&["--own-namespace", NAMESPACE, "--exempt-namespace", "legacy"]);
    assert!(admin.apply(&printed).succeeded());
    cluster.comes("an annotation is missed", || cluster.status().contains("metadata: annotations"));
    for kind in CONFIGURATIONS {
        admin.ok(&["annotate", kind, "stategate", "example.com/inject=yes"], "");
    }
    cluster.comes("they are found to be right", || cluster.in_sync() == Some(true));
    let version = || cluster.validating()["metadata"]["resourceVersion"].clone();
    cluster.patch(&json!([{"op": "remove", "path": "/webhooks/0/rules/0"}]));
    let changed = version();
    cluster.comes("what is not asked about is told", || {
        let said = cluster.status();
        said.contains("fail.validate.stategate.io: rules do not ask about")
            && cluster.in_sync() == Some(false)
    });
    cluster.patch(&json!([{"op": "replace", "path": "/webhooks/1/timeoutSeconds", "value": 30}]));
    cluster.comes("both are told", || cluster.status().contains("timeoutSeconds is 30, not 2"));
    assert_eq!(changed.as_str().map(str::len), version().as_str().map(str::len));
    let managers = cluster.validating()["metadata"].to_string();
    assert!(!managers.contains("ownerReferences"), "{managers}");
    // Somebody else's, of the same name.
    admin.ok(&["delete", CONFIGURATIONS[0], "stategate"], "");
    let foreign = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: stategate}, webhooks: []}";
    admin.ok(&["create", "-f", "-"], foreign);
    cluster.comes("it is not taken for stategate's", || cluster.status().contains("it is not stategate's"));
}

#[test]
fn what_holds_no_data_is_not_asked_about() {
    // What is made below stays, whatever is found.
    let cluster = cluster("manage", &["--profile", "regulated", "--enforcement", "warn"]);
    let admin = &cluster.admin;
    cluster.are_made();
    let claim = json!({"persistentVolumeClaim": {"claimName": "data"}});
    let ephemeral = json!({"ephemeral": {"volumeClaimTemplate": {"spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}});
    let node = json!({"hostPath": {"path": "/srv/data", "type": "Directory"}});
    let scratch = [
        json!({"emptyDir": {}}),
        json!({"configMap": {"name": "settings"}}),
        json!({"secret": {"secretName": "key"}}),
    ];
    let asked = |object: &Value| {
        let before = cluster.asked();
        let output =
            admin.run(&["create", "--dry-run=server", "--validate=false", "-f", "-"], &object.to_string());
        assert!(output.succeeded() || output.denied(), "{output:?}");
        cluster.asked() > before
    };
    let postgres = workload("Deployment", "first", "postgres:17", &[]);
    cluster.comes("the API server knows them", || asked(&postgres));

    let kinds = ["Pod", "Deployment", "ReplicaSet", "DaemonSet", "Job", "CronJob"];
    for kind in kinds {
        for image in [
            "nginx:1.27",
            "ghcr.io/example/shop@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert!(!asked(&workload(kind, "plain", image, &scratch)), "{kind} {image}");
        }
        for volume in [&claim, &ephemeral] {
            assert!(
                asked(&workload(kind, "data", "nginx:1.27", std::slice::from_ref(volume))),
                "{kind} {volume}"
            );
        }
        for image in [
            "postgres",
            "registry.example.com:5000/team/spilo-17:4.0",
            "example/my-redis7:latest",
            "bitnami/mongodb@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        ] {
            assert!(asked(&workload(kind, "engine", image, &[])), "{kind} {image}");
        }
        let path = match kind {
            "Pod" => "/spec",
            "CronJob" => "/spec/jobTemplate/spec/template/spec",
            _ => "/spec/template/spec",
        };
        let plain = workload(kind, "plain", "nginx:1.27", &[]);
        let mut with_init = plain.clone();
        with_init.pointer_mut(path).unwrap()["initContainers"] =
            json!([{"name": "db", "image": "mysql:9", "restartPolicy": "Always"}]);
        assert!(asked(&with_init), "{kind}: an engine as a sidecar");
        for (field, value) in [
            ("name", json!("my-postgres")),
            ("ports", json!([{"containerPort": 3306}])),
            ("env", json!([{"name": "MYSQL_ROOT_PASSWORD", "value": "x"}])),
            ("env", json!([{"name": "PATRONI_SCOPE", "value": "shop"}])),
        ] {
            let mut by_evidence = plain.clone();
            by_evidence.pointer_mut(&format!("{path}/containers/0")).unwrap()[field] = value;
            assert!(asked(&by_evidence), "{kind}: {field} of an engine");
        }
        let mut ordinary = plain.clone();
        let container = ordinary.pointer_mut(&format!("{path}/containers/0")).unwrap();
        container["ports"] = json!([{"containerPort": 8080}]);
        container["env"] = json!([{"name": "DATABASE_URL", "value": "postgres://db"}]);
        assert!(!asked(&ordinary), "{kind}: an application");
        let mut says_so = plain.clone();
        says_so["metadata"]["annotations"] = json!({"stategate.io/stateful": "true"});
        assert!(asked(&says_so), "{kind}: it says so");
        if kind != "Pod" {
            let mut pods_say_so = plain.clone();
            pods_say_so.pointer_mut(path.trim_end_matches("/spec")).unwrap()["metadata"]["annotations"] =
                json!({"stategate.io/engine": "postgres"});
            assert!(asked(&pods_say_so), "{kind}: its pods say so");
        }
        // So much that CEL would not get through it is sent as it is.
        let mut full = plain.clone();
        let variables: Vec<Value> = (0..30)
            .map(|number| json!({"name": format!("A_VARIABLE_OF_THE_APPLICATION_{number}"), "value": "x"}))
            .collect();
        let ports: Vec<Value> = (0..10).map(|number| json!({"containerPort": 10_000 + number})).collect();
        let image = format!("registry.example.com/{}:1", "application/".repeat(14) + "shop");
        let containers: Vec<Value> = (0..10)
            .map(|number| json!({"name": format!("application-{number}-{}", "x".repeat(40)), "image": image, "env": variables, "ports": ports}))
            .collect();
        full.pointer_mut(path).unwrap()["containers"] = containers.clone().into();
        full.pointer_mut(path).unwrap()["initContainers"] = containers
            .into_iter()
            .map(|mut container| {
                container["name"] =
                    json!(container["name"].as_str().unwrap().replace("application", "before"));
                container
            })
            .collect();
        assert!(!asked(&full), "{kind}: as much as CEL gets through");
        let mut many = plain.clone();
        let volumes: Vec<Value> =
            (0..2000).map(|number| json!({"name": format!("e{number}"), "emptyDir": {}})).collect();
        many.pointer_mut(path).unwrap()["volumes"] = volumes.into();
        assert!(asked(&many), "{kind}: many volumes");
        let moves = ["Deployment", "ReplicaSet"].contains(&kind);
        assert_eq!(
            asked(&workload(kind, "node", "nginx:1.27", std::slice::from_ref(&node))),
            moves,
            "{kind} on its node"
        );
    }

    // What held data is asked about when it no longer does.
    admin.ok(
        &["create", "--validate=false", "-f", "-"],
        &workload("Deployment", "was", "nginx:1.27", &[claim]).to_string(),
    );
    let before = cluster.asked();
    let gone = json!([{"op": "remove", "path": "/spec/template/spec/volumes"}, {"op": "remove", "path": "/spec/template/spec/containers/0/volumeMounts"}]);
    admin.ok(&["patch", "deployment", "was", "-n", "shop", "--type=json", "-p", &gone.to_string()], "");
    assert!(cluster.asked() > before);
    let before = cluster.asked();
    admin.ok(&["label", "deployment", "was", "-n", "shop", "team=shop"], "");
    assert_eq!(cluster.asked(), before, "nothing is left to lose");
    let failures = cluster.api.log();
    assert!(!failures.contains("match condition"), "an expression fails: {failures}");
}

#[test]
fn a_server_that_hangs_delays_nothing_beyond_the_short_list_by_more_than_two_seconds() {
    let cluster = cluster("manage", &["--webhook-timeout", "4"]);
    let admin = &cluster.admin;
    cluster.are_made();
    let took = |object: &Value| {
        let before = Instant::now();
        let output = create(admin, object);
        (before.elapsed(), output)
    };
    let claim = json!({"persistentVolumeClaim": {"claimName": "data"}});
    let stateful = |name: &str| workload("Deployment", name, "postgres:17", std::slice::from_ref(&claim));
    let set = |name: &str| workload("StatefulSet", name, "postgres:17", std::slice::from_ref(&claim));
    cluster.comes("it is asked", || create(admin, &set("naive")).denied());

    // How long kubectl takes at all, now.
    cluster.gate.signal(Signal::STOP);
    let plain =
        (0..3).map(|number| took(&workload("Deployment", &format!("plain-{number}"), "nginx:1.27", &[])));
    let (plain, output) = plain.min_by_key(|(took, _)| *took).unwrap();
    assert!(output.succeeded() && plain < Duration::from_secs(4), "{plain:?} {output:?}");
    let slowest = plain + Duration::from_secs(2) + Duration::from_millis(1500);
    for object in [
        stateful("one"),
        workload("Pod", "two", "nginx:1.27", std::slice::from_ref(&claim)),
        workload("CronJob", "three", "nginx:1.27", std::slice::from_ref(&claim)),
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "four", "namespace": "shop"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
        json!({"apiVersion": "stategate.io/v1alpha1", "kind": "PolicyException", "metadata": {"name": "five", "namespace": "shop"},
            "spec": {"policies": ["backup-declared"], "match": {"names": ["pg"]}, "reason": "until the migration"}}),
    ] {
        let (took, output) = took(&object);
        println!("{}: {took:?}, without stategate {plain:?}", object["kind"]);
        assert!(output.succeeded() && took < slowest, "{object}: {took:?} {output:?}");
    }
    let (waited, output) = took(&set("waits"));
    assert!(!output.succeeded() && waited > Duration::from_secs(4), "{waited:?} {output:?}");
    let mut own = set("own");
    own["metadata"]["namespace"] = "kube-system".into();
    let (_, output) = took(&own);
    assert!(output.succeeded(), "{output:?}");
    cluster.gate.signal(Signal::CONT);
    cluster.comes("it answers again", || create(admin, &set("naive")).denied());
}

#[test]
fn they_are_not_told_of_a_service_that_nobody_serves() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    admin.ok(&["create", "namespace", NAMESPACE], "");
    let kubeconfig = api.kubeconfig("admin").display().to_string();
    let service = format!("{NAMESPACE}/gate");
    let flags = [
        "--kubeconfig",
        &kubeconfig,
        "--own-namespace",
        NAMESPACE,
        "--reload-every",
        "1",
        "--tls-secret",
        "gate-tls",
        "--tls-name",
        "gate.gates.svc",
        "--webhooks",
        "manage",
        "--webhook-service",
        &service,
        "--profile",
        "baseline",
    ];
    let gate = Stategate::start(Path::new(dir.path()), &flags);
    let said = || http_get(gate.status_port(), "/readyz?verbose").unwrap().1;
    let waits = || said().contains("no endpoint of Service gates/gate is ready");
    assert!(wait_until(SOON, waits), "{}\n{}", said(), gate.log());
    let found = || admin.run(&["get", CONFIGURATIONS[0], "stategate", "-o", "json"], "");
    assert!(!found().succeeded());
    let slice = |ready: bool| {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "gate", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": "gate"}},
            "endpoints": [{"addresses": ["10.9.8.7"], "conditions": {"ready": ready}}],
            "ports": [{"port": 8443}]})
        .to_string()
    };
    assert!(admin.apply(&slice(false)).succeeded());
    std::thread::sleep(QUIET);
    assert!(!found().succeeded() && waits(), "{}", said());
    assert!(admin.apply(&slice(true)).succeeded());
    assert!(wait_until(SOON, || found().succeeded()), "{}\n{}", said(), gate.log());
    let made: Value = serde_json::from_str(&found().stdout).unwrap();
    let secret = admin.get_json(&["secret", "gate-tls", "-n", NAMESPACE]);
    for webhook in made["webhooks"].as_array().unwrap() {
        let config = &webhook["clientConfig"];
        assert_eq!(
            (&config["caBundle"], &config["service"]["name"]),
            (&secret["data"]["ca.crt"], &"gate".into())
        );
    }
}
