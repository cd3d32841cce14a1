//! Documents as people write them and as `kubectl get` prints them.

use std::sync::Arc;

use serde_json::Value;

use super::bindings::{Head, below, version};
use super::documents::PolicySpec;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::policy::metadata::package_line;
use crate::reader;
use crate::yaml::Document;

/// The Policies in a file of bindings: their Rego, at the lines where it is in the file.
///
/// # Errors
/// All faults of their documents; what is wrong with their Rego is found when it is loaded.
pub fn policies(text: &SourceText) -> Result<Vec<SourceText>, Diagnostics> {
    let (mut policies, mut errors) = (Vec::new(), Vec::new());
    for mut document in reader::documents(text)?.into_iter().flat_map(items) {
        if document.value.get("kind").and_then(Value::as_str) != Some("Policy") {
            continue;
        }
        remove_server_fields(&mut document.value);
        match reader::typed::<Head<PolicySpec>>(text, &document) {
            Ok(head) => {
                let rego = document.positions.place(&below(&["spec"], ["rego".into()]));
                errors.extend(version(text, rego.line, &head.api_version));
                let rego = SourceText::new(
                    Arc::clone(&text.name),
                    "\n".repeat(rego.line.saturating_sub(1)) + &head.spec.rego,
                );
                errors.extend(misnamed(&head.metadata.name, &rego));
                policies.push(rego);
            }
            Err(faults) => errors.extend(faults.0),
        }
    }
    if errors.is_empty() { Ok(policies) } else { Err(Diagnostics(errors)) }
}

/// A Policy whose name is not the id of its policy: bindings would name something that nobody finds.
pub fn misnamed(name: &str, rego: &SourceText) -> Option<Diagnostic> {
    let (line, package) = package_line(rego)?;
    let id = package.rsplit('.').next()?.replace('_', "-");
    let error = || {
        let message = format!("the Policy is named {name}, but its package says {id}");
        rego.error(line, 1, message).with_help(format!(
            "name it {id}, or write `package stategate.<category>.{}`",
            name.replace('-', "_")
        ))
    };
    (id != name).then(error)
}

/// The documents of a list, as `kubectl get -o yaml` writes them; a document that is no list is itself.
pub(super) fn items(mut document: Document) -> Vec<Document> {
    if document.value.get("kind").and_then(|kind| kind.as_str()).is_some_and(|kind| kind.ends_with("List"))
        && let Some(Value::Array(items)) = document.value.get_mut("items").map(Value::take)
    {
        return items.into_iter().map(Document::without_positions).collect();
    }
    vec![document]
}

/// Removes what only an API server writes. It means nothing here, and a file may be what `kubectl get` wrote.
pub(super) fn remove_server_fields(document: &mut Value) {
    const SERVER_FIELDS: [&str; 6] =
        ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences"];
    if let Some(fields) = document.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut) {
        SERVER_FIELDS.iter().for_each(|field| drop(metadata.remove(*field)));
    }
}
