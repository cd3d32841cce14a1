//! stategate decides, before the API server stores it, whether a change to a stateful workload is
//! safe, and says so in words a person can act on.
//!
//! One pure function takes that decision; the webhook, the command line and the tests differ only in
//! where a request comes from and where a decision goes:
//!
//! ```text
//!  AdmissionReview bytes ─┐                                                         ┌─▶ AdmissionReview answer
//!  manifests (check, fix) ├─▶ Request ─▶ select ─▶ view ─▶ evaluate ─▶ Decision ────┼─▶ report: text, JSON
//!  examples (test)       ─┘     │          ▲                  ▲          ▲          └─▶ metrics, decision log
//!                               │      PolicySet            Engine    Inventory
//!                               └── review(&PolicySet, &Inventory, &Request, now) ──┘
//!                                      sync · pure · no clock · no IO · total
//! ```
//!
//! The rooms, each importing only from those above it:
//!
//! - plain data: [`path`], [`yaml`], [`diagnostic`], [`reader`]: texts, places in them, errors that name both;
//! - domain: [`admission`] (what is asked), [`policy`] (what is demanded), [`workload`] (what holds
//!   state, in one shape), [`inventory`] (what else is known);
//! - decision: [`engine`] (Rego), [`policyset`], [`decision`](mod@decision), [`mod@review`], [`report`];
//! - edges, where IO happens: [`source`], [`telemetry`], [`evaluators`] (threads that are watched), [`server`];
//! - [`cli`].

pub mod diagnostic;
pub mod path;
pub mod reader;
pub mod yaml;

pub mod admission;
pub mod inventory;
pub mod policy;
pub mod workload;

pub mod decision;
pub mod engine;
pub mod policyset;
pub mod report;
pub mod review;

pub mod evaluators;
pub mod server;
pub mod source;
pub mod telemetry;

pub mod cli;
