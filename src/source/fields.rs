//! Misspelt fields: kubectl refuses them or the API server drops them, so a policy judges what nobody means.
//!
//! Only a name that is close to a known one is told. Everything else may be a field of a newer Kubernetes.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::path::{Path, Segment};

/// A type, and its fields, on a line and the indented ones after it.
const TABLE: &str = include_str!("fields.txt");
/// The kinds whose objects are looked at, by group. Kinds of operators have fields of their own.
const KINDS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "Namespace",
            "Pod",
            "ReplicationController",
            "PersistentVolumeClaim",
            "PersistentVolume",
            "Service",
        ],
    ),
    ("apps", &["StatefulSet", "Deployment", "DaemonSet", "ReplicaSet"]),
    ("batch", &["Job", "CronJob"]),
    ("storage.k8s.io", &["StorageClass"]),
    ("policy", &["PodDisruptionBudget"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
];
/// More misspelt fields than one object has.
const MOST: usize = 1000;

/// The fields of each type, and the type of what is in them.
static TYPES: LazyLock<HashMap<&'static str, HashMap<&'static str, Option<&'static str>>>> =
    LazyLock::new(|| {
        let mut types: HashMap<_, HashMap<_, _>> = HashMap::new();
        let mut current = "";
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let fields = match line.split_once(':') {
                Some((name, fields)) => {
                    current = name;
                    fields
                }
                None => line,
            };
            let field = |field: &'static str| match field.split_once('=') {
                Some((field, of)) => (field, Some(of)),
                None => (field, None),
            };
            types.entry(current).or_default().extend(fields.split_whitespace().map(field));
        }
        types
    });

/// A field that does not exist, and the one that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misspelt {
    /// The path to it.
    pub path: Path,
    /// Its name.
    pub wrong: String,
    /// The name of the field that is meant.
    pub right: &'static str,
}

