//! Finds in the AST which parts of the input a policy reads, so that only those are built.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ast::{AstModule, Expr};
use super::rule_id::RuleId;
use super::walk::{self, AstNode};

/// Paths below `input` that are read, up to the first variable segment: `["review", "userInfo"]`. The empty
/// path means the whole input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reads(BTreeSet<Vec<String>>);

impl Reads {
    /// Whether anything at, below or above this path is read.
    pub fn reads(&self, path: &[&str]) -> bool {
        self.0.iter().any(|read| read.iter().zip(path).all(|(a, b)| a == b))
    }

    /// Whether this path, or something below it, is read by name.
    pub fn names(&self, path: &[&str]) -> bool {
        self.0.iter().any(|read| read.len() >= path.len() && read.iter().zip(path).all(|(a, b)| a == b))
    }

    /// Adds the other reads.
    pub fn extend(&mut self, other: &Reads) {
        self.0.extend(other.0.iter().cloned());
    }
}

/// Summary of one module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Module {
    /// `stategate.storage.storage_class_required`
    pub package: String,
    /// What it imports, without `data`: packages, those above them, and rules.
    pub imports: Vec<Vec<String>>,
    /// All paths below `data` that it mentions, imports and functions included: `stategate.lib.claims.of`.
    pub uses: BTreeSet<String>,
    /// Names of its rules, in source order, without duplicates.
    pub rules: Vec<String>,
    /// The parts of the input that it reads, including through helpers.
    pub reads: Reads,
}

impl Module {
    /// Whether it mentions anything of the other's package, of one above it, or of one below it.
    fn may_use(&self, other: &Self) -> bool {
        let below = |longer: &str, shorter: &str| {
            longer.strip_prefix(shorter).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.uses.iter().any(|used| below(used, &other.package) || below(&other.package, used))
    }

    /// The rule of this name; None if the module has none.
    pub fn rule(&self, name: &str) -> Option<RuleId> {
        let there = self.rules.iter().any(|rule| rule == name);
        there.then(|| RuleId(format!("data.{}.{name}", self.package).into()))
    }
}

/// Summarizes modules; what a helper reads counts for every module that uses it.
pub fn modules<'a>(modules: impl Iterator<Item = &'a AstModule>) -> Vec<Module> {
    let mut found: Vec<Module> = modules.map(summary).collect();
    let used_by = |own: &Module| -> Vec<usize> {
        let others = found.iter().enumerate().filter(|(_, other)| other.package != own.package);
        others.filter(|(_, other)| own.may_use(other)).map(|(position, _)| position).collect()
    };
    let helpers: Vec<Vec<usize>> = found.iter().map(used_by).collect();
    // Helpers may use helpers, so repeat until nothing is added. The sets only grow, so the loop ends.
    loop {
        let mut changed = false;
        for (position, helpers) in helpers.iter().enumerate() {
            for helper in helpers {
                let (Some(reads), Some(module)) =
                    (found.get(*helper).map(|helper| helper.reads.clone()), found.get_mut(position))
                else {
                    continue;
                };
                let before = module.reads.0.len();
                module.reads.0.extend(reads.0);
                changed |= module.reads.0.len() != before;
            }
        }
        if !changed {
            return found;
        }
    }
}

/// The positions of the modules of a package, and of all that these may use.
pub fn reachable(modules: &[Module], package: &str) -> BTreeSet<usize> {
    let with = |wanted: &dyn Fn(&Module) -> bool| -> Vec<usize> {
        modules
            .iter()
            .enumerate()
            .filter(|(_, module)| wanted(module))
            .map(|(position, _)| position)
            .collect()
    };
    let mut found = BTreeSet::new();
    let mut left = with(&|module| module.package == package);
    while let Some(position) = left.pop() {
        if found.insert(position)
            && let Some(module) = modules.get(position)
        {
            left.extend(with(&|other| module.may_use(other)));
        }
    }
    found
}

fn summary(module: &AstModule) -> Module {
    let (mut reads, mut uses) = (Reads::default(), BTreeSet::new());
    let mut note = |path: Vec<String>| match path.split_first() {
        Some((root, rest)) if root == "input" => drop(reads.0.insert(rest.to_vec())),
        Some((root, rest)) if root == "data" => drop(uses.insert(rest.join("."))),
        _ => {}
    };
    let imported: Vec<Vec<String>> =
        module.imports.iter().filter_map(|import| fixed_path(&import.refr)).collect();
    imported.iter().cloned().for_each(&mut note);
    let of_data = imported.iter().filter_map(|path| path.split_first());
    let imports = of_data.filter(|(root, _)| *root == "data").map(|(_, path)| path.to_vec()).collect();
    let mut rules: Vec<String> = Vec::new();
    for rule in &module.policy {
        walk::rule(rule, &mut |node| match node {
            AstNode::Reference(expr) => note(fixed_start(expr)),
            AstNode::Call(Expr::Call { fcn, .. }) => note(fixed_start(fcn)),
            _ => {}
        });
        if let Some(name) = fixed_path(walk::head(rule)).and_then(|path| path.into_iter().next())
            && !rules.contains(&name)
        {
            rules.push(name);
        }
    }
    let package = fixed_path(&module.package.refr).unwrap_or_default().join(".");
    Module { package, imports, uses, rules, reads }
}

/// The path of a reference, if all of it is fixed.
pub(super) fn fixed_path(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Var { span, .. } => Some(vec![span.text().to_owned()]),
        Expr::RefDot { refr, field, .. } => {
            let mut path = fixed_path(refr)?;
            path.push(field.0.text().to_owned());
            Some(path)
        }
        Expr::RefBrack { refr, index, .. } => match index.as_ref() {
            Expr::String { span, .. } | Expr::RawString { span, .. } => {
                let mut path = fixed_path(refr)?;
                path.push(span.text().trim_matches(['"', '`']).to_owned());
                Some(path)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The longest fixed prefix of a reference; empty if it does not start with a name.
pub(super) fn fixed_start(expr: &Expr) -> Vec<String> {
    match (fixed_path(expr), expr) {
        (Some(path), _) => path,
        (None, Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. }) => fixed_start(refr),
        (None, _) => Vec::new(),
    }
}
