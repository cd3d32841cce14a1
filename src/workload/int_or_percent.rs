//! A number, or a percentage of another number: the `IntOrString` of Kubernetes.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::json_node::type_name;

/// How to round a percentage that does not give a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rounding {
    /// Up to the next whole number.
    Up,
    /// Down to the next whole number.
    Down,
}

/// Why a value is neither a number nor a percentage.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IntOrPercentError {
    /// Neither a number nor a percentage, but a value of this type.
    #[error("must be a whole number or a percentage such as 25%, not {0}")]
    Neither(&'static str),
    /// The number is out of range.
    #[error("is too large a percentage")]
    TooLarge,
}

/// The value as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOrPercent {
    /// An absolute number.
    Number(i64),
    /// A percentage.
    Percent(i64),
}

impl IntOrPercent {
    /// Parses a value from a manifest. Like the API server, accepts `"25%"` and `25`, but not `"25"`.
    ///
    /// # Errors
    /// The value is neither a number nor a percentage, or is out of range.
    pub fn parse(value: &Value) -> Result<Self, IntOrPercentError> {
        let neither = || IntOrPercentError::Neither(type_name(value));
        let Value::String(text) = value else {
            return value.as_i64().filter(|number| *number >= 0).map(Self::Number).ok_or_else(neither);
        };
        let digits = text.strip_suffix('%').ok_or_else(neither)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(neither());
        }
        digits.parse().map(Self::Percent).map_err(|_| IntOrPercentError::TooLarge)
    }

    /// The absolute number, given `total`; `None` for a percentage of an unknown total.
    #[must_use]
    pub fn of(self, total: Option<i64>, rounding: Rounding) -> Option<i64> {
        let percent = match self {
            Self::Number(number) => return Some(number),
            Self::Percent(percent) => i128::from(percent),
        };
        let hundredths = percent * i128::from(total?.max(0));
        let whole = match rounding {
            Rounding::Up => (hundredths + 99) / 100,
            Rounding::Down => hundredths / 100,
        };
        Some(i64::try_from(whole).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn of(value: Value, total: i64, rounding: Rounding) -> i64 {
        IntOrPercent::parse(&value).unwrap().of(Some(total), rounding).unwrap()
    }

    #[test]
    fn percentages_are_rounded_as_asked() {
        assert_eq!(of(json!("25%"), 3, Rounding::Down), 0);
        assert_eq!(of(json!("25%"), 3, Rounding::Up), 1);
        assert_eq!(of(json!("50%"), 4, Rounding::Up), 2);
        assert_eq!(of(json!("150%"), 4, Rounding::Down), 6);
        assert_eq!(of(json!(7), 3, Rounding::Down), 7, "a number is itself");
        assert_eq!(IntOrPercent::parse(&json!("25%")).unwrap().of(None, Rounding::Up), None);
        assert_eq!(IntOrPercent::parse(&json!(2)).unwrap().of(None, Rounding::Up), Some(2));
    }

    #[test]
    fn nothing_else_is_one() {
        for value in [
            json!("25"),
            json!("%"),
            json!("-1%"),
            json!("+1%"),
            json!("1.5%"),
            json!("25 %"),
            json!(1.5),
            json!(-1),
            json!(true),
            json!(null),
            json!([1]),
        ] {
            assert_eq!(IntOrPercent::parse(&value), Err(IntOrPercentError::Neither(type_name(&value))));
        }
        assert!(matches!(
            IntOrPercent::parse(&json!("99999999999999999999%")),
            Err(IntOrPercentError::TooLarge)
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_text_panics(text in any::<String>(), near in "[-+]?[0-9]{0,25}%?", total: i64) {
            for text in [text, near] {
                if let Ok(share) = IntOrPercent::parse(&json!(text)) {
                    let (down, up) = (share.of(Some(total), Rounding::Down), share.of(Some(total), Rounding::Up));
                    prop_assert!(down.unwrap() <= up.unwrap());
                }
            }
        }

        #[test]
        fn agrees_with_the_apis_own_arithmetic(percent in 0..500_i64, total in 0..100_000_i64) {
            // intstr.GetScaledValueFromIntOrPercent uses floating point.
            let exact = percent as f64 * total as f64 / 100.0;
            prop_assert_eq!(of(json!(format!("{percent}%")), total, Rounding::Up), exact.ceil() as i64);
            prop_assert_eq!(of(json!(format!("{percent}%")), total, Rounding::Down), exact.floor() as i64);
        }
    }
}
