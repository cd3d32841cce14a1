//! Types of scalars: the YAML 1.1 type repository (<https://yaml.org/type/>) with the deviations of go-yaml
//! v2 (`resolve.go`), the library kubectl reads manifests with.

use serde_json::{Number, Value};

/// A typed scalar.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Only for values beyond `i64`.
    Uint(u64),
    Float(f64),
    Text(String),
}

impl Scalar {
    /// The length of a text in bytes; 0 for other types.
    pub fn text_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// The JSON value, as Go prints it: a whole float prints without a decimal point, so `1.0` becomes `1`.
    ///
    /// `None` for infinities and NaN, which JSON cannot represent.
    pub fn into_value(self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(bool) => bool.into(),
            Self::Int(int) => int.into(),
            // Beyond `i64`, the API server and kubectl only have floats.
            Self::Uint(int) => Self::Float(int as f64).into_value()?,
            Self::Float(float) if float.fract() == 0.0 => {
                // Go prints the shortest decimal form, which above 2^53 differs from the exact value of the
                // float.
                let digits = float.to_string();
                let whole = digits.parse::<i64>().map(Number::from);
                let whole = whole.or_else(|_| digits.parse::<u64>().map(Number::from));
                Value::Number(whole.ok().or_else(|| Number::from_f64(float))?)
            }
            Self::Float(float) => Value::Number(Number::from_f64(float)?),
            Self::Text(text) => text.into(),
        })
    }

    /// The JSON object key, as sigs.k8s.io/yaml creates it.
    ///
    /// `None` for null and for integers beyond `i64`, as in that library.
    pub fn into_key(self) -> Option<String> {
        Some(match self {
            Self::Null | Self::Uint(_) => return None,
            Self::Bool(bool) => bool.to_string(),
            Self::Int(int) => int.to_string(),
            Self::Float(float) => float_key(float),
            Self::Text(text) => text,
        })
    }
}

/// A plain scalar without a tag.
pub(super) fn plain(text: &str) -> Scalar {
    let typed = match text.as_bytes().first() {
        None => Some(Scalar::Null),
        Some(b'+' | b'-' | b'0'..=b'9') => infinity(text).or_else(|| number(text)),
        Some(b'.') => infinity(text).or_else(|| point_float(text)),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => word(text),
        _ => None,
    };
    typed.unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

/// A scalar of any style with an explicit tag, given in full (`tag:yaml.org,2002:int`).
///
/// Like go-yaml, treats a scalar with an unknown tag as a string, including the lone `!`.
///
/// # Errors
///
/// The content does not fit the tag.
pub(super) fn tagged(tag: &str, text: &str) -> Result<Scalar, String> {
    let name = tag.strip_prefix("tag:yaml.org,2002:").unwrap_or_default();
    let fits = match (name, plain(text)) {
        ("bool", scalar @ Scalar::Bool(_))
        | ("int", scalar @ (Scalar::Int(_) | Scalar::Uint(_)))
        | ("float", scalar @ Scalar::Float(_))
        | ("null", scalar @ Scalar::Null) => Some(scalar),
        ("float", Scalar::Int(int)) => Some(Scalar::Float(int as f64)),
        ("timestamp", Scalar::Text(text)) if is_date(&text) => Some(Scalar::Text(text)),
        ("bool" | "int" | "float" | "null" | "timestamp", _) => None,
        ("binary", _) => base64(text).map(|bytes| Scalar::Text(go_utf8(&bytes))),
        _ => Some(Scalar::Text(text.to_owned())),
    };
    fits.ok_or_else(|| match name {
        "binary" => "a !!binary value must be base64".to_owned(),
        // The value may be a credential.
        _ => format!("the value is not a !!{name}"),
    })
}

/// The YAML 1.1 keywords in their three casings; other casings are strings.
///
/// The single letters are also booleans: go-yaml v3 dropped them, but v2, which kubectl uses, did not.
fn word(text: &str) -> Option<Scalar> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => return None,
    })
}

