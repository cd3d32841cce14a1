//! Certificates beside a real API server: shared by replicas in a Secret, rotated without losing a request, repaired;
//! and clients that must log in.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::{self, sleep};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use serde_json::Value;

use crate::harness::{self, ApiServer, Kubectl, Output, Stategate, http_get, wait_until};
use crate::{GOOD, NAIVE, refused, silent};

/// How long a machine with other work may take for what follows from a look every few seconds.
const SOON: Duration = Duration::from_secs(60);
/// stategate's own namespace in these tests.
const OWN: &str = "stategate-system";
/// The names that `stategate webhook-config` uses.
const CONFIGURATIONS: [&str; 2] = ["validatingwebhookconfiguration", "mutatingwebhookconfiguration"];

fn gate(dir: &Path, kubeconfig: &Path, args: &[&str]) -> Stategate {
    let kubeconfig = kubeconfig.to_str().unwrap();
    let fixed = ["--drain-delay", "0", "--kubeconfig", kubeconfig, "--own-namespace", OWN];
    let secret = ["--tls-secret", "tls", "--reload-every", "0.2"];
    Stategate::start(dir, &[&fixed[..], &secret, args].concat())
}

fn stategate(api: &ApiServer, args: &[&str]) -> Output {
    let kubeconfig = api.kubeconfig("admin");
    let cluster = ["--own-namespace", OWN, "--kubeconfig", kubeconfig.to_str().unwrap()];
    harness::stategate(api.dir(), &[args, &cluster].concat(), "")
}

#[track_caller]
fn certs(api: &ApiServer, args: &[&str]) -> Output {
    let output = stategate(api, &[&["certs"], args].concat());
    assert!(output.succeeded(), "{output:?}");
    output
}

fn secret(admin: &Kubectl) -> Value {
    admin.get_json(&["secret", "tls", "-n", OWN])
}

fn field(secret: &Value, key: &str) -> String {
    String::from_utf8(STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap()).unwrap()
}

/// The SHA-256 of the certificate that a gate serves.
fn fingerprint(gate: &Stategate) -> String {
    let (code, text) = http_get(gate.status_port(), "/readyz?verbose").unwrap();
    let line = text.lines().find(|line| line.starts_with("certificate: "));
    let line = line.unwrap_or_else(|| panic!("{code}: {text}"));
    line.split_once("SHA-256 ").unwrap().1.to_owned()
}

fn certificates(pem: &[u8]) -> BTreeSet<Vec<u8>> {
    CertificateDer::pem_slice_iter(pem).map(|cert| cert.unwrap().to_vec()).collect()
}

/// The authorities in the `caBundle`s of a configuration, each once; all webhooks have the same.
fn bundle(configuration: &Value) -> BTreeSet<Vec<u8>> {
    let all: BTreeSet<BTreeSet<Vec<u8>>> = configuration["webhooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|webhook| {
            let text = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
            certificates(&STANDARD.decode(text).unwrap())
        })
        .collect();
    assert_eq!(all.len(), 1, "{configuration}");
    all.into_iter().next().unwrap()
}

/// Registers the webhooks at this URL, trusting what the Secret says, and waits until they are called.
fn register(api: &ApiServer, url: &str) {
    let ca = certs(api, &["show", "--secret", "tls", "--ca"]).stdout;
    fs::write(api.dir().join("ca.crt"), ca).unwrap();
    let printed = harness::stategate(api.dir(), &["webhook-config", "--url", url, "--ca-file", "ca.crt"], "");
    let admin = api.kubectl("admin");
    admin.ok(&["apply", "-f", "-"], &printed.stdout);
    let called = || admin.run(&["create", "--dry-run=server", "-f", "-"], NAIVE).denied();
    assert!(wait_until(SOON, called), "the API server does not call the webhook: {}", api.log());
}

fn start() -> ApiServer {
    let api = ApiServer::start();
    api.kubectl("admin").ok(&["create", "namespace", OWN], "");
    api
}

