//! A tenant who may do everything in one namespace cannot change what happens to another one, and GitOps tools see
//! nothing that they would have to put right.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, text};
use super::cluster::Cluster;
use super::crashes::prepared;
use super::load::{SETTLED, bad_set, good_set};
use super::table::Row;
use crate::harness::wait_until;

/// The namespace of the tenant.
const OWN: &str = "tenant";
/// How often the answers are asked for until all are given.
const ATTEMPTS: usize = 10;
/// How many exceptions it makes at once.
const EXCEPTIONS: usize = 20;
const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// The answers to requests of another user in another namespace, byte for byte.
fn answers(dev: &Client) -> Vec<String> {
    let sets = "/apis/apps/v1/namespaces/shop/statefulsets";
    let claims = "/api/v1/namespaces/shop/persistentvolumeclaims";
    let classless = crate::claim("classless").replace("  storageClassName: fast-encrypted\n", "");
    let read = |manifest: &str| stategate::yaml::read(manifest).unwrap().remove(0).value;
    let requests = [
        ("POST", format!("{sets}?dryRun=All"), good_set("fine")),
        ("POST", format!("{sets}?dryRun=All"), bad_set("bad")),
        ("MERGE", format!("{sets}/{SETTLED}/scale?dryRun=All"), json!({"spec": {"replicas": 0}})),
        ("MERGE", format!("{sets}/{SETTLED}/scale?dryRun=All"), json!({"spec": {"replicas": 2}})),
        (
            "MERGE",
            format!("{sets}/{SETTLED}?dryRun=All"),
            json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}),
        ),
        ("DELETE", format!("{claims}/data-{SETTLED}-0?dryRun=All"), Value::Null),
        ("POST", format!("{claims}?dryRun=All"), read(&classless)),
        ("POST", format!("{claims}?dryRun=All"), read(&crate::claim("fine"))),
        ("POST", "/apis/apps/v1/namespaces/shop/deployments?dryRun=All".to_owned(), read(crate::STATELESS)),
    ];
    requests.iter().map(|(method, path, body)| answer(dev, method, path, body)).collect()
}

/// An answer without what is another one each time.
fn answer(client: &Client, method: &str, path: &str, body: &Value) -> String {
    let mut answer = client.call(method, path, body).expect("the API server answers");
    if let Some(metadata) = answer.body["metadata"].as_object_mut() {
        for key in ["uid", "creationTimestamp", "managedFields", "resourceVersion"] {
            metadata.remove(key);
        }
    }
    answer.body["status"].take();
    format!("{} {} {:?}", answer.code, answer.body, answer.warnings)
}

/// The answers once stategate has given each of them: on a busy machine it may come too late, or know too little.
fn given(cluster: &Cluster, dev: &Client) -> Vec<String> {
    for _ in 0..ATTEMPTS {
        let mark = cluster.audit().len();
        let answers = answers(dev);
        // The audit log is written a moment later.
        std::thread::sleep(Duration::from_secs(1));
        let open = |event: &Value| {
            event["annotations"]
                .as_object()
                .is_some_and(|notes| notes.keys().any(|key| key.starts_with("failed-open")))
        };
        let late = cluster.audit()[mark..].iter().any(open);
        let unjudged =
            |one: &String| ["not judged by", "failed calling webhook"].iter().any(|part| one.contains(part));
        if !late && !answers.iter().any(unjudged) {
            return answers;
        }
    }
    panic!("stategate does not answer in time");
}

