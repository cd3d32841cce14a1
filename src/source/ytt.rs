//! Templates of ytt, which are YAML: what they say is not what is applied.

use std::collections::HashMap;

use serde_json::Value;

use crate::yaml::Document;

/// The first line that shows a text to be a template of ytt, whose code stands in comments, and not in the values of
/// its documents.
pub(super) fn first_code(text: &str, documents: &[Document]) -> Option<usize> {
    if !text.contains("#@") {
        return None;
    }
    // An alias would make one line of a value count more than once.
    let aliased = text.contains(": *") || text.contains("- *");
    let mut values = if aliased { HashMap::new() } else { lines_of_values(documents, "#@") };
    let is_code = |line: &str| {
        let (before, comment) = line.split_once("#@").unwrap_or((line, ""));
        let value = before.trim_end().ends_with(':') && comment.starts_with(' ');
        value
            || before.trim().is_empty()
                && ["data/values", "overlay/", " load("].iter().any(|code| comment.starts_with(code))
    };
    let mut is_value = |line: &str| match values.get_mut(line.trim()) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    };
    text.lines().position(|line| is_code(line) && !is_value(line)).map(|at| at + 1)
}

/// The lines in the values of documents that contain a text, and how often they are there.
fn lines_of_values<'d>(documents: &'d [Document], part: &str) -> HashMap<&'d str, usize> {
    let mut waiting: Vec<&Value> = documents.iter().map(|document| &document.value).collect();
    let mut found = HashMap::new();
    while let Some(value) = waiting.pop() {
        match value {
            Value::String(text) if text.contains(part) => {
                let lines = text.lines().map(str::trim).filter(|line| line.contains(part));
                lines.for_each(|line| *found.entry(line).or_insert(0) += 1);
            }
            Value::Array(items) => waiting.extend(items),
            Value::Object(fields) => waiting.extend(fields.values()),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::source::manifests::Manifests;

    #[test]
    fn a_template_of_ytt_is_not_read_as_it_is() {
        let object = "apiVersion: v1\nkind: Service\nmetadata: {name: pg}\n";
        for (text, errors) in [
            (format!("{object}spec: #@ spec()\n"), 1),
            (format!("#@ load(\"@ytt:data\", \"data\")\n{object}"), 1),
            (format!("#@overlay/match by=\"x\"\n---\n{object}"), 1),
            (format!("# @ load\n#@ param --x\n{object}"), 0),
            (format!("{object}data:\n  readme: |\n    image: #@ data.values.image\n"), 0),
            (format!("{object}data:\n  readme: |\n    image: #@ data.values.image\nspec: #@ spec()\n"), 1),
            (format!("{object}data:\n  readme: |\n    spec: #@ spec()\nspec: #@ spec()\n"), 1),
            (format!("{object}data:\n  a: &a |\n    spec: #@ spec()\n  b: *a\nspec: #@ spec()\n"), 1),
        ] {
            let mut read = Manifests::default();
            read.add("x.yaml".to_owned(), text.as_bytes());
            assert_eq!((read.errors.len(), read.objects.len()), (errors, 1 - errors), "{text}");
        }
    }
}
