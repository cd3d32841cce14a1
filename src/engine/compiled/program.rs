//! The compiled form of rules.

use std::collections::HashMap;
use std::sync::Arc;

use super::calls::{Call, Patterns};
use crate::engine::ast::{ArithOp, BinOp, BoolOp, Expr, Ref, Span, Value};
use crate::engine::evaluation::RuleId;

/// Rules by position; the compiled form of all modules of a policy set.
#[derive(Default)]
pub struct Program {
    pub(super) rules: Vec<Rule>,
    pub(super) positions: HashMap<Arc<str>, usize>,
    /// The keys of the input document that rules read.
    pub(super) parts: Vec<Value>,
    pub(super) patterns: Patterns,
}

/// Why a rule is left to the interpreter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// The compiler does not know this.
    #[error("it has {0}")]
    Construct(&'static str),
    /// It uses a rule that is left to the interpreter.
    #[error("it uses {0}")]
    Uses(Arc<str>),
}

impl Program {
    /// The position of a rule that can be evaluated; None if it is left to the interpreter.
    pub fn position(&self, rule: &RuleId) -> Option<usize> {
        let position = *self.positions.get(rule.as_str())?;
        let rule = self.rules.get(position)?;
        (rule.unsupported.is_none() && !matches!(rule.form, Form::Function)).then_some(position)
    }

    /// The rules of a package, without its functions.
    pub fn rules_of<'p>(&'p self, package: &'p str) -> impl Iterator<Item = RuleId> + 'p {
        let rules = self.rules.iter().filter(|rule| !matches!(rule.form, Form::Function));
        let own = rules.filter(move |rule| {
            let path = rule.path.strip_prefix("data.").and_then(|path| path.strip_prefix(package));
            path.and_then(|path| path.strip_prefix('.')).is_some_and(|name| !name.contains('.'))
        });
        own.map(|rule| RuleId(rule.path.clone()))
    }

    /// Why a rule is left to the interpreter; None if it is not.
    pub fn unsupported(&self, rule: &RuleId) -> Option<&Unsupported> {
        self.rules.get(*self.positions.get(rule.as_str())?)?.unsupported.as_ref()
    }
}

/// A rule or function with all its definitions.
pub struct Rule {
    pub path: Arc<str>,
    pub form: Form,
    pub definitions: Vec<Definition>,
    /// The value if no definition has one.
    pub default: Option<Term>,
    /// The parts of the input that it reads, also through others, as a set of bits.
    pub reads: u64,
    pub unsupported: Option<Unsupported>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `contains`
    Set,
    /// `:=`
    Complete,
    Function,
}

/// One definition of a rule.
pub struct Definition {
    /// Where its name is.
    pub name: Span,
    pub parameters: Vec<Pattern>,
    /// The body and those after `else`; a rule without one has an empty body.
    pub bodies: Vec<Body>,
}

pub struct Body {
    pub statements: Vec<Statement>,
    /// The value, or the element of a set; none stands for true.
    pub output: Option<Term>,
    /// Whether every solution has the same value, so that one is enough.
    pub constant: bool,
}

pub enum Statement {
    Holds(Term),
    Not(Term),
    /// `x := y`
    Assign(Pattern, Term),
    /// `some x, y in z`
    Some(Option<Pattern>, Pattern, Term, Span),
    /// `every x, y in z { … }`: whether there is a name for the key.
    Every(bool, Term, Vec<Statement>),
}

pub enum Pattern {
    Ignore,
    /// A name for the value.
    Bind,
    Array(Vec<Pattern>),
    Equals(Term),
}

/// An expression.
pub enum Term {
    Constant(Value),
    /// A part of the input.
    Part(usize),
    /// A part of the input that even the same request has otherwise the next time.
    Passing(usize),
    /// A local, counted back from the one that was bound last.
    Local(usize),
    Rule(usize),
    /// Keys that are known.
    Path(Box<Term>, Box<[Value]>),
    Index(Box<Term>, Box<Term>),
    Function(usize, Box<[Term]>, Span),
    Builtin(Box<Call>),
    Array(Box<[Term]>),
    Set(Box<[Term]>),
    Object(Box<[(Term, Term)]>),
    Compare(BoolOp, Box<Term>, Box<Term>),
    Arithmetic(Box<Operation<ArithOp>>),
    SetOperation(Box<Operation<BinOp>>),
    Member(Box<Membership>),
    ArrayOf(Box<Comprehension<Term>>),
    SetOf(Box<Comprehension<Term>>),
    ObjectOf(Box<Comprehension<(Term, Term)>>),
}

impl Term {
    /// A part of the input. `next` is the key behind it, if that is known: the time and the request's uid pass, and so
    /// does the whole request.
    pub(super) fn part(position: usize, part: &Value, next: Option<&Value>) -> Self {
        let passes = match part {
            Value::String(part) if &**part == "now" => true,
            Value::String(part) if &**part == "review" => next.is_none_or(|key| *key == Value::from("uid")),
            _ => false,
        };
        if passes { Self::Passing(position) } else { Self::Part(position) }
    }

    /// The value behind these keys, which are used up.
    pub(super) fn path(self, keys: &mut Vec<Value>) -> Self {
        let keys = std::mem::take(keys);
        if keys.is_empty() { self } else { Self::Path(Box::new(self), keys.into()) }
    }
}

/// An operator that fails on operands that it does not take.
pub struct Operation<O> {
    pub operator: O,
    pub operands: [Term; 2],
    pub place: Span,
    /// The operands as written, for errors.
    pub written: [Ref<Expr>; 2],
}

/// `key, value in collection`
pub struct Membership {
    pub key: Option<Term>,
    pub value: Term,
    pub collection: Term,
}

pub struct Comprehension<T> {
    pub statements: Vec<Statement>,
    pub output: T,
    /// Where the output is.
    pub place: Span,
}
