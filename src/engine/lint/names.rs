//! The names defined in all modules, and what a name refers to in each module.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, SourceText};
use crate::engine::ast::{AstModule, Expr, Rule, RuleHead, Span};
use crate::engine::reads::fixed_path;
use crate::engine::walk;

/// The purpose of a file, which decides what it may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Policy,
    Library,
    Test,
}

/// Rules and functions by package.
pub struct Names {
    packages: BTreeMap<String, Package>,
    /// False if some modules could not be parsed, so that missing names may be defined there.
    pub complete: bool,
}

#[derive(Default)]
struct Package {
    rules: BTreeSet<String>,
    /// By full name below the package, with the numbers of arguments they accept.
    functions: BTreeMap<String, BTreeSet<usize>>,
}

/// What a path refers to.
#[derive(PartialEq, Eq)]
pub enum Target {
    /// A name introduced by the rule itself.
    Local,
    Input,
    /// A rule, as `package.rule`.
    Rule(String),
    /// A package, or a prefix of packages.
    Package(String),
    /// The package exists, but the rule does not.
    NoRule {
        package: String,
        rule: String,
    },
    /// A path below `data` that is not a package.
    Nothing(String),
}

/// What a call refers to.
pub enum Callee<'n> {
    Function(&'n BTreeSet<usize>),
    Rule,
    /// Not defined in any module: a builtin or unknown.
    Foreign,
    Missing {
        package: String,
        function: String,
    },
}

impl Names {
    /// Collects the names of all modules.
    pub fn of<'a>(modules: impl Iterator<Item = &'a AstModule>, complete: bool) -> Self {
        let mut names = Self { packages: BTreeMap::new(), complete };
        for module in modules {
            let package = names.packages.entry(package(module)).or_default();
            for rule in &module.policy {
                let path = fixed_start(walk::head(rule));
                package.rules.extend(path.first().cloned());
                let arguments = match rule.as_ref() {
                    Rule::Spec { head: RuleHead::Func { args, .. }, .. } => args.len(),
                    Rule::Default { args, .. } if !args.is_empty() => args.len(),
                    _ => continue,
                };
                package.functions.entry(path.join(".")).or_default().insert(arguments);
            }
        }
        names
    }

    /// What a path below `data` refers to.
    pub fn below_data(&self, path: &[String]) -> Target {
        for length in (1..=path.len()).rev() {
            let (Some(package), rule) = (path.get(..length), path.get(length)) else { continue };
            let package = package.join(".");
            match (self.packages.get(&package), rule) {
                (Some(_), None) => return Target::Package(package),
                (Some(found), Some(rule)) if found.rules.contains(rule) => {
                    return Target::Rule(format!("{package}.{rule}"));
                }
                (Some(_), Some(rule)) => return Target::NoRule { package, rule: rule.clone() },
                (None, _) => {}
            }
        }
        let path = path.join(".");
        let holds_some = path.is_empty() || self.packages().any(|name| name.starts_with(&format!("{path}.")));
        if holds_some { Target::Package(path) } else { Target::Nothing(path) }
    }

    /// All packages.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        self.packages.keys().map(String::as_str)
    }

    /// The names of the rules in a package.
    pub fn rules(&self, package: &str) -> impl Iterator<Item = &str> {
        self.packages.get(package).into_iter().flat_map(|package| package.rules.iter().map(String::as_str))
    }

    /// Whether a package has a rule with this name.
    pub fn has_rule(&self, package: &str, name: &str) -> bool {
        self.packages.get(package).is_some_and(|package| package.rules.contains(name))
    }

    /// The names of the functions in a package.
    pub fn functions(&self, package: &str) -> impl Iterator<Item = &str> {
        self.packages
            .get(package)
            .into_iter()
            .flat_map(|package| package.functions.keys().map(String::as_str))
    }
}

/// A module and its name resolution.
pub struct Scope<'a> {
    pub names: &'a Names,
    pub module: &'a AstModule,
    pub text: &'a SourceText,
    pub package: String,
    pub purpose: Purpose,
    /// The paths that imports stand for; the first segment is `data` or `input`.
    pub imports: BTreeMap<String, Vec<String>>,
}

