//! Kubernetes quantities (`20Gi`, `500m`, `1e3`) as whole numbers.
//!
//! Grammar and rounding follow
//! [`resource.Quantity`](https://github.com/kubernetes/apimachinery/blob/master/pkg/api/resource/quantity.go):
//! a sign, decimal digits with an optional fraction, and one suffix. A value that is not whole at the
//! requested scale is rounded away from zero, so that a small request is never rounded to nothing.
//!
//! Two rules are deliberately stricter than in Kubernetes. A value outside `i64` is an error, where
//! Kubernetes silently caps it. A text that could be expensive to evaluate (`1e1000000000`) is refused before
//! any arithmetic.

use serde_json::Value;
use thiserror::Error;

use super::json_node::type_name;

/// The longest text read as a quantity, in bytes.
const MAX_LENGTH: usize = 64;
/// The most significant digits read: 10^20 × 2^60 is the largest product that still fits `u128`.
const MAX_DIGITS: usize = 20;
/// The largest exponent read, in either direction: `1e18` is the largest power of ten within `i64`.
const MAX_EXPONENT: i32 = 18;

/// Why a text is not a usable quantity. The messages do not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// The text is too long.
    #[error("a quantity of {0} bytes is too long: at most {MAX_LENGTH} are read")]
    TooLong(usize),
    /// The text does not start with a number.
    #[error("the quantity does not start with a number: write one such as 500m, 2 or 20Gi")]
    NoNumber,
    /// The number is followed by an unknown suffix.
    #[error(
        "the quantity has {}: use Ki Mi Gi Ti Pi Ei, n u m k M G T P E, an exponent such as e3, or none",
        unknown_suffix(.0)
    )]
    UnknownSuffix(String),
    /// The exponent is too large to evaluate cheaply.
    #[error("the quantity has an exponent beyond ±{MAX_EXPONENT}")]
    ExponentOutOfRange,
    /// The number has more digits than any resource needs.
    #[error("the quantity has more than {MAX_DIGITS} significant digits")]
    TooManyDigits,
    /// The value does not fit a signed 64-bit number at the requested scale.
    #[error("the quantity is too large: its value does not fit 64 bits")]
    TooLarge,
    /// The value in the manifest is neither a string nor a number, but this.
    #[error("{0} is not a quantity: write text such as \"20Gi\" or a number")]
    NotAQuantity(&'static str),
}

/// Repeats a suffix such as `GB`, but no longer text: it may be a credential that was written in the wrong place.
fn unknown_suffix(suffix: &str) -> String {
    const LONGEST: usize = 3;
    match suffix.len() <= LONGEST && suffix.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        true => format!("the unknown suffix {suffix:?}"),
        false => "an unknown suffix".to_owned(),
    }
}

/// Parses a quantity into whole units, rounded away from zero: bytes for memory and storage.
///
/// # Errors
/// See [`QuantityError`].
pub fn bytes(text: &str) -> Result<i64, QuantityError> {
    scaled(text, 0)
}

/// Parses a quantity into thousandths, rounded away from zero: millicores for CPU.
///
/// # Errors
/// See [`QuantityError`].
pub fn millis(text: &str) -> Result<i64, QuantityError> {
    scaled(text, 3)
}

/// [`bytes`] for a manifest value, which may be a JSON number or a string.
///
/// # Errors
/// See [`QuantityError`]. `null` is an error: callers must handle a missing quantity.
pub fn json_bytes(value: &Value) -> Result<i64, QuantityError> {
    from_json(value, bytes)
}

/// [`millis`] for a manifest value, which may be a JSON number or a string.
///
/// # Errors
/// See [`QuantityError`]. `null` is an error: callers must handle a missing quantity.
pub fn json_millis(value: &Value) -> Result<i64, QuantityError> {
    from_json(value, millis)
}

