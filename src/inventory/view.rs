//! The part of the inventory that applies to one request, and to each of its policies.

use super::roles::{InventoryRequirements, InventoryScope, ResourceRole, keys};
use super::{Doubts, Inventory, Subject, storage};
use crate::admission::{GroupKind, Operation};

/// The inventory as one request sees it.
#[derive(Clone, Copy)]
pub struct InventoryView<'a> {
    inventory: &'a Inventory,
    subject: &'a Subject<'a>,
    doubts: &'a Doubts,
}

impl<'a> InventoryView<'a> {
    /// The view of one request.
    pub fn new(inventory: &'a Inventory, subject: &'a Subject<'a>, doubts: &'a Doubts) -> Self {
        Self { inventory, subject, doubts }
    }

    /// The unknown kinds that a policy needs for this request.
    pub fn missing(&self, needs: &InventoryRequirements) -> Vec<GroupKind> {
        let missing = needs.iter().filter(|(kind, mode)| {
            let known = match mode {
                InventoryScope::Optional => true,
                InventoryScope::Bundle => self.inventory.state.bundle || self.knows(kind),
                InventoryScope::Cluster => self.knows(kind),
            };
            let role = self.role(kind);
            let optional = *mode == InventoryScope::Optional;
            let doubted = role.is_some_and(|role| self.doubts.concern(role, Some(kind), optional));
            (!known || doubted) && role.is_some_and(|role| self.concerns(role))
        });
        missing.map(|(kind, _)| kind.clone()).collect()
    }

    fn role(&self, kind: &GroupKind) -> Option<ResourceRole> {
        self.inventory.state.reader.role(kind)
    }

    /// Whether everything that this request needs of a kind is known, even if the kind is incomplete.
    fn knows(&self, kind: &GroupKind) -> bool {
        self.inventory.is_complete(kind) || self.role(kind).is_some_and(|role| self.resolves(role))
    }

    /// Whether every object with this role that the request names is known; false for roles that a request
    /// does not name.
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
                        let snapshot = namespace.and_then(|namespace| namespace.snapshots.get(&name));
                        // A manifest has no status: only the cluster tells whether a snapshot is ready.
                        snapshot.is_some_and(|snapshot| !state.bundle || snapshot.ready.is_some())
                    })
            }
            ResourceRole::PriorityClass => {
                let scheduling = subject.workload.scheduling.as_ref();
                scheduling.is_some_and(|wish| state.cluster.priorities.contains_key(&wish.priority_class))
            }
            _ => false,
        }
    }

    /// Whether objects with this role can affect the request at all.
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
            ResourceRole::BackupSchedule => pods,
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
            | ResourceRole::PriorityClass
            | ResourceRole::ConfigMap => pods,
        }
    }

    /// Whether any policy may see this key. `needs` are those of all evaluated policies.
    pub fn sees<'n>(&self, key: &str, mut needs: impl Iterator<Item = &'n InventoryRequirements>) -> bool {
        let complete = self.complete(key);
        complete || needs.any(|needs| self.declared(key, needs))
    }

    /// Whether the key is known regardless of a policy's declarations.
    fn complete(&self, key: &str) -> bool {
        // These describe the object itself or its location.
        if ["namespace", "parent"].contains(&key) {
            return true;
        }
        let roles = roles(key);
        if roles.iter().any(|role| self.doubts.concern(*role, None, false)) {
            return false;
        }
        roles.iter().any(|role| self.resolves(*role))
            || self.inventory.state.complete.values().any(|role| roles.contains(role))
    }

    /// Whether a policy with these needs sees the manifests of the run: if the kind is optional, whatever the
    /// run contains; if it comes from the bundle, also its absence.
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
        let doubted = |(kind, _): (&GroupKind, InventoryScope)| {
            let role = self.role(kind).filter(|role| roles(key).contains(role));
            role.is_some_and(|role| self.doubts.concern(role, Some(kind), false))
        };
        state.bundle && needs.iter().any(shown) && !needs.iter().any(doubted)
    }

    /// Keys hidden from one policy although another sees them: the contents of a bundle count only for
    /// policies that declare so.
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
