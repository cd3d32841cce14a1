//! A value as serde reads it, with its repairs applied.

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::{Error, Repair, Repairs};
use crate::path::{Path, Segment};

/// Reads a value once.
pub fn read<T: DeserializeOwned>(value: &Value, repairs: &Repairs) -> Result<T, Error> {
    let root = Path::new();
    let value = (!repairs.contains_key(&root)).then_some(value);
    T::deserialize(Source { value, path: root, repairs })
}

/// A value at a path; without a value, a stand-in of whatever type is requested.
struct Source<'a> {
    value: Option<&'a Value>,
    path: Path,
    repairs: &'a Repairs,
}

impl<'a> Source<'a> {
    /// The parts of a list or map, except those that are left out.
    fn parts(&self, steps: impl Iterator<Item = (Segment, &'a Value)>) -> Vec<(Segment, Source<'a>)> {
        let mut parts = Vec::new();
        for (step, value) in steps {
            let mut path = self.path.clone();
            path.push(step.clone());
            let value = match self.repairs.get(&path) {
                Some(Repair::LeaveOut) => continue,
                Some(Repair::StandIn) => None,
                None => Some(value),
            };
            parts.push((step, Source { value, path, repairs: self.repairs }));
        }
        parts
    }

    fn stand_in(&self, key: Segment) -> (Segment, Source<'a>) {
        let mut path = self.path.clone();
        path.push(key.clone());
        (key, Source { value: None, path, repairs: self.repairs })
    }

    /// Missing keys that have a stand-in.
    fn added<'s>(&'s self, fields: &'s serde_json::Map<String, Value>) -> impl Iterator<Item = Segment> + 's {
        self.repairs.iter().filter_map(move |(path, repair)| {
            let (last, around) = path.split_last()?;
            let key = last.as_key();
            let here = around == self.path.as_slice() && *repair == Repair::StandIn;
            (here && !fields.contains_key(key.as_ref())).then(|| last.clone())
        })
    }
}

/// Defines deserialization methods, each with its stand-in.
macro_rules! stand_in {
    ($($method:ident => |$visitor:ident| $stand_in:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $visitor: V) -> Result<V::Value, Error> {
            match self.value {
                Some(_) => self.deserialize_any($visitor),
                None => $stand_in,
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Source<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            None | Some(Value::Null) => visitor.visit_unit(),
            Some(Value::Bool(value)) => visitor.visit_bool(*value),
            Some(Value::Number(number)) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Some(Value::String(text)) => visitor.visit_str(text),
            Some(Value::Array(items)) => {
                let steps = items.iter().enumerate().map(|(index, item)| (Segment::from(index), item));
                visitor.visit_seq(Parts::of(self.parts(steps)))
            }
            Some(Value::Object(fields)) => {
                let steps = fields.iter().map(|(key, value)| (Segment::from(key.clone()), value));
                let mut parts = self.parts(steps);
                parts.extend(self.added(fields).map(|key| self.stand_in(key)));
                visitor.visit_map(Parts::of(parts))
            }
        }
    }

    stand_in! {
        deserialize_bool => |visitor| visitor.visit_bool(false);
        deserialize_i8 => |visitor| visitor.visit_u64(0);
        deserialize_i16 => |visitor| visitor.visit_u64(0);
        deserialize_i32 => |visitor| visitor.visit_u64(0);
        deserialize_i64 => |visitor| visitor.visit_u64(0);
        deserialize_u8 => |visitor| visitor.visit_u64(0);
        deserialize_u16 => |visitor| visitor.visit_u64(0);
        deserialize_u32 => |visitor| visitor.visit_u64(0);
        deserialize_u64 => |visitor| visitor.visit_u64(0);
        deserialize_f32 => |visitor| visitor.visit_u64(0);
        deserialize_f64 => |visitor| visitor.visit_u64(0);
        deserialize_str => |visitor| visitor.visit_str("");
        deserialize_string => |visitor| visitor.visit_str("");
        deserialize_seq => |visitor| visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<()>()));
        deserialize_map => |visitor| visitor.visit_map(MapDeserializer::new(std::iter::empty::<((), ())>()));
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            None | Some(Value::Null) => visitor.visit_none(),
            Some(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Some(_) => self.deserialize_any(visitor),
            None => {
                let parts = fields.iter().map(|field| self.stand_in(Segment::from(*field))).collect();
                visitor.visit_map(Parts::of(parts))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let word = match self.value {
            None => variants.first().copied().unwrap_or_default(),
            Some(Value::String(word)) => word.as_str(),
            Some(Value::Object(fields)) => {
                let steps = fields.iter().map(|(key, value)| (Segment::from(key.clone()), value));
                return visitor.visit_enum(MapAccessDeserializer::new(Parts::of(self.parts(steps))));
            }
            Some(_) => return self.deserialize_any(OneOf(variants)).map(|never| match never {}),
        };
        let word: StrDeserializer<'_, Error> = word.into_deserializer();
        word.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// Accepts no value, because the input is not a string.
struct OneOf(&'static [&'static str]);

enum Never {}

impl Visitor<'_> for OneOf {
    type Value = Never;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "one of {}", self.0.join(", "))
    }
}

/// The items of a list or the entries of a map, in sequence.
struct Parts<'a> {
    rest: std::vec::IntoIter<(Segment, Source<'a>)>,
    value: Option<(Segment, Source<'a>)>,
}

impl<'a> Parts<'a> {
    fn of(parts: Vec<(Segment, Source<'a>)>) -> Self {
        Self { rest: parts.into_iter(), value: None }
    }
}

impl<'de> SeqAccess<'de> for Parts<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((step, source)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(source).map(Some).map_err(|error| error.below(step))
    }
}

impl<'de> MapAccess<'de> for Parts<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((step, source)) = self.rest.next() else { return Ok(None) };
        let key = step.as_key();
        let key: StrDeserializer<'_, Error> = key.as_ref().into_deserializer();
        let read = seed.deserialize(key).map(Some).map_err(|error| error.below(step.clone()));
        self.value = Some((step, source));
        read
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let Some((step, source)) = self.value.take() else {
            return Err(serde::de::Error::invalid_type(Unexpected::Unit, &"a value behind its key"));
        };
        seed.deserialize(source).map_err(|error| error.below(step))
    }
}
