//! The three routes of the webhook, and how they process a body.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use axum::routing::post;
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

use super::activity::InFlight;
use super::body::{self, BodyError, BodyErrorKind, MemoryBudget, RequestBody, Reservation};
use super::decisions::{Recorder, Undecided};
use super::documents;
use super::drain::ShutdownStage;
use super::reload::Current;
use super::reports::Auditor;
use super::tls::Serving;
use super::traces::{RequestSpan, Traces};
use super::webhooks::Keeper;
use crate::admission::wire::{self, BadReview, Response};
use crate::admission::{Request, ReviewMode};
use crate::cluster::{Events, LiveInventory};
use crate::decision::Decision;
use crate::decision::answer::respond;
use crate::evaluators::{EvaluationPool, InForce, NotEvaluated, PendingRequest};
use crate::plain;
use crate::policy::Action;
use crate::source::cluster_policies::ClusterPolicies;
use crate::source::policies::PolicySource;
use crate::telemetry::decision_log::DecisionLog;
use crate::telemetry::metrics::{Answer, Metrics};
use crate::workload::schedule::duration_seconds;

/// The API server's default timeout, used if a request does not state one.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The API server's maximum timeout.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);

/// Shorter than any read from the API server.
const MOMENT: Duration = Duration::from_micros(100);

/// State shared by all requests.
pub struct App {
    pub current: Arc<Current>,
    pub evaluators: Arc<EvaluationPool>,
    pub metrics: Arc<Metrics>,
    pub budget: MemoryBudget,
    pub stage: watch::Receiver<ShutdownStage>,
    /// The cluster, if its objects are followed.
    pub live: Option<LiveInventory>,
    /// Where the policies come from that are no part of the cluster.
    pub policies: PolicySource,
    /// What is known of the Policies, bindings and exceptions of the cluster.
    pub cluster_policies: Arc<ClusterPolicies>,
    /// Reviews of those that may go on at once.
    pub documents: Arc<Semaphore>,
    /// The audit in the background, with the lease, if there is a cluster to write to.
    pub auditor: Option<Arc<Auditor>>,
    /// Who looks after the webhook configurations, if anybody does.
    pub webhooks: Option<Arc<Keeper>>,
    /// The certificate in force.
    pub serving: Arc<Serving>,
    /// Where decisions are written, if anywhere.
    pub decision_log: Option<Arc<DecisionLog>>,
    /// What sends traces, if anything does.
    pub traces: Option<Arc<Traces>>,
    /// What tells the cluster of refusals, if anything does.
    pub events: Option<Events>,
    /// Names this process on the status page.
    pub host: String,
    /// When readiness no longer waits for the first complete inventory.
    pub settled_by: tokio::time::Instant,
}

/// The webhook that was called. Every webhook reviews with the whole policy set.
#[derive(Clone, Copy)]
struct Webhook {
    name: &'static str,
    mode: ReviewMode,
    /// Whether it is registered with `failurePolicy: Fail`, so that a response is useful even if no policy
    /// could be evaluated.
    fail_closed: bool,
}

/// The routes of the webhook.
pub fn webhook(app: Arc<App>) -> Router {
    let route = |name, mode, fail_closed| {
        let webhook = Webhook { name, mode, fail_closed };
        post(move |State(app): State<Arc<App>>, request: HttpRequest| async move {
            let span = RequestSpan::begin(app.traces.as_ref(), webhook.name, request.headers());
            let answer = answer(&app, webhook, request, &span).await;
            span.answered(answer.status());
            answer
        })
    };
    Router::new()
        .route("/validate/fail", route("validate/fail", ReviewMode::Validate, true))
        .route("/validate/ignore", route("validate/ignore", ReviewMode::Validate, false))
        .route("/mutate", route("mutate", ReviewMode::Mutate, false))
        .with_state(app)
}

/// A request and its share of the memory for bodies, which is released together with it.
struct PendingReview {
    request: Request,
    /// When an evaluation thread took it.
    taken: OnceLock<Instant>,
    _memory: Reservation,
}

impl PendingRequest for PendingReview {
    fn request(&self) -> &Request {
        &self.request
    }

