//! What is known of each kind, and why not more.

use std::fmt;
use std::time::Instant;

use super::error::ClusterError;

/// What is known of one kind.
#[derive(Clone, Debug)]
pub enum Knowledge {
    /// It is being listed for the first time.
    Loading,
    /// All objects, as they are now.
    Complete,
    /// The API server has no such resource, hence no objects.
    Absent,
    /// All objects, as they were when the connection broke.
    Interrupted {
        /// When the connection broke.
        since: Instant,
        /// Why.
        error: ClusterError,
    },
    /// Not all objects.
    Unknown {
        /// Why.
        error: ClusterError,
    },
}

/// What is known of one kind, for people.
#[derive(Clone, Debug)]
pub struct KindStatus {
    /// What is known.
    pub knowledge: Knowledge,
    /// Whether policies may rely on it.
    pub complete: bool,
    /// Number of objects.
    pub objects: usize,
    /// Objects that cannot be read, so that they are not part of it.
    pub unreadable: usize,
    /// Seconds since the API server last said something about this kind.
    pub age: Option<u64>,
}

impl fmt::Display for KindStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.knowledge {
            Knowledge::Loading => f.write_str("loading")?,
            Knowledge::Complete if self.complete => write!(f, "complete, {} objects", self.objects)?,
            Knowledge::Complete => {
                write!(f, "unknown: no contact with the API server, {} objects", self.objects)?
            }
            Knowledge::Absent => f.write_str("complete: there is no such resource")?,
            Knowledge::Interrupted { error, .. } => {
                let known = if self.complete { "complete until now" } else { "unknown" };
                write!(f, "{known}, {} objects: {error}", self.objects)?;
            }
            Knowledge::Unknown { error } => write!(f, "unknown: {error}")?,
        }
        if self.unreadable > 0 {
            write!(f, ", {} more cannot be read", self.unreadable)?;
        }
        self.age.map_or(Ok(()), |age| write!(f, ", last heard of {age} s ago"))
    }
}
