//! The environment of a container, and references to its variables.

use std::collections::HashMap;

use super::view::Container;

/// The most bytes that the references of one container expand to. What is beyond it stays as written.
const BUDGET: usize = 1 << 20;

/// The most references inside one another, as in `${A:-${B:-/x}}`.
const MOST_NESTED: usize = 5;

/// The variables of a container, expanded as Kubernetes and then a shell do it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: HashMap<String, Variable>,
    arrays: HashMap<String, Operands>,
    left: usize,
    /// Whether a value was used since [`Environment::take_unsure`] that may be another one at run time.
    used_unsure: bool,
}

/// A variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    /// None for a value from outside the manifest.
    pub value: Option<String>,
    /// Whether a condition decides if it has this value.
    pub unsure: bool,
}

impl Environment {
    /// The variables that a container starts with: an entry may refer to earlier ones, and of two entries of
    /// one name the last counts.
    pub fn of(container: &Container) -> Self {
        let mut all = Self { left: BUDGET, ..Self::default() };
        for env in &container.env {
            // Only what the container itself says is expanded.
            let expand = |value: &str| if env.from.is_empty() { all.expand(value) } else { value.to_owned() };
            let value = env.value.as_deref().map(expand);
            all.variables.insert(env.name.clone(), Variable { value, unsure: false });
        }
        all
    }

    /// The value of a variable; `Some(None)` if it is set to an unknown value.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.variables.get(name).map(|variable| variable.value.as_deref())
    }

    /// Whether a condition decides if a variable has its value.
    pub fn is_unsure(&self, name: &str) -> bool {
        self.variables.get(name).is_some_and(|variable| variable.unsure)
    }

    /// Sets or unsets a variable, as a script or `env` does. Returns what it was.
    pub fn put(&mut self, name: &str, variable: Option<Variable>) -> Option<Variable> {
        match variable {
            Some(variable) => self.variables.insert(name.to_owned(), variable),
            None => self.variables.remove(name),
        }
    }

    /// Notes that a variable may have another value than the one it has.
    pub fn doubt(&mut self, name: &str) {
        if let Some(variable) = self.variables.get_mut(name) {
            variable.unsure = true;
        }
    }

    /// Sets an array.
    pub fn set_array(&mut self, name: &str, words: Vec<String>) {
        let (name, append) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        let array = self.arrays.entry(name.to_owned()).or_default();
        if !append {
            *array = Operands::default();
        }
        array.size += size(&words);
        array.words.extend(words);
    }

    /// The words of the array that a word refers to as a whole, such as `${NAME[@]}`.
    fn array(&mut self, word: &str) -> Option<Vec<String>> {
        let name = word.strip_prefix("${")?;
        let name = name.strip_suffix("[@]}").or_else(|| name.strip_suffix("[*]}"))?;
        let array = self.arrays.get(name)?;
        self.left = self.left.checked_sub(array.size)?;
        Some(array.words.clone())
    }

    /// Whether a value was used since the last call that may be another one at run time.
    pub fn take_unsure(&mut self) -> bool {
        std::mem::take(&mut self.used_unsure)
    }

    /// Expands `$(NAME)` as Kubernetes does in `command`, `args` and `value`. References to unknown variables,
    /// and escaped ones (`$$(NAME)`), stay as written.
    pub fn expand(&mut self, text: &str) -> String {
        let mut parts = text.split("$(");
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let name = part.split_once(')').filter(|_| !expanded.ends_with('$'));
            let known = name.and_then(|(name, rest)| Some((self.get(name)??, rest)));
            match known.filter(|(value, _)| value.len() <= self.left) {
                Some((value, rest)) => {
                    let length = value.len();
                    expanded.push_str(value);
                    expanded.push_str(rest);
                    self.left -= length;
                }
                None => {
                    expanded.push_str("$(");
                    expanded.push_str(part);
                }
            }
        }
        expanded
    }

    /// Expands `$NAME`, `${NAME}`, `${NAME:-word}` and its kin and, if there are operands, `$0` to `$9` as a
    /// shell does. All other references stay as written.
    fn expand_in_shell(&mut self, text: &str, operands: &Operands, nested: usize) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            let Some((reference, tail)) = Reference::read(after) else {
                expanded.push('$');
                rest = after;
                // Nothing closes the brace, and none of those after it.
                if after.starts_with('{') {
                    break;
                }
                continue;
            };
            let value = self.value(&reference, operands, nested).filter(|value| value.len() <= self.left);
            match value {
                Some(value) => {
                    self.left -= value.len();
                    expanded.push_str(&value);
                }
                None => {
                    expanded.push('$');
                    expanded.push_str(after.get(..after.len() - tail.len()).unwrap_or_default());
                }
            }
            rest = tail;
        }
        expanded.push_str(rest);
        expanded
    }

    fn value(&mut self, reference: &Reference<'_>, operands: &Operands, nested: usize) -> Option<String> {
        let Reference { name, operator, word } = *reference;
        if operator == OTHER {
            return None;
        }
        let place = name.parse::<usize>().ok();
        let known = match place {
            Some(place) => operands.get(place).map(Some),
            None => self.get(name),
        };
        // Not even copied, if it is too long to be used.
        if known.flatten().is_some_and(|value| value.len() > self.left) {
            return None;
        }
        let known = known.map(|value| value.map(str::to_owned));
        self.used_unsure |= if place.is_some() { operands.unsure } else { self.is_unsure(name) };
        // Of a variable from elsewhere, not even that is known whether it is empty.
        let known = match known {
            Some(value) => Some(value?),
            None => None,
        };
        let is_set = known.as_ref().is_some_and(|value| !value.is_empty() || !operator.starts_with(':'));
        let kind = operator.trim_start_matches(':');
        // The image may set what the manifest does not; operands are known.
        self.used_unsure |= known.is_none() && place.is_none() && matches!(kind, "-" | "=");
        let mut fallback = || {
            let word: String = word.chars().filter(|c| !matches!(c, '"' | '\'')).collect();
            (nested < MOST_NESTED).then(|| self.expand_in_shell(&word, operands, nested + 1))
        };
        match kind {
            "" | "?" => known,
            "-" | "=" if is_set => known,
            "-" => fallback(),
            "=" => {
                let value = fallback()?;
                self.put(name, Some(Variable { value: Some(value.clone()), unsure: self.used_unsure }));
                Some(value)
            }
            "+" if is_set => fallback(),
            "+" => known.map(|_| String::new()),
            _ => None,
        }
    }
}

