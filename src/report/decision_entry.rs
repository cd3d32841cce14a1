//! One line of the decision log: what a request came to, as JSON of bounded length.
//!
//! Of the object it has the name, the places of findings and patches, and the messages of findings whose value cannot
//! be a credential; never a value of a patch, an annotation but confirmations, or a body. Of the user it has the name.

use std::time::Duration;

use serde::Serialize;

use crate::admission::Request;
use crate::decision::{Decision, Finding};
use crate::path;
use crate::plain;
use crate::policy::binding::OnFailure;
use crate::policy::{Action, Severity};
use crate::policyset::PolicySet;

/// Bytes of all lists of a line: container runtimes split lines at 16 KiB.
const LISTS: usize = 12 << 10;
/// Bytes of the name of an object, a namespace, a user, a place.
pub const NAME: usize = 256;
/// Bytes of the message of a finding.
const MESSAGE: usize = 512;

/// What is known of a request when it has been answered.
#[derive(Clone, Copy)]
pub struct DecisionEntry<'a> {
    /// When it arrived.
    pub time: jiff::Timestamp,
    /// The path of the webhook, without its leading slash: `validate/fail`.
    pub webhook: &'static str,
    /// The outcome: `allowed`, `denied`, `unreadable`, `shed`, `timed_out`, `broken`.
    pub answer: &'static str,
    /// Identifies the request, as far as it could be read.
    pub uid: &'a str,
    /// The request, if it could be read.
    pub request: Option<&'a Request>,
    /// What the answer said; none: there was no decision, so the failurePolicy decides.
    pub allowed: Option<bool>,
    /// Why there was no decision, in words that are not the client's.
    pub reason: Option<&'a str>,
    /// What the policies said.
    pub decision: &'a Decision,
    /// The policies.
    pub set: Option<&'a PolicySet>,
    /// The trace that has a span of it, if any has.
    pub trace_id: Option<&'a str>,
    /// From the arrival to the answer.
    pub took: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    time: String,
    uid: String,
    webhook: &'static str,
    #[serde(flatten)]
    request: Option<OfRequest>,
    answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    findings: Vec<OneFinding<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<Failed<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<Unknown<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waived: Vec<Waived<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    confirmations: Vec<Confirmation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patched: Option<Patched<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exemption: Option<&'static str>,
    /// Entries of all lists that did not fit.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: usize,
    evaluated: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_set: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    milliseconds: f64,
    /// The share of such requests that are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfRequest {
    operation: &'static str,
    group: String,
    kind: String,
    resource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    subresource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    name: String,
    user: User,
    dry_run: bool,
}

#[derive(Serialize)]
struct User {
    name: String,
    /// Their number: names of groups tell more of a person than a log needs.
    groups: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneFinding<'a> {
    policy: &'a str,
    severity: Severity,
    action: Action,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pre_existing: bool,
}

#[derive(Serialize)]
struct Failed<'a> {
    policy: &'a str,
    reason: &'static str,
    refuses: bool,
}

#[derive(Serialize)]
struct Unknown<'a> {
    policy: &'a str,
    missing: &'a [String],
}

#[derive(Serialize)]
struct Waived<'a> {
    policy: &'a str,
    /// Absent: the object's own annotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<String>,
}

#[derive(Serialize)]
struct Confirmation {
    annotation: String,
    value: String,
}

#[derive(Serialize)]
struct Patched<'a> {
    policies: Vec<&'a str>,
    paths: Vec<String>,
}

