//! Writes into the status of Policies, PolicyBindings and PolicyExceptions what became of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tracing::warn;

use super::connection::{Cluster, Write};
use super::error::ClusterError;
use super::lease::Lease;
use super::resources::Resource;
use crate::admission::ObjectRef;
use crate::diagnostic::{Diagnostics, shorten};
use crate::plain;
use crate::policy::exception::{ExceptionState, state};
use crate::policy::metadata;
use crate::policyset::crds::plural;
use crate::policyset::documents::{Standings, VERSION};
use crate::policyset::{DocumentKind, Standing, StoredDocument};

/// Between two writes: thousands of exceptions may come at once.
const PACE: Duration = Duration::from_millis(20);
/// Between two looks at exceptions that may have expired, and at what others have written.
const LOOK: Duration = Duration::from_secs(15);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest message, in bytes; the field takes 32 KiB.
const LONGEST: usize = 8 << 10;

/// Writes the status of every document of which it has changed, for as long as this process holds the lease.
pub async fn write_conditions(cluster: Cluster, lease: Lease, mut standings: watch::Receiver<Standings>) {
    // What was written a moment ago and may not have come back yet.
    let mut written: HashMap<ObjectRef, (Value, Instant)> = HashMap::new();
    let mut told = String::new();
    loop {
        lease.acquired().await;
        let all = standings.borrow_and_update().clone();
        let now = Timestamp::now();
        written.retain(|_, (_, at)| at.elapsed() < LOOK);
        let mut failed = false;
        for (document, standing) in all.iter() {
            let Some(status) = status(document, standing, now) else { continue };
            let object = document.reference();
            let under_way =
                written.get(&object).is_some_and(|(written, _)| *written == without_time(&status));
            if under_way || !lease.is_held() {
                continue;
            }
            match cluster.write(&path(document), Write::Merge(&json!({"status": status}))).await {
                // It has been deleted meanwhile.
                Ok(_) | Err(ClusterError::NotFound(_)) => {
                    written.insert(object, (without_time(&status), Instant::now()));
                }
                Err(error) => {
                    if error.to_string() != told {
                        let help = cluster.help(&error);
                        warn!(document = %document, %error, help, "its status cannot be written");
                        told = error.to_string();
                    }
                    failed = true;
                    break;
                }
            }
            tokio::time::sleep(PACE).await;
        }
        if failed {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        tokio::select! {
            changed = standings.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn path(document: &StoredDocument) -> String {
    let resource = Resource {
        kind: document.kind.group_kind(),
        version: VERSION.to_owned(),
        plural: plural(document.kind).to_owned(),
        namespaced: document.kind == DocumentKind::PolicyException,
    };
    format!("{}/status", resource.object_path(&document.namespace, &document.name))
}

/// The status that a document should have; none if it has it.
fn status(document: &StoredDocument, standing: &Standing, now: Timestamp) -> Option<Value> {
    let (ready, reason, message) = ready(document, standing, now);
    let before = document.status.pointer("/conditions").and_then(Value::as_array);
    let before = before.and_then(|all| all.iter().find(|one| one["type"] == "Ready"));
    let unchanged = before.filter(|before| before["status"] == ready);
    let since = unchanged.and_then(|before| before["lastTransitionTime"].as_str().map(str::to_owned));
    let mut status = json!({
        "observedGeneration": document.generation,
        "conditions": [{
            "type": "Ready",
            "status": ready,
            "reason": reason,
            "message": message,
            "observedGeneration": document.generation,
            "lastTransitionTime": since.unwrap_or_else(|| seconds(now)),
        }],
    });
    let mut more = Map::new();
    if document.kind == DocumentKind::PolicyBinding {
        more.insert("action".to_owned(), document.action().into());
    }
    if document.kind == DocumentKind::Policy
        && let Ok(policy) = metadata::read(&document.text, None)
    {
        more.insert("category".to_owned(), plain::line(&policy.category).into());
        more.insert("severity".to_owned(), policy.severity.as_str().into());
        more.insert("action".to_owned(), policy.action.as_str().into());
    }
    if let Some(fields) = status.as_object_mut() {
        fields.extend(more);
    }
    // What is null in a merge patch is removed.
    let mut stored = status.clone();
    if let Some(fields) = stored.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    (stored != document.status).then_some(status)
}

/// Status, reason and message of the condition.
fn ready(
    document: &StoredDocument,
    standing: &Standing,
    now: Timestamp,
) -> (&'static str, &'static str, String) {
    let said = |Diagnostics(faults): &Diagnostics| document.said(faults);
    let (ready, reason, message) = match standing {
        Standing::InForce => in_force(document, now),
        Standing::InPart(faults) => ("False", "InForceInPart", said(faults)),
        Standing::LastGood(faults) => (
            "False",
            "PreviousInForce",
            format!("{}\nthe version before this one stays in force", said(faults)),
        ),
        Standing::NotInForce(faults) => ("False", "Invalid", said(faults)),
        Standing::Pending => ("Unknown", "Loading", "it is being tested".to_owned()),
    };
    (ready, reason, shorten(message, LONGEST))
}

fn in_force(document: &StoredDocument, now: Timestamp) -> (&'static str, &'static str, String) {
    let end = document.expires_at();
    let until = |end: Timestamp| format!("in force until {}", seconds(end));
    match (end, state(end, now)) {
        (Some(end), ExceptionState::Expired) => {
            ("False", "Expired", format!("it ended at {} and waives nothing", seconds(end)))
        }
        (Some(end), ExceptionState::Expiring) => ("True", "Expiring", until(end)),
        (Some(end), ExceptionState::Active) => ("True", "InForce", until(end)),
        (None, _) => ("True", "InForce", "in force as written".to_owned()),
    }
}

fn without_time(status: &Value) -> Value {
    let mut status = status.clone();
    if let Some(condition) = status.pointer_mut("/conditions/0").and_then(Value::as_object_mut) {
        condition.remove("lastTransitionTime");
    }
    status
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
