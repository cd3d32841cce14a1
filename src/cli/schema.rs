//! `stategate schema`: the JSON Schemas of what stategate reads and writes.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Exit, config, print_exactly};
use crate::engine;
use crate::plain;
use crate::policy::metadata;
use crate::policyset;
use crate::report::json;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate schema check-report > check-report.schema.json
  stategate schema binding > binding.schema.json

An editor with the YAML language server checks a file against a schema that its first line names:
  # yaml-language-server: $schema=binding.schema.json")]
pub struct Arguments {
    /// The document
    #[arg(value_enum, value_name = "DOCUMENT")]
    document: Document,
}

#[derive(Clone, Copy, ValueEnum)]
enum Document {
    /// A PolicyBinding, PolicyException or Profile
    Binding,
    /// The configuration file stategate.yaml
    Config,
    /// The METADATA block of a policy
    Policy,
    /// The input document that a policy sees
    Input,
    /// What `stategate check -o json` writes
    CheckReport,
}

impl Document {
    fn schema(self) -> Value {
        match self {
            Self::Binding => policyset::schema::bindings().to_value(),
            Self::Config => config::schema(),
            Self::Policy => metadata::schema().to_value(),
            Self::Input => engine::input_schema().to_value(),
            Self::CheckReport => json::schema(),
        }
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut schema = arguments.document.schema();
    unwrap(&mut schema);
    print_exactly(&(plain::json(&schema)? + "\n"))?;
    Ok(Exit::Clean)
}

fn unwrap(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = policyset::schema::unwrapped(text);
            }
            fields.values_mut().for_each(unwrap);
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap),
        _ => {}
    }
}
