//! Indexed joins find the same as a scan of all objects, after any sequence of additions and removals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use stategate::admission::{GroupKind, ObjectRef, Operation};
use stategate::inventory::{Inventory, InventoryWriter, Related, Subject};
use stategate::policyset::PolicySet;
use stategate::workload::labels::Selector;
use stategate::workload::{SelfClassification, project};

use crate::support::production;

static SET: LazyLock<PolicySet> = LazyLock::new(production);

const NAMESPACES: [&str; 2] = ["one", "two"];
const CLAIMS: [&str; 8] =
    ["data-pg-0", "data-pg-1", "data-pg-01", "data-pg-x", "data-web-0", "logs-pg-0", "logs", "data-pg"];

fn kind_of(object: &Value) -> GroupKind {
    GroupKind::new(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap())
}

fn labels() -> impl Strategy<Value = Value> {
    let keys = subsequence(vec!["app", "tier", "zone"], 0..=3);
    keys.prop_flat_map(|keys| {
        let count = keys.len();
        proptest::collection::vec(select(vec!["a", "b"]), count)
            .prop_map(move |values| {
                keys.iter().zip(values).map(|(k, v)| ((*k).to_owned(), json!(v))).collect()
            })
            .prop_map(Value::Object)
    })
}

fn selector() -> impl Strategy<Value = Value> {
    let key = select(vec!["app", "tier", "zone"]);
    let expression = (key, select(vec!["In", "NotIn", "Exists", "DoesNotExist"]), select(vec!["a", "b"]))
        .prop_map(|(key, operator, value)| match operator {
            "In" | "NotIn" => json!({"key": key, "operator": operator, "values": [value]}),
            _ => json!({"key": key, "operator": operator}),
        });
    let expressions = proptest::collection::vec(expression, 0..2);
    (labels(), expressions)
        .prop_map(|(labels, expressions)| json!({"matchLabels": labels, "matchExpressions": expressions}))
}

fn workload() -> impl Strategy<Value = Value> {
    let mounts = subsequence(CLAIMS.to_vec(), 0..=3);
    let templates = subsequence(vec!["data", "logs"], 0..=2);
    let names =
        (select(vec!["StatefulSet", "Deployment"]), select(NAMESPACES.to_vec()), select(vec!["pg", "web"]));
    (names, labels(), mounts, templates, any::<bool>()).prop_map(|((kind, namespace, name), labels, mounts, templates, read_only)| {
        let volumes: Vec<Value> =
            mounts.iter().map(|claim| json!({"name": format!("v-{claim}"), "persistentVolumeClaim": {"claimName": claim}})).collect();
        let mounted: Vec<Value> =
            mounts.iter().map(|claim| json!({"name": format!("v-{claim}"), "mountPath": format!("/{claim}"), "readOnly": read_only})).collect();
        let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 3, "selector": {}, "template": {"metadata": {"labels": labels},
                "spec": {"volumes": volumes, "containers": [{"name": "c", "image": "postgres", "volumeMounts": mounted}]}}}});
        if kind == "StatefulSet" {
            let made: Vec<Value> = templates.iter().map(|name| json!({"metadata": {"name": name}, "spec": {}})).collect();
            object["spec"]["volumeClaimTemplates"] = made.into();
        }
        object
    })
}

fn object() -> impl Strategy<Value = Value> {
    let place = || (select(NAMESPACES.to_vec()), select(vec!["x", "y", "z"]));
    prop_oneof![
        3 => workload(),
        2 => (select(NAMESPACES.to_vec()), select(CLAIMS.to_vec()), select(vec!["fast", "slow"])).prop_map(|(namespace, name, class)|
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace},
                "spec": {"storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}}})),
        1 => (select(vec!["pv1", "pv2"]), select(NAMESPACES.to_vec()), select(CLAIMS.to_vec()), select(vec!["h1", "h2"])).prop_map(|(name, namespace, claim, handle)|
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
                "spec": {"claimRef": {"namespace": namespace, "name": claim}, "csi": {"driver": "d", "volumeHandle": handle}}})),
        2 => (place(), selector()).prop_map(|((namespace, name), selector)|
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": namespace},
                "spec": {"minAvailable": 1, "selector": selector}})),
        2 => (place(), labels()).prop_map(|((namespace, name), labels)|
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {"selector": labels}})),
    ]
}

