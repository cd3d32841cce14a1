//! A cursor that skips the text between nodes.

/// A position in a text.
#[derive(Clone, Copy)]
pub struct Cursor<'t> {
    pub text: &'t str,
    pub at: usize,
}

impl<'t> Cursor<'t> {
    pub fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_white(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Skips white space, line ends and comments. A `#` starts a comment only after white space.
    pub fn skip_gap(&mut self) {
        loop {
            let before = self.at;
            self.skip_white();
            let after_white = self.at > before || self.at_line_start() || self.at == 0;
            if !(after_white && self.peek() == Some('#')) {
                return;
            }
            self.at = line_end(self.text, self.at);
        }
    }

    fn at_line_start(&self) -> bool {
        self.text.get(..self.at).is_some_and(|before| before.ends_with('\n'))
    }

    /// Skips the text between two nodes of a collection.
    pub fn skip_separators(&mut self, flow: bool) {
        self.skip_gap();
        if flow && self.peek() == Some(',') {
            self.at += 1;
            self.skip_gap();
        }
    }

    /// Skips this many anchors and tags, with the gaps before them.
    pub fn skip_marks(&mut self, count: usize) {
        for _ in 0..count {
            self.skip_gap();
            let rest = self.rest();
            let length = rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}'));
            self.at += length.unwrap_or(rest.len());
        }
    }

    /// The position after the quote that closes the one at the cursor.
    pub fn quoted_end(&self, quote: char) -> usize {
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if character == '\\' && quote == '"' {
                characters.next();
            } else if character == quote {
                // In single quotes, a doubled quote is an escaped one.
                if quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == '\'') {
                    characters.next();
                } else {
                    return self.at + at + quote.len_utf8();
                }
            }
        }
        self.text.len()
    }

    /// The end of a block scalar that starts at the cursor and whose last visible character is before `end`.
    /// With the indicator `+`, it includes the blank lines below.
    pub fn block_scalar_end(&self, end: usize) -> usize {
        let header_end = line_end(self.text, self.at);
        let header = self.text.get(self.at..header_end).unwrap_or_default();
        let end = end.max(header_end);
        if !header.split('#').next().unwrap_or_default().contains('+') {
            return end;
        }
        let mut last = line_end(self.text, end);
        while let Some(below) = next_line(self.text, last)
            && line(self.text, below).trim().is_empty()
            && line_end(self.text, below) < self.text.len()
        {
            last = line_end(self.text, below);
        }
        last
    }
}

/// The end of the line, before its line break.
pub fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    let end = at + line.len();
    if line.ends_with('\r') && end < text.len() { end - 1 } else { end }
}

/// The start of the line.
pub fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(bom(text), |newline| newline + 1)
}

/// The start of the next line, if there is one.
pub fn next_line(text: &str, at: usize) -> Option<usize> {
    let newline = text.get(at..)?.find('\n')?;
    Some(at + newline + 1)
}

/// The rest of the line.
pub fn line(text: &str, at: usize) -> &str {
    text.get(at..line_end(text, at)).unwrap_or_default()
}

/// 0-based column of a position, in characters.
pub fn column(text: &str, at: usize) -> usize {
    text.get(line_start(text, at)..at).unwrap_or_default().chars().count()
}

/// 1-based line number of a position.
pub fn line_number(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

fn bom(text: &str) -> usize {
    if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }
}
