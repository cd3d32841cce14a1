//! The values that a command line gives to options.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How the programs of an engine read their options.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Style {
    /// Options of one letter without a value; another one may follow in the same word: `-iD /x`.
    switches: String,
    /// Whether upper and lower case are the same: `--DIR`.
    ignore_case: bool,
    /// Prefixes of names, such as `loose-` in `--loose-datadir`.
    prefixes: Vec<String>,
    /// The shortest unambiguous abbreviation of an option that may be abbreviated.
    abbreviations: BTreeMap<String, String>,
}

impl Style {
    /// Whether a name on a command line is that of an option with two dashes or a long name.
    fn same(&self, option: &str, name: &str) -> bool {
        let name = self.without_prefix(name);
        let equal = |one: u8, other: u8| match self.ignore_case {
            true => plain(one).eq_ignore_ascii_case(&plain(other)),
            false => plain(one) == plain(other),
        };
        let starts = |one: &str, other: &str| {
            one.len() >= other.len() && one.bytes().zip(other.bytes()).all(|(one, other)| equal(one, other))
        };
        let shortest = self.abbreviations.get(option).map_or(option, String::as_str);
        starts(option, &name) && starts(&name, shortest)
    }

    fn without_prefix<'n>(&self, name: &'n str) -> std::borrow::Cow<'n, str> {
        let of = |prefix: &String| {
            let (first, rest) = name.strip_prefix("--")?.split_at_checked(prefix.len())?;
            same(prefix, first).then(|| format!("--{rest}").into())
        };
        self.prefixes.iter().find_map(of).unwrap_or(name.into())
    }

    /// What follows the dash and the switches in a word.
    fn after_switches<'w>(&self, word: &'w str) -> Option<&'w str> {
        let rest = word.strip_prefix('-')?;
        let last = rest.trim_start_matches(|c| self.switches.contains(c));
        Some(if last.is_empty() { rest } else { last })
    }

    /// Whether a word is one of these, as far as the style ignores case.
    pub fn is_word(&self, wanted: &str, word: &str) -> bool {
        wanted == word || self.ignore_case && wanted.eq_ignore_ascii_case(word)
    }
}

/// Whether a word is the option, written on its own: the next word is its value, if it takes one.
pub fn is(option: &str, word: &str) -> bool {
    if option.len() > 2 && option.starts_with('-') { same(option, word) } else { option == word }
}

/// The value that a word gives to an option; `next` is the word after it. `Some(None)` if there is no value.
///
/// - `--datadir` is written `--datadir x`, `--datadir=x` or, in one word, `'--datadir x'`; `_` and `-` are the
///   same inside a name.
/// - `-D` is written `-D x`, `-Dx` or `-D=x`, also after switches.
/// - A name without a dash is a setting: `NAME=x`, alone or after a flag that sets such names, as in
///   `-c NAME=x`, `-cNAME=x`, `--NAME=x`.
pub fn value<'a>(
    style: &Style,
    option: &str,
    word: &'a str,
    next: Option<&'a str>,
) -> Option<Option<&'a str>> {
    if !option.starts_with('-') {
        let of_flag = || style.after_switches(word).and_then(|rest| rest.get(1..));
        let settings = [Some(word), word.strip_prefix("--"), of_flag()];
        let of = |text: &'a str| {
            let (name, value) = text.split_once('=')?;
            let quoted = |c: char| c.is_whitespace() || matches!(c, '\'' | '"');
            let plain = |byte: u8| plain(byte.to_ascii_lowercase());
            let named = option.bytes().map(plain).eq(name.trim_matches(quoted).bytes().map(plain));
            named.then(|| value.trim_matches(quoted))
        };
        return settings.into_iter().flatten().find_map(of).map(Some);
    }
    if option.len() > 2 {
        if style.same(option, word) {
            return Some(next);
        }
        let (name, value) = word.split_once(['=', ' '])?;
        return style.same(option, name).then(|| Some(value.trim_matches([' ', '"', '\''])));
    }
    let letter = option.strip_prefix('-')?;
    let attached = style.after_switches(word)?.strip_prefix(letter)?;
    if attached.is_empty() {
        return Some(next);
    }
    Some(Some(attached.strip_prefix('=').unwrap_or(attached)))
}

/// Whether an option is a setting.
pub fn is_setting(option: &str) -> bool {
    !option.starts_with('-')
}

fn plain(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte }
}

fn same(one: &str, other: &str) -> bool {
    one.bytes().map(plain).eq(other.bytes().map(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_written_in_many_ways() {
        for (option, word, expected) in [
            ("-D", "-D", Some(Some("next"))),
            ("-D", "-D/x", Some(Some("/x"))),
            ("-D", "-D=/x", Some(Some("/x"))),
            ("-D", "--D/x", None),
            ("-D", "D", None),
            ("--datadir", "--datadir", Some(Some("next"))),
            ("--datadir", "--datadir=/x", Some(Some("/x"))),
            ("--datadir", "--datadirs=/x", None),
            ("--store_dir", "--store-dir=/x", Some(Some("/x"))),
            ("-data-dir", "-data-dir", Some(Some("next"))),
            ("-data-dir", "-data-dirx", None),
            ("data_directory", "data_directory=/x", Some(Some("/x"))),
            ("data_directory", "-cdata_directory=/x", Some(Some("/x"))),
            ("data_directory", "--data-directory=/x", Some(Some("/x"))),
            ("data_directory", "--DATA_DIRECTORY=/x", Some(Some("/x"))),
            ("data_directory", " data_directory = '/x y' ", Some(Some("/x y"))),
            ("data_directory", "data_directory", None),
            ("data_directory", "log_directory=/x", None),
            ("path.data", "-Epath.data=/x", Some(Some("/x"))),
            ("path.data", "-", None),
            ("path.data", "-é=x", None),
        ] {
            assert_eq!(value(&Style::default(), option, word, Some("next")), expected, "{option} in {word}");
        }
        assert_eq!(value(&Style::default(), "-D", "-D", None), Some(None));
    }

    #[test]
    fn every_program_has_its_own_style() {
        let style = Style {
            switches: "ie".to_owned(),
            ignore_case: true,
            prefixes: vec!["loose-".to_owned()],
            abbreviations: [("--datadir".to_owned(), "--data".to_owned())].into(),
        };
        for (option, word, expected) in [
            ("-D", "-iD", Some(Some("next"))),
            ("-D", "-ieD/x", Some(Some("/x"))),
            ("-D", "-kD/x", None),
            ("-D", "-ie", None),
            ("-e", "-e", Some(Some("next"))),
            ("data_directory", "-icdata_directory=/x", Some(Some("/x"))),
            ("--datadir", "--loose-datadir=/x", Some(Some("/x"))),
            ("--datadir", "--loose_datadi", Some(Some("next"))),
            ("--datadir", "--data=/x", Some(Some("/x"))),
            ("--datadir", "--dat=/x", None),
            ("--datadir", "--datadirs=/x", None),
            ("--datadir", "--DataDir", Some(Some("next"))),
            ("--datadir", "--datadir '/x'", Some(Some("/x"))),
            ("--datadir", "--loose", None),
            ("--datadir", "--é-datadir", None),
        ] {
            assert_eq!(value(&style, option, word, Some("next")), expected, "{option} in {word}");
        }
    }
}
