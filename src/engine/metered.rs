//! Meters what regorus does and offers no hook for: set operators make sets of any size in one step, and errors
//! quote values, each part as often as it occurs. Where that can happen in a policy, a value is put through a
//! function that charges for it. The text is changed and not the tree, since the engine takes texts only.

use std::collections::HashSet;

use super::ast::{ArithOp, AstModule, Engine, Expr, Rule, RuleHead, Value};
use super::compiled::columns;
use super::limits::{self, BYTES, VALUE};
use super::walk::{self, AstNode};

/// An operand, and how many set operators work on it; 0 for arithmetic.
const OPERAND: &str = "__stategate_operand";
/// A result of a function that may have several: the error quotes all of them.
const RESULT: &str = "__stategate_result";
/// A key or a value of an object comprehension: the error quotes those that do not agree.
const ENTRY: &str = "__stategate_entry";

/// Bytes of a key or a value in an object comprehension.
const LARGEST_ENTRY: usize = BYTES / 4;

/// Adds the functions to an engine. No policy can name them: they are no known functions to the checks.
pub fn add(engine: &mut Engine) {
    type Charge = fn(&[Value]) -> usize;
    for (name, arguments, cost) in
        [(OPERAND, 2, operand_of as Charge), (RESULT, 1, result as Charge), (ENTRY, 1, entry as Charge)]
    {
        let call = move |values: Vec<Value>| {
            limits::charge(cost(&values))?;
            Ok(values.into_iter().next().unwrap_or(Value::Undefined))
        };
        // It fails only if the engine has this extension already.
        let _ = engine.add_extension(name.to_owned(), arguments, Box::new(call));
    }
}

fn operand_of(values: &[Value]) -> usize {
    let operators = values.get(1).and_then(|count| count.as_u64().ok()).unwrap_or(0);
    let operators = usize::try_from(operators).unwrap_or(usize::MAX);
    values.first().map_or(0, |value| operand(value, operators))
}

/// What an operand costs, and how many set operators work on it.
pub fn operand(value: &Value, operators: usize) -> usize {
    match value {
        Value::Set(items) if operators > 0 => items.len().saturating_mul(VALUE).saturating_mul(operators),
        // Not an operand that this operator takes: the error quotes it.
        other @ (Value::Array(_) | Value::Object(_) | Value::Set(_)) => limits::size(other, BYTES + 1),
        Value::String(text) => text.len(),
        _ => 0,
    }
}

/// An error of several results quotes them shorter than they count.
fn result(values: &[Value]) -> usize {
    values.first().map_or(0, |value| share(limits::size(value, BYTES + 1), BYTES, 4))
}

/// Only two of the values are quoted, so what counts is how large one is. To find that out is work, too.
fn entry(values: &[Value]) -> usize {
    values.first().map_or(0, |value| share(limits::size(value, LARGEST_ENTRY + 1), LARGEST_ENTRY, 64))
}

fn share(size: usize, most: usize, divisor: usize) -> usize {
    if size > most { usize::MAX } else { size / divisor }
}

/// A text with its meters, and where they are.
pub struct Metered {
    /// What the engine is given.
    pub text: String,
    /// In the order of the text.
    pub inserted: Vec<Inserted>,
}

/// Something that was put into a text: before this line and column of the original, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inserted {
    line: usize,
    column: usize,
    length: usize,
}

/// The column in the original text of a column in the metered one.
pub fn original_column(inserted: &[Inserted], line: usize, column: usize) -> usize {
    let mut before = 0;
    for part in inserted.iter().filter(|part| part.line == line) {
        let start = part.column + before;
        if column < start {
            break;
        }
        if column < start + part.length {
            return part.column;
        }
        before += part.length;
    }
    column - before
}

/// The text of a module with its meters; None if it needs none.
pub fn meter(module: &AstModule, text: &str) -> Option<Metered> {
    let mut meters = Meters { wraps: Vec::new(), inner: HashSet::new() };
    for rule in &module.policy {
        // Its value is a constant, and no call may stand there.
        let Rule::Spec { head, bodies, .. } = rule.as_ref() else { continue };
        walk::rule(rule, &mut |node| meters.node(node));
        if let RuleHead::Func { assign, .. } = head
            && (bodies.len() > 1 || has_choices(rule))
        {
            let values = assign.iter().chain(bodies.iter().filter_map(|body| body.assign.as_ref()));
            values.for_each(|assign| meters.wrap(&assign.value, RESULT, String::new()));
        }
    }
    meters.apply(text)
}

