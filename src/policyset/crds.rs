//! The CustomResourceDefinitions of stategate's documents.
//!
//! Their schemas follow from the same types as those of the files. An API server takes only structural schemas
//! (<https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema>):
//! without references, with one type at each place, and with what limits a value apart from it.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::documents::{DocumentKind, GROUP, PolicySpec, VERSION};
use super::schema::unwrapped;
use crate::policy::binding::BindingSpec;
use crate::policy::exception::ExceptionSpec;

/// What a definition says beside its schema.
struct Resource {
    kind: DocumentKind,
    plural: &'static str,
    short: &'static str,
    description: &'static str,
    /// Name, type, JSON path, and whether only `-o wide` shows it.
    columns: &'static [(&'static str, &'static str, &'static str, bool)],
}

const READY: &str = ".status.conditions[?(@.type==\"Ready\")]";

const RESOURCES: [Resource; 3] = [
    Resource {
        kind: DocumentKind::Policy,
        plural: "policies",
        short: "stpol",
        description: "A policy of your own, beside the shipped ones. PolicyBindings say where it applies.",
        columns: &[
            ("Category", "string", ".status.category", false),
            ("Severity", "string", ".status.severity", false),
            ("Action", "string", ".status.action", false),
        ],
    },
    Resource {
        kind: DocumentKind::PolicyBinding,
        plural: "policybindings",
        short: "stbind",
        description: "Where policies apply, with which parameters, and what happens to a violation.",
        columns: &[
            ("Action", "string", ".status.action", false),
            ("Override", "boolean", ".spec.override", false),
            ("Policies", "string", ".spec.policies.ids", true),
            ("Categories", "string", ".spec.policies.categories", true),
        ],
    },
    Resource {
        kind: DocumentKind::PolicyException,
        plural: "policyexceptions",
        short: "stex",
        description: "Exempts objects from policies, for a reason and usually for a time. In stategate's own namespace \
                      it counts for all objects and policies; elsewhere for the objects of its namespace, and for \
                      policies that are not critical.",
        columns: &[
            ("Policies", "string", ".spec.policies", false),
            ("Expires", "string", ".spec.expiresAt", false),
            ("Why", "string", ".spec.reason", true),
        ],
    },
];

/// The name of the resources of a kind in paths: `policybindings`.
pub fn plural(kind: DocumentKind) -> &'static str {
    RESOURCES.iter().find(|resource| resource.kind == kind).map_or("", |resource| resource.plural)
}

/// The definitions of all documents.
pub fn definitions() -> Vec<Value> {
    RESOURCES.iter().map(definition).collect()
}

fn definition(resource: &Resource) -> Value {
    let kind = resource.kind.as_str();
    let spec = match resource.kind {
        DocumentKind::Policy => {
            let mut spec = structural::<PolicySpec>();
            let rules = json!([{
                "rule": "self.rego.contains('# METADATA')",
                "message": "the module has no METADATA block: write it before `package`",
            }]);
            set(&mut spec, "x-kubernetes-validations", rules);
            spec
        }
        DocumentKind::PolicyBinding => structural::<BindingSpec>(),
        DocumentKind::PolicyException => structural::<ExceptionSpec>(),
    };
    let mut columns: Vec<Value> = resource
        .columns
        .iter()
        .map(|(name, of, path, wide)| {
            json!({"name": name, "type": of, "jsonPath": path, "priority": i32::from(*wide)})
        })
        .collect();
    for (name, field, wide) in
        [("Ready", "status", false), ("Reason", "reason", false), ("Message", "message", true)]
    {
        let path = format!("{READY}.{field}");
        columns.push(json!({"name": name, "type": "string", "jsonPath": path, "priority": i32::from(wide)}));
    }
    columns.push(json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}));
    let scope = match resource.kind {
        DocumentKind::Policy | DocumentKind::PolicyBinding => "Cluster",
        DocumentKind::PolicyException => "Namespaced",
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{GROUP}", resource.plural),
            "labels": {"app.kubernetes.io/name": "stategate"},
        },
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {
                "kind": kind,
                "listKind": format!("{kind}List"),
                "plural": resource.plural,
                "singular": kind.to_lowercase(),
                "shortNames": [resource.short],
                "categories": ["stategate"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": {
                    "description": resource.description,
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": spec,
                        "status": status(resource.kind),
                    },
                }},
            }],
        },
    })
}

