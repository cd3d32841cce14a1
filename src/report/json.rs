//! The report for programs. `apiVersion` is the version of its shape: a version may gain fields, but none changes
//! its meaning or is removed. The types here define its JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use super::{Found, Report, ReportedException, ReviewedObject, Summary};
use crate::diagnostic::Diagnostic;
use crate::path;
use crate::plain;
use crate::policy::exception::ExceptionState;
use crate::policy::{Action, Policy, Severity};

/// The version of the report's shape.
const API_VERSION: &str = "stategate.io/v1alpha1";
/// What the report says it is.
const KIND: &str = "CheckReport";

/// What one run of `stategate check` found.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "CheckReport")]
struct JsonReport<'a> {
    /// The version of this shape. A version may gain fields; none changes its meaning or is removed.
    #[schemars(extend("const" = API_VERSION))]
    api_version: &'static str,
    /// What this document is.
    #[schemars(extend("const" = KIND))]
    kind: &'static str,
    /// The version of stategate that wrote it.
    stategate_version: &'static str,
    /// The profile of the run.
    profile: &'a str,
    /// Numbers of the run.
    summary: Summary,
    /// Every checked object, in the order of the files, including those without a finding.
    objects: Vec<JsonPlaced<'a>>,
    /// The findings, object by object; of one object those that refuse it first, then the most severe.
    findings: Vec<JsonFinding<'a>>,
    /// The policies with findings, by id.
    policies: BTreeMap<&'a str, JsonPolicy<'a>>,
    /// Policies that could not decide.
    failures: Vec<JsonFailure<'a>>,
    /// Objects that policies would complete at admission.
    patches: Vec<JsonPatches<'a>>,
    /// Policies that were not evaluated, because other objects that they need are not known.
    unknown: Vec<JsonUnknown<'a>>,
    /// Policies that were not evaluated, because the object is exempt from them.
    waived: Vec<JsonWaived<'a>>,
    /// The exceptions of the bindings: how far each is from its end, and whether it did anything.
    exceptions: Vec<JsonException<'a>>,
    /// What could not be read.
    errors: Vec<JsonError<'a>>,
    /// What could be read, but is hardly meant so: misspelt fields, keys given twice.
    warnings: Vec<JsonError<'a>>,
    /// Notes about the run.
    notes: Vec<&'a str>,
    /// What the repository itself takes out of the run: policies that its configuration waives, files that it
    /// excludes.
    relaxed: &'a [String],
}

/// A Kubernetes object.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonObject<'a> {
    /// Its group and version: `apps/v1`.
    api_version: &'a str,
    /// Its kind: `StatefulSet`.
    kind: &'a str,
    /// Its namespace; absent for cluster-scoped kinds.
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    /// Its name.
    name: &'a str,
    /// The operation it was checked as: CREATE, or UPDATE if the previous version is known.
    operation: &'static str,
}

/// An object and where it is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonPlaced<'a> {
    /// The object.
    object: JsonObject<'a>,
    /// The file it is in; `<stdin>` for standard input.
    file: &'a str,
    /// The template that the file was rendered from, if Helm names it: the file to edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a str>,
}

/// One violation of one policy.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonFinding<'a> {
    /// The id of the policy.
    policy: &'a str,
    /// How bad it is.
    severity: Severity,
    /// What happens at admission.
    action: Action,
    /// The binding that decided the action: `production/guards` of a profile, `team.yaml/guards` of a file,
    /// `policybinding/guards` of a cluster; absent for an object that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<&'a str>,
    /// What is wrong with this object.
    message: &'a str,
    /// How to fix it.
    fix: &'a str,
    /// What the policy demands.
    title: &'a str,
    /// Why it matters, in one sentence; absent if the policy gives no reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    docs: Option<&'a str>,
    /// The object it is about.
    object: JsonObject<'a>,
    /// The field it is about: a JSON pointer (RFC 6901); empty for the whole object.
    path: String,
    /// Distinguishes it from other findings of the policy in the object, over time.
    key: &'a str,
    /// The previous version of the object already has it; then it only warns.
    pre_existing: bool,
    /// The file the object is in; `<stdin>` for standard input.
    file: &'a str,
    /// The line of the field, from 1.
    line: usize,
    /// The column of the field in characters, from 1.
    column: usize,
    /// The last line of the field.
    end_line: usize,
    /// The column after the last character of the field.
    end_column: usize,
    /// The template that the file was rendered from, if Helm names it: the file to edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a str>,
    /// The same for the same finding in the same file, even if it moves within the file.
    fingerprint: &'a str,
    /// The file of known findings lists it: it does not fail a run.
    known: bool,
    /// Additional data for programs; its shape depends on the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
    /// The value it points at may be a credential: no output shows the text.
    sensitive: bool,
}

