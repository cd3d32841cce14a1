//! Converts a value to a type and collects all mismatches instead of only the first.
//!
//! serde stops at the first error, so the value is read repeatedly: each error is recorded, its place is
//! repaired with a stand-in, and the next pass continues behind it. Key names, required keys and types come
//! from the Rust types; they are not listed a second time.

mod source;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, Expected, Unexpected};
use serde_json::Value;

use crate::path::{Path, Segment};

/// The maximum number of faults reported for one document.
const MAX_FAULTS: usize = 50;

/// A part of a value that does not fit its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path of the fault.
    pub path: Path,
    /// The kind of fault.
    pub what: What,
}

/// The kind of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The type has no such key; lists its keys. The path ends with the key.
    UnknownKey(&'static [&'static str]),
    /// The type requires this key. The path leads to the map that lacks it.
    MissingKey(&'static str),
    /// Not one of the allowed words, which follow.
    UnknownWord(String, &'static [&'static str]),
    /// Any other error.
    Other(String),
}

/// How to repair a place that does not fit, so that reading can continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Repair {
    /// Read an empty value of the expected type instead.
    StandIn,
    /// Skip it.
    LeaveOut,
}

type Repairs = BTreeMap<Path, Repair>;

/// The readable part of a value.
pub struct Collected<T> {
    /// The value with stand-ins at the faults; `None` if even that does not fit.
    pub value: Option<T>,
    /// The faults, in the order found.
    pub faults: Vec<Fault>,
}

impl<T> Collected<T> {
    /// Whether everything at or below this path fits.
    pub fn is_sound(&self, path: &[Segment]) -> bool {
        !self.faults.iter().any(|fault| fault.path.starts_with(path))
    }
}

/// Converts a value to a type, continuing past faults.
pub fn collect<T: DeserializeOwned>(value: &Value) -> Collected<T> {
    let (mut repairs, mut faults) = (Repairs::new(), Vec::new());
    while faults.len() < MAX_FAULTS {
        let error = match source::read(value, &repairs) {
            Ok(value) => return Collected { value: Some(value), faults },
            Err(error) => error,
        };
        let path: Path = error.path.into_iter().rev().collect();
        let mut place = path.clone();
        if let What::MissingKey(key) = &error.what {
            place.push(Segment::from(*key));
        }
        match repaired(&repairs, &place) {
            // An error in a stand-in is not the author's fault; the repair itself failed.
            Some(place) => {
                if !give_way(&mut repairs, &place) {
                    break;
                }
            }
            None => {
                let repair = match error.what {
                    What::UnknownKey(_) => Repair::LeaveOut,
                    _ => Repair::StandIn,
                };
                faults.push(Fault { path, what: error.what });
                repairs.insert(place, repair);
            }
        }
    }
    Collected { value: None, faults }
}

/// The closest repaired place at or above this one.
fn repaired(repairs: &Repairs, place: &[Segment]) -> Option<Path> {
    let mut above = (0..=place.len()).rev().filter_map(|length| place.get(..length));
    above.find(|path| repairs.contains_key(*path)).map(<[Segment]>::to_vec)
}

/// Widens a repair that failed: drops an item from its list, or else replaces the enclosing value with a
/// stand-in. Returns false if there is no enclosing value.
fn give_way(repairs: &mut Repairs, place: &[Segment]) -> bool {
    if matches!(place.last(), Some(Segment::Index(_))) && repairs.get(place) == Some(&Repair::StandIn) {
        repairs.insert(place.to_vec(), Repair::LeaveOut);
        return true;
    }
    let Some((_, around)) = place.split_last() else { return false };
    repairs.retain(|path, _| !path.starts_with(around));
    repairs.insert(around.to_vec(), Repair::StandIn);
    true
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(_) => f.write_str("there is no such key"),
            Self::MissingKey(key) => write!(f, "the key `{key}` is missing"),
            Self::UnknownWord(word, known) => write!(f, "`{word}` is none of {}", known.join(", ")),
            Self::Other(message) => f.write_str(message),
        }
    }
}

/// The error of one pass.
#[derive(Debug)]
struct Error {
    /// In reverse order: the last step comes first.
    path: Path,
    what: What,
}

