//! The end of stategate's own Namespace.
//!
//! Whoever deletes the Namespace takes away replicas and rights, and leaves webhook configurations that nobody answers:
//! they lie in no namespace, and so does their owner. The namespace controller waits for five seconds before it deletes
//! what is in a Namespace, and the ServiceAccount's token counts until then. Each replica sees to it by itself: it needs
//! no lease, which goes with the Namespace, and it does no harm if two do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{Keeper, WebhookMode, is_own};
use crate::cluster::{ClusterError, Resource, Write};

/// Between two looks. Two of them fit into the time that the namespace controller leaves.
const LOOK: Duration = Duration::from_secs(2);
/// How long a look, and what follows from it, may take.
const ATTEMPT: Duration = Duration::from_secs(2);

impl Keeper {
    /// Removes the configurations when the Namespace is being deleted, for as long as the process runs.
    pub async fn follow_namespace(self: Arc<Self>) {
        let mut said = false;
        loop {
            sleep(LOOK).await;
            let failed = self.leave_if_ending().await.err().filter(|_| self.leaving.load(Ordering::Relaxed));
            // Once the rights are gone, it fails for as long as the process goes on.
            if let Some(error) = failed.filter(|_| !std::mem::replace(&mut said, true)) {
                let namespace = &self.webhooks.namespace;
                warn!(namespace, %error, "webhook configurations cannot be looked at, and the Namespace ends");
            }
        }
    }

    /// Removes the configurations if the Namespace is being deleted. With `--webhooks report` they are somebody else's.
    ///
    /// # Errors
    /// If the API server does not say whether it is, or does not remove them.
    pub async fn leave_if_ending(&self) -> Result<(), ClusterError> {
        match self.webhooks.mode {
            WebhookMode::Manage => {
                let late = |_| ClusterError::TimedOut(ATTEMPT.as_secs());
                timeout(ATTEMPT, self.leave()).await.map_err(late)?
            }
            WebhookMode::Report => Ok(()),
        }
    }

    async fn leave(&self) -> Result<(), ClusterError> {
        let namespace =
            self.cluster.get(&Resource::namespaces().object_path("", &self.webhooks.namespace)).await?;
        let Some(namespace) = namespace else { return Ok(()) };
        let ends = namespace.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string);
        self.leaving.store(ends, Ordering::Relaxed);
        if !ends {
            return Ok(());
        }
        let [validating, mutating] = Resource::webhook_configurations();
        let (one, other) = tokio::join!(self.remove(&validating), self.remove(&mutating));
        one.and(other)
    }

    async fn remove(&self, resource: &Resource) -> Result<(), ClusterError> {
        let name = &self.webhooks.options.name;
        let path = resource.object_path("", name);
        let Some(stored) = self.cluster.get(&path).await?.filter(is_own) else { return Ok(()) };
        let options = json!({"preconditions": {"uid": stored.pointer("/metadata/uid")}});
        match self.cluster.write(&path, Write::Delete(&options)).await {
            // Another replica was faster.
            Err(ClusterError::NotFound(_) | ClusterError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                let (kind, namespace) = (&resource.kind.kind, &self.webhooks.namespace);
                info!(
                    kind,
                    name, namespace, "webhook configuration removed, since the Namespace is being deleted"
                );
                Ok(())
            }
        }
    }
}
