//! Detects a document's style from its text.

use std::collections::HashMap;

use super::cursor::{column, line_start};
use super::layout::{Entry, Form, Layout, Node};
use super::write::Style;

/// The style that most of the document uses, with kubectl's output as the default.
pub fn of(text: &str, layout: &Layout) -> Style {
    let mut seen = Seen::default();
    seen.node(text, &layout.root);
    let json = layout.json;
    let root_line = text.get(layout.root.start..layout.root.end).unwrap_or_default();
    let on_lines = json && root_line.contains('\n');
    Style {
        line_break: if text.contains("\r\n") { "\r\n" } else { "\n" },
        step: most(&seen.steps).filter(|step| *step > 0).unwrap_or(2),
        list_step: most(&seen.list_steps).unwrap_or(0),
        quote: if !json && seen.single > seen.double { '\'' } else { '"' },
        unit: on_lines.then(|| seen.unit.unwrap_or_else(|| "  ".to_owned())),
        json,
        tight: json && seen.tight && !on_lines,
    }
}

#[derive(Default)]
struct Seen {
    steps: HashMap<usize, usize>,
    list_steps: HashMap<usize, usize>,
    single: usize,
    double: usize,
    unit: Option<String>,
    tight: bool,
}

fn most(counts: &HashMap<usize, usize>) -> Option<usize> {
    counts.iter().max_by_key(|(step, count)| (**count, usize::MAX - **step)).map(|(step, _)| *step)
}

impl Seen {
    fn node(&mut self, text: &str, node: &Node) {
        match &node.form {
            Form::Single => self.single += 1,
            Form::Double => self.double += 1,
            Form::Map { flow, entries } => {
                for entry in entries {
                    if *flow {
                        self.bracketed(text, node, entry);
                    } else if let Some((step, list)) = step_below(text, entry) {
                        *if list { &mut self.list_steps } else { &mut self.steps }
                            .entry(step)
                            .or_default() += 1;
                    }
                    self.node(text, &entry.value);
                }
            }
            Form::List { items, .. } => items.iter().for_each(|item| self.node(text, &item.node)),
            _ => {}
        }
    }

    fn bracketed(&mut self, text: &str, node: &Node, entry: &Entry) {
        let (outer, inner) = (indent_of(text, node.start), indent_of(text, entry.span.start));
        if self.unit.is_none() && inner.len() > outer.len() {
            self.unit = inner.strip_prefix(outer).map(str::to_owned);
        }
        self.tight |= entry.value.start == entry.span.end + 1;
    }
}

/// A collection's indentation relative to its key, and whether it is a list.
pub fn step_below(text: &str, entry: &Entry) -> Option<(usize, bool)> {
    let (inner, list) = match &entry.value.form {
        Form::Map { flow: false, entries } => (entries.first()?.span.start, false),
        Form::List { flow: false, items } => (items.first()?.dash?, true),
        _ => return None,
    };
    let outer = column(text, entry.span.start);
    Some((column(text, inner).checked_sub(outer)?, list))
}

/// The leading white space of the line at a position.
pub fn indent_of(text: &str, at: usize) -> &str {
    let line = text.get(line_start(text, at)..).unwrap_or_default();
    let length = line.find(|c: char| c != ' ' && c != '\t').unwrap_or(line.len());
    line.get(..length).unwrap_or_default()
}
