//! Where pods may run: anti-affinity, spread, and whether they select the workload's own pods.

use std::collections::BTreeMap;

use super::labels::Selector;
use super::node::Node;
use super::view::{AntiAffinity, Scheduling, Spread, Strings};

/// The scheduling part of a pod spec. `labels` and `namespace` are the pods' own.
pub fn scheduling(spec: &Node<'_>, labels: &Strings, namespace: &str) -> Scheduling {
    let anti_affinity = spec.child("affinity").child("podAntiAffinity");
    let required = anti_affinity.child("requiredDuringSchedulingIgnoredDuringExecution").items();
    let preferred = anti_affinity.child("preferredDuringSchedulingIgnoredDuringExecution").items();
    let required = required.iter().map(|node| term(node, None, labels, namespace));
    let preferred = preferred.iter().map(|node| {
        let weight = node.child("weight").integer().unwrap_or_default();
        term(&node.child("podAffinityTerm"), Some(weight), labels, namespace)
    });
    Scheduling {
        anti_affinity: required.chain(preferred).collect(),
        spread: spec
            .child("topologySpreadConstraints")
            .items()
            .iter()
            .map(|node| spread(node, labels))
            .collect(),
        node_selector: spec.child("nodeSelector").string_map(),
        tolerations: spec
            .child("tolerations")
            .items()
            .iter()
            .filter_map(|node| node.raw().cloned())
            .collect(),
        priority_class: spec.child("priorityClassName").string().unwrap_or_default(),
        node_name: spec.child("nodeName").string().filter(|name| !name.is_empty()),
    }
}

fn term(node: &Node<'_>, weight: Option<i64>, labels: &Strings, namespace: &str) -> AntiAffinity {
    AntiAffinity {
        required: weight.is_none(),
        weight,
        topology_key: node.child("topologyKey").string().unwrap_or_default(),
        matches_self: selects_own_pods(node, labels) && reaches_own_namespace(node, namespace),
        path: node.path.clone(),
    }
}

fn spread(node: &Node<'_>, labels: &Strings) -> Spread {
    Spread {
        topology_key: node.child("topologyKey").string().unwrap_or_default(),
        max_skew: node.child("maxSkew").integer().unwrap_or(1),
        when_unsatisfiable: node
            .child("whenUnsatisfiable")
            .string()
            .unwrap_or_else(|| "DoNotSchedule".to_owned()),
        min_domains: node.child("minDomains").integer(),
        matches_self: selects_own_pods(node, labels),
        path: node.path.clone(),
    }
}

/// A nil selector selects nothing. `matchLabelKeys` take the pod's own values, so they always agree;
/// `mismatchLabelKeys` exclude pods with the pod's own value, so they never do, if the label is there.
fn selects_own_pods(node: &Node<'_>, labels: &Strings) -> bool {
    let selector = node.child("labelSelector");
    let Some(written) = selector.raw() else { return false };
    let mismatched = node.child("mismatchLabelKeys").strings();
    match Selector::from_json(written) {
        Ok(parsed) => parsed.matches(labels) && !mismatched.iter().any(|key| labels.contains_key(key)),
        Err(error) => {
            selector.problem(format!("{}: {error}", crate::path::dotted(&selector.path)));
            false
        }
    }
}

/// Without `namespaces` and `namespaceSelector` a term means the pod's own namespace. The labels of
/// the namespace are not in the object, so of the selectors only the empty one is known to reach it.
fn reaches_own_namespace(node: &Node<'_>, namespace: &str) -> bool {
    let names = node.child("namespaces").strings();
    let selector = node.child("namespaceSelector");
    let own_name = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
    let selected = selector
        .raw()
        .and_then(|written| Selector::from_json(written).ok())
        .is_some_and(|selector| selector.matches(&own_name));
    (names.is_empty() && !selector.exists()) || names.iter().any(|name| name == namespace) || selected
}
