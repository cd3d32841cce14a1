//! `/` and `/audit` of the status port: what is in force, how it does, and what runs in the cluster, for a browser on
//! the same host: that of `kubectl port-forward`. What they show is of all namespaces, so who else may see it is for
//! the API server to say.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::drain::ShutdownStage;
use super::routes::App;
use super::webhooks::Outcome;
use crate::cluster::{KindStatus, Knowledge};
use crate::diagnostic::Diagnostics;
use crate::policy::exception::{Exception, ExceptionState};
use crate::policyset::documents::StoredDocument;
use crate::policyset::{PolicySet, Standing};
use crate::report::html;
use crate::report::html::status::{self, Fact, Mood, Problem, Row, SaidRow, Status, Table, Tile};
use crate::telemetry::metrics::Answer;
use crate::telemetry::recent::{Activity, Place};

/// The longest text of one cell, in characters.
const TEXT: usize = 1000;
/// The longest text of a problem, in characters.
const PROBLEM: usize = 8000;
/// Answers without a verdict.
const LOST: [Answer; 3] = [Answer::Shed, Answer::TimedOut, Answer::Broken];
/// Policies that a row names.
const NAMED: usize = 10;

/// The address that a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

/// What a client gets that is not on this host, or that asks in the name of another page.
const REFUSED: &str = "This page is for browsers on this host only: kubectl port-forward makes one of yours, as in\n  \
    kubectl -n stategate-system port-forward deployment/stategate 8080:status\n  \
    http://localhost:8080/\n";

/// Whether the client is on this host, and asks for this host: a page of somebody else's whose name leads here must
/// not read it.
fn is_local(request: &Request) -> bool {
    let Some(Client(address)) = request.extensions().get().copied() else { return false };
    let uri = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Uri>().ok());
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    address.to_canonical().is_loopback() && (host == "localhost" || literal.parse::<IpAddr>().is_ok())
}