/// Whether a function may be evaluated several times for one call. Takes names in brackets for choices, and what is
/// within comprehensions, too.
fn has_choices(rule: &Rule) -> bool {
    let mut choices = false;
    walk::rule(rule, &mut |node| match node {
        AstNode::Declares(_, walk::ValueOrigin::Item(_) | walk::ValueOrigin::Unknown)
        | AstNode::Unifies(_) => choices = true,
        _ => {}
    });
    choices
}

struct Wrap {
    start: usize,
    end: usize,
    function: &'static str,
    /// After the value.
    more: String,
}

struct Meters {
    wraps: Vec<Wrap>,
    /// Operators that are operands of others, and metered with them.
    inner: HashSet<u32>,
}

impl Meters {
    fn node(&mut self, node: AstNode<'_>) {
        match node {
            AstNode::Operation(expr) if !self.inner.contains(&expr.eidx()) => {
                let mut leaves = Vec::new();
                self.leaves(expr, &mut leaves);
                let operators = leaves.len().saturating_sub(1);
                for (leaf, of_sets) in leaves {
                    // An object is no operand, and all of its parts are quoted.
                    let sets = of_sets && !matches!(leaf, Expr::Object { .. });
                    let count = if sets { operators } else { 0 };
                    self.wrap(leaf, OPERAND, format!(", {count}"));
                }
            }
            AstNode::Entry(key, value) => {
                self.wrap(key, ENTRY, String::new());
                self.wrap(value, ENTRY, String::new());
            }
            _ => {}
        }
    }

    /// The operands of a tree of operators, and whether their operator takes sets.
    fn leaves<'a>(&mut self, expr: &'a Expr, leaves: &mut Vec<(&'a Expr, bool)>) {
        let Some((lhs, rhs, of_sets)) = operation(expr) else { return };
        for side in [lhs, rhs] {
            if operation(side).is_some() {
                self.inner.insert(side.eidx());
                self.leaves(side, leaves);
            } else {
                leaves.push((side, of_sets));
            }
        }
    }

    fn wrap(&mut self, expr: &Expr, function: &'static str, more: String) {
        let constant = match expr {
            // The engine does not tell where a literal object begins.
            Expr::Object { fields, .. } => {
                let parts = fields.iter().flat_map(|(_, key, value)| [key, value]);
                parts.for_each(|part| self.wrap(part, function, more.clone()));
                return;
            }
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::UnaryExpr { .. }
            | Expr::BoolExpr { .. }
            | Expr::Membership { .. } => true,
            Expr::Set { items, .. } => items.is_empty(),
            _ => false,
        };
        let span = expr.span();
        let place = (usize::try_from(span.start), usize::try_from(span.end));
        if let (false, (Ok(start), Ok(end))) = (constant, place) {
            self.wraps.push(Wrap { start, end, function, more });
        }
    }

    fn apply(self, text: &str) -> Option<Metered> {
        if self.wraps.is_empty() {
            return None;
        }
        // Where several begin or end at one place, the outer ones begin first and end last.
        let mut parts: Vec<(usize, bool, isize, String)> = Vec::new();
        for Wrap { start, end, function, more } in self.wraps {
            let length = isize::try_from(end.saturating_sub(start)).unwrap_or(isize::MAX);
            parts.push((start, true, -length, format!("{function}(")));
            parts.push((end, false, length, format!("{more})")));
        }
        parts.sort_by_key(|(at, opens, order, _)| (*at, *opens, *order));
        let mut metered = Metered { text: String::with_capacity(text.len() * 2), inserted: Vec::new() };
        let (mut done, mut line, mut line_start) = (0, 1, 0);
        for (at, _, _, part) in parts {
            let between = text.get(done..at)?;
            line += between.matches('\n').count();
            line_start = between.rfind('\n').map_or(line_start, |last| done + last + 1);
            let column = 1 + columns(text.get(line_start..at)?);
            metered.text.push_str(between);
            metered.text.push_str(&part);
            metered.inserted.push(Inserted { line, column, length: part.chars().count() });
            done = at;
        }
        metered.text.push_str(text.get(done..)?);
        Some(metered)
    }
}