    fn taken(&self) {
        self.taken.get_or_init(Instant::now);
    }
}

async fn answer(app: &Arc<App>, webhook: Webhook, http: HttpRequest, span: &RequestSpan) -> HttpResponse {
    let started = Instant::now();
    let deadline = started + time_to_answer(http.uri());
    let recorder = Recorder::new(app, webhook.name, started, span);
    let count = |operation, kind: &str, answer| {
        app.metrics.review(webhook.name, operation, kind, answer, started.elapsed(), span.trace_id());
    };
    let unreadable = |bad: BadReview, status: StatusCode| {
        count("", "", Answer::Unreadable);
        let uid = bad.uid.as_deref().unwrap_or_default();
        recorder.undecided(&Undecided { answer: Answer::Unreadable, uid, request: None, reason: None });
        warn!(uid = bad.uid, webhook = webhook.name, error = unquoted(&bad.message), "unreadable review");
        match &bad.uid {
            Some(uid) => reply(uid, &wire::refusal(&bad)),
            None => (status, format!("{}\n", plain::line(&bad.message))).into_response(),
        }
    };
    let shed = |request: Option<&Request>, message: String| {
        let operation = request.map_or("", |request| request.operation.as_str());
        let kind = request.map(|request| request.kind.group_kind().to_string()).unwrap_or_default();
        count(operation, &kind, Answer::Shed);
        let uid = request.map_or("", |request| request.uid.as_str());
        recorder.undecided(&Undecided { answer: Answer::Shed, uid, request, reason: Some(&message) });
        warn!(webhook = webhook.name, operation, reason = message, "review shed");
        (StatusCode::TOO_MANY_REQUESTS, format!("{message}\n")).into_response()
    };
    let RequestBody { bytes, mut share } = match receive(app, http, deadline).await {
        Ok(whole) => whole,
        Err(BodyError { why: BodyErrorKind::NoRoom, message, .. }) => return shed(None, message),
        Err(BodyError { why, message, beginning }) => {
            return unreadable(BadReview::new(wire::recover_uid(&beginning), message), why.status());
        }
    };
    span.step("receive", started, Instant::now());
    let request = match wire::decode(&bytes) {
        Ok(request) => request,
        Err(bad) => return unreadable(bad, StatusCode::BAD_REQUEST),
    };
    if let Some(keeper) = &app.webhooks {
        keeper.note_review();
    }
    if let Some(kind) = documents::kind(&request) {
        let response = match webhook.mode {
            ReviewMode::Mutate => Response { allowed: true, ..Response::default() },
            _ => documents::review(app, &request, kind, deadline).await,
        };
        let answer = if response.allowed { Answer::Allowed } else { Answer::Denied };
        let kind = kind.group_kind().to_string();
        count(request.operation.as_str(), &kind, answer);
        recorder.decided(&request, answer, &Decision::default(), &response, None);
        log(webhook, &request, &Decision::default(), &response, started.elapsed());
        return reply(&request.uid, &response);
    }
    let in_force = app.current.in_force();
    let matches = in_force.set.matches(&request);
    // A client may ask about any number of kinds.
    let scope = in_force.set.scope(&request).filter(|_| matches);
    let kind = scope.map_or_else(|| "other".to_owned(), |scope| scope.kind.to_string());
    if matches && !share.review(&app.budget, bytes.len()) {
        return shed(Some(&request), "too many large reviews are waiting; try again".to_owned());
    }
    drop(bytes);
    let pending = Arc::new(PendingReview { request, taken: OnceLock::new(), _memory: share });
    let request = &pending.request;
    let operation = request.operation.as_str();
    let (decision, answer) = if matches {
        match review(app, &in_force, webhook, &pending, deadline, span).await {
            Ok(reviewed) => reviewed,
            Err(Unanswered { answer: Answer::Shed, reason }) => {
                return shed(Some(request), reason.to_owned());
            }
            Err(Unanswered { answer, reason }) => {
                count(operation, &kind, answer);
                let uid = request.uid.as_str();
                let undecided = Undecided { answer, uid, request: Some(request), reason: Some(reason) };
                recorder.undecided(&undecided);
                warn!(uid = request.uid, webhook = webhook.name, operation, reason, "review not answered");
                return (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response();
            }
        }
    } else {
        (Decision::default(), None)
    };
    let response = respond(request, webhook.mode, &decision);
    let answer = answer.unwrap_or(if response.allowed { Answer::Allowed } else { Answer::Denied });
    count(operation, &kind, answer);
    app.metrics.decision(&request.namespace, &decision);
    recorder.decided(request, answer, &decision, &response, Some(&in_force.set));
    if let Some(events) = app.events.as_ref().filter(|_| !response.allowed) {
        events.refused(request, &decision);
    }
    log(webhook, request, &decision, &response, started.elapsed());
    reply(&request.uid, &response)
}

/// Reads the body, unless the connection must make room for others meanwhile.
async fn receive(app: &App, http: HttpRequest, deadline: Instant) -> Result<RequestBody, BodyError> {
    let said = http.headers().get(header::CONTENT_LENGTH).and_then(|said| said.to_str().ok()?.parse().ok());
    let in_flight = http.extensions().get::<Arc<InFlight>>().cloned();
    let read = body::read(http.into_body(), said, &app.budget, deadline);
    let Some(in_flight) = in_flight else { return read.await };
    let body = tokio::select! {
        biased;
        read = read => read?,
        () = in_flight.evicted() => return Err(BodyError::evicted()),
    };
    in_flight.working();
    Ok(body)
}

/// There is no decision, so the failurePolicy decides.
struct Unanswered {
    answer: Answer,
    reason: &'static str,
}

/// Reviews the request on an evaluation thread, unless the time runs out or too many are already waiting.
async fn review(
    app: &Arc<App>,
    in_force: &Arc<InForce>,
    webhook: Webhook,
    pending: &Arc<PendingReview>,
    deadline: Instant,
    span: &RequestSpan,
) -> Result<(Decision, Option<Answer>), Unanswered> {
    let asked = Instant::now();
    let refreshed = match &app.live {
        Some(live) => live.refreshed(&in_force.set, &in_force.inventory, &pending.request, deadline).await,
        None => None,
    };
    let in_force = &match refreshed {
        Some(inventory) => Arc::new(in_force.for_one_request(inventory)),
        None => Arc::clone(in_force),
    };
    let queued = Instant::now();
    if queued - asked > MOMENT {
        span.step("refresh", asked, queued);
    }
    // The review takes the time as an argument; it is read here.
    let now = jiff::Timestamp::now();
    let mut reviewed =
        app.evaluators.review(in_force, Arc::clone(pending), webhook.mode, now, deadline).await;
    let taken = pending.taken.get().copied();
    span.step("queue", queued, taken.unwrap_or_else(Instant::now));
    let evaluated = Instant::now();
    if let Some(taken) = taken {
        span.step("evaluate", taken, evaluated);
    }
    let looked_up = match (&reviewed, &app.live) {
        (Ok(decision), Some(live)) if webhook.mode.validates() => {
            live.looked_up(&in_force.set, &in_force.inventory, &pending.request, decision, deadline).await
        }
        _ => None,
    };
    let read = Instant::now();
    if read - evaluated > MOMENT {
        span.step("refresh", evaluated, read);
    }
    if let (Ok(decision), Some(inventory)) = (&reviewed, looked_up) {
        let in_force = Arc::new(in_force.for_one_request(inventory));
        let again = app.evaluators.review(&in_force, Arc::clone(pending), webhook.mode, now, deadline).await;
        span.step("evaluate", read, Instant::now());
        // In doubt, the first decision stands: nothing is allowed because something could not be evaluated this time.
        let is_whole = |again: &Decision| {
            again.failures.iter().all(|failure| decision.failures.contains(failure))
                && again.unknown.iter().all(|unknown| decision.unknown.contains(unknown))
        };
        if let Ok(again) = again
            && is_whole(&again)
        {
            reviewed = Ok(again);
        }
    }
    let error = match reviewed {
        Ok(decision) => return Ok((decision, None)),
        Err(error) => error,
    };
    let reason = error.reason();
    let answer = match error {
        NotEvaluated::QueueFull => return Err(Unanswered { answer: Answer::Shed, reason }),
        NotEvaluated::Broken(_) => Answer::Broken,
        NotEvaluated::TimedOut => Answer::TimedOut,
    };
    // The bindings decide, and the user sees which policies were not evaluated. Under Ignore, slowness must not
    // block a request, just as an outage must not: the failurePolicy decides. A review that broke off is no
    // slowness, and an object must not pass because it broke one.
    match webhook.fail_closed || answer == Answer::Broken {
        true => Ok((in_force.undecided(&pending.request, webhook.mode, &error), Some(answer))),
        false => Err(Unanswered { answer, reason }),
    }
}

/// The API server's timeout, minus a margin for sending the response.
fn time_to_answer(uri: &Uri) -> Duration {
    let asked = uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| pair.strip_prefix("timeout="))
        .and_then(go_duration)
        .filter(|asked| !asked.is_zero() && *asked <= MAX_TIMEOUT)
        .unwrap_or(TIMEOUT);
    asked - (asked / 10).clamp(Duration::from_millis(100), Duration::from_millis(500)).min(asked / 2)
}

