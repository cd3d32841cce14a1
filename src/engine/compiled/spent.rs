//! What a question costs, in steps and bytes.

use std::cell::{Cell, OnceCell, RefCell};

use super::evaluate::{Evaluation, Result};
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

impl Evaluation<'_> {
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
            let (Some(charged), Some(known)) =
                (self.charged.get(position), self.values.get(position).and_then(OnceCell::get))
            else {
                continue;
            };
            if charged.replace(self.question) == self.question {
                continue;
            }
            self.steps(known.steps)?;
            limits::charge(known.bytes).map_err(|_| EvaluationError::BytesExceeded)?;
            let (steps, bytes) = self.spent.nested.get();
            let nested = (steps.saturating_add(known.steps), bytes.saturating_add(known.bytes));
            self.spent.nested.set(nested);
            left.extend(&known.uses);
        }
        Ok(())
    }
}
