//! What bindings and exceptions match: the kind of an object, its name, and where it lies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::admission::{GroupKind, Request};
use crate::inventory::{Inventory, NAME_LABEL};

/// The object of a request, as bindings and exceptions see it.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The request.
    pub request: &'a Request,
    /// The kind of the object; for a subresource, the parent's.
    pub kind: &'a GroupKind,
    /// The namespace that it lies in; empty if it lies in none. A Namespace lies in itself, as it does for a
    /// webhook's `namespaceSelector`.
    pub namespace: Cow<'a, str>,
}

impl<'a> Target<'a> {
    /// The object of a request; `kind` is its kind or, for a subresource, the parent's.
    pub fn new(request: &'a Request, kind: &'a GroupKind) -> Self {
        let namespace = match is_namespace(kind) {
            true => request.name().into(),
            false => request.namespace.as_str().into(),
        };
        Self { request, kind, namespace }
    }

    /// Whether the object lies in no namespace but its own, if it is a Namespace.
    pub fn is_cluster_scoped(&self) -> bool {
        self.namespace.is_empty() || is_namespace(self.kind)
    }

    /// The labels of the namespace that it lies in; those of an unknown one are only its name. A Namespace has
    /// its own labels: those it will have, or on a delete those it has.
    pub fn namespace_labels<'l>(&self, inventory: &'l Inventory) -> Cow<'l, BTreeMap<String, String>>
    where
        'a: 'l,
    {
        if !is_namespace(self.kind) {
            if self.namespace.is_empty() {
                return Cow::default();
            }
            if let Some(labels) = inventory.namespace_labels(&self.namespace) {
                return Cow::Borrowed(labels);
            }
        }
        let own = self.request.subject().filter(|_| is_namespace(self.kind));
        let own = own.and_then(|object| object.metadata().ok());
        let mut labels = own.map(|metadata| metadata.labels.clone()).unwrap_or_default();
        labels.insert(NAME_LABEL.to_owned(), self.namespace.to_string());
        Cow::Owned(labels)
    }
}

fn is_namespace(kind: &GroupKind) -> bool {
    kind.kind == "Namespace" && kind.group.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admission::wire;
    use crate::inventory::{InventoryWriter, Record};
    use crate::policy::binding::BindingSpec;

    fn request(operation: &str, kind: &str, namespace: &str, metadata: &serde_json::Value) -> Request {
        let plural = format!("{}s", kind.to_lowercase());
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
        let mut request = json!({
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": kind},
            "resource": {"group": "", "version": "v1", "resource": plural},
            "namespace": namespace, "operation": operation, "userInfo": {},
        });
        if operation == "UPDATE" {
            request["oldObject"] = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "shop"}});
        }
        request[if operation == "DELETE" { "oldObject" } else { "object" }] = object;
        let review =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        wire::decode(review.to_string().as_bytes()).unwrap()
    }

    fn selects(spec: &serde_json::Value, request: &Request, kind: &str) -> bool {
        let spec: BindingSpec = serde_json::from_value(spec.clone()).unwrap();
        let mut known = InventoryWriter::default();
        known.replace(Record::namespace("shop".to_owned(), [("team".to_owned(), "known".to_owned())].into()));
        let (kind, inventory) = (GroupKind::written(kind), known.snapshot());
        let target = Target::new(request, &kind);
        spec.selects(&target, &target.namespace_labels(&inventory))
    }

    #[test]
    fn a_namespace_lies_in_itself_and_has_its_own_labels() {
        let by = |limit: serde_json::Value| json!({"override": true, "match": limit});
        let by_name = by(json!({"namespaces": ["shop"]}));
        let by_label = |team: &str| by(json!({"namespaceSelector": {"matchLabels": {"team": team}}}));
        // The API server names the namespace of a Namespace on some operations only; a manifest never does.
        for namespace in ["", "shop"] {
            for operation in ["CREATE", "UPDATE", "DELETE"] {
                let metadata = json!({"name": "shop", "labels": {"team": "own"}});
                let shop = request(operation, "Namespace", namespace, &metadata);
                let own = |spec| selects(&spec, &shop, "Namespace");
                assert!(own(by_name.clone()) && own(by_label("own")), "{operation} in {namespace:?}");
                assert!(!own(by_label("known")));
                assert!(!own(by(json!({"namespaces": ["other"]}))));
                assert!(!own(by(json!({"excludedNamespaces": ["sh*"]}))));
                assert!(own(by(json!({"clusterScoped": false}))));
                let label = json!({"kubernetes.io/metadata.name": "shop"});
                assert!(own(by(json!({"namespaceSelector": {"matchLabels": label}}))));
            }
        }
        let pod = request("CREATE", "Pod", "shop", &json!({"name": "shop", "labels": {"team": "own"}}));
        assert!(selects(&by_name, &pod, "Pod") && selects(&by_label("known"), &pod, "Pod"));
        assert!(!selects(&by_label("own"), &pod, "Pod"));
        let node = request("CREATE", "Node", "", &json!({"name": "shop", "labels": {"team": "own"}}));
        assert!(!selects(&by_name, &node, "Node") && !selects(&by_label("own"), &node, "Node"));
    }
}
