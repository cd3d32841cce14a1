//! Checks how often a value holds the same part. A chain of rules such as `b := [a, a]` doubles it with each
//! step: forty steps take no memory, since parts are shared, but comparing or writing the value would never end.
//! The same goes for numbers that are multiplied by themselves.

use std::collections::HashMap;

use super::names::{Scope, Target, fixed_start};
use crate::diagnostic::Diagnostic;
use crate::engine::ast::{ArithOp, Expr, Literal, Query, Rule, RuleHead};
use crate::engine::builtins;
use crate::engine::reads::fixed_path;

/// How many parts of one size a value may be written with, loops aside: those are counted when it is evaluated.
const MOST_PARTS: f64 = 100_000.0;
/// How many numbers may be multiplied with one another.
const MOST_FACTORS: f64 = 64.0;

pub fn check(scopes: &[Scope<'_>], errors: &mut Vec<Diagnostic>) {
    let mut rules: HashMap<String, Vec<(&Scope<'_>, &Rule)>> = HashMap::new();
    for scope in scopes {
        for rule in &scope.module.policy {
            let name = scope.name_of(rule);
            rules.entry(name).or_default().push((scope, rule));
        }
    }
    let mut names: Vec<&String> = rules.keys().collect();
    names.sort_unstable();
    let mut growth = Growth { rules: &rules, known: HashMap::new(), errors };
    for name in names {
        growth.of_rule(name);
    }
}

/// What a value is made of, at most.
#[derive(Clone, Copy, PartialEq)]
struct Parts {
    /// Its own parts: literals, and what is read of the input.
    own: f64,
    /// How often it holds an argument of the function that makes it.
    arguments: f64,
    /// As a number: how many numbers are multiplied in it.
    factors: f64,
}

impl Parts {
    const ONE: Self = Self { own: 1.0, arguments: 0.0, factors: 1.0 };
    const ARGUMENT: Self = Self { own: 0.0, arguments: 1.0, factors: 1.0 };

    fn and(self, other: Self) -> Self {
        Self {
            own: self.own + other.own,
            arguments: self.arguments + other.arguments,
            factors: self.factors.max(other.factors),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            own: self.own.max(other.own),
            arguments: self.arguments.max(other.arguments),
            factors: self.factors.max(other.factors),
        }
    }

    fn times(self, other: Self) -> Self {
        Self { factors: self.factors + other.factors, ..self.or(other) }
    }

    fn all(self) -> f64 {
        self.own + self.arguments
    }

    /// What a function that makes these parts makes of such an argument.
    fn of_argument(self, argument: Self) -> Self {
        Self {
            own: self.own + self.arguments * argument.own,
            arguments: self.arguments * argument.arguments,
            factors: self.factors * argument.factors,
        }
    }
}

struct Growth<'a, 'e> {
    rules: &'a HashMap<String, Vec<(&'a Scope<'a>, &'a Rule)>>,
    known: HashMap<&'a str, Parts>,
    errors: &'e mut Vec<Diagnostic>,
}

/// The locals of a rule, each with the expressions that it may be bound to. The same name in two scopes of a rule
/// counts as one.
struct Locals<'a> {
    scope: &'a Scope<'a>,
    bound: HashMap<&'a str, Vec<&'a Expr>>,
    known: HashMap<&'a str, Parts>,
}

