//! What `kubectl apply` makes of an object that exists: a three-way merge of what was applied last, what is
//! applied now, and what others have set in between (Kubernetes documentation, "How apply calculates
//! differences and merges changes").

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::list::without_copy;
use crate::admission::LAST_APPLIED;

/// The lists of Kubernetes' own types whose items are merged, and the field that tells their items apart
/// (`x-kubernetes-patch-merge-key`). All others are replaced as a whole.
const MERGED: &[(&str, &str)] = &[
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("imagePullSecrets", "name"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("ports", "containerPort"),
    ("ports", "port"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
    ("ownerReferences", "uid"),
];
/// Fields of which only the keys in the manifest stay (`x-kubernetes-patch-strategy: retainKeys`), so that one
/// source of a volume does not meet another.
const RETAINED: &[&str] = &["volumes", "strategy"];

/// The object that is stored once `manifest` is applied over `live`. Lists of custom resources are replaced.
pub fn applied(live: &Value, manifest: &Value) -> Value {
    let last = live.pointer("/metadata/annotations").and_then(|all| all.get(LAST_APPLIED)?.as_str());
    let last: Value = last.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    let group =
        manifest.get("apiVersion").and_then(Value::as_str).and_then(|version| version.split_once('/'));
    let group = group.map_or("", |(group, _)| group);
    let built_in = !group.contains('.') || group.ends_with(".k8s.io");
    without_copy(Merge { built_in }.value("", &last, live, manifest))
}

/// How values are merged.
struct Merge {
    /// Whether the object is of one of Kubernetes' own types.
    built_in: bool,
}

impl Merge {
    /// `field` is the name of the field, or of the list that the value is an item of.
    fn value(&self, field: &str, last: &Value, live: &Value, now: &Value) -> Value {
        match (live, now) {
            (Value::Object(live), Value::Object(now)) => {
                Value::Object(self.fields(field, last.as_object(), live, now))
            }
            (Value::Array(live), Value::Array(now)) => match self.key_of(field, live, now) {
                Some(key) => Value::Array(self.items(field, key, last.as_array(), live, now)),
                None if self.built_in && field == "finalizers" => Value::Array(united(last, live, now)),
                None => Value::Array(now.clone()),
            },
            _ => now.clone(),
        }
    }

    /// What this manifest no longer says but the last one said is removed; what neither says was set by others, and
    /// stays.
    fn fields(
        &self,
        field: &str,
        last: Option<&Map<String, Value>>,
        live: &Map<String, Value>,
        now: &Map<String, Value>,
    ) -> Map<String, Value> {
        let said = |key: &str| last.and_then(|last| last.get(key));
        let retained = self.built_in && RETAINED.contains(&field);
        let mut all = Map::new();
        for (key, value) in live {
            match now.get(key) {
                // `null` removes a field.
                Some(Value::Null) => {}
                Some(now) => {
                    let last = said(key).unwrap_or(&Value::Null);
                    all.insert(key.clone(), self.value(key, last, value, now));
                }
                None if said(key).is_none() && !retained => drop(all.insert(key.clone(), value.clone())),
                None => {}
            }
        }
        let new = now.iter().filter(|(key, value)| !live.contains_key(*key) && !value.is_null());
        all.extend(new.map(|(key, value)| (key.clone(), value.clone())));
        all
    }

    /// The items of the manifest in its order, then those that others added.
    fn items(
        &self,
        field: &str,
        key: &str,
        last: Option<&Vec<Value>>,
        live: &[Value],
        now: &[Value],
    ) -> Vec<Value> {
        let id = |item: &Value| item.get(key).cloned().unwrap_or(Value::Null);
        let find = |all: &[Value], wanted: &Value| all.iter().find(|item| id(item) == *wanted).cloned();
        let last: &[Value] = last.map_or(&[], Vec::as_slice);
        let merged = |item: &Value| match find(live, &id(item)) {
            Some(live) => self.value(field, &find(last, &id(item)).unwrap_or(Value::Null), &live, item),
            None => item.clone(),
        };
        let mut all: Vec<Value> = now.iter().map(merged).collect();
        let mentioned: BTreeSet<String> = now.iter().chain(last).map(|item| id(item).to_string()).collect();
        all.extend(live.iter().filter(|item| !mentioned.contains(&id(item).to_string())).cloned());
        all
    }

    fn key_of(&self, field: &str, live: &[Value], now: &[Value]) -> Option<&'static str> {
        let all_have = |key: &str| live.iter().chain(now).all(|item| item.get(key).is_some());
        let mut keys = MERGED.iter().filter(|(list, _)| self.built_in && *list == field).map(|(_, key)| *key);
        keys.find(|key| all_have(key))
    }
}

/// A set of texts: those of the manifest, and those that others added.
fn united(last: &Value, live: &[Value], now: &[Value]) -> Vec<Value> {
    let last: &[Value] = last.as_array().map_or(&[], Vec::as_slice);
    let others = live.iter().filter(|item| !now.contains(item) && !last.contains(item));
    now.iter().chain(others).cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_set_stays_and_what_the_manifest_drops_goes() {
        let last = json!({"spec": {"revisionHistoryLimit": 3, "template": {"spec": {"containers": [
            {"name": "pg", "image": "postgres:16"}, {"name": "old", "image": "old:1"},
        ]}}}});
        let live = json!({
            "metadata": {
                "annotations": {LAST_APPLIED: last.to_string(), "stategate.io/confirm-scale": "3->0"},
            },
            "spec": {"replicas": 5, "revisionHistoryLimit": 3, "template": {"spec": {"containers": [
                {"name": "injected", "image": "proxy:1"},
                {"name": "old", "image": "old:1"},
                {"name": "pg", "image": "postgres:16", "imagePullPolicy": "IfNotPresent"},
            ]}}},
        });
        let manifest = json!({
            "metadata": {"labels": {"app": "pg"}},
            "spec": {"template": {"spec": {"containers": [{"name": "pg", "image": "postgres:17"}]}}},
        });
        assert_eq!(
            applied(&live, &manifest),
            json!({
                "metadata": {"annotations": {"stategate.io/confirm-scale": "3->0"}, "labels": {"app": "pg"}},
                "spec": {"replicas": 5, "template": {"spec": {"containers": [
                    {"name": "pg", "image": "postgres:17", "imagePullPolicy": "IfNotPresent"},
                    {"name": "injected", "image": "proxy:1"},
                ]}}},
            })
        );
    }

    #[test]
    fn lists_are_merged_as_their_types_say() {
        let pod = |volumes: Value, mounts: Value| {
            json!({"apiVersion": "v1", "spec": {
                "volumes": volumes, "containers": [{"name": "pg", "volumeMounts": mounts}],
            }})
        };
        let live = pod(
            json!([{"name": "data", "emptyDir": {}}]),
            json!([
                {"name": "data", "mountPath": "/a", "subPath": "a", "readOnly": true},
                {"name": "data", "mountPath": "/b"},
            ]),
        );
        let manifest = pod(
            json!([{"name": "data", "persistentVolumeClaim": {"claimName": "pg"}}]),
            json!([{"name": "data", "mountPath": "/b"}]),
        );
        let expected = pod(
            json!([{"name": "data", "persistentVolumeClaim": {"claimName": "pg"}}]),
            json!([
                {"name": "data", "mountPath": "/b"},
                {"name": "data", "mountPath": "/a", "subPath": "a", "readOnly": true},
            ]),
        );
        assert_eq!(applied(&live, &manifest), expected);

        // The API server knows no keys of a custom resource.
        let custom = |items: Value| json!({"apiVersion": "db.example.com/v1", "spec": {"containers": items}});
        let (live, manifest) =
            (custom(json!([{"name": "a"}, {"name": "b"}])), custom(json!([{"name": "a"}])));
        assert_eq!(applied(&live, &manifest), manifest);
    }

    #[test]
    fn without_a_last_application_only_what_is_written_changes() {
        let live = json!({"spec": {"replicas": 3, "args": ["a", "b"], "paused": true}});
        let manifest = json!({"spec": {"args": ["c"], "paused": null}});
        assert_eq!(applied(&live, &manifest), json!({"spec": {"replicas": 3, "args": ["c"]}}));
    }
}
