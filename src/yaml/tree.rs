//! Builds a value and its positions from a stream of nodes.
//!
//! Recursion over nested text starts only after its nesting has been counted, and an alias is accepted only if
//! there is room for the copy that it makes.

use std::collections::HashMap;
use std::mem;
use std::ops::Range;

use serde_json::Value;

use super::error::YamlError;
use super::positions::{Entry, KeyType, Mark, Node, Positions, Shape};
use super::scalar::Scalar;
use super::values::{Same, Values};
use super::{NO_CHARACTER, RepeatedKeys};

/// The maximum nesting of lists and mappings; deeper than any Kubernetes schema.
pub(super) const MAX_DEPTH: usize = 100;
/// The bytes that a node takes in memory beside its text: of a list's item or a mapping's entry, the value and its
/// share of the collection.
const NODE_BYTES: usize = 80;

/// The number of collections around an item of a list of objects.
const ITEM: usize = 2;
/// A list of more items that cannot be read is not read.
const MAX_LOST: usize = 20;
/// More repeated keys than a person reads.
const MAX_REPEATED: usize = 20;

/// The kind of a collection.
pub(super) enum Kind {
    List,
    Map,
}

/// Builds one document.
#[derive(Default)]
pub(super) struct Builder {
    nodes: Vec<Node>,
    leaves: Vec<Scalar>,
    anchors: HashMap<usize, Anchored>,
    frames: Vec<Frame>,
    /// The bytes that the copies of further aliases may take.
    room: usize,
    repeated_keys: RepeatedKeys,
    /// The end of the last node: a block collection ends with its last child.
    last_end: u32,
    /// Keys that are given twice with one value.
    repeated: Vec<YamlError>,
    /// Why items of a list of objects cannot be read, and where they are.
    lost: Vec<(YamlError, Range<usize>)>,
    /// Why the item that is open cannot be read.
    broken: Option<YamlError>,
}

/// A node that aliases refer to.
#[derive(Clone, Copy)]
struct Anchored {
    id: u32,
    /// The bytes that a copy takes.
    bytes: usize,
}

struct Frame {
    anchor: usize,
    spot: Mark,
    body: Body,
    /// The bytes that the parts so far take, with what aliases among them copy.
    bytes: usize,
}

enum Body {
    List(Vec<u32>),
    Map(Fields),
}

#[derive(Default)]
struct Fields {
    own: Vec<Entry>,
    pending: Option<Pending>,
    merge: Option<(Mark, Vec<Entry>)>,
}

enum Pending {
    Key(String, KeyType, Mark),
    Merge(Mark),
}

pub(super) fn error(spot: Mark, message: impl Into<String>) -> YamlError {
    YamlError::new(spot.line as usize, spot.column as usize, message)
}

pub(super) fn too_deep(line: usize, column: usize) -> YamlError {
    let message = format!("lists and mappings are nested more than {MAX_DEPTH} levels deep");
    YamlError::new(line, column, message)
}

impl Builder {
    /// A builder whose aliases may copy this many bytes.
    pub fn new(room: usize, repeated_keys: RepeatedKeys) -> Self {
        Self { room, repeated_keys, ..Self::default() }
    }

    /// The bytes that aliases may still copy.
    pub fn room(&self) -> usize {
        self.room
    }

    /// The start of each open collection, innermost first.
    pub fn open_since(&self) -> impl Iterator<Item = Mark> {
        self.frames.iter().rev().map(|frame| frame.spot)
    }

    /// The keys that are given twice with one value: readers agree on them, but whoever wrote them may not know. And why
    /// items of a list of objects cannot be read, each with its place.
    pub fn take_told(&mut self) -> (Vec<YamlError>, Vec<(YamlError, Range<usize>)>) {
        (mem::take(&mut self.repeated), mem::take(&mut self.lost))
    }

    /// The position of the root, once it is complete.
    pub fn root(&self) -> Option<Mark> {
        self.nodes.last().map(|node| node.spot)
    }

