//! From the AST to the compiled form.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::calls::Call;
use super::modules::{Names, Source};
use super::place::Place;
use super::program::{
    Body, Comprehension, Definition, Form, Membership, Operation, Pattern, Statement, Term, Unsupported,
};
use super::schedule;
use crate::engine::ast::{self, AssignOp, Expr, Literal, LiteralStmt, Query, Ref, RuleHead, Span, Value};
use crate::engine::builtins::Builtin;
use crate::engine::reads::fixed_path;
use crate::engine::walk;

/// Names that may be bound at one place.
const NAMES: usize = 200;
/// Parts of the input, which are bits of a set.
const PARTS: usize = 64;

pub(super) type Compiled<T> = Result<T, Unsupported>;

pub(super) fn unknown<T>(construct: &'static str) -> Compiled<T> {
    Err(Unsupported::Construct(construct.into()))
}

/// Compiles a definition of a rule.
pub(super) struct Compiler<'c, 'a> {
    pub(super) positions: &'c HashMap<Arc<str>, usize>,
    pub(super) sources: &'c [Source<'a>],
    pub(super) names: &'c Names,
    pub(super) parts: &'c mut Vec<Value>,
    /// The locals that are bound, in this order.
    pub(super) scope: Vec<String>,
    pub(super) uses: &'c mut BTreeSet<usize>,
    pub(super) reads: u64,
    /// The lines compiled so far, each of which takes its part of the stack.
    pub(super) lines: usize,
}

impl Compiler<'_, '_> {
    pub(super) fn definition(&mut self, rule: &ast::Rule) -> Compiled<Definition> {
        let ast::Rule::Spec { head, bodies, .. } = rule else { return unknown("a default") };
        let mut parameters = Vec::new();
        let (first, is_set) = match head {
            RuleHead::Func { args, assign, .. } => {
                for arg in args {
                    parameters.push(self.pattern(arg)?);
                }
                (assign.as_ref().map(|assign| &assign.value), false)
            }
            RuleHead::Compr { assign, .. } => (assign.as_ref().map(|assign| &assign.value), false),
            RuleHead::Set { key, .. } => (key.as_ref(), true),
        };
        if is_set && bodies.len() > 1 {
            return unknown("a set with else");
        }
        let bound = self.scope.len();
        let mut compiled = Vec::new();
        if bodies.is_empty() {
            compiled.push(self.body(None, first, is_set)?);
        }
        for (position, body) in bodies.iter().enumerate() {
            let output = match position {
                0 => first,
                _ if !body.is_else => return unknown("several bodies"),
                _ => body.assign.as_ref().map(|assign| &assign.value),
            };
            // The interpreter takes such a name for one that is not bound yet, and tries all values.
            if position == 0
                && bodies.len() > 1
                && output.is_some_and(|output| schedule::brackets_bound_by(output, &body.query))
            {
                return unknown("a name in brackets before else");
            }
            compiled.push(self.body(Some(&body.query), output, is_set)?);
            self.scope.truncate(bound);
        }
        Ok(Definition { name: self.place(walk::head(rule).span()), parameters, bodies: compiled })
    }

    fn body(&mut self, query: Option<&Query>, output: Option<&Ref<Expr>>, is_set: bool) -> Compiled<Body> {
        let statements = query.map_or_else(|| Ok(Vec::new()), |query| self.query(query))?;
        let constant = output.is_none_or(|output| is_literal(output));
        let output = output.map(|output| self.term(output)).transpose()?;
        if is_set && !output.as_ref().is_some_and(always_defined) {
            return unknown("an element that may be undefined");
        }
        Ok(Body { statements, output, constant })
    }

    /// What it binds stays in scope.
    fn query(&mut self, query: &Query) -> Compiled<Vec<Statement>> {
        let Some(order) = schedule::order(query) else { return unknown("lines without an order") };
        self.lines += order.len();
        let lines = order.into_iter().filter_map(|position| query.stmts.get(position));
        lines.map(|line| self.statement(line)).collect()
    }

