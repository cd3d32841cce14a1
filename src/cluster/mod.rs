//! A live cluster: the only room that talks to an API server.
//!
//! [`LiveInventory`] follows the kinds that the policy set in force needs, by watches; [`Cluster`] lists and gets
//! objects for the command line. Only `serve` writes, and only objects of its own: [`Lease`] says which replica may.
#![expect(clippy::disallowed_methods, reason = "an edge: it keeps time")]

mod apply;
mod audit;
mod conditions;
mod connection;
mod error;
mod events;
mod follow;
mod fresh;
mod kept;
mod lease;
mod list;
mod live;
mod reports;
mod resources;
mod revisions;
mod status;
mod watch;

pub use apply::applied;
pub use audit::{Audit, AuditStep};
pub use conditions::write_conditions;
pub use connection::{Access, Cluster, Write};
pub use error::ClusterError;
pub use events::Events;
pub use follow::spread;
pub use lease::{Candidate, Lease};
pub use list::{field, without_copy};
pub use live::LiveInventory;
pub use reports::{Change, OwnReport, Pending, ReportKinds};
pub use resources::{Resource, Resources};
pub use status::{KindStatus, Knowledge};
