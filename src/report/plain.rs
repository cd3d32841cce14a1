//! Names and messages contain user text: a line break or an escape sequence in it must not act on a terminal
//! or on a CI system that reads commands from its log.

use std::borrow::Cow;

/// The text on one line, its control characters spelled out as in Rust.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts() {
        assert_eq!(plain("grün: x"), "grün: x");
        assert_eq!(plain("a\n::error::b\u{1b}[31m\r"), "a\\n::error::b\\u{1b}[31m\\r");
    }
}
