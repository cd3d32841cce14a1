//! Keeps the webhook configurations as the policy set in force needs them, or tells how they differ.
//!
//! Only the replica that holds the lease does, once it is ready and knows the policies of the cluster, and once the set in
//! force has stayed the same for a moment. Other replicas follow the same sources; one that is behind answers by the set
//! that it has. A configuration that has gone is made again unless the right to make it has gone, too, which is how a
//! person keeps stategate from being asked. When stategate's own Namespace is being deleted, every replica removes them
//! while it still can ([`namespace`]).

mod namespace;
mod stored;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::health::waits_for;
use super::routes::App;
use super::tls::{TlsError, certificates_of};
use crate::cluster::{Cluster, ClusterError, Lease, Resource, Write};
use crate::policyset::documents;
use crate::policyset::webhooks::{Address, WebhookConfigurations, WebhookOptions, is_labelled};
use stored::{Needed, Owner, differences};

/// Between two looks at whether the policy set has changed.
const TICK: Duration = Duration::from_secs(1);
/// How long an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(20);

/// What is done with the webhook configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookMode {
    /// They are made, changed and removed.
    Manage,
    /// Somebody else makes them; it is told how they differ.
    Report,
}

/// Whom the API server is to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// Those that are kept in the Secret of the certificate.
    Secret,
    /// Those of a file (PEM), which is read again at each look.
    File(PathBuf),
    /// Those that others put into the configurations, or else those of the machine that it runs on.
    Others,
}

/// What the webhook configurations are to be, beside what the policy set decides.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// What is done with them.
    pub mode: WebhookMode,
    /// stategate's own namespace.
    pub namespace: String,
    /// What they say.
    pub options: WebhookOptions,
    /// The authorities that they trust.
    pub authorities: Authorities,
    /// Annotations that they have, such as those that ask others for the authorities.
    pub annotations: BTreeMap<String, String>,
}

/// What is known of the webhook configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Another replica looks after them, or none does yet.
    #[default]
    Unknown,
    /// They are as they should be.
    InSync,
    /// So they are, but nothing waits for stategate yet: it is not known that the API server reaches it.
    Unproven,
    /// They differ, in these respects.
    Differ(Vec<String>),
    /// They cannot be read or changed.
    Failed(String),
    /// They are not to be: stategate's own Namespace is being deleted.
    Leaving,
}

/// Why a webhook configuration is not as it should be.
#[derive(Debug, thiserror::Error)]
enum WebhookError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("the authority of the webhook cannot be read: {0}")]
    Authority(#[from] TlsError),
    #[error("the Secret of the certificate has not been read yet")]
    NoAuthority,
    #[error("no endpoint of Service {0} is ready, so that {1} is not made yet")]
    NoEndpoint(String, String),
}

/// Looks after the webhook configurations.
pub struct Keeper {
    webhooks: Webhooks,
    cluster: Cluster,
    lease: Lease,
    /// Whether stategate's own Namespace is being deleted.
    leaving: AtomicBool,
    /// Whether it is known that the API server reaches stategate.
    reached: AtomicBool,
    outcome: Mutex<Outcome>,
}

impl Keeper {
    /// Nothing is looked at yet.
    pub fn new(webhooks: Webhooks, cluster: Cluster, lease: Lease) -> Self {
        let (leaving, reached) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { webhooks, cluster, lease, leaving, reached, outcome: Mutex::default() }
    }