/// Formats bytes for messages in the largest binary unit that fits: `20Gi` if the value is a multiple of the
/// unit, otherwise rounded to one decimal (`1.5Gi`).
#[must_use]
pub fn human_bytes(bytes: i64) -> String {
    const UNITS: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let sign = if bytes < 0 { "-" } else { "" };
    let size = u128::from(bytes.unsigned_abs());
    match UNITS.into_iter().find(|(_, power)| size >> power > 0) {
        None => bytes.to_string(),
        Some((unit, power)) if size.trailing_zeros() >= power => {
            format!("{sign}{}{unit}", size >> power)
        }
        Some((unit, power)) => {
            let tenths = (size * 10 + (1 << (power - 1))) >> power;
            format!("{sign}{}.{}{unit}", tenths / 10, tenths % 10)
        }
    }
}

fn from_json(value: &Value, read: fn(&str) -> Result<i64, QuantityError>) -> Result<i64, QuantityError> {
    match value {
        // Kubernetes trims white space only here (`Quantity.UnmarshalJSON`).
        Value::String(text) => read(text.trim()),
        Value::Number(number) => read(&number.to_string()),
        _ => Err(QuantityError::NotAQuantity(type_name(value))),
    }
}

/// The factor of a suffix: 2^`binary` × 10^`decimal`.
struct Multiplier {
    binary: u32,
    decimal: i32,
}

/// The value times 10^`scale`, rounded away from zero.
fn scaled(text: &str, scale: i32) -> Result<i64, QuantityError> {
    if text.len() > MAX_LENGTH {
        return Err(QuantityError::TooLong(text.len()));
    }
    let no_number = || QuantityError::NoNumber;
    let too_large = || QuantityError::TooLarge;

    let (negative, unsigned) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (whole, rest) = split_digits(unsigned);
    let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(no_number());
    }
    let multiplier = multiplier(suffix)?;

    let digits = format!("{whole}{fraction}");
    let trimmed = digits.trim_end_matches('0');
    let significant = trimmed.trim_start_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    if significant.len() > MAX_DIGITS {
        return Err(QuantityError::TooManyDigits);
    }
    let mantissa: u128 = significant.parse().map_err(|_| no_number())?;

    // Both lengths are below MAX_LENGTH, so the casts are lossless.
    let dropped_zeros = (digits.len() - trimmed.len()) as i32;
    let power = multiplier.decimal + scale + dropped_zeros - fraction.len() as i32;
    let ten_to_power = 10_u128.checked_pow(power.unsigned_abs());
    let product = mantissa << multiplier.binary;
    let magnitude = if power >= 0 {
        ten_to_power.and_then(|factor| product.checked_mul(factor)).ok_or_else(too_large)?
    } else {
        // A divisor beyond u128 is larger than any product, so the result rounds up to one.
        ten_to_power.map_or(1, |divisor| product.div_ceil(divisor))
    };
    let magnitude = i128::try_from(magnitude).map_err(|_| too_large())?;
    i64::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| too_large())
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn multiplier(suffix: &str) -> Result<Multiplier, QuantityError> {
    let (binary, decimal) = match suffix {
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "" => (0, 0),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        _ => (0, exponent(suffix)?),
    };
    Ok(Multiplier { binary, decimal })
}