/// What a load balancer does: each connection leads to the next gate.
struct Balancer {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Balancer {
    fn start(targets: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let kept = Arc::clone(&open);
        thread::spawn(move || {
            for (number, client) in listener.incoming().enumerate() {
                let client = client.unwrap();
                let address = targets[number % targets.len()].strip_prefix("https://").unwrap();
                let Ok(server) = TcpStream::connect(address) else { continue };
                for (mut from, mut to) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server.try_clone().unwrap(), client.try_clone().unwrap()),
                ] {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                kept.lock().unwrap().extend([client, server]);
            }
        });
        Self { port, open }
    }

    /// Ends all connections, so that the next request needs a handshake; how many there were.
    fn cut(&self) -> usize {
        let open = std::mem::take(&mut *self.open.lock().unwrap());
        open.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        open.len() / 2
    }
}

/// Whether a client that trusts these authorities completes a handshake.
fn handshake(url: &str, trusted: &BTreeSet<Vec<u8>>) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for cert in trusted {
        roots.add(CertificateDer::from(cert.clone())).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(url.strip_prefix("https://").unwrap()).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(SOON)).unwrap();
    while client.is_handshaking() {
        client.complete_io(&mut stream).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What happened while certificates were rotated.
#[derive(Default)]
struct Load {
    /// Held while a request is under way, and alone while connections are cut.
    under_way: RwLock<()>,
    done: AtomicBool,
    requests: AtomicUsize,
    handshakes: AtomicUsize,
    cuts: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Load {
    fn failed(&self, what: String) {
        self.failures.lock().unwrap().push(what);
    }

    fn goes_on(&self) -> bool {
        !self.done.load(Ordering::Relaxed)
    }
}

fn client(api: &ApiServer) -> (tokio::runtime::Runtime, Client) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let kubeconfig = Kubeconfig::read_from(api.kubeconfig("admin")).unwrap();
    let client = runtime.block_on(async {
        let options = KubeConfigOptions::default();
        Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap()).unwrap()
    });
    (runtime, client)
}

/// Asks for the same creation again and again. The webhooks have `failurePolicy: Fail`, so that none goes unreviewed.
fn ask(api: &ApiServer, load: &Load, object: &str) {
    let (runtime, client) = client(api);
    while load.goes_on() {
        let under_way = load.under_way.read().unwrap();
        let path = "/apis/apps/v1/namespaces/shop/statefulsets?dryRun=All";
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.body(object.as_bytes().to_vec()).unwrap();
        let answer = runtime.block_on(client.request::<Value>(request));
        drop(under_way);
        load.requests.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = answer {
            load.failed(format!("a request: {error}"));
        }
        sleep(Duration::from_millis(5));
    }
}

/// Shakes hands with each gate, trusting what is in the webhook configuration at that moment.
fn shake(api: &ApiServer, load: &Load, urls: &[String]) {
    let (runtime, client) = client(api);
    let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/stategate";
    while load.goes_on() {
        let request = Request::get(path).body(Vec::new()).unwrap();
        let configuration: Value = runtime.block_on(client.request(request)).unwrap();
        let trusted = bundle(&configuration);
        for url in urls {
            load.handshakes.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = handshake(url, &trusted) {
                load.failed(format!("a handshake with {url}: {error}"));
            }
        }
        sleep(Duration::from_millis(50));
    }
}

