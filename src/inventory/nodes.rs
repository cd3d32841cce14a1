//! Nodes: counted as they come, found by their labels.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::records::{NodeRecord, Taint};
use super::related::Subject;
use crate::path;

/// All nodes. What every request asks for is counted when a node comes or goes, not when it is asked.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    by_name: BTreeMap<String, Arc<NodeRecord>>,
    by_label: HashMap<(String, String), BTreeSet<String>>,
    /// Of nodes that are not cordoned.
    by_taints: BTreeMap<Vec<Taint>, usize>,
    zones: BTreeMap<String, usize>,
    label_keys: BTreeMap<String, usize>,
    schedulable: usize,
}

/// `input.related.nodes`
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct NodesSummary {
    /// All of them.
    pub count: usize,
    /// Those that are not cordoned; only they count below.
    pub schedulable: usize,
    /// Those that the pods may run on by their selector, required affinity and tolerations.
    pub matching: usize,
    /// How many in each zone.
    pub zones: BTreeMap<String, usize>,
    /// Keys of labels of any node.
    pub label_keys: Vec<String>,
}

impl Nodes {
    pub fn insert(&mut self, node: NodeRecord) {
        self.remove(&node.name);
        for (key, value) in &node.labels {
            self.by_label.entry((key.clone(), value.clone())).or_default().insert(node.name.clone());
            *self.label_keys.entry(key.clone()).or_default() += 1;
        }
        if !node.cordoned {
            self.schedulable += 1;
            *self.by_taints.entry(node.taints.clone()).or_default() += 1;
            node.zone().into_iter().for_each(|zone| *self.zones.entry(zone.clone()).or_default() += 1);
        }
        self.by_name.insert(node.name.clone(), Arc::new(node));
    }

    pub fn remove(&mut self, name: &str) {
        let Some(node) = self.by_name.remove(name) else { return };
        for (key, value) in &node.labels {
            let label = (key.clone(), value.clone());
            if let Some(names) = self.by_label.get_mut(&label) {
                names.remove(name);
                if names.is_empty() {
                    self.by_label.remove(&label);
                }
            }
            discount(&mut self.label_keys, key);
        }
        if !node.cordoned {
            self.schedulable -= 1;
            discount(&mut self.by_taints, &node.taints);
            node.zone().into_iter().for_each(|zone| discount(&mut self.zones, zone));
        }
    }

    /// What a workload asks of nodes, counted.
    pub fn summary(&self, subject: &Subject<'_>) -> NodesSummary {
        NodesSummary {
            count: self.by_name.len(),
            schedulable: self.schedulable,
            matching: self.matching(&Wishes::of(subject)),
            zones: self.zones.clone(),
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

    /// The nodes that one wish names by their labels or name; none if it does not name any.
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

fn discount<K: Ord + Clone>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What the pods of a workload ask of nodes.
struct Wishes {
    /// One of these must be met whole; none: any node will do.
    terms: Vec<Vec<Wish>>,
    tolerations: Vec<Value>,
}

/// One requirement (core/v1 NodeSelectorRequirement).
#[derive(Clone)]
struct Wish {
    key: String,
    operator: String,
    values: Vec<String>,
    /// It means a field of the node (`metadata.name`), not a label.
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
        always.extend(scheduling.node_name.iter().map(|name| is("metadata.name", name, true)));
        let required = subject.workload.pods.as_ref().and_then(|pods| {
            let affinity =
                path::get(subject.object, &pods.spec_path)?.get("affinity")?.get("nodeAffinity")?;
            affinity
                .get("requiredDuringSchedulingIgnoredDuringExecution")?
                .get("nodeSelectorTerms")?
                .as_array()
        });
        let with_always = |mut term: Vec<Wish>| {
            term.extend(always.iter().cloned());
            term
        };
        let terms = match required {
            // A term that asks for nothing is met by no node.
            Some(terms) => {
                terms.iter().map(term).filter(|term| !term.is_empty()).map(with_always).collect::<Vec<_>>()
            }
            None if always.is_empty() => Vec::new(),
            None => vec![always.clone()],
        };
        let unmeetable = required.is_some() && terms.is_empty();
        let never =
            || Wish { key: String::new(), operator: "In".to_owned(), values: Vec::new(), field: false };
        Self {
            terms: if unmeetable { vec![vec![never()]] } else { terms },
            tolerations: scheduling.tolerations.clone(),
        }
    }

    fn tolerate(&self, taints: &[Taint]) -> bool {
        taints.iter().all(|taint| self.tolerations.iter().any(|toleration| tolerates(toleration, taint)))
    }
}

fn term(term: &Value) -> Vec<Wish> {
    let of = |list: &'static str, field| {
        let items = term.get(list).and_then(Value::as_array).into_iter().flatten();
        items.map(move |item| {
            let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let values = item.get("values").and_then(Value::as_array).into_iter().flatten();
            Wish {
                key: text("key"),
                operator: text("operator"),
                values: values.filter_map(Value::as_str).map(str::to_owned).collect(),
                field,
            }
        })
    };
    of("matchExpressions", false).chain(of("matchFields", true)).collect()
}

impl Wish {
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

/// core/v1 `Toleration.ToleratesTaint`
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
