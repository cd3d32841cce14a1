//! The parts of regorus that the rest of the engine uses: its AST, which may change in any release, its
//! values and its table of builtins.

pub(super) use regorus::Value;
pub(super) use regorus::unstable::{
    AssignOp, BoolOp, Expr, Literal, Module as AstModule, Query, Ref, Rule, RuleBody, RuleHead, Span,
    WithModifier,
};

/// The number of arguments of a builtin; None if there is no such builtin.
pub(super) fn builtin_arguments(name: &str) -> Option<u8> {
    regorus::unstable::BUILTINS.get(name).map(|(_, arguments)| *arguments)
}

/// Names of all builtins.
pub(super) fn builtins() -> impl Iterator<Item = &'static str> {
    regorus::unstable::BUILTINS.keys().copied()
}
