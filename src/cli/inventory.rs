//! The flag that tells what else there is: shared by all subcommands that judge.

use std::path::PathBuf;

use clap::Args;

use crate::diagnostic::Diagnostics;
use crate::inventory::Inventory;
use crate::policyset::PolicySet;
use crate::source::manifests::Manifests;

#[derive(Args, Clone, Default)]
pub struct InventoryArguments {
    /// Objects of the cluster (file or directory), such as `kubectl get sc,pvc,nodes -o yaml` prints them:
    /// of every kind in there all objects are taken to be in there; may be given several times
    #[arg(long, value_name = "PATH")]
    inventory: Vec<PathBuf>,
}

/// The namespace of objects that name none, where no flag says another.
pub const DEFAULT_NAMESPACE: &str = "default";

impl InventoryArguments {
    /// What the flag names; nothing without it.
    pub fn read(&self, set: &PolicySet, default_namespace: &str) -> Result<Inventory, Diagnostics> {
        let mut inventory = set.inventory();
        let manifests = Manifests::read(&self.inventory);
        if !manifests.errors.is_empty() {
            return Err(Diagnostics(manifests.errors));
        }
        manifests.tell(&mut inventory, default_namespace);
        Ok(inventory)
    }
}
