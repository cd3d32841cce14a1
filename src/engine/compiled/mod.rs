//! Rules compiled into structures that are evaluated without looking anything up by name: locals are positions,
//! references lead to rules, functions are bound, patterns are compiled.
//!
//! regorus' interpreter remains the meaning. The compiler takes only what it does exactly as the interpreter, in the
//! same order ([`schedule`]), so that errors are the same too; whatever it does not know ([`Unsupported`]), and every
//! rule that uses such a rule, is left to the interpreter.

mod calls;
mod compile;
mod evaluate;
mod known_calls;
mod memo;
mod modules;
mod paged;
mod place;
mod program;
mod schedule;
mod scope;
mod serialized;
mod spent;
mod terms;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use calls::WRONG;
pub use memo::Memo;
pub use place::columns;
pub use program::{Program, Unsupported};
pub use schedule::brackets_bound_by;