    pub fn open(&mut self, kind: Kind, anchor: usize, spot: Mark) -> Result<(), YamlError> {
        if self.fields_awaiting_key().is_some() {
            return Err(error(spot, "a list or a mapping cannot be a key"));
        }
        if self.frames.len() >= MAX_DEPTH {
            return Err(too_deep(spot.line as usize, spot.column as usize));
        }
        let body = match kind {
            Kind::List => Body::List(Vec::new()),
            Kind::Map => Body::Map(Fields::default()),
        };
        self.frames.push(Frame { anchor, spot, body, bytes: NODE_BYTES });
        Ok(())
    }

    /// Closes the innermost collection; `end` is the end of its bracket, if it has one.
    pub fn close(&mut self, end: Option<u32>) -> Result<(), YamlError> {
        let Some(Frame { anchor, mut spot, body, bytes }) = self.frames.pop() else {
            return Ok(());
        };
        spot.end = end.unwrap_or(self.last_end).max(spot.start);
        let shape = match body {
            Body::List(items) => Shape::List(items.into()),
            Body::Map(fields) => {
                let values = Same { nodes: &self.nodes, leaves: &self.leaves };
                match fields.finish(&values, self.repeated_keys, &mut self.repeated) {
                    Ok(entries) => Shape::Map(entries.into()),
                    Err(error) if self.is_in_item() => {
                        self.broken.get_or_insert(error);
                        Shape::Map(Vec::new().into())
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        if let Some(error) = self.broken.take_if(|_| anchor != 0) {
            // An alias would stand for a part of it.
            return Err(error);
        }
        if self.frames.len() == ITEM
            && let Some(error) = self.broken.take()
        {
            self.lost.push((error, spot.start as usize..spot.end as usize));
            let id = self.leaf(Scalar::Text(NO_CHARACTER.to_owned()), 0, spot, bytes);
            return self.attach(id, spot, bytes, false);
        }
        let id = self.push(shape, anchor, spot, bytes);
        self.attach(id, spot, bytes, false)
    }

    /// Whether what was just closed is an item of a list of objects, or in one, so that it costs no more than the item.
    /// With an anchor, it might be elsewhere, too.
    fn is_in_item(&self) -> bool {
        let [root, list, ..] = self.frames.as_slice() else { return false };
        let is_items = match &root.body {
            Body::Map(fields) => {
                matches!(&fields.pending, Some(Pending::Key(key, ..)) if key == "items")
            }
            Body::List(_) => false,
        };
        is_items
            && matches!(list.body, Body::List(_))
            && self.anchors.is_empty()
            && self.lost.len() < MAX_LOST
    }

    /// `plain` means that `<<` is a merge key here.
    pub fn scalar(
        &mut self,
        scalar: Scalar,
        plain: bool,
        anchor: usize,
        spot: Mark,
    ) -> Result<(), YamlError> {
        let bytes = NODE_BYTES + scalar.text_len();
        if self.fields_awaiting_key().is_none() {
            let id = self.leaf(scalar, anchor, spot, bytes);
            return self.attach(id, spot, bytes, false);
        }
        let key = match &scalar {
            Scalar::Text(text) if plain && text == "<<" => Pending::Merge(spot),
            _ => pending_key(scalar.clone(), spot)?,
        };
        if anchor != 0 {
            self.leaf(scalar, anchor, spot, bytes);
        }
        self.expect(key, bytes);
        Ok(())
    }

    /// `name` is the alias as written.
    pub fn alias(&mut self, anchor: usize, name: &str, spot: Mark) -> Result<(), YamlError> {
        let Some(&Anchored { id, bytes }) = self.anchors.get(&anchor) else {
            let recursive = self.frames.iter().any(|frame| frame.anchor == anchor);
            return Err(if recursive {
                error(spot, format!("the alias {name} is inside the very value it stands for"))
            } else {
                error(spot, format!("the alias {name} has no anchor in this document"))
                    .help("anchors do not reach over ---")
            });
        };
        // Whatever walks the document later walks the copies, so they count even where they are shared.
        self.room = self.room.checked_sub(bytes).ok_or_else(|| {
            error(spot, format!("with the alias {name}, aliases expand the text beyond what is read")).help(
                "write the value out where it is needed, or use fewer aliases of large values and of aliases",
            )
        })?;
        if self.fields_awaiting_key().is_none() {
            return self.attach(id, spot, bytes, true);
        }
        let Some(Shape::Leaf(leaf)) = self.nodes.get(id as usize).map(|node| &node.shape) else {
            return Err(error(spot, "a list or a mapping cannot be a key"));
        };
        let key = self.leaves.get(*leaf as usize).cloned().unwrap_or(Scalar::Null);
        self.expect(pending_key(key, spot)?, bytes);
        Ok(())
    }

    /// The next node is the value of this key.
    fn expect(&mut self, key: Pending, bytes: usize) {
        let Some(frame) = self.frames.last_mut() else { return };
        frame.bytes = frame.bytes.saturating_add(bytes);
        if let Body::Map(fields) = &mut frame.body {
            fields.pending = Some(key);
        }
    }

    /// The finished document; `None` if it is empty.
    pub fn finish(mut self) -> Result<Option<(Value, Positions)>, YamlError> {
        let Some(root) = self.nodes.len().checked_sub(1) else {
            return Ok(None);
        };
        let mut values =
            Values { nodes: &self.nodes, leaves: &mut self.leaves, shared: !self.anchors.is_empty() };
        let value = values.value(root, 0)?;
        let positions = Positions { nodes: self.nodes };
        Ok((!value.is_null()).then_some((value, positions)))
    }

    /// Is the next node a key?
    pub fn awaits_key(&mut self) -> bool {
        self.fields_awaiting_key().is_some()
    }

    fn fields_awaiting_key(&mut self) -> Option<&mut Fields> {
        match &mut self.frames.last_mut()?.body {
            Body::Map(fields) if fields.pending.is_none() => Some(fields),
            _ => None,
        }
    }

    fn leaf(&mut self, scalar: Scalar, anchor: usize, spot: Mark, bytes: usize) -> u32 {
        let leaf = Shape::Leaf(self.leaves.len() as u32);
        self.leaves.push(scalar);
        self.push(leaf, anchor, spot, bytes)
    }

    fn push(&mut self, shape: Shape, anchor: usize, spot: Mark, bytes: usize) -> u32 {
        let id = self.nodes.len() as u32;
        self.nodes.push(Node { spot, shape });
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { id, bytes });
        }
        id
    }

    /// Adds a node to its parent collection; `spot` is where it is used.
    fn attach(&mut self, id: u32, spot: Mark, bytes: usize, aliased: bool) -> Result<(), YamlError> {
        self.last_end = spot.end;
        let Some(frame) = self.frames.last_mut() else {
            return Ok(());
        };
        frame.bytes = frame.bytes.saturating_add(bytes);
        let fields = match &mut frame.body {
            Body::List(items) => {
                items.push(id);
                return Ok(());
            }
            Body::Map(fields) => fields,
        };
        match fields.pending.take() {
            Some(Pending::Key(key, typed, spot)) => {
                fields.own.push(Entry { key: key.into(), typed, spot, child: id });
            }
            Some(Pending::Merge(key)) if fields.merge.is_some() => {
                return Err(error(key, "<< is given twice in one mapping")
                    .help("merge several mappings with one list: <<: [*a, *b]"));
            }
            Some(Pending::Merge(key)) => {
                let entries = inherited(&self.nodes, id, aliased)
                    .ok_or_else(|| error(spot, "<< takes a mapping or a list of mappings"))?;
                fields.merge = Some((key, entries));
            }
            None => {}
        }
        Ok(())
    }
}

fn pending_key(scalar: Scalar, spot: Mark) -> Result<Pending, YamlError> {
    let message = match scalar {
        Scalar::Null => "null cannot be a key",
        _ => "a number this large cannot be a key",
    };
    let typed = match scalar {
        Scalar::Bool(_) => KeyType::Bool,
        Scalar::Int(_) | Scalar::Uint(_) => KeyType::Int,
        Scalar::Float(_) => KeyType::Float,
        Scalar::Null | Scalar::Text(_) => KeyType::Text,
    };
    let key = scalar.into_key().ok_or_else(|| error(spot, message).help("quote the key"))?;
    Ok(Pending::Key(key, typed, spot))
}

/// The entries that a merge adds, in order of precedence. go-yaml accepts an alias of a mapping, a mapping,
/// or a list of these two, but not an alias of a list.
fn inherited(nodes: &[Node], id: u32, aliased: bool) -> Option<Vec<Entry>> {
    let map = |id: u32| match &nodes.get(id as usize)?.shape {
        Shape::Map(entries) => Some(entries),
        _ => None,
    };
    match &nodes.get(id as usize)?.shape {
        Shape::Map(entries) => Some(entries.to_vec()),
        Shape::List(items) if !aliased => {
            let maps = items.iter().map(|item| map(*item)).collect::<Option<Vec<_>>>()?;
            Some(maps.into_iter().flatten().cloned().collect())
        }
        _ => None,
    }
}

impl Fields {
    /// All entries, sorted by key. A key that is given twice counts once, and is told.
    fn finish(
        self,
        values: &Same<'_>,
        repeated_keys: RepeatedKeys,
        repeated: &mut Vec<YamlError>,
    ) -> Result<Vec<Entry>, YamlError> {
        let mut entries = self.own;
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        let twice = || {
            entries.windows(2).filter_map(|pair| match pair {
                [first, second] if first.key == second.key => Some((first, second)),
                _ => None,
            })
        };
        let told = |first: &Entry, second: &Entry, how: &str| {
            let (key, line) = (&first.key, first.spot.line);
            error(second.spot, format!("the key {key:?} is given twice{how}, first in line {line}"))
        };
        let differ = |(first, second): &(&Entry, &Entry)| !values.same(first.child, second.child, 0);
        let differing = twice().filter(differ).min_by_key(|(_, second)| second.spot.start);
        if let Some((first, second)) = differing.filter(|_| repeated_keys == RepeatedKeys::Ambiguous) {
            return Err(told(first, second, ""));
        }
        let room = MAX_REPEATED.saturating_sub(repeated.len());
        let told = |pair: (&Entry, &Entry)| {
            let how = if differ(&pair) { " and the last one counts" } else { " with the same value" };
            told(pair.0, pair.1, how).help("leave one of them out")
        };
        repeated.extend(twice().map(told).take(room));
        entries.dedup_by(|second, first| {
            let again = second.key == first.key;
            if again && repeated_keys == RepeatedKeys::LastCounts {
                mem::swap(first, second);
            }
            again
        });
        let Some((merge, mut inherited)) = self.merge else {
            return Ok(entries);
        };

        // Stable sort: of equal keys, the one with the highest precedence stays first.
        inherited.sort_by(|a, b| a.key.cmp(&b.key));
        inherited.dedup_by(|weaker, stronger| weaker.key == stronger.key && weaker.typed == stronger.typed);
        if let Some([first, _]) = inherited.windows(2).find(|pair| matches!(pair, [a, b] if a.key == b.key)) {
            return Err(ambiguous(merge, &first.key));
        }
        let find = |key: &str| entries.binary_search_by(|own| own.key.as_ref().cmp(key)).ok();
        let mut added = Vec::new();
        for entry in inherited {
            match find(&entry.key).and_then(|own| entries.get(own)) {
                None => added.push(entry),
                Some(own) if own.typed != entry.typed => return Err(ambiguous(merge, &own.key)),
                // By the YAML type repository, the explicit key wins wherever it is written; in go-yaml the
                // later one wins. Readers disagree, so it is refused.
                Some(own) if own.spot.start < merge.start && !values.same(own.child, entry.child, 0) => {
                    let message = format!(
                        "<< also sets the key {:?} of line {}, and kubectl would take the merged value",
                        own.key, own.spot.line
                    );
                    return Err(error(merge, message).help("put << before the other keys"));
                }
                Some(_) => {}
            }
        }
        entries.append(&mut added);
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }
}

/// To kubectl, `1` and `"1"` are two keys until the conversion to JSON keeps only one of them.
fn ambiguous(merge: Mark, key: &str) -> YamlError {
    error(merge, format!("<< brings in the key {key:?} a second time, with another type"))
        .help("quote both keys, or neither")
}
