//! Converts Rust values directly to the engine's values, without JSON in between.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::ser::{self, Serialize};

use super::ast::Value;

/// A value that the engine cannot represent: raw bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ToValueError(String);

impl ToValueError {
    pub(super) fn new(message: &str) -> Self {
        Self(message.to_owned())
    }
}

impl ser::Error for ToValueError {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Converts a serializable value to an engine value.
///
/// # Errors
/// If it contains bytes, or its own `Serialize` fails.
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, ToValueError> {
    value.serialize(ToValue)
}

struct ToValue;

type Result2 = Result<Value, ToValueError>;

impl ser::Serializer for ToValue {
    type Ok = Value;
    type Error = ToValueError;
    type SerializeSeq = Sequence;
    type SerializeTuple = Sequence;
    type SerializeTupleStruct = Sequence;
    type SerializeTupleVariant = Variant<Sequence>;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Variant<Fields>;

    fn serialize_bool(self, v: bool) -> Result2 {
        Ok(Value::Bool(v))
    }
    fn serialize_i8(self, v: i8) -> Result2 {
        Ok(i64::from(v).into())
    }
    fn serialize_i16(self, v: i16) -> Result2 {
        Ok(i64::from(v).into())
    }
    fn serialize_i32(self, v: i32) -> Result2 {
        Ok(i64::from(v).into())
    }
    fn serialize_i64(self, v: i64) -> Result2 {
        Ok(v.into())
    }
    fn serialize_u8(self, v: u8) -> Result2 {
        Ok(u64::from(v).into())
    }
    fn serialize_u16(self, v: u16) -> Result2 {
        Ok(u64::from(v).into())
    }
    fn serialize_u32(self, v: u32) -> Result2 {
        Ok(u64::from(v).into())
    }
    fn serialize_u64(self, v: u64) -> Result2 {
        Ok(v.into())
    }
    fn serialize_f32(self, v: f32) -> Result2 {
        Ok(f64::from(v).into())
    }
    fn serialize_f64(self, v: f64) -> Result2 {
        Ok(v.into())
    }
    fn serialize_char(self, v: char) -> Result2 {
        Ok(v.to_string().into())
    }
    fn serialize_str(self, v: &str) -> Result2 {
        Ok(v.into())
    }
    fn serialize_bytes(self, _: &[u8]) -> Result2 {
        Err(ser::Error::custom("bytes have no form in Rego"))
    }
    fn serialize_none(self) -> Result2 {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result2 {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result2 {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result2 {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result2 {
        Ok(variant.into())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result2 {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result2 {
        Ok(tagged(variant, value.serialize(self)?))
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<Sequence, ToValueError> {
        Ok(Sequence(Vec::with_capacity(length.unwrap_or(0))))
    }
    fn serialize_tuple(self, length: usize) -> Result<Sequence, ToValueError> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Sequence, ToValueError> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Variant<Sequence>, ToValueError> {
        Ok(Variant { variant, body: self.serialize_seq(Some(length))? })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Fields, ToValueError> {
        Ok(Fields::default())
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, ToValueError> {
        Ok(Fields::default())
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Variant<Fields>, ToValueError> {
        Ok(Variant { variant, body: Fields::default() })
    }
}

fn tagged(variant: &'static str, value: Value) -> Value {
    BTreeMap::from([(Value::from(variant), value)]).into()
}

struct Sequence(Vec<Value>);

impl Sequence {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ToValueError> {
        self.0.push(value.serialize(ToValue)?);
        Ok(())
    }
}

/// In their order; of two with one key, the last one counts.
#[derive(Default)]
struct Fields {
    fields: Vec<(Value, Value)>,
    key: Option<Value>,
}

impl Fields {
    fn insert<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), ToValueError> {
        self.fields.push((key.into(), value.serialize(ToValue)?));
        Ok(())
    }

    /// Sorting all of them at once costs less than to find the place of each.
    fn object(self) -> Value {
        self.fields.into_iter().collect::<BTreeMap<_, _>>().into()
    }
}

struct Variant<B> {
    variant: &'static str,
    body: B,
}

impl ser::SerializeSeq for Sequence {
    type Ok = Value;
    type Error = ToValueError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ToValueError> {
        self.push(value)
    }
    fn end(self) -> Result2 {
        Ok(self.0.into())
    }
}

impl ser::SerializeTuple for Sequence {
    type Ok = Value;
    type Error = ToValueError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ToValueError> {
        self.push(value)
    }
    fn end(self) -> Result2 {
        Ok(self.0.into())
    }
}

impl ser::SerializeTupleStruct for Sequence {
    type Ok = Value;
    type Error = ToValueError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ToValueError> {
        self.push(value)
    }
    fn end(self) -> Result2 {
        Ok(self.0.into())
    }
}

impl ser::SerializeTupleVariant for Variant<Sequence> {
    type Ok = Value;
    type Error = ToValueError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ToValueError> {
        self.body.push(value)
    }
    fn end(self) -> Result2 {
        Ok(tagged(self.variant, self.body.0.into()))
    }
}

impl ser::SerializeMap for Fields {
    type Ok = Value;
    type Error = ToValueError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ToValueError> {
        self.key = Some(key.serialize(ToValue)?);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ToValueError> {
        let key = self.key.take().ok_or_else(|| ser::Error::custom("a value without its key"))?;
        self.fields.push((key, value.serialize(ToValue)?));
        Ok(())
    }
    fn end(self) -> Result2 {
        Ok(self.object())
    }
}

impl ser::SerializeStruct for Fields {
    type Ok = Value;
    type Error = ToValueError;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ToValueError> {
        self.insert(key, value)
    }
    fn end(self) -> Result2 {
        Ok(self.object())
    }
}

impl ser::SerializeStructVariant for Variant<Fields> {
    type Ok = Value;
    type Error = ToValueError;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), ToValueError> {
        self.body.insert(key, value)
    }
    fn end(self) -> Result2 {
        Ok(tagged(self.variant, self.body.object()))
    }
}
