//! Integration tests: one binary, one module a subject.

mod architecture;
mod bad_input;
mod cli;
mod server;
mod support;
mod wire;
