//! The only way to change the inventory.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::Inventory;
use super::makers;
use super::records::{ConfigMapRecord, Record, RecordReader};
use super::roles::ResourceRole;
use super::store::State;
use super::version::Version;
use crate::admission::{GroupKind, ObjectRef};
use crate::workload::projection::Projections;
use crate::workload::{SelfClassification, Workload};

/// Changes an inventory and creates snapshots of it. A change copies only the changed data, regardless of the
/// size of the inventory and the number of its snapshots.
#[derive(Debug, Default)]
pub struct InventoryWriter {
    state: State,
}

impl From<&Inventory> for InventoryWriter {
    /// Continues from a snapshot, which stays unchanged.
    fn from(inventory: &Inventory) -> Self {
        Self { state: State::clone(&inventory.state) }
    }
}

impl InventoryWriter {
    /// An empty inventory. Workloads are read with these projections, and their annotations count this far.
    pub fn new(projections: Arc<Projections>, self_classification: SelfClassification) -> Self {
        let reader = RecordReader::new(projections, self_classification);
        Self { state: State { reader, ..State::default() } }
    }

    /// Marks everything added from now on as manifests of one run: kinds that a policy takes from the
    /// [bundle](super::InventoryScope::Bundle) are then complete.
    #[must_use]
    pub fn bundle(mut self) -> Self {
        self.state.bundle = true;
        self.learn();
        self
    }

    /// The reader that turns objects into records of this inventory; usable without keeping the writer.
    pub fn reader(&self) -> &RecordReader {
        &self.state.reader
    }

    /// Adds or replaces an object.
    pub fn replace(&mut self, record: Record) {
        self.state.insert(record);
    }

    /// Removes an object.
    pub fn remove(&mut self, object: &ObjectRef) {
        self.state.remove(object);
    }

    /// Replaces all objects of a kind with these, and marks the kind as complete.
    pub fn relist(&mut self, kind: &GroupKind, records: impl IntoIterator<Item = Record>) {
        self.state.objects_of(kind).iter().for_each(|object| self.remove(object));
        records.into_iter().for_each(|record| self.state.insert(record));
        self.mark_complete(kind);
    }

    /// Removes all objects of a kind, which is then unknown.
    pub fn forget(&mut self, kind: &GroupKind) {
        self.state.objects_of(kind).iter().for_each(|object| self.remove(object));
        self.mark_incomplete(kind);
    }

    /// The number of objects of a kind.
    pub fn count(&self, kind: &GroupKind) -> usize {
        self.state.objects_of(kind).len()
    }

    /// Marks the kind as one of which not all objects are known; those that are stay.
    pub fn mark_incomplete(&mut self, kind: &GroupKind) {
        if self.state.complete.remove(kind).is_some() {
            self.learn();
        }
    }

    /// Takes an object for one that is not known: there are several versions of it, with these records.
    pub fn mark_doubtful(&mut self, object: &ObjectRef, versions: Vec<Record>) {
        self.state.doubt(object, versions);
        self.learn();
    }

    /// The object is known again.
    pub fn mark_settled(&mut self, object: &ObjectRef) {
        self.state.settle(object);
        self.learn();
    }

    /// Marks all objects of this kind as known. Ignores kinds that no join uses.
    pub fn mark_complete(&mut self, kind: &GroupKind) {
        if let Some(role) = self.state.reader.role(kind)
            && self.state.complete.insert(kind.clone(), role).is_none()
        {
            self.learn();
        }
    }

    /// Marks this kind as contained in the manifests of the run.
    pub fn mark_bundled(&mut self, kind: &GroupKind) {
        self.state.bundled.extend(self.state.reader.role(kind));
        self.learn();
    }

    /// Marks the object as reviewed in this run; `changed`: it is new, or differs from its previous version.
    pub fn mark_reviewed(&mut self, mut object: ObjectRef, changed: bool) {
        self.mark_bundled(&object.kind);
        // A manifest without a namespace is taken for one of the default namespace.
        if self.state.reader.role(&object.kind).is_some_and(ResourceRole::cluster_scoped) {
            object.namespace.clear();
        }
        self.state.reviewed.insert_mut(object, changed);
    }

    /// Notes a workload that the run's previous version had and this one does not have.
    pub fn mark_departed(&mut self, object: ObjectRef, workload: Arc<Workload>) {
        self.state.departed.insert_mut(object, workload);
        self.learn();
    }

