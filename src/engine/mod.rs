//! Rego: loading it, asking it, and the document it is asked about.

mod input;
mod lint;
mod reads;
mod rego;
mod to_value;
mod walk;

pub use input::{Document, InputError};
pub use reads::Reads;
pub use rego::{Asked, Coverage, Module, Rego, Session, Value, backtraces_slow_parsing};
pub use to_value::to_value;
