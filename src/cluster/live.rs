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
use super::resources::Resources;
use super::status::{KindStatus, Knowledge};
use crate::admission::{GroupKind, ObjectRef};
use crate::inventory::{Inventory, InventoryWriter, Record};
use crate::policyset::PolicySet;
use crate::telemetry::metrics::Metrics;

/// How long a kind stays complete after its connection broke: an API server that restarts, or a watch that is
/// continued elsewhere, is no reason to stop judging.
const GRACE: Duration = Duration::from_secs(10);
/// Between two questions whether the API server is there at all: a connection may die in silence.
const HEARTBEAT: Duration = Duration::from_secs(5);
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);
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
    writer: InventoryWriter,
    kinds: BTreeMap<GroupKind, Followed>,
    /// Since when the API server does not answer at all.
    out_of_contact: Option<Instant>,
}

struct Followed {
    knowledge: Knowledge,
    complete: bool,
    unreadable: usize,
    contact: Option<Instant>,
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
            writer: InventoryWriter::default(),
            kinds: BTreeMap::new(),
            out_of_contact: None,
        };
        Self {
            shared: Arc::new(Shared {
                cluster,
                runtime,
                state: Mutex::new(state),
                changed: Notify::new(),
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
        if state.digest != set.record_digest() {
            state.kinds.values().for_each(|followed| followed.task.abort());
            state.kinds.clear();
            state.generation += 1;
            set.record_digest().clone_into(&mut state.digest);
            state.writer = set.inventory_writer();
        }
        let needed = set.needed_kinds();
        let State { kinds, writer, .. } = &mut *state;
        kinds.retain(|kind, followed| {
            let kept = needed.contains_key(kind);
            if !kept {
                followed.task.abort();
                writer.forget(kind);
            }
            kept
        });
        for (kind, versions) in needed {
            if state.kinds.contains_key(&kind) {
                continue;
            }
            let topic = Topic { generation: state.generation, kind: kind.clone(), versions };
            let reader = state.writer.reader().clone();
            let follower = Follower::new(Arc::clone(&self.shared), topic, reader);
            let task = self.shared.runtime.spawn(follower.run()).abort_handle();
            let followed = Followed {
                knowledge: Knowledge::Loading,
                complete: false,
                unreadable: 0,
                contact: None,
                task,
            };
            state.kinds.insert(kind, followed);
        }
        state.writer.snapshot()
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
                    (state.digest.clone(), state.writer.snapshot())
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

    /// The connection.
    pub fn cluster(&self) -> &Cluster {
        &self.shared.cluster
    }

    /// What is known of each kind.
    pub fn status(&self) -> BTreeMap<GroupKind, KindStatus> {
        let state = self.shared.state();
        let status = |(kind, followed): (&GroupKind, &Followed)| {
            let status = KindStatus {
                knowledge: followed.knowledge.clone(),
                complete: followed.complete,
                objects: state.writer.count(kind),
                unreadable: followed.unreadable,
                age: followed.contact.map(|contact| contact.elapsed().as_secs()),
            };
            (kind.clone(), status)
        };
        state.kinds.iter().map(status).collect()
    }

    /// Whether every kind is known, or cannot be known until a person changes something.
    pub fn is_settled(&self) -> bool {
        self.shared.state().kinds.values().all(|followed| match &followed.knowledge {
            Knowledge::Complete | Knowledge::Absent | Knowledge::Interrupted { .. } => true,
            Knowledge::Loading => false,
            Knowledge::Unknown { error } => error.is_permanent(),
        })
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
    fn update(&self, topic: &Topic, change: impl FnOnce(&mut InventoryWriter, &mut Followed)) {
        let mut state = self.state();
        let State { generation, writer, kinds, .. } = &mut *state;
        if *generation != topic.generation {
            return;
        }
        let Some(followed) = kinds.get_mut(&topic.kind) else { return };
        change(writer, followed);
        drop(state);
        self.changed.notify_one();
    }

    /// All objects of the kind; or there is no such resource.
    pub fn listed(&self, topic: &Topic, records: Vec<Record>, unreadable: usize, knowledge: Knowledge) {
        let absent = matches!(knowledge, Knowledge::Absent);
        if absent && self.is_absent(topic) {
            return;
        }
        info!(kind = %topic.kind, objects = records.len(), unreadable, absent, "inventory complete");
        self.update(topic, |writer, followed| {
            writer.relist(&topic.kind, records);
            *followed = Followed {
                knowledge,
                complete: true,
                unreadable,
                contact: Some(Instant::now()),
                task: followed.task.clone(),
            };
        });
    }

    fn is_absent(&self, topic: &Topic) -> bool {
        let state = self.state();
        let followed = state.kinds.get(&topic.kind).filter(|_| state.generation == topic.generation);
        followed.is_some_and(|followed| followed.complete && matches!(followed.knowledge, Knowledge::Absent))
    }

    /// An object was created or changed.
    pub fn applied(&self, topic: &Topic, record: Record) {
        self.update(topic, |writer, followed| {
            writer.replace(record);
            followed.contact = Some(Instant::now());
        });
    }

    /// An object was deleted, or can no longer be read.
    pub fn removed(&self, topic: &Topic, object: &ObjectRef, unreadable: bool) {
        self.update(topic, |writer, followed| {
            writer.remove(object);
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
        self.update(topic, |writer, followed| {
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
                writer.mark_incomplete(&topic.kind);
            }
        });
    }

    /// Ends the completeness of kinds whose connection has been broken for too long.
    async fn expire(self: Arc<Self>) {
        loop {
            tokio::time::sleep(GRACE / 10).await;
            let mut state = self.state();
            let State { kinds, writer, out_of_contact, .. } = &mut *state;
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
                    writer.mark_incomplete(kind);
                    changed = true;
                }
            }
            drop(state);
            if changed {
                self.changed.notify_one();
            }
        }
    }

    /// Asks every few seconds for the smallest thing there is.
    async fn heartbeat(self: Arc<Self>) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let asked = self.cluster.get("/version");
            let alive = matches!(
                tokio::time::timeout(HEARTBEAT_TIMEOUT, asked).await,
                // Whoever refuses to answer is there.
                Ok(Ok(_) | Err(ClusterError::Forbidden(_) | ClusterError::Unauthorized))
            );
            self.heard(alive);
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
