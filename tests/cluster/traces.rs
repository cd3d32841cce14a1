//! Traces: the span of a review is part of the API server's trace.

use crate::collector::{attributes, collector, hex, spans};
use crate::harness::{ApiServer, Stategate};
use crate::{NAIVE, refused, register_and_wait};

#[test]
fn a_review_is_a_span_in_the_trace_of_the_api_server() {
    let dir = tempfile::tempdir().unwrap();
    let api = ApiServer::start_traced();
    let (url, received) = collector(None);
    let mut gate = Stategate::start(dir.path(), &["--otlp-endpoint", &url, "--drain-delay", "0"]);
    register_and_wait(&api, &gate);
    refused(&api.kubectl("dev").run(&["create", "-f", "-"], NAIVE), &["volume-no-emptydir-data"]);
    assert!(gate.stop().success(), "{}", gate.log());

    let received: Vec<_> = received.try_iter().collect();
    assert!(received.iter().all(|one| one.head.starts_with("post /v1/traces ")));
    let reviews: Vec<_> =
        spans(&received).into_iter().filter(|span| span.name.starts_with("POST ")).collect();
    let refused = reviews.iter().find(|span| {
        let says = attributes(&span.attributes);
        says["stategate.kind"] == "StatefulSet.apps"
            && says["stategate.dry_run"] == "false"
            && says["stategate.answer"] == "denied"
    });
    let refused = refused.unwrap_or_else(|| panic!("{reviews:#?}"));
    println!("{refused:#?}");
    assert_eq!(hex(&refused.parent_span_id).len(), 16, "it begins a trace of its own");
    // The webhook that patches was asked about the same request before.
    let one_trace =
        |name: &str| reviews.iter().any(|span| span.name == name && span.trace_id == refused.trace_id);
    assert!(one_trace("POST /mutate"), "{reviews:#?}");
}