/// Parses `7s`, `1m30s`, `500ms`. Milliseconds are only supported alone: the API server sends no fractions of
/// a second.
fn go_duration(text: &str) -> Option<Duration> {
    if let Some(milliseconds) = text.strip_suffix("ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    duration_seconds(text).ok().and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}

/// Removes quoted values from a message: an error quotes the value that caused it, which is part of a body.
/// The client may see it, the log must not.
fn unquoted(message: &str) -> String {
    let mut text = message.to_owned();
    for quote in ['"', '`'] {
        if let (Some(first), Some(last)) = (text.find(quote), text.rfind(quote))
            && first < last
        {
            text.replace_range(first + 1..last, "…");
        }
    }
    text
}

fn reply(uid: &str, response: &Response) -> HttpResponse {
    match wire::encode(uid, response) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Logs the request, its user and the outcome; of the object only the name.
fn log(webhook: Webhook, request: &Request, decision: &Decision, response: &Response, took: Duration) {
    let ids = |action: Action| {
        let mut ids: Vec<&str> =
            decision.findings.iter().filter(|f| f.action == action).map(|f| f.policy.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.join(",")
    };
    let failures: Vec<&str> = decision.failures.iter().map(|failure| failure.policy.as_str()).collect();
    let unknown: Vec<&str> = decision.unknown.iter().map(|unknown| unknown.policy.as_str()).collect();
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
        unknown = unknown.join(","),
        patched = patched.map(crate::policy::PolicyId::as_str).collect::<Vec<_>>().join(","),
        evaluated = decision.evaluated,
        exemption = decision.exemption.map(crate::decision::Exemption::as_str),
        milliseconds = took.as_secs_f64() * 1000.0,
        "review"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_due_before_the_api_server_gives_up() {
        let milliseconds = |query: &str| {
            let uri: Uri = format!("/validate/fail{query}").parse().unwrap();
            time_to_answer(&uri).as_millis()
        };
        for (query, due) in [
            ("?timeout=7s", 6500),
            ("?timeout=1s", 900),
            ("?timeout=30s", 29_500),
            ("?timeout=500ms", 400),
            ("?timeout=100ms", 50),
            ("?a=b&timeout=2s", 1800),
            ("", 9500),
            ("?timeout=", 9500),
            ("?timeout=0s", 9500),
            ("?timeout=-3s", 9500),
            ("?timeout=1m30s", 9500),
            ("?timeout=soon", 9500),
            ("?timeout=9999999999999999999999s", 9500),
        ] {
            assert_eq!(milliseconds(query), due, "{query}");
        }
    }

    #[test]
    fn the_log_does_not_repeat_a_value() {
        let message = "invalid type: string \"a \\\" b\", expected a map at line 1 column 9";
        assert_eq!(unquoted(message), "invalid type: string \"…\", expected a map at line 1 column 9");
        assert_eq!(unquoted("unknown variant `x`, expected `y`"), "unknown variant `…`");
        assert_eq!(unquoted("EOF at line 1"), "EOF at line 1");
        assert_eq!(unquoted("one \" only"), "one \" only");
    }
}
