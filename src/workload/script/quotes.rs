//! Quotes and references of a shell.

use super::Reader;

impl Reader<'_> {
    pub(super) fn quoted_once(&mut self) {
        self.quoted = true;
        self.word.get_or_insert_default();
        while let Some(c) = self.rest.next_if(|c| *c != '\'') {
            self.push(c);
        }
        self.rest.next();
    }

    pub(super) fn quoted_twice(&mut self) {
        self.quoted = true;
        self.word.get_or_insert_default();
        while let Some(c) = self.rest.next() {
            match c {
                '"' => break,
                '$' => self.reference(),
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                c => self.push(c),
            }
        }
    }

    /// `$'…'` and `$"…"` are quotes of their own kind.
    pub(super) fn dollar(&mut self) {
        if self.rest.next_if_eq(&'"').is_some() {
            return self.quoted_twice();
        }
        if self.rest.next_if_eq(&'\'').is_none() {
            return self.reference();
        }
        self.quoted = true;
        self.word.get_or_insert_default();
        while let Some(c) = self.rest.next().filter(|c| *c != '\'') {
            match (c, self.rest.peek().copied()) {
                ('\\', Some(escaped @ ('\'' | '"' | '\\'))) => {
                    self.rest.next();
                    self.push(escaped);
                }
                // Any other escape makes a character that no plain path has.
                ('\\', _) => self.push('$'),
                (c, _) => self.push(c),
            }
        }
    }

    /// `$X`, `${X:-y}`, `$(command)`: kept as written, as one piece.
    fn reference(&mut self) {
        self.push('$');
        let (open, close) = match self.rest.peek() {
            Some('(') => ('(', ')'),
            Some('{') => ('{', '}'),
            _ => return,
        };
        let mut depth = 0_usize;
        while let Some(c) = self.rest.next() {
            self.push(c);
            if c == open {
                depth += 1;
            } else if c == close {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
        }
    }
}
