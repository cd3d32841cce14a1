//! Property tests: random changes to documents in every style apply exactly, and nothing else changes.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use similar::{ChangeTag, TextDiff};

use super::{Change, edit};
use crate::yaml::read;

/// The writer's random choices, consumed one by one.
struct Choices(Vec<u8>, usize);

impl Choices {
    fn one_of(&mut self, count: usize) -> usize {
        self.1 += 1;
        usize::from(self.0[self.1 % self.0.len()]) % count
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(vec![
            "x",
            "yes",
            "0644",
            "1",
            "",
            "a b",
            "é日",
            "a: b",
            "# no",
            "it's",
            "say \"so\"",
            "1.5Gi",
            "~",
            "-",
            "[x",
            "{y}",
            "a\nb\n",
            "a\n\n  b",
            "\ttab",
            "tail\n\n",
            " lead",
            "*x",
            "&y",
            "!z",
            "a,b",
            "null",
            "C:\\x",
            "x\u{2028}y",
            "😀",
        ])
        .prop_map(Value::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    let known = ["a", "b", "spec", "stategate.io/x", "a.b", "yes", "1", "with space", "ключ", "q\"q", "c:d"];
    prop::sample::select(known.to_vec()).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(key(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn document() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key(), value(), 1..5)
        .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>()))
}

/// Writes documents in all the styles people use, mixed at random.
struct Writer {
    choices: Choices,
    comments: usize,
}

impl Writer {
    fn comment(&mut self) -> String {
        if self.choices.one_of(4) > 0 {
            return String::new();
        }
        self.comments += 1;
        format!(" # c{}", self.comments)
    }

    fn text(&mut self, text: &str) -> String {
        let simple = text.chars().all(|c| c.is_ascii_alphanumeric())
            && text.len() > 2
            && text.starts_with(char::is_alphabetic);
        let single = text.chars().all(|c| !c.is_control() && c != '\u{2028}');
        match self.choices.one_of(3) {
            0 if simple && !["yes", "null"].contains(&text) => text.to_owned(),
            1 if single => format!("'{}'", text.replace('\'', "''")),
            _ => serde_json::to_string(text).unwrap().replace('\u{2028}', "\\u2028"),
        }
    }

    fn flow(&mut self, value: &Value) -> String {
        match value {
            Value::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(key, value)| format!("{}: {}", self.text(key), self.flow(value)))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(if self.choices.one_of(2) == 0 { "," } else { ", " }))
            }
            Value::String(text) => self.text(text),
            other => other.to_string(),
        }
    }

    /// The text after a colon or a dash, and the lines below.
    fn behind(&mut self, value: &Value, indent: usize, item: bool) -> (String, Vec<String>) {
        let filled = super::write::is_filled(value);
        if filled && self.choices.one_of(5) > 0 {
            let deeper = match (value.is_array(), self.choices.one_of(3)) {
                (true, 0) if !item => 0,
                (_, 1) => 4,
                _ => 2,
            };
            let lines = self.block(value, indent + deeper);
            if item && deeper == 2 && !lines[0].trim_start().starts_with('#') && !lines[0].is_empty() {
                let first = format!(" {}", lines[0].trim_start());
                return (first, lines[1..].to_vec());
            }
            return (self.comment(), lines);
        }
        match value {
            Value::Null if self.choices.one_of(2) == 0 => (self.comment(), Vec::new()),
            Value::String(text)
                if text.ends_with('\n') && !text.starts_with([' ', '\t']) && self.choices.one_of(2) == 0 =>
            {
                let lines = text
                    .trim_end_matches('\n')
                    .split('\n')
                    .map(|line| format!("{}{line}", " ".repeat(indent + 3)));
                let extra = text.len() - text.trim_end_matches('\n').len() - 1;
                let lines = lines.chain(std::iter::repeat_n(String::new(), extra)).collect();
                (format!(" |{}{}", if extra > 0 { "+" } else { "" }, self.comment()), lines)
            }
            value => (format!(" {}{}", self.flow(value), self.comment()), Vec::new()),
        }
    }

    fn block(&mut self, value: &Value, indent: usize) -> Vec<String> {
        let pad = " ".repeat(indent);
        let mut lines = Vec::new();
        let heads: Vec<(String, &Value, bool)> = match value {
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (format!("{}:", self.text(key)), value, false)).collect()
            }
            Value::Array(items) => items.iter().map(|item| ("-".to_owned(), item, true)).collect(),
            _ => Vec::new(),
        };
        for (head, value, item) in heads {
            if self.choices.one_of(8) == 0 && !lines.is_empty() {
                self.comments += 1;
                lines.push(format!("{pad}# c{}", self.comments));
            }
            let (behind, below) = self.behind(value, indent, item);
            lines.push(format!("{pad}{head}{behind}"));
            lines.extend(below);
        }
        lines
    }
}

