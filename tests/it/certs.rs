//! `certs`, and the certificates of `serve`, without a cluster. tests/cluster/certs.rs covers those that a Secret keeps.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use serde_json::Value;

use crate::server::{PATIENCE, trust};
use crate::support::{run_in, stategate, write};

#[test]
fn init_makes_a_directory_that_show_describes_and_serve_takes() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let init = ["certs", "init", "--dir", "tls", "--name", "gate.example.com"];
    run_in(dir.path(), &init).expect(0, &["tls has ca.crt, ca.key, tls.crt and tls.key"]);
    let read = |name: &str| std::fs::read(dir.path().join("tls").join(name)).unwrap();
    let before = read("tls.crt");
    for key in ["ca.key", "tls.key"] {
        let mode = std::fs::metadata(dir.path().join("tls").join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    run_in(dir.path(), &["certs", "show", "--cert", "tls/tls.crt"]).expect(
        0,
        &[
            "CN=stategate\n",
            "  issuer:  CN=stategate CA\n",
            "  names:   localhost, 127.0.0.1, ::1, gate.example.com\n",
            "  SHA-256: ",
        ],
    );
    run_in(dir.path(), &init).expect(0, &[]);
    assert_eq!(read("tls.crt"), before, "what is there stays");
}

#[test]
fn what_cannot_be_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "text", "no certificate");
    stategate(&["certs", "show", "--cert", file.to_str().unwrap()])
        .expect(2, &["text: holds no certificate"]);
    stategate(&["certs", "show"]).expect(2, &["--cert", "--secret"]);
    stategate(&["certs", "init"]).expect(2, &["--dir"]);
    stategate(&["certs", "rotate", "--secret", "tls", "--wait", "1"]).expect(2, &["as in 90d"]);
    stategate(&["serve", "--tls-secret", "tls"])
        .expect(2, &["--tls-secret is about a cluster", "--in-cluster"]);
    for flag in [["--tls-lifetime", "1d"], ["--tls-overlap", "1m"], ["--webhook-config", "gate"]] {
        stategate(&["serve", flag[0], flag[1]]).expect(2, &["--tls-secret"]);
    }
    for flag in [&["--webhook-timeout", "3"][..], &["--fail-open"], &["--webhook-service", "a/b"]] {
        stategate(&[&["serve"], flag].concat()).expect(2, &["--webhooks <MODE>"]);
    }
    stategate(&["serve", "--webhooks", "manage"]).expect(2, &["--webhooks is about a cluster"]);
    for (flag, value, says) in [
        ("--webhook-service", "one", "namespace/name"),
        ("--webhook-url", "http://x", "https only"),
        ("--webhook-timeout", "31", "1..=30"),
        ("--webhook-annotation", "a b=c", "not the key of an annotation"),
        ("--exempt-namespace", "A", "lower-case"),
    ] {
        stategate(&["serve", "--webhooks", "manage", flag, value]).expect(2, &[flag, says]);
    }
    let tls = dir.path().join("tls");
    let serve = ["serve", "--tls-dir", tls.to_str().unwrap(), "--listen", "127.0.0.1:0", "--client-ca"];
    stategate(&[&serve[..], &[file.to_str().unwrap()]].concat()).expect(2, &["text: holds no certificate"]);
}

/// A certificate with an intermediate, its key and the root, in a directory of a mounted Secret that a symlink then
/// leads to.
fn mount(root: &Path, version: usize) {
    let params = |authority: bool| {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    };
    let [root_key, middle_key, key]: [KeyPair; 3] = std::array::from_fn(|_| KeyPair::generate().unwrap());
    let authority = params(true).self_signed(&root_key).unwrap();
    let middle = params(true).signed_by(&middle_key, &Issuer::new(params(true), &root_key)).unwrap();
    let leaf = params(false).signed_by(&key, &Issuer::new(params(true), &middle_key)).unwrap();
    let data = root.join(format!("..version-{version}"));
    write(&data, "tls.crt", leaf.pem() + &middle.pem());
    write(&data, "tls.key", key.serialize_pem());
    write(root, &format!("root-{version}.crt"), authority.pem());
    let link = root.join("..next");
    std::os::unix::fs::symlink(format!("..version-{version}"), &link).unwrap();
    std::fs::rename(&link, root.join("..data")).unwrap();
}

#[test]
fn a_chain_in_a_mounted_secret_is_taken_up_when_it_is_swapped() {
    let dir = tempfile::tempdir().unwrap();
    mount(dir.path(), 0);
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(format!("..data/{name}"), dir.path().join(name)).unwrap();
    }
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let mut child = Command::new(env!("CARGO_BIN_EXE_stategate"))
        .args(["serve", "--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0", "--log-format", "json"])
        .args(["--tls-cert", &path("tls.crt"), "--tls-key", &path("tls.key"), "--reload-every", "0.05"])
        .env("RUST_LIB_BACKTRACE", "0")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let serving = lines.find(|line| line.contains("\"serving\"")).expect("it serves");
    let serving: Value = serde_json::from_str(&serving).unwrap();
    let address: SocketAddr = serving["listen"].as_str().unwrap().parse().unwrap();
    // The client trusts the root only, and so needs the intermediate from the server.
    let trusted = |version: usize| {
        let roots = trust(&dir.path().join(format!("root-{version}.crt")));
        let mut client = ClientConnection::new(roots, ServerName::try_from("localhost").unwrap()).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        client.complete_io(&mut stream).is_ok()
    };
    assert!(trusted(0));
    for version in 1..4 {
        mount(dir.path(), version);
        lines.find(|line| line.contains("another certificate is in force")).expect("it is taken up");
        assert!(trusted(version) && !trusted(version - 1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