/// `/`
pub async fn page(State(app): State<Arc<App>>, request: Request) -> Response {
    if !is_local(&request) {
        return (StatusCode::FORBIDDEN, REFUSED).into_response();
    }
    match status::render(&of(&app, Timestamp::now())) {
        Ok(page) => as_page(page, status::content_security_policy()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// `/audit`
pub async fn audit(State(app): State<Arc<App>>, request: Request) -> Response {
    if !is_local(&request) {
        return (StatusCode::FORBIDDEN, REFUSED).into_response();
    }
    let page = app.auditor.as_ref().and_then(|auditor| auditor.page());
    match page {
        Some(page) => as_page(page, html::content_security_policy()),
        None => (StatusCode::NOT_FOUND, format!("{}\n", audited(&app))).into_response(),
    }
}

/// Any other path.
pub async fn unknown() -> Response {
    (StatusCode::NOT_FOUND, "not found: there are /, /audit, /livez, /readyz and /metrics\n").into_response()
}

fn as_page(page: impl IntoResponse, content_security_policy: String) -> Response {
    let headers: [(HeaderName, String); 6] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, content_security_policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin".to_owned()),
    ];
    (headers, page).into_response()
}

/// The text, or its beginning.
fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn policies(count: usize) -> String {
    format!("{count} {}", if count == 1 { "policy" } else { "policies" })
}

/// What the page says.
fn of(app: &App, now: Timestamp) -> Status {
    let in_force = app.current.in_force();
    let set = &in_force.set;
    let activity = app.metrics.recent.activity();
    let answers = |answer| activity.answers.get(&answer).copied().unwrap_or_default();
    let reviewed: u64 = activity.answers.values().sum();
    let enforcement =
        set.at_most().map_or_else(String::new, |at_most| format!(", at most {}", at_most.as_str()));
    let lead = format!(
        "{} of the profile {}{enforcement} are in force. This replica answered {} in the last hour and denied {}.",
        policies(set.policies().count()),
        set.profile(),
        counted(reviewed, "review"),
        answers(Answer::Denied),
    );
    let kinds = app.live.as_ref().map(|live| {
        let mut rows: Vec<Row> =
            live.status().iter().map(|(kind, status)| kind_row(&kind.to_string(), status)).collect();
        rows.sort_by_key(|row| Reverse(row.mood));
        rows
    });
    let has_audit = app.auditor.as_ref().is_some_and(|auditor| auditor.page().is_some());
    Status {
        host: app.host.clone(),
        at: shown(now),
        version: env!("CARGO_PKG_VERSION"),
        profile: set.profile().to_owned(),
        lead,
        problems: problems(app, kinds.as_deref().unwrap_or_default(), &activity, now),
        tiles: tiles(&activity),
        said: said(&activity),
        in_force: facts_in_force(app, set),
        process: facts_of_process(app, now),
        documents: app.live.as_ref().map(|_| documents(app)),
        exceptions: exceptions(set, now),
        inventory: kinds.map(|rows| Table::new(rows.into_iter())),
        without_cluster: "No cluster is followed: policies that need other objects know those of --inventory only. \
                          Start serve with --in-cluster, --context or --kubeconfig.",
        audit: audited(app),
        has_audit,
    }
}

fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn problems(app: &App, kinds: &[Row], activity: &Activity, now: Timestamp) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |mood, head: String, text: &str| {
        problems.push(Problem { mood, head, text: cut(text, PROBLEM) });
    };
    if *app.stage.borrow() > ShutdownStage::Open {
        add(
            Mood::Warn,
            "This replica is draining".to_owned(),
            "It ends once requests in flight are answered.",
        );
    }
    match app.serving.leaf() {
        None => add(
            Mood::Deny,
            "There is no certificate yet".to_owned(),
            "The API server cannot connect until there is one; the log says what is missing.",
        ),
        Some(leaf) if leaf.until <= now => {
            add(Mood::Deny, "The certificate has expired".to_owned(), "The API server refuses it.");
        }
        Some(leaf) if leaf.ends_soon(now) => {
            let text = format!("It ends at {}.", shown(leaf.until));
            add(Mood::Warn, "The certificate is about to expire".to_owned(), &text);
        }
        Some(_) => {}
    }
    let fault = app.current.fault();
    if !fault.is_empty() {
        let head = "Newer policies, bindings or inventory are not in force".to_owned();
        add(Mood::Deny, head, &format!("{fault}\nThe last good ones stay in force."));
    }
    let quarantined = app.current.in_force().quarantine.policies();
    if !quarantined.is_empty() {
        let names: Vec<&str> = quarantined.iter().map(|policy| policy.as_str()).collect();
        let head = format!("{} in quarantine", policies(names.len()));
        let text = format!(
            "{}: did not return from their evaluation, and are not evaluated until the policies are loaded again.",
            names.join(", ")
        );
        add(Mood::Deny, head, &text);
    }
    let distrusted = app.current.in_force().quarantine.distrusted();
    if !distrusted.is_empty() {
        let names: Vec<&str> = distrusted.iter().map(|policy| policy.as_str()).collect();
        let head = format!("{} left to the interpreter", policies(names.len()));
        let text = format!("{}: compiled rules gave another answer. Please report it.", names.join(", "));
        add(Mood::Warn, head, &text);
    }
    let webhooks = match app.webhooks.as_ref().map(|keeper| keeper.outcome()) {
        Some(Outcome::Differ(how)) => how.join("\n"),
        Some(Outcome::Failed(why)) => why,
        Some(Outcome::Leaving) => "They are removed, since the Namespace is being deleted.".to_owned(),
        Some(Outcome::Unknown | Outcome::InSync | Outcome::Unproven) | None => String::new(),
    };
    if !webhooks.is_empty() {
        let head = "The webhook configurations are not as the policies need them".to_owned();
        add(Mood::Warn, head, &webhooks);
    }
    let unknown: Vec<&str> =
        kinds.iter().filter(|row| row.mood > Mood::Good).map(|row| row.name.as_str()).collect();
    if !unknown.is_empty() {
        let verb = if unknown.len() == 1 { "is" } else { "are" };
        let head =
            format!("{} of the inventory {verb} not up to date", counted(unknown.len() as u64, "kind"));
        let text = format!("{}: see below. What is not known refuses nothing.", unknown.join(", "));
        add(Mood::Warn, head, &text);
    }
    let lost: u64 = LOST.iter().filter_map(|answer| activity.answers.get(answer)).sum();
    if lost > 0 {
        let head = format!("{} without a verdict in the last hour", counted(lost, "review"));
        let text = "Too many waited, the time ran out, or a policy did not return: the log says which.";
        add(Mood::Warn, head, text);
    }
    let standings = app.current.standings();
    let faulty = standings.borrow().iter().filter(|(_, standing)| mood_of(standing) == Mood::Deny).count();
    if faulty > 0 {
        let verb = if faulty == 1 { "is" } else { "are" };
        let head = format!("{} of the cluster {verb} not in force", counted(faulty as u64, "document"));
        add(Mood::Deny, head, "See below for what is wrong with them.");
    }
    problems.sort_by_key(|problem| Reverse(problem.mood));
    problems
}

fn tiles(activity: &Activity) -> Vec<Tile> {
    let answers = |all: &[Answer]| all.iter().filter_map(|answer| activity.answers.get(answer)).sum::<u64>();
    let tile = |class, name, count, says| Tile { class, name, count, says };
    vec![
        tile("", "Allowed", answers(&[Answer::Allowed]), "requests that may go on"),
        tile("deny", "Denied", answers(&[Answer::Denied]), "requests that are refused"),
        tile(
            "warn",
            "Warnings",
            activity.said.values().map(|said| said.warned).sum(),
            "violations that users were warned of",
        ),
        tile(
            "audit",
            "Recorded",
            activity.said.values().map(|said| said.recorded).sum(),
            "violations that nobody was told of",
        ),
        tile("deny", "No verdict", answers(&LOST), "shed, too late or broken off"),
        tile("deny", "Unreadable", answers(&[Answer::Unreadable]), "requests that are no review"),
    ]
}

fn said(activity: &Activity) -> Table<SaidRow> {
    let mut all: Vec<_> = activity.said.iter().collect();
    all.sort_by_key(|(_, said)| Reverse(**said));
    Table::new(all.into_iter().map(|((policy, place), said)| SaidRow {
        policy: policy.to_string(),
        namespace: match place {
            Place::Namespace(name) if name.is_empty() => "(of the cluster)".to_owned(),
            Place::Namespace(name) => name.clone(),
            Place::Others => "(others)".to_owned(),
        },
        denied: said.denied,
        warned: said.warned,
        recorded: said.recorded,
        failed: said.failed,
    }))
}

fn facts_in_force(app: &App, set: &PolicySet) -> Vec<Fact> {
    let fact = |name, text: String| Fact { name, text };
    let (own, all) = set.binding_counts();
    let loaded = Timestamp::from_second(app.metrics.policy_set_loaded()).unwrap_or_default();
    let mut facts = vec![
        fact("Profile", set.profile().to_owned()),
        fact(
            "Enforcement",
            match set.at_most() {
                Some(action) => format!("at most {} for what the profile binds", action.as_str()),
                None => "as the bindings say".to_owned(),
            },
        ),
        fact("Policies", set.policies().count().to_string()),
        fact("Bindings", format!("{} of the profile, {own} of your own", all.saturating_sub(own))),
        fact("Exceptions", set.exceptions().len().to_string()),
        fact("Loaded", shown(loaded)),
        fact("Policy set", set.digest().get(..16).unwrap_or_default().to_owned()),
    ];
    let pending = app.current.pending();
    if !pending.is_empty() {
        facts.push(fact("Being tested", cut(&pending.join(", "), TEXT)));
    }
    facts
}

fn facts_of_process(app: &App, now: Timestamp) -> Vec<Fact> {
    let fact = |name, text: String| Fact { name, text };
    let mut facts = vec![fact("Host", app.host.clone())];
    if let Some(leaf) = app.serving.leaf() {
        let days = leaf.until.duration_since(now).as_hours() / 24;
        facts.push(fact("Certificate", leaf.subject.clone()));
        facts.push(fact("Valid until", format!("{} ({days} days)", shown(leaf.until))));
    }
    let cluster =
        app.live.as_ref().map_or_else(|| "none".to_owned(), |live| live.cluster().name().to_owned());
    facts.push(fact("Cluster", cluster));
    let lease = match app.auditor.as_ref().map(|auditor| auditor.lease.is_held()) {
        Some(true) => "held by this replica",
        Some(false) => "held by another replica, or by none",
        None => "not used",
    };
    facts.push(fact("Lease", lease.to_owned()));
    if let Some(keeper) = &app.webhooks {
        facts.push(fact("Webhook configurations", cut(&keeper.describe(), TEXT)));
    }
    facts.push(fact("Waiting reviews", app.metrics.queue_depth.get().to_string()));
    facts
}

/// What there is to say of the audit.
fn audited(app: &App) -> String {
    let Some(auditor) = app.auditor.as_ref().filter(|auditor| auditor.every.is_some()) else {
        return "Nothing is audited in the background. serve --policy-reports (policyReports.enabled of the chart) \
                does so; stategate audit does it once."
            .to_owned();
    };
    if !auditor.lease.is_held() {
        return "The replica that holds the lease audits the cluster, and has the report on its own page."
            .to_owned();
    }
    format!("Reports: {}.", auditor.describe())
}

fn exceptions(set: &PolicySet, now: Timestamp) -> Table<Row> {
    let mut all: Vec<&Exception> = set.exceptions().iter().collect();
    // Those without an end are the last.
    all.sort_by_key(|one| (one.spec.expires_at.is_none(), one.spec.expires_at, one.display_name()));
    Table::new(all.into_iter().map(|one| {
        let policies = &one.spec.policies;
        let mut names: Vec<&str> = policies.iter().take(NAMED).map(|policy| policy.as_str()).collect();
        let more = format!("and {} more", policies.len().saturating_sub(NAMED));
        if policies.len() > NAMED {
            names.push(&more);
        }
        let (mood, state) = match one.state(now) {
            ExceptionState::Active => (Mood::Good, "active"),
            ExceptionState::Expiring => (Mood::Warn, "expiring"),
            ExceptionState::Expired => (Mood::Deny, "expired"),
        };
        Row {
            name: cut(&one.display_name(), TEXT),
            about: one.spec.expires_at.map_or_else(|| "no end".to_owned(), shown),
            mood,
            state: state.to_owned(),
            text: cut(&format!("{}: {}", names.join(", "), one.spec.reason), TEXT),
        }
    }))
}

fn mood_of(standing: &Standing) -> Mood {
    match standing {
        Standing::InForce => Mood::Good,
        Standing::InPart(_) | Standing::LastGood(_) | Standing::Pending => Mood::Warn,
        Standing::NotInForce(_) => Mood::Deny,
    }
}

fn documents(app: &App) -> Table<Row> {
    let standings = app.current.standings();
    let all = standings.borrow().clone();
    let mut sorted: Vec<&(Arc<StoredDocument>, Standing)> = all.iter().collect();
    sorted.sort_by_key(|(_, standing)| Reverse(mood_of(standing)));
    Table::new(sorted.into_iter().map(|(document, standing)| {
        let said = |Diagnostics(faults): &Diagnostics| document.said(faults);
        let (state, text) = match standing {
            Standing::InForce => ("in force", String::new()),
            Standing::InPart(faults) => ("in part", said(faults)),
            Standing::LastGood(faults) => ("previous version", said(faults)),
            Standing::NotInForce(faults) => ("not in force", said(faults)),
            Standing::Pending => ("being tested", String::new()),
        };
        Row {
            name: cut(&document.to_string(), TEXT),
            about: String::new(),
            mood: mood_of(standing),
            state: state.to_owned(),
            text: cut(&text, TEXT),
        }
    }))
}

fn kind_row(kind: &str, status: &KindStatus) -> Row {
    let (mood, state, mut says) = match &status.knowledge {
        Knowledge::Loading => (Mood::Warn, "loading", Vec::new()),
        Knowledge::Complete if status.complete => (Mood::Good, "complete", Vec::new()),
        Knowledge::Complete => (Mood::Warn, "unknown", vec!["no contact with the API server".to_owned()]),
        Knowledge::Absent => (Mood::Good, "complete", vec!["the cluster has no such resource".to_owned()]),
        Knowledge::Interrupted { error, .. } if status.complete => {
            (Mood::Warn, "interrupted", vec![error.to_string()])
        }
        Knowledge::Interrupted { error, .. } | Knowledge::Unknown { error } => {
            (Mood::Warn, "unknown", vec![error.to_string()])
        }
    };
    if status.unreadable > 0 {
        says.push(format!("{} cannot be read", counted(status.unreadable as u64, "object")));
    }
    says.extend(status.age.map(|age| format!("last heard of {age} s ago")));
    Row {
        name: kind.to_owned(),
        about: html::grouped(status.objects),
        mood,
        state: state.to_owned(),
        text: cut(&says.join(", "), TEXT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn only_a_browser_on_this_host_that_asks_for_this_host_sees_the_pages() {
        let asked = |client: Option<&str>, host: &str| {
            let mut request = Request::builder().header(header::HOST, host).body(Body::empty()).unwrap();
            if let Some(client) = client {
                request.extensions_mut().insert(Client(client.parse().unwrap()));
            }
            is_local(&request)
        };
        for host in ["localhost:8080", "localhost", "127.0.0.1:8080", "[::1]:8080"] {
            for client in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
                assert!(asked(Some(client), host), "{client} {host}");
            }
            for client in ["10.0.0.7", "fd00::7", "::ffff:10.0.0.7"] {
                assert!(!asked(Some(client), host), "{client} {host}");
            }
            assert!(!asked(None, host), "{host}");
        }
        // A name that was made to lead here.
        for host in
            ["evil.example.com:8080", "localhost.evil.example.com", "", "localhost@evil.example.com", "/"]
        {
            assert!(!asked(Some("127.0.0.1"), host), "{host}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("häuser", 6), "häuser");
        assert_eq!(cut("häuser", 2), "hä…");
    }
}
