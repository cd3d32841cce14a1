//! `not` before something that has an undefined part. The engine takes the whole for undefined, so that
//! the `not` holds. OPA computes the parts first, outside of the `not`, so that its line does not hold.
//! A policy must mean the same to both, so a part that may be undefined gets a line of its own.
//!
//! What OPA computes first: arguments of calls and operands of operators (`in`, `<`, `!=`, `+`), with
//! references, calls and what is made of them; keys in brackets. What it leaves where it stands: a bare
//! reference, also as an operand of `==`.

use super::fields::{Fields, MAX_SHOWN, text};
use super::names::Target;
use crate::diagnostic::Diagnostic;
use crate::engine::reads::fixed_path;
use crate::engine::rego::{BoolOp, Expr, Rule, RuleHead};

/// Builtins that are undefined for an empty collection.
const OF_NOTHING: &[&str] = &["max", "min"];

/// The view is not deeper; what is, users have written.
const MAX_PATH: usize = 16;

impl<'a> Fields<'a> {
    /// The error of `not expr`, if it may mean two things.
    pub fn negated(&self, rule: usize, expr: &'a Expr) -> Option<Diagnostic> {
        let part = self.apart(rule, expr)?;
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
    fn apart(&self, rule: usize, expr: &'a Expr) -> Option<&'a Expr> {
        match expr {
            Expr::RefDot { refr, .. } => self.apart(rule, refr),
            Expr::RefBrack { refr, index, .. } => {
                self.apart(rule, refr).or_else(|| self.undefined(rule, index))
            }
            Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. } | Expr::AssignExpr { lhs, rhs, .. } => {
                [lhs, rhs].into_iter().find_map(|side| match side.as_ref() {
                    Expr::Var { .. } => None,
                    Expr::RefDot { .. } | Expr::RefBrack { .. } => self.apart(rule, side),
                    other => self.undefined(rule, other),
                })
            }
            Expr::Call { params, .. } => params.iter().find_map(|param| self.undefined(rule, param)),
            Expr::UnaryExpr { expr, .. } => self.apart(rule, expr),
            Expr::Var { .. } => None,
            other => self.undefined(rule, other),
        }
    }

    /// The part of an expression that may be undefined.
    pub fn undefined(&self, rule: usize, expr: &'a Expr) -> Option<&'a Expr> {
        match expr {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                (!self.is_defined(rule, expr)).then_some(expr)
            }
            Expr::Call { fcn, params, .. } => {
                let name = fixed_path(fcn).unwrap_or_default().join(".");
                let total = crate::engine::rego::builtin_arguments(&name).is_some()
                    && !OF_NOTHING.contains(&name.as_str());
                let inner = params.iter().find_map(|param| self.undefined(rule, param));
                inner.or((!total).then_some(expr))
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().find_map(|item| self.undefined(rule, item))
            }
            Expr::Object { fields, .. } => fields.iter().find_map(|(_, key, value)| {
                self.undefined(rule, key).or_else(|| self.undefined(rule, value))
            }),
            Expr::UnaryExpr { expr, .. } => self.undefined(rule, expr),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => {
                self.undefined(rule, lhs).or_else(|| self.undefined(rule, rhs))
            }
            Expr::Membership { key, value, collection, .. } => {
                key.iter().chain([value, collection]).find_map(|part| self.undefined(rule, part))
            }
            // Literals are what they are, and a comprehension over nothing is empty.
            _ => None,
        }
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
                let value =
                    assign.as_ref().is_none_or(|assign| self.undefined(*index, &assign.value).is_none());
                let collects = !matches!(refr.as_ref(), Expr::Var { .. });
                collects || (value && bodies.iter().all(|body| body.query.stmts.is_empty()))
            }
            _ => false,
        });
        self.always.borrow_mut().insert(name.to_owned(), always);
        always
    }
}
