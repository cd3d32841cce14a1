//! The ConfigMaps that a workload reads.

use std::collections::HashSet;

use serde_json::Value;

use crate::admission::{GroupKind, ObjectRef};
use crate::source::manifests::Manifest;

/// Where a pod names a ConfigMap: in a volume, as all of its variables, as one of them.
const NAMED_IN: [&str; 3] = ["configMap", "configMapRef", "configMapKeyRef"];

/// The ConfigMaps that an object names, wherever its pods are in it.
pub fn maps_of(manifest: &Manifest, namespace: &str) -> HashSet<ObjectRef> {
    let own = manifest.reference(namespace);
    let (mut waiting, mut found) = (vec![&*manifest.object], HashSet::new());
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => {
                for (key, field) in fields {
                    let name = field.get("name").and_then(Value::as_str);
                    if let Some(name) = name.filter(|_| NAMED_IN.contains(&key.as_str())) {
                        found.insert(ObjectRef {
                            kind: GroupKind::new("v1", "ConfigMap"),
                            namespace: own.namespace.clone(),
                            name: name.to_owned(),
                        });
                    }
                    waiting.push(field);
                }
            }
            _ => {}
        }
    }
    found
}
