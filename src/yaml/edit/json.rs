//! The layout of JSON texts.

use std::collections::HashMap;

use super::super::json;
use super::cursor::Cursor;
use super::layout::{Entry, Form, Item, Layout, Node};

/// The layouts of all documents; `None` if the text is not JSON.
pub fn layouts(text: &str) -> Option<Vec<Layout>> {
    if !json::is_json(text) {
        return None;
    }
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { cursor: Cursor { text, at } };
    let mut layouts = Vec::new();
    loop {
        reader.skip_space();
        while reader.cursor.rest().starts_with("---") {
            reader.cursor.at += 3;
            reader.skip_space();
        }
        if reader.cursor.rest().is_empty() {
            return Some(layouts);
        }
        layouts.push(Layout { root: reader.node()?, uses: HashMap::new(), json: true });
    }
}

/// The text is known to be JSON with bounded nesting, because it was parsed before.
struct Reader<'t> {
    cursor: Cursor<'t>,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        let rest = self.cursor.rest();
        self.cursor.at += rest.len() - rest.trim_start().len();
    }

    /// Skips one character if it comes next.
    fn take(&mut self, character: char) -> bool {
        let there = self.cursor.peek() == Some(character);
        self.cursor.at += usize::from(there);
        there
    }

    fn node(&mut self) -> Option<Node> {
        self.skip_space();
        let start = self.cursor.at;
        let form = match self.cursor.peek()? {
            '{' => {
                let mut entries = Vec::new();
                self.collection('}', |reader| {
                    entries.push(reader.entry()?);
                    Some(())
                })?;
                Form::Map { flow: true, entries }
            }
            '[' => {
                let mut items = Vec::new();
                self.collection(']', |reader| {
                    items.push(Item { dash: None, node: reader.node()? });
                    Some(())
                })?;
                Form::List { flow: true, items }
            }
            '"' => {
                self.cursor.at = self.cursor.quoted_end('"');
                Form::Double
            }
            _ => {
                let rest = self.cursor.rest();
                let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | '}' | ']'));
                self.cursor.at += end.unwrap_or(rest.len());
                Form::Plain
            }
        };
        Some(Node { slot: start, start, end: self.cursor.at, anchor: 0, marked: false, form })
    }

    fn collection(&mut self, close: char, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.cursor.at += 1;
        self.skip_space();
        while !self.take(close) {
            one(self)?;
            self.skip_space();
            self.take(',');
            self.skip_space();
        }
        Some(())
    }

    fn entry(&mut self) -> Option<Entry> {
        let start = self.cursor.at;
        let end = self.cursor.quoted_end('"');
        let key = serde_json::from_str(self.cursor.text.get(start..end)?).ok()?;
        self.cursor.at = end;
        self.skip_space();
        self.take(':').then_some(())?;
        let value = self.node()?;
        Some(Entry { key, span: start..end, merge: false, value })
    }
}
