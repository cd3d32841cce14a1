//! A position in an object: typed access that tracks its path and collects the fields it cannot read.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde_json::Value;

use super::quantity;
use crate::path::{Path, Segment};

/// A field whose type is not the one the API defines.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// The field's path.
    pub path: Path,
}

/// The type of a value, for messages: they do not repeat values, which may be credentials.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// The longest list or map that is read, and the most items of all of them. No real object comes near: each
/// item becomes a part of the view, which takes many times the memory of its text.
const LONGEST: usize = 5000;
const MOST_ITEMS: usize = 10_000;
/// One problem makes an object unreadable; nobody reads thousands.
const MOST_PROBLEMS: usize = 10;

/// The reading of one object: the problems found, and how much was read.
#[derive(Default)]
pub struct ObjectReading {
    problems: RefCell<Vec<Problem>>,
    items: Cell<usize>,
}

impl ObjectReading {
    /// The problems, in the order in which they were found.
    pub fn problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// One value of the object. Like the API server, treats null as missing.
#[derive(Clone)]
pub struct JsonNode<'v> {
    value: Option<&'v Value>,
    pub path: Path,
    reading: &'v ObjectReading,
}

impl<'v> JsonNode<'v> {
    pub fn root(value: &'v Value, reading: &'v ObjectReading) -> Self {
        Self { value: Some(value), path: Path::new(), reading }
    }

    pub fn exists(&self) -> bool {
        self.value.is_some()
    }

    pub fn raw(&self) -> Option<&'v Value> {
        self.value
    }

    pub fn problem(&self, message: String) {
        let mut problems = self.reading.problems.borrow_mut();
        if problems.len() < MOST_PROBLEMS {
            problems.push(Problem { message, path: self.path.clone() });
        }
    }

    fn mismatch<T>(&self, wanted: &str) -> Option<T> {
        let found = type_name(self.value?);
        self.problem(format!("{} must be {wanted}, not {found}", crate::path::dotted(&self.path)));
        None
    }

    pub fn child(&self, key: impl Into<Cow<'static, str>>) -> JsonNode<'v> {
        let key = key.into();
        let value = match self.value {
            None => None,
            Some(Value::Object(map)) => map.get(key.as_ref()).filter(|value| !value.is_null()),
            Some(_) => {
                self.mismatch::<()>("a map");
                None
            }
        };
        let mut path = Path::with_capacity(self.path.len() + 1);
        path.extend_from_slice(&self.path);
        path.push(Segment::Key(key));
        JsonNode { value, path, reading: self.reading }
    }

    /// Follows keys downwards; without keys, returns the node itself.
    pub fn at(&self, keys: &[String]) -> JsonNode<'v> {
        keys.iter().fold(self.clone(), |node, key| node.child(key.clone()))
    }

    /// The elements of a list.
    pub fn items(&self) -> Vec<JsonNode<'v>> {
        self.items_up_to(LONGEST)
    }

    /// The elements of a list that has no more than `most`.
    pub fn items_up_to(&self, most: usize) -> Vec<JsonNode<'v>> {
        let items = match self.value {
            None => return Vec::new(),
            Some(Value::Array(items)) if !self.may_read(items.len(), most) => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => return self.mismatch("a list").unwrap_or_default(),
        };
        let element = |(index, value)| {
            let mut path = self.path.clone();
            path.push(Segment::Index(index));
            JsonNode { value: Some(value), path, reading: self.reading }
        };
        items.iter().enumerate().map(element).collect()
    }

    /// Counts the items of a list or map; false, with a problem, if there are too many of them.
    fn may_read(&self, items: usize, most: usize) -> bool {
        let all = self.reading.items.get().saturating_add(items);
        let place = || crate::path::dotted(&self.path);
        if items > most {
            self.problem(format!("{} has {items} items; at most {most} are read", place()));
        } else if all > MOST_ITEMS {
            self.problem(format!("with {}, its lists have more than {MOST_ITEMS} items", place()));
        }
        let may = items <= most && all <= MOST_ITEMS;
        if may {
            self.reading.items.set(all);
        }
        may
    }

    pub fn string(&self) -> Option<String> {
        match self.value? {
            Value::String(text) => Some(text.clone()),
            _ => self.mismatch("text"),
        }
    }

    pub fn integer(&self) -> Option<i64> {
        self.value?.as_i64().or_else(|| self.mismatch("a whole number"))
    }

    pub fn boolean(&self) -> Option<bool> {
        self.value?.as_bool().or_else(|| self.mismatch("true or false"))
    }

    pub fn strings(&self) -> Vec<String> {
        self.items().iter().filter_map(JsonNode::string).collect()
    }

    /// The words of a command. The API server stores null as an empty one.
    pub fn words(&self) -> Vec<String> {
        let word = |item: &JsonNode<'_>| match item.value {
            Some(Value::Null) => Some(String::new()),
            _ => item.string(),
        };
        self.items().iter().filter_map(word).collect()
    }

    /// A map of strings, such as labels.
    pub fn string_map(&self) -> BTreeMap<String, String> {
        match self.value {
            None => BTreeMap::new(),
            Some(Value::Object(map)) if !self.may_read(map.len(), LONGEST) => BTreeMap::new(),
            Some(Value::Object(map)) => {
                map.keys().filter_map(|key| Some((key.clone(), self.child(key.clone()).string()?))).collect()
            }
            Some(_) => self.mismatch("a map").unwrap_or_default(),
        }
    }

    /// A quantity in whole units, such as bytes.
    pub fn bytes(&self) -> Option<i64> {
        self.quantity(quantity::json_bytes)
    }

    /// A quantity in thousandths, such as millicores.
    pub fn millis(&self) -> Option<i64> {
        self.quantity(quantity::json_millis)
    }

    fn quantity(&self, parse: fn(&Value) -> Result<i64, quantity::QuantityError>) -> Option<i64> {
        parse(self.value?)
            .map_err(|error| self.problem(format!("{}: {error}", crate::path::dotted(&self.path))))
            .ok()
    }

    /// The text of a scalar as written, for values that may be a number or a string (quantities, ports).
    pub fn scalar_text(&self) -> String {
        match self.value {
            Some(Value::String(text)) => text.clone(),
            Some(value @ Value::Number(_)) => value.to_string(),
            _ => String::new(),
        }
    }
}
