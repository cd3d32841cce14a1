//! Writes a value as YAML that means the same to every reader.
//!
//! Libraries write what YAML 1.2 reads back: a label `off` without quotes, which Kubernetes' readers (YAML 1.1) take
//! for false. Here a text is left without quotes only if [`super::read`] reads it as that text.

use serde_json::Value;

use super::scalar::{Scalar, plain};

/// The value as a block of YAML, which ends with a line break.
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    node(&mut text, value, 0, false);
    text
}

/// Writes a node; `inline`: behind a dash, where a map begins on the same line.
fn node(text: &mut String, value: &Value, indent: usize, inline: bool) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (position, (key, value)) in fields.iter().enumerate() {
                if position > 0 || !inline {
                    text.extend(std::iter::repeat_n(' ', indent));
                }
                text.push_str(&quoted(key));
                text.push(':');
                below(text, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (position, item) in items.iter().enumerate() {
                if position > 0 || !inline {
                    text.extend(std::iter::repeat_n(' ', indent));
                }
                text.push('-');
                match item {
                    Value::Object(_) | Value::Array(_) if !is_empty(item) => {
                        text.push(' ');
                        node(text, item, indent + 2, true);
                    }
                    _ => below(text, item, indent),
                }
            }
        }
        scalar => {
            text.push_str(&leaf(scalar));
            text.push('\n');
        }
    }
}

/// Writes the value of a key, or a scalar behind a dash.
fn below(text: &mut String, value: &Value, indent: usize) {
    match value {
        // As kubectl does: the items of a list stand below their key, not to its right.
        Value::Array(_) if !is_empty(value) => {
            text.push('\n');
            node(text, value, indent, false);
        }
        Value::Object(_) if !is_empty(value) => {
            text.push('\n');
            node(text, value, indent + 2, false);
        }
        Value::String(lines) if is_block(lines) => {
            text.push_str(if lines.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in lines.lines() {
                if !line.is_empty() {
                    text.extend(std::iter::repeat_n(' ', indent + 2));
                    text.push_str(line);
                }
                text.push('\n');
            }
        }
        scalar => {
            text.push(' ');
            text.push_str(&leaf(scalar));
            text.push('\n');
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// Whether several lines can be written as they are: nothing in them needs an escape, and the first one tells the
/// indent.
fn is_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !lines.ends_with('\n')
        && !lines.starts_with([' ', '\n'])
        && lines.chars().all(|c| c == '\n' || (' '..='~').contains(&c))
}

/// The text without quotes if that is certainly the text, else in quotes.
fn quoted(text: &str) -> String {
    let begins = text
        .starts_with(|first: char| first.is_ascii_alphanumeric() || matches!(first, '/' | '_' | '.' | '('));
    let within = |c: char| c.is_ascii_alphanumeric() || " /_.-+=()<>;~^$@%|*?!,'".contains(c);
    // A colon is part of a text unless it ends or a space follows.
    let colons = text.split(':').skip(1).all(|rest| rest.starts_with(|next: char| !next.is_whitespace()));
    let plainly = begins
        && colons
        && !text.ends_with(' ')
        && text.chars().all(|c| within(c) || c == ':')
        && matches!(plain(text), Scalar::Text(_));
    if plainly { text.to_owned() } else { escaped(text) }
}

/// In double quotes, with everything escaped that is neither a letter, a digit nor printable ASCII.
fn escaped(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~' => quoted.push(c),
            _ if c.is_alphanumeric() => quoted.push(c),
            _ if u32::from(c) <= 0xFFFF => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}
