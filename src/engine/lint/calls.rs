//! Checks calls: the callee exists, the number of arguments fits, and the builtin is allowed.

use super::names::{Callee, Purpose, Scope};
use super::sprintf;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::engine::ast::{self, Expr};
use crate::engine::reads::fixed_path;
use crate::engine::walk;

/// Builtins that policies must not call (a name or its prefix), the reason, and the alternative.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    (
        "http.send",
        "it reaches out of the process: the verdict would hang on the network",
        "judge what input holds; what else is needed is given as a parameter of the policy",
    ),
    (
        "opa.runtime",
        "it reads the environment of the process: the verdict would differ from place to place",
        "declare a parameter in METADATA and read input.parameters",
    ),
    (
        "rand.",
        "its result differs from call to call: the verdict could not be repeated",
        "judge by what input holds",
    ),
    (
        "uuid.",
        "its result differs from call to call: the verdict could not be repeated",
        "use input.review.uid if something must be unique to a request",
    ),
    (
        "time.now_ns",
        "it reads the clock: the verdict could not be repeated or tested",
        "time is input.now, text such as 2026-01-31T12:00:00Z; time.parse_rfc3339_ns(input.now) is its number",
    ),
    (
        "units.",
        "a quantity such as 1e1000000000 in somebody's manifest keeps it busy for hours",
        "the view has quantities as numbers: compare claim.size or container.resources as they are",
    ),
    (
        "numbers.range",
        "it takes all the memory that its arguments ask for, in one call that no limit stops",
        "go through what is there: `some i, x in list`",
    ),
    (
        "net.cidr_expand",
        "a short prefix makes millions of addresses, in one call that no limit stops",
        "compare addresses as text, or give those that count as a parameter",
    ),
    (
        "graph.",
        "it can take exponential time in one call that no limit stops",
        "follow the few steps that are needed with `some … in`",
    ),
    (
        "trace",
        "it writes to a log that nobody reads when the policy serves",
        "put what is worth saying into msg; print() is for *_test.rego",
    ),
    (
        "print",
        "it writes to a log that nobody reads when the policy serves",
        "put what is worth saying into msg, or move the print to a *_test.rego",
    ),
];

/// OPA builtins that users ask for but the engine lacks: name prefixes and the alternative.
const LACKING: &[(&str, &str)] = &[
    ("any", "write a rule with `some x in list`"),
    ("all", "write `every x in list { … }`"),
    ("re_match", "it is regex.match now"),
    ("cast_", "compare with is_string, is_number and the like"),
    ("set_diff", "write `a - b`"),
    ("crypto.", "compare the values themselves"),
    ("io.jwt.", "the API server has authenticated the user: read input.review.userInfo"),
    ("net.", "compare addresses as text, or give those that count as a parameter"),
    ("rego.", "title and severity stand in METADATA; they need not be read"),
    ("external_data", "give what is needed as a parameter"),
];

pub fn check(scope: &Scope<'_>, errors: &mut Vec<Diagnostic>) {
    for rule in &scope.module.policy {
        walk::rule(rule, &mut |node| {
            if let walk::AstNode::Call(call) = node {
                one(scope, call, errors);
            }
        });
    }
}

fn one(scope: &Scope<'_>, call: &Expr, errors: &mut Vec<Diagnostic>) {
    let Expr::Call { fcn, params, .. } = call else { return };
    let Some(path) = fixed_path(fcn) else {
        errors.push(
            scope.error(call, "what is called has no fixed name").with_help("call functions by their names"),
        );
        return;
    };
    let (name, given) = (path.join("."), params.len());
    match scope.callee(&path) {
        Callee::Function(takes) if takes.contains(&given) => {}
        Callee::Function(takes) => {
            let takes: Vec<String> = takes.iter().map(ToString::to_string).collect();
            errors.push(arity(scope, call, &name, &takes.join(" or "), given));
        }
        Callee::Rule => errors.push(
            scope
                .error(call, format!("{name} is not a function, so it cannot be called"))
                .with_help(format!("read its value: `{name}`")),
        ),
        Callee::Missing { .. } if !scope.names.complete => {}
        Callee::Missing { package, function } => {
            let error = scope.error(call, format!("there is no function {name}"));
            errors.push(match did_you_mean(&function, scope.names.functions(&package)) {
                Some(meant) => error.with_help(meant),
                None => {
                    let known: Vec<&str> = scope.names.functions(&package).collect();
                    match known.as_slice() {
                        [] => error.with_help(format!("the package {package} defines no functions")),
                        known => error.with_help(format!("{package} defines {}", known.join(", "))),
                    }
                }
            });
        }
        Callee::Foreign => builtin(scope, call, &name, params, errors),
    }
}

fn builtin(
    scope: &Scope<'_>,
    call: &Expr,
    name: &str,
    params: &[ast::Ref<Expr>],
    errors: &mut Vec<Diagnostic>,
) {
    let talks = ["print", "trace"].contains(&name);
    let forbidden = FORBIDDEN.iter().find(|(start, ..)| is(name, start));
    if let Some((_, reason, instead)) = forbidden
        && !(talks && scope.purpose == Purpose::Test)
    {
        let message = format!("{name} is not allowed: {reason}");
        errors.push(scope.error(call, message).with_help(*instead));
        return;
    }
    let given = params.len();
    match ast::builtin_arguments(name) {
        _ if name == "print" => {}
        // The extra argument is the pattern that receives the result. With one argument, the engine returns
        // nothing, while OPA returns everything.
        _ if name == "walk" && given == 2 => {}
        _ if name == "walk" => errors.push(arity(scope, call, name, "2", given).with_help(
            "write `some path, value` and then walk(x, [path, value]), each on a line of its own",
        )),
        Some(takes) if usize::from(takes) == given => {
            if let ("sprintf", [format, arguments]) = (name, params) {
                errors.extend(sprintf::check(scope, format, arguments));
            }
        }
        Some(takes) => errors.push(arity(scope, call, name, &takes.to_string(), given)),
        None => {
            let lacking = LACKING.iter().find(|(start, _)| is(name, start));
            let message = format!("there is no function {name}");
            let builtins: Vec<&str> = ast::builtins().collect();
            let functions = scope.names.functions(&scope.package);
            let allowed = |known: &&str| !FORBIDDEN.iter().any(|(start, ..)| is(known, start));
            let known: Vec<&str> = builtins.into_iter().chain(functions).filter(allowed).collect();
            let error = scope.error(call, message);
            errors.push(match (lacking, did_you_mean(name, known)) {
                (Some((_, instead)), _) => error.with_help(format!("stategate does not have it: {instead}")),
                (None, Some(meant)) => error.with_help(meant),
                (None, None) => error.with_help(
                    "it is neither a builtin nor defined in this package; functions of libraries need an import",
                ),
            });
        }
    }
}

/// `graph.` matches every name with that prefix, `print` only itself, and `numbers.range` also
/// numbers.range_step.
fn is(name: &str, start: &str) -> bool {
    name == start || (start.contains(['.', '_']) && name.starts_with(start))
}

fn arity(scope: &Scope<'_>, call: &Expr, name: &str, takes: &str, given: usize) -> Diagnostic {
    let plural = if takes == "1" { "" } else { "s" };
    scope
        .error(call, format!("{name} takes {takes} argument{plural}, but is given {given}"))
        .with_help("a call that does not fit is an error when it is evaluated, or never true")
}
