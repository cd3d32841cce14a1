//! `serve` asks the interpreter what compiled rules have answered. That it finds a wrong answer is shown in
//! `src/evaluators/shadow.rs`, with a builtin that answers wrongly.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{PATIENCE, Server};
use crate::support::{directory, stategate};
use crate::wire::recorded;

/// The sum of what is counted under a name that begins like this.
fn metric(server: &Server, name: &str) -> u64 {
    let (_, metrics) = server.get("/metrics");
    let values =
        metrics.lines().filter_map(|line| line.strip_prefix(name)?.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

fn compared(server: &Server, result: &str) -> u64 {
    metric(server, &format!("stategate_shadow_comparisons_total{{result=\"{result}\"}}"))
}

/// The nice values of the threads with a name that begins like this.
fn priorities(server: &Server, name: &str) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let stats =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let nice = |stat: String| -> Option<i32> {
        let (head, fields) = stat.rsplit_once(") ")?;
        let (_, thread) = head.split_once('(')?;
        fields.split(' ').nth(16).filter(|_| thread.starts_with(name))?.parse().ok()
    };
    stats.filter_map(nice).collect()
}

fn ask_all(server: &Server) {
    for (file, body) in recorded() {
        for path in ["/validate/fail?timeout=30s", "/mutate?timeout=30s"] {
            let (code, answer) = server.post(path, &body);
            assert_eq!(code, 200, "{file}: {answer}");
        }
    }
}

#[test]
fn the_interpreter_agrees_with_every_answer_to_the_recorded_reviews() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--shadow-sample", "1", "--drain-delay", "0"]);
    ask_all(&server);
    let evaluated = metric(&server, "stategate_policy_evaluation_duration_seconds_count");
    assert!(evaluated > 300, "{evaluated}");
    // The whole catalogue is compiled. On a busy machine that thread gets little of it: it must go on, not be fast.
    let (mut last, mut until) = (0, Instant::now() + PATIENCE);
    while last < evaluated {
        let now = metric(&server, "stategate_shadow_comparisons_total");
        assert_eq!(metric(&server, "stategate_shadow_dropped_total"), 0);
        assert!(Instant::now() < until, "{now} of {evaluated}");
        if now > last {
            (last, until) = (now, Instant::now() + PATIENCE);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        (compared(&server, "same"), compared(&server, "different"), compared(&server, "undecided")),
        (evaluated, 0, 0)
    );
    assert_eq!(metric(&server, "stategate_shadow_differences_total"), 0);
    assert_eq!(priorities(&server, "evaluate-shadow"), [19]);
    assert!(priorities(&server, "evaluate-").iter().any(|nice| *nice < 19), "only that thread gives way");
    let ready = server.get("/readyz").1;
    assert!(!ready.contains("left to the interpreter"), "{ready}");
    server.terminate();
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("another answer") && !log.contains("panicked"), "{log}");
}

/// Tens of thousands of ways to add five digits, which are more work for the interpreter than for the compiled rule.
const SLOW: &str = r#"# METADATA
# title: Slow
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [PersistentVolumeClaim]}, fix: F}
package stategate.own.slow

digits := [0, 1, 2, 3, 4, 5, 6, 7]

violation contains v if {
	some a in digits
	some b in digits
	some c in digits
	some d in digits
	some e in digits
	a + b + c + d + e > 45
	v := {"msg": "it cannot be", "path": []}
}
"#;

#[test]
fn the_process_ends_without_waiting_for_comparisons() {
    let policies = directory(&[("own/slow/slow.rego", SLOW)]);
    let dir = tempfile::tempdir().unwrap();
    let path = policies.path().to_str().unwrap();
    let flags = ["--policies", path, "--shadow-sample", "1", "--drain-delay", "0"];
    let server = Server::start(dir.path(), &flags);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "one", "operation": "CREATE", "name": "data", "namespace": "shop",
        "kind": {"group": "", "version": "v1", "kind": "PersistentVolumeClaim"},
        "resource": {"group": "", "version": "v1", "resource": "persistentvolumeclaims"},
        "userInfo": {"username": "dev"}, "object": {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}});
    for _ in 0..60 {
        assert_eq!(server.post("/validate/fail?timeout=30s", review.to_string().as_bytes()).0, 200);
    }
    let evaluated = metric(&server, "stategate_policy_evaluation_duration_seconds_count");
    let compared = metric(&server, "stategate_shadow_comparisons_total");
    println!("{compared} of {evaluated} compared");
    assert!(compared < evaluated, "something is left to compare");
    server.terminate();
    let began = Instant::now();
    let (code, log) = server.end();
    println!("ended after {:?}", began.elapsed());
    assert!(
        code == Some(0) && began.elapsed() < Duration::from_secs(10),
        "{code:?} {:?} {log}",
        began.elapsed()
    );
}

#[test]
fn nothing_is_compared_if_nothing_is_to_be() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [["--shadow-sample", "0"], ["--engine", "interpreter"]] {
        let server = Server::start(dir.path(), &[&arguments[..], &["--drain-delay", "0"]].concat());
        ask_all(&server);
        assert!(metric(&server, "stategate_policy_evaluation_duration_seconds_count") > 300);
        assert_eq!(metric(&server, "stategate_shadow_comparisons_total"), 0, "{arguments:?}");
        server.terminate();
        assert_eq!(server.end().0, Some(0));
    }
    stategate(&["serve", "--shadow-sample", "1.5"])
        .expect(2, &["--shadow-sample", "from 0 (none) to 1 (all)"]);
}
