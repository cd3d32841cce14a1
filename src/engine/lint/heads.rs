//! Heads of `contains` rules. The interpreter forgets what it has found already when the head of a later
//! element is undefined: violations would vanish without a word.

use std::collections::BTreeSet;

use super::names::Scope;
use crate::diagnostic::Diagnostic;
use crate::engine::rego::{Expr, Rule, RuleHead};
use crate::engine::walk::{self, Node};

pub fn check(scope: &Scope<'_>, errors: &mut Vec<Diagnostic>) {
    for rule in &scope.module.policy {
        let Rule::Spec { head: RuleHead::Set { key: Some(key), .. }, .. } = rule.as_ref() else { continue };
        let mut bound: BTreeSet<&str> = BTreeSet::new();
        walk::rule(rule, &mut |node| {
            if let Node::Declares(span, _) = node {
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
