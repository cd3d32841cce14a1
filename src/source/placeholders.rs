//! Placeholders of manifests that a tool fills in before they are applied, such as Flux' `postBuild` and `envsubst`.
//!
//! `${NAME:=default}`, `${NAME:-default}` and the same without the colon count as their defaults: that is what a cluster
//! gets if nobody sets the variable. `${NAME}` stays as it is. Texts that a shell may read are left alone, since it
//! reads the same syntax.

use serde_json::Value;

/// Keys of texts for programs.
pub(super) const TEXTS: [&str; 6] = ["annotations", "args", "command", "data", "script", "stringData"];
/// Keys whose values are texts, whatever they look like.
pub(super) const OF_TEXTS: [&str; 7] =
    ["labels", "matchLabels", "nodeSelector", "parameters", "selector", "value", "variables"];
/// A default may hold another placeholder.
const DEEPEST: usize = 8;

/// Does the text hold a placeholder?
pub fn has(text: &str) -> bool {
    text.contains("${")
}

/// Fills in the defaults. The first placeholder that was filled in is returned.
pub fn fill(value: &mut Value) -> Option<String> {
    match value {
        Value::String(text) if has(text) => {
            let filled = filled(text, DEEPEST)?;
            let first = std::mem::replace(text, filled);
            Some(first)
        }
        Value::Array(items) => items.iter_mut().fold(None, |first, item| {
            let next = fill(item);
            retype(item, next.as_deref());
            first.or(next)
        }),
        Value::Object(fields) => fields.iter_mut().fold(None, |first, (key, field)| {
            if TEXTS.contains(&key.as_str()) {
                return first;
            }
            let next = match field {
                // Fields of an object of texts are texts.
                Value::Object(texts) if OF_TEXTS.contains(&key.as_str()) => {
                    texts.values_mut().fold(None, |first, text| first.or(fill(text)))
                }
                _ => fill(field),
            };
            if !OF_TEXTS.contains(&key.as_str()) {
                retype(field, next.as_deref());
            }
            first.or(next)
        }),
        _ => None,
    }
}

/// A scalar that was a placeholder as a whole is what its default would be without quotes.
fn retype(value: &mut Value, placeholder: Option<&str>) {
    let Value::String(text) = value else { return };
    if placeholder.and_then(whole).is_none() {
        return;
    }
    let number = !text.is_empty() && text.len() < 16 && text.bytes().all(|byte| byte.is_ascii_digit());
    let typed = match text.as_str() {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        _ if number => text.parse::<i64>().ok().map(Value::from),
        _ => None,
    };
    typed.into_iter().for_each(|typed| *value = typed);
}

/// The content of a text that is one placeholder.
fn whole(text: &str) -> Option<&str> {
    let (inner, rest) = content(text.strip_prefix("${")?)?;
    rest.is_empty().then_some(inner)
}

/// The text with its defaults; None if it has none.
fn filled(text: &str, depth: usize) -> Option<String> {
    let (mut out, mut rest, mut any) = (String::new(), text, false);
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some((inner, after)) = from.get(2..).and_then(content) else {
            rest = from;
            break;
        };
        match default(inner).filter(|_| depth > 0) {
            Some(default) => {
                any = true;
                out.push_str(&filled(default, depth - 1).unwrap_or_else(|| default.to_owned()));
            }
            None => out.push_str(from.get(..from.len() - after.len()).unwrap_or_default()),
        }
        rest = after;
    }
    out.push_str(rest);
    any.then_some(out)
}

/// What is between the braces, and what follows them.
pub(super) fn content(text: &str) -> Option<(&str, &str)> {
    let mut open = 1_usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some((text.get(..index)?, text.get(index + 1..)?));
        }
    }
    None
}

/// The default of a placeholder.
fn default(inner: &str) -> Option<&str> {
    let end = inner.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
    let (name, rest) = inner.split_at(end);
    let named = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    [":=", ":-", "=", "-"].iter().find_map(|operator| rest.strip_prefix(operator)).filter(|_| named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_count_and_other_placeholders_stay() {
        for (text, expected) in [
            ("${A:=5Gi}", Some("5Gi")),
            ("${A:-5}Gi", Some("5Gi")),
            ("${A=x}-${B}", Some("x-${B}")),
            ("${A:=${B:=c}}", Some("c")),
            ("${A:=${B}}", Some("${B}")),
            ("${A}", None),
            ("${A:?must}", None),
            ("${1:=x}", None),
            ("${A:=", None),
            ("x ${", None),
            ("${}", None),
            ("$A {x}", None),
        ] {
            assert_eq!(filled(text, DEEPEST).as_deref(), expected, "{text}");
        }
        let mut deep = "${A:=".repeat(30_000);
        deep.push_str(&"}".repeat(30_000));
        assert!(filled(&deep, DEEPEST).is_some());
    }

    #[test]
    fn a_whole_scalar_gets_its_type_and_texts_of_programs_stay() {
        let mut object = json!({
            "metadata": {"name": "${APP:=pg}", "labels": {"on": "${ON:=true}"}, "annotations": {"a": "${A:=1}"}},
            "spec": {
                "replicas": "${N:=3}", "on": "${ON:=true}", "size": "${S:=20}Gi", "quoted": "3",
                "items": ["${N:=3}", "${M}"], "value": "${V:=3}",
                "args": ["--dir=${DIR:-/data}"],
            },
            "data": {"run.sh": "echo ${X:-y}"},
        });
        assert_eq!(fill(&mut object).as_deref(), Some("${ON:=true}"));
        let expected = json!({
            "metadata": {"name": "pg", "labels": {"on": "true"}, "annotations": {"a": "${A:=1}"}},
            "spec": {
                "replicas": 3, "on": true, "size": "20Gi", "quoted": "3",
                "items": [3, "${M}"], "value": "3",
                "args": ["--dir=${DIR:-/data}"],
            },
            "data": {"run.sh": "echo ${X:-y}"},
        });
        assert_eq!(object, expected);
        assert_eq!(fill(&mut json!({"a": "x"})), None);
    }
}
