//! Calls of builtins. The frequent ones are answered here without copying their operands; they charge what the builtin
//! would, and whatever is not plainly theirs goes to the builtin.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use globset::{GlobBuilder, GlobMatcher};
use memchr::memmem;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize, Serializer};

use super::place::Place;
use super::program::Term;
use crate::engine::ast::Value;
use crate::engine::builtins::{Builtin, BuiltinError};
use crate::engine::limits::{self, BYTES, VALUE};

/// The largest automaton that regorus makes of a regular expression, in bytes.
const AUTOMATON: usize = 100 << 10;
/// Globs that are kept; what comes after them is compiled at each use.
const KEPT: usize = 1024;
/// Regular expressions that are kept. Each may take an automaton, and what it remembers of it in each thread.
const KEPT_REGEXES: usize = 256;
/// The most that a thread remembers of an automaton, in bytes; with less, it is only slower.
const REMEMBERED: usize = 64 << 10;
/// What a pattern costs beside its operands, as for the builtin.
const PATTERN: usize = 1024;
/// Bytes of a glob that is never too much for an automaton.
const PLAIN: usize = 1024;
/// What regorus puts in place of a slash that separates nothing.
const NO_SEPARATOR: &str = "\0";

/// In a build for the library's own tests, compiled rules deny of any text that it starts with this one.
#[cfg(test)]
pub const WRONG: &str = "answered wrongly";

/// A call of a builtin.
#[derive(Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Call {
    pub operands: Vec<Term>,
    pub place: Place,
    #[serde(serialize_with = "by_name")]
    builtin: Builtin,
    #[serde(skip)]
    shortcut: Shortcut,
}

/// What is written of a call.
#[derive(Deserialize)]
struct Written {
    operands: Vec<Term>,
    place: Place,
    builtin: String,
}

impl TryFrom<Written> for Call {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let builtin = Builtin::named(&written.builtin);
        let builtin = builtin.ok_or_else(|| format!("there is no builtin {}", written.builtin))?;
        Ok(Self::new(builtin, written.operands, written.place))
    }
}

fn by_name<S: Serializer>(builtin: &Builtin, serializer: S) -> Result<S::Ok, S::Error> {
    builtin.name().serialize(serializer)
}

/// A builtin that can be answered here.
enum Shortcut {
    None,
    Count,
    StartsWith,
    EndsWith,
    Contains,
    /// `object.get`
    Get,
    /// `regex.match` with a pattern that is known, made when it is first asked; none if it is not valid.
    Regex(OnceLock<Option<Box<Regex>>>),
    /// `regex.match` with any pattern.
    AnyRegex,
    Glob,
}

/// Globs and regular expressions by their text. Policies have them from parameters and tables, so they are known only
/// when they are used.
#[derive(Default)]
pub struct Patterns {
    globs: RwLock<HashMap<Arc<str>, GlobMatcher>>,
    regexes: RwLock<HashMap<Arc<str>, Regex>>,
}

/// What a shortcut found.
pub enum Found<'v> {
    Borrowed(&'v Value),
    Owned(Value),
}

impl Call {
    pub fn new(builtin: Builtin, operands: Vec<Term>, place: Place) -> Self {
        let shortcut = match (builtin.name(), operands.first()) {
            ("count", _) => Shortcut::Count,
            ("startswith", _) => Shortcut::StartsWith,
            ("endswith", _) => Shortcut::EndsWith,
            ("contains", _) => Shortcut::Contains,
            ("object.get", _) => Shortcut::Get,
            ("glob.match", _) => Shortcut::Glob,
            ("regex.match", Some(Term::Constant(Value::String(_)))) => Shortcut::Regex(OnceLock::new()),
            ("regex.match", _) => Shortcut::AnyRegex,
            _ => Shortcut::None,
        };
        Self { operands, place, builtin, shortcut }
    }

