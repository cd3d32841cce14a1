//! What `kubectl apply` makes of an object that exists: a three-way merge of what was applied last, what is
//! applied now, and what others have set in between (Kubernetes documentation, "How apply calculates
//! differences and merges changes").

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::list::{LAST_APPLIED, without_copy};

/// Fields by which the items of a list are told apart, the first that all items have. Those of Kubernetes' own
/// types (`x-kubernetes-patch-merge-key`).
const MERGE_KEYS: &[&str] =
    &["name", "mountPath", "containerPort", "port", "devicePath", "ip", "topologyKey", "uid"];

/// The object that is stored once `manifest` is applied over `live`.
pub fn applied(live: &Value, manifest: &Value) -> Value {
    let last = live.pointer("/metadata/annotations").and_then(|all| all.get(LAST_APPLIED)?.as_str());
    let last: Value = last.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    without_copy(merged(&last, live, manifest))
}

fn merged(last: &Value, live: &Value, now: &Value) -> Value {
    match (live, now) {
        (Value::Object(live), Value::Object(now)) => Value::Object(fields(last.as_object(), live, now)),
        (Value::Array(live), Value::Array(now)) => match key_of(live.iter().chain(now)) {
            Some(key) => Value::Array(items(key, last.as_array(), live, now)),
            None => Value::Array(now.clone()),
        },
        _ => now.clone(),
    }
}

/// What this manifest no longer says but the last one said is removed; what neither says was set by others, and
/// stays.
fn fields(
    last: Option<&Map<String, Value>>,
    live: &Map<String, Value>,
    now: &Map<String, Value>,
) -> Map<String, Value> {
    let said = |key: &str| last.and_then(|last| last.get(key));
    let mut all = Map::new();
    for (key, value) in live {
        match now.get(key) {
            // `null` removes a field.
            Some(Value::Null) => {}
            Some(now) => drop(all.insert(key.clone(), merged(said(key).unwrap_or(&Value::Null), value, now))),
            None if said(key).is_none() => drop(all.insert(key.clone(), value.clone())),
            None => {}
        }
    }
    let new = now.iter().filter(|(key, value)| !live.contains_key(*key) && !value.is_null());
    all.extend(new.map(|(key, value)| (key.clone(), value.clone())));
    all
}

/// The items of the manifest in its order, then those that others added.
fn items(key: &str, last: Option<&Vec<Value>>, live: &[Value], now: &[Value]) -> Vec<Value> {
    let find = |all: &[Value], id: &Value| all.iter().find(|item| item.get(key) == Some(id)).cloned();
    let last: &[Value] = last.map_or(&[], Vec::as_slice);
    let id = |item: &Value| item.get(key).cloned().unwrap_or(Value::Null);
    let mut all: Vec<Value> = Vec::with_capacity(now.len());
    for item in now {
        let id = id(item);
        all.push(match find(live, &id) {
            Some(live) => merged(&find(last, &id).unwrap_or(Value::Null), &live, item),
            None => item.clone(),
        });
    }
    let mentioned: BTreeSet<String> = now.iter().chain(last).map(|item| id(item).to_string()).collect();
    all.extend(live.iter().filter(|item| !mentioned.contains(&id(item).to_string())).cloned());
    all
}

fn key_of<'v>(items: impl Iterator<Item = &'v Value> + Clone) -> Option<&'static str> {
    let all_have = |key: &&&str| items.clone().all(|item| item.get(**key).is_some());
    items.clone().next()?;
    MERGE_KEYS.iter().find(all_have).copied()
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
    fn without_a_last_application_only_what_is_written_changes() {
        let live = json!({"spec": {"replicas": 3, "args": ["a", "b"], "paused": true}});
        let manifest = json!({"spec": {"args": ["c"], "paused": null}});
        assert_eq!(applied(&live, &manifest), json!({"spec": {"replicas": 3, "args": ["c"]}}));
    }
}
