//! Turns value differences into text changes.

use std::ops::Range;

use serde_json::{Map, Value};

use super::Refusal;
use super::cursor::{Cursor, column, line, line_end, line_number, line_start, next_line};
use super::layout::{Entry, Form, Item, Layout, Node};
use super::style::{self, indent_of, step_below};
use super::write::{Style, is_filled, quoted};

/// A range of the text and its replacement.
#[derive(Debug)]
pub struct Splice {
    pub at: Range<usize>,
    pub text: String,
}

/// Applies all splices; `None` if two of them overlap.
pub fn apply(text: &str, mut splices: Vec<Splice>) -> Option<String> {
    let removed: Vec<Range<usize>> =
        splices.iter().filter(|splice| splice.text.is_empty()).map(|splice| splice.at.clone()).collect();
    for splice in splices.iter_mut().filter(|splice| splice.at.is_empty()) {
        // Text inserted below a removed line moves below the line before it.
        while let Some(gone) =
            removed.iter().find(|gone| gone.start < splice.at.start && splice.at.start < gone.end)
            && gone.start == line_start(text, gone.start)
        {
            let above = text.get(..gone.start)?;
            let above = above.strip_suffix('\n').unwrap_or(above);
            let above = above.strip_suffix('\r').unwrap_or(above).len();
            splice.at = above..above;
        }
    }
    // Stable sort: insertions at the same position keep their order and come before a removal that starts
    // there.
    splices.sort_by_key(|splice| (splice.at.start, splice.at.end));
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for splice in splices {
        out.push_str(text.get(done..splice.at.start)?);
        out.push_str(&splice.text);
        done = splice.at.end;
    }
    out.push_str(text.get(done..)?);
    Some(out)
}

/// The splices that turn one document into the wanted value.
pub fn splices(text: &str, layout: &Layout, before: &Value, wanted: &Value) -> Result<Vec<Splice>, Refusal> {
    let mut editor = Editor { text, layout, style: style::of(text, layout), splices: Vec::new() };
    editor.node(&layout.root, before, wanted, Context { flow: layout.json, indent: None, item: false })?;
    Ok(editor.splices)
}

/// The surroundings of a node.
#[derive(Clone, Copy)]
struct Context {
    /// Inside brackets.
    flow: bool,
    /// The column of the node's key or dash; `None` for a root.
    indent: Option<usize>,
    /// Whether the node is a list item.
    item: bool,
}

struct Editor<'t> {
    text: &'t str,
    layout: &'t Layout,
    style: Style,
    splices: Vec<Splice>,
}