impl<'a> Growth<'a, '_> {
    /// The parts that the value of a rule has, or that a function makes of one.
    fn of_rule(&mut self, name: &str) -> Parts {
        let Some((name, definitions)) = self.rules.get_key_value(name) else { return Parts::ONE };
        if let Some(known) = self.known.get(name.as_str()) {
            return *known;
        }
        // There are no cycles here; a rule that is still being looked at is a package's other rule.
        self.known.insert(name, Parts::ONE);
        let all = definitions.iter().map(|(scope, rule)| self.of_definition(scope, rule));
        let largest = all.fold(Parts::ONE, Parts::or);
        self.known.insert(name, largest);
        largest
    }

    fn of_definition(&mut self, scope: &'a Scope<'a>, rule: &'a Rule) -> Parts {
        let mut locals = Locals { scope, bound: HashMap::new(), known: HashMap::new() };
        let mut values: Vec<&'a Expr> = Vec::new();
        match rule {
            Rule::Default { value, .. } => values.push(value),
            Rule::Spec { head, bodies, .. } => {
                match head {
                    RuleHead::Func { args, assign, .. } => {
                        args.iter().for_each(|argument| arguments(argument, &mut locals.known));
                        values.extend(assign.iter().map(|assign| assign.value.as_ref()));
                    }
                    RuleHead::Compr { assign, .. } => {
                        values.extend(assign.iter().map(|assign| assign.value.as_ref()));
                    }
                    RuleHead::Set { key, .. } => values.extend(key.iter().map(AsRef::as_ref)),
                }
                for body in bodies {
                    values.extend(body.assign.iter().map(|assign| assign.value.as_ref()));
                    statements(&body.query, &mut locals.bound);
                }
            }
        }
        values.iter().for_each(|value| nested(value, &mut locals.bound));
        let names: Vec<&str> = locals.bound.keys().copied().collect();
        for name in names {
            self.of_local(name, &mut locals);
        }
        if let Rule::Spec { bodies, .. } = rule {
            for body in bodies {
                self.of_query(&body.query, &mut locals);
            }
        }
        values.iter().map(|value| self.of(value, &mut locals)).fold(Parts::ONE, Parts::or)
    }

    fn of_local(&mut self, name: &'a str, locals: &mut Locals<'a>) -> Parts {
        if let Some(known) = locals.known.get(name) {
            return *known;
        }
        // `x = y; y = x`
        locals.known.insert(name, Parts::ONE);
        let bound = locals.bound.get(name).cloned().unwrap_or_default();
        let largest = bound.into_iter().map(|expr| self.of(expr, locals)).fold(Parts::ONE, Parts::or);
        locals.known.insert(name, largest);
        largest
    }

    fn of_query(&mut self, query: &'a Query, locals: &mut Locals<'a>) -> Parts {
        let mut largest = Parts::ONE;
        for statement in &query.stmts {
            largest = largest.or(match &statement.literal {
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.of(expr, locals),
                Literal::SomeIn { collection, .. } => self.of(collection, locals),
                Literal::Every { domain, query, .. } => {
                    self.of(domain, locals).or(self.of_query(query, locals))
                }
                Literal::SomeVars { .. } => Parts::ONE,
            });
        }
        largest
    }

    /// The parts that an expression is made of. One that has too many is reported once, not again wherever it is
    /// used.
    fn of(&mut self, expr: &'a Expr, locals: &mut Locals<'a>) -> Parts {
        let parts = self.parts(expr, locals);
        let what = match (parts.all() > MOST_PARTS, parts.factors > MOST_FACTORS) {
            (false, false) => return parts,
            (true, _) => "this holds the same parts more than 100,000 times",
            (false, true) => "this multiplies more than 64 numbers",
        };
        let message = format!("{what}, as each step uses the one before it several times");
        let help = "use each value once; what is needed several times is needed only where it is reported";
        let error = locals.scope.error(expr, message).with_help(help);
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
        Parts::ONE
    }

    fn parts(&mut self, expr: &'a Expr, locals: &mut Locals<'a>) -> Parts {
        match expr {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.of_reference(expr, locals),
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().fold(Parts::ONE, |all, item| all.and(self.of(item, locals)))
            }
            Expr::Object { fields, .. } => fields.iter().fold(Parts::ONE, |all, (_, key, value)| {
                all.and(self.of(key, locals)).and(self.of(value, locals))
            }),
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.of_query(query, locals);
                self.of(term, locals)
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                self.of_query(query, locals);
                self.of(key, locals).and(self.of(value, locals))
            }
            Expr::Call { fcn, params, .. } => {
                let arguments: Vec<Parts> = params.iter().map(|param| self.of(param, locals)).collect();
                let path = fixed_path(fcn).unwrap_or_default();
                match locals.scope.target(&path) {
                    Target::Rule(name) => {
                        self.of_rule(&name).of_argument(arguments.into_iter().fold(Parts::ONE, Parts::or))
                    }
                    _ if builtins::makes_values(&path.join(".")) => {
                        arguments.into_iter().reduce(Parts::and).unwrap_or(Parts::ONE)
                    }
                    _ => Parts::ONE,
                }
            }
            Expr::ArithExpr { op: ArithOp::Mul, lhs, rhs, .. } => {
                self.of(lhs, locals).times(self.of(rhs, locals))
            }
            Expr::ArithExpr { lhs, rhs, .. } => self.of(lhs, locals).or(self.of(rhs, locals)),
            Expr::BinExpr { lhs, rhs, .. } => self.of(lhs, locals).and(self.of(rhs, locals)),
            Expr::UnaryExpr { expr, .. } => self.of(expr, locals),
            Expr::AssignExpr { lhs, rhs, .. } | Expr::BoolExpr { lhs, rhs, .. } => {
                self.of(lhs, locals);
                self.of(rhs, locals);
                Parts::ONE
            }
            Expr::Membership { value, collection, .. } => {
                self.of(value, locals);
                self.of(collection, locals);
                Parts::ONE
            }
            _ => Parts::ONE,
        }
    }

    /// A part of a value counts as all of it.
    fn of_reference(&mut self, expr: &'a Expr, locals: &mut Locals<'a>) -> Parts {
        let path = fixed_start(expr);
        match locals.scope.target(&path) {
            Target::Rule(name) => self.of_rule(&name),
            Target::Local => match start(expr) {
                Some(name) => self.of_local(name, locals),
                None => Parts::ONE,
            },
            _ => Parts::ONE,
        }
    }
}

