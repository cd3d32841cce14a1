//! The cases: objects of the catalogue's examples, each in a namespace of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stategate::admission::{GroupVersionKind, LAST_APPLIED};
use stategate::policyset::PolicySet;
use stategate::source::catalogue::Catalogue;

use crate::examples::{REFUSED, is_of_a_custom_group, objects};

/// Kinds of the examples that belong to no namespace.
const CLUSTER_SCOPED: [&str; 6] =
    ["Namespace", "Node", "PersistentVolume", "PriorityClass", "StorageClass", "VolumeAttributesClass"];

/// An object, stored or to be stored among others.
pub struct Case {
    /// Which example, and which of its objects.
    pub name: String,
    pub number: usize,
    pub namespace: String,
    pub gvk: GroupVersionKind,
    pub plural: String,
    pub object: Value,
    pub old: Option<Value>,
    pub around: Vec<Value>,
}

/// Kind, namespace and name of an object.
pub type Key = (String, String, String);

/// Replaces whole texts, and so the names by which objects refer to one another.
fn renamed(value: &Value, names: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => names.get(text).unwrap_or(text).clone().into(),
        Value::Array(items) => items.iter().map(|item| renamed(item, names)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), renamed(value, names))).collect()
        }
        other => other.clone(),
    }
}

pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub fn is_cluster_scoped(object: &Value) -> bool {
    CLUSTER_SCOPED.contains(&text(object, "/kind"))
}

/// All examples that violate a policy, all changes, and for each policy the first that it does not object to.
fn chosen(catalogue: &Catalogue) -> Vec<(&str, Vec<Value>, Vec<Value>)> {
    let texts: BTreeMap<&str, &str> = catalogue.examples().map(|(path, text)| (path, &*text.text)).collect();
    let read = |path: &str| -> Vec<Value> {
        let text = texts.get(path).copied().unwrap_or_default();
        objects(path, text).into_iter().map(|manifest| (*manifest.object).clone()).collect()
    };
    let (mut taken, mut chosen) = (BTreeSet::new(), Vec::new());
    for path in texts.keys().copied() {
        let (folder, file) = path.split_once("/examples/").unwrap();
        let stem = path.strip_suffix(".yaml").unwrap();
        let Some(outcome) = ["deny_", "warn_", "pass_"].into_iter().find(|start| file.starts_with(start))
        else {
            continue;
        };
        if [".old", ".inventory", ".in", ".out"].iter().any(|part| stem.ends_with(part)) {
            continue;
        }
        let (new, old) = (read(path), read(&format!("{stem}.old.yaml")));
        if outcome == "pass_" && old.is_empty() && !taken.insert(folder) {
            continue;
        }
        let is_review = |object: &Value| text(object, "/kind") == "AdmissionReview";
        if new.iter().any(is_review) || REFUSED.contains(&path) {
            continue;
        }
        let known = read(&format!("{stem}.inventory.yaml"));
        chosen.push((path, new.into_iter().chain(known).collect(), old));
    }
    chosen
}