fn status(kind: DocumentKind) -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let mut properties = json!({
        "observedGeneration": {
            "type": "integer", "format": "int64",
            "description": "The version of spec that the conditions speak of.",
        },
        "conditions": {
            "type": "array",
            "description": "Ready: whether it is in force as written, and if not, why.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {
                "type": "object",
                "required": ["type", "status", "reason", "message", "lastTransitionTime"],
                "properties": {
                    "type": {"type": "string", "maxLength": 316},
                    "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                    "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                    "lastTransitionTime": {"type": "string", "format": "date-time"},
                    "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
                    "message": {"type": "string", "maxLength": 32768},
                },
            },
        },
    });
    if kind == DocumentKind::Policy {
        set(&mut properties, "category", text("Its category, from its package."));
        set(&mut properties, "severity", text("Its severity, from its METADATA."));
        set(&mut properties, "action", text("Its action, from its METADATA; bindings may say another one."));
    }
    if kind == DocumentKind::PolicyBinding {
        set(&mut properties, "action", text("Its action; empty: each policy's own."));
    }
    json!({
        "type": "object", "description": "What stategate says of it.", "properties": properties,
    })
}

fn set(fields: &mut Value, key: &str, value: Value) {
    if let Some(fields) = fields.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

/// The structural schema of a type.
fn structural<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut generator: SchemaGenerator = settings.into_generator();
    let mut schema = T::json_schema(&mut generator).to_value();
    restructure(&mut schema);
    schema
}

fn restructure(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        // `true`: any value.
        *schema = json!({"x-kubernetes-preserve-unknown-fields": true, "nullable": true});
        return;
    };
    // What is not there stays away, so that a document says the same in a file and in a cluster.
    for removed in ["default", "$schema", "title"] {
        fields.remove(removed);
    }
    if fields.get("additionalProperties") == Some(&Value::Bool(false)) {
        fields.remove("additionalProperties");
    }
    // An API server drops unknown fields and nulls in silence, and a binding that loses a part of `match` applies to
    // more. Both are kept, for stategate to refuse.
    fields.insert("nullable".to_owned(), true.into());
    if fields.contains_key("properties") {
        fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = unwrapped(text);
    }
    if let Some(Value::Array(types)) = fields.get("type") {
        let one = types.iter().find(|one| **one != "null").cloned();
        fields.insert("type".to_owned(), one.unwrap_or_default());
    }
    resolve_choices(fields);
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(restructure);
    }
    for inner in ["items", "additionalProperties"] {
        fields.get_mut(inner).into_iter().for_each(restructure);
    }
    let untyped = !fields.contains_key("type");
    if untyped {
        fields.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
}

fn resolve_choices(fields: &mut Map<String, Value>) {
    for choice in ["oneOf", "anyOf"] {
        if let Some(Value::Array(branches)) = fields.remove(choice) {
            choose(fields, choice, branches);
        }
    }
}

/// One of several values becomes an enumeration; one of several formats, a text with a choice of formats; an optional
/// schema, that schema.
fn choose(fields: &mut Map<String, Value>, choice: &str, mut branches: Vec<Value>) {
    let is_null = |branch: &Value| {
        branch.get("type").is_some_and(|kind| kind == "null")
            || branch.get("enum").and_then(Value::as_array).is_some_and(|all| all.iter().all(Value::is_null))
    };
    branches.retain(|branch| !is_null(branch));
    if let [one] = branches.as_slice() {
        let Some(inner) = one.as_object() else { return };
        for (key, value) in inner {
            fields.entry(key.clone()).or_insert_with(|| value.clone());
        }
        return resolve_choices(fields);
    }
    let values = |branch: &Value| match (branch.get("const"), branch.get("enum")) {
        (Some(one), _) => Some(vec![one.clone()]),
        (None, Some(Value::Array(some))) => Some(some.clone()),
        _ => None,
    };
    if let Some(all) = branches.iter().map(values).collect::<Option<Vec<_>>>() {
        let all: Vec<Value> = all.concat();
        if all.iter().all(Value::is_string) {
            fields.insert("type".to_owned(), "string".into());
        }
        let says = branches.iter().filter_map(|branch| {
            let value = values(branch)?.first()?.as_str()?.to_owned();
            Some(format!("{value}: {}", branch.get("description")?.as_str()?))
        });
        let says: Vec<String> = says.collect();
        if let Some(Value::String(text)) = fields.get_mut("description") {
            *text = format!("{text} {}", says.join(" "));
        }
        fields.insert("enum".to_owned(), all.into());
        return;
    }
    if branches.iter().all(|branch| branch.get("type").is_some_and(|kind| kind == "string")) {
        fields.insert("type".to_owned(), "string".into());
        branches.iter_mut().filter_map(Value::as_object_mut).for_each(|branch| drop(branch.remove("type")));
    }
    fields.insert(choice.to_owned(), branches.into());
}
