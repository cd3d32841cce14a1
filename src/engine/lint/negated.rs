//! `not` before something that has an undefined part. The engine takes the whole for undefined, so that
//! the `not` holds. OPA computes the parts first, outside of the `not`, so that its line does not hold.
//! A policy must mean the same to both, so a part that may be undefined gets a line of its own.
//!
//! What OPA computes first: arguments of calls and operands of operators (`in`, `<`, `!=`, `+`), with
//! references, calls and what is made of them; keys in brackets. What it leaves where it stands: a bare
//! reference, also as an operand of `==`.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::fields::{Fields, MAX_SHOWN, text};
use super::names::Target;
use crate::diagnostic::Diagnostic;
use crate::engine::reads::fixed_path;
use crate::engine::rego::{BoolOp, Expr, Literal, Query, Rule, RuleHead};

/// Builtins that are undefined for an empty collection.
const OF_NOTHING: &[&str] = &["max", "min"];

/// The view is not deeper; what is, users have written.
const MAX_PATH: usize = 16;

impl<'a> Fields<'a> {
    /// The error of `not expr`, if it may mean two things.
    pub fn negated(&self, rule: usize, expr: &'a Expr, body: &'a Query) -> Option<Diagnostic> {
        let part = self.apart(rule, expr, body)?;
        let scope = self.rules.get(rule)?.scope;
        // The parser's span of a call or reference may go over several lines.
        let shown = match part.span().text() {
            long if long.contains('\n') || long.len() > MAX_SHOWN => "this part",
            short => short,
        };
        let message = format!(
            "{shown} may be undefined: then this `not` holds here, but its line does not in OPA, which computes {shown} first"
        );
        let value = if shown == "this part" { "…" } else { shown };
        Some(scope.error(part, message).with_help(format!(
            "if the line shall not hold then, write `x := {value}` on the line before and x in its place; if it shall, put what is negated into a rule of its own and write `not that_rule`"
        )))
    }

