//! The flag that tells what else there is: shared by all subcommands that judge.

use std::path::PathBuf;

use clap::Args;

use crate::inventory::Inventory;
use crate::policy::PolicyId;
use crate::policyset::PolicySet;
use crate::source::policies::InventorySource;

#[derive(Args, Clone, Default, PartialEq, Eq)]
pub struct InventoryArguments {
    /// Objects of the cluster (file or directory), as `stategate inventory` or `kubectl get sc,pvc,nodes -A
    /// -o yaml` prints them: of every kind in there all objects are taken to be in there. kubectl leaves no
    /// trace of a kind without objects. May be given several times
    #[arg(long, value_name = "PATH")]
    inventory: Vec<PathBuf>,
}

/// The namespace of objects that name none, where no flag says another.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What is known at the start, for people and logs.
pub struct Knowledge {
    /// Kinds of which every object is known.
    pub complete: String,
    /// Kinds that policies need and that are not known, each with these policies.
    pub incomplete: String,
}

impl Knowledge {
    /// What this inventory tells.
    pub fn of(set: &PolicySet, inventory: &Inventory) -> Self {
        let complete: Vec<String> = inventory.complete().map(ToString::to_string).collect();
        let incomplete = set.incomplete(inventory).into_iter().map(|(kind, policies)| {
            let policies: Vec<&str> = policies.into_iter().map(PolicyId::as_str).collect();
            format!("{kind} ({})", policies.join(", "))
        });
        Self { complete: complete.join(", "), incomplete: incomplete.collect::<Vec<_>>().join(", ") }
    }
}

impl InventoryArguments {
    /// Whether the flag was given.
    pub fn is_given(&self) -> bool {
        !self.inventory.is_empty()
    }

    /// What this inventory tells; none if the flag was not given.
    pub fn knowledge(&self, set: &PolicySet, inventory: &Inventory) -> Option<Knowledge> {
        self.is_given().then(|| Knowledge::of(set, inventory))
    }

    /// Where the inventory comes from.
    pub fn source(&self, default_namespace: &str) -> InventorySource {
        InventorySource::new(self.inventory.clone(), default_namespace)
    }
}
