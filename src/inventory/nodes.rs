//! Counts nodes as they are added and removed, and finds them by their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::persistent::{Index, Map, insert_item, remove_item};
use super::records::{NodeRecord, Taint};
use super::related::Subject;
use crate::workload::view::NodeExpression;

/// The only node field that a selector may refer to.
const NAME: &str = "metadata.name";

/// All nodes. The counts that every request needs are updated when a node is added or removed.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    by_name: Map<String, Arc<NodeRecord>>,
    by_label: Index<(String, String), String>,
    /// The number of nodes that are not cordoned, by their taints.
    by_taints: Map<Vec<Taint>, usize>,
    zones: Map<String, usize>,
    label_keys: Map<String, usize>,
    schedulable: usize,
}

/// The nodes of the cluster, `input.related.nodes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct NodesSummary {
    /// Number of nodes.
    pub count: usize,
    /// Number of nodes that are not cordoned; `matching` and `zones` count only these.
    pub schedulable: usize,
    /// Number of nodes that the pods may run on according to their selector, required affinity and
    /// tolerations.
    pub matching: usize,
    /// Number of nodes in each zone.
    pub zones: BTreeMap<String, usize>,
    /// Label keys of all nodes.
    pub label_keys: Vec<String>,
}

impl Nodes {
    /// Whether this record is here already.
    pub fn holds(&self, node: &NodeRecord) -> bool {
        self.by_name.get(&node.name).is_some_and(|known| **known == *node)
    }

    pub fn insert(&mut self, node: NodeRecord) {
        self.remove(&node.name);
        for (key, value) in &node.labels {
            insert_item(&mut self.by_label, (key.clone(), value.clone()), node.name.clone());
            count(&mut self.label_keys, key);
        }
        if !node.cordoned {
            self.schedulable += 1;
            count(&mut self.by_taints, &node.taints);
            node.zone().into_iter().for_each(|zone| count(&mut self.zones, zone));
        }
        self.by_name.insert_mut(node.name.clone(), Arc::new(node));
    }

    pub fn remove(&mut self, name: &str) {
        let Some(node) = self.by_name.get(name).cloned() else { return };
        self.by_name.remove_mut(name);
        for (key, value) in &node.labels {
            remove_item(&mut self.by_label, &(key.clone(), value.clone()), &node.name);
            discount(&mut self.label_keys, key);
        }
        if !node.cordoned {
            self.schedulable -= 1;
            discount(&mut self.by_taints, &node.taints);
            node.zone().into_iter().for_each(|zone| discount(&mut self.zones, zone));
        }
    }

    /// The names of all nodes.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.by_name.keys()
    }

    /// The counts for a workload.
    pub fn summary(&self, subject: &Subject<'_>) -> NodesSummary {
        NodesSummary {
            count: self.by_name.size(),
            schedulable: self.schedulable,
            matching: self.matching(&Wishes::of(subject)),
            zones: self.zones.iter().map(|(zone, count)| (zone.clone(), *count)).collect(),
            label_keys: self.label_keys.keys().cloned().collect(),
        }
    }

    fn matching(&self, wishes: &Wishes) -> usize {
        if wishes.terms.is_empty() {
            let tolerated = self.by_taints.iter().filter(|(taints, _)| wishes.tolerate(taints));
            return tolerated.map(|(_, count)| count).sum();
        }
        let fits = |node: &&Arc<NodeRecord>| !node.cordoned && wishes.tolerate(&node.taints);
        let of_term = |term: &Vec<Wish>| -> Vec<&Arc<NodeRecord>> {
            let candidates = match term.iter().filter_map(|wish| self.named(wish)).min_by_key(Vec::len) {
                Some(named) => named,
                None => self.by_name.values().collect(),
            };
            candidates
                .into_iter()
                .filter(fits)
                .filter(|node| term.iter().all(|wish| wish.met(node)))
                .collect()
        };
        let names: BTreeSet<&str> =
            wishes.terms.iter().flat_map(of_term).map(|node| node.name.as_str()).collect();
        names.len()
    }

    /// The nodes that a requirement names by label value or name; `None` if it does not name any.
    fn named(&self, wish: &Wish) -> Option<Vec<&Arc<NodeRecord>>> {
        if wish.operator != "In" {
            return None;
        }
        let mut named = Vec::new();
        for value in &wish.values {
            if wish.field {
                named.extend(self.by_name.get(value));
            } else if let Some(names) = self.by_label.get(&(wish.key.clone(), value.clone())) {
                named.extend(names.iter().filter_map(|name| self.by_name.get(name)));
            }
        }
        Some(named)
    }
}