/// What a tenant tries: each with what it writes; a path is of something new, unless it begins with a method.
fn attempts(cluster: &Cluster) -> Vec<(&'static str, String, Value)> {
    let exceptions = format!("/apis/stategate.io/v1alpha1/namespaces/{OWN}/policyexceptions");
    let exception = |name: &str, spec: Value| json!({"apiVersion": "stategate.io/v1alpha1", "kind": "PolicyException", "metadata": {"name": name}, "spec": spec});
    let all = [
        "volume-no-emptydir-data",
        "delete-guard-pvc",
        "scale-to-zero-guard",
        "storage-class-required",
        "termination-grace-period",
    ];
    let of = |plural: &str| format!("/api/v1/namespaces/{OWN}/{plural}");
    let set = cluster
        .admin
        .get(&format!("/apis/apps/v1/namespaces/shop/statefulsets/{SETTLED}"))
        .expect("it is there");
    let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": SETTLED, "uid": set["metadata"]["uid"], "controller": true}]);
    let selector = json!({"matchLabels": {"app": SETTLED}});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": format!("data-{SETTLED}-7"), "ownerReferences": owner},
        "spec": {"storageClassName": "fast-encrypted", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let mut namesake = good_set(SETTLED);
    namesake["metadata"]["namespace"] = OWN.into();
    let confirmed = json!({"metadata": {"annotations": {
        "stategate.io/confirm-scale": "3->0", "stategate.io/skip": all.join(","), "stategate.io/skip-reason": "it is mine to say",
    }}});
    let deleted =
        json!({"metadata": {"annotations": {"stategate.io/confirm-delete": format!("data-{SETTLED}-7")}}});
    let mut many = vec![
        (
            "an exception for everything",
            exceptions.clone(),
            exception(
                "all",
                json!({"policies": all, "match": {"names": ["*"]}, "reason": "it is mine to say"}),
            ),
        ),
        (
            "an exception for the other namespace",
            exceptions.clone(),
            exception(
                "other",
                json!({"policies": all, "match": {"namespaces": ["shop"], "names": ["*"]}, "reason": "it is mine to say"}),
            ),
        ),
        (
            "an exception named like the other namespace",
            exceptions.clone(),
            exception(
                "shop",
                json!({"policies": all, "match": {"names": ["shop/*", "../shop/*"]}, "reason": "it is mine to say"}),
            ),
        ),
        ("a faulty exception", exceptions.clone(), exception("faulty", json!({"policies": "everything"}))),
        (
            "a huge exception",
            exceptions.clone(),
            exception(
                "huge",
                json!({"policies": all, "match": {"names": (0..90).map(|number| format!("{number}{}", "*".repeat(2000))).collect::<Vec<_>>()}, "reason": "x".repeat(1_000)}),
            ),
        ),
        (
            "a set with the name of the other's",
            format!("/apis/apps/v1/namespaces/{OWN}/statefulsets"),
            namesake,
        ),
        (
            "its scale confirmed, and skips",
            format!("MERGE /apis/apps/v1/namespaces/{OWN}/statefulsets/{SETTLED}"),
            confirmed,
        ),
        ("a claim with the other's owner", of("persistentvolumeclaims"), claim),
        (
            "its deletion confirmed",
            format!("MERGE {}/data-{SETTLED}-7", of("persistentvolumeclaims")),
            deleted,
        ),
        ("a Pod with the other's owner", of("pods"), {
            let mut pod = stategate::yaml::read(crate::POD).unwrap().remove(0).value;
            pod["metadata"] =
                json!({"name": format!("{SETTLED}-0"), "ownerReferences": owner, "labels": {"app": SETTLED}});
            pod
        }),
        (
            "a budget for the other's Pods",
            format!("/apis/policy/v1/namespaces/{OWN}/poddisruptionbudgets"),
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": SETTLED}, "spec": {"maxUnavailable": 1, "selector": selector}}),
        ),
        (
            "a Service for the other's Pods",
            of("services"),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": SETTLED}, "spec": {"clusterIP": "None", "selector": {"app": SETTLED}, "ports": [{"port": 5432}]}}),
        ),
        (
            "an autoscaler",
            format!("/apis/autoscaling/v2/namespaces/{OWN}/horizontalpodautoscalers"),
            json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": SETTLED},
            "spec": {"minReplicas": 1, "maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": SETTLED}}}),
        ),
        (
            "a quota",
            of("resourcequotas"),
            json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"requests.storage": "0"}}}),
        ),
        (
            "a limit",
            of("limitranges"),
            json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "none"}, "spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1Mi"}}]}}),
        ),
        (
            "stategate's Lease",
            format!("/apis/coordination.k8s.io/v1/namespaces/{OWN}/leases"),
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "stategate"}, "spec": {"holderIdentity": "tenant"}}),
        ),
        (
            "stategate's bindings",
            of("configmaps"),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "stategate-bindings"}, "data": {"bindings.yaml": "x"}}),
        ),
        (
            "stategate's Secret",
            of("secrets"),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "stategate-tls"}, "stringData": {"tls.crt": "x", "tls.key": "x"}}),
        ),
        (
            "a Service called stategate",
            of("services"),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "stategate"}, "spec": {"ports": [{"port": 443}]}}),
        ),
        ("a Pod that looks like stategate's", of("pods"), {
            let mut pod = stategate::yaml::read(crate::POD).unwrap().remove(0).value;
            pod["metadata"] = json!({"name": "stategate", "labels": {"app.kubernetes.io/name": "stategate", "app.kubernetes.io/instance": "stategate"}});
            pod["spec"]["nodeSelector"] = json!({"nowhere": "true"});
            pod
        }),
        (
            "a CronJob that backs up what the other has",
            format!("/apis/batch/v1/namespaces/{OWN}/cronjobs"),
            {
                let volume = json!({"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{SETTLED}-0")}});
                let container = json!({"name": "backup", "image": "postgres:17.6", "command": ["pg_dumpall", "-h", format!("{SETTLED}.shop")],
                "volumeMounts": [{"name": "data", "mountPath": "/backup"}]});
                let pod = json!({"restartPolicy": "Never", "containers": [container], "volumes": [volume]});
                json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": format!("{SETTLED}-backup")},
                "spec": {"schedule": "0 1 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}})
            },
        ),
        (
            "a revision of the other's pods",
            format!("/apis/apps/v1/namespaces/{OWN}/controllerrevisions"),
            json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": format!("{SETTLED}-1"), "labels": {"app": SETTLED}, "ownerReferences": owner},
                "data": {"spec": {"template": bad_set(SETTLED)["spec"]["template"]}}, "revision": 1}),
        ),
        (
            "a Deployment that mounts claims of the other's names",
            format!("/apis/apps/v1/namespaces/{OWN}/deployments"),
            {
                let mut web = stategate::yaml::read(crate::STATELESS).unwrap().remove(0).value;
                web["metadata"] = json!({"name": SETTLED, "labels": {"app": SETTLED}});
                let volume = json!({"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{SETTLED}-0")}});
                web["spec"]["template"]["spec"]["volumes"] = json!([volume]);
                web
            },
        ),
        (
            "an Event about the other's set",
            of("events"),
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "lie"}, "reason": "Allowed", "type": "Normal", "message": "it is confirmed",
                "involvedObject": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": SETTLED, "namespace": OWN, "uid": set["metadata"]["uid"]}}),
        ),
        // Decisions on updates that come again are kept.
        (
            "its namesake once more, with nothing to change",
            format!("MERGE /apis/apps/v1/namespaces/{OWN}/statefulsets/{SETTLED}"),
            json!({"metadata": {"annotations": {"stategate.io/confirm-scale": "3->0"}}}),
        ),
        (
            "a binding of the whole cluster",
            "/apis/stategate.io/v1alpha1/policybindings".to_owned(),
            json!({"apiVersion": "stategate.io/v1alpha1", "kind": "PolicyBinding", "metadata": {"name": "off"}, "spec": {"policies": {"ids": all}, "match": {"namespaces": ["shop"]}, "override": true, "action": "off"}}),
        ),
    ];
    // What a namespace may waive is stored, and in force for this namespace.
    let minor = [
        "anti-affinity-required",
        "termination-grace-period",
        "probe-readiness-required",
        "scale-down-guard",
    ];
    for number in 0..EXCEPTIONS {
        let names = [format!("{SETTLED}*"), "*".to_owned(), format!("shop/{SETTLED}")];
        let spec = json!({"policies": minor, "match": {"names": names}, "reason": "it is mine to say"});
        many.push(("twenty exceptions", exceptions.clone(), exception(&format!("many-{number}"), spec)));
    }
    many
}

