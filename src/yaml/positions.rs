//! The position of every node in the text.

use crate::path::Segment;

/// A range of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceSpan {
    /// 1-based line of the first character.
    pub line: usize,
    /// 1-based column of the first character, in characters.
    pub column: usize,
    /// Byte offset of the first character.
    pub start: usize,
    /// Byte offset after the last character.
    pub end: usize,
}

/// The positions of all nodes of one document.
///
/// The tree mirrors the value. A node reached through an alias has the position of its anchor, and so do keys
/// added by a merge (`<<`).
#[derive(Clone, Debug, Default)]
pub struct Positions {
    /// Children come before their parents, so the root is last.
    pub(super) nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub spot: Mark,
    pub shape: Shape,
}

#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A scalar; the index of its value in the builder's list.
    Leaf(u32),
    List(Box<[u32]>),
    /// Sorted by key.
    Map(Box<[Entry]>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: Box<str>,
    /// The key's type before it was converted to a string.
    pub typed: KeyType,
    pub spot: Mark,
    pub child: u32,
}

/// The YAML type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    Bool,
    Int,
    Float,
    Text,
}

/// A [`SourceSpan`] at half the size; texts are limited to far less than 4 GiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub line: u32,
    pub column: u32,
    pub start: u32,
    pub end: u32,
}

impl From<Mark> for SourceSpan {
    fn from(spot: Mark) -> Self {
        Self {
            line: spot.line as usize,
            column: spot.column as usize,
            start: spot.start as usize,
            end: spot.end as usize,
        }
    }
}

impl Positions {
    /// The position of the node at a path; for a missing node, of its nearest existing ancestor.
    pub fn place(&self, path: &[Segment]) -> SourceSpan {
        let mut place = SourceSpan::default();
        let mut node = self.nodes.last();
        let mut steps = path.iter();
        while let Some(here) = node {
            place = here.spot.into();
            node = steps.next().and_then(|step| self.child(here, step));
        }
        place
    }

    /// The position of the mapping key at the end of a path, if it exists.
    pub fn key_place(&self, path: &[Segment]) -> Option<SourceSpan> {
        let (last, parents) = path.split_last()?;
        let mut node = self.nodes.last()?;
        for step in parents {
            node = self.child(node, step)?;
        }
        node.entry(last).map(|entry| entry.spot.into())
    }

    fn child(&self, node: &Node, step: &Segment) -> Option<&Node> {
        let child = match (&node.shape, step) {
            (Shape::List(items), Segment::Index(index)) => *items.get(*index)?,
            _ => node.entry(step)?.child,
        };
        self.nodes.get(child as usize)
    }
}

impl Node {
    fn entry(&self, step: &Segment) -> Option<&Entry> {
        let Shape::Map(entries) = &self.shape else {
            return None;
        };
        let key = step.as_key();
        let found = entries.binary_search_by(|entry| entry.key.as_ref().cmp(key.as_ref())).ok()?;
        entries.get(found)
    }
}
