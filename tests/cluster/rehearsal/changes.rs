//! Certificates and policies that change while clients write.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::text;
use super::cluster::{CONFIGURATIONS, Cluster, OWN, SOON};
use super::crashes::{CLIENTS, prepared, whole};
use super::load::Load;
use super::table::{NOTHING, Row, under_load};
use crate::harness::{self, wait_until};

/// How many policies, bindings and exceptions come and go.
const CHANGES: usize = 100;
/// How many authorities follow each other, each after another certificate of the one before.
const ROTATIONS: usize = 10;
/// Ten minutes of trust in the next authority and the previous one would be three hours. These are the shortest that a
/// replica takes with so quick a look.
const QUICK: [&str; 2] = ["--reload-every=2", "--tls-overlap=4s"];

/// A policy of one's own, which denies what the clients write.
const POLICY: &str = include_str!("../../fixtures/documents/owner-label.yaml");

/// Certificates rotate, then policies change, under load.
pub fn changes(cluster: &mut Cluster) -> Vec<Row> {
    let mut rows = vec![prepared(cluster)];
    let load = Load::start(cluster, CLIENTS);
    if kept(cluster).is_some() {
        rows.push(under_load(&load, "rotations may be quick from now on", NOTHING, || hurried(cluster)));
    }
    for rotation in 1..=ROTATIONS {
        for what in [Rotated::Leaf, Rotated::Authority] {
            rows.push(under_load(
                &load,
                &format!("rotation {rotation} of {}", what.words()),
                NOTHING,
                || rotated(cluster, rotation, what),
            ));
        }
    }
    rows.push(under_load(&load, "all replicas restarted after the rotations", NOTHING, || {
        cluster.kubectl.ok(&["rollout", "restart", "deployment/stategate", "-n", OWN], "");
        std::thread::sleep(Duration::from_secs(1));
        whole(cluster)
    }));
    rows.push(under_load(
        &load,
        &format!("{CHANGES} changes of policies, bindings and exceptions"),
        NOTHING,
        || policies(cluster),
    ));
    rows
}

/// The Secret that stategate itself keeps its certificate in, if it does.
fn kept(cluster: &Cluster) -> Option<String> {
    let deployment = cluster.deployment()?;
    let args = deployment.pointer("/spec/template/spec/containers/0/args")?.as_array()?.clone();
    let args: Vec<&str> = args.iter().filter_map(Value::as_str).collect();
    let place = args.iter().position(|arg| arg.starts_with("--tls-secret"))?;
    let name = args[place].split_once('=').map(|(_, name)| name).or(args.get(place + 1).copied())?;
    Some(name.to_owned())
}

/// What is new after a rotation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rotated {
    Leaf,
    Authority,
}

impl Rotated {
    fn words(self) -> &'static str {
        match self {
            Self::Leaf => "the certificate",
            Self::Authority => "the authority and the certificate",
        }
    }
}

/// Replicas get arguments that no value of the chart sets.
fn hurried(cluster: &Cluster) -> Vec<String> {
    let path = format!("/apis/apps/v1/namespaces/{OWN}/deployments/stategate");
    let patch = QUICK
        .map(|arg| json!({"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": arg}));
    let mut wrong: Vec<String> =
        cluster.admin.call("PATCH", &path, &json!(patch)).err().into_iter().collect();
    std::thread::sleep(Duration::from_secs(1));
    wrong.extend(whole(cluster));
    wrong
}

/// The certificate in the Secret, and what the API server trusts.
fn certificates(cluster: &Cluster, secret: &str) -> (String, BTreeSet<String>) {
    let secret = cluster.admin.get(&format!("/api/v1/namespaces/{OWN}/secrets/{secret}")).unwrap_or_default();
    let trusted = CONFIGURATIONS.iter().flat_map(|path| {
        let webhooks = cluster.admin.get(path).unwrap_or_default()["webhooks"].take();
        let bundles = webhooks.as_array().into_iter().flatten();
        let bundles: Vec<String> =
            bundles.map(|webhook| text(webhook, "/clientConfig/caBundle").to_owned()).collect();
        bundles
    });
    (text(&secret, "/data/tls.crt").to_owned(), trusted.collect())
}

/// A new certificate, served by all replicas, and a new authority, if that is asked for; what went wrong.
fn rotated(cluster: &Cluster, number: usize, what: Rotated) -> Vec<String> {
    if let Some(name) = kept(cluster) {
        let before = certificates(cluster, &name);
        let kubeconfig = cluster.kubeconfig("admin").display().to_string();
        let args = [
            "certs",
            "rotate",
            "--secret",
            &name,
            "--own-namespace",
            OWN,
            "--kubeconfig",
            &kubeconfig,
            "--wait",
            "2m",
        ];
        let leaf: &[&str] = if what == Rotated::Leaf { &["--leaf"] } else { &[] };
        let output = harness::stategate(cluster.dir(), &[&args, leaf].concat(), "");
        let mut wrong = if output.succeeded() { Vec::new() } else { vec![output.stderr] };
        let done = || {
            let after = certificates(cluster, &name);
            let other = before.1.is_disjoint(&after.1);
            before.0 != after.0 && after.1.len() == 1 && other == (what == Rotated::Authority)
        };
        // What is no longer trusted leaves the configurations at the next look.
        if !wait_until(Duration::from_secs(30), done) {
            wrong.push("not another certificate, of the one authority that is trusted".to_owned());
        }
        return wrong;
    }
    // Files have both at once.
    if what == Rotated::Leaf { Vec::new() } else { by_hand(cluster, number) }
}

