//! Locates rules and functions in their sources, so that messages about them can name the line.

use super::ast::{AstModule, Rule, RuleHead};
use super::reads::fixed_path;
use super::walk;

/// One definition of a rule or function; a name may have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Name of the source.
    pub source: String,
    /// `stategate.storage.storage_class_required`
    pub package: String,
    /// `violation`
    pub name: String,
    /// Whether it takes arguments.
    pub is_function: bool,
    /// The line of its head, 1-based.
    pub first_line: u32,
    /// The last line of its body.
    pub last_line: u32,
}

/// All definitions in a module, in source order.
pub fn of(module: &AstModule) -> impl Iterator<Item = Definition> {
    let package = fixed_path(&module.package.refr).unwrap_or_default().join(".");
    module.policy.iter().map(move |rule| {
        let span = rule.span();
        let below = span.text().trim_end().matches('\n').count();
        Definition {
            source: span.source.get_path().clone(),
            package: package.clone(),
            name: fixed_path(walk::head(rule)).unwrap_or_default().join("."),
            is_function: matches!(**rule, Rule::Spec { head: RuleHead::Func { .. }, .. }),
            first_line: span.line,
            last_line: span.line.saturating_add(u32::try_from(below).unwrap_or(u32::MAX)),
        }
    })
}
