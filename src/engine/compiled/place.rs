//! Places in modules, for errors. A compiled rule has no text to which they could refer.

use serde::{Deserialize, Serialize};

use crate::engine::ast::Span;

/// A place in the module of this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub module: u32,
    /// 1-based.
    pub line: u32,
    /// 1-based, in regorus' columns.
    pub column: u32,
}

impl Place {
    /// Where a part of a module begins.
    pub fn of(module: u32, span: &Span) -> Self {
        Self { module, line: span.line, column: span.col }
    }
}

/// How many columns a text takes in regorus' places.
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| if c == '\t' { 4 } else { 1 }).sum()
}
