//! What functions gave for the arguments that they were called with: forty rules for one request ask the same functions
//! about the same few containers and volumes.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use smallvec::SmallVec;

use super::memo::Known;
use super::terms::{FEW, Got};
use crate::engine::ast::Value;

/// The calls of one function that are kept; those after them are evaluated each time.
const KEPT: usize = 16;
/// A function that takes fewer steps costs no more than a look at what is kept.
const FEW_STEPS: u32 = 8;
/// The largest value that is kept, by what was charged for it, in bytes.
const LARGEST: usize = 64 << 10;

/// The kept calls of each function, by its position among the rules.
#[derive(Default)]
pub struct KnownCalls(Vec<OnceCell<Box<Calls>>>);

#[derive(Default)]
struct Calls {
    cheap: Cell<bool>,
    kept: RefCell<Vec<(SmallVec<[Value; FEW]>, Arc<Known>)>>,
}

impl KnownCalls {
    /// Of so many rules.
    pub fn new(rules: usize) -> Self {
        Self(std::iter::repeat_with(OnceCell::new).take(rules).collect())
    }

    /// What a call with these very arguments gave.
    pub(super) fn get(&self, function: usize, arguments: &[Got<'_>]) -> Option<Arc<Known>> {
        let calls = self.0.get(function)?.get().filter(|calls| !calls.cheap.get())?;
        let kept = calls.kept.borrow();
        let is_it = |known: &[Value]| {
            known.len() == arguments.len()
                && known.iter().zip(arguments).all(|(known, argument)| is(known, argument.value()))
        };
        kept.iter().find(|(known, _)| is_it(known)).map(|(_, known)| Arc::clone(known))
    }

    /// Keeps what a call gave, if that may save something.
    pub(super) fn keep(
        &self,
        function: usize,
        arguments: &[Got<'_>],
        known: impl FnOnce() -> Known,
        steps: u32,
    ) {
        let Some(calls) = self.0.get(function).map(|calls| calls.get_or_init(Box::default)) else { return };
        if steps < FEW_STEPS {
            calls.cheap.set(true);
        }
        let mut kept = calls.kept.borrow_mut();
        if calls.cheap.get() || kept.len() >= KEPT {
            return;
        }
        let known = known();
        if known.bytes <= LARGEST {
            kept.push((arguments.iter().map(|argument| argument.value().clone()).collect(), Arc::new(known)));
        }
    }

    /// Forgets the calls of functions that are not to stay.
    pub fn retain(&mut self, stays: impl Fn(usize) -> bool) {
        for (function, calls) in self.0.iter_mut().enumerate() {
            if calls.get().is_some() && !stays(function) {
                calls.take();
            }
        }
    }
}

/// Whether two values are the same, without a look into them. Both are held, so an address is that of one value.
fn is(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Arc::ptr_eq(one, other),
        _ => super::memo::same(one, other),
    }
}