    /// Notes a ConfigMap as the run's previous version had it.
    pub fn mark_earlier(&mut self, config_map: ConfigMapRecord) {
        let key = (config_map.namespace.clone(), config_map.name.clone());
        self.state.earlier.insert_mut(key, Arc::new(config_map));
        self.learn();
    }

    /// Notes a ConfigMap as the run's previous version had it, as far as all of these agree on it.
    pub fn mark_earlier_in(&mut self, object: &ObjectRef, seen: &[&Inventory]) {
        let record = |inventory: &&Inventory| -> Option<ConfigMapRecord> {
            let namespace = inventory.state.namespaces.get(&object.namespace)?;
            Some(ConfigMapRecord::clone(namespace.config_maps.get(&object.name)?))
        };
        let records: Option<Vec<ConfigMapRecord>> = seen.iter().map(record).collect();
        let agreed = records.into_iter().flatten().reduce(|agreed, record| ConfigMapRecord {
            config_map: agreed.config_map.or(&record.config_map),
            ..agreed
        });
        agreed.into_iter().for_each(|record| self.mark_earlier(record));
    }

    /// Notes where the controller of a custom resource makes something. Ignores kinds that a join knows.
    pub fn mark_custom(&mut self, kind: &GroupKind, made_in: BTreeSet<String>) {
        if self.state.reader.role(kind).is_none() {
            makers::insert(&mut self.state.makers, made_in, kind);
            self.learn();
        }
    }

    /// Notes that a document of the run could not be read, and its kind, if that is known.
    pub fn mark_unread(&mut self, kind: Option<GroupKind>) {
        self.state.unseen.insert(kind);
        self.learn();
    }

    /// Notes what else the run holds.
    pub fn mark_elsewhere(&mut self, elsewhere: &Inventory) {
        self.state.unseen.elsewhere = Some(elsewhere.clone());
        // They are joined with what is there, too.
        let schedules = elsewhere.state.bundled.get(&ResourceRole::BackupSchedule);
        self.state.bundled.extend(schedules);
        self.learn();
    }

    /// Keeps an object as a whole, so that it can be the parent of a request to `scale`, or a CronJob be read with the
    /// scripts of its ConfigMaps. Ignores others.
    pub fn keep_object(&mut self, reference: ObjectRef, object: Arc<Value>) {
        if self.state.reader.is_scalable(&reference.kind) || reference.kind.kind == "CronJob" {
            self.state.whole.insert_mut(reference, object);
            self.learn();
        }
    }

    /// Keeps the pod templates of an object's earlier revisions.
    pub fn keep_templates(&mut self, reference: ObjectRef, templates: Vec<Value>) {
        self.state.templates.insert_mut(reference, templates.into());
        self.learn();
    }

    /// Something other than a record has changed.
    fn learn(&mut self) {
        self.state.knowledge = Version::default();
    }

