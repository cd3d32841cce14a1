//! A report that covers every kind of entry, for the tests of the formats. Its texts are hostile.

use std::sync::Arc;

use serde_json::json;

use super::{Excerpt, Found, Report, ReportedException, ReviewedObject};
use crate::admission::Operation;
use crate::decision::{Finding, Unknown, Waived};
use crate::diagnostic::{Diagnostic, SourceText};
use crate::path;
use crate::policy::exception::{Authority, Exception, ExceptionState};
use crate::policy::{Action, PolicyId, Severity, metadata};
use crate::yaml::SourceSpan;

/// Text that tries to be HTML, a link, a command, or the end of a string.
pub const HOSTILE: &str = "<script>alert(1)</script> \"'`](javascript:x) ![x](http://e.x) ]]> -->\u{202e}drow\u{202c} 🐘 עברית %0A::error::x\u{7}";

const TEXT: &str =
    "kind: StatefulSet\nspec:\n  replicas: \"</script><b>\"\n  a:\n    b: 1\n    c: 2\n    d: 3\n    e: 4\n";

const POLICY: &str = "\
# METADATA
# title: Data is not kept in an emptyDir
# description: An emptyDir is wiped when its pod moves. Use `volumeClaimTemplates` & <friends>.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps]}
#   fix: Use `volumeClaimTemplates`.
package stategate.encryption.volume_no_emptydir_data
";

/// The sample report.
pub fn report() -> Report {
    let policy = metadata::read(&SourceText::new("p.rego", POLICY), None).unwrap();
    let mut plain = reviewed("shop/my pg.yaml", None);
    plain.findings = vec![
        found(&plain, Action::Warn, Severity::Low, "/spec/replicas", "  replicas: ", 3),
        found(&plain, Action::Deny, Severity::Critical, "/spec/a", "b: 1\n", 5),
        found(&plain, Action::Audit, Severity::Medium, "", "kind", 1),
        found(&plain, Action::Deny, Severity::Critical, "/spec/a", "b: 1\n", 5),
    ];
    if let Some(sensitive) = plain.findings.get_mut(2) {
        sensitive.excerpt = Excerpt { lines: String::new(), node: 0..0, ..sensitive.excerpt.clone() };
    }
    if let Some(known) = plain.findings.get_mut(3) {
        known.known = true;
    }
    plain.unknown = vec![Unknown {
        policy: PolicyId::new("u"),
        missing: vec!["StorageClass.storage.k8s.io".to_owned()],
        unfilled: false,
    }];
    plain.waived = vec![Waived {
        policy: PolicyId::new("w"),
        exception: Some("legacy".to_owned()),
        reason: HOSTILE.to_owned(),
    }];
    plain.failures = vec![(PolicyId::new("f"), HOSTILE.to_owned(), true)];
    plain.notes = vec![HOSTILE.to_owned()];
    plain.patched_by = vec![PolicyId::new("m")];
    let mut rendered = reviewed("<stdin>", Some("chart/templates/pg.yaml"));
    rendered.name = HOSTILE.to_owned();
    rendered.findings =
        vec![found(&rendered, Action::Warn, Severity::High, "/spec/replicas", "  replicas: ", 3)];
    if let Some(finding) = rendered.findings.get_mut(0) {
        finding.finding.policy = PolicyId::new("object-unreadable");
    }
    Report {
        profile: "production".to_owned(),
        objects: vec![plain, rendered],
        policies: [(policy.id.clone(), policy)].into(),
        errors: vec![Diagnostic {
            source: "shop/bad.yaml".into(),
            line: 2,
            column: 3,
            message: HOSTILE.to_owned(),
            help: Some("write it differently".to_owned()),
        }],
        warnings: vec![Diagnostic {
            source: "shop/my pg.yaml".into(),
            line: 3,
            column: 3,
            message: HOSTILE.to_owned(),
            help: Some(HOSTILE.to_owned()),
        }],
        not_covered: 1,
        kinds_not_covered: [(HOSTILE.to_owned(), 1)].into(),
        lists_earlier: true,
        foreign: 2,
        exceptions: vec![
            exception("expired", ExceptionState::Expired, None),
            exception(HOSTILE, ExceptionState::Expiring, Some(false)),
            exception("active", ExceptionState::Active, Some(true)),
        ],
        notes: vec![HOSTILE.to_owned()],
        relaxed: vec![HOSTILE.to_owned()],
        totals: None,
    }
}

fn exception(name: &str, state: ExceptionState, matched: Option<bool>) -> ReportedException {
    let spec = json!({"policies": ["w"], "match": {}, "reason": HOSTILE, "expiresAt": "2027-01-31"});
    let exception = Exception {
        name: name.to_owned(),
        namespace: "shop".to_owned(),
        authority: Authority::File,
        spec: serde_json::from_value(spec).unwrap(),
        source: "shop/bindings.yaml".into(),
        line: 7,
    };
    ReportedException { exception, state, matched }
}

fn reviewed(file: &str, template: Option<&str>) -> ReviewedObject {
    ReviewedObject {
        api_version: "apps/v1".to_owned(),
        kind: "StatefulSet".to_owned(),
        namespace: "shop".to_owned(),
        name: "pg".to_owned(),
        operation: Operation::Create,
        file: file.into(),
        template: template.map(Arc::from),
        findings: Vec::new(),
        failures: Vec::new(),
        unknown: Vec::new(),
        waived: Vec::new(),
        notes: Vec::new(),
        patched_by: Vec::new(),
        remedy: None,
    }
}

fn found(
    object: &ReviewedObject,
    action: Action,
    severity: Severity,
    pointer: &str,
    node: &str,
    line: usize,
) -> Found {
    let start = TEXT.find(node).unwrap();
    let place = SourceSpan { line, column: 3, start, end: start + node.len() };
    let finding = Finding {
        policy: PolicyId::new("volume-no-emptydir-data"),
        title: "Data is not kept in an emptyDir".into(),
        severity,
        action,
        binding: Some(format!("bindings.yaml/{HOSTILE}").into()),
        pre_existing: action == Action::Warn,
        message: format!("the volume {HOSTILE} is an emptyDir"),
        path: path::from_pointer(pointer),
        key: pointer.to_owned(),
        fix: format!("write `x: y` for {HOSTILE}"),
        why: Some("an emptyDir is wiped whenever its pod leaves the node".into()),
        docs: Some("https://kubernetes.io/docs/concepts/storage/volumes/#emptydir".to_owned()),
        details: Some(json!({"volume": HOSTILE})),
        sensitive: false,
    };
    Found {
        excerpt: Excerpt::of(TEXT, &place, &[]),
        fingerprint: object.fingerprint(&object.file, &finding),
        known: false,
        place,
        finding,
    }
}
