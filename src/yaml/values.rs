//! The values of nodes.

use std::mem;

use serde_json::Value;

use super::error::YamlError;
use super::positions::{Entry, Node, Shape};
use super::scalar::Scalar;
use super::tree::{MAX_DEPTH, error, too_deep};

/// Compares nodes.
pub(super) struct Same<'b> {
    pub nodes: &'b [Node],
    pub leaves: &'b [Scalar],
}

impl Same<'_> {
    /// Do both nodes have one value? The copies that aliases make are limited, and so is the work of comparing them.
    pub fn same(&self, one: u32, other: u32, depth: usize) -> bool {
        let shape = |id: u32| self.nodes.get(id as usize).map(|node| &node.shape);
        if one == other {
            return true;
        }
        match (shape(one), shape(other)) {
            (Some(Shape::Leaf(one)), Some(Shape::Leaf(other))) => {
                self.leaves.get(*one as usize) == self.leaves.get(*other as usize)
            }
            // What is deeper cannot be read at all.
            _ if depth >= MAX_DEPTH => false,
            (Some(Shape::List(one)), Some(Shape::List(other))) => {
                let mut pairs = one.iter().zip(other);
                one.len() == other.len() && pairs.all(|(one, other)| self.same(*one, *other, depth + 1))
            }
            (Some(Shape::Map(one)), Some(Shape::Map(other))) => {
                let same = |(one, other): (&Entry, &Entry)| {
                    one.key == other.key
                        && one.typed == other.typed
                        && self.same(one.child, other.child, depth + 1)
                };
                one.len() == other.len() && one.iter().zip(other).all(same)
            }
            _ => false,
        }
    }
}

/// Converts nodes to values.
pub(super) struct Values<'b> {
    pub nodes: &'b [Node],
    pub leaves: &'b mut [Scalar],
    /// Whether a leaf may be needed more than once.
    pub shared: bool,
}

impl Values<'_> {
    pub fn value(&mut self, id: usize, depth: usize) -> Result<Value, YamlError> {
        let nodes = self.nodes;
        let Some(node) = nodes.get(id) else {
            return Ok(Value::Null);
        };
        if depth >= MAX_DEPTH && !matches!(node.shape, Shape::Leaf(_)) {
            return Err(too_deep(node.spot.line as usize, node.spot.column as usize));
        }
        match &node.shape {
            Shape::Leaf(leaf) => {
                let scalar = match self.leaves.get_mut(*leaf as usize) {
                    Some(scalar) if self.shared => scalar.clone(),
                    Some(scalar) => mem::replace(scalar, Scalar::Null),
                    None => Scalar::Null,
                };
                scalar.into_value().ok_or_else(|| {
                    error(node.spot, "infinity and NaN cannot be written in JSON")
                        .help("quote it if a string is meant")
                })
            }
            Shape::List(items) => items.iter().map(|item| self.value(*item as usize, depth + 1)).collect(),
            Shape::Map(entries) => entries
                .iter()
                .map(|entry| Ok((String::from(&*entry.key), self.value(entry.child as usize, depth + 1)?)))
                .collect::<Result<serde_json::Map<_, _>, _>>()
                .map(Value::Object),
        }
    }
}
