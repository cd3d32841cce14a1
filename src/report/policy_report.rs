//! Reports of an audit as objects of the cluster: a Report (openreports.io) or PolicyReport (wgpolicyk8s.io) for each
//! namespace, and one for what lies in none.
//!
//! A cluster may have any number of findings; what is kept of them in memory and what is stored is bounded. The
//! numbers count everything. What an object passes is counted and not listed.

mod worst;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::decision::Decision;
use crate::plain;
use crate::policy::binding::OnFailure;
use crate::policy::{Action, Policy, PolicyId, Severity};
use crate::policyset::PolicySet;
use crate::report::Totals;

/// The property that says what a policy's failure does: `deny` or `warn`.
const ON_FAILURE: &str = "onFailure";

/// The name of every report, and the value of [`MANAGED_BY`].
pub const NAME: &str = "stategate";
/// The label by which stategate knows its reports. No others are touched.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Results that one report lists.
const LISTED: usize = 500;
/// Bytes of the results that one report lists. An API server takes objects of 1.5 MiB; a report is at most a third.
const LISTED_BYTES: usize = 448 << 10;
/// Bytes of the results of all reports, as they are kept until they are written. With more, each report lists fewer.
const KEPT_BYTES: usize = 32 << 20;
/// Bytes of one text.
const TEXT: usize = 1 << 10;
/// What a kept result takes beside its texts, roughly.
const OVERHEAD: usize = 256;

/// What became of a policy for an object, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The object would be refused.
    Fail,
    /// The policy could not decide.
    Error,
    /// The object has a fault that refuses nothing.
    Warn,
    /// The policy was waived, or what it needs is not known.
    Skip,
}

impl Outcome {
    /// `fail`, `error`, `warn`, `skip`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Skip => "skip",
        }
    }
}

/// The object that a result is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Subject {
    pub kind: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    pub api_version: String,
    pub uid: String,
}

/// A result that may be listed. Those that come first are the last to be left out.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    outcome: Outcome,
    severity: Reverse<Option<Severity>>,
    policy: PolicyId,
    /// Absent if it is about all objects of the report.
    subject: Option<Arc<Subject>>,
    category: Option<Arc<str>>,
    message: String,
    properties: BTreeMap<&'static str, String>,
}

impl Listed {
    fn new(outcome: Outcome, policy: &PolicyId, of: Option<&Policy>, message: &str) -> Self {
        Self {
            outcome,
            severity: Reverse(of.map(|policy| policy.severity)),
            policy: policy.clone(),
            subject: None,
            category: of.map(|policy| Arc::clone(&policy.category)),
            message: cut(message),
            properties: BTreeMap::new(),
        }
    }

    fn with(mut self, name: &'static str, text: &str) -> Self {
        if !text.is_empty() {
            self.properties.insert(name, cut(text));
        }
        self
    }

    fn bytes(&self) -> usize {
        OVERHEAD + self.message.len() + self.properties.values().map(String::len).sum::<usize>()
    }

    fn json(&self, now: Timestamp) -> Value {
        let mut result = json!({
            "source": NAME,
            "policy": self.policy.as_str(),
            "result": self.outcome.as_str(),
            "message": self.message,
            "scored": true,
            "timestamp": {"seconds": now.as_second(), "nanos": 0},
        });
        let mut set = |key: &str, value: Value| {
            drop(result.as_object_mut().map(|all| all.insert(key.to_owned(), value)))
        };
        if let Some(severity) = self.severity.0 {
            set("severity", severity.as_str().into());
        }
        if let Some(category) = &self.category {
            set("category", category.as_ref().into());
        }
        if let Some(subject) = &self.subject {
            set("resources", json!([&**subject]));
        }
        if !self.properties.is_empty() {
            set("properties", json!(self.properties));
        }
        result
    }
}

/// One harmless line that is not too long.
fn cut(text: &str) -> String {
    let beginning = text.get(..text.floor_char_boundary(TEXT)).unwrap_or_default();
    let mut line = plain::line(beginning).into_owned();
    if beginning.len() < text.len() || line.len() > TEXT {
        line.truncate(line.floor_char_boundary(TEXT));
        line.push('…');
    }
    line
}

