//! The flags that name a cluster, and the connection to it.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::inventory::InventoryArguments;
use super::policies::{Documents, load_with};
use super::say;
use crate::cluster::{Access, Cluster, ClusterError, Resources};
use crate::policyset::PolicySet;
use crate::source::policies::PolicySource;

#[derive(Args, Clone, Default)]
pub struct ClusterArguments {
    /// Ask the cluster of this context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// The kubeconfig that names the cluster, and its current context unless --context names another
    /// [default: $KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The namespace that stategate runs in, and whose PolicyExceptions may waive anything [default: stategate-system;
    /// with `serve --in-cluster`, that of the Pod]. With --context or --kubeconfig, `serve` writes nothing unless it,
    /// --policy-reports, --tls-secret or --webhooks is given
    #[arg(long, value_name = "NAME")]
    own_namespace: Option<String>,
}

impl ClusterArguments {
    /// The cluster that the flags name; none if there are no flags.
    ///
    /// # Errors
    /// If the inventory is given as files, too.
    pub fn access(&self, inventory: &InventoryArguments) -> anyhow::Result<Option<Access>> {
        let named = self.is_named();
        if named && inventory.is_given() {
            anyhow::bail!(
                "--inventory and a cluster (--context, --kubeconfig) are given\n  help: give one of them"
            );
        }
        Ok(named.then(|| self.current()))
    }

    /// Whether the flags name a cluster.
    pub fn is_named(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some()
    }

    /// The namespace of stategate, if it is named.
    pub fn named_namespace(&self) -> Option<&str> {
        self.own_namespace.as_deref()
    }

    /// The namespace of stategate: of `serve` in its Pod, that of the Pod. Another program's Pod tells nothing.
    pub fn own_namespace(&self, in_cluster: bool) -> String {
        let usual = || if in_cluster { of_pod() } else { OWN_NAMESPACE.to_owned() };
        self.own_namespace.clone().unwrap_or_else(usual)
    }

    /// What the flags name of policies, together with the Policies, PolicyBindings and PolicyExceptions of a cluster.
    pub fn policy_set(&self, policies: &PolicySource, access: &Access) -> anyhow::Result<PolicySet> {
        let documents = runtime()?.block_on(async {
            let (cluster, resources) = discover(access).await?;
            self.documents(&cluster, &resources).await
        })?;
        Ok(load_with(policies, &documents)?)
    }

    /// The Policies, PolicyBindings and PolicyExceptions of a cluster.
    pub async fn documents(&self, cluster: &Cluster, resources: &Resources) -> anyhow::Result<Documents> {
        let listed = cluster.documents(resources).await;
        let (all, unknown) = listed.map_err(|error| explained(cluster, &error))?;
        for (kind, error) in unknown {
            say(&format!("warning: the webhook may decide otherwise: {kind} is not known here: {error}\n"));
        }
        Ok(Documents { all, own_namespace: self.own_namespace(false) })
    }

    /// The cluster that the flags name, or that of the current context.
    pub fn current(&self) -> Access {
        Access { kubeconfig: self.kubeconfig.clone(), context: self.context.clone(), in_cluster: false }
    }
}

/// Prepares the connection.
pub async fn open(access: &Access) -> anyhow::Result<Cluster> {
    Cluster::open(access).await.map_err(|error| {
        let help = error.help("kubectl");
        anyhow::anyhow!("{error}\n  help: {help}")
    })
}

/// Connects, and asks what the API server has.
pub async fn discover(access: &Access) -> anyhow::Result<(Cluster, Resources)> {
    let cluster = open(access).await?;
    let resources = Resources::discover(&cluster).await;
    let resources = resources.map_err(|error| explained(&cluster, &error))?;
    Ok((cluster, resources))
}

/// A runtime for the requests of one command.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start talking to the cluster")
}

/// The error with the command that shows more.
pub fn explained(cluster: &Cluster, error: &ClusterError) -> anyhow::Error {
    anyhow::anyhow!("{}: {error}\n  help: {}", cluster.name(), cluster.help(error))
}

/// Where a Pod finds the name of its namespace.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// stategate's own namespace, if nothing says another one.
pub const OWN_NAMESPACE: &str = "stategate-system";

/// The namespace of the Pod that this process runs in, or else the usual one.
fn of_pod() -> String {
    let named = std::fs::read_to_string(POD_NAMESPACE).unwrap_or_default();
    match named.trim() {
        "" => OWN_NAMESPACE.to_owned(),
        named => named.to_owned(),
    }
}
