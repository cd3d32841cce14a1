//! Checks references: they name an existing rule or package, names are not redefined, and `with` is used only
//! in tests.

use super::names::{Purpose, Scope, Target, fixed_start};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::engine::reads::fixed_path;
use crate::engine::walk::{self, AstNode};

/// What can be imported from `future.keywords`.
const KEYWORDS: &[&str] = &["contains", "every", "if", "in"];

pub fn check(scope: &Scope<'_>, errors: &mut Vec<Diagnostic>) {
    imports(scope, errors);
    for rule in &scope.module.policy {
        walk::rule(rule, &mut |node| match node {
            AstNode::Reference(expr) => {
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
            AstNode::Declares(span, _) => {
                let name = span.text();
                let hides = scope.names.has_rule(&scope.package, name)
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
            AstNode::With(modifier) if scope.purpose != Purpose::Test => errors.push(
                scope
                    .error(&modifier.refr, "`with` replaces what a policy is asked about: it is for tests")
                    .with_help("pass what differs as an argument of a function"),
            ),
            _ => {}
        });
    }
}

fn imports(scope: &Scope<'_>, errors: &mut Vec<Diagnostic>) {
    for import in &scope.module.imports {
        let Some(path) = fixed_path(&import.refr) else { continue };
        let last = path.last().map_or("", String::as_str);
        let name = import.r#as.as_ref().map_or(last, |alias| alias.text());
        if scope.imports.contains_key(name) && scope.names.has_rule(&scope.package, name) {
            let message = format!(
                "the import {name} has the name of a rule of this package: which one is meant is anybody's guess"
            );
            errors.push(
                scope
                    .error(&import.refr, message)
                    .with_help(format!("give it another: `import {} as other_name`", path.join("."))),
            );
        }
        // regorus takes any keyword for known, and reads what is written with a new one in another way.
        if let [future, keywords, keyword] = path.as_slice()
            && [future, keywords] == ["future", "keywords"]
            && !KEYWORDS.contains(&keyword.as_str())
        {
            errors.push(
                scope
                    .error(&import.refr, format!("there is no keyword {keyword}"))
                    .with_help("take the import out, and write what it is for without it"),
            );
        }
        if !scope.names.complete {
            continue;
        }
        let (message, help) = match scope.target_of(&path) {
            Target::NoRule { package, rule } => (
                format!("the package {package} has no rule {rule} to import"),
                did_you_mean(&rule, scope.names.rules(&package)),
            ),
            Target::Nothing(missing) => (
                format!("there is no package data.{missing} to import"),
                did_you_mean(&missing, scope.names.packages()),
            ),
            _ => continue,
        };
        let mut error = scope.error(&import.refr, message);
        error.help =
            help.or_else(|| Some("take the import out, or write the library that it names".to_owned()));
        errors.push(error);
    }
}
