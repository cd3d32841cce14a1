//! One watch: the changes to all objects of a resource, as the API server sends them.
//!
//! Kubernetes API concepts, "Efficient detection of changes": a line of JSON for each event, bookmarks that
//! carry the version reached, and for a streamed list one bookmark that ends it.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use kube::client::Body;
use kube::core::Status;
use serde::Deserialize;
use serde_json::Value;

use super::connection::{Cluster, JSON, LARGEST_OBJECT};
use super::error::ClusterError;
use super::list::field;
use super::resources::Resource;

/// The API server ends a watch after this time, so that it is spread over its replicas again.
const LENGTH: u64 = 290;
/// The API server sends a bookmark every minute. Without any line for so long, the connection is dead.
const SILENCE: Duration = Duration::from_secs(90);
/// A streamed list begins at once. An API server whose etcd cannot tell its progress (before 3.4.25 and 3.5.8)
/// keeps its end back.
const LIST_SILENCE: Duration = Duration::from_secs(15);
/// An event repeats the object, and escapes may make it longer than what is stored.
const LONGEST_LINE: usize = LARGEST_OBJECT * 2;
/// Says that a streamed list is complete.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// What to begin with.
#[derive(Clone, Copy, Debug)]
pub enum Since<'a> {
    /// All objects as they are now, as events, and then the changes (KEP-3157).
    Start,
    /// The changes after this version.
    Version(&'a str),
}

/// A line of a watch.
#[derive(Debug)]
pub enum Event {
    /// An object was created or changed, or exists.
    Applied(Value),
    /// An object was deleted.
    Deleted(Value),
    /// Everything up to this version has been sent.
    Bookmark {
        /// The version.
        version: String,
        /// Whether this ends a streamed list.
        listed: bool,
    },
}

/// A running watch.
pub struct Watch {
    body: Body,
    /// What was received and not yet returned.
    received: Vec<u8>,
    /// Up to here there is no end of a line.
    searched: usize,
    silence: Duration,
}

#[derive(Deserialize)]
struct Line {
    r#type: String,
    object: Value,
}

impl Watch {
    /// Starts a watch.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn start(
        cluster: &Cluster,
        resource: &Resource,
        since: Since<'_>,
    ) -> Result<Self, ClusterError> {
        let (since, silence) = match since {
            Since::Start => {
                ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan".to_owned(), LIST_SILENCE)
            }
            Since::Version(version) => (format!("resourceVersion={version}"), SILENCE),
        };
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={LENGTH}&{since}",
            resource.path()
        );
        let body = tokio::time::timeout(silence, cluster.send(&path, JSON));
        let body = body.await.map_err(|_| silent(silence))??;
        Ok(Self { body, received: Vec::new(), searched: 0, silence })
    }

    /// The next event; none once the API server has ended the watch, which it does regularly.
    ///
    /// # Errors
    /// If the connection breaks or is silent for too long, or the API server sends an error or garbage.
    pub async fn next(&mut self) -> Result<Option<Event>, ClusterError> {
        loop {
            if let Some(line) = self.line() {
                let event = event(&line)?;
                if matches!(event, Event::Bookmark { listed: true, .. }) {
                    self.silence = SILENCE;
                }
                return Ok(Some(event));
            }
            if self.received.len() > LONGEST_LINE {
                return Err(ClusterError::Unreadable("a line of the watch does not end".to_owned()));
            }
            let frame = tokio::time::timeout(self.silence, self.body.frame());
            match frame.await.map_err(|_| silent(self.silence))? {
                // What comes after the last end of a line was cut off with the connection.
                None => return Ok(None),
                Some(Ok(frame)) => self.receive(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    fn receive(&mut self, data: &Bytes) {
        self.received.extend_from_slice(data);
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let rest = self.received.get(self.searched..)?;
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.received.len();
            return None;
        };
        let rest = self.received.split_off(self.searched + end + 1);
        self.searched = 0;
        Some(std::mem::replace(&mut self.received, rest))
    }
}

fn silent(limit: Duration) -> ClusterError {
    ClusterError::TimedOut(limit.as_secs())
}

fn event(line: &[u8]) -> Result<Event, ClusterError> {
    let Line { r#type, object } =
        serde_json::from_slice(line).map_err(|error| ClusterError::Unreadable(error.to_string()))?;
    Ok(match r#type.as_str() {
        "ADDED" | "MODIFIED" => Event::Applied(object),
        "DELETED" => Event::Deleted(object),
        "BOOKMARK" => {
            let annotations = object.get("metadata").and_then(|metadata| metadata.get("annotations"));
            let ends = annotations.and_then(|all| all.get(INITIAL_EVENTS_END)?.as_str());
            Event::Bookmark { version: version(&object).to_owned(), listed: ends == Some("true") }
        }
        "ERROR" => {
            let status: Status = serde_json::from_value(object).unwrap_or_default();
            return Err(ClusterError::of_status(&status));
        }
        other => {
            let kind: String = other.chars().take(20).collect();
            return Err(ClusterError::Unreadable(format!("unknown event {kind:?}")));
        }
    })
}

/// `metadata.resourceVersion`
pub fn version(object: &Value) -> &str {
    field(object, "resourceVersion")
}
