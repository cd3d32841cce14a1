//! Turns the manifests of one run into an inventory, so that they are reviewed together.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use sha2::{Digest as _, Sha256};

use super::alternatives::Held;
use super::guarded;
use super::manifests::{Manifest, Manifests};
use crate::admission::{GroupKind, ObjectRef};
use crate::inventory::{Inventory, InventoryWriter, Record, RecordReader, made_in};
use crate::workload::{ConfigMaps, Earlier};

/// What the review of other objects in a run needs to know of this one.
#[derive(Clone)]
pub struct ScannedObject {
    reference: ObjectRef,
    /// The line at which it begins in its file; 0 if it was rendered.
    line: usize,
    record: Option<Record>,
    /// Whether the object is new or differs from its previous version; None if it is not itself reviewed in
    /// this run.
    changed: Option<bool>,
    /// The namespaces in which the controller of a custom resource makes something.
    made_in: BTreeSet<String>,
    /// The object itself, if it may be the parent of a request to `scale` in the same run, or runs the script of a
    /// ConfigMap.
    whole: Option<Arc<Value>>,
    /// The same for the same object.
    digest: [u8; 32],
    /// The same for objects that differ in their metadata only.
    substance: [u8; 32],
}

impl ScannedObject {
    /// The identity of the object.
    pub fn reference(&self) -> &ObjectRef {
        &self.reference
    }

    /// The line at which it begins in its file; 0 if it was rendered.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The object in its file, as far as it tells alternatives.
    pub(super) fn held<'a>(&'a self, file: &'a Path) -> Held<'a> {
        let is_workload = matches!(self.record, Some(Record::Workload(_)));
        let is_claim = matches!(self.record, Some(Record::Claim(_)));
        Held { object: &self.reference, file, is_workload, is_claim, substance: &self.substance }
    }

    /// Is it a ConfigMap?
    pub fn is_config_map(&self) -> bool {
        matches!(self.record, Some(Record::ConfigMap(_)))
    }

    /// Whether it is new or differs from its previous version.
    pub fn is_changed(&self) -> bool {
        self.changed == Some(true)
    }

    /// An object that is itself reviewed in the run; `before`: its previous version.
    pub fn reviewed(
        manifest: &Manifest,
        before: Option<&Manifest>,
        reader: &RecordReader,
        default_namespace: &str,
    ) -> Self {
        let changed = before.is_none_or(|before| before.object != manifest.object);
        let written = manifest.written();
        Self { changed: Some(changed), ..Self::read(manifest, &written, reader, default_namespace) }
    }

    /// Is it the same object in the same version, or one that nobody asks for?
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.record.is_none() && other.record.is_none() || self.digest == other.digest
    }

    /// The same object, changed if the other one is.
    pub(super) fn or_changed(mut self, other: &Self) -> Self {
        self.changed = self.changed.max(other.changed);
        self.made_in.extend(other.made_in.iter().cloned());
        self
    }

    /// An object that is only present, not reviewed.
    pub fn context(manifest: &Manifest, reader: &RecordReader, default_namespace: &str) -> Self {
        Self::read(manifest, &manifest.object, reader, default_namespace)
    }

    fn read(manifest: &Manifest, object: &Value, reader: &RecordReader, default_namespace: &str) -> Self {
        let reference = manifest.reference(default_namespace);
        let record = guarded(|| reader.read(&reference.kind, object, &reference.namespace)).flatten();
        // Without a record nobody asks which of two versions counts.
        let digest = record.as_ref().map(|_| Sha256::digest(object.to_string()).into());
        let substance = record.as_ref().map(|_| substance(object));
        let (made_in, digest) = (made_in(&reference.kind, object), digest.unwrap_or_default());
        let substance = substance.unwrap_or_default();
        let line = if manifest.template.is_none() { manifest.place(&[]).line } else { 0 };
        let scripted = matches!(&record, Some(Record::Workload(record)) if record.scripted);
        let whole = scripted.then(|| Arc::new(object.clone()));
        Self { reference, line, record, changed: None, made_in, whole, digest, substance }
    }
}

/// The digest of an object without its metadata.
fn substance(object: &Value) -> [u8; 32] {
    let fields = object.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata");
    fields
        .fold(Sha256::new(), |digest, (key, value)| digest.chain_update(format!("{key}: {value}\n")))
        .finalize()
        .into()
}

/// Objects that are themselves reviewed; `old`: previous versions of some of them. One of them may be a request to
/// `scale` another.
pub(super) fn scanned(
    manifests: &Manifests,
    old: &Manifests,
    reader: &RecordReader,
    default_namespace: &str,
) -> Vec<ScannedObject> {
    let reference = |manifest: &Manifest| manifest.reference(default_namespace);
    let before: HashMap<ObjectRef, &Manifest> =
        old.objects.iter().map(|manifest| (reference(manifest), manifest)).collect();
    let scan = |manifest: &Manifest| {
        let before = before.get(&reference(manifest)).copied();
        let scanned = ScannedObject::reviewed(manifest, before, reader, default_namespace);
        ScannedObject { whole: Some(Arc::clone(&manifest.object)), ..scanned }
    };
    manifests.objects.iter().map(scan).collect()
}