/// The operands of an operator that errs on what it does not take, and whether it takes sets.
fn operation(expr: &Expr) -> Option<(&Expr, &Expr, bool)> {
    match expr {
        Expr::BinExpr { lhs, rhs, .. } => Some((lhs, rhs, true)),
        Expr::ArithExpr { op, lhs, rhs, .. } => Some((lhs, rhs, *op == ArithOp::Sub)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metered(text: &str) -> Option<Metered> {
        let mut engine = Engine::new();
        engine.add_policy("x.rego".to_owned(), text.to_owned()).unwrap();
        meter(engine.get_modules().last().unwrap(), text)
    }

    #[test]
    fn values_are_metered_and_nothing_else_changes() {
        for (line, expected) in [
            ("x := a | b", "x := O(a, 1) | O(b, 1)"),
            ("x := (a | b) - ((c)) - f(d)", "x := (O(a, 3) | O(b, 3)) - ((O(c, 3))) - O(f(d), 3)"),
            ("x := a.b[0] & {1} & set()", "x := O(a.b[0], 2) & O({1}, 2) & set()"),
            ("x := a + 1", "x := O(a, 0) + 1"),
            ("x := {\"a\": b, \"c\": 1} % 2", "x := {\"a\": O(b, 0), \"c\": 1} % 2"),
            ("x := {k: [v] | some k, v in a}", "x := {E(k): E([v]) | some k, v in a}"),
            ("x := [y | some y in (a | b)]", "x := [y | some y in (O(a, 1) | O(b, 1))]"),
            ("f(x) := [x, y] if some y in a", "f(x) := R([x, y]) if some y in a"),
            ("f(x) := x | y if some y in a", "f(x) := R(O(x, 1) | O(y, 1)) if some y in a"),
            ("f(x) := \"é\" if x == a | b", "f(x) := \"é\" if x == O(a, 1) | O(b, 1)"),
        ] {
            let text = format!("package p\n\n{line}\n");
            let metered = metered(&text).unwrap().text;
            let short = metered.replace(OPERAND, "O").replace(RESULT, "R").replace(ENTRY, "E");
            assert_eq!(short, format!("package p\n\n{expected}\n"));
            let mut engine = Engine::new();
            engine.add_policy("x.rego".to_owned(), metered).unwrap();
        }
        for line in ["x := 1 + 2", "x := [y | some y in a]", "f(x) := x", "default x := -1", "x if a == b"] {
            assert!(metered(&format!("package p\n\n{line}\n")).is_none(), "{line}");
        }
    }

    #[test]
    fn places_are_those_of_the_text_as_written() {
        let text = "package p\n\nx := aa | f(bb) if {\n\tcc - \"é\" == dd + ee\n}\n";
        let Metered { text: changed, inserted } = metered(text).unwrap();
        let column = |text: &str, line: usize, name: &str| {
            let line = text.lines().nth(line - 1).unwrap();
            let before = line.split(name).next().unwrap();
            1 + before.chars().map(|c| if c == '\t' { 4 } else { 1 }).sum::<usize>()
        };
        for (line, name) in [(3, "aa"), (3, "f(bb)"), (3, "bb"), (3, "if"), (4, "cc"), (4, "dd"), (4, "ee")] {
            let moved = column(&changed, line, name);
            assert_eq!(original_column(&inserted, line, moved), column(text, line, name), "{name}");
        }
        assert_eq!(original_column(&inserted, 3, column(&changed, 3, OPERAND)), column(text, 3, "aa"));
        assert_eq!(original_column(&inserted, 5, 1), 1);
    }

    #[test]
    fn operands_of_set_operators_cost_what_can_be_made_of_them() {
        let mut set = Value::new_set();
        for number in 1..=3 {
            set.as_set_mut().unwrap().insert(Value::from(number));
        }
        assert_eq!(operand(&set, 4), 4 * 3 * VALUE);
        assert_eq!(operand(&set, 0), 4 * VALUE);
        assert_eq!(operand(&Value::from(7), 4), 0);
    }
}