/// The words after a script, `$0` first.
#[derive(Clone, Debug, Default)]
pub struct Operands {
    name: String,
    /// All words after `$0`.
    words: Vec<String>,
    /// How many of them are shifted away: a script may do so as often as it has room for.
    shifted: usize,
    /// The bytes of those that are left.
    size: usize,
    /// Whether a condition decides if they are these.
    unsure: bool,
}

impl Operands {
    /// The operands of a script or of a function; `unsure` if they may be others at run time.
    pub fn of(words: &[String], unsure: bool) -> Self {
        let (name, words) =
            words.split_first().map_or((String::new(), &[][..]), |(name, words)| (name.clone(), words));
        Self { name, words: words.to_vec(), shifted: 0, size: size(words), unsure }
    }

    /// Replaces them, as `set` does.
    pub fn replace(&mut self, words: &[String], unsure: bool) {
        let name = std::mem::take(&mut self.name);
        *self = Self { name, words: words.to_vec(), shifted: 0, size: size(words), unsure };
    }

    /// Drops the first ones, as `shift` does.
    pub fn shift(&mut self, number: usize, unsure: bool) {
        let dropped = number.min(self.left().len());
        self.size -= size(self.left().get(..dropped).unwrap_or_default());
        self.shifted += dropped;
        self.unsure |= unsure;
    }

    /// `$1` and those after it.
    fn left(&self) -> &[String] {
        self.words.get(self.shifted..).unwrap_or_default()
    }

    /// `$0`, `$1`, …
    fn get(&self, place: usize) -> Option<&str> {
        match place.checked_sub(1) {
            None => Some(self.name.as_str()).filter(|name| !name.is_empty()),
            Some(place) => self.left().get(place).map(String::as_str),
        }
    }
}

