//! What is kept of the objects of a cluster: records of those that policies ask about, and stategate's own documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::admission::{GroupKind, ObjectRef};
use crate::inventory::{InventoryWriter, Record, RecordReader};
use crate::policyset::{DocumentKind, StoredDocument};
use crate::source::guarded;

/// What is kept of one object.
pub(super) enum Item {
    /// What the inventory knows of it.
    Record(Record),
    /// A Policy, PolicyBinding or PolicyException.
    Document(StoredDocument),
}

impl Item {
    /// What is kept of an object; none if it cannot be read.
    pub fn of(kind: &GroupKind, object: &Value, reader: &RecordReader) -> Option<Self> {
        match DocumentKind::of(kind) {
            Some(kind) => Some(Self::Document(StoredDocument::new(kind, object))),
            None => guarded(|| reader.read(kind, object, "")).flatten().map(Self::Record),
        }
    }
}

/// What is kept of all objects.
#[derive(Default)]
pub(super) struct Kept {
    /// The records.
    pub writer: InventoryWriter,
    documents: BTreeMap<ObjectRef, Arc<StoredDocument>>,
    /// Counts the changes of the documents.
    version: u64,
}

impl Kept {
    /// The documents, and the number of this version of them.
    pub fn documents(&self) -> (u64, Vec<Arc<StoredDocument>>) {
        (self.version, self.documents.values().cloned().collect())
    }

    /// Replaces all objects of a kind.
    pub fn relist(&mut self, kind: &GroupKind, items: Vec<Item>) {
        let mut records = Vec::new();
        if DocumentKind::of(kind).is_some() {
            self.documents.retain(|object, _| object.kind != *kind);
            self.version += 1;
        }
        for item in items {
            match item {
                Item::Record(record) => records.push(record),
                document @ Item::Document(_) => self.replace(document),
            }
        }
        if DocumentKind::of(kind).is_none() {
            self.writer.relist(kind, records);
        }
    }

    /// Adds an object, or replaces it.
    pub fn replace(&mut self, item: Item) {
        match item {
            Item::Record(record) => self.writer.replace(record),
            Item::Document(document) => {
                self.version += 1;
                self.documents.insert(document.reference(), Arc::new(document));
            }
        }
    }

    /// Removes an object.
    pub fn remove(&mut self, object: &ObjectRef) {
        match DocumentKind::of(&object.kind) {
            Some(_) => {
                self.version += 1;
                self.documents.remove(object);
            }
            None => self.writer.remove(object),
        }
    }

    /// Number of objects of a kind.
    pub fn count(&self, kind: &GroupKind) -> usize {
        match DocumentKind::of(kind) {
            Some(_) => self.documents.keys().filter(|object| object.kind == *kind).count(),
            None => self.writer.count(kind),
        }
    }

    /// Objects of the kind may be missing from now on. Documents stay in force as they are.
    pub fn mark_incomplete(&mut self, kind: &GroupKind) {
        if DocumentKind::of(kind).is_none() {
            self.writer.mark_incomplete(kind);
        }
    }
}
