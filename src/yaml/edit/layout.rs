//! Where the nodes of a document are in its text, in text order and without resolving anything. An editor
//! needs this information, a reader does not.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::super::YamlError;
use super::super::events::typed;
use super::super::offsets::Offsets;
use super::super::scalar::Scalar;
use super::cursor::Cursor;
use super::json;

/// A node as written.
#[derive(Debug)]
pub struct Node {
    /// Start of the node's slot: after the preceding colon or dash and after the node's own anchor and tag.
    /// The text from here to `end` is the node.
    pub slot: usize,
    /// Start of the node's text; equal to `slot` if nothing is written.
    pub start: usize,
    /// End of the node's text; for a block collection, the end of its last node.
    pub end: usize,
    /// The parser's number for the node's anchor; 0 if it has none.
    pub anchor: usize,
    /// Whether an anchor or a tag precedes the node.
    pub marked: bool,
    pub form: Form,
}

#[derive(Debug)]
pub enum Form {
    /// No text: an implicit null.
    Nothing,
    Plain,
    Single,
    Double,
    /// A block scalar, `|` or `>`.
    Block,
    Alias,
    Map {
        flow: bool,
        entries: Vec<Entry>,
    },
    List {
        flow: bool,
        items: Vec<Item>,
    },
    /// A form that hardly occurs in manifests and is not edited, such as a list as a key.
    Odd,
}

#[derive(Debug)]
pub struct Entry {
    pub key: String,
    pub span: Range<usize>,
    /// Whether the key is `<<`.
    pub merge: bool,
    pub value: Node,
}

#[derive(Debug)]
pub struct Item {
    /// Position of the dash, if the item has one.
    pub dash: Option<usize>,
    pub node: Node,
}

/// One document: its root and the uses of its anchors.
#[derive(Debug)]
pub struct Layout {
    pub root: Node,
    /// The positions of the aliases of each anchor, by anchor number.
    pub uses: HashMap<usize, Vec<usize>>,
    /// Whether the whole text is JSON.
    pub json: bool,
}

/// The layouts of all non-empty documents.
pub fn layouts(text: &str) -> Result<Vec<Layout>, YamlError> {
    match json::layouts(text) {
        Some(layouts) => Ok(layouts),
        None => of_yaml(text),
    }
}

fn of_yaml(text: &str) -> Result<Vec<Layout>, YamlError> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let offsets = Offsets::new(text, text.len() - body.len(), 0);
    let mut events = Events { parser: Parser::new_from_str(body), offsets, text, uses: HashMap::new() };
    let mut layouts = Vec::new();
    while let Some((event, span)) = events.next()? {
        if let Event::DocumentStart(_) = event {
            let slot = events.offsets.byte(span.end.index());
            let Some((event, span)) = events.next()? else { break };
            let empty = match &event {
                Event::Scalar(value, style, _, tag) => {
                    let plain = *style == ScalarStyle::Plain && tag.is_none();
                    typed(value, plain, tag.as_deref(), Default::default())? == Scalar::Null
                }
                _ => false,
            };
            let root = events.node(event, span, slot)?;
            let uses = std::mem::take(&mut events.uses);
            if !empty {
                layouts.push(Layout { root, uses, json: false });
            }
        }
    }
    Ok(layouts)
}

struct Events<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    offsets: Offsets<'t>,
    text: &'t str,
    uses: HashMap<usize, Vec<usize>>,
}

