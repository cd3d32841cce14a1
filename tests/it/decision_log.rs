//! The decision log of `serve`: one line for each answered request, which nothing that is wrong with it delays.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::{PATIENCE, Server};
use crate::support::{directory, stategate, write};
use crate::wire::recorded;

fn body(name: &str) -> Vec<u8> {
    let found = recorded().into_iter().find(|(file, _)| file.contains(name));
    found.unwrap_or_else(|| panic!("no review {name}")).1
}

fn start(dir: &Path, log: &Path, more: &[&str]) -> Server {
    let log = log.display().to_string();
    Server::start(dir, &[&["--decision-log", &log, "--drain-delay", "0"], more].concat())
}

fn entries(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

fn metric(server: &Server, name: &str) -> u64 {
    let (_, metrics) = server.get("/metrics");
    let values =
        metrics.lines().filter_map(|line| line.strip_prefix(name)?.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

/// Waits until the log of the process, or a metric, says so.
fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A review of something that no policy has anything to say of.
fn ordinary() -> Vec<u8> {
    let review = serde_json::json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "ordinary", "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
        "resource": {"group": "", "version": "v1", "resource": "configmaps"},
        "namespace": "shop", "name": "cm", "operation": "CREATE",
        "userInfo": {"username": "dev"}, "object": {"metadata": {"name": "cm"}}}});
    review.to_string().into_bytes()
}

#[test]
fn each_answer_is_an_entry_that_names_what_decided() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("decisions.jsonl");
    let exception = "apiVersion: stategate.io/v1alpha1\nkind: PolicyException\nmetadata: {name: legacy}\n\
        spec: {policies: [backup-declared], match: {}, reason: until the migration}\n";
    let bindings = write(dir.path(), "exceptions.yaml", exception).display().to_string();
    let server = start(&dir.path().join("tls"), &log, &["--bindings", &bindings]);
    let body = body("create-statefulset.json");
    let (_, answer) = server.post("/validate/fail", &body);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    server.post("/mutate", &body);
    server.post("/validate/ignore", &ordinary());
    server.post("/validate/fail", &body[..body.len() / 2]);
    let (_, metrics) = server.get("/metrics");
    server.terminate();
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    let text = std::fs::read_to_string(&log).unwrap();
    let entries = entries(&text);
    assert_eq!(entries.len(), 4, "{text}");
    for hidden in ["s3cr3t", "last-applied", "managedFields"] {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }

    let denied = &entries[0];
    let review: Value = serde_json::from_slice(&body).unwrap();
    let request = &review["request"];
    assert_eq!(
        [
            &denied["uid"],
            &denied["operation"],
            &denied["kind"],
            &denied["namespace"],
            &denied["user"]["name"]
        ],
        [
            &request["uid"],
            &request["operation"],
            &request["kind"]["kind"],
            &request["namespace"],
            &request["userInfo"]["username"]
        ]
    );
    assert_eq!(denied["user"]["groups"], request["userInfo"]["groups"].as_array().unwrap().len());
    assert_eq!((&denied["webhook"], &denied["answer"]), (&"validate/fail".into(), &"denied".into()));
    assert_eq!((&denied["allowed"], &denied["dryRun"]), (&false.into(), &request["dryRun"]));
    assert_eq!((&denied["profile"], denied["policySet"].as_str().unwrap().len()), (&"production".into(), 64));
    assert!(metrics.contains(&format!("digest={}", denied["policySet"])), "{metrics}");
    assert_eq!(denied["waived"], serde_json::json!([{"policy": "backup-declared", "exception": "legacy"}]));
    assert!(denied["milliseconds"].as_f64().unwrap() > 0.0);
    // What is refused is what the answer refused, at the same places.
    let causes = answer["response"]["status"]["details"]["causes"].as_array().unwrap();
    let causes: Vec<(&Value, &Value)> = causes.iter().map(|one| (&one["reason"], &one["field"])).collect();
    let findings = denied["findings"].as_array().unwrap();
    let refusing = findings.iter().filter(|one| one["action"] == "deny");
    let refusing: Vec<(&Value, &Value)> = refusing.map(|one| (&one["policy"], &one["path"])).collect();
    assert_eq!(refusing, causes);
    for finding in findings {
        assert!(finding["binding"].as_str().unwrap().starts_with("production/"), "{finding}");
        let sensitive = finding["policy"] == "secret-no-literal-env";
        assert_eq!(finding["message"].is_null(), sensitive, "{finding}");
    }

    let patched = &entries[1]["patched"];
    assert!(patched["policies"].as_array().unwrap().contains(&"topology-spread-zone".into()), "{patched}");
    let paths = patched["paths"].as_array().unwrap();
    assert!(paths.iter().any(|path| path.as_str().unwrap().starts_with("/spec/template/")), "{patched}");
    assert!(patched.get("value").is_none() && patched.get("operations").is_none(), "{patched}");

    assert_eq!((&entries[2]["answer"], &entries[2]["uid"]), (&"allowed".into(), &"ordinary".into()));
    let unreadable = &entries[3];
    assert_eq!((&unreadable["answer"], &unreadable["uid"]), (&"unreadable".into(), &request["uid"]));
    assert_eq!(unreadable["allowed"], false);
}

