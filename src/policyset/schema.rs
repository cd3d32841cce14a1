//! The JSON Schema of bindings and profiles, for editors.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::bindings::Head;
use super::documents::PolicySpec;
use super::profile::ProfileSpec;
use crate::policy::binding::BindingSpec;
use crate::policy::exception::ExceptionSpec;

/// The documents of a file of `--bindings` or of a profile: one schema a kind.
pub fn bindings() -> Schema {
    let settings = SchemaSettings::draft2020_12();
    let dialect = settings.meta_schema.clone();
    let mut generator = settings.into_generator();
    let kinds = [
        document::<BindingSpec>(
            &mut generator,
            "PolicyBinding",
            "Where policies apply, with which parameters, and what happens to a violation.",
        ),
        document::<ExceptionSpec>(
            &mut generator,
            "PolicyException",
            "Exempts named objects from named policies, for a reason and usually for a time.",
        ),
        document::<PolicySpec>(&mut generator, "Policy", "A policy of your own, beside the shipped ones."),
        document::<ProfileSpec>(
            &mut generator,
            "Profile",
            "What holds for a whole profile. Only files of `profiles/` may contain it.",
        ),
    ];
    json_schema!({
        "$schema": dialect,
        "title": "stategate bindings",
        "description": "A document of a bindings file or of a profile.",
        "oneOf": kinds,
        "$defs": generator.take_definitions(true),
    })
}

/// A doc comment as a description: its line breaks are those of the source, except between paragraphs.
pub fn unwrapped(comment: &str) -> String {
    comment.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

fn document<S: JsonSchema>(generator: &mut SchemaGenerator, kind: &str, description: &str) -> Value {
    let mut schema = Head::<S>::json_schema(generator).to_value();
    if let Some(written) = schema.pointer_mut("/properties/kind").and_then(Value::as_object_mut) {
        written.insert("const".to_owned(), kind.into());
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("title".to_owned(), json!(kind));
        fields.insert("description".to_owned(), json!(description));
    }
    schema
}
