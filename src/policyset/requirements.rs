//! Checks that METADATA declares all kinds of other objects that a policy reads.

use std::collections::{BTreeMap, BTreeSet};

use super::PolicySet;
use crate::admission::GroupKind;
use crate::diagnostic::{Diagnostic, SourceText, did_you_mean};
use crate::engine::Reads;
use crate::inventory::{Inventory, ResourceRole, keys};
use crate::policy::{Policy, PolicyId, kinds};
use crate::workload::projection::Projections;

impl PolicySet {
    /// The kinds of which bound policies need or use other objects, with the versions that their projections
    /// read (none: any version). Namespaces are always among them: bindings select by their labels.
    pub fn needed_kinds(&self) -> BTreeMap<GroupKind, Vec<String>> {
        let declared = self.bound().flat_map(|(compiled, _)| compiled.policy.inventory.iter());
        let namespace = GroupKind::written("Namespace");
        let kinds = declared.map(|(kind, _)| kind.clone()).chain([namespace]);
        let versions =
            |kind: &GroupKind| self.projections().of(kind).map(|projection| projection.versions.clone());
        kinds.map(|kind| (kind.clone(), versions(&kind).unwrap_or_default())).collect()
    }

    /// The kinds that these policies look at besides the object, and that may be created together with it.
    pub fn companion_kinds<'a>(&self, policies: impl Iterator<Item = &'a PolicyId>) -> BTreeSet<&GroupKind> {
        let policies = policies.filter_map(|id| self.policy(id.as_str()));
        let kinds = policies.flat_map(|policy| policy.inventory.iter()).map(|(kind, _)| kind);
        let comes_along = |kind: &&GroupKind| {
            ResourceRole::of(kind, self.projections()).is_some_and(ResourceRole::may_come_along)
        };
        kinds.filter(comes_along).collect()
    }

    /// The kinds that bound policies need and that are incomplete in an inventory, each with these policies.
    pub fn incomplete(&self, inventory: &Inventory) -> BTreeMap<GroupKind, Vec<&PolicyId>> {
        let mut incomplete: BTreeMap<GroupKind, Vec<&PolicyId>> = BTreeMap::new();
        for (compiled, _) in self.bound() {
            for kind in inventory.incomplete(&compiled.policy.inventory) {
                incomplete.entry(kind).or_default().push(&compiled.policy.id);
            }
        }
        incomplete
    }
}

/// # Errors
/// If it declares a kind that no join uses, or reads a key whose kind it does not declare.
pub fn check(
    policy: &Policy,
    reads: &Reads,
    projections: &Projections,
    text: &SourceText,
) -> Result<(), Diagnostic> {
    let at = |needle: &str| {
        let line = text.text.lines().position(|line| line.contains(needle));
        line.map_or(1, |line| line + 1)
    };
    let mut declared = Vec::new();
    for (kind, _) in policy.inventory.iter() {
        let role = ResourceRole::of(kind, projections).filter(|role| *role != ResourceRole::ConfigMap);
        let Some(role) = role else {
            let written = kind.to_string();
            let mut error = text.error(at(&written), 0, format!("custom.inventory: no join knows {written}"));
            let joined: Vec<GroupKind> = ResourceRole::kinds().collect();
            let known: Vec<&GroupKind> =
                joined.iter().chain(projections.iter().map(|(kind, _)| kind)).collect();
            let names: Vec<String> = joined.iter().map(ToString::to_string).collect();
            error.help = kinds::suggestion(&written, &known)
                .map(|kind| format!("did you mean {kind}?"))
                .or_else(|| did_you_mean(&written, names.iter().map(String::as_str)))
                .or_else(|| Some(format!("workloads that have a projection, and {}", names.join(", "))));
            return Err(error);
        };
        declared.push(role);
    }
    let undeclared = keys().find(|(key, roles)| {
        reads.names(&["related", key]) && !roles.iter().any(|role| declared.contains(role))
    });
    let Some((key, roles)) = undeclared else { return Ok(()) };
    let kinds: Vec<String> = ResourceRole::kinds()
        .filter(|kind| ResourceRole::of(kind, projections).is_some_and(|role| roles.contains(&role)))
        .map(|kind| kind.to_string())
        .collect();
    let kinds = if kinds.is_empty() { "StatefulSet.apps".to_owned() } else { kinds.join(" or ") };
    let line = at(&format!("related.{key}"));
    Err(text
        .error(
            line,
            0,
            format!("input.related.{key} is read, but custom.inventory does not say that it is needed"),
        )
        .with_help(format!("write custom.inventory: {{{kinds}: cluster}}, or bundle, or optional")))
}
