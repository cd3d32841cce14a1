//! Cluster-scoped objects: how they are kept, and by what volumes are found.

use std::sync::Arc;

use super::persistent::{insert_item, remove_item};
use super::records::VolumeRecord;
use super::roles::ResourceRole;
use super::store::{Cluster, NamespacedName};
use crate::workload::view::PersistentVolume;

impl Cluster {
    pub fn insert_volume(&mut self, record: VolumeRecord) {
        self.remove(ResourceRole::Volume, &record.name);
        if let Some(place) = claim_of(&record) {
            insert_item(&mut self.bound, place, record.name.clone());
        }
        if let Some(handle) = handle(&record.volume) {
            insert_item(&mut self.handles, handle, record.name.clone());
        }
        self.volumes.insert_mut(record.name.clone(), Arc::new(record));
    }

    pub fn remove(&mut self, role: ResourceRole, name: &str) {
        match role {
            ResourceRole::StorageClass => drop(self.classes.remove_mut(name)),
            ResourceRole::AttributesClass => drop(self.attributes.remove_mut(name)),
            ResourceRole::SnapshotClass => drop(self.snapshot_classes.remove_mut(name)),
            ResourceRole::PriorityClass => drop(self.priorities.remove_mut(name)),
            ResourceRole::Node => self.nodes.remove(name),
            ResourceRole::Volume => {
                let Some(record) = self.volumes.get(name).cloned() else { return };
                if let Some(place) = claim_of(&record) {
                    remove_item(&mut self.bound, &place, &record.name);
                }
                if let Some(handle) = handle(&record.volume) {
                    remove_item(&mut self.handles, &handle, &record.name);
                }
                self.volumes.remove_mut(name);
            }
            _ => {}
        }
    }

    pub fn names(&self, role: ResourceRole) -> Vec<&String> {
        match role {
            ResourceRole::StorageClass => self.classes.keys().collect(),
            ResourceRole::AttributesClass => self.attributes.keys().collect(),
            ResourceRole::SnapshotClass => self.snapshot_classes.keys().collect(),
            ResourceRole::PriorityClass => self.priorities.keys().collect(),
            ResourceRole::Volume => self.volumes.keys().collect(),
            ResourceRole::Node => self.nodes.names().collect(),
            _ => Vec::new(),
        }
    }
}

/// The claim that a volume is bound to or reserved for.
fn claim_of(record: &VolumeRecord) -> Option<NamespacedName> {
    Some((record.volume.claim_namespace.clone()?, record.volume.claim_name.clone()?))
}

/// The CSI driver of a volume, or what else it comes from, and the name by which that knows the volume.
pub fn handle(volume: &PersistentVolume) -> Option<(String, String)> {
    // In-tree disks that a driver has taken over.
    let taken_over = match volume.source.as_str() {
        "awsElasticBlockStore" => "ebs.csi.aws.com",
        "azureDisk" => "disk.csi.azure.com",
        "cinder" => "cinder.csi.openstack.org",
        // Both are directories of a node.
        "hostPath" => "local",
        source => source,
    };
    let driver = volume.driver.as_deref().unwrap_or(taken_over);
    Some((driver.to_owned(), volume.handle.clone()?))
}