    /// The API server has sent a review.
    pub fn note_review(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    /// What was found last.
    pub fn outcome(&self) -> Outcome {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A line for people.
    pub fn describe(&self) -> String {
        match self.outcome() {
            Outcome::Unknown if self.lease.is_held() => "not looked at yet".to_owned(),
            Outcome::Unknown => "not looked after by this replica".to_owned(),
            Outcome::InSync => "as the policy set needs them".to_owned(),
            Outcome::Unproven => {
                "as the policy set needs them, with Ignore in the place of Fail until the API server has sent a review"
                    .to_owned()
            }
            Outcome::Differ(how) => format!("differ from what the policy set needs: {}", how.join("; ")),
            Outcome::Failed(why) => format!("not known to be as the policy set needs them: {why}"),
            Outcome::Leaving => {
                format!("removed, since the Namespace {} is being deleted", self.webhooks.namespace)
            }
        }
    }

    /// Looks after them until the process ends.
    pub async fn run(self: Arc<Self>, app: Arc<App>, every: Duration) {
        let mut timer = tokio::time::interval(TICK);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The digest at the last tick, the one that was compared last, and when that was.
        let (mut before, mut compared, mut looked) = (String::new(), String::new(), None::<Instant>);
        let mut reached = false;
        // Whether one was missing at the last look. It is made at the next one: a person who removes it together with
        // the right to make it must not be outrun.
        let mut missing = false;
        loop {
            timer.tick().await;
            let hindered = match !self.lease.is_held() || waits_for(&app).is_some() {
                true => Some(Outcome::Unknown),
                false if self.leaving.load(Ordering::Relaxed) => Some(Outcome::Leaving),
                // What is not known must not be missed by the API server.
                false => unknown_policies(&app).map(Outcome::Failed),
            };
            if let Some(outcome) = hindered {
                self.tell(&app, outcome);
                (looked, missing) = (None, false);
                continue;
            }
            let in_force = app.current.in_force();
            let digest = in_force.set.digest().to_owned();
            let settled = std::mem::replace(&mut before, digest.clone()) == digest;
            let newly_reached = !reached && self.reached.load(Ordering::Relaxed);
            let due =
                looked.is_none_or(|last| last.elapsed() >= every) || digest != compared || newly_reached;
            if !settled || !(due || missing) {
                continue;
            }
            let attempt = async {
                reached = self.is_reached().await?;
                let options = &self.webhooks.options;
                let now = WebhookOptions { fail_open: options.fail_open || !reached, ..options.clone() };
                let now = WebhookConfigurations::new(&in_force.set, &now, None);
                let proven = reached || now == WebhookConfigurations::new(&in_force.set, options, None);
                match self.look(&app, now, missing).await? {
                    (Outcome::InSync, absent) if !proven => Ok((Outcome::Unproven, absent)),
                    looked => Ok(looked),
                }
            };
            let timed_out = |_| ClusterError::TimedOut(ATTEMPT.as_secs()).into();
            let looked_at = tokio::time::timeout(ATTEMPT, attempt).await;
            let outcome = match looked_at.map_err(timed_out).and_then(|looked| looked) {
                // Another one was faster: the next tick tells what became of it.
                Err(WebhookError::Cluster(ClusterError::Conflict(_))) => continue,
                Ok((outcome, absent)) => {
                    missing = absent;
                    outcome
                }
                Err(error) => Outcome::Failed(match &error {
                    WebhookError::Cluster(known) => format!("{error}: {}", self.cluster.help(known)),
                    _ => error.to_string(),
                }),
            };
            (compared, looked) = (digest, Some(Instant::now()));
            self.tell(&app, outcome);
        }
    }

    /// Tells the metric, the log and the status what is new.
    fn tell(&self, app: &App, outcome: Outcome) {
        let mut before = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == outcome {
            return;
        }
        let name = &self.webhooks.options.name;
        let in_sync = match &outcome {
            Outcome::Unknown => None,
            Outcome::InSync => {
                info!(name, "webhook configurations are as the policy set needs them");
                Some(true)
            }
            Outcome::Unproven => {
                info!(name, "no write waits for stategate until the API server has sent it a review");
                Some(true)
            }
            Outcome::Differ(how) => {
                warn!(name, how = how.join("; "), "webhook configurations differ");
                Some(false)
            }
            Outcome::Failed(why) => {
                warn!(name, why, "webhook configurations are not known to be as they should be");
                Some(false)
            }
            Outcome::Leaving => Some(false),
        };
        app.metrics.webhooks_in_sync(name, in_sync);
        *before = outcome;
    }

    /// One look at both, and what follows from it: what was found, and whether one is missing.
    async fn look(
        &self,
        app: &App,
        needed: WebhookConfigurations,
        was_missing: bool,
    ) -> Result<(Outcome, bool), WebhookError> {
        let needed = [
            serde_json::to_value(needed.validating).ok(),
            needed.mutating.and_then(|mutating| serde_json::to_value(mutating).ok()),
        ];
        let authorities = self.authorities(app).await?;
        let owner = self.owner().await?;
        let (mut how, mut missing) = (Vec::new(), false);
        for (resource, needed) in Resource::webhook_configurations().into_iter().zip(&needed) {
            let needed = needed.as_ref().map(|configuration| Needed {
                configuration,
                authorities: authorities.as_deref(),
                annotations: &self.webhooks.annotations,
                owner: &owner,
                now: Timestamp::now(),
            });
            let path = resource.object_path("", &self.webhooks.options.name);
            let stored = self.cluster.get(&path).await?;
            let kind = &resource.kind.kind;
            if stored.as_ref().is_some_and(|stored| !is_own(stored)) {
                if needed.is_some() {
                    let foreign = "it is not stategate's, so that it is left alone: choose another name with --webhook-config";
                    how.push(format!("{kind}: {foreign}"));
                }
                continue;
            }
            let (differences, change) = match (needed, stored) {
                (None, None) => continue,
                (None, Some(stored)) => (vec!["it is not needed".to_owned()], Change::Delete(stored)),
                (Some(needed), None) => {
                    missing |= self.webhooks.mode == WebhookMode::Manage;
                    (vec!["it does not exist".to_owned()], Change::Create(needed.new_object()))
                }
                (Some(needed), Some(stored)) => match needed.replacement(&stored) {
                    None => continue,
                    Some(object) => (differences(&stored, &object), Change::Replace(object)),
                },
            };
            let too_early = matches!(change, Change::Create(_)) && !was_missing;
            if self.webhooks.mode == WebhookMode::Report || too_early {
                how.extend(differences.into_iter().map(|what| format!("{kind}: {what}")));
                continue;
            }
            let written = match change {
                Change::Replace(object) => {
                    self.cluster.write(&path, Write::Replace(&object)).await?;
                    "replaced"
                }
                Change::Create(object) => {
                    self.has_endpoint(kind).await?;
                    if self.leaving.load(Ordering::Relaxed) {
                        continue;
                    }
                    self.cluster.write(&resource.path(), Write::Create(&object)).await?;
                    missing = false;
                    "created"
                }
                Change::Delete(stored) => {
                    let version = stored.pointer("/metadata/resourceVersion");
                    let options = json!({"preconditions": {"resourceVersion": version}});
                    self.cluster.write(&path, Write::Delete(&options)).await?;
                    "deleted"
                }
            };
            app.metrics.webhooks_written(&self.webhooks.options.name, written);
            let (name, how) = (&self.webhooks.options.name, differences.join("; "));
            info!(kind, name, how, "webhook configuration changed");
        }
        Ok((if how.is_empty() { Outcome::InSync } else { Outcome::Differ(how) }, missing))
    }

    /// The authorities that the configurations must trust; none if others see to that.
    async fn authorities(&self, app: &App) -> Result<Option<Vec<CertificateDer<'static>>>, WebhookError> {
        match self.webhooks.authorities.clone() {
            Authorities::Secret => Ok(Some(app.serving.authorities().ok_or(WebhookError::NoAuthority)?)),
            Authorities::Others => Ok(None),
            Authorities::File(file) => {
                let read = tokio::task::spawn_blocking(move || certificates_of(&file)).await;
                read.map_or(Ok(None), |read| Ok(Some(read?)))
            }
        }
    }

    /// The binding of the right to change them: what removes it removes them, too.
    async fn owner(&self) -> Result<Owner, ClusterError> {
        if self.webhooks.mode == WebhookMode::Report {
            return Ok(Owner::Unknown);
        }
        let binding = Resource::cluster_role_bindings();
        let name = format!("{}-webhooks", self.webhooks.options.name);
        let found = match self.cluster.get(&binding.object_path("", &name)).await {
            Err(ClusterError::Forbidden(_)) => return Ok(Owner::Unknown),
            found => found?,
        };
        let mut reference =
            json!({"apiVersion": binding.api_version(), "kind": binding.kind.kind, "name": name});
        let Some(uid) = found.and_then(|found| found.pointer("/metadata/uid").cloned()) else {
            return Ok(Owner::Absent(reference));
        };
        if let Some(object) = reference.as_object_mut() {
            object.insert("uid".to_owned(), uid);
        }
        Ok(Owner::Exists(reference))
    }

    /// Whether the API server reaches stategate, so that a write may wait for it: Pods may be ready although a firewall
    /// keeps the control plane from them. What waited for stategate before goes on to.
    async fn is_reached(&self) -> Result<bool, ClusterError> {
        if self.webhooks.mode == WebhookMode::Report || self.reached.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let [validating, _] = Resource::webhook_configurations();
        let stored = self.cluster.get(&validating.object_path("", &self.webhooks.options.name)).await?;
        let webhooks =
            stored.as_ref().filter(|stored| is_own(stored)).and_then(|stored| stored.get("webhooks"));
        let waits = |webhook: &Value| webhook.get("failurePolicy").and_then(Value::as_str) == Some("Fail");
        if webhooks.and_then(Value::as_array).is_some_and(|webhooks| webhooks.iter().any(waits)) {
            self.note_review();
        }
        Ok(self.reached.load(Ordering::Relaxed))
    }

    /// Whether a replica is ready behind the Service. Who may not know goes on.
    async fn has_endpoint(&self, kind: &str) -> Result<(), WebhookError> {
        let Address::Service { namespace, name, .. } = &self.webhooks.options.address else { return Ok(()) };
        let path = format!(
            "{}?labelSelector=kubernetes.io%2Fservice-name%3D{name}",
            Resource::endpoint_slices().path_in(namespace)
        );
        let slices = match self.cluster.get(&path).await {
            Err(ClusterError::Forbidden(_)) => return Ok(()),
            found => found?.unwrap_or_default(),
        };
        let items = slices.get("items").and_then(Value::as_array).into_iter().flatten();
        let mut endpoints = items.filter_map(|slice| slice.get("endpoints")?.as_array()).flatten();
        // Without the condition an endpoint counts as ready.
        let ready = |endpoint: &Value| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false));
        match endpoints.any(ready) {
            true => Ok(()),
            false => Err(WebhookError::NoEndpoint(format!("{namespace}/{name}"), kind.to_owned())),
        }
    }
}

/// What makes a configuration as it should be.
enum Change {
    /// There is none.
    Create(Value),
    /// This is to be in the place of the one that is stored.
    Replace(Value),
    /// The one that is stored is not needed.
    Delete(Value),
}

/// Whether stategate may change it: it has the label, or nothing but webhooks of stategate.
fn is_own(stored: &Value) -> bool {
    let webhooks = stored.get("webhooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = |webhook: &Value| {
        webhook.get("name").and_then(Value::as_str).is_some_and(|name| name.ends_with(".stategate.io"))
    };
    is_labelled(stored) || (!webhooks.is_empty() && webhooks.iter().all(named))
}

/// Why it is not known what policies there are; none if it is.
fn unknown_policies(app: &App) -> Option<String> {
    let live = app.live.as_ref()?;
    let unknown =
        live.status().into_iter().find(|(kind, status)| kind.group == documents::GROUP && !status.complete);
    match unknown {
        Some((kind, status)) => Some(format!("which {kind} there are is not known: {status}")),
        None if !app.current.has_documents() => {
            Some("policies of the cluster are still being tested".to_owned())
        }
        None => None,
    }
}