impl<'t> Events<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, YamlError> {
        let next = self.parser.next().transpose();
        next.map_err(|error| {
            YamlError::new(error.marker().line(), error.marker().col() + 1, error.info().to_owned())
        })
    }

    fn cursor(&self, at: usize) -> Cursor<'t> {
        Cursor { text: self.text, at }
    }

    /// The nesting is bounded, because the text was parsed before.
    fn node(&mut self, event: Event<'t>, span: Span, slot: usize) -> Result<Node, YamlError> {
        let mut cursor = self.cursor(slot);
        let marks = match &event {
            Event::Scalar(_, _, anchor, tag) => usize::from(*anchor != 0) + usize::from(tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                usize::from(*anchor != 0) + usize::from(tag.is_some())
            }
            _ => 0,
        };
        let marked = marks > 0;
        cursor.skip_marks(marks);
        let slot = if marked { cursor.at } else { slot };
        cursor.skip_gap();
        let start = cursor.at;
        let node = |start, end, anchor, form| Node { slot, start, end, anchor, marked, form };
        let parser_end = self.offsets.byte(span.end.index());
        Ok(match event {
            Event::Scalar(value, ScalarStyle::Plain, anchor, _) if value.is_empty() => {
                node(slot, slot, anchor, Form::Nothing)
            }
            Event::Scalar(_, style, anchor, _) => {
                let (end, form) = match style {
                    ScalarStyle::SingleQuoted => (cursor.quoted_end('\''), Form::Single),
                    ScalarStyle::DoubleQuoted => (cursor.quoted_end('"'), Form::Double),
                    ScalarStyle::Plain => (self.trimmed(start, parser_end), Form::Plain),
                    ScalarStyle::Literal | ScalarStyle::Folded => {
                        (cursor.block_scalar_end(self.trimmed(start, parser_end)), Form::Block)
                    }
                };
                node(start, end, anchor, form)
            }
            Event::Alias(anchor) => {
                self.uses.entry(anchor).or_default().push(start);
                cursor.skip_marks(1);
                node(start, cursor.at, 0, Form::Alias)
            }
            Event::MappingStart(anchor, _) => self.map(node(start, start, anchor, Form::Odd))?,
            Event::SequenceStart(anchor, _) => self.list(node(start, start, anchor, Form::Odd))?,
            _ => node(start, start, 0, Form::Odd),
        })
    }

    fn trimmed(&self, start: usize, end: usize) -> usize {
        start + self.text.get(start..end).unwrap_or_default().trim_end().len()
    }

    /// The position after the closing bracket of a collection, whose `end` is that of its last node so far.
    fn bracket_end(&self, node: &Node, empty: bool) -> usize {
        let mut cursor = self.cursor(if empty { node.start + 1 } else { node.end });
        cursor.skip_separators(true);
        cursor.at + 1
    }

    fn map(&mut self, mut node: Node) -> Result<Node, YamlError> {
        let flow = self.cursor(node.start).peek() == Some('{');
        let mut entries = Vec::new();
        let mut odd = false;
        node.end = node.start;
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                if flow {
                    node.end = self.bracket_end(&node, entries.is_empty());
                }
                break;
            }
            // A pair without braces in a list, and `? key`, do not start at their key.
            let from =
                self.cursor(if entries.is_empty() { node.start + usize::from(flow) } else { node.end });
            let mut cursor = from;
            cursor.skip_separators(flow);
            odd |= cursor.peek() == Some('?')
                && !matches!(
                    event,
                    Event::Scalar(_, ScalarStyle::DoubleQuoted | ScalarStyle::SingleQuoted, ..)
                );
            let (key, merge) = match &event {
                Event::Scalar(value, style, _, tag) => {
                    let plain = *style == ScalarStyle::Plain && tag.is_none();
                    let spot = self.offsets.spot(span);
                    let scalar = typed(value, plain, tag.as_deref(), spot)?;
                    (scalar.into_key().unwrap_or_default(), plain && value == "<<")
                }
                _ => (String::new(), false),
            };
            let written = self.node(event, span, cursor.at)?;
            odd |= matches!(written.form, Form::Odd | Form::Map { .. } | Form::List { .. } | Form::Alias);
            let mut colon = self.cursor(written.end);
            colon.skip_gap();
            let slot = if colon.peek() == Some(':') { colon.at + 1 } else { written.end };
            odd |= slot == written.end && !flow;
            let Some((event, span)) = self.next()? else { break };
            let value = self.node(event, span, slot)?;
            node.end = value.end;
            entries.push(Entry { key, span: cursor.at..written.end, merge, value });
        }
        node.form = if odd { Form::Odd } else { Form::Map { flow, entries } };
        Ok(node)
    }

    fn list(&mut self, mut node: Node) -> Result<Node, YamlError> {
        let flow = self.cursor(node.start).peek() == Some('[');
        let mut items = Vec::new();
        node.end = node.start;
        let mut odd = false;
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                if flow {
                    node.end = self.bracket_end(&node, items.is_empty());
                }
                break;
            }
            let mut cursor =
                self.cursor(if items.is_empty() { node.start + usize::from(flow) } else { node.end });
            cursor.skip_separators(flow);
            let dash = (!flow).then_some(cursor.at);
            odd |= !flow && cursor.peek() != Some('-');
            let slot = cursor.at + usize::from(!flow);
            let item = self.node(event, span, slot)?;
            // `[a: b]` is a list that contains a mapping without braces.
            odd |= flow && matches!(item.form, Form::Map { flow: false, .. });
            node.end = item.end;
            items.push(Item { dash, node: item });
        }
        node.form = if odd { Form::Odd } else { Form::List { flow, items } };
        Ok(node)
    }
}
