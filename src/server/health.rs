//! Liveness, readiness, metrics and the status for people, on a separate port without TLS.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use super::drain::ShutdownStage;
use super::reports::Auditor;
use super::routes::App;
use super::status;
use crate::cluster::LiveInventory;
use crate::telemetry::exposition::Exposition;

/// Between two looks at whether this replica is ready.
const LOOK: Duration = Duration::from_millis(250);

/// `/livez`, `/readyz`, `/metrics`, and pages for people: `/` and `/audit`.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/", get(status::page))
        .route("/audit", get(status::audit))
        .fallback(status::unknown)
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let verbose = query.is_some_and(|query| query.split('&').any(|key| key == "verbose"));
    let inventory = app.live.iter().map(|live| inventory(live, verbose)).collect::<String>();
    if let Some(what) = waits_for(&app) {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n{inventory}")).into_response();
    }
    let in_force = app.current.in_force();
    let set = &in_force.set;
    let digest = set.digest().get(..12).unwrap_or_default();
    let pending = app.current.pending();
    let pending = match pending.as_slice() {
        [] => String::new(),
        documents => format!("not in force yet, still being tested: {}\n", documents.join(", ")),
    };
    let fault = match app.current.fault() {
        fault if fault.is_empty() => fault,
        fault => format!("newer policies, bindings or inventory are not in force:\n{fault}\n"),
    };
    let quarantined = in_force.quarantine.policies().into_iter();
    let quarantined = quarantined
        .map(|policy| format!("policy {policy} is in quarantine: it did not return from its evaluation\n"));
    let distrusted = in_force.quarantine.distrusted().into_iter();
    let distrusted = distrusted.map(|policy| {
        format!("policy {policy} is left to the interpreter: its compiled rules gave another answer\n")
    });
    let quarantine: String = quarantined.chain(distrusted).collect();
    let certificate = if verbose { app.serving.describe(jiff::Timestamp::now()) } else { String::new() };
    let mut duties =
        app.auditor.iter().filter(|_| verbose).map(|auditor| duties(auditor)).collect::<String>();
    if let Some(keeper) = app.webhooks.as_ref().filter(|_| verbose) {
        duties.push_str(&format!("webhook configurations: {}\n", keeper.describe()));
    }
    format!(
        "ready\npolicy set {digest}, profile {}, {} policies\n{pending}{fault}{quarantine}{certificate}{duties}{inventory}",
        set.profile(),
        set.policies().count()
    )
    .into_response()
}

/// What is still missing for requests to be answered as they should be; none if this replica is ready.
pub fn waits_for(app: &App) -> Option<&'static str> {
    if *app.stage.borrow() > ShutdownStage::Open {
        return Some("draining");
    }
    if !app.serving.is_there() {
        return Some("waiting for a certificate");
    }
    let settled = app.live.as_ref().is_none_or(|live| live.is_settled() && app.current.has_documents());
    (!settled && tokio::time::Instant::now() < app.settled_by).then_some("loading the inventory")
}

/// Says whether this replica is ready, whenever that changes, for as long as somebody wants to know.
pub async fn follow_readiness(app: Arc<App>, ready: watch::Sender<bool>) {
    while !ready.is_closed() {
        let now = waits_for(&app).is_none();
        ready.send_if_modified(|before| std::mem::replace(before, now) != now);
        tokio::time::sleep(LOOK).await;
    }
}

/// What this replica does that only one may do.
fn duties(auditor: &Auditor) -> String {
    let lease = if auditor.lease.is_held() { "lease: held\n" } else { "lease: not held\n" };
    match auditor.every {
        Some(_) => format!("{lease}policy reports: {}\n", auditor.describe()),
        None => lease.to_owned(),
    }
}

/// What is known of the cluster: each kind if asked for, else those that are not complete.
fn inventory(live: &LiveInventory, verbose: bool) -> String {
    let all = live.status().into_iter().filter(|(_, status)| verbose || !status.complete);
    let lines: String = all.map(|(kind, status)| format!("inventory {kind}: {status}\n")).collect();
    if verbose { format!("inventory of {}\n{lines}", live.cluster().name()) } else { lines }
}

async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Exposition::accepted(accept.unwrap_or_default());
    if let Some(live) = &app.live {
        app.metrics.clear_inventory();
        for (kind, status) in live.status() {
            app.metrics.inventory(&kind.to_string(), status.objects, status.complete, status.age);
        }
    }
    match app.metrics.encode(format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
