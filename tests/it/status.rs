//! The status page, and what metrics say of a reload. How it looks is in `browser/`; the page of the audit is in
//! `cluster/reports.rs`.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::server::{PATIENCE, Server, kill, response};
use crate::support::{directory, write};
use crate::wire::recorded;

/// An answer of the status port: its code, its head and its body.
fn ask(server: &Server, method: &str, path: &str, headers: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(server.status).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n").unwrap();
    let mut whole = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut whole).unwrap();
    let (code, body) = response(&mut whole.as_slice());
    let text = String::from_utf8(whole).unwrap();
    (code, text.split("\r\n\r\n").next().unwrap().to_lowercase(), body)
}

const HERE: &str = "Host: localhost:8080\r\n";

fn page(server: &Server) -> String {
    let (code, _, body) = ask(server, "GET", "/", HERE);
    assert_eq!(code, 200, "{body}");
    body.replace("&#x2f;", "/")
}

const BINDINGS: &str = "apiVersion: stategate.io/v1alpha1
kind: PolicyException
metadata: {name: ended, namespace: shop}
spec: {policies: [backup-declared], match: {}, reason: \"<b>until the migration</b>\", expiresAt: 2020-01-31}
---
apiVersion: stategate.io/v1alpha1
kind: PolicyException
metadata: {name: endless, namespace: shop}
spec: {policies: [backup-declared], match: {names: [legacy]}, reason: single node for good}
";

#[test]
fn the_page_says_what_is_in_force_and_what_was_denied() {
    let files = directory(&[("bindings.yaml", BINDINGS)]);
    let bindings = files.path().join("bindings.yaml");
    let tls = tempfile::tempdir().unwrap();
    let server = Server::start_in(
        tls.path(),
        &["--bindings", bindings.to_str().unwrap(), "--reload-every", "0.2", "--enforcement", "deny"],
        &[("HOSTNAME", "gate-7")],
    );
    let before = page(&server);
    for says in
        ["No policy found anything", "gate-7", "production", "Nothing is audited", "No cluster is followed"]
    {
        assert!(before.contains(says), "{says}: {before}");
    }
    // What has ended comes first; nothing of a document is HTML.
    let (ended, endless) = (before.find("shop/ended").unwrap(), before.find("shop/endless").unwrap());
    assert!(ended < endless && before.contains("&lt;b&gt;until the migration&lt;"), "{before}");
    assert!(before.contains("2020-01-31") || before.contains("2020-02-01"), "{before}");

    for (_, body) in recorded() {
        server.post("/validate/fail", &body);
    }
    server.post("/validate/fail", b"no review");
    let after = page(&server);
    let row = after
        .split("<tr>")
        .find(|row| row.contains("resources-requests-required"))
        .unwrap_or_else(|| panic!("{after}"));
    assert!(row.contains("class=\"bad\" data-unit=\"denied\">1<") && row.contains(">default<"), "{row}");
    assert!(!after.contains("No policy found anything") && !after.contains("s3cr3t"), "{after}");
    let tile = |name: &str| -> u64 {
        let tile = after.split("<dt>").find(|tile| tile.starts_with(name)).unwrap();
        tile.split("<dd>").nth(1).unwrap().split('<').next().unwrap().parse().unwrap()
    };
    assert!(tile("Denied") >= 1 && tile("Allowed") >= 1, "{after}");
    assert_eq!(tile("Unreadable"), 1);
    let digest = server.get("/readyz").1;
    let digest = digest.split("policy set ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!(after.contains(&digest), "{digest}: {after}");
    for outside in ["<script", "http://", "https://", "href=\"/", "src="] {
        assert!(!after.replace("http://www.w3.org/2000/svg", "").contains(outside), "{outside}: {after}");
    }

    // A reload that fails is on the page until it succeeds.
    write(files.path(), "bindings.yaml", BINDINGS.replace("backup-declared", "no-such-policy"));
    let becomes = |metric: &str, says: bool| {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let told = page(&server).contains("no-such-policy");
            if told == says && server.get("/metrics").1.lines().any(|line| line == metric) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{metric}\n{}\n{}", page(&server), server.get("/metrics").1);
    };
    becomes("stategate_policy_set_last_reload_successful 0", true);
    write(files.path(), "bindings.yaml", BINDINGS);
    becomes("stategate_policy_set_last_reload_successful 1", false);
    kill(server);
}

#[test]
fn pages_are_for_this_host_and_every_path_is_answered() {
    let tls = tempfile::tempdir().unwrap();
    let server = Server::start(tls.path(), &[]);
    let (code, head, body) = ask(&server, "GET", "/", HERE);
    assert_eq!(code, 200);
    for says in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "referrer-policy: no-referrer",
    ] {
        assert!(head.contains(says), "{says}: {head}");
    }
    assert!(!head.contains("unsafe") && !head.contains("script-src"), "{head}");
    let (code, head, empty) = ask(&server, "HEAD", "/", HERE);
    assert_eq!((code, empty.as_str()), (200, ""));
    assert!(head.contains("content-type: text/html") && !body.is_empty(), "{head}");
    for (method, path, code, says) in [
        ("GET", "/nothing", 404, "/audit, /livez, /readyz and /metrics"),
        ("GET", "/../etc/passwd", 404, "not found"),
        ("GET", "/audit", 404, "Nothing is audited in the background. serve --policy-reports"),
        ("HEAD", "/audit", 404, ""),
        ("HEAD", "/metrics", 200, ""),
        ("POST", "/", 405, ""),
        ("DELETE", "/audit", 405, ""),
    ] {
        let (answered, _, body) = ask(&server, method, path, HERE);
        assert!(answered == code && body.contains(says), "{method} {path}: {answered} {body}");
    }
    // Another name may be one that somebody has made to lead here.
    for host in ["Host: evil.example.com\r\n", "Host: stategate.stategate-system.svc:8080\r\n", ""] {
        for path in ["/", "/audit"] {
            let (code, _, body) = ask(&server, "GET", path, host);
            assert!(matches!(code, 400 | 403) && !body.contains("<html"), "{host}: {code} {body}");
        }
    }
    assert_eq!(ask(&server, "GET", "/metrics", "Host: 10.0.0.7:8080\r\n").0, 200);

    // Who asks for OpenMetrics gets it, everybody else the older format.
    let accept =
        format!("{HERE}Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2\r\n");
    let (_, head, body) = ask(&server, "GET", "/metrics", &accept);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(
        body.ends_with("# EOF\n") && body.contains("# TYPE stategate_policy_set_reloads counter\n"),
        "{body}"
    );
    let (_, head, body) = ask(&server, "GET", "/metrics", HERE);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(
        !body.contains("# EOF") && body.contains("# TYPE stategate_policy_set_reloads_total counter\n"),
        "{body}"
    );
    kill(server);
}
