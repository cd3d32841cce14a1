//! Checks heads of rules that iterate over elements. If the head is undefined for one element, the
//! interpreter drops the results found so far, or fails, so violations would disappear silently.

use std::collections::BTreeSet;

use super::fields::{Fields, KnownRule};
use super::names::{Scope, fixed_start};
use crate::diagnostic::Diagnostic;
use crate::engine::ast::{Expr, Literal, Query, Rule, RuleHead};
use crate::engine::compiled::brackets_bound_by;
use crate::engine::walk::{self, AstNode, ValueOrigin};

pub fn check(scope: &Scope<'_>, errors: &mut Vec<Diagnostic>) {
    for rule in &scope.module.policy {
        if let Some(value) = before_else(rule) {
            errors.push(
                scope
                    .error(
                        value,
                        "the engine tries all values for a name in brackets here, as if the body did not bind it: the rule has an else",
                    )
                    .with_help("compute it in the body: `x := v if { …; v := … } else := …`"),
            );
        }
        let Rule::Spec { head: RuleHead::Set { key: Some(key), .. }, .. } = rule.as_ref() else { continue };
        let mut bound: BTreeSet<&str> = BTreeSet::new();
        walk::rule(rule, &mut |node| {
            if let AstNode::Declares(span, _) = node {
                bound.insert(span.text());
            }
        });
        if !is_bound(key, &bound) {
            errors.push(
                scope
                    .error(
                        key,
                        "what a rule contains must be a variable that its body binds, or be made of such",
                    )
                    .with_help("write `violation contains v if { …; v := {\"msg\": …, \"path\": …} }`"),
            );
        }
    }
}

/// The value in the head of a rule with `else`, if a name in its brackets is bound in the body.
fn before_else(rule: &Rule) -> Option<&Expr> {
    let Rule::Spec { head, bodies, .. } = rule else { return None };
    let assign = match head {
        RuleHead::Compr { assign, .. } | RuleHead::Func { assign, .. } => assign.as_ref()?,
        RuleHead::Set { .. } => return None,
    };
    let [first, _, ..] = bodies.as_slice() else { return None };
    brackets_bound_by(&assign.value, &first.query).then_some(&*assign.value)
}

fn is_bound(expr: &Expr, bound: &BTreeSet<&str>) -> bool {
    match expr {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. } => true,
        Expr::Var { span, .. } => bound.contains(span.text()),
        Expr::Object { fields, .. } => {
            fields.iter().all(|(_, key, value)| is_bound(key, bound) && is_bound(value, bound))
        }
        Expr::Array { items, .. } => items.iter().all(|item| is_bound(item, bound)),
        _ => false,
    }
}

/// The same check for other heads: `x[key] := value if some …` and `x := value if some …`. They may contain
/// parts that are always defined. Functions are not affected.
pub fn parts<'a>(fields: &Fields<'a>, rule: usize) -> Option<Diagnostic> {
    let known = fields.rules.get(rule)?;
    let Rule::Spec { head, bodies, .. } = known.rule else { return None };
    let (refr, value) = match head {
        RuleHead::Compr { refr, assign, .. } => (refr, assign.as_ref()),
        RuleHead::Set { refr, .. } => (refr, None),
        RuleHead::Func { .. } => return None,
    };
    let mut keys = Vec::new();
    brackets(refr, &mut keys);
    let own = keys.into_iter().chain(value.map(|value| value.value.as_ref()));
    let own: Vec<&Expr> = own.collect();
    let in_head = own.iter().any(|part| goes_through(known, part));
    let first = bodies.iter().take(1).any(|body| goes_through_some(known, &body.query));
    let body = bodies.first().map(|body| body.query.as_ref());
    let of_head = own.into_iter().filter(|_| in_head || first).map(|part| (part, body));
    let of_others = bodies.iter().filter_map(|body| {
        let value = body.assign.as_ref()?.value.as_ref();
        (goes_through(known, value) || goes_through_some(known, &body.query))
            .then_some((value, Some(body.query.as_ref())))
    });
    let part = of_head.chain(of_others).find_map(|(part, body)| fields.undefined(rule, part, body))?;
    let name = fixed_start(refr).join(".");
    let form = match refr.as_ref() {
        Expr::Var { .. } => format!("`{name} := v if {{ …; v := … }}`"),
        _ => format!("`{name}[k] := v if {{ …; k := …; v := … }}`"),
    };
    let message = "this may be undefined for one of the elements that the rule goes through: then the engine loses what the others gave";
    Some(known.scope.error(part, message).with_help(format!(
        "compute it in the body, where undefined means that the element does not count: {form}"
    )))
}

/// The expressions in the brackets of a head.
fn brackets<'a>(refr: &'a Expr, found: &mut Vec<&'a Expr>) {
    match refr {
        Expr::RefBrack { refr, index, .. } => {
            brackets(refr, found);
            found.push(index);
        }
        Expr::RefDot { refr, .. } => brackets(refr, found),
        _ => {}
    }
}

fn goes_through_some(known: &KnownRule<'_>, query: &Query) -> bool {
    query.stmts.iter().any(|statement| match &statement.literal {
        Literal::SomeVars { .. } | Literal::SomeIn { .. } => true,
        Literal::Expr { expr, .. } => goes_through(known, expr),
        Literal::NotExpr { .. } | Literal::Every { .. } => false,
    })
}

/// Whether an expression iterates over several values. A comprehension in it is a single value.
fn goes_through(known: &KnownRule<'_>, expr: &Expr) -> bool {
    let through = |expr: &Expr| goes_through(known, expr);
    match expr {
        Expr::RefDot { refr, .. } => through(refr),
        Expr::RefBrack { refr, index, .. } => {
            let free = match index.as_ref() {
                Expr::Var { span, .. } => {
                    let origins = known.locals.get(span.text()).into_iter().flatten();
                    let is_rule = known.scope.names.has_rule(&known.scope.package, span.text());
                    !is_rule && origins.into_iter().all(|origin| matches!(origin, ValueOrigin::Unknown))
                }
                other => through(other),
            };
            free || through(refr)
        }
        Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().any(|item| through(item)),
        Expr::Object { fields, .. } => fields.iter().any(|(_, key, value)| through(key) || through(value)),
        Expr::Call { fcn, params, .. } => {
            fixed_start(fcn) == ["walk"] || params.iter().any(|param| through(param))
        }
        Expr::UnaryExpr { expr, .. } => through(expr),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => through(lhs) || through(rhs),
        Expr::Membership { key, value, collection, .. } => {
            key.iter().chain([value, collection]).any(|part| through(part))
        }
        _ => false,
    }
}
