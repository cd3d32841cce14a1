//! Splits shell scripts into commands and words. Nothing is expanded: `$X` stays as written.

use std::collections::HashMap;
use std::rc::Rc;

mod quotes;

/// What a script does, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The commands, and where subshells begin and end; without those of functions.
    pub steps: Vec<Step>,
    /// The bodies of the functions that the script defines.
    pub functions: HashMap<String, Rc<Vec<Step>>>,
    /// Whether a part of the script cannot be followed, such as a here-document.
    pub unread: bool,
    /// Whether a command runs in the background, so that the script goes on beside it.
    pub background: bool,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A simple command.
    Run(Command),
    /// A subshell begins: what it sets ends with it.
    Enter,
    /// The innermost subshell ends.
    Leave,
}

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The words, without quotes and redirections.
    pub words: Vec<String>,
    /// Whether it depends on a condition or a loop.
    pub conditional: bool,
    /// The array that is set to the words, instead of a command that is run; `+` at the end appends.
    pub array: Option<String>,
}

impl Script {
    /// The words of all commands outside functions.
    pub fn words(self) -> impl Iterator<Item = Vec<String>> {
        self.steps.into_iter().filter_map(|step| match step {
            Step::Run(command) if command.array.is_none() => Some(command.words),
            _ => None,
        })
    }
}

/// The most steps read from one script: more than the longest command line holds.
const MOST: usize = 131_072;
/// Commands whose failure is an answer: what follows `&&` is a choice.
const TESTS: &[&str] = &["[", "[[", "test", "false", "grep"];

/// Parses a script. An invalid script still yields its words.
pub fn parse(text: &str) -> Script {
    let mut reader = Reader::new(text);
    reader.read();
    reader.script
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    If,
    Loop,
    Case,
    Group,
    Subshell,
}

struct Block {
    kind: Kind,
    /// Whether a condition decides if what is inside runs.
    conditional: bool,
    /// The function whose body the block is, and the number of steps and of conditions before it.
    function: Option<(String, usize, usize)>,
}

