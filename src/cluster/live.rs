//! The inventory of a live cluster, followed by watches.
//!
//! One task follows each kind that the policy set in force needs. It turns an object into its record at once and
//! drops the object. All records are in one writer; a publisher hands out snapshots, a few dozen a second at
//! most. What the API server has not confirmed lately is not called complete: policies that need it are then
//! *unknown*, and whoever asks is told why.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::connection::Cluster;
use super::error::ClusterError;
use super::follow::Follower;
use super::kept::{Item, Kept};
use super::resources::Resources;
use super::status::{KindStatus, Knowledge};
use crate::admission::{GroupKind, ObjectRef};
use crate::inventory::Inventory;
use crate::policyset::documents::VERSION;
use crate::policyset::{DocumentKind, PolicySet, StoredDocument};
use crate::telemetry::metrics::Metrics;

/// How long a kind stays complete after its connection broke: an API server that restarts, or a watch that is
/// continued elsewhere, is no reason to stop judging.
const GRACE: Duration = Duration::from_secs(10);
/// Between two questions whether the API server is there at all: a connection may die in silence.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Between two snapshots. A change is in force after this time at the latest.
const SNAPSHOTS: Duration = Duration::from_millis(20);

/// The inventory of a cluster as it is now.
#[derive(Clone)]
pub struct LiveInventory {
    shared: Arc<Shared>,
}

/// What the tasks that follow kinds share.
pub(super) struct Shared {
    pub cluster: Cluster,
    runtime: Handle,
    state: Mutex<State>,
    changed: Notify,
    documents_changed: Notify,
    discovered: tokio::sync::Mutex<Option<(Instant, Arc<Resources>)>>,
    metrics: OnceLock<Arc<Metrics>>,
    /// Counts the times that contact was lost: connections from before may be dead without anybody telling.
    losses: watch::Sender<u64>,
}

struct State {
    /// How objects are read; another way needs another inventory.
    digest: String,
    /// Counts inventories, so that a task of a former one changes nothing.
    generation: u64,
    kept: Kept,
    kinds: BTreeMap<GroupKind, Followed>,
    /// Since when the API server does not answer at all.
    out_of_contact: Option<Instant>,
}

struct Followed {
    knowledge: Knowledge,
    complete: bool,
    unreadable: usize,
    contact: Option<Instant>,
    /// The API server has no longer had the resource when it was last asked.
    vanished: bool,
    task: AbortHandle,
}

/// Which kind a task follows, in which inventory.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub generation: u64,
    pub kind: GroupKind,
    /// The versions that a projection reads; empty: any.
    pub versions: Vec<String>,
}

impl LiveInventory {
    /// An inventory that follows nothing yet. Its tasks run on this runtime.
    pub fn new(cluster: Cluster, runtime: Handle) -> Self {
        let state = State {
            digest: String::new(),
            generation: 0,
            kept: Kept::default(),
            kinds: BTreeMap::new(),
            out_of_contact: None,
        };
        Self {
            shared: Arc::new(Shared {
                cluster,
                runtime,
                state: Mutex::new(state),
                changed: Notify::new(),
                documents_changed: Notify::new(),
                discovered: tokio::sync::Mutex::default(),
                metrics: OnceLock::new(),
                losses: watch::Sender::new(0),
            }),
        }
    }

    /// Follows what this policy set needs from now on, and returns what is known of it. Kinds that were followed
    /// before stay known, unless the set reads objects in another way.
    pub fn adopt(&self, set: &PolicySet) -> Inventory {
        let mut state = self.shared.state();
        let State { kinds, kept, digest, generation, .. } = &mut *state;
        let mut read_anew = false;
        if digest != set.record_digest() {
            read_anew = true;
            *generation += 1;
            set.record_digest().clone_into(digest);
            kept.writer = set.inventory_writer();
        }
        let mut needed = set.needed_kinds();
        let documents = DocumentKind::ALL.map(|kind| (kind.group_kind(), vec![VERSION.to_owned()]));
        needed.extend(documents);
        kinds.retain(|kind, followed| {
            let stays = needed.contains_key(kind) && !(read_anew && DocumentKind::of(kind).is_none());
            if !stays {
                followed.task.abort();
                kept.writer.forget(kind);
            }
            stays
        });
        for (kind, versions) in needed {
            if state.kinds.contains_key(&kind) {
                continue;
            }
            let topic = Topic { generation: state.generation, kind: kind.clone(), versions };
            let reader = state.kept.writer.reader().clone();
            let follower = Follower::new(Arc::clone(&self.shared), topic, reader);
            let task = self.shared.runtime.spawn(follower.run()).abort_handle();
            let followed = Followed {
                knowledge: Knowledge::Loading,
                complete: false,
                unreadable: 0,
                contact: None,
                vanished: false,
                task,
            };
            state.kinds.insert(kind, followed);
        }
        state.kept.writer.snapshot()
    }

