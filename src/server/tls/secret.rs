//! The certificate that all replicas share: it is kept in a Secret, and made, renewed and repaired by them.
//!
//! Each replica reads the Secret by name and serves what is in it. Whoever finds none, or a damaged one, writes it;
//! everything else is done by the replica that holds the lease. Each write names the version that it replaces, so
//! that of two who write one succeeds and the other reads again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tracing::{error, info};

use super::kept::{Kept, Lifetimes, ROTATE, Rotation, Step, empty_secret, is_issued, is_own};
use super::keyed::KeyedCertificate;
use super::publish::{Publication, Wanted, publish};
use super::{Content, Serving, TlsError, check, issue};
use crate::cluster::{Cluster, ClusterError, Lease, Resource, Write};

/// How often in a row a replica acts before it pauses.
const MOST: usize = 8;

/// A certificate that is kept in a Secret.
#[derive(Clone, Debug)]
pub struct SharedTls {
    /// The namespace of the Secret: stategate's own.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Names and addresses that clients use, besides `localhost`, `127.0.0.1` and `::1`.
    pub names: Vec<String>,
    /// The name of both webhook configurations.
    pub webhooks: String,
    /// How long certificates live.
    pub lifetimes: Lifetimes,
}

/// Why the Secret cannot be used, or kept as it should be.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The API server refuses something, or is not there.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// There is no certificate that could be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The Secret is somebody else's.
    #[error(
        "{0}; stategate has not made this Secret, and does not replace it: delete it, or choose another name with \
         --tls-secret"
    )]
    Foreign(TlsError),
    /// A webhook configuration lacks an authority.
    #[error(
        "{0} lacks an authority of ca.crt and has no label app.kubernetes.io/name: stategate, so that it is not \
         changed: put ca.crt of the Secret into its caBundles"
    )]
    Unpublished(String),
}

/// The Secret as an object of the cluster.
pub struct SecretObject<'c> {
    /// The cluster.
    pub cluster: &'c Cluster,
    /// Its namespace.
    pub namespace: &'c str,
    /// Its name.
    pub name: &'c str,
}

impl SecretObject<'_> {
    fn path(&self) -> String {
        Resource::secrets().object_path(self.namespace, self.name)
    }

    /// The Secret as it is stored; none if it does not exist.
    ///
    /// # Errors
    /// If the API server does not say.
    pub async fn get(&self) -> Result<Option<Value>, ClusterError> {
        self.cluster.get(&self.path()).await
    }

    /// Stores it in the place of what was found.
    ///
    /// # Errors
    /// If the API server refuses it; [`ClusterError::Conflict`] if it is no longer what was found.
    pub async fn put(&self, found: Option<Value>, kept: &Kept) -> Result<(), ClusterError> {
        let exists = found.is_some();
        let mut secret = found.unwrap_or_else(|| empty_secret(self.namespace, self.name));
        kept.write(&mut secret);
        let all = Resource::secrets().path_in(self.namespace);
        match exists {
            true => self.cluster.write(&self.path(), Write::Replace(&secret)).await?,
            false => self.cluster.write(&all, Write::Create(&secret)).await?,
        };
        Ok(())
    }

    /// Asks the replicas for a new certificate.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn ask(&self, rotation: Rotation) -> Result<(), ClusterError> {
        let annotation = json!({"metadata": {"annotations": {ROTATE: rotation.as_str()}}});
        self.cluster.write(&self.path(), Write::Merge(&annotation)).await.map(drop)
    }
}

/// Keeps the Secret and serves what is in it, until the process ends.
pub async fn keep(shared: SharedTls, cluster: Cluster, lease: Lease, serving: Arc<Serving>, every: Duration) {
    let mut keeper = Keeper { shared, cluster, lease, serving, memory: None, said: String::new() };
    keeper.shared.names = issue::with_local(&keeper.shared.names);
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        for _ in 0..MOST {
            match keeper.round().await {
                Ok(true) | Err(SecretError::Cluster(ClusterError::Conflict(_))) => {}
                Ok(false) => {
                    keeper.said.clear();
                    break;
                }
                Err(error) => {
                    keeper.complain(&error);
                    break;
                }
            }
        }
        keeper.serving.look(Timestamp::now());
    }
}

struct Keeper {
    shared: SharedTls,
    cluster: Cluster,
    lease: Lease,
    serving: Arc<Serving>,
    /// What was read last and could be served. It outlives a Secret that somebody deletes or damages, so that what is
    /// served is still what is trusted.
    memory: Option<Kept>,
    /// The last error, which is logged once.
    said: String,
}

