//! What all policies together said of one request.

pub mod answer;
mod failure;
pub mod message;
pub mod patch;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

pub use failure::{Failure, FailureCause};

use crate::path::Path;
use crate::policy::binding::OnFailure;
use crate::policy::{Action, Policy, PolicyId, Severity};
use crate::workload::Problem;

/// All outcomes of one request, folded.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What is wrong, most severe first.
    pub findings: Vec<Finding>,
    /// Policies that could not decide.
    pub failures: Vec<Failure>,
    /// What is added to the object, and by which policies.
    pub patch: Option<Patched>,
    /// Policies that could not be asked because other objects that they need are not known.
    pub unknown: Vec<Unknown>,
    /// Policies that were not asked because somebody waived them for this object.
    pub waived: Vec<Waived>,
    /// What its user should know of the request as a whole: a skip annotation that does not count.
    pub notes: Vec<String>,
    /// Policies that were asked.
    pub evaluated: usize,
    /// Why policies that match were not asked, or their findings only recorded.
    pub exemption: Option<Exemption>,
    /// Of a request to a subresource: the kind of the object that it belongs to.
    pub parent: Option<String>,
}

impl Decision {
    /// May the object be stored?
    pub fn allowed(&self) -> bool {
        !self.findings.iter().any(|finding| finding.action == Action::Deny) && self.decided()
    }

    /// Could every policy decide whose failure refuses the request?
    pub fn decided(&self) -> bool {
        !self.failures.iter().any(|failure| failure.on_failure == OnFailure::Deny)
    }

    /// Brings the findings into the order in which people read them: what refuses first, then the
    /// worst. A violation that several bindings found counts once, with the strictest action.
    pub fn settle(&mut self) {
        self.findings.sort_by(|a, b| {
            (b.action, b.severity, &a.policy, &a.path, &a.key)
                .cmp(&(a.action, a.severity, &b.policy, &b.path, &b.key))
        });
        let mut seen = BTreeSet::new();
        self.findings.retain(|finding| {
            seen.insert((finding.policy.clone(), finding.key.clone(), finding.message.clone()))
        });
    }

    /// The strictest action among the findings.
    pub fn strictest(&self) -> Option<Action> {
        self.findings.iter().map(|finding| finding.action).max()
    }
}

/// One violation of one policy, judged by its binding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Which policy.
    pub policy: PolicyId,
    /// What it demands.
    pub title: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// What happens.
    pub action: Action,
    /// The old object has it too, so it only warns.
    pub pre_existing: bool,
    /// What is wrong with this object.
    pub message: String,
    /// Where.
    pub path: Path,
    /// Its identity over time.
    pub key: String,
    /// How it is set right.
    pub fix: String,
    /// Why it matters, in one sentence.
    pub why: Option<Arc<str>>,
    /// Where to read more.
    pub docs: Option<String>,
    /// What the policy adds for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// May what is at fault be a credential, so that nobody shows the text?
    pub sensitive: bool,
}

impl Finding {
    /// The reason behind the finding, under the label that reports print: `why` and the policy's reason or,
    /// for a policy that gives none, `rule` and its title; with the page to read.
    pub fn reason(&self) -> (&'static str, String) {
        let (label, reason) = match &self.why {
            Some(why) => ("why", why),
            None => ("rule", &self.title),
        };
        let docs = self.docs.as_ref().map(|docs| format!(" ({docs})")).unwrap_or_default();
        (label, format!("{reason}{docs}"))
    }

    /// What is wrong, and whether it was before.
    pub fn told(&self) -> Cow<'_, str> {
        if self.pre_existing {
            Cow::Owned(format!("already present before this change: {}", self.message))
        } else {
            Cow::Borrowed(&self.message)
        }
    }
}

/// A policy that could not be asked: objects that it needs are not known. That refuses nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// Which policy.
    pub policy: PolicyId,
    /// The kinds that are not known: `StorageClass.storage.k8s.io`.
    pub missing: Vec<String>,
}

/// A policy that was waived for an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waived {
    /// Which policy.
    pub policy: PolicyId,
    /// The exception's name; none: the object's own skip annotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// Why.
    pub reason: String,
}

/// What is added to the object.
#[derive(Clone, Debug)]
pub struct Patched {
    /// The smallest RFC 6902 difference between the object as it came and as it shall be.
    pub operations: json_patch::Patch,
    /// The policies that asked for it.
    pub policies: Vec<PolicyId>,
    /// The object as it shall be.
    pub object: Value,
}

/// Why an object that policies match is not judged like others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Exemption {
    /// It is being deleted already.
    Terminating,
    /// The workload that makes it was judged.
    Owned,
    /// An operator owns it: findings are only recorded, and nothing is patched.
    Operated,
}

/// The id of the finding for an object whose fields cannot be read. It belongs to the pipeline, not
/// to the catalogue: what cannot be read cannot be judged, so no binding loosens it.
pub const OBJECT_UNREADABLE: &str = "object-unreadable";

/// Names and values come from whoever wrote the object: no control characters reach a terminal, and no
/// value fills a screen.
pub fn plain(text: &str) -> String {
    const LIMIT: usize = 1000;
    let safe = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut plain: String = safe.take(LIMIT).collect();
    if text.chars().nth(LIMIT).is_some() {
        plain.push('…');
    }
    plain
}

impl Exemption {
    /// What people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Exemption::Terminating => "it is being deleted already",
            Exemption::Owned => "the workload that owns it is judged instead",
            Exemption::Operated => "an operator owns it, so findings are only recorded",
        }
    }
}

impl Finding {
    /// What the old object had already is not refused now: it would stop every other change, too.
    pub fn ratchet(&mut self, known: &BTreeSet<String>) {
        if known.contains(&self.key) {
            self.pre_existing = true;
            self.action = self.action.min(Action::Warn);
        }
    }

    /// A policy could not be asked for want of other objects, and its binding demands that it is.
    pub fn inventory_required(policy: &Policy, action: Action, unknown: &Unknown) -> Self {
        Self {
            policy: policy.id.clone(),
            title: policy.title.clone(),
            severity: policy.severity,
            action,
            pre_existing: false,
            message: format!(
                "it could not be judged: {}, and a binding says requireInventory",
                unknown.reason()
            ),
            path: Path::new(),
            key: "inventory".to_owned(),
            fix: "give these objects with --inventory FILE, or connect stategate to the cluster".to_owned(),
            why: policy.why.clone(),
            docs: policy.related.first().cloned(),
            details: None,
            sensitive: policy.sensitive,
        }
    }

    /// The object, or one of its fields, cannot be read.
    pub fn unreadable(problem: Problem) -> Self {
        let Problem { message, path } = problem;
        let message = plain(&message);
        Self {
            policy: PolicyId::new(OBJECT_UNREADABLE),
            title: "The object can be read".into(),
            severity: Severity::Critical,
            action: Action::Deny,
            pre_existing: false,
            key: crate::path::pointer(&path),
            message,
            path,
            fix: "write the field as the Kubernetes API defines it".to_owned(),
            why: Some("what cannot be read cannot be judged, so no policy could protect its data".into()),
            docs: None,
            details: None,
            sensitive: false,
        }
    }
}

impl Unknown {
    /// What people read.
    pub fn reason(&self) -> String {
        match self.missing.as_slice() {
            [one] => format!("{one} is not known"),
            many => format!("{} are not known", many.join(", ")),
        }
    }
}