fn text(documents: &[Value], choices: Vec<u8>) -> String {
    let mut writer = Writer { choices: Choices(choices, 0), comments: 0 };
    let line_break = if writer.choices.one_of(3) == 0 { "\r\n" } else { "\n" };
    let mut lines = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 || writer.choices.one_of(2) == 0 {
            lines.push(format!("---{}", writer.comment()));
        }
        lines.extend(writer.block(document, 0));
        if writer.choices.one_of(4) == 0 {
            lines.push("...".to_owned());
        }
    }
    let mark = if writer.choices.one_of(6) == 0 { "\u{feff}" } else { "" };
    let end =
        if writer.choices.one_of(5) == 0 && !lines.last().unwrap().is_empty() { "" } else { line_break };
    format!("{mark}{}{end}", lines.join(line_break))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Added,
    Replaced,
    Removed,
}

/// Changes a random node, chosen by `at`.
fn mutate(value: &mut Value, at: &mut dyn Iterator<Item = u8>, new: &Value) -> Option<What> {
    let mut next = || at.next().map(usize::from);
    let choice = next()?;
    let step = next()?;
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let key = fields.keys().nth(step % fields.len())?.clone();
            match choice % 6 {
                0 => drop(fields.insert("new/key".to_owned(), new.clone())),
                1 if fields.len() > 1 => {
                    fields.remove(&key);
                    return Some(What::Removed);
                }
                2 => {
                    fields.insert(key, new.clone());
                    return Some(What::Replaced);
                }
                _ => return mutate(fields.get_mut(&key)?, at, new),
            }
            Some(What::Added)
        }
        Value::Array(items) if !items.is_empty() => {
            let index = step % items.len();
            match choice % 6 {
                0 => items.push(new.clone()),
                1 if items.len() > 1 => {
                    items.remove(index);
                    return Some(What::Removed);
                }
                2 => items.insert(index, new.clone()),
                _ => return mutate(&mut items[index], at, new),
            }
            Some(What::Added)
        }
        place => {
            *place = new.clone();
            Some(What::Replaced)
        }
    }
}

/// The comments of a text, in order. No value in the test documents looks like one.
fn comments(text: &str) -> Vec<&str> {
    text.split(['\n', '\r']).filter_map(|line| line.find("# c").map(|at| &line[at..])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn only_what_is_asked_for_changes(
        documents in prop::collection::vec(document(), 1..4),
        choices in prop::collection::vec(any::<u8>(), 1..60),
        which in any::<prop::sample::Index>(),
        at in prop::collection::vec(any::<u8>(), 12),
        new in value(),
    ) {
        let text = text(&documents, choices);
        let read_back: Vec<Value> = match read(&text) {
            Ok(documents) => documents.into_iter().map(|document| document.value).collect(),
            Err(error) => panic!("the writer is wrong: {error}\n{text}"),
        };
        prop_assert_eq!(&read_back, &documents, "the writer is wrong:\n{}", text);
        let index = which.index(documents.len());
        let mut wanted = documents.clone();
        let what = mutate(&mut wanted[index], &mut at.into_iter(), &new);
        let change = Change { document: index, path: Vec::new(), value: wanted[index].clone() };
        let edited = match edit(&text, &[change]) {
            Ok(edited) => edited,
            Err(refusal) => {
                let known = ["a comment would go", "nothing would be left of its line"];
                prop_assert!(known.iter().any(|known| refusal.reason.contains(known)), "{refusal}\n{text}\n{}", wanted[index]);
                prop_assert!(what != Some(What::Added), "{refusal}\n{text}");
                return Ok(());
            }
        };
        let after: Vec<Value> = read(&edited).unwrap().into_iter().map(|document| document.value).collect();
        prop_assert_eq!(&after, &wanted);
        if what == Some(What::Added) {
            prop_assert_eq!(comments(&text), comments(&edited), "{}\n{}", text, edited);
            // One line may be modified: the line of the brackets, or of a key without a value.
            let gone = TextDiff::from_lines(text.trim_end(), edited.trim_end()).iter_all_changes()
                .filter(|change| change.tag() == ChangeTag::Delete)
                .count();
            prop_assert!(gone <= 1, "{text}\n{edited}");
        }
        // Applying the same change again changes nothing.
        let again = Change { document: index, path: Vec::new(), value: wanted[index].clone() };
        prop_assert_eq!(edit(&edited, &[again]).unwrap(), edited);
    }

    #[test]
    fn json_stays_json(document in document(), pretty in any::<bool>(), at in prop::collection::vec(any::<u8>(), 12), new in value()) {
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let mut wanted = json!(document);
        mutate(&mut wanted, &mut at.into_iter(), &new);
        let change = Change { document: 0, path: Vec::new(), value: wanted.clone() };
        let edited = edit(&text, &[change]).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&edited).unwrap(), wanted.clone());
        // Apart from the order of keys, the result matches the printer's output, so the indentation is
        // consistent.
        let printed = if pretty { serde_json::to_string_pretty(&wanted) } else { serde_json::to_string(&wanted) }.unwrap();
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(|line| line.trim_end_matches(',').replace("\\u2028", "\u{2028}")).collect();
            lines.sort();
            lines
        };
        if pretty {
            prop_assert_eq!(sorted(&edited), sorted(&printed));
        } else {
            prop_assert_eq!(edited.replace("\\u2028", "\u{2028}").len(), printed.len());
        }
    }
}