    fn statement(&mut self, line: &LiteralStmt) -> Compiled<Statement> {
        if !line.with_mods.is_empty() {
            return unknown("with");
        }
        Ok(match &line.literal {
            Literal::SomeVars { .. } => return unknown("some without in"),
            Literal::SomeIn { key, value, collection, .. } => {
                let term = self.term(collection)?;
                let key = key.as_ref().map(|key| self.pattern(key)).transpose()?;
                Statement::Some(key, self.pattern(value)?, term, self.place(collection.span()))
            }
            Literal::Expr { expr, .. } => match expr.as_ref() {
                Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                    let term = self.term(rhs)?;
                    Statement::Assign(self.pattern(lhs)?, term)
                }
                _ => Statement::Holds(self.term(expr)?),
            },
            Literal::NotExpr { expr, .. } => Statement::Not(self.term(expr)?),
            Literal::Every { key, value, domain, query, .. } => {
                let term = self.term(domain)?;
                let bound = self.scope.len();
                self.scope.push(value.text().to_owned());
                self.scope.extend(key.iter().map(|key| key.text().to_owned()));
                let statements = self.query(query)?;
                self.scope.truncate(bound);
                Statement::Every(key.is_some(), term, statements)
            }
        })
    }

    fn pattern(&mut self, expr: &Ref<Expr>) -> Compiled<Pattern> {
        Ok(match expr.as_ref() {
            Expr::Var { span, .. } if span.text() == "_" => Pattern::Ignore,
            Expr::Var { span, .. } => {
                if self.scope.iter().any(|bound| bound == span.text()) {
                    return unknown("a name that is bound twice");
                }
                if self.scope.len() >= NAMES {
                    return unknown("very many names");
                }
                self.scope.push(span.text().to_owned());
                Pattern::Bind
            }
            Expr::Array { items, .. } => {
                Pattern::Array(items.iter().map(|item| self.pattern(item)).collect::<Compiled<_>>()?)
            }
            Expr::Object { .. } => return unknown("an object as a pattern"),
            _ => Pattern::Equals(self.term(expr)?),
        })
    }

    pub(super) fn term(&mut self, expr: &Ref<Expr>) -> Compiled<Term> {
        Ok(match expr.as_ref() {
            Expr::String { value, .. }
            | Expr::RawString { value, .. }
            | Expr::Number { value, .. }
            | Expr::Bool { value, .. }
            | Expr::Null { value, .. } => Term::Constant(value.clone()),
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr)?,
            Expr::Array { items, .. } => array(self.terms(items)?),
            Expr::Set { items, .. } => set(self.terms(items)?),
            Expr::Object { fields, .. } => {
                let pair = |(_, key, value): &(_, _, _)| Ok((self.term(key)?, self.term(value)?));
                object(fields.iter().map(pair).collect::<Compiled<_>>()?)
            }
            Expr::ArrayCompr { term, query, .. } => {
                Term::ArrayOf(Box::new(self.comprehension(query, term, |this| this.term(term))?))
            }
            Expr::SetCompr { term, query, .. } => {
                Term::SetOf(Box::new(self.comprehension(query, term, |this| this.term(term))?))
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                Term::ObjectOf(Box::new(
                    self.comprehension(query, key, |this| Ok((this.term(key)?, this.term(value)?)))?,
                ))
            }
            Expr::UnaryExpr { expr, .. } => match expr.as_ref() {
                // A number may have a sign of its own.
                Expr::Number { value, span, .. } if !span.text().starts_with('-') => {
                    match value.as_i64().ok().and_then(i64::checked_neg) {
                        Some(number) => Term::Constant(Value::from(number)),
                        None => return unknown("such a negative number"),
                    }
                }
                _ => return unknown("a sign before something other than a number"),
            },
            Expr::BinExpr { op, lhs, rhs, span, .. } => {
                Term::SetOperation(op.clone(), Box::new(self.operation([lhs, rhs], span)?))
            }
            Expr::ArithExpr { op, lhs, rhs, span, .. } => {
                Term::Arithmetic(op.clone(), Box::new(self.operation([lhs, rhs], span)?))
            }
            Expr::BoolExpr { op, lhs, rhs, .. } => {
                Term::Compare(op.clone(), Box::new(self.term(lhs)?), Box::new(self.term(rhs)?))
            }
            Expr::Membership { key, value, collection, .. } => Term::Member(Box::new(Membership {
                value: self.term(value)?,
                collection: self.term(collection)?,
                key: key.as_ref().map(|key| self.term(key)).transpose()?,
            })),
            Expr::AssignExpr { .. } => return unknown("unification"),
            Expr::Call { fcn, params, span, .. } => {
                let Some(path) = fixed_path(fcn) else { return unknown("a function without a fixed name") };
                let arguments = self.terms(params)?;
                match self.function(&path)? {
                    Some((position, expected)) if expected == arguments.len() => {
                        self.uses.insert(position);
                        Term::Function(position, arguments.into(), self.place(span))
                    }
                    Some(_) => return unknown("a call with another number of arguments"),
                    None => {
                        let name = path.join(".");
                        let Some(builtin) = Builtin::named(&name) else { return unknown("such a builtin") };
                        if builtin.arguments() != arguments.len() || name == "walk" {
                            return unknown("a call that binds its last argument");
                        }
                        Term::Builtin(Box::new(Call::new(builtin, arguments, self.place(span))))
                    }
                }
            }
        })
    }

    fn operation(&mut self, [left, right]: [&Ref<Expr>; 2], span: &Span) -> Compiled<Operation> {
        Ok(Operation {
            operands: [self.term(left)?, self.term(right)?],
            place: self.place(span),
            written: [left, right].map(|operand| Place::of_operand(self.names.module, operand)),
        })
    }

    fn place(&self, span: &Span) -> Place {
        Place::of(self.names.module, span)
    }

    fn terms(&mut self, exprs: &[Ref<Expr>]) -> Compiled<Vec<Term>> {
        exprs.iter().map(|expr| self.term(expr)).collect()
    }

    fn comprehension<T>(
        &mut self,
        query: &Query,
        place: &Ref<Expr>,
        output: impl FnOnce(&mut Self) -> Compiled<T>,
    ) -> Compiled<Comprehension<T>> {
        let bound = self.scope.len();
        let statements = self.query(query)?;
        let output = output(self)?;
        self.scope.truncate(bound);
        Ok(Comprehension { statements, output, place: Place::of_operand(self.names.module, place) })
    }

    /// The position of a function and the number of its arguments; None if it is a builtin.
    fn function(&self, path: &[String]) -> Compiled<Option<(usize, usize)>> {
        let (Some(first), rest) = (path.first(), path.get(1..).unwrap_or_default()) else { return Ok(None) };
        let below = |start: &[String]| {
            let full = start.iter().chain(rest).map(String::as_str).collect::<Vec<_>>().join(".");
            self.positions.get(full.as_str()).copied()
        };
        let own = format!("data.{}.{}", self.names.package, path.join("."));
        let found = match (self.positions.get(own.as_str()), self.names.imports.get(first)) {
            (Some(position), _) => Some(*position),
            (None, Some(import)) => below(import),
            (None, None) => below(std::slice::from_ref(first)),
        };
        let Some(position) = found else { return Ok(None) };
        let Some(source) = self.sources.get(position) else { return Ok(None) };
        match source.definitions.first() {
            Some((ast::Rule::Spec { head: RuleHead::Func { args, .. }, .. }, _)) => {
                Ok(Some((position, args.len())))
            }
            _ => unknown("a call of a rule that is no function"),
        }
    }

    fn reference(&mut self, expr: &Ref<Expr>) -> Compiled<Term> {
        // From the last key to the first.
        let (mut keys, mut root) = (Vec::new(), expr);
        loop {
            root = match root.as_ref() {
                Expr::RefDot { refr, field, .. } => {
                    keys.push(Ok(Value::from(field.0.text())));
                    refr
                }
                Expr::RefBrack { refr, index, .. } => {
                    keys.push(match index.as_ref() {
                        Expr::String { value, .. } | Expr::Number { value, .. } => Ok(value.clone()),
                        _ => Err(index),
                    });
                    refr
                }
                _ => break,
            };
        }
        keys.reverse();
        let (mut term, taken) = match root.as_ref() {
            Expr::Var { span, .. } => self.named(span.text(), &keys)?,
            _ => (self.term(root)?, 0),
        };
        let mut known = Vec::new();
        for key in keys.into_iter().skip(taken) {
            match key {
                Ok(value) => known.push(value),
                Err(index) => {
                    let index = self.term(index)?;
                    term = Term::Index(Box::new(term.path(&mut known)), Box::new(index));
                }
            }
        }
        Ok(term.path(&mut known))
    }

    /// What a name stands for, and how many of the keys behind it belong to that.
    fn named(&mut self, name: &str, keys: &[Result<Value, &Ref<Expr>>]) -> Compiled<(Term, usize)> {
        if let Some(position) = self.scope.iter().rposition(|bound| bound == name) {
            return Ok((Term::Local(self.scope.len() - 1 - position), 0));
        }
        if name == "input" {
            let Some(Ok(part)) = keys.first() else { return unknown("the whole input") };
            let known = self.parts.iter().position(|known| known == part);
            if known.is_none() && self.parts.len() >= PARTS {
                return unknown("too many parts of the input");
            }
            let position = known.unwrap_or_else(|| {
                self.parts.push(part.clone());
                self.parts.len() - 1
            });
            self.reads |= 1 << position;
            let next = keys.get(1).and_then(|key| key.as_ref().ok());
            return Ok((Term::part(position, part, next), 1));
        }
        let own = format!("data.{}.{name}", self.names.package);
        let (mut at, mut taken) = match self.names.imports.get(name) {
            _ if name == "data" => ("data".to_owned(), 0),
            _ if self.positions.contains_key(own.as_str()) => (own, 0),
            Some(import) => (import.join("."), 0),
            None => return unknown("a name that is not bound yet"),
        };
        loop {
            if let Some(&position) = self.positions.get(at.as_str()) {
                if self.sources.get(position).and_then(|source| source.form) == Some(Form::Function) {
                    return unknown("a function as a value");
                }
                self.uses.insert(position);
                return Ok((Term::Rule(position), taken));
            }
            match keys.get(taken) {
                Some(Ok(Value::String(key))) => at = format!("{at}.{key}"),
                _ => return unknown("a reference that leads to no rule"),
            }
            taken += 1;
        }
    }
}