fn count<K: Ord + Clone>(counts: &mut Map<K, usize>, key: &K) {
    let before = counts.get(key).copied().unwrap_or_default();
    counts.insert_mut(key.clone(), before + 1);
}

fn discount<K: Ord + Clone>(counts: &mut Map<K, usize>, key: &K) {
    match counts.get(key).copied() {
        None => {}
        Some(0 | 1) => drop(counts.remove_mut(key)),
        Some(before) => counts.insert_mut(key.clone(), before - 1),
    }
}

/// The pods' requirements on nodes.
struct Wishes {
    /// At least one term must hold completely; empty means that any node fits.
    terms: Vec<Vec<Wish>>,
    tolerations: Vec<Value>,
}

/// One requirement (core/v1 NodeSelectorRequirement).
#[derive(Clone, Default)]
struct Wish {
    key: String,
    operator: String,
    values: Vec<String>,
    /// Whether the key is a field of the node (`metadata.name`) instead of a label.
    field: bool,
}

impl Wishes {
    fn of(subject: &Subject<'_>) -> Self {
        let Some(scheduling) = &subject.workload.scheduling else {
            return Self { terms: Vec::new(), tolerations: Vec::new() };
        };
        let is = |key: &str, value: &String, field| Wish {
            key: key.to_owned(),
            operator: "In".to_owned(),
            values: vec![value.clone()],
            field,
        };
        let mut always: Vec<Wish> =
            scheduling.node_selector.iter().map(|(key, value)| is(key, value, false)).collect();
        always.extend(scheduling.node_name.iter().map(|name| is(NAME, name, true)));
        // A term without expressions matches no node.
        let required = scheduling.node_affinity.iter().filter(|term| !term.expressions.is_empty());
        let mut terms: Vec<Vec<Wish>> = required
            .map(|term| term.expressions.iter().map(Wish::of).chain(always.iter().cloned()).collect())
            .collect();
        if terms.is_empty() && !scheduling.node_affinity.is_empty() {
            terms.push(vec![Wish { operator: "In".to_owned(), ..Wish::default() }]);
        } else if terms.is_empty() && !always.is_empty() {
            terms.push(always);
        }
        Self { terms, tolerations: scheduling.tolerations.clone() }
    }

    fn tolerate(&self, taints: &[Taint]) -> bool {
        taints.iter().all(|taint| self.tolerations.iter().any(|toleration| tolerates(toleration, taint)))
    }
}

impl Wish {
    fn of(expression: &NodeExpression) -> Self {
        let NodeExpression { key, operator, values } = expression.clone();
        Self { field: key == NAME, key, operator, values }
    }

    fn met(&self, node: &NodeRecord) -> bool {
        let value = if self.field { Some(&node.name) } else { node.labels.get(&self.key) };
        let number = |text: &String| text.parse::<i64>().ok();
        let bound = self.values.first().and_then(number);
        match self.operator.as_str() {
            "In" => value.is_some_and(|value| self.values.contains(value)),
            "NotIn" => value.is_none_or(|value| !self.values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value > bound),
            "Lt" => value.and_then(number).zip(bound).is_some_and(|(value, bound)| value < bound),
            _ => false,
        }
    }
}

/// As core/v1 `Toleration.ToleratesTaint`.
fn tolerates(toleration: &Value, taint: &Taint) -> bool {
    let text = |key: &str| toleration.get(key).and_then(Value::as_str).unwrap_or_default();
    let (key, effect) = (text("key"), text("effect"));
    (effect.is_empty() || effect == taint.effect)
        && (key.is_empty() || key == taint.key)
        && match text("operator") {
            "Exists" => true,
            "" | "Equal" => !key.is_empty() && text("value") == taint.value,
            _ => false,
        }
}
