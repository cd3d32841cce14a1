//! Reads Rust values directly from the engine's values, without JSON in between.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::ast::Value;

/// An engine value to read from, in the form that JSON would give it: a set is a list.
#[derive(Clone, Copy)]
pub struct FromValue<'de>(pub &'de Value);

impl FromValue<'_> {
    /// As JSON.
    fn json(self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self.0)
    }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for FromValue<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for FromValue<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => SeqDeserializer::new(items.iter().map(FromValue)).deserialize_any(visitor),
            Value::Set(items) => {
                SeqDeserializer::new(items.iter_sorted().map(FromValue)).deserialize_any(visitor)
            }
            Value::Object(fields) if fields.keys().all(|key| matches!(key, Value::String(_))) => {
                let field = |(key, value)| (FromValue(key), FromValue(value));
                MapDeserializer::new(fields.iter_sorted().map(field)).deserialize_any(visitor)
            }
            Value::Object(_) | Value::Number(_) | Value::Undefined => self.json()?.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if *self.0 == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.json()?.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        A,
        B(u8),
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner(Option<f64>, i8);

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Element {
        a: String,
        #[serde(default)]
        b: Vec<serde_json::Value>,
        c: Option<Inner>,
        d: Option<Kind>,
    }

    fn same<T: DeserializeOwned + PartialEq + std::fmt::Debug>(value: &Value) -> Result<(), TestCaseError> {
        let by_json = serde_json::to_value(value).and_then(serde_json::from_value::<T>);
        prop_assert_eq!(T::deserialize(FromValue(value)).ok(), by_json.ok(), "{:?}", value);
        Ok(())
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = || prop_oneof![Just("a"), Just("b"), Just("c"), Just("d"), Just("é")];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-3i64..3).prop_map(Value::from),
            Just(Value::from(0.5)),
            text().prop_map(Value::from),
            Just(Value::Undefined),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let key = prop_oneof![9 => text().prop_map(Value::from), 1 => (0i64..3).prop_map(Value::from)];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_set(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..5).prop_map(Value::from),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_read_as_json_would(value in values()) {
            same::<serde_json::Value>(&value)?;
            same::<Vec<serde_json::Value>>(&value)?;
            same::<Element>(&value)?;
            same::<Option<Inner>>(&value)?;
            same::<Kind>(&value)?;
        }
    }

    #[test]
    fn an_element_is_read() {
        let value =
            Value::from_json_str(r#"{"a": "x", "b": [1, {"c": null}], "c": [0.5, -1], "d": {"b": 7}}"#)
                .unwrap();
        let read = Element::deserialize(FromValue(&value)).unwrap();
        let (b, c) = (vec![1.into(), serde_json::json!({"c": null})], Some(Inner(Some(0.5), -1)));
        assert_eq!(read, Element { a: "x".to_owned(), b, c, d: Some(Kind::B(7)) });
        same::<Element>(&value).unwrap();
    }
}
