//! The values that a command line gives to options.

/// Whether a word is the option, written on its own: the next word is its value, if it takes one.
pub fn is(option: &str, word: &str) -> bool {
    if option.len() > 2 && option.starts_with('-') { same(option, word) } else { option == word }
}

/// The value that a word gives to an option; `next` is the word after it. `Some(None)` if there is no value.
///
/// - `--datadir` is written `--datadir x` or `--datadir=x`; `_` and `-` are the same inside a name.
/// - `-D` is written `-D x`, `-Dx` or `-D=x`.
/// - A name without a dash is a setting: `NAME=x`, alone or after a flag that sets such names, as in
///   `-c NAME=x`, `-cNAME=x`, `--NAME=x`.
pub fn value<'a>(option: &str, word: &'a str, next: Option<&'a str>) -> Option<Option<&'a str>> {
    if !option.starts_with('-') {
        let of_flag = || word.strip_prefix('-').and_then(|rest| rest.get(1..));
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
    if is(option, word) {
        return Some(next);
    }
    if option.len() > 2 {
        let (name, value) = word.split_once('=')?;
        return same(option, name).then_some(Some(value));
    }
    let attached = word.strip_prefix(option)?;
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
            assert_eq!(value(option, word, Some("next")), expected, "{option} in {word}");
        }
        assert_eq!(value("-D", "-D", None), Some(None));
    }
}