    /// The answer without the builtin; None if that must be asked. No operand is undefined.
    ///
    /// # Errors
    /// If the rule has spent its bytes.
    pub fn shortcut<'v>(
        &self,
        operands: &[&'v Value],
        patterns: &Patterns,
    ) -> Result<Option<Found<'v>>, BuiltinError> {
        let holds = |holds: bool| Some(Found::Owned(Value::Bool(holds)));
        Ok(match (&self.shortcut, operands) {
            (Shortcut::Count, [Value::Array(items)]) => Some(Found::Owned(Value::from(items.len()))),
            (Shortcut::Count, [Value::Set(items)]) => Some(Found::Owned(Value::from(items.len()))),
            (Shortcut::Count, [Value::Object(fields)]) => Some(Found::Owned(Value::from(fields.len()))),
            (Shortcut::StartsWith, [Value::String(text), Value::String(part)]) => {
                charge(&[text, part], 0)?;
                #[cfg(test)]
                if &**part == WRONG {
                    return Ok(holds(false));
                }
                holds(text.starts_with(&**part))
            }
            (Shortcut::EndsWith, [Value::String(text), Value::String(part)]) => {
                charge(&[text, part], 0)?;
                holds(text.ends_with(&**part))
            }
            (Shortcut::Contains, [Value::String(text), Value::String(part)]) => {
                charge(&[text, part], 0)?;
                holds(text.contains(&**part))
            }
            (Shortcut::Get, [Value::Object(fields), key @ Value::String(name), default]) => {
                charge(&[name], limits::size(default, BYTES + 1))?;
                Some(Found::Borrowed(fields.get(key).unwrap_or(default)))
            }
            (Shortcut::Regex(made), [Value::String(pattern), Value::String(text)]) => {
                let Some(regex) = made.get_or_init(|| regex(pattern).map(Box::new)) else { return Ok(None) };
                charge(&[pattern, text], PATTERN)?;
                holds(regex.is_match(text))
            }
            (Shortcut::AnyRegex, [Value::String(pattern), Value::String(text)]) => {
                let Some(matches) = patterns.matches_regex(pattern, text) else { return Ok(None) };
                charge(&[pattern, text], PATTERN)?;
                holds(matches)
            }
            (Shortcut::Glob, [Value::String(pattern), Value::Null, Value::String(text)]) => {
                let Some(matches) = patterns.matches(pattern, text) else { return Ok(None) };
                charge(&[pattern, text], PATTERN + VALUE)?;
                holds(matches)
            }
            _ => None,
        })
    }

    /// Asks the builtin.
    ///
    /// # Errors
    /// If the rule has spent its bytes, or the builtin fails.
    pub fn ask(&self, operands: &[Value]) -> Result<Value, BuiltinError> {
        self.builtin.call(operands)
    }
}

/// Charges for texts and so many bytes more.
fn charge(texts: &[&Arc<str>], more: usize) -> Result<(), BuiltinError> {
    let lengths = texts.iter().map(|text| text.len().saturating_add(VALUE));
    Ok(limits::charge(lengths.fold(more, usize::saturating_add))?)
}

/// A regular expression as regorus makes it; None if it is not valid or too large.
fn regex(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).size_limit(AUTOMATON).dfa_size_limit(REMEMBERED).build().ok()
}

impl Patterns {
    /// Whether a regular expression matches a text; None if it is none. The builtin would copy the expression for each
    /// call, and a copy has to make its automaton anew.
    fn matches_regex(&self, pattern: &Arc<str>, text: &str) -> Option<bool> {
        {
            let regexes = self.regexes.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(regex) = regexes.get(pattern) {
                return Some(regex.is_match(text));
            }
        }
        let regex = regex(pattern)?;
        let matches = regex.is_match(text);
        let mut regexes = self.regexes.write().unwrap_or_else(PoisonError::into_inner);
        if regexes.len() < KEPT_REGEXES {
            regexes.insert(pattern.clone(), regex);
        }
        Some(matches)
    }

    /// Whether a glob without separators matches a text; None if it is no glob.
    fn matches(&self, pattern: &Arc<str>, text: &str) -> Option<bool> {
        // What stands for a slash is equal to one; and so long a glob is too much for an automaton.
        if ![&**pattern, text].iter().any(|side| side.contains(NO_SEPARATOR))
            && pattern.len() <= PLAIN
            && let Some(matches) = matches_stars(pattern, text)
        {
            return Some(matches);
        }
        let replaced;
        let text = if text.contains('/') {
            replaced = text.replace('/', NO_SEPARATOR);
            &replaced
        } else {
            text
        };
        {
            // A matcher is whole or not there.
            let globs = self.globs.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(glob) = globs.get(pattern) {
                return Some(glob.is_match(text));
            }
        }
        let plain = pattern.replace('/', NO_SEPARATOR);
        let glob = GlobBuilder::new(&plain).literal_separator(true).build().ok()?.compile_matcher();
        let matches = glob.is_match(text);
        let mut globs = self.globs.write().unwrap_or_else(PoisonError::into_inner);
        if globs.len() < KEPT {
            globs.insert(pattern.clone(), glob);
        }
        Some(matches)
    }
}