impl Editor<'_> {
    fn refuse<T>(&self, at: usize, reason: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal { line: line_number(self.text, at), reason: reason.into() })
    }

    fn splice(&mut self, at: Range<usize>, text: impl Into<String>) {
        self.splices.push(Splice { at, text: text.into() });
    }

    /// Inserts lines below the line at a position.
    fn lines_below(&mut self, at: usize, lines: &[String]) {
        let end = line_end(self.text, at);
        let text = lines.iter().map(|line| format!("{}{line}", self.style.line_break)).collect::<String>();
        self.splice(end..end, text);
    }

    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    fn node(&mut self, node: &Node, before: &Value, wanted: &Value, context: Context) -> Result<(), Refusal> {
        if before == wanted {
            return Ok(());
        }
        if let Form::Alias = node.form {
            let name = self.slice(node.start..node.end);
            return self.refuse(node.start, format!("{name} stands for what is written elsewhere"));
        }
        if let Some(used) = self.layout.uses.get(&node.anchor).and_then(|uses| uses.first()) {
            let used = line_number(self.text, *used);
            return self.refuse(node.slot, format!("what is anchored here is used in line {used}, too"));
        }
        match (&node.form, before, wanted) {
            (Form::Odd, ..) => self.refuse(node.start, "it is written in a form that is not edited"),
            (Form::Map { flow, entries }, Value::Object(before), Value::Object(wanted))
                if entries.iter().any(|entry| entry.merge || wanted.contains_key(&entry.key)) =>
            {
                self.map(node, entries, *flow, before, wanted)
            }
            (Form::List { flow, items }, Value::Array(before), Value::Array(wanted))
                if !before.is_empty() && !wanted.is_empty() =>
            {
                self.list(node, items, *flow, before, wanted)
            }
            _ => self.replace(node, wanted, context),
        }
    }

    fn map(
        &mut self,
        node: &Node,
        entries: &[Entry],
        flow: bool,
        before: &Map<String, Value>,
        wanted: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let mut removed = Vec::new();
        for (key, old) in before {
            let new = wanted.get(key);
            if new == Some(old) {
                continue;
            }
            let Some(index) = entries.iter().position(|entry| !entry.merge && entry.key == *key) else {
                let merge =
                    entries.iter().find(|entry| entry.merge).map_or(node.start, |entry| entry.span.start);
                return self.refuse(merge, format!("{key} comes from what << merges in here"));
            };
            match (new, entries.get(index)) {
                (Some(new), Some(entry)) => {
                    let indent = Some(column(self.text, entry.span.start));
                    self.node(&entry.value, old, new, Context { flow, indent, item: false })?;
                }
                (None, Some(_)) => removed.push(index),
                (_, None) => {}
            }
        }
        let added: Vec<(&String, &Value)> =
            wanted.iter().filter(|(key, _)| !before.contains_key(*key)).collect();
        let stays = |entry: &Entry| entry.merge || wanted.contains_key(&entry.key);
        let last = entries.iter().rposition(stays).filter(|_| !added.is_empty());
        // If entries at the end of the brackets are removed, the new entries replace them.
        let gone = entries.last().filter(|end| flow && last.is_some() && !stays(end));
        removed.retain(|index| gone.is_none() || last.is_none_or(|last| *index < last));
        let spans: Vec<_> = entries.iter().map(|entry| entry.span.start..entry.value.end).collect();
        self.remove(&spans, removed, flow)?;
        let Some(last) = last.and_then(|last| entries.get(last)) else { return Ok(()) };
        if !flow {
            let indent = column(self.text, last.span.start);
            let style = self.style_within(entries);
            let lines: Vec<String> =
                added.iter().flat_map(|(key, value)| style.entry(key, value, indent)).collect();
            self.lines_below(last.value.end, &lines);
            return Ok(());
        }
        let quoted_keys = entries
            .iter()
            .all(|entry| self.text.get(entry.span.start..).is_some_and(|key| key.starts_with('"')));
        let style = Style { json: self.style.json || quoted_keys, ..self.style.clone() };
        let indent = indent_of(self.text, last.span.start).to_owned();
        let texts: Vec<String> =
            added.iter().map(|(key, value)| style.pair(key, &style.flow(value, &indent))).collect();
        if let Some(gone) = gone {
            let (range, separator) = (last.value.end..gone.value.end, self.separator(node, last.span.start));
            self.loses_no_comment(&range, last.value.end)?;
            self.splice(range, texts.iter().map(|text| format!("{separator}{text}")).collect::<String>());
            return Ok(());
        }
        self.append_in_brackets(node, last.span.start, last.value.end, &texts)
    }

    /// The document's style, overridden by what the mapping itself shows.
    fn style_within(&self, entries: &[Entry]) -> Style {
        let mut style = self.style.clone();
        for entry in entries {
            match step_below(self.text, entry) {
                Some((step, true)) => style.list_step = step,
                Some((step, false)) if step > 0 => style.step = step,
                _ => {}
            }
        }
        style
    }

    fn list(
        &mut self,
        node: &Node,
        items: &[Item],
        flow: bool,
        before: &[Value],
        wanted: &[Value],
    ) -> Result<(), Refusal> {
        let same = |pair: &(&Value, &Value)| pair.0 == pair.1;
        let shorter = before.len().min(wanted.len());
        let first = before.iter().zip(wanted).take_while(same).count();
        let last = before.iter().rev().zip(wanted.iter().rev()).take_while(same).count().min(shorter - first);
        let paired = shorter - last;
        let pairs = before.iter().zip(wanted).zip(items).take(paired).skip(first);
        for ((before, wanted), item) in pairs {
            let indent = item.dash.map(|dash| column(self.text, dash));
            self.node(&item.node, before, wanted, Context { flow, indent, item: true })?;
        }
        let spans: Vec<_> =
            items.iter().map(|item| item.dash.unwrap_or(item.node.start)..item.node.end).collect();
        self.remove(&spans, (paired..before.len() - last).collect(), flow)?;
        let added: Vec<&Value> = wanted.iter().take(wanted.len() - last).skip(paired).collect();
        if added.is_empty() || before.len() > wanted.len() {
            return Ok(());
        }
        self.insert_items(node, items, paired, &added)
    }

    fn insert_items(
        &mut self,
        node: &Node,
        items: &[Item],
        at: usize,
        added: &[&Value],
    ) -> Result<(), Refusal> {
        let (next, last) = (items.get(at), at.checked_sub(1).and_then(|index| items.get(index)));
        let neighbour = next.or(last);
        if let Some(dash) = neighbour.and_then(|item| item.dash) {
            let indent = column(self.text, dash);
            let lines: Vec<String> = added.iter().flat_map(|value| self.style.item(value, indent)).collect();
            match (last, next) {
                (Some(last), _) => self.lines_below(last.node.end, &lines),
                (None, Some(_)) => {
                    let text = lines.join(self.style.line_break);
                    let gap = format!("{}{}", self.style.line_break, " ".repeat(indent));
                    self.splice(dash..dash, format!("{}{gap}", text.trim_start()));
                }
                (None, None) => {}
            }
            return Ok(());
        }
        let place = neighbour.map_or(node.start, |item| item.node.start);
        let indent = indent_of(self.text, place).to_owned();
        let texts: Vec<String> = added.iter().map(|value| self.style.flow(value, &indent)).collect();
        match (last, next) {
            (Some(last), None) => self.append_in_brackets(node, last.node.start, last.node.end, &texts),
            (_, Some(next)) => {
                let separator = self.separator(node, next.node.start);
                let text = texts.iter().map(|text| format!("{text}{separator}")).collect::<String>();
                self.splice(next.node.start..next.node.start, text);
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    /// The separator between two nodes in brackets, one of which is at `place`.
    fn separator(&self, node: &Node, place: usize) -> String {
        if self.slice(node.start..place).contains('\n') {
            format!(",{}{}", self.style.line_break, indent_of(self.text, place))
        } else {
            self.style.comma().to_owned()
        }
    }

    /// Appends after the last node in brackets, which spans `start` to `end`.
    fn append_in_brackets(
        &mut self,
        node: &Node,
        start: usize,
        end: usize,
        texts: &[String],
    ) -> Result<(), Refusal> {
        let separator = self.separator(node, start);
        if !separator.contains('\n') {
            let text = texts.iter().map(|text| format!("{separator}{text}")).collect::<String>();
            self.splice(end..end, text);
            return Ok(());
        }
        let mut cursor = Cursor { text: self.text, at: end };
        cursor.skip_gap();
        let has_comma = cursor.peek() == Some(',');
        let from = if has_comma { cursor.at + 1 } else { end };
        // A comment on the line of the last node stays on that line.
        let rest = line(self.text, from).trim_start();
        let at = if rest.is_empty() || rest.starts_with('#') { line_end(self.text, from) } else { from };
        if !has_comma {
            self.splice(end..end, ",");
        }
        let below = separator.trim_start_matches(',');
        let text = texts.iter().map(|text| format!("{below}{text}")).collect::<Vec<_>>().join(",");
        self.splice(at..at, format!("{text}{}", if has_comma { "," } else { "" }));
        Ok(())
    }

    /// Removes entries or items from their collection. At least one remains.
    fn remove(&mut self, spans: &[Range<usize>], mut removed: Vec<usize>, flow: bool) -> Result<(), Refusal> {
        removed.sort_unstable();
        for run in removed.chunk_by(|a, b| a + 1 == *b) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let span = |index: usize| spans.get(index).cloned().unwrap_or_default();
            let next = spans.get(last + 1).map(|next| next.start);
            let (start, end) = (span(*first).start, span(*last).end);
            if !flow {
                self.remove_lines(start, end, next)?;
                continue;
            }
            let range = match (next, first.checked_sub(1)) {
                (Some(next), _) => start..next,
                (None, Some(before)) => span(before).end..end,
                (None, None) => start..end,
            };
            self.loses_no_comment(&range, start)?;
            self.splice(range, "");
        }
        Ok(())
    }

    /// Removes the lines of entries or items; if other text precedes them on their first line, removes only
    /// up to the next entry.
    fn remove_lines(&mut self, start: usize, end: usize, next: Option<usize>) -> Result<(), Refusal> {
        let first = line_start(self.text, start);
        if self.slice(first..start).trim().is_empty() {
            let range = first..next_line(self.text, end).unwrap_or(self.text.len());
            let below = next_line(self.text, start).unwrap_or(range.end).min(range.end);
            self.loses_no_comment(&(below..range.end), start)?;
            self.splice(range, "");
            return Ok(());
        }
        let Some(next) = next else { return self.refuse(start, "nothing would be left of its line") };
        self.loses_no_comment(&(start..next), start)?;
        self.splice(start..next, "");
        Ok(())
    }

    fn loses_no_comment(&self, range: &Range<usize>, at: usize) -> Result<(), Refusal> {
        let lost = self
            .slice(range.clone())
            .lines()
            .any(|line| line.trim_start().starts_with('#') || line.contains(" #"));
        if lost { self.refuse(at, "a comment would go with it") } else { Ok(()) }
    }

    /// Replaces a node completely.
    fn replace(&mut self, node: &Node, wanted: &Value, context: Context) -> Result<(), Refusal> {
        let nothing = matches!(node.form, Form::Nothing);
        let in_block =
            matches!(node.form, Form::Block | Form::Map { flow: false, .. } | Form::List { flow: false, .. });
        let whole = if in_block { node.slot..node.end } else { node.start..node.end };
        if nothing && node.marked {
            return self.refuse(node.slot, "a tag or an anchor stands where the value would");
        }
        if in_block && !matches!(node.form, Form::Block) {
            // A comment at the end of the last line also belongs to the replaced node.
            self.loses_no_comment(&(whole.start..line_end(self.text, whole.end)), node.start)?;
        } else if self.slice(whole.clone()).contains('\n') {
            self.loses_no_comment(&whole, node.start)?;
        }
        if context.flow {
            let text = self.style.flow(wanted, indent_of(self.text, node.start));
            let before = self.text.get(..node.slot).and_then(|before| before.chars().next_back());
            match before {
                Some(':') if nothing => self.splice(node.slot..node.slot, format!(" {text}")),
                _ if nothing => self.splice(node.slot..node.slot, format!(": {text}")),
                _ => self.splice(whole, self.keeping_quotes(node, wanted).unwrap_or(text)),
            }
            return Ok(());
        }
        if !is_filled(wanted) {
            let text = self.keeping_quotes(node, wanted).unwrap_or_else(|| self.style.scalar(wanted));
            let space = if nothing || in_block { " " } else { "" };
            self.splice(whole, format!("{space}{text}"));
            return Ok(());
        }
        let Some(indent) = context.indent else {
            return self.refuse(node.start, "the whole document would be written anew");
        };
        if context.item {
            let lines = self.style.item(wanted, indent);
            let Some((first, below)) = lines.split_first() else { return Ok(()) };
            let first = first.trim_start().trim_start_matches('-').trim_start();
            let space = if nothing || in_block { " " } else { "" };
            self.splice(whole, format!("{space}{first}"));
            self.lines_below(node.end, below);
            return Ok(());
        }
        let step = if wanted.is_array() { self.style.list_step } else { self.style.step };
        let lines = self.style.block(wanted, indent + step);
        if in_block {
            let text =
                lines.iter().map(|line| format!("{}{line}", self.style.line_break)).collect::<String>();
            self.splice(whole, text);
            return Ok(());
        }
        if !nothing {
            let gap = self.slice(node.slot..node.start).trim_end().len();
            self.splice(node.slot + gap..node.end, "");
        }
        self.lines_below(node.end, &lines);
        Ok(())
    }

    /// A string in the quotes of the old value.
    fn keeping_quotes(&self, node: &Node, wanted: &Value) -> Option<String> {
        match node.form {
            Form::Single => Some(quoted(wanted.as_str()?, '\'')),
            Form::Double => Some(quoted(wanted.as_str()?, '"')),
            _ => None,
        }
    }
}
