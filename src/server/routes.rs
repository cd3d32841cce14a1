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
use super::reload::Current;
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
    pub current: Arc<Current>,
    pub inventory: Arc<Inventory>,
    pub evaluators: Evaluators,
    pub metrics: Arc<Metrics>,
    pub draining: Arc<AtomicBool>,
    pub max_body: usize,
    /// KiB of bodies that may be in memory at once.
    pub room: tokio::sync::Semaphore,
}

/// Which webhook asks. The path only names it: whichever is asked judges the whole policy set.
#[derive(Clone, Copy)]
struct Webhook {
    name: &'static str,
    phase: Phase,
    /// Is it registered with `Fail`, so that an answer counts even if no policy could be asked?
    patient: bool,
}

/// The routes of the webhook.
pub fn webhook(app: Arc<App>) -> Router {
    let door = |name, phase, patient| {
        let webhook = Webhook { name, phase, patient };
        post(move |State(app): State<Arc<App>>, request: HttpRequest| async move {
            answer(&app, webhook, request).await
        })
    };
    Router::new()
        .route("/validate/fail", door("validate/fail", Phase::Validating, true))
        .route("/validate/ignore", door("validate/ignore", Phase::Validating, false))
        .route("/mutate", door("mutate", Phase::Mutating, false))
        .with_state(app)
}

async fn answer(app: &Arc<App>, webhook: Webhook, http: HttpRequest) -> HttpResponse {
    let started = Instant::now();
    let deadline = started + time_to_answer(http.uri());
    let unreadable = |bad: BadReview, status: StatusCode| {
        app.metrics.review(webhook.name, "", Answer::Unreadable, started.elapsed());
        // Not the message: it may quote the body.
        info!(uid = bad.uid, webhook = webhook.name, status = status.as_u16(), "unreadable review");
        match &bad.uid {
            Some(uid) => reply(uid, &wire::refusal(&bad)),
            None => (status, format!("{}\n", bad.message)).into_response(),
        }
    };
    // What a body may take is set aside before it is read, so that many at once stay within bounds.
    let wanted = length(&http).unwrap_or(app.max_body).min(app.max_body);
    let Ok(_room) = app.room.try_acquire_many(permits(wanted)) else {
        app.metrics.review(webhook.name, "", Answer::Shed, started.elapsed());
        return (StatusCode::TOO_MANY_REQUESTS, "too many bodies are being read; try again\n")
            .into_response();
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
    let set = app.current.set();
    let (decision, answer) = if set.matches(&request) {
        match judge(app, &set, webhook, &request, deadline).await {
            Ok(judged) => judged,
            Err(unanswered) => {
                let (answer, unanswered) = *unanswered;
                app.metrics.review(webhook.name, request.operation.as_str(), answer, started.elapsed());
                return unanswered;
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
    set: &Arc<PolicySet>,
    webhook: Webhook,
    request: &Arc<Request>,
    deadline: Instant,
) -> Result<(Decision, Option<Answer>), Box<(Answer, HttpResponse)>> {
    // Time is data to the decision; this is where it comes from.
    let now = jiff::Timestamp::now();
    let job = {
        let (app, set, request) = (Arc::clone(app), Arc::clone(set), Arc::clone(request));
        move || review(&set, &app.inventory, &request, now)
    };
    let unanswered = |answer: Answer, status: StatusCode, reason: &str| {
        Err(Box::new((answer, (status, format!("{reason}\n")).into_response())))
    };
    let Ok(waiting) = app.evaluators.submit(deadline, job) else {
        return unanswered(
            Answer::Shed,
            StatusCode::TOO_MANY_REQUESTS,
            "too many reviews are waiting; try again",
        );
    };
    // Under Fail the bindings say what follows, and the user reads which policies were not asked. Where
    // stategate's absence may stop nothing, its slowness may not either: the failurePolicy decides.
    let late = |reason: &str, answer: Answer| match webhook.patient {
        true => Ok((undecided(set, &app.inventory, request, reason), Some(answer))),
        false => unanswered(answer, StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    match tokio::time::timeout_at(deadline.into(), waiting).await {
        Ok(Ok(decision)) => Ok((decision, None)),
        // The thread dropped the job: it panicked, or its time ran out in the queue.
        Ok(Err(_)) if Instant::now() < deadline => late("its evaluation broke off", Answer::Broken),
        Ok(Err(_)) | Err(_) => late("there was no time left to ask it", Answer::TimedOut),
    }
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

/// Room for bodies is counted in KiB.
pub fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

fn length(http: &HttpRequest) -> Option<usize> {
    http.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
        set_aside = decision.set_aside.map(crate::decision::SetAside::as_str),
        milliseconds = took.as_secs_f64() * 1000.0,
        "review"
    );
}