/// Whether a glob whose stars are its only special characters matches a text, without an automaton: nearly all of the
/// globs in tables of images and in parameters are of this kind. None if the glob has others.
fn matches_stars(pattern: &str, text: &str) -> Option<bool> {
    if pattern.contains(['?', '[', ']', '{', '}', '\\']) || pattern.contains("**") {
        return None;
    }
    let Some((first, rest)) = pattern.split_once('*') else { return Some(pattern == text) };
    let Some(mut text) = text.strip_prefix(first) else { return Some(false) };
    let (between, last) = rest.rsplit_once('*').map_or((None, rest), |(between, last)| (Some(between), last));
    for part in between.into_iter().flat_map(|between| between.split('*')) {
        let Some(at) = memmem::find(text.as_bytes(), part.as_bytes()) else { return Some(false) };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    Some(text.ends_with(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shortcuts_answer_and_charge_as_their_builtins() {
        let written = r#"["", "a", "ab", "a/b", "[ab]", "a?", "?", "{a,b}", "\\a", "*", "a*", "*b", "a*b*", "**", "a\u0000b", "é",
            "[", "(", ".", null, 1, [], ["a"], {}, {"a": "b"}, {"": [1], "é": null}]"#;
        let mut values: Vec<Value> =
            Value::from_json_str(written).unwrap().as_array().unwrap().iter().cloned().collect();
        values.push(Value::from(std::collections::BTreeSet::from([Value::from("a"), Value::from(1)])));
        let place = Place { module: 0, line: 0, column: 0 };
        let patterns = Patterns::default();
        let names =
            ["count", "startswith", "endswith", "contains", "object.get", "glob.match", "regex.match"];
        for name in names {
            let builtin = Builtin::named(name).unwrap();
            let arguments = u32::try_from(builtin.arguments()).unwrap();
            let mut answers = 0;
            for at in 0..values.len().pow(arguments) {
                let operand = |place: u32| values[at / values.len().pow(place) % values.len()].clone();
                let operands: Vec<Value> = (0..arguments).map(operand).collect();
                // A pattern may be known when the rule is compiled: here every fourth one is.
                let known = at % 4 == 0;
                let terms = operands.iter().filter(|_| known).cloned().map(Term::Constant).collect();
                let call = Call::new(builtin.clone(), terms, place);
                limits::begin();
                let Some(found) = call.shortcut(&operands.iter().collect::<Vec<_>>(), &patterns).unwrap()
                else {
                    continue;
                };
                let (answer, spent) = (
                    match found {
                        Found::Borrowed(value) => value.clone(),
                        Found::Owned(value) => value,
                    },
                    limits::spent(),
                );
                limits::begin();
                assert_eq!(
                    Ok(answer),
                    call.ask(&operands).map_err(|error| error.to_string()),
                    "{name} {operands:?}"
                );
                assert_eq!(spent, limits::spent(), "{name} {operands:?}");
                answers += 1;
            }
            let texts = values.iter().filter(|value| matches!(value, Value::String(_))).count();
            let is_collection =
                |value: &&Value| matches!(value, Value::Array(_) | Value::Set(_) | Value::Object(_));
            let objects = values.iter().filter(|value| matches!(value, Value::Object(_))).count();
            match name {
                "count" => assert_eq!(answers, values.iter().filter(is_collection).count()),
                "object.get" => assert_eq!(answers, objects * texts * values.len()),
                // Some patterns are none.
                "glob.match" | "regex.match" => assert!(answers > texts * texts / 2, "{name}: {answers}"),
                _ => assert_eq!(answers, texts * texts, "{name}"),
            }
        }
    }

    #[test]
    fn patterns_that_are_too_large_go_to_the_builtin() {
        let place = Place { module: 0, line: 0, column: 0 };
        for (pattern, small) in [("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", true), ("((a{40}){40}){40}", false)] {
            let operands = [pattern, "abc-def"].map(Value::from);
            let terms = operands.iter().cloned().map(Term::Constant).collect();
            let call = Call::new(Builtin::named("regex.match").unwrap(), terms, place);
            limits::begin();
            let found = call.shortcut(&operands.iter().collect::<Vec<_>>(), &Patterns::default()).unwrap();
            assert_eq!((found.is_some(), call.ask(&operands).is_ok()), (small, small), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn stars_are_those_of_globset(pattern in "[ab/.*,?\\[\\]{}\\\\]{0,8}", text in "[ab/.*\n]{0,10}") {
            let glob = GlobBuilder::new(&pattern.replace('/', NO_SEPARATOR)).literal_separator(true).build();
            let Some(matches) = matches_stars(&pattern, &text) else {
                let special = pattern.contains(['?', '[', ']', '{', '}', '\\']);
                prop_assert!(special || pattern.contains("**"));
                return Ok(());
            };
            let glob = glob.unwrap().compile_matcher();
            prop_assert_eq!(matches, glob.is_match(text.replace('/', NO_SEPARATOR)), "{:?} {:?}", pattern, text);
        }
    }
}