    /// Hands every change to `publish`, with the digest of the way in which objects were read, and keeps track of
    /// whether the API server is there.
    pub fn publish(&self, metrics: Arc<Metrics>, publish: impl Fn(&str, Inventory) + Send + 'static) {
        // A second call would publish twice.
        if self.shared.metrics.set(metrics).is_err() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(async move {
            loop {
                shared.changed.notified().await;
                let (digest, inventory) = {
                    let state = shared.state();
                    (state.digest.clone(), state.kept.writer.snapshot())
                };
                publish(&digest, inventory);
                tokio::time::sleep(SNAPSHOTS).await;
            }
        });
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(shared.expire());
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(shared.heartbeat());
    }

    /// Publishes again, for a receiver that was not ready for the last time.
    pub fn republish(&self) {
        self.shared.changed.notify_one();
    }

    /// The Policies, PolicyBindings and PolicyExceptions of the cluster, and the number of this version of them.
    pub fn documents(&self) -> (u64, Vec<Arc<StoredDocument>>) {
        self.shared.state().kept.documents()
    }

    /// Returns once the documents have changed since the last call, or [`Self::look_again`] was called.
    pub async fn documents_changed(&self) {
        self.shared.documents_changed.notified().await;
    }

    /// Lets [`Self::documents_changed`] return.
    pub fn look_again(&self) {
        self.shared.documents_changed.notify_one();
    }

    /// The connection.
    pub fn cluster(&self) -> &Cluster {
        &self.shared.cluster
    }

    /// What the API server has, as far as anybody has asked.
    pub(super) async fn resources(&self) -> Result<Arc<Resources>, ClusterError> {
        self.shared.resources(Duration::MAX).await
    }

    /// Counts what came of reading the companions of a new object.
    pub(super) fn companions_read(&self, result: &'static str) {
        if let Some(metrics) = self.shared.metrics.get() {
            metrics.companions_read(result);
        }
    }

    /// What is known of each kind.
    pub fn status(&self) -> BTreeMap<GroupKind, KindStatus> {
        let state = self.shared.state();
        let status = |(kind, followed): (&GroupKind, &Followed)| {
            let status = KindStatus {
                knowledge: followed.knowledge.clone(),
                complete: followed.complete,
                objects: state.kept.count(kind),
                unreadable: followed.unreadable,
                age: followed.contact.map(|contact| contact.elapsed().as_secs()),
            };
            (kind.clone(), status)
        };
        state.kinds.iter().map(status).collect()
    }

    /// Whether every kind is known as it is now, or cannot be known until a person changes something.
    pub fn is_current(&self) -> bool {
        self.shared.state().kinds.values().all(|followed| match &followed.knowledge {
            Knowledge::Unknown { error } => error.is_permanent(),
            _ => followed.complete,
        })
    }

    /// Whether every kind is known, or cannot be known until a person changes something.
    pub fn is_settled(&self) -> bool {
        self.are_settled(|_| true)
    }

    /// The same for the documents of the cluster.
    pub fn has_documents(&self) -> bool {
        self.are_settled(|kind| DocumentKind::of(kind).is_some())
    }

    fn are_settled(&self, wanted: impl Fn(&GroupKind) -> bool) -> bool {
        let state = self.shared.state();
        let mut kinds = state.kinds.iter().filter(|(kind, _)| wanted(kind));
        kinds.all(|(_, followed)| match &followed.knowledge {
            Knowledge::Complete | Knowledge::Absent | Knowledge::Interrupted { .. } => true,
            Knowledge::Loading => false,
            Knowledge::Unknown { error } => error.is_permanent(),
        })
    }
}

