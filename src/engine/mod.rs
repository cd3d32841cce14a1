//! The engine: loads and checks Rego, builds the input document and evaluates rules on it. regorus, its
//! values and its AST stay inside this module.

mod ast;
mod builtins;
mod comparison;
mod compilation;
mod compiled;
mod definitions;
mod error_text;
mod evaluation;
mod from_value;
mod input;
mod input_parts;
mod limits;
mod lint;
mod metered;
mod reads;
mod rego;
mod rule_id;
mod shape;
mod to_value;
mod walk;

pub use comparison::{Comparison, Question, held};
pub use compilation::Compilation;
pub use compiled::Unsupported;
#[cfg(test)]
pub use compiled::WRONG;
pub use definitions::Definition;
pub use evaluation::{Answer, EvaluationError};
pub use input::{Input, InputDocument, InputError, NamespaceObject, ParameterValues, Review, input_schema};
pub use input_parts::{InputPart, InputParts};
pub use reads::{Module, Reads};
pub use rego::{Coverage, EngineKind, Evaluator, Rego, STACK, backtraces_slow_parsing, on_large_stack};
pub use rule_id::RuleId;
