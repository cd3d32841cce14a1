//! A request to the scale subresource is a change of its parent's replicas, and is judged as one.

use serde_json::Value;

use crate::admission::{GroupVersionKind, Object, Request};
use crate::inventory::Inventory;
use crate::policy::selector::GroupKind;
use crate::policyset::PolicySet;

/// The subresource.
const SCALE: &str = "scale";

/// What a request means.
pub struct EffectiveRequest<'a> {
    /// The request as it came.
    pub asked: &'a Request,
    of: Of,
}

enum Of {
    Itself,
    /// An update of the replicas of this parent: the request as it would be without the subresource.
    Parent(Box<Request>),
    /// The same, but the parent is not known. Its kind.
    UnknownParent(GroupKind),
}

impl<'a> EffectiveRequest<'a> {
    /// Of a request.
    pub fn of(set: &PolicySet, inventory: &Inventory, asked: &'a Request) -> Self {
        Self { asked, of: Of::new(set, inventory, asked) }
    }

    /// The request to judge.
    pub fn judged(&self) -> &Request {
        match &self.of {
            Of::Parent(request) => request,
            Of::Itself | Of::UnknownParent(_) => self.asked,
        }
    }

    /// The kind of the parent, if it is not known.
    pub fn unknown_parent(&self) -> Option<&GroupKind> {
        match &self.of {
            Of::UnknownParent(kind) => Some(kind),
            Of::Itself | Of::Parent(_) => None,
        }
    }

    /// Does the request to judge carry an object of its kind, so that there is a view of it? Of other
    /// subresources only the envelope is judged.
    pub fn has_views(&self) -> bool {
        self.asked.subresource.is_empty() || matches!(self.of, Of::Parent(_))
    }
}

impl Of {
    fn new(set: &PolicySet, inventory: &Inventory, request: &Request) -> Self {
        let Some(projection) = set.projection(request).filter(|_| request.subresource == SCALE) else {
            return Self::Itself;
        };
        let Some(field) = &projection.replicas else { return Self::Itself };
        let kind = GroupKind { kind: projection.kind.clone(), group: projection.group.clone() };
        let Some(parent) = inventory.parent(&kind, &request.namespace, &request.request_name) else {
            return Self::UnknownParent(kind);
        };
        let scaled = |scale: &Option<Object>| {
            let spec = scale.as_ref()?.value().ok()?.get("spec");
            // The API leaves a zero out.
            let wanted = spec.and_then(|spec| spec.get("replicas")).cloned().unwrap_or(Value::from(0));
            Some(Object::from(with(parent, &field.path.0, wanted)))
        };
        Self::Parent(Box::new(Request {
            kind: GroupVersionKind {
                group: kind.group,
                version: request.resource.version.clone(),
                kind: kind.kind,
            },
            object: scaled(&request.object),
            old_object: scaled(&request.old_object),
            ..request.clone()
        }))
    }
}

/// The object with this value at a path of keys; maps that are missing on the way are made.
fn with(object: &Value, keys: &[String], value: Value) -> Value {
    let mut object = object.clone();
    let mut node = &mut object;
    for key in keys {
        if !node.is_object() {
            *node = Value::Object(serde_json::Map::new());
        }
        let Value::Object(fields) = node else { break };
        node = fields.entry(key.clone()).or_insert(Value::Null);
    }
    *node = value;
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{self, Segment};

    #[test]
    fn a_count_is_put_where_it_belongs() {
        let keys = ["spec".to_owned(), "replicas".to_owned()];
        let object = serde_json::json!({"spec": {"replicas": 3, "serviceName": "pg"}});
        let scaled = with(&object, &keys, Value::from(0));
        assert_eq!(scaled, serde_json::json!({"spec": {"replicas": 0, "serviceName": "pg"}}));
        let empty = with(&serde_json::json!({}), &keys, Value::from(1));
        assert_eq!(
            path::get(&empty, &[Segment::from("spec"), Segment::from("replicas")]),
            Some(&Value::from(1))
        );
    }
}