fn exponent(suffix: &str) -> Result<i32, QuantityError> {
    let signed = suffix.strip_prefix(['e', 'E']).unwrap_or_default();
    let digits = signed.strip_prefix(['+', '-']).unwrap_or(signed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::UnknownSuffix(suffix.to_owned()));
    }
    signed
        .parse()
        .ok()
        .filter(|exponent| (-MAX_EXPONENT..=MAX_EXPONENT).contains(exponent))
        .ok_or(QuantityError::ExponentOutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const SUFFIXES: [(&str, u32, i32); 16] = [
        ("Ki", 10, 0),
        ("Mi", 20, 0),
        ("Gi", 30, 0),
        ("Ti", 40, 0),
        ("n", 0, -9),
        ("u", 0, -6),
        ("m", 0, -3),
        ("", 0, 0),
        ("k", 0, 3),
        ("M", 0, 6),
        ("G", 0, 9),
        ("T", 0, 12),
        ("e0", 0, 0),
        ("E+6", 0, 6),
        ("e-2", 0, -2),
        ("e3", 0, 3),
    ];

    #[test]
    fn reads_what_kubernetes_reads() {
        for (text, expected) in [
            ("0", 0),
            ("1", 1),
            ("+5", 5),
            ("-5", -5),
            ("20Gi", 20 << 30),
            ("1.5Gi", 3 << 29),
            ("1k", 1000),
            ("1Ki", 1024),
            ("1E", 1_000_000_000_000_000_000),
            ("1Ei", 1 << 60),
            ("1e3", 1000),
            ("1E3", 1000),
            ("1e+3", 1000),
            ("1000e-3", 1),
            ("5.", 5),
            ("5.Ki", 5120),
            (".5k", 500),
            ("0.0000000000000000000000000000000001", 1),
            ("0.000000000000000000000000000000000000000000000000001", 1),
            ("-0.1", -1),
            ("1m", 1),
            ("1001m", 2),
            ("0.9n", 1),
            ("00012", 12),
            ("-0", 0),
            ("0Ki", 0),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775807000m", i64::MAX),
            ("10000000000000000000000000000e-18", 10_000_000_000),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for (text, expected) in
            [("1", 1000), ("0.5", 500), ("500m", 500), ("1u", 1), ("0.0001", 1), ("2k", 2_000_000)]
        {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        for text in ["", "+", "-", ".", "Ki", "m", "--1", "aoeu", " 1", "e3", "-.", "١"] {
            assert!(matches!(bytes(text), Err(QuantityError::NoNumber)), "{text:?}");
        }
        for text in [
            "1ki", "1K", "1mi", "1i", "1 ", "1 Gi", "1GiB", "1e", "1e-", "1e+-3", "1.2.3", "1e3Ki", "1,5",
            "0x10", "1_000", "1eé",
        ] {
            assert!(matches!(bytes(text), Err(QuantityError::UnknownSuffix(_))), "{text:?}");
        }
    }

    #[test]
    fn refuses_what_is_out_of_range_without_saturating() {
        for text in ["9223372036854775808", "-9223372036854775809", "8Ei", "10E", "1000E", "9e18"] {
            let fits = bytes(text);
            assert_eq!(fits.is_ok(), text == "9e18", "{text}: {fits:?}");
        }
        assert!(matches!(bytes("8Ei"), Err(QuantityError::TooLarge)));
        assert!(matches!(millis("9223372036854775807"), Err(QuantityError::TooLarge)));
        for text in ["1e1000000000", "0e1000000000", "1e-1000000000", "1e19", "0E-19"] {
            assert!(matches!(bytes(text), Err(QuantityError::ExponentOutOfRange)), "{text}");
        }
        assert_eq!(bytes(&"1".repeat(65)), Err(QuantityError::TooLong(65)));
        assert!(matches!(bytes(&"1".repeat(21)), Err(QuantityError::TooManyDigits)));
        assert!(matches!(bytes(&format!("1{}", "0".repeat(60))), Err(QuantityError::TooLarge)));
    }

    #[test]
    fn reads_json_numbers_and_strings() {
        assert_eq!(json_millis(&json!(1)), Ok(1000));
        assert_eq!(json_millis(&json!(0.5)), Ok(500));
        assert_eq!(json_millis(&json!("250m")), Ok(250));
        assert_eq!(json_bytes(&json!(10_737_418_240_i64)), Ok(10 << 30));
        assert_eq!(json_bytes(&json!(1e3)), Ok(1000));
        assert_eq!(json_bytes(&json!(" 1Gi ")), Ok(1 << 30));
        assert!(matches!(json_bytes(&json!(1e300)), Err(QuantityError::ExponentOutOfRange)));
        for value in [json!(null), json!(true), json!([1]), json!({"cpu": 1})] {
            assert_eq!(json_bytes(&value), Err(QuantityError::NotAQuantity(type_name(&value))));
        }
    }

    #[test]
    fn errors_say_what_is_wrong_and_what_is_right() {
        let said = |text| bytes(text).unwrap_err().to_string();
        assert_eq!(
            said("20GB"),
            "the quantity has the unknown suffix \"GB\": use Ki Mi Gi Ti Pi Ei, \
             n u m k M G T P E, an exponent such as e3, or none"
        );
        assert_eq!(said("1e99"), "the quantity has an exponent beyond ±18");
        for credential in ["hunter2", "4711hunter2", "1e9999999999", "47114711471147114711471147", "4711=ab"]
        {
            assert!(
                !said(credential).contains("hunter") && !said(credential).contains("4711"),
                "{credential}"
            );
        }
        assert_eq!(
            json_bytes(&json!(null)).unwrap_err().to_string(),
            "null is not a quantity: write text such as \"20Gi\" or a number"
        );
    }

    #[test]
    fn human_bytes_reads_well() {
        for (bytes, expected) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1Ki"),
            (1536, "1.5Ki"),
            (20 << 30, "20Gi"),
            ((20 << 30) + 1, "20.0Gi"),
            (3 << 29, "1.5Gi"),
            (1_000_000_000, "953.7Mi"),
            (-(5 << 20), "-5Mi"),
            (i64::MIN, "-8Ei"),
            (i64::MAX, "8.0Ei"),
        ] {
            assert_eq!(human_bytes(bytes), expected);
        }
    }

    /// Rounds `numerator / denominator` away from zero by remainder, not by `div_ceil`.
    fn away_from_zero(numerator: i128, denominator: i128) -> i128 {
        numerator / denominator + numerator.signum() * i128::from(numerator % denominator != 0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn never_panics(text in any::<String>(), near in "[-+]?[0-9]{0,30}\\.?[0-9]{0,30}[eEinumkKMGTP]{0,2}[-+]?[0-9]{0,4}") {
            let _ = (bytes(&text), millis(&text), bytes(&near), millis(&near));
        }

        #[test]
        fn any_i64_round_trips(value: i64) {
            prop_assert_eq!(bytes(&value.to_string()), Ok(value));
            prop_assert_eq!(millis(&format!("{value}m")), Ok(value));
            prop_assert_eq!(json_bytes(&json!(value)), Ok(value));
            let _ = human_bytes(value);
        }

        #[test]
        fn exact_human_bytes_round_trip(count in 1..1024_i64, power in 0..5_u32) {
            let value = count << (10 * power);
            prop_assert_eq!(bytes(&human_bytes(value)), Ok(value));
        }

        #[test]
        fn order_is_kept(a in -1_000_000..1_000_000_i64, b in -1_000_000..1_000_000_i64, i in 0..SUFFIXES.len()) {
            let suffix = SUFFIXES[i].0;
            let read = |n: i64| bytes(&format!("{n}{suffix}")).unwrap();
            prop_assert!((a <= b && read(a) <= read(b)) || (a >= b && read(a) >= read(b)));
        }

        #[test]
        fn a_suffix_is_a_thousand_or_1024_of_the_one_before(n in -4096..4096_i64) {
            let read = |suffix: &str| bytes(&format!("{n}{suffix}")).unwrap();
            for (small, large) in [("", "Ki"), ("Ki", "Mi"), ("Mi", "Gi"), ("Gi", "Ti"), ("Ti", "Pi")] {
                prop_assert_eq!(read(small) * 1024, read(large));
            }
            for (small, large) in [("", "k"), ("k", "M"), ("M", "G"), ("G", "T"), ("T", "P")] {
                prop_assert_eq!(read(small) * 1000, read(large));
            }
        }

        #[test]
        fn agrees_with_rational_arithmetic(
            negative: bool, whole in 0..1_000_000_i128, places in 0..6_u32, fraction in 0..1_000_000_i128,
            i in 0..SUFFIXES.len(),
        ) {
            let (suffix, binary, decimal) = SUFFIXES[i];
            let fraction = fraction % 10_i128.pow(places);
            let sign = if negative { "-" } else { "" };
            let text = match places {
                0 => format!("{sign}{whole}{suffix}"),
                _ => format!("{sign}{whole}.{fraction:0width$}{suffix}", width = places as usize),
            };
            let ten = |power: i32| 10_i128.pow(power.max(0) as u32);
            let mantissa = (whole * 10_i128.pow(places) + fraction) * if negative { -1 } else { 1 };
            let numerator = (mantissa << binary) * ten(decimal);
            let denominator = 10_i128.pow(places) * ten(-decimal);
            let expect = |value: i128| i64::try_from(value).map_err(|_| QuantityError::TooLarge);
            prop_assert_eq!(bytes(&text), expect(away_from_zero(numerator, denominator)));
            prop_assert_eq!(millis(&text), expect(away_from_zero(numerator * 1000, denominator)));
        }
    }
}