    /// A snapshot of the current state.
    pub fn snapshot(&self) -> Inventory {
        Inventory { state: Arc::new(self.state.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::diagnostic::SourceText;

    fn kind(text: &str) -> GroupKind {
        serde_json::from_value(json!(text)).unwrap()
    }

    fn claim(namespace: &str, name: &str) -> (ObjectRef, Value) {
        let reference = ObjectRef {
            kind: kind("PersistentVolumeClaim"),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let metadata = json!({"namespace": namespace, "name": name});
        (reference, json!({"metadata": metadata, "spec": {"storageClassName": "fast"}}))
    }

    fn add(writer: &mut InventoryWriter, (reference, object): &(ObjectRef, Value)) {
        let record = writer.reader().read(&reference.kind, object, "").unwrap();
        writer.replace(record);
    }

    #[test]
    fn a_version_stays_until_something_changes_that_it_is_about() {
        let mut writer = InventoryWriter::default();
        let ours = claim("shop", "data-pg-0");
        add(&mut writer, &ours);
        let version = |writer: &InventoryWriter| writer.snapshot().version(Some("shop"));
        let before = version(&writer);
        add(&mut writer, &ours);
        add(&mut writer, &claim("blog", "data-pg-0"));
        writer.remove(&claim("blog", "data-pg-0").0);
        assert_eq!(version(&writer), before, "the same again, and what is elsewhere");
        let class = (
            ObjectRef {
                kind: kind("StorageClass.storage.k8s.io"),
                namespace: String::new(),
                name: "fast".to_owned(),
            },
            json!({"metadata": {"name": "fast"}, "provisioner": "p"}),
        );
        let changes: [&dyn Fn(&mut InventoryWriter); 6] = [
            &|writer| add(writer, &claim("shop", "data-pg-1")),
            &|writer| writer.remove(&claim("shop", "data-pg-1").0),
            &|writer| add(writer, &class),
            &|writer| writer.mark_complete(&kind("PersistentVolumeClaim")),
            &|writer| writer.mark_incomplete(&kind("PersistentVolumeClaim")),
            &|writer| writer.relist(&kind("PersistentVolumeClaim"), []),
        ];
        let mut seen = vec![before];
        for (number, change) in changes.into_iter().enumerate() {
            change(&mut writer);
            let now = version(&writer);
            assert!(!seen.contains(&now), "change {number}");
            seen.push(now);
        }
        let fork = InventoryWriter::from(&writer.snapshot());
        assert_eq!(version(&fork), version(&writer));
        let (mut one, mut other) = (InventoryWriter::from(&fork.snapshot()), fork);
        add(&mut one, &ours);
        add(&mut other, &claim("shop", "logs"));
        assert!(version(&one) != version(&other), "as many changes, but others");
    }

    #[test]
    fn a_snapshot_never_changes_and_shares_what_is_the_same() {
        let mut writer = InventoryWriter::default();
        add(&mut writer, &claim("shop", "data-pg-0"));
        add(&mut writer, &claim("blog", "data-pg-0"));
        let before = writer.snapshot();
        let changed = claim("shop", "data-pg-1");
        add(&mut writer, &changed);
        writer.remove(&claim("shop", "data-pg-0").0);
        let after = writer.snapshot();
        let claims = |inventory: &Inventory, namespace: &str| -> Vec<String> {
            inventory.state.namespaces.get(namespace).unwrap().claims.keys().cloned().collect()
        };
        assert_eq!(claims(&before, "shop"), ["data-pg-0"]);
        assert_eq!(claims(&after, "shop"), ["data-pg-1"]);
        let blog = |inventory: &Inventory| Arc::clone(inventory.state.namespaces.get("blog").unwrap());
        assert!(Arc::ptr_eq(&blog(&before), &blog(&after)), "an untouched namespace is not copied");
    }

    #[test]
    fn a_relisted_kind_holds_what_was_listed_and_is_complete() {
        let mut writer = InventoryWriter::default();
        let kind = kind("PersistentVolumeClaim");
        add(&mut writer, &claim("shop", "gone"));
        add(&mut writer, &claim("shop", "stays"));
        assert!(!writer.snapshot().is_complete(&kind));
        let listed = [claim("shop", "stays"), claim("blog", "new")];
        let records: Vec<Record> = listed
            .iter()
            .map(|(reference, object)| writer.reader().read(&reference.kind, object, "").unwrap())
            .collect();
        writer.relist(&kind, records);
        let mut known = writer.state.objects_of(&kind);
        known.sort();
        assert_eq!(known, [listed[1].0.clone(), listed[0].0.clone()]);
        assert!(writer.snapshot().is_complete(&kind));
        writer.relist(&kind, []);
        assert!(writer.state.objects_of(&kind).is_empty() && writer.state.cluster.claims_of.is_empty());
    }

    #[test]
    fn every_role_is_listed_and_removed() {
        let text = |name: &str, text: &str| SourceText::new(name, text);
        let projections = [
            text("statefulset", include_str!("../../policies/workloads/statefulset.yaml")),
            text("budget", include_str!("../../policies/workloads/poddisruptionbudget.yaml")),
            text("service", include_str!("../../policies/workloads/service.yaml")),
            text("autoscaler", include_str!("../../policies/workloads/horizontalpodautoscaler.yaml")),
        ];
        let projections = Arc::new(Projections::read(&projections, &[]).unwrap());
        let mut writer = InventoryWriter::new(projections, SelfClassification::Additional);
        let mut seen = BTreeSet::new();
        for kind in ResourceRole::kinds().chain([kind("StatefulSet.apps"), kind("ConfigMap")]) {
            let object = json!({
                "apiVersion": "v1",
                "metadata": {"name": "one", "namespace": "shop"},
                "spec": {"minAvailable": 1, "scaleTargetRef": {"kind": "StatefulSet", "name": "pg"}},
            });
            let Some(record) = writer.reader().read(&kind, &object, "") else { continue };
            writer.replace(record);
            let known = writer.state.objects_of(&kind);
            assert_eq!(known.len(), 1, "{kind} is not listed");
            writer.remove(&known[0]);
            assert!(writer.state.objects_of(&kind).is_empty(), "{kind} is not removed");
            seen.extend(writer.reader().role(&kind));
        }
        assert_eq!(seen.len(), 17, "a role is missing: {seen:?}");
    }
}
