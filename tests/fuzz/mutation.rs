//! Changes of real inputs that keep most of them, so that they get past the first check.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

/// Values that code trips over.
pub fn odd() -> impl Strategy<Value = Value> {
    let deep = |levels: usize| (0..levels).fold(json!(0), |inner, _| json!([inner]));
    let text = select(vec![
        "",
        " ",
        "-1",
        "0",
        "1e1000000",
        "9223372036854775808",
        "100%",
        "-5%",
        "true",
        "null",
        "\u{202e}\u{1b}[2J",
        "a\nb",
        "../../etc",
        "//",
        "$(PGDATA)/x",
        "$(A",
        "{0...65536}",
        "/d{00000000000000000000001...3}",
        "postgres@sha256:",
        "a/b/c:d:e@f",
        ":",
        "@",
        "* * * * *",
        "0 0 31 2 *",
        "@every 1s",
        "TZ=Nowhere 0 0 * * *",
        "sh",
        "-c",
        "'",
        "\"",
        "1970-01-01T00:00:00Z",
        "+292277026596-12-04T15:30:07Z",
        "emptyDir",
        "PersistentVolumeClaim",
        "stategate.io/skip",
    ]);
    prop_oneof![
        8 => text.prop_map(Value::from),
        2 => "\\PC{0,12}".prop_map(Value::from),
        1 => select(vec![100, 1_000, 70_000]).prop_map(|length| Value::from("0".repeat(length))),
        2 => select(vec![i64::MIN, -1, 0, 1, 2_147_483_648, i64::MAX]).prop_map(Value::from),
        1 => select(vec![0.5, -0.0, 1e300, f64::MIN_POSITIVE]).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(json!([])),
        1 => Just(json!({})),
        1 => Just(json!({"": {"": []}})),
        1 => select(vec![1, 50, 140]).prop_map(deep),
        1 => select(vec![1, 300, 1_100]).prop_map(|count| json!(vec![json!({}); count])),
    ]
}

/// One change of a JSON tree, at a node that an index chooses.
#[derive(Clone, Debug)]
pub enum TreeChange {
    Replace(Index, Value),
    Remove(Index),
    Repeat(Index, usize),
    Rename(Index, String),
    Copy(Index, Index),
}

pub fn tree_changes() -> impl Strategy<Value = Vec<TreeChange>> {
    let change = prop_oneof![
        4 => (any::<Index>(), odd()).prop_map(|(at, value)| TreeChange::Replace(at, value)),
        2 => any::<Index>().prop_map(TreeChange::Remove),
        1 => (any::<Index>(), select(vec![2, 20, 300, 2_000])).prop_map(|(at, times)| TreeChange::Repeat(at, times)),
        1 => (any::<Index>(), "[a-zA-Z./]{0,8}").prop_map(|(at, key)| TreeChange::Rename(at, key)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| TreeChange::Copy(from, to)),
    ];
    vec(change, 1..5)
}

/// The pointers of all nodes.
fn pointers(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, all: &mut Vec<String>) {
        all.push(at.to_owned());
        // Deep values are the input, not what is walked here.
        if all.len() > 5_000 || at.len() > 2_000 {
            return;
        }
        match value {
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{at}/{index}"), all));
            }
            Value::Object(fields) => fields.iter().for_each(|(key, field)| {
                walk(field, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), all);
            }),
            _ => {}
        }
    }
    let mut all = Vec::new();
    walk(value, "", &mut all);
    all
}

impl TreeChange {
    pub fn apply(&self, tree: &mut Value) {
        let pointers = pointers(tree);
        let at = |index: &Index| index.get(&pointers).clone();
        match self {
            Self::Replace(index, value) => {
                if let Some(node) = tree.pointer_mut(&at(index)) {
                    node.clone_from(value);
                }
            }
            Self::Copy(from, to) => {
                let value = tree.pointer(&at(from)).cloned().unwrap_or_default();
                if let Some(node) = tree.pointer_mut(&at(to)) {
                    *node = value;
                }
            }
            Self::Repeat(index, times) => {
                if let Some(Value::Array(items)) = tree.pointer_mut(&at(index))
                    && let Some(first) = items.first().cloned()
                {
                    items.extend(vec![first; *times]);
                }
            }
            Self::Remove(index) => {
                if let Some((fields, key)) = parent(tree, &at(index)) {
                    fields.remove(&key);
                }
            }
            Self::Rename(index, name) => {
                if let Some((fields, key)) = parent(tree, &at(index))
                    && let Some(value) = fields.remove(&key)
                {
                    fields.insert(name.clone(), value);
                }
            }
        }
    }
}

fn parent<'a>(tree: &'a mut Value, pointer: &str) -> Option<(&'a mut Map<String, Value>, String)> {
    let (above, key) = pointer.rsplit_once('/')?;
    let fields = tree.pointer_mut(above)?.as_object_mut()?;
    Some((fields, key.replace("~1", "/").replace("~0", "~")))
}

/// One change of a text.
#[derive(Clone, Debug)]
pub enum TextChange {
    Insert(Index, String),
    Delete(Index, usize),
    RepeatLine(Index, usize),
    SwapLines(Index, Index),
    Byte(Index, u8),
}

pub fn text_changes(words: Vec<&'static str>) -> impl Strategy<Value = Vec<TextChange>> {
    let change = prop_oneof![
        4 => (any::<Index>(), select(words)).prop_map(|(at, word)| TextChange::Insert(at, word.to_owned())),
        1 => (any::<Index>(), "\\PC{0,6}").prop_map(|(at, word)| TextChange::Insert(at, word)),
        3 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| TextChange::Delete(at, length)),
        1 => (any::<Index>(), select(vec![1, 5, 200])).prop_map(|(at, times)| TextChange::RepeatLine(at, times)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| TextChange::SwapLines(a, b)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| TextChange::Byte(at, byte)),
    ];
    vec(change, 1..6)
}

impl TextChange {
    pub fn apply(&self, text: &mut Vec<u8>) {
        let place = |index: &Index, text: &[u8]| index.index(text.len() + 1);
        let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        match self {
            Self::Insert(index, word) => {
                let at = place(index, text);
                text.splice(at..at, word.bytes());
            }
            Self::Delete(index, length) => {
                let at = place(index, text);
                let end = text.len().min(at + length);
                text.drain(at..end);
            }
            Self::Byte(index, byte) => {
                let at = place(index, text);
                if let Some(place) = text.get_mut(at) {
                    *place = *byte;
                }
            }
            Self::RepeatLine(index, times) if !lines.is_empty() => {
                let at = index.index(lines.len());
                let again = vec![lines[at]; *times];
                lines.splice(at..at, again);
                *text = lines.concat();
            }
            Self::SwapLines(a, b) if !lines.is_empty() => {
                let (a, b) = (a.index(lines.len()), b.index(lines.len()));
                lines.swap(a, b);
                *text = lines.concat();
            }
            _ => {}
        }
    }
}