impl Topic {
    /// Whether what it says still counts. Documents are read in the same way for every policy set.
    fn is_current(&self, state: &State) -> bool {
        self.generation == state.generation || DocumentKind::of(&self.kind).is_some()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the API server has, not older than this.
    pub async fn resources(&self, oldest: Duration) -> Result<Arc<Resources>, ClusterError> {
        let mut known = self.discovered.lock().await;
        if let Some((at, resources)) = &*known
            && at.elapsed() <= oldest
        {
            return Ok(Arc::clone(resources));
        }
        let resources = Arc::new(Resources::discover(&self.cluster).await?);
        *known = Some((Instant::now(), Arc::clone(&resources)));
        Ok(resources)
    }

    /// Changes what is known of a kind, unless nobody wants to know it any more.
    fn update(&self, topic: &Topic, change: impl FnOnce(&mut Kept, &mut Followed)) {
        let mut state = self.state();
        if !topic.is_current(&state) {
            return;
        }
        let State { kept, kinds, .. } = &mut *state;
        let Some(followed) = kinds.get_mut(&topic.kind) else { return };
        change(kept, followed);
        drop(state);
        match DocumentKind::of(&topic.kind) {
            Some(_) => self.documents_changed.notify_one(),
            None => self.changed.notify_one(),
        }
    }

    /// All objects of the kind; or there is no such resource.
    pub fn listed(&self, topic: &Topic, items: Vec<Item>, unreadable: usize, knowledge: Knowledge) {
        let absent = matches!(knowledge, Knowledge::Absent);
        if absent && self.is_absent(topic) {
            return;
        }
        if absent && self.vanishes(topic) {
            let error = "the API server no longer has this resource, as it may right after a start";
            return self.failed(topic, &ClusterError::NotFound(error.to_owned()));
        }
        info!(kind = %topic.kind, objects = items.len(), unreadable, absent, "inventory complete");
        self.update(topic, |kept, followed| {
            kept.relist(&topic.kind, items);
            *followed = Followed {
                knowledge,
                complete: true,
                unreadable,
                contact: Some(Instant::now()),
                vanished: false,
                task: followed.task.clone(),
            };
        });
    }

    /// Whether documents are gone together with their resource for the first time: nothing is dropped for what may
    /// be there again in a moment.
    fn vanishes(&self, topic: &Topic) -> bool {
        let mut state = self.state();
        let some = DocumentKind::of(&topic.kind).is_some() && state.kept.count(&topic.kind) > 0;
        let followed = state.kinds.get_mut(&topic.kind).filter(|_| some);
        followed.is_some_and(|followed| !std::mem::replace(&mut followed.vanished, true))
    }

    fn is_absent(&self, topic: &Topic) -> bool {
        let state = self.state();
        let followed = state.kinds.get(&topic.kind).filter(|_| topic.is_current(&state));
        followed.is_some_and(|followed| followed.complete && matches!(followed.knowledge, Knowledge::Absent))
    }

    /// An object was created or changed.
    pub fn applied(&self, topic: &Topic, item: Item) {
        self.update(topic, |kept, followed| {
            kept.replace(item);
            followed.contact = Some(Instant::now());
        });
    }

    /// An object was deleted, or can no longer be read.
    pub fn removed(&self, topic: &Topic, object: &ObjectRef, unreadable: bool) {
        self.update(topic, |kept, followed| {
            kept.remove(object);
            followed.unreadable += usize::from(unreadable);
            followed.contact = Some(Instant::now());
        });
    }

    /// The watch goes on where it broke.
    pub fn in_contact(&self, topic: &Topic) {
        self.update(topic, |_, followed| {
            followed.contact = Some(Instant::now());
            if matches!(followed.knowledge, Knowledge::Interrupted { .. }) && followed.complete {
                followed.knowledge = Knowledge::Complete;
            }
        });
    }

    /// Whether changes may be missing, so that everything must be listed again.
    pub fn must_list(&self, topic: &Topic) -> bool {
        let state = self.state();
        state.kinds.get(&topic.kind).is_none_or(|followed| !followed.complete)
    }

    /// The connection broke, or the API server refused to answer.
    pub fn failed(&self, topic: &Topic, error: &ClusterError) {
        let help = self.cluster.help(error);
        if let Some(metrics) = self.metrics.get() {
            metrics.inventory_interrupted(&topic.kind.to_string(), error.reason());
        }
        self.update(topic, |kept, followed| {
            let known = followed.complete && !error.is_permanent();
            let told = match &followed.knowledge {
                Knowledge::Interrupted { error: before, .. } | Knowledge::Unknown { error: before } => {
                    before.to_string() == error.to_string()
                }
                _ => false,
            };
            if !told {
                warn!(kind = %topic.kind, %error, help, "inventory interrupted");
            }
            let error = error.clone();
            followed.knowledge = match &followed.knowledge {
                Knowledge::Interrupted { since, .. } if known => {
                    Knowledge::Interrupted { since: *since, error }
                }
                _ if known => Knowledge::Interrupted { since: Instant::now(), error },
                _ => Knowledge::Unknown { error },
            };
            if !known {
                followed.complete = false;
                kept.mark_incomplete(&topic.kind);
            }
        });
    }

    /// Ends the completeness of kinds whose connection has been broken for too long.
    async fn expire(self: Arc<Self>) {
        loop {
            tokio::time::sleep(GRACE / 10).await;
            let mut state = self.state();
            let State { kinds, kept, out_of_contact, .. } = &mut *state;
            let lost = out_of_contact.is_some_and(|since| since.elapsed() > GRACE);
            let mut changed = false;
            for (kind, followed) in kinds {
                let broken = match &followed.knowledge {
                    Knowledge::Interrupted { since, .. } => since.elapsed() > GRACE,
                    _ => false,
                };
                if followed.complete && (broken || lost) {
                    warn!(%kind, "inventory is no longer complete");
                    followed.complete = false;
                    kept.mark_incomplete(kind);
                    changed = true;
                }
            }
            drop(state);
            if changed {
                self.changed.notify_one();
            }
        }
    }

    /// Asks every few seconds whether the API server is there.
    async fn heartbeat(self: Arc<Self>) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            self.heard(self.cluster.is_there().await);
        }
    }

    fn heard(&self, alive: bool) {
        let mut state = self.state();
        if !alive {
            state.out_of_contact.get_or_insert_with(Instant::now);
        } else if state.out_of_contact.take().is_some() {
            drop(state);
            // What answers now may be another connection than those of the watches.
            self.losses.send_modify(|losses| *losses += 1);
        }
    }

    /// Tells of the next time that contact is lost and found again.
    pub fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// Forgets what the API server has, since it has changed.
    pub async fn forget_resources(&self) {
        *self.discovered.lock().await = None;
    }
}
