//! Checks the kinds that METADATA, bindings and exceptions name: one that does not exist would never match.

use crate::admission::GroupKind;
use crate::diagnostic::did_you_mean;
use crate::workload::projection::Projections;

/// The API server's own groups. The API server refuses custom resources in a group without a dot.
const BUILT_IN: &[&str] = &[
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// The suffix of the groups that the Kubernetes project itself gives to custom resources.
const PROJECT: &str = ".k8s.io";

/// A kind that is none, or that no policy can review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Checks a kind as it was written. A custom resource needs no projection, but its kind and group must be
/// spelled out.
///
/// # Errors
/// If it is spelled wrongly, or is a built-in kind that has no projection.
pub fn check(written: &GroupKind, projections: &Projections) -> Result<(), UnknownKind> {
    if projections.of(written).is_some() {
        return Ok(());
    }
    let known: Vec<&GroupKind> = projections.iter().map(|(kind, _)| kind).collect();
    let text = written.to_string();
    let meant = suggestion(&text, &known);
    let borrowed = meant.is_some() && written.group.ends_with(PROJECT);
    let may_be_unread = !projections.complete && meant.is_none();
    if may_be_unread || (is_custom(written) && !borrowed) {
        return Ok(());
    }
    let help = meant.map(|kind| format!("did you mean {kind}?")).unwrap_or_else(|| {
        let mut known: Vec<String> = known.iter().map(ToString::to_string).collect();
        known.sort();
        let close = did_you_mean(&text, known.iter().map(String::as_str));
        close.unwrap_or_else(|| {
            format!("one of {}; a custom resource is Kind.group, such as Store.example.com", known.join(", "))
        })
    });
    Err(UnknownKind {
        message: format!("`{text}` is no kind that policies review: kinds are written Kind.group"),
        help,
    })
}

/// The known kind that is meant by a text that names it without its group, with another group, with a version,
/// in the plural, in other case or in another order.
pub fn suggestion<'a>(text: &str, known: &[&'a GroupKind]) -> Option<&'a GroupKind> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty() && !is_version(word) && *word != "core")
        .map(str::to_ascii_lowercase)
        .collect();
    let fits = |kind: &&&'a GroupKind| words.iter().any(|word| is_name_of(word, &kind.kind));
    // Two groups may have a kind of the same name.
    let shared = |kind: &GroupKind| {
        kind.group.split('.').filter(|label| words.iter().any(|word| word == label)).count()
    };
    known.iter().filter(fits).max_by_key(|kind| (shared(kind), std::cmp::Reverse(&kind.group))).copied()
}

/// Is this lower-case word the kind, or its plural?
fn is_name_of(word: &str, kind: &str) -> bool {
    word == kind.to_ascii_lowercase() || word == plural(kind)
}

/// The resource of a kind, as Kubernetes names it: `storageclasses`. Custom resources may have other names; those
/// that policies review have a projection that tells it.
pub fn plural(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

/// `v1`, `v2beta1`
fn is_version(word: &str) -> bool {
    let rest = word.strip_prefix(['v', 'V']).unwrap_or_default();
    rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.replace("alpha", "").replace("beta", "").chars().all(|c| c.is_ascii_digit())
}

/// May it be the kind of a custom resource?
fn is_custom(written: &GroupKind) -> bool {
    let GroupKind { kind, group } = written;
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    kind.starts_with(|first: char| first.is_ascii_uppercase())
        && kind.chars().all(|c| c.is_ascii_alphanumeric())
        && group.contains('.')
        && group.split('.').all(is_label)
        && !group.split('.').next().is_some_and(is_version)
        && !BUILT_IN.contains(&group.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceText;

    const KNOWN: [&str; 7] = [
        include_str!("../../policies/workloads/statefulset.yaml"),
        include_str!("../../policies/workloads/pod.yaml"),
        include_str!("../../policies/workloads/persistentvolumeclaim.yaml"),
        include_str!("../../policies/workloads/storageclass.yaml"),
        include_str!("../../policies/workloads/cronjob.yaml"),
        include_str!("../../policies/workloads/scaledobject.yaml"),
        include_str!("../../policies/workloads/verticalpodautoscaler.yaml"),
    ];

    fn no_kind(text: &str) -> String {
        format!("`{text}` is no kind that policies review: kinds are written Kind.group")
    }

    fn said(text: &str) -> Result<(), String> {
        let known = KNOWN.map(|text| SourceText::new("p.yaml", text));
        let projections = Projections::read(&known, &[]).unwrap();
        check(&GroupKind::written(text), &projections)
            .map_err(|UnknownKind { message, help }| format!("{message}; {help}"))
    }

    #[test]
    fn a_kind_that_is_spelled_out_is_fine() {
        for text in [
            "StatefulSet.apps",
            "PersistentVolumeClaim",
            "StorageClass.storage.k8s.io",
            "ScaledObject.keda.sh",
            // Custom resources that nobody knows, some of them named like a known kind.
            "Store.example.com",
            "StatefulSet.apps.kruise.io",
            "Service.serving.knative.dev",
            "VolumeSnapshot.snapshot.storage.k8s.io",
        ] {
            assert_eq!(said(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_kind_that_is_spelled_wrongly_is_told_with_the_right_spelling() {
        for (text, meant) in [
            ("StatefulSet", "StatefulSet.apps"),
            ("statefulset", "StatefulSet.apps"),
            ("statefulsets.apps", "StatefulSet.apps"),
            ("StatefulSets.apps", "StatefulSet.apps"),
            ("Statefulset.apps", "StatefulSet.apps"),
            ("StatefulSet.app", "StatefulSet.apps"),
            ("StatefulSet.extensions", "StatefulSet.apps"),
            ("StatefulSet.apps/v1", "StatefulSet.apps"),
            ("StatefulSet.v1.apps", "StatefulSet.apps"),
            ("apps/v1/StatefulSet", "StatefulSet.apps"),
            ("apps/StatefulSet", "StatefulSet.apps"),
            ("apps.StatefulSet", "StatefulSet.apps"),
            ("StatfulSet.apps", "StatefulSet.apps"),
            ("StatefulSet.apps.k8s.io", "StatefulSet.apps"),
            ("Pod.core", "Pod"),
            ("Pod.v1", "Pod"),
            ("Pod.", "Pod"),
            ("v1/Pod", "Pod"),
            ("core/v1/Pod", "Pod"),
            ("pods", "Pod"),
            ("Pod.core.k8s.io", "Pod"),
            ("PersistentVolumeClaim.storage.k8s.io", "PersistentVolumeClaim"),
            ("StorageClass", "StorageClass.storage.k8s.io"),
            ("storageclasses", "StorageClass.storage.k8s.io"),
            ("StorageClass.storage", "StorageClass.storage.k8s.io"),
            ("StorageClass.storage.k8s.io/v1", "StorageClass.storage.k8s.io"),
            ("CronJob.batch/v1beta1", "CronJob.batch"),
            ("ScaledObject", "ScaledObject.keda.sh"),
            ("VerticalPodAutoscaler.autoscaling", "VerticalPodAutoscaler.autoscaling.k8s.io"),
        ] {
            let wanted = format!("{}; did you mean {meant}?", no_kind(text));
            assert_eq!(said(text), Err(wanted), "{text}");
        }
        for text in
            ["Store", "ConfigMap", "Ingress.networking.k8s.io", "store.example.com", "Store.example", "*", ""]
        {
            let error = said(text).unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is no kind")), "{error}");
        }
        assert!(said("Widget").unwrap_err().contains("StatefulSet.apps, "), "{:?}", said("Widget"));
    }
}
