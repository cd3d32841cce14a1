//! Names of rules.

use std::fmt;
use std::sync::Arc;

/// A rule or function of a loaded module, by its path: `data.stategate.storage.pvc_no_shrink.violation`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(pub(super) Arc<str>);

impl RuleId {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The package that has it, without `data`.
    pub fn package(&self) -> &str {
        let path = self.0.strip_prefix("data.").unwrap_or_default();
        path.rsplit_once('.').map_or("", |(package, _)| package)
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