/// The numbers of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    pass: u64,
    fail: u64,
    warn: u64,
    error: u64,
    skip: u64,
}

impl Counts {
    fn add(&mut self, outcome: Outcome, number: u64) {
        let count = match outcome {
            Outcome::Fail => &mut self.fail,
            Outcome::Error => &mut self.error,
            Outcome::Warn => &mut self.warn,
            Outcome::Skip => &mut self.skip,
        };
        *count += number;
    }

    /// Everything that a report lists, or would.
    fn results(self) -> u64 {
        self.fail + self.warn + self.error + self.skip
    }
}

#[derive(Debug, Default)]
struct OfNamespace {
    listed: BTreeSet<Listed>,
    counts: Counts,
    /// Policies that were not evaluated because of what is not known, and for how many objects: the same for all.
    unknown: BTreeMap<(PolicyId, String), u64>,
}

/// How often a policy had an outcome in the whole audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Of the policy.
    pub severity: Option<Severity>,
    /// Number of results.
    pub results: u64,
}

/// What an audit has found so far.
#[derive(Debug)]
pub struct AuditResults {
    /// By namespace; what lies in none is under the empty name.
    namespaces: BTreeMap<String, OfNamespace>,
    totals: BTreeMap<(PolicyId, Outcome), Total>,
    /// Numbers of objects by kind, and of findings by action.
    numbers: Totals,
    bytes: usize,
    /// How many results each report may list.
    limit: usize,
    kept_bytes: usize,
}

impl Default for AuditResults {
    fn default() -> Self {
        Self::keeping(KEPT_BYTES)
    }
}

impl AuditResults {
    fn keeping(kept_bytes: usize) -> Self {
        let (namespaces, totals, numbers) = (BTreeMap::new(), BTreeMap::new(), Totals::default());
        Self { namespaces, totals, numbers, bytes: 0, limit: LISTED, kept_bytes }
    }

    /// Adds what the policies said of an object.
    pub fn add(&mut self, set: &PolicySet, subject: Subject, decision: &Decision) {
        let namespace = subject.namespace.clone();
        self.numbers.add(&subject.api_version, &subject.kind, decision);
        let subject = Arc::new(subject);
        let mut undecided = BTreeSet::new();
        for finding in &decision.findings {
            undecided.insert(&finding.policy);
            let outcome = if finding.action == Action::Deny { Outcome::Fail } else { Outcome::Warn };
            let policy = set.policy(finding.policy.as_str());
            let mut result = Listed::new(outcome, &finding.policy, policy, &finding.message)
                .with("action", finding.action.as_str())
                .with("binding", finding.binding.as_deref().unwrap_or_default())
                .with("path", &crate::path::pointer(&finding.path))
                .with("fix", &finding.fix)
                .with("docs", finding.docs.as_deref().unwrap_or_default());
            result.severity = Reverse(Some(finding.severity));
            self.insert(&namespace, Some(&subject), result);
        }
        for failure in &decision.failures {
            undecided.insert(&failure.policy);
            let policy = set.policy(failure.policy.as_str());
            let on_failure = if failure.on_failure == OnFailure::Deny { "deny" } else { "warn" };
            let result = Listed::new(Outcome::Error, &failure.policy, policy, &failure.cause.to_string())
                .with(ON_FAILURE, on_failure);
            self.insert(&namespace, Some(&subject), result);
        }
        for waived in &decision.waived {
            let policy = set.policy(waived.policy.as_str());
            let result = Listed::new(Outcome::Skip, &waived.policy, policy, &waived.reason)
                .with("exception", waived.exception.as_deref().unwrap_or_default());
            self.insert(&namespace, Some(&subject), result);
        }
        for unknown in &decision.unknown {
            self.count(&namespace, set.policy(unknown.policy.as_str()), &unknown.policy, Outcome::Skip);
            let key = (unknown.policy.clone(), unknown.reason());
            *self.namespaces.entry(namespace.clone()).or_default().unknown.entry(key).or_default() += 1;
        }
        let passed = decision.evaluated.saturating_sub(undecided.len());
        if let Some(of) = self.namespaces.get_mut(&namespace) {
            of.counts.pass += passed as u64;
        } else if passed > 0 {
            let counts = Counts { pass: passed as u64, ..Counts::default() };
            self.namespaces.insert(namespace, OfNamespace { counts, ..OfNamespace::default() });
        }
    }