impl DecisionEntry<'_> {
    /// Whether it was allowed, and nothing is to be said of it: no finding, failure, exception, confirmation or patch.
    pub fn is_ordinary(&self) -> bool {
        let decision = self.decision;
        self.answer == "allowed"
            && decision.findings.is_empty()
            && decision.failures.is_empty()
            && decision.waived.is_empty()
            && decision.confirmations.is_empty()
            && decision.patch.is_none()
    }

    /// The entry as one line of JSON, without its end. `sample`: the share of such requests that are written, if it
    /// is not all of them.
    ///
    /// # Errors
    /// Only if serde_json fails to write, which for these types it does not.
    pub fn line(&self, sample: Option<f64>) -> Result<String, serde_json::Error> {
        let decision = self.decision;
        let mut room = Room { bytes: LISTS, left_out: 0 };
        let failed = decision.failures.iter().map(|failure| Failed {
            policy: failure.policy.as_str(),
            reason: failure.cause.kind(),
            refuses: failure.on_failure == OnFailure::Deny,
        });
        let waived = decision.waived.iter().map(|waived| Waived {
            policy: waived.policy.as_str(),
            exception: waived.exception.as_deref().map(|name| text(name, NAME)),
        });
        let confirmations = decision
            .confirmations
            .iter()
            .map(|(name, value)| Confirmation { annotation: text(name, NAME), value: text(value, NAME) });
        let unknown = decision
            .unknown
            .iter()
            .map(|unknown| Unknown { policy: unknown.policy.as_str(), missing: &unknown.missing });
        // The shortest and rarest first; what is left is for messages and places.
        let (failed, waived, confirmations) = (room.fit(failed), room.fit(waived), room.fit(confirmations));
        let findings = room.fit(decision.findings.iter().map(finding));
        let patched = decision.patch.as_ref().map(|patched| Patched {
            policies: room.fit(patched.policies.iter().map(|policy| policy.as_str())),
            paths: room.fit(patched.operations.iter().map(|operation| text(operation.path().as_str(), NAME))),
        });
        let unknown = room.fit(unknown);
        serde_json::to_string(&Line {
            time: format!("{:.3}", self.time),
            uid: text(self.uid, NAME),
            webhook: self.webhook,
            request: self.request.map(of_request),
            answer: self.answer,
            allowed: self.allowed,
            reason: self.reason,
            findings,
            failed,
            unknown,
            waived,
            confirmations,
            patched,
            exemption: decision.exemption.map(crate::decision::Exemption::as_str),
            left_out: room.left_out,
            evaluated: decision.evaluated,
            policy_set: self.set.map(PolicySet::digest),
            profile: self.set.map(|set| text(set.profile(), NAME)),
            trace_id: self.trace_id,
            milliseconds: (self.took.as_secs_f64() * 1e6).round() / 1e3,
            sample,
        })
    }
}

fn of_request(request: &Request) -> OfRequest {
    OfRequest {
        operation: request.operation.as_str(),
        group: text(&request.resource.group, NAME),
        kind: text(&request.kind.kind, NAME),
        resource: text(&request.resource.resource, NAME),
        subresource: text(&request.subresource, NAME),
        namespace: text(&request.namespace, NAME),
        name: text(&request.name(), NAME),
        user: User { name: text(&request.user.username, NAME), groups: request.user.groups.len() },
        dry_run: request.dry_run,
    }
}

fn finding(finding: &Finding) -> OneFinding<'_> {
    OneFinding {
        policy: finding.policy.as_str(),
        severity: finding.severity,
        action: finding.action,
        binding: finding.binding.as_deref().map(|binding| text(binding, NAME)),
        path: text(&path::dotted(&finding.path), NAME),
        // It may quote what may be a credential.
        message: (!finding.sensitive).then(|| text(&finding.message, MESSAGE)),
        pre_existing: finding.pre_existing,
    }
}