/// The misspelt fields of an object, if it is of a kind of Kubernetes itself.
pub fn misspelt(object: &Value) -> Vec<Misspelt> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let (group, kind) = (text("apiVersion").split_once('/').map_or("", |(group, _)| group), text("kind"));
    let known = KINDS.iter().find(|(own, _)| *own == group);
    let Some(root) = known.and_then(|(_, kinds)| kinds.iter().find(|own| **own == kind)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut waiting: Vec<(Path, &Value, &str)> = vec![(Vec::new(), object, root)];
    while let Some((path, value, of)) = waiting.pop()
        && found.len() < MOST
    {
        let Some(fields) = TYPES.get(of) else { continue };
        let within = |segment: Segment| path.iter().cloned().chain([segment]).collect::<Path>();
        match value {
            Value::Array(items) => waiting
                .extend(items.iter().enumerate().map(|(at, item)| (within(Segment::Index(at)), item, of))),
            Value::Object(members) => {
                for (name, member) in members {
                    match fields.get(name.as_str()) {
                        Some(Some(of)) => waiting.push((within(name.clone().into()), member, of)),
                        Some(None) => {}
                        None => {
                            let Some(right) = meant(name, fields.keys().copied()) else { continue };
                            let path = within(name.clone().into());
                            // One who is careless about one name may be so about those below it.
                            let below = fields.get(right).copied().flatten();
                            waiting.extend(below.map(|of| (path.clone(), member, of)));
                            found.push(Misspelt { path, wrong: name.clone(), right });
                        }
                    }
                }
            }
            _ => {}
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found.truncate(MOST);
    found
}

/// The object with the right names. One that is there already stays.
pub fn corrected(object: &Value, misspelt: &[Misspelt]) -> Value {
    let mut object = object.clone();
    // Those below come first: their paths have the wrong names above them.
    for Misspelt { path, wrong, right } in misspelt.iter().rev() {
        let parent = path.split_last().and_then(|(_, parent)| crate::path::get_mut(&mut object, parent));
        if let Some(fields) = parent.and_then(Value::as_object_mut)
            && !fields.contains_key(*right)
            && let Some(value) = fields.remove(wrong)
        {
            fields.insert((*right).to_owned(), value);
        }
    }
    object
}

/// The known name that is meant: the same but for capitals, or one or two letters away.
fn meant(wrong: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // Longer names are none.
    if !(3..=60).contains(&wrong.len()) {
        return None;
    }
    let lower = wrong.to_lowercase();
    let allowed = if lower.len() >= 8 { 2 } else { 1 };
    let distance = |right: &'static str| (strsim::osa_distance(&lower, &right.to_lowercase()), right);
    known.map(distance).filter(|(distance, _)| *distance <= allowed).min().map(|(_, right)| right)
}

/// The fields of a type in the table.
#[cfg(test)]
fn fields_of(name: &str) -> Vec<&'static str> {
    let mut fields: Vec<&str> = TYPES.get(name).map(|all| all.keys().copied().collect()).unwrap_or_default();
    fields.sort_unstable();
    fields
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde::Deserializer;
    use serde::de::value::Error;
    use serde::de::{DeserializeOwned, Error as _, Visitor};
    use serde_json::json;

    use super::*;

    /// What a type asks for when it is read.
    struct Asked<'a>(&'a RefCell<Vec<&'static str>>);

    impl<'de> Deserializer<'de> for Asked<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.0.borrow_mut().extend(fields);
            Err(Error::custom("seen"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn same<T: DeserializeOwned>(name: &str) {
        let asked = RefCell::default();
        let _ = T::deserialize(Asked(&asked));
        let mut asked = asked.into_inner();
        asked.sort_unstable();
        assert_eq!(fields_of(name), asked, "{name}");
    }

    #[test]
    fn the_table_is_that_of_kubernetes() {
        use k8s_openapi::api::{apps, autoscaling, batch, core, policy, storage};
        same::<core::v1::NamespaceSpec>("NamespaceSpec");
        same::<core::v1::PodSpec>("PodSpec");
        same::<core::v1::Container>("Container");
        same::<core::v1::Volume>("Volume");
        same::<core::v1::VolumeMount>("VolumeMount");
        same::<core::v1::EmptyDirVolumeSource>("EmptyDirVolumeSource");
        same::<core::v1::Probe>("Probe");
        same::<core::v1::SecurityContext>("SecurityContext");
        same::<core::v1::PersistentVolumeClaimSpec>("PersistentVolumeClaimSpec");
        same::<core::v1::PersistentVolumeSpec>("PersistentVolumeSpec");
        same::<core::v1::ServiceSpec>("ServiceSpec");
        same::<apps::v1::StatefulSetSpec>("StatefulSetSpec");
        same::<apps::v1::DeploymentSpec>("DeploymentSpec");
        same::<apps::v1::DaemonSetSpec>("DaemonSetSpec");
        same::<batch::v1::JobSpec>("JobSpec");
        same::<batch::v1::CronJobSpec>("CronJobSpec");
        same::<policy::v1::PodDisruptionBudgetSpec>("PodDisruptionBudgetSpec");
        same::<storage::v1::StorageClass>("StorageClass");
        same::<autoscaling::v2::HorizontalPodAutoscalerSpec>("HorizontalPodAutoscalerSpec");
    }

    #[test]
    fn every_type_of_the_table_is_in_it() {
        let named = TYPES.values().flat_map(|fields| fields.values().flatten());
        let missing: Vec<_> = named.filter(|of| !TYPES.contains_key(**of)).collect();
        assert!(missing.is_empty(), "{missing:?}");
        let roots = KINDS.iter().flat_map(|(_, kinds)| *kinds);
        assert!(roots.into_iter().all(|kind| TYPES.contains_key(kind)));
    }

    #[test]
    fn only_what_is_close_to_a_field_is_misspelt() {
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "pg", "lables": {"replica": "x"}},
            "spec": {
                "replica": 3,
                "futureField": {"replicas": 1},
                "template": {"spec": {"containers": [{"volumemounts": [{"name": "d", "mountpath": "/d"}], "env": []}]}},
            },
        });
        let found: Vec<(String, &str)> =
            misspelt(&object).into_iter().map(|one| (crate::path::dotted(&one.path), one.right)).collect();
        let expected = [
            ("metadata.lables", "labels"),
            ("spec.replica", "replicas"),
            ("spec.template.spec.containers[0].volumemounts", "volumeMounts"),
            ("spec.template.spec.containers[0].volumemounts[0].mountpath", "mountPath"),
        ];
        assert_eq!(found, expected.map(|(path, right)| (path.to_owned(), right)));
        let right = corrected(&object, &misspelt(&object));
        assert_eq!(right["spec"]["replicas"], 3);
        assert_eq!(misspelt(&right), []);
        let rollout =
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": {"replica": 3}});
        assert!(misspelt(&rollout).is_empty());
    }
}