pub fn cases(set: &PolicySet, catalogue: &Catalogue) -> Vec<Case> {
    let mut cases = Vec::new();
    for (path, new, old) in chosen(catalogue) {
        for (position, subject) in new.iter().enumerate() {
            let gvk = GroupVersionKind::new(text(subject, "/apiVersion"), text(subject, "/kind"));
            let Some(projection) = set.projections().of(&gvk.group_kind()) else { continue };
            let is_subject = |object: &&Value| {
                ["/kind", "/metadata/name", "/metadata/namespace"]
                    .iter()
                    .all(|field| text(object, field) == text(subject, field))
            };
            let before = old.iter().find(is_subject);
            // Of a change, only what is changed; and a Namespace is there before what lies in it.
            if !old.is_empty() && before.is_none()
                || gvk.kind == "Namespace" && new.len() > 1
                || new.iter().any(is_custom_object)
            {
                continue;
            }
            if is_default(subject) {
                continue;
            }
            let number = cases.len();
            let namespace =
                if number % 4 == 3 { format!("mild-{number}") } else { format!("strict-{number}") };
            let mut names = BTreeMap::new();
            for object in &new {
                let (name, within) = (text(object, "/metadata/name"), text(object, "/metadata/namespace"));
                if is_cluster_scoped(object) && text(object, "/kind") != "Namespace" {
                    names.insert(name.to_owned(), format!("{name}-{number}"));
                }
                if !within.is_empty() && !names.values().any(|taken| *taken == namespace) {
                    names.insert(within.to_owned(), namespace.clone());
                }
            }
            // One disk is one disk, but not that of another case.
            for disk in ["/spec/csi/volumeHandle", "/spec/awsElasticBlockStore/volumeID", "/spec/local/path"]
            {
                for name in new.iter().map(|object| text(object, disk)) {
                    names.insert(name.to_owned(), format!("{name}-{number}"));
                }
            }
            names.remove("");
            let placed = |object: &Value| {
                let mut object = renamed(object, &names);
                match (is_cluster_scoped(&object), text(&object, "/kind")) {
                    (true, "Namespace") => object["metadata"]["name"] = namespace.clone().into(),
                    (true, _) => {}
                    (false, _) => object["metadata"]["namespace"] = namespace.clone().into(),
                }
                object
            };
            let others =
                new.iter().enumerate().filter(|(other, _)| *other != position).map(|(_, other)| other);
            cases.push(Case {
                name: format!("{path}#{position}"),
                number,
                gvk,
                plural: projection.plural.clone(),
                object: placed(subject),
                old: before.map(placed),
                around: others.map(placed).collect(),
                namespace,
            });
        }
    }
    cases
}

fn is_custom_object(object: &Value) -> bool {
    is_of_a_custom_group(text(object, "/apiVersion"))
}

/// Whether it is a StorageClass for claims that name none. Once it is stored, other claims are other claims.
fn is_default(class: &Value) -> bool {
    let annotations = class.pointer("/metadata/annotations");
    annotations.is_some_and(|all| all["storageclass.kubernetes.io/is-default-class"] == "true")
}

impl Case {
    pub fn path(&self) -> String {
        let version = match self.gvk.group.as_str() {
            "" => format!("/api/{}", self.gvk.version),
            group => format!("/apis/{group}/{}", self.gvk.version),
        };
        let within = if is_cluster_scoped(&self.object) {
            String::new()
        } else {
            format!("/namespaces/{}", self.namespace)
        };
        let all = format!("{version}{within}/{}", self.plural);
        if self.old.is_some() { format!("{all}/{}", text(&self.object, "/metadata/name")) } else { all }
    }

    /// By which reports name it.
    pub fn key(&self) -> Key {
        let field = |pointer: &str| text(&self.object, pointer).to_owned();
        (field("/kind"), field("/metadata/namespace"), field("/metadata/name"))
    }

    /// What kubectl sends for it.
    pub fn sent(&self) -> Value {
        if self.old.is_some() { applied(&self.object) } else { self.object.clone() }
    }

    /// The AdmissionReview of a request that would store `object`.
    pub fn review(&self, object: &Value, old: &Value) -> Value {
        let GroupVersionKind { group, version, kind } = &self.gvk;
        let namespace = if is_cluster_scoped(&self.object) { "" } else { &self.namespace };
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "5d9f0ad0-0000-4000-8000-000000000000",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": self.plural},
            "name": object["metadata"]["name"], "namespace": namespace,
            "operation": if self.old.is_some() { "UPDATE" } else { "CREATE" },
            "userInfo": {"username": "admin"}, "object": object, "oldObject": old}})
    }
}

/// As `kubectl apply` stores it.
pub fn applied(object: &Value) -> Value {
    let (mut object, copy) = (object.clone(), object.to_string());
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.entry("annotations").or_insert_with(|| json!({}))[LAST_APPLIED] = copy.into();
    object
}
