//! JSON of an object into a value, within a limit that depends on its length.
//!
//! A value takes up to a hundred times the memory of its text: `[{"a":1},…]` is the extreme. Objects of the API have
//! names and values to tell, about six bytes and more for each unit of memory.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Units of memory that any object may take: a value is one, a map with fields takes more.
const UNITS: usize = 8000;
const MAP: usize = 4;
/// The longest list.
const LONGEST_LIST: usize = 10_000;
/// Beyond these, the bytes of text that there must be for each unit.
const BYTES_FOR_EACH: usize = 6;

/// Reads a value.
///
/// # Errors
/// If it is no JSON, has a key twice, nests deeper than 127 levels, or has more values than an object of its length.
pub fn from_str(text: &str) -> Result<Value, serde_json::Error> {
    read(text, false)
}

/// Reads a value, and of lists that are too long only the first items.
///
/// # Errors
/// As [`from_str`], except for the length of lists.
pub fn beginning_of_lists(text: &str) -> Result<Value, serde_json::Error> {
    read(text, true)
}

fn read(text: &str, cuts_lists: bool) -> Result<Value, serde_json::Error> {
    let left = Cell::new(UNITS.saturating_add(text.len() / BYTES_FOR_EACH));
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Bounded { left: &left, cuts_lists }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Bounded<'a> {
    left: &'a Cell<usize>,
    cuts_lists: bool,
}

impl Bounded<'_> {
    fn take<E: de::Error>(self, units: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(units);
        self.left.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| E::custom("it has more values than any object of its length"))
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.take(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(self)? {
            values.push(value);
            if values.len() < LONGEST_LIST {
                continue;
            }
            if self.cuts_lists {
                while items.next_element::<IgnoredAny>()?.is_some() {}
            } else if items.next_element::<IgnoredAny>()?.is_some() {
                return Err(de::Error::custom(format_args!(
                    "it has a list of more than {LONGEST_LIST} items"
                )));
            }
            break;
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if map.is_empty() {
                self.take(MAP - 1)?;
            }
            if map.contains_key(&key) {
                return Err(de::Error::custom("it has a key twice in one map"));
            }
            map.insert(key, fields.next_value_seed(self)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_serde_json_reads() {
        for text in [
            r#"{"a":[1,-2,3.5,true,null,"x\n\u00e9"],"b":{},"c":18446744073709551615}"#,
            "[]",
            "7",
            r#"{"a":1} x"#,
            "{",
            "1e400",
            "\"\\ud800\"",
        ] {
            let plain = serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
            assert_eq!(from_str(text).map_err(|error| error.to_string()), plain, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(from_str(&deep).unwrap_err().to_string().contains("recursion limit"));
    }

    #[test]
    fn more_values_than_an_object_of_this_length_has_are_refused() {
        let list = |count: usize, item: &str| format!("[{}]", vec![item; count].join(","));
        assert!(from_str(&list(1500, "{}")).is_ok());
        assert!(from_str(&list(100_000, r#"{"name":"value"}"#)).is_err());
        assert!(from_str(&list(9_000, r#"{"name":"a value that tells more"}"#)).is_ok());
        assert!(from_str(&list(20_000, r#"{"name":"a value that tells more"}"#)).is_err());
        let refused = from_str(&list(100_000, "{}")).unwrap_err().to_string();
        assert!(refused.starts_with("it has a list of more than 10000 items"), "{refused}");
        let cut =
            beginning_of_lists(&format!(r#"{{"a":{},"b":1}}"#, list(30_000, r#""--a-long-flag""#))).unwrap();
        assert_eq!((cut["a"].as_array().map(Vec::len), &cut["b"]), (Some(LONGEST_LIST), &Value::from(1)));
        assert!(from_str(&list(LONGEST_LIST, r#""--a-long-flag""#)).is_ok());
        assert!(from_str(&list(LONGEST_LIST + 1, r#""--a-long-flag""#)).is_err());
        assert!(beginning_of_lists(&list(9_000, r#"{"a":{}}"#)).is_err());
        let refused = from_str(&list(9_000, r#"{"a":{}}"#)).unwrap_err().to_string();
        assert!(refused.starts_with("it has more values than any object of its length"), "{refused}");
        assert!(from_str(r#"{"a":1,"b":{"c":1,"c":2}}"#).unwrap_err().to_string().contains("a key twice"));
    }
}
