//! Rego: loading it, asking it, and the document it is asked about.

mod definitions;
mod input;
mod lint;
mod reads;
mod rego;
mod shape;
mod to_value;
mod walk;

pub use definitions::Definition;
pub use input::{Document, InputError};
pub use reads::Reads;
pub use rego::{
    Coverage, Module, RecordedEvaluation, Rego, STACK, Session, Value, backtraces_slow_parsing,
    on_large_stack,
};
pub use to_value::to_value;