/// The name that a reference starts with.
fn start(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Var { span, .. } => Some(span.text()),
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => start(refr),
        _ => None,
    }
}

/// The names in an argument's pattern.
fn arguments<'a>(pattern: &'a Expr, known: &mut HashMap<&'a str, Parts>) {
    match pattern {
        Expr::Var { span, .. } => drop(known.insert(span.text(), Parts::ARGUMENT)),
        Expr::Array { items, .. } => items.iter().for_each(|item| arguments(item, known)),
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, field)| arguments(field, known)),
        _ => {}
    }
}

/// Collects what names are bound to in a query.
fn statements<'a>(query: &'a Query, bound: &mut HashMap<&'a str, Vec<&'a Expr>>) {
    for statement in &query.stmts {
        match &statement.literal {
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => nested(expr, bound),
            Literal::SomeIn { key, value, collection, .. } => {
                key.iter().for_each(|key| bind(key, collection, bound));
                bind(value, collection, bound);
                nested(collection, bound);
            }
            Literal::Every { value, domain, query: inner, .. } => {
                bound.entry(value.text()).or_default().push(domain);
                nested(domain, bound);
                statements(inner, bound);
            }
            Literal::SomeVars { .. } => {}
        }
    }
}

/// The same for what an expression holds: assignments and comprehensions.
fn nested<'a>(expr: &'a Expr, bound: &mut HashMap<&'a str, Vec<&'a Expr>>) {
    match expr {
        Expr::AssignExpr { lhs, rhs, .. } => {
            bind(lhs, rhs, bound);
            bind(rhs, lhs, bound);
            nested(lhs, bound);
            nested(rhs, bound);
        }
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().for_each(|item| nested(item, bound));
        }
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, key, value)| {
            nested(key, bound);
            nested(value, bound);
        }),
        Expr::ArrayCompr { term, query: inner, .. } | Expr::SetCompr { term, query: inner, .. } => {
            nested(term, bound);
            statements(inner, bound);
        }
        Expr::ObjectCompr { key, value, query: inner, .. } => {
            nested(key, bound);
            nested(value, bound);
            statements(inner, bound);
        }
        Expr::Call { params, .. } => params.iter().for_each(|param| nested(param, bound)),
        Expr::UnaryExpr { expr, .. } => nested(expr, bound),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. } => {
            nested(lhs, bound);
            nested(rhs, bound);
        }
        Expr::Membership { value, collection, .. } => {
            nested(value, bound);
            nested(collection, bound);
        }
        Expr::RefDot { refr, .. } => nested(refr, bound),
        Expr::RefBrack { refr, index, .. } => {
            nested(refr, bound);
            nested(index, bound);
        }
        _ => {}
    }
}

/// Every name of a pattern may stand for any part of the value.
fn bind<'a>(pattern: &'a Expr, value: &'a Expr, bound: &mut HashMap<&'a str, Vec<&'a Expr>>) {
    match pattern {
        Expr::Var { span, .. } => bound.entry(span.text()).or_default().push(value),
        Expr::Array { items, .. } => items.iter().for_each(|item| bind(item, value, bound)),
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, field)| bind(field, value, bound)),
        _ => {}
    }
}
