//! How types of regorus are written with a compiled rule. Its values would be JSON, in which a set is an array.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::engine::ast::{ArithOp, BinOp, BoolOp, Value};

#[derive(Serialize, Deserialize)]
#[serde(remote = "BoolOp")]
pub enum Comparison {
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    Ne,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ArithOp")]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "BinOp")]
pub enum SetOperator {
    Intersection,
    Union,
}

/// A value of a policy's text.
#[derive(Serialize, Deserialize)]
enum Constant {
    Undefined,
    Null,
    Bool(bool),
    Integer(i64),
    /// Any other number, as JSON.
    Number(String),
    String(Arc<str>),
    Array(Vec<Constant>),
    Set(Vec<Constant>),
    Object(Vec<(Constant, Constant)>),
}

impl Constant {
    fn of(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::Undefined => Self::Undefined,
            Value::Null => Self::Null,
            Value::Bool(holds) => Self::Bool(*holds),
            Value::Number(_) => match value.as_i64() {
                Ok(number) if Value::from(number) == *value => Self::Integer(number),
                _ => Self::Number(value.to_json_str().map_err(|error| error.to_string())?),
            },
            Value::String(text) => Self::String(text.clone()),
            Value::Array(items) => Self::Array(Self::all(items.iter())?),
            Value::Set(items) => Self::Set(Self::all(items.iter())?),
            Value::Object(fields) => {
                let pairs = fields.iter().map(|(key, value)| Ok((Self::of(key)?, Self::of(value)?)));
                Self::Object(pairs.collect::<Result<_, String>>()?)
            }
        })
    }

    fn all<'v>(values: impl Iterator<Item = &'v Value>) -> Result<Vec<Self>, String> {
        values.map(Self::of).collect()
    }

    fn value(self) -> Result<Value, String> {
        Ok(match self {
            Self::Undefined => Value::Undefined,
            Self::Null => Value::Null,
            Self::Bool(holds) => Value::Bool(holds),
            Self::Integer(number) => Value::from(number),
            Self::Number(text) => Value::from_json_str(&text).map_err(|error| error.to_string())?,
            Self::String(text) => Value::String(text),
            Self::Array(items) => {
                Value::from(items.into_iter().map(Self::value).collect::<Result<Vec<_>, _>>()?)
            }
            Self::Set(items) => {
                Value::from(items.into_iter().map(Self::value).collect::<Result<BTreeSet<_>, _>>()?)
            }
            Self::Object(fields) => {
                let pairs = fields.into_iter().map(|(key, value)| Ok((key.value()?, value.value()?)));
                Value::from(pairs.collect::<Result<BTreeMap<_, _>, String>>()?)
            }
        })
    }
}

/// For a value.
pub mod value {
    use super::*;

    pub fn serialize<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
        Constant::of(value).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        Constant::deserialize(deserializer)?.value().map_err(D::Error::custom)
    }
}

/// For several.
pub mod values {
    use super::*;

    pub fn serialize<S: Serializer>(values: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
        Constant::all(values.iter()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
        let constants = Vec::<Constant>::deserialize(deserializer)?;
        constants.into_iter().map(Constant::value).collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}