#[test]
fn a_sample_leaves_out_only_what_there_is_nothing_to_say_of() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("decisions.jsonl");
    let server = start(&dir.path().join("tls"), &log, &["--decision-log-sample", "0.25"]);
    let (denied, ordinary) = (body("create-statefulset.json"), ordinary());
    for _ in 0..8 {
        server.post("/validate/fail", &ordinary);
        server.post("/validate/fail", &denied);
    }
    server.terminate();
    server.end();
    let entries = entries(&std::fs::read_to_string(&log).unwrap());
    let of = |answer: &str| entries.iter().filter(|one| one["answer"] == answer).collect::<Vec<_>>();
    assert_eq!((of("allowed").len(), of("denied").len()), (2, 8));
    assert!(of("allowed").iter().all(|one| one["sample"] == 0.25));
    assert!(of("denied").iter().all(|one| one.get("sample").is_none()));
}

#[test]
fn standard_output_has_nothing_but_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut shell = Command::new("sh");
    let script = format!("exec \"$0\" \"$@\" > {}", out.display());
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_stategate")]);
    let server = Server::run(shell, &dir.path().join("tls"), &["--decision-log", "-", "--drain-delay", "0"]);
    server.post("/validate/fail", &ordinary());
    server.terminate();
    server.end();
    assert_eq!(entries(&std::fs::read_to_string(out).unwrap()).len(), 1);
}

#[test]
fn a_full_disk_delays_nobody_and_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), Path::new("/dev/full"), &[]);
    let body = body("create-statefulset.json");
    for _ in 0..5 {
        assert_eq!(server.post("/validate/fail?timeout=10s", &body).0, 200);
    }
    until("all are dropped", || {
        metric(&server, "stategate_decision_log_dropped_total{reason=\"write_failed\"}") == 5
    });
    assert_eq!(metric(&server, "stategate_decision_log_entries_total"), 0);
    server.terminate();
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    let faults: Vec<&str> = said.lines().filter(|line| line.contains("decision log")).collect();
    assert!(matches!(faults.as_slice(), [one] if one.contains("No space left on device")), "{faults:?}");
}

#[test]
fn a_log_that_nobody_can_write_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_stategate"))
        .args(["serve", "--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0", "--drain-delay", "0"])
        .args(["--log-format", "json", "--tls-dir"])
        .arg(dir.path())
        .env_remove("RUST_LOG")
        .stderr(writer)
        .spawn()
        .unwrap();
    let serving =
        BufReader::new(reader).lines().map_while(Result::ok).find(|line| line.contains("\"serving\""));
    assert!(serving.is_some(), "it says that it serves");
    // Its end is said, too, and nobody reads any more.
    let stopped = Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_pipe_that_nobody_reads_delays_nobody_until_somebody_does() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let server = start(&dir.path().join("tls"), &pipe, &[]);
    let body = ordinary();
    // More than wait: over one connection, since each handshake takes longer than a review.
    let posted = Instant::now();
    let mut answered = 0;
    while metric(&server, "stategate_decision_log_dropped_total{reason=\"queue_full\"}") == 0 {
        for _ in 0..100 {
            assert_eq!(server.post("/validate/fail?timeout=10s", &body).0, 200);
            answered += 1;
        }
        assert!(posted.elapsed() < 4 * PATIENCE, "{answered} requests and nothing is dropped");
    }
    assert!(answered > 1000, "{answered}");
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.contains("stategate_reviews_total"), "{metrics}");

    // Somebody reads: what waited arrives, and what comes after it.
    let (lines, read) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = std::fs::File::open(&pipe).unwrap().read_to_string(&mut text);
        let _ = lines.send(text);
    });
    until("what waited is written", || metric(&server, "stategate_decision_log_entries_total") >= 1000);
    std::thread::sleep(Duration::from_millis(1200));
    server.post("/validate/fail", &body);
    let dropped = metric(&server, "stategate_decision_log_dropped_total");
    server.terminate();
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    let text = read.recv_timeout(PATIENCE).unwrap();
    assert_eq!(entries(&text).len() as u64 + dropped, answered + 1);
    let faults: Vec<&str> = said.lines().filter(|line| line.contains("decision log")).collect();
    assert!(
        matches!(faults.as_slice(), [lost, again]
            if lost.contains("are dropped") && again.contains(&format!("\"dropped\":{dropped}"))),
        "{faults:?}"
    );
}

#[test]
fn a_blocked_log_does_not_keep_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let server = start(&dir.path().join("tls"), &pipe, &[]);
    server.post("/validate/fail", &ordinary());
    let asked = Instant::now();
    server.terminate();
    let (code, said) = server.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

#[test]
fn what_cannot_be_written_at_all_is_an_error_at_the_start() {
    let dir = directory(&[]);
    let missing = dir.path().join("none/log").display().to_string();
    let tls = dir.path().join("tls").display().to_string();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0", "--tls-dir", &tls];
    stategate(&[&serve[..], &["--decision-log", &missing]].concat()).expect(
        2,
        &["cannot write the decision log to", "none/log", "choose another file with --decision-log"],
    );
    stategate(&[&serve[..], &["--decision-log-sample", "0.5"]].concat()).expect(2, &["--decision-log"]);
    stategate(&[&serve[..], &["--decision-log", "-", "--decision-log-sample", "2"]].concat())
        .expect(2, &["from 0 (none) to 1 (all)"]);
}
