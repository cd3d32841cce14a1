//! Which names a body declares, and which of them an expression uses.

use std::collections::BTreeSet;

use crate::engine::ast::{AssignOp, Expr, Literal, Query, Ref};

/// Names in the order of their text.
pub type Names<'a> = BTreeSet<&'a str>;

/// The names that the lines of a body declare.
pub fn declared(query: &Query) -> Names<'_> {
    let mut names = Names::new();
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeIn { key, value, .. } => {
                key.iter().for_each(|key| pattern(key, &mut names));
                pattern(value, &mut names);
            }
            Literal::Expr { expr, .. } => {
                if let Expr::AssignExpr { op: AssignOp::ColEq, lhs, .. } = expr.as_ref() {
                    pattern(lhs, &mut names);
                }
            }
            _ => {}
        }
    }
    names
}

/// The names that a pattern binds.
pub fn pattern<'a>(expr: &'a Expr, names: &mut Names<'a>) {
    match expr {
        Expr::Var { span, .. } if span.text() != "_" => drop(names.insert(span.text())),
        Expr::Array { items, .. } => items.iter().for_each(|item| pattern(item, names)),
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| pattern(value, names)),
        _ => {}
    }
}

/// Adds which of these names an expression uses.
pub fn used<'a>(expr: &'a Expr, names: &Names<'a>, found: &mut Names<'a>) {
    let mut each = |exprs: &mut dyn Iterator<Item = &'a Ref<Expr>>| {
        exprs.for_each(|expr| used(expr, names, found));
    };
    match expr {
        Expr::Var { span, .. } if names.contains(span.text()) => drop(found.insert(span.text())),
        Expr::Array { items, .. } | Expr::Set { items, .. } => each(&mut items.iter()),
        Expr::Object { fields, .. } => each(&mut fields.iter().flat_map(|(_, key, value)| [key, value])),
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
            inner(query, &[term], names, found);
        }
        Expr::ObjectCompr { key, value, query, .. } => inner(query, &[key, value], names, found),
        Expr::Call { params, .. } => each(&mut params.iter()),
        Expr::UnaryExpr { expr, .. } => used(expr, names, found),
        Expr::RefDot { refr, .. } => used(refr, names, found),
        Expr::RefBrack { refr, index, .. } => each(&mut [refr, index].into_iter()),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => each(&mut [lhs, rhs].into_iter()),
        Expr::Membership { key, value, collection, .. } => {
            each(&mut key.iter().chain([value, collection]));
        }
        _ => {}
    }
}

/// What a comprehension uses of the names around it.
fn inner<'a>(query: &'a Query, outputs: &[&'a Ref<Expr>], names: &Names<'a>, found: &mut Names<'a>) {
    let own = declared(query);
    let names: Names<'_> = names.difference(&own).copied().collect();
    outputs.iter().for_each(|output| used(output, &names, found));
    body(query, &names, found);
}

fn body<'a>(query: &'a Query, names: &Names<'a>, found: &mut Names<'a>) {
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeIn { key, value, collection, .. } => {
                key.iter().for_each(|key| used(key, names, found));
                used(value, names, found);
                used(collection, names, found);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => used(expr, names, found),
            Literal::Every { domain, query, .. } => {
                used(domain, names, found);
                body(query, names, found);
            }
            Literal::SomeVars { .. } => {}
        }
    }
}
