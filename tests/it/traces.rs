//! Traces of `serve`, as a collector receives and decodes them.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::collector::{Received, attributes, collector, hex, spans};
use crate::server::{PATIENCE, Server, response};
use crate::support::stategate;
use crate::wire::recorded;

/// Flags and environment of a server that sends its traces soon.
fn start(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
    let arguments = [&["--drain-delay", "0"], arguments].concat();
    Server::start_in(dir, &arguments, &[&[("OTEL_BSP_SCHEDULE_DELAY", "50")], environment].concat())
}

fn post(server: &Server, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let mut stream = server.encrypt(TcpStream::connect(server.address).unwrap(), &[]);
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).and_then(|()| stream.flush()).unwrap();
    response(&mut stream)
}

/// A review of a StatefulSet that is refused. Whatever nobody may learn from a trace has `canary` in it.
fn review() -> Vec<u8> {
    let (_, body) = recorded().into_iter().find(|(file, _)| file.contains("create-statefulset")).unwrap();
    let mut review: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let request = &mut review["request"];
    request["name"] = "canary-name".into();
    request["userInfo"] = serde_json::json!({"username": "canary-user", "groups": ["canary-group"]});
    let object = &mut request["object"];
    object["metadata"]["name"] = "canary-name".into();
    object["metadata"]["labels"] = serde_json::json!({"canary-label": "canary"});
    object["metadata"]["annotations"] = serde_json::json!({"canary/annotation": "canary"});
    let container = &mut object["spec"]["template"]["spec"]["containers"][0];
    container["image"] = "registry.example.com/canary:1".into();
    container["env"] = serde_json::json!([{"name": "CANARY_PASSWORD", "value": "canary"}]);
    serde_json::to_vec(&review).unwrap()
}