impl<'a> Scope<'a> {
    pub fn new(names: &'a Names, module: &'a AstModule, text: &'a SourceText) -> Self {
        let package = package(module);
        let purpose = match package.strip_prefix("stategate.lib.") {
            _ if text.name.ends_with("_test.rego") => Purpose::Test,
            Some(_) => Purpose::Library,
            None => Purpose::Policy,
        };
        let imports = module
            .imports
            .iter()
            .filter_map(|import| {
                let path = fixed_path(&import.refr)?;
                let name = match &import.r#as {
                    Some(alias) => alias.text().to_owned(),
                    None => path.last()?.clone(),
                };
                ["data", "input"].contains(&path.first()?.as_str()).then_some((name, path))
            })
            .collect();
        Self { names, module, text, package, purpose, imports }
    }

    /// The name of a rule, as in [`Target::Rule`].
    pub fn name_of(&self, rule: &Rule) -> String {
        let path = fixed_start(walk::head(rule));
        format!("{}.{}", self.package, path.first().map_or("", String::as_str))
    }

    /// What a path refers to in this module.
    pub fn target(&self, path: &[String]) -> Target {
        let Some((root, rest)) = path.split_first() else { return Target::Local };
        match root.as_str() {
            "input" => Target::Input,
            "data" => self.names.below_data(rest),
            root => match self.imports.get(root) {
                Some(import) => {
                    let whole: Vec<String> = import.iter().chain(rest).cloned().collect();
                    self.target_of(&whole)
                }
                None if self.names.has_rule(&self.package, root) => {
                    Target::Rule(format!("{}.{root}", self.package))
                }
                None => Target::Local,
            },
        }
    }

    /// What a path that starts with `data` or `input` refers to.
    pub fn target_of(&self, path: &[String]) -> Target {
        match path.split_first() {
            Some((root, rest)) if root == "data" => self.names.below_data(rest),
            _ => Target::Input,
        }
    }

    /// What the function of a call refers to.
    pub fn callee(&self, path: &[String]) -> Callee<'a> {
        let own = |package: &str, function: &str| {
            self.names.packages.get(package).and_then(|package| package.functions.get(function))
        };
        if let Some(arguments) = own(&self.package, &path.join(".")) {
            return Callee::Function(arguments);
        }
        match self.target(path) {
            Target::Rule(rule) => {
                // The target holds only the first segment of a rule's name, but a function's name may have
                // several, so remove the package from the full path.
                let whole = self.whole(path);
                let package = rule.rsplit_once('.').map_or("", |(package, _)| package);
                let function = whole.strip_prefix(package).map_or("", |rest| rest.trim_start_matches('.'));
                own(package, function).map_or(Callee::Rule, Callee::Function)
            }
            Target::NoRule { package, rule } => Callee::Missing { package, function: rule },
            Target::Nothing(package) => Callee::Missing { package, function: String::new() },
            Target::Package(_) => Callee::Rule,
            Target::Local | Target::Input => Callee::Foreign,
        }
    }

    /// The path of a rule or function below `data`, without `data`.
    pub fn whole(&self, path: &[String]) -> String {
        let (root, rest) = path.split_first().map_or(("", path), |(root, rest)| (root.as_str(), rest));
        match self.imports.get(root) {
            _ if root == "data" => rest.join("."),
            Some(import) => import.iter().skip(1).chain(rest).cloned().collect::<Vec<_>>().join("."),
            None => format!("{}.{}", self.package, path.join(".")),
        }
    }

    /// An error at an expression.
    pub fn error(&self, expr: &Expr, message: impl Into<String>) -> Diagnostic {
        let span = expr.span();
        let start = match expr {
            // The parser's span of an object starts at its last field.
            Expr::Object { fields, .. } => fields.first().map_or(span.start as usize, |(_, key, _)| {
                let before = self.text.text.get(..key.span().start as usize).unwrap_or_default();
                before.rfind('{').unwrap_or_default()
            }),
            Expr::String { .. } | Expr::RawString { .. } => (span.start as usize).saturating_sub(1),
            _ => span.start as usize,
        };
        self.error_at(start, message)
    }

    /// An error at a span with a correct start.
    pub fn error_at_span(&self, span: &Span, message: impl Into<String>) -> Diagnostic {
        self.error_at(span.start as usize, message)
    }

    fn error_at(&self, start: usize, message: impl Into<String>) -> Diagnostic {
        let before = self.text.text.get(..start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        self.text.error(lines + 1, line.chars().count() + 1, message)
    }
}

/// The fixed prefix of a reference's path.
pub fn fixed_start(expr: &Expr) -> Vec<String> {
    crate::engine::reads::fixed_start(expr)
}

/// The package of a module, in dotted form.
pub fn package(module: &AstModule) -> String {
    fixed_path(&module.package.refr).unwrap_or_default().join(".")
}
