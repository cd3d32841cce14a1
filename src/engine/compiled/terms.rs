//! Evaluates terms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use smallvec::SmallVec;

use super::calls::{Call, Found};
use super::evaluate::{Evaluation, FALSE, Flow, Locals, Result, TRUE, UNDEFINED};
use super::program::{Comprehension, Membership, Operation, Term};
use crate::engine::ast::{self, ArithOp, BinOp, BoolOp, Expr, Ref, Value, numbers, sets};
use crate::engine::builtins::BuiltinError;
use crate::engine::evaluation::EvaluationError;
use crate::engine::{error_text, limits, metered};

/// Nearly every call has at most so many operands: they need no memory of their own.
pub(super) const FEW: usize = 4;

/// What regorus is told of an operation, and of its operands: it needs places for its errors. Their lines tell them
/// apart.
static STANDING_IN: LazyLock<Option<[Ref<Expr>; 3]>> = LazyLock::new(|| {
    let source = ast::Source::from_contents(String::new(), "\n\n\n".to_owned()).ok()?;
    Some([1, 2, 3].map(|line| {
        let span = ast::Span { source: source.clone(), line, col: 1, start: 0, end: 0 };
        Ref::new(Expr::Null { span, value: Value::Null, eidx: 0 })
    }))
});

fn standing_in() -> Result<&'static [Ref<Expr>; 3]> {
    let missing = || EvaluationError::Builtin("there is no place for an error".to_owned());
    STANDING_IN.as_ref().ok_or_else(missing)
}

/// The value of a term.
pub(super) enum Got<'v> {
    Borrowed(&'v Value),
    Owned(Value),
}

impl Got<'_> {
    pub(super) fn value(&self) -> &Value {
        match self {
            Got::Borrowed(value) => value,
            Got::Owned(value) => value,
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Got::Borrowed(value) => value.clone(),
            Got::Owned(value) => value,
        }
    }

    pub(super) fn is_undefined(&self) -> bool {
        matches!(self.value(), Value::Undefined)
    }
}

fn truth(holds: bool) -> Got<'static> {
    Got::Borrowed(if holds { &TRUE } else { &FALSE })
}

