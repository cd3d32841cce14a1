//! The order in which the interpreter works through the lines of a body: as written, but each only after what it uses
//! is bound. The order decides which of two faults is met first, so it is the interpreter's own: this follows the
//! `scheduler` of regorus 0.14 for what the compiler takes.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::{Names, declared, pattern, used};
use crate::engine::ast::{Expr, Literal, LiteralStmt, Query};

/// What a line binds, and what that needs. The empty name stands for a line that only tests.
struct Definition<'a> {
    name: &'a str,
    uses: Names<'a>,
}

/// The positions of the lines in the order in which they are evaluated; None if there is none.
pub fn order(query: &Query) -> Option<Vec<usize>> {
    let names = declared(query);
    let lines: Vec<Vec<Definition<'_>>> = query.stmts.iter().map(|line| definitions(line, &names)).collect();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, definitions) in lines.iter().enumerate() {
        for definition in definitions {
            by_name.entry(definition.name).or_default().push(position);
        }
    }
    let mut schedule =
        Schedule { lines: &lines, order: Vec::new(), bound: BTreeSet::new(), done: vec![false; lines.len()] };
    let tests = by_name.get("").cloned().unwrap_or_default();
    schedule.take(&tests);
    let mut left: Vec<&str> = by_name.keys().copied().collect();
    loop {
        let mut progress = false;
        let mut again = Vec::new();
        for name in left {
            let (some, not_all) = by_name.get(name).map_or((false, false), |lines| schedule.take(lines));
            if some {
                progress = true;
                schedule.take(&tests);
            }
            if not_all {
                again.push(name);
            }
        }
        if !progress {
            break;
        }
        left = again;
    }
    (schedule.order.len() == lines.len()).then_some(schedule.order)
}

struct Schedule<'s, 'a> {
    lines: &'s [Vec<Definition<'a>>],
    order: Vec<usize>,
    bound: Names<'a>,
    done: Vec<bool>,
}

impl Schedule<'_, '_> {
    /// Takes those of these lines that can be evaluated now. Were there some, and are others left?
    fn take(&mut self, positions: &[usize]) -> (bool, bool) {
        let (mut some, mut not_all) = (false, false);
        for &position in positions {
            let (Some(definitions), Some(done)) = (self.lines.get(position), self.done.get_mut(position))
            else {
                continue;
            };
            if *done {
                continue;
            }
            if can_be_bound(definitions, &self.bound) {
                *done = true;
                some = true;
                self.order.push(position);
                self.bound.extend(definitions.iter().map(|definition| definition.name));
            } else {
                not_all = true;
            }
        }
        (some, not_all)
    }
}

/// Whether all that a line binds can be bound, one after the other.
fn can_be_bound(definitions: &[Definition<'_>], bound: &Names<'_>) -> bool {
    let mut own = Names::new();
    let mut left: Vec<&Definition<'_>> = definitions.iter().collect();
    while !left.is_empty() {
        let before = left.len();
        left.retain(|definition| {
            // The interpreter looks at a line with one definition without what the line itself binds.
            let known = |name: &&str| bound.contains(*name) || (definitions.len() > 1 && own.contains(*name));
            let can = definition.uses.iter().all(known);
            if can {
                own.insert(definition.name);
            }
            !can
        });
        if left.len() == before {
            return false;
        }
    }
    true
}

fn definitions<'a>(line: &'a LiteralStmt, names: &Names<'a>) -> Vec<Definition<'a>> {
    let mut found = Vec::new();
    match &line.literal {
        Literal::SomeIn { key, value, collection, .. } => {
            let uses = uses(collection, names, &mut found);
            let mut bound = Names::new();
            key.iter().for_each(|key| pattern(key, &mut bound));
            pattern(value, &mut bound);
            found.extend(bound.iter().map(|name| Definition { name, uses: uses.clone() }));
            found.push(Definition { name: "", uses: Names::new() });
        }
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => match expr.as_ref() {
            Expr::AssignExpr { lhs, rhs, .. } => assignment(lhs, rhs, names, &mut found),
            _ => {
                let uses = uses(expr, names, &mut found);
                found.push(Definition { name: "", uses });
            }
        },
        Literal::Every { domain, .. } => {
            let uses = uses(domain, names, &mut found);
            found.push(Definition { name: "", uses });
        }
        Literal::SomeVars { .. } => {}
    }
    if found.is_empty() {
        found.push(Definition { name: "", uses: Names::new() });
    }
    found
}

fn assignment<'a>(lhs: &'a Expr, rhs: &'a Expr, names: &Names<'a>, found: &mut Vec<Definition<'a>>) {
    if let (Expr::Array { items: left, .. }, Expr::Array { items: right, .. }) = (lhs, rhs)
        && left.len() == right.len()
    {
        left.iter().zip(right).for_each(|(lhs, rhs)| assignment(lhs, rhs, names, found));
        return;
    }
    // Either side is taken to bind the other.
    for (to, from) in [(lhs, rhs), (rhs, lhs)] {
        let uses = uses(from, names, found);
        let mut bound = Names::new();
        pattern(to, &mut bound);
        bound.retain(|name| names.contains(name));
        if bound.is_empty() {
            found.push(Definition { name: "", uses });
            continue;
        }
        for name in bound {
            let uses = uses.iter().copied().filter(|used| *used != name).collect();
            found.push(Definition { name, uses });
        }
    }
}

/// The names that an expression uses. A name in brackets counts as bound there, too.
fn uses<'a>(expr: &'a Expr, names: &Names<'a>, found: &mut Vec<Definition<'a>>) -> Names<'a> {
    let mut uses = Names::new();
    used(expr, names, &mut uses);
    in_brackets(expr, names, found);
    uses
}

/// Whether an expression has in brackets a name that these lines bind, alone or in a list.
pub fn brackets_bound_by(expr: &Expr, query: &Query) -> bool {
    let names = declared(query);
    let mut found = Names::new();
    each_bracket(expr, &mut |_, index| {
        if matches!(index, Expr::Var { .. } | Expr::Array { .. }) {
            used(index, &names, &mut found);
        }
    });
    !found.is_empty()
}

fn in_brackets<'a>(expr: &'a Expr, names: &Names<'a>, found: &mut Vec<Definition<'a>>) {
    each_bracket(expr, &mut |refr, index| {
        if let Expr::Var { span, .. } = index
            && names.contains(span.text())
        {
            let mut uses = Names::new();
            used(refr, names, &mut uses);
            found.push(Definition { name: span.text(), uses });
        }
    });
}

/// Each reference with brackets and what is in them, but none inside of comprehensions.
fn each_bracket<'a>(expr: &'a Expr, tell: &mut dyn FnMut(&'a Expr, &'a Expr)) {
    match expr {
        Expr::RefBrack { refr, index, .. } => {
            tell(refr, index);
            each_bracket(refr, tell);
            each_bracket(index, tell);
        }
        Expr::RefDot { refr, .. } => each_bracket(refr, tell),
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().for_each(|item| each_bracket(item, tell));
        }
        Expr::Object { fields, .. } => {
            for (_, key, value) in fields {
                each_bracket(key, tell);
                each_bracket(value, tell);
            }
        }
        Expr::Call { params, .. } => params.iter().for_each(|param| each_bracket(param, tell)),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. } => {
            each_bracket(lhs, tell);
            each_bracket(rhs, tell);
        }
        Expr::Membership { key, value, collection, .. } => {
            key.iter().for_each(|key| each_bracket(key, tell));
            each_bracket(value, tell);
            each_bracket(collection, tell);
        }
        _ => {}
    }
}
