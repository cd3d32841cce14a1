//! Load-time checks of policies: what would be slow, end the process, or quietly never fire is refused
//! with its place and what to write instead (architecture §8.3). Policies are untrusted code.

mod calls;
mod fields;
mod graph;
mod heads;
mod names;
mod negated;
mod references;
mod sprintf;
mod text;

pub use text::check as check_text;

use std::collections::HashMap;
use std::sync::Arc;

use super::rego::AstModule;
use super::shape;
use crate::diagnostic::{Diagnostic, SourceText};
use crate::policy::Policy;
use names::{Names, Scope};

/// Checks modules against each other; `texts` are theirs, in the same order. They are not complete if
/// some could not be parsed: what is not found may then be there. The policies are those whose METADATA
/// says what parameters there are.
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
    // What follows rules from use to use comes to no end in a circle.
    if errors.len() > before {
        return errors;
    }
    let inputs: HashMap<String, Arc<shape::Shape>> = policies
        .iter()
        .map(|policy| (policy.package.clone(), Arc::new(shape::input(Some(policy)))))
        .collect();
    fields::check(&scopes, &inputs, Arc::new(shape::input(None)), &mut errors);
    errors
}