/// Makes handshakes necessary all the time.
fn cut(load: &Load, balancer: &Balancer) {
    while load.goes_on() {
        sleep(Duration::from_millis(400));
        let _alone = load.under_way.write().unwrap();
        load.cuts.fetch_add(balancer.cut(), Ordering::Relaxed);
        // The API server notices the end of a connection before it sends a request on it.
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn ten_rotations_of_certificate_and_authority_lose_no_request() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let api = start();
    let admin = api.kubectl("admin");
    let times = ["--tls-lifetime", "120s", "--tls-overlap", "3s"];
    let gates = [0, 1].map(|number| gate(dirs[number].path(), &api.kubeconfig("admin"), &times));
    let urls: Vec<String> = gates.iter().map(Stategate::url).collect();
    let balancer = Balancer::start(urls.clone());
    register(&api, &format!("https://127.0.0.1:{}", balancer.port));
    let good = GOOD.split_once("---").unwrap().0;
    let object = admin.ok(&["create", "--dry-run=client", "-o", "json", "-f", "-"], good).stdout;

    let load = Load::default();
    let mut served = BTreeSet::from([fingerprint(&gates[0])]);
    let mut authorities = BTreeSet::from([field(&secret(&admin), "ca.crt")]);
    thread::scope(|scope| {
        // A panic ends the load, too.
        let ends = Ends(&load);
        for _ in 0..2 {
            scope.spawn(|| ask(&api, &load, &object));
        }
        scope.spawn(|| shake(&api, &load, &urls));
        scope.spawn(|| cut(&load, &balancer));
        for _ in 0..10 {
            certs(&api, &["rotate", "--secret", "tls", "--leaf", "--wait", "2m"]);
            let both = || fingerprint(&gates[0]) == fingerprint(&gates[1]);
            assert!(wait_until(SOON, both), "{}\n{}", gates[0].log(), gates[1].log());
            served.insert(fingerprint(&gates[0]));
            certs(&api, &["rotate", "--secret", "tls", "--wait", "2m"]);
            assert!(wait_until(SOON, both), "{}\n{}", gates[0].log(), gates[1].log());
            served.insert(fingerprint(&gates[0]));
            authorities.insert(field(&secret(&admin), "ca.crt"));
        }
        drop(ends);
    });
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    let (requests, handshakes, cuts) = (count(&load.requests), count(&load.handshakes), count(&load.cuts));
    println!("{requests} requests, {handshakes} handshakes, {cuts} connections cut");
    let failures = load.failures.lock().unwrap();
    assert!(failures.is_empty(), "{} failed: {failures:#?}\n{}", failures.len(), gates[0].log());
    assert!(requests > 200 && handshakes > 200 && cuts > 50);
    assert_eq!((served.len(), authorities.len()), (21, 11), "every rotation made something new");
    // Nobody trusts an authority that is out of use.
    for kind in CONFIGURATIONS {
        let clean = || {
            bundle(&admin.get_json(&[kind, "stategate"]))
                == certificates(field(&secret(&admin), "ca.crt").as_bytes())
        };
        assert!(wait_until(SOON, clean), "{kind}: {}", gates[0].log());
    }
    let metrics = admin.ok(&["get", "--raw", "/metrics"], "").stdout;
    let open =
        metrics.lines().filter(|line| line.starts_with("apiserver_admission_webhook_fail_open_count{"));
    assert_eq!(open.collect::<Vec<_>>(), Vec::<&str>::new(), "mutations were skipped");
    assert!(!metrics.contains("stategate.io\",operation=\"CREATE\",rejected=\"true\",type=\"mutating\""));
}

/// Ends the load when it is dropped.
struct Ends<'a>(&'a Load);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::Relaxed);
    }
}

