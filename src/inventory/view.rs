//! What of the inventory counts for one request, and for one policy of it.

use super::roles::{InventoryRequirements, InventoryScope, ResourceRole, keys};
use super::{Inventory, Subject, storage};
use crate::admission::GroupKind;
use crate::admission::Operation;

/// The inventory as one request sees it.
#[derive(Clone, Copy)]
pub struct InventoryView<'a> {
    inventory: &'a Inventory,
    subject: &'a Subject<'a>,
}

impl<'a> InventoryView<'a> {
    /// Of one request.
    pub fn new(inventory: &'a Inventory, subject: &'a Subject<'a>) -> Self {
        Self { inventory, subject }
    }

    /// The kinds that a policy cannot judge this request without, and that are not known.
    pub fn missing(&self, needs: &InventoryRequirements) -> Vec<GroupKind> {
        let missing = needs.iter().filter(|(kind, mode)| {
            let known = match mode {
                InventoryScope::Optional => true,
                InventoryScope::Bundle => self.inventory.state.bundle || self.knows(kind),
                InventoryScope::Cluster => self.knows(kind),
            };
            !known && self.role(kind).is_some_and(|role| self.concerns(role))
        });
        missing.map(|(kind, _)| kind.clone()).collect()
    }

    fn role(&self, kind: &GroupKind) -> Option<ResourceRole> {
        self.inventory.state.reader.role(kind)
    }

    /// All that this request asks for of a kind is known, even if the kind as a whole is not.
    fn knows(&self, kind: &GroupKind) -> bool {
        self.inventory.is_complete(kind) || self.role(kind).is_some_and(|role| self.resolves(role))
    }

    /// Is every object that the request names in the inventory?
    fn resolves(&self, role: ResourceRole) -> bool {
        let (state, subject) = (&*self.inventory.state, self.subject);
        match role {
            ResourceRole::Namespace => self.inventory.namespace_labels(&subject.workload.namespace).is_some(),
            ResourceRole::StorageClass => storage::classes_resolve(state, subject),
            ResourceRole::AttributesClass => {
                let mut named = storage::attributes_named(subject).peekable();
                named.peek().is_some() && named.all(|name| state.cluster.attributes.contains_key(name))
            }
            ResourceRole::Snapshot => {
                let mut named = storage::snapshots_named(subject).peekable();
                named.peek().is_some()
                    && named.all(|(namespace, name)| {
                        let namespace = state.namespaces.get(&namespace);
                        namespace.is_some_and(|namespace| namespace.snapshots.contains_key(&name))
                    })
            }
            ResourceRole::PriorityClass => {
                let scheduling = subject.workload.scheduling.as_ref();
                scheduling.is_some_and(|wish| state.cluster.priorities.contains_key(&wish.priority_class))
            }
            _ => false,
        }
    }

    /// Can objects of this sort matter to the request at all?
    fn concerns(&self, role: ResourceRole) -> bool {
        let subject = self.subject;
        let (claims, pods) = (!subject.workload.claims.is_empty(), subject.workload.pods.is_some());
        let deleted = subject.operation == Operation::Delete;
        let own = self.role(&subject.kind);
        match role {
            ResourceRole::Namespace => !subject.workload.namespace.is_empty(),
            ResourceRole::StorageClass => {
                claims || matches!(own, Some(ResourceRole::StorageClass | ResourceRole::Volume))
            }
            ResourceRole::AttributesClass => storage::attributes_named(subject).next().is_some(),
            ResourceRole::Snapshot | ResourceRole::SnapshotClass => {
                storage::snapshots_named(subject).next().is_some()
            }
            ResourceRole::Claim => {
                let holds = matches!(own, Some(ResourceRole::StorageClass | ResourceRole::Namespace));
                claims || own == Some(ResourceRole::Volume) || deleted && holds
            }
            ResourceRole::Volume | ResourceRole::Quota => claims,
            ResourceRole::Workload => {
                let holds = matches!(own, Some(ResourceRole::Namespace));
                let selects = matches!(
                    own,
                    Some(ResourceRole::Budget | ResourceRole::Service | ResourceRole::Autoscaler)
                );
                claims || selects || deleted && holds
            }
            ResourceRole::Budget
            | ResourceRole::Service
            | ResourceRole::Autoscaler
            | ResourceRole::LimitRange
            | ResourceRole::Node
            | ResourceRole::PriorityClass => pods,
        }
    }

    /// May some policy see this key? `needs` are all of those that are asked.
    pub fn sees<'n>(&self, key: &str, mut needs: impl Iterator<Item = &'n InventoryRequirements>) -> bool {
        let complete = self.complete(key);
        complete || needs.any(|needs| self.declared(key, needs))
    }

    /// Is the key known whatever a policy declares?
    fn complete(&self, key: &str) -> bool {
        // What tells of the object itself, or of where it is.
        if ["namespace", "parent"].contains(&key) {
            return true;
        }
        let roles = roles(key);
        roles.iter().any(|role| self.resolves(*role))
            || self.inventory.state.complete.values().any(|role| roles.contains(role))
    }

    /// Does a policy with these needs see what the manifests of the run hold? Who can do without a kind
    /// sees what there is of it; who takes its absence for an answer sees that, too.
    fn declared(&self, key: &str, needs: &InventoryRequirements) -> bool {
        let state = &self.inventory.state;
        let shown = |(kind, mode): (&GroupKind, InventoryScope)| {
            let role = self.role(kind).filter(|role| roles(key).contains(role));
            role.is_some_and(|role| match mode {
                InventoryScope::Bundle => true,
                InventoryScope::Optional => state.bundled.contains(&role),
                InventoryScope::Cluster => false,
            })
        };
        state.bundle && needs.iter().any(shown)
    }

    /// Keys that one policy does not see although another does: what a bundle holds counts only for
    /// those who say so.
    pub fn hidden(&self, needs: &InventoryRequirements) -> Vec<&'static str> {
        if !self.inventory.state.bundle {
            return Vec::new();
        }
        keys().map(|(key, _)| key).filter(|key| !self.complete(key) && !self.declared(key, needs)).collect()
    }
}

fn roles(key: &str) -> &'static [ResourceRole] {
    keys().find(|(name, _)| *name == key).map_or(&[], |(_, roles)| roles)
}