    /// Adds that something could not be audited at all.
    pub fn fail(&mut self, message: &str) {
        let result = Listed::new(Outcome::Error, &PolicyId::new(NAME), None, message);
        self.insert("", None, result);
    }

    fn count(&mut self, namespace: &str, of: Option<&Policy>, policy: &PolicyId, outcome: Outcome) {
        let total = self.totals.entry((policy.clone(), outcome)).or_default();
        total.results += 1;
        total.severity = total.severity.or(of.map(|policy| policy.severity));
        self.namespaces.entry(namespace.to_owned()).or_default().counts.add(outcome, 1);
    }

    fn insert(&mut self, namespace: &str, subject: Option<&Arc<Subject>>, mut result: Listed) {
        result.subject = subject.cloned();
        let total = self.totals.entry((result.policy.clone(), result.outcome)).or_default();
        total.results += 1;
        total.severity = result.severity.0;
        let of = self.namespaces.entry(namespace.to_owned()).or_default();
        of.counts.add(result.outcome, 1);
        let bytes = result.bytes();
        if of.listed.insert(result) {
            self.bytes += bytes;
        }
        while of.listed.len() > self.limit
            && let Some(last) = of.listed.pop_last()
        {
            self.bytes -= last.bytes();
        }
        while self.bytes > self.kept_bytes && self.limit > 1 {
            self.limit /= 2;
            for of in self.namespaces.values_mut() {
                while of.listed.len() > self.limit
                    && let Some(last) = of.listed.pop_last()
                {
                    self.bytes -= last.bytes();
                }
            }
        }
    }

    /// The namespaces that need a report; the empty name stands for what lies in none.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.iter().filter(|(_, of)| of.counts.results() > 0).map(|(name, _)| name.as_str())
    }

    /// How often each policy had each outcome.
    pub fn totals(&self) -> impl Iterator<Item = (&PolicyId, Outcome, Total)> {
        self.totals.iter().map(|((policy, outcome), total)| (policy, *outcome, *total))
    }

    /// The report of a namespace, of an `apiVersion` and `kind`.
    pub fn report(&self, namespace: &str, api_version: &str, kind: &str, now: Timestamp) -> Value {
        let none = OfNamespace::default();
        let of = self.namespaces.get(namespace).unwrap_or(&none);
        let unknown = of.unknown.iter().map(|((policy, reason), objects)| {
            let message = format!("not evaluated: {reason}");
            (
                *objects,
                Listed::new(Outcome::Skip, policy, None, &message).with("objects", &objects.to_string()),
            )
        });
        let (mut results, mut listed, mut bytes) = (Vec::new(), 0, 0);
        let all = of.listed.iter().map(|result| (1, result.json(now)));
        for (number, result) in all.chain(unknown.map(|(number, result)| (number, result.json(now)))) {
            let length = result.to_string().len();
            if results.len() < LISTED && bytes + length <= LISTED_BYTES {
                bytes += length;
                listed += number;
                results.push(result);
            }
        }
        let left_out = of.counts.results().saturating_sub(listed);
        if left_out > 0 {
            let only = if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") };
            let message =
                format!("{left_out} more results are not listed; `stategate audit{only}` shows all");
            let note = Listed::new(Outcome::Skip, &PolicyId::new(NAME), None, &message);
            results.push(note.with("leftOut", &left_out.to_string()).json(now));
        }
        let mut fields = Map::new();
        let mut metadata = json!({"name": NAME, "labels": {MANAGED_BY: NAME}});
        if !namespace.is_empty() {
            let scope = json!({"apiVersion": "v1", "kind": "Namespace", "name": namespace});
            fields.insert("scope".to_owned(), scope);
            let metadata = metadata.as_object_mut();
            metadata.map(|metadata| metadata.insert("namespace".to_owned(), namespace.into()));
        }
        let report = [
            ("apiVersion", api_version.into()),
            ("kind", kind.into()),
            ("metadata", metadata),
            ("summary", json!(of.counts)),
            ("results", results.into()),
        ];
        fields.extend(report.map(|(name, value)| (name.to_owned(), value)));
        fields.into()
    }
}