#[test]
fn replicas_agree_on_one_certificate_and_repair_it_with_the_rights_that_rbac_prints() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let api = start();
    let admin = api.kubectl("admin");
    let account = format!("{OWN}/gate");
    let rights = ["rbac", "--tls-secret", "tls", "--service-account", &account];
    let rights = harness::stategate(api.dir(), &rights, "");
    assert!(rights.succeeded(), "{rights:?}");
    admin.ok(&["create", "serviceaccount", "gate", "-n", OWN], "");
    admin.ok(&["create", "-f", "-"], &rights.stdout);
    let account = api.account("gate", OWN);

    // Three that start at once make one.
    let gates: Vec<Stategate> = thread::scope(|scope| {
        let starting = dirs.each_ref().map(|dir| scope.spawn(|| gate(dir.path(), &account, &[])));
        starting.into_iter().map(|gate| gate.join().unwrap()).collect()
    });
    let logs = || gates.iter().map(Stategate::log).collect::<String>();
    assert_eq!(logs().matches("the Secret of the certificate was made").count(), 1, "{}", logs());
    let agree = || gates.iter().map(fingerprint).collect::<BTreeSet<_>>().len() == 1;
    assert!(agree());
    register(&api, &gates[0].url());
    let made = secret(&admin);
    assert_eq!(made["type"], "Opaque");
    let trusted = certificates(field(&made, "ca.crt").as_bytes());
    let shown = certs(&api, &["show", "--secret", "tls"]).stdout;
    println!("{shown}");
    for part in [
        "CN=stategate\n",
        "localhost, 127.0.0.1, ::1",
        &fingerprint(&gates[0]),
        "mutate.stategate.io: caBundle fits",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    let metrics = gates[0].metrics();
    assert!(metrics.contains("stategate_certificate_expiry_timestamp_seconds 1"), "{metrics}");

    // A configuration that loses its caBundle gets it back.
    let patch = r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#;
    admin.ok(&["patch", CONFIGURATIONS[0], "stategate", "--type=json", "-p", patch], "");
    let back = || {
        let configuration = admin.get_json(&[CONFIGURATIONS[0], "stategate"]);
        let text = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default();
        certificates(&STANDARD.decode(text).unwrap()) == trusted
    };
    assert!(wait_until(SOON, back), "{}", logs());

    // A deleted or damaged Secret comes back as it was: what is served stays trusted.
    let comes_back = |what: &str| {
        let same = || {
            let found = admin.run(&["get", "secret", "tls", "-n", OWN, "-o", "json"], "");
            let found: Value = serde_json::from_str(&found.stdout).unwrap_or_default();
            found["data"] == made["data"]
        };
        assert!(wait_until(SOON, same), "{what}: {}", logs());
        assert!(agree(), "{what}");
    };
    let before = fingerprint(&gates[0]);
    admin.ok(&["delete", "secret", "tls", "-n", OWN], "");
    comes_back("deleted");
    for (key, value) in [("tls.crt", "YnJva2Vu"), ("ca.key", "YnJva2Vu"), ("ca.crt", "")] {
        let patch = format!(r#"{{"data": {{"{key}": "{value}"}}}}"#);
        admin.ok(&["patch", "secret", "tls", "-n", OWN, "--type=merge", "-p", &patch], "");
        comes_back(key);
    }
    assert_eq!(fingerprint(&gates[0]), before);
    refused(&admin.run(&["create", "--dry-run=server", "-f", "-"], NAIVE), &["volume-no-emptydir-data"]);

    // A rotation needs no more rights.
    certs(&api, &["rotate", "--secret", "tls", "--leaf", "--wait", "2m"]);
    assert!(wait_until(SOON, || agree() && fingerprint(&gates[0]) != before), "{}", logs());
    assert!(!logs().contains("cannot be kept"), "{}", logs());
}

#[test]
fn a_secret_of_somebody_else_is_left_alone_and_nobody_is_ready_without_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let api = start();
    let admin = api.kubectl("admin");
    admin.ok(&["create", "secret", "generic", "tls", "-n", OWN, "--from-literal=password=x"], "");
    let before = secret(&admin);
    let refusal = stategate(&api, &["certs", "init", "--secret", "tls"]);
    assert!(!refusal.succeeded() && refusal.stderr.contains("has not made this Secret"), "{refusal:?}");
    let starting = thread::scope(|scope| {
        let starting = scope.spawn(|| gate(dir.path(), &api.kubeconfig("admin"), &[]));
        let log = || fs::read_to_string(dir.path().join("stategate.log")).unwrap_or_default();
        assert!(wait_until(SOON, || log().contains("has not made this Secret")), "{}", log());
        assert_eq!(secret(&admin), before);
        assert!(!starting.is_finished(), "it is ready without a certificate");
        // Once it is out of the way, all goes on.
        admin.ok(&["delete", "secret", "tls", "-n", OWN], "");
        starting.join().unwrap()
    });
    assert_eq!(starting.log().matches("has not made this Secret").count(), 1, "it is said once");
    // `init` changes nothing that is there.
    let made = secret(&admin);
    let again = certs(&api, &["init", "--secret", "tls"]);
    assert!(again.stderr.contains("has them already"), "{again:?}");
    assert_eq!(secret(&admin)["data"], made["data"]);
}

