//! The report for programs. Its shape is versioned by `apiVersion`.

use serde::Serialize;
use serde_json::Value;

use super::{Found, Judged, Report, Summary};
use crate::decision::{Unknown, Waived};
use crate::path;
use crate::policy::{Action, Severity};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    profile: &'a str,
    summary: Summary,
    findings: Vec<JsonFinding<'a>>,
    failures: Vec<JsonFailure<'a>>,
    patches: Vec<JsonPatches<'a>>,
    unknown: Vec<JsonUnknown<'a>>,
    waived: Vec<JsonWaived<'a>>,
    errors: Vec<JsonError<'a>>,
    notes: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonObject<'a> {
    api_version: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    name: &'a str,
    operation: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonFinding<'a> {
    policy: &'a str,
    severity: Severity,
    action: Action,
    message: &'a str,
    fix: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    docs: Option<&'a str>,
    object: JsonObject<'a>,
    /// RFC 6901
    path: String,
    key: &'a str,
    pre_existing: bool,
    file: &'a str,
    line: usize,
    column: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a str>,
    fingerprint: &'a str,
    known: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Value>,
    #[serde(skip_serializing_if = "is_false")]
    sensitive: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonFailure<'a> {
    policy: &'a str,
    error: &'a str,
    refuses: bool,
    object: JsonObject<'a>,
    file: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonPatches<'a> {
    policies: Vec<&'a str>,
    object: JsonObject<'a>,
    file: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonUnknown<'a> {
    #[serde(flatten)]
    unknown: &'a Unknown,
    object: JsonObject<'a>,
    file: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonWaived<'a> {
    #[serde(flatten)]
    waived: &'a Waived,
    object: JsonObject<'a>,
    file: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonError<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

/// The report as one JSON document.
///
/// # Errors
/// Only if serde_json fails to write, which for these types it does not.
pub fn render(report: &Report) -> Result<String, serde_json::Error> {
    let of_objects = report.objects.iter().flat_map(|object| object.notes.iter().map(String::as_str));
    let patched = report.objects.iter().filter(|object| !object.patched_by.is_empty());
    serde_json::to_string_pretty(&JsonReport {
        api_version: "stategate.io/v1alpha1",
        kind: "CheckReport",
        profile: &report.profile,
        summary: report.summary(),
        findings: report
            .objects
            .iter()
            .flat_map(|object| object.findings.iter().map(move |found| json_finding(object, found)))
            .collect(),
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
                    unknown,
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
                    waived,
                    object: json_object(object),
                    file: &object.file,
                })
            })
            .collect(),
        errors: report
            .errors
            .iter()
            .map(|error| JsonError {
                file: &error.source,
                line: error.line,
                column: error.column,
                message: &error.message,
                help: error.help.as_deref(),
            })
            .collect(),
        notes: report.notes.iter().map(String::as_str).chain(of_objects).collect(),
    })
}

fn json_finding<'a>(object: &'a Judged, found: &'a Found) -> JsonFinding<'a> {
    let Found { finding, place, .. } = found;
    JsonFinding {
        policy: finding.policy.as_str(),
        severity: finding.severity,
        action: finding.action,
        message: &finding.message,
        fix: &finding.fix,
        title: &finding.title,
        docs: finding.docs.as_deref(),
        object: json_object(object),
        path: path::pointer(&finding.path),
        key: &finding.key,
        pre_existing: finding.pre_existing,
        file: &object.file,
        line: place.line,
        column: place.column,
        template: object.template.as_deref(),
        fingerprint: &found.fingerprint,
        known: found.known,
        // A value that may be a credential is nobody's detail.
        details: finding.details.as_ref().filter(|_| !finding.sensitive),
        sensitive: finding.sensitive,
    }
}

fn json_object(object: &Judged) -> JsonObject<'_> {
    JsonObject {
        api_version: &object.api_version,
        kind: &object.kind,
        namespace: &object.namespace,
        name: &object.name,
        operation: object.operation.as_str(),
    }
}
