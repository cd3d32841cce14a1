//! JSON of an object into a value, within a limit that depends on its length.
//!
//! A value takes up to a hundred times the memory of its text: `[{},{},…]` is the extreme. Objects of the API
//! have names and values to tell, at least twelve bytes for each value in them.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Values that any object may have.
const VALUES: usize = 2000;
/// Beyond these, the bytes that there must be for each value.
const BYTES_FOR_EACH: usize = 10;

/// Reads a value. Of a key that occurs twice the last one counts, as at the API server.
///
/// # Errors
/// If it is no JSON, nests deeper than 127 levels, or has more values than an object of its length.
pub fn from_str(text: &str) -> Result<Value, serde_json::Error> {
    let most = VALUES.saturating_add(text.len() / BYTES_FOR_EACH);
    let left = Cell::new(most);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Bounded { left: &left, most }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Bounded<'a> {
    left: &'a Cell<usize>,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(de::Error::custom(format_args!(
                "it has more than {} values, which no object of its length has",
                self.most
            )));
        };
        self.left.set(left);
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
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
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
            r#"{"a":[1,-2,3.5,true,null,"x\n\u00e9"],"b":{},"c":18446744073709551615,"a":"again"}"#,
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
        assert!(from_str(&list(20_000, r#"{"name":"a longer value"}"#)).is_ok());
        let refused = from_str(&list(100_000, "{}")).unwrap_err().to_string();
        assert!(
            refused.starts_with("it has more than 32000 values, which no object of its length has"),
            "{refused}"
        );
    }
}
