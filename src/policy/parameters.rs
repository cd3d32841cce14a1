//! The parameters of policies: types, defaults and conversion.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::workload::{quantity, schedule};

/// Values by parameter name, as a policy reads them: durations in seconds, quantities in bytes.
pub type Parameters = BTreeMap<String, Value>;

/// One entry of `custom.parameters`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// Type of a list's elements or a map's values; any type by default.
    pub of: Option<ParameterType>,
    /// Its value unless a binding says otherwise.
    pub default: Value,
    /// What it is for.
    pub description: String,
}

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// A string.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A duration such as `24h` or `7d`; the policy reads seconds.
    Duration,
    /// A quantity such as `10Gi`; the policy reads bytes.
    Quantity,
    /// A list.
    List,
    /// A map with string keys.
    Map,
}

/// A value that does not fit its parameter.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ParameterError(String);

impl Parameter {
    /// Converts a value to the form that the policy reads.
    ///
    /// # Errors
    /// If it does not fit the type.
    pub fn convert(&self, value: &Value) -> Result<Value, ParameterError> {
        match (self.kind, value) {
            (ParameterType::List, Value::Array(items)) => {
                items.iter().map(|item| self.element(item)).collect::<Result<Vec<_>, _>>().map(Value::Array)
            }
            (ParameterType::Map, Value::Object(entries)) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), self.element(value)?)))
                .collect::<Result<_, _>>()
                .map(Value::Object),
            (kind, value) => kind.convert(value),
        }
    }

    fn element(&self, value: &Value) -> Result<Value, ParameterError> {
        self.of.map_or_else(|| Ok(value.clone()), |kind| kind.convert(value))
    }
}

impl ParameterType {
    fn convert(self, value: &Value) -> Result<Value, ParameterError> {
        let fits = match self {
            ParameterType::String => value.is_string(),
            ParameterType::Boolean => value.is_boolean(),
            ParameterType::Integer => value.is_i64() || value.is_u64(),
            ParameterType::Number => value.is_number(),
            ParameterType::List => value.is_array(),
            ParameterType::Map => value.is_object(),
            ParameterType::Duration => {
                let text = value.as_str().ok_or_else(|| self.mismatch(value))?;
                let seconds =
                    schedule::duration_seconds(text).map_err(|error| ParameterError(error.to_string()))?;
                return Ok(seconds.into());
            }
            ParameterType::Quantity => {
                let bytes = quantity::json_bytes(value).map_err(|error| ParameterError(error.to_string()))?;
                return Ok(bytes.into());
            }
        };
        if fits { Ok(value.clone()) } else { Err(self.mismatch(value)) }
    }

    fn mismatch(self, value: &Value) -> ParameterError {
        let wanted = match self {
            ParameterType::String => "text",
            ParameterType::Boolean => "true or false",
            ParameterType::Integer => "a whole number",
            ParameterType::Number => "a number",
            ParameterType::Duration => "a duration such as 24h or 7d",
            ParameterType::Quantity => "a quantity such as 10Gi",
            ParameterType::List => "a list",
            ParameterType::Map => "a map",
        };
        ParameterError(format!("must be {wanted}, not {value}"))
    }
}
