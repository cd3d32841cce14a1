//! Follows one kind: a list, then its changes, and again whenever the connection breaks.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tracing::error;

use super::error::ClusterError;
use super::kept::Item;
use super::list::field;
use super::live::{Shared, Topic};
use super::resources::Resource;
use super::status::Knowledge;
use super::watch::{Event, Since, Watch, version};
use crate::admission::ObjectRef;
use crate::inventory::RecordReader;

/// Between two questions whether a missing resource has appeared.
const ABSENT: Duration = Duration::from_secs(15);
/// How old an answer to that question may be, if several kinds ask.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// The first and the longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// A watch that ends sooner is not the API server's regular end.
const REGULAR: Duration = Duration::from_secs(10);

/// The task that follows one kind.
pub struct Follower {
    shared: Arc<Shared>,
    topic: Topic,
    reader: RecordReader,
    /// What to ask for, and the version reached.
    position: Option<(Resource, String)>,
    losses: watch::Receiver<u64>,
}

impl Follower {
    pub fn new(shared: Arc<Shared>, topic: Topic, reader: RecordReader) -> Self {
        let losses = shared.losses();
        Self { shared, topic, reader, position: None, losses }
    }

    /// Follows the kind until the task is aborted.
    pub async fn run(mut self) {
        let mut pause = PAUSES.0;
        loop {
            let started = tokio::time::Instant::now();
            match self.follow().await {
                Ok(()) if started.elapsed() > REGULAR => {
                    pause = PAUSES.0;
                    continue;
                }
                // A proxy may end connections early. Nothing is lost, as long as the watch goes on at once.
                Ok(()) => {
                    tokio::time::sleep(PAUSES.0).await;
                    continue;
                }
                Err(error) => {
                    if matches!(error, ClusterError::NotFound(_)) {
                        self.shared.forget_resources().await;
                    }
                    // Continuing would miss changes, or fail again in the same place.
                    if !matches!(error, ClusterError::Unreachable(_) | ClusterError::TimedOut(_)) {
                        self.position = None;
                    }
                    self.shared.failed(&self.topic, &error);
                    if started.elapsed() > REGULAR {
                        pause = PAUSES.0;
                    }
                }
            }
            tokio::time::sleep(spread(pause)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// One connection: from where the last one ended, or from the beginning.
    async fn follow(&mut self) -> Result<(), ClusterError> {
        self.losses.mark_unchanged();
        let continued = self.position.take().filter(|_| !self.shared.must_list(&self.topic));
        let watch = match continued {
            Some((resource, version)) => {
                let watch = Watch::start(&self.shared.cluster, &resource, Since::Version(&version)).await;
                // Kept even if it failed: a connection that breaks may be continued later.
                self.position = Some((resource, version));
                let watch = watch?;
                self.shared.in_contact(&self.topic);
                watch
            }
            None => {
                let resources = self.shared.resources(ASK_AGAIN).await?;
                let Some(resource) = resources.of(&self.topic.kind, &self.topic.versions)?.cloned() else {
                    self.shared.listed(&self.topic, Vec::new(), 0, Knowledge::Absent);
                    tokio::time::sleep(ABSENT).await;
                    return Ok(());
                };
                self.begin(resource).await?
            }
        };
        self.changes(watch).await
    }

    /// Lists everything; the watch goes on from there.
    async fn begin(&mut self, resource: Resource) -> Result<Watch, ClusterError> {
        match self.stream(&resource).await {
            // It does not know how to stream lists, or its etcd cannot tell where one ends.
            Err(ClusterError::Status { .. } | ClusterError::TimedOut(_)) => {}
            streamed => return streamed,
        }
        let (reader, cluster) = (&self.reader, &self.shared.cluster);
        let begin = || (Vec::new(), 0);
        let add = |(items, unreadable): &mut (Vec<Item>, usize), object: Value| match self
            .topic
            .item(reader, &object)
        {
            Some(item) => items.push(item),
            None => *unreadable += 1,
        };
        let ((items, unreadable), version) = cluster.list(&resource, begin, add).await?;
        let watch = Watch::start(cluster, &resource, Since::Version(&version)).await?;
        self.shared.listed(&self.topic, items, unreadable, Knowledge::Complete);
        self.position = Some((resource, version));
        Ok(watch)
    }

    async fn stream(&mut self, resource: &Resource) -> Result<Watch, ClusterError> {
        let mut watch = Watch::start(&self.shared.cluster, resource, Since::Start).await?;
        let (mut items, mut unreadable) = (Vec::new(), 0);
        loop {
            match watch.next().await? {
                Some(Event::Applied(object)) => match self.topic.item(&self.reader, &object) {
                    Some(item) => items.push(item),
                    None => unreadable += 1,
                },
                Some(Event::Bookmark { version, listed: true }) => {
                    self.shared.listed(&self.topic, items, unreadable, Knowledge::Complete);
                    self.position = Some((resource.clone(), version));
                    return Ok(watch);
                }
                Some(Event::Deleted(_) | Event::Bookmark { .. }) => {}
                None => {
                    return Err(ClusterError::Unreachable("the connection ended within the list".to_owned()));
                }
            }
        }
    }

    /// Follows changes until the API server ends the watch.
    async fn changes(&mut self, mut watch: Watch) -> Result<(), ClusterError> {
        loop {
            let event = tokio::select! {
                event = watch.next() => event?,
                _ = self.losses.changed() => {
                    return Err(ClusterError::Unreachable("contact was lost for some seconds".to_owned()));
                }
            };
            let Some(event) = event else { return Ok(()) };
            let reached = match event {
                Event::Applied(object) => {
                    match self.topic.item(&self.reader, &object) {
                        Some(item) => self.shared.applied(&self.topic, item),
                        None => self.shared.removed(&self.topic, &self.topic.reference(&object), true),
                    }
                    version(&object).to_owned()
                }
                Event::Deleted(object) => {
                    self.shared.removed(&self.topic, &self.topic.reference(&object), false);
                    version(&object).to_owned()
                }
                Event::Bookmark { version, .. } => {
                    self.shared.in_contact(&self.topic);
                    version
                }
            };
            if let Some((_, version)) = self.position.as_mut().filter(|_| !reached.is_empty()) {
                *version = reached;
            }
        }
    }
}

impl Topic {
    fn item(&self, reader: &RecordReader, object: &Value) -> Option<Item> {
        let item = Item::of(&self.kind, object, reader);
        if item.is_none() {
            let ObjectRef { kind, namespace, name } = self.reference(object);
            error!(%kind, namespace, name, "object cannot be read; the inventory is without it");
        }
        item
    }

    fn reference(&self, object: &Value) -> ObjectRef {
        let field = |name: &str| field(object, name).to_owned();
        ObjectRef { kind: self.kind.clone(), namespace: field("namespace"), name: field("name") }
    }
}

/// A random time from half of this to all of it, so that not everyone comes back at the same moment.
pub fn spread(time: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 1000;
    time / 2 + time.mul_f64(random as f64 / 2000.0)
}
