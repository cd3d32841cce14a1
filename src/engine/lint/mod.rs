//! Load-time checks of policies: what would be slow, end the process, or quietly never fire is refused
//! with its place and what to write instead (architecture §8.3). Policies are untrusted code.

mod calls;
mod graph;
mod heads;
mod names;
mod references;
mod sprintf;
mod text;

pub use text::check as check_text;

use super::rego::AstModule;
use crate::diagnostic::{Diagnostic, SourceText};
use names::{Names, Scope};

/// Checks modules against each other; `texts` are theirs, in the same order. They are not complete if
/// some could not be parsed: what is not found may then be there.
pub fn check_modules<'a>(
    modules: impl Iterator<Item = &'a AstModule> + Clone,
    texts: &[&SourceText],
    complete: bool,
) -> Vec<Diagnostic> {
    let names = Names::of(modules.clone(), complete);
    let scopes: Vec<Scope<'_>> =
        modules.zip(texts).map(|(module, text)| Scope::new(&names, module, text)).collect();
    let mut errors = Vec::new();
    for scope in &scopes {
        calls::check(scope, &mut errors);
        heads::check(scope, &mut errors);
        references::check(scope, &mut errors);
    }
    graph::check(&scopes, &mut errors);
    errors
}
