//! Checks `not` before an expression with a part that may be undefined. The engine treats the whole
//! expression as undefined, so the `not` holds. OPA evaluates such parts first, outside the `not`, so the
//! line does not hold. A policy must mean the same to both, so a part that may be undefined needs a line of
//! its own.
//!
//! OPA evaluates these parts first: arguments of calls and operands of operators (`in`, `<`, `!=`, `+`), with
//! the references, calls and composites in them, and keys in brackets. It leaves a bare reference in place,
//! also as an operand of `==`.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::fields::{Fields, MAX_SHOWN, text};
use super::names::Target;
use crate::diagnostic::Diagnostic;
use crate::engine::ast::{BoolOp, Expr, Literal, Query, Rule, RuleHead};
use crate::engine::reads::fixed_path;

/// Builtins that are undefined for an empty collection.
const OF_NOTHING: &[&str] = &["max", "min"];

/// The view is not deeper than this; longer paths lead into user-defined content.
const MAX_PATH: usize = 16;

impl<'a> Fields<'a> {
    /// The error for `not expr`, if it is ambiguous.
    pub fn negated(&self, rule: usize, expr: &'a Expr, body: &'a Query) -> Option<Diagnostic> {
        let part = self.apart(rule, expr, body)?;
        let scope = self.rules.get(rule)?.scope;
        // The parser's span of a call or reference may cover several lines.
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

    /// The first part that OPA evaluates before the `not` and that may be undefined.
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
                let total = crate::engine::ast::builtin_arguments(&name).is_some()
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
            // Literals are always defined, and a comprehension over nothing is empty.
            _ => None,
        }
    }

    /// The references that other lines of a body need: if one of them is undefined, the body fails whatever
    /// the `not` says.
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
        // Each `_` is a different variable.
        found.retain(|text| !text.contains("[_]"));
        let found = Rc::new(found);
        self.needed.borrow_mut().insert(key, Rc::clone(&found));
        found
    }

    /// Whether a reference is defined for every request.
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
                // `import input.x`: only the fixed fields of its path are checked.
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

    /// Whether a rule has a value for every request. This is true for partial sets and objects, and for rules
    /// with a default or an unconditional value.
    fn always_holds(&self, name: &str) -> bool {
        if let Some(known) = self.always.borrow().get(name) {
            return *known;
        }
        // Recursive rules are refused elsewhere; this only ensures termination.
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

/// The references without which an expression is undefined.
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