/// As the interpreter has it: one solution is then enough.
fn is_literal(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::Number { .. }
    )
}

/// Whether a term has a value in every solution. The interpreter loses elements of a set otherwise, and the checks
/// refuse such heads.
fn always_defined(term: &Term) -> bool {
    match term {
        Term::Constant(_) | Term::Local(_) => true,
        Term::Array(items) | Term::Set(items) => items.iter().all(always_defined),
        Term::Object(fields) => {
            fields.iter().all(|(key, value)| always_defined(key) && always_defined(value))
        }
        _ => false,
    }
}

fn constants(terms: &[Term]) -> Option<Vec<Value>> {
    let constant = |term: &Term| if let Term::Constant(value) = term { Some(value.clone()) } else { None };
    terms.iter().map(constant).collect()
}

fn array(items: Vec<Term>) -> Term {
    constants(&items).map_or_else(|| Term::Array(items.into()), |values| Term::Constant(Value::from(values)))
}

fn set(items: Vec<Term>) -> Term {
    match constants(&items) {
        Some(values) => Term::Constant(Value::from(values.into_iter().collect::<BTreeSet<_>>())),
        None => Term::Set(items.into()),
    }
}

fn object(fields: Vec<(Term, Term)>) -> Term {
    let mut values = std::collections::BTreeMap::new();
    for (key, value) in &fields {
        let (Term::Constant(key), Term::Constant(value)) = (key, value) else {
            return Term::Object(fields.into());
        };
        values.insert(key.clone(), value.clone());
    }
    Term::Constant(Value::from(values))
}
