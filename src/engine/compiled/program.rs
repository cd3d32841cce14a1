//! The compiled form of rules.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::calls::{Call, Patterns};
use super::place::Place;
use super::serialized::{Arithmetic, Comparison, SetOperator, value, values};
use crate::engine::ast::{ArithOp, BinOp, BoolOp, Value};
use crate::engine::rule_id::RuleId;

/// Rules by position; the compiled form of all modules of a policy set.
#[derive(Default, Serialize, Deserialize)]
pub struct Program {
    /// The names of the modules' sources.
    pub(super) sources: Vec<Arc<str>>,
    pub(super) rules: Vec<Rule>,
    /// By their paths; made of the rules.
    #[serde(skip)]
    pub(super) positions: HashMap<Arc<str>, usize>,
    /// The keys of the input document that rules read.
    #[serde(with = "values")]
    pub(super) parts: Vec<Value>,
    #[serde(skip)]
    pub(super) patterns: Patterns,
}

/// Why a rule is left to the interpreter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Unsupported {
    /// The compiler does not know this.
    #[error("it has {0}")]
    Construct(Cow<'static, str>),
    /// It uses a rule that is left to the interpreter.
    #[error("it uses {0}")]
    Uses(Arc<str>),
}

impl Program {
    /// With the positions of its rules, which are not written.
    #[must_use]
    pub fn indexed(mut self) -> Self {
        let paths = self.rules.iter().enumerate();
        self.positions = paths.map(|(position, rule)| (rule.path.clone(), position)).collect();
        self
    }

    /// The name of the source that a place is in.
    pub(super) fn source(&self, place: &Place) -> &str {
        let module = usize::try_from(place.module).ok();
        module.and_then(|module| self.sources.get(module)).map_or("", AsRef::as_ref)
    }

    /// The names of the sources of its modules, in load order.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(AsRef::as_ref)
    }

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
#[derive(Serialize, Deserialize)]
pub struct Rule {
    pub path: Arc<str>,
    pub form: Form,
    pub definitions: Vec<Definition>,
    /// The value if no definition has one.
    pub default: Option<Term>,
    /// The parts of the input that it reads, also through others, as a set of bits.
    pub reads: u64,
    pub unsupported: Option<Unsupported>,
    /// The value of a rule that reads nothing: the same for every request, and made by the first.
    #[serde(skip)]
    pub constant: OnceLock<Box<Known>>,
}

/// The value of a rule, or of a call, and what it cost without the rules that it used: a question that finds it known is
/// charged as if it had to evaluate it, so that no verdict depends on which questions came before.
pub struct Known {
    pub value: Value,
    pub steps: u32,
    pub bytes: usize,
    pub uses: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// `contains`
    Set,
    /// `:=`
    Complete,
    Function,
}

/// One definition of a rule.
#[derive(Serialize, Deserialize)]
pub struct Definition {
    /// Where its name is.
    pub name: Place,
    pub parameters: Vec<Pattern>,
    /// The body and those after `else`; a rule without one has an empty body.
    pub bodies: Vec<Body>,
}

#[derive(Serialize, Deserialize)]
pub struct Body {
    pub statements: Vec<Statement>,
    /// The value, or the element of a set; none stands for true.
    pub output: Option<Term>,
    /// Whether every solution has the same value, so that one is enough.
    pub constant: bool,
}

#[derive(Serialize, Deserialize)]
pub enum Statement {
    Holds(Term),
    Not(Term),
    /// `x := y`
    Assign(Pattern, Term),
    /// `some x, y in z`
    Some(Option<Pattern>, Pattern, Term, Place),
    /// `every x, y in z { … }`: whether there is a name for the key.
    Every(bool, Term, Vec<Statement>),
}

#[derive(Serialize, Deserialize)]
pub enum Pattern {
    Ignore,
    /// A name for the value.
    Bind,
    Array(Vec<Pattern>),
    Equals(Term),
}

/// An expression.
#[derive(Serialize, Deserialize)]
pub enum Term {
    Constant(#[serde(with = "value")] Value),
    /// A part of the input.
    Part(usize),
    /// A part of the input that even the same request has otherwise the next time.
    Passing(usize),
    /// A local, counted back from the one that was bound last.
    Local(usize),
    Rule(usize),
    /// Keys that are known.
    Path(Box<Term>, #[serde(with = "values")] Vec<Value>),
    Index(Box<Term>, Box<Term>),
    Function(usize, Box<[Term]>, Place),
    Builtin(Box<Call>),
    Array(Box<[Term]>),
    Set(Box<[Term]>),
    Object(Box<[(Term, Term)]>),
    Compare(#[serde(with = "Comparison")] BoolOp, Box<Term>, Box<Term>),
    Arithmetic(#[serde(with = "Arithmetic")] ArithOp, Box<Operation>),
    SetOperation(#[serde(with = "SetOperator")] BinOp, Box<Operation>),
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
        if keys.is_empty() { self } else { Self::Path(Box::new(self), keys) }
    }
}

/// Operands of an operator that fails on those that it does not take.
#[derive(Serialize, Deserialize)]
pub struct Operation {
    pub operands: [Term; 2],
    pub place: Place,
    /// Where the operands are, for errors.
    pub written: [Place; 2],
}

/// `key, value in collection`
#[derive(Serialize, Deserialize)]
pub struct Membership {
    pub key: Option<Term>,
    pub value: Term,
    pub collection: Term,
}

#[derive(Serialize, Deserialize)]
pub struct Comprehension<T> {
    pub statements: Vec<Statement>,
    pub output: T,
    /// Where the output is.
    pub place: Place,
}
