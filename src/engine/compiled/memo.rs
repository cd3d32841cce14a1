//! What is known of one input while rules are evaluated on it, one after the other.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use super::evaluate::Evaluation;
use super::known_calls::KnownCalls;
use super::paged::Paged;
use super::program::Known;
use super::spent::Spent;
use crate::engine::ast::Value;
use crate::engine::compilation::Compilation;
use crate::engine::evaluation::EvaluationError;
use crate::engine::input::{InputDocument, PARAMETERS, ParameterValues};

/// The input that rules were last evaluated on, and the values of those that read no more than has stayed the same: of
/// forty rules for one request, most use the same few others.
pub struct Memo {
    compilation: Arc<Compilation>,
    document: InputDocument,
    /// By their positions in the program.
    parts: Vec<Value>,
    /// Which of them differs between policies.
    parameters: Option<usize>,
    values: Paged<OnceCell<Known>>,
    calls: KnownCalls,
    /// The positions of the values that are known.
    evaluated: RefCell<Vec<usize>>,
    /// The number of the question, and by position that of the last one that was charged for the value.
    question: u32,
    charged: Vec<Cell<u32>>,
    /// Whether any evaluation has come to something that passes.
    passing: Cell<bool>,
    /// What the last question cost.
    #[cfg(test)]
    pub steps: u32,
}

/// The largest value that outlives a question, by what was charged for it, in bytes: of a call, or of a rule that reads
/// nothing.
pub(super) const LARGEST: usize = 64 << 10;

impl Memo {
    pub fn new(compilation: Arc<Compilation>) -> Self {
        let program = &compilation.program;
        let parts = vec![Value::Undefined; program.parts.len()];
        let values = Paged::new(program.rules.len());
        let charged = vec![Cell::new(0); program.rules.len()];
        let calls = KnownCalls::new(program.rules.len());
        let parameters = program.parts.iter().position(|part| *part == Value::from(PARAMETERS));
        Self {
            compilation,
            document: InputDocument::default(),
            parts,
            parameters,
            values,
            calls,
            evaluated: RefCell::default(),
            question: 0,
            charged,
            passing: Cell::default(),
            #[cfg(test)]
            steps: 0,
        }
    }

    /// Evaluates the rule at this position.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`](crate::engine::Evaluator::evaluate).
    pub fn evaluate(
        &mut self,
        position: usize,
        document: &InputDocument,
        parameters: &ParameterValues,
    ) -> Result<Value, EvaluationError> {
        self.question += 1;
        let mut changed = 0u64;
        let names = &self.compilation.program.parts;
        let all = if self.document.is(document) { 0..0 } else { 0..names.len() };
        for position in all.chain(self.parameters) {
            if let (Some(part), Some(name)) = (self.parts.get_mut(position), names.get(position)) {
                let now = document.part(name, parameters);
                if !same(part, now) {
                    *part = now.clone();
                    changed |= 1 << position;
                }
            }
        }
        if !self.document.is(document) {
            self.document = document.clone();
        }
        if changed != 0 {
            let stays = |&position: &usize| -> bool {
                self.compilation.program.rules.get(position).is_some_and(|rule| rule.reads & changed == 0)
            };
            self.calls.retain(|function| stays(&function));
            let (program, values) = (&self.compilation.program, &mut self.values);
            self.evaluated.get_mut().retain(|&position| {
                let stays = program.rules.get(position).is_some_and(|rule| rule.reads & changed == 0);
                if !stays && let Some(value) = values.get_mut(position) {
                    value.take();
                }
                stays
            });
        }
        let evaluation = Evaluation {
            program: &self.compilation.program,
            parts: &self.parts,
            values: &self.values,
            calls: &self.calls,
            evaluated: &self.evaluated,
            question: self.question,
            charged: &self.charged,
            passing: &self.passing,
            spent: Spent::default(),
        };
        let value = evaluation.rule(position).cloned();
        #[cfg(test)]
        {
            self.steps = evaluation.spent.steps();
        }
        value
    }

    /// Whether any evaluation has come to the time or the request's uid, which another request has otherwise.
    pub fn is_passing(&self) -> bool {
        self.passing.get()
    }
}

/// Whether two values are the same without a look into them. Both are held, so an address is that of one value.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => Arc::ptr_eq(one, other),
        (Value::Array(one), Value::Array(other)) => Arc::ptr_eq(one, other),
        (Value::Set(one), Value::Set(other)) => Arc::ptr_eq(one, other),
        (Value::Object(_) | Value::Array(_) | Value::Set(_), _) => false,
        (one, other) => one == other,
    }
}
