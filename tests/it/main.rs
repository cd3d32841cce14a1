//! Integration tests: one binary, one module per subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on says so by ending"
)]

mod architecture;
mod bad_input;
mod bindings;
mod certs;
mod ci;
mod cli;
mod collector;
mod connections;
mod decision_cache;
mod decision_log;
mod declared;
mod deploy;
mod destinations;
mod diff;
mod documents;
mod engines;
mod exceptions;
mod explain;
mod fix;
mod formats;
mod front_ends;
mod harmless;
mod hostile;
mod inventory;
mod joins;
mod judgement;
mod limits;
mod lint;
mod once;
mod outage;
mod packaging;
mod places;
mod policy_cli;
mod reading;
mod record;
mod sandbox;
mod schema;
mod sensitive;
mod server;
mod shadow;
mod sources;
mod states;
mod status;
mod stuck;
mod suites;
mod support;
mod test_command;
mod together;
mod traces;
#[cfg(unix)]
mod untrusted_repository;
mod view;
mod wire;
