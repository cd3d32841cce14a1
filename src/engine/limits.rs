//! What one evaluation of a rule may cost. Counted in steps and bytes, never in time: the same request gets the
//! same verdict on a busy machine.

use std::cell::Cell;
use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::ast::Value;

/// Steps that the evaluation of a rule may take. The most expensive rule of the catalogue takes a tenth of it
/// on the largest object that is read.
pub const STEPS: NonZeroU32 = match NonZeroU32::new(1_000_000) {
    Some(steps) => steps,
    None => NonZeroU32::MIN,
};
/// Bytes that builtins may make, or work through, in the evaluation of a rule.
pub const BYTES: usize = 16 << 20;
/// Bytes of an answer. A value can hold another one many times over: what counts is the text that it stands
/// for.
pub const ANSWER: usize = 1 << 20;

/// Bytes that a value takes beside its text.
pub const VALUE: usize = 32;

/// More than [`BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a builtin would exceed the limit of {} MiB for one rule", BYTES >> 20)]
pub struct TooLarge;

thread_local! {
    // An evaluation stays on one thread. Extensions of regorus are copied with the engine, so they cannot share
    // a counter that belongs to one evaluator.
    static SPENT: Cell<usize> = const { Cell::new(0) };
}

/// Begins the evaluation of a rule.
pub fn begin() {
    SPENT.set(0);
}

/// What the current evaluation has taken of its budget.
pub fn spent() -> usize {
    SPENT.get()
}

/// Whether the current evaluation was refused any bytes.
pub fn exceeded() -> bool {
    SPENT.get() > BYTES
}

/// Takes bytes from the budget of the current evaluation.
///
/// # Errors
/// If it is exhausted.
pub fn charge(bytes: usize) -> Result<(), TooLarge> {
    let spent = SPENT.get().saturating_add(bytes);
    SPENT.set(spent);
    if spent > BYTES { Err(TooLarge) } else { Ok(()) }
}

/// The size of a value in bytes if every part of it were written out; stops counting at `most`. Takes no more
/// steps than `most / VALUE`, and does not recurse.
pub fn size(value: &Value, most: usize) -> usize {
    match value {
        Value::Array(_) | Value::Set(_) | Value::Object(_) => sum(vec![value], most, |_| true),
        Value::String(text) => VALUE.saturating_add(text.len()).min(most),
        _ => VALUE.min(most),
    }
}

/// What values take in bytes together, with what they share counted once; stops counting at `most`.
pub fn held<'v>(values: impl Iterator<Item = &'v Value>, most: usize) -> usize {
    let mut seen = HashSet::new();
    sum(values.collect(), most, |address| seen.insert(address))
}

/// Adds up values with the contents of those collections that `enters` takes, which it knows by their address.
fn sum(mut left: Vec<&Value>, most: usize, mut enters: impl FnMut(usize) -> bool) -> usize {
    let mut bytes = 0usize;
    while let Some(value) = left.pop() {
        bytes = bytes.saturating_add(VALUE);
        if bytes >= most {
            return most;
        }
        match value {
            Value::String(text) => bytes = bytes.saturating_add(text.len()),
            Value::Array(items) if enters(Arc::as_ptr(items).addr()) => left.extend(items.iter()),
            Value::Set(items) if enters(Arc::as_ptr(items).addr()) => left.extend(items.iter()),
            Value::Object(fields) if enters(Arc::as_ptr(fields).addr()) => {
                left.extend(fields.iter().flat_map(|(key, value)| [key, value]));
            }
            _ => {}
        }
    }
    bytes.min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_shared_counts_as_often_as_it_occurs() {
        let mut value = Value::from("lol");
        for _ in 0..60 {
            value = Value::from(vec![value.clone(), value]);
        }
        assert_eq!(size(&value, ANSWER), ANSWER);
        assert_eq!(size(&Value::from("four"), ANSWER), VALUE + 4);
        assert_eq!(size(&Value::from(vec![Value::from("four"), Value::Null]), ANSWER), 3 * VALUE + 4);
    }

    #[test]
    fn what_is_held_counts_once() {
        let list = Value::from(vec![Value::from("four"), Value::Null]);
        let twice = Value::from(vec![list.clone(), list.clone()]);
        assert_eq!(held([&list].into_iter(), ANSWER), 3 * VALUE + 4);
        assert_eq!(held([&twice, &list].into_iter(), ANSWER), 6 * VALUE + 4);
        assert_eq!(held([&twice].into_iter(), 2 * VALUE), 2 * VALUE);
    }

    #[test]
    fn the_budget_is_per_evaluation() {
        begin();
        assert_eq!(charge(BYTES), Ok(()));
        assert!(!exceeded());
        assert_eq!(charge(1), Err(TooLarge));
        assert!(exceeded());
        begin();
        assert_eq!(charge(usize::MAX), Err(TooLarge));
        assert_eq!(charge(usize::MAX), Err(TooLarge), "no overflow");
        begin();
        assert!(!exceeded());
    }
}
