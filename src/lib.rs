//! stategate decides, before the API server stores it, whether a change to a stateful workload is
//! safe, and says so in words a person can act on.
//!
//! One pure function takes that decision, [`review::review`]; the webhook, the command line and the tests
//! differ only in where a request comes from and where a decision goes:
//!
//! ```text
//!  AdmissionReview bytes ─┐                                                       ┌─▶ AdmissionReview response
//!  manifests (check, fix) ├─▶ Request ─▶ select ─▶ states ─▶ evaluate ─▶ Decision ─┼─▶ report: text, JSON, …
//!  examples (test)       ─┘     │          ▲         ▲           ▲                └─▶ metrics, log
//!                               │      PolicySet  Inventory  Evaluator
//!                               └── review(&PolicySet, &Inventory, &Request, mode, now, &observer)
//!                                      synchronous · pure · no clock · no IO · total
//! ```
//!
//! The rooms, each importing only from those above it, and the life of a request and of a manifest are
//! described in `src/README.md`.

pub mod diagnostic;
pub mod path;
pub mod plain;
pub mod reader;
pub mod yaml;

pub mod admission;
pub mod inventory;
pub mod policy;
pub mod workload;

pub mod decision;
pub mod engine;
pub mod policyset;
pub mod review;

pub mod report;
pub mod source;
pub mod telemetry;

pub mod cluster;
pub mod evaluators;
pub mod server;

pub mod cli;
