//! Splits shell scripts into commands and words. Nothing is expanded: `$X` stays as written.

/// The simple commands of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The words of each command, without quotes and redirections.
    pub commands: Vec<Vec<String>>,
    /// Whether the script branches, loops, groups commands or defines functions.
    pub branches: bool,
}

/// The most commands read from one script: more than the longest command line holds.
const MOST: usize = 131_072;

/// Words that, at the start of a command, make a script more than a list of commands.
const BRANCHING: &[&str] = &["if", "while", "for", "until", "case", "select", "function", "source", ".", "{"];

/// Parses a script. An invalid script still yields its words.
pub fn parse(text: &str) -> Script {
    let mut reader = Reader::new(text);
    reader.read();
    let mut script = reader.script;
    script.branches |= script
        .commands
        .iter()
        .any(|words| words.first().is_some_and(|first| BRANCHING.contains(&first.as_str())));
    script
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    word: Option<String>,
    words: Vec<String>,
    /// The next word is the target of a redirection.
    redirected: bool,
    script: Script,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            word: None,
            words: Vec::new(),
            redirected: false,
            script: Script::default(),
        }
    }

    fn read(&mut self) {
        while let Some(c) = self.rest.next() {
            if self.script.commands.len() >= MOST {
                self.script.branches = true;
                break;
            }
            match c {
                '\n' | ';' | '&' | '|' => self.end_command(),
                '(' | ')' => {
                    self.script.branches = true;
                    self.end_command();
                }
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '<' | '>' => self.redirect(c),
                '\'' => self.quoted_once(),
                '"' => self.quoted_twice(),
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(c) => self.push(c),
                },
                '$' => self.reference(),
                '`' => {
                    self.push('`');
                    while let Some(c) = self.rest.next() {
                        self.push(c);
                        if c == '`' {
                            break;
                        }
                    }
                }
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command();
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if !std::mem::take(&mut self.redirected) {
            self.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirected = false;
        if !self.words.is_empty() {
            self.script.commands.push(std::mem::take(&mut self.words));
        }
    }

    /// Handles `>file`, `2>&1` and `<<END`.
    fn redirect(&mut self, c: char) {
        // A number before it is the file descriptor.
        if self.word.as_ref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        if c == '<' && self.rest.peek() == Some(&'<') {
            self.script.branches = true;
        }
        while self.rest.next_if(|c| matches!(c, '<' | '>' | '&' | '-')).is_some() {}
        self.redirected = true;
    }

    fn quoted_once(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.rest.next_if(|c| *c != '\'') {
            self.push(c);
        }
        self.rest.next();
    }

    fn quoted_twice(&mut self) {
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
