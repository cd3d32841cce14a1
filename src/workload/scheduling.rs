//! Where pods may run: anti-affinity, spread constraints, and whether these select the workload's own pods.

use std::collections::{BTreeMap, BTreeSet};

use super::json_node::JsonNode;
use super::labels::Selector;
use super::view::{AntiAffinity, NodeExpression, NodeTerm, Scheduling, Spread, Strings};

const HOSTNAME: &str = "kubernetes.io/hostname";

/// The scheduling part of a pod spec. `labels` and `namespace` are those of the pods.
pub fn scheduling(spec: &JsonNode<'_>, labels: &Strings, namespace: &str) -> Scheduling {
    let anti_affinity = spec.child("affinity").child("podAntiAffinity");
    let required = anti_affinity.child("requiredDuringSchedulingIgnoredDuringExecution").items();
    let preferred = anti_affinity.child("preferredDuringSchedulingIgnoredDuringExecution").items();
    let required = required.iter().map(|node| term(node, None, labels, namespace));
    let preferred = preferred.iter().map(|node| {
        let weight = node.child("weight").integer().unwrap_or_default();
        term(&node.child("podAffinityTerm"), Some(weight), labels, namespace)
    });
    let node_selector = spec.child("nodeSelector").string_map();
    let node_affinity = required_nodes(&spec.child("affinity"));
    let node_name = spec.child("nodeName").string().filter(|name| !name.is_empty());
    Scheduling {
        hostnames: hostnames(node_name.as_ref(), &node_selector, &node_affinity),
        anti_affinity: required.chain(preferred).collect(),
        spread: spec
            .child("topologySpreadConstraints")
            .items()
            .iter()
            .map(|node| spread(node, labels))
            .collect(),
        node_selector,
        node_affinity,
        tolerations: spec
            .child("tolerations")
            .items()
            .iter()
            .filter_map(|node| node.raw().cloned())
            .collect(),
        priority_class: spec.child("priorityClassName").string().unwrap_or_default(),
        node_name,
    }
}

/// The terms of required node affinity in an `affinity`.
fn required_nodes(affinity: &JsonNode<'_>) -> Vec<NodeTerm> {
    let node_affinity = affinity.child("nodeAffinity");
    node_terms(&node_affinity.child("requiredDuringSchedulingIgnoredDuringExecution"))
}

/// The terms of a NodeSelector.
pub fn node_terms(selector: &JsonNode<'_>) -> Vec<NodeTerm> {
    let expression = |node: &JsonNode<'_>| NodeExpression {
        key: node.child("key").string().unwrap_or_default(),
        operator: node.child("operator").string().unwrap_or_default(),
        values: node.child("values").strings(),
    };
    let term = |node: &JsonNode<'_>| NodeTerm {
        expressions: ["matchExpressions", "matchFields"]
            .into_iter()
            .flat_map(|key| node.child(key).items())
            .map(|node| expression(&node))
            .collect(),
        path: node.path.clone(),
    };
    if selector.exists() {
        selector.child("nodeSelectorTerms").items().iter().map(term).collect()
    } else {
        Vec::new()
    }
}

/// The nodes that the pods are pinned to. `nodeName` bypasses the scheduler and therefore overrides
/// everything else; otherwise `nodeSelector` and affinity must both hold. A term without a host name leaves
/// every node open.
fn hostnames(
    node_name: Option<&String>,
    node_selector: &Strings,
    terms: &[NodeTerm],
) -> Option<BTreeSet<String>> {
    if let Some(name) = node_name {
        return Some(BTreeSet::from([name.clone()]));
    }
    let selected = node_selector.get(HOSTNAME).map(|name| BTreeSet::from([name.clone()]));
    let possible = terms.iter().filter(|term| !term.expressions.is_empty());
    let of_terms = possible.map(|term| {
        let pins = |expression: &&NodeExpression| {
            expression.operator == "In" && [HOSTNAME, "metadata.name"].contains(&expression.key.as_str())
        };
        let pinned = term.expressions.iter().filter(pins);
        both(pinned.map(|expression| expression.values.iter().cloned().collect()))
    });
    // One unrestricted term allows every node.
    let of_affinity: Option<Vec<BTreeSet<String>>> = of_terms.collect();
    let of_affinity = of_affinity.filter(|sets| !sets.is_empty());
    both(selected.into_iter().chain(of_affinity.map(|sets| sets.into_iter().flatten().collect())))
}

/// The intersection of all sets; `None` if there are no sets.
fn both(sets: impl Iterator<Item = BTreeSet<String>>) -> Option<BTreeSet<String>> {
    sets.reduce(|some, more| some.intersection(&more).cloned().collect())
}

fn term(node: &JsonNode<'_>, weight: Option<i64>, labels: &Strings, namespace: &str) -> AntiAffinity {
    AntiAffinity {
        required: weight.is_none(),
        weight,
        topology_key: node.child("topologyKey").string().unwrap_or_default(),
        matches_self: selects_own_pods(node, labels) && reaches_own_namespace(node, namespace),
        path: node.path.clone(),
    }
}

fn spread(node: &JsonNode<'_>, labels: &Strings) -> Spread {
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

/// A missing selector selects nothing. `matchLabelKeys` use the pod's own values, so they always match;
/// `mismatchLabelKeys` exclude pods with the pod's own value, so they never match if the label is present.
fn selects_own_pods(node: &JsonNode<'_>, labels: &Strings) -> bool {
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

/// Without `namespaces` and `namespaceSelector`, a term applies to the pod's own namespace. The object does
/// not hold the namespace's labels, so a selector is matched only against `kubernetes.io/metadata.name`.
fn reaches_own_namespace(node: &JsonNode<'_>, namespace: &str) -> bool {
    let names = node.child("namespaces").strings();
    let selector = node.child("namespaceSelector");
    let own_name = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
    let selected = selector
        .raw()
        .and_then(|written| Selector::from_json(written).ok())
        .is_some_and(|selector| selector.matches(&own_name));
    (names.is_empty() && !selector.exists()) || names.iter().any(|name| name == namespace) || selected
}