/// A policy that found something.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonPolicy<'a> {
    /// What it demands.
    title: &'a str,
    /// Why it matters.
    description: &'a str,
    /// The category it belongs to.
    category: &'a str,
    /// How bad a violation is.
    severity: Severity,
    /// Where to read more.
    docs: &'a [String],
}

/// A policy that could not decide.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonFailure<'a> {
    /// The id of the policy.
    policy: &'a str,
    /// Why it could not.
    error: &'a str,
    /// The failure refuses the object.
    refuses: bool,
    /// The object for which it was evaluated.
    object: JsonObject<'a>,
    /// The file the object is in.
    file: &'a str,
}

/// An object that policies would complete at admission.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonPatches<'a> {
    /// The ids of these policies.
    policies: Vec<&'a str>,
    /// The object.
    object: JsonObject<'a>,
    /// The file the object is in.
    file: &'a str,
}

/// A policy that was not evaluated, which refuses nothing.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonUnknown<'a> {
    /// The id of the policy.
    policy: &'a str,
    /// The kinds that are not known: `StorageClass.storage.k8s.io`.
    missing: &'a [String],
    /// The object for which it was not evaluated.
    object: JsonObject<'a>,
    /// The file the object is in.
    file: &'a str,
}

/// A policy from which an object is exempt.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonWaived<'a> {
    /// The id of the policy.
    policy: &'a str,
    /// The name of the PolicyException; absent if the object's own annotation exempts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a str>,
    /// The reason that the exception or the annotation gives.
    reason: &'a str,
    /// The object.
    object: JsonObject<'a>,
    /// The file the object is in.
    file: &'a str,
}

/// A PolicyException.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonException<'a> {
    /// Its name.
    name: &'a str,
    /// The only namespace that it applies to; absent: every namespace.
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    /// The ids of the policies that it waives.
    policies: Vec<&'a str>,
    /// Why.
    reason: &'a str,
    /// When it expires (RFC 3339); absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    /// `expiring` within 14 days of its end, `expired` from then on.
    state: ExceptionState,
    /// It waived a policy for an object of this run; absent if the run cannot tell: the exception has expired,
    /// not everything was checked, or `check` does not evaluate the policies, such as those for deletes.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<bool>,
    /// The file it is in.
    file: &'a str,
    /// The line of its name, from 1.
    line: usize,
}

/// Something that could not be read.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct JsonError<'a> {
    /// The file.
    file: &'a str,
    /// The line, from 1; 0: the whole file.
    line: usize,
    /// The column in characters, from 1; 0: the whole line.
    column: usize,
    /// What is wrong.
    message: &'a str,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// The JSON Schema of the report.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<JsonReport<'static>>().to_value();
    // Types have no names in the report; the definitions lose the prefix that keeps them apart in Rust.
    rename(&mut schema);
    schema
}

fn rename(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(definitions)) = fields.get_mut("$defs") {
                *definitions = std::mem::take(definitions)
                    .into_iter()
                    .map(|(name, definition)| (name.trim_start_matches("Json").to_owned(), definition))
                    .collect();
            }
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.replace("#/$defs/Json", "#/$defs/");
            }
            fields.values_mut().for_each(rename);
        }
        Value::Array(items) => items.iter_mut().for_each(rename),
        _ => {}
    }
}

