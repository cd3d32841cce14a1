//! Quoted texts of several lines that are not indented deeper than their key.
//!
//! kubectl's reader does not look at the indentation inside quotes; the parser requires it. So the line ends of such
//! a text are replaced by marks of the same length before it is parsed, and the marks by what the line ends mean
//! afterwards.

use std::ops::Range;

/// A byte of white space around a line end, and a line end. Neither can be in a text: control characters are refused.
pub(super) const MARKS: [char; 2] = [SPACE, BREAK];
const SPACE: char = '\u{1}';
const BREAK: char = '\u{2}';

/// The range within the quotes of the text that begins here, and what it is with marks. None if readers may disagree
/// on it.
pub(super) fn marked(body: &str, at: usize) -> Option<(Range<usize>, String)> {
    let rest = body.get(at..)?;
    let quote = rest.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let inner = rest.get(1..)?;
    let inner = inner.get(..end(inner, quote)?)?;
    let escaped_end =
        |(at, _): (usize, &str)| inner.get(at + 1..).is_some_and(|after| after.starts_with(['\n', '\r']));
    // An escaped line end folds otherwise, and an escape may stand for one of the marks.
    if quote == '"'
        && (inner.match_indices('\\').any(escaped_end)
            || ["\\x0", "\\u0", "\\U0"].iter().any(|code| inner.contains(code)))
    {
        return None;
    }
    let mut marked = String::with_capacity(inner.len());
    let mut left = inner;
    while let Some(from) = left.find([' ', '\t', '\n', '\r']) {
        let (before, space) = left.split_at(from);
        let length = space.len() - space.trim_start_matches([' ', '\t', '\n', '\r']).len();
        let (space, after) = space.split_at(length);
        marked.push_str(before);
        if space.contains(['\n', '\r']) {
            let ends_document = space.ends_with(['\n', '\r']) && after.starts_with("...");
            if ends_document {
                return None;
            }
            let bytes = space.as_bytes();
            marked.extend(bytes.iter().enumerate().map(|(at, byte)| match byte {
                b'\n' => BREAK,
                b'\r' if bytes.get(at + 1) != Some(&b'\n') => BREAK,
                _ => SPACE,
            }));
        } else {
            marked.push_str(space);
        }
        left = after;
    }
    marked.push_str(left);
    let from = at + 1;
    Some((from..from + inner.len(), marked))
}

/// Marks the line ends of what looks like more quoted texts after this position: `key: "…"`, as tools write them one
/// after the other. Returns whether there are any.
pub(super) fn mark_likely(body: &mut String, from: usize) -> bool {
    let (mut at, mut found) = (from, Vec::new());
    while let Some(line) = body.get(at..).and_then(|rest| rest.find('\n')).map(|end| at + end + 1) {
        at = line;
        let rest = body.get(line..).unwrap_or_default();
        let text = rest.lines().next().unwrap_or_default();
        let Some((key, value)) = text.split_once(": ") else { continue };
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b" -_./$".contains(&byte);
        if !key.bytes().all(is_key) || !value.starts_with(['"', '\'']) {
            continue;
        }
        if let Some((within, marked)) = marked(body, line + key.len() + 2) {
            at = within.end;
            if marked.contains(MARKS) {
                found.push((within, marked));
            }
        }
    }
    let any = !found.is_empty();
    found.into_iter().for_each(|(within, marked)| body.replace_range(within, &marked));
    any
}

/// The length of the text within the quotes.
fn end(inner: &str, quote: char) -> Option<usize> {
    let mut chars = inner.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        // Something escaped, or the quote itself, which YAML doubles.
        if (char == '\\' && quote == '"') || (char == quote && quote == '\'' && next == Some(quote)) {
            chars.next();
        } else if char == quote {
            return Some(at);
        }
    }
    None
}

/// What the line ends mean: one is a space, of several all but the first are kept.
pub(super) fn unmarked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut breaks = None;
    for char in text.chars() {
        if MARKS.contains(&char) {
            *breaks.get_or_insert(0) += usize::from(char == BREAK);
            continue;
        }
        fold(&mut out, breaks.take());
        out.push(char);
    }
    fold(&mut out, breaks);
    out
}

fn fold(out: &mut String, breaks: Option<usize>) {
    match breaks {
        None => {}
        Some(0 | 1) => out.push(' '),
        Some(breaks) => out.extend(std::iter::repeat_n('\n', breaks - 1)),
    }
}
