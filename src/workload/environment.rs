//! The environment of a container, and references to its variables.

use std::collections::HashMap;

use super::view::Container;

/// The most bytes that the references of one container expand to. What is beyond it stays as written.
const BUDGET: usize = 1 << 20;

/// The variables of a container, expanded as Kubernetes and then a shell do it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// None for a value from outside the manifest.
    variables: HashMap<String, Option<String>>,
    left: usize,
}

impl Environment {
    /// The variables that a container starts with: an entry may refer to earlier ones, and of two entries of
    /// one name the last counts.
    pub fn of(container: &Container) -> Self {
        let mut all = Self { variables: HashMap::new(), left: BUDGET };
        for env in &container.env {
            let value = env.value.as_deref().map(|value| all.expand(value));
            all.variables.insert(env.name.clone(), value);
        }
        all
    }

    /// The value of a variable; `Some(None)` if it is set to an unknown value.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.variables.get(name).map(Option::as_deref)
    }

    /// Sets a variable, as a script or `env` does.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), Some(value.to_owned()));
    }

    /// Expands `$(NAME)` as Kubernetes does in `command`, `args` and `value`. References to unknown variables,
    /// and escaped ones (`$$(NAME)`), stay as written.
    pub fn expand(&mut self, text: &str) -> String {
        let mut parts = text.split("$(");
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let name = part.split_once(')').filter(|_| !expanded.ends_with('$'));
            let known = name.and_then(|(name, rest)| Some((self.get(name)??, rest)));
            self.left -= splice(&mut expanded, known, self.left, ["$(", part]);
        }
        expanded
    }

    /// Expands `$NAME`, `${NAME}` and, if there are operands, `$0` to `$9` as a shell does. All other
    /// references stay as written.
    fn expand_in_shell(&mut self, text: &str, operands: &Operands<'_>) -> String {
        let mut parts = text.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let known = reference(part).and_then(|(name, rest)| {
                let operand = || operands.words.get(name.parse::<usize>().ok()?).map(String::as_str);
                Some((self.get(name).flatten().or_else(operand)?, rest))
            });
            self.left -= splice(&mut expanded, known, self.left, ["$", part]);
        }
        expanded
    }
}

/// Adds the value of a reference and what follows it, or the text as written if the value is not known or longer
/// than `left`. Returns the length of the value that was added.
fn splice(expanded: &mut String, known: Option<(&str, &str)>, left: usize, written: [&str; 2]) -> usize {
    let known = known.filter(|(value, _)| value.len() <= left);
    let (length, parts) = known.map_or((0, written), |(value, rest)| (value.len(), [value, rest]));
    parts.iter().for_each(|part| expanded.push_str(part));
    length
}

/// The words after a script, `$0` first.
pub struct Operands<'a> {
    words: &'a [String],
    size: usize,
}

impl<'a> Operands<'a> {
    /// The operands of a script.
    pub fn of(words: &'a [String]) -> Self {
        Self { words, size: words.iter().map(|word| word.len() + 1).sum() }
    }
}

/// The name at the start of what follows a `$`, and the rest.
fn reference(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}').filter(|(name, _)| is_name(name));
    }
    let digits = usize::from(text.starts_with(|c: char| c.is_ascii_digit()));
    let letters = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    let (name, rest) = text.split_at_checked(if digits > 0 { digits } else { letters })?;
    (!name.is_empty()).then_some((name, rest))
}

/// Splits `NAME=value`.
pub fn assignment(word: &str) -> Option<(&str, &str)> {
    word.split_once('=').filter(|(name, _)| is_name(name) && !name.starts_with(|c: char| c.is_ascii_digit()))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The words with all references expanded; `$@` and `$*` become the operands after `$0`.
pub fn expand_words(environment: &mut Environment, words: &[String], operands: &Operands<'_>) -> Vec<String> {
    let mut expanded = Vec::new();
    for word in words {
        match word.as_str() {
            "$@" | "$*" | "${@}" | "${*}" if (1..=environment.left).contains(&operands.size) => {
                environment.left -= operands.size;
                expanded.extend_from_slice(operands.words.get(1..).unwrap_or_default());
            }
            word if word.contains('$') => expanded.push(environment.expand_in_shell(word, operands)),
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
        let mut all = environment(&[("B", Some("/tmp")), ("S", None)]);
        let operands = ["sh", "one", "two"].map(str::to_owned);
        let operands = Operands::of(&operands);
        for (text, expanded) in [
            ("$B/pg", "/tmp/pg"),
            ("${B}/pg", "/tmp/pg"),
            ("$1x", "onex"),
            ("$S/$NOT", "$S/$NOT"),
            ("${B:-/x}", "${B:-/x}"),
            ("$(date)", "$(date)"),
            ("a$", "a$"),
            ("$é", "$é"),
        ] {
            assert_eq!(all.expand_in_shell(text, &operands), expanded, "{text}");
        }
        let words = ["exec", "$@", "$B"].map(str::to_owned);
        assert_eq!(expand_words(&mut all, &words, &operands), ["exec", "one", "two", "/tmp"]);
        assert_eq!(expand_words(&mut all, &words, &Operands::of(&[])), ["exec", "$@", "/tmp"]);
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