#[test]
fn a_secret_that_cert_manager_takes_over_is_not_restored() {
    let dir = tempfile::tempdir().unwrap();
    let api = start();
    let admin = api.kubectl("admin");
    let gate = gate(dir.path(), &api.kubeconfig("admin"), &[]);
    let served = fingerprint(&gate);
    // It writes its own keys, and leaves the labels and what else there is.
    let taken = r#"{"metadata": {"annotations": {"cert-manager.io/certificate-name": "stategate"}},
        "data": {"ca.crt": "YnJva2Vu", "tls.crt": "YnJva2Vu", "tls.key": "YnJva2Vu"}}"#;
    admin.ok(&["patch", "secret", "tls", "-n", OWN, "--type=merge", "-p", taken], "");
    let taken = secret(&admin);
    assert!(wait_until(SOON, || gate.log().contains("is cert-manager's by now")), "{}", gate.log());
    thread::sleep(Duration::from_secs(3));
    assert_eq!(secret(&admin), taken, "{}", gate.log());
    assert_eq!(fingerprint(&gate), served);
    // Without it, all is as it was.
    admin.ok(&["delete", "secret", "tls", "-n", OWN], "");
    let back = || admin.run(&["get", "secret", "tls", "-n", OWN], "").succeeded();
    assert!(wait_until(SOON, back), "{}", gate.log());
    assert_eq!(fingerprint(&gate), served);

    // Nor is one that has lost the label, and what it is for.
    let taken = r#"{"metadata": {"labels": null}, "data": {"ca.key": "YnJva2Vu"}}"#;
    admin.ok(&["patch", "secret", "tls", "-n", OWN, "--type=merge", "-p", taken], "");
    let taken = secret(&admin);
    assert!(
        wait_until(SOON, || gate.log().matches("has not made this Secret").count() == 2),
        "{}",
        gate.log()
    );
    thread::sleep(Duration::from_secs(3));
    assert_eq!(secret(&admin), taken, "{}", gate.log());
}

#[test]
fn with_a_client_authority_only_the_api_server_is_served() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let api = ApiServer::start();
    let admin = api.kubectl("admin");
    let authority = api.dir().join("webhooks-ca.crt");
    let gate =
        Stategate::start(dirs[0].path(), &["--drain-delay", "0", "--client-ca", authority.to_str().unwrap()]);
    crate::register_and_wait(&api, &gate);
    silent(&admin.run(&["create", "--dry-run=server", "-f", "-"], GOOD));
    let (_, ready) = http_get(gate.status_port(), "/readyz?verbose").unwrap();
    assert!(ready.contains("for clients with a certificate only"), "{ready}");
    // TLS 1.3 tells a client of it after its own handshake: it gets no answer.
    let ask = |gate: &Stategate, certificate: bool| {
        let trusted = certificates(&fs::read(gate.ca_file()).unwrap());
        answer(&gate.url(), &trusted, certificate.then(|| api.dir()))
    };
    assert!(ask(&gate, false).is_err());
    assert!(ask(&gate, true).unwrap().starts_with("HTTP/1.1 4"));

    // A gate that asks for another authority's certificate serves nobody here, and the API server says so.
    let other = Stategate::start(
        dirs[1].path(),
        &["--drain-delay", "0", "--client-ca", gate.ca_file().to_str().unwrap()],
    );
    assert!(ask(&other, true).is_err());
}

/// The first line of the answer to a GET, from a client with the API server's certificate or without any.
fn answer(url: &str, trusted: &BTreeSet<Vec<u8>>, certificate: Option<&Path>) -> io::Result<String> {
    use std::io::{Read as _, Write as _};
    let mut roots = RootCertStore::empty();
    trusted.iter().for_each(|cert| roots.add(CertificateDer::from(cert.clone())).unwrap());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some(dir) => {
            let cert = CertificateDer::from_pem_file(dir.join("webhooks.crt")).unwrap();
            let key = rustls::pki_types::PrivateKeyDer::from_pem_file(dir.join("webhooks.key")).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(url.strip_prefix("https://").unwrap())?;
    stream.set_read_timeout(Some(SOON))?;
    let mut stream = rustls::Stream::new(&mut client, &mut stream);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n")?;
    let mut first = [0; 12];
    stream.read_exact(&mut first)?;
    Ok(String::from_utf8_lossy(&first).into_owned())
}
