//! Custom resources of one run: what their controllers make of them, no manifest shows.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::persistent::Map;
use crate::admission::GroupKind;

/// Kinds of custom resources, by the namespace in which their controllers make something; [`ANYWHERE`] if that is not
/// known.
pub type Makers = Map<String, Arc<BTreeSet<GroupKind>>>;

const ANYWHERE: &str = "";

/// Where a resource names a namespace other than its own: HelmRelease, Application, ApplicationSet.
const TARGETS: [&str; 3] =
    ["/spec/targetNamespace", "/spec/destination/namespace", "/spec/template/spec/destination/namespace"];

/// Without a target, these leave the namespace to what they apply.
const APPLIERS: [(&str, &str); 3] = [
    ("Kustomization", "kustomize.toolkit.fluxcd.io"),
    ("Application", "argoproj.io"),
    ("ApplicationSet", "argoproj.io"),
];

/// Whether the kind is a custom resource: Kubernetes' own groups have no dot, or end in `k8s.io`.
pub fn is_custom(kind: &GroupKind) -> bool {
    kind.group.contains('.') && !kind.group.ends_with(".k8s.io") && !kind.group.ends_with("stategate.io")
}

/// The namespaces in which a controller may make something of the object; none if it is not a custom resource.
pub fn made_in(kind: &GroupKind, object: &Value) -> BTreeSet<String> {
    if !is_custom(kind) {
        return BTreeSet::new();
    }
    let text =
        |pointer: &str| object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let targets: BTreeSet<&str> = TARGETS.into_iter().filter_map(text).collect();
    let applies = APPLIERS.contains(&(kind.kind.as_str(), kind.group.as_str()));
    // An object without a namespace may be cluster-scoped.
    let own = text("/metadata/namespace").filter(|_| !(applies && targets.is_empty()));
    let known = |target: &str| if target.contains("{{") { ANYWHERE } else { target }.to_owned();
    targets.into_iter().chain([own.unwrap_or(ANYWHERE)]).map(known).collect()
}

/// Notes a kind in the namespaces.
pub fn insert(makers: &mut Makers, namespaces: BTreeSet<String>, kind: &GroupKind) {
    for namespace in namespaces {
        let mut kinds = makers.get(&namespace).cloned().unwrap_or_default();
        if Arc::make_mut(&mut kinds).insert(kind.clone()) {
            makers.insert_mut(namespace, kinds);
        }
    }
}

/// The kinds whose controllers may make something in this namespace.
pub fn of(makers: &Makers, namespace: &str) -> BTreeSet<String> {
    let kinds = [namespace, ANYWHERE].into_iter().filter_map(|name| makers.get(name));
    kinds.flat_map(|kinds| kinds.iter().map(ToString::to_string)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(kind: &str, object: &Value) -> Vec<String> {
        let kind: GroupKind = serde_json::from_value(json!(kind)).unwrap();
        made_in(&kind, object).into_iter().collect()
    }

    #[test]
    fn a_resource_makes_things_beside_itself_and_where_it_says() {
        let own = json!({"metadata": {"namespace": "shop"}});
        assert_eq!(made("RabbitmqCluster.rabbitmq.com", &own), ["shop"]);
        let release = json!({"metadata": {"namespace": "flux"}, "spec": {"targetNamespace": "shop"}});
        assert_eq!(made("HelmRelease.helm.toolkit.fluxcd.io", &release), ["flux", "shop"]);
        let application =
            json!({"metadata": {"namespace": "argocd"}, "spec": {"destination": {"namespace": "shop"}}});
        assert_eq!(made("Application.argoproj.io", &application), ["argocd", "shop"]);
    }

    #[test]
    fn where_it_says_nothing_it_may_be_anywhere() {
        let own = json!({"metadata": {"namespace": "flux"}});
        assert_eq!(made("Kustomization.kustomize.toolkit.fluxcd.io", &own), [ANYWHERE]);
        assert_eq!(made("Kafka.kafka.strimzi.io", &json!({"metadata": {}})), [ANYWHERE]);
        let template = json!({"spec": {"destination": {"namespace": "{{.path.basename}}"}}});
        let set = json!({"metadata": {"namespace": "argocd"}, "spec": {"template": template}});
        assert_eq!(made("ApplicationSet.argoproj.io", &set), [ANYWHERE, "argocd"]);
    }

    #[test]
    fn kinds_of_kubernetes_make_nothing_unseen() {
        let own = json!({"metadata": {"namespace": "shop"}});
        assert!(made("Ingress.networking.k8s.io", &own).is_empty() && made("ConfigMap", &own).is_empty());
        assert_eq!(made("LeaderWorkerSet.leaderworkerset.x-k8s.io", &own), ["shop"]);
    }

    #[test]
    fn a_namespace_has_its_own_makers_and_those_of_any() {
        let mut makers = Makers::default();
        let kind: GroupKind = serde_json::from_value(json!("Kafka.kafka.strimzi.io")).unwrap();
        insert(&mut makers, BTreeSet::from(["shop".to_owned()]), &kind);
        assert!(of(&makers, "blog").is_empty());
        assert_eq!(of(&makers, "shop").into_iter().collect::<Vec<_>>(), ["Kafka.kafka.strimzi.io"]);
        insert(&mut makers, BTreeSet::from([ANYWHERE.to_owned()]), &kind);
        assert_eq!(of(&makers, "blog").len(), 1);
    }
}
