//! Evaluates compiled rules. Each line of a body hands its solutions to the lines behind it, so locals are references
//! to wherever the value is. The stack grows with the text of the rules, never with the input.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;

use smallvec::SmallVec;

use super::known_calls::KnownCalls;
use super::memo::LARGEST;
use super::paged::Paged;
use super::place::Place;
use super::program::{Body, Definition, Form, Known, Pattern, Program, Rule, Statement, Term};
use super::spent::Spent;
use super::terms::{FEW, Got};
use crate::engine::ast::Value;
use crate::engine::error_text;
use crate::engine::evaluation::EvaluationError;

pub(super) type Result<T> = std::result::Result<T, EvaluationError>;

pub(super) static UNDEFINED: Value = Value::Undefined;
pub(super) static TRUE: Value = Value::Bool(true);
pub(super) static FALSE: Value = Value::Bool(false);

/// The locals that are bound, the last one first.
pub struct Binding<'e> {
    pub(super) value: &'e Value,
    pub(super) before: Locals<'e>,
}

pub(super) type Locals<'e> = Option<&'e Binding<'e>>;

/// Whether further solutions are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    GoOn,
    Stop,
}

/// What is done with each solution.
type Solution<'s> = &'s mut dyn FnMut(Locals<'_>) -> Result<Flow>;

/// The evaluation of one question: the rules, the input, what is known already, and what it has cost.
pub struct Evaluation<'p> {
    pub program: &'p Program,
    pub parts: &'p [Value],
    pub values: &'p Paged<OnceCell<Known>>,
    pub calls: &'p KnownCalls,
    pub evaluated: &'p RefCell<Vec<usize>>,
    pub question: u32,
    pub charged: &'p [Cell<u32>],
    pub passing: &'p Cell<bool>,
    pub spent: Spent,
}

impl<'p> Evaluation<'p> {
    pub(super) fn failure(&self, place: &Place, message: &str) -> EvaluationError {
        error_text::error_at(message, self.program.source(place), place.line, place.column)
    }

    /// In the interpreter's words.
    fn conflict(&self, with: &Place) -> String {
        let file = self.program.source(with).replace('%', "%25").replace('\n', "%0A").replace('\r', "%0D");
        format!("rule conflicts with rule at {file}:{}:{}", with.line, with.column)
    }

    /// The value of a rule, which is known from then on.
    pub fn rule(&self, position: usize) -> Result<&'p Value> {
        let Some(rule) = self.program.rules.get(position) else { return Ok(&UNDEFINED) };
        self.spent.uses(position);
        if let Some(known) = self.known(position) {
            self.charge(position)?;
            return Ok(&known.value);
        }
        let (value, cost) = self.metered(|| match rule.form {
            Form::Set => self.set(rule),
            Form::Complete => self.complete(rule),
            Form::Function => Ok(Value::Undefined),
        })?;
        self.spend_on_rules(cost.whole);
        let known = cost.known(value);
        self.charged.get(position).into_iter().for_each(|charged| charged.set(self.question));
        if rule.reads == 0 && known.bytes <= LARGEST {
            return Ok(&rule.constant.get_or_init(|| Box::new(known)).value);
        }
        let Some(cell) = self.values.get(position) else { return Ok(&UNDEFINED) };
        self.evaluated.borrow_mut().push(position);
        Ok(&cell.get_or_init(|| known).value)
    }

    /// What is known of a rule, from this input or from any.
    pub(super) fn known(&self, position: usize) -> Option<&'p Known> {
        let rule = self.program.rules.get(position)?;
        match rule.constant.get() {
            Some(known) => Some(known),
            None => self.values.get(position)?.get(),
        }
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
        let (mut value, mut before) = (Value::Undefined, None);
        for definition in &rule.definitions {
            let found = self.complete_definition(definition)?;
            if found == Value::Undefined {
                continue;
            }
            if let Some(before) = before
                && found != value
            {
                return Err(self.failure(&definition.name, &self.conflict(before)));
            }
            (value, before) = (found, Some(&definition.name));
        }
        match &rule.default {
            Some(default) if value == Value::Undefined => Ok(self.term(default, None)?.into_value()),
            _ => Ok(value),
        }
    }

    fn complete_definition(&self, definition: &Definition) -> Result<Value> {
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
                    return Err(self.failure(&definition.name, "rules must not produce multiple outputs"));
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
    pub(super) fn function(&self, rule: &Rule, arguments: &[Got<'_>], place: &Place) -> Result<Value> {
        let arguments: SmallVec<[&Value; FEW]> = arguments.iter().map(Got::value).collect();
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
                    return Err(self.failure(place, "function produced multiple outputs"));
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
                Err(self.failure(place, "functions must not produce multiple outputs for same inputs"))
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
    pub(super) fn solve(
        &self,
        statements: &[Statement],
        locals: Locals<'_>,
        solution: Solution<'_>,
    ) -> Result<Flow> {
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
                        return Err(self.failure(place, message));
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
                    let items: SmallVec<[&Value; FEW]> = items.iter().collect();
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
