//! Paths into a manifest, as sequences of keys and list indexes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::plain;

/// One step into a value: a key of a mapping or an index of a list.
///
/// Serializes as a bare string or number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Segment {
    /// A key of a mapping.
    Key(Cow<'static, str>),
    /// A 0-based index of a list.
    Index(usize),
}

impl From<&'static str> for Segment {
    fn from(key: &'static str) -> Self {
        Self::Key(Cow::Borrowed(key))
    }
}

impl From<String> for Segment {
    fn from(key: String) -> Self {
        Self::Key(Cow::Owned(key))
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The steps from the root of a document to a node; empty for the root itself.
pub type Path = Vec<Segment>;

/// Formats the path as a JSON pointer (RFC 6901): `/spec/containers/0/image`.
pub fn pointer(path: &[Segment]) -> String {
    path.iter().fold(String::new(), |mut out, segment| {
        out.push('/');
        match segment {
            Segment::Key(key) => out.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Index(index) => out.push_str(&index.to_string()),
        }
        out
    })
}

/// Formats the path like kubectl's field errors: `spec.containers[0].image`.
///
/// Ambiguous keys are quoted: `metadata.annotations["stategate.io/skip"]`. For people: what is harmful in a key is
/// spelled out.
pub fn dotted(path: &[Segment]) -> String {
    let is_word = |c: char| (c.is_alphanumeric() || matches!(c, '_' | '-' | '$')) && !plain::is_harmful(c);
    path.iter().fold(String::new(), |mut out, segment| {
        // Writing to a String cannot fail.
        let _ = match segment {
            Segment::Index(index) => write!(out, "[{index}]"),
            Segment::Key(key) if key.is_empty() || !key.chars().all(is_word) => {
                write!(out, "[{}]", plain::line(&Value::from(key.as_ref()).to_string()))
            }
            Segment::Key(key) if out.is_empty() => write!(out, "{key}"),
            Segment::Key(key) => write!(out, ".{key}"),
        };
        out
    })
}

/// Parses a JSON pointer; the inverse of [`pointer()`].
///
/// A pointer does not distinguish keys from indexes, so a step that is a canonical number becomes an index.
/// In a mapping, [`get`] and the positions treat an index as a key.
pub fn from_pointer(pointer: &str) -> Path {
    pointer
        .split('/')
        .skip(1)
        .map(|step| match step.parse::<usize>() {
            Ok(index) if index.to_string() == step => Segment::Index(index),
            _ => Segment::from(step.replace("~1", "/").replace("~0", "~")),
        })
        .collect()
}

/// The value at a path, if it exists.
pub fn get<'a>(value: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, segment| match (value, segment) {
        (Value::Array(items), Segment::Index(index)) => items.get(*index),
        (Value::Object(fields), segment) => fields.get(segment.as_key().as_ref()),
        _ => None,
    })
}

/// The value at a path, for modification.
pub fn get_mut<'a>(value: &'a mut Value, path: &[Segment]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, segment| match (value, segment) {
        (Value::Array(items), Segment::Index(index)) => items.get_mut(*index),
        (Value::Object(fields), segment) => fields.get_mut(segment.as_key().as_ref()),
        _ => None,
    })
}

/// Formats the path with the names of list items, where they have one, instead of their indexes. This
/// identifies a place over time, because indexes change when an item is inserted above.
pub fn stable(object: &Value, path: &[Segment]) -> String {
    let mut node = Some(object);
    path.iter().fold(String::new(), |mut out, segment| {
        node = node.and_then(|value| get(value, std::slice::from_ref(segment)));
        let name = match segment {
            Segment::Index(_) => node.and_then(item_name).unwrap_or_else(|| segment.as_key().into_owned()),
            Segment::Key(key) => key.to_string(),
        };
        out.push('/');
        out.push_str(&name);
        out
    })
}

/// Claim templates carry their name in the metadata.
fn item_name(item: &Value) -> Option<String> {
    let name = item.get("name").or_else(|| item.get("metadata")?.get("name"))?;
    Some(name.as_str()?.to_owned())
}

/// A path as written by a policy: a list of keys and indexes, or a JSON pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written(pub Path);

/// Not an untagged enum: each form that does not fit would make an error, which costs more than the whole path.
impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, which is a list of keys and indexes, or a JSON pointer")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
                match text.is_empty() || text.starts_with('/') {
                    true => Ok(Written(from_pointer(text))),
                    // Not repeated: a policy may make it of a value.
                    false => Err(E::custom("a path that is text is a JSON pointer, and starts with /")),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut steps: A) -> Result<Written, A::Error> {
                let mut path = Path::with_capacity(steps.size_hint().unwrap_or_default().min(LONG));
                while let Some(Step(step)) = steps.next_element()? {
                    path.push(step);
                }
                Ok(Written(path))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

/// More steps than a path in a manifest has.
const LONG: usize = 32;

struct Step(Segment);

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyOrIndex;
        impl Visitor<'_> for KeyOrIndex {
            type Value = Step;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key or an index")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Step, E> {
                Ok(Step(Segment::from(key.to_owned())))
            }

            fn visit_u64<E: de::Error>(self, index: u64) -> Result<Step, E> {
                usize::try_from(index).map(|index| Step(Segment::Index(index))).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, index: i64) -> Result<Step, E> {
                usize::try_from(index).map(|index| Step(Segment::Index(index))).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(KeyOrIndex)
    }
}

impl Segment {
    /// The step as a key; an index becomes the key with the same digits.
    pub(crate) fn as_key(&self) -> Cow<'_, str> {
        match self {
            Self::Key(key) => Cow::Borrowed(key),
            Self::Index(index) => Cow::Owned(index.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path() -> Path {
        vec!["spec".into(), "containers".into(), 0.into(), "image".into()]
    }

    #[test]
    fn paths_print_as_pointers_and_as_kubectl_fields() {
        assert_eq!(pointer(&path()), "/spec/containers/0/image");
        assert_eq!(dotted(&path()), "spec.containers[0].image");
        let skip: Path = vec!["metadata".into(), "annotations".into(), "stategate.io/skip".into()];
        assert_eq!(dotted(&skip), r#"metadata.annotations["stategate.io/skip"]"#);
        assert_eq!(pointer(&skip), "/metadata/annotations/stategate.io~1skip");
        assert_eq!(dotted(&["a\"b".into(), "".into()]), r#"["a\"b"][""]"#);
        assert_eq!(dotted(&["a\n\u{202e}".into(), "\u{3164}".into()]), r#"["a\n\u{202e}"]["\u{3164}"]"#);
        assert_eq!((pointer(&[]), dotted(&[])), (String::new(), String::new()));
    }

    #[test]
    fn pointers_read_back() {
        assert_eq!(from_pointer("/spec/containers/0/image"), path());
        assert_eq!(from_pointer("/a~1b~0c/01"), vec!["a/b~c".into(), Segment::from("01")]);
        assert_eq!(from_pointer(""), Path::new());
    }

    #[test]
    fn get_walks_and_takes_an_index_for_a_key() {
        let value = json!({"spec": {"containers": [{"image": "x"}]}, "7": true});
        assert_eq!(get(&value, &path()), Some(&json!("x")));
        assert_eq!(get(&value, &from_pointer("/7")), Some(&json!(true)));
        assert_eq!(get(&value, &from_pointer("/spec/no/0")), None);
        assert_eq!(get(&value, &[]), Some(&value));
    }

    #[test]
    fn segments_serialize_bare() {
        assert_eq!(serde_json::to_string(&path()).unwrap(), r#"["spec","containers",0,"image"]"#);
    }
}
