//! User text in Markdown: shown as written, without links, pictures or mentions.

use crate::plain;

/// One line of text. Text between two backticks stays code.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        let (before, from) = rest.split_at(at);
        prose(before, &mut out);
        let after = from.get(1..).unwrap_or_default();
        match after.find('`').and_then(|end| Some((after.get(..end)?, after.get(end + 1..)?))) {
            // A run of backticks would end at an unexpected place.
            Some((code, next)) if !code.is_empty() && !next.starts_with('`') && !out.ends_with('`') => {
                out.push('`');
                out.push_str(&plain::line(&spaced(code)));
                out.push('`');
                rest = next;
            }
            _ => {
                out.push_str("\\`");
                rest = after;
            }
        }
    }
    prose(rest, &mut out);
    out
}

/// Line breaks are spaces in Markdown.
fn spaced(text: &str) -> String {
    text.replace(['\n', '\r', '\t'], " ")
}

fn prose(text: &str, out: &mut String) {
    for c in plain::line(&spaced(text)).chars() {
        match c {
            '\\' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '~' | '&' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // A word joiner is invisible, and prevents a mention.
            '@' => out.push_str("@\u{2060}"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stays_code_and_nothing_else_becomes_anything() {
        assert_eq!(escaped("set `a: *x` or <b>"), "set `a: *x` or \\<b\\>");
        assert_eq!(escaped("![x](http://y) @me"), "\\!\\[x\\](http://y) @\u{2060}me");
        assert_eq!(escaped("`open [x](y)"), "\\`open \\[x\\](y)");
        assert_eq!(escaped("``[x](y)`` z"), "\\`\\`\\[x\\](y)\\`\\` z");
        assert_eq!(escaped("a\nb"), "a b");
    }
}