struct Reader<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    word: Option<String>,
    /// A part of the word is quoted, so that it is no keyword.
    quoted: bool,
    words: Vec<String>,
    /// The next word is the target of a redirection.
    redirected: bool,
    /// That target is the end mark of a here-document.
    marks: bool,
    /// End marks of the here-documents that follow the line.
    documents: Vec<String>,
    blocks: Vec<Block>,
    /// The number of them, by kind.
    open: [usize; 5],
    /// The number of blocks around that are conditional.
    conditions: usize,
    /// In a list with `&&` and `||`, an earlier command decides.
    guarded: bool,
    /// Between the patterns of a `case`.
    pattern: bool,
    /// The function that the next block defines; empty before its name is read.
    defines: Option<String>,
    script: Script,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars().peekable(),
            word: None,
            quoted: false,
            words: Vec::new(),
            redirected: false,
            marks: false,
            documents: Vec::new(),
            blocks: Vec::new(),
            open: [0; 5],
            conditions: 0,
            guarded: false,
            pattern: false,
            defines: None,
            script: Script::default(),
        }
    }

    fn read(&mut self) {
        while let Some(c) = self.rest.next() {
            if self.script.steps.len() >= MOST {
                self.script.unread = true;
                break;
            }
            match c {
                '\n' => self.end_line(),
                ';' | '&' | '|' | '(' | ')' | '<' | '>' if self.is_in_test() => self.push(c),
                ';' | '&' | '|' => self.separate(c),
                '(' => self.open_parenthesis(),
                ')' if self.pattern => self.end_pattern(),
                ')' => {
                    self.end_command();
                    self.close(Kind::Subshell);
                }
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '<' | '>' => self.redirect(c),
                '\'' => self.quoted_once(),
                '"' => self.quoted_twice(),
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(c) => {
                        self.quoted = true;
                        self.push(c);
                    }
                },
                '$' => self.dollar(),
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
        while let Some(block) = self.blocks.last() {
            self.close(block.kind);
        }
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    /// Inside `[[ … ]]`, where `&&`, `(` and `<` are operators of the test.
    fn is_in_test(&self) -> bool {
        let is_end = |word: &String| word == "]]";
        self.words.first().is_some_and(|first| first == "[[")
            && !self.words.last().is_some_and(is_end)
            && !self.word.as_ref().is_some_and(is_end)
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        let quoted = std::mem::take(&mut self.quoted);
        if std::mem::take(&mut self.redirected) {
            if std::mem::take(&mut self.marks) {
                self.documents.push(word);
            }
        } else if self.defines.as_ref().is_some_and(String::is_empty) {
            self.defines = Some(word);
        } else if quoted || !self.is_keyword(&word) {
            self.words.push(word);
        }
    }

    /// Whether a word is a keyword here; does what it says.
    fn is_keyword(&mut self, word: &str) -> bool {
        if word == "in" && self.words.len() == 2 && self.words.first().is_some_and(|first| first == "case") {
            self.words.clear();
            self.open(Kind::Case);
            self.pattern = true;
            return true;
        }
        if !self.words.is_empty() {
            return false;
        }
        match word {
            "if" => self.open(Kind::If),
            "while" | "until" => self.open(Kind::Loop),
            "{" => self.open(Kind::Group),
            "fi" => self.close(Kind::If),
            "done" => self.close(Kind::Loop),
            "esac" => self.close(Kind::Case),
            "}" => self.close(Kind::Group),
            "then" | "do" | "else" | "elif" | "!" => {}
            "function" => self.defines = Some(String::new()),
            "for" | "select" => {
                self.open(Kind::Loop);
                return false;
            }
            _ => return false,
        }
        true
    }

    /// The number of open blocks of a kind.
    fn count(&mut self, kind: Kind) -> &mut usize {
        let [of_if, of_loop, of_case, of_group, of_subshell] = &mut self.open;
        match kind {
            Kind::If => of_if,
            Kind::Loop => of_loop,
            Kind::Case => of_case,
            Kind::Group => of_group,
            Kind::Subshell => of_subshell,
        }
    }

    fn open(&mut self, kind: Kind) {
        let function = self
            .defines
            .take()
            .filter(|name| !name.is_empty())
            .map(|name| (name, self.script.steps.len(), std::mem::take(&mut self.conditions)));
        let guarded = std::mem::take(&mut self.guarded) && function.is_none();
        let conditional = guarded || matches!(kind, Kind::If | Kind::Loop | Kind::Case);
        self.conditions += usize::from(conditional);
        *self.count(kind) += 1;
        self.blocks.push(Block { kind, conditional, function });
        if kind == Kind::Subshell {
            self.script.steps.push(Step::Enter);
        }
    }

    /// Ends the innermost block of a kind, and those in it, which are not closed.
    fn close(&mut self, kind: Kind) {
        if *self.count(kind) == 0 {
            return;
        }
        while let Some(block) = self.blocks.pop() {
            *self.count(block.kind) -= 1;
            if block.kind == Kind::Subshell {
                self.script.steps.push(Step::Leave);
            }
            self.conditions -= usize::from(block.conditional);
            if let Some((name, from, conditions)) = block.function {
                let body = self.script.steps.split_off(from.min(self.script.steps.len()));
                self.script.functions.insert(name, Rc::new(body));
                self.conditions = conditions;
            }
            if block.kind == kind {
                break;
            }
        }
        self.pattern = false;
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirected = false;
        let words = std::mem::take(&mut self.words);
        if words.is_empty() || self.pattern {
            return;
        }
        // The body of a function is a block.
        self.script.unread |= self.defines.take().is_some();
        self.add(Command { words, array: None, conditional: false });
    }

    fn add(&mut self, command: Command) {
        let conditional = self.guarded || self.conditions > 0;
        self.script.steps.push(Step::Run(Command { conditional, ..command }));
    }

    fn end_line(&mut self) {
        // A line that ends with an operator goes on.
        self.guarded &= self.word.is_none() && self.words.is_empty();
        self.end_command();
        for mark in std::mem::take(&mut self.documents) {
            loop {
                let mut line = String::new();
                while let Some(c) = self.rest.next_if(|c| *c != '\n') {
                    line.push(c);
                }
                if self.rest.next().is_none() || line.trim_start_matches('\t') == mark {
                    break;
                }
            }
        }
    }

    /// Handles `;`, `;;`, `&`, `&&`, `|` and `||`.
    fn separate(&mut self, c: char) {
        if self.pattern {
            return self.end_word();
        }
        if c == '&' && self.rest.peek() == Some(&'>') {
            return;
        }
        let tests = |step: &Step| match step {
            Step::Run(command) => command.words.first().is_some_and(|first| TESTS.contains(&first.as_str())),
            _ => false,
        };
        self.end_command();
        match (c, self.rest.next_if_eq(&c).is_some()) {
            ('&', true) => self.guarded |= self.script.steps.last().is_some_and(tests),
            ('|', true) => self.guarded = true,
            ('|', false) => {}
            (';', true) => {
                self.guarded = false;
                self.pattern = self.blocks.last().is_some_and(|block| block.kind == Kind::Case);
                self.rest.next_if_eq(&'&');
            }
            (c, _) => {
                self.guarded = false;
                self.script.background |= c == '&';
            }
        }
    }

    fn end_pattern(&mut self) {
        self.word = None;
        self.quoted = false;
        self.words.clear();
        self.pattern = false;
    }

    /// A subshell, a function, an array, or arithmetic.
    fn open_parenthesis(&mut self) {
        if self.pattern {
            return;
        }
        if let Some(name) = self.word.as_ref().and_then(|word| word.strip_suffix('=')) {
            let name = name.to_owned();
            return self.array(name);
        }
        self.end_word();
        let arithmetic = self.words.is_empty() || self.words == ["for"];
        if arithmetic && self.rest.peek() == Some(&'(') {
            return self.skip_parentheses();
        }
        while self.words.len() <= 1 && self.rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        let named = self.words.len() == 1 || self.words.is_empty() && self.defines.is_some();
        if named && self.rest.next_if_eq(&')').is_some() {
            self.defines = self.words.pop().or(self.defines.take());
            return;
        }
        self.end_command();
        self.open(Kind::Subshell);
    }

    /// Skips to the end of what a parenthesis has opened.
    fn skip_parentheses(&mut self) {
        let mut depth = 1_usize;
        for c in self.rest.by_ref() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }

    /// `NAME=(one two)`
    fn array(&mut self, name: String) {
        self.word = None;
        let before = std::mem::take(&mut self.words);
        while let Some(c) = self.rest.next().filter(|c| *c != ')') {
            match c {
                '\'' => self.quoted_once(),
                '"' => self.quoted_twice(),
                '$' => self.dollar(),
                c if c.is_whitespace() => {
                    self.words.extend(self.word.take());
                }
                c => self.push(c),
            }
        }
        self.words.extend(self.word.take());
        self.quoted = false;
        let words = std::mem::replace(&mut self.words, before);
        self.add(Command { words, array: Some(name), conditional: false });
    }

    /// Handles `>file`, `2>&1`, `<<END` and `<(command)`.
    fn redirect(&mut self, c: char) {
        // A number before it is the file descriptor.
        if self.word.as_ref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        let mut operator = c.to_string();
        while let Some(c) = self.rest.next_if(|c| matches!(c, '<' | '>' | '&' | '-' | '|')) {
            operator.push(c);
        }
        if self.rest.next_if_eq(&'(').is_some() {
            return self.skip_parentheses();
        }
        self.redirected = !operator.ends_with("&-");
        self.marks = operator.starts_with("<<") && operator != "<<<";
        // It may write the configuration of what runs next.
        self.script.unread |= self.marks;
    }
}
