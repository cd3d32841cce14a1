//! Checks a text before it is parsed.
//!
//! The parser tries a bracket as a comprehension, then as a set, then as an object, so every level of nesting
//! doubles its work, and long chains of operators recurse. Neither can be interrupted.

use crate::diagnostic::{Diagnostic, SourceText};

/// A policy is a page or two; the largest known pattern table takes a tenth of this.
const MAX_BYTES: usize = 256 * 1024;
/// A literal patch of a pod's affinity nests nine levels deep.
const MAX_DEPTH: usize = 12;
/// Operators, dots and indexes on the path to one leaf of an expression.
const MAX_OPERATORS: usize = 250;
/// Sum of 2^depth over all tokens; corresponds to about half a second of parsing. The shipped policies use
/// 0.1 % of it.
const MAX_COST: u64 = 2_000_000;
/// The maximum number of errors of this kind reported per file.
const MAX_ERRORS: usize = 10;

/// Finds constructs that would make the parser slow or overflow its stack.
pub fn check(text: &SourceText) -> Vec<Diagnostic> {
    if text.text.len() > MAX_BYTES {
        let message =
            format!("the file has {} KiB; {} are the limit", text.text.len() / 1024, MAX_BYTES / 1024);
        return vec![
            text.error(1, 0, message)
                .with_help("split it into libraries, or make its tables parameters of the policy"),
        ];
    }
    let mut scan = Scan::new(text);
    scan.run();
    scan.errors
}

struct Scan<'a> {
    text: &'a SourceText,
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    column: usize,
    /// For each open bracket, and for the file itself: the number of operators in its current expression, and
    /// whether the parser backtracks over it.
    levels: Vec<(usize, bool)>,
    operators: usize,
    cost: u64,
    after_operand: bool,
    after_space: bool,
    too_long: bool,
    errors: Vec<Diagnostic>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a SourceText) -> Self {
        Self {
            text,
            rest: text.text.chars().peekable(),
            line: 1,
            column: 0,
            levels: vec![(0, false)],
            operators: 0,
            cost: 0,
            after_operand: false,
            after_space: false,
            too_long: false,
            errors: Vec::new(),
        }
    }

    fn run(&mut self) {
        while let Some(next) = self.next() {
            if self.errors.len() >= MAX_ERRORS || self.cost > MAX_COST {
                break;
            }
            match next {
                '#' => while self.next_if(|c| c != '\n').is_some() {},
                '"' => {
                    self.operand();
                    self.string();
                }
                '`' => {
                    self.operand();
                    while self.next().is_some_and(|c| c != '`') {}
                }
                '[' | '{' | '(' => self.open(next),
                ']' | '}' | ')' => self.close(),
                ':' if self.next_if(|c| c == '=').is_some() => self.operator(),
                ',' | ';' | ':' => self.separator(),
                '<' | '>' | '=' | '!' => {
                    self.next_if(|c| c == '=');
                    self.operator();
                }
                '+' | '-' | '*' | '/' | '%' | '&' | '|' | '.' => self.operator(),
                c if c.is_whitespace() => {
                    self.after_space = true;
                    continue;
                }
                c => self.word(c),
            }
            self.after_space = next == '#';
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.column += 1;
        // A line break belongs to the line it ends.
        if next == '\n' {
            self.line += 1;
            self.column = 0;
        }
        Some(next)
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        if self.rest.peek().is_some_and(|c| wanted(*c)) { self.next() } else { None }
    }

    /// Skips the rest of a string; a line break also ends it, and the parser reports that.
    fn string(&mut self) {
        while let Some(next) = self.next_if(|c| c != '\n') {
            match next {
                '"' => return,
                '\\' => drop(self.next_if(|c| c != '\n')),
                _ => {}
            }
        }
    }

    fn word(&mut self, first: char) {
        let mut word = String::from(first);
        while let Some(next) = self.next_if(|c| c.is_alphanumeric() || c == '_') {
            word.push(next);
        }
        if word == "in" { self.operator() } else { self.operand() }
    }

    fn token(&mut self) {
        let depth = self.levels.iter().filter(|(_, doubles)| *doubles).count().min(32);
        self.cost += 1 << depth;
        if self.cost > MAX_COST {
            let message = "the brackets nested up to here would take the parser seconds";
            self.errors.push(self.text.error(self.line, self.column, message).with_help(
                "name the inner parts of nested literals on lines of their own, or split the file",
            ));
        }
    }

    fn operand(&mut self) {
        if self.after_operand {
            self.end_expression();
        }
        self.after_operand = true;
        self.token();
    }

    fn operator(&mut self) {
        self.deeper();
        self.after_operand = false;
        self.token();
    }

    fn separator(&mut self) {
        self.end_expression();
        self.after_operand = false;
        self.token();
    }

    fn open(&mut self, bracket: char) {
        if self.after_operand {
            if bracket == '{' || self.after_space { self.end_expression() } else { self.deeper() }
        }
        self.after_operand = false;
        self.token();
        self.levels.push((0, bracket != '('));
        let depth = self.levels.len() - 1;
        if depth == MAX_DEPTH + 1 {
            let message = format!(
                "brackets nest more than {MAX_DEPTH} deep here; every level doubles the time to read them"
            );
            self.errors.push(self.text.error(self.line, self.column, message).with_help(
                "name the inner part on a line of its own, `inner := […]`, and use the name here",
            ));
        }
    }

    fn close(&mut self) {
        self.token();
        self.end_expression();
        if self.levels.len() > 1 {
            self.levels.pop();
        }
        self.after_operand = true;
    }

    fn deeper(&mut self) {
        self.operators += 1;
        if let Some((operators, _)) = self.levels.last_mut() {
            *operators += 1;
        }
        if self.operators > MAX_OPERATORS && !self.too_long {
            self.too_long = true;
            let message = format!("an expression of more than {MAX_OPERATORS} operators ends here");
            self.errors.push(
                self.text
                    .error(self.line, self.column, message)
                    .with_help("name its parts on lines of their own, or use sum, concat or a table"),
            );
        }
    }

    fn end_expression(&mut self) {
        if let Some((operators, _)) = self.levels.last_mut() {
            self.operators -= std::mem::take(operators);
        }
        self.too_long &= self.operators > MAX_OPERATORS;
    }
}
