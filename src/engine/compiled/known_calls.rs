//! What functions gave for the arguments that they were called with: forty rules for one request ask the same functions
//! about the same few containers and volumes.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use smallvec::SmallVec;

use super::evaluate::{Evaluation, Result};
use super::memo::{LARGEST, same};
use super::paged::Paged;
use super::place::Place;
use super::program::Known;
use super::terms::{FEW, Got};
use crate::engine::ast::Value;
use crate::engine::evaluation::EvaluationError;
use crate::engine::limits;

/// The calls of one function that are kept; those after them are evaluated each time.
const KEPT: usize = 16;
/// A function that takes fewer steps costs no more than a look at what is kept.
const FEW_STEPS: u32 = 8;

/// The kept calls of each function, by its position among the rules.
pub struct KnownCalls {
    calls: Paged<Calls>,
    /// The functions with kept calls that read some of the input.
    reading: RefCell<Vec<usize>>,
}

#[derive(Default)]
struct Calls {
    cheap: Cell<bool>,
    kept: RefCell<Vec<Kept>>,
}

/// The arguments of a call, and what it gave.
type Kept = (SmallVec<[Value; FEW]>, Arc<Known>);

impl KnownCalls {
    /// Of so many rules.
    pub fn new(rules: usize) -> Self {
        Self { calls: Paged::new(rules), reading: RefCell::default() }
    }

    /// Whether a call takes so few steps that none is kept.
    fn is_cheap(&self, function: usize) -> bool {
        self.calls.get(function).is_some_and(|calls| calls.cheap.get())
    }

    /// What a call with these very arguments gave.
    fn get(&self, function: usize, arguments: &[Got<'_>]) -> Option<Arc<Known>> {
        let kept = self.calls.get(function)?.kept.borrow();
        let is_it = |known: &[Value]| {
            known.len() == arguments.len()
                && known.iter().zip(arguments).all(|(known, argument)| is(known, argument.value()))
        };
        kept.iter().find(|(known, _)| is_it(known)).map(|(_, known)| Arc::clone(known))
    }

    /// Keeps what a call gave, if that may save something; `reads` is whether its function reads the input.
    fn keep(
        &self,
        function: usize,
        reads: bool,
        arguments: &[Got<'_>],
        known: impl FnOnce() -> Known,
        steps: u32,
    ) {
        let Some(calls) = self.calls.get(function) else { return };
        if steps < FEW_STEPS {
            calls.cheap.set(true);
        }
        let mut kept = calls.kept.borrow_mut();
        if calls.cheap.get() || kept.len() >= KEPT {
            return;
        }
        let known = known();
        if known.bytes <= LARGEST {
            if reads && kept.is_empty() {
                self.reading.borrow_mut().push(function);
            }
            kept.push((arguments.iter().map(|argument| argument.value().clone()).collect(), Arc::new(known)));
        }
    }

    /// Forgets the calls of functions that are not to stay.
    pub fn retain(&mut self, stays: impl Fn(usize) -> bool) {
        let calls = &mut self.calls;
        self.reading.get_mut().retain(|&function| {
            let stays = stays(function);
            if !stays && let Some(calls) = calls.get_mut(function) {
                calls.kept.get_mut().clear();
            }
            stays
        });
    }
}

impl Evaluation<'_> {
    /// The value of a function. A call with the very arguments of one before is known, and charged as if it were not.
    pub(super) fn call(&self, function: usize, arguments: &[Got<'_>], place: &Place) -> Result<Value> {
        let Some(rule) = self.program.rules.get(function) else { return Ok(Value::Undefined) };
        if self.calls.is_cheap(function) {
            return self.function(rule, arguments, place);
        }
        if let Some(known) = self.calls.get(function, arguments) {
            self.steps(known.steps)?;
            limits::charge(known.bytes).map_err(|_| EvaluationError::BytesExceeded)?;
            for &used in &known.uses {
                self.spent.uses(used);
                self.charge(used)?;
            }
            return Ok(known.value.clone());
        }
        let (value, cost) = self.metered(|| self.function(rule, arguments, place))?;
        self.spend_on_rules(cost.of_rules);
        self.spent.used.borrow_mut().extend(&cost.used);
        let (steps, _) = cost.whole;
        self.calls.keep(function, rule.reads != 0, arguments, || cost.known(value.clone()), steps);
        Ok(value)
    }
}

/// Whether two values are the same, without a look into them. Both are held, so an address is that of one value.
fn is(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Arc::ptr_eq(one, other),
        _ => same(one, other),
    }
}