/// The operator of a reference that is not understood, such as `${NAME%/*}`.
const OTHER: &str = "other";

fn size(words: &[String]) -> usize {
    words.iter().map(|word| word.len() + 1).sum()
}

/// A reference to a variable.
#[derive(Clone, Copy)]
struct Reference<'a> {
    name: &'a str,
    /// `:-` and its kin; empty for a plain reference.
    operator: &'a str,
    word: &'a str,
}

impl<'a> Reference<'a> {
    /// The reference at the start of what follows a `$`, and the rest.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        if let Some(braced) = text.strip_prefix('{') {
            let (inside, rest) = closed(braced, b'{', b'}')?;
            let length = inside.bytes().take_while(|byte| is_of_name(*byte)).count();
            let (name, after) = inside.split_at_checked(length)?;
            let operators = [":-", ":=", ":+", ":?", "-", "=", "+", "?"];
            let operator =
                operators.into_iter().find(|operator| after.starts_with(operator)).unwrap_or_default();
            let word = after.get(operator.len()..).unwrap_or_default();
            // What is not understood is no reference to the variable of that name.
            let plain = !name.is_empty() && (!operator.is_empty() || after.is_empty());
            let operator = if plain { operator } else { OTHER };
            return Some((Self { name, operator, word }, rest));
        }
        let digits = usize::from(text.starts_with(|c: char| c.is_ascii_digit()));
        let letters = text.bytes().take_while(|byte| is_of_name(*byte)).count();
        let (name, rest) = text.split_at_checked(if digits > 0 { digits } else { letters })?;
        (!name.is_empty()).then_some((Self { name, operator: "", word: "" }, rest))
    }
}