/// Objects are added and removed.
fn events() -> impl Strategy<Value = Vec<(bool, Value)>> {
    proptest::collection::vec((prop::bool::weighted(0.8), object()), 0..60)
}

type Identity = (GroupKind, String, String);

fn identity(object: &Value) -> Identity {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    (kind_of(object), text("namespace"), text("name"))
}

fn comes(writer: &mut InventoryWriter, object: &Value) {
    let record = writer.reader().read(&kind_of(object), object, "default").unwrap();
    writer.replace(record);
}

fn goes(writer: &mut InventoryWriter, object: &Value) {
    let (kind, namespace, name) = identity(object);
    writer.remove(&ObjectRef { kind, namespace, name });
}

fn filled(events: &[(bool, Value)]) -> (Inventory, BTreeMap<Identity, Value>) {
    let (mut writer, mut objects) = (SET.inventory_writer(), BTreeMap::new());
    for (is_there, object) in events {
        if *is_there {
            comes(&mut writer, object);
            objects.insert(identity(object), object.clone());
        } else {
            goes(&mut writer, object);
            objects.remove(&identity(object));
        }
    }
    (writer.snapshot(), objects)
}

fn related(inventory: &Inventory, object: &Value, operation: Operation) -> Value {
    let (kind, namespace, _) = identity(object);
    let projections = SET.projections();
    let projected = project(
        object,
        &namespace,
        projections.of(&kind).unwrap(),
        &projections.engines,
        SelfClassification::Believed,
    );
    let subject = Subject { kind, operation, scaled: false, workload: &projected.workload };
    serde_json::to_value(Related::of(inventory, &subject, |_| true)).unwrap()
}

fn names(list: &Value, keys: &[&str]) -> BTreeSet<Vec<String>> {
    let of =
        |item: &Value| keys.iter().map(|key| item[*key].as_str().unwrap_or_default().to_owned()).collect();
    let all: Vec<Vec<String>> = list.as_array().unwrap().iter().map(of).collect();
    let set: BTreeSet<Vec<String>> = all.iter().cloned().collect();
    assert_eq!(all.len(), set.len(), "nothing is found twice: {list}");
    set
}

/// Does a workload mount or create a claim?
fn uses(object: &Value, claim: &str) -> bool {
    let spec = &object["spec"];
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mounts = list(&spec["template"]["spec"]["volumes"])
        .iter()
        .any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim);
    let name = object["metadata"]["name"].as_str().unwrap();
    let makes = list(&spec["volumeClaimTemplates"]).iter().any(|template| {
        let prefix = format!("{}-{name}-", template["metadata"]["name"].as_str().unwrap());
        // All ordinals that occur in these tests.
        (0..10).any(|ordinal| format!("{prefix}{ordinal}") == claim)
    });
    mounts || makes
}

/// Is there a view of its kind?
fn is_judged(object: &Value) -> bool {
    SET.projections().of(&kind_of(object)).is_some()
}

