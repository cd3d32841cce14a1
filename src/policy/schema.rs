//! JSON Schemas of the types whose `Deserialize` is written by hand.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::binding::BindingAction;
use crate::admission::GroupKind;
use crate::inventory::InventoryRequirements;

/// `Kind.group`, as [`GroupKind`] is written.
const KIND: &str = "^[A-Z]";

impl JsonSchema for GroupKind {
    fn schema_name() -> Cow<'static, str> {
        "GroupKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A kind and its group: `StatefulSet.apps`, or `PersistentVolumeClaim` of the core group.",
            "type": "string",
            "pattern": KIND,
        })
    }
}

impl JsonSchema for InventoryRequirements {
    fn schema_name() -> Cow<'static, str> {
        "InventoryRequirements".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Kinds (`Kind.group`) and how much the policy needs each.",
            "type": "object",
            "propertyNames": {"pattern": KIND},
            "additionalProperties": {
                "oneOf": [
                    {"const": "cluster", "description": "All objects of the kind must be known; otherwise the policy is not evaluated."},
                    {"const": "bundle", "description": "The manifests that come with the object count: what they lack does not exist."},
                    {"const": "optional", "description": "The policy is evaluated without it, too."},
                ],
            },
        })
    }
}

impl JsonSchema for BindingAction {
    fn schema_name() -> Cow<'static, str> {
        "BindingAction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What happens to a violation.",
            "oneOf": [
                {"const": "deny", "description": "The request is refused."},
                {"const": "warn", "description": "The user is warned."},
                {"const": "audit", "description": "It is only recorded."},
                {"enum": ["off", false], "description": "The policies are not evaluated. YAML 1.1 reads a bare `off` as false."},
            ],
        })
    }
}
