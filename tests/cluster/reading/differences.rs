//! Where stategate and kubectl part, and why. Whatever is not listed here fails the tests, and so
//! does what is listed and no longer so.

use std::fmt;

/// Who reads what the other does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    OnlyKubectlReads,
    OnlyWeRead,
    BothReadDifferently,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnlyKubectlReads => "refused by us alone",
            Self::OnlyWeRead => "refused by kubectl alone",
            Self::BothReadDifferently => "read differently",
        })
    }
}

/// Differences over the written files.
pub const WRITTEN: &[(Side, &str, &[&str])] = &[];

/// Differences over the generated files: side, part of the message, reason.
pub const GENERATED: &[(Side, &str, &str)] = &[];