/// Objects of the kinds that no test above needs.
fn other_object() -> impl Strategy<Value = Value> {
    let place = || (select(NAMESPACES.to_vec()), select(vec!["x", "y"]));
    let namespaced = |api: &'static str, kind: &'static str, spec: fn(bool) -> Value| {
        (place(), any::<bool>()).prop_map(move |((namespace, name), flag)| {
            json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec(flag)})
        })
    };
    let global = |api: &'static str, kind: &'static str, body: fn(bool) -> Value| {
        (select(vec!["fast", "slow"]), any::<bool>()).prop_map(move |(name, flag)| {
            let mut object = body(flag);
            let metadata = json!({"name": name, "labels": {"zone": if flag { "a" } else { "b" }}});
            object["apiVersion"] = api.into();
            object["kind"] = kind.into();
            object["metadata"] = metadata;
            object
        })
    };
    prop_oneof![
        namespaced("v1", "ResourceQuota", |flag| json!({"hard": {"requests.storage": if flag { "1Gi" } else { "2Gi" }}})),
        namespaced("v1", "LimitRange", |flag| json!({"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": if flag { "1Gi" } else { "2Gi" }}}]})),
        namespaced("autoscaling/v2", "HorizontalPodAutoscaler", |flag| json!({"maxReplicas": if flag { 3 } else { 4 },
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "pg"}})),
        namespaced("snapshot.storage.k8s.io/v1", "VolumeSnapshot", |flag| json!({"source": {"persistentVolumeClaimName": if flag { "data-pg-0" } else { "logs" }}})),
        namespaced("velero.io/v1", "Schedule", |flag| json!({"schedule": "0 1 * * *", "template": {"includedNamespaces": [if flag { "one" } else { "two" }]}})),
        global("storage.k8s.io/v1", "StorageClass", |flag| json!({"provisioner": "p", "allowVolumeExpansion": flag})),
        global("scheduling.k8s.io/v1", "PriorityClass", |flag| json!({"value": if flag { 1 } else { 2 }})),
        global("v1", "Node", |flag| json!({"spec": {"unschedulable": flag}})),
        (select(NAMESPACES.to_vec()), labels()).prop_map(|(name, labels)|
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn indexes_find_what_a_scan_finds(events in events(), subject in workload()) {
        let (inventory, objects) = filled(&events);
        let joined = related(&inventory, &subject, Operation::Update);
        let (own_kind, own_namespace, own_name) = identity(&subject);
        let here = |kind: &'static str| {
            let own = own_namespace.clone();
            objects.iter().filter(move |((of, namespace, _), _)| of.kind == kind && *namespace == own)
        };
        let labels: BTreeMap<String, String> =
            serde_json::from_value(subject["spec"]["template"]["metadata"]["labels"].clone()).unwrap();

        let budgets: BTreeSet<Vec<String>> = here("PodDisruptionBudget")
            .filter(|(_, budget)| Selector::from_json(&budget["spec"]["selector"]).unwrap().matches(&labels))
            .map(|((_, _, name), _)| vec![name.clone()])
            .collect();
        prop_assert_eq!(names(&joined["pdbs"], &["name"]), budgets);

        let services: BTreeSet<Vec<String>> = here("Service")
            .filter(|(_, service)| {
                let selector = service["spec"]["selector"].as_object().unwrap();
                !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
            })
            .map(|((_, _, name), _)| vec![name.clone()])
            .collect();
        prop_assert_eq!(names(&joined["services"], &["name"]), services);

        let claims: BTreeSet<Vec<String>> = here("PersistentVolumeClaim")
            .filter(|((_, _, name), _)| uses(&subject, name))
            .map(|((_, _, name), _)| vec![name.clone()])
            .collect();
        prop_assert_eq!(names(&joined["pvcs"], &["name"]), claims.clone());

        let volumes: BTreeSet<Vec<String>> = objects
            .iter()
            .filter(|((kind, _, _), volume)| {
                let bound = &volume["spec"]["claimRef"];
                kind.kind == "PersistentVolume" && bound["namespace"] == own_namespace.as_str()
                    && claims.contains(&vec![bound["name"].as_str().unwrap().to_owned()])
            })
            .map(|((_, _, name), _)| vec![name.clone()])
            .collect();
        prop_assert_eq!(names(&joined["pvs"], &["name"]), volumes);

        let others = || here("StatefulSet").chain(here("Deployment"))
            .filter(|((kind, _, name), _)| (kind, name) != (&own_kind, &own_name));
        let consumers: BTreeSet<Vec<String>> = CLAIMS
            .iter()
            .filter(|claim| uses(&subject, claim))
            .flat_map(|claim| others().filter(|(_, other)| uses(other, claim)).map(|((kind, _, name), _)| {
                vec![(*claim).to_owned(), kind.kind.clone(), name.clone()]
            }))
            .collect();
        prop_assert_eq!(names(&joined["consumers"], &["claim", "kind", "name"]), consumers);
    }

    #[test]
    fn joins_find_the_same_while_the_version_is_the_same(
        events in proptest::collection::vec((prop::bool::weighted(0.8), prop_oneof![object(), other_object()]), 1..40),
        subjects in proptest::collection::vec(workload(), 3),
        others in proptest::collection::vec(prop_oneof![object(), other_object()], 3),
    ) {
        let mut writer = SET.inventory_writer();
        let known = |inventory: &Inventory| -> Vec<_> {
            let of = |subject: &Value| {
                let (kind, namespace, _) = identity(subject);
                let namespaced = SET.projections().of(&kind).unwrap().namespaced;
                let version = inventory.version(namespaced.then_some(namespace.as_str()));
                (version, related(inventory, subject, Operation::Update))
            };
            subjects.iter().chain(&others).filter(|subject| is_judged(subject)).map(of).collect()
        };
        let mut before = known(&writer.snapshot());
        for (is_there, object) in &events {
            let (kind, _, _) = identity(object);
            match is_there {
                true => comes(&mut writer, object),
                false => goes(&mut writer, object),
            }
            let after = known(&writer.snapshot());
            for ((old, was), (new, is)) in before.iter().zip(&after) {
                prop_assert!(old != new || was == is, "after {}: {} {}", object, was, is);
            }
            // The same object again is no change.
            if *is_there && kind.kind != "Namespace" {
                comes(&mut writer, object);
                let again = known(&writer.snapshot());
                prop_assert!(after.iter().zip(&again).all(|(one, other)| one.0 == other.0), "{}", object);
            }
            before = after;
        }
    }

    #[test]
    fn volumes_of_one_disk_find_each_other(events in events(), handle in select(vec!["h1", "h2"])) {
        let (inventory, objects) = filled(&events);
        let subject = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv1"},
            "spec": {"csi": {"driver": "d", "volumeHandle": handle}}});
        let others: BTreeSet<Vec<String>> = objects
            .iter()
            .filter(|((kind, _, name), volume)| {
                kind.kind == "PersistentVolume" && name != "pv1" && volume["spec"]["csi"]["volumeHandle"] == handle
            })
            .map(|((_, _, name), _)| vec![name.clone()])
            .collect();
        let joined = related(&inventory, &subject, Operation::Create);
        prop_assert_eq!(names(&joined["pvs"], &["name"]), others);
    }

    #[test]
    fn a_delete_hurts_who_uses_it(events in events(), claim in select(CLAIMS.to_vec()), class in select(vec!["fast", "slow"])) {
        let (inventory, objects) = filled(&events);
        let subject = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim, "namespace": "one"}, "spec": {}});
        let users: BTreeSet<Vec<String>> = objects
            .iter()
            .filter(|((kind, namespace, _), other)| kind.group == "apps" && namespace == "one" && uses(other, claim))
            .map(|((kind, _, name), _)| vec![kind.kind.clone(), name.clone()])
            .collect();
        let joined = related(&inventory, &subject, Operation::Delete);
        prop_assert_eq!(names(&joined["dependants"], &["kind", "name"]), users);

        let subject = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class}, "provisioner": "p"});
        let claims: BTreeSet<Vec<String>> = objects
            .iter()
            .filter(|((kind, _, _), claim)| kind.kind == "PersistentVolumeClaim" && claim["spec"]["storageClassName"] == class)
            .map(|((_, namespace, name), _)| vec![namespace.clone(), name.clone()])
            .collect();
        let joined = related(&inventory, &subject, Operation::Delete);
        prop_assert_eq!(names(&joined["dependants"], &["namespace", "name"]), claims);
    }

    #[test]
    fn a_snapshot_does_not_see_what_comes_later(before in events(), after in events(), subject in workload()) {
        let (inventory, _) = filled(&before);
        let seen = related(&inventory, &subject, Operation::Create);
        let mut later = InventoryWriter::from(&inventory);
        for (_, object) in &after {
            comes(&mut later, object);
            goes(&mut later, object);
        }
        prop_assert_eq!(related(&inventory, &subject, Operation::Create), seen);
    }
}