/// The objects of one run, added to those known of a cluster.
pub struct Bundle {
    writer: InventoryWriter,
    default_namespace: String,
}

impl Bundle {
    /// A bundle without objects of its own.
    pub fn over(cluster: &Inventory, default_namespace: &str) -> Self {
        let writer = InventoryWriter::from(cluster).bundle();
        Self { writer, default_namespace: default_namespace.to_owned() }
    }

    /// Adds an object.
    pub fn add(&mut self, object: ScannedObject) {
        let ScannedObject { reference, record, changed, made_in, whole, .. } = object;
        self.writer.mark_custom(&reference.kind, made_in);
        self.writer.mark_settled(&reference);
        record.into_iter().for_each(|record| self.writer.replace(record));
        whole.into_iter().for_each(|object| self.writer.keep_object(reference.clone(), object));
        match changed {
            Some(changed) => self.writer.mark_reviewed(reference, changed),
            None => self.writer.mark_bundled(&reference.kind),
        }
    }

    /// Adds a StatefulSet or Deployment that only the previous version has. Its claims may stay, and what replaces it
    /// under another name, or as another kind, starts with new ones. It is read with these ConfigMaps.
    pub fn add_departed(&mut self, manifest: &Manifest, maps: &dyn ConfigMaps) {
        let reference = manifest.reference(&self.default_namespace);
        if !["StatefulSet", "Deployment"].contains(&&*reference.kind.kind) {
            return;
        }
        let reader = self.writer.reader();
        let view = || reader.view_with(maps, &reference.kind, &manifest.object, &reference.namespace);
        if let Some(workload) = guarded(view).flatten() {
            self.writer.mark_departed(reference, Arc::new(workload));
        }
    }

    /// Adds an object of the previous version, if what it was matters: its workloads read its ConfigMaps.
    pub fn add_earlier(&mut self, manifest: &Manifest) {
        let reference = manifest.reference(&self.default_namespace);
        let reader = self.writer.reader();
        let read = || reader.read(&reference.kind, &manifest.object, &reference.namespace);
        if reference.kind.kind != "ConfigMap" {
            return;
        }
        if let Some(Record::ConfigMap(record)) = guarded(read).flatten() {
            self.writer.mark_earlier(record);
        }
    }

    /// Adds objects that are themselves reviewed in this run; `old`: previous versions of some of them. One
    /// of them may be a request to `scale` another.
    pub fn add_reviewed(&mut self, manifests: &Manifests, old: &Manifests) {
        let default_namespace = self.default_namespace.clone();
        let reference = |manifest: &Manifest| manifest.reference(&default_namespace);
        let kept: HashSet<ObjectRef> = manifests.objects.iter().map(reference).collect();
        old.objects.iter().for_each(|manifest| self.add_earlier(manifest));
        scanned(manifests, old, self.writer.reader(), &default_namespace)
            .into_iter()
            .for_each(|object| self.add(object));
        let known = self.inventory();
        let departed = old.objects.iter().filter(|manifest| !kept.contains(&reference(manifest)));
        departed.for_each(|manifest| self.add_departed(manifest, &Earlier(&known)));
    }

    /// Adds an object in the place of another version of it, with which a ConfigMap would be put together.
    pub(super) fn replace(&mut self, object: ScannedObject) {
        if object.is_config_map() {
            self.writer.remove(&object.reference);
        }
        self.add(object);
    }

    /// Adds a ConfigMap of the previous version, as far as it is the same wherever it is seen.
    pub fn add_earlier_in(&mut self, object: &ObjectRef, seen: &[&Inventory]) {
        self.writer.mark_earlier_in(object, seen);
    }

    /// There are several versions of an object, and none of them counts more than the others.
    pub(super) fn doubt<'v>(
        &mut self,
        object: &ObjectRef,
        versions: impl Iterator<Item = &'v ScannedObject> + Clone,
    ) {
        self.writer.mark_bundled(&object.kind);
        let records = versions.clone().filter_map(|version| version.record.clone());
        self.writer.mark_doubtful(object, records.collect());
        // Each version is judged where it is seen.
        let changed: Option<Vec<bool>> = versions.map(|version| version.changed).collect();
        if let Some(changed) = changed {
            self.writer.mark_reviewed(object.clone(), changed.contains(&true));
        }
    }

    /// What is missed may be among these objects of the same run.
    pub fn look_in(&mut self, elsewhere: &Inventory) {
        self.writer.mark_elsewhere(elsewhere);
    }

    /// A document of this kind could not be read; None if its kind is not known either.
    pub fn miss(&mut self, kind: Option<GroupKind>) {
        self.writer.mark_unread(kind);
    }

    /// Takes an object out, as if there were none.
    pub fn remove(&mut self, object: &ObjectRef) {
        self.writer.remove(object);
        self.writer.mark_settled(object);
    }

    /// A bundle that goes on from another one.
    pub fn continued(inventory: &Inventory, default_namespace: &str) -> Self {
        let writer = InventoryWriter::from(inventory);
        Self { writer, default_namespace: default_namespace.to_owned() }
    }

    /// The inventory for reviewing the objects.
    pub fn inventory(&self) -> Inventory {
        self.writer.snapshot()
    }
}
