//! Integration tests: one binary, one module a subject.

mod architecture;
mod bad_input;
mod cli;
mod support;
mod wire;
