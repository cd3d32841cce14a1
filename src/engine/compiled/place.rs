//! Places in modules, for errors. A compiled rule has no text to which they could refer.

use serde::{Deserialize, Serialize};

use crate::engine::ast::{Expr, Span};

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

    /// Where an operand begins. regorus takes the place of a reference or a call to be that of its last part.
    pub fn of_operand(module: u32, operand: &Expr) -> Self {
        let span = operand.span();
        let start = usize::try_from(span.start).unwrap_or(usize::MAX);
        // The interpreter is given others without a meter, and so with their own place.
        let metered = matches!(
            operand,
            Expr::Var { .. }
                | Expr::RefDot { .. }
                | Expr::RefBrack { .. }
                | Expr::Call { .. }
                | Expr::Array { .. }
                | Expr::Set { .. }
                | Expr::ArrayCompr { .. }
                | Expr::SetCompr { .. }
                | Expr::ObjectCompr { .. }
        );
        match span.source.contents().get(..start).filter(|_| metered) {
            Some(before) => {
                let line_start = before.rfind('\n').map_or(0, |last| last + 1);
                let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
                let line = number(before.matches('\n').count() + 1);
                let column = before.get(line_start..).map_or(0, columns);
                Self { module, line, column: number(column + 1) }
            }
            None => Self::of(module, span),
        }
    }
}

/// How many columns a text takes in regorus' places.
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| if c == '\t' { 4 } else { 1 }).sum()
}
