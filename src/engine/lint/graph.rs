//! Checks which rules use which others: recursion and long chains overflow the stack, which ends the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::names::{Scope, Target, fixed_start};
use crate::diagnostic::Diagnostic;
use crate::engine::ast::{Expr, Rule};
use crate::engine::reads::fixed_path;
use crate::engine::walk::{self, AstNode};

const MAX_CHAIN: usize = 500;

struct Rules<'a> {
    names: Vec<String>,
    /// The place where each rule first occurs.
    places: Vec<(&'a Scope<'a>, &'a Rule)>,
    uses: Vec<BTreeSet<usize>>,
}

pub fn check(scopes: &[Scope<'_>], errors: &mut Vec<Diagnostic>) {
    let rules = collect(scopes);
    let left = unordered(&rules);
    if left.is_empty() {
        errors.extend(longest(&rules));
        return;
    }
    for cycle in cycles(&rules, &left) {
        let members: Vec<&str> = cycle
            .iter()
            .chain(cycle.first())
            .filter_map(|rule| rules.names.get(*rule))
            .map(|n| short(n))
            .collect();
        let Some((scope, rule)) = cycle.first().and_then(|rule| rules.places.get(*rule)) else { continue };
        let message = match cycle.len() {
            1 => format!("{} uses itself; Rego has no recursion", members.first().unwrap_or(&"a rule")),
            _ => format!("these rules use each other, and Rego has no recursion: {}", members.join(" → ")),
        };
        errors.push(
            scope.error(walk::head(rule), message).with_help(
                "take out one of these uses; to go through nested values use `some path, value` and walk(x, [path, value])",
            ),
        );
    }
}

fn collect<'a>(scopes: &'a [Scope<'a>]) -> Rules<'a> {
    let mut rules = Rules { names: Vec::new(), places: Vec::new(), uses: Vec::new() };
    let mut indexes: HashMap<String, usize> = HashMap::new();
    let mut by_package: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut bodies: Vec<(usize, &Scope<'_>, &Rule)> = Vec::new();
    for scope in scopes {
        for rule in &scope.module.policy {
            let name = scope.name_of(rule);
            let index = *indexes.entry(name.clone()).or_insert_with(|| {
                rules.names.push(name);
                rules.places.push((scope, rule));
                rules.uses.push(BTreeSet::new());
                by_package.entry(&scope.package).or_default().push(rules.names.len() - 1);
                rules.names.len() - 1
            });
            bodies.push((index, scope, rule));
        }
    }
    for (index, scope, rule) in bodies {
        let Some(uses) = rules.uses.get_mut(index) else { continue };
        walk::rule(rule, &mut |node| {
            let path = match node {
                AstNode::Reference(expr) => fixed_start(expr),
                AstNode::Call(Expr::Call { fcn, .. }) => fixed_path(fcn).unwrap_or_default(),
                _ => return,
            };
            match scope.target(&path) {
                Target::Rule(name) => uses.extend(indexes.get(&name)),
                Target::Package(package) => {
                    let below = format!("{package}.");
                    let inside =
                        |name: &str| name == package || package.is_empty() || name.starts_with(&below);
                    uses.extend(
                        by_package.iter().filter(|(name, _)| inside(name)).flat_map(|(_, rules)| rules),
                    );
                }
                _ => {}
            }
        });
    }
    rules
}

/// Repeatedly removes rules that use no remaining rule. The rest is part of a cycle or uses one.
fn unordered(rules: &Rules<'_>) -> BTreeSet<usize> {
    let ordered: BTreeSet<usize> = order(rules).into_iter().collect();
    (0..rules.names.len()).filter(|rule| !ordered.contains(rule)).collect()
}

/// Sorts rules so that each follows all rules that it uses; leaves out rules on cycles.
fn order(rules: &Rules<'_>) -> Vec<usize> {
    let mut used_by: Vec<Vec<usize>> = vec![Vec::new(); rules.names.len()];
    let mut missing: Vec<usize> = Vec::new();
    for (rule, uses) in rules.uses.iter().enumerate() {
        missing.push(uses.len());
        for used in uses {
            used_by.get_mut(*used).into_iter().for_each(|users| users.push(rule));
        }
    }
    let mut ready: Vec<usize> =
        missing.iter().enumerate().filter(|(_, missing)| **missing == 0).map(|(rule, _)| rule).collect();
    let mut ordered = Vec::new();
    while let Some(rule) = ready.pop() {
        ordered.push(rule);
        for user in used_by.get(rule).into_iter().flatten() {
            if let Some(missing) = missing.get_mut(*user) {
                *missing -= 1;
                if *missing == 0 {
                    ready.push(*user);
                }
            }
        }
    }
    ordered
}

/// One cycle for every group of mutually recursive rules: from each remaining rule, follows one use after
/// another until a rule repeats.
fn cycles(rules: &Rules<'_>, left: &BTreeSet<usize>) -> Vec<Vec<usize>> {
    let (mut done, mut found) = (BTreeSet::new(), Vec::new());
    for start in left {
        let mut way: Vec<usize> = Vec::new();
        let mut on_way: BTreeSet<usize> = BTreeSet::new();
        let mut next = Some(*start);
        while let Some(rule) = next.filter(|rule| !done.contains(rule)) {
            if !on_way.insert(rule) {
                let from = way.iter().position(|on| *on == rule).unwrap_or_default();
                let mut cycle = way.split_off(from);
                // Rotate so that the same cycle always starts with the same rule.
                let first = cycle.iter().enumerate().min_by_key(|(_, rule)| **rule).map_or(0, |(at, _)| at);
                cycle.rotate_left(first);
                found.push(cycle);
                break;
            }
            way.push(rule);
            next =
                rules.uses.get(rule).and_then(|uses| uses.iter().find(|used| left.contains(*used))).copied();
        }
        done.extend(on_way);
    }
    found
}

/// An error for the longest chain, if it exceeds the limit.
fn longest(rules: &Rules<'_>) -> Option<Diagnostic> {
    let mut lengths = vec![1; rules.names.len()];
    for rule in order(rules) {
        let below = rules.uses.get(rule)?.iter().filter_map(|used| lengths.get(*used)).max().copied();
        *lengths.get_mut(rule)? = below.unwrap_or(0) + 1;
    }
    let (rule, length) = lengths.iter().enumerate().max_by_key(|(_, length)| **length)?;
    let (scope, place) = rules.places.get(rule)?;
    (*length > MAX_CHAIN).then(|| {
        let message = format!(
            "{} stands on a chain of {length} rules that use one another; {MAX_CHAIN} are the limit",
            short(rules.names.get(rule).map_or("", String::as_str))
        );
        scope
            .error(walk::head(place), message)
            .with_help("a table and `some … in` do what such chains are written for")
    })
}

/// The name without the prefix shared by all packages.
fn short(name: &str) -> &str {
    name.strip_prefix("stategate.").unwrap_or(name)
}
