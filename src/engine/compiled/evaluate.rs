//! Evaluates compiled rules. Each line of a body hands its solutions to the lines behind it, so locals are references
//! to wherever the value is. The stack grows with the text of the rules, never with the input.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::calls::{Call, Found};
use super::program::{
    Body, Comprehension, Definition, Form, Membership, Operation, Pattern, Program, Rule, Statement, Term,
};
use crate::engine::ast::{ArithOp, BinOp, BoolOp, Span, Value, numbers, sets};
use crate::engine::builtins::BuiltinError;
use crate::engine::evaluation::EvaluationError;
use crate::engine::{limits, metered, rego};

type Result<T> = std::result::Result<T, EvaluationError>;

static UNDEFINED: Value = Value::Undefined;
static TRUE: Value = Value::Bool(true);
static FALSE: Value = Value::Bool(false);

/// The locals that are bound, the last one first.
struct Binding<'e> {
    value: &'e Value,
    before: Locals<'e>,
}

type Locals<'e> = Option<&'e Binding<'e>>;

/// Whether further solutions are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Stop,
}

/// What is done with each solution.
type Solution<'s> = &'s mut dyn FnMut(Locals<'_>) -> Result<Flow>;

/// The value of a term.
enum Got<'v> {
    Borrowed(&'v Value),
    Owned(Value),
}

impl Got<'_> {
    fn value(&self) -> &Value {
        match self {
            Got::Borrowed(value) => value,
            Got::Owned(value) => value,
        }
    }

    fn into_value(self) -> Value {
        match self {
            Got::Borrowed(value) => value.clone(),
            Got::Owned(value) => value,
        }
    }

    fn is_undefined(&self) -> bool {
        matches!(self.value(), Value::Undefined)
    }
}

/// An evaluation: the rules, the input, what is known already, and the steps taken.
struct Evaluation<'p> {
    program: &'p Program,
    parts: &'p [Value],
    values: &'p [OnceCell<Value>],
    evaluated: &'p RefCell<Vec<usize>>,
    steps: Cell<u32>,
}

/// The value of a rule. What it evaluates on the way goes to `values`, and its position to `evaluated`.
pub fn rule(
    program: &Program,
    parts: &[Value],
    values: &[OnceCell<Value>],
    evaluated: &RefCell<Vec<usize>>,
    position: usize,
) -> Result<Value> {
    Evaluation { program, parts, values, evaluated, steps: Cell::new(0) }.rule(position).cloned()
}

fn truth(holds: bool) -> Got<'static> {
    Got::Borrowed(if holds { &TRUE } else { &FALSE })
}

fn failure(place: &Span, message: &str) -> EvaluationError {
    rego::evaluation_error(&place.error(message))
}