/// What is inside brackets whose first one is already read, and the rest.
pub fn closed(text: &str, open: u8, close: u8) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    let end = text.bytes().position(|byte| {
        if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
        }
        depth == 0
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Splits `NAME=value`.
pub fn assignment(word: &str) -> Option<(&str, &str)> {
    word.split_once('=').filter(|(name, _)| is_name(name) && !name.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_of_name)
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a word is nothing but a variable.
fn is_reference(word: &str) -> bool {
    let name = word.strip_prefix('$').unwrap_or_default();
    is_name(name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name))
}

/// The words with all references expanded; `$@` and `$*` become the operands after `$0`, and `${NAME[@]}` the
/// words of an array.
pub fn expand_words(environment: &mut Environment, words: &[String], operands: &Operands) -> Vec<String> {
    let mut expanded = Vec::new();
    for word in words {
        match word.as_str() {
            "$@" | "$*" | "${@}" | "${*}" if (1..=environment.left).contains(&operands.size) => {
                environment.left -= operands.size;
                environment.used_unsure |= operands.unsure;
                expanded.extend_from_slice(operands.left());
            }
            word if word.contains('$') => match environment.array(word) {
                Some(words) => expanded.extend(words),
                None => {
                    let value = environment.expand_in_shell(word, operands, 0);
                    // Options in one variable are hardly ever quoted: the shell splits them.
                    match is_reference(word) && value.trim().contains(char::is_whitespace) {
                        true => expanded.extend(value.split_whitespace().map(str::to_owned)),
                        false => expanded.push(value),
                    }
                }
            },
            word => expanded.push(word.to_owned()),
        }
    }
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::view::Env;

    fn environment(all: &[(&str, Option<&str>)]) -> Environment {
        let env = |(name, value): &(&str, Option<&str>)| Env {
            name: (*name).to_owned(),
            value: value.map(str::to_owned),
            ..Env::default()
        };
        Environment::of(&Container { env: all.iter().map(env).collect(), ..Container::default() })
    }

    #[test]
    fn kubernetes_expands_what_it_knows() {
        let mut all = environment(&[
            ("LATER", Some("$(B)")),
            ("B", Some("/tmp")),
            ("S", None),
            ("P", Some("$(B)/pg")),
            ("E", Some("$$(B)/pg")),
            ("U", Some("$(S)/$(NOT)/pg")),
            ("B", Some("/last")),
        ]);
        for (name, value) in
            [("LATER", "$(B)"), ("B", "/last"), ("P", "/tmp/pg"), ("E", "$$(B)/pg"), ("U", "$(S)/$(NOT)/pg")]
        {
            assert_eq!(all.get(name), Some(Some(value)), "{name}");
        }
        assert_eq!((all.get("S"), all.get("NOT")), (Some(None), None));
        for (text, expanded) in [
            ("$(P)", "/tmp/pg"),
            ("-D$(P)/$(B)", "-D/tmp/pg//last"),
            ("$(P", "$(P"),
            ("$P", "$P"),
            ("$(", "$("),
        ] {
            assert_eq!(all.expand(text), expanded, "{text}");
        }
    }

    #[test]
    fn a_shell_expands_what_it_knows() {
        let mut all = environment(&[("B", Some("/tmp")), ("S", None), ("E", Some(""))]);
        let operands = Operands::of(&["sh", "one", "two"].map(str::to_owned), false);
        for (text, expanded) in [
            ("$B/pg", "/tmp/pg"),
            ("${B}/pg", "/tmp/pg"),
            ("$1x", "onex"),
            ("$S/$NOT", "$S/$NOT"),
            ("${B:-/x}", "/tmp"),
            ("${E:-/x}", "/x"),
            ("${E-/x}", ""),
            ("${S:-/x}", "${S:-/x}"),
            ("${NOT:-\"$B/pg\"}", "/tmp/pg"),
            ("${NOT:-${NEITHER-/x}}/y", "/x/y"),
            ("${NEW:=/n}$NEW", "/n/n"),
            ("${B:+/x}${E:+/y}", "/x"),
            ("${B:?unset}", "/tmp"),
            ("${3:-/x}", "/x"),
            ("${B%/*}${#B}${!B}", "${B%/*}${#B}${!B}"),
            ("${B", "${B"),
            ("$(date)", "$(date)"),
            ("a$", "a$"),
            ("$é", "$é"),
        ] {
            assert_eq!(all.expand_in_shell(text, &operands, 0), expanded, "{text}");
        }
        let words = ["exec", "$@", "$B"].map(str::to_owned);
        assert_eq!(expand_words(&mut all, &words, &operands), ["exec", "one", "two", "/tmp"]);
        assert_eq!(expand_words(&mut all, &words, &Operands::default()), ["exec", "$@", "/tmp"]);
    }

    #[test]
    fn a_value_that_another_may_replace_is_unsure() {
        let mut all = environment(&[("B", Some("/tmp"))]);
        all.put("C", Some(Variable { value: Some("/c".to_owned()), unsure: true }));
        for (text, unsure) in [
            ("$B", false),
            ("${B:-/x}", false),
            ("$C", true),
            ("${NOT:-/x}", true),
            ("${1:-/x}", false),
            ("${B%x}", false),
        ] {
            all.expand_in_shell(text, &Operands::default(), 0);
            assert_eq!(all.take_unsure(), unsure, "{text}");
        }
    }

    #[test]
    fn references_inside_references_end_somewhere() {
        let all = &mut environment(&[]);
        for (open, close) in [("${A:-", "}"), ("${A:-", ""), ("${", "}"), ("${A%", "}"), ("${", "")] {
            let text = format!("{}{}", open.repeat(30_000), close.repeat(30_000));
            all.expand_in_shell(&text, &Operands::default(), 0);
        }
    }

    #[test]
    fn references_that_grow_without_a_bound_stop() {
        let names: Vec<String> = (0..64).map(|n| format!("V{n}")).collect();
        let values: Vec<String> =
            (0..64).map(|n: usize| format!("$(V{0})$(V{0})x", n.saturating_sub(1))).collect();
        let all: Vec<(&str, Option<&str>)> =
            names.iter().zip(&values).map(|(name, value)| (name.as_str(), Some(value.as_str()))).collect();
        let last = environment(&all).get("V63").flatten().map(str::len);
        assert!(last.is_some_and(|length| length < 2 * BUDGET), "{last:?}");
    }
}
