//! References: what they name is there, and is named for good; `with` is for tests.

use super::names::{Purpose, Scope, Target, fixed_start};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::engine::reads::fixed_path;
use crate::engine::walk::{self, Node};

pub fn check(scope: &Scope<'_>, errors: &mut Vec<Diagnostic>) {
    for rule in &scope.module.policy {
        walk::rule(rule, &mut |node| match node {
            Node::Reference(expr) => {
                let path = fixed_start(expr);
                match scope.target(&path) {
                    Target::Package(package) if fixed_path(expr).is_none() => errors.push(
                        scope
                            .error(
                                expr,
                                format!(
                                    "which rule below data.{package} is meant is only known when it runs"
                                ),
                            )
                            .with_help("name the rule: what a policy reads and uses is found before it runs"),
                    ),
                    Target::NoRule { package, rule } if scope.names.complete => {
                        let mut error =
                            scope.error(expr, format!("the package {package} has no rule {rule}"));
                        error.help = did_you_mean(&rule, scope.names.rules(&package));
                        errors.push(error);
                    }
                    Target::Nothing(path) if scope.names.complete => {
                        let mut error = scope.error(expr, format!("there is no package data.{path}"));
                        error.help = did_you_mean(&path, scope.names.packages());
                        errors.push(error);
                    }
                    _ => {}
                }
            }
            Node::Declares(span, _) => {
                let name = span.text();
                let hides = scope.names.rules(&scope.package).any(|rule| rule == name)
                    || scope.imports.contains_key(name)
                    || ["input", "data"].contains(&name);
                if hides && name != "_" {
                    errors.push(
                        scope
                            .error_at_span(span, format!("{name} hides a rule or an import of the same name"))
                            .with_help("give the variable a name of its own"),
                    );
                }
            }
            Node::With(modifier) if scope.purpose != Purpose::Test => errors.push(
                scope
                    .error(&modifier.refr, "`with` replaces what a policy is asked about: it is for tests")
                    .with_help("pass what differs as an argument of a function"),
            ),
            _ => {}
        });
    }
}