/// The report as one JSON document.
///
/// # Errors
/// Only if serde_json fails to write, which for these types it does not.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    let of_objects = report.objects.iter().flat_map(|object| object.notes.iter().map(String::as_str));
    let patched = report.objects.iter().filter(|object| !object.patched_by.is_empty());
    plain::json(&JsonReport {
        api_version: API_VERSION,
        kind: KIND,
        stategate_version: env!("CARGO_PKG_VERSION"),
        profile: &report.profile,
        summary: report.summary(),
        objects: report
            .objects
            .iter()
            .map(|object| JsonPlaced {
                object: json_object(object),
                file: &object.file,
                template: object.template.as_deref(),
            })
            .collect(),
        findings: report
            .objects
            .iter()
            .flat_map(|object| object.findings.iter().map(move |found| json_finding(object, found)))
            .collect(),
        policies: report.policies.iter().map(|(id, policy)| (id.as_str(), json_policy(policy))).collect(),
        failures: report
            .objects
            .iter()
            .flat_map(|object| {
                object.failures.iter().map(move |(policy, error, refuses)| JsonFailure {
                    policy: policy.as_str(),
                    error,
                    refuses: *refuses,
                    object: json_object(object),
                    file: &object.file,
                })
            })
            .collect(),
        patches: patched
            .map(|object| JsonPatches {
                policies: object.patched_by.iter().map(|policy| policy.as_str()).collect(),
                object: json_object(object),
                file: &object.file,
            })
            .collect(),
        unknown: report
            .objects
            .iter()
            .flat_map(|object| {
                object.unknown.iter().map(move |unknown| JsonUnknown {
                    policy: unknown.policy.as_str(),
                    missing: &unknown.missing,
                    object: json_object(object),
                    file: &object.file,
                })
            })
            .collect(),
        waived: report
            .objects
            .iter()
            .flat_map(|object| {
                object.waived.iter().map(move |waived| JsonWaived {
                    policy: waived.policy.as_str(),
                    exception: waived.exception.as_deref(),
                    reason: &waived.reason,
                    object: json_object(object),
                    file: &object.file,
                })
            })
            .collect(),
        exceptions: report.exceptions.iter().map(json_exception).collect(),
        errors: report.errors.iter().map(json_error).collect(),
        warnings: report.warnings.iter().map(json_error).collect(),
        notes: report.notes.iter().map(String::as_str).chain(of_objects).collect(),
        relaxed: &report.relaxed,
    })
}

fn json_error(error: &Diagnostic) -> JsonError<'_> {
    JsonError {
        file: &error.source,
        line: error.line,
        column: error.column,
        message: &error.message,
        help: error.help.as_deref(),
    }
}

fn json_finding<'a>(object: &'a ReviewedObject, found: &'a Found) -> JsonFinding<'a> {
    let Found { finding, place, excerpt, .. } = found;
    JsonFinding {
        policy: finding.policy.as_str(),
        severity: finding.severity,
        action: finding.action,
        binding: finding.binding.as_deref(),
        message: &finding.message,
        fix: &finding.fix,
        title: &finding.title,
        why: finding.why.as_deref(),
        docs: finding.docs.as_deref(),
        object: json_object(object),
        path: path::pointer(&finding.path),
        key: &finding.key,
        pre_existing: finding.pre_existing,
        file: &object.file,
        line: place.line,
        column: place.column,
        end_line: excerpt.end.0,
        end_column: excerpt.end.1,
        template: object.template.as_deref(),
        fingerprint: &found.fingerprint,
        known: found.known,
        details: finding.details.as_ref(),
        sensitive: finding.sensitive,
    }
}

fn json_exception(reported: &ReportedException) -> JsonException<'_> {
    let ReportedException { exception, state, matched } = reported;
    JsonException {
        name: &exception.name,
        namespace: &exception.namespace,
        policies: exception.spec.policies.iter().map(|id| id.as_str()).collect(),
        reason: &exception.spec.reason,
        expires_at: exception.spec.expires_at.map(|end| end.to_string()),
        state: *state,
        matched: *matched,
        file: &exception.source,
        line: exception.line,
    }
}

fn json_policy(policy: &Policy) -> JsonPolicy<'_> {
    JsonPolicy {
        title: &policy.title,
        description: &policy.description,
        category: &policy.category,
        severity: policy.severity,
        docs: &policy.related,
    }
}

fn json_object(object: &ReviewedObject) -> JsonObject<'_> {
    JsonObject {
        api_version: &object.api_version,
        kind: &object.kind,
        namespace: &object.namespace,
        name: &object.name,
        operation: object.operation.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_report_with_everything_agrees_with_its_schema() {
        let report: Value = serde_json::from_str(&render(&sample::report()).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        for list in ["findings", "failures", "patches", "unknown", "waived", "exceptions", "errors", "notes"]
        {
            assert!(!report[list].as_array().unwrap().is_empty(), "the sample has no {list}");
        }
    }
}