impl Evaluation<'_> {
    /// The value of a term, undefined included.
    pub(super) fn term<'e>(&'e self, term: &'e Term, locals: Locals<'e>) -> Result<Got<'e>> {
        self.step()?;
        Ok(match term {
            Term::Constant(value) => Got::Borrowed(value),
            Term::Part(position) => Got::Borrowed(self.parts.get(*position).unwrap_or(&UNDEFINED)),
            Term::Passing(position) => {
                self.passing.set(true);
                Got::Borrowed(self.parts.get(*position).unwrap_or(&UNDEFINED))
            }
            Term::Local(back) => Got::Borrowed(local(locals, *back)),
            Term::Rule(position) => Got::Borrowed(self.rule(*position)?),
            Term::Path(term, keys) => match self.term(term, locals)? {
                Got::Borrowed(value) => Got::Borrowed(keys.iter().fold(value, |value, key| &value[key])),
                Got::Owned(value) => Got::Owned(keys.iter().fold(&value, |value, key| &value[key]).clone()),
            },
            Term::Index(term, index) => {
                let index = self.term(index, locals)?;
                match self.term(term, locals)? {
                    Got::Borrowed(value) => Got::Borrowed(&value[index.value()]),
                    Got::Owned(value) => Got::Owned(value[index.value()].clone()),
                }
            }
            Term::Function(position, arguments, place) => {
                self.step()?;
                let arguments = self.terms(arguments, locals)?;
                match arguments.iter().any(Got::is_undefined) {
                    false => Got::Owned(self.call(*position, &arguments, place)?),
                    true => Got::Borrowed(&UNDEFINED),
                }
            }
            Term::Builtin(call) => self.builtin(call, locals)?,
            Term::Array(items) => match self.all(items, locals)? {
                Some(values) => Got::Owned(Value::from(values)),
                None => Got::Borrowed(&UNDEFINED),
            },
            Term::Set(items) => match self.all(items, locals)? {
                Some(values) => Got::Owned(Value::from(values.into_iter().collect::<BTreeSet<_>>())),
                None => Got::Borrowed(&UNDEFINED),
            },
            Term::Object(fields) => {
                let mut object = BTreeMap::new();
                for (key, value) in fields {
                    let key = self.term(key, locals)?;
                    if key.is_undefined() {
                        return Ok(key);
                    }
                    let value = self.term(value, locals)?;
                    if value.is_undefined() {
                        return Ok(value);
                    }
                    object.insert(key.into_value(), value.into_value());
                }
                Got::Owned(Value::from(object))
            }
            Term::Compare(operator, left, right) => {
                let (left, right) = (self.term(left, locals)?, self.term(right, locals)?);
                if left.is_undefined() || right.is_undefined() {
                    return Ok(Got::Borrowed(&UNDEFINED));
                }
                let (left, right) = (left.value(), right.value());
                truth(match operator {
                    BoolOp::Eq => left == right,
                    BoolOp::Ne => left != right,
                    BoolOp::Lt => left < right,
                    BoolOp::Le => left <= right,
                    BoolOp::Gt => left > right,
                    BoolOp::Ge => left >= right,
                })
            }
            Term::Arithmetic(operator, operation) => self.arithmetic(operator, operation, locals)?,
            Term::SetOperation(operator, operation) => self.set_operation(operator, operation, locals)?,
            Term::Member(membership) => truth(self.member(membership, locals)?),
            Term::ArrayOf(comprehension) => {
                let mut items = Vec::new();
                self.each_output(comprehension, locals, &mut |value| items.push(value))?;
                Got::Owned(Value::from(items))
            }
            Term::SetOf(comprehension) => {
                let mut items = BTreeSet::new();
                self.each_output(comprehension, locals, &mut |value| {
                    items.insert(value);
                })?;
                Got::Owned(Value::from(items))
            }
            Term::ObjectOf(comprehension) => Got::Owned(self.object_of(comprehension, locals)?),
        })
    }

    fn terms<'e>(&'e self, terms: &'e [Term], locals: Locals<'e>) -> Result<SmallVec<[Got<'e>; FEW]>> {
        let mut values = SmallVec::new();
        for term in terms {
            values.push(self.term(term, locals)?);
        }
        Ok(values)
    }

    /// The values of all of these; None as soon as one is undefined.
    fn all(&self, terms: &[Term], locals: Locals<'_>) -> Result<Option<Vec<Value>>> {
        let mut values = Vec::with_capacity(terms.len());
        for term in terms {
            let value = self.term(term, locals)?;
            if value.is_undefined() {
                return Ok(None);
            }
            values.push(value.into_value());
        }
        Ok(Some(values))
    }

    fn builtin<'e>(&'e self, call: &'e Call, locals: Locals<'e>) -> Result<Got<'e>> {
        self.step()?;
        let failed = |error| match error {
            BuiltinError::TooLarge(_) => EvaluationError::BytesExceeded,
            BuiltinError::Failed(message) => self.failure(&call.place, &message),
        };
        let operands = self.terms(&call.operands, locals)?;
        if operands.iter().any(Got::is_undefined) {
            return Ok(Got::Borrowed(&UNDEFINED));
        }
        let shortcut = {
            let values: SmallVec<[&Value; FEW]> = operands.iter().map(Got::value).collect();
            call.shortcut(&values, &self.program.patterns).map_err(failed)?.map(|found| match found {
                Found::Borrowed(value) => value.clone(),
                Found::Owned(value) => value,
            })
        };
        if let Some(value) = shortcut {
            return Ok(Got::Owned(value));
        }
        let operands: Vec<Value> = operands.into_iter().map(Got::into_value).collect();
        call.ask(&operands).map(Got::Owned).map_err(failed)
    }

    fn arithmetic<'e>(
        &'e self,
        operator: &'e ArithOp,
        operation: &'e Operation,
        locals: Locals<'e>,
    ) -> Result<Got<'e>> {
        let subtracts = *operator == ArithOp::Sub;
        let Some([left, right]) = self.operands(operation, subtracts, locals)? else {
            return Ok(Got::Borrowed(&UNDEFINED));
        };
        let [place, written, other] = standing_in()?;
        let value = if subtracts && (matches!(left, Value::Set(_)) || matches!(right, Value::Set(_))) {
            sets::difference(written, other, left, right)
        } else {
            numbers::arithmetic_operation(place.span(), operator, written, other, left, right, true)
        };
        value.map(Got::Owned).map_err(|error| self.operation_failure(operation, &error.to_string()))
    }

    fn set_operation<'e>(
        &'e self,
        operator: &'e BinOp,
        operation: &'e Operation,
        locals: Locals<'e>,
    ) -> Result<Got<'e>> {
        let Some([left, right]) = self.operands(operation, true, locals)? else {
            return Ok(Got::Borrowed(&UNDEFINED));
        };
        let [_, written, other] = standing_in()?;
        let value = match operator {
            BinOp::Union => sets::union(written, other, left, right),
            BinOp::Intersection => sets::intersection(written, other, left, right),
        };
        value.map(Got::Owned).map_err(|error| self.operation_failure(operation, &error.to_string()))
    }

    /// What regorus says of an operation, at the place of what stood in for the operation or for an operand.
    fn operation_failure(&self, operation: &Operation, rendered: &str) -> EvaluationError {
        let Some((message, place)) = ast::error_line(rendered).zip(ast::error_place(rendered)) else {
            return error_text::error_without_place(rendered);
        };
        let [left, right] = &operation.written;
        let place = match place.line {
            2 => left,
            3 => right,
            _ => &operation.place,
        };
        self.failure(place, message)
    }

    /// Both operands, paid for; None if one is undefined.
    fn operands(
        &self,
        operation: &Operation,
        of_sets: bool,
        locals: Locals<'_>,
    ) -> Result<Option<[Value; 2]>> {
        self.step()?;
        let [left, right] = &operation.operands;
        let (left, right) = (self.term(left, locals)?, self.term(right, locals)?);
        if left.is_undefined() || right.is_undefined() {
            return Ok(None);
        }
        for operand in [left.value(), right.value()] {
            let cost = metered::operand(operand, usize::from(of_sets));
            limits::charge(cost).map_err(|_| EvaluationError::BytesExceeded)?;
        }
        Ok(Some([left.into_value(), right.into_value()]))
    }

    /// Undefined is nothing that a collection holds, but two missing values are equal, as for the interpreter.
    fn member(&self, membership: &Membership, locals: Locals<'_>) -> Result<bool> {
        self.step()?;
        let value = self.term(&membership.value, locals)?;
        let collection = self.term(&membership.collection, locals)?;
        let (value, collection) = (value.value(), collection.value());
        Ok(match (&membership.key, collection) {
            (Some(key), Value::Array(_) | Value::Object(_)) => {
                collection[self.term(key, locals)?.value()] == *value
            }
            (None, Value::Array(items)) => items.contains(value),
            (None, Value::Object(fields)) => fields.values().any(|field| field == value),
            (None, Value::Set(items)) => items.contains(value),
            _ => false,
        })
    }

    fn each_output(
        &self,
        comprehension: &Comprehension<Term>,
        locals: Locals<'_>,
        tell: &mut dyn FnMut(Value),
    ) -> Result<()> {
        self.step()?;
        self.solve(&comprehension.statements, locals, &mut |locals| {
            let output = self.term(&comprehension.output, locals)?;
            if !output.is_undefined() {
                tell(output.into_value());
            }
            Ok(Flow::GoOn)
        })?;
        Ok(())
    }

    fn object_of(&self, comprehension: &Comprehension<(Term, Term)>, locals: Locals<'_>) -> Result<Value> {
        self.step()?;
        let mut object: BTreeMap<Value, Value> = BTreeMap::new();
        let (key, value) = &comprehension.output;
        self.solve(&comprehension.statements, locals, &mut |locals| {
            let (key, value) = (self.term(key, locals)?, self.term(value, locals)?);
            if key.is_undefined() || value.is_undefined() {
                return Ok(Flow::GoOn);
            }
            match object.get(key.value()) {
                Some(before) if before != value.value() => {
                    return Err(self.failure(&comprehension.place, "value for key generated multiple times"));
                }
                _ => drop(object.insert(key.into_value(), value.into_value())),
            }
            Ok(Flow::GoOn)
        })?;
        Ok(Value::from(object))
    }
}

fn local<'e>(locals: Locals<'e>, back: usize) -> &'e Value {
    let mut binding = locals;
    for _ in 0..back {
        binding = binding.and_then(|binding| binding.before);
    }
    // The compiler counts what is bound at each place.
    binding.map_or(&UNDEFINED, |binding| binding.value)
}