fn infinity(text: &str) -> Option<Scalar> {
    Some(Scalar::Float(match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => f64::INFINITY,
        "-.inf" | "-.Inf" | "-.INF" => f64::NEG_INFINITY,
        ".nan" | ".NaN" | ".NAN" => f64::NAN,
        _ => return None,
    }))
}

fn number(text: &str) -> Option<Scalar> {
    let digits = text.replace('_', "");
    integer(&digits)
        .or_else(|| decimal_float(&digits))
        // go-yaml parses the text after `0b` as a signed number.
        .or_else(|| i64::from_str_radix(digits.strip_prefix("0b")?, 2).ok().map(Scalar::Int))
}

/// Go's `ParseInt` followed by `ParseUint`, both with base 0: `12`, `-0x1f`, `0o17`, `017`, `0b11`.
fn integer(text: &str) -> Option<Scalar> {
    let negative = text.starts_with('-');
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (radix, digits) = match body.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, body.get(2..)?),
        [b'0', b'o' | b'O', _, ..] => (8, body.get(2..)?),
        [b'0', b'b' | b'B', _, ..] => (2, body.get(2..)?),
        [b'0', _, ..] => (8, body.get(1..)?),
        _ => (10, body),
    };
    // Rust would accept a second sign here.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(size).map(Scalar::Int);
    }
    match i64::try_from(size) {
        Ok(int) => Some(Scalar::Int(int)),
        Err(_) if body.len() == text.len() => Some(Scalar::Uint(size)),
        Err(_) => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, if it is within the range of a double.
fn decimal_float(text: &str) -> Option<Scalar> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['-', '+']).or(Some(exponent))),
        None => (body, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shaped = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    let float = text.parse::<f64>().ok().filter(|float| shaped && float.is_finite())?;
    Some(Scalar::Float(float))
}

/// A float with a leading point, where Go allows underscores only between digits.
fn point_float(text: &str) -> Option<Scalar> {
    let bytes = text.as_bytes();
    let lone = bytes.windows(2).any(|pair| match pair {
        [b'_', other] | [other, b'_'] => !other.is_ascii_digit(),
        _ => false,
    });
    if lone || text.ends_with('_') {
        return None;
    }
    decimal_float(&text.replace('_', ""))
}

/// Whether the text looks enough like a timestamp not to be a mistake; timestamps stay strings.
fn is_date(text: &str) -> bool {
    let year = text.split('-').next().unwrap_or_default();
    year.len() == 4 && text.len() > 7 && year.bytes().all(|byte| byte.is_ascii_digit())
}

/// Go's `FormatFloat(f, 'g', -1, 32)`; sigs.k8s.io/yaml uses single precision here.
fn float_key(float: f64) -> String {
    let single = float as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        return if single < 0.0 { "-.inf" } else { ".inf" }.to_owned();
    }
    let scientific = format!("{single:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>().unwrap_or_default() {
        -4..6 => single.to_string(),
        exponent => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

/// Standard base64 with padding; skips line breaks like Go.
fn base64(text: &str) -> Option<Vec<u8>> {
    let clean: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let mut out = Vec::with_capacity(clean.len() / 4 * 3);
    let mut groups = clean.chunks(4).peekable();
    while let Some(group) = groups.next() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        if group.len() != 4 || padding > 2 || (padding > 0 && groups.peek().is_some()) {
            return None;
        }
        let mut bits = 0u32;
        for byte in group.iter().take(4 - padding) {
            bits = bits << 6 | sextet(*byte)?;
        }
        let [_, bytes @ ..] = (bits << (6 * padding)).to_be_bytes();
        out.extend(bytes.iter().take(3 - padding));
    }
    Some(out)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Decodes bytes as text, replacing every byte that is not UTF-8 separately, like Go's JSON encoder.
fn go_utf8(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::new(), |mut out, chunk| {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        out
    })
}
