//! When the annotations that confirm a step were set. The API server records the time of each manager's last
//! change of the fields that it owns (KEP-555, `metadata.managedFields`).

use serde_json::Value;

use super::JsonNode;
use super::view::Strings;

/// The annotations `stategate.io/confirm-…`.
const PREFIX: &str = "stategate.io/confirm-";

/// The confirmations among annotations: the step that each names.
pub fn confirmed_steps(annotations: &Strings) -> impl Iterator<Item = (&String, &String)> {
    annotations.iter().filter(|(name, _)| name.starts_with(PREFIX))
}

/// The time of each confirmation, RFC 3339 in UTC; of several managers that own one, the latest. Empty if the
/// object does not tell, such as in a file.
pub fn confirmed_at(metadata: &JsonNode<'_>) -> Strings {
    let annotations = metadata.child("annotations").raw().and_then(Value::as_object);
    let confirmations: Vec<&String> =
        annotations.into_iter().flat_map(|all| all.keys()).filter(|key| key.starts_with(PREFIX)).collect();
    let mut times = Strings::new();
    if confirmations.is_empty() {
        return times;
    }
    // What the API server itself writes needs no reading that reports faults.
    let managers = metadata.raw().and_then(|metadata| metadata.get("managedFields")?.as_array());
    for manager in managers.into_iter().flatten() {
        let Some(time) = manager.get("time").and_then(Value::as_str) else { continue };
        let owned = manager.pointer("/fieldsV1/f:metadata/f:annotations");
        for name in &confirmations {
            let owns = owned.is_some_and(|owned| owned.get(format!("f:{name}")).is_some());
            // In UTC, these times sort as text.
            if owns && times.get(*name).is_none_or(|known| known.as_str() < time) {
                times.insert((*name).clone(), time.to_owned());
            }
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workload::ObjectReading;

    #[test]
    fn the_latest_manager_tells_the_time() {
        let fields =
            |name: &str| json!({"f:metadata": {"f:annotations": {".": {}, format!("f:{name}"): {}}}});
        let (scale, other) = ("stategate.io/confirm-scale", "stategate.io/confirm-delete");
        let object = json!({
            "annotations": {scale: "3->0", "team": "db"},
            "managedFields": [
                {"manager": "helm", "time": "2026-01-01T10:00:00Z", "fieldsV1": fields(scale)},
                {"manager": "kubectl-annotate", "time": "2026-01-02T10:00:00Z", "fieldsV1": fields(scale)},
                {"manager": "kubectl-edit", "time": "2026-01-03T10:00:00Z", "fieldsV1": fields("team")},
                {"manager": "odd", "fieldsV1": fields(other)},
                7,
            ],
        });
        let reading = ObjectReading::default();
        let times = confirmed_at(&JsonNode::root(&object, &reading));
        assert_eq!(times, Strings::from([(scale.to_owned(), "2026-01-02T10:00:00Z".to_owned())]));
        let none = confirmed_at(&JsonNode::root(&json!({"annotations": {scale: "3->0"}}), &reading));
        assert!(none.is_empty());
    }
}
