//! The flags that name a cluster, and the connection to it.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::inventory::InventoryArguments;
use crate::cluster::{Access, Cluster, ClusterError};

#[derive(Args, Clone, Default)]
pub struct ClusterArguments {
    /// Ask the cluster of this context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// The kubeconfig that names the cluster, and its current context unless --context names another
    /// [default: $KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

impl ClusterArguments {
    /// The cluster that the flags name; none if there are no flags.
    ///
    /// # Errors
    /// If the inventory is given as files, too.
    pub fn access(&self, inventory: &InventoryArguments) -> anyhow::Result<Option<Access>> {
        let named = self.context.is_some() || self.kubeconfig.is_some();
        if named && inventory.is_given() {
            anyhow::bail!(
                "--inventory and a cluster (--context, --kubeconfig) are given\n  help: give one of them"
            );
        }
        Ok(named.then(|| self.current()))
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
const OWN_NAMESPACE: &str = "stategate-system";

/// The namespace that stategate runs in: that of its Pod, or else the usual one.
pub fn own_namespace() -> String {
    let named = std::fs::read_to_string(POD_NAMESPACE).unwrap_or_default();
    match named.trim() {
        "" => OWN_NAMESPACE.to_owned(),
        named => named.to_owned(),
    }
}