/// Whether a stored report is stategate's.
pub fn is_own(stored: &Value) -> bool {
    stored.pointer("/metadata/name").is_some_and(|name| name == NAME)
        && stored
            .get("metadata")
            .and_then(|metadata| metadata.get("labels")?.get(MANAGED_BY))
            .is_some_and(|by| by == NAME)
}

/// The report as it is to be stored in the place of another one: what was found before keeps its time, and what
/// others put into its metadata stays. None if nothing would change.
pub fn replacement(mut report: Value, stored: &Value) -> Option<Value> {
    let timed = |result: &Value| {
        let mut result = result.clone();
        let time = result.as_object_mut().and_then(|fields| fields.remove("timestamp"));
        (result.to_string(), time)
    };
    let before = stored.get("results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut before: HashMap<String, Option<Value>> = before.iter().map(timed).collect();
    for result in report.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten() {
        let (text, _) = timed(result);
        if let Some(time) = before.remove(&text).flatten()
            && let Some(fields) = result.as_object_mut()
        {
            fields.insert("timestamp".to_owned(), time);
        }
    }
    if ["results", "summary", "scope"].iter().all(|part| report.get(part) == stored.get(part)) {
        return None;
    }
    if let (Some(report), Some(metadata)) = (report.as_object_mut(), stored.get("metadata")) {
        report.insert("metadata".to_owned(), metadata.clone());
    }
    Some(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Failure, FailureCause, Finding, Unknown, Waived};
    use crate::policyset::{CompileOptions, Sources};

    /// No object of an API server may be larger.
    const LARGEST: usize = 512 << 10;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn set() -> PolicySet {
        PolicySet::compile(&Sources::default(), CompileOptions::default()).unwrap()
    }

    fn subject(namespace: &str, name: &str) -> Subject {
        let [kind, api_version] = ["StatefulSet", "apps/v1"].map(str::to_owned);
        let (namespace, name, uid) = (namespace.to_owned(), name.to_owned(), format!("uid-of-{name}"));
        Subject { kind, name, namespace, api_version, uid }
    }

    fn finding(policy: &str, action: Action, severity: Severity, message: &str) -> Finding {
        Finding {
            severity,
            binding: Some("production/one".into()),
            message: message.to_owned(),
            fix: message.to_owned(),
            ..Finding::sample(policy, action)
        }
    }

    fn found(findings: Vec<Finding>) -> Decision {
        Decision { evaluated: findings.len() + 3, findings, ..Decision::default() }
    }

    fn report(results: &AuditResults, namespace: &str) -> Value {
        results.report(namespace, "openreports.io/v1alpha1", "Report", now())
    }

    fn listed(report: &Value) -> Vec<(&str, &str)> {
        let results = report["results"].as_array().unwrap();
        results
            .iter()
            .map(|result| (result["policy"].as_str().unwrap(), result["result"].as_str().unwrap()))
            .collect()
    }

    #[test]
    fn the_report_for_people_is_bounded_and_its_numbers_count_everything() {
        let (set, mut results) = (set(), AuditResults::default());
        let bad = |number: usize| {
            let message = format!("<b>{number}</b>");
            let mut findings = vec![finding("mild", Action::Warn, Severity::Low, &message)];
            if number < 1500 {
                findings.push(finding("bad", Action::Deny, Severity::Critical, &message));
            }
            found(findings)
        };
        for number in 0..4000 {
            results.add(
                &set,
                subject(&format!("team-{}", number % 40), &format!("pg-{number}")),
                &bad(number),
            );
        }
        for number in 0..10 {
            results.add(&set, subject("fine", &format!("pg-{number}")), &Decision::default());
        }
        let unknown = vec![Unknown {
            policy: PolicyId::new("blind"),
            missing: vec!["Node".to_owned()],
            unfilled: false,
        }];
        results.add(&set, subject("fine", "blind"), &Decision { unknown, ..Decision::default() });
        results.fail("Node cannot be listed: forbidden");
        let worst = results.worst(&set, now());
        let listed: usize = worst.objects.iter().map(|object| object.findings.len()).sum();
        // The error about a kind is the one that is not a finding.
        assert_eq!((listed, worst.errors.len()), (1999, 1));
        let all_bad = worst.objects.iter().flat_map(|object| &object.findings);
        assert_eq!(all_bad.filter(|found| found.finding.action == Action::Deny).count(), 1500);
        let summary = worst.summary();
        assert_eq!((summary.objects, summary.deny, summary.warn, summary.unknown), (4011, 1500, 4000, 1));
        assert_eq!(worst.totals.as_ref().unwrap().not_listed, 3501);
        let page = crate::report::html::render(&worst).unwrap();
        for says in [
            "1500 objects would be refused",
            "4011 objects checked",
            "3501 results more",
            "Node is not known",
        ] {
            assert!(page.contains(says), "{says}");
        }
        assert!(page.len() < 4 << 20 && !page.contains("<b>1"), "{}", page.len());
    }

    #[test]
    fn every_outcome_is_listed_the_worst_first() {
        let mut results = AuditResults::default();
        let failed = |policy: &str| Failure {
            policy: PolicyId::new(policy),
            cause: FailureCause::NotEvaluated { kind: "stuck", message: "it is stuck".to_owned() },
            on_failure: OnFailure::Deny,
        };
        let decision = Decision {
            findings: vec![
                finding("recorded", Action::Audit, Severity::Critical, "m"),
                finding("mild", Action::Deny, Severity::Low, "m"),
                finding("bad", Action::Deny, Severity::Critical, "m"),
            ],
            failures: vec![failed("broken")],
            unknown: vec![Unknown {
                policy: PolicyId::new("blind"),
                missing: vec!["Node".to_owned()],
                unfilled: false,
            }],
            waived: vec![Waived {
                policy: PolicyId::new("waived"),
                exception: Some("legacy".to_owned()),
                reason: "OPS-1".to_owned(),
            }],
            evaluated: 10,
            ..Decision::default()
        };
        for name in ["pg", "redis"] {
            results.add(&set(), subject("shop", name), &decision);
        }
        results.add(&set(), subject("fine", "pg"), &Decision { evaluated: 4, ..Decision::default() });
        results.fail("Node cannot be listed: forbidden");
        assert_eq!(results.namespaces().collect::<Vec<_>>(), ["", "shop"], "what is fine needs no report");
        let shop = report(&results, "shop");
        let each = [
            ("bad", "fail"),
            ("mild", "fail"),
            ("broken", "error"),
            ("recorded", "warn"),
            ("waived", "skip"),
        ];
        let mut expected: Vec<(&str, &str)> = each.iter().flat_map(|one| [*one, *one]).collect();
        // What is not known is the same for all objects.
        expected.push(("blind", "skip"));
        assert_eq!(listed(&shop), expected);
        assert_eq!(shop["summary"], json!({"pass": 12, "fail": 4, "warn": 2, "error": 2, "skip": 4}));
        assert_eq!(
            shop["results"][0]["resources"],
            json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "namespace": "shop", "name": "pg", "uid": "uid-of-pg"}])
        );
        assert_eq!(shop["results"][0]["severity"], "critical");
        assert_eq!(shop["results"][10]["properties"], json!({"objects": "2"}));
        assert_eq!(shop["scope"]["name"], "shop");
        let cluster = report(&results, "");
        assert_eq!((listed(&cluster), cluster.get("scope")), (vec![("stategate", "error")], None));
        let totals: Vec<(&str, &str, u64)> = results
            .totals()
            .map(|(policy, outcome, total)| (policy.as_str(), outcome.as_str(), total.results))
            .collect();
        assert!(totals.contains(&("blind", "skip", 2)) && totals.contains(&("bad", "fail", 2)), "{totals:?}");
    }

    #[test]
    fn a_report_of_any_number_of_results_is_small_and_shows_the_worst() {
        for long in ["it is wrong".to_owned(), "\u{1f418}\"\u{7}\u{202e}".repeat(500)] {
            let mut results = AuditResults::default();
            let set = set();
            for number in 0..20_000 {
                let severity = if number % 100 == 99 { Severity::Critical } else { Severity::Low };
                let message = format!("{number} {long}");
                let decision = found(vec![finding("policy", Action::Deny, severity, &message)]);
                results.add(&set, subject("shop", &format!("pg-{number}")), &decision);
            }
            let report = report(&results, "shop");
            let all = report["results"].as_array().unwrap();
            assert!(report.to_string().len() < LARGEST, "{} bytes", report.to_string().len());
            assert_eq!(report["summary"]["fail"], 20_000, "the numbers count everything");
            let (last, shown) = all.split_last().unwrap();
            assert!(shown.len() > 80 && shown.len() <= LISTED, "{}", shown.len());
            assert!(shown.iter().take(200).all(|result| result["severity"] == "critical"));
            assert_eq!(last["properties"]["leftOut"], (20_000 - shown.len()).to_string());
            let says = last["message"].as_str().unwrap();
            assert!(says.contains("stategate audit -n shop"), "{says}");
            assert!(!report.to_string().contains(['\u{7}', '\u{202e}']));
        }
    }

    #[test]
    fn what_is_kept_is_bounded_whatever_the_cluster_has_and_in_whatever_order_it_comes() {
        const KEPT: usize = 256 << 10;
        let add = |numbers: &mut dyn Iterator<Item = usize>| {
            let mut results = AuditResults::keeping(KEPT);
            let set = set();
            for number in numbers {
                let decision = found(vec![finding("policy", Action::Warn, Severity::Low, "it is wrong")]);
                results.add(
                    &set,
                    subject(&format!("n{}", number % 50), &format!("pg-{number:05}")),
                    &decision,
                );
                assert!(results.bytes <= KEPT);
            }
            let listed = results.namespaces.values().flat_map(|of| &of.listed);
            assert_eq!(results.bytes, listed.map(Listed::bytes).sum::<usize>());
            results
        };
        let (forth, back) = (add(&mut (0..10_000)), add(&mut (0..10_000).rev()));
        assert!(forth.limit < LISTED);
        for namespace in ["n0", "n49"] {
            let report = report(&forth, namespace);
            assert_eq!(report, self::report(&back, namespace), "the order of lists must change no report");
            assert_eq!(report["summary"]["warn"], 200);
            let left_out = 200 - forth.limit;
            assert_eq!(report["results"][forth.limit]["properties"]["leftOut"], left_out.to_string());
        }
    }

    #[test]
    fn a_report_is_replaced_only_if_it_says_something_else() {
        let set = set();
        let mut results = AuditResults::default();
        let one = found(vec![finding("one", Action::Deny, Severity::Low, "m")]);
        results.add(&set, subject("shop", "pg"), &one);
        let mut stored = report(&results, "shop");
        stored["metadata"]["resourceVersion"] = "7".into();
        stored["metadata"]["annotations"] = json!({"team": "data"});
        assert!(is_own(&stored));
        let later: Timestamp = "2026-02-02T03:04:05Z".parse().unwrap();
        let again =
            |results: &AuditResults| results.report("shop", "openreports.io/v1alpha1", "Report", later);
        assert_eq!(replacement(again(&results), &stored), None);

        results.add(&set, subject("shop", "redis"), &one);
        let replaced = replacement(again(&results), &stored).unwrap();
        assert_eq!(replaced["metadata"], stored["metadata"], "what others say there stays");
        let times: Vec<i64> = replaced["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["timestamp"]["seconds"].as_i64().unwrap())
            .collect();
        assert_eq!(times, [now().as_second(), later.as_second()], "what was found before keeps its time");

        let mut tampered = stored.clone();
        tampered["results"][0]["result"] = "pass".into();
        assert!(replacement(report(&AuditResults::default(), "shop"), &tampered).is_some());
        for foreign in ["/metadata/labels", "/metadata/name"] {
            let mut other = stored.clone();
            *other.pointer_mut(foreign).unwrap() = json!("other");
            assert!(!is_own(&other), "{foreign}");
        }
    }
}
