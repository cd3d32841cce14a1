//! The parts of regorus that the rest of the engine uses: its AST, which may change in any release, its
//! values and its table of builtins.

pub(super) use regorus::unstable::{
    ArithOp, AssignOp, BUILTINS, BinOp, BoolOp, BuiltinFcn, Expr, Literal, LiteralStmt, Module as AstModule,
    Query, Ref, Rule, RuleBody, RuleHead, Source, Span, WithModifier,
};
pub(super) use regorus::unstable::{numbers, sets};
pub(super) use regorus::{Engine, Value};

/// The number of arguments of a builtin; None if there is no such builtin.
pub(super) fn builtin_arguments(name: &str) -> Option<u8> {
    BUILTINS.get(name).map(|(_, arguments)| *arguments)
}

/// Names of all builtins.
pub(super) fn builtins() -> impl Iterator<Item = &'static str> {
    BUILTINS.keys().copied()
}
