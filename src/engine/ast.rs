//! The parts of regorus that the rest of the engine uses: its AST, which may change in any release, its
//! values and its table of builtins.

pub(super) use regorus::unstable::{
    ArithOp, AssignOp, BUILTINS, BinOp, BoolOp, BuiltinFcn, Expr, Literal, LiteralStmt, Module as AstModule,
    Query, Ref, Rule, RuleBody, RuleHead, Source, Span, WithModifier,
};
pub(super) use regorus::unstable::{numbers, sets};
pub(super) use regorus::{Engine, LimitError, Value};

/// A source that cannot be parsed.
#[derive(Debug, thiserror::Error)]
#[error("{rendered}")]
pub struct Unparsed {
    /// Its number, from 0.
    pub position: usize,
    /// What regorus says.
    pub rendered: String,
}

/// Parses sources, each with its name.
///
/// # Errors
/// The first one that cannot be parsed.
pub(super) fn parse<'t>(
    sources: impl Iterator<Item = (&'t str, &'t str)>,
) -> Result<Vec<Ref<AstModule>>, Unparsed> {
    let mut engine = Engine::new();
    for (position, (name, text)) in sources.enumerate() {
        let added = engine.add_policy(name.to_owned(), text.to_owned());
        added.map_err(|error| Unparsed { position, rendered: error.to_string() })?;
    }
    Ok(engine.get_modules().clone())
}

/// The number of arguments of a builtin; None if there is no such builtin.
pub(super) fn builtin_arguments(name: &str) -> Option<u8> {
    BUILTINS.get(name).map(|(_, arguments)| *arguments)
}

/// Names of all builtins.
pub(super) fn builtins() -> impl Iterator<Item = &'static str> {
    BUILTINS.keys().copied()
}

/// A place in a source as regorus renders it.
pub(super) struct ErrorPlace<'e> {
    /// Its name.
    pub source: &'e str,
    /// 1-based.
    pub line: u32,
    /// 1-based.
    pub column: u32,
}

/// The `error:` line of a rendered error: `--> file:line:col`, the line with a caret, `error: …`.
pub(super) fn error_line(rendered: &str) -> Option<&str> {
    rendered.lines().find_map(|line| line.trim().strip_prefix("error: "))
}

/// The place of a rendered error.
pub(super) fn error_place(rendered: &str) -> Option<ErrorPlace<'_>> {
    rendered.lines().find_map(|line| {
        let mut parts = line.trim().strip_prefix("--> ")?.rsplitn(3, ':');
        let column = parts.next()?.parse().ok()?;
        let line = parts.next()?.parse().ok()?;
        Some(ErrorPlace { source: parts.next()?, line, column })
    })
}
