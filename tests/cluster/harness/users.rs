//! The users of a test server: their tokens, and kubeconfig files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

/// A user of the test server.
pub struct User {
    /// The user's id in tests: the argument of [`ApiServer::kubectl`](super::ApiServer::kubectl).
    pub id: &'static str,
    /// The user name on the API server.
    pub name: &'static str,
    /// The groups; the API server adds `system:authenticated`.
    pub groups: &'static [&'static str],
}

const ACCOUNTS: &[&str] = &["system:serviceaccounts", "system:serviceaccounts:kube-system"];

/// The users of a test server. Their rights are in `users.yaml`; those of the programs of a
/// [`ControlPlane`](super::ControlPlane) in `control_plane.yaml`, or built into the API server.
pub const USERS: &[User] = &[
    User { id: "admin", name: "admin", groups: &["system:masters"] },
    User { id: "dev", name: "dev", groups: &[] },
    User {
        id: "controller",
        name: "system:serviceaccount:kube-system:statefulset-controller",
        groups: ACCOUNTS,
    },
    User { id: "gc", name: "system:serviceaccount:kube-system:generic-garbage-collector", groups: ACCOUNTS },
    User { id: "reader", name: "reader", groups: &[] },
    User { id: "node", name: "system:node:n1", groups: &["system:nodes"] },
    User { id: "manager", name: "system:kube-controller-manager", groups: &[] },
    User { id: "scheduler", name: "system:kube-scheduler", groups: &[] },
    User { id: "kubelets", name: "system:node:kwok", groups: &["system:nodes"] },
    User {
        id: "provisioner",
        name: "system:serviceaccount:storage:provisioner",
        groups: &["system:serviceaccounts", "system:serviceaccounts:storage"],
    },
];

/// Writes the server's certificate and keys, and the users' tokens and kubeconfig files.
pub fn write_credentials(dir: &Path, port: u16) {
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
    };
    // Much faster than the RSA keys that the server would generate itself.
    let accounts = rcgen::KeyPair::generate().expect("a key can be made");
    write("accounts.key", &accounts.serialize_pem());
    write("accounts.pub", &accounts.public_key_pem());
    // The second is its address as a Service, for Pods that run as processes.
    let names = ["127.0.0.1", "10.0.0.1"].map(str::to_owned);
    let own = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
    write("server.crt", &own.cert.pem());
    write("server.key", &own.signing_key.serialize_pem());

    write_webhook_client(dir);

    // The directory's name makes each server's tokens unique.
    let secret = dir.file_name().unwrap_or_default().to_string_lossy();
    let token = |user: &User| format!("{}-{secret}", user.id);
    let line = |user: &User| {
        let line = format!("{},{},{}", token(user), user.name, user.id);
        // An empty column would be a group with an empty name.
        if user.groups.is_empty() { line } else { format!("{line},\"{}\"", user.groups.join(",")) }
    };
    let lines: Vec<String> = USERS.iter().map(line).collect();
    write("tokens.csv", &lines.join("\n"));
    for user in USERS {
        write_kubeconfig(dir, port, user.id, &token(user));
    }
}

/// Writes the certificate with which the server logs in to webhooks, and what makes it do so. Webhooks may ask for it:
/// its authority is `webhooks-ca.crt`.
fn write_webhook_client(dir: &Path) {
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
    };
    let key = || rcgen::KeyPair::generate().expect("a key can be made");
    let (ca_key, client_key) = (key(), key());
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "clients of webhooks");
    let mut client = rcgen::CertificateParams::default();
    client.distinguished_name.push(rcgen::DnType::CommonName, "kube-apiserver");
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let issuer = rcgen::Issuer::new(ca.clone(), &ca_key);
    write("webhooks-ca.crt", &ca.self_signed(&ca_key).expect("an authority can be made").pem());
    write("webhooks.crt", &client.signed_by(&client_key, &issuer).expect("a certificate can be made").pem());
    write("webhooks.key", &client_key.serialize_pem());
    let files =
        json!({"client-certificate": dir.join("webhooks.crt"), "client-key": dir.join("webhooks.key")});
    let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": files}]});
    write("webhooks.kubeconfig", &kubeconfig.to_string());
    let version = "apiserver.config.k8s.io/v1";
    let plugins = ["ValidatingAdmissionWebhook", "MutatingAdmissionWebhook"].map(|name| {
        json!({"name": name, "configuration": {
            "apiVersion": version, "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": dir.join("webhooks.kubeconfig"),
        }})
    });
    let admission = json!({"apiVersion": version, "kind": "AdmissionConfiguration", "plugins": plugins});
    write("admission.json", &admission.to_string());
}

/// Writes the kubeconfig file of a user with this token.
pub fn write_kubeconfig(dir: &Path, port: u16, id: &str, token: &str) -> PathBuf {
    // A kubeconfig may be JSON.
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority": dir.join("server.crt"),
        }}],
        "users": [{"name": id, "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": id}}],
        "current-context": "test",
    });
    let file = dir.join(format!("{id}.kubeconfig"));
    fs::write(&file, config.to_string()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    file
}