impl<'p> Evaluation<'p> {
    fn step(&self) -> Result<()> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > limits::STEPS.get() { Err(EvaluationError::StepsExceeded) } else { Ok(()) }
    }

    fn rule(&self, position: usize) -> Result<&'p Value> {
        let (Some(known), Some(rule)) = (self.values.get(position), self.program.rules.get(position)) else {
            return Ok(&UNDEFINED);
        };
        if let Some(value) = known.get() {
            return Ok(value);
        }
        let value = match rule.form {
            Form::Set => self.set(rule)?,
            Form::Complete => self.complete(rule)?,
            Form::Function => Value::Undefined,
        };
        self.evaluated.borrow_mut().push(position);
        Ok(known.get_or_init(|| value))
    }

    fn set(&self, rule: &Rule) -> Result<Value> {
        let mut elements = BTreeSet::new();
        for body in rule.definitions.iter().flat_map(|definition| &definition.bodies) {
            self.solve(&body.statements, None, &mut |locals| {
                if let Some(output) = &body.output {
                    elements.insert(self.term(output, locals)?.into_value());
                }
                Ok(if body.constant { Flow::Stop } else { Flow::GoOn })
            })?;
        }
        Ok(Value::from(elements))
    }

    fn complete(&self, rule: &Rule) -> Result<Value> {
        let mut value = Value::Undefined;
        for definition in &rule.definitions {
            let found = self.complete_definition(definition)?;
            if value == Value::Undefined {
                value = found;
            } else if found != Value::Undefined && found != value {
                let [whole, _] = &definition.places;
                return Err(failure(whole, "complete rules should not produce multiple outputs"));
            }
        }
        match &rule.default {
            Some(default) if value == Value::Undefined => Ok(self.term(default, None)?.into_value()),
            _ => Ok(value),
        }
    }

    fn complete_definition(&self, definition: &Definition) -> Result<Value> {
        let [_, name] = &definition.places;
        for body in &definition.bodies {
            // A solution without a value makes the interpreter forget the value before it, and fail on the next one.
            let (mut found, mut forgot, mut succeeded) = (Value::Undefined, false, false);
            self.solve(&body.statements, None, &mut |locals| {
                let output = self.output(body, locals)?;
                if output.is_undefined() {
                    forgot = true;
                    return Ok(Flow::GoOn);
                }
                if forgot {
                    return Err(EvaluationError::Builtin("not an object".to_owned()));
                }
                succeeded = true;
                if found == Value::Undefined {
                    found = output.into_value();
                } else if found != *output.value() {
                    return Err(failure(name, "rules must not produce multiple outputs"));
                }
                Ok(if body.constant { Flow::Stop } else { Flow::GoOn })
            })?;
            if succeeded {
                return Ok(if forgot { Value::Undefined } else { found });
            }
        }
        Ok(Value::Undefined)
    }

    fn output<'e>(&'e self, body: &'e Body, locals: Locals<'e>) -> Result<Got<'e>> {
        body.output.as_ref().map_or(Ok(Got::Borrowed(&TRUE)), |output| self.term(output, locals))
    }

    /// All definitions are evaluated, and their faults count even if another one has a value.
    fn function(&self, rule: &Rule, arguments: &[Got<'_>], place: &Span) -> Result<Value> {
        let arguments: Vec<&Value> = arguments.iter().map(Got::value).collect();
        let mut found: Option<Value> = None;
        let (mut fault, mut conflict) = (None, false);
        for definition in &rule.definitions {
            let mut value = Ok(Outputs::default());
            self.bind_all(&definition.parameters, &arguments, None, &mut |locals| {
                value = self.outputs(definition, locals);
                Ok(Flow::Stop)
            })?;
            match value {
                Ok(Outputs { several: true, .. }) => {
                    return Err(failure(place, "function produced multiple outputs"));
                }
                Ok(Outputs { one: Some(value), .. }) => match &found {
                    None => found = Some(value),
                    Some(before) => conflict |= *before != value,
                },
                Ok(_) => {}
                Err(error) => drop(fault.get_or_insert(error)),
            }
        }
        match fault {
            Some(error) => Err(error),
            None if conflict => {
                Err(failure(place, "functions must not produce multiple outputs for same inputs"))
            }
            None => Ok(found.unwrap_or(Value::Undefined)),
        }
    }

    fn outputs(&self, definition: &Definition, locals: Locals<'_>) -> Result<Outputs> {
        let without_value = definition.bodies.first().is_some_and(|body| body.output.is_none());
        for body in &definition.bodies {
            let (mut outputs, mut succeeded) = (Outputs::default(), false);
            self.solve(&body.statements, locals, &mut |locals| {
                succeeded = true;
                if let Some(output) = &body.output {
                    outputs.add(self.term(output, locals)?);
                }
                Ok(Flow::GoOn)
            })?;
            if succeeded {
                if outputs.one.is_none() && without_value {
                    outputs.one = Some(Value::Bool(true));
                }
                return Ok(outputs);
            }
        }
        Ok(Outputs::default())
    }

    /// Hands each solution of these lines on.
    fn solve(&self, statements: &[Statement], locals: Locals<'_>, solution: Solution<'_>) -> Result<Flow> {
        let mut left = statements;
        loop {
            let Some((statement, rest)) = left.split_first() else { return solution(locals) };
            self.step()?;
            match statement {
                Statement::Holds(term) => {
                    if matches!(self.term(term, locals)?.value(), Value::Bool(false) | Value::Undefined) {
                        return Ok(Flow::GoOn);
                    }
                }
                Statement::Not(term) => {
                    if !matches!(self.term(term, locals)?.value(), Value::Bool(false) | Value::Undefined) {
                        return Ok(Flow::GoOn);
                    }
                }
                Statement::Assign(pattern, term) => {
                    let value = self.term(term, locals)?;
                    return self.bind(pattern, value.value(), locals, &mut |locals| {
                        self.solve(rest, locals, solution)
                    });
                }
                Statement::Some(key_pattern, pattern, term, place) => {
                    let collection = self.term(term, locals)?;
                    if !matches!(
                        collection.value(),
                        Value::Array(_) | Value::Set(_) | Value::Object(_) | Value::Undefined
                    ) {
                        let message = "`some .. in collection` expects array/set/object. It got another type";
                        return Err(failure(place, message));
                    }
                    let (with_key, mut behind) =
                        (key_pattern.is_some(), |locals: Locals<'_>| self.solve(rest, locals, solution));
                    return self.each(collection.value(), with_key, &mut |key, value| match key_pattern {
                        Some(key_pattern) => self.bind(key_pattern, key, locals, &mut |locals| {
                            self.bind(pattern, value, locals, &mut behind)
                        }),
                        None => self.bind(pattern, value, locals, &mut behind),
                    });
                }
                Statement::Every(with_key, term, body) => {
                    if !self.every(*with_key, term, body, locals)? {
                        return Ok(Flow::GoOn);
                    }
                }
            }
            left = rest;
        }
    }

    fn every(&self, with_key: bool, term: &Term, body: &[Statement], locals: Locals<'_>) -> Result<bool> {
        let domain = self.term(term, locals)?;
        if !matches!(domain.value(), Value::Array(_) | Value::Set(_) | Value::Object(_)) {
            return Ok(false);
        }
        let mut all = true;
        self.each(domain.value(), with_key, &mut |key, value| {
            let value = Binding { value, before: locals };
            let key = Binding { value: key, before: Some(&value) };
            let mut holds = false;
            self.solve(body, Some(if with_key { &key } else { &value }), &mut |_| {
                holds = true;
                Ok(Flow::GoOn)
            })?;
            all &= holds;
            Ok(if holds { Flow::GoOn } else { Flow::Stop })
        })?;
        Ok(all)
    }

    /// Each key and value of a collection; keys of arrays only if they are wanted.
    fn each(
        &self,
        collection: &Value,
        with_key: bool,
        tell: &mut dyn FnMut(&Value, &Value) -> Result<Flow>,
    ) -> Result<Flow> {
        let mut tell = |key: &Value, value: &Value| {
            self.step()?;
            tell(key, value)
        };
        match collection {
            Value::Array(items) => {
                for (position, item) in items.iter().enumerate() {
                    let key = if with_key { Value::from(position) } else { Value::Undefined };
                    if tell(&key, item)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Set(items) => {
                for item in items.iter() {
                    if tell(item, item)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            Value::Object(fields) => {
                for (key, value) in fields.iter() {
                    if tell(key, value)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            _ => {}
        }
        Ok(Flow::GoOn)
    }

    /// Binds what a pattern names, and goes on with it if the value fits.
    fn bind(&self, pattern: &Pattern, value: &Value, locals: Locals<'_>, then: Solution<'_>) -> Result<Flow> {
        if *value == Value::Undefined {
            return Ok(Flow::GoOn);
        }
        match pattern {
            Pattern::Ignore => then(locals),
            Pattern::Bind => then(Some(&Binding { value, before: locals })),
            Pattern::Equals(term) => {
                if self.term(term, locals)?.value() == value {
                    then(locals)
                } else {
                    Ok(Flow::GoOn)
                }
            }
            Pattern::Array(patterns) => match value {
                Value::Array(items) if items.len() == patterns.len() => {
                    let items: Vec<&Value> = items.iter().collect();
                    self.bind_all(patterns, &items, locals, then)
                }
                _ => Ok(Flow::GoOn),
            },
        }
    }

    fn bind_all(
        &self,
        patterns: &[Pattern],
        values: &[&Value],
        locals: Locals<'_>,
        then: Solution<'_>,
    ) -> Result<Flow> {
        let (Some((pattern, patterns)), Some((value, values))) =
            (patterns.split_first(), values.split_first())
        else {
            return then(locals);
        };
        self.bind(pattern, value, locals, &mut |locals| self.bind_all(patterns, values, locals, then))
    }

    fn term<'e>(&'e self, term: &'e Term, locals: Locals<'e>) -> Result<Got<'e>> {
        Ok(match term {
            Term::Constant(value) => Got::Borrowed(value),
            Term::Part(position) => Got::Borrowed(self.parts.get(*position).unwrap_or(&UNDEFINED)),
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
                match self.program.rules.get(*position) {
                    Some(rule) if !arguments.iter().any(Got::is_undefined) => {
                        Got::Owned(self.function(rule, &arguments, place)?)
                    }
                    _ => Got::Borrowed(&UNDEFINED),
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
            Term::Arithmetic(operation) => self.arithmetic(operation, locals)?,
            Term::SetOperation(operation) => self.set_operation(operation, locals)?,
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

    fn terms<'e>(&'e self, terms: &'e [Term], locals: Locals<'e>) -> Result<Vec<Got<'e>>> {
        terms.iter().map(|term| self.term(term, locals)).collect()
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
            BuiltinError::Failed(message) => failure(&call.place, &message),
        };
        let operands = self.terms(&call.operands, locals)?;
        if operands.iter().any(Got::is_undefined) {
            return Ok(Got::Borrowed(&UNDEFINED));
        }
        let shortcut = {
            let values: Vec<&Value> = operands.iter().map(Got::value).collect();
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

    fn arithmetic<'e>(&'e self, operation: &'e Operation<ArithOp>, locals: Locals<'e>) -> Result<Got<'e>> {
        let subtracts = operation.operator == ArithOp::Sub;
        let Some([left, right]) = self.operands(operation, subtracts, locals)? else {
            return Ok(Got::Borrowed(&UNDEFINED));
        };
        let [written, other] = &operation.written;
        let value = if subtracts && (matches!(left, Value::Set(_)) || matches!(right, Value::Set(_))) {
            sets::difference(written, other, left, right)
        } else {
            numbers::arithmetic_operation(
                &operation.place,
                &operation.operator,
                written,
                other,
                left,
                right,
                true,
            )
        };
        value.map(Got::Owned).map_err(|error| rego::evaluation_error(&error))
    }

    fn set_operation<'e>(&'e self, operation: &'e Operation<BinOp>, locals: Locals<'e>) -> Result<Got<'e>> {
        let Some([left, right]) = self.operands(operation, true, locals)? else {
            return Ok(Got::Borrowed(&UNDEFINED));
        };
        let [written, other] = &operation.written;
        let value = match operation.operator {
            BinOp::Union => sets::union(written, other, left, right),
            BinOp::Intersection => sets::intersection(written, other, left, right),
        };
        value.map(Got::Owned).map_err(|error| rego::evaluation_error(&error))
    }

    /// Both operands, paid for; None if one is undefined.
    fn operands<O>(
        &self,
        operation: &Operation<O>,
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
                    return Err(failure(&comprehension.place, "value for key generated multiple times"));
                }
                _ => drop(object.insert(key.into_value(), value.into_value())),
            }
            Ok(Flow::GoOn)
        })?;
        Ok(Value::from(object))
    }
}

/// What the solutions of a function's body gave.
#[derive(Default)]
struct Outputs {
    one: Option<Value>,
    several: bool,
}

impl Outputs {
    fn add(&mut self, output: Got<'_>) {
        match &self.one {
            _ if output.is_undefined() => {}
            None => self.one = Some(output.into_value()),
            Some(before) => self.several |= before != output.value(),
        }
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