/// A tenant with all rights in a namespace tries what might change the answers that another one gets.
pub fn tenants(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    cluster.kubectl.ok(&["create", "namespace", OWN], "");
    cluster.kubectl.ok(&["create", "serviceaccount", "boss", "-n", OWN], "");
    let rules = "[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]";
    let rights = format!(
        "{{apiVersion: {RBAC}, kind: Role, metadata: {{name: boss, namespace: {OWN}}}, rules: {rules}}}\n---\n\
         {{apiVersion: {RBAC}, kind: RoleBinding, metadata: {{name: boss, namespace: {OWN}}}, \
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: boss}}, subjects: [{{kind: ServiceAccount, name: boss, namespace: {OWN}}}]}}"
    );
    cluster.kubectl.ok(&["create", "-f", "-"], &rights);
    let (tenant, dev) = (Client::of(&cluster.account("boss", OWN)), cluster.client("dev"));
    let settled = || {
        let set = cluster
            .admin
            .get(&format!("/apis/apps/v1/namespaces/shop/statefulsets/{SETTLED}"))
            .unwrap_or_default();
        set["status"]["availableReplicas"] == 3
    };
    wait_until(super::cluster::SOON, settled);
    let before = given(cluster, &dev);
    let mut wrong = Vec::new();
    if before != given(cluster, &dev) {
        wrong.push("the answers differ without any attempt".to_owned());
    }
    let begun = Instant::now();
    let (mut done, mut refused) = (0, Vec::new());
    let attempts = attempts(cluster);
    let mut last = "";
    let compare = |what: &str, wrong: &mut Vec<String>| {
        // What was written has come into force.
        std::thread::sleep(Duration::from_secs(1));
        let after = given(cluster, &dev);
        for (before, after) in before.iter().zip(&after).filter(|(before, after)| before != after) {
            wrong.push(format!("after {what}: {before} became {after}"));
        }
    };
    for (number, (what, path, body)) in attempts.iter().enumerate() {
        let (method, path) = path.split_once(' ').unwrap_or(("POST", path));
        match tenant.call(method, path, body) {
            Ok(answer) if answer.succeeded() => done += 1,
            Ok(answer) if last != *what => {
                refused.push(format!("{what} ({} {:.200})", answer.code, answer.message()))
            }
            other => drop(other),
        }
        // Those that come in numbers are looked at once.
        if attempts.get(number + 1).is_none_or(|(next, ..)| next != what) {
            compare(what, &mut wrong);
        }
        last = what;
    }
    let own = format!("/api/v1/namespaces/{OWN}");
    for labels in [
        json!({"stategate.io/tier": "dev"}),
        json!({"kubernetes.io/metadata.name": "kube-system"}),
        json!({"app.kubernetes.io/name": "stategate"}),
    ] {
        let labelled = tenant.call("MERGE", &own, &json!({"metadata": {"labels": labels, "annotations": {"stategate.io/maintenance-window": "* * * * *"}}}));
        done += usize::from(labelled.is_ok_and(|answer| answer.succeeded()));
        compare("labels of its own namespace", &mut wrong);
    }
    println!("  refused to the tenant: {}", refused.join("\n    "));
    let said = format!(
        "{done} writes done, {} refused; 9 requests of another user answered byte for byte as before",
        refused.len()
    );
    rows.push(Row::found(
        "a tenant tries 30 ways to change another's verdicts",
        said,
        Some(begun.elapsed()),
        wrong,
    ));
    rows
}