/// As whoever keeps files does it: the new authority is trusted first, then its certificate is served, then the old
/// authority is dropped.
fn by_hand(cluster: &Cluster, number: usize) -> Vec<String> {
    let key = || rcgen::KeyPair::generate().expect("a key can be made");
    let (ca_key, leaf_key) = (key(), key());
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, format!("rehearsal {number}"));
    let name = format!("stategate.{OWN}.svc");
    let leaf = rcgen::CertificateParams::new(vec![name]).expect("a name");
    let issuer = rcgen::Issuer::new(ca.clone(), &ca_key);
    let leaf = leaf.signed_by(&leaf_key, &issuer).expect("a certificate can be made").pem();
    let authority = ca.self_signed(&ca_key).expect("an authority can be made").pem();

    let mut wrong = Vec::new();
    let old = cluster.admin.get(CONFIGURATIONS[0]).unwrap_or_default();
    let old = STANDARD.decode(text(&old, "/webhooks/0/clientConfig/caBundle")).unwrap_or_default();
    let old = String::from_utf8_lossy(&old).into_owned();
    wrong.extend(trust(cluster, &format!("{old}{authority}")));
    // Until the API server has noticed.
    std::thread::sleep(Duration::from_secs(3));
    let encoded = |text: &str| STANDARD.encode(text);
    let data = json!({"data": {"tls.crt": encoded(&leaf), "tls.key": encoded(&leaf_key.serialize_pem()), "ca.crt": encoded(&authority)}});
    let secret = format!("/api/v1/namespaces/{OWN}/secrets/stategate-tls");
    match cluster.admin.call("MERGE", &secret, &data) {
        Ok(answer) if answer.succeeded() => {}
        other => wrong.push(format!("{other:?}")),
    }
    // The kubelet brings it into the Pods, and stategate looks every five seconds.
    std::thread::sleep(Duration::from_secs(15));
    wrong.extend(trust(cluster, &authority));
    std::thread::sleep(Duration::from_secs(3));
    wrong
}

fn trust(cluster: &Cluster, authorities: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in CONFIGURATIONS {
        let webhooks = cluster.admin.get(path).unwrap_or_default()["webhooks"].as_array().map_or(0, Vec::len);
        let patch: Vec<Value> = (0..webhooks)
            .map(|number| json!({"op": "add", "path": format!("/webhooks/{number}/clientConfig/caBundle"), "value": STANDARD.encode(authorities)}))
            .collect();
        match cluster.admin.call("PATCH", path, &Value::Array(patch)) {
            Ok(answer) if answer.succeeded() => {}
            other => wrong.push(format!("{other:?}")),
        }
    }
    wrong
}

/// Policies, bindings and exceptions are made, one after the other, come into force, and go again.
fn policies(cluster: &Cluster) -> Vec<String> {
    let version = "stategate.io/v1alpha1";
    let of = |plural: &str| format!("/apis/{version}/{plural}");
    let mut wrong = Vec::new();
    let mut made = BTreeSet::new();
    for number in 0..CHANGES {
        let (path, object) = match number % 10 {
            // Each is compiled, and tested in a process of its own.
            0 => {
                let name = format!("owner-{number}");
                let policy = POLICY
                    .replace("owner-label", &name)
                    .replace("owner_label", &name.replace('-', "_"))
                    .replace("action: deny", "action: warn");
                (of("policies"), stategate::yaml::read(&policy).unwrap().remove(0).value)
            }
            1..=4 => {
                let spec = json!({"policies": {"ids": ["backup-declared"]}, "match": {"namespaces": [format!("other-{number}")]}, "override": true, "action": "audit"});
                (
                    of("policybindings"),
                    json!({"apiVersion": version, "kind": "PolicyBinding", "metadata": {"name": format!("patient-{number}")}, "spec": spec}),
                )
            }
            _ => {
                let spec = json!({"policies": ["backup-declared"], "match": {"names": [format!("other-{number}")]}, "reason": "until the migration"});
                let path = format!("/apis/{version}/namespaces/shop/policyexceptions");
                (
                    path,
                    json!({"apiVersion": version, "kind": "PolicyException", "metadata": {"name": format!("patient-{number}")}, "spec": spec}),
                )
            }
        };
        match cluster.admin.call("POST", &path, &object) {
            Ok(answer) if answer.succeeded() => {
                made.insert(format!("{path}/{}", text(&object, "/metadata/name")));
            }
            Ok(answer) => wrong.push(format!(
                "{}: {}",
                text(&object, "/metadata/name"),
                answer.message().chars().take(500).collect::<String>()
            )),
            Err(error) => wrong.push(error),
        }
        // Half of them go while others come.
        if number % 2 == 1
            && let Some(path) = made.pop_first()
        {
            cluster.delete(&path);
        }
    }
    let in_force = |path: &String| {
        let object = cluster.admin.get(path).unwrap_or_default();
        object["status"]["conditions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
    };
    let begun = Instant::now();
    if !wait_until(SOON, || made.iter().all(in_force)) {
        let not: Vec<&String> = made.iter().filter(|path| !in_force(path)).collect();
        wrong.push(format!("not in force: {not:?}"));
    }
    println!(
        "  {} documents in force {:.1} s after the last change",
        made.len(),
        begun.elapsed().as_secs_f64()
    );
    made.iter().for_each(|path| cluster.delete(path));
    wrong
}
