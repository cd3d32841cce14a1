//! Reference pages for policy authors: the input document, from its schema, and the shared libraries, from
//! their texts.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostics, SourceText};
use crate::engine::{Rego, input_schema};
use crate::report::page::Block;

/// The input document, one table for each type.
pub fn input_page() -> Vec<Block> {
    let schema = input_schema().to_value();
    let mut page = vec![
        Block::Title("The input document".to_owned()),
        Block::Text(
            "What a policy reads as `input`. A read of a field that is not listed here is refused when the policy is \
             loaded. `stategate input FILE --policy ID` prints the document of an object, `stategate schema input` its \
             JSON Schema."
                .to_owned(),
        ),
        Block::Heading("input".to_owned()),
    ];
    page.extend(fields(&schema));
    let types: BTreeMap<&String, &Value> =
        schema.get("$defs").and_then(Value::as_object).into_iter().flatten().collect();
    for (name, of_type) in types {
        page.push(Block::Heading(name.clone()));
        page.extend(description(of_type).map(Block::Text));
        match of_type.get("properties") {
            Some(_) => page.extend(fields(of_type)),
            None => page.push(Block::Text(format!("{}.", type_of(of_type)))),
        }
    }
    page
}

/// The fields of an object as a table.
fn fields(schema: &Value) -> Option<Block> {
    let properties = schema.get("properties")?.as_object()?;
    let required = schema.get("required").and_then(Value::as_array);
    let row = |(name, field): (&String, &Value)| {
        let always = required.is_some_and(|required| required.iter().any(|key| key == name));
        vec![
            format!("`{name}`"),
            type_of(field),
            if always { "always" } else { "sometimes" }.to_owned(),
            description(field).unwrap_or_default(),
        ]
    };
    let head = ["Field", "Type", "There", "Holds"].map(str::to_owned).to_vec();
    Some(Block::Table(head, properties.iter().map(row).collect()))
}

fn description(schema: &Value) -> Option<String> {
    let text = schema.get("description")?.as_str()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A type in words; a type with a table of its own is a link to it.
fn type_of(schema: &Value) -> String {
    let Some(fields) = schema.as_object() else { return "any".to_owned() };
    if let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(|link| link.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(values) = values(fields) {
        return values;
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = fields.get(key).and_then(Value::as_array) {
            let choices = choices.iter().filter(|choice| choice.get("type") != Some(&"null".into()));
            return choices.map(type_of).collect::<Vec<_>>().join(" or ");
        }
    }
    let below = |key: &str| fields.get(key).map_or_else(|| "any".to_owned(), type_of);
    let kinds: Vec<&str> = match fields.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(kind)) => vec![kind],
        _ => Vec::new(),
    };
    let word = |kind: &str| match kind {
        "array" => format!("list of {}", below("items")),
        "object" if fields.contains_key("additionalProperties") => {
            format!("map of {}", below("additionalProperties"))
        }
        kind => kind.to_owned(),
    };
    let words: Vec<String> = kinds.into_iter().filter(|kind| *kind != "null").map(word).collect();
    if words.is_empty() { "any".to_owned() } else { words.join(" or ") }
}

/// The values of an enumeration.
fn values(fields: &Map<String, Value>) -> Option<String> {
    let quoted =
        |value: &Value| format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    if let Some(value) = fields.get("const") {
        return Some(quoted(value));
    }
    let values = fields.get("enum")?.as_array()?;
    Some(values.iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// The rules and functions of libraries that have a comment: those are for everybody.
///
/// # Errors
/// If a library cannot be loaded.
pub fn library_page(libraries: &[SourceText]) -> Result<Vec<Block>, Diagnostics> {
    let mut page = vec![
        Block::Title("Libraries".to_owned()),
        Block::Text(
            "Rego that policies share. Import a library by its package, such as `import data.stategate.lib.claims`. \
             Rules without a comment are for the library itself and are not listed."
                .to_owned(),
        ),
    ];
    let (_, definitions) = Rego::load_with_definitions(libraries)?;
    for text in libraries {
        let lines: Vec<&str> = text.text.lines().collect();
        let mut of_text = definitions.iter().filter(|definition| *definition.source == *text.name).peekable();
        let Some(first) = of_text.peek() else { continue };
        page.push(Block::Heading(first.package.clone()));
        let about: Vec<&str> = lines.iter().map_while(|line| line.strip_prefix("# ")).collect();
        page.push(Block::Text(about.join(" ")));
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for definition in of_text {
            let line = usize::try_from(definition.first_line).unwrap_or(usize::MAX).saturating_sub(1);
            let comment = comment_above(&lines, line);
            if let Some(comment) = comment.filter(|_| seen.insert(&definition.name)) {
                let head = lines.get(line).copied().unwrap_or_default();
                rows.push(vec![format!("`{}`", signature(head)), comment]);
            }
        }
        page.push(Block::Table(["Rule", "Holds"].map(str::to_owned).to_vec(), rows));
    }
    Ok(page)
}

/// The comment right above a line, as prose.
fn comment_above(lines: &[&str], line: usize) -> Option<String> {
    let above = lines.get(..line)?.iter().rev().map_while(|line| line.strip_prefix("# "));
    let mut comment: Vec<&str> = above.collect();
    comment.reverse();
    (!comment.is_empty()).then(|| comment.join(" "))
}

/// The head of a rule without its body.
fn signature(head: &str) -> &str {
    let ends = [" if ", " := ", " = ", " {"];
    let end = ends.iter().filter_map(|end| head.find(end)).min();
    head.get(..end.unwrap_or(head.len())).unwrap_or(head).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_head_without_the_body() {
        assert_eq!(signature("of_data contains claim if {"), "of_data contains claim");
        assert_eq!(signature("serves(claim, volume) if {"), "serves(claim, volume)");
        assert_eq!(signature("remedy := \"x\" if y"), "remedy");
    }

    #[test]
    fn types_read_like_sentences() {
        let of = |text: &str| type_of(&serde_json::from_str(text).unwrap());
        assert_eq!(
            of(r##"{"type": ["array", "null"], "items": {"$ref": "#/$defs/Claim"}}"##),
            "list of [Claim](#claim)"
        );
        assert_eq!(of(r#"{"type": "object", "additionalProperties": {"type": "string"}}"#), "map of string");
        assert_eq!(of(r##"{"anyOf": [{"$ref": "#/$defs/Engine"}, {"type": "null"}]}"##), "[Engine](#engine)");
        assert_eq!(of(r#"{"type": "string", "enum": ["a", "b"]}"#), "`a`, `b`");
        assert_eq!(of("true"), "any");
    }
}