/// A GitOps tool applies the same manifests again and again.
pub fn gitops(cluster: &mut Cluster) -> Vec<Row> {
    let kubectl = cluster.kubectl.clone();
    // What was there before stategate, and is not as it would have it.
    let old = crate::NAIVE.replace("name: pg\n", "name: old\n");
    let apply = |manifest: &str| {
        kubectl.run(&["apply", "--server-side", "--field-manager=gitops", "-f", "-"], manifest)
    };
    let mut wrong = Vec::new();
    let first = apply(&old);
    if !first.succeeded() {
        wrong.push(first.stderr);
    }
    let mut rows = vec![prepared(cluster)];
    let plain = crate::PLAIN.replace("name: pg\n", "name: plain\n").replace("app: pg", "app: plain");
    let manifests = [
        ("made better", plain),
        ("good already", crate::GOOD.replace("name: pg\n", "name: good\n")),
        ("bad, and older", old),
    ];
    let generation =
        |name: &str| kubectl.get_json(&["statefulset", name, "-n", "shop"])["metadata"]["generation"].clone();
    let begun = Instant::now();
    for (what, manifest) in &manifests {
        let name = ["plain", "good", "old"]
            .into_iter()
            .find(|name| manifest.contains(&format!("name: {name}\n")))
            .expect("a name");
        let output = apply(manifest);
        if !output.succeeded() {
            wrong.push(format!("{what}: {}", output.stderr));
            continue;
        }
        let before = generation(name);
        for round in 1..=10 {
            let output = apply(manifest);
            if !output.succeeded() || generation(name) != before {
                wrong.push(format!(
                    "{what}, apply {round}: generation {before} became {}: {}",
                    generation(name),
                    output.stderr
                ));
                break;
            }
        }
        let diff = kubectl.run(&["diff", "--server-side", "--field-manager=gitops", "-f", "-"], manifest);
        if diff.code != 0 || !diff.stdout.is_empty() {
            wrong.push(format!("{what}: diff: {}{}", diff.stdout, diff.stderr));
        }
        let object = kubectl.get_json(&["statefulset", name, "-n", "shop", "--show-managed-fields"]);
        let managers: Vec<&str> = object["metadata"]["managedFields"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| text(one, "/manager"))
            .collect();
        println!("  {what}: generation {before}, managers {managers:?}");
    }
    let said = "10 applies of each of 3 sets; generation unchanged, diff empty".to_owned();
    rows.push(Row::found("a GitOps tool applies server-side", said, Some(begun.elapsed()), wrong));
    rows
}