impl Keeper {
    /// One look at the Secret, and what follows from it; whether to look again at once.
    async fn round(&mut self) -> Result<bool, SecretError> {
        let now = Timestamp::now();
        let found = self.object().get().await?;
        let read = found.as_ref().map_or(Ok(None), Kept::read);
        if let Ok(Some(kept)) = &read
            && let Some(leaf) = kept.served(now)
        {
            let served = self.serve(leaf).await;
            self.serving.keep_authorities(kept.bundle().cloned().collect());
            self.memory = Some(kept.clone());
            let again = self.lease.is_held() && self.tend(found, kept.clone(), now).await?;
            // A file of clients' authorities that cannot be read keeps no certificate from being renewed.
            return served.map(|()| again);
        }
        let (names, lifetimes) = (&self.shared.names, self.shared.lifetimes);
        // What somebody else has put there meanwhile stays, although this replica still knows what was there before.
        if self.memory.is_some() && found.as_ref().is_some_and(is_issued) {
            let (place, reason) = (format!("Secret {}", self.name()), "is cert-manager's by now".to_owned());
            return Err(SecretError::Foreign(TlsError::Content { place, reason }));
        }
        let restorable = matches!(read, Ok(None)) || found.as_ref().is_some_and(is_own);
        let remembered = self.memory.clone().filter(|kept| restorable && kept.served(now).is_some());
        let (kept, what) = match (remembered, read) {
            (Some(kept), _) => (kept, "restored"),
            (None, Ok(Some(kept))) => {
                let step = kept.step(names, now, lifetimes);
                (kept.after(step, names, now, lifetimes)?, "repaired")
            }
            (None, Err(error)) if !found.as_ref().is_some_and(is_own) => {
                return Err(SecretError::Foreign(error));
            }
            (None, Err(_)) => (Kept::begin(names, now, lifetimes)?, "replaced"),
            (None, Ok(None)) => (Kept::begin(names, now, lifetimes)?, "made"),
        };
        self.object().put(found, &kept).await?;
        info!(secret = self.name(), "the Secret of the certificate was {what}");
        Ok(true)
    }

    /// What only the holder of the lease does: the API server's trust first, then the next step.
    async fn tend(&mut self, found: Option<Value>, kept: Kept, now: Timestamp) -> Result<bool, SecretError> {
        let lifetimes = self.shared.lifetimes;
        let bundle: Vec<CertificateDer<'static>> = kept.bundle().cloned().collect();
        let wanted = Wanted { bundle: &bundle, settled: kept.is_settled(now, lifetimes), now };
        let published = publish(&self.cluster, &self.shared.webhooks, &wanted).await;
        // Without that, nothing is served that needs it, and what is served is still renewed.
        let (published, fault) = match published {
            Ok(Publication::Complete) if kept.published().is_some() => (kept, None),
            Ok(Publication::Complete | Publication::Added) => {
                self.object().put(found, &kept.with_published(now)).await?;
                info!(
                    secret = self.name(),
                    authorities = bundle.len(),
                    "the webhook configurations trust ca.crt"
                );
                return Ok(true);
            }
            Ok(Publication::Foreign(which)) => (kept.unpublished(), Some(SecretError::Unpublished(which))),
            Err(ClusterError::Conflict(_)) => return Ok(true),
            Err(error) => (kept.unpublished(), Some(error.into())),
        };
        let step = published.step(&self.shared.names, now, lifetimes);
        if step == Step::Nothing {
            return fault.map_or(Ok(false), Err);
        }
        let after = published.after(step, &self.shared.names, now, lifetimes)?;
        self.object().put(found, &after).await?;
        info!(secret = self.name(), step = step.describe(), "the certificate is being renewed");
        Ok(true)
    }

    async fn serve(&self, leaf: &KeyedCertificate) -> Result<(), SecretError> {
        let place = |key: &str| format!("Secret {}: {key}", self.name());
        let content = Content {
            cert: leaf.cert.clone().into_bytes(),
            key: leaf.key.clone().into_bytes(),
            places: [place("tls.crt"), place("tls.key")],
        };
        let serving = Arc::clone(&self.serving);
        // It may read a file.
        match tokio::task::spawn_blocking(move || serving.offer(content)).await {
            Ok(changed) => {
                if changed? {
                    info!(secret = self.name(), until = %leaf.facts.until, "another certificate is in force");
                }
            }
            Err(panic) => error!(%panic, "putting a certificate in force broke off"),
        }
        Ok(())
    }

    fn complain(&mut self, error: &SecretError) {
        let text = error.to_string();
        if text != self.said {
            let help = match error {
                SecretError::Cluster(error) => self.cluster.help(error),
                _ => String::new(),
            };
            error!(
                secret = self.name(),
                error = text,
                help,
                "the certificate cannot be kept as it should be"
            );
            self.said = text;
        }
    }

    fn object(&self) -> SecretObject<'_> {
        let SharedTls { namespace, name, .. } = &self.shared;
        SecretObject { cluster: &self.cluster, namespace, name }
    }

    fn name(&self) -> String {
        format!("{}/{}", self.shared.namespace, self.shared.name)
    }
}

/// Makes the Secret, if there is none with a certificate in it; what it keeps, and whether it is new.
///
/// # Errors
/// If the API server refuses it, or the Secret is somebody else's.
pub async fn make(
    shared: &SharedTls,
    cluster: &Cluster,
    now: Timestamp,
) -> Result<(Kept, bool), SecretError> {
    check::names(&shared.names)?;
    let object = SecretObject { cluster, namespace: &shared.namespace, name: &shared.name };
    let found = object.get().await?;
    if let Some(kept) = found.as_ref().map_or(Ok(None), Kept::read).map_err(SecretError::Foreign)? {
        return Ok((kept, false));
    }
    let kept = Kept::begin(&issue::with_local(&shared.names), now, shared.lifetimes)?;
    object.put(found, &kept).await?;
    Ok((kept, true))
}
