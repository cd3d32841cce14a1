//! The three doors of the webhook, and the way of a body through them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::post;
use http_body_util::BodyExt as _;
use tracing::info;

use super::evaluators::Evaluators;
use crate::admission::wire::{self, BadReview, Response};
use crate::admission::{Phase, Request};
use crate::decision::Decision;
use crate::decision::answer::respond;
use crate::inventory::Inventory;
use crate::policy::Action;
use crate::policyset::PolicySet;
use crate::review::{review, undecided};
use crate::telemetry::metrics::{Answer, Metrics};
use crate::workload::schedule::duration_seconds;

/// What the API server waits if it does not say: its own default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What every request needs.
pub struct App {
    pub set: Arc<PolicySet>,
    pub inventory: Arc<Inventory>,
    pub evaluators: Evaluators,
    pub metrics: Arc<Metrics>,
    pub draining: Arc<AtomicBool>,
    pub max_body: usize,
}

/// Which webhook asks. The path only names it: whichever is asked judges the whole policy set.
#[derive(Clone, Copy)]
struct Webhook {
    name: &'static str,
    phase: Phase,
}

/// The routes of the webhook.
pub fn webhook(app: Arc<App>) -> Router {
    let door = |name, phase| {
        let webhook = Webhook { name, phase };
        post(move |State(app): State<Arc<App>>, request: HttpRequest| async move {
            answer(&app, webhook, request).await
        })
    };
    Router::new()
        .route("/validate/fail", door("validate/fail", Phase::Validating))
        .route("/validate/ignore", door("validate/ignore", Phase::Validating))
        .route("/mutate", door("mutate", Phase::Mutating))
        .with_state(app)
}

async fn answer(app: &Arc<App>, webhook: Webhook, http: HttpRequest) -> HttpResponse {
    let started = Instant::now();
    let deadline = started + time_to_answer(http.uri());
    let unreadable = |bad: BadReview, status: StatusCode| {
        app.metrics.review(webhook.name, "", Answer::Unreadable, started.elapsed());
        info!(uid = bad.uid, webhook = webhook.name, error = bad.message, "unreadable review");
        match &bad.uid {
            Some(uid) => reply(uid, &wire::refusal(&bad)),
            None => (status, format!("{}\n", bad.message)).into_response(),
        }
    };
    let body = match read(http.into_body(), app.max_body, deadline).await {
        Ok(body) => body,
        Err(Unread { message, status, start }) => {
            return unreadable(BadReview { uid: wire::recover_uid(&start), message }, status);
        }
    };
    let request = match wire::decode(&body, webhook.phase) {
        Ok(request) => Arc::new(request),
        Err(bad) => return unreadable(bad, StatusCode::BAD_REQUEST),
    };
    let (decision, answer) = if app.set.matches(&request) {
        match judge(app, &request, deadline).await {
            Ok(judged) => judged,
            Err(busy) => {
                app.metrics.review(webhook.name, request.operation.as_str(), Answer::Shed, started.elapsed());
                return busy;
            }
        }
    } else {
        (Decision::default(), None)
    };
    let response = respond(&request, &decision);
    let answer = answer.unwrap_or(if response.allowed { Answer::Allowed } else { Answer::Denied });
    app.metrics.review(webhook.name, request.operation.as_str(), answer, started.elapsed());
    app.metrics.decision(&decision);
    log(webhook, &request, &decision, &response, started.elapsed());
    reply(&request.uid, &response)
}

/// On a thread of its own, unless the time runs out or too many wait already.
async fn judge(
    app: &Arc<App>,
    request: &Arc<Request>,
    deadline: Instant,
) -> Result<(Decision, Option<Answer>), HttpResponse> {
    // Time is data to the decision; this is where it comes from.
    let now = jiff::Timestamp::now();
    let job = {
        let (app, request) = (Arc::clone(app), Arc::clone(request));
        move || review(&app.set, &app.inventory, &request, now)
    };
    let waiting = app.evaluators.submit(deadline, job).map_err(|_| {
        (StatusCode::TOO_MANY_REQUESTS, "too many reviews are waiting; try again\n").into_response()
    })?;
    let late = |reason: &str| undecided(&app.set, &app.inventory, request, reason);
    Ok(match tokio::time::timeout_at(deadline.into(), waiting).await {
        Ok(Ok(decision)) => (decision, None),
        // The thread dropped the job: it panicked, or its time ran out in the queue.
        Ok(Err(_)) if Instant::now() < deadline => (late("its evaluation broke off"), Some(Answer::Broken)),
        Ok(Err(_)) | Err(_) => (late("there was no time left to ask it"), Some(Answer::TimedOut)),
    })
}

/// The API server's own limit, less a margin for the way back.
fn time_to_answer(uri: &Uri) -> Duration {
    let asked = uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| pair.strip_prefix("timeout="))
        .and_then(|text| duration_seconds(text).ok())
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| (1..=30).contains(seconds))
        .map_or(TIMEOUT, Duration::from_secs);
    asked - (asked / 10).clamp(Duration::from_millis(100), Duration::from_millis(500))
}

/// A body that could not be read whole.
struct Unread {
    message: String,
    status: StatusCode,
    /// What came of it.
    start: Vec<u8>,
}

async fn read(body: Body, limit: usize, deadline: Instant) -> Result<Bytes, Unread> {
    let mut body = body;
    let mut bytes = Vec::new();
    loop {
        let frame = match tokio::time::timeout_at(deadline.into(), body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(bytes.into()),
            Ok(Some(Err(error))) => {
                let message = format!("the body was cut off after {} bytes: {error}", bytes.len());
                return Err(Unread { message, status: StatusCode::BAD_REQUEST, start: bytes });
            }
            Err(_) => {
                let message = format!("the body did not arrive in time: {} bytes", bytes.len());
                return Err(Unread { message, status: StatusCode::REQUEST_TIMEOUT, start: bytes });
            }
        };
        if let Ok(data) = frame.into_data() {
            let room = limit.saturating_sub(bytes.len());
            bytes.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
            if data.len() > room {
                let message = format!("the body is larger than {} MiB", limit >> 20);
                return Err(Unread { message, status: StatusCode::PAYLOAD_TOO_LARGE, start: bytes });
            }
        }
    }
}

fn reply(uid: &str, response: &Response) -> HttpResponse {
    match wire::encode(uid, response) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Who asked what, and what came of it; nothing of the object but its name.
fn log(webhook: Webhook, request: &Request, decision: &Decision, response: &Response, took: Duration) {
    let ids = |action: Action| {
        let mut ids: Vec<&str> =
            decision.findings.iter().filter(|f| f.action == action).map(|f| f.policy.as_str()).collect();
        ids.dedup();
        ids.join(",")
    };
    let failures: Vec<&str> = decision.failures.iter().map(|failure| failure.policy.as_str()).collect();
    let patched = decision.patch.iter().flat_map(|patch| &patch.policies);
    info!(
        uid = request.uid,
        webhook = webhook.name,
        operation = request.operation.as_str(),
        group = request.resource.group,
        resource = request.resource.resource,
        subresource = request.subresource,
        namespace = request.namespace,
        name = request.name(),
        user = request.user.username,
        dry_run = request.dry_run,
        allowed = response.allowed,
        deny = ids(Action::Deny),
        warn = ids(Action::Warn),
        audit = ids(Action::Audit),
        failed = failures.join(","),
        patched = patched.map(crate::policy::PolicyId::as_str).collect::<Vec<_>>().join(","),
        evaluated = decision.evaluated,
        milliseconds = took.as_secs_f64() * 1000.0,
        "review"
    );
}
