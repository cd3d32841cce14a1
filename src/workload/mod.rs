//! The workload view: one shape for every kind of object that holds state.
//!
//! Policies should not have to find the pod template of seven kinds, apply the API's defaults, parse
//! quantities and match label selectors themselves: that would be slow and error-prone. [`project`] does it
//! once and typed, turning an object into a [`view::Workload`] by the projection of its kind.

mod backup;
mod class;
mod command;
mod configuration;
mod confirmations;
mod data_dirs;
pub mod declared;
pub(crate) mod dumps;
pub mod engines;
mod environment;
mod flags;
pub mod image;
pub mod int_or_percent;
mod json_node;
pub mod labels;
mod memory;
mod pods;
mod probes;
mod project;
pub mod projection;
pub mod quantity;
mod rollout;
pub mod schedule;
mod scheduling;
mod script;
mod siblings;
mod storage;
pub mod view;
mod voters;
mod wrappers;

pub use class::{BACKUP_WORDS, HOOKS};
pub use configuration::{ConfigMap, ConfigMaps, Earlier, FirstOf, NoConfigMaps};
pub(crate) use confirmations::confirmed_steps;
pub use declared::SelfClassification;
pub use json_node::Problem;
pub(crate) use json_node::{JsonNode, ObjectReading};
pub use project::{Projected, project, project_with};
pub(crate) use storage::{claim, persistent_volume, storage_class};
pub use view::{Class, Workload};
