//! What would be lost with an object (catalogue §2).

use super::projection::ClassRule;
use super::view::{Class, Workload};

/// The class by the object's shape and, where it may speak for itself, its annotations.
///
/// An annotation may always raise the class; it lowers it only if `self_classify` is set.
pub fn class(rule: ClassRule, workload: &Workload, self_classify: bool) -> Class {
    let shape = shape(rule, workload);
    // A claim or a class is what it is, whatever it says of itself.
    if matches!(rule, ClassRule::Storage | ClassRule::Sibling) {
        return shape;
    }
    let annotation = |name: &str| workload.annotations.get(name).map(String::as_str);
    match annotation("stategate.io/stateful") {
        Some("true") => return Class::Durable,
        Some("false") if self_classify => return Class::None,
        _ => {}
    }
    match annotation("stategate.io/data-durability") {
        Some("cache" | "rebuildable") if self_classify && shape == Class::Durable => Class::Cache,
        _ => shape,
    }
}

fn shape(rule: ClassRule, workload: &Workload) -> Class {
    match rule {
        ClassRule::Storage | ClassRule::Sibling => Class::Durable,
        ClassRule::Identity
            if templates(workload) || writes_to(workload, &["persistentVolumeClaim", "hostPath"]) =>
        {
            Class::Durable
        }
        ClassRule::Identity if workload.engine.is_some() => Class::Durable,
        ClassRule::Identity => Class::IdentityOnly,
        ClassRule::Workload
            if writes_to(workload, &["persistentVolumeClaim"]) || workload.engine.is_some() =>
        {
            Class::Durable
        }
        ClassRule::Batch if workload.claims.iter().any(|claim| claim.origin == "reference") => Class::Batch,
        ClassRule::Workload | ClassRule::Batch => Class::None,
    }
}

fn templates(workload: &Workload) -> bool {
    workload.claims.iter().any(|claim| claim.origin == "template")
}

fn writes_to(workload: &Workload, sources: &[&str]) -> bool {
    workload
        .containers
        .iter()
        .flat_map(|container| &container.mounts)
        .any(|mount| !mount.read_only && sources.contains(&mount.source.as_str()))
}
