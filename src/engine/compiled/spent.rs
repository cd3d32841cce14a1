//! What a question costs, in steps and bytes.

use std::cell::{Cell, RefCell};

use super::evaluate::{Evaluation, Result};
use super::program::Known;
use crate::engine::ast::Value;
use crate::engine::evaluation::EvaluationError;
use crate::engine::limits;

/// What a question has cost.
#[derive(Default)]
pub struct Spent {
    pub(super) steps: Cell<u32>,
    /// The steps and bytes of the rules that the current one has used, and those rules.
    pub(super) nested: Cell<(u32, usize)>,
    pub(super) used: RefCell<Vec<usize>>,
}

impl Spent {
    /// The current rule uses this one.
    pub(super) fn uses(&self, position: usize) {
        let mut used = self.used.borrow_mut();
        // A loop uses the same one each time.
        if used.last() != Some(&position) {
            used.push(position);
        }
    }
}

#[cfg(test)]
impl Spent {
    pub fn steps(&self) -> u32 {
        self.steps.get()
    }
}

/// What a rule or a call took.
pub(super) struct Cost {
    /// With the rules that were evaluated for it.
    pub whole: (u32, usize),
    /// The part of these rules.
    pub of_rules: (u32, usize),
    /// The rules that it used.
    pub used: Vec<usize>,
}

impl Cost {
    /// What is known from now on.
    pub fn known(self, value: Value) -> Known {
        let Self { whole, of_rules, used } = self;
        let (steps, bytes) = (whole.0.saturating_sub(of_rules.0), whole.1.saturating_sub(of_rules.1));
        Known { value, steps, bytes, uses: used }
    }
}

impl Evaluation<'_> {
    /// The value that work gives, and what it cost. Whoever asked for it has spent nothing on rules by that.
    pub(super) fn metered(&self, work: impl FnOnce() -> Result<Value>) -> Result<(Value, Cost)> {
        let before = (self.spent.steps.get(), limits::spent());
        let (nested, used) = (self.spent.nested.take(), self.spent.used.take());
        let value = work()?;
        let steps = self.spent.steps.get().saturating_sub(before.0);
        let bytes = limits::spent().saturating_sub(before.1);
        let (of_rules, used) = (self.spent.nested.replace(nested), self.spent.used.replace(used));
        Ok((value, Cost { whole: (steps, bytes), of_rules, used }))
    }

    /// Counts steps and bytes as those of rules that the current one has used.
    pub(super) fn spend_on_rules(&self, (steps, bytes): (u32, usize)) {
        let nested = self.spent.nested.get();
        self.spent.nested.set((nested.0.saturating_add(steps), nested.1.saturating_add(bytes)));
    }

    pub(super) fn step(&self) -> Result<()> {
        self.steps(1)
    }

    pub(super) fn steps(&self, more: u32) -> Result<()> {
        let steps = self.spent.steps.get().saturating_add(more);
        self.spent.steps.set(steps);
        if steps > limits::STEPS.get() { Err(EvaluationError::StepsExceeded) } else { Ok(()) }
    }

    /// Charges once for a value that is known from another question, and for what was used for it.
    pub(super) fn charge(&self, position: usize) -> Result<()> {
        // A rule in a loop is used again and again.
        if self.charged.get(position).is_some_and(|charged| charged.get() == self.question) {
            return Ok(());
        }
        let mut left = vec![position];
        while let Some(position) = left.pop() {
            let (Some(charged), Some(known)) = (self.charged.get(position), self.known(position)) else {
                continue;
            };
            if charged.replace(self.question) == self.question {
                continue;
            }
            self.steps(known.steps)?;
            limits::charge(known.bytes).map_err(|_| EvaluationError::BytesExceeded)?;
            self.spend_on_rules((known.steps, known.bytes));
            left.extend(&known.uses);
        }
        Ok(())
    }
}
