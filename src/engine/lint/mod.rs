//! Load-time checks of policies. Refuses anything that would be slow, end the process or silently never fire,
//! and reports its position and the fix. Policies are untrusted code.

mod calls;
mod fields;
mod graph;
mod growth;
mod heads;
mod names;
mod negated;
mod references;
mod sprintf;
mod text;

pub use text::check as check_text;

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::AstModule;
use super::shape;
use crate::diagnostic::{Diagnostic, SourceText};
use crate::policy::Policy;
use names::{Names, Scope};

/// Checks modules against each other; `texts` are their texts, in the same order. `complete` is false if some
/// modules could not be parsed and may define what the others refer to. `policies` are those whose METADATA
/// declares their parameters.
pub fn check_modules<'a>(
    modules: impl Iterator<Item = &'a AstModule> + Clone,
    texts: &[&SourceText],
    policies: &[&Policy],
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
    let before = errors.len();
    graph::check(&scopes, &mut errors);
    // The checks below follow rules from use to use, which would not terminate on a cycle.
    if errors.len() > before {
        return errors;
    }
    growth::check(&scopes, &mut errors);
    let inputs: HashMap<String, Arc<shape::Shape>> = policies
        .iter()
        .map(|policy| (policy.package.clone(), Arc::new(shape::input(Some(policy)))))
        .collect();
    fields::check(&scopes, &inputs, Arc::new(shape::input(None)), &mut errors);
    errors
}