/// Waits until spans have been lost for this reason.
fn until_dropped(server: &Server, reason: &str) {
    let name = format!("stategate_trace_spans_dropped_total{{reason=\"{reason}\"}} ");
    let end = Instant::now() + PATIENCE;
    loop {
        let (_, metrics) = server.get("/metrics");
        let lost = metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        if lost != "0" {
            return;
        }
        assert!(Instant::now() < end, "nothing is lost: {reason}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn end(server: Server) -> String {
    server.terminate();
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    log
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[test]
fn a_review_continues_the_trace_of_who_asks_and_tells_nothing_of_the_object() {
    let (url, received) = collector(None);
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("decisions.jsonl").display().to_string();
    let server = start(
        &dir.path().join("tls"),
        &["--otlp-endpoint", &url, "--decision-log", &log],
        &[
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=data"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=rehearsal"),
            ("HOSTNAME", "gate-7"),
        ],
    );
    let traced = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: vendor=1\r\n");
    let (code, answer) = post(&server, "/validate/fail", &traced, &review());
    assert!(code == 200 && answer.contains("\"allowed\":false"), "{answer}");
    // Its caller has decided that this one is not recorded.
    let other = format!("traceparent: 00-{}-{PARENT}-00\r\n", "1".repeat(32));
    assert_eq!(post(&server, "/validate/fail", &other, &review()).0, 200);
    // What cannot be read has a span, too, though there is little to say of it; and so has what is over at once.
    let half = review();
    post(&server, "/validate/ignore", &traced, &half[..half.len() / 2]);
    let (_, metrics) = server.get("/metrics");
    assert!(!metrics.contains(TRACE), "Prometheus' own format has no exemplars");
    let (_, open_metrics) = server.get_as("/metrics", "application/openmetrics-text");
    let exemplar = open_metrics.lines().find(|line| line.contains(TRACE)).unwrap_or(&open_metrics);
    let (sample, trace) = exemplar.split_once(" # ").unwrap_or_default();
    assert!(sample.starts_with("stategate_review_duration_seconds_bucket{"), "{exemplar}");
    assert!(trace.starts_with(&format!("{{trace_id=\"{TRACE}\"}} ")), "{exemplar}");
    let said = end(server);
    assert!(!said.contains("dropped"), "{said}");

    let received: Vec<Received> = received.try_iter().collect();
    for Received { head, body } in &received {
        assert!(head.starts_with("post /v1/traces ") && head.contains("x-tenant: data"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let body = String::from_utf8_lossy(body).to_lowercase();
        assert!(!body.contains("canary") && !body.contains("s3cr3t"), "{body}");
    }
    let first = received[0].decoded();
    let resource = first.resource_spans[0].resource.clone().unwrap();
    let resource = attributes(&resource.attributes);
    assert_eq!((&*resource["service.name"], &*resource["service.instance.id"]), ("stategate", "gate-7"));
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(resource["deployment.environment.name"], "rehearsal");

    let spans: Vec<Span> = spans(&received);
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE), "{spans:?}");
    let review = spans.iter().find(|span| span.name == "POST /validate/fail").unwrap();
    assert_eq!((hex(&review.parent_span_id).as_str(), review.kind()), (PARENT, SpanKind::Server));
    assert_eq!((&*review.trace_state, &review.status), ("vendor=1", &Some(Default::default())));
    let says = attributes(&review.attributes);
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("http.route", "/validate/fail"),
        ("stategate.allowed", "false"),
        ("stategate.answer", "denied"),
        ("stategate.dry_run", "false"),
        ("stategate.kind", "StatefulSet.apps"),
        ("stategate.namespace", "default"),
        ("stategate.operation", "CREATE"),
    ] {
        assert_eq!(says[key], value, "{key}");
    }
    assert!(says["stategate.findings"].parse::<u32>().unwrap() > 1, "{says:?}");
    assert!(says["stategate.denied_by"].contains("secret-no-literal-env"), "{says:?}");
    let digest = &says["stategate.policy_set"];
    assert!(metrics.contains(&format!("policy_set_info{{digest=\"{digest}\"")), "{digest}");
    let mut ended = review.start_time_unix_nano;
    for name in ["receive", "queue", "evaluate"] {
        let mut steps = spans.iter().filter(|span| span.name == name);
        let step = steps.find(|step| step.parent_span_id == review.span_id);
        let step = step.unwrap_or_else(|| panic!("{name}: {spans:?}"));
        assert!(step.start_time_unix_nano >= ended, "{name}");
        assert!(step.end_time_unix_nano >= step.start_time_unix_nano, "{name}");
        ended = step.end_time_unix_nano;
    }
    assert!(ended <= review.end_time_unix_nano);
    let unreadable = spans.iter().find(|span| span.name == "POST /validate/ignore").unwrap();
    assert_eq!(attributes(&unreadable.attributes)["stategate.answer"], "unreadable");

    // The decision log names the traces that there are.
    let entries = std::fs::read_to_string(log).unwrap();
    let entries: Vec<serde_json::Value> =
        entries.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<Option<&str>> = entries.iter().map(|entry| entry["traceId"].as_str()).collect();
    assert_eq!(ids, [Some(TRACE), None, Some(TRACE)]);
}

#[test]
fn who_names_no_trace_begins_one_unless_the_sampler_says_otherwise() {
    for (sampler, some) in [
        (&[][..], true),
        (&[("OTEL_TRACES_SAMPLER", "parentbased_always_off")], false),
        (&[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")], false),
        (&[("OTEL_SDK_DISABLED", "true")], false),
    ] {
        let (url, received) = collector(None);
        let dir = tempfile::tempdir().unwrap();
        let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), ("OTEL_SERVICE_NAME", "gate")];
        let server = start(dir.path(), &[], &[&endpoint, sampler].concat());
        assert_eq!(post(&server, "/mutate", "traceparent: 00-nonsense-01\r\n", &review()).0, 200);
        end(server);
        let received: Vec<Received> = received.try_iter().collect();
        let spans = spans(&received);
        assert_eq!(!spans.is_empty(), some, "{sampler:?}");
        if let Some(review) = spans.iter().find(|span| span.name == "POST /mutate") {
            assert!(
                review.parent_span_id.is_empty() && hex(&review.trace_id) != "0".repeat(32),
                "{review:?}"
            );
            assert!(format!("{:?}", received[0].decoded().resource_spans[0].resource).contains("\"gate\""));
        }
    }
}

#[test]
fn a_collector_of_a_private_authority_is_reached_by_tls() {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    let (url, received) = collector(Some(Arc::new(tls)));
    let dir = tempfile::tempdir().unwrap();
    let authority = crate::support::write(dir.path(), "collector.pem", pair.cert.pem()).display().to_string();
    let endpoint = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*format!("{url}/own/path"));
    let trusted = ("OTEL_EXPORTER_OTLP_CERTIFICATE", &*authority);
    let server = start(&dir.path().join("tls"), &[], &[endpoint, trusted]);
    post(&server, "/validate/fail", "", &review());
    let first = received.recv_timeout(PATIENCE).unwrap();
    assert!(first.head.starts_with("post /own/path "), "{}", first.head);
    assert!(!spans(&[first]).is_empty());
    end(server);
    // Nobody else's certificate is taken.
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let stranger = crate::support::write(dir.path(), "other.pem", &stranger).display().to_string();
    let trusted = ("OTEL_EXPORTER_OTLP_CERTIFICATE", &*stranger);
    let server = start(&dir.path().join("tls"), &[], &[endpoint, trusted]);
    post(&server, "/validate/fail", "", &review());
    until_dropped(&server, "export_failed");
    let log = end(server);
    assert!(log.contains("traces are dropped") && log.contains("certificate"), "{log}");
}

#[test]
fn a_collector_that_is_away_or_silent_delays_nothing() {
    // One takes connections and says nothing, the other one is not there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, reason) in [(silent.local_addr().unwrap(), "queue_full"), (closed, "export_failed")] {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("http://{address}");
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &*url),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
        ];
        let server = start(dir.path(), &[], &environment);
        let body = review();
        for _ in 0..20 {
            let began = Instant::now();
            assert_eq!(post(&server, "/validate/fail", "", &body).0, 200);
            assert!(began.elapsed() < PATIENCE / 3, "{:?}", began.elapsed());
        }
        until_dropped(&server, reason);
        let ending = Instant::now();
        let log = end(server);
        assert!(ending.elapsed() < PATIENCE / 3, "{:?}", ending.elapsed());
        assert_eq!(log.matches("traces are dropped").count(), 1, "{log}");
        assert!(reason != "queue_full" || log.contains("did not take the last traces"), "{log}");
    }
}

#[test]
fn a_flag_that_is_wrong_is_refused_and_a_variable_only_leaves_traces_out() {
    for url in ["collector:4318", "ftp://collector", "http://", ""] {
        let run = stategate(&["serve", "--otlp-endpoint", url]);
        run.expect(2, &["--otlp-endpoint", "http://collector.example.com:4318"]);
    }
    let missing = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent/ca.pem");
    for environment in [
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")][..],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318"), missing],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b\u{7f}")],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let server = start(dir.path(), &[], environment);
        assert_eq!(post(&server, "/validate/fail", "", &review()).0, 200);
        end(server);
    }
}
