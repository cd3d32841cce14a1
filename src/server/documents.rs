//! Reviews stategate's own resources: what cannot come into force is refused, with the error that loading it gives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::routes::App;
use crate::admission::wire::{Response, Status};
use crate::admission::{ObjectError, Operation, Request};
use crate::diagnostic::shorten;
use crate::plain;
use crate::policy::exception::{ExceptionState, state};
use crate::policyset::documents::Faults;
use crate::policyset::{DocumentKind, PolicySet, StoredDocument};
use crate::source::cluster_policies::ClusterPolicies;
use crate::source::policies::PolicySource;

/// How long a Policy may be on its way that a binding or exception names: `kubectl apply` sends both at once, and a busy
/// machine takes a while to try the policy.
const ON_ITS_WAY: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(50);
/// How long before the deadline the answer is given.
const MARGIN: Duration = Duration::from_secs(2);
/// The longest message of a refusal, in bytes.
const MESSAGE: usize = 16 << 10;

/// The kind of a document that a request would store; none if it is about anything else.
pub fn kind(request: &Request) -> Option<DocumentKind> {
    let kind = DocumentKind::of(&request.kind.group_kind())?;
    let stores = matches!(request.operation, Operation::Create | Operation::Update);
    (stores && request.subresource.is_empty()).then_some(kind)
}

/// The answer to such a request. A Policy or binding is compared with what is in force.
pub async fn review(app: &Arc<App>, request: &Request, kind: DocumentKind, deadline: Instant) -> Response {
    let document = match changed(request, kind) {
        Ok(Some(document)) => Arc::new(document),
        Ok(None) => return allowed(),
        Err(error) => return refused(&format!("{} cannot be read: {error}", kind.as_str())),
    };
    let started = Instant::now();
    // Later, the API server would no longer hear the answer.
    let margin = MARGIN.min(deadline.saturating_duration_since(started) / 4);
    let deadline = deadline.checked_sub(margin).unwrap_or(deadline);
    loop {
        let set = Arc::clone(&app.current.in_force().set);
        let found = async {
            // The permit goes with the work, which goes on if nobody waits any more.
            let one_of_few = Arc::clone(&app.documents).acquire_owned().await.ok()?;
            let (app, document, set) = (Arc::clone(app), Arc::clone(&document), Arc::clone(&set));
            let work = move || {
                let found = faults(&app.policies, &app.cluster_policies, &set, &document);
                drop(one_of_few);
                found
            };
            tokio::task::spawn_blocking(work).await.ok()
        };
        let Ok(Some(found)) = tokio::time::timeout_at(deadline.into(), found).await else {
            return refused(&format!("{document} could not be checked in time; apply it again"));
        };
        let waits = match &found {
            Ok(Faults { unreadable, without_effect }) => unreadable.is_empty() && !without_effect.is_empty(),
            Err(_) => false,
        };
        let until = (started + ON_ITS_WAY).min(deadline);
        if !waits || app.live.is_none() || !changes(app, &set, until).await {
            return answer(&document, found, jiff::Timestamp::now());
        }
    }
}

/// Whether another policy set comes into force within this time.
async fn changes(app: &App, set: &PolicySet, until: Instant) -> bool {
    while Instant::now() < until {
        tokio::time::sleep(LOOK).await;
        if app.current.in_force().set.digest() != set.digest() {
            return true;
        }
    }
    false
}

/// The same at once, without a server: nothing is on its way.
pub fn review_now(
    policies: &PolicySource,
    cluster_policies: &ClusterPolicies,
    set: &PolicySet,
    request: &Request,
    kind: DocumentKind,
    now: jiff::Timestamp,
) -> Response {
    match changed(request, kind) {
        Ok(Some(document)) => answer(&document, faults(policies, cluster_policies, set, &document), now),
        Ok(None) => allowed(),
        Err(error) => refused(&format!("{} cannot be read: {error}", kind.as_str())),
    }
}

/// The document, unless it says what it said before: labels, finalizers and the like of a faulty one may change.
fn changed(request: &Request, kind: DocumentKind) -> Result<Option<StoredDocument>, ObjectError> {
    let Some(object) = &request.object else { return Ok(None) };
    let document = StoredDocument::new(kind, object.value()?);
    let before = request.old_object.as_ref().and_then(|old| old.value().ok());
    let same = before.is_some_and(|before| StoredDocument::new(kind, before).text.text == document.text.text);
    Ok((!same).then_some(document))
}

fn faults(
    policies: &PolicySource,
    cluster_policies: &ClusterPolicies,
    set: &PolicySet,
    document: &StoredDocument,
) -> Result<Faults, String> {
    let base = policies.read().map_err(|errors| errors.to_string())?;
    Ok(cluster_policies.faults(&base, set, document))
}

fn answer(document: &StoredDocument, found: Result<Faults, String>, now: jiff::Timestamp) -> Response {
    let faults = match found {
        Ok(Faults { unreadable, without_effect }) => [unreadable, without_effect].concat(),
        Err(errors) => {
            return refused(&format!("{document} cannot be compared with what is in force: {errors}"));
        }
    };
    if !faults.is_empty() {
        return refused(&format!("{document} cannot come into force:\n\n{}", document.said(&faults)));
    }
    let ended = document.expires_at().filter(|end| state(Some(*end), now) == ExceptionState::Expired);
    let warnings = ended.map(|end| format!("{document} ended at {end}: it waives nothing"));
    Response { warnings: warnings.into_iter().collect(), ..allowed() }
}

fn allowed() -> Response {
    Response { allowed: true, ..Response::default() }
}

fn refused(message: &str) -> Response {
    let message = shorten(plain::block(message).into_owned(), MESSAGE);
    // With `Invalid`, kubectl would hide the message.
    let status = Status { code: 403, reason: "Forbidden", message, details: None };
    Response { allowed: false, status: Some(status), ..Response::default() }
}