impl Error {
    fn below(mut self, step: Segment) -> Self {
        self.path.push(step);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<What> for Error {
    fn from(what: What) -> Self {
        Self { path: Path::new(), what }
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        What::Other(message.to_string()).into()
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::custom(format!("must be {}, not {}", wanted_in_words(wanted), found_in_words(found)))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(found, wanted)
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        What::UnknownWord(word.to_owned(), known).into()
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        What::UnknownKey(known).into()
    }

    fn missing_field(key: &'static str) -> Self {
        What::MissingKey(key).into()
    }
}

fn wanted_in_words(wanted: &dyn Expected) -> String {
    let wanted = wanted.to_string();
    let words = match wanted.as_str() {
        "a string" | "a string or bytes" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "i64" | "u64" | "i32" | "u32" | "usize" | "u16" | "u8" => "a whole number",
        "f64" => "a number",
        struct_or_map if struct_or_map.starts_with("struct ") => "a map",
        other => other,
    };
    words.to_owned()
}

fn found_in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(text) => format!("the text {text:?}"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only that it is asked for counts")]
        name: String,
        inner: Inner,
        #[serde(default)]
        map: BTreeMap<String, Inner>,
        #[serde(default)]
        even: Vec<Even>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        word: Word,
        number: i64,
        #[serde(default)]
        flag: Option<bool>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        One,
        Two,
    }

    /// A type for which no stand-in is valid.
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(try_from = "String")]
    struct Even(usize);

    impl TryFrom<String> for Even {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            if !text.is_empty() && text.len().is_multiple_of(2) {
                Ok(Self(text.len()))
            } else {
                Err("odd".to_owned())
            }
        }
    }

    fn faults(value: &Value) -> Vec<(String, String)> {
        let said = |fault: Fault| (crate::path::dotted(&fault.path), fault.what.to_string());
        collect::<Outer>(value).faults.into_iter().map(said).collect()
    }

    #[test]
    fn what_fits_is_read() {
        let read = collect::<Outer>(&json!({
            "name": "n", "inner": {"word": "two", "number": 7, "flag": true}, "even": ["ab", "abcd"],
        }));
        assert_eq!(read.faults, []);
        let value = read.value.unwrap();
        assert_eq!((value.inner.word, value.inner.number, value.inner.flag), (Word::Two, 7, Some(true)));
        assert_eq!(value.even, [Even(2), Even(4)]);
        assert!(value.map.is_empty());
    }

    #[test]
    fn all_that_does_not_fit_is_told() {
        let mut found = faults(&json!({
            "nme": "n",
            "inner": {"word": "three", "flag": "yes", "extra": 1},
            "map": {"a": 1, "b": {"word": "one", "number": []}},
            "even": ["a", "ab", "abc"],
        }));
        found.sort();
        let wanted = [
            ("", "the key `name` is missing"),
            ("even[0]", "odd"),
            ("even[2]", "odd"),
            ("inner", "the key `number` is missing"),
            ("inner.extra", "there is no such key"),
            ("inner.flag", "must be true or false, not the text \"yes\""),
            ("inner.word", "`three` is none of one, two"),
            ("map.a", "must be a map, not 1"),
            ("map.b.number", "must be a whole number, not a list"),
            ("nme", "there is no such key"),
        ];
        assert_eq!(found, wanted.map(|(path, what)| (path.to_owned(), what.to_owned())));
    }

    #[test]
    fn a_value_of_another_shape_is_one_fault() {
        assert_eq!(faults(&json!([])).len(), 1);
        assert_eq!(
            faults(&json!("text")),
            [(String::new(), "must be a map, not the text \"text\"".to_owned())]
        );
        let many: Vec<String> = vec!["odd".to_owned(); 1000];
        let few = faults(&json!({"name": "n", "inner": {"word": "one", "number": 1}, "even": many}));
        assert_eq!(few.len(), MAX_FAULTS);
    }

    #[test]
    fn sound_parts_are_known() {
        let read = collect::<Outer>(&json!({"name": 1, "inner": {"word": "one", "number": 7}}));
        assert!(read.is_sound(&["inner".into()]));
        assert!(!read.is_sound(&["name".into()]));
        assert_eq!(read.value.unwrap().inner.number, 7);
    }
}
