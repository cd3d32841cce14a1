//! Writes values as text, in the style of the surrounding text.

use serde_json::{Map, Value};

use super::super::scalar::{self, Scalar};

/// The style of a document.
#[derive(Clone, Debug)]
pub struct Style {
    /// The line break.
    pub line_break: &'static str,
    /// Indentation of a mapping relative to its key.
    pub step: usize,
    /// Indentation of a list relative to its key.
    pub list_step: usize,
    /// The most common quote character.
    pub quote: char,
    /// The indentation unit of a JSON text; `None` if the text is on one line.
    pub unit: Option<String>,
    /// Whether the whole text is JSON.
    pub json: bool,
    /// Whether there is no white space after colons and commas.
    pub tight: bool,
}

impl Style {
    /// The style of `kubectl get -o yaml`.
    pub const KUBECTL: Self =
        Self { line_break: "\n", step: 2, list_step: 0, quote: '"', unit: None, json: false, tight: false };

    /// The lines of a value on lines of its own, indented and without line breaks.
    pub fn block(&self, value: &Value, indent: usize) -> Vec<String> {
        match value {
            Value::Object(fields) => {
                fields.iter().flat_map(|(key, value)| self.entry(key, value, indent)).collect()
            }
            Value::Array(items) => items.iter().flat_map(|item| self.item(item, indent)).collect(),
            scalar => vec![format!("{}{}", " ".repeat(indent), self.scalar(scalar))],
        }
    }

    /// The lines of a mapping entry at this indentation.
    pub fn entry(&self, key: &str, value: &Value, indent: usize) -> Vec<String> {
        let key = format!("{}{}:", " ".repeat(indent), self.text(key));
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                std::iter::once(key).chain(self.block(value, indent + self.step)).collect()
            }
            Value::Array(items) if !items.is_empty() => {
                std::iter::once(key).chain(self.block(value, indent + self.list_step)).collect()
            }
            _ => self.behind(&key, value, indent + self.step),
        }
    }

    /// The lines of a list item whose dash has this indentation.
    pub fn item(&self, value: &Value, indent: usize) -> Vec<String> {
        let dash = format!("{}-", " ".repeat(indent));
        if !is_filled(value) {
            return self.behind(&dash, value, indent + 2);
        }
        let mut lines = self.block(value, indent + 2);
        if let Some(first) = lines.first_mut() {
            *first = format!("{dash} {}", first.trim_start());
        }
        lines
    }

    /// A scalar or empty collection after a key or a dash.
    fn behind(&self, head: &str, value: &Value, indent: usize) -> Vec<String> {
        match value.as_str().and_then(|text| literal(text, indent)) {
            Some((indicator, lines)) => std::iter::once(format!("{head} {indicator}")).chain(lines).collect(),
            None => vec![format!("{head} {}", self.scalar(value))],
        }
    }

    /// A value on one line.
    pub fn scalar(&self, value: &Value) -> String {
        match value {
            Value::String(text) => self.text(text),
            Value::Object(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(key, value)| self.pair(key, &self.scalar(value))).collect();
                format!("{{{}}}", fields.join(self.comma()))
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.scalar(item)).collect();
                format!("[{}]", items.join(self.comma()))
            }
            other => other.to_string(),
        }
    }

    /// A value in flow style, on a line indented by `indent`.
    pub fn flow(&self, value: &Value, indent: &str) -> String {
        let Some(unit) = self.unit.as_ref().filter(|_| is_filled(value)) else { return self.scalar(value) };
        let inner = format!("{indent}{unit}");
        let separator = format!(",{}{inner}", self.line_break);
        let (open, lines, close): (_, Vec<String>, _) = match value {
            Value::Array(items) => ('[', items.iter().map(|item| self.flow(item, &inner)).collect(), ']'),
            value => {
                let empty = Map::new();
                let fields = value.as_object().unwrap_or(&empty).iter();
                ('{', fields.map(|(key, value)| self.pair(key, &self.flow(value, &inner))).collect(), '}')
            }
        };
        let line_break = self.line_break;
        format!("{open}{line_break}{inner}{}{line_break}{indent}{close}", lines.join(&separator))
    }

    /// A key and its value in flow style.
    pub fn pair(&self, key: &str, value: &str) -> String {
        format!("{}:{}{value}", self.text(key), if self.tight { "" } else { " " })
    }

    pub fn comma(&self) -> &'static str {
        if self.tight { "," } else { ", " }
    }

    fn text(&self, text: &str) -> String {
        if !self.json && is_plain(text) { text.to_owned() } else { quoted(text, self.quote) }
    }
}

/// Whether the value is a non-empty mapping or list.
pub fn is_filled(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// The text in quotes; in single quotes only if nothing needs escaping.
pub fn quoted(text: &str, quote: char) -> String {
    let special = |c: char| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    if quote == '\'' && !text.contains(special) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            special if special.is_control() || matches!(special, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(special)));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Whether the text can be written without quotes: only if every YAML reader takes it as a string, under YAML
/// 1.1 and 1.2 and inside brackets.
fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
    let Some(first) = text.chars().next() else { return false };
    if !text.chars().all(inner) || scalar::plain(text) != Scalar::Text(text.to_owned()) {
        return false;
    }
    if first.is_ascii_digit() {
        return is_quantity(text);
    }
    let lower = text.to_ascii_lowercase();
    let word = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&lower.as_str());
    (first.is_ascii_alphabetic() || matches!(first, '_' | '/')) && !word
}

/// `100m`, `1.5Gi`, `30s`: digits and a suffix that is not part of any number format.
fn is_quantity(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = text.get(digits.len()..).unwrap_or_default();
    let number = digits.split('.').count() <= 2 && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let plain_digits = digits == "0" || !digits.starts_with('0');
    number
        && plain_digits
        && !digits.ends_with('.')
        && ["m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi", "s", "h", "d"].contains(&suffix)
}

/// A multi-line text as a block scalar: its indicator and its lines. `None` if a block scalar cannot
/// represent it.
fn literal(text: &str, indent: usize) -> Option<(&'static str, Vec<String>)> {
    let body = text.trim_end_matches('\n');
    let indicator = match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        // It would be indistinguishable from the lines below.
        _ => return None,
    };
    let visible =
        |c: char| c == '\n' || !(c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'));
    let tidy = |line: &str| !line.ends_with([' ', '\t']) && !line.starts_with('\t');
    if !body.contains('\n')
        || body.starts_with([' ', '\n'])
        || !text.chars().all(visible)
        || !body.lines().all(tidy)
    {
        return None;
    }
    let lines = body.split('\n').map(|line| match line {
        "" => String::new(),
        line => format!("{}{line}", " ".repeat(indent)),
    });
    Some((indicator, lines.collect()))
}
