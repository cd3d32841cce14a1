//! Patches: combines the operations of all policies and detects conflicts.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Patched;
use crate::path::{self, Path, Segment};
use crate::policy::PolicyId;

/// The annotation that names the policies that changed an object.
pub const MUTATED_BY: &str = "stategate.io/mutated-by";

/// One element of a policy's `patch`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatchOperation {
    op: Op,
    path: path::Written,
    #[serde(default)]
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Op {
    Add,
    Replace,
    Remove,
}

/// The patch of one policy.
#[derive(Clone, Debug)]
pub struct PolicyPatch {
    /// The policy.
    pub policy: PolicyId,
    /// Its operations.
    pub operations: Vec<PatchOperation>,
}

impl PolicyPatch {
    /// On an UPDATE, keeps only operations whose result the old object already had: a manifest that replaces
    /// the object drops what was added to it, but adding anything new would restart running pods.
    pub fn keep_what_was_there(&mut self, old: &Value) {
        self.operations.retain(|operation| path::get(old, &operation.path.0) == Some(&operation.value));
    }
}

/// Two policies, or two operations of one policy, that contradict each other.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("patches of {} cannot be applied together: {reason} at {}", names(.policies), path::dotted(.path))]
pub struct Conflict {
    /// The policies.
    pub policies: Vec<PolicyId>,
    /// Where.
    pub path: Path,
    reason: &'static str,
}

fn names(policies: &[PolicyId]) -> String {
    policies.iter().map(PolicyId::as_str).collect::<Vec<_>>().join(" and ")
}

/// Applies the patches of all policies to an object. None if they change nothing. If `signed`, an annotation
/// names the policies that changed it.
///
/// # Errors
/// If two operations set the same place, or one sets a place inside of what another sets, to different
/// values; or if a place cannot be set.
pub fn combine(object: &Value, patches: &[PolicyPatch], signed: bool) -> Result<Option<Patched>, Conflict> {
    let mut operations: Vec<(&PolicyId, &PatchOperation)> = patches
        .iter()
        .flat_map(|patch| patch.operations.iter().map(|operation| (&patch.policy, operation)))
        .collect();
    // Parents first, whatever order policies come in.
    operations.sort_by(|(_, a), (_, b)| a.path.0.cmp(&b.path.0));
    for pair in operations.windows(2) {
        if let [(first, a), (second, b)] = pair
            && b.path.0.starts_with(&a.path.0)
            && !(a == b)
        {
            let policies = if first == second {
                vec![(*first).clone()]
            } else {
                vec![(*first).clone(), (*second).clone()]
            };
            return Err(Conflict { policies, path: b.path.0.clone(), reason: "both change the value" });
        }
    }
    let mut patched = object.clone();
    let mut policies: Vec<PolicyId> = Vec::new();
    for (policy, operation) in operations {
        let before = path::get(&patched, &operation.path.0).cloned();
        apply(&mut patched, operation).map_err(|reason| Conflict {
            policies: vec![policy.clone()],
            path: operation.path.0.clone(),
            reason,
        })?;
        if path::get(&patched, &operation.path.0) != before.as_ref() && !policies.contains(policy) {
            policies.push(policy.clone());
        }
    }
    if policies.is_empty() {
        return Ok(None);
    }
    policies.sort();
    if signed {
        sign(&mut patched, &policies);
    }
    let operations = json_patch::diff(object, &patched);
    Ok(Some(Patched { operations, policies, object: patched }))
}

fn apply(object: &mut Value, operation: &PatchOperation) -> Result<(), &'static str> {
    let Some((last, parents)) = operation.path.0.split_last() else {
        return Err("a policy may not replace the whole object");
    };
    if operation.op == Op::Remove {
        match (path::get_mut(object, parents), last) {
            (Some(Value::Object(map)), Segment::Key(key)) => drop(map.remove(key.as_ref())),
            (Some(Value::Array(items)), Segment::Index(index)) if *index < items.len() => {
                drop(items.remove(*index))
            }
            _ => {}
        }
        return Ok(());
    }
    let mut node = object;
    for segment in parents {
        node = child(node, segment)?;
    }
    if let (Op::Add, Value::Array(items), Segment::Index(index)) = (operation.op, &mut *node, last)
        && *index == items.len()
    {
        items.push(operation.value.clone());
        return Ok(());
    }
    *child(node, last)? = operation.value.clone();
    Ok(())
}

/// The value below a segment; creates a missing map entry.
fn child<'v>(node: &'v mut Value, segment: &Segment) -> Result<&'v mut Value, &'static str> {
    match segment {
        Segment::Key(key) => {
            if node.is_null() {
                *node = Value::Object(Map::new());
            }
            let map = node.as_object_mut().ok_or("there is something else than a map")?;
            Ok(map.entry(key.as_ref()).or_insert(Value::Null))
        }
        Segment::Index(index) => {
            let items = node.as_array_mut().ok_or("there is something else than a list")?;
            items.get_mut(*index).ok_or("the list is shorter")
        }
    }
}

/// Records in an annotation which policies changed the object.
fn sign(object: &mut Value, policies: &[PolicyId]) {
    let path = ["metadata", "annotations", MUTATED_BY].map(|key| Segment::Key(key.into()));
    let mut names: Vec<String> = path::get(object, &path)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .chain(policies.iter().map(ToString::to_string))
        .collect();
    names.sort();
    names.dedup();
    let value = Value::String(names.join(","));
    let operation = PatchOperation { op: Op::Add, path: path::Written(path.to_vec()), value };
    // Objects whose metadata or annotations are not maps have already been refused as unreadable.
    let _ = apply(object, &operation);
}