    /// The first part that is computed before the `not` and may be undefined.
    fn apart(&self, rule: usize, expr: &'a Expr, body: &'a Query) -> Option<&'a Expr> {
        match expr {
            Expr::RefDot { refr, .. } => self.apart(rule, refr, body),
            Expr::RefBrack { refr, index, .. } => {
                self.apart(rule, refr, body).or_else(|| self.undefined(rule, index, Some(body)))
            }
            Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. } | Expr::AssignExpr { lhs, rhs, .. } => {
                [lhs, rhs].into_iter().find_map(|side| match side.as_ref() {
                    Expr::Var { .. } => None,
                    Expr::RefDot { .. } | Expr::RefBrack { .. } => self.apart(rule, side, body),
                    other => self.undefined(rule, other, Some(body)),
                })
            }
            Expr::Call { params, .. } => {
                params.iter().find_map(|param| self.undefined(rule, param, Some(body)))
            }
            Expr::UnaryExpr { expr, .. } => self.apart(rule, expr, body),
            Expr::Var { .. } => None,
            other => self.undefined(rule, other, Some(body)),
        }
    }

    /// The part of an expression that may be undefined.
    pub fn undefined(&self, rule: usize, expr: &'a Expr, body: Option<&'a Query>) -> Option<&'a Expr> {
        match expr {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let known = || body.is_some_and(|body| self.needed(body).contains(expr.span().text()));
                (!self.is_defined(rule, expr) && !known()).then_some(expr)
            }
            Expr::Call { fcn, params, .. } => {
                let name = fixed_path(fcn).unwrap_or_default().join(".");
                let total = crate::engine::rego::builtin_arguments(&name).is_some()
                    && !OF_NOTHING.contains(&name.as_str());
                let inner = params.iter().find_map(|param| self.undefined(rule, param, body));
                inner.or((!total).then_some(expr))
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().find_map(|item| self.undefined(rule, item, body))
            }
            Expr::Object { fields, .. } => fields.iter().find_map(|(_, key, value)| {
                self.undefined(rule, key, body).or_else(|| self.undefined(rule, value, body))
            }),
            Expr::UnaryExpr { expr, .. } => self.undefined(rule, expr, body),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.undefined(rule, lhs, body).or_else(|| self.undefined(rule, rhs, body))
            }
            Expr::Membership { key, value, collection, .. } => {
                key.iter().chain([value, collection]).find_map(|part| self.undefined(rule, part, body))
            }
            // Literals are what they are, and a comprehension over nothing is empty.
            _ => None,
        }
    }

    /// The references that other lines of a body need: if one of them is undefined, the body does not
    /// hold whatever the `not` says.
    fn needed(&self, body: &'a Query) -> Rc<BTreeSet<&'a str>> {
        let key = std::ptr::from_ref(body) as usize;
        if let Some(found) = self.needed.borrow().get(&key) {
            return Rc::clone(found);
        }
        let mut found = BTreeSet::new();
        for statement in &body.stmts {
            match &statement.literal {
                Literal::Expr { expr, .. } => needs(expr, &mut found),
                Literal::SomeIn { collection: expr, .. } | Literal::Every { domain: expr, .. } => {
                    needs(expr, &mut found);
                }
                Literal::SomeVars { .. } | Literal::NotExpr { .. } => {}
            }
        }
        // Each `_` is another one.
        found.retain(|text| !text.contains("[_]"));
        let found = Rc::new(found);
        self.needed.borrow_mut().insert(key, Rc::clone(&found));
        found
    }

    /// Is a reference defined whatever the request?
    fn is_defined(&self, rule: usize, expr: &'a Expr) -> bool {
        let Some(known) = self.rules.get(rule) else { return false };
        let path = fixed_path(expr);
        if path.as_ref().is_some_and(|path| path.len() > MAX_PATH) {
            return false;
        }
        if let Some(path) = &path
            && let Target::Rule(name) = known.scope.target(path)
        {
            return known.scope.whole(path) == name && self.always_holds(&name);
        }
        let field = |refr: &'a Expr, name: &str| {
            self.is_defined(rule, refr) && self.shape(rule, refr, 0).always_has(name)
        };
        match expr {
            Expr::Var { span, .. } => match known.scope.imports.get(span.text()) {
                // `import input.x`: of its parts only what is fixed here.
                Some(import) => self.import_is_defined(rule, import),
                None => true,
            },
            Expr::RefDot { refr, field: name, .. } => field(refr, name.0.text()),
            Expr::RefBrack { refr, index, .. } => match index.as_ref() {
                Expr::String { span, .. } | Expr::RawString { span, .. } => field(refr, text(span.text())),
                _ => false,
            },
            _ => false,
        }
    }

    fn import_is_defined(&self, rule: usize, import: &[String]) -> bool {
        let Some((root, rest)) = import.split_first() else { return false };
        let mut shape = self.name(rule, "input", 0);
        root == "input"
            && rest.iter().all(|key| {
                let always = shape.always_has(key);
                let next = shape.field(key).ok();
                next.into_iter().for_each(|next| shape = next);
                always
            })
    }

    /// Does a rule have a value whatever the request? Sets and objects that are collected do, and what
    /// has a default or a value without a condition.
    fn always_holds(&self, name: &str) -> bool {
        if let Some(known) = self.always.borrow().get(name) {
            return *known;
        }
        // Rules that use each other are refused elsewhere; here they must only come to an end.
        self.always.borrow_mut().insert(name.to_owned(), false);
        let mut indexes = self.by_name.get(name).into_iter().flatten();
        let always = indexes.any(|index| match self.rules.get(*index).map(|known| known.rule) {
            Some(Rule::Default { args, .. }) => args.is_empty(),
            Some(Rule::Spec { head: RuleHead::Set { .. }, .. }) => true,
            Some(Rule::Spec { head: RuleHead::Compr { refr, assign, .. }, bodies, .. }) => {
                let value = assign
                    .as_ref()
                    .is_none_or(|assign| self.undefined(*index, &assign.value, None).is_none());
                let collects = !matches!(refr.as_ref(), Expr::Var { .. });
                collects || (value && bodies.iter().all(|body| body.query.stmts.is_empty()))
            }
            _ => false,
        });
        self.always.borrow_mut().insert(name.to_owned(), always);
        always
    }
}

/// References without which an expression is undefined.
fn needs<'a>(expr: &'a Expr, found: &mut BTreeSet<&'a str>) {
    match expr {
        Expr::Var { span, .. } => drop(found.insert(span.text())),
        Expr::RefDot { span, refr, .. } => {
            found.insert(span.text());
            needs(refr, found);
        }
        Expr::RefBrack { span, refr, index, .. } => {
            found.insert(span.text());
            needs(refr, found);
            needs(index, found);
        }
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().for_each(|item| needs(item, found))
        }
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| needs(value, found)),
        Expr::Call { params, .. } => params.iter().for_each(|param| needs(param, found)),
        Expr::UnaryExpr { expr, .. } => needs(expr, found),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => {
            needs(lhs, found);
            needs(rhs, found);
        }
        Expr::Membership { value, collection, .. } => {
            needs(value, found);
            needs(collection, found);
        }
        _ => {}
    }
}