/// One harmless line of bounded length; a cut is marked.
pub fn text(text: &str, bytes: usize) -> String {
    let beginning = text.get(..text.floor_char_boundary(bytes)).unwrap_or_default();
    let mut shown = plain::line(beginning).into_owned();
    if beginning.len() < text.len() || shown.len() > bytes {
        shown.truncate(shown.floor_char_boundary(bytes));
        shown.push('…');
    }
    shown
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What is left for lists.
struct Room {
    bytes: usize,
    left_out: usize,
}

impl Room {
    /// The first items, as far as there is room for them.
    fn fit<T: Serialize>(&mut self, items: impl Iterator<Item = T>) -> Vec<T> {
        let mut fitting = Vec::new();
        for item in items {
            let bytes = serde_json::to_string(&item).map_or(usize::MAX, |text| text.len() + 1);
            match self.bytes.checked_sub(bytes) {
                Some(left) if self.left_out == 0 => {
                    self.bytes = left;
                    fitting.push(item);
                }
                _ => self.left_out += 1,
            }
        }
        fitting
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::admission::wire;
    use crate::decision::{Failure, FailureCause, Waived};
    use crate::policy::PolicyId;
    use crate::report::sample;

    fn request() -> Request {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
            "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
            "namespace": "shop", "name": "pg\u{202e}", "operation": "CREATE",
            "userInfo": {"username": "dev", "groups": ["a", "b"], "uid": "7", "extra": {"mail": ["dev@example.com"]}},
            "object": {"metadata": {"name": "pg"}, "spec": {"secret": "hunter2"}}}});
        wire::decode(review.to_string().as_bytes()).unwrap()
    }

    fn entry<'a>(request: &'a Request, decision: &'a Decision) -> DecisionEntry<'a> {
        DecisionEntry {
            time: "2026-01-02T03:04:05.678912Z".parse().unwrap(),
            webhook: "validate/fail",
            answer: "denied",
            uid: &request.uid,
            request: Some(request),
            allowed: Some(false),
            reason: None,
            decision,
            set: None,
            trace_id: None,
            took: Duration::from_micros(1234),
        }
    }

    fn read(entry: &DecisionEntry<'_>) -> (String, Value) {
        let line = entry.line(None).unwrap();
        assert_eq!(line.lines().count(), 1);
        let value = serde_json::from_str(&line).unwrap();
        (line, value)
    }

    fn finding(sensitive: bool) -> Finding {
        let mut report = sample::report();
        let found = report.objects.swap_remove(0).findings.swap_remove(1);
        Finding { sensitive, message: format!("hunter2 {}", sample::HOSTILE), ..found.finding }
    }

    #[test]
    fn an_entry_says_what_happened_and_nothing_of_the_object_or_person_beside() {
        let request = request();
        let failure = Failure {
            policy: PolicyId::new("f"),
            cause: FailureCause::NotEvaluated { kind: "stuck", message: "hunter2".to_owned() },
            on_failure: OnFailure::Deny,
        };
        let waived = Waived {
            policy: PolicyId::new("w"),
            exception: Some("legacy".to_owned()),
            reason: "hunter2 is the reason".to_owned(),
        };
        let decision = Decision {
            findings: vec![finding(true)],
            failures: vec![failure],
            waived: vec![waived],
            confirmations: vec![("stategate.io/confirm-scale".to_owned(), "3->0".to_owned())],
            ..Decision::default()
        };
        let (line, entry) = read(&entry(&request, &decision));
        for hidden in ["hunter2", "dev@example.com", "\u{202e}"] {
            assert!(!line.contains(hidden), "{hidden:?} is in {line}");
        }
        assert_eq!(entry["time"], "2026-01-02T03:04:05.678Z");
        assert_eq!((&entry["kind"], &entry["name"]), (&json!("StatefulSet"), &json!("pg\\u{202e}")));
        assert_eq!(entry["user"], json!({"name": "dev", "groups": 2}));
        assert_eq!(entry["failed"], json!([{"policy": "f", "reason": "stuck", "refuses": true}]));
        assert_eq!(entry["waived"], json!([{"policy": "w", "exception": "legacy"}]));
        let confirmed = json!([{"annotation": "stategate.io/confirm-scale", "value": "3->0"}]);
        assert_eq!(entry["confirmations"], confirmed);
        assert_eq!(entry["milliseconds"], 1.234);
        let first = &entry["findings"][0];
        assert!(first["binding"].as_str().unwrap().starts_with("bindings.yaml/"), "{first}");
        assert_eq!((&first["action"], &first["path"]), (&json!("deny"), &json!("spec.a")));
    }

    #[test]
    fn an_entry_is_bounded_and_counts_what_it_leaves_out() {
        let request = request();
        let decision = Decision { findings: vec![finding(false); 5000], ..Decision::default() };
        let (line, entry) = read(&entry(&request, &decision));
        assert!(line.len() < 16 << 10, "{}", line.len());
        let findings = entry["findings"].as_array().unwrap();
        assert!(findings.len() > 5, "{line}");
        assert_eq!(findings.len() + usize::try_from(entry["leftOut"].as_u64().unwrap()).unwrap(), 5000);
        let message = findings[0]["message"].as_str().unwrap();
        assert!(message.starts_with("hunter2 <script>") && message.len() <= MESSAGE + 3, "{message}");
        let long = "\u{1b}".repeat(4 << 20);
        assert!(text(&long, NAME).len() <= NAME + 3);
    }
}
