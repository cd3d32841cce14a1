//! Reviews a request to `scale` as the equivalent update of its parent's replicas.

use serde_json::Value;

use crate::admission::{GroupKind, GroupVersionKind, Object, Request};
use crate::inventory::Inventory;
use crate::policyset::PolicySet;

/// The name of the subresource.
const SCALE: &str = "scale";

/// The request that is reviewed instead of the received one.
pub enum EffectiveRequest<'a> {
    /// The request as received.
    Unchanged(&'a Request),
    /// The update of the parent's replicas that a request to `scale` is equivalent to.
    OfParent(Box<Request>),
    /// A request to `scale` whose parent is unknown.
    UnknownParent(&'a Request, GroupKind),
}

impl<'a> EffectiveRequest<'a> {
    /// The request to review for a received one.
    pub fn of(set: &PolicySet, inventory: &Inventory, made: &'a Request) -> Self {
        let Some(projection) = set.projection(made).filter(|_| made.subresource == SCALE) else {
            return Self::Unchanged(made);
        };
        let Some(field) = &projection.replicas else { return Self::Unchanged(made) };
        let kind = projection.group_kind();
        let parent = made.reference(kind);
        let Some(object) = inventory.object(&parent) else { return Self::UnknownParent(made, parent.kind) };
        let scaled = |scale: &Option<Object>| {
            let spec = scale.as_ref()?.value().ok()?.get("spec");
            // The API omits a zero.
            let wanted = spec.and_then(|spec| spec.get("replicas")).cloned().unwrap_or(Value::from(0));
            Some(Object::from(with(object, &field.path.0, wanted)))
        };
        Self::OfParent(Box::new(Request {
            kind: GroupVersionKind {
                group: parent.kind.group,
                version: made.resource.version.clone(),
                kind: parent.kind.kind,
            },
            object: scaled(&made.object),
            old_object: scaled(&made.old_object),
            ..made.clone()
        }))
    }

    /// The request to review.
    pub fn reviewed(&self) -> &Request {
        match self {
            Self::OfParent(request) => request,
            Self::Unchanged(request) | Self::UnknownParent(request, _) => request,
        }
    }

    /// The kind of the parent, if the parent is unknown.
    pub fn unknown_parent(&self) -> Option<&GroupKind> {
        match self {
            Self::UnknownParent(_, kind) => Some(kind),
            Self::Unchanged(_) | Self::OfParent(_) => None,
        }
    }

    /// Whether it is a request to `scale` that does not visibly ask for at least as many replicas as before.
    pub fn scales_down(&self) -> bool {
        let replicas = |scale: &Option<Object>| {
            let spec = scale.as_ref()?.value().ok()?.get("spec")?;
            // The API omits a zero.
            Some(spec.get("replicas").and_then(Value::as_i64).unwrap_or(0))
        };
        let request = self.reviewed();
        match (replicas(&request.old_object), replicas(&request.object)) {
            (Some(before), Some(after)) => after < before,
            _ => true,
        }
    }

    /// Whether the request carries objects of its kind, so that they have views. For other subresources, only
    /// the envelope is reviewed.
    pub fn has_views(&self) -> bool {
        match self {
            Self::Unchanged(request) => request.subresource.is_empty(),
            Self::OfParent(_) => true,
            Self::UnknownParent(..) => false,
        }
    }
}

/// The object with this value at a path of keys; missing maps along the path are created.
pub fn with(object: &Value, keys: &[String], value: Value) -> Value {
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
