//! Liveness, readiness and metrics, on a separate port without TLS.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::drain::ShutdownStage;
use super::routes::App;

/// `/livez`, `/readyz`, `/metrics`.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    if *app.stage.borrow() > ShutdownStage::Open {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    let in_force = app.current.in_force();
    let set = &in_force.set;
    let digest = set.digest().get(..12).unwrap_or_default();
    let fault = match app.current.fault() {
        fault if fault.is_empty() => fault,
        fault => format!("newer policies, bindings or inventory are not in force:\n{fault}\n"),
    };
    let quarantine: String = in_force
        .quarantine
        .policies()
        .iter()
        .map(|policy| format!("policy {policy} is in quarantine: it did not return from its evaluation\n"))
        .collect();
    format!(
        "ready\npolicy set {digest}, profile {}, {} policies\n{fault}{quarantine}",
        set.profile(),
        set.policies().count()
    )
    .into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    match app.metrics.encode() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
